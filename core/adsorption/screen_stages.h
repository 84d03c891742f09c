/* screen_stages.h -- what each stage of the screening funnel does to one framework.
 *
 * pores: diameters, channels and pockets for half of the gas's kinetic diameter, helium void
 * fraction. classical: Widom insertion of Lennard-Jones and charges from a grid, uniform poses.
 * model: the force field, importance-sampled or plain. isotherm: grand canonical Monte Carlo, a row
 * per pressure. Each adds its columns to the record of the stage before; a stage's condition is all
 * that its columns depend on besides the file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SCREEN_STAGES_H
#define EQS_SCREEN_STAGES_H

#include "core/adsorption/henry_job.h"

enum { STAGE_PORES, STAGE_CLASSICAL, STAGE_MODEL, STAGE_ISOTHERM, N_STAGE };
enum { SCREEN_CONDITION = sizeof((screen_record *)0)->condition };

typedef struct screen_stages {
  eqs_context *context;
  const eqs_model *model; /* NULL: none is asked */
  eqs_model_info info;
  eqs_screen_options options; /* defaults filled in */
  int last, plain;            /* the last stage; the model's method */
  /* Plain insertion of all frameworks: nothing depends on the classical stage, and, if no pores are
   * asked about, the model's is the first. */
  int skips_classical, first;
  gas molecule;
  screen_record cheap; /* what rows share before the model */
  screen_record full;  /* of the model: its description and the isolated molecule */
  char condition[N_STAGE][SCREEN_CONDITION];
  eqs_widom_watch watch; /* not NULL */
  void *user;
} screen_stages;

/* A frame in work. The caller zeroes it, sets what stands before the empty line, and closes the job
 * at the end; the cheap stages leave there what the next one needs. */
typedef struct screen_frame {
  const eqs_structures *frames;
  int i;
  uint32_t stream;

  henry_job job;
} screen_frame;

/* Fills *s but for watch and user. EQS_ERR_ARGUMENT: options, no model where one is needed, or a
 * gas that it does not know. */
eqs_status screen_stages_open(screen_stages *s, eqs_context *c, const eqs_model *m,
                              const eqs_screen_options *options) EQS_CHECK;
const char *screen_stage_name(int stage);
/* The condition of a row; `k` numbers the pressures of isotherms. */
void screen_stage_condition(const screen_stages *s, int stage, int k, char out[SCREEN_CONDITION]);

/* Runs a stage; r holds what the stage before left. `state` is a file for what a long stage has got
 * so far. On failure r keeps what is known. */
eqs_status screen_stage_run(const screen_stages *s, int stage, int k, screen_frame *f,
                            const char *state, screen_record *r) EQS_CHECK;

/* screen_isotherm.c: pressure k of options.pressure. */
eqs_status screen_isotherm(const screen_stages *s, int k, const screen_frame *f, const char *state,
                           screen_record *r) EQS_CHECK;
/* screen_uncertainty.c: how sure the model, which has a committee, is of what the job's sample
 * stands for, and of the framework's atoms. */
eqs_status screen_uncertainty(const henry_job *j, double temperature, screen_record *r) EQS_CHECK;
/* Nothing is blocked: so it was asked for, or the gas finds no channel and somebody wants to see
 * what the pockets hold. */
int screen_pockets_kept(const screen_stages *s, const screen_record *r);

#endif
