/* ranks.h -- a sub-command under mpirun or srun: rank 0 does what it always does, and the others
 * evaluate their share of each system, or do whole pieces of the work.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RANKS_H
#define EQS_RANKS_H

#include "app/options.h"

/* Joins the other processes, if mpirun or srun have started several, and calls `run`. Ranks other
 * than 0 say nothing from here on, and leave signals to rank 0. */
int ranks_main(const char *command, int argc, char **argv,
               int (*run)(int argc, char **argv, eqs_comm *ranks));
/* Every rank, with its code so far, which it returns: one that has failed ends them all. */
int ranks_agree(eqs_comm *ranks, int code);
/* Every rank, with its code so far: from here on rank 0 may compute, and the others serve. A rank
 * that has failed before ends them all. */
int ranks_join(const char *command, eqs_comm *ranks, eqs_context *context, int code);
/* Ranks other than 0, until rank 0 frees its context. */
int ranks_serve(eqs_context *context, const eqs_model *model);

/* What a command does with structure files and a model. plan may be NULL; both return exit codes.
 */
typedef struct structures_task {
  const char *command;
  const char *const *path; /* [n] */
  int n;
  const model_arguments *model;
  int (*plan)(void *user, const eqs_structures *const *files); /* rank 0, before the model */
  /* NULL, or: every rank reads the files and plans, and where this says 1 every rank runs, each
   * with a context of its own. */
  int (*whole)(const void *user);
  int (*run)(void *user, eqs_context *c, const eqs_model *m, const eqs_structures *const *files);
  void *user;
} structures_task;
/* On every rank, with its code so far: reads the files, opens the model, runs or serves, and frees
 * all of it. */
int ranks_structures(const structures_task *t, eqs_comm *ranks, int code);

#endif
