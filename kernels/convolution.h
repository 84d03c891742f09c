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

/* Edges of one owner with their radial functions evaluated beforehand, for STAGE_CHANNELS channels
 * of one path at a time: what the channels' loops then see is registers and the nearest cache. A
 * GPU has no stage (NULL) and evaluates where it multiplies. */
enum { STAGE_EDGES = 32, STAGE_CHANNELS = 128 };

typedef struct conv_stage {
  const real *h[STAGE_EDGES], *q[STAGE_EDGES]; /* the other atom's row; the edge's couplings */
  int channel;                                 /* the first of value */
  const real *value;                           /* [edge][STAGE_CHANNELS] */
} conv_stage;

FN lane piece_value(const real *c, int orders, int stride, real t) {
  lane v = lane_load(c + (orders - 1) * stride);
  UNROLL(6)
  for (int d = orders - 2; d >= 0; d--) v = v * t + lane_load(c + d * stride);
  return v;
}

FN void piece_value_slope(const real *c, int orders, int stride, real t, lane *value, lane *slope) {
  lane v = lane_load(c + (orders - 1) * stride), s = v;
  if (orders > 1) v = v * t + lane_load(c + (orders - 2) * stride);
  UNROLL(6)
  for (int d = orders - 3; d >= 0; d--) {
    s = s * t + v;
    v = v * t + lane_load(c + d * stride);
  }
  *value = v;
  *slope = s;
}

/* Channels k .. k + blocks * LW - 1 of one path of owner i, its edges begin .. end - 1, added to
 * what is there unless `fresh`; l1, l3, orders, blocks are constants. */
FN void conv_forward_body(const conv_args *a, const conv_path *p, int l1, int l3, int orders,
                          int blocks, int i, int begin, int end, int fresh, int k,
                          const conv_stage *stage) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1;
  const real *t = (const real *)a->t;
  real *out = (real *)a->a + (size_t)i * (size_t)a->a_stride + p->out + k;
  lane sum[BLOCKS_MAX][M_MAX];
  for (int b = 0; b < blocks; b++) UNROLL(7)
  for (int m = 0; m < n3; m++)
    sum[b][m] = fresh ? lane_set(0) : lane_load(out + m * p->out_pitch + b * LW);
  for (int e = begin; e < end; e++) {
    const real *h, *q;
    lane w[BLOCKS_MAX], x[BLOCKS_MAX];
    if (stage) {
      h = stage->h[e - begin] + p->in + k;
      q = stage->q[e - begin] + p->q * EDGE_TILE;
    } else {
      h = (const real *)a->h + (size_t)a->other[e] * (size_t)a->h_stride + p->in + k;
      q = (const real *)a->q + (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE +
          (size_t)p->q * EDGE_TILE + e % EDGE_TILE;
    }
    UNROLL(4)
    for (int b = 0; b < blocks; b++)
      w[b] =
          stage
              ? lane_load(stage->value + (e - begin) * STAGE_CHANNELS + k - stage->channel + b * LW)
              : piece_value((const real *)a->row[e] + p->radial + k + b * LW, orders,
                            a->order_stride, t[e]);
    UNROLL(7)
    for (int m1 = 0; m1 < n1; m1++) {
      UNROLL(4)
      for (int b = 0; b < blocks; b++) x[b] = w[b] * lane_load(h + m1 * p->in_pitch + b * LW);
      UNROLL(7)
      for (int m3 = 0; m3 < n3; m3++) {
        real factor = q[(m1 * n3 + m3) * EDGE_TILE];
        UNROLL(4)
        for (int b = 0; b < blocks; b++) sum[b][m3] += x[b] * factor;
      }
    }
  }
  for (int b = 0; b < blocks; b++) UNROLL(7)
  for (int m = 0; m < n3; m++) lane_store(out + m * p->out_pitch + b * LW, sum[b][m]);
}

/* One edge e and one path: adds R Q a_bar to h_bar (if h_bar), and returns, not yet summed over
 * the channels, s[m1][m3] = R h a_bar and s_r = R' h Q a_bar . */
FN void conv_reverse_body(const conv_args *a, const conv_path *p, int l1, int l3, int orders, int i,
                          int e, lane *s, lane *s_r) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1;
  const real *c = (const real *)a->row[e] + p->radial;
  const int row = a->h_row ? a->h_row[i] : i;
  const real *h = (const real *)a->h + (size_t)row * (size_t)a->h_stride + p->in;
  const real *a_bar = (const real *)a->a + (size_t)a->other[e] * (size_t)a->a_stride + p->out;
  const real *q = (const real *)a->q + (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE +
                  (size_t)p->q * EDGE_TILE + e % EDGE_TILE;
  real *h_bar = a->h_bar ? (real *)a->h_bar + (size_t)i * (size_t)a->h_stride + p->in : NULL;
  real t = ((const real *)a->t)[e];
  lane sum[M_MAX * M_MAX], sum_r = lane_set(0);
  UNROLL(49)
  for (int m = 0; m < n1 * n3; m++) sum[m] = lane_set(0);
  FOR_CHANNELS(k, p->channels) {
    lane w, slope, g[M_MAX];
    piece_value_slope(c + k, orders, a->order_stride, t, &w, &slope);
    UNROLL(7)
    for (int m = 0; m < n3; m++) g[m] = lane_load(a_bar + m * p->out_pitch + k);
    UNROLL(7)
    for (int m1 = 0; m1 < n1; m1++) {
      lane x = lane_load(h + m1 * p->in_pitch + k), wx = w * x, back = lane_set(0);
      UNROLL(7)
      for (int m3 = 0; m3 < n3; m3++) {
        back += g[m3] * q[(m1 * n3 + m3) * EDGE_TILE];
        sum[m1 * n3 + m3] += wx * g[m3];
      }
      sum_r += slope * x * back;
      if (h_bar) {
        real *hb = h_bar + m1 * p->in_pitch + k;
        lane_store(hb, lane_load(hb) + w * back);
      }
    }
  }
  UNROLL(49)
  for (int m = 0; m < n1 * n3; m++) s[m] = sum[m];
  *s_r = *s_r + sum_r;
}

/* The adjoint of the weights R_p themselves, for functions that no piece describes: of edge e and
 * one path, w_bar[k] = sum_m1 h[m1][k] sum_m3 Q[m1][m3] a_bar[m3][k]. */
FN void conv_weight_reverse_body(const conv_args *a, const conv_path *p, int l1, int l3, int i,
                                 int e) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1;
  const int row = a->h_row ? a->h_row[i] : i;
  const real *h = (const real *)a->h + (size_t)row * (size_t)a->h_stride + p->in;
  const real *a_bar = (const real *)a->a + (size_t)a->other[e] * (size_t)a->a_stride + p->out;
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
