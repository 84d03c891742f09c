/* surrogate_fit.h -- a correction of a cheap potential, learnt from a few expensive energies.
 *
 * du(pose) = c0 + sum over pairs (framework atom i of element e, guest site j of element s) of
 * sum_k c_kes phi_k(r_ij), phi = (3/r)^12, (3/r)^9, (3/r)^6, (3/r)^4, 3 erfc(0.25 r)/r, shifted to
 * 0 at 8 angstrom: ridge regression with the penalty chosen by cross-validation.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SURROGATE_FIT_H
#define EQS_SURROGATE_FIT_H

#include "core/adsorption/pose.h"

enum { SURROGATE_FIT_MAX = 400 }; /* parameters */

typedef struct surrogate_fit surrogate_fit;

/* The host is one cell, periodic in three directions; nothing of the caller's is kept. threads:
 * of surrogate_fit_apply. EQS_ERR_ARGUMENT: singular cell. EQS_ERR_UNSUPPORTED: too many pairs of
 * elements. */
eqs_status surrogate_fit_open(int n, const int *number, const double (*position)[3],
                              const double cell[9], const gas *g, int threads,
                              surrogate_fit **out) EQS_CHECK;
void surrogate_fit_free(surrogate_fit **f);

/* Forgets what was learnt before. target[n] eV, weight[n] >= 0, all finite. With too few samples
 * of positive weight (fewer than 20) it learns nothing: du = 0. */
eqs_status surrogate_fit_learn(surrogate_fit *f, int n, const pose *poses, const double *target,
                               const double *weight) EQS_CHECK;
/* du[n] eV, never beyond the range of the targets; same bits for any number of threads. */
void surrogate_fit_apply(const surrogate_fit *f, int n, const pose *poses, double *du);
/* 0 before anything was learnt. */
int surrogate_fit_parameters(const surrogate_fit *f);

#endif
