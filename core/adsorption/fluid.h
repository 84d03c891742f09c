/* fluid.h -- the bulk gas outside: fugacity and density by the Peng-Robinson equation of state.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FLUID_H
#define EQS_FLUID_H

#include "core/status.h"

enum { FLUID_MAX = 8 }; /* components of a mixture */

#define PER_ANGSTROM 6.02214076e-7 /* molecules in an angstrom^3 at 1 mol/m^3 */

typedef struct fluid {
  const char *name;
  double critical_temperature; /* K */
  double critical_pressure;    /* Pa */
  double acentric;
} fluid;

typedef struct fluid_state {
  double z;                   /* compressibility P / (rho R T) of the stable phase */
  double density;             /* mol/m^3 */
  double phi[FLUID_MAX];      /* fugacity coefficients */
  double fugacity[FLUID_MAX]; /* Pa: phi y P */
  int roots;                  /* of the equation; above 1 another phase exists, stable or not */
} fluid_state;

/* CO2, N2, CH4, H2O, Ar, He (case ignored). EQS_ERR_ARGUMENT: not known. */
eqs_status fluid_find(const char *name, fluid *out) EQS_CHECK;

/* n components with mole fractions y, which must add up to 1 within 1e-6 and are then normalised;
 * k: [n][n] binary interaction parameters, symmetric with a zero diagonal, NULL = all zero.
 * temperature K, pressure Pa. EQS_ERR_ARGUMENT: values out of range. EQS_ERR_DIVERGED: no root. */
eqs_status fluid_solve(int n, const fluid *part, const double *y, const double *k,
                       double temperature, double pressure, fluid_state *out) EQS_CHECK;

/* The equation's second virial coefficient, b - a / (R T), m^3/mol: ln phi -> B P / (R T) for a
 * pure gas at low pressure. The same arguments and errors. */
eqs_status fluid_second_virial(int n, const fluid *part, const double *y, const double *k,
                               double temperature, double *out) EQS_CHECK;

#endif
