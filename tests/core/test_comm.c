/* test_comm.c -- ranks as threads: collective calls for every number of ranks up to 9, many ranks,
 * rows of ghosts, and failures while others wait.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/comm_plan.h"

enum { RANKS = 9, MANY = 64 };

/* ---- collective calls */

typedef struct answers {
  double sum[MANY], most[MANY], message[MANY];
  int all[MANY][MANY], each[MANY][MANY];
} answers;

static eqs_status ask(comm *c, void *user) {
  answers *a = user;
  double x[2] = {1.0 / (1 + c->rank), -c->rank}, y[2] = {c->rank, -c->rank};
  double text = c->rank ? 0 : 42;
  int mine = 100 + c->rank, out[MANY];
  for (int r = 0; r < c->size; r++) out[r] = 1000 * c->rank + r;
  EQS_TRY(comm_all_to_all(c, out, a->each[c->rank]));
  EQS_TRY(comm_sum(c, x, 2));
  EQS_TRY(comm_max(c, y, 2));
  EQS_TRY(comm_broadcast(c, &text, sizeof text));
  EQS_TRY(comm_gather_all(c, &mine, sizeof mine, a->all[c->rank]));
  a->sum[c->rank] = x[0];
  a->most[c->rank] = y[0] + y[1];
  a->message[c->rank] = text;
  return EQS_OK;
}

static void check_answers(int size) {
  static answers a;
  double harmonic = 0;
  cr_assert_eq(comm_threads_run(size, ask, &a), EQS_OK, "%s", eqs_error());
  for (int r = 0; r < size; r++) harmonic += 1.0 / (1 + r);
  for (int r = 0; r < size; r++) {
    cr_expect_float_eq(a.sum[r], harmonic, 1e-14);
    cr_expect_eq(a.sum[r], a.sum[0]);
    cr_expect_eq(a.most[r], (double)(size - 1));
    cr_expect_eq(a.message[r], 42.0);
    for (int s = 0; s < size; s++) cr_expect_eq(a.all[r][s], 100 + s);
    for (int s = 0; s < size; s++) cr_expect_eq(a.each[r][s], 1000 * s + r, "of %d", size);
  }
}

Test(comm, sums_and_broadcasts) {
  for (int size = 1; size <= RANKS; size++) check_answers(size);
  check_answers(MANY);
}

Test(comm, numbers_of_ranks_that_are_none) {
  cr_expect_eq(comm_threads_run(0, ask, NULL), EQS_ERR_ARGUMENT);
  cr_expect_eq(comm_threads_run(-1, ask, NULL), EQS_ERR_ARGUMENT);
}

/* ---- rows of ghosts: a ring, each rank having its neighbours' rows, and an image of its own */

enum { OWNED = 3 };

static eqs_status ring(comm *c, void *user) {
  int size = c->size, left = (c->rank + size - 1) % size, right = (c->rank + 1) % size;
  int peers[3] = {c->rank, left, right}, peer[3], n_peer = 0;
  int send_first[4] = {0}, from_first[4] = {0}, send[4 * OWNED];
  comm_message message[6];
  (void)user;
  for (int r = 0; r < size; r++)
    for (int k = 0; k < 3 && (n_peer == 0 || peer[n_peer - 1] != r); k++)
      if (peers[k] == r) peer[n_peer++] = r;
  for (int k = 0; k < n_peer; k++) {
    send_first[k + 1] = from_first[k + 1] = 4 * (k + 1);
    for (int e = 0; e < 4; e++) send[4 * k + e] = (e + 1) % OWNED;
  }
  comm_plan p = {.n_owned = OWNED,
                 .n_ghost = 4 * n_peer,
                 .n_peer = n_peer,
                 .peer = peer,
                 .send_first = send_first,
                 .send = send,
                 .from_first = from_first,
                 .message = message};
  double rows[OWNED + 12][2] = {{0}};
  float few[OWNED + 12] = {0};
  for (int i = 0; i < OWNED; i++) rows[i][0] = 10 * c->rank + i, rows[i][1] = -1;
  EQS_TRY(comm_plan_forward(c, &p, rows, sizeof *rows));
  for (int k = 0; k < n_peer; k++)
    for (int e = 0; e < 4; e++)
      if (rows[OWNED + 4 * k + e][0] != 10 * peer[k] + (e + 1) % OWNED)
        EQS_FAIL(EQS_ERR_DIVERGED, "a ghost is not its owner's row");
  for (int i = 0; i < p.n_ghost; i++) few[OWNED + i] = 1 + (float)c->rank;
  EQS_TRY(comm_plan_reverse(c, &p, few, sizeof *few, 4));
  double want = 0; /* row 0 and 2 are sent once, row 1 twice, to every peer */
  for (int k = 0; k < n_peer; k++) want += 1 + peer[k];
  if (few[0] != (float)want || few[1] != (float)(2 * want) || few[2] != (float)want)
    EQS_FAIL(EQS_ERR_DIVERGED, "%g %g %g, want %g", few[0], few[1], few[2], want);
  if (comm_plan_reverse(c, &p, few, 6, 4) != EQS_ERR_ARGUMENT)
    EQS_FAIL(EQS_ERR_DIVERGED, "rows of one and a half numbers");
  comm_plan_free(&p);
  return EQS_OK;
}

Test(comm, rows_of_ghosts) {
  for (int size = 1; size <= 5; size++)
    cr_expect_eq(comm_threads_run(size, ring, NULL), EQS_OK, "%d ranks: %s", size, eqs_error());
}

/* ---- failures */

static eqs_status fail_alone(comm *c, void *user) {
  const int *who = user;
  double x = 1;
  EQS_TRY(comm_sum(c, &x, 1));
  if (c->rank == *who) EQS_FAIL(EQS_ERR_MEMORY, "the cat sat on it");
  for (int k = 0; k < 1000; k++) EQS_TRY(comm_sum(c, &x, 1)); /* waits for ever otherwise */
  EQS_FAIL(EQS_ERR_DIVERGED, "rank %d has not noticed", c->rank);
}

Test(comm, a_failure_ends_all_ranks) {
  for (int size = 2; size <= RANKS; size += 3)
    for (int who = 0; who < size; who++) {
      cr_expect_eq(comm_threads_run(size, fail_alone, &who), EQS_ERR_MEMORY);
      cr_expect_str_eq(eqs_error(), "the cat sat on it");
    }
}

static eqs_status told(comm *c, void *user) {
  char *text = user;
  double x = 1;
  if (c->rank == 1) {
    status_fail(EQS_ERR_DEVICE, "no such GPU");
    return comm_fail(c, EQS_ERR_DEVICE);
  }
  eqs_status status = comm_sum(c, &x, 1);
  if (c->rank == 0) snprintf(text, 100, "%d %s", (int)status, eqs_error());
  return status;
}

/* Ranks that fail one after the other, with messages under way, hand in what they have. */
static eqs_status hand_in(comm *c, void *user) {
  int *got = user, both[2] = {c->rank, 0}, all[MANY];
  double x = 1;
  eqs_status status = EQS_OK;
  for (int k = 0; status == EQS_OK; k++) {
    if (c->rank == 2 && k == 50) {
      status_fail(EQS_ERR_DIVERGED, "far away");
      status = comm_fail(c, EQS_ERR_DIVERGED);
    } else {
      status = comm_gather_all(c, both, sizeof *both, all);
      if (status == EQS_OK) status = comm_sum(c, &x, 1);
    }
  }
  for (int r = 0; r < c->size && !c->rank; r++)
    for (int k = 0; r && k < 2; k++) {
      EQS_TRY(comm_collect(c, r, both, (size_t)(k + 1) * sizeof *both));
      *got += both[0] == 10 * r + k;
    }
  for (int k = 0; k < 2 && c->rank; k++) {
    both[0] = 10 * c->rank + k;
    EQS_TRY(comm_hand_in(c, both, (size_t)(k + 1) * sizeof *both));
  }
  return status;
}

static eqs_status hand_in_less(comm *c, void *user) {
  char data[4] = {0};
  (void)user;
  if (c->rank) {
    status_fail(EQS_ERR_DIVERGED, "less");
    (void)comm_fail(c, EQS_ERR_DIVERGED);
    EQS_TRY(comm_hand_in(c, data, 3));
    return comm_hand_in(c, data, 2); /* never collected */
  }
  return comm_collect(c, 1, data, 4);
}

Test(comm, what_is_left_after_a_failure) {
  int got = 0;
  for (int size = 3; size <= RANKS; size += 3) {
    cr_expect_eq(comm_threads_run(size, hand_in, &got), EQS_ERR_DIVERGED);
    cr_expect_str_eq(eqs_error(), "far away");
    cr_expect_eq(got, 2 * (size - 1), "%d", size);
    got = 0;
  }
  cr_expect_eq(comm_threads_run(2, hand_in_less, NULL), EQS_ERR_COMM);
  cr_expect(strstr(eqs_error(), "what rank 1 had is lost") != NULL, "%s", eqs_error());
}

static eqs_status wrong_length(comm *c, void *user) {
  char data[8] = {0};
  const comm_message m = {1 - c->rank, data, c->rank ? 8 : 7};
  (void)user;
  if (c->rank) return comm_swap(c, 0, NULL, 1, &m);
  return comm_swap(c, 1, &m, 0, NULL);
}

Test(comm, the_others_are_told_why) {
  char text[100];
  cr_expect_eq(comm_threads_run(3, told, text), EQS_ERR_DEVICE);
  cr_expect_str_eq(text, "6 rank 1: no such GPU");
  cr_expect_eq(comm_threads_run(2, wrong_length, NULL), EQS_ERR_COMM);
}
