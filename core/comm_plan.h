/* comm_plan.h -- which rows of an array go where: owned rows to the ranks that have ghosts of them.
 *
 * Rows 0 .. n_owned-1 are this rank's own, those behind them ghosts: copies of rows of other ranks,
 * or of its own (periodic images), grouped by owner in ascending order. An owner's rows are sent in
 * the order in which the other side keeps them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_COMM_PLAN_H
#define EQS_COMM_PLAN_H

#include "core/comm.h"

typedef struct comm_plan {
  int n_owned, n_ghost;
  int n_peer;
  int *peer;             /* [n_peer] ranks, ascending; the own one if there are images */
  int *send_first;       /* [n_peer + 1] into `send` */
  int *send;             /* owned rows; one may occur several times */
  int *from_first;       /* [n_peer + 1] ghosts of each peer, counted from the first ghost */
  comm_message *message; /* [2 n_peer] */
  int n_message;         /* under way, each way */
  /* The arrays belong to whoever made the plan; this is the plan's own. */
  void *buffer;
  size_t buffer_size;
} comm_plan;

/* rows[n_owned + n_ghost][row_bytes]: the ghosts' rows become copies of their owners'. */
eqs_status comm_plan_forward(comm *c, comm_plan *p, void *rows, size_t row_bytes) EQS_CHECK;
/* The ghosts' rows are added to their owners', peer by peer, so that sums have the same bits in
 * every run. real_size: 4 = float, 8 = double. Ghosts keep theirs. */
eqs_status comm_plan_reverse(comm *c, comm_plan *p, void *rows, size_t row_bytes,
                             int real_size) EQS_CHECK;
/* Both in two steps. In between the owned rows may change; of the ghosts' nothing is read (forward)
 * or written (reverse), and no other call is made on `c`. */
eqs_status comm_plan_begin(comm *c, comm_plan *p, void *rows, size_t row_bytes,
                           int reverse) EQS_CHECK;
eqs_status comm_plan_end(comm *c, comm_plan *p, void *rows, size_t row_bytes, int real_size,
                         int reverse) EQS_CHECK;
void comm_plan_free(comm_plan *p); /* the buffer */

#endif
