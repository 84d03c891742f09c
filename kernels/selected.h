/* selected.h -- which products of up to three components of 0e + 1o + 2e + 3o may be part of which
 * component of an output: the selection rules of real spherical harmonics about their polar axis.
 * Both whoever writes a selected program and whoever unrolls it ask here.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_SELECTED_H
#define EQS_KERNEL_SELECTED_H

#include "kernels/kernels.h"

#ifdef __CUDACC__
#define KERNEL_CONSTANT static constexpr __host__ __device__
#elif defined(__cplusplus)
#define KERNEL_CONSTANT static constexpr
#else
#define KERNEL_CONSTANT static inline
#endif

/* Order of component i of 0e + 1o + 2e + 3o. */
KERNEL_CONSTANT int selected_l(int i) { return i < 1 ? 0 : i < 4 ? 1 : i < 9 ? 2 : 3; }

/* Whether the product of components a, b, c (-1 = absent) can be part of component `out`, the
 * symmetry of real spherical harmonics: parity, the polygon of the l's, an even number of sines,
 * and orders +-m that add up to 0. */
KERNEL_CONSTANT int selected_monomial(int out, int a, int b, int c) {
  const int f[4] = {out, a, b, c};
  int sum = 0, most = 0, sines = 0, zero = 0, m[4] = {0, 0, 0, 0};
  for (int i = 0; i < 4; i++) {
    if (f[i] < 0) continue;
    const int l = selected_l(f[i]);
    sum += l;
    if (l > most) most = l;
    m[i] = f[i] - l * l - l;
    if (m[i] < 0) sines++;
  }
  for (int signs = 0; signs < 8; signs++)
    if (m[0] + (signs & 1 ? -m[1] : m[1]) + (signs & 2 ? -m[2] : m[2]) +
            (signs & 4 ? -m[3] : m[3]) ==
        0)
      zero = 1;
  return sum % 2 == 0 && 2 * most <= sum && sines % 2 == 0 && zero;
}

/* Bit c: of the triples a, b, c >= b. */
KERNEL_CONSTANT int selected_thirds(int out, int a, int b) {
  int mask = 0;
  for (int c = b; c < A_MAX; c++) mask |= selected_monomial(out, a, b, c) << c;
  return mask;
}

#endif
