/* checkpoint.c -- the state of a run in a file: written at one stroke, checked when read.
 *
 * A temporary file beside the old one is written, flushed to the disk and renamed: a kill at any
 * moment leaves the old file or the new one. Whatever a file says about its length, no more than
 * the caller's limit is read.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/checkpoint.h"

#include "core/locale_c.h"
#include "io/sha256.h"
#include "io/whole_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, KIND = 8, DIGEST = 64, HEAD = KIND + 8 + DIGEST + 8 };

static void append(archive *a, const void *bytes, size_t n) {
  if (a->failed) return;
  if (n > a->capacity - a->n) {
    size_t capacity = a->capacity + n + a->capacity / 2 + 4096;
    unsigned char *grown = realloc(a->bytes, capacity);
    if (!grown) {
      a->failed = 1;
      return;
    }
    a->bytes = grown;
    a->capacity = capacity;
  }
  if (n) memcpy(a->bytes + a->n, bytes, n);
  a->n += n;
}

void archive_u64(archive *a, uint64_t *x) {
  unsigned char b[8] = {0};
  if (a->reading) {
    *x = 0;
    if (a->failed || a->n - a->at < 8) {
      a->failed = 1;
      return;
    }
    for (int i = 0; i < 8; i++) *x |= (uint64_t)a->bytes[a->at++] << (8 * i);
    return;
  }
  for (int i = 0; i < 8; i++) b[i] = (unsigned char)(*x >> (8 * i));
  append(a, b, 8);
}

void archive_i64(archive *a, int64_t *x) {
  uint64_t bits = (uint64_t)*x;
  archive_u64(a, &bits);
  memcpy(x, &bits, sizeof *x);
}

void archive_int(archive *a, int *x) {
  int64_t wide = *x;
  archive_i64(a, &wide);
  if (wide < INT_MIN || wide > INT_MAX) {
    a->failed = 1;
    wide = 0;
  }
  *x = (int)wide;
}

void archive_f64(archive *a, double *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint64_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    archive_u64(a, &bits);
    memcpy(&x[i], &bits, sizeof bits);
  }
}

void archive_text(archive *a, const char *s) {
  uint64_t n = s ? strlen(s) : 0;
  archive_u64(a, &n);
  append(a, s ? s : "", n);
}

void archive_free(archive *a) {
  free(a->bytes);
  *a = (archive){0};
}

eqs_status archive_finish(const archive *a) {
  if (!a->reading) {
    if (a->failed) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for a checkpoint");
    return EQS_OK;
  }
  if (a->failed || a->at != a->n)
    EQS_FAIL(EQS_ERR_FORMAT, "the checkpoint does not hold what it should");
  return EQS_OK;
}

void archive_fingerprint(const archive *a, char out[65]) { sha256_hex(a->bytes, a->n, out); }

static eqs_status head_and_tail(const char *kind, const char fingerprint[65], const archive *a,
                                archive *file) {
  uint64_t version = VERSION, n = a->n;
  char digest[DIGEST + 1];
  append(file, kind, KIND);
  archive_u64(file, &version);
  append(file, fingerprint, DIGEST);
  archive_u64(file, &n);
  append(file, a->bytes, a->n);
  EQS_TRY(archive_finish(file));
  sha256_hex(file->bytes, file->n, digest);
  append(file, digest, DIGEST);
  return archive_finish(file);
}

eqs_status checkpoint_write(const char *path, const char *kind, const char fingerprint[65],
                            const archive *a) {
  archive file = {0};
  EQS_TRY(archive_finish(a));
  eqs_status status = head_and_tail(kind, fingerprint, a, &file);
  if (status == EQS_OK) status = whole_file_write(path, file.bytes, file.n);
  archive_free(&file);
  return status;
}

static eqs_status read_file(FILE *f, const char *path, size_t limit, archive *a) {
  size_t room = HEAD + limit + DIGEST + 1;
  while (a->n < room) {
    unsigned char part[4096];
    size_t n = fread(part, 1, sizeof part, f);
    append(a, part, n);
    if (n < sizeof part) break;
  }
  if (ferror(f)) EQS_FAIL(EQS_ERR_FILE, "cannot read %s: %s", path, strerror(errno));
  if (a->failed) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %s", path);
  if (a->n >= room)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is longer than any checkpoint of these settings", path);
  return EQS_OK;
}

static eqs_status check(const char *path, const char *kind, const char fingerprint[65],
                        archive *a) {
  uint64_t version, length;
  char digest[DIGEST + 1];
  if (a->n < HEAD + DIGEST || memcmp(a->bytes, kind, KIND) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is not a checkpoint of this kind of run (%.8s)", path, kind);
  a->reading = 1;
  a->at = KIND;
  archive_u64(a, &version);
  if (version != VERSION)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is a checkpoint of version %llu; this program reads version %d",
             path, (unsigned long long)version, VERSION);
  a->at += DIGEST;
  archive_u64(a, &length);
  if (length != a->n - HEAD - DIGEST)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is cut off or damaged; remove it to start anew", path);
  sha256_hex(a->bytes, a->n - DIGEST, digest);
  if (memcmp(digest, a->bytes + a->n - DIGEST, DIGEST) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is damaged (its checksum is wrong); remove it to start anew",
             path);
  if (memcmp(fingerprint, a->bytes + KIND + 8, DIGEST) != 0)
    EQS_FAIL(
        EQS_ERR_ARGUMENT,
        "%s belongs to a run with other settings; give another checkpoint file, or the settings "
        "it was made with",
        path);
  a->n -= DIGEST; /* what follows the payload is not read */
  return EQS_OK;
}

eqs_status checkpoint_read(const char *path, const char *kind, const char fingerprint[65],
                           size_t limit, archive *a, int *found) {
  LOCALE_C();
  *found = 0;
  *a = (archive){0};
  FILE *f = fopen(path, "rb");
  if (!f && errno == ENOENT) return EQS_OK;
  if (!f) EQS_FAIL(EQS_ERR_FILE, "cannot open %s: %s", path, strerror(errno));
  eqs_status status = read_file(f, path, limit, a);
  fclose(f);
  if (status == EQS_OK) status = check(path, kind, fingerprint, a);
  if (status != EQS_OK) archive_free(a);
  *found = status == EQS_OK;
  return status;
}
