/* gemm.h -- the products that fake cuBLAS makes, in a file of their own: it is instrumented as
 * kernels are, so that a sanitizer sees what they touch.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EMU_GEMM_H
#define EQS_EMU_GEMM_H

namespace fake {
/* Column-major c = alpha op(a) op(b) + beta c with m x n results; c is not read for beta = 0. */
struct shape {
  bool ta, tb;
  int m, n, k;
  int lda, ldb, ldc;
};
void multiply(const shape &s, float alpha, const float *a, const float *b, float beta, float *c);
void multiply(const shape &s, double alpha, const double *a, const double *b, double beta,
              double *c);
} // namespace fake
#endif
