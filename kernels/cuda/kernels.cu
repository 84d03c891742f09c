// kernels.cu -- the kernel bodies as CUDA kernels: the same source as the host, one thread a lane.
//
// Geometry: a thread per edge. Nodes: a warp walks the channels. Convolution: forward a thread per
// channel and a block per centre; reverse a warp per edge, so that its sums over channels need no
// barrier. Linear maps are cuBLAS's. Launch code comes with the CUDA backend; this file already
// has to compile for every architecture, without warnings.
//
// SPDX-License-Identifier: MIT
#define EQS_KERNEL_DOUBLE 0
#include "kernels/lane.h"

#include "kernels/contraction.h"
#include "kernels/convolution.h"
#include "kernels/geometry.h"
#include "kernels/node.h"

#define OVER_EDGES(op, args)                                                                       \
  extern "C" __global__ void op##_cuda(const args a) {                                             \
    int e = (int)(blockIdx.x * blockDim.x + threadIdx.x);                                          \
    if (e / EDGE_TILE * EDGE_TILE < a.n) op##_body(&a, e / EDGE_TILE, e % EDGE_TILE);              \
  }
OVER_EDGES(edge_geometry, edge_geometry_args)
OVER_EDGES(edge_gradient, edge_gradient_args)
OVER_EDGES(coupling_forward, coupling_args)
OVER_EDGES(coupling_reverse, coupling_args)

#define OVER_NODES(op, args, count)                                                                \
  extern "C" __global__ void op##_cuda(const args a) {                                             \
    int i = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32);                                   \
    if (i < a.count) op##_body(&a, i);                                                             \
  }
OVER_NODES(density_forward, density_args, n_owner)
OVER_NODES(density_reverse, density_args, n_owner)
OVER_NODES(gate_forward, gate_args, n)
OVER_NODES(gate_reverse, gate_args, n)
OVER_NODES(silu_jet, silu_jet_args, n)
OVER_NODES(norm_jet, norm_jet_args, n)
OVER_NODES(scale_jet, scale_jet_args, n)
OVER_NODES(row_sum, row_sum_args, n)
OVER_NODES(scale_forward, scale_args, n)
OVER_NODES(scale_reverse, scale_args, n)
OVER_NODES(dot_forward, dot_args, n)
OVER_NODES(dot_reverse, dot_args, n)

extern "C" __global__ void row_copy_cuda(const row_args a) {
  int i = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32);
  if (i < a.n) row_body(&a, i, 0);
}
extern "C" __global__ void row_add_cuda(const row_args a) {
  int i = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32);
  if (i < a.n) row_body(&a, i, 1);
}

template <int l1, int l3> __global__ void conv_forward_cuda(const conv_args a, int path) {
  const conv_path *p = a.path + path;
  int i = (int)blockIdx.x;
  for (int k = (int)threadIdx.x; k < p->channels; k += (int)blockDim.x)
    conv_forward_body(&a, p, l1, l3, RADIAL_QUINTIC, 1, i, a.first[i], a.first[i + 1], 1, k, NULL);
}

template <int l1, int l3> __global__ void conv_reverse_cuda(const conv_args a, int path) {
  const conv_path *p = a.path + path;
  int i = (int)blockIdx.x;
  for (int e = a.first[i] + (int)(threadIdx.x / 32); e < a.first[i + 1];
       e += (int)(blockDim.x / 32)) {
    lane s[(2 * l1 + 1) * (2 * l3 + 1)], s_r = lane_set(0);
    conv_reverse_body(&a, p, l1, l3, RADIAL_QUINTIC, i, e, s, &s_r);
    real *q_bar = (real *)a.q_bar + (size_t)(e / EDGE_TILE) * (size_t)a.n_q * EDGE_TILE;
    channel_sum(s, (2 * l1 + 1) * (2 * l3 + 1), q_bar + p->q * EDGE_TILE + e % EDGE_TILE,
                EDGE_TILE);
    real r_bar = 0;
    channel_sum(&s_r, 1, &r_bar, 1);
    if (LANE_LEADER) a.r_bar[e] += (double)r_bar * a.slope[e];
  }
}

template <int l1, int l3> __global__ void conv_weight_reverse_cuda(const conv_args a, int path) {
  int i = (int)blockIdx.x;
  for (int e = a.first[i] + (int)(threadIdx.x / 32); e < a.first[i + 1];
       e += (int)(blockDim.x / 32))
    conv_weight_reverse_body(&a, a.path + path, l1, l3, i, e);
}

#define INSTANTIATE(l1, l3)                                                                        \
  template __global__ void conv_forward_cuda<l1, l3>(const conv_args, int);                        \
  template __global__ void conv_weight_reverse_cuda<l1, l3>(const conv_args, int);                 \
  template __global__ void conv_reverse_cuda<l1, l3>(const conv_args, int);
#define INSTANTIATE_L1(l1)                                                                         \
  INSTANTIATE(l1, 0) INSTANTIATE(l1, 1) INSTANTIATE(l1, 2) INSTANTIATE(l1, 3)
INSTANTIATE_L1(0)
INSTANTIATE_L1(1)
INSTANTIATE_L1(2)
INSTANTIATE_L1(3)

extern "C" __global__ void contraction_forward_cuda(const contraction_args a) {
  for (int k = (int)threadIdx.x; k < a.channels; k += (int)blockDim.x)
    contraction_forward_body(&a, a.atom + blockIdx.x, 1, k);
}
extern "C" __global__ void contraction_reverse_cuda(const contraction_args a) {
  for (int k = (int)threadIdx.x; k < a.channels; k += (int)blockDim.x)
    contraction_reverse_body(&a, a.atom + blockIdx.x, 1, k);
}
