/* test_pairs.c -- the D3 kernels of every instruction set that runs here, in both tables, against
 * plain loops over atoms and translations: two tiles, one tile with itself, atoms from outside.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

enum { SLOTS = 32, ATOMS = 29, SPECIES = 2, ROWS = 3 + 2 * 2 + 3 + 2 * 3, SHIFTS = 21 };

static const char *const sets[] = {"baseline", "avx2", "avx512"};
static const int first_row[SPECIES] = {0, 7}, n_reference[SPECIES] = {2, 3};

typedef struct scene {
  _Alignas(64) double x[3][SLOTS], radius[SLOTS], pair[ROWS * SLOTS], shift[3][SHIFTS + 11];
  _Alignas(64) double count[SLOTS], bar[SLOTS], energy[SLOTS], force[3][SLOTS], virial[8];
  _Alignas(64) double field[SLOTS * SLOTS], weight[SLOTS][2][DISPERSION_WEIGHTS];
  int species[SLOTS];
  double box[SLOTS / 4][6];
  dispersion_atoms atoms;
  dispersion_args args;
} scene;

static double draw(void) {
  static uint32_t state = 5;
  state = state * 1664525u + 1013904223u;
  return (state >> 8) * 0x1p-24;
}

/* Atoms in a box of 12; translations up to 3 steps of 20 either way: zero, then each with its
 * opposite, as a lattice has them. */
static void fill(scene *s, int width) {
  memset(s, 0, sizeof *s);
  for (int i = 0; i < SLOTS; i++) {
    for (int c = 0; c < 3; c++) s->x[c][i] = i < ATOMS ? 12 * draw() : 1e25;
    s->species[i] = i < ATOMS ? i % SPECIES : -1;
    s->radius[i] = 1 + i % 3;
    for (int k = 0; k < 2; k++)
      for (int a = 0; a < DISPERSION_WEIGHTS; a++) s->weight[i][k][a] = draw();
    for (int q = 0; q < SPECIES; q++)
      for (int r = 0; r < 3 + 2 * n_reference[q]; r++)
        s->pair[(first_row[q] + r) * SLOTS + i] = i >= ATOMS && r > 2 ? 0 : 1 + 20 * draw();
  }
  for (int t = 0; t < SHIFTS; t++)
    for (int c = 0; c < 3; c++)
      s->shift[c][t] = t % 2 ? 20 * floor(7 * draw() - 3) : t ? -s->shift[c][t - 1] : 0;
  for (int g = 0; g < SLOTS / width; g++)
    for (int c = 0; c < 3; c++) {
      double low = INFINITY, high = -INFINITY;
      for (int i = g * width; i < (g + 1) * width && i < ATOMS; i++) {
        low = fmin(low, s->x[c][i]);
        high = fmax(high, s->x[c][i]);
      }
      s->box[g][c] = (low + high) / 2;
      s->box[g][3 + c] = (high - low) / 2 + 1e-6;
    }
  s->atoms = (dispersion_atoms){.x = {s->x[0], s->x[1], s->x[2]},
                                .species = s->species,
                                .radius = s->radius,
                                .box = (const double(*)[6])s->box};
  s->args = (dispersion_args){.center = &s->atoms,
                              .partner = &s->atoms,
                              .n_shift = SHIFTS,
                              .shift = {s->shift[0], s->shift[1], s->shift[2]},
                              .stride = SLOTS,
                              .pair = s->pair,
                              .first_row = first_row,
                              .n_reference = n_reference,
                              .weight = (const double(*)[2][DISPERSION_WEIGHTS])s->weight,
                              .count = s->count,
                              .count_bar = s->bar,
                              .energy = s->energy,
                              .force = {s->force[0], s->force[1], s->force[2]},
                              .virial = s->virial,
                              .field = s->field};
}

/* What one pair of atoms adds under one translation. */
typedef struct pair {
  double d[3], r2, h, slope, u, v, c6, bar_i, bar_j;
} pair;

static pair pair_of(const scene *s, int i, int j, int t) {
  pair p = {0};
  for (int c = 0; c < 3; c++) {
    p.d[c] = s->x[c][j] - s->x[c][i] + s->shift[c][t];
    p.r2 += p.d[c] * p.d[c];
  }
  if (p.r2 == 0) return p;
  const double *row = s->pair + first_row[s->species[i]] * SLOTS + j;
  int n = n_reference[s->species[i]];
  double r = sqrt(p.r2), radius = s->radius[i] + s->radius[j], w = exp(16 - 16 * radius / r);
  double d6 = pow(r, 6) + row[SLOTS], d8 = pow(r, 8) + row[2 * SLOTS];
  p.h = 1 / (1 + w);
  p.slope = -16 * radius / (p.r2 * r) * w * p.h * p.h; /* dh/dr / r */
  p.u = 1 / d6 + row[0] / d8;
  p.v = 6 * pow(r, 4) / (d6 * d6) + 8 * row[0] * pow(r, 6) / (d8 * d8);
  for (int a = 0; a < n; a++) {
    p.c6 += s->weight[i][0][a] * row[(3 + a) * SLOTS];
    p.bar_i += s->weight[i][1][a] * row[(3 + a) * SLOTS];
    p.bar_j += s->weight[i][0][a] * row[(3 + n + a) * SLOTS];
  }
  return p;
}

static double worst;
static void close_to(double have, double want, const char *what) {
  double off = fabs(have - want) / (fabs(want) + 1e-12);
  worst = fmax(worst, off);
  cr_expect(off < 1e-9, "%s: %.15g, want %.15g", what, have, want);
}

static void push(scene *s, const pair *p, double v, int i, int j, double share) {
  for (int c = 0; c < 3; c++) {
    s->force[c][i] += share * v * p->d[c];
    s->force[c][j] -= share * v * p->d[c];
  }
  static const int a[6] = {0, 1, 2, 1, 0, 0}, b[6] = {0, 1, 2, 2, 2, 1};
  for (int k = 0; k < 6; k++) s->virial[k] += share * v * p->d[a[k]] * p->d[b[k]];
}

/* All pairs of atoms of the two ranges of groups; within one range each pair once, that is half of
 * what two loops see. `pull`: forces of the counting function with count_bar as given. */
static void brute(scene *s, int width, int pull) {
  const dispersion_args *a = &s->args;
  double cutoff2 = a->cutoff2, given[SLOTS];
  memcpy(given, s->bar, sizeof given);
  for (int i = a->center_begin * width; i < a->center_end * width && i < ATOMS; i++)
    for (int j = a->begin * width; j < a->end * width && j < ATOMS; j++)
      for (int t = 0; t < SHIFTS; t++) {
        double share = a->half ? 0.5 : 1;
        pair p = pair_of(s, i, j, t);
        if (p.r2 == 0 || p.r2 >= cutoff2) continue;
        if (pull) {
          push(s, &p, (given[i] + given[j]) * p.slope, i, j, share);
          continue;
        }
        s->count[i] += share * p.h;
        s->count[j] += share * p.h;
        s->energy[i] -= share * p.c6 * p.u / 2;
        s->energy[j] -= share * p.c6 * p.u / 2;
        s->bar[i] -= share * p.bar_i * p.u;
        s->bar[j] -= share * p.bar_j * p.u;
        push(s, &p, p.c6 * p.v, i, j, share);
      }
}

static void compare(const scene *have, const scene *want, int counts, const char *name) {
  for (int i = 0; i < ATOMS; i++) {
    if (counts) close_to(have->count[i], want->count[i], name);
    close_to(have->energy[i], want->energy[i], name);
    close_to(have->bar[i], want->bar[i], name);
    for (int c = 0; c < 3; c++) close_to(have->force[c][i], want->force[c][i], name);
  }
  for (int k = 0; k < 6; k++) close_to(have->virial[k], want->virial[k], name);
}

/* C6 between references is symmetric in the two atoms only if the rows say so: with half = 1 a pair
 * is taken from its earlier group, so rows of equal numbers are used there. */
static void check(const kernel_ops *k, int half) {
  static scene have, want;
  int width = k->partners, groups = SLOTS / width;
  fill(&have, width);
  if (half) {
    for (int r = 0; r < ROWS; r++)
      for (int i = 0; i < ATOMS; i++) have.pair[r * SLOTS + i] = 5;
    for (int i = 0; i < SLOTS; i++) {
      have.species[i] = i < ATOMS ? 0 : -1;
      for (int a = 0; a < DISPERSION_WEIGHTS; a++)
        have.weight[i][0][a] = have.weight[i][1][a] = 0.25;
    }
  }
  have.args.center_end = half ? groups : groups / 2;
  have.args.begin = half ? 0 : groups / 2;
  have.args.end = groups;
  have.args.half = half;
  want = have;
  have.args.cutoff2 = want.args.cutoff2 = 70 * 70;
  have.args.far2 = 60 * 60;
  brute(&want, width, 0);
  k->pair_virial(&have.args);
  compare(&have, &want, 0, k->name);
  have.args.far2 = 11 * 11; /* 1.8 times the largest radii */
  k->pair_count(&have.args);
  compare(&have, &want, 1, k->name);
  brute(&want, width, 1);
  k->pull_virial(&have.args);
  compare(&have, &want, 1, k->name);
}

static void check_fields(const kernel_ops *k) {
  static scene s;
  static dispersion_atoms outside;
  int width = k->partners;
  fill(&s, width);
  outside = s.atoms;
  s.args.partner = &outside;
  s.args.center_begin = 1;
  s.args.center_end = 3;
  s.args.end = SLOTS / width;
  for (int attract = 0; attract < 2; attract++) {
    memset(s.field, 0, sizeof s.field);
    s.args.cutoff2 = 65 * 65;
    s.args.far2 = attract ? 60 * 60 : 11 * 11;
    (attract ? k->field_energy : k->field_count)(&s.args);
    for (int i = width; i < 3 * width; i++)
      for (int j = 0; j < ATOMS; j++) {
        double want = 0;
        for (int t = 0; t < SHIFTS; t++) {
          pair p = pair_of(&s, i, j, t);
          if (p.r2 < s.args.cutoff2) want += attract ? p.u : p.h;
        }
        close_to(s.field[(i - width) * SLOTS + j], want, k->name);
      }
  }
}

Test(pairs, match_plain_loops) {
  int tables = 0;
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    for (int precision = 0; precision < 2; precision++) {
      const kernel_ops *k = kernels_host_named(sets[i], precision);
      if (!k) continue;
      check(k, 0);
      check(k, 1);
      check_fields(k);
      tables++;
    }
  fprintf(stderr, "pairs: %d tables, relative errors up to %.1e\n", tables, worst);
  cr_expect_geq(tables, 2);
}
