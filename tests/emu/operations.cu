// operations.cu -- today's CUDA kernels, launched as a backend will, for test_operations.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/kernels.cu"

#include "tests/emu/operations.h"

static int per(int n, int each) { return (n + each - 1) / each; }

#define LAUNCH_EDGES(op, args)                                                                     \
  extern "C" void launch_##op(const args *a, cudaStream_t s) {                                     \
    CU_LAUNCH(op##_cuda, per(a->n, EDGE_TILE) * EDGE_TILE / 16, 16, 0, s, *a);                     \
  }
#define LAUNCH_NODES(op, args)                                                                     \
  extern "C" void launch_##op(const args *a, cudaStream_t s) {                                     \
    CU_LAUNCH(op##_cuda, per(a->n, 4), 128, 0, s, *a);                                             \
  }
LAUNCH_EDGES(edge_geometry, edge_geometry_args)
LAUNCH_NODES(row_copy, row_args)
LAUNCH_NODES(row_add, row_args)
LAUNCH_NODES(row_sum, row_sum_args)
LAUNCH_NODES(scale_forward, scale_args)
LAUNCH_NODES(scale_reverse, scale_args)
LAUNCH_NODES(gate_forward, gate_args)
LAUNCH_NODES(gate_reverse, gate_args)
LAUNCH_NODES(norm_jet, norm_jet_args)
