/* arena.h -- scratch memory of a device that is grown between evaluations and reset, never freed,
 * in between. SPDX-License-Identifier: MIT */
#ifndef EQS_ARENA_H
#define EQS_ARENA_H

#include "core/device.h"

typedef struct arena {
  device *device;            /* NULL = the host */
  struct arena_chunk *chunk; /* newest first */
  size_t used;               /* of the newest chunk */
  size_t total;              /* asked for since the last reset and not released */
  size_t most;               /* largest total since the last reset */
  size_t peak;               /* largest total so far */
  long grown;                /* how often memory was taken from the device */
} arena;

/* n elements of `size` bytes, 64-byte aligned, not initialised; valid until released or reset.
 * n = 0 gives a valid pointer. EQS_ERR_MEMORY. */
eqs_status arena_take(arena *a, size_t n, size_t size, void *out) EQS_CHECK;
/* The same, zeroed. */
eqs_status arena_take_zero(arena *a, size_t n, size_t size, void *out) EQS_CHECK;
/* What was taken after a mark can be released: its memory is taken again, by work that is done, or
 * queued, later. Marks are released in the reverse order, or not at all: a reset forgets them. */
typedef struct arena_mark {
  const struct arena_chunk *chunk;
  size_t used, total;
} arena_mark;
arena_mark arena_here(const arena *a);
void arena_release(arena *a, arena_mark to);
/* Forgets everything taken; the memory stays, merged into one chunk. */
void arena_reset(arena *a);
/* Forgets everything, and makes room for `bytes` and some more in one chunk; without memory for it
 * takes fail later. */
void arena_reserve(arena *a, size_t bytes);
void arena_free(arena *a);

#endif
