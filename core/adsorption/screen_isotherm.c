/* screen_isotherm.c -- a point of an isotherm for the screening's store, by eqs_gcmc.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/screen_stages.h"

#include <math.h>

typedef struct watcher {
  eqs_widom_watch watch;
  void *user;
} watcher;

static int watch_cycles(const eqs_gcmc_progress *p, void *user) {
  const watcher *w = user;
  eqs_widom_progress q = {.size = sizeof q,
                          .phase = p->equilibrating ? "equilibration cycles" : "isotherm cycles",
                          .done = p->cycle,
                          .of = p->n_cycle,
                          .n_energy = p->energies,
                          .error = NAN};
  return w->watch(&q, w->user);
}

static eqs_status put_point(const eqs_gcmc_result *result, screen_record *r) {
  eqs_gcmc_value v = {.size = sizeof v};
  eqs_gcmc_summary m = {.size = sizeof m};
  EQS_TRY(eqs_gcmc_value_get(result, 0, &v));
  EQS_TRY(eqs_gcmc_summary_get(result, &m));
  r->isotherm_fugacity = v.fugacity;
  r->isotherm_uptake = v.uptake;
  r->isotherm_uptake_95 = v.uptake_error;
  r->isotherm_excess = v.excess;
  r->isotherm_excess_95 = v.excess_error;
  r->isotherm_molecules = v.molecules;
  r->isotherm_qst = v.heat;
  r->isotherm_qst_95 = v.heat_error;
  r->isotherm_moves = m.moves;
  r->isotherm_energies = m.energies;
  r->isotherm_surrogate_energies = m.surrogate_energies;
  r->isotherm_overlaps = m.n_overlap;
  r->isotherm_holes = m.n_hole;
  r->isotherm_discarded_share = m.discarded_share;
  r->isotherm_independent = m.independent;
  if (m.not_settled) record_flag(r, "not-settled");
  if (m.few_samples) record_flag(r, "few-samples");
  if (m.holes_flagged) record_flag(r, "isotherm-holes");
  return EQS_OK;
}

eqs_status screen_isotherm(const screen_stages *s, int k, const screen_frame *f, const char *state,
                           screen_record *r) {
  const eqs_screen_options *o = &s->options;
  const char *gases[] = {s->molecule.name};
  eqs_gcmc_options options = {.size = sizeof options,
                              .n_gas = 1,
                              .gases = gases,
                              .temperature = o->temperature,
                              .pressure = o->pressure[k],
                              .energy = o->energy,
                              .scale = o->scale,
                              .equilibration = o->cycles,
                              .production = o->cycles,
                              .seed = o->seed,
                              .replicate_strict = o->replicate_strict,
                              .overlap_energy = o->overlap_energy,
                              .checkpoint = state,
                              .keep_pockets = screen_pockets_kept(s, r)};
  watcher w = {s->watch, s->user};
  eqs_gcmc_result *result = NULL;
  r->isotherm_pressure = o->pressure[k];
  EQS_TRY(eqs_gcmc(s->context, s->model, f->frames, f->i, &options, watch_cycles, &w, &result));
  eqs_status status = put_point(result, r);
  eqs_gcmc_result_free(&result);
  return status;
}
