/* radial.c -- radial basis, cutoff, distance transform and network, with derivatives by the length.
 *
 * Bessel: prefactor sin(w r) / r (Klicpera et al. 2020); polynomial cutoff of the same paper; XPLOR
 * switching (Brunger); Agnesi and Soft transforms and Gaussian, Chebyshev bases as in MACE 0.3.
 * The network's jets (value, first, second derivative) are rows of the same matrix products.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/radial_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/jet.h"

static jet cutoff_jet(const radial_basis *b, double r, int side) {
  if (r > b->r_max || (r == b->r_max && side > 0)) return jet_constant(0);
  jet x = jet_variable(r);
  if (b->cutoff == CUTOFF_XPLOR) {
    if (r < b->r_on || (r == b->r_on && side < 0)) return jet_constant(1);
    double c2 = b->r_max * b->r_max, on2 = b->r_on * b->r_on, d = c2 - on2;
    jet x2 = jet_mul(x, x), gap = jet_add(jet_constant(c2), jet_scale(-1, x2));
    jet rest = jet_add(jet_constant(c2 - 3 * on2), jet_scale(2, x2));
    return jet_scale(1 / (d * d * d), jet_mul(jet_mul(gap, gap), rest));
  }
  double p = b->cutoff_p;
  jet u = jet_scale(1 / b->r_max, x), up = jet_power(u, p), poly;
  poly = jet_add(jet_constant(-(p + 1) * (p + 2) / 2), jet_scale(p * (p + 2), u));
  poly = jet_add(poly, jet_scale(-p * (p + 1) / 2, jet_mul(u, u)));
  return jet_add(jet_constant(1), jet_mul(up, poly));
}

/* a y^q / (1 + y^(q-p)) is written as a y^p / (1 + y^(p-q)): no infinities at y = 0. */
static jet transform_jet(const radial_basis *b, double r, double r_sum) {
  jet x = jet_variable(r);
  if (b->transform == TRANSFORM_AGNESI) {
    jet y = jet_scale(2 / r_sum, x);
    jet low = jet_add(jet_constant(1), jet_power(y, b->p - b->q));
    jet ratio = jet_scale(b->a, jet_mul(jet_power(y, b->p), jet_inverse(low)));
    return jet_inverse(jet_add(jet_constant(1), ratio));
  }
  if (b->transform == TRANSFORM_SOFT) {
    double p0 = 0.75 * r_sum, p1 = 4.0 / 3.0 * r_sum, m = (p0 + p1) / 2,
           beta = b->alpha / (p1 - p0);
    jet s = jet_tanh(jet_scale(beta, jet_add(x, jet_constant(-m))));
    jet half = jet_scale(0.5, jet_add(jet_constant(1), s));
    return jet_add(jet_constant(p0), jet_mul(jet_add(x, jet_constant(-p0)), half));
  }
  if (b->transform == TRANSFORM_SOFT_OLD) {
    jet y = jet_scale(4 / r_sum, x);
    jet inner = jet_add(jet_scale(-1, y), jet_scale(-b->a, jet_power(y, b->b)));
    return jet_add(x, jet_add(jet_scale(0.5, jet_tanh(inner)), jet_constant(0.5)));
  }
  return x;
}

static void basis_jets(const radial_basis *b, jet x, jet *out) {
  jet before = jet_constant(1), now = x;
  for (int k = 0; k < b->n; k++) {
    if (b->kind == BASIS_BESSEL) {
      out[k] = jet_scale(b->prefactor, jet_sine_over(b->weight[k], x));
    } else if (b->kind == BASIS_GAUSSIAN) {
      jet d = jet_add(x, jet_constant(-b->weight[k]));
      out[k] = jet_exp(jet_scale(b->prefactor, jet_mul(d, d)));
    } else { /* T_1, T_2, ... */
      out[k] = now;
      jet next = jet_add(jet_scale(2, jet_mul(x, now)), jet_scale(-1, before));
      before = now;
      now = next;
    }
  }
}

static void put_jet(jet j, int orders, double *to, size_t stride) {
  to[0] = j.v;
  if (orders > 1) to[stride] = j.d;
  if (orders > 2) to[2 * stride] = j.dd;
}

eqs_status radial_evaluate(const radial *a, int n, const double *r, const double *r_sum, int orders,
                           int side, arena *scratch, double *out) {
  const radial_basis *b = &a->basis;
  const kernel_ops *k = kernels_host(1);
  size_t rows = (size_t)n * (size_t)orders, width = (size_t)a->width;
  int widest = a->in_width;
  for (int i = 1; i < a->n_layer; i++)
    if (a->layer_width[i] > widest) widest = a->layer_width[i];
  double *x, *y, *cut;
  EQS_TRY(arena_take_zero(scratch, rows * (size_t)widest, sizeof *x, &x));
  EQS_TRY(arena_take_zero(scratch, rows * (size_t)widest, sizeof *y, &y));
  EQS_TRY(arena_take(scratch, rows, sizeof *cut, &cut));
  double *density;
  EQS_TRY(arena_take_zero(scratch, rows, sizeof *density, &density));
  for (int e = 0; e < n; e++) {
    jet f = cutoff_jet(b, r[e], side), basis[BASIS_MAX], g = jet_constant(0);
    basis_jets(b, transform_jet(b, r[e], r_sum ? r_sum[e] : 1), basis);
    put_jet(f, orders, cut + (size_t)e * (size_t)orders, 1);
    double *row = x + (size_t)e * (size_t)orders * (size_t)a->in_width;
    for (int i = 0; i < b->n; i++) {
      if (b->cutoff_on_basis) basis[i] = jet_mul(basis[i], f);
      put_jet(basis[i], orders, row + i, (size_t)a->in_width);
      if (a->has_density) g = jet_add(g, jet_scale(a->density[i], basis[i]));
    }
    if (a->has_density) {
      jet d = jet_tanh(jet_mul(g, g));
      put_jet(b->cutoff_on_basis ? d : jet_mul(d, f), orders, density + (size_t)e * (size_t)orders,
              1);
    }
  }
  for (int i = 0; i < a->n_layer; i++) {
    int last = i == a->n_layer - 1, from = i ? a->layer_width[i] : a->in_width;
    int to = last ? a->path_width : a->layer_width[i + 1];
    linear_args l = {.n_atom = (int)rows,
                     .n_m = 1,
                     .k = from,
                     .n = to,
                     .in = x,
                     .in_stride = from,
                     .out = last ? out : y,
                     .out_stride = last ? a->width : to,
                     .weight = a->weight[i]};
    k->linear(&l);
    if (last) break;
    silu_jet_args s = {.n = n, .orders = orders, .width = to, .constant = a->act, .x = y};
    k->silu_jet(&s);
    double *swap = x;
    x = y;
    y = swap;
  }
  if (!b->cutoff_on_basis) {
    scale_jet_args s = {.n = n, .orders = orders, .width = a->width, .factor = cut, .x = out};
    k->scale_jet(&s);
  }
  if (a->has_density)
    for (size_t i = 0; i < rows; i++) {
      double *tail = out + i * width + (size_t)a->path_width;
      memset(tail, 0, KERNEL_ROW_PAD * sizeof *tail);
      tail[0] = density[i];
    }
  return EQS_OK;
}

/* Row-major [from][to] in double, divided by sqrt(from), padded, packed for the double kernels. */
static eqs_status pack_layer(radial *a, int i, const double *w, int from, int to) {
  int last = i == a->n_layer - 1;
  int rows = i ? a->layer_width[i] : a->in_width;
  int columns = last ? a->path_width : a->layer_width[i + 1];
  size_t n = (size_t)rows * (size_t)columns;
  double *m = NULL;
  EQS_TRY(alloc_array(&m, n, sizeof *m, "radial network"));
  double scale = 1 / sqrt((double)from);
  for (int u = 0; u < from; u++) {
    size_t at = 0;
    for (int p = 0; p < (last ? a->n_path : 1); p++) {
      size_t count = (size_t)(last ? a->channels[p] : to);
      size_t column = last ? (size_t)a->offset[p] : 0;
      for (size_t v = 0; v < count; v++)
        m[(size_t)u * (size_t)columns + column + v] = scale * w[(size_t)u * (size_t)to + at + v];
      at += count;
    }
  }
  eqs_status status = alloc_array(&a->weight[i], n, sizeof *m, "radial network");
  if (status == EQS_OK) kernels_host(1)->linear_pack(m, rows, columns, a->weight[i]);
  free(m);
  return status;
}

static eqs_status build(radial *a, const int *width, const double *const *weight, int n_path,
                        const int *channels, const double *density) {
  int outputs = 0;
  if (a->basis.n < 1 || a->basis.n > BASIS_MAX || width[0] != a->basis.n)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial basis of %d functions, network for %d (at most %d)",
             a->basis.n, width[0], BASIS_MAX);
  if (a->n_layer < 1 || a->n_layer > NETWORK_LAYERS_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial network of %d layers (at most %d)", a->n_layer,
             NETWORK_LAYERS_MAX);
  EQS_TRY(alloc_array(&a->channels, (size_t)n_path, sizeof *a->channels, "paths"));
  EQS_TRY(alloc_array(&a->offset, (size_t)n_path, sizeof *a->offset, "paths"));
  for (int p = 0; p < n_path; p++) {
    a->channels[p] = channels[p];
    a->offset[p] = a->path_width;
    a->path_width += kernel_padded(channels[p]);
    outputs += channels[p];
  }
  if (width[a->n_layer] != outputs)
    EQS_FAIL(EQS_ERR_FORMAT, "the radial network has %d outputs, the convolution needs %d",
             width[a->n_layer], outputs);
  a->in_width = kernel_padded(a->basis.n);
  a->width = a->path_width + (density ? KERNEL_ROW_PAD : 0);
  for (int i = 0; i <= a->n_layer; i++) a->layer_width[i] = kernel_padded(width[i]);
  for (int i = 0; i < a->n_layer; i++) {
    a->n_parameter += (int64_t)width[i] * width[i + 1];
    EQS_TRY(pack_layer(a, i, weight[i], width[i], width[i + 1]));
  }
  if (density) {
    a->has_density = 1;
    a->n_parameter += a->basis.n;
    for (int i = 0; i < a->basis.n; i++) a->density[i] = density[i] / sqrt((double)a->basis.n);
  }
  return EQS_OK;
}

eqs_status radial_create(const radial_basis *basis, const kernel_ops *k, int n_layer,
                         const int *width, const double *const *weight, double act, int n_path,
                         const int *channels, const double *density, radial **out) {
  radial *a = calloc(1, sizeof *a);
  if (!a) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: radial network");
  a->basis = *basis;
  a->k = k;
  a->n_layer = n_layer;
  a->n_path = n_path;
  a->act = act;
  pthread_mutex_init(&a->lock, NULL);
  eqs_status status = build(a, width, weight, n_path, channels, density);
  if (status != EQS_OK) radial_free(&a);
  *out = a;
  return status;
}

void radial_free(radial **p) {
  radial *a = *p;
  if (!a) return;
  for (int i = 0; i < NETWORK_LAYERS_MAX; i++) free(a->weight[i]);
  for (int i = 0; i < a->n_species * a->n_species; i++)
    for (int j = 0; j < SEGMENTS_MAX; j++) free(a->table[i].segment[j].piece);
  free(a->table);
  free(a->channels);
  free(a->offset);
  pthread_mutex_destroy(&a->lock);
  free(a);
  *p = NULL;
}

int radial_offset(const radial *a, int path) { return a->offset[path]; }
int radial_width(const radial *a) { return a->width; }
int radial_density_column(const radial *a) { return a->has_density ? a->path_width : -1; }
int64_t radial_parameters(const radial *a) { return a->n_parameter; }
