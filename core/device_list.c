/* device_list.c -- arrays of the search and the order of its kernels (kernels/search.h).
 * SPDX-License-Identifier: MIT */
#include "core/device_list.h"

#include <limits.h>

eqs_status device_list_open(device_list *l, const kernel_ops *k, int n, int n_system,
                            int block_atoms, arena *a) {
  size_t atoms = (size_t)n, bins = 4 * atoms + 65 * (size_t)n_system;
  search_args *s = &l->search;
  search_cells *w = &s->cells;
  if (bins > INT_MAX / 2) EQS_FAIL(EQS_ERR_ARGUMENT, "a batch of %d atoms is too large", n);
  *l = (device_list){.k = k, .search = {.n = n, .n_system = n_system}};
  int *first_bin, *first;
  EQS_TRY(arena_take(a, (size_t)n_system, sizeof *s->box, &s->box));
  EQS_TRY(arena_take(a, atoms, sizeof *w->x, &w->x));
  EQS_TRY(arena_take(a, atoms, sizeof *w->wrapped, &w->wrapped));
  EQS_TRY(arena_take(a, atoms, sizeof *w->wrap, &w->wrap));
  EQS_TRY(arena_take(a, atoms, sizeof *w->bin, &w->bin));
  EQS_TRY(arena_take(a, atoms, sizeof *w->order, &w->order));
  EQS_TRY(arena_take(a, atoms, sizeof *w->slot, &w->slot));
  EQS_TRY(arena_take(a, bins + 1, sizeof *first_bin, &first_bin));
  EQS_TRY(arena_take(a, bins, sizeof *s->count, &s->count));
  EQS_TRY(arena_take(a, atoms, sizeof *s->edges, &s->edges));
  EQS_TRY(arena_take(a, atoms + 1, sizeof *first, &first));
  EQS_TRY(arena_take(a, 1, sizeof *s->status, &s->status));
  w->first = first_bin;
  s->first = first;
  l->bins = (scan_args){.n = (int)bins,
                        .count = s->count,
                        .first = first_bin,
                        .group = 1,
                        .most = -1,
                        .status = s->status};
  l->edges = (scan_args){.n = n,
                         .count = s->edges,
                         .first = first,
                         .group = block_atoms / SCAN_TILE,
                         .status = s->status};
  EQS_TRY(arena_take(a, bins / SCAN_TILE + 1, sizeof *l->bins.sum, &l->bins.sum));
  return arena_take(a, atoms / SCAN_TILE + 1, sizeof *l->edges.sum, &l->edges.sum);
}

eqs_status device_list_put_boxes(device_list *l, const search_box *box) {
  device *d = l->k->device;
  return d->ops->put(d, l->search.box, box, (size_t)l->search.n_system * sizeof *box);
}

eqs_status device_list_reserve(device_list *l, int edges, int block_edges, void *scratch, arena *a,
                               neighbors *out) {
  search_args *s = &l->search;
  size_t n = (size_t)edges;
  EQS_TRY(arena_take(a, n, sizeof *s->center, &s->center));
  EQS_TRY(arena_take(a, n, sizeof *s->neighbor, &s->neighbor));
  EQS_TRY(arena_take(a, n, sizeof *s->vector, &s->vector));
  EQS_TRY(arena_take(a, n, sizeof *s->transpose, &s->transpose));
  int *part = scratch;
  s->capacity = edges;
  s->found = (search_list){.neighbor = part, .image = (int(*)[3])(part + n)};
  s->index[0] = part + 4 * n;
  s->index[1] = part + 5 * n;
  l->edges.most = edges;
  l->edges.group_most = block_edges;
  *out = (neighbors){.n = s->n,
                     .n_edge = edges,
                     .first = l->edges.first,
                     .center = s->center,
                     .neighbor = s->neighbor,
                     .vector = s->vector,
                     /* as many edges lead to an atom as start there */
                     .transpose_first = l->edges.first,
                     .transpose = s->transpose};
  return EQS_OK;
}

void device_list_count(const device_list *l) {
  device *d = l->k->device;
  const search_args *s = &l->search;
  d->ops->zero(d, s->status, sizeof *s->status);
  d->ops->zero(d, s->count, (size_t)l->bins.n * sizeof *s->count);
  if (!s->n) d->ops->zero(d, l->edges.first, sizeof *l->edges.first);
  l->k->search_range(s);
  l->k->search_bin(s);
  l->k->scan(&l->bins);
  l->k->search_place(s);
  l->k->search_count(s);
  l->k->scan(&l->edges);
}

void device_list_fill(const device_list *l) {
  l->k->search_fill(&l->search);
  l->k->search_sort(&l->search);
  l->k->search_transpose(&l->search);
}

void device_list_order(const device_list *l, int *order) {
  search_order_args a = {.search = l->search, .order = order};
  l->k->search_order(&a);
}
