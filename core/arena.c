/* arena.c -- a bump allocator over a list of chunks that a reset merges into one.
 * SPDX-License-Identifier: MIT */
#include "core/arena.h"

#include <stdlib.h>
#include <string.h>

#include "core/asan.h"

enum { LINE = 64, FIRST_CHUNK = 1 << 16, MOST_MORE = 16 << 20 /* than is asked for */ };

struct arena_chunk {
  struct arena_chunk *older;
  size_t size;
  unsigned char *bytes;
};

static device *device_of(const arena *a) { return a->device ? a->device : &device_host; }

/* The address sanitizer reports uses of the host's memory that is released. */
static void forbid(const arena *a, const unsigned char *p, size_t bytes) {
  if (device_is_host(device_of(a))) ASAN_POISON_MEMORY_REGION(p, bytes);
}
static void allow(const arena *a, const unsigned char *p, size_t bytes) {
  if (device_is_host(device_of(a))) ASAN_UNPOISON_MEMORY_REGION(p, bytes);
}

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
    if (least > bytes && least > MOST_MORE) least = MOST_MORE;
    EQS_TRY(add_chunk(a, bytes > least ? bytes : least));
  }
  void *p = a->chunk->bytes + a->used;
  allow(a, p, bytes);
  a->used += bytes;
  a->total += bytes;
  if (a->total > a->most) a->most = a->total;
  if (a->most > a->peak) a->peak = a->most;
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

arena_mark arena_here(const arena *a) {
  return (arena_mark){.chunk = a->chunk, .used = a->used, .total = a->total};
}

/* Chunks that are newer than the mark hold nothing from before it. */
void arena_release(arena *a, arena_mark to) {
  a->used = a->chunk == to.chunk ? to.used : 0;
  a->total = to.total;
  if (a->chunk) forbid(a, a->chunk->bytes + a->used, a->chunk->size - a->used);
}

static void forget(arena *a) { a->used = a->total = a->most = 0; }

void arena_reserve(arena *a, size_t bytes) {
  size_t more = bytes / 8 < MOST_MORE ? bytes / 8 : MOST_MORE;
  forget(a);
  if (a->chunk && !a->chunk->older && a->chunk->size >= bytes) return;
  arena_free(a);
  size_t size = (bytes + more + LINE - 1) / LINE * LINE;
  if (size && add_chunk(a, size) != EQS_OK) arena_free(a); /* tried again by the next take */
}

void arena_reset(arena *a) {
  if (a->chunk && a->chunk->older) arena_reserve(a, a->most);
  forget(a);
}

void arena_free(arena *a) {
  while (a->chunk) {
    struct arena_chunk *older = a->chunk->older;
    allow(a, a->chunk->bytes, a->chunk->size);
    device_give(device_of(a), &a->chunk->bytes);
    free(a->chunk);
    a->chunk = older;
  }
  forget(a);
}
