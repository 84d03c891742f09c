/* energy_sum.c -- a guest_energy made of two others, and a target with its surrogate.
 *
 * A classical potential plus a scaled force field is a target; its classical part is then a natural
 * surrogate for delayed acceptance, and what is left to compute after the first stage is the force
 * field alone.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/energy_sum.h"

#include <math.h>
#include <stdlib.h>

typedef struct energy_sum {
  guest_energy base;
  guest_energy *a, *b;
  double scale;
  int capacity; /* of the arrays below */
  int *index;
  guest_change *change;
  double *du;
} energy_sum;

static eqs_status reserve(energy_sum *s, int n) {
  if (n <= s->capacity) return EQS_OK;
  free(s->index);
  free(s->change);
  free(s->du);
  s->capacity = 0;
  s->index = NULL;
  s->change = NULL;
  s->du = NULL;
  EQS_TRY(alloc_array(&s->index, (size_t)n, sizeof *s->index, "changes of a sum"));
  EQS_TRY(alloc_array(&s->change, (size_t)n, sizeof *s->change, "changes of a sum"));
  EQS_TRY(alloc_array(&s->du, (size_t)n, sizeof *s->du, "changes of a sum"));
  s->capacity = n;
  return EQS_OK;
}

static eqs_status sum_trial(guest_energy *e, int n, const guest_change *change, double *du) {
  energy_sum *s = (energy_sum *)e;
  int m = 0;
  EQS_TRY(reserve(s, n));
  EQS_TRY(s->a->ops->trial(s->a, n, change, du));
  for (int i = 0; i < n; i++)
    if (isfinite(du[i])) {
      s->index[m] = i;
      s->change[m++] = change[i];
    }
  if (m == 0) return EQS_OK;
  EQS_TRY(s->b->ops->trial(s->b, m, s->change, s->du));
  for (int k = 0; k < m; k++)
    du[s->index[k]] = s->du[k] == INFINITY ? INFINITY : du[s->index[k]] + s->scale * s->du[k];
  return EQS_OK;
}

static eqs_status sum_commit(guest_energy *e, const guest_change *change) {
  energy_sum *s = (energy_sum *)e;
  EQS_TRY(s->a->ops->commit(s->a, change));
  return s->b->ops->commit(s->b, change);
}

static eqs_status sum_total(guest_energy *e, double *u) {
  energy_sum *s = (energy_sum *)e;
  double a, b;
  EQS_TRY(s->a->ops->total(s->a, &a));
  EQS_TRY(s->b->ops->total(s->b, &b));
  *u = a + s->scale * b;
  return EQS_OK;
}

static void sum_free(guest_energy *e) {
  energy_sum *s = (energy_sum *)e;
  s->a->ops->free(s->a);
  s->b->ops->free(s->b);
  free(s->index);
  free(s->change);
  free(s->du);
  free(s);
}

static const guest_energy_ops sum_ops = {
    .trial = sum_trial, .commit = sum_commit, .total = sum_total, .free = sum_free};

eqs_status energy_sum_open(guest_energy *a, guest_energy *b, double scale, guest_energy **out) {
  energy_sum *s;
  *out = NULL;
  if (!a || !b || a == b) EQS_FAIL(EQS_ERR_ARGUMENT, "a sum needs two different energies");
  if (!isfinite(scale)) EQS_FAIL(EQS_ERR_ARGUMENT, "the scale of an energy is %g", scale);
  EQS_TRY(alloc_array(&s, 1, sizeof *s, "a sum of energies"));
  s->base.ops = &sum_ops;
  s->a = a;
  s->b = b;
  s->scale = scale;
  *out = &s->base;
  return EQS_OK;
}

static int lies_in(const guest_energy *part, const guest_energy *whole) {
  if (part == whole) return 1;
  if (whole->ops != &sum_ops) return 0;
  const energy_sum *s = (const energy_sum *)whole;
  return lies_in(part, s->a) || lies_in(part, s->b);
}

eqs_status energy_pair_of(guest_energy *target, guest_energy *surrogate, energy_pair *out) {
  *out = (energy_pair){.costly = target, .costly_share = 1};
  if (!target) EQS_FAIL(EQS_ERR_ARGUMENT, "no energy to sample with was given");
  if (!surrogate) return EQS_OK;
  const energy_sum *s = target->ops == &sum_ops ? (const energy_sum *)target : NULL;
  out->cheap = surrogate;
  if (s && surrogate == s->a) {
    out->cheap_share = 1;
    out->costly = s->b;
    out->costly_share = s->scale;
  } else if (s && surrogate == s->b) {
    out->cheap_share = s->scale;
    out->costly = s->a;
  } else if (lies_in(surrogate, target) || lies_in(target, surrogate)) {
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "the surrogate must be one of the two parts of the target, or apart from it");
  }
  return EQS_OK;
}

eqs_status energy_pair_commit(const energy_pair *p, const guest_change *change) {
  if (p->cheap) EQS_TRY(p->cheap->ops->commit(p->cheap, change));
  return p->costly->ops->commit(p->costly, change);
}

eqs_status energy_pair_total(const energy_pair *p, double *u) {
  double cheap = 0, costly;
  if (p->cheap) EQS_TRY(p->cheap->ops->total(p->cheap, &cheap));
  EQS_TRY(p->costly->ops->total(p->costly, &costly));
  *u = p->costly_share * costly + (p->cheap_share != 0 ? p->cheap_share * cheap : 0);
  return EQS_OK;
}
