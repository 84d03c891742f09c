/* dispersion_weights.h -- bodies of D3 per atom: weights of its reference states by its
 * coordination number, and what its pairs with a species have in common.
 *
 * g_a ~ exp(-4 (cn - cn_a)^2), normalised; relative to the nearest reference, so that nothing
 * underflows far from all of them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_DISPERSION_WEIGHTS_H
#define EQS_KERNEL_DISPERSION_WEIGHTS_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/lane.h"

/* weight: g and dg/dcn of n references; zero beyond. */
FN void weigh_body(int n, const double *reference, double cn,
                   double (*weight)[DISPERSION_WEIGHTS]) {
  double least = INFINITY, sum = 0, mean = 0, *g = weight[0];
  for (int a = 0; a < n; a++) {
    double off = cn - reference[a];
    least = fmin(least, off * off);
  }
  for (int a = 0; a < DISPERSION_WEIGHTS; a++) {
    double off = a < n ? cn - reference[a] : 0;
    g[a] = a < n ? exp(-4 * (off * off - least)) : 0;
  }
  for (int a = 0; a < n; a++) sum += g[a];
  for (int a = 0; a < n; a++) {
    g[a] /= sum;
    mean += g[a] * (cn - reference[a]);
  }
  for (int a = 0; a < DISPERSION_WEIGHTS; a++)
    weight[1][a] = a < n ? -8 * g[a] * ((cn - reference[a]) - mean) : 0;
}

/* The rows of one slot, `stride` apart, for centres with n references: an atom with m references
 * and its weights, or a free slot (fixed = NULL, m = 0). */
FN void rows_body(int n, int m, const double *fixed, const double (*c6)[DISPERSION_WEIGHTS],
                  double s6, const double (*weight)[DISPERSION_WEIGHTS], size_t stride,
                  double *row) {
  for (int q = 0; q < DISPERSION_ROW_C6; q++) row[(size_t)q * stride] = fixed ? fixed[q] : q > 0;
  for (int a = 0; a < 2 * n; a++) {
    double sum = 0;
    for (int b = 0; b < m; b++) sum += weight[a >= n][b] * c6[a % n][b];
    row[(size_t)(DISPERSION_ROW_C6 + a) * stride] = s6 * sum;
  }
}

#endif
