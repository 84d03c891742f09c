/* clock.h -- how long something took.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CLOCK_H
#define EQS_CLOCK_H

#include <time.h>

/* Seconds of a clock that only runs forward. */
static inline double clock_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of work of all threads of this process. */
static inline double clock_cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
