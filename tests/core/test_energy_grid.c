/* test_energy_grid.c -- tabulated energies against exact ones.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/energy_grid.h"

#include "core/adsorption/widom.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An open skewed crystal with strong charges; a box of 5 x 5 x 4 cells, so large that a
 * guest hardly feels its own images. */
static framework open_crystal(void) {
  static const double cell[9] = {11.2, 0, 0, -2.4, 10.1, 0, 1.3, 2.2, 12.9};
  static const int number[4] = {12, 8, 6, 8};
  static const double charge[4] = {1.2, -0.9, 0.5, -0.8};
  static const double place[4][3] = {
      {0.4, 0.2, 0.1}, {2.3, 0.5, 0.3}, {2.9, 1.6, 0.6}, {2.2, 2.5, 1.1}};
  framework f = {0};
  for (int i = 0; i < 4; i++)
    cr_assert(structure_append(&f.cell, number[i], place[i], charge[i]) == EQS_OK);
  for (int k = 0; k < 3; k++) f.replica[k] = k < 2 ? 5 : 4;
  for (int k = 0; k < 9; k++) {
    f.cell.cell[k] = cell[k];
    f.box.cell[k] = cell[k] * f.replica[k / 3];
  }
  return f;
}

typedef struct bench {
  framework f;
  workspace work;
  guest_energy *energy;
} bench;

static void bench_open(bench *b, int threads) {
  static const char *const names[3] = {"CO2", "H2O", "CH4"};
  *b = (bench){.f = open_crystal()};
  gas g[3];
  for (int i = 0; i < 3; i++) cr_assert(gas_find(names[i], g + i) == EQS_OK);
  cr_assert(workspace_set_threads(&b->work, threads) == EQS_OK);
  cr_assert(classical_energy_open(&b->f, 3, g, NULL, &b->work, &b->energy) == EQS_OK);
}

static void bench_close(bench *b) {
  b->energy->ops->free(b->energy);
  workspace_free(&b->work);
  framework_free(&b->f);
}

enum { N = 2000 };
typedef struct errors {
  double rms, most;
  int low, wrong; /* compared; put high though they are low */
} errors;

static errors compare(bench *b, int component, double spacing, energy_grid_description *d) {
  energy_grid *g;
  errors e = {0};
  pose *p = calloc(N, sizeof *p);
  double *u = calloc(2 * N, sizeof *u), *exact = u + N;
  cr_assert(energy_grid_build(b->energy, component, spacing, NULL, NULL, &g) == EQS_OK);
  energy_grid_describe(g, d);
  for (int i = 0; i < N; i++) {
    pose_draw(77, 1, (uint64_t)i, b->f.box.cell, p + i);
    p[i].position[0] -= 100; /* anywhere */
  }
  cr_assert(energy_grid_poses(g, N, p, u) == EQS_OK);
  cr_assert(classical_energy_poses(b->energy, component, N, p, exact) == EQS_OK);
  for (int i = 0; i < N; i++) {
    cr_assert(!isnan(u[i]));
    if (exact[i] < 0.05) {
      e.low++;
      e.rms += (u[i] - exact[i]) * (u[i] - exact[i]);
      e.most = fmax(e.most, fabs(u[i] - exact[i]));
    }
    e.wrong += (exact[i] < 0.3) != (u[i] < 0.3) && fabs(exact[i] - u[i]) > 0.02;
  }
  e.rms = sqrt(e.rms / e.low);
  energy_grid_free(&g);
  free(p);
  free(u);
  return e;
}

/* kT is 0.026 eV; poses with a weight are right to a small part of it, and the stated error is the
 * true one. Cubic interpolation: half the spacing, 1/16 of the error in the
 * limit, less here because a coarse grid leaves more to exact energies. */
Test(energy_grid, error_is_small_and_stated) {
  bench b;
  bench_open(&b, 2);
  static const double rms[3] = {6e-4, 1.2e-3, 3e-4}, most[3] = {0.012, 0.03, 0.006};
  for (int c = 0; c < 3; c++) {
    energy_grid_description d, coarse;
    errors fine = compare(&b, c, 0.2, &d), far = compare(&b, c, 0.4, &coarse);
    cr_expect(fine.low > 700 && fine.wrong == 0, "%d low, %d wrong", fine.low, fine.wrong);
    cr_expect(fine.rms < rms[c] && fine.most < most[c], "gas %d: rms %g, most %g eV", c, fine.rms,
              fine.most);
    cr_expect(d.rms > fine.rms / 2 && d.rms < 2.5 * fine.rms && d.checked > 500,
              "gas %d: %g stated, %g found", c, d.rms, fine.rms);
    cr_expect(far.rms > 2.5 * fine.rms, "gas %d: %g at 0.4, %g at 0.2 angstrom", c, far.rms,
              fine.rms);
    cr_expect(d.spacing <= 0.2 && d.spacing > 0.15 && coarse.n[0] < d.n[0] && d.bytes > 500000);
  }
  bench_close(&b);
}

/* The same average weight as by exact energies, within what the error of the energies allows. */
Test(energy_grid, average_weight) {
  bench b;
  bench_open(&b, 2);
  energy_grid *g;
  enum { M = 20000 };
  pose *p = calloc(M, sizeof *p);
  double *u = calloc(2 * M, sizeof *u), sum = 0, exact = 0, kt = BOLTZMANN_EV * 300;
  cr_assert(energy_grid_build(b.energy, 0, 0.2, NULL, NULL, &g) == EQS_OK);
  for (int i = 0; i < M; i++) pose_draw(1, 1, (uint64_t)i, b.f.cell.cell, p + i);
  cr_assert(energy_grid_poses(g, M, p, u) == EQS_OK);
  cr_assert(classical_energy_poses(b.energy, 0, M, p, u + M) == EQS_OK);
  for (int i = 0; i < M; i++) {
    sum += exp(-u[i] / kt);
    exact += exp(-u[M + i] / kt);
  }
  cr_expect(fabs(sum / exact - 1) < 0.02, "%g instead of %g", sum / M, exact / M);
  energy_grid_free(&g);
  free(p);
  free(u);
  bench_close(&b);
}

static int stop_at_half(void *context, int64_t done, int64_t all) {
  int *calls = context;
  ++*calls;
  return 2 * done >= all;
}

static int go_on(void *context, int64_t done, int64_t all) {
  *(int64_t *)context = all - done;
  return 0;
}

Test(energy_grid, threads_stop_and_refusals) {
  bench one, three;
  energy_grid *a, *b;
  enum { M = 2000 };
  static pose p[M];
  static double u[M], v[M];
  int calls = 0;
  int64_t left = -1;
  bench_open(&one, 1);
  bench_open(&three, 3);
  cr_assert(energy_grid_build(one.energy, 1, 0.5, NULL, NULL, &a) == EQS_OK);
  cr_assert(energy_grid_build(three.energy, 1, 0.5, go_on, &left, &b) == EQS_OK && left == 0);
  for (int i = 0; i < M; i++) pose_draw(5, 1, (uint64_t)i, one.f.cell.cell, p + i);
  cr_assert(energy_grid_poses(a, M, p, u) == EQS_OK && energy_grid_poses(b, M, p, v) == EQS_OK);
  cr_expect(!memcmp(u, v, sizeof u));
  cr_assert(energy_grid_poses(a, 1, p + 7, v) == EQS_OK && v[0] == u[7]);
  p[3].position[2] = INFINITY;
  cr_expect(energy_grid_poses(a, M, p, u) == EQS_ERR_ARGUMENT);
  energy_grid_free(&a);
  energy_grid_free(&a);
  energy_grid_free(&b);
  cr_expect(energy_grid_build(one.energy, 1, 0.2, stop_at_half, &calls, &a) ==
                EQS_ERR_INTERRUPTED &&
            !a && calls > 1);
  cr_expect(energy_grid_build(one.energy, 3, 0.5, NULL, NULL, &a) == EQS_ERR_ARGUMENT);
  cr_expect(energy_grid_build(one.energy, 0, -1, NULL, NULL, &a) == EQS_ERR_ARGUMENT);
  cr_expect(energy_grid_build(one.energy, 0, NAN, NULL, NULL, &a) == EQS_ERR_ARGUMENT);
  bench_close(&one);
  bench_close(&three);
}
