/* mace_read_layer.c -- one layer of a MACE module: interaction block, symmetric contraction,
 * product. What is not implemented is refused by name. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/mace_reader.h"

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

static eqs_status read_convolution(mace_reader *r, int t, const interaction_kind *kind,
                                   const layout *features, const radial_basis *b) {
  mace_layer *l = r->m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t);
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
  EQS_TRY(convolution_build(&l->conv, r->k, &l->up.out, lmax, 1, n_path, paths, -1, NULL, NULL));
  l->conv.radius = r->m->device_radius;
  return mace_read_radial(r, t, kind, features, b, n_path, channels);
}

eqs_status mace_interaction_kind(const torch_value *block, const interaction_kind **kind) {
  static const interaction_kind kinds[] = {
      {"RealAgnosticInteractionBlock", 0, 0, 0, 0, 0},
      {"RealAgnosticResidualInteractionBlock", 1, 0, 0, 0, 0},
      {"RealAgnosticDensityInteractionBlock", 0, 1, 0, 0, 0},
      {"RealAgnosticDensityResidualInteractionBlock", 1, 1, 0, 0, 0},
      {"RealAgnosticAttResidualInteractionBlock", 1, 0, 1, 1, 0},
      {"RealAgnosticResidualNonLinearInteractionBlock", 1, 1, 1, 0, 1}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (torch_is_class(block, kinds[i].name)) {
      *kind = kinds + i;
      return EQS_OK;
    }
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "interaction block '%s' is not implemented", torch_class(block));
}

/* linear, and what follows it up to the message, of blocks without a gate. */
static eqs_status read_mixing(mace_reader *r, int t) {
  mace_layer *l = r->m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t);
  double average = 1;
  EQS_TRY(mace_read_layout(torch_get(block, "linear.irreps_out"), "linear", &l->message));
  l->mixed = l->message;
  l->density_slope = l->density_offset = 1;
  if (!l->density) EQS_TRY(mace_read_number(block, "avg_num_neighbors", &average));
  if (!(average > 0)) EQS_FAIL(EQS_ERR_FORMAT, "avg_num_neighbors = %g", average);
  l->mix_factor = 1 / average;
  l->mix_weight = torch_get(block, "linear.weight");
  EQS_TRY(mace_read_linear(r, torch_get(block, "linear"), "linear", &l->conv.slots, &l->conv.out,
                           &l->message, l->mix_factor, &l->mix));
  if (!l->residual) linear_map_free(&l->mix); /* only checked: every element gets its own */
  return EQS_OK;
}

/* skip_tp with one matrix per element, or a Linear for all of them, whose name depends on the
 * block; the latter ends in the features that the product makes. */
static eqs_status read_skip(mace_reader *r, int t, const interaction_kind *kind,
                            const layout *features) {
  mace_layer *l = r->m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t);
  if (kind->same_skip) {
    const char *name = kind->attention ? "skip_linear" : "skip_tp";
    irreps from = irreps_of(features);
    layout hidden;
    EQS_TRY(mace_read_layout(mace_find(block, "%s.irreps_out", name), name, &hidden));
    return mace_read_linear(r, torch_get(block, name), name, &from, features, &hidden, 1, &l->skip);
  }
  l->skip_weight = torch_get(block, "skip_tp.weight");
  if (torch_tensor_rank(l->skip_weight) < 0) EQS_FAIL(EQS_ERR_FORMAT, "skip_tp.weight is missing");
  return alloc_array(&l->by_element, (size_t)r->m->n_element, sizeof *l->by_element,
                     "skip connections");
}

static eqs_status read_interaction(mace_reader *r, int t, const layout *features,
                                   const radial_basis *b) {
  mace_layer *l = r->m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t);
  const interaction_kind *kind;
  layout up;
  irreps from = irreps_of(features);
  EQS_TRY(mace_interaction_kind(block, &kind));
  l->residual = kind->residual;
  l->density = kind->density;
  EQS_TRY(mace_read_layout(torch_get(block, "linear_up.irreps_out"), "linear_up", &up));
  EQS_TRY(mace_read_linear(r, torch_get(block, "linear_up"), "linear_up", &from, features, &up, 1,
                           &l->up));
  EQS_TRY(read_convolution(r, t, kind, features, b));
  EQS_TRY(kind->non_linear ? mace_read_nonlinear(r, t) : read_mixing(r, t));
  for (int i = 0; i < N_L; i++)
    if (l->message.mul[i] != (i <= l->conv.lmax ? l->message.mul[0] : 0))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "messages without the same channels for every l");
  return read_skip(r, t, kind, features);
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
    status = status_fail(EQS_ERR_FORMAT, "contraction weights of %d elements", l->n_weight_element);
    goto done;
  }
  EQS_TRY_DONE(contraction_build(&l->contraction, r->k, dimension, mul, l_out, tensor));
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
  if (l->use_sc && l->skip.k && memcmp(&l->skip.out, &hidden, sizeof hidden) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "the self-connection of layer %d does not fit its product", t);
  if (!t && l->use_sc)
    EQS_TRY(device_take(r->k->device, (size_t)m->n_element * (size_t)hidden.size, r->k->real_size,
                        "skip connections", &l->skip_rows));
  return EQS_OK;
}

eqs_status mace_read_layer(mace_reader *r, int t, const layout *features, const radial_basis *b) {
  eqs_status status = read_interaction(r, t, features, b);
  if (status != EQS_OK) return status_prefix(status, "interactions.%d", t);
  status = read_product(r, t);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "products.%d", t);
}
