/* device.h -- what tests of the fake runtime share: calls that must succeed, arrays that go to the
 * device and come back, random numbers.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TEST_EMU_DEVICE_H
#define EQS_TEST_EMU_DEVICE_H

#include <criterion/criterion.h>
#include <cuda_runtime_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/emu/fake.h"

#define CUDA(call)                                                                                 \
  do {                                                                                             \
    cudaError_t e_ = (call);                                                                       \
    cr_assert(e_ == cudaSuccess, "%s: %s", #call, cudaGetErrorString(e_));                         \
  } while (0)
#define CUDA_FAILS(call, error)                                                                    \
  do {                                                                                             \
    cudaError_t e_ = (call);                                                                       \
    cr_assert(e_ == (error), "%s: %s", #call, cudaGetErrorString(e_));                             \
    (void)cudaGetLastError();                                                                      \
  } while (0)

static inline void *device_room(size_t bytes) {
  void *p;
  CUDA(cudaMalloc(&p, bytes));
  return p;
}
static inline void *device_copy(const void *from, size_t bytes) {
  void *p = device_room(bytes);
  CUDA(cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice));
  return p;
}
/* Synchronises, copies, frees the device's. */
static inline void device_take(void *to, void *from, size_t bytes) {
  CUDA(cudaDeviceSynchronize());
  CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
  CUDA(cudaFree(from));
}

/* Uniform in [-1, 1), the same everywhere. */
static inline float uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(*state >> 40) / 8388608.0 - 1);
}
static inline float *randoms(size_t n, uint64_t *state) {
  float *x = malloc((n ? n : 1) * sizeof *x);
  cr_assert(x);
  for (size_t i = 0; i < n; i++) x[i] = uniform(state);
  return x;
}

#endif
