/* test_dispersion_local.c -- D3 energies of local changes against two whole evaluations, for
 * insertions, removals and exchanges: in small crowded cells, and for CO2 in real frameworks where
 * the folder EQS_SHARED holds some.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"
#include "potentials/dispersion_local.h"
#include "tests/reference.h"

enum { MOST = 1024, FILES = 64 };

typedef struct sample {
  int n, number[MOST], pbc[3];
  double position[3 * MOST], cell[9];
} sample;

static const sample skew = {.n = 6,
                            .number = {30, 8, 6, 1, 8, 92},
                            .pbc = {1, 1, 1},
                            .position = {0.11, 0.07, -0.13, 1.93, 0.24, 0.31, 2.61, 2.23, 1.87,
                                         3.42, 2.91, 2.41, 0.36, 2.12, 2.87, 4.1, 0.6, 3.9},
                            .cell = {5.61, 0.12, -0.23, 0.74, 5.92, 0.31, -0.42, 0.83, 6.13}};

static dispersion pbe(void) {
  dispersion d;
  cr_assert_eq(dispersion_parse("d3bj:pbe", NULL, &d), EQS_OK, "%s", eqs_error());
  return d;
}

static workspace threads(int n) {
  workspace w = {0};
  cr_assert_eq(workspace_set_threads(&w, n), EQS_OK);
  return w;
}

static eqs_systems view(const sample *s, int first[2]) {
  first[0] = 0;
  first[1] = s->n;
  return (eqs_systems){.size = sizeof(eqs_systems),
                       .n_system = 1,
                       .first = first,
                       .number = s->number,
                       .position = s->position,
                       .cell = s->cell,
                       .pbc = s->pbc};
}

static double whole(const dispersion *d, workspace *w, const sample *s) {
  static double energies[MOST];
  int first[2];
  double e = 0;
  eqs_systems in = view(s, first);
  memset(energies, 0, sizeof energies);
  arena_reset(&w->shared);
  cr_assert_eq(dispersion_evaluate(d, w, &in, energies, NULL, NULL), EQS_OK, "%s", eqs_error());
  for (int i = 0; i < s->n; i++) e += energies[i];
  return e;
}

/* The order of atoms does not matter here: those that stay, then those put in. */
static sample changed(const sample *s, const eqs_change *c) {
  sample t = *s;
  t.n = 0;
  for (int i = 0; i < s->n; i++) {
    int gone = 0;
    for (int r = 0; r < c->n_remove; r++) gone |= c->remove[r] == i;
    if (gone) continue;
    t.number[t.n] = s->number[i];
    memcpy(t.position + 3 * t.n++, s->position + 3 * i, 3 * sizeof(double));
  }
  for (int i = 0; i < c->n_insert; i++) {
    t.number[t.n] = c->number[i];
    memcpy(t.position + 3 * t.n++, c->position + 3 * i, 3 * sizeof(double));
  }
  return t;
}

static dispersion_local *state_of(const dispersion *d, workspace *w, const sample *s, double *e) {
  dispersion_local *l = NULL;
  int first[2];
  eqs_systems in = view(s, first);
  cr_assert_eq(dispersion_local_open(d, &l), EQS_OK, "%s", eqs_error());
  cr_assert_eq(dispersion_local_set(l, w, &in, e), EQS_OK, "%s", eqs_error());
  return l;
}

static double tried(dispersion_local *l, workspace *w, const eqs_change *c) {
  double de = NAN;
  cr_assert_eq(dispersion_local_try(l, w, 1, c, &de), EQS_OK, "%s", eqs_error());
  return de;
}

Test(dispersion_local, state_is_the_whole_energy) {
  dispersion d = pbe();
  workspace w = threads(2);
  for (int periodic = 0; periodic < 4; periodic++) {
    sample s = skew;
    double e, energies[6] = {0};
    int first[2];
    for (int k = 0; k < 3; k++) s.pbc[k] = k < periodic;
    dispersion_local *l = state_of(&d, &w, &s, &e);
    eqs_systems in = view(&s, first);
    arena_reset(&w.shared);
    cr_assert_eq(dispersion_evaluate(&d, &w, &in, energies, NULL, NULL), EQS_OK);
    cr_expect_lt(fabs(e - whole(&d, &w, &s)), 1e-12);
    for (int i = 0; i < s.n; i++)
      cr_expect_lt(fabs(dispersion_local_energies(l)[i] - energies[i]), 1e-13);
    dispersion_local_free(&l);
  }
  workspace_free(&w);
}

/* Changes far harsher than a guest's: every atom of the cell answers to every other. The parts left
 * out are second order in small changes of coordination. */
Test(dispersion_local, small_cells) {
  static const int one[] = {3}, some[] = {4, 0, 2}, number[] = {8, 6, 8, 17};
  static const double at[] = {1.2, 4.1, 1.1, 2.2, 4.6, 1.2, 3.2, 5.0, 1.3, -2.0, 9.5, 3.4};
  const eqs_change changes[] = {{.n_insert = 3, .number = number, .position = at},
                                {.n_insert = 4, .number = number, .position = at},
                                {.n_remove = 1, .remove = one},
                                {.n_remove = 3, .remove = some},
                                {3, some, 2, number, at},
                                {1, one, 3, number, at},
                                {0}};
  enum { CHANGES = sizeof changes / sizeof *changes };
  dispersion d = pbe();
  workspace w = threads(2);
  double worst = 0, least = 1;
  for (int periodic = 0; periodic < 4; periodic += 3) {
    sample s = skew;
    double e, de[CHANGES];
    for (int k = 0; k < 3; k++) s.pbc[k] = k < periodic;
    dispersion_local *l = state_of(&d, &w, &s, &e);
    cr_assert_eq(dispersion_local_try(l, &w, CHANGES, changes, de), EQS_OK, "%s", eqs_error());
    for (int i = 0; i < CHANGES; i++) {
      sample t = changed(&s, changes + i);
      double want = whole(&d, &w, &t) - e;
      worst = fmax(worst, fabs(de[i] - want));
      if (i + 1 < CHANGES) least = fmin(least, fabs(want));
      cr_expect_lt(fabs(de[i] - want), 2e-6, "%d periodic, change %d: %.9f, want %.9f", periodic,
                   i + 1, de[i], want);
    }
    cr_expect_eq(de[CHANGES - 1], 0);
    dispersion_local_free(&l);
  }
  fprintf(stderr, "small cells: |dE| from %.3f eV, errors up to %.1e eV\n", least, worst);
  workspace_free(&w);
}

/* Taking out what was put in gives back the state; the new state's energy is the sum. */
Test(dispersion_local, there_and_back) {
  static const int number[] = {8, 6, 8}, last[] = {6, 7, 8};
  static const double at[] = {1.2, 4.1, 1.1, 2.2, 4.6, 1.2, 3.2, 5.0, 1.3};
  const eqs_change in = {.n_insert = 3, .number = number, .position = at};
  const eqs_change out = {.n_remove = 3, .remove = last};
  dispersion d = pbe();
  workspace w = threads(2);
  double e, more;
  dispersion_local *l = state_of(&d, &w, &skew, &e);
  double there = tried(l, &w, &in);
  sample t = changed(&skew, &in);
  int first[2];
  eqs_systems next = view(&t, first);
  cr_assert_eq(dispersion_local_set(l, &w, &next, &more), EQS_OK, "%s", eqs_error());
  cr_expect_lt(fabs(more - e - there), 2e-6);
  cr_expect_lt(fabs(tried(l, &w, &out) + there), 4e-6);
  dispersion_local_free(&l);
  workspace_free(&w);
}

/* ---- real frameworks */

static unsigned seed = 11;
static double uniform(void) {
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) * 0x1p-24;
}

/* Closest distance of x to the atoms, over the nearest images. */
static double closest(const sample *s, const double inverse[9], const double x[3]) {
  double least = INFINITY;
  for (int i = 0; i < s->n; i++) {
    double f[3], d[3];
    for (int c = 0; c < 3; c++) d[c] = x[c] - s->position[3 * i + c];
    for (int k = 0; k < 3; k++) {
      f[k] = d[0] * inverse[k] + d[1] * inverse[3 + k] + d[2] * inverse[6 + k];
      f[k] -= round(f[k]);
    }
    for (int m = 0; m < 27; m++) {
      double g[3] = {f[0] + m % 3 - 1, f[1] + m / 3 % 3 - 1, f[2] + m / 9 - 1}, r2 = 0;
      for (int c = 0; c < 3; c++) {
        double v = g[0] * s->cell[c] + g[1] * s->cell[3 + c] + g[2] * s->cell[6 + c];
        r2 += v * v;
      }
      least = fmin(least, r2);
    }
  }
  return sqrt(least);
}

/* CO2 anywhere with its closest contact between the limits; 0 = none found. */
static int place_co2(const sample *s, double low, double high, double at[9]) {
  double inverse[9];
  cr_assert(cell_inverse(s->cell, inverse));
  for (int attempt = 0; attempt < 4000; attempt++) {
    double f[3] = {uniform(), uniform(), uniform()}, z = 2 * uniform() - 1, least = INFINITY;
    double angle = 6.283185307179586 * uniform(), ring = sqrt(1 - z * z);
    double axis[3] = {ring * cos(angle), ring * sin(angle), z};
    for (int a = 0; a < 3 && least > low; a++) {
      for (int c = 0; c < 3; c++)
        at[3 * a + c] = f[0] * s->cell[c] + f[1] * s->cell[3 + c] + f[2] * s->cell[6 + c] +
                        1.16 * (a - 1) * axis[c];
      least = fmin(least, closest(s, inverse, at + 3 * a));
    }
    if (least > low && least < high) return 1;
  }
  return 0;
}

/* Reads a framework of at most MOST - 10 atoms; 0 = it cannot be had. */
static int read_framework(const char *path, sample *s) {
  eqs_structures *all = NULL;
  eqs_systems in = {.size = sizeof in};
  eqs_read_options major = {.size = sizeof major, .disorder_major = 1};
  if (eqs_structures_read(path, &major, &all) != EQS_OK) return 0;
  int ok = eqs_structures_view(all, 0, &in) == EQS_OK && in.first[1] <= MOST - 10 && in.cell;
  if (ok) {
    s->n = in.first[1];
    memcpy(s->number, in.number, (size_t)s->n * sizeof *s->number);
    memcpy(s->position, in.position, (size_t)s->n * 3 * sizeof *s->position);
    memcpy(s->cell, in.cell, sizeof s->cell);
    for (int k = 0; k < 3; k++) s->pbc[k] = 1;
  }
  eqs_structures_free(&all);
  return ok;
}

typedef struct tally {
  int n;
  double worst;
} tally;

/* One insertion into the framework, one exchange of the molecule then there, its removal. */
static void check_framework(const dispersion *d, workspace *w, const sample *s, double low,
                            double high, tally *out) {
  static const int number[] = {8, 6, 8};
  double at[9], again[9], e, more;
  sample t;
  int first[2];
  if (!place_co2(s, low, high, at) || !place_co2(s, low, high, again)) return;
  const int guest[] = {s->n, s->n + 1, s->n + 2};
  const eqs_change put = {.n_insert = 3, .number = number, .position = at};
  const eqs_change move = {3, guest, 3, number, again}, take = {.n_remove = 3, .remove = guest};
  dispersion_local *l = state_of(d, w, s, &e);
  double there = tried(l, w, &put);
  t = changed(s, &put);
  eqs_systems next = view(&t, first);
  cr_assert_eq(dispersion_local_set(l, w, &next, &more), EQS_OK, "%s", eqs_error());
  double back = tried(l, w, &take), moved = tried(l, w, &move);
  t = changed(&t, &move);
  double off[3] = {there - (more - e), back - (e - more), moved - (whole(d, w, &t) - more)};
  for (int k = 0; k < 3; k++) {
    out->worst = fmax(out->worst, fabs(off[k]));
    out->n++;
  }
  dispersion_local_free(&l);
}

Test(dispersion_local, co2_in_frameworks) {
  static char names[FILES][REFERENCE_NAME];
  static sample s;
  char folder[REFERENCE_PATH], path[2 * REFERENCE_PATH + 8];
  if (!reference_shared("cifs", folder)) reference_skip("no frameworks: set EQS_SHARED");
  int n = reference_list(folder, ".cif", names, FILES);
  dispersion d = pbe();
  workspace w = threads(2);
  tally all = {0};
  for (int k = 0; k < n; k++) {
    tally t = {0};
    snprintf(path, sizeof path, "%s/%s.cif", folder, names[k]);
    if (!read_framework(path, &s)) continue;
    for (int pose = 0; pose < 3; pose++) check_framework(&d, &w, &s, 2.2, pose ? 2.6 : 20, &t);
    if (getenv("EQS_TEST_VERBOSE"))
      fprintf(stderr, "%s: %d atoms, %d changes, errors up to %.1e eV\n", names[k], s.n, t.n,
              t.worst);
    cr_expect_lt(t.worst, 1e-6, "%s: off by %.1e eV", names[k], t.worst);
    all.n += t.n;
    all.worst = fmax(all.worst, t.worst);
  }
  fprintf(stderr, "CO2 in frameworks: %d changes, errors up to %.1e eV\n", all.n, all.worst);
  cr_expect_geq(all.n, 60, "only %d changes", all.n);
  workspace_free(&w);
}

/* ---- the rest */

Test(dispersion_local, same_bits_for_any_threads) {
  enum { CHANGES = 7 };
  static const int number[] = {8, 6, 53};
  double at[CHANGES][9], de[3][CHANGES], e[3];
  eqs_change changes[CHANGES];
  dispersion d = pbe();
  for (int i = 0; i < CHANGES; i++) {
    for (int k = 0; k < 9; k++) at[i][k] = 9 * uniform();
    changes[i] = (eqs_change){.n_insert = 3, .number = number, .position = at[i]};
  }
  for (int n = 1; n <= 3; n++) {
    workspace w = threads(n);
    dispersion_local *l = state_of(&d, &w, &skew, e + n - 1);
    cr_assert_eq(dispersion_local_try(l, &w, CHANGES, changes, de[n - 1]), EQS_OK);
    cr_expect_eq(e[n - 1], e[0]);
    cr_expect(!memcmp(de[n - 1], de[0], sizeof de[0]), "%d threads differ", n);
    for (int i = 0; i < CHANGES; i++) /* alone as in the batch, iodine known by now */
      cr_expect_eq(tried(l, &w, changes + i), de[0][i]);
    dispersion_local_free(&l);
    workspace_free(&w);
  }
}

Test(dispersion_local, refusals) {
  static const int heavy[] = {95}, outside[] = {6}, twice[] = {1, 1}, carbon[] = {6};
  static const double at[] = {1, 2, 3}, nowhere[] = {1, NAN, 3};
  dispersion d = pbe();
  workspace w = threads(1);
  double e, de;
  dispersion_local *l = state_of(&d, &w, &skew, &e);
  const eqs_change bad[] = {{.n_insert = 1, .number = heavy, .position = at},
                            {.n_remove = 1, .remove = outside},
                            {.n_remove = 2, .remove = twice},
                            {.n_insert = 1, .number = carbon, .position = nowhere},
                            {.n_insert = -1},
                            {.n_remove = 1}};
  for (int i = 0; i < 6; i++) {
    cr_expect_eq(dispersion_local_try(l, &w, 1, bad + i, &de),
                 i ? EQS_ERR_ARGUMENT : EQS_ERR_UNSUPPORTED);
    cr_expect(strstr(eqs_error(), "change 1"), "%s", eqs_error());
  }
  sample none = skew;
  none.n = 0;
  int first[2];
  eqs_systems in = view(&none, first);
  cr_expect_eq(dispersion_local_set(l, &w, &in, &e), EQS_OK, "%s", eqs_error());
  cr_expect_eq(e, 0);
  const eqs_change alone = {.n_insert = 1, .number = carbon, .position = at};
  none = changed(&none, &alone);
  cr_expect_lt(fabs(tried(l, &w, &alone) - whole(&d, &w, &none)), 1e-13);
  dispersion_local_free(&l);
  dispersion_local_free(&l);
  cr_assert_eq(dispersion_parse("d3bj-atm:pbe", NULL, &d), EQS_OK);
  cr_expect_eq(dispersion_local_open(&d, &l), EQS_ERR_UNSUPPORTED);
  cr_expect(strstr(eqs_error(), "d3bj-atm:pbe"), "%s", eqs_error());
  workspace_free(&w);
}
