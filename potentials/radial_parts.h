/* radial_parts.h -- what radial.c (network) and radial_table.c (tables) share.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RADIAL_PARTS_H
#define EQS_RADIAL_PARTS_H

#include <pthread.h>

#include "potentials/radial.h"

enum { SEGMENTS_MAX = 8 };

/* Quintic pieces of one pair of species on stretches that have equal knots each. */
typedef struct radial_table {
  int n_segment; /* 0 until made */
  struct radial_segment {
    double from, to, inverse_width; /* of a piece */
    int n;
    void *piece; /* [n][6][width] */
  } segment[SEGMENTS_MAX];
  double value_error, slope_error; /* over max |R|, max |R'| */
} radial_table;

struct radial {
  radial_basis basis;
  const kernel_ops *k;
  int n_layer, n_path;
  int layer_width[NETWORK_LAYERS_MAX + 1]; /* padded */
  int in_width, path_width, width;         /* padded; width includes the density's column */
  void *weight[NETWORK_LAYERS_MAX];
  int *channels, *offset; /* [n_path] */
  double act;
  int has_density;
  double density[BASIS_MAX];
  int64_t n_parameter;
  int n_species;       /* 1 where the functions do not depend on the pair */
  radial_table *table; /* [n_species][n_species], upper triangle used */
  pthread_mutex_t lock;
};

#endif
