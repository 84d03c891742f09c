/* domain_split.h -- recursive bisection of atoms that lie on many ranks.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DOMAIN_SPLIT_H
#define EQS_DOMAIN_SPLIT_H

#include "core/arena.h"
#include "core/comm.h"

/* owner[n] in 0 .. size-1 of this rank's atoms at fractional coordinates f[n][3] in a cell of these
 * widths (angstrom). Every rank gets the same number of atoms, up to those that lie in the plane of
 * a cut. It depends on where all atoms are, not on which rank has them now. */
eqs_status domain_split(comm *c, const double width[3], int n, const double (*f)[3], int *owner,
                        arena *memory) EQS_CHECK;

#endif
