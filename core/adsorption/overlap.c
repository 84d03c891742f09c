/* overlap.c -- see overlap.h.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/overlap.h"

#include <math.h>

#include "potentials/wall.h"

eqs_status overlap_open(double energy, overlap_rule **out) {
  *out = NULL;
  if (!(energy >= 0 && energy <= 1000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the energy of an overlap lies between 0 and 1000 eV, not at %g",
             energy);
  EQS_TRY(alloc_array(out, 1, sizeof **out, "distances of overlaps"));
  (*out)->energy = energy > 0 ? energy : OVERLAP_ENERGY;
  return EQS_OK;
}

static double reach_of(const wall_table *walls, double energy, int a, int b) {
  const wall_pair *p = wall_find(walls, a, b);
  return p ? wall_radius(p, energy) : OVERLAP_SHARE * (element_radius(a) + element_radius(b));
}

eqs_status overlap_add(overlap_rule *r, int n, const int *number, int m, const int *other) {
  unsigned char in[2][ELEMENT_MAX + 1] = {{0}};
  wall_table *walls;
  for (int i = 0; i < n; i++) in[0][number[i]] = 1;
  for (int i = 0; i < m; i++) in[1][other[i]] = 1;
  EQS_TRY(wall_read(NULL, &walls));
  for (int a = 1; a <= ELEMENT_MAX; a++)
    for (int b = 1; b <= ELEMENT_MAX; b++) {
      if (!in[0][a] || !in[1][b] || r->reach[a][b] > 0) continue;
      r->reach[a][b] = r->reach[b][a] = reach_of(walls, r->energy, a, b);
      r->longest = fmax(r->longest, r->reach[a][b]);
    }
  wall_free(&walls);
  return EQS_OK;
}
