/* shard.h -- --shard i/n: the part of many pieces of work that one job of an array does.
 *
 * Every job sees all pieces and decides alike, so that together they do each piece once, with no
 * word between them: the largest first, each to the shard that has least so far.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHARD_ARGUMENT_H
#define EQS_SHARD_ARGUMENT_H

#include "app/app.h"

/* n = 0: none was asked for, and all work is its own. */
typedef struct shard_argument {
  int i, n; /* i from 1 */
} shard_argument;

/* "2/8". EXIT_USAGE after a message. */
int shard_option(const char *command, const char *text, shard_argument *out);
/* Whether there is any other shard. */
int shard_is_part(const shard_argument *s);
/* mine[k] = 1 for the pieces of this shard; size[n] is what they cost, in any unit. EXIT_FAILED
 * after a message: out of memory. */
int shard_pick(const char *command, const shard_argument *s, const double *size, int n, char *mine);

#endif
