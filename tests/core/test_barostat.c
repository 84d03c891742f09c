/* test_barostat.c -- stochastic cell rescaling: distributions of the volume that are known, and
 * identities that hold in every ensemble of constant pressure.
 *
 * SPDX-License-Identifier: MIT */
#include "toy_forces.h"

#include <criterion/criterion.h>

#include "core/units.h"

#define KT (BOLTZMANN_EV * 300)

/* n atoms that do not interact: V has the gamma distribution of shape n + 1 and scale kT/P. Nothing
 * holds the shape of their cell, so it is made a cube again now and then. */
static void ideal_gas(thermostat_kind thermostat, barostat_kind barostat, uint64_t seed) {
  enum { N = 30, STEPS = 100000 };
  double x[N][3], mass[N], pressure = 1e-4, scale = KT / pressure;
  double cell[9] = {0}, edge = cbrt((N + 1) * scale);
  static const int pbc[3] = {1, 1, 1};
  mean v1 = {0}, v2 = {0}, v3 = {0}, kinetic = {0};
  dynamics d;
  dynamics_settings s = {.thermostat = thermostat,
                         .barostat = barostat,
                         .step = 1,
                         .temperature = 300,
                         .thermostat_time = 10,
                         .pressure = pressure,
                         .barostat_time = 60,
                         .compressibility = 1 / pressure,
                         .seed = seed,
                         .force = toy_free_force};
  for (int k = 0; k < 3; k++) cell[4 * k] = edge;
  for (int i = 0; i < N; i++) {
    mass[i] = 4 + 3 * i;
    for (int k = 0; k < 3; k++) x[i][k] = i + k;
  }
  cr_assert_eq(dynamics_open(&d, &s, N, mass, (const double(*)[3])x, NULL, cell, pbc), EQS_OK, "%s",
               eqs_error());
  for (int i = -2000; i < STEPS; i++) {
    dynamics_figures f;
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    cr_assert_eq(dynamics_measure(&d, &f), EQS_OK);
    if (barostat == BAROSTAT_FULL && i % 200 == 0)
      for (int k = 0; k < 9; k++) d.cell[k] = k % 4 ? 0 : cbrt(f.volume);
    if (i < 0) continue;
    double v = f.volume / scale;
    mean_add(&v1, i, STEPS, v);
    mean_add(&v2, i, STEPS, pow(v - (N + 1), 2));
    mean_add(&v3, i, STEPS, 1 / v);
    mean_add(&kinetic, i, STEPS, f.kinetic / (d.degrees / 2 * KT));
  }
  mean_is(&v1, N + 1, 0.01, "volume");
  mean_is(&v2, N + 1, 0.08, "variance of the volume");
  mean_is(&v3, 1.0 / N, 0.01, "inverse volume");
  mean_is(&kinetic, 1, 0.01, "kinetic");
  dynamics_free(&d);
}

Test(barostat, ideal_gas_isotropic) { ideal_gas(THERMOSTAT_CSVR, BAROSTAT_ISOTROPIC, 21); }
Test(barostat, ideal_gas_full) { ideal_gas(THERMOSTAT_LANGEVIN, BAROSTAT_FULL, 22); }

/* Vector springs: the volume enters through the lattice alone, p(V) ~ V exp(-(3 n k/2 (a - a0)^2 +
 * P V)/kT), V = n a^3. */
Test(barostat, harmonic_crystal) {
  enum { STEPS = 120000 };
  toy_springs p = {.k = 0.3, .length = 3, .power = 2};
  double norm = 0, first = 0, second = 0, pressure = 0.01;
  mean v1 = {0}, v2 = {0};
  dynamics d;
  toy_open_springs(&d, &p,
                   (dynamics_settings){.thermostat = THERMOSTAT_LANGEVIN,
                                       .barostat = BAROSTAT_ISOTROPIC,
                                       .step = 1,
                                       .temperature = 300,
                                       .thermostat_time = 50,
                                       .pressure = pressure,
                                       .barostat_time = 60,
                                       .compressibility = 30,
                                       .seed = 23});
  for (int i = 0; i < 100000; i++) {
    double a = 1.5 + 3 * (i + 0.5) / 100000, v = TOY_ATOMS * a * a * a;
    double u = 1.5 * TOY_ATOMS * p.k * pow(a - p.length, 2) + pressure * v;
    double w = a * a * v * exp(-(u - 21.0 * pressure * TOY_ATOMS) / KT);
    norm += w, first += w * v, second += w * v * v;
  }
  first /= norm, second = second / norm - first * first;
  for (int i = -2000; i < STEPS; i++) {
    dynamics_figures f;
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    cr_assert_eq(dynamics_measure(&d, &f), EQS_OK);
    if (i < 0) continue;
    mean_add(&v1, i, STEPS, f.volume);
    mean_add(&v2, i, STEPS, pow(f.volume - first, 2));
  }
  mean_is(&v1, first, 0.001, "volume");
  mean_is(&v2, second, 0.06, "variance of the volume");
  dynamics_free(&d);
}

/* ---- Lennard-Jones */

typedef struct crystal_run {
  mean volume, weight, weighted; /* weight: exp(-dp V/kT) */
  double drift, spread;          /* eV: of what is conserved; of the energy */
} crystal_run;

/* 32 atoms of argon at 20 K. */
static void argon(barostat_kind barostat, int steps, double pressure, double dp, crystal_run *r) {
  toy_lj lj = {0.0104, 3.4, 4.9};
  double cell[9], x[32][3], mass[32], kt = BOLTZMANN_EV * 20, start = NAN;
  double low = INFINITY, high = -INFINITY;
  static const int pbc[3] = {1, 1, 1};
  dynamics d;
  dynamics_settings s = {.thermostat = THERMOSTAT_CSVR,
                         .barostat = barostat,
                         .step = 5,
                         .temperature = 20,
                         .thermostat_time = 100,
                         .pressure = pressure,
                         .barostat_time = 120,
                         .compressibility = 40,
                         .seed = 24,
                         .context = &lj,
                         .force = toy_lj_force};
  for (int i = 0; i < 32; i++) mass[i] = 39.948;
  toy_fcc(2, 5.25, cell, x);
  cr_assert_eq(dynamics_open(&d, &s, 32, mass, (const double(*)[3])x, NULL, cell, pbc), EQS_OK);
  for (int i = -2000; i < steps; i++) {
    dynamics_figures f;
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    cr_assert_eq(dynamics_measure(&d, &f), EQS_OK);
    if (i < 0) continue;
    double w = exp(-dp * (f.volume - 1160) / kt), energy = f.kinetic + f.potential;
    mean_add(&r->volume, i, steps, f.volume);
    mean_add(&r->weight, i, steps, w);
    mean_add(&r->weighted, i, steps, w * f.volume);
    if (i == 0) start = f.conserved;
    r->drift = fmax(r->drift, fabs(f.conserved - start));
    low = fmin(low, energy), high = fmax(high, energy);
  }
  r->spread = high - low;
  dynamics_free(&d);
}

/* sum a / sum b over blocks, and its error. */
static double ratio(const mean *a, const mean *b, double *error) {
  double above = 0, below = 0, square = 0;
  for (int k = 0; k < BLOCKS; k++) above += a->sum[k], below += b->sum[k];
  for (int k = 0; k < BLOCKS; k++) square += pow(a->sum[k] - above / below * b->sum[k], 2);
  *error = sqrt(square * BLOCKS / (BLOCKS - 1)) / below;
  return above / below;
}

/* What the fluctuations at one pressure say of the mean volume at another is what a run at the
 * other finds. */
Test(barostat, fluctuations_are_the_compressibility) {
  double low = 0.0002, high = 0.0003, error[4], v[4];
  mean one = {{0}, {0}};
  crystal_run a = {.drift = 0}, b = {.drift = 0};
  argon(BAROSTAT_ISOTROPIC, 20000, low, high - low, &a);
  argon(BAROSTAT_ISOTROPIC, 20000, high, low - high, &b);
  for (int k = 0; k < BLOCKS; k++) one.sum[k] = 20000.0 / BLOCKS;
  v[0] = ratio(&a.volume, &one, &error[0]);
  v[1] = ratio(&b.volume, &one, &error[1]);
  v[2] = ratio(&b.weighted, &b.weight, &error[2]);
  v[3] = ratio(&a.weighted, &a.weight, &error[3]);
  for (int k = 0; k < 2; k++) {
    double sigma = hypot(error[k], error[k + 2]);
    cr_expect(fabs(v[k] - v[k + 2]) < 4 * sigma, "%g and %g +- %.2g", v[k], v[k + 2], sigma);
    cr_expect_lt(sigma, 0.2 * (v[0] - v[1]));
  }
}

/* Energy that neither thermostat nor work against the stress accounts for. */
Test(barostat, what_is_conserved) {
  crystal_run r = {.drift = 0};
  argon(BAROSTAT_FULL, 6000, 0.0002, 0, &r);
  cr_expect_lt(r.drift, 0.01 * r.spread, "%g of %g", r.drift, r.spread);
}
