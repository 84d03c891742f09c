/* energy_sum.h -- a guest_energy made of two others, and a target with its surrogate.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ENERGY_SUM_H
#define EQS_ENERGY_SUM_H

#include "core/adsorption/energy.h"

/* U = a + scale * b. Both must hold the same state (no guests, say); from now on it is changed
 * through the sum alone, which owns both and frees them. Where a change is an overlap or has no
 * finite answer in a, b is not asked. EQS_ERR_ARGUMENT: scale is not finite. */
eqs_status energy_sum_open(guest_energy *a, guest_energy *b, double scale,
                           guest_energy **out) EQS_CHECK;

/* A target and its surrogate without asking anything twice:
 * target = cheap_share * cheap + costly_share * costly. Owns nothing. */
typedef struct energy_pair {
  guest_energy *cheap; /* the surrogate; NULL = none: the target alone is asked */
  guest_energy *costly;
  double cheap_share, costly_share;
} energy_pair;

/* The surrogate may be NULL, apart from the target, or one of the two parts of a sum.
 * EQS_ERR_ARGUMENT: it is the target itself, or lies deeper in it: one change would be made twice.
 */
eqs_status energy_pair_of(guest_energy *target, guest_energy *surrogate,
                          energy_pair *out) EQS_CHECK;
eqs_status energy_pair_commit(const energy_pair *p, const guest_change *change) EQS_CHECK;
/* U of the target afresh. */
eqs_status energy_pair_total(const energy_pair *p, double *u) EQS_CHECK;

#endif
