/* test_gcmc_stages.c -- delayed acceptance, sums of energies, batches of moves, holes of a model.
 *
 * The one-dimensional case of U = -3 exp(-2 (x-3)^2) + 2 sin x (kT) with its surrogate: exact
 * <N> = z int exp(-U) = 12.364; using min(1, r) in the second stage gives 15.4 there.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/core/toy_settings.h"

static const double kt = TOY_KT;

static double line_target(const toy *t, const guest *g) {
  double x = g->pose.position[0];
  return kt * (-3 * exp(-(x - 3) * (x - 3) / 0.5) + 2 * sin(x)) * (t->p[0] != 0 ? t->p[0] : 1);
}

static double line_surrogate(const toy *t, const guest *g) {
  double x = g->pose.position[0];
  (void)t;
  return kt * (-2.2 * exp(-(x - 3.3) * (x - 3.3) / 0.7) + 1.5 * sin(x) + 0.3);
}

static double line_difference(const toy *t, const guest *g) {
  return line_target(t, g) - line_surrogate(t, g);
}

static toy *line(double (*field)(const toy *, const guest *)) {
  toy *t = toy_open(10, 1, 1);
  t->field = field;
  return t;
}

static gcmc_settings line_settings(toy *t, double *cell) {
  gcmc_settings s = toy_settings(t, cell, 0.4);
  s.chain.trials = 1;
  s.chain.weight[CHAIN_ROTATE] = 0;
  s.cycles.production = 8000;
  return s;
}

Test(stages, delayed_acceptance_is_exact) {
  double exact = 0;
  for (int i = 0; i < 100000; i++) {
    const guest g = {0, {{(i + 0.5) * 1e-4, 0, 0}, {0, 0, 0, 1}}};
    static const toy none;
    exact += 0.4e-4 * exp(-line_target(&none, &g) / kt);
  }
  cr_assert_float_eq(exact, 12.364, 5e-4);
  for (int k = 1; k <= 4; k += 3) {
    double cell[9];
    toy *t = line(line_target), *cheap = line(line_surrogate);
    gcmc_settings s = line_settings(t, cell);
    s.chain.trials = s.chain.reinsert_trials = k;
    gcmc_result plain = toy_run(&s);
    toy_near(plain.molecules[0], exact, "plain");
    cr_assert(plain.energies == t->asked - plain.final_count[0], "all energies are counted");
    toy *again = line(line_target);
    s.chain.target = &again->base;
    s.chain.surrogate = &cheap->base;
    gcmc_result delayed = toy_run(&s);
    toy_near(delayed.molecules[0], exact, "delayed");
    cr_assert(delayed.molecules[0].sigma < 0.2, "%g", delayed.molecules[0].sigma);
    cr_assert(delayed.energies == again->asked - delayed.final_count[0]);
    cr_assert(delayed.surrogate_energies == cheap->asked);
    double share = (double)delayed.energies / (double)plain.energies;
    cr_assert(share < (k == 1 ? 0.65 : 0.3), "%g of the costly energies", share);
    for (int m = 0; m < CHAIN_KINDS; m++)
      cr_assert(delayed.counts[m].accepted <= delayed.counts[m].passed &&
                delayed.counts[m].passed <= delayed.counts[m].tried);
    toy_close(t);
    toy_close(again);
    toy_close(cheap);
  }
}

/* target = surrogate + difference: the same chain as with the target whole, and nothing twice. */
Test(stages, sum_with_a_part_as_surrogate) {
  double cell[9];
  toy *t = line(line_target), *cheap = line(line_surrogate);
  toy *a = line(line_surrogate), *b = line(line_difference);
  guest_energy *sum;
  gcmc_settings s = line_settings(t, cell);
  s.cycles.production = 2000;
  s.chain.surrogate = &cheap->base;
  gcmc_result want = toy_run(&s);
  cr_assert(energy_sum_open(&a->base, &b->base, 1, &sum) == EQS_OK);
  s.chain.target = sum;
  s.chain.surrogate = &a->base;
  gcmc_result got = toy_run(&s);
  cr_assert_float_eq(got.molecules[0].mean, want.molecules[0].mean, 1e-12);
  cr_assert_float_eq(got.energy.mean, want.energy.mean, 1e-9);
  cr_assert(got.energies == want.energies);
  cr_assert(a->asked - got.final_count[0] == cheap->asked); /* the bindings at the end need both */
  cr_assert(b->asked == got.energies + got.final_count[0]);
  cr_assert(a->n == b->n && a->n == got.final_count[0], "both hold the state");
  sum->ops->free(sum);
  toy_close(t);
  toy_close(cheap);
}

Test(stages, sum_of_energies) {
  toy *a = line(line_surrogate), *b = line(line_target);
  guest_energy *sum, *deep;
  energy_pair pair;
  const guest_change x = {-1, 0, {{3, 0, 0}, {0, 0, 0, 1}}};
  double du, u, ua = line_surrogate(a, &(guest){0, x.pose}),
                ub = line_target(b, &(guest){0, x.pose});
  cr_assert(energy_sum_open(&a->base, &b->base, NAN, &sum) == EQS_ERR_ARGUMENT);
  cr_assert(energy_sum_open(&a->base, &a->base, 1, &sum) == EQS_ERR_ARGUMENT);
  cr_assert(energy_sum_open(&a->base, &b->base, -0.25, &sum) == EQS_OK);
  cr_assert(sum->ops->trial(sum, 1, &x, &du) == EQS_OK);
  cr_assert_float_eq(du, ua - 0.25 * ub, 1e-15);
  cr_assert(sum->ops->commit(sum, &x) == EQS_OK && sum->ops->total(sum, &u) == EQS_OK);
  cr_assert_float_eq(u, du, 1e-15);
  cr_assert(energy_pair_of(sum, &b->base, &pair) == EQS_OK);
  cr_assert(pair.cheap == &b->base && pair.costly == &a->base && pair.cheap_share == -0.25 &&
            pair.costly_share == 1);
  cr_assert(energy_pair_total(&pair, &u) == EQS_OK);
  cr_assert_float_eq(u, du, 1e-15);
  cr_assert(energy_pair_of(sum, sum, &pair) == EQS_ERR_ARGUMENT);
  toy *c = line(line_target);
  cr_assert(energy_sum_open(sum, &c->base, 1, &deep) == EQS_OK);
  cr_assert(energy_pair_of(deep, &a->base, &pair) == EQS_ERR_ARGUMENT, "it would move twice");
  cr_assert(energy_pair_of(&a->base, deep, &pair) == EQS_ERR_ARGUMENT);
  cr_assert(energy_pair_of(deep, sum, &pair) == EQS_OK && pair.costly == &c->base);
  deep->ops->free(deep);
}

/* Where a is infinite or not a number, b is not asked; b infinite is an overlap for any scale. */
static double fenced(const toy *t, const guest *g) {
  double x = g->pose.position[0];
  return x < t->p[0] ? INFINITY : x < t->p[1] ? NAN : 1;
}

Test(stages, sum_with_overlaps) {
  toy *a = line(fenced), *b = line(fenced);
  guest_energy *sum;
  guest_change x[4];
  double du[4];
  for (int i = 0; i < 4; i++) x[i] = (guest_change){-1, 0, {{i + 0.5, 0, 0}, {0, 0, 0, 1}}};
  a->p[0] = 1, a->p[1] = 2, b->p[0] = b->p[1] = 3;
  cr_assert(energy_sum_open(&a->base, &b->base, -1, &sum) == EQS_OK);
  cr_assert(sum->ops->trial(sum, 4, x, du) == EQS_OK);
  cr_assert(du[0] == INFINITY && isnan(du[1]) && du[2] == INFINITY && du[3] == 0);
  cr_assert(a->asked == 4 && b->asked == 2);
  sum->ops->free(sum);
}

/* Several moves per call are the same chain, with a surrogate and without. */
Test(stages, lookahead_changes_no_bit) {
  for (int stage = 0; stage < 2; stage++) {
    gcmc_result first = {0};
    int64_t calls = 0;
    for (int n = 1; n <= 32; n *= 4) {
      double cell[9];
      toy *t = line(line_target), *cheap = line(line_surrogate);
      gcmc_settings s = line_settings(t, cell);
      s.cycles.production = 1000;
      s.chain.trials = 3;
      s.chain.lookahead = n;
      if (stage) s.chain.surrogate = &cheap->base;
      gcmc_result r = toy_run(&s);
      if (n == 1) first = r, calls = t->calls;
      cr_assert(r.molecules[0].mean == first.molecules[0].mean &&
                r.molecules[0].sigma == first.molecules[0].sigma &&
                r.energy.mean == first.energy.mean && r.final_energy == first.final_energy);
      for (int k = 0; k < CHAIN_KINDS; k++)
        cr_assert(r.counts[k].accepted == first.counts[k].accepted &&
                  r.counts[k].tried == first.counts[k].tried &&
                  r.counts[k].passed == first.counts[k].passed);
      if (n > 1) cr_assert(t->calls < calls && r.energies > first.energies);
      toy_close(t);
      toy_close(cheap);
    }
  }
}

/* A harmonic well, and a hole of the model in a corner: p[2] energy, p[3] its size. */
static double with_hole(const toy *t, const guest *g) {
  const double *x = g->pose.position;
  return x[0] < t->p[3] && x[1] < t->p[3] && x[2] < t->p[3] ? t->p[2] : toy_well(t, g);
}

static toy *holed(double energy) {
  toy *t = toy_open(10, 10, 10);
  t->field = with_hole;
  t->p[0] = 0.2;
  t->p[1] = 0.12;
  t->p[2] = energy;
  t->p[3] = 2;
  return t;
}

Test(stages, holes_are_kept_out_counted_and_reported) {
  const double energies[3] = {NAN, -5, -250 / EV_KJ_MOL};
  double want = 0.02 * pow(2 * TOY_PI * kt / 0.2, 1.5) * exp(0.12 / kt);
  for (int stage = 0; stage < 2; stage++)
    for (int h = 0; h < 3; h++) {
      double cell[9];
      toy *t = holed(energies[h]), *cheap = holed(0);
      gcmc_settings s = toy_settings(t, cell, 0.02);
      s.chain.trials = s.chain.reinsert_trials = 3;
      if (stage) {
        s.chain.surrogate = &cheap->base;
        cheap->p[1] = 0.1;
        cheap->p[2] = -0.05;
      }
      gcmc_result r = toy_run(&s);
      toy_near(r.molecules[0], want, "molecules outside the hole");
      cr_assert(r.n_hole > 10 && r.n_trapped == 0 && r.holes_flagged, "%lld", (long long)r.n_hole);
      cr_assert(r.discarded_share > 0.999 && r.lowest_binding > -0.13);
      cr_assert(h ? r.hole_energy <= energies[h] && r.hole_energy > energies[h] - 0.3
                  : isnan(r.hole_energy));
      toy_close(t);
      toy_close(cheap);
    }
}

Test(stages, shallow_holes_are_no_holes) {
  double cell[9], deep = 199 / EV_KJ_MOL;
  toy *t = holed(-deep);
  gcmc_settings s = toy_settings(t, cell, 1e-30);
  s.chain.trials = 8;
  s.cycles.production = 500;
  /* ln(z v e^{D/kT}) = ln(8e-30) + 77 = 10: it fills up */
  gcmc_result r = toy_run(&s);
  cr_assert(r.n_hole == 0 && r.discarded_share == 0 && r.final_count[0] > 20);
  toy_close(t);
}

Test(stages, guests_found_in_a_hole_are_reported) {
  double cell[9];
  toy *t = holed(-3);
  const guest in = {0, {{1, 1, 1}, {0, 0, 0, 1}}};
  gcmc_settings s = toy_settings(t, cell, 0.02);
  s.chain.initial = &in;
  s.chain.n_initial = 1;
  s.cycles.production = 500;
  gcmc_result r = toy_run(&s);
  cr_assert(r.n_trapped >= 1 && r.lowest_binding == -3 && r.holes_flagged);
  toy_close(t);
}

/* ---- hybrid moves: guests as free atoms in the well */

static eqs_status well_force(void *context, int n, const double (*x)[3], double *energy,
                             double (*force)[3]) {
  const toy *t = context;
  *energy = 0;
  for (int i = 0; i < n; i++) {
    guest g = {0, {{x[i][0], x[i][1], x[i][2]}, {0, 0, 0, 1}}};
    *energy += toy_well(t, &g);
    for (int k = 0; k < 3; k++) force[i][k] = -t->p[0] * (x[i][k] - t->box[k] / 2);
  }
  return EQS_OK;
}

static eqs_status well_hybrid(guest_energy *e, const hybrid_settings *given, guest *guests,
                              hybrid_outcome *out) {
  toy *t = (toy *)e;
  static double mass[TOY_MAX], at[TOY_MAX][3];
  hybrid_system y = {.n_free = t->n, .mass = mass, .free_at = at};
  hybrid_settings s = *given;
  s.context = t;
  s.force = well_force;
  for (int i = 0; i < t->n; i++) {
    mass[i] = 40;
    memcpy(at[i], t->guests[i].pose.position, sizeof at[i]);
  }
  EQS_TRY(hybrid_move(&s, &y, out));
  for (int i = 0; out->accepted && i < t->n; i++) {
    memcpy(t->guests[i].pose.position, at[i], sizeof at[i]);
    guests[i] = t->guests[i];
  }
  return EQS_OK;
}

Test(stages, hybrid_moves) {
  double cell[9];
  toy *t = holed(0), *cheap = holed(0);
  guest_energy_ops ops = *t->base.ops;
  gcmc_result r;
  t->field = toy_well;
  gcmc_settings s = toy_settings(t, cell, 0.05);
  s.chain.weight[CHAIN_HYBRID] = 0.3;
  s.chain.hybrid_step = 100; /* a ninth of a period: some are refused */
  s.chain.hybrid_steps = 5;
  s.chain.lookahead = 4;
  cr_assert(gcmc_run(&s, &r) == EQS_ERR_UNSUPPORTED, "it knows nothing of them");
  ops.hybrid = well_hybrid;
  t->base.ops = &ops;
  s.chain.surrogate = &cheap->base;
  cr_assert(gcmc_run(&s, &r) == EQS_ERR_UNSUPPORTED);
  s.chain.surrogate = NULL;
  s.cycles.checkpoint = "none";
  cr_assert(gcmc_run(&s, &r) == EQS_ERR_UNSUPPORTED);
  s.cycles.checkpoint = NULL;
  r = toy_run(&s);
  double want = 0.05 * pow(2 * TOY_PI * kt / 0.2, 1.5) * exp(0.12 / kt);
  toy_near(r.molecules[0], want, "molecules");
  toy_near(r.energy, want * (1.5 * kt - 0.12), "energy");
  const chain_count *h = &r.counts[CHAIN_HYBRID];
  cr_assert(h->accepted > h->tried / 2 && h->accepted < h->tried && h->energies == 6 * h->tried);
  /* alone, from rest: equipartition */
  memset(s.chain.weight, 0, sizeof s.chain.weight);
  s.chain.weight[CHAIN_HYBRID] = 1;
  toy *fresh = holed(0);
  guest five[5];
  fresh->field = toy_well;
  fresh->base.ops = &ops;
  for (int i = 0; i < 5; i++) five[i] = (guest){0, {{5, 5, 5}, {0, 0, 0, 1}}};
  s.chain.target = &fresh->base;
  s.chain.initial = five;
  s.chain.n_initial = 5;
  s.cycles.production = 1000;
  r = toy_run(&s);
  toy_near(r.energy, 5 * (1.5 * kt - 0.12), "energy of five");
  cr_assert(r.energy.sigma < 0.05 * 7.5 * kt);
  toy_close(t);
  toy_close(cheap);
  toy_close(fresh);
}

/* Nothing holds the guests apart: a bound, not the end of the memory. */
Test(stages, runaway_is_an_error) {
  double cell[9];
  toy *t = holed(0);
  gcmc_result r;
  gcmc_settings s = toy_settings(t, cell, 10);
  s.chain.max_guests = 50;
  cr_assert(gcmc_run(&s, &r) == EQS_ERR_DIVERGED);
  toy_close(t);
}

Test(stages, energies_that_do_not_add_up_are_found) {
  double cell[9];
  toy *t = holed(0);
  gcmc_result r;
  gcmc_settings s = toy_settings(t, cell, 0.02);
  t->drift = 1e-12;
  r = toy_run(&s);
  cr_assert(r.largest_drift > 1e-12 && r.largest_drift < 1e-6);
  toy *wrong = holed(0);
  wrong->drift = 1e-4;
  s.chain.target = &wrong->base;
  cr_assert(gcmc_run(&s, &r) == EQS_ERR_DIVERGED && strstr(eqs_error(), "add up"));
  toy_close(t);
  toy_close(wrong);
}
