/* widom_frames.h -- Widom insertion into a framework that moves: an average over its snapshots.
 *
 * With f numbering snapshots of the empty framework, taken from its canonical ensemble,
 *   W = <W_f>,  W_f = <exp(-U/kT)> over poses in snapshot f,
 *   <U>_1 - <U>_0 = -d ln W/d(1/kT) = sum_f W_f (U_f + E_f)/sum_f W_f - <E_f>,
 * E_f being the energy of the empty framework. At zero loading this is exact: the framework's
 * response to the guest is in the fluctuations of the empty one. In practice it is good where some
 * snapshots look like what the guest wants; the error between them shows it.
 *
 * All snapshots share one cell, one surrogate (that of the first) and what the fit learnt there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WIDOM_FRAMES_H
#define EQS_WIDOM_FRAMES_H

#include "core/adsorption/widom_importance.h"

enum { FRAMES_MIN = 20, FRAMES_MAX = 100000 };

/* One snapshot. ln_w -INFINITY: no weight. */
typedef struct frame_value {
  double ln_w, w_relative; /* ln W_f; one sigma of W_f over it, by the draws */
  double u;                /* eV, U_f */
  double ln_w_unblocked, u_unblocked;
  double host; /* eV, E_f */
} frame_value;

/* Energies eV. */
typedef struct frames_average {
  double ln_w, w_sigma;  /* one sigma relative to W, between blocks of snapshots */
  double u, u_sigma;     /* <U>_1 - <U>_0 */
  double host_share;     /* of u: what the framework adds to the guest's own energy */
  double draw_share;     /* of the variance of W: from the draws, not from the framework */
  double ess, max_share; /* effective snapshots, and the largest one's share of the weight */
  double ln_w_unblocked, w_unblocked_sigma, u_unblocked, u_unblocked_sigma;
} frames_average;

/* Jackknife over STATISTICS_BLOCKS blocks of consecutive snapshots; n >= FRAMES_MIN.
 * EQS_ERR_ARGUMENT, EQS_ERR_MEMORY. */
eqs_status frames_take_average(int n, const frame_value *v, frames_average *out) EQS_CHECK;

typedef struct frames_settings {
  int n;
  /* Makes snapshot `frame` the one that `expensive` and `overlap` of the sampling see, and says
   * what the empty framework's energy is, eV. */
  eqs_status (*place)(void *context, int frame, double *host);
  void *context;
} frames_settings;

/* One temperature; s->error is the asked one of the average, s->max_energy the budget of all
 * together. out->point[0] has the average and its errors, the rest of `out` sums and extremes;
 * out->target_missed: the error of the average is above the asked one. A state becomes one file per
 * snapshot: FILE.0, FILE.1, ... EQS_ERR_ARGUMENT, errors of widom_importance_run and `place`. */
eqs_status widom_frames_run(const frames_settings *f, const importance_settings *s,
                            frames_average *average, importance_result *out) EQS_CHECK;

#endif
