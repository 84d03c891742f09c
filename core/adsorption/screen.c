/* screen.c -- the screening funnel: files in, a stored row per framework and stage out.
 *
 * The desk (screen_desk.c) hands out the work, workers (screen_work.c) compute rows: one of each in
 * one thread, or a worker on every rank.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/screen_desk.h"
#include "core/adsorption/screen_work.h"
#include "core/engine.h"
#include "io/report.h"

typedef struct session {
  screen_stages stages;
  screen_worker worker;
  screen_desk *desk;
  crew_desk office;
} session;

static eqs_status open_desk(session *s, screen_job *job, const char *path) {
  EQS_TRY(alloc_array(&job->result, 1, sizeof *job->result, "the results"));
  EQS_TRY(store_open(path, &job->result->store));
  EQS_TRY(screen_desk_open(job, &s->desk));
  s->office.reply = screen_desk_reply;
  s->office.idle = screen_desk_idle;
  s->office.user = s->desk;
  return EQS_OK;
}

/* Points that an interrupted run has not got are left out. */
static void close_gaps(eqs_screen_result *r) {
  size_t n = 0;
  for (size_t k = 0; k < r->n_point; k++)
    if (r->point[k]) r->point[n++] = r->point[k];
  r->n_point = n;
}

static eqs_status check_call(const eqs_context *c, const screen_job *job, const char *path) {
  if (!c || !path || job->n < 0 || (job->n && !job->paths))
    EQS_FAIL(EQS_ERR_ARGUMENT, "screening needs a context, files and a place for results");
  if (c->shard)
    EQS_FAIL(EQS_ERR_ARGUMENT, "screening shares out whole frameworks: give the ranks to "
                               "eqs_screen_ranks, not to the context");
  return EQS_OK;
}

eqs_status eqs_screen_ranks(eqs_comm *ranks, eqs_context *c, const eqs_model *m,
                            const char *const *paths, int n, const eqs_screen_options *options,
                            const char *path, eqs_screen_watch watch, void *user,
                            eqs_screen_result **out) {
  session *s = NULL;
  screen_job job = {
      .paths = paths, .n = n, .ranks = eqs_comm_size(ranks), .watch = watch, .user = user};
  const int rank = eqs_comm_rank(ranks);
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY_DONE(check_call(c, &job, path));
  EQS_TRY_DONE(alloc_array(&s, 1, sizeof *s, "the screening"));
  EQS_TRY_DONE(screen_stages_open(&s->stages, c, m, options));
  job.stages = &s->stages;
  s->worker = (screen_worker){.stages = &s->stages, .store = path, .rank = rank};
  s->office.question = sizeof(screen_question);
  s->office.answer = sizeof(screen_answer);
  if (rank == 0) EQS_TRY_DONE(open_desk(s, &job, path));
  status = crew_run(ranks, &s->office, screen_work, &s->worker);
  if (status == EQS_OK && s->desk && screen_desk_stopped(s->desk))
    status = status_fail(EQS_ERR_INTERRUPTED, "stopped before all frameworks were done");
done:
  if (ranks && status != EQS_ERR_INTERRUPTED) (void)comm_fail(ranks, status);
  if (s) screen_desk_close(&s->desk);
  free(s);
  if (job.result) close_gaps(job.result);
  if (status == EQS_OK || status == EQS_ERR_INTERRUPTED) *out = job.result;
  else eqs_screen_result_free(&job.result);
  return status;
}

eqs_status eqs_screen(eqs_context *c, const eqs_model *m, const char *const *paths, int n,
                      const eqs_screen_options *options, const char *path, eqs_screen_watch watch,
                      void *user, eqs_screen_result **out) {
  return eqs_screen_ranks(NULL, c, m, paths, n, options, path, watch, user, out);
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
