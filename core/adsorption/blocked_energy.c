/* blocked_energy.c -- a guest_energy with places where no guest may be: U = +infinity there.
 *
 * Pockets of the framework, which a simulation that inserts would fill and a gas cannot.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/blocked_energy.h"

#include <math.h>
#include <stdlib.h>

typedef struct blocked_energy {
  guest_energy base;
  guest_energy *inner;
  blocked_place blocked;
  const void *context;
  const guest *guests; /* of the hybrid move in hand */
  int capacity;        /* of the arrays below */
  int *index;
  guest_change *change;
  double *du;
} blocked_energy;

static eqs_status reserve(blocked_energy *e, int n) {
  if (n <= e->capacity) return EQS_OK;
  free(e->index);
  free(e->change);
  free(e->du);
  e->capacity = 0;
  e->index = NULL;
  e->change = NULL;
  e->du = NULL;
  EQS_TRY(alloc_array(&e->index, (size_t)n, sizeof *e->index, "changes"));
  EQS_TRY(alloc_array(&e->change, (size_t)n, sizeof *e->change, "changes"));
  EQS_TRY(alloc_array(&e->du, (size_t)n, sizeof *e->du, "changes"));
  e->capacity = n;
  return EQS_OK;
}

static eqs_status trial(guest_energy *base, int n, const guest_change *change, double *du) {
  blocked_energy *e = (blocked_energy *)base;
  int m = 0;
  EQS_TRY(reserve(e, n));
  for (int i = 0; i < n; i++) {
    const guest_change *x = change + i;
    if (x->insert >= 0 && e->blocked(e->context, x->insert, x->pose.position)) {
      du[i] = INFINITY;
      continue;
    }
    e->index[m] = i;
    e->change[m++] = *x;
  }
  if (m == 0) return EQS_OK;
  EQS_TRY(e->inner->ops->trial(e->inner, m, e->change, e->du));
  for (int k = 0; k < m; k++) du[e->index[k]] = e->du[k];
  return EQS_OK;
}

static eqs_status commit(guest_energy *base, const guest_change *change) {
  guest_energy *inner = ((blocked_energy *)base)->inner;
  return inner->ops->commit(inner, change);
}

static eqs_status total(guest_energy *base, double *u) {
  guest_energy *inner = ((blocked_energy *)base)->inner;
  return inner->ops->total(inner, u);
}

static void close_energy(guest_energy *base) {
  blocked_energy *e = (blocked_energy *)base;
  e->inner->ops->free(e->inner);
  free(e->index);
  free(e->change);
  free(e->du);
  free(e);
}

/* The bodies are the guests, in order. */
static int refused(const void *context, const hybrid_system *end) {
  const blocked_energy *e = context;
  for (int k = 0; k < end->n_body; k++) {
    pose p;
    rigid_to_pose(end->shape[k], end->body + k, &p);
    if (e->blocked(e->context, e->guests[k].component, p.position)) return 1;
  }
  return 0;
}

static eqs_status hybrid(guest_energy *base, const hybrid_settings *given, guest *guests,
                         hybrid_outcome *out) {
  blocked_energy *e = (blocked_energy *)base;
  hybrid_settings s = *given;
  s.refused = refused;
  s.refuser = e;
  e->guests = guests;
  return e->inner->ops->hybrid(e->inner, &s, guests, out);
}

eqs_status blocked_energy_open(guest_energy *inner, blocked_place blocked, const void *context,
                               guest_energy **out) {
  static const guest_energy_ops rigid = {
      .trial = trial, .commit = commit, .total = total, .free = close_energy};
  static const guest_energy_ops flexible = {
      .trial = trial, .commit = commit, .total = total, .free = close_energy, .hybrid = hybrid};
  blocked_energy *e;
  *out = NULL;
  if (!inner || !blocked)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no energy, or nothing that says what is blocked");
  EQS_TRY(alloc_array(&e, 1, sizeof *e, "an energy"));
  e->base.ops = inner->ops->hybrid ? &flexible : &rigid;
  e->inner = inner;
  e->blocked = blocked;
  e->context = context;
  *out = &e->base;
  return EQS_OK;
}
