/* thermostat.c -- Langevin's friction, stochastic velocity rescaling, chains of Nose and Hoover.
 *
 * The rescaling draws the kinetic energy from the exact solution of its equation for any step; the
 * chain is propagated by Suzuki's and Yoshida's fourth order, twice per half step.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/thermostat.h"

#include <math.h>

#include "core/adsorption/random.h"
#include "core/dynamics/bodies.h"
#include "core/dynamics/share.h"
#include "core/dynamics/verlet.h"
#include "core/units.h"

double thermostat_kt(const dynamics *d) { return BOLTZMANN_EV * d->s.temperature; }

/* Of the atoms here, eV. */
static double kinetic(const dynamics *d) {
  return KINETIC_EV * verlet_kinetic(d->n, d->mass, (const double(*)[3])d->v);
}

static void scale_velocities(dynamics *d, double factor) {
  for (int i = 0; i < d->n; i++)
    for (int k = 0; k < 3; k++) d->v[i][k] *= factor;
  bodies_scale(d, factor);
}

eqs_status thermostat_friction(dynamics *d) {
  double keep = exp(-d->s.step / d->s.thermostat_time), kt = thermostat_kt(d) / KINETIC_EV;
  double energy[2] = {kinetic(d), 0}; /* before and after */
  share_normal(d, DYNAMICS_THERMOSTAT, (uint64_t)d->at);
  for (int i = 0; i < d->n; i++) {
    double noise = sqrt((1 - keep * keep) * kt / d->mass[i]);
    for (int k = 0; k < 3; k++)
      d->v[i][k] = keep * d->v[i][k] + noise * d->number[3 * (size_t)i + (size_t)k];
  }
  bodies_friction(d, keep, kt);
  energy[1] = kinetic(d);
  EQS_TRY(share_sum(d, energy, 2));
  d->exchanged += energy[1] - energy[0];
  return EQS_OK;
}

eqs_status thermostat_rescale(dynamics *d) {
  double before = kinetic(d), keep = exp(-d->s.step / d->s.thermostat_time);
  double share = (1 - keep) * thermostat_kt(d) / 2, one[2]; /* of a degree of freedom */
  EQS_TRY(share_sum(d, &before, 1));
  if (!(before > 0)) return EQS_OK;
  random_uniform(d->s.seed, DYNAMICS_THERMOSTAT, (uint64_t)d->at, 2, one);
  random_make_normal(one, 2);
  double others =
      2 * random_gamma(d->s.seed, DYNAMICS_GAMMA, (uint64_t)d->at, (d->degrees - 1) / 2);
  /* (sqrt(keep K) + sqrt(share) R_1)^2 + share sum of the other R^2 */
  double along = sqrt(keep * before) + sqrt(share) * one[0];
  double after = along * along + share * others;
  scale_velocities(d, (along < 0 ? -1 : 1) * sqrt(after / before));
  d->exchanged += after - before;
  return EQS_OK;
}

/* Masses, eV fs^2. */
static double chain_mass(const dynamics *d, int k) {
  double t = d->s.thermostat_time;
  return (k == 0 ? d->degrees : 1) * thermostat_kt(d) * t * t;
}

/* Acceleration of link k; `twice` is 2 K. */
static double chain_pull(const dynamics *d, int k, double twice) {
  double v = k ? d->chain_v[k - 1] : 0;
  double drive =
      k ? chain_mass(d, k - 1) * v * v - thermostat_kt(d) : twice - d->degrees * thermostat_kt(d);
  return drive / chain_mass(d, k);
}

static void turn_link(dynamics *d, int k, double twice, double h) {
  double damp = k + 1 < DYNAMICS_CHAIN ? exp(-h / 2 * d->chain_v[k + 1]) : 1;
  d->chain_v[k] = (d->chain_v[k] * damp + h * chain_pull(d, k, twice)) * damp;
}

eqs_status thermostat_chain(dynamics *d) {
  static const double weight[3] = {1.3512071919596578, -1.7024143839193153, 1.3512071919596578};
  double twice = 2 * kinetic(d), factor = 1;
  EQS_TRY(share_sum(d, &twice, 1));
  for (int round = 0; round < 6; round++) {
    double h = weight[round % 3] * d->s.step / 4; /* half a step in two rounds */
    for (int k = DYNAMICS_CHAIN - 1; k >= 0; k--) turn_link(d, k, twice, h / 2);
    double slow = exp(-h * d->chain_v[0]);
    factor *= slow;
    twice *= slow * slow;
    for (int k = 0; k < DYNAMICS_CHAIN; k++) d->chain_x[k] += h * d->chain_v[k];
    for (int k = 0; k < DYNAMICS_CHAIN; k++) turn_link(d, k, twice, h / 2);
  }
  scale_velocities(d, factor);
  return EQS_OK;
}

double thermostat_chain_energy(const dynamics *d) {
  double sum = 0, kt = thermostat_kt(d);
  for (int k = 0; k < DYNAMICS_CHAIN; k++)
    sum += chain_mass(d, k) * d->chain_v[k] * d->chain_v[k] / 2 +
           (k == 0 ? d->degrees : 1) * kt * d->chain_x[k];
  return sum;
}
