/* radial.h -- bodies over edges of what a radial network is fed with and read by: bases, cutoffs
 * and distance transforms as jets of the edge length, MACE's density, and the pieces of tables.
 *
 * Bessel: prefactor sin(w r) / r (Klicpera et al. 2020); polynomial cutoff of the same paper; XPLOR
 * switching (Brunger); Agnesi and Soft transforms and Gaussian, Chebyshev bases as in MACE 0.3.
 * All in double: a lane is one edge.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_RADIAL_H
#define EQS_KERNEL_RADIAL_H

#include "kernels/jet.h"
#include "kernels/kernels.h"
#include "kernels/lane.h"

FN jet cutoff_jet(const radial_basis *b, double r, int side) {
  if (r > b->r_max || (r == b->r_max && side > 0)) return jet_constant(0);
  jet x = jet_variable(r);
  if (b->cutoff == CUTOFF_XPLOR) {
    if (r < b->r_on || (r == b->r_on && side < 0)) return jet_constant(1);
    double c2 = b->r_max * b->r_max, on2 = b->r_on * b->r_on, d = c2 - on2;
    jet x2 = jet_mul(x, x), gap = jet_add(jet_constant(c2), jet_scale(-1, x2));
    jet rest = jet_add(jet_constant(c2 - 3 * on2), jet_scale(2, x2));
    return jet_scale(1 / (d * d * d), jet_mul(jet_mul(gap, gap), rest));
  }
  double p = b->cutoff_p;
  jet u = jet_scale(1 / b->r_max, x), up = jet_power(u, p), poly;
  poly = jet_add(jet_constant(-(p + 1) * (p + 2) / 2), jet_scale(p * (p + 2), u));
  poly = jet_add(poly, jet_scale(-p * (p + 1) / 2, jet_mul(u, u)));
  return jet_add(jet_constant(1), jet_mul(up, poly));
}

/* a y^q / (1 + y^(q-p)) is written as a y^p / (1 + y^(p-q)): no infinities at y = 0. */
FN jet transform_jet(const radial_basis *b, double r, double r_sum) {
  jet x = jet_variable(r);
  if (b->transform == TRANSFORM_AGNESI) {
    jet y = jet_scale(2 / r_sum, x);
    jet low = jet_add(jet_constant(1), jet_power(y, b->p - b->q));
    jet ratio = jet_scale(b->a, jet_mul(jet_power(y, b->p), jet_inverse(low)));
    return jet_inverse(jet_add(jet_constant(1), ratio));
  }
  if (b->transform == TRANSFORM_SOFT) {
    double p0 = 0.75 * r_sum, p1 = 4.0 / 3.0 * r_sum, m = (p0 + p1) / 2,
           beta = b->alpha / (p1 - p0);
    jet s = jet_tanh(jet_scale(beta, jet_add(x, jet_constant(-m))));
    jet half = jet_scale(0.5, jet_add(jet_constant(1), s));
    return jet_add(jet_constant(p0), jet_mul(jet_add(x, jet_constant(-p0)), half));
  }
  if (b->transform == TRANSFORM_SOFT_OLD) {
    jet y = jet_scale(4 / r_sum, x);
    jet inner = jet_add(jet_scale(-1, y), jet_scale(-b->a, jet_power(y, b->b)));
    return jet_add(x, jet_add(jet_scale(0.5, jet_tanh(inner)), jet_constant(0.5)));
  }
  return x;
}

FN void put_jet(jet j, int orders, real *to, size_t stride) {
  to[0] = (real)j.v;
  if (orders > 1) to[stride] = (real)j.d;
  if (orders > 2) to[2 * stride] = (real)j.dd;
}

FN void radial_basis_body(const radial_basis_args *a, int e) {
  const radial_basis *b = &a->basis;
  double r = a->r[e], *cut = a->cut + (size_t)e * (size_t)a->orders;
  jet f = cutoff_jet(b, r, a->side), x = transform_jet(b, r, a->r_sum ? a->r_sum[e] : 1);
  jet before = jet_constant(1), now = x, value;
  real *to = (real *)a->x + (size_t)e * (size_t)a->orders * (size_t)a->stride;
  cut[0] = f.v;
  if (a->orders > 1) cut[1] = f.d;
  if (a->orders > 2) cut[2] = f.dd;
  for (int k = 0; k < b->n; k++) {
    if (b->kind == BASIS_BESSEL) {
      value = jet_scale(b->prefactor, jet_sine_over(b->weight[k], x));
    } else if (b->kind == BASIS_GAUSSIAN) {
      jet d = jet_add(x, jet_constant(-b->weight[k]));
      value = jet_exp(jet_scale(b->prefactor, jet_mul(d, d)));
    } else { /* T_1, T_2, ... */
      value = now;
      jet next = jet_add(jet_scale(2, jet_mul(x, now)), jet_scale(-1, before));
      before = now;
      now = next;
    }
    if (b->cutoff_on_basis) value = jet_mul(value, f);
    put_jet(value, a->orders, to + k, (size_t)a->stride);
  }
}

/* The jet in rows of `stride`, of which `orders` count. */
FN jet get_jet(const real *x, int orders, size_t stride) {
  return jet_of((double)x[0], orders > 1 ? (double)x[stride] : 0,
                orders > 2 ? (double)x[2 * stride] : 0);
}

FN void radial_density_body(const radial_density_args *a, int e) {
  size_t row = (size_t)e * (size_t)a->orders;
  jet g = get_jet((const real *)a->g + row * (size_t)a->g_stride, a->orders, (size_t)a->g_stride);
  jet y = jet_tanh(jet_mul(g, g));
  if (a->cut) {
    const double *c = a->cut + row;
    y = jet_mul(y, jet_of(c[0], a->orders > 1 ? c[1] : 0, a->orders > 2 ? c[2] : 0));
  }
  real *to = (real *)a->x + row * (size_t)a->stride + a->column;
  for (int d = 0; d < a->orders; d++)
    for (int j = 1; j < ROW_PAD; j++) to[(size_t)d * (size_t)a->stride + (size_t)j] = 0;
  put_jet(y, a->orders, to, (size_t)a->stride);
}

FN const radial_table *table_of(const radial_locate_args *a, int source, int target) {
  if (a->n_species == 1) return a->table;
  int swap = !a->ordered && target > source;
  return a->table + (swap ? source * a->n_species + target : target * a->n_species + source);
}

FN void radial_locate_body(const radial_locate_args *a, int e) {
  if (!a->table) {
    a->row[e] = (const real *)a->rows + (size_t)e * a->row_size;
    ((real *)a->t)[e] = 0;
    a->slope[e] = a->slope_of_rows;
    return;
  }
  const radial_table *t = table_of(a, a->source[e], a->target[e]);
  double r = a->r[e];
  int i = 0;
  while (i < t->n_segment - 1 && r >= t->segment[i].to) i++;
  const radial_segment *s = t->segment + i;
  double x = (r - s->from) * s->inverse_width;
  int at = x < s->n - 1 ? (int)x : s->n - 1;
  a->row[e] = (const real *)s->piece + (size_t)at * RADIAL_QUINTIC * (size_t)a->width;
  ((real *)a->t)[e] = (real)(x - at);
  a->slope[e] = s->inverse_width;
}

#endif
