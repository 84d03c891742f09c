/* dynamics.c -- the step: kick, (scale,) drift, (friction, drift,) forces, kick, and around it what
 * the ensemble asks for.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/dynamics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/barostat.h"
#include "core/dynamics/bodies.h"
#include "core/dynamics/share.h"
#include "core/dynamics/thermostat.h"
#include "core/dynamics/verlet.h"
#include "core/neighbors.h"
#include "core/units.h"

enum { IMAGE_MOST = 1000000000 };

/* ---- pieces of a step */

static eqs_status check_forces(const dynamics *d) {
  int finite = isfinite(d->energy) != 0;
  for (int k = 0; k < 9; k++) finite &= isfinite(d->stress[k]) != 0;
  if (!finite) EQS_FAIL(EQS_ERR_DIVERGED, "the energy or the stress is not finite");
  for (int i = 0; i < d->n; i++)
    for (int k = 0; k < 3; k++)
      if (!isfinite(d->force[i][k]))
        EQS_FAIL(EQS_ERR_DIVERGED, "the force on atom %d is not finite", share_atom(d, i));
  return EQS_OK;
}

/* Back into the cell; the images say by how much. */
static eqs_status wrap(dynamics *d) {
  double inverse[9];
  if (!d->pbc[0] || !d->pbc[1] || !d->pbc[2]) return EQS_OK;
  if (!cell_inverse(d->cell, inverse)) EQS_FAIL(EQS_ERR_ARGUMENT, "the cell has no volume");
  for (int i = 0; i < d->n; i++) {
    double *x = d->x[i], whole[3];
    for (int k = 0; k < 3; k++) {
      whole[k] = floor(x[0] * inverse[k] + x[1] * inverse[3 + k] + x[2] * inverse[6 + k]);
      if (!(fabs(d->image[i][k] + whole[k]) < IMAGE_MOST))
        EQS_FAIL(EQS_ERR_DIVERGED, "atom %d has left for infinity", share_atom(d, i));
    }
    for (int k = 0; k < 3; k++) {
      if (whole[k] == 0) continue;
      d->image[i][k] += (int)whole[k];
      for (int a = 0; a < 3; a++) x[a] -= whole[k] * d->cell[3 * k + a];
    }
  }
  return EQS_OK;
}

static eqs_status remove_drift(dynamics *d) {
  double sum[4] = {0, 0, 0, 0}; /* the last one: mass */
  for (int i = 0; i < d->n; i++) {
    sum[3] += d->mass[i];
    for (int k = 0; k < 3; k++) sum[k] += d->mass[i] * d->v[i][k];
  }
  EQS_TRY(share_sum(d, sum, 4));
  for (int k = 0; k < 3; k++) sum[k] /= -sum[3];
  for (int i = 0; i < d->n; i++)
    for (int k = 0; k < 3; k++) d->v[i][k] += sum[k];
  bodies_shift(d, sum);
  return EQS_OK;
}

/* Rounding, and forces that do not quite cancel, would feed a drift that a thermostat turns into
 * cold atoms; at constant energy nothing is touched. */
static int holds_drift(const dynamics *d) {
  return d->degrees < d->whole && d->s.thermostat != THERMOSTAT_NONE;
}

static void kick(dynamics *d) {
  verlet_kick(d->n, d->mass, (const double(*)[3])d->force, d->s.step / 2, d->v);
  bodies_kick(d, d->s.step / 2);
}

static void drift_for(dynamics *d, double dt) {
  verlet_drift(d->n, (const double(*)[3])d->v, dt, d->x);
  bodies_drift(d, dt);
}

static eqs_status drift(dynamics *d) {
  double dt = d->s.step;
  if (d->s.thermostat != THERMOSTAT_LANGEVIN) {
    drift_for(d, dt);
    return EQS_OK;
  }
  drift_for(d, dt / 2);
  EQS_TRY(thermostat_friction(d));
  drift_for(d, dt / 2);
  return EQS_OK;
}

static eqs_status advance(dynamics *d) {
  const dynamics_settings *s = &d->s;
  d->at++;
  if (s->thermostat == THERMOSTAT_NOSE_HOOVER) EQS_TRY(thermostat_chain(d));
  if (s->barostat != BAROSTAT_NONE) {
    EQS_TRY(barostat_draw(d));
    barostat_work(d);
  }
  kick(d);
  if (s->barostat != BAROSTAT_NONE) EQS_TRY(barostat_scale(d));
  EQS_TRY(drift(d));
  return wrap(d);
}

static eqs_status complete(dynamics *d) {
  const dynamics_settings *s = &d->s;
  EQS_TRY(check_forces(d));
  if (s->barostat != BAROSTAT_NONE) barostat_work(d);
  kick(d);
  if (s->thermostat == THERMOSTAT_NOSE_HOOVER) EQS_TRY(thermostat_chain(d));
  if (holds_drift(d)) EQS_TRY(remove_drift(d));
  if (s->thermostat == THERMOSTAT_CSVR) EQS_TRY(thermostat_rescale(d));
  return EQS_OK;
}

eqs_status dynamics_advance(dynamics *d) { return share_tell(d, advance(d)); }
eqs_status dynamics_complete(dynamics *d) { return share_tell(d, complete(d)); }

eqs_status dynamics_evaluate(dynamics *d) {
  return share_tell(d, d->s.force(d->s.context, d->n, (const double(*)[3])d->x, d->cell, &d->energy,
                                  d->force, d->stress));
}

eqs_status dynamics_step(dynamics *d) {
  EQS_TRY(dynamics_advance(d));
  EQS_TRY(dynamics_evaluate(d));
  return dynamics_complete(d);
}

/* ---- the start */

static eqs_status check(const dynamics *d) {
  const dynamics_settings *s = &d->s;
  int whole = d->pbc[0] && d->pbc[1] && d->pbc[2];
  if (!(s->step > 0 && s->step <= 100) || !s->force)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the time step is above 0 and at most 100 fs");
  if (!(s->temperature >= 0 && s->temperature <= 1e6))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the temperature is between 0 and 1e6 K");
  if (s->thermostat != THERMOSTAT_NONE &&
      (!(s->temperature > 0) || !(s->thermostat_time >= s->step)))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "a thermostat needs a temperature above 0 and a time of at least one step");
  if (s->thermostat != THERMOSTAT_NONE && d->degrees < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "one atom has no temperature once its drift is removed; langevin keeps the drift");
  if (s->barostat == BAROSTAT_NONE) return EQS_OK;
  if (s->bodies) EQS_FAIL(EQS_ERR_ARGUMENT, "rigid bodies move in a cell that stays: no barostat");
  if (!whole || s->held)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a barostat needs a cell that is periodic in three directions");
  if (s->thermostat == THERMOSTAT_NONE)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a barostat needs a thermostat beside it");
  if (!(s->compressibility > 0) || !(s->barostat_time >= s->step) || !isfinite(s->pressure))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "a barostat needs a pressure, a compressibility above 0 and a time of at least one "
             "step");
  return EQS_OK;
}

static eqs_status take(dynamics *d, const double *mass, const double (*x)[3]) {
  size_t n = (size_t)d->n;
  EQS_TRY(alloc_array(&d->mass, n, sizeof *d->mass, "masses"));
  EQS_TRY(alloc_array(&d->x, n, sizeof *d->x, "positions"));
  EQS_TRY(alloc_array(&d->image, n, sizeof *d->image, "images"));
  EQS_TRY(alloc_array(&d->v, n, sizeof *d->v, "velocities"));
  EQS_TRY(alloc_array(&d->force, n, sizeof *d->force, "forces"));
  size_t bodies = d->s.bodies ? (size_t)d->s.bodies->n : 0;
  EQS_TRY(alloc_array(&d->body, bodies, sizeof *d->body, "rigid bodies"));
  EQS_TRY(alloc_array(&d->number, 3 * n + 1, sizeof *d->number, "random numbers"));
  for (size_t i = 0; i < n; i++) {
    d->mass[i] = mass[i];
    if (!(mass[i] > 0) || !isfinite(mass[i]))
      EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d has no mass", share_atom(d, (int)i));
    for (int k = 0; k < 3; k++) d->x[i][k] = x[i][k];
  }
  return EQS_OK;
}

static eqs_status set_velocities(dynamics *d, const double (*velocity)[3]) {
  if (velocity) {
    memcpy(d->v, velocity, 3 * (size_t)d->n * sizeof(double));
  } else {
    share_normal(d, DYNAMICS_START, 0);
    verlet_maxwell(d->n, d->mass, d->s.temperature, d->number, d->v);
  }
  bodies_start(d);
  if (d->degrees < d->whole && (!velocity || holds_drift(d))) return remove_drift(d);
  return EQS_OK;
}

static eqs_status start(dynamics *d, const double *mass, const double (*x)[3],
                        const double (*velocity)[3], const double *cell, const int *pbc) {
  const dynamics_settings *s = &d->s;
  double lost = bodies_lost(s->bodies);
  if (d->total < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "there are no atoms");
  EQS_TRY(share_sum(d, &lost, 1));
  /* Langevin's noise moves the centre of mass as well */
  d->whole = 3.0 * d->total - lost;
  d->degrees = d->whole - (s->held || s->thermostat == THERMOSTAT_LANGEVIN ? 0 : 3);
  if (cell) memcpy(d->cell, cell, sizeof d->cell);
  if (pbc) memcpy(d->pbc, pbc, sizeof d->pbc);
  EQS_TRY(check(d));
  EQS_TRY(take(d, mass, x));
  EQS_TRY(set_velocities(d, velocity));
  EQS_TRY(wrap(d));
  EQS_TRY(dynamics_evaluate(d));
  return check_forces(d);
}

eqs_status dynamics_open(dynamics *d, const dynamics_settings *s, int n, const double *mass,
                         const double (*x)[3], const double (*velocity)[3], const double *cell,
                         const int *pbc) {
  *d = (dynamics){.s = *s, .n = n, .total = s->ranks ? s->total : n};
  return share_tell(d, start(d, mass, x, velocity, cell, pbc));
}

/* ---- what can be asked of a state */

eqs_status dynamics_measure(const dynamics *d, dynamics_figures *out) {
  int whole = d->pbc[0] && d->pbc[1] && d->pbc[2];
  double sum[10] = {0}; /* the flow of momentum, and the kinetic energy */
  *out = (dynamics_figures){.potential = d->energy, .pressure = NAN};
  if (whole) barostat_flow(d, sum);
  sum[9] = verlet_kinetic(d->n, d->mass, (const double(*)[3])d->v);
  EQS_TRY(share_sum(d, sum, 10));
  out->kinetic = KINETIC_EV * sum[9];
  out->conserved = out->kinetic + out->potential - d->exchanged;
  if (d->s.thermostat == THERMOSTAT_NOSE_HOOVER) out->conserved += thermostat_chain_energy(d);
  if (d->degrees > 0) out->temperature = 2 * out->kinetic / (d->degrees * BOLTZMANN_EV);
  for (int k = 0; k < 9; k++) out->tensor[k] = NAN;
  if (!whole) return EQS_OK;
  out->volume = fabs(cell_volume(d->cell));
  barostat_pressure(d, sum, out->tensor);
  out->pressure = (out->tensor[0] + out->tensor[4] + out->tensor[8]) / 3;
  return EQS_OK;
}

void dynamics_unwrapped(const dynamics *d, int i, double out[3]) {
  for (int a = 0; a < 3; a++) {
    out[a] = d->x[i][a];
    for (int k = 0; k < 3; k++) out[a] += d->image[i][k] * d->cell[3 * k + a];
  }
}

void dynamics_archive(dynamics *d, archive *a) {
  size_t n = 3 * (size_t)d->n;
  archive_i64(a, &d->at);
  archive_f64(a, d->x[0], n);
  for (int i = 0; i < d->n; i++)
    for (int k = 0; k < 3; k++) archive_int(a, &d->image[i][k]);
  archive_f64(a, d->v[0], n);
  archive_f64(a, d->force[0], n);
  archive_f64(a, d->cell, 9);
  archive_f64(a, &d->energy, 1);
  archive_f64(a, d->stress, 9);
  archive_f64(a, &d->exchanged, 1);
  archive_f64(a, d->chain_x, DYNAMICS_CHAIN);
  archive_f64(a, d->chain_v, DYNAMICS_CHAIN);
  for (int b = 0; d->s.bodies && b < d->s.bodies->n; b++) {
    archive_f64(a, d->body[b].center, 3);
    archive_f64(a, d->body[b].velocity, 3);
    archive_f64(a, d->body[b].turn[0], 9);
    archive_f64(a, d->body[b].spin, 3);
  }
}

eqs_status dynamics_copy(const dynamics *from, dynamics *to) {
  size_t n = (size_t)from->n;
  if (!to->x) {
    to->n = from->n;
    to->s = from->s;
    EQS_TRY(take(to, from->mass, (const double(*)[3])from->x));
  }
  dynamics kept = *to;
  *to = *from;
  to->mass = kept.mass, to->x = kept.x, to->image = kept.image, to->v = kept.v;
  to->force = kept.force, to->number = kept.number, to->body = kept.body;
  if (from->s.bodies) memcpy(to->body, from->body, (size_t)from->s.bodies->n * sizeof *to->body);
  memcpy(to->x, from->x, n * sizeof *to->x);
  memcpy(to->image, from->image, n * sizeof *to->image);
  memcpy(to->v, from->v, n * sizeof *to->v);
  memcpy(to->force, from->force, n * sizeof *to->force);
  return EQS_OK;
}

void dynamics_free(dynamics *d) {
  free(d->mass);
  free(d->x);
  free(d->image);
  free(d->v);
  free(d->force);
  free(d->number);
  free(d->body);
  *d = (dynamics){0};
}
