/* fuzz_model.c -- libFuzzer target: bytes as edits of a model file, which is then loaded.
 * Seeds: tests/fuzz/corpus/model. SPDX-License-Identifier: MIT */
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  model_edited(bytes, n);
  return 0;
}
