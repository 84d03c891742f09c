// gemm.cpp -- dense products as three loops.
// SPDX-License-Identifier: MIT
#include "kernels/emu/gemm.h"

#include <cstddef>

namespace fake {
namespace {
template <class T> void loops(const shape &s, T alpha, const T *a, const T *b, T beta, T *c) {
  const size_t ai = s.ta ? (size_t)s.lda : 1, al = s.ta ? 1 : (size_t)s.lda;
  const size_t bl = s.tb ? (size_t)s.ldb : 1, bj = s.tb ? 1 : (size_t)s.ldb;
  for (size_t j = 0; j < (size_t)s.n; j++)
    for (size_t i = 0; i < (size_t)s.m; i++) {
      T sum = 0, *out = c + j * (size_t)s.ldc + i;
      for (size_t l = 0; l < (size_t)s.k; l++) sum += a[i * ai + l * al] * b[l * bl + j * bj];
      *out = beta == 0 ? alpha * sum : alpha * sum + beta * *out;
    }
}
} // namespace

void multiply(const shape &s, float alpha, const float *a, const float *b, float beta, float *c) {
  loops(s, alpha, a, b, beta, c);
}
void multiply(const shape &s, double alpha, const double *a, const double *b, double beta,
              double *c) {
  loops(s, alpha, a, b, beta, c);
}
} // namespace fake
