/* test_crew.c -- ranks as threads that take work from one desk: everything is done once, nothing of
 * a second round is handed out before the first is over, and no failure leaves anybody waiting.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/crew.h"

enum { MOST = 9, TASKS = 60 };
enum { ASK_TASK, TELL_RESULT };

typedef struct question {
  int what, task;
  double result;
} question;

typedef struct answer {
  int task;     /* -1: there are no more */
  double first; /* the sum of the first round, in the second */
} answer;

typedef struct test {
  int n;              /* tasks of each round */
  int bad_rank;       /* whose work fails; -1 = none */
  int bad_desk;       /* 1: the desk fails in the second round */
  int leaver;         /* a rank that is interrupted; -1 = none */
  int given, round;   /* of the desk */
  int done[2][TASKS]; /* how often */
  int by[MOST];       /* tasks of each rank */
  int late;           /* tasks of the first round that were told in the second */
  int busy, idle;
  double sum[2];
  int together;     /* so many ranks do their first tasks side by side; 0 = none waits */
  atomic_int begun; /* of these tasks */
} test;

static eqs_status reply(void *user, int rank, const void *asked, void *out, int *later) {
  test *t = user;
  const question *q = asked;
  answer *a = out;
  if (q->what == TELL_RESULT) {
    t->busy--;
    t->late += q->task / TASKS != t->round;
    t->done[t->round][q->task % TASKS]++;
    t->sum[t->round] += q->result;
    t->by[rank]++;
    return EQS_OK;
  }
  if (t->given == t->n && t->round == 0) {
    if (t->busy) return *later = 1, EQS_OK;
    t->round = 1;
    t->given = 0;
  }
  if (t->round && t->bad_desk) EQS_FAIL(EQS_ERR_FILE, "the desk is full");
  a->task = t->given < t->n ? t->round * TASKS + t->given++ : -1;
  a->first = t->round ? t->sum[0] : 0;
  t->busy += a->task >= 0;
  return EQS_OK;
}

static eqs_status idle(void *user) {
  ((test *)user)->idle++;
  return EQS_OK;
}

typedef struct place {
  test *t;
  int rank, size;
} place;

static const struct timespec turn = {.tv_nsec = 200000};

/* Until all ranks have begun their task n; ten seconds at most. */
static void wait_for_others(test *t, int n) {
  const int all = t->together * (n + 1);
  atomic_fetch_add(&t->begun, 1);
  for (int i = 0; i < 50000 && atomic_load(&t->begun) < all; i++) nanosleep(&turn, NULL);
}

static eqs_status work(crew *w, void *user) {
  const place *p = user;
  question q;
  answer a;
  cr_expect_eq(crew_is_desk(w), p->size == 1);
  for (int n = 0;; n++) {
    memset(&q, 0, sizeof q);
    EQS_TRY(crew_ask(w, &q, &a));
    if (a.task < 0) return EQS_OK;
    if (p->rank == p->t->bad_rank && n == 2) EQS_FAIL(EQS_ERR_DIVERGED, "too hot");
    nanosleep(&turn, NULL);
    if (n < 3) wait_for_others(p->t, n);
    q = (question){TELL_RESULT, a.task, a.first + a.task % TASKS};
    EQS_TRY(crew_ask(w, &q, &a));
    if (p->rank == p->t->leaver) EQS_FAIL(EQS_ERR_INTERRUPTED, "enough");
  }
}

static eqs_status on_rank(comm *c, void *user) {
  place p = {user, c->rank, c->size};
  const crew_desk desk = {sizeof(question), sizeof(answer), c->rank ? NULL : reply,
                          c->rank ? NULL : idle, user};
  eqs_status status = crew_run(c, &desk, work, &p);
  if (status != EQS_OK) return status;
  double same = 1; /* the ranks are still good for other calls */
  EQS_TRY(comm_sum(c, &same, 1));
  cr_expect_eq(same, (double)c->size);
  return EQS_OK;
}

Test(crew, every_task_once_and_rounds_apart) {
  for (int size = 1; size <= MOST; size++)
    for (int n = 0; n <= TASKS; n += TASKS / 3) {
      test t = {.n = n, .bad_rank = -1, .leaver = -1};
      double first = n * (n - 1) / 2.0;
      cr_assert_eq(comm_threads_run(size, on_rank, &t), EQS_OK, "%s", eqs_error());
      for (int k = 0; k < n; k++) cr_expect(t.done[0][k] == 1 && t.done[1][k] == 1);
      cr_expect_eq(t.late, 0);
      cr_expect_eq(t.sum[0], first);
      cr_expect_eq(t.sum[1], first + n * first, "%d ranks, %d tasks", size, n);
    }
}

Test(crew, all_ranks_work) {
  test t = {.n = TASKS, .bad_rank = -1, .leaver = -1, .together = 3};
  cr_assert_eq(comm_threads_run(3, on_rank, &t), EQS_OK);
  for (int r = 0; r < 3; r++) cr_expect_gt(t.by[r], 2, "rank %d has done %d", r, t.by[r]);
}

Test(crew, failures_end_it_on_all_ranks) {
  for (int size = 1; size <= 4; size++)
    for (int bad = 0; bad < size; bad++) {
      test t = {.n = TASKS, .bad_rank = bad, .leaver = -1};
      cr_expect_eq(comm_threads_run(size, on_rank, &t), EQS_ERR_DIVERGED, "%s", eqs_error());
      cr_expect(strstr(eqs_error(), "too hot"), "%s", eqs_error());
      t = (test){.n = TASKS, .bad_rank = -1, .leaver = -1, .bad_desk = 1};
      cr_expect_eq(comm_threads_run(size, on_rank, &t), EQS_ERR_FILE);
      cr_expect(strstr(eqs_error(), "the desk is full"), "%s", eqs_error());
      for (int k = 0; k < TASKS; k++) cr_expect_eq(t.done[0][k], 1);
    }
}

/* Whoever leaves early leaves the rest to the others, unless there are none. */
Test(crew, interruptions_are_no_failures) {
  for (int size = 1; size <= 3; size++) {
    test t = {.n = TASKS, .bad_rank = -1, .leaver = size - 1};
    int done = 0;
    cr_assert_eq(comm_threads_run(size, on_rank, &t), EQS_OK, "%s", eqs_error());
    for (int k = 0; k < TASKS; k++) done += t.done[0][k] + t.done[1][k];
    cr_expect_eq(done, size == 1 ? 1 : 2 * TASKS);
    cr_expect_leq(t.by[size - 1], 1);
  }
}

/* ---- a worker that takes its time: the desk is looked at meanwhile */

static eqs_status dawdle(crew *w, void *user) {
  const struct timespec moment = {.tv_nsec = 350000000};
  question q = {0};
  answer a;
  (void)user;
  nanosleep(&moment, NULL);
  return crew_ask(w, &q, &a);
}

static eqs_status dawdle_on(comm *c, void *user) {
  const crew_desk desk = {sizeof(question), sizeof(answer), c->rank ? NULL : reply,
                          c->rank ? NULL : idle, user};
  return crew_run(c, &desk, dawdle, NULL);
}

Test(crew, the_desk_looks_up_while_others_work) {
  test t = {.bad_rank = -1, .leaver = -1};
  cr_assert_eq(comm_threads_run(2, dawdle_on, &t), EQS_OK);
  cr_expect(t.idle >= 2 && t.idle <= 5, "%d times", t.idle);
}
