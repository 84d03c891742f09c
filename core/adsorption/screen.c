/* screen.c -- the screening funnel: files in, a stored row per framework and stage out.
 *
 * The first pass takes every framework through the cheap stages, the second those that pass to the
 * model, the third the best to isotherms, best first. A row's key is the file's SHA-256, the frame
 * and the stage's condition as text; rows that exist are taken over. The stream of random numbers
 * is keyed by the file's hash, so results do not depend on order or company. What a long stage has
 * got so far is in a file beside the store until its row is in.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/screen_stages.h"
#include "core/adsorption/subject.h"
#include "core/clock.h"
#include "core/locale_c.h"
#include "io/report.h"
#include "io/sha256.h"
#include "io/whole_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct item {
  int64_t id; /* of its last row, isotherms apart */
  int file, stage;
  int error, fresh; /* fresh: some row was computed by this call */
  int done;         /* it got as far as it was to get */
  double classical, henry;
  char stopped[sizeof((screen_record *)0)->stopped];
} item;

struct eqs_screen_result {
  store *store;
  item *item; /* [n] frameworks in the order of the files */
  size_t n, capacity;
  int64_t *point; /* [n_point] rows of isotherms */
  size_t n_point;
};

typedef struct session {
  screen_stages stages;
  const char *const *paths;
  const char *store_path;
  eqs_screen_result *result;
  screen_record *stored, *before; /* a row on its way from the store; one to start again from */
  eqs_screen_watch watch;
  void *user;
  int i, n, n_computed; /* of this pass */
  int fresh;            /* of the framework in work */
  const char *name;
  double start; /* s, of this pass */
} session;

/* A file in work. */
typedef struct work {
  const char *path;
  eqs_structures *frames; /* NULL until one is needed */
  screen_frame frame;
} work;

/* ---- progress */

static int look(const session *s, const char *phase, int64_t done, int64_t of) {
  if (!s->watch) return 0;
  double spent = clock_seconds() - s->start;
  eqs_screen_progress p = {.size = sizeof p,
                           .framework = s->i + 1,
                           .n_framework = s->n,
                           .name = s->name,
                           .phase = phase,
                           .done = done,
                           .of = of,
                           .seconds_left =
                               s->n_computed > 0 ? spent / s->n_computed * (s->n - s->i) : NAN};
  return s->watch(&p, s->user);
}

static int look_within(const eqs_widom_progress *p, void *user) {
  return look(user, p->phase, p->done, p->of);
}

/* ---- rows */

typedef struct stopwatch {
  double wall, cpu;
} stopwatch;

static stopwatch start_watch(void) { return (stopwatch){clock_seconds(), clock_cpu_seconds()}; }

static eqs_status finish_row(session *s, screen_record *r, int stage, eqs_status outcome,
                             stopwatch start) {
  if (outcome == EQS_ERR_INTERRUPTED) return outcome;
  r->error = outcome;
  snprintf(r->status, sizeof r->status, "%s", outcome == EQS_OK ? "ok" : "failed");
  if (outcome != EQS_OK) snprintf(r->reason, sizeof r->reason, "%s", eqs_error());
  snprintf(r->stage, sizeof r->stage, "%s", screen_stage_name(stage));
  r->seconds = clock_seconds() - start.wall;
  r->cpu_seconds = clock_cpu_seconds() - start.cpu;
  record_time(r);
  s->fresh = 1;
  return store_put(s->result->store, r);
}

/* A stored row stands, unless it is a failure that may not happen again. */
static int stands(const session *s, const screen_record *r) {
  return r->error == EQS_OK || (!s->stages.options.retry_failed &&
                                (r->error == EQS_ERR_ARGUMENT || r->error == EQS_ERR_FORMAT ||
                                 r->error == EQS_ERR_UNSUPPORTED || r->error == EQS_ERR_DIVERGED));
}

/* Reads the file of the row, if that has not been done; it must still be the one that was hashed.
 */
static eqs_status read_frames(const session *s, work *w, const screen_record *r) {
  char sha[65];
  eqs_read_options options = {.size = sizeof options,
                              .disorder_major = s->stages.options.disorder_major};
  if (w->frames) return EQS_OK;
  EQS_TRY(eqs_structures_read(w->path, &options, &w->frames));
  EQS_TRY(file_sha256(w->path, sha));
  if (strcmp(sha, r->file_sha256) != 0 || r->frame >= eqs_structures_count(w->frames))
    EQS_FAIL(EQS_ERR_FILE, "%s changed while it was screened; run again", w->path);
  return EQS_OK;
}

/* The file for a row's state: the store's name and a hash of the row's key. */
static eqs_status state_path(const session *s, const screen_record *r, char **out) {
  char key[sizeof r->file_sha256 + SCREEN_CONDITION + 32], digest[65];
  int n =
      snprintf(key, sizeof key, "%s %lld %s", r->file_sha256, (long long)r->frame, r->condition);
  sha256_hex(key, (size_t)n, digest);
  size_t size = strlen(s->store_path) + 32;
  EQS_TRY(alloc_array(out, size, 1, "a path"));
  snprintf(*out, size, "%s.%.16s.part", s->store_path, digest);
  return EQS_OK;
}

static eqs_status compute(session *s, work *w, int stage, int k, const char *state,
                          screen_record *r) {
  EQS_TRY(read_frames(s, w, r));
  int n = eqs_structures_count(w->frames);
  if (stage == s->stages.first && (r->n_frame = n) > 1) {
    size_t end = strlen(r->name);
    snprintf(r->name + end, sizeof r->name - end, "#%d", (int)r->frame + 1);
  }
  w->frame.frames = w->frames;
  w->frame.i = (int)r->frame;
  w->frame.stream = stream_of(r->file_sha256) + (uint32_t)r->frame;
  int continued = access(state, F_OK) == 0;
  if (continued) *s->before = *r;
  eqs_status status = screen_stage_run(&s->stages, stage, k, &w->frame, state, r);
  if (!continued || (status != EQS_ERR_FORMAT && status != EQS_ERR_ARGUMENT)) return status;
  whole_file_remove(state); /* perhaps it is damaged: once more without */
  *r = *s->before;
  return screen_stage_run(&s->stages, stage, k, &w->frame, state, r);
}

/* One stage: r is the row of the stage before, and becomes this one's, stored or computed. A
 * failure of the framework is a row with an error, not of this function. */
static eqs_status do_stage(session *s, work *w, int stage, int k, screen_record *r) {
  int found;
  char *state = NULL;
  stopwatch start = start_watch();
  screen_stage_condition(&s->stages, stage, k, r->condition);
  EQS_TRY(store_find(s->result->store, r->file_sha256, r->frame, r->condition, s->stored, &found));
  EQS_TRY(state_path(s, r, &state));
  if (found && stands(s, s->stored)) {
    *r = *s->stored;
    whole_file_remove(state); /* of a process that was killed after it had stored the row */
    free(state);
    return EQS_OK;
  }
  s->name = r->name;
  eqs_status status;
  if (look(s, screen_stage_name(stage), 0, 1)) {
    status = status_fail(EQS_ERR_INTERRUPTED, "stopped before %s", r->name);
  } else {
    eqs_status outcome = compute(s, w, stage, k, state, r);
    status = finish_row(s, r, stage, outcome, start);
    if (status == EQS_OK) whole_file_remove(state);
  }
  free(state);
  return status;
}

static eqs_status add_item(session *s, const screen_record *r, int stage, const char *stopped) {
  eqs_screen_result *to = s->result;
  if (to->n == to->capacity) {
    size_t capacity = to->capacity ? 2 * to->capacity : 64;
    item *list = realloc(to->item, mul_size(capacity, sizeof *list));
    if (!list) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the list of results");
    to->item = list;
    to->capacity = capacity;
  }
  s->n_computed += s->fresh;
  for (size_t k = 0; k < to->n; k++)
    if (to->item[k].id == r->id) return EQS_OK; /* the same content under another name */
  item *it = &to->item[to->n++];
  *it = (item){.id = r->id,
               .file = s->i,
               .stage = stage,
               .error = (int)r->error,
               .fresh = s->fresh,
               .done = stage == s->stages.last || r->error || stopped[0],
               .classical = r->classical_henry,
               .henry = r->henry};
  snprintf(it->stopped, sizeof it->stopped, "%s", stopped);
  return EQS_OK;
}

/* ---- the first pass */

static eqs_status first_stages(session *s, work *w, screen_record *r) {
  LOCALE_C();
  const screen_stages *t = &s->stages;
  const eqs_screen_options *o = &t->options;
  char why[sizeof r->stopped] = "";
  EQS_TRY(do_stage(s, w, t->first, 0, r));
  if (t->first == STAGE_MODEL) return add_item(s, r, STAGE_MODEL, why);
  if (r->error == EQS_OK && t->last > STAGE_PORES && r->df < o->min_diameter)
    snprintf(why, sizeof why, "Df %.3f angstrom, at least %.3f go on", r->df, o->min_diameter);
  if (r->error || t->last == STAGE_PORES || why[0]) return add_item(s, r, STAGE_PORES, why);
  if (t->skips_classical) return add_item(s, r, STAGE_CLASSICAL, why);
  EQS_TRY(do_stage(s, w, STAGE_CLASSICAL, 0, r));
  if (r->error == EQS_OK && t->last > STAGE_CLASSICAL && o->min_henry > 0 &&
      !(r->classical_henry >= o->min_henry))
    snprintf(why, sizeof why, "classical K_H %.3g mol/kg/Pa, at least %.3g go on",
             r->classical_henry, o->min_henry);
  return add_item(s, r, STAGE_CLASSICAL, why);
}

static eqs_status screen_frames(session *s, const char *path, const screen_record *blank,
                                screen_record *r) {
  work w = {.path = path};
  eqs_status status = EQS_OK;
  int64_t n = 1;
  for (int64_t i = 0; i < n && status == EQS_OK; i++) {
    s->fresh = 0;
    *r = *blank;
    r->frame = i;
    status = first_stages(s, &w, r);
    if (i == 0 && status == EQS_OK) n = r->n_frame;
    henry_job_close(&w.frame.job);
    w.frame = (screen_frame){0};
  }
  eqs_structures_free(&w.frames);
  return status;
}

static eqs_status screen_file(session *s, screen_record *blank, screen_record *r) {
  const char *path = s->paths[s->i];
  stopwatch start = start_watch();
  *blank = s->stages.cheap;
  record_name(blank, path);
  blank->n_frame = 1;
  s->name = blank->name;
  s->fresh = 0;
  if (look(s, "reading", 0, 1)) EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped before %s", path);
  eqs_status outcome = file_sha256(path, blank->file_sha256);
  if (outcome == EQS_OK) return screen_frames(s, path, blank, r);
  char digest[65]; /* no content to name the row by */
  sha256_hex(path, strlen(path), digest);
  snprintf(blank->file_sha256, sizeof blank->file_sha256, "unreadable:%.50s", digest);
  screen_stage_condition(&s->stages, s->stages.first, 0, blank->condition);
  EQS_TRY(finish_row(s, blank, s->stages.first, outcome, start));
  return add_item(s, blank, s->stages.first, "");
}

/* ---- the passes for the best */

static double score(const item *a, int by_model) {
  double x = by_model ? a->henry : a->classical;
  return isnan(x) ? -1 : x;
}

static int by_classical(const void *pa, const void *pb) {
  const item *a = *(item *const *)pa, *b = *(item *const *)pb;
  double x = score(a, 0), y = score(b, 0);
  if (x != y) return x > y ? -1 : 1;
  return (a > b) - (a < b);
}

static int by_henry(const void *pa, const void *pb) {
  const item *a = *(item *const *)pa, *b = *(item *const *)pb;
  double x = score(a, 1), y = score(b, 1);
  if (x != y) return x > y ? -1 : 1;
  return (a > b) - (a < b);
}

/* Those that wait after `stage`, the best first; beyond `best` (0 = all) they end there. */
static int choose(const session *s, int stage, int64_t best, item **list) {
  eqs_screen_result *r = s->result;
  int by_model = stage == STAGE_MODEL, n = 0, kept = 0;
  for (size_t k = 0; k < r->n; k++)
    if (!r->item[k].done && r->item[k].stage == stage) list[n++] = &r->item[k];
  if (n) qsort(list, (size_t)n, sizeof *list, by_model ? by_henry : by_classical);
  for (int k = 0; k < n; k++) {
    if (!best || (k < best && score(list[k], by_model) >= 0)) {
      list[kept++] = list[k];
      continue;
    }
    list[k]->done = 1;
    char *why = list[k]->stopped;
    const char *kind = by_model ? "" : "classical ";
    if (score(list[k], by_model) < 0)
      snprintf(why, sizeof list[k]->stopped, "there is no %sK_H to rank it by", kind);
    else
      snprintf(why, sizeof list[k]->stopped, "number %d by %sK_H, %lld go on", k + 1, kind,
               (long long)best);
  }
  return kept;
}

static eqs_status model_stage(session *s, item *it, screen_record *r) {
  work w = {.path = s->paths[it->file]};
  EQS_TRY(store_get(s->result->store, it->id, r));
  s->fresh = 0;
  eqs_status status = do_stage(s, &w, STAGE_MODEL, 0, r);
  eqs_structures_free(&w.frames);
  if (status != EQS_OK) return status;
  it->id = r->id;
  it->stage = STAGE_MODEL;
  it->error = (int)r->error;
  it->henry = r->henry;
  it->fresh |= s->fresh;
  it->done = it->error || s->stages.last == STAGE_MODEL;
  s->n_computed += s->fresh;
  return EQS_OK;
}

static eqs_status isotherm_stage(session *s, item *it, screen_record *r) {
  work w = {.path = s->paths[it->file]};
  eqs_status status = EQS_OK;
  s->fresh = 0;
  for (int k = 0; k < s->stages.options.n_pressure && status == EQS_OK; k++) {
    status = store_get(s->result->store, it->id, r);
    if (status == EQS_OK) status = do_stage(s, &w, STAGE_ISOTHERM, k, r);
    if (status != EQS_OK) break;
    s->result->point[s->result->n_point++] = r->id;
    if (!it->error) it->error = (int)r->error;
  }
  eqs_structures_free(&w.frames);
  it->fresh |= s->fresh;
  it->done = status == EQS_OK;
  s->n_computed += s->fresh;
  return status;
}

static eqs_status best_pass(session *s, int after, int64_t best, item **list, screen_record *row,
                            eqs_status (*stage)(session *, item *, screen_record *)) {
  s->n = choose(s, after, best, list);
  s->n_computed = 0;
  s->start = clock_seconds();
  if (stage == isotherm_stage)
    EQS_TRY(alloc_array(&s->result->point, (size_t)s->n * (size_t)s->stages.options.n_pressure,
                        sizeof *s->result->point, "points of isotherms"));
  for (s->i = 0; s->i < s->n; s->i++) EQS_TRY(stage(s, list[s->i], row));
  return EQS_OK;
}

static eqs_status run_passes(session *s, int n) {
  const eqs_screen_options *o = &s->stages.options;
  const int last = s->stages.last, classical = o->energy == EQS_ENERGY_CLASSICAL;
  screen_record *row = NULL;
  item **list = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&row, 4, sizeof *row, "results"));
  s->stored = row + 2;
  s->before = row + 3;
  s->start = clock_seconds();
  for (s->i = 0, s->n = n; s->i < n; s->i++) EQS_TRY_DONE(screen_file(s, row, row + 1));
  EQS_TRY_DONE(alloc_array(&list, s->result->n, sizeof *list, "the frameworks that go on"));
  if (last >= STAGE_MODEL && !classical)
    EQS_TRY_DONE(best_pass(s, STAGE_CLASSICAL, o->best, list, row, model_stage));
  if (last == STAGE_ISOTHERM)
    EQS_TRY_DONE(best_pass(s, classical ? STAGE_CLASSICAL : STAGE_MODEL, o->isotherms, list, row,
                           isotherm_stage));
done:
  free(list);
  free(row);
  return status;
}

eqs_status eqs_screen(eqs_context *c, const eqs_model *m, const char *const *paths, int n,
                      const eqs_screen_options *options, const char *path, eqs_screen_watch watch,
                      void *user, eqs_screen_result **out) {
  *out = NULL;
  if (!c || !path || n < 0 || (n && !paths))
    EQS_FAIL(EQS_ERR_ARGUMENT, "screening needs a context, files and a place for results");
  session *s = NULL;
  eqs_screen_result *result = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(&s, 1, sizeof *s, "the screening"));
  EQS_TRY_DONE(screen_stages_open(&s->stages, c, m, options));
  EQS_TRY_DONE(alloc_array(&result, 1, sizeof *result, "the results"));
  EQS_TRY_DONE(store_open(path, &result->store));
  s->paths = paths;
  s->store_path = path;
  s->result = result;
  s->watch = watch;
  s->user = user;
  s->name = "";
  s->stages.watch = look_within;
  s->stages.user = s;
  EQS_TRY_DONE(run_passes(s, n));
done:
  free(s);
  if (status == EQS_OK || status == EQS_ERR_INTERRUPTED) *out = result;
  else eqs_screen_result_free(&result);
  return status;
}

/* ---- the result: the frameworks, then the points of isotherms */

static eqs_status row_of(const void *context, size_t i, screen_record *out) {
  const eqs_screen_result *r = context;
  EQS_TRY(store_get(r->store, i < r->n ? r->item[i].id : r->point[i - r->n], out));
  out->stopped[0] = 0;
  if (i < r->n) memcpy(out->stopped, r->item[i].stopped, sizeof out->stopped);
  return EQS_OK;
}

static eqs_status check_pressure(double pressure) {
  if (!(pressure > 0 && pressure < INFINITY))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the pressure must be positive, not %g Pa", pressure);
  return EQS_OK;
}

eqs_status eqs_screen_table(const eqs_screen_result *r, double pressure, char **text) {
  EQS_TRY(check_pressure(pressure));
  return report_table(r->n + r->n_point, row_of, r, pressure, text);
}

eqs_status eqs_screen_csv(const eqs_screen_result *r, double pressure, const char *path) {
  EQS_TRY(check_pressure(pressure));
  return report_csv(r->n + r->n_point, row_of, r, pressure, path);
}

eqs_status eqs_screen_counts_get(const eqs_screen_result *r, eqs_screen_counts *out) {
  if (!r || !out || out->size < sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "counts->size is not set, or there is no result");
  out->n_ok = out->n_failed = out->n_found = 0;
  for (size_t k = 0; k < r->n; k++) {
    if (!r->item[k].done) continue;
    if (r->item[k].error) out->n_failed++;
    else out->n_ok++;
    out->n_found += !r->item[k].fresh;
  }
  return EQS_OK;
}

void eqs_screen_result_free(eqs_screen_result **r) {
  if (!r || !*r) return;
  store_close(&(*r)->store);
  free((*r)->item);
  free((*r)->point);
  free(*r);
  *r = NULL;
}
