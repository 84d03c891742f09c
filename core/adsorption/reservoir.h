/* reservoir.h -- a sample of the poses of an insertion run, each place of it drawn with the weight
 * that the pose has in the average: what is to be computed afterwards, and costs too much for every
 * pose, is computed for these.
 *
 * Every place holds one pose; a new one takes it with probability w_i / (w_1 + ... + w_i) (Chao,
 * Biometrika 69, 653 (1982), with replacement). A pure function of the draws and the seed, so that
 * a run that was continued has the sample of one that never stopped.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RESERVOIR_H
#define EQS_RESERVOIR_H

#include "core/adsorption/pose.h"
#include "core/adsorption/statistics.h"

enum { RESERVOIR_PLACES = 32 };

typedef struct reservoir_place {
  int64_t index; /* of the pose, by which one that is drawn again is known */
  pose pose;
  double u; /* eV */
} reservoir_place;

typedef struct reservoir {
  uint64_t seed;
  uint32_t stream;
  log_sum total;
  int n; /* 0 until a draw has weight, then RESERVOIR_PLACES */
  reservoir_place place[RESERVOIR_PLACES];
} reservoir;

void reservoir_start(reservoir *r, uint64_t seed, uint32_t stream);
/* Draw number `draw`, each once and in any order that is always the same, of pose `index`;
 * ln_weight -INFINITY: none. */
void reservoir_add(reservoir *r, int64_t index, int64_t draw, double ln_weight, const pose *p,
                   double u);

/* What the members of a committee make of two averages: root mean squares, over the members, of the
 * change of ln <exp(-U/kT)> and of <U> (eV) when U becomes U + dU_m, by reweighting of n poses that
 * were drawn with the weight exp(-U/kT). */
typedef struct member_spread {
  double ln_henry, energy;
} member_spread;
/* u[n], du[n][members], kt: eV. NAN without poses. */
member_spread member_spread_of(int n, const double *u, int members, const double *du, double kt);

#endif
