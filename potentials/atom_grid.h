/* atom_grid.h -- a radial grid in panels of ln r, with spectral quadrature and differentiation.
 *
 * x = ln r is cut into panels, each with ATOM_ORDER Chebyshev points, both ends included (so a
 * point between two panels is there twice). A panel is narrow enough that orbitals, densities and
 * potentials are polynomials of that degree in it to rounding.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ATOM_GRID_H
#define EQS_ATOM_GRID_H

#include "core/equisorb.h"

enum { ATOM_ORDER = 16 };

typedef struct atom_grid {
  int panels, n; /* n = panels * ATOM_ORDER */
  double *r;     /* [n] bohr, ascending; r[i] = r[i + 1] where panels meet */
  double *half;  /* [panels] half the width in x */
  /* For x in [-1, 1], rows of a matrix [to][from]: */
  double from_left[ATOM_ORDER][ATOM_ORDER];  /* integral from -1 to the point */
  double from_right[ATOM_ORDER][ATOM_ORDER]; /* integral from 1 to the point (negative width) */
  double slope[ATOM_ORDER][ATOM_ORDER];      /* derivative at the point */
} atom_grid;

/* For a nucleus of charge z; `finer` >= 1 divides the panels' widths. */
eqs_status atom_grid_make(double z, double finer, atom_grid *out) EQS_CHECK;
void atom_grid_free(atom_grid *g);

/* Integral of f dx over the grid. */
double atom_grid_integral(const atom_grid *g, const double *f);
/* out[i] = integral of f dx from the first point to i (outward) or from i to the last (inward). */
void atom_grid_outward(const atom_grid *g, const double *f, double *out);
void atom_grid_inward(const atom_grid *g, const double *f, double *out);
/* df/dx, panel by panel. */
void atom_grid_slope(const atom_grid *g, const double *f, double *out);

#endif
