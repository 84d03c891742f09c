/* pose_kernels.h -- a density of poses around given ones, to draw from and to evaluate.
 *
 * m(x) = sum_k weight_k sum_ab share_ab P_a(x - c_k) O_b(q, q_k), relative to uniform. P_a: normal,
 * of standard deviation h_a per direction, over the lattice. O_b: the angular central Gaussian of
 * D. Tyler, Biometrika 74, 579 (1987), s^-(p-1) (c^2 + (1 - c^2)/s^2)^(-p/2), c the cosine between
 * the quaternions (p = 4; q and -q are one orientation) or between the axes of linear molecules (p
 * = 3, head and tail alike); s = 1 is uniform. Widths need no guess: several at once, their shares
 * learnt from weighted draws by R. Douc et al., Ann. Stat. 35, 420 (2007).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_POSE_KERNELS_H
#define EQS_POSE_KERNELS_H

#include "core/adsorption/pose.h"

enum {
  KERNEL_WIDTHS = 4,
  KERNEL_SPREADS = 4,
  KERNEL_PARTS = KERNEL_WIDTHS * KERNEL_SPREADS,
  KERNEL_UNIFORMS = 10 /* random numbers of a draw */
};

typedef enum pose_turn { TURN_NONE, TURN_AXIS, TURN_BODY } pose_turn;

typedef struct pose_kernels {
  double cell[9], inverse[9], width[3], volume;
  double height[KERNEL_WIDTHS]; /* of P_a at its centre */
  pose_turn turn;
  double axis[3]; /* of a linear molecule, in its own frame */
  int n, capacity;
  double (*center)[3]; /* [n] fractional */
  double (*toward)[4]; /* [n] quaternion, or the axis in space */
  double *weight;      /* [n] sum 1 */
  double share[KERNEL_PARTS];
} pose_kernels;

/* None yet, room for `capacity`; the shares are equal. Start from a zeroed struct. molecule: NULL
 * is a body without symmetry. EQS_ERR_ARGUMENT: singular cell. EQS_ERR_MEMORY. */
eqs_status pose_kernels_open(pose_kernels *k, const double cell[9], const gas *molecule,
                             int capacity) EQS_CHECK;
void pose_kernels_free(pose_kernels *k);
/* The first centre that is `near` angstrom or less away; -1: none. */
int pose_kernels_near(const pose_kernels *k, const pose *p, double near);
/* One more, unless there is one so near already (`near` angstrom, or as much in the sine of the
 * orientation), or no room: 1 if it was added. Weights need not be normalised before
 * pose_kernels_close. */
int pose_kernels_add(pose_kernels *k, const pose *p, double weight, double near);
/* Normalises the weights. */
void pose_kernels_close(pose_kernels *k);

/* The pose of KERNEL_UNIFORMS numbers in [0, 1). */
void pose_kernels_draw(const pose_kernels *k, const double *u, pose *out);
/* m(x) with all the share in one part, for each of them; m is their sum weighted by the shares. */
void pose_kernels_parts(const pose_kernels *k, const pose *p, double part[KERNEL_PARTS]);
double pose_kernels_density(const pose_kernels *k, const pose *p);
/* Shares that make m follow the weight of n draws best, from their parts; a tenth stays spread over
 * all of them, and a part of each goes to the next wider one. */
void pose_kernels_learn(pose_kernels *k, int n, const double (*part)[KERNEL_PARTS],
                        const double *weight);

#endif
