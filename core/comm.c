/* comm.c -- collective calls out of messages, along binomial trees with rank 0 at the root; the
 * transport of one rank.
 *
 * SPDX-License-Identifier: MIT */
#include "core/comm.h"

#include <stdlib.h>
#include <string.h>

/* ---- one rank */

static int begin_alone(comm *c, int n_out, const comm_message *out, int n_in,
                       const comm_message *in) {
  (void)c, (void)n_out, (void)out, (void)n_in, (void)in;
  return 0;
}

static int end_alone(comm *c, int n_in, const comm_message *in) {
  (void)c, (void)n_in, (void)in;
  return 0;
}

static int hand_in_nothing(comm *c, const void *data, size_t bytes) {
  (void)c, (void)data, (void)bytes;
  return 1;
}

static int collect_nothing(comm *c, int rank, void *data, size_t bytes) {
  (void)c, (void)rank, (void)data, (void)bytes;
  return 1;
}

static void nothing(comm *c) { (void)c; }
static int no_message(comm *c, int *from) { return (void)c, (void)from, 0; }
static void close_alone(comm *c) { free(c); }

eqs_status comm_open_self(comm **out) {
  static const comm_ops ops = {"self",     begin_alone,     end_alone,       nothing,    nothing,
                               no_message, hand_in_nothing, collect_nothing, close_alone};
  EQS_TRY(alloc_array(out, 1, sizeof **out, "a communicator"));
  **out = (comm){.ops = &ops, .size = 1};
  return EQS_OK;
}

/* ---- failures */

eqs_status comm_broken(const comm *c) {
  if (!c->broken) return EQS_OK;
  EQS_FAIL((eqs_status)c->status, "%s", c->why);
}

eqs_status comm_fail(comm *c, eqs_status status) {
  char why[COMM_WHY];
  if (c->broken || status == EQS_OK) return status;
  snprintf(why, sizeof why, "rank %d: %s", c->rank, eqs_error());
  comm_break(c, 1, (int)status, why);
  c->ops->fail(c);
  return status;
}

eqs_status comm_hand_in(comm *c, const void *data, size_t bytes) {
  if (bytes && c->ops->hand_in(c, data, bytes))
    EQS_FAIL(EQS_ERR_COMM, "rank %d could not hand in what it had", c->rank);
  return EQS_OK;
}

eqs_status comm_collect(comm *c, int rank, void *data, size_t bytes) {
  if (bytes && c->ops->collect(c, rank, data, bytes))
    EQS_FAIL(EQS_ERR_COMM, "what rank %d had is lost", rank);
  return EQS_OK;
}

int comm_lost(comm *c) {
  if (!c->broken) c->ops->listen(c);
  return c->broken;
}

/* ---- messages */

eqs_status comm_begin(comm *c, int n_out, const comm_message *out, int n_in,
                      const comm_message *in) {
  EQS_TRY(comm_broken(c));
  for (int k = 0; k < n_out; k++)
    if (out[k].bytes) {
      c->messages++;
      c->bytes += (int64_t)out[k].bytes;
    }
  return c->ops->begin(c, n_out, out, n_in, in) ? comm_broken(c) : EQS_OK;
}

eqs_status comm_end(comm *c, int n_in, const comm_message *in) {
  EQS_TRY(comm_broken(c));
  return c->ops->end(c, n_in, in) ? comm_broken(c) : EQS_OK;
}

eqs_status comm_swap(comm *c, int n_out, const comm_message *out, int n_in,
                     const comm_message *in) {
  EQS_TRY(comm_begin(c, n_out, out, n_in, in));
  return comm_end(c, n_in, in);
}

int comm_arrived(comm *c, int *from) { return !c->broken && c->ops->arrived(c, from); }

static eqs_status send(comm *c, int rank, const void *data, size_t bytes) {
  const comm_message m = {rank, (void *)data, bytes};
  return comm_swap(c, 1, &m, 0, NULL);
}

static eqs_status receive(comm *c, int rank, void *data, size_t bytes) {
  const comm_message m = {rank, data, bytes};
  return comm_swap(c, 0, NULL, 1, &m);
}

eqs_status comm_broadcast(comm *c, void *data, size_t bytes) {
  int bit = 1;
  while (bit < c->size && !(c->rank & bit)) bit <<= 1;
  if (c->rank) EQS_TRY(receive(c, c->rank - bit, data, bytes));
  for (bit >>= 1; bit; bit >>= 1)
    if (c->rank + bit < c->size) EQS_TRY(send(c, c->rank + bit, data, bytes));
  return comm_broken(c);
}

eqs_status comm_gather_all(comm *c, const void *mine, size_t bytes, void *all) {
  char *place = all;
  if (bytes) memmove(place + (size_t)c->rank * bytes, mine, bytes);
  for (int bit = 1; bit < c->size; bit <<= 1) { /* a rank holds those from its own up to + bit */
    int below = c->rank - bit, above = c->rank + bit;
    if (c->rank & bit) {
      int n = c->size - c->rank < bit ? c->size - c->rank : bit;
      EQS_TRY(send(c, below, place + (size_t)c->rank * bytes, (size_t)n * bytes));
      break;
    }
    if (above >= c->size) continue;
    int n = c->size - above < bit ? c->size - above : bit;
    EQS_TRY(receive(c, above, place + (size_t)above * bytes, (size_t)n * bytes));
  }
  return comm_broadcast(c, all, (size_t)c->size * bytes);
}

/* J. Bruck et al., IEEE Trans. Parallel Distrib. Syst. 8, 1143 (1997): a number for the rank k
 * places on goes there by the bits of k, together with others. work: [2 size]. */
static eqs_status pass_on(comm *c, int *number, int *work) {
  int size = c->size;
  for (int bit = 1; bit < size; bit <<= 1) {
    int n = 0, *got = work + size;
    for (int k = 0; k < size; k++)
      if (k & bit) work[n++] = number[k];
    const comm_message to = {(c->rank + bit) % size, work, (size_t)n * sizeof *work};
    const comm_message from = {(c->rank + size - bit) % size, got, (size_t)n * sizeof *work};
    EQS_TRY(comm_swap(c, 1, &to, 1, &from));
    n = 0;
    for (int k = 0; k < size; k++)
      if (k & bit) number[k] = got[n++];
  }
  return EQS_OK;
}

eqs_status comm_all_to_all(comm *c, const int *out, int *in) {
  int size = c->size, *number;
  EQS_TRY(alloc_array(&number, 3 * (size_t)size, sizeof *number, "numbers of ranks"));
  for (int k = 0; k < size; k++) number[k] = out[(c->rank + k) % size];
  eqs_status status = pass_on(c, number, number + size);
  for (int k = 0; k < size; k++) in[(c->rank + size - k) % size] = number[k];
  free(number);
  return status;
}

static eqs_status reduce(comm *c, double *x, int n, int largest) {
  size_t bytes = (size_t)n * sizeof *x;
  eqs_status status = EQS_OK;
  double *other;
  EQS_TRY(alloc_array(&other, (size_t)n, sizeof *other, "a sum over ranks"));
  for (int bit = 1; bit < c->size && status == EQS_OK; bit <<= 1) {
    if (c->rank & bit) {
      status = send(c, c->rank - bit, x, bytes);
      break;
    }
    if (c->rank + bit >= c->size) continue;
    status = receive(c, c->rank + bit, other, bytes);
    for (int k = 0; k < n && status == EQS_OK; k++) {
      if (!largest) x[k] += other[k];
      else if (other[k] > x[k]) x[k] = other[k];
    }
  }
  free(other);
  EQS_TRY(status);
  return comm_broadcast(c, x, bytes);
}

eqs_status comm_sum(comm *c, double *x, int n) { return reduce(c, x, n, 0); }
eqs_status comm_max(comm *c, double *x, int n) { return reduce(c, x, n, 1); }
