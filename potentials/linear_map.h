/* linear_map.h -- equivariant linear layers: one matrix per l, in the layout of the kernels.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LINEAR_MAP_H
#define EQS_LINEAR_MAP_H

#include "core/status.h"
#include "kernels/kernels.h"

enum { IRREPS_MAX = 64 };

/* Input blocks in the order of the file; `column` is where the block's channels lie in its row. */
typedef struct irreps {
  int n;
  struct irrep_block {
    int mul, l, column;
  } block[IRREPS_MAX];
} irreps;

/* A layout of one block per l with these multiplicities, rows padded. */
layout layout_make(const int mul[N_L]);
/* Reals in use of a node's row, from its beginning. */
int layout_columns(const layout *a);
/* Takes one term of "128x0e+64x1o" and the plus behind it. 1; 0: it cannot be read. */
int irreps_term(const char **at, int *mul, int *l, char *parity);
/* The irreps of such a layout, in order of l. */
irreps irreps_of(const layout *a);

typedef struct linear_map {
  const kernel_ops *k;
  layout in, out;
  void *forward[N_L], *reverse[N_L]; /* packed; NULL where in or out has no such l */
} linear_map;

/* From e3nn's flat weights: for every input block (outer) and the output block of equal l, a
 * row-major matrix [mul_in][mul_out] (Linear), or [mul_in][species][mul_out] of which one species
 * is taken (a fully connected product with a one-hot; n_species = 1 for Linear).
 * Scale: 1 / sqrt(fan_in * n_species) * factor, fan_in = the sum of mul_in of equal l, plus
 * extra_fan for l = 0. EQS_ERR_FORMAT if `n` is not the number of weights, naming `what`. */
eqs_status linear_map_build(linear_map *map, const kernel_ops *k, const irreps *from,
                            const layout *in, const layout *out, const double *weight, size_t n,
                            int n_species, int species, int extra_fan, double factor,
                            const char *what) EQS_CHECK;
void linear_map_free(linear_map *map);

/* y[to[i]] (+)= x[from[i]] W over n atoms; from, to may be NULL (0, 1, 2, ...). Without
 * `accumulate`, blocks of y that nothing feeds are set to 0. */
void linear_map_forward(const linear_map *map, int n, const int *from, const void *x, const int *to,
                        void *y, int accumulate);
/* x_bar[from[i]] (+)= y_bar[to[i]] W^T. */
void linear_map_reverse(const linear_map *map, int n, const int *to, const void *y_bar,
                        const int *from, void *x_bar, int accumulate);

#endif
