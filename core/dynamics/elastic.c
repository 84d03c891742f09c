/* elastic.c -- strained states, parabolas through their stress, averages over directions.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/elastic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/relax.h"
#include "core/neighbors.h"

enum { POINTS_MOST = 40 };

static const int voigt[6] = {0, 4, 8, 5, 2, 1}; /* places in a 3 x 3 matrix */
static const int row_of[6] = {0, 1, 2, 1, 0, 0}, column_of[6] = {0, 1, 2, 2, 2, 1};

/* ---- strained states */

typedef struct run {
  const elastic_settings *s;
  int n, done, total;
  const double (*x0)[3];
  const double *cell0;
  double (*x)[3], (*force)[3];
  int64_t evaluations;
} run;

static int tell(void *user, int64_t step, double energy, double force, double stress) {
  run *r = user;
  (void)step, (void)energy, (void)force, (void)stress;
  r->evaluations++;
  return r->s->watch ? r->s->watch(r->s->user, r->done, r->total) : 0;
}

/* Stress with component `which` of the strain at e, atoms relaxed. */
static eqs_status strained(run *r, int which, double e, double out[6]) {
  const elastic_settings *s = r->s;
  double deform[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, cell[9], stress[9];
  relax_outcome o;
  int a = row_of[which], b = column_of[which];
  deform[a][b] += which < 3 ? e : e / 2;
  if (a != b) deform[b][a] += e / 2;
  for (int i = 0; i < r->n + 3; i++) {
    const double *from = i < r->n ? r->x0[i] : r->cell0 + 3 * (size_t)(i - r->n);
    double *to = i < r->n ? r->x[i] : cell + 3 * (size_t)(i - r->n);
    for (int k = 0; k < 3; k++)
      to[k] = from[0] * deform[0][k] + from[1] * deform[1][k] + from[2] * deform[2][k];
  }
  const relax_settings how = {.method = RELAX_LBFGS,
                              .cell = RELAX_FIXED,
                              .force = s->force,
                              .stress = 1,
                              .steps = s->steps,
                              .context = s->context,
                              .evaluate = s->evaluate,
                              .watch = tell,
                              .user = r};
  eqs_status status = relax_run(&how, r->n, r->x, cell, r->force, stress, &o);
  if (status == EQS_OK && !o.done)
    status = status_fail(EQS_ERR_DIVERGED,
                         "the atoms are not relaxed after %lld steps (largest force %.3g "
                         "eV/angstrom): more steps, or a wider criterion",
                         (long long)o.steps, o.force);
  if (status != EQS_OK) return status_prefix(status, "strain %g of component %d", e, which + 1);
  for (int k = 0; k < 6; k++) out[k] = stress[voigt[k]];
  r->done++;
  return EQS_OK;
}

/* Slope at 0 of the parabola through points that lie as -e, e: it needs the odd part alone. */
static void fit(int n, const double *e, const double *y, double *slope, double *sigma) {
  double ee = 0, ey = 0, s2 = 0, s4 = 0, y0 = 0, y2 = 0, rest = 0;
  for (int i = 0; i < n; i++) {
    double q = e[i] * e[i];
    ee += q, ey += e[i] * y[i];
    s2 += q, s4 += q * q, y0 += y[i], y2 += q * y[i];
  }
  double bend = (n * y2 - s2 * y0) / (n * s4 - s2 * s2), level = (y0 - bend * s2) / n;
  *slope = ey / ee;
  for (int i = 0; i < n; i++) {
    double off = y[i] - level - *slope * e[i] - bend * e[i] * e[i];
    rest += off * off;
  }
  *sigma = sqrt(rest / (n - 3) / ee);
}

static eqs_status one_component(run *r, int which, const double at_rest[6], elastic_matrix *out) {
  double e[POINTS_MOST + 1], y[6][POINTS_MOST + 1], stress[6] = {0};
  int half = r->s->points / 2, n = 0;
  for (int k = -half; k <= half; k++, n++) {
    e[n] = r->s->strain * k / half;
    if (k == 0) memcpy(stress, at_rest, sizeof stress);
    else EQS_TRY(strained(r, which, e[n], stress));
    for (int i = 0; i < 6; i++) y[i][n] = stress[i];
  }
  for (int i = 0; i < 6; i++) fit(n, e, y[i], &out->c[i][which], &out->sigma[i][which]);
  return EQS_OK;
}

eqs_status elastic_measure(const elastic_settings *s, int n, const double (*x)[3],
                           const double cell[9], elastic_matrix *out, int64_t *evaluations) {
  run r = {.s = s, .n = n, .total = 6 * s->points + 1, .x0 = x, .cell0 = cell};
  double at_rest[6];
  eqs_status status = EQS_OK;
  if (!(s->strain > 0 && s->strain <= 0.1) || s->points < 4 || s->points % 2 ||
      s->points > POINTS_MOST || !(s->force > 0) || s->steps < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "a strain is above 0 and at most 0.1; an even number of points from 4 to %d",
             POINTS_MOST);
  if (n < 1 || !(fabs(cell_volume(cell)) > 0)) EQS_FAIL(EQS_ERR_ARGUMENT, "no atoms or no volume");
  EQS_TRY_DONE(alloc_array(&r.x, (size_t)n, sizeof *r.x, "positions"));
  EQS_TRY_DONE(alloc_array(&r.force, (size_t)n, sizeof *r.force, "forces"));
  EQS_TRY_DONE(strained(&r, 0, 0, at_rest));
  for (int which = 0; which < 6; which++) EQS_TRY_DONE(one_component(&r, which, at_rest, out));
done:
  *evaluations = r.evaluations;
  free(r.x);
  free(r.force);
  return status;
}

/* ---- symmetry */

/* stress' = B stress in Voigt's order, for stress' = R stress R^T. */
static void bond_matrix(const double r[9], double out[6][6]) {
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++) {
      int a = row_of[i], b = column_of[i], c = row_of[j], d = column_of[j];
      out[i][j] = r[3 * a + c] * r[3 * b + d];
      if (c != d) out[i][j] += r[3 * a + d] * r[3 * b + c];
    }
}

static void add_rotated(const double c[6][6], const double b[6][6], double share,
                        double out[6][6]) {
  double half[6][6];
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++) {
      half[i][j] = 0;
      for (int k = 0; k < 6; k++) half[i][j] += b[i][k] * c[k][j];
    }
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++)
      for (int k = 0; k < 6; k++) out[i][j] += share * half[i][k] * b[j][k];
}

static void project(const double c[6][6], int n, const double (*rotation)[9], double out[6][6]) {
  double even[6][6], b[6][6];
  memset(out, 0, 36 * sizeof(double));
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++) even[i][j] = (c[i][j] + c[j][i]) / 2;
  for (int k = 0; k < n; k++) {
    bond_matrix(rotation[k], b);
    add_rotated((const double(*)[6])even, (const double(*)[6])b, 1.0 / n, out);
  }
}

void elastic_symmetrise(const elastic_matrix *measured, int n, const double (*rotation)[9],
                        elastic_matrix *out) {
  double unit[6][6], image[6][6], square[6][6] = {{0}};
  project((const double(*)[6])measured->c, n, rotation, out->c);
  for (int i = 0; i < 36; i++) { /* the map is linear: each error on its own */
    memset(unit, 0, sizeof unit);
    unit[i / 6][i % 6] = measured->sigma[i / 6][i % 6];
    project((const double(*)[6])unit, n, rotation, image);
    for (int k = 0; k < 36; k++) square[k / 6][k % 6] += image[k / 6][k % 6] * image[k / 6][k % 6];
  }
  for (int k = 0; k < 36; k++) out->sigma[k / 6][k % 6] = sqrt(square[k / 6][k % 6]);
}

/* ---- averages */

/* Gauss and Jordan with pivots; 0 if there is no inverse. */
static int invert(const double c[6][6], double out[6][6]) {
  double a[6][12] = {{0}};
  for (int i = 0; i < 6; i++) {
    memcpy(a[i], c[i], sizeof c[i]);
    a[i][6 + i] = 1;
  }
  for (int k = 0; k < 6; k++) {
    int best = k;
    for (int i = k + 1; i < 6; i++)
      if (fabs(a[i][k]) > fabs(a[best][k])) best = i;
    if (!(fabs(a[best][k]) > 1e-12)) return 0;
    for (int j = 0; j < 12; j++) {
      double swap = a[k][j];
      a[k][j] = a[best][j], a[best][j] = swap;
    }
    for (int i = 0; i < 6; i++) {
      double f = a[i][k] / a[k][k];
      for (int j = 0; j < 12 && i != k; j++) a[i][j] -= f * a[k][j];
    }
  }
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++) out[i][j] = a[i][6 + j] / a[i][i];
  return 1;
}

void elastic_average(const double c[6][6], elastic_moduli *out) {
  double s[6][6];
  double straight = c[0][0] + c[1][1] + c[2][2], across = c[0][1] + c[0][2] + c[1][2];
  out->bulk[0] = (straight + 2 * across) / 9;
  out->shear[0] = (straight - across + 3 * (c[3][3] + c[4][4] + c[5][5])) / 15;
  int regular = invert(c, s);
  straight = regular ? s[0][0] + s[1][1] + s[2][2] : NAN;
  across = regular ? s[0][1] + s[0][2] + s[1][2] : NAN;
  out->bulk[1] = 1 / (straight + 2 * across);
  out->shear[1] =
      15 / (4 * (straight - across) + 3 * (regular ? s[3][3] + s[4][4] + s[5][5] : NAN));
  out->bulk[2] = (out->bulk[0] + out->bulk[1]) / 2;
  out->shear[2] = (out->shear[0] + out->shear[1]) / 2;
  double k = out->bulk[2], g = out->shear[2];
  out->young = 9 * k * g / (3 * k + g);
  out->poisson = (3 * k - 2 * g) / (2 * (3 * k + g));
}

void elastic_average_errors(const elastic_matrix *m, elastic_moduli *out) {
  enum { FIGURES = sizeof(elastic_moduli) / sizeof(double) };
  double sum[FIGURES] = {0};
  for (int i = 0; i < 6; i++)
    for (int j = i; j < 6; j++) {
      double value[2][FIGURES], c[6][6];
      for (int side = 0; side < 2; side++) {
        elastic_moduli moved;
        memcpy(c, m->c, sizeof c);
        c[i][j] += side ? -m->sigma[i][j] : m->sigma[i][j];
        c[j][i] = c[i][j];
        elastic_average((const double(*)[6])c, &moved);
        memcpy(value[side], &moved, sizeof moved);
      }
      for (int k = 0; k < FIGURES; k++) {
        double d = (value[0][k] - value[1][k]) / 2;
        sum[k] += d * d;
      }
    }
  for (int k = 0; k < FIGURES; k++) sum[k] = sqrt(sum[k]);
  memcpy(out, sum, sizeof *out);
}

/* Jacobi rotations of the matrix in Mandel's components, where shears weigh sqrt 2. */
double elastic_stability(const double c[6][6]) {
  double a[6][6], least = INFINITY;
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++)
      a[i][j] = (c[i][j] + c[j][i]) / 2 * (i < 3 ? 1 : sqrt(2)) * (j < 3 ? 1 : sqrt(2));
  for (int sweep = 0; sweep < 60; sweep++)
    for (int p = 0; p < 5; p++)
      for (int q = p + 1; q < 6; q++) {
        if (a[p][q] == 0) continue;
        double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
        double co = 1 / sqrt(t * t + 1), si = t * co;
        for (int k = 0; k < 6; k++) {
          double x = a[k][p], y = a[k][q];
          a[k][p] = co * x - si * y, a[k][q] = si * x + co * y;
        }
        for (int k = 0; k < 6; k++) {
          double x = a[p][k], y = a[q][k];
          a[p][k] = co * x - si * y, a[q][k] = si * x + co * y;
        }
        a[p][q] = a[q][p] = 0;
      }
  for (int k = 0; k < 6; k++) least = fmin(least, a[k][k]);
  return least;
}
