/* test_tmmc.c -- the distribution of N against exact ones: Poisson, binomial, two Gaussians.
 *
 * Ideal gas: ln Pi = N ln(z V W) - ln N!. Sites: binomial in K f. Both hold for any bias, surrogate
 * and number of trials. Pi(1)/(Pi(0) f) is the Henry coefficient.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/tmmc.h"

#include "core/adsorption/classical_energy.h"
#include "core/adsorption/widom.h"
#include "tests/core/toy_settings.h"

#include <stdio.h>
#include <unistd.h>

#define STIFF 0.03 /* eV/angstrom^2 */
static const double kt = TOY_KT;

static tmmc_settings settings(toy *t, double *cell, double density, int n_max) {
  gcmc_settings g = toy_settings(t, cell, density);
  tmmc_settings s;
  tmmc_defaults(&s);
  s.chain = g.chain;
  s.chain.max_guests = n_max;
  s.chain.trials = 2;
  s.cycles = g.cycles;
  s.cycles.equilibration = 1000;
  s.framework_mass = 1000;
  return s;
}

static tmmc_result *run(const tmmc_settings *s) {
  tmmc_result *r;
  cr_assert(tmmc_run(s, &r) == EQS_OK, "%s", eqs_error());
  cr_assert(r->highest == r->n_max && r->round_trips > 0, "%d, %lld", r->highest,
            (long long)r->round_trips);
  return r;
}

/* ln Pi(N) - ln Pi(0) within four jackknife errors and no error above `most`. */
static void compare(const tmmc_result *r, const double *exact, double most) {
  size_t width = (size_t)r->n_max + 1;
  for (int n = 1; n <= r->n_max; n++) {
    double without[100], got = r->ln_pi[n] - r->ln_pi[0];
    for (int b = 0; b < r->blocks; b++) {
      const double *copy = r->ln_pi + (size_t)(b + 1) * width;
      without[b] = copy[n] - copy[0];
    }
    series_value v = series_jackknife(got, r->blocks, without);
    cr_assert(fabs(got - exact[n]) < 4 * v.sigma + 1e-9, "N = %d: %g +- %g, exact %g", n, got,
              v.sigma, exact[n]);
    cr_assert(v.sigma < most, "N = %d: +- %g", n, v.sigma);
  }
}

static toy *well(double depth) {
  toy *t = toy_open(10, 10, 10);
  t->field = toy_well;
  t->p[0] = STIFF;
  t->p[1] = depth;
  return t;
}

/* beta f V W of independent guests. */
static double load(double density, double depth, double temperature) {
  double kt_here = BOLTZMANN_EV * temperature;
  return density * pow(2 * TOY_PI * kt_here / STIFF, 1.5) * exp(depth / kt_here);
}

Test(tmmc, independent_guests_are_poisson) {
  for (int stage = 0; stage < 2; stage++) {
    double cell[9], exact[21], z = load(0.0055, 0.08, TOY_T);
    toy *t = well(0.08), *cheap = well(0.06);
    cheap->p[0] = 0.025;
    tmmc_settings s = settings(t, cell, 0.0055, 20);
    s.chain.trials = 16;
    s.cycles.production = 8000;
    if (stage) s.chain.surrogate = &cheap->base;
    for (int n = 0; n <= 20; n++) exact[n] = n * log(z) - lgamma(n + 1.0);
    tmmc_result *r = run(&s);
    compare(r, exact, 0.4);
    tmmc_point p;
    cr_assert(tmmc_reweight(r, s.chain.fugacity[0], TOY_T, &p) == EQS_OK);
    toy_near(p.guests, z, "guests");
    toy_near(p.heat, (kt - 1.5 * kt + 0.08) * EV_KJ_MOL, "heat");
    cr_assert(!p.tail_flagged && p.reach == 0 && !r->few_trips);
    /* another fugacity, four times as high; another temperature at fixed fugacity */
    cr_assert(tmmc_reweight(r, 4 * s.chain.fugacity[0], TOY_T, &p) == EQS_OK);
    toy_near(p.guests, 4 * z, "guests at four times the fugacity");
    cr_assert(tmmc_reweight(r, s.chain.fugacity[0], 315, &p) == EQS_OK);
    double want = load(0.0055 * TOY_T / 315, 0.08, 315);
    toy_near(p.guests, want, "guests at 315 K");
    toy_near(p.heat, (-0.5 * BOLTZMANN_EV * 315 + 0.08) * EV_KJ_MOL, "heat at 315 K");
    cr_assert(p.reach > 0.05 && !p.reach_flagged);
    cr_assert(tmmc_reweight(r, 100 * s.chain.fugacity[0], TOY_T, &p) == EQS_OK);
    cr_assert(p.tail_flagged, "twenty are not enough there");
    cr_assert(tmmc_reweight(r, s.chain.fugacity[0], 30, &p) == EQS_OK && p.reach_flagged);
    cr_assert(tmmc_reweight(r, 0, TOY_T, &p) == EQS_ERR_ARGUMENT);
    /* Widom: W V / (kT m) */
    series_value k = tmmc_henry(r);
    toy_near(k, z / s.chain.fugacity[0], "Henry coefficient");
    cr_assert(k.sigma < 0.05 * k.mean);
    tmmc_free(&r);
    toy_close(t);
    toy_close(cheap);
  }
}

Test(tmmc, sites_are_binomial) {
  for (int k = 3; k <= 8; k += 5) {
    double cell[9], exact[28], one = 2e-4 * 8 * exp(0.1 / kt);
    toy *t = toy_open(12, 12, 12);
    t->field = toy_sites;
    t->pair = toy_one_per_site;
    t->p[1] = 0.1;
    t->p[2] = 4;
    t->p[3] = 2;
    tmmc_settings s = settings(t, cell, 2e-4, 27);
    s.chain.trials = k;
    s.chain.lookahead = 4;
    s.cycles.production = 6000;
    for (int n = 0; n <= 27; n++)
      exact[n] = lgamma(28.0) - lgamma(n + 1.0) - lgamma(28.0 - n) + n * log(one);
    tmmc_result *r = run(&s);
    compare(r, exact, 0.8);
    for (double f = 0.1; f < 20; f *= 3) {
      tmmc_point p;
      cr_assert(tmmc_reweight(r, f * s.chain.fugacity[0], TOY_T, &p) == EQS_OK);
      toy_near(p.guests, 27 * f * one / (1 + f * one), "isotherm");
      cr_assert_float_eq(p.heat.mean, GAS_CONSTANT * TOY_T / 1000 + 0.1 * EV_KJ_MOL, 1e-6);
    }
    tmmc_free(&r);
    toy_close(t);
  }
}

/* The limit of few guests: CO2 with charges among six atoms, against uniform insertions. */
Test(tmmc, henry_coefficient_is_that_of_widom) {
  enum { ATOMS = 6, POSES = 40000, BLOCKS = 20 };
  static const double at[ATOMS][3] = {{0, 0, 0}, {2, 0, 0}, {7, 7, 1},
                                      {7, 7, 3}, {1, 8, 8}, {12, 3, 9}};
  static const int number[ATOMS] = {30, 8, 30, 8, 6, 6};
  static const double charge[ATOMS] = {0.5, -0.5, 0.4, -0.4, 0.2, -0.2};
  static pose p[POSES];
  static double u[POSES];
  const classical_settings rule = {.cutoff = 7};
  framework f = {.replica = {1, 1, 1}};
  workspace work = {0};
  gas g;
  guest_energy *e;
  for (int i = 0; i < ATOMS; i++) {
    cr_assert(structure_append(&f.cell, number[i], at[i], charge[i]) == EQS_OK);
    cr_assert(structure_append(&f.box, number[i], at[i], charge[i]) == EQS_OK);
  }
  for (int k = 0; k < 3; k++) f.cell.cell[4 * k] = f.box.cell[4 * k] = 14;
  cr_assert(workspace_set_threads(&work, 1) == EQS_OK && gas_find("CO2", &g) == EQS_OK);
  cr_assert(classical_energy_open(&f, 1, &g, &rule, &work, &e) == EQS_OK, "%s", eqs_error());
  for (int i = 0; i < POSES; i++) pose_draw(8, 1, (uint64_t)i, f.box.cell, p + i);
  cr_assert(classical_energy_poses(e, 0, POSES, p, u) == EQS_OK);
  double mean = 0, square = 0;
  for (int b = 0; b < BLOCKS; b++) {
    double sum = 0;
    for (int i = b * POSES / BLOCKS; i < (b + 1) * POSES / BLOCKS; i++) sum += exp(-u[i] / kt);
    mean += sum / POSES;
    square += pow(sum / POSES * BLOCKS, 2) / BLOCKS;
  }
  double sigma = sqrt((square - mean * mean) / (BLOCKS - 1));
  tmmc_settings s;
  tmmc_defaults(&s);
  s.chain.cell = f.box.cell;
  s.chain.temperature = TOY_T;
  s.chain.n_component = 1;
  s.chain.fugacity[0] = 2e5;
  s.chain.max_guests = 3;
  s.chain.target = e;
  s.cycles.equilibration = 300;
  s.cycles.production = 3000;
  s.framework_mass = structure_mass(&f.box);
  tmmc_result *r = run(&s);
  series_value henry = tmmc_henry(r);
  double density = s.framework_mass * MASS_UNIT_KG / (14e-10 * 14e-10 * 14e-10);
  double want = widom_henry(mean, TOY_T, density), error = want * sigma / mean;
  cr_assert(mean > 1.5 && error < 0.05 * want, "W %g, %g +- %g", mean, want, error);
  cr_assert(fabs(henry.mean - want) < 4 * hypot(henry.sigma, error) && henry.sigma < 0.05 * want,
            "%g +- %g, by insertions %g +- %g", henry.mean, henry.sigma, want, error);
  tmmc_free(&r);
  e->ops->free(e);
  framework_free(&f);
  workspace_free(&work);
}

/* Plain sampling of the same fluid gives the same mean. */
Test(tmmc, agrees_with_plain_sampling) {
  double cell[9];
  toy *t = toy_open(16, 16, 16), *u = toy_open(16, 16, 16);
  t->pair = u->pair = toy_lj;
  t->p[4] = u->p[4] = 3.4;
  t->p[5] = u->p[5] = 0.0103;
  t->p[6] = u->p[6] = 7.5;
  tmmc_settings s = settings(t, cell, 2e-3, 40);
  s.cycles.production = 3000;
  tmmc_result *r = run(&s);
  gcmc_settings g = toy_settings(u, cell, 2e-3);
  g.cycles.production = 4000;
  gcmc_result plain = toy_run(&g);
  tmmc_point p;
  cr_assert(tmmc_reweight(r, g.chain.fugacity[0], TOY_T, &p) == EQS_OK);
  double sigma = hypot(p.guests.sigma, plain.molecules[0].sigma);
  cr_assert(fabs(p.guests.mean - plain.molecules[0].mean) < 4 * sigma, "%g, %g +- %g",
            p.guests.mean, plain.molecules[0].mean, sigma);
  cr_assert(sigma < 0.03 * p.guests.mean && p.guests.mean > 7 && !p.tail_flagged);
  sigma = hypot(p.heat.sigma, plain.heat[0].sigma);
  cr_assert(fabs(p.heat.mean - plain.heat[0].mean) < 4 * sigma);
  tmmc_free(&r);
  toy_close(t);
  toy_close(u);
}

Test(tmmc, equal_areas) {
  enum { N = 120, BLOCKS = 10 };
  double ln_pi[(BLOCKS + 1) * (N + 1)], moment[(BLOCKS + 1) * (N + 1)][3] = {{0}};
  tmmc_result r = {
      .n_max = N, .blocks = BLOCKS, .cells = 1, .temperature = TOY_T, .fugacity = 1000};
  r.framework_mass = 1000;
  r.ln_pi = ln_pi;
  r.moment = moment;
  for (int b = 0; b <= BLOCKS; b++)
    for (int n = 0; n <= N; n++) {
      double wobble = b ? 0.001 * b : 0.0055;
      double thin = exp(-(n - 25) * (n - 25) / 50.0), dense = exp(-(n - 85) * (n - 85) / 50.0);
      ln_pi[b * (N + 1) + n] = log(thin + exp(-12 + wobble) * dense + 1e-300);
    }
  tmmc_transition t;
  tmmc_point p;
  cr_assert(tmmc_find_transition(&r, 100, 10000, &t) == EQS_OK && t.found);
  /* a shift x per guest multiplies the areas by exp(n x + 12.5 x^2): x = 12/60 */
  cr_assert_float_eq(t.ln_fugacity.mean, log(1000) + (12 - 0.0055) / 60, 1e-6);
  cr_assert(t.ln_fugacity.sigma > 0 && t.ln_fugacity.sigma < 0.001);
  cr_assert_float_eq(t.low, 25 + 25 * 0.2, 0.05);
  cr_assert_float_eq(t.high, 85 + 25 * 0.2, 0.05);
  cr_assert(t.barrier > 10 && t.barrier < 20);
  cr_assert(tmmc_find_transition(&r, 1, 900, &t) == EQS_OK && !t.found, "it is not in the range");
  cr_assert(tmmc_find_transition(&r, 900, 1, &t) == EQS_ERR_ARGUMENT);
  for (int i = 0; i < (BLOCKS + 1) * (N + 1); i++) /* one phase */
    ln_pi[i] = -pow(i % (N + 1) - 60, 2) / 400;
  cr_assert(tmmc_find_transition(&r, 100, 10000, &t) == EQS_OK && !t.found);
  cr_assert(tmmc_reweight(&r, 1000, TOY_T, &p) == EQS_OK);
  char *text;
  static const char want[] = "\"a,b\",CO2,300,1010,1000,60,";
  const tmmc_row row = {.pressure = 1010, .point = p, .excess = {NAN, NAN, NAN}};
  cr_assert(tmmc_csv(&r, 1, &row, "a,b", "CO2", 0, &text) == EQS_OK);
  cr_assert(strncmp(text, want, sizeof want - 1) == 0, "%s", text);
  free(text);
}

static int stop(void *context, const cycle_progress *p) {
  return p->cycle >= *(const int64_t *)context;
}

Test(tmmc, continued_run_has_the_same_bits) {
  char path[64];
  tmmc_result *r[2] = {0};
  snprintf(path, sizeof path, "test_tmmc.%ld", (long)getpid());
  remove(path);
  for (int k = 0; k < 2; k++) {
    const int64_t stops[3] = {130, 470, 1 << 30};
    remove(path);
    for (int i = k ? 0 : 2; i < 3; i++) {
      double cell[9];
      toy *t = well(0.12);
      t->drift = 1e-10;
      tmmc_settings s = settings(t, cell, 0.02, 20);
      s.cycles.equilibration = 200;
      s.cycles.production = 400;
      s.cycles.watch = stop;
      s.cycles.context = (void *)&stops[i];
      s.cycles.checkpoint = path;
      eqs_status status = tmmc_run(&s, &r[k]);
      cr_assert(status == (i < 2 ? EQS_ERR_INTERRUPTED : EQS_OK), "%s", eqs_error());
      cr_assert((r[k] == NULL) == (i < 2));
      toy_close(t);
    }
  }
  cr_assert(memcmp(r[0]->ln_pi, r[1]->ln_pi, 21 * 21 * sizeof(double)) == 0);
  cr_assert(memcmp(r[0]->moment, r[1]->moment, 21 * 21 * sizeof r[0]->moment[0]) == 0);
  cr_assert(r[0]->energies == r[1]->energies && r[0]->round_trips == r[1]->round_trips);
  tmmc_free(&r[0]);
  tmmc_free(&r[1]);
  remove(path);
}

Test(tmmc, settings_are_checked) {
  double cell[9];
  toy *t = well(0.1);
  tmmc_result *r = NULL;
  tmmc_settings s = settings(t, cell, 0.02, 20);
  s.chain.n_component = 2;
  cr_assert(tmmc_run(&s, &r) == EQS_ERR_UNSUPPORTED && !r);
  s = settings(t, cell, 0.02, 0);
  cr_assert(tmmc_run(&s, &r) == EQS_ERR_ARGUMENT);
  s = settings(t, cell, 0.02, 1 << 30);
  cr_assert(tmmc_run(&s, &r) == EQS_ERR_ARGUMENT);
  s = settings(t, cell, 0.02, 20);
  s.blocks = 3;
  cr_assert(tmmc_run(&s, &r) == EQS_ERR_ARGUMENT);
  s = settings(t, cell, NAN, 20);
  cr_assert(tmmc_run(&s, &r) == EQS_ERR_ARGUMENT && !r);
  tmmc_free(&r);
  toy_close(t);
}
