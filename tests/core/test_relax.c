/* test_relax.c -- minimisers: a crystal of Lennard-Jones atoms against its energy as a function of
 * the lattice constant alone, under pressure, from distorted starts.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/relax.h"

#include "toy_forces.h"

#include <criterion/criterion.h>

static toy_lj argon = {0.0104, 3.4, 4.9};

/* Enthalpy per atom of the face-centred crystal, from its shells: 12 at a/sqrt 2, 6 at a, 24 at
 * a sqrt(3/2). */
static double enthalpy(double a, double pressure) {
  static const struct {
    int n;
    double square;
  } shell[3] = {{12, 0.5}, {6, 1}, {24, 1.5}};
  double sum = pressure * a * a * a / 4, slope;
  for (int k = 0; k < 3; k++) {
    double r2 = shell[k].square * a * a;
    if (r2 < argon.cutoff * argon.cutoff) sum += shell[k].n * toy_lj_pair(&argon, r2, &slope) / 2;
  }
  return sum;
}

static double best_length(double pressure) {
  double low = 4.8, high = 5.6;
  while (high - low > 1e-9) {
    double a = low + (high - low) * 0.4, b = low + (high - low) * 0.6;
    if (enthalpy(a, pressure) < enthalpy(b, pressure)) high = b;
    else low = a;
  }
  return (low + high) / 2;
}

static void crystal(double length, double shake, double shear, double (*x)[3], double cell[9]) {
  toy_fcc(2, length, cell, x);
  for (int i = 0; i < 32; i++)
    for (int k = 0; k < 3; k++) x[i][k] += shake * sin(7.0 * i + 3.0 * k + 1);
  for (int i = 0; i < 35; i++) {
    double *row = i < 32 ? x[i] : cell + 3 * (i - 32);
    row[0] += shear * row[1];
    row[1] -= 2 * shear * row[2];
  }
}

static void relax_crystal(relax_method method, relax_cell kind, double pressure, double shear) {
  double x[32][3], cell[9], force[32][3], stress[9], best = best_length(pressure);
  relax_outcome o;
  relax_settings s = {.method = method,
                      .cell = kind,
                      .force = 1e-5,
                      .stress = 1e-7,
                      .pressure = pressure,
                      .steps = 2000,
                      .context = &argon,
                      .evaluate = toy_lj_force};
  crystal(5.15, 0.1, shear, x, cell);
  cr_assert_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_OK, "%s", eqs_error());
  cr_expect(o.done, "%lld steps, force %g, stress %g", (long long)o.steps, o.force, o.stress);
  double volume = fabs(cell_volume(cell));
  cr_expect_float_eq(cbrt(volume) / 2, best, 2e-4, "%g", cbrt(volume) / 2);
  cr_expect_float_eq((o.energy + pressure * volume) / 32, enthalpy(best, pressure), 1e-7);
  for (int k = 0; k < 3; k++)
    for (int l = 0; l <= k; l++) { /* cubic again */
      double sum = 0;
      for (int a = 0; a < 3; a++) sum += cell[3 * k + a] * cell[3 * l + a];
      cr_expect_float_eq(sum / (4 * best * best), k == l, 2e-4);
    }
}

Test(relax, lbfgs_of_the_full_cell) { relax_crystal(RELAX_LBFGS, RELAX_FULL, 0, 0.01); }
Test(relax, lbfgs_under_pressure) { relax_crystal(RELAX_LBFGS, RELAX_FULL, 0.001, 0.01); }
Test(relax, lbfgs_of_the_volume) { relax_crystal(RELAX_LBFGS, RELAX_ISOTROPIC, 0, 0); }
Test(relax, fire_of_the_full_cell) { relax_crystal(RELAX_FIRE, RELAX_FULL, 0, 0.01); }
Test(relax, fire_of_the_volume) { relax_crystal(RELAX_FIRE, RELAX_ISOTROPIC, 0.001, 0); }

/* With the cell held, atoms go back to their places, and the cell stays as it was. */
Test(relax, atoms_alone) {
  for (int method = 0; method < 2; method++) {
    double x[32][3], cell[9], before[9], force[32][3], stress[9];
    relax_outcome o;
    relax_settings s = {.method = (relax_method)method,
                        .force = 1e-6,
                        .stress = 1,
                        .steps = 1000,
                        .context = &argon,
                        .evaluate = toy_lj_force};
    crystal(5.2, 0.15, 0, x, cell);
    memcpy(before, cell, sizeof cell);
    cr_assert_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_OK, "%s", eqs_error());
    cr_expect(o.done && o.stress == 0);
    cr_expect_float_eq(o.energy / 32, enthalpy(5.2, 0), 1e-9);
    cr_assert_arr_eq(cell, before, sizeof cell);
  }
}

static int second(void *user, int64_t step, double energy, double force, double stress) {
  double *lowest = user;
  if (step == 0) lowest[0] = energy;
  lowest[1] = energy + 0 * (force + stress);
  return step == 2;
}

Test(relax, stops_and_refusals) {
  double x[32][3], cell[9], force[32][3], stress[9], seen[2] = {0, 0};
  relax_outcome o;
  relax_settings s = {.force = 1e-9,
                      .stress = 1,
                      .steps = 1000,
                      .context = &argon,
                      .evaluate = toy_lj_force,
                      .watch = second,
                      .user = seen};
  crystal(5.2, 0.15, 0, x, cell);
  cr_assert_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_ERR_INTERRUPTED);
  cr_expect(o.steps == 2 && seen[1] < seen[0] && o.energy == seen[1]);
  s.watch = NULL, s.steps = 3;
  cr_assert_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_OK);
  cr_expect(!o.done && o.steps >= 3 && o.steps < 10);
  s.force = 0;
  cr_expect_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_ERR_ARGUMENT);
  s.force = 1, s.cell = RELAX_FULL;
  memset(cell, 0, sizeof cell);
  cr_expect_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_ERR_ARGUMENT);
  x[1][0] = NAN;
  toy_fcc(2, 5.2, cell, x);
  for (int k = 0; k < 3; k++) x[1][k] = x[0][k];
  cr_expect_eq(relax_run(&s, 32, x, cell, force, stress, &o), EQS_ERR_DIVERGED);
}
