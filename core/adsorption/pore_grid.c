/* pore_grid.c -- distances to the nearest atomic surface: exact at a point, and on a whole grid.
 *
 * Atoms lie in bins; a search about x visits the bins within D of it. With U the least
 * |x - x_i| - R_i found, atoms beyond D cannot matter once D >= U + R_max. A block of nodes within
 * rho of its centre needs only the images with |c - x_i| - R_i <= U + 2 rho, since d has slope 1:
 * blocks of 16^3 nodes collect theirs from the bins, their blocks of 4^3 choose from these.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pore_grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"

enum { NODES_MAX = 1 << 26, BLOCK = 16, PART = 4, POINTS = PART * PART * PART, ROUNDS = 1000 };
#define BIN         3.0 /* angstrom */
#define WIDTH_LEAST 0.5 /* angstrom */

/* ---- the lattice */

static double dot(const double *a, const double *b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Shortens row i by row j, and by sums of the other two rows, until nothing gets shorter. */
static void reduce(double cell[9]) {
  for (int round = 0, changed = 1; changed && round < ROUNDS; round++) {
    changed = 0;
    for (int i = 0; i < 3; i++) {
      double *a = cell + 3 * i, *b = cell + 3 * ((i + 1) % 3), *c = cell + 3 * ((i + 2) % 3);
      double best[3] = {a[0], a[1], a[2]}, least = dot(a, a) * (1 - 1e-9);
      double p = dot(b, b), q = dot(c, c), s = dot(b, c), det = p * q - s * s;
      double u = dot(a, b), v = dot(a, c);
      double first = det > 0 ? (u * q - v * s) / det : 0,
             second = det > 0 ? (v * p - u * s) / det : 0;
      for (int m = -1; m <= 1; m++)
        for (int n = -1; n <= 1; n++) {
          double t[3], f = rint(first) + m, g = rint(second) + n;
          for (int k = 0; k < 3; k++) t[k] = a[k] - f * b[k] - g * c[k];
          if (!(dot(t, t) < least)) continue;
          least = dot(t, t);
          memcpy(best, t, sizeof t);
          changed = 1;
        }
      memcpy(a, best, sizeof best);
    }
  }
}

static eqs_status lay_nodes(pore_grid *g, double spacing) {
  double total = 1;
  for (int k = 0; k < 3; k++) {
    const double *a = g->cell + 3 * k;
    double n = ceil(sqrt(dot(a, a)) / spacing - 1e-9);
    total *= n;
    if (!(total <= NODES_MAX))
      EQS_FAIL(EQS_ERR_UNSUPPORTED,
               "a grid of %g angstrom would have more than %d nodes in this cell of %.0f "
               "angstrom^3; ask for %.2g or more",
               spacing, (int)NODES_MAX, g->volume,
               1.15 * spacing * cbrt(fmax(total, g->volume / pow(spacing, 3)) / NODES_MAX));
    g->n[k] = n < 1 ? 1 : (int)n;
    for (int x = 0; x < 3; x++) g->step[3 * k + x] = a[x] / g->n[k];
  }
  g->n_node = (size_t)g->n[0] * (size_t)g->n[1] * (size_t)g->n[2];
  for (int s = 0; s < 4; s++) {
    double v[3];
    for (int x = 0; x < 3; x++)
      v[x] = g->step[x] + (s & 1 ? -1 : 1) * g->step[3 + x] + (s & 2 ? -1 : 1) * g->step[6 + x];
    g->half = fmax(g->half, 0.5 * sqrt(dot(v, v)));
  }
  return EQS_OK;
}

/* ---- atoms and bins */

static void to_fraction(const pore_grid *g, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++)
    f[k] = x[0] * g->inverse[k] + x[1] * g->inverse[3 + k] + x[2] * g->inverse[6 + k];
}

static void to_position(const double rows[9], const double f[3], double x[3]) {
  for (int k = 0; k < 3; k++) x[k] = f[0] * rows[k] + f[1] * rows[3 + k] + f[2] * rows[6 + k];
}

static size_t bin_at(const pore_grid *g, const double f[3]) {
  size_t at = 0;
  for (int k = 0; k < 3; k++) {
    int b = (int)(f[k] * g->bins[k]);
    at = at * (size_t)g->bins[k] + (size_t)(b < g->bins[k] ? b : g->bins[k] - 1);
  }
  return at;
}

static eqs_status sort_atoms(pore_grid *g, int n, const double *position, const double *radius) {
  size_t m = (size_t)n, bins = 1, *bin = NULL;
  for (int k = 0; k < 3; k++) {
    double many = floor(g->width[k] / BIN);
    g->bins[k] = many < 1 ? 1 : many > 256 ? 256 : (int)many;
    bins *= (size_t)g->bins[k];
  }
  eqs_status status = EQS_OK;
  double(*f)[3] = NULL;
  EQS_TRY_DONE(alloc_array(&bin, m, sizeof *bin, "pore bins"));
  EQS_TRY_DONE(alloc_array(&f, m, sizeof *f, "pore bins"));
  EQS_TRY_DONE(alloc_array(&g->bin_first, bins + 1, sizeof *g->bin_first, "pore bins"));
  EQS_TRY_DONE(alloc_array(&g->atom, m, sizeof *g->atom, "pore atoms"));
  EQS_TRY_DONE(alloc_array(&g->radius, m, sizeof *g->radius, "pore atoms"));
  EQS_TRY_DONE(alloc_array(&g->given, m, sizeof *g->given, "pore atoms"));
  for (size_t i = 0; i < m; i++) {
    to_fraction(g, position + 3 * i, f[i]);
    for (int k = 0; k < 3; k++) f[i][k] -= floor(f[i][k]);
    bin[i] = bin_at(g, f[i]);
    g->bin_first[bin[i] + 1]++;
    g->largest = fmax(g->largest, radius[i]);
  }
  for (size_t b = 0; b < bins; b++) g->bin_first[b + 1] += g->bin_first[b];
  for (size_t i = m; i-- > 0;) { /* from the end of each bin down: order kept */
    size_t b = bin[i];
    int at = --g->bin_first[b + 1];
    to_position(g->cell, f[i], g->atom[at]);
    g->radius[at] = radius[i];
    g->given[at] = (int)i;
  }
  /* now bin_first[b + 1] is where bin b starts */
  memmove(g->bin_first, g->bin_first + 1, bins * sizeof *g->bin_first);
  g->bin_first[bins] = n;
done:
  free(bin);
  free(f);
  return status;
}

eqs_status pore_grid_open(pore_grid *g, int n, const double *position, const double *radius,
                          const double cell[9], double spacing) {
  *g = (pore_grid){.n_atom = n};
  if (n < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "the structure has no atoms");
  if (!(spacing >= 0.01 && spacing <= 10))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the grid's spacing must be 0.01 to 10 angstrom, not %g", spacing);
  for (int i = 0; i < n; i++) {
    const double *x = position + 3 * (size_t)i;
    if (!isfinite(x[0] + x[1] + x[2]) || fabs(x[0]) + fabs(x[1]) + fabs(x[2]) > 1e9)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the position of atom %d is not finite or absurd", i + 1);
    if (!(radius[i] >= 0 && radius[i] <= 10))
      EQS_FAIL(EQS_ERR_ARGUMENT, "the radius of atom %d is %g; it must be 0 to 10 angstrom", i + 1,
               radius[i]);
  }
  memcpy(g->cell, cell, sizeof g->cell);
  g->volume = fabs(cell_volume(cell));
  if (!(g->volume > 0 && g->volume < 1e15) || !cell_inverse(cell, g->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the framework's cell is singular or absurd");
  reduce(g->cell);
  if (!cell_inverse(g->cell, g->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the framework's cell is singular");
  cell_widths(g->cell, g->width);
  for (int k = 0; k < 3; k++)
    if (!(g->width[k] >= WIDTH_LEAST))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "the cell is only %g angstrom wide; pores need %g", g->width[k],
               WIDTH_LEAST);
  eqs_status status = lay_nodes(g, spacing);
  if (status == EQS_OK) status = sort_atoms(g, n, position, radius);
  if (status != EQS_OK) pore_grid_free(g);
  return status;
}

void pore_grid_free(pore_grid *g) {
  free(g->d);
  free(g->atom);
  free(g->radius);
  free(g->given);
  free(g->bin_first);
  *g = (pore_grid){0};
}

/* ---- search about a point */

typedef struct search {
  const pore_grid *g;
  double x[3], f[3];
  double reach; /* centres within it are visited */
  double limit; /* of |x - x_i| - R_i, for a collection */
  double least; /* of it so far */
  pore_near *out;
  int n;
} search;

static void visit(search *s, const double shift[3], int first, int end) {
  const pore_grid *g = s->g;
  for (int i = first; i < end; i++) {
    double v[3], r = g->radius[i];
    for (int k = 0; k < 3; k++) v[k] = g->atom[i][k] + shift[k] - s->x[k];
    double gap = sqrt(dot(v, v)) - r;
    if (gap < s->least) s->least = gap;
    if (gap > s->limit) continue;
    if (s->out) {
      memcpy(s->out->x[s->n], v, sizeof v);
      s->out->r[s->n] = r;
      s->out->atom[s->n] = i;
    }
    s->n++;
  }
}

static int floor_div(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Visits every image within `reach` of x, and some beyond. */
static void sweep(search *s) {
  const pore_grid *g = s->g;
  int low[3], high[3];
  for (int k = 0; k < 3; k++) {
    double span = s->reach / g->width[k];
    low[k] = (int)floor((s->f[k] - span) * g->bins[k]);
    high[k] = (int)floor((s->f[k] + span) * g->bins[k]);
  }
  for (int p = low[0]; p <= high[0]; p++)
    for (int q = low[1]; q <= high[1]; q++)
      for (int r = low[2]; r <= high[2]; r++) {
        int at[3] = {p, q, r};
        double image[3], shift[3];
        size_t bin = 0;
        for (int k = 0; k < 3; k++) {
          int cell = floor_div(at[k], g->bins[k]);
          image[k] = cell;
          bin = bin * (size_t)g->bins[k] + (size_t)(at[k] - cell * g->bins[k]);
        }
        if (g->bin_first[bin] == g->bin_first[bin + 1]) continue;
        to_position(g->cell, image, shift);
        visit(s, shift, g->bin_first[bin], g->bin_first[bin + 1]);
      }
}

static search search_start(const pore_grid *g, const double x[3]) {
  search s = {.g = g, .limit = -INFINITY, .least = INFINITY};
  memcpy(s.x, x, sizeof s.x);
  to_fraction(g, x, s.f);
  return s;
}

/* Least gap, from sweeps that widen until nothing outside can be less. */
static double least_gap(search *s) {
  for (s->reach = 4;; s->reach = isfinite(s->least) ? s->least + s->g->largest : 2 * s->reach) {
    sweep(s);
    if (s->least + s->g->largest <= s->reach * (1 + 1e-12)) return s->least;
  }
}

double pore_grid_distance(const pore_grid *g, const double x[3]) {
  search s = search_start(g, x);
  return least_gap(&s);
}

static eqs_status collect(search *s, arena *scratch, pore_near *out) {
  s->reach = s->limit + s->g->largest;
  if (s->reach < 0) s->reach = 0;
  s->n = 0;
  sweep(s);
  out->n = s->n;
  EQS_TRY(arena_take(scratch, (size_t)s->n, sizeof *out->x, &out->x));
  EQS_TRY(arena_take(scratch, (size_t)s->n, sizeof *out->r, &out->r));
  EQS_TRY(arena_take(scratch, (size_t)s->n, sizeof *out->atom, &out->atom));
  s->n = 0;
  s->out = out;
  sweep(s);
  return EQS_OK;
}

eqs_status pore_grid_collect(const pore_grid *g, const double x[3], double limit, arena *scratch,
                             pore_near *out) {
  search s = search_start(g, x);
  s.limit = limit;
  return collect(&s, scratch, out);
}

eqs_status pore_grid_near(const pore_grid *g, const double x[3], double span, arena *scratch,
                          pore_near *out) {
  search s = search_start(g, x);
  double least = least_gap(&s);
  s.limit = least + 2 * span + 1e-9;
  return collect(&s, scratch, out);
}

double pore_near_distance(const pore_near *near, const double at[3]) {
  double best = INFINITY;
  for (int i = 0; i < near->n; i++) {
    double v[3], t = best + near->r[i];
    for (int k = 0; k < 3; k++) v[k] = at[k] - near->x[i][k];
    double square = dot(v, v);
    if (t > 0 && square < t * t) best = sqrt(square) - near->r[i];
  }
  return best;
}

/* ---- nodes */

size_t pore_grid_wrap(const pore_grid *g, const int at[3], int cell[3]) {
  size_t node = 0;
  for (int k = 0; k < 3; k++) {
    int c = floor_div(at[k], g->n[k]);
    cell[k] += c;
    node = node * (size_t)g->n[k] + (size_t)(at[k] - c * g->n[k]);
  }
  return node;
}

size_t pore_grid_node(const pore_grid *g, const double x[3], int cell[3]) {
  double f[3];
  int at[3];
  to_fraction(g, x, f);
  for (int k = 0; k < 3; k++) {
    double whole = floor(f[k]);
    at[k] = (int)rint((f[k] - whole) * g->n[k]);
    cell[k] = fabs(whole) < 1e9 ? (int)whole : 0;
  }
  return pore_grid_wrap(g, at, cell);
}

void pore_grid_coordinates(const pore_grid *g, size_t node, int at[3]) {
  size_t n1 = (size_t)g->n[1], n2 = (size_t)g->n[2];
  at[0] = (int)(node / (n1 * n2));
  at[1] = (int)(node / n2 % n1);
  at[2] = (int)(node % n2);
}

void pore_grid_position(const pore_grid *g, const double at[3], double x[3]) {
  to_position(g->step, at, x);
}

/* ---- the whole grid */

typedef struct fill {
  pore_grid *g;
  int blocks[3], first; /* this run starts at block `first` */
  double rho_block, rho_part;
  float point[POINTS][3]; /* of a part, relative to its middle */
} fill;

/* Node (i, j, k) of a part, relative to the part's middle. */
static void lay_part(fill *f) {
  const pore_grid *g = f->g;
  for (int p = 0; p < POINTS; p++) {
    const double mid = 0.5 * (PART - 1);
    double at[3] = {p / (PART * PART) - mid, p / PART % PART - mid, p % PART - mid}, x[3];
    to_position(g->step, at, x);
    for (int k = 0; k < 3; k++) f->point[p][k] = (float)x[k];
  }
  f->rho_part = (PART - 1) * g->half;
  f->rho_block = (BLOCK - 1) * g->half;
}

typedef struct choice {
  int n;
  float *x, *y, *z, *r;
} choice;

/* From the block's images those that matter for the part about c (relative to the block's middle),
 * now relative to c. */
static void choose(const fill *f, const pore_near *near, const double c[3], choice *out) {
  double limit = pore_near_distance(near, c) + 2 * f->rho_part + 1e-6;
  out->n = 0;
  for (int i = 0; i < near->n; i++) {
    double v[3];
    for (int k = 0; k < 3; k++) v[k] = near->x[i][k] - c[k];
    double most = limit + near->r[i];
    if (most < 0 || dot(v, v) > most * most) continue;
    int m = out->n++;
    out->x[m] = (float)v[0], out->y[m] = (float)v[1], out->z[m] = (float)v[2];
    out->r[m] = (float)near->r[i];
  }
}

static float least(const choice *c, const float p[3]) {
  float best = INFINITY;
  for (int i = 0; i < c->n; i++) {
    float x = p[0] - c->x[i], y = p[1] - c->y[i], z = p[2] - c->z[i], t = best + c->r[i];
    float square = x * x + y * y + z * z;
    if (t > 0 && square < t * t) best = sqrtf(square) - c->r[i];
  }
  return best;
}

static void fill_part(const fill *f, const int origin[3], const choice *c) {
  pore_grid *g = f->g;
  for (int p = 0; p < POINTS; p++) {
    int i = origin[0] + p / (PART * PART), j = origin[1] + p / PART % PART,
        k = origin[2] + p % PART;
    if (i >= g->n[0] || j >= g->n[1] || k >= g->n[2]) continue;
    g->d[((size_t)i * (size_t)g->n[1] + (size_t)j) * (size_t)g->n[2] + (size_t)k] =
        least(c, f->point[p]);
  }
}

static eqs_status fill_block(void *argument, int block, arena *scratch) {
  const fill *f = argument;
  const pore_grid *g = f->g;
  int b = f->first + block;
  int origin[3] = {b / (f->blocks[1] * f->blocks[2]) * BLOCK,
                   b / f->blocks[2] % f->blocks[1] * BLOCK, b % f->blocks[2] * BLOCK};
  double middle[3], center[3];
  for (int k = 0; k < 3; k++) middle[k] = origin[k] + 0.5 * (BLOCK - 1);
  to_position(g->step, middle, center);
  pore_near near;
  EQS_TRY(pore_grid_near(g, center, f->rho_block, scratch, &near));
  choice c;
  size_t n = (size_t)near.n;
  EQS_TRY(arena_take(scratch, n, sizeof *c.x, &c.x));
  EQS_TRY(arena_take(scratch, n, sizeof *c.y, &c.y));
  EQS_TRY(arena_take(scratch, n, sizeof *c.z, &c.z));
  EQS_TRY(arena_take(scratch, n, sizeof *c.r, &c.r));
  for (int i = 0; i < BLOCK; i += PART)
    for (int j = 0; j < BLOCK; j += PART)
      for (int k = 0; k < BLOCK; k += PART) {
        int at[3] = {origin[0] + i, origin[1] + j, origin[2] + k};
        if (at[0] >= g->n[0] || at[1] >= g->n[1] || at[2] >= g->n[2]) continue;
        const double shift = 0.5 * (PART - BLOCK);
        double part[3] = {i + shift, j + shift, k + shift}, x[3];
        to_position(g->step, part, x);
        choose(f, &near, x, &c);
        fill_part(f, at, &c);
      }
  return EQS_OK;
}

eqs_status pore_grid_fill(pore_grid *g, workspace *w, pore_watch watch, void *user) {
  fill f = {.g = g};
  enum { RUN = 256 };
  EQS_TRY(alloc_array(&g->d, g->n_node, sizeof *g->d, "pore grid"));
  lay_part(&f);
  int total = 1;
  for (int k = 0; k < 3; k++) {
    f.blocks[k] = (g->n[k] + BLOCK - 1) / BLOCK;
    total *= f.blocks[k];
  }
  for (f.first = 0; f.first < total; f.first += RUN) {
    if (watch && watch(user, (double)f.first / total))
      EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped while the grid was made");
    EQS_TRY(workspace_run(w, total - f.first < RUN ? total - f.first : RUN, fill_block, &f));
  }
  return EQS_OK;
}
