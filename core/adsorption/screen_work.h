/* screen_work.h -- a worker of the screening: it computes rows, and asks the desk for the rest.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SCREEN_WORK_H
#define EQS_SCREEN_WORK_H

#include "core/adsorption/screen_stages.h"
#include "core/crew.h"

typedef struct screen_worker {
  screen_stages *stages; /* its watch and user are set here */
  const char *store;     /* the store's name: files of long rows stand beside it */
  int rank;
} screen_worker;

/* For a crew; the second argument is a screen_worker. */
eqs_status screen_work(crew *w, void *worker) EQS_CHECK;

#endif
