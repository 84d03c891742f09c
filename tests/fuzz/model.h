/* model.h -- a whole model is loaded from a damaged file whose checksums are right, for the fuzzer
 * and for the replay of its inputs.
 *
 * The input is a list of edits, so that it stays small: the first byte chooses a file of
 * tests/data/models; then 5 bytes each: place in the content of the members (3, little-endian, the
 * highest bit: the tensors instead of the pickle), what to do, and a value.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FUZZ_MODEL_H
#define EQS_FUZZ_MODEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/zip.h"
#include "potentials/mace.h"
#include "potentials/sevennet.h"

enum { MODEL_EDIT = 5, MODEL_MAX_EDITS = 64, MODEL_FILES = 5 };

static inline uint8_t *model_named(const char *name, size_t *n) {
  char path[1024];
  snprintf(path, sizeof path, EQS_SOURCE_DIR "/tests/data/models/%s.model", name);
  FILE *f = fopen(path, "rb");
  if (!f || fseek(f, 0, SEEK_END)) abort();
  *n = (size_t)ftell(f);
  rewind(f);
  uint8_t *bytes = malloc(*n);
  if (!bytes || fread(bytes, 1, *n, f) != *n) abort();
  fclose(f);
  return bytes;
}

static inline uint8_t *model_bytes(unsigned which, size_t *n) {
  static const char *const names[MODEL_FILES] = {"tiny_L1_soft_gauss", "tiny_L0_MACEcls_cheb_f32",
                                                 "tiny_L1_dens_agnesi_zbl", "tiny_att_3layer",
                                                 "tiny_nonlinear_3layer"};
  return model_named(names[which % MODEL_FILES], n);
}

/* Values that sizes, counts and shapes go wrong at. */
static inline void model_edit(uint8_t *at, size_t room, unsigned what, uint8_t value) {
  static const uint32_t words[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65536, 1u << 30, 1000};
  static const double reals[] = {0.0, -1.0, 1e308, 1e-308, 1.0 / 0.0, 1e9, 0.5, -0.0};
  double x = reals[value % 8];
  uint64_t nan = 0x7FF8000000000000;
  switch (what % 6) {
  case 0: at[0] = value; break;
  case 1: at[0] ^= (uint8_t)(1u << value % 8); break;
  case 2: memcpy(at, &words[value % 8], room < 4 ? room : 4); break;
  case 3: memcpy(at, &x, room < 8 ? room : 8); break;
  case 4: memcpy(at, &nan, room < 8 ? room : 8); break;
  default: at[0] = (uint8_t)(at[0] + value); break;
  }
}

/* The members' CRC-32 in the directory and behind the data, after the edits. */
static inline void model_repair(uint8_t *bytes, size_t n, const zip_archive *z) {
  for (size_t at = 0; at + 46 <= n; at++) {
    static const uint8_t magic[4] = {'P', 'K', 1, 2};
    if (bytes[at] != 'P' || memcmp(bytes + at, magic, 4) != 0) continue;
    size_t length = bytes[at + 28] + 256u * bytes[at + 29];
    const zip_member *m = zip_find(z, (const char *)bytes + at + 46, length);
    if (!m) continue;
    uint32_t crc = zip_crc32(z, bytes + m->data, m->size);
    for (int k = 0; k < 4; k++) bytes[at + 16 + (size_t)k] = (uint8_t)(crc >> (8 * k));
    if (!memcmp(bytes + m->data + m->size, "PK\7\10", 4))
      memcpy(bytes + m->data + m->size + 4, bytes + at + 16, 4);
    else memcpy(bytes + m->header + 14, bytes + at + 16, 4);
  }
}

static inline eqs_status model_load(const uint8_t *bytes, size_t n) {
  torch_archive *a;
  potential *p = NULL;
  eqs_model_options o = {.size = sizeof o};
  eqs_status status = torch_archive_open_memory(bytes, n, "fuzz.model", &a);
  const torch_value *root = status == EQS_OK ? torch_archive_root(a) : NULL;
  if (root && (mace_is(root) || sevennet_is(root))) {
    status =
        (mace_is(root) ? mace_load : sevennet_load)(a, &o, kernels_host_named("baseline", 1), &p);
    if (status == EQS_OK) {
      unsigned char *present = calloc((size_t)p->info.n_element, 1);
      if (!present) abort();
      present[0] = 1;
      status = p->ops->prepare(p, present);
      free(present);
      p->ops->free(p);
    }
  }
  if (status != EQS_OK && !*eqs_error()) abort();
  torch_archive_free(&a);
  return status;
}

static inline void model_edited(const uint8_t *input, size_t n_input) {
  size_t n;
  if (n_input < 1 + MODEL_EDIT || n_input > 1 + MODEL_EDIT * MODEL_MAX_EDITS) return;
  uint8_t *bytes = model_bytes(input[0], &n);
  zip_archive z;
  if (zip_open(bytes, n, &z) != EQS_OK) abort();
  const zip_member *pickle = z.member, *m;
  for (m = z.member; m < z.member + z.n_member; m++)
    if (m->size > pickle->size) pickle = m;
  for (const uint8_t *e = input + 1; e + MODEL_EDIT <= input + n_input; e += MODEL_EDIT) {
    size_t place = e[0] + 256u * e[1] + 65536u * (e[2] & 0x7Fu);
    m = e[2] & 0x80 ? z.member + place % z.n_member : pickle;
    if (m->size == 0) continue;
    place = m == pickle ? place % m->size : place / z.n_member % m->size;
    model_edit(bytes + m->data + place, m->size - place, e[3], e[4]);
  }
  model_repair(bytes, n, &z);
  zip_free(&z);
  eqs_status status = model_load(bytes, n);
  (void)status;
  free(bytes);
}

#endif
