/* isotherm_api.c -- eqs_isotherm_report: from a table of loadings to what they are worth.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/adsorption/isotherm_report.h"
#include "core/adsorption/process.h"
#include "core/locale_c.h"
#include "io/isotherm_csv.h"

#define HEAT_CAPACITY 1000.0 /* J/kg/K */
#define AIC_MARGIN    2.0    /* by so much a second site must be better */

typedef struct session {
  const char *path;
  eqs_isotherm_options options;
  isotherm_table table;
  isotherm_fit fit[ISOTHERM_GASES];
  double aic[ISOTHERM_GASES][ISOTHERM_SITES]; /* NAN = not fitted */
  double given_heat[ISOTHERM_GASES];          /* J/mol; 0 = none */
  report_list report;
} session;

static int series_of(const isotherm_table *t, const char *gas, size_t n) {
  for (int i = 0; i < t->n; i++)
    if (strlen(t->series[i].gas) == n && !strncasecmp(t->series[i].gas, gas, n)) return i;
  return -1;
}

/* "CO2=35,N2=15" into out[gas], in units of `unit`. */
static eqs_status parse_values(const session *s, const char *option, const char *text, double unit,
                               double *out) {
  for (const char *at = text; at && *at;) {
    const char *equals = strchr(at, '=');
    char *end = NULL;
    double x = equals ? strtod(equals + 1, &end) : NAN;
    if (!equals || end == equals + 1 || (*end && *end != ',') || !(x > 0 && x < 1e9))
      EQS_FAIL(EQS_ERR_ARGUMENT, "%s wants GAS=VALUE[,GAS=VALUE...], not '%.60s'", option, text);
    int i = series_of(&s->table, at, (size_t)(equals - at));
    if (i < 0)
      EQS_FAIL(EQS_ERR_ARGUMENT, "%s names the gas '%.*s', which is not in %s", option,
               (int)(equals - at < 20 ? equals - at : 20), at, s->path);
    out[i] = x * unit;
    at = *end ? end + 1 : end;
  }
  return EQS_OK;
}

/* ---- fits */

static eqs_status fit_gas(session *s, int i, double henry) {
  const isotherm_series *x = &s->table.series[i];
  isotherm_fit fit[ISOTHERM_SITES];
  int want = s->options.sites, best = -1;
  s->aic[i][0] = s->aic[i][1] = NAN;
  for (int sites = 1; sites <= ISOTHERM_SITES; sites++) {
    if (want && sites != want) continue;
    eqs_status status = isotherm_fit_sites(x->point, x->n, sites, henry, &fit[sites - 1]);
    if (status == EQS_ERR_ARGUMENT && !want && best >= 0) break; /* too few points for two sites */
    if (status != EQS_OK) return status_prefix(status, "%s, gas %s", s->path, x->gas);
    s->aic[i][sites - 1] = fit[sites - 1].aic;
    if (best < 0 || fit[sites - 1].aic < fit[best].aic - AIC_MARGIN) best = sites - 1;
  }
  s->fit[i] = fit[best];
  isotherm *m = &s->fit[i].model;
  int measured = 0;
  for (int k = 0; k < m->sites; k++) measured |= m->e[k] != 0;
  if (s->given_heat[i] > 0 && measured)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "%s, gas %s: measured at several temperatures, so its heat is fitted, not given",
             s->path, x->gas);
  for (int k = 0; k < m->sites && s->given_heat[i] > 0; k++) m->e[k] = s->given_heat[i];
  return EQS_OK;
}

static eqs_status report_fit(session *s, int i) {
  const isotherm_fit *f = &s->fit[i];
  const isotherm *m = &f->model;
  report_list *r = &s->report;
  const char *gas = s->table.series[i].gas;
  char quantity[32];
#define ADD(quantity_, value, sigma, unit)                                                         \
  EQS_TRY(report_add(r, "isotherm", gas, quantity_, value, sigma, unit))
  ADD("points", f->n, 0, "");
  ADD("reference temperature", m->reference, 0, "K");
  ADD("sites", m->sites, 0, "");
  for (int k = 0; k < m->sites; k++) {
    snprintf(quantity, sizeof quantity, "q%d", k + 1);
    ADD(quantity, m->q[k], f->q_sigma[k], "mol/kg");
    snprintf(quantity, sizeof quantity, "b%d", k + 1);
    ADD(quantity, m->b[k], f->b_sigma[k], "1/Pa");
    snprintf(quantity, sizeof quantity, "E%d", k + 1);
    ADD(quantity, m->e[k] != 0 ? m->e[k] / 1000 : NAN, f->e_sigma[k] / 1000, "kJ/mol");
  }
  ADD("Henry coefficient", f->henry, f->henry_sigma, "mol/kg/Pa");
  ADD("relative rms", f->rms, 0, "");
  ADD("AIC 1 site", s->aic[i][0], 0, "");
  ADD("AIC 2 sites", s->aic[i][1], 0, "");
#undef ADD
  if (!f->saturated)
    EQS_TRY(report_note(r,
                        "%s: the data do not reach saturation; q is not known, only q b is. Do "
                        "not extrapolate to higher pressures",
                        gas));
  if (f->rms > 0.1) EQS_TRY(report_note(r, "%s: the fit is poor (rms over 10 %%)", gas));
  return EQS_OK;
}

/* ---- selectivities and processes */

static const isotherm *model_of(const session *s, const char *gas) {
  int i = series_of(&s->table, gas, strlen(gas));
  return i < 0 ? NULL : &s->fit[i].model;
}

static eqs_status report_dilute(session *s, const isotherm *co2, const char *other) {
  const isotherm *m = model_of(s, other);
  char name[24];
  if (!m) return EQS_OK;
  snprintf(name, sizeof name, "CO2/%s", other);
  double t = co2->reference;
  double ratio = process_reaches(m, t) ? isotherm_henry(co2, t) / isotherm_henry(m, t) : NAN;
  EQS_TRY(report_add(&s->report, "selectivity", name, "temperature", t, 0, "K"));
  return report_add(&s->report, "selectivity", name, "dilute (Henry)", ratio, 0, "");
}

static eqs_status report_process(session *s, const process *p, const process_gases *g) {
  process_result x;
  report_list *r = &s->report;
  EQS_TRY(process_evaluate(p, g, &x));
#define ADD(quantity, value, unit)                                                                 \
  EQS_TRY(report_add(r, "process", p->name, quantity, value, 0, unit))
  ADD("adsorption temperature", p->t_ads, "K");
  ADD("feed CO2", p->co2, "Pa");
  ADD("desorption temperature", p->t_des, "K");
  ADD("desorption CO2", p->p_des, "Pa");
  ADD("adsorbed alone", x.adsorbed, "mol/kg");
  ADD("adsorbed in mixture", x.mixed, "mol/kg");
  ADD("left after desorption", x.desorbed, "mol/kg");
  ADD("working capacity", x.working, "mol/kg");
  ADD("capacity in mixture", x.mixed_working, "mol/kg");
  ADD("CO2/N2 selectivity", x.selectivity_n2, "");
  ADD("CO2/H2O selectivity", x.selectivity_h2o, "");
  ADD("heat of adsorption", x.heat, "kJ/mol");
  ADD("regeneration heat", x.regeneration, "kJ/mol");
#undef ADD
  if (isnan(x.working))
    EQS_TRY(report_note(r,
                        "%s: other temperatures than the measured one need data there, or a heat "
                        "of adsorption",
                        p->name));
  else if (x.working < 0)
    EQS_TRY(report_note(r, "%s: more CO2 is left after desorption than was adsorbed", p->name));
  return EQS_OK;
}

static eqs_status report_processes(session *s) {
  const process_gases g = {.co2 = model_of(s, "CO2"),
                           .n2 = model_of(s, "N2"),
                           .h2o = model_of(s, "H2O"),
                           .heat_capacity = s->options.heat_capacity};
  if (!g.co2) return report_note(&s->report, "no CO2 in the file: no capture processes");
  EQS_TRY(report_dilute(s, g.co2, "N2"));
  EQS_TRY(report_dilute(s, g.co2, "H2O"));
  for (int i = 0; i < PROCESSES; i++) EQS_TRY(report_process(s, &processes[i], &g));
  if (g.n2 || g.h2o)
    EQS_TRY(report_note(&s->report,
                        "mixtures are by ideal adsorbed solution theory, which fails for "
                        "water and for strong open metal sites: simulate these"));
  return EQS_OK;
}

static eqs_status check_options(const eqs_isotherm_options *given, eqs_isotherm_options *out) {
  *out = (eqs_isotherm_options){.size = sizeof *out};
  if (given) {
    if (given->size == 0 || given->size > sizeof *out)
      EQS_FAIL(EQS_ERR_ARGUMENT, "options->size is not set, or from a newer library");
    memcpy(out, given, given->size);
  }
  if (out->heat_capacity == 0) out->heat_capacity = HEAT_CAPACITY;
  if (out->sites < 0 || out->sites > ISOTHERM_SITES)
    EQS_FAIL(EQS_ERR_ARGUMENT, "sites must be 0, 1 or 2, not %d", out->sites);
  if (!(out->heat_capacity > 0 && out->heat_capacity < 1e6))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the heat capacity must be positive, not %g", out->heat_capacity);
  if (out->temperature != 0 && !(out->temperature >= 1 && out->temperature <= 1e4))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the temperature must be 1 to 10000 K, not %g", out->temperature);
  return EQS_OK;
}

static eqs_status run(session *s, eqs_format format, char **text) {
  double henry[ISOTHERM_GASES] = {0};
  EQS_TRY(isotherm_csv_read(s->path, s->options.temperature, &s->table));
  EQS_TRY(parse_values(s, "henry", s->options.henry, 1, henry));
  EQS_TRY(parse_values(s, "heat", s->options.heat, 1000, s->given_heat));
  for (int i = 0; i < s->table.n; i++) {
    EQS_TRY(fit_gas(s, i, henry[i]));
    EQS_TRY(report_fit(s, i));
  }
  EQS_TRY(report_processes(s));
  return report_render(&s->report, format, text);
}

eqs_status eqs_isotherm_report(const char *path, const eqs_isotherm_options *options,
                               eqs_format format, char **text) {
  LOCALE_C();
  session *s = NULL;
  if (!path || !text || format < EQS_FORMAT_TEXT || format > EQS_FORMAT_CSV)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no file, no place for the text, or no such format");
  *text = NULL;
  EQS_TRY(alloc_array(&s, 1, sizeof *s, "isotherms"));
  s->path = path;
  eqs_status status = check_options(options, &s->options);
  if (status == EQS_OK) status = run(s, format, text);
  isotherm_table_free(&s->table);
  report_free(&s->report);
  free(s);
  return status;
}
