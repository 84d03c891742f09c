/* model_path.c -- from a model's name to its file.
 * SPDX-License-Identifier: MIT */
#include "core/model_path.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PLACES = 1024 };

typedef struct search {
  const char *name;
  char *found;
  char looked[PLACES]; /* the folders so far, for the message */
  size_t used;
} search;

static int is_file(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* The folder's first n letters, and `below` it. */
static eqs_status try_folder(search *s, const char *folder, size_t n, const char *below) {
  size_t room = n + strlen(below) + strlen(s->name) + 16;
  char *path;
  if (s->found || !n) return EQS_OK;
  EQS_TRY(alloc_array(&path, room, 1, "a file name"));
  snprintf(path, room, "%.*s%s/%s.safetensors", (int)n, folder, below, s->name);
  if (is_file(path)) {
    s->found = path;
    return EQS_OK;
  }
  free(path);
  int length = snprintf(s->looked + s->used, PLACES - s->used, "%s%.*s%s", s->used ? ", " : "",
                        (int)n, folder, below);
  if (length > 0 && (size_t)length < PLACES - s->used) s->used += (size_t)length;
  else s->looked[s->used] = 0;
  return EQS_OK;
}

static eqs_status try_all(search *s) {
  static const char *const below[] = {"/models", "/../share/equisorb/models",
                                      "/../../share/equisorb/models"};
  static const char here = 0; /* something that lies in the library */
  const char *list = getenv("EQUISORB_MODELS");
  Dl_info self;
  while (list && *list) {
    size_t n = strcspn(list, ":");
    EQS_TRY(try_folder(s, list, n < 4096 ? n : 0, ""));
    list += n + (list[n] == ':');
  }
  if (!dladdr(&here, &self) || !self.dli_fname) return EQS_OK;
  const char *slash = strrchr(self.dli_fname, '/');
  const char *folder = slash ? self.dli_fname : ".";
  size_t n = slash ? (size_t)(slash - self.dli_fname) : 1;
  for (size_t k = 0; k < sizeof below / sizeof *below; k++)
    EQS_TRY(try_folder(s, folder, n < 4096 ? n : 0, below[k]));
  return EQS_OK;
}

static int is_name(const char *path) {
  size_t n = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
  return n && !path[n] && n < 128;
}

eqs_status model_path_find(const char *path, char **out) {
  search s = {.name = path};
  *out = NULL;
  if (!is_name(path) || is_file(path)) {
    *out = strdup(path);
    if (!*out) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: a file name");
    return EQS_OK;
  }
  EQS_TRY(try_all(&s));
  *out = s.found;
  if (s.found) return EQS_OK;
  EQS_FAIL(EQS_ERR_FILE,
           "%s: there is no such file here, and no model of that name: %s.safetensors is not in %s"
           "; give the file of a model, or name its folder in EQUISORB_MODELS",
           path, path, s.looked);
}
