/* zbl.c -- the repulsion of a batch, block by block; the pair is kernels/edges.h.
 * SPDX-License-Identifier: MIT */
#include "potentials/zbl.h"

typedef struct zbl_task {
  const kernel_ops *k;
  const batch *b;
  zbl_args args;
} zbl_task;

static eqs_status zbl_block(void *argument, int block, arena *scratch) {
  const zbl_task *t = argument;
  zbl_args a = t->args;
  int rows = batch_count(t->b, 0), begin = batch_block_begin(t->b, block, rows);
  (void)scratch;
  a.begin = batch_begin(t->b) + begin;
  a.n = batch_block_end(t->b, block, rows) - begin;
  t->k->zbl(&a);
  return EQS_OK;
}

eqs_status zbl_evaluate(const zbl_parameters *z, const kernel_ops *k, double scale, workspace *w,
                        const batch *b, double *energies, double (*gradient)[3]) {
  zbl_task t = {.k = k,
                .b = b,
                .args = {.z = *z,
                         .scale = scale,
                         .first = b->nb->first,
                         .neighbor = b->nb->neighbor,
                         .species = b->species,
                         .vector = (const double(*)[3])b->nb->vector,
                         .energy = energies,
                         .gradient = gradient}};
  return workspace_run(w, batch_blocks(b, batch_count(b, 0)), zbl_block, &t);
}
