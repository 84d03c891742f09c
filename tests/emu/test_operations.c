/* Kernels of kernels/cuda on the emulator against the host's table, in three orders of the threads.
 * Sums of one warp may be added in another order than the host's: they get a few roundings.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "tests/emu/device.h"
#include "tests/emu/operations.h"

static const char *const orders[] = {"forward", "reverse", "7"};
#define FOR_ORDERS(o) for (int o = 0; o < 3 && (setenv("EQS_EMU_ORDER", orders[o], 1), 1); o++)

static void expect_near(const float *got, const float *want, size_t n, double scale,
                        const char *what) {
  for (size_t i = 0; i < n; i++)
    cr_assert(fabs((double)got[i] - (double)want[i]) <=
                  scale * 1.2e-7 * (1 + fabs((double)want[i])),
              "%s [%zu]: %.9g, the host has %.9g", what, i, (double)got[i], (double)want[i]);
}

/* Padding is zero in rows of `width` with `mul` channels. */
static float *rows(size_t n, int mul, int width, uint64_t *seed) {
  float *x = randoms(n * (size_t)width, seed);
  for (size_t i = 0; i < n; i++)
    for (int j = mul; j < width; j++) x[i * (size_t)width + (size_t)j] = 0;
  return x;
}

static void *room(size_t bytes) {
  void *p = calloc(1, bytes);
  cr_assert(p);
  return p;
}

Test(operations, edge_geometry_is_the_hosts) {
  enum { N = 53, TILES = (N + KERNEL_EDGE_TILE - 1) / KERNEL_EDGE_TILE, PAD = TILES * 16 };
  uint64_t seed = 1;
  int edge[N];
  double vector[N][3];
  for (int i = 0; i < N; i++) {
    edge[i] = (i * 7) % N;
    for (int c = 0; c < 3; c++) vector[i][c] = 3 * (double)uniform(&seed) + 0.1;
  }
  FOR_ORDERS(o)
  for (int lmax = 0; lmax <= 3; lmax++) {
    size_t n_y = (size_t)(PAD * (lmax + 1) * (lmax + 1)), n_u = PAD * 3;
    double r[N], *d_r;
    float *u = aligned_alloc(64, n_u * sizeof *u), *y = aligned_alloc(64, n_y * sizeof *y);
    float *got_u = room(n_u * sizeof *u), *got_y = room(n_y * sizeof *y);
    edge_geometry_args a = {.n = N,
                            .edge = edge,
                            .vector = (const double(*)[3])vector,
                            .lmax = lmax,
                            .normalize = lmax % 2,
                            .r = r,
                            .u = u,
                            .y = y};
    kernels_host(0)->edge_geometry(&a);
    void *d_edge = device_copy(edge, sizeof edge), *d_vector = device_copy(vector, sizeof vector);
    a.edge = d_edge;
    a.vector = d_vector;
    a.r = d_r = device_room(sizeof r);
    a.u = device_room(n_u * sizeof *u);
    a.y = device_room(n_y * sizeof *y);
    launch_edge_geometry(&a, NULL);
    CUDA(cudaGetLastError());
    double got_r[N];
    device_take(got_r, d_r, sizeof r);
    device_take(got_u, a.u, n_u * sizeof *u);
    device_take(got_y, a.y, n_y * sizeof *y);
    for (int i = 0; i < N; i++)
      cr_assert(fabs(got_r[i] - r[i]) <= 4e-16 * r[i], "r[%d]: %.17g, the host has %.17g", i,
                got_r[i], r[i]);
    expect_near(got_u, u, n_u, 2, "u");
    for (size_t i = 0; i < n_y; i++)
      cr_assert(fabs((double)(got_y[i] - y[i])) <= 3e-6 * (1 + fabs((double)y[i])),
                "lmax %d, y [%zu]: %.9g, the host has %.9g", lmax, i, (double)got_y[i],
                (double)y[i]);
    free(u), free(y), free(got_u), free(got_y);
    CUDA(cudaFree(d_edge));
    CUDA(cudaFree(d_vector));
  }
  cr_assert(eqs_fake_report() == 0);
}

Test(operations, rows_are_copied_added_and_summed) {
  enum { N = 37, WIDTH = 96, STRIDE = 112, BYTES = N * STRIDE * 4 };
  uint64_t seed = 2;
  int from[N], to[N], first[N + 1];
  for (int i = 0; i < N; i++) from[i] = (i * 5) % N, to[i] = (i * 11) % N;
  for (int i = 0; i <= N; i++) first[i] = i * i / N; /* from none to many */
  FOR_ORDERS(o) {
    float *x = randoms(N * STRIDE, &seed), *y = randoms(N * STRIDE, &seed);
    void *d_from = device_copy(from, sizeof from), *d_to = device_copy(to, sizeof to);
    void *d_first = device_copy(first, sizeof first), *d_x = device_copy(x, BYTES);
    void *d_y = device_copy(y, BYTES), *d_sum = device_room(N * WIDTH * 4);
    float *got = room(BYTES), *sum = room(N * WIDTH * 4);
    row_args a = {.n = N,
                  .width = WIDTH,
                  .from = from,
                  .to = to,
                  .x = x,
                  .x_stride = STRIDE,
                  .y = y,
                  .y_stride = STRIDE};
    row_args d = a;
    d.from = d_from, d.to = d_to, d.x = d_x, d.y = d_y;
    row_sum_args s = {.n = N, .width = WIDTH, .first = first, .row = from, .x = x, .y = sum};
    row_sum_args e = s;
    e.first = d_first, e.row = d_from, e.x = d_x, e.y = d_sum;
    kernels_host(0)->row_copy(&a);
    kernels_host(0)->row_add(&a);
    kernels_host(0)->row_sum(&s);
    launch_row_copy(&d, NULL);
    launch_row_add(&d, NULL);
    launch_row_sum(&e, NULL);
    CUDA(cudaGetLastError());
    device_take(got, d_y, BYTES);
    expect_near(got, y, N * STRIDE, 0, "rows");
    device_take(got, d_sum, N * WIDTH * 4);
    expect_near(got, sum, N * WIDTH, 8, "sums of rows");
    CUDA(cudaFree(d_from));
    CUDA(cudaFree(d_to));
    CUDA(cudaFree(d_first));
    CUDA(cudaFree(d_x));
    free(x), free(y), free(got), free(sum);
  }
  cr_assert(eqs_fake_report() == 0);
}

Test(operations, scaling_and_its_reverse) {
  enum { N = 21, MUL = 100, WIDTH = 112, BYTES = N * WIDTH * 4 };
  uint64_t seed = 3;
  FOR_ORDERS(o) {
    float *x = rows(N, MUL, WIDTH, &seed), *y = aligned_alloc(64, BYTES), *got = room(BYTES);
    double factor[N], bar[N], got_bar[N];
    for (int i = 0; i < N; i++) factor[i] = (double)uniform(&seed);
    scale_args a = {.n = N, .width = WIDTH, .factor = factor, .x = x, .y = y, .factor_bar = bar};
    scale_args d = a;
    void *d_x = device_copy(x, BYTES), *d_factor = device_copy(factor, sizeof factor);
    d.x = d_x, d.factor = d_factor;
    d.y = device_room(BYTES);
    d.factor_bar = device_room(sizeof bar);
    kernels_host(0)->scale_forward(&a);
    kernels_host(0)->scale_reverse(&a);
    launch_scale_forward(&d, NULL);
    launch_scale_reverse(&d, NULL);
    CUDA(cudaGetLastError());
    device_take(got, d.y, BYTES);
    device_take(got_bar, d.factor_bar, sizeof bar);
    expect_near(got, y, N * WIDTH, 2, "scale");
    for (int i = 0; i < N; i++)
      cr_assert(fabs(got_bar[i] - bar[i]) <= 3e-6 * (1 + fabs(bar[i])), "%g, the host has %g",
                got_bar[i], bar[i]);
    CUDA(cudaFree(d_x));
    CUDA(cudaFree(d_factor));
    free(x), free(y), free(got);
  }
  cr_assert(eqs_fake_report() == 0);
}

/* Scalars and gates of l = 1, 2: x holds scalars, gates, then the gated rows. */
static gate_args gate_case(int n) {
  gate_args a = {.n = n, .constant = 1.7, .gate_constant = 1.8};
  a.out = (layout){.mul = {32, 16, 16, 0}, .pitch = {32, 16, 16, 0}, .offset = {0, 32, 80, 160}};
  a.out.size = 160;
  a.in = (layout){.mul = {64, 16, 16, 0}, .pitch = {64, 16, 16, 0}, .offset = {0, 64, 112, 192}};
  a.in.size = 192;
  a.gate_offset[1] = 32;
  a.gate_offset[2] = 48;
  return a;
}

Test(operations, gate_and_its_reverse) {
  enum { N = 19 };
  uint64_t seed = 4;
  FOR_ORDERS(o)
  for (int sigmoid = 0; sigmoid < 2; sigmoid++) {
    gate_args a = gate_case(N), d;
    size_t n_x = (size_t)(N * a.in.size), n_y = (size_t)(N * a.out.size);
    float *x = randoms(n_x, &seed), *y = aligned_alloc(64, n_y * 4), *got = room(n_x * 4);
    float *x_bar = aligned_alloc(64, n_x * 4);
    a.sigmoid_gates = sigmoid;
    a.x = x, a.y = y, a.x_bar = x_bar;
    d = a;
    void *d_x = device_copy(x, n_x * 4);
    d.x = d_x;
    d.y = device_room(n_y * 4);
    d.x_bar = device_room(n_x * 4);
    kernels_host(0)->gate_forward(&a);
    kernels_host(0)->gate_reverse(&a);
    launch_gate_forward(&d, NULL);
    launch_gate_reverse(&d, NULL);
    CUDA(cudaGetLastError());
    device_take(got, d.y, n_y * 4);
    expect_near(got, y, n_y, 8, "gate");
    device_take(got, d.x_bar, n_x * 4);
    expect_near(got, x_bar, n_x, 16, "gate, reverse");
    CUDA(cudaFree(d_x));
    free(x), free(y), free(x_bar), free(got);
  }
  cr_assert(eqs_fake_report() == 0);
}

/* Sums over a warp by shuffles, every thread with its own channels. */
Test(operations, norm_of_jets) {
  enum { N = 13, ORDERS = 3, WIDTH = 64, MUL = 50, ROWS = N * ORDERS, BYTES = ROWS * WIDTH * 4 };
  uint64_t seed = 5;
  FOR_ORDERS(o) {
    float *x = rows(ROWS, MUL, WIDTH, &seed), *affine = rows(3, MUL, WIDTH, &seed);
    float *got = room(BYTES);
    for (int j = 0; j < MUL; j++) affine[j] = 1;
    norm_jet_args a = {.n = N,
                       .orders = ORDERS,
                       .width = WIDTH,
                       .channels = MUL,
                       .epsilon = 1e-5,
                       .affine = affine,
                       .x = x};
    norm_jet_args d = a;
    void *d_affine = device_copy(affine, 3 * WIDTH * 4);
    d.affine = d_affine;
    d.x = device_copy(x, BYTES);
    kernels_host(0)->norm_jet(&a);
    launch_norm_jet(&d, NULL);
    CUDA(cudaGetLastError());
    device_take(got, d.x, BYTES);
    expect_near(got, x, ROWS * WIDTH, 100, "norm");
    CUDA(cudaFree(d_affine));
    free(x), free(affine), free(got);
  }
  cr_assert(eqs_fake_report() == 0);
}
