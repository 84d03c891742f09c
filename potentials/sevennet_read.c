/* sevennet_read.c -- SevenNet from a checkpoint of the sevenn package: names, sizes and order of
 * the weights, everything constant folded.
 *
 * A Linear's weights are one vector: per input block a matrix [in][out], divided by the square root
 * of the fan-in. With modal channels one more block stands at the end of some, [modal][scalars
 * out], of which one row counts: a constant. Until 0.11.0 the radial network's columns are in the
 * order of the paths, from then on sorted by l3. The 3j symbols are the stored ones: the weights
 * were trained with their signs, which in old files are not always those of e3nn 0.5.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/upload.h"
#include "potentials/sevennet_config.h"
#include "potentials/wigner.h"

enum { NAME = 160, TENSORS_MAX = 100000, ELEMENTS_MAX = 1 << 26 };
static const double silu_constant = 1.6791767923989418; /* e3nn's normalize2mom, a sampled mean */

typedef struct reader {
  sevennet *s;
  sevennet_config c;
  const torch_value *state;
  const kernel_ops *k;
  int64_t n_parameter;
  size_t left; /* numbers that may still be read: tensors may claim more than the file holds */
} reader;

/* ------------------------------------------------------------------------------ parameters */

/* The name in files of before April 2024: "0 convolution.denumerator". */
static void old_name(const char *name, char out[NAME]) {
  static const char *const module[][2] = {
      {"edge_embedding", "EdgeEmbedding"},
      {"reduce_input_to_hidden", "reducing nn input to hidden"},
      {"reduce_hidden_to_energy", "reducing nn hidden to energy"}};
  size_t n = strcspn(name, ".");
  const char *rest = name + n;
  if (!strcmp(rest, ".denominator")) rest = ".denumerator";
  for (size_t i = 0; i < sizeof module / sizeof *module; i++)
    if (strlen(module[i][0]) == n && !strncmp(name, module[i][0], n)) {
      snprintf(out, NAME, "%s%s", module[i][1], rest);
      return;
    }
  snprintf(out, NAME, "%.*s%s", (int)n, name, rest);
  for (size_t i = 0; i < n; i++)
    if (out[i] == '_') out[i] = ' ';
}

static const torch_value *find(const reader *r, const char *name) {
  char old[NAME];
  const torch_value *v = torch_get(r->state, name);
  if (v) return v;
  old_name(name, old);
  return torch_get(r->state, old);
}

/* Reads n finite numbers into a new array. */
static eqs_status read_numbers(reader *r, const char *name, size_t n, double **out) {
  const torch_value *v = find(r, name);
  if (!v) EQS_FAIL(EQS_ERR_FORMAT, "parameter '%s' is missing", name);
  if (torch_tensor_count(v) != n)
    EQS_FAIL(EQS_ERR_FORMAT, "parameter '%s' has %zu numbers, the configuration asks for %zu", name,
             torch_tensor_count(v), n);
  if (n > r->left)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "the model has more than %d parameters", ELEMENTS_MAX);
  r->left -= n;
  EQS_TRY(alloc_array(out, n, sizeof **out, name));
  eqs_status status = torch_tensor_read(v, name, *out, n);
  for (size_t i = 0; status == EQS_OK && i < n; i++)
    if (!isfinite((*out)[i]))
      status = status_fail(EQS_ERR_FORMAT, "parameter '%s' is not finite", name);
  if (status == EQS_OK) return EQS_OK;
  free(*out);
  *out = NULL;
  return status;
}

static eqs_status read_number(reader *r, const char *name, double *out) {
  double *one;
  EQS_TRY(read_numbers(r, name, 1, &one));
  *out = *one;
  free(one);
  return EQS_OK;
}

/* The same as read_numbers for what training adjusts. */
static eqs_status read_weights(reader *r, const char *name, size_t n, double **out) {
  EQS_TRY(read_numbers(r, name, n, out));
  r->n_parameter += (int64_t)n;
  return EQS_OK;
}

/* ------------------------------------------------------------------------------ linear maps */

/* A Linear and, if `bias` is not NULL, the constant that the modal channel adds to its scalars,
 * [out->pitch[0]] in double (NULL if `modal` is 0). */
static eqs_status read_linear(reader *r, const char *name, const kernel_ops *k, const irreps *from,
                              const layout *in, const layout *out, int modal, double factor,
                              linear_map *map, double **bias) {
  size_t n = 0, scalars = (size_t)out->mul[0];
  int fan = r->c.n_modal, n_modal = modal ? r->c.n_modal : 0;
  for (int b = 0; b < from->n; b++) {
    n += (size_t)from->block[b].mul * (size_t)out->mul[from->block[b].l];
    if (from->block[b].l == 0) fan += from->block[b].mul;
  }
  char path[NAME];
  double *w;
  snprintf(path, NAME, "%s.linear.weight", name);
  EQS_TRY(read_weights(r, path, n + (size_t)n_modal * scalars, &w));
  eqs_status status = linear_map_build(map, k, from, in, out, w, n, 1, 0, n_modal, factor, path);
  if (status == EQS_OK && n_modal) {
    status = alloc_array(bias, (size_t)out->pitch[0], sizeof **bias, path);
    const double *row = w + n + (size_t)r->c.modal * scalars;
    for (size_t i = 0; status == EQS_OK && i < scalars; i++) (*bias)[i] = row[i] / sqrt(fan);
  }
  free(w);
  return status;
}

/* ------------------------------------------------------------------------------ convolution */

/* The stored symbols of path p; NULL where an l is 0, or where a new file has none (some backends
 * of sevenn need none): the exact ones serve. */
static eqs_status read_wigner(reader *r, int layer, l_path p, double **out) {
  *out = NULL;
  if (!p.l1 || !p.l2 || !p.l3) return EQS_OK;
  char name[NAME];
  double own[WIGNER_MAX], same = 0, opposite = 0;
  size_t n = (size_t)((2 * p.l1 + 1) * (2 * p.l2 + 1) * (2 * p.l3 + 1));
  snprintf(name, NAME, "%d_convolution.convolution._compiled_main_left_right._w3j_%d_%d_%d", layer,
           p.l1, p.l2, p.l3);
  if (r->c.sorted && !find(r, name)) return EQS_OK;
  EQS_TRY(read_numbers(r, name, n, out));
  wigner_3j(p.l1, p.l2, p.l3, own);
  for (size_t i = 0; i < n; i++) {
    same = fmax(same, fabs((*out)[i] - own[i]));
    opposite = fmax(opposite, fabs((*out)[i] + own[i]));
  }
  if (same > 1e-5 && opposite > 1e-5)
    EQS_FAIL(EQS_ERR_FORMAT, "'%s' are not the 3j symbols of that order", name);
  return EQS_OK;
}

static void sort_paths(int n, l_path *p) {
  l_path sorted[PATHS_MAX];
  int at = 0;
  for (int l = 0; l < N_L; l++)
    for (int i = 0; i < n; i++)
      if (p[i].l3 == l) sorted[at++] = p[i];
  memcpy(p, sorted, (size_t)n * sizeof *p);
}

static eqs_status read_radial(reader *r, int layer, const layout *x, int n_path,
                              const l_path *paths, radial **out) {
  const sevennet_config *c = &r->c;
  int channels[PATHS_MAX], width[NETWORK_LAYERS_MAX + 1] = {c->basis.n}, n = c->n_hidden + 1;
  double *weight[NETWORK_LAYERS_MAX] = {NULL};
  dense_network net = {.n = n, .act = silu_constant};
  eqs_status status = EQS_OK;
  for (int i = 0; i < c->n_hidden; i++) width[i + 1] = c->hidden[i];
  for (int i = 0; i < n_path; i++) width[n] += channels[i] = x->mul[paths[i].l1];
  for (int i = 0; i < n; i++) {
    char name[NAME];
    snprintf(name, NAME, "%d_convolution.weight_nn.layer%d.weight", layer, i);
    const int64_t *shape = torch_tensor_shape(find(r, name));
    if (torch_tensor_rank(find(r, name)) != 2 || shape[0] != width[i] || shape[1] != width[i + 1]) {
      status = status_fail(EQS_ERR_FORMAT, "parameter '%s' is no matrix of %d x %d", name, width[i],
                           width[i + 1]);
      goto done;
    }
    EQS_TRY_DONE(read_weights(r, name, (size_t)width[i] * (size_t)width[i + 1], &weight[i]));
    net.layer[i] = (dense_layer){.in = width[i],
                                 .out = width[i + 1],
                                 .scale = 1 / sqrt((double)width[i]),
                                 .weight = weight[i]};
  }
  EQS_TRY_DONE(radial_create(&c->basis, r->k, &net, NULL, n_path, channels, out));
done:
  for (int i = 0; i < n; i++) free(weight[i]);
  return status;
}

static eqs_status read_convolution(reader *r, int layer) {
  const sevennet_config *c = &r->c;
  sevennet_layer *y = r->s->layer + layer;
  l_path paths[PATHS_MAX];
  double *wigner[PATHS_MAX] = {NULL};
  const double *view[PATHS_MAX];
  radial *f = NULL;
  eqs_status status = EQS_OK;
  int l_out = 0;
  for (int l = 0; l < N_L; l++)
    if (y->next.mul[l]) l_out = l;
  int n = convolution_paths(&y->x, c->lmax, l_out, 0, paths);
  if (c->sorted) sort_paths(n, paths);
  for (int i = 0; i < n; i++) {
    EQS_TRY_DONE(read_wigner(r, layer, paths[i], &wigner[i]));
    view[i] = wigner[i];
  }
  EQS_TRY_DONE(read_radial(r, layer, &y->x, n, paths, &f));
  status = convolution_build(&y->conv, r->k, &y->x, c->lmax, c->normalize, n, paths, 1, view, f);
done:
  for (int i = 0; i < n; i++) free(wigner[i]);
  return status;
}

/* --------------------------------------------------------------------------------- layers */

static void lay_out(const sevennet_config *c, int layer, sevennet_layer *y) {
  int mul[N_L];
  y->x = c->x[layer];
  y->next = c->x[layer + 1];
  memcpy(mul, y->next.mul, sizeof mul);
  for (int l = 1; l < N_L; l++) {
    y->gate_offset[l] = mul[0];
    mul[0] += mul[l];
  }
  y->gate = layout_make(mul);
}

/* Rows per species of a double map of the embedding, plus `bias`, as reals of the kernels. */
static eqs_status tabulate(const reader *r, const linear_map *map, const double *embedding,
                           const double *bias, void **out) {
  size_t n = (size_t)r->c.n_element, size = (size_t)map->out.size;
  double *rows;
  EQS_TRY(alloc_array(&rows, n * size, sizeof *rows, "species table"));
  linear_map_forward(map, (int)n, NULL, embedding, NULL, rows, 0);
  for (size_t i = 0; bias && i < n; i++)
    for (size_t j = 0; j < (size_t)map->out.pitch[0]; j++) rows[i * size + j] += bias[j];
  eqs_status status = upload_reals(r->k, rows, n * size, "species table", out);
  free(rows);
  return status;
}

/* The embedding of each element, ascending, as padded rows. */
static eqs_status read_embedding(reader *r, double **out) {
  const layout *x = &r->c.x[0];
  size_t n = (size_t)r->c.n_element, mul = (size_t)x->mul[0];
  double *w;
  const char *name = "onehot_to_feature_x.linear.weight";
  EQS_TRY(read_weights(r, name, n * mul, &w));
  r->s->head.info.stored = torch_tensor_dtype(find(r, name));
  eqs_status status = alloc_array(out, n * (size_t)x->size, sizeof **out, name);
  for (size_t i = 0; status == EQS_OK && i < n; i++)
    for (size_t j = 0; j < mul; j++)
      (*out)[i * (size_t)x->size + j] = w[(size_t)r->c.type[i] * mul + j] / sqrt((double)n);
  free(w);
  return status;
}

static eqs_status read_layer(reader *r, int layer) {
  sevennet *s = r->s;
  sevennet_layer *y = s->layer + layer;
  char name[NAME];
  double denominator = 0, *intro = NULL, *outro = NULL, *unused = NULL, *embedding = NULL;
  eqs_status status = EQS_OK;
  /* the first layer's own maps are applied here, once per element, in double */
  const kernel_ops *k = layer ? r->k : kernels_host(1);
  lay_out(&r->c, layer, y);
  irreps from = irreps_of(&y->x);
  EQS_TRY(read_convolution(r, layer));
  snprintf(name, NAME, "%d_convolution.denominator", layer);
  EQS_TRY(read_number(r, name, &denominator));
  if (!(fabs(denominator) > 1e-6)) EQS_FAIL(EQS_ERR_FORMAT, "'%s' is %g", name, denominator);
  snprintf(name, NAME, "%d_self_connection_intro", layer);
  EQS_TRY_DONE(read_linear(r, name, k, &from, &y->x, &y->gate, 0, 1, &y->self, &unused));
  snprintf(name, NAME, "%d_self_interaction_1", layer);
  EQS_TRY_DONE(
      read_linear(r, name, k, &from, &y->x, &y->x, r->c.modal_intro, 1, &y->linear_1, &intro));
  snprintf(name, NAME, "%d_self_interaction_2", layer);
  EQS_TRY_DONE(read_linear(r, name, r->k, &y->conv.slots, &y->conv.out, &y->gate, r->c.modal_outro,
                           1 / denominator, &y->linear_2, &outro));
  if (layer) {
    if (intro) EQS_TRY_DONE(upload_reals(r->k, intro, (size_t)y->x.pitch[0], "model", &y->bias_1));
    if (outro)
      EQS_TRY_DONE(upload_reals(r->k, outro, (size_t)y->gate.pitch[0], "model", &y->bias_self));
    goto done;
  }
  EQS_TRY_DONE(read_embedding(r, &embedding));
  EQS_TRY_DONE(tabulate(r, &y->linear_1, embedding, intro, &s->h_first));
  EQS_TRY_DONE(tabulate(r, &y->self, embedding, outro, &s->self_first));
  linear_map_free(&y->linear_1);
  linear_map_free(&y->self);
done:
  free(intro);
  free(outro);
  free(embedding);
  return status;
}

/* -------------------------------------------------------------------------------- readout */

/* scale or shift of each element in *out; [modal][type] in the file if `by_modal`. */
static eqs_status read_table(reader *r, const char *name, int by_modal, double **out) {
  size_t n = (size_t)r->c.n_element;
  int modal = r->c.n_modal && by_modal;
  const torch_value *v = find(r, name);
  double *all;
  if (!modal && torch_tensor_count(v) == 1 && n > 1) { /* one number for all elements */
    EQS_TRY(alloc_array(out, n, sizeof **out, name));
    EQS_TRY(read_number(r, name, *out));
    for (size_t i = 1; i < n; i++) (*out)[i] = (*out)[0];
    return EQS_OK;
  }
  EQS_TRY(read_numbers(r, name, modal ? n * (size_t)r->c.n_modal : n, &all));
  eqs_status status = alloc_array(out, n, sizeof **out, name);
  const double *from = all + (modal ? (size_t)r->c.modal * n : 0);
  for (size_t i = 0; status == EQS_OK && i < n; i++) (*out)[i] = from[r->c.type[i]];
  free(all);
  return status;
}

/* e = (x W1 + modal) W2 as one vector w[channels] and a constant. */
static eqs_status read_readout(reader *r, double **w, double *constant) {
  const layout *x = &r->c.x[r->c.n_layer];
  size_t n = (size_t)x->mul[0];
  size_t n_modal = r->c.modal_output ? (size_t)r->c.n_modal : 0, fan = n + n_modal;
  size_t hidden = torch_tensor_count(find(r, "reduce_hidden_to_energy.linear.weight"));
  double *w1 = NULL, *w2 = NULL;
  eqs_status status = EQS_OK;
  if (hidden < 1 || hidden > 4096)
    EQS_FAIL(EQS_ERR_FORMAT, "'reduce_hidden_to_energy.linear.weight' has %zu numbers", hidden);
  EQS_TRY_DONE(read_weights(r, "reduce_hidden_to_energy.linear.weight", hidden, &w2));
  EQS_TRY_DONE(read_weights(r, "reduce_input_to_hidden.linear.weight", fan * hidden, &w1));
  EQS_TRY_DONE(alloc_array(w, (size_t)x->pitch[0], sizeof **w, "readout"));
  double scale = 1 / sqrt((double)fan) / sqrt((double)hidden);
  for (size_t j = 0; j < hidden; j++) {
    for (size_t i = 0; i < n; i++) (*w)[i] += scale * w1[i * hidden + j] * w2[j];
    if (n_modal) *constant += scale * w1[(n + (size_t)r->c.modal) * hidden + j] * w2[j];
  }
done:
  free(w1);
  free(w2);
  return status;
}

static eqs_status fold_readout(reader *r) {
  sevennet *s = r->s;
  size_t n = (size_t)r->c.n_element, size = (size_t)r->c.x[r->c.n_layer].size;
  double *w = NULL, *scaled = NULL, constant = 0;
  device *d = r->k->device;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(read_table(r, "rescale_atomic_energy.scale", r->c.modal_scale, &s->scale));
  EQS_TRY_DONE(read_table(r, "rescale_atomic_energy.shift", r->c.modal_shift, &s->shift));
  EQS_TRY_DONE(read_readout(r, &w, &constant));
  EQS_TRY_DONE(alloc_array(&scaled, n * size, sizeof *scaled, "readout"));
  for (size_t i = 0; i < n; i++) {
    s->shift[i] += s->scale[i] * constant;
    for (size_t j = 0; j < size; j++) scaled[i * size + j] = s->scale[i] * w[j];
  }
  EQS_TRY_DONE(upload_reals(r->k, w, size, "readout", &s->readout));
  EQS_TRY_DONE(upload_reals(r->k, scaled, n * size, "readout", &s->readout_scaled));
  EQS_TRY_DONE(device_copy(d, s->scale, n, sizeof *s->scale, "readout", &s->device_scale));
  EQS_TRY_DONE(device_copy(d, s->shift, n, sizeof *s->shift, "readout", &s->device_shift));
done:
  free(w);
  free(scaled);
  return status;
}

/* ----------------------------------------------------------------------------------- info */

static int l_highest(const sevennet_config *c) {
  int l = 0;
  for (int i = 0; i <= c->n_layer; i++)
    for (int k = 0; k < N_L; k++)
      if (c->x[i].mul[k] && k > l) l = k;
  return l;
}

/* The modals' names and the architecture's line live in one buffer, s->text. */
static eqs_status describe(reader *r) {
  enum { LINE = 256 };
  sevennet *s = r->s;
  const sevennet_config *c = &r->c;
  size_t n_modal = (size_t)c->n_modal, size = LINE;
  const layout *x = &c->x[c->n_layer > 1];
  for (size_t i = 0; i < n_modal; i++) size += strlen(c->modal_name[i]) + 1;
  EQS_TRY(alloc_array(&s->text, size, 1, "names"));
  EQS_TRY(alloc_array(&s->modals, n_modal, sizeof *s->modals, "names"));
  EQS_TRY(alloc_array(&s->elements, (size_t)c->n_element, sizeof *s->elements, "elements"));
  memcpy(s->elements, c->element, (size_t)c->n_element * sizeof *s->elements);
  int used = snprintf(s->text, LINE, "%d gated convolutions of", c->n_layer);
  for (int l = 0; l < N_L; l++)
    if (x->mul[l]) used += snprintf(s->text + used, LINE - (size_t)used, " %dx%de", x->mul[l], l);
  snprintf(s->text + used, LINE - (size_t)used, ", %d Bessel functions, %s cutoff%s", c->basis.n,
           c->basis.cutoff == CUTOFF_XPLOR ? "XPLOR" : "polynomial",
           c->normalize ? "" : ", harmonics of unscaled vectors");
  char *at = s->text + LINE;
  for (size_t i = 0; i < n_modal; i++) {
    size_t n = strlen(c->modal_name[i]) + 1;
    memcpy(at, c->modal_name[i], n);
    s->modals[i] = at;
    at += n;
  }
  eqs_model_info *info = &s->head.info;
  info->size = sizeof *info;
  info->family = "SevenNet";
  info->architecture = s->text;
  info->cutoff = c->basis.r_max;
  info->n_layer = c->n_layer;
  info->channels = c->x[0].mul[0];
  info->lmax = c->lmax;
  info->l_hidden = l_highest(c);
  info->n_element = c->n_element;
  s->head.element = s->elements;
  info->elements = s->elements;
  info->n_head = c->n_modal;
  info->heads = s->modals;
  info->head = c->n_modal ? s->modals[c->modal] : NULL;
  info->n_parameter = r->n_parameter;
  info->functional = c->functional;
  return EQS_OK;
}

/* -------------------------------------------------------------------------------- the whole */

static eqs_status read_model(reader *r) {
  sevennet *s = r->s;
  sevennet_config *c = &r->c;
  double *wave = NULL;
  s->n_layer = c->n_layer;
  s->n_element = c->n_element;
  s->act = silu_constant;
  EQS_TRY(read_weights(r, "edge_embedding.basis_function.coeffs", (size_t)c->basis.n, &wave));
  memcpy(c->basis.weight, wave, (size_t)c->basis.n * sizeof *wave);
  free(wave);
  for (int i = 0; i < c->n_layer; i++) EQS_TRY(read_layer(r, i));
  EQS_TRY(fold_readout(r));
  const layout *last = &s->layer[c->n_layer - 1].next;
  EQS_TRY(committee_read(r->state, r->k, 1, &last, c->n_element, c->element, &s->head.committee));
  return describe(r);
}

int sevennet_is(const torch_value *root) {
  return torch_value_kind(root) == TORCH_DICT &&
         torch_value_kind(torch_get(root, "model_state_dict")) == TORCH_DICT &&
         torch_get(torch_get(root, "config"), "num_convolution_layer") != NULL;
}

eqs_status sevennet_load(const torch_archive *a, const eqs_model_options *o, const kernel_ops *k,
                         potential **out) {
  const torch_value *root = torch_archive_root(a);
  *out = NULL;
  if (!sevennet_is(root)) EQS_FAIL(EQS_ERR_FORMAT, "not a SevenNet checkpoint");
  reader r = {.state = torch_get(root, "model_state_dict"), .k = k, .left = ELEMENTS_MAX};
  if (torch_length(r.state) > TENSORS_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "the checkpoint has %zu tensors", torch_length(r.state));
  EQS_TRY(sevennet_config_read(torch_get(root, "config"), o, &r.c));
  EQS_TRY(alloc_array(&r.s, 1, sizeof *r.s, "SevenNet"));
  r.s->head.ops = &sevennet_ops;
  r.s->head.k = k;
  eqs_status status = read_model(&r);
  if (status != EQS_OK) {
    sevennet_ops.free(&r.s->head);
    return status;
  }
  *out = &r.s->head;
  return EQS_OK;
}
