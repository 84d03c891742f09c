/* linear.h -- row-times-matrix products on fixed tiles: K, N at most a few thousand.
 *
 * The weights are packed in panels of two lanes, [panel][k][column]: a panel stays in the first
 * level of cache (8 KB for K = 128 in AVX2) while tiles of rows, whose sums fill the registers,
 * pass by. A tile's shape never depends on the number of threads, hence neither do the bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_LINEAR_H
#define EQS_KERNEL_LINEAR_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { PANEL = 2 * LW, TILE = LANE_BYTES == 64 ? 12 : 6 }; /* 24 of 32, 12 of 16 registers */

FN void linear_tile(const real *const *x, real *const *y, const real *w, int k, int rows, int lanes,
                    int accumulate) {
  lane sum[TILE][2];
  UNROLL(12)
  for (int r = 0; r < rows; r++) UNROLL(2)
  for (int j = 0; j < lanes; j++) sum[r][j] = accumulate ? lane_load(y[r] + j * LW) : lane_set(0);
  for (int i = 0; i < k; i++, w += lanes * LW) {
    lane b[2];
    UNROLL(2)
    for (int j = 0; j < lanes; j++) b[j] = lane_load(w + j * LW);
    UNROLL(12)
    for (int r = 0; r < rows; r++) {
      lane a = lane_set(x[r][i]);
      UNROLL(2)
      for (int j = 0; j < lanes; j++) sum[r][j] += a * b[j];
    }
  }
  UNROLL(12)
  for (int r = 0; r < rows; r++) UNROLL(2)
  for (int j = 0; j < lanes; j++) lane_store(y[r] + j * LW, sum[r][j]);
}

/* Dispatches to constant shapes; rows 1 .. TILE. */
static void linear_rows(const real *const *x, real *const *y, const real *w, int k, int rows,
                        int lanes, int accumulate) {
#define LINEAR_ROWS(r)                                                                             \
  case r:                                                                                          \
    if (r > TILE) break;                                                                           \
    if (lanes == 2) linear_tile(x, y, w, k, r <= TILE ? r : 1, 2, accumulate);                     \
    else linear_tile(x, y, w, k, r <= TILE ? r : 1, 1, accumulate);                                \
    break;
  switch (rows) {
    LINEAR_ROWS(1)
    LINEAR_ROWS(2)
    LINEAR_ROWS(3)
    LINEAR_ROWS(4)
    LINEAR_ROWS(5)
    LINEAR_ROWS(6)
    LINEAR_ROWS(7)
    LINEAR_ROWS(8)
    LINEAR_ROWS(9)
    LINEAR_ROWS(10)
    LINEAR_ROWS(11)
    LINEAR_ROWS(12)
  default: break;
  }
#undef LINEAR_ROWS
}

static void linear_host(const linear_args *a) {
  int n_row = a->n_atom * a->n_m;
  const real *w = (const real *)a->weight;
  for (int column = 0; column < a->n; column += PANEL) {
    int lanes = a->n - column < PANEL ? 1 : 2;
    for (int row = 0; row < n_row; row += TILE) {
      int rows = n_row - row < TILE ? n_row - row : TILE;
      const real *x[TILE];
      real *y[TILE];
      for (int r = 0; r < rows; r++) {
        int i = (row + r) / a->n_m, m = (row + r) % a->n_m;
        size_t from = (size_t)(a->in_atom ? a->in_atom[i] : i);
        size_t to = (size_t)(a->out_atom ? a->out_atom[i] : i);
        x[r] = (const real *)a->in + from * (size_t)a->in_stride + (size_t)(m * a->in_pitch);
        y[r] = (real *)a->out + to * (size_t)a->out_stride + (size_t)(m * a->out_pitch + column);
      }
      linear_rows(x, y, w, a->k, rows, lanes, a->accumulate);
    }
    w += (size_t)a->k * (size_t)(lanes * LW);
  }
}

static void linear_pack_host(const double *w, int k, int n, void *out) {
  real *to = (real *)out;
  for (int column = 0; column < n; column += PANEL) {
    int width = n - column < PANEL ? LW : PANEL;
    for (int i = 0; i < k; i++)
      for (int j = 0; j < width; j++) *to++ = (real)w[(size_t)i * (size_t)n + (size_t)(column + j)];
  }
}

#endif
