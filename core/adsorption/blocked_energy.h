/* blocked_energy.h -- a guest_energy with places where no guest may be.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_BLOCKED_ENERGY_H
#define EQS_BLOCKED_ENERGY_H

#include "core/adsorption/energy.h"

/* 1 if no guest of this component may have its reference point at x. A fixed function of both. */
typedef int (*blocked_place)(const void *context, int component, const double x[3]);

/* Putting a guest into a blocked place is an overlap, and the inner energy is not asked; a
 * trajectory of a hybrid move that ends with a guest in one is refused. All else is the inner
 * energy's, which it owns and frees; it must hold no guest in a blocked place. `context` is kept.
 * Of a target and its surrogate both are wrapped, and of a sum its parts (energy_pair_of knows the
 * parts of a sum by their address). Has hybrid moves if the inner energy has them. */
eqs_status blocked_energy_open(guest_energy *inner, blocked_place blocked, const void *context,
                               guest_energy **out) EQS_CHECK;

#endif
