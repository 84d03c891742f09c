/* lane.h -- what a lane is: one channel of one thread on a GPU, a SIMD register of channels here.
 *
 * Kernel bodies are written once over `real` and `lane` in the common subset of C11 and C++17.
 * Under nvcc (and its emulator) a lane is one real and LW is 1; on the host a lane is a vector of
 * the instruction set that the file is compiled for. `a * b + c` and `scalar * lane` mean the same
 * in both. No `?:`, libm call or data-dependent branch on a lane: use the functions below.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LANE_H
#define EQS_LANE_H

#include <stddef.h>
#include <stdint.h>

#if EQS_KERNEL_DOUBLE
typedef double real;
#define R(x) x
#else
typedef float real;
#define R(x) x##f
#endif

enum { ROW_PAD = 16, EDGE_TILE = 16 }; /* rows are padded, edges tiled, to this many reals */

#define LANE_PRAGMA(x) _Pragma(#x)

#if defined(__CUDACC__) || defined(EQS_EMULATOR)
/* ------------------------------------------------------------------------ one thread, a channel */
#define FN        static __device__ __forceinline__
#define RESTRICT  __restrict__
#define UNROLL(n) LANE_PRAGMA(unroll n)
typedef real lane;
enum { LW = 1 };

FN lane lane_load(const real *p) { return *p; }
FN void lane_store(real *p, lane v) { *p = v; }
FN lane lane_set(real x) { return x; }
#if EQS_KERNEL_DOUBLE
FN lane lane_exp(lane x) { return exp(x); }
#else
FN lane lane_exp(lane x) { return expf(x); }
#endif
FN lane lane_max(lane a, lane b) { return a > b ? a : b; }
FN lane lane_abs(lane a) { return a < 0 ? -a : a; }

/* Four reals at a multiple of 16 bytes in one load or store. */
FN void quad_load(const real *p, real *x) {
#if EQS_KERNEL_DOUBLE
  const double2 a = *(const double2 *)p, b = *(const double2 *)(p + 2);
#else
  const float4 v = *(const float4 *)p;
  const float2 a = {v.x, v.y}, b = {v.z, v.w};
#endif
  x[0] = a.x, x[1] = a.y, x[2] = b.x, x[3] = b.y;
}
FN void quad_store(real *p, const real *x) {
#if EQS_KERNEL_DOUBLE
  const double2 a = {x[0], x[1]}, b = {x[2], x[3]};
  *(double2 *)p = a, *(double2 *)(p + 2) = b;
#else
  const float4 v = {x[0], x[1], x[2], x[3]};
  *(float4 *)p = v;
#endif
}
/* The same from an array that the kernel does not write. */
FN void quad_read(const real *p, real *x) {
#if EQS_KERNEL_DOUBLE
  const double2 a = __ldg((const double2 *)p), b = __ldg((const double2 *)(p + 2));
#else
  const float4 v = __ldg((const float4 *)p);
  const float2 a = {v.x, v.y}, b = {v.z, v.w};
#endif
  x[0] = a.x, x[1] = a.y, x[2] = b.x, x[3] = b.y;
}
/* `blocks` lanes side by side: 1, or 4 that begin at a multiple of 4 and are not written. */
FN void lanes_load(const real *p, int blocks, lane *x) {
  if (blocks == 4) quad_read(p, x);
  else x[0] = *p;
}
/* n scalars, `stride` apart; with stride 1 in a row of shared memory padded to 4. */
FN void scalars_load(const real *p, int n, int stride, real *x) {
  UNROLL(8)
  for (int i = 0; i < n; i += 4) quad_load(p + i, x + i);
  (void)stride;
}
/* A warp walks the channels of one edge or one atom. */
#define FOR_CHANNELS(k, n) for (int k = (int)(threadIdx.x & 31); k < (n); k += 32)
#define LANE_LEADER        (!(threadIdx.x & 31)) /* the thread that holds a channel_sum */
/* It walks the edges of one atom the same way. */
#define FOR_EDGES(e, begin, end) for (int e = (begin) + (int)(threadIdx.x & 31); e < (end); e += 32)

/* One step of the transposing butterfly: of 2w values the lower half of the lanes keeps the first
 * w, the upper half the others. */
FN void fold(lane *v, int w, int distance) {
  const int upper = (int)(threadIdx.x & 31) & distance;
  UNROLL(16)
  for (int i = 0; i < w; i++) {
    lane keep = upper ? v[i + w] : v[i], give = upper ? v[i] : v[i + w];
    v[i] = keep + __shfl_xor_sync(0xffffffffu, give, distance);
  }
}

/* out[i * stride] = the sum over all channels of s[i], for n values (n known at compile time), in
 * uniform control flow only: 16 shuffles for 16 values. Lanes write a value each. */
FN void channel_sum(const lane *s, int n, real *out, int stride) {
  UNROLL(2)
  for (int begin = 0; begin < n; begin += 32) {
    const int count = n - begin < 32 ? n - begin : 32;
    const int width = count > 16 ? 32 : count > 8 ? 16 : count > 4 ? 8 : count > 2 ? 4 : count;
    lane v[32];
    int distance = 16;
    UNROLL(32)
    for (int i = 0; i < width; i++) v[i] = i < count ? s[begin + i] : R(0.0);
    UNROLL(5)
    for (int w = width / 2; w; w /= 2, distance /= 2) fold(v, w, distance);
    UNROLL(5)
    for (; distance; distance /= 2) v[0] += __shfl_xor_sync(0xffffffffu, v[0], distance);
    const int each = 32 / width, mine = (int)(threadIdx.x & 31) / each;
    if ((int)(threadIdx.x & 31) % each == 0 && mine < count)
      out[(size_t)(begin + mine) * (size_t)stride] = v[0];
  }
}

/* The sum over all channels of one value, on every thread of the warp. */
FN real channel_total(lane v) {
  for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
  return v;
}

/* The sum of what the warp's threads have of their edges, on every one of them. */
FN double edge_total(double v) {
  for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
  return v;
}

#else
/* ------------------------------------------------------------------- one register, LW channels */
#define FN       static inline __attribute__((always_inline))
#define RESTRICT restrict
#ifdef __clang__
#define UNROLL(n) LANE_PRAGMA(clang loop unroll_count(n))
#else
#define UNROLL(n) LANE_PRAGMA(GCC unroll n)
#endif

#if defined(__AVX512F__)
#define LANE_BYTES 64
#elif defined(__AVX__)
#define LANE_BYTES 32
#else
#define LANE_BYTES 16
#endif
typedef real lane __attribute__((vector_size(LANE_BYTES)));
#if EQS_KERNEL_DOUBLE
typedef int64_t lane_int __attribute__((vector_size(LANE_BYTES)));
#define LW (LANE_BYTES / 8)
#else
typedef int32_t lane_int __attribute__((vector_size(LANE_BYTES)));
#define LW (LANE_BYTES / 4)
#endif

/* What was loaded stays in a register: a compiler is free to load it again for each use. */
#if defined(__x86_64__)
#define LANE_HOLD(x) __asm__("" : "+v"(x))
#elif defined(__aarch64__)
#define LANE_HOLD(x) __asm__("" : "+w"(x))
#else
#define LANE_HOLD(x) ((void)(x))
#endif
/* What is in memory stays there: nothing is kept in registers across it. */
#define LANE_FENCE()             __asm__ volatile("" ::: "memory")
FN lane lane_load(const real *p) { return *(const lane *)p; }
FN void lane_store(real *p, lane v) { *(lane *)p = v; }
FN lane lane_set(real x) {
  lane zero = {0};
  return x - zero; /* x + 0 is not x for -0: it would cost an addition */
}
FN void lanes_load(const real *p, int blocks, lane *x) {
  UNROLL(4)
  for (int b = 0; b < blocks; b++) x[b] = lane_load(p + b * LW);
}
FN void scalars_load(const real *p, int n, int stride, real *x) {
  UNROLL(7)
  for (int i = 0; i < n; i++) x[i] = p[i * stride];
}
#define FOR_CHANNELS(k, n)       for (int k = 0; k < (n); k += LW)
#define LANE_LEADER              1
#define FOR_EDGES(e, begin, end) for (int e = (begin); e < (end); e++)

FN lane lane_select(lane_int mask, lane yes, lane no) {
  return (lane)((mask & (lane_int)yes) | (~mask & (lane_int)no));
}

FN lane lane_max(lane a, lane b) { return lane_select(a > b, a, b); }
FN lane lane_abs(lane a) { return lane_max(a, -a); }

/* exp by reduction to |r| <= ln 2 / 2 and a Taylor polynomial, to a few units in the last place
 * inside the range of normal numbers, saturating outside it. */
FN lane lane_exp(lane x) {
#if EQS_KERNEL_DOUBLE
  const real low = -708.0, high = 709.0, shift = 6755399441055744.0; /* 1.5 * 2^52 */
  const real ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  const int bits = 52, degree = 13;
#else
  const real low = -87.0f, high = 88.0f, shift = 12582912.0f; /* 1.5 * 2^23 */
  const real ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  const int bits = 23, degree = 7;
#endif
  static const real inverse_factorial[14] = {R(1.0),
                                             R(1.0),
                                             R(0.5),
                                             R(0.16666666666666667),
                                             R(0.041666666666666667),
                                             R(0.0083333333333333333),
                                             R(0.0013888888888888889),
                                             R(1.9841269841269841e-4),
                                             R(2.4801587301587302e-5),
                                             R(2.7557319223985891e-6),
                                             R(2.7557319223985888e-7),
                                             R(2.5052108385441719e-8),
                                             R(2.0876756987868099e-9),
                                             R(1.6059043836821615e-10)};
  x = lane_select(x < low, lane_set(low), x);
  x = lane_select(x > high, lane_set(high), x);
  lane t = x * R(1.4426950408889634) + shift;
  lane n = t - shift;
  lane y = (x - n * ln2_high) - n * ln2_low;
  lane p = lane_set(inverse_factorial[degree]);
  UNROLL(13)
  for (int i = degree - 1; i >= 0; i--) p = p * y + inverse_factorial[i];
  return (lane)((lane_int)p + ((lane_int)t << bits));
}

#ifdef __clang__
#define LANE_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define LANE_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (lane_int){__VA_ARGS__})
#endif

/* One step of the transposing butterfly: the lower half of each group of 2w positions takes the
 * folded a, the upper half the folded b. */
#if LW == 16
FN lane fold8(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
         LANE_SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
FN lane fold4(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
         LANE_SHUFFLE(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
}
FN lane fold2(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
         LANE_SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}
FN lane fold1(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
         LANE_SHUFFLE(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
}
#elif LW == 8
FN lane fold4(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
         LANE_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
FN lane fold2(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
         LANE_SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
FN lane fold1(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 8, 2, 10, 4, 12, 6, 14) +
         LANE_SHUFFLE(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
}
#elif LW == 4
FN lane fold2(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 1, 4, 5) + LANE_SHUFFLE(a, b, 2, 3, 6, 7);
}
FN lane fold1(lane a, lane b) {
  return LANE_SHUFFLE(a, b, 0, 4, 2, 6) + LANE_SHUFFLE(a, b, 1, 5, 3, 7);
}
#else
FN lane fold1(lane a, lane b) { return LANE_SHUFFLE(a, b, 0, 2) + LANE_SHUFFLE(a, b, 1, 3); }
#endif

/* LW lanes become one lane that holds their LW sums, in order. */
FN lane lane_sums(const lane *v) {
  lane s[LW];
  UNROLL(16)
  for (int i = 0; i < LW; i++) s[i] = v[i];
#if LW >= 16
  UNROLL(8)
  for (int i = 0; i < 8; i++) s[i] = fold8(s[i], s[i + 8]);
#endif
#if LW >= 8
  UNROLL(4)
  for (int i = 0; i < 4; i++) s[i] = fold4(s[i], s[i + 4]);
#endif
#if LW >= 4
  UNROLL(2)
  for (int i = 0; i < 2; i++) s[i] = fold2(s[i], s[i + 2]);
#endif
  return fold1(s[0], s[1]);
}

/* out[i * stride] = the sum over all channels of s[i]; s has room for n rounded up to LW. */
FN void channel_sum(lane *s, int n, real *out, int stride) {
  for (int i = n; i % LW; i++) s[i] = lane_set(0);
  for (int i = 0; i < n; i += LW) {
    lane r = lane_sums(s + i);
    for (int j = 0; j < LW && i + j < n; j++) out[(size_t)(i + j) * (size_t)stride] = r[j];
  }
}

FN double edge_total(double v) { return v; }

FN real channel_total(lane v) {
  real sum = v[0];
  for (int j = 1; j < LW; j++) sum += v[j];
  return sum;
}
#endif

FN lane lane_sigmoid(lane x) { return R(1.0) / (R(1.0) + lane_exp(-x)); }

#endif
