/* dispersion_triple_share.c -- triples of the atoms of one rank: they lie in a lattice of their own
 * with all others within the cutoff, and are its only centres. Nothing goes back, because a centre
 * takes its part of every triple and no other.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "potentials/dispersion_triple.h"

typedef struct surroundings {
  lattice l;
  int n, n_own, *number, *of_slot;
  double (*x)[3], *count;              /* [n] */
  reference_weights *weight;           /* [slots] */
  double *sum[DISPERSION_TRIPLE_SUMS]; /* [slots] */
} surroundings;

static eqs_status find(const dispersion_triple_share *s, arena *a, surroundings *t) {
  dispersion_copies there;
  EQS_TRY(
      s->share->find(s->share->user, DISPERSION_TRIPLES, BOHR * s->d->triple_cutoff, NULL, &there));
  t->n_own = s->in->first[1];
  t->n = t->n_own + there.n;
  size_t n = (size_t)t->n, own = (size_t)t->n_own, others = (size_t)there.n;
  EQS_TRY(arena_take(a, n, sizeof *t->number, &t->number));
  EQS_TRY(arena_take(a, n, sizeof *t->x, &t->x));
  EQS_TRY(arena_take(a, n, sizeof *t->count, &t->count));
  if (own) {
    memcpy(t->number, s->in->number, own * sizeof *t->number);
    memcpy(t->x, s->in->position, own * sizeof *t->x);
    memcpy(t->count, s->count, own * sizeof *t->count);
  }
  if (others) {
    memcpy(t->number + own, there.number, others * sizeof *t->number);
    memcpy(t->x + own, there.position, others * sizeof *t->x);
  }
  return s->share->exchange(s->share->user, DISPERSION_TRIPLES, t->count, 1, 0);
}

static eqs_status place(const dispersion_triple_share *s, arena *a, surroundings *t) {
  const int first[2] = {0, t->n};
  eqs_systems in = *s->in;
  in.first = first;
  in.number = t->number;
  in.position = t->x[0];
  EQS_TRY(lattice_build(&in, 0, 1 / BOHR, s->d->triple_cutoff, s->k->partners, a, &t->l));
  size_t slots = (size_t)t->l.n_group * (size_t)t->l.width;
  EQS_TRY(arena_take(a, slots, sizeof *t->of_slot, &t->of_slot));
  EQS_TRY(arena_take(a, slots, sizeof *t->weight, &t->weight));
  for (int c = 0; c < DISPERSION_TRIPLE_SUMS; c++)
    EQS_TRY(arena_take_zero(a, slots, sizeof(double), &t->sum[c]));
  for (int i = 0; i < t->l.n; i++) {
    int atom = t->l.atom[i], z = t->number[atom];
    EQS_TRY(dispersion_species_add(s->species, z));
    t->of_slot[i] = s->species->of[z];
    dispersion_weigh(z, t->count[atom], t->weight[i]);
  }
  return EQS_OK;
}

eqs_status dispersion_triples_share(const dispersion_triple_share *s, workspace *w) {
  surroundings t;
  EQS_TRY(find(s, &w->shared, &t));
  EQS_TRY(place(s, &w->shared, &t));
  dispersion_triples sums = {.d = s->d,
                             .species = s->species,
                             .l = &t.l,
                             .n_center = t.n_own,
                             .of_slot = t.of_slot,
                             .weight = (const reference_weights *)t.weight,
                             .energy = t.sum[0],
                             .virial = s->virial};
  if (s->forces) {
    sums.count_bar = t.sum[1];
    for (int c = 0; c < 3; c++) sums.force[c] = t.sum[2 + c];
  }
  EQS_TRY(dispersion_triples_add(&sums, w));
  for (int i = 0; i < t.l.n; i++)
    for (int c = 0; c < DISPERSION_TRIPLE_SUMS && t.l.atom[i] < t.n_own; c++)
      s->sum[t.l.atom[i]][c] = t.sum[c][i];
  return EQS_OK;
}
