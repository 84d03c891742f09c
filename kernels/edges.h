/* edges.h -- bodies between atoms and edges: the edges of a block of owners, sums of the edges'
 * gradients over atoms, and the screened nuclear repulsion that MACE adds per pair.
 *
 * V(r) = 14.3996 Z1 Z2 / r * sum_i c_i exp(-b_i r / a) * f(r; R1 + R2), shared equally by the two
 * atoms; f is the polynomial cutoff at the sum of the covalent radii. Ziegler, Biersack, Littmark,
 * "The Stopping and Range of Ions in Matter" (1985).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_EDGES_H
#define EQS_KERNEL_EDGES_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

FN void edge_gather_body(const edge_gather_args *a, int i) {
  int begin = a->first[i] - a->first[0], end = a->first[i + 1] - a->first[0];
  if (LANE_LEADER) {
    a->local[i] = begin;
    if (i + 1 == a->n_owner) a->local[i + 1] = end;
  }
  FOR_EDGES(e, begin, end) {
    int edge = a->list ? a->list[a->first[0] + e] : a->first[0] + e;
    int other = a->other_of[edge];
    a->edge[e] = edge;
    a->other[e] = a->other_row ? a->other_row[other] : other;
    int source = a->species[a->neighbor[edge]], target = a->species[a->center[edge]];
    a->source[e] = source;
    a->target[e] = target;
    if (a->radius) a->r_sum[e] = a->radius[source] + a->radius[target];
  }
}

FN void edge_pick_body(const edge_pick_args *a, int e) { a->out[e] = a->of[a->edge[e]]; }

FN void edge_add_body(const edge_add_args *a, int e) {
  a->y[e] += a->x ? a->x[(size_t)e * (size_t)a->x_stride] * a->product[e] : a->product[e];
}

FN void species_energy_body(const species_energy_args *a, int i) {
  int s = a->species[i];
  a->energy[i] = a->scale ? a->scale[s] * a->energy[i] + a->shift[s] : a->shift[s];
}

FN void edge_force_body(const edge_force_args *a, int i) {
  double f[3] = {0, 0, 0};
  for (int e = a->first[i]; e < a->first[i + 1]; e++)
    for (int c = 0; c < 3; c++) f[c] += a->gradient[e][c];
  for (int t = a->transpose_first[i]; t < a->transpose_first[i + 1]; t++)
    for (int c = 0; c < 3; c++) f[c] -= a->gradient[a->transpose[t]][c];
  for (int c = 0; c < 3; c++) a->force[i][c] = f[c];
}

FN void edge_virial_body(const edge_virial_args *a, int i) {
  double w[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (int e = a->first[i]; e < a->first[i + 1]; e++)
    for (int c = 0; c < 9; c++) w[c] += a->vector[e][c / 3] * a->gradient[e][c % 3];
  for (int c = 0; c < 9; c++) a->virial[i][c] = w[c];
}

/* Half the pair energy and its derivative by r. */
FN double zbl_half_pair(const zbl_parameters *z, int s1, int s2, double r, double *slope) {
  const double b[4] = {3.2, 0.9423, 0.4028, 0.2016};
  double r_max = z->radius[s1] + z->radius[s2], z1 = z->charge[s1], z2 = z->charge[s2], p = z->p;
  *slope = 0;
  if (r >= r_max) return 0;
  double a = z->a_prefactor * 0.529 / (pow(z1, z->a_exp) + pow(z2, z->a_exp));
  double phi = 0, d_phi = 0;
  for (int i = 0; i < 4; i++) {
    double term = z->c[i] * exp(-b[i] * r / a);
    phi += term;
    d_phi -= b[i] / a * term;
  }
  double u = r / r_max, up = pow(u, p);
  double f = 1 - (p + 1) * (p + 2) / 2 * up + p * (p + 2) * up * u - p * (p + 1) / 2 * up * u * u;
  double d_f = -p * (p + 1) * (p + 2) / 2 * up / u * (1 - u) * (1 - u) / r_max;
  double q = 0.5 * 14.3996 * z1 * z2 / r;
  *slope = q * (d_phi * f + phi * d_f - phi * f / r);
  return q * phi * f;
}

FN void zbl_body(const zbl_args *a, int owner) {
  int i = a->begin + owner;
  for (int e = a->first[i]; e < a->first[i + 1]; e++) {
    const double *v = a->vector[e];
    double r = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), slope;
    double energy = zbl_half_pair(&a->z, a->species[i], a->species[a->neighbor[e]], r, &slope);
    a->energy[i] += a->scale * energy;
    if (a->gradient)
      for (int c = 0; c < 3; c++) a->gradient[e][c] += a->scale * slope * v[c] / r;
  }
}

#endif
