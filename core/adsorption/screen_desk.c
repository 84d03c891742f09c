/* screen_desk.c -- see screen_desk.h. A file is hashed when it is handed out, so that content which
 * is there under two names is work once, of the first name, whoever is quicker.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/screen_desk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/adsorption/subject.h"
#include "core/clock.h"
#include "core/locale_c.h"
#include "io/sha256.h"

/* What a rank has in hand. */
typedef struct held {
  screen_task task; /* TASK_NONE: nothing */
  int file, k, at;  /* at: of an isotherm, its place among those chosen */
  int64_t frame;
  screen_item *item;
} held;

/* A file with several frames; the first one is done. */
typedef struct frames {
  int file;
  int64_t next, n;
  char sha[65];
} frames;

typedef enum pass { PASS_FILES, PASS_MODEL, PASS_ISOTHERM, PASS_OVER } pass;

struct screen_desk {
  screen_job job;
  char digest[65];
  held *held;         /* [ranks] */
  int *order;         /* [n] files, as they are handed out */
  uint64_t *seen;     /* [n] the heads of the hashes so far */
  char (*sha)[65];    /* [n] in the same order */
  frames *more;       /* [n_more] the last one first */
  screen_item **list; /* [n_list] what the pass is for */
  int n_seen, n_more, more_capacity, n_list;
  pass pass;
  int next, busy;                 /* of order or list; tasks in hand */
  int n_task, n_done, n_computed; /* of the pass */
  double start;                   /* s, of the pass */
  int stop;
  screen_question progress; /* the latest */
};

void screen_settings_digest(const screen_stages *s, char digest[65]) {
  LOCALE_C();
  const eqs_screen_options *o = &s->options;
  char text[4 * SCREEN_CONDITION + 512 + 32 * 256];
  size_t n =
      (size_t)snprintf(text, sizeof text, "%s %d %d %d %d %d %.17g %.17g %lld %lld %lld %d %d",
                       eqs_version(), s->first, s->last, s->plain, s->skips_classical,
                       o->retry_failed, o->min_diameter, o->min_henry, (long long)o->best,
                       (long long)o->isotherms, (long long)o->cycles, o->part, o->keep_pockets);
  for (int k = 0; k < STAGE_ISOTHERM; k++)
    n += (size_t)snprintf(text + n, sizeof text - n, " %s", s->condition[k]);
  for (int k = 0; k < o->n_pressure; k++)
    n += (size_t)snprintf(text + n, sizeof text - n, " %.17g", o->pressure[k]);
  sha256_hex(text, n, digest);
}

/* ---- the order of the files */

typedef struct weighed {
  int64_t bytes;
  int file;
} weighed;

static int by_size(const void *pa, const void *pb) {
  const weighed *a = pa, *b = pb;
  if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
  return (a->file > b->file) - (a->file < b->file);
}

/* The largest first, lest one rank be left with it at the end; of one rank as they come. Files of
 * the same content keep their order. */
static eqs_status make_order(screen_desk *d) {
  const size_t n = (size_t)d->job.n;
  weighed *w = NULL;
  for (int i = 0; i < d->job.n; i++) d->order[i] = i;
  if (d->job.ranks < 2) return EQS_OK;
  EQS_TRY(alloc_array(&w, n, sizeof *w, "files"));
  for (int i = 0; i < d->job.n; i++) {
    struct stat info;
    w[i] = (weighed){stat(d->job.paths[i], &info) ? 0 : (int64_t)info.st_size, i};
  }
  if (n) qsort(w, n, sizeof *w, by_size);
  for (int i = 0; i < d->job.n; i++) d->order[i] = w[i].file;
  free(w);
  return EQS_OK;
}

/* ---- the first pass */

static void give(screen_desk *d, int rank, held h, screen_answer *a) {
  d->held[rank] = h;
  d->busy++;
  a->task = h.task;
  a->k = h.k;
  snprintf(a->path, sizeof a->path, "%s", d->job.paths[h.file]);
}

static int was_seen(screen_desk *d, const char sha[65]) {
  char head[17] = {0};
  memcpy(head, sha, 16);
  uint64_t key = strtoull(head, NULL, 16);
  for (int k = 0; k < d->n_seen; k++)
    if (d->seen[k] == key && strcmp(d->sha[k], sha) == 0) return 1;
  d->seen[d->n_seen] = key;
  memcpy(d->sha[d->n_seen++], sha, sizeof d->sha[0]);
  return 0;
}

static int give_frame(screen_desk *d, int rank, screen_answer *a) {
  if (d->n_more) {
    frames *f = &d->more[d->n_more - 1];
    memcpy(a->row.file_sha256, f->sha, sizeof f->sha);
    a->row.frame = f->next++;
    give(d, rank, (held){.task = TASK_FRAME, .file = f->file, .frame = a->row.frame}, a);
    if (f->next == f->n) d->n_more--;
    return 1;
  }
  while (d->next < d->job.n) {
    int file = d->order[d->next++];
    char sha[65] = "";
    if (file_sha256(d->job.paths[file], sha) != EQS_OK) sha[0] = 0;
    if (sha[0] && was_seen(d, sha)) {
      d->n_task--;
      continue;
    }
    memcpy(a->row.file_sha256, sha, sizeof sha);
    give(d, rank, (held){.task = TASK_FRAME, .file = file}, a);
    return 1;
  }
  return 0;
}

static eqs_status add_frames(screen_desk *d, const held *h, const screen_record *r) {
  if (h->frame || r->n_frame < 2) return EQS_OK;
  if (r->n_frame > INT32_MAX - d->n_task)
    EQS_FAIL(EQS_ERR_FORMAT, "the results say that %s has %lld frames", r->name,
             (long long)r->n_frame);
  if (d->n_more == d->more_capacity) {
    int capacity = 2 * d->more_capacity + 8;
    frames *more = realloc(d->more, mul_size((size_t)capacity, sizeof *more));
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the list of frames");
    d->more = more;
    d->more_capacity = capacity;
  }
  frames *f = &d->more[d->n_more++];
  *f = (frames){.file = h->file, .next = 1, .n = r->n_frame};
  memcpy(f->sha, r->file_sha256, sizeof f->sha);
  d->n_task += (int)(r->n_frame - 1);
  return EQS_OK;
}

static eqs_status add_item(screen_desk *d, const held *h, const screen_question *q) {
  eqs_screen_result *to = d->job.result;
  const screen_record *r = &q->row;
  if (to->n == to->capacity) {
    size_t capacity = to->capacity ? 2 * to->capacity : 64;
    screen_item *list = realloc(to->item, mul_size(capacity, sizeof *list));
    if (!list) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the list of results");
    to->item = list;
    to->capacity = capacity;
  }
  screen_item *it = &to->item[to->n++];
  *it = (screen_item){.id = r->id,
                      .file = h->file,
                      .frame = h->frame,
                      .stage = q->stage,
                      .error = (int)r->error,
                      .fresh = q->fresh,
                      .done = q->stage == d->job.stages->last || r->error || r->stopped[0],
                      .classical = r->classical_henry,
                      .henry = r->henry};
  snprintf(it->stopped, sizeof it->stopped, "%s", r->stopped);
  return add_frames(d, h, r);
}

static int by_file(const void *pa, const void *pb) {
  const screen_item *a = pa, *b = pb;
  if (a->file != b->file) return a->file < b->file ? -1 : 1;
  return (a->frame > b->frame) - (a->frame < b->frame);
}

static int by_id(const void *pa, const void *pb) {
  const screen_item *a = pa, *b = pb;
  if (a->id != b->id) return a->id < b->id ? -1 : 1;
  return by_file(pa, pb);
}

/* In the order of the files, each row once: a path may be there twice. */
static void sort_items(eqs_screen_result *r) {
  size_t n = 0;
  if (!r->n) return;
  qsort(r->item, r->n, sizeof *r->item, by_id);
  for (size_t k = 0; k < r->n; k++) {
    if (n && r->item[n - 1].id == r->item[k].id) r->item[n - 1].fresh |= r->item[k].fresh;
    else r->item[n++] = r->item[k];
  }
  r->n = n;
  qsort(r->item, r->n, sizeof *r->item, by_file);
}

/* ---- the passes for the best */

static double score(const screen_item *a, int by_model) {
  double x = by_model ? a->henry : a->classical;
  return isnan(x) ? -1 : x;
}

static int by_classical(const void *pa, const void *pb) {
  const screen_item *a = *(screen_item *const *)pa, *b = *(screen_item *const *)pb;
  double x = score(a, 0), y = score(b, 0);
  if (x != y) return x > y ? -1 : 1;
  return (a > b) - (a < b);
}

static int by_henry(const void *pa, const void *pb) {
  const screen_item *a = *(screen_item *const *)pa, *b = *(screen_item *const *)pb;
  double x = score(a, 1), y = score(b, 1);
  if (x != y) return x > y ? -1 : 1;
  return (a > b) - (a < b);
}

/* Those that wait after `stage`, the best first; beyond `best` (0 = all) they end there. */
static int choose(const screen_desk *d, int stage, int64_t best, screen_item **list) {
  eqs_screen_result *r = d->job.result;
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

/* A part of the frameworks cannot say which are the best of all. */
static void leave_to_all(const screen_desk *d, int stage) {
  eqs_screen_result *r = d->job.result;
  for (size_t k = 0; k < r->n; k++) {
    screen_item *it = &r->item[k];
    if (it->done || it->stage != stage) continue;
    it->done = 1;
    snprintf(it->stopped, sizeof it->stopped,
             "waits for the other shards: they are ranked by %sK_H",
             stage == STAGE_MODEL ? "" : "classical ");
  }
}

static void begin(screen_desk *d, int n) {
  d->next = d->n_done = d->n_computed = 0;
  d->n_task = n;
  d->start = clock_seconds();
}

static eqs_status begin_model(screen_desk *d) {
  const screen_stages *t = d->job.stages;
  const eqs_screen_options *o = &t->options;
  d->pass = PASS_MODEL;
  d->n_list = 0;
  sort_items(d->job.result);
  EQS_TRY(alloc_array(&d->list, d->job.result->n, sizeof *d->list, "the frameworks that go on"));
  if (t->last >= STAGE_MODEL && o->energy != EQS_ENERGY_CLASSICAL) {
    if (o->part && o->best) leave_to_all(d, STAGE_CLASSICAL);
    d->n_list = choose(d, STAGE_CLASSICAL, o->best, d->list);
  }
  begin(d, d->n_list);
  return EQS_OK;
}

static eqs_status begin_isotherms(screen_desk *d) {
  const screen_stages *t = d->job.stages;
  const eqs_screen_options *o = &t->options;
  eqs_screen_result *r = d->job.result;
  int stage = o->energy == EQS_ENERGY_CLASSICAL ? STAGE_CLASSICAL : STAGE_MODEL;
  d->pass = PASS_ISOTHERM;
  d->n_list = 0;
  if (t->last == STAGE_ISOTHERM) {
    if (o->part) leave_to_all(d, stage);
    d->n_list = choose(d, stage, o->isotherms, d->list);
    r->n_point = (size_t)d->n_list * (size_t)o->n_pressure;
    EQS_TRY(alloc_array(&r->point, r->n_point, sizeof *r->point, "points of isotherms"));
    for (int k = 0; k < d->n_list; k++) d->list[k]->points = o->n_pressure;
  }
  begin(d, d->n_list * o->n_pressure);
  return EQS_OK;
}

static eqs_status next_pass(screen_desk *d) {
  if (d->pass == PASS_FILES) return begin_model(d);
  if (d->pass == PASS_MODEL) return begin_isotherms(d);
  d->pass = PASS_OVER;
  return EQS_OK;
}

static eqs_status give_listed(screen_desk *d, int rank, screen_answer *a, int *given) {
  int points = d->pass == PASS_ISOTHERM ? d->job.stages->options.n_pressure : 1;
  *given = d->next < d->n_list * points;
  if (!*given) return EQS_OK;
  int at = d->next / points, k = d->next % points;
  screen_item *it = d->list[at];
  d->next++;
  EQS_TRY(store_get(d->job.result->store, it->id, &a->row));
  give(d, rank,
       (held){.task = d->pass == PASS_ISOTHERM ? TASK_POINT : TASK_MODEL,
              .file = it->file,
              .frame = it->frame,
              .k = k,
              .at = at,
              .item = it},
       a);
  return EQS_OK;
}

/* ---- questions */

static eqs_status answer_work(screen_desk *d, int rank, screen_answer *a, int *later) {
  while (!d->stop && d->pass != PASS_OVER) {
    int given = 0;
    if (d->pass == PASS_FILES) given = give_frame(d, rank, a);
    else EQS_TRY(give_listed(d, rank, a, &given));
    if (given) return EQS_OK;
    *later = d->busy > 0;
    if (*later) return EQS_OK;
    EQS_TRY(next_pass(d));
  }
  a->task = TASK_NONE;
  return EQS_OK;
}

/* A stored row stands, unless it is a failure that may not happen again. */
static int stands(const screen_desk *d, const screen_record *r) {
  return r->error == EQS_OK || (!d->job.stages->options.retry_failed &&
                                (r->error == EQS_ERR_ARGUMENT || r->error == EQS_ERR_FORMAT ||
                                 r->error == EQS_ERR_UNSUPPORTED || r->error == EQS_ERR_DIVERGED));
}

static eqs_status answer_row(const screen_desk *d, const screen_record *key, screen_answer *a) {
  EQS_TRY(store_find(d->job.result->store, key->file_sha256, key->frame, key->condition, &a->row,
                     &a->found));
  a->found = a->found && stands(d, &a->row);
  return EQS_OK;
}

static void model_done(const screen_desk *d, screen_item *it, const screen_question *q) {
  it->id = q->row.id;
  it->stage = STAGE_MODEL;
  it->error = (int)q->row.error;
  it->henry = q->row.henry;
  it->done = it->error || d->job.stages->last == STAGE_MODEL;
}

static eqs_status take_done(screen_desk *d, int rank, const screen_question *q) {
  held h = d->held[rank];
  d->held[rank] = (held){0};
  d->busy--;
  d->n_done++;
  d->n_computed += q->fresh;
  if (h.task == TASK_FRAME) return add_item(d, &h, q);
  h.item->fresh |= q->fresh;
  if (h.task == TASK_MODEL) {
    model_done(d, h.item, q);
    return EQS_OK;
  }
  int points = d->job.stages->options.n_pressure;
  d->job.result->point[(size_t)h.at * (size_t)points + (size_t)h.k] = q->row.id;
  if (!h.item->error) h.item->error = (int)q->row.error;
  h.item->done = --h.item->points == 0;
  return EQS_OK;
}

static void look(screen_desk *d) {
  const screen_question *q = &d->progress;
  if (!d->job.watch || !q->phase[0]) return;
  double spent = clock_seconds() - d->start;
  eqs_screen_progress p = {
      .size = sizeof p,
      .framework = d->n_done + 1,
      .n_framework = d->n_task,
      .name = q->name,
      .phase = q->phase,
      .done = q->done,
      .of = q->of,
      .seconds_left = d->n_computed > 0 ? spent / d->n_computed * (d->n_task - d->n_done) : NAN};
  if (p.framework > p.n_framework) p.framework = p.n_framework;
  if (d->job.watch(&p, d->job.user)) d->stop = 1;
}

eqs_status screen_desk_idle(void *desk) {
  screen_desk *d = desk;
  if (!d->stop) look(d);
  return EQS_OK;
}

static void take_progress(screen_desk *d, const screen_question *q) {
  screen_question *p = &d->progress;
  memcpy(p->name, q->name, sizeof p->name);
  memcpy(p->phase, q->phase, sizeof p->phase);
  p->done = q->done;
  p->of = q->of;
  if (d->job.ranks < 2) look(d); /* else that is for idle moments */
}

eqs_status screen_desk_reply(void *desk, int rank, const void *question, void *answer, int *later) {
  screen_desk *d = desk;
  const screen_question *q = question;
  screen_answer *a = answer;
  eqs_status status = EQS_OK;
  switch (q->what) {
  case ASK_WELCOME:
    if (strcmp(q->digest, d->digest) != 0)
      EQS_FAIL(EQS_ERR_ARGUMENT,
               "rank %d has other settings than rank 0, or another model or version", rank);
    break;
  case ASK_WORK: status = answer_work(d, rank, a, later); break;
  case ASK_ROW: status = answer_row(d, &q->row, a); break;
  case TELL_ROW:
    a->row = q->row;
    status = store_put(d->job.result->store, &a->row);
    break;
  case TELL_DONE: status = take_done(d, rank, q); break;
  case TELL_PROGRESS: take_progress(d, q); break;
  }
  a->stop = d->stop;
  return status;
}

/* ---- the whole */

int screen_desk_stopped(const screen_desk *d) { return d->stop && d->pass != PASS_OVER; }

eqs_status screen_desk_open(const screen_job *job, screen_desk **out) {
  const size_t n = (size_t)job->n;
  screen_desk *d = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  for (int i = 0; i < job->n; i++)
    if (strlen(job->paths[i]) >= SCREEN_PATH)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the name of file %d is longer than %d bytes", i + 1,
               SCREEN_PATH - 1);
  EQS_TRY(alloc_array(&d, 1, sizeof *d, "the screening"));
  d->job = *job;
  screen_settings_digest(job->stages, d->digest);
  EQS_TRY_DONE(alloc_array(&d->held, (size_t)job->ranks, sizeof *d->held, "ranks"));
  EQS_TRY_DONE(alloc_array(&d->order, n, sizeof *d->order, "files"));
  EQS_TRY_DONE(alloc_array(&d->seen, n, sizeof *d->seen, "files"));
  EQS_TRY_DONE(alloc_array(&d->sha, n, sizeof *d->sha, "files"));
  EQS_TRY_DONE(make_order(d));
  begin(d, job->n);
  *out = d;
  return EQS_OK;
done:
  screen_desk_close(&d);
  return status;
}

void screen_desk_close(screen_desk **d) {
  if (!d || !*d) return;
  free((*d)->held);
  free((*d)->order);
  free((*d)->seen);
  free((*d)->sha);
  free((*d)->more);
  free((*d)->list);
  free(*d);
  *d = NULL;
}
