/* bodies.c -- rigid bodies among the atoms of a state.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/bodies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"
#include "core/units.h"

static void cross(const double a[3], const double b[3], double out[3]) {
  for (int k = 0; k < 3; k++)
    out[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
}

/* ---- the set */

static eqs_status add_body(const structure *s, const selection *g, int c, const double *mass,
                           const double *inverse, body_set *out) {
  int n = g->first[c + 1] - g->first[c], *member = out->member + out->first[out->n];
  double m[GAS_MAX_ATOMS], x[GAS_MAX_ATOMS][3];
  if (n < 2) return EQS_OK;
  if (n > GAS_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a rigid body of %d atoms in %s: at most %d", n, g->name,
             GAS_MAX_ATOMS);
  for (int j = 0; j < n; j++) {
    const double *from = s->position[g->member[g->first[c]]];
    double d[3];
    member[j] = g->member[g->first[c] + j];
    m[j] = mass[member[j]];
    for (int a = 0; a < 3; a++) x[j][a] = d[a] = s->position[member[j]][a] - from[a];
    for (int k = 0; k < 3 && inverse; k++) {
      double whole =
          s->pbc[k] ? round(d[0] * inverse[k] + d[1] * inverse[3 + k] + d[2] * inverse[6 + k]) : 0;
      for (int a = 0; a < 3; a++) x[j][a] -= whole * s->cell[3 * k + a];
    }
    for (int a = 0; a < 3; a++) x[j][a] += from[a];
  }
  rigid_shape_make(n, m, (const double(*)[3])x, &out->shape[out->n]);
  out->first[out->n + 1] = out->first[out->n] + n;
  out->n++;
  return EQS_OK;
}

static eqs_status fill(const selections *l, const double *mass, char *taken, body_set *out) {
  double inverse[9];
  int periodic = cell_inverse(l->s->cell, inverse);
  for (int g = 0; g < l->n; g++)
    for (int c = 0; c < l->group[g].n; c++) {
      for (int j = l->group[g].first[c]; j < l->group[g].first[c + 1]; j++)
        if (taken[l->group[g].member[j]]++)
          EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d is in two rigid bodies", l->group[g].member[j] + 1);
      EQS_TRY(add_body(l->s, &l->group[g], c, mass, periodic ? inverse : NULL, out));
    }
  if (out->n == 0) EQS_FAIL(EQS_ERR_ARGUMENT, "single atoms are no rigid bodies");
  return EQS_OK;
}

eqs_status body_set_make(const selections *l, const double *mass, body_set *out) {
  size_t n = (size_t)l->s->n;
  char *taken = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&taken, n, 1, "rigid bodies"));
  EQS_TRY_DONE(alloc_array(&out->shape, n / 2, sizeof *out->shape, "rigid bodies"));
  EQS_TRY_DONE(alloc_array(&out->first, n / 2 + 1, sizeof *out->first, "rigid bodies"));
  EQS_TRY_DONE(alloc_array(&out->member, n, sizeof *out->member, "rigid bodies"));
  status = fill(l, mass, taken, out);
done:
  free(taken);
  return status;
}

void body_set_free(body_set *set) {
  free(set->shape);
  free(set->first);
  free(set->member);
  *set = (body_set){.n = 0};
}

double bodies_lost(const body_set *set) {
  double lost = 0;
  for (int b = 0; set && b < set->n; b++) {
    lost += 3 * set->shape[b].n - 3;
    for (int k = 0; k < 3; k++) lost -= set->shape[b].inertia[k] > 0;
  }
  return lost;
}

/* ---- motion */

/* Atoms have the velocity V + omega x r. */
static void set_velocities(dynamics *d, int b) {
  const body_set *set = d->s.bodies;
  const rigid_shape *s = &set->shape[b];
  const rigid_body *body = &d->body[b];
  double omega[3], turned[3];
  for (int k = 0; k < 3; k++) omega[k] = s->inertia[k] > 0 ? body->spin[k] / s->inertia[k] : 0;
  for (int j = 0; j < s->n; j++) {
    double *v = d->v[set->member[set->first[b] + j]];
    cross(omega, s->site[j], turned);
    for (int a = 0; a < 3; a++) {
      v[a] = body->velocity[a];
      for (int k = 0; k < 3; k++) v[a] += body->turn[a][k] * turned[k];
    }
  }
}

/* Atoms about the centre, which is continuous in time, so that images count from there. */
static void set_places(dynamics *d, int b) {
  const body_set *set = d->s.bodies;
  double x[GAS_MAX_ATOMS][3];
  rigid_sites(&set->shape[b], &d->body[b], x);
  for (int j = 0; j < set->shape[b].n; j++) {
    int i = set->member[set->first[b] + j];
    memcpy(d->x[i], x[j], sizeof x[j]);
    memset(d->image[i], 0, sizeof d->image[i]);
  }
}

void bodies_start(dynamics *d) {
  const body_set *set = d->s.bodies;
  static const pose as_made = {{0, 0, 0}, {0, 0, 0, 1}};
  for (int b = 0; set && b < set->n; b++) {
    const rigid_shape *s = &set->shape[b];
    rigid_body *body = &d->body[b];
    double spin[3] = {0, 0, 0}, way[3], turned[3];
    rigid_from_pose(s, &as_made, body);
    for (int j = 0; j < s->n; j++) {
      int i = set->member[set->first[b] + j];
      for (int k = 0; k < 3; k++) body->velocity[k] += d->mass[i] * d->v[i][k] / s->mass;
      for (int k = 0; k < 3; k++) { /* along the principal axes */
        way[k] = 0;
        for (int a = 0; a < 3; a++) way[k] += body->turn[a][k] * d->v[i][a];
      }
      cross(s->site[j], way, turned);
      for (int k = 0; k < 3; k++) spin[k] += d->mass[i] * turned[k];
    }
    for (int k = 0; k < 3; k++) body->spin[k] = s->inertia[k] > 0 ? spin[k] : 0;
    set_places(d, b);
    set_velocities(d, b);
  }
}

void bodies_kick(dynamics *d, double dt) {
  const body_set *set = d->s.bodies;
  double force[GAS_MAX_ATOMS][3];
  for (int b = 0; set && b < set->n; b++) {
    for (int j = 0; j < set->shape[b].n; j++)
      memcpy(force[j], d->force[set->member[set->first[b] + j]], sizeof force[j]);
    rigid_kick(&set->shape[b], &d->body[b], (const double(*)[3])force, 1 / KINETIC_EV, dt);
    set_velocities(d, b);
  }
}

void bodies_drift(dynamics *d, double dt) {
  const body_set *set = d->s.bodies;
  for (int b = 0; set && b < set->n; b++) {
    rigid_body *body = &d->body[b];
    for (int k = 0; k < 3; k++) body->center[k] += dt * body->velocity[k];
    rigid_rotate(&set->shape[b], body, dt);
    set_places(d, b);
    set_velocities(d, b);
  }
}

void bodies_friction(dynamics *d, double keep, double kt) {
  const body_set *set = d->s.bodies;
  double share = 1 - keep * keep;
  for (int b = 0; set && b < set->n; b++) {
    const rigid_shape *s = &set->shape[b];
    const int *member = set->member + set->first[b];
    rigid_body *body = &d->body[b];
    for (int k = 0; k < 3; k++) {
      double one = d->number[3 * (size_t)member[0] + (size_t)k];
      double other = d->number[3 * (size_t)member[1] + (size_t)k];
      body->velocity[k] = keep * body->velocity[k] + sqrt(share * kt / s->mass) * one;
      if (s->inertia[k] > 0)
        body->spin[k] = keep * body->spin[k] + sqrt(share * kt * s->inertia[k]) * other;
    }
    set_velocities(d, b);
  }
}

void bodies_scale(dynamics *d, double factor) {
  for (int b = 0; d->s.bodies && b < d->s.bodies->n; b++) {
    for (int k = 0; k < 3; k++) d->body[b].velocity[k] *= factor, d->body[b].spin[k] *= factor;
    set_velocities(d, b);
  }
}

void bodies_shift(dynamics *d, const double velocity[3]) {
  for (int b = 0; d->s.bodies && b < d->s.bodies->n; b++) {
    for (int k = 0; k < 3; k++) d->body[b].velocity[k] += velocity[k];
    set_velocities(d, b);
  }
}

/* A strain moves centres and turns nothing: dE/de_ab gains sum f_b (x - X)_a. */
void bodies_pressure(const dynamics *d, double stress[9], double kinetic[9]) {
  const body_set *set = d->s.bodies;
  double volume = fabs(cell_volume(d->cell));
  for (int b = 0; set && b < set->n; b++) {
    const rigid_shape *s = &set->shape[b];
    const rigid_body *body = &d->body[b];
    for (int j = 0; j < s->n; j++) {
      int i = set->member[set->first[b] + j];
      double arm[3] = {0, 0, 0};
      for (int a = 0; a < 3; a++)
        for (int k = 0; k < 3; k++) arm[a] += body->turn[a][k] * s->site[j][k];
      for (int a = 0; a < 9; a++) {
        int p = a / 3, q = a % 3;
        stress[a] += (d->force[i][q] * arm[p] + d->force[i][p] * arm[q]) / 2 / volume;
        kinetic[a] -= d->mass[i] * d->v[i][p] * d->v[i][q];
      }
    }
    for (int a = 0; a < 9; a++)
      kinetic[a] += s->mass * body->velocity[a / 3] * body->velocity[a % 3];
  }
}
