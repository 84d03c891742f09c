/* test_surrogate_fit.c -- the learnt correction against direct sums over images, and what it saves
 * where the surrogate is another force field than the target.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/surrogate_fit.h"
#include "core/adsorption/widom_importance.h"
#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATOMS = 12, SAMPLES = 600, FRESH = 100 };
static const double cell[9] = {11, 0, 0, 2, 10, 0, -1, 1.5, 12};
static const int number[ATOMS] = {30, 8, 8, 8, 6, 6, 6, 6, 1, 1, 30, 8};
static const double position[ATOMS][3] = {{0, 0, 0},        {1.9, 0.2, 0.1}, {-0.3, 1.9, 0.2},
                                          {0.2, -0.3, 1.9}, {2.8, 1.2, 0.3}, {4.1, 1.3, 0.5},
                                          {4.9, 0.2, 1},    {6.2, 0.4, 1.2}, {2.4, 2.2, 0.2},
                                          {4.5, 2.3, 0.4},  {7.5, 6, 7},     {6.9, 7.6, 7.8}};

/* A force field: Lennard-Jones, kJ/mol and angstrom, by (framework element, guest element). */
typedef struct force_field {
  double scale_epsilon, scale_sigma, zinc_epsilon;
} force_field;

static void parameters(const force_field *f, int host, int guest, double *epsilon, double *sigma) {
  double e = host == 30 ? f->zinc_epsilon : host == 1 ? 0.1 : 0.4;
  double s = host == 30 ? 2.5 : host == 1 ? 2.6 : 3.2;
  *epsilon = f->scale_epsilon * sqrt(e * (guest == 8 ? 0.66 : 0.22));
  *sigma = f->scale_sigma * 0.5 * (s + (guest == 8 ? 3.05 : 2.8));
}

/* eV; direct sum over images within 8 angstrom. */
static double energy(const force_field *f, const gas *g, const pose *p) {
  double x[GAS_MAX_ATOMS][3], u = 0;
  pose_place(p, g, x);
  for (int i = 0; i < ATOMS; i++)
    for (int j = 0; j < g->n; j++) {
      double epsilon, sigma;
      parameters(f, number[i], g->number[j], &epsilon, &sigma);
      for (int a = -2; a <= 2; a++)
        for (int b = -2; b <= 2; b++)
          for (int c = -2; c <= 2; c++) {
            double r2 = 0;
            for (int k = 0; k < 3; k++) {
              double d = position[i][k] - x[j][k] + a * cell[k] + b * cell[3 + k] + c * cell[6 + k];
              r2 += d * d;
            }
            if (r2 >= 64) continue;
            double q = pow(sigma * sigma / r2, 3);
            u += 4 * epsilon * (q * q - q) / EV_KJ_MOL;
          }
    }
  return u;
}

static surrogate_fit *open_fit(const gas *g, int threads) {
  surrogate_fit *f;
  cr_assert(surrogate_fit_open(ATOMS, number, position, cell, g, threads, &f) == EQS_OK, "%s",
            eqs_error());
  return f;
}

static const force_field model = {1.3, 0.95, 12}, classical = {1, 1, 0.5};

/* Poses that both force fields can live with. */
static int sensible(const gas *g, uint64_t *index, pose *p, double *u, double *us) {
  for (; *index < 100000; ++*index) {
    pose_draw(5, 0, *index, cell, p);
    *u = energy(&model, g, p);
    *us = energy(&classical, g, p);
    if (*u < 0.1 && *us < 0.1) {
      ++*index;
      return 1;
    }
  }
  return 0;
}

Test(surrogate_fit, learns_what_it_can_express) {
  gas g;
  cr_assert(gas_find("CO2", &g) == EQS_OK);
  surrogate_fit *f = open_fit(&g, 1), *two = open_fit(&g, 2);
  pose poses[SAMPLES + FRESH];
  double target[SAMPLES + FRESH], weight[SAMPLES], u, us, du[FRESH], du2[FRESH];
  uint64_t index = 0;
  for (int i = 0; i < SAMPLES + FRESH; i++) {
    cr_assert(sensible(&g, &index, &poses[i], &u, &us));
    target[i] = u - us;
    if (i < SAMPLES) weight[i] = 1;
  }
  surrogate_fit_apply(f, FRESH, poses, du);
  cr_assert(du[0] == 0 && surrogate_fit_parameters(f) == 0, "nothing learnt yet");
  cr_assert(surrogate_fit_learn(f, SAMPLES, poses, target, weight) == EQS_OK);
  cr_assert(surrogate_fit_learn(two, SAMPLES, poses, target, weight) == EQS_OK);
  cr_assert(surrogate_fit_parameters(f) > 20);
  surrogate_fit_apply(f, FRESH, poses + SAMPLES, du);
  surrogate_fit_apply(two, FRESH, poses + SAMPLES, du2);
  cr_assert(!memcmp(du, du2, sizeof du), "threads change no bit");
  double error = 0, spread = 0, low = 1e9, high = -1e9;
  for (int i = 0; i < SAMPLES; i++) {
    low = fmin(low, target[i]);
    high = fmax(high, target[i]);
  }
  for (int i = 0; i < FRESH; i++) {
    error += (du[i] - target[SAMPLES + i]) * (du[i] - target[SAMPLES + i]);
    spread += target[SAMPLES + i] * target[SAMPLES + i];
    cr_assert(du[i] >= low && du[i] <= high, "never beyond what was seen");
  }
  cr_assert(error < 1e-3 * spread, "left: %g of the square", error / spread);
  /* images: a pose moved by lattice vectors is the same pose */
  for (int i = 0; i < FRESH; i++)
    for (int k = 0; k < 3; k++)
      poses[SAMPLES + i].position[k] += 3 * cell[k] - 2 * cell[3 + k] + cell[6 + k];
  surrogate_fit_apply(f, FRESH, poses + SAMPLES, du2);
  for (int i = 0; i < FRESH; i++) cr_assert(fabs(du[i] - du2[i]) < 1e-9);
  surrogate_fit_free(&f);
  surrogate_fit_free(&two);
}

Test(surrogate_fit, few_or_bad_samples) {
  gas g;
  cr_assert(gas_find("H2O", &g) == EQS_OK);
  surrogate_fit *f = open_fit(&g, 1);
  pose poses[30];
  double target[30], weight[30], du[30];
  for (int i = 0; i < 30; i++) {
    pose_draw(1, 1, (uint64_t)i, cell, &poses[i]);
    target[i] = 0.25;
    weight[i] = i < 10;
  }
  cr_assert(surrogate_fit_learn(f, 30, poses, target, weight) == EQS_OK);
  cr_assert(surrogate_fit_parameters(f) == 0);
  for (int i = 0; i < 30; i++) weight[i] = 1;
  cr_assert(surrogate_fit_learn(f, 30, poses, target, weight) == EQS_OK);
  surrogate_fit_apply(f, 30, poses, du);
  for (int i = 0; i < 30; i++) cr_assert(fabs(du[i] - 0.25) < 1e-12, "a constant is a constant");
  target[3] = NAN;
  cr_assert(surrogate_fit_learn(f, 30, poses, target, weight) == EQS_ERR_ARGUMENT);
  surrogate_fit_free(&f);
  const double flat[9] = {1, 0, 0, 0, 1, 0, 1, 1, 0};
  cr_assert(surrogate_fit_open(ATOMS, number, position, flat, &g, 1, &f) == EQS_ERR_ARGUMENT);
  cr_assert(f == NULL);
}

/* ---- in insertion */

typedef struct world {
  gas g;
  force_field target, surrogate;
} world;

static eqs_status expensive(void *context, int n, const pose *poses, double *u) {
  const world *w = context;
  for (int i = 0; i < n; i++) u[i] = energy(&w->target, &w->g, &poses[i]);
  return EQS_OK;
}

static eqs_status cheap(void *context, int n, const pose *poses, double *u) {
  const world *w = context;
  for (int i = 0; i < n; i++) u[i] = energy(&w->surrogate, &w->g, &poses[i]);
  return EQS_OK;
}

Test(surrogate_fit, saves_energies_and_changes_no_answer) {
  const double t = 298;
  world w = {.target = model, .surrogate = classical};
  cr_assert(gas_find("CO2", &w.g) == EQS_OK);
  importance_result plain, given, fitted;
  importance_settings s = {.seed = 3,
                           .cell = cell,
                           .n_temperature = 1,
                           .temperature = &t,
                           .error = 0.04,
                           .table = 20000,
                           .table_max = 60000,
                           .batch = 100,
                           .context = &w,
                           .expensive = expensive,
                           .cheap = cheap};
  cr_assert(widom_importance_run(&s, &given) == EQS_OK, "%s", eqs_error());
  s.fit = open_fit(&w.g, 1);
  s.seed = 4;
  cr_assert(widom_importance_run(&s, &fitted) == EQS_OK, "%s", eqs_error());
  surrogate_fit_free(&s.fit);
  s.cheap = NULL;
  cr_assert(widom_importance_run(&s, &plain) == EQS_OK, "%s", eqs_error());
  const widom_point *a = &plain.point[0], *b = &given.point[0], *c = &fitted.point[0];
  cr_assert(!plain.target_missed && !given.target_missed && !fitted.target_missed);
  cr_assert(fabs(a->w - b->w) < 4 * hypot(a->w_sigma, b->w_sigma), "%g, %g", a->w, b->w);
  cr_assert(fabs(a->w - c->w) < 4 * hypot(a->w_sigma, c->w_sigma), "%g, %g", a->w, c->w);
  cr_assert(fabs(a->u - c->u) < 4 * hypot(a->u_sigma, c->u_sigma), "%g, %g", a->u, c->u);
  /* measured: 16,000 plain, 6,133 with the surrogate as it is, 1,193 with the fit, pilots included
   */
  cr_assert(given.n_energy < plain.n_energy / 2, "%lld", (long long)given.n_energy);
  cr_assert(fitted.n_energy < given.n_energy / 3, "%lld", (long long)fitted.n_energy);
  cr_assert(fitted.corrected && fitted.n_parameter > 20 && !given.corrected);
  cr_assert(fitted.rms < 0.1 * fitted.rms_as_given, "rms %g, %g before", fitted.rms,
            fitted.rms_as_given);
}
