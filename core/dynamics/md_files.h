/* md_files.h -- the files of a run of molecular dynamics: log, trajectory, checkpoint, last state.
 *
 * A checkpoint holds how long log and trajectory were when it was written; a run that goes on cuts
 * them back to that, so that they end as if it had never stopped.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MD_FILES_H
#define EQS_MD_FILES_H

#include <stdio.h>

#include "core/dynamics/dynamics.h"
#include "io/h5md.h"

/* What a summary is made of, over all steps. */
typedef struct md_sums {
  double n, temperature, temperature2, pressure, volume;
  double e, te, t, t2; /* of time (ps) and conserved energy, less the one at the start */
} md_sums;

typedef struct md_files {
  const eqs_md_options *o; /* complete */
  const int *number;       /* [n] */
  char fingerprint[65];
  FILE *log, *trajectory;
  h5md *h5;    /* the trajectory, if its name ends with .h5 or .h5md */
  double *row; /* [n][3] positions or momenta on their way into a frame */
} md_files;

/* Reads the checkpoint if there is one that may be continued, and opens log and trajectory where
 * they go on. first: the conserved energy of the start. */
eqs_status md_files_open(md_files *f, dynamics *d, md_sums *sums, double *first,
                         int *found) EQS_CHECK;
/* v is what d is like; the log needs no atoms. */
eqs_status md_files_log(md_files *f, const dynamics *d, const dynamics_figures *v) EQS_CHECK;
eqs_status md_files_frame(md_files *f, const dynamics *d, const dynamics_figures *v) EQS_CHECK;
eqs_status md_files_checkpoint(md_files *f, dynamics *d, md_sums *sums, double *first) EQS_CHECK;
/* The last good state. */
eqs_status md_files_final(md_files *f, const dynamics *d) EQS_CHECK;
eqs_status md_files_close(md_files *f) EQS_CHECK;

#endif
