/* statistics.c -- ratio estimators with jackknife errors over equal blocks.
 *
 * theta_b is the estimate without block b; variance = (B-1)/B sum_b (theta_b - mean)^2.
 * ESS = (sum w)^2 / sum w^2. Rescaling when a larger exponent appears keeps every sum finite; a
 * common scale cancels in all that is reported except ln <w>, where it is added back.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/statistics.h"

#include <math.h>

enum { B = STATISTICS_BLOCKS };

void log_sum_start(log_sum *s) {
  s->scale = -INFINITY;
  s->sum = 0;
}

void log_sum_add(log_sum *s, double x) {
  if (x > s->scale) {
    s->sum = (s->sum > 0 ? s->sum * exp(s->scale - x) : 0) + 1;
    s->scale = x;
  } else if (x > -INFINITY) {
    s->sum += exp(x - s->scale);
  }
}

double log_sum_value(const log_sum *s) { return s->sum > 0 ? s->scale + log(s->sum) : -INFINITY; }

void statistics_start(statistics *s, int64_t n) { *s = (statistics){.n = n, .scale = -INFINITY}; }

static void rescale(statistics *s, double x) {
  double f = s->scale > -INFINITY ? exp(s->scale - x) : 0;
  for (int b = 0; b < B; b++) {
    s->weight[b] *= f;
    s->energy[b] *= f;
  }
  s->square *= f * f;
  s->largest *= f;
  s->scale = x;
}

/* Block b holds the draws with b n <= index B < (b+1) n, without overflow for n up to 2^58. */
static int block_of(int64_t n, int64_t index) { return (int)(index * B / n); }

static int64_t block_size(int64_t n, int b) {
  return ((b + 1) * n + B - 1) / B - (b * n + B - 1) / B;
}

void statistics_add(statistics *s, int64_t index, double x, double u) {
  if (x > s->scale) rescale(s, x);
  double w = exp(x - s->scale);
  int b = block_of(s->n, index);
  s->weight[b] += w;
  s->energy[b] += w * u;
  s->square += w * w;
  if (w > s->largest) s->largest = w;
}

static double jackknife(const double theta[B]) {
  double mean = 0, sum = 0;
  for (int b = 0; b < B; b++) mean += theta[b] / B;
  for (int b = 0; b < B; b++) sum += (theta[b] - mean) * (theta[b] - mean);
  return sqrt(sum * (B - 1) / B);
}

void statistics_finish(const statistics *s, estimates *out) {
  double w = 0, e = 0, mean[B], energy[B];
  for (int b = 0; b < B; b++) {
    w += s->weight[b];
    e += s->energy[b];
  }
  if (!(w > 0)) {
    *out = (estimates){-INFINITY, NAN, NAN, NAN, 0, 0};
    return;
  }
  for (int b = 0; b < B; b++) {
    /* summed afresh: w - weight[b] would cancel when one block holds nearly all */
    double rest = 0, rest_energy = 0;
    for (int k = 0; k < B; k++)
      if (k != b) {
        rest += s->weight[k];
        rest_energy += s->energy[k];
      }
    mean[b] = rest / (double)(s->n - block_size(s->n, b));
    energy[b] = rest_energy / rest; /* NAN if nothing is left: then no error is known */
  }
  out->ln_mean = s->scale + log(w / (double)s->n);
  out->mean_relative = jackknife(mean) / (w / (double)s->n);
  out->energy = e / w;
  out->energy_sigma = jackknife(energy);
  out->ess = w * w / s->square;
  out->max_share = s->largest / w;
}

double statistics_t95(int degrees) {
  static const double t[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                             2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086};
  int n = (int)(sizeof t / sizeof t[0]);
  if (degrees < 1) return NAN;
  if (degrees <= n) return t[degrees - 1];
  /* Cornish-Fisher expansion about the normal quantile; four digits from 20 degrees on */
  double z = 1.959964, d = degrees;
  return z + z * (z * z + 1) / (4 * d) + z * (5 * z * z * z * z + 16 * z * z + 3) / (96 * d * d);
}
