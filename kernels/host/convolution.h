/* convolution.h -- launchers of the convolution and its reverse on the host.
 *
 * Forward, the radial functions of an owner's edges are evaluated first, in even streams over their
 * pieces (which come from a far cache), and multiplied afterwards; blocks of channels are as wide
 * as the registers allow, since a coupling is loaded once per block. In reverse a stage gained
 * nothing: there the sums over channels fill the time that a piece is waited for.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_HOST_CONVOLUTION_H
#define EQS_KERNEL_HOST_CONVOLUTION_H

#include "kernels/convolution.h"

enum { REGISTERS = LANE_BYTES == 64 ? 32 : 16 };

#define L_PAIRS(X, orders)                                                                         \
  X(0, 0, orders)                                                                                  \
  X(0, 1, orders)                                                                                  \
  X(0, 2, orders)                                                                                  \
  X(0, 3, orders)                                                                                  \
  X(1, 0, orders)                                                                                  \
  X(1, 1, orders)                                                                                  \
  X(1, 2, orders)                                                                                  \
  X(1, 3, orders)                                                                                  \
  X(2, 0, orders)                                                                                  \
  X(2, 1, orders)                                                                                  \
  X(2, 2, orders)                                                                                  \
  X(2, 3, orders)                                                                                  \
  X(3, 0, orders)                                                                                  \
  X(3, 1, orders)                                                                                  \
  X(3, 2, orders)                                                                                  \
  X(3, 3, orders)

FN void stage_piece(const real *c, int orders, int stride, real t, int n, real *value) {
  FOR_CHANNELS(k, n) lane_store(value + k, piece_value(c + k, orders, stride, t));
}

/* ----------------------------------------------------------------------------------- forward */

/* Sums, products, factors of the blocks and one coupling have to fit. */
FN int forward_blocks(int n3) {
  if (4 * (n3 + 2) + 1 <= REGISTERS) return 4;
  return 2 * (n3 + 2) + 1 <= REGISTERS ? 2 : 1;
}

#define FORWARD(l1, l3, unused)                                                                    \
  static void conv_forward_##l1##l3(const conv_args *a, const conv_path *p, int i, int begin,      \
                                    int end, int k, int k_end, const conv_stage *stage) {          \
    const int blocks = forward_blocks(2 * l3 + 1);                                                 \
    const int fresh = begin == a->first[i];                                                        \
    for (; k + blocks * LW <= k_end; k += blocks * LW)                                             \
      conv_forward_body(a, p, l1, l3, 1, blocks, i, begin, end, fresh, k, stage);                  \
    for (; k < k_end; k += LW)                                                                     \
      conv_forward_body(a, p, l1, l3, 1, 1, i, begin, end, fresh, k, stage);                       \
  }
L_PAIRS(FORWARD, 0)
#undef FORWARD
typedef void forward_edges(const conv_args *, const conv_path *, int, int, int, int, int,
                           const conv_stage *);

static forward_edges *forward_for(int l1, int l3) {
#define FORWARD_NAME(l1, l3, unused) conv_forward_##l1##l3,
  static forward_edges *const table[] = {L_PAIRS(FORWARD_NAME, 0)};
#undef FORWARD_NAME
  return table[l1 * N_L + l3];
}

/* One path of owner i, its edges begin .. end - 1 (at most STAGE_EDGES). */
static void conv_forward_path(const conv_args *a, const conv_path *p, int i, int begin, int end,
                              conv_stage *stage) {
  lane value[STAGE_EDGES * STAGE_CHANNELS / LW];
  forward_edges *run = forward_for(p->l1, p->l3);
  for (int k = 0; k < p->channels; k += STAGE_CHANNELS) {
    int n = p->channels - k < STAGE_CHANNELS ? p->channels - k : STAGE_CHANNELS;
    for (int e = begin; e < end; e++) {
      const real *c = (const real *)a->row[e] + p->radial + k;
      real t = ((const real *)a->t)[e], *to = (real *)value + (e - begin) * STAGE_CHANNELS;
      if (a->orders == RADIAL_VALUE) stage_piece(c, RADIAL_VALUE, 0, t, n, to);
      else stage_piece(c, RADIAL_QUINTIC, a->order_stride, t, n, to);
    }
    stage->value = (const real *)value;
    stage->channel = k;
    run(a, p, i, begin, end, k, k + n, stage);
  }
}

static void conv_forward_host(const conv_args *a) {
  conv_stage stage;
  for (int i = 0; i < a->n_owner; i++) {
    int begin = a->first[i];
    do {
      int end = a->first[i + 1] - begin < STAGE_EDGES ? a->first[i + 1] : begin + STAGE_EDGES;
      for (int e = begin; e < end; e++) {
        stage.h[e - begin] = (const real *)a->h + (size_t)a->other[e] * (size_t)a->h_stride;
        stage.q[e - begin] = (const real *)a->q +
                             (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE + e % EDGE_TILE;
      }
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        conv_forward_path(a, p, i, begin, end, &stage);
      begin = end;
    } while (begin < a->first[i + 1]);
  }
}

/* ----------------------------------------------------------------------------------- reverse */

#define REVERSE(l1, l3, orders)                                                                    \
  static void conv_reverse_##l1##l3##orders(const conv_args *a, const conv_path *p, int i, int e,  \
                                            lane *s, lane *s_r) {                                  \
    conv_reverse_body(a, p, l1, l3, orders, i, e, s, s_r);                                         \
  }
L_PAIRS(REVERSE, 2)
L_PAIRS(REVERSE, 6)
#undef REVERSE
typedef void reverse_edge(const conv_args *, const conv_path *, int, int, lane *, lane *);

static reverse_edge *reverse_for(int l1, int l3, int orders) {
#define REVERSE_NAME(l1, l3, orders) conv_reverse_##l1##l3##orders,
  static reverse_edge *const slope[] = {L_PAIRS(REVERSE_NAME, 2)};
  static reverse_edge *const quintic[] = {L_PAIRS(REVERSE_NAME, 6)};
#undef REVERSE_NAME
  return (orders == RADIAL_SLOPE ? slope : quintic)[l1 * N_L + l3];
}

static size_t conv_scratch_host(int n_q) {
  return ((size_t)n_q + M_MAX * M_MAX + LW) * sizeof(lane);
}

static void conv_reverse_host(const conv_args *a) {
  lane *s = (lane *)a->scratch;
  for (int i = 0; i < a->n_owner; i++) {
    if (a->h_bar) {
      real *h_bar = (real *)a->h_bar + (size_t)i * (size_t)a->h_stride;
      FOR_CHANNELS(k, a->h_stride) lane_store(h_bar + k, lane_set(0));
    }
    for (int e = a->first[i]; e < a->first[i + 1]; e++) {
      lane s_r[LW];
      real r_bar;
      s_r[0] = lane_set(0);
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        reverse_for(p->l1, p->l3, a->orders)(a, p, i, e, s + p->q, s_r);
      channel_sum(s, a->n_q,
                  (real *)a->q_bar + (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE +
                      e % EDGE_TILE,
                  EDGE_TILE);
      channel_sum(s_r, 1, &r_bar, 1);
      a->r_bar[e] += (double)r_bar * a->slope[e];
    }
  }
}

/* ---------------------------------------------------------------- adjoint of the edges' weights */

#define WEIGHT_REVERSE(l1, l3, unused)                                                             \
  static void conv_weight_reverse_##l1##l3(const conv_args *a, const conv_path *p, int i, int e) { \
    conv_weight_reverse_body(a, p, l1, l3, i, e);                                                  \
  }
L_PAIRS(WEIGHT_REVERSE, 0)
#undef WEIGHT_REVERSE
typedef void weight_reverse_edge(const conv_args *, const conv_path *, int, int);

static void conv_weight_reverse_host(const conv_args *a) {
#define WEIGHT_REVERSE_NAME(l1, l3, unused) conv_weight_reverse_##l1##l3,
  static weight_reverse_edge *const body[] = {L_PAIRS(WEIGHT_REVERSE_NAME, 0)};
#undef WEIGHT_REVERSE_NAME
  for (int i = 0; i < a->n_owner; i++)
    for (int e = a->first[i]; e < a->first[i + 1]; e++)
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        body[p->l1 * N_L + p->l3](a, p, i, e);
}

#endif
