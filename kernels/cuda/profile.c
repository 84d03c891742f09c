/* profile.c -- events between launches, and memory, for benchmarks (see cuda.h). Events are a
 * thread's own; nothing happens until it asks for it.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <cuda_runtime_api.h>

#include "kernels/cuda/cuda.h"

enum { LAUNCHES_MAX = 4096 };

static _Thread_local struct profile {
  int n;
  const char *kernel[LAUNCHES_MAX]; /* 0 is where it was turned on */
  cudaEvent_t event[LAUNCHES_MAX];
} * profile;

void cuda_mark(const char *kernel) {
  struct profile *p = profile;
  if (!p || p->n == LAUNCHES_MAX) return;
  if (cudaEventCreate(&p->event[p->n]) != cudaSuccess) return;
  p->kernel[p->n] = kernel;
  (void)cudaEventRecord(p->event[p->n++], cuda_entered_stream());
}

void cuda_profile(int on) {
  for (int i = 0; profile && i < profile->n; i++) (void)cudaEventDestroy(profile->event[i]);
  free(profile);
  profile = on ? calloc(1, sizeof *profile) : NULL;
}

int cuda_profiled(int i, const char **kernel, float *milliseconds) {
  struct profile *p = profile;
  if (!p || i < 0 || i + 1 >= p->n) return 0;
  if (i == 0) (void)cudaEventSynchronize(p->event[p->n - 1]);
  *kernel = p->kernel[i + 1];
  return cudaEventElapsedTime(milliseconds, p->event[i], p->event[i + 1]) == cudaSuccess;
}

size_t cuda_memory_in_use(void) {
  size_t available, total;
  if (cudaMemGetInfo(&available, &total) != cudaSuccess) {
    (void)cudaGetLastError(); /* not to be found again */
    return 0;
  }
  return total - available;
}
