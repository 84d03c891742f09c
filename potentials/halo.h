/* halo.h -- rows of ghosts: what an evaluation reads of atoms that are computed elsewhere, and what
 * it found for them.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_HALO_H
#define EQS_HALO_H

#include "potentials/potential.h"

/* Rows of `size` reals of all atoms of the batch: ghosts' are fetched, or (reverse) added to those
 * of their atoms. Nothing without a halo. `layer` (from 0) is the one that reads them, for the
 * message. EQS_ERR_INTERRUPTED: the exchange failed. */
eqs_status halo_exchange(const batch *b, const kernel_ops *k, int layer, void *rows, int size,
                         int reverse) EQS_CHECK;
/* Sets the ghosts' rows to zero. */
void halo_zero(const batch *b, const kernel_ops *k, void *rows, int size);

#endif
