/* test_dynamics.c -- integrators: order, reversal, conserved quantities, and the distributions that
 * each ensemble must have, where they are known exactly.
 *
 * SPDX-License-Identifier: MIT */
#include "toy_forces.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/adsorption/random.h"
#include "core/units.h"

#define KT (BOLTZMANN_EV * 300)

/* ---- constant energy */

static double worst_energy(double step, int steps) {
  toy_lj argon = {0.0104, 3.4, 7.5};
  double cell[9], x[108][3], mass[108], worst = 0;
  static const int pbc[3] = {1, 1, 1};
  dynamics d;
  dynamics_figures f, start;
  dynamics_settings s = {
      .step = step, .temperature = 120, .seed = 3, .context = &argon, .force = toy_lj_force};
  for (int i = 0; i < 108; i++) mass[i] = 39.948;
  toy_fcc(3, 5.3, cell, x);
  cr_assert_eq(dynamics_open(&d, &s, 108, mass, (const double(*)[3])x, NULL, cell, pbc), EQS_OK);
  cr_assert_eq(dynamics_measure(&d, &start), EQS_OK);
  for (int i = 0; i < steps; i++) {
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    cr_assert_eq(dynamics_measure(&d, &f), EQS_OK);
    worst = fmax(worst, fabs(f.conserved - start.conserved));
  }
  double p[3] = {0, 0, 0};
  for (int i = 0; i < 108; i++)
    for (int k = 0; k < 3; k++) p[k] += d.v[i][k];
  for (int k = 0; k < 3; k++) cr_expect_float_eq(p[k], 0, 1e-14);
  cr_expect_gt(fabs(f.potential - start.potential), 100 * worst); /* there was something to keep */
  dynamics_free(&d);
  return worst;
}

Test(dynamics, energy_error_is_of_second_order) {
  double coarse = worst_energy(8, 100), fine = worst_energy(4, 200);
  cr_expect_float_eq(coarse / fine, 4, 0.8, "%g %g", coarse, fine);
}

Test(dynamics, the_way_back) {
  toy_springs p = {.k = 3, .length = 3, .power = 4};
  dynamics d, start = {0};
  toy_open_springs(&d, &p, (dynamics_settings){.step = 1, .temperature = 300, .seed = 5});
  cr_assert_eq(dynamics_copy(&d, &start), EQS_OK);
  double moved = 0, off = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < 300; i++) cr_assert_eq(dynamics_step(&d), EQS_OK);
    for (int i = 0; i < d.n; i++)
      for (int k = 0; k < 3; k++) {
        double u[3], v[3];
        dynamics_unwrapped(&d, i, u);
        dynamics_unwrapped(&start, i, v);
        if (pass) off = fmax(off, fabs(u[k] - v[k]));
        else moved = fmax(moved, fabs(u[k] - v[k]));
        d.v[i][k] = -d.v[i][k];
      }
  }
  cr_expect(moved > 0.2 && off < 1e-8, "%g %g", moved, off);
  dynamics_free(&d);
  dynamics_free(&start);
}

/* One atom through many cells: what is unwrapped is a straight line. */
Test(dynamics, images) {
  static const double cell[9] = {4, 0, 0, 1, 5, 0, -2, 0.5, 6}, x[1][3] = {{0.1, 0.2, 0.3}};
  static const double v[1][3] = {{0.7, -0.9, 0.31}}, mass[1] = {1};
  static const int pbc[3] = {1, 1, 1};
  dynamics d;
  dynamics_settings s = {.step = 1, .force = toy_free_force};
  cr_assert_eq(dynamics_open(&d, &s, 1, mass, x, v, cell, pbc), EQS_OK);
  for (int i = 1; i <= 200; i++) {
    double u[3], inverse[9];
    cr_assert_eq(dynamics_step(&d), EQS_OK);
    dynamics_unwrapped(&d, 0, u);
    cr_assert_eq(cell_inverse(cell, inverse), 1);
    for (int k = 0; k < 3; k++) {
      double f = d.x[0][0] * inverse[k] + d.x[0][1] * inverse[3 + k] + d.x[0][2] * inverse[6 + k];
      cr_assert_float_eq(u[k], x[0][k] + i * v[0][k], 1e-10);
      cr_assert(f > -1e-12 && f < 1 + 1e-12, "%g", f);
    }
  }
  dynamics_free(&d);
}

/* ---- constant temperature */

/* Kinetic and potential energy have gamma distributions: mean and variance of both. */
static void canonical(dynamics_settings s, int power, int64_t steps, double share) {
  toy_springs p = {.k = power == 4 ? 3 : 1, .length = 3, .power = power};
  mean k1 = {0}, k2 = {0}, u1 = {0}, u2 = {0};
  double first = NAN, last = NAN, low = INFINITY, high = -INFINITY;
  dynamics d;
  s.temperature = 300;
  toy_open_springs(&d, &p, s);
  double k = d.degrees / 2 * KT, u = (3 * TOY_ATOMS - 3) / (double)power * KT;
  for (int64_t i = -2000; i < steps; i++) {
    dynamics_figures f;
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    cr_assert_eq(dynamics_measure(&d, &f), EQS_OK);
    if (i < 0) continue;
    mean_add(&k1, i, steps, f.kinetic / k);
    mean_add(&k2, i, steps, pow(f.kinetic - k, 2) / (k * KT));
    mean_add(&u1, i, steps, f.potential / u);
    mean_add(&u2, i, steps, pow(f.potential - u, 2) / (u * KT));
    low = fmin(low, f.conserved), high = fmax(high, f.conserved);
    if (i == 0) first = f.conserved;
    last = f.conserved;
  }
  mean_is(&k1, 1, 0.005, "kinetic");
  mean_is(&k2, 1, share, "variance of the kinetic energy");
  mean_is(&u1, 1, 0.01, "potential");
  mean_is(&u2, 1, share, "variance of the potential energy");
  /* a few per cent of kT per atom, after tens of thousands of steps */
  cr_expect(fabs(last - first) < 0.5 * KT, "conserved: %g to %g, drift %g", low, high,
            last - first);
  dynamics_free(&d);
}

Test(dynamics, csvr) {
  canonical(
      (dynamics_settings){
          .thermostat = THERMOSTAT_CSVR, .step = 1, .thermostat_time = 30, .seed = 1},
      4, 120000, 0.06);
}

Test(dynamics, nose_hoover) {
  canonical(
      (dynamics_settings){
          .thermostat = THERMOSTAT_NOSE_HOOVER, .step = 1, .thermostat_time = 30, .seed = 2},
      4, 120000, 0.06);
}

/* BAOAB: positions of harmonic oscillators have the right distribution for any step, here a third
 * of the stable one's limit; velocities are off by a known factor, 1 - (omega dt)^2 / 4. */
typedef struct wells {
  double k[10];
} wells;

static eqs_status in_wells(void *context, int n, const double (*x)[3], const double cell[9],
                           double *energy, double (*force)[3], double stress[9]) {
  const wells *w = context;
  *energy = 0;
  (void)cell;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      force[i][k] = -w->k[i] * x[i][k];
      *energy += w->k[i] * x[i][k] * x[i][k] / 2;
    }
  memset(stress, 0, 9 * sizeof *stress);
  return EQS_OK;
}

Test(dynamics, langevin_with_a_long_step) {
  enum { STEPS = 300000 };
  wells w;
  double x[10][3] = {{0}}, mass[10], factor = 0;
  mean u = {0}, u2 = {0}, kinetic = {0};
  dynamics d;
  dynamics_settings s = {.thermostat = THERMOSTAT_LANGEVIN,
                         .step = 2,
                         .thermostat_time = 10,
                         .temperature = 300,
                         .seed = 8,
                         .held = 1,
                         .context = &w,
                         .force = in_wells};
  for (int i = 0; i < 10; i++) {
    double phase = 0.35 + 0.05 * i; /* omega dt */
    mass[i] = 2 + i;
    w.k[i] = phase * phase * mass[i] * KINETIC_EV / 4;
    factor += (1 - phase * phase / 4) / 10;
  }
  cr_assert_eq(dynamics_open(&d, &s, 10, mass, (const double(*)[3])x, NULL, NULL, NULL), EQS_OK);
  for (int i = -500; i < STEPS; i++) {
    dynamics_figures f;
    cr_assert_eq(dynamics_step(&d), EQS_OK);
    cr_assert_eq(dynamics_measure(&d, &f), EQS_OK);
    if (i < 0) continue;
    mean_add(&u, i, STEPS, f.potential / (15 * KT));
    mean_add(&u2, i, STEPS, pow(f.potential / KT - 15, 2) / 15);
    mean_add(&kinetic, i, STEPS, f.kinetic / (15 * KT));
  }
  mean_is(&u, 1, 0.004, "potential");
  mean_is(&u2, 1, 0.03, "variance of the potential energy");
  mean_is(&kinetic, factor, 0.004, "kinetic");
  dynamics_free(&d);
}

Test(dynamics, langevin) {
  canonical(
      (dynamics_settings){
          .thermostat = THERMOSTAT_LANGEVIN, .step = 1, .thermostat_time = 50, .seed = 3},
      2, 80000, 0.06);
}

/* A state that is stored and read goes on with the same bits. */
Test(dynamics, stored_and_read) {
  static const thermostat_kind kind[] = {THERMOSTAT_NONE, THERMOSTAT_LANGEVIN, THERMOSTAT_CSVR,
                                         THERMOSTAT_NOSE_HOOVER};
  for (int t = 0; t < 4; t++) {
    toy_springs p = {.k = 1, .length = 3, .power = 4};
    dynamics whole, part;
    archive a = {0};
    dynamics_settings s = {
        .thermostat = kind[t], .step = 1, .temperature = 300, .thermostat_time = 40, .seed = 9};
    if (t) {
      s.barostat = t % 2 ? BAROSTAT_ISOTROPIC : BAROSTAT_FULL;
      s.barostat_time = 100, s.compressibility = 5;
    }
    toy_open_springs(&whole, &p, s);
    toy_open_springs(&part, &p, s);
    for (int i = 0; i < 60; i++) {
      cr_assert_eq(dynamics_step(&whole), EQS_OK);
      if (i == 23) dynamics_archive(&whole, &a);
    }
    cr_assert_eq(archive_finish(&a), EQS_OK);
    a.reading = 1;
    dynamics_archive(&part, &a);
    cr_assert_eq(archive_finish(&a), EQS_OK, "%s", eqs_error());
    cr_assert_eq(part.at, 24);
    while (part.at < whole.at) cr_assert_eq(dynamics_step(&part), EQS_OK);
    cr_assert_arr_eq(part.x[0], whole.x[0], sizeof part.x[0] * TOY_ATOMS);
    cr_assert_arr_eq(part.v[0], whole.v[0], sizeof part.v[0] * TOY_ATOMS);
    cr_assert_arr_eq(part.cell, whole.cell, sizeof part.cell);
    cr_expect(part.exchanged == whole.exchanged && part.energy == whole.energy);
    archive_free(&a);
    dynamics_free(&whole);
    dynamics_free(&part);
  }
}

static eqs_status broken(void *context, int n, const double (*x)[3], const double cell[9],
                         double *energy, double (*force)[3], double stress[9]) {
  EQS_TRY(toy_free_force(context, n, x, cell, energy, force, stress));
  if ((*(int *)context)++ == 3) force[1][2] = NAN;
  return EQS_OK;
}

Test(dynamics, what_is_refused) {
  static const double x[2][3] = {{0, 0, 0}, {1, 1, 1}}, mass[2] = {1, 2}, none[2] = {1, 0};
  int calls = 0;
  dynamics d;
  dynamics_settings s = {.step = 1, .temperature = 300, .context = &calls, .force = broken};
  cr_assert_eq(dynamics_open(&d, &s, 2, mass, x, NULL, NULL, NULL), EQS_OK);
  cr_assert_eq(dynamics_step(&d), EQS_OK);
  cr_assert_eq(dynamics_step(&d), EQS_OK);
  cr_assert_eq(dynamics_step(&d), EQS_ERR_DIVERGED);
  cr_assert(strstr(eqs_error(), "atom 2"), "%s", eqs_error());
  dynamics_free(&d);
  dynamics_settings bad[] = {s, s, s, s, s};
  bad[0].step = 0;
  bad[1].thermostat = THERMOSTAT_CSVR; /* without a time */
  bad[2].barostat = BAROSTAT_FULL;     /* without a cell */
  bad[3].temperature = NAN;
  bad[4].force = NULL;
  for (int i = 0; i < 5; i++) {
    cr_expect_eq(dynamics_open(&d, &bad[i], 2, mass, x, NULL, NULL, NULL), EQS_ERR_ARGUMENT, "%d",
                 i);
    dynamics_free(&d);
  }
  cr_expect_eq(dynamics_open(&d, &s, 2, none, x, NULL, NULL, NULL), EQS_ERR_ARGUMENT);
  dynamics_free(&d);
}

/* Mean and variance of a gamma distribution are its shape. */
Test(dynamics, gamma_numbers) {
  static const double shape[] = {0.3, 1, 2.5, 39};
  for (int k = 0; k < 4; k++) {
    mean one = {0}, two = {0}, three = {0};
    for (int i = 0; i < 40000; i++) {
      double g = random_gamma(4, (uint32_t)k, (uint64_t)i, shape[k]);
      mean_add(&one, i, 40000, g);
      mean_add(&two, i, 40000, pow(g - shape[k], 2));
      mean_add(&three, i, 40000, pow(g - shape[k], 3));
    }
    mean_is(&one, shape[k], 0.02, "mean");
    mean_is(&two, shape[k], 0.04, "variance");
    mean_is(&three, 2 * shape[k], 0.35, "third moment");
  }
}
