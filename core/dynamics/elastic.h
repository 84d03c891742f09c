/* elastic.h -- elastic constants from the stress of strained states, and what follows from them.
 *
 * Voigt's order xx yy zz yz xz xy; a shear strain is twice the tensor's component. eV/angstrom^3.
 *   F. Mouhat, F.-X. Coudert, Phys. Rev. B 90, 224104 (2014): stability
 *   R. Hill, Proc. Phys. Soc. A 65, 349 (1952): averages
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ELASTIC_H
#define EQS_ELASTIC_H

#include "core/dynamics/dynamics.h"

typedef struct elastic_settings {
  double strain; /* the largest */
  int points;    /* per component, even, at least 4 */
  double force;  /* eV/angstrom, of the relaxation at each strain */
  int64_t steps; /* of each, at most */
  void *context;
  dynamics_force *evaluate;
  int (*watch)(void *user, int done, int total); /* non-zero stops; may be NULL */
  void *user;
} elastic_settings;

typedef struct elastic_matrix {
  double c[6][6], sigma[6][6];
} elastic_matrix;

typedef struct elastic_moduli {
  double bulk[3], shear[3]; /* Voigt, Reuss, Hill; NAN if c has no inverse */
  double young, poisson;
} elastic_moduli;

/* Stress i per strain j about (x, cell), which is not changed. evaluations counts the model's.
 * EQS_ERR_ARGUMENT, EQS_ERR_DIVERGED (a relaxation that does not end), EQS_ERR_INTERRUPTED. */
eqs_status elastic_measure(const elastic_settings *s, int n, const double (*x)[3],
                           const double cell[9], elastic_matrix *out,
                           int64_t *evaluations) EQS_CHECK;
/* Mean over c and its transpose, and over n rotations (Cartesian, x' = R x). */
void elastic_symmetrise(const elastic_matrix *measured, int n, const double (*rotation)[9],
                        elastic_matrix *out);
void elastic_average(const double c[6][6], elastic_moduli *out);
/* Errors of the moduli, from independent errors of c. */
void elastic_average_errors(const elastic_matrix *m, elastic_moduli *out);
/* Smallest eigenvalue of c as a linear map of symmetric tensors: the crystal is stable if it is
 * above 0. */
double elastic_stability(const double c[6][6]);

#endif
