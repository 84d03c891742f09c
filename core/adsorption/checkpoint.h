/* checkpoint.h -- the state of a run in a file: written at one stroke, checked when read.
 *
 * Little endian, whatever the machine: kind, version, fingerprint of the settings, length, payload,
 * SHA-256 of all before it. An archive writes and reads with the same calls, so that the two cannot
 * drift apart.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CHECKPOINT_H
#define EQS_CHECKPOINT_H

#include "core/status.h"

typedef struct archive {
  int reading;
  int failed; /* read past the end, or out of memory */
  unsigned char *bytes;
  size_t n, at, capacity; /* at: read so far */
} archive;

void archive_u64(archive *a, uint64_t *x);
void archive_i64(archive *a, int64_t *x);
void archive_int(archive *a, int *x); /* reading: fails outside the range of an int */
void archive_f64(archive *a, double *x, size_t n);
void archive_text(archive *a, const char *s); /* writing alone, for fingerprints; NULL = "" */
void archive_free(archive *a);
/* EQS_ERR_MEMORY; reading: EQS_ERR_FORMAT, also if something is left over. */
eqs_status archive_finish(const archive *a) EQS_CHECK;

/* SHA-256 of what was written. */
void archive_fingerprint(const archive *a, char out[65]);

/* Replaces `path` by a complete new file, or leaves it. kind: 8 characters. EQS_ERR_FILE. */
eqs_status checkpoint_write(const char *path, const char *kind, const char fingerprint[65],
                            const archive *a) EQS_CHECK;
/* *found = 0 if there is no file. At most `limit` bytes of payload are read. EQS_ERR_FORMAT: not
 * such a file, damaged, cut off. EQS_ERR_ARGUMENT: of other settings. The archive is to be freed.
 */
eqs_status checkpoint_read(const char *path, const char *kind, const char fingerprint[65],
                           size_t limit, archive *a, int *found) EQS_CHECK;

#endif
