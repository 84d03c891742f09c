/* backend.c -- see backend.h. Compiled once per product: EQS_CUDA for one that links to CUDA,
 * EQS_EMU for one that links to the emulator. SPDX-License-Identifier: MIT */
#include "kernels/backend.h"
#include "kernels/link.h"

#include <string.h>

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

const link_ops *backend_link(const device *d) {
#if HAS_GPU
  if (!device_is_host(d)) return cuda_link();
#endif
  (void)d;
  return NULL;
}
