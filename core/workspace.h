/* workspace.h -- a context's scratch memory and threads: work is given out in fixed blocks.
 *
 * What a block computes never depends on which thread runs it or how many there are; blocks write
 * disjoint memory. Hence the same bits for any number of threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WORKSPACE_H
#define EQS_WORKSPACE_H

#include "core/arena.h"

typedef struct workspace {
  int threads;
  int n_thread_arena;
  arena shared;  /* arrays of one evaluation */
  arena *thread; /* [n_thread_arena] scratch of the block in hand */
} workspace;

typedef eqs_status block_task(void *argument, int block, arena *scratch);

/* Runs task for blocks 0 .. n-1 on the workspace's threads; the scratch is reset before each.
 * The first failure (of the lowest block that failed) is returned with its message. */
eqs_status workspace_run(workspace *w, int n, block_task *task, void *argument) EQS_CHECK;
eqs_status workspace_set_threads(workspace *w, int threads) EQS_CHECK; /* 0 = all cores */
void workspace_free(workspace *w);

#endif
