/* arena.c -- a bump allocator over a list of chunks that a reset merges into one.
 * SPDX-License-Identifier: MIT */
#include "core/arena.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64, FIRST_CHUNK = 1 << 16 };

struct arena_chunk {
  struct arena_chunk *older;
  size_t size;
  unsigned char *bytes;
};

static device *device_of(const arena *a) { return a->device ? a->device : &device_host; }

static eqs_status add_chunk(arena *a, size_t size) {
  struct arena_chunk *c = malloc(sizeof *c);
  if (!c) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: scratch");
  *c = (struct arena_chunk){.older = a->chunk, .size = size};
  eqs_status status = device_take(device_of(a), size, 1, "scratch", &c->bytes);
  if (status != EQS_OK) {
    free(c);
    return status;
  }
  a->chunk = c;
  a->used = 0;
  a->grown++;
  return EQS_OK;
}

eqs_status arena_take(arena *a, size_t n, size_t size, void *out) {
  size_t bytes = mul_size(n, size);
  if (bytes > SIZE_MAX / 4) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu x %zu bytes", n, size);
  bytes = (bytes + 2 * LINE - 1) / LINE * LINE; /* at least one line; lanes may read one past */
  if (!a->chunk || a->chunk->size - a->used < bytes) {
    size_t least = a->chunk ? 2 * a->chunk->size : FIRST_CHUNK;
    if (least > bytes && least > ((size_t)64 << 20)) least = (size_t)64 << 20;
    EQS_TRY(add_chunk(a, bytes > least ? bytes : least));
  }
  void *p = a->chunk->bytes + a->used;
  a->used += bytes;
  a->total += bytes;
  if (a->total > a->peak) a->peak = a->total;
  memcpy(out, &p, sizeof p);
  return EQS_OK;
}

eqs_status arena_take_zero(arena *a, size_t n, size_t size, void *out) {
  EQS_TRY(arena_take(a, n, size, out));
  void *p;
  memcpy(&p, out, sizeof p);
  device_of(a)->ops->zero(device_of(a), p, n * size);
  return EQS_OK;
}

void arena_reserve(arena *a, size_t bytes) {
  a->used = a->total = 0;
  if (a->chunk && !a->chunk->older && a->chunk->size >= bytes) return;
  arena_free(a);
  size_t size = (bytes + bytes / 8 + LINE - 1) / LINE * LINE;
  if (size && add_chunk(a, size) != EQS_OK) arena_free(a); /* tried again by the next take */
}

void arena_reset(arena *a) {
  if (a->chunk && a->chunk->older) arena_reserve(a, a->total);
  a->used = a->total = 0;
}

void arena_free(arena *a) {
  while (a->chunk) {
    struct arena_chunk *older = a->chunk->older;
    device_give(device_of(a), &a->chunk->bytes);
    free(a->chunk);
    a->chunk = older;
  }
  a->used = a->total = 0;
}
