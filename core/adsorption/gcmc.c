/* gcmc.c -- grand canonical Monte Carlo: the run around the chain.
 *
 * Uptake <N>/M_framework; excess n - rho_bulk V_pore; heat by fluctuations, Qst_i = R T - q_i with
 * sum_j cov(N_i, N_j) q_j = cov(N_i, U).
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/gcmc.h"

#include "core/adsorption/widom.h"

#include <math.h>
#include <stdlib.h>

#define KIND         "EQSGCMC1"
#define PER_ANGSTROM 6.02214076e-7 /* molecules in an angstrom^3 at 1 mol/m^3 */

enum { ADAPT_CYCLES = 20, SAMPLES_PER_BLOCK = 5, BLOCKS_MIN = 10, BLOCKS_MAX = 100 };

typedef struct run {
  const gcmc_settings *s;
  chain chain;
  series series;
  int64_t cycle;
  char fingerprint[65];
} run;

void gcmc_defaults(gcmc_settings *s) {
  *s = (gcmc_settings){.equilibration = 2000,
                       .production = 2000,
                       .cycle_moves = 20,
                       .blocks = 20,
                       .check_cycles = 100,
                       .cells = 1};
  chain_defaults(&s->chain);
}

static eqs_status check_settings(const gcmc_settings *s) {
  if (s->equilibration < 0 || s->production < 1 || s->equilibration > (int64_t)1 << 40 ||
      s->production > (int64_t)1 << 40)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%lld and %lld cycles of equilibration and production",
             (long long)s->equilibration, (long long)s->production);
  if (s->cycle_moves < 1 || s->cycle_moves > 1000000 || s->check_cycles < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "cycles of %d moves, checked every %d cycles", s->cycle_moves,
             s->check_cycles);
  if (s->blocks < BLOCKS_MIN || s->blocks > BLOCKS_MAX ||
      s->production * s->cycle_moves < 4 * s->blocks)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d blocks of %lld moves; give %d to %d, of four moves at least",
             s->blocks, (long long)(s->production * s->cycle_moves), BLOCKS_MIN, BLOCKS_MAX);
  if (!(s->framework_mass > 0 && isfinite(s->framework_mass)) || s->cells < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a framework of %g u in %d cells", s->framework_mass, s->cells);
  if (!(s->pore_volume >= 0 && isfinite(s->pore_volume)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a pore volume of %g angstrom^3", s->pore_volume);
  for (int i = 0; s->pore_volume > 0 && i < s->chain.n_component && i < CHAIN_COMPONENTS; i++)
    if (!(s->bulk_density[i] >= 0 && isfinite(s->bulk_density[i])))
      EQS_FAIL(EQS_ERR_ARGUMENT, "a bulk density of %g mol/m^3", s->bulk_density[i]);
  return EQS_OK;
}

static eqs_status fingerprint(run *r) {
  archive a = {0};
  gcmc_settings s = *r->s;
  chain_archive_settings(&s.chain, &a);
  archive_i64(&a, &s.equilibration);
  archive_i64(&a, &s.production);
  archive_int(&a, &s.cycle_moves);
  archive_int(&a, &s.check_cycles);
  eqs_status status = archive_finish(&a);
  if (status == EQS_OK) archive_fingerprint(&a, r->fingerprint);
  archive_free(&a);
  return status;
}

static eqs_status archive_run(run *r, archive *a) {
  archive_i64(a, &r->cycle);
  series_archive(&r->series, a);
  return chain_archive(&r->chain, a);
}

static eqs_status write_checkpoint(run *r) {
  archive a = {0};
  eqs_status status = archive_run(r, &a);
  if (status == EQS_OK) status = checkpoint_write(r->s->checkpoint, KIND, r->fingerprint, &a);
  archive_free(&a);
  return status;
}

/* Reads the state if there is one, into a chain that is opened without the initial guests. */
static eqs_status open_chain(run *r, chain_settings *settings) {
  archive a = {0};
  int found = 0;
  eqs_status status = EQS_OK;
  size_t bins = (size_t)r->series.n_bin * (size_t)r->series.width;
  size_t limit = 8 * bins + 64 * (size_t)settings->max_guests + 65536;
  if (r->s->checkpoint)
    EQS_TRY(checkpoint_read(r->s->checkpoint, KIND, r->fingerprint, limit, &a, &found));
  if (found) settings->n_initial = 0;
  EQS_TRY_DONE(chain_open(&r->chain, settings));
  if (!found) return EQS_OK;
  EQS_TRY_DONE(archive_run(r, &a));
  EQS_TRY_DONE(archive_finish(&a));
  int64_t last = r->s->equilibration + r->s->production;
  if (r->cycle < 0 || r->cycle > last || !series_sane(&r->series) ||
      r->chain.move != (uint64_t)(r->cycle * r->s->cycle_moves))
    status = status_fail(EQS_ERR_FORMAT, "its state makes no sense; remove it to start anew");
done:
  archive_free(&a);
  return status == EQS_OK || !found ? status : status_prefix(status, "%s", r->s->checkpoint);
}

static eqs_status sample(void *context, const chain_event *e) {
  run *r = context;
  (void)e;
  int64_t first = r->s->equilibration * r->s->cycle_moves;
  series_add(&r->series, (int64_t)r->chain.move - 1 - first, r->chain.count, r->chain.u);
  return EQS_OK;
}

static int64_t energies(const chain *c) {
  int64_t n = 0;
  for (int k = 0; k < CHAIN_KINDS; k++) n += c->counts[k].energies;
  return n;
}

static eqs_status look(const run *r) {
  const gcmc_settings *s = r->s;
  if (!s->watch) return EQS_OK;
  const gcmc_progress p = {.cycle = r->cycle,
                           .n_cycle = s->equilibration + s->production,
                           .equilibrating = r->cycle <= s->equilibration,
                           .energy = r->chain.u,
                           .energies = energies(&r->chain),
                           .n_guest = r->chain.n,
                           .guests = r->chain.guests};
  if (s->watch(s->context, &p))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %lld of %lld cycles%s%s", (long long)r->cycle,
             (long long)p.n_cycle, s->checkpoint ? "; continue with the checkpoint " : "",
             s->checkpoint ? s->checkpoint : "");
  return EQS_OK;
}

static eqs_status cycles(run *r) {
  const gcmc_settings *s = r->s;
  int64_t last = s->equilibration + s->production;
  while (r->cycle < last) {
    int equilibrating = r->cycle < s->equilibration;
    EQS_TRY(chain_advance(&r->chain, s->cycle_moves, equilibrating ? NULL : sample, r));
    r->cycle++;
    if (equilibrating && r->cycle % ADAPT_CYCLES == 0) chain_adapt(&r->chain);
    if (r->cycle % s->check_cycles == 0 || r->cycle == last) {
      EQS_TRY(chain_check(&r->chain));
      if (s->checkpoint) EQS_TRY(write_checkpoint(r));
    }
    EQS_TRY(look(r));
  }
  return EQS_OK;
}

static series_value scaled(series_value v, double factor, double shift) {
  double size = fabs(factor);
  return (series_value){factor * v.mean + shift, size * v.sigma, size * v.ci95};
}

static void fill_uptake(const gcmc_settings *s, const series_result *m, gcmc_result *out) {
  double per_kg = 1000 / s->framework_mass, kt = GAS_CONSTANT * s->chain.temperature / 1000;
  for (int i = 0; i < out->n_component; i++) {
    double outside = s->bulk_density[i] * PER_ANGSTROM * s->pore_volume;
    out->fugacity[i] = s->chain.fugacity[i];
    out->molecules[i] = scaled(m->count[i], 1.0 / s->cells, 0);
    out->uptake[i] = scaled(m->count[i], per_kg, 0);
    out->excess[i] = out->has_excess ? scaled(m->count[i], per_kg, -outside * per_kg)
                                     : (series_value){NAN, NAN, NAN};
    out->heat[i] = scaled(m->slope[i], -EV_KJ_MOL, kt);
    for (int j = 0; j < out->n_component; j++) out->covariance[i][j] = m->covariance[i][j];
  }
  out->energy = m->energy;
}

static void fill_chain(const chain *c, gcmc_result *out) {
  for (int k = 0; k < CHAIN_KINDS; k++) out->counts[k] = c->counts[k];
  for (int i = 0; i < out->n_component; i++) {
    out->step[i] = c->step[i];
    out->turn[i] = c->turn[i];
    out->final_count[i] = c->count[i];
  }
  out->energies = energies(c);
  out->surrogate_energies = c->surrogate_energies;
  out->moves = (int64_t)c->move;
  out->n_overlap = c->holes.n_overlap;
  out->n_hole = c->holes.n_hole;
  out->hole_energy = c->holes.lowest;
  out->discarded_share = chain_discarded(c);
  out->final_energy = c->u;
  out->largest_drift = c->largest_drift;
}

static eqs_status finish(run *r, gcmc_result *out) {
  const gcmc_settings *s = r->s;
  series_result m;
  int settled = 1, first = s->mser ? series_mser(&r->series, &settled) : 0;
  EQS_TRY(series_finish(&r->series, first, s->blocks, &m));
  *out = (gcmc_result){.n_component = s->chain.n_component,
                       .temperature = s->chain.temperature,
                       .framework_mass = s->framework_mass,
                       .cells = s->cells,
                       .has_excess = s->pore_volume > 0,
                       .inefficiency = m.inefficiency,
                       .n_effective = m.n_effective,
                       .production_moves = s->production * s->cycle_moves,
                       .used_moves = m.n_used};
  fill_uptake(s, &m, out);
  fill_chain(&r->chain, out);
  EQS_TRY(chain_bindings(&r->chain, &out->lowest_binding, &out->n_trapped));
  out->not_settled = !settled;
  out->few_samples = !(m.n_effective >= SAMPLES_PER_BLOCK * s->blocks);
  out->holes_flagged = out->discarded_share > HOLE_SHARE_LIMIT || out->n_trapped > 0;
  return EQS_OK;
}

eqs_status gcmc_run(const gcmc_settings *s, gcmc_result *out) {
  run r = {.s = s};
  chain_settings settings = s->chain;
  eqs_status status = EQS_OK;
  EQS_TRY(check_settings(s));
  EQS_TRY(chain_check_settings(&s->chain));
  EQS_TRY(fingerprint(&r));
  EQS_TRY_DONE(series_open(&r.series, s->chain.n_component, s->production * s->cycle_moves));
  EQS_TRY_DONE(open_chain(&r, &settings));
  EQS_TRY_DONE(cycles(&r));
  EQS_TRY_DONE(finish(&r, out));
done:
  series_close(&r.series);
  chain_close(&r.chain);
  return status;
}
