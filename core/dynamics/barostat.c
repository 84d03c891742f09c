/* barostat.c -- stochastic cell rescaling, isotropic and of the full cell.
 *
 * Rows of the cell and positions are multiplied by exp(e), velocities by exp(-e), e symmetric:
 *   e = D V/kT (P - P0) dt + sqrt(2 D dt) W,  D = kT beta / (3 V tau) per component,
 * W normal in an orthonormal basis of the symmetric matrices; the isotropic one is its trace alone,
 * d ln V = beta/tau (P - P0) dt + sqrt(2 kT beta / (V tau)) dW. The exponential takes up the terms
 * that come from the noise being multiplied by the cell. Stationary: exp(-(H + P0 V)/kT) dV, and
 * V^-2 dcell for the full cell.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/barostat.h"

#include <math.h>
#include <string.h>

#include "core/adsorption/random.h"
#include "core/dynamics/bodies.h"
#include "core/dynamics/share.h"
#include "core/dynamics/thermostat.h"
#include "core/dynamics/verlet.h"
#include "core/neighbors.h"
#include "core/units.h"

#define LARGEST_STRAIN 0.1 /* of a step */

void barostat_flow(const dynamics *d, double flow[9]) {
  for (int k = 0; k < 9; k++) flow[k] = 0;
  for (int i = 0; i < d->n; i++)
    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++) flow[3 * a + b] += d->mass[i] * d->v[i][a] * d->v[i][b];
}

void barostat_pressure(const dynamics *d, const double all[9], double out[9]) {
  double volume = fabs(cell_volume(d->cell)), flow[9], stress[9], lost = 0;
  memcpy(flow, all, sizeof flow);
  if (d->degrees > 0 && d->degrees < d->whole)
    lost = d->s.thermostat == THERMOSTAT_NONE
               ? KINETIC_EV * (flow[0] + flow[4] + flow[8]) / d->degrees
               : thermostat_kt(d);
  memcpy(stress, d->stress, sizeof stress);
  bodies_pressure(d, stress, flow);
  for (int k = 0; k < 9; k++)
    out[k] = (KINETIC_EV * flow[k] + (k % 4 == 0 ? lost : 0)) / volume - stress[k];
}

eqs_status barostat_draw(dynamics *d) {
  const dynamics_settings *s = &d->s;
  double flow[9], pressure[9], w[6], volume = fabs(cell_volume(d->cell)), *e = d->strain;
  double pull = s->compressibility / s->barostat_time * s->step / 3;
  double noise = sqrt(2 * thermostat_kt(d) * pull / volume);
  barostat_flow(d, flow);
  EQS_TRY(share_sum(d, flow, 9));
  barostat_pressure(d, flow, pressure);
  random_uniform(s->seed, DYNAMICS_BAROSTAT, (uint64_t)d->at, 6, w);
  random_make_normal(w, 6);
  if (s->barostat == BAROSTAT_ISOTROPIC) {
    double mean = (pressure[0] + pressure[4] + pressure[8]) / 3;
    for (int k = 0; k < 9; k++)
      e[k] = k % 4 ? 0 : pull * (mean - s->pressure) + noise * w[0] / sqrt(3.0);
  } else {
    for (int a = 0; a < 3; a++)
      for (int b = 0; b <= a; b++) {
        double p = (pressure[3 * a + b] + pressure[3 * b + a]) / 2;
        e[3 * a + b] = e[3 * b + a] = a == b ? pull * (p - s->pressure) + noise * w[a]
                                             : pull * p + noise * w[2 + a + b] / sqrt(2.0);
      }
  }
  for (int k = 0; k < 9; k++)
    if (!(fabs(e[k]) < LARGEST_STRAIN))
      EQS_FAIL(EQS_ERR_DIVERGED,
               "the barostat asks for a strain of %.3g in one step; relax the cell first, or give "
               "the barostat more time or a lower compressibility",
               e[k]);
  return share_same(d, e, 9);
}

static void multiply(const double a[9], const double b[9], double out[9]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      out[3 * i + j] = 0;
      for (int k = 0; k < 3; k++) out[3 * i + j] += a[3 * i + k] * b[3 * k + j];
    }
}

/* exp(sign e), by its series: no component is above 0.1. */
static void exponential(const double e[9], double sign, double out[9]) {
  double term[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, next[9];
  memcpy(out, term, sizeof term);
  for (int k = 1; k < 20; k++) {
    multiply(term, e, next);
    for (int j = 0; j < 9; j++) out[j] += term[j] = sign * next[j] / k;
  }
}

static void transform(int n, const double t[9], double (*row)[3]) {
  for (int i = 0; i < n; i++) {
    double r[3] = {row[i][0], row[i][1], row[i][2]};
    for (int k = 0; k < 3; k++) row[i][k] = r[0] * t[k] + r[1] * t[3 + k] + r[2] * t[6 + k];
  }
}

eqs_status barostat_scale(dynamics *d) {
  double stretch[9], shrink[9], cell[9], energy[2]; /* before and after */
  energy[0] = verlet_kinetic(d->n, d->mass, (const double(*)[3])d->v);
  exponential(d->strain, 1, stretch);
  exponential(d->strain, -1, shrink);
  multiply(d->cell, stretch, cell);
  memcpy(d->cell, cell, sizeof cell);
  transform(d->n, stretch, d->x);
  transform(d->n, shrink, d->v);
  energy[1] = verlet_kinetic(d->n, d->mass, (const double(*)[3])d->v);
  EQS_TRY(share_sum(d, energy, 2));
  d->exchanged += KINETIC_EV * (energy[1] - energy[0]);
  return EQS_OK;
}

void barostat_work(dynamics *d) {
  double sum = 0;
  for (int k = 0; k < 9; k++) sum += d->stress[k] * d->strain[k];
  d->exchanged += fabs(cell_volume(d->cell)) * sum / 2;
}
