/* model_force.h -- a model as the force behind dynamics and minimisers.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MODEL_FORCE_H
#define EQS_MODEL_FORCE_H

#include "core/equisorb.h"

typedef struct model_force {
  eqs_context *c;
  const eqs_model *m;
  eqs_systems systems; /* numbers and pbc of the one system */
} model_force;

/* A dynamics_force; context is a model_force. */
eqs_status model_force_evaluate(void *context, int n, const double (*x)[3], const double cell[9],
                                double *energy, double (*force)[3], double stress[9]) EQS_CHECK;
/* Frame i as one system that the force points into, and its masses [n] (u), freed by the caller. */
eqs_status model_force_open(model_force *f, eqs_context *c, const eqs_model *m,
                            const eqs_structures *frames, int i, double **mass) EQS_CHECK;

#endif
