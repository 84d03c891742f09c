/* test_charges.c -- charge equilibration: parameters, two ions, stationarity, symmetry.
 * SPDX-License-Identifier: MIT */
#include "potentials/charges.h"

#include "core/neighbors.h"
#include "potentials/ewald.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI     3.14159265358979323846
#define LAMBDA 1.2

static void equilibrate(int n, const int *number, const double (*x)[3], const double cell[9],
                        double total, double *q) {
  cr_assert(charges_equilibrate(n, number, x, cell, total, NULL, q) == EQS_OK, "%s", eqs_error());
}

static charges_atom atom(int number) {
  charges_atom a;
  cr_assert(charges_find_atom(number, &a) == EQS_OK);
  return a;
}

static double overlap(int a, int b, double r) {
  double c = sqrt(atom(a).hardness * atom(b).hardness) / EWALD_COULOMB;
  return EWALD_COULOMB * exp(-c * c * r * r) * (2 * c - c * c * r - 1 / r);
}

/* By hand from the published definitions: hydrogen 13.598 and -2; oxygen 13.618 and 1.46111; zinc
 * about 2+, 17.964 and 39.722; zirconium about 4+, 34.34 and 81.5. */
Test(charges, parameters) {
  cr_expect_float_eq(atom(1).hardness, 15.598, 1e-12);
  cr_expect_float_eq(atom(1).electronegativity, 5.799, 1e-12);
  cr_expect_float_eq(atom(8).hardness, 12.15689, 1e-12);
  cr_expect_float_eq(atom(8).electronegativity, 7.539555, 1e-12);
  cr_expect_float_eq(atom(30).hardness, 21.758, 1e-12);
  cr_expect_float_eq(atom(30).electronegativity, -14.673, 1e-12);
  cr_expect_float_eq(atom(40).electronegativity, -130.72, 1e-12);
  for (int z = 1; z <= 84; z++) {
    charges_atom a = atom(z);
    /* the lone ion of the expansion costs its ionisation energies: softer towards the neutral */
    cr_expect(a.hardness > 4 && a.center >= 0 && a.center <= 6, "element %d", z);
    cr_expect(a.center || (a.electronegativity > 2 && a.electronegativity < 13), "element %d", z);
  }
  charges_atom a;
  cr_expect(charges_find_atom(85, &a) == EQS_ERR_UNSUPPORTED);
  cr_expect(charges_find_atom(0, &a) == EQS_ERR_UNSUPPORTED);
}

/* Two atoms far from their images: q = (X_2 - X_1) / (J_1 + J_2 - 2 C); the images of the dipole
 * are felt as 1/L^3. */
Test(charges, two_ions) {
  static const int pairs[4][2] = {{11, 17}, {1, 9}, {30, 8}, {14, 8}};
  for (int p = 0; p < 4; p++)
    for (double r = 1.2; r < 6; r += 1.7) {
      charges_atom a = atom(pairs[p][0]), b = atom(pairs[p][1]);
      double c = LAMBDA / 2 * (EWALD_COULOMB / r + overlap(pairs[p][0], pairs[p][1], r));
      double want = (b.electronegativity - a.electronegativity) / (a.hardness + b.hardness - 2 * c);
      const double x[2][3] = {{3, 4, 5}, {3, 4 - r * 0.6, 5 + r * 0.8}};
      double q[2][2];
      for (int k = 0; k < 2; k++) {
        double l = k ? 60 : 30;
        const double cell[9] = {l, 0, 0, 0, l, 0, 0, 0, l};
        equilibrate(2, pairs[p], x, cell, 0, q[k]);
        cr_expect(fabs(q[k][0] + q[k][1]) < 1e-12);
        /* dipole in a cubic lattice: 2 pi K d^2 q^2 / 3 V, conducting surroundings */
        double field = LAMBDA / 2 * 4 * PI / 3 * EWALD_COULOMB * r * r / (l * l * l);
        double shifted = want * (1 + field / (a.hardness + b.hardness - 2 * c));
        cr_expect(fabs(q[k][0] / shifted - 1) < 0.02 * pow(10 / l, 3), "%d %d, %g: %.9g, not %.9g",
                  pairs[p][0], pairs[p][1], r, q[k][0], shifted);
      }
      cr_expect(fabs(q[1][0] - want) < fabs(q[0][0] - want), "towards the limit");
    }
}

/* E(q) by sums of their own: Ewald's energy with a short cutoff, overlaps image by image. */
static double energy(int n, const int *number, const double (*x)[3], const double cell[9],
                     const double *q) {
  ewald e;
  double sum = 0, lattice = 0, width[3];
  int m[3], most[3];
  cr_assert(ewald_prepare(cell, 6.5, 1e-14, &e) == EQS_OK);
  double *phase = calloc(ewald_phase_size(&e), sizeof *phase);
  double *s = calloc(2 * (size_t)e.n, sizeof *s);
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) most[k] = (int)ceil(16 / width[k]) + 1;
  for (int i = 0; i < n; i++) {
    charges_atom a = atom(number[i]);
    sum += a.electronegativity * q[i] + a.hardness * q[i] * q[i] / 2;
    lattice -= EWALD_COULOMB * e.alpha / sqrt(PI) * q[i] * q[i];
    ewald_phases(&e, x[i], phase);
    ewald_add(&e, 1, q + i, phase, s, s + e.n);
    for (int j = 0; j < n; j++)
      for (m[0] = -most[0]; m[0] <= most[0]; m[0]++)
        for (m[1] = -most[1]; m[1] <= most[1]; m[1]++)
          for (m[2] = -most[2]; m[2] <= most[2]; m[2]++) {
            double r = 0;
            if (i == j && !m[0] && !m[1] && !m[2]) continue;
            for (int k = 0; k < 3; k++)
              r += pow(x[i][k] - x[j][k] + m[0] * cell[k] + m[1] * cell[3 + k] + m[2] * cell[6 + k],
                       2);
            r = sqrt(r);
            if (r < 16) lattice += q[i] * q[j] / 2 * overlap(number[i], number[j], r);
            if (r < e.cutoff) lattice += q[i] * q[j] / 2 * EWALD_COULOMB * erfc(e.alpha * r) / r;
          }
  }
  for (int k = 0; k < e.n; k++) lattice += e.weight[k] * (s[k] * s[k] + s[k + e.n] * s[k + e.n]);
  free(phase);
  free(s);
  ewald_free(&e);
  return sum + LAMBDA / 2 * lattice;
}

static const double skew[9] = {5.1, 0, 0, -1.3, 5.4, 0, 0.9, 1.2, 6.3};
static const int mixed[6] = {30, 8, 6, 1, 8, 7};
static const double place[6][3] = {{0, 0, 0},     {1.9, 0.2, 0.1},  {2.5, 1.3, 0.4},
                                   {3.4, 1.6, 1}, {0.3, -0.4, 2.1}, {0.5, 2.6, 3.9}};

/* Moving charge from one atom to another changes E in second order only; E is quadratic, so the
 * central difference is its exact derivative. */
Test(charges, stationary_energy) {
  double q[6];
  for (int total = 0; total < 2; total++) {
    equilibrate(6, mixed, place, skew, total, q);
    double net = -total;
    for (int i = 0; i < 6; i++) net += q[i];
    cr_expect(fabs(net) < 1e-12, "net charge %g", net);
    for (int i = 1; i < 6; i++) {
      double up[6], down[6];
      memcpy(up, q, sizeof q);
      memcpy(down, q, sizeof q);
      up[0] += 0.5, up[i] -= 0.5;
      down[0] -= 0.5, down[i] += 0.5;
      double slope = energy(6, mixed, place, skew, up) - energy(6, mixed, place, skew, down);
      cr_expect(fabs(slope) < 1e-8, "dE/dq between atoms 1 and %d: %g eV/e", i + 1, slope);
    }
  }
}

/* Rock salt: equivalent atoms alike, the conventional cell as the primitive one, and by Madelung's
 * constant: C_ii - C_12 of the lattice gives q = (X_O - X_Mg) / (J_Mg + J_O - lambda M K / r + the
 * overlaps' share). */
Test(charges, equivalent_atoms) {
  static const double a = 2.105;
  static const double primitive[9] = {0, a, a, a, 0, a, a, a, 0};
  static const double cube[9] = {2 * a, 0, 0, 0, 2 * a, 0, 0, 0, 2 * a};
  static const int two[2] = {12, 8}, eight[8] = {12, 12, 12, 12, 8, 8, 8, 8};
  static const double x2[2][3] = {{0, 0, 0}, {a, 0, 0}};
  static const double x8[8][3] = {{0, 0, 0}, {0, a, a}, {a, 0, a}, {a, a, 0},
                                  {a, 0, 0}, {0, a, 0}, {0, 0, a}, {a, a, a}};
  double p[2], q[8], same = 0, other = 0;
  equilibrate(2, two, x2, primitive, 0, p);
  equilibrate(8, eight, x8, cube, 0, q);
  for (int i = 0; i < 8; i++) cr_expect_float_eq(q[i], i < 4 ? p[0] : p[1], 1e-8);
  for (int i = -12; i <= 12; i++)
    for (int j = -12; j <= 12; j++)
      for (int k = -12; k <= 12; k++) {
        double r = a * sqrt(i * i + j * j + k * k);
        if (r > 0 && (i + j + k) % 2) other += overlap(12, 8, r);
        if (r > 0 && (i + j + k) % 2 == 0) same += overlap(12, 12, r) + overlap(8, 8, r);
      }
  double lattice = LAMBDA / 2 * (-2 * 1.747564594633 * EWALD_COULOMB / a + same - 2 * other);
  double want = (atom(8).electronegativity - atom(12).electronegativity) /
                (atom(12).hardness + atom(8).hardness + lattice);
  cr_expect_float_eq(p[0], want, 1e-8, "Mg %.10g, by Madelung's constant %.10g", p[0], want);
  cr_expect(p[0] > 1 && p[0] < 2.5, "Mg in MgO has %g e", p[0]);
}

Test(charges, threads_and_hostile_input) {
  workspace one = {0}, three = {0};
  double q[6], r[6], x[6][3];
  cr_assert(workspace_set_threads(&one, 1) == EQS_OK && workspace_set_threads(&three, 3) == EQS_OK);
  cr_assert(charges_equilibrate(6, mixed, place, skew, 0, &one, q) == EQS_OK);
  cr_assert(charges_equilibrate(6, mixed, place, skew, 0, &three, r) == EQS_OK);
  cr_expect(!memcmp(q, r, sizeof q));
  static const double flat[9] = {1, 0, 0, 0, 1, 0, 1, 1, 0};
  static const int exotic[1] = {112};
  cr_expect(charges_equilibrate(6, mixed, place, flat, 0, NULL, q) == EQS_ERR_ARGUMENT);
  cr_expect(charges_equilibrate(1, exotic, place, skew, 0, NULL, q) == EQS_ERR_UNSUPPORTED);
  cr_expect(charges_equilibrate(0, exotic, place, skew, 0, NULL, q) == EQS_ERR_ARGUMENT);
  cr_expect(charges_equilibrate(CHARGES_MAX_ATOMS + 1, mixed, place, skew, 0, NULL, q) ==
            EQS_ERR_UNSUPPORTED);
  memcpy(x, place, sizeof x);
  memcpy(x[4], x[1], sizeof x[1]);
  cr_expect(charges_equilibrate(6, mixed, (const double(*)[3])x, skew, 0, NULL, q) ==
            EQS_ERR_UNSUPPORTED);
  x[4][0] += 0.1; /* so close that moving charge between them only gains */
  cr_expect(charges_equilibrate(6, mixed, (const double(*)[3])x, skew, 0, NULL, q) ==
            EQS_ERR_UNSUPPORTED);
  x[4][0] = NAN;
  cr_expect(charges_equilibrate(6, mixed, (const double(*)[3])x, skew, 0, NULL, q) ==
            EQS_ERR_ARGUMENT);
  workspace_free(&one);
  workspace_free(&three);
}
