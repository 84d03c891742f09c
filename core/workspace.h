/* workspace.h -- a context's scratch memory and threads: work is given out in fixed blocks.
 *
 * What a block computes never depends on which thread runs it or how many there are; blocks write
 * disjoint memory. Hence the same bits for any number of threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WORKSPACE_H
#define EQS_WORKSPACE_H

#include <stdint.h>

#include "core/arena.h"

typedef struct workspace {
  int threads; /* 1 where the memory is a device's: blocks are queued one after the other */
  int n_thread_arena;
  arena shared;  /* arrays of one evaluation */
  arena *thread; /* [n_thread_arena] scratch of the block in hand */
} workspace;

enum { BLOCK_ATOMS = 16 }; /* atoms of a block, at most */

/* n atoms as blocks of nearly equal size, by n alone: eight if they get four atoms each, a multiple
 * of four beyond, so that a few threads find equal shares in a small system too. (Sixteen cost one
 * thread 6 % at 106 atoms: the linear maps see too few rows.) */
static inline int block_count(int n) {
  int least = n / BLOCK_ATOMS + (n % BLOCK_ATOMS != 0), small = n / 4 < 8 ? n / 4 : 8;
  if (least > 8) return (least + 3) / 4 * 4;
  return least > small ? least : small;
}
static inline int block_begin(int block, int n) {
  return (int)((int64_t)n * block / block_count(n));
}
static inline int block_end(int block, int n) { return block_begin(block + 1, n); }

typedef eqs_status block_task(void *argument, int block, arena *scratch);

/* Runs task for blocks 0 .. n-1 on the workspace's threads; the scratch is reset before each. All
 * threads get as much scratch as the hungriest block so far has needed: nothing is allocated in a
 * run like the one before it.
 * The first failure (of the lowest block that failed) is returned with its message. */
eqs_status workspace_run(workspace *w, int n, block_task *task, void *argument) EQS_CHECK;
/* Gives the threads that scratch now; workspace_run does it itself. */
void workspace_level(workspace *w);
eqs_status workspace_set_threads(workspace *w, int threads) EQS_CHECK; /* 0 = all cores */
/* Scratch memory of a device other than the host, one thread. */
eqs_status workspace_use_device(workspace *w, device *d) EQS_CHECK;
void workspace_free(workspace *w);

#endif
