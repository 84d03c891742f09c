/* zbl.h -- screened nuclear repulsion of Ziegler, Biersack and Littmark, as MACE cuts it off.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ZBL_H
#define EQS_ZBL_H

#include "potentials/potential.h"

typedef struct zbl_parameters {
  double c[4];               /* weights of the four exponentials */
  double a_exp, a_prefactor; /* a = a_prefactor 0.529 / (Z1^a_exp + Z2^a_exp) angstrom */
  double p;                  /* order of the polynomial cutoff */
  double *radius;            /* [n_element] covalent radii, angstrom */
  double *charge;            /* [n_element] atomic numbers */
} zbl_parameters;

/* Adds scale * sum over the atom's edges of half the pair energy to energies, and its derivative
 * to gradient (NULL = none). In double whatever the model's precision. */
eqs_status zbl_evaluate(const zbl_parameters *z, double scale, workspace *w, const batch *b,
                        double *energies, double (*gradient)[3]) EQS_CHECK;

#endif
