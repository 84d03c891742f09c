/* energy_store.c -- expensive energies by the number of their pose, in memory and in a file.
 *
 * The file is a checkpoint (checkpoint.h): the count, and index and energy of each.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/energy_store.h"

#include "core/adsorption/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#define KIND       "EQSENERG"
#define FILE_LIMIT ((size_t)1 << 30)

/* ---- in memory */

static int64_t slot_of(const energy_store *s, int64_t index) {
  uint64_t hash = (uint64_t)index * 0x9E3779B97F4A7C15u;
  int64_t at = (int64_t)((hash ^ hash >> 32) & (uint64_t)(s->n_slot - 1));
  while (s->slot[at] && s->entry[s->slot[at] - 1].index != index) at = (at + 1) & (s->n_slot - 1);
  return at;
}

stored_energy *energy_store_find(const energy_store *s, int64_t index) {
  if (!s->n_slot) return NULL;
  int64_t at = s->slot[slot_of(s, index)];
  return at ? &s->entry[at - 1] : NULL;
}

static eqs_status enlarge(energy_store *s) {
  int64_t capacity = s->capacity ? 2 * s->capacity : 1024, *slot = NULL;
  stored_energy *entry = NULL;
  EQS_TRY(alloc_array(&entry, (size_t)capacity, sizeof *entry, "energies"));
  if (s->entry) memcpy(entry, s->entry, (size_t)s->n * sizeof *entry);
  free(s->entry);
  s->entry = entry;
  EQS_TRY(alloc_array(&slot, (size_t)capacity * 2, sizeof *slot, "energies"));
  free(s->slot);
  s->slot = slot;
  s->n_slot = 2 * capacity;
  s->capacity = capacity;
  for (int64_t i = 0; i < s->n; i++) s->slot[slot_of(s, s->entry[i].index)] = i + 1;
  return EQS_OK;
}

eqs_status energy_store_add(energy_store *s, int64_t index, double u) {
  if (!s->entry || s->n == s->capacity) EQS_TRY(enlarge(s));
  s->entry[s->n] = (stored_energy){.index = index, .u = u};
  s->slot[slot_of(s, index)] = s->n + 1;
  s->n++;
  return EQS_OK;
}

void energy_store_free(energy_store *s) {
  free(s->entry);
  free(s->slot);
  *s = (energy_store){0};
}

/* ---- in a file */

static eqs_status fingerprint(const char *condition, char out[65]) {
  archive a = {0};
  archive_text(&a, condition);
  eqs_status status = archive_finish(&a);
  if (status == EQS_OK) archive_fingerprint(&a, out);
  archive_free(&a);
  return status;
}

eqs_status energy_store_save(const energy_store *s, const char *path, const char *condition) {
  char digest[65];
  archive a = {0};
  int64_t n = s->n;
  EQS_TRY(fingerprint(condition, digest));
  archive_i64(&a, &n);
  for (int64_t i = 0; i < n; i++) {
    stored_energy e = s->entry[i];
    archive_i64(&a, &e.index);
    archive_f64(&a, &e.u, 1);
  }
  eqs_status status = archive_finish(&a);
  if (status == EQS_OK) status = checkpoint_write(path, KIND, digest, &a);
  archive_free(&a);
  return status;
}

static eqs_status read_entries(energy_store *s, archive *a, const char *path) {
  int64_t n = 0;
  archive_i64(a, &n);
  for (int64_t i = 0; i < n && !a->failed; i++) {
    int64_t index = -1;
    double u = 0;
    archive_i64(a, &index);
    archive_f64(a, &u, 1);
    if (index < 0 || energy_store_find(s, index))
      EQS_FAIL(EQS_ERR_FORMAT, "%s is damaged; delete it to start afresh", path);
    EQS_TRY(energy_store_add(s, index, u));
  }
  return archive_finish(a);
}

eqs_status energy_store_load(energy_store *s, const char *path, const char *condition) {
  char digest[65];
  archive a = {0};
  int found = 0;
  EQS_TRY(fingerprint(condition, digest));
  EQS_TRY(checkpoint_read(path, KIND, digest, FILE_LIMIT, &a, &found));
  eqs_status status = found ? read_entries(s, &a, path) : EQS_OK;
  archive_free(&a);
  return status;
}
