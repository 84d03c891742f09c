/* safetensors.c -- decodes the container. What its specification demands and what follows from it
 * for a reader of hostile files is checked before a tensor can be seen.
 * SPDX-License-Identifier: MIT */
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/torch_number.h"

static const struct {
  char name[8];
  torch_dtype type;
} dtypes[] = {{"F64", DTYPE_FLOAT64},   {"F32", DTYPE_FLOAT32}, {"F16", DTYPE_FLOAT16},
              {"BF16", DTYPE_BFLOAT16}, {"I64", DTYPE_INT64},   {"I32", DTYPE_INT32},
              {"I16", DTYPE_INT16},     {"I8", DTYPE_INT8},     {"U8", DTYPE_UINT8},
              {"BOOL", DTYPE_BOOL}};
enum { DTYPES = sizeof dtypes / sizeof *dtypes, LENGTH = 8 };

static uint64_t header_length(const unsigned char *bytes) {
  uint64_t n = 0;
  for (int k = LENGTH; k-- > 0;) n = n << 8 | bytes[k];
  return n;
}

int safetensors_is(const void *bytes, size_t n) {
  const unsigned char *b = bytes;
  return n > LENGTH && b[LENGTH] == '{' && header_length(b) < (uint64_t)1 << 40;
}

/* ------------------------------------------------------------------------------------- decode */

typedef struct place {
  size_t begin, end; /* in the data */
  const char *name;
} place;

static const torch_value *member(const torch_value *object, const char *key) {
  for (size_t i = 0; i < torch_length(object); i++)
    if (!strcmp(torch_key_at(object, i)->u.text.s, key)) return torch_value_at(object, i);
  return NULL;
}

static eqs_status read_dtype(const torch_value *v, const char *name, torch_dtype *out) {
  const char *s;
  EQS_TRY(torch_to_string(v, "dtype", &s));
  for (int k = 0; k < DTYPES; k++)
    if (!strcmp(s, dtypes[k].name)) {
      *out = dtypes[k].type;
      return EQS_OK;
    }
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "tensor '%.100s' has the dtype '%.16s', which no model here has",
           name, s);
}

/* A count or an offset: an INT that is not negative. */
static int to_size(const torch_value *v, size_t *out) {
  if (torch_value_kind(v) != TORCH_INT || v->u.i < 0) return 0;
  *out = (size_t)v->u.i;
  return 1;
}

static eqs_status read_shape(const torch_value *v, const char *name, pickle_arena *arena,
                             torch_tensor *t) {
  size_t rank = torch_length(v), count = 1;
  int64_t *shape, *stride, step = 1;
  int countable = 1;
  if (torch_value_kind(v) != TORCH_LIST || rank > PICKLE_RANK_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s': the shape is no list of at most %d numbers", name,
             PICKLE_RANK_MAX);
  EQS_TRY(pickle_alloc(arena, rank + 1, sizeof *shape, &shape));
  EQS_TRY(pickle_alloc(arena, rank + 1, sizeof *stride, &stride));
  for (size_t k = 0; k < rank; k++) {
    size_t n = 0;
    if (!to_size(torch_item(v, k), &n))
      EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s': the shape holds what is no count", name);
    shape[k] = (int64_t)n;
    count = mul_size(count, n);
    countable &= count != SIZE_MAX;
  }
  if (!countable || mul_size(count, dtype_size(t->dtype)) == SIZE_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s': the shape has more elements than can be counted",
             name);
  for (size_t k = rank; k-- > 0;) {
    stride[k] = step;
    if (count) step *= shape[k]; /* divides count, which does not overflow */
  }
  t->rank = (int)rank;
  t->count = count;
  t->shape = shape;
  t->stride = stride;
  return EQS_OK;
}

static eqs_status read_place(const torch_value *v, const safetensors *f, place *p) {
  if (torch_value_kind(v) != TORCH_LIST || torch_length(v) != 2 ||
      !to_size(torch_item(v, 0), &p->begin) || !to_size(torch_item(v, 1), &p->end) ||
      p->begin > p->end)
    EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s': data_offsets are not two ascending numbers",
             p->name);
  if (p->end > f->n_data)
    EQS_FAIL(EQS_ERR_FORMAT,
             "tensor '%.100s' ends at byte %zu of the data, of which the file has %zu: it was cut "
             "short; copy it again",
             p->name, p->end, f->n_data);
  return EQS_OK;
}

static eqs_status read_tensor(const torch_value *entry, pickle_arena *arena, const safetensors *f,
                              place *p, torch_value **out) {
  torch_tensor *t;
  if (torch_value_kind(entry) != TORCH_DICT || torch_length(entry) != 3)
    EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s' has not dtype, shape and data_offsets", p->name);
  EQS_TRY(pickle_value(arena, TORCH_TENSOR, out));
  EQS_TRY(pickle_alloc(arena, 1, sizeof *t, &t));
  EQS_TRY(pickle_alloc(arena, 1, sizeof *t->storage, &t->storage));
  (*out)->u.tensor = t;
  EQS_TRY(read_dtype(member(entry, "dtype"), p->name, &t->dtype));
  EQS_TRY(read_shape(member(entry, "shape"), p->name, arena, t));
  EQS_TRY(read_place(member(entry, "data_offsets"), f, p));
  size_t bytes = t->count * dtype_size(t->dtype);
  if (bytes != p->end - p->begin)
    EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s' has a shape of %zu bytes in a place of %zu", p->name,
             bytes, p->end - p->begin);
  t->storage->data = f->data + p->begin;
  t->storage->n = bytes;
  return EQS_OK;
}

static int compare_places(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors fill the data, each byte belonging to one. */
static eqs_status check_places(place *p, size_t n, size_t n_data) {
  size_t at = 0;
  qsort(p, n, sizeof *p, compare_places);
  for (size_t i = 0; i < n; at = p[i++].end)
    if (p[i].begin != at)
      EQS_FAIL(EQS_ERR_FORMAT,
               "tensor '%.100s' begins at byte %zu of the data, where %zu is next: "
               "%s",
               p[i].name, p[i].begin, at, p[i].begin < at ? "tensors overlap" : "there is a hole");
  if (at != n_data)
    EQS_FAIL(EQS_ERR_FORMAT, "the tensors fill %zu of %zu bytes of data", at, n_data);
  return EQS_OK;
}

static eqs_status check_metadata(const torch_value *v) {
  if (torch_value_kind(v) != TORCH_DICT)
    EQS_FAIL(EQS_ERR_FORMAT, "__metadata__ is %s, not an object",
             torch_kind_name(torch_value_kind(v)));
  for (size_t i = 0; i < torch_length(v); i++)
    if (torch_value_kind(torch_value_at(v, i)) != TORCH_STRING)
      EQS_FAIL(EQS_ERR_FORMAT, "__metadata__: '%.100s' is no string", torch_key_at(v, i)->u.text.s);
  return EQS_OK;
}

static eqs_status read_tensors(const torch_value *header, pickle_arena *arena, safetensors *out) {
  size_t n = torch_length(header), n_tensor = 0;
  place *places;
  eqs_status status = EQS_OK;
  if (n > SAFETENSORS_TENSORS_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%zu tensors; at most %d are read", n, SAFETENSORS_TENSORS_MAX);
  EQS_TRY(alloc_array(&places, n, sizeof *places, "places of tensors"));
  EQS_TRY_DONE(pickle_value(arena, TORCH_DICT, &out->tensors));
  for (size_t i = 0; i < n; i++) {
    const torch_value *entry = torch_value_at(header, i);
    torch_value *pair[2] = {header->list.item[2 * i], NULL};
    if (!strcmp(pair[0]->u.text.s, "__metadata__")) {
      out->metadata = entry;
      EQS_TRY_DONE(check_metadata(entry));
      continue;
    }
    place *p = places + n_tensor++;
    p->name = pair[0]->u.text.s;
    EQS_TRY_DONE(read_tensor(entry, arena, out, p, &pair[1]));
    EQS_TRY_DONE(pickle_append(arena, out->tensors, pair, 2));
  }
  status = check_places(places, n_tensor, out->n_data);
done:
  free(places);
  return status;
}

eqs_status safetensors_decode(const void *bytes, size_t n, pickle_arena *arena, safetensors *out) {
  const unsigned char *b = bytes;
  torch_value *header;
  *out = (safetensors){.metadata = NULL};
  if (!safetensors_is(bytes, n)) EQS_FAIL(EQS_ERR_FORMAT, "no safetensors file");
  uint64_t length = header_length(b);
  if (length > n - LENGTH)
    EQS_FAIL(EQS_ERR_FORMAT,
             "the header has %llu bytes, the file %zu: it was cut short; copy it again",
             (unsigned long long)length, n);
  if (length > SAFETENSORS_HEADER_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "the header has %llu bytes; at most %d are read",
             (unsigned long long)length, SAFETENSORS_HEADER_MAX);
  out->data = b + LENGTH + length;
  out->n_data = n - LENGTH - (size_t)length;
  arena->limit = JSON_COST * 4 * (size_t)length + 65536;
  eqs_status status = json_decode((const char *)b + LENGTH, (size_t)length, arena, &header);
  if (status != EQS_OK) return status_prefix(status, "header");
  return read_tensors(header, arena, out);
}

const char *safetensors_dtype(const torch_value *tensor) {
  for (int k = 0; k < DTYPES && torch_value_kind(tensor) == TORCH_TENSOR; k++)
    if (dtypes[k].type == tensor->u.tensor->dtype) return dtypes[k].name;
  return NULL;
}
