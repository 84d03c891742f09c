/* radial_basis.c -- radial bases, cutoffs and distance transforms as jets of the edge length.
 *
 * Bessel: prefactor sin(w r) / r (Klicpera et al. 2020); polynomial cutoff of the same paper; XPLOR
 * switching (Brunger); Agnesi and Soft transforms and Gaussian, Chebyshev bases as in MACE 0.3.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/jet.h"
#include "potentials/radial.h"

static jet cutoff_jet(const radial_basis *b, double r, int side) {
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
static jet transform_jet(const radial_basis *b, double r, double r_sum) {
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

static void basis_jets(const radial_basis *b, jet x, jet *out) {
  jet before = jet_constant(1), now = x;
  for (int k = 0; k < b->n; k++) {
    if (b->kind == BASIS_BESSEL) {
      out[k] = jet_scale(b->prefactor, jet_sine_over(b->weight[k], x));
    } else if (b->kind == BASIS_GAUSSIAN) {
      jet d = jet_add(x, jet_constant(-b->weight[k]));
      out[k] = jet_exp(jet_scale(b->prefactor, jet_mul(d, d)));
    } else { /* T_1, T_2, ... */
      out[k] = now;
      jet next = jet_add(jet_scale(2, jet_mul(x, now)), jet_scale(-1, before));
      before = now;
      now = next;
    }
  }
}

static void put_jet(jet j, int orders, double *to, size_t stride) {
  to[0] = j.v;
  if (orders > 1) to[stride] = j.d;
  if (orders > 2) to[2 * stride] = j.dd;
}

void radial_basis_rows(const radial_basis *b, int n, const double *r, const double *r_sum,
                       int orders, int side, int stride, double *x, double *cut) {
  for (int e = 0; e < n; e++, cut += orders, x += (size_t)orders * (size_t)stride) {
    jet f = cutoff_jet(b, r[e], side), basis[BASIS_MAX];
    basis_jets(b, transform_jet(b, r[e], r_sum ? r_sum[e] : 1), basis);
    put_jet(f, orders, cut, 1);
    for (int i = 0; i < b->n; i++) {
      if (b->cutoff_on_basis) basis[i] = jet_mul(basis[i], f);
      put_jet(basis[i], orders, x + i, (size_t)stride);
    }
  }
}
