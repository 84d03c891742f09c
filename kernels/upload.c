/* upload.c -- see upload.h.
 * SPDX-License-Identifier: MIT */
#include "kernels/upload.h"

#include <stdlib.h>

static eqs_status copy_reals(const kernel_ops *k, void *reals, size_t n, const char *what,
                             void *out) {
  eqs_status status = device_copy(k->device, reals, n, k->real_size, what, out);
  free(reals);
  return status;
}

eqs_status upload_reals(const kernel_ops *k, const double *x, size_t n, const char *what,
                        void *out) {
  void *reals;
  EQS_TRY(alloc_array(&reals, n, k->real_size, what));
  k->convert(x, n, reals);
  return copy_reals(k, reals, n, what, out);
}

eqs_status upload_matrix(const kernel_ops *k, const double *w, int rows, int columns,
                         const char *what, void *out) {
  void *reals;
  EQS_TRY(alloc_array(&reals, mul_size((size_t)rows, (size_t)columns), k->real_size, what));
  k->linear_pack(w, rows, columns, reals);
  return copy_reals(k, reals, (size_t)rows * (size_t)columns, what, out);
}

eqs_status upload_monomials(const kernel_ops *k, const double *c, int n_monomial, int channels,
                            const char *what, void *out) {
  void *reals;
  size_t n = mul_size((size_t)n_monomial, (size_t)channels);
  EQS_TRY(alloc_array(&reals, n, k->real_size, what));
  k->contraction_pack(c, n_monomial, channels, reals);
  return copy_reals(k, reals, n, what, out);
}
