/* test_statistics.c -- jackknife, effective sample size, scales and quantiles against exact values.
 *
 * For a plain mean over equal blocks the jackknife variance is identically that of the block means,
 * sum (m_b - m)^2 / (B (B-1)); its expectation is var(w)/n. For n equal weights ESS = n.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/random.h"
#include "core/adsorption/statistics.h"

#include <criterion/criterion.h>
#include <math.h>

enum { B = STATISTICS_BLOCKS };

static double relative(double got, double want) { return fabs(got - want) / fabs(want); }

Test(statistics, equal_weights) {
  statistics s;
  estimates e;
  statistics_start(&s, 1000);
  for (int i = 0; i < 1000; i++) statistics_add(&s, i, log(0.25), -3);
  statistics_finish(&s, &e);
  cr_assert(fabs(e.ln_mean - log(0.25)) < 1e-13);
  cr_assert(e.mean_relative < 1e-13);
  cr_assert(fabs(e.energy + 3) < 1e-13 && e.energy_sigma < 1e-13);
  cr_assert(relative(e.ess, 1000) < 1e-12 && relative(e.max_share, 1e-3) < 1e-12);
}

Test(statistics, absent_draws_count_as_zero) {
  statistics s;
  estimates e;
  statistics_start(&s, 1003); /* not a multiple of the number of blocks */
  for (int i = 0; i < 1003; i += 4) statistics_add(&s, i, 0, 1);
  statistics_finish(&s, &e);
  cr_assert(relative(exp(e.ln_mean), 251.0 / 1003) < 1e-13);
  cr_assert(relative(e.ess, 251) < 1e-12);
}

Test(statistics, jackknife_of_a_mean_is_exact) {
  enum { N = 40 * B };
  statistics s;
  estimates e;
  double mean[B] = {0}, all = 0, variance = 0;
  statistics_start(&s, N);
  for (int i = 0; i < N; i++) {
    double u;
    random_uniform(3, 0, (uint64_t)i, 1, &u);
    statistics_add(&s, i, log(u + 0.1), u);
    mean[i / 40] += (u + 0.1) / 40;
  }
  statistics_finish(&s, &e);
  for (int b = 0; b < B; b++) all += mean[b] / B;
  for (int b = 0; b < B; b++) variance += (mean[b] - all) * (mean[b] - all) / (B * (B - 1));
  cr_assert(relative(exp(e.ln_mean), all) < 1e-13);
  cr_assert(relative(e.mean_relative * exp(e.ln_mean), sqrt(variance)) < 1e-10);
}

Test(statistics, jackknife_variance_has_the_analytic_expectation) {
  /* w = 2u: var = 1/3. u-weighted mean of u: ratio 2/3; delta method variance
   * E[w^2 (u - 2/3)^2] / n, evaluated below. */
  enum { N = 2000, RUNS = 400 };
  double mean_variance = 0, ratio_variance = 0;
  for (int run = 0; run < RUNS; run++) {
    statistics s;
    estimates e;
    statistics_start(&s, N);
    for (int i = 0; i < N; i++) {
      double u;
      random_uniform(17, (uint32_t)run, (uint64_t)i, 1, &u);
      if (u > 0) statistics_add(&s, i, log(2 * u), u);
    }
    statistics_finish(&s, &e);
    double sigma = e.mean_relative * exp(e.ln_mean);
    mean_variance += sigma * sigma / RUNS;
    ratio_variance += e.energy_sigma * e.energy_sigma / RUNS;
  }
  /* E[4 u^2 (u - 2/3)^2] = 4 (1/5 - (4/3)/4 + (4/9)/3) */
  double ratio = 4 * (1.0 / 5 - 1.0 / 3 + 4.0 / 27) / N;
  /* chi^2 with 19 degrees, 400 runs: relative sigma sqrt(2/19/400) = 1.6 %; five of them */
  cr_assert(relative(mean_variance, 1.0 / 3 / N) < 0.08, "%g", mean_variance * N);
  cr_assert(relative(ratio_variance, ratio) < 0.08, "%g", ratio_variance / ratio);
}

Test(statistics, huge_exponents_do_not_overflow) {
  statistics s;
  estimates e;
  statistics_start(&s, 100);
  for (int i = 0; i < 100; i++) statistics_add(&s, i, i == 50 ? 5000 : i == 70 ? -5000 : 4999, -i);
  statistics_finish(&s, &e);
  double sum = 98 * exp(-1) + 1;
  cr_assert(fabs(e.ln_mean - (5000 + log(sum / 100))) < 1e-11);
  cr_assert(relative(e.max_share, 1 / sum) < 1e-13);
  cr_assert(relative(e.ess, sum * sum / (98 * exp(-2) + 1)) < 1e-13);
}

Test(statistics, undefined_is_said) {
  statistics s;
  estimates e;
  statistics_start(&s, 100);
  statistics_finish(&s, &e);
  cr_assert(e.ln_mean == -INFINITY && isnan(e.energy) && isnan(e.mean_relative) && e.ess == 0);
  statistics_add(&s, 3, 1, -1); /* one weight: no error of the energy is known */
  statistics_finish(&s, &e);
  cr_assert(e.energy == -1 && isnan(e.energy_sigma));
  cr_assert(e.ess == 1 && e.max_share == 1);
  cr_assert(e.mean_relative > 0.9, "all weight in one block: about 100 %%");
}

Test(statistics, log_sum) {
  log_sum s;
  log_sum_start(&s);
  cr_assert(log_sum_value(&s) == -INFINITY);
  log_sum_add(&s, -INFINITY);
  cr_assert(log_sum_value(&s) == -INFINITY);
  log_sum_add(&s, 1e6);
  log_sum_add(&s, 1e6 + log(3));
  cr_assert(fabs(log_sum_value(&s) - (1e6 + log(4))) < 1e-9);
}

Test(statistics, student_t) {
  /* tables: t_{0.975} for 4, 9, 19, 30, 60, 120 degrees */
  cr_assert(statistics_t95(4) == 2.776 && statistics_t95(9) == 2.262 &&
            statistics_t95(19) == 2.093);
  cr_assert(fabs(statistics_t95(30) - 2.0423) < 2e-4);
  cr_assert(fabs(statistics_t95(60) - 2.0003) < 1e-4);
  cr_assert(fabs(statistics_t95(120) - 1.9799) < 1e-4);
}
