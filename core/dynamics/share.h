/* share.h -- what the pieces of a step need of a state whose atoms are shared out over ranks; with
 * all atoms here nothing happens. SPDX-License-Identifier: MIT */
#ifndef EQS_SHARE_H
#define EQS_SHARE_H

#include "core/dynamics/dynamics.h"

/* x[n] becomes its sum, or largest value, over ranks: the same bits on all of them. */
eqs_status share_sum(const dynamics *d, double *x, int n) EQS_CHECK;
eqs_status share_max(const dynamics *d, double *x, int n) EQS_CHECK;
/* x[n] becomes that of rank 0. What is computed from sums alone is the same on all ranks but for
 * machines whose mathematical functions round differently; a cell must not be. */
eqs_status share_same(const dynamics *d, double *x, int n) EQS_CHECK;
/* A failure of this rank is told to the others. Returns the status. */
eqs_status share_tell(const dynamics *d, eqs_status status);
/* Normal numbers of the atoms here, three each, into d->number: those that the atoms have by draw
 * `index` of the stream wherever they are. */
void share_normal(dynamics *d, uint32_t stream, uint64_t index);
/* Of atom i here, in the whole; from 1, for messages. */
int share_atom(const dynamics *d, int i);

#endif
