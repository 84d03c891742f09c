/* ewald.c -- reciprocal vectors in rows, and a table of the short-ranged part.
 *
 * erfc(a r)/r as a function of s = r^2 is interpolated by quintic Hermite pieces (value, slope,
 * curvature at the knots), narrow ones below 2 angstrom: f' = -(f + g) / 2s with
 * g = 2a/sqrt(pi) exp(-a^2 s), g' = -a^2 g. The error, h^6 f''''''/46080, stays below 2e-12.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/ewald.h"

#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>

#define PI        3.14159265358979323846
#define MAX_K     5e6
#define MAX_ALPHA 100.0

/* Two neighbouring elements of an array: what every instruction set has. */
typedef double two __attribute__((vector_size(16), aligned(8), may_alias));

static two at(const double *x) { return *(const two *)(const void *)x; }

static double direct(double alpha, double s) {
  double r = sqrt(s);
  return erfc(alpha * r) / r;
}

/* Value, slope and curvature in s. */
static void derivatives(double alpha, double s, double f[3]) {
  double g = 2 * alpha / sqrt(PI) * exp(-alpha * alpha * s);
  f[0] = direct(alpha, s);
  f[1] = -(f[0] + g) / (2 * s);
  f[2] = -(f[1] - alpha * alpha * g) / (2 * s) + (f[0] + g) / (2 * s * s);
}

/* Quintic in t = 0 .. 1 through both ends, h = width. */
static void hermite(const double a[3], const double b[3], double h, double c[6]) {
  double d1 = a[1] * h, d2 = a[2] * h * h, e1 = b[1] * h, e2 = b[2] * h * h;
  double d = b[0] - a[0] - d1 - d2 / 2, p = e1 - d1 - d2, q = e2 - d2;
  c[0] = a[0];
  c[1] = d1;
  c[2] = d2 / 2;
  c[3] = 10 * d - 4 * p + q / 2;
  c[4] = -15 * d + 7 * p - q;
  c[5] = 6 * d - 3 * p + q / 2;
}

static eqs_status build_table(ewald *e) {
  double far = e->cutoff * e->cutoff - EWALD_MIDDLE;
  e->n_piece = EWALD_N_NEAR + (far > 0 ? (int)ceil(far * EWALD_PER_FAR) : 0) + 1;
  EQS_TRY(alloc_array(&e->piece, (size_t)e->n_piece, sizeof *e->piece, "Ewald's real part"));
  for (int i = 0; i < e->n_piece; i++) {
    double h = i < EWALD_N_NEAR ? 1.0 / EWALD_PER_NEAR : 1.0 / EWALD_PER_FAR, a[3], b[3];
    double s = i < EWALD_N_NEAR ? EWALD_NEAR + i * h : EWALD_MIDDLE + (i - EWALD_N_NEAR) * h;
    derivatives(e->alpha, s, a);
    derivatives(e->alpha, s + h, b);
    hermite(a, b, h, e->piece[i]);
  }
  return EQS_OK;
}

double ewald_real_direct(const ewald *e, double r2) { return direct(e->alpha, r2); }

/* Squared length of k = 2 pi (n1 a* + n2 b* + n3 c*), columns of the inverse cell. */
static double k_square(const ewald *e, int n1, int n2, int n3) {
  double sum = 0;
  for (int c = 0; c < 3; c++) {
    double k =
        2 * PI * (n1 * e->inverse[3 * c] + n2 * e->inverse[3 * c + 1] + n3 * e->inverse[3 * c + 2]);
    sum += k * k;
  }
  return sum;
}

/* How many third indices of row (n1, n2) have 0 < |k| <= k_cut, in the half space. They are
 * consecutive: a ball cuts a line in one piece. */
static int row_range(const ewald *e, int n1, int n2, ewald_row *row) {
  int low = n1 == 0 && n2 == 0 ? 1 : -e->max[2], n = 0;
  *row = (ewald_row){.n1 = n1, .n2 = n2};
  if (n1 == 0 && n2 < 0) return 0;
  for (int n3 = low; n3 <= e->max[2]; n3++) {
    if (k_square(e, n1, n2, n3) > e->k_cut * e->k_cut) continue;
    if (!n++) row->low = n3;
  }
  row->n = n + n % 2;
  return n;
}

static void list_rows(ewald *e) {
  ewald_row row;
  e->n = e->n_row = 0;
  for (int n1 = 0; n1 <= e->max[0]; n1++)
    for (int n2 = -e->max[1]; n2 <= e->max[1]; n2++) {
      int n = row_range(e, n1, n2, &row);
      if (!n) continue;
      if (e->row) {
        row.first = e->n;
        e->row[e->n_row] = row;
        for (int i = 0; i < n; i++) {
          double k2 = k_square(e, n1, n2, row.low + i);
          e->weight[e->n + i] =
              4 * PI * EWALD_COULOMB / e->volume * exp(-k2 / (4 * e->alpha * e->alpha)) / k2;
        }
        for (int i = n; i < row.n; i++) e->weight[e->n + i] = 0;
      }
      e->n += row.n;
      e->n_row++;
    }
}

eqs_status ewald_prepare(const double cell[9], double cutoff, double tolerance, ewald *out) {
  ewald *e = out;
  *e = (ewald){.cutoff = cutoff};
  if (!(cutoff > 0 && cutoff <= 1000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "Ewald: the cutoff is %g angstrom; it must lie in 0 .. 1000",
             cutoff);
  if (!(tolerance >= 1e-15 && tolerance <= 0.1))
    EQS_FAIL(EQS_ERR_ARGUMENT, "Ewald: the tolerance is %g; it must lie in 1e-15 .. 0.1",
             tolerance);
  for (int k = 0; k < 9; k++) e->cell[k] = cell[k];
  e->volume = fabs(cell_volume(cell));
  if (!cell_inverse(cell, e->inverse)) EQS_FAIL(EQS_ERR_ARGUMENT, "Ewald: the cell is singular");
  double range = sqrt(-log(tolerance));
  e->alpha = range / cutoff;
  if (!(e->alpha <= MAX_ALPHA))
    EQS_FAIL(EQS_ERR_ARGUMENT, "Ewald: a cutoff of %g angstrom is too short", cutoff);
  e->k_cut = 2 * e->alpha * range;
  double vectors = e->volume * pow(e->k_cut, 3) / (12 * PI * PI), box = 1;
  for (int k = 0; k < 3; k++) {
    const double *a = cell + 3 * k;
    double most = e->k_cut * sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]) / (2 * PI);
    box *= 2 * most + 1;
    e->max[k] = most < 1e6 ? (int)most : 1000000;
  }
  if (!(vectors < MAX_K && box < 20 * MAX_K))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "Ewald: the cell needs more than %.0e reciprocal vectors; use a smaller or less "
             "oblique cell or a longer cutoff",
             MAX_K);
  list_rows(e);
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&e->row, (size_t)e->n_row, sizeof *e->row, "reciprocal vectors"));
  EQS_TRY_DONE(alloc_array(&e->weight, (size_t)e->n, sizeof *e->weight, "reciprocal vectors"));
  list_rows(e);
  EQS_TRY_DONE(build_table(e));
done:
  if (status != EQS_OK) ewald_free(e);
  return status;
}

void ewald_free(ewald *e) {
  free(e->row);
  free(e->weight);
  free(e->piece);
  *e = (ewald){0};
}

/* ---- phases: cosines and sines of n theta, n = 0 .. max[0], -max[1] .. max[1], -max[2] .. max[2]
 */

typedef struct axes {
  const double *c1, *s1, *c2, *s2, *c3, *s3;
} axes;

/* One more along the third: rows are even. */
static size_t axis_size(const ewald *e, int k) {
  return (size_t)(k ? 2 * e->max[k] : e->max[0]) + 1 + (k == 2);
}

size_t ewald_phase_size(const ewald *e) {
  return 2 * (axis_size(e, 0) + axis_size(e, 1) + axis_size(e, 2));
}

void ewald_phases(const ewald *e, const double x[3], double *phase) {
  for (int k = 0; k < 3; k++) {
    size_t size = axis_size(e, k);
    int zero = k ? e->max[k] : 0;
    double *c = phase + zero, *s = c + size;
    double f = x[0] * e->inverse[k] + x[1] * e->inverse[3 + k] + x[2] * e->inverse[6 + k];
    double theta = 2 * PI * (f - floor(f)), c1 = cos(theta), s1 = sin(theta);
    c[0] = 1;
    s[0] = 0;
    for (int n = 1; n <= e->max[k]; n++) {
      c[n] = c[n - 1] * c1 - s[n - 1] * s1;
      s[n] = c[n - 1] * s1 + s[n - 1] * c1;
    }
    for (int n = 1; n <= zero; n++) {
      c[-n] = c[n];
      s[-n] = -s[n];
    }
    if (k == 2) c[e->max[k] + 1] = s[e->max[k] + 1] = 0;
    phase += 2 * size;
  }
}

static axes split(const ewald *e, const double *phase) {
  size_t a = axis_size(e, 0), b = axis_size(e, 1), c = axis_size(e, 2);
  const double *second = phase + 2 * a + e->max[1], *third = phase + 2 * a + 2 * b + e->max[2];
  return (axes){phase, phase + a, second, second + b, third, third + c};
}

void ewald_add(const ewald *e, int m, const double *q, const double *phase, double *re,
               double *im) {
  for (int j = 0; j < m; j++) {
    axes a = split(e, phase + (size_t)j * ewald_phase_size(e));
    if (q[j] == 0) continue;
    for (const ewald_row *r = e->row; r < e->row + e->n_row; r++) {
      double c = q[j] * (a.c1[r->n1] * a.c2[r->n2] - a.s1[r->n1] * a.s2[r->n2]);
      double s = q[j] * (a.c1[r->n1] * a.s2[r->n2] + a.s1[r->n1] * a.c2[r->n2]);
      const double *c3 = a.c3 + r->low, *s3 = a.s3 + r->low;
      for (int i = 0; i < r->n; i += 2) {
        two *x = (two *)(void *)(re + r->first + i), *y = (two *)(void *)(im + r->first + i);
        *x += c * at(c3 + i) - s * at(s3 + i);
        *y += c * at(s3 + i) + s * at(c3 + i);
      }
    }
  }
}

/* ewald_added for a number of points that the compiler knows. */
static inline __attribute__((always_inline)) double added(const ewald *e, const int m,
                                                          const double *q, const axes *a,
                                                          const double *re, const double *im) {
  two sum = {0, 0};
  for (const ewald_row *r = e->row; r < e->row + e->n_row; r++) {
    double c[EWALD_POINTS], s[EWALD_POINTS];
    const double *c3[EWALD_POINTS], *s3[EWALD_POINTS], *w = e->weight + r->first;
    for (int j = 0; j < m; j++) {
      c[j] = q[j] * (a[j].c1[r->n1] * a[j].c2[r->n2] - a[j].s1[r->n1] * a[j].s2[r->n2]);
      s[j] = q[j] * (a[j].c1[r->n1] * a[j].s2[r->n2] + a[j].s1[r->n1] * a[j].c2[r->n2]);
      c3[j] = a[j].c3 + r->low;
      s3[j] = a[j].s3 + r->low;
    }
    for (int i = 0; i < r->n; i += 2) {
      two x = {0, 0}, y = {0, 0};
      for (int j = 0; j < m; j++) {
        x += c[j] * at(c3[j] + i) - s[j] * at(s3[j] + i);
        y += c[j] * at(s3[j] + i) + s[j] * at(c3[j] + i);
      }
      two square = x * x + y * y;
      if (re) square += 2 * (x * at(re + r->first + i) + y * at(im + r->first + i));
      sum += at(w + i) * square;
    }
  }
  return sum[0] + sum[1];
}

double ewald_added(const ewald *e, int m, const double *q, const double *phase, const double *re,
                   const double *im) {
  axes a[EWALD_POINTS];
  double charge[EWALD_POINTS];
  int n = 0;
  for (int j = 0; j < m && n < EWALD_POINTS; j++) {
    if (q[j] == 0) continue;
    charge[n] = q[j];
    a[n++] = split(e, phase + (size_t)j * ewald_phase_size(e));
  }
  switch (n) {
  case 0: return 0;
  case 1: return added(e, 1, charge, a, re, im);
  case 2: return added(e, 2, charge, a, re, im);
  case 3: return added(e, 3, charge, a, re, im);
  case 4: return added(e, 4, charge, a, re, im);
  default: return added(e, n, charge, a, re, im);
  }
}

double ewald_at(const ewald *e, const double *phase, const double *re, const double *im) {
  axes a = split(e, phase);
  double sum = 0;
  for (int k = 0; k < e->n_row; k++) {
    const ewald_row *r = e->row + k;
    double c = a.c1[r->n1] * a.c2[r->n2] - a.s1[r->n1] * a.s2[r->n2];
    double s = a.c1[r->n1] * a.s2[r->n2] + a.s1[r->n1] * a.c2[r->n2];
    const double *c3 = a.c3 + r->low, *s3 = a.s3 + r->low, *g = re + r->first, *h = im + r->first;
    /* Re (c + is) conj(g + ih) (c3 + is3), the inner sum over the row */
    two x = {0, 0}, y = {0, 0};
    for (int i = 0; i < r->n; i += 2) {
      x += at(g + i) * at(c3 + i) + at(h + i) * at(s3 + i);
      y += at(g + i) * at(s3 + i) - at(h + i) * at(c3 + i);
    }
    sum += c * (x[0] + x[1]) - s * (y[0] + y[1]);
  }
  return sum;
}

/* ---- on a grid. A term is Re conj(g + ih) e^{i(k1 + k2 + k3) x}; plane and line hold the complex
 * sums of conj(g + ih) times the phases so far. */

size_t ewald_line_size(const ewald *e) { return 2 * axis_size(e, 2); }
size_t ewald_plane_size(const ewald *e) { return axis_size(e, 1) * ewald_line_size(e); }

void ewald_fold_plane(const ewald *e, const double *re, const double *im, double f, double *plane) {
  size_t n = axis_size(e, 2);
  for (size_t i = 0; i < ewald_plane_size(e); i++) plane[i] = 0;
  for (int r = 0; r < e->n_row; r++) {
    const ewald_row *row = e->row + r;
    double theta = 2 * PI * row->n1 * f, c = cos(theta), s = sin(theta);
    double *p = plane + (size_t)(row->n2 + e->max[1]) * 2 * n + row->low + e->max[2];
    for (int i = 0; i < row->n; i++) {
      p[i] += re[row->first + i] * c + im[row->first + i] * s;
      p[n + (size_t)i] += re[row->first + i] * s - im[row->first + i] * c;
    }
  }
}

void ewald_fold_line(const ewald *e, const double *plane, double f, double *line) {
  size_t n = axis_size(e, 2);
  for (size_t i = 0; i < 2 * n; i++) line[i] = 0;
  for (int n2 = -e->max[1]; n2 <= e->max[1]; n2++, plane += 2 * n) {
    double theta = 2 * PI * n2 * f, c = cos(theta), s = sin(theta);
    for (size_t i = 0; i < n; i++) {
      line[i] += plane[i] * c - plane[n + i] * s;
      line[n + i] += plane[i] * s + plane[n + i] * c;
    }
  }
}

double ewald_on_line(const ewald *e, const double *line, double f) {
  const double *re = line + e->max[2], *im = re + axis_size(e, 2);
  double theta = 2 * PI * f, c1 = cos(theta), s1 = sin(theta), c = 1, s = 0, sum = re[0];
  for (int n = 1; n <= e->max[2]; n++) {
    double t = c * c1 - s * s1;
    s = c * s1 + s * c1;
    c = t;
    sum += (re[n] + re[-n]) * c - (im[n] - im[-n]) * s;
  }
  return sum;
}
