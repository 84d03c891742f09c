/* pores.h -- the empty space of a periodic framework: diameters, channels, pockets, volume,
 * surface.
 *
 * Atoms are hard spheres. Di is the diameter of the largest sphere that fits, Df of the largest
 * that can travel through the whole crystal, Dif of the largest that fits along the way of the
 * latter. A probe of radius rp sits where d(x) >= rp (pore_grid.h); where it can go on for ever is
 * a channel (of 1, 2 or 3 dimensions), where it cannot get out is a pocket.
 *
 * Haranczyk and Willems, Rycroft, Kazi, Meza, Microporous Mesoporous Mater. 149, 134 (2012) define
 * these quantities; the method here is another (pore_basins.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PORES_H
#define EQS_PORES_H

#include "core/workspace.h"

typedef struct pores pores;

typedef int (*pores_watch)(void *user, double share); /* of all work; non-zero stops */

/* n atoms with their radii (angstrom) in a cell periodic in three directions, on a grid of at most
 * `spacing` angstrom. watch may be NULL. Errors as of pore_grid_open; EQS_ERR_INTERRUPTED. w is
 * used in later calls too. */
eqs_status pores_open(int n, const double *position, const double *radius, const double cell[9],
                      double spacing, workspace *w, pores_watch watch, void *user,
                      pores **out) EQS_CHECK;
void pores_free(pores **p);

typedef struct pores_diameters {
  double di, df, dif; /* angstrom; df = dif = 0 if nothing can travel */
  double at[3];       /* centre of the largest sphere */
} pores_diameters;

/* Beyond the grid: Di within about 0.001 angstrom, Df within 0.02 at a spacing of 0.2. */
eqs_status pores_find_diameters(pores *p, pores_diameters *out) EQS_CHECK;

/* Says for a probe which space is channel and which is pocket; what follows is about this probe.
 * 0 <= radius <= 20 angstrom. Space too tight for the probe counts to where its highest pass leads.
 */
eqs_status pores_set_probe(pores *p, double radius) EQS_CHECK;

/* 1 if x (cartesian, anywhere) is in a pocket. A table lookup. */
int pores_blocked(const pores *p, const double x[3]);

enum { PORES_CHANNEL = 1, PORES_POCKET = 2 };

typedef struct pores_space { /* one channel or pocket; images of it count once */
  int kind, dimension;
  double volume;   /* of the probe's centre, angstrom^3 per cell */
  double diameter; /* of the largest sphere in it */
  double at[3];    /* where that is */
} pores_space;

/* Channels first, by falling volume. Owned by p, valid until the next pores_set_probe. */
int pores_spaces(const pores *p, const pores_space **out);

typedef struct pores_volumes { /* shares of the cell */
  double empty;                /* outside all atoms */
  double channel, pocket;      /* where the probe's centre can be */
} pores_volumes;

void pores_find_volumes(const pores *p, pores_volumes *out);

/* Area over which the probe's centre can roll, angstrom^2 per cell, from `points` points per atom.
 * The error is about the area / sqrt(points n). */
eqs_status pores_find_surface(pores *p, int points, double *channel, double *pocket) EQS_CHECK;

typedef struct pores_sphere {
  double x[3], radius;
} pores_sphere;

/* Spheres that cover all pockets and no place of the probe in a channel. *out is freed with free().
 */
eqs_status pores_find_spheres(const pores *p, pores_sphere **out, int *n) EQS_CHECK;

/* <exp(-U/kT)> of a helium atom over the whole cell at 298 K: Lennard-Jones 12-6 cut at 12
 * angstrom, He 10.9 K and 2.64 angstrom, framework UFF, Lorentz-Berthelot; by a grid of at most 0.3
 * angstrom, which is exact here to about 1e-3. number: of the atoms given to pores_open. */
eqs_status pores_find_helium(pores *p, const int *number, double *fraction) EQS_CHECK;

#endif
