/* test_networks.c -- kernels that only the networks of edges use: the norm of jets, sums of rows.
 * SPDX-License-Identifier: MIT */
#include "tests/kernels/kernel_case.h"

enum { ROWS = 5 };
static const int channel_counts[] = {10, 16, 37, 128};
static const double epsilon = 1e-5;

static void norm_reference(const double *x, int n, const double *gain, const double *shift,
                           double *y) {
  double mean = 0, variance = 0;
  for (int j = 0; j < n; j++) mean += x[j] / n;
  for (int j = 0; j < n; j++) variance += (x[j] - mean) * (x[j] - mean) / n;
  for (int j = 0; j < n; j++) y[j] = gain[j] * (x[j] - mean) / sqrt(variance + epsilon) + shift[j];
}

/* x(s) = x + x' s + x'' s^2 / 2 goes through the norm; its derivatives at s = 0 by differences. */
static void norm_along(const double *jet, int n, int width, const double *gain, const double *shift,
                       double *want) {
  const double h = 1e-3, at[5] = {-2, -1, 0, 1, 2};
  double *x = doubles((size_t)n), *y[5];
  for (int i = 0; i < 5; i++) {
    double s = at[i] * h;
    y[i] = doubles((size_t)n);
    for (int j = 0; j < n; j++) x[j] = jet[j] + s * jet[width + j] + s * s / 2 * jet[2 * width + j];
    norm_reference(x, n, gain, shift, y[i]);
  }
  for (int j = 0; j < n; j++) {
    want[j] = y[2][j];
    want[width + j] = (y[0][j] - 8 * y[1][j] + 8 * y[3][j] - y[4][j]) / (12 * h);
    want[2 * width + j] =
        (-y[0][j] + 16 * y[1][j] - 30 * y[2][j] + 16 * y[3][j] - y[4][j]) / (12 * h * h);
  }
  for (int i = 0; i < 5; i++) free(y[i]);
  free(x);
}

static void check_norm(const kernel_ops *k, int n, int orders, uint64_t *seed) {
  int width = kernel_padded(n);
  size_t row = (size_t)width, size = ROWS * (size_t)orders * row;
  double *x = doubles(3 * row), *want = doubles(3 * row), *all = doubles(size);
  double *affine = doubles(3 * row), *wanted = doubles(size);
  for (int j = 0; j < n; j++) {
    affine[j] = 1;
    affine[width + j] = 1 + uniform(seed) / 2;
    affine[2 * width + j] = uniform(seed);
  }
  for (size_t i = 0; i < ROWS; i++) {
    for (int d = 0; d < 3; d++)
      for (int j = 0; j < n; j++) x[d * width + j] = 2 * uniform(seed) + (d ? 0 : 5);
    norm_along(x, n, width, affine + row, affine + 2 * row, want);
    memcpy(all + i * (size_t)orders * row, x, (size_t)orders * row * sizeof *x);
    memcpy(wanted + i * (size_t)orders * row, want, (size_t)orders * row * sizeof *x);
  }
  void *xr = reals(k, all, size), *ar = reals(k, affine, 3 * row);
  norm_jet_args a = {.n = ROWS,
                     .orders = orders,
                     .width = width,
                     .channels = n,
                     .epsilon = epsilon,
                     .affine = ar,
                     .x = xr};
  k->norm_jet(&a);
  for (size_t i = 0; i < size; i++) { /* differences are good to 1e-8 in the second derivative */
    double near = k->real_size == 8 ? 2e-8 : 2e-5, got = real_at(k, xr, i);
    if (orders == 1) near = 20 * tolerance(k);
    cr_assert(fabs(got - wanted[i]) <= near * (1 + fabs(wanted[i])),
              "%s, %d of %d: %.12g, not %.12g", k->name, (int)(i / row) % orders, orders, got,
              wanted[i]);
  }
  expect_padding(k, xr, ROWS * (size_t)orders, n, width, "norm_jet");
  free(x), free(want), free(all), free(affine), free(wanted), free(xr), free(ar);
}

Test(networks, norm_of_jets) {
  uint64_t seed = 21;
  FOR_TABLES(k, 0)
  for (int c = 0; c < 4; c++)
    for (int orders = 1; orders <= 3; orders++) check_norm(k, channel_counts[c], orders, &seed);
}

Test(networks, rows_are_summed) {
  static const int first[] = {0, 3, 3, 4, 7}, row[] = {2, 0, 2, 5, 4, 1, 0};
  enum { N = 4, WIDTH = 48, FROM = 7 };
  uint64_t seed = 22;
  FOR_TABLES(k, 0)
  for (int listed = 0; listed < 2; listed++) {
    double *x = randoms(FROM * WIDTH, &seed), *want = doubles(N * WIDTH);
    void *xr = reals(k, x, FROM * WIDTH), *y = room(N * WIDTH, k->real_size);
    for (int i = 0; i < N; i++)
      for (int e = first[i]; e < first[i + 1]; e++)
        for (int j = 0; j < WIDTH; j++) want[i * WIDTH + j] += x[(listed ? row[e] : e) * WIDTH + j];
    row_sum_args a = {
        .n = N, .width = WIDTH, .first = first, .row = listed ? row : NULL, .x = xr, .y = y};
    k->row_sum(&a);
    expect_close(k, y, want, N * WIDTH, 4, "row_sum");
    free(x), free(want), free(xr), free(y);
  }
}
