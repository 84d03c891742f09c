/* fuzz_pickle.c -- libFuzzer target: any bytes as a pickle. Seeds: tests/fuzz/corpus/pickle.
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  walk_pickle(bytes, n);
  return 0;
}
