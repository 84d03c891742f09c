/* model_energy.h -- guests in a framework by a force field, through local changes of one system.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MODEL_ENERGY_H
#define EQS_MODEL_ENERGY_H

#include "core/adsorption/energy.h"
#include "core/adsorption/framework.h"

/* Energy of the molecule alone, eV, open boundaries, with its atoms at x: g->position, or
 * g->reference_position. Errors of the model. */
eqs_status model_energy_of_gas(eqs_context *c, const eqs_model *m, const gas *g,
                               const double (*x)[3], double *energy) EQS_CHECK;

/* The empty box host->box with guests of the given gases to come. Closer to the framework or
 * to another guest than where the wall exceeds overlap_energy (eV; overlap_open) is an overlap that
 * the model is not asked about. Context, model and host must outlive *out. Errors as
 * eqs_local_open, and EQS_ERR_DIVERGED: a gas without a finite energy. */
eqs_status model_energy_open(eqs_context *c, const eqs_model *m, const framework *host,
                             int n_component, const gas *gases, double overlap_energy,
                             guest_energy **out) EQS_CHECK;

#endif
