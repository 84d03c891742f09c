/* uptake.h -- what the public runs of grand canonical and transition-matrix Monte Carlo share.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_UPTAKE_H
#define EQS_UPTAKE_H

#include "core/adsorption/cycles.h"
#include "core/adsorption/fluid.h"
#include "core/adsorption/setup.h"

enum { UPTAKE_CONDITION = 512, UPTAKE_LABEL = 256, UPTAKE_NOTE = 544 };

/* One run. It must stay where it is. */
typedef struct uptake_run {
  eqs_gcmc_options options;
  setup setup;
  char condition[UPTAKE_CONDITION], note[UPTAKE_NOTE];
  eqs_gcmc_watch watch;
  void *user;
  double start;
  int64_t first_cycle; /* where this process began: cycles of a checkpoint cost nothing; -1 */
  int pilot;
} uptake_run;

/* Opens the energies; `run` holds watch and user, all else is set here. options->pressure counts
 * if `pressed`. Closed by uptake_close, also after an error. */
eqs_status uptake_open(uptake_run *run, eqs_context *c, const eqs_model *m,
                       const eqs_structures *frames, int i, const eqs_gcmc_options *options,
                       int pressed) EQS_CHECK;
void uptake_close(uptake_run *run);
/* From here on the time left is counted: a run that has begun. */
void uptake_begin(uptake_run *run, int pilot);
/* The gas outside at K and Pa. */
eqs_status uptake_outside(const uptake_run *run, double temperature, double pressure,
                          fluid_state *out) EQS_CHECK;
/* Chain, cycles and the framework's size, on top of the defaults; fugacities are the caller's. */
void uptake_fill(uptake_run *run, chain_settings *chain, cycle_settings *cycles, double *mass,
                 int *cells);
/* Of the box, angstrom^3; 0 = not known. */
double uptake_pore_volume(const uptake_run *run);

#endif
