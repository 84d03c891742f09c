/* tmmc_reweight.c -- from the distribution of N at one fugacity to isotherms, heats and
 * transitions.
 *
 * ln Pi(N; beta', f') = ln Pi(N; beta, f) + N ln(beta' f'/(beta f)) + ln <exp(-(beta'-beta) U)>_N,
 * the last by three cumulants of U. Qst = R T - cov(U, N)/var(N). Errors: jackknife over blocks.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/tmmc.h"
#include "core/adsorption/widom.h"

#include <math.h>

enum { SCAN = 400, HALVINGS = 60 };
#define REACH_LIMIT 2.0
#define BARRIER_MIN 1.0 /* kT: less is not told apart from noise */

/* What a copy of the data says at one condition. */
typedef struct averages {
  double n, slope; /* <N>, cov(U, N)/var(N) in eV */
  double tail, reach;
} averages;

static const double *distribution(const tmmc_result *r, int copy) {
  return r->ln_pi + (size_t)copy * ((size_t)r->n_max + 1);
}

/* The largest of ln Pi(n) + n shift over n = from .. to - 1; -INFINITY of none. */
static double largest_of(const double *ln_pi, int from, int to, double shift) {
  double most = -INFINITY;
  for (int n = from; n < to; n++)
    if (ln_pi[n] + n * shift > most) most = ln_pi[n] + n * shift;
  return most;
}

/* ln of the weight of N guests; *given: before the temperature is changed. -INFINITY: not seen, or
 * so seldom that its energy is not known. */
static double ln_weight(const tmmc_result *r, int copy, int n, double shift, double d, double most,
                        double *given) {
  const double *k = r->moment[(size_t)copy * ((size_t)r->n_max + 1) + (size_t)n];
  double x = *given = distribution(r, copy)[n] + n * shift;
  if (x == -INFINITY || (isnan(k[0]) && x < most + log(TMMC_TAIL))) return -INFINITY;
  return d != 0 ? x - d * k[0] + d * d / 2 * k[1] - d * d * d / 6 * k[2] : x;
}

static averages average(const tmmc_result *r, int copy, double shift, double d) {
  double(*m)[3] = r->moment + (size_t)copy * ((size_t)r->n_max + 1);
  double largest = -INFINITY, sum = 0, n1 = 0, n2 = 0, u1 = 0, un = 0, last = 0, given;
  double most = largest_of(distribution(r, copy), 0, r->n_max + 1, shift);
  averages out = {0};
  for (int n = 0; n <= r->n_max; n++)
    largest = fmax(largest, ln_weight(r, copy, n, shift, d, most, &given));
  for (int n = 0; n <= r->n_max; n++) {
    double x = ln_weight(r, copy, n, shift, d, most, &given);
    const double *k = m[n];
    if (x == -INFINITY) continue;
    double w = exp(x - largest), u = k[0] - d * k[1] + d * d / 2 * k[2];
    sum += w;
    n1 += w * n;
    n2 += w * n * n;
    u1 += w * u;
    un += w * u * n;
    last = n == r->n_max ? w : 0;
    if (w > TMMC_TAIL || exp(given - most) > TMMC_TAIL)
      out.reach = fmax(out.reach, fabs(d) * sqrt(k[1]));
  }
  double variance = n2 / sum - n1 / sum * (n1 / sum);
  out.n = n1 / sum;
  out.slope = variance > SERIES_VARIANCE_MIN ? (un / sum - u1 / sum * out.n) / variance : NAN;
  out.tail = last / sum;
  return out;
}

eqs_status tmmc_reweight(const tmmc_result *r, double fugacity, double temperature,
                         tmmc_point *out) {
  double n[TMMC_BLOCKS_MAX + 1] = {0}, slope[TMMC_BLOCKS_MAX + 1] = {0};
  if (!(fugacity > 0 && isfinite(fugacity)) || !(temperature >= 1 && temperature <= 10000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "reweighting to %g Pa and %g K", fugacity, temperature);
  double shift = log(fugacity / r->fugacity) + log(r->temperature / temperature);
  double d_beta = 1 / (BOLTZMANN_EV * temperature) - 1 / (BOLTZMANN_EV * r->temperature);
  *out = (tmmc_point){.fugacity = fugacity, .temperature = temperature};
  for (int b = 0; b <= r->blocks; b++) {
    averages a = average(r, b, shift, temperature == r->temperature ? 0 : d_beta);
    n[b] = a.n;
    slope[b] = a.slope;
    if (b == 0) {
      out->tail = a.tail;
      out->reach = a.reach;
    }
  }
  out->guests = series_jackknife(n[0], r->blocks, n + 1);
  out->molecules = series_scaled(out->guests, 1.0 / r->cells, 0);
  out->uptake = series_scaled(out->guests, 1000 / r->framework_mass, 0);
  out->heat = series_scaled(series_jackknife(slope[0], r->blocks, slope + 1), -EV_KJ_MOL,
                            GAS_CONSTANT * temperature / 1000);
  out->tail_flagged = !(out->tail < TMMC_TAIL);
  out->reach_flagged = !(out->reach <= REACH_LIMIT);
  return EQS_OK;
}

series_value tmmc_henry(const tmmc_result *r) {
  double k[TMMC_BLOCKS_MAX + 1] = {0};
  for (int b = 0; b <= r->blocks; b++) {
    const double *ln_pi = distribution(r, b);
    k[b] = exp(ln_pi[1] - ln_pi[0]) / r->fugacity * 1000 / r->framework_mass;
  }
  return series_jackknife(k[0], r->blocks, k + 1);
}

/* ------------------------------------------------------------------------------ transitions */

static double variance(const tmmc_result *r, double shift) {
  const double *ln_pi = distribution(r, 0);
  double largest = largest_of(ln_pi, 0, r->n_max + 1, shift), sum = 0, n1 = 0, n2 = 0;
  for (int n = 0; n <= r->n_max; n++) {
    double w = exp(ln_pi[n] + n * shift - largest);
    sum += w;
    n1 += w * n;
    n2 += w * n * n;
  }
  return n2 / sum - n1 / sum * (n1 / sum);
}

/* The deepest minimum with a maximum on either side; *barrier: the lower of them above it. */
static int divide(const tmmc_result *r, double shift, double *barrier) {
  const double *ln_pi = distribution(r, 0);
  int best = -1;
  *barrier = 0;
  for (int n = 1; n < r->n_max; n++) {
    double x = ln_pi[n] + n * shift;
    if (x == -INFINITY) break;
    double left = largest_of(ln_pi, 0, n, shift);
    double right = largest_of(ln_pi, n + 1, r->n_max + 1, shift);
    double lower = left < right ? left : right;
    if (lower - x > *barrier) {
      *barrier = lower - x;
      best = n;
    }
  }
  return best;
}

/* ln of the area above the divide over the one below; <N> of both. */
static double areas(const tmmc_result *r, int copy, double shift, int divide, double *low,
                    double *high) {
  const double *ln_pi = distribution(r, copy);
  log_sum sum[2], first[2];
  for (int k = 0; k < 2; k++) {
    log_sum_start(&sum[k]);
    log_sum_start(&first[k]);
  }
  for (int n = 0; n <= r->n_max; n++) {
    int side = n > divide;
    log_sum_add(&sum[side], ln_pi[n] + n * shift);
    if (n) log_sum_add(&first[side], ln_pi[n] + n * shift + log(n));
  }
  *low = exp(log_sum_value(&first[0]) - log_sum_value(&sum[0]));
  *high = exp(log_sum_value(&first[1]) - log_sum_value(&sum[1]));
  return log_sum_value(&sum[1]) - log_sum_value(&sum[0]);
}

static double equal_areas(const tmmc_result *r, int copy, int divide, double from, double to) {
  double low, high;
  if (!(areas(r, copy, from, divide, &low, &high) < 0 &&
        areas(r, copy, to, divide, &low, &high) > 0))
    return NAN;
  for (int i = 0; i < HALVINGS; i++) {
    double middle = (from + to) / 2;
    if (areas(r, copy, middle, divide, &low, &high) < 0) from = middle;
    else to = middle;
  }
  return from;
}

eqs_status tmmc_find_transition(const tmmc_result *r, double from, double to,
                                tmmc_transition *out) {
  double shift[TMMC_BLOCKS_MAX + 1], most = -1, at = 0, barrier;
  if (!(from > 0 && to > from && isfinite(to)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a transition between %g and %g Pa", from, to);
  double begin = log(from / r->fugacity), end = log(to / r->fugacity);
  *out = (tmmc_transition){.ln_fugacity = {NAN, NAN, NAN}, .low = NAN, .high = NAN, .barrier = 0};
  for (int i = 0; i <= SCAN; i++) { /* fluctuations are largest where two phases meet */
    double x = begin + (end - begin) * i / SCAN, v = variance(r, x);
    if (v > most) {
      most = v;
      at = x;
    }
  }
  int n = divide(r, at, &barrier);
  double x = n < 0 ? NAN : equal_areas(r, 0, n, begin, end);
  if (isnan(x)) return EQS_OK;
  n = divide(r, x, &barrier);
  if (n < 0 || barrier < BARRIER_MIN) return EQS_OK;
  for (int b = 0; b <= r->blocks; b++) shift[b] = equal_areas(r, b, n, begin, end);
  if (isnan(shift[0])) return EQS_OK;
  out->found = 1;
  out->barrier = barrier;
  areas(r, 0, shift[0], n, &out->low, &out->high);
  out->ln_fugacity =
      series_scaled(series_jackknife(shift[0], r->blocks, shift + 1), 1, log(r->fugacity));
  return EQS_OK;
}
