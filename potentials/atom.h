/* atom.h -- spherical Kohn-Sham atoms: energies, eigenvalues and densities.
 *
 * Neutral atoms in their ground configuration, open shells spread evenly over m. Spin-restricted,
 * or spin-polarised by Hund's rule (all open shells parallel). Non-relativistic or scalar-
 * relativistic. Point nucleus. Hartree atomic units throughout. The method and how it compares with
 * the published tables: docs/walls.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ATOM_H
#define EQS_ATOM_H

#include "potentials/atom_grid.h"
#include "potentials/functional.h"

#define ATOM_LIGHT 137.035999084 /* speed of light, CODATA 2018 */

enum { ATOM_LAST = 94, ATOM_ORBITALS = 24 };

typedef struct atom_options {
  const functional *functional; /* exchange and correlation */
  double light;                 /* speed of light; 0 = non-relativistic */
  int small; /* 1: scalar-relativistic densities hold the small component; 0: G^2 alone, normalised,
                as Koelling and Harmon's equation is mostly used and in the NIST tables */
  int polarised; /* 1: two spins */
  double finer;  /* 0 = 1; the grid's panels are divided by it */
} atom_options;

typedef struct atom_orbital {
  int n, l;
  double occupation[2]; /* of the spins; restricted: both in the first */
  double energy[2];     /* hartree */
} atom_orbital;

typedef struct atom {
  int z, spins, n_orbital, iterations;
  atom_orbital orbital[ATOM_ORBITALS];
  double total, kinetic, hartree, nuclear, xc; /* hartree; nuclear: electrons and nucleus */
  atom_grid grid;
  double *density[2];   /* [n] of the spins, electrons per bohr^3; restricted: all in the first */
  double *potential[2]; /* [n] hartree, the nucleus' included */
} atom;

/* The ground configuration, spin-polarised or not: the number of orbitals, by n and l. */
int atom_configuration(int z, int polarised, atom_orbital orbital[ATOM_ORBITALS]);

/* EQS_ERR_ARGUMENT: z is not 1 .. 94; EQS_ERR_DIVERGED names the atom that did not converge. */
eqs_status atom_solve(int z, const atom_options *options, atom *out) EQS_CHECK;
void atom_free(atom *a);

#endif
