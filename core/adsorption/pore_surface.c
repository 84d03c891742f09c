/* pore_surface.c -- the area that a probe's centre can roll over.
 *
 * Points of a Fibonacci lattice on the sphere of radius R_i + rp about each atom count where they
 * are outside all other such spheres, as channel or pocket by where they are.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "core/adsorption/pores_parts.h"

enum { POINTS_MAX = 1000000 };

typedef struct roll {
  pores *p;
  int points;
  double (*area)[3]; /* [atoms] by kind; 0 = on no space of the probe */
} roll;

static const double pi = 3.14159265358979323846;

static void fibonacci(int k, int n, double u[3]) {
  const double turn = pi * (3 - sqrt(5));
  double z = 1 - (2.0 * k + 1) / n, r = sqrt(1 - z * z);
  u[0] = r * cos(turn * k), u[1] = r * sin(turn * k), u[2] = z;
}

static int buried(const pore_near *near, const double x[3], double probe, int *last) {
  for (int m = -1; m < near->n; m++) { /* the one that buried the point before first */
    int i = m < 0 ? *last : m;
    if (i >= near->n) continue;
    double square = 0, reach = near->r[i] + probe;
    for (int k = 0; k < 3; k++) square += (x[k] - near->x[i][k]) * (x[k] - near->x[i][k]);
    if (square >= reach * reach) continue;
    *last = i;
    return 1;
  }
  return 0;
}

static eqs_status roll_atom(const roll *r, int atom, arena *scratch) {
  const pore_grid *g = &r->p->grid;
  const double probe = r->p->probe, reach = g->radius[atom] + probe;
  pore_near near;
  EQS_TRY(pore_grid_collect(g, g->atom[atom], reach + probe, scratch, &near));
  int n = 0, last = 0, count[3] = {0};
  for (int i = 0; i < near.n; i++) { /* without the atom itself */
    const double *v = near.x[i];
    if (near.atom[i] == atom && v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < 1e-12) continue;
    for (int k = 0; k < 3; k++) near.x[n][k] = v[k];
    near.r[n] = near.r[i];
    near.atom[n++] = near.atom[i];
  }
  near.n = n;
  for (int k = 0; k < r->points; k++) {
    double x[3], u[3];
    fibonacci(k, r->points, u);
    for (int c = 0; c < 3; c++) x[c] = reach * u[c];
    if (buried(&near, x, probe, &last)) continue;
    for (int c = 0; c < 3; c++) x[c] += g->atom[atom][c];
    count[pores_kind_at(r->p, x)]++;
  }
  for (int c = 0; c < 3; c++) r->area[atom][c] = 4 * pi * reach * reach * count[c] / r->points;
  return EQS_OK;
}

static eqs_status roll_block(void *argument, int block, arena *scratch) {
  const roll *r = argument;
  int n = r->p->grid.n_atom;
  for (int i = block_begin(block, n); i < block_end(block, n); i++) {
    arena_reset(scratch);
    EQS_TRY(roll_atom(r, i, scratch));
  }
  return EQS_OK;
}

eqs_status pores_find_surface(pores *p, int points, double *channel, double *pocket) {
  roll r = {.p = p, .points = points};
  int n = p->grid.n_atom;
  *channel = *pocket = 0;
  if (points < 1 || points > POINTS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "surface points per atom must be 1 to %d, not %d", POINTS_MAX,
             points);
  if (p->probe < 0) EQS_FAIL(EQS_ERR_ARGUMENT, "no probe was set before its surface was asked for");
  EQS_TRY(alloc_array(&r.area, (size_t)n, sizeof *r.area, "surface areas"));
  eqs_status status = workspace_run(p->work, block_count(n), roll_block, &r);
  for (int i = 0; i < n && status == EQS_OK; i++) {
    *channel += r.area[i][PORES_CHANNEL];
    *pocket += r.area[i][PORES_POCKET];
  }
  free(r.area);
  return status;
}
