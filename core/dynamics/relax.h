/* relax.h -- minimisers for atoms and cell: FIRE and L-BFGS.
 *
 * Variables are y = (X, sqrt(n) F): positions in the frame of the first cell, x = X F, and the
 * deformation F of cell and positions alike, cell = cell_0 F. What is lowered is E + P V.
 *   E. Tadmor, G. Smith, N. Bernstein, E. Kaxiras, Phys. Rev. B 59, 235 (1999): the variables
 *   E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006): FIRE
 *   D. Liu, J. Nocedal, Math. Program. 45, 503 (1989): L-BFGS
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RELAX_H
#define EQS_RELAX_H

#include "core/dynamics/dynamics.h"

typedef enum relax_method { RELAX_LBFGS, RELAX_FIRE } relax_method;
typedef enum relax_cell { RELAX_FIXED, RELAX_ISOTROPIC, RELAX_FULL } relax_cell;

typedef struct relax_settings {
  relax_method method;
  relax_cell cell;
  double force;    /* eV/angstrom, on any atom */
  double stress;   /* eV/angstrom^3, any component of stress + pressure */
  double pressure; /* eV/angstrom^3 */
  int64_t steps;   /* at most */
  void *context;
  dynamics_force *evaluate;
  /* After every evaluation; non-zero stops: EQS_ERR_INTERRUPTED. May be NULL. */
  int (*watch)(void *user, int64_t step, double energy, double force, double stress);
  void *user;
} relax_settings;

typedef struct relax_outcome {
  int done;             /* the criteria are met */
  int64_t steps;        /* evaluations after the first */
  double energy;        /* eV, without P V */
  double force, stress; /* the largest: on an atom; of stress + pressure, 0 with a fixed cell */
} relax_outcome;

/* x [n][3], cell [9], force [n][3] and stress [9] become those of the last point accepted.
 * EQS_ERR_ARGUMENT: settings, a cell without a volume. EQS_ERR_DIVERGED: no finite energy. */
eqs_status relax_run(const relax_settings *s, int n, double (*x)[3], double cell[9],
                     double (*force)[3], double stress[9], relax_outcome *out) EQS_CHECK;

#endif
