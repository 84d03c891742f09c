/* sevennet_config.c -- reads the configuration that the sevenn package stores beside the weights.
 *
 * Defaults are those of the package where a key is absent. Whatever is not implemented is refused
 * by name; whatever sets a size is checked against limits before anything is allocated.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/sevennet_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUL_MAX = 1024, WIDTH_MAX = 1024 };

static int absent(const torch_value *v) { return torch_value_kind(v) == TORCH_NONE; }

/* A whole number under `key`, `otherwise` if there is none. */
static eqs_status get_int(const torch_value *c, const char *key, int otherwise, int from, int to,
                          int *out) {
  const torch_value *v = torch_get(c, key);
  int64_t x = otherwise;
  if (!absent(v)) EQS_TRY(torch_to_int(v, key, &x));
  if (x < from || x > to)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "configuration: %s is %lld; it must lie in %d .. %d", key,
             (long long)x, from, to);
  *out = (int)x;
  return EQS_OK;
}

static eqs_status get_bool(const torch_value *c, const char *key, int otherwise, int *out) {
  const torch_value *v = torch_get(c, key);
  *out = otherwise;
  return absent(v) ? EQS_OK : torch_to_bool(v, key, out);
}

static eqs_status get_double(const torch_value *c, const char *key, double *out) {
  EQS_TRY(torch_to_double(torch_get(c, key), key, out));
  if (!(fabs(*out) < 1e6)) EQS_FAIL(EQS_ERR_FORMAT, "configuration: %s is %g", key, *out);
  return EQS_OK;
}

/* Fails unless the string under `key` (or `otherwise`) is `wanted`. */
static eqs_status need_string(const torch_value *c, const char *key, const char *otherwise,
                              const char *wanted) {
  const torch_value *v = torch_get(c, key);
  const char *s = otherwise;
  if (!absent(v)) EQS_TRY(torch_to_string(v, key, &s));
  if (strcmp(s, wanted))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "SevenNet with %s = '%.64s' is not supported (only '%s')", key, s,
             wanted);
  return EQS_OK;
}

static eqs_status need_false(const torch_value *c, const char *key, int otherwise) {
  int x = 0;
  EQS_TRY(get_bool(c, key, otherwise, &x));
  if (x) EQS_FAIL(EQS_ERR_UNSUPPORTED, "SevenNet with %s is not supported", key);
  return EQS_OK;
}

/* "0.11.0" and later sort the radial network's columns; its development versions do not. */
static eqs_status read_version(const torch_value *c, int *sorted, int *old) {
  const char *s;
  int major = 0, minor = 0, patch = 0;
  EQS_TRY(torch_to_string(torch_get(c, "version"), "version", &s));
  if (sscanf(s, "%4d.%4d.%4d", &major, &minor, &patch) < 2)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: version is '%.64s', not like 0.9.1", s);
  int before = major == 0 && minor == 11 && patch == 0 && strstr(s, "dev");
  *sorted = (major > 0 || minor >= 11) && !before;
  *old = major == 0 && minor <= 9;
  return EQS_OK;
}

static eqs_status check_kind(const torch_value *c) {
  EQS_TRY(need_string(c, "_model_type", "E3_equivariant_model", "E3_equivariant_model"));
  EQS_TRY(need_string(c, "interaction_type", "nequip", "nequip"));
  EQS_TRY(need_string(c, "act_radial", "silu", "silu"));
  EQS_TRY(need_string(c, "act_scalar.e", "silu", "silu"));
  EQS_TRY(need_string(c, "act_gate.e", "silu", "silu"));
  EQS_TRY(need_string(c, "radial_basis.radial_basis_name", "bessel", "bessel"));
  EQS_TRY(need_false(c, "is_parity", 1));
  EQS_TRY(need_false(c, "use_bias_in_linear", 0));
  EQS_TRY(need_false(c, "readout_as_fcn", 0));
  EQS_TRY(need_false(c, "use_modal_node_embedding", 0));
  EQS_TRY(need_false(c, "cuequivariance_config.use", 0));
  const torch_value *self = torch_get(c, "self_connection_type");
  if (torch_value_kind(self) != TORCH_LIST)
    return need_string(c, "self_connection_type", "nequip", "linear");
  for (size_t i = 0; i < torch_length(self); i++) {
    const char *s;
    EQS_TRY(torch_to_string(torch_item(self, i), "self_connection_type", &s));
    if (strcmp(s, "linear"))
      EQS_FAIL(EQS_ERR_UNSUPPORTED,
               "SevenNet with self_connection_type = '%.64s' is not supported (only 'linear')", s);
  }
  return EQS_OK;
}

/* "128x0e+64x1e+32x2e": even, ascending l, each once, beginning with scalars. */
static eqs_status read_irreps(const char *s, layout *out) {
  int mul[N_L] = {0}, before = -1;
  const char *at = s;
  do {
    int m, l;
    char parity;
    if (!irreps_term(&at, &m, &l, &parity))
      EQS_FAIL(EQS_ERR_FORMAT, "irreps '%.100s' cannot be read", s);
    if (parity != 'e' || l > L_MAX || l <= before || (before < 0 && l))
      EQS_FAIL(EQS_ERR_UNSUPPORTED,
               "irreps '%.100s' are not supported: even blocks of l = 0 to %d in order, once each",
               s, L_MAX);
    if (m < 1 || m > MUL_MAX || m % KERNEL_ROW_PAD)
      EQS_FAIL(EQS_ERR_UNSUPPORTED,
               "irreps '%.100s' are not supported: channels must be multiples of %d up to %d", s,
               KERNEL_ROW_PAD, MUL_MAX);
    mul[l] = m;
    before = l;
  } while (*at);
  *out = layout_make(mul);
  return EQS_OK;
}

static eqs_status read_layers(const torch_value *c, sevennet_config *out) {
  EQS_TRY(get_int(c, "num_convolution_layer", 3, 1, SEVENNET_LAYERS_MAX, &out->n_layer));
  int edge = -1;
  EQS_TRY(get_int(c, "lmax", 1, 0, L_MAX, &out->lmax));
  EQS_TRY(get_int(c, "lmax_edge", -1, -1, L_MAX, &edge));
  if (edge > 0) out->lmax = edge;
  const torch_value *list = torch_get(c, "irreps_manual");
  if (torch_value_kind(list) != TORCH_LIST)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "SevenNet without irreps_manual is not supported");
  if (torch_length(list) != (size_t)out->n_layer + 1)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: irreps_manual has %zu entries for %d layers",
             torch_length(list), out->n_layer);
  for (int i = 0; i <= out->n_layer; i++) {
    const char *s;
    EQS_TRY(torch_to_string(torch_item(list, (size_t)i), "irreps_manual", &s));
    EQS_TRY(read_irreps(s, &out->x[i]));
  }
  for (int l = 1; l < N_L; l++)
    if (out->x[0].mul[l] || out->x[out->n_layer].mul[l])
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "SevenNet whose first or last features are not scalars alone "
                                    "is not supported");
  const torch_value *hidden = torch_get(c, "weight_nn_hidden_neurons");
  size_t n = torch_length(hidden);
  if (torch_value_kind(hidden) != TORCH_LIST || n > SEVENNET_HIDDEN_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "configuration: weight_nn_hidden_neurons must be a list of at most %d numbers",
             SEVENNET_HIDDEN_MAX);
  out->n_hidden = (int)n;
  for (size_t i = 0; i < n; i++) {
    int64_t width = 0;
    EQS_TRY(torch_to_int(torch_item(hidden, i), "weight_nn_hidden_neurons", &width));
    if (width < 1 || width > WIDTH_MAX)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial network with a layer of %lld (1 to %d are supported)",
               (long long)width, WIDTH_MAX);
    out->hidden[i] = (int)width;
  }
  return EQS_OK;
}

static eqs_status read_basis(const torch_value *c, radial_basis *b) {
  *b = (radial_basis){.kind = BASIS_BESSEL, .cutoff_on_basis = 1, .transform = TRANSFORM_NONE};
  EQS_TRY(get_double(c, "cutoff", &b->r_max));
  if (!(b->r_max >= 0.5 && b->r_max <= 50))
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: cutoff is %g angstrom", b->r_max);
  b->prefactor = 2 / b->r_max;
  EQS_TRY(get_int(c, "radial_basis.bessel_basis_num", 8, 1, BASIS_MAX, &b->n));
  const torch_value *name = torch_get(c, "cutoff_function.cutoff_function_name");
  const char *s = "poly_cut";
  if (!absent(name)) EQS_TRY(torch_to_string(name, "cutoff_function_name", &s));
  if (!strcmp(s, "XPLOR")) {
    b->cutoff = CUTOFF_XPLOR;
    EQS_TRY(get_double(c, "cutoff_function.cutoff_on", &b->r_on));
    if (!(b->r_on > 0 && b->r_on < b->r_max))
      EQS_FAIL(EQS_ERR_FORMAT, "configuration: cutoff_on is %g, not between 0 and the cutoff",
               b->r_on);
  } else if (!strcmp(s, "poly_cut")) {
    int p = 6;
    b->cutoff = CUTOFF_POLYNOMIAL;
    EQS_TRY(get_int(c, "cutoff_function.poly_cut_p_value", 6, 3, 100, &p));
    b->cutoff_p = p;
  } else {
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "SevenNet with cutoff function '%.64s' is not supported", s);
  }
  return EQS_OK;
}

/* A number as a key: where the configuration is JSON, its decimal digits. */
static eqs_status key_number(const torch_value *key, int64_t *out) {
  const char *s;
  char *end;
  if (torch_value_kind(key) != TORCH_STRING) return torch_to_int(key, "_type_map", out);
  EQS_TRY(torch_to_string(key, "_type_map", &s));
  *out = strtoll(s, &end, 10);
  if (*s < '0' || *s > '9' || *end)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: _type_map has '%.40s' among its atomic numbers", s);
  return EQS_OK;
}

static eqs_status read_elements(const torch_value *c, sevennet_config *out) {
  const torch_value *map = torch_get(c, "_type_map");
  size_t n = torch_length(map);
  int type_of[ELEMENT_MAX + 1], seen[ELEMENT_MAX] = {0};
  if (torch_value_kind(map) != TORCH_DICT || n < 1 || n > ELEMENT_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: _type_map is no map of 1 to %d elements", ELEMENT_MAX);
  for (int z = 0; z <= ELEMENT_MAX; z++) type_of[z] = -1;
  for (size_t i = 0; i < n; i++) {
    int64_t z = 0, t = 0;
    EQS_TRY(key_number(torch_key_at(map, i), &z));
    EQS_TRY(torch_to_int(torch_value_at(map, i), "_type_map", &t));
    if (z < 1 || z > ELEMENT_MAX || t < 0 || t >= (int64_t)n || seen[t]++ || type_of[z] >= 0)
      EQS_FAIL(EQS_ERR_FORMAT, "configuration: _type_map has %lld: %lld among %zu elements",
               (long long)z, (long long)t, n);
    type_of[z] = (int)t;
  }
  for (int z = 1; z <= ELEMENT_MAX; z++)
    if (type_of[z] >= 0) {
      out->element[out->n_element] = z;
      out->type[out->n_element++] = type_of[z];
    }
  return EQS_OK;
}

/* Which channel: the one asked for, else the file's own default, else the only one. */
static eqs_status choose_modal(const torch_value *c, const char *asked, sevennet_config *out) {
  char all[512] = "";
  size_t used = 0;
  for (int i = 0; i < out->n_modal; i++) {
    int n = snprintf(all + used, sizeof all - used, "%s%.40s", i ? ", " : "", out->modal_name[i]);
    if (n < 0 || (size_t)n >= sizeof all - used) break;
    used += (size_t)n;
  }
  const torch_value *own = torch_get(c, "default_modal");
  if (!asked && torch_value_kind(own) == TORCH_STRING)
    EQS_TRY(torch_to_string(own, "default_modal", &asked));
  if (!asked && out->n_modal == 1) asked = out->modal_name[0];
  if (!asked)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the model has several channels: choose one by modal (%s)", all);
  for (int i = 0; i < out->n_modal; i++)
    if (!strcmp(asked, out->modal_name[i])) {
      out->modal = i;
      return EQS_OK;
    }
  EQS_FAIL(EQS_ERR_ARGUMENT, "the model has no modal '%.64s'; it has %s", asked, all);
}

static eqs_status read_modals(const torch_value *c, const char *asked, sevennet_config *out) {
  int used = 0;
  EQS_TRY(get_bool(c, "use_modality", 0, &used));
  if (!used) {
    if (asked)
      EQS_FAIL(EQS_ERR_ARGUMENT, "the model has no modal channels, so '%.64s' cannot be chosen",
               asked);
    return EQS_OK;
  }
  const torch_value *map = torch_get(c, "_modal_map");
  size_t n = torch_length(map);
  if (torch_value_kind(map) != TORCH_DICT || n < 1 || n > SEVENNET_MODALS_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "configuration: _modal_map is no map of 1 to %d channels",
             SEVENNET_MODALS_MAX);
  out->n_modal = (int)n;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    int64_t at = 0;
    EQS_TRY(torch_to_string(torch_key_at(map, i), "_modal_map", &name));
    EQS_TRY(torch_to_int(torch_value_at(map, i), "_modal_map", &at));
    if (at < 0 || at >= (int64_t)n || out->modal_name[at])
      EQS_FAIL(EQS_ERR_FORMAT, "configuration: _modal_map does not number its channels");
    out->modal_name[at] = name;
  }
  EQS_TRY(get_bool(c, "use_modal_self_inter_intro", 0, &out->modal_intro));
  EQS_TRY(get_bool(c, "use_modal_self_inter_outro", 0, &out->modal_outro));
  EQS_TRY(get_bool(c, "use_modal_output_block", 0, &out->modal_output));
  EQS_TRY(get_bool(c, "use_modal_wise_shift", 0, &out->modal_shift));
  EQS_TRY(get_bool(c, "use_modal_wise_scale", 0, &out->modal_scale));
  return choose_modal(c, asked, out);
}

/* The file does not name the functional. A channel is called by it; a single-channel model of the
 * 0.9 series over the 89 elements of the Materials Project's trajectories was trained on those,
 * which are PBE. */
static const char *functional_of(const sevennet_config *c, int old) {
  if (c->n_modal) {
    const char *name = c->modal_name[c->modal];
    if (!strcmp(name, "PBE")) return "PBE";
    return !strcmp(name, "R2SCAN") ? "r2SCAN" : NULL;
  }
  if (!old || c->n_element != 89) return NULL;
  for (int i = 0; i < 89; i++)
    if (c->element[i] != (i < 83 ? i + 1 : i + 6)) return NULL;
  return "PBE";
}

eqs_status sevennet_config_read(const torch_value *config, const eqs_model_options *o,
                                sevennet_config *out) {
  int old = 0;
  memset(out, 0, sizeof *out);
  if (torch_value_kind(config) != TORCH_DICT)
    EQS_FAIL(EQS_ERR_FORMAT, "the checkpoint has no configuration");
  if (o && o->head)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "a SevenNet model has no heads, so '%.64s' cannot be chosen; its "
             "channels are chosen by modal",
             o->head);
  EQS_TRY(read_version(config, &out->sorted, &old));
  EQS_TRY(check_kind(config));
  EQS_TRY(read_layers(config, out));
  EQS_TRY(read_basis(config, &out->basis));
  EQS_TRY(read_elements(config, out));
  EQS_TRY(get_bool(config, "_normalize_sph", !old, &out->normalize));
  EQS_TRY(read_modals(config, o ? o->modal : NULL, out));
  out->functional = functional_of(out, old);
  return EQS_OK;
}
