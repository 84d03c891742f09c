/* shard_link.h -- rows of features from GPU to GPU, without the host waiting in between.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHARD_LINK_H
#define EQS_SHARD_LINK_H

#include "core/comm_plan.h"
#include "core/engine.h"
#include "kernels/link.h"

typedef struct shard_link {
  const link_ops *ops; /* NULL: there is no link, rows go through the host */
  device_link *link;
  device *device;
  comm *c;
  arena memory, host; /* the plan's lists; on the device, and to make them */
  int planned;        /* for the plan in hand */
  int *send;          /* on the device: rows to pack */
  /* Rows that came back, in groups that lead to different rows each: */
  int n_group, *from, *to;       /* from and to on the device */
  int *group_peer, *group_first; /* [n_group], [n_group + 1] into from and to */
  void *packed;
  size_t packed_size;
} shard_link;

/* All ranks. A link is made if all have a GPU with NCCL, one each, and the environment variable
 * EQS_NCCL is not 0. EQS_ERR_COMM and others: a rank has failed. */
eqs_status shard_link_open(shard_link *l, device *d, comm *c) EQS_CHECK;
/* A new plan from now on. */
void shard_link_forget(shard_link *l);
/* Queues the exchange of one layer beside what is queued next, until it is ended. Before that it
 * makes sure that no rank has failed so far. */
eqs_status shard_link_begin(shard_link *l, const comm_plan *p, const eqs_rows *r) EQS_CHECK;
eqs_status shard_link_end(shard_link *l, const comm_plan *p, const eqs_rows *r) EQS_CHECK;
/* Instead of the end, after a failure: waits until the rows are no longer in use. */
eqs_status shard_link_abandon(shard_link *l) EQS_CHECK;
void shard_link_close(shard_link *l);

#endif
