/* xyz_write.c -- extended XYZ out of a batch and its results, 17 significant digits.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/locale_c.h"
#include "core/status.h"
#include "io/elements.h"
#include "io/whole_file.h"
#include "io/xyz.h"

static void write_row(FILE *file, const char *separator, const double *x, int n) {
  for (int k = 0; k < n; k++) fprintf(file, "%s%.17g", k ? " " : separator, x[k]);
}

static void write_comment(FILE *file, const eqs_systems *systems, const eqs_result *result,
                          const xyz_extra *extra, size_t f) {
  const double *cell = systems->cell ? systems->cell + 9 * f : NULL;
  const int *pbc = systems->pbc ? systems->pbc + 3 * f : NULL;
  int any = 0;
  for (int k = 0; k < 9 && cell; k++) any = any || cell[k] != 0.0;
  if (any) {
    fprintf(file, "Lattice=\"");
    write_row(file, "", cell, 9);
    fprintf(file, "\" ");
  }
  fprintf(file, "Properties=species:S:1:pos:R:3%s%s%s%s", result->forces ? ":forces:R:3" : "",
          result->energies ? ":energies:R:1" : "", result->novelty ? ":novelty:R:1" : "",
          extra->momenta ? ":momenta:R:3" : "");
  if (result->energy) write_row(file, " energy=", result->energy + f, 1);
  if (result->uncertainty) write_row(file, " uncertainty=", result->uncertainty + f, 1);
  if (result->stress) {
    fprintf(file, " stress=\"");
    write_row(file, "", result->stress + 9 * f, 9);
    fprintf(file, "\"");
  }
  if (extra->info) fprintf(file, " %s", extra->info);
  fprintf(file, " pbc=\"%c %c %c\"\n", pbc && pbc[0] ? 'T' : 'F', pbc && pbc[1] ? 'T' : 'F',
          pbc && pbc[2] ? 'T' : 'F');
}

void xyz_write_frames(FILE *file, const eqs_systems *systems, const eqs_result *result,
                      const xyz_extra *extra) {
  for (size_t f = 0; f < (size_t)systems->n_system; f++) {
    fprintf(file, "%d\n", systems->first[f + 1] - systems->first[f]);
    write_comment(file, systems, result, extra, f);
    for (size_t i = (size_t)systems->first[f]; i < (size_t)systems->first[f + 1]; i++) {
      fprintf(file, "%-2s", element_symbol(systems->number[i]));
      write_row(file, " ", systems->position + 3 * i, 3);
      if (result->forces) write_row(file, " ", result->forces + 3 * i, 3);
      if (result->energies) write_row(file, " ", result->energies + i, 1);
      if (result->novelty) write_row(file, " ", result->novelty + i, 1);
      if (extra->momenta) write_row(file, " ", extra->momenta + 3 * i, 3);
      fprintf(file, "\n");
    }
  }
}

eqs_status eqs_extxyz_write(const char *path, int append, const eqs_systems *systems,
                            const eqs_result *result) {
  LOCALE_C();
  static const eqs_result none = {.size = sizeof none};
  if (!path || !systems || systems->n_system < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a path and a batch of systems are needed");
  if (systems->memory || (result && result->memory))
    EQS_FAIL(EQS_ERR_ARGUMENT, "arrays in device memory cannot be written");
  for (int i = 0; systems->n_system > 0 && i < systems->first[systems->n_system]; i++)
    if (!element_symbol(systems->number[i])[0])
      EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d has the atomic number %d", i + 1, systems->number[i]);
  whole_file w = {.path = path};
  if (!append || strcmp(path, "-") == 0) EQS_TRY(whole_file_open(&w, path));
  else if (!(w.file = fopen(path, "ab")))
    EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
  xyz_write_frames(w.file, systems, result ? result : &none, &(xyz_extra){.info = NULL});
  return whole_file_close(&w, EQS_OK);
}
