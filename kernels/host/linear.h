/* linear.h -- row-times-matrix products on fixed tiles: K, N at most a few thousand.
 *
 * The weights are packed in panels of PANEL columns, [panel][k][column], so that a panel streams
 * through the first-level cache while tiles of TILE rows stay in registers. A tile's shape never
 * depends on the number of threads, hence neither do the bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_LINEAR_H
#define EQS_KERNEL_LINEAR_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { PANEL = 64, TILE = 6 };
#define LINEAR_LANES                                                                               \
  (LANE_BYTES == 64 ? 4 : 2) /* accumulators per row: 24 of 32, 12 of 16 registers */

FN void linear_tile(const real *const *x, real *const *y, const real *w, int k, int width, int rows,
                    int lanes, int accumulate) {
  lane sum[TILE][4];
  UNROLL(6)
  for (int r = 0; r < rows; r++) UNROLL(4)
  for (int j = 0; j < lanes; j++) sum[r][j] = accumulate ? lane_load(y[r] + j * LW) : lane_set(0);
  for (int i = 0; i < k; i++, w += width) {
    lane b[4];
    UNROLL(4)
    for (int j = 0; j < lanes; j++) b[j] = lane_load(w + j * LW);
    UNROLL(6)
    for (int r = 0; r < rows; r++) {
      lane a = lane_set(x[r][i]);
      UNROLL(4)
      for (int j = 0; j < lanes; j++) sum[r][j] += a * b[j];
    }
  }
  UNROLL(6)
  for (int r = 0; r < rows; r++) UNROLL(4)
  for (int j = 0; j < lanes; j++) lane_store(y[r] + j * LW, sum[r][j]);
}

/* Dispatches to constant shapes; rows 1 .. TILE. */
static inline void linear_rows(const real *const *x, real *const *y, const real *w, int k,
                               int width, int rows, int lanes, int accumulate) {
#define LINEAR_ROWS(r)                                                                             \
  case r:                                                                                          \
    if (lanes == 4) linear_tile(x, y, w, k, width, r, 4, accumulate);                              \
    else if (lanes == 2) linear_tile(x, y, w, k, width, r, 2, accumulate);                         \
    else linear_tile(x, y, w, k, width, r, 1, accumulate);                                         \
    break;
  switch (rows) {
    LINEAR_ROWS(1)
    LINEAR_ROWS(2)
    LINEAR_ROWS(3)
    LINEAR_ROWS(4)
    LINEAR_ROWS(5)
    LINEAR_ROWS(6)
  default: break;
  }
#undef LINEAR_ROWS
}

static void linear_host(const linear_args *a) {
  int n_row = a->n_atom * a->n_m;
  const real *w = (const real *)a->weight;
  for (int panel = 0; panel < a->n; panel += PANEL) {
    int width = a->n - panel < PANEL ? a->n - panel : PANEL;
    for (int row = 0; row < n_row; row += TILE) {
      int rows = n_row - row < TILE ? n_row - row : TILE;
      const real *x[TILE];
      real *y[TILE];
      for (int r = 0; r < rows; r++) {
        int i = (row + r) / a->n_m, m = (row + r) % a->n_m;
        size_t from = (size_t)(a->in_atom ? a->in_atom[i] : i);
        size_t to = (size_t)(a->out_atom ? a->out_atom[i] : i);
        x[r] = (const real *)a->in + from * (size_t)a->in_stride + (size_t)(m * a->in_pitch);
        y[r] = (real *)a->out + to * (size_t)a->out_stride + (size_t)(m * a->out_pitch + panel);
      }
      int most = LINEAR_LANES;
      for (int j = 0; j < width;) {
        int lanes = (width - j) / LW >= most ? most : (width - j) / LW >= 2 ? 2 : 1;
        real *at[TILE];
        for (int r = 0; r < rows; r++) at[r] = y[r] + j;
        linear_rows(x, at, w + j, a->k, width, rows, lanes, a->accumulate);
        j += lanes * LW;
      }
    }
    w += (size_t)a->k * (size_t)width;
  }
}

static void linear_pack_host(const double *w, int k, int n, void *out) {
  real *to = (real *)out;
  for (int panel = 0; panel < n; panel += PANEL) {
    int width = n - panel < PANEL ? n - panel : PANEL;
    for (int i = 0; i < k; i++)
      for (int j = 0; j < width; j++) *to++ = (real)w[(size_t)i * (size_t)n + (size_t)(panel + j)];
  }
}

#endif
