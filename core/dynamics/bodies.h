/* bodies.h -- some of the atoms of a state as rigid bodies.
 *
 * What integrators do with atoms is done with all of them first; then the bodies are moved, and
 * their atoms put where, and given the velocity, that the bodies have. So a sum over atoms is right
 * for bodies too: the kinetic energy of v = V + omega x r is the body's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_BODIES_H
#define EQS_BODIES_H

#include "core/dynamics/dynamics.h"
#include "core/dynamics/selection.h"

/* Which atoms, and their shape; shared by all states of a run. Start from a zeroed struct. */
typedef struct body_set {
  int n;
  rigid_shape *shape; /* [n]; its own frame is that of the starting structure */
  int *first;         /* [n + 1] the atoms of body b are member[first[b]] .. member[first[b+1]-1] */
  int *member;
} body_set;

/* Centres of the groups as bodies, each put together about its first atom; single atoms stay atoms.
 * EQS_ERR_ARGUMENT: an atom in two bodies, more than GAS_MAX_ATOMS in one. */
eqs_status body_set_make(const selections *l, const double *mass, body_set *out) EQS_CHECK;
void body_set_free(body_set *set);

/* Degrees of freedom that the bodies have less than their atoms. */
double bodies_lost(const body_set *set);
/* The bodies at the start, from the atoms' velocities: momentum and angular momentum are kept. */
void bodies_start(dynamics *d);
/* Half kicks and drifts of the bodies, after those of the atoms. */
void bodies_kick(dynamics *d, double dt);
void bodies_drift(dynamics *d, double dt);
/* Langevin's friction, by the normal numbers of the bodies' first atoms in d->number. */
void bodies_friction(dynamics *d, double keep, double kt);
void bodies_scale(dynamics *d, double factor);
void bodies_shift(dynamics *d, const double velocity[3]);
/* Stress of the centres, as forces that hold a body together ask, and their kinetic energy tensor
 * (u angstrom^2/fs^2) less that of all atoms: what pressures change by. */
void bodies_pressure(const dynamics *d, double stress[9], double kinetic[9]);

#endif
