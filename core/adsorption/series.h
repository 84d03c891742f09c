/* series.h -- averages, fluctuations and their errors over the moves of a grand canonical run.
 *
 * Every move counts, rejected ones too. Moves are summed in up to SERIES_BINS bins, which become
 * blocks for the jackknife once it is known how much of the beginning is left out.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SERIES_H
#define EQS_SERIES_H

#include "core/adsorption/chain.h"

enum { SERIES_BINS = 1000 };

typedef struct series {
  int n_component, n_bin, width;
  int64_t n;   /* moves planned */
  double *bin; /* [n_bin][width] sums of 1, N_i, U, N_i U, N_i N_j */
} series;

typedef struct series_value {
  double mean;
  double sigma; /* one standard error; NAN if undefined */
  double ci95;  /* half width of the 95 % interval, Student's t */
} series_value;

typedef struct series_result {
  series_value count[CHAIN_COMPONENTS]; /* <N_i> */
  series_value energy;                  /* <U>, eV */
  /* dU/dN_i at constant other N: the solution of cov(N_i, N_j) q_j = cov(N_i, U), eV. NAN where
   * var(N_i) < SERIES_VARIANCE_MIN: fluctuations say nothing then. */
  series_value slope[CHAIN_COMPONENTS];
  double covariance[CHAIN_COMPONENTS][CHAIN_COMPONENTS];
  double inefficiency; /* moves per independent sample of the number of guests; NAN if constant */
  double n_effective;
  int64_t n_used;
} series_result;

#define SERIES_VARIANCE_MIN 1e-6

/* n >= 100 moves. EQS_ERR_ARGUMENT, EQS_ERR_MEMORY. */
eqs_status series_open(series *s, int n_component, int64_t n) EQS_CHECK;
void series_close(series *s);
/* State after move `index` of n. */
void series_add(series *s, int64_t index, const int *count, double u);
/* Bins to leave out at the beginning: the minimum of the mean's estimated squared error (K. P.
 * White, Simulation 69, 323, 1997: MSER) within the first half. *settled = 0: it lies at the half,
 * so that the run is too short to tell. */
int series_mser(const series *s, int *settled);
/* From bin `first` on, in `blocks` blocks. EQS_ERR_ARGUMENT: fewer than two bins per block. */
eqs_status series_finish(const series *s, int first, int blocks, series_result *out) EQS_CHECK;
/* Jackknife: `without` are the estimates with one of the blocks left out. */
series_value series_jackknife(double whole, int blocks, const double *without);
/* factor v + shift. */
series_value series_scaled(series_value v, double factor, double shift);
void series_archive(series *s, archive *a);
/* 0 if the sums are not those of any run. */
int series_sane(const series *s);

#endif
