/* Fake cuBLAS against sums in double, for all ways of storing and grouping the matrices.
 * SPDX-License-Identifier: MIT */
#include <cublas_v2.h>
#include <math.h>

#include "tests/emu/device.h"

#define BLAS(call) cr_assert((call) == CUBLAS_STATUS_SUCCESS, "%s", #call)

enum { M = 7, N = 5, K = 11, LD = 13, MATRIX = LD * 13, COUNT = 3 };

static cublasHandle_t handle(void) {
  cublasHandle_t h;
  BLAS(cublasCreate(&h));
  return h;
}

/* Element (i, j) of op(x), column major. */
static double element(const float *x, int transposed, int i, int j) {
  return (double)(transposed ? x[i * LD + j] : x[j * LD + i]);
}

static void expect_product(const float *got, const float *before, const float *a, const float *b,
                           int ta, int tb, double alpha, double beta) {
  for (int j = 0; j < LD; j++)
    for (int i = 0; i < LD; i++) {
      double want = (double)before[j * LD + i], sum = 0, g = (double)got[j * LD + i];
      if (i < M && j < N) {
        for (int l = 0; l < K; l++) sum += element(a, ta, i, l) * element(b, tb, l, j);
        want = alpha * sum + (beta == 0 ? 0 : beta * want);
        cr_assert(fabs(g - want) < 1e-5, "(%d, %d): %g, not %g", i, j, g, want);
      } else cr_assert(g == want, "(%d, %d) lies outside and was changed", i, j);
    }
}

Test(blas, every_storage_and_scalar) {
  cublasHandle_t h = handle();
  uint64_t seed = 1;
  for (int kind = 0; kind < 8; kind++) {
    int ta = kind & 1, tb = kind >> 1 & 1;
    float alpha = 1.5f, beta = kind & 4 ? -0.5f : 0;
    float *a = randoms(COUNT * MATRIX, &seed), *b = randoms(COUNT * MATRIX, &seed);
    float *c = randoms(COUNT * MATRIX, &seed), *out = randoms(COUNT * MATRIX, &seed);
    size_t bytes = COUNT * MATRIX * sizeof *a;
    float *da = device_copy(a, bytes), *db = device_copy(b, bytes), *dc = device_copy(c, bytes);
    cublasOperation_t oa = ta ? CUBLAS_OP_T : CUBLAS_OP_N, ob = tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    BLAS(cublasSgemmStridedBatched(h, oa, ob, M, N, K, &alpha, da, LD, MATRIX, db, LD, MATRIX,
                                   &beta, dc, LD, MATRIX, 2));
    BLAS(cublasSgemm(h, oa, ob, M, N, K, &alpha, da + 2 * MATRIX, LD, db + 2 * MATRIX, LD, &beta,
                     dc + 2 * MATRIX, LD));
    device_take(out, dc, bytes);
    for (int i = 0; i < COUNT; i++)
      expect_product(out + i * MATRIX, c + i * MATRIX, a + i * MATRIX, b + i * MATRIX, ta, tb,
                     (double)alpha, (double)beta);
    CUDA(cudaFree(da));
    CUDA(cudaFree(db));
    free(a), free(b), free(c), free(out);
  }
  BLAS(cublasDestroy(h));
  cr_assert(eqs_fake_report() == 0);
}

/* Two groups of different shape, pointers in device memory; C is NaN and beta is 0. */
Test(blas, groups) {
  cublasHandle_t h = handle();
  uint64_t seed = 2;
  size_t bytes = COUNT * MATRIX * sizeof(float);
  float *a = randoms(COUNT * MATRIX, &seed), *b = randoms(COUNT * MATRIX, &seed);
  float *out = randoms(COUNT * MATRIX, &seed);
  float *da = device_copy(a, bytes), *db = device_copy(b, bytes), *dc = device_room(bytes);
  const float *pa[COUNT], *pb[COUNT];
  float *pc[COUNT];
  for (int i = 0; i < COUNT; i++)
    pa[i] = da + i * MATRIX, pb[i] = db + i * MATRIX, pc[i] = dc + i * MATRIX;
  void *dpa = device_copy(pa, sizeof pa), *dpb = device_copy(pb, sizeof pb);
  void *dpc = device_copy(pc, sizeof pc);
  const cublasOperation_t ta[] = {CUBLAS_OP_N, CUBLAS_OP_T}, tb[] = {CUBLAS_OP_T, CUBLAS_OP_N};
  const int m[] = {M, 2}, n[] = {N, 3}, k[] = {K, 4}, ld[] = {LD, LD}, size[] = {2, 1};
  const float alpha[] = {1, 2}, beta[] = {0, 0};
  BLAS(cublasSgemmGroupedBatched(h, ta, tb, m, n, k, alpha, (const float *const *)dpa, ld,
                                 (const float *const *)dpb, ld, beta, (float *const *)dpc, ld, 2,
                                 size));
  device_take(out, dc, bytes);
  for (int g = 0, at = 0; g < 2; g++)
    for (int r = 0; r < size[g]; r++, at++)
      for (int j = 0; j < n[g]; j++)
        for (int i = 0; i < m[g]; i++) {
          double sum = 0, got = (double)out[at * MATRIX + j * LD + i];
          for (int l = 0; l < k[g]; l++)
            sum += element(a + at * MATRIX, g == 1, i, l) * element(b + at * MATRIX, g == 0, l, j);
          cr_assert(fabs(got - (double)alpha[g] * sum) < 1e-5, "%g", got);
        }
  CUDA(cudaFree(da));
  CUDA(cudaFree(db));
  CUDA(cudaFree(dpa));
  CUDA(cudaFree(dpb));
  CUDA(cudaFree(dpc));
  free(a), free(b), free(out);
  BLAS(cublasDestroy(h));
}

Test(blas, doubles_and_refusals) {
  cublasHandle_t h = handle();
  const double x[4] = {1, 2, 3, 4}, one = 1, zero = 0;
  double *d = device_copy(x, sizeof x), *c = device_room(sizeof x), out[4];
  BLAS(cublasDgemm(h, CUBLAS_OP_N, CUBLAS_OP_T, 2, 2, 2, &one, d, 2, d, 2, &zero, c, 2));
  cr_assert(cublasDgemm(h, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, d, 1, d, 2, &zero, c, 2) ==
            CUBLAS_STATUS_INVALID_VALUE);
  cr_assert(cublasDgemm(NULL, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, d, 2, d, 2, &zero, c, 2) ==
            CUBLAS_STATUS_NOT_INITIALIZED);
  cr_assert(cublasSetWorkspace(h, out, sizeof out) == CUBLAS_STATUS_INVALID_VALUE);
  device_take(out, c, sizeof out);
  cr_assert(out[0] == 10 && out[1] == 14 && out[2] == 14 && out[3] == 20);
  CUDA(cudaFree(d));
  BLAS(cublasDestroy(h));
}
