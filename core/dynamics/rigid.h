/* rigid.h -- rigid bodies in motion: moments of inertia, and the free rotation of a top.
 *
 * A. Dullweber, B. Leimkuhler, R. McLachlan, J. Chem. Phys. 107, 5840 (1997): the kinetic energy of
 * a top split into rotations about its three principal axes, symmetric in time. Each is exact, so
 * the map is symplectic and reversible; an axis without inertia (linear molecules) never turns.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RIGID_H
#define EQS_RIGID_H

#include "core/adsorption/pose.h"

/* A molecule about its centre of mass, along its principal axes. */
typedef struct rigid_shape {
  int n;
  double mass;                   /* u */
  double center[3];              /* of mass, in the molecule's own frame, angstrom */
  double inertia[3];             /* u angstrom^2; 0 for an axis that all atoms lie on */
  double site[GAS_MAX_ATOMS][3]; /* angstrom, in principal axes */
  double axes[3][3];             /* rows: the principal axes in the molecule's own frame */
} rigid_shape;

/* Where a body is and how it moves. */
typedef struct rigid_body {
  double center[3], velocity[3]; /* angstrom, angstrom / time */
  double turn[3][3];             /* space = turn . principal */
  double spin[3];                /* angular momentum along the principal axes */
} rigid_body;

/* Symmetric 3 x 3, made diagonal: rows of `axes` become its eigenvectors, right-handed. */
void rigid_diagonalise(double a[3][3], double axes[3][3]);
/* From masses (u) and positions in the molecule's own frame. */
void rigid_shape_make(int n, const double *mass, const double (*position)[3], rigid_shape *out);
/* Place and orientation of the molecule's own frame as those of the body, and back. */
void rigid_from_pose(const rigid_shape *s, const pose *p, rigid_body *b);
void rigid_to_pose(const rigid_shape *s, const rigid_body *b, pose *p);
/* Rotates freely for `dt`. */
void rigid_rotate(const rigid_shape *s, rigid_body *b, double dt);
/* spin += dt * torque of the forces on the sites, velocity += dt * sum of forces / mass; `unit` is
 * the acceleration that one unit of force gives one unit of mass. */
void rigid_kick(const rigid_shape *s, rigid_body *b, const double (*force)[3], double unit,
                double dt);
void rigid_sites(const rigid_shape *s, const rigid_body *b, double (*x)[3]);
/* In units of mass (length / time)^2. */
double rigid_kinetic(const rigid_shape *s, const rigid_body *b);

#endif
