/* widom.c -- Widom insertion with the honest denominator.
 *
 * Draw i is a pure function of (seed, stream, i), and weights are added in the order of i, so the
 * result has the same bits for any batch size. Holes (U below -200 kJ/mol, or not finite) get
 * weight 0; what they would have weighed is reported, never silently cut.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/widom.h"

#include "core/adsorption/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { LOOK_EVERY = 65536 };

typedef struct run {
  const widom_settings *s;
  widom_result *out;
  statistics kept, all; /* without and with the pockets */
  log_sum discarded;
  int n_nan; /* holes without a finite energy: their weight is unknown */
  pose *poses;
  int64_t *index;
  double *u;
} run;

static eqs_status check(const widom_settings *s) {
  if (s->n < WIDOM_MIN || s->n > (int64_t)1 << 50)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%lld insertions; give at least %d", (long long)s->n, WIDOM_MIN);
  if (!(s->temperature >= 1 && s->temperature <= 10000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "temperature %g K; give 1 to 10000 K", s->temperature);
  if (s->batch < 1 || !s->energy || !s->cell)
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertion needs a cell, an energy and a batch of at least one");
  return EQS_OK;
}

static void add_hole(run *r, const pose *p, double u, double kt, int blocked) {
  widom_result *out = r->out;
  out->n_hole++;
  if (!blocked && u > -INFINITY) /* false for NAN */
    log_sum_add(&r->discarded, u < INFINITY ? -u / kt : -INFINITY);
  if (!blocked && !isfinite(u) && !(u > 0)) r->n_nan++;
  if (isfinite(u) && !(u >= out->hole_energy)) out->hole_energy = u;
  if (!r->s->contact) return;
  double d = r->s->contact(r->s->context, p);
  if (!(d >= out->hole_contact)) out->hole_contact = d;
}

static eqs_status evaluate(run *r, int n) {
  if (n == 0) return EQS_OK;
  EQS_TRY(r->s->energy(r->s->context, n, r->poses, r->u));
  double kt = BOLTZMANN_EV * r->s->temperature;
  for (int i = 0; i < n; i++) {
    double u = r->u[i];
    int blocked = r->s->blocked && r->s->blocked(r->s->context, &r->poses[i]);
    r->out->n_evaluated++;
    r->out->n_blocked += blocked;
    if (!(isfinite(u) && u >= -HOLE_KJ_MOL / EV_KJ_MOL)) {
      add_hole(r, &r->poses[i], u, kt, blocked);
      continue;
    }
    statistics_add(&r->all, r->index[i], -u / kt, u);
    if (blocked) continue;
    statistics_add(&r->kept, r->index[i], -u / kt, u);
    if (r->s->sample)
      reservoir_add(r->s->sample, r->index[i], r->index[i], -u / kt, &r->poses[i], u);
  }
  return EQS_OK;
}

static eqs_status look(const run *r, int64_t done) {
  if (r->s->progress && r->s->progress(r->s->context, done))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %lld of %lld insertions", (long long)done,
             (long long)r->s->n);
  return EQS_OK;
}

static eqs_status insert_all(run *r) {
  const widom_settings *s = r->s;
  int n = 0;
  for (int64_t i = 0; i < s->n; i++) {
    pose *p = &r->poses[n];
    pose_draw(s->seed, s->stream, (uint64_t)i, s->cell, p);
    r->out->n_proposed++;
    if (s->overlap && s->overlap(s->context, p)) {
      r->out->n_overlap++;
    } else {
      r->index[n++] = i;
    }
    if (n == s->batch) {
      EQS_TRY(evaluate(r, n));
      n = 0;
      EQS_TRY(look(r, i + 1));
    } else if ((i + 1) % LOOK_EVERY == 0) {
      EQS_TRY(look(r, i + 1));
    }
  }
  EQS_TRY(evaluate(r, n));
  return look(r, s->n);
}

static void finish(run *r) {
  widom_result *out = r->out;
  estimates e, all;
  statistics_finish(&r->kept, &e);
  out->ln_w = e.ln_mean;
  out->w = exp(e.ln_mean);
  out->w_sigma = out->w * e.mean_relative;
  out->u = e.energy;
  out->u_sigma = e.energy_sigma;
  statistics_finish(&r->all, &all);
  out->w_unblocked = exp(all.ln_mean);
  out->w_unblocked_sigma = out->w_unblocked * all.mean_relative;
  out->u_unblocked = all.energy;
  out->ess = e.ess;
  out->max_share = e.max_share;
  double lost = log_sum_value(&r->discarded) - log((double)r->s->n);
  if (r->n_nan) out->discarded_share = 1;
  else if (lost == -INFINITY) out->discarded_share = 0;
  else out->discarded_share = 1 / (1 + exp(e.ln_mean - lost));
  out->not_converged = !(e.ess >= WIDOM_ESS_MIN && e.max_share <= WIDOM_SHARE_MAX);
  out->holes_flagged = out->discarded_share > HOLE_SHARE_LIMIT;
}

eqs_status widom_run(const widom_settings *s, widom_result *out) {
  EQS_TRY(check(s));
  *out = (widom_result){.hole_energy = NAN, .hole_contact = NAN};
  run r = {.s = s, .out = out};
  statistics_start(&r.kept, s->n);
  statistics_start(&r.all, s->n);
  log_sum_start(&r.discarded);
  eqs_status status = EQS_OK;
  size_t n = (size_t)s->batch;
  EQS_TRY_DONE(alloc_array(&r.poses, n, sizeof *r.poses, "poses"));
  EQS_TRY_DONE(alloc_array(&r.index, n, sizeof *r.index, "poses"));
  EQS_TRY_DONE(alloc_array(&r.u, n, sizeof *r.u, "insertion energies"));
  EQS_TRY_DONE(insert_all(&r));
  finish(&r);
done:
  free(r.poses);
  free(r.index);
  free(r.u);
  return status;
}

double widom_henry(double w, double temperature, double density) {
  return w / (GAS_CONSTANT * temperature * density);
}
