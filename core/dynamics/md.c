/* md.c -- eqs_md, eqs_md_batch: runs step by step, small systems evaluated together.
 *
 * A system's forces have the same bits alone and in a batch, so which runs share an evaluation is
 * of no consequence to any of them: one that explodes, ends or is continued leaves the others as
 * they are. With ranks one run is integrated where its atoms are; of several, rank 0 integrates
 * all.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/dynamics/md_run.h"
#include "core/units.h"

typedef struct member {
  md_run run;
  int active;
  eqs_status status, forces;
} member;

typedef struct group {
  eqs_context *c;
  const eqs_model *m;
  int n;
  member *member; /* [n] */
  eqs_md_job *job;
  eqs_md_watch watch;
  void *user;
  double begun;              /* clock */
  int *first, *number, *pbc; /* of a batch: [n + 1], [MD_TOGETHER], [n][3] */
  double *x, *cell, *force;  /* [MD_TOGETHER][3], [n][9], [MD_TOGETHER][3] */
  double *energy, *stress;   /* [n], [n][9] */
  int *who;                  /* [n] members of the batch */
} group;

/* ---- forces */

static void gather(group *g, int k, const md_run *r) {
  const dynamics *d = &r->now;
  size_t n = (size_t)d->n, at = (size_t)g->first[k];
  g->first[k + 1] = g->first[k] + d->n;
  memcpy(g->number + at, r->force.systems.number, n * sizeof *g->number);
  memcpy(g->x + 3 * at, d->x, n * sizeof *d->x);
  memcpy(g->cell + 9 * (size_t)k, d->cell, sizeof d->cell);
  memcpy(g->pbc + 3 * (size_t)k, d->pbc, sizeof d->pbc);
}

static void scatter(const group *g, int k, md_run *r) {
  dynamics *d = &r->now;
  d->energy = g->energy[k];
  memcpy(d->force, g->force + 3 * (size_t)g->first[k], (size_t)d->n * sizeof *d->force);
  memcpy(d->stress, g->stress + 9 * (size_t)k, sizeof d->stress);
}

/* Members who[0 .. n-1]; where one spoils the batch, each on its own. */
static void evaluate(group *g, int n) {
  eqs_status status = EQS_ERR_ARGUMENT;
  if (n > 1) {
    for (int k = 0; k < n; k++) gather(g, k, &g->member[g->who[k]].run);
    const eqs_systems s = {.size = sizeof s,
                           .n_system = n,
                           .first = g->first,
                           .number = g->number,
                           .position = g->x,
                           .cell = g->cell,
                           .pbc = g->pbc};
    eqs_result r = {.size = sizeof r, .energy = g->energy, .forces = g->force, .stress = g->stress};
    status = eqs_compute(g->c, g->m, &s, &r);
  }
  for (int k = 0; k < n; k++) {
    member *b = &g->member[g->who[k]];
    if (status == EQS_OK) scatter(g, k, &b->run);
    b->forces = status == EQS_OK ? EQS_OK : dynamics_evaluate(&b->run.now);
    if (b->forces != EQS_OK) snprintf(g->job[g->who[k]].message, MD_MESSAGE, "%s", eqs_error());
  }
}

/* Every member whose positions are new, in as few batches as MD_TOGETHER allows. */
static void evaluate_all(group *g) {
  int n = 0, atoms = 0;
  for (int i = 0; i < g->n; i++) {
    const member *b = &g->member[i];
    if (!b->active || b->forces != EQS_OK) continue;
    int size = b->run.now.n;
    if (n > 0 && atoms + size > MD_TOGETHER) {
      evaluate(g, n);
      n = atoms = 0;
    }
    g->who[n++] = i;
    atoms += size;
  }
  if (n > 0) evaluate(g, n);
}

/* ---- members */

/* Takes a member out of the run; its message is that of the failure. */
static void leave(group *g, int i, eqs_status status) {
  g->member[i].active = 0;
  g->member[i].status = status;
  if (status != EQS_OK) snprintf(g->job[i].message, MD_MESSAGE, "%s", eqs_error());
}

/* At the end of its steps a member is done. */
static void settle(group *g, int i, eqs_status status) {
  md_run *r = &g->member[i].run;
  if (status != EQS_OK) leave(g, i, status);
  else if (r->now.at >= r->o.steps) leave(g, i, md_run_finish(r));
}

static void advance(group *g) {
  for (int i = 0; i < g->n; i++) {
    member *b = &g->member[i];
    if (!b->active) continue;
    b->forces = md_run_advance(&b->run);
    if (b->forces != EQS_OK) snprintf(g->job[i].message, MD_MESSAGE, "%s", eqs_error());
  }
}

static void complete(group *g) {
  for (int i = 0; i < g->n; i++) {
    member *b = &g->member[i];
    if (!b->active) continue;
    if (b->forces != EQS_OK) status_fail(b->forces, "%s", g->job[i].message);
    settle(g, i, md_run_step(&b->run, b->forces));
  }
}

/* 0, 1 to stop, 2 for a checkpoint; of several runs what they come to together. */
static int look(const group *g) {
  eqs_md_progress p = {.size = sizeof p, .pressure = NAN, .ns_per_day = NAN, .seconds_left = NAN};
  double spent = clock_seconds() - g->begun, made = 0, ns = 0, n = 0;
  if (!g->watch) return 0;
  for (int i = 0; i < g->n; i++) {
    const md_run *r = &g->member[i].run;
    double done = (double)(r->now.at - r->from), femto = r->o.timestep * 1e-6;
    made += done, ns += done * femto;
    p.step += r->now.at;
    p.steps += g->member[i].active ? r->o.steps : r->now.at;
    if (!g->member[i].active && g->n > 1) continue;
    n++;
    p.time = fmax(p.time, 1e-3 * r->o.timestep * (double)r->now.at);
    p.temperature += r->v.temperature;
    p.potential += r->v.potential;
    if (g->n == 1) p.pressure = r->v.pressure / PASCAL_EV;
  }
  if (n > 0) p.temperature /= n;
  if (made > 0) {
    p.ns_per_day = ns * 86400 / spent;
    p.seconds_left = spent / made * (double)(p.steps - p.step);
  }
  return g->watch(&p, g->user);
}

static int any_active(const group *g) {
  for (int i = 0; i < g->n; i++)
    if (g->member[i].active) return 1;
  return 0;
}

static void loop(group *g) {
  while (any_active(g)) {
    advance(g);
    evaluate_all(g);
    complete(g);
    int wish = look(g);
    for (int i = 0; i < g->n && wish; i++) {
      member *b = &g->member[i];
      if (!b->active) continue;
      if (wish == 1) leave(g, i, md_run_stop(&b->run));
      else settle(g, i, md_run_checkpoint(&b->run));
    }
  }
}

/* ---- the whole */

static void start(group *g, int i) {
  member *b = &g->member[i];
  eqs_md_job *job = &g->job[i];
  const eqs_md_options *o = job->options;
  eqs_status status = EQS_OK;
  job->message[0] = 0;
  b->run.force.c = g->c, b->run.force.m = g->m;
  b->run.shared = g->n == 1 && shard_ranks(g->c);
  if (!o) status = status_fail(EQS_ERR_ARGUMENT, "no options");
  else memcpy(&b->run.o, o, o->size < sizeof b->run.o ? o->size : sizeof b->run.o);
  if (status == EQS_OK) status = md_run_open(&b->run, job->frames, job->frame);
  b->active = status == EQS_OK;
  if (b->active) settle(g, i, EQS_OK);
  else leave(g, i, status);
}

static eqs_status make_room(group *g) {
  size_t n = (size_t)g->n;
  EQS_TRY(alloc_array(&g->member, n, sizeof *g->member, "runs"));
  EQS_TRY(alloc_array(&g->first, n + 1, sizeof *g->first, "a batch"));
  EQS_TRY(alloc_array(&g->who, n, sizeof *g->who, "a batch"));
  EQS_TRY(alloc_array(&g->pbc, 3 * n, sizeof *g->pbc, "a batch"));
  EQS_TRY(alloc_array(&g->cell, 9 * n, sizeof *g->cell, "a batch"));
  EQS_TRY(alloc_array(&g->energy, n, sizeof *g->energy, "a batch"));
  EQS_TRY(alloc_array(&g->stress, 9 * n, sizeof *g->stress, "a batch"));
  EQS_TRY(alloc_array(&g->number, MD_TOGETHER, sizeof *g->number, "a batch"));
  EQS_TRY(alloc_array(&g->x, 3 * MD_TOGETHER, sizeof *g->x, "a batch"));
  return alloc_array(&g->force, 3 * MD_TOGETHER, sizeof *g->force, "a batch");
}

eqs_status md_judge(int n, const eqs_md_job *jobs) {
  int bad = 0, worst = -1;
  for (int i = 0; i < n; i++) {
    if (jobs[i].status == EQS_OK) continue;
    if (bad++ == 0 || jobs[i].status == EQS_ERR_INTERRUPTED) worst = i;
  }
  if (bad == 0) return EQS_OK;
  if (n == 1) return status_fail(jobs[0].status, "%s", jobs[0].message);
  EQS_FAIL(jobs[worst].status, "%d of %d runs are not at their end; run %d: %s", bad, n, worst + 1,
           jobs[worst].message);
}

eqs_status eqs_md_batch(eqs_context *c, const eqs_model *m, int n, eqs_md_job *jobs,
                        eqs_md_watch watch, void *user) {
  group g = {.c = c, .m = m, .n = n, .job = jobs, .watch = watch, .user = user};
  if (!c || !m || n < 1 || !jobs)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a context, a model and at least one run are due");
  eqs_status status = make_room(&g);
  for (int i = 0; i < n && status == EQS_OK; i++) start(&g, i);
  g.begun = clock_seconds();
  if (status == EQS_OK) loop(&g);
  for (int i = 0; i < n && status == EQS_OK; i++) {
    member *b = &g.member[i];
    jobs[i].summary.size = sizeof jobs[i].summary;
    md_run_summarise(&b->run, &jobs[i].summary);
    if (b->status != EQS_OK) status_fail(b->status, "%s", jobs[i].message);
    jobs[i].status = md_run_close(&b->run, b->status);
    if (jobs[i].status != EQS_OK) snprintf(jobs[i].message, MD_MESSAGE, "%s", eqs_error());
  }
  if (status == EQS_OK) status = md_judge(n, jobs);
  free(g.member), free(g.first), free(g.who), free(g.pbc), free(g.cell);
  free(g.energy), free(g.stress), free(g.number), free(g.x), free(g.force);
  return status;
}

eqs_status eqs_md(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                  const eqs_md_options *options, eqs_md_watch watch, void *user,
                  eqs_md_summary *out) {
  eqs_md_job job = {.size = sizeof job, .frames = frames, .frame = i, .options = options};
  eqs_status status = eqs_md_batch(c, m, 1, &job, watch, user);
  if (out && job.summary.size) {
    size_t size = out->size < sizeof job.summary ? out->size : sizeof job.summary;
    job.summary.size = out->size;
    memcpy(out, &job.summary, size);
  }
  return status;
}
