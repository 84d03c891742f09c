/* pore_helium.c -- the helium void fraction, <exp(-U/kT)> of a Lennard-Jones helium atom.
 *
 * U is smooth and periodic, so a sum over a plain grid converges fast; exp(-U/kT) rises from 0 to 1
 * over half an angstrom.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "core/adsorption/pore_radii.h"
#include "core/adsorption/pores_parts.h"

enum { EDGE = 6 }; /* nodes of a block along each axis */
#define SPACING     0.3
#define CUTOFF      12.0
#define TEMPERATURE 298.0
#define SIGMA       2.64
#define EPSILON     10.9 /* K */
#define ENOUGH      40.0 /* kT: what is left cannot bring that down to anything that counts */

typedef struct gas_sum {
  const pore_grid *g;
  double *sigma6, *epsilon4; /* [atoms] of the pair; 4 epsilon / kT */
  int n[3], blocks[3];
  double step[9], span;
  double *sum; /* [blocks] */
} gas_sum;

typedef struct near_atom {
  double x[3], square, sigma6, epsilon4;
} near_atom;

static int nearest_first(const void *pa, const void *pb) {
  const near_atom *a = pa, *b = pb;
  return (a->square > b->square) - (a->square < b->square);
}

static double boltzmann(const near_atom *atom, int n, const double at[3]) {
  double u = 0;
  for (int i = 0; i < n && u < ENOUGH; i++) {
    double v[3], square = 0;
    for (int k = 0; k < 3; k++) v[k] = at[k] - atom[i].x[k], square += v[k] * v[k];
    if (square >= CUTOFF * CUTOFF) continue;
    double s = atom[i].sigma6 / (square * square * square);
    u += atom[i].epsilon4 * (s * s - s);
  }
  return u < ENOUGH ? exp(-u) : 0;
}

static eqs_status sum_block(void *argument, int block, arena *scratch) {
  const gas_sum *s = argument;
  const int *n = s->n, *b = s->blocks;
  int origin[3] = {block / (b[1] * b[2]) * EDGE, block / b[2] % b[1] * EDGE, block % b[2] * EDGE};
  double center[3], total = 0;
  for (int k = 0; k < 3; k++)
    center[k] = (origin[0] + 0.5 * (EDGE - 1)) * s->step[k] +
                (origin[1] + 0.5 * (EDGE - 1)) * s->step[3 + k] +
                (origin[2] + 0.5 * (EDGE - 1)) * s->step[6 + k];
  pore_near near;
  near_atom *list;
  EQS_TRY(pore_grid_collect(s->g, center, CUTOFF + s->span, scratch, &near));
  EQS_TRY(arena_take(scratch, (size_t)near.n, sizeof *list, &list));
  for (int i = 0; i < near.n; i++) {
    const double *v = near.x[i];
    list[i] = (near_atom){{v[0], v[1], v[2]},
                          v[0] * v[0] + v[1] * v[1] + v[2] * v[2],
                          s->sigma6[near.atom[i]],
                          s->epsilon4[near.atom[i]]};
  }
  if (near.n) qsort(list, (size_t)near.n, sizeof *list, nearest_first);
  for (int c = 0; c < EDGE * EDGE * EDGE; c++) {
    const int at[3] = {c / (EDGE * EDGE), c / EDGE % EDGE, c % EDGE};
    if (origin[0] + at[0] >= n[0] || origin[1] + at[1] >= n[1] || origin[2] + at[2] >= n[2])
      continue;
    double x[3] = {0, 0, 0};
    for (int a = 0; a < 3; a++)
      for (int k = 0; k < 3; k++) x[k] += (at[a] - 0.5 * (EDGE - 1)) * s->step[3 * a + k];
    total += boltzmann(list, near.n, x);
  }
  s->sum[block] = total;
  return EQS_OK;
}

static void lay_grid(gas_sum *s) {
  double longest = 0;
  for (int k = 0; k < 3; k++) {
    const double *a = s->g->cell + 3 * k;
    double length = sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
    s->n[k] = (int)ceil(length / SPACING);
    s->blocks[k] = (s->n[k] + EDGE - 1) / EDGE;
    longest += length / s->n[k];
    for (int c = 0; c < 3; c++) s->step[3 * k + c] = a[c] / s->n[k];
  }
  s->span = 0.5 * (EDGE - 1) * longest;
}

eqs_status pores_find_helium(pores *p, const int *number, double *fraction) {
  gas_sum s = {.g = &p->grid};
  size_t n = (size_t)p->grid.n_atom;
  eqs_status status = EQS_OK;
  lay_grid(&s);
  int blocks = s.blocks[0] * s.blocks[1] * s.blocks[2];
  EQS_TRY_DONE(alloc_array(&s.sigma6, n, sizeof *s.sigma6, "helium"));
  EQS_TRY_DONE(alloc_array(&s.epsilon4, n, sizeof *s.epsilon4, "helium"));
  EQS_TRY_DONE(alloc_array(&s.sum, (size_t)blocks, sizeof *s.sum, "helium"));
  for (size_t i = 0; i < n; i++) {
    double sigma, epsilon;
    pore_uff(number[p->grid.given[i]], &sigma, &epsilon);
    if (!(sigma > 0))
      EQS_TRY_DONE(status_fail(EQS_ERR_UNSUPPORTED, "there are no UFF parameters of element %d",
                               number[p->grid.given[i]]));
    s.sigma6[i] = pow(0.5 * (sigma + SIGMA), 6);
    s.epsilon4[i] = 4 * sqrt(epsilon * EPSILON) / TEMPERATURE;
  }
  EQS_TRY_DONE(workspace_run(p->work, blocks, sum_block, &s));
  double total = 0;
  for (int i = 0; i < blocks; i++) total += s.sum[i];
  *fraction = total / ((double)s.n[0] * s.n[1] * s.n[2]);
done:
  free(s.sigma6);
  free(s.epsilon4);
  free(s.sum);
  return status;
}
