/* hybrid.c -- one hybrid Monte Carlo move.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/hybrid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/random.h"
#include "core/dynamics/verlet.h"
#include "core/units.h"

typedef struct trajectory {
  const hybrid_settings *s;
  hybrid_system *system;
  int n;                 /* atoms */
  double (*x)[3];        /* [n] */
  double (*force)[3];    /* [n] */
  double (*velocity)[3]; /* [n_free] angstrom/fs */
  double *number;        /* random: normal ones, and a uniform one that decides */
  size_t n_number;
  double energy; /* eV */
} trajectory;

static void copy(void *to, const void *from, size_t bytes) {
  if (bytes) memcpy(to, from, bytes); /* a system may lack free atoms, or bodies */
}

/* Normal numbers; the last one stays uniform. */
static void draw_numbers(trajectory *t) {
  const hybrid_settings *s = t->s;
  random_uniform(s->seed, s->stream, s->index, t->n_number, t->number);
  random_make_normal(t->number, t->n_number - 1);
}

static void set_momenta(trajectory *t) {
  hybrid_system *y = t->system;
  const double *g = t->number + 3 * (size_t)y->n_free;
  double kt = BOLTZMANN_EV * t->s->temperature / KINETIC_EV;
  verlet_maxwell(y->n_free, y->mass, t->s->temperature, t->number, t->velocity);
  for (int b = 0; b < y->n_body; b++, g += 6)
    for (int k = 0; k < 3; k++) {
      y->body[b].velocity[k] = sqrt(kt / y->shape[b]->mass) * g[k];
      y->body[b].spin[k] = sqrt(kt * y->shape[b]->inertia[k]) * g[3 + k];
    }
}

static double kinetic(const trajectory *t) {
  const hybrid_system *y = t->system;
  double sum = verlet_kinetic(y->n_free, y->mass, (const double(*)[3])t->velocity);
  for (int b = 0; b < y->n_body; b++) sum += rigid_kinetic(y->shape[b], y->body + b);
  return KINETIC_EV * sum;
}

/* Positions of all atoms, energy and forces there. */
static eqs_status evaluate(trajectory *t) {
  const hybrid_system *y = t->system;
  int at = y->n_free;
  copy(t->x, y->free_at, (size_t)y->n_free * sizeof *t->x);
  for (int b = 0; b < y->n_body; at += y->shape[b++]->n)
    rigid_sites(y->shape[b], y->body + b, t->x + at);
  EQS_TRY(t->s->force(t->s->context, t->n, (const double(*)[3])t->x, &t->energy, t->force));
  int finite = isfinite(t->energy) != 0;
  for (int i = 0; i < t->n; i++)
    for (int k = 0; k < 3; k++) finite &= isfinite(t->force[i][k]) != 0;
  if (!finite) EQS_FAIL(EQS_ERR_DIVERGED, "the energy or a force is not finite");
  return EQS_OK;
}

static void kick(trajectory *t, double dt) {
  hybrid_system *y = t->system;
  int at = y->n_free;
  verlet_kick(y->n_free, y->mass, (const double(*)[3])t->force, dt, t->velocity);
  for (int b = 0; b < y->n_body; at += y->shape[b++]->n)
    rigid_kick(y->shape[b], y->body + b, (const double(*)[3])(t->force + at), 1 / KINETIC_EV, dt);
}

static void drift(trajectory *t, double dt) {
  hybrid_system *y = t->system;
  verlet_drift(y->n_free, (const double(*)[3])t->velocity, dt, y->free_at);
  for (int b = 0; b < y->n_body; b++) {
    for (int k = 0; k < 3; k++) y->body[b].center[k] += dt * y->body[b].velocity[k];
    rigid_rotate(y->shape[b], y->body + b, dt);
  }
}

static eqs_status run(trajectory *t, hybrid_outcome *out) {
  double before, dt = t->s->step;
  EQS_TRY(evaluate(t));
  out->energy = t->energy;
  draw_numbers(t);
  set_momenta(t);
  before = t->energy + kinetic(t);
  for (int i = 0; i < t->s->steps; i++) {
    kick(t, dt / 2);
    drift(t, dt);
    eqs_status status = evaluate(t);
    if (status == EQS_ERR_DIVERGED) return EQS_OK; /* refused: dh stays infinite */
    EQS_TRY(status);
    kick(t, dt / 2);
  }
  if (t->s->refused && t->s->refused(t->s->refuser, t->system)) return EQS_OK;
  out->dh = t->energy + kinetic(t) - before;
  double u = t->number[t->n_number - 1];
  out->accepted = u < exp(-out->dh / (BOLTZMANN_EV * t->s->temperature));
  if (out->accepted) out->energy = t->energy;
  return EQS_OK;
}

static eqs_status check(const hybrid_settings *s) {
  if (!(s->temperature > 0 && s->temperature <= 1e5) || !(s->step > 0 && s->step <= 100) ||
      s->steps < 1 || !s->force)
    EQS_FAIL(
        EQS_ERR_ARGUMENT,
        "hybrid Monte Carlo needs a temperature (0 to 1e5 K), a time step (0 to 100 fs) and at "
        "least one step");
  return EQS_OK;
}

eqs_status hybrid_move(const hybrid_settings *s, hybrid_system *system, hybrid_outcome *out) {
  *out = (hybrid_outcome){.dh = INFINITY, .energy = NAN};
  EQS_TRY(check(s));
  trajectory t = {.s = s, .system = system, .n = system->n_free};
  size_t n_free = (size_t)system->n_free, n_body = (size_t)system->n_body;
  double(*free_at)[3] = NULL;
  rigid_body *body = NULL;
  eqs_status status = EQS_OK;
  for (int b = 0; b < system->n_body; b++) t.n += system->shape[b]->n;
  t.n_number = (3 * n_free + 6 * n_body + 1) / 2 * 2 + 1;
  EQS_TRY_DONE(alloc_array(&free_at, n_free, sizeof *free_at, "positions"));
  EQS_TRY_DONE(alloc_array(&body, n_body, sizeof *body, "molecules"));
  EQS_TRY_DONE(alloc_array(&t.x, (size_t)t.n, sizeof *t.x, "positions"));
  EQS_TRY_DONE(alloc_array(&t.force, (size_t)t.n, sizeof *t.force, "forces"));
  EQS_TRY_DONE(alloc_array(&t.velocity, n_free, sizeof *t.velocity, "velocities"));
  EQS_TRY_DONE(alloc_array(&t.number, t.n_number, sizeof *t.number, "random numbers"));
  copy(free_at, system->free_at, n_free * sizeof *free_at);
  copy(body, system->body, n_body * sizeof *body);
  status = run(&t, out);
  if (status != EQS_OK || !out->accepted) {
    copy(system->free_at, free_at, n_free * sizeof *free_at);
    copy(system->body, body, n_body * sizeof *body);
  }
done:
  free(free_at);
  free(body);
  free(t.x);
  free(t.force);
  free(t.velocity);
  free(t.number);
  return status;
}
