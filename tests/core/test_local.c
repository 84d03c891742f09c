/* test_local.c -- energies of changed copies of a system, computed where the change reaches,
 * against full evaluations of the changed system by eqs_compute.
 *
 * Every test walks over the small MACE models in tests/data (one, two and three layers, with and
 * without density and pair repulsion) and, where its checkpoint is present, SevenNet-0 with five
 * layers. Frameworks are read from EQS_SHARED where present.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/random.h"
#include "core/neighbors.h"
#include "tests/reference.h"

/* Under the sanitizers, which cost a factor of ten, fewer changes and no SevenNet. */
#if defined(__SANITIZE_ADDRESS__)
enum { CHANGES = 5, STEPS = 5, WITH_SEVENNET = 0 };
#else
enum { CHANGES = 20, STEPS = 16, WITH_SEVENNET = 1 };
#endif
enum { MOST = 3000, IN_CHANGE = 4 };

typedef struct sample {
  int n, number[MOST], pbc[3];
  double position[MOST][3], cell[9];
} sample;

/* A change with its arrays. */
typedef struct change {
  int remove[IN_CHANGE], number[IN_CHANGE];
  double position[IN_CHANGE][3];
  eqs_change c;
} change;

static const char *const models[] = {"tiny_L0",
                                     "tiny_L1",
                                     "tiny_L1_agnesi",
                                     "tiny_L1_dens_agnesi_zbl",
                                     "tiny_L1_resfirst_3layer",
                                     "tiny_att_3layer",
                                     "tiny_nonlinear_3layer"};
enum { N_MACE = sizeof models / sizeof *models };
static const char sevennet[] = "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth";

static eqs_model *open_model(eqs_context *c, int k, eqs_precision precision) {
  char path[REFERENCE_PATH], relative[2 * REFERENCE_NAME];
  if (k < N_MACE) {
    snprintf(relative, sizeof relative, "models/%s.model", models[k]);
    cr_assert(reference_data(relative, path), "%s", relative);
    return reference_model(c, path, NULL, NULL, precision);
  }
  snprintf(relative, sizeof relative, "../../data/pretrained_potentials/%s", sevennet);
  if (!reference_in("EQS_SEVENNET_DIR", sevennet, path) && !reference_data(relative, path)) {
    fprintf(stderr, "skipped: SevenNet-0 (EQS_SEVENNET_DIR names its folder)\n");
    return NULL;
  }
  return reference_model(c, path, NULL, NULL, precision);
}

static const char *name_of(int k) { return k < N_MACE ? models[k] : "SevenNet-0"; }

/* ---- structures */

static double draw(uint64_t *index) {
  double u;
  random_uniform(20, 6, (*index)++, 1, &u);
  return u;
}

/* A jittered grid of m^3 atoms in an oblique cell, or as a cluster. */
static void fill(sample *s, int m, double spacing, int periodic) {
  static const int kinds[4] = {8, 30, 6, 1};
  uint64_t index = 0;
  *s = (sample){.pbc = {periodic, periodic, periodic}};
  const double shear[9] = {1, 0, 0, 0.12, 1, 0, -0.1, 0.15, 1};
  for (int k = 0; k < 9; k++) s->cell[k] = shear[k] * m * spacing;
  for (int i = 0; i < m * m * m; i++) {
    int at[3] = {i % m, i / m % m, i / m / m};
    s->number[i] = kinds[(at[0] + 2 * at[1] + 3 * at[2] + i / 7) % 4];
    for (int c = 0; c < 3; c++) {
      s->position[i][c] = 0.9 * (draw(&index) - 0.5);
      for (int k = 0; k < 3; k++) s->position[i][c] += shear[3 * k + c] * spacing * at[k];
    }
  }
  s->n = m * m * m;
}

static double nearest(const sample *s, const double x[3]) {
  double inverse[9], best = INFINITY;
  if (s->pbc[0]) cr_assert(cell_inverse(s->cell, inverse));
  for (int i = 0; i < s->n; i++) {
    double d[3], f[3] = {0, 0, 0};
    for (int c = 0; c < 3; c++) d[c] = x[c] - s->position[i][c];
    for (int k = 0; s->pbc[0] && k < 3; k++)
      f[k] = round(d[0] * inverse[k] + d[1] * inverse[3 + k] + d[2] * inverse[6 + k]);
    double r2 = 0;
    for (int c = 0; c < 3; c++) {
      d[c] -= f[0] * s->cell[c] + f[1] * s->cell[3 + c] + f[2] * s->cell[6 + c];
      r2 += d[c] * d[c];
    }
    best = fmin(best, sqrt(r2));
  }
  return best;
}

/* A place at least `apart` from all atoms, anywhere within two cells of the origin. */
static void find_place(const sample *s, double apart, uint64_t *index, double x[3]) {
  do {
    for (int c = 0; c < 3; c++) x[c] = 0;
    for (int k = 0; k < 3; k++) {
      double f = s->pbc[0] ? 4 * draw(index) - 2 : draw(index);
      for (int c = 0; c < 3; c++) x[c] += f * s->cell[3 * k + c];
    }
  } while (nearest(s, x) < apart);
}

/* Change number i of a sequence: put in, take out, move, swap. */
static void make_change(const sample *s, int i, uint64_t *index, change *out) {
  static const int in[4] = {3, 0, 3, 2}, gone[4] = {0, 2, 3, 4}, kinds[3] = {6, 8, 8};
  int kind = i % 4;
  *out = (change){.c = {.n_remove = gone[kind], .n_insert = in[kind]}};
  for (int r = 0; r < gone[kind]; r++) {
    int again;
    do {
      out->remove[r] = (int)(draw(index) * s->n);
      again = 0;
      for (int q = 0; q < r; q++) again |= out->remove[q] == out->remove[r];
    } while (again);
  }
  double near;
  do {
    double centre[3], axis[3] = {draw(index) - 0.5, draw(index) - 0.5, draw(index) - 0.5};
    double length = sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]);
    find_place(s, 1.3, index, centre);
    near = INFINITY;
    for (int a = 0; a < in[kind]; a++) {
      static const double at[3] = {0, 1.16, -1.16};
      out->number[a] = kinds[a];
      for (int c = 0; c < 3; c++) out->position[a][c] = centre[c] + at[a] * axis[c] / length;
      near = fmin(near, nearest(s, out->position[a]));
    }
  } while (near < 0.7);
}

static void wire(change *c, int n) {
  for (int i = 0; i < n; i++) {
    c[i].c.remove = c[i].remove;
    c[i].c.number = c[i].number;
    c[i].c.position = c[i].position[0];
  }
}

/* The rule of eqs_change, on the test's own copy. */
static void apply(sample *s, const change *c) {
  int appended = s->n, gone[IN_CHANGE], n_gone = 0;
  for (int a = 0; a < c->c.n_insert; a++) {
    int to = a < c->c.n_remove ? c->remove[a] : appended++;
    s->number[to] = c->number[a];
    memcpy(s->position[to], c->position[a], sizeof *s->position);
  }
  s->n = appended;
  for (int r = c->c.n_insert; r < c->c.n_remove; r++) gone[n_gone++] = c->remove[r];
  for (int k = 0; k < n_gone; k++) {
    int high = k;
    for (int q = k + 1; q < n_gone; q++)
      if (gone[q] > gone[high]) high = q;
    int to = gone[high], last = --s->n;
    gone[high] = gone[k];
    s->number[to] = s->number[last];
    memcpy(s->position[to], s->position[last], sizeof *s->position);
  }
}

/* ---- energies */

static eqs_systems view(const sample *s, int first[2]) {
  first[0] = 0;
  first[1] = s->n;
  return (eqs_systems){.size = sizeof(eqs_systems),
                       .n_system = 1,
                       .first = first,
                       .number = s->number,
                       .position = s->position[0],
                       .cell = s->cell,
                       .pbc = s->pbc};
}

static long double full(eqs_context *c, const eqs_model *m, const sample *s, double *energies) {
  static double own[MOST];
  int first[2];
  long double sum = 0;
  eqs_systems in = view(s, first);
  eqs_result out = {.size = sizeof out, .energies = energies ? energies : own};
  cr_assert_eq(eqs_compute(c, m, &in, &out), EQS_OK, "%s", eqs_error());
  for (int i = 0; i < s->n; i++) sum += out.energies[i];
  return sum;
}

static eqs_local *open_local(eqs_context *c, const eqs_model *m, const sample *s) {
  int first[2];
  eqs_systems in = view(s, first);
  eqs_local *l;
  cr_assert_eq(eqs_local_open(c, m, &in, &l), EQS_OK, "%s", eqs_error());
  return l;
}

/* Energies per atom of the local state have the bits of `want`. */
static void expect_bits(const eqs_local *l, const double *want, int n, const char *name) {
  eqs_systems now;
  const double *have;
  cr_assert_eq(eqs_local_view(l, &now, &have), EQS_OK, "%s", eqs_error());
  cr_assert_eq(now.first[1], n);
  cr_assert(memcmp(have, want, (size_t)n * sizeof *want) == 0, "%s: the state has changed", name);
}

/* Random changes of one state, all in one call, against full evaluations. Returns the worst. */
static double worst_of_trials(eqs_context *c, const eqs_model *m, const sample *s, int n,
                              const char *name) {
  static change changes[CHANGES];
  static eqs_change list[CHANGES];
  static double de[CHANGES], before[MOST];
  static sample other;
  uint64_t index = 1000000;
  double worst = 0;
  long double base = full(c, m, s, before);
  for (int i = 0; i < n; i++) make_change(s, i, &index, changes + i);
  wire(changes, n);
  for (int i = 0; i < n; i++) list[i] = changes[i].c;
  eqs_local *l = open_local(c, m, s);
  expect_bits(l, before, s->n, name);
  cr_assert_eq(eqs_local_try(l, n, list, de), EQS_OK, "%s", eqs_error());
  expect_bits(l, before, s->n, name);
  eqs_local_free(&l);
  for (int i = 0; i < n; i++) {
    other = *s;
    apply(&other, changes + i);
    double want = (double)(full(c, m, &other, NULL) - base);
    worst = fmax(worst, isnan(de[i]) ? INFINITY : fabs(de[i] - want));
  }
  return worst;
}

/* Runs `body` for every model there is. */
typedef void model_test(eqs_context *c, const eqs_model *m, const char *name);

static void for_models(eqs_precision precision, model_test *body) {
  eqs_context *c = reference_context();
  for (int k = 0; k < N_MACE + WITH_SEVENNET; k++) {
    eqs_model *m = open_model(c, k, precision);
    if (!m) continue;
    body(c, m, name_of(k));
    eqs_model_free(&m);
  }
  eqs_context_free(&c);
}

static sample grid;

static void trials_double(eqs_context *c, const eqs_model *m, const char *name) {
  double worst = worst_of_trials(c, m, &grid, CHANGES, name);
  cr_assert_leq(worst, 1e-10, "%s: %g eV", name, worst);
}

static void trials_single(eqs_context *c, const eqs_model *m, const char *name) {
  double worst = worst_of_trials(c, m, &grid, CHANGES, name);
  cr_assert_leq(worst, 1e-5, "%s: %g eV", name, worst);
}

Test(local, trials_in_a_cell_wider_than_the_reach) {
  fill(&grid, 5, 3.0, 1);
  for_models(EQS_DOUBLE, trials_double);
}

Test(local, trials_in_single_precision) {
  fill(&grid, 5, 3.0, 1);
  for_models(EQS_SINGLE, trials_single);
}

Test(local, trials_in_a_cell_smaller_than_the_cutoff) {
  fill(&grid, 2, 2.2, 1);
  for_models(EQS_DOUBLE, trials_double);
}

Test(local, trials_in_a_cluster) {
  fill(&grid, 4, 3.0, 0);
  for_models(EQS_DOUBLE, trials_double);
}

/* A sequence of changes that are made: every difference, every state, and the way back. */
static void walk(eqs_context *c, const eqs_model *m, const char *name) {
  static sample now;
  static change one;
  static double energies[MOST];
  uint64_t index = 5000000;
  now = grid;
  eqs_local *l = open_local(c, m, &now);
  long double before = full(c, m, &now, NULL);
  for (int i = 0; i < STEPS; i++) {
    make_change(&now, i, &index, &one);
    wire(&one, 1);
    double tried, made, fresh;
    cr_assert_eq(eqs_local_try(l, 1, &one.c, &tried), EQS_OK, "%s", eqs_error());
    cr_assert_eq(eqs_local_commit(l, &one.c, &made), EQS_OK, "%s", eqs_error());
    apply(&now, &one);
    long double after = full(c, m, &now, energies);
    cr_assert_eq(tried, made);
    cr_assert_float_eq(made, (double)(after - before), 1e-10, "%s, change %d", name, i);
    eqs_systems state;
    const double *kept;
    cr_assert_eq(eqs_local_view(l, &state, &kept), EQS_OK);
    cr_assert_eq(state.first[1], now.n);
    cr_assert(memcmp(state.number, now.number, (size_t)now.n * sizeof(int)) == 0);
    cr_assert(memcmp(state.position, now.position, (size_t)now.n * sizeof *now.position) == 0);
    for (int k = 0; k < now.n; k++)
      cr_assert_float_eq(kept[k], energies[k], 1e-10, "%s, change %d, atom %d", name, i, k);
    if (i % 8 == 7) {
      cr_assert_eq(eqs_local_refresh(l, &fresh), EQS_OK, "%s", eqs_error());
      cr_assert_float_eq(fresh, (double)after, 1e-9);
    }
    before = after;
  }
  eqs_local_free(&l);
}

Test(local, changes_that_are_made) {
  fill(&grid, 4, 3.0, 1);
  for_models(EQS_DOUBLE, walk);
}

/* More atoms than a state has room for at first. */
Test(local, grows) {
  static sample now;
  static change one;
  uint64_t index = 13000000;
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 0, EQS_DOUBLE);
  fill(&now, 4, 4.5, 1);
  eqs_local *l = open_local(c, m, &now);
  long double before = full(c, m, &now, NULL), after = before;
  for (int i = 0; i < 32; i++) {
    double made;
    make_change(&now, 0, &index, &one);
    wire(&one, 1);
    cr_assert_eq(eqs_local_commit(l, &one.c, &made), EQS_OK, "%s", eqs_error());
    apply(&now, &one);
    after += made;
  }
  cr_assert_eq(now.n, 64 + 96);
  cr_assert_float_eq((double)(after - before), (double)(full(c, m, &now, NULL) - before), 1e-9);
  eqs_local_free(&l);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* Put in and taken out again: the differences cancel. */
static void there_and_back(eqs_context *c, const eqs_model *m, const char *name, double tolerance) {
  static change in;
  uint64_t index = 7000000;
  eqs_local *l = open_local(c, m, &grid);
  for (int i = 0; i < 8; i++) {
    make_change(&grid, 0, &index, &in);
    wire(&in, 1);
    const int added[3] = {grid.n, grid.n + 1, grid.n + 2};
    eqs_change out = {.n_remove = 3, .remove = added};
    double forth, back;
    cr_assert_eq(eqs_local_commit(l, &in.c, &forth), EQS_OK, "%s", eqs_error());
    cr_assert_eq(eqs_local_commit(l, &out, &back), EQS_OK, "%s", eqs_error());
    cr_assert_float_eq(forth, -back, tolerance, "%s: %g and %g", name, forth, back);
  }
  eqs_local_free(&l);
}

static void there_and_back_double(eqs_context *c, const eqs_model *m, const char *name) {
  there_and_back(c, m, name, 1e-10);
}

static void there_and_back_single(eqs_context *c, const eqs_model *m, const char *name) {
  there_and_back(c, m, name, 1e-5);
}

Test(local, insertion_and_deletion_cancel) {
  fill(&grid, 5, 3.0, 1);
  for_models(EQS_DOUBLE, there_and_back_double);
  for_models(EQS_SINGLE, there_and_back_single);
}

/* One call, many calls, one thread, three threads. */
static void same_bits(eqs_context *c, const eqs_model *m, const char *name) {
  static change changes[CHANGES];
  static eqs_change list[CHANGES];
  static double first[CHANGES], again[CHANGES];
  uint64_t index = 9000000;
  for (int i = 0; i < CHANGES; i++) make_change(&grid, i, &index, changes + i);
  wire(changes, CHANGES);
  for (int i = 0; i < CHANGES; i++) list[i] = changes[i].c;
  for (int threads = 1; threads <= 3; threads++) {
    double *de = threads == 1 ? first : again;
    cr_assert_eq(eqs_context_set_threads(c, threads), EQS_OK);
    eqs_local *l = open_local(c, m, &grid);
    cr_assert_eq(eqs_local_try(l, CHANGES, list, de), EQS_OK, "%s", eqs_error());
    cr_assert(memcmp(first, de, sizeof first) == 0, "%s, %d threads", name, threads);
    for (int i = 0; i < CHANGES; i++) {
      cr_assert_eq(eqs_local_try(l, 1, list + i, again), EQS_OK, "%s", eqs_error());
      cr_assert_float_eq(again[0], first[i], 1e-12 * fmax(1, fabs(first[i])));
    }
    eqs_local_free(&l);
  }
}

Test(local, threads_and_batches) {
  fill(&grid, 4, 3.0, 1);
  for_models(EQS_DOUBLE, same_bits);
}

/* Dispersion feels coordination numbers far off: trials to 0.1 meV, states that are made exactly.
 */
Test(local, with_dispersion) {
  static sample now;
  static change one;
  static double energies[MOST];
  eqs_context *c = reference_context();
  eqs_model *m;
  eqs_model_options options = {
      .size = sizeof options, .precision = EQS_DOUBLE, .dispersion = "d3bj:pbe"};
  cr_assert_eq(eqs_model_load(c, EQS_SOURCE_DIR "/tests/data/models/tiny_L1.model", &options, &m),
               EQS_OK, "%s", eqs_error());
  fill(&grid, 3, 4.0, 1);
  now = grid;
  uint64_t index = 11000000;
  eqs_local *l = open_local(c, m, &now);
  long double before = full(c, m, &now, NULL);
  for (int i = 0; i < 4; i++) {
    double made, fresh;
    make_change(&now, i, &index, &one);
    wire(&one, 1);
    cr_assert_eq(eqs_local_commit(l, &one.c, &made), EQS_OK, "%s", eqs_error());
    apply(&now, &one);
    long double after = full(c, m, &now, energies);
    cr_assert_float_eq(made, (double)(after - before), 1e-4, "change %d", i);
    eqs_systems state;
    const double *kept;
    cr_assert_eq(eqs_local_view(l, &state, &kept), EQS_OK);
    for (int k = 0; k < now.n; k++) cr_assert_float_eq(kept[k], energies[k], 1e-10);
    cr_assert_eq(eqs_local_refresh(l, &fresh), EQS_OK, "%s", eqs_error());
    cr_assert_float_eq(fresh, (double)after, 1e-9);
    before = after;
  }
  eqs_local_free(&l);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

Test(local, refusals) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 0, EQS_DOUBLE);
  fill(&grid, 4, 3.0, 1);
  eqs_local *l = open_local(c, m, &grid);
  const int twice[2] = {3, 3}, beyond[1] = {64}, negative[1] = {-1}, unknown[1] = {92},
            carbon[1] = {6};
  const double here[3] = {1, 1, 1}, nowhere[3] = {0, NAN, 0}, far[3] = {2e6, 0, 0};
  double *atom = grid.position[5], onto[3] = {atom[0], atom[1], atom[2] + 1e-4}, de;
  const eqs_change wrong[] = {{.n_remove = 2, .remove = twice},
                              {.n_remove = 1, .remove = beyond},
                              {.n_remove = 1, .remove = negative},
                              {.n_remove = -1},
                              {.n_insert = 1},
                              {.n_insert = 1, .number = unknown, .position = here},
                              {.n_insert = 1, .number = carbon, .position = nowhere},
                              {.n_insert = 1, .number = carbon, .position = far}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    cr_assert_eq(eqs_local_try(l, 1, wrong + i, &de), EQS_ERR_ARGUMENT, "%zu", i);
    cr_assert_eq(eqs_local_commit(l, wrong + i, NULL), EQS_ERR_ARGUMENT, "%zu", i);
  }
  /* Onto an atom: no energy, no error in a trial; after an error all goes on. */
  const eqs_change both[2] = {{.n_insert = 1, .number = carbon, .position = onto},
                              {.n_insert = 1, .number = carbon, .position = here}};
  double two[2];
  cr_assert_eq(eqs_local_try(l, 2, both, two), EQS_OK, "%s", eqs_error());
  cr_assert(isnan(two[0]) && isfinite(two[1]));
  cr_assert_eq(eqs_local_commit(l, both, NULL), EQS_ERR_DIVERGED);
  cr_assert_eq(eqs_local_try(l, 1, both + 1, &de), EQS_OK);
  cr_assert_eq(de, two[1]);
  eqs_local_free(&l);
  int first[2], slab[3] = {1, 1, 0};
  eqs_systems in = view(&grid, first);
  in.pbc = slab;
  cr_assert_eq(eqs_local_open(c, m, &in, &l), EQS_ERR_UNSUPPORTED);
  cr_assert_null(l);
  eqs_model_free(&m);
  eqs_context_free(&c);
}
