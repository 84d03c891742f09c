// linear.h -- rows of listed atoms times a matrix: products of one element's atoms, which cuBLAS
// cannot gather. A block makes a tile of rows and columns, a thread 4 x 4 of it, from slices of 16
// of both factors in shared memory.
// SPDX-License-Identifier: MIT
#ifndef EQS_CUDA_LINEAR_H
#define EQS_CUDA_LINEAR_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum {
  LINEAR_TILE = 64,
  LINEAR_SLICE = 16,
  LINEAR_EACH = 4,
  LINEAR_SIDE = 16,
  LINEAR_THREADS = 256
};

static __device__ __forceinline__ size_t linear_row(const int *atom, int row, int n_m, int stride,
                                                    int pitch) {
  int i = row / n_m;
  return (size_t)(atom ? atom[i] : i) * (size_t)stride + (size_t)(row % n_m) * (size_t)pitch;
}

static __global__ void __launch_bounds__(LINEAR_THREADS) linear_listed_kernel(const linear_args a) {
  CU_SHARED(real, x, [LINEAR_SLICE][LINEAR_TILE + 1]);
  CU_SHARED(real, w, [LINEAR_SLICE][LINEAR_TILE]);
  const int thread = (int)threadIdx.x, n_row = a.n_atom * a.n_m;
  const int row0 = (int)blockIdx.x * LINEAR_TILE, column0 = (int)blockIdx.y * LINEAR_TILE;
  const int r = thread / LINEAR_SIDE, c = thread % LINEAR_SIDE;
  const real *in = (const real *)a.in, *weight = (const real *)a.weight;
  real *out = (real *)a.out, sum[LINEAR_EACH][LINEAR_EACH] = {};
  for (int k0 = 0; k0 < a.k; k0 += LINEAR_SLICE) { // k is a multiple of a slice
    for (int i = thread; i < LINEAR_SLICE * LINEAR_TILE; i += LINEAR_THREADS) {
      int row = row0 + i / LINEAR_SLICE, k = i % LINEAR_SLICE;
      size_t at = row < n_row ? linear_row(a.in_atom, row, a.n_m, a.in_stride, a.in_pitch) : 0;
      x[k][i / LINEAR_SLICE] = row < n_row ? in[at + (size_t)(k0 + k)] : 0;
      int column = column0 + i % LINEAR_TILE, slice = i / LINEAR_TILE;
      w[slice][i % LINEAR_TILE] =
          column < a.n ? weight[(size_t)(k0 + slice) * (size_t)a.n + (size_t)column] : 0;
    }
    __syncthreads();
    UNROLL(16)
    for (int k = 0; k < LINEAR_SLICE; k++) {
      UNROLL(4)
      for (int i = 0; i < LINEAR_EACH; i++) UNROLL(4)
      for (int j = 0; j < LINEAR_EACH; j++)
        sum[i][j] += x[k][r + i * LINEAR_SIDE] * w[k][c + j * LINEAR_SIDE];
    }
    __syncthreads();
  }
  UNROLL(4)
  for (int i = 0; i < LINEAR_EACH; i++) {
    int row = row0 + r + i * LINEAR_SIDE;
    if (row >= n_row) continue;
    size_t at = linear_row(a.out_atom, row, a.n_m, a.out_stride, a.out_pitch);
    UNROLL(4)
    for (int j = 0; j < LINEAR_EACH; j++) {
      int column = column0 + c + j * LINEAR_SIDE;
      if (column >= a.n) continue;
      real *to = out + at + (size_t)column;
      *to = a.accumulate ? *to + sum[i][j] : sum[i][j];
    }
  }
}

#endif
