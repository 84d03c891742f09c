/* holes.h -- the result of eqs_holes, as its reporters see it.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_HOLES_H
#define EQS_HOLES_H

#include "core/status.h"

struct eqs_holes_result {
  int n_element, n;
  int *element;   /* [n_element] ascending */
  eqs_hole *pair; /* [n] (z1 <= z2), by z1, then z2 */
  char functional[64];
  double closest; /* angstrom */
};

#endif
