/* henry.h -- the result of eqs_widom, as its reporters see it.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_HENRY_H
#define EQS_HENRY_H

#include "core/adsorption/classical_energy.h"
#include "core/adsorption/energy_grid.h"
#include "core/adsorption/record.h"
#include "core/adsorption/widom_frames.h"

struct eqs_widom_result {
  int n;
  screen_record *row; /* [n] one per temperature */
  importance_result sampling;
  char method[16], surrogate[32], charges[16]; /* the latter two "" if plain */
  double error;                                /* asked for */
  double grid_spacing, grid_rms;               /* angstrom, kJ/mol */
  frames_average frames;                       /* with snapshots */
  int n_frame;                                 /* snapshots; 0 = one rigid framework */
  double probe; /* radius that pockets were found with, angstrom; 0 = none are blocked */
};

#endif
