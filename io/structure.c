/* structure.c -- the memory of a structure, its cell, mass and formula.
 * Bonds and contacts are in structure_bonds.c.
 * SPDX-License-Identifier: MIT */
#include "io/structure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"
#include "io/elements.h"

static const double gram_per_cm3 = 1.66053906660; /* u/angstrom^3 in g/cm3, CODATA 2018 */
static const double degree = 3.14159265358979323846 / 180.0;

void structure_free(structure *s) {
  if (!s) return;
  for (int i = 0; i < s->n_warning; i++) free(s->warning[i]);
  free(s->warning);
  free(s->name);
  free(s->number);
  free(s->position);
  free(s->charge);
  free(s->velocity);
  *s = (structure){0};
}

static eqs_status reserve(structure *s, int n) {
  if (n <= s->capacity) return EQS_OK;
  if (n > STRUCTURE_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_FORMAT, "more than %d atoms in one structure", (int)STRUCTURE_MAX_ATOMS);
  int capacity = s->capacity < 64 ? 64 : 2 * s->capacity;
  if (capacity < n) capacity = n;
  size_t m = (size_t)capacity;
  int *number = realloc(s->number, m * sizeof *number);
  if (number) s->number = number;
  double(*position)[3] = realloc(s->position, m * sizeof *position);
  if (position) s->position = position;
  double *charge = realloc(s->charge, m * sizeof *charge);
  if (charge) s->charge = charge;
  if (!number || !position || !charge)
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu atoms of a structure", m);
  s->capacity = capacity;
  return EQS_OK;
}

eqs_status structure_set_velocity(structure *s, const double velocity[3]) {
  if (s->n > s->n_velocity) {
    int room = s->n > s->capacity ? s->n : s->capacity;
    double(*grown)[3] = realloc(s->velocity, (size_t)room * sizeof *grown);
    if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: velocities of a structure");
    s->velocity = grown;
    s->n_velocity = room;
  }
  memcpy(s->velocity[s->n - 1], velocity, sizeof s->velocity[0]);
  return EQS_OK;
}

eqs_status structure_append(structure *s, int number, const double position[3], double charge) {
  EQS_TRY(reserve(s, s->n + 1));
  s->number[s->n] = number;
  memcpy(s->position[s->n], position, sizeof s->position[0]);
  s->charge[s->n] = charge;
  s->n++;
  return EQS_OK;
}

void structure_drop_charges(structure *s) {
  free(s->charge);
  s->charge = NULL;
  s->capacity = 0; /* a later append starts over with a full set of arrays */
}

eqs_status structure_set_name(structure *s, const char *name) {
  char *copy = strdup(name);
  if (!copy) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: name of a structure");
  free(s->name);
  s->name = copy;
  return EQS_OK;
}

eqs_status structure_warn(structure *s, const char *format, ...) {
  if (s->n_warning >= STRUCTURE_MAX_WARNINGS) return EQS_OK;
  char text[600];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  char **list = realloc(s->warning, (size_t)(s->n_warning + 1) * sizeof *list);
  if (list) s->warning = list;
  char *copy = list ? strdup(text) : NULL;
  if (!copy) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: warnings of a structure");
  s->warning[s->n_warning++] = copy;
  return EQS_OK;
}

eqs_status structure_copy(const structure *s, structure *out) {
  *out = (structure){0};
  eqs_status status = EQS_OK;
  memcpy(out->cell, s->cell, sizeof out->cell);
  memcpy(out->pbc, s->pbc, sizeof out->pbc);
  if (s->name) EQS_TRY_DONE(structure_set_name(out, s->name));
  EQS_TRY_DONE(reserve(out, s->n));
  for (int i = 0; i < s->n; i++)
    EQS_TRY_DONE(
        structure_append(out, s->number[i], s->position[i], s->charge ? s->charge[i] : 0.0));
  if (!s->charge) structure_drop_charges(out);
  if (s->velocity && s->n) {
    EQS_TRY_DONE(alloc_array(&out->velocity, (size_t)s->n, sizeof *out->velocity, "velocities"));
    memcpy(out->velocity, s->velocity, (size_t)s->n * sizeof *out->velocity);
    out->n_velocity = s->n;
  }
  for (int i = 0; i < s->n_warning; i++) EQS_TRY_DONE(structure_warn(out, "%s", s->warning[i]));
done:
  if (status != EQS_OK) structure_free(out);
  return status;
}

eqs_status structure_from_systems(const eqs_systems *systems, int i, structure *out) {
  *out = (structure){0};
  if (i < 0 || i >= systems->n_system)
    EQS_FAIL(EQS_ERR_ARGUMENT, "system %d of %d does not exist", i + 1, systems->n_system);
  eqs_status status = EQS_OK;
  if (systems->cell) memcpy(out->cell, systems->cell + 9 * (size_t)i, sizeof out->cell);
  if (systems->pbc) memcpy(out->pbc, systems->pbc + 3 * (size_t)i, sizeof out->pbc);
  for (int k = systems->first[i]; k < systems->first[i + 1]; k++)
    EQS_TRY_DONE(structure_append(out, systems->number[k], systems->position + 3 * (size_t)k, 0.0));
  structure_drop_charges(out);
done:
  if (status != EQS_OK) structure_free(out);
  return status;
}

eqs_systems structure_view(const structure *s, int first[2]) {
  first[0] = 0;
  first[1] = s->n;
  return (eqs_systems){.size = sizeof(eqs_systems),
                       .n_system = 1,
                       .first = first,
                       .number = s->number,
                       .position = (const double *)s->position,
                       .cell = s->cell,
                       .pbc = s->pbc};
}

int structure_is_periodic(const structure *s) { return s->pbc[0] || s->pbc[1] || s->pbc[2]; }

double structure_mass(const structure *s) {
  double mass = 0.0;
  for (int i = 0; i < s->n; i++) mass += element_mass(s->number[i]);
  return mass;
}

double structure_net_charge(const structure *s) {
  double sum = 0.0;
  for (int i = 0; s->charge && i < s->n; i++) sum += s->charge[i];
  return sum;
}

double structure_density(const structure *s) {
  double volume = fabs(cell_volume(s->cell));
  if (!s->pbc[0] || !s->pbc[1] || !s->pbc[2] || volume <= 0.0) return 0.0;
  return structure_mass(s) / volume * gram_per_cm3;
}

static double dot(const double *a, const double *b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static double angle(const double *a, const double *b) {
  double norm = sqrt(dot(a, a) * dot(b, b));
  double c = norm > 0.0 ? dot(a, b) / norm : 0.0;
  return acos(c > 1.0 ? 1.0 : c < -1.0 ? -1.0 : c) / degree;
}

void structure_cell_parameters(const double cell[9], double out[6]) {
  for (int k = 0; k < 3; k++) out[k] = sqrt(dot(cell + 3 * k, cell + 3 * k));
  out[3] = angle(cell + 3, cell + 6);
  out[4] = angle(cell, cell + 6);
  out[5] = angle(cell, cell + 3);
}

/* Exact for the angles that crystals have, so that right angles stay right. */
static double cosine(double angle_degrees) {
  if (angle_degrees == 90.0) return 0.0;
  if (angle_degrees == 60.0) return 0.5;
  if (angle_degrees == 120.0) return -0.5;
  return cos(angle_degrees * degree);
}

eqs_status structure_cell_from_parameters(const double p[6], double cell[9]) {
  for (int k = 0; k < 3; k++) {
    if (!(p[k] >= 0.1 && p[k] <= 10000.0))
      EQS_FAIL(EQS_ERR_FORMAT, "cell length %c = %g is not between 0.1 and 10000 angstrom", 'a' + k,
               p[k]);
    if (!(p[k + 3] >= 1.0 && p[k + 3] <= 179.0))
      EQS_FAIL(EQS_ERR_FORMAT, "cell angle %s = %g is not between 1 and 179 degrees",
               k == 0   ? "alpha"
               : k == 1 ? "beta"
                        : "gamma",
               p[k + 3]);
  }
  double ca = cosine(p[3]), cb = cosine(p[4]), cg = cosine(p[5]);
  double sg = p[5] == 90.0 ? 1.0 : sqrt(1.0 - cg * cg);
  double cy = (ca - cb * cg) / sg;
  double cz2 = 1.0 - cb * cb - cy * cy;
  if (!(cz2 > 1e-6))
    EQS_FAIL(EQS_ERR_FORMAT, "cell angles %g %g %g enclose no volume", p[3], p[4], p[5]);
  const double rows[9] = {p[0], 0.0,       0.0,       p[1] * cg,       p[1] * sg,
                          0.0,  p[2] * cb, p[2] * cy, p[2] * sqrt(cz2)};
  memcpy(cell, rows, sizeof rows);
  return EQS_OK;
}

static size_t add_text(char *out, size_t size, size_t used, const char *symbol, int count) {
  int n = count > 1 ? snprintf(out + used, size - used, "%s%d", symbol, count)
                    : snprintf(out + used, size - used, "%s", symbol);
  return n > 0 && (size_t)n < size - used ? used + (size_t)n : size - 1;
}

static int by_symbol(const void *a, const void *b) {
  return strcmp(element_symbol(*(const int *)a), element_symbol(*(const int *)b));
}

void structure_formula(const structure *s, const int *atoms, int n, char *out, size_t size) {
  int count[ELEMENT_MAX + 1] = {0}, order[ELEMENT_MAX];
  size_t used = 0;
  if (size == 0) return;
  out[0] = 0;
  for (int i = 0; i < (atoms ? n : s->n); i++) {
    int z = s->number[atoms ? atoms[i] : i];
    if (z >= 1 && z <= ELEMENT_MAX) count[z]++;
  }
  if (count[6]) {
    used = add_text(out, size, used, "C", count[6]);
    if (count[1]) used = add_text(out, size, used, "H", count[1]);
    count[6] = count[1] = 0;
  }
  for (int z = 0; z < ELEMENT_MAX; z++) order[z] = z + 1;
  qsort(order, ELEMENT_MAX, sizeof *order, by_symbol);
  for (int k = 0; k < ELEMENT_MAX; k++)
    if (count[order[k]])
      used = add_text(out, size, used, element_symbol(order[k]), count[order[k]]);
}

eqs_status structure_list_add(structure_list *list, structure **out) {
  if (list->n == list->capacity) {
    int capacity = list->capacity ? 2 * list->capacity : 4;
    structure *frame = NULL;
    if (list->n < 100000000) frame = realloc(list->frame, (size_t)capacity * sizeof *frame);
    if (!frame) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %d frames", capacity);
    list->frame = frame;
    list->capacity = capacity;
  }
  *out = &list->frame[list->n++];
  **out = (structure){0};
  return EQS_OK;
}

void structure_list_free(structure_list *list) {
  for (int i = 0; i < list->n; i++) structure_free(&list->frame[i]);
  free(list->frame);
  *list = (structure_list){0};
}
