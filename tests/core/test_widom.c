/* test_widom.c -- insertion in potentials whose answers are known in closed form.
 *
 * U = 0: W = 1, K_H = 1/(R T rho), Qst = R T. Hard sphere in a cube: W = free volume share.
 * Harmonic well U = k r^2/2 - D: W = (2 pi kT/k)^{3/2} e^{D/kT} / V, U_B = 3/2 kT - D. Two-state
 * orientation: a rotor in a field, W = sinh(a)/a. Fixed seeds; tolerances of four or five standard
 * errors.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/contact.h"
#include "core/adsorption/widom.h"
#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
static const double cube[9] = {10, 0, 0, 0, 10, 0, 0, 0, 10};

typedef struct world {
  double kt, k, depth, radius;
  int hole_every; /* every so many-th pose gets `hole` for its energy */
  double hole;
  int64_t calls, seen, stop_after;
  contacts *contacts;
} world;

static double from_centre(const pose *p) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) r2 += (p->position[k] - 5) * (p->position[k] - 5);
  return sqrt(r2);
}

static eqs_status no_energy(void *context, int n, const pose *poses, double *u) {
  world *w = context;
  (void)poses;
  w->calls++;
  for (int i = 0; i < n; i++) {
    u[i] = w->hole_every && w->seen % w->hole_every == 0 ? w->hole : 0;
    w->seen++;
  }
  return EQS_OK;
}

static eqs_status well(void *context, int n, const pose *poses, double *u) {
  const world *w = context;
  for (int i = 0; i < n; i++) {
    double r = from_centre(&poses[i]);
    u[i] = 0.5 * w->k * r * r - w->depth;
  }
  return EQS_OK;
}

/* A dipole along the molecule's z in a field along the lab's z: U = -a kT cos(theta). */
static eqs_status rotor(void *context, int n, const pose *poses, double *u) {
  static const gas stick = {.n = 1, .position = {{0, 0, 1}}};
  const world *w = context;
  for (int i = 0; i < n; i++) {
    double x[GAS_MAX_ATOMS][3];
    pose_place(&poses[i], &stick, x);
    u[i] = -w->k * w->kt * (x[0][2] - poses[i].position[2]);
  }
  return EQS_OK;
}

static eqs_status hard_energy(void *context, int n, const pose *poses, double *u) {
  const world *w = context;
  for (int i = 0; i < n; i++) u[i] = from_centre(&poses[i]) < w->radius ? INFINITY : 0;
  return EQS_OK;
}

static int hard_overlap(void *context, const pose *p) {
  return from_centre(p) < ((const world *)context)->radius;
}

/* Half of the cube. */
static int left_half(void *context, const pose *p) {
  (void)context;
  return p->position[0] < 5;
}

static int stop_early(void *context, int64_t done) {
  return done >= ((const world *)context)->stop_after;
}

static widom_settings settings(world *w, widom_energy energy, int64_t n) {
  w->kt = BOLTZMANN_EV * 298;
  return (widom_settings){.n = n,
                          .seed = 42,
                          .cell = cube,
                          .temperature = 298,
                          .batch = 64,
                          .context = w,
                          .energy = energy};
}

Test(widom, no_interaction) {
  world w = {0};
  widom_result r;
  widom_settings s = settings(&w, no_energy, 1000);
  cr_assert(widom_run(&s, &r) == EQS_OK);
  cr_assert(fabs(r.w - 1) < 1e-14 && r.w_sigma < 1e-14 && r.u == 0 && r.u_sigma == 0);
  cr_assert(r.n_proposed == 1000 && r.n_evaluated == 1000 && r.n_overlap == 0 && r.n_hole == 0);
  cr_assert(fabs(r.ess - 1000) < 1e-9 && !r.not_converged && !r.holes_flagged);
  /* 1/(R T rho) with rho = 1000 kg/m^3: 4.0360e-7 mol/kg/Pa at 298 K */
  cr_assert(fabs(widom_henry(r.w, 298, 1000) / (1 / (8.314462618 * 298 * 1000)) - 1) < 1e-14);
  cr_assert(fabs(widom_henry(1, 298, 1000) - 4.03599e-7) < 1e-11);
}

Test(widom, hard_sphere_by_energy_and_by_overlap) {
  enum { N = 40000 };
  world w = {.radius = 3.7};
  double want = 1 - 4.0 / 3 * PI * pow(3.7, 3) / 1000;
  double sigma = sqrt(want * (1 - want) / N);
  widom_result a, b;
  widom_settings s = settings(&w, hard_energy, N);
  cr_assert(widom_run(&s, &a) == EQS_OK);
  cr_assert(fabs(a.w - want) < 4 * sigma, "W = %g, free volume %g +- %g", a.w, want, sigma);
  cr_assert(a.w_sigma > 0.5 * sigma && a.w_sigma < 1.7 * sigma, "error bar %g", a.w_sigma);
  cr_assert(a.n_hole + llrint(a.w * N) == N, "infinite energies are counted");
  cr_assert(a.discarded_share == 0 && !a.holes_flagged, "a wall discards no weight");
  s.energy = no_energy;
  s.overlap = hard_overlap;
  cr_assert(widom_run(&s, &b) == EQS_OK);
  cr_assert(a.w == b.w && b.n_overlap == a.n_hole, "same draws, same mean: overlaps are zeros");
  cr_assert(b.n_evaluated + b.n_overlap == N && b.n_proposed == N);
}

Test(widom, harmonic_well) {
  enum { N = 200000 };
  world w = {.k = 0.05, .depth = 0.1};
  widom_result r;
  widom_settings s = settings(&w, well, N);
  cr_assert(widom_run(&s, &r) == EQS_OK);
  double want = pow(2 * PI * w.kt / w.k, 1.5) * exp(w.depth / w.kt) / 1000;
  double energy = 1.5 * w.kt - w.depth;
  cr_assert(fabs(r.w - want) < 4 * r.w_sigma, "W = %g +- %g, exact %g", r.w, r.w_sigma, want);
  cr_assert(r.w_sigma < 0.02 * want);
  cr_assert(fabs(r.u - energy) < 4 * r.u_sigma, "U = %g +- %g, exact %g", r.u, r.u_sigma, energy);
  cr_assert(r.u_sigma < 0.001);
  cr_assert(!r.not_converged);
}

Test(widom, rotor_in_a_field) {
  enum { N = 100000 };
  world w = {.k = 2};
  widom_result r;
  widom_settings s = settings(&w, rotor, N);
  cr_assert(widom_run(&s, &r) == EQS_OK);
  double want = sinh(2) / 2, energy = -2 * w.kt * (1 / tanh(2) - 0.5); /* Langevin function */
  cr_assert(fabs(r.w - want) < 4 * r.w_sigma && r.w_sigma < 0.01);
  cr_assert(fabs(r.u - energy) < 4 * r.u_sigma);
}

Test(widom, error_bars_cover) {
  /* 95 % intervals of 200 independent runs: between 179 and 199 hits (binomial, 1e-4 each side) */
  int hits = 0;
  for (uint32_t stream = 0; stream < 200; stream++) {
    world w = {.k = 0.5, .depth = 0.05};
    widom_result r;
    widom_settings s = settings(&w, well, 20000);
    s.stream = stream;
    cr_assert(widom_run(&s, &r) == EQS_OK);
    double want = pow(2 * PI * w.kt / w.k, 1.5) * exp(w.depth / w.kt) / 1000;
    hits += fabs(r.w - want) < 2.093 * r.w_sigma;
  }
  cr_assert(hits >= 175 && hits <= 199, "%d of 200", hits);
}

Test(widom, batch_size_changes_no_bit) {
  world w = {.k = 0.05, .depth = 0.1, .radius = 1};
  widom_result first;
  for (int batch = 1; batch < 3000; batch = batch * 3 + 1) {
    widom_result r;
    widom_settings s = settings(&w, well, 5003);
    s.overlap = hard_overlap;
    s.batch = batch;
    memset(&r, 0, sizeof r);
    cr_assert(widom_run(&s, &r) == EQS_OK);
    if (batch == 1) first = r;
    cr_assert(r.w == first.w && r.w_sigma == first.w_sigma && r.u == first.u &&
              r.u_sigma == first.u_sigma && r.ess == first.ess && r.n_overlap == first.n_overlap);
  }
}

Test(widom, holes_are_counted_and_flagged) {
  world w = {.hole_every = 100, .hole = -250 / EV_KJ_MOL};
  widom_result r;
  widom_settings s = settings(&w, no_energy, 10000);
  cr_assert(widom_run(&s, &r) == EQS_OK);
  cr_assert(r.n_hole == 100 && r.n_evaluated == 10000);
  cr_assert(fabs(r.w - 0.99) < 1e-12, "holes have weight 0 and count in the mean");
  cr_assert(r.holes_flagged && r.discarded_share > 0.999999);
  cr_assert(fabs(r.hole_energy * EV_KJ_MOL + 250) < 1e-9);
  w = (world){.hole_every = 100, .hole = -199.9 / EV_KJ_MOL}; /* deep, but not a hole */
  cr_assert(widom_run(&s, &r) == EQS_OK);
  cr_assert(r.n_hole == 0 && r.w > 1e30);
  w = (world){.hole_every = 5000, .hole = NAN};
  cr_assert(widom_run(&s, &r) == EQS_OK);
  cr_assert(r.n_hole == 2 && r.holes_flagged && isnan(r.hole_energy) && isfinite(r.w));
}

/* Half of a well and half of its holes are shut in: half of W, the same U, the whole beside it. */
Test(widom, pockets_count_only_beside) {
  enum { N = 200000 };
  world w = {.k = 0.05, .depth = 0.1};
  widom_result all, half, none;
  widom_settings s = settings(&w, well, N);
  cr_assert(widom_run(&s, &all) == EQS_OK);
  cr_assert(all.w_unblocked == all.w && all.u_unblocked == all.u && all.n_blocked == 0);
  s.blocked = left_half;
  cr_assert(widom_run(&s, &half) == EQS_OK);
  cr_assert(half.w_unblocked == all.w && half.w_unblocked_sigma == all.w_sigma);
  cr_assert(half.u_unblocked == all.u && half.n_evaluated == N);
  cr_assert(fabs((double)half.n_blocked / N - 0.5) < 4 * 0.5 / sqrt(N));
  double want = 0.5 * pow(2 * PI * w.kt / w.k, 1.5) * exp(w.depth / w.kt) / 1000;
  cr_assert(fabs(half.w - want) < 4 * half.w_sigma, "W = %g +- %g, exact %g", half.w, half.w_sigma,
            want);
  cr_assert(fabs(half.u - (1.5 * w.kt - w.depth)) < 4 * half.u_sigma);
  /* every pose a hole of -3 eV: in a pocket it has no weight to lose */
  world holes = {.hole_every = 1, .hole = -3};
  s = settings(&holes, no_energy, 1000);
  s.blocked = left_half;
  cr_assert(widom_run(&s, &none) == EQS_OK);
  cr_assert(none.n_hole == 1000 && none.discarded_share == 1 && none.w_unblocked == 0);
}

Test(widom, all_rejected) {
  world w = {.radius = 100};
  widom_result r;
  widom_settings s = settings(&w, no_energy, 1000);
  s.overlap = hard_overlap;
  cr_assert(widom_run(&s, &r) == EQS_OK);
  cr_assert(r.w == 0 && r.n_overlap == 1000 && isnan(r.u) && r.not_converged);
}

Test(widom, one_lucky_draw_is_not_convergence) {
  world w = {.hole_every = 100000, .hole = -1};
  widom_result r;
  widom_settings s = settings(&w, no_energy, 10000);
  cr_assert(widom_run(&s, &r) == EQS_OK);
  cr_assert(r.not_converged && r.max_share > 0.99 && r.ess < 2);
}

Test(widom, refuses_and_stops) {
  world w = {.stop_after = 500};
  widom_result r;
  widom_settings s = settings(&w, no_energy, 99);
  cr_assert(widom_run(&s, &r) == EQS_ERR_ARGUMENT);
  s = settings(&w, no_energy, 1000);
  s.temperature = NAN;
  cr_assert(widom_run(&s, &r) == EQS_ERR_ARGUMENT);
  s.temperature = 298;
  s.progress = stop_early;
  cr_assert(widom_run(&s, &r) == EQS_ERR_INTERRUPTED);
  cr_assert(w.seen < 600);
}

/* Brute force over many images against the wrapped search, in an oblique cell and a tiny one. */
Test(contact, agrees_with_brute_force) {
  static const double cells[2][9] = {{9, 0, 0, 6, 7, 0, -5, 4, 8},
                                     {2.1, 0, 0, 1.5, 1.8, 0, 0, 1, 2}};
  for (int c = 0; c < 2; c++) {
    const int number[4] = {6, 30, 1, 12}, site_number = 8;
    double x[12];
    overlap_rule *rule;
    cr_assert(overlap_open(0, &rule) == EQS_OK);
    cr_assert(overlap_add(rule, 4, number, 1, &site_number) == EQS_OK);
    for (uint64_t i = 0; i < 4; i++) {
      pose p;
      pose_draw(1, 1, i, cells[c], &p);
      for (int k = 0; k < 3; k++) x[3 * i + (uint64_t)k] = p.position[k] + 20 * (k - 1);
    }
    contacts list;
    cr_assert(contacts_build(&list, 4, x, number, cells[c]) == EQS_OK);
    int n_overlap = 0;
    for (uint64_t t = 0; t < 40; t++) {
      pose p;
      pose_draw(2, 2, t, cells[c], &p);
      double site[1][3], best = 1e9, ratio = 1e9;
      memcpy(site[0], p.position, sizeof site[0]);
      for (int i = 0; i < 4; i++)
        for (int a = -40; a <= 40; a++)
          for (int b = -40; b <= 40; b++)
            for (int d = -40; d <= 40; d++) {
              double v[3], r2 = 0;
              for (int k = 0; k < 3; k++) {
                v[k] = x[3 * i + k] - site[0][k] + a * cells[c][k] + b * cells[c][3 + k] +
                       d * cells[c][6 + k];
                r2 += v[k] * v[k];
              }
              best = fmin(best, sqrt(r2));
              ratio = fmin(ratio, sqrt(r2) / rule->reach[number[i]][site_number]);
            }
      double got = contacts_shortest(&list, 1, (const double(*)[3])site, 30);
      cr_assert(fabs(got - best) < 1e-9, "cell %d: %g, brute force %g", c, got, best);
      int overlap = contacts_overlap(&list, 1, (const double(*)[3])site, &site_number, rule);
      if (fabs(ratio - 1) > 1e-9) cr_assert(overlap == (ratio < 1));
      n_overlap += overlap;
      if (t >= 10 && c == 1) break;
    }
    cr_assert(n_overlap > 0);
    contacts_free(&list);
    free(rule);
  }
}
