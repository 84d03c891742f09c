/* model_file_write.c -- from a model's tree of values to a file of this program's own format: the
 * keys of model_keys.c as one JSON text, tensors by their dotted names.
 *
 * The tree may come from a pickle, where anything may stand anywhere and values may contain
 * themselves: the walk is bounded in depth and number, and what cannot be said in JSON is refused.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "io/fields.h"
#include "io/model_file.h"
#include "io/safetensors.h"
#include "io/sha256.h"

enum { PATH = 256, DEPTH_MAX = 24, VALUES_MAX = 200000 };

typedef struct writer {
  FILE *json;
  model_family family;
  pickle_arena names; /* of tensors */
  safetensors_item *item;
  size_t n;
  int left; /* values that may still be visited */
} writer;

static eqs_status put_value(writer *w, const torch_value *v, const char *path, int depth,
                            int whole);

static eqs_status check_text(const char *s, size_t n, const char *what) {
  int bad = strlen(s) != n;
  for (const unsigned char *p = (const unsigned char *)s; *p && !bad; p += utf8_length(p))
    bad = !utf8_length(p);
  if (bad) EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: text that is not UTF-8 cannot be written", what);
  return EQS_OK;
}

static eqs_status add_tensor(writer *w, const torch_value *v, const char *path) {
  char *name;
  if (!torch_tensor_count(v)) return EQS_OK; /* e3nn's empty biases */
  if (w->n == SAFETENSORS_TENSORS_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "the model has more than %d tensors", SAFETENSORS_TENSORS_MAX);
  EQS_TRY(check_text(path, strlen(path), "a tensor's name"));
  EQS_TRY(pickle_alloc(&w->names, strlen(path) + 1, 1, &name));
  strcpy(name, path);
  w->item[w->n++] = (safetensors_item){name, v};
  return EQS_OK;
}

/* Shortest of the usual forms that reads as the same double, and as no integer. */
static eqs_status put_number(writer *w, double x, const char *path) {
  char text[40];
  if (!isfinite(x)) EQS_FAIL(EQS_ERR_UNSUPPORTED, "'%s' is not finite", path);
  snprintf(text, sizeof text, "%.15g", x);
  if (strtod(text, NULL) != x) snprintf(text, sizeof text, "%.17g", x);
  fprintf(w->json, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
  return EQS_OK;
}

/* One pair of a DICT that belongs to `owner`; *count is how many were written before. */
static eqs_status put_pair(writer *w, const torch_value *owner, const torch_value *key,
                           const torch_value *v, const char *path, int depth, int whole,
                           int *count) {
  char name[PATH], below[PATH];
  if (torch_value_kind(key) == TORCH_INT) snprintf(name, sizeof name, "%" PRId64, key->u.i);
  else if (torch_value_kind(key) != TORCH_STRING || key->u.text.n >= sizeof name) return EQS_OK;
  else memcpy(name, key->u.text.s, key->u.text.n + 1);
  int known = whole ? 2 : model_key(w->family, name);
  /* Another of that name hides this one. */
  if (!known || torch_value_kind(v) == TORCH_NONE || torch_get(owner, name) != v) return EQS_OK;
  int n = snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "", name);
  if (n < 0 || (size_t)n >= sizeof below)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "the name %.80s... is too long", path);
  if (torch_value_kind(v) == TORCH_TENSOR) return add_tensor(w, v, below);
  EQS_TRY(check_text(name, strlen(name), path));
  if ((*count)++) fputc(',', w->json);
  json_text(w->json, name);
  fputc(':', w->json);
  return put_value(w, v, below, depth, known == 2);
}

static eqs_status put_pairs(writer *w, const torch_value *owner, const torch_value *dict,
                            const char *path, int depth, int whole, int *count) {
  for (size_t i = 0; torch_value_kind(dict) == TORCH_DICT && i < torch_length(dict); i++)
    EQS_TRY(put_pair(w, owner, torch_key_at(dict, i), torch_value_at(dict, i), path, depth, whole,
                     count));
  return EQS_OK;
}

/* A list, or the modules of a ModuleList or Sequential, which are called 0, 1, ... */
static eqs_status put_items(writer *w, const torch_value *v, const char *path, int depth,
                            int whole) {
  fputc('[', w->json);
  for (size_t i = 0; i < torch_length(v); i++) {
    char below[PATH], name[24];
    int n = snprintf(below, sizeof below, "%s.%zu", path, i);
    snprintf(name, sizeof name, "%zu", i);
    const torch_value *one =
        torch_value_kind(v) == TORCH_DICT ? torch_get(v, name) : torch_item(v, i);
    if (!one || n < 0 || (size_t)n >= sizeof below)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "'%s' is no plain list", path);
    if (i) fputc(',', w->json);
    EQS_TRY(put_value(w, one, below, depth, whole));
  }
  fputc(']', w->json);
  return EQS_OK;
}

/* "128x0e+128x1o" */
static eqs_status put_irreps(writer *w, const torch_value *v, const char *path) {
  fputc('"', w->json);
  for (size_t i = 0; i < torch_length(v); i++) {
    const torch_value *term = torch_item(v, i), *ir = torch_item(term, 1);
    int64_t mul, l, parity;
    EQS_TRY(torch_to_int(torch_item(term, 0), path, &mul));
    EQS_TRY(torch_to_int(torch_item(ir, 0), path, &l));
    EQS_TRY(torch_to_int(torch_item(ir, 1), path, &parity));
    fprintf(w->json, "%s%" PRId64 "x%" PRId64 "%c", i ? "+" : "", mul, l, parity < 0 ? 'o' : 'e');
  }
  fputc('"', w->json);
  return EQS_OK;
}

static eqs_status put_class(writer *w, const torch_value *v, const char *path) {
  const char *name = torch_class(v);
  EQS_TRY(check_text(name, strlen(name), path));
  fputs("{\"class\":", w->json);
  json_text(w->json, name);
  return EQS_OK;
}

/* A module, or what e3nn and numpy have in its stead of a list or a number. */
static eqs_status put_object(writer *w, const torch_value *v, const char *path, int depth) {
  static const char *const inner[] = {"_parameters", "_buffers", "_modules"};
  const torch_value *state = v->u.object->state, *slots = NULL;
  double x;
  int count = 1;
  if (torch_is_class(v, "Irreps")) return put_irreps(w, v, path);
  if (torch_is_class(v, "Instruction")) return put_items(w, v, path, depth, 1);
  if (torch_is_class(v, "ModuleList") || torch_is_class(v, "Sequential"))
    return put_items(w, torch_get(v, "_modules"), path, depth, 0);
  if (torch_is_class(v, "scalar") || torch_is_class(v, "_reconstruct")) {
    EQS_TRY(torch_to_double(v, path, &x));
    return put_number(w, x, path);
  }
  EQS_TRY(put_class(w, v, path));
  if (torch_value_kind(state) == TORCH_LIST && torch_length(state) == 2) {
    slots = torch_item(state, 1);
    state = torch_item(state, 0);
  }
  EQS_TRY(put_pairs(w, v, slots, path, depth, 0, &count));
  EQS_TRY(put_pairs(w, v, state, path, depth, 0, &count));
  for (int k = 0; k < 3 && torch_value_kind(state) == TORCH_DICT; k++)
    EQS_TRY(put_pairs(w, v, torch_get(state, inner[k]), path, depth, 0, &count));
  fputc('}', w->json);
  return EQS_OK;
}

static eqs_status put_value(writer *w, const torch_value *v, const char *path, int depth,
                            int whole) {
  int count = 0;
  if (++depth > DEPTH_MAX || --w->left < 0)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "'%s': nested too deep, or too large", path);
  switch (torch_value_kind(v)) {
  case TORCH_NONE: fputs("null", w->json); return EQS_OK;
  case TORCH_BOOL: fputs(v->u.i ? "true" : "false", w->json); return EQS_OK;
  case TORCH_INT: fprintf(w->json, "%" PRId64, v->u.i); return EQS_OK;
  case TORCH_FLOAT: return put_number(w, v->u.x, path);
  case TORCH_STRING:
    EQS_TRY(check_text(v->u.text.s, v->u.text.n, path));
    json_text(w->json, v->u.text.s);
    return EQS_OK;
  case TORCH_LIST: return put_items(w, v, path, depth, whole);
  case TORCH_DICT:
    fputc('{', w->json);
    EQS_TRY(put_pairs(w, v, v, path, depth, whole, &count));
    fputc('}', w->json);
    return EQS_OK;
  case TORCH_GLOBAL:
    EQS_TRY(put_class(w, v, path));
    fputc('}', w->json);
    return EQS_OK;
  case TORCH_OBJECT: return put_object(w, v, path, depth);
  case TORCH_TENSOR: break;
  }
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "'%s' holds a tensor inside a list, which cannot be written", path);
}

static eqs_status put_state(writer *w, const torch_value *state) {
  for (size_t i = 0; i < torch_length(state); i++) {
    const torch_value *key = torch_key_at(state, i), *v = torch_value_at(state, i);
    if (torch_value_kind(key) == TORCH_STRING && torch_value_kind(v) == TORCH_TENSOR &&
        torch_get(state, key->u.text.s) == v)
      EQS_TRY(add_tensor(w, v, key->u.text.s));
  }
  return EQS_OK;
}

/* The configuration as JSON in *text; the tensors in w. */
static eqs_status collect(writer *w, const torch_value *root, char **text) {
  size_t size;
  w->json = open_memstream(text, &size);
  if (!w->json) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: configuration");
  eqs_status status;
  if (w->family == FAMILY_MACE) {
    status = put_value(w, root, "", 0, 0);
  } else {
    status = put_value(w, torch_get(root, "config"), "", 0, 0);
    if (status == EQS_OK) status = put_state(w, torch_get(root, "model_state_dict"));
  }
  int bad = ferror(w->json) != 0;
  if (fclose(w->json) || bad) status = status_fail(EQS_ERR_MEMORY, "out of memory: configuration");
  return status;
}

static eqs_status make_metadata(model_family family, const char *config, const char *sum,
                                const model_file_pair *pair, size_t n, char **out) {
  size_t size;
  eqs_status status = EQS_OK;
  FILE *f = open_memstream(out, &size);
  if (!f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: metadata");
  fprintf(f, "{\"format\":\"equisorb\",\"format_version\":\"%d\",\"family\":\"%s\"",
          MODEL_FILE_VERSION, model_family_name(family));
  for (size_t i = 0; i < n && status == EQS_OK; i++) {
    status = check_text(pair[i].key, strlen(pair[i].key), "metadata");
    if (status == EQS_OK) status = check_text(pair[i].value, strlen(pair[i].value), pair[i].key);
    fputc(',', f);
    json_text(f, pair[i].key);
    fputc(':', f);
    json_text(f, pair[i].value);
  }
  fprintf(f, ",\"sha256\":\"%s\",\"config\":", sum);
  json_text(f, config);
  fputc('}', f);
  int bad = ferror(f) != 0;
  if (fclose(f) || bad) status = status_fail(EQS_ERR_MEMORY, "out of memory: metadata");
  return status;
}

eqs_status model_file_write(const torch_value *root, model_family family, const char *path,
                            int overwrite, const model_file_pair *pair, size_t n) {
  LOCALE_C();
  writer w = {.family = family, .names = {.limit = SIZE_MAX / 2}, .left = VALUES_MAX};
  char *config = NULL, *metadata = NULL, sum[65];
  unsigned char *data = NULL;
  size_t n_data;
  eqs_status status;
  EQS_TRY_DONE(alloc_array(&w.item, SAFETENSORS_TENSORS_MAX, sizeof *w.item, "tensors"));
  EQS_TRY_DONE(collect(&w, root, &config));
  EQS_TRY_DONE(safetensors_pack(w.item, w.n, &data, &n_data));
  sha256_hex(data, n_data, sum);
  EQS_TRY_DONE(make_metadata(family, config, sum, pair, n, &metadata));
  status = safetensors_write(path, overwrite, metadata, w.item, w.n, data, n_data);
done:;
  pickle_tree names = {.arena = w.names};
  pickle_free(&names);
  free(w.item);
  free(config);
  free(metadata);
  free(data);
  return status;
}
