/* series.c -- averages, fluctuations and their errors over the moves of a grand canonical run.
 *
 * Errors: jackknife over blocks, (B-1)/B sum (theta_b - mean)^2, times t of B-1 degrees.
 * Statistical inefficiency: variance of the mean (bins, autocorrelation summed while it is
 * positive: C. J. Geyer, Stat. Sci. 7, 473, 1992) over the variance of one move divided by their
 * number.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/series.h"

#include <math.h>
#include <stdlib.h>

enum { C = CHAIN_COMPONENTS, WIDTH_MAX = 2 + 2 * C + C * C, BLOCKS_MAX = SERIES_BINS / 2 };

eqs_status series_open(series *s, int n_component, int64_t n) {
  if (n < 100 || n > (int64_t)1 << 50)
    EQS_FAIL(EQS_ERR_ARGUMENT, "averages over %lld moves; give at least 100", (long long)n);
  *s = (series){.n_component = n_component,
                .n_bin = n < SERIES_BINS ? (int)n : SERIES_BINS,
                .width = 2 + 2 * n_component + n_component * n_component,
                .n = n};
  return alloc_array(&s->bin, (size_t)s->n_bin * (size_t)s->width, sizeof *s->bin, "averages");
}

void series_close(series *s) {
  free(s->bin);
  *s = (series){0};
}

void series_add(series *s, int64_t index, const int *count, double u) {
  int n = s->n_component, bin = (int)(index * s->n_bin / s->n);
  double *sum = s->bin + (size_t)bin * (size_t)s->width;
  sum[0] += 1;
  sum[1 + n] += u;
  for (int i = 0; i < n; i++) {
    sum[1 + i] += count[i];
    sum[2 + n + i] += count[i] * u;
    for (int j = 0; j < n; j++) sum[2 + 2 * n + i * n + j] += (double)count[i] * count[j];
  }
}

static void add_bins(const series *s, int from, int to, double *sum) {
  for (int b = from; b < to; b++)
    for (int k = 0; k < s->width; k++) sum[k] += s->bin[(size_t)b * (size_t)s->width + (size_t)k];
}

/* Mean number of guests in a bin. */
static double bin_mean(const series *s, int b) {
  const double *sum = s->bin + (size_t)b * (size_t)s->width;
  double total = 0;
  for (int i = 0; i < s->n_component; i++) total += sum[1 + i];
  return sum[0] > 0 ? total / sum[0] : 0;
}

int series_mser(const series *s, int *settled) {
  int best = 0, n = s->n_bin;
  double lowest = INFINITY, sum = 0, square = 0, shift = bin_mean(s, n - 1);
  for (int b = n - 1; b >= 0; b--) { /* the error of the mean over bins b .. n-1 */
    double y = bin_mean(s, b) - shift, m = n - b;
    sum += y;
    square += y * y;
    double error = fmax(0, square - sum * sum / m) / (m * m);
    if (b <= n / 2 && error <= lowest) {
      lowest = error;
      best = b;
    }
  }
  *settled = best < n / 2;
  return best;
}

/* Solves a x = b, n x n, symmetric positive; 0 if it is nearly singular. a is scaled to ones on the
 * diagonal first, so that rare components count like common ones. */
static int solve(int n, double a[C][C], double b[C], double x[C]) {
  double scale[C];
  for (int i = 0; i < n; i++) scale[i] = 1 / sqrt(a[i][i]);
  for (int i = 0; i < n; i++) {
    b[i] *= scale[i];
    for (int j = 0; j < n; j++) a[i][j] *= scale[i] * scale[j];
  }
  for (int k = 0; k < n; k++) {
    if (!(a[k][k] > 1e-8)) return 0;
    for (int i = k + 1; i < n; i++) {
      double f = a[i][k] / a[k][k];
      for (int j = k; j < n; j++) a[i][j] -= f * a[k][j];
      b[i] -= f * b[k];
    }
  }
  for (int k = n - 1; k >= 0; k--) {
    x[k] = b[k];
    for (int j = k + 1; j < n; j++) x[k] -= a[k][j] * x[j];
    x[k] /= a[k][k];
  }
  for (int i = 0; i < n; i++) x[i] *= scale[i];
  return 1;
}

/* All estimates from sums: theta = N_i, U, slope_i. */
static void estimate(int n, const double *sum, double theta[1 + 2 * C], double covariance[C][C]) {
  double a[C][C], b[C], x[C], mean[C];
  int active[C], m = 0;
  for (int i = 0; i < n; i++) theta[i] = mean[i] = sum[1 + i] / sum[0];
  theta[n] = sum[1 + n] / sum[0];
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++)
      covariance[i][j] = sum[2 + 2 * n + i * n + j] / sum[0] - mean[i] * mean[j];
    theta[n + 1 + i] = NAN;
    if (covariance[i][i] > SERIES_VARIANCE_MIN) active[m++] = i;
  }
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < m; j++) a[i][j] = covariance[active[i]][active[j]];
    b[i] = sum[2 + n + active[i]] / sum[0] - mean[active[i]] * theta[n];
  }
  if (m && solve(m, a, b, x))
    for (int i = 0; i < m; i++) theta[n + 1 + active[i]] = x[i];
}

series_value series_jackknife(double whole, int blocks, const double *without) {
  double mean = 0, sum = 0;
  for (int b = 0; b < blocks; b++) mean += without[b] / blocks;
  for (int b = 0; b < blocks; b++) sum += (without[b] - mean) * (without[b] - mean);
  double sigma = sqrt(sum * (blocks - 1) / blocks);
  return (series_value){whole, sigma, statistics_t95(blocks - 1) * sigma};
}

series_value series_scaled(series_value v, double factor, double shift) {
  double size = fabs(factor);
  return (series_value){factor * v.mean + shift, size * v.sigma, size * v.ci95};
}

static series_value column(int blocks, const double *whole, double theta[][1 + 2 * C], int k) {
  double without[BLOCKS_MAX];
  for (int b = 0; b < blocks; b++) without[b] = theta[b][k];
  return series_jackknife(whole[k], blocks, without);
}

static void find_inefficiency(const series *s, int first, series_result *out) {
  int n = s->n_bin - first;
  double mean = 0, variance = 0, one = 0, tail = 0;
  for (int i = 0; i < s->n_component; i++)
    for (int j = 0; j < s->n_component; j++) one += out->covariance[i][j];
  out->inefficiency = out->n_effective = NAN;
  if (!(one > 1e-12)) return;
  for (int b = 0; b < n; b++) mean += bin_mean(s, first + b) / n;
  for (int b = 0; b < n; b++) variance += pow(bin_mean(s, first + b) - mean, 2) / n;
  for (int lag = 1; lag + 1 < n / 2; lag += 2) { /* pairs: their sum is positive for a chain */
    double pair = 0;
    for (int k = lag; k < lag + 2; k++) {
      double sum = 0;
      for (int b = 0; b + k < n; b++)
        sum += (bin_mean(s, first + b) - mean) * (bin_mean(s, first + b + k) - mean);
      pair += sum / n;
    }
    if (!(pair > 0)) break;
    tail += pair;
  }
  double of_mean = (variance + 2 * tail) / n;
  out->inefficiency = fmax(1, of_mean / one * (double)out->n_used);
  out->n_effective = (double)out->n_used / out->inefficiency;
}

eqs_status series_finish(const series *s, int first, int blocks, series_result *out) {
  int n = s->n_component, n_bin = s->n_bin - first;
  double sum[WIDTH_MAX] = {0}, whole[1 + 2 * C], unused[C][C];
  double(*theta)[1 + 2 * C];
  if (blocks < 2 || blocks > BLOCKS_MAX || n_bin < 2 * blocks)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d blocks from %d bins; give fewer blocks or more moves", blocks,
             n_bin);
  EQS_TRY(alloc_array(&theta, (size_t)blocks, sizeof *theta, "blocks"));
  *out = (series_result){0};
  add_bins(s, first, s->n_bin, sum);
  estimate(n, sum, whole, out->covariance);
  out->n_used = (int64_t)sum[0];
  for (int b = 0; b < blocks; b++) {
    double rest[WIDTH_MAX] = {0};
    add_bins(s, first, first + n_bin * b / blocks, rest);
    add_bins(s, first + n_bin * (b + 1) / blocks, s->n_bin, rest);
    estimate(n, rest, theta[b], unused);
  }
  for (int i = 0; i < n; i++) {
    out->count[i] = column(blocks, whole, theta, i);
    out->slope[i] = column(blocks, whole, theta, n + 1 + i);
  }
  out->energy = column(blocks, whole, theta, n);
  free(theta);
  find_inefficiency(s, first, out);
  return EQS_OK;
}

void series_archive(series *s, archive *a) {
  archive_f64(a, s->bin, (size_t)s->n_bin * (size_t)s->width);
}

int series_sane(const series *s) {
  for (int b = 0; b < s->n_bin; b++) {
    const double *sum = s->bin + (size_t)b * (size_t)s->width;
    for (int k = 0; k < s->width; k++)
      if (!isfinite(sum[k])) return 0;
    if (sum[0] < 0 || sum[0] > (double)s->n) return 0;
  }
  return 1;
}
