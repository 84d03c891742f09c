/* dispersion_triple.c -- the Axilrod-Teller-Muto term of D3, neighbours of one atom at a time.
 *
 *   E = s9 sum_ijk sqrt(C6_ij C6_ik C6_jk) A f,  A = (3 cos_i cos_j cos_k + 1) / (r_ij r_ik
 * r_jk)^3, f = 1 / (1 + 6 T),  T = t_ij t_ik t_jk,  t = (4/3 R0 / r)^(16/3)  (alpha + 2). With
 * squares x = r_ij^2, y = r_ik^2, z = r_jk^2 and P = x y z: A = N P^-5/2 + P^-3/2,  N = 3/8 (x+y-z)
 * (x+z-y) (y+z-x). Atom i takes a third of the energy of each of its triples, the force on itself
 * and half the virial of its two sides; the other corners take the rest when it is their turn.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/dispersion_triple.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { CHUNK = 256, NEIGHBORS_MOST = 30000, REFERENCES = DISPERSION_WEIGHTS };
#define NOT_ITSELF 1e-20 /* bohr^2 */

/* The neighbours of one atom, by species. */
typedef struct neighborhood {
  const dispersion_triples *t;
  int center, n;
  int begin[DISPERSION_Z_MAX + 2], fill[DISPERSION_Z_MAX + 1]; /* of each species */
  int *slot;
  double *x[3], *r2;          /* relative to the centre */
  double *root, *slope;       /* sqrt(C6), d ln C6 / dCN of the centre; both with the centre */
  double *damp;               /* t */
  double *weight[REFERENCES]; /* g */
  double *energy, *pull;      /* sums over the triples of the neighbour: E, dE/d(r^2) */
  int tile, fills;            /* while looking */
} neighborhood;

/* ---- the list */

static void look(void *argument, const lattice_shifts *s) {
  neighborhood *h = argument;
  const lattice *l = h->t->l;
  double most = h->t->d->triple_cutoff * h->t->d->triple_cutoff;
  if (h->n > NEIGHBORS_MOST) return;
  int begin = h->tile * l->tile * l->width, end = lattice_tile_end(l, h->tile) * l->width;
  for (int i = begin; i < end && i < l->n; i++)
    for (int k = 0; k < s->n; k++) {
      double d[3], r2 = 0;
      for (int c = 0; c < 3; c++) {
        d[c] = l->x[c][i] - l->x[c][h->center] + s->x[c][k];
        r2 += d[c] * d[c];
      }
      if (!(r2 > NOT_ITSELF && r2 <= most)) continue;
      int at = h->fill[h->t->of_slot[i]]++;
      h->n++;
      if (!h->fills) continue;
      h->slot[at] = i;
      h->r2[at] = r2;
      for (int c = 0; c < 3; c++) h->x[c][at] = d[c];
    }
}

static void look_around(neighborhood *h, int fills) {
  const lattice *l = h->t->l;
  double here[6] = {0};
  h->n = 0;
  for (int c = 0; c < 3; c++) here[c] = l->x[c][h->center];
  h->fills = fills;
  for (h->tile = 0; h->tile < l->n_tile; h->tile++)
    lattice_translations(l, here, l->tile_box[h->tile], h->t->d->triple_cutoff, look, h);
}

static eqs_status list_neighbors(neighborhood *h, arena *a) {
  const dispersion_species *s = h->t->species;
  look_around(h, 0);
  if (h->n > NEIGHBORS_MOST)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "an atom has more than %d neighbours within the %g bohr of the three-body dispersion: "
             "use d3bj without -atm",
             NEIGHBORS_MOST, h->t->d->triple_cutoff);
  for (int k = 0; k < s->n; k++) {
    h->begin[k + 1] = h->begin[k] + h->fill[k];
    h->fill[k] = h->begin[k];
  }
  size_t n = (size_t)h->n;
  double **array[] = {&h->x[0],  &h->x[1], &h->x[2],   &h->r2,  &h->root,
                      &h->slope, &h->damp, &h->energy, &h->pull};
  EQS_TRY(arena_take(a, n, sizeof *h->slot, &h->slot));
  for (size_t k = 0; k < sizeof array / sizeof *array; k++)
    EQS_TRY(arena_take_zero(a, n, sizeof(double), array[k]));
  for (int b = 0; b < REFERENCES; b++) EQS_TRY(arena_take(a, n, sizeof(double), &h->weight[b]));
  look_around(h, 1);
  return EQS_OK;
}

/* ---- coefficients of pairs */

/* row[b] = sum_a g_a C6_ab: g of an atom of element z, with references b of element y. */
static void mix(int z, const double *g, int y, double row[REFERENCES]) {
  int n = dispersion_first[z + 1] - dispersion_first[z];
  int m = dispersion_first[y + 1] - dispersion_first[y];
  for (int b = 0; b < REFERENCES; b++) {
    row[b] = 0;
    for (int a = 0; a < n && b < m; a++) row[b] += g[a] * dispersion_reference_c6(z, a, y, b);
  }
}

/* (4/3 R0)^(16/3) */
static double damping(int z, int y) {
  int high = z > y ? z : y, low = z > y ? y : z;
  double r0 = 1e-4 / BOHR * dispersion_pair_radius[high * (high - 1) / 2 + low - 1];
  return pow(4.0 / 3 * r0, 16.0 / 3);
}

static void pair_with_center(neighborhood *h) {
  const dispersion_triples *t = h->t;
  const dispersion_species *s = t->species;
  int z = s->element[t->of_slot[h->center]];
  for (int k = 0; k < s->n; k++) {
    double row[REFERENCES], slope[REFERENCES], damp = damping(z, s->element[k]);
    mix(z, t->weight[h->center][0], s->element[k], row);
    mix(z, t->weight[h->center][1], s->element[k], slope);
    for (int i = h->begin[k]; i < h->begin[k + 1]; i++) {
      double c6 = 0, dc6 = 0, q = cbrt(1 / h->r2[i]), q2 = q * q, q4 = q2 * q2;
      for (int b = 0; b < REFERENCES; b++) {
        double g = h->weight[b][i] = t->weight[h->slot[i]][0][b];
        c6 += row[b] * g;
        dc6 += slope[b] * g;
      }
      h->root[i] = sqrt(c6);
      h->slope[i] = dc6 / c6;
      h->damp[i] = damp * (q4 * q4);
    }
  }
}

/* ---- triples */

/* x^(-1/3) to a few per cent, by the exponent. */
static double guess(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = 0x553ef0ff289dd796u - bits / 3;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* The centre, neighbour j, and up to CHUNK neighbours k from `begin` on; row: of j with their
 * species. The loops are kept apart so that the compiler can do several k at a time. */
static void meet(neighborhood *h, int j, int begin, int n, const double row[REFERENCES],
                 double damp) {
  double most = h->t->d->triple_cutoff * h->t->d->triple_cutoff;
  double z[CHUNK] = {0}, w[CHUNK], e[CHUNK], by_x[CHUNK], by_y[CHUNK];
  double x = h->r2[j], per_x = 1 / x, root_x = h->t->d->s9 * h->root[j],
         damp_x = 6 * damp * h->damp[j];
  int near[CHUNK], m = 0;
  for (int k = 0; k < n; k++) {
    double d0 = h->x[0][begin + k] - h->x[0][j], d1 = h->x[1][begin + k] - h->x[1][j],
           d2 = h->x[2][begin + k] - h->x[2][j];
    z[k] = d0 * d0 + d1 * d1 + d2 * d2;
  }
  for (int k = 0; k < n; k++) { /* m <= k: in place */
    near[m] = begin + k;
    z[m] = z[k];
    m += (z[k] <= most) & (z[k] > NOT_ITSELF);
  }
  for (int k = 0; k < m; k++) w[k] = guess(z[k]);
  for (int k = 0; k < m; k++) {
    double u = w[k];
    for (int step = 0; step < 4; step++) u *= 4.0 / 3 - z[k] * (u * u * u) * (1.0 / 3);
    double u2 = u * u, u4 = u2 * u2;
    w[k] = u4 * u4;
  }
  for (int k = 0; k < m; k++) {
    double c6 = 0, y = h->r2[near[k]], per_p = 1 / (x * y * z[k]);
    for (int b = 0; b < REFERENCES; b++) c6 += row[b] * h->weight[b][near[k]];
    double damp6 = damp_x * h->damp[near[k]] * w[k], f = 1 / (1 + damp6);
    double p = x + y - z[k], q = x + z[k] - y, r = y + z[k] - x;
    double angle = 0.375 * p * q * r * per_p;
    double a = root_x * h->root[near[k]] * sqrt(c6 * per_p) * per_p * f;
    double common = (8.0 / 3) * (1 + angle) * damp6 * f - 2.5 * angle - 1.5;
    e[k] = a * (1 + angle);
    by_x[k] = a * (0.375 * (q * r + p * r - p * q) * per_p + common * per_x);
    by_y[k] = a * (0.375 * (q * r - p * r + p * q) * per_p + common / y);
  }
  for (int k = 0; k < m; k++) {
    h->energy[j] += e[k];
    h->pull[j] += by_x[k];
    h->energy[near[k]] += e[k];
    h->pull[near[k]] += by_y[k];
  }
}

static void meet_all(neighborhood *h) {
  const dispersion_species *s = h->t->species;
  for (int k = 0; k < s->n; k++)
    for (int j = h->begin[k]; j < h->begin[k + 1]; j++) {
      double g[REFERENCES], row[REFERENCES];
      for (int b = 0; b < REFERENCES; b++) g[b] = h->weight[b][j];
      for (int q = k; q < s->n; q++) {
        mix(s->element[k], g, s->element[q], row);
        double damp = damping(s->element[k], s->element[q]);
        int end = h->begin[q + 1];
        for (int i = q == k ? j + 1 : h->begin[q]; i < end; i += CHUNK)
          meet(h, j, i, end - i < CHUNK ? end - i : CHUNK, row, damp);
      }
    }
}

static eqs_status one_atom(void *argument, int slot, arena *scratch) {
  const dispersion_triples *t = argument;
  neighborhood h = {.t = t, .center = slot};
  double energy = 0, bar = 0, force[3] = {0}, w[6] = {0};
  if (t->l->atom[slot] >= t->n_center) return EQS_OK;
  EQS_TRY(list_neighbors(&h, scratch));
  pair_with_center(&h);
  meet_all(&h);
  for (int k = 0; k < h.n; k++) {
    double d[3] = {h.x[0][k], h.x[1][k], h.x[2][k]}, v[3];
    energy += h.energy[k];
    bar += h.energy[k] * h.slope[k];
    for (int c = 0; c < 3; c++) {
      v[c] = h.pull[k] * d[c];
      force[c] += v[c];
      w[c] += v[c] * d[c];
    }
    w[3] += v[1] * d[2];
    w[4] += v[0] * d[2];
    w[5] += v[0] * d[1];
  }
  t->energy[slot] += energy / 6; /* both other corners have counted each triple */
  if (!t->count_bar) return EQS_OK;
  t->count_bar[slot] += bar / 2;
  for (int c = 0; c < 3; c++) t->force[c][slot] += 2 * force[c];
  for (int c = 0; c < 6; c++) t->atom_virial[slot][c] = w[c];
  return EQS_OK;
}

eqs_status dispersion_triples_add(dispersion_triples *t, workspace *w) {
  if (t->count_bar)
    EQS_TRY(arena_take_zero(&w->shared, (size_t)t->l->n, sizeof *t->atom_virial, &t->atom_virial));
  EQS_TRY(workspace_run(w, t->l->n, one_atom, t));
  for (int i = 0; t->virial && i < t->l->n; i++)
    for (int c = 0; c < 6; c++) t->virial[c] += t->atom_virial[i][c];
  return EQS_OK;
}
