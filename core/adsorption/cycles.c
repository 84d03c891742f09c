/* cycles.c -- a run of a chain: equilibration, production, checks, checkpoints, interruption.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/cycles.h"

enum { ADAPT_CYCLES = 20 };

void cycles_defaults(cycle_settings *s) {
  *s = (cycle_settings){
      .equilibration = 2000, .production = 2000, .cycle_moves = 20, .check_cycles = 100};
}

eqs_status cycles_check(const cycle_settings *s) {
  const int64_t most = (int64_t)1 << 40;
  if (s->equilibration < 0 || s->production < 1 || s->equilibration > most || s->production > most)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%lld and %lld cycles of equilibration and production",
             (long long)s->equilibration, (long long)s->production);
  if (s->cycle_moves < 1 || s->cycle_moves > 1000000 || s->check_cycles < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "cycles of %d moves, checked every %d cycles", s->cycle_moves,
             s->check_cycles);
  return EQS_OK;
}

static eqs_status fingerprint(cycle_run *r) {
  archive a = {0};
  cycle_settings s = *r->s;
  chain_archive_settings(&r->chain_settings, &a);
  archive_i64(&a, &s.equilibration);
  archive_i64(&a, &s.production);
  archive_int(&a, &s.cycle_moves);
  archive_int(&a, &s.check_cycles);
  if (r->client->settings) r->client->settings(r->context, &a);
  eqs_status status = archive_finish(&a);
  if (status == EQS_OK) archive_fingerprint(&a, r->fingerprint);
  archive_free(&a);
  return status;
}

static eqs_status archive_run(cycle_run *r, archive *a) {
  archive_i64(a, &r->cycle);
  r->client->archive(r->context, a);
  return chain_archive(&r->chain, a);
}

static eqs_status write_checkpoint(cycle_run *r) {
  archive a = {0};
  eqs_status status = archive_run(r, &a);
  if (status == EQS_OK)
    status = checkpoint_write(r->s->checkpoint, r->client->kind, r->fingerprint, &a);
  archive_free(&a);
  return status;
}

static eqs_status read_state(cycle_run *r, archive *a) {
  EQS_TRY(archive_run(r, a));
  EQS_TRY(archive_finish(a));
  if (r->cycle < 0 || r->cycle > r->s->equilibration + r->s->production ||
      r->chain.move != (uint64_t)r->cycle * (uint64_t)r->s->cycle_moves ||
      !r->client->sane(r->context))
    EQS_FAIL(EQS_ERR_FORMAT, "its state makes no sense; remove it to start anew");
  return EQS_OK;
}

eqs_status cycles_open(cycle_run *r, const cycle_settings *s, const chain_settings *moves,
                       const cycle_client *client, void *context) {
  archive a = {0};
  int found = 0;
  *r = (cycle_run){.s = s, .client = client, .context = context, .chain_settings = *moves};
  EQS_TRY(cycles_check(s));
  EQS_TRY(chain_check_settings(moves));
  if (s->checkpoint && moves->weight[CHAIN_HYBRID] > 0)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "no checkpoints of runs with hybrid moves: the framework's atoms, "
             "which move, are not kept");
  EQS_TRY(fingerprint(r));
  size_t limit = client->size + 64 * (size_t)moves->max_guests + 65536;
  if (s->checkpoint)
    EQS_TRY(checkpoint_read(s->checkpoint, client->kind, r->fingerprint, limit, &a, &found));
  if (found) r->chain_settings.n_initial = 0; /* its guests come from the file */
  eqs_status status = chain_open(&r->chain, &r->chain_settings);
  if (status == EQS_OK && found) {
    status = read_state(r, &a);
    if (status != EQS_OK) status_prefix(status, "%s", s->checkpoint);
  }
  archive_free(&a);
  return status;
}

int64_t cycles_energies(const cycle_run *r) {
  int64_t n = 0;
  for (int k = 0; k < CHAIN_KINDS; k++) n += r->chain.counts[k].energies;
  return n;
}

static eqs_status look(const cycle_run *r) {
  const cycle_settings *s = r->s;
  if (!s->watch) return EQS_OK;
  const cycle_progress p = {.cycle = r->cycle,
                            .n_cycle = s->equilibration + s->production,
                            .equilibrating = r->cycle <= s->equilibration,
                            .energy = r->chain.u,
                            .energies = cycles_energies(r),
                            .n_guest = r->chain.n,
                            .guests = r->chain.guests};
  if (s->watch(s->context, &p))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %lld of %lld cycles%s%s", (long long)r->cycle,
             (long long)p.n_cycle, s->checkpoint ? "; continue with the checkpoint " : "",
             s->checkpoint ? s->checkpoint : "");
  return EQS_OK;
}

eqs_status cycles_go(cycle_run *r) {
  const cycle_settings *s = r->s;
  int64_t last = s->equilibration + s->production;
  while (r->cycle < last) {
    int equilibrating = r->cycle < s->equilibration;
    EQS_TRY(chain_advance(&r->chain, s->cycle_moves, r->client->observe, r->context));
    r->cycle++;
    if (equilibrating && r->cycle % ADAPT_CYCLES == 0) chain_adapt(&r->chain);
    if (r->client->after) r->client->after(r->context);
    if (r->cycle % s->check_cycles == 0 || r->cycle == last) {
      if (s->checkpoint) EQS_TRY(chain_rebuild(&r->chain));
      EQS_TRY(chain_check(&r->chain));
      if (s->checkpoint) EQS_TRY(write_checkpoint(r));
    }
    EQS_TRY(look(r));
  }
  return EQS_OK;
}

void cycles_close(cycle_run *r) { chain_close(&r->chain); }
