// linear.h -- rows of listed atoms times a matrix: products of one element's atoms, which cuBLAS
// cannot gather. A block makes a tile of rows and columns, a thread 8 x 4 of it, from slices of 16
// of both factors in shared memory, four numbers a load.
// SPDX-License-Identifier: MIT
#ifndef EQS_CUDA_LINEAR_H
#define EQS_CUDA_LINEAR_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { LINEAR_TILE = 64, LINEAR_SLICE = 16, LINEAR_ROWS = 8, LINEAR_THREADS = 128 };

static __device__ __forceinline__ size_t linear_row(const int *atom, int row, int n_m, int stride,
                                                    int pitch) {
  int i = row / n_m;
  return (size_t)(atom ? atom[i] : i) * (size_t)stride + (size_t)(row % n_m) * (size_t)pitch;
}

// Of a slice of x, a thread brings a quad of two rows; of w, two quads of a row each.
struct linear_tiles {
  real x[LINEAR_SLICE][LINEAR_TILE + 4], w[LINEAR_SLICE][LINEAR_TILE];
};

static __device__ __forceinline__ void linear_bring(const linear_args &a, const real *const *row,
                                                    int column0, int k0, linear_tiles *t) {
  const int thread = (int)threadIdx.x, k = 4 * (thread % 4);
  UNROLL(2)
  for (int j = 0; j < 2; j++) {
    real x[4] = {0, 0, 0, 0}, w[4] = {0, 0, 0, 0};
    const int r = thread / 4 + 32 * j, slice = thread / 16 + 8 * j;
    const int column = column0 + 4 * (thread % 16);
    if (row[j]) quad_read(row[j] + k0 + k, x);
    if (column < a.n)
      quad_read((const real *)a.weight + (size_t)(k0 + slice) * (size_t)a.n + (size_t)column, w);
    UNROLL(4)
    for (int i = 0; i < 4; i++) t->x[k + i][r] = x[i];
    quad_store(&t->w[slice][4 * (thread % 16)], w);
  }
}

// A thread makes 8 rows x 4 columns.
static __global__ void __launch_bounds__(LINEAR_THREADS, 5)
    linear_listed_kernel(const linear_args a) {
  CU_SHARED(linear_tiles, t, [1]);
  const int thread = (int)threadIdx.x, n_row = a.n_atom * a.n_m;
  const int row0 = (int)blockIdx.x * LINEAR_TILE, column0 = (int)blockIdx.y * LINEAR_TILE;
  const int r = LINEAR_ROWS * (thread / 16), c = 4 * (thread % 16);
  const real *row[2];
  real sum[LINEAR_ROWS][4] = {};
  UNROLL(2)
  for (int j = 0; j < 2; j++) {
    const int mine = row0 + thread / 4 + 32 * j;
    row[j] = NULL;
    if (mine < n_row)
      row[j] = (const real *)a.in + linear_row(a.in_atom, mine, a.n_m, a.in_stride, a.in_pitch);
  }
  UNROLL(1)
  for (int k0 = 0; k0 < a.k; k0 += LINEAR_SLICE) { // k is a multiple of a slice
    linear_bring(a, row, column0, k0, &t[0]);
    __syncthreads();
    UNROLL(16)
    for (int k = 0; k < LINEAR_SLICE; k++) {
      real x[LINEAR_ROWS], w[4];
      quad_load(&t[0].x[k][r], x);
      quad_load(&t[0].x[k][r + 4], x + 4);
      quad_load(&t[0].w[k][c], w);
      UNROLL(8)
      for (int i = 0; i < LINEAR_ROWS; i++) UNROLL(4)
      for (int j = 0; j < 4; j++) sum[i][j] += x[i] * w[j];
    }
    __syncthreads();
  }
  if (column0 + c >= a.n) return;
  UNROLL(8)
  for (int i = 0; i < LINEAR_ROWS; i++) {
    const int mine = row0 + r + i;
    if (mine >= n_row) break;
    real *to = (real *)a.out + (size_t)(column0 + c) +
               linear_row(a.out_atom, mine, a.n_m, a.out_stride, a.out_pitch);
    if (a.accumulate) {
      real before[4];
      quad_load(to, before);
      UNROLL(4)
      for (int j = 0; j < 4; j++) sum[i][j] += before[j];
    }
    quad_store(to, sum[i]);
  }
}

#endif
