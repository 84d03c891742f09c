/* pose_table.h -- a table of uniform poses with their cheap energies, and drawing from it.
 *
 * Pose i is a pure function of (seed, stream, i) and is not stored; 24 bytes per pose are. With
 * A(i) = 1 where the surrogate's energy is at most `limit`, the density relative to uniform is
 *   q(i) = (1 - eps) mean_k exp(-Us(i)/kT_k) / W_k + eps A(i)/f,  W_k = <exp(-Us/kT_k)>, f = <A>,
 * and 0 outside A. Means are over the table, so sum q = n exactly and drawing pose i with
 * probability q(i)/n makes <g/q> of the draws an unbiased estimate of the table's mean of g on A.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_POSE_TABLE_H
#define EQS_POSE_TABLE_H

#include "core/adsorption/widom.h"

enum { POSE_TABLE_KT = 2, POSE_TABLE_MAX = 1 << 27 };

typedef struct pose_table {
  uint64_t seed;
  uint32_t stream;
  double cell[9];
  double limit; /* eV */
  int64_t n, n_accessible;
  double *base; /* [n] eV, of the surrogate as it came; INFINITY where it fails */
  double *us;   /* [n] eV, corrected; equal to base outside A */
  double *upto; /* [n] running sum of q; 0 before pose_table_density */
  double eps;   /* of the density, as are the following */
  int n_kt;
  double kt[POSE_TABLE_KT], ln_w[POSE_TABLE_KT];
} pose_table;

void pose_table_open(pose_table *t, uint64_t seed, uint32_t stream, const double cell[9],
                     double limit);
void pose_table_free(pose_table *t);

/* Adds poses up to n, with us = base. Energies that are not a number or below -HOLE_KJ_MOL put a
 * pose outside A. look (may be NULL) is called after every batch; non-zero
 * stops with EQS_ERR_INTERRUPTED. EQS_ERR_MEMORY, errors of `cheap`. */
eqs_status pose_table_grow(pose_table *t, int64_t n, widom_energy cheap, void *context, int batch,
                           int (*look)(void *user, int64_t done), void *user) EQS_CHECK;
void pose_table_pose(const pose_table *t, int64_t i, pose *out);
static inline int pose_table_accessible(const pose_table *t, int64_t i) {
  return t->base[i] <= t->limit;
}

/* Sets the density. 1 <= n_kt <= POSE_TABLE_KT, temperatures in eV. Needs n_accessible > 0. */
void pose_table_density(pose_table *t, double eps, int n_kt, const double *kt);
/* ln q(i); -INFINITY outside A. */
double pose_table_ln_q(const pose_table *t, int64_t i);
/* ln of the defensive part of q in A, eps/f. */
double pose_table_ln_defensive(const pose_table *t);
/* The pose that u in [0, 1) picks with probability q(i)/n. */
int64_t pose_table_pick(const pose_table *t, double u);

double pose_table_share(const pose_table *t);       /* f */
double pose_table_share_sigma(const pose_table *t); /* one standard error of f */
/* One standard error of W_k, relative to it. */
double pose_table_w_sigma(const pose_table *t, int k);

#endif
