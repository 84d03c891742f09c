/* test_model_energy.c -- guests in a framework by a force field: every trial, every change made,
 * and totals, against whole evaluations of the same atoms.
 *
 * The model has random weights, so its energies mean nothing; the bookkeeping of which atom belongs
 * to which guest is what can go wrong.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/model_energy.h"
#include "core/adsorption/random.h"
#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 12, STEPS = 60, N_GAS = 3 };
static const char *const names[N_GAS] = {"CO2", "H2O", "CH4"};

typedef struct world {
  eqs_context *context;
  eqs_model *model;
  gas gases[N_GAS];
  double gas_energy[N_GAS], empty;
  framework host;
  guest_energy *energy;
  int n;
  guest guests[MOST];
} world;

static double whole(const world *w, int n, const guest *guests) {
  static int number[4096];
  static double position[4096][3];
  const structure *box = &w->host.box;
  int at = box->n, first[2] = {0, 0};
  memcpy(number, box->number, (size_t)at * sizeof *number);
  memcpy(position, box->position, (size_t)at * sizeof *position);
  for (int k = 0; k < n; k++) {
    const gas *g = w->gases + guests[k].component;
    pose_place(&guests[k].pose, g, position + at);
    for (int i = 0; i < g->n; i++) number[at++] = g->number[i];
  }
  first[1] = at;
  double energy;
  eqs_systems s = {.size = sizeof s,
                   .n_system = 1,
                   .first = first,
                   .number = number,
                   .position = position[0],
                   .cell = box->cell,
                   .pbc = box->pbc};
  eqs_result out = {.size = sizeof out, .energy = &energy};
  cr_assert_eq(eqs_compute(w->context, w->model, &s, &out), EQS_OK, "%s", eqs_error());
  for (int k = 0; k < n; k++) energy -= w->gas_energy[guests[k].component];
  return energy - w->empty;
}

static void open_world(world *w) {
  static const double cell[9] = {9, 0, 0, 1.5, 9.5, 0, -1, 0.5, 10};
  static const double atoms[4][3] = {
      {0.3, 0.2, 0.1}, {1.5, 0.4, 0.1}, {2.2, 1.2, 0.3}, {-0.4, 1.9, 1.0}};
  static const int numbers[4] = {8, 6, 1, 30};
  structure s = {.pbc = {1, 1, 1}};
  eqs_model_options options = {.size = sizeof options, .precision = EQS_DOUBLE};
  *w = (world){0};
  memcpy(s.cell, cell, sizeof cell);
  for (int i = 0; i < 4; i++) cr_assert_eq(structure_append(&s, numbers[i], atoms[i], 0), EQS_OK);
  cr_assert_eq(eqs_context_open("host", &w->context), EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_model_load(w->context, EQS_SOURCE_DIR "/tests/data/models/tiny_L1.model",
                              &options, &w->model),
               EQS_OK, "%s", eqs_error());
  for (int k = 0; k < N_GAS; k++) {
    gas *g = w->gases + k;
    int first[2] = {0, 0};
    cr_assert_eq(gas_find(names[k], g), EQS_OK);
    first[1] = g->n;
    eqs_systems alone = {.size = sizeof alone,
                         .n_system = 1,
                         .first = first,
                         .number = g->number,
                         .position = g->position[0]};
    eqs_result out = {.size = sizeof out, .energy = w->gas_energy + k};
    cr_assert_eq(eqs_compute(w->context, w->model, &alone, &out), EQS_OK, "%s", eqs_error());
  }
  cr_assert_eq(framework_prepare(&s, 15, &w->host), EQS_OK, "%s", eqs_error());
  cr_assert_gt(w->host.box.n, 4);
  w->empty = whole(w, 0, NULL);
  cr_assert_eq(model_energy_open(w->context, w->model, &w->host, N_GAS, w->gases, 20, &w->energy),
               EQS_OK, "%s", eqs_error());
  structure_free(&s);
}

static void close_world(world *w) {
  w->energy->ops->free(w->energy);
  framework_free(&w->host);
  eqs_model_free(&w->model);
  eqs_context_free(&w->context);
}

/* The rule of guest_change on the test's own list. */
static int apply(int n, guest *guests, const guest_change *c) {
  if (c->insert >= 0) {
    int to = c->remove >= 0 ? c->remove : n++;
    guests[to] = (guest){c->insert, c->pose};
  } else if (c->remove >= 0) {
    guests[c->remove] = guests[--n];
  }
  return n;
}

static double draw(uint64_t *index) {
  double u;
  random_uniform(3, 14, (*index)++, 1, &u);
  return u;
}

/* Insertions, deletions, moves and swaps that do not overlap. */
static void random_change(world *w, uint64_t *index, guest_change *c, double *du) {
  do {
    int kind = (int)(4 * draw(index));
    if (w->n == 0) kind = 0;
    if (w->n == MOST) kind = 1;
    *c = (guest_change){.remove = kind ? (int)(w->n * draw(index)) : -1, .insert = -1};
    if (kind != 1) c->insert = (int)(N_GAS * draw(index));
    if (kind == 2) c->insert = w->guests[c->remove].component;
    pose_draw(15, 9, (*index)++, w->host.box.cell, &c->pose);
    cr_assert_eq(w->energy->ops->trial(w->energy, 1, c, du), EQS_OK, "%s", eqs_error());
  } while (!isfinite(*du));
}

Test(model_energy, a_walk_through_many_states) {
  world w;
  uint64_t index = 0;
  open_world(&w);
  double before = 0;
  for (int i = 0; i < STEPS; i++) {
    guest_change c[3];
    double du[3], again[3], u;
    static guest after[MOST + 1];
    for (int k = 0; k < 3; k++) random_change(&w, &index, c + k, du + k);
    cr_assert_eq(w.energy->ops->trial(w.energy, 3, c, again), EQS_OK, "%s", eqs_error());
    for (int k = 0; k < 3; k++) {
      memcpy(after, w.guests, sizeof w.guests);
      int n = apply(w.n, after, c + k);
      cr_assert_float_eq(du[k], whole(&w, n, after) - before, 1e-9, "step %d, trial %d", i, k);
      cr_assert_float_eq(du[k], again[k], 1e-12);
    }
    cr_assert_eq(w.energy->ops->commit(w.energy, c), EQS_OK, "%s", eqs_error());
    w.n = apply(w.n, w.guests, c);
    cr_assert_eq(w.energy->ops->total(w.energy, &u), EQS_OK, "%s", eqs_error());
    cr_assert_float_eq(u, before + du[0], 1e-9, "step %d", i);
    before = u;
  }
  cr_assert_gt(w.n, 2);
  close_world(&w);
}

/* Hybrid moves between the others: U stays the energy of the atoms as they are now. A short step
 * conserves the energy, so that about every move is taken; a walk of trials and changes goes on
 * from the deformed framework. */
Test(model_energy, hybrid_moves) {
  world w;
  uint64_t index = 0;
  int accepted = 0;
  open_world(&w);
  double before = 0, u, du;
  for (int i = 0; i < 12; i++) {
    guest_change c;
    random_change(&w, &index, &c, &du);
    cr_assert_eq(w.energy->ops->commit(w.energy, &c), EQS_OK, "%s", eqs_error());
    w.n = apply(w.n, w.guests, &c);
    before += du;
    hybrid_settings s = {
        .temperature = 300, .step = 0.1, .steps = 4, .seed = 1, .stream = 2, .index = (uint64_t)i};
    hybrid_outcome out;
    guest was[MOST];
    memcpy(was, w.guests, sizeof was);
    cr_assert_eq(w.energy->ops->hybrid(w.energy, &s, w.guests, &out), EQS_OK, "%s", eqs_error());
    accepted += out.accepted;
    if (!out.accepted) cr_assert_float_eq(out.energy, before, 1e-9);
    int same = memcmp(was, w.guests, (size_t)w.n * sizeof *was) == 0;
    cr_assert(w.n == 0 || same == !out.accepted);
    cr_assert_eq(w.energy->ops->total(w.energy, &u), EQS_OK, "%s", eqs_error());
    cr_assert_float_eq(u, out.energy, 1e-9, "move %d", i);
    before = u;
  }
  cr_assert_gt(accepted, 6);
  close_world(&w);
}

Test(model_energy, overlaps_are_not_evaluated) {
  world w;
  open_world(&w);
  guest_change onto = {.remove = -1, .insert = 0, .pose = {{0.3, 0.2, 0.1}, {0, 0, 0, 1}}};
  double du;
  cr_assert_eq(w.energy->ops->trial(w.energy, 1, &onto, &du), EQS_OK);
  cr_assert(isinf(du) && du > 0);
  uint64_t index = 0;
  guest_change in;
  do random_change(&w, &index, &in, &du);
  while (in.insert != 0);
  cr_assert_eq(w.energy->ops->commit(w.energy, &in), EQS_OK);
  guest_change upon = in; /* a second one at the same place, seen through a lattice vector */
  for (int k = 0; k < 3; k++) upon.pose.position[k] += w.host.box.cell[k];
  cr_assert_eq(w.energy->ops->trial(w.energy, 1, &upon, &du), EQS_OK);
  cr_assert(isinf(du) && du > 0);
  upon.remove = 0; /* the same molecule moved there is where it was */
  cr_assert_eq(w.energy->ops->trial(w.energy, 1, &upon, &du), EQS_OK, "%s", eqs_error());
  cr_assert_float_eq(du, 0, 1e-11);
  close_world(&w);
}

Test(model_energy, refuses_what_is_not_there) {
  world w;
  open_world(&w);
  const guest_change wrong[] = {{.remove = 0, .insert = -1},
                                {.remove = -2, .insert = 0},
                                {.remove = -1, .insert = N_GAS},
                                {.remove = -1, .insert = -2}};
  double du;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    cr_assert_eq(w.energy->ops->trial(w.energy, 1, wrong + i, &du), EQS_ERR_ARGUMENT);
    cr_assert_eq(w.energy->ops->commit(w.energy, wrong + i), EQS_ERR_ARGUMENT);
  }
  close_world(&w);
}
