/* structures.h -- reads bytes as CIF or extended XYZ and checks what comes out, for the fuzzers and
 * for the replay of their inputs.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FUZZ_STRUCTURES_H
#define EQS_FUZZ_STRUCTURES_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/cif.h"
#include "io/xyz.h"

/* A reader gives frames of atoms at finite places, or a message that names the file. */
static inline void structures_check(eqs_status status, const structure_list *list) {
  if (status != EQS_OK) {
    if (!strstr(eqs_error(), "fuzz.in")) abort();
    return;
  }
  if (list->n < 1) abort();
  for (int f = 0; f < list->n; f++) {
    const structure *s = &list->frame[f];
    if (s->n < 1 || s->n > STRUCTURE_MAX_ATOMS) abort();
    for (int k = 0; k < 9; k++)
      if (!isfinite(s->cell[k])) abort();
    for (int i = 0; i < s->n; i++)
      if (s->number[i] < 1 || !isfinite(s->position[i][0] + s->position[i][1] + s->position[i][2]))
        abort();
  }
}

static inline void structures_cif(const uint8_t *bytes, size_t n) {
  for (int major = 0; major < 2; major++) {
    eqs_read_options o = {.size = sizeof o, .disorder_major = major};
    structure_list list = {0};
    structures_check(cif_read_memory((const char *)bytes, n, "fuzz.in", &o, &list), &list);
    structure_list_free(&list);
  }
}

static inline void structures_xyz(const uint8_t *bytes, size_t n) {
  structure_list list = {0};
  structures_check(xyz_read_memory((const char *)bytes, n, "fuzz.in", &list), &list);
  structure_list_free(&list);
}

#endif
