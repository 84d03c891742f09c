/* test_ewald.c -- Ewald's sum against Madelung constants, direct sums and other splittings.
 *
 * Madelung constants: NaCl 1.747564594633, CsCl 1.762674773070 (Y. Sakamoto, J. Chem. Phys. 28, 164
 * (1958)), per shortest distance.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/ewald.h"

#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

static const double skew[9] = {7.1, 0, 0, -2.3, 6.4, 0, 1.9, 2.2, 8.3};

static ewald prepared(const double cell[9], double cutoff, double tolerance) {
  ewald e;
  cr_assert(ewald_prepare(cell, cutoff, tolerance, &e) == EQS_OK, "%s", eqs_error());
  return e;
}

/* Reproducible numbers in [0, 1). */
static double draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) * 0x1p-53;
}

/* Energy of all charges and images by the three sums; the real one over all images within reach. */
static double lattice_energy(const ewald *e, int n, const double (*x)[3], const double *q) {
  double sum = 0, *phase = calloc(ewald_phase_size(e), sizeof *phase), width[3];
  double *s = calloc(2 * (size_t)e->n, sizeof *s);
  int m[3], most[3];
  cell_widths(e->cell, width);
  for (int k = 0; k < 3; k++)
    most[k] = (int)ceil(e->cutoff / width[k]) + 4; /* atoms lie outside too */
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++)
      for (m[0] = -most[0]; m[0] <= most[0]; m[0]++)
        for (m[1] = -most[1]; m[1] <= most[1]; m[1]++)
          for (m[2] = -most[2]; m[2] <= most[2]; m[2]++) {
            double r2 = 0;
            for (int k = 0; k < 3; k++) {
              double d = x[i][k] - x[j][k] + m[0] * e->cell[k] + m[1] * e->cell[3 + k] +
                         m[2] * e->cell[6 + k];
              r2 += d * d;
            }
            if (r2 > 1e-12 && r2 < e->cutoff * e->cutoff)
              sum += EWALD_COULOMB / 2 * q[i] * q[j] * erfc(e->alpha * sqrt(r2)) / sqrt(r2);
          }
    sum -= EWALD_COULOMB * e->alpha / sqrt(PI) * q[i] * q[i];
    ewald_phases(e, x[i], phase);
    ewald_add(e, 1, q + i, phase, s, s + e->n);
  }
  for (int k = 0; k < e->n; k++) sum += e->weight[k] * (s[k] * s[k] + s[k + e->n] * s[k + e->n]);
  free(phase);
  free(s);
  return sum;
}

Test(ewald, madelung_constants) {
  static const double sodium[8][3] = {{0, 0, 0}, {0, 1, 1}, {1, 0, 1}, {1, 1, 0},
                                      {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 1}};
  static const double sodium_charge[8] = {1, 1, 1, 1, -1, -1, -1, -1};
  static const double primitive[9] = {0, 1, 1, 1, 0, 1, 1, 1, 0};
  static const double oblique[9] = {0, 1, 1, 1, 1, 2, 1, 1, 0}; /* the same lattice */
  static const double pair[2][3] = {{0, 0, 0}, {1, 0, 0}}, pair_charge[2] = {1, -1};
  static const double cube[9] = {2, 0, 0, 0, 2, 0, 0, 0, 2};
  static const double caesium[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  static const double body[2][3] = {{0, 0, 0}, {0.5, 0.5, 0.5}};
  for (double cutoff = 2; cutoff < 6; cutoff += 1.5) {
    ewald a = prepared(cube, cutoff, 1e-14), b = prepared(primitive, cutoff, 1e-14);
    ewald c = prepared(oblique, cutoff, 1e-14), d = prepared(caesium, cutoff, 1e-14);
    double na = lattice_energy(&a, 8, sodium, sodium_charge) / -4 / EWALD_COULOMB;
    double nb = lattice_energy(&b, 2, pair, pair_charge) / -EWALD_COULOMB;
    double nc = lattice_energy(&c, 2, pair, pair_charge) / -EWALD_COULOMB;
    double cs = lattice_energy(&d, 2, body, pair_charge) / -EWALD_COULOMB * sqrt(0.75);
    cr_expect_float_eq(na, 1.747564594633, 2e-12, "%.13f, cutoff %g", na, cutoff);
    cr_expect_float_eq(nb, 1.747564594633, 2e-12, "%.13f, cutoff %g", nb, cutoff);
    cr_expect_float_eq(nc, 1.747564594633, 2e-12, "%.13f, cutoff %g", nc, cutoff);
    cr_expect_float_eq(cs, 1.762674773070, 2e-12, "%.13f, cutoff %g", cs, cutoff);
    ewald_free(&a);
    ewald_free(&b);
    ewald_free(&c);
    ewald_free(&d);
  }
}

Test(ewald, splitting_does_not_matter) {
  enum { N = 9 };
  double x[N][3], q[N], net = 0, want = NAN;
  uint64_t seed = 7;
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) x[i][k] = 20 * draw(&seed) - 10;
    q[i] = i < N - 1 ? draw(&seed) - 0.5 : -net;
    net += q[i];
  }
  for (double cutoff = 5; cutoff < 16; cutoff += 2.1) {
    ewald e = prepared(skew, cutoff, 1e-14);
    double u = lattice_energy(&e, N, (const double(*)[3])x, q);
    if (isnan(want)) want = u;
    cr_expect_float_eq(u, want, 1e-10, "%.12f at cutoff %g, %.12f before", u, cutoff, want);
    ewald_free(&e);
  }
}

/* Both sums break off at the tolerance that was asked for. */
Test(ewald, tolerance_is_kept) {
  static const double x[2][3] = {{0, 0, 0}, {1, 0, 0}}, q[2] = {1, -1};
  static const double primitive[9] = {0, 1, 1, 1, 0, 1, 1, 1, 0};
  for (double tolerance = 1e-2; tolerance > 1e-12; tolerance *= 0.1) {
    ewald e = prepared(primitive, 3, tolerance);
    double m = lattice_energy(&e, 2, x, q) / -EWALD_COULOMB;
    cr_expect(fabs(m - 1.747564594633) < 5 * tolerance, "%g: off by %g", tolerance,
              m - 1.747564594633);
    ewald_free(&e);
  }
}

Test(ewald, table_of_the_real_part) {
  for (double cutoff = 1.5; cutoff < 40; cutoff *= 1.7) {
    ewald e = prepared(skew, cutoff, 1e-6);
    double worst = 0;
    for (double r2 = 1e-3; r2 <= cutoff * cutoff; r2 += 1.3e-3 * cutoff) {
      double want = erfc(e.alpha * sqrt(r2)) / sqrt(r2);
      worst = fmax(worst, fabs(ewald_real(&e, r2) - want));
    }
    cr_expect(worst < 1e-11, "cutoff %g: off by %g", cutoff, worst);
    cr_expect(isfinite(ewald_real(&e, cutoff * cutoff * 1.0001)));
    ewald_free(&e);
  }
}

/* Against the definitions, k by k with cos(k x). */
/* One too many in its row: no vector of the ball, but the last of an even number. */
static int idles(const ewald *e, const ewald_row *r, int i, double k2) {
  if (e->weight[r->first + i] != 0) return 0;
  cr_assert(k2 > e->k_cut * e->k_cut && i == r->n - 1 && i % 2 == 1);
  return 1;
}

Test(ewald, reciprocal_pieces) {
  ewald e = prepared(skew, 6, 1e-6);
  enum { N = 4 };
  double x[N][3], q[N], at[3], sums[3] = {0};
  uint64_t seed = 3;
  size_t size = ewald_phase_size(&e), n = (size_t)e.n;
  double *phase = calloc(N * size, sizeof *phase), *s = calloc(4 * n, sizeof *s);
  double *g = s + 2 * n;
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) x[i][k] = 30 * draw(&seed) - 15;
    q[i] = draw(&seed) - 0.5;
    ewald_phases(&e, x[i], phase + (size_t)i * size);
  }
  for (size_t k = 0; k < 2 * n; k++) g[k] = draw(&seed) - 0.5;
  for (int k = 0; k < 3; k++) at[k] = x[0][k];
  ewald_add(&e, 2, q, phase, s, s + n);
  double added = ewald_added(&e, 2, q + 2, phase + 2 * size, s, s + n);
  double alone = ewald_added(&e, 2, q + 2, phase + 2 * size, NULL, NULL);
  for (size_t j = 0; j < n; j++)
    if (e.weight[j] == 0) g[j] = g[n + j] = 0;
  double value = ewald_at(&e, phase, g, g + n);
  int seen = 0;
  for (int r = 0; r < e.n_row; r++)
    for (int i = 0; i < e.row[r].n; i++) {
      int h[3] = {e.row[r].n1, e.row[r].n2, e.row[r].low + i}, j = e.row[r].first + i;
      double k[3], k2 = 0, re = 0, im = 0, t_re = 0, t_im = 0;
      for (int c = 0; c < 3; c++) {
        k[c] =
            2 * PI *
            (h[0] * e.inverse[3 * c] + h[1] * e.inverse[3 * c + 1] + h[2] * e.inverse[3 * c + 2]);
        k2 += k[c] * k[c];
      }
      if (idles(&e, e.row + r, i, k2)) continue;
      seen++;
      for (int a = 0; a < N; a++) {
        double kx = k[0] * x[a][0] + k[1] * x[a][1] + k[2] * x[a][2];
        *(a < 2 ? &re : &t_re) += q[a] * cos(kx);
        *(a < 2 ? &im : &t_im) += q[a] * sin(kx);
      }
      double w = 4 * PI * EWALD_COULOMB / fabs(cell_volume(skew)) *
                 exp(-k2 / (4 * e.alpha * e.alpha)) / k2;
      double kx = k[0] * at[0] + k[1] * at[1] + k[2] * at[2];
      cr_assert(k2 <= e.k_cut * e.k_cut * (1 + 1e-12) && fabs(e.weight[j] / w - 1) < 1e-12);
      cr_assert(fabs(s[j] - re) < 1e-12 && fabs(s[n + (size_t)j] - im) < 1e-12);
      sums[0] += w * (pow(re + t_re, 2) + pow(im + t_im, 2) - re * re - im * im);
      sums[1] += w * (t_re * t_re + t_im * t_im);
      sums[2] += g[j] * cos(kx) + g[n + (size_t)j] * sin(kx);
    }
  /* the volume of the half ball: a count within the surface's uncertainty */
  double count = e.volume * pow(e.k_cut, 3) / (12 * PI * PI);
  cr_expect(seen < e.n && fabs(seen / count - 1) < 0.05, "%d vectors, about %g", seen, count);
  cr_expect_float_eq(added, sums[0], 1e-12);
  cr_expect_float_eq(alone, sums[1], 1e-12);
  cr_expect_float_eq(value, sums[2], 1e-11);
  free(phase);
  free(s);
  ewald_free(&e);
}

Test(ewald, refuses) {
  static const double flat[9] = {1, 0, 0, 0, 1, 0, 1, 1, 0},
                      thin[9] = {9e4, 0, 0, 0, 9e4, 0, 0, 0, 9e4};
  ewald e;
  cr_expect(ewald_prepare(flat, 5, 1e-6, &e) == EQS_ERR_ARGUMENT);
  cr_expect(ewald_prepare(skew, 0, 1e-6, &e) == EQS_ERR_ARGUMENT);
  cr_expect(ewald_prepare(skew, NAN, 1e-6, &e) == EQS_ERR_ARGUMENT);
  cr_expect(ewald_prepare(skew, 5, 0, &e) == EQS_ERR_ARGUMENT);
  cr_expect(ewald_prepare(skew, 5, 0.5, &e) == EQS_ERR_ARGUMENT);
  cr_expect(ewald_prepare(skew, 1e-3, 1e-6, &e) == EQS_ERR_ARGUMENT);
  cr_expect(ewald_prepare(thin, 5, 1e-6, &e) == EQS_ERR_UNSUPPORTED);
}
