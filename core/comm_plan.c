/* comm_plan.c -- rows of ghosts, forward and reverse.
 * SPDX-License-Identifier: MIT */
#include "core/comm_plan.h"

#include <stdlib.h>
#include <string.h>

/* Room for the rows of all peers but the own rank, which needs none. */
static eqs_status reserve(comm_plan *p, size_t row_bytes) {
  size_t bytes = mul_size((size_t)p->send_first[p->n_peer], row_bytes);
  if (p->buffer && bytes <= p->buffer_size) return EQS_OK;
  free(p->buffer);
  p->buffer_size = 0;
  p->buffer = NULL;
  EQS_TRY(alloc_array(&p->buffer, bytes, 1, "rows of other ranks"));
  p->buffer_size = bytes;
  return EQS_OK;
}

static char *packed_of(const comm_plan *p, int k, size_t row_bytes) {
  return (char *)p->buffer + (size_t)p->send_first[k] * row_bytes;
}

static char *ghosts_of(const comm_plan *p, int k, void *rows, size_t row_bytes) {
  return (char *)rows + ((size_t)p->n_owned + (size_t)p->from_first[k]) * row_bytes;
}

/* The messages of one direction: what is sent from the packed rows and received into the ghosts',
 * or the other way round. Returns how many there are each way. */
static int list(const comm *c, const comm_plan *p, void *rows, size_t row_bytes) {
  int n = 0;
  for (int k = 0; k < p->n_peer; k++) {
    if (p->peer[k] == c->rank) continue;
    size_t sent = (size_t)(p->send_first[k + 1] - p->send_first[k]);
    size_t got = (size_t)(p->from_first[k + 1] - p->from_first[k]);
    p->message[n] = (comm_message){p->peer[k], packed_of(p, k, row_bytes), sent * row_bytes};
    p->message[p->n_peer + n] =
        (comm_message){p->peer[k], ghosts_of(p, k, rows, row_bytes), got * row_bytes};
    n++;
  }
  return n;
}

/* Rows come from any allocation of the caller's: reals are copied, not pointed at. */
static void add_float(char *to, const char *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float a, b;
    memcpy(&a, to + i * sizeof a, sizeof a);
    memcpy(&b, from + i * sizeof b, sizeof b);
    a += b;
    memcpy(to + i * sizeof a, &a, sizeof a);
  }
}

static void add_double(char *to, const char *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double a, b;
    memcpy(&a, to + i * sizeof a, sizeof a);
    memcpy(&b, from + i * sizeof b, sizeof b);
    a += b;
    memcpy(to + i * sizeof a, &a, sizeof a);
  }
}

static void pack(const comm *c, const comm_plan *p, void *rows, size_t row_bytes) {
  for (int k = 0; k < p->n_peer; k++) {
    int own = p->peer[k] == c->rank;
    char *to = own ? ghosts_of(p, k, rows, row_bytes) : packed_of(p, k, row_bytes);
    for (int e = p->send_first[k]; e < p->send_first[k + 1]; e++, to += row_bytes)
      memcpy(to, (const char *)rows + (size_t)p->send[e] * row_bytes, row_bytes);
  }
}

static void add(const comm *c, const comm_plan *p, void *rows, size_t row_bytes, int real_size) {
  size_t reals = row_bytes / (size_t)real_size;
  for (int k = 0; k < p->n_peer; k++) {
    int own = p->peer[k] == c->rank;
    const char *from = own ? ghosts_of(p, k, rows, row_bytes) : packed_of(p, k, row_bytes);
    for (int e = p->send_first[k]; e < p->send_first[k + 1]; e++, from += row_bytes) {
      char *to = (char *)rows + (size_t)p->send[e] * row_bytes;
      if (real_size == 4) add_float(to, from, reals);
      else add_double(to, from, reals);
    }
  }
}

eqs_status comm_plan_begin(comm *c, comm_plan *p, void *rows, size_t row_bytes, int reverse) {
  comm_message *out = p->message, *in = p->message + p->n_peer;
  EQS_TRY(reserve(p, row_bytes));
  if (!reverse) pack(c, p, rows, row_bytes);
  p->n_message = list(c, p, rows, row_bytes);
  return comm_begin(c, p->n_message, reverse ? in : out, p->n_message, reverse ? out : in);
}

eqs_status comm_plan_end(comm *c, comm_plan *p, void *rows, size_t row_bytes, int real_size,
                         int reverse) {
  EQS_TRY(comm_end(c, p->n_message, p->message + (reverse ? 0 : p->n_peer)));
  if (reverse) add(c, p, rows, row_bytes, real_size);
  return EQS_OK;
}

eqs_status comm_plan_forward(comm *c, comm_plan *p, void *rows, size_t row_bytes) {
  EQS_TRY(comm_plan_begin(c, p, rows, row_bytes, 0));
  return comm_plan_end(c, p, rows, row_bytes, 0, 0);
}

eqs_status comm_plan_reverse(comm *c, comm_plan *p, void *rows, size_t row_bytes, int real_size) {
  if ((real_size != 4 && real_size != 8) || row_bytes % (size_t)real_size)
    EQS_FAIL(EQS_ERR_ARGUMENT, "rows of %zu bytes do not hold numbers of %d", row_bytes, real_size);
  EQS_TRY(comm_plan_begin(c, p, rows, row_bytes, 1));
  return comm_plan_end(c, p, rows, row_bytes, real_size, 1);
}

void comm_plan_free(comm_plan *p) {
  free(p->buffer);
  *p = (comm_plan){0};
}
