/* henry_job.h -- what insertion into one framework is made of; eqs_widom and eqs_screen do it.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_HENRY_JOB_H
#define EQS_HENRY_JOB_H

#include "core/adsorption/contact.h"
#include "core/adsorption/henry.h"
#include "core/adsorption/pores.h"

enum { HENRY_BATCH = 64 }; /* poses that the model is asked about at once */

/* The caller sets what stands before the empty line, then opens the parts that it needs; the rest
 * is zero. It must stay where it is. */
typedef struct henry_job {
  eqs_context *context;
  const eqs_model *model; /* with its info; NULL: nothing is asked of one */
  eqs_model_info info;
  eqs_widom_options options;
  int plain;
  gas molecule;
  uint32_t stream;
  screen_record *base; /* what all rows share */
  framework host;
  eqs_widom_watch watch;
  void *user;
  reservoir *sample; /* of poses, as in widom.h; NULL: not wanted */

  contacts contacts; /* to the host's cell */
  overlap_rule *rule;
  guest_energy *target, *classical;
  energy_grid *grid;
  surrogate_fit *fit;
  pores *pores;
  eqs_structures *frames; /* with options.snapshots; the host is one of them */
} henry_job;

/* The model's energies, or classical + scale * model, and the distances for overlaps and holes. */
eqs_status henry_job_target(henry_job *j) EQS_CHECK;
/* The pores, with the gas as the probe. Errors as of pockets_find. */
eqs_status henry_job_pockets(henry_job *j) EQS_CHECK;
/* The classical potential and its grid, and the fit unless options.no_fit; names them in *r.
 * EQS_ERR_UNSUPPORTED, EQS_ERR_DIVERGED: an element or gas without parameters, or no charges. */
eqs_status henry_job_surrogate(henry_job *j, eqs_widom_result *r) EQS_CHECK;
void henry_job_close(henry_job *j); /* the parts, and the host */

/* Callbacks of widom.h; the context is the job. `energy` needs the target, `blocked` the pockets.
 */
eqs_status henry_job_energy(void *job, int n, const pose *poses, double *u) EQS_CHECK;
int henry_job_overlap(void *job, const pose *p);
double henry_job_contact(void *job, const pose *p);
int henry_job_blocked(void *job, const pose *p);
/* Non-zero: the watcher wants to stop. */
int henry_job_look(const henry_job *j, const char *phase, int64_t done, int64_t of);

/* Runs widom_importance with the parts that are open; the condition is that of j->base. */
eqs_status henry_job_sample(henry_job *j, eqs_widom_result *r) EQS_CHECK;
/* The flag `pockets` where they hold more than a thousandth of the weight. */
void henry_job_flag_pockets(screen_record *r, double w, double w_unblocked);
/* The averages at temperature t and their flags. Needs r->density. */
void henry_job_row(screen_record *r, const importance_result *s, int t);

#endif
