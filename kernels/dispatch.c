/* dispatch.c -- chooses the device by name, and the host's table for this processor at run time.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "kernels/backend.h"

extern const kernel_ops kernels_host_baseline_f32, kernels_host_baseline_f64;
#ifdef EQS_KERNELS_X86
extern const kernel_ops kernels_host_avx2_f32, kernels_host_avx2_f64;
extern const kernel_ops kernels_host_avx512_f32, kernels_host_avx512_f64;

static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static int has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

const kernel_ops *kernels_host_named(const char *isa, int double_precision) {
#ifdef EQS_KERNELS_X86
  if (!strcmp(isa, "avx512") && has_avx512())
    return double_precision ? &kernels_host_avx512_f64 : &kernels_host_avx512_f32;
  if (!strcmp(isa, "avx2") && has_avx2())
    return double_precision ? &kernels_host_avx2_f64 : &kernels_host_avx2_f32;
#endif
  if (!strcmp(isa, "baseline"))
    return double_precision ? &kernels_host_baseline_f64 : &kernels_host_baseline_f32;
  return NULL;
}

const kernel_ops *kernels_host(int double_precision) {
  const kernel_ops *k = kernels_host_named("avx512", double_precision);
  if (!k) k = kernels_host_named("avx2", double_precision);
  return k ? k : kernels_host_named("baseline", double_precision);
}

#if defined(EQS_CUDA) || defined(EQS_EMU)
#define HAS_GPU 1
#include "kernels/cuda/cuda.h"
#else
#define HAS_GPU 0
#endif

#ifdef EQS_EMU
#define GPU_NAME "emu"
#else
#define GPU_NAME "cuda"
#endif

#if HAS_GPU
/* "cuda" or "cuda:N"; -1 = neither. */
static int gpu_index(const char *name) {
  static const char prefix[] = GPU_NAME;
  const char *rest = name + sizeof prefix - 1;
  if (strncmp(name, prefix, sizeof prefix - 1) != 0) return -1;
  if (!*rest) return 0;
  if (*rest != ':' || !rest[1] || strlen(rest) > 4) return -1;
  int index = 0;
  for (rest++; *rest; rest++) {
    if (*rest < '0' || *rest > '9') return -1;
    index = 10 * index + (*rest - '0');
  }
  return index;
}
#endif

eqs_status backend_open(const char *name, device **out) {
  *out = &device_host;
  if (!strcmp(name, "host")) return EQS_OK;
#if HAS_GPU
  if (!strcmp(name, "auto")) {
    if (cuda_open(0, GPU_NAME, out) != EQS_OK) *out = &device_host;
    return EQS_OK;
  }
  if (gpu_index(name) >= 0) return cuda_open(gpu_index(name), GPU_NAME, out);
  *out = NULL;
  EQS_FAIL(EQS_ERR_UNSUPPORTED,
           "no device '%s' in this build; there are: host, " GPU_NAME ":N, auto", name);
#else
  if (!strcmp(name, "auto")) return EQS_OK;
  *out = NULL;
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "no device '%s' in this build; there are: host, auto", name);
#endif
}

eqs_status backend_same(const device *d, device **out) {
  *out = &device_host;
#if HAS_GPU
  if (!device_is_host(d)) return cuda_open(cuda_index(d), GPU_NAME, out);
#endif
  (void)d;
  return EQS_OK;
}

const kernel_ops *backend_kernels(const device *d, int double_precision) {
#if HAS_GPU
  if (!device_is_host(d)) return cuda_kernels(d, double_precision);
#endif
  (void)d;
  return kernels_host(double_precision);
}
