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
  dense *network, *density; /* density: NULL without one */
  int n_path, *offset;      /* [n_path] */
  int width;                /* padded; includes the density's column */
  int n_species;            /* 1 where the functions do not depend on the pair */
  int ordered;              /* the pair (i, j) is not the pair (j, i) */
  radial_table *table;      /* [n_species][n_species]; upper triangle used unless ordered */
  pthread_mutex_t lock;
};

#endif
