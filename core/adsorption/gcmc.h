/* gcmc.h -- grand canonical Monte Carlo of rigid guests in a rigid framework: uptake and heat.
 *
 * The same settings and energies give the same bits, also over an interruption (cycles.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_GCMC_H
#define EQS_GCMC_H

#include "core/adsorption/cycles.h"
#include "core/adsorption/series.h"

typedef struct gcmc_settings {
  chain_settings chain;
  cycle_settings cycles;
  int blocks;            /* 10 to 100 */
  int mser;              /* 1: leave out more of the beginning, up to half of the production */
  double framework_mass; /* u, of the box */
  int cells;             /* unit cells in the box */
  double pore_volume;    /* angstrom^3 of the box, for excess uptake; 0 = not known */
  double bulk_density[CHAIN_COMPONENTS]; /* mol/m^3 of each component outside */
} gcmc_settings;

/* 2000 + 2000 cycles of 20 moves, 20 blocks, checked every 100 cycles; moves as in chain_defaults.
 */
void gcmc_defaults(gcmc_settings *s);

typedef struct gcmc_result {
  int n_component;
  double temperature, fugacity[CHAIN_COMPONENTS];
  double framework_mass;
  int cells, has_excess;
  series_value molecules[CHAIN_COMPONENTS]; /* per unit cell */
  series_value uptake[CHAIN_COMPONENTS];    /* mol/kg, absolute */
  series_value excess[CHAIN_COMPONENTS];    /* mol/kg; NAN unless has_excess */
  series_value energy;                      /* <U> of the box, eV */
  series_value heat[CHAIN_COMPONENTS];      /* Qst by fluctuations, kJ/mol; NAN if undefined */
  double covariance[CHAIN_COMPONENTS][CHAIN_COMPONENTS]; /* of N in the box */
  double inefficiency, n_effective;                      /* see series_result */
  int64_t moves, production_moves, used_moves;
  chain_count counts[CHAIN_KINDS]; /* of the whole run */
  int64_t energies;                /* of the target, or its costly part: all moves */
  int64_t surrogate_energies;
  int64_t n_overlap, n_hole;
  double hole_energy;     /* lowest finite, eV; NAN if none */
  double discarded_share; /* see chain_discarded */
  double lowest_binding;  /* of a guest of the last state, eV; NAN without guests */
  int n_trapped;          /* guests of the last state that sit in holes */
  double step[CHAIN_COMPONENTS], turn[CHAIN_COMPONENTS];
  double final_energy, largest_drift;
  int final_count[CHAIN_COMPONENTS];
  /* warnings: the beginning is not settled; fewer than five independent samples per block; holes
   * would have had more than HOLE_SHARE_LIMIT of the weight, or a guest sits in one */
  int not_settled, few_samples, holes_flagged;
} gcmc_result;

/* The energies hold the guests of the last state afterwards. EQS_ERR_ARGUMENT: settings.
 * EQS_ERR_INTERRUPTED: stopped; the last checkpoint stays. EQS_ERR_DIVERGED: see chain.h. Errors of
 * the energies and of the checkpoint file. */
eqs_status gcmc_run(const gcmc_settings *s, gcmc_result *out) EQS_CHECK;

/* One result as text; `name` of each component, `label` of the run. CSV: a heading line if
 * `heading`, then one line per component. The caller frees. EQS_ERR_MEMORY. */
eqs_status gcmc_csv(const gcmc_result *r, const char *label, const char *const *name, int heading,
                    char **text) EQS_CHECK;
eqs_status gcmc_json(const gcmc_result *r, const char *label, const char *const *name,
                     char **text) EQS_CHECK;

#endif
