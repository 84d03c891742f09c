/* fuzz_zip.c -- libFuzzer target: any bytes as a torch file. Seeds: tests/fuzz/corpus/zip.
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  walk_archive(bytes, n);
  return 0;
}
