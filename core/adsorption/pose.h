/* pose.h -- where and how a rigid molecule is inserted: position of its centre and orientation.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_POSE_H
#define EQS_POSE_H

#include "core/gas.h"

#include <stdint.h>

typedef struct pose {
  double position[3];   /* angstrom, of the centre of mass */
  double quaternion[4]; /* x, y, z, w; unit length */
} pose;

/* The pose of six uniform numbers in [0, 1): three for the position, three for the orientation. */
void pose_from_uniform(const double u[6], const double cell[9], pose *out);
/* Draw `index`: position uniform in the cell, orientation uniform on SO(3). */
void pose_draw(uint64_t seed, uint32_t stream, uint64_t index, const double cell[9], pose *out);
/* Rotation by a unit quaternion: x' = out . x. */
void pose_rotation(const double quaternion[4], double out[3][3]);
/* Coordinates of the molecule's atoms, angstrom; x has room for GAS_MAX_ATOMS. */
void pose_place(const pose *p, const gas *g, double (*x)[3]);

#endif
