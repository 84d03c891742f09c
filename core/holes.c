/* holes.c -- the energy of two atoms alone at all short distances, for every pair of elements, and
 * where it is no wall.
 *
 * No bond is shorter than 0.7 of the sum of the covalent radii (Cordero et al. 2008) but those of a
 * few double-bonded oxides, and none of two atoms is deeper than 11.5 eV (CO: 11.2). So inside of
 * that distance a curve that stops to rise, or passes -12 eV, is a hole.
 *
 * SPDX-License-Identifier: MIT */
#include "core/holes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/elements.h"
#include "potentials/walled.h"

enum { POINTS = 1000 };
#define SHORTEST_BOND 0.7   /* of the sum of the covalent radii */
#define DEEPEST_BOND  -12.0 /* eV */
#define FALL          0.5   /* eV, that a curve falls by behind its top */
#define CLOSEST       0.2   /* angstrom */
#define STEP          0.02
#define WALL          1.0 /* eV */

/* One pair: energies at r = closest + i step, the last one out of reach. */
typedef struct curve {
  int n, number[2 * (POINTS + 1)], first[POINTS + 2];
  double closest, step, energy[POINTS + 1], x[2 * (POINTS + 1)][3];
} curve;

static double distance(const curve *k, int i) { return k->closest + i * k->step; }

/* Off the axes, where spherical harmonics are special. */
static void place(curve *k, int i, double r) {
  static const double direction[3] = {0.48, 0.6, 0.64};
  k->first[i] = 2 * i;
  for (int c = 0; c < 3; c++) {
    k->x[2 * i][c] = 0;
    k->x[2 * i + 1][c] = r * direction[c];
  }
}

static eqs_status ask(eqs_context *c, const eqs_model *m, curve *k, int begin, int n) {
  const eqs_systems s = {.size = sizeof s,
                         .n_system = n,
                         .first = k->first,
                         .number = k->number,
                         .position = k->x[2 * begin]};
  eqs_result out = {.size = sizeof out, .energy = k->energy + begin};
  return eqs_compute(c, m, &s, &out);
}

/* Energies relative to the atoms apart; NAN where there is none. */
static eqs_status evaluate(eqs_context *c, const eqs_model *m, double apart, int z1, int z2,
                           curve *k) {
  for (int i = 0; i <= k->n; i++) {
    place(k, i, i < k->n ? distance(k, i) : apart);
    k->number[2 * i] = z1;
    k->number[2 * i + 1] = z2;
  }
  k->first[k->n + 1] = 2 * (k->n + 1);
  eqs_status status = ask(c, m, k, 0, k->n + 1);
  for (int i = 0; status == EQS_ERR_DIVERGED && i <= k->n; i++) {
    eqs_status one = ask(c, m, k, i, 1);
    if (one == EQS_ERR_DIVERGED) k->energy[i] = NAN;
    else EQS_TRY(one);
  }
  if (status != EQS_ERR_DIVERGED) EQS_TRY(status);
  for (int i = 0; i < k->n; i++) k->energy[i] -= k->energy[k->n];
  return EQS_OK;
}

/* The outermost point that a hole begins at, or -1. */
static int find_turn(const curve *k) {
  for (int top = k->n - 1; top >= 0; top--) {
    if (!(k->energy[top] > DEEPEST_BOND)) return top;
    if (top == k->n - 1 || k->energy[top] < k->energy[top + 1]) continue;
    for (int i = top - 1; i >= 0 && !(k->energy[i] > k->energy[top]); i--)
      if (!(k->energy[i] > k->energy[top] - FALL)) return top;
  }
  return -1;
}

static void describe(const wall_table *walls, const curve *k, eqs_hole *h) {
  const wall_pair *p = wall_find(walls, h->z1, h->z2);
  int turn = find_turn(k);
  h->wall = p ? wall_radius(p, WALL) : NAN;
  h->on = walled_distance(walls, h->z1, h->z2);
  h->barrier = h->deepest = h->deepest_at = NAN;
  for (int i = turn; i >= 0; i--)
    if (!(k->energy[i] > h->deepest)) {
      h->deepest = isnan(k->energy[i]) ? -INFINITY : k->energy[i];
      h->deepest_at = distance(k, i);
    }
  if (turn >= 0) h->turn = distance(k, turn);
  for (int i = turn; turn >= 0 && i < k->n; i++) h->barrier = fmax(h->barrier, k->energy[i]);
  for (int i = k->n - 1; p && i >= 0; i--) {
    double r = distance(k, i), v[3];
    wall_value(p, r, v);
    if (r > h->on || k->energy[i] >= v[0]) continue;
    if (!(h->below_from > 0)) h->below_from = r;
    h->below_to = r;
  }
}

/* ---- all pairs */

static int known(const eqs_model_info *info, int z) {
  int found = 0;
  for (int i = 0; i < info->n_element; i++) found |= info->elements[i] == z;
  return found;
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static eqs_status take_elements(const eqs_model_info *info, const eqs_holes_options *o,
                                eqs_holes_result *r) {
  int n = o->n_element > 0 ? o->n_element : info->n_element;
  const int *from = o->n_element > 0 ? o->elements : info->elements;
  if (o->n_element < 0 || n > ELEMENT_MAX || !from)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d elements, or no list of them", o->n_element);
  EQS_TRY(alloc_array(&r->element, (size_t)n, sizeof *r->element, "elements"));
  EQS_TRY(alloc_array(&r->pair, (size_t)n * (size_t)(n + 1) / 2, sizeof *r->pair, "pairs"));
  for (int i = 0; i < n; i++) {
    if (!known(info, from[i]))
      EQS_FAIL(EQS_ERR_ARGUMENT, "the model does not know element %d (%s)", from[i],
               element_symbol(from[i]));
    r->element[i] = from[i];
  }
  qsort(r->element, (size_t)n, sizeof *r->element, ascending);
  for (int i = 0; i < n; i++)
    if (!r->n_element || r->element[i] != r->element[r->n_element - 1])
      r->element[r->n_element++] = r->element[i];
  return EQS_OK;
}

typedef struct search {
  eqs_context *c;
  const eqs_model *m;
  double closest, step, apart;
  const wall_table *walls;
  eqs_holes_watch watch;
  void *user;
} search;

static eqs_status look_at_all(const search *s, curve *k, eqs_holes_result *r) {
  int all = r->n_element * (r->n_element + 1) / 2;
  for (int i = 0; i < r->n_element; i++)
    for (int j = i; j < r->n_element; j++) {
      eqs_hole *h = r->pair + r->n;
      *h = (eqs_hole){.size = sizeof *h, .z1 = r->element[i], .z2 = r->element[j]};
      double end = SHORTEST_BOND * (element_radius(h->z1) + element_radius(h->z2));
      double points = floor((end - s->closest) / s->step) + 1;
      if (points > POINTS)
        EQS_FAIL(EQS_ERR_ARGUMENT, "a step of %g angstrom makes more than %d points", s->step,
                 POINTS);
      k->n = points > 0 ? (int)points : 0;
      k->closest = s->closest;
      k->step = s->step;
      EQS_TRY(evaluate(s->c, s->m, s->apart, h->z1, h->z2, k));
      describe(s->walls, k, h);
      r->n++;
      if (s->watch && s->watch(r->n, all, s->user))
        EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %d of %d pairs", r->n, all);
    }
  return EQS_OK;
}

static eqs_status check_options(const eqs_holes_options *given, eqs_holes_options *o) {
  *o = (eqs_holes_options){.size = sizeof *o};
  if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
  if (o->closest == 0) o->closest = CLOSEST;
  if (o->step == 0) o->step = STEP;
  if (!(o->closest >= 0.01 && o->closest <= 1) || !(o->step >= 1e-3 && o->step <= 0.2))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "curves begin at 0.01 to 1 angstrom, with steps of 0.001 to 0.2, not at %g with %g",
             o->closest, o->step);
  return EQS_OK;
}

eqs_status eqs_holes(eqs_context *c, const eqs_model *m, const eqs_holes_options *options,
                     eqs_holes_watch watch, void *user, eqs_holes_result **out) {
  eqs_holes_options o;
  eqs_model_info info = {.size = sizeof info};
  eqs_holes_result *r = NULL;
  wall_table *walls = NULL;
  curve *k = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  if (!c || !m) EQS_FAIL(EQS_ERR_ARGUMENT, "no context or no model");
  EQS_TRY(check_options(options, &o));
  EQS_TRY(eqs_model_info_get(m, &info));
  EQS_TRY(wall_read(NULL, &walls));
  EQS_TRY_DONE(alloc_array(&r, 1, sizeof *r, "holes"));
  EQS_TRY_DONE(alloc_array(&k, 1, sizeof *k, "holes"));
  EQS_TRY_DONE(take_elements(&info, &o, r));
  memcpy(r->functional, walls->functional, sizeof r->functional);
  r->closest = o.closest;
  const search s = {.c = c,
                    .m = m,
                    .closest = o.closest,
                    .step = o.step,
                    .apart = 2 * info.cutoff + 1,
                    .walls = walls,
                    .watch = watch,
                    .user = user};
  EQS_TRY_DONE(look_at_all(&s, k, r));
done:
  wall_free(&walls);
  free(k);
  if (status == EQS_OK) *out = r;
  else eqs_holes_result_free(&r);
  return status;
}

int eqs_holes_count(const eqs_holes_result *r) { return r ? r->n : 0; }

eqs_status eqs_holes_get(const eqs_holes_result *r, int i, eqs_hole *out) {
  if (!r || !out || out->size < sizeof *out || i < 0 || i >= r->n)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no pair %d, or the struct's size is not set", i);
  *out = r->pair[i];
  return EQS_OK;
}

void eqs_holes_result_free(eqs_holes_result **r) {
  if (!r || !*r) return;
  free((*r)->element);
  free((*r)->pair);
  free(*r);
  *r = NULL;
}
