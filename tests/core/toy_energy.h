/* toy_energy.h -- analytic guest energies for the tests of the samplers, by brute force.
 *
 * A field that acts on each guest and a pair energy between guests (nearest images in an
 * orthorhombic box), both given by the test.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TOY_ENERGY_H
#define EQS_TOY_ENERGY_H

#include "core/adsorption/energy.h"
#include "core/adsorption/widom.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { TOY_MAX = 4000 };
#define TOY_PI 3.14159265358979323846

typedef struct toy {
  guest_energy base;
  double box[3];
  double (*field)(const struct toy *t, const guest *g);
  double (*pair)(const struct toy *t, const guest *a, const guest *b, double r2);
  double p[8];   /* parameters of both */
  int64_t asked; /* energies */
  int64_t calls; /* of trial */
  double drift;  /* energies are off by this times the commits since the last total */
  int64_t commits;
  int64_t scars; /* gaps that were filled since there was no guest: count like commits */
  int n;
  guest guests[TOY_MAX];
} toy;

static inline double toy_of(const toy *t, const guest *g, int except) {
  double u = t->field ? t->field(t, g) : 0;
  for (int i = 0; t->pair && i < t->n; i++) {
    double r2 = 0;
    if (i == except) continue;
    for (int k = 0; k < 3; k++) {
      double d = g->pose.position[k] - t->guests[i].pose.position[k];
      d -= t->box[k] * round(d / t->box[k]);
      r2 += d * d;
    }
    u += t->pair(t, g, &t->guests[i], r2);
  }
  return u;
}

static inline eqs_status toy_trial(guest_energy *e, int n, const guest_change *x, double *du) {
  toy *t = (toy *)e;
  t->calls++;
  t->asked += n;
  for (int i = 0; i < n; i++) {
    cr_assert(x[i].remove < t->n && (x[i].remove >= 0 || x[i].insert >= 0));
    du[i] = t->drift * (double)(t->commits + t->scars);
    if (x[i].insert >= 0) {
      const guest g = {x[i].insert, x[i].pose};
      du[i] += toy_of(t, &g, x[i].remove);
    }
    if (x[i].remove >= 0) du[i] -= toy_of(t, &t->guests[x[i].remove], x[i].remove);
  }
  return EQS_OK;
}

static inline eqs_status toy_commit(guest_energy *e, const guest_change *x) {
  toy *t = (toy *)e;
  double du;
  int64_t asked = t->asked, calls = t->calls;
  cr_assert(toy_trial(e, 1, x, &du) == EQS_OK);
  cr_assert(isfinite(du), "a change without a finite energy was made");
  t->asked = asked;
  t->calls = calls;
  if (x->insert >= 0) {
    cr_assert(t->n < TOY_MAX);
    t->guests[x->remove >= 0 ? x->remove : t->n++] = (guest){x->insert, x->pose};
  } else {
    t->scars += x->remove < t->n - 1;
    t->guests[x->remove] = t->guests[--t->n];
    if (t->n == 0) t->scars = 0;
  }
  t->commits++;
  return EQS_OK;
}

static inline eqs_status toy_total(guest_energy *e, double *u) {
  toy *t = (toy *)e;
  *u = 0;
  t->commits = 0;
  for (int n = t->n, i = 0; i < n; i++) {
    t->n = i; /* with those before it */
    *u += toy_of(t, &t->guests[i], -1);
    t->n = n;
  }
  return EQS_OK;
}

static inline void toy_free(guest_energy *e) { free(e); }

static inline toy *toy_open(double a, double b, double c) {
  static const guest_energy_ops ops = {
      .trial = toy_trial, .commit = toy_commit, .total = toy_total, .free = toy_free};
  toy *t = calloc(1, sizeof *t);
  cr_assert(t);
  t->base.ops = &ops;
  t->box[0] = a;
  t->box[1] = b;
  t->box[2] = c;
  return t;
}

/* Fugacity with beta f = density (molecules per angstrom^3), Pa. */
static inline double toy_fugacity(double density, double temperature) {
  return density * 1e30 * 1.380649e-23 * temperature;
}

/* ------------------------------------------------------------------------- fields and pairs */

/* p[0] k, p[1] depth: U = k r^2 / 2 - depth about the middle of the box. */
static inline double toy_well(const toy *t, const guest *g) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) r2 += pow(g->pose.position[k] - t->box[k] / 2, 2);
  return 0.5 * t->p[0] * r2 - t->p[1];
}

/* Sites: the box is a grid of cells of side p[2], in each one a cube of side p[3] in its corner
 * with energy -p[1]; elsewhere no guest can be. */
static inline double toy_sites(const toy *t, const guest *g) {
  for (int k = 0; k < 3; k++)
    if (fmod(g->pose.position[k], t->p[2]) >= t->p[3]) return INFINITY;
  return -t->p[1];
}

/* One guest per site. */
static inline double toy_one_per_site(const toy *t, const guest *a, const guest *b, double r2) {
  (void)r2;
  for (int k = 0; k < 3; k++)
    if ((int)(a->pose.position[k] / t->p[2]) != (int)(b->pose.position[k] / t->p[2])) return 0;
  return INFINITY;
}

/* Hard spheres of diameter p[4]. */
static inline double toy_hard(const toy *t, const guest *a, const guest *b, double r2) {
  (void)a, (void)b;
  return r2 < t->p[4] * t->p[4] ? INFINITY : 0;
}

/* Lennard-Jones: p[4] sigma, p[5] epsilon eV, p[6] cut-off. */
static inline double toy_lj(const toy *t, const guest *a, const guest *b, double r2) {
  (void)a, (void)b;
  if (r2 >= t->p[6] * t->p[6]) return 0;
  double s = t->p[4] * t->p[4] / r2, s6 = s * s * s;
  return s6 > 1e12 ? INFINITY : 4 * t->p[5] * (s6 * s6 - s6);
}

#endif
