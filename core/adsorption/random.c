/* random.c -- Philox 4x32-10 and uniform doubles from it.
 *
 * key = seed; counter = (block, index low, index high, stream): two doubles per block, so a draw
 * may take up to 2^33 doubles before it meets another draw's.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/random.h"

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

void random_uniform(uint64_t seed, uint32_t stream, uint64_t index, size_t n, double *out) {
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (size_t i = 0; i < n; i += 2) {
    const uint32_t counter[4] = {(uint32_t)(i / 2), (uint32_t)index, (uint32_t)(index >> 32),
                                 stream};
    uint32_t word[4];
    philox4x32(counter, key, word);
    for (size_t j = 0; j < 2 && i + j < n; j++) {
      uint64_t bits = ((uint64_t)word[2 * j] << 32 | word[2 * j + 1]) >> 11;
      out[i + j] = (double)bits * 0x1p-53;
    }
  }
}
