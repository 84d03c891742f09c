/* overlap.h -- how close two atoms may come in a trial before it is an overlap that no model is
 * asked about: as far out as the wall of their elements (potentials/wall.h) exceeds an energy.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_OVERLAP_H
#define EQS_OVERLAP_H

#include "core/status.h"
#include "io/elements.h"

/* eV, unless asked otherwise. Walls are those of neutral atoms that do not bond: water sits on open
 * metal sites where they are 1 to 2 eV high. */
#define OVERLAP_ENERGY 5.0
/* Where there is no wall (Z > 94): this share of the sum of the covalent radii. */
#define OVERLAP_SHARE 0.8

typedef struct overlap_rule {
  double energy;                                  /* eV */
  double longest;                                 /* angstrom, of all pairs set */
  double reach[ELEMENT_MAX + 1][ELEMENT_MAX + 1]; /* angstrom; 0 = not set */
} overlap_rule;

/* For an energy in eV; 0 = OVERLAP_ENERGY. No pair is set. EQS_ERR_ARGUMENT: it is not positive, or
 * above 1000. Freed by free(). */
eqs_status overlap_open(double energy, overlap_rule **out) EQS_CHECK;
/* Sets all pairs of elements of the n atoms with those of the m. */
eqs_status overlap_add(overlap_rule *r, int n, const int *number, int m,
                       const int *other) EQS_CHECK;

#endif
