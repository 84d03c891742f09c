/* engine.h -- what the rest of the library may ask of the engine beyond the public interface.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ENGINE_H
#define EQS_ENGINE_H

#include "core/status.h"

/* The dispersion part alone of energies[n], eV; zeros if the model has none. */
eqs_status engine_dispersion(eqs_context *c, const eqs_model *m, const eqs_systems *in,
                             double *energies) EQS_CHECK;

#endif
