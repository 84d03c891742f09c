/* pockets.c -- the pockets of a framework as one gas sees them.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pockets.h"

#include "core/adsorption/pore_radii.h"

#include <stdlib.h>
#include <string.h>

#define PORE_SPACING 0.2  /* angstrom */
#define OTHER_PROBE  1.65 /* angstrom */

double pockets_probe(const gas *g) {
  static const struct {
    const char *name;
    double radius;
  } probes[] = {{"CO2", 1.65}, {"N2", 1.82}, {"H2O", 1.325},
                {"CH4", 1.9},  {"Ar", 1.7},  {"He", 1.3}};
  for (size_t k = 0; k < sizeof probes / sizeof *probes; k++)
    if (strcmp(g->name, probes[k].name) == 0) return probes[k].radius;
  return OTHER_PROBE;
}

eqs_status pockets_find(const structure *cell, const gas *g, workspace *w, pores_watch watch,
                        void *user, pores **out) {
  double *radius = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY_DONE(alloc_array(&radius, (size_t)cell->n, sizeof *radius, "radii"));
  EQS_TRY_DONE(pore_radii_fill(PORE_RADII_UFF, cell->n, cell->number, radius));
  EQS_TRY_DONE(pores_open(cell->n, cell->position[0], radius, cell->cell, PORE_SPACING, w, watch,
                          user, out));
  EQS_TRY_DONE(pores_set_probe(*out, pockets_probe(g)));
done:
  free(radius);
  if (status != EQS_OK) pores_free(out);
  return status;
}
