/* tmmc.c -- transition-matrix Monte Carlo: collecting and flattening.
 *
 * At N insertions and deletions are equally likely, so with the mean acceptances a+(N), a-(N) of
 * the unbiased chain detailed balance reads Pi(N+1)/Pi(N) = a+(N) / a-(N+1). The bias is -ln Pi.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/tmmc.h"

#include "core/adsorption/widom.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCKS_MIN = 10, UP_N = 0, UP, DOWN_N, DOWN, U_N, U1, U2, U3, ROW };

typedef struct run {
  const tmmc_settings *s;
  cycle_run cycles;
  int n_max;
  double *rows;    /* [blocks][n_max + 1][ROW] of the production */
  double *learned; /* [n_max + 1][ROW] of the whole run, for the bias */
  double *bias;    /* [n_max + 1] */
  int64_t round_trips;
  int going_down; /* n_max was seen after 0 */
} run;

void tmmc_defaults(tmmc_settings *s) {
  *s = (tmmc_settings){.refresh_cycles = 50, .blocks = 20, .cells = 1};
  cycles_defaults(&s->cycles);
  chain_defaults(&s->chain);
  s->chain.max_guests = 100;
}

static eqs_status check_settings(const tmmc_settings *s) {
  if (s->chain.n_component != 1)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "transition-matrix runs have one component, not %d",
             s->chain.n_component);
  if (s->chain.max_guests < 1 || s->chain.max_guests > TMMC_GUESTS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "up to %d guests; give 1 to %d", s->chain.max_guests,
             TMMC_GUESTS_MAX);
  if (!(s->chain.weight[CHAIN_INSERT] > 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a transition-matrix run needs insertions");
  if (s->refresh_cycles < 1 || s->blocks < BLOCKS_MIN || s->blocks > TMMC_BLOCKS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "%d blocks, the bias refreshed every %d cycles; give %d to %d blocks", s->blocks,
             s->refresh_cycles, BLOCKS_MIN, TMMC_BLOCKS_MAX);
  if (s->cycles.production < s->blocks)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d blocks of %lld cycles", s->blocks,
             (long long)s->cycles.production);
  if (!(s->framework_mass > 0 && isfinite(s->framework_mass)) || s->cells < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a framework of %g u in %d cells", s->framework_mass, s->cells);
  return EQS_OK;
}

/* ---------------------------------------------------------------------------- while it runs */

static double *row_of(const run *r, double *rows, int64_t block, int n) {
  return rows + ((size_t)block * ((size_t)r->n_max + 1) + (size_t)n) * ROW;
}

static void add_attempt(const run *r, double *row, const chain_event *e) {
  if (e->kind == CHAIN_INSERT && e->n_before < r->n_max) {
    row[UP_N] += 1;
    row[UP] += e->acceptance;
  } else if (e->kind == CHAIN_DELETE && e->n_before > 0) {
    row[DOWN_N] += 1;
    row[DOWN] += e->acceptance;
  }
}

static eqs_status collect(void *context, const chain_event *e) {
  run *r = context;
  const chain *c = &r->cycles.chain;
  int64_t cycle = r->cycles.cycle - r->s->cycles.equilibration; /* of the production, this one */
  add_attempt(r, row_of(r, r->learned, 0, e->n_before), e);
  if (c->n == r->n_max) r->going_down = 1;
  if (c->n == 0 && r->going_down) {
    r->going_down = 0;
    r->round_trips++;
  }
  if (cycle < 0) return EQS_OK;
  int64_t block = cycle * r->s->blocks / r->s->cycles.production;
  add_attempt(r, row_of(r, r->rows, block, e->n_before), e);
  double *row = row_of(r, r->rows, block, c->n), u = c->u;
  row[U_N] += 1;
  row[U1] += u;
  row[U2] += u * u;
  row[U3] += u * u * u;
  return EQS_OK;
}

/* -ln Pi; where a step down was never tried, as if all of them were accepted: that makes the next N
 * look rarer than it is, and gets it visited. Where no step up was ever possible, flat. */
static void refresh(void *context) {
  run *r = context;
  if (r->cycles.cycle % r->s->refresh_cycles != 0) return;
  for (int n = 0; n < r->n_max; n++) {
    const double *here = row_of(r, r->learned, 0, n), *next = row_of(r, r->learned, 0, n + 1);
    double up = here[UP_N] > 0 ? here[UP] / here[UP_N] : 0;
    double down = next[DOWN_N] > 0 ? next[DOWN] / next[DOWN_N] : 1;
    r->bias[n + 1] = r->bias[n] - (up > 0 && down > 0 ? log(up / down) : 0);
  }
}

/* ------------------------------------------------------------------------------ checkpoints */

static size_t n_value(const run *r) {
  return ((size_t)r->n_max + 1) * ((size_t)(r->s->blocks + 1) * ROW + 1);
}

static void archive_settings(const void *context, archive *a) {
  const run *r = context;
  int blocks = r->s->blocks, refresh_cycles = r->s->refresh_cycles;
  archive_int(a, &blocks);
  archive_int(a, &refresh_cycles);
}

static void archive_state(void *context, archive *a) {
  run *r = context;
  size_t n = (size_t)r->n_max + 1;
  archive_f64(a, r->rows, n * ROW * (size_t)r->s->blocks);
  archive_f64(a, r->learned, n * ROW);
  archive_f64(a, r->bias, n);
  archive_i64(a, &r->round_trips);
  archive_int(a, &r->going_down);
}

static int sane(const void *context) {
  const run *r = context;
  size_t n = (size_t)r->n_max + 1, n_row = n * ROW * (size_t)r->s->blocks;
  for (size_t i = 0; i < n_row; i++)
    if (!isfinite(r->rows[i])) return 0;
  for (size_t i = 0; i < n * ROW; i++)
    if (!isfinite(r->learned[i])) return 0;
  for (size_t i = 0; i < n; i++)
    if (!isfinite(r->bias[i])) return 0;
  return r->round_trips >= 0 && r->round_trips < (int64_t)1 << 60;
}

/* ------------------------------------------------------------------------------- the result */

static void ladder(const run *r, const double *rows, double *ln_pi) {
  log_sum sum;
  log_sum_start(&sum);
  ln_pi[0] = 0;
  for (int n = 0; n < r->n_max; n++) {
    const double *here = rows + (size_t)n * ROW, *next = here + ROW;
    int known = here[UP] > 0 && next[DOWN] > 0;
    ln_pi[n + 1] =
        known ? ln_pi[n] + log(here[UP] / here[UP_N] / (next[DOWN] / next[DOWN_N])) : -INFINITY;
  }
  for (int n = 0; n <= r->n_max; n++) log_sum_add(&sum, ln_pi[n]);
  for (int n = 0; n <= r->n_max; n++) ln_pi[n] -= log_sum_value(&sum);
}

static void cumulants(const double *row, double out[3]) {
  double n = row[U_N], m = row[U1] / n;
  out[0] = out[1] = out[2] = NAN;
  if (!(n > 0)) return;
  out[0] = m;
  out[1] = fmax(0, row[U2] / n - m * m);
  out[2] = row[U3] / n - 3 * m * row[U2] / n + 2 * m * m * m;
}

/* All data with except = -1, else all but one block. */
static void reduce(const run *r, int except, double *rows, double *ln_pi, double (*moment)[3]) {
  size_t n = ((size_t)r->n_max + 1) * ROW;
  for (size_t i = 0; i < n; i++) rows[i] = 0;
  for (int b = 0; b < r->s->blocks; b++)
    for (size_t i = 0; b != except && i < n; i++) rows[i] += r->rows[(size_t)b * n + i];
  ladder(r, rows, ln_pi);
  for (int k = 0; k <= r->n_max; k++) cumulants(rows + (size_t)k * ROW, moment[k]);
}

static eqs_status finish(const run *r, tmmc_result *out) {
  const chain *c = &r->cycles.chain;
  size_t n = (size_t)r->n_max + 1, copies = (size_t)r->s->blocks + 1;
  double *rows;
  EQS_TRY(alloc_array(&out->ln_pi, copies * n, sizeof *out->ln_pi, "a distribution"));
  EQS_TRY(alloc_array(&out->moment, copies * n, sizeof *out->moment, "energies of a distribution"));
  EQS_TRY(alloc_array(&rows, n * ROW, sizeof *rows, "a distribution"));
  for (int b = 0; b <= r->s->blocks; b++)
    reduce(r, b - 1, rows, out->ln_pi + (size_t)b * n, out->moment + (size_t)b * n);
  free(rows);
  while (out->highest < r->n_max && row_of(r, r->learned, 0, out->highest + 1)[DOWN_N] > 0)
    out->highest++;
  for (int k = 0; k < CHAIN_KINDS; k++) out->counts[k] = c->counts[k];
  out->round_trips = r->round_trips;
  out->few_trips = r->round_trips < r->s->blocks;
  out->moves = (int64_t)c->move;
  out->energies = cycles_energies(&r->cycles);
  out->surrogate_energies = c->surrogate_energies;
  out->n_overlap = c->holes.n_overlap;
  out->n_hole = c->holes.n_hole;
  out->hole_energy = c->holes.lowest;
  out->discarded_share = chain_discarded(c);
  out->holes_flagged = out->discarded_share > HOLE_SHARE_LIMIT;
  out->largest_drift = c->largest_drift;
  return EQS_OK;
}

static eqs_status sample(run *r, const chain_settings *moves, tmmc_result *out) {
  const cycle_client client = {"EQSTMMC1",    collect, refresh,       archive_settings,
                               archive_state, sane,    8 * n_value(r)};
  size_t n = (size_t)r->n_max + 1, blocks = (size_t)r->s->blocks;
  EQS_TRY(alloc_array(&r->rows, n * ROW * blocks, sizeof *r->rows, "a collection matrix"));
  EQS_TRY(alloc_array(&r->learned, n * ROW, sizeof *r->learned, "a collection matrix"));
  EQS_TRY(alloc_array(&r->bias, n, sizeof *r->bias, "a bias"));
  EQS_TRY(cycles_open(&r->cycles, &r->s->cycles, moves, &client, r));
  r->cycles.chain.bias = r->bias;
  r->cycles.chain.collect = 1;
  EQS_TRY(cycles_go(&r->cycles));
  return finish(r, out);
}

eqs_status tmmc_run(const tmmc_settings *s, tmmc_result **out) {
  run r = {.s = s, .n_max = s->chain.max_guests};
  chain_settings moves = s->chain;
  tmmc_result *result = NULL;
  *out = NULL;
  EQS_TRY(check_settings(s));
  moves.wall = 1;
  EQS_TRY(alloc_array(&result, 1, sizeof *result, "a distribution"));
  *result = (tmmc_result){.n_max = r.n_max,
                          .blocks = s->blocks,
                          .cells = s->cells,
                          .temperature = s->chain.temperature,
                          .fugacity = s->chain.fugacity[0],
                          .framework_mass = s->framework_mass};
  eqs_status status = sample(&r, &moves, result);
  cycles_close(&r.cycles);
  free(r.rows);
  free(r.learned);
  free(r.bias);
  if (status != EQS_OK) tmmc_free(&result);
  *out = result;
  return status;
}

void tmmc_free(tmmc_result **r) {
  if (!r || !*r) return;
  free((*r)->ln_pi);
  free((*r)->moment);
  free(*r);
  *r = NULL;
}
