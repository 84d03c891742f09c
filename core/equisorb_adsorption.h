/* equisorb_adsorption.h -- the public interface to adsorption: screening, Monte Carlo, pores,
 * Widom insertion, isotherms.
 *
 * A part of equisorb.h, which says what holds for all of it and is the header to include.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_ADSORPTION_H
#define EQUISORB_ADSORPTION_H

#ifndef EQUISORB_H
#error "include equisorb.h"
#endif

/* --------------------------------------------------------------------------------- screening */

/* What the energy of guests is made of. */
typedef enum eqs_energy {
  EQS_ENERGY_MODEL = 0,     /* the force field of the model */
  EQS_ENERGY_CLASSICAL = 1, /* Lennard-Jones and point charges; no model is needed */
  EQS_ENERGY_SUM = 2        /* classical + scale * model */
} eqs_energy;

/* A funnel over many frameworks, each stage for those that the one before lets through: "pores";
 * "classical", Henry coefficient and heat of adsorption by Lennard-Jones and charges; "model", the
 * same by the force field; "isotherm", uptake at some pressures by grand canonical Monte Carlo.
 * Rigid gas, rigid frameworks that are periodic in three directions. */
typedef struct eqs_screen_options {
  size_t size;
  const char *gas;    /* CO2, N2, H2O, CH4, Ar, He */
  double temperature; /* K */
  /* Of the model: uniform draws per framework, all of which count in the mean; 0 = as many draws as
   * `error` asks for, from the classical potential (eqs_widom) */
  int64_t insertions;
  uint64_t seed;        /* below 2^63 */
  int disorder_major;   /* as in eqs_read_options */
  int replicate_strict; /* 1: no message-passing path between a guest and its image at all */
  int retry_failed;     /* 1: frameworks whose failure is in the store are tried again */
  /* The last stage; NULL = "model", with EQS_ENERGY_CLASSICAL "classical". */
  const char *stage;
  /* Frameworks whose free sphere (Df, angstrom) is smaller end after the pores; 0 = three quarters
   * of the gas's kinetic diameter, negative = none do. */
  double min_diameter;
  double min_henry; /* mol/kg/Pa: with less, classically, they end there; 0 = none do */
  int64_t best;     /* so many, the best by the classical Henry coefficient, reach the model; 0 =
                       all */
  double error;     /* 95 %, relative, of the model's Henry coefficient; 0 = 0.05 */
  int64_t max_energies; /* of the model for that, per framework at most; 0 = 20000 */
  int64_t isotherms;    /* so many, the best by the Henry coefficient, get an isotherm; 0 = 5 */
  int n_pressure;
  const double *pressure; /* [n_pressure] Pa, of isotherms; NULL = 10^3, 10^4, 10^5 */
  int64_t cycles;         /* of equilibration and of production, per pressure; 0 = 2000 */
  /* of the stages after "classical"; EQS_ENERGY_CLASSICAL leaves out the stage "model" */
  eqs_energy energy;
  double scale;     /* of the model in EQS_ENERGY_SUM */
  int keep_pockets; /* 1: guests may sit in pockets that the gas cannot get to */
  /* eV: atoms of a guest and of something else that are closer than where the wall of their two
   * elements exceeds it overlap, and the model is not asked; 0 = 5 */
  double overlap_energy;
  /* 1: these are a part of the frameworks only (a shard). What would rank them is left out, `best`
   * and isotherms with all that follows: frameworks wait there until all are in one store. */
  int part;
} eqs_screen_options;

typedef struct eqs_screen_progress {
  size_t size;
  int framework, n_framework; /* of this pass, counted from 1 */
  const char *name;           /* of the framework in work */
  const char *phase;          /* the stage, or "pockets", "insertions" and the like */
  int64_t done, of;           /* of the phase */
  double seconds_left;        /* of this pass, estimated; NAN while unknown */
} eqs_screen_progress;

/* Called often. Non-zero stops the run; what is in the store stays there. */
typedef int (*eqs_screen_watch)(const eqs_screen_progress *p, void *user);

typedef struct eqs_screen_result eqs_screen_result;

typedef struct eqs_screen_counts {
  size_t size;
  int n_ok, n_failed; /* frameworks that are done, those found in the store included */
  int n_found;        /* frameworks all of whose rows were already in the store */
} eqs_screen_counts;

/* Screens the files: a pass over all for pores and classical energies, one for the model and one
 * for isotherms, the best first. The SQLite file `store` gets a row per framework and stage (per
 * pressure of an isotherm), committed as each ends; rows that are there already (same file content,
 * model and settings) are not computed again. What a long row has got so far is kept in a file
 * beside the store, named after it, until the row is in. A framework that fails is a row with its
 * reason. m may be NULL where no model is asked; watch may be NULL. *out is set on success and with
 * EQS_ERR_INTERRUPTED, else NULL. EQS_ERR_ARGUMENT: settings, or a gas that the model does not
 * know. EQS_ERR_FILE, EQS_ERR_FORMAT: the store. */
EQS_API eqs_status eqs_screen(eqs_context *c, const eqs_model *m, const char *const *paths, int n,
                              const eqs_screen_options *options, const char *store,
                              eqs_screen_watch watch, void *user,
                              eqs_screen_result **out) EQS_CHECK;
EQS_API eqs_status eqs_screen_counts_get(const eqs_screen_result *r,
                                         eqs_screen_counts *out) EQS_CHECK;
/* The last row of each framework, those that got furthest and the best Henry coefficient first,
 * then isotherms, as text to read; uptake at `pressure` Pa. Warnings stand above the table. Freed
 * with eqs_string_free. */
EQS_API eqs_status eqs_screen_table(const eqs_screen_result *r, double pressure,
                                    char **text) EQS_CHECK;
/* The same rows with every column of the store. */
EQS_API eqs_status eqs_screen_csv(const eqs_screen_result *r, double pressure,
                                  const char *path) EQS_CHECK;
EQS_API void eqs_screen_result_free(eqs_screen_result **r);

typedef struct eqs_merge_options {
  size_t size;
  int mixed; /* 1: also of stores whose settings differ; else they are refused */
} eqs_merge_options;

typedef struct eqs_merge_counts {
  size_t size;
  int64_t n_new, n_better, n_known; /* rows that were not there, that took the place of one (a
                                       failure, say), and that were there */
  int n_unfinished;                 /* files of rows that are not done, beside the stores */
} eqs_merge_counts;

/* After every store: how many are done; non-zero stops. */
typedef int (*eqs_merge_watch)(int done, int of, void *user);

/* Takes the rows of stores into `out`, which is made if it is not there; a store at a time, all of
 * it or nothing, so that the same call goes on after a kill. Of two rows of the same content and
 * settings the one that is no failure stays, then the one whose path comes first. Settings differ
 * if, of one stage, two stores have conditions neither of which are all among the other's. options,
 * watch and counts may be NULL. EQS_ERR_ARGUMENT: settings that differ, a store that is `out`.
 * EQS_ERR_FILE, EQS_ERR_FORMAT: names the store. EQS_ERR_INTERRUPTED. */
EQS_API eqs_status eqs_screen_merge(const char *out, const char *const *stores, int n,
                                    const eqs_merge_options *options, eqs_merge_watch watch,
                                    void *user, eqs_merge_counts *counts) EQS_CHECK;

/* -------------------------------------------------------------- grand canonical Monte Carlo */

/* Rigid gases at equilibrium with one framework. */
typedef struct eqs_gcmc_options {
  size_t size;
  int n_gas;
  const char *const *gases; /* [n_gas] CO2, N2, H2O, CH4, Ar, He */
  const double *fraction;   /* [n_gas] mole fractions of the gas outside; NULL = one gas */
  double temperature;       /* K */
  double pressure;          /* Pa, of the gas outside; fugacities by Peng and Robinson */
  eqs_energy energy;
  double scale;     /* of the model in EQS_ENERGY_SUM */
  int no_surrogate; /* 1: moves are not tried with the classical energy first. Averages are the
                       same */
  const char *force_field; /* NULL = "uff+trappe"; "dreiding+trappe" */
  int64_t equilibration;   /* cycles; 0 = 2000 */
  int64_t production;      /* cycles; 0 = 2000 */
  int cycle_moves;         /* 0 = 20 */
  int trials;              /* poses per insertion or deletion; 0 = 8 */
  uint64_t seed;           /* below 2^63 */
  int replicate_strict;    /* as in eqs_screen_options */
  const char *checkpoint;  /* file; one that exists is continued. NULL = none */
  int keep_pockets;        /* 1: guests may also sit in pockets that their gas cannot get to */
  /* 1: hybrid Monte Carlo moves of the framework's atoms and all guests. EQS_ENERGY_MODEL only,
   * without a checkpoint; implies no_surrogate. */
  int flexible;
  double timestep;       /* of their trajectories, fs; 0 = 0.5 */
  int md_steps;          /* of a trajectory; 0 = 20 */
  double overlap_energy; /* as in eqs_screen_options */
} eqs_gcmc_options;

typedef struct eqs_gcmc_progress {
  size_t size;
  int64_t cycle, n_cycle; /* n_cycle = 0: pores are being looked for */
  int equilibrating, n_guest;
  double energy;       /* eV, of the guests now */
  int64_t energies;    /* of the model, so far */
  double seconds_left; /* NAN while unknown */
  int pilot;           /* 1: eqs_tmmc is finding out how many guests there may be */
} eqs_gcmc_progress;

typedef int (*eqs_gcmc_watch)(const eqs_gcmc_progress *p, void *user); /* non-zero stops */

typedef struct eqs_gcmc_result eqs_gcmc_result;

/* Of one gas. Errors are half widths of 95 % intervals; NAN = undefined. */
typedef struct eqs_gcmc_value {
  size_t size;
  const char *gas;
  double fugacity;                   /* Pa */
  double molecules, molecules_error; /* per cell, see eqs_gcmc_summary */
  double uptake, uptake_error;       /* mol/kg, absolute */
  double heat, heat_error;           /* kJ/mol, isosteric, by fluctuations */
  double excess, excess_error;       /* mol/kg, over the bulk gas in the helium pore volume */
} eqs_gcmc_value;

typedef struct eqs_gcmc_summary {
  size_t size;
  int n_gas, atoms_box, atoms_cell;
  int64_t moves, energies, surrogate_energies, n_overlap, n_hole;
  double discarded_share; /* of the weight, had holes been kept */
  double independent;     /* samples of the number of guests */
  int not_settled, few_samples, holes_flagged;
  const char *note;            /* what the user should know of the set-up; "" */
  double helium_void_fraction; /* as of eqs_pores; 0 = not known, nor any excess */
  int n_pocket;                /* blocked, of all gases, per cell */
} eqs_gcmc_summary;

/* Frame `i` of `frames` as the framework; model may be NULL with EQS_ENERGY_CLASSICAL. watch may be
 * NULL. EQS_ERR_ARGUMENT, EQS_ERR_UNSUPPORTED: settings, elements. EQS_ERR_INTERRUPTED: stopped,
 * the checkpoint can be continued. EQS_ERR_DIVERGED: energies that do not add up. */
EQS_API eqs_status eqs_gcmc(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                            const eqs_gcmc_options *options, eqs_gcmc_watch watch, void *user,
                            eqs_gcmc_result **out) EQS_CHECK;
EQS_API eqs_status eqs_gcmc_value_get(const eqs_gcmc_result *r, int gas,
                                      eqs_gcmc_value *out) EQS_CHECK;
EQS_API eqs_status eqs_gcmc_summary_get(const eqs_gcmc_result *r, eqs_gcmc_summary *out) EQS_CHECK;
/* Everything, as a line of JSON, and as CSV, one line per gas after a heading (if wanted). Freed
 * with eqs_string_free. */
EQS_API eqs_status eqs_gcmc_json(const eqs_gcmc_result *r, char **text) EQS_CHECK;
EQS_API eqs_status eqs_gcmc_csv(const eqs_gcmc_result *r, int heading, char **text) EQS_CHECK;
EQS_API void eqs_gcmc_result_free(eqs_gcmc_result **r);

/* -------------------------------------------------------- transition-matrix Monte Carlo */

/* Where the isotherm of a transition-matrix run is wanted. */
typedef struct eqs_tmmc_conditions {
  size_t size;
  int n_pressure;
  const double *pressure;    /* [n_pressure] Pa, of the gas outside */
  int n_temperature;         /* 0 = that of the run alone */
  const double *temperature; /* [n_temperature] K; from that of the run by reweighting */
  /* In the box. 0: a grand canonical run at the lowest temperature and the highest pressure, as
   * long as the equilibration, tells; with a checkpoint its state is in the file named
   * CHECKPOINT.pilot. */
  int max_guests;
} eqs_tmmc_conditions;

typedef struct eqs_tmmc_result eqs_tmmc_result;

/* At one temperature and pressure. Errors are half widths of 95 % intervals; NAN = undefined. */
typedef struct eqs_tmmc_value {
  size_t size;
  double temperature, pressure, fugacity; /* K, Pa, Pa */
  double molecules, molecules_error;      /* per cell, as of eqs_gcmc */
  double uptake, uptake_error;            /* mol/kg, absolute */
  double excess, excess_error;            /* mol/kg */
  double heat, heat_error;                /* kJ/mol, isosteric */
  double tail;                            /* probability of max_guests */
  double reach; /* |1/kT' - 1/kT| sigma(U): the temperature may be too far away beyond 2 */
  int tail_flagged, reach_flagged;
} eqs_tmmc_value;

typedef struct eqs_tmmc_summary {
  size_t size;
  int n_value;               /* n_temperature n_pressure, pressures of a temperature together */
  int max_guests, highest;   /* of the box: allowed, seen */
  int64_t round_trips;       /* 0 -> max_guests -> 0 */
  double temperature;        /* of the run, K */
  double henry, henry_error; /* mol/kg/Pa, at the run's temperature */
  int64_t moves, energies, surrogate_energies, n_overlap, n_hole; /* energies: pilot included */
  double discarded_share;
  int few_trips, holes_flagged;
  /* Two phases between the lowest and the highest pressure, at the run's temperature: where both
   * have the same weight, Pa, and the molecules per cell of both. */
  int transition;
  double transition_fugacity, transition_error, low, high;
  double helium_void_fraction;
  int n_pocket;
  const char *note;
} eqs_tmmc_summary;

/* The isotherms of one gas from the distribution of the number of guests, by one run at
 * options->temperature and a fugacity of the highest pressure. options->pressure is not used;
 * production = 0 means 10000 cycles. Errors as of eqs_gcmc; EQS_ERR_UNSUPPORTED: a mixture,
 * a flexible framework. */
EQS_API eqs_status eqs_tmmc(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                            const eqs_gcmc_options *options, const eqs_tmmc_conditions *conditions,
                            eqs_gcmc_watch watch, void *user, eqs_tmmc_result **out) EQS_CHECK;
EQS_API eqs_status eqs_tmmc_value_get(const eqs_tmmc_result *r, int k,
                                      eqs_tmmc_value *out) EQS_CHECK;
EQS_API eqs_status eqs_tmmc_summary_get(const eqs_tmmc_result *r, eqs_tmmc_summary *out) EQS_CHECK;
/* Everything, the distribution included, as a line of JSON; the isotherms as CSV, a line per
 * temperature and pressure after a heading. Freed with eqs_string_free. */
EQS_API eqs_status eqs_tmmc_json(const eqs_tmmc_result *r, char **text) EQS_CHECK;
EQS_API eqs_status eqs_tmmc_csv(const eqs_tmmc_result *r, char **text) EQS_CHECK;
EQS_API void eqs_tmmc_result_free(eqs_tmmc_result **r);

/* ------------------------------------------------------------------------------------- pores */

/* The empty space of a framework as hard spheres leave it, on a grid, without a model. */
typedef struct eqs_pores_options {
  size_t size;
  double probe;   /* radius of the probe, angstrom; 0 = 1.82, nitrogen */
  double spacing; /* of the grid, angstrom; 0 = 0.15 */
  const char
      *radii; /* of the atoms: "uff" (half of UFF's sigma), "vdw" (Bondi, CCDC); NULL = uff */
  int surface_points; /* per atom; 0 = 1000 */
} eqs_pores_options;

typedef struct eqs_pores_summary {
  size_t size;
  double volume, mass;  /* of the cell, angstrom^3 and u */
  double density;       /* g/cm3 */
  double di, df, dif;   /* diameters, angstrom: largest sphere that fits; that can travel through
                           the crystal, 0 = none; that fits along the way of the latter */
  double void_fraction; /* outside all atoms */
  double helium_void_fraction; /* <exp(-U/kT)> at 298 K, UFF and Lennard-Jones helium */
  double channel_fraction, pocket_fraction; /* of the cell: where the probe's centre can be */
  double channel_area, pocket_area; /* that the probe's centre can roll over, angstrom^2 per cell */
  int n_channel, n_pocket, n_sphere;
} eqs_pores_summary;

typedef struct eqs_pores_space { /* a channel or a pocket */
  size_t size;
  int dimension;    /* 1 tube, 2 layer, 3 network; 0 = a pocket: the probe cannot get out */
  double volume;    /* of the probe's centre, angstrom^3 per cell */
  double diameter;  /* of the largest sphere in it */
  double center[3]; /* of that sphere, angstrom */
} eqs_pores_space;

typedef struct eqs_pores_result eqs_pores_result;

/* Called often with the share of the work done. Non-zero stops: EQS_ERR_INTERRUPTED. */
typedef int (*eqs_pores_watch)(double share, void *user);

/* Pores of frame i. options and watch may be NULL. The result outlives c and s; it keeps the grid
 * (12 bytes per node) until it is freed. EQS_ERR_ARGUMENT: not periodic in three directions,
 * settings. EQS_ERR_UNSUPPORTED: more than 2^26 nodes, an element beyond Z = 103. */
EQS_API eqs_status eqs_pores(eqs_context *c, const eqs_structures *s, int i,
                             const eqs_pores_options *options, eqs_pores_watch watch, void *user,
                             eqs_pores_result **out) EQS_CHECK;
EQS_API eqs_status eqs_pores_summary_get(const eqs_pores_result *r,
                                         eqs_pores_summary *out) EQS_CHECK;
/* Number k of n_channel + n_pocket: channels first, each kind by falling volume. */
EQS_API eqs_status eqs_pores_space_get(const eqs_pores_result *r, int k,
                                       eqs_pores_space *out) EQS_CHECK;
/* Sphere k of n_sphere, which together cover the pockets: fractional centre, radius in angstrom. */
EQS_API eqs_status eqs_pores_sphere_get(const eqs_pores_result *r, int k, double fraction[3],
                                        double *radius) EQS_CHECK;
/* 1 if a place (cartesian, angstrom) is in a pocket; a table lookup, for any number of threads. */
EQS_API int eqs_pores_blocked(const eqs_pores_result *r, const double x[3]);
EQS_API void eqs_pores_result_free(eqs_pores_result **r);
/* ------------------------------------------------------------ Widom insertion to an asked error */

/* Henry coefficient and heat of adsorption of one framework, over a range of temperatures, from one
 * run that stops when the asked error is reached. A framework and a gas as in eqs_screen. */
typedef struct eqs_widom_options {
  size_t size;
  const char *gas; /* CO2, N2, H2O, CH4, Ar, He */
  int n_temperature;
  const double *temperature; /* [n_temperature] K, 1 to 64 of them; the error holds at each */
  double error;              /* 95 %, relative, of the Henry coefficient; 0 = 0.05 */
  /* "importance" (also NULL): poses from a classical potential, corrected by the model; "plain":
   * uniform poses. Both estimate the same average. */
  const char *method;
  const char *surrogate; /* "uff+trappe" (also NULL), "dreiding+trappe" */
  int keep_pockets;      /* 1: pockets that the gas cannot reach count too */
  int no_fit;            /* 1: the classical potential is not corrected */
  int64_t max_energies;  /* energies of the model at most; 0 = 20000 */
  int64_t table;         /* classical poses to begin with; 0 = 1000000 */
  uint64_t seed;         /* below 2^63 */
  int disorder_major;    /* as in eqs_read_options */
  int replicate_strict;  /* as in eqs_screen_options */
  const char *state;     /* file that energies are kept in, so that a run can go on; NULL = none */
  eqs_energy energy;     /* EQS_ENERGY_MODEL or EQS_ENERGY_SUM */
  double scale;          /* of the model in a sum */
  /* 1: the file's frames are snapshots of the empty framework from its canonical ensemble at the
   * one temperature given, all in one cell: averages over them, errors between them. At least 20.
   * Each has a state file of its own, state.0, state.1, ... */
  int snapshots;
  double overlap_energy; /* as in eqs_screen_options */
} eqs_widom_options;

typedef struct eqs_widom_progress {
  size_t size;
  /* "pockets", "energy grid", "classical energies", "pilot", "chains", "sampling", "check" */
  const char *phase;
  int64_t done, of; /* of the phase */
  int64_t n_energy; /* of the model, so far */
  double error;     /* 95 %, relative, so far; NAN while unknown */
} eqs_widom_progress;

/* Called often; non-zero stops the run. */
typedef int (*eqs_widom_watch)(const eqs_widom_progress *p, void *user);

typedef struct eqs_widom_result eqs_widom_result;

/* One temperature; 95 % intervals are half widths. NAN = undefined. */
typedef struct eqs_widom_point {
  size_t size;
  double temperature;       /* K */
  double henry, henry_95;   /* mol/kg/Pa */
  double qst, qst_95;       /* kJ/mol */
  double energy, energy_95; /* kJ/mol, mean energy of the adsorbed molecule */
  double ess, max_share;    /* effective samples; share of the largest weight */
  double discarded_share;   /* of the weight, in holes of the model */
  int64_t n_energy;         /* energies of the model spent in the whole run */
  const char *flags;        /* words; "" if there is nothing to say. Belongs to the result */
} eqs_widom_point;

/* path: a structure file, with one frame unless `snapshots`. watch may be NULL.
 * EQS_ERR_INTERRUPTED: the energies so far are in the state file. EQS_ERR_ARGUMENT: options, also
 * a state file of other settings. EQS_ERR_UNSUPPORTED: an element or gas unknown to the model or
 * the surrogate. */
EQS_API eqs_status eqs_widom(eqs_context *c, const eqs_model *m, const char *path,
                             const eqs_widom_options *options, eqs_widom_watch watch, void *user,
                             eqs_widom_result **out) EQS_CHECK;
/* Temperature i in the order given. EQS_ERR_ARGUMENT: there is none. */
EQS_API eqs_status eqs_widom_point_get(const eqs_widom_result *r, int i,
                                       eqs_widom_point *out) EQS_CHECK;
/* The whole record: "table" to read, "json", "csv" (a line per temperature). Freed with
 * eqs_string_free. */
EQS_API eqs_status eqs_widom_text(const eqs_widom_result *r, const char *format,
                                  char **text) EQS_CHECK;
EQS_API void eqs_widom_result_free(eqs_widom_result **r);

/* --------------------------------------------------------------------------------- isotherms */

typedef enum eqs_format { EQS_FORMAT_TEXT = 0, EQS_FORMAT_JSON = 1, EQS_FORMAT_CSV = 2 } eqs_format;

typedef struct eqs_isotherm_options {
  size_t size;
  double temperature; /* K, of a file without that column; 0 = none */
  int sites; /* of the Langmuir isotherms: 1, 2; 0 = two if Akaike's criterion gains 2 by it */
  const char *henry; /* sum q b is held at this: "CO2=1.2e-4,N2=3e-6", mol/kg/Pa at the first
                        temperature of the gas; NULL = free */
  const char *heat;  /* heats of adsorption of gases measured at one temperature: "CO2=35", kJ/mol,
                        so that other temperatures can be reached; NULL = none */
  double heat_capacity; /* of the sorbent, J/kg/K; 0 = 1000 */
} eqs_isotherm_options;

/* Reads isotherms (CSV: pressure, loading, and sigma, temperature, gas if wanted), fits them, and
 * gives fits, selectivities and, for CO2, working capacities of VSA, TSA and direct air capture as
 * text. options may be NULL. *text is freed with eqs_string_free. EQS_ERR_FILE; EQS_ERR_FORMAT
 * names file, line and column; EQS_ERR_ARGUMENT: options, or too few points for a fit. */
EQS_API eqs_status eqs_isotherm_report(const char *path, const eqs_isotherm_options *options,
                                       eqs_format format, char **text) EQS_CHECK;

#endif
