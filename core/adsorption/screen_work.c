/* screen_work.c -- rows of the screening, one framework and stage at a time.
 *
 * A row's key is the file's SHA-256, the frame and the stage's condition as text; rows that exist
 * are taken over. The stream of random numbers is keyed by the file's hash, so results do not
 * depend on order or company. What a long stage has got so far is in a file beside the store until
 * its row is in.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/screen_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/adsorption/screen_desk.h"
#include "core/adsorption/subject.h"
#include "core/clock.h"
#include "core/locale_c.h"
#include "io/sha256.h"
#include "io/whole_file.h"

#define BETWEEN 0.2 /* s between two words of progress to another rank */

typedef struct worker {
  screen_stages *stages;
  const char *store_path;
  crew *crew;
  screen_question *question;
  screen_answer *answer;
  screen_record *row, *before; /* the one in work; one to start again from */
  char path[SCREEN_PATH], sha[65];
  eqs_structures *frames; /* of the file in work; NULL until they are needed */
  screen_frame frame;
  int fresh; /* some row of the task was computed */
  double told;
  int stop;
} worker;

static eqs_status ask(worker *w, screen_ask what) {
  w->question->what = what;
  EQS_TRY(crew_ask(w->crew, w->question, w->answer));
  w->stop |= w->answer->stop;
  return EQS_OK;
}

/* ---- progress */

/* A failure of the desk shows at the next question. */
static int look(worker *w, const char *phase, int64_t done, int64_t of) {
  double now = clock_seconds();
  if (!w->stop && (crew_is_desk(w->crew) || now - w->told > BETWEEN)) {
    screen_question *q = w->question;
    w->told = now;
    snprintf(q->phase, sizeof q->phase, "%s", phase);
    snprintf(q->name, sizeof q->name, "%s", w->row->name);
    q->done = done;
    q->of = of;
    if (ask(w, TELL_PROGRESS) != EQS_OK) w->stop = 1;
  }
  return w->stop;
}

static int look_within(const eqs_widom_progress *p, void *user) {
  return look(user, p->phase, p->done, p->of);
}

/* ---- rows */

typedef struct stopwatch {
  double wall, cpu;
} stopwatch;

static stopwatch start_watch(void) { return (stopwatch){clock_seconds(), clock_cpu_seconds()}; }

static eqs_status finish_row(worker *w, screen_record *r, int stage, eqs_status outcome,
                             stopwatch start) {
  if (outcome == EQS_ERR_INTERRUPTED) return outcome;
  r->error = outcome;
  snprintf(r->status, sizeof r->status, "%s", outcome == EQS_OK ? "ok" : "failed");
  if (outcome != EQS_OK) snprintf(r->reason, sizeof r->reason, "%s", eqs_error());
  snprintf(r->stage, sizeof r->stage, "%s", screen_stage_name(stage));
  r->seconds = clock_seconds() - start.wall;
  r->cpu_seconds = clock_cpu_seconds() - start.cpu;
  record_time(r);
  w->fresh = 1;
  w->question->row = *r;
  EQS_TRY(ask(w, TELL_ROW));
  r->id = w->answer->row.id;
  return EQS_OK;
}

static void close_file(worker *w) {
  eqs_structures_free(&w->frames);
  w->path[0] = w->sha[0] = 0;
}

/* Reads the file of the row, if that has not been done; it must still be the one that was hashed.
 */
static eqs_status read_frames(worker *w, const screen_record *r) {
  eqs_read_options options = {.size = sizeof options,
                              .disorder_major = w->stages->options.disorder_major};
  if (!w->frames) {
    EQS_TRY(eqs_structures_read(w->path, &options, &w->frames));
    EQS_TRY(file_sha256(w->path, w->sha));
  }
  if (strcmp(w->sha, r->file_sha256) != 0 || r->frame >= eqs_structures_count(w->frames))
    EQS_FAIL(EQS_ERR_FILE, "%s changed while it was screened; run again", w->path);
  return EQS_OK;
}

/* The file for a row's state: the store's name and a hash of the row's key. */
static eqs_status state_path(const worker *w, const screen_record *r, char **out) {
  char key[sizeof r->file_sha256 + SCREEN_CONDITION + 32], digest[65];
  int n =
      snprintf(key, sizeof key, "%s %lld %s", r->file_sha256, (long long)r->frame, r->condition);
  sha256_hex(key, (size_t)n, digest);
  size_t size = strlen(w->store_path) + 32;
  EQS_TRY(alloc_array(out, size, 1, "a path"));
  snprintf(*out, size, "%s.%.16s.part", w->store_path, digest);
  return EQS_OK;
}

static eqs_status compute(worker *w, int stage, int k, const char *state, screen_record *r) {
  EQS_TRY(read_frames(w, r));
  int n = eqs_structures_count(w->frames);
  if (stage == w->stages->first && (r->n_frame = n) > 1) {
    size_t end = strlen(r->name);
    snprintf(r->name + end, sizeof r->name - end, "#%d", (int)r->frame + 1);
  }
  w->frame.frames = w->frames;
  w->frame.i = (int)r->frame;
  w->frame.stream = stream_of(r->file_sha256) + (uint32_t)r->frame;
  int continued = access(state, F_OK) == 0;
  if (continued) *w->before = *r;
  eqs_status status = screen_stage_run(w->stages, stage, k, &w->frame, state, r);
  if (!continued || (status != EQS_ERR_FORMAT && status != EQS_ERR_ARGUMENT)) return status;
  whole_file_remove(state); /* perhaps it is damaged: once more without */
  *r = *w->before;
  return screen_stage_run(w->stages, stage, k, &w->frame, state, r);
}

/* One stage: r is the row of the stage before, and becomes this one's, stored or computed. A
 * failure of the framework is a row with an error, not of this function. */
static eqs_status do_stage(worker *w, int stage, int k, screen_record *r) {
  char *state = NULL;
  stopwatch start = start_watch();
  screen_stage_condition(w->stages, stage, k, r->condition);
  w->question->row = *r;
  EQS_TRY(ask(w, ASK_ROW));
  EQS_TRY(state_path(w, r, &state));
  eqs_status status = EQS_OK;
  if (w->answer->found) {
    *r = w->answer->row;
    whole_file_remove(state); /* of a process that was killed after it had stored the row */
  } else if (look(w, screen_stage_name(stage), 0, 1)) {
    status = status_fail(EQS_ERR_INTERRUPTED, "stopped before %s", r->name);
  } else {
    eqs_status outcome = compute(w, stage, k, state, r);
    status = finish_row(w, r, stage, outcome, start);
    if (status == EQS_OK) whole_file_remove(state);
  }
  free(state);
  return status;
}

/* ---- tasks */

static eqs_status tell_done(worker *w, const screen_record *r, int stage) {
  w->question->row = *r;
  w->question->stage = stage;
  w->question->fresh = w->fresh;
  return ask(w, TELL_DONE);
}

/* *stage: the last one that it got to; r->stopped says why, where a threshold has stopped it. */
static eqs_status cheap_stages(worker *w, screen_record *r, int *stage) {
  const screen_stages *t = w->stages;
  const eqs_screen_options *o = &t->options;
  char why[sizeof r->stopped] = "";
  *stage = t->first;
  EQS_TRY(do_stage(w, t->first, 0, r));
  if (t->first == STAGE_MODEL) return EQS_OK;
  if (r->error == EQS_OK && t->last > STAGE_PORES && r->df < o->min_diameter)
    snprintf(why, sizeof why, "Df %.3f angstrom, at least %.3f go on", r->df, o->min_diameter);
  if (!r->error && t->last > STAGE_PORES && !why[0]) {
    *stage = STAGE_CLASSICAL;
    if (!t->skips_classical) EQS_TRY(do_stage(w, STAGE_CLASSICAL, 0, r));
    if (!t->skips_classical && r->error == EQS_OK && t->last > STAGE_CLASSICAL &&
        o->min_henry > 0 && !(r->classical_henry >= o->min_henry))
      snprintf(why, sizeof why, "classical K_H %.3g mol/kg/Pa, at least %.3g go on",
               r->classical_henry, o->min_henry);
  }
  memcpy(r->stopped, why, sizeof why);
  return EQS_OK;
}

/* There is no content to name the row by. */
static eqs_status unreadable(worker *w, screen_record *r, eqs_status outcome, stopwatch start) {
  char digest[65];
  sha256_hex(w->path, strlen(w->path), digest);
  snprintf(r->file_sha256, sizeof r->file_sha256, "unreadable:%.50s", digest);
  screen_stage_condition(w->stages, w->stages->first, 0, r->condition);
  EQS_TRY(finish_row(w, r, w->stages->first, outcome, start));
  return tell_done(w, r, w->stages->first);
}

static eqs_status do_frame(worker *w, const char *sha, int64_t frame) {
  LOCALE_C();
  screen_record *r = w->row;
  int stage;
  stopwatch start = start_watch();
  *r = w->stages->cheap;
  record_name(r, w->path);
  r->n_frame = 1;
  r->frame = frame;
  memcpy(r->file_sha256, sha, sizeof r->file_sha256);
  if (look(w, "reading", 0, 1)) EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped before %s", w->path);
  if (!sha[0]) {
    eqs_status outcome = file_sha256(w->path, r->file_sha256);
    if (outcome != EQS_OK) return unreadable(w, r, outcome, start);
  }
  eqs_status status = cheap_stages(w, r, &stage);
  henry_job_close(&w->frame.job);
  w->frame = (screen_frame){0};
  return status == EQS_OK ? tell_done(w, r, stage) : status;
}

static eqs_status do_listed(worker *w, int stage, int k, const screen_record *from) {
  LOCALE_C();
  *w->row = *from;
  EQS_TRY(do_stage(w, stage, k, w->row));
  return tell_done(w, w->row, stage);
}

static eqs_status do_task(worker *w) {
  const screen_answer *a = w->answer;
  const screen_task task = a->task;
  const int k = a->k;
  screen_record *r = w->before;
  *r = a->row; /* the answer is overwritten by the next */
  w->fresh = 0;
  if (strcmp(w->path, a->path) != 0 || strcmp(w->sha, r->file_sha256) != 0) {
    close_file(w);
    memcpy(w->path, a->path, sizeof w->path);
  }
  if (task == TASK_FRAME) {
    char sha[65];
    memcpy(sha, r->file_sha256, sizeof sha);
    return do_frame(w, sha, r->frame);
  }
  return do_listed(w, task == TASK_MODEL ? STAGE_MODEL : STAGE_ISOTHERM, k, r);
}

static eqs_status start_work(worker *w, const screen_worker *s) {
  EQS_TRY(alloc_array(&w->question, 1, sizeof *w->question, "messages"));
  EQS_TRY(alloc_array(&w->answer, 1, sizeof *w->answer, "messages"));
  EQS_TRY(alloc_array(&w->row, 1, sizeof *w->row, "results"));
  EQS_TRY(alloc_array(&w->before, 1, sizeof *w->before, "results"));
  if (crew_is_desk(w->crew)) return EQS_OK;
  screen_settings_digest(w->stages, w->question->digest);
  EQS_TRY(ask(w, ASK_WELCOME));
  if (access(w->store_path, F_OK) != 0)
    EQS_FAIL(EQS_ERR_FILE,
             "rank %d does not see %s: frameworks and results must be where all ranks see them",
             s->rank, w->store_path);
  return EQS_OK;
}

eqs_status screen_work(crew *c, void *user) {
  const screen_worker *s = user;
  worker *w = NULL;
  EQS_TRY(alloc_array(&w, 1, sizeof *w, "a worker"));
  *w = (worker){.stages = s->stages, .store_path = s->store, .crew = c};
  s->stages->watch = look_within;
  s->stages->user = w;
  eqs_status status = start_work(w, s);
  while (status == EQS_OK) {
    status = ask(w, ASK_WORK);
    if (status != EQS_OK || w->answer->task == TASK_NONE) break;
    status = do_task(w);
  }
  close_file(w);
  free(w->question);
  free(w->answer);
  free(w->row);
  free(w->before);
  free(w);
  return status;
}
