/* test_bodies.c -- rigid molecules in molecular dynamics: what they keep, the order of the energy's
 * error, temperatures of translation and rotation under all thermostats, the pressure of centres.
 *
 * SPDX-License-Identifier: MIT */
#include "toy_forces.h"

#include <criterion/criterion.h>

#include "core/dynamics/bodies.h"
#include "core/units.h"
#include "io/elements.h"

#define KT (BOLTZMANN_EV * 150)

/* Sixteen bent molecules of three, eight of two and four single atoms in a cube of 17 angstrom;
 * every atom is a Lennard-Jones centre, also to those of its own molecule. */
enum { BENT = 16, STRAIGHT = 8, SINGLE = 4, N = 3 * BENT + 2 * STRAIGHT + SINGLE };
static const double side = 17;

typedef struct fluid {
  structure s;
  double mass[N];
  selections groups;
  body_set bodies;
} fluid;

static toy_lj argon = {0.005, 2.6, 7.5};

static void make(fluid *f) {
  static const double bent[3][3] = {{0, 0, 0}, {1.2, 0, 0}, {-0.3, 1.1, 0}};
  static const double straight[2][3] = {{0, 0, 0.6}, {0, 0, -0.6}};
  *f = (fluid){.s = {.pbc = {1, 1, 1}}};
  for (int k = 0; k < 3; k++) f->s.cell[4 * k] = side;
  for (int m = 0; m < BENT + STRAIGHT + SINGLE; m++) {
    int atoms = m < BENT ? 3 : m < BENT + STRAIGHT ? 2 : 1;
    for (int j = 0; j < atoms; j++) {
      const double *from = atoms == 3 ? bent[j] : atoms == 2 ? straight[j] : bent[0];
      double x[3];
      for (int a = 0; a < 3; a++) {
        int at[3] = {m % 3, m / 3 % 3, m / 9};
        x[a] = 0.2 + side / (a == 2 ? 4 : 3) * at[a] + from[(a + m) % 3];
        x[a] -= side * floor(x[a] / side); /* molecules across the boundary */
      }
      int number = atoms == 3 ? (j ? 1 : 8) : atoms == 2 ? 7 : 18;
      cr_assert_eq(structure_append(&f->s, number, x, 0), EQS_OK);
      f->mass[f->s.n - 1] = element_mass(number);
    }
  }
  cr_assert_eq(selections_add(&f->groups, &f->s, "1-48:3,49-64:2,Ar"), EQS_OK, "%s", eqs_error());
  cr_assert_eq(body_set_make(&f->groups, f->mass, &f->bodies), EQS_OK, "%s", eqs_error());
  cr_assert_eq(f->bodies.n, BENT + STRAIGHT);
}

static void unmake(fluid *f) {
  body_set_free(&f->bodies);
  selections_free(&f->groups);
  structure_free(&f->s);
}

static void start(fluid *f, dynamics *d, dynamics_settings s) {
  s.context = &argon, s.force = toy_lj_force, s.bodies = &f->bodies;
  cr_assert_eq(dynamics_open(d, &s, N, f->mass, (const double(*)[3])f->s.position, NULL, f->s.cell,
                             f->s.pbc),
               EQS_OK, "%s", eqs_error());
}

/* Distances within molecules, by unwrapped positions, against those of the start. */
static double deformation(const fluid *f, const dynamics *d) {
  double worst = 0;
  for (int b = 0; b < f->bodies.n; b++)
    for (int j = f->bodies.first[b] + 1; j < f->bodies.first[b + 1]; j++) {
      double x[2][3], now = 0, then = 0;
      const int at[2] = {f->bodies.member[j - 1], f->bodies.member[j]};
      for (int k = 0; k < 2; k++) dynamics_unwrapped(d, at[k], x[k]);
      for (int a = 0; a < 3; a++) {
        double was = f->s.position[at[1]][a] - f->s.position[at[0]][a];
        now += (x[1][a] - x[0][a]) * (x[1][a] - x[0][a]);
        then += pow(was - side * round(was / side), 2);
      }
      worst = fmax(worst, fabs(sqrt(now) - sqrt(then)));
    }
  return worst;
}

static double worst_energy(double step, int steps) {
  fluid f;
  dynamics d;
  dynamics_figures v, first;
  double worst = 0, momentum = 0;
  make(&f);
  start(&f, &d, (dynamics_settings){.step = step, .temperature = 150, .seed = 3});
  cr_assert_eq(dynamics_measure(&d, &first), EQS_OK);
  for (int i = 0; i < steps; i++) {
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    cr_assert_eq(dynamics_measure(&d, &v), EQS_OK);
    worst = fmax(worst, fabs(v.conserved - first.conserved));
  }
  for (int i = 0; i < N; i++) momentum += d.mass[i] * d.v[i][0];
  cr_expect_float_eq(momentum, 0, 1e-12);
  cr_expect_lt(deformation(&f, &d), 1e-11);
  cr_expect_gt(fabs(v.potential - first.potential), 20 * worst);
  dynamics_free(&d);
  unmake(&f);
  return worst;
}

Test(bodies, energy_error_is_of_second_order) {
  double coarse = worst_energy(4, 150), fine = worst_energy(2, 300);
  cr_expect_float_eq(coarse / fine, 4, 0.8, "%g %g", coarse, fine);
}

Test(bodies, the_way_back) {
  fluid f;
  dynamics d, first = {0};
  double off = 0, moved = 0;
  make(&f);
  start(&f, &d, (dynamics_settings){.step = 2, .temperature = 150, .seed = 4});
  cr_assert_eq(dynamics_copy(&d, &first), EQS_OK);
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < 200; i++) cr_assert_eq(dynamics_step(&d), EQS_OK);
    for (int i = 0; i < N; i++)
      for (int k = 0; k < 3; k++) {
        double u[3], v[3];
        dynamics_unwrapped(&d, i, u);
        dynamics_unwrapped(&first, i, v);
        *(pass ? &off : &moved) = fmax(pass ? off : moved, fabs(u[k] - v[k]));
      }
    bodies_scale(&d, -1);
    for (int i = 3 * BENT + 2 * STRAIGHT; i < N; i++)
      for (int k = 0; k < 3; k++) d.v[i][k] *= -1;
  }
  cr_expect_lt(off, 1e-8);
  cr_expect_gt(moved, 0.3);
  dynamics_free(&d);
  dynamics_free(&first);
  unmake(&f);
}

/* What each kind of motion has, over its degrees of freedom, is kT/2: centres of bodies, rotation
 * (three for bent molecules, two for straight ones), single atoms. Where one factor scales all of
 * them, it takes long until they have shared, and only the sum is looked at. */
static void equipartition(thermostat_kind kind, double time, int steps) {
  fluid f;
  dynamics d;
  mean centre = {.n = {0}}, bent = {.n = {0}}, straight = {.n = {0}}, single = {.n = {0}};
  mean all = {.n = {0}};
  make(&f);
  start(
      &f, &d,
      (dynamics_settings){
          .step = 4, .temperature = 150, .seed = 11, .thermostat = kind, .thermostat_time = time});
  dynamics_figures first;
  double worst = 0;
  cr_assert_eq(dynamics_measure(&d, &first), EQS_OK);
  double lost = kind == THERMOSTAT_LANGEVIN ? 0 : 3;
  cr_assert_float_eq(d.degrees, 6 * BENT + 5 * STRAIGHT + 3 * SINGLE - lost, 1e-12);
  for (int i = 0; i < steps; i++) {
    double k_centre = 0, k_bent = 0, k_straight = 0, k_single = 0;
    dynamics_figures v;
    cr_assert_eq(dynamics_step(&d), EQS_OK, "%s", eqs_error());
    if (i < steps / 10) continue;
    for (int b = 0; b < f.bodies.n; b++) {
      rigid_body still = d.body[b];
      memset(still.velocity, 0, sizeof still.velocity);
      double spin = rigid_kinetic(&f.bodies.shape[b], &still);
      k_centre += rigid_kinetic(&f.bodies.shape[b], &d.body[b]) - spin;
      *(b < BENT ? &k_bent : &k_straight) += spin;
    }
    for (int a = 3 * BENT + 2 * STRAIGHT; a < N; a++)
      for (int k = 0; k < 3; k++) k_single += d.mass[a] * d.v[a][k] * d.v[a][k] / 2;
    cr_assert_eq(dynamics_measure(&d, &v), EQS_OK);
    worst = fmax(worst, fabs(v.conserved - first.conserved));
    int64_t at = i - steps / 10, of = steps - steps / 10;
    mean_add(&centre, at, of, KINETIC_EV * k_centre);
    mean_add(&bent, at, of, KINETIC_EV * k_bent);
    mean_add(&straight, at, of, KINETIC_EV * k_straight);
    mean_add(&single, at, of, KINETIC_EV * k_single);
    mean_add(&all, at, of, v.temperature);
    cr_assert_float_eq(v.kinetic, KINETIC_EV * (k_centre + k_bent + k_straight + k_single),
                       1e-10 * v.kinetic);
  }
  if (kind == THERMOSTAT_LANGEVIN) {
    mean_is(&centre, 3 * (BENT + STRAIGHT) * KT / 2, 0.03, "centres");
    mean_is(&bent, 3 * BENT * KT / 2, 0.03, "rotation of bent molecules");
    mean_is(&straight, 2 * STRAIGHT * KT / 2, 0.05, "rotation of straight molecules");
    mean_is(&single, 3 * SINGLE * KT / 2, 0.08, "single atoms");
  }
  mean_is(&all, 150, 0.02, "temperature");
  cr_expect_lt(worst, 0.05 * N * KT, "the conserved energy is off by %g", worst);
  cr_expect_lt(deformation(&f, &d), 1e-10);
  dynamics_free(&d);
  unmake(&f);
}

Test(bodies, langevin) { equipartition(THERMOSTAT_LANGEVIN, 100, 4500); }
Test(bodies, csvr) { equipartition(THERMOSTAT_CSVR, 100, 4500); }
Test(bodies, nose_hoover) { equipartition(THERMOSTAT_NOSE_HOOVER, 50, 4500); }

/* P = 2 K/(3 V) of centres less dU/dV where a change of volume moves centres alone. */
Test(bodies, pressure_of_centres) {
  fluid f;
  dynamics d;
  dynamics_figures v;
  double energy[2], h = 1e-4, kinetic = 0;
  static double force[N][3];
  make(&f);
  start(&f, &d, (dynamics_settings){.step = 2, .temperature = 150, .seed = 5});
  for (int i = 0; i < 50; i++) cr_assert_eq(dynamics_step(&d), EQS_OK);
  cr_assert_eq(dynamics_measure(&d, &v), EQS_OK);
  for (int k = 0; k < 2; k++) {
    double e = 1 + (k ? h : -h), x[N][3], cell[9] = {0}, stress[9], sites[GAS_MAX_ATOMS][3];
    for (int a = 0; a < 3; a++) cell[4 * a] = side * e;
    for (int i = 0; i < N; i++)
      for (int a = 0; a < 3; a++) x[i][a] = d.x[i][a] * e;
    for (int b = 0; b < f.bodies.n; b++) {
      rigid_body moved = d.body[b];
      for (int a = 0; a < 3; a++) moved.center[a] *= e;
      rigid_sites(&f.bodies.shape[b], &moved, sites);
      for (int j = f.bodies.first[b]; j < f.bodies.first[b + 1]; j++)
        memcpy(x[f.bodies.member[j]], sites[j - f.bodies.first[b]], sizeof x[0]);
    }
    cr_assert_eq(toy_lj_force(&argon, N, (const double(*)[3])x, cell, &energy[k], force, stress),
                 EQS_OK);
  }
  for (int b = 0; b < f.bodies.n; b++) {
    rigid_body stiff = d.body[b];
    memset(stiff.spin, 0, sizeof stiff.spin);
    kinetic += KINETIC_EV * rigid_kinetic(&f.bodies.shape[b], &stiff);
  }
  for (int a = 3 * BENT + 2 * STRAIGHT; a < N; a++)
    for (int k = 0; k < 3; k++) kinetic += KINETIC_EV * d.mass[a] * d.v[a][k] * d.v[a][k] / 2;
  double volume = side * side * side, kt = 2 * v.kinetic / d.degrees;
  double grow = (pow(1 + h, 3) - pow(1 - h, 3)) * volume;
  double want = (2 * kinetic / 3 + kt) / volume - (energy[1] - energy[0]) / grow;
  cr_expect_float_eq(v.pressure, want, 1e-5 * fabs(want) + 1e-9, "%g, not %g", v.pressure, want);
  dynamics_free(&d);
  unmake(&f);
}

Test(bodies, refusals) {
  fluid f;
  dynamics d;
  make(&f);
  selections l = {.n = 0};
  body_set set = {.n = 0};
  cr_assert_eq(selections_add(&l, &f.s, "1-6:3,4-9:3"), EQS_OK);
  cr_expect_eq(body_set_make(&l, f.mass, &set), EQS_ERR_ARGUMENT);
  body_set_free(&set);
  selections_free(&l);
  cr_assert_eq(selections_add(&l, &f.s, "1-18:9"), EQS_OK);
  cr_expect_eq(body_set_make(&l, f.mass, &set), EQS_ERR_ARGUMENT);
  body_set_free(&set);
  selections_free(&l);
  cr_assert_eq(selections_add(&l, &f.s, "Ar"), EQS_OK);
  cr_expect_eq(body_set_make(&l, f.mass, &set), EQS_ERR_ARGUMENT);
  body_set_free(&set);
  selections_free(&l);
  dynamics_settings s = {.step = 1,
                         .temperature = 300,
                         .thermostat = THERMOSTAT_CSVR,
                         .thermostat_time = 100,
                         .barostat = BAROSTAT_FULL,
                         .barostat_time = 1000,
                         .compressibility = 1,
                         .context = &argon,
                         .force = toy_lj_force,
                         .bodies = &f.bodies};
  cr_expect_eq(
      dynamics_open(&d, &s, N, f.mass, (const double(*)[3])f.s.position, NULL, f.s.cell, f.s.pbc),
      EQS_ERR_ARGUMENT);
  dynamics_free(&d);
  unmake(&f);
}
