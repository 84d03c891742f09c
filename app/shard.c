/* shard.c -- see shard.h.
 * SPDX-License-Identifier: MIT */
#include "app/shard.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS = 100000 };

int shard_option(const char *command, const char *text, shard_argument *out) {
  char *end = NULL;
  long i = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1, n = -1;
  if (end && *end == '/' && end[1] >= '0' && end[1] <= '9') n = strtol(end + 1, &end, 10);
  if (n < 0 || *end)
    return app_usage(command, "--shard is i/n, such as 2/8 for the second of eight, not '%s'",
                     text);
  if (n < 1 || n > SHARDS || i < 1 || i > n)
    return app_usage(command, "--shard %s: i is 1 to n, and n at most %d", text, SHARDS);
  *out = (shard_argument){(int)i, (int)n};
  return EXIT_OK;
}

int shard_is_part(const shard_argument *s) { return s->n > 1; }

typedef struct piece {
  double size;
  int k;
} piece;

static int largest_first(const void *pa, const void *pb) {
  const piece *a = pa, *b = pb;
  if (a->size != b->size) return a->size > b->size ? -1 : 1;
  return (a->k > b->k) - (a->k < b->k);
}

int shard_pick(const char *command, const shard_argument *s, const double *size, int n,
               char *mine) {
  memset(mine, 1, (size_t)n);
  if (!shard_is_part(s) || n < 1) return EXIT_OK;
  piece *list = malloc((size_t)n * sizeof *list);
  double *load = calloc((size_t)s->n, sizeof *load);
  for (int k = 0; list && k < n; k++) list[k] = (piece){size[k] > 0 ? size[k] : 0, k};
  if (list) qsort(list, (size_t)n, sizeof *list, largest_first);
  for (int k = 0; list && load && k < n; k++) {
    int least = 0;
    for (int j = 1; j < s->n; j++)
      if (load[j] < load[least]) least = j;
    load[least] += list[k].size + 1; /* a piece of size 0 is one all the same */
    mine[list[k].k] = least == s->i - 1;
  }
  int code = list && load ? EXIT_OK : app_fail(command, "out of memory for the shards");
  free(list);
  free(load);
  return code;
}
