/* barostat.h -- stochastic cell rescaling, as pieces of a step.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_BAROSTAT_H
#define EQS_BAROSTAT_H

#include "core/dynamics/dynamics.h"

/* Sum of m v (x) v over the atoms here, u angstrom^2/fs^2. */
void barostat_flow(const dynamics *d, double flow[9]);
/* Pressure tensor, eV/angstrom^3, from that of all atoms: kinetic part minus stress; a total
 * momentum that is held at zero counts with its mean, kT/V. Of rigid bodies it is right where they
 * are. */
void barostat_pressure(const dynamics *d, const double flow[9], double out[9]);
/* Draws this step's strain from the state as it is: where positions and forces belong together. */
eqs_status barostat_draw(dynamics *d) EQS_CHECK;
/* Applies it to cell and positions, and its inverse to velocities. */
eqs_status barostat_scale(dynamics *d) EQS_CHECK;
/* Half of the work against the stress; before the scaling and after the next forces. */
void barostat_work(dynamics *d);

#endif
