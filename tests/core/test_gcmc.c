/* test_gcmc.c -- grand canonical Monte Carlo in systems whose answers are known in closed form.
 *
 * Ideal gas: N is Poisson with mean beta f V. Sites: each is 1 + K f. Independent guests in a
 * field: <N> = beta f int exp(-beta U), U = N U_1. Hard spheres: Carnahan-Starling. Lennard-Jones
 * at low density: the second virial coefficient. Fixed seeds; tolerances of four standard errors.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/core/toy_settings.h"

static const double kt = TOY_KT;

Test(gcmc, ideal_gas) {
  for (int k = 1; k <= 8; k += 7) {
    double cell[9];
    toy *t = toy_open(20, 10, 10);
    gcmc_settings s = toy_settings(t, cell, 8.0 / 2000);
    s.chain.trials = k;
    gcmc_result r = toy_run(&s);
    toy_near(r.molecules[0], 8, "molecules");
    cr_assert(r.molecules[0].sigma < 0.15);
    /* var = <N>; the error of a variance of n independent samples is about sqrt(2/n) */
    double error = 8 * sqrt(2 / r.n_effective);
    cr_assert_float_eq(r.covariance[0][0], 8, 4 * error, "variance %g", r.covariance[0][0]);
    cr_assert(r.uptake[0].mean == r.molecules[0].mean && r.energy.mean == 0);
    cr_assert_float_eq(r.heat[0].mean, GAS_CONSTANT * TOY_T / 1000, 1e-12);
    cr_assert(isnan(r.excess[0].mean) && r.n_hole == 0 && r.n_overlap == 0 && !r.holes_flagged);
    cr_assert(!r.few_samples && r.inefficiency > 1);
    cr_assert(r.counts[CHAIN_INSERT].accepted ==
              r.counts[CHAIN_DELETE].accepted + r.final_count[0]);
    toy_close(t);
  }
}

Test(gcmc, excess_is_nothing_for_a_gas_in_an_empty_box) {
  double cell[9];
  toy *t = toy_open(20, 10, 10);
  gcmc_settings s = toy_settings(t, cell, 8.0 / 2000);
  s.pore_volume = 2000;
  s.bulk_density[0] = s.chain.fugacity[0] / (GAS_CONSTANT * TOY_T);
  s.cells = 4;
  s.framework_mass = 500;
  gcmc_result r = toy_run(&s);
  toy_near(r.excess[0], 0, "excess");
  toy_near(r.molecules[0], 2, "molecules per cell");
  toy_near(r.uptake[0], 16, "mol/kg");
  toy_close(t);
}

Test(gcmc, langmuir_sites) {
  for (int k = 1; k <= 16; k += 15) {
    double cell[9];
    toy *t = toy_open(12, 12, 12);
    t->field = toy_sites;
    t->pair = toy_one_per_site;
    t->p[1] = 0.1;
    t->p[2] = 4;
    t->p[3] = 2;
    gcmc_settings s = toy_settings(t, cell, 5e-4);
    s.chain.trials = k;
    s.chain.reinsert_trials = k;
    double load = 5e-4 * 8 * exp(0.1 / kt), theta = load / (1 + load); /* per site: z v e^{D/kT} */
    gcmc_result r = toy_run(&s);
    cr_assert(theta > 0.1 && theta < 0.9);
    toy_near(r.molecules[0], 27 * theta, "molecules");
    toy_near(r.energy, -0.1 * 27 * theta, "energy");
    cr_assert_float_eq(r.heat[0].mean, GAS_CONSTANT * TOY_T / 1000 + 0.1 * EV_KJ_MOL, 1e-9);
    double error = 27 * theta * (1 - theta) * sqrt(2 / r.n_effective);
    cr_assert_float_eq(r.covariance[0][0], 27 * theta * (1 - theta), 4 * error);
    cr_assert(r.largest_drift < 1e-9 && r.n_overlap > 1000 && r.n_hole == 0);
    toy_close(t);
  }
}

Test(gcmc, harmonic_well) {
  double cell[9], k = 0.2, depth = 0.12;
  toy *t = toy_open(10, 10, 10);
  t->field = toy_well;
  t->p[0] = k;
  t->p[1] = depth;
  gcmc_settings s = toy_settings(t, cell, 0.05);
  s.chain.trials = 4;
  double want = 0.05 * pow(2 * TOY_PI * kt / k, 1.5) * exp(depth / kt);
  gcmc_result r = toy_run(&s);
  toy_near(r.molecules[0], want, "molecules");
  toy_near(r.energy, want * (1.5 * kt - depth), "energy");
  toy_near(r.heat[0], (kt - 1.5 * kt + depth) * EV_KJ_MOL, "heat");
  cr_assert(r.heat[0].sigma < 0.2);
  cr_assert(r.step[0] != 1, "step sizes adapt");
  double rate =
      (double)r.counts[CHAIN_TRANSLATE].accepted / (double)r.counts[CHAIN_TRANSLATE].tried;
  cr_assert(rate > 0.35 && rate < 0.55, "%g of the translations", rate);
  toy_close(t);
}

Test(gcmc, hard_spheres_follow_carnahan_and_starling) {
  double cell[9], eta = 0.15, d = 3.0;
  double density = eta * 6 / (TOY_PI * d * d * d);
  double excess = (8 * eta - 9 * eta * eta + 3 * eta * eta * eta) / pow(1 - eta, 3);
  toy *t = toy_open(15, 15, 15);
  t->pair = toy_hard;
  t->p[4] = d;
  gcmc_settings s = toy_settings(t, cell, density * exp(excess));
  s.chain.trials = 8;
  s.cycles.production = 4000;
  gcmc_result r = toy_run(&s);
  /* the equation itself is good to 0.3 % here */
  double want = density * 3375;
  cr_assert_float_eq(r.molecules[0].mean, want, 4 * r.molecules[0].sigma + 0.003 * want, "%g +- %g",
                     r.molecules[0].mean, r.molecules[0].sigma);
  cr_assert(r.molecules[0].sigma < 0.02 * want);
  toy_close(t);
}

static double second_virial(const toy *t) {
  double sum = 0, h = 1e-3;
  for (double x = h / 2; x < t->p[6]; x += h)
    sum -= 2 * TOY_PI * h * x * x * (exp(-toy_lj(t, NULL, NULL, x * x) / kt) - 1);
  return sum;
}

static toy *lj_fluid(void) {
  toy *t = toy_open(20, 20, 20);
  t->pair = toy_lj;
  t->p[4] = 3.4;
  t->p[5] = 0.0103;
  t->p[6] = 9;
  return t;
}

Test(gcmc, lennard_jones_gas_has_its_second_virial_coefficient) {
  double cell[9], z = 6e-4;
  toy *t = lj_fluid();
  double b = second_virial(t), plain = z * 8000;
  gcmc_settings s = toy_settings(t, cell, z);
  s.cycles.production = 30000;
  s.chain.trials = 2;
  gcmc_result r = toy_run(&s);
  double want = plain * (1 - 2 * b * z); /* next term: 4.5 (b z)^2, 0.1 % */
  cr_assert(4.5 * b * b * z * z < 2e-3 && fabs(2 * b * z) > 0.02);
  cr_assert_float_eq(r.molecules[0].mean, want, 4 * r.molecules[0].sigma + 2e-3 * want);
  cr_assert(r.molecules[0].sigma < 0.005 * want, "%g", r.molecules[0].sigma);
  cr_assert(r.largest_drift < 1e-9, "insertions and deletions add up: %g", r.largest_drift);
  toy_close(t);
}

/* A dipole along z in a field: p[0] is a in U = -a kT cos(theta). */
static double rotor(const toy *t, const guest *g) {
  const double *q = g->pose.quaternion;
  return -t->p[0] * kt * (1 - 2 * (q[0] * q[0] + q[1] * q[1]));
}

Test(gcmc, rotations_alone_sample_orientations) {
  double cell[9];
  toy *t = toy_open(10, 10, 10);
  t->field = rotor;
  t->p[0] = 2;
  gcmc_settings s = toy_settings(t, cell, 1e-3);
  const guest three[3] = {{0, {{1, 1, 1}, {0, 0, 0, 1}}},
                          {0, {{2, 2, 2}, {1, 0, 0, 0}}},
                          {0, {{5, 5, 5}, {0, 0.6, 0.8, 0}}}};
  memset(s.chain.weight, 0, sizeof s.chain.weight);
  s.chain.weight[CHAIN_ROTATE] = 1;
  s.chain.point[0] = 0;
  s.chain.initial = three;
  s.chain.n_initial = 3;
  gcmc_result r = toy_run(&s);
  cr_assert(r.molecules[0].mean == 3 && r.molecules[0].sigma < 1e-12 && isnan(r.heat[0].mean));
  toy_near(r.energy, -3 * 2 * kt * (1 / tanh(2) - 0.5), "energy"); /* Langevin function */
  cr_assert(r.energy.sigma < 0.002);
  toy_close(t);
}

/* Two kinds of sites: each component has its own well, p[0], p[1]. */
static double two_wells(const toy *t, const guest *g) {
  double x = g->pose.position[0];
  return x < t->box[0] / 2 ? -t->p[g->component] : 0;
}

Test(gcmc, mixture_with_identity_moves) {
  for (int identity = 0; identity < 2; identity++) {
    double cell[9];
    toy *t = toy_open(10, 10, 10);
    t->field = two_wells;
    t->p[0] = 0.05;
    t->p[1] = 0.02;
    gcmc_settings s = toy_settings(t, cell, 2e-3);
    s.chain.n_component = 2;
    s.chain.fugacity[1] = toy_fugacity(5e-3, TOY_T);
    s.chain.weight[CHAIN_IDENTITY] = 0.3 * identity;
    s.cycles.production = 10000;
    s.chain.trials = 2;
    gcmc_result r = toy_run(&s);
    double a = 2e-3 * 500 * (1 + exp(0.05 / kt)), b = 5e-3 * 500 * (1 + exp(0.02 / kt));
    toy_near(r.molecules[0], a, "first");
    toy_near(r.molecules[1], b, "second");
    double s12 = r.molecules[0].mean / r.molecules[1].mean / (2.0 / 5);
    cr_assert_float_eq(s12 / ((1 + exp(0.05 / kt)) / (1 + exp(0.02 / kt))), 1, 0.08);
    double share = exp(0.05 / kt) / (1 + exp(0.05 / kt));
    toy_near(r.heat[0], (kt + 0.05 * share) * EV_KJ_MOL, "heat of the first");
    share = exp(0.02 / kt) / (1 + exp(0.02 / kt));
    toy_near(r.heat[1], (kt + 0.02 * share) * EV_KJ_MOL, "heat of the second");
    cr_assert(identity == (r.counts[CHAIN_IDENTITY].accepted > 0));
    cr_assert_float_eq(r.covariance[0][1], 0, 0.1 * sqrt(a * b)); /* they do not know each other */
    toy_close(t);
  }
}

/* Without swaps identity moves alone must give the fugacities' ratio. */
Test(gcmc, identity_moves_alone) {
  double cell[9];
  toy *t = toy_open(10, 10, 10);
  guest ten[10];
  gcmc_settings s = toy_settings(t, cell, 1e-3);
  for (int i = 0; i < 10; i++) ten[i] = (guest){0, {{i, 1, 1}, {0, 0, 0, 1}}};
  s.chain.n_component = 3;
  s.chain.fugacity[1] = 3 * s.chain.fugacity[0];
  s.chain.fugacity[2] = s.chain.fugacity[0];
  memset(s.chain.weight, 0, sizeof s.chain.weight);
  s.chain.weight[CHAIN_IDENTITY] = 1;
  s.chain.initial = ten;
  s.chain.n_initial = 10;
  gcmc_result r = toy_run(&s);
  toy_near(r.molecules[0], 2, "first");
  toy_near(r.molecules[1], 6, "second");
  toy_near(r.molecules[2], 2, "third");
  /* multinomial: cov = -n p q */
  cr_assert_float_eq(r.covariance[0][1], -10 * 0.2 * 0.6, 0.12);
  toy_close(t);
}

Test(gcmc, full_start_and_empty_start_agree) {
  double cell[9];
  toy *t = toy_open(12, 12, 12), *full = toy_open(12, 12, 12);
  guest all[27];
  for (int i = 0; i < 27; i++)
    all[i] = (guest){0, {{i % 3 * 4 + 1, i / 3 % 3 * 4 + 1, i / 9 * 4 + 1}, {0, 0, 0, 1}}};
  *full = *t;
  full->field = t->field = toy_sites;
  full->pair = t->pair = toy_one_per_site;
  full->p[1] = t->p[1] = 0.1;
  full->p[2] = t->p[2] = 4;
  full->p[3] = t->p[3] = 2;
  gcmc_settings s = toy_settings(t, cell, 5e-4);
  s.cycles.equilibration = 0;
  s.mser = 1;
  gcmc_result a = toy_run(&s);
  s.chain.target = &full->base;
  s.chain.initial = all;
  s.chain.n_initial = 27;
  gcmc_result b = toy_run(&s);
  double load = 5e-4 * 8 * exp(0.1 / kt);
  toy_near(a.molecules[0], 27 * load / (1 + load), "from empty");
  toy_near(b.molecules[0], 27 * load / (1 + load), "from full");
  cr_assert(!a.not_settled && !b.not_settled);
  toy_close(t);
  toy_close(full);
}

/* An ideal gas that fills an empty box during the whole run, and one that had the time before. */
Test(gcmc, a_run_that_still_fills_says_so) {
  double cell[9];
  toy *t = toy_open(12, 12, 12);
  gcmc_settings s = toy_settings(t, cell, 0.1);
  s.cycles.equilibration = 0;
  s.cycles.production = 20;
  cr_assert(toy_run(&s).not_settled);
  s.cycles.equilibration = 500;
  s.cycles.production = 2000;
  gcmc_result r = toy_run(&s);
  cr_assert(!r.not_settled);
  toy_near(r.molecules[0], 172.8, "ideal gas");
  toy_close(t);
}

Test(gcmc, intervals_cover) {
  /* 95 % intervals of 50 independent runs: at least 45, expected 47.5 */
  int hits = 0;
  for (uint32_t stream = 0; stream < 50; stream++) {
    double cell[9];
    toy *t = toy_open(10, 10, 10);
    t->field = toy_well;
    t->p[0] = 0.1;
    t->p[1] = 0.1;
    gcmc_settings s = toy_settings(t, cell, 1e-3);
    s.chain.trials = 2;
    s.chain.stream = stream;
    s.cycles.production = 1000;
    double want = 1e-3 * pow(2 * TOY_PI * kt / 0.1, 1.5) * exp(0.1 / kt);
    gcmc_result r = toy_run(&s);
    cr_assert(!r.few_samples);
    hits += fabs(r.molecules[0].mean - want) < r.molecules[0].ci95;
    toy_close(t);
  }
  cr_assert(hits >= 45, "%d of 50", hits);
}
