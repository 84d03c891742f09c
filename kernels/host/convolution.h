/* convolution.h -- launchers of the convolution and its reverse on the host.
 *
 * The radial functions are evaluated first (forward of an owner's edges, in reverse of one edge),
 * in even streams over their pieces, which come from a far cache, and multiplied afterwards. Blocks
 * of channels are as wide as the registers allow, since a coupling is loaded once per block; in
 * reverse one m1 at a time, so that the sums over channels stay in registers too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_HOST_CONVOLUTION_H
#define EQS_KERNEL_HOST_CONVOLUTION_H

#include "kernels/convolution.h"

enum { REGISTERS = LANE_BYTES == 64 ? 32 : 16 };

/* Edges of one owner with their radial functions evaluated beforehand, for STAGE_CHANNELS channels
 * of one path at a time: what the channels' loops then see is registers and the nearest cache. */
enum { STAGE_EDGES = 32, STAGE_CHANNELS = 128 };

typedef struct conv_stage {
  const real *h[STAGE_EDGES], *q[STAGE_EDGES]; /* the other atom's row; the edge's couplings */
  int channel;                                 /* the first of value */
  const real *value;                           /* [edge][STAGE_CHANNELS] */
} conv_stage;

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
  FOR_CHANNELS(k, n) {
    lane v;
    piece_values(c + k, orders, stride, t, 1, &v);
    lane_store(value + k, v);
  }
}

/* ----------------------------------------------------------------------------------- forward */

/* Channels k .. k + blocks * LW - 1 of one path of owner i, its edges begin .. end - 1, added to
 * what is there unless `fresh`; l1, l3, blocks are constants. */
FN void conv_forward_body(const conv_args *a, const conv_path *p, int l1, int l3, int blocks, int i,
                          int begin, int end, int fresh, int k, const conv_stage *stage) {
  const int n3 = 2 * l3 + 1;
  real *out = (real *)a->a + (size_t)i * (size_t)a->a_stride + p->out + k;
  lane sum[BLOCKS_MAX][M_MAX];
  for (int b = 0; b < blocks; b++) UNROLL(7)
  for (int m = 0; m < n3; m++)
    sum[b][m] = fresh ? lane_set(0) : lane_load(out + m * p->out_pitch + b * LW);
  for (int e = begin; e < end; e++) {
    lane w[BLOCKS_MAX];
    lanes_load(stage->value + (e - begin) * STAGE_CHANNELS + k - stage->channel, blocks, w);
    conv_forward_edge(l1, l3, blocks, stage->h[e - begin] + p->in + k, p->in_pitch,
                      stage->q[e - begin] + p->q * EDGE_TILE, n3 * EDGE_TILE, EDGE_TILE, w, sum);
  }
  for (int b = 0; b < blocks; b++) UNROLL(7)
  for (int m = 0; m < n3; m++) lane_store(out + m * p->out_pitch + b * LW, sum[b][m]);
}

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
      conv_forward_body(a, p, l1, l3, blocks, i, begin, end, fresh, k, stage);                     \
    for (; k < k_end; k += LW) conv_forward_body(a, p, l1, l3, 1, i, begin, end, fresh, k, stage); \
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
                             (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE +
                             (size_t)(e % EDGE_TILE);
      }
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        conv_forward_path(a, p, i, begin, end, &stage);
      begin = end;
    } while (begin < a->first[i + 1]);
  }
}

/* ----------------------------------------------------------------------------------- reverse */

/* Rows and scalars of one edge, for all paths. */
typedef struct conv_edge {
  const real *h, *a_bar, *row, *q;
  real *h_bar, t;
} conv_edge;

enum { REVERSE_BLOCKS = LANE_BYTES == 64 ? 4 : 2 };

/* One edge, path and m1 on `blocks` lanes, whose radial values and slopes are w and slope: adds
 * R Q a_bar to h_bar (unless NULL), R h a_bar to sum[m3] and R' h Q a_bar to sum_r. */
FN void conv_reverse_blocks(const conv_path *p, int l3, int blocks, const real *h,
                            const real *a_bar, const real *q, const lane *w, const lane *slope,
                            lane *sum, lane *sum_r, real *h_bar) {
  lane x[REVERSE_BLOCKS], wx[REVERSE_BLOCKS], back[REVERSE_BLOCKS];
  UNROLL(4)
  for (int b = 0; b < blocks; b++) {
    x[b] = lane_load(h + b * LW);
    LANE_HOLD(x[b]);
    wx[b] = w[b] * x[b];
    back[b] = lane_set(0);
  }
  UNROLL(7)
  for (int m = 0; m < 2 * l3 + 1; m++) {
    const real factor = q[m * EDGE_TILE];
    UNROLL(4)
    for (int b = 0; b < blocks; b++) {
      lane g = lane_load(a_bar + m * p->out_pitch + b * LW);
      LANE_HOLD(g);
      back[b] += g * factor;
      sum[m] += wx[b] * g;
    }
  }
  UNROLL(4)
  for (int b = 0; b < blocks; b++) {
    *sum_r += slope[b] * x[b] * back[b];
    if (h_bar) lane_store(h_bar + b * LW, lane_load(h_bar + b * LW) + w[b] * back[b]);
  }
}

/* One edge and one path: adds R Q a_bar to h_bar (if h_bar), and returns, not yet summed over the
 * channels, s[m1][m3] = R h a_bar and s_r = R' h Q a_bar . */
FN void conv_reverse_body(const conv_args *a, const conv_path *p, int l1, int l3, int orders,
                          const conv_edge *x, lane *s, lane *s_r) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1;
  lane w[STAGE_CHANNELS / LW], slope[STAGE_CHANNELS / LW], sum_r = lane_set(0);
  for (int from = 0; from < p->channels; from += STAGE_CHANNELS) {
    const int n = p->channels - from < STAGE_CHANNELS ? p->channels - from : STAGE_CHANNELS;
    const real *c = x->row + p->radial + from, *h = x->h + p->in + from;
    const real *a_bar = x->a_bar + p->out + from, *q = x->q + p->q * EDGE_TILE;
    real *h_bar = x->h_bar ? x->h_bar + p->in + from : NULL;
    FOR_CHANNELS(k, n)
    piece_values_slopes(c + k, orders, a->order_stride, x->t, 1, w + k / LW, slope + k / LW);
    for (int m1 = 0; m1 < n1; m1++, h += p->in_pitch, q += n3 * EDGE_TILE) {
      lane sum[M_MAX];
      int k = 0;
      UNROLL(7)
      for (int m = 0; m < n3; m++) sum[m] = from ? s[m1 * n3 + m] : lane_set(0);
      for (; k + REVERSE_BLOCKS * LW <= n; k += REVERSE_BLOCKS * LW)
        conv_reverse_blocks(p, l3, REVERSE_BLOCKS, h + k, a_bar + k, q, w + k / LW, slope + k / LW,
                            sum, &sum_r, h_bar ? h_bar + k : NULL);
      for (; k < n; k += LW)
        conv_reverse_blocks(p, l3, 1, h + k, a_bar + k, q, w + k / LW, slope + k / LW, sum, &sum_r,
                            h_bar ? h_bar + k : NULL);
      if (h_bar) h_bar += p->in_pitch;
      UNROLL(7)
      for (int m = 0; m < n3; m++) s[m1 * n3 + m] = sum[m];
    }
  }
  *s_r = *s_r + sum_r;
}

#define REVERSE(l1, l3, orders)                                                                    \
  static void conv_reverse_##l1##l3##orders(const conv_args *a, const conv_path *p,                \
                                            const conv_edge *x, lane *s, lane *s_r) {              \
    conv_reverse_body(a, p, l1, l3, orders, x, s, s_r);                                            \
  }
L_PAIRS(REVERSE, 2)
L_PAIRS(REVERSE, 6)
#undef REVERSE
typedef void reverse_edge(const conv_args *, const conv_path *, const conv_edge *, lane *, lane *);

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
    conv_edge x = {.h_bar = NULL};
    if (a->h_bar) {
      x.h_bar = (real *)a->h_bar + (size_t)i * (size_t)a->h_stride;
      FOR_CHANNELS(k, a->h_stride) lane_store(x.h_bar + k, lane_set(0));
    }
    for (int e = a->first[i]; e < a->first[i + 1]; e++) {
      const size_t at =
          (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE + (size_t)(e % EDGE_TILE);
      lane s_r[LW];
      real r_bar;
      x.h = conv_reverse_features(a, i, e);
      x.a_bar = conv_reverse_aggregate(a, i, e);
      x.row = (const real *)a->row[e];
      x.q = (const real *)a->q + at;
      x.t = ((const real *)a->t)[e];
      s_r[0] = lane_set(0);
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        reverse_for(p->l1, p->l3, a->orders)(a, p, &x, s + p->q, s_r);
      channel_sum(s, a->n_q, (real *)a->q_bar + at, EDGE_TILE);
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
