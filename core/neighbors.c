/* neighbors.c -- all pairs within a cutoff by cell lists in fractional space, O(n).
 *
 * Each system's periodic vectors are first reduced (Minkowski, by Semaev's algorithm in three
 * dimensions), so that even a very oblique cell needs few images; directions that are not periodic
 * get unit vectors normal to the rest. Atoms are wrapped and binned there with bins of half a
 * cutoff (kernels/search.h, which devices search with, too). Blocks of atoms are searched twice, to
 * count and to fill: every edge has its place before any is written, whichever thread writes it.
 *
 * I. Semaev, A 3-dimensional lattice reduction algorithm, LNCS 2146 (2001) 181.
 * SPDX-License-Identifier: MIT */
#include "core/neighbors.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/search.h"

enum { MIN_EDGES = 1024 };
static const double largest = SEARCH_LARGEST, closest = SEARCH_CLOSEST;

/* One build. */
struct search {
  neighbors *nb;
  const eqs_systems *s;
  double cutoff;
  int n_center; /* atoms 0 .. n_center - 1 have edges */
  int fill;     /* 0: count into first[i + 1]; 1: write the edges */
  search_box *box;
  search_cells cells;
};

static double dot(const double a[3], const double b[3]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double a[3], const double b[3], double out[3]) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

double cell_volume(const double cell[9]) {
  double n[3];
  cross(cell + 3, cell + 6, n);
  return dot(cell, n);
}

int cell_inverse(const double cell[9], double inverse[9]) {
  double face[3][3];
  for (int k = 0; k < 3; k++) cross(cell + 3 * ((k + 1) % 3), cell + 3 * ((k + 2) % 3), face[k]);
  double volume = dot(cell, face[0]);
  double size =
      sqrt(dot(cell, cell)) * sqrt(dot(cell + 3, cell + 3)) * sqrt(dot(cell + 6, cell + 6));
  if (!isfinite(volume) || !isfinite(size) || !(fabs(volume) > 1e-14 * size)) return 0;
  for (int k = 0; k < 3; k++)
    for (int a = 0; a < 3; a++) inverse[3 * a + k] = face[k][a] / volume;
  return 1;
}

void cell_widths(const double cell[9], double width[3]) {
  double volume = fabs(cell_volume(cell));
  for (int k = 0; k < 3; k++) {
    double face[3];
    cross(cell + 3 * ((k + 1) % 3), cell + 3 * ((k + 2) % 3), face);
    double area = sqrt(dot(face, face));
    width[k] = area > 0 ? volume / area : 0;
  }
}

/* ---- lattice reduction */

static void swap_rows(search_box *b, int k, int l) {
  for (int a = 0; a < 3; a++) {
    double t = b->basis[k][a];
    b->basis[k][a] = b->basis[l][a];
    b->basis[l][a] = t;
    t = b->turn[k][a];
    b->turn[k][a] = b->turn[l][a];
    b->turn[l][a] = t;
  }
}

/* basis[k] -= m basis[l] */
static void subtract_row(search_box *b, int k, int l, double m) {
  for (int a = 0; a < 3; a++) {
    b->basis[k][a] -= m * b->basis[l][a];
    b->turn[k][a] -= m * b->turn[l][a];
  }
}

/* Lagrange: then |row k| <= |row l|, at an angle of 60 to 120 degrees. Returns 0 if singular. */
static int reduce_two(search_box *b, int k, int l) {
  for (int step = 0; step < 200; step++) {
    double kk = dot(b->basis[k], b->basis[k]), ll = dot(b->basis[l], b->basis[l]);
    if (!(kk > closest * closest) || !(ll > closest * closest)) return 0;
    if (kk > ll) {
      swap_rows(b, k, l);
      kk = ll;
    }
    double m = round(dot(b->basis[k], b->basis[l]) / kk);
    if (m == 0) return 1;
    subtract_row(b, l, k, m);
    if (dot(b->basis[l], b->basis[l]) >= kk) return 1;
  }
  return 0;
}

/* Shortens row 2 by multiples of the reduced rows 0 and 1. 1 if that made it shorter. */
static int shorten_third(search_box *b) {
  double(*v)[3] = b->basis;
  double aa = dot(v[0], v[0]), bb = dot(v[1], v[1]), ab = dot(v[0], v[1]);
  double ac = dot(v[0], v[2]), bc = dot(v[1], v[2]), det = aa * bb - ab * ab;
  double x = floor((ac * bb - bc * ab) / det), y = floor((bc * aa - ac * ab) / det);
  double best = dot(v[2], v[2]) * (1 - 1e-9), best_x = 0, best_y = 0;
  for (int k = 0; k < 4; k++) {
    double mx = x + (k & 1), my = y + (k >> 1), w[3];
    for (int a = 0; a < 3; a++) w[a] = v[2][a] - mx * v[0][a] - my * v[1][a];
    if (dot(w, w) < best) {
      best = dot(w, w);
      best_x = mx;
      best_y = my;
    }
  }
  subtract_row(b, 2, 0, best_x);
  subtract_row(b, 2, 1, best_y);
  return best_x != 0 || best_y != 0;
}

/* Rows of the periodic directions in `basis` become a reduced basis of the same lattice. */
static int reduce_cell(search_box *b) {
  int p[3], m = 0;
  for (int k = 0; k < 3; k++)
    if (b->pbc[k]) p[m++] = k;
  if (m == 1) return dot(b->basis[p[0]], b->basis[p[0]]) > closest * closest;
  if (m == 2) return reduce_two(b, p[0], p[1]);
  for (int step = 0; m == 3 && step < 200; step++) {
    if (!reduce_two(b, 0, 1)) return 0;
    if (dot(b->basis[2], b->basis[2]) < dot(b->basis[1], b->basis[1])) {
      swap_rows(b, 1, 2);
      continue;
    }
    if (!shorten_third(b)) return 1;
    if (!(dot(b->basis[2], b->basis[2]) > closest * closest)) return 0;
  }
  return m == 0;
}

/* Gives every direction that is not periodic a unit vector normal to the directions before it
 * and to the periodic ones. */
static void complete_basis(search_box *b) {
  int have[3];
  memcpy(have, b->pbc, sizeof have);
  for (int k = 0; k < 3; k++) {
    if (have[k]) continue;
    int l = (k + 1) % 3, m = (k + 2) % 3;
    double v[3] = {0, 0, 0};
    if (have[l] && have[m]) {
      cross(b->basis[l], b->basis[m], v);
    } else if (have[l] || have[m]) {
      const double *u = b->basis[have[l] ? l : m];
      double axis[3] = {0, 0, 0};
      int small = fabs(u[0]) <= fabs(u[1]) ? 0 : 1;
      if (fabs(u[2]) < fabs(u[small])) small = 2;
      axis[small] = 1;
      cross(u, axis, v);
    } else {
      v[k] = 1;
    }
    double length = sqrt(dot(v, v));
    for (int a = 0; a < 3; a++) b->basis[k][a] = v[a] / length;
    have[k] = 1;
  }
}

/* ---- setting up one system */

/* What can be said without positions. */
static eqs_status set_cell(const eqs_systems *s, int k, double cutoff, search_box *b) {
  *b = (search_box){.system = k + 1, .first = s->first[k], .cutoff = cutoff};
  b->n = s->first[k + 1] - s->first[k];
  b->cutoff2 = cutoff * cutoff;
  for (int d = 0; d < 3; d++) {
    b->pbc[d] = s->pbc && s->pbc[3 * (size_t)k + (size_t)d];
    for (int a = 0; a < 3; a++) {
      b->turn[d][a] = d == a;
      b->cell[d][a] = b->pbc[d] && s->cell ? s->cell[9 * (size_t)k + (size_t)(3 * d + a)] : 0;
      if (!(fabs(b->cell[d][a]) <= largest))
        EQS_FAIL(EQS_ERR_ARGUMENT,
                 "system %d: lattice vector %d is not finite, or beyond 1e9 angstrom", k + 1,
                 d + 1);
    }
  }
  return EQS_OK;
}

static eqs_status set_basis(search_box *b) {
  memcpy(b->basis, b->cell, sizeof b->cell);
  if (!reduce_cell(b))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "system %d: the cell is singular (its periodic lattice vectors are zero or linearly "
             "dependent); give a cell with a volume or set pbc to 0",
             b->system);
  for (int k = 0; k < 3; k++)
    for (int a = 0; b->pbc[k] && a < 3; a++) {
      b->basis[k][a] = 0;
      for (int l = 0; l < 3; l++) b->basis[k][a] += b->turn[k][l] * b->cell[l][a];
    }
  complete_basis(b);
  const double *basis = (const double *)b->basis;
  if (!cell_inverse(basis, b->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: the cell is singular", b->system);
  cell_widths(basis, b->width);
  return EQS_OK;
}

static eqs_status too_many(const search_box *b, const char *cure) {
  EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: more than 1e8 pairs within the cutoff of %g angstrom; %s",
           b->system, b->cutoff, cure);
}

static eqs_status set_range(search_box *b, const double (*x)[3]) {
  double low[3], high[3], farthest = 0;
  for (int k = 0; k < 3; k++) {
    low[k] = INFINITY;
    high[k] = -INFINITY;
  }
  for (int i = 0; i < b->n; i++)
    if (!search_extend(b, x[b->first + i], low, high, &farthest))
      EQS_FAIL(EQS_ERR_ARGUMENT,
               "system %d, atom %d: the position is not finite, or beyond 1e9 angstrom; check "
               "the structure",
               b->system, i + 1);
  switch (search_set_range(b, low, high, farthest)) {
  case SEARCH_FINE: break;
  case SEARCH_TOO_MANY:
    return too_many(b, "the cell is too small or the structure too dense for it");
  default:
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "system %d: atoms lie so many cells away, or the cell is so skew, that distances are "
             "lost to rounding; wrap the positions into a reduced cell",
             b->system);
  }
  search_set_bins(b);
  return EQS_OK;
}

/* ---- search */

static void bin_atoms(const search_box *b, const search_cells *w) {
  size_t n_bin = (size_t)b->bins[0] * (size_t)b->bins[1] * (size_t)b->bins[2];
  int *first = w->first + search_first_bin(b), end = b->first + b->n;
  memset(first, 0, (n_bin + 1) * sizeof *first);
  for (int i = b->first; i < end; i++) {
    w->bin[i] = search_bin(b, w->x[i], w->wrap[i]);
    first[w->bin[i] + 1]++;
  }
  first[0] = b->first;
  for (size_t k = 0; k < n_bin; k++) first[k + 1] += first[k];
  for (int i = b->first; i < end; i++) search_place(w, b, i, first[w->bin[i]]++);
  memmove(first + 1, first, n_bin * sizeof *first);
  first[0] = b->first;
}

/* A new array in the place of the old, whose contents nobody needs. */
static eqs_status renew(void *array, size_t n, size_t size) {
  void *old = NULL, *new = NULL;
  memcpy(&old, array, sizeof old);
  free(old);
  memcpy(array, &new, sizeof new);
  EQS_TRY(alloc_array(&new, n, size, "the neighbour list"));
  memcpy(array, &new, sizeof new);
  return EQS_OK;
}

/* A sixteenth more than needed: as atoms move, the number of edges varies. */
static eqs_status reserve_edges(neighbors *nb, size_t want) {
  if (nb->center && want <= nb->edge_capacity) return EQS_OK;
  size_t n = want + want / 16 + MIN_EDGES;
  nb->edge_capacity = 0;
  EQS_TRY(renew(&nb->center, n, sizeof *nb->center));
  EQS_TRY(renew(&nb->neighbor, n, sizeof *nb->neighbor));
  EQS_TRY(renew(&nb->image, n, sizeof *nb->image));
  EQS_TRY(renew(&nb->vector, n, sizeof *nb->vector));
  EQS_TRY(renew(&nb->transpose, n, sizeof *nb->transpose));
  nb->edge_capacity = n;
  return EQS_OK;
}

static int edge_before(const neighbors *nb, int neighbor, const int image[3], size_t e) {
  return search_before(neighbor, image, nb->neighbor[e], nb->image[e]);
}

/* Shell sort of one centre's edges: in place, and a plain insertion sort for most. */
static void sort_edges(neighbors *nb, size_t first, size_t end) {
  size_t gap = 1;
  while (gap < (end - first) / 4) gap = gap * 9 / 4 + 1;
  for (;; gap = gap * 4 / 9) {
    for (size_t e = first + gap; e < end; e++) {
      int j = nb->neighbor[e], image[3];
      double v[3];
      memcpy(image, nb->image[e], sizeof image);
      memcpy(v, nb->vector[e], sizeof v);
      size_t at = e;
      for (; at >= first + gap && edge_before(nb, j, image, at - gap); at -= gap) {
        nb->neighbor[at] = nb->neighbor[at - gap];
        memcpy(nb->image[at], nb->image[at - gap], sizeof image);
        memcpy(nb->vector[at], nb->vector[at - gap], sizeof v);
      }
      nb->neighbor[at] = j;
      memcpy(nb->image[at], image, sizeof image);
      memcpy(nb->vector[at], v, sizeof v);
    }
    if (gap <= 1) return;
  }
}

static eqs_status touching(const search_box *b, int i, const search_contact *c) {
  int j = c->neighbor - b->first;
  i -= b->first;
  EQS_FAIL(EQS_ERR_ARGUMENT,
           "system %d: atoms %d and %d are on one place (%.2g angstrom apart%s); remove one",
           b->system, (i < j ? i : j) + 1, (i < j ? j : i) + 1, sqrt(c->r2),
           c->is_image ? ", one of them being a periodic image" : "");
}

/* Atom i of the batch. */
static eqs_status search_one(const struct search *a, search_box *b, int i) {
  neighbors *nb = a->nb;
  search_contact contact = {0};
  if (a->fill) {
    search_list to = {.neighbor = nb->neighbor, .image = nb->image, .vector = nb->vector};
    int begin = nb->first[i], end = nb->first[i + 1];
    if (search_atom(&a->cells, b, &to, i, begin, &contact) < 0) return touching(b, i, &contact);
    for (int e = begin; e < end; e++) nb->center[e] = i;
    sort_edges(nb, (size_t)begin, (size_t)end);
    return EQS_OK;
  }
  int64_t pairs;
  int found = search_atom(&a->cells, b, NULL, i, 0, &contact);
  if (found < 0) return touching(b, i, &contact);
#pragma omp atomic read
  pairs = b->pairs;
  if (pairs + found > SEARCH_PAIRS) return too_many(b, "use fewer atoms");
#pragma omp atomic
  b->pairs += found;
  nb->first[i + 1] = found;
  return EQS_OK;
}

static eqs_status search_task(void *argument, int block, arena *scratch) {
  const struct search *a = argument;
  int n = a->n_center, end = block_end(block, n);
  (void)scratch;
  for (int i = block_begin(block, n); i < end;) {
    search_box *b = a->box + search_system(a->box, a->s->n_system, i);
    for (; i < end && i < b->first + b->n; i++) EQS_TRY(search_one(a, b, i));
  }
  return EQS_OK;
}

static eqs_status set_box(const struct search *a, int k) {
  search_box *b = a->box + k;
  EQS_TRY(set_cell(a->s, k, a->cutoff, b));
  EQS_TRY(set_basis(b));
  if (!b->n) return EQS_OK;
  EQS_TRY(set_range(b, a->cells.x));
  bin_atoms(b, &a->cells);
  return EQS_OK;
}

static eqs_status box_task(void *argument, int block, arena *scratch) {
  const struct search *a = argument;
  (void)scratch;
  for (int k = block_begin(block, a->s->n_system); k < block_end(block, a->s->n_system); k++)
    EQS_TRY(set_box(a, k));
  return EQS_OK;
}

/* ---- the batch */

eqs_status neighbors_check(const eqs_systems *s, double cutoff) {
  if (!s || s->n_system < 0 || (s->n_system && !s->first) || (s->n_system && s->first[0] != 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a batch needs n_system >= 0 and offsets that start at 0");
  if (!(cutoff > 0) || !(cutoff <= largest))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a cutoff of %g angstrom makes no sense", cutoff);
  for (int k = 0; k < s->n_system; k++) {
    if (s->first[k + 1] < s->first[k])
      EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: its atom offsets decrease", k + 1);
    int n = s->first[k + 1] - s->first[k];
    if (n > INT_MAX / 8) EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: %d atoms are too many", k + 1, n);
    for (int d = 0; d < 3; d++)
      if (s->pbc && s->pbc[3 * (size_t)k + (size_t)d] && !s->cell)
        EQS_FAIL(EQS_ERR_ARGUMENT, "system %d is periodic but no cell is given", k + 1);
  }
  if (s->n_system && s->first[s->n_system] > 0 && !s->position)
    EQS_FAIL(EQS_ERR_ARGUMENT, "positions are missing");
  return EQS_OK;
}

static eqs_status reserve_atoms(neighbors *nb, size_t n) {
  if (nb->transpose_first && n <= nb->atom_capacity) return EQS_OK;
  nb->atom_capacity = 0;
  EQS_TRY(renew(&nb->first, n + 1, sizeof *nb->first));
  EQS_TRY(renew(&nb->transpose_first, n + 1, sizeof *nb->transpose_first));
  nb->atom_capacity = n;
  return EQS_OK;
}

static void transpose(neighbors *nb) {
  int *at = nb->transpose_first;
  memset(at, 0, ((size_t)nb->n + 1) * sizeof *at);
  for (int e = 0; e < nb->n_edge; e++) at[nb->neighbor[e] + 1]++;
  for (int j = 0; j < nb->n; j++) at[j + 1] += at[j];
  for (int e = 0; e < nb->n_edge; e++) nb->transpose[at[nb->neighbor[e]]++] = e;
  memmove(at + 1, at, (size_t)nb->n * sizeof *at);
  at[0] = 0;
}

static eqs_status take_cells(neighbors *nb, size_t n, size_t n_system, search_cells *w) {
  arena *a = &nb->scratch;
  EQS_TRY(arena_take(a, n, sizeof *w->wrapped, &w->wrapped));
  EQS_TRY(arena_take(a, n, sizeof *w->wrap, &w->wrap));
  EQS_TRY(arena_take(a, n, sizeof *w->bin, &w->bin));
  EQS_TRY(arena_take(a, n, sizeof *w->order, &w->order));
  EQS_TRY(arena_take(a, n, sizeof *w->slot, &w->slot));
  return arena_take(a, 4 * n + 65 * n_system, sizeof *w->first, &w->first);
}

/* From counts in first[i + 1] to offsets. */
static eqs_status place_edges(neighbors *nb) {
  int64_t sum = 0;
  nb->first[0] = 0;
  for (int i = 0; i < nb->n; i++) {
    sum += nb->first[i + 1];
    if (sum > INT_MAX - SEARCH_PAIRS)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the batch has too many pairs; split it");
    nb->first[i + 1] = (int)sum;
  }
  EQS_TRY(reserve_edges(nb, (size_t)sum));
  nb->n_edge = (int)sum;
  return EQS_OK;
}

/* Makes room for n atoms, of which those from n_center on have no edges. */
static eqs_status begin_list(neighbors *nb, int n, int n_center) {
  nb->n = n;
  nb->n_edge = 0;
  EQS_TRY(reserve_atoms(nb, (size_t)n));
  memset(nb->first + n_center + 1, 0, (size_t)(n - n_center) * sizeof *nb->first);
  arena_reset(&nb->scratch);
  return EQS_OK;
}

/* n_center: -1 = all. */
static eqs_status build(neighbors *nb, workspace *work, const eqs_systems *s, int n_center,
                        double cutoff) {
  int n = s->n_system ? s->first[s->n_system] : 0;
  struct search a = {.nb = nb, .s = s, .cutoff = cutoff, .n_center = n_center < 0 ? n : n_center};
  a.cells.x = (const double(*)[3])s->position;
  size_t n_system = (size_t)s->n_system;
  EQS_TRY(begin_list(nb, n, a.n_center));
  EQS_TRY(arena_take_zero(&nb->scratch, n_system, sizeof *a.box, &a.box));
  EQS_TRY(take_cells(nb, (size_t)nb->n, n_system, &a.cells));
  EQS_TRY(workspace_run(work, block_count(s->n_system), box_task, &a));
  EQS_TRY(workspace_run(work, block_count(a.n_center), search_task, &a));
  EQS_TRY(place_edges(nb));
  a.fill = 1;
  EQS_TRY(workspace_run(work, block_count(a.n_center), search_task, &a));
  transpose(nb);
  return EQS_OK;
}

eqs_status neighbors_boxes(const eqs_systems *s, double cutoff, search_box *box) {
  for (int k = 0; k < s->n_system; k++) {
    EQS_TRY(set_cell(s, k, cutoff, box + k));
    EQS_TRY(set_basis(box + k));
  }
  return EQS_OK;
}

static eqs_status build_for(neighbors *nb, const eqs_systems *s, int n_center, double cutoff) {
  EQS_TRY(neighbors_check(s, cutoff));
  arena thread = {0};
  workspace alone = {.threads = 1, .n_thread_arena = 1, .thread = &thread};
  return build(nb, nb->work ? nb->work : &alone, s, n_center, cutoff);
}

eqs_status neighbors_build(neighbors *nb, const eqs_systems *s, double cutoff) {
  return build_for(nb, s, -1, cutoff);
}

eqs_status neighbors_build_owned(neighbors *nb, const eqs_systems *s, int n_owned, double cutoff) {
  return build_for(nb, s, n_owned, cutoff);
}

/* ---- a list of the caller's */

typedef struct given_list {
  neighbors *nb;
  const double (*x)[3];
  search_box box; /* without periods */
  const int64_t *first;
  const int *neighbor;
  int fill;
} given_list;

/* Neighbour q of atom i, if it is near enough: *r2 is negative if not. */
static eqs_status given_edge(const given_list *g, int i, int64_t q, double v[3], double *r2) {
  static const int home[3] = {0, 0, 0};
  int j = g->neighbor[q];
  if (j < 0 || j >= g->nb->n)
    EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d: its neighbour %lld does not exist (there are %d atoms)",
             i + 1, j + 1LL, g->nb->n);
  if (j == i) EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d is a neighbour of itself", i + 1);
  *r2 = search_vector(&g->box, g->x[i], g->x[j], home, v);
  if (!(*r2 < g->box.cutoff2)) *r2 = -1;
  else if (*r2 < closest * closest)
    EQS_FAIL(EQS_ERR_ARGUMENT, "atoms %d and %d are on one place (%.2g angstrom apart); remove one",
             i + 1, j + 1, sqrt(*r2));
  return EQS_OK;
}

static eqs_status given_atom(const given_list *g, int i) {
  neighbors *nb = g->nb;
  int64_t found = 0;
  double v[3], r2;
  int at = g->fill ? nb->first[i] : 0, begin = at;
  for (int64_t q = g->first[i]; q < g->first[i + 1]; q++) {
    EQS_TRY(given_edge(g, i, q, v, &r2));
    if (r2 < 0) continue;
    found++;
    if (!g->fill) continue;
    nb->center[at] = i;
    nb->neighbor[at] = g->neighbor[q];
    memset(nb->image[at], 0, sizeof *nb->image);
    memcpy(nb->vector[at++], v, sizeof v);
  }
  if (!g->fill) {
    if (found > SEARCH_PAIRS) return too_many(&g->box, "the list of an atom is too long");
    nb->first[i + 1] = (int)found;
    return EQS_OK;
  }
  sort_edges(nb, (size_t)begin, (size_t)at);
  for (int e = begin + 1; e < at; e++)
    if (nb->neighbor[e] == nb->neighbor[e - 1])
      EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d: its neighbour %d is given twice", i + 1,
               nb->neighbor[e] + 1);
  return EQS_OK;
}

typedef struct given_blocks {
  const given_list *g;
  int n;
} given_blocks;

static eqs_status given_task(void *argument, int block, arena *scratch) {
  const given_blocks *t = argument;
  (void)scratch;
  for (int i = block_begin(block, t->n); i < block_end(block, t->n); i++)
    EQS_TRY(given_atom(t->g, i));
  return EQS_OK;
}

eqs_status neighbors_take(neighbors *nb, const eqs_systems *s, int n_owned, const int64_t *first,
                          const int *neighbor, double cutoff) {
  given_list g = {
      .nb = nb, .x = (const double(*)[3])s->position, .first = first, .neighbor = neighbor};
  given_blocks t = {&g, n_owned};
  arena thread = {0};
  workspace alone = {.threads = 1, .n_thread_arena = 1, .thread = &thread};
  workspace *work = nb->work ? nb->work : &alone;
  EQS_TRY(neighbors_check(s, cutoff));
  EQS_TRY(set_cell(s, 0, cutoff, &g.box));
  if (first[0] != 0) EQS_FAIL(EQS_ERR_ARGUMENT, "the list of neighbours does not begin at 0");
  for (int i = 0; i < n_owned; i++)
    if (first[i + 1] < first[i])
      EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d: its neighbours end before they begin", i + 1);
  EQS_TRY(begin_list(nb, s->first[1], n_owned));
  EQS_TRY(workspace_run(work, block_count(n_owned), given_task, &t));
  EQS_TRY(place_edges(nb));
  g.fill = 1;
  EQS_TRY(workspace_run(work, block_count(n_owned), given_task, &t));
  transpose(nb);
  return EQS_OK;
}

void neighbors_free(neighbors *nb) {
  if (!nb) return;
  free(nb->first);
  free(nb->center);
  free(nb->neighbor);
  free(nb->image);
  free(nb->vector);
  free(nb->transpose_first);
  free(nb->transpose);
  arena_free(&nb->scratch);
  memset(nb, 0, sizeof *nb);
}
