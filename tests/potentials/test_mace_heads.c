/* test_mace_heads.c -- models with several heads, none of which is the default: they can be
 * described, and evaluated only when a head is chosen.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/zip.h"
#include "tests/reference.h"

static unsigned char *slurp(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f);
  fseek(f, 0, SEEK_END);
  *n = (size_t)ftell(f);
  rewind(f);
  unsigned char *bytes = malloc(*n);
  cr_assert_eq(fread(bytes, 1, *n, f), *n);
  fclose(f);
  return bytes;
}

/* Every place where the four bytes of `from` stand becomes `to` (a CRC: directory, descriptor). */
static void replace_u32(unsigned char *bytes, size_t n, uint32_t from, uint32_t to) {
  for (size_t i = 0; i + 4 <= n; i++)
    if (!memcmp(bytes + i, &from, 4)) memcpy(bytes + i, &to, 4);
}

/* tiny_L1_multihead with its head "Default" called "Sampled", CRC repaired, in a new file. */
static void rename_default_head(char path[]) {
  char from[REFERENCE_PATH];
  size_t n;
  cr_assert(reference_data("models/tiny_L1_multihead.model", from));
  unsigned char *bytes = slurp(from, &n);
  zip_archive z;
  cr_assert_eq(zip_open(bytes, n, &z), EQS_OK);
  for (size_t i = 0; i < z.n_member; i++) {
    const zip_member *m = &z.member[i];
    if (m->name_length < 9 || memcmp(m->name + m->name_length - 9, "/data.pkl", 9)) continue;
    unsigned char *at = NULL;
    for (size_t j = m->data; j + 7 <= m->data + m->size && !at; j++)
      if (!memcmp(bytes + j, "Default", 7)) at = bytes + j;
    cr_assert_not_null(at);
    memcpy(at, "Sampled", 7);
    replace_u32(bytes, n, m->crc, zip_crc32(&z, bytes + m->data, m->size));
  }
  zip_free(&z);
  int file = mkstemp(path);
  cr_assert_geq(file, 0);
  cr_assert_eq(write(file, bytes, n), (ssize_t)n);
  close(file);
  free(bytes);
}

Test(mace_heads, none_is_the_default) {
  char path[] = "/tmp/equisorb-heads-"
                "XX"
                "XX"
                "XX";
  rename_default_head(path);
  eqs_context *c = reference_context();
  eqs_model *m = reference_model(c, path, NULL, NULL, EQS_DOUBLE);
  eqs_model_info info = {.size = sizeof info};
  cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
  cr_assert_eq(info.n_head, 3);
  cr_assert_str_eq(info.heads[1], "Sampled");
  cr_assert_null(info.head);
  const int first[2] = {0, 1}, number[1] = {6};
  const double position[3] = {0, 0, 0};
  double energy;
  eqs_systems s = {
      .size = sizeof s, .n_system = 1, .first = first, .number = number, .position = position};
  eqs_result r = {.size = sizeof r, .energy = &energy};
  cr_assert_eq(eqs_compute(c, m, &s, &r), EQS_ERR_ARGUMENT);
  cr_assert_not_null(strstr(eqs_error(), "Sampled"), "%s", eqs_error());
  eqs_model_free(&m);
  m = reference_model(c, path, "Sampled", NULL, EQS_DOUBLE);
  cr_assert_eq(eqs_compute(c, m, &s, &r), EQS_OK);
  eqs_model_free(&m);
  eqs_model_options o = {.size = sizeof o, .head = "Default"};
  cr_assert_eq(eqs_model_load(c, path, &o, &m), EQS_ERR_ARGUMENT);
  cr_assert_not_null(strstr(eqs_error(), "pt_head, Sampled, omol"), "%s", eqs_error());
  eqs_context_free(&c);
  unlink(path);
}
