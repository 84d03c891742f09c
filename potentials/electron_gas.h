/* electron_gas.h -- the energy of two atoms whose densities are frozen and overlap.
 *
 * Gordon and Kim, J. Chem. Phys. 56, 3122 (1972): n = n_A + n_B; electrostatics exactly, kinetic,
 * exchange and correlation energies by density functionals, minus those of the atoms. Hartree
 * atomic units.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ELECTRON_GAS_H
#define EQS_ELECTRON_GAS_H

#include "potentials/atom.h"

/* A neutral spherical density that can be asked anywhere: pieces in ln r. */
typedef struct gas_atom {
  int z, n;                 /* knots */
  double first, step, last; /* ln r of the first knot, between knots, of the last */
  double reach;             /* bohr; beyond it the density is below 1e-12 */
  double (*density)[3];     /* [n] ln density, its first and second derivative by the knot */
  double (*screened)[3];    /* [n] ln of the integral of s U(s) ds from r, likewise; U(s): potential
                               of the atom */
} gas_atom;

eqs_status gas_atom_make(const atom *a, gas_atom *out) EQS_CHECK;
void gas_atom_free(gas_atom *g);

typedef struct gas_energy {
  double coulomb, kinetic, xc, total; /* hartree */
} gas_energy;

/* Gauss-Legendre points in each of the two elliptic coordinates; scratch of a thread. */
typedef struct gas_quadrature {
  int n;
  double *x, *w; /* [n] on [-1, 1] */
  double *point; /* densities and energies */
  size_t room;
} gas_quadrature;

eqs_status gas_quadrature_make(int n, gas_quadrature *out) EQS_CHECK; /* n = 0: 64 */
void gas_quadrature_free(gas_quadrature *q);

/* The energy at distance r (bohr). */
eqs_status gas_pair(const gas_atom *a, const gas_atom *b, const functional *kinetic,
                    const functional *xc, double r, gas_quadrature *q, gas_energy *out) EQS_CHECK;

#endif
