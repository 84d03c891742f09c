/* pickle_value.c -- where the values of a pickle live: an arena of chunks, freed in one go.
 *
 * Values are never freed singly, so one that contains itself does no harm. An array that grows
 * leaves its old place behind unchanged, so that others may go on sharing its first items.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "io/pickle.h"

enum { CHUNK = 65536, ALIGNMENT = 16 };

typedef struct pickle_chunk {
  struct pickle_chunk *next;
  size_t used, size;
} pickle_chunk;

enum { HEAD = (sizeof(pickle_chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };

/* Zeroed memory. EQS_ERR_FORMAT: more than the pickle's length can explain. */
eqs_status pickle_alloc(pickle_arena *a, size_t n, size_t size, void *out) {
  size_t bytes = mul_size(n, size);
  if (bytes > a->limit || a->limit - bytes < a->total)
    EQS_FAIL(EQS_ERR_FORMAT, "the pickle describes far more values than its length can hold");
  bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  a->total += bytes;
  pickle_chunk *c = a->chunk;
  if (!c || c->size - c->used < bytes) {
    size_t room = bytes > CHUNK / 4 ? bytes : CHUNK - HEAD;
    c = calloc(1, HEAD + room);
    if (!c) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu bytes of a pickle", room);
    c->size = room;
    if (room == bytes && a->chunk) { /* a chunk of its own, behind the one that still has room */
      c->next = a->chunk->next;
      a->chunk->next = c;
    } else {
      c->next = a->chunk;
      a->chunk = c;
    }
  }
  void *p = (char *)c + HEAD + c->used;
  c->used += bytes;
  memcpy(out, &p, sizeof p);
  return EQS_OK;
}

void pickle_free(pickle_tree *t) {
  pickle_chunk *c = t->arena.chunk;
  while (c) {
    pickle_chunk *next = c->next;
    free(c);
    c = next;
  }
  *t = (pickle_tree){0};
}

eqs_status pickle_value(pickle_arena *a, torch_kind kind, torch_value **out) {
  EQS_TRY(pickle_alloc(a, 1, sizeof **out, out));
  (*out)->kind = (uint8_t)kind;
  return EQS_OK;
}

eqs_status pickle_text(pickle_arena *a, torch_kind kind, const void *s, size_t n,
                       torch_value **out) {
  char *copy = NULL;
  if (n == SIZE_MAX) EQS_FAIL(EQS_ERR_FORMAT, "a string of impossible length");
  EQS_TRY(pickle_alloc(a, n + 1, 1, &copy));
  if (n) memcpy(copy, s, n);
  EQS_TRY(pickle_value(a, kind, out));
  (*out)->u.text = (torch_text){copy, n, 0};
  return EQS_OK;
}

eqs_status pickle_nest(torch_value *outer, const torch_value *inner) {
  int depth = inner->depth + 1;
  if (depth > PICKLE_DEPTH_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "values are nested more than %d deep", PICKLE_DEPTH_MAX);
  if (depth > outer->depth) outer->depth = (uint16_t)depth;
  return EQS_OK;
}

/* Adds items (keys and values in turn, for a DICT). */
eqs_status pickle_append(pickle_arena *a, torch_value *to, torch_value *const *item, size_t n) {
  torch_items *l = &to->list;
  if (n > l->cap - l->n) {
    size_t cap = n + l->n > 2 * l->cap ? n + l->n : 2 * l->cap;
    torch_value **grown = NULL;
    EQS_TRY(pickle_alloc(a, cap, sizeof(void *), &grown));
    if (l->n) memcpy(grown, l->item, l->n * sizeof(void *));
    l->item = grown;
    l->cap = cap;
  }
  for (size_t i = 0; i < n; i++) {
    EQS_TRY(pickle_nest(to, item[i]));
    l->item[l->n++] = item[i];
  }
  return EQS_OK;
}
