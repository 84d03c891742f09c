/* atom_grid.c -- panels of Chebyshev points in ln r. The matrices follow from f = sum c_k T_k.
 * SPDX-License-Identifier: MIT */
#include "potentials/atom_grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

#define PI 3.14159265358979323846
enum { P = ATOM_ORDER, PANELS = 4096 };

static double chebyshev(int k, double x) { return cos(k * acos(fmax(-1, fmin(1, x)))); }

/* Coefficients of the polynomial that is 1 at point j and 0 at the others. */
static void cardinal(int j, double c[P]) {
  double end = j == 0 || j == P - 1 ? 2 : 1;
  for (int k = 0; k < P; k++) {
    double edge = k == 0 || k == P - 1 ? 2 : 1;
    c[k] = 2 / (end * edge * (P - 1)) * cos(k * (P - 1 - j) * PI / (P - 1));
  }
}

/* The integral of T_k from -1 to x. */
static double integral(int k, double x) {
  if (k == 0) return x + 1;
  if (k == 1) return (x * x - 1) / 2;
  double sign = k % 2 ? -1 : 1; /* T_k(-1) */
  double f = (chebyshev(k + 1, x) + sign) / (k + 1) - (chebyshev(k - 1, x) + sign) / (k - 1);
  return f / 2;
}

static void make_matrices(atom_grid *g, const double x[P]) {
  for (int j = 0; j < P; j++) {
    double c[P], total = 0;
    cardinal(j, c);
    for (int k = 0; k < P; k++) total += c[k] * integral(k, 1);
    for (int i = 0; i < P; i++) {
      double sum = 0;
      for (int k = 0; k < P; k++) sum += c[k] * integral(k, x[i]);
      g->from_left[i][j] = sum;
      g->from_right[i][j] = sum - total;
    }
  }
  /* Barycentric weights of the points are 1 (1/2 at the ends) with alternating signs; the diagonal
   * makes the derivative of a constant vanish. */
  for (int i = 0; i < P; i++) {
    g->slope[i][i] = 0;
    for (int j = 0; j < P; j++) {
      if (i == j) continue;
      double w = (j == 0 || j == P - 1 ? 0.5 : 1) / (i == 0 || i == P - 1 ? 0.5 : 1);
      g->slope[i][j] = ((i + j) % 2 ? -w : w) / (x[i] - x[j]);
      g->slope[i][i] -= g->slope[i][j];
    }
  }
}

/* Edges of the panels: wide in ln r close to the nucleus, where all is a power of r, and about a
 * bohr far out, where orbitals fall off exponentially. */
static int make_edges(double z, double finer, double edge[PANELS + 1]) {
  double first = 1e-9 / z, last = 60;
  int n = 0;
  edge[0] = log(first);
  while (edge[n] < log(last) && n < PANELS) {
    double r = exp(edge[n]), step = r * z < 1e-3 ? 1.2 : 0.35;
    double wide = (0.7 + 0.08 * r) / r;
    if (wide < step) step = wide;
    n++;
    edge[n] = edge[n - 1] + step / finer;
  }
  double scale = (log(last) - edge[0]) / (edge[n] - edge[0]);
  for (int i = 1; i <= n; i++) edge[i] = edge[0] + (edge[i] - edge[0]) * scale;
  return n;
}

eqs_status atom_grid_make(double z, double finer, atom_grid *out) {
  double *edge, x[P];
  memset(out, 0, sizeof *out);
  EQS_TRY(alloc_array(&edge, PANELS + 1, sizeof *edge, "a radial grid"));
  out->panels = make_edges(z, finer, edge);
  out->n = out->panels * P;
  eqs_status status = alloc_array(&out->r, (size_t)out->n, sizeof *out->r, "a radial grid");
  if (status == EQS_OK)
    status = alloc_array(&out->half, (size_t)out->panels, sizeof *out->half, "a radial grid");
  for (int j = 0; j < P; j++) x[j] = sin(PI * (2 * j - P + 1) / (2 * P - 2));
  for (int i = 0; i < out->panels && status == EQS_OK; i++) {
    double middle = (edge[i] + edge[i + 1]) / 2;
    out->half[i] = (edge[i + 1] - edge[i]) / 2;
    for (int j = 0; j < P; j++) out->r[i * P + j] = exp(middle + out->half[i] * x[j]);
    if (i) out->r[i * P] = out->r[i * P - 1];
  }
  make_matrices(out, x);
  free(edge);
  if (status != EQS_OK) atom_grid_free(out);
  return status;
}

void atom_grid_free(atom_grid *g) {
  free(g->r);
  free(g->half);
  memset(g, 0, sizeof *g);
}

static double row_sum(const double row[P], const double *f) {
  double sum = 0;
  for (int j = 0; j < P; j++) sum += row[j] * f[j];
  return sum;
}

double atom_grid_integral(const atom_grid *g, const double *f) {
  double sum = 0;
  for (int i = 0; i < g->panels; i++) sum += g->half[i] * row_sum(g->from_left[P - 1], f + i * P);
  return sum;
}

void atom_grid_outward(const atom_grid *g, const double *f, double *out) {
  double sum = 0;
  for (int i = 0; i < g->panels; i++) {
    for (int j = 0; j < P; j++)
      out[i * P + j] = sum + g->half[i] * row_sum(g->from_left[j], f + i * P);
    sum = out[i * P + P - 1];
  }
}

void atom_grid_inward(const atom_grid *g, const double *f, double *out) {
  double sum = 0;
  for (int i = g->panels; i-- > 0;) {
    for (int j = 0; j < P; j++)
      out[i * P + j] = sum - g->half[i] * row_sum(g->from_right[j], f + i * P);
    sum = out[i * P];
  }
}

void atom_grid_slope(const atom_grid *g, const double *f, double *out) {
  for (int i = 0; i < g->panels; i++)
    for (int j = 0; j < P; j++) out[i * P + j] = row_sum(g->slope[j], f + i * P) / g->half[i];
}
