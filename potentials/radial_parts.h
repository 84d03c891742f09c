/* radial_parts.h -- what radial.c (network) and radial_table.c (tables) share.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RADIAL_PARTS_H
#define EQS_RADIAL_PARTS_H

#include <pthread.h>

#include "potentials/radial.h"

struct radial {
  radial_basis basis;
  const kernel_ops *k;
  const kernel_ops *exact;  /* of the networks: k, or the host's double where k is tabulated */
  dense *network, *density; /* density: NULL without one */
  int n_path, *offset;      /* [n_path] */
  int width;                /* padded; includes the density's column */
  int n_species;            /* 1 where the functions do not depend on the pair */
  int ordered;              /* the pair (i, j) is not the pair (j, i) */
  radial_table *table;      /* [n_species][n_species], on the host; upper triangle unless ordered */
  radial_table *device_table;      /* the same on the device */
  double value_error, slope_error; /* of the tables so far, over max |R|, max |R'| */
  pthread_mutex_t lock;
};

/* The pieces of a table. */
void radial_table_free(const kernel_ops *k, radial_table *t);

#endif
