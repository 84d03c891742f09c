/* test_invariance.c -- what must hold for any model: forces and stress are derivatives of the
 * energy, and the energy does not care how the same system is described.
 *
 * Every test walks over the small MACE models in tests/data and, where its checkpoint is present
 * (EQS_SEVENNET_DIR), SevenNet-0. SevenNet knows rotations only: all its features are even, so an
 * inverted structure may differ and inversion is tested for MACE alone.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/reference.h"

enum { ATOMS = 5, MOST = 64 };

typedef struct sample {
  int n, number[MOST], pbc[3];
  double position[3 * MOST], cell[9];
} sample;

typedef struct answer {
  double energy, energies[MOST], forces[3 * MOST], stress[9];
} answer;

/* An ordinary skew cell, no two atoms closer than 1.2 angstrom, smaller than any cutoff. */
static const sample base = {.n = ATOMS,
                            .number = {30, 8, 6, 1, 8},
                            .pbc = {1, 1, 1},
                            .position = {0.11, 0.07, -0.13, 1.93, 0.24, 0.31, 2.61, 2.23, 1.87,
                                         3.42, 2.91, 2.41, 0.36, 2.12, 2.87},
                            .cell = {4.61, 0.12, -0.23, 0.74, 4.92, 0.31, -0.42, 0.83, 5.13}};

static const char *const mace_models[] = {"tiny_L0",
                                          "tiny_L0_MACEcls_cheb_f32",
                                          "tiny_L1",
                                          "tiny_L1_agnesi",
                                          "tiny_L1_dens_agnesi_zbl",
                                          "tiny_L1_multihead",
                                          "tiny_L1_nocutapply_dens",
                                          "tiny_L1_resfirst_3layer",
                                          "tiny_L1_soft_gauss",
                                          "tiny_L2",
                                          "tiny_L0_zbl",
                                          "tiny_L1_att",
                                          "tiny_L1_mh1like",
                                          "tiny_att_3layer",
                                          "tiny_nonlinear_3layer",
                                          "tiny_nonlinear_l0",
                                          "tiny_nonlinear_narrow",
                                          "tiny_one_layer"};
enum { N_MACE = sizeof mace_models / sizeof *mace_models };

/* Model k of all, or NULL if its file is not here. The last one is SevenNet. */
static eqs_model *open_model(eqs_context *c, int k, eqs_precision precision) {
  char path[REFERENCE_PATH], relative[2 * REFERENCE_NAME];
  static const char file[] = "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth";
  if (k < N_MACE) {
    snprintf(relative, sizeof relative, "models/%s.model", mace_models[k]);
    if (!reference_data(relative, path)) return NULL;
    /* the only one whose heads are not one, nor "Default" */
    const char *head = strcmp(mace_models[k], "tiny_L1_mh1like") ? NULL : "omat_pbe";
    return reference_model(c, path, head, NULL, precision);
  }
  snprintf(relative, sizeof relative, "../../data/pretrained_potentials/%s", file);
  if (!reference_in("EQS_SEVENNET_DIR", file, path) && !reference_data(relative, path)) {
    fprintf(stderr, "skipped: SevenNet-0 (EQS_SEVENNET_DIR names its folder)\n");
    return NULL;
  }
  return reference_model(c, path, NULL, NULL, precision);
}

static const char *model_name(int k) { return k < N_MACE ? mace_models[k] : "SevenNet-0"; }

/* Runs `body(context, model, name)` for every model there is, in double. */
typedef void model_test(eqs_context *c, const eqs_model *m, const char *name);

static void for_models(int n, model_test *body) {
  eqs_context *c = reference_context();
  int ran = 0, step = getenv("EQS_TEST_DEVICE") ? 3 : 1; /* an emulated device is slow */
  for (int k = 0; k < n; k += step) {
    eqs_model *m = open_model(c, k, EQS_DOUBLE);
    if (!m) continue;
    body(c, m, model_name(k));
    eqs_model_free(&m);
    ran++;
  }
  cr_assert_geq(ran, 5);
  eqs_context_free(&c);
}

static eqs_status evaluate(eqs_context *c, const eqs_model *m, const sample *s, answer *a) {
  int first[2] = {0, s->n};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s->number,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = s->pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = &a->energy,
                    .energies = a->energies,
                    .forces = a->forces,
                    .stress = a->stress};
  return eqs_compute(c, m, &in, &out);
}

static answer must_evaluate(eqs_context *c, const eqs_model *m, const sample *s) {
  answer a;
  cr_assert_eq(evaluate(c, m, s, &a), EQS_OK, "%s", eqs_error());
  return a;
}

static double energy_of(eqs_context *c, const eqs_model *m, const sample *s) {
  int first[2] = {0, s->n};
  double energy = NAN;
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s->number,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = s->pbc};
  eqs_result out = {.size = sizeof out, .energy = &energy};
  cr_assert_eq(eqs_compute(c, m, &in, &out), EQS_OK, "%s", eqs_error());
  return energy;
}

static double volume_of(const double h[9]) {
  return fabs(h[0] * (h[4] * h[8] - h[5] * h[7]) - h[1] * (h[3] * h[8] - h[5] * h[6]) +
              h[2] * (h[3] * h[7] - h[4] * h[6]));
}

/* rows . matrix */
static void turn_rows(const double *rows, int n, const double matrix[9], double *out) {
  for (int i = 0; i < n; i++)
    for (int b = 0; b < 3; b++) {
      out[3 * i + b] = 0;
      for (int a = 0; a < 3; a++) out[3 * i + b] += rows[3 * i + a] * matrix[3 * a + b];
    }
}

static void expect_close(const double *got, const double *want, int n, double tolerance,
                         const char *model, const char *what) {
  double most = 0;
  for (int k = 0; k < n; k++) most = fmax(most, isnan(got[k]) ? INFINITY : fabs(got[k] - want[k]));
  cr_expect(most <= tolerance, "%s: %s differ by %.1e", model, what, most);
}

static double largest(const double *x, int n) {
  double most = 1;
  for (int k = 0; k < n; k++) most = fmax(most, fabs(x[k]));
  return most;
}

/* Fourth-order central difference along `s + h step`. */
typedef void displace(sample *s, int which, double h);

static double slope(eqs_context *c, const eqs_model *m, displace *move, int which) {
  static const double weight[4] = {1, -8, 8, -1}, at[4] = {-2, -1, 1, 2};
  const double h = 2.5e-4;
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    sample s = base;
    move(&s, which, at[k] * h);
    sum += weight[k] * energy_of(c, m, &s);
  }
  return sum / (12 * h);
}

static void move_atom(sample *s, int which, double h) { s->position[which] += h; }

/* Strain component (a, b), a = which / 3: x[b] += h x[a], of positions and cell. */
static void strain(sample *s, int which, double h) {
  double e[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, x[3 * MOST];
  e[which] += h;
  turn_rows(s->position, s->n, e, x);
  memcpy(s->position, x, sizeof(double) * 3 * (size_t)s->n);
  turn_rows(s->cell, 3, e, x);
  memcpy(s->cell, x, sizeof s->cell);
}

static void check_derivatives(eqs_context *c, const eqs_model *m, const char *name) {
  answer a = must_evaluate(c, m, &base);
  double forces[3 * ATOMS], stress[9];
  for (int k = 0; k < 3 * ATOMS; k++) forces[k] = -slope(c, m, move_atom, k);
  for (int k = 0; k < 9; k++) stress[k] = slope(c, m, strain, k) / volume_of(base.cell);
  expect_close(a.forces, forces, 3 * ATOMS, 2e-8 * largest(forces, 3 * ATOMS), name, "forces");
  expect_close(a.stress, stress, 9, 2e-9 * largest(stress, 9), name, "stresses");
  double sum = 0;
  for (int i = 0; i < ATOMS; i++) sum += a.energies[i];
  expect_close(&sum, &a.energy, 1, 1e-11, name, "the energy and the sum over atoms");
}

Test(invariance, finite_differences) { for_models(N_MACE + 1, check_derivatives); }

/* Compares with the answer for `base`, for the same atoms in the same order. */
static void expect_same(eqs_context *c, const eqs_model *m, const char *name, const sample *s,
                        const char *what) {
  answer want = must_evaluate(c, m, &base), got = must_evaluate(c, m, s);
  double scale = largest(want.forces, 3 * ATOMS);
  expect_close(&got.energy, &want.energy, 1, 1e-10, name, what);
  expect_close(got.energies, want.energies, ATOMS, 1e-10, name, what);
  expect_close(got.forces, want.forces, 3 * ATOMS, 1e-10 * scale, name, what);
  expect_close(got.stress, want.stress, 9, 1e-10, name, what);
}

static void check_rotation(eqs_context *c, const eqs_model *m, const char *name) {
  /* From the unit quaternion (0.5, 0.1, -0.7, 0.5) of length one. */
  const double w = 0.5, x = 0.1, y = -0.7, z = 0.5;
  const double r[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - w * z),     2 * (x * z + w * y),
                       2 * (x * y + w * z),     1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                       2 * (x * z - w * y),     2 * (y * z + w * x),     1 - 2 * (x * x + y * y)};
  sample s = base;
  turn_rows(base.position, ATOMS, r, s.position);
  turn_rows(base.cell, 3, r, s.cell);
  answer want = must_evaluate(c, m, &base), got = must_evaluate(c, m, &s);
  double forces[3 * ATOMS], half[9], stress[9], back[9];
  turn_rows(want.forces, ATOMS, r, forces);
  for (int k = 0; k < 9; k++) back[k] = r[3 * (k % 3) + k / 3];
  turn_rows(want.stress, 3, r, half);
  turn_rows(back, 3, half, stress);
  /* SevenNet's checkpoints hold their coupling coefficients as float32, good to 3e-8. */
  double tolerance = strcmp(name, "SevenNet-0") ? 1e-10 : 1e-8;
  expect_close(&got.energy, &want.energy, 1, tolerance, name, "rotated energies");
  expect_close(got.forces, forces, 3 * ATOMS, tolerance * largest(forces, 3 * ATOMS), name,
               "rotated forces");
  expect_close(got.stress, stress, 9, tolerance, name, "rotated stresses");
}

Test(invariance, rotation) { for_models(N_MACE + 1, check_rotation); }

static void check_inversion(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = base;
  for (int k = 0; k < 3 * ATOMS; k++) s.position[k] = -s.position[k];
  answer want = must_evaluate(c, m, &base), got = must_evaluate(c, m, &s);
  for (int k = 0; k < 3 * ATOMS; k++) got.forces[k] = -got.forces[k];
  expect_close(&got.energy, &want.energy, 1, 1e-10, name, "inverted energies");
  expect_close(got.forces, want.forces, 3 * ATOMS, 1e-9 * largest(want.forces, 3 * ATOMS), name,
               "inverted forces");
}

Test(invariance, inversion_of_mace) { for_models(N_MACE, check_inversion); }

/* All atoms moved together, and each into another cell. */
static void check_translation(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = base;
  for (int i = 0; i < ATOMS; i++)
    for (int a = 0; a < 3; a++)
      s.position[3 * i + a] += 0.7 * (a + 1) + (i - 2) * base.cell[a] + (i % 2) * base.cell[3 + a] -
                               i * base.cell[6 + a];
  expect_same(c, m, name, &s, "translated results");
}

Test(invariance, translation) { for_models(N_MACE + 1, check_translation); }

static void check_cell(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = base;
  for (int a = 0; a < 3; a++) {
    s.cell[a] += base.cell[3 + a] - 2 * base.cell[6 + a];
    s.cell[3 + a] -= base.cell[6 + a];
    s.cell[6 + a] += 3 * s.cell[3 + a];
  }
  expect_same(c, m, name, &s, "results in another basis of the lattice");
  for (int a = 0; a < 3; a++) { /* left-handed */
    s.cell[a] = base.cell[3 + a];
    s.cell[3 + a] = base.cell[a];
    s.cell[6 + a] = base.cell[6 + a];
  }
  expect_same(c, m, name, &s, "results in a left-handed basis");
}

Test(invariance, change_of_cell) { for_models(N_MACE + 1, check_cell); }

static void check_permutation(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = base;
  for (int i = 0; i < ATOMS; i++) {
    int from = (2 * i + 3) % ATOMS;
    s.number[i] = base.number[from];
    memcpy(s.position + 3 * i, base.position + 3 * from, 3 * sizeof(double));
  }
  answer want = must_evaluate(c, m, &base), got = must_evaluate(c, m, &s);
  expect_close(&got.energy, &want.energy, 1, 1e-10, name, "permuted energies");
  expect_close(got.stress, want.stress, 9, 1e-10, name, "permuted stresses");
  for (int i = 0; i < ATOMS; i++) {
    int from = (2 * i + 3) % ATOMS;
    expect_close(got.energies + i, want.energies + from, 1, 1e-10, name, "permuted atoms");
    expect_close(got.forces + 3 * i, want.forces + 3 * from, 3,
                 1e-10 * largest(want.forces, 3 * ATOMS), name, "permuted forces");
  }
}

Test(invariance, permutation) { for_models(N_MACE + 1, check_permutation); }

/* `times` copies along a. */
static sample supercell(int times) {
  sample s = base;
  s.n = times * ATOMS;
  for (int k = 0; k < 3; k++) s.cell[k] *= times;
  for (int i = 0; i < s.n; i++) {
    s.number[i] = base.number[i % ATOMS];
    for (int a = 0; a < 3; a++)
      s.position[3 * i + a] = base.position[3 * (i % ATOMS) + a] + i / ATOMS * base.cell[a];
  }
  return s;
}

static void check_supercell(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = supercell(2);
  answer one = must_evaluate(c, m, &base), two = must_evaluate(c, m, &s);
  double twice = 2 * one.energy;
  expect_close(&two.energy, &twice, 1, 1e-9, name, "supercell energies");
  expect_close(two.stress, one.stress, 9, 1e-10, name, "supercell stresses");
  for (int k = 0; k < 2; k++)
    expect_close(two.forces + 3 * ATOMS * k, one.forces, 3 * ATOMS,
                 1e-9 * largest(one.forces, 3 * ATOMS), name, "supercell forces");
}

Test(invariance, supercell) { for_models(N_MACE + 1, check_supercell); }

/* ---- batches and threads */

enum { BATCH = 7 };

/* Unlike systems: periodic, slab, wire, molecule, a lone atom, no atoms, a supercell. */
static void fill_batch(sample s[BATCH]) {
  for (int k = 0; k < BATCH; k++) s[k] = base;
  s[1].pbc[2] = 0;
  s[2].pbc[0] = s[2].pbc[1] = 0;
  s[3].pbc[0] = s[3].pbc[1] = s[3].pbc[2] = 0;
  memset(s[3].cell, 0, sizeof s[3].cell);
  s[4].n = 1;
  memset(s[4].pbc, 0, sizeof s[4].pbc);
  s[5].n = 0;
  s[6] = supercell(MOST / ATOMS);
}

typedef struct batch {
  int first[BATCH + 1], number[BATCH * MOST], pbc[3 * BATCH];
  double position[3 * BATCH * MOST], cell[9 * BATCH];
  double energy[BATCH], energies[BATCH * MOST], forces[3 * BATCH * MOST], stress[9 * BATCH];
} batch;

static void evaluate_batch(eqs_context *c, const eqs_model *m, const sample *s, batch *b) {
  memset(b, 0, sizeof *b);
  for (int k = 0; k < BATCH; k++) {
    size_t n = (size_t)s[k].n, at = (size_t)b->first[k];
    memcpy(b->number + at, s[k].number, n * sizeof *b->number);
    memcpy(b->position + 3 * at, s[k].position, 3 * n * sizeof *b->position);
    memcpy(b->cell + 9 * k, s[k].cell, sizeof s[k].cell);
    memcpy(b->pbc + 3 * k, s[k].pbc, sizeof s[k].pbc);
    b->first[k + 1] = b->first[k] + s[k].n;
  }
  eqs_systems in = {.size = sizeof in,
                    .n_system = BATCH,
                    .first = b->first,
                    .number = b->number,
                    .position = b->position,
                    .cell = b->cell,
                    .pbc = b->pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = b->energy,
                    .energies = b->energies,
                    .forces = b->forces,
                    .stress = b->stress};
  cr_assert_eq(eqs_compute(c, m, &in, &out), EQS_OK, "%s", eqs_error());
}

static void check_batch(eqs_context *c, const eqs_model *m, const char *name) {
  static batch all;
  static sample s[BATCH];
  fill_batch(s);
  evaluate_batch(c, m, s, &all);
  for (int k = 0; k < BATCH; k++) {
    int at = all.first[k];
    answer one = must_evaluate(c, m, &s[k]);
    expect_close(all.energy + k, &one.energy, 1, 1e-9, name, "batched energies");
    expect_close(all.energies + at, one.energies, s[k].n, 1e-10, name, "batched atoms");
    expect_close(all.forces + 3 * at, one.forces, 3 * s[k].n,
                 1e-10 * largest(one.forces, 3 * s[k].n), name, "batched forces");
    expect_close(all.stress + 9 * k, one.stress, 9, 1e-10, name, "batched stresses");
  }
  cr_expect_eq(all.energy[5], 0, "%s: no atoms, but an energy", name);
  cr_expect_eq(all.forces[3 * all.first[4]], 0, "%s: a force on a lone atom", name);
}

Test(invariance, batch_is_one_by_one) { for_models(N_MACE + 1, check_batch); }

static void check_threads(eqs_precision precision) {
  const char *device = getenv("EQS_TEST_DEVICE");
  if (device && strcmp(device, "host") != 0) reference_skip("threads are the host's");
  static batch one, two;
  static sample s[BATCH];
  fill_batch(s);
  eqs_context *c = reference_context();
  for (int k = 0; k <= N_MACE; k++) {
    eqs_model *m = open_model(c, k, precision);
    if (!m) continue;
    cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
    evaluate_batch(c, m, s, &one);
    for (int threads = 2; threads <= 3; threads++) {
      cr_assert_eq(eqs_context_set_threads(c, threads), EQS_OK);
      evaluate_batch(c, m, s, &two);
      cr_expect_eq(memcmp(&one, &two, sizeof one), 0, "%s: %d threads change bits", model_name(k),
                   threads);
    }
    eqs_model_free(&m);
  }
  eqs_context_free(&c);
}

Test(invariance, threads_double) { check_threads(EQS_DOUBLE); }
Test(invariance, threads_single) { check_threads(EQS_SINGLE); }

static void check_energy_only(eqs_context *c, const eqs_model *m, const char *name) {
  answer a = must_evaluate(c, m, &base);
  double energy = energy_of(c, m, &base);
  expect_close(&energy, &a.energy, 1, 1e-12 * largest(&energy, 1), name, "energies without forces");
}

Test(invariance, energy_only) { for_models(N_MACE + 1, check_energy_only); }

/* Atoms out of reach of each other: energies of lone atoms, and no forces. */
static void check_no_edges(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = {.n = 2, .number = {8, 6}, .position = {0, 0, 0, 100, 0, 0}};
  sample oxygen = {.n = 1, .number = {8}}, carbon = {.n = 1, .number = {6}};
  answer both = must_evaluate(c, m, &s), o = must_evaluate(c, m, &oxygen);
  answer k = must_evaluate(c, m, &carbon);
  double sum = o.energy + k.energy, none[9] = {0};
  expect_close(&both.energy, &sum, 1, 1e-12 * largest(&sum, 1), name, "lone atoms");
  expect_close(both.forces, none, 6, 0, name, "forces on lone atoms and zero");
  expect_close(both.stress, none, 9, 0, name, "stress without a volume and zero");
}

Test(invariance, no_edges) { for_models(N_MACE + 1, check_no_edges); }

/* ---- what must be refused */

static void expect_refused(eqs_context *c, const eqs_model *m, const char *name, const sample *s,
                           const char *word) {
  answer a;
  cr_expect_eq(evaluate(c, m, s, &a), EQS_ERR_ARGUMENT, "%s: not refused: %s", name, word);
  cr_expect(strstr(eqs_error(), word), "%s: '%s' does not say %s", name, eqs_error(), word);
}

static void check_refusals(eqs_context *c, const eqs_model *m, const char *name) {
  sample s = base;
  s.number[2] = 84; /* polonium */
  expect_refused(c, m, name, &s, "84");
  s.number[2] = 0;
  expect_refused(c, m, name, &s, "3");
  s.number[2] = -1000000;
  expect_refused(c, m, name, &s, "3");
  s = base;
  memcpy(s.position + 3, s.position, 3 * sizeof(double));
  expect_refused(c, m, name, &s, "atoms 1 and 2");
  s = base;
  s.position[7] = NAN;
  expect_refused(c, m, name, &s, "atom 3");
  s = base;
  memset(s.cell + 6, 0, 3 * sizeof(double));
  expect_refused(c, m, name, &s, "singular");
  energy_of(c, m, &base); /* and the context still works */
}

Test(invariance, refusals) { for_models(N_MACE + 1, check_refusals); }
