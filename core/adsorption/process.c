/* process.c -- working capacities of three capture processes.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/process.h"

#include <math.h>

#include "core/adsorption/iast.h"

#define SAME_TEMPERATURE 0.5 /* K */

const process processes[PROCESSES] = {
    {"VSA", 298.15, 0.15e5, 0.85e5, 0, 298.15, 0.05e5},
    {"TSA", 298.15, 0.15e5, 0.85e5, 0, 393.15, 1e5},
    {"DAC", 298.15, 40, 0.79e5, 0.5, 373.15, 0.1e5},
};

double process_water_pressure(double temperature) {
  const double critical = 647.096, pressure = 22.064e6;
  double t = 1 - temperature / critical;
  if (!(t > 0)) return pressure;
  double sum = -7.85951783 * t + 1.84408259 * pow(t, 1.5) - 11.7866497 * pow(t, 3) +
               22.6807411 * pow(t, 3.5) - 15.9618719 * pow(t, 4) + 1.80122502 * pow(t, 7.5);
  return pressure * exp(critical / temperature * sum);
}

int process_reaches(const isotherm *m, double temperature) {
  int heats = 1;
  for (int s = 0; s < m->sites; s++) heats &= m->e[s] != 0;
  return heats || fabs(temperature - m->reference) <= SAME_TEMPERATURE;
}

/* Loadings of the feed's gases in competition; those without an isotherm do not compete. */
static eqs_status compete(const process *p, const process_gases *g, process_result *out) {
  const isotherm *model[3] = {g->co2};
  double pressure[3] = {p->co2}, loading[3], water = p->humidity * process_water_pressure(p->t_ads);
  int n = 1, n2 = -1, h2o = -1;
  if (g->n2 && p->n2 > 0 && process_reaches(g->n2, p->t_ads)) {
    n2 = n;
    model[n] = g->n2, pressure[n++] = p->n2;
  }
  if (g->h2o && water > 0 && process_reaches(g->h2o, p->t_ads)) {
    h2o = n;
    model[n] = g->h2o, pressure[n++] = water;
  }
  if (n == 1) return EQS_OK;
  EQS_TRY(iast_solve(n, model, p->t_ads, pressure, loading));
  out->mixed = loading[0];
  if (n2 > 0) out->selectivity_n2 = loading[0] / loading[n2] / (pressure[0] / pressure[n2]);
  if (h2o > 0) out->selectivity_h2o = loading[0] / loading[h2o] / (pressure[0] / pressure[h2o]);
  return EQS_OK;
}

eqs_status process_evaluate(const process *p, const process_gases *g, process_result *out) {
  *out = (process_result){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
  const isotherm *m = g->co2;
  if (!m) EQS_FAIL(EQS_ERR_ARGUMENT, "a capture process needs the isotherm of CO2");
  int feed = process_reaches(m, p->t_ads), product = process_reaches(m, p->t_des);
  if (feed) {
    out->adsorbed = isotherm_loading(m, p->t_ads, p->co2);
    EQS_TRY(compete(p, g, out));
  }
  if (product) out->desorbed = isotherm_loading(m, p->t_des, p->p_des);
  if (!feed || !product) return EQS_OK;
  out->working = out->adsorbed - out->desorbed;
  out->mixed_working = out->mixed - out->desorbed;
  for (int s = 0; s < m->sites; s++)
    if (m->e[s] == 0) return EQS_OK;
  out->heat = 0.5e-3 * (isotherm_heat(m, p->t_ads, p->co2) + isotherm_heat(m, p->t_des, p->p_des));
  double dn = isnan(out->mixed_working) ? out->working : out->mixed_working;
  if (dn > 0) out->regeneration = out->heat + 1e-3 * g->heat_capacity * (p->t_des - p->t_ads) / dn;
  return EQS_OK;
}
