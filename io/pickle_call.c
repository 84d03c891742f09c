/* pickle_call.c -- what a pickle's calls stand for: tensors, storages, containers, inert records.
 *
 * REDUCE, NEWOBJ and their kin ask for `callee(*args)`. A few callees have a meaning here; every
 * other one becomes a record of its name and arguments, if its module belongs to torch, numpy, the
 * force-field packages or Python's plain types. Any other module has no place in a model: a pickle
 * that calls into it was made to run something, and is refused by name.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "io/pickle.h"

static const struct {
  const char *name;
  size_t size;
} dtypes[DTYPE_COUNT] = {
    [DTYPE_FLOAT64] = {"DoubleStorage", 8},
    [DTYPE_FLOAT32] = {"FloatStorage", 4},
    [DTYPE_FLOAT16] = {"HalfStorage", 2},
    [DTYPE_BFLOAT16] = {"BFloat16Storage", 2},
    [DTYPE_INT64] = {"LongStorage", 8},
    [DTYPE_INT32] = {"IntStorage", 4},
    [DTYPE_INT16] = {"ShortStorage", 2},
    [DTYPE_INT8] = {"CharStorage", 1},
    [DTYPE_UINT8] = {"ByteStorage", 1},
    [DTYPE_BOOL] = {"BoolStorage", 1},
    [DTYPE_COMPLEX64] = {"ComplexFloatStorage", 8},
    [DTYPE_COMPLEX128] = {"ComplexDoubleStorage", 16},
};

size_t dtype_size(torch_dtype t) { return dtypes[t].size; }

static int is_one_of(const char *s, const char *const *list) {
  for (; *list; list++)
    if (strcmp(s, *list) == 0) return 1;
  return 0;
}

/* Compares the part of a dotted name before its first dot. */
static int has_root(const char *name, const char *const *list) {
  size_t n = strcspn(name, ".");
  for (; *list; list++)
    if (strlen(*list) == n && memcmp(name, *list, n) == 0) return 1;
  return 0;
}

static int may_construct(const char *name) {
  static const char *const roots[] = {
      "torch",   "collections", "_codecs",        "numpy",
      "e3nn",    "mace",        "sevenn",         "argparse",
      "pathlib", "enum",        "cuequivariance", "cuequivariance_torch",
      "ase",     "datetime",    "opt_einsum_fx",  "openequivariance",
      NULL};
  static const char *const builtins[] = {
      "set",     "frozenset", "slice", "dict",  "list",      "tuple",  "int",   "float",
      "complex", "bool",      "str",   "bytes", "bytearray", "object", "range", NULL};
  static const char *const others[] = {"functools.partial",   "copyreg._reconstructor",
                                       "copyreg.__newobj__",  "copy_reg._reconstructor",
                                       "copy_reg.__newobj__", NULL};
  if (strncmp(name, "builtins.", 9) == 0) return is_one_of(name + 9, builtins);
  if (strncmp(name, "__builtin__.", 12) == 0) return is_one_of(name + 12, builtins);
  return has_root(name, roots) || is_one_of(name, others);
}

static eqs_status make_record(pickle_arena *a, const char *name, const torch_value *args,
                              torch_value **out) {
  EQS_TRY(pickle_value(a, TORCH_OBJECT, out));
  EQS_TRY(pickle_alloc(a, 1, sizeof *(*out)->u.object, &(*out)->u.object));
  (*out)->u.object->name = name;
  (*out)->depth = args->depth;
  (*out)->list = (torch_items){args->list.item, args->list.n, args->list.n};
  return EQS_OK;
}

/* A LIST that begins with the items that `of` has now. */
static eqs_status share_list(pickle_arena *a, torch_kind kind, const torch_value *of,
                             torch_value **out) {
  EQS_TRY(pickle_value(a, kind, out));
  (*out)->depth = of->depth;
  (*out)->list = (torch_items){of->list.item, of->list.n, of->list.n};
  return EQS_OK;
}

/* dict(), OrderedDict(), defaultdict(factory), and those of a dict or of a list of pairs. */
static eqs_status make_dict(pickle_arena *a, const torch_value *args, torch_value **out) {
  const torch_value *from = args->list.n == 1 ? args->list.item[0] : NULL;
  if (from && from->kind == TORCH_DICT) return share_list(a, TORCH_DICT, from, out);
  EQS_TRY(pickle_value(a, TORCH_DICT, out));
  if (!from || from->kind != TORCH_LIST) return EQS_OK;
  for (size_t i = 0; i < from->list.n; i++) {
    const torch_value *pair = from->list.item[i];
    if (pair->kind != TORCH_LIST || pair->list.n != 2)
      EQS_FAIL(EQS_ERR_FORMAT, "a dict is made of something else than pairs");
    EQS_TRY(pickle_append(a, *out, pair->list.item, 2));
  }
  return EQS_OK;
}

static eqs_status storage_dtype(const char *name, torch_dtype *out) {
  const char *last = strrchr(name, '.');
  last = last ? last + 1 : name;
  for (int t = 0; t < DTYPE_COUNT; t++)
    if (strcmp(last, dtypes[t].name) == 0) {
      *out = (torch_dtype)t;
      return EQS_OK;
    }
  if (strcmp(last, "UntypedStorage") != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "tensors of type '%s' are not supported", name);
  *out = DTYPE_UINT8;
  return EQS_OK;
}

/* id: ('storage', class, key, device, number of elements[, view]); the device does not matter. */
eqs_status pickle_storage(pickle_arena *a, const torch_value *id, pickle_find find, void *owner,
                          torch_value **out) {
  torch_value *const *part = id->list.item;
  if (id->kind != TORCH_LIST || id->list.n < 5 || part[0]->kind != TORCH_STRING ||
      strcmp(part[0]->u.text.s, "storage") != 0 || part[1]->kind != TORCH_GLOBAL ||
      part[2]->kind != TORCH_STRING || part[4]->kind != TORCH_INT)
    EQS_FAIL(EQS_ERR_FORMAT, "a persistent id of the pickle is no tensor storage");
  torch_dtype dtype = DTYPE_COUNT;
  torch_storage *storage = NULL;
  const torch_text *key = &part[2]->u.text;
  int64_t numel = part[4]->u.i;
  EQS_TRY(storage_dtype(part[1]->u.text.s, &dtype));
  EQS_TRY(find(owner, key->s, key->n, &storage));
  if (numel < 0 || (uint64_t)numel > SIZE_MAX / 16 ||
      (size_t)numel * dtype_size(dtype) != storage->n)
    EQS_FAIL(EQS_ERR_FORMAT,
             "tensor data '%.80s' states %lld elements of %zu bytes but has %zu bytes", key->s,
             (long long)numel, dtype_size(dtype), storage->n);
  EQS_TRY(make_record(a, part[1]->u.text.s, id, out));
  (*out)->u.object->storage = storage;
  (*out)->u.object->numel = numel;
  (*out)->u.object->dtype = dtype;
  return EQS_OK;
}

/* A tuple of numbers that are not negative. */
static eqs_status read_sizes(pickle_arena *a, const torch_value *v, size_t n, int64_t **out) {
  if (v->kind != TORCH_LIST || v->list.n != n)
    EQS_FAIL(EQS_ERR_FORMAT, "a tensor's shape or stride is no tuple of equal lengths");
  if (n > PICKLE_RANK_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "a tensor has %zu dimensions, more than %d", n, PICKLE_RANK_MAX);
  EQS_TRY(pickle_alloc(a, n, sizeof **out, out));
  for (size_t i = 0; i < n; i++) {
    const torch_value *x = v->list.item[i];
    if (x->kind != TORCH_INT || x->u.i < 0)
      EQS_FAIL(EQS_ERR_FORMAT, "a tensor's shape or stride is no tuple of sizes");
    (*out)[i] = x->u.i;
  }
  return EQS_OK;
}

/* The view must lie inside the storage's `numel` elements. Strides of 0 repeat elements; that is
 * bounded too, so that a small file cannot ask its reader for much memory. */
static eqs_status check_view(torch_tensor *t, size_t numel) {
  enum { REPEATED_MAX = 1 << 20 };
  size_t count = 1, last = t->offset;
  for (int k = 0; k < t->rank; k++)
    count = t->shape[k] ? mul_size(count, (size_t)t->shape[k]) : count;
  for (int k = 0; k < t->rank; k++) {
    size_t reach = t->shape[k] ? mul_size((size_t)t->shape[k] - 1, (size_t)t->stride[k]) : 0;
    last = reach > SIZE_MAX - last ? SIZE_MAX : last + reach;
  }
  int empty = 0;
  for (int k = 0; k < t->rank; k++) empty |= t->shape[k] == 0;
  if (count == SIZE_MAX || (count > numel && count - numel > REPEATED_MAX))
    EQS_FAIL(EQS_ERR_FORMAT, "a tensor has far more elements than its storage of %zu", numel);
  if (empty ? t->offset > numel : last >= numel)
    EQS_FAIL(EQS_ERR_FORMAT, "a tensor reaches beyond its storage of %zu elements", numel);
  t->count = empty ? 0 : count;
  return EQS_OK;
}

/* _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks) */
static eqs_status make_tensor(pickle_arena *a, const torch_value *args, torch_value **out) {
  torch_value *const *arg = args->list.item;
  if (args->list.n < 4 || arg[0]->kind != TORCH_OBJECT || !arg[0]->u.object->storage ||
      arg[1]->kind != TORCH_INT || arg[1]->u.i < 0 || arg[2]->kind != TORCH_LIST)
    EQS_FAIL(EQS_ERR_FORMAT, "a tensor is not made of storage, offset, shape and stride");
  const torch_object *s = arg[0]->u.object;
  torch_tensor *t = NULL;
  int64_t *shape = NULL, *stride = NULL;
  EQS_TRY(read_sizes(a, arg[2], arg[2]->list.n, &shape));
  EQS_TRY(read_sizes(a, arg[3], arg[2]->list.n, &stride));
  EQS_TRY(pickle_alloc(a, 1, sizeof *t, &t));
  *t = (torch_tensor){.storage = s->storage,
                      .dtype = s->dtype,
                      .rank = (int)arg[2]->list.n,
                      .offset = (size_t)arg[1]->u.i,
                      .shape = shape,
                      .stride = stride};
  EQS_TRY(check_view(t, (size_t)s->numel));
  for (int k = 0; k < t->rank; k++)
    if (shape[k] < 2) stride[k] = 0; /* never stepped along, and may be anything */
  EQS_TRY(pickle_value(a, TORCH_TENSOR, out));
  (*out)->u.tensor = t;
  return EQS_OK;
}

/* _codecs.encode(text, 'latin1') is how protocol 2 writes bytes; the text is kept as it is. */
static eqs_status make_bytes(pickle_arena *a, const torch_value *args, torch_value **out) {
  if (args->list.n < 1 || args->list.item[0]->kind != TORCH_STRING)
    EQS_FAIL(EQS_ERR_FORMAT, "_codecs.encode of something that is no text");
  EQS_TRY(pickle_value(a, TORCH_STRING, out));
  (*out)->u.text = args->list.item[0]->u.text;
  (*out)->u.text.latin1 = 1;
  return EQS_OK;
}

/* A Parameter is its tensor. */
static eqs_status make_parameter(const torch_value *args, torch_value **out) {
  if (args->list.n < 1 || args->list.item[0]->kind != TORCH_TENSOR)
    EQS_FAIL(EQS_ERR_FORMAT, "a parameter without a tensor");
  *out = args->list.item[0];
  return EQS_OK;
}

/* Python's own makers of instances: the class is the first argument, or the tail of them. */
static eqs_status make_instance(pickle_arena *a, const torch_value *args, torch_value **out) {
  torch_value rest = *args;
  if (args->list.n < 1 || args->list.item[0]->kind != TORCH_GLOBAL)
    EQS_FAIL(EQS_ERR_FORMAT, "an instance without a class");
  const char *name = args->list.item[0]->u.text.s;
  if (!may_construct(name)) EQS_FAIL(EQS_ERR_FORMAT, "the pickle calls '%s': refused", name);
  rest.list.item++;
  rest.list.n--;
  return make_record(a, name, &rest, out);
}

/* e3nn's Irreps, Irrep, _MulIr are tuples whose one argument is the tuple of their items. */
static int is_tuple_class(const char *name, const torch_value *args) {
  return strncmp(name, "e3nn.", 5) == 0 && args->list.n == 1 &&
         args->list.item[0]->kind == TORCH_LIST;
}

eqs_status pickle_construct(pickle_arena *a, torch_value *callee, torch_value *args,
                            torch_value **out) {
  static const char *const dicts[] = {"collections.OrderedDict", "collections.defaultdict",
                                      "builtins.dict", "__builtin__.dict", NULL};
  static const char *const lists[] = {"builtins.set",     "builtins.frozenset",
                                      "builtins.list",    "builtins.tuple",
                                      "__builtin__.set",  "__builtin__.frozenset",
                                      "__builtin__.list", "__builtin__.tuple",
                                      "torch.Size",       NULL};
  static const char *const tensors[] = {"torch._utils._rebuild_tensor_v2",
                                        "torch._utils._rebuild_tensor", NULL};
  static const char *const parameters[] = {"torch._utils._rebuild_parameter",
                                           "torch._utils._rebuild_parameter_with_state", NULL};
  static const char *const makers[] = {"copyreg._reconstructor", "copyreg.__newobj__",
                                       "copy_reg._reconstructor", "copy_reg.__newobj__", NULL};
  if (callee->kind != TORCH_GLOBAL || args->kind != TORCH_LIST)
    EQS_FAIL(EQS_ERR_FORMAT, "the pickle calls something that is no class");
  const char *name = callee->u.text.s;
  if (!may_construct(name))
    EQS_FAIL(EQS_ERR_FORMAT,
             "the pickle calls '%s', which no model needs: the file is refused, nothing was run",
             name);
  size_t n = args->list.n;
  if (is_one_of(name, dicts)) return make_dict(a, args, out);
  if (is_one_of(name, lists) && n <= 1 && (n == 0 || args->list.item[0]->kind == TORCH_LIST))
    return share_list(a, TORCH_LIST, n ? args->list.item[0] : args, out);
  if (is_one_of(name, tensors)) return make_tensor(a, args, out);
  if (is_one_of(name, parameters)) return make_parameter(args, out);
  if (is_one_of(name, makers)) return make_instance(a, args, out);
  if (strcmp(name, "_codecs.encode") == 0) return make_bytes(a, args, out);
  if (strcmp(name, "torch._tensor._rebuild_from_type_v2") == 0 && n >= 3 &&
      args->list.item[0]->kind == TORCH_GLOBAL &&
      is_one_of(args->list.item[0]->u.text.s, tensors) && args->list.item[2]->kind == TORCH_LIST)
    return make_tensor(a, args->list.item[2], out);
  return make_record(a, name, is_tuple_class(name, args) ? args->list.item[0] : args, out);
}
