/* density_map.h -- where something has been, on a grid in the cell; as a Gaussian cube file.
 *
 * Positions are binned by their fractional coordinates, so that a cell may breathe; the map is
 * drawn in the mean cell. The values integrate to the number of points per frame.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DENSITY_MAP_H
#define EQS_DENSITY_MAP_H

#include <stdio.h>

#include "io/structure.h"

typedef struct density_map {
  int side[3];
  int64_t frames;
  double cell[9]; /* sum over the frames */
  double *count;  /* [side 0][side 1][side 2] */
} density_map;

/* spacing: of the grid, angstrom, in the cell of `first`; 0 = 0.25. EQS_ERR_ARGUMENT: a spacing
 * that makes no sense, a cell that is not periodic in three directions. */
eqs_status density_map_open(const structure *first, double spacing, density_map *out) EQS_CHECK;
/* n positions of one frame. EQS_ERR_FORMAT: a cell without a volume. */
eqs_status density_map_add(density_map *m, const double cell[9], int n,
                           const double (*x)[3]) EQS_CHECK;
/* Points per bohr^3 at the middle of every voxel, in bohr, with the atoms of `s` listed in
 * atoms[n] as the scenery. Within LOCALE_C(); errors are left in the stream. */
void density_map_write(const density_map *m, const structure *s, int n, const int *atoms,
                       const char *title, FILE *file);
void density_map_free(density_map *m);

#endif
