/* workspace.c -- blocks over OpenMP threads.
 * SPDX-License-Identifier: MIT */
#include "core/workspace.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

eqs_status workspace_set_threads(workspace *w, int threads) {
  if (threads < 0 || threads > 4096)
    EQS_FAIL(EQS_ERR_ARGUMENT, "number of threads is %d; it must lie in 0 .. 4096", threads);
  if (!threads) threads = omp_get_num_procs();
  if (threads > w->n_thread_arena) {
    arena *more = realloc(w->thread, (size_t)threads * sizeof *more);
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: arenas of %d threads", threads);
    for (int i = w->n_thread_arena; i < threads; i++) more[i] = (arena){0};
    w->thread = more;
    w->n_thread_arena = threads;
  }
  w->threads = threads;
  return EQS_OK;
}

eqs_status workspace_use_device(workspace *w, device *d) {
  EQS_TRY(workspace_set_threads(w, 1));
  w->shared.device = w->thread[0].device = d;
  return EQS_OK;
}

void workspace_level(workspace *w) {
  size_t most = 0;
  for (int i = 0; i < w->threads; i++)
    if (w->thread[i].peak > most) most = w->thread[i].peak;
  for (int i = 0; most && i < w->threads; i++) arena_reserve(w->thread + i, most);
}

eqs_status workspace_run(workspace *w, int n, block_task *task, void *argument) {
  enum { MESSAGE = 1024 };
  char message[MESSAGE] = "";
  int failed = n;
  eqs_status status = EQS_OK;
  workspace_level(w);
  int threads = w->threads < n ? w->threads : n;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads > 1 ? threads : 1)
  for (int b = 0; b < n; b++) {
    int skip;
#pragma omp atomic read
    skip = failed;
    if (b > skip) continue;
    arena *scratch = w->thread + omp_get_thread_num();
    arena_reset(scratch);
    eqs_status s = task(argument, b, scratch);
    if (s == EQS_OK) continue;
#pragma omp critical(workspace_failure)
    if (b < failed) {
#pragma omp atomic write
      failed = b;
      status = s;
      snprintf(message, MESSAGE, "%s", eqs_error());
    }
  }
  if (status != EQS_OK) EQS_FAIL(status, "%s", message);
  return EQS_OK;
}

void workspace_free(workspace *w) {
  for (int i = 0; i < w->n_thread_arena; i++) arena_free(w->thread + i);
  free(w->thread);
  arena_free(&w->shared);
  *w = (workspace){0};
}
