/* fuzz_xyz.c -- libFuzzer target: any bytes as a structure file. Seeds: tests/fuzz/corpus/xyz.
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/structures.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  structures_xyz(bytes, n);
  return 0;
}
