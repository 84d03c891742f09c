/* pore_refine.c -- true heights of passes and maxima, beyond the grid.
 *
 * A pass is a saddle of d: about the grid's best pair of nodes a four times finer grid is filled in
 * from the top down until a piece that climbs to the one cage meets a piece that climbs to the
 * other; then the same, finer, about the point where that happened.
 *
 * A maximum: d is the least of |x - x_i| - R_i, each convex. With the atoms within eps of the least
 * and w the shortest vector in the hull of their unit vectors, a step of eps/2 along w gains at
 * least |w| eps/2; where w = 0, eps is halved.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/pore_basins.h"

enum { FINER = 4, ARM = 2, SIDE = 2 * ARM * FINER + 1, CELLS = SIDE * SIDE * SIDE };
enum { LEVELS = 3, MOVES = 4, UNKNOWN = 4 };
enum { ACTIVE_MAX = 40, CLIMB_MAX = 3000 };
#define CLIMB_LEAST 1e-5 /* angstrom */
#define SLOPE_LEAST 1e-3
#define ROUNDING    1e-5 /* of the grid, which is single */

/* ---- passes */

typedef struct point {
  double height;
  int at; /* of CELLS */
} point;

typedef struct box {
  const pore_basins *basins;
  const pore_grid *g;
  pore_owner side[2];
  double center[3], spacing; /* in steps of the grid; spacing of the cells times FINER */
  int *parent;               /* [CELLS] union-find; -1 = not in yet */
  char *mask;                /* [CELLS] of the piece, at its root: 1, 2 the sides; UNKNOWN */
  int *top;                  /* [CELLS] its highest cell, at its root */
  point *list;
  arena *scratch; /* of the box */
  arena climbing; /* of the climbs */
} box;

static int root_of(int *parent, int i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

static int falling(const void *pa, const void *pb) {
  const point *a = pa, *b = pb;
  if (a->height != b->height) return a->height > b->height ? -1 : 1;
  return a->at - b->at;
}

static void coordinates(int cell, int i[3]) {
  i[0] = cell / (SIDE * SIDE), i[1] = cell / SIDE % SIDE, i[2] = cell % SIDE;
}

/* Where a cell is, in steps of the grid. */
static void cell_place(const box *b, int cell, double at[3]) {
  int i[3];
  coordinates(cell, i);
  for (int k = 0; k < 3; k++) at[k] = b->center[k] + (i[k] - ARM * FINER) * b->spacing / FINER;
}

/* Cells at least as high as what is known already, by falling height. */
static eqs_status list_points(box *b, double known, int *n) {
  double origin[3];
  pore_near near;
  pore_grid_position(b->g, b->center, origin);
  EQS_TRY(pore_grid_near(b->g, origin, 2.0 * ARM * b->spacing * b->g->half, b->scratch, &near));
  *n = 0;
  for (int cell = 0; cell < CELLS; cell++) {
    double at[3], x[3];
    cell_place(b, cell, at);
    pore_grid_position(b->g, at, x);
    for (int k = 0; k < 3; k++) x[k] -= origin[k];
    double height = pore_near_distance(&near, x);
    if (height < known - ROUNDING) continue;
    b->list[(*n)++] = (point){height, cell};
  }
  qsort(b->list, (size_t)*n, sizeof *b->list, falling);
  return EQS_OK;
}

static int same_owner(const pore_owner *a, const pore_owner *b) {
  return a->cage == b->cage && !memcmp(a->image, b->image, sizeof a->image);
}

/* Which side a piece belongs to: where its highest cell climbs to. */
static eqs_status know_side(box *b, int root) {
  double at[3], x[3];
  pore_owner o;
  if (b->mask[root] != UNKNOWN) return EQS_OK;
  cell_place(b, b->top[root], at);
  pore_grid_position(b->g, at, x);
  EQS_TRY(pore_owner_of_point(b->basins, b->g, x, &b->climbing, &o));
  b->mask[root] = same_owner(&o, &b->side[0]) ? 1 : same_owner(&o, &b->side[1]) ? 2 : 0;
  return EQS_OK;
}

/* Puts in a cell; *met = 1 if that joins the sides. */
static eqs_status put(box *b, int cell, int *met) {
  static const int step[3] = {SIDE * SIDE, SIDE, 1};
  int i[3], found[6], n = 0;
  coordinates(cell, i);
  for (int k = 0; k < 3; k++)
    for (int d = -1; d <= 1; d += 2) {
      int other = cell + d * step[k], fresh = 1;
      if (i[k] + d < 0 || i[k] + d >= SIDE || b->parent[other] < 0) continue;
      int root = root_of(b->parent, other);
      for (int m = 0; m < n; m++) fresh &= found[m] != root;
      if (fresh) found[n++] = root;
    }
  b->parent[cell] = cell;
  b->mask[cell] = UNKNOWN;
  b->top[cell] = cell;
  if (n == 1) {
    b->parent[cell] = found[0];
  } else if (n > 1) {
    int mask = 0;
    for (int m = 0; m < n; m++) {
      EQS_TRY(know_side(b, found[m]));
      mask |= b->mask[found[m]];
      b->parent[found[m]] = cell;
    }
    b->mask[cell] = (char)mask;
    *met = mask == 3;
  }
  return EQS_OK;
}

/* The height at which the sides meet in the box, and where (-1: nowhere above what is known). */
static eqs_status flood(box *b, double known, double *height, int *critical) {
  int n, met = 0;
  *critical = -1;
  EQS_TRY(list_points(b, known, &n));
  memset(b->parent, -1, CELLS * sizeof *b->parent);
  for (int k = 0; k < n; k++) {
    EQS_TRY(put(b, b->list[k].at, &met));
    if (!met) continue;
    *critical = b->list[k].at;
    *height = b->list[k].height;
    break;
  }
  return EQS_OK;
}

/* 1 if the sides met at the rim: the true pass may lie outside. */
static int at_rim(int cell) {
  int i[3];
  coordinates(cell, i);
  for (int k = 0; k < 3; k++)
    if (i[k] < 2 || i[k] > SIDE - 3) return 1;
  return 0;
}

static eqs_status refine(box *b, double enough, pore_pass *pass) {
  double left = b->g->half;
  for (int level = 0; level < LEVELS; level++) {
    int critical = -1;
    for (int move = 0; move < MOVES; move++) {
      double height, at[3];
      EQS_TRY(flood(b, pass->height, &height, &critical));
      if (critical < 0) return EQS_OK; /* nothing better near by */
      pass->height = fmax(pass->height, height);
      cell_place(b, critical, at);
      memcpy(b->center, at, sizeof at);
      if (!at_rim(critical)) break;
    }
    left /= FINER;
    b->spacing /= FINER;
    if (isfinite(enough) && (pass->height >= enough || pass->height + left < enough)) return EQS_OK;
  }
  return EQS_OK;
}

eqs_status pore_pass_refine(const pore_basins *b, const pore_grid *g, double enough, arena *scratch,
                            pore_pass *pass) {
  box x = {.basins = b, .g = g, .spacing = 1, .scratch = scratch};
  int at[3], next[3];
  arena_reset(scratch);
  pass->refined = 1;
  pore_grid_coordinates(g, pass->node, at);
  memcpy(next, at, sizeof next);
  next[pass->axis]++;
  x.side[0] = pore_owner_of_node(b, g, at);
  x.side[1] = pore_owner_of_node(b, g, next);
  for (int k = 0; k < 3; k++) x.center[k] = at[k];
  EQS_TRY(arena_take(scratch, CELLS, sizeof *x.parent, &x.parent));
  EQS_TRY(arena_take(scratch, CELLS, sizeof *x.mask, &x.mask));
  EQS_TRY(arena_take(scratch, CELLS, sizeof *x.top, &x.top));
  EQS_TRY(arena_take(scratch, CELLS, sizeof *x.list, &x.list));
  eqs_status status = refine(&x, enough, pass);
  arena_free(&x.climbing);
  return status;
}

/* ---- maxima */

static double dot(const double *a, const double *b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void keep_shorter(const double v[3], double best[3]) {
  if (dot(v, v) < dot(best, best)) memcpy(best, v, 3 * sizeof *v);
}

static void on_edge(const double a[3], const double b[3], double best[3]) {
  double e[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]}, length = dot(e, e);
  if (!(length > 1e-24)) return;
  double t = -dot(a, e) / length;
  if (!(t > 0 && t < 1)) return;
  double v[3] = {a[0] + t * e[0], a[1] + t * e[1], a[2] + t * e[2]};
  keep_shorter(v, best);
}

static void on_face(const double a[3], const double b[3], const double c[3], double best[3]) {
  double e[3], f[3], n[3], v[3];
  for (int k = 0; k < 3; k++) e[k] = b[k] - a[k], f[k] = c[k] - a[k];
  double p = dot(e, e), q = dot(f, f), s = dot(e, f), det = p * q - s * s;
  if (!(det > 1e-18)) return;
  double u = dot(a, e), w = dot(a, f);
  double x = (-u * q + w * s) / det, y = (-w * p + u * s) / det;
  if (x < 0 || y < 0 || x + y > 1) return;
  for (int k = 0; k < 3; k++) n[k] = x * e[k] + y * f[k], v[k] = a[k] + n[k];
  keep_shorter(v, best);
}

/* Shortest vector in the hull of m unit vectors, by Caratheodory: it lies on a corner, an edge or a
 * face, or it is zero. */
static void shortest_in_hull(int m, const double (*v)[3], double best[3]) {
  memcpy(best, v[0], 3 * sizeof *best);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < i; j++) {
      on_edge(v[i], v[j], best);
      for (int k = 0; k < j; k++) on_face(v[i], v[j], v[k], best);
    }
  double square = dot(best, best);
  for (int i = 0; i < m; i++)
    if (dot(best, v[i]) < square - 1e-9) best[0] = best[1] = best[2] = 0;
}

/* Unit vectors away from the atoms within eps of the nearest; 0 if there are too many. */
static int active(const pore_near *near, const double at[3], double eps, double (*v)[3],
                  double *height) {
  int m = 0;
  *height = pore_near_distance(near, at);
  for (int i = 0; i < near->n; i++) {
    double u[3];
    for (int k = 0; k < 3; k++) u[k] = at[k] - near->x[i][k];
    double length = sqrt(dot(u, u));
    if (length - near->r[i] > *height + eps || !(length > 0)) continue;
    if (m == ACTIVE_MAX) return 0;
    for (int k = 0; k < 3; k++) v[m][k] = u[k] / length;
    m++;
  }
  return m;
}

eqs_status pore_climb(const pore_grid *g, double x[3], arena *scratch, double *height) {
  double eps = g->half, span = 0, at[3] = {0, 0, 0}, v[ACTIVE_MAX][3], w[3] = {0, 0, 0};
  pore_near near = {0};
  for (int step = 0; step < CLIMB_MAX && eps > CLIMB_LEAST; step++) {
    if (near.n == 0 || sqrt(dot(at, at)) + eps > span) {
      for (int k = 0; k < 3; k++) x[k] += at[k], at[k] = 0;
      arena_reset(scratch);
      span = 4 * g->half;
      EQS_TRY(pore_grid_near(g, x, span, scratch, &near));
    }
    int m = active(&near, at, eps, v, height);
    if (m > 0) shortest_in_hull(m, (const double(*)[3])v, w);
    double slope = m > 0 ? sqrt(dot(w, w)) : 0;
    if (slope < SLOPE_LEAST) {
      eps /= 2;
      continue;
    }
    for (int k = 0; k < 3; k++) at[k] += 0.5 * eps * w[k] / slope;
  }
  for (int k = 0; k < 3; k++) x[k] += at[k];
  *height = pore_grid_distance(g, x);
  return EQS_OK;
}
