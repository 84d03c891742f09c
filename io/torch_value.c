/* torch_value.c -- asks a decoded torch file for values by name, and converts them with checks.
 *
 * No function here walks deeper than the path it is given, so values that contain themselves do no
 * harm. A numpy scalar is the record numpy.core.multiarray.scalar(dtype, bytes), a numpy array the
 * record numpy.core.multiarray._reconstruct(...) with state (1, shape, dtype, fortran, bytes).
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/pickle.h"
#include "io/torch_number.h"

torch_kind torch_value_kind(const torch_value *v) { return v ? (torch_kind)v->kind : TORCH_NONE; }

const char *torch_kind_name(torch_kind k) {
  static const char *const names[] = {"nothing",   "a truth value", "an integer", "a number",
                                      "a string",  "a list",        "a dict",     "a class",
                                      "an object", "a tensor"};
  return (unsigned)k < sizeof names / sizeof *names ? names[k] : "unknown";
}

static int is(const torch_value *v, torch_kind kind) { return v && v->kind == kind; }

const char *torch_class(const torch_value *v) {
  if (is(v, TORCH_OBJECT)) return v->u.object->name;
  return is(v, TORCH_GLOBAL) ? v->u.text.s : "";
}

int torch_is_class(const torch_value *v, const char *name) {
  const char *full = torch_class(v), *dot = strrchr(full, '.');
  return *full && strcmp(dot ? dot + 1 : full, name) == 0;
}

size_t torch_length(const torch_value *v) {
  if (is(v, TORCH_DICT)) return v->list.n / 2;
  return is(v, TORCH_LIST) || is(v, TORCH_OBJECT) ? v->list.n : 0;
}

const torch_value *torch_item(const torch_value *v, size_t i) {
  return (is(v, TORCH_LIST) || is(v, TORCH_OBJECT)) && i < v->list.n ? v->list.item[i] : NULL;
}

const torch_value *torch_key_at(const torch_value *v, size_t i) {
  return is(v, TORCH_DICT) && i < v->list.n / 2 ? v->list.item[2 * i] : NULL;
}

const torch_value *torch_value_at(const torch_value *v, size_t i) {
  return is(v, TORCH_DICT) && i < v->list.n / 2 ? v->list.item[2 * i + 1] : NULL;
}

static int key_matches(const torch_value *key, const char *name, size_t n) {
  if (key->kind == TORCH_STRING) return key->u.text.n == n && memcmp(key->u.text.s, name, n) == 0;
  if (key->kind != TORCH_INT) return 0;
  char decimal[24];
  int length = snprintf(decimal, sizeof decimal, "%lld", (long long)key->u.i);
  return (size_t)length == n && memcmp(decimal, name, n) == 0;
}

/* The last pair with that key, as in Python. */
static const torch_value *find_key(const torch_value *dict, const char *name, size_t n) {
  if (!is(dict, TORCH_DICT)) return NULL;
  for (size_t i = dict->list.n / 2; i-- > 0;)
    if (key_matches(dict->list.item[2 * i], name, n)) return dict->list.item[2 * i + 1];
  return NULL;
}

static const torch_value *find_attribute(const torch_value *v, const char *name, size_t n) {
  static const char *const inner[] = {"_parameters", "_buffers", "_modules"};
  const torch_value *state = v->u.object->state, *found;
  if (is(state, TORCH_LIST) && state->list.n == 2) { /* (attributes, slots) */
    found = find_key(state->list.item[1], name, n);
    if (found) return found;
    state = state->list.item[0];
  }
  found = find_key(state, name, n);
  for (int k = 0; !found && k < 3; k++)
    found = find_key(find_key(state, inner[k], strlen(inner[k])), name, n);
  return found ? found : find_key(v->u.object->entries, name, n);
}

static const torch_value *find_index(const torch_value *v, const char *name, size_t n) {
  size_t i = 0;
  if (n == 0 || n > 9) return NULL;
  for (size_t k = 0; k < n; k++) {
    if (name[k] < '0' || name[k] > '9') return NULL;
    i = 10 * i + (size_t)(name[k] - '0');
  }
  return torch_item(v, i);
}

const torch_value *torch_get(const torch_value *v, const char *path) {
  while (v) {
    size_t all = strlen(path), n = strcspn(path, ".");
    const torch_value *whole = find_key(v, path, all);
    if (whole) return whole;
    if (v->kind == TORCH_DICT) v = n < all ? find_key(v, path, n) : NULL;
    else if (v->kind == TORCH_OBJECT) v = find_attribute(v, path, n);
    else v = find_index(v, path, n);
    if (n == all) return v;
    path += n + 1;
  }
  return NULL;
}

static eqs_status wrong_kind(const torch_value *v, const char *what, const char *wanted) {
  if (!v) EQS_FAIL(EQS_ERR_FORMAT, "'%s' is missing", what);
  if (v->kind == TORCH_OBJECT)
    EQS_FAIL(EQS_ERR_FORMAT, "'%s' is an object of %s, not %s", what, torch_class(v), wanted);
  EQS_FAIL(EQS_ERR_FORMAT, "'%s' is %s, not %s", what, torch_kind_name((torch_kind)v->kind),
           wanted);
}

/* Bytes of a STRING that stands for bytes. */
static eqs_status read_bytes(const torch_value *v, const char *what, unsigned char *out, size_t n) {
  const torch_text *t = &v->u.text;
  size_t k = 0;
  for (size_t i = 0; i < t->n && k <= n; k++) {
    unsigned c = (unsigned char)t->s[i++];
    if (t->latin1 && c >= 0x80) c = (c & 3u) << 6 | ((unsigned)t->s[i++] & 0x3fu);
    if (k < n) out[k] = (unsigned char)c;
  }
  if (k != n) EQS_FAIL(EQS_ERR_FORMAT, "'%s' has not the %zu bytes of its type", what, n);
  return EQS_OK;
}

/* numpy.dtype('f8', ...) with state (3, '<', ...). */
static int numpy_dtype(const torch_value *v, torch_dtype *out, int *swapped) {
  static const struct {
    char name[4];
    torch_dtype type;
  } known[] = {{"f8", DTYPE_FLOAT64}, {"f4", DTYPE_FLOAT32}, {"f2", DTYPE_FLOAT16},
               {"i8", DTYPE_INT64},   {"i4", DTYPE_INT32},   {"i2", DTYPE_INT16},
               {"i1", DTYPE_INT8},    {"u1", DTYPE_UINT8},   {"b1", DTYPE_BOOL}};
  const torch_value *name = torch_item(v, 0);
  if (!torch_is_class(v, "dtype") || !is(name, TORCH_STRING)) return 0;
  const torch_value *order = torch_item(v->u.object->state, 1);
  *swapped = is(order, TORCH_STRING) && order->u.text.s[0] == '>';
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(name->u.text.s, known[i].name) == 0) {
      *out = known[i].type;
      return 1;
    }
  return 0;
}

static int all_ones(const torch_value *shape) {
  if (!is(shape, TORCH_LIST)) return 0;
  for (size_t i = 0; i < shape->list.n; i++)
    if (!is(shape->list.item[i], TORCH_INT) || shape->list.item[i]->u.i != 1) return 0;
  return 1;
}

/* A numpy scalar, or an array of one element. */
static eqs_status read_numpy(const torch_value *v, const char *what, torch_number *out) {
  const torch_value *type = NULL, *bytes = NULL;
  torch_dtype dtype = DTYPE_COUNT;
  unsigned char raw[16] = {0};
  int swapped = 0;
  if (torch_is_class(v, "scalar")) {
    type = torch_item(v, 0);
    bytes = torch_item(v, 1);
  } else if (torch_is_class(v, "_reconstruct") && all_ones(torch_item(v->u.object->state, 1))) {
    type = torch_item(v->u.object->state, 2);
    bytes = torch_item(v->u.object->state, 4);
  }
  if (!is(bytes, TORCH_STRING) || !numpy_dtype(type, &dtype, &swapped))
    return wrong_kind(v, what, "one number");
  size_t n = dtype_size(dtype);
  EQS_TRY(read_bytes(bytes, what, raw, n));
  for (size_t i = 0; swapped && i < n / 2; i++) {
    unsigned char byte = raw[i];
    raw[i] = raw[n - 1 - i];
    raw[n - 1 - i] = byte;
  }
  *out = number_decode(dtype, raw);
  return EQS_OK;
}

static eqs_status read_number(const torch_value *v, const char *what, torch_number *out) {
  switch (torch_value_kind(v)) {
  case TORCH_BOOL:
  case TORCH_INT: *out = (torch_number){1, v->u.i, (double)v->u.i}; return EQS_OK;
  case TORCH_FLOAT: *out = (torch_number){0, 0, v->u.x}; return EQS_OK;
  case TORCH_OBJECT: return read_numpy(v, what, out);
  case TORCH_TENSOR:
    if (v->u.tensor->count != 1 || v->u.tensor->dtype >= DTYPE_COMPLEX64)
      return wrong_kind(v, what, "one number");
    EQS_TRY(tensor_verify(v->u.tensor));
    *out =
        number_decode(v->u.tensor->dtype, v->u.tensor->storage->data +
                                              v->u.tensor->offset * dtype_size(v->u.tensor->dtype));
    return EQS_OK;
  default: return wrong_kind(v, what, "a number");
  }
}

eqs_status torch_to_int(const torch_value *v, const char *what, int64_t *out) {
  torch_number x = {0, 0, 0};
  if (is(v, TORCH_FLOAT)) return wrong_kind(v, what, "an integer");
  EQS_TRY(read_number(v, what, &x));
  if (!x.is_int) { /* an integer kept as a float, such as a cutoff's exponent */
    if (!(fabs(x.x) <= 9007199254740992.0) || x.x != floor(x.x))
      EQS_FAIL(EQS_ERR_FORMAT, "'%s' is %g, not an integer", what, x.x);
    x.i = (int64_t)x.x;
  }
  *out = x.i;
  return EQS_OK;
}

eqs_status torch_to_double(const torch_value *v, const char *what, double *out) {
  torch_number x = {0, 0, 0};
  EQS_TRY(read_number(v, what, &x));
  *out = x.x;
  return EQS_OK;
}

eqs_status torch_to_bool(const torch_value *v, const char *what, int *out) {
  torch_number x = {0, 0, 0};
  if (is(v, TORCH_FLOAT)) return wrong_kind(v, what, "a truth value");
  EQS_TRY(read_number(v, what, &x));
  if (x.x != 0 && x.x != 1) return wrong_kind(v, what, "a truth value");
  *out = x.x != 0;
  return EQS_OK;
}

eqs_status torch_to_string(const torch_value *v, const char *what, const char **out) {
  if (!is(v, TORCH_STRING)) return wrong_kind(v, what, "a string");
  if (strlen(v->u.text.s) != v->u.text.n)
    EQS_FAIL(EQS_ERR_FORMAT, "the string '%s' holds a zero byte", what);
  *out = v->u.text.s;
  return EQS_OK;
}

int torch_tensor_rank(const torch_value *v) { return is(v, TORCH_TENSOR) ? v->u.tensor->rank : -1; }

const int64_t *torch_tensor_shape(const torch_value *v) {
  return is(v, TORCH_TENSOR) ? v->u.tensor->shape : NULL;
}

size_t torch_tensor_count(const torch_value *v) {
  return is(v, TORCH_TENSOR) ? v->u.tensor->count : 0;
}

const char *torch_tensor_dtype(const torch_value *v) {
  static const char *const names[DTYPE_COUNT] = {"float64", "float32", "float16",   "bfloat16",
                                                 "int64",   "int32",   "int16",     "int8",
                                                 "uint8",   "bool",    "complex64", "complex128"};
  return is(v, TORCH_TENSOR) ? names[v->u.tensor->dtype] : "";
}

eqs_status torch_tensor_read(const torch_value *v, const char *what, double *out, size_t n) {
  if (!is(v, TORCH_TENSOR)) return wrong_kind(v, what, "a tensor");
  const torch_tensor *t = v->u.tensor;
  if (t->count != n)
    EQS_FAIL(EQS_ERR_FORMAT, "tensor '%s' has %zu elements instead of %zu", what, t->count, n);
  if (t->dtype >= DTYPE_COMPLEX64) EQS_FAIL(EQS_ERR_FORMAT, "tensor '%s' is complex", what);
  EQS_TRY(tensor_verify(t));
  tensor_widen(t, out);
  return EQS_OK;
}
