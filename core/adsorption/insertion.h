/* insertion.h -- insertion energies of a rigid molecule from a force field, many poses per call.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_INSERTION_H
#define EQS_INSERTION_H

#include "core/adsorption/contact.h"
#include "core/adsorption/framework.h"
#include "core/adsorption/pose.h"

typedef struct insertion {
  eqs_context *context;
  const eqs_model *model;
  gas molecule;
  double site_radius[GAS_MAX_ATOMS]; /* covalent, angstrom */
  double gas_energy;                 /* eV, of the isolated molecule by the same model */
  double overlap_share;              /* of the sum of covalent radii: closer is an overlap */
  const framework *host;
  contacts contacts;   /* to the host's cell */
  int batch;           /* poses per evaluation */
  eqs_local *local;    /* the empty framework */
  eqs_change *changes; /* [batch] */
  double (*position)[GAS_MAX_ATOMS][3];
} insertion;

/* Energy of the molecule alone, eV, open boundaries, with its atoms at x: g->position, or
 * g->reference_position. */
eqs_status insertion_gas_energy(eqs_context *c, const eqs_model *m, const gas *g,
                                const double (*x)[3], double *energy) EQS_CHECK;
/* Fills the rest of *in from context, model, molecule, gas_energy, overlap_share, host and batch,
 * and evaluates the empty framework. */
eqs_status insertion_open(insertion *in) EQS_CHECK;
void insertion_close(insertion *in);

/* Callbacks of widom.h; the context is the insertion. */
eqs_status insertion_energy(void *in, int n_pose, const pose *poses, double *u) EQS_CHECK;
int insertion_overlap(void *in, const pose *p);
double insertion_contact(void *in, const pose *p);

#endif
