/* test_dispersion.c -- D3(BJ) against s-dftd3 (the dftd3 package 1.7.0, PBE, without and with the
 * three-body term) and against its own definition: derivatives, images, threads, composition with a
 * model. On the device that EQS_TEST_DEVICE names (default: host), where the three-body term is
 * left out.
 *
 * Reference files: tests/data/reference/dispersion, and where the folder EQS_SHARED is present its
 * larger structures. Each holds three settings of the cutoffs.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/neighbors.h"
#include "kernels/backend.h"
#include "potentials/dispersion_device.h"
#include "potentials/dispersion_table.h"
#include "tests/reference.h"

enum { FILES = 64, MOST = 560 };

typedef struct sample {
  int n, number[MOST], pbc[3];
  double position[3 * MOST], cell[9];
} sample;

typedef struct answer {
  double energy, energies[MOST], forces[3 * MOST], virial[9];
} answer;

static dispersion pbe(void) {
  dispersion d;
  cr_assert_eq(dispersion_parse("d3bj:pbe", NULL, &d), EQS_OK, "%s", eqs_error());
  return d;
}

/* With the three-body term, over a radius that ends the tests soon. */
static dispersion pbe_triples(void) {
  dispersion d;
  cr_assert_eq(dispersion_parse("d3bj-atm:pbe", NULL, &d), EQS_OK, "%s", eqs_error());
  d.triple_cutoff = 13;
  return d;
}

static workspace two_threads(void) {
  workspace w = {0};
  cr_assert_eq(workspace_set_threads(&w, 2), EQS_OK);
  return w;
}

static const char *device_name(void) {
  const char *name = getenv("EQS_TEST_DEVICE");
  return name ? name : "host";
}
static int on_host(void) { return !strcmp(device_name(), "host"); }

typedef struct results { /* of the device, [n] */
  double *energies, (*forces)[3], (*virial)[9];
} results;

/* Atoms in the order that they have, for want of a better. */
static eqs_status queue_there(const dispersion *d, workspace *w, device *v, arena *there,
                              const eqs_systems *in, results *r) {
  size_t n = (size_t)in->first[in->n_system];
  dispersion_device x;
  double(*position)[3];
  int order[MOST], *order_there;
  cr_assert_leq(n, MOST);
  for (int i = 0; i < (int)n; i++) order[i] = i;
  EQS_TRY(dispersion_device_open(d, backend_kernels(v, 1), in, &w->shared, there, &x));
  EQS_TRY(dispersion_device_put(&x, in, &w->shared));
  EQS_TRY(arena_take(there, n, sizeof *position, &position));
  EQS_TRY(arena_take(there, n, sizeof *order, &order_there));
  EQS_TRY(v->ops->put(v, position, in->position, n * sizeof *position));
  EQS_TRY(v->ops->put(v, order_there, order, n * sizeof *order));
  dispersion_device_queue(&x, (const double(*)[3])position, order_there, r->energies, r->forces,
                          r->virial);
  return EQS_OK;
}

static eqs_status run_there(const dispersion *d, workspace *w, device *v, workspace *work,
                            const eqs_systems *in, double *energies, double *forces,
                            double *virial) {
  size_t n = (size_t)in->first[in->n_system];
  results r = {0};
  double atom[MOST][9];
  arena *a = &work->shared;
  EQS_TRY(v->ops->enter(v));
  EQS_TRY(workspace_use_device(work, v));
  EQS_TRY(arena_take_zero(a, n, sizeof *r.energies, &r.energies));
  if (forces) EQS_TRY(arena_take_zero(a, n, sizeof *r.forces, &r.forces));
  if (virial) EQS_TRY(arena_take_zero(a, n, sizeof *r.virial, &r.virial));
  EQS_TRY(queue_there(d, w, v, a, in, &r));
  EQS_TRY(v->ops->get(v, energies, r.energies, n * sizeof *r.energies));
  if (forces) EQS_TRY(v->ops->get(v, forces, r.forces, n * sizeof *r.forces));
  if (virial) EQS_TRY(v->ops->get(v, atom, r.virial, n * sizeof *r.virial));
  EQS_TRY(v->ops->finish(v));
  for (int s = 0; virial && s < in->n_system; s++)
    for (int i = in->first[s]; i < in->first[s + 1]; i++)
      for (int k = 0; k < 9; k++) virial[9 * s + k] += atom[i][k];
  return EQS_OK;
}

/* Arrays are zero before. */
static eqs_status run(const dispersion *d, workspace *w, const eqs_systems *in, double *energies,
                      double *forces, double *virial) {
  workspace there = {0};
  device *v;
  arena_reset(&w->shared);
  if (on_host()) return dispersion_evaluate(d, w, in, energies, forces, virial);
  if (backend_open(device_name(), &v) != EQS_OK) reference_skip("%s", eqs_error());
  eqs_status status = run_there(d, w, v, &there, in, energies, forces, virial);
  workspace_free(&there);
  v->ops->close(v);
  return status;
}

static eqs_status evaluate(const dispersion *d, workspace *w, const sample *s, int derivatives,
                           answer *a) {
  int first[2] = {0, s->n};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s->number,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = s->pbc};
  memset(a, 0, sizeof *a);
  eqs_status status =
      run(d, w, &in, a->energies, derivatives ? a->forces : NULL, derivatives ? a->virial : NULL);
  for (int i = 0; i < s->n; i++) a->energy += a->energies[i];
  return status;
}

static answer must_evaluate(const dispersion *d, const sample *s, int derivatives) {
  answer a;
  workspace w = two_threads();
  cr_assert_eq(evaluate(d, &w, s, derivatives, &a), EQS_OK, "%s", eqs_error());
  workspace_free(&w);
  return a;
}

/* ---- reference numbers */

static int numbers(const cJSON *j, double *out, int most) {
  int n = 0;
  const cJSON *item;
  if (!cJSON_IsArray(j)) {
    cr_assert_lt(n, most);
    out[n++] = cJSON_IsBool(j) ? cJSON_IsTrue(j) : cJSON_GetNumberValue(j);
    return n;
  }
  cJSON_ArrayForEach(item, j) n += numbers(item, out + n, most - n);
  return n;
}

static cJSON *read_file(const char *path, sample *s) {
  FILE *f = fopen(path, "rb");
  cr_assert(f, "%s", path);
  cr_assert_eq(fseek(f, 0, SEEK_END), 0);
  size_t size = (size_t)ftell(f);
  rewind(f);
  char *text = calloc(size + 1, 1);
  cr_assert(text && fread(text, 1, size, f) == size);
  fclose(f);
  cJSON *json = cJSON_Parse(text);
  free(text);
  cr_assert(json, "%s", path);
  double z[MOST], pbc[3];
  s->n = numbers(cJSON_GetObjectItem(json, "numbers"), z, MOST);
  for (int i = 0; i < s->n; i++) s->number[i] = (int)z[i];
  cr_assert_eq(numbers(cJSON_GetObjectItem(json, "positions"), s->position, 3 * MOST), 3 * s->n);
  cr_assert_eq(numbers(cJSON_GetObjectItem(json, "cell"), s->cell, 9), 9);
  cr_assert_eq(numbers(cJSON_GetObjectItem(json, "pbc"), pbc, 3), 3);
  for (int k = 0; k < 3; k++) s->pbc[k] = pbc[k] != 0;
  return json;
}

/* Largest differences: energy eV, forces eV/angstrom, stress eV/angstrom^3. */
static void check_setting(const cJSON *j, const sample *s, const char *label, double worst[3]) {
  static const int voigt[6] = {0, 4, 8, 5, 2, 1};
  double energy, forces[3 * MOST], stress[6], off[3] = {0};
  const cJSON *triples = cJSON_GetObjectItem(j, "cutoff_disp3_bohr");
  dispersion d = triples ? pbe_triples() : pbe();
  if (triples) numbers(triples, &d.triple_cutoff, 1);
  numbers(cJSON_GetObjectItem(j, "cutoff_disp2_bohr"), &d.pair_cutoff, 1);
  numbers(cJSON_GetObjectItem(j, "cutoff_cn_bohr"), &d.cn_cutoff, 1);
  numbers(cJSON_GetObjectItem(j, "energy"), &energy, 1);
  cr_assert_eq(numbers(cJSON_GetObjectItem(j, "forces"), forces, 3 * MOST), 3 * s->n);
  if (s->pbc[0]) cr_assert_eq(numbers(cJSON_GetObjectItem(j, "stress"), stress, 6), 6);
  answer a = must_evaluate(&d, s, 1);
  off[0] = fabs(a.energy - energy);
  for (int k = 0; k < 3 * s->n; k++) off[1] = fmax(off[1], fabs(a.forces[k] - forces[k]));
  if (s->pbc[0])
    for (int k = 0; k < 6; k++)
      off[2] = fmax(off[2], fabs(a.virial[voigt[k]] / fabs(cell_volume(s->cell)) - stress[k]));
  if (getenv("EQS_TEST_VERBOSE"))
    fprintf(stderr, "%s %s: energy %.1e forces %.1e stress %.1e\n", label, j->string, off[0],
            off[1], off[2]);
  cr_expect(off[0] <= 1e-10, "%s %s: energy %.10f, want %.10f", label, j->string, a.energy, energy);
  cr_expect(off[1] <= 1e-10, "%s %s: forces differ by %.1e", label, j->string, off[1]);
  cr_expect(off[2] <= 1e-11, "%s %s: stress differs by %.1e", label, j->string, off[2]);
  for (int k = 0; k < 3; k++) worst[k] = fmax(worst[k], off[k]);
}

static void check_folder(const char *folder, const char *method, int least) {
  static sample s;
  char names[FILES][REFERENCE_NAME], path[2 * REFERENCE_PATH];
  int n = reference_list(folder, ".json", names, FILES), settings = 0;
  double worst[3] = {0};
  for (int k = 0; k < n; k++) {
    snprintf(path, sizeof path, "%s/%s.json", folder, names[k]);
    cJSON *json = read_file(path, &s);
    const cJSON *j;
    cJSON_ArrayForEach(j, cJSON_GetObjectItem(json, method)) {
      check_setting(j, &s, names[k], worst);
      settings++;
    }
    cJSON_Delete(json);
  }
  cr_expect_geq(settings, least, "only %d cases in %s", settings, folder);
  fprintf(stderr, "%s: %d cases, energy within %.1e eV, forces %.1e, stress %.1e\n", method,
          settings, worst[0], worst[1], worst[2]);
}

Test(dispersion, small_references) {
  char folder[REFERENCE_PATH];
  cr_assert(reference_data("reference/dispersion", folder));
  check_folder(folder, "d3bj_pbe", 12);
  if (on_host()) check_folder(folder, "d3bj_atm_pbe", 9);
}

Test(dispersion, large_references) {
  char folder[REFERENCE_PATH];
  if (!reference_shared("reference/sevennet", folder))
    reference_skip("no reference/sevennet: set EQS_SHARED");
  check_folder(folder, "d3bj_pbe", 12);
}

/* ---- its own definition */

static const sample skew = {.n = 6,
                            .number = {30, 8, 6, 1, 8, 92},
                            .pbc = {1, 1, 1},
                            .position = {0.11, 0.07, -0.13, 1.93, 0.24, 0.31, 2.61, 2.23, 1.87,
                                         3.42, 2.91, 2.41, 0.36, 2.12, 2.87, 4.1, 0.6, 3.9},
                            .cell = {5.61, 0.12, -0.23, 0.74, 5.92, 0.31, -0.42, 0.83, 6.13}};

/* The cutoffs are sharp: the steps are so small that no pair of these cells crosses one. */
static const double step = 1e-5;

static void check_forces(dispersion d) {
  for (int periodic = 0; periodic < 4; periodic++) {
    sample s = skew;
    double worst = 0;
    d.pair_cutoff = 60;
    for (int k = 0; k < 3; k++) s.pbc[k] = k < periodic;
    answer a = must_evaluate(&d, &s, 1);
    for (int k = 0; k < 3 * s.n; k++) {
      sample p = s, m = s;
      p.position[k] += step;
      m.position[k] -= step;
      double f = -(must_evaluate(&d, &p, 0).energy - must_evaluate(&d, &m, 0).energy) / (2 * step);
      worst = fmax(worst, fabs(f - a.forces[k]));
    }
    cr_expect_lt(worst, 1e-8, "%d periodic directions: %.1e eV/angstrom", periodic, worst);
  }
}

Test(dispersion, forces_are_derivatives) {
  check_forces(pbe());
  if (on_host()) check_forces(pbe_triples());
}

static void strain(sample *s, int a, int b, double h) {
  for (int i = 0; i < s->n; i++) s->position[3 * i + b] += h * skew.position[3 * i + a];
  for (int k = 0; k < 3; k++) s->cell[3 * k + b] += h * skew.cell[3 * k + a];
}

static void check_virial(dispersion d) {
  d.pair_cutoff = 60;
  answer a = must_evaluate(&d, &skew, 1);
  for (int k = 0; k < 9; k++) {
    sample p = skew, m = skew;
    strain(&p, k / 3, k % 3, step / 10);
    strain(&m, k / 3, k % 3, -step / 10);
    double w = (must_evaluate(&d, &p, 0).energy - must_evaluate(&d, &m, 0).energy) / (step / 5);
    cr_expect_lt(fabs(w - a.virial[k]), 2e-7, "%d: %.10f, want %.10f", k, a.virial[k], w);
  }
}

Test(dispersion, virial_is_a_derivative) {
  check_virial(pbe());
  if (on_host()) check_virial(pbe_triples());
}

/* The same lattice as cells of 3 x 2 x 1, some atoms moved by whole lattice vectors. */
static sample supercell(const sample *s) {
  static const int times[3] = {3, 2, 1};
  sample t = *s;
  t.n = 0;
  for (int c = 0; c < times[0] * times[1]; c++)
    for (int i = 0; i < s->n; i++, t.n++) {
      int m[3] = {c % times[0], c / times[0], c % 2 ? -2 * i : i};
      t.number[t.n] = s->number[i];
      for (int a = 0; a < 3; a++)
        t.position[3 * t.n + a] = s->position[3 * i + a] + m[0] * s->cell[a] +
                                  m[1] * s->cell[3 + a] + m[2] * s->cell[6 + a];
    }
  for (int k = 0; k < 9; k++) t.cell[k] *= times[k / 3];
  return t;
}

static void check_supercell(dispersion d) {
  sample big = supercell(&skew);
  answer a = must_evaluate(&d, &skew, 1), b = must_evaluate(&d, &big, 1);
  cr_expect_lt(fabs(b.energy - 6 * a.energy), 1e-11 * big.n, "%.13f, want %.13f", b.energy / 6,
               a.energy);
  for (int i = 0; i < big.n; i++) {
    cr_expect_lt(fabs(b.energies[i] - a.energies[i % skew.n]), 1e-11);
    for (int c = 0; c < 3; c++)
      cr_expect_lt(fabs(b.forces[3 * i + c] - a.forces[3 * (i % skew.n) + c]), 1e-11);
  }
  for (int k = 0; k < 9; k++) cr_expect_lt(fabs(b.virial[k] - 6 * a.virial[k]), 1e-9);
}

Test(dispersion, supercells_agree) {
  check_supercell(pbe());
  if (on_host()) check_supercell(pbe_triples());
}

static sample reversed(const sample *s) {
  sample t = *s;
  for (int i = 0; i < s->n; i++) {
    t.number[i] = s->number[s->n - 1 - i];
    memcpy(t.position + 3 * i, s->position + 3 * (s->n - 1 - i), 3 * sizeof(double));
  }
  return t;
}

Test(dispersion, order_of_atoms) {
  dispersion d = on_host() ? pbe_triples() : pbe();
  sample other = reversed(&skew);
  answer a = must_evaluate(&d, &skew, 1), b = must_evaluate(&d, &other, 1);
  for (int i = 0; i < skew.n; i++) {
    int k = skew.n - 1 - i;
    cr_expect_lt(fabs(a.energies[i] - b.energies[k]), 1e-13);
    for (int c = 0; c < 3; c++)
      cr_expect_lt(fabs(a.forces[3 * i + c] - b.forces[3 * k + c]), 1e-12);
  }
  for (int k = 0; k < 9; k++) cr_expect_lt(fabs(a.virial[k] - b.virial[k]), 1e-11);
}

/* Brute force over images, for a cell much wider than a bin and one that is periodic in part. */
static double coordination(const sample *s, const dispersion *d, int i, const double x[3]) {
  const double bohr = 0.529177210903;
  double cn = 0;
  for (int j = 0; j < s->n; j++)
    for (int m = -9; m <= 9; m++) {
      double r2 = 0;
      if (m && !s->pbc[0]) continue;
      for (int c = 0; c < 3; c++) {
        double v = s->position[3 * j + c] + m * s->cell[c] - x[c];
        r2 += v * v;
      }
      double r = sqrt(r2) / bohr;
      if (r < 1e-9 || r >= d->cn_cutoff) continue;
      double sum = dispersion_radius[s->number[i]] + dispersion_radius[s->number[j]];
      cn += 1 / (1 + exp(-16 * (sum / r - 1)));
    }
  return cn;
}

static double brute_c6(const sample *s, const dispersion *d, int i, int j) {
  int zi = s->number[i], zj = s->number[j];
  double top = 0, bottom = 0, ci = coordination(s, d, i, s->position + 3 * i),
         cj = coordination(s, d, j, s->position + 3 * j);
  for (int a = dispersion_first[zi]; a < dispersion_first[zi + 1]; a++)
    for (int b = dispersion_first[zj]; b < dispersion_first[zj + 1]; b++) {
      double da = ci - 1e-4 * dispersion_cn[a], db = cj - 1e-4 * dispersion_cn[b];
      int high = a > b ? a : b, low = a > b ? b : a;
      double weight = exp(-4 * (da * da + db * db));
      top += weight * 1e-4 * dispersion_c6[high * (high + 1) / 2 + low];
      bottom += weight;
    }
  return top / bottom;
}

static double brute_energy(const sample *s, const dispersion *d) {
  const double bohr = 0.529177210903, hartree = 27.211386245988;
  double e = 0;
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < s->n; j++) {
      double c6 = brute_c6(s, d, i, j);
      double q = 3 * dispersion_ratio[s->number[i]] * dispersion_ratio[s->number[j]];
      double f = d->a1 * sqrt(q) + d->a2;
      for (int m = -9; m <= 9; m++) {
        double r2 = 0;
        if (m && !s->pbc[0]) continue;
        for (int c = 0; c < 3; c++) {
          double v = s->position[3 * j + c] + m * s->cell[c] - s->position[3 * i + c];
          r2 += v * v / bohr / bohr;
        }
        if (r2 < 1e-9 || r2 >= d->pair_cutoff * d->pair_cutoff) continue;
        e -= c6 / 2 * (d->s6 / (pow(r2, 3) + pow(f, 6)) + d->s8 * q / (pow(r2, 4) + pow(f, 8)));
      }
    }
  return e * hartree;
}

Test(dispersion, brute_force) {
  static sample s = {.n = 60, .cell = {37, 5, -3, 2, 90, 0, 0, 3, 70}};
  static const int z[4] = {1, 6, 8, 30};
  unsigned seed = 7;
  for (int i = 0; i < s.n; i++) {
    s.number[i] = z[i % 4];
    for (int c = 0; c < 3; c++) {
      seed = seed * 1664525u + 1013904223u;
      s.position[3 * i + c] = (seed >> 8) * 0x1p-24 * (c == 1 ? 160 : 60) - 30;
    }
  }
  dispersion d = pbe();
  for (s.pbc[0] = 0; s.pbc[0] < 2; s.pbc[0]++) {
    double want = brute_energy(&s, &d), got = must_evaluate(&d, &s, 0).energy;
    cr_expect_lt(fabs(got - want), 1e-12, "%d: %.15f, want %.15f", s.pbc[0], got, want);
  }
}

static double distance2(const sample *s, int i, int j) {
  double r2 = 0;
  for (int c = 0; c < 3; c++) {
    double v = (s->position[3 * j + c] - s->position[3 * i + c]) / 0.529177210903;
    r2 += v * v;
  }
  return r2;
}

static double pair_radius(int a, int b) {
  int z = a > b ? a : b, y = a > b ? b : a;
  return 1e-4 * dispersion_pair_radius[z * (z - 1) / 2 + y - 1] / 0.529177210903;
}

/* By angles and roots, each triple once; C6 of every pair in c6[n][n]. */
static double brute_triple(const sample *s, const double *c6, int i, int j, int k) {
  double x = distance2(s, i, j), y = distance2(s, i, k), z = distance2(s, j, k);
  double a = sqrt(x), b = sqrt(y), c = sqrt(z);
  double angles = (x + y - z) / (2 * a * b) * (x + z - y) / (2 * a * c) * (y + z - x) / (2 * b * c);
  double c9 = sqrt(c6[i * s->n + j] * c6[i * s->n + k] * c6[j * s->n + k]);
  const int *n = s->number;
  double mean = cbrt(a * b * c),
         radius = 4.0 / 3 *
                  cbrt(pair_radius(n[i], n[j]) * pair_radius(n[i], n[k]) * pair_radius(n[j], n[k]));
  return c9 * (1 + 3 * angles) / pow(a * b * c, 3) / (1 + 6 * pow(radius / mean, 16));
}

Test(dispersion, brute_force_of_triples) {
  static sample s = {.n = 60};
  static const int z[4] = {1, 6, 92, 30};
  static double c6[60 * 60];
  double want = 0;
  unsigned seed = 11;
  if (!on_host()) reference_skip("triples are the host's");
  dispersion d = pbe_triples(), pairs = pbe();
  d.triple_cutoff = 20;
  for (int i = 0; i < 3 * s.n; i++) {
    seed = seed * 1664525u + 1013904223u;
    s.number[i / 3] = z[i / 3 % 4];
    s.position[i] = (seed >> 8) * 0x1p-24 * 16;
  }
  for (int i = 0; i < s.n * s.n; i++) c6[i] = brute_c6(&s, &d, i / s.n, i % s.n);
  for (int i = 0; i < s.n; i++)
    for (int j = 0; j < i; j++)
      for (int k = 0; k < j; k++)
        if (fmax(distance2(&s, i, j), fmax(distance2(&s, i, k), distance2(&s, j, k))) <= 400)
          want += brute_triple(&s, c6, i, j, k);
  want *= 27.211386245988;
  double got = must_evaluate(&d, &s, 0).energy - must_evaluate(&pairs, &s, 0).energy;
  cr_expect_gt(fabs(want), 1e-3);
  cr_expect_lt(fabs(got - want), 1e-11, "%.14f, want %.14f", got, want);
}

static void check_threads(dispersion d) {
  sample big = supercell(&skew);
  answer a, b;
  static const char *const orders[3] = {"forward", "reverse", "7"}; /* of an emulator's threads */
  for (int threads = 1; threads <= 3; threads++) {
    workspace w = {0};
    setenv("EQS_EMU_ORDER", orders[threads - 1], 1);
    cr_assert_eq(workspace_set_threads(&w, threads), EQS_OK);
    cr_assert_eq(evaluate(&d, &w, &big, 1, threads > 1 ? &b : &a), EQS_OK);
    if (threads > 1) cr_expect(!memcmp(&a, &b, sizeof a), "%d threads differ", threads);
    workspace_free(&w);
  }
}

Test(dispersion, same_bits_for_any_threads) {
  check_threads(pbe());
  if (on_host()) check_threads(pbe_triples());
}

/* What is near depends on the elements of the batch, and on a device the order of a sum on that. */
static int same(double x, double y) {
  return on_host() ? x == y : fabs(x - y) <= 1e-15 * (1 + fabs(y));
}

/* Systems of different sizes in one call: work is shared out over all of them. */
static void check_batch(dispersion d) {
  enum { SYSTEMS = 4, ATOMS = 36 + 6 + 1 };
  static sample part[SYSTEMS], one;
  static double position[3 * ATOMS], cell[9 * SYSTEMS], energies[ATOMS], forces[3 * ATOMS],
      virial[9 * SYSTEMS];
  static answer a;
  int first[SYSTEMS + 1] = {0}, number[ATOMS], pbc[3 * SYSTEMS];
  memset(energies, 0, sizeof energies);
  memset(forces, 0, sizeof forces);
  memset(virial, 0, sizeof virial);
  part[0] = skew;
  part[1] = supercell(&skew);
  part[2] = skew;
  part[2].n = 0;
  part[3] = skew;
  part[3].n = 1;
  part[3].pbc[1] = 0;
  for (int s = 0; s < SYSTEMS; s++) {
    first[s + 1] = first[s] + part[s].n;
    memcpy(number + first[s], part[s].number, (size_t)part[s].n * sizeof *number);
    memcpy(position + 3 * first[s], part[s].position, (size_t)part[s].n * 3 * sizeof *position);
    memcpy(cell + 9 * s, part[s].cell, sizeof part[s].cell);
    memcpy(pbc + 3 * s, part[s].pbc, sizeof part[s].pbc);
  }
  eqs_systems in = {.size = sizeof in,
                    .n_system = SYSTEMS,
                    .first = first,
                    .number = number,
                    .position = position,
                    .cell = cell,
                    .pbc = pbc};
  workspace w = two_threads();
  cr_assert_eq(run(&d, &w, &in, energies, forces, virial), EQS_OK, "%s", eqs_error());
  for (int s = 0; s < SYSTEMS; s++) {
    one = part[s];
    cr_assert_eq(evaluate(&d, &w, &one, 1, &a), EQS_OK);
    for (int i = 0; i < 3 * one.n; i++) {
      cr_expect(same(energies[first[s] + i / 3], a.energies[i / 3]), "system %d", s);
      cr_expect(same(forces[3 * first[s] + i], a.forces[i]), "system %d", s);
    }
    for (int k = 0; k < 9; k++) cr_expect(same(virial[9 * s + k], a.virial[k]), "system %d", s);
  }
  workspace_free(&w);
}

Test(dispersion, batch_is_one_by_one) {
  check_batch(pbe());
  if (on_host()) check_batch(pbe_triples());
}

/* Groups of every size that a device has, few and many, in a disordered slab. Which pairs are far
 * is up to the groups, and short formulas are off by 1e-12. */
Test(dispersion, devices_agree_with_the_host) {
  static const int z[4] = {30, 8, 6, 1}, sizes[3] = {50, 200, 540};
  static sample s = {.cell = {24.1, 0.6, -0.8, 3.2, 23.5, 1.1, -2.4, 1.9, 25.3}, .pbc = {1, 1, 0}};
  static answer here, there;
  unsigned seed = 3;
  dispersion d = pbe();
  if (on_host()) reference_skip("EQS_TEST_DEVICE names no other device");
  for (int i = 0; i < MOST; i++) {
    int place[3] = {i % 9, i / 9 % 9, i / 81};
    s.number[i] = z[i * 7 % 5 % 4];
    for (int k = 0; k < 3; k++) {
      seed = seed * 1664525u + 1013904223u;
      double f = (place[k] + (seed >> 8) * 0x1p-24 / 2) / 9;
      for (int c = 0; c < 3; c++) s.position[3 * i + c] += f * s.cell[3 * k + c];
    }
  }
  for (int q = 0; q < 3; q++) {
    workspace w = two_threads();
    int first[2] = {0, s.n = sizes[q]};
    eqs_systems in = {.size = sizeof in,
                      .n_system = 1,
                      .first = first,
                      .number = s.number,
                      .position = s.position,
                      .cell = s.cell,
                      .pbc = s.pbc};
    double off[3] = {0};
    memset(&here, 0, sizeof here);
    cr_assert_eq(dispersion_evaluate(&d, &w, &in, here.energies, here.forces, here.virial), EQS_OK);
    cr_assert_eq(evaluate(&d, &w, &s, 1, &there), EQS_OK, "%s", eqs_error());
    for (int i = 0; i < s.n; i++) off[0] = fmax(off[0], fabs(there.energies[i] - here.energies[i]));
    for (int i = 0; i < 3 * s.n; i++) off[1] = fmax(off[1], fabs(there.forces[i] - here.forces[i]));
    for (int k = 0; k < 9; k++) off[2] = fmax(off[2], fabs(there.virial[k] - here.virial[k]));
    cr_expect(off[0] < 1e-12 && off[1] < 1e-11 && off[2] < 1e-10, "%d atoms: %.1e eV, %.1e, %.1e",
              s.n, off[0], off[1], off[2]);
    fprintf(stderr, "%d atoms: energies within %.1e eV, forces %.1e, virial %.1e of %.1f\n", s.n,
            off[0], off[1], off[2], here.virial[0]);
    workspace_free(&w);
  }
}

/* The set first published: uranium has two references there (seven in the set of 2022). */
Test(dispersion, first_published_references) {
  int u = dispersion_first[92], helium = dispersion_first[2];
  cr_expect_eq(dispersion_first[93] - u, 2);
  cr_expect_eq(dispersion_c6[helium * (helium + 1) / 2 + helium], 15583); /* 1.5583 */
  cr_expect_eq(dispersion_first[DISPERSION_Z_MAX + 1], DISPERSION_STATES);
}

Test(dispersion, refusals) {
  dispersion d = pbe();
  workspace w = two_threads();
  answer a;
  sample s = skew;
  s.number[4] = 95;
  cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_ERR_UNSUPPORTED);
  cr_expect(strstr(eqs_error(), "atom 5"), "%s", eqs_error());
  s = skew;
  for (int c = 0; c < 3; c++) s.cell[c] *= 1e-9;
  cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_ERR_UNSUPPORTED);
  memset(s.cell, 0, sizeof s.cell);
  cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_ERR_ARGUMENT);
  s = skew;
  s.n = 0;
  cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_OK, "%s", eqs_error());
  d = pbe_triples();
  if (!on_host()) {
    cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_ERR_UNSUPPORTED);
    workspace_free(&w);
    return;
  }
  d.triple_cutoff = 40;
  cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_OK, "%s", eqs_error());
  s.n = 1;
  for (int k = 0; k < 9; k++) s.cell[k] *= 0.15; /* neighbours by the ten thousand */
  cr_expect_eq(evaluate(&d, &w, &s, 1, &a), EQS_ERR_UNSUPPORTED);
  cr_expect(strstr(eqs_error(), "system 1: an atom has more than"), "%s", eqs_error());
  workspace_free(&w);
}

Test(dispersion, names) {
  dispersion d;
  cr_expect_eq(dispersion_parse("d3bj", "PBE+U", &d), EQS_OK, "%s", eqs_error());
  cr_expect_str_eq(d.name, "d3bj:pbe");
  cr_expect_eq(dispersion_parse("d3bj:B3-LYP", "PBE", &d), EQS_OK, "%s", eqs_error());
  cr_expect_str_eq(d.name, "d3bj:b3lyp");
  cr_expect_eq(d.s9, 0);
  cr_expect_eq(dispersion_parse("d3bj", "GGA_X_PBE+GGA_C_PBE", &d), EQS_OK, "%s", eqs_error());
  cr_expect_str_eq(d.name, "d3bj:pbe");
  cr_expect_eq(dispersion_parse("d3bj:xc_gga_c_pbe+xc_gga_x_rpbe", NULL, &d), EQS_OK);
  cr_expect_str_eq(d.name, "d3bj:rpbe");
  cr_expect_eq(dispersion_parse("d3bj:402", NULL, &d), EQS_OK, "%s", eqs_error());
  cr_expect_str_eq(d.name, "d3bj:b3lyp");
  cr_expect_eq(dispersion_parse("d3bj:gga_x_pbe", NULL, &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj-atm", "PBE", &d), EQS_OK, "%s", eqs_error());
  cr_expect_str_eq(d.name, "d3bj-atm:pbe");
  cr_expect_eq(d.s9, 1);
  cr_expect_eq(d.triple_cutoff, 40);
  cr_expect_eq(dispersion_parse("d3bj-atm:r2SCAN", NULL, &d), EQS_OK, "%s", eqs_error());
  cr_expect_str_eq(d.name, "d3bj-atm:r2scan");
  cr_expect_eq(dispersion_parse("d3bj-atm", NULL, &d), EQS_ERR_ARGUMENT);
  cr_expect(strstr(eqs_error(), "d3bj-atm:pbe"), "%s", eqs_error());
  cr_expect_eq(dispersion_parse("d3bj-atmo", "PBE", &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj-", "PBE", &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj-atm:pbe", "wB97M-D3(BJ)", &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj", NULL, &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj:lda", "PBE", &d), EQS_ERR_ARGUMENT);
  cr_expect(strstr(eqs_error(), "r2scan"), "%s", eqs_error());
  cr_expect_eq(dispersion_parse("d3", "PBE", &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj,d3bj", "PBE", &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(dispersion_parse("d3bj:pbe", "wB97M-D3(BJ)", &d), EQS_ERR_ARGUMENT);
}

/* ---- added to a model, through the public interface */

static void compute(eqs_context *c, const eqs_model *m, const sample *s, answer *a) {
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
                    .stress = a->virial};
  cr_assert_eq(eqs_compute(c, m, &in, &out), EQS_OK, "%s", eqs_error());
}

Test(dispersion, adds_to_a_model) {
  char path[REFERENCE_PATH];
  static answer plain, sum, d3;
  sample s = skew;
  s.n = 5; /* without uranium */
  cr_assert(reference_data("models/tiny_L1.model", path));
  eqs_context *c = reference_context();
  eqs_model *m = NULL, *with = NULL;
  eqs_model_options options = {.size = sizeof options, .dispersion = "none"};
  cr_assert_eq(eqs_model_load(c, path, &options, &m), EQS_OK, "%s", eqs_error());
  options.dispersion = "d3bj"; /* its functional is not known */
  cr_assert_eq(eqs_model_load(c, path, &options, &with), EQS_ERR_ARGUMENT);
  options.dispersion = "d3bj:pbe";
  cr_assert_eq(eqs_model_load(c, path, &options, &with), EQS_OK, "%s", eqs_error());
  eqs_model_info info = {.size = sizeof info};
  cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
  cr_expect_null(info.dispersion);
  cr_assert_eq(eqs_model_info_get(with, &info), EQS_OK);
  cr_expect_str_eq(info.dispersion, "d3bj:pbe");
  compute(c, m, &s, &plain);
  compute(c, with, &s, &sum);
  dispersion d = pbe();
  d3 = must_evaluate(&d, &s, 1);
  double volume = fabs(cell_volume(s.cell));
  cr_expect_lt(fabs(sum.energy - plain.energy - d3.energy), 1e-12 * fabs(sum.energy) + 1e-13);
  for (int k = 0; k < 3 * s.n; k++)
    cr_expect_lt(fabs(sum.forces[k] - plain.forces[k] - d3.forces[k]), 1e-11);
  for (int k = 0; k < 9; k++)
    cr_expect_lt(fabs(sum.virial[k] - plain.virial[k] - d3.virial[k] / volume), 1e-12);
  eqs_model_free(&m);
  eqs_model_free(&with);
  eqs_context_free(&c);
}
