/* test_elastic.c -- elastic constants of Lennard-Jones crystals: by lattice sums where atoms have
 * nowhere to relax to, by the curvature of the relaxed energy where they have; rotations, errors,
 * averages of matrices whose answer is known.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/elastic.h"

#include "toy_forces.h"

#include <criterion/criterion.h>

#include "core/dynamics/relax.h"
#include "core/symmetry.h"

static toy_lj argon = {0.0104, 3.4, 6.1};

enum { N = 108, VOIGT = 6 };

static const elastic_settings fine = {.strain = 1e-3,
                                      .points = 4,
                                      .force = 1e-9,
                                      .steps = 3000,
                                      .context = &argon,
                                      .evaluate = toy_lj_force};

static void relax(relax_cell kind, int n, double (*x)[3], double cell[9]) {
  double force[N][3], stress[9];
  relax_outcome o;
  const relax_settings s = {.method = RELAX_LBFGS,
                            .cell = kind,
                            .force = 1e-9,
                            .stress = 1e-10,
                            .steps = 3000,
                            .context = &argon,
                            .evaluate = toy_lj_force};
  cr_assert_eq(relax_run(&s, n, x, cell, force, stress, &o), EQS_OK, "%s", eqs_error());
  cr_assert(o.done, "force %g stress %g", o.force, o.stress);
}

static double second_derivative(double r) {
  double h = 1e-4, slope[2];
  for (int k = 0; k < 2; k++) {
    double at = r + (k ? h : -h);
    (void)toy_lj_pair(&argon, at * at, &slope[k]);
    slope[k] *= at; /* the pair's slope comes divided by the distance */
  }
  return (slope[1] - slope[0]) / (2 * h);
}

/* C_abcd = 1/(2 v) sum (phi'' - phi'/r) r_a r_b r_c r_d / r^2 per atom of volume v, at no stress:
 * every atom is a centre of inversion. */
static void lattice_sum(double length, double *c11, double *c12, double *c44) {
  *c11 = *c12 = *c44 = 0;
  for (int i = -5; i <= 5; i++)
    for (int j = -5; j <= 5; j++)
      for (int k = -5; k <= 5; k++) {
        double x = i * length / 2, y = j * length / 2, z = k * length / 2, slope;
        double r2 = x * x + y * y + z * z, r = sqrt(r2);
        if ((i + j + k) % 2 || r2 == 0 || r2 >= argon.cutoff * argon.cutoff) continue;
        (void)toy_lj_pair(&argon, r2, &slope);
        double w = (second_derivative(r) - slope) / r2 / (2 * length * length * length / 4);
        *c11 += w * x * x * x * x;
        *c12 += w * x * x * y * y;
        *c44 += w * y * z * y * z;
      }
}

Test(elastic, cubic_crystal_by_lattice_sums) {
  double x[N][3], cell[9], c11, c12, c44;
  elastic_matrix c, even;
  int64_t evaluations;
  toy_fcc(3, 5.2, cell, x);
  relax(RELAX_ISOTROPIC, N, x, cell);
  cr_assert_eq(elastic_measure(&fine, N, (const double(*)[3])x, cell, &c, &evaluations), EQS_OK,
               "%s", eqs_error());
  lattice_sum(cell[0] / 3, &c11, &c12, &c44);
  for (int i = 0; i < VOIGT; i++)
    for (int j = 0; j < VOIGT; j++) {
      double want = i == j ? i < 3 ? c11 : c44 : i < 3 && j < 3 ? c12 : 0;
      cr_expect_float_eq(c.c[i][j], want, 2e-4 * c11, "%d%d: %g, not %g", i + 1, j + 1, c.c[i][j],
                         want);
      /* what is left is the cubic part, which the errors tell of */
      cr_expect(fabs(c.c[i][j] - want) < 10 * c.sigma[i][j] + 1e-6 * c11, "%d%d: off by %g +- %g",
                i + 1, j + 1, c.c[i][j] - want, c.sigma[i][j]);
    }
  cr_expect_float_eq(c.c[0][1], c.c[3][3], 1e-3 * c44); /* Cauchy: central forces */
  cr_expect_gt(elastic_stability((const double(*)[VOIGT])c.c), 0.5 * c44);

  structure s = {.pbc = {1, 1, 1}};
  double(*rotation)[9];
  char symbol[8];
  int n;
  memcpy(s.cell, cell, sizeof cell);
  for (int i = 0; i < N; i++) cr_assert_eq(structure_append(&s, 18, x[i], 0), EQS_OK);
  cr_assert_eq(structure_point_group(&s, 1e-3, &n, &rotation, symbol), EQS_OK);
  cr_expect_str_eq(symbol, "m-3m");
  cr_expect_eq(n, 48 * N); /* the supercell's translations with each */
  elastic_symmetrise(&c, n, (const double(*)[9])rotation, &even);
  for (int i = 0; i < VOIGT; i++)
    for (int j = 0; j < VOIGT; j++) {
      cr_expect_float_eq(even.c[i][j], c.c[i][j], 1e-5 * c11);
      int k = i < 3 ? 0 : 3, l = i == j ? k : 1;
      double twin = i == j || (i < 3 && j < 3) ? even.c[k][l] : 0;
      cr_expect_float_eq(even.c[i][j], twin, 1e-12 * c11);
    }
  free(rotation);
  structure_free(&s);
}

/* Energy of the strained crystal with its atoms relaxed. */
static double strained_energy(int n, const double (*x0)[3], const double cell0[9], int a, int b,
                              double e) {
  double x[N][3], cell[9], force[N][3], stress[9], deform[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  relax_outcome o;
  deform[3 * a + b] += e / 2, deform[3 * b + a] += e / 2;
  for (int i = 0; i < n + 3; i++) {
    const double *from = i < n ? x0[i] : cell0 + 3 * (i - n);
    double *to = i < n ? x[i] : cell + 3 * (i - n);
    for (int k = 0; k < 3; k++)
      to[k] = from[0] * deform[k] + from[1] * deform[3 + k] + from[2] * deform[6 + k];
  }
  const relax_settings s = {.method = RELAX_LBFGS,
                            .cell = RELAX_FIXED,
                            .force = 1e-9,
                            .stress = 1,
                            .steps = 3000,
                            .context = &argon,
                            .evaluate = toy_lj_force};
  cr_assert_eq(relax_run(&s, n, x, cell, force, stress, &o), EQS_OK);
  cr_assert(o.done);
  return o.energy;
}

/* Hexagonal close packing is no lattice: under shear in the plane the layers shift against each
 * other. C = d2E/de2 / V with that relaxed. */
Test(elastic, relaxed_atoms_count) {
  enum { HCP = 96 };
  double x[HCP][3], cell[9] = {4 * 3.72, 0, 0, 0, 4 * 3.72 * 0.8660254037844386 * 1, 0, 0, 0, 0};
  double a = 3.72, c = 3.72 * 1.63299, h = 1e-3;
  int n = 0;
  elastic_matrix m;
  int64_t evaluations;
  cell[4] = 4 * a * 0.8660254037844386, cell[8] = 3 * c;
  cell[0] = 4 * a;
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      for (int k = 0; k < 6; k++, n++) {
        double shift = k % 2 ? a * 0.5773502691896258 : 0;
        x[n][0] = a * (i + 0.5 * (j % 2)) + 0.1;
        x[n][1] = a * 0.8660254037844386 * j + shift + 0.2;
        x[n][2] = c / 2 * k + 0.3;
      }
  cr_assert_eq(n, HCP);
  relax(RELAX_FULL, HCP, x, cell);
  double volume = fabs(cell_volume(cell));
  cr_assert_eq(elastic_measure(&fine, HCP, (const double(*)[3])x, cell, &m, &evaluations), EQS_OK,
               "%s", eqs_error());
  static const int row[VOIGT] = {0, 1, 2, 1, 0, 0}, column[VOIGT] = {0, 1, 2, 2, 2, 1};
  double rest = strained_energy(HCP, (const double(*)[3])x, cell, 0, 0, 0);
  for (int k = 0; k < VOIGT; k++) {
    double up = strained_energy(HCP, (const double(*)[3])x, cell, row[k], column[k], h);
    double down = strained_energy(HCP, (const double(*)[3])x, cell, row[k], column[k], -h);
    double want = (up + down - 2 * rest) / (h * h) / volume;
    if (k < 3) want *= 1; /* e/2 twice on the diagonal: e */
    cr_expect_float_eq(m.c[k][k], want, 1e-3 * want, "%d: %g, not %g", k + 1, m.c[k][k], want);
  }
  /* C66 = (C11 - C12)/2 in a hexagonal crystal */
  cr_expect_float_eq(m.c[5][5], (m.c[0][0] - m.c[0][1]) / 2, 1e-3 * m.c[5][5]);
  /* and it is below what it would be were the layers held: one step of relaxation allowed */
  elastic_settings held = fine;
  held.force = 1; /* nothing moves */
  elastic_matrix stiff;
  cr_assert_eq(elastic_measure(&held, HCP, (const double(*)[3])x, cell, &stiff, &evaluations),
               EQS_OK);
  cr_expect_gt(stiff.c[5][5], 1.02 * m.c[5][5], "%g %g", stiff.c[5][5], m.c[5][5]);
}

/* Turned by a proper rotation and back, a matrix is as before; the average over a fourfold axis has
 * its shape. */
Test(elastic, rotations) {
  elastic_matrix m = {.sigma = {{0}}}, out;
  for (int i = 0; i < VOIGT; i++)
    for (int j = i; j < VOIGT; j++) {
      m.c[i][j] = m.c[j][i] = sin(1.0 + 3 * i + 7 * j) + (i == j ? 5 : 0);
      m.sigma[i][j] = m.sigma[j][i] = 0.1;
    }
  static const double fourfold[4][9] = {{1, 0, 0, 0, 1, 0, 0, 0, 1},
                                        {0, -1, 0, 1, 0, 0, 0, 0, 1},
                                        {-1, 0, 0, 0, -1, 0, 0, 0, 1},
                                        {0, 1, 0, -1, 0, 0, 0, 0, 1}};
  elastic_symmetrise(&m, 1, fourfold, &out);
  for (int i = 0; i < VOIGT; i++)
    for (int j = 0; j < VOIGT; j++) cr_expect_float_eq(out.c[i][j], m.c[i][j], 1e-15);
  elastic_symmetrise(&m, 4, fourfold, &out);
  cr_expect_float_eq(out.c[0][0], (m.c[0][0] + m.c[1][1]) / 2, 1e-14);
  cr_expect_float_eq(out.c[0][2], (m.c[0][2] + m.c[1][2]) / 2, 1e-14);
  cr_expect_float_eq(out.c[0][5], (m.c[0][5] - m.c[1][5]) / 2, 1e-14);
  cr_expect_float_eq(out.c[3][3], (m.c[3][3] + m.c[4][4]) / 2, 1e-14);
  cr_expect_float_eq(out.c[0][3], 0, 1e-14);
  cr_expect_float_eq(out.c[2][5], 0, 1e-14);
  cr_expect_float_eq(out.sigma[0][0], 0.1 / sqrt(2), 1e-14);
  cr_expect_float_eq(out.sigma[2][2], 0.1, 1e-14);
  /* 30 degrees about (1,1,1): eigenvalues stay */
  double s3 = sqrt(1 / 3.0), co = cos(0.5235987755982988), si = sin(0.5235987755982988);
  double turn[1][9];
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < 3; b++) {
      int cyclic = (b - a + 3) % 3;
      turn[0][3 * a + b] = (a == b ? co : 0) + (1 - co) / 3 +
                           (cyclic == 1   ? -si * s3
                            : cyclic == 2 ? si * s3
                                          : 0);
    }
  elastic_symmetrise(&m, 1, (const double(*)[9])turn, &out);
  cr_expect_gt(fabs(out.c[0][0] - m.c[0][0]), 0.01);
  cr_expect_float_eq(elastic_stability((const double(*)[VOIGT])out.c),
                     elastic_stability((const double(*)[VOIGT])m.c), 1e-12);
}

/* Isotropic matter of bulk modulus 5 and shear modulus 3; copper (168.4, 121.4, 75.4 GPa), whose
 * averages are in textbooks: shear 40.0 (Reuss), 54.6 (Voigt). */
Test(elastic, averages) {
  double c[VOIGT][VOIGT] = {{0}};
  elastic_moduli m, error;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) c[i][j] = 5 + (i == j ? 4 : -2);
  for (int i = 3; i < VOIGT; i++) c[i][i] = 3;
  elastic_average((const double(*)[VOIGT])c, &m);
  for (int k = 0; k < 3; k++) {
    cr_expect_float_eq(m.bulk[k], 5, 1e-13);
    cr_expect_float_eq(m.shear[k], 3, 1e-13);
  }
  cr_expect_float_eq(m.young, 7.5, 1e-13);
  cr_expect_float_eq(m.poisson, 0.25, 1e-13);
  cr_expect_float_eq(elastic_stability((const double(*)[VOIGT])c), 6, 1e-12); /* 2 G */
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) c[i][j] = i == j ? 168.4 : 121.4;
  for (int i = 3; i < VOIGT; i++) c[i][i] = 75.4;
  elastic_average((const double(*)[VOIGT])c, &m);
  cr_expect_float_eq(m.bulk[2], 137.0666667, 1e-6);
  cr_expect_float_eq(m.shear[0], 54.64, 1e-9);
  cr_expect_float_eq(m.shear[1], 40.03, 0.02);
  c[0][1] = c[1][0] = 200; /* beyond C11: it shears by itself */
  cr_expect_lt(elastic_stability((const double(*)[VOIGT])c), 0);

  elastic_matrix with = {.sigma = {{0}}};
  memcpy(with.c, c, sizeof c);
  with.sigma[0][0] = 0.9;
  elastic_average_errors(&with, &error);
  cr_expect_float_eq(error.bulk[0], 0.1, 1e-9); /* a ninth */
  cr_expect_float_eq(error.shear[0], 0.06, 1e-9);
}
