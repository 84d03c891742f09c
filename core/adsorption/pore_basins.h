/* pore_basins.h -- cages and the passes between them.
 *
 * A cage is a local maximum of d, found off the grid. Every node with d > -half climbs, over its 26
 * neighbours, to the highest node near by, and from there to its cage. Where nodes of two cages (or
 * of a cage and its own image) are face to face there is a pass; its height is the best min(d, d')
 * of such pairs. What can travel where is then a matter of a graph of a few cages, for every radius
 * alike: a sphere of radius r goes from one to the next if and only if the pass is r or higher.
 *
 * Heights of passes on the grid are too low by at most `half` of the grid; pore_pass_refine does
 * better.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PORE_BASINS_H
#define EQS_PORE_BASINS_H

#include "core/adsorption/pore_grid.h"

typedef struct pore_cage {
  double x[3], height; /* the maximum: where, angstrom, and its d */
} pore_cage;

typedef struct pore_pass {
  int a, b;     /* cages, a <= b */
  int shift[3]; /* image 0 of a touches image `shift` of b */
  double height;
  int refined;
  uint32_t node; /* one side of the best pair; the other is a step along `axis` */
  int axis;
} pore_pass;

typedef struct pore_basins {
  int n;
  pore_cage *cage; /* [n] */
  int *of;         /* [nodes] the cage; -1 = inside atoms */
  int *shift;      /* [nodes] packed image of the cage that the node climbs to */
  int n_pass;
  pore_pass *pass; /* [n_pass] by falling height */
} pore_basins;

/* EQS_ERR_MEMORY; EQS_ERR_UNSUPPORTED: cages that reach over hundreds of cells. */
eqs_status pore_basins_find(pore_basins *b, const pore_grid *g, workspace *w) EQS_CHECK;
void pore_basins_free(pore_basins *b);

/* A cage and which image of it. */
typedef struct pore_owner {
  int cage, image[3];
} pore_owner;

/* The cage that a node climbs to, the node given by unwrapped coordinates; cage -1 = none. */
pore_owner pore_owner_of_node(const pore_basins *b, const pore_grid *g, const int at[3]);
/* The same of any point. Uses up the scratch. */
eqs_status pore_owner_of_point(const pore_basins *b, const pore_grid *g, const double x[3],
                               arena *scratch, pore_owner *out) EQS_CHECK;

/* Raises the pass to its true height within about half / 64, by finer and finer grids about it;
 * stops as soon as the height is known to be at least `enough` or less than that (INFINITY: never).
 */
eqs_status pore_pass_refine(const pore_basins *b, const pore_grid *g, double enough, arena *scratch,
                            pore_pass *pass) EQS_CHECK;
/* Climbs from x to a local maximum of d, within about 1e-4 angstrom; returns its height. Resets the
 * scratch. */
eqs_status pore_climb(const pore_grid *g, double x[3], arena *scratch, double *height) EQS_CHECK;

#endif
