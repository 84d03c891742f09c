/* crew.c -- see crew.h. A message to the desk is a word, whether it is a question or the end of a
 * rank's work, and the question; what comes back is the answer. MPI is called by the desk's thread
 * alone (MPI_THREAD_FUNNELED); rank 0's worker and the desk meet at a mailbox.
 *
 * SPDX-License-Identifier: MIT */
#include "core/crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

enum { WORD = 8, STACK = 16 << 20 };
#define IDLE 0.1 /* s */

typedef enum mail { MAIL_NONE, MAIL_QUESTION, MAIL_ANSWER, MAIL_LEFT, MAIL_END } mail;

/* Between the two threads of rank 0. */
typedef struct mailbox {
  pthread_mutex_t lock;
  pthread_cond_t turn;
  mail mail;
  const void *question;
  void *answer;
  eqs_status status; /* of the worker that left, or of the desk that ends */
  char why[COMM_WHY];
  crew_work *work;
  void *user;
} mailbox;

struct crew {
  comm *c; /* NULL on rank 0 */
  const crew_desk *desk;
  mailbox *box;  /* NULL: no threads */
  char *message; /* [WORD + question] of a rank other than 0 */
};

typedef struct office {
  comm *c;
  const crew_desk *desk;
  mailbox box;
  char *message, *answer; /* [WORD + question], [answer] */
  char *waiting;          /* [ranks][question] questions that are to be put again */
  char *waits;            /* [ranks] */
  int left;               /* ranks that have done their work */
} office;

/* ---- asking */

static eqs_status ask_mailbox(const crew *w, const void *question, void *answer) {
  mailbox *b = w->box;
  char why[COMM_WHY];
  pthread_mutex_lock(&b->lock);
  if (b->mail != MAIL_END) {
    b->question = question;
    b->answer = answer;
    b->mail = MAIL_QUESTION;
  }
  while (b->mail == MAIL_QUESTION) pthread_cond_wait(&b->turn, &b->lock);
  eqs_status status = b->mail == MAIL_END ? b->status : EQS_OK;
  if (status == EQS_OK) b->mail = MAIL_NONE;
  else memcpy(why, b->why, sizeof why);
  pthread_mutex_unlock(&b->lock);
  if (status != EQS_OK) EQS_FAIL(status, "%s", why);
  return EQS_OK;
}

static eqs_status ask_rank(const crew *w, const void *question, void *answer) {
  const int64_t word = MAIL_QUESTION;
  memcpy(w->message, &word, WORD);
  memcpy(w->message + WORD, question, w->desk->question);
  const comm_message out = {0, w->message, WORD + w->desk->question};
  const comm_message in = {0, answer, w->desk->answer};
  return comm_swap(w->c, 1, &out, 1, &in);
}

eqs_status crew_ask(crew *w, const void *question, void *answer) {
  int later = 0;
  if (w->c) return ask_rank(w, question, answer);
  if (w->box) return ask_mailbox(w, question, answer);
  memset(answer, 0, w->desk->answer);
  EQS_TRY(w->desk->reply(w->desk->user, 0, question, answer, &later));
  if (later) EQS_FAIL(EQS_ERR_ARGUMENT, "one rank waits for itself");
  return EQS_OK;
}

int crew_is_desk(const crew *w) { return !w->c && !w->box; }

/* ---- the desk */

static eqs_status give(office *o, int rank) {
  mailbox *b = &o->box;
  if (rank) {
    const comm_message out = {rank, o->answer, o->desk->answer};
    return comm_swap(o->c, 1, &out, 0, NULL);
  }
  pthread_mutex_lock(&b->lock);
  memcpy(b->answer, o->answer, o->desk->answer);
  b->mail = MAIL_ANSWER;
  pthread_cond_signal(&b->turn);
  pthread_mutex_unlock(&b->lock);
  return EQS_OK;
}

/* Puts the question; *given = 1: it was answered. */
static eqs_status put(office *o, int rank, const char *question, int *given) {
  int later = 0;
  char *kept = o->waiting + (size_t)rank * o->desk->question;
  memset(o->answer, 0, o->desk->answer);
  EQS_TRY(o->desk->reply(o->desk->user, rank, question, o->answer, &later));
  if (later && kept != question) memcpy(kept, question, o->desk->question);
  o->waits[rank] = (char)later;
  *given |= !later;
  return later ? EQS_OK : give(o, rank);
}

/* Until a round gives none an answer. */
static eqs_status put_again(office *o) {
  for (int given = 1; given;) {
    given = 0;
    for (int r = 0; r < o->c->size; r++)
      if (o->waits[r]) EQS_TRY(put(o, r, o->waiting + (size_t)r * o->desk->question, &given));
  }
  return EQS_OK;
}

static eqs_status hear_worker(office *o, int *news) {
  mailbox *b = &o->box;
  pthread_mutex_lock(&b->lock);
  mail what = b->mail;
  pthread_mutex_unlock(&b->lock);
  if (what == MAIL_QUESTION && !o->waits[0]) return put(o, 0, b->question, news);
  if (what != MAIL_LEFT) return EQS_OK;
  b->mail = MAIL_NONE; /* its thread has ended */
  o->left++;
  *news = 1;
  if (b->status != EQS_OK && b->status != EQS_ERR_INTERRUPTED) EQS_FAIL(b->status, "%s", b->why);
  return EQS_OK;
}

static eqs_status hear_ranks(office *o, int *news) {
  int rank;
  int64_t word;
  while (comm_arrived(o->c, &rank)) {
    const comm_message in = {rank, o->message, WORD + o->desk->question};
    EQS_TRY(comm_swap(o->c, 0, NULL, 1, &in));
    memcpy(&word, o->message, WORD);
    if (word == MAIL_QUESTION) EQS_TRY(put(o, rank, o->message + WORD, news));
    else o->left++, *news = 1;
  }
  return EQS_OK;
}

static eqs_status serve(office *o) {
  const struct timespec moment = {.tv_nsec = 100000};
  double looked = clock_seconds();
  while (o->left < o->c->size) {
    int news = 0;
    if (comm_lost(o->c)) return comm_broken(o->c);
    EQS_TRY(hear_worker(o, &news));
    EQS_TRY(hear_ranks(o, &news));
    double now = clock_seconds();
    if (now - looked > IDLE) {
      looked = now;
      news = 1;
      if (o->desk->idle) EQS_TRY(o->desk->idle(o->desk->user));
    }
    if (news) EQS_TRY(put_again(o));
    else nanosleep(&moment, NULL);
  }
  return EQS_OK;
}

/* A rank that has done its work waits for the others, lest its next message come here. */
static eqs_status dismiss(const office *o) {
  int64_t word = MAIL_END;
  for (int r = 1; r < o->c->size; r++) {
    const comm_message out = {r, &word, WORD};
    EQS_TRY(comm_swap(o->c, 1, &out, 0, NULL));
  }
  return EQS_OK;
}

static eqs_status leave(const crew *w) {
  int64_t word = MAIL_LEFT;
  memcpy(w->message, &word, WORD);
  const comm_message out = {0, w->message, WORD + w->desk->question}, in = {0, &word, WORD};
  EQS_TRY(comm_swap(w->c, 1, &out, 0, NULL));
  return comm_swap(w->c, 0, NULL, 1, &in);
}

/* ---- ranks */

static void *work_beside(void *argument) {
  office *o = argument;
  mailbox *b = &o->box;
  crew w = {.desk = o->desk, .box = b};
  eqs_status status = b->work(&w, b->user);
  pthread_mutex_lock(&b->lock);
  if (b->mail != MAIL_END) {
    b->status = status;
    if (status != EQS_OK) snprintf(b->why, sizeof b->why, "%s", eqs_error());
    b->mail = MAIL_LEFT;
  }
  pthread_mutex_unlock(&b->lock);
  return NULL;
}

/* The worker of this rank gets no more answers. */
static void end_worker(mailbox *b, eqs_status status) {
  pthread_mutex_lock(&b->lock);
  b->status = status;
  snprintf(b->why, sizeof b->why, "%s", eqs_error());
  b->mail = MAIL_END;
  pthread_cond_signal(&b->turn);
  pthread_mutex_unlock(&b->lock);
}

/* The thread's stack: where a shell allows any size, the system's choice is too small. */
static eqs_status start_thread(office *o, pthread_t *out) {
  pthread_attr_t how;
  int bad = pthread_attr_init(&how);
  if (!bad) {
    bad = pthread_attr_setstacksize(&how, STACK) || pthread_create(out, &how, work_beside, o);
    pthread_attr_destroy(&how);
  }
  if (bad) EQS_FAIL(EQS_ERR_MEMORY, "the thread in which rank 0 works could not be started");
  return EQS_OK;
}

static eqs_status run_office(office *o, crew_work *work, void *user) {
  pthread_t thread;
  o->box = (mailbox){.work = work, .user = user};
  pthread_mutex_init(&o->box.lock, NULL);
  pthread_cond_init(&o->box.turn, NULL);
  eqs_status status = start_thread(o, &thread);
  if (status == EQS_OK) {
    status = serve(o);
    if (status == EQS_OK) status = dismiss(o);
    if (status != EQS_OK) end_worker(&o->box, status);
    (void)comm_fail(o->c, status);
    pthread_join(thread, NULL);
  } else {
    (void)comm_fail(o->c, status);
  }
  pthread_cond_destroy(&o->box.turn);
  pthread_mutex_destroy(&o->box.lock);
  return status;
}

static eqs_status run_desk(comm *c, const crew_desk *desk, crew_work *work, void *user) {
  office o = {.c = c, .desk = desk};
  const size_t ranks = (size_t)c->size;
  eqs_status status = alloc_array(&o.message, WORD + desk->question, 1, "messages");
  if (status == EQS_OK) status = alloc_array(&o.answer, desk->answer, 1, "messages");
  if (status == EQS_OK) status = alloc_array(&o.waiting, ranks, desk->question, "messages");
  if (status == EQS_OK) status = alloc_array(&o.waits, ranks, 1, "messages");
  if (status == EQS_OK) status = run_office(&o, work, user);
  else (void)comm_fail(c, status);
  free(o.message);
  free(o.answer);
  free(o.waiting);
  free(o.waits);
  return status;
}

eqs_status crew_run(comm *c, const crew_desk *desk, crew_work *work, void *user) {
  crew w = {.desk = desk};
  eqs_status status;
  if (!c || c->size == 1) {
    status = work(&w, user);
    return status == EQS_ERR_INTERRUPTED ? EQS_OK : status;
  }
  if (c->rank == 0) return run_desk(c, desk, work, user);
  w.c = c;
  status = alloc_array(&w.message, WORD + desk->question, 1, "messages");
  if (status == EQS_OK) status = work(&w, user);
  if (status == EQS_ERR_INTERRUPTED) status = EQS_OK;
  if (status == EQS_OK) status = leave(&w);
  free(w.message);
  return comm_fail(c, status);
}
