/* test_widom_frames.c -- insertion into a framework that moves, where the average is known.
 *
 * One framework atom on a spring, E = K y^2/2 along x, and a guest bound to it: U = k |x - y|^2/2 -
 * D + a y. Then ln W = 3/2 ln(2 pi kT/k) - ln V + D/kT + a^2/(2 K kT), and <U>_1 - <U>_0 = 3/2 kT -
 * D - a^2/(2 K), of which the framework's own energy is a^2/(2 K).
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/random.h"
#include "core/adsorption/statistics.h"
#include "core/adsorption/widom_frames.h"
#include "core/dynamics/hybrid.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PI 3.14159265358979323846
enum { MOST = 1000 };
static const double cube[9] = {10, 0, 0, 0, 10, 0, 0, 0, 10};
static const double room = 300;
static const double spring = 1.5, k_guest = 0.02, depth = 0.15; /* eV, angstrom */

typedef struct world {
  double y[MOST], now, slope; /* a */
  int placed, stop_at;
  int64_t expensive;
} world;

static double well(const pose *p, double y) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) {
    double d = p->position[k] - 5 - (k == 0 ? y : 0);
    r2 += d * d;
  }
  return fmin(0.5 * k_guest * r2, 1.5) - depth;
}

static eqs_status exact(void *context, int n, const pose *poses, double *u) {
  world *w = context;
  w->expensive += n;
  for (int i = 0; i < n; i++) u[i] = well(&poses[i], w->now) + w->slope * w->now;
  return EQS_OK;
}

/* Of a framework at rest, and not quite right. */
static eqs_status cheap(void *context, int n, const pose *poses, double *u) {
  (void)context;
  for (int i = 0; i < n; i++) u[i] = 0.8 * well(&poses[i], 0);
  return EQS_OK;
}

static eqs_status place(void *context, int frame, double *host) {
  world *w = context;
  if (w->stop_at && frame == w->stop_at) return status_fail(EQS_ERR_INTERRUPTED, "stopped");
  w->now = w->y[frame];
  *host = 0.5 * spring * w->now * w->now - 1000; /* any zero */
  w->placed++;
  return EQS_OK;
}

static double kt(void) { return BOLTZMANN_EV * room; }
static double host_energy(const world *w) { return w->slope * w->slope / (2 * spring); }
static double rest_w(void) { return pow(2 * PI * kt() / k_guest, 1.5) / 1000 * exp(depth / kt()); }
static double want_w(const world *w) { return rest_w() * exp(host_energy(w) / kt()); }
static double want_u(const world *w) { return 1.5 * kt() - depth - host_energy(w); }

static void draw_frames(world *w, int n, uint64_t seed) {
  for (int f = 0; f < n; f++) {
    double u[2];
    random_uniform(seed, 99, (uint64_t)f, 2, u);
    w->y[f] = sqrt(kt() / spring) * sqrt(-2 * log1p(-u[0])) * cos(2 * PI * u[1]);
  }
}

static importance_settings settings(world *w) {
  return (importance_settings){.seed = 3,
                               .cell = cube,
                               .n_temperature = 1,
                               .temperature = &room,
                               .error = 0.1,
                               .table = 2000,
                               .table_max = 2000,
                               .outside = -1,
                               .batch = 64,
                               .max_energy = 9000,
                               .context = w,
                               .expensive = exact,
                               .cheap = cheap};
}

/* Skewed averages (a large a) need more snapshots before their intervals can be believed. */
Test(frames, known_average_is_covered) {
  int hits = 0, heat = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    world w = {.slope = 0.06};
    frames_average a;
    importance_result r;
    importance_settings s = settings(&w);
    frames_settings f = {60, place, &w};
    s.seed = seed;
    draw_frames(&w, 60, seed);
    cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_OK, "%s", eqs_error());
    const widom_point *p = &r.point[0];
    cr_assert(p->w_sigma > 0 && p->u_sigma > 0 && w.placed == 60);
    hits += fabs(p->w - want_w(&w)) < p->w_95;
    heat += fabs(p->u - want_u(&w)) < p->u_95;
  }
  cr_assert(hits >= 45 && heat >= 45, "W %d, U %d of 50", hits, heat);
}

static void check_average(world *w) {
  frames_average a;
  importance_result r;
  importance_settings s = settings(w);
  frames_settings f = {MOST, place, w};
  s.max_energy = 100 * MOST;
  cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_OK, "%s", eqs_error());
  const widom_point *p = &r.point[0];
  cr_assert(fabs(p->w - want_w(w)) < 4 * p->w_sigma, "W = %g +- %g, exact %g", p->w, p->w_sigma,
            want_w(w));
  cr_assert(p->w - rest_w() > 3 * p->w_sigma, "W = %g, at rest %g", p->w, rest_w());
  cr_assert(fabs(p->u - want_u(w)) < 4 * p->u_sigma, "U = %g +- %g, exact %g", p->u, p->u_sigma,
            want_u(w));
  cr_assert(fabs(a.host_share - host_energy(w)) < 4 * p->u_sigma);
  cr_assert(w->expensive == r.n_energy && !p->not_converged);
  cr_assert(a.draw_share > 0 && a.draw_share < 1 && a.ess > 20 && a.ess <= MOST);
}

Test(frames, is_not_the_crystal_at_rest) {
  static world w = {.slope = 0.12};
  draw_frames(&w, MOST, 5);
  check_average(&w);
}

/* ---- snapshots that the project's own hybrid Monte Carlo takes */

static eqs_status harmonic(void *context, int n, const double (*x)[3], double *energy,
                           double (*force)[3]) {
  (void)context;
  *energy = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      *energy += 0.5 * spring * x[i][k] * x[i][k];
      force[i][k] = -spring * x[i][k];
    }
  return EQS_OK;
}

Test(frames, of_a_hybrid_trajectory) {
  static world w = {.slope = 0.12};
  double mass = 12, at[1][3] = {{0, 0, 0}};
  hybrid_system atom = {.n_free = 1, .mass = &mass, .free_at = at};
  hybrid_settings h = {.temperature = room, .step = 6, .steps = 4, .seed = 1, .force = harmonic};
  for (h.index = 0; h.index < 5 * MOST; h.index++) {
    hybrid_outcome out;
    cr_assert(hybrid_move(&h, &atom, &out) == EQS_OK, "%s", eqs_error());
    w.y[h.index / 5] = at[0][0];
  }
  check_average(&w);
}

/* ---- the rest */

Test(frames, equal_ones_are_one_framework) {
  static world w;
  frames_average a;
  importance_result r;
  importance_settings s = settings(&w);
  frames_settings f = {40, place, &w};
  cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_OK, "%s", eqs_error());
  const widom_point *p = &r.point[0];
  cr_assert(fabs(p->w - rest_w()) < 4 * p->w_sigma && p->w_95 < 0.1 * p->w && !r.target_missed,
            "W = %g +- %g, exact %g", p->w, p->w_sigma, rest_w());
  cr_assert(fabs(a.host_share) < 1e-12 && a.draw_share > 0.5 && a.ess > 30);
}

/* A snapshot without weight counts; blocks differ by hand-made numbers. */
Test(frames, average_by_hand) {
  frame_value v[40];
  frames_average a;
  for (int i = 0; i < 40; i++)
    v[i] = (frame_value){.ln_w = i % 2 ? -INFINITY : log(2.0),
                         .u = i % 2 ? (double)NAN : -0.3,
                         .ln_w_unblocked = i % 2 ? log(4.0) : log(2.0),
                         .u_unblocked = -0.1,
                         .host = i % 2 ? 5.0 : 7.0};
  cr_assert(frames_take_average(40, v, &a) == EQS_OK);
  cr_assert(fabs(a.ln_w) < 1e-12 && a.w_sigma < 1e-12, "all blocks are alike");
  cr_assert(fabs(a.u - (-0.3 + 7 - 6)) < 1e-12 && fabs(a.host_share - 1) < 1e-12);
  cr_assert(fabs(a.ln_w_unblocked - log(3)) < 1e-12 &&
            fabs(a.u_unblocked - (-0.1 - 1.0 / 3)) < 1e-12);
  cr_assert(fabs(a.ess - 20) < 1e-9 && fabs(a.max_share - 0.05) < 1e-12);
  for (int i = 0; i < 40; i++) v[i].ln_w = -INFINITY;
  cr_assert(frames_take_average(40, v, &a) == EQS_OK && a.ln_w == -INFINITY && a.ess == 0);
  for (int b = 0; b < 20; b++) /* block means 1..20: the jackknife is the standard error */
    v[2 * b].ln_w = v[2 * b + 1].ln_w = log(b + 1.0);
  cr_assert(frames_take_average(40, v, &a) == EQS_OK);
  cr_assert(fabs(exp(a.ln_w) - 10.5) < 1e-12 && fabs(a.w_sigma * 10.5 - sqrt(35.0 / 20)) < 1e-12);
  cr_assert(frames_take_average(19, v, &a) == EQS_ERR_ARGUMENT);
}

Test(frames, refuses_and_goes_on) {
  char path[64], one[80];
  static world w;
  frames_average a;
  importance_result want, r;
  importance_settings s = settings(&w);
  frames_settings f = {30, place, &w};
  draw_frames(&w, 30, 1);
  f.n = 19;
  cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_ERR_ARGUMENT);
  f.n = 30;
  static const double two[] = {300, 310};
  s.temperature = two;
  s.n_temperature = 2;
  cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "temperature"));
  s.temperature = &room;
  s.n_temperature = 1;
  cr_assert(widom_frames_run(&f, &s, &a, &want) == EQS_OK);
  snprintf(path, sizeof path, "/tmp/test_widom_frames_%ld", (long)getpid());
  s.state = path;
  s.condition = "energies";
  w.stop_at = 17;
  cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_ERR_INTERRUPTED);
  w.stop_at = 0;
  w.expensive = 0;
  cr_assert(widom_frames_run(&f, &s, &a, &r) == EQS_OK, "%s", eqs_error());
  cr_assert(!memcmp(&want.point[0], &r.point[0], sizeof r.point[0]));
  cr_assert(w.expensive < want.n_energy / 2, "%lld of %lld again", (long long)w.expensive,
            (long long)want.n_energy);
  for (int k = 0; k < 30; k++) {
    snprintf(one, sizeof one, "%s.%d", path, k);
    cr_assert(remove(one) == 0);
  }
}
