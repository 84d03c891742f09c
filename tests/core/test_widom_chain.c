/* test_widom_chain.c -- insertion where the surrogate misses the wells: chains find them.
 *
 * A linear molecule in a cube of 10 angstrom with six sites: U = -D (1 - r^2/R^2)^2 c^2 within R of
 * one, c the cosine between molecule and site, 0 elsewhere; W = 1 + (6/V) int 4 pi r^2 dr int_0^1
 * dc (exp(-U/kT) - 1) by the midpoint rule on a fine grid. The weight sits in few of all poses, and
 * the surrogates know nothing of it. Kernels: that they are normalised is checked by averages over
 * uniform poses, and by their own draws against an average known in closed form.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pose_kernels.h"
#include "core/adsorption/random.h"
#include "core/adsorption/widom_importance.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PI 3.14159265358979323846
#define R  2.2
static const double cube[9] = {10, 0, 0, 0, 10, 0, 0, 0, 10};
static const double room = 298;
static const double sites[6][6] = {{2.5, 2.5, 2.5, 1, 0, 0}, {7.5, 7.5, 2.5, 0, 1, 0},
                                   {7.5, 2.5, 7.5, 0, 0, 1}, {2.5, 7.5, 7.5, 1, 0, 0},
                                   {7.5, 7.5, 7.5, 0, 1, 0}, {2.5, 2.5, 7.5, 0, 0, 1}};

typedef struct world {
  double depth;             /* D, eV */
  int wrong;                /* the surrogate leads somewhere else */
  double hole_radius, hole; /* about (5, 5, 5), eV */
  int64_t expensive, stop_after;
} world;

static double nearest(double d) { return d - 10 * round(d / 10); }

static double square_from(const double *x, const double *y) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) r2 += nearest(x[k] - y[k]) * nearest(x[k] - y[k]);
  return r2;
}

static eqs_status exact(void *context, int n, const pose *poses, double *u) {
  static const double middle[3] = {5, 5, 5};
  world *w = context;
  w->expensive += n;
  for (int i = 0; i < n; i++) {
    double turn[3][3];
    pose_rotation(poses[i].quaternion, turn);
    u[i] = 0;
    for (int s = 0; s < 6; s++) {
      double r2 = square_from(poses[i].position, sites[s]), x = 1 - r2 / (R * R), c = 0;
      for (int k = 0; k < 3; k++) c += turn[k][2] * sites[s][3 + k];
      if (x > 0) u[i] -= w->depth * x * x * c * c;
    }
    if (square_from(poses[i].position, middle) < w->hole_radius * w->hole_radius) u[i] = w->hole;
  }
  return EQS_OK;
}

static eqs_status cheap(void *context, int n, const pose *poses, double *u) {
  static const double elsewhere[3] = {1, 8, 8};
  const world *w = context;
  for (int i = 0; i < n; i++) {
    double r2 = square_from(poses[i].position, elsewhere);
    u[i] = w->wrong ? fmin(0.05 * r2, 0.3) - 0.3 : 0;
  }
  return EQS_OK;
}

static double exact_ln_w(const world *w, double t) {
  enum { N = 700 };
  double beta = 1 / (BOLTZMANN_EV * t), sum = 0, hole = pow(w->hole_radius, 3);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double r = (i + 0.5) / N * R, c = (j + 0.5) / N, x = 1 - r * r / (R * R);
      sum += r * r * expm1(beta * w->depth * x * x * c * c);
    }
  return log(1 + 6 * 4 * PI * R / ((double)N * N) * sum / 1000 - 4.0 / 3 * PI * hole / 1000);
}

/* d ln W / d ln T times kT. */
static double exact_u(const world *w, double t) {
  double step = 1e-4 * t, change = exact_ln_w(w, t + step) - exact_ln_w(w, t - step);
  return BOLTZMANN_EV * t * t * change / (2 * step);
}

static const gas stick = {.name = "stick", .n = 2, .position = {{0, 0, -0.6}, {0, 0, 0.6}}};

static int watch(void *context, const importance_progress *p) {
  const world *w = context;
  (void)p;
  return w->stop_after && w->expensive >= w->stop_after;
}

static importance_settings settings(world *w) {
  return (importance_settings){.seed = 11,
                               .cell = cube,
                               .n_temperature = 1,
                               .temperature = &room,
                               .error = 0.05,
                               .table = 50000,
                               .batch = 64,
                               .context = w,
                               .molecule = &stick,
                               .expensive = exact,
                               .cheap = cheap,
                               .progress = watch};
}

static void run(const importance_settings *s, importance_result *r) {
  cr_assert(widom_importance_run(s, r) == EQS_OK, "%s", eqs_error());
}

static int close_by(double got, double want, double sigma) { return fabs(got - want) < 4 * sigma; }

/* ---- kernels */

static const double oblique[9] = {9, 0, 0, 4, 7, 0, -3, 2, 6};

static void make(pose_kernels *k, const gas *g, const double *cell, int n) {
  cr_assert(pose_kernels_open(k, cell, g, n) == EQS_OK, "%s", eqs_error());
  for (int i = 0; i < n; i++) {
    pose center;
    pose_draw(5, 1, (uint64_t)i, cell, &center);
    cr_assert(pose_kernels_add(k, &center, 1 + i, 0.1));
    cr_assert(!pose_kernels_add(k, &center, 1, 0.1), "there is one already");
  }
  pose_kernels_close(k);
}

Test(kernels, are_normalised) {
  gas water, argon;
  cr_assert(gas_find("H2O", &water) == EQS_OK && gas_find("Ar", &argon) == EQS_OK);
  const gas *gases[] = {&water, &stick, &argon};
  for (int g = 0; g < 3; g++) {
    pose_kernels k = {0};
    make(&k, gases[g], oblique, 2);
    cr_assert_eq(k.turn, g == 0 ? TURN_BODY : g == 1 ? TURN_AXIS : TURN_NONE);
    double sum[KERNEL_PARTS] = {0}, square[KERNEL_PARTS] = {0};
    enum { N = 400000 };
    for (int i = 0; i < N; i++) {
      pose p;
      double part[KERNEL_PARTS];
      pose_draw(77, 0, (uint64_t)i, oblique, &p);
      pose_kernels_parts(&k, &p, part);
      for (int j = 0; j < KERNEL_PARTS; j++) {
        sum[j] += part[j] / N;
        square[j] += part[j] * part[j] / N;
      }
    }
    for (int j = 0; j < KERNEL_PARTS; j++) {
      double sigma = sqrt((square[j] - sum[j] * sum[j]) / N);
      if (!(sigma < 0.04)) continue; /* so narrow that uniform poses say nothing */
      cr_assert(fabs(sum[j] - 1) < 4 * sigma, "gas %d, part %d: %g +- %g", g, j, sum[j], sigma);
    }
    pose_kernels_free(&k);
  }
}

/* Draws of m = (a + b)/2 have <a/(2m)> = 1/2, whatever a and b; where a's orientations are uniform,
 * the squared cosine of the molecule's axis and x under it is 1/3. */
Test(kernels, draws_follow_the_density) {
  gas water;
  cr_assert(gas_find("H2O", &water) == EQS_OK);
  const gas *gases[] = {&water, &stick};
  for (int g = 0; g < 2; g++)
    for (int only = 0; only < KERNEL_PARTS; only++) {
      pose_kernels k = {0};
      make(&k, gases[g], oblique, 8);
      /* half of it as wide as it gets, so that weights are bounded; half in one part */
      for (int j = 0; j < KERNEL_PARTS; j++)
        k.share[j] = 0.5 * (j == KERNEL_PARTS - 1) + 0.5 * (j == only);
      enum { N = 40000 };
      double ratio[2] = {0}, square[2] = {0};
      for (int i = 0; i < N; i++) {
        double u[KERNEL_UNIFORMS], part[KERNEL_PARTS], turn[3][3];
        pose p;
        random_uniform(3, (uint32_t)only, (uint64_t)i, KERNEL_UNIFORMS, u);
        pose_kernels_draw(&k, u, &p);
        pose_kernels_parts(&k, &p, part);
        pose_rotation(p.quaternion, turn);
        double m = pose_kernels_density(&k, &p), axis = g ? turn[0][2] : turn[0][1];
        cr_assert(m > 0 && fabs(m - 0.5 * (part[only] + part[KERNEL_PARTS - 1])) < 1e-9 * m);
        /* the share of one part, exactly 1/2; then a function of the orientation under it */
        double f[2] = {0.5 * part[only] / m, 0.5 * part[only] / m * axis * axis};
        for (int a = 0; a < 2; a++) {
          ratio[a] += f[a] / N;
          square[a] += f[a] * f[a] / N;
        }
      }
      double sigma = sqrt(fmax(square[0] - ratio[0] * ratio[0], 0) / N);
      cr_assert(fabs(ratio[0] - 0.5) < 4 * sigma + 1e-12, "gas %d, part %d: %g +- %g", g, only,
                ratio[0], sigma);
      if (only % KERNEL_SPREADS == KERNEL_SPREADS - 1) { /* uniform orientations */
        sigma = sqrt((square[1] - ratio[1] * ratio[1]) / N);
        cr_assert(close_by(ratio[1], 1.0 / 6, sigma), "gas %d: %g +- %g", g, ratio[1], sigma);
      }
      pose_kernels_free(&k);
    }
}

Test(kernels, shares_are_learnt) {
  pose_kernels k = {0};
  enum { N = 3000 };
  static double part[N][KERNEL_PARTS], weight[N];
  make(&k, &stick, cube, 8);
  for (int j = 0; j < KERNEL_PARTS; j++) k.share[j] = j == 5 ? 0.7 : j == 11 ? 0.3 : 0;
  for (int i = 0; i < N; i++) {
    double u[KERNEL_UNIFORMS];
    pose p;
    random_uniform(9, 0, (uint64_t)i, KERNEL_UNIFORMS, u);
    pose_kernels_draw(&k, u, &p);
    pose_kernels_parts(&k, &p, part[i]);
    weight[i] = 1;
  }
  for (int j = 0; j < KERNEL_PARTS; j++) k.share[j] = 1.0 / KERNEL_PARTS;
  pose_kernels_learn(&k, N, (const double(*)[KERNEL_PARTS])part, weight);
  double sum = 0, gain = 0, equal = 0;
  for (int j = 0; j < KERNEL_PARTS; j++) sum += k.share[j];
  cr_assert(fabs(sum - 1) < 1e-12);
  for (int i = 0; i < N;
       i++) { /* nothing is likelier than what the draws came from but by chance */
    double learnt = 0;
    for (int j = 0; j < KERNEL_PARTS; j++) learnt += k.share[j] * part[i][j];
    double flat = 0;
    for (int j = 0; j < KERNEL_PARTS; j++) flat += part[i][j] / KERNEL_PARTS;
    equal += log(flat / (0.7 * part[i][5] + 0.3 * part[i][11])) / N;
    gain += log(learnt / (0.7 * part[i][5] + 0.3 * part[i][11])) / N;
  }
  /* half of each share stays where it was learnt */
  cr_assert(gain > log(0.5) && gain < 0.01 && gain > 0.6 * equal, "%g, equal shares %g", gain,
            equal);
  pose_kernels_free(&k);
  static const double flat[9] = {1, 0, 0, 0, 1, 0, 1, 1, 0};
  cr_assert(pose_kernels_open(&k, flat, NULL, 1) == EQS_ERR_ARGUMENT);
  pose_kernels_free(&k);
}

/* ---- the whole */

Test(chain, finds_what_the_surrogate_misses) {
  for (int wrong = 0; wrong < 2; wrong++) {
    world w = {.depth = 0.6, .wrong = wrong};
    importance_result r, alone;
    importance_settings s = settings(&w);
    double want = exp(exact_ln_w(&w, room)), energy = exact_u(&w, room);
    run(&s, &r);
    const widom_point *p = &r.point[0];
    cr_assert(r.searched && r.n_site > 0 && r.n_search > 0 && !r.surrogate_poor &&
              !r.target_missed);
    cr_assert(close_by(p->w, want, p->w_sigma), "W = %g +- %g, exact %g", p->w, p->w_sigma, want);
    cr_assert(close_by(p->u, energy, p->u_sigma), "U = %g +- %g, %g", p->u, p->u_sigma, energy);
    cr_assert(p->w_95 <= 0.05 * p->w && p->u_sigma < 0.003 && p->w_table_sigma == 0);
    cr_assert(r.n_energy < 20000 && w.expensive == r.n_energy, "%lld energies",
              (long long)r.n_energy);
    s.no_chain = 1; /* the same budget, and nothing is known */
    s.max_energy = r.n_energy;
    run(&s, &alone);
    cr_assert(!alone.searched && alone.target_missed && alone.surrogate_poor &&
              alone.point[0].not_converged);
  }
}

Test(chain, error_bars_cover) {
  world deep = {.depth = 0.55};
  double want = exp(exact_ln_w(&deep, room)), energy = exact_u(&deep, room);
  int hits = 0, heat = 0, reached = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    world w = {.depth = 0.55, .wrong = seed % 2 != 0};
    importance_result r;
    importance_settings s = settings(&w);
    s.seed = 2000 + seed;
    s.table = 20000;
    s.error = 0.15;
    run(&s, &r);
    cr_assert(r.n_site > 0);
    hits += fabs(r.point[0].w - want) < r.point[0].w_95;
    heat += fabs(r.point[0].u - energy) < r.point[0].u_95;
    reached += !r.target_missed;
  }
  cr_assert(hits >= 45 && heat >= 45, "W %d, U %d of 50", hits, heat);
  cr_assert(reached >= 45, "%d of 50 runs reached the error", reached);
}

Test(chain, holes_are_not_drawn_around) {
  world w = {.depth = 0.6, .hole_radius = 0.3, .hole = -4};
  importance_result r;
  importance_settings s = settings(&w);
  double want = exp(exact_ln_w(&w, room));
  run(&s, &r);
  const widom_point *p = &r.point[0];
  cr_assert(r.n_site > 0 && close_by(p->w, want, p->w_sigma), "W = %g +- %g, exact %g", p->w,
            p->w_sigma, want);
  if (r.n_hole) cr_assert(p->holes_flagged && p->discarded_share > 0.99 && r.hole_energy == -4);
  w.hole_radius = 1.5; /* large enough to be hit: it is said, and changes nothing */
  w.hole = -2.5;
  want = exp(exact_ln_w(&w, room));
  run(&s, &r);
  cr_assert(r.n_hole > 0 && p->holes_flagged && p->discarded_share > 0.99 && r.hole_energy == -2.5);
  cr_assert(close_by(p->w, want, p->w_sigma), "W = %g +- %g, exact %g", p->w, p->w_sigma, want);
  w.hole = NAN;
  run(&s, &r);
  cr_assert(r.n_hole > 0 && p->discarded_share == 1 && isnan(r.hole_energy));
  cr_assert(close_by(p->w, want, p->w_sigma));
}

Test(chain, temperatures) {
  static const double t[] = {298, 340, 400};
  world w = {.depth = 0.6, .wrong = 1};
  importance_result r;
  importance_settings s = settings(&w);
  s.temperature = t;
  s.n_temperature = 3;
  run(&s, &r);
  cr_assert(r.n_site > 0 && !r.target_missed);
  for (int i = 0; i < 3; i++) {
    double want = exp(exact_ln_w(&w, t[i])), energy = exact_u(&w, t[i]);
    const widom_point *p = &r.point[i];
    cr_assert(close_by(p->w, want, p->w_sigma), "%g K: W = %g +- %g, exact %g", t[i], p->w,
              p->w_sigma, want);
    cr_assert(close_by(p->u, energy, p->u_sigma), "%g K: U = %g, exact %g", t[i], p->u, energy);
  }
}

Test(chain, batches_and_interruptions_change_no_bit) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/test_widom_chain_%ld", (long)getpid());
  world w = {.depth = 0.6, .wrong = 1};
  importance_result want, r;
  importance_settings s = settings(&w);
  s.table = 20000;
  s.error = 0.08;
  run(&s, &want);
  cr_assert(want.n_site > 0);
  s.batch = 7;
  run(&s, &r);
  cr_assert(!memcmp(&want.point[0], &r.point[0], sizeof r.point[0]));
  s.batch = 64;
  s.state = path;
  s.condition = "energies";
  int n_stop = 0;
  for (int64_t at = 700;; at += 900) {
    w.expensive = 0;
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
  cr_assert(w.expensive == 0, "%lld energies were not in the file", (long long)w.expensive);
  cr_assert(!memcmp(&want.point[0], &r.point[0], sizeof r.point[0]));
  cr_assert(want.n_energy == r.n_energy && want.n_site == r.n_site);
  remove(path);
}
