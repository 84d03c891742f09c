/* atom_potential.h -- from a spherical density to its Hartree and exchange-correlation potentials.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ATOM_POTENTIAL_H
#define EQS_ATOM_POTENTIAL_H

#include "potentials/atom_grid.h"
#include "potentials/functional.h"

/* charge[n]: electrons per bohr of radius. out[n] = r times the potential of the charge, whose
 * energy is returned; 3 n scratch. */
double atom_hartree(const atom_grid *g, const double *charge, double *out, double *scratch);

/* dn/dr of a density that falls by many orders of magnitude: by the slope of its logarithm. 0 in
 * panels where the density vanishes somewhere. n scratch. */
void atom_gradient(const atom_grid *g, const double *density, double *out, double *scratch);

/* density[spins]: [n] each; potential[spins] the derivative of the energy, which *energy is. */
eqs_status atom_xc(const atom_grid *g, const functional *f, int spins, double *const density[2],
                   double *const potential[2], double *energy) EQS_CHECK;

#endif
