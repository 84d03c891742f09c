/* atoms.c -- the public interface to isolated atoms and to the making of walls.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "io/whole_file.h"
#include "potentials/atom.h"
#include "potentials/wall_make.h"

static const double hartree_ev = 27.211386245988; /* CODATA 2018 */

static void set_results(const atom *a, eqs_atom *out) {
  out->number = a->z;
  out->spins = a->spins;
  out->iterations = a->iterations;
  out->total = a->total * hartree_ev;
  out->kinetic = a->kinetic * hartree_ev;
  out->hartree = a->hartree * hartree_ev;
  out->nuclear = a->nuclear * hartree_ev;
  out->xc = a->xc * hartree_ev;
  out->n_orbital = a->n_orbital;
  for (int k = 0; k < a->n_orbital; k++) {
    out->orbital[k].n = a->orbital[k].n;
    out->orbital[k].l = a->orbital[k].l;
    for (int s = 0; s < 2; s++) {
      double occupation = a->orbital[k].occupation[s];
      out->orbital[k].occupation[s] = occupation;
      out->orbital[k].energy[s] = occupation > 0 ? a->orbital[k].energy[s] * hartree_ev : 0;
    }
  }
}

eqs_status eqs_atom_compute(const eqs_atom_options *options, int number, eqs_atom *out) {
  _Static_assert((int)EQS_ATOM_ORBITALS == (int)ATOM_ORBITALS, "one number of orbitals");
  if (!options || options->size != sizeof *options || !out || out->size != sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "options and atom: set their size first");
  functional *f;
  atom a;
  EQS_TRY(functional_open(options->functional ? options->functional : "PBE", 0, &f));
  atom_options o = {.functional = f,
                    .light = options->relativistic ? ATOM_LIGHT : 0,
                    .polarised = options->polarised};
  eqs_status status = atom_solve(number, &o, &a);
  if (status == EQS_OK) {
    snprintf(out->functional, sizeof out->functional, "%s", functional_name(f));
    set_results(&a, out);
    atom_free(&a);
  }
  functional_free(&f);
  return status;
}

eqs_status eqs_walls_write(const eqs_walls_options *options, const char *path,
                           eqs_walls_watch watch, void *user) {
  if (!options || options->size != sizeof *options || !path)
    EQS_FAIL(EQS_ERR_ARGUMENT, "options of the walls: set their size, and name the file");
  if (options->elements < 0 || options->knots < 0 || options->threads < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "numbers of elements, knots and threads are not negative");
  wall_settings s = {.functional = options->functional,
                     .kinetic = options->kinetic,
                     .relativistic = !options->nonrelativistic,
                     .last = options->elements,
                     .knots = options->knots,
                     .threads = options->threads};
  char *text;
  size_t n;
  EQS_TRY(wall_make(&s, watch, user, &text, &n));
  eqs_status status = whole_file_write(path, text, n);
  free(text);
  return status;
}
