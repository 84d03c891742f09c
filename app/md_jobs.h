/* md_jobs.h -- the runs that `equisorb md` is asked for: every structure at every temperature, each
 * with files of its own.
 *
 * Names of files are patterns: {structure} is the file's name without folder and suffix, {frame}
 * the frame's number, {temperature} in K, {job} counts the runs from 1.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MD_JOBS_H
#define EQS_MD_JOBS_H

#include "app/app.h"
#include "app/shard.h"

enum { MD_FILES = 4, MD_JOBS_MOST = 1000 };

/* What is asked for. Frame 0: all of each file. */
typedef struct md_request {
  eqs_md_options run;
  const char **structure;
  double *temperature; /* K; none: run.temperature */
  int n_structure, n_temperature, frame;
} md_request;

typedef struct md_jobs {
  int n, n_file;           /* runs to make; those that were asked for */
  eqs_md_job *job;         /* [n] */
  eqs_md_options *options; /* [n_file] */
  char *(*file)[MD_FILES]; /* [n_file] log, trajectory, final state, checkpoint */
  int *structure;          /* [n] which file it is of */
} md_jobs;

int md_request_structure(const char *command, md_request *r, const char *path);
int md_request_temperature(const char *command, md_request *r, double kelvin);
void md_request_free(md_request *r);

/* One run per structure, frame and temperature, in this order. EXIT_USAGE after a message: too
 * many, a name that is there twice, that is an input (`others` too, NULL at the end), or that holds
 * a {word} which means nothing. */
int md_jobs_make(const char *command, const md_request *r, const eqs_structures *const *structures,
                 const char *const *others, md_jobs *out);
/* Leaves the runs of the shard, by their numbers of atoms; names were made before, of all of them.
 */
int md_jobs_keep(const char *command, const shard_argument *shard, md_jobs *j);
/* Of run i, among all that were asked for, from 1. */
int md_jobs_number(const md_jobs *j, int i);
void md_jobs_free(md_jobs *j);

#endif
