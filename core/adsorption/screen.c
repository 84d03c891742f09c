/* screen.c -- the screening run: files in, one stored row per framework and condition out.
 *
 * Per framework: hash, read, primitive cell and replicas, empty framework, Widom insertion, record.
 * A row's key is the file's SHA-256, the frame, and the condition (gas, temperature, insertions,
 * seed, model, head, precision, dispersion, rules) as text; rows that exist are taken over. The
 * stream of random numbers is keyed by the file's hash, so results do not depend on order or
 * company.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/henry_job.h"
#include "core/adsorption/subject.h"
#include "core/clock.h"
#include "core/locale_c.h"
#include "io/report.h"
#include "io/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INSERTIONS = 10000 };
#define INSERTIONS_MAX 1000000000000

struct eqs_screen_result {
  store *store;
  int64_t *id; /* [n] rows of this call, in the order of the files */
  size_t n, capacity;
  int n_ok, n_failed, n_found;
};

typedef struct session {
  eqs_context *context;
  const eqs_model *model;
  eqs_model_info info;
  eqs_screen_options options;
  gas molecule;
  double needed;      /* width of the box, angstrom */
  screen_record base; /* what all rows share */
  eqs_screen_result *result;
  eqs_screen_watch watch;
  void *user;
  int i, n, n_computed;
  const char *name;
  double start; /* s */
} session;

static int look(session *s, int64_t draws) {
  if (!s->watch) return 0;
  double share = (double)draws / (double)s->options.insertions;
  double done = s->n_computed + share, left = s->n - s->i - share;
  double spent = clock_seconds() - s->start;
  eqs_screen_progress p = {.size = sizeof p,
                           .framework = s->i + 1,
                           .n_framework = s->n,
                           .name = s->name,
                           .insertion = draws,
                           .n_insertion = s->options.insertions,
                           .seconds_left = done > 0 ? spent / done * left : NAN};
  return s->watch(&p, s->user);
}

/* ---- one framework */

static int watch_draws(const eqs_widom_progress *p, void *user) { return look(user, p->done); }

static int progress_of(void *context, int64_t done) {
  return henry_job_look(context, "insertions", done, 0);
}

static eqs_status insert(henry_job *j, const eqs_screen_options *o, screen_record *r) {
  EQS_TRY(henry_job_target(j));
  widom_settings settings = {.n = o->insertions,
                             .seed = o->seed,
                             .stream = j->stream,
                             .cell = j->host.cell.cell,
                             .temperature = o->temperature,
                             .batch = HENRY_BATCH,
                             .context = j,
                             .energy = henry_job_energy,
                             .overlap = henry_job_overlap,
                             .contact = henry_job_contact,
                             .progress = progress_of};
  widom_result w;
  EQS_TRY(widom_run(&settings, &w));
  record_widom(r, &w, o->temperature);
  r->molecules_per_cell = r->henry * j->host.primitive_mass / 1000;
  return EQS_OK;
}

static eqs_status screen_structure(session *s, const structure *given, uint32_t stream,
                                   screen_record *r) {
  record_warnings(r, given);
  if (r->warnings[0]) record_flag(r, "warnings");
  EQS_TRY(model_knows(&s->info, given->n, given->number));
  henry_job j = {.context = s->context,
                 .model = s->model,
                 .info = s->info,
                 .molecule = s->molecule,
                 .stream = stream,
                 .watch = watch_draws,
                 .user = s};
  EQS_TRY(framework_prepare(given, s->needed, &j.host));
  eqs_status status = record_framework(r, &j.host);
  if (status == EQS_OK) status = insert(&j, &s->options, r);
  henry_job_close(&j);
  return status;
}

/* ---- rows */

static eqs_status add_row(eqs_screen_result *result, const screen_record *r, int was_there) {
  if (result->n == result->capacity) {
    size_t capacity = result->capacity ? 2 * result->capacity : 64;
    int64_t *id = realloc(result->id, mul_size(capacity, sizeof *id));
    if (!id) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the list of results");
    result->id = id;
    result->capacity = capacity;
  }
  for (size_t i = 0; i < result->n; i++)
    if (result->id[i] == r->id) return EQS_OK; /* the same content under another name */
  result->id[result->n++] = r->id;
  result->n_found += was_there;
  if (r->error == EQS_OK) result->n_ok++;
  else result->n_failed++;
  return EQS_OK;
}

static eqs_status finish_row(session *s, screen_record *r, eqs_status outcome, double start) {
  if (outcome == EQS_ERR_INTERRUPTED) return outcome;
  r->error = outcome;
  snprintf(r->status, sizeof r->status, "%s", outcome == EQS_OK ? "ok" : "failed");
  if (outcome != EQS_OK) { snprintf(r->reason, sizeof r->reason, "%s", eqs_error()); }
  r->seconds = clock_seconds() - start;
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc)) strftime(r->finished, sizeof r->finished, "%Y-%m-%dT%H:%M:%SZ", &utc);
  EQS_TRY(store_put(s->result->store, r));
  s->n_computed++;
  return add_row(s->result, r, 0);
}

/* A stored row stands, unless it is a failure that may not happen again. */
static int stands(const session *s, const screen_record *r) {
  return r->error == EQS_OK || (!s->options.retry_failed &&
                                (r->error == EQS_ERR_ARGUMENT || r->error == EQS_ERR_FORMAT ||
                                 r->error == EQS_ERR_UNSUPPORTED || r->error == EQS_ERR_DIVERGED));
}

/* Takes over the rows of a file if all of its frames are in the store. */
static eqs_status take_stored(session *s, const char *sha, int *all) {
  screen_record *r = NULL;
  EQS_TRY(alloc_array(&r, 1, sizeof *r, "a result"));
  eqs_status status = EQS_OK;
  int64_t n_frame = 1;
  *all = 1;
  for (int pass = 0; pass < 2 && *all; pass++) /* first look, then take */
    for (int64_t frame = 0; frame < n_frame && *all; frame++) {
      int found;
      EQS_TRY_DONE(store_find(s->result->store, sha, frame, s->base.condition, r, &found));
      *all = found && stands(s, r);
      if (*all && frame == 0) n_frame = r->n_frame;
      if (*all && pass == 1) EQS_TRY_DONE(add_row(s->result, r, 1));
    }
done:
  free(r);
  return status;
}

static eqs_status screen_frames(session *s, const eqs_structures *frames, uint32_t stream,
                                screen_record *r) {
  const screen_record blank_row = *r;
  int n = eqs_structures_count(frames);
  for (int i = 0; i < n; i++) {
    int found;
    EQS_TRY(store_find(s->result->store, blank_row.file_sha256, i, s->base.condition, r, &found));
    if (found && stands(s, r)) {
      EQS_TRY(add_row(s->result, r, 1));
      continue;
    }
    *r = blank_row;
    r->frame = i;
    r->n_frame = n;
    if (n > 1) {
      size_t end = strlen(r->name);
      snprintf(r->name + end, sizeof r->name - end, "#%d", i + 1);
    }
    s->name = r->name;
    double start = clock_seconds();
    eqs_status outcome =
        look(s, 0) ? status_fail(EQS_ERR_INTERRUPTED, "stopped before %s", r->name)
                   : screen_structure(s, structures_frame(frames, i), stream + (uint32_t)i, r);
    EQS_TRY(finish_row(s, r, outcome, start));
  }
  return EQS_OK;
}

static eqs_status screen_file(session *s, const char *path, screen_record *r) {
  double start = clock_seconds();
  *r = s->base;
  record_blank(r);
  record_name(r, path);
  r->n_frame = 1;
  s->name = r->name;
  if (look(s, 0)) EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped before %s", path);
  eqs_status outcome = file_sha256(path, r->file_sha256);
  if (outcome != EQS_OK) { /* no content to name the row by */
    char digest[65];
    sha256_hex(path, strlen(path), digest);
    snprintf(r->file_sha256, sizeof r->file_sha256, "unreadable:%.50s", digest);
    return finish_row(s, r, outcome, start);
  }
  int all;
  EQS_TRY(take_stored(s, r->file_sha256, &all));
  if (all) return EQS_OK;
  eqs_structures *frames = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = s->options.disorder_major};
  outcome = eqs_structures_read(path, &options, &frames);
  if (outcome != EQS_OK) return finish_row(s, r, outcome, start);
  char head[9] = {0}; /* the stream is the start of the hash */
  memcpy(head, r->file_sha256, 8);
  uint32_t stream = (uint32_t)strtoul(head, NULL, 16);
  eqs_status status = screen_frames(s, frames, stream, r);
  eqs_structures_free(&frames);
  return status;
}

/* ---- the run */

static void fill_base(session *s) {
  LOCALE_C();
  screen_record *r = &s->base;
  const eqs_screen_options *o = &s->options;
  s->needed = subject_width(&s->info, &s->molecule, o->replicate_strict);
  record_subject(r, &s->info, &s->molecule, o->replicate_strict);
  r->temperature = o->temperature;
  r->insertions = o->insertions;
  r->seed = (int64_t)o->seed;
  snprintf(
      r->condition, sizeof r->condition,
      "gas=%s T=%.17g n=%lld seed=%lld model=%s head=%s precision=%s dispersion=%s disorder=%s "
      "replicate=%s",
      r->gas, r->temperature, (long long)r->insertions, (long long)r->seed, r->model_sha256,
      r->head, r->precision, r->dispersion, o->disorder_major ? "major" : "refuse",
      o->replicate_strict ? "strict" : "shell");
}

static eqs_status check_options(const eqs_screen_options *given, eqs_screen_options *out) {
  *out = (eqs_screen_options){0};
  if (!given || given->size == 0 || given->size > sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "options->size is not set, or from a newer library");
  memcpy(out, given, given->size);
  if (out->insertions == 0) out->insertions = INSERTIONS;
  if (out->insertions < WIDOM_MIN || out->insertions > INSERTIONS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertions must be %d to %lld, not %lld", WIDOM_MIN,
             (long long)INSERTIONS_MAX, (long long)out->insertions);
  if (!(out->temperature >= 1 && out->temperature <= 10000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the temperature must be 1 to 10000 K, not %g", out->temperature);
  if (out->seed > INT64_MAX) EQS_FAIL(EQS_ERR_ARGUMENT, "the seed must be below 2^63");
  return EQS_OK;
}

eqs_status eqs_screen(eqs_context *c, const eqs_model *m, const char *const *paths, int n,
                      const eqs_screen_options *options, const char *path, eqs_screen_watch watch,
                      void *user, eqs_screen_result **out) {
  *out = NULL;
  if (!c || !m || !path || n < 0 || (n && !paths))
    EQS_FAIL(EQS_ERR_ARGUMENT, "screening needs a context, a model, files and a place for results");
  session s = {.context = c, .model = m, .n = n, .watch = watch, .user = user, .name = ""};
  s.info.size = sizeof s.info;
  screen_record *r = NULL;
  EQS_TRY(check_options(options, &s.options));
  EQS_TRY(gas_find(s.options.gas, &s.molecule));
  EQS_TRY(eqs_model_info_get(m, &s.info));
  eqs_status status = EQS_OK;
  s.start = clock_seconds();
  EQS_TRY(alloc_array(&s.result, 1, sizeof *s.result, "the results"));
  EQS_TRY_DONE(alloc_array(&r, 1, sizeof *r, "a result"));
  EQS_TRY_DONE(store_open(path, &s.result->store));
  fill_base(&s);
  EQS_TRY_DONE(record_gas(&s.base, c, m, &s.info, &s.molecule));
  for (s.i = 0; s.i < n; s.i++) EQS_TRY_DONE(screen_file(&s, paths[s.i], r));
done:
  free(r);
  if (status == EQS_OK || status == EQS_ERR_INTERRUPTED) *out = s.result;
  else eqs_screen_result_free(&s.result);
  return status;
}

/* ---- the result */

static eqs_status row_of(const void *context, size_t i, screen_record *out) {
  const eqs_screen_result *r = context;
  return store_get(r->store, r->id[i], out);
}

static eqs_status check_pressure(double pressure) {
  if (!(pressure > 0 && pressure < INFINITY))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the pressure must be positive, not %g Pa", pressure);
  return EQS_OK;
}

eqs_status eqs_screen_table(const eqs_screen_result *r, double pressure, char **text) {
  EQS_TRY(check_pressure(pressure));
  return report_table(r->n, row_of, r, pressure, text);
}

eqs_status eqs_screen_csv(const eqs_screen_result *r, double pressure, const char *path) {
  EQS_TRY(check_pressure(pressure));
  return report_csv(r->n, row_of, r, pressure, path);
}

eqs_status eqs_screen_counts_get(const eqs_screen_result *r, eqs_screen_counts *out) {
  if (!r || !out || out->size < sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "counts->size is not set, or there is no result");
  out->n_ok = r->n_ok;
  out->n_failed = r->n_failed;
  out->n_found = r->n_found;
  return EQS_OK;
}

void eqs_screen_result_free(eqs_screen_result **r) {
  if (!r || !*r) return;
  store_close(&(*r)->store);
  free((*r)->id);
  free(*r);
  *r = NULL;
}
