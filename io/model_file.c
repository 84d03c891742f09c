/* model_file.c -- from a safetensors file to the tree of values that the families' readers take.
 *
 * MACE: the configuration is the module, and each tensor is put into it at its dotted name.
 * SevenNet: the tree is {config, model_state_dict}, and the tensors are the latter.
 *
 * SPDX-License-Identifier: MIT */
#include "io/model_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "io/torch_number.h"

enum { PATH = 256, PARTS_MAX = 16 };

const char *model_family_name(model_family f) { return f == FAMILY_MACE ? "mace" : "sevennet"; }

/* ------------------------------------------------------------------------------------- checks */

static eqs_status read_text(const torch_value *metadata, const char *key, const char **out) {
  const torch_value *v = torch_get(metadata, key);
  if (!v) EQS_FAIL(EQS_ERR_FORMAT, "the metadata have no '%s'", key);
  return torch_to_string(v, key, out);
}

static eqs_status check_version(const torch_value *metadata) {
  const char *s;
  char *end;
  const torch_value *format = torch_get(metadata, "format");
  if (torch_value_kind(format) != TORCH_STRING || strcmp(format->u.text.s, "equisorb") != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "a safetensors file, but none of this program's models: its metadata "
                             "do not say format = equisorb; `equisorb convert` writes them from "
                             "the original file");
  EQS_TRY(read_text(metadata, "format_version", &s));
  long version = strtol(s, &end, 10);
  if (end == s || *end || version < 1)
    EQS_FAIL(EQS_ERR_FORMAT, "format_version is '%.40s', not a number from 1", s);
  if (version > MODEL_FILE_VERSION)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "a model file of format version %ld; this program reads up to %d: take a newer one",
             version, MODEL_FILE_VERSION);
  return EQS_OK;
}

static eqs_status read_family(const torch_value *metadata, model_family *out) {
  const char *s;
  EQS_TRY(read_text(metadata, "family", &s));
  for (int f = 0; f < FAMILIES; f++)
    if (!strcmp(s, model_family_name((model_family)f))) {
      *out = (model_family)f;
      return EQS_OK;
    }
  EQS_FAIL(EQS_ERR_UNSUPPORTED,
           "the model is of the family '%.40s'; this program knows mace and sevennet", s);
}

static eqs_status check_sum(const torch_value *metadata, const safetensors *f) {
  const char *want;
  char found[65];
  EQS_TRY(read_text(metadata, "sha256", &want));
  sha256_hex(f->data, f->n_data, found);
  if (strcmp(want, found) != 0)
    EQS_FAIL(EQS_ERR_FORMAT,
             "the tensors' SHA-256 is %.12s..., not the %.12s... of the metadata: the file is "
             "damaged; copy it again",
             found, want);
  return EQS_OK;
}

static eqs_status check_finite(const torch_value *tensors) {
  for (size_t i = 0; i < torch_length(tensors); i++) {
    const torch_tensor *t = torch_value_at(tensors, i)->u.tensor;
    size_t size = dtype_size(t->dtype);
    if (t->dtype > DTYPE_BFLOAT16) continue; /* floating types come first */
    for (size_t k = 0; k < t->count; k++)
      if (!isfinite(number_decode(t->dtype, t->storage->data + k * size).x))
        EQS_FAIL(EQS_ERR_FORMAT,
                 "tensor '%.100s': element %zu is not finite; write the file again "
                 "from a model that is",
                 torch_key_at(tensors, i)->u.text.s, k);
  }
  return EQS_OK;
}

/* Every key of the configuration must be one that this version has. */
static eqs_status check_keys(model_family f, const torch_value *v, char path[PATH], size_t used) {
  for (size_t i = 0; i < torch_length(v); i++) {
    int is_dict = torch_value_kind(v) == TORCH_DICT, known = 1;
    const torch_value *below = is_dict ? torch_value_at(v, i) : torch_item(v, i);
    const char *key = is_dict ? torch_key_at(v, i)->u.text.s : "";
    int n = is_dict ? snprintf(path + used, PATH - used, "%s%s", used ? "." : "", key)
                    : snprintf(path + used, PATH - used, ".%zu", i);
    if (n < 0 || (size_t)n >= PATH - used)
      EQS_FAIL(EQS_ERR_FORMAT, "configuration: the name %.80s... is too long", path);
    if (is_dict) known = model_key(f, key);
    if (!known)
      EQS_FAIL(EQS_ERR_UNSUPPORTED,
               "configuration: '%s' is not known to format version %d; the model needs a newer "
               "program",
               path, MODEL_FILE_VERSION);
    if (known == 1) EQS_TRY(check_keys(f, below, path, used + (size_t)n));
  }
  return EQS_OK;
}

/* ------------------------------------------------------------------------------------ the tree */

static torch_value *find_key(const torch_value *dict, const char *name, size_t n) {
  for (size_t i = 0; i < dict->list.n; i += 2) {
    const torch_text *t = &dict->list.item[i]->u.text;
    if (t->n == n && !memcmp(t->s, name, n)) return dict->list.item[i + 1];
  }
  return NULL;
}

/* The child of that name, made where a DICT has none; NULL where there cannot be one. */
static eqs_status descend(pickle_arena *a, torch_value *v, const char *name, size_t n,
                          torch_value **out) {
  torch_value *pair[2];
  *out = NULL;
  if (v->kind == TORCH_LIST) {
    char *end;
    unsigned long i =
        n && n < 6 && name[0] >= '0' && name[0] <= '9' ? strtoul(name, &end, 10) : SIZE_MAX;
    if (i < v->list.n && end == name + n) *out = v->list.item[i];
    return EQS_OK;
  }
  if (v->kind != TORCH_DICT) return EQS_OK;
  *out = find_key(v, name, n);
  if (*out) return EQS_OK;
  EQS_TRY(pickle_text(a, TORCH_STRING, name, n, &pair[0]));
  EQS_TRY(pickle_value(a, TORCH_DICT, &pair[1]));
  *out = pair[1];
  return pickle_append(a, v, pair, 2);
}

/* Puts a tensor at "interactions.0.linear_up.weight". */
static eqs_status insert(pickle_arena *a, torch_value *root, const torch_value *key,
                         torch_value *tensor) {
  const char *name = key->u.text.s, *at = name;
  torch_value *v = root;
  for (int part = 0; v && part < PARTS_MAX; part++) {
    size_t n = strcspn(at, ".");
    if (at[n]) {
      EQS_TRY(descend(a, v, at, n, &v));
      at += n + 1;
      continue;
    }
    if (v->kind != TORCH_DICT || find_key(v, at, n)) break;
    torch_value *pair[2] = {NULL, tensor};
    EQS_TRY(pickle_text(a, TORCH_STRING, at, n, &pair[0]));
    return pickle_append(a, v, pair, 2);
  }
  EQS_FAIL(EQS_ERR_FORMAT, "tensor '%.100s' has no place in the configuration", name);
}

/* Every DICT with a class becomes an OBJECT of it, whose state the other pairs are. */
static eqs_status classify(pickle_arena *a, torch_value *v) {
  size_t step = v->kind == TORCH_DICT ? 2 : 1, class_at = SIZE_MAX;
  torch_value *state;
  torch_object *object;
  if (v->kind != TORCH_DICT && v->kind != TORCH_LIST) return EQS_OK;
  for (size_t i = step - 1; i < v->list.n; i += step) {
    EQS_TRY(classify(a, v->list.item[i]));
    if (step == 2 && !strcmp(v->list.item[i - 1]->u.text.s, "class")) class_at = i;
  }
  if (class_at == SIZE_MAX) return EQS_OK;
  const torch_value *name = v->list.item[class_at];
  if (name->kind != TORCH_STRING || strlen(name->u.text.s) != name->u.text.n)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: a class that is no string");
  EQS_TRY(pickle_value(a, TORCH_DICT, &state));
  EQS_TRY(pickle_alloc(a, 1, sizeof *object, &object));
  state->list = v->list;
  state->depth = v->depth;
  memmove(state->list.item + class_at - 1, state->list.item + class_at + 1,
          (state->list.n - class_at - 1) * sizeof *state->list.item);
  state->list.n -= 2;
  *object = (torch_object){.name = name->u.text.s, .state = state};
  v->kind = TORCH_OBJECT;
  v->list = (torch_items){0};
  v->u.object = object;
  return EQS_OK;
}

static eqs_status assemble_mace(pickle_arena *a, torch_value *config, const safetensors *f,
                                const torch_value **root) {
  for (size_t i = 0; i < f->tensors->list.n; i += 2)
    EQS_TRY(insert(a, config, f->tensors->list.item[i], f->tensors->list.item[i + 1]));
  EQS_TRY(classify(a, config));
  if (strncmp(torch_class(config), "mace.", 5) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: its class is '%.80s', not one of mace",
             torch_class(config));
  *root = config;
  return EQS_OK;
}

static eqs_status assemble_sevennet(pickle_arena *a, torch_value *config, const safetensors *f,
                                    const torch_value **root) {
  torch_value *all, *pair[4] = {NULL, config, NULL, f->tensors};
  EQS_TRY(pickle_value(a, TORCH_DICT, &all));
  EQS_TRY(pickle_text(a, TORCH_STRING, "config", 6, &pair[0]));
  EQS_TRY(pickle_text(a, TORCH_STRING, "model_state_dict", 16, &pair[2]));
  EQS_TRY(pickle_append(a, all, pair, 4));
  *root = all;
  return EQS_OK;
}

static eqs_status read_config(const torch_value *metadata, pickle_arena *a, model_family family,
                              torch_value **out) {
  const torch_value *text = torch_get(metadata, "config");
  char path[PATH] = "";
  if (torch_value_kind(text) != TORCH_STRING)
    EQS_FAIL(EQS_ERR_FORMAT, "the metadata have no 'config'");
  eqs_status status = json_decode(text->u.text.s, text->u.text.n, a, out);
  if (status != EQS_OK) return status_prefix(status, "configuration");
  if ((*out)->kind != TORCH_DICT)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: it is %s, not an object",
             torch_kind_name((torch_kind)(*out)->kind));
  return check_keys(family, *out, path, 0);
}

eqs_status model_file_decode(const void *bytes, size_t n, pickle_arena *arena,
                             const torch_value **root, const torch_value **metadata) {
  safetensors f;
  model_family family;
  torch_value *config;
  EQS_TRY(safetensors_decode(bytes, n, arena, &f));
  EQS_TRY(check_version(f.metadata));
  EQS_TRY(read_family(f.metadata, &family));
  EQS_TRY(read_config(f.metadata, arena, family, &config));
  EQS_TRY(check_sum(f.metadata, &f));
  EQS_TRY(check_finite(f.tensors));
  *metadata = f.metadata;
  if (family == FAMILY_MACE) return assemble_mace(arena, config, &f, root);
  return assemble_sevennet(arena, config, &f, root);
}
