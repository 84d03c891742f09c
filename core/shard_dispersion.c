/* shard_dispersion.c -- dispersion between ranks: the ghosts of a domain reach as far as one cutoff
 * of the model, so its atoms are shown to the ranks within 50 angstrom once more, each once, with
 * its coordination number, and what pairs give to them comes back.
 *
 * SPDX-License-Identifier: MIT */
#include "core/shard_dispersion.h"

#include <string.h>

typedef struct sharing {
  shard_dispersion *s;
  comm *c;
  const domain *own;
} sharing;

static eqs_status find(void *user, int set, double reach, const unsigned char *odd,
                       dispersion_copies *out) {
  sharing *t = user;
  domain *d = t->s->near + set;
  EQS_TRY(domain_place_near(d, t->c, t->own, reach, odd));
  *out = (dispersion_copies){.n = d->n_ghost,
                             .number = d->number + d->n_owned,
                             .position = (const double(*)[3])d->x + d->n_owned};
  for (int k = 0; k < d->plan.n_peer && d->plan.peer[k] < t->c->rank; k++)
    out->n_low = d->plan.from_first[k + 1];
  return EQS_OK;
}

static eqs_status exchange(void *user, int set, double *rows, int width, int reverse) {
  sharing *t = user;
  comm_plan *plan = &t->s->near[set].plan;
  size_t bytes = (size_t)width * sizeof *rows;
  if (reverse) return comm_plan_reverse(t->c, plan, rows, bytes, sizeof *rows);
  return comm_plan_forward(t->c, plan, rows, bytes);
}

eqs_status shard_dispersion_add(shard_dispersion *s, comm *c, const dispersion *d, workspace *w,
                                const domain *own, const double *cell, const int *pbc,
                                double *energies, double *forces, double *virial) {
  const int first[2] = {0, own->n_owned};
  const eqs_systems in = {.size = sizeof in,
                          .n_system = 1,
                          .first = first,
                          .number = own->number,
                          .position = own->x[0],
                          .cell = cell,
                          .pbc = pbc};
  sharing t = {.s = s, .c = c, .own = own};
  const dispersion_share share = {.user = &t, .find = find, .exchange = exchange};
  return comm_fail(c, dispersion_evaluate_share(d, w, &in, &share, energies, forces, virial));
}

void shard_dispersion_free(shard_dispersion *s) {
  for (int k = 0; k < DISPERSION_SETS; k++) domain_free(s->near + k);
}
