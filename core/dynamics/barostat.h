/* barostat.h -- stochastic cell rescaling, as pieces of a step.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_BAROSTAT_H
#define EQS_BAROSTAT_H

#include "core/dynamics/dynamics.h"

/* Pressure tensor, eV/angstrom^3: kinetic part minus stress; a total momentum that is held at zero
 * counts with its mean, kT/V. */
void barostat_pressure(const dynamics *d, double out[9]);
/* Draws this step's strain from the state as it is: where positions and forces belong together. */
eqs_status barostat_draw(dynamics *d) EQS_CHECK;
/* Applies it to cell and positions, and its inverse to velocities. */
void barostat_scale(dynamics *d);
/* Half of the work against the stress; before the scaling and after the next forces. */
void barostat_work(dynamics *d);

#endif
