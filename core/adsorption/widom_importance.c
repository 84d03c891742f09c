/* widom_importance.c -- Widom insertion to an asked error with few expensive energies.
 *
 * Every draw is a pure function of (seed, stream, purpose, its number) and of the energies found
 * before it, so the bits depend neither on batches nor on interruptions. The same pose may be drawn
 * again; its energy is not computed again.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/widom_importance.h"

#include "core/adsorption/random.h"
#include "core/adsorption/statistics.h"
#include "core/adsorption/widom_run.h"
#include "core/locale_c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE = 1000000, TABLE_MAX = 16000000, ROUND = 400, PILOT = 250, OUTSIDE = 50 };
enum { MAX_ENERGY = 20000, TRIES_PER_OUTSIDE = 100, CORRECT_BATCH = 4096, PLAIN_ROUND = 4000 };
enum { CONDITION_MAX = 4096, MISSES_FROM = 800 };
#define DRAWS_MAX   ((int64_t)1 << 40)
#define EPS         0.1
#define PILOT_EPS   0.5
#define POOR_EPS    0.5  /* of production where the surrogate is poor */
#define PILOT_SHARE 0.34 /* of the budget: no further pilot beyond it */
#define WORTH       2.0  /* pilots: a further round must save this many times its cost */
#define TABLE_SHARE 0.6  /* of the asked error: 0.36 of its square */
#define FIT_CLIP_KT 20.0 /* the fit need not know how high a wall is */
static const double heats[] = {1, 1.5, 2};
enum { HEATS = sizeof heats / sizeof heats[0] };

/* Keys of the random numbers beside the poses' own: seed xor purpose. */
#define KEY_PILOT      0x50494C4F54000000u
#define KEY_PRODUCTION 0x50524F4455435400u
#define KEY_SITES      0x5349544553000000u
#define KEY_OUTSIDE    0x4F55545349444500u

/* ---- settings */

static eqs_status check_temperatures(const importance_settings *s) {
  if (s->n_temperature < 1 || s->n_temperature > IMPORTANCE_TEMPERATURES || !s->temperature)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d temperatures; give 1 to %d", s->n_temperature,
             IMPORTANCE_TEMPERATURES);
  for (int i = 0; i < s->n_temperature; i++)
    if (!(s->temperature[i] >= 1 && s->temperature[i] <= 10000))
      EQS_FAIL(EQS_ERR_ARGUMENT, "temperature %g K; give 1 to 10000 K", s->temperature[i]);
  if (s->n_sampled < 0 || s->n_sampled > s->n_temperature)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d of %d temperatures sampled", s->n_sampled, s->n_temperature);
  return EQS_OK;
}

static eqs_status check(const importance_settings *s) {
  EQS_TRY(check_temperatures(s));
  if (!s->cell || !s->expensive || s->batch < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertion needs a cell, an energy and a batch of at least one");
  if (!(s->error >= 0 && s->error < 1))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a relative error of %g; give 0.05 for 5 %%", s->error);
  if (s->max_energy < 0 || (s->max_energy > 0 && s->max_energy < WIDOM_MIN))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%lld energies at most; give at least %d", (long long)s->max_energy,
             WIDOM_MIN);
  if (s->max_energy > DRAWS_MAX || s->max_draw < 0 || s->max_draw > DRAWS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "more than 2^40 energies or draws");
  if (!(s->eps >= 0 && s->eps <= 1) || !(s->heat == 0 || (s->heat >= 0.5 && s->heat <= 10)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the defensive share lies in (0, 1], the heat in [0.5, 10]");
  if (s->table < 0 || s->table > POSE_TABLE_MAX || s->table_max > POSE_TABLE_MAX ||
      (s->table > 0 && s->table < WIDOM_MIN))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a table of %lld poses; give %d to %d", (long long)s->table,
             WIDOM_MIN, POSE_TABLE_MAX);
  if (s->round < 0 || s->pilot < -1 || (s->round && s->round < WIDOM_MIN) ||
      (s->pilot > 0 && s->pilot < WIDOM_MIN))
    EQS_FAIL(EQS_ERR_ARGUMENT, "rounds of at least %d draws", WIDOM_MIN);
  return EQS_OK;
}

static void fill_defaults(importance_run *r) {
  importance_settings *s = &r->s;
  if (!s->n_sampled) s->n_sampled = s->n_temperature;
  if (!s->max_energy) s->max_energy = MAX_ENERGY;
  if (!s->max_draw) s->max_draw = s->max_energy > DRAWS_MAX / 100 ? DRAWS_MAX : 100 * s->max_energy;
  if (!s->table) s->table = TABLE;
  if (!s->table_max) s->table_max = TABLE_MAX;
  if (s->table_max < s->table) s->table_max = s->table;
  if (!(s->eps > 0)) s->eps = EPS;
  if (!s->round) s->round = s->cheap ? ROUND : PLAIN_ROUND;
  if (!s->pilot) s->pilot = PILOT;
  if (!s->outside) s->outside = OUTSIDE;
  /* a small budget is mostly for production */
  if (s->pilot > s->max_energy / 4) s->pilot = (int)(s->max_energy / 4);
  if (s->outside > s->max_energy / 10) s->outside = (int)(s->max_energy / 10);
  if (s->cheap && s->outside > 0) r->reserve = s->outside;
  double low = INFINITY;
  for (int i = 0; i < s->n_sampled; i++) {
    low = fmin(low, s->temperature[i]);
    r->hottest = fmax(r->hottest, s->temperature[i]);
  }
  r->kt[r->n_kt++] = BOLTZMANN_EV * low;
  if (r->hottest > low) r->kt[r->n_kt++] = BOLTZMANN_EV * r->hottest;
}

/* ---- progress and the state */

/* What the stored energies belong to: not how many are wanted, so that a run may be continued with
 * a smaller error. */
static void describe(const importance_run *r, char *out, size_t size) {
  LOCALE_C();
  int n = snprintf(out, size, "%s\nseed=%llu stream=%u cell=", r->s.condition ? r->s.condition : "",
                   (unsigned long long)r->s.seed, r->s.stream);
  for (int k = 0; k < 9 && n > 0 && (size_t)n < size; k++)
    n += snprintf(out + n, size - (size_t)n, " %a", r->s.cell[k]);
}

static eqs_status load(importance_run *r) {
  char condition[CONDITION_MAX];
  if (!r->s.state) return EQS_OK;
  describe(r, condition, sizeof condition);
  EQS_TRY(energy_store_load(&r->energies, r->s.state, condition));
  r->n_saved = r->energies.n;
  return EQS_OK;
}

/* Unless `all`, only where enough is new: what a kill may cost is a twentieth. */
eqs_status importance_save(importance_run *r, int all) {
  char condition[CONDITION_MAX];
  int64_t fresh = r->energies.n - r->n_saved;
  if (!r->s.state || fresh == 0 || (!all && fresh < r->n_saved / 20)) return EQS_OK;
  describe(r, condition, sizeof condition);
  EQS_TRY(energy_store_save(&r->energies, r->s.state, condition));
  r->n_saved = r->energies.n;
  return EQS_OK;
}

eqs_status importance_look(importance_run *r) {
  if (!r->s.progress || !r->s.progress(r->s.context, &r->at)) return EQS_OK;
  EQS_TRY(importance_save(r, 1));
  EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %lld energies", (long long)r->at.n_energy);
}

static int look_table(void *context, int64_t done) {
  importance_run *r = context;
  r->at.done = done;
  return r->s.progress && r->s.progress(r->s.context, &r->at);
}

static eqs_status grow(importance_run *r, int64_t n) {
  r->at.phase = IMPORTANCE_TABLE;
  r->at.of = n;
  return pose_table_grow(&r->table, n, r->s.cheap, r->s.context, r->s.batch, look_table, r);
}

/* ---- energies of draws */

static void pose_of(const importance_run *r, int64_t index, pose *out) {
  pose_draw(r->s.seed, r->s.stream, (uint64_t)index, r->s.cell, out);
}

static eqs_status compute(importance_run *r, int n) {
  if (!n) return EQS_OK;
  for (int i = 0; i < n; i++) pose_of(r, r->wanted[i], &r->poses[i]);
  EQS_TRY(r->s.expensive(r->s.context, n, r->poses, r->u));
  for (int i = 0; i < n; i++) EQS_TRY(energy_store_add(&r->energies, r->wanted[i], r->u[i]));
  return EQS_OK;
}

/* A stored energy counts like a fresh one, an overlap costs nothing. */
int importance_use(importance_run *r, int64_t index) {
  stored_energy *e = energy_store_find(&r->energies, index);
  if (!e || e->used) return e != NULL;
  e->used = 1;
  r->at.n_energy += e->u != INFINITY;
  return 1;
}

int importance_hole(const importance_run *r, double u, double base) {
  if (!(u >= -HOLE_KJ_MOL / EV_KJ_MOL)) return 1; /* true for NAN */
  return r->s.cheap && u < 0 && base > IMPORTANCE_CLASH / EV_KJ_MOL;
}

static void judge(importance_run *r, widom_draw *d) {
  if (d->kind == DRAW_OVERLAP) return;
  d->u = energy_store_find(&r->energies, d->index)->u;
  if (d->u == INFINITY) d->kind = DRAW_OVERLAP;
  else if (importance_hole(r, d->u, r->s.cheap ? r->table.base[d->index] : 0)) d->kind = DRAW_HOLE;
}

/* Fills in u and kind of draws from..d->n-1, whose index is set. */
static eqs_status evaluate(importance_run *r, widom_draws *d, int64_t from) {
  int n = 0;
  for (int64_t i = from; i < d->n; i++) {
    widom_draw *draw = &d->draw[i];
    pose p;
    pose_of(r, draw->index, &p);
    draw->blocked = r->s.blocked && r->s.blocked(r->s.context, &p);
    if (r->s.overlap && r->s.overlap(r->s.context, &p)) {
      draw->kind = DRAW_OVERLAP;
      draw->u = INFINITY;
      continue;
    }
    int waiting = 0;
    for (int k = 0; k < n; k++) waiting |= r->wanted[k] == draw->index;
    if (waiting || importance_use(r, draw->index)) continue;
    r->wanted[n++] = draw->index;
    if (n < r->s.batch) continue;
    EQS_TRY(compute(r, n));
    for (int k = 0; k < n; k++) importance_use(r, r->wanted[k]);
    n = 0;
    r->at.done = r->at.phase == IMPORTANCE_PRODUCTION ? r->at.n_energy : i + 1 - from;
    EQS_TRY(importance_look(r));
  }
  EQS_TRY(compute(r, n));
  for (int k = 0; k < n; k++) importance_use(r, r->wanted[k]);
  for (int64_t i = from; i < d->n; i++) judge(r, &d->draw[i]);
  return EQS_OK;
}

/* n further draws from the table's density, or uniform ones where there is no surrogate. */
static eqs_status draw_round(importance_run *r, widom_draws *d, uint64_t key, int64_t n) {
  int64_t from = d->n;
  if (r->kernels.n) return importance_site_round(r, d, key, n);
  for (int64_t i = from; i < from + n; i++) {
    widom_draw draw = {.index = i, .ln_defensive = -INFINITY};
    if (r->s.cheap) {
      double u;
      random_uniform(r->s.seed ^ key, r->s.stream, (uint64_t)i, 1, &u);
      draw.index = pose_table_pick(&r->table, u);
      draw.ln_q = pose_table_ln_q(&r->table, draw.index);
      draw.ln_defensive = pose_table_ln_defensive(&r->table);
    }
    EQS_TRY(widom_draws_add(d, &draw));
  }
  EQS_TRY(importance_look(r));
  EQS_TRY(evaluate(r, d, from));
  EQS_TRY(importance_save(r, 0));
  return importance_look(r);
}

/* ---- pilots: how good is the surrogate, and can it be made better */

/* The table's energies from pose `from` on with what the fit has learnt. */
static eqs_status correct(importance_run *r, int64_t from) {
  pose *poses = NULL;
  double *du = NULL;
  int64_t *index = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&poses, CORRECT_BATCH, sizeof *poses, "poses"));
  EQS_TRY_DONE(alloc_array(&du, CORRECT_BATCH, sizeof *du, "energies"));
  EQS_TRY_DONE(alloc_array(&index, CORRECT_BATCH, sizeof *index, "poses"));
  pose_table *t = &r->table;
  for (int64_t i = from; i < t->n;) {
    int n = 0;
    for (; n < CORRECT_BATCH && i < t->n; i++) {
      if (!pose_table_accessible(t, i)) continue;
      index[n] = i;
      pose_table_pose(t, i, &poses[n++]);
    }
    surrogate_fit_apply(r->s.fit, n, poses, du);
    for (int k = 0; k < n; k++) t->us[index[k]] = t->base[index[k]] + du[k];
    EQS_TRY_DONE(importance_look(r));
  }
done:
  free(poses);
  free(du);
  free(index);
  return status;
}

static void uncorrect(importance_run *r) {
  r->out->corrected = r->out->n_parameter = 0;
  memcpy(r->table.us, r->table.base, (size_t)r->table.n * sizeof *r->table.us);
}

static void set_density(importance_run *r, double eps, double heat) {
  double kt[POSE_TABLE_KT];
  for (int k = 0; k < r->n_kt; k++) kt[k] = heat * r->kt[k];
  pose_table_density(&r->table, eps, r->n_kt, kt);
}

/* <g^2>/<g>^2 - 1 of production with the table as it is, by the pilot draws from..n-1; *heat: the
 * best. */
static eqs_status predict(importance_run *r, int64_t from, double *heat, double *variance) {
  widom_draws d = {.draw = r->pilot.draw + from, .n = r->pilot.n - from};
  double *ln_q = NULL;
  EQS_TRY(alloc_array(&ln_q, (size_t)d.n, sizeof *ln_q, "densities"));
  *variance = INFINITY;
  *heat = r->s.heat > 0 ? r->s.heat : 1;
  for (int h = 0; h < HEATS; h++) {
    double given = r->s.heat > 0 ? r->s.heat : heats[h], worst = 0;
    set_density(r, r->s.eps, given);
    for (int64_t i = 0; i < d.n; i++) ln_q[i] = pose_table_ln_q(&r->table, d.draw[i].index);
    for (int t = 0; t < r->s.n_sampled; t++)
      worst = fmax(worst, widom_draws_variance(&d, r->s.temperature[t], ln_q));
    if (worst < *variance) {
      *variance = worst;
      *heat = given;
    }
    if (r->s.heat > 0) break;
  }
  free(ln_q);
  return EQS_OK;
}

/* Regression of U - Us on all pilot draws; poses that neither potential likes count little. */
static eqs_status learn(importance_run *r) {
  size_t n = (size_t)r->pilot.n;
  pose *poses = NULL;
  double *target = NULL, *weight = NULL, kt = r->kt[r->n_kt - 1];
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&poses, n, sizeof *poses, "poses"));
  EQS_TRY_DONE(alloc_array(&target, n, sizeof *target, "energies"));
  EQS_TRY_DONE(alloc_array(&weight, n, sizeof *weight, "weights"));
  for (size_t i = 0; i < n; i++) {
    const widom_draw *d = &r->pilot.draw[i];
    pose_of(r, d->index, &poses[i]);
    if (d->kind == DRAW_HOLE) continue;
    double base = r->table.base[d->index];
    target[i] = fmin(d->u - base, FIT_CLIP_KT * kt);
    weight[i] = exp(-0.5 * fmax(fmin(d->u, base), 0) / kt);
  }
  EQS_TRY_DONE(surrogate_fit_learn(r->s.fit, (int)n, poses, target, weight));
  EQS_TRY_DONE(correct(r, 0));
  r->out->n_parameter = surrogate_fit_parameters(r->s.fit);
  r->out->corrected = r->out->n_parameter > 0;
done:
  free(poses);
  free(target);
  free(weight);
  return status;
}

static double energies_needed(const importance_run *r, double variance) {
  double sigma = r->s.error / statistics_t95(STATISTICS_BLOCKS - 1);
  return r->s.error > 0 ? variance / (sigma * sigma) : (double)r->s.max_energy;
}

/* Leaves the table as production will use it, and eps and heat in the result. */
static eqs_status run_pilots(importance_run *r) {
  importance_result *out = r->out;
  double variance = INFINITY, heat = r->s.heat > 0 ? r->s.heat : 1;
  if (r->s.pilot < 0) { /* what the fit knows is from another run */
    out->heat = heat;
    out->eps = r->s.eps;
    out->n_parameter = r->s.fit ? surrogate_fit_parameters(r->s.fit) : 0;
    out->corrected = out->n_parameter > 0;
    return out->corrected ? correct(r, 0) : EQS_OK;
  }
  for (int k = 0; k < IMPORTANCE_PILOTS; k++) {
    int64_t from = r->pilot.n;
    set_density(r, PILOT_EPS, heat);
    r->at = (importance_progress){IMPORTANCE_PILOT, 0, r->s.pilot, r->at.n_energy, NAN};
    EQS_TRY(draw_round(r, &r->pilot, KEY_PILOT, r->s.pilot));
    out->n_pilot_round++;
    EQS_TRY(predict(r, from, &heat, &variance));
    if (out->corrected) { /* against the surrogate as it came, by draws that the fit has not seen */
      double *us = r->table.us, plain_heat, plain_variance;
      r->table.us = r->table.base;
      eqs_status status = predict(r, from, &plain_heat, &plain_variance);
      r->table.us = us;
      EQS_TRY(status);
      if (plain_variance <= variance) {
        uncorrect(r);
        variance = plain_variance;
        heat = plain_heat;
        break;
      }
    }
    int spent = (double)r->at.n_energy > PILOT_SHARE * (double)r->s.max_energy;
    if (!r->s.fit || spent || energies_needed(r, variance) <= WORTH * r->s.pilot) break;
    if (k == IMPORTANCE_PILOTS - 1) break;
    EQS_TRY(learn(r));
    EQS_TRY(predict(r, 0, &heat, &variance));
  }
  out->n_pilot = r->at.n_energy;
  out->heat = heat;
  out->surrogate_poor = !(1 / (1 + variance) >= IMPORTANCE_POOR_ESS);
  out->eps = out->surrogate_poor ? fmax(POOR_EPS, r->s.eps) : r->s.eps;
  return EQS_OK;
}

/* A table large enough that its own error takes its share of the asked one, if it may grow so. */
static eqs_status enlarge_table(importance_run *r) {
  double worst = 0, target = TABLE_SHARE * r->s.error / statistics_t95(STATISTICS_BLOCKS - 1);
  widom_draws d = r->pilot;
  d.n_table = r->table.n;
  for (int t = 0; t < r->s.n_sampled; t++) {
    widom_point p;
    widom_draws_point(&d, r->s.temperature[t], &p);
    if (p.w > 0) worst = fmax(worst, p.w_table_sigma / p.w);
  }
  if (!(r->s.error > 0) || worst <= target) return EQS_OK;
  double want = (double)r->table.n * (worst / target) * (worst / target);
  int64_t from = r->table.n, n = r->s.table_max;
  if (want < (double)n) n = (int64_t)ceil(want);
  EQS_TRY(grow(r, n));
  return r->out->corrected ? correct(r, from) : EQS_OK;
}

/* ---- production */

/* The largest relative errors of the sampled temperatures: in all, and the table's part alone. */
static void errors(const importance_run *r, double *all, double *table, int *converged) {
  double t95 = statistics_t95(STATISTICS_BLOCKS - 1);
  *all = *table = 0;
  *converged = 1;
  for (int t = 0; t < r->s.n_sampled; t++) {
    widom_point p;
    widom_draws_point(&r->draws, r->s.temperature[t], &p);
    *converged &= !p.not_converged;
    if (!(p.w > 0 && p.w_95 >= 0)) { /* no weight yet */
      *all = INFINITY;
      continue;
    }
    *all = fmax(*all, p.w_95 / p.w);
    *table = fmax(*table, t95 * p.w_table_sigma / p.w);
  }
}

/* The draws show what the pilots did not: the weight is where the surrogate does not lead. */
static int misses(const importance_run *r) {
  if (r->s.no_chain || !r->s.cheap || r->out->searched || r->draws.n < MISSES_FROM) return 0;
  for (int t = 0; t < r->s.n_sampled; t++) {
    widom_point p;
    widom_draws_point(&r->draws, r->s.temperature[t], &p);
    if (!(p.ess / (double)r->draws.n >= IMPORTANCE_POOR_ESS)) return 1;
  }
  return 0;
}

static eqs_status produce(importance_run *r) {
  importance_result *out = r->out;
  r->at = (importance_progress){IMPORTANCE_PRODUCTION, r->at.n_energy, r->s.max_energy,
                                r->at.n_energy, NAN};
  int reached = 0;
  while (!reached && !out->table_limited) {
    int64_t n = r->s.round, left = r->s.max_energy - r->reserve - r->at.n_energy;
    if (n < r->draws.n / 8) n = r->draws.n / 8; /* so that looking stays cheap */
    if (n > left) n = left;
    if (n > r->s.max_draw - r->draws.n) n = r->s.max_draw - r->draws.n;
    if (n <= 0) break;
    EQS_TRY(draw_round(r, &r->draws, r->kernels.n ? KEY_SITES : KEY_PRODUCTION, n));
    if (misses(r)) {
      EQS_TRY(importance_search(r));
      r->at = (importance_progress){IMPORTANCE_PRODUCTION, r->at.n_energy, r->s.max_energy,
                                    r->at.n_energy, NAN};
      if (r->kernels.n) continue;
    }
    r->at.done = r->at.n_energy;
    double all, table;
    int converged;
    errors(r, &all, &table, &converged);
    r->at.error = all;
    reached = r->s.error > 0 && converged && all <= r->s.error;
    /* more energies would hardly help */
    out->table_limited = !reached && r->s.error > 0 && converged && table > r->s.error &&
                         all * all < 2 * table * table;
  }
  out->target_missed = r->s.error > 0 && !reached;
  return importance_look(r);
}

/* ---- the region that the surrogate leaves out */

static eqs_status look_outside(importance_run *r) {
  importance_result *out = r->out;
  pose_table *t = &r->table;
  out->outside_share = NAN;
  if (r->s.outside < 0 || t->n_accessible == t->n) return EQS_OK;
  widom_draws d = {0};
  int64_t tries = 0, found = 0, most = (int64_t)TRIES_PER_OUTSIDE * r->s.outside;
  r->at.phase = IMPORTANCE_OUTSIDE;
  r->at.done = 0;
  r->at.of = r->s.outside;
  eqs_status status = EQS_OK;
  for (uint64_t i = 0; tries < most && found < r->s.outside && i < 1000 * (uint64_t)most; i++) {
    double u;
    pose p;
    random_uniform(r->s.seed ^ KEY_OUTSIDE, r->s.stream, i, 1, &u);
    widom_draw draw = {.index = (int64_t)(u * (double)t->n), .ln_defensive = -INFINITY};
    if (pose_table_accessible(t, draw.index)) continue;
    tries++;
    pose_of(r, draw.index, &p);
    if (r->s.overlap && r->s.overlap(r->s.context, &p)) continue;
    if (r->s.blocked && r->s.blocked(r->s.context, &p)) continue;
    found++;
    EQS_TRY_DONE(widom_draws_add(&d, &draw));
  }
  EQS_TRY_DONE(evaluate(r, &d, 0));
  double kt = BOLTZMANN_EV * r->s.temperature[0];
  log_sum sum;
  log_sum_start(&sum);
  for (int64_t i = 0; i < d.n; i++) {
    out->n_outside_attractive += d.draw[i].u < 0;
    if (d.draw[i].u >= -HOLE_KJ_MOL / EV_KJ_MOL) log_sum_add(&sum, -d.draw[i].u / kt);
  }
  out->n_outside = (int)d.n;
  double lost = log_sum_value(&sum) - log((double)tries) + log(1 - pose_table_share(t));
  out->outside_share =
      d.n ? (lost > -INFINITY ? 1 / (1 + exp(out->point[0].ln_w - lost)) : 0) : NAN;
  out->outside_flagged = out->outside_share > IMPORTANCE_OUTSIDE_MAX;
done:
  widom_draws_free(&d);
  return status;
}

/* ---- the result */

static void pose_of_draw(const importance_run *r, const widom_draw *d, pose *out) {
  if (r->kernels.n) *out = r->asked[d->index];
  else pose_of(r, d->index, out);
}

static void count_draws(importance_run *r) {
  importance_result *out = r->out;
  for (int64_t i = 0; i < r->draws.n; i++) {
    const widom_draw *d = &r->draws.draw[i];
    out->n_overlap += d->kind == DRAW_OVERLAP;
    out->n_blocked += d->blocked;
    if (d->kind != DRAW_HOLE) continue;
    out->n_hole++;
    if (isfinite(d->u) && !(d->u >= out->hole_energy)) out->hole_energy = d->u;
    if (!r->s.contact) continue;
    pose p;
    pose_of_draw(r, d, &p);
    double contact = r->s.contact(r->s.context, &p);
    if (!(contact >= out->hole_contact)) out->hole_contact = contact;
  }
}

static void sample_draws(const importance_run *r) {
  double kt = BOLTZMANN_EV * r->s.temperature[0];
  for (int64_t i = 0; i < r->draws.n; i++) {
    const widom_draw *d = &r->draws.draw[i];
    pose p;
    if (d->kind != DRAW_KEPT || d->blocked) continue;
    pose_of_draw(r, d, &p);
    reservoir_add(r->s.sample, d->index, i, -d->u / kt - d->ln_q, &p, d->u);
  }
}

/* rms of U - Us about 0, and its mean, weighted by exp(-U/kT). */
static void compare(const importance_run *r, const double *us, double *rms, double *offset) {
  double kt = BOLTZMANN_EV * r->s.temperature[0], total = 0, first = 0, second = 0;
  double ln_w = r->out->point[0].ln_w;
  for (int64_t i = 0; i < r->draws.n; i++) {
    const widom_draw *d = &r->draws.draw[i];
    if (d->kind != DRAW_KEPT || d->blocked) continue;
    double g = exp(-d->u / kt - d->ln_q - ln_w), difference = d->u - us[d->index];
    total += g;
    first += g * difference;
    second += g * difference * difference;
  }
  *rms = sqrt(second / total);
  *offset = first / total;
}

static void finish(importance_run *r) {
  importance_result *out = r->out;
  r->draws.n_table = r->s.cheap && !r->kernels.n ? r->table.n : 0;
  out->n_point = r->s.n_temperature;
  out->n_draw = r->draws.n;
  for (int t = 0; t < r->s.n_temperature; t++)
    widom_draws_point(&r->draws, r->s.temperature[t], &out->point[t]);
  count_draws(r);
  if (r->s.sample) sample_draws(r);
  if (!r->s.cheap || out->none_open) return;
  const widom_point *p = &out->point[0];
  int64_t spent = r->kernels.n ? r->at.n_energy - out->n_pilot : r->draws.n;
  if (r->kernels.n) out->surrogate_poor = out->corrected = 0; /* it does not lead any more */
  out->surrogate_poor |= !(p->ess / (double)spent >= IMPORTANCE_POOR_ESS) ||
                         p->defensive_share > IMPORTANCE_POOR_SHARE;
  if (p->w > 0) {
    double unused;
    compare(r, r->kernels.n ? r->asked_base : r->table.us, &out->rms, &out->offset);
    compare(r, r->kernels.n ? r->asked_base : r->table.base, &out->rms_as_given, &unused);
  }
}

static void describe_table(importance_run *r) {
  importance_result *out = r->out;
  out->n_table = r->table.n;
  out->accessible = pose_table_share(&r->table);
  out->accessible_sigma = pose_table_share_sigma(&r->table);
  out->none_open = r->table.n_accessible == 0;
  if (out->none_open) {
    out->surrogate_w = 0;
    return;
  }
  const double kt = BOLTZMANN_EV * r->s.temperature[0];
  double *us = r->table.us;
  r->table.us = r->table.base;
  pose_table_density(&r->table, 1, 1, &kt);
  out->surrogate_w = exp(r->table.ln_w[0]);
  out->surrogate_w_sigma = out->surrogate_w * pose_table_w_sigma(&r->table, 0);
  r->table.us = us;
}

static eqs_status run_all(importance_run *r) {
  importance_result *out = r->out;
  EQS_TRY(load(r));
  if (r->s.cheap) {
    EQS_TRY(grow(r, r->s.table));
    if (r->table.n_accessible) {
      EQS_TRY(run_pilots(r));
      if (out->surrogate_poor && !r->s.no_chain) EQS_TRY(importance_search(r));
      if (!r->kernels.n) EQS_TRY(enlarge_table(r));
    }
    describe_table(r);
    if (!out->none_open && !r->kernels.n) set_density(r, out->eps, out->heat);
  }
  r->draws.n_table = r->s.cheap && !r->kernels.n ? r->table.n : 0;
  if (!out->none_open) EQS_TRY(produce(r));
  finish(r);
  if (r->s.cheap) EQS_TRY(look_outside(r));
  out->n_energy = r->at.n_energy;
  return importance_save(r, 1);
}

eqs_status widom_importance_run(const importance_settings *s, importance_result *out) {
  EQS_TRY(check(s));
  *out = (importance_result){.accessible = 1,
                             .surrogate_w = NAN,
                             .surrogate_w_sigma = NAN,
                             .rms = NAN,
                             .offset = NAN,
                             .rms_as_given = NAN,
                             .hole_energy = NAN,
                             .hole_contact = NAN,
                             .outside_share = NAN};
  importance_run r = {.s = *s, .out = out};
  fill_defaults(&r);
  r.at.error = NAN;
  pose_table_open(&r.table, s->seed, s->stream, s->cell,
                  IMPORTANCE_REACH_KT * BOLTZMANN_EV * r.hottest);
  eqs_status status = EQS_OK;
  size_t n = (size_t)s->batch;
  EQS_TRY_DONE(alloc_array(&r.poses, n, sizeof *r.poses, "poses"));
  EQS_TRY_DONE(alloc_array(&r.wanted, n, sizeof *r.wanted, "poses"));
  EQS_TRY_DONE(alloc_array(&r.u, n, sizeof *r.u, "energies"));
  EQS_TRY_DONE(run_all(&r));
done:
  free(r.poses);
  free(r.wanted);
  free(r.u);
  pose_table_free(&r.table);
  importance_sites_free(&r);
  energy_store_free(&r.energies);
  widom_draws_free(&r.pilot);
  widom_draws_free(&r.draws);
  return status;
}
