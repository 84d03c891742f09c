/* dispersion_table.h -- the reference systems of D3: each element has up to five, called states
 * here, at their own coordination numbers.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISPERSION_TABLE_H
#define EQS_DISPERSION_TABLE_H

enum { DISPERSION_Z_MAX = 94, DISPERSION_REFERENCES = 5, DISPERSION_STATES = 254 };

/* States of element Z are first[Z] .. first[Z+1]-1. */
extern const int dispersion_first[DISPERSION_Z_MAX + 2];
extern const int dispersion_cn[DISPERSION_STATES]; /* coordination numbers, 1e-4 */
/* 4/3 of the covalent radius, bohr; Q = sqrt(sqrt(Z) <r4>/<r2> / 2), sqrt(bohr^2). */
extern const double dispersion_radius[DISPERSION_Z_MAX + 1];
extern const double dispersion_ratio[DISPERSION_Z_MAX + 1];
/* C6 of states a >= b at [a (a + 1) / 2 + b]; 1e-4 hartree bohr^6. */
extern const int dispersion_c6[DISPERSION_STATES * (DISPERSION_STATES + 1) / 2];
/* R0 of elements z >= y at [z (z - 1) / 2 + y - 1], 1e-4 angstrom: damping of triples. */
extern const int dispersion_pair_radius[DISPERSION_Z_MAX * (DISPERSION_Z_MAX + 1) / 2];

#endif
