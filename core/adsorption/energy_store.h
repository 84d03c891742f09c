/* energy_store.h -- expensive energies by the number of their pose, in memory and in a file.
 *
 * A sampling run is a pure function of its settings and of these energies, so a run that was
 * stopped is continued to the same bits by starting it again with the energies it had.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ENERGY_STORE_H
#define EQS_ENERGY_STORE_H

#include "core/status.h"

typedef struct stored_energy {
  int64_t index; /* >= 0 */
  double u;      /* eV; NAN and infinities are values like others */
  int used;      /* the caller's; not in the file */
} stored_energy;

/* Start from a zeroed struct. */
typedef struct energy_store {
  stored_energy *entry; /* [n] in the order they came */
  int64_t n, capacity;
  int64_t *slot; /* open addressing: entry + 1, 0 = free */
  int64_t n_slot;
} energy_store;

/* NULL if it is not there; valid until the next energy_store_add. */
stored_energy *energy_store_find(const energy_store *s, int64_t index);
/* index must not be there yet. EQS_ERR_MEMORY. */
eqs_status energy_store_add(energy_store *s, int64_t index, double u) EQS_CHECK;
void energy_store_free(energy_store *s);

/* Replaces the file or leaves the old one. `condition` is any text that says what the energies
 * belong to. EQS_ERR_FILE, EQS_ERR_MEMORY. */
eqs_status energy_store_save(const energy_store *s, const char *path,
                             const char *condition) EQS_CHECK;
/* Adds what the file holds; no file is no error. EQS_ERR_FORMAT: damaged. EQS_ERR_ARGUMENT: of
 * another condition. */
eqs_status energy_store_load(energy_store *s, const char *path, const char *condition) EQS_CHECK;

#endif
