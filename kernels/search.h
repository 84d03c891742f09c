/* search.h -- bodies of the neighbour search by cell lists, which the host (core/neighbors.c) and
 * the devices' kernels share: the range of a system and its bins, the bin of an atom, the edges of
 * an atom, the transpose. What depends on the cell alone is in the box already.
 *
 * An edge is decided on by search_vector alone, from the positions as given. Its products are
 * rounded one by one, never fused with sums, so that a list has the same bits wherever it is made;
 * and rounding is symmetric, so that (i, j, S) and (j, i, -S) are exactly opposite.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_SEARCH_H
#define EQS_KERNEL_SEARCH_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { SEARCH_PAIRS = 100000000 }; /* of a system, at most */
#define SEARCH_LARGEST 1e9         /* angstrom: beyond, doubles no longer resolve a bond */
#define SEARCH_CLOSEST 1e-3        /* angstrom: nearer atoms are one atom given twice */
enum { SEARCH_FINE, SEARCH_TOO_MANY, SEARCH_TOO_SKEW }; /* what search_set_range finds */

/* a * b, rounded. */
FN double search_product(double a, double b) {
#ifdef __CUDACC__
  return __dmul_rn(a, b);
#else
  double p = a * b;
#if defined(__FMA__)
  __asm__("" : "+x"(p));
#elif defined(__aarch64__)
  __asm__("" : "+w"(p));
#endif
  return p;
#endif
}

FN double search_dot(const double a[3], const double b[3]) {
  return search_product(a[0], b[0]) + search_product(a[1], b[1]) + search_product(a[2], b[2]);
}

/* The vector from x_i to the image of x_j under the lattice translation `image`; its square. */
FN double search_vector(const search_box *b, const double *x_i, const double *x_j,
                        const int image[3], double v[3]) {
  for (int a = 0; a < 3; a++) {
    double translation = search_product(image[0], b->cell[0][a]) +
                         search_product(image[1], b->cell[1][a]) +
                         search_product(image[2], b->cell[2][a]);
    v[a] = (x_j[a] - x_i[a]) + translation;
  }
  return search_dot(v, v);
}

/* ---- a system */

FN void search_fractional(const search_box *b, const double *x, double f[3]) {
  const double *v = b->inverse;
  for (int k = 0; k < 3; k++) f[k] = x[0] * v[k] + x[1] * v[3 + k] + x[2] * v[6 + k];
}

/* Widens the range of fractional coordinates (at first, high < low) and of |x| by one atom. 0 if
 * its position is unusable. */
FN int search_extend(const search_box *b, const double *x, double low[3], double high[3],
                     double *farthest) {
  double f[3];
  int fine = 1;
  search_fractional(b, x, f);
  for (int k = 0; k < 3; k++) {
    fine &= fabs(x[k]) <= SEARCH_LARGEST;
    if (f[k] < low[k]) low[k] = f[k];
    if (f[k] > high[k]) high[k] = f[k];
    if (fabs(x[k]) > *farthest) *farthest = fabs(x[k]);
  }
  return fine;
}

/* From the range of its atoms the box's low, span, image_turn and range, and the proof that images
 * fit an int. */
FN int search_set_range(search_box *b, const double low[3], const double high[3], double farthest) {
  double translations = 0, longest = 0, images = 1;
  int periodic = b->pbc[0] + b->pbc[1] + b->pbc[2];
  for (int k = 0; k < 3; k++) {
    b->low[k] = b->pbc[k] ? 0 : low[k];
    b->span[k] = b->pbc[k] ? 1 : high[k] - low[k];
    if (!b->pbc[k]) continue;
    images *= 2 * floor(b->cutoff / b->width[k]) + 1;
    double turn = 0;
    double most = b->cutoff / b->width[k] + 2 + 2 * fmax(fabs(high[k]), fabs(low[k]));
    for (int a = 0; a < 3; a++) {
      turn = fmax(turn, fabs(b->turn[k][a]));
      longest = fmax(longest, fabs(b->cell[k][a]));
    }
    translations += most * turn;
  }
  double volume = b->width[0] * b->width[1] * b->width[2]; /* a lower bound */
  double dense = periodic == 3
                     ? 4.0 * b->cutoff * b->cutoff * b->cutoff / (2 * volume) * b->n * (double)b->n
                     : 0;
  /* An atom's own images in the cutoff are at least a fifth of those in the box around it. */
  double share = periodic == 1 ? 1.01 : periodic == 2 ? 2 : 5;
  if (images * b->n > share * SEARCH_PAIRS || dense > 4.0 * SEARCH_PAIRS) return SEARCH_TOO_MANY;
  double slack = 2e-14 * (b->cutoff + farthest + translations * longest);
  if (!(translations < 1e9) || !(slack < 0.02)) return SEARCH_TOO_SKEW;
  for (int k = 0; k < 3; k++)
    for (int a = 0; a < 3; a++) b->image_turn[k][a] = b->pbc[k] ? (int)b->turn[k][a] : 0;
  b->range = b->cutoff + slack;
  return SEARCH_FINE;
}

/* Bins of about half the range, at most 4 n + 64 of them. */
FN void search_set_bins(search_box *b) {
  double *count = b->count, size[3];
  for (int k = 0; k < 3; k++) {
    size[k] = b->width[k] * b->span[k];
    count[k] = fmin(fmax(1.0, floor(2 * size[k] / b->range)), SEARCH_LARGEST);
  }
  double most = 4.0 * b->n + 64;
  while (count[0] * count[1] * count[2] > most) {
    int k = count[0] > count[1] ? 0 : 1;
    if (count[2] > count[k]) k = 2;
    double others = count[0] * count[1] * count[2] / count[k];
    count[k] = fmax(1.0, fmin(floor(count[k] / 2), fmax(floor(most / others), 1.0)));
  }
  for (int k = 0; k < 3; k++) {
    b->bins[k] = (int)count[k];
    /* Without periods, bins past the last are never visited. */
    double reach = size[k] > 0 ? ceil(b->range / (size[k] / count[k])) : 0;
    b->reach[k] = (int)(b->pbc[k] ? reach : fmin(reach, count[k]));
  }
}

/* The system of atom i of the batch. */
FN int search_system(const search_box *box, int n_system, int i) {
  int k = 0;
  for (int high = n_system; high - k > 1;) {
    int middle = k + (high - k) / 2;
    if (box[middle].first <= i) k = middle;
    else high = middle;
  }
  return k;
}

/* Where the bins of a system begin, which has 4 n + 65 places for them. */
FN size_t search_first_bin(const search_box *b) {
  return 4 * (size_t)b->first + 65 * (size_t)(b->system - 1);
}

/* ---- an atom */

/* Its bin, and the translation (in the reduced basis) from where it is wrapped to where it is. */
FN int search_bin(const search_box *b, const double *x, int wrap[3]) {
  double f[3];
  int at[3];
  search_fractional(b, x, f);
  for (int k = 0; k < 3; k++) {
    double down = b->pbc[k] ? floor(f[k]) : 0;
    wrap[k] = (int)down;
    double t = b->span[k] > 0 ? (f[k] - down - b->low[k]) / b->span[k] * b->bins[k] : 0;
    at[k] = (int)fmin(fmax(t, 0.0), b->bins[k] - 1.0);
  }
  return (at[0] * b->bins[1] + at[1]) * b->bins[2] + at[2];
}

/* Puts atom i of the batch into `slot`. */
FN void search_place(const search_cells *w, const search_box *b, int i, int slot) {
  w->order[slot] = i;
  w->slot[i] = slot;
  for (int a = 0; a < 3; a++) {
    double x = w->x[i][a];
    for (int k = 0; k < 3; k++)
      if (b->pbc[k]) x -= w->wrap[i][k] * b->basis[k][a];
    w->wrapped[slot][a] = x;
  }
}

/* An edge of atom i too short to be one. */
typedef struct search_contact {
  int neighbor, is_image;
  double r2;
} search_contact;

/* The edge from i to j under the translation `shift` of the reduced basis, if it is one: written at
 * place `at` unless `to` is NULL, the vector unless that is. Returns the next place, or -1 with
 * what `contact` says. */
FN int search_edge(const search_cells *w, const search_box *b, const search_list *to, int i, int j,
                   const int shift[3], int at, search_contact *contact) {
  int image[3];
  double v[3];
  for (int a = 0; a < 3; a++)
    image[a] = shift[0] * b->image_turn[0][a] + shift[1] * b->image_turn[1][a] +
               shift[2] * b->image_turn[2][a];
  double r2 = search_vector(b, w->x[i], w->x[j], image, v);
  if (!(r2 < b->cutoff2)) return at;
  if (r2 < SEARCH_CLOSEST * SEARCH_CLOSEST) {
    contact->neighbor = j;
    contact->is_image = image[0] || image[1] || image[2];
    contact->r2 = r2;
    return -1;
  }
  if (!to) return at + 1;
  to->neighbor[at] = j;
  for (int a = 0; a < 3; a++) to->image[at][a] = image[a];
  if (!to->vector) return at + 1;
  for (int a = 0; a < 3; a++) to->vector[at][a] = v[a];
  return at + 1;
}

/* Candidates in the slots begin .. end-1, whose image is `image` in the reduced basis. */
FN int search_slots(const search_cells *w, const search_box *b, const search_list *to, int i,
                    int begin, int end, const int image[3], int at, search_contact *contact) {
  if (begin == end) return at;
  const double *c = w->wrapped[w->slot[i]], *x = w->wrapped[begin];
  const int *order = w->order + begin, *last = w->order + end;
  double from[3], range2 = b->range * b->range;
  for (int a = 0; a < 3; a++)
    from[a] =
        c[a] - (image[0] * b->basis[0][a] + image[1] * b->basis[1][a] + image[2] * b->basis[2][a]);
  int home = image[0] == 0 && image[1] == 0 && image[2] == 0;
  for (; order < last; order++, x += 3) {
    double d[3] = {x[0] - from[0], x[1] - from[1], x[2] - from[2]};
    int j = *order, shift[3];
    if (!(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < range2) || (home && j == i)) continue;
    for (int a = 0; a < 3; a++) shift[a] = image[a] - w->wrap[j][a] + w->wrap[i][a];
    at = search_edge(w, b, to, i, j, shift, at, contact);
    if (at < 0) return at;
  }
  return at;
}

/* Bin `at` beside the home bin: its index within the bins and its image. 0 if there is none. */
FN int search_beside(const search_box *b, int k, int at, int *bin, int *image) {
  int n = b->bins[k];
  *image = 0;
  *bin = at;
  if (at >= 0 && at < n) return 1;
  *image = at >= 0 ? at / n : -((-at + n - 1) / n);
  *bin = at - *image * n;
  return b->pbc[k];
}

/* The edges of atom i, in no order, from place `at` on; returns the place behind the last, or -1.
 */
FN int search_atom(const search_cells *w, const search_box *b, const search_list *to, int i, int at,
                   search_contact *contact) {
  const int *first = w->first + search_first_bin(b);
  int z = w->bin[i] % b->bins[2], y = w->bin[i] / b->bins[2] % b->bins[1];
  int x = w->bin[i] / b->bins[2] / b->bins[1], p, q, r, image[3];
  for (int dx = -b->reach[0]; dx <= b->reach[0]; dx++) {
    if (!search_beside(b, 0, x + dx, &p, &image[0])) continue;
    for (int dy = -b->reach[1]; dy <= b->reach[1]; dy++) {
      if (!search_beside(b, 1, y + dy, &q, &image[1])) continue;
      for (int dz = -b->reach[2]; dz <= b->reach[2]; dz++) {
        if (!search_beside(b, 2, z + dz, &r, &image[2])) continue;
        /* The bins up to the cell's end lie side by side. */
        int more = b->bins[2] - 1 - r < b->reach[2] - dz ? b->bins[2] - 1 - r : b->reach[2] - dz;
        int bin = (p * b->bins[1] + q) * b->bins[2] + r;
        at = search_slots(w, b, to, i, first[bin], first[bin + more + 1], image, at, contact);
        if (at < 0) return at;
        dz += more;
      }
    }
  }
  return at;
}

/* ---- order */

FN int search_before(int neighbor, const int image[3], int other, const int other_image[3]) {
  if (neighbor != other) return neighbor < other;
  for (int a = 0; a < 2; a++)
    if (image[a] != other_image[a]) return image[a] < other_image[a];
  return image[2] < other_image[2];
}

/* The first of places begin .. end-1 whose neighbour is not below j. */
FN int search_lower(const int *neighbor, int begin, int end, int j) {
  while (begin < end) {
    int middle = begin + (end - begin) / 2;
    if (neighbor[middle] < j) begin = middle + 1;
    else end = middle;
  }
  return begin;
}

/* The edge that place t of the transpose names. Every edge has its opposite, so the edges that
 * point to j come from the neighbours of j, as many from i as j has edges to i: the q-th of them is
 * the q-th edge from i to j. */
FN int search_opposite(const int *first, const int *center, const int *neighbor, int t) {
  int j = center[t], i = neighbor[t];
  return search_lower(neighbor, first[i], first[i + 1], j) + t -
         search_lower(neighbor, first[j], first[j + 1], i);
}

#endif
