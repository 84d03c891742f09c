/* walled.h -- a potential with a repulsive prior where atoms are closer than in training data.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WALLED_H
#define EQS_WALLED_H

#include "potentials/potential.h"
#include "potentials/wall.h"

/* The model is asked for no pair closer than WALLED_BOND of the sum of the covalent radii, nor
 * where the wall is below WALLED_ENERGY. docs/walls.md has the measurements behind both. */
#define WALLED_BOND   0.6
#define WALLED_ENERGY 5.0 /* eV */
#define WALLED_WIDTH  0.2 /* of that distance: over which the wall takes over */

/* Distance (angstrom) below which the wall takes over; 0 for a pair that `walls` does not have. */
double walled_distance(const wall_table *walls, int z1, int z2);

/* Takes *p over and puts one in its place that adds the prior, for all pairs of its elements that
 * the table has. EQS_ERR_MEMORY: *p is as before. */
eqs_status walled_open(const wall_table *walls, potential **p) EQS_CHECK;

#endif
