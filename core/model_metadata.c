/* model_metadata.c -- the metadata of model files of this program's own, read and written.
 *
 * Those that the engine can tell itself (elements, parameters, repulsion, libxc's identifiers) are
 * written by it and checked when the file is read; the others are the author's.
 *
 * SPDX-License-Identifier: MIT */
#include "core/model_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/elements.h"
#include "io/model_file.h"
#include "potentials/functional_names.h"
#include "potentials/mace.h"
#include "potentials/sevennet.h"

enum { PAIRS_MAX = 256, VALUE_MAX = 65536, KEY_MAX = 64 };

const char *model_metadata_get(const eqs_model *m, const char *key) {
  const torch_value *v = torch_get(torch_archive_metadata(m->archive), key);
  const char *s = NULL;
  if (v && torch_to_string(v, key, &s) != EQS_OK) return NULL;
  return s;
}

eqs_status eqs_model_metadata(const eqs_model *m, int i, const char **key, const char **value) {
  if (!m || !key || !value) EQS_FAIL(EQS_ERR_ARGUMENT, "no model, or no place for key and value");
  const torch_value *all = torch_archive_metadata(m->archive);
  *key = *value = NULL;
  if (i < 0 || (size_t)i >= torch_length(all)) return EQS_OK;
  EQS_TRY(torch_to_string(torch_key_at(all, (size_t)i), "metadata", key));
  return torch_to_string(torch_value_at(all, (size_t)i), *key, value);
}

/* ------------------------------------------------------------------------------------ reading */

/* "H C N O", in the order of the atomic numbers. */
static void name_elements(const eqs_model_info *info, char *out, size_t size) {
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; i < info->n_element && used + 4 < size; i++)
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "",
                             element_symbol(info->elements[i]));
}

static eqs_status check_elements(const eqs_model *m) {
  char have[4 * ELEMENT_MAX + 1];
  const char *said = model_metadata_get(m, "elements");
  name_elements(&m->potential->info, have, sizeof have);
  if (!said || strcmp(said, have) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "the metadata's elements '%.200s' are not those of the tensors, '%s'",
             said ? said : "", have);
  return EQS_OK;
}

static eqs_status read_parameters(const eqs_model *m, int64_t *out) {
  const char *said = model_metadata_get(m, "parameters");
  char *end;
  if (!said) EQS_FAIL(EQS_ERR_FORMAT, "the metadata have no 'parameters'");
  long long n = strtoll(said, &end, 10);
  if (end == said || *end || n < 1)
    EQS_FAIL(EQS_ERR_FORMAT, "the metadata's parameters are '%.40s', not a number from 1", said);
  *out = (int64_t)n;
  return EQS_OK;
}

/* Whether the wall is added when it is left to the file. */
static eqs_status check_wall(const char *said, eqs_status wrong) {
  if (!said || !*said || !strcmp(said, "on") || !strcmp(said, "off")) return EQS_OK;
  EQS_FAIL(wrong, "metadata 'wall' are on or off, not '%.40s'", said);
}

eqs_status model_metadata_apply(eqs_model *m) {
  eqs_model_info *info = &m->potential->info;
  if (!torch_archive_metadata(m->archive)) return EQS_OK;
  EQS_TRY(check_elements(m));
  EQS_TRY(read_parameters(m, &info->n_parameter));
  const char *functional = model_metadata_get(m, "functional");
  if (functional && info->n_head <= 1) info->functional = functional;
  return check_wall(model_metadata_get(m, "wall"), EQS_ERR_FORMAT);
}

/* ------------------------------------------------------------------------------------ writing */

typedef struct pair_list {
  model_file_pair pair[PAIRS_MAX];
  size_t n;
} pair_list;

/* Keys that the author does not set. */
static int is_own(const char *key) {
  static const char *const own[] = {"format",   "format_version", "family",
                                    "elements", "parameters",     "repulsion",
                                    "libxc",    "sha256",         "config"};
  for (size_t k = 0; k < sizeof own / sizeof *own; k++)
    if (!strcmp(key, own[k])) return 1;
  return 0;
}

static eqs_status add(pair_list *l, const char *key, const char *value) {
  if (l->n == PAIRS_MAX) EQS_FAIL(EQS_ERR_ARGUMENT, "more than %d metadata", PAIRS_MAX);
  l->pair[l->n++] = (model_file_pair){key, value};
  return EQS_OK;
}

static const char *find(const pair_list *l, const char *key) {
  for (size_t i = 0; i < l->n; i++)
    if (!strcmp(l->pair[i].key, key)) return l->pair[i].value;
  return NULL;
}

static eqs_status check_key(const char *key) {
  size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");
  if (!n || key[n] || n > KEY_MAX || key[0] < 'a')
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "metadata '%.80s': a key has up to %d letters a-z, digits and _ and begins with a "
             "letter",
             key, KEY_MAX);
  if (is_own(key)) EQS_FAIL(EQS_ERR_ARGUMENT, "metadata '%s' are written by the program", key);
  return EQS_OK;
}

/* What the caller sets, and then what the file had that the model came from. */
static eqs_status add_given(const eqs_model *m, const eqs_model_write_options *o, pair_list *l) {
  for (int i = 0; i < o->n; i++) {
    if (!o->keys || !o->values || !o->keys[i] || !o->values[i])
      EQS_FAIL(EQS_ERR_ARGUMENT, "metadata %d: no key or no value", i + 1);
    EQS_TRY(check_key(o->keys[i]));
    if (strlen(o->values[i]) > VALUE_MAX)
      EQS_FAIL(EQS_ERR_ARGUMENT, "metadata '%s' has more than %d bytes", o->keys[i], VALUE_MAX);
    if (find(l, o->keys[i])) EQS_FAIL(EQS_ERR_ARGUMENT, "metadata '%s' are set twice", o->keys[i]);
    EQS_TRY(add(l, o->keys[i], o->values[i]));
  }
  const char *key, *value;
  for (int i = 0;; i++) {
    EQS_TRY(eqs_model_metadata(m, i, &key, &value));
    if (!key) return EQS_OK;
    if (!is_own(key) && !find(l, key)) EQS_TRY(add(l, key, value));
  }
}

/* The functional, the dispersion that belongs to it, and the wall. */
static eqs_status check_meaning(const eqs_model_info *info, pair_list *l) {
  const char *functional = find(l, "functional"), *correction = find(l, "dispersion");
  dispersion unused;
  if (functional && *functional && info->n_head > 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "metadata 'functional': each of the model's %d heads has its own",
             info->n_head);
  if (!functional && info->functional && info->n_head <= 1) {
    functional = info->functional;
    EQS_TRY(add(l, "functional", functional));
  }
  if (functional && *functional) {
    char usual[FUNCTIONAL_NAME];
    functional_usual_name(functional, usual);
    const char *identifiers = functional_identifiers(usual);
    if (identifiers) EQS_TRY(add(l, "libxc", identifiers));
  }
  EQS_TRY(check_wall(find(l, "wall"), EQS_ERR_ARGUMENT));
  if (!correction || !*correction || !strcmp(correction, "none")) return EQS_OK;
  eqs_status status =
      dispersion_parse(correction, functional && *functional ? functional : NULL, &unused);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "metadata 'dispersion'");
}

eqs_status eqs_model_write(const eqs_model *m, const char *path,
                           const eqs_model_write_options *options) {
  eqs_model_write_options o = {.size = sizeof o};
  pair_list given = {.n = 0}, all = {.n = 0};
  char elements[4 * ELEMENT_MAX + 1], parameters[24];
  if (!m || !path || !*path) EQS_FAIL(EQS_ERR_ARGUMENT, "no model or no path");
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  const eqs_model_info *info = &m->potential->info;
  const torch_value *root = torch_archive_root(m->archive);
  model_family family = mace_is(root) ? FAMILY_MACE : FAMILY_SEVENNET;
  int repulsive = torch_value_kind(torch_get(root, "pair_repulsion_fn")) != TORCH_NONE;
  EQS_TRY(add_given(m, &o, &given));
  EQS_TRY(check_meaning(info, &given));
  name_elements(info, elements, sizeof elements);
  snprintf(parameters, sizeof parameters, "%lld", (long long)info->n_parameter);
  EQS_TRY(add(&all, "elements", elements));
  EQS_TRY(add(&all, "parameters", parameters));
  EQS_TRY(add(&all, "repulsion", repulsive ? "ZBL" : "none"));
  for (size_t i = 0; i < given.n; i++)
    if (*given.pair[i].value) EQS_TRY(add(&all, given.pair[i].key, given.pair[i].value));
  if (!torch_archive_metadata(m->archive) && !find(&given, "source_sha256"))
    EQS_TRY(add(&all, "source_sha256", torch_archive_sha256(m->archive)));
  eqs_status status = model_file_write(root, family, path, o.overwrite, all.pair, all.n);
  return status == EQS_OK || status == EQS_ERR_FILE ? status : status_prefix(status, "%s", path);
}
