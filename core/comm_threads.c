/* comm_threads.c -- ranks as threads of one process: for tests, and to count what many ranks would
 * send. A message is copied into a queue of its two ranks, so sending never waits.
 *
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/comm.h"

enum { MOST_RANKS = 4096 };

typedef struct letter {
  struct letter *next;
  size_t bytes;
  char data[];
} letter;

typedef struct queue {
  letter *first, *last;
} queue;

typedef struct hub {
  pthread_mutex_t lock;
  pthread_cond_t *arrived; /* [size] something for this rank */
  int size, broken, status;
  char why[COMM_WHY];
  queue *box;  /* [to][from] */
  queue *last; /* [from] handed in to rank 0 */
} hub;

typedef struct thread_comm {
  comm c;
  hub *h;
  pthread_t thread;
  comm_task *task;
  void *user;
  eqs_status status;
  char error[COMM_WHY];
} thread_comm;

/* With the lock held. */
static void break_hub(hub *h, int status, const char *why) {
  if (!h->broken) {
    snprintf(h->why, sizeof h->why, "%s", why);
    h->status = status;
  }
  h->broken = 1;
  for (int r = 0; r < h->size; r++) pthread_cond_broadcast(h->arrived + r);
}

static void tell(comm *c) {
  hub *h = ((thread_comm *)c)->h;
  pthread_mutex_lock(&h->lock);
  break_hub(h, c->status, c->why);
  pthread_mutex_unlock(&h->lock);
}

static void listen(comm *c) {
  hub *h = ((thread_comm *)c)->h;
  pthread_mutex_lock(&h->lock);
  if (h->broken) comm_break(c, 2, h->status, h->why);
  pthread_mutex_unlock(&h->lock);
}

static queue *box_of(hub *h, int to, int from) {
  return h->box + (size_t)to * (size_t)h->size + (size_t)from;
}

/* A copy into a queue that rank `to` looks at. 1: no memory. */
static int put(hub *h, int to, queue *q, const void *data, size_t bytes) {
  letter *l = malloc(sizeof *l + bytes);
  if (!l) return 1;
  l->next = NULL;
  l->bytes = bytes;
  memcpy(l->data, data, bytes);
  pthread_mutex_lock(&h->lock);
  if (q->last) q->last->next = l;
  else q->first = l;
  q->last = l;
  pthread_cond_broadcast(h->arrived + to);
  pthread_mutex_unlock(&h->lock);
  return 0;
}

/* With the lock held. */
static letter *pull(queue *q) {
  letter *l = q->first;
  q->first = l->next;
  if (!q->first) q->last = NULL;
  return l;
}

static int post(comm *c, hub *h, const comm_message *m) {
  if (!put(h, m->rank, box_of(h, m->rank, c->rank), m->data, m->bytes)) return 0;
  char why[COMM_WHY];
  snprintf(why, sizeof why, "rank %d: no memory for a message of %zu bytes", c->rank, m->bytes);
  comm_break(c, 1, EQS_ERR_MEMORY, why);
  tell(c);
  return 1;
}

static int fetch(comm *c, hub *h, const comm_message *m) {
  queue *q = box_of(h, c->rank, m->rank);
  pthread_mutex_lock(&h->lock);
  while (!q->first && !h->broken) pthread_cond_wait(h->arrived + c->rank, &h->lock);
  letter *l = q->first;
  if (l && l->bytes != m->bytes) {
    char why[COMM_WHY];
    snprintf(why, sizeof why, "rank %d: a message of %zu bytes from rank %d, not of %zu", c->rank,
             l->bytes, m->rank, m->bytes);
    break_hub(h, EQS_ERR_COMM, why);
  }
  int bad = h->broken;
  if (bad) comm_break(c, 2, h->status, h->why);
  if (!bad) pull(q);
  pthread_mutex_unlock(&h->lock);
  if (bad) return 1;
  memcpy(m->data, l->data, m->bytes);
  free(l);
  return 0;
}

static int begin(comm *c, int n_out, const comm_message *out, int n_in, const comm_message *in) {
  (void)n_in;
  (void)in;
  for (int k = 0; k < n_out; k++)
    if (out[k].bytes && post(c, ((thread_comm *)c)->h, out + k)) return 1;
  return 0;
}

static int end(comm *c, int n_in, const comm_message *in) {
  hub *h = ((thread_comm *)c)->h;
  for (int k = 0; k < n_in; k++)
    if (in[k].bytes && fetch(c, h, in + k)) return 1;
  return 0;
}

static int arrived(comm *c, int *from) {
  hub *h = ((thread_comm *)c)->h;
  int there = 0;
  pthread_mutex_lock(&h->lock);
  for (int r = 0; r < h->size && !there; r++)
    if (box_of(h, c->rank, r)->first) *from = r, there = 1;
  pthread_mutex_unlock(&h->lock);
  return there;
}

static int hand_in(comm *c, const void *data, size_t bytes) {
  hub *h = ((thread_comm *)c)->h;
  return put(h, 0, h->last + c->rank, data, bytes);
}

static int collect(comm *c, int rank, void *data, size_t bytes) {
  hub *h = ((thread_comm *)c)->h;
  queue *q = h->last + rank;
  pthread_mutex_lock(&h->lock);
  while (!q->first) pthread_cond_wait(h->arrived, &h->lock);
  letter *l = pull(q);
  pthread_mutex_unlock(&h->lock);
  int bad = l->bytes != bytes;
  if (!bad) memcpy(data, l->data, bytes);
  free(l);
  return bad;
}

static void nothing(comm *c) { (void)c; }

static void *start(void *argument) {
  thread_comm *t = argument;
  t->status = t->task(&t->c, t->user);
  snprintf(t->error, sizeof t->error, "%s", eqs_error());
  comm_fail(&t->c, t->status);
  return NULL;
}

static void empty(queue *q, size_t n) {
  for (size_t k = 0; q && k < n; k++)
    while (q[k].first) free(pull(q + k));
  free(q);
}

static void hub_free(hub *h) {
  size_t n = (size_t)h->size;
  empty(h->box, n * n);
  empty(h->last, n);
  for (size_t r = 0; h->arrived && r < n; r++) pthread_cond_destroy(h->arrived + r);
  pthread_mutex_destroy(&h->lock);
  free(h->arrived);
}

static eqs_status run(hub *h, thread_comm *t, comm_task *task, void *user) {
  static const comm_ops ops = {"threads", begin,   end,     tell,   listen,
                               arrived,   hand_in, collect, nothing};
  int started = 0, worst = -1;
  EQS_TRY(alloc_array(&h->arrived, (size_t)h->size, sizeof *h->arrived, "ranks"));
  EQS_TRY(alloc_array(&h->box, mul_size((size_t)h->size, (size_t)h->size), sizeof *h->box,
                      "queues of ranks"));
  EQS_TRY(alloc_array(&h->last, (size_t)h->size, sizeof *h->last, "queues of ranks"));
  for (int r = 0; r < h->size; r++) pthread_cond_init(h->arrived + r, NULL);
  for (; started < h->size; started++) {
    thread_comm *one = t + started;
    *one = (thread_comm){.h = h, .task = task, .user = user};
    one->c = (comm){.ops = &ops, .rank = started, .size = h->size};
    if (pthread_create(&one->thread, NULL, start, one)) break;
  }
  if (started < h->size) {
    pthread_mutex_lock(&h->lock);
    break_hub(h, EQS_ERR_COMM, "a rank's thread could not be started");
    pthread_mutex_unlock(&h->lock);
  }
  for (int r = 0; r < started; r++) pthread_join(t[r].thread, NULL);
  if (started < h->size) EQS_FAIL(EQS_ERR_COMM, "cannot start %d threads", h->size);
  /* the one that failed by itself rather than one that was told */
  for (int r = h->size - 1; r >= 0; r--)
    if (t[r].status != EQS_OK && (worst < 0 || t[r].c.broken == 1)) worst = r;
  if (worst < 0) return EQS_OK;
  EQS_FAIL(t[worst].status, "%s", t[worst].error);
}

eqs_status comm_threads_run(int size, comm_task *task, void *user) {
  if (size < 1 || size > MOST_RANKS)
    EQS_FAIL(EQS_ERR_ARGUMENT, "ranks are 1 to %d, not %d", MOST_RANKS, size);
  hub h = {.size = size};
  thread_comm *t = NULL;
  pthread_mutex_init(&h.lock, NULL);
  eqs_status status = alloc_array(&t, (size_t)size, sizeof *t, "ranks");
  if (status == EQS_OK) status = run(&h, t, task, user);
  hub_free(&h);
  free(t);
  return status;
}
