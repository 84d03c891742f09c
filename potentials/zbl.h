/* zbl.h -- screened nuclear repulsion of Ziegler, Biersack and Littmark, as MACE cuts it off.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ZBL_H
#define EQS_ZBL_H

#include "potentials/potential.h"

/* Adds scale * sum over the atom's edges of half the pair energy to energies, and its derivative
 * to gradient (NULL = none). In double whatever the model's precision. */
eqs_status zbl_evaluate(const zbl_parameters *z, const kernel_ops *k, double scale, workspace *w,
                        const batch *b, double *energies, double (*gradient)[3]) EQS_CHECK;

#endif
