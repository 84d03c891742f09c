/* test_isotherm.c -- Langmuir isotherms, their fit, IAST and processes, against exact results.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/iast.h"
#include "core/adsorption/isotherm.h"
#include "core/adsorption/process.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 256 };

static double uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 9007199254740992.0;
}

static double gauss(uint64_t *state) {
  double u = uniform(state) + 1e-300, v = uniform(state);
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static const isotherm dual = {2, {3.1, 1.4}, {2e-5, 4e-3}, {24e3, 38e3}, 298};

/* n_per points per temperature, on a logarithmic scale. */
static int sample(const isotherm *m, const double *t, int n_t, int n_per, double low, double high,
                  isotherm_point *p) {
  int n = 0;
  for (int k = 0; k < n_t; k++)
    for (int i = 0; i < n_per; i++) {
      double pressure = low * pow(high / low, (double)i / (n_per - 1));
      p[n++] = (isotherm_point){pressure, isotherm_loading(m, t[k], pressure), t[k], 0};
    }
  return n;
}

Test(isotherm, spreading_is_the_integral) {
  for (double top = 10; top < 1e6; top *= 30) {
    double sum = 0, from = log(1e-9), to = log(top), h = (to - from) / 200000;
    for (int i = 0; i < 200000; i++)
      sum += h * isotherm_loading(&dual, 310, exp(from + (i + 0.5) * h));
    double got = isotherm_spreading(&dual, 310, to), loading;
    cr_expect_float_eq(got, sum, 1e-7 * sum + 1e-10);
    cr_expect_float_eq(isotherm_ln_pressure(&dual, 310, got, &loading), to, 1e-11);
    cr_expect_float_eq(loading, isotherm_loading(&dual, 310, top), 1e-11 * loading);
  }
}

Test(isotherm, extremes_stay_finite) {
  const isotherm weak = {1, {1e-4}, {1e-12}, {0}, 298};
  for (double psi = 1e-12; psi < 1e4; psi *= 10) {
    double loading, x = isotherm_ln_pressure(&dual, 298, psi, &loading);
    cr_expect(isfinite(x) && loading > 0);
    cr_expect_float_eq(isotherm_spreading(&dual, 298, x), psi, 1e-10 * psi);
    x = isotherm_ln_pressure(&weak, 298, psi, &loading);
    cr_expect(isfinite(x) && loading > 0);
    cr_expect_float_eq(isotherm_spreading(&weak, 298, x), psi, 1e-9 * psi);
  }
}

Test(isotherm, heat_is_clausius_clapeyron) {
  for (double p = 1; p < 1e6; p *= 10) {
    const double t = 305, h = 1e-3;
    double n = isotherm_loading(&dual, t, p), ln_p[2];
    for (int k = 0; k < 2; k++) { /* pressure of the same loading at t +- h */
      double low = log(p) - 1, high = log(p) + 1;
      for (int i = 0; i < 200; i++) {
        double mid = 0.5 * (low + high);
        if (isotherm_loading(&dual, t + (k ? h : -h), exp(mid)) < n) low = mid;
        else high = mid;
      }
      ln_p[k] = low;
    }
    double want = ISOTHERM_R * t * t * (ln_p[1] - ln_p[0]) / (2 * h);
    cr_expect_float_eq(isotherm_heat(&dual, t, p), want, 1e-3 * want);
  }
}

Test(isotherm, fit_finds_what_was_put_in) {
  const double one[] = {298}, three[] = {298, 318, 343};
  for (int sites = 1; sites <= 2; sites++)
    for (int temperatures = 1; temperatures <= 3; temperatures += 2) {
      isotherm m = dual;
      isotherm_point p[MANY];
      isotherm_fit fit;
      m.sites = sites;
      if (sites == 2) { /* the fit puts the stronger site first */
        m.q[0] = dual.q[1], m.b[0] = dual.b[1], m.e[0] = dual.e[1];
        m.q[1] = dual.q[0], m.b[1] = dual.b[0], m.e[1] = dual.e[0];
      }
      int n = sample(&m, temperatures == 1 ? one : three, temperatures, 25, 1, 1e6, p);
      cr_assert(isotherm_fit_sites(p, n, sites, 0, &fit) == EQS_OK, "%s", eqs_error());
      for (int s = 0; s < sites; s++) {
        cr_expect_float_eq(fit.model.q[s], m.q[s], 1e-5 * m.q[s], "q %g", fit.model.q[s]);
        cr_expect_float_eq(fit.model.b[s], m.b[s], 1e-5 * m.b[s], "b %g", fit.model.b[s]);
        cr_expect_float_eq(fit.model.e[s], temperatures > 1 ? m.e[s] : 0, 1e-5 * m.e[s]);
      }
      cr_expect_float_eq(fit.henry, isotherm_henry(&m, 298), 1e-6 * fit.henry);
      cr_expect_lt(fit.rms, 1e-6);
      cr_expect(fit.saturated);
      cr_expect_eq(fit.n_parameter, sites * (temperatures > 1 ? 3 : 2));
    }
}

Test(isotherm, fit_keeps_the_henry_coefficient) {
  const double t[] = {298};
  isotherm_point p[MANY];
  isotherm_fit fit;
  int n = sample(&dual, t, 1, 25, 1, 1e6, p);
  double k = isotherm_henry(&dual, 298);
  cr_assert(isotherm_fit_sites(p, n, 2, k, &fit) == EQS_OK);
  cr_expect_float_eq(fit.model.q[0], dual.q[1], 1e-4);
  cr_expect_float_eq(fit.henry, k, 1e-12 * k);
  cr_expect_eq(fit.n_parameter, 3);
  cr_assert(isotherm_fit_sites(p, n, 2, 1.3 * k, &fit) == EQS_OK);
  cr_expect_float_eq(fit.henry, 1.3 * k, 1e-12 * k);
  cr_assert(isotherm_fit_sites(p, n, 1, 1.3 * k, &fit) == EQS_OK);
  cr_expect_float_eq(fit.henry, 1.3 * k, 1e-12 * k);
  cr_expect_eq(fit.n_parameter, 1);
}

/* Over many data sets with known noise the one-sigma interval holds the truth about 68 times in
 * 100, and the better model is the true one. */
Test(isotherm, errors_and_aic_are_honest) {
  const isotherm single = {1, {2.5}, {1e-4}, {0}, 298};
  const double t[] = {298};
  const int runs = 200;
  int q_in = 0, b_in = 0, k_in = 0, single_chosen = 0, dual_chosen = 0;
  uint64_t state = 42;
  for (int run = 0; run < runs; run++) {
    isotherm_point p[MANY];
    isotherm_fit one, two;
    int n = sample(&single, t, 1, 20, 100, 1e5, p);
    for (int i = 0; i < n; i++) {
      p[i].sigma = 0.03 * p[i].loading;
      p[i].loading = fmax(p[i].loading + gauss(&state) * p[i].sigma, 0);
    }
    cr_assert(isotherm_fit_sites(p, n, 1, 0, &one) == EQS_OK);
    q_in += fabs(one.model.q[0] - single.q[0]) < one.q_sigma[0];
    b_in += fabs(one.model.b[0] - single.b[0]) < one.b_sigma[0];
    k_in += fabs(one.henry - 2.5e-4) < one.henry_sigma;
    if (run % 4) continue;
    cr_assert(isotherm_fit_sites(p, n, 2, 0, &two) == EQS_OK);
    cr_expect(two.chi2 <= one.chi2 * (1 + 1e-6)); /* more freedom cannot fit worse */
    single_chosen += one.aic < two.aic;
    n = sample(&dual, t, 1, 20, 1, 1e6, p);
    for (int i = 0; i < n; i++) p[i].loading *= 1 + 0.02 * gauss(&state);
    cr_assert(isotherm_fit_sites(p, n, 1, 0, &one) == EQS_OK);
    cr_assert(isotherm_fit_sites(p, n, 2, 0, &two) == EQS_OK);
    dual_chosen += two.aic < one.aic;
  }
  cr_expect(q_in > 0.6 * runs && q_in < 0.8 * runs, "q: %d of %d", q_in, runs);
  cr_expect(b_in > 0.6 * runs && b_in < 0.8 * runs, "b: %d of %d", b_in, runs);
  cr_expect(k_in > 0.6 * runs && k_in < 0.8 * runs, "K: %d of %d", k_in, runs);
  cr_expect_gt(single_chosen, 42, "%d of 50", single_chosen);
  cr_expect_eq(dual_chosen, 50);
}

Test(isotherm, a_straight_line_has_no_capacity) {
  isotherm_point p[10];
  isotherm_fit fit;
  for (int i = 0; i < 10; i++) p[i] = (isotherm_point){10.0 * (i + 1), 3e-5 * 10 * (i + 1), 298, 0};
  cr_assert(isotherm_fit_sites(p, 10, 1, 0, &fit) == EQS_OK);
  cr_expect_not(fit.saturated);
  cr_expect_float_eq(fit.henry, 3e-5, 1e-8);
}

Test(isotherm, refusals) {
  isotherm_point p[8];
  isotherm_fit fit;
  for (int i = 0; i < 8; i++) p[i] = (isotherm_point){10.0 + i, 0.1 * i, 298, 0};
#define REFUSED(n, sites, henry)                                                                   \
  cr_expect(isotherm_fit_sites(p, n, sites, henry, &fit) == EQS_ERR_ARGUMENT)
  REFUSED(0, 1, 0);
  REFUSED(3, 1, 0);
  REFUSED(5, 2, 0);
  REFUSED(8, 3, 0);
  REFUSED(8, 0, 0);
  REFUSED(8, 1, -1);
  REFUSED(8, 1, NAN);
  p[3].loading = NAN;
  REFUSED(8, 1, 0);
  p[3].loading = -1;
  REFUSED(8, 1, 0);
  p[3].loading = 1;
  p[2].pressure = INFINITY;
  REFUSED(8, 1, 0);
  p[2].pressure = -4;
  REFUSED(8, 1, 0);
  p[2].pressure = 4;
  p[1].temperature = 0;
  REFUSED(8, 1, 0);
  p[1].temperature = 298;
  for (int i = 0; i < 8; i++) p[i].loading = 0;
  REFUSED(8, 1, 0);
  for (int i = 0; i < 8; i++) p[i] = (isotherm_point){0, 1, 298, 0};
  REFUSED(8, 1, 0);
}

/* ---- mixtures */

/* Equal capacities: IAST is the extended Langmuir isotherm, n_i = q b_i p_i / (1 + sum b p). */
Test(iast, equal_capacities_are_extended_langmuir) {
  const isotherm a = {1, {2.7}, {3e-5}, {0}, 298}, b = {1, {2.7}, {2e-6}, {0}, 298},
                 c = {1, {2.7}, {9e-3}, {0}, 298};
  const isotherm *const m[] = {&a, &b, &c};
  for (double scale = 1e-4; scale < 1e5; scale *= 10) {
    const double p[] = {150 * scale, 800 * scale, 3 * scale};
    double n[3], sum = 1;
    cr_assert(iast_solve(3, m, 298, p, n) == EQS_OK, "%s", eqs_error());
    for (int i = 0; i < 3; i++) sum += m[i]->b[0] * p[i];
    for (int i = 0; i < 3; i++)
      cr_expect_float_eq(n[i], 2.7 * m[i]->b[0] * p[i] / sum, 1e-10 * n[i]);
  }
}

/* Unlike capacities: P_i0 = (exp(psi / q_i) - 1) / b_i, and bisection, by itself. */
Test(iast, unlike_capacities) {
  const isotherm a = {1, {4.2}, {1e-5}, {0}, 298}, b = {1, {1.3}, {8e-5}, {0}, 298};
  const isotherm *const m[] = {&a, &b};
  for (double total = 1; total < 1e7; total *= 7) {
    const double p[] = {0.85 * total, 0.15 * total};
    double n[2], low = 0, high = 1000;
    for (int i = 0; i < 300; i++) {
      double psi = 0.5 * (low + high);
      double sum = p[0] * 1e-5 / expm1(psi / 4.2) + p[1] * 8e-5 / expm1(psi / 1.3);
      if (sum > 1) low = psi;
      else high = psi;
    }
    double x = p[0] * 1e-5 / expm1(low / 4.2), y = 1 - x;
    double pa = expm1(low / 4.2), pb = expm1(low / 1.3); /* b P0 */
    double total_n = 1 / (x / (4.2 * pa / (1 + pa)) + y / (1.3 * pb / (1 + pb)));
    cr_assert(iast_solve(2, m, 298, p, n) == EQS_OK, "%s", eqs_error());
    cr_expect_float_eq(n[0], x * total_n, 1e-8 * n[0]);
    cr_expect_float_eq(n[1], y * total_n, 1e-8 * n[1]);
  }
}

Test(iast, limits) {
  const isotherm n2 = {1, {2}, {1e-7}, {0}, 298};
  const isotherm *const m[] = {&dual, &n2}, *const reversed[] = {&n2, &dual};
  const double dilute[] = {1e-4, 1e-3}, alone[] = {2e4, 0}, p[] = {4e4, 6e4}, back[] = {6e4, 4e4};
  double n[2], r[2];
  cr_assert(iast_solve(2, m, 298, dilute, n) == EQS_OK);
  double henry = isotherm_henry(&dual, 298) / isotherm_henry(&n2, 298);
  cr_expect_float_eq(n[0] / n[1] * 10, henry, 1e-5 * henry);
  cr_assert(iast_solve(2, m, 298, alone, n) == EQS_OK);
  cr_expect_float_eq(n[0], isotherm_loading(&dual, 298, 2e4), 1e-12);
  cr_expect_float_eq(n[1], 0, 0);
  cr_assert(iast_solve(2, m, 298, p, n) == EQS_OK);
  cr_assert(iast_solve(2, reversed, 298, back, r) == EQS_OK);
  cr_expect_float_eq(n[0], r[1], 1e-9);
  cr_expect_float_eq(n[1], r[0], 1e-9);
  const double none[] = {0, 0}, bad[] = {NAN, 1}, negative[] = {-1, 2};
  cr_expect(iast_solve(2, m, 298, none, n) == EQS_ERR_ARGUMENT);
  cr_expect(iast_solve(2, m, 298, bad, n) == EQS_ERR_ARGUMENT);
  cr_expect(iast_solve(2, m, 298, negative, n) == EQS_ERR_ARGUMENT);
}

/* A mixture of a gas with itself is the gas. */
Test(iast, a_gas_with_itself) {
  const isotherm *const m[] = {&dual, &dual, &dual};
  const double p[] = {1e3, 2e4, 5};
  double n[3], total = 1e3 + 2e4 + 5;
  cr_assert(iast_solve(3, m, 320, p, n) == EQS_OK);
  for (int i = 0; i < 3; i++)
    cr_expect_float_eq(n[i], isotherm_loading(&dual, 320, total) * p[i] / total, 1e-10);
}

/* ---- processes */

Test(process, vapour_pressure_of_water) { /* IAPWS */
  cr_expect_float_eq(process_water_pressure(273.16), 611.657, 0.2);
  cr_expect_float_eq(process_water_pressure(298.15), 3169.9, 1);
  cr_expect_float_eq(process_water_pressure(373.124), 101325, 30);
}

Test(process, henry_regime_by_hand) {
  /* n = K p, K(T) = 1e-3 exp(E/R (1/T - 1/298.15)), far from saturation */
  const double e = 45e3, q = 1e6;
  const isotherm m = {1, {q}, {1e-3 / q}, {e}, 298.15};
  process_gases g = {.co2 = &m, .heat_capacity = 1000};
  process_result r;
  cr_assert(process_evaluate(&processes[2], &g, &r) == EQS_OK); /* DAC */
  double hot = 1e-3 * exp(e / ISOTHERM_R * (1 / 373.15 - 1 / 298.15));
  cr_expect_float_eq(r.adsorbed, 40e-3, 1e-6);
  cr_expect_float_eq(r.desorbed, hot * 1e4, 1e-5);
  cr_expect_float_eq(r.working, 0.04 - hot * 1e4, 1e-5);
  cr_expect_lt(r.working, 0); /* told as it is */
  cr_expect(isnan(r.regeneration) && isnan(r.mixed));
  cr_expect_float_eq(r.heat, 45, 1e-6);
  cr_assert(process_evaluate(&processes[0], &g, &r) == EQS_OK); /* VSA, no change of temperature */
  cr_expect_float_eq(r.working, 15 - 5, 1e-3);
  cr_expect_float_eq(r.regeneration, 45, 1e-6);
  cr_assert(process_evaluate(&processes[1], &g, &r) == EQS_OK); /* TSA */
  hot = 1e-3 * exp(e / ISOTHERM_R * (1 / 393.15 - 1 / 298.15));
  cr_expect_float_eq(r.working, 15 - 1e5 * hot, 1e-3);
  cr_expect_float_eq(r.regeneration, 45 + 95 / r.working, 1e-6);
}

Test(process, competition_and_unknown_temperatures) {
  const isotherm co2 = {1, {3}, {1e-4}, {35e3}, 298.15}, n2 = {1, {3}, {2e-6}, {15e3}, 298.15},
                 h2o = {1, {3}, {5e-2}, {60e3}, 298.15};
  process_gases g = {.co2 = &co2, .n2 = &n2, .heat_capacity = 1000};
  process_result dry, wet;
  cr_assert(process_evaluate(&processes[0], &g, &dry) == EQS_OK);
  double sum = 1 + 1e-4 * 0.15e5 + 2e-6 * 0.85e5; /* equal capacities: extended Langmuir */
  cr_expect_float_eq(dry.mixed, 3 * 1.5 / sum, 1e-9);
  cr_expect_float_eq(dry.selectivity_n2, 50, 1e-7);
  cr_expect(isnan(dry.selectivity_h2o));
  cr_assert(process_evaluate(&processes[2], &g, &dry) == EQS_OK);
  g.h2o = &h2o;
  cr_assert(process_evaluate(&processes[2], &g, &wet) == EQS_OK);
  cr_expect_lt(wet.mixed, 0.1 * dry.mixed);
  cr_expect_float_eq(wet.selectivity_h2o, 1e-4 / 5e-2, 1e-9);
  isotherm cold = co2; /* no heats: nothing is known of other temperatures */
  cold.e[0] = 0;
  g = (process_gases){.co2 = &cold};
  cr_assert(process_evaluate(&processes[1], &g, &dry) == EQS_OK);
  cr_expect(!isnan(dry.adsorbed) && isnan(dry.desorbed) && isnan(dry.working) && isnan(dry.heat));
  cr_assert(process_evaluate(&processes[0], &g, &dry) == EQS_OK);
  cr_expect_gt(dry.working, 0);
  cold.reference = 273;
  cr_assert(process_evaluate(&processes[0], &g, &dry) == EQS_OK);
  cr_expect(isnan(dry.adsorbed));
  g.co2 = NULL;
  cr_expect(process_evaluate(&processes[0], &g, &dry) == EQS_ERR_ARGUMENT);
}
