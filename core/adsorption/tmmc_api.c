/* tmmc_api.c -- the public side of transition-matrix Monte Carlo: from a structure, a gas and lists
 * of pressures and temperatures to isotherms.
 *
 * The range of N: a pilot run, grand canonical, where most guests are to be expected, gives mean
 * and variance of N; <N> + 6 sigma + 4 is beyond the 1e-6 tail of a distribution of that width,
 * Poisson's included.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/gcmc.h"
#include "core/adsorption/tmmc.h"
#include "core/adsorption/uptake.h"
#include "core/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRODUCTION = 10000, CONDITIONS_MAX = 4096, PILOT_BLOCKS = 10, PILOT_MOVES = 400 };
enum { PATH_SIZE = 4096 };
#define SIGMAS 6.0
#define SPARE  4.0

struct eqs_tmmc_result {
  tmmc_result *result;
  tmmc_transition transition;
  int n_row, n_pocket;
  tmmc_row *row;
  int64_t pilot_energies, pilot_surrogate;
  double helium;
  gas gas;
  char label[UPTAKE_LABEL], note[UPTAKE_NOTE];
};

static eqs_status check_list(int n, const double *x, const char *what, double most) {
  if (n < 0 || n > CONDITIONS_MAX || (n && !x))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d %ss; give 1 to %d", n, what, CONDITIONS_MAX);
  for (int i = 0; i < n; i++)
    if (!(x[i] > 0 && x[i] <= most))
      EQS_FAIL(EQS_ERR_ARGUMENT, "%s %d is %g; it must be positive and at most %g", what, i + 1,
               x[i], most);
  return EQS_OK;
}

static eqs_status check_conditions(const eqs_tmmc_conditions *given,
                                   const eqs_gcmc_options *options, eqs_tmmc_conditions *out) {
  *out = (eqs_tmmc_conditions){0};
  if (!given || given->size == 0 || given->size > sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "conditions->size is not set, or from a newer library");
  memcpy(out, given, given->size);
  EQS_TRY(check_list(out->n_pressure, out->pressure, "pressure", 1e12));
  EQS_TRY(check_list(out->n_temperature, out->temperature, "temperature", 10000));
  if (out->n_pressure < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "no pressure was given");
  if (out->n_temperature == 0) {
    out->n_temperature = 1;
    out->temperature = &options->temperature;
  }
  if (out->max_guests < 0 || out->max_guests > TMMC_GUESTS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "up to %d guests; give 1 to %d, or 0", out->max_guests,
             TMMC_GUESTS_MAX);
  if (options->n_gas > 1)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "a transition-matrix run has one gas, not %d; run gcmc at each pressure",
             options->n_gas);
  if (options->flexible)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "a transition-matrix run needs a rigid framework");
  return EQS_OK;
}

static double largest(int n, const double *x) {
  double most = x[0];
  for (int i = 1; i < n; i++) most = fmax(most, x[i]);
  return most;
}

static double smallest(int n, const double *x) {
  double least = x[0];
  for (int i = 1; i < n; i++) least = fmin(least, x[i]);
  return least;
}

/* ---- the pilot run */

/* The guests that a run has left behind are taken out again. */
static eqs_status empty(const setup *s, int n) {
  energy_pair pair;
  EQS_TRY(energy_pair_of(s->target, s->surrogate, &pair));
  while (n-- > 0) {
    const guest_change out = {.remove = n, .insert = -1};
    EQS_TRY(energy_pair_commit(&pair, &out));
  }
  return EQS_OK;
}

static eqs_status pilot(uptake_run *r, const eqs_tmmc_conditions *at, eqs_tmmc_result *out,
                        int *max_guests) {
  gcmc_settings g;
  gcmc_result found;
  fluid_state outside;
  char path[PATH_SIZE];
  gcmc_defaults(&g);
  uptake_fill(r, &g.chain, &g.cycles, &g.framework_mass, &g.cells);
  g.chain.temperature = smallest(at->n_temperature, at->temperature);
  double pressure = largest(at->n_pressure, at->pressure);
  EQS_TRY(uptake_outside(r, g.chain.temperature, pressure, &outside));
  g.chain.fugacity[0] = outside.fugacity[0];
  g.chain.max_guests = TMMC_GUESTS_MAX;
  g.blocks = PILOT_BLOCKS;
  g.cycles.equilibration /= 2;
  g.cycles.production = g.cycles.equilibration;
  if (g.cycles.production * g.cycles.cycle_moves < PILOT_MOVES)
    g.cycles.production = PILOT_MOVES / g.cycles.cycle_moves + 1;
  if (g.cycles.checkpoint) {
    if (snprintf(path, sizeof path, "%s.pilot", g.cycles.checkpoint) >= PATH_SIZE)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the path of the checkpoint is too long");
    g.cycles.checkpoint = path;
  }
  uptake_begin(r, 1);
  eqs_status status = gcmc_run(&g, &found);
  if (status != EQS_OK) return status_prefix(status, "while looking for the largest uptake");
  EQS_TRY(empty(&r->setup, found.final_count[0]));
  out->pilot_energies = found.energies;
  out->pilot_surrogate = found.surrogate_energies;
  double most = found.molecules[0].mean * g.cells + SIGMAS * sqrt(found.covariance[0][0]) + SPARE;
  *max_guests = most < TMMC_GUESTS_MAX ? (int)ceil(most) : TMMC_GUESTS_MAX;
  return EQS_OK;
}

/* ---- the run and its isotherms */

static eqs_status sample(uptake_run *r, const eqs_tmmc_conditions *at, eqs_tmmc_result *out) {
  tmmc_settings t;
  fluid_state outside;
  int max_guests = at->max_guests;
  if (!max_guests) EQS_TRY(pilot(r, at, out, &max_guests));
  tmmc_defaults(&t);
  t.cycles.production = PRODUCTION;
  uptake_fill(r, &t.chain, &t.cycles, &t.framework_mass, &t.cells);
  t.chain.max_guests = max_guests;
  double pressure = largest(at->n_pressure, at->pressure);
  EQS_TRY(uptake_outside(r, t.chain.temperature, pressure, &outside));
  t.chain.fugacity[0] = outside.fugacity[0];
  uptake_begin(r, 0);
  return tmmc_run(&t, &out->result);
}

static eqs_status fill_row(const uptake_run *r, const tmmc_result *run, double temperature,
                           double pressure, tmmc_row *row) {
  fluid_state outside;
  double volume = uptake_pore_volume(r), per_kg = 1000 / run->framework_mass;
  EQS_TRY(uptake_outside(r, temperature, pressure, &outside));
  row->pressure = pressure;
  EQS_TRY(tmmc_reweight(run, outside.fugacity[0], temperature, &row->point));
  double bulk = outside.density * PER_ANGSTROM * volume;
  row->excess = volume > 0 ? series_scaled(row->point.guests, per_kg, -bulk * per_kg)
                           : (series_value){NAN, NAN, NAN};
  return EQS_OK;
}

static eqs_status isotherms(const uptake_run *r, const eqs_tmmc_conditions *at,
                            eqs_tmmc_result *out) {
  fluid_state low, high;
  double kelvin = r->options.temperature;
  out->n_row = at->n_temperature * at->n_pressure;
  EQS_TRY(alloc_array(&out->row, (size_t)out->n_row, sizeof *out->row, "isotherms"));
  for (int i = 0; i < out->n_row; i++)
    EQS_TRY(fill_row(r, out->result, at->temperature[i / at->n_pressure],
                     at->pressure[i % at->n_pressure], out->row + i));
  EQS_TRY(uptake_outside(r, kelvin, smallest(at->n_pressure, at->pressure), &low));
  EQS_TRY(uptake_outside(r, kelvin, largest(at->n_pressure, at->pressure), &high));
  if (!(high.fugacity[0] > low.fugacity[0])) return EQS_OK; /* one pressure */
  return tmmc_find_transition(out->result, low.fugacity[0], high.fugacity[0], &out->transition);
}

eqs_status eqs_tmmc(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                    const eqs_gcmc_options *options, const eqs_tmmc_conditions *conditions,
                    eqs_gcmc_watch watch, void *user, eqs_tmmc_result **out) {
  uptake_run r = {.watch = watch, .user = user};
  eqs_tmmc_conditions at;
  eqs_tmmc_result *result = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY_DONE(uptake_open(&r, c, m, frames, i, options, 0));
  EQS_TRY_DONE(check_conditions(conditions, &r.options, &at));
  EQS_TRY_DONE(alloc_array(&result, 1, sizeof *result, "the results"));
  EQS_TRY_DONE(sample(&r, &at, result));
  EQS_TRY_DONE(isotherms(&r, &at, result));
  result->gas = r.setup.gases[0];
  result->n_pocket = r.setup.n_pocket;
  result->helium = r.setup.helium;
  snprintf(result->label, sizeof result->label, "%s", eqs_structures_name(frames, i));
  snprintf(result->note, sizeof result->note, "%s", r.note);
  result->result->energies += result->pilot_energies;
  result->result->surrogate_energies += result->pilot_surrogate;
  *out = result;
done:
  uptake_close(&r);
  if (status != EQS_OK) eqs_tmmc_result_free(&result);
  return status;
}

/* ---- the result */

eqs_status eqs_tmmc_value_get(const eqs_tmmc_result *r, int k, eqs_tmmc_value *out) {
  if (!r || !out || out->size < sizeof *out || k < 0 || k >= r->n_row)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no result, no such point, or the struct's size is not set");
  const tmmc_point *p = &r->row[k].point;
  *out = (eqs_tmmc_value){.size = sizeof *out,
                          .temperature = p->temperature,
                          .pressure = r->row[k].pressure,
                          .fugacity = p->fugacity,
                          .molecules = p->molecules.mean,
                          .molecules_error = p->molecules.ci95,
                          .uptake = p->uptake.mean,
                          .uptake_error = p->uptake.ci95,
                          .excess = r->row[k].excess.mean,
                          .excess_error = r->row[k].excess.ci95,
                          .heat = p->heat.mean,
                          .heat_error = p->heat.ci95,
                          .tail = p->tail,
                          .reach = p->reach,
                          .tail_flagged = p->tail_flagged,
                          .reach_flagged = p->reach_flagged};
  return EQS_OK;
}

static void put_transition(const eqs_tmmc_result *r, eqs_tmmc_summary *out) {
  const tmmc_transition *t = &r->transition;
  out->transition = t->found;
  out->transition_fugacity = t->found ? exp(t->ln_fugacity.mean) : NAN;
  out->transition_error = out->transition_fugacity * t->ln_fugacity.ci95;
  out->low = t->found ? t->low / r->result->cells : NAN;
  out->high = t->found ? t->high / r->result->cells : NAN;
}

eqs_status eqs_tmmc_summary_get(const eqs_tmmc_result *r, eqs_tmmc_summary *out) {
  if (!r || !out || out->size < sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no result, or the struct's size is not set");
  const tmmc_result *t = r->result;
  series_value henry = tmmc_henry(t);
  *out = (eqs_tmmc_summary){.size = sizeof *out,
                            .n_value = r->n_row,
                            .max_guests = t->n_max,
                            .highest = t->highest,
                            .round_trips = t->round_trips,
                            .temperature = t->temperature,
                            .henry = henry.mean,
                            .henry_error = henry.ci95,
                            .moves = t->moves,
                            .energies = t->energies,
                            .surrogate_energies = t->surrogate_energies,
                            .n_overlap = t->n_overlap,
                            .n_hole = t->n_hole,
                            .discarded_share = t->discarded_share,
                            .few_trips = t->few_trips,
                            .holes_flagged = t->holes_flagged,
                            .helium_void_fraction = r->helium,
                            .n_pocket = r->n_pocket,
                            .note = r->note};
  put_transition(r, out);
  return EQS_OK;
}

eqs_status eqs_tmmc_json(const eqs_tmmc_result *r, char **text) {
  *text = NULL;
  if (!r) EQS_FAIL(EQS_ERR_ARGUMENT, "no result");
  return tmmc_json(r->result, r->n_row, r->row, &r->transition, r->label, r->gas.name, text);
}

eqs_status eqs_tmmc_csv(const eqs_tmmc_result *r, char **text) {
  *text = NULL;
  if (!r) EQS_FAIL(EQS_ERR_ARGUMENT, "no result");
  return tmmc_csv(r->result, r->n_row, r->row, r->label, r->gas.name, 1, text);
}

void eqs_tmmc_result_free(eqs_tmmc_result **r) {
  if (!r || !*r) return;
  tmmc_free(&(*r)->result);
  free((*r)->row);
  free(*r);
  *r = NULL;
}
