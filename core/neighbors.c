/* neighbors.c -- all pairs within a cutoff by cell lists in fractional space, O(n).
 *
 * Each system's periodic vectors are first reduced (Minkowski, by Semaev's algorithm in three
 * dimensions), so that even a very oblique cell needs few images; directions that are not periodic
 * get unit vectors normal to the rest. Atoms are wrapped and binned there with bins of half a
 * cutoff. A candidate found among the wrapped atoms is decided on by v = (x[j] - x[i]) + S . cell
 * from the given positions: rounding is symmetric, so (i,j,S) and (j,i,-S) are exactly opposite.
 * Blocks of atoms are searched twice, to count and to fill: every edge has its place before any is
 * written, whichever thread writes it.
 *
 * I. Semaev, A 3-dimensional lattice reduction algorithm, LNCS 2146 (2001) 181.
 * SPDX-License-Identifier: MIT */
#include "core/neighbors.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SYSTEM_EDGES = 100000000, MIN_EDGES = 1024 };
static const double largest = 1e9;  /* angstrom: beyond, doubles no longer resolve a bond */
static const double closest = 1e-3; /* angstrom: nearer atoms are one atom given twice */

/* One system as the search sees it. */
struct box {
  int system;      /* from 1, for messages */
  int first, n;    /* atoms of the batch */
  int pairs;       /* found so far by all threads, at most little more than SYSTEM_EDGES */
  const double *x; /* [n][3] as given */
  int pbc[3];
  double cell[3][3];    /* as given; rows that are not periodic are zero */
  double basis[3][3];   /* reduced and completed */
  double turn[3][3];    /* integers: periodic rows of basis = turn . cell */
  int image_turn[3][3]; /* the same as int, once it is known to fit */
  double inverse[9];
  double width[3];
  double low[3], span[3]; /* range of fractional coordinates that the bins cover */
  double range;           /* cutoff and slack for rounding, angstrom */
  double cutoff2;
  int bins[3], reach[3];
};

/* Cell lists of a batch; of one system after `cells_of`. */
struct cells {
  double (*wrapped)[3]; /* in bin order */
  int (*wrap)[3];       /* lattice translation (in the reduced basis) from wrapped to given */
  int *bin, *order, *slot, *first;
};

/* One build. */
struct search {
  neighbors *nb;
  const eqs_systems *s;
  double cutoff;
  int fill; /* 0: count into first[i + 1]; 1: write the edges */
  struct box *box;
  struct cells cells;
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

static void swap_rows(struct box *b, int k, int l) {
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
static void subtract_row(struct box *b, int k, int l, double m) {
  for (int a = 0; a < 3; a++) {
    b->basis[k][a] -= m * b->basis[l][a];
    b->turn[k][a] -= m * b->turn[l][a];
  }
}

/* Lagrange: then |row k| <= |row l|, at an angle of 60 to 120 degrees. Returns 0 if singular. */
static int reduce_two(struct box *b, int k, int l) {
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
static int shorten_third(struct box *b) {
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
static int reduce_cell(struct box *b) {
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
static void complete_basis(struct box *b) {
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

static eqs_status check_system(const eqs_systems *s, int k, struct box *b) {
  b->system = k + 1;
  b->first = s->first[k];
  b->n = s->first[k + 1] - s->first[k];
  b->x = b->n ? s->position + 3 * (size_t)s->first[k] : NULL;
  for (int i = 0; i < b->n; i++)
    for (int a = 0; a < 3; a++)
      if (!(fabs(b->x[3 * (size_t)i + (size_t)a]) <= largest))
        EQS_FAIL(EQS_ERR_ARGUMENT,
                 "system %d, atom %d: the position is not finite, or beyond 1e9 angstrom; check "
                 "the structure",
                 k + 1, i + 1);
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

static eqs_status set_basis(struct box *b) {
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

static void fractional(const struct box *b, int i, double f[3]) {
  const double *x = b->x + 3 * (size_t)i, *v = b->inverse;
  for (int k = 0; k < 3; k++) f[k] = x[0] * v[k] + x[1] * v[3 + k] + x[2] * v[6 + k];
}

/* Range of fractional coordinates, and the proof that image indices fit an int. Sets low, span,
 * image_turn, range. */
static eqs_status set_range(struct box *b, double cutoff) {
  double high[3] = {0, 0, 0}, translations = 0, longest = 0, farthest = 0;
  for (int i = 0; i < b->n; i++) {
    double f[3];
    fractional(b, i, f);
    for (int k = 0; k < 3; k++) {
      if (i == 0 || f[k] < b->low[k]) b->low[k] = f[k];
      if (i == 0 || f[k] > high[k]) high[k] = f[k];
      farthest = fmax(farthest, fabs(b->x[3 * (size_t)i + (size_t)k]));
    }
  }
  double images = 1;
  for (int k = 0; k < 3; k++) {
    b->span[k] = b->pbc[k] ? 1 : high[k] - b->low[k];
    if (!b->pbc[k]) continue;
    images *= 2 * floor(cutoff / b->width[k]) + 1;
    double turn = 0;
    double most = cutoff / b->width[k] + 2 + 2 * fmax(fabs(high[k]), fabs(b->low[k]));
    for (int a = 0; a < 3; a++) {
      turn = fmax(turn, fabs(b->turn[k][a]));
      longest = fmax(longest, fabs(b->cell[k][a]));
    }
    translations += most * turn;
    b->low[k] = 0;
  }
  double volume = b->width[0] * b->width[1] * b->width[2]; /* a lower bound */
  double dense = b->pbc[0] && b->pbc[1] && b->pbc[2]
                     ? 4.0 * cutoff * cutoff * cutoff / (2 * volume) * b->n * (double)b->n
                     : 0;
  /* An atom's own images in the cutoff are at least a fifth of those in the box around it. */
  int periodic = b->pbc[0] + b->pbc[1] + b->pbc[2];
  double share = periodic == 1 ? 1.01 : periodic == 2 ? 2 : 5;
  if (images * b->n > share * SYSTEM_EDGES || dense > 4.0 * SYSTEM_EDGES)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "system %d: more than 1e8 pairs within the cutoff of %g angstrom; the cell is too "
             "small or the structure too dense for it",
             b->system, cutoff);
  double slack = 2e-14 * (cutoff + farthest + translations * longest);
  if (!(translations < 1e9) || !(slack < 0.02))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "system %d: atoms lie so many cells away, or the cell is so skew, that distances are "
             "lost to rounding; wrap the positions into a reduced cell",
             b->system);
  for (int k = 0; k < 3; k++)
    for (int a = 0; a < 3; a++) b->image_turn[k][a] = b->pbc[k] ? (int)b->turn[k][a] : 0;
  b->range = cutoff + slack;
  b->cutoff2 = cutoff * cutoff;
  return EQS_OK;
}

/* Bins of about half the range, at most 4 n + 64 of them. */
static void set_bins(struct box *b) {
  double count[3], size[3];
  for (int k = 0; k < 3; k++) {
    size[k] = b->width[k] * b->span[k];
    count[k] = fmin(fmax(1, floor(2 * size[k] / b->range)), largest);
  }
  double most = 4.0 * b->n + 64;
  while (count[0] * count[1] * count[2] > most) {
    int k = count[0] > count[1] ? 0 : 1;
    if (count[2] > count[k]) k = 2;
    double others = count[0] * count[1] * count[2] / count[k];
    count[k] = fmax(1, fmin(floor(count[k] / 2), fmax(floor(most / others), 1)));
  }
  for (int k = 0; k < 3; k++) {
    b->bins[k] = (int)count[k];
    /* Without periods, bins past the last are never visited. */
    double reach = size[k] > 0 ? ceil(b->range / (size[k] / count[k])) : 0;
    b->reach[k] = (int)(b->pbc[k] ? reach : fmin(reach, count[k]));
  }
}

/* ---- search */

/* A system has at most 4 n + 64 bins. */
static struct cells cells_of(const struct search *a, const struct box *b) {
  struct cells w = a->cells;
  size_t first = (size_t)b->first;
  w.wrapped += first;
  w.wrap += first;
  w.bin += first;
  w.order += first;
  w.slot += first;
  w.first += 4 * first + 65 * (size_t)(b->system - 1);
  return w;
}

static void bin_atoms(const struct box *b, const struct cells *w) {
  size_t n_bin = (size_t)b->bins[0] * (size_t)b->bins[1] * (size_t)b->bins[2];
  memset(w->first, 0, (n_bin + 1) * sizeof *w->first);
  for (int i = 0; i < b->n; i++) {
    double f[3];
    int at[3];
    fractional(b, i, f);
    for (int k = 0; k < 3; k++) {
      double down = b->pbc[k] ? floor(f[k]) : 0;
      w->wrap[i][k] = (int)down;
      double t = b->span[k] > 0 ? (f[k] - down - b->low[k]) / b->span[k] * b->bins[k] : 0;
      at[k] = (int)fmin(fmax(t, 0), b->bins[k] - 1);
    }
    w->bin[i] = (at[0] * b->bins[1] + at[1]) * b->bins[2] + at[2];
    w->first[w->bin[i] + 1]++;
  }
  for (size_t k = 0; k < n_bin; k++) w->first[k + 1] += w->first[k];
  for (int i = 0; i < b->n; i++) {
    int at = w->first[w->bin[i]]++;
    w->order[at] = i;
    w->slot[i] = at;
    for (int a = 0; a < 3; a++) {
      double x = b->x[3 * (size_t)i + (size_t)a];
      for (int k = 0; k < 3; k++)
        if (b->pbc[k]) x -= w->wrap[i][k] * b->basis[k][a];
      w->wrapped[at][a] = x;
    }
  }
  memmove(w->first + 1, w->first, n_bin * sizeof *w->first);
  w->first[0] = 0;
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

/* Adds the edge at *at if it is one; without a list it is only counted. `shift` is the translation
 * in the reduced basis. */
static eqs_status add_edge(neighbors *nb, size_t *at, const struct box *b, int i, int j,
                           const int shift[3]) {
  int image[3];
  double v[3];
  for (int a = 0; a < 3; a++)
    image[a] = shift[0] * b->image_turn[0][a] + shift[1] * b->image_turn[1][a] +
               shift[2] * b->image_turn[2][a];
  for (int a = 0; a < 3; a++) {
    double translation =
        image[0] * b->cell[0][a] + image[1] * b->cell[1][a] + image[2] * b->cell[2][a];
    v[a] = (b->x[3 * (size_t)j + (size_t)a] - b->x[3 * (size_t)i + (size_t)a]) + translation;
  }
  double r2 = dot(v, v);
  if (!(r2 < b->cutoff2)) return EQS_OK;
  if (r2 < closest * closest)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "system %d: atoms %d and %d are on one place (%.2g angstrom apart%s); remove one",
             b->system, (i < j ? i : j) + 1, (i < j ? j : i) + 1, sqrt(r2),
             image[0] || image[1] || image[2] ? ", one of them being a periodic image" : "");
  size_t e = (*at)++;
  if (!nb) return EQS_OK;
  nb->center[e] = b->first + i;
  nb->neighbor[e] = b->first + j;
  memcpy(nb->image[e], image, sizeof image);
  memcpy(nb->vector[e], v, sizeof v);
  return EQS_OK;
}

/* Candidates of centre i in the slots begin .. end-1, whose image is `image` in the reduced basis.
 */
static eqs_status search_bins(neighbors *nb, size_t *at, const struct box *b, const struct cells *w,
                              int i, int begin, int end, const int image[3]) {
  if (begin == end) return EQS_OK;
  const double *c = w->wrapped[w->slot[i]];
  double from[3], range2 = b->range * b->range;
  for (int a = 0; a < 3; a++)
    from[a] =
        c[a] - (image[0] * b->basis[0][a] + image[1] * b->basis[1][a] + image[2] * b->basis[2][a]);
  int home = image[0] == 0 && image[1] == 0 && image[2] == 0;
  for (int k = begin; k < end; k++) {
    const double *x = w->wrapped[k];
    double d[3] = {x[0] - from[0], x[1] - from[1], x[2] - from[2]};
    int j = w->order[k];
    if (!(dot(d, d) < range2) || (home && j == i)) continue;
    int shift[3];
    for (int a = 0; a < 3; a++) shift[a] = image[a] - w->wrap[j][a] + w->wrap[i][a];
    EQS_TRY(add_edge(nb, at, b, i, j, shift));
  }
  return EQS_OK;
}

/* Bin `at` beside the home bin: its index within the bins and its image. 0 if there is none. */
static int find_bin(const struct box *b, int k, int at, int *bin, int *image) {
  int n = b->bins[k];
  *image = at >= 0 ? at / n : -((-at + n - 1) / n);
  *bin = at - *image * n;
  return b->pbc[k] || *image == 0;
}

static eqs_status search_atom(neighbors *nb, size_t *at, const struct box *b, const struct cells *w,
                              int i) {
  int z = w->bin[i] % b->bins[2], y = w->bin[i] / b->bins[2] % b->bins[1];
  int x = w->bin[i] / b->bins[2] / b->bins[1], p, q, r, image[3];
  for (int dx = -b->reach[0]; dx <= b->reach[0]; dx++) {
    if (!find_bin(b, 0, x + dx, &p, &image[0])) continue;
    for (int dy = -b->reach[1]; dy <= b->reach[1]; dy++) {
      if (!find_bin(b, 1, y + dy, &q, &image[1])) continue;
      for (int dz = -b->reach[2]; dz <= b->reach[2]; dz++) {
        if (!find_bin(b, 2, z + dz, &r, &image[2])) continue;
        /* The bins up to the cell's end lie side by side. */
        int more = b->bins[2] - 1 - r < b->reach[2] - dz ? b->bins[2] - 1 - r : b->reach[2] - dz;
        int bin = (p * b->bins[1] + q) * b->bins[2] + r;
        EQS_TRY(search_bins(nb, at, b, w, i, w->first[bin], w->first[bin + more + 1], image));
        dz += more;
      }
    }
  }
  return EQS_OK;
}

static int edge_before(const neighbors *nb, int neighbor, const int image[3], size_t e) {
  if (neighbor != nb->neighbor[e]) return neighbor < nb->neighbor[e];
  for (int a = 0; a < 2; a++)
    if (image[a] != nb->image[e][a]) return image[a] < nb->image[e][a];
  return image[2] < nb->image[e][2];
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

static eqs_status too_many(const struct box *b, double cutoff) {
  EQS_FAIL(EQS_ERR_ARGUMENT,
           "system %d: more than 1e8 pairs within the cutoff of %g angstrom; use fewer atoms",
           b->system, cutoff);
}

/* Atom i of the batch. */
static eqs_status search_one(const struct search *a, struct box *b, const struct cells *w, int i) {
  neighbors *nb = a->nb;
  size_t at = 0;
  if (a->fill) {
    at = (size_t)nb->first[i];
    EQS_TRY(search_atom(nb, &at, b, w, i - b->first));
    sort_edges(nb, (size_t)nb->first[i], at);
    return EQS_OK;
  }
  EQS_TRY(search_atom(NULL, &at, b, w, i - b->first));
  int pairs, found = at < SYSTEM_EDGES ? (int)at : SYSTEM_EDGES + 1;
#pragma omp atomic read
  pairs = b->pairs;
  if (pairs > SYSTEM_EDGES - found) return too_many(b, a->cutoff);
#pragma omp atomic
  b->pairs += found;
  nb->first[i + 1] = found;
  return EQS_OK;
}

static eqs_status search_task(void *argument, int block, arena *scratch) {
  const struct search *a = argument;
  int n = a->nb->n, k = 0, high = a->s->n_system;
  (void)scratch;
  for (int i = block_begin(block, n); i < block_end(block, n);) {
    for (high = a->s->n_system; high - k > 1;) {
      int middle = k + (high - k) / 2;
      if (a->s->first[middle] <= i) k = middle;
      else high = middle;
    }
    struct box *b = a->box + k;
    struct cells w = cells_of(a, b);
    int end = block_end(block, n) < b->first + b->n ? block_end(block, n) : b->first + b->n;
    for (; i < end; i++) EQS_TRY(search_one(a, b, &w, i));
  }
  return EQS_OK;
}

static eqs_status set_box(const struct search *a, int k) {
  struct box *b = a->box + k;
  EQS_TRY(check_system(a->s, k, b));
  EQS_TRY(set_basis(b));
  if (!b->n) return EQS_OK;
  EQS_TRY(set_range(b, a->cutoff));
  set_bins(b);
  struct cells w = cells_of(a, b);
  bin_atoms(b, &w);
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

static eqs_status check_batch(const eqs_systems *s, double cutoff) {
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

static eqs_status take_cells(neighbors *nb, size_t n, size_t n_system, struct cells *w) {
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
    if (sum > INT_MAX - SYSTEM_EDGES)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the batch has too many pairs; split it");
    nb->first[i + 1] = (int)sum;
  }
  EQS_TRY(reserve_edges(nb, (size_t)sum));
  nb->n_edge = (int)sum;
  return EQS_OK;
}

static eqs_status build(neighbors *nb, workspace *work, const eqs_systems *s, double cutoff) {
  struct search a = {.nb = nb, .s = s, .cutoff = cutoff};
  size_t n_system = (size_t)s->n_system;
  nb->n = s->n_system ? s->first[s->n_system] : 0;
  nb->n_edge = 0;
  EQS_TRY(reserve_atoms(nb, (size_t)nb->n));
  arena_reset(&nb->scratch);
  EQS_TRY(arena_take_zero(&nb->scratch, n_system, sizeof *a.box, &a.box));
  EQS_TRY(take_cells(nb, (size_t)nb->n, n_system, &a.cells));
  EQS_TRY(workspace_run(work, block_count(s->n_system), box_task, &a));
  EQS_TRY(workspace_run(work, block_count(nb->n), search_task, &a));
  EQS_TRY(place_edges(nb));
  a.fill = 1;
  EQS_TRY(workspace_run(work, block_count(nb->n), search_task, &a));
  transpose(nb);
  return EQS_OK;
}

eqs_status neighbors_build(neighbors *nb, const eqs_systems *s, double cutoff) {
  EQS_TRY(check_batch(s, cutoff));
  arena thread = {0};
  workspace alone = {.threads = 1, .n_thread_arena = 1, .thread = &thread};
  return build(nb, nb->work ? nb->work : &alone, s, cutoff);
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
