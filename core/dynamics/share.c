/* share.c -- sums over ranks, and random numbers by atom.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/share.h"

#include <string.h>

#include "core/adsorption/random.h"

eqs_status share_sum(const dynamics *d, double *x, int n) {
  return d->s.ranks ? comm_sum(d->s.ranks, x, n) : EQS_OK;
}

eqs_status share_max(const dynamics *d, double *x, int n) {
  return d->s.ranks ? comm_max(d->s.ranks, x, n) : EQS_OK;
}

eqs_status share_same(const dynamics *d, double *x, int n) {
  return d->s.ranks ? comm_broadcast(d->s.ranks, x, (size_t)n * sizeof *x) : EQS_OK;
}

eqs_status share_tell(const dynamics *d, eqs_status status) {
  return d->s.ranks ? comm_fail(d->s.ranks, status) : status;
}

int share_atom(const dynamics *d, int i) { return (d->s.id ? d->s.id[i] : i) + 1; }

/* Box and Muller's pairs are numbers 2 k and 2 k + 1 of the draw, as for all atoms together. */
void share_normal(dynamics *d, uint32_t stream, uint64_t index) {
  size_t n = 3 * (size_t)d->n;
  n += n % 2;
  if (!d->s.id) {
    random_uniform(d->s.seed, stream, index, n, d->number);
    random_make_normal(d->number, n);
    return;
  }
  for (int i = 0; i < d->n; i++) {
    double pair[4];
    size_t first = 3 * (size_t)d->s.id[i], odd = first % 2;
    random_uniform_from(d->s.seed, stream, index, first - odd, 4, pair);
    random_make_normal(pair, 4);
    memcpy(d->number + 3 * (size_t)i, pair + odd, 3 * sizeof *pair);
  }
}
