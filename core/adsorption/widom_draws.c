/* widom_draws.c -- weighted draws of an insertion run, and what they say at any temperature.
 *
 * Means and their errors are those of statistics.c, so that draws of density 1 give the bits of a
 * plain insertion run of the same length. All sums carry a common scale.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/widom_draws.h"

#include "core/adsorption/statistics.h"
#include "core/adsorption/widom.h"

#include <math.h>
#include <stdlib.h>

eqs_status widom_draws_add(widom_draws *d, const widom_draw *draw) {
  if (d->n == d->capacity) {
    int64_t capacity = d->capacity ? 2 * d->capacity : 1024;
    widom_draw *more = realloc(d->draw, mul_size((size_t)capacity, sizeof *more));
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %lld draws", (long long)capacity);
    d->draw = more;
    d->capacity = capacity;
  }
  d->draw[d->n++] = *draw;
  return EQS_OK;
}

void widom_draws_free(widom_draws *d) {
  free(d->draw);
  *d = (widom_draws){0};
}

/* ln g; -INFINITY where the draw weighs nothing. */
static double ln_weight(const widom_draw *d, double kt) {
  return d->kind == DRAW_KEPT ? -d->u / kt - d->ln_q : -INFINITY;
}

/* ln of what a hole would have weighed; -INFINITY where that is nothing, or unknown. */
static double ln_hole(const widom_draw *d, double kt) {
  return d->kind == DRAW_HOLE && isfinite(d->u) ? -d->u / kt - d->ln_q : -INFINITY;
}

/* The table's part of the variances of W and U_B, the first relative to W^2. */
static void table_variance(const widom_draws *d, double kt, int pockets, const estimates *e,
                           double *w, double *u) {
  *w = *u = 0;
  if (!d->n_table || !(e->ess > 0)) return;
  log_sum square, spread;
  log_sum_start(&square);
  log_sum_start(&spread);
  for (int64_t i = 0; i < d->n; i++) {
    const widom_draw *p = &d->draw[i];
    double x = p->blocked && !pockets ? -INFINITY : ln_weight(p, kt);
    if (!(x > -INFINITY)) continue;
    log_sum_add(&square, 2 * x + p->ln_q);
    log_sum_add(&spread, 2 * x + p->ln_q + 2 * log(fabs(p->u - e->energy)));
  }
  double scale = log((double)d->n) + 2 * e->ln_mean, n = (double)d->n_table;
  *w = fmax(exp(log_sum_value(&square) - scale) - 1, 0) / n;
  *u = exp(log_sum_value(&spread) - scale) / n;
}

typedef struct answer {
  estimates e;
  double w_sigma, u_sigma, table_sigma;
} answer;

static void mean(const widom_draws *d, double kt, int pockets, answer *out) {
  statistics kept;
  statistics_start(&kept, d->n);
  for (int64_t i = 0; i < d->n; i++) {
    const widom_draw *p = &d->draw[i];
    double x = p->blocked && !pockets ? -INFINITY : ln_weight(p, kt);
    if (x > -INFINITY) statistics_add(&kept, i, x, p->u);
  }
  estimates *e = &out->e;
  statistics_finish(&kept, e);
  double w_table, u_table, w = exp(e->ln_mean);
  table_variance(d, kt, pockets, e, &w_table, &u_table);
  out->table_sigma = w * sqrt(w_table);
  /* without a table the bits of a plain run */
  out->w_sigma = w * (w_table > 0 ? hypot(e->mean_relative, sqrt(w_table)) : e->mean_relative);
  out->u_sigma = u_table > 0 ? hypot(e->energy_sigma, sqrt(u_table)) : e->energy_sigma;
}

void widom_draws_point(const widom_draws *d, double temperature, widom_point *out) {
  *out = (widom_point){.temperature = temperature, .not_converged = 1};
  double kt = BOLTZMANN_EV * temperature, t95 = statistics_t95(STATISTICS_BLOCKS - 1);
  answer open = {.e = {-INFINITY, NAN, NAN, NAN, 0, 0}, .w_sigma = NAN, .u_sigma = NAN}, all = open;
  if (d->n >= STATISTICS_BLOCKS) {
    mean(d, kt, 0, &open);
    mean(d, kt, 1, &all);
  }
  log_sum discarded, defensive;
  log_sum_start(&discarded);
  log_sum_start(&defensive);
  int unknown = 0;
  for (int64_t i = 0; i < d->n; i++) {
    const widom_draw *p = &d->draw[i];
    if (p->blocked) continue;
    log_sum_add(&discarded, ln_hole(p, kt));
    log_sum_add(&defensive, ln_weight(p, kt) + p->ln_defensive - p->ln_q);
    unknown |= p->kind == DRAW_HOLE && !isfinite(p->u);
  }
  const estimates *e = &open.e;
  double ln_n = log((double)d->n), lost = log_sum_value(&discarded) - ln_n;
  out->ln_w = e->ln_mean;
  out->w = exp(e->ln_mean);
  out->w_sigma = open.w_sigma;
  out->w_95 = t95 * open.w_sigma;
  out->w_table_sigma = open.table_sigma;
  out->u = e->energy;
  out->u_sigma = open.u_sigma;
  out->u_95 = t95 * open.u_sigma;
  out->ess = e->ess;
  out->max_share = e->max_share;
  out->defensive_share =
      e->ess > 0 ? exp(log_sum_value(&defensive) - ln_n - e->ln_mean) : (double)NAN;
  if (unknown) out->discarded_share = 1;
  else if (lost > -INFINITY) out->discarded_share = 1 / (1 + exp(e->ln_mean - lost));
  out->w_unblocked = exp(all.e.ln_mean);
  out->w_unblocked_sigma = all.w_sigma;
  out->u_unblocked = all.e.energy;
  out->u_unblocked_sigma = all.u_sigma;
  out->not_converged = !(e->ess >= WIDOM_ESS_MIN && e->max_share <= WIDOM_SHARE_MAX);
  out->holes_flagged = out->discarded_share > HOLE_SHARE_LIMIT;
}

double widom_draws_variance(const widom_draws *d, double temperature, const double *ln_q) {
  double kt = BOLTZMANN_EV * temperature;
  log_sum first, second;
  log_sum_start(&first);
  log_sum_start(&second);
  for (int64_t i = 0; i < d->n; i++) {
    double x = ln_weight(&d->draw[i], kt);
    if (!(x > -INFINITY)) continue;
    log_sum_add(&first, x);
    log_sum_add(&second, 2 * x + d->draw[i].ln_q - ln_q[i]);
  }
  if (!(first.sum > 0)) return INFINITY;
  return exp(log_sum_value(&second) + log((double)d->n) - 2 * log_sum_value(&first)) - 1;
}
