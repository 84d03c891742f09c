/* convolution.h -- bodies of the equivariant convolution and its reverse.
 *
 * A[i][slot p][m3][k] = sum_e R_p[k](r_e) sum_m1 Q_p[m1][m3](e) h[j(e)][m1][k],  with the coupling
 * Q_p[m1][m3] = sum_m2 C(l1 m1, l2 m2; l3 m3) Y_l2m2 made once per edge (geometry.h): the channels
 * see a dense (2 l1 + 1) x (2 l3 + 1) product whose factors are scalars, whatever the path.
 * R_p is a polynomial piece of `orders` coefficients: 1 (a value), 2 (value and slope at t = 0) or
 * 6 (a quintic in t). The reverse walks the edges of a neighbour j, so that the adjoint of its
 * features stays with the owner and nothing is scattered.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_CONVOLUTION_H
#define EQS_KERNEL_CONVOLUTION_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { M_MAX = 2 * L_MAX + 1, BLOCKS_MAX = 4 };

/* A piece on `blocks` lanes, and its slope by t. */
FN void piece_values(const real *c, int orders, int stride, real t, int blocks, lane *v) {
  lanes_load(c + (orders - 1) * stride, blocks, v);
  UNROLL(6)
  for (int d = orders - 2; d >= 0; d--) {
    lane x[BLOCKS_MAX];
    lanes_load(c + d * stride, blocks, x);
    UNROLL(4)
    for (int b = 0; b < blocks; b++) v[b] = v[b] * t + x[b];
  }
}

FN void piece_values_slopes(const real *c, int orders, int stride, real t, int blocks, lane *v,
                            lane *s) {
  lanes_load(c + (orders - 1) * stride, blocks, v);
  UNROLL(4)
  for (int b = 0; b < blocks; b++) s[b] = v[b];
  UNROLL(6)
  for (int d = orders - 2; d >= 0; d--) {
    lane x[BLOCKS_MAX];
    lanes_load(c + d * stride, blocks, x);
    UNROLL(4)
    for (int b = 0; b < blocks; b++) {
      if (d < orders - 2) s[b] = s[b] * t + v[b];
      v[b] = v[b] * t + x[b];
    }
  }
}

/* One edge and one path on `blocks` lanes, whose radial values are w: sum[b][m3] += w h Q. The
 * couplings of one m1 are `stride` apart and those of the next `row` further; l1, l3, blocks are
 * constants. */
FN void conv_forward_edge(int l1, int l3, int blocks, const real *h, int in_pitch, const real *q,
                          int row, int stride, const lane *w, lane (*sum)[M_MAX]) {
  UNROLL(7)
  for (int m1 = 0; m1 < 2 * l1 + 1; m1++) {
    lane x[BLOCKS_MAX];
    real factor[M_MAX + 1];
    lanes_load(h + m1 * in_pitch, blocks, x);
    UNROLL(4)
    for (int b = 0; b < blocks; b++) x[b] = w[b] * x[b];
    scalars_load(q + m1 * row, 2 * l3 + 1, stride, factor);
    UNROLL(7)
    for (int m3 = 0; m3 < 2 * l3 + 1; m3++) {
      UNROLL(4)
      for (int b = 0; b < blocks; b++) sum[b][m3] += x[b] * factor[m3];
    }
  }
}

/* Reverse: the rows of edge e of owner i. */
FN const real *conv_reverse_features(const conv_args *a, int i, int e) {
  const int row = a->by_center ? a->other[e] : a->h_row ? a->h_row[i] : i;
  return (const real *)a->h + (size_t)row * (size_t)a->h_stride;
}
FN const real *conv_reverse_aggregate(const conv_args *a, int i, int e) {
  return (const real *)a->a + (size_t)(a->by_center ? i : a->other[e]) * (size_t)a->a_stride;
}

/* One edge, path and m1 on one lane of a GPU (the host takes two at a time): from x = h[m1] and the
 * adjoint g[m3] of the aggregate, adds R h a_bar to the couplings' adjoints, R' h Q a_bar to that
 * of the length and, unless it is NULL, R Q a_bar to that of h. */
FN void conv_reverse_row(int l3, lane x, const lane *g, const real *q, int stride, lane w,
                         lane slope, lane *sum, lane *sum_r, lane *h_bar) {
  lane wx = w * x, back = lane_set(0);
  UNROLL(7)
  for (int m3 = 0; m3 < 2 * l3 + 1; m3++) {
    back += g[m3] * q[m3 * stride];
    sum[m3] += wx * g[m3];
  }
  *sum_r += slope * x * back;
  if (h_bar) *h_bar += w * back;
}

/* The adjoint of the weights R_p themselves, for functions that no piece describes: of edge e and
 * one path, w_bar[k] = sum_m1 h[m1][k] sum_m3 Q[m1][m3] a_bar[m3][k]. */
FN void conv_weight_reverse_body(const conv_args *a, const conv_path *p, int l1, int l3, int i,
                                 int e) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1;
  const real *h = conv_reverse_features(a, i, e) + p->in;
  const real *a_bar = conv_reverse_aggregate(a, i, e) + p->out;
  const real *q = (const real *)a->q + (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE +
                  (size_t)p->q * EDGE_TILE + e % EDGE_TILE;
  real *w_bar = (real *)a->w_bar + (size_t)e * (size_t)a->w_stride + p->radial;
  FOR_CHANNELS(k, p->channels) {
    lane g[M_MAX], sum = lane_set(0);
    UNROLL(7)
    for (int m = 0; m < n3; m++) g[m] = lane_load(a_bar + m * p->out_pitch + k);
    UNROLL(7)
    for (int m1 = 0; m1 < n1; m1++) {
      lane back = lane_set(0);
      UNROLL(7)
      for (int m3 = 0; m3 < n3; m3++) back += g[m3] * q[(m1 * n3 + m3) * EDGE_TILE];
      sum += lane_load(h + m1 * p->in_pitch + k) * back;
    }
    lane_store(w_bar + k, sum);
  }
}

#endif
