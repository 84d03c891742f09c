/* widom_frames.c -- Widom insertion into a framework that moves: an average over its snapshots.
 *
 * The first snapshot has pilots and teaches the surrogate; its variance says how many draws each of
 * the others needs for the draws' part of the error to stay below half of the asked one. Every
 * snapshot has poses of its own, so that their errors are independent.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/widom_frames.h"

#include "core/adsorption/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  B = STATISTICS_BLOCKS,
  FIRST_PILOT = 250,
  FIRST_ENERGIES = 1500,
  REPEATS = 4,
  STATE_PATH = 4096
};
#define DRAW_ERROR 0.5 /* of the asked error, from the draws */

/* ---- the average */

typedef struct sums {
  double n, w, wu, host, whost; /* weights relative to a common scale */
} sums;

static void add(sums *s, double ln_w, double u, double host, double scale) {
  s->n += 1;
  s->host += host;
  if (!(ln_w > -INFINITY)) return;
  double w = exp(ln_w - scale);
  s->w += w;
  s->wu += w * u;
  s->whost += w * host;
}

static double energy_of(const sums *s) { return (s->wu + s->whost) / s->w - s->host / s->n; }

/* With or without pockets. */
static void average_of(int n, const frame_value *v, int pockets, double *ln_w, double *sigma,
                       double *u, double *u_sigma, double *host_share) {
  sums block[B] = {{0}}, all = {0};
  double scale = -INFINITY, mean[B], energy[B], mean_sum = 0, energy_sum = 0, square = 0,
         spread = 0;
  for (int f = 0; f < n; f++) scale = fmax(scale, pockets ? v[f].ln_w_unblocked : v[f].ln_w);
  *ln_w = -INFINITY;
  *sigma = *u = *u_sigma = *host_share = NAN;
  if (!(scale > -INFINITY)) return;
  for (int f = 0; f < n; f++) {
    double x = pockets ? v[f].ln_w_unblocked : v[f].ln_w;
    double e = pockets ? v[f].u_unblocked : v[f].u;
    add(&block[(int64_t)f * B / n], x, e, v[f].host - v[0].host, scale);
    add(&all, x, e, v[f].host - v[0].host, scale);
  }
  for (int b = 0; b < B; b++) {
    sums rest = {0};
    for (int k = 0; k < B; k++) {
      if (k == b) continue;
      rest.n += block[k].n;
      rest.w += block[k].w;
      rest.wu += block[k].wu;
      rest.host += block[k].host;
      rest.whost += block[k].whost;
    }
    mean[b] = rest.w / rest.n;
    energy[b] = energy_of(&rest);
    mean_sum += mean[b] / B;
    energy_sum += energy[b] / B;
  }
  for (int b = 0; b < B; b++) {
    square += (mean[b] - mean_sum) * (mean[b] - mean_sum);
    spread += (energy[b] - energy_sum) * (energy[b] - energy_sum);
  }
  *ln_w = scale + log(all.w / all.n);
  *sigma = sqrt(square * (B - 1) / B) / (all.w / all.n);
  *u = energy_of(&all);
  *u_sigma = sqrt(spread * (B - 1) / B);
  *host_share = all.whost / all.w - all.host / all.n;
}

eqs_status frames_take_average(int n, const frame_value *v, frames_average *out) {
  double unused, first = 0, second = 0, largest = 0, draws = 0;
  *out = (frames_average){0};
  if (n < FRAMES_MIN)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d snapshots; an error between them needs at least %d", n,
             FRAMES_MIN);
  average_of(n, v, 0, &out->ln_w, &out->w_sigma, &out->u, &out->u_sigma, &out->host_share);
  average_of(n, v, 1, &out->ln_w_unblocked, &out->w_unblocked_sigma, &out->u_unblocked,
             &out->u_unblocked_sigma, &unused);
  for (int f = 0; f < n; f++) {
    double w = v[f].ln_w > -INFINITY ? exp(v[f].ln_w - out->ln_w) / n : 0;
    first += w;
    second += w * w;
    largest = fmax(largest, w);
    if (w > 0 && v[f].w_relative > 0) draws += w * w * v[f].w_relative * v[f].w_relative;
  }
  out->ess = first > 0 ? first * first / second : 0;
  out->max_share = largest;
  out->draw_share = fmin(draws / (out->w_sigma * out->w_sigma), 1);
  return EQS_OK;
}

/* ---- the runs */

static void keep(const importance_result *r, double host, frame_value *v) {
  const widom_point *p = &r->point[0];
  *v = (frame_value){.ln_w = p->ln_w,
                     .w_relative = p->w_sigma / p->w,
                     .u = p->u,
                     .ln_w_unblocked = p->w_unblocked > 0 ? log(p->w_unblocked) : -INFINITY,
                     .u_unblocked = p->u_unblocked,
                     .host = host};
}

static double least(double a, double b) { return b < a || isnan(a) ? b : a; }

/* Sums, extremes and flags over the snapshots; the rest stays the first one's. */
static void join(importance_result *all, const importance_result *r, int first) {
  if (first) {
    *all = *r;
    return;
  }
  all->n_draw += r->n_draw;
  all->n_energy += r->n_energy;
  all->n_overlap += r->n_overlap;
  all->n_hole += r->n_hole;
  all->n_blocked += r->n_blocked;
  all->hole_energy = least(all->hole_energy, r->hole_energy);
  all->hole_contact = least(all->hole_contact, r->hole_contact);
  widom_point *p = &all->point[0];
  p->discarded_share = fmax(p->discarded_share, r->point[0].discarded_share);
  p->defensive_share += (r->point[0].defensive_share - p->defensive_share) / 2;
  p->holes_flagged |= r->point[0].holes_flagged;
  all->table_limited |= r->table_limited;
  all->surrogate_poor |= r->surrogate_poor;
}

static void finish(const importance_settings *s, const frames_average *a, int n,
                   importance_result *out) {
  widom_point *p = &out->point[0];
  const double t95 = statistics_t95(B - 1);
  p->ln_w = a->ln_w;
  p->w = exp(a->ln_w);
  p->w_sigma = p->w * a->w_sigma;
  p->w_95 = t95 * p->w_sigma;
  p->u = a->u;
  p->u_sigma = a->u_sigma;
  p->u_95 = t95 * a->u_sigma;
  p->ess = a->ess;
  p->max_share = a->max_share;
  p->w_unblocked = exp(a->ln_w_unblocked);
  p->w_unblocked_sigma = p->w_unblocked * a->w_unblocked_sigma;
  p->u_unblocked = a->u_unblocked;
  p->u_unblocked_sigma = a->u_unblocked_sigma;
  /* few snapshots carry the weight: the average has not been seen yet */
  p->not_converged =
      !(a->ess >= 0.25 * n && a->ess >= FRAMES_MIN / 2 && a->max_share <= WIDOM_SHARE_MAX * 2);
  out->target_missed = s->error > 0 && !(p->w_95 <= s->error * p->w);
}

static eqs_status run_frame(const frames_settings *f, const importance_settings *all, int frame,
                            const char *state, frame_value *v, importance_result *out) {
  importance_settings s = *all;
  char path[STATE_PATH];
  double host;
  if (state) {
    int n = snprintf(path, sizeof path, "%s.%d", state, frame);
    if (n < 0 || (size_t)n >= sizeof path)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the path of the state is too long");
    s.state = path;
  }
  EQS_TRY(f->place(f->context, frame, &host));
  eqs_status status = widom_importance_run(&s, out);
  if (status != EQS_OK) return status_prefix(status, "snapshot %d", frame + 1);
  keep(out, host, v);
  return EQS_OK;
}

/* Energies per snapshot, from what the first one's draws say of their variance. */
static int64_t energies_each(const importance_settings *s, const importance_result *first, int n) {
  const widom_point *p = &first->point[0];
  int64_t left = (s->max_energy > 0 ? s->max_energy : 20000) - first->n_energy, most = left / n;
  double want = (double)most, sigma = DRAW_ERROR * s->error / statistics_t95(B - 1);
  if (s->error > 0 && p->w > 0) {
    /* the table's part does not fall with the draws */
    double square = (p->w_sigma * p->w_sigma - p->w_table_sigma * p->w_table_sigma) / (p->w * p->w);
    want = (double)first->n_draw * fmax(square, 0) / (sigma * sigma * n);
  }
  if (want < (double)most) most = (int64_t)want + 1;
  return most < WIDOM_MIN ? WIDOM_MIN : most;
}

static eqs_status run_all(const frames_settings *f, const importance_settings *given,
                          frame_value *v, frames_average *average, importance_result *out) {
  importance_settings s = *given;
  importance_result r;
  s.error = 0;
  s.no_chain = 1;
  s.pilot = FIRST_PILOT;
  s.max_energy = FIRST_ENERGIES;
  s.max_draw = REPEATS * FIRST_ENERGIES; /* poses drawn again are free, and tell little */
  for (int k = 0; k < f->n; k++) {
    s.stream = given->stream ^ ((uint32_t)k * 0x9E3779B1u);
    EQS_TRY(run_frame(f, &s, k, given->state, &v[k], &r));
    join(out, &r, k == 0);
    if (k) continue;
    if (!r.corrected) s.fit = NULL;
    s.heat = r.heat;
    s.eps = r.eps;
    s.pilot = s.outside = -1;
    s.max_energy = energies_each(given, &r, f->n);
    s.max_draw = REPEATS * s.max_energy;
  }
  EQS_TRY(frames_take_average(f->n, v, average));
  finish(given, average, f->n, out);
  return EQS_OK;
}

eqs_status widom_frames_run(const frames_settings *f, const importance_settings *s,
                            frames_average *average, importance_result *out) {
  frame_value *v = NULL;
  if (f->n < FRAMES_MIN || f->n > FRAMES_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d snapshots; give %d to %d", f->n, FRAMES_MIN, FRAMES_MAX);
  if (s->n_temperature != 1)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "snapshots belong to the temperature that they were taken at: give that one alone");
  EQS_TRY(alloc_array(&v, (size_t)f->n, sizeof *v, "snapshots"));
  eqs_status status = run_all(f, s, v, average, out);
  free(v);
  return status;
}
