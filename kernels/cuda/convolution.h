// convolution.h -- the convolution on a GPU, in terms of the bodies of kernels/convolution.h.
//
// A warp makes one path of one atom: four channels a thread, so that 128 channels share one load of
// every scalar. The scalars of CONV_EDGES edges at a time (couplings, places of rows) wait in
// shared memory, transposed, so that a load brings four of them. Forward, the warps of a block
// share an atom and thus, in the first level of cache, the rows of its neighbours; in reverse a
// warp makes all paths of one l1 and keeps the adjoint of the features in registers until its last
// edge. Launches: one per l1 of the features.
//
// SPDX-License-Identifier: MIT
#ifndef EQS_CUDA_CONVOLUTION_H
#define EQS_CUDA_CONVOLUTION_H

#include "kernels/convolution.h"

enum { CONV_EDGES = 64 / sizeof(real), CONV_WARPS = 8, REVERSE_WARPS = 4, CONV_PATHS = 64 };

struct conv_paths {
  int n;
  conv_path path[CONV_PATHS];
};

// Couplings of one m1 begin at multiples of 4; rows of edges are an odd number of quads apart, so
// that few of them are in one bank.
static __host__ __device__ constexpr int conv_quads(int n) { return (n + 3) / 4; }
static __host__ __device__ constexpr int conv_pitch(int l1, int l3) {
  return 4 * ((2 * l1 + 1) * conv_quads(2 * l3 + 1) | 1);
}

// What a warp holds of its edges in hand.
template <int l1> struct alignas(16) conv_edges {
  real q[CONV_EDGES][conv_pitch(l1, L_MAX)];
  const real *row[CONV_EDGES], *other[CONV_EDGES];
  real t[CONV_EDGES];
};
template <int l1> struct conv_adjoints {
  real bar[CONV_EDGES][conv_pitch(l1, L_MAX)]; // of the couplings, and of the length behind them
};

static __device__ __forceinline__ size_t conv_tile(const conv_args &a, int e) {
  return (size_t)(e / EDGE_TILE) * (size_t)a.n_q * EDGE_TILE + (size_t)(e % EDGE_TILE);
}

// Edges begin .. begin + n - 1; `rows` + other * stride is what they gather.
template <int l1, int l3>
static __device__ __forceinline__ void conv_stage(const conv_args &a, const conv_path &p, int begin,
                                                  int n, const real *rows, int stride,
                                                  conv_edges<l1> *s) {
  const int me = (int)(threadIdx.x & 31), j = me % CONV_EDGES, e = begin + j;
  const int n3 = 2 * l3 + 1;
  __syncwarp();
  if (j < n) {
    const real *q = (const real *)a.q + conv_tile(a, e) + (size_t)p.q * EDGE_TILE;
    if (me < CONV_EDGES) {
      s->row[j] = (const real *)a.row[e] + p.radial;
      s->other[j] = rows + (size_t)a.other[e] * (size_t)stride;
      s->t[j] = ((const real *)a.t)[e];
    }
    UNROLL(7)
    for (int m1 = 0; m1 < 2 * l1 + 1; m1++) UNROLL(7)
    for (int m = 0; m < n3; m += 32 / CONV_EDGES) {
      const int m3 = m + me / CONV_EDGES;
      if (m3 < n3) s->q[j][m1 * 4 * conv_quads(n3) + m3] = q[(m1 * n3 + m3) * EDGE_TILE];
    }
  }
  __syncwarp();
}

template <int l1, int l3, int orders>
static __device__ __forceinline__ void conv_forward_path(const conv_args &a, const conv_path &p,
                                                         int i, conv_edges<l1> *s) {
  const int end = a.first[i + 1];
  UNROLL(1)
  for (int k = 4 * (int)(threadIdx.x & 31); k - 4 * (int)(threadIdx.x & 31) < p.channels;
       k += 128) {
    lane sum[BLOCKS_MAX][M_MAX];
    UNROLL(7)
    for (int m = 0; m < 2 * l3 + 1; m++) UNROLL(4)
    for (int b = 0; b < 4; b++) sum[b][m] = lane_set(0);
    UNROLL(1)
    for (int begin = a.first[i]; begin < end; begin += CONV_EDGES) {
      const int n = end - begin < CONV_EDGES ? end - begin : CONV_EDGES;
      conv_stage<l1, l3>(a, p, begin, n, (const real *)a.h + p.in, a.h_stride, s);
      if (k >= p.channels) continue;
      UNROLL(1)
      for (int j = 0; j < n; j++) {
        lane w[BLOCKS_MAX];
        piece_values(s->row[j] + k, orders, a.order_stride, s->t[j], 4, w);
        conv_forward_edge(l1, l3, 4, s->other[j] + k, p.in_pitch, s->q[j],
                          4 * conv_quads(2 * l3 + 1), 1, w, sum);
      }
    }
    if (k >= p.channels) continue;
    real *out = (real *)a.a + (size_t)i * (size_t)a.a_stride + p.out + k;
    UNROLL(7)
    for (int m = 0; m < 2 * l3 + 1; m++) {
      const real x[4] = {sum[0][m], sum[1][m], sum[2][m], sum[3][m]};
      quad_store(out + m * p.out_pitch, x);
    }
  }
}

// A block per owner, a warp per path.
template <int l1, int orders>
static __global__ void __launch_bounds__(32 * CONV_WARPS, 2)
    conv_forward_kernel(const conv_args a, const conv_paths paths) {
  CU_SHARED(conv_edges<l1>, stage, [CONV_WARPS]);
  const int i = (int)blockIdx.x, warp = (int)(threadIdx.x / 32);
  conv_edges<l1> *s = &stage[warp];
  UNROLL(1)
  for (int n = warp; n < paths.n; n += (int)(blockDim.x / 32)) {
    const conv_path p = paths.path[n];
    if (p.l3 == 0) conv_forward_path<l1, 0, orders>(a, p, i, s);
    else if (p.l3 == 1) conv_forward_path<l1, 1, orders>(a, p, i, s);
    else if (p.l3 == 2) conv_forward_path<l1, 2, orders>(a, p, i, s);
    else conv_forward_path<l1, 3, orders>(a, p, i, s);
  }
}

// One edge on four channels of a thread: x[m1] are its features, g[m3] the adjoint aggregate.
template <int l1, int l3, int by_center>
static __device__ __forceinline__ void
conv_reverse_quad(const lane (*x)[4], const lane (*g)[4], const real *q, const lane *w,
                  const lane *slope, lane *sum, lane (*h_bar)[4]) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1;
  UNROLL(7)
  for (int m1 = 0; m1 < n1; m1++) {
    real factor[M_MAX + 1];
    scalars_load(q + m1 * 4 * conv_quads(n3), n3, 1, factor);
    UNROLL(4)
    for (int b = 0; b < 4; b++) {
      lane y[M_MAX];
      UNROLL(7)
      for (int m3 = 0; m3 < n3; m3++) y[m3] = g[m3][b];
      conv_reverse_row(l3, x[m1][b], y, factor, 1, w[b], slope[b], sum + m1 * n3, sum + n1 * n3,
                       by_center ? NULL : &h_bar[m1][b]);
    }
  }
}

// The sums over channels of a stage's edges, as lanes hold edges.
template <int l1, int l3>
static __device__ __forceinline__ void conv_put_adjoints(const conv_args &a, const conv_path &p,
                                                         int begin, int n, int fresh,
                                                         const conv_adjoints<l1> *s) {
  const int me = (int)(threadIdx.x & 31), j = me % CONV_EDGES, e = begin + j;
  const int n_q = (2 * l1 + 1) * (2 * l3 + 1);
  __syncwarp();
  if (j >= n) return;
  real *q_bar = (real *)a.q_bar + conv_tile(a, e) + (size_t)p.q * EDGE_TILE;
  UNROLL(4)
  for (int m = me / CONV_EDGES; m < n_q; m += 32 / CONV_EDGES)
    q_bar[m * EDGE_TILE] = fresh ? s->bar[j][m] : q_bar[m * EDGE_TILE] + s->bar[j][m];
  if (me < CONV_EDGES) a.r_bar[e] += (double)s->bar[j][n_q] * a.slope[e];
}

// Channels k0 .. k0 + 127 of one path; h_bar in registers. By centre the aggregate's adjoint stays
// in registers and the features are gathered, else the other way round.
template <int l1, int l3, int orders, int by_center>
static __device__ __forceinline__ void
conv_reverse_path(const conv_args &a, const conv_path &p, int i, int k0, const lane (*h)[4],
                  lane (*h_bar)[4], conv_edges<l1> *s, conv_adjoints<l1> *t) {
  const int n1 = 2 * l1 + 1, n3 = 2 * l3 + 1, end = a.first[i + 1];
  const int k = k0 + 4 * (int)(threadIdx.x & 31);
  const real *rows = by_center ? (const real *)a.h + p.in : (const real *)a.a + p.out;
  const int stride = by_center ? a.h_stride : a.a_stride;
  lane x[2 * l1 + 1][4] = {}, g[2 * l3 + 1][4] = {};
  UNROLL(7)
  for (int m = 0; m < n3; m++)
    if (by_center && k < p.channels)
      quad_read(conv_reverse_aggregate(&a, i, 0) + p.out + m * p.out_pitch + k, g[m]);
  UNROLL(1)
  for (int begin = a.first[i]; begin < end; begin += CONV_EDGES) {
    const int n = end - begin < CONV_EDGES ? end - begin : CONV_EDGES;
    conv_stage<l1, l3>(a, p, begin, n, rows, stride, s);
    UNROLL(1)
    for (int j = 0; j < n; j++) {
      lane sum[(2 * l1 + 1) * (2 * l3 + 1) + 1], w[4], slope[4];
      UNROLL(50)
      for (int m = 0; m < n1 * n3 + 1; m++) sum[m] = lane_set(0);
      if (k < p.channels) {
        piece_values_slopes(s->row[j] + k, orders, a.order_stride, s->t[j], 4, w, slope);
        if (by_center) {
          UNROLL(7)
          for (int m = 0; m < n1; m++) quad_read(s->other[j] + m * p.in_pitch + k, x[m]);
        } else {
          UNROLL(7)
          for (int m = 0; m < n3; m++) quad_read(s->other[j] + m * p.out_pitch + k, g[m]);
        }
        conv_reverse_quad<l1, l3, by_center>(by_center ? x : h, g, s->q[j], w, slope, sum, h_bar);
      }
      channel_sum(sum, n1 * n3 + 1, t->bar[j], 1);
    }
    conv_put_adjoints<l1, l3>(a, p, begin, n, k0 == 0, t);
  }
}

// A warp per owner.
template <int l1, int orders, int by_center>
static __global__ void __launch_bounds__(32 * REVERSE_WARPS, l1 == 3 ? 2 : 3)
    conv_reverse_kernel(const conv_args a, const conv_paths paths) {
  CU_SHARED(conv_edges<l1>, stage, [REVERSE_WARPS]);
  CU_SHARED(conv_adjoints<l1>, adjoint, [REVERSE_WARPS]);
  const int warp = (int)(threadIdx.x / 32), i = (int)blockIdx.x * REVERSE_WARPS + warp;
  const int thread = (int)(threadIdx.x & 31), n1 = 2 * l1 + 1;
  conv_edges<l1> *s = &stage[warp];
  conv_adjoints<l1> *t = &adjoint[warp];
  if (i >= a.n_owner) return;
  UNROLL(1)
  for (int k0 = 0; k0 < paths.path[0].channels; k0 += 128) {
    const int k = k0 + 4 * thread, in = paths.path[0].in, pitch = paths.path[0].in_pitch;
    const bool mine = !by_center && k < paths.path[0].channels;
    lane h[2 * l1 + 1][4] = {}, h_bar[2 * l1 + 1][4] = {};
    UNROLL(7)
    for (int m = 0; m < n1; m++)
      if (mine) quad_read(conv_reverse_features(&a, i, 0) + in + m * pitch + k, h[m]);
    UNROLL(1)
    for (int n = 0; n < paths.n; n++) {
      const conv_path p = paths.path[n];
      if (p.l3 == 0) conv_reverse_path<l1, 0, orders, by_center>(a, p, i, k0, h, h_bar, s, t);
      else if (p.l3 == 1) conv_reverse_path<l1, 1, orders, by_center>(a, p, i, k0, h, h_bar, s, t);
      else if (p.l3 == 2) conv_reverse_path<l1, 2, orders, by_center>(a, p, i, k0, h, h_bar, s, t);
      else conv_reverse_path<l1, 3, orders, by_center>(a, p, i, k0, h, h_bar, s, t);
    }
    if (mine && a.h_bar) UNROLL(7)
    for (int m = 0; m < n1; m++)
      quad_store((real *)a.h_bar + (size_t)i * (size_t)a.h_stride + in + m * pitch + k, h_bar[m]);
  }
}

template <int l1, int l3>
static __global__ void __launch_bounds__(32 * REVERSE_WARPS, 4)
    conv_weight_reverse_kernel(const conv_args a, const conv_path p) {
  const int i = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32);
  if (i >= a.n_owner) return;
  for (int e = a.first[i]; e < a.first[i + 1]; e++) conv_weight_reverse_body(&a, &p, l1, l3, i, e);
}

#endif
