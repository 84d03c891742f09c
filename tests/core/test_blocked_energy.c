/* test_blocked_energy.c -- walls around an analytic energy: Poisson in what is left of the box.
 *
 * Guests that do not see each other: <N> = z V_open, for a plain run, with a surrogate (apart, and
 * a part of a sum), and per component. A harmonic oscillator that may not go below its minimum: <x>
 * = sqrt(2 kT / (pi k)), <x^2> = kT/k, for any time step.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/blocked_energy.h"

#include "tests/core/toy_settings.h"

static const double kt = TOY_KT;

/* Component 0 may not be at x < 4, component 1 not at x >= 5, of the box or of an image. */
static int wall(const void *context, int component, const double x[3]) {
  double in = x[0] - 10 * floor(x[0] / 10);
  ++*(int *)(uintptr_t)context;
  return component == 0 ? in < 4 : in >= 5;
}

static guest_energy *walled(toy *t, int *asked) {
  guest_energy *e;
  cr_assert(blocked_energy_open(&t->base, wall, asked, &e) == EQS_OK);
  return e;
}

Test(blocked_energy, asks_the_inner_energy_for_the_open_places_alone) {
  int asked = 0;
  double du[4], u;
  toy *t = toy_open(10, 10, 10);
  t->field = toy_well;
  t->p[0] = 0.01;
  t->p[1] = 0.3;
  guest_energy *e = walled(t, &asked);
  guest_change x[4];
  const double at[4] = {2, 5, 13.9, -5};
  for (int i = 0; i < 4; i++) x[i] = (guest_change){-1, 0, {{at[i], 5, 5}, {0, 0, 0, 1}}};
  cr_assert(e->ops->trial(e, 4, x, du) == EQS_OK);
  cr_assert(du[0] == INFINITY && du[2] == INFINITY);
  cr_assert_float_eq(du[1], -0.3, 1e-15);
  cr_assert_float_eq(du[3], 0.5 * 0.01 * 100 - 0.3, 1e-15);
  cr_assert_eq(t->asked, 2);
  cr_assert(e->ops->trial(e, 1, x, du) == EQS_OK && du[0] == INFINITY);
  cr_assert_eq(t->calls, 1, "nothing was left to ask");
  cr_assert(e->ops->commit(e, &x[1]) == EQS_OK && t->n == 1);
  cr_assert(e->ops->total(e, &u) == EQS_OK);
  cr_assert_float_eq(u, -0.3, 1e-15);
  const guest_change out = {0, -1, x[1].pose}, other = {0, 1, x[1].pose}, move = {0, 0, x[0].pose};
  cr_assert(e->ops->trial(e, 1, &out, du) == EQS_OK);
  cr_assert_float_eq(du[0], 0.3, 1e-15);
  cr_assert(e->ops->trial(e, 1, &other, du) == EQS_OK && du[0] == INFINITY);
  cr_assert(e->ops->trial(e, 1, &move, du) == EQS_OK && du[0] == INFINITY);
  cr_assert(e->ops->hybrid == NULL, "a rigid energy stays rigid");
  e->ops->free(e);
  cr_assert(blocked_energy_open(NULL, wall, &asked, &e) == EQS_ERR_ARGUMENT && !e);
}

/* z V of two components, 600 and 500 of the 1000 cubic angstrom open to them. */
static void check_ideal(gcmc_settings *s) {
  s->chain.n_component = 2;
  s->chain.fugacity[0] = toy_fugacity(0.01, TOY_T);
  s->chain.fugacity[1] = toy_fugacity(0.004, TOY_T);
  s->chain.point[1] = 1;
  s->chain.weight[CHAIN_IDENTITY] = 0.1;
  gcmc_result r = toy_run(s);
  toy_near(r.uptake[0], 6, "first");
  toy_near(r.uptake[1], 2, "second");
  cr_assert(r.uptake[0].sigma < 0.2 && r.n_hole == 0);
}

Test(blocked_energy, ideal_gas_of_the_open_space) {
  double cell[9];
  int asked = 0;
  toy *t = toy_open(10, 10, 10);
  guest_energy *e = walled(t, &asked);
  gcmc_settings s = toy_settings(t, cell, 0.01);
  s.chain.target = e;
  check_ideal(&s);
  cr_assert(asked > 0);
  e->ops->free(e);
}

Test(blocked_energy, surrogate_apart_and_in_a_sum) {
  for (int in_sum = 0; in_sum < 2; in_sum++) {
    double cell[9];
    int asked = 0;
    toy *a = toy_open(10, 10, 10), *b = toy_open(10, 10, 10);
    guest_energy *cheap = walled(a, &asked), *costly = walled(b, &asked), *sum = NULL;
    energy_pair pair;
    gcmc_settings s = toy_settings(b, cell, 0.01);
    if (in_sum) cr_assert(energy_sum_open(cheap, costly, 0.5, &sum) == EQS_OK);
    s.chain.target = in_sum ? sum : costly;
    s.chain.surrogate = cheap;
    cr_assert(energy_pair_of(s.chain.target, cheap, &pair) == EQS_OK);
    cr_assert(pair.costly == costly && pair.cheap_share == in_sum);
    /* with a bias of the cheap one towards the middle, which the costly one takes back */
    a->field = toy_well;
    a->p[0] = 0.002;
    if (in_sum) {
      b->field = toy_well;
      b->p[0] = -0.004;
    }
    check_ideal(&s);
    if (in_sum) {
      sum->ops->free(sum);
    } else {
      cheap->ops->free(cheap);
      costly->ops->free(costly);
    }
  }
}

/* ---- hybrid moves: one guest of one atom, bound to the middle of the box */

enum { MOVES = 40000, BLOCKS = 40 };

typedef struct oscillator {
  guest_energy base;
  rigid_shape shape;
  double stiff;
} oscillator;

static eqs_status spring(void *context, int n, const double (*x)[3], double *energy,
                         double (*force)[3]) {
  const oscillator *o = context;
  *energy = 0;
  cr_assert(n == 1);
  for (int k = 0; k < 3; k++) {
    double d = x[0][k] - 4;
    *energy += 0.5 * o->stiff * d * d;
    force[0][k] = -o->stiff * d;
  }
  return EQS_OK;
}

static eqs_status swing(guest_energy *e, const hybrid_settings *given, guest *guests,
                        hybrid_outcome *out) {
  oscillator *o = (oscillator *)e;
  hybrid_settings s = *given;
  const rigid_shape *shape = &o->shape;
  rigid_body body;
  s.context = o;
  s.force = spring;
  rigid_from_pose(shape, &guests->pose, &body);
  hybrid_system y = {.n_body = 1, .shape = &shape, .body = &body};
  EQS_TRY(hybrid_move(&s, &y, out));
  rigid_to_pose(shape, &body, &guests->pose);
  return EQS_OK;
}

static void keep(guest_energy *e) { (void)e; }

Test(blocked_energy, trajectories_do_not_end_behind_a_wall) {
  static const guest_energy_ops ops = {.free = keep, .hybrid = swing};
  static const double mass[1] = {40}, origin[1][3] = {{0, 0, 0}};
  oscillator o = {.base = {&ops}, .stiff = 0.5};
  guest_energy *e;
  int asked = 0, accepted = 0;
  double block[BLOCKS][2] = {{0}}, without[2][BLOCKS], sum[2] = {0};
  rigid_shape_make(1, mass, origin, &o.shape);
  cr_assert(blocked_energy_open(&o.base, wall, &asked, &e) == EQS_OK && e->ops->hybrid);
  guest g = {0, {{4.2, 4, 4}, {0, 0, 0, 1}}};
  hybrid_settings s = {.temperature = TOY_T, .step = 20, .steps = 8, .seed = 5, .stream = 1};
  for (s.index = 0; s.index < MOVES; s.index++) {
    hybrid_outcome out;
    cr_assert(e->ops->hybrid(e, &s, &g, &out) == EQS_OK, "%s", eqs_error());
    accepted += out.accepted;
    double d = g.pose.position[0] - 4;
    cr_assert(d >= 0);
    block[s.index * BLOCKS / MOVES][0] += d;
    block[s.index * BLOCKS / MOVES][1] += d * d;
  }
  for (int q = 0; q < 2; q++) {
    for (int b = 0; b < BLOCKS; b++) sum[q] += block[b][q];
    for (int b = 0; b < BLOCKS; b++)
      without[q][b] = (sum[q] - block[b][q]) / (MOVES - MOVES / BLOCKS);
  }
  toy_near(series_jackknife(sum[0] / MOVES, BLOCKS, without[0]), sqrt(2 * kt / (TOY_PI * o.stiff)),
           "x");
  toy_near(series_jackknife(sum[1] / MOVES, BLOCKS, without[1]), kt / o.stiff, "x^2");
  cr_assert(accepted > MOVES / 10 && accepted < MOVES && asked > 0);
  e->ops->free(e);
}
