/* md_run.h -- one run of molecular dynamics between its files: what a loop over several calls.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MD_RUN_H
#define EQS_MD_RUN_H

#include "core/dynamics/bodies.h"
#include "core/dynamics/md_files.h"
#include "core/dynamics/md_ranks.h"
#include "core/dynamics/model_force.h"

/* MD_TOGETHER: atoms that are evaluated together; systems beyond have enough to do for every
 * thread.
 */
enum { MD_MESSAGE = 600, MD_TOGETHER = 2048 };

typedef struct md_run {
  eqs_md_options o; /* copied by the caller; completed by md_run_open */
  model_force force;
  int shared;     /* 1: over the ranks of force.c, of which this is rank 0 */
  md_ranks ranks; /* then */
  dynamics room;  /* and where all atoms are gathered for a file; empty in between */
  md_files files;
  md_sums sums;
  dynamics now, good;
  dynamics_figures v; /* of `now` */
  double *mass;       /* [total] u */
  body_set bodies;
  double first; /* conserved energy of the start, eV */
  int64_t from; /* step that this process began at */
} md_run;

/* Up to the first step; force.c, force.m and shared are set. Whatever is returned, md_run_close is
 * due. */
eqs_status md_run_open(md_run *r, const eqs_structures *frames, int i) EQS_CHECK;
/* The first part of a step: dynamics_advance. */
eqs_status md_run_advance(md_run *r) EQS_CHECK;
/* After that and the forces, with the status of these: the rest of the step, its checks
 * and its files. EQS_ERR_DIVERGED: the run has exploded, and its last good state is written. */
eqs_status md_run_step(md_run *r, eqs_status forces) EQS_CHECK;
eqs_status md_run_checkpoint(md_run *r) EQS_CHECK;
/* All steps are made. */
eqs_status md_run_finish(md_run *r) EQS_CHECK;
/* Before the end: checkpoint, last state, EQS_ERR_INTERRUPTED. */
eqs_status md_run_stop(md_run *r) EQS_CHECK;
/* Of runs that are over: the first failure, and how many there are; an interruption comes before
 * all. */
eqs_status md_judge(int n, const eqs_md_job *jobs) EQS_CHECK;
void md_run_summarise(const md_run *r, eqs_md_summary *out);
/* Frees and closes; the status given, or that of closing. */
eqs_status md_run_close(md_run *r, eqs_status status) EQS_CHECK;

#endif
