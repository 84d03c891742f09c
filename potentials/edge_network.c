/* edge_network.c -- see edge_network.h.
 * SPDX-License-Identifier: MIT */
#include "potentials/edge_network.h"

#include <stdlib.h>

#include "kernels/upload.h"
#include "potentials/linear_map.h"

struct edge_network {
  radial_basis basis;
  const kernel_ops *k;
  int n_layer, in_width, width;
  layout hidden[NETWORK_LAYERS_MAX]; /* of layer i's sums but the last */
  void *forward[NETWORK_LAYERS_MAX], *reverse[NETWORK_LAYERS_MAX];
  void *bias[NETWORK_LAYERS_MAX]; /* or NULL */
  double act;
};

static int layer_in(const edge_network *a, int i) {
  return i ? a->hidden[i - 1].size : a->in_width;
}
static int layer_out(const edge_network *a, int i) {
  return i + 1 < a->n_layer ? a->hidden[i].size : a->width;
}

/* The weights of one layer and their transpose; outputs in padded groups. */
static eqs_status pack_layer(edge_network *a, int i, const dense_layer *l, int n_group,
                             const int *channels) {
  size_t rows = (size_t)layer_in(a, i), columns = (size_t)layer_out(a, i), n = rows * columns;
  double *w = NULL, *wt = NULL, *bias = NULL;
  eqs_status status;
  EQS_TRY_DONE(alloc_array(&w, n, sizeof *w, "edge network"));
  EQS_TRY_DONE(alloc_array(&wt, n, sizeof *wt, "edge network"));
  EQS_TRY_DONE(alloc_array(&bias, columns, sizeof *bias, "edge network"));
  size_t from = 0, to = 0;
  for (int g = 0; g < n_group; to += (size_t)kernel_padded(channels[g]), g++)
    for (int j = 0; j < channels[g]; j++, from++) { /* load time */
      size_t column = to + (size_t)j;
      for (size_t u = 0; u < (size_t)l->in; u++)
        w[u * columns + column] = wt[column * rows + u] =
            l->scale * l->weight[u * (size_t)l->out + from];
      if (l->bias) bias[column] = l->bias[from];
    }
  EQS_TRY_DONE(upload_matrix(a->k, w, (int)rows, (int)columns, "edge network", &a->forward[i]));
  EQS_TRY_DONE(upload_matrix(a->k, wt, (int)columns, (int)rows, "edge network", &a->reverse[i]));
  if (l->bias) EQS_TRY_DONE(upload_reals(a->k, bias, columns, "edge network", &a->bias[i]));
done:
  free(w);
  free(wt);
  free(bias);
  return status;
}

static eqs_status build(edge_network *a, const dense_network *net, int n_path,
                        const int *channels) {
  int outputs = 0;
  if (net->n < 2 || net->n > NETWORK_LAYERS_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "edge network of %d layers (2 to %d)", net->n,
             NETWORK_LAYERS_MAX);
  for (int p = 0; p < n_path; p++) {
    outputs += channels[p];
    a->width += kernel_padded(channels[p]);
  }
  if (net->layer[0].in != a->basis.n || net->layer[net->n - 1].out != outputs)
    EQS_FAIL(EQS_ERR_FORMAT, "edge network from %d to %d values, the convolution needs %d to %d",
             net->layer[0].in, net->layer[net->n - 1].out, a->basis.n, outputs);
  a->n_layer = net->n;
  a->in_width = kernel_padded(a->basis.n);
  for (int i = 0; i < net->n; i++) {
    const dense_layer *l = net->layer + i;
    int last = i == net->n - 1, mul[N_L] = {l->out, 0, 0, 0};
    if (l->gain) EQS_FAIL(EQS_ERR_UNSUPPORTED, "edge network with a norm");
    if (i && l->in != l[-1].out) EQS_FAIL(EQS_ERR_FORMAT, "edge network: layer %d", i);
    if (!last) a->hidden[i] = layout_make(mul);
    EQS_TRY(pack_layer(a, i, l, last ? n_path : 1, last ? channels : &l->out));
  }
  return EQS_OK;
}

eqs_status edge_network_create(const radial_basis *basis, const kernel_ops *k,
                               const dense_network *net, int n_path, const int *channels,
                               edge_network **out) {
  edge_network *a = calloc(1, sizeof *a);
  *out = NULL;
  if (!a) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: edge network");
  a->basis = *basis;
  a->k = k;
  a->act = net->act;
  eqs_status status = build(a, net, n_path, channels);
  if (status != EQS_OK) edge_network_free(&a);
  *out = a;
  return status;
}

void edge_network_free(edge_network **p) {
  edge_network *a = *p;
  if (!a) return;
  for (int i = 0; i < NETWORK_LAYERS_MAX; i++) {
    device_give(a->k->device, &a->forward[i]);
    device_give(a->k->device, &a->reverse[i]);
    device_give(a->k->device, &a->bias[i]);
  }
  free(a);
  *p = NULL;
}

int edge_network_features(const edge_network *a) { return a->hidden[0].size; }
int edge_network_width(const edge_network *a) { return a->width; }

static void multiply(const edge_network *a, int n, const void *weight, int from, int stride,
                     const void *x, int to, void *y) {
  linear_args l = {.n_atom = n,
                   .n_m = 1,
                   .k = from,
                   .n = to,
                   .in = x,
                   .in_stride = stride,
                   .out = y,
                   .out_stride = to,
                   .weight = weight};
  a->k->linear(&l);
}

static void add_rows(const edge_network *a, int n, const int *n_row, int width, const int *from,
                     const void *x, void *y) {
  row_args r = {.n = n,
                .n_row = n_row,
                .width = width,
                .from = from,
                .x = x,
                .x_stride = from ? width : 0,
                .y = y,
                .y_stride = width};
  if (x) a->k->row_add(&r);
}

static gate_args activation(const edge_network *a, int i, int n, const void *x, void *y,
                            void *x_bar) {
  return (gate_args){.n = n,
                     .constant = a->act,
                     .in = a->hidden[i],
                     .out = a->hidden[i],
                     .x = x,
                     .y = y,
                     .x_bar = x_bar};
}

/* Basis rows in reals: *value strides over both, *slope apart. */
static eqs_status make_basis(const edge_network *a, const radial_edges *edges, arena *scratch,
                             void **value, edge_tape *t) {
  size_t n = (size_t)edges->n, width = (size_t)a->in_width;
  radial_basis_args basis = {.basis = a->basis,
                             .n = edges->n,
                             .n_edge = edges->n_edge,
                             .r = edges->r,
                             .r_sum = edges->r_sum,
                             .orders = 2,
                             .side = 1,
                             .stride = a->in_width};
  EQS_TRY(arena_take_zero(scratch, n * 2 * width, a->k->real_size, value));
  EQS_TRY(arena_take(scratch, 2 * n, sizeof *t->cut, &t->cut));
  EQS_TRY(arena_take(scratch, n * width, a->k->real_size, &t->basis_slope));
  basis.x = *value;
  basis.cut = t->cut;
  a->k->radial_basis(&basis);
  row_args slopes = {.n = edges->n,
                     .width = a->in_width,
                     .x = (char *)*value + width * a->k->real_size,
                     .x_stride = 2 * a->in_width,
                     .y = t->basis_slope,
                     .y_stride = a->in_width};
  a->k->row_copy(&slopes);
  return EQS_OK;
}

eqs_status edge_network_forward(const edge_network *a, const radial_edges *edges,
                                const int *source_row, const void *source, const int *target_row,
                                const void *target, arena *scratch, edge_tape *t) {
  void *x, *y;
  int n = edges->n;
  *t = (edge_tape){.n = n, .n_edge = edges->n_edge};
  EQS_TRY(make_basis(a, edges, scratch, &x, t));
  for (int i = 0; i < a->n_layer; i++) {
    int from = layer_in(a, i), to = layer_out(a, i);
    EQS_TRY(arena_take(scratch, mul_size((size_t)n, (size_t)to), a->k->real_size, &t->sum[i]));
    multiply(a, n, a->forward[i], from, i ? from : 2 * from, x, to, t->sum[i]);
    add_rows(a, n, edges->n_edge, to, NULL, a->bias[i], t->sum[i]);
    if (!i) {
      add_rows(a, n, edges->n_edge, to, source_row, source, t->sum[i]);
      add_rows(a, n, edges->n_edge, to, target_row, target, t->sum[i]);
    }
    if (i + 1 == a->n_layer) break;
    EQS_TRY(arena_take(scratch, mul_size((size_t)n, (size_t)to), a->k->real_size, &y));
    gate_args g = activation(a, i, n, t->sum[i], y, NULL);
    a->k->gate_forward(&g);
    x = y;
  }
  t->weight = t->sum[a->n_layer - 1];
  if (a->basis.cutoff_on_basis) return EQS_OK;
  EQS_TRY(arena_take(scratch, (size_t)n * (size_t)a->width, a->k->real_size, &t->weight));
  scale_args s = {.n = n,
                  .width = a->width,
                  .factor = t->cut,
                  .factor_stride = 2,
                  .x = t->sum[a->n_layer - 1],
                  .y = t->weight};
  a->k->scale_forward(&s);
  return EQS_OK;
}

/* r_bar += (x . y) times the cutoff's slope (or 1), row by row; y is overwritten by y times the
 * cutoff. */
static eqs_status add_products(const edge_network *a, const edge_tape *t, int width, const void *x,
                               void *y, int by_slope, double *r_bar, arena *scratch) {
  double *product;
  EQS_TRY(arena_take(scratch, (size_t)t->n, sizeof *product, &product));
  scale_args s = {.n = t->n,
                  .width = width,
                  .factor = t->cut,
                  .factor_stride = 2,
                  .x = x,
                  .y = y,
                  .factor_bar = product};
  a->k->scale_reverse(&s);
  edge_add_args add = {.n = t->n,
                       .n_edge = t->n_edge,
                       .x = by_slope ? t->cut + 1 : NULL,
                       .x_stride = 2,
                       .product = product,
                       .y = r_bar};
  a->k->edge_add(&add);
  return EQS_OK;
}

eqs_status edge_network_reverse(const edge_network *a, const edge_tape *t, void *weight_bar,
                                double *r_bar, void *sum_bar, arena *scratch) {
  int n = t->n, last = a->n_layer - 1;
  void *out_bar = weight_bar, *y_bar, *x_bar;
  if (!a->basis.cutoff_on_basis)
    EQS_TRY(add_products(a, t, a->width, t->sum[last], weight_bar, 1, r_bar, scratch));
  for (int i = last; i > 0; i--) {
    int to = layer_out(a, i), from = layer_in(a, i);
    EQS_TRY(arena_take(scratch, mul_size((size_t)n, (size_t)from), a->k->real_size, &y_bar));
    multiply(a, n, a->reverse[i], to, to, out_bar, from, y_bar);
    if (i == 1) x_bar = sum_bar;
    else EQS_TRY(arena_take(scratch, mul_size((size_t)n, (size_t)from), a->k->real_size, &x_bar));
    gate_args g = activation(a, i - 1, n, t->sum[i - 1], y_bar, x_bar);
    a->k->gate_reverse(&g);
    out_bar = x_bar;
  }
  EQS_TRY(arena_take(scratch, (size_t)n * (size_t)a->in_width, a->k->real_size, &y_bar));
  multiply(a, n, a->reverse[0], layer_out(a, 0), layer_out(a, 0), sum_bar, a->in_width, y_bar);
  return add_products(a, t, a->in_width, t->basis_slope, y_bar, 0, r_bar, scratch);
}
