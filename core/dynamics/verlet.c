/* verlet.c -- kicks and drifts of point masses.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/verlet.h"

#include <math.h>

#include "core/units.h"

void verlet_kick(int n, const double *mass, const double (*force)[3], double dt,
                 double (*velocity)[3]) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) velocity[i][k] += dt / KINETIC_EV * force[i][k] / mass[i];
}

void verlet_drift(int n, const double (*velocity)[3], double dt, double (*x)[3]) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) x[i][k] += dt * velocity[i][k];
}

double verlet_kinetic(int n, const double *mass, const double (*velocity)[3]) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) sum += mass[i] * velocity[i][k] * velocity[i][k] / 2;
  return sum;
}

void verlet_maxwell(int n, const double *mass, double temperature, const double *normal,
                    double (*velocity)[3]) {
  double kt = BOLTZMANN_EV * temperature / KINETIC_EV;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) velocity[i][k] = sqrt(kt / mass[i]) * normal[3 * i + k];
}
