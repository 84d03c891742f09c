/* pores_parts.h -- what the files pore*.c share.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PORES_PARTS_H
#define EQS_PORES_PARTS_H

#include "core/adsorption/pore_basins.h"
#include "core/adsorption/pores.h"

struct pores {
  pore_grid grid;
  pore_basins basins;
  workspace *work;
  double probe; /* of the kinds below; negative: none chosen yet */
  int *space;   /* [cages] channel or pocket that it counts to; -1 = none */
  pores_space *spaces;
  int n_space;
};

/* Kind of the space of the node nearest to x; 0 = none. */
int pores_kind_at(const pores *p, const double x[3]);

#endif
