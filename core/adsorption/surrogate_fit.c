/* surrogate_fit.c -- ridge regression on element-pair functions, and its fast evaluation.
 *
 * With standardised columns z and weights v: (Z'VZ + lambda I sum v) c = Z'V(y - mean). The penalty
 * is the one with the smallest weighted error over five folds. What was learnt is one radial
 * function per pair of elements, kept as a table over r^2; the neighbours of a point come from the
 * list of the bin it lies in.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/surrogate_fit.h"

#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FUNCTIONS = 5, BINS_MAX = 4096, POINTS = 2048, FOLDS = 5, SAMPLES_MIN = 20 };
#define REACH    8.0  /* angstrom */
#define NEAREST  1.2  /* angstrom: closer is taken for this */
#define SCALE    3.0  /* angstrom */
#define SCREEN   0.25 /* 1/angstrom */
#define FLAT     1e-9 /* a column with less spread than this, relative, says nothing */
#define MEAN_BIN 1.0  /* angstrom, edge wished for */

typedef struct atom {
  double x[3];
  int element; /* index among the host's */
} atom;

struct surrogate_fit {
  gas molecule;
  int n_element, n_site, threads;
  int site[GAS_MAX_ATOMS]; /* index among the guest's elements */
  double cell[9], inverse[9];
  int bins[3];
  size_t *first; /* [bins + 1] of `near` */
  atom *near;    /* images within reach of a bin */
  size_t n_near, capacity;
  int n_parameter; /* 0: nothing learnt */
  double constant, low, high;
  double *radial; /* [n_element][n_site][POINTS + 1] eV over r^2 */
};

/* ---- who is near */

static int index_of(int *list, int *n, int number) {
  for (int i = 0; i < *n; i++)
    if (list[i] == number) return i;
  list[*n] = number;
  return (*n)++;
}

static eqs_status add_near(surrogate_fit *f, const atom *a) {
  if (f->n_near == f->capacity) {
    size_t capacity = f->capacity ? 2 * f->capacity : 4096;
    atom *near = realloc(f->near, mul_size(capacity, sizeof *near));
    if (!near) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the neighbours of %zu bins", capacity);
    f->near = near;
    f->capacity = capacity;
  }
  f->near[f->n_near++] = *a;
  return EQS_OK;
}

static void to_cartesian(const double cell[9], const double s[3], double x[3]) {
  for (int k = 0; k < 3; k++) x[k] = s[0] * cell[k] + s[1] * cell[3 + k] + s[2] * cell[6 + k];
}

static void to_fraction(const surrogate_fit *f, const double x[3], double s[3]) {
  for (int k = 0; k < 3; k++) {
    s[k] = x[0] * f->inverse[k] + x[1] * f->inverse[3 + k] + x[2] * f->inverse[6 + k];
    s[k] -= floor(s[k]);
  }
}

/* All images of atom a (fractional s) within reach of the point c (fractional). */
static eqs_status add_images(surrogate_fit *f, const double s[3], int element, const double c[3],
                             double reach, const int m[3]) {
  double middle[3], d[3];
  to_cartesian(f->cell, c, middle);
  for (int k = 0; k < 3; k++) d[k] = s[k] - rint(s[k] - c[k]);
  for (int p = -m[0]; p <= m[0]; p++)
    for (int q = -m[1]; q <= m[1]; q++)
      for (int r = -m[2]; r <= m[2]; r++) {
        const double image[3] = {d[0] + p, d[1] + q, d[2] + r};
        atom a = {.element = element};
        to_cartesian(f->cell, image, a.x);
        double r2 = 0;
        for (int k = 0; k < 3; k++) r2 += (a.x[k] - middle[k]) * (a.x[k] - middle[k]);
        if (r2 < reach * reach) EQS_TRY(add_near(f, &a));
      }
  return EQS_OK;
}

/* Bins over the cell; half of a bin's longest diagonal is added to the reach. */
static eqs_status fill_bins(surrogate_fit *f, int n, const int *element,
                            const double (*position)[3]) {
  double width[3], half = 0;
  int m[3], total = 1;
  cell_widths(f->cell, width);
  for (double edge = MEAN_BIN; edge == MEAN_BIN || total > BINS_MAX; edge *= 1.1) {
    total = 1;
    for (int k = 0; k < 3; k++) {
      f->bins[k] = width[k] / edge < BINS_MAX ? (int)ceil(width[k] / edge) : BINS_MAX;
      total = total > BINS_MAX ? total : total * f->bins[k];
    }
  }
  for (int corner = 0; corner < 4; corner++) { /* the diagonals of one bin */
    const double s[3] = {1.0 / f->bins[0], (corner & 1 ? 1.0 : -1.0) / f->bins[1],
                         (corner & 2 ? 1.0 : -1.0) / f->bins[2]};
    double x[3];
    to_cartesian(f->cell, s, x);
    half = fmax(half, 0.5 * sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]));
  }
  for (int k = 0; k < 3; k++) m[k] = (int)floor((REACH + half) / width[k] + 0.5) + 1;
  EQS_TRY(alloc_array(&f->first, (size_t)total + 1, sizeof *f->first, "bins"));
  for (int b = 0; b < total; b++) {
    const double c[3] = {(b % f->bins[0] + 0.5) / f->bins[0],
                         (b / f->bins[0] % f->bins[1] + 0.5) / f->bins[1],
                         (b / f->bins[0] / f->bins[1] + 0.5) / f->bins[2]};
    for (int i = 0; i < n; i++) {
      double s[3];
      to_fraction(f, position[i], s);
      EQS_TRY(add_images(f, s, element[i], c, REACH + half, m));
    }
    f->first[b + 1] = f->n_near;
  }
  return EQS_OK;
}

eqs_status surrogate_fit_open(int n, const int *number, const double (*position)[3],
                              const double cell[9], const gas *g, int threads,
                              surrogate_fit **out) {
  *out = NULL;
  surrogate_fit *f = NULL;
  int host[119] = {0}, guest[GAS_MAX_ATOMS] = {0}, *element = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(&f, 1, sizeof *f, "a fit"));
  EQS_TRY_DONE(alloc_array(&element, (size_t)n, sizeof *element, "elements"));
  f->molecule = *g;
  f->threads = threads > 0 ? threads : 1;
  memcpy(f->cell, cell, sizeof f->cell);
  if (!cell_inverse(cell, f->inverse))
    EQS_TRY_DONE(status_fail(EQS_ERR_ARGUMENT, "the framework's cell is singular"));
  for (int i = 0; i < n; i++) {
    if (number[i] < 1 || number[i] > 118)
      EQS_TRY_DONE(status_fail(EQS_ERR_ARGUMENT, "atom %d: no element %d", i + 1, number[i]));
    element[i] = index_of(host, &f->n_element, number[i]);
  }
  for (int j = 0; j < g->n; j++) f->site[j] = index_of(guest, &f->n_site, g->number[j]);
  if (FUNCTIONS * f->n_element * f->n_site > SURROGATE_FIT_MAX)
    EQS_TRY_DONE(status_fail(EQS_ERR_UNSUPPORTED, "%d elements in the framework: too many to fit",
                             f->n_element));
  size_t n_radial = (size_t)f->n_element * (size_t)f->n_site * (POINTS + 1);
  EQS_TRY_DONE(alloc_array(&f->radial, n_radial, sizeof *f->radial, "radial functions"));
  EQS_TRY_DONE(fill_bins(f, n, element, position));
done:
  free(element);
  if (status == EQS_OK) *out = f;
  else surrogate_fit_free(&f);
  return status;
}

void surrogate_fit_free(surrogate_fit **f) {
  if (!f || !*f) return;
  free((*f)->first);
  free((*f)->near);
  free((*f)->radial);
  free(*f);
  *f = NULL;
}

int surrogate_fit_parameters(const surrogate_fit *f) { return f->n_parameter; }

/* ---- pairs */

/* The atoms near a point, which is moved into the cell. */
static const atom *near_point(const surrogate_fit *f, double x[3], size_t *n) {
  double s[3];
  int b[3];
  to_fraction(f, x, s);
  for (int k = 0; k < 3; k++) {
    b[k] = (int)(s[k] * f->bins[k]);
    if (b[k] >= f->bins[k]) b[k] = f->bins[k] - 1; /* s rounded up to 1 */
  }
  to_cartesian(f->cell, s, x);
  size_t bin =
      (size_t)b[0] + (size_t)f->bins[0] * ((size_t)b[1] + (size_t)f->bins[1] * (size_t)b[2]);
  *n = f->first[bin + 1] - f->first[bin];
  return f->near + f->first[bin];
}

static double square_distance(const double a[3], const double b[3]) {
  double d0 = a[0] - b[0], d1 = a[1] - b[1], d2 = a[2] - b[2];
  return d0 * d0 + d1 * d1 + d2 * d2;
}

static void raw_functions(double r, double phi[FUNCTIONS]) {
  double x = SCALE / r, x3 = x * x * x, x4 = x3 * x, x6 = x3 * x3;
  phi[0] = x6 * x6;
  phi[1] = x6 * x3;
  phi[2] = x6;
  phi[3] = x4;
  phi[4] = x * erfc(SCREEN * r);
}

static void functions(double r, double phi[FUNCTIONS]) {
  double end[FUNCTIONS];
  raw_functions(r > NEAREST ? r : NEAREST, phi);
  raw_functions(REACH, end);
  for (int k = 0; k < FUNCTIONS; k++) phi[k] -= end[k];
}

/* row[p]: one column per (element, site, function). */
static void features(const surrogate_fit *f, const pose *p, double *row) {
  double x[GAS_MAX_ATOMS][3], phi[FUNCTIONS];
  pose_place(p, &f->molecule, x);
  memset(row, 0, (size_t)(FUNCTIONS * f->n_element * f->n_site) * sizeof *row);
  for (int j = 0; j < f->molecule.n; j++) {
    size_t n;
    const atom *a = near_point(f, x[j], &n);
    for (size_t i = 0; i < n; i++) {
      double r2 = square_distance(a[i].x, x[j]);
      if (!(r2 < REACH * REACH)) continue;
      functions(sqrt(r2), phi);
      double *column = row + FUNCTIONS * (a[i].element * f->n_site + f->site[j]);
      for (int k = 0; k < FUNCTIONS; k++) column[k] += phi[k];
    }
  }
}

static double apply_one(const surrogate_fit *f, const pose *p) {
  const double low2 = NEAREST * NEAREST, step = (REACH * REACH - low2) / POINTS;
  double x[GAS_MAX_ATOMS][3], du = f->constant;
  pose_place(p, &f->molecule, x);
  for (int j = 0; j < f->molecule.n; j++) {
    size_t n;
    const atom *a = near_point(f, x[j], &n);
    for (size_t i = 0; i < n; i++) {
      double r2 = square_distance(a[i].x, x[j]);
      if (!(r2 < REACH * REACH)) continue;
      const double *table =
          f->radial + (size_t)(a[i].element * f->n_site + f->site[j]) * (POINTS + 1);
      double t = r2 > low2 ? (r2 - low2) / step : 0;
      int k = t < POINTS ? (int)t : POINTS - 1;
      du += table[k] + (t - k) * (table[k + 1] - table[k]);
    }
  }
  return fmin(fmax(du, f->low), f->high);
}

void surrogate_fit_apply(const surrogate_fit *f, int n, const pose *poses, double *du) {
  if (!f->n_parameter) {
    for (int i = 0; i < n; i++) du[i] = 0;
    return;
  }
#pragma omp parallel for num_threads(f->threads) schedule(dynamic, 64)
  for (int i = 0; i < n; i++) du[i] = apply_one(f, &poses[i]);
}

/* ---- regression */

typedef struct problem {
  int n, p;
  double *z;             /* [n][p] standardised */
  double *y;             /* [n] less the mean */
  const double *weight;  /* [n] */
  double *mean, *spread; /* [p]; spread 0: a column that says nothing */
  double y_mean, total;  /* total weight */
  double *gram, *right;  /* [FOLDS][p][p], [FOLDS][p]: of each fold alone */
  double *matrix, *c;    /* [p][p], [p] */
} problem;

static eqs_status problem_open(problem *q) {
  size_t n = (size_t)q->n, p = (size_t)q->p;
  EQS_TRY(alloc_array(&q->z, mul_size(n, p), sizeof *q->z, "a regression"));
  EQS_TRY(alloc_array(&q->y, n, sizeof *q->y, "a regression"));
  EQS_TRY(alloc_array(&q->mean, p, sizeof *q->mean, "a regression"));
  EQS_TRY(alloc_array(&q->spread, p, sizeof *q->spread, "a regression"));
  EQS_TRY(alloc_array(&q->gram, FOLDS * p * p, sizeof *q->gram, "a regression"));
  EQS_TRY(alloc_array(&q->right, FOLDS * p, sizeof *q->right, "a regression"));
  EQS_TRY(alloc_array(&q->matrix, p * p, sizeof *q->matrix, "a regression"));
  return alloc_array(&q->c, p, sizeof *q->c, "a regression");
}

static void problem_close(problem *q) {
  free(q->z);
  free(q->y);
  free(q->mean);
  free(q->spread);
  free(q->gram);
  free(q->right);
  free(q->matrix);
  free(q->c);
}

static void standardise(problem *q) {
  size_t p = (size_t)q->p;
  for (int i = 0; i < q->n; i++) {
    q->total += q->weight[i];
    q->y_mean += q->weight[i] * q->y[i];
    for (size_t j = 0; j < p; j++) q->mean[j] += q->weight[i] * q->z[(size_t)i * p + j];
  }
  q->y_mean /= q->total;
  for (size_t j = 0; j < p; j++) q->mean[j] /= q->total;
  for (int i = 0; i < q->n; i++) {
    q->y[i] -= q->y_mean;
    for (size_t j = 0; j < p; j++) {
      double d = q->z[(size_t)i * p + j] - q->mean[j];
      q->spread[j] += q->weight[i] * d * d / q->total;
    }
  }
  for (size_t j = 0; j < p; j++) {
    q->spread[j] = sqrt(q->spread[j]);
    if (!(q->spread[j] > FLAT * (fabs(q->mean[j]) + FLAT))) q->spread[j] = 0;
    for (size_t i = 0; i < (size_t)q->n; i++) {
      double *z = &q->z[i * p + j];
      *z = q->spread[j] > 0 ? (*z - q->mean[j]) / q->spread[j] : 0;
    }
  }
}

static void sum_folds(problem *q) {
  size_t p = (size_t)q->p;
  for (int i = 0; i < q->n; i++) {
    const double *z = q->z + (size_t)i * p;
    double *gram = q->gram + (size_t)(i % FOLDS) * p * p;
    double *right = q->right + (size_t)(i % FOLDS) * p;
    for (size_t a = 0; a < p; a++) {
      double v = q->weight[i] * z[a];
      right[a] += v * q->y[i];
      for (size_t b = 0; b <= a; b++) gram[a * p + b] += v * z[b];
    }
  }
}

/* Cholesky factor of the lower triangle, in place; the diagonal has lambda on it. */
static void solve(double *m, size_t p, double *x) {
  for (size_t i = 0; i < p; i++)
    for (size_t j = 0; j <= i; j++) {
      double s = m[i * p + j];
      for (size_t k = 0; k < j; k++) s -= m[i * p + k] * m[j * p + k];
      m[i * p + j] = i == j ? sqrt(fmax(s, 1e-300)) : s / m[j * p + j];
    }
  for (size_t i = 0; i < p; i++) {
    for (size_t k = 0; k < i; k++) x[i] -= m[i * p + k] * x[k];
    x[i] /= m[i * p + i];
  }
  for (size_t i = p; i-- > 0;) {
    for (size_t k = i + 1; k < p; k++) x[i] -= m[k * p + i] * x[k];
    x[i] /= m[i * p + i];
  }
}

/* Coefficients without fold `without` (-1: with all) in q->c. */
static void regress(problem *q, int without, double lambda) {
  size_t p = (size_t)q->p;
  memset(q->matrix, 0, p * p * sizeof *q->matrix);
  memset(q->c, 0, p * sizeof *q->c);
  for (int fold = 0; fold < FOLDS; fold++) {
    if (fold == without) continue;
    for (size_t k = 0; k < p * p; k++) q->matrix[k] += q->gram[(size_t)fold * p * p + k];
    for (size_t k = 0; k < p; k++) q->c[k] += q->right[(size_t)fold * p + k];
  }
  for (size_t k = 0; k < p; k++) q->matrix[k * p + k] += lambda * q->total;
  solve(q->matrix, p, q->c);
}

static double fold_error(const problem *q, int fold) {
  double sum = 0;
  for (int i = fold; i < q->n; i += FOLDS) {
    double e = q->y[i];
    for (size_t k = 0; k < (size_t)q->p; k++) e -= q->c[k] * q->z[(size_t)i * (size_t)q->p + k];
    sum += q->weight[i] * e * e;
  }
  return sum;
}

static double best_penalty(problem *q) {
  double best = INFINITY, best_lambda = 1;
  for (double lambda = 1; lambda > 1e-9; lambda /= 10) {
    double error = 0;
    for (int fold = 0; fold < FOLDS; fold++) {
      regress(q, fold, lambda);
      error += fold_error(q, fold);
    }
    if (error < best) {
      best = error;
      best_lambda = lambda;
    }
  }
  return best_lambda;
}

static void keep(surrogate_fit *f, const problem *q) {
  const double low2 = NEAREST * NEAREST, step = (REACH * REACH - low2) / POINTS;
  f->constant = q->y_mean;
  f->n_parameter = 1;
  memset(f->radial, 0, (size_t)(f->n_element * f->n_site) * (POINTS + 1) * sizeof *f->radial);
  for (int j = 0; j < q->p; j++) {
    if (!(q->spread[j] > 0)) continue;
    double c = q->c[j] / q->spread[j];
    f->constant -= c * q->mean[j];
    f->n_parameter++;
    for (int t = 0; t <= POINTS; t++) {
      double phi[FUNCTIONS];
      functions(sqrt(low2 + t * step), phi);
      f->radial[(size_t)(j / FUNCTIONS) * (POINTS + 1) + (size_t)t] += c * phi[j % FUNCTIONS];
    }
  }
}

eqs_status surrogate_fit_learn(surrogate_fit *f, int n, const pose *poses, const double *target,
                               const double *weight) {
  f->n_parameter = 0;
  f->low = INFINITY;
  f->high = -INFINITY;
  int used = 0;
  for (int i = 0; i < n; i++) {
    if (!isfinite(target[i]) || !(weight[i] >= 0 && weight[i] < INFINITY))
      EQS_FAIL(EQS_ERR_ARGUMENT, "sample %d of a fit is not finite", i + 1);
    if (!(weight[i] > 0)) continue;
    used++;
    f->low = fmin(f->low, target[i]);
    f->high = fmax(f->high, target[i]);
  }
  if (used < SAMPLES_MIN) return EQS_OK;
  problem q = {.n = n, .p = FUNCTIONS * f->n_element * f->n_site, .weight = weight};
  eqs_status status = problem_open(&q);
  if (status == EQS_OK) {
    memcpy(q.y, target, (size_t)n * sizeof *q.y);
    for (int i = 0; i < n; i++) features(f, &poses[i], q.z + (size_t)i * (size_t)q.p);
    standardise(&q);
    sum_folds(&q);
    regress(&q, -1, best_penalty(&q));
    keep(f, &q);
  }
  problem_close(&q);
  return status;
}
