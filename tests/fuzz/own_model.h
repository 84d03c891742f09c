/* own_model.h -- model files of the program's own format (io/model_file.h), damaged, for the fuzzer
 * and for the replay of its inputs.
 *
 * The input's first byte chooses. Even: the rest is a file as it stands. Odd: the rest is a list of
 * edits (tests/fuzz/model.h) of a good file, which is made from one of tests/data/models; the place
 * counts from the header's first byte. The checksum of the tensors is put right in both. With the
 * second bit the model is built as well, which takes far longer.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FUZZ_OWN_MODEL_H
#define EQS_FUZZ_OWN_MODEL_H

#include <unistd.h>

#include "io/model_file.h"
#include "io/sha256.h"
#include "tests/fuzz/model.h"
#include "tests/fuzz/walk.h"

enum { OWN_FILES = 3 };

/* The SHA-256 of the data in the place of the first one that the header has. */
static inline void own_sign(uint8_t *bytes, size_t n) {
  static const char key[] = "\"sha256\":\"";
  enum { KEY = sizeof key - 1, SUM = 64 };
  char sum[SUM + 1];
  size_t header = 0;
  for (size_t k = 8; n >= 8 && k-- > 0;) header = header << 8 | bytes[k];
  if (n < 8 || header > n - 8) return;
  for (size_t at = 8; at + KEY + SUM <= 8 + header; at++) {
    if (memcmp(bytes + at, key, KEY) != 0) continue;
    sha256_hex(bytes + 8 + header, n - 8 - header, sum);
    memcpy(bytes + at + KEY, sum, SUM);
    return;
  }
}

/* A good file, written once; of the models those that are quick to load. */
static inline const uint8_t *own_bytes(unsigned which, size_t *n) {
  static const char *const names[OWN_FILES] = {"tiny_one_layer", "tiny_nonlinear_l0",
                                               "tiny_L0_MACEcls_cheb_f32"};
  static uint8_t *made[OWN_FILES];
  static size_t size[OWN_FILES];
  which %= OWN_FILES;
  if (!made[which]) {
    static const model_file_pair none = {"parameters", "1"};
    torch_archive *a;
    size_t n_original;
    uint8_t *original = model_named(names[which], &n_original);
    char path[64];
    snprintf(path, sizeof path, "/tmp/eqs-fuzz-%ld-%u", (long)getpid(), which);
    if (torch_archive_open_memory(original, n_original, "original", &a) != EQS_OK ||
        model_file_write(torch_archive_root(a), FAMILY_MACE, path, 1, &none, 1) != EQS_OK)
      abort();
    torch_archive_free(&a);
    free(original);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) abort();
    size[which] = (size_t)ftell(f);
    rewind(f);
    made[which] = malloc(size[which]);
    if (!made[which] || fread(made[which], 1, size[which], f) != size[which]) abort();
    fclose(f);
    unlink(path);
  }
  *n = size[which];
  return made[which];
}

static inline void own_read(uint8_t *bytes, size_t n, int build) {
  torch_archive *a;
  int budget = WALK_BUDGET;
  own_sign(bytes, n);
  eqs_status status = torch_archive_open_memory(bytes, n, "fuzz.safetensors", &a);
  if (status == EQS_OK) walk(torch_archive_root(a), 0, &budget);
  else if (a || !strstr(eqs_error(), "fuzz.safetensors")) abort();
  torch_archive_free(&a);
  if (status == EQS_OK && build) status = model_load(bytes, n);
}

static inline void own_model(const uint8_t *input, size_t n_input) {
  size_t n = n_input - 1;
  if (n_input < 1) return;
  const uint8_t *from = input[0] & 1 ? own_bytes(input[0] >> 2, &n) : input + 1;
  uint8_t *bytes = malloc(n ? n : 1);
  if (!bytes) abort();
  memcpy(bytes, from, n);
  const uint8_t *e = input + 1;
  for (int k = 0; input[0] & 1 && k < MODEL_MAX_EDITS && e + MODEL_EDIT <= input + n_input; k++) {
    size_t place = 8 + (e[0] + 256u * e[1] + 65536u * e[2]) % (n - 8);
    model_edit(bytes + place, n - place, e[3], e[4]);
    e += MODEL_EDIT;
  }
  own_read(bytes, n, input[0] & 2);
  free(bytes);
}

#endif
