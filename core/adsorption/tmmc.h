/* tmmc.h -- transition-matrix Monte Carlo: the distribution of N, hence a whole isotherm, in one
 * run.
 *
 * Of one component, N = 0 .. n_max guests at a reference fugacity. Every attempted insertion and
 * deletion adds its acceptance probability without bias to a collection matrix, whether it is made
 * or not; the bias that flattens the distribution is refreshed from it. Other fugacities and nearby
 * temperatures follow by reweighting. M. Fitzgerald, R. R. Picard, R. N. Silver, Europhys. Lett.
 * 46, 282 (1999); J. R. Errington, J. Chem. Phys. 118, 9915 (2003).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TMMC_H
#define EQS_TMMC_H

#include "core/adsorption/cycles.h"
#include "core/adsorption/series.h"

enum { TMMC_GUESTS_MAX = 20000, TMMC_BLOCKS_MAX = 100 };
#define TMMC_TAIL 1e-6 /* largest probability of n_max that leaves an average alone */

typedef struct tmmc_settings {
  chain_settings chain; /* one component; max_guests = n_max, the wall is set by the run */
  cycle_settings cycles;
  int refresh_cycles;    /* between refreshes of the bias */
  int blocks;            /* 10 to 100, of the production, for errors */
  double framework_mass; /* u, of the box */
  int cells;             /* unit cells in the box */
} tmmc_settings;

/* 20 blocks, refreshed every 50 cycles, 100 guests; the rest as in chain_ and cycles_defaults. */
void tmmc_defaults(tmmc_settings *s);

typedef struct tmmc_result {
  int n_max, blocks, cells;
  double temperature, fugacity, framework_mass;
  /* [blocks + 1][n_max + 1]: of all data, then without each block in turn. Normalised; -INFINITY
   * beyond what was seen. */
  double *ln_pi;
  double (*moment)[3]; /* the same shape: mean, variance, third cumulant of U, eV; NAN: not seen */
  int highest;         /* N that was reached */
  int64_t round_trips; /* 0 -> n_max -> 0 */
  int64_t moves, energies, surrogate_energies;
  chain_count counts[CHAIN_KINDS];
  int64_t n_overlap, n_hole;
  double hole_energy, discarded_share, largest_drift;
  int holes_flagged;
  int few_trips; /* fewer round trips than blocks: errors may be too small */
} tmmc_result;

/* EQS_ERR_*: as gcmc_run. *out is to be freed by tmmc_free. */
eqs_status tmmc_run(const tmmc_settings *s, tmmc_result **out) EQS_CHECK;
void tmmc_free(tmmc_result **r);

typedef struct tmmc_point {
  double fugacity, temperature;
  series_value guests;    /* <N> of the box */
  series_value molecules; /* per unit cell */
  series_value uptake;    /* mol/kg, absolute */
  series_value heat;      /* Qst, kJ/mol; NAN where N hardly fluctuates */
  double tail;            /* probability of n_max */
  /* Largest |delta beta| sigma_U of any N that counts: the expansion in the temperature is good up
   * to 1, and poor beyond 2. */
  double reach;
  int tail_flagged, reach_flagged;
} tmmc_point;

/* EQS_ERR_ARGUMENT: fugacity or temperature out of range. */
eqs_status tmmc_reweight(const tmmc_result *r, double fugacity, double temperature,
                         tmmc_point *out) EQS_CHECK;

/* Henry coefficient, mol/kg/Pa: Pi(1)/(Pi(0) f). The same as by Widom insertion. */
series_value tmmc_henry(const tmmc_result *r);

typedef struct tmmc_transition {
  int found;                /* 0: one maximum only, everywhere in the range */
  series_value ln_fugacity; /* of Pa: where both maxima have equal areas */
  double low, high;         /* <N> of the box on either side */
  double barrier;           /* kT: the lower maximum over the minimum between */
} tmmc_transition;

/* Looks for two phases between two fugacities, Pa, at the run's temperature. */
eqs_status tmmc_find_transition(const tmmc_result *r, double from, double to,
                                tmmc_transition *out) EQS_CHECK;

/* A point of an isotherm, with what lies outside. */
typedef struct tmmc_row {
  double pressure; /* Pa; NAN = not known */
  tmmc_point point;
  series_value excess; /* mol/kg; NAN: not known */
} tmmc_row;

/* Isotherms as CSV, a line each, after a heading line if `heading`; everything, the distribution
 * included, as a line of JSON. The caller frees. EQS_ERR_MEMORY. */
eqs_status tmmc_csv(const tmmc_result *r, int n, const tmmc_row *rows, const char *label,
                    const char *name, int heading, char **text) EQS_CHECK;
eqs_status tmmc_json(const tmmc_result *r, int n, const tmmc_row *rows, const tmmc_transition *t,
                     const char *label, const char *name, char **text) EQS_CHECK;

#endif
