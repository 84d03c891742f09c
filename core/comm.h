/* comm.h -- ranks that work on one thing: messages, sums, and what happens when one of them fails.
 *
 * All ranks make the same calls in the same order. Sums are taken along one tree, so they have the
 * same bits on every rank and in every run with that many ranks. A rank that fails says so with
 * comm_fail; from then on every call of every rank fails with its status and message, also those
 * that are waiting now: nobody hangs.
 *
 * Transports: one rank (comm_open_self), ranks as threads of one process (comm_threads_run), MPI (a
 * module that is loaded when it is asked for: core/comm_mpi.c).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_COMM_H
#define EQS_COMM_H

#include <stdio.h>

#include "core/status.h"

typedef struct eqs_comm comm;

typedef struct comm_message {
  int rank; /* to or from; never the own one */
  void *data;
  size_t bytes; /* both sides know it */
} comm_message;

enum { COMM_WHY = 600 };

/* Functions of a transport return 0, or 1 once the comm is broken, which they have noted then. */
typedef struct comm_ops {
  const char *name;
  /* Sends and receives all of them, in any order; two messages between the same ranks in theirs.
   * The data are the transport's, and no other call is made, until `end`, with the same messages,
   * has waited for all. */
  int (*begin)(comm *c, int n_out, const comm_message *out, int n_in, const comm_message *in);
  int (*end)(comm *c, int n_in, const comm_message *in);
  void (*fail)(comm *c);   /* tells the others status and why; never waits for them */
  void (*listen)(comm *c); /* notes whether another rank has failed; never waits */
  /* 1 and a rank from which a message has come; 0: none has. Never waits. */
  int (*arrived)(comm *c, int *from);
  /* After a failure; they break nothing further. */
  int (*hand_in)(comm *c, const void *data, size_t bytes);
  int (*collect)(comm *c, int rank, void *data, size_t bytes);
  void (*close)(comm *c);
} comm_ops;

/* The head of every transport's struct. */
struct eqs_comm {
  const comm_ops *ops;
  int rank, size;
  int broken;              /* 1: by this rank, 2: by another */
  int status;              /* eqs_status of the failure */
  char why[COMM_WHY];      /* "rank 3: ..." */
  int64_t messages, bytes; /* sent to other ranks so far */
};

/* What a transport calls before it returns 1; here because a module has no other part of the
 * library. */
static inline void comm_break(comm *c, int broken, int status, const char *why) {
  c->broken = broken;
  c->status = status;
  snprintf(c->why, sizeof c->why, "%s", why);
}

eqs_status comm_open_self(comm **out) EQS_CHECK;
/* task(c, user) as `size` ranks, threads of this process. The first failure (of the lowest rank)
 * is returned with its message. */
typedef eqs_status comm_task(comm *c, void *user);
eqs_status comm_threads_run(int size, comm_task *task, void *user) EQS_CHECK;

/* Messages of no bytes are left out on both sides. These fail with the status of the rank that
 * failed; EQS_ERR_COMM: of the transport. */
eqs_status comm_swap(comm *c, int n_out, const comm_message *out, int n_in,
                     const comm_message *in) EQS_CHECK;
/* The same in two steps, with other work of this rank in between, but no other call on `c`. */
eqs_status comm_begin(comm *c, int n_out, const comm_message *out, int n_in,
                      const comm_message *in) EQS_CHECK;
eqs_status comm_end(comm *c, int n_in, const comm_message *in) EQS_CHECK;
/* Whether a message has come that comm_swap would receive now, and from which rank. Never waits; a
 * failure is comm_lost's to find. */
int comm_arrived(comm *c, int *from);
/* From rank 0 to all. */
eqs_status comm_broadcast(comm *c, void *data, size_t bytes) EQS_CHECK;
/* all[size][bytes] on every rank. */
eqs_status comm_gather_all(comm *c, const void *mine, size_t bytes, void *all) EQS_CHECK;
/* One number for every rank: in[r] is what rank r has in its out[] for this one. */
eqs_status comm_all_to_all(comm *c, const int *out, int *in) EQS_CHECK;
/* x[n] becomes its sum, or largest value, over ranks. */
eqs_status comm_sum(comm *c, double *x, int n) EQS_CHECK;
eqs_status comm_max(comm *c, double *x, int n) EQS_CHECK;
/* A failure of this rank alone: the others are told eqs_error(). Returns the status, which may be
 * EQS_OK: then nothing happens. */
eqs_status comm_fail(comm *c, eqs_status status);

/* The last thing after a failure, on a way of its own: what the other ranks hand in to rank 0,
 * which collects it from each rank in the order in which that rank handed it in, or leaves it. Rank
 * 0 waits until it is there: collect only what is certain to be handed in. EQS_ERR_COMM: it is
 * lost. */
eqs_status comm_hand_in(comm *c, const void *data, size_t bytes) EQS_CHECK;
eqs_status comm_collect(comm *c, int rank, void *data, size_t bytes) EQS_CHECK;

/* EQS_OK, or the failure that ended these ranks, and its message. */
eqs_status comm_broken(const comm *c) EQS_CHECK;

/* The same as a question, asked now and then while this rank waits for something else. */
int comm_lost(comm *c);

/* What a transport in a module exports as COMM_ENTRY: 0, or 1 and why. `layout` is COMM_LAYOUT, by
 * which module and library see that they belong together. */
typedef int comm_entry(size_t layout, comm **out, char *why, size_t n_why);
#define COMM_LAYOUT (sizeof(comm) + (sizeof(comm_ops) << 16))
#define COMM_ENTRY  "equisorb_comm_open"

#endif
