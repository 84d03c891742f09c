/* dispersion_parts.c -- weights of the references, and rows of pair coefficients.
 * SPDX-License-Identifier: MIT */
#include "potentials/dispersion_parts.h"

#include <math.h>
#include <string.h>

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

double dispersion_count_far(const dispersion_species *s) {
  double radius = 0;
  for (int i = 0; i < s->n; i++) radius = fmax(radius, dispersion_radius[s->element[i]]);
  return 1.8 * 2 * radius;
}

/* Relative to the nearest reference, so that nothing underflows far from all of them. */
void dispersion_weigh(int z, double cn, reference_weights out) {
  int first = dispersion_first[z], n = dispersion_first[z + 1] - first;
  double *g = out[0], *slope = out[1];
  double least = INFINITY, sum = 0, mean = 0, off[DISPERSION_WEIGHTS];
  for (int a = 0; a < n; a++) {
    off[a] = cn - 1e-4 * dispersion_cn[first + a];
    least = fmin(least, off[a] * off[a]);
  }
  for (int a = 0; a < DISPERSION_WEIGHTS; a++)
    g[a] = a < n ? exp(-4 * (off[a] * off[a] - least)) : 0;
  for (int a = 0; a < n; a++) sum += g[a];
  for (int a = 0; a < n; a++) {
    g[a] /= sum;
    mean += g[a] * off[a];
  }
  for (int a = 0; a < DISPERSION_WEIGHTS; a++) slope[a] = a < n ? -8 * g[a] * (off[a] - mean) : 0;
}

double dispersion_reference_c6(int za, int a, int zb, int b) {
  int i = dispersion_first[za] + a, j = dispersion_first[zb] + b;
  int high = i > j ? i : j, low = i > j ? j : i;
  return 1e-4 * dispersion_c6[high * (high + 1) / 2 + low];
}

/* One species as centre, with every slot. */
static void species_rows(const dispersion *d, const dispersion_species *s, int own,
                         const int *species, const reference_weights *weight, int begin, int end,
                         size_t stride, double *row) {
  double c6[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS] = {{0}};
  int z = s->element[own], n = s->n_reference[own], last = -1;
  double ratio = 0, f2 = 0;
  for (int i = begin; i < end; i++) {
    int other = species[i], m = other < 0 ? 0 : s->n_reference[other];
    if (other != last && other >= 0) {
      int y = s->element[other];
      ratio = 3 * dispersion_ratio[z] * dispersion_ratio[y];
      double f = d->a1 * sqrt(ratio) + d->a2;
      f2 = f * f;
      for (int a = 0; a < n; a++)
        for (int b = 0; b < m; b++) c6[a][b] = dispersion_reference_c6(z, a, y, b);
      last = other;
    }
    row[i] = other < 0 ? 0 : d->s8 * ratio;
    row[stride + (size_t)i] = other < 0 ? 1 : f2 * f2 * f2;
    row[2 * stride + (size_t)i] = other < 0 ? 1 : f2 * f2 * f2 * f2;
    for (int a = 0; a < 2 * n; a++) {
      double sum = 0;
      for (int b = 0; b < m; b++) sum += weight[i][a >= n][b] * c6[a % n][b];
      row[(size_t)(FIRST_C6 + a) * stride + (size_t)i] = d->s6 * sum;
    }
  }
}

void dispersion_rows(const dispersion *d, const dispersion_species *s, const int *species,
                     const reference_weights *weight, int begin, int end, size_t stride,
                     double *pair) {
  for (int own = 0; own < s->n; own++)
    species_rows(d, s, own, species, weight, begin, end, stride,
                 pair + (size_t)s->first_row[own] * stride);
}
