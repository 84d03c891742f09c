/* whole_file.h -- a file that appears whole or not at all, whenever the process is killed.
 *
 * It is written beside its place, as PATH.tmp, and takes it when it is complete and on the disk:
 * until then an older file of that name stays. "-" is standard output; that, pipes and devices are
 * written to as they are.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WHOLE_FILE_H
#define EQS_WHOLE_FILE_H

#include <stdio.h>

#include "core/status.h"

typedef struct whole_file {
  FILE *file;
  const char *path;    /* as the caller named it, and keeps it */
  char *target, *part; /* NULL: written in place */
} whole_file;

/* EQS_ERR_FILE names the path. */
eqs_status whole_file_open(whole_file *w, const char *path) EQS_CHECK;
/* status: of the writing so far; unless it is EQS_OK nothing takes the place. Returns it, or the
 * failure of writing. */
eqs_status whole_file_close(whole_file *w, eqs_status status) EQS_CHECK;
/* All of it at once. */
eqs_status whole_file_write(const char *path, const void *data, size_t n) EQS_CHECK;
/* The file, if there is one, and what a process that was killed while writing it left beside it. */
void whole_file_remove(const char *path);

#endif
