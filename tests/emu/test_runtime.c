/* The fake runtime's memory, devices and failures.
 * SPDX-License-Identifier: MIT */
#include <cublas_v2.h>
#include <math.h>

#include "tests/emu/device.h"
#include "tests/emu/kernels.h"

Test(runtime, fresh_memory_is_nan_and_guarded) {
  enum { N = 1000 };
  float h[N], *d = device_room(sizeof h);
  void *start;
  size_t size;
  CUDA(cudaMemcpy(h, d, sizeof h, cudaMemcpyDeviceToHost));
  for (int i = 0; i < N; i++) cr_assert(isnan(h[i]));
  cr_assert((uintptr_t)d % 256 == 0);
  cr_assert(eqs_fake_find(d + 17, &start, &size) && start == d && size == sizeof h);
  cr_assert_not(eqs_fake_find(d + N, &start, &size));
  cr_assert_not(eqs_fake_find(h, &start, &size));
  CUDA(cudaFree(d));
  cr_assert_not(eqs_fake_find(d, &start, &size));
  CUDA_FAILS(cudaFree(d), cudaErrorInvalidValue);
  CUDA(cudaFree(NULL));
}

Test(runtime, copies_check_what_they_are_told) {
  float h[64] = {0}, *d = device_room(sizeof h);
  CUDA_FAILS(cudaMemcpyAsync(h, h, sizeof h, cudaMemcpyHostToDevice, NULL), cudaErrorInvalidValue);
  CUDA_FAILS(cudaMemcpyAsync(d, d, sizeof h, cudaMemcpyDeviceToHost, NULL), cudaErrorInvalidValue);
  CUDA_FAILS(cudaMemsetAsync(h, 0, sizeof h, NULL), cudaErrorInvalidValue);
  h[3] = 5;
  CUDA(cudaMemcpyAsync(d, h, sizeof h, cudaMemcpyDefault, NULL));
  h[3] = 6; /* pageable memory is taken at the call */
  CUDA(cudaMemcpy(h, d, sizeof h, cudaMemcpyDefault));
  cr_assert(h[3] == 5);
  CUDA(cudaFree(d));
}

Test(runtime, memory_runs_out_politely) {
  void *a, *b;
  size_t left, total;
  eqs_fake_set_memory(1 << 20);
  CUDA(cudaMalloc(&a, 1000000));
  CUDA_FAILS(cudaMalloc(&b, 100000), cudaErrorMemoryAllocation);
  CUDA(cudaMemGetInfo(&left, &total));
  cr_assert(total == 1 << 20 && left == (1 << 20) - 1000000);
  CUDA(cudaFree(a));
  CUDA(cudaMalloc(&b, 100000));
  CUDA(cudaFree(b));
  CUDA_FAILS(cudaMalloc(&b, SIZE_MAX - 5), cudaErrorMemoryAllocation);
}

Test(runtime, a_machine_without_a_gpu) {
  int n = 7;
  cudaStream_t s;
  eqs_fake_set_devices(0);
  CUDA_FAILS(cudaGetDeviceCount(&n), cudaErrorNoDevice);
  cr_assert(n == 0);
  CUDA_FAILS(cudaSetDevice(0), cudaErrorNoDevice);
  CUDA_FAILS(cudaStreamCreate(&s), cudaErrorNoDevice);
}

Test(runtime, several_devices) {
  struct cudaDeviceProp p;
  struct cudaPointerAttributes a;
  int n, major;
  eqs_fake_set_devices(3);
  CUDA(cudaGetDeviceCount(&n));
  cr_assert(n == 3);
  CUDA_FAILS(cudaSetDevice(3), cudaErrorInvalidDevice);
  CUDA(cudaSetDevice(2));
  CUDA(cudaGetDeviceProperties(&p, 2));
  CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 2));
  cr_assert(p.major == 9 && major == 9 && p.multiProcessorCount > 0);
  void *d = device_room(64);
  CUDA(cudaPointerGetAttributes(&a, d));
  cr_assert(a.type == cudaMemoryTypeDevice && a.device == 2);
  CUDA(cudaPointerGetAttributes(&a, &n));
  cr_assert(a.type == cudaMemoryTypeUnregistered);
  CUDA(cudaFree(d));
}

Test(runtime, launches_are_checked) {
  static const struct {
    dim3 grid, block;
    size_t shared;
  } bad[] = {{{0, 1, 1}, {32, 1, 1}, 0},          {{1, 1, 1}, {0, 1, 1}, 0},
             {{1, 1, 1}, {1025, 1, 1}, 0},        {{1, 1, 1}, {32, 33, 1}, 0},
             {{1, 1, 1}, {1, 1, 65}, 0},          {{1, 65536, 1}, {1, 1, 1}, 0},
             {{0xffffffffu, 1, 1}, {1, 1, 1}, 0}, {{1, 1, 1}, {32, 1, 1}, 48 * 1024 + 1}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    launch_nothing(bad[i].grid, bad[i].block, bad[i].shared, NULL);
    cr_assert(cudaPeekAtLastError() == cudaErrorInvalidConfiguration, "case %zu", i);
    cr_assert(cudaGetLastError() == cudaErrorInvalidConfiguration);
    cr_assert(cudaGetLastError() == cudaSuccess);
  }
  CUDA(cudaFuncSetAttribute(nothing_function(), cudaFuncAttributeMaxDynamicSharedMemorySize,
                            100 * 1024));
  launch_nothing((dim3){1, 1, 1}, (dim3){32, 1, 1}, 100 * 1024, NULL);
  CUDA(cudaGetLastError());
  launch_nothing((dim3){1, 1, 1}, (dim3){32, 1, 1}, 0, (cudaStream_t)&bad);
  cr_assert(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  CUDA_FAILS(cudaFuncSetAttribute(nothing_function(), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  228 * 1024),
             cudaErrorInvalidValue);
  CUDA(cudaDeviceSynchronize());
  cr_assert(eqs_fake_count().launches == 1);
}

/* A small program as host code of a backend is: everything checked, released on any error. */
static int program(void) {
  enum { N = 32 };
  int rc = 1, n;
  float h[N], *x = NULL, *y = NULL, *pinned = NULL;
  const float one = 1, zero = 0;
  cudaStream_t s = NULL;
  cudaEvent_t event = NULL;
  cublasHandle_t blas = NULL;
  for (int i = 0; i < N; i++) h[i] = (float)i;
  if (cudaGetDeviceCount(&n) || cudaSetDevice(0)) goto done;
  if (cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking)) goto done;
  if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming)) goto done;
  if (cublasCreate(&blas) || cublasSetStream(blas, s)) goto done;
  if (cudaMalloc((void **)&x, sizeof h) || cudaMalloc((void **)&y, sizeof h)) goto done;
  if (cudaMallocHost((void **)&pinned, sizeof h)) goto done;
  memcpy(pinned, h, sizeof h);
  if (cudaMemcpyAsync(x, pinned, sizeof h, cudaMemcpyHostToDevice, s)) goto done;
  if (cudaMemsetAsync(y, 0, sizeof h, s)) goto done;
  launch_add(y, x, N, s);
  if (cudaGetLastError()) goto done;
  if (cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, N, 1, 1, &one, y, N, x + 2, 1, &zero, x, N))
    goto done;
  if (cudaEventRecord(event, s) || cudaEventSynchronize(event)) goto done;
  if (cudaMemcpyAsync(pinned, y, sizeof h, cudaMemcpyDeviceToHost, s)) goto done;
  if (cudaStreamSynchronize(s)) goto done;
  rc = 0;
  for (int i = 0; i < N; i++)
    if (pinned[i] != (float)i) rc = 2;
done:
  if (blas) cublasDestroy(blas);
  if (s) cudaStreamDestroy(s);
  if (event) cudaEventDestroy(event);
  cudaFree(x), cudaFree(y), cudaFreeHost(pinned);
  (void)cudaGetLastError();
  return rc;
}

Test(runtime, every_nth_failure_is_reported_and_leaks_nothing) {
  int failures = 0;
  for (long n = 1;; n++) {
    eqs_fake_fail_call(n);
    int rc = program(), failed = eqs_fake_failed();
    eqs_fake_fail_call(0);
    cr_assert(eqs_fake_report() == 0, "after failure %ld", n);
    if (!failed) {
      cr_assert(rc == 0);
      break;
    }
    cr_assert(rc == 1, "failure %ld: the program ended with %d", n, rc);
    failures++;
  }
  cr_assert(failures >= 15, "only %d calls could fail", failures);
}

Test(runtime, leaks_are_counted) {
  cudaEvent_t event;
  cudaStream_t s;
  void *d = device_room(100), *h;
  CUDA(cudaEventCreate(&event));
  CUDA(cudaStreamCreate(&s));
  CUDA(cudaMallocHost(&h, 50));
  eqs_fake_usage u = eqs_fake_alive();
  cr_assert(u.device_bytes == 100 && u.allocations == 1 && u.pinned_bytes == 50 && u.pinned == 1);
  cr_assert(u.events == 1 && u.streams == 1);
  cr_assert(eqs_fake_report() == 4);
  CUDA(cudaFree(d));
  CUDA(cudaFreeHost(h));
  CUDA(cudaEventDestroy(event));
  CUDA(cudaStreamDestroy(s));
  cr_assert(eqs_fake_report() == 0);
}

Test(runtime, counts_what_a_step_does) {
  float h[16] = {0}, *d = device_copy(h, sizeof h);
  eqs_fake_reset_counts();
  launch_fill(d, 16, 1, NULL);
  launch_scale(d, 16, 3, NULL);
  CUDA(cudaMemcpy(h, d, sizeof h, cudaMemcpyDeviceToHost));
  eqs_fake_counts c = eqs_fake_count();
  cr_assert(h[0] == 3 && h[15] == 3);
  cr_assert(c.launches == 2 && c.copies == 1 && c.synchronizations == 1 && c.allocations == 0);
  CUDA(cudaFree(d));
}
