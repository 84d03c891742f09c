/* isotherm.h -- Langmuir isotherms with one or two kinds of sites, and their fit to data.
 *
 * n(P, T) = sum q_s b_s P / (1 + b_s P),  b_s(T) = b_s exp(E_s/R (1/T - 1/T_ref)).
 * Pa, mol/kg, K, J/mol. Pressures enter by their logarithm where they can be out of range.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ISOTHERM_H
#define EQS_ISOTHERM_H

#include "core/status.h"

enum { ISOTHERM_SITES = 2, ISOTHERM_PARAMETERS = 3 * ISOTHERM_SITES };
#define ISOTHERM_R 8.314462618 /* J/mol/K */

typedef struct isotherm {
  int sites;
  double q[ISOTHERM_SITES]; /* mol/kg */
  double b[ISOTHERM_SITES]; /* 1/Pa, at `reference` */
  double e[ISOTHERM_SITES]; /* J/mol, heat of adsorption of the site */
  double reference;         /* K */
} isotherm;

double isotherm_loading(const isotherm *m, double temperature, double pressure);
double isotherm_henry(const isotherm *m, double temperature); /* mol/kg/Pa */
/* Spreading pressure over R T: integral of n dP/P, mol/kg. */
double isotherm_spreading(const isotherm *m, double temperature, double ln_pressure);
/* ln P at which the spreading is psi > 0, and the loading there. */
double isotherm_ln_pressure(const isotherm *m, double temperature, double psi, double *loading);
/* Isosteric heat, J/mol: R T^2 (d ln P / d T) at constant loading. */
double isotherm_heat(const isotherm *m, double temperature, double pressure);

typedef struct isotherm_point {
  double pressure, loading, temperature;
  double sigma; /* of the loading; 0 = not known */
} isotherm_point;

typedef struct isotherm_fit {
  isotherm model;
  double q_sigma[ISOTHERM_SITES], b_sigma[ISOTHERM_SITES], e_sigma[ISOTHERM_SITES];
  double henry, henry_sigma; /* at the reference temperature; a constraint has no error */
  double chi2;               /* sum of squared residuals */
  double aic;                /* n ln(chi2/n) + 2p + 2p(p+1)/(n-p-1); the lower the better */
  double rms;                /* root mean square of (fit - data) / data, where data is not 0 */
  int n, n_parameter;
  int saturated; /* 0: a site's q is far beyond the data or not known, only q b is */
} isotherm_fit;

/* Least squares of (fit - data) / max(sigma, 2 % of the data, 0.1 % of the largest loading), by
 * Levenberg-Marquardt in the logarithms of q and b from many starts. henry > 0 fixes sum q b at the
 * reference temperature, the one of the first point. The E are fitted if the temperatures span
 * more than 5 K, else zero. Errors are one sigma, scaled by chi2 / (n - p) where that is above 1 or
 * a sigma is not known.
 * EQS_ERR_ARGUMENT: fewer than parameters + 2 points, nothing adsorbed, values that are not finite
 * or negative. EQS_ERR_DIVERGED: no start led anywhere. */
eqs_status isotherm_fit_sites(const isotherm_point *point, int n, int sites, double henry,
                              isotherm_fit *out) EQS_CHECK;

#endif
