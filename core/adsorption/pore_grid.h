/* pore_grid.h -- the distance from any point of a periodic framework to the nearest atom's surface.
 *
 * d(x) = min over atoms and images of |x - x_i| - R_i: the radius of the largest sphere about x.
 * d has slope 1 at most. It is kept on a grid over a reduced basis of the lattice, and can be had
 * exactly anywhere. The grid's nodes are numbered (i n1 + j) n2 + k.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PORE_GRID_H
#define EQS_PORE_GRID_H

#include "core/workspace.h"

typedef struct pore_grid {
  double cell[9], inverse[9], width[3]; /* a reduced basis of the same lattice */
  double volume;                        /* of the cell, angstrom^3 */
  int n[3];
  size_t n_node;
  double step[9]; /* rows: from a node to the next along each axis, angstrom */
  double half;    /* half the longest diagonal of a voxel: no point is farther from a node */
  float *d;       /* [n_node] angstrom */
  int n_atom;
  double (*atom)[3]; /* [n_atom] inside the cell, sorted by bin */
  double *radius;    /* [n_atom] */
  int *given;        /* [n_atom] the atom's number in the caller's list */
  double largest;    /* radius */
  int bins[3];
  int *bin_first; /* [bins + 1] */
} pore_grid;

/* Atom images about a point, in an arena. */
typedef struct pore_near {
  int n;
  double (*x)[3]; /* [n] relative to the point */
  double *r;      /* [n] radii */
  int *atom;      /* [n] index into the grid's atoms */
} pore_near;

typedef int (*pore_watch)(void *user, double share); /* of this step; non-zero stops */

/* Atoms and their bins alone; no nodes yet. cell: three rows, periodic in all directions.
 * EQS_ERR_ARGUMENT: no atoms, a singular cell, a position or a radius that is not finite.
 * EQS_ERR_UNSUPPORTED: a cell flatter than half an angstrom, more than 2^26 nodes (says which
 * spacing is possible). */
eqs_status pore_grid_open(pore_grid *g, int n, const double *position, const double *radius,
                          const double cell[9], double spacing) EQS_CHECK;
/* Fills d. EQS_ERR_INTERRUPTED if watch said so; watch may be NULL. */
eqs_status pore_grid_fill(pore_grid *g, workspace *w, pore_watch watch, void *user) EQS_CHECK;
void pore_grid_free(pore_grid *g);

/* d at any point. */
double pore_grid_distance(const pore_grid *g, const double x[3]);
/* All images with |x - x_i| - R_i <= limit. */
eqs_status pore_grid_collect(const pore_grid *g, const double x[3], double limit, arena *scratch,
                             pore_near *out) EQS_CHECK;
/* All images that can be the nearest for a point at most `span` from x. */
eqs_status pore_grid_near(const pore_grid *g, const double x[3], double span, arena *scratch,
                          pore_near *out) EQS_CHECK;
/* d at a point given relative to that x; exact within the span. */
double pore_near_distance(const pore_near *near, const double at[3]);

/* The node nearest to x in steps of the grid, and the cell it is in. */
size_t pore_grid_node(const pore_grid *g, const double x[3], int cell[3]);
/* Wraps node coordinates into the cell; returns the node and adds to cell[3] what was taken off. */
size_t pore_grid_wrap(const pore_grid *g, const int at[3], int cell[3]);
void pore_grid_coordinates(const pore_grid *g, size_t node, int at[3]);
/* Cartesian position of (fractional) node coordinates. */
void pore_grid_position(const pore_grid *g, const double at[3], double x[3]);

#endif
