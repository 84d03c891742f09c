/* species_groups.h -- the atoms of a block sorted by species, so that what depends on the element
 * is one matrix product or one program per group. SPDX-License-Identifier: MIT */
#ifndef EQS_SPECIES_GROUPS_H
#define EQS_SPECIES_GROUPS_H

#include "potentials/potential.h"

enum { SPECIES_MAX = 120 };

typedef struct species_groups {
  int n;
  int species[SPECIES_MAX],
      first[SPECIES_MAX + 1]; /* ascending; members first[g] .. first[g+1]-1 */
  const int *local, *global;  /* of the members, counted from the block's first atom, and from 0 */
  int own_local[BLOCK_ATOMS], own_global[BLOCK_ATOMS];
} species_groups;

/* Atoms begin .. end-1; species lies on the host, local and global (or NULL) have room for them. */
void sort_species(const int *species, int begin, int end, species_groups *g, int *local,
                  int *global);
/* The groups of one block of a batch. */
void group_species(const batch *b, int begin, int end, species_groups *g);

#endif
