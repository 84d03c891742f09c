/* pickle.h -- decodes a Python pickle into an inert tree of values; nothing is ever called.
 *
 * A restricted machine for protocols 2 to 5. Plain data becomes plain values, tensors become views
 * of storages that the owner provides, instances of classes become records (class, arguments,
 * state). A pickle that constructs from modules outside the allow list (os, subprocess, ...) is
 * refused by name. All memory is in one arena, bounded by a multiple of the pickle's length.
 * Values may contain themselves (as Python's can): never walk them without a bound.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PICKLE_H
#define EQS_PICKLE_H

#include <stdatomic.h>

#include "io/torch_archive.h"

enum { PICKLE_RANK_MAX = 16, PICKLE_DEPTH_MAX = 500 };

typedef enum torch_dtype {
  DTYPE_FLOAT64,
  DTYPE_FLOAT32,
  DTYPE_FLOAT16,
  DTYPE_BFLOAT16,
  DTYPE_INT64,
  DTYPE_INT32,
  DTYPE_INT16,
  DTYPE_INT8,
  DTYPE_UINT8,
  DTYPE_BOOL,
  DTYPE_COMPLEX64,
  DTYPE_COMPLEX128,
  DTYPE_COUNT
} torch_dtype;

/* Raw bytes of one storage, little-endian. `verify` (or NULL) is asked before the first read. */
typedef struct torch_storage {
  const unsigned char *data;
  size_t n; /* bytes */
  eqs_status (*verify)(const void *owner, const struct torch_storage *s);
  const void *owner;
  atomic_int verified;
} torch_storage;

typedef struct torch_tensor {
  torch_storage *storage;
  torch_dtype dtype;
  int rank;
  size_t offset, count;  /* in elements */
  const int64_t *shape;  /* [rank] */
  const int64_t *stride; /* [rank] elements, none negative */
} torch_tensor;

/* Items of a list; of a dict keys and values in turn (n, cap count both). */
typedef struct torch_items {
  torch_value **item;
  size_t n, cap;
} torch_items;

typedef struct torch_text {
  const char *s; /* [n], then a zero */
  size_t n;
  int latin1; /* bytes, given as text in UTF-8 whose code points are the bytes */
} torch_text;

typedef struct torch_object {
  const char *name; /* "module.Class" */
  const torch_value *state;
  torch_storage *storage; /* only of the record that stands for a storage */
  int64_t numel;
  torch_dtype dtype;
  torch_value *entries; /* DICT of items set on a subclass of dict, or NULL */
} torch_object;

struct torch_value {
  uint8_t kind; /* torch_kind */
  uint16_t depth;
  torch_items list; /* LIST, DICT, OBJECT (arguments) */
  union {
    int64_t i;
    double x;
    torch_text text; /* STRING, GLOBAL */
    torch_object *object;
    torch_tensor *tensor;
  } u;
};

/* Looks a storage up by its key. EQS_ERR_FORMAT if there is none. */
typedef eqs_status (*pickle_find)(void *owner, const char *key, size_t n, torch_storage **out);

typedef struct pickle_arena {
  struct pickle_chunk *chunk;
  size_t total, limit; /* bytes handed out, and how many may be */
} pickle_arena;

typedef struct pickle_tree {
  pickle_arena arena;
  const torch_value *root;
} pickle_tree;

/* On failure *out holds nothing; messages name the byte. `bytes` are not needed afterwards. */
eqs_status pickle_decode(const void *bytes, size_t n, pickle_find find, void *owner,
                         pickle_tree *out) EQS_CHECK;
void pickle_free(pickle_tree *t);

/* For the machine's own files. */
size_t dtype_size(torch_dtype t);
eqs_status pickle_alloc(pickle_arena *a, size_t n, size_t size, void *out) EQS_CHECK;
eqs_status pickle_value(pickle_arena *a, torch_kind kind, torch_value **out) EQS_CHECK;
eqs_status pickle_append(pickle_arena *a, torch_value *to, torch_value *const *item,
                         size_t n) EQS_CHECK;
/* Notes that `outer` holds `inner`. EQS_ERR_FORMAT if that is too deep. */
eqs_status pickle_nest(torch_value *outer, const torch_value *inner) EQS_CHECK;
eqs_status pickle_text(pickle_arena *a, torch_kind kind, const void *s, size_t n,
                       torch_value **out) EQS_CHECK;
/* What `callee(*args)` (REDUCE, NEWOBJ, ...) is represented by. */
eqs_status pickle_construct(pickle_arena *a, torch_value *callee, torch_value *args,
                            torch_value **out) EQS_CHECK;
/* The storage that a persistent id names. */
eqs_status pickle_storage(pickle_arena *a, const torch_value *id, pickle_find find, void *owner,
                          torch_value **out) EQS_CHECK;

#endif
