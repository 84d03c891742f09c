/* fuzz_cif.c -- libFuzzer target: any bytes as a structure file. Seeds: tests/data/cif.
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/structures.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  structures_cif(bytes, n);
  return 0;
}
