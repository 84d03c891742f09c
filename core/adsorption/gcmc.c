/* gcmc.c -- grand canonical Monte Carlo: the run around the chain.
 *
 * Uptake <N>/M_framework; excess n - rho_bulk V_pore; heat by fluctuations, Qst_i = R T - q_i with
 * sum_j cov(N_i, N_j) q_j = cov(N_i, U).
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/gcmc.h"

#include "core/adsorption/fluid.h"
#include "core/adsorption/widom.h"

#include <math.h>

enum { SAMPLES_PER_BLOCK = 5, BLOCKS_MIN = 10, BLOCKS_MAX = 100 };

typedef struct run {
  const gcmc_settings *s;
  cycle_run cycles;
  series series;
} run;

void gcmc_defaults(gcmc_settings *s) {
  *s = (gcmc_settings){.blocks = 20, .cells = 1};
  cycles_defaults(&s->cycles);
  chain_defaults(&s->chain);
}

static eqs_status check_settings(const gcmc_settings *s) {
  if (s->blocks < BLOCKS_MIN || s->blocks > BLOCKS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d blocks; give %d to %d", s->blocks, BLOCKS_MIN, BLOCKS_MAX);
  if (!(s->framework_mass > 0 && isfinite(s->framework_mass)) || s->cells < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a framework of %g u in %d cells", s->framework_mass, s->cells);
  if (!(s->pore_volume >= 0 && isfinite(s->pore_volume)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a pore volume of %g angstrom^3", s->pore_volume);
  for (int i = 0; s->pore_volume > 0 && i < s->chain.n_component && i < CHAIN_COMPONENTS; i++)
    if (!(s->bulk_density[i] >= 0 && isfinite(s->bulk_density[i])))
      EQS_FAIL(EQS_ERR_ARGUMENT, "a bulk density of %g mol/m^3", s->bulk_density[i]);
  return EQS_OK;
}

static eqs_status sample(void *context, const chain_event *e) {
  run *r = context;
  const chain *c = &r->cycles.chain;
  (void)e;
  int64_t first = r->s->cycles.equilibration * r->s->cycles.cycle_moves;
  if ((int64_t)c->move > first)
    series_add(&r->series, (int64_t)c->move - 1 - first, c->count, c->u);
  return EQS_OK;
}

static void archive_series(void *context, archive *a) {
  run *r = context;
  series_archive(&r->series, a);
}

static int sane(const void *context) {
  const run *r = context;
  return series_sane(&r->series);
}

static void fill_uptake(const gcmc_settings *s, const series_result *m, gcmc_result *out) {
  double per_kg = 1000 / s->framework_mass, kt = GAS_CONSTANT * s->chain.temperature / 1000;
  for (int i = 0; i < out->n_component; i++) {
    double outside = s->bulk_density[i] * PER_ANGSTROM * s->pore_volume;
    out->fugacity[i] = s->chain.fugacity[i];
    out->molecules[i] = series_scaled(m->count[i], 1.0 / s->cells, 0);
    out->uptake[i] = series_scaled(m->count[i], per_kg, 0);
    out->excess[i] = out->has_excess ? series_scaled(m->count[i], per_kg, -outside * per_kg)
                                     : (series_value){NAN, NAN, NAN};
    out->heat[i] = series_scaled(m->slope[i], -EV_KJ_MOL, kt);
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
  int settled, cut = series_mser(&r->series, &settled);
  EQS_TRY(series_finish(&r->series, s->mser ? cut : 0, s->blocks, &m));
  *out = (gcmc_result){.n_component = s->chain.n_component,
                       .temperature = s->chain.temperature,
                       .framework_mass = s->framework_mass,
                       .cells = s->cells,
                       .has_excess = s->pore_volume > 0,
                       .inefficiency = m.inefficiency,
                       .n_effective = m.n_effective,
                       .energies = cycles_energies(&r->cycles),
                       .production_moves = r->series.n,
                       .used_moves = m.n_used};
  fill_uptake(s, &m, out);
  fill_chain(&r->cycles.chain, out);
  EQS_TRY(chain_bindings(&r->cycles.chain, &out->lowest_binding, &out->n_trapped));
  out->not_settled = !settled;
  out->few_samples = !(m.n_effective >= SAMPLES_PER_BLOCK * s->blocks);
  out->holes_flagged = out->discarded_share > HOLE_SHARE_LIMIT || out->n_trapped > 0;
  return EQS_OK;
}

eqs_status gcmc_run(const gcmc_settings *s, gcmc_result *out) {
  cycle_client client = {"EQSGCMC1", sample, NULL, NULL, archive_series, sane, 0};
  const cycle_settings *c = &s->cycles;
  run r = {.s = s};
  eqs_status status = EQS_OK;
  EQS_TRY(check_settings(s));
  EQS_TRY(chain_check_settings(&s->chain));
  EQS_TRY_DONE(cycles_check(c));
  EQS_TRY_DONE(series_open(&r.series, s->chain.n_component, c->production * c->cycle_moves));
  if (r.series.n_bin < 4 * s->blocks)
    EQS_TRY_DONE(status_fail(EQS_ERR_ARGUMENT, "%d blocks of %d moves; give more cycles", s->blocks,
                             r.series.n_bin));
  client.size = 8 * (size_t)r.series.n_bin * (size_t)r.series.width;
  EQS_TRY_DONE(cycles_open(&r.cycles, c, &s->chain, &client, &r));
  EQS_TRY_DONE(cycles_go(&r.cycles));
  EQS_TRY_DONE(finish(&r, out));
done:
  series_close(&r.series);
  cycles_close(&r.cycles);
  return status;
}
