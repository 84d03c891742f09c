/* test_classical.c -- parameter tables against published figures, one site in a crystal against
 * sums image by image.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/classical.h"

#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

/* RASPA's GenericMOFs (DREIDING, UFF for the metals) and gRASPA's UFF, in K and angstrom. */
Test(classical, framework_tables) {
  static const struct {
    const char *set;
    int number;
    double epsilon, sigma, off;
  } published[] = {
      {"dreiding+trappe", 8, 48.1581, 3.03315, 1e-5},
      {"dreiding+trappe", 7, 38.9492, 3.26256, 1e-5},
      {"dreiding+trappe", 6, 47.8562, 3.47299, 1e-5},
      {"dreiding+trappe", 9, 36.4834, 3.0932, 1e-5},
      {"dreiding+trappe", 5, 47.8058, 3.58141, 1e-5},
      {"dreiding+trappe", 15, 161.03, 3.69723, 1e-5},
      {"dreiding+trappe", 16, 173.107, 3.59032, 1e-5},
      {"dreiding+trappe", 17, 142.562, 3.51932, 1e-5},
      {"dreiding+trappe", 35, 186.191, 3.51905, 1e-5},
      {"dreiding+trappe", 1, 7.64893, 2.84642, 1e-5},
      {"dreiding+trappe", 13, 155.998, 3.91105, 1e-5},
      {"dreiding+trappe", 14, 155.998, 3.80414, 1e-5},
      {"dreiding+trappe", 30, 62.3992, 2.46155, 1e-5},
      {"uff+trappe", 4, 42.7736, 2.44552, 1e-5},
      {"uff+trappe", 24, 7.54829, 2.69319, 1e-5},
      {"uff+trappe", 26, 6.54185, 2.5943, 1e-5},
      {"uff+trappe", 25, 6.54185, 2.63795, 1e-5},
      {"uff+trappe", 29, 2.5161, 3.11369, 1e-5},
      {"uff+trappe", 27, 7.04507, 2.55866, 1e-5},
      {"UFF+TraPPE", 31, 208.836, 3.90481, 1e-5},
      {NULL, 22, 8.55473, 2.8286, 1e-5},
      {NULL, 21, 9.56117, 2.93551, 1e-5},
      {NULL, 23, 8.05151, 2.80099, 1e-5},
      {NULL, 28, 7.54829, 2.52481, 1e-5},
      {NULL, 40, 34.7221, 2.78317, 1e-5},
      {NULL, 12, 55.8574, 2.69141, 1e-5},
      {NULL, 47, 18.1159, 2.80455, 1e-5},
      {NULL, 49, 301.428, 3.97608, 1e-5},
      {NULL, 48, 114.734, 2.53728, 1e-5},
      {NULL, 51, 225.946, 3.93777, 1e-5},
      {NULL, 52, 200.281, 3.98232, 1e-5},
      {NULL, 8, 30.19, 3.12, 1e-3},
      {NULL, 6, 52.83, 3.43, 1e-3},
      {NULL, 1, 22.14, 2.57, 1e-3},
  };
  for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
    classical_site s;
    cr_assert(classical_find_atom(published[i].set, published[i].number, &s) == EQS_OK);
    cr_expect(fabs(s.epsilon / published[i].epsilon - 1) < published[i].off &&
                  fabs(s.sigma / published[i].sigma - 1) < published[i].off && s.charge == 0,
              "element %d: %g K, %g angstrom; published %g, %g", published[i].number, s.epsilon,
              s.sigma, published[i].epsilon, published[i].sigma);
  }
  classical_site s;
  for (int z = 1; z <= 103; z++) {
    cr_expect(classical_find_atom(NULL, z, &s) == EQS_OK && s.epsilon > 2 && s.epsilon < 400 &&
              s.sigma > 2 && s.sigma < 5);
    cr_expect(classical_find_atom("dreiding+trappe", z, &s) == EQS_OK);
  }
  cr_expect(classical_find_atom(NULL, 0, &s) == EQS_ERR_UNSUPPORTED);
  cr_expect(classical_find_atom(NULL, 104, &s) == EQS_ERR_UNSUPPORTED);
  cr_expect(classical_find_atom("uff", 6, &s) == EQS_ERR_ARGUMENT);
}

static classical_molecule guest(const char *gas, const char *water) {
  classical_molecule m;
  cr_assert(classical_find_guest(gas, water, &m) == EQS_OK, "%s", eqs_error());
  return m;
}

static double distance(const classical_molecule *m, int a, int b) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) r2 += pow(m->position[a][k] - m->position[b][k], 2);
  return sqrt(r2);
}

static double angle(const classical_molecule *m, int a, int at, int b) {
  double p = distance(m, a, at), q = distance(m, at, b), r = distance(m, a, b);
  return acos((p * p + q * q - r * r) / (2 * p * q)) * 180 / acos(-1);
}

static double dipole(const classical_molecule *m) { /* debye */
  double d[3] = {0};
  for (int a = 0; a < m->n; a++)
    for (int k = 0; k < 3; k++) d[k] += m->site[a].charge * m->position[a][k];
  return 4.80320471 * sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
}

Test(classical, guests) {
  static const char *const gases[] = {"CO2", "N2", "CH4", "H2O", "Ar", "He", "co2"};
  for (size_t i = 0; i < sizeof gases / sizeof gases[0]; i++) {
    classical_molecule m = guest(gases[i], NULL);
    double net = 0;
    for (int a = 0; a < m.n; a++) net += m.site[a].charge;
    cr_expect(fabs(net) < 1e-12, "%s", gases[i]);
  }
  classical_molecule n2 = guest("N2", NULL), w = guest("H2O", NULL);
  classical_molecule e = guest("H2O", "spc/e"), p = guest("H2O", "TIP3P");
  cr_expect_float_eq(distance(&n2, 0, 1), 1.10, 1e-12);
  /* geometries and dipoles of the papers: 2.305, 2.351, 2.347 debye */
  cr_expect_float_eq(distance(&w, 0, 1), 0.9572, 1e-8);
  cr_expect_float_eq(angle(&w, 1, 0, 2), 104.52, 1e-6);
  cr_expect_float_eq(distance(&w, 0, 3), 0.1546, 1e-8);
  cr_expect_float_eq(angle(&w, 1, 0, 3), 52.26, 1e-6);
  cr_expect_float_eq(dipole(&w), 2.305, 5e-4);
  cr_expect_float_eq(distance(&e, 0, 1), 1.0, 1e-8);
  cr_expect_float_eq(angle(&e, 1, 0, 2), 109.47, 1e-6);
  cr_expect_float_eq(dipole(&e), 2.351, 5e-4);
  cr_expect_float_eq(dipole(&p), 2.347, 5e-4);
  /* the centre of mass is the origin */
  cr_expect_float_eq(15.999 * w.position[0][2] + 2 * 1.008 * w.position[1][2], 0, 1e-7);
  cr_expect_float_eq(15.999 * e.position[0][2] + 2 * 1.008 * e.position[1][2], 0, 1e-7);
  classical_molecule m;
  cr_expect(classical_find_guest("H2", NULL, &m) == EQS_ERR_ARGUMENT);
  cr_expect(classical_find_guest(NULL, NULL, &m) == EQS_ERR_ARGUMENT);
  cr_expect(classical_find_guest("H2O", "TIP5P", &m) == EQS_ERR_ARGUMENT);
}

/* ---- a crystal */

enum { ATOMS = 5, SITES = 3 };
static const double skew[9] = {4.9, 0, 0, -2.1, 5.6, 0, 1.4, 1.7, 12.5};
static const double place[ATOMS][3] = {
    {0, 0, 0}, {1.8, 0.3, 0.2}, {-14, 22, 3}, {2.2, 1.1, 6.2}, {-1, 4, 8.8}};
static const classical_site atoms[ATOMS] = {
    {60, 2.4, 1.3}, {48, 3.0, -0.8}, {48, 3.0, -0.8}, {10, 2.8, 0.1}, {0, 0, 0.2}};
static const classical_site sites[SITES] = {{27, 2.8, 0.7}, {0, 0, -0.4}, {148, 3.73, 0}};

static double draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) * 0x1p-53;
}

/* Lennard-Jones over images; the potential by Ewald's sum split elsewhere. */
static double direct(const classical_site *s, const double x[3], double cutoff, int truncated) {
  ewald e;
  double lj = 0, v = 0, width[3];
  int m[3], most[3];
  cr_assert(ewald_prepare(skew, 8.8, 1e-14, &e) == EQS_OK);
  size_t size = ewald_phase_size(&e), n = (size_t)e.n;
  double *phase = calloc(size, sizeof *phase), *f = calloc(2 * n, sizeof *f);
  cell_widths(skew, width);
  for (int k = 0; k < 3; k++) most[k] = (int)ceil(fmax(cutoff, e.cutoff) / width[k]) + 9;
  for (int i = 0; i < ATOMS; i++) {
    double epsilon = 8.617333262e-5 * sqrt(s->epsilon * atoms[i].epsilon);
    double sigma = (s->sigma + atoms[i].sigma) / 2, at = pow(sigma / cutoff, 6);
    ewald_phases(&e, place[i], phase);
    ewald_add(&e, 1, &atoms[i].charge, phase, f, f + n);
    for (m[0] = -most[0]; m[0] <= most[0]; m[0]++)
      for (m[1] = -most[1]; m[1] <= most[1]; m[1]++)
        for (m[2] = -most[2]; m[2] <= most[2]; m[2]++) {
          double r2 = 0;
          for (int k = 0; k < 3; k++)
            r2 += pow(x[k] - place[i][k] + m[0] * skew[k] + m[1] * skew[3 + k] + m[2] * skew[6 + k],
                      2);
          double r = sqrt(r2), p = pow(sigma / r, 6);
          if (r < cutoff) lj += 4 * epsilon * (p * p - p - (truncated ? 0 : at * at - at));
          if (r < e.cutoff) v += EWALD_COULOMB * atoms[i].charge * erfc(e.alpha * r) / r;
        }
  }
  for (size_t k = 0; k < 2 * n; k++) f[k] *= 2 * e.weight[k % n];
  ewald_phases(&e, x, phase);
  v += ewald_at(&e, phase, f, f + n);
  free(phase);
  free(f);
  ewald_free(&e);
  return lj + s->charge * v;
}

static double shortest(const double x[3]) {
  double best = INFINITY;
  for (int i = 0; i < ATOMS; i++)
    for (int m = 0; m < 21 * 21 * 9; m++) {
      const int t[3] = {m % 21 - 10, m / 21 % 21 - 10, m / 441 - 4};
      double r2 = 0;
      for (int k = 0; k < 3; k++)
        r2 += pow(x[k] - place[i][k] + t[0] * skew[k] + t[1] * skew[3 + k] + t[2] * skew[6 + k], 2);
      best = fmin(best, r2);
    }
  return best;
}

Test(classical, a_site_in_a_crystal) {
  const classical_crystal c = {ATOMS, place, atoms, skew};
  uint64_t seed = 1;
  int overlaps = 0;
  for (int run = 0; run < 3; run++) {
    double cutoff = run == 0 ? 4 : run == 1 ? 9.5 : 14;
    classical_host h;
    cr_assert(classical_host_prepare(&c, SITES, sites, cutoff, run == 1, 1e-13, &h) == EQS_OK);
    double *scratch = calloc(classical_host_scratch(&h) + 1, sizeof *scratch);
    for (int i = 0; i < 60; i++) {
      double x[3], lj[SITES], potential, nearest;
      for (int k = 0; k < 3; k++) x[k] = 40 * draw(&seed) - 20;
      if (i % 6 == 0)
        for (int k = 0; k < 3; k++) x[k] = place[i / 6 % ATOMS][k] + 1.2 * draw(&seed) - 0.6;
      int s = i % SITES;
      double near = shortest(x), u = classical_host_energy(&h, s, x, scratch);
      if (near < 0.25) {
        overlaps++;
        cr_assert(u == INFINITY);
      } else {
        double want = direct(sites + s, x, cutoff, run == 1);
        cr_assert(fabs(u - want) < 1e-10 * fmax(1, fabs(want)), "%.12g, not %.12g", u, want);
      }
      classical_host_probe(&h, x, lj, &potential, &nearest);
      cr_assert(isfinite(lj[s]) && isfinite(potential));
      if (near < cutoff * cutoff) cr_assert(fabs(nearest - near) < 1e-9 * fmax(1, near));
      if (near > 0.25) { /* without charge the energy is Lennard-Jones alone */
        double plain = classical_host_energy(&h, 2, x, scratch);
        cr_assert(fabs(lj[2] - plain) <= 1e-12 * fmax(1, fabs(plain)));
      }
    }
    free(scratch);
    classical_host_free(&h);
  }
  cr_expect(overlaps > 2);
}

/* A line through the crystal: no jumps beyond the cutoff's own, with the shifted potential. */
Test(classical, smooth) {
  const classical_crystal c = {ATOMS, place, atoms, skew};
  classical_host h;
  cr_assert(classical_host_prepare(&c, SITES, sites, 12, 0, 1e-8, &h) == EQS_OK);
  double *scratch = calloc(classical_host_scratch(&h) + 1, sizeof *scratch), before = NAN;
  for (int i = 0; i < 40000; i++) {
    double t = i * 1e-3;
    const double x[3] = {2.9 + 0.31 * t, 3.1 - 0.2 * t, 1.2 + 0.77 * t};
    double u = classical_host_energy(&h, 0, x, scratch);
    if (fabs(u) < 2 && fabs(before) < 2)
      cr_assert(fabs(u - before) < 0.05, "a step of %g eV in 0.001 angstrom at %g", u - before, t);
    before = u;
  }
  free(scratch);
  classical_host_free(&h);
}

Test(classical, refuses) {
  classical_host h;
  classical_site bad[ATOMS];
  double x[ATOMS][3];
  static const double flat[9] = {1, 0, 0, 0, 1, 0, 1, 1, 0};
  static const double needle[9] = {0.02, 0, 0, 0, 0.02, 0, 0, 0, 0.02};
  classical_crystal c = {ATOMS, place, atoms, flat};
  cr_expect(classical_host_prepare(&c, SITES, sites, 12, 0, 1e-6, &h) == EQS_ERR_ARGUMENT);
  c.cell = needle;
  cr_expect(classical_host_prepare(&c, SITES, sites, 12, 0, 1e-6, &h) == EQS_ERR_UNSUPPORTED);
  c.cell = skew;
  cr_expect(classical_host_prepare(&c, SITES, sites, 0, 0, 1e-6, &h) == EQS_ERR_ARGUMENT);
  cr_expect(classical_host_prepare(&c, SITES, sites, INFINITY, 0, 1e-6, &h) == EQS_ERR_ARGUMENT);
  cr_expect(classical_host_prepare(&c, SITES, sites, 12, 0, 7, &h) == EQS_ERR_ARGUMENT);
  for (int i = 0; i < ATOMS; i++) {
    bad[i] = atoms[i];
    for (int k = 0; k < 3; k++) x[i][k] = place[i][k];
  }
  c.site = bad;
  bad[3].epsilon = -1;
  cr_expect(classical_host_prepare(&c, SITES, sites, 12, 0, 1e-6, &h) == EQS_ERR_ARGUMENT);
  bad[3].epsilon = 1;
  bad[3].charge = NAN;
  cr_expect(classical_host_prepare(&c, SITES, sites, 12, 0, 1e-6, &h) == EQS_ERR_ARGUMENT);
  bad[3].charge = 0;
  x[1][1] = NAN;
  c.position = (const double(*)[3])x;
  cr_expect(classical_host_prepare(&c, SITES, sites, 12, 0, 1e-6, &h) == EQS_ERR_ARGUMENT);
}
