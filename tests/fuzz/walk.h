/* walk.h -- asks everything of a decoded tree, for the fuzzers and for the replay of their inputs.
 *
 * The walk is bounded by a budget, since hostile values contain themselves.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FUZZ_WALK_H
#define EQS_FUZZ_WALK_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/pickle.h"

enum { WALK_BUDGET = 3000, WALK_DEPTH = 40 };

static inline void walk_tensor(const torch_value *v) {
  size_t n = torch_tensor_count(v);
  double *x = malloc((n + 1) * sizeof *x);
  if (!x || torch_tensor_rank(v) > PICKLE_RANK_MAX) abort();
  if (torch_tensor_read(v, "tensor", x, n) != EQS_OK && !*eqs_error()) abort();
  free(x);
}

static inline void walk_conversions(const torch_value *v) {
  int64_t i;
  double x;
  int b;
  const char *s = "";
  eqs_status sum = torch_to_int(v, "i", &i);
  sum |= torch_to_double(v, "x", &x);
  sum |= torch_to_bool(v, "b", &b);
  sum |= torch_to_string(v, "s", &s);
  if (strlen(s) + strlen(torch_class(v)) > SIZE_MAX / 2 || (sum && !*eqs_error())) abort();
}

static inline void walk(const torch_value *v, int depth, int *budget) {
  static const char *const paths[] = {"weight", "a.b.c", "_modules.0.weight", "0.1.2", "-1", ""};
  if (depth > WALK_DEPTH || --*budget < 0) return;
  walk_conversions(v);
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (torch_get(v, paths[i]) && torch_value_kind(v) < TORCH_LIST) abort();
  if (torch_value_kind(v) == TORCH_TENSOR) walk_tensor(v);
  if (torch_value_kind(v) == TORCH_DICT)
    for (size_t i = 0; i < torch_length(v) && *budget > 0; i++) {
      walk(torch_key_at(v, i), depth + 1, budget);
      walk(torch_value_at(v, i), depth + 1, budget);
    }
  else
    for (size_t i = 0; i < torch_length(v) && *budget > 0; i++)
      walk(torch_item(v, i), depth + 1, budget);
  if (torch_value_kind(v) == TORCH_OBJECT && v->u.object->state)
    walk(v->u.object->state, depth + 1, budget);
}

/* Every key gives the same storage of 64 bytes. */
static inline eqs_status walk_find(void *owner, const char *key, size_t n, torch_storage **out) {
  (void)key;
  (void)n;
  *out = owner;
  return EQS_OK;
}

static inline void walk_pickle(const uint8_t *bytes, size_t n) {
  static const unsigned char content[64] = {1, 2, 3, 0x80, 0x7F, 0xFF};
  torch_storage s = {.data = content, .n = sizeof content};
  pickle_tree t;
  int budget = WALK_BUDGET;
  eqs_status status = pickle_decode(bytes, n, walk_find, &s, &t);
  if (status == EQS_OK) walk(t.root, 0, &budget);
  else if (status != EQS_ERR_FORMAT || t.root) abort();
  pickle_free(&t);
}

static inline void walk_archive(const uint8_t *bytes, size_t n) {
  torch_archive *a;
  int budget = WALK_BUDGET;
  eqs_status status = torch_archive_open_memory(bytes, n, "fuzz.pt", &a);
  if (status == EQS_OK) walk(torch_archive_root(a), 0, &budget);
  else if (status != EQS_ERR_FORMAT || a || !strstr(eqs_error(), "fuzz.pt")) abort();
  torch_archive_free(&a);
}

#endif
