/* mace_read_radial.c -- the networks that make a convolution's weights and densities.
 *
 * A block may feed its network more than the basis: embeddings of the elements of neighbour and
 * centre, or (attention) features of both atoms. The first layer is linear, so that these inputs
 * become rows: one per element, or per atom by two linear maps.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/mace_reader.h"

enum { ARRAYS = 4 * NETWORK_LAYERS_MAX + 2, WIDTH_MAX = 65536 };

/* A network and the arrays that it points to. */
typedef struct network_file {
  dense_network net;
  double *array[ARRAYS];
  int n_array;
} network_file;

static void close_network(network_file *f) {
  for (int i = 0; i < f->n_array; i++) free(f->array[i]);
}

/* A tensor of `count` numbers that lives as long as f. */
static eqs_status read_part(network_file *f, const torch_value *from, const char *name,
                            const char *what, size_t count, const double **out) {
  size_t n;
  double **to = &f->array[f->n_array++];
  EQS_TRY(mace_read_array(torch_get(from, name), what, to, &n));
  if (n != count) EQS_FAIL(EQS_ERR_FORMAT, "%s: %s has %zu values, not %zu", what, name, n, count);
  *out = *to;
  return EQS_OK;
}

/* in and out of a matrix of rank 2. */
static eqs_status read_shape(const torch_value *w, const char *what, int layer, int *rows,
                             int *columns) {
  const int64_t *shape = torch_tensor_shape(w);
  if (torch_tensor_rank(w) != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > WIDTH_MAX ||
      shape[1] > WIDTH_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: layer %d is no matrix, or larger than %d", what, layer,
             WIDTH_MAX);
  *rows = (int)shape[0];
  *columns = (int)shape[1];
  return EQS_OK;
}

/* e3nn's FullyConnectedNet: weights over the square root of their inputs, a normalised silu. */
static eqs_status read_connected(network_file *f, const torch_value *net, const char *what) {
  dense_network *d = &f->net;
  d->act = 1;
  for (;; d->n++) {
    const torch_value *layer = mace_find(net, "layer%d", d->n), *act = torch_get(layer, "act");
    dense_layer *l = d->layer + d->n;
    double h_in, var_in, var_out, c;
    if (!layer) break;
    if (d->n == NETWORK_LAYERS_MAX)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: more than %d layers", what, NETWORK_LAYERS_MAX);
    EQS_TRY(read_shape(torch_get(layer, "weight"), what, d->n, &l->in, &l->out));
    EQS_TRY(mace_read_number(layer, "h_in", &h_in));
    EQS_TRY(mace_read_number(layer, "var_in", &var_in));
    EQS_TRY(mace_read_number(layer, "var_out", &var_out));
    if (h_in != l->in || var_in != 1 || var_out != 1 || (d->n && l->in != l[-1].out))
      EQS_FAIL(EQS_ERR_FORMAT, "%s: layer %d does not fit", what, d->n);
    l->scale = 1 / sqrt((double)l->in);
    EQS_TRY(read_part(f, layer, "weight", what, (size_t)l->in * (size_t)l->out, &l->weight));
    int last = !mace_find(net, "layer%d", d->n + 1);
    if (last != (torch_value_kind(act) == TORCH_NONE))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: activation after the last layer, or none before", what);
    if (last) continue;
    EQS_TRY(mace_read_activation(act, "silu", what, &c));
    if (d->n && c != d->act) EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: different activations", what);
    d->act = c;
  }
  if (!d->n) EQS_FAIL(EQS_ERR_FORMAT, "%s has no layers", what);
  return EQS_OK;
}

/* torch's Linear keeps [out][in]. */
static eqs_status read_torch_linear(network_file *f, const torch_value *v, const char *what,
                                    dense_layer *l) {
  const double *w;
  double *turned;
  if (!torch_is_class(v, "Linear"))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: a '%s' where a Linear is expected", what, torch_class(v));
  EQS_TRY(read_shape(torch_get(v, "weight"), what, f->net.n, &l->out, &l->in));
  size_t in = (size_t)l->in, out = (size_t)l->out;
  EQS_TRY(read_part(f, v, "weight", what, in * out, &w));
  turned = f->array[f->n_array - 1];
  EQS_TRY(alloc_array(&turned, in * out, sizeof *turned, what));
  for (size_t i = 0; i < in; i++)
    for (size_t j = 0; j < out; j++) turned[i * out + j] = w[j * in + i];
  free(f->array[f->n_array - 1]);
  f->array[f->n_array - 1] = turned;
  l->weight = turned;
  l->scale = 1;
  return read_part(f, v, "bias", what, out, &l->bias);
}

/* mace-torch's RadialMLP: Linear, then LayerNorm, SiLU and Linear again and again. */
static eqs_status read_radial_mlp(network_file *f, const torch_value *net, const char *what) {
  dense_network *d = &f->net;
  d->act = 1;
  for (int at = 0;; at += 3) {
    dense_layer *l = d->layer + d->n;
    const torch_value *norm = mace_find(net, "net.%d", at + 1);
    double epsilon;
    if (d->n == NETWORK_LAYERS_MAX)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: more than %d layers", what, NETWORK_LAYERS_MAX);
    EQS_TRY(read_torch_linear(f, mace_find(net, "net.%d", at), what, l));
    if (d->n && l->in != l[-1].out)
      EQS_FAIL(EQS_ERR_FORMAT, "%s: layer %d does not fit", what, d->n);
    d->n++;
    if (!norm) return EQS_OK;
    if (!torch_is_class(norm, "LayerNorm") ||
        !torch_is_class(mace_find(net, "net.%d", at + 2), "SiLU"))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: no LayerNorm and SiLU between its layers", what);
    EQS_TRY(mace_read_number(norm, "eps", &epsilon));
    if (!(epsilon > 0 && epsilon < 1) || (at && epsilon != d->epsilon))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: LayerNorm with eps = %g", what, epsilon);
    d->epsilon = epsilon;
    EQS_TRY(read_part(f, norm, "weight", what, (size_t)l->out, &l->gain));
    EQS_TRY(read_part(f, norm, "bias", what, (size_t)l->out, &l->shift));
  }
}

static eqs_status read_network(const torch_value *block, const char *name, network_file *f) {
  const torch_value *net = torch_get(block, name);
  if (torch_is_class(net, "FullyConnectedNet")) return read_connected(f, net, name);
  if (torch_is_class(net, "RadialMLP")) return read_radial_mlp(f, net, name);
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s is a '%s' (only FullyConnectedNet and RadialMLP)", name,
           torch_class(net));
}

/* Leaves the first layer the basis; *extra is its rows for the other `n` inputs. */
static eqs_status cut_inputs(network_file *f, int basis, size_t n, const char *what,
                             const double **extra) {
  dense_layer *l = f->net.layer;
  if ((size_t)l->in != (size_t)basis + n)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has %d inputs, not %d of the basis and %zu of the atoms", what,
             l->in, basis, n);
  *extra = l->weight + (size_t)basis * (size_t)l->out;
  l->in = basis;
  return EQS_OK;
}

/* x[rows][n] times the n rows `w` of a first layer: [rows][out], kept by f if it is not NULL. */
static eqs_status multiply(const double *x, size_t rows, size_t n, const dense_layer *l,
                           const double *w, double **out) {
  size_t width = (size_t)l->out;
  EQS_TRY(alloc_array(out, mul_size(rows, width), sizeof **out, "embedding"));
  for (size_t i = 0; i < rows; i++)
    for (size_t c = 0; c < n; c++) {
      double v = l->scale * x[i * n + c];
      for (size_t j = 0; j < width; j++) (*out)[i * width + j] += v * w[c * width + j];
    }
  return EQS_OK;
}

/* What embeddings source[n_element][n] and target of the elements add to the first layer's sums. */
static eqs_status embed(network_file *f, int basis, int n_element, size_t n, const double *source,
                        const double *target, const char *what) {
  const double *extra;
  double **rows[2] = {&f->array[f->n_array], &f->array[f->n_array + 1]};
  EQS_TRY(cut_inputs(f, basis, 2 * n, what, &extra));
  f->n_array += 2;
  const dense_layer *l = f->net.layer;
  EQS_TRY(multiply(source, (size_t)n_element, n, l, extra, rows[0]));
  EQS_TRY(multiply(target, (size_t)n_element, n, l, extra + n * (size_t)l->out, rows[1]));
  f->net.n_species = n_element;
  f->net.source = *rows[0];
  f->net.target = *rows[1];
  return EQS_OK;
}

/* Non-linear blocks: [n_element][*n] of source_embedding or target_embedding. */
static eqs_status read_embedding(const mace_reader *r, const torch_value *block, const char *name,
                                 double **out, size_t *n) {
  size_t elements = (size_t)r->m->n_element;
  EQS_TRY(mace_read_flat(torch_get(block, name), name, out, n));
  if (!*n || *n % elements)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: %zu weights for %zu elements", name, *n, elements);
  for (size_t i = 0; i < *n; i++) (*out)[i] /= sqrt((double)elements);
  *n /= elements;
  return EQS_OK;
}

/* A radial network of ordered pairs of elements, and its density. */
static eqs_status read_paired(mace_reader *r, const torch_value *block, const radial_basis *b,
                              network_file *net, network_file *density) {
  double *source = NULL, *target = NULL;
  size_t n, n_target;
  int elements = r->m->n_element;
  eqs_status status = read_embedding(r, block, "source_embedding", &source, &n);
  if (status == EQS_OK) status = read_embedding(r, block, "target_embedding", &target, &n_target);
  if (status == EQS_OK && n != n_target)
    status = status_fail(EQS_ERR_UNSUPPORTED, "embeddings of %zu and %zu channels", n, n_target);
  if (status == EQS_OK) status = embed(net, b->n, elements, n, source, target, "conv_tp_weights");
  if (status == EQS_OK) status = embed(density, b->n, elements, n, source, target, "density_fn");
  free(source);
  free(target);
  return status;
}

/* Attention: linear_down, [channels of l = 0][*n] without its scale. */
static eqs_status read_down(const torch_value *block, const layout *features, double **out,
                            size_t *n) {
  layout down;
  size_t count;
  EQS_TRY(mace_read_layout(torch_get(block, "linear_down.irreps_out"), "linear_down", &down));
  EQS_TRY(mace_read_flat(torch_get(block, "linear_down"), "linear_down", out, &count));
  for (int l = 1; l < N_L; l++)
    if (down.mul[l]) EQS_FAIL(EQS_ERR_UNSUPPORTED, "linear_down that makes more than scalars");
  *n = (size_t)down.mul[0];
  if (!*n || count != (size_t)features->mul[0] * *n)
    EQS_FAIL(EQS_ERR_FORMAT, "linear_down: %zu weights for %d x %zu", count, features->mul[0], *n);
  return EQS_OK;
}

/* First layer: the features are those of the elements. */
static eqs_status attend_elements(const mace *m, network_file *f, int basis, const double *down,
                                  size_t n) {
  size_t mul = (size_t)m->embedding.mul[0];
  double *rows;
  dense_layer l = {.out = (int)n, .scale = 1 / sqrt((double)mul)};
  EQS_TRY(multiply(m->embedding_weight, (size_t)m->n_element, mul, &l, down, &rows));
  eqs_status status = embed(f, basis, m->n_element, n, rows, rows, "conv_tp_weights");
  free(rows);
  return status;
}

/* Later layers: linear_down and the first layer are one map, per side. */
static eqs_status attend_features(mace_reader *r, mace_layer *l, network_file *f, int basis,
                                  const layout *features, const double *down, size_t n) {
  const double *extra;
  linear_map *map[2] = {&l->attend_from, &l->attend_to};
  irreps from = irreps_of(features);
  size_t mul = (size_t)features->mul[0];
  EQS_TRY(cut_inputs(f, basis, 2 * n, "conv_tp_weights", &extra));
  const dense_layer *first = f->net.layer;
  int width[N_L] = {first->out, 0, 0, 0};
  layout row = layout_make(width);
  for (int side = 0; side < 2; side++, extra += n * (size_t)first->out) {
    double *w;
    EQS_TRY(multiply(down, mul, n, first, extra, &w));
    eqs_status status =
        linear_map_build(map[side], r->k, &from, features, &row, w, mul * (size_t)first->out, 1, 0,
                         0, 1, "conv_tp_weights.layer0");
    free(w);
    EQS_TRY(status);
  }
  return EQS_OK;
}

eqs_status mace_read_radial(mace_reader *r, int t, const interaction_kind *kind,
                            const layout *features, const radial_basis *b, int n_path,
                            const int *channels) {
  mace_layer *l = r->m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t);
  network_file net = {.n_array = 0}, density = {.n_array = 0};
  double *down = NULL;
  size_t n;
  eqs_status status;
  EQS_TRY_DONE(read_network(block, "conv_tp_weights", &net));
  if (kind->density) EQS_TRY_DONE(read_network(block, "density_fn", &density));
  if (kind->non_linear) EQS_TRY_DONE(read_paired(r, block, b, &net, &density));
  if (kind->attention) {
    EQS_TRY_DONE(read_down(block, features, &down, &n));
    if (t) EQS_TRY_DONE(attend_features(r, l, &net, b->n, features, down, n));
    else EQS_TRY_DONE(attend_elements(r->m, &net, b->n, down, n));
  }
  if (kind->attention && t)
    status = edge_network_create(b, r->k, &net.net, n_path, channels, &l->conv.network);
  else
    status = radial_create(b, r->k, &net.net, kind->density ? &density.net : NULL, n_path, channels,
                           &l->conv.radial);
done:
  free(down);
  close_network(&net);
  close_network(&density);
  return status;
}
