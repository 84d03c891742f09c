/* mace_read_layer.c -- one layer of a MACE module: radial network, interaction block, symmetric
 * contraction, product, readout. What is not implemented is refused by name.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/mace_reader.h"

/* A network's layers: weights, widths, the activation's constant. */
static eqs_status read_network(const torch_value *net, const char *what, int *n_layer, int *width,
                               double **weight, double *act) {
  if (!torch_is_class(net, "FullyConnectedNet"))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s is a '%s' (only FullyConnectedNet)", what, torch_class(net));
  *n_layer = 0;
  *act = 1;
  for (int i = 0;; i++) {
    const torch_value *layer = mace_find(net, "layer%d", i), *w = torch_get(layer, "weight");
    if (!layer) break;
    if (i == NETWORK_LAYERS_MAX || torch_tensor_rank(w) != 2)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: layer %d (at most %d, each a matrix)", what, i,
               NETWORK_LAYERS_MAX);
    const int64_t *shape = torch_tensor_shape(w);
    double h_in, var_in, var_out;
    EQS_TRY(mace_read_number(layer, "h_in", &h_in));
    EQS_TRY(mace_read_number(layer, "var_in", &var_in));
    EQS_TRY(mace_read_number(layer, "var_out", &var_out));
    if (shape[0] < 1 || shape[1] < 1 || shape[0] > 65536 || shape[1] > 65536 ||
        h_in != (double)shape[0] || var_in != 1 || var_out != 1 || (i && width[i] != shape[0]))
      EQS_FAIL(EQS_ERR_FORMAT, "%s: layer %d does not fit", what, i);
    size_t n;
    width[i] = (int)shape[0];
    width[i + 1] = (int)shape[1];
    EQS_TRY(mace_read_array(w, what, &weight[i], &n));
    const torch_value *a = torch_get(layer, "act");
    int last = !mace_find(net, "layer%d", i + 1);
    if (last != (torch_value_kind(a) == TORCH_NONE))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: activation after the last layer, or none before", what);
    if (!last) {
      double c;
      EQS_TRY(mace_read_activation(a, what, &c));
      if (i && c != *act) EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: different activations", what);
      *act = c;
    }
    ++*n_layer;
  }
  if (!*n_layer) EQS_FAIL(EQS_ERR_FORMAT, "%s has no layers", what);
  return EQS_OK;
}

static eqs_status read_radial(mace_reader *r, const torch_value *block, const radial_basis *b,
                              int density, int n_path, const int *channels, radial **out) {
  double *weight[NETWORK_LAYERS_MAX] = {NULL}, *g[NETWORK_LAYERS_MAX] = {NULL}, act, unused;
  int width[NETWORK_LAYERS_MAX + 1], n_layer, g_width[NETWORK_LAYERS_MAX + 1], g_layer = 0;
  eqs_status status;
  EQS_TRY_DONE(read_network(torch_get(block, "conv_tp_weights"), "conv_tp_weights", &n_layer, width,
                            weight, &act));
  if (density) {
    EQS_TRY_DONE(
        read_network(torch_get(block, "density_fn"), "density_fn", &g_layer, g_width, g, &unused));
    if (g_layer != 1 || g_width[0] != b->n || g_width[1] != 1) {
      status = status_fail(EQS_ERR_UNSUPPORTED, "density_fn is not one layer to one value");
      goto done;
    }
  }
  status = radial_create(b, r->k, n_layer, width, (const double *const *)weight, act, n_path,
                         channels, g[0], out);
done:
  for (int i = 0; i < NETWORK_LAYERS_MAX; i++) {
    free(weight[i]);
    free(g[i]);
  }
  return status;
}

/* -------------------------------------------------------------------------------- interaction */

/* The paths of conv_tp in the file's order; they must be sorted by their output. */
static eqs_status read_paths(const torch_value *tp, const layout *in, int *n, l_path *paths,
                             int *channels) {
  irreps i1, i2, io;
  EQS_TRY(mace_read_irreps(torch_get(tp, "irreps_in1"), "conv_tp.irreps_in1", &i1));
  EQS_TRY(mace_read_irreps(torch_get(tp, "irreps_in2"), "conv_tp.irreps_in2", &i2));
  EQS_TRY(mace_read_irreps(torch_get(tp, "irreps_out"), "conv_tp.irreps_out", &io));
  const torch_value *list = torch_get(tp, "instructions");
  size_t count = torch_length(list);
  if (!count || count > PATHS_MAX || (int)count != io.n)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "conv_tp has %zu paths (1 to %d, one per output block)", count,
             PATHS_MAX);
  for (size_t p = 0; p < count; p++) {
    const torch_value *t = torch_item(list, p);
    int64_t a, b, c;
    const char *mode;
    EQS_TRY(torch_to_int(torch_item(t, 0), "conv_tp instruction", &a));
    EQS_TRY(torch_to_int(torch_item(t, 1), "conv_tp instruction", &b));
    EQS_TRY(torch_to_int(torch_item(t, 2), "conv_tp instruction", &c));
    EQS_TRY(torch_to_string(torch_item(t, 3), "conv_tp instruction", &mode));
    if (a < 0 || a >= i1.n || b < 0 || b >= i2.n || c != (int64_t)p || strcmp(mode, "uvu"))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "conv_tp instruction %zu is not a sorted 'uvu' path", p);
    paths[p] = (l_path){i1.block[a].l, i2.block[b].l, io.block[c].l};
    int l1 = paths[p].l1, l2 = paths[p].l2, l3 = paths[p].l3;
    channels[p] = i1.block[a].mul;
    if (abs(l1 - l2) > l3 || l3 > l1 + l2 || (l1 + l2 + l3) % 2 || channels[p] != in->mul[l1] ||
        io.block[c].mul != channels[p] || i2.block[b].mul != 1 || (p && l3 < paths[p - 1].l3))
      EQS_FAIL(EQS_ERR_FORMAT, "conv_tp instruction %zu: %d x %d -> %d", p, l1, l2, l3);
  }
  *n = (int)count;
  return EQS_OK;
}

static eqs_status read_convolution(mace_reader *r, mace_layer *l, const torch_value *block,
                                   const radial_basis *b) {
  l_path paths[PATHS_MAX];
  int n_path = 0, channels[PATHS_MAX], lmax;
  int64_t order;
  const torch_value *harmonics = torch_get(r->root, "spherical_harmonics");
  const char *normalization;
  EQS_TRY(torch_to_int(torch_get(harmonics, "_lmax"), "spherical_harmonics._lmax", &order));
  EQS_TRY(torch_to_string(torch_get(harmonics, "normalization"), "normalization", &normalization));
  if (order < 0 || order > L_MAX || !mace_flag(harmonics, "normalize", 0) ||
      strcmp(normalization, "component"))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "spherical harmonics of order %lld (0 to %d, normalised by "
             "component)",
             (long long)order, L_MAX);
  lmax = (int)order;
  EQS_TRY(read_paths(torch_get(block, "conv_tp"), &l->up.out, &n_path, paths, channels));
  for (int p = 0; p < n_path; p++)
    if (paths[p].l2 > lmax)
      EQS_FAIL(EQS_ERR_FORMAT, "conv_tp uses l = %d of %d", paths[p].l2, lmax);
  radial *net = NULL;
  EQS_TRY(read_radial(r, block, b, l->density, n_path, channels, &net));
  EQS_TRY(convolution_build(&l->conv, r->k, &l->up.out, lmax, 1, n_path, paths, -1, NULL, net));
  l->conv.radius = r->m->radius;
  return EQS_OK;
}

eqs_status mace_interaction_kind(const torch_value *block, int *residual, int *density) {
  static const struct {
    const char *name;
    int residual, density;
  } kinds[] = {{"RealAgnosticInteractionBlock", 0, 0},
               {"RealAgnosticResidualInteractionBlock", 1, 0},
               {"RealAgnosticDensityInteractionBlock", 0, 1},
               {"RealAgnosticDensityResidualInteractionBlock", 1, 1}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (torch_is_class(block, kinds[i].name)) {
      *residual = kinds[i].residual;
      *density = kinds[i].density;
      return EQS_OK;
    }
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "interaction block '%s' is not implemented", torch_class(block));
}

static eqs_status read_interaction(mace_reader *r, int t, const layout *features,
                                   const radial_basis *b) {
  mace *m = r->m;
  mace_layer *l = m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t);
  layout up;
  irreps from = irreps_of(features);
  EQS_TRY(mace_interaction_kind(block, &l->residual, &l->density));
  EQS_TRY(mace_read_layout(torch_get(block, "linear_up.irreps_out"), "linear_up", &up));
  EQS_TRY(mace_read_linear(r, torch_get(block, "linear_up"), "linear_up", &from, features, &up, 1,
                           &l->up));
  EQS_TRY(read_convolution(r, l, block, b));
  EQS_TRY(mace_read_layout(torch_get(block, "linear.irreps_out"), "linear", &l->message));
  for (int i = 0; i < N_L; i++)
    if (l->message.mul[i] != (i <= l->conv.lmax ? l->message.mul[0] : 0))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "messages without the same channels for every l");
  double average = 1;
  if (!l->density) EQS_TRY(mace_read_number(block, "avg_num_neighbors", &average));
  if (!(average > 0)) EQS_FAIL(EQS_ERR_FORMAT, "avg_num_neighbors = %g", average);
  l->mix_factor = 1 / average;
  l->mix_weight = torch_get(block, "linear.weight");
  linear_map mix;
  EQS_TRY(mace_read_linear(r, torch_get(block, "linear"), "linear", &l->conv.slots, &l->conv.out,
                           &l->message, l->mix_factor, &mix));
  if (l->residual) l->mix = mix;
  else linear_map_free(&mix); /* only read to be checked: every element gets its own */
  l->skip_weight = torch_get(block, "skip_tp.weight");
  if (torch_tensor_rank(l->skip_weight) < 0)
    EQS_FAIL(EQS_ERR_FORMAT, "interactions.%d.skip_tp.weight is missing", t);
  return alloc_array(&l->by_element, (size_t)m->n_element, sizeof *l->by_element,
                     "skip connections");
}

/* ------------------------------------------------------------------------------ product basis */

static eqs_status read_tensor(const torch_value *v, int l, int nu, int dimension, const char *what,
                              double **u, int *n_path) {
  size_t n, expected = (size_t)(2 * l + 1);
  int rank = torch_tensor_rank(v);
  const int64_t *shape = torch_tensor_shape(v);
  if (rank < 1) EQS_FAIL(EQS_ERR_FORMAT, "%s is missing", what);
  if (shape[rank - 1] < 1 || shape[rank - 1] > 4096)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: %lld paths", what, (long long)shape[rank - 1]);
  *n_path = (int)shape[rank - 1];
  for (int i = 0; i < nu; i++) expected *= (size_t)dimension;
  EQS_TRY(mace_read_array(v, what, u, &n));
  if (n != expected * (size_t)*n_path)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: %zu values, expected %zu x %d", what, n, expected, *n_path);
  return EQS_OK;
}

static eqs_status read_weights(mace_layer *l, const torch_value *v, int L, int nu, int mul,
                               const char *what) {
  size_t n;
  int elements = torch_tensor_rank(v) == 3 ? (int)torch_tensor_shape(v)[0] : 0;
  EQS_TRY(mace_read_array(v, what, &l->weight[L][nu], &n));
  if (!l->n_weight_element) l->n_weight_element = elements;
  if (elements != l->n_weight_element ||
      n != (size_t)elements * (size_t)l->n_weight_path[L][nu] * (size_t)mul)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has the wrong shape", what);
  return EQS_OK;
}

static eqs_status read_contraction(mace_reader *r, int t, int mul, int l_out) {
  mace_layer *l = r->m->layer + t;
  int dimension = (l->conv.lmax + 1) * (l->conv.lmax + 1);
  contraction_tensor tensor[N_L][CORRELATION_MAX] = {{{0, NULL}}};
  double *u[N_L][CORRELATION_MAX] = {{NULL}};
  eqs_status status = EQS_OK;
  char what[NAME];
  for (int L = 0; L <= l_out; L++) {
    const torch_value *c =
        mace_find(r->root, "products.%d.symmetric_contractions.contractions.%d", t, L);
    int64_t most;
    EQS_TRY_DONE(torch_to_int(torch_get(c, "correlation"), "correlation", &most));
    if (most < 1 || most > CORRELATION_MAX) {
      status = status_fail(EQS_ERR_UNSUPPORTED, "correlation order %lld (1 to %d)", (long long)most,
                           CORRELATION_MAX);
      goto done;
    }
    for (int nu = 1; nu <= (int)most; nu++) {
      int *n_path = &l->n_weight_path[L][nu - 1];
      snprintf(what, sizeof what, "U_matrix_%d", nu);
      EQS_TRY_DONE(read_tensor(torch_get(c, what), L, nu, dimension, what, &u[L][nu - 1], n_path));
      tensor[L][nu - 1] = (contraction_tensor){*n_path, u[L][nu - 1]};
      if (nu == (int)most) snprintf(what, sizeof what, "weights_max");
      else snprintf(what, sizeof what, "weights.%d", (int)most - 1 - nu);
      EQS_TRY_DONE(read_weights(l, torch_get(c, what), L, nu - 1, mul, what));
    }
  }
  if (l->n_weight_element != 1 && l->n_weight_element != r->m->n_element) {
    status =
        status_fail(EQS_ERR_FORMAT, "products.%d: weights of %d elements", t, l->n_weight_element);
    goto done;
  }
  EQS_TRY_DONE(contraction_build(&l->contraction, dimension, mul, l_out, tensor));
  status = alloc_array(&l->coefficient, (size_t)l->n_weight_element, sizeof *l->coefficient,
                       "contraction weights");
done:
  for (int L = 0; L < N_L; L++)
    for (int nu = 0; nu < CORRELATION_MAX; nu++) free(u[L][nu]);
  return status;
}

static eqs_status read_product(mace_reader *r, int t) {
  mace *m = r->m;
  mace_layer *l = m->layer + t;
  const torch_value *block = mace_find(r->root, "products.%d", t);
  layout hidden;
  int l_out = 0, mul = l->message.mul[0];
  EQS_TRY(mace_read_layout(torch_get(block, "linear.irreps_out"), "products.linear", &hidden));
  for (int i = 0; i < N_L; i++)
    if (hidden.mul[i]) l_out = i;
  for (int i = 0; i <= l_out; i++)
    if (!hidden.mul[i]) EQS_FAIL(EQS_ERR_UNSUPPORTED, "hidden irreps without l = %d", i);
  EQS_TRY(read_contraction(r, t, mul, l_out));
  irreps from = irreps_of(&l->contraction.out);
  EQS_TRY(mace_read_linear(r, torch_get(block, "linear"), "products.linear", &from,
                           &l->contraction.out, &hidden, 1, &l->product));
  l->use_sc = l->residual && mace_flag(block, "use_sc", 0);
  if (!t && l->use_sc)
    EQS_TRY(alloc_array(&l->skip_rows, (size_t)m->n_element * (size_t)hidden.size, r->k->real_size,
                        "skip connections"));
  return EQS_OK;
}

/* ----------------------------------------------------------------------------------- readouts */

/* Column `column` of a [rows][columns] weight, times `factor`, as a padded row of reals. */
static eqs_status read_column(const mace_reader *r, const torch_value *v, const char *what,
                              int rows, int columns, int column, double factor, int padded,
                              void **out) {
  double *w, *row = NULL;
  size_t n;
  eqs_status status;
  EQS_TRY_DONE(mace_read_array(torch_get(v, "weight"), what, &w, &n));
  if (n != (size_t)rows * (size_t)columns) {
    status =
        status_fail(EQS_ERR_FORMAT, "%s: %zu weights, expected %d x %d", what, n, rows, columns);
    goto done;
  }
  EQS_TRY_DONE(alloc_array(&row, (size_t)padded, sizeof *row, what));
  for (int i = 0; i < rows; i++) row[i] = factor * w[i * columns + column];
  EQS_TRY_DONE(alloc_array(out, (size_t)padded, r->k->real_size, what));
  r->k->convert(row, (size_t)padded, *out);
done:
  free(row);
  free(w);
  return status;
}

/* The hidden layer of the head in use: columns [width * head, width * (head + 1)) of linear_1. */
static eqs_status read_hidden(const mace_reader *r, const torch_value *v, const layout *h,
                              int width, linear_map *map) {
  double *w, *part = NULL;
  size_t n, rows = (size_t)h->mul[0], columns = (size_t)(width * r->n_head);
  eqs_status status;
  int mul[N_L] = {width, 0, 0, 0};
  layout out = layout_make(mul);
  irreps from = {.n = 1, .block = {{h->mul[0], 0, 0}}};
  EQS_TRY_DONE(mace_read_array(torch_get(v, "linear_1.weight"), "readout.linear_1", &w, &n));
  if (n != rows * columns) {
    status = status_fail(EQS_ERR_FORMAT, "readout.linear_1: %zu weights, expected %zu", n,
                         rows * columns);
    goto done;
  }
  EQS_TRY_DONE(alloc_array(&part, rows * (size_t)width, sizeof *part, "readout"));
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < (size_t)width; j++)
      part[i * (size_t)width + j] = w[i * columns + (size_t)(width * r->head) + j];
  status = linear_map_build(map, r->k, &from, h, &out, part, rows * (size_t)width, 1, 0, 0, 1,
                            "readout.linear_1");
done:
  free(part);
  free(w);
  return status;
}

eqs_status mace_read_readout(mace_reader *r, const torch_value *v, mace_layer *l) {
  mace_readout *o = &l->readout;
  const layout *h = &l->product.out;
  int channels = h->mul[0];
  if (torch_is_class(v, "LinearReadoutBlock")) {
    o->kind = READOUT_LINEAR;
    return read_column(r, torch_get(v, "linear"), "readout.linear", channels, r->n_head, r->head,
                       r->m->scale / sqrt(channels), h->pitch[0], &o->w);
  }
  if (!torch_is_class(v, "NonLinearReadoutBlock"))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "readout '%s' is not implemented", torch_class(v));
  if (torch_tensor_count(torch_get(v, "linear_1.bias")) ||
      torch_tensor_count(torch_get(v, "linear_2.bias")))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "readout with biases");
  o->kind = READOUT_NONLINEAR;
  layout all;
  EQS_TRY(mace_read_layout(torch_get(v, "linear_1.irreps_out"), "readout.linear_1", &all));
  if (all.mul[0] % r->n_head || all.mul[0] == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "readout: %d hidden channels for %d heads", all.mul[0], r->n_head);
  int width = all.mul[0] / r->n_head;
  EQS_TRY(mace_read_activation(torch_get(v, "non_linearity.acts.0"), "readout", &o->constant));
  EQS_TRY(read_hidden(r, v, h, width, &o->hidden));
  /* linear_2 is [width * heads][heads]; only the rows and the column of this head count */
  double *w, *row = NULL;
  size_t n, heads = (size_t)r->n_head, padded = (size_t)o->hidden.out.pitch[0];
  eqs_status status;
  EQS_TRY_DONE(mace_read_array(torch_get(v, "linear_2.weight"), "readout.linear_2", &w, &n));
  if (n != (size_t)all.mul[0] * heads) {
    status = status_fail(EQS_ERR_FORMAT, "readout.linear_2: %zu weights", n);
    goto done;
  }
  EQS_TRY_DONE(alloc_array(&row, padded, sizeof *row, "readout"));
  for (size_t i = 0; i < (size_t)width; i++)
    row[i] = r->m->scale / sqrt(all.mul[0]) *
             w[((size_t)(width * r->head) + i) * heads + (size_t)r->head];
  EQS_TRY_DONE(alloc_array(&o->w, padded, r->k->real_size, "readout"));
  r->k->convert(row, padded, o->w);
done:
  free(row);
  free(w);
  return status;
}

eqs_status mace_read_layer(mace_reader *r, int t, const layout *features, const radial_basis *b) {
  EQS_TRY(read_interaction(r, t, features, b));
  return read_product(r, t);
}
