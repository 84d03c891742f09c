/* cuemu_device.h -- CUDA's device functions for the emulator: barriers, warp collectives, atomics,
 * intrinsics. Included by cuemu.h only.
 *
 * Atomics are real ones, so that ThreadSanitizer sees them as such. Fast intrinsics are correctly
 * rounded here and not on the device: compare with a tolerance.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EMU_CUEMU_DEVICE_H
#define EQS_EMU_CUEMU_DEVICE_H

#include "kernels/emu/cuemu.h"

#define CUEMU_AT const char *file_ = __builtin_FILE(), int line_ = __builtin_LINE()
#define CUEMU_PLACE                                                                                \
  cuemu::place { file_, line_ }

/* ---------------------------------------------------------------------------------- barriers */
static inline void __syncthreads(CUEMU_AT) { cuemu::barrier(false, CUEMU_PLACE); }
static inline int __syncthreads_count(int p, CUEMU_AT) {
  return cuemu::barrier(p != 0, CUEMU_PLACE);
}
static inline int __syncthreads_or(int p, CUEMU_AT) {
  return cuemu::barrier(p != 0, CUEMU_PLACE) != 0;
}
static inline int __syncthreads_and(int p, CUEMU_AT) {
  return cuemu::barrier(p == 0, CUEMU_PLACE) == 0;
}
static inline void __syncwarp(unsigned mask = ~0u, CUEMU_AT) {
  cuemu::collective(cuemu::SYNC_WARP, mask, "", 1, CUEMU_PLACE);
}
static inline unsigned __activemask() { return cuemu::live_mask(); }
static inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __trap(CUEMU_AT) { cuemu::trap(CUEMU_PLACE); }

/* ----------------------------------------------------------------------------------- shuffles */
namespace cuemu {
template <class T> static inline T shuffle(unsigned mask, T v, unsigned source, place at) {
  static_assert(sizeof(T) <= 8, "CUDA shuffles types of 4 and 8 bytes");
  collective(SHUFFLE, mask, &v, sizeof v, at);
  T r;
  memcpy(&r, peer(source, at), sizeof r);
  return r;
}
static inline unsigned segment(int width) { return lane() & ~((unsigned)width - 1); }
} // namespace cuemu

template <class T>
static inline T __shfl_sync(unsigned mask, T v, int source, int width = 32, CUEMU_AT) {
  unsigned from = cuemu::segment(width) | ((unsigned)source & ((unsigned)width - 1));
  return cuemu::shuffle(mask, v, from, CUEMU_PLACE);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, CUEMU_AT) {
  unsigned from = cuemu::lane() ^ (unsigned)bits; /* a later segment keeps its own value */
  if (from >= cuemu::segment(width) + (unsigned)width) from = cuemu::lane();
  return cuemu::shuffle(mask, v, from, CUEMU_PLACE);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, CUEMU_AT) {
  unsigned l = cuemu::lane(), end = cuemu::segment(width) + (unsigned)width;
  return cuemu::shuffle(mask, v, l + delta < end ? l + delta : l, CUEMU_PLACE);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, CUEMU_AT) {
  unsigned l = cuemu::lane();
  return cuemu::shuffle(mask, v, l - cuemu::segment(width) >= delta ? l - delta : l, CUEMU_PLACE);
}

/* -------------------------------------------------------------------------- votes, reductions */
static inline unsigned __ballot_sync(unsigned mask, int p, CUEMU_AT) {
  const unsigned char yes = p != 0;
  cuemu::collective(cuemu::VOTE, mask, &yes, 1, CUEMU_PLACE);
  unsigned r = 0;
  for (unsigned l = 0; l < 32; l++)
    if (cuemu::peers() >> l & 1)
      r |= (unsigned)*static_cast<const unsigned char *>(cuemu::peer(l, CUEMU_PLACE)) << l;
  return r;
}
static inline int __any_sync(unsigned mask, int p, CUEMU_AT) {
  return __ballot_sync(mask, p, file_, line_) != 0;
}
static inline int __all_sync(unsigned mask, int p, CUEMU_AT) {
  return __ballot_sync(mask, !p, file_, line_) == 0;
}
template <class T> static inline unsigned __match_any_sync(unsigned mask, T v, CUEMU_AT) {
  cuemu::collective(cuemu::VOTE, mask, &v, sizeof v, CUEMU_PLACE);
  unsigned r = 0;
  for (unsigned l = 0; l < 32; l++)
    if (cuemu::peers() >> l & 1 && !memcmp(cuemu::peer(l, CUEMU_PLACE), &v, sizeof v)) r |= 1u << l;
  return r;
}
#define CUEMU_REDUCE(name, start, expression)                                                      \
  template <class T> static inline T name(unsigned mask, T v, CUEMU_AT) {                          \
    static_assert(sizeof(T) == 4, "CUDA reduces 32-bit integers");                                 \
    cuemu::collective(cuemu::VOTE, mask, &v, sizeof v, CUEMU_PLACE);                               \
    T r = start;                                                                                   \
    for (unsigned l = 0; l < 32; l++) {                                                            \
      if (!(cuemu::peers() >> l & 1)) continue;                                                    \
      T x;                                                                                         \
      memcpy(&x, cuemu::peer(l, CUEMU_PLACE), sizeof x);                                           \
      r = static_cast<T>(expression);                                                              \
    }                                                                                              \
    return r;                                                                                      \
  }
CUEMU_REDUCE(__reduce_add_sync, 0, r + x)
CUEMU_REDUCE(__reduce_min_sync, v, x < r ? x : r)
CUEMU_REDUCE(__reduce_max_sync, v, r < x ? x : r)
CUEMU_REDUCE(__reduce_and_sync, v, r &x)
CUEMU_REDUCE(__reduce_or_sync, 0, r | x)
CUEMU_REDUCE(__reduce_xor_sync, 0, r ^ x)
#undef CUEMU_REDUCE

/* ------------------------------------------------------------------------------------ atomics */
#define CUEMU_ATOMIC(name, expression)                                                             \
  template <class T> static inline T name(T *p, decltype(T(0)) v) {                                \
    T old, want;                                                                                   \
    __atomic_load(p, &old, __ATOMIC_RELAXED);                                                      \
    do want = static_cast<T>(expression);                                                          \
    while (!__atomic_compare_exchange(p, &old, &want, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)); \
    return old;                                                                                    \
  }
CUEMU_ATOMIC(atomicAdd, old + v)
CUEMU_ATOMIC(atomicSub, old - v)
CUEMU_ATOMIC(atomicMin, v < old ? v : old)
CUEMU_ATOMIC(atomicMax, old < v ? v : old)
CUEMU_ATOMIC(atomicExch, v)
CUEMU_ATOMIC(atomicAnd, old &v)
CUEMU_ATOMIC(atomicOr, old | v)
CUEMU_ATOMIC(atomicXor, old ^ v)
CUEMU_ATOMIC(atomicInc, old >= v ? 0 : old + 1)
#undef CUEMU_ATOMIC
template <class T> static inline T atomicCAS(T *p, decltype(T(0)) expected, decltype(T(0)) v) {
  __atomic_compare_exchange(p, &expected, &v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}

/* --------------------------------------------------------------------- memory and bit patterns */
template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline void __stcs(T *p, T v) { *p = v; }
template <class T> static inline void __stcg(T *p, T v) { *p = v; }

namespace cuemu {
template <class To, class From> static inline To bits(From v) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To r;
  memcpy(&r, &v, sizeof r);
  return r;
}
} // namespace cuemu
static inline int __float_as_int(float x) { return cuemu::bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return cuemu::bits<unsigned>(x); }
static inline float __int_as_float(int x) { return cuemu::bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return cuemu::bits<float>(x); }
static inline long long __double_as_longlong(double x) { return cuemu::bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return cuemu::bits<double>(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }

/* --------------------------------------------------------------------------------- arithmetic */
#define __expf(x)    expf(x) /* macros: glibc declares these names itself */
#define __logf(x)    logf(x)
#define __sinf(x)    sinf(x)
#define __cosf(x)    cosf(x)
#define __powf(x, y) powf(x, y)
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rd(float x) { return (int)floorf(x); }
static inline int __double2int_rn(double x) { return (int)rint(x); }
static inline int __double2int_rd(double x) { return (int)floor(x); }

#define CUEMU_MIN_MAX(T)                                                                           \
  static inline T min(T a, T b) { return b < a ? b : a; }                                          \
  static inline T max(T a, T b) { return a < b ? b : a; }
CUEMU_MIN_MAX(int)
CUEMU_MIN_MAX(unsigned)
CUEMU_MIN_MAX(long long)
CUEMU_MIN_MAX(unsigned long long)
CUEMU_MIN_MAX(float)
CUEMU_MIN_MAX(double)
#undef CUEMU_MIN_MAX
#endif
