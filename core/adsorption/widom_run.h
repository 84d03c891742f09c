/* widom_run.h -- what the parts of an importance-sampled insertion run share.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WIDOM_RUN_H
#define EQS_WIDOM_RUN_H

#include "core/adsorption/energy_store.h"
#include "core/adsorption/pose_kernels.h"
#include "core/adsorption/pose_table.h"
#include "core/adsorption/widom_importance.h"

typedef struct known_pose {
  pose pose;
  double u; /* eV */
} known_pose;

typedef struct importance_run {
  importance_settings s; /* defaults filled in */
  importance_result *out;
  int n_kt;
  double kt[POSE_TABLE_KT], hottest; /* eV, K */
  pose_table table;
  energy_store energies;
  int64_t n_saved; /* of the energies */
  int64_t reserve; /* energies kept for the region left out */
  widom_draws pilot, draws;
  pose *poses; /* [batch] */
  int64_t *wanted;
  double *u;
  importance_progress at;
  pose_kernels kernels; /* n > 0: draws come from these, not from the table */
  double uniform;       /* share of uniform draws beside them */
  pose *asked;          /* [n_asked] poses with an energy that were drawn so: a draw's index */
  double *asked_base;   /* [n_asked] eV, of the surrogate as it came */
  int64_t n_asked, asked_capacity;
  known_pose *known; /* [n_known] all that are known to weigh something, to draw around */
  int64_t n_known, known_capacity;
} importance_run;

/* Calls the watcher; after keeping the energies EQS_ERR_INTERRUPTED if it says so. */
eqs_status importance_look(importance_run *r) EQS_CHECK;
/* Energies to the state; unless `all`, only where enough is new. */
eqs_status importance_save(importance_run *r, int all) EQS_CHECK;
/* Marks a stored energy as one that this run has asked for; 0 if it is not there. */
int importance_use(importance_run *r, int64_t index);
/* 1: an energy that the model should not have, by its own depth or by the surrogate's wall. */
int importance_hole(const importance_run *r, double u, double base);

/* Looks for the places of weight and draws around them from then on; what was drawn for the
 * averages is thrown away. Nothing changes where nothing is found, or the budget is too small. */
eqs_status importance_search(importance_run *r) EQS_CHECK;
/* n further draws from the kernels and the uniform share. */
eqs_status importance_site_round(importance_run *r, widom_draws *d, uint64_t key,
                                 int64_t n) EQS_CHECK;
void importance_sites_free(importance_run *r);

#endif
