/* Scratch memory with marks: what is alive never overlaps, what is released is taken again, and an
 * arena that has seen a sequence once holds all of it in one piece and takes nothing more.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/asan.h"

enum { STEPS = 400, LEVELS = 8, PIECES = 64, MOST = 1 << 19 };

static uint64_t below(uint64_t *state, uint64_t n) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 33) % n;
}

typedef struct piece {
  unsigned char *p, byte;
  size_t size;
} piece;

/* What is alive, by level of marks. */
typedef struct stack {
  arena a;
  piece piece[PIECES];
  arena_mark mark[LEVELS];
  int n, level, from[LEVELS];
  size_t alive, most;
} stack;

static size_t rounded(size_t bytes) { return (bytes + 127) / 64 * 64; }

static void take(stack *s, size_t size, unsigned char byte) {
  piece *q = s->piece + s->n++;
  *q = (piece){.byte = byte, .size = size};
  cr_assert_eq(arena_take(&s->a, size, 1, &q->p), EQS_OK);
  cr_assert_eq((uintptr_t)q->p % 64, 0);
  memset(q->p, byte, size);
  s->alive += rounded(size);
  if (s->alive > s->most) s->most = s->alive;
}

/* Down to n pieces, of which each still has to hold what was put there. */
static void drop(stack *s, int n) {
  while (s->n > n) {
    piece *q = s->piece + --s->n;
    size_t same = 0;
    while (same < q->size && q->p[same] == q->byte) same++;
    cr_assert_eq(same, q->size, "overwritten");
    s->alive -= rounded(q->size);
  }
}

/* One random sequence from an empty arena; the same for the same seed. */
static void run(stack *s, uint64_t seed) {
  uint64_t state = seed;
  arena_reset(&s->a);
  s->n = s->level = 0;
  s->alive = s->most = 0;
  for (int i = 0; i < STEPS; i++) {
    uint64_t what = below(&state, 10);
    if (what < 5 && s->n < PIECES) {
      size_t size = (size_t)below(&state, below(&state, 8) ? 5000 : MOST);
      take(s, size, (unsigned char)(i % 251));
    } else if (what < 7 && s->level < LEVELS) {
      s->from[s->level] = s->n;
      s->mark[s->level++] = arena_here(&s->a);
    } else if (s->level) {
      /* Sometimes several levels at once. */
      s->level -= 1 + (int)below(&state, (uint64_t)s->level);
      drop(s, s->from[s->level]);
      arena_release(&s->a, s->mark[s->level]);
    }
    cr_assert_eq(s->a.total, s->alive);
  }
  drop(s, 0);
}

Test(arena, keeps_what_is_alive_and_settles) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    stack s = {.a = {0}};
    run(&s, seed);
    cr_assert_eq(s.a.peak, s.most, "the most that was alive is %zu, not %zu", s.most, s.a.peak);
    run(&s, seed); /* in one piece, which has room for it */
    long grown = s.a.grown;
    run(&s, seed);
    cr_assert_eq(s.a.grown, grown, "a sequence seen before took memory");
    arena_free(&s.a);
  }
}

Test(arena, takes_released_memory_again) {
  arena a = {0};
  char *p, *first = NULL;
  cr_assert_eq(arena_take(&a, 100, 1, &p), EQS_OK);
  for (int i = 0; i < 100; i++) {
    arena_mark here = arena_here(&a);
    cr_assert_eq(arena_take(&a, 10000, 1, &p), EQS_OK);
    if (i == 0) first = p;
    cr_assert_eq(p, first);
#ifdef EQS_ASAN /* where released memory may not be used */
    cr_assert(!__asan_address_is_poisoned(p) && !__asan_address_is_poisoned(p + 9999));
    arena_release(&a, here);
    cr_assert(__asan_address_is_poisoned(p) && __asan_address_is_poisoned(p + 9999));
#endif
    arena_release(&a, here);
  }
  cr_assert_eq(a.peak, rounded(100) + rounded(10000));
  cr_assert_eq(a.grown, 1);
  arena_free(&a);
}

/* A mark in a chunk that is no longer the newest: what lies before it stays. */
Test(arena, keeps_what_is_before_a_mark_when_chunks_are_added) {
  arena a = {0};
  unsigned char *before, *p;
  cr_assert_eq(arena_take(&a, 1000, 1, &before), EQS_OK);
  memset(before, 7, 1000);
  arena_mark here = arena_here(&a);
  for (int i = 0; i < 6; i++) {
    size_t size = (size_t)1000 << (3 * i);
    cr_assert_eq(arena_take(&a, size, 1, &p), EQS_OK);
    memset(p, 9, size);
  }
  arena_release(&a, here);
  cr_assert_eq(arena_take(&a, 50000, 1, &p), EQS_OK);
  memset(p, 9, 50000);
  for (int i = 0; i < 1000; i++) cr_assert_eq(before[i], 7);
  cr_assert_eq(a.total, rounded(1000) + rounded(50000));
  arena_free(&a);
}

/* The marks of an arena that holds nothing yet. */
Test(arena, may_be_released_to_nothing) {
  arena a = {0};
  char *p;
  arena_mark here = arena_here(&a);
  arena_release(&a, here);
  cr_assert_eq(arena_take(&a, 70, 1, &p), EQS_OK);
  arena_release(&a, here);
  cr_assert_eq(a.total, 0);
  arena_free(&a);
}
