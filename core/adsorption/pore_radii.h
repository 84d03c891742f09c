/* pore_radii.h -- sizes of framework atoms for the geometry of pores, and their Lennard-Jones
 * parameters for the helium void fraction.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PORE_RADII_H
#define EQS_PORE_RADII_H

#include "core/status.h"

typedef enum pore_radii {
  PORE_RADII_UFF, /* half of UFF's sigma */
  PORE_RADII_VDW  /* van der Waals radii, Bondi and CCDC: the default table of Zeo++ */
} pore_radii;

/* "uff" or "vdw". EQS_ERR_ARGUMENT lists them. */
eqs_status pore_radii_find(const char *name, pore_radii *out) EQS_CHECK;
/* radius[n], angstrom. EQS_ERR_UNSUPPORTED: an element that the table lacks (Z > 103). */
eqs_status pore_radii_fill(pore_radii kind, int n, const int *number, double *radius) EQS_CHECK;
/* UFF's Lennard-Jones: sigma (angstrom) and epsilon/kB (kelvin); zeros for Z > 103. */
void pore_uff(int number, double *sigma, double *epsilon);

#endif
