/* random.c -- Philox 4x32-10 and uniform doubles from it.
 *
 * key = seed; counter = (block, index low, index high, stream): two doubles per block, so a draw
 * may take up to 2^33 doubles before it meets another draw's.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/random.h"

#include <math.h>

#define TWO_PI 6.283185307179586476925287

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* 53 bits of two words. */
static double uniform(const uint32_t word[2]) {
  uint64_t bits = ((uint64_t)word[0] << 32 | word[1]) >> 11;
  return (double)bits * 0x1p-53;
}

void random_uniform_from(uint64_t seed, uint32_t stream, uint64_t index, size_t first, size_t n,
                         double *out) {
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (size_t i = 0; i < n; i += 2) {
    const uint32_t counter[4] = {(uint32_t)((first + i) / 2), (uint32_t)index,
                                 (uint32_t)(index >> 32), stream};
    uint32_t word[4];
    philox4x32(counter, key, word);
    for (size_t j = 0; j < 2 && i + j < n; j++) out[i + j] = uniform(word + 2 * j);
  }
}

void random_uniform(uint64_t seed, uint32_t stream, uint64_t index, size_t n, double *out) {
  random_uniform_from(seed, stream, index, 0, n, out);
}

void random_make_normal(double *x, size_t n) {
  for (size_t i = 0; i + 1 < n; i += 2) {
    double radius = sqrt(-2 * log1p(-x[i])), angle = TWO_PI * x[i + 1];
    x[i] = radius * cos(angle);
    x[i + 1] = radius * sin(angle);
  }
}

/* Number `at` of the draw: two doubles of a block, four for an attempt. */
static void attempt(uint64_t seed, uint32_t stream, uint64_t index, uint32_t at, double u[4]) {
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (uint32_t half = 0; half < 2; half++) {
    const uint32_t counter[4] = {2 * at + half, (uint32_t)index, (uint32_t)(index >> 32), stream};
    uint32_t word[4];
    philox4x32(counter, key, word);
    u[2 * half] = uniform(word);
    u[2 * half + 1] = uniform(word + 2);
  }
}

double random_gamma(uint64_t seed, uint32_t stream, uint64_t index, double shape) {
  if (!(shape > 0)) return 0;
  double a = shape < 1 ? shape + 1 : shape; /* the smaller ones by a power of a uniform number */
  double d = a - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (uint32_t at = 0;; at++) {
    double u[4], v;
    attempt(seed, stream, index, at, u);
    random_make_normal(u, 2);
    v = 1 + c * u[0];
    v *= v * v;
    if (v <= 0 || log1p(-u[2]) >= u[0] * u[0] / 2 + d * (1 - v + log(v))) continue;
    return shape < 1 ? d * v * pow(1 - u[3], 1 / shape) : d * v;
  }
}
