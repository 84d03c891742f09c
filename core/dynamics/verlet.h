/* verlet.h -- the two halves of velocity Verlet for point masses: forces change velocities,
 * velocities change positions. Every integrator is made of them.
 *
 * W. Swope, H. Andersen, P. Berens, K. Wilson, J. Chem. Phys. 76, 637 (1982).
 * Units: u, angstrom, fs, eV/angstrom.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_VERLET_H
#define EQS_VERLET_H

void verlet_kick(int n, const double *mass, const double (*force)[3], double dt,
                 double (*velocity)[3]);
void verlet_drift(int n, const double (*velocity)[3], double dt, double (*x)[3]);
/* u angstrom^2/fs^2; times KINETIC_EV: eV. */
double verlet_kinetic(int n, const double *mass, const double (*velocity)[3]);
/* Velocities of the Maxwell distribution out of normal numbers [3 n]. */
void verlet_maxwell(int n, const double *mass, double temperature, const double *normal,
                    double (*velocity)[3]);

#endif
