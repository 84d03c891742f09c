/* insertion.c -- U = sum_framework (e_i' - e_i) + sum_guest e_i - E(gas), one batch of boxes per
 * call.
 *
 * Totals are thousands of eV and kT is 0.026 eV, so differences are taken atom by atom in double
 * and summed then: atoms that do not feel the guest contribute nothing, in either precision.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/insertion.h"

#include "io/elements.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONTACT_REACH 5.0 /* angstrom: beyond it a hole's contact is of no interest */

eqs_status insertion_gas_energy(eqs_context *c, const eqs_model *m, const gas *g,
                                const double (*x)[3], double *energy) {
  const int first[2] = {0, g->n};
  eqs_systems in = {
      .size = sizeof in, .n_system = 1, .first = first, .number = g->number, .position = x[0]};
  eqs_result out = {.size = sizeof out, .energy = energy};
  return eqs_compute(c, m, &in, &out);
}

static eqs_status empty_framework(insertion *in) {
  int first[2];
  eqs_systems s = structure_view(&in->host->box, first);
  eqs_result out = {.size = sizeof out, .energies = in->base};
  return eqs_compute(in->context, in->model, &s, &out);
}

/* Everything in a batch that no pose changes. */
static void fill_batch(insertion *in) {
  const structure *box = &in->host->box;
  size_t n = (size_t)box->n, m = (size_t)in->molecule.n;
  for (size_t b = 0; b < (size_t)in->batch; b++) {
    size_t at = b * (n + m);
    in->first[b] = (int)at;
    memcpy(in->number + at, box->number, n * sizeof *in->number);
    memcpy(in->number + at + n, in->molecule.number, m * sizeof *in->number);
    memcpy(in->position + 3 * at, box->position, 3 * n * sizeof *in->position);
    memcpy(in->cell + 9 * b, box->cell, sizeof box->cell);
    memcpy(in->pbc + 3 * b, box->pbc, sizeof box->pbc);
  }
  in->first[in->batch] = (int)((size_t)in->batch * (n + m));
}

static eqs_status build_contacts(insertion *in) {
  const structure *cell = &in->host->cell;
  double *radius = NULL;
  EQS_TRY(alloc_array(&radius, (size_t)cell->n, sizeof *radius, "radii"));
  for (int i = 0; i < cell->n; i++) radius[i] = element_radius(cell->number[i]);
  for (int j = 0; j < in->molecule.n; j++)
    in->site_radius[j] = element_radius(in->molecule.number[j]);
  eqs_status status =
      contacts_build(&in->contacts, cell->n, &cell->position[0][0], radius, cell->cell);
  free(radius);
  return status;
}

eqs_status insertion_open(insertion *in, int batch_atoms) {
  int atoms = in->host->box.n + in->molecule.n;
  in->batch = batch_atoms / atoms > 1 ? batch_atoms / atoms : 1;
  size_t b = (size_t)in->batch, n = b * (size_t)atoms;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(build_contacts(in));
  EQS_TRY_DONE(alloc_array(&in->base, (size_t)in->host->box.n, sizeof *in->base, "energies"));
  EQS_TRY_DONE(alloc_array(&in->first, b + 1, sizeof *in->first, "a batch"));
  EQS_TRY_DONE(alloc_array(&in->number, n, sizeof *in->number, "a batch"));
  EQS_TRY_DONE(alloc_array(&in->position, 3 * n, sizeof *in->position, "a batch"));
  EQS_TRY_DONE(alloc_array(&in->cell, 9 * b, sizeof *in->cell, "a batch"));
  EQS_TRY_DONE(alloc_array(&in->pbc, 3 * b, sizeof *in->pbc, "a batch"));
  EQS_TRY_DONE(alloc_array(&in->energies, n, sizeof *in->energies, "a batch"));
  fill_batch(in);
  EQS_TRY_DONE(empty_framework(in));
done:
  if (status != EQS_OK) insertion_close(in);
  return status;
}

void insertion_close(insertion *in) {
  contacts_free(&in->contacts);
  free(in->base);
  free(in->first);
  free(in->number);
  free(in->position);
  free(in->cell);
  free(in->pbc);
  free(in->energies);
  in->base = in->position = in->cell = in->energies = NULL;
  in->first = in->number = in->pbc = NULL;
}

static eqs_status evaluate(insertion *in, int n_pose, const pose *poses, double *u) {
  size_t n = (size_t)in->host->box.n, m = (size_t)in->molecule.n;
  for (size_t b = 0; b < (size_t)n_pose; b++) {
    double x[GAS_MAX_ATOMS][3];
    pose_place(&poses[b], &in->molecule, x);
    memcpy(in->position + 3 * (b * (n + m) + n), x, 3 * m * sizeof(double));
  }
  eqs_systems s = {.size = sizeof s,
                   .n_system = n_pose,
                   .first = in->first,
                   .number = in->number,
                   .position = in->position,
                   .cell = in->cell,
                   .pbc = in->pbc};
  eqs_result out = {.size = sizeof out, .energies = in->energies};
  EQS_TRY(eqs_compute(in->context, in->model, &s, &out));
  for (size_t b = 0; b < (size_t)n_pose; b++) {
    const double *e = in->energies + b * (n + m);
    double sum = -in->gas_energy;
    for (size_t i = 0; i < n; i++) sum += e[i] - in->base[i];
    for (size_t i = n; i < n + m; i++) sum += e[i];
    u[b] = sum;
  }
  return EQS_OK;
}

eqs_status insertion_energy(void *context, int n_pose, const pose *poses, double *u) {
  insertion *in = context;
  for (int done = 0; done < n_pose;) {
    int n = n_pose - done < in->batch ? n_pose - done : in->batch;
    eqs_status status = evaluate(in, n, poses + done, u + done);
    if (status == EQS_ERR_DIVERGED) { /* find out which poses have no finite energy */
      for (int i = done; i < done + n; i++) {
        status = evaluate(in, 1, poses + i, u + i);
        if (status == EQS_ERR_DIVERGED) u[i] = NAN;
        else if (status != EQS_OK) return status;
      }
    } else if (status != EQS_OK) {
      return status;
    }
    done += n;
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
