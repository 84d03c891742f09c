/* shard_link.c -- packing by kernels, one group of sends and receives, and what comes back added
 * group by group: a row occurs once in a group, peers and images follow in order, so that sums have
 * the bits of the host's.
 *
 * SPDX-License-Identifier: MIT */
#include "core/shard_link.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

/* ---- the link */

/* Whether all ranks can; a rank without a GPU, or that shares one, makes all of them do without. */
static eqs_status agree(comm *c, int mine, int *all) {
  double cannot = !mine;
  EQS_TRY(comm_max(c, &cannot, 1));
  *all = cannot == 0;
  return EQS_OK;
}

eqs_status shard_link_open(shard_link *l, device *d, comm *c) {
  const char *wish = getenv("EQS_NCCL");
  const link_ops *ops = wish && !strcmp(wish, "0") ? NULL : backend_link(d);
  char name[LINK_NAME] = {0};
  int can = ops != NULL;
  *l = (shard_link){.device = d, .c = c, .memory = {.device = d}};
  EQS_TRY(agree(c, can, &can));
  if (!ops || !can) return EQS_OK;
  if (!c->rank) can = ops->name(name) == EQS_OK;
  EQS_TRY(agree(c, can, &can));
  if (!can) return EQS_OK;
  EQS_TRY(comm_broadcast(c, name, sizeof name));
  EQS_TRY(d->ops->enter(d));
  can = ops->open(d, c, name, &l->link) == EQS_OK;
  EQS_TRY(agree(c, can, &can));
  if (can) {
    l->ops = ops;
    return EQS_OK;
  }
  if (l->link) ops->close(l->link);
  l->link = NULL;
  return EQS_OK;
}

void shard_link_close(shard_link *l) {
  if (l->ops) l->ops->close(l->link);
  if (l->packed) l->device->ops->give(l->device, l->packed);
  arena_free(&l->memory);
  arena_free(&l->host);
  *l = (shard_link){0};
}

void shard_link_forget(shard_link *l) { l->planned = 0; }

/* ---- the plan on the device */

static eqs_status upload(shard_link *l, const int *from, size_t n, int **to) {
  EQS_TRY(arena_take(&l->memory, n, sizeof **to, to));
  return l->device->ops->put(l->device, *to, from, n * sizeof **to);
}

static eqs_status make_groups(shard_link *l, const comm_plan *p) {
  size_t total = (size_t)p->send_first[p->n_peer];
  int *repeat, *from, *to, at = 0;
  EQS_TRY(arena_take(&l->host, total, sizeof *repeat, &repeat));
  EQS_TRY(arena_take(&l->host, total, sizeof *from, &from));
  EQS_TRY(arena_take(&l->host, total, sizeof *to, &to));
  EQS_TRY(arena_take(&l->host, total, sizeof *l->group_peer, &l->group_peer));
  EQS_TRY(arena_take(&l->host, total + 1, sizeof *l->group_first, &l->group_first));
  l->n_group = 0;
  for (int k = 0; k < p->n_peer; k++) {
    int begin = p->send_first[k], end = p->send_first[k + 1], most = -1;
    for (int e = begin; e < end; e++) {
      repeat[e] = e > begin && p->send[e - 1] == p->send[e] ? repeat[e - 1] + 1 : 0;
      most = repeat[e] > most ? repeat[e] : most;
    }
    for (int round = 0; round <= most; round++) {
      l->group_peer[l->n_group] = k;
      l->group_first[l->n_group++] = at;
      for (int e = begin; e < end; e++) {
        if (repeat[e] != round) continue;
        from[at] = e - begin;
        to[at++] = p->send[e];
      }
    }
  }
  l->group_first[l->n_group] = at;
  EQS_TRY(upload(l, from, total, &l->from));
  return upload(l, to, total, &l->to);
}

static eqs_status plan(shard_link *l, const comm_plan *p, size_t row_bytes) {
  size_t bytes = mul_size((size_t)p->send_first[p->n_peer], row_bytes);
  if (!l->planned) {
    arena_reset(&l->memory);
    arena_reset(&l->host);
    EQS_TRY(upload(l, p->send, (size_t)p->send_first[p->n_peer], &l->send));
    EQS_TRY(make_groups(l, p));
    l->planned = 1;
  }
  if (l->packed && bytes <= l->packed_size) return EQS_OK;
  device_give(l->device, &l->packed);
  l->packed_size = 0;
  EQS_TRY(device_take(l->device, bytes, 1, "rows of other ranks", &l->packed));
  l->packed_size = bytes;
  return EQS_OK;
}

/* ---- exchanges */

typedef struct rows {
  const comm_plan *p;
  const kernel_ops *k;
  char *row, *packed;
  size_t bytes;
  int width;
} rows;

static char *packed_of(const rows *r, int k) {
  return r->packed + (size_t)r->p->send_first[k] * r->bytes;
}

static char *ghosts_of(const rows *r, int k) {
  return r->row + ((size_t)r->p->n_owned + (size_t)r->p->from_first[k]) * r->bytes;
}

static eqs_status send(shard_link *l, const rows *r, int reverse) {
  const comm_plan *p = r->p;
  comm_message *out = p->message, *in = p->message + p->n_peer;
  int n = 0;
  for (int k = 0; k < p->n_peer; k++) {
    if (p->peer[k] == l->c->rank) continue;
    comm_message sent = {p->peer[k], packed_of(r, k),
                         (size_t)(p->send_first[k + 1] - p->send_first[k]) * r->bytes};
    comm_message ghosts = {p->peer[k], ghosts_of(r, k),
                           (size_t)(p->from_first[k + 1] - p->from_first[k]) * r->bytes};
    out[n] = reverse ? ghosts : sent;
    in[n++] = reverse ? sent : ghosts;
  }
  return l->ops->begin(l->link, n, out, n, in);
}

static void pack(const shard_link *l, const rows *r) {
  for (int k = 0; k < r->p->n_peer; k++) {
    int begin = r->p->send_first[k], n = r->p->send_first[k + 1] - begin;
    row_args a = {.n = n, .width = r->width, .from = l->send + begin, .x = r->row};
    a.x_stride = a.y_stride = r->width;
    a.y = r->p->peer[k] == l->c->rank ? ghosts_of(r, k) : packed_of(r, k);
    if (n) r->k->row_copy(&a);
  }
}

static void add(const shard_link *l, const rows *r) {
  for (int g = 0; g < l->n_group; g++) {
    int k = l->group_peer[g], begin = l->group_first[g];
    row_args a = {.n = l->group_first[g + 1] - begin, .width = r->width};
    a.from = l->from + begin;
    a.to = l->to + begin;
    a.x = r->p->peer[k] == l->c->rank ? ghosts_of(r, k) : packed_of(r, k);
    a.y = r->row;
    a.x_stride = a.y_stride = r->width;
    r->k->row_add(&a);
  }
}

static rows rows_of(const shard_link *l, const comm_plan *p, const eqs_rows *e) {
  return (rows){.p = p,
                .k = backend_kernels(l->device, e->real_size == sizeof(double)),
                .row = e->rows,
                .packed = l->packed,
                .bytes = e->row_bytes,
                .width = (int)(e->row_bytes / (size_t)e->real_size)};
}

eqs_status shard_link_begin(shard_link *l, const comm_plan *p, const eqs_rows *e) {
  double nothing = 0;
  EQS_TRY(plan(l, p, e->row_bytes));
  rows r = rows_of(l, p, e);
  if (!e->reverse) pack(l, &r);
  /* A rank that has failed would be waited for on the device. */
  EQS_TRY(comm_sum(l->c, &nothing, 1));
  return send(l, &r, e->reverse);
}

eqs_status shard_link_end(shard_link *l, const comm_plan *p, const eqs_rows *e) {
  rows r = rows_of(l, p, e);
  EQS_TRY(l->ops->end(l->link));
  if (e->reverse) add(l, &r);
  return EQS_OK;
}

eqs_status shard_link_abandon(shard_link *l) {
  EQS_TRY(l->ops->end(l->link));
  return l->device->ops->finish(l->device);
}
