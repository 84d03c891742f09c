/* trajectory.h -- trajectories frame by frame, whatever the format: extended XYZ or H5MD.
 *
 * One frame is in memory at a time. Where the format gives no images they are found by continuity:
 * an atom goes the shorter way round the cell from frame to frame.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TRAJECTORY_H
#define EQS_TRAJECTORY_H

#include "io/structure.h"

typedef struct trajectory trajectory;

/* Belongs to the trajectory; valid until the next one. */
typedef struct trajectory_frame {
  const structure *atoms; /* positions as the file has them */
  double (*step)[3];      /* [n] displacement since the frame before, angstrom; 0 in the first */
  double time;            /* ps; NAN if the file does not say */
  double share;           /* of the file that is read, 0 to 1 */
  double longest;         /* the largest displacement in a direction, in cells */
} trajectory_frame;

/* unwrapped: positions are continuous in time, none goes the shorter way. EQS_ERR_FILE,
 * EQS_ERR_UNSUPPORTED: H5MD without HDF5. */
eqs_status trajectory_open(const char *path, int unwrapped, trajectory **out) EQS_CHECK;
/* *found = 0 at the end. EQS_ERR_FORMAT: also where atoms or periodicity are not those of the first
 * frame. */
eqs_status trajectory_next(trajectory *t, trajectory_frame *out, int *found) EQS_CHECK;
/* Whether the file ends within a frame, which is left out. */
int trajectory_cut(const trajectory *t);
void trajectory_close(trajectory **t);

#endif
