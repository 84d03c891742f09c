/* iast.c -- the spreading pressure of a mixture, by Newton's method in a bracket.
 *
 * g(psi) = sum p_i / P_i0(psi) - 1 falls monotonically, with dP_i0/dpsi = P_i0 / n_i. It is
 * positive where psi is the largest psi_i(p_i) of the components, and negative at the largest
 * psi_i(P).
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/iast.h"

#include <math.h>

enum { ROUNDS = 300 };

typedef struct mixture {
  int n;
  const isotherm *const *model;
  double temperature;
  const double *pressure;
} mixture;

static double surplus(const mixture *m, double psi, double *slope) {
  double sum = -1;
  *slope = 0;
  for (int i = 0; i < m->n; i++) {
    double loading;
    if (!(m->pressure[i] > 0)) continue;
    double ln_pure = isotherm_ln_pressure(m->model[i], m->temperature, psi, &loading);
    double x = exp(log(m->pressure[i]) - ln_pure);
    sum += x;
    *slope -= x / loading;
  }
  return sum;
}

static eqs_status check(const mixture *m, double *total) {
  *total = 0;
  for (int i = 0; i < m->n; i++) {
    const isotherm *a = m->model[i];
    if (!(m->pressure[i] >= 0 && m->pressure[i] < 1e12))
      EQS_FAIL(EQS_ERR_ARGUMENT, "the partial pressure of component %d is %g Pa", i + 1,
               m->pressure[i]);
    if (a->sites < 1 || !(isotherm_henry(a, m->temperature) > 0))
      EQS_FAIL(EQS_ERR_ARGUMENT, "component %d does not adsorb", i + 1);
    *total += m->pressure[i];
  }
  if (!(*total > 0)) EQS_FAIL(EQS_ERR_ARGUMENT, "the mixture has no pressure");
  return EQS_OK;
}

eqs_status iast_solve(int n, const isotherm *const *model, double temperature,
                      const double *pressure, double *loading) {
  mixture m = {n, model, temperature, pressure};
  double total, low = 0, high = 0, slope, g = 1;
  EQS_TRY(check(&m, &total));
  for (int i = 0; i < n; i++) {
    if (!(pressure[i] > 0)) continue;
    low = fmax(low, isotherm_spreading(model[i], temperature, log(pressure[i])));
    high = fmax(high, isotherm_spreading(model[i], temperature, log(total)));
  }
  double psi = low;
  for (int i = 0; i < ROUNDS; i++) {
    g = surplus(&m, psi, &slope);
    if (fabs(g) < 1e-14) break;
    if (g > 0) low = psi;
    else high = psi;
    double next = psi - g / slope;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (next == psi || high - low < 1e-15 * high) break;
    psi = next;
  }
  if (!(fabs(g) < 1e-9))
    EQS_FAIL(EQS_ERR_DIVERGED, "ideal adsorbed solution theory found no spreading pressure");
  double inverse = 0;
  for (int i = 0; i < n; i++) {
    double pure;
    loading[i] = 0;
    if (!(pressure[i] > 0)) continue;
    double ln_pure = isotherm_ln_pressure(model[i], temperature, psi, &pure);
    loading[i] = exp(log(pressure[i]) - ln_pure); /* x_i, for now */
    inverse += loading[i] / pure;
  }
  for (int i = 0; i < n; i++) loading[i] /= inverse;
  return EQS_OK;
}
