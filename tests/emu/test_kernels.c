/* Correct kernels on the emulator against plain loops, in several orders of the threads.
 * SPDX-License-Identifier: MIT */
#include "tests/emu/kernels.h"

#include <math.h>

#include "tests/emu/device.h"

static const char *const orders[] = {"forward", "reverse", "1", "20"};
#define FOR_ORDERS(o) for (int o = 0; o < 4 && (setenv("EQS_EMU_ORDER", orders[o], 1), 1); o++)

Test(kernels, block_reduction_sums) {
  enum { N = 10007, BLOCKS = 4 };
  uint64_t seed = 1;
  float *x = randoms(N, &seed), out[BLOCKS], *d_x = device_copy(x, N * sizeof *x);
  double want = 0;
  for (int i = 0; i < N; i++) want += (double)x[i];
  FOR_ORDERS(o) {
    float *d_out = device_room(sizeof out);
    launch_reduce(N, d_x, BLOCKS, d_out, NULL);
    device_take(out, d_out, sizeof out);
    double sum = 0;
    for (int i = 0; i < BLOCKS; i++) sum += (double)out[i];
    cr_assert(fabs(sum - want) < 1e-3, "%g, not %g", sum, want);
  }
  CUDA(cudaFree(d_x));
  free(x);
}

Test(kernels, scatter_adds) {
  enum { N = 3001, M = 100 };
  uint64_t seed = 2;
  int to[N];
  double want[M] = {0};
  float *x = randoms(N, &seed), out[M];
  for (int i = 0; i < N; i++) to[i] = (int)((i * 7919L) % M), want[to[i]] += (double)x[i];
  float *d_x = device_copy(x, sizeof(float) * N);
  int *d_to = device_copy(to, sizeof to);
  FOR_ORDERS(o) {
    float *d_out = device_room(sizeof out);
    CUDA(cudaMemset(d_out, 0, sizeof out));
    launch_scatter(N, d_to, d_x, d_out, NULL);
    device_take(out, d_out, sizeof out);
    for (int i = 0; i < M; i++) cr_assert(fabs((double)out[i] - want[i]) < 1e-5);
  }
  CUDA(cudaFree(d_x));
  CUDA(cudaFree(d_to));
  free(x);
}

Test(kernels, tiled_product) {
  enum { M = 37, N = 45, K = 50 };
  uint64_t seed = 3;
  float *a = randoms(M * K, &seed), *b = randoms(K * N, &seed), c[M * N];
  float *d_a = device_copy(a, M * K * sizeof *a), *d_b = device_copy(b, K * N * sizeof *b);
  FOR_ORDERS(o) {
    float *d_c = device_room(sizeof c);
    launch_matmul(M, N, K, d_a, d_b, d_c, NULL);
    device_take(c, d_c, sizeof c);
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++) {
        double want = 0;
        for (int k = 0; k < K; k++) want += (double)a[i * K + k] * (double)b[k * N + j];
        cr_assert(fabs((double)c[i * N + j] - want) < 1e-5);
      }
  }
  CUDA(cudaFree(d_a));
  CUDA(cudaFree(d_b));
  free(a), free(b);
}

/* What CUDA's manual says of lane l of a warp whose first thread is t - l. */
static int warp_function(int which, int t) {
  int l = t % 32, w = t - l, odd = l & 1, r = 0, k;
  switch (which) {
  case 0: return w + 5;
  case 1: return w + l / 8 * 8 + (l + 3) % 8;
  case 2: return w + (l ^ 9);
  case 3: return (l ^ 12) / 8 > l / 8 ? t : w + (l ^ 12);
  case 4: return l < 3 ? t : t - 3;
  case 5: return l % 16 < 3 ? t : t - 3;
  case 6: return l + 7 > 31 ? t : t + 7;
  case 7: return l % 4 + 2 > 3 ? t : t + 2;
  case 8:
  case 9:
    for (k = 0; k < 32; k += 3)
      if (which == 8 || (k & 1) == odd) r |= (int)(1u << k);
    return r;
  case 10: return !odd;
  case 11: return odd;
  case 12:
    for (k = 0; k < 32; k++) r += w + k;
    return r;
  case 13: return -(w + odd);
  case 14:
    for (k = 0; k < 32; k++)
      if (k / 10 == l / 10) r |= (int)(1u << k);
    return r;
  default: return l < 20 ? 32 : -1;
  }
}

Test(kernels, warp_functions_follow_the_manual) {
  static int out[WARP_CASES][WARP_THREADS];
  FOR_ORDERS(o) {
    int *d = device_room(sizeof out); /* -1 where nothing is written: fresh memory is all ones */
    launch_warp(d, NULL);
    device_take(out, d, sizeof out);
    for (int i = 0; i < WARP_CASES; i++)
      for (int t = 0; t < WARP_THREADS; t++)
        cr_assert(out[i][t] == warp_function(i, t), "order %s, case %d, thread %d: %d, not %d",
                  orders[o], i, t, out[i][t], warp_function(i, t));
  }
}

Test(kernels, every_thread_of_every_block_runs_once) {
  enum { N = 3 * 2 * 4 * 5 * 3 * 2 };
  int out[N];
  FOR_ORDERS(o) {
    int *d = device_room(sizeof out);
    CUDA(cudaMemset(d, 0, sizeof out));
    launch_place(d, NULL);
    device_take(out, d, sizeof out);
    for (int i = 0; i < N; i++) cr_assert(out[i] == i, "%d: %d", i, out[i]);
  }
}

Test(kernels, atomics) {
  int out[8];
  FOR_ORDERS(o) {
    int *d = device_room(sizeof out), sum = 0;
    CUDA(cudaMemset(d, 0, sizeof out));
    launch_atomics(d, NULL);
    device_take(out, d, sizeof out);
    for (int t = 0; t < 200; t++) sum += t;
    cr_assert(out[0] == -50 && out[1] == 149 && out[2] == 0x7fffffff);
    cr_assert(out[3] + out[6] == sum + 200, "%d + %d", out[3], out[6]);
    cr_assert(out[4] == sum, "%d", out[4]);
    cr_assert(out[5] == 200 % 7, "%d", out[5]);
  }
}

Test(kernels, barriers_that_vote) {
  int out[5];
  FOR_ORDERS(o) {
    int *d = device_room(sizeof out);
    launch_votes(d, NULL);
    device_take(out, d, sizeof out);
    cr_assert(out[0] == 32 && out[1] == 1 && out[2] == 0 && out[3] == 1 && out[4] == 0);
  }
}
