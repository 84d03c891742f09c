/* energy_store.c -- expensive energies by the number of their pose, in memory and in a file.
 *
 * The file is text: a title, the condition's SHA-256, the count, one line "index energy" each
 * (hexadecimal floating point: exact), and the SHA-256 of all that.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/energy_store.h"

#include "core/locale_c.h"
#include "io/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 30, DIGEST = 64 };
#define TITLE     "equisorb insertion energies, version 1\n"
#define INDEX_MAX ((int64_t)1 << 50)

/* ---- in memory */

static int64_t slot_of(const energy_store *s, int64_t index) {
  uint64_t hash = (uint64_t)index * 0x9E3779B97F4A7C15u;
  int64_t at = (int64_t)((hash ^ hash >> 32) & (uint64_t)(s->n_slot - 1));
  while (s->slot[at] && s->entry[s->slot[at] - 1].index != index) at = (at + 1) & (s->n_slot - 1);
  return at;
}

stored_energy *energy_store_find(const energy_store *s, int64_t index) {
  if (!s->n_slot) return NULL;
  int64_t at = s->slot[slot_of(s, index)];
  return at ? &s->entry[at - 1] : NULL;
}

static eqs_status enlarge(energy_store *s) {
  int64_t capacity = s->capacity ? 2 * s->capacity : 1024, *slot = NULL;
  stored_energy *entry = realloc(s->entry, mul_size((size_t)capacity, sizeof *entry));
  if (!entry) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %lld energies", (long long)capacity);
  s->entry = entry;
  EQS_TRY(alloc_array(&slot, (size_t)capacity * 2, sizeof *slot, "energies"));
  free(s->slot);
  s->slot = slot;
  s->n_slot = 2 * capacity;
  s->capacity = capacity;
  for (int64_t i = 0; i < s->n; i++) s->slot[slot_of(s, s->entry[i].index)] = i + 1;
  return EQS_OK;
}

eqs_status energy_store_add(energy_store *s, int64_t index, double u) {
  if (s->n == s->capacity) EQS_TRY(enlarge(s));
  s->entry[s->n] = (stored_energy){.index = index, .u = u};
  s->slot[slot_of(s, index)] = s->n + 1;
  s->n++;
  return EQS_OK;
}

void energy_store_free(energy_store *s) {
  free(s->entry);
  free(s->slot);
  *s = (energy_store){0};
}

/* ---- in a file */

static eqs_status to_text(const energy_store *s, const char *condition, char **text, size_t *size) {
  char digest[DIGEST + 1];
  FILE *f = open_memstream(text, size);
  if (!f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the state of a run");
  sha256_hex(condition, strlen(condition), digest);
  fprintf(f, TITLE "%s\n%lld\n", digest, (long long)s->n);
  for (int64_t i = 0; i < s->n; i++)
    fprintf(f, "%lld %a\n", (long long)s->entry[i].index, s->entry[i].u);
  int bad = fflush(f) != 0;
  if (!bad) {
    sha256_hex(*text, *size, digest);
    fprintf(f, "%s\n", digest);
  }
  if (fclose(f) || bad) {
    free(*text);
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the state of a run");
  }
  return EQS_OK;
}

static eqs_status write_file(const char *path, const char *text, size_t size) {
  FILE *f = fopen(path, "wb");
  if (!f) EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
  int bad = fwrite(text, 1, size, f) != size || fflush(f) || fsync(fileno(f));
  int reason = errno;
  if (fclose(f)) bad = 1;
  if (bad) EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(reason));
  return EQS_OK;
}

eqs_status energy_store_save(const energy_store *s, const char *path, const char *condition) {
  LOCALE_C();
  char *text = NULL, *beside = NULL;
  size_t size = 0, length = strlen(path) + sizeof ".part";
  EQS_TRY(to_text(s, condition, &text, &size));
  eqs_status status = alloc_array(&beside, length, 1, "a file name");
  if (status == EQS_OK) {
    snprintf(beside, length, "%s.part", path);
    status = write_file(beside, text, size);
    if (status == EQS_OK && rename(beside, path))
      status =
          status_fail(EQS_ERR_FILE, "cannot rename %s to %s: %s", beside, path, strerror(errno));
    if (status != EQS_OK) remove(beside);
  }
  free(text);
  free(beside);
  return status;
}

static eqs_status read_text(const char *path, char **text, size_t *size) {
  *text = NULL;
  FILE *f = fopen(path, "rb");
  if (!f && errno == ENOENT) return EQS_OK;
  if (!f) EQS_FAIL(EQS_ERR_FILE, "cannot open %s: %s", path, strerror(errno));
  struct stat info;
  eqs_status status = EQS_OK;
  if (fstat(fileno(f), &info) || !S_ISREG(info.st_mode) || info.st_size > FILE_MAX)
    EQS_TRY_DONE(status_fail(EQS_ERR_FORMAT, "%s is not the state of an insertion run", path));
  *size = (size_t)info.st_size;
  EQS_TRY_DONE(alloc_array(text, *size + 1, 1, path));
  if (fread(*text, 1, *size, f) != *size)
    status = status_fail(EQS_ERR_FILE, "cannot read %s: %s", path, strerror(errno));
done:
  fclose(f);
  if (status != EQS_OK) free(*text);
  return status;
}

/* Lines "index energy" up to `end`; every character is accounted for. */
static eqs_status parse_lines(energy_store *s, char *at, const char *end, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    char *next;
    errno = 0;
    long long index = strtoll(at, &next, 10);
    if (next == at || *next != ' ' || errno || index < 0 || index >= INDEX_MAX) break;
    at = next + 1;
    double u = strtod(at, &next);
    if (next == at || *next != '\n' || energy_store_find(s, index)) break;
    EQS_TRY(energy_store_add(s, index, u));
    at = next + 1;
  }
  if (at != end) EQS_FAIL(EQS_ERR_FORMAT, "it is damaged; delete it to start afresh");
  return EQS_OK;
}

static eqs_status parse(energy_store *s, char *text, size_t size, const char *condition) {
  char digest[DIGEST + 1], *at = text + strlen(TITLE), *next;
  size_t tail = DIGEST + 1;
  if (size < strlen(TITLE) + 2 * tail || memcmp(text, TITLE, strlen(TITLE)) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "it is not the state of an insertion run; name another file");
  sha256_hex(text, size - tail, digest);
  if (memcmp(text + size - tail, digest, DIGEST) != 0 || text[size - 1] != '\n')
    EQS_FAIL(EQS_ERR_FORMAT, "it is damaged; delete it to start afresh");
  sha256_hex(condition, strlen(condition), digest);
  if (memcmp(at, digest, DIGEST) != 0 || at[DIGEST] != '\n')
    EQS_FAIL(EQS_ERR_FORMAT,
             "it belongs to a run with other settings, model, gas or framework; name another file "
             "or delete it");
  at += tail;
  long long n = strtoll(at, &next, 10);
  if (next == at || *next != '\n' || n < 0 || n > (long long)size)
    EQS_FAIL(EQS_ERR_FORMAT, "it is damaged; delete it to start afresh");
  return parse_lines(s, next + 1, text + size - tail, n);
}

eqs_status energy_store_load(energy_store *s, const char *path, const char *condition) {
  LOCALE_C();
  char *text;
  size_t size = 0;
  EQS_TRY(read_text(path, &text, &size));
  if (!text) return EQS_OK;
  eqs_status status = parse(s, text, size, condition);
  free(text);
  if (status == EQS_ERR_FORMAT) return status_prefix(status, "%s", path);
  return status;
}
