/* md_crew.c -- eqs_md_batch_ranks: several runs shared out over ranks, whole runs at a time.
 *
 * A rank takes the next runs when it has none left: so many as are worth evaluating together, but
 * no more than a fair share of what is left. A run has the same bits whoever has it and in whatever
 * company, so nothing depends on who is quicker.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crew.h"
#include "core/dynamics/md_run.h"
#include "core/engine.h"
#include "core/locale_c.h"
#include "io/sha256.h"
#include "io/structure.h"

#define BETWEEN 0.2 /* s between two words of progress to the desk */

typedef enum md_ask { ASK_WELCOME, ASK_RUNS, TELL_RUN, TELL_PROGRESS } md_ask;

typedef struct question {
  md_ask what;
  int run; /* of TELL_RUN */
  eqs_status status;
  char message[MD_MESSAGE], digest[65];
  eqs_md_summary summary;
  eqs_md_progress progress; /* of the runs in hand */
} question;

typedef struct answer {
  int first, n;    /* runs to do; n = 0: there are no more */
  int stop;        /* stop what is in hand */
  int checkpoints; /* how often they have been asked for so far */
} answer;

/* What a rank has in hand. */
typedef struct held {
  int busy, begun; /* begun: progress was told */
  int64_t from;    /* steps made before this process, of those in hand */
  eqs_md_progress now;
} held;

typedef struct desk {
  int n, ranks;
  eqs_md_job *job;
  eqs_md_watch watch;
  void *user;
  char digest[65];
  held *held; /* [ranks] */
  int next, stop, checkpoints;
  int64_t steps, ended, made; /* of all runs; of those that ended, and those made by these ranks */
  double begun;               /* clock */
} desk;

typedef struct hand {
  eqs_context *c;
  const eqs_model *m;
  int n, rank;
  eqs_md_job *job; /* [n] */
  crew *crew;
  question *q;
  answer a;
  double told;
  int stop, checkpoints;
} hand;

/* What the runs and the model are, as far as ranks may differ in it. */
static void digest_of(const eqs_model *m, int n, const eqs_md_job *jobs, char digest[65]) {
  LOCALE_C();
  eqs_model_info info = {.size = sizeof info};
  char line[1024];
  snprintf(digest, 65, "none");
  if (eqs_model_info_get(m, &info) == EQS_OK)
    snprintf(line, sizeof line, "%s %s %d %s %s", info.sha256, info.head, (int)info.precision,
             info.dispersion ? info.dispersion : "", info.wall ? info.wall : "");
  else line[0] = 0;
  sha256_hex(line, strlen(line), digest);
  for (int i = 0; i < n; i++) {
    const eqs_md_options *o = jobs[i].options;
    int size = snprintf(line, sizeof line, "%.64s %d %d", digest, jobs[i].frame, o != NULL);
    if (o && size > 0)
      snprintf(line + size, sizeof line - (size_t)size,
               " %" PRId64 " %.17g %.17g %" PRIu64 " %.400s", o->steps, o->timestep, o->temperature,
               o->seed, o->log ? o->log : "");
    sha256_hex(line, strlen(line), digest);
  }
}

/* ---- the desk */

static int size_of(const eqs_md_job *job) {
  if (!job->frames || job->frame < 0 || job->frame >= eqs_structures_count(job->frames)) return 1;
  return structures_frame(job->frames, job->frame)->n;
}

static void answer_runs(desk *d, int rank, answer *a) {
  int left = d->n - d->next, share = left / (2 * d->ranks), atoms = 0;
  if (d->stop || left == 0) return;
  a->first = d->next;
  do {
    atoms += size_of(&d->job[d->next++]);
    a->n++;
  } while (a->n < share && atoms + size_of(&d->job[d->next]) <= MD_TOGETHER);
  d->held[rank] = (held){.busy = 1};
}

static int64_t steps_of(const eqs_md_job *job) { return job->options ? job->options->steps : 0; }

static void take_run(desk *d, const question *q) {
  eqs_md_job *job = &d->job[q->run];
  job->status = q->status;
  job->summary = q->summary;
  snprintf(job->message, sizeof job->message, "%s", q->message);
  d->ended += steps_of(job);
}

static void take_progress(desk *d, int rank, const question *q) {
  held *h = &d->held[rank];
  h->now = q->progress;
  if (!h->begun) h->from = q->progress.step - 1;
  h->begun = 1;
}

/* The runs of this rank have ended. */
static void put_down(desk *d, int rank) {
  held *h = &d->held[rank];
  if (h->begun) d->made += h->now.step - h->from;
  *h = (held){0};
}

static eqs_status reply(void *user, int rank, const void *asked, void *out, int *later) {
  desk *d = user;
  const question *q = asked;
  answer *a = out;
  (void)later;
  switch (q->what) {
  case ASK_WELCOME:
    if (strcmp(q->digest, d->digest) != 0)
      EQS_FAIL(EQS_ERR_ARGUMENT, "rank %d has other runs than rank 0, or another model or version",
               rank);
    break;
  case ASK_RUNS:
    put_down(d, rank);
    answer_runs(d, rank, a);
    break;
  case TELL_RUN: take_run(d, q); break;
  case TELL_PROGRESS: take_progress(d, rank, q); break;
  }
  a->stop = d->stop;
  a->checkpoints = d->checkpoints;
  return EQS_OK;
}

static eqs_status idle(void *user) {
  desk *d = user;
  eqs_md_progress p = {
      .size = sizeof p, .step = d->ended, .steps = d->steps, .pressure = NAN, .seconds_left = NAN};
  int64_t made = d->made;
  int n = 0;
  for (int r = 0; r < d->ranks; r++) {
    const held *h = &d->held[r];
    if (!h->begun) continue;
    n++;
    made += h->now.step - h->from;
    p.step += h->now.step;
    p.time = fmax(p.time, h->now.time);
    p.temperature += h->now.temperature;
    p.potential += h->now.potential;
    if (isfinite(h->now.ns_per_day)) p.ns_per_day += h->now.ns_per_day;
  }
  if (n == 0 || !d->watch || d->stop) return EQS_OK;
  p.temperature /= n;
  if (p.step > p.steps) p.step = p.steps;
  if (made > 0)
    p.seconds_left = (clock_seconds() - d->begun) / (double)made * (double)(p.steps - p.step);
  int wish = d->watch(&p, d->user);
  if (wish == 1) d->stop = 1;
  if (wish == 2) d->checkpoints++;
  return EQS_OK;
}

/* ---- a worker */

static eqs_status ask(hand *h, md_ask what) {
  h->q->what = what;
  EQS_TRY(crew_ask(h->crew, h->q, &h->a));
  h->stop |= h->a.stop;
  return EQS_OK;
}

/* A failure of the desk shows at the next question. */
static int watch(const eqs_md_progress *p, void *user) {
  hand *h = user;
  double now = clock_seconds();
  if (!h->stop && now - h->told > BETWEEN) {
    h->told = now;
    h->q->progress = *p;
    if (ask(h, TELL_PROGRESS) != EQS_OK) h->stop = 1;
  }
  if (h->stop) return 1;
  if (h->checkpoints == h->a.checkpoints) return 0;
  h->checkpoints = h->a.checkpoints;
  return 2;
}

static eqs_status tell_run(hand *h, int i) {
  h->q->run = i;
  h->q->status = h->job[i].status;
  h->q->summary = h->job[i].summary;
  memcpy(h->q->message, h->job[i].message, sizeof h->q->message);
  return ask(h, TELL_RUN);
}

/* What fails of a run is the run's; of the batch, the rank's. */
static eqs_status do_runs(hand *h) {
  const int first = h->a.first, end = first + h->a.n;
  int told = 0;
  h->checkpoints = h->a.checkpoints;
  for (int i = first; i < end; i++) h->job[i].status = EQS_OK;
  eqs_status status = eqs_md_batch(h->c, h->m, end - first, h->job + first, watch, h);
  for (int i = first; i < end; i++) told |= h->job[i].status != EQS_OK;
  if (status != EQS_OK && !told) return status;
  for (int i = first; i < end; i++) EQS_TRY(tell_run(h, i));
  return EQS_OK;
}

static eqs_status work(crew *w, void *user) {
  hand *h = user;
  h->crew = w;
  digest_of(h->m, h->n, h->job, h->q->digest);
  EQS_TRY(ask(h, ASK_WELCOME));
  for (;;) {
    EQS_TRY(ask(h, ASK_RUNS));
    if (h->a.n == 0) return EQS_OK;
    EQS_TRY(do_runs(h));
  }
}

/* ---- the whole */

static const char not_begun[] = "stopped before its first step";

/* Runs that no rank has brought to an end. */
static void name_failure(const desk *d, eqs_status status) {
  for (int i = 0; i < d->n; i++) {
    eqs_md_job *job = &d->job[i];
    if (strcmp(job->message, not_begun) != 0) continue;
    job->status = status;
    snprintf(job->message, sizeof job->message, "%s", eqs_error());
  }
}

static eqs_status open_desk(desk *d, const eqs_model *m) {
  EQS_TRY(alloc_array(&d->held, (size_t)d->ranks, sizeof *d->held, "ranks"));
  digest_of(m, d->n, d->job, d->digest);
  d->begun = clock_seconds();
  for (int i = 0; i < d->n; i++) {
    d->steps += steps_of(&d->job[i]);
    d->job[i].status = EQS_ERR_INTERRUPTED;
    snprintf(d->job[i].message, sizeof d->job[i].message, "%s", not_begun);
  }
  return EQS_OK;
}

static eqs_status check_call(const eqs_context *c, const eqs_model *m, int n,
                             const eqs_md_job *jobs) {
  if (!c || !m || n < 1 || !jobs)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a context, a model and at least one run are due");
  if (c->shard)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "whole runs are shared out by contexts that are not joined to ranks");
  return EQS_OK;
}

eqs_status eqs_md_batch_ranks(eqs_comm *ranks, eqs_context *c, const eqs_model *m, int n,
                              eqs_md_job *jobs, eqs_md_watch watched, void *user) {
  const int size = eqs_comm_size(ranks), rank = eqs_comm_rank(ranks);
  if (size == 1) return eqs_md_batch(c, m, n, jobs, watched, user);
  desk d = {.n = n, .ranks = size, .job = jobs, .watch = watched, .user = user};
  hand h = {.c = c, .m = m, .n = n, .rank = rank};
  crew_desk office = {.question = sizeof(question), .answer = sizeof(answer)};
  eqs_status status = check_call(c, m, n, jobs);
  if (status == EQS_OK) status = alloc_array(&h.q, 1, sizeof *h.q, "messages");
  /* the worker's jobs: those of the caller are the desk's, on rank 0 */
  if (status == EQS_OK) status = alloc_array(&h.job, (size_t)n, sizeof *h.job, "runs");
  if (status == EQS_OK) memcpy(h.job, jobs, (size_t)n * sizeof *jobs);
  if (status == EQS_OK && rank == 0) status = open_desk(&d, m);
  if (status == EQS_OK && rank == 0) office.reply = reply, office.idle = idle, office.user = &d;
  if (status == EQS_OK) status = crew_run(ranks, &office, work, &h);
  (void)comm_fail(ranks, status);
  if (status != EQS_OK && office.reply) name_failure(&d, status);
  if (status == EQS_OK && rank == 0) status = md_judge(n, jobs);
  free(h.q);
  free(h.job);
  free(d.held);
  return status;
}
