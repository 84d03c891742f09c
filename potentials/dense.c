/* dense.c -- see dense.h. The jets (value, first, second derivative by the edge length) are rows of
 * the same matrix products; biases belong to the rows of values alone.
 * SPDX-License-Identifier: MIT */
#include "potentials/dense.h"

#include <stdlib.h>

#include "kernels/upload.h"

typedef struct packed_layer {
  int in, out;             /* padded */
  int channels;            /* of out */
  double *weight, *affine; /* affine: [3][out] as norm_jet wants it, or NULL */
  double *bias;            /* [out] or NULL */
} packed_layer;

struct dense {
  const kernel_ops *k;
  int n_layer, n_species;
  packed_layer layer[NETWORK_LAYERS_MAX];
  double act, epsilon;
  double *source, *target; /* [n_species][layer[0].out] */
  int64_t n_parameter;
};

/* Copies `rows` rows of the groups' channels to padded rows, times `scale`. */
static void spread(const double *from, size_t rows, int n_group, const int *channels, double scale,
                   double *to) {
  for (size_t i = 0; i < rows; i++)
    for (int g = 0; g < n_group; g++) {
      for (int j = 0; j < channels[g]; j++) to[j] = scale * *from++; /* load time */
      to += kernel_padded(channels[g]);
    }
}

static eqs_status copy_padded(const kernel_ops *k, const double *from, size_t rows, int n_group,
                              const int *channels, int width, double **out) {
  double *x;
  if (!from) return EQS_OK;
  EQS_TRY(alloc_array(&x, rows * (size_t)width, sizeof *x, "radial network"));
  spread(from, rows, n_group, channels, 1, x);
  eqs_status status = upload_reals(k, x, rows * (size_t)width, "radial network", out);
  free(x);
  return status;
}

static eqs_status pack_layer(const kernel_ops *k, const dense_layer *l, int n_group,
                             const int *channels, packed_layer *p) {
  double *m = NULL, *affine = NULL;
  eqs_status status;
  p->in = kernel_padded(l->in);
  p->channels = l->out;
  for (int g = 0; g < n_group; g++) p->out += kernel_padded(channels[g]);
  size_t n = (size_t)p->in * (size_t)p->out, width = (size_t)p->out;
  EQS_TRY_DONE(alloc_array(&m, n, sizeof *m, "radial network"));
  spread(l->weight, (size_t)l->in, n_group, channels, l->scale, m);
  EQS_TRY_DONE(upload_matrix(k, m, p->in, p->out, "radial network", &p->weight));
  EQS_TRY_DONE(copy_padded(k, l->bias, 1, n_group, channels, p->out, &p->bias));
  if (!l->gain) goto done;
  EQS_TRY_DONE(alloc_array(&affine, 3 * width, sizeof *affine, "radial network"));
  for (int j = 0; j < l->out; j++) affine[j] = 1;
  spread(l->gain, 1, n_group, channels, 1, affine + width);
  spread(l->shift, 1, n_group, channels, 1, affine + 2 * width);
  EQS_TRY_DONE(upload_reals(k, affine, 3 * width, "radial network", &p->affine));
done:
  free(affine);
  free(m);
  return status;
}

static eqs_status build(dense *d, const dense_network *net, int n_group, const int *channels) {
  int outputs = 0;
  if (net->n < 1 || net->n > NETWORK_LAYERS_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial network of %d layers (at most %d)", net->n,
             NETWORK_LAYERS_MAX);
  for (int g = 0; g < n_group; g++) outputs += channels[g];
  for (int i = 0; i < net->n; i++) {
    const dense_layer *l = net->layer + i;
    int last = i == net->n - 1;
    if (l->in < 1 || l->out < 1 || (i && l->in != l[-1].out))
      EQS_FAIL(EQS_ERR_FORMAT, "layer %d of the radial network, %d to %d, does not fit", i, l->in,
               l->out);
    if (last && l->out != outputs)
      EQS_FAIL(EQS_ERR_FORMAT, "the radial network has %d outputs, the convolution needs %d",
               l->out, outputs);
    if (last && l->gain) EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial network that ends with a norm");
    EQS_TRY(pack_layer(d->k, l, last ? n_group : 1, last ? channels : &l->out, &d->layer[i]));
    d->n_layer++;
    d->n_parameter += (int64_t)l->in * l->out + (l->bias ? l->out : 0) + (l->gain ? 2 * l->out : 0);
  }
  if (!net->n_species) return EQS_OK;
  if (net->n == 1) EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial network of elements without hidden layer");
  size_t rows = (size_t)net->n_species;
  d->n_species = net->n_species;
  EQS_TRY(copy_padded(d->k, net->source, rows, 1, &net->layer[0].out, d->layer[0].out, &d->source));
  return copy_padded(d->k, net->target, rows, 1, &net->layer[0].out, d->layer[0].out, &d->target);
}

eqs_status dense_create(const dense_network *net, const kernel_ops *k, int n_group,
                        const int *channels, dense **out) {
  dense *d = calloc(1, sizeof *d);
  *out = NULL;
  if (!d) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: radial network");
  d->k = k;
  d->act = net->act;
  d->epsilon = net->epsilon;
  eqs_status status = build(d, net, n_group, channels);
  if (status != EQS_OK) dense_free(&d);
  *out = d;
  return status;
}

void dense_free(dense **p) {
  dense *d = *p;
  if (!d) return;
  for (int i = 0; i < NETWORK_LAYERS_MAX; i++) {
    device_give(d->k->device, &d->layer[i].weight);
    device_give(d->k->device, &d->layer[i].affine);
    device_give(d->k->device, &d->layer[i].bias);
  }
  device_give(d->k->device, &d->source);
  device_give(d->k->device, &d->target);
  free(d);
  *p = NULL;
}

int dense_in_width(const dense *d) { return d->layer[0].in; }
int dense_out_width(const dense *d) { return d->layer[d->n_layer - 1].out; }
int dense_species(const dense *d) { return d->n_species; }
int64_t dense_parameters(const dense *d) { return d->n_parameter; }

/* Adds row from[e] of `rows` (every edge the same one if `from` is NULL) to the values of edge e.
 */
static void add_rows(const dense *d, const double *rows, const int *from, int n, const int *n_row,
                     int width, int stride, double *y) {
  row_args r = {.n = n,
                .n_row = n_row,
                .width = width,
                .from = from,
                .x = rows,
                .x_stride = from ? width : 0,
                .y = y,
                .y_stride = stride};
  if (rows) d->k->row_add(&r);
}

eqs_status dense_evaluate(const dense *d, int n, const int *n_edge, int orders, const int *source,
                          const int *target, const double *x, double *out, int out_stride,
                          arena *scratch) {
  const kernel_ops *k = d->k;
  size_t rows = (size_t)n * (size_t)orders, widest = 0;
  const arena_mark mark = arena_here(scratch);
  double *hidden[2] = {NULL, NULL};
  for (int i = 0; i + 1 < d->n_layer; i++)
    if ((size_t)d->layer[i].out > widest) widest = (size_t)d->layer[i].out;
  for (int i = 0; i < 2 && widest; i++)
    EQS_TRY(arena_take(scratch, mul_size(rows, widest), sizeof *hidden[i], &hidden[i]));
  for (int i = 0; i < d->n_layer; i++) {
    const packed_layer *l = d->layer + i;
    int last = i == d->n_layer - 1, stride = last ? out_stride : l->out;
    double *y = last ? out : hidden[i % 2];
    linear_args a = {.n_atom = (int)rows,
                     .n_m = 1,
                     .k = l->in,
                     .n = l->out,
                     .in = x,
                     .in_stride = l->in,
                     .out = y,
                     .out_stride = stride,
                     .weight = l->weight};
    k->linear(&a);
    add_rows(d, l->bias, NULL, n, n_edge, l->out, orders * stride, y);
    if (!i && d->n_species) {
      add_rows(d, d->source, source, n, n_edge, l->out, orders * stride, y);
      add_rows(d, d->target, target, n, n_edge, l->out, orders * stride, y);
    }
    if (last) break;
    norm_jet_args norm = {.n = n,
                          .orders = orders,
                          .width = l->out,
                          .channels = l->channels,
                          .epsilon = d->epsilon,
                          .affine = l->affine,
                          .x = y};
    if (l->affine) k->norm_jet(&norm);
    silu_jet_args s = {.n = n, .orders = orders, .width = l->out, .constant = d->act, .x = y};
    k->silu_jet(&s);
    x = y;
  }
  arena_release(scratch, mark);
  return EQS_OK;
}
