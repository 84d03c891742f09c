/* density_map.c -- counting on a grid, and the cube file.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/density_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"

#define SPACING 0.25 /* angstrom */
#define BOHR    0.529177210903
#define MOST    2e8 /* voxels */

eqs_status density_map_open(const structure *first, double spacing, density_map *out) {
  double length[6], size = 1;
  *out = (density_map){.frames = 0};
  if (!first->pbc[0] || !first->pbc[1] || !first->pbc[2])
    EQS_FAIL(EQS_ERR_ARGUMENT, "a density map needs a cell that is periodic in three directions");
  if (spacing == 0) spacing = SPACING;
  structure_cell_parameters(first->cell, length);
  for (int k = 0; k < 3; k++) size *= fmax(1, ceil(length[k] / spacing));
  if (!(spacing > 0) || !(size <= MOST))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a grid of spacing %g angstrom has %.3g voxels; at most %.0e",
             spacing, size, MOST);
  for (int k = 0; k < 3; k++) out->side[k] = (int)fmax(1, ceil(length[k] / spacing - 1e-9));
  return alloc_array(&out->count,
                     (size_t)out->side[0] * (size_t)out->side[1] * (size_t)out->side[2],
                     sizeof *out->count, "a density map");
}

eqs_status density_map_add(density_map *m, const double cell[9], int n, const double (*x)[3]) {
  double inverse[9];
  if (!cell_inverse(cell, inverse)) EQS_FAIL(EQS_ERR_FORMAT, "a cell without a volume");
  for (int k = 0; k < 9; k++) m->cell[k] += cell[k];
  m->frames++;
  for (int i = 0; i < n; i++) {
    size_t at = 0;
    for (int k = 0; k < 3; k++) {
      double f = x[i][0] * inverse[k] + x[i][1] * inverse[3 + k] + x[i][2] * inverse[6 + k];
      int voxel = (int)((f - floor(f)) * m->side[k]);
      at = at * (size_t)m->side[k] + (size_t)(voxel < m->side[k] ? voxel : m->side[k] - 1);
    }
    m->count[at]++;
  }
  return EQS_OK;
}

void density_map_write(const density_map *m, const structure *s, int n, const int *atoms,
                       const char *title, FILE *file) {
  double voxel[9], origin[3] = {0, 0, 0}, frames = (double)(m->frames ? m->frames : 1);
  for (int k = 0; k < 9; k++) voxel[k] = m->cell[k] / frames / m->side[k / 3] / BOHR;
  for (int k = 0; k < 9; k++) origin[k % 3] += voxel[k] / 2;
  double each = 1 / (frames * fabs(cell_volume(voxel)));
  fprintf(file, "%s\npoints per bohr^3, %lld frames; lengths in bohr\n", title,
          (long long)m->frames);
  fprintf(file, "%5d %14.8f %14.8f %14.8f\n", n, origin[0], origin[1], origin[2]);
  for (int k = 0; k < 3; k++)
    fprintf(file, "%5d %14.8f %14.8f %14.8f\n", m->side[k], voxel[3 * k], voxel[3 * k + 1],
            voxel[3 * k + 2]);
  for (int i = 0; i < n; i++) {
    const double *x = s->position[atoms[i]];
    int z = s->number[atoms[i]];
    fprintf(file, "%5d %14.8f %14.8f %14.8f %14.8f\n", z, (double)z, x[0] / BOHR, x[1] / BOHR,
            x[2] / BOHR);
  }
  size_t rows = (size_t)m->side[0] * (size_t)m->side[1], row = (size_t)m->side[2];
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < row; k++)
      fprintf(file, k % 6 == 5 || k + 1 == row ? " %.8e\n" : " %.8e", m->count[r * row + k] * each);
}

void density_map_free(density_map *m) {
  free(m->count);
  *m = (density_map){.frames = 0};
}
