/* atom_orbital.c -- shooting over the panels of atom_grid. SPDX-License-Identifier: MIT */
#include "potentials/atom_orbital.h"

#include <math.h>
#include <string.h>

#include "core/status.h"

enum { P = ATOM_ORDER, ROUNDS = 300 };

typedef struct shot {
  const atom_well *w;
  int l;
  double energy;
  double *g, *f; /* [n] */
  int match;     /* panel whose left edge is the matching point */
  int last;      /* panel that the inward solution starts in */
} shot;

static double mass(const atom_well *w, double energy, double v) {
  return w->c > 0 ? 1 + (energy - v) / (2 * w->c * w->c) : 1;
}

/* Solves a x = y in place by elimination with pivots. */
static void solve(double a[P][P], double y[P]) {
  for (int k = 0; k < P; k++) {
    int best = k;
    for (int i = k + 1; i < P; i++)
      if (fabs(a[i][k]) > fabs(a[best][k])) best = i;
    if (best != k) {
      double row[P], t = y[k];
      memcpy(row, a[k], sizeof row);
      memcpy(a[k], a[best], sizeof row);
      memcpy(a[best], row, sizeof row);
      y[k] = y[best];
      y[best] = t;
    }
    double inverse = 1 / a[k][k];
    for (int i = k + 1; i < P; i++) {
      double factor = a[i][k] * inverse;
      for (int j = k + 1; j < P; j++) a[i][j] -= factor * a[k][j];
      y[i] -= factor * y[k];
    }
  }
  for (int k = P; k-- > 0;) {
    for (int j = k + 1; j < P; j++) y[k] -= a[k][j] * y[j];
    y[k] /= a[k][k];
  }
}

/* One panel from its start (left, or right if `inward`), where g and f are g0 and f0. */
static void step(const shot *s, int panel, int inward, double g0, double f0) {
  const atom_grid *grid = s->w->grid;
  const double(*integral)[P] = inward ? grid->from_right : grid->from_left;
  double half = grid->half[panel], b[P], c[P], sb[P][P], a[P][P], y[P];
  const double *r = grid->r + panel * P, *v = s->w->v + panel * P;
  for (int j = 0; j < P; j++) {
    double m = mass(s->w, s->energy, v[j]);
    b[j] = 2 * m / r[j] * half;
    c[j] = r[j] * (s->l * (s->l + 1) / (2 * m) + r[j] * r[j] * (v[j] - s->energy)) * half;
  }
  for (int i = 0; i < P; i++) {
    y[i] = g0;
    for (int j = 0; j < P; j++) {
      sb[i][j] = integral[i][j] * b[j];
      y[i] += sb[i][j] * f0;
    }
  }
  for (int i = 0; i < P; i++) {
    for (int j = 0; j < P; j++) a[i][j] = 0;
    for (int k = 0; k < P; k++)
      for (int j = 0; j < P; j++) a[i][j] += sb[i][k] * integral[k][j];
    for (int j = 0; j < P; j++) a[i][j] = (i == j) - a[i][j] * c[j];
  }
  solve(a, y);
  double *g = s->g + panel * P, *f = s->f + panel * P;
  for (int i = 0; i < P; i++) {
    double sum = f0;
    for (int j = 0; j < P; j++) sum += integral[i][j] * c[j] * y[j];
    g[i] = y[i];
    f[i] = sum;
  }
}

/* Close to the nucleus g is a power of r: exactly known up to terms linear in r. */
static void start_outward(const shot *s, double *g0, double *f0) {
  double r = s->w->grid->r[0], v = s->w->v[0], z = s->w->z, l = s->l;
  double m = mass(s->w, s->energy, v);
  if (s->w->c > 0) {
    double gamma = sqrt(l * (l + 1) + 1 - pow(z / s->w->c, 2));
    *g0 = pow(r, gamma - 1);
    *f0 = (gamma - 1) * r * *g0 / (2 * m);
  } else {
    *g0 = pow(r, l) * (1 - z * r / (l + 1));
    *f0 = pow(r, l + 1) * (l - z * r) / 2;
  }
}

/* Where the classical motion ends and where the orbital has: 0 if there is no motion at all. */
static int find_range(shot *s) {
  const atom_grid *grid = s->w->grid;
  int turn = -1;
  for (int i = grid->n; i-- > 0 && turn < 0;) {
    double r = grid->r[i];
    if (s->l * (s->l + 1) / (2 * r * r) + s->w->v[i] < s->energy) turn = i;
  }
  if (turn < 0) return 0;
  s->match = (turn + P / 2) / P;
  if (s->match > grid->panels - 3) s->match = grid->panels - 3;
  double decay = 0;
  for (s->last = s->match; s->last < grid->panels - 1; s->last++) {
    int i = s->last * P + P - 1;
    double r = grid->r[i], width = grid->r[i] - grid->r[i - P + 1];
    double k2 = s->l * (s->l + 1) / (r * r) + 2 * (s->w->v[i] - s->energy);
    if (k2 > 0) decay += sqrt(k2) * width;
    if (decay > 20 && s->last > s->match) break;
  }
  return s->match > 0;
}

static void shoot_inward(shot *s) {
  const atom_grid *grid = s->w->grid;
  int end = s->last * P + P - 1;
  double r = grid->r[end], v = s->w->v[end], g0 = 0, f0 = -1;
  double k2 = s->l * (s->l + 1) / (r * r) + 2 * (v - s->energy);
  if (s->last < grid->panels - 1 && k2 > 0) {
    g0 = 1e-20;
    f0 = -r * r * sqrt(k2) * g0 / (2 * mass(s->w, s->energy, v));
  }
  for (int panel = s->last; panel >= s->match; panel--) {
    step(s, panel, 1, g0, f0);
    g0 = s->g[panel * P];
    f0 = s->f[panel * P];
  }
}

static int count_nodes(const double *g, int n) {
  int nodes = 0;
  double before = g[0];
  for (int i = 1; i < n; i++) {
    if (g[i] == 0) continue;
    if (before * g[i] < 0) nodes++;
    before = g[i];
  }
  return nodes;
}

/* Shoots from both sides, makes g continuous, and gives the correction of the energy. */
static int shoot(shot *s, double *shell, double *correction) {
  const atom_grid *grid = s->w->grid;
  double g0, f0;
  start_outward(s, &g0, &f0);
  for (int panel = 0; panel < s->match; panel++) {
    step(s, panel, 0, g0, f0);
    g0 = s->g[panel * P + P - 1];
    f0 = s->f[panel * P + P - 1];
  }
  shoot_inward(s);
  int m = s->match * P, end = (s->last + 1) * P;
  int nodes = count_nodes(s->g, m) + count_nodes(s->g + m, end - m);
  double scale = s->g[m] != 0 ? g0 / s->g[m] : 1;
  for (int i = m; i < end; i++) {
    s->g[i] *= scale;
    s->f[i] *= scale;
  }
  double jump = f0 - s->f[m];
  double small = s->w->c > 0 ? 1 / (s->w->c * s->w->c) : 0;
  for (int i = 0; i < grid->n; i++) {
    double r = grid->r[i], mm = mass(s->w, s->energy, s->w->v[i]);
    double large = i < end ? pow(r * s->g[i], 2) : 0, rest = 0;
    if (i < end && small > 0)
      rest = small * (pow(s->f[i] / r, 2) + s->l * (s->l + 1) * pow(s->g[i] / (2 * mm), 2));
    shell[i] = s->w->small ? large + rest : large;
    s->g[i] = (large + rest) * r; /* g is not needed any more: the integrands over x */
    s->f[i] = shell[i] * r;
  }
  double norm = atom_grid_integral(grid, s->g), electron = atom_grid_integral(grid, s->f);
  for (int i = 0; i < grid->n; i++) shell[i] /= electron;
  *correction = g0 * jump / norm;
  return nodes;
}

eqs_status atom_orbital_solve(const atom_well *w, int n, int l, double *energy, double *shell,
                              double *scratch) {
  shot s = {.w = w, .l = l, .g = scratch, .f = scratch + w->grid->n};
  double low = -w->z * w->z - 10, high = 100, correction = 0, e = *energy;
  for (int round = 0; round < ROUNDS; round++) {
    if (!(e > low && e < high)) e = (low + high) / 2;
    s.energy = e;
    int nodes = find_range(&s) ? shoot(&s, shell, &correction) : -1;
    if (nodes != n - l - 1) {
      if (nodes > n - l - 1) high = e;
      else low = e;
      e = (low + high) / 2;
    } else {
      double size = fabs(correction);
      if (size <= 1e-12 * (fabs(e) + 0.1)) {
        *energy = e + correction;
        return EQS_OK;
      }
      if (correction > 0) low = e;
      else high = e;
      e += correction;
    }
    if (high - low < 1e-14 * (fabs(e) + 0.1)) {
      if (nodes == n - l - 1 && fabs(correction) < 1e-9 * (fabs(e) + 1)) {
        *energy = e;
        return EQS_OK;
      }
      break;
    }
  }
  EQS_FAIL(EQS_ERR_DIVERGED, "no bound state n = %d, l = %d", n, l);
}
