/* units.h -- what turns amu, angstrom and femtoseconds into eV, and temperatures into energies.
 * CODATA 2018. SPDX-License-Identifier: MIT */
#ifndef EQS_UNITS_H
#define EQS_UNITS_H

#define BOLTZMANN_EV 8.617333262e-5 /* eV/K */
/* u (angstrom/fs)^2 in eV; its inverse is the acceleration of 1 u by 1 eV/angstrom, angstrom/fs^2
 */
#define KINETIC_EV 103.642696562
#define PASCAL_EV  6.241509074460763e-12 /* eV/angstrom^3 */

#endif
