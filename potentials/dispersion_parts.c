/* dispersion_parts.c -- weights of the references, and rows of pair coefficients.
 * SPDX-License-Identifier: MIT */
#include "potentials/dispersion_parts.h"

#include <math.h>
#include <string.h>

#include "kernels/dispersion_weights.h"

enum { FIRST_C6 = DISPERSION_ROW_C6 };

void dispersion_species_init(dispersion_species *s) {
  *s = (dispersion_species){0};
  memset(s->of, -1, sizeof s->of);
}

eqs_status dispersion_species_add(dispersion_species *s, int z) {
  if (z < 1 || z > DISPERSION_Z_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "D3 has no parameters for Z = %d", z);
  if (s->of[z] >= 0) return EQS_OK;
  int i = s->of[z] = s->n++;
  s->element[i] = z;
  s->n_reference[i] = dispersion_first[z + 1] - dispersion_first[z];
  s->first_row[i] = s->n_row;
  s->n_row += FIRST_C6 + 2 * s->n_reference[i];
  return EQS_OK;
}

eqs_status dispersion_species_of(dispersion_species *s, const eqs_systems *in, int system) {
  for (int i = in->first[system]; i < in->first[system + 1]; i++) {
    eqs_status status = dispersion_species_add(s, in->number[i]);
    if (status != EQS_OK)
      return status_prefix(status, "system %d, atom %d", system + 1, i - in->first[system] + 1),
             status;
  }
  return EQS_OK;
}

double dispersion_reach(const dispersion *d) {
  double pairs = fmax(d->pair_cutoff, d->cn_cutoff);
  return d->s9 != 0 ? fmax(pairs, d->triple_cutoff) : pairs;
}

double dispersion_count_far(const dispersion_species *s) {
  double radius = 0;
  for (int i = 0; i < s->n; i++) radius = fmax(radius, dispersion_radius[s->element[i]]);
  return 1.8 * 2 * radius;
}

void dispersion_references(int z, double reference[DISPERSION_WEIGHTS]) {
  int first = dispersion_first[z], n = dispersion_first[z + 1] - first;
  for (int a = 0; a < DISPERSION_WEIGHTS; a++)
    reference[a] = a < n ? 1e-4 * dispersion_cn[first + a] : 0;
}

void dispersion_weigh(int z, double cn, reference_weights out) {
  double reference[DISPERSION_WEIGHTS];
  dispersion_references(z, reference);
  weigh_body(dispersion_first[z + 1] - dispersion_first[z], reference, cn, out);
}

double dispersion_reference_c6(int za, int a, int zb, int b) {
  int i = dispersion_first[za] + a, j = dispersion_first[zb] + b;
  int high = i > j ? i : j, low = i > j ? j : i;
  return 1e-4 * dispersion_c6[high * (high + 1) / 2 + low];
}

void dispersion_of_pair(const dispersion *d, int z, int y, double fixed[DISPERSION_ROW_C6],
                        double c6[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS]) {
  int n = dispersion_first[z + 1] - dispersion_first[z];
  int m = dispersion_first[y + 1] - dispersion_first[y];
  double ratio = 3 * dispersion_ratio[z] * dispersion_ratio[y];
  double f = d->a1 * sqrt(ratio) + d->a2, f2 = f * f;
  fixed[0] = d->s8 * ratio;
  fixed[1] = f2 * f2 * f2;
  fixed[2] = f2 * f2 * f2 * f2;
  for (int a = 0; a < n; a++)
    for (int b = 0; b < m; b++) c6[a][b] = dispersion_reference_c6(z, a, y, b);
}

/* One species as centre, with every slot. */
static void species_rows(const dispersion *d, const dispersion_species *s, int own,
                         const int *species, const reference_weights *weight, int begin, int end,
                         size_t stride, double *row) {
  double c6[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS] = {{0}}, fixed[DISPERSION_ROW_C6];
  int last = -1;
  for (int i = begin; i < end; i++) {
    int other = species[i], m = other < 0 ? 0 : s->n_reference[other];
    if (other != last && other >= 0) {
      dispersion_of_pair(d, s->element[own], s->element[other], fixed, c6);
      last = other;
    }
    rows_body(s->n_reference[own], m, other < 0 ? NULL : fixed,
              (const double(*)[DISPERSION_WEIGHTS])c6, d->s6,
              (const double(*)[DISPERSION_WEIGHTS])weight[i], stride, row + i);
  }
}

void dispersion_rows(const dispersion *d, const dispersion_species *s, const int *species,
                     const reference_weights *weight, int begin, int end, size_t stride,
                     double *pair) {
  for (int own = 0; own < s->n; own++)
    species_rows(d, s, own, species, weight, begin, end, stride,
                 pair + (size_t)s->first_row[own] * stride);
}
