/* structures.c -- the public handle of the frames of a structure file.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/locale_c.h"
#include "io/cif.h"
#include "io/elements.h"
#include "io/structure.h"
#include "io/xyz.h"

struct eqs_structures {
  structure_list list;
  int *first, *number; /* all frames, concatenated */
  double *position, *cell;
  int *pbc;
  int (*zero)[2]; /* [frames] {0, n}: `first` of one frame alone */
};

static int has_suffix(const char *path, const char *suffix) {
  size_t n = strlen(path), m = strlen(suffix);
  return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

/* An XYZ file begins with a line that is one whole number. */
static eqs_status looks_like_xyz(const char *path, int *yes) {
  FILE *file = fopen(path, "rb");
  if (!file) EQS_FAIL(EQS_ERR_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  char line[64];
  *yes = 0;
  if (fgets(line, sizeof line, file)) {
    size_t a = strspn(line, " \t"), b = strspn(line + a, "0123456789");
    *yes = b > 0 && line[a + b + strspn(line + a + b, " \t\r\n")] == 0;
  }
  fclose(file);
  return EQS_OK;
}

static eqs_status concatenate(eqs_structures *s) {
  size_t atoms = 0, frames = (size_t)s->list.n;
  for (size_t f = 0; f < frames; f++) atoms += (size_t)s->list.frame[f].n;
  if (atoms > INT_MAX) EQS_FAIL(EQS_ERR_FORMAT, "%zu atoms in one file are too many", atoms);
  EQS_TRY(alloc_array(&s->first, frames + 1, sizeof *s->first, "structures"));
  EQS_TRY(alloc_array(&s->zero, frames, sizeof *s->zero, "structures"));
  EQS_TRY(alloc_array(&s->number, atoms, sizeof *s->number, "structures"));
  EQS_TRY(alloc_array(&s->position, 3 * atoms, sizeof *s->position, "structures"));
  EQS_TRY(alloc_array(&s->cell, 9 * frames, sizeof *s->cell, "structures"));
  EQS_TRY(alloc_array(&s->pbc, 3 * frames, sizeof *s->pbc, "structures"));
  for (size_t f = 0, at = 0; f < frames; f++) {
    const structure *frame = &s->list.frame[f];
    size_t n = (size_t)frame->n;
    memcpy(s->number + at, frame->number, n * sizeof *s->number);
    memcpy(s->position + 3 * at, frame->position, 3 * n * sizeof *s->position);
    memcpy(s->cell + 9 * f, frame->cell, sizeof frame->cell);
    memcpy(s->pbc + 3 * f, frame->pbc, sizeof frame->pbc);
    at += n;
    s->first[f + 1] = (int)at;
    s->zero[f][1] = frame->n;
  }
  return EQS_OK;
}

eqs_status eqs_structures_read(const char *path, const eqs_read_options *options,
                               eqs_structures **out) {
  LOCALE_C();
  if (!path || !out) EQS_FAIL(EQS_ERR_ARGUMENT, "a path and a place for the result are needed");
  *out = NULL;
  int xyz = has_suffix(path, ".xyz") || has_suffix(path, ".extxyz");
  if (!xyz && !has_suffix(path, ".cif")) EQS_TRY(looks_like_xyz(path, &xyz));
  eqs_structures *s = calloc(1, sizeof *s);
  if (!s) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: structures");
  eqs_status status = xyz ? xyz_read(path, &s->list) : cif_read(path, options, &s->list);
  if (status == EQS_OK) status = concatenate(s);
  if (status != EQS_OK) {
    eqs_structures_free(&s);
    return status;
  }
  *out = s;
  return EQS_OK;
}

int eqs_structures_count(const eqs_structures *s) { return s ? s->list.n : 0; }

const structure *structures_frame(const eqs_structures *s, int i) {
  return s && i >= 0 && i < s->list.n ? &s->list.frame[i] : NULL;
}

const char *eqs_structures_name(const eqs_structures *s, int i) {
  const structure *frame = structures_frame(s, i);
  return frame && frame->name ? frame->name : "";
}

eqs_status eqs_structures_view(const eqs_structures *s, int i, eqs_systems *out) {
  if (!s || !out || i < -1 || i >= s->list.n)
    EQS_FAIL(EQS_ERR_ARGUMENT, "frame %d does not exist: there are %d", i, eqs_structures_count(s));
  size_t f = i < 0 ? 0 : (size_t)i, at = (size_t)s->first[f];
  *out = (eqs_systems){.size = sizeof *out,
                       .n_system = i < 0 ? s->list.n : 1,
                       .first = i < 0 ? s->first : s->zero[f],
                       .number = s->number + at,
                       .position = s->position + 3 * at,
                       .cell = s->cell + 9 * f,
                       .pbc = s->pbc + 3 * f};
  return EQS_OK;
}

void eqs_structures_free(eqs_structures **s) {
  if (!s || !*s) return;
  structure_list_free(&(*s)->list);
  free((*s)->first);
  free((*s)->number);
  free((*s)->position);
  free((*s)->cell);
  free((*s)->pbc);
  free((*s)->zero);
  free(*s);
  *s = NULL;
}

const char *eqs_element_symbol(int number) { return element_symbol(number); }

void eqs_string_free(char **s) {
  if (!s) return;
  free(*s);
  *s = NULL;
}
