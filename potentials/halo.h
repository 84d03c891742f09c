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
/* The same, begun where it can be: halo_exchange, with the same arguments, ends it. */
eqs_status halo_begin(const batch *b, const kernel_ops *k, int layer, void *rows, int size,
                      int reverse) EQS_CHECK;
/* Blocks that need not wait for an exchange that has begun; 0 if none can be. Forward, of the
 * computed rows: those without ghosts as neighbours. Reverse, of `rows` rows: those without ghosts
 * among them. */
int halo_inner_blocks(const batch *b);
int halo_own_blocks(const batch *b, int rows);
/* Sets the ghosts' rows to zero. */
void halo_zero(const batch *b, const kernel_ops *k, void *rows, int size);

#endif
