/* dispatch.c -- chooses the host's table for this processor at run time.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "kernels/kernels.h"

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
