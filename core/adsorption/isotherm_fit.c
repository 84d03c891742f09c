/* isotherm_fit.c -- least-squares fit of Langmuir isotherms.
 *
 * Parameters are logarithms, so q and b stay positive: (ln q_s, ln b_s) or, with K = sum q b given,
 * (ln q_s) and for two sites phi with q_1 b_1 = K / (1 + e^-phi); then E_s / (R T_ref). Starts take
 * b from a logarithmic ladder over the pressures; for these the best q are a linear problem.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/isotherm.h"

enum { P = ISOTHERM_PARAMETERS, STEPS = 400, RUNGS = 7 };
#define RELATIVE    0.02
#define FLOOR       0.001
#define SPREAD      5.0  /* K: below this the temperatures say nothing of E */
#define BOUND       60.0 /* of a logarithm, from its start */
#define SLIGHT      1e-6
#define START_E     8.0  /* R T: 20 kJ/mol */
#define UNSATURATED 20.0 /* q beyond so many times the largest loading */

typedef struct fit {
  const isotherm_point *point;
  int n, sites, n_parameter, with_e;
  double henry, reference, largest;
  double *weight;   /* [n] 1 / error */
  double *residual; /* [n] */
  double *slope;    /* [n][P] */
} fit;

static isotherm model_of(const fit *f, const double t[P]) {
  isotherm m = {.sites = f->sites, .reference = f->reference};
  int k = 0;
  for (int s = 0; s < f->sites; s++) m.q[s] = exp(t[k++]);
  if (f->henry > 0) {
    double share = f->sites == 2 ? 1 / (1 + exp(-t[k++])) : 1;
    for (int s = 0; s < f->sites; s++) m.b[s] = f->henry * (s ? 1 - share : share) / m.q[s];
  } else {
    for (int s = 0; s < f->sites; s++) m.b[s] = exp(t[k++]);
  }
  for (int s = 0; s < f->sites && f->with_e; s++) m.e[s] = t[k++] * ISOTHERM_R * f->reference;
  return m;
}

static double residuals(const fit *f, const double t[P], double *out) {
  isotherm m = model_of(f, t);
  double sum = 0;
  for (int i = 0; i < f->n; i++) {
    const isotherm_point *p = &f->point[i];
    double r = (isotherm_loading(&m, p->temperature, p->pressure) - p->loading) * f->weight[i];
    if (out) out[i] = r;
    sum += r * r;
  }
  return sum;
}

/* Central differences: parameters are of order 1 to 20, errors of the slope 1e-9. */
static void slopes(const fit *f, const double t[P]) {
  const double h = 1e-5;
  for (int k = 0; k < f->n_parameter; k++) {
    double up[P], down[P];
    memcpy(up, t, sizeof up);
    memcpy(down, t, sizeof down);
    up[k] += h, down[k] -= h;
    isotherm a = model_of(f, up), b = model_of(f, down);
    for (int i = 0; i < f->n; i++) {
      const isotherm_point *p = &f->point[i];
      f->slope[i * P + k] = (isotherm_loading(&a, p->temperature, p->pressure) -
                             isotherm_loading(&b, p->temperature, p->pressure)) *
                            f->weight[i] / (2 * h);
    }
  }
}

/* a x = b, a symmetric positive; 0 if it is not. a is overwritten by its Cholesky factor. */
static int solve(int n, double a[P][P], const double b[P], double x[P]) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      double s = a[i][j];
      for (int k = 0; k < j; k++) s -= a[i][k] * a[j][k];
      if (i == j && !(s > 0)) return 0;
      a[i][j] = i == j ? sqrt(s) : s / a[j][j];
    }
  for (int i = 0; i < n; i++) {
    x[i] = b[i];
    for (int k = 0; k < i; k++) x[i] -= a[i][k] * x[k];
    x[i] /= a[i][i];
  }
  for (int i = n; i-- > 0;) {
    for (int k = i + 1; k < n; k++) x[i] -= a[k][i] * x[k];
    x[i] /= a[i][i];
  }
  return 1;
}

static void normal(const fit *f, double a[P][P], double g[P]) {
  memset(a, 0, P * sizeof a[0]);
  memset(g, 0, P * sizeof *g);
  for (int i = 0; i < f->n; i++)
    for (int k = 0; k < f->n_parameter; k++) {
      const double *s = f->slope + i * P;
      g[k] -= s[k] * f->residual[i];
      for (int l = 0; l <= k; l++) a[k][l] += s[k] * s[l];
    }
  for (int k = 0; k < f->n_parameter; k++)
    for (int l = 0; l < k; l++) a[l][k] = a[k][l];
}

static double descend(const fit *f, double t[P]) {
  double a[P][P], g[P], start[P], damping = 1e-3, chi2 = residuals(f, t, f->residual);
  memcpy(start, t, sizeof start);
  for (int step = 0; step < STEPS && damping < 1e12 && isfinite(chi2); step++) {
    double m[P][P], d[P], next[P];
    slopes(f, t);
    normal(f, a, g);
    memcpy(m, a, sizeof m);
    for (int k = 0; k < f->n_parameter; k++) m[k][k] += damping * (a[k][k] + 1e-12);
    if (!solve(f->n_parameter, m, g, d)) {
      damping *= 10;
      continue;
    }
    double size = 0;
    for (int k = 0; k < f->n_parameter; k++) {
      next[k] = fmin(fmax(t[k] + fmax(-3, fmin(3, d[k])), start[k] - BOUND), start[k] + BOUND);
      size = fmax(size, fabs(next[k] - t[k]));
    }
    double trial = residuals(f, next, NULL);
    if (!(trial < chi2)) {
      damping *= 4;
      if (size < 1e-12) break;
      continue;
    }
    int done = chi2 - trial < 1e-13 * chi2 && size < 1e-9;
    memcpy(t, next, sizeof next);
    chi2 = residuals(f, t, f->residual);
    damping = fmax(damping / 5, 1e-14);
    if (done) break;
  }
  return chi2;
}

/* ---- starts */

/* The best q for given b, one site after the other if two would be negative. */
static void best_q(const fit *f, const double *b, double *q) {
  double a[P][P] = {{0}}, g[P] = {0}, x[P] = {0};
  isotherm m = {.sites = 1, .reference = f->reference, .q = {1}};
  for (int i = 0; i < f->n; i++) {
    double u[ISOTHERM_SITES];
    for (int s = 0; s < f->sites; s++) {
      m.b[0] = b[s];
      m.e[0] = f->with_e ? START_E * ISOTHERM_R * f->reference : 0;
      u[s] = isotherm_loading(&m, f->point[i].temperature, f->point[i].pressure) * f->weight[i];
    }
    for (int s = 0; s < f->sites; s++) {
      g[s] += u[s] * f->point[i].loading * f->weight[i];
      for (int r = 0; r < f->sites; r++) a[s][r] += u[s] * u[r];
    }
  }
  for (int s = 0; s < f->sites; s++) a[s][s] *= 1 + 1e-9;
  int good = solve(f->sites, a, g, x);
  for (int s = 0; s < f->sites; s++)
    q[s] = good && x[s] > 0.01 * f->largest ? fmin(x[s], 1e3 * f->largest) : 0.3 * f->largest;
}

static void start_at(const fit *f, const double *b, double t[P]) {
  double q[ISOTHERM_SITES];
  int k = 0;
  best_q(f, b, q);
  memset(t, 0, P * sizeof *t);
  for (int s = 0; s < f->sites; s++) t[k++] = log(q[s]);
  if (f->henry > 0) {
    if (f->sites == 2) t[k++] = fmax(-5, fmin(5, log(q[0] * b[0]) - log(q[1] * b[1])));
  } else {
    for (int s = 0; s < f->sites && s < ISOTHERM_SITES; s++) t[k++] = log(b[s]);
  }
  for (int s = 0; s < f->sites && f->with_e; s++) t[k++] = START_E;
}

static double best_start(const fit *f, double best[P]) {
  double low = INFINITY, high = 0, least = INFINITY, t[P];
  for (int i = 0; i < f->n; i++) {
    double p = f->point[i].pressure;
    if (p > 0) low = fmin(low, p), high = fmax(high, p);
  }
  double step = (log(high) - log(low) + log(100)) / (RUNGS - 1), first = -log(high) - log(10);
  for (int i = 0; i < RUNGS; i++)
    for (int j = 0; j < (f->sites == 2 ? i : 1); j++) {
      const double b[ISOTHERM_SITES] = {exp(first + i * step), exp(first + j * step)};
      start_at(f, b, t);
      double chi2 = descend(f, t);
      if (!(chi2 < least)) continue;
      least = chi2;
      memcpy(best, t, sizeof t);
    }
  return least;
}

/* ---- errors */

/* Variance of a quantity with these slopes, by the inverse of the normal matrix. */
static double spread(const fit *f, double a[P][P], const double slope[P], double scale) {
  double m[P][P], x[P], sum = 0;
  memcpy(m, a, sizeof m);
  if (!solve(f->n_parameter, m, slope, x)) return INFINITY;
  for (int k = 0; k < f->n_parameter; k++) sum += slope[k] * x[k];
  return sum >= 0 ? sqrt(sum * scale) : INFINITY;
}

static void errors(const fit *f, const double t[P], isotherm_fit *out) {
  double a[P][P], g[P], d[10][P] = {{0}};
  int known = 1;
  residuals(f, t, f->residual);
  slopes(f, t);
  normal(f, a, g);
  for (int i = 0; i < f->n; i++) known &= f->point[i].sigma > 0;
  double scale = out->chi2 / (f->n - f->n_parameter);
  if (known && scale < 1) scale = 1;
  for (int k = 0; k < f->n_parameter; k++) {
    double up[P], down[P];
    memcpy(up, t, sizeof up);
    memcpy(down, t, sizeof down);
    up[k] += SLIGHT, down[k] -= SLIGHT;
    isotherm x = model_of(f, up), y = model_of(f, down);
    for (int s = 0; s < f->sites; s++) {
      d[s][k] = (x.q[s] - y.q[s]) / (2 * SLIGHT);
      d[2 + s][k] = (x.b[s] - y.b[s]) / (2 * SLIGHT);
      d[4 + s][k] = (x.e[s] - y.e[s]) / (2 * SLIGHT);
    }
    d[6][k] = (isotherm_henry(&x, f->reference) - isotherm_henry(&y, f->reference)) / (2 * SLIGHT);
  }
  for (int s = 0; s < f->sites; s++) {
    out->q_sigma[s] = spread(f, a, d[s], scale);
    out->b_sigma[s] = spread(f, a, d[2 + s], scale);
    out->e_sigma[s] = f->with_e ? spread(f, a, d[4 + s], scale) : 0;
    if (!(out->q_sigma[s] < out->model.q[s]) || out->model.q[s] > UNSATURATED * f->largest)
      out->saturated = 0;
  }
  out->henry = isotherm_henry(&out->model, f->reference);
  out->henry_sigma = f->henry > 0 ? 0 : spread(f, a, d[6], scale);
}

/* ---- the fit */

static eqs_status check(const fit *f) {
  double low = INFINITY, high = 0;
  if (f->sites < 1 || f->sites > ISOTHERM_SITES)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a Langmuir isotherm has 1 or 2 sites here, not %d", f->sites);
  if (!(f->henry >= 0 && f->henry < INFINITY))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the Henry coefficient must be positive, not %g", f->henry);
  for (int i = 0; i < f->n; i++) {
    const isotherm_point *p = &f->point[i];
    int good = p->pressure >= 0 && p->pressure < 1e12 && p->loading >= 0 && p->loading < 1e6 &&
               p->sigma >= 0 && p->sigma < 1e6 && p->temperature >= 1 && p->temperature <= 1e4;
    if (!good || (p->pressure > 0 && p->pressure < 1e-12))
      EQS_FAIL(EQS_ERR_ARGUMENT, "point %d (%g Pa, %g mol/kg, %g K) makes no sense", i + 1,
               p->pressure, p->loading, p->temperature);
    if (p->pressure > 0) low = fmin(low, p->pressure), high = fmax(high, p->pressure);
  }
  if (!(f->largest > 0) || !(high > 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "nothing is adsorbed at any pressure");
  if (f->n < f->n_parameter + 2)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d points are too few for %d parameters; %d are needed", f->n,
             f->n_parameter, f->n_parameter + 2);
  return EQS_OK;
}

/* The site with the larger b first. */
static void order(isotherm_fit *out) {
  isotherm *m = &out->model;
  if (m->sites < 2 || m->b[0] >= m->b[1]) return;
  double *const pairs[] = {m->q, m->b, m->e, out->q_sigma, out->b_sigma, out->e_sigma};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    double x = pairs[i][0];
    pairs[i][0] = pairs[i][1];
    pairs[i][1] = x;
  }
}

static void judge(const fit *f, isotherm_fit *out) {
  double sum = 0;
  int count = 0, n = out->n, p = out->n_parameter;
  for (int i = 0; i < f->n; i++) {
    const isotherm_point *x = &f->point[i];
    if (!(x->loading > 0)) continue;
    double r = isotherm_loading(&out->model, x->temperature, x->pressure) / x->loading - 1;
    sum += r * r;
    count++;
  }
  out->rms = sqrt(sum / count);
  out->aic = n * log(fmax(out->chi2 / n, 1e-20)) + 2 * p + 2.0 * p * (p + 1) / (n - p - 1);
}

eqs_status isotherm_fit_sites(const isotherm_point *point, int n, int sites, double henry,
                              isotherm_fit *out) {
  fit f = {.point = point, .n = n, .sites = sites, .henry = henry};
  double cold = INFINITY, hot = 0, best[P] = {0};
  *out = (isotherm_fit){.saturated = 1};
  if (n < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "an isotherm needs points");
  for (int i = 0; i < n; i++) {
    cold = fmin(cold, point[i].temperature), hot = fmax(hot, point[i].temperature);
    f.largest = fmax(f.largest, point[i].loading);
  }
  f.reference = point[0].temperature;
  f.with_e = hot - cold > SPREAD;
  f.n_parameter = sites * (2 + f.with_e) - (henry > 0);
  EQS_TRY(check(&f));
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&f.weight, (size_t)n, sizeof *f.weight, "isotherm"));
  EQS_TRY_DONE(alloc_array(&f.residual, (size_t)n, sizeof *f.residual, "isotherm"));
  EQS_TRY_DONE(alloc_array(&f.slope, (size_t)n, P * sizeof *f.slope, "isotherm"));
  for (int i = 0; i < n; i++)
    f.weight[i] = 1 / fmax(point[i].sigma, fmax(RELATIVE * point[i].loading, FLOOR * f.largest));
  out->chi2 = best_start(&f, best);
  if (!isfinite(out->chi2))
    EQS_TRY_DONE(status_fail(EQS_ERR_DIVERGED, "the fit of the isotherm leads nowhere"));
  out->model = model_of(&f, best);
  out->n = n;
  out->n_parameter = f.n_parameter;
  errors(&f, best, out);
  judge(&f, out);
  order(out);
done:
  free(f.weight);
  free(f.residual);
  free(f.slope);
  return status;
}
