/* hybrid.h -- hybrid Monte Carlo: a trajectory of molecular dynamics as one move.
 *
 * S. Duane, A. Kennedy, B. Pendleton, D. Roweth, Phys. Lett. B 195, 216 (1987): momenta drawn from
 * Maxwell and Boltzmann, n steps of a reversible and volume-preserving integrator (velocity Verlet;
 * rigid molecules by core/dynamics/rigid.h), then the end is taken with min(1, exp(-(H' - H)/kT)).
 * Exact for any time step.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_HYBRID_H
#define EQS_HYBRID_H

#include <stdint.h>

#include "core/dynamics/rigid.h"

/* Free atoms and rigid bodies; the atoms of the bodies follow the free ones, in order. */
typedef struct hybrid_system {
  int n_free;
  double *mass;         /* [n_free] u */
  double (*free_at)[3]; /* [n_free] angstrom */
  int n_body;
  const rigid_shape **shape; /* [n_body] */
  rigid_body *body;          /* [n_body] */
} hybrid_system;

/* Potential energy (eV) and forces (eV/angstrom) of all atoms. EQS_ERR_DIVERGED: not finite, or
 * atoms on top of each other: the trajectory is refused. */
typedef eqs_status (*hybrid_force)(void *context, int n, const double (*x)[3], double *energy,
                                   double (*force)[3]);

typedef struct hybrid_settings {
  double temperature; /* K */
  double step;        /* fs */
  int steps;
  uint64_t seed;
  uint32_t stream;
  uint64_t index; /* of the move: the random numbers are a function of seed, stream, index */
  void *context;
  hybrid_force force;
  /* Non-zero refuses a trajectory for where it ends (U is infinite there); NULL: nothing is. The
   * system must not be refused where it starts. */
  int (*refused)(const void *refuser, const hybrid_system *end);
  const void *refuser;
} hybrid_settings;

typedef struct hybrid_outcome {
  int accepted;
  double dh;     /* H' - H, eV; INFINITY if the trajectory broke off or was refused */
  double energy; /* potential energy of the state that the system is in now, eV */
} hybrid_outcome;

/* One move; on rejection the system is as before, bit for bit. EQS_ERR_ARGUMENT: settings.
 * EQS_ERR_DIVERGED: the starting point has no energy. */
eqs_status hybrid_move(const hybrid_settings *s, hybrid_system *system,
                       hybrid_outcome *out) EQS_CHECK;

#endif
