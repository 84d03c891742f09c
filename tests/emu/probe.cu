// probe.cu -- kernels with one fault each, and clean ones that must not be blamed; run by
// test_probes as `emu_probe NAME`, because a fault ends the process.
//
// Races: ThreadSanitizer has to report race_* and to say nothing of clean_*. Bounds:
// AddressSanitizer has to report bounds_*. The rest is found by the scheduler in every build.
//
// SPDX-License-Identifier: MIT
#include "kernels/emu/cuemu.h"

#include <cstdio>
#include <cstring>

#include "kernels/emu/fake.h"

/* ----------------------------------------------------------------------------- the scheduler */
__global__ void diverge(float *) {
  if (threadIdx.x < 40) __syncthreads();
}
__global__ void two_barriers(float *) {
  if (threadIdx.x < 32) __syncthreads();
  else __syncthreads();
}
__global__ void outside_mask(float *g) {
  if (threadIdx.x < 16) g[threadIdx.x] = __shfl_xor_sync(0xffffu, 1.0f, 16);
}
__global__ void caller_outside(float *g) { g[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 0); }
__global__ void half_a_warp(float *g) {
  if (threadIdx.x < 16) g[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
  else __syncthreads();
}
__global__ void two_collectives(float *g) {
  if (threadIdx.x < 16) g[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
  else __syncwarp();
}
__global__ void much_static(float *g) {
  CU_SHARED(float, s, [13000]);
  s[threadIdx.x] = 1;
  g[0] = s[0];
}
/* No barrier between write and read: half of the result is NaN in any order of the threads. */
__global__ void missing_barrier(float *g) {
  CU_SHARED(float, s, [64]);
  s[threadIdx.x] = (float)threadIdx.x;
  g[threadIdx.x] = s[63 - threadIdx.x];
}

/* ------------------------------------------------------------------------------------- races */
__global__ void clean_barrier(float *g) {
  CU_SHARED(float, s, [64]);
  s[threadIdx.x] = 1;
  __syncthreads();
  g[blockIdx.x * 64 + threadIdx.x] = s[63 - threadIdx.x];
}
__global__ void race_other_warp(float *g) { /* a warp's barrier for what two warps share */
  CU_SHARED(float, s, [64]);
  s[threadIdx.x] = 1;
  __syncwarp();
  g[threadIdx.x] = s[63 - threadIdx.x];
}
__global__ void clean_warp(float *g) {
  CU_SHARED(float, s, [64]);
  s[threadIdx.x] = 1;
  __syncwarp();
  g[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x ^ 1];
}
__global__ void race_shuffle(float *g) { /* a shuffle orders no memory */
  CU_SHARED(float, s, [64]);
  s[threadIdx.x] = 1;
  (void)__shfl_xor_sync(~0u, 1, 1);
  g[threadIdx.x] = s[threadIdx.x ^ 1];
}
__global__ void race_second_step(float *g) {
  CU_SHARED(float, s, [32]);
  s[threadIdx.x] = (float)threadIdx.x;
  __syncwarp();
  float v = s[threadIdx.x ^ 1];
  s[threadIdx.x] = v;
  __syncwarp();
  g[threadIdx.x] = s[threadIdx.x];
}
__global__ void race_half_masks(float *g) { /* two halves of a warp, each synchronised alone */
  CU_SHARED(float, s, [32]);
  s[threadIdx.x] = 1;
  __syncwarp(threadIdx.x < 16 ? 0xffffu : 0xffff0000u);
  g[threadIdx.x] = s[threadIdx.x ^ 16];
}
__global__ void clean_atomics(float *g) { atomicAdd(&g[0], 1.0f); }
__global__ void race_plain_sum(float *g) { g[0] += 1; }
__global__ void race_blocks(float *g) { /* a block's barrier says nothing of other blocks */
  if (threadIdx.x == 0) g[blockIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 1 && blockIdx.x) g[40] = g[blockIdx.x - 1];
}
__global__ void clean_large(float *g) {
  CU_DYN_SHARED(float, s);
  s[threadIdx.x] = 2;
  __syncthreads();
  atomicAdd(&g[0], s[(threadIdx.x + 500) % 1024]);
}
__global__ void put(float *g, float v) { g[threadIdx.x] = v; }

/* ------------------------------------------------------------------------------------ bounds */
__global__ void bounds_global(float *g) { g[2048 + threadIdx.x] = 1; }
__global__ void bounds_static(float *g) {
  CU_SHARED(float, s, [8]);
  s[threadIdx.x] = 1;
  g[0] = s[threadIdx.x];
}
__global__ void bounds_dynamic(float *g) {
  CU_DYN_SHARED(float, s);
  s[threadIdx.x] = 1;
  g[0] = s[threadIdx.x];
}

typedef void kernel_function(float *);
struct probe {
  const char *name;
  kernel_function *kernel;
  unsigned grid, block, shared;
};
#define PROBE(name, grid, block, shared)                                                           \
  { #name, name, grid, block, shared }
static const probe probes[] = {PROBE(diverge, 1, 64, 0),          PROBE(two_barriers, 1, 64, 0),
                               PROBE(outside_mask, 1, 32, 0),     PROBE(caller_outside, 1, 32, 0),
                               PROBE(half_a_warp, 1, 32, 0),      PROBE(two_collectives, 1, 32, 0),
                               PROBE(much_static, 1, 32, 0),      PROBE(missing_barrier, 1, 64, 0),
                               PROBE(clean_barrier, 2, 64, 0),    PROBE(clean_warp, 2, 64, 0),
                               PROBE(clean_atomics, 4, 64, 0),    PROBE(clean_large, 3, 1024, 4096),
                               PROBE(race_other_warp, 1, 64, 0),  PROBE(race_shuffle, 1, 64, 0),
                               PROBE(race_second_step, 1, 32, 0), PROBE(race_half_masks, 1, 32, 0),
                               PROBE(race_plain_sum, 1, 64, 0),   PROBE(race_blocks, 3, 64, 0),
                               PROBE(bounds_global, 1, 32, 0),    PROBE(bounds_static, 1, 9, 0),
                               PROBE(bounds_dynamic, 1, 32, 64)};

/* ------------------------------------------------------------------------- the host's faults */
static int peek(float *g) {
  printf("the host read %g\n", (double)*(volatile float *)g);
  return 0;
}
/* Two streams write the same rows; an event between them makes it right. */
static int two_streams(float *g, bool with_event) {
  cudaStream_t a, b;
  cudaEvent_t event;
  if (cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking) ||
      cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking) || cudaEventCreate(&event))
    return 1;
  CU_LAUNCH(put, 1, 32, 0, a, g, 1.0f);
  if (with_event && (cudaEventRecord(event, a) || cudaStreamWaitEvent(b, event, 0))) return 1;
  CU_LAUNCH(put, 1, 32, 0, b, g, 2.0f);
  if (cudaDeviceSynchronize() || cudaStreamDestroy(a) || cudaStreamDestroy(b) ||
      cudaEventDestroy(event))
    return 1;
  return 0;
}
/* Pinned memory read before the copy into it was waited for. */
static int early_read(float *g, bool wait) {
  float *h, sum = 0;
  if (cudaMallocHost((void **)&h, 128)) return 1;
  CU_LAUNCH(put, 1, 32, 0, 0, g, 1.0f);
  cudaMemcpyAsync(h, g, 128, cudaMemcpyDeviceToHost, 0);
  if (wait) cudaDeviceSynchronize();
  for (int i = 0; i < 32; i++) sum += h[i];
  cudaDeviceSynchronize();
  printf("sum %g\n", (double)sum);
  return cudaFreeHost(h);
}
static int freed_memory(float *g) {
  float *other;
  if (cudaMalloc((void **)&other, 256) || cudaFree(other)) return 1;
  CU_LAUNCH(put, 1, 32, 0, 0, other, 1.0f);
  (void)g;
  return cudaDeviceSynchronize();
}
static int before_start(float *g) {
  CU_LAUNCH(put, 1, 1, 0, 0, g - 1, 1.0f);
  return cudaDeviceSynchronize();
}

static int run_host(const char *name, float *g) {
  if (!strcmp(name, "peek")) return peek(g);
  if (!strcmp(name, "race_streams")) return two_streams(g, false);
  if (!strcmp(name, "clean_streams")) return two_streams(g, true);
  if (!strcmp(name, "race_early_read")) return early_read(g, false);
  if (!strcmp(name, "clean_late_read")) return early_read(g, true);
  if (!strcmp(name, "freed_memory")) return freed_memory(g);
  if (!strcmp(name, "before_start")) return before_start(g);
  fprintf(stderr, "emu_probe: there is no probe %s\n", name);
  return 2;
}

static int run_kernel(const probe &p, float *g) {
  static float h[2048];
  CU_LAUNCH(p.kernel, p.grid, p.block, p.shared, 0, g);
  if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
  /* A later launch, and the host, come after: no race with the first. */
  CU_LAUNCH(put, 1, 32, 0, 0, g + 64, 3.0f);
  if (cudaMemcpy(h, g, sizeof h, cudaMemcpyDeviceToHost)) return 1;
  int nan = 0;
  for (int i = 0; i < 64; i++) nan += h[i] != h[i];
  printf("%d NaN\n", nan);
  return 0;
}

int main(int argc, char **argv) {
  float *g;
  int result = -1;
  if (argc != 2 || cudaMalloc((void **)&g, 2048 * sizeof *g)) return 2;
  if (cudaMemset(g, 0, 2048 * sizeof *g) || cudaDeviceSynchronize()) return 2;
  for (const probe &p : probes)
    if (!strcmp(p.name, argv[1])) result = run_kernel(p, g);
  if (result < 0) result = run_host(argv[1], g);
  cudaFree(g);
  if (eqs_fake_report()) result = 3;
  return result;
}
