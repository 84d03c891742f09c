/* test_widom_importance.c -- importance-sampled insertion against potentials known in closed form.
 *
 * Harmonic well U = k r^2/2 - D in a cube: W = (2 pi kT/k)^{3/2} e^{D/kT}/V (the well is far from
 * the walls), U_B = 3/2 kT - D. Hard sphere: W = free volume share. Rotor in a field: W =
 * sinh(a)/a. Whatever the surrogate, the answers must be these.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/statistics.h"
#include "core/adsorption/widom_importance.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PI 3.14159265358979323846
static const double cube[9] = {10, 0, 0, 0, 10, 0, 0, 0, 10};
static const double room = 298;

typedef struct world {
  double k, depth;             /* the well, eV/angstrom^2 and eV */
  double cheap_k, cheap_depth; /* of the surrogate */
  double shift[3];             /* of the surrogate's centre */
  double radius;               /* of a hard sphere at the centre; 0 = none */
  double field;                /* of the rotor, in kT at `room` */
  double hole_radius, hole;    /* a spot at (1, 1, 1) with that energy */
  int64_t expensive, stop_after;
} world;

static double square_from(const pose *p, double x, double y, double z) {
  double a = p->position[0] - x, b = p->position[1] - y, c = p->position[2] - z;
  return a * a + b * b + c * c;
}

static eqs_status exact(void *context, int n, const pose *poses, double *u) {
  world *w = context;
  w->expensive += n;
  for (int i = 0; i < n; i++) {
    double r2 = square_from(&poses[i], 5, 5, 5);
    u[i] = fmin(0.5 * w->k * r2, 1.5) - w->depth; /* flat 58 kT above the bottom */
    if (r2 < w->radius * w->radius) u[i] = INFINITY;
    if (square_from(&poses[i], 1, 1, 1) < w->hole_radius * w->hole_radius) u[i] = w->hole;
  }
  return EQS_OK;
}

static eqs_status cheap(void *context, int n, const pose *poses, double *u) {
  const world *w = context;
  for (int i = 0; i < n; i++) {
    double r2 = square_from(&poses[i], 5 + w->shift[0], 5 + w->shift[1], 5 + w->shift[2]);
    u[i] = fmin(0.5 * w->cheap_k * r2, 1) - w->cheap_depth;
  }
  return EQS_OK;
}

static double along_z(const pose *p) {
  static const gas stick = {.n = 1, .position = {{0, 0, 1}}};
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &stick, x);
  return x[0][2] - p->position[2];
}

static eqs_status rotor(void *context, int n, const pose *poses, double *u) {
  const world *w = context;
  for (int i = 0; i < n; i++) u[i] = -w->field * BOLTZMANN_EV * room * along_z(&poses[i]);
  return EQS_OK;
}

static eqs_status weak_rotor(void *context, int n, const pose *poses, double *u) {
  EQS_TRY(rotor(context, n, poses, u));
  for (int i = 0; i < n; i++) u[i] = 0.6 * u[i] + 0.1;
  return EQS_OK;
}

static int watch(void *context, const importance_progress *p) {
  const world *w = context;
  (void)p;
  return w->stop_after && w->expensive >= w->stop_after;
}

static importance_settings settings(world *w) {
  return (importance_settings){.seed = 7,
                               .cell = cube,
                               .n_temperature = 1,
                               .temperature = &room,
                               .error = 0.05,
                               .table = 50000,
                               .table_max = 200000,
                               .batch = 64,
                               .context = w,
                               .expensive = exact,
                               .cheap = cheap,
                               .progress = watch};
}

static double well_w(const world *w, double t) {
  double kt = BOLTZMANN_EV * t;
  return pow(2 * PI * kt / w->k, 1.5) * exp(w->depth / kt) / 1000;
}

static double well_u(const world *w, double t) { return 1.5 * BOLTZMANN_EV * t - w->depth; }

static void run(const importance_settings *s, importance_result *r) {
  cr_assert(widom_importance_run(s, r) == EQS_OK, "%s", eqs_error());
}

static int close_by(double got, double want, double sigma) { return fabs(got - want) < 4 * sigma; }

Test(importance, no_interaction_is_exact) {
  world w = {.k = 0, .depth = 0};
  importance_result r;
  importance_settings s = settings(&w);
  s.error = 0.01;
  run(&s, &r);
  const widom_point *p = &r.point[0];
  cr_assert(fabs(p->w - 1) < 1e-12 && p->w_sigma < 1e-12 && p->u == 0 && p->u_sigma == 0);
  cr_assert(!p->not_converged && !r.target_missed && !r.surrogate_poor && !r.outside_flagged);
  cr_assert(r.accessible == 1 && r.surrogate_w == 1 && r.n_draw == 400 && r.n_energy <= 800);
  cr_assert(fabs(p->ess - 400) < 1e-6 && fabs(p->defensive_share - 0.1) < 1e-12);
}

Test(importance, hard_sphere) {
  world w = {.radius = 3.7};
  double want = 1 - 4.0 / 3 * PI * pow(3.7, 3) / 1000;
  importance_result r;
  importance_settings s = settings(&w);
  s.error = 0.02;
  run(&s, &r);
  const widom_point *p = &r.point[0];
  cr_assert(close_by(p->w, want, p->w_sigma), "W = %g +- %g, %g free", p->w, p->w_sigma, want);
  cr_assert(p->w_95 <= 0.02 * p->w && r.n_overlap > 100 && r.n_hole == 0);
}

typedef struct surrogate_case {
  const char *name;
  double k, depth, shift, most; /* of the surrogate; energies it may take */
} surrogate_case;

/* Against 27,600 plain draws for 5 %: the relative variance is V / (4 pi kT/k)^{3/2} - 1. */
static const surrogate_case surrogates[] = {{"equal", 0.03, 0.25, 0, 1000},
                                            {"biased", 0.025, 0.15, 0, 1300},
                                            {"too narrow", 0.09, 0.35, 0, 2500},
                                            {"shifted", 0.03, 0.25, 0.5, 2500},
                                            {"missing the site", 0, 0, 0, 6000}};

static world with(const surrogate_case *c) {
  return (world){
      .k = 0.03, .depth = 0.25, .cheap_k = c->k, .cheap_depth = c->depth, .shift = {c->shift}};
}

Test(importance, exact_whatever_the_surrogate) {
  for (size_t i = 0; i < sizeof surrogates / sizeof *surrogates; i++) {
    const surrogate_case *c = &surrogates[i];
    world w = with(c);
    importance_result r;
    importance_settings s = settings(&w);
    s.table_max = 200000;
    s.max_energy = 6000;
    run(&s, &r);
    const widom_point *p = &r.point[0];
    double want = well_w(&w, room), energy = well_u(&w, room);
    cr_assert(close_by(p->w, want, p->w_sigma), "%s: W = %g +- %g, exact %g", c->name, p->w,
              p->w_sigma, want);
    cr_assert(close_by(p->u, energy, p->u_sigma), "%s: U = %g +- %g, exact %g", c->name, p->u,
              p->u_sigma, energy);
    cr_assert(p->u_sigma > 0 && p->u_sigma < 0.01);
    cr_assert((double)r.n_energy <= c->most, "%s: %lld energies", c->name, (long long)r.n_energy);
    cr_assert(r.target_missed == (c->depth == 0), "%s", c->name);
    cr_assert(r.target_missed || p->w_95 <= 0.05 * p->w);
    cr_assert(w.expensive == r.n_energy, "every energy is counted, none is computed twice");
    if (c->depth == 0) cr_assert(fabs(p->defensive_share - 0.1) < 1e-9, "q = 1 everywhere");
  }
}

Test(importance, error_bars_cover) {
  /* 95 % intervals, 100 independent runs of each: 90 hits or more */
  for (int c = 1; c <= 3; c++) {
    int hits = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
      world w = with(&surrogates[c]);
      importance_result r;
      importance_settings s = settings(&w);
      s.seed = 1000 + seed;
      s.table = s.table_max = 20000; /* its own error is a third of the whole */
      s.error = 0.1;
      run(&s, &r);
      hits += fabs(r.point[0].w - well_w(&w, room)) < r.point[0].w_95;
    }
    cr_assert(hits >= 90, "%s: %d of 100", surrogates[c].name, hits);
  }
}

Test(importance, poor_surrogate_is_said_and_still_exact) {
  /* the surrogate's well is where there is none, and has nothing at the real one */
  int hits = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    world w = {.k = 0.1, .depth = 0.2, .cheap_k = 0.1, .cheap_depth = 0.3, .shift = {3, 3, 0}};
    importance_result r;
    importance_settings s = settings(&w);
    s.seed = seed;
    s.table = s.table_max = 20000;
    s.max_energy = 3000;
    s.no_chain = 1;
    run(&s, &r);
    cr_assert(r.surrogate_poor && !r.searched && r.target_missed && r.n_energy <= 3000);
    cr_assert(r.point[0].defensive_share > 0.5);
    hits += fabs(r.point[0].w - well_w(&w, room)) < r.point[0].w_95;
  }
  cr_assert(hits >= 45, "%d of 50", hits);
}

Test(importance, rotor_in_a_field) {
  world w = {.field = 4};
  importance_result r;
  importance_settings s = settings(&w);
  s.expensive = rotor;
  s.cheap = weak_rotor;
  s.error = 0.03;
  run(&s, &r);
  const widom_point *p = &r.point[0];
  double want = sinh(4) / 4, energy = -4 * BOLTZMANN_EV * room * (1 / tanh(4) - 0.25);
  cr_assert(close_by(p->w, want, p->w_sigma) && p->w_95 <= 0.03 * p->w);
  cr_assert(close_by(p->u, energy, p->u_sigma));
}

Test(importance, plain_mode_has_the_bits_of_plain_widom) {
  world w = {.k = 0.03, .depth = 0.25, .radius = 1, .hole_radius = 2, .hole = -3};
  importance_settings s = settings(&w);
  widom_settings plain = {.n = 10000,
                          .seed = s.seed,
                          .cell = cube,
                          .temperature = room,
                          .batch = 17,
                          .context = &w,
                          .energy = exact};
  widom_result want;
  importance_result got;
  cr_assert(widom_run(&plain, &want) == EQS_OK);
  s.cheap = NULL;
  s.error = 0;
  s.max_energy = s.max_draw = 10000;
  run(&s, &got);
  const widom_point *p = &got.point[0];
  cr_assert(got.n_draw == 10000);
  cr_assert(p->w == want.w && p->w_sigma == want.w_sigma && p->ln_w == want.ln_w);
  cr_assert(p->u == want.u && p->u_sigma == want.u_sigma && p->ess == want.ess);
  cr_assert(p->discarded_share == want.discarded_share && p->holes_flagged && want.holes_flagged);
  cr_assert(got.n_hole + got.n_overlap == want.n_hole, "infinite energies are overlaps here");
  cr_assert(got.hole_energy == want.hole_energy && isnan(p->defensive_share) == 0);
}

Test(importance, plain_mode_stops_at_the_error) {
  world w = {.k = 0.03, .depth = 0.1};
  importance_result r;
  importance_settings s = settings(&w);
  s.cheap = NULL;
  s.error = 0.1;
  s.max_energy = 100000;
  run(&s, &r);
  const widom_point *p = &r.point[0];
  cr_assert(!r.target_missed && p->w_95 <= 0.1 * p->w && r.n_energy < 20000);
  cr_assert(close_by(p->w, well_w(&w, room), p->w_sigma));
  cr_assert(p->w_table_sigma == 0 && isnan(r.outside_share) && r.n_table == 0);
}

Test(importance, temperatures_from_one_run) {
  static const double t[] = {298, 250, 350, 313, 450, 120};
  world w = {.k = 0.04, .depth = 0.25, .cheap_k = 0.035, .cheap_depth = 0.2};
  importance_result r, alone;
  importance_settings s = settings(&w);
  s.temperature = t;
  s.n_temperature = 6;
  s.n_sampled = 5;
  s.table_max = 400000;
  run(&s, &r);
  cr_assert(r.n_point == 6 && !r.target_missed);
  for (int i = 0; i < 5; i++) {
    const widom_point *p = &r.point[i];
    double want = well_w(&w, t[i]), energy = well_u(&w, t[i]);
    cr_assert(close_by(p->w, want, p->w_sigma), "%g K: W = %g +- %g, exact %g", t[i], p->w,
              p->w_sigma, want);
    cr_assert(close_by(p->u, energy, p->u_sigma), "%g K: U = %g +- %g, exact %g", t[i], p->u,
              p->u_sigma, energy);
    cr_assert(p->w_95 <= 0.05 * p->w && !p->not_converged && p->u_sigma < 0.003);
    s.temperature = &t[i];
    s.n_temperature = s.n_sampled = 1;
    s.seed = 100 + (uint64_t)i;
    run(&s, &alone);
    cr_assert(close_by(p->w, alone.point[0].w, hypot(p->w_sigma, alone.point[0].w_sigma)),
              "%g K: %g here, %g on its own", t[i], p->w, alone.point[0].w);
  }
  /* far below what was drawn for: the error says so */
  cr_assert(r.point[5].ess < 0.5 * r.point[1].ess);
  cr_assert(r.point[5].w_95 / r.point[5].w > 1.5 * r.point[1].w_95 / r.point[1].w);
}

Test(importance, too_far_a_reweighting_is_flagged) {
  static const double t[] = {450, 60};
  world w = {.k = 0.04, .depth = 0.25, .cheap_k = 0.035, .cheap_depth = 0.2};
  importance_result r;
  importance_settings s = settings(&w);
  s.temperature = t;
  s.n_temperature = 2;
  s.n_sampled = 1;
  s.error = 0.1;
  run(&s, &r);
  cr_assert(!r.point[0].not_converged && r.point[1].not_converged);
}

Test(importance, holes_are_counted_and_flagged) {
  world w = {.k = 0.03, .depth = 0.1, .cheap_k = 0.03, .cheap_depth = 0.1};
  importance_result r;
  importance_settings s = settings(&w);
  double want = well_w(&w, room);
  w.hole_radius = 1.5;
  w.hole = -2.5; /* below -200 kJ/mol */
  s.eps = 0.5;   /* the surrogate does not lead there */
  run(&s, &r);
  const widom_point *p = &r.point[0];
  cr_assert(close_by(p->w, want, p->w_sigma), "W = %g +- %g, %g", p->w, p->w_sigma, want);
  cr_assert(r.n_hole > 0 && p->holes_flagged && p->discarded_share > 0.999999);
  cr_assert(r.hole_energy == -2.5);
  w.hole = NAN;
  run(&s, &r);
  cr_assert(r.n_hole > 0 && r.point[0].discarded_share == 1 && isnan(r.hole_energy));
}

/* A wall of 1.2 eV in the surrogate with attraction in the model: a hole by the third rule. */
static eqs_status walled(void *context, int n, const pose *poses, double *u) {
  EQS_TRY(cheap(context, n, poses, u));
  for (int i = 0; i < n; i++)
    if (square_from(&poses[i], 1, 1, 1) < 2.25) u[i] = 1.2;
  return EQS_OK;
}

Test(importance, attraction_at_a_clash_is_a_hole) {
  world w = {.k = 0.03, .depth = 0.1, .cheap_k = 0.03, .cheap_depth = 0.1};
  importance_result r;
  importance_settings s = settings(&w);
  double want = well_w(&w, room);
  w.hole_radius = 1.5;
  w.hole = -0.5;
  s.eps = 0.5;
  s.cheap = walled;
  run(&s, &r);
  cr_assert(r.n_hole > 0 && r.point[0].holes_flagged && r.hole_energy == -0.5);
  cr_assert(close_by(r.point[0].w, want, r.point[0].w_sigma));
}

/* Shuts out a corner of the cube; an eighth of all poses. */
static eqs_status corner(void *context, int n, const pose *poses, double *u) {
  (void)context;
  for (int i = 0; i < n; i++) {
    const double *x = poses[i].position;
    u[i] = x[0] < 5 && x[1] < 5 && x[2] < 5 ? INFINITY : 0;
  }
  return EQS_OK;
}

static int in_corner(void *context, const pose *p) {
  double u;
  return corner(context, 1, p, &u) == EQS_OK && u > 0;
}

Test(importance, weight_shut_out_is_found) {
  world w = {0};
  importance_result r;
  importance_settings s = settings(&w);
  s.cheap = corner;
  run(&s, &r);
  cr_assert(close_by(r.accessible, 0.875, r.accessible_sigma));
  cr_assert(close_by(r.point[0].w, 0.875, r.point[0].w_sigma), "W on the open part");
  cr_assert(r.n_outside == 50 && r.outside_flagged && fabs(r.outside_share - 0.125) < 0.005);
  s.overlap = in_corner; /* nothing is lost where the model is not asked anyway */
  run(&s, &r);
  cr_assert(r.n_outside == 0 && !r.outside_flagged);
  s.cheap = walled; /* and nothing where the model agrees that there is a wall */
  s.overlap = NULL;
  w.cheap_k = w.k = 0.2;
  run(&s, &r);
  cr_assert(!r.outside_flagged);
}

Test(importance, pockets_with_and_without) {
  world w = {0};
  importance_result r;
  importance_settings s = settings(&w);
  s.blocked = in_corner;
  s.error = 0.02;
  run(&s, &r);
  const widom_point *p = &r.point[0];
  cr_assert(close_by(p->w, 0.875, p->w_sigma) && p->w_sigma > 0 && p->w_95 < 0.02);
  cr_assert(fabs(p->w_unblocked - 1) < 1e-12 && p->w_unblocked_sigma < 1e-12);
  cr_assert(fabs((double)r.n_blocked / (double)r.n_draw - 0.125) < 0.06);
}

Test(importance, nothing_open) {
  world w = {.cheap_depth = -5};
  importance_result r;
  importance_settings s = settings(&w);
  run(&s, &r);
  cr_assert(r.none_open && r.point[0].w == 0 && r.accessible == 0 && r.point[0].not_converged);
  cr_assert(r.n_outside == 50 && r.outside_share == 1 && r.outside_flagged);
}

Test(importance, batches_change_no_bit) {
  importance_result first, r;
  for (int batch = 1; batch < 3000; batch = batch * 7 + 1) {
    world w = with(&surrogates[1]);
    importance_settings s = settings(&w);
    s.batch = batch;
    s.table = s.table_max = 20000;
    run(&s, &r);
    if (batch == 1) first = r;
    cr_assert(!memcmp(&first.point[0], &r.point[0], sizeof r.point[0]), "batch %d", batch);
    cr_assert(first.n_energy == r.n_energy && first.rms == r.rms);
  }
}

Test(importance, interrupted_and_continued) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/test_widom_importance_%ld", (long)getpid());
  world w = with(&surrogates[2]);
  importance_result want, r;
  importance_settings s = settings(&w);
  s.condition = "model, gas";
  s.table = s.table_max = 100000;
  s.error = 0.12;
  run(&s, &want);
  s.state = path;
  int n_stop = 0;
  for (int64_t at = 100; at < 100000; at += 300) {
    w.expensive = 0; /* of this attempt */
    w.stop_after = at;
    eqs_status status = widom_importance_run(&s, &r);
    if (status == EQS_OK) break;
    cr_assert(status == EQS_ERR_INTERRUPTED);
    n_stop++;
  }
  cr_assert(n_stop >= 2);
  w.stop_after = 0;
  w.expensive = 0;
  run(&s, &r);
  cr_assert(w.expensive == 0, "all of them are in the file");
  cr_assert(!memcmp(&want.point[0], &r.point[0], sizeof r.point[0]));
  cr_assert(want.n_energy == r.n_energy && want.n_draw == r.n_draw && want.rms == r.rms);
  s.error = 0.045; /* a smaller error goes on from there */
  run(&s, &r);
  cr_assert(r.n_energy - w.expensive >= want.n_energy / 2 && w.expensive > 0,
            "%lld energies, %lld of them new, %lld before; error %g to %g", (long long)r.n_energy,
            (long long)w.expensive, (long long)want.n_energy, want.point[0].w_95 / want.point[0].w,
            r.point[0].w_95 / r.point[0].w);
  s.seed++;
  cr_assert(widom_importance_run(&s, &r) == EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "settings"), "%s", eqs_error());
  s.seed--;
  s.condition = "another model";
  cr_assert(widom_importance_run(&s, &r) == EQS_ERR_ARGUMENT);
  s.condition = "model, gas";
  FILE *f = fopen(path, "r+b");
  cr_assert(f && fseek(f, 200, SEEK_SET) == 0 && fputc('7', f) != EOF && fclose(f) == 0);
  cr_assert(widom_importance_run(&s, &r) == EQS_ERR_FORMAT && strstr(eqs_error(), "damaged"));
  remove(path);
  s.state = "/no/such/folder/state";
  cr_assert(widom_importance_run(&s, &r) == EQS_ERR_FILE);
}

Test(importance, refuses) {
  world w = {0};
  importance_result r;
  const importance_settings good = settings(&w);
  const double cold = 0;
  for (int i = 0; i < 10; i++) {
    importance_settings s = good;
    if (i == 0) s.n_temperature = 0;
    if (i == 1) s.temperature = &cold;
    if (i == 2) s.error = 1;
    if (i == 3) s.error = NAN;
    if (i == 4) s.eps = 1.5;
    if (i == 5) s.table = 5;
    if (i == 6) s.max_energy = 10;
    if (i == 7) s.batch = 0;
    if (i == 8) s.expensive = NULL;
    if (i == 9) s.n_sampled = 2;
    cr_assert(widom_importance_run(&s, &r) == EQS_ERR_ARGUMENT, "case %d", i);
  }
}
