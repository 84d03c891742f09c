/* store.h -- screening results in one SQLite file: a row per framework, stage and condition.
 *
 * A row is written in one transaction with a rollback journal, so a kill at any moment loses at
 * most the framework in flight. The table's columns, their order in CSV and the struct below are
 * one list in store.c. Energies of the record are kJ/mol unless a name says otherwise; NAN is NULL.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_STORE_H
#define EQS_STORE_H

#include "core/status.h"

typedef struct screen_record {
  int64_t id;
  /* what was screened */
  char name[256], path[1024], file_sha256[65];
  int64_t frame, n_frame; /* frame of the file, from 0, and how many it has */
  char condition[768];    /* everything the result depends on besides the file, as text */
  char status[8];         /* "ok" or "failed" */
  int64_t error;          /* the eqs_status behind it */
  char reason[1024];
  /* the gas and the model */
  char gas[16], gas_geometry[64];
  double temperature; /* K */
  int64_t insertions, seed;
  char model_family[64], model_sha256[65], head[128], functional[64], precision[16];
  char dispersion[16], device[32], version[32];
  /* the framework */
  char formula[256];
  int64_t n_atom;                             /* in the cell that was drawn in */
  double a, b, c, alpha, beta, gamma, volume; /* of that cell: angstrom, degrees, angstrom^3 */
  double density;                             /* kg/m^3 */
  char cell_kind[16];                         /* "primitive" or "given" */
  int64_t replica_a, replica_b, replica_c, n_atom_box;
  double width_a, width_b, width_c; /* of the replicated box, angstrom */
  double width_needed;              /* by the rule, angstrom */
  char replica_rule[64];
  double shortest_contact; /* angstrom */
  /* insertion */
  double overlap_share, hole_limit;
  int64_t n_proposed, n_overlap, n_evaluated, n_hole;
  double w, w_sigma, ln_w;
  double henry, henry_sigma, henry_95; /* mol/kg/Pa */
  double u_b, u_b_sigma, qst, qst_sigma, qst_95;
  double ess, max_share, discarded_share, hole_energy, hole_contact;
  double molecules_per_cell; /* per pascal, in the primitive cell */
  /* the isolated molecule: this model, as inserted; this model and the stored value at the
   * geometry of the stored value */
  double gas_energy_ev, gas_check_ev, gas_reference_ev;
  char flags[256];     /* words separated by spaces */
  char warnings[2048]; /* of the reader, separated by "; " */
  double seconds;
  char finished[32]; /* UTC, ISO 8601 */
  /* of screening alone: what follows is not in the reports of a single framework */
  char stage[16];     /* what this row got to: "pores", "classical", "model", "isotherm" */
  double cpu_seconds; /* of this stage, all threads */
  double pore_probe;  /* radius, angstrom: half of the gas's kinetic diameter */
  double di, df;      /* largest sphere, and largest that can travel: diameters, angstrom */
  int64_t n_channel, n_pocket;
  double void_fraction, channel_fraction, pocket_fraction; /* shares of the cell, as in pores.h */
  double channel_volume;                                   /* cm^3/g */
  double helium_void_fraction;
  char surrogate[32], surrogate_charges[16]; /* the classical potential */
  char classical_missing[256];               /* why there are no classical energies; "" */
  int64_t classical_n;                       /* draws, all of which count */
  double classical_henry, classical_henry_95, classical_qst, classical_qst_95, classical_ess;
  double classical_henry_with_pockets;
  char method[16];    /* of the model: "importance", "plain" */
  double error_asked; /* relative, of henry */
  int64_t n_energy;   /* of the model, pilots included */
  int64_t n_blocked;  /* draws in pockets: weight 0 in henry and qst */
  double henry_with_pockets, henry_with_pockets_95, qst_with_pockets;
  double outside_share, surrogate_rms; /* as eqs_widom reports them */
  /* one point of an isotherm; an interval is a half width at 95 % */
  double isotherm_pressure, isotherm_fugacity; /* Pa */
  double isotherm_uptake, isotherm_uptake_95;  /* mol/kg, absolute */
  double isotherm_excess, isotherm_excess_95;  /* mol/kg */
  double isotherm_molecules;                   /* per cell of the box's replicas */
  double isotherm_qst, isotherm_qst_95;        /* kJ/mol, by fluctuations */
  int64_t isotherm_moves, isotherm_energies, isotherm_surrogate_energies;
  int64_t isotherm_overlaps, isotherm_holes;
  double isotherm_discarded_share, isotherm_independent; /* of the weight; samples */
  double overlap_energy; /* eV, of the wall at an overlap's distance; before it, overlap_share */
  /* how sure a model with a committee is: a factor of K_H and kJ/mol, each one standard error, by
   * so many poses; of the framework's atoms "known" or "unknown", and which is the worst */
  double henry_factor, qst_uncertainty;
  int64_t uncertainty_poses;
  char chemistry[8];
  double novelty;
  char novelty_element[4];
  /* not in the store: why this run took the framework no further; "" */
  char stopped[96];
} screen_record;

typedef struct store store;

/* Opens or creates. EQS_ERR_FILE: cannot be opened or written. EQS_ERR_FORMAT: not an SQLite file,
 * damaged, another program's, or of a newer version. One of an earlier version is
 * extended; its rows stay. */
eqs_status store_open(const char *path, store **out) EQS_CHECK;
void store_close(store **s);
/* Reads the row of a file's frame under a condition; *found = 0 if there is none. */
eqs_status store_find(store *s, const char *file_sha256, int64_t frame, const char *condition,
                      screen_record *out, int *found) EQS_CHECK;
/* Writes the row, replacing the one of the same file, frame and condition, whose id it has then;
 * sets r->id. */
eqs_status store_put(store *s, screen_record *r) EQS_CHECK;
/* EQS_ERR_ARGUMENT: no such row. */
eqs_status store_get(store *s, int64_t id, screen_record *out) EQS_CHECK;

/* Everything written from begin to commit is there after a kill, or nothing of it. */
eqs_status store_begin(store *s) EQS_CHECK;
eqs_status store_commit(store *s) EQS_CHECK;
void store_rollback(store *s);

/* Opens one that is there to read, of this version or an earlier one; nothing is changed in it but
 * what a killed writer has left undone. Errors as of store_open. */
eqs_status store_open_source(const char *path, store **out) EQS_CHECK;
/* The rows, one after the other in the order of their ids; *found = 0 after the last, and then they
 * begin again. */
eqs_status store_next(store *s, screen_record *out, int *found) EQS_CHECK;
/* The conditions that occur, one after the other, in bytes' order; as store_next. */
eqs_status store_next_condition(store *s, char *out, size_t size, int *found) EQS_CHECK;

/* The columns, for writers of other formats. */
typedef enum store_kind { STORE_TEXT, STORE_INTEGER, STORE_REAL } store_kind;
typedef struct store_column {
  const char *name;
  store_kind kind;
  size_t offset, size; /* in screen_record */
} store_column;
extern const store_column store_columns[];
extern const size_t store_n_column;

#endif
