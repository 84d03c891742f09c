/* energy_grid.h -- the classical energy of one gas in the empty framework, tabulated.
 *
 * For each kind of site one table over the framework's smallest cell, Lennard-Jones plus charge
 * times potential, read by cubic Lagrange interpolation (4 x 4 x 4 points). Sites near an atom,
 * where that fails, are evaluated exactly. A guest's interaction with its own images is left out
 * (classical_energy_poses has it). Good for millions of poses, to draw from; the error is measured
 * when the grid is built.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ENERGY_GRID_H
#define EQS_ENERGY_GRID_H

#include "core/adsorption/classical_energy.h"

#define ENERGY_GRID_HIGH 0.7 /* eV; poses above may be estimates */

typedef struct energy_grid energy_grid;

typedef struct energy_grid_description {
  int n[3];         /* points along the cell's vectors */
  double spacing;   /* angstrom, the largest of the three, between planes */
  size_t bytes;     /* of the tables */
  int checked;      /* random poses below ENERGY_GRID_HIGH / 10 that were compared ... */
  double rms, most; /* ... and the error of their energies, eV */
} energy_grid_description;

/* `e` from classical_energy_open; it must outlive the grid, and its workspace is used. The spacing
 * (angstrom; 0 = 0.2) grows where the cell would need more than 2e7 points. `watch`, if not NULL,
 * is called now and then with points done and in all; non-zero stops with EQS_ERR_INTERRUPTED.
 * EQS_ERR_ARGUMENT, EQS_ERR_MEMORY. */
eqs_status energy_grid_build(const guest_energy *e, int component, double spacing,
                             int (*watch)(void *context, int64_t done, int64_t all), void *context,
                             energy_grid **out) EQS_CHECK;
void energy_grid_free(energy_grid **g);
void energy_grid_describe(const energy_grid *g, energy_grid_description *out);

/* u[i], eV: interpolated below ENERGY_GRID_HIGH, at least about that above, +INFINITY deep inside
 * an atom. Same bits for any number of threads. */
eqs_status energy_grid_poses(const energy_grid *g, int n, const pose *poses, double *u) EQS_CHECK;

#endif
