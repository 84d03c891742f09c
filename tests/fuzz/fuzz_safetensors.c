/* fuzz_safetensors.c -- libFuzzer target: model files of the program's own format, read whole.
 * Seeds: tests/fuzz/corpus/safetensors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/own_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  own_model(bytes, n);
  return 0;
}
