/* uptake.c -- the public side of grand canonical Monte Carlo: from a structure, gases and a
 * pressure to uptakes. SPDX-License-Identifier: MIT */
#include "core/adsorption/uptake.h"
#include "core/adsorption/gcmc.h"
#include "core/clock.h"
#include "core/engine.h"
#include "core/locale_c.h"
#include "io/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* weights of moves; those of chain_defaults add up to 1 */
#define HYBRID_SHARE   0.05
#define IDENTITY_SHARE 0.1

struct eqs_gcmc_result {
  gcmc_result result;
  int n_gas, atoms_box, atoms_cell, n_pocket;
  double helium;
  gas gases[SETUP_GASES];
  char label[UPTAKE_LABEL], note[UPTAKE_NOTE];
};

static eqs_status check_flexible(const eqs_gcmc_options *o) {
  if (!o->flexible) return EQS_OK;
  if (o->energy != EQS_ENERGY_MODEL)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "a flexible framework needs the energy of the model alone: the classical potential "
             "does not know what deforming it costs");
  if (o->checkpoint)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "a run with a flexible framework cannot be continued, so it takes no checkpoint");
  if (!(o->timestep >= 0 && o->timestep <= 100) || o->md_steps < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "trajectories of %d steps of %g fs", o->md_steps, o->timestep);
  return EQS_OK;
}

static eqs_status check_options(const eqs_gcmc_options *given, int pressed, eqs_gcmc_options *out) {
  *out = (eqs_gcmc_options){0};
  if (!given || given->size == 0 || given->size > sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "options->size is not set, or from a newer library");
  memcpy(out, given, given->size);
  if (out->n_gas > 1 && !out->fraction)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a mixture needs the mole fractions of its gases");
  if (pressed && !(out->pressure > 0 && out->pressure < INFINITY))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the pressure must be positive, not %g Pa", out->pressure);
  if (out->seed > INT64_MAX) EQS_FAIL(EQS_ERR_ARGUMENT, "the seed must be below 2^63");
  if (out->equilibration < 0 || out->production < 0 || out->cycle_moves < 0 || out->trials < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "cycles, moves and trials cannot be negative");
  return check_flexible(out);
}

eqs_status uptake_outside(const uptake_run *run, double temperature, double pressure,
                          fluid_state *out) {
  static const double pure = 1;
  const setup *s = &run->setup;
  const double *fraction = run->options.fraction;
  fluid part[SETUP_GASES];
  for (int k = 0; k < s->n_gas; k++) EQS_TRY(fluid_find(s->gases[k].name, part + k));
  return fluid_solve(s->n_gas, part, fraction ? fraction : &pure, NULL, temperature, pressure, out);
}

/* What the energies depend on, for the checkpoint. */
static void describe(uptake_run *r, const eqs_model *m, const structure *box) {
  LOCALE_C();
  const eqs_gcmc_options *o = &r->options;
  eqs_model_info info = {.size = sizeof info};
  char atoms[65], places[65];
  sha256_hex(box->number, (size_t)box->n * sizeof *box->number, atoms);
  sha256_hex(box->position, (size_t)box->n * sizeof *box->position, places);
  if (m && eqs_model_info_get(m, &info) != EQS_OK) info = (eqs_model_info){0};
  snprintf(
      r->condition, sizeof r->condition,
      "energy=%d scale=%.17g surrogate=%d pockets=%s field=%s atoms=%.16s places=%.16s "
      "model=%.16s head=%.32s precision=%d dispersion=%.32s overlap=%.17g wall=%.32s version=%s",
      (int)o->energy, o->scale, r->setup.surrogate != NULL, o->keep_pockets ? "kept" : "blocked",
      o->force_field ? o->force_field : "uff+trappe", atoms, places,
      info.sha256 ? info.sha256 : "none", info.head ? info.head : "", (int)info.precision,
      info.dispersion ? info.dispersion : "none", o->overlap_energy, info.wall ? info.wall : "none",
      eqs_version());
}

static int look(void *context, const cycle_progress *p) {
  uptake_run *r = context;
  if (r->first_cycle < 0) r->first_cycle = p->cycle - 1;
  if (!r->watch) return 0;
  double done = (double)(p->cycle - r->first_cycle), left = (double)(p->n_cycle - p->cycle);
  eqs_gcmc_progress out = {.size = sizeof out,
                           .cycle = p->cycle,
                           .n_cycle = p->n_cycle,
                           .equilibrating = p->equilibrating,
                           .n_guest = p->n_guest,
                           .energy = p->energy,
                           .energies = p->energies,
                           .seconds_left =
                               done > 0 ? (clock_seconds() - r->start) / done * left : NAN,
                           .pilot = r->pilot};
  return r->watch(&out, r->user);
}

static int look_at_pores(void *context, double share) {
  const uptake_run *r = context;
  const eqs_gcmc_progress out = {.size = sizeof out, .seconds_left = NAN};
  (void)share;
  return r->watch ? r->watch(&out, r->user) : 0;
}

eqs_status uptake_open(uptake_run *r, eqs_context *c, const eqs_model *m,
                       const eqs_structures *frames, int i, const eqs_gcmc_options *options,
                       int pressed) {
  const structure *s = frames ? structures_frame(frames, i) : NULL;
  if (!c || !s) EQS_FAIL(EQS_ERR_ARGUMENT, "no context, or no such structure");
  EQS_TRY(check_options(options, pressed, &r->options));
  const setup_options o = {.context = c,
                           .model = m,
                           .energy = r->options.energy,
                           .scale = r->options.scale,
                           .no_surrogate = r->options.no_surrogate || r->options.flexible,
                           .strict = r->options.replicate_strict,
                           .n_gas = r->options.n_gas,
                           .gases = r->options.gases,
                           .classical = {.set = r->options.force_field},
                           .keep_pockets = r->options.keep_pockets,
                           .pore_volume = 1,
                           .overlap_energy = r->options.overlap_energy,
                           .watch = look_at_pores,
                           .user = r};
  EQS_TRY(setup_open(&o, s, &r->setup));
  const char *a = r->setup.why_none, *b = r->setup.why_no_room;
  snprintf(r->note, sizeof r->note, "%s%s%s", a, *a && *b ? "; " : "", b);
  describe(r, m, &r->setup.host.box);
  return EQS_OK;
}

void uptake_begin(uptake_run *r, int pilot) {
  r->start = clock_seconds();
  r->first_cycle = -1;
  r->pilot = pilot;
}

void uptake_close(uptake_run *r) { setup_close(&r->setup); }

void uptake_fill(uptake_run *r, chain_settings *c, cycle_settings *cycles, double *mass,
                 int *cells) {
  const eqs_gcmc_options *o = &r->options;
  const setup *s = &r->setup;
  c->cell = s->host.box.cell;
  c->temperature = o->temperature;
  c->n_component = s->n_gas;
  for (int k = 0; k < s->n_gas; k++) c->point[k] = s->gases[k].n == 1;
  if (o->trials) c->trials = o->trials;
  c->seed = o->seed;
  c->target = s->target;
  c->surrogate = s->surrogate;
  c->condition = r->condition;
  if (o->flexible) c->weight[CHAIN_HYBRID] = HYBRID_SHARE;
  if (s->n_gas > 1) c->weight[CHAIN_IDENTITY] = IDENTITY_SHARE;
  if (o->timestep > 0) c->hybrid_step = o->timestep;
  if (o->md_steps) c->hybrid_steps = o->md_steps;
  if (o->equilibration) cycles->equilibration = o->equilibration;
  if (o->production) cycles->production = o->production;
  if (o->cycle_moves) cycles->cycle_moves = o->cycle_moves;
  cycles->checkpoint = o->checkpoint;
  cycles->watch = look;
  cycles->context = r;
  *mass = structure_mass(&s->host.box);
  *cells = s->host.replica[0] * s->host.replica[1] * s->host.replica[2];
}

double uptake_pore_volume(const uptake_run *r) {
  return r->setup.helium * fabs(cell_volume(r->setup.host.box.cell));
}

/* ---- grand canonical */

static eqs_status fill_settings(uptake_run *r, gcmc_settings *g) {
  const eqs_gcmc_options *o = &r->options;
  fluid_state outside;
  gcmc_defaults(g);
  uptake_fill(r, &g->chain, &g->cycles, &g->framework_mass, &g->cells);
  EQS_TRY(uptake_outside(r, o->temperature, o->pressure, &outside));
  for (int k = 0; k < r->setup.n_gas; k++) {
    g->chain.fugacity[k] = outside.fugacity[k];
    g->bulk_density[k] = outside.density * (o->fraction ? o->fraction[k] : 1);
  }
  g->pore_volume = uptake_pore_volume(r);
  return EQS_OK;
}

eqs_status eqs_gcmc(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                    const eqs_gcmc_options *options, eqs_gcmc_watch watch, void *user,
                    eqs_gcmc_result **out) {
  uptake_run r = {.watch = watch, .user = user};
  gcmc_settings settings;
  eqs_gcmc_result *result = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY_DONE(uptake_open(&r, c, m, frames, i, options, 1));
  EQS_TRY_DONE(alloc_array(&result, 1, sizeof *result, "the results"));
  EQS_TRY_DONE(fill_settings(&r, &settings));
  uptake_begin(&r, 0);
  EQS_TRY_DONE(gcmc_run(&settings, &result->result));
  result->n_gas = r.setup.n_gas;
  memcpy(result->gases, r.setup.gases, sizeof result->gases);
  result->atoms_box = r.setup.host.box.n;
  result->atoms_cell = r.setup.host.cell.n;
  result->n_pocket = r.setup.n_pocket;
  result->helium = r.setup.helium;
  snprintf(result->label, sizeof result->label, "%s", eqs_structures_name(frames, i));
  snprintf(result->note, sizeof result->note, "%s", r.note);
  *out = result;
done:
  uptake_close(&r);
  if (status != EQS_OK) eqs_gcmc_result_free(&result);
  return status;
}

/* ---- the result */

eqs_status eqs_gcmc_value_get(const eqs_gcmc_result *r, int k, eqs_gcmc_value *out) {
  if (!r || !out || out->size < sizeof *out || k < 0 || k >= r->n_gas)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no result, no such gas, or the struct's size is not set");
  const gcmc_result *g = &r->result;
  *out = (eqs_gcmc_value){.size = sizeof *out,
                          .gas = r->gases[k].name,
                          .fugacity = g->fugacity[k],
                          .molecules = g->molecules[k].mean,
                          .molecules_error = g->molecules[k].ci95,
                          .uptake = g->uptake[k].mean,
                          .uptake_error = g->uptake[k].ci95,
                          .heat = g->heat[k].mean,
                          .heat_error = g->heat[k].ci95,
                          .excess = g->excess[k].mean,
                          .excess_error = g->excess[k].ci95};
  return EQS_OK;
}

eqs_status eqs_gcmc_summary_get(const eqs_gcmc_result *r, eqs_gcmc_summary *out) {
  if (!r || !out || out->size < sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no result, or the struct's size is not set");
  const gcmc_result *g = &r->result;
  *out = (eqs_gcmc_summary){.size = sizeof *out,
                            .n_gas = r->n_gas,
                            .atoms_box = r->atoms_box,
                            .atoms_cell = r->atoms_cell,
                            .moves = g->moves,
                            .energies = g->energies,
                            .surrogate_energies = g->surrogate_energies,
                            .n_overlap = g->n_overlap,
                            .n_hole = g->n_hole,
                            .discarded_share = g->discarded_share,
                            .independent = g->n_effective,
                            .not_settled = g->not_settled,
                            .few_samples = g->few_samples,
                            .holes_flagged = g->holes_flagged,
                            .note = r->note,
                            .helium_void_fraction = r->helium,
                            .n_pocket = r->n_pocket};
  return EQS_OK;
}

static void names_of(const eqs_gcmc_result *r, const char **name) {
  for (int k = 0; k < r->n_gas; k++) name[k] = r->gases[k].name;
}

eqs_status eqs_gcmc_json(const eqs_gcmc_result *r, char **text) {
  const char *name[SETUP_GASES];
  *text = NULL;
  if (!r) EQS_FAIL(EQS_ERR_ARGUMENT, "no result");
  names_of(r, name);
  return gcmc_json(&r->result, r->label, name, text);
}

eqs_status eqs_gcmc_csv(const eqs_gcmc_result *r, int heading, char **text) {
  const char *name[SETUP_GASES];
  *text = NULL;
  if (!r) EQS_FAIL(EQS_ERR_ARGUMENT, "no result");
  names_of(r, name);
  return gcmc_csv(&r->result, r->label, name, heading, text);
}

void eqs_gcmc_result_free(eqs_gcmc_result **r) {
  if (!r) return;
  free(*r);
  *r = NULL;
}
