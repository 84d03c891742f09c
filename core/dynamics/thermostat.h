/* thermostat.h -- what keeps the temperature, as pieces of a step.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_THERMOSTAT_H
#define EQS_THERMOSTAT_H

#include "core/dynamics/dynamics.h"

/* kT, eV. */
double thermostat_kt(const dynamics *d);
/* Friction and noise for a whole step, between two halves of the drift (Langevin). */
eqs_status thermostat_friction(dynamics *d) EQS_CHECK;
/* Rescales to a kinetic energy drawn for a whole step (CSVR). */
eqs_status thermostat_rescale(dynamics *d) EQS_CHECK;
/* Half a step of the chain (Nose and Hoover), and what the chain holds, eV. */
eqs_status thermostat_chain(dynamics *d) EQS_CHECK;
double thermostat_chain_energy(const dynamics *d);

#endif
