/* insertion.c -- U = sum_framework (e_i' - e_i) + sum_guest e_i - E(gas), as local changes of the
 * empty framework.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/insertion.h"

#include "io/elements.h"

#include <math.h>
#include <stdlib.h>

#define CONTACT_REACH 5.0 /* angstrom: beyond it a hole's contact is of no interest */

eqs_status insertion_gas_energy(eqs_context *c, const eqs_model *m, const gas *g,
                                const double (*x)[3], double *energy) {
  const int first[2] = {0, g->n};
  eqs_systems in = {
      .size = sizeof in, .n_system = 1, .first = first, .number = g->number, .position = x[0]};
  eqs_result out = {.size = sizeof out, .energy = energy};
  return eqs_compute(c, m, &in, &out);
}

static eqs_status build_contacts(insertion *in) {
  const structure *cell = &in->host->cell;
  for (int j = 0; j < in->molecule.n; j++)
    in->site_radius[j] = element_radius(in->molecule.number[j]);
  return contacts_of_elements(&in->contacts, cell->n, cell->position[0], cell->number, cell->cell);
}

eqs_status insertion_open(insertion *in) {
  int first[2];
  size_t n = (size_t)(in->batch = in->batch > 1 ? in->batch : 1);
  eqs_systems s = structure_view(&in->host->box, first);
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(build_contacts(in));
  EQS_TRY_DONE(alloc_array(&in->changes, n, sizeof *in->changes, "a batch"));
  EQS_TRY_DONE(alloc_array(&in->position, n, sizeof *in->position, "a batch"));
  EQS_TRY_DONE(eqs_local_open(in->context, in->model, &s, &in->local));
done:
  if (status != EQS_OK) insertion_close(in);
  return status;
}

void insertion_close(insertion *in) {
  contacts_free(&in->contacts);
  eqs_local_free(&in->local);
  free(in->changes);
  free(in->position);
  in->changes = NULL;
  in->position = NULL;
}

eqs_status insertion_energy(void *context, int n_pose, const pose *poses, double *u) {
  insertion *in = context;
  for (int done = 0, n; done < n_pose; done += n) {
    n = n_pose - done < in->batch ? n_pose - done : in->batch;
    for (int i = 0; i < n; i++) {
      pose_place(poses + done + i, &in->molecule, in->position[i]);
      in->changes[i] = (eqs_change){.n_insert = in->molecule.n,
                                    .number = in->molecule.number,
                                    .position = in->position[i][0]};
    }
    EQS_TRY(eqs_local_try(in->local, n, in->changes, u + done));
    for (int i = 0; i < n; i++) u[done + i] -= in->gas_energy;
  }
  return EQS_OK;
}

int insertion_overlap(void *context, const pose *p) {
  const insertion *in = context;
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &in->molecule, x);
  return contacts_overlap(&in->contacts, in->molecule.n, (const double(*)[3])x, in->site_radius,
                          in->overlap_share);
}

double insertion_contact(void *context, const pose *p) {
  const insertion *in = context;
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &in->molecule, x);
  return contacts_shortest(&in->contacts, in->molecule.n, (const double(*)[3])x, CONTACT_REACH);
}
