/* atom_orbital.h -- one bound state in a spherical potential, Schroedinger's or
 * scalar-relativistic.
 *
 * Koelling and Harmon, J. Phys. C 10, 3107 (1977), with g = G / r, f = r F, M = 1 + (E - V) / 2c^2:
 *   dg/dx = 2 M f / r,  df/dx = r (l (l + 1) / 2M + r^2 (V - E)) g,  x = ln r;
 * c = 0 stands for no relativity, M = 1. A panel of the grid is stepped over by collocation: both
 * equations integrated, f eliminated, 16 linear equations for g. Outward and inward solutions meet
 * at the classical turning point; nodes decide which state it is, the jump of f gives its energy.
 * Hartree atomic units.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ATOM_ORBITAL_H
#define EQS_ATOM_ORBITAL_H

#include "potentials/atom_grid.h"

typedef struct atom_well {
  const atom_grid *grid;
  const double *v; /* [n] hartree, -z / r and more */
  double z;
  double c;  /* speed of light; 0 = non-relativistic */
  int small; /* 1: the density holds the small component */
} atom_well;

/* *energy is where the search starts and the result; shell[n] becomes the radial density of one
 * electron, which integrates to 1 over r: G^2, or, with w->small, G^2 + (F^2 + l (l + 1) G^2 /
 * (2 M r)^2) / c^2, the derivative of the energy by the potential. scratch has 2 n elements.
 * EQS_ERR_DIVERGED: no such state below 100 hartree. */
eqs_status atom_orbital_solve(const atom_well *w, int n, int l, double *energy, double *shell,
                              double *scratch) EQS_CHECK;

#endif
