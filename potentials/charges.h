/* charges.h -- atomic charges of a crystal by extended charge equilibration (EQeq).
 *
 * C. E. Wilmer, K. C. Kim, R. Q. Snurr, J. Phys. Chem. Lett. 3, 2506 (2012). The charges make
 *   E = sum_i (X_i q_i + J_i q_i^2 / 2) + 1/2 sum_i sum_{j, images} q_i q_j C_ij(r)
 * minimal at a given total charge, with, for an atom that is usually an ion of charge c,
 * J = I_{c+1} - I_c, X = (I_{c+1} + I_c)/2 - c J (I_c: the c-th ionisation energy, I_0 the electron
 * affinity), and C = (lambda K/2) [1/r + exp(-a^2 r^2) (2a - a^2 r - 1/r)], a = sqrt(J_i J_j) / K,
 * lambda = 1.2. Lattice sums are converged; the published program stops after two cells.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CHARGES_H
#define EQS_CHARGES_H

#include "core/workspace.h"

enum { CHARGES_MAX_ATOMS = 4000 };

/* An atom's hardness and electronegativity (eV) and the charge they are expanded about.
 * EQS_ERR_UNSUPPORTED: no ionisation energies for this element. */
typedef struct charges_atom {
  double hardness, electronegativity;
  int center;
} charges_atom;
eqs_status charges_find_atom(int number, charges_atom *out) EQS_CHECK;

/* charge[n], adding up to `total`. EQS_ERR_UNSUPPORTED: an element without data, more than
 * CHARGES_MAX_ATOMS, or no sound solution (names an atom; atoms on top of each other or missing).
 * EQS_ERR_ARGUMENT: singular cell. Same bits for any number of threads; `work` may be NULL. */
eqs_status charges_equilibrate(int n, const int *number, const double (*position)[3],
                               const double cell[9], double total, workspace *work,
                               double *charge) EQS_CHECK;

#endif
