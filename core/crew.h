/* crew.h -- ranks that take work from one desk: rank 0 answers, every rank works and asks.
 *
 * The desk hands out the work and is the only one that touches what is behind it, such as a store.
 * Rank 0 works as well, in a thread of its own, so that nobody waits for it to look up; ranks other
 * than 0 know nothing of the desk but what it answers. With one rank there is no thread, and a
 * question is a call of a function.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CREW_H
#define EQS_CREW_H

#include "core/comm.h"

/* What a worker has of it. */
typedef struct crew crew;

/* All ranks give the sizes, rank 0 the rest. */
typedef struct crew_desk {
  size_t question, answer; /* bytes */
  /* Answers a question of a rank; the answer is zero before. *later = 1: not yet; the question is
   * put again when anything else has been answered. A failure ends the crew. */
  eqs_status (*reply)(void *user, int rank, const void *question, void *answer, int *later);
  /* Of several ranks, ten times a second, in the thread of `reply`; may be NULL. */
  eqs_status (*idle)(void *user);
  void *user;
} crew_desk;

/* Returns when there is no more work. EQS_ERR_INTERRUPTED: it leaves, but nothing has failed. */
typedef eqs_status crew_work(crew *w, void *user);

/* All ranks call it; NULL is one rank. It ends when all have done their work, or with the first
 * failure of any, on every rank; the status is then that of the rank that failed. */
eqs_status crew_run(comm *c, const crew_desk *desk, crew_work *work, void *user) EQS_CHECK;
/* Waits for the answer. */
eqs_status crew_ask(crew *w, const void *question, void *answer) EQS_CHECK;
/* 1: the desk is in this thread, asking costs nothing, and nothing else calls it. */
int crew_is_desk(const crew *w);

#endif
