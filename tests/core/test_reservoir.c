/* test_reservoir.c -- samples of an insertion run by weight: each place's chances, the average over
 * what was sampled against the run's own, and what members of a committee make of averages.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "core/adsorption/widom_importance.h"

enum { SEEDS = 2000 };

/* Five draws of known weight, one of none: how often each takes a place. */
Test(reservoir, places_have_the_weights) {
  static const double weight[] = {0.5, 2, 0, 0.25, 1.25, 1};
  double count[6] = {0}, all = SEEDS * (double)RESERVOIR_PLACES;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    reservoir r;
    reservoir_start(&r, seed, 3);
    for (int i = 0; i < 6; i++) {
      const pose p = {.position = {i, 0, 0}};
      reservoir_add(&r, i, i, log(weight[i]) + 700, &p, -i); /* beyond what exp can hold */
    }
    cr_assert_eq(r.n, RESERVOIR_PLACES);
    for (int k = 0; k < r.n; k++) {
      int64_t i = r.place[k].index;
      count[i]++;
      cr_assert(r.place[k].u == (double)-i && r.place[k].pose.position[0] == (double)i);
    }
  }
  for (int i = 0; i < 6; i++) {
    double share = weight[i] / 5, sigma = sqrt(share * (1 - share) / all);
    cr_expect_float_eq(count[i] / all, share, 4 * sigma + 1e-300, "%d: %g, not %g", i,
                       count[i] / all, share);
  }
}

Test(reservoir, nothing_without_weight) {
  reservoir r;
  const pose p = {.position = {0}};
  reservoir_start(&r, 1, 1);
  reservoir_add(&r, 0, 0, -INFINITY, &p, 0);
  reservoir_add(&r, 1, 1, NAN, &p, 0);
  cr_expect_eq(r.n, 0);
}

/* A well: U = a r^2 - depth within the cell. */
static const double cube[9] = {10, 0, 0, 0, 10, 0, 0, 0, 10};

static eqs_status well(void *context, int n, const pose *poses, double *u) {
  (void)context;
  for (int i = 0; i < n; i++) {
    const double *x = poses[i].position;
    double square = 0;
    for (int k = 0; k < 3; k++) square += (x[k] - 5) * (x[k] - 5);
    u[i] = 0.02 * square - 0.1;
  }
  return EQS_OK;
}

/* A rougher one. */
static eqs_status rough(void *context, int n, const pose *poses, double *u) {
  EQS_TRY(well(context, n, poses, u));
  for (int i = 0; i < n; i++) u[i] = 0.7 * u[i] + 0.02 * sin(poses[i].position[0]);
  return EQS_OK;
}

static int left(void *context, const pose *p) {
  (void)context;
  return p->position[0] < 5;
}

/* Mean energy of what is sampled against the run's own average, over many runs. */
static void expect_average(int importance) {
  enum { RUNS = 40 };
  double sum = 0, square = 0, average = 0;
  for (int k = 0; k < RUNS; k++) {
    reservoir r;
    double mean = 0, own;
    reservoir_start(&r, 11, (uint32_t)k);
    if (importance) {
      const double t = 298;
      importance_result out;
      importance_settings s = {.seed = 11,
                               .stream = (uint32_t)k,
                               .cell = cube,
                               .n_temperature = 1,
                               .temperature = &t,
                               .max_energy = 1000,
                               .table = 20000,
                               .batch = 64,
                               .expensive = well,
                               .cheap = rough,
                               .blocked = left,
                               .sample = &r};
      cr_assert_eq(widom_importance_run(&s, &out), EQS_OK, "%s", eqs_error());
      own = out.point[0].u;
    } else {
      widom_result out;
      widom_settings s = {.n = 20000,
                          .seed = 11,
                          .stream = (uint32_t)k,
                          .cell = cube,
                          .temperature = 298,
                          .batch = 64,
                          .energy = well,
                          .blocked = left,
                          .sample = &r};
      cr_assert_eq(widom_run(&s, &out), EQS_OK, "%s", eqs_error());
      own = out.u;
    }
    cr_assert_eq(r.n, RESERVOIR_PLACES);
    for (int i = 0; i < r.n; i++) {
      double u;
      cr_assert(well(NULL, 1, &r.place[i].pose, &u) == EQS_OK && u == r.place[i].u);
      cr_assert(!left(NULL, &r.place[i].pose), "a pose in a pocket");
      mean += u / r.n;
    }
    average += own / RUNS;
    sum += (mean - own) / RUNS;
    square += (mean - own) * (mean - own) / RUNS;
  }
  double sigma = sqrt((square - sum * sum) / (RUNS - 1));
  cr_expect(sigma > 0 && sigma < 1.5e-3);
  cr_expect_float_eq(sum, 0, 4 * sigma, "%g +- %g off", sum, sigma);
  /* 3/2 kT above the bottom: half of a harmonic well is one still */
  cr_expect_float_eq(average, 1.5 * BOLTZMANN_EV * 298 - 0.1, 2.5e-3);
}

Test(reservoir, plain_sampling) { expect_average(0); }
Test(reservoir, importance_sampling) { expect_average(1); }

/* A member that is off by a constant; two states of which a member moves one. */
Test(reservoir, members) {
  const double kt = 0.025, u[4] = {-0.2, -0.1, -0.2, -0.1};
  const double constant[8] = {0.03, -0.04, 0.03, -0.04, 0.03, -0.04, 0.03, -0.04};
  member_spread s = member_spread_of(4, u, 2, constant, kt);
  cr_expect_float_eq(s.energy, sqrt((0.0009 + 0.0016) / 2), 1e-15);
  cr_expect_float_eq(s.ln_henry, sqrt((0.0009 + 0.0016) / 2) / kt, 1e-12);
  const double one[4] = {-0.01, 0, -0.01, 0}; /* the deeper state, deeper still */
  s = member_spread_of(4, u, 1, one, kt);
  double w = exp(0.01 / kt), energy = (-0.21 * w - 0.1) / (w + 1) + 0.15;
  cr_expect_float_eq(s.ln_henry, log((w + 1) / 2), 1e-12);
  cr_expect_float_eq(s.energy, fabs(energy), 1e-14);
  const double huge[4] = {-100, -100, -100, -100}; /* exp(4000) */
  s = member_spread_of(4, u, 1, huge, kt);
  cr_expect_float_eq(s.ln_henry, 4000, 1e-9);
  s = member_spread_of(0, u, 1, huge, kt);
  cr_expect(isnan(s.energy) && isnan(s.ln_henry));
}
