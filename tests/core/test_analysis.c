/* test_analysis.c -- diffusion coefficients of walkers whose answer is known, error bars included;
 * motion that is no diffusion; radial distributions against shells, brute force and the ideal gas;
 * density maps that hold every point.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/random.h"
#include "core/dynamics/density_map.h"
#include "core/dynamics/diffusion.h"
#include "core/dynamics/distribution.h"
#include "core/dynamics/selection.h"
#include "core/neighbors.h"

/* ---- diffusion */

enum { WALKERS = 4, FRAMES = 500, MOST_BLOCKS = 5 };

/* How the walkers move: x = offset + drawn steps of this deviation, back to the origin by `pull`
 * per frame, and a velocity of their own. */
typedef struct walk {
  double deviation[3], pull, speed;
  double turn[3][3]; /* of the axes that the deviations belong to */
} walk;

static const walk plain = {{1, 1, 1}, 0, 0, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

static void follow(const walk *w, uint64_t seed, int frames, int blocks, diffusion *d) {
  double x[WALKERS][3] = {{0}}, u[WALKERS * 3], speed[WALKERS * 3];
  random_uniform(seed, 7, 0, WALKERS * 3, speed);
  random_make_normal(speed, WALKERS * 3);
  for (int f = 0; f < frames; f++) {
    if (f * blocks / frames != (f - 1) * blocks / frames || f == 0)
      cr_assert_eq(diffusion_block(d), EQS_OK);
    cr_assert_eq(diffusion_add(d, (const double(*)[3])x), EQS_OK);
    random_uniform(seed, 8, (uint64_t)f, WALKERS * 3, u);
    random_make_normal(u, WALKERS * 3);
    for (int i = 0; i < WALKERS; i++)
      for (int a = 0; a < 3; a++) {
        x[i][a] += w->speed * speed[3 * i + a] - w->pull * x[i][a];
        for (int k = 0; k < 3; k++) x[i][a] += w->turn[k][a] * w->deviation[k] * u[3 * i + k];
      }
  }
}

static diffusion_result result_of(const walk *w, uint64_t seed, int frames, int blocks,
                                  double interval) {
  diffusion *d = NULL;
  diffusion_result r;
  cr_assert_eq(diffusion_open(WALKERS, &d), EQS_OK);
  follow(w, seed, frames, blocks, d);
  cr_assert_eq(diffusion_finish(d, interval, 3, &r), EQS_OK);
  diffusion_free(&d);
  return r;
}

/* Of 95 % intervals about 95 % hold the answer, and the mean over the seeds is right. */
Test(diffusion, walkers_and_their_error_bars) {
  enum { SEEDS = 400 };
  int held = 0, used = 0, held_axis = 0;
  double sum = 0, square = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    diffusion_result r = result_of(&plain, seed, FRAMES, MOST_BLOCKS, 2);
    cr_assert_eq(r.n_block, MOST_BLOCKS);
    if (!r.fault) { /* a deviation of 1 angstrom in 2 ps: D = 1/4 */
      used++;
      held += fabs(r.d.mean - 0.25) < r.d.ci95;
      held_axis += fabs(r.tensor[1].mean - 0.25) < r.tensor[1].ci95;
      sum += r.d.mean, square += r.d.mean * r.d.mean;
    }
    diffusion_result_free(&r);
  }
  double mean = sum / used, error = sqrt((square / used - mean * mean) / (used - 1));
  fprintf(stderr, "%d of %d diffusive, %d and %d held, mean %g +- %g\n", used, (int)SEEDS, held,
          held_axis, mean, error);
  cr_expect_geq(used, SEEDS * 9 / 10);
  /* 0.95 within four standard deviations of a share */
  double off = 4 * sqrt(0.95 * 0.05 / used);
  cr_expect(fabs((double)held / used - 0.95) < off, "%d of %d", held, used);
  cr_expect(fabs((double)held_axis / used - 0.95) < off, "%d of %d", held_axis, used);
  cr_expect(fabs(mean - 0.25) < 4 * error, "%g +- %g", mean, error);
  cr_expect_lt(error, 0.005);
}

/* Sums over all pairs of frames at one lag, for the lags that are kept in full. */
Test(diffusion, displacements_by_brute_force) {
  enum { N = 170 };
  double way[N] = {0}, u[N];
  diffusion *d = NULL;
  diffusion_result r;
  random_uniform(5, 9, 0, N, u);
  cr_assert_eq(diffusion_open(1, &d), EQS_OK);
  cr_assert_eq(diffusion_block(d), EQS_OK);
  for (int i = 0; i < N; i++) {
    way[i] = (i ? way[i - 1] : 0) + u[i] - 0.5;
    double x[1][3] = {{way[i], 0, 2 * way[i]}};
    cr_assert_eq(diffusion_add(d, (const double(*)[3])x), EQS_OK);
  }
  cr_assert_eq(diffusion_finish(d, 1, 3, &r), EQS_OK);
  cr_assert_geq(r.n_point, 16 + 8 + 8 + 2);
  for (int p = 0; p < r.n_point; p++) {
    int lag = (int)r.point[p].lag, apart = lag <= 16 ? 1 : lag <= 32 ? 2 : lag <= 64 ? 4 : 8;
    double sum = 0, n = 0;
    for (int i = 0; i + lag < N; i += apart, n++)
      sum += (way[i + lag] - way[i]) * (way[i + lag] - way[i]);
    cr_expect_float_eq(r.point[p].msd, 5 * sum / n, 1e-12 * sum, "lag %d", lag);
    cr_expect_float_eq(r.point[p].tensor[4], 2 * sum / n, 1e-12 * sum);
    cr_expect_eq(r.point[p].n, (int64_t)n);
  }
  diffusion_result_free(&r);
  diffusion_free(&d);
}

Test(diffusion, tensor_along_axes_of_its_own) {
  /* deviations 0.5, 1, 2 along axes turned by 30 degrees about z */
  walk w = {
      {0.5, 1, 2}, 0, 0, {{0.8660254037844386, 0.5, 0}, {-0.5, 0.8660254037844386, 0}, {0, 0, 1}}};
  static const double want[3] = {0.125, 0.5, 2};
  diffusion_result r = result_of(&w, 3, 40000, 5, 1);
  cr_assert_null(r.fault, "%s", r.fault);
  for (int k = 0; k < 3; k++)
    cr_expect(fabs(r.principal[k] / want[k] - 1) < 0.08, "%g, not %g", r.principal[k], want[k]);
  double xy = 0.8660254037844386 * 0.5 * (want[0] - want[1]);
  cr_expect(fabs(r.tensor[5].mean - xy) < r.tensor[5].ci95 * 2, "%g, not %g", r.tensor[5].mean, xy);
  cr_expect_lt(r.tensor[5].ci95, 0.2 * fabs(xy));
  diffusion_result_free(&r);
}

Test(diffusion, what_is_none) {
  walk ballistic = plain, caged = plain, slow = plain;
  for (int k = 0; k < 3; k++) ballistic.deviation[k] = 0, slow.deviation[k] = 0.01;
  ballistic.speed = 1;
  caged.pull = 0.3;
  diffusion_result r = result_of(&ballistic, 1, FRAMES, 5, 1);
  cr_expect(r.fault != NULL);
  cr_expect(isnan(r.d.mean));
  diffusion_result_free(&r);
  r = result_of(&caged, 1, 5000, 5, 1);
  cr_expect(r.fault != NULL);
  cr_expect(isnan(r.d.mean));
  cr_expect_lt(r.displacement, 3.5);
  diffusion_result_free(&r);
  r = result_of(&slow, 1, FRAMES, 5, 1); /* grows as time, but goes nowhere */
  cr_expect(r.fault != NULL);
  cr_expect_geq(r.first, 0);
  diffusion_result_free(&r);
  r = result_of(&plain, 1, 20, 5, 1);
  cr_expect(r.fault != NULL);
  diffusion_result_free(&r);
}

/* ---- radial distributions */

static void make(structure *s, const double cell[9], int n, const int *number,
                 const double (*x)[3]) {
  *s = (structure){.pbc = {1, 1, 1}};
  memcpy(s->cell, cell, sizeof s->cell);
  for (int i = 0; i < n; i++) cr_assert_eq(structure_append(s, number[i], x[i], 0), EQS_OK);
}

/* One atom in a primitive cell of the face-centred cubic lattice, cube 4 angstrom: every shell is
 * made of images. */
Test(distribution, shells_of_a_lattice) {
  static const double cell[9] = {0, 2, 2, 2, 0, 2, 2, 2, 0}, x[1][3] = {{0.3, -5, 40}};
  static const struct {
    double r;
    int upto;
  } shell[] = {{2.8284, 12}, {4, 18}, {4.899, 42}, {5.657, 54}, {6.325, 78}, {6.928, 86}};
  structure s;
  distribution *d = NULL;
  distribution_bin bin[80];
  int bins;
  make(&s, cell, 1, (int[]){18}, x);
  cr_assert_eq(distribution_open(&s, "all", 8, 0.1, 1, &d), EQS_OK);
  cr_assert_eq(distribution_block(d), EQS_OK);
  cr_assert_eq(distribution_add(d, &s), EQS_OK);
  cr_assert_eq(distribution_pairs(d, &bins), 1);
  cr_assert_eq(bins, 80);
  distribution_view(d, 0, bin);
  int k = 0;
  for (int i = 0; i < 72; i++) {
    int here = k < 6 && shell[k].r >= bin[i].r - 0.05 && shell[k].r < bin[i].r + 0.05;
    cr_expect_float_eq(bin[i].coordination,
                       here ? shell[k].upto
                       : k  ? shell[k - 1].upto
                            : 0,
                       1e-9, "%g: %g", bin[i].r, bin[i].coordination);
    cr_expect_eq(bin[i].g > 0, here);
    k += here;
  }
  cr_expect_eq(k, 6);
  cr_expect_float_eq(distribution_half(d), 4 / sqrt(3) / 2, 1e-9); /* width a/sqrt 3 of (111) */
  distribution_free(&d);
  structure_free(&s);
}

/* Atoms without interaction in a skewed cell: 1 - 1/N for like pairs, 1 for others, within the
 * error bars; all counts as by brute force over images. */
Test(distribution, ideal_gas) {
  enum { N = 30, FRAME = 60, BINS = 40 };
  static const double cell[9] = {9, 0, 0, 4, 8, 0, -3, 2, 10};
  int number[N], bins, total = 0, outside = 0;
  double x[N][3], u[3 * N];
  static int64_t brute[3][BINS];
  structure s;
  distribution *d = NULL;
  distribution_bin bin[BINS];
  for (int i = 0; i < N; i++) number[i] = i % 3 ? 8 : 18;
  for (int f = 0; f < FRAME; f++) {
    random_uniform(11, 1, (uint64_t)f, 3 * N, u);
    for (int i = 0; i < N; i++)
      for (int a = 0; a < 3; a++) {
        x[i][a] = 0;
        for (int k = 0; k < 3; k++) x[i][a] += (3 * u[3 * i + k] - 1) * cell[3 * k + a];
      }
    make(&s, cell, N, number, (const double(*)[3])x);
    if (f == 0) cr_assert_eq(distribution_open(&s, "all", 8, 0.2, f % 2 + 1, &d), EQS_OK);
    if (f % 6 == 0) cr_assert_eq(distribution_block(d), EQS_OK);
    cr_assert_eq(distribution_add(d, &s), EQS_OK);
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++)
        for (int m = 0; m < 13 * 13 * 13; m++) {
          int t[3] = {m % 13 - 6, m / 13 % 13 - 6, m / 169 - 6};
          double r2 = 0;
          for (int a = 0; a < 3; a++) {
            double c = x[j][a] - x[i][a];
            for (int k = 0; k < 3; k++) c += t[k] * cell[3 * k + a];
            r2 += c * c;
          }
          if (r2 == 0 || r2 >= 64 || number[i] > number[j]) continue;
          int pair = number[i] != number[j] ? 1 : number[i] == 8 ? 0 : 2;
          brute[pair][(int)(sqrt(r2) / 0.2)]++;
        }
    structure_free(&s);
  }
  cr_assert_eq(distribution_pairs(d, &bins), 3);
  cr_assert_eq(bins, BINS);
  for (int p = 0; p < 3; p++) {
    int z[2], like;
    double atoms = p == 2 ? 10 : 20, near = 0;
    distribution_view(d, p, bin);
    distribution_pair(d, p, z);
    like = z[0] == z[1];
    for (int i = 0; i < BINS; i++) {
      near += (double)brute[p][i] / FRAME / atoms;
      cr_expect_float_eq(bin[i].coordination, near, 1e-9, "%d at %g", p, bin[i].r);
      if (bin[i].r < 2 || bin[i].r > distribution_half(d)) continue;
      double want = like ? 1 - 1 / atoms : 1;
      total++;
      outside += fabs(bin[i].g - want) > 2.262 * bin[i].sigma; /* ten blocks, 95 % */
      cr_expect(fabs(bin[i].g - want) < 6 * bin[i].sigma, "%g: %g +- %g", bin[i].r, bin[i].g,
                bin[i].sigma);
    }
  }
  cr_expect_geq(total, 20);
  cr_expect_leq(outside, 1 + total / 5, "%d of %d", outside, total);
  distribution_free(&d);
}

Test(distribution, refusals) {
  static const double cell[9] = {5, 0, 0, 0, 5, 0, 0, 0, 5}, x[2][3] = {{0, 0, 0}, {2, 2, 2}};
  structure s;
  distribution *d = NULL;
  make(&s, cell, 2, (int[]){8, 18}, x);
  cr_expect_eq(distribution_open(&s, "O-Zn", 2, 0.1, 1, &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(distribution_open(&s, "O", 2, 0.1, 1, &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(distribution_open(&s, "O-Ar,", 2, 0.1, 1, &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(distribution_open(&s, "all", 2, 3, 1, &d), EQS_ERR_ARGUMENT);
  cr_expect_eq(distribution_open(&s, "Ar-O", 2, 0.1, 1, &d), EQS_OK, "%s", eqs_error());
  distribution_free(&d);
  s.pbc[2] = 0;
  cr_expect_eq(distribution_open(&s, "all", 2, 0.1, 1, &d), EQS_ERR_ARGUMENT);
  structure_free(&s);
}

/* ---- density maps */

/* Every point is somewhere, also with a cell that breathes; the voxel is the right one. */
Test(density_map, holds_every_point) {
  enum { N = 7, FRAME = 50 };
  double x[N][3], u[3 * N + 1], sum = 0, vector[9], cell[9];
  static const double start[9] = {6, 0, 0, 1, 7, 0, -2, 1, 5};
  structure s;
  density_map m;
  char *text = NULL, line[200];
  size_t size;
  int side[3], atoms;
  make(&s, start, 1, (int[]){30}, (const double(*)[3])start);
  cr_assert_eq(density_map_open(&s, 0.5, &m), EQS_OK);
  for (int f = 0; f < FRAME; f++) {
    random_uniform(2, 1, (uint64_t)f, 3 * N + 1, u);
    for (int k = 0; k < 9; k++) cell[k] = start[k] * (1 + 0.1 * u[3 * N]);
    for (int i = 0; i < N; i++)
      for (int k = 0; k < 3; k++) {
        /* within the 9th voxel along a, the first along b, all along c */
        double in[3] = {(8 + u[3 * i]) / 12 - 3, 2 + u[3 * i + 1] / 15, u[3 * i + 2]};
        x[i][k] = in[0] * cell[k] + in[1] * cell[3 + k] + in[2] * cell[6 + k];
      }
    cr_assert_eq(density_map_add(&m, cell, N, (const double(*)[3])x), EQS_OK);
  }
  FILE *file = open_memstream(&text, &size);
  density_map_write(&m, &s, 1, (int[]){0}, "a title", file);
  fclose(file);
  file = fmemopen(text, size, "r");
  for (int k = 0; k < 2; k++) cr_assert_not_null(fgets(line, sizeof line, file));
  cr_assert_eq(fscanf(file, "%d %*g %*g %*g", &atoms), 1);
  for (int k = 0; k < 3; k++)
    cr_assert_eq(fscanf(file, "%d %lf %lf %lf", &side[k], &vector[3 * k], &vector[3 * k + 1],
                        &vector[3 * k + 2]),
                 4);
  cr_assert_eq(fscanf(file, "%*d %*g %*g %*g %*g"), 0);
  cr_assert_eq(atoms, 1);
  double voxel = fabs(cell_volume(vector));
  for (int i = 0; i < side[0] * side[1] * side[2]; i++) {
    double value;
    cr_assert_eq(fscanf(file, "%lf", &value), 1);
    sum += value * voxel;
    int a = i / side[2] / side[1], b = i / side[2] % side[1];
    cr_expect(value == 0 || (a == 8 && b == 0), "a point in voxel %d %d", a, b);
  }
  cr_expect_float_eq(sum, N, 1e-5 * N);
  cr_expect_eq(side[0], 12);
  cr_expect_eq(side[1], 15);
  fclose(file);
  free(text);
  density_map_free(&m);
  structure_free(&s);
}

/* ---- groups */

Test(selection, names_of_groups) {
  /* CO2, CO, Co and a chain of carbon along x */
  static const double cell[9] = {4.2, 0, 0, 0, 20, 0, 0, 0, 20};
  static const double x[9][3] = {{0, 0, 0},   {1.4, 0, 0},    {2.8, 0, 0},
                                 {0, 5, 5},   {1.16, 5, 5},   {-1.16, 5, 5},
                                 {0, 10, 10}, {1.13, 10, 10}, {2, 15, 15}};
  static const int number[9] = {6, 6, 6, 6, 8, 8, 6, 8, 27};
  static const struct {
    const char *text;
    int groups, centres, atoms;
  } good[] = {{"CO2", 1, 1, 3}, {"CO", 1, 1, 2},    {"Co", 1, 1, 1},        {"C", 1, 5, 5},
              {"O", 1, 3, 3},   {"4-9:3", 1, 2, 6}, {"molecules", 3, 0, 0}, {"9", 1, 1, 1}};
  static const char *const bad[] = {"", "N2", "C3", "4-9:4", "9-10", "0-3", "4-", "CO2,", "co2"};
  structure s;
  make(&s, cell, 9, number, x);
  for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
    selections l = {.n = 0};
    cr_assert_eq(selections_add(&l, &s, good[k].text), EQS_OK, "%s: %s", good[k].text, eqs_error());
    cr_expect_eq(l.n, good[k].groups, "%s", good[k].text);
    if (good[k].centres) {
      cr_expect_eq(l.group->n, good[k].centres, "%s", good[k].text);
      cr_expect_eq(l.group->first[l.group->n], good[k].atoms, "%s", good[k].text);
    }
    selections_free(&l);
  }
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    selections l = {.n = 0};
    cr_expect_eq(selections_add(&l, &s, bad[k]), EQS_ERR_ARGUMENT, "'%s'", bad[k]);
    selections_free(&l);
  }
  selections l = {.n = 0};
  cr_assert_eq(selections_host(&l, &s, "host"), EQS_OK);
  cr_expect_eq(l.n_host, 3);
  selections_free(&l);
  structure_free(&s);
}
