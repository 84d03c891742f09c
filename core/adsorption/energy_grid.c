/* energy_grid.c -- tables, their cubic interpolation, exact evaluation near contact.
 *
 * A point is "hot" if an atom is nearer than 1.5 angstrom or the Lennard-Jones energy is above 0.6
 * eV; a cell of the grid whose 64 points are not all cool is not interpolated. If all 8 corners are
 * above 10 eV the site is inside an atom: no pose with it has a weight. Between, the exact energy
 * is asked for only if the pose could still be low.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/energy_grid.h"

#include "core/adsorption/random.h"
#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>

enum { PAD = 3, POSES = 256 /* of a block */, PLANES = 8 /* between calls of watch */ };
enum { COOL, EXACT, WALL };
enum { CHECKS = 4096, CHECK_STREAM = 0x67726964 };

#define SPACING    0.2
#define POINTS_MAX 2e7
#define HOT        0.6 /* eV */
#define NEAR       1.5 /* angstrom */
#define INSIDE     10.0
#define CLAMP      1e6f

struct energy_grid {
  const classical_host *host;
  workspace *work;
  gas sites;
  int type[CLASSICAL_MAX_SITES]; /* of the crystal's guest sites */
  int n_kind, kind[CLASSICAL_MAX_SITES], of_kind[CLASSICAL_MAX_SITES]; /* kinds in this gas */
  int n[3];
  size_t stride[2], points; /* padded: [n + 3] along each vector, the first one is point -1 */
  float *value[CLASSICAL_MAX_SITES];
  unsigned char *state[CLASSICAL_MAX_SITES]; /* [n0][n1][n2] of the cells behind the points */
  unsigned char *hot;                        /* [points], a bit for each kind; while building */
  energy_grid_description description;
};

static size_t padded(const energy_grid *g, int i, int j, int k) {
  return (size_t)(i + 1) * g->stride[0] + (size_t)(j + 1) * g->stride[1] + (size_t)(k + 1);
}

static size_t cell_index(const energy_grid *g, int i, int j, int k) {
  return ((size_t)i * (size_t)g->n[1] + (size_t)j) * (size_t)g->n[2] + (size_t)k;
}

/* ---- building */

typedef struct planes {
  energy_grid *g;
  int first;
} planes;

/* Point (i, j, k) from its Lennard-Jones energies and the potential. */
static void store_point(energy_grid *g, size_t at, const double *lj, double potential,
                        double nearest) {
  const classical_host *h = g->host;
  for (int a = 0; a < g->n_kind; a++) {
    double u = lj[g->of_kind[a]] + h->site[g->of_kind[a]].charge * potential;
    g->value[a][at] = (float)fmin(fmax(u, (double)-CLAMP), (double)CLAMP);
    if (lj[g->of_kind[a]] > HOT || nearest < NEAR * NEAR) g->hot[at] |= (unsigned char)(1 << a);
  }
}

static eqs_status fill_plane(void *argument, int block, arena *scratch) {
  const planes *p = argument;
  energy_grid *g = p->g;
  const classical_host *h = g->host;
  const ewald *e = &h->ewald;
  double *lj, *plane = NULL, *line = NULL, f[3] = {(double)(p->first + block) / g->n[0], 0, 0};
  EQS_TRY(arena_take(scratch, (size_t)h->n_site, sizeof *lj, &lj));
  if (h->charged) {
    EQS_TRY(arena_take(scratch, ewald_plane_size(e), sizeof *plane, &plane));
    EQS_TRY(arena_take(scratch, ewald_line_size(e), sizeof *line, &line));
    ewald_fold_plane(e, h->re, h->im, f[0], plane);
  }
  for (int j = 0; j < g->n[1]; j++) {
    f[1] = (double)j / g->n[1];
    if (h->charged) ewald_fold_line(e, plane, f[1], line);
    for (int k = 0; k < g->n[2]; k++) {
      double x[3], potential, nearest;
      f[2] = (double)k / g->n[2];
      for (int c = 0; c < 3; c++)
        x[c] = f[0] * h->cell[c] + f[1] * h->cell[3 + c] + f[2] * h->cell[6 + c];
      classical_host_probe(h, x, lj, &potential, &nearest);
      if (h->charged) potential += ewald_on_line(e, line, f[2]);
      store_point(g, padded(g, p->first + block, j, k), lj, potential, nearest);
    }
  }
  return EQS_OK;
}

/* Copies the opposite faces into the padding: points -1, n and n + 1 of every direction. */
static void wrap_faces(energy_grid *g) {
  for (int i = -1; i <= g->n[0] + 1; i++)
    for (int j = -1; j <= g->n[1] + 1; j++)
      for (int k = -1; k <= g->n[2] + 1; k++) {
        int a = (i + g->n[0]) % g->n[0], b = (j + g->n[1]) % g->n[1], c = (k + g->n[2]) % g->n[2];
        if (a == i && b == j && c == k) continue;
        size_t to = padded(g, i, j, k), from = padded(g, a, b, c);
        for (int s = 0; s < g->n_kind; s++) g->value[s][to] = g->value[s][from];
        g->hot[to] = g->hot[from];
      }
}

/* States of the cells of one plane. */
static eqs_status judge_plane(void *argument, int i, arena *scratch) {
  energy_grid *g = argument;
  (void)scratch;
  for (int j = 0; j < g->n[1]; j++)
    for (int k = 0; k < g->n[2]; k++) {
      unsigned hot = 0;
      for (int a = -1; a < 3; a++)
        for (int b = -1; b < 3; b++)
          for (int c = -1; c < 3; c++) hot |= g->hot[padded(g, i + a, j + b, k + c)];
      for (int s = 0; s < g->n_kind; s++) {
        int inside = 1;
        for (int corner = 0; corner < 8; corner++)
          inside &= (double)g->value[s][padded(g, i + (corner >> 2), j + (corner >> 1 & 1),
                                               k + (corner & 1))] > INSIDE;
        g->state[s][cell_index(g, i, j, k)] = inside ? WALL : hot >> s & 1 ? EXACT : COOL;
      }
    }
  return EQS_OK;
}

static eqs_status choose_points(energy_grid *g, double spacing) {
  double width[3], volume = fabs(cell_volume(g->host->cell)), points = 1;
  cell_widths(g->host->cell, width);
  if (spacing == 0) spacing = SPACING;
  if (!(spacing >= 0.02 && spacing <= 2))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the spacing of the grid is %g angstrom; it must lie in 0.02 .. 2",
             spacing);
  spacing = fmax(spacing, cbrt(volume / POINTS_MAX));
  for (int k = 0; k < 3; k++) {
    double n = fmax(ceil(width[k] / spacing), 4);
    points *= n + PAD;
    g->n[k] = (int)fmin(n, 1e6);
    g->description.n[k] = g->n[k];
    g->description.spacing = fmax(g->description.spacing, width[k] / g->n[k]);
  }
  /* an oblique cell has more points than its volume suggests */
  if (!(points <= 10 * POINTS_MAX))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "the energy grid would have %.1e points; the cell is too oblique",
             points);
  g->stride[1] = (size_t)(g->n[2] + PAD);
  g->stride[0] = (size_t)(g->n[1] + PAD) * g->stride[1];
  g->points = (size_t)(g->n[0] + PAD) * g->stride[0];
  return EQS_OK;
}

static eqs_status fill(energy_grid *g, int (*watch)(void *, int64_t, int64_t), void *context) {
  size_t cells = (size_t)g->n[0] * (size_t)g->n[1] * (size_t)g->n[2];
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(&g->hot, g->points, 1, "energy grid"));
  for (int s = 0; s < g->n_kind; s++) {
    EQS_TRY(alloc_array(&g->value[s], g->points, sizeof(float), "energy grid"));
    EQS_TRY(alloc_array(&g->state[s], cells, 1, "energy grid"));
  }
  g->description.bytes = (size_t)g->n_kind * (g->points * sizeof(float) + cells);
  for (int i = 0; i < g->n[0]; i += PLANES) {
    planes p = {g, i};
    int n = g->n[0] - i < PLANES ? g->n[0] - i : PLANES;
    EQS_TRY(workspace_run(g->work, n, fill_plane, &p));
    int64_t plane = (int64_t)g->n[1] * g->n[2];
    if (watch && watch(context, plane * (i + n), plane * g->n[0]))
      EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped while building the energy grid");
  }
  wrap_faces(g);
  status = workspace_run(g->work, g->n[0], judge_plane, g);
  free(g->hot);
  g->hot = NULL;
  return status;
}

/* ---- reading */

/* Weights of points -1, 0, 1, 2 at t in 0 .. 1. */
static void lagrange(double t, double w[4]) {
  double a = t + 1, b = t - 1, c = t - 2;
  w[0] = -t * b * c / 6;
  w[1] = a * b * c / 2;
  w[2] = -a * t * c / 2;
  w[3] = a * t * b / 6;
}

typedef struct reading {
  int state;
  double value; /* COOL: interpolated; EXACT: the lowest corner */
} reading;

static reading read_site(const energy_grid *g, int kind, const double x[3]) {
  const classical_host *h = g->host;
  const float *v = g->value[kind];
  double w[3][4], sum = 0;
  int i[3];
  for (int k = 0; k < 3; k++) {
    double f = x[0] * h->inverse[k] + x[1] * h->inverse[3 + k] + x[2] * h->inverse[6 + k];
    double at = (f - floor(f)) * g->n[k];
    i[k] = at < g->n[k] ? (int)at : g->n[k] - 1;
    lagrange(at - i[k], w[k]);
  }
  reading r = {g->state[kind][cell_index(g, i[0], i[1], i[2])], 0};
  if (r.state == EXACT) {
    r.value = INFINITY;
    for (int c = 0; c < 8; c++)
      r.value =
          fmin(r.value, (double)v[padded(g, i[0] + (c >> 2), i[1] + (c >> 1 & 1), i[2] + (c & 1))]);
  }
  if (r.state != COOL) return r;
  for (int a = 0; a < 4; a++) {
    double plane = 0;
    for (int b = 0; b < 4; b++) {
      const float *row = v + padded(g, i[0] + a - 1, i[1] + b - 1, i[2] - 1);
      plane += w[1][b] * (w[2][0] * (double)row[0] + w[2][1] * (double)row[1] +
                          w[2][2] * (double)row[2] + w[2][3] * (double)row[3]);
    }
    sum += w[0][a] * plane;
  }
  r.value = sum;
  return r;
}

static double read_pose(const energy_grid *g, const pose *p, double *scratch) {
  double x[GAS_MAX_ATOMS][3], lowest[GAS_MAX_ATOMS], sum = 0, low = 0;
  int exact[GAS_MAX_ATOMS], n = 0;
  pose_place(p, &g->sites, x);
  for (int a = 0; a < g->sites.n; a++) {
    reading r = read_site(g, g->kind[a], x[a]);
    if (r.state == WALL) return INFINITY;
    if (r.state == EXACT) {
      exact[n] = a;
      lowest[n++] = r.value;
      low += r.value;
    } else {
      sum += r.value;
    }
  }
  for (int i = 0; i < n; i++) {
    if (sum + low > ENERGY_GRID_HIGH) return sum + low;
    sum += classical_host_energy(g->host, g->type[exact[i]], x[exact[i]], scratch);
    low -= lowest[i];
  }
  return sum;
}

typedef struct pose_batch {
  const energy_grid *g;
  int n;
  const pose *poses;
  double *u;
} pose_batch;

static eqs_status run_poses(void *argument, int block, arena *scratch) {
  const pose_batch *b = argument;
  double *work;
  EQS_TRY(arena_take(scratch, classical_host_scratch(b->g->host), sizeof *work, &work));
  for (int i = POSES * block; i < POSES * (block + 1) && i < b->n; i++)
    b->u[i] = read_pose(b->g, b->poses + i, work);
  return EQS_OK;
}

eqs_status energy_grid_poses(const energy_grid *g, int n, const pose *poses, double *u) {
  pose_batch b = {g, n, poses, u};
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++)
      if (!(fabs(poses[i].position[k]) < 1e9))
        EQS_FAIL(EQS_ERR_ARGUMENT, "a pose has the coordinate %g angstrom", poses[i].position[k]);
  if (n <= 0) return EQS_OK;
  return workspace_run(g->work, (n - 1) / POSES + 1, run_poses, &b);
}

/* ---- the error, and the public rest */

typedef struct comparison {
  const energy_grid *g;
  double *difference; /* [CHECKS]; NAN: too high to matter */
} comparison;

static eqs_status compare(void *argument, int block, arena *scratch) {
  const comparison *c = argument;
  const energy_grid *g = c->g;
  double *work;
  EQS_TRY(arena_take(scratch, classical_host_scratch(g->host), sizeof *work, &work));
  for (int i = POSES * block; i < POSES * (block + 1); i++) {
    double x[GAS_MAX_ATOMS][3], exact = 0;
    pose p;
    pose_draw(0, CHECK_STREAM, (uint64_t)i, g->host->cell, &p);
    c->difference[i] = NAN;
    double u = read_pose(g, &p, work);
    if (!(u < ENERGY_GRID_HIGH)) continue;
    pose_place(&p, &g->sites, x);
    for (int a = 0; a < g->sites.n; a++)
      exact += classical_host_energy(g->host, g->type[a], x[a], work);
    if (exact < ENERGY_GRID_HIGH / 10) c->difference[i] = u - exact;
  }
  return EQS_OK;
}

static eqs_status measure(energy_grid *g) {
  energy_grid_description *d = &g->description;
  comparison c = {.g = g};
  EQS_TRY(alloc_array(&c.difference, CHECKS, sizeof *c.difference, "errors of the grid"));
  eqs_status status = workspace_run(g->work, CHECKS / POSES, compare, &c);
  for (int i = 0; status == EQS_OK && i < CHECKS; i++) {
    if (isnan(c.difference[i])) continue;
    d->checked++;
    d->rms += c.difference[i] * c.difference[i];
    d->most = fmax(d->most, fabs(c.difference[i]));
  }
  d->rms = d->checked ? sqrt(d->rms / d->checked) : 0;
  free(c.difference);
  return status;
}

eqs_status energy_grid_build(const guest_energy *e, int component, double spacing,
                             int (*watch)(void *context, int64_t done, int64_t all), void *context,
                             energy_grid **out) {
  energy_grid *g = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY(alloc_array(&g, 1, sizeof *g, "energy grid"));
  g->host = classical_energy_host(e);
  g->work = classical_energy_workspace(e);
  EQS_TRY_DONE(classical_energy_sites(e, component, &g->sites, g->type));
  for (int a = 0; a < g->sites.n; a++) {
    int s = 0;
    while (s < g->n_kind && g->of_kind[s] != g->type[a]) s++;
    if (s == g->n_kind) g->of_kind[g->n_kind++] = g->type[a];
    g->kind[a] = s;
  }
  EQS_TRY_DONE(choose_points(g, spacing));
  EQS_TRY_DONE(fill(g, watch, context));
  EQS_TRY_DONE(measure(g));
  *out = g;
  g = NULL;
done:
  energy_grid_free(&g);
  return status;
}

void energy_grid_free(energy_grid **grid) {
  energy_grid *g = *grid;
  if (!g) return;
  for (int s = 0; s < CLASSICAL_MAX_SITES; s++) {
    free(g->value[s]);
    free(g->state[s]);
  }
  free(g->hot);
  free(g);
  *grid = NULL;
}

void energy_grid_describe(const energy_grid *g, energy_grid_description *out) {
  *out = g->description;
}
