/* whole_file.c -- a file that appears whole or not at all.
 * SPDX-License-Identifier: MIT */
#include "io/whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static eqs_status cannot(const char *path) {
  EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
}

/* The file itself where the path is a link to it. */
static eqs_status name_parts(whole_file *w) {
  struct stat there;
  if (!strcmp(w->path, "-")) return EQS_OK;
  int exists = stat(w->path, &there) == 0;
  if (exists && !S_ISREG(there.st_mode)) return EQS_OK;
  w->target = exists ? realpath(w->path, NULL) : strdup(w->path);
  if (!w->target) return cannot(w->path);
  size_t size = strlen(w->target) + sizeof ".tmp";
  w->part = malloc(size);
  if (!w->part) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for a file name");
  snprintf(w->part, size, "%s.tmp", w->target);
  return EQS_OK;
}

static void forget(whole_file *w) {
  free(w->target);
  free(w->part);
  *w = (whole_file){0};
}

eqs_status whole_file_open(whole_file *w, const char *path) {
  *w = (whole_file){.path = path};
  eqs_status status = name_parts(w);
  if (status == EQS_OK) {
    w->file = !strcmp(path, "-") ? stdout : fopen(w->part ? w->part : path, "wb");
    if (!w->file) status = cannot(path);
  }
  if (status != EQS_OK) forget(w);
  return status;
}

eqs_status whole_file_close(whole_file *w, eqs_status status) {
  if (!w->file) return status;
  int bad = fflush(w->file) || ferror(w->file) || (w->part && fsync(fileno(w->file)));
  int why = errno;
  if (w->file != stdout && fclose(w->file) && !bad) bad = 1, why = errno;
  if (!bad && status == EQS_OK && w->part && rename(w->part, w->target)) bad = 1, why = errno;
  if (w->part && (bad || status != EQS_OK)) remove(w->part);
  if (bad && status == EQS_OK) {
    errno = why;
    status = cannot(w->path);
  }
  forget(w);
  return status;
}

eqs_status whole_file_write(const char *path, const void *data, size_t n) {
  whole_file w;
  EQS_TRY(whole_file_open(&w, path));
  fwrite(data, 1, n, w.file);
  return whole_file_close(&w, EQS_OK); /* sees a failure of writing */
}

void whole_file_remove(const char *path) {
  whole_file w = {.path = path};
  if (name_parts(&w) == EQS_OK && w.part) remove(w.part);
  forget(&w);
  remove(path);
}
