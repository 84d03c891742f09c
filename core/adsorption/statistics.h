/* statistics.h -- averages of Boltzmann weights: block jackknife, effective sample size.
 *
 * Weights are exp(x) with x = -U/kT, far outside the range of a double for deep wells, so all sums
 * carry one common scale. The result depends only on the draws and their order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_STATISTICS_H
#define EQS_STATISTICS_H

#include <stdint.h>

enum { STATISTICS_BLOCKS = 20 };

/* ln sum exp(x), accumulated. */
typedef struct log_sum {
  double scale; /* largest x so far; -inf at the start */
  double sum;   /* of exp(x - scale) */
} log_sum;

void log_sum_start(log_sum *s);
void log_sum_add(log_sum *s, double x);
double log_sum_value(const log_sum *s); /* -inf if nothing was added */

typedef struct statistics {
  int64_t n;                        /* draws planned; blocks are equal shares of it */
  double scale;                     /* weights below are exp(x - scale) */
  double weight[STATISTICS_BLOCKS]; /* sums per block */
  double energy[STATISTICS_BLOCKS]; /* of weight times u */
  double square;                    /* sum of squared weights */
  double largest;                   /* largest single weight */
} statistics;

typedef struct estimates {
  double ln_mean;       /* ln <w> over all n draws; -inf if every weight is 0 */
  double mean_relative; /* one sigma of <w>, relative to <w>; NAN if undefined */
  double energy;        /* sum w u / sum w; NAN if every weight is 0 */
  double energy_sigma;  /* one sigma; NAN if undefined */
  double ess;           /* (sum w)^2 / sum w^2; 0 if every weight is 0 */
  double max_share;     /* of the largest single weight in the sum */
} estimates;

void statistics_start(statistics *s, int64_t n);
/* Draw `index` of n has weight exp(x) and energy u. Draws that are never added have weight 0: they
 * still count in the mean. x must be finite. */
void statistics_add(statistics *s, int64_t index, double x, double u);
void statistics_finish(const statistics *s, estimates *out);
/* Two-sided 95 % quantile of Student's t. */
double statistics_t95(int degrees);

#endif
