/* roof.c -- see roof.h. Twelve independent chains hide the latency of the multiply-add; the array
 * is 192 KiB. Each loop is compiled for the vectors of one instruction set.
 * SPDX-License-Identifier: MIT */
#include "benchmarks/roof.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>
#endif
#include <unistd.h>

enum { CHAINS = 12, ROUNDS = 20000, BYTES = 192 * 1024, SWEEPS = 10, TRIALS = 300 };

static int counter = -1; /* of cycles; none: the clock */

int roof_count_cycles(void) {
#if defined(__linux__)
  struct perf_event_attr wanted = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof wanted,
                                   .config = PERF_COUNT_HW_CPU_CYCLES,
                                   .pinned = 1,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
  counter = (int)syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0);
#endif
  return counter < 0 ? -1 : 0;
}

double roof_clock(void) {
  struct timespec t;
  if (counter >= 0) {
    uint64_t cycles;
    return read(counter, &cycles, sizeof cycles) == sizeof cycles ? 1e-9 * (double)cycles : NAN;
  }
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The compiler must not see through the values. */
#define OPAQUE(x) __asm__ volatile("" : "+m"(x))

#define LOOPS(name, bytes, attribute)                                                              \
  typedef float vector_##name __attribute__((vector_size(bytes)));                                 \
  attribute static void fma_##name(float *out) {                                                   \
    vector_##name sum[CHAINS], a, b;                                                               \
    for (size_t i = 0; i < bytes / sizeof(float); i++) a[i] = 0.999F, b[i] = 1e-3F;                \
    OPAQUE(a);                                                                                     \
    OPAQUE(b);                                                                                     \
    for (int j = 0; j < CHAINS; j++) sum[j] = a;                                                   \
    for (int i = 0; i < ROUNDS; i++)                                                               \
      _Pragma("GCC unroll 12") for (int j = 0; j < CHAINS; j++) sum[j] = sum[j] * a + b;           \
    for (int j = 1; j < CHAINS; j++) sum[0] += sum[j];                                             \
    *out += sum[0][0];                                                                             \
  }                                                                                                \
  attribute static void read_##name(const float *x, float *out) {                                  \
    vector_##name sum[8];                                                                          \
    memset(sum, 0, sizeof sum);                                                                    \
    for (int s = 0; s < SWEEPS; s++) {                                                             \
      const vector_##name *v = (const vector_##name *)(const void *)x;                             \
      for (size_t i = 0; i < BYTES / sizeof *v; i += 8)                                            \
        _Pragma("GCC unroll 8") for (size_t j = 0; j < 8; j++) sum[j] += v[i + j];                 \
      __asm__ volatile("" : : : "memory");                                                         \
    }                                                                                              \
    for (int j = 1; j < 8; j++) sum[0] += sum[j];                                                  \
    *out += sum[0][0];                                                                             \
  }

LOOPS(baseline, 16, )
#if defined(__x86_64__)
LOOPS(avx2, 32, __attribute__((target("avx2,fma"))))
LOOPS(avx512, 64, __attribute__((target("avx512f,fma"))))
#endif

typedef struct loops {
  void (*fma)(float *out);
  void (*read)(const float *x, float *out);
  double floats;
} loops;

static loops loops_for(const char *isa) {
  loops l = {fma_baseline, read_baseline, 4};
#if defined(__x86_64__)
  if (!strncmp(isa, "avx2", 4)) l = (loops){fma_avx2, read_avx2, 8};
  if (!strncmp(isa, "avx512", 6)) l = (loops){fma_avx512, read_avx512, 16};
#endif
  (void)isa;
  return l;
}

roof roof_measure(const char *isa) {
  loops l = loops_for(isa);
  roof best = {0, 0};
  volatile float result;
  float out = 0, *x = aligned_alloc(64, BYTES);
  if (!x) return best;
  memset(x, 0, BYTES);
  for (int trial = 0; trial < TRIALS; trial++) {
    double begin = roof_clock();
    l.fma(&out);
    double rate = 2 * l.floats * CHAINS * ROUNDS / (roof_clock() - begin);
    if (rate > best.fma) best.fma = rate;
    begin = roof_clock();
    l.read(x, &out);
    rate = (double)BYTES * SWEEPS / (roof_clock() - begin);
    if (rate > best.bandwidth) best.bandwidth = rate;
  }
  result = out;
  (void)result;
  free(x);
  return best;
}
