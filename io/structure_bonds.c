/* structure_bonds.c -- contacts and connected components of a periodic structure.
 *
 * Components come from a breadth-first walk over the graph of bonds that carries the lattice
 * translation of each atom. An edge that closes on an atom with another translation is a winding
 * vector; their rank is the dimension of the component.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/lattice_span.h"
#include "core/neighbors.h"
#include "io/elements.h"
#include "io/structure.h"

static const double bond_factor = 1.25;

/* Crowded beyond any matter: a list of that many pairs would only eat memory. */
static const double max_pairs = 4e7;

static int in_order(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* Number of a box of side `cutoff`; atoms of a crystal are moved into the cell first. */
static uint64_t box_of(const structure *s, const double *inverse, int i, double cutoff) {
  uint64_t key = 0;
  double f[3] = {0.0, 0.0, 0.0};
  const double *x = s->position[i];
  for (int k = 0; k < 3 && inverse; k++)
    f[k] = floor(x[0] * inverse[k] + x[1] * inverse[3 + k] + x[2] * inverse[6 + k]);
  for (int k = 0; k < 3; k++) {
    double y = x[k] - f[0] * s->cell[k] - f[1] * s->cell[3 + k] - f[2] * s->cell[6 + k];
    double box = fmax(-1e6, fmin(1e6, floor(y / cutoff)));
    key = (key << 21) | ((uint64_t)(int64_t)(box + 0x1p20) & 0x1fffff);
  }
  return key;
}

/* Pairs to expect, from the sum over boxes of the squared number of atoms in them. */
static eqs_status estimate_pairs(const structure *s, double cutoff, double *pairs) {
  uint64_t *box;
  double inverse[9], squares = 0.0;
  int wrap = s->pbc[0] && s->pbc[1] && s->pbc[2] && cell_inverse(s->cell, inverse);
  EQS_TRY(alloc_array(&box, (size_t)s->n, sizeof *box, "contacts"));
  for (int i = 0; i < s->n; i++) box[i] = box_of(s, wrap ? inverse : NULL, i, cutoff);
  qsort(box, (size_t)s->n, sizeof *box, in_order);
  for (int i = 0, j; i < s->n; i = j) {
    for (j = i; j < s->n && box[j] == box[i]; j++) {}
    squares += (double)(j - i) * (j - i);
  }
  double volume = fabs(cell_volume(s->cell)), sphere = 4.19 * cutoff * cutoff * cutoff;
  *pairs = 4.19 * squares;
  if (wrap && volume > 0.0) *pairs = fmax(*pairs, s->n * (s->n / volume) * sphere);
  free(box);
  return EQS_OK;
}

static eqs_status build(const structure *s, double cutoff, neighbors *nb) {
  int first[2];
  double pairs;
  eqs_systems view = structure_view(s, first);
  EQS_TRY(estimate_pairs(s, cutoff, &pairs));
  double volume = fabs(cell_volume(s->cell));
  if ((s->pbc[0] && s->pbc[1] && s->pbc[2] && s->n > volume) || pairs > max_pairs)
    EQS_FAIL(EQS_ERR_FORMAT,
             "%d atoms too dense for any matter (cell of %g angstrom^3): check the cell lengths",
             s->n, volume);
  eqs_status status = neighbors_build(nb, &view, cutoff);
  return status == EQS_ERR_ARGUMENT ? EQS_ERR_FORMAT : status;
}

static double largest_radius(const structure *s) {
  double radius = 0.0;
  for (int i = 0; i < s->n; i++) radius = fmax(radius, element_radius(s->number[i]));
  return radius;
}

static void scan(const structure *s, const neighbors *nb, structure_contact *shortest,
                 structure_contact *tightest) {
  *shortest = *tightest = (structure_contact){0};
  for (int e = 0; e < nb->n_edge; e++) {
    int i = nb->center[e], j = nb->neighbor[e];
    if (j < i) continue;
    const double *v = nb->vector[e];
    double d = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    double sum = element_radius(s->number[i]) + element_radius(s->number[j]);
    structure_contact here = {i, j, d, d / sum};
    if (shortest->distance <= 0.0 || d < shortest->distance) *shortest = here;
    if (tightest->distance <= 0.0 || here.ratio < tightest->ratio) *tightest = here;
  }
}

eqs_status structure_contacts(const structure *s, structure_contact *shortest,
                              structure_contact *tightest) {
  structure_contact a = {0}, b = {0};
  neighbors nb = {0};
  eqs_status status = EQS_OK;
  double start = bond_factor * 2.0 * largest_radius(s);
  for (double cutoff = start; s->n > 0 && a.distance <= 0.0 && cutoff < 100.0; cutoff *= 2.0) {
    EQS_TRY_DONE(build(s, cutoff, &nb));
    scan(s, &nb, &a, &b);
  }
  if (shortest) *shortest = a;
  if (tightest) *tightest = b;
done:
  neighbors_free(&nb);
  return status;
}

eqs_status structure_shortest_contact(const structure *s, double *distance) {
  structure_contact shortest;
  EQS_TRY(structure_contacts(s, &shortest, NULL));
  *distance = shortest.distance;
  return EQS_OK;
}

static int bonded(const structure *s, const neighbors *nb, int e) {
  const double *v = nb->vector[e];
  double sum =
      element_radius(s->number[nb->center[e]]) + element_radius(s->number[nb->neighbor[e]]);
  double reach = bond_factor * sum;
  return v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < reach * reach;
}

/* Marks everything that hangs on atom `seed` as component c. offset: translation of each atom. */
static void walk(const structure *s, const neighbors *nb, int seed, int c, int (*offset)[3],
                 int *queue, structure_components_list *out) {
  lattice_span span = {0};
  int head = 0, tail = 0;
  queue[tail++] = seed;
  out->component[seed] = c;
  while (head < tail) {
    int i = queue[head++];
    for (int e = nb->first[i]; e < nb->first[i + 1]; e++) {
      if (!bonded(s, nb, e)) continue;
      int j = nb->neighbor[e], to[3];
      for (int k = 0; k < 3; k++) to[k] = offset[i][k] + nb->image[e][k];
      if (out->component[j] < 0) {
        out->component[j] = c;
        memcpy(offset[j], to, sizeof to);
        queue[tail++] = j;
      } else {
        double winding[3];
        for (int k = 0; k < 3; k++) winding[k] = to[k] - offset[j][k];
        lattice_span_add(&span, winding);
      }
    }
  }
  out->atoms[c] = tail;
  out->dimension[c] = span.rank;
}

typedef struct rank_entry {
  int index, atoms, dimension;
} rank_entry;

static int larger_first(const void *a, const void *b) {
  const rank_entry *x = a, *y = b;
  if (x->dimension != y->dimension) return y->dimension - x->dimension;
  return x->atoms != y->atoms ? (x->atoms < y->atoms ? 1 : -1) : x->index - y->index;
}

/* Numbers the components by dimension, then size, and lists their atoms. */
static eqs_status order_components(const structure *s, structure_components_list *out) {
  rank_entry *entry = NULL;
  int *new_index = NULL;
  eqs_status status = EQS_OK;
  size_t n = (size_t)out->n;
  EQS_TRY_DONE(alloc_array(&entry, n, sizeof *entry, "components"));
  EQS_TRY_DONE(alloc_array(&new_index, n, sizeof *new_index, "components"));
  for (int c = 0; c < out->n; c++) entry[c] = (rank_entry){c, out->atoms[c], out->dimension[c]};
  qsort(entry, n, sizeof *entry, larger_first);
  for (int c = 0; c < out->n; c++) {
    new_index[entry[c].index] = c;
    out->atoms[c] = entry[c].atoms;
    out->dimension[c] = entry[c].dimension;
  }
  for (int i = 0; i < s->n; i++) out->component[i] = new_index[out->component[i]];
  for (int c = 0; c < out->n; c++) out->first[c + 1] = out->first[c] + out->atoms[c];
  for (int c = 0; c < out->n; c++) new_index[c] = out->first[c];
  for (int i = 0; i < s->n; i++) out->member[new_index[out->component[i]]++] = i;
done:
  free(entry);
  free(new_index);
  return status;
}

eqs_status structure_components(const structure *s, structure_components_list *out) {
  *out = (structure_components_list){0};
  neighbors nb = {0};
  int(*offset)[3] = NULL, *queue = NULL;
  eqs_status status = EQS_OK;
  size_t n = (size_t)s->n;
  EQS_TRY_DONE(alloc_array(&out->component, n, sizeof *out->component, "components"));
  EQS_TRY_DONE(alloc_array(&out->atoms, n, sizeof *out->atoms, "components"));
  EQS_TRY_DONE(alloc_array(&out->dimension, n, sizeof *out->dimension, "components"));
  EQS_TRY_DONE(alloc_array(&out->first, n + 1, sizeof *out->first, "components"));
  EQS_TRY_DONE(alloc_array(&out->member, n, sizeof *out->member, "components"));
  EQS_TRY_DONE(alloc_array(&offset, n, sizeof *offset, "components"));
  EQS_TRY_DONE(alloc_array(&queue, n, sizeof *queue, "components"));
  if (s->n > 0) EQS_TRY_DONE(build(s, bond_factor * 2.0 * largest_radius(s), &nb));
  for (int i = 0; i < s->n; i++) out->component[i] = -1;
  for (int i = 0; i < s->n; i++)
    if (out->component[i] < 0) walk(s, &nb, i, out->n++, offset, queue, out);
  EQS_TRY_DONE(order_components(s, out));
done:
  neighbors_free(&nb);
  free(offset);
  free(queue);
  if (status != EQS_OK) structure_components_free(out);
  return status;
}

void structure_components_free(structure_components_list *c) {
  free(c->component);
  free(c->atoms);
  free(c->dimension);
  free(c->first);
  free(c->member);
  *c = (structure_components_list){0};
}
