/* test_hybrid.c -- rigid bodies and hybrid Monte Carlo: conservation, reversibility, and averages
 * of the canonical ensemble that are known exactly.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/hybrid.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define KT (8.617333262e-5 * 300)

/* A bent molecule with three different moments of inertia; a linear one. */
static const double bent_at[3][3] = {{0, 0, 0.0656}, {0.757, 0.1, -0.52}, {-0.757, -0.1, -0.52}};
static const double bent_mass[3] = {15.999, 1.008, 3.5};
static const double line_at[3][3] = {{0, 0, 0}, {0.3, 0.8, -0.6}, {-0.3, -0.8, 0.6}};
static const double line_mass[3] = {12.011, 15.999, 15.999};

static double dot(const double a[3], const double b[3]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static rigid_body at_rest(void) { return (rigid_body){.turn = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}; }

Test(hybrid, shapes_keep_distances_and_the_trace_of_inertia) {
  rigid_shape bent, line;
  rigid_shape_make(3, bent_mass, bent_at, &bent);
  rigid_shape_make(3, line_mass, line_at, &line);
  double trace = 0, center[3] = {0, 0, 0};
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) center[k] += bent_mass[i] * bent_at[i][k] / bent.mass;
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) trace += 2 * bent_mass[i] * pow(bent_at[i][k] - center[k], 2);
  cr_assert_float_eq(bent.inertia[0] + bent.inertia[1] + bent.inertia[2], trace, 1e-12);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < i; j++) {
      double a = 0, b = 0;
      for (int k = 0; k < 3; k++) {
        a += pow(bent.site[i][k] - bent.site[j][k], 2);
        b += pow(bent_at[i][k] - bent_at[j][k], 2);
      }
      cr_assert_float_eq(a, b, 1e-12);
    }
  int without = 0;
  double products = 0;
  for (int k = 0; k < 3; k++) without += line.inertia[k] == 0;
  cr_assert_eq(without, 1);
  for (int i = 0; i < 3; i++) products += bent_mass[i] * bent.site[i][0] * bent.site[i][1];
  cr_assert_float_eq(products, 0, 1e-12);
}

/* To a body and back: the same sites, for any orientation, half turns included. */
Test(hybrid, poses_and_bodies) {
  gas water;
  rigid_shape s;
  static const double cell[9] = {10, 0, 0, 0, 10, 0, 0, 0, 10};
  static const double mass[3] = {15.999, 1.008, 1.008};
  cr_assert_eq(gas_find("H2O", &water), EQS_OK);
  rigid_shape_make(3, mass, (const double(*)[3])water.position, &s);
  for (int i = 0; i < 200; i++) {
    pose p, again;
    rigid_body b;
    double x[3][3], y[3][3], z[3][3];
    pose_draw(8, 1, (uint64_t)i, cell, &p);
    if (i < 4)
      for (int k = 0; k < 4; k++) p.quaternion[k] = k == i;
    rigid_from_pose(&s, &p, &b);
    rigid_to_pose(&s, &b, &again);
    pose_place(&p, &water, x);
    pose_place(&again, &water, y);
    rigid_sites(&s, &b, z);
    for (int k = 0; k < 3; k++)
      for (int c = 0; c < 3; c++) {
        cr_assert_float_eq(y[k][c], x[k][c], 1e-12, "%d", i);
        cr_assert_float_eq(z[k][c], x[k][c], 1e-12, "%d", i);
      }
  }
}

/* The asymmetric top turning freely: its angular momentum in space is constant, its energy up to
 * the order of the step; running back leads to the start. */
Test(hybrid, free_rotation) {
  rigid_shape s;
  rigid_shape_make(3, bent_mass, bent_at, &s);
  double drift[2];
  for (int pass = 0; pass < 2; pass++) {
    int steps = pass ? 400 : 200;
    double dt = 100.0 / steps, worst = 0;
    rigid_body b = at_rest(), start;
    for (int k = 0; k < 3; k++) b.spin[k] = 0.05 * (k + 1) * (k == 1 ? -1 : 1);
    start = b;
    double energy = rigid_kinetic(&s, &b);
    for (int i = 0; i < steps; i++) {
      rigid_rotate(&s, &b, dt);
      worst = fmax(worst, fabs(rigid_kinetic(&s, &b) - energy));
      for (int a = 0; a < 3; a++) cr_assert_float_eq(dot(b.turn[a], b.spin), start.spin[a], 1e-13);
    }
    drift[pass] = worst / energy;
    for (int i = 0; i < steps; i++) rigid_rotate(&s, &b, -dt);
    for (int a = 0; a < 3; a++) {
      cr_assert_float_eq(b.spin[a], start.spin[a], 1e-13);
      for (int k = 0; k < 3; k++) cr_assert_float_eq(b.turn[a][k], start.turn[a][k], 1e-12);
    }
  }
  cr_assert_lt(drift[0], 0.05);
  cr_assert_float_eq(drift[0] / drift[1], 4, 0.6); /* second order */
}

/* Springs to the origin, and a field that turns dipoles: charges 1, -1, 0 on three sites. */
typedef struct field {
  double spring, strength;
  int n_free;
} field;

static eqs_status in_field(void *context, int n, const double (*x)[3], double *energy,
                           double (*force)[3]) {
  const field *f = context;
  *energy = 0;
  for (int i = 0; i < n; i++) {
    static const double charge[3] = {0, 1, -1};
    double q = i < f->n_free ? 0 : charge[(i - f->n_free) % 3];
    for (int k = 0; k < 3; k++) {
      *energy += f->spring * x[i][k] * x[i][k] / 2 - (k == 2 ? q * f->strength * x[i][k] : 0);
      force[i][k] = -f->spring * x[i][k] + (k == 2 ? q * f->strength : 0);
    }
  }
  return EQS_OK;
}

/* Four atoms and two linear molecules; averages over `moves`. */
typedef struct averages {
  double square, cosine, boltzmann, accepted, abs_dh;
} averages;

static averages sample(double step, int steps, int moves, uint64_t seed) {
  static double mass[4] = {1.008, 12.011, 15.999, 65.38};
  double at[4][3] = {{0.1, 0, 0}};
  rigid_shape line;
  rigid_shape_make(3, line_mass, line_at, &line);
  const rigid_shape *shapes[2] = {&line, &line};
  rigid_body bodies[2] = {at_rest(), at_rest()};
  field f = {.spring = 2, .strength = 0.02, .n_free = 4};
  hybrid_system y = {4, mass, at, 2, shapes, bodies};
  averages sum = {0};
  for (int i = 0; i < moves; i++) {
    hybrid_settings s = {300, step, steps, seed, 4, (uint64_t)i, &f, in_field, NULL, NULL};
    hybrid_outcome out;
    cr_assert_eq(hybrid_move(&s, &y, &out), EQS_OK, "%s", eqs_error());
    for (int k = 0; k < 4; k++) sum.square += dot(at[k], at[k]) / 4 / moves;
    for (int b = 0; b < 2; b++) {
      double x[3][3];
      rigid_sites(&line, bodies + b, x);
      double length =
          sqrt(pow(x[1][0] - x[2][0], 2) + pow(x[1][1] - x[2][1], 2) + pow(x[1][2] - x[2][2], 2));
      sum.cosine += (x[1][2] - x[2][2]) / length / 2 / moves;
    }
    sum.boltzmann += exp(-out.dh / KT) / moves;
    sum.abs_dh += fabs(out.dh) / moves;
    sum.accepted += (double)out.accepted / moves;
  }
  return sum;
}

/* The springs pull on the sites of a linear molecule alike, whichever way it points, so that its
 * direction feels the field alone: <cos> = coth(a) - 1/a with a = field * length / kT. */
Test(hybrid, canonical_averages) {
  double length = 2 * sqrt(dot(line_at[1], line_at[1])), a = 0.02 * length / KT;
  averages v = sample(4, 100, 12000, 11);
  cr_assert_float_eq(v.square, 3 * KT / 2, 0.02 * 3 * KT / 2);
  cr_assert_float_eq(v.cosine, 1 / tanh(a) - 1 / a, 0.015);
  cr_assert_float_eq(v.boltzmann, 1, 0.02); /* <exp(-dH/kT)> = 1 for any step */
  cr_assert(v.accepted > 0.5 && v.accepted < 0.999, "%g", v.accepted);
}

Test(hybrid, the_error_of_the_energy_is_of_second_order) {
  averages coarse = sample(1, 20, 300, 5), fine = sample(0.5, 40, 300, 5);
  cr_assert_float_eq(coarse.abs_dh / fine.abs_dh, 4, 1);
}

static eqs_status wall(void *context, int n, const double (*x)[3], double *energy,
                       double (*force)[3]) {
  int *calls = context;
  memset(force, 0, (size_t)n * sizeof *force);
  *energy = 0;
  (void)x;
  if ((*calls)++ > 0) return status_fail(EQS_ERR_DIVERGED, "behind the wall");
  return EQS_OK;
}

Test(hybrid, broken_trajectories_are_refused) {
  static double mass[1] = {1};
  double at[1][3] = {{0.25, 0.5, 0.75}};
  int calls = 0;
  hybrid_system y = {.n_free = 1, .mass = mass, .free_at = at};
  hybrid_settings s = {300, 1, 5, 1, 1, 1, &calls, wall, NULL, NULL};
  hybrid_outcome out;
  cr_assert_eq(hybrid_move(&s, &y, &out), EQS_OK, "%s", eqs_error());
  cr_assert(!out.accepted && isinf(out.dh) && out.energy == 0);
  cr_assert(at[0][0] == 0.25 && at[0][1] == 0.5 && at[0][2] == 0.75);
  cr_assert_eq(hybrid_move(&s, &y, &out), EQS_ERR_DIVERGED); /* no energy at the start */
  s.steps = 0;
  cr_assert_eq(hybrid_move(&s, &y, &out), EQS_ERR_ARGUMENT);
}
