/* relax.c -- FIRE and L-BFGS over atoms and cell.
 *
 * The curvature along sqrt(n) F is an elastic constant times the volume of an atom, of the size of
 * a bond's; along n F, as often used, it falls with the size of the cell.
 *
 * L-BFGS takes whole steps of at most 0.2 angstrom per atom; one that raises the energy is halved,
 * and after four halvings the memory is dropped. FIRE has the constants of its paper.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/relax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"

enum { MEMORY = 20, HALVINGS = 4 };
#define LONGEST   0.2  /* angstrom, any atom in one step */
#define STRAIN    0.05 /* of the cell in one step */
#define STIFFNESS 70.0 /* eV/angstrom^2, of the first step */
#define NOISE     1e-7 /* eV per atom that an energy may rise by rounding */
#define DEEPEST   100  /* eV per atom below the start: no bond is as strong */

typedef struct point {
  double *y, *g; /* [size] variables; what they are pulled by, -d(E + P V)/dy */
  double value;  /* E + P V */
  double energy; /* E */
  double deform[9];
} point;

typedef struct relax {
  const relax_settings *s;
  int n, size;  /* 3 n, and 9 with a cell that moves */
  double scale; /* of F among the variables */
  double first; /* E + P V of the start */
  double cell0[9], cell[9], stress[9];
  double (*x)[3], (*force)[3];
  point at, trial;
  double *step;    /* [size] */
  double *dy, *dg; /* [MEMORY][size] of L-BFGS */
  double rho[MEMORY];
  int n_memory;
  double *velocity, dt, mix; /* of FIRE */
  int downhill;
  relax_outcome *out;
} relax;

static double dot(int n, const double *a, const double *b) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* ---- energy and pull at y */

static void set_places(relax *r, const point *p) {
  const double *f = p->deform;
  for (int i = 0; i < r->n; i++)
    for (int b = 0; b < 3; b++)
      r->x[i][b] = p->y[3 * i] * f[b] + p->y[3 * i + 1] * f[3 + b] + p->y[3 * i + 2] * f[6 + b];
  for (int k = 0; k < 3; k++)
    for (int b = 0; b < 3; b++)
      r->cell[3 * k + b] =
          r->cell0[3 * k] * f[b] + r->cell0[3 * k + 1] * f[3 + b] + r->cell0[3 * k + 2] * f[6 + b];
}

/* -d(E + P V)/d(scale F) = -V F^-T (stress + P) / scale */
static eqs_status pull_cell(relax *r, point *p) {
  double inverse[9], volume = fabs(cell_volume(r->cell)), *g = p->g + 3 * (size_t)r->n, mean = 0;
  if (!cell_inverse(p->deform, inverse)) EQS_FAIL(EQS_ERR_DIVERGED, "the cell has collapsed");
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < 3; b++) {
      g[3 * a + b] = 0;
      for (int k = 0; k < 3; k++)
        g[3 * a + b] -= volume * inverse[3 * k + a] *
                        (r->stress[3 * k + b] + (k == b ? r->s->pressure : 0)) / r->scale;
    }
  if (r->s->cell == RELAX_FULL) return EQS_OK;
  for (int k = 0; k < 3; k++) mean += g[4 * k] / 3;
  for (int k = 0; k < 9; k++) g[k] = k % 4 ? 0 : mean;
  return EQS_OK;
}

static eqs_status evaluate(relax *r, point *p) {
  size_t moving = 3 * (size_t)r->n;
  for (int k = 0; k < 9; k++)
    p->deform[k] = r->s->cell == RELAX_FIXED ? k % 4 == 0 : p->y[moving + (size_t)k] / r->scale;
  set_places(r, p);
  EQS_TRY(r->s->evaluate(r->s->context, r->n, (const double(*)[3])r->x, r->cell, &p->energy,
                         r->force, r->stress));
  p->value = p->energy;
  if (r->s->cell != RELAX_FIXED) {
    p->value += r->s->pressure * fabs(cell_volume(r->cell));
    EQS_TRY(pull_cell(r, p));
  }
  for (int i = 0; i < r->n; i++)
    for (int a = 0; a < 3; a++) {
      double sum = 0;
      for (int b = 0; b < 3; b++) sum += r->force[i][b] * p->deform[3 * a + b];
      p->g[3 * i + a] = sum;
    }
  double check = p->value;
  for (int k = 0; k < r->size; k++) check += p->g[k];
  if (!isfinite(check)) EQS_FAIL(EQS_ERR_DIVERGED, "the energy or a force is not finite");
  return EQS_OK;
}

/* Whether the criteria hold at the point evaluated last; tells the watch. */
static eqs_status judge(relax *r, const point *p) {
  const relax_settings *s = r->s;
  relax_outcome *o = r->out;
  double worst = 0, mean = (r->stress[0] + r->stress[4] + r->stress[8]) / 3;
  for (int i = 0; i < r->n; i++) worst = fmax(worst, dot(3, r->force[i], r->force[i]));
  o->force = sqrt(worst), o->stress = 0, o->energy = p->energy;
  for (int k = 0; k < 9 && s->cell == RELAX_FULL; k++)
    o->stress = fmax(o->stress, fabs(r->stress[k] + (k % 4 ? 0 : s->pressure)));
  if (s->cell == RELAX_ISOTROPIC) o->stress = fabs(mean + s->pressure);
  if (o->steps == 0) r->first = p->value;
  if (p->value < r->first - DEEPEST * r->n)
    EQS_FAIL(EQS_ERR_DIVERGED,
             "the energy has fallen by more than %d eV per atom: the model has a hole there, atoms "
             "fall into each other",
             DEEPEST);
  o->done = o->force <= s->force && (s->cell == RELAX_FIXED || o->stress <= s->stress);
  if (s->watch && s->watch(s->user, o->steps, o->energy, o->force, o->stress))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %lld steps", (long long)o->steps);
  return EQS_OK;
}

/* ---- steps */

static void limit(const relax *r, double *step) {
  double over = 1;
  for (int i = 0; i + 2 < r->size; i += 3) {
    double most = i < 3 * r->n ? LONGEST : STRAIN * r->scale;
    over = fmax(over, sqrt(dot(3, step + i, step + i)) / most);
  }
  for (int k = 0; k < r->size && over > 1; k++) step[k] /= over;
}

static void move(const relax *r, const point *from, double share, point *to) {
  for (int k = 0; k < r->size; k++) to->y[k] = from->y[k] + share * r->step[k];
}

static void take_trial(relax *r) {
  point p = r->at;
  r->at = r->trial;
  r->trial = p;
}

/* The direction -H g by the two loops. */
static void lbfgs_direction(relax *r) {
  size_t size = (size_t)r->size;
  double a[MEMORY], *q = r->step;
  memcpy(q, r->at.g, size * sizeof *q);
  for (int k = r->n_memory - 1; k >= 0; k--) {
    a[k] = r->rho[k] * dot(r->size, r->dy + (size_t)k * size, q);
    for (size_t j = 0; j < size; j++) q[j] -= a[k] * r->dg[(size_t)k * size + j];
  }
  for (size_t j = 0; j < size; j++) q[j] /= STIFFNESS;
  for (int k = 0; k < r->n_memory; k++) {
    double b = r->rho[k] * dot(r->size, r->dg + (size_t)k * size, q);
    for (size_t j = 0; j < size; j++) q[j] += (a[k] - b) * r->dy[(size_t)k * size + j];
  }
}

/* Keeps the change of variables and gradient, if the curvature along it is positive. */
static void lbfgs_remember(relax *r) {
  size_t size = (size_t)r->size, bytes = size * sizeof(double);
  if (r->n_memory == MEMORY) {
    memmove(r->dy, r->dy + size, (MEMORY - 1) * bytes);
    memmove(r->dg, r->dg + size, (MEMORY - 1) * bytes);
    memmove(r->rho, r->rho + 1, (MEMORY - 1) * sizeof *r->rho);
    r->n_memory--;
  }
  double *dy = r->dy + (size_t)r->n_memory * size, *dg = r->dg + (size_t)r->n_memory * size;
  for (size_t j = 0; j < size; j++) {
    dy[j] = r->at.y[j] - r->trial.y[j];
    dg[j] = r->trial.g[j] - r->at.g[j];
  }
  double curvature = dot(r->size, dy, dg);
  if (curvature > 1e-12 * sqrt(dot(r->size, dy, dy) * dot(r->size, dg, dg)))
    r->rho[r->n_memory++] = 1 / curvature;
}

static eqs_status lbfgs_step(relax *r) {
  double share = 1;
  lbfgs_direction(r);
  if (dot(r->size, r->step, r->at.g) <= 0) { /* uphill: the memory misleads */
    r->n_memory = 0;
    lbfgs_direction(r);
  }
  limit(r, r->step);
  for (int k = 0;; k++, share /= 2) {
    move(r, &r->at, share, &r->trial);
    eqs_status status = evaluate(r, &r->trial);
    r->out->steps++;
    int bad = status != EQS_OK || r->trial.value > r->at.value + NOISE * r->n;
    if (status != EQS_OK && (k == HALVINGS || status == EQS_ERR_INTERRUPTED)) return status;
    if (!bad || k == HALVINGS) break;
    r->n_memory = 0;
  }
  take_trial(r);
  lbfgs_remember(r);
  return judge(r, &r->at);
}

static eqs_status fire_step(relax *r) {
  double *v = r->velocity, power = dot(r->size, v, r->at.g);
  if (power > 0) {
    double ratio = sqrt(dot(r->size, v, v) / dot(r->size, r->at.g, r->at.g));
    for (int k = 0; k < r->size; k++) v[k] = (1 - r->mix) * v[k] + r->mix * ratio * r->at.g[k];
    if (r->downhill++ > 5) {
      r->dt = fmin(r->dt * 1.1, 1);
      r->mix *= 0.99;
    }
  } else {
    memset(v, 0, (size_t)r->size * sizeof *v);
    r->dt *= 0.5, r->mix = 0.1, r->downhill = 0;
  }
  for (int k = 0; k < r->size; k++) {
    v[k] += r->dt * r->at.g[k];
    r->step[k] = r->dt * v[k];
  }
  limit(r, r->step);
  move(r, &r->at, 1, &r->trial);
  EQS_TRY(evaluate(r, &r->trial));
  r->out->steps++;
  take_trial(r);
  return judge(r, &r->at);
}

/* ---- the run */

static eqs_status start(relax *r) {
  size_t size = (size_t)r->size;
  point *both[2] = {&r->at, &r->trial};
  for (int k = 0; k < 2; k++) {
    EQS_TRY(alloc_array(&both[k]->y, size, sizeof(double), "variables"));
    EQS_TRY(alloc_array(&both[k]->g, size, sizeof(double), "forces"));
  }
  EQS_TRY(alloc_array(&r->step, size, sizeof(double), "a step"));
  if (r->s->method == RELAX_FIRE) {
    EQS_TRY(alloc_array(&r->velocity, size, sizeof(double), "velocities"));
    r->dt = 0.1, r->mix = 0.1;
  } else {
    EQS_TRY(alloc_array(&r->dy, size, MEMORY * sizeof(double), "memory of steps"));
    EQS_TRY(alloc_array(&r->dg, size, MEMORY * sizeof(double), "memory of forces"));
  }
  memcpy(r->at.y, r->x, 3 * (size_t)r->n * sizeof(double));
  for (int k = 0; k < 9 && r->s->cell != RELAX_FIXED; k++)
    r->at.y[3 * (size_t)r->n + (size_t)k] = k % 4 ? 0 : r->scale;
  EQS_TRY(evaluate(r, &r->at));
  return judge(r, &r->at);
}

static eqs_status check(const relax_settings *s, int n, const double cell[9]) {
  if (n < 1 || !s->evaluate) EQS_FAIL(EQS_ERR_ARGUMENT, "there are no atoms");
  if (!(s->force > 0) || !(s->stress > 0) || !isfinite(s->pressure) || s->steps < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the criteria for force and stress are above 0");
  if (s->cell != RELAX_FIXED && !(fabs(cell_volume(cell)) > 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a cell without a volume cannot be relaxed");
  return EQS_OK;
}

eqs_status relax_run(const relax_settings *s, int n, double (*x)[3], double cell[9],
                     double (*force)[3], double stress[9], relax_outcome *out) {
  *out = (relax_outcome){0};
  EQS_TRY(check(s, n, cell));
  relax r = {.s = s,
             .n = n,
             .size = 3 * n + (s->cell == RELAX_FIXED ? 0 : 9),
             .x = x,
             .force = force,
             .scale = sqrt(n),
             .out = out};
  memcpy(r.cell0, cell, sizeof r.cell0);
  eqs_status status = start(&r);
  while (status == EQS_OK && !out->done && out->steps < s->steps)
    status = s->method == RELAX_FIRE ? fire_step(&r) : lbfgs_step(&r);
  memcpy(cell, r.cell, sizeof r.cell);
  memcpy(stress, r.stress, sizeof r.stress);
  free(r.at.y), free(r.at.g), free(r.trial.y), free(r.trial.g);
  free(r.step), free(r.dy), free(r.dg), free(r.velocity);
  return status;
}
