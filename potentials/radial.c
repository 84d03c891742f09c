/* radial.c -- the radial functions of a convolution: basis, cutoff, network, density, put together
 * with their derivatives by the length.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "core/device.h"
#include "potentials/radial_parts.h"

/* The density in the first of the columns behind the paths. */
static eqs_status evaluate_density(const radial *a, const radial_edges *edges, int orders,
                                   const double *x, const double *cut, arena *scratch,
                                   double *out) {
  int width = dense_out_width(a->density);
  double *g;
  EQS_TRY(arena_take(scratch, mul_size((size_t)edges->n, (size_t)(orders * width)), sizeof *g, &g));
  EQS_TRY(dense_evaluate(a->density, edges->n, edges->n_edge, orders, edges->source, edges->target,
                         x, g, width, scratch));
  radial_density_args d = {.n = edges->n,
                           .n_edge = edges->n_edge,
                           .orders = orders,
                           .g_stride = width,
                           .stride = a->width,
                           .column = dense_out_width(a->network),
                           .g = g,
                           .cut = a->basis.cutoff_on_basis ? NULL : cut,
                           .x = out};
  a->exact->radial_density(&d);
  return EQS_OK;
}

eqs_status radial_evaluate(const radial *a, const radial_edges *edges, int orders, int side,
                           arena *scratch, double *out) {
  const radial_basis *b = &a->basis;
  int n = edges->n, in = dense_in_width(a->network);
  size_t rows = (size_t)n * (size_t)orders;
  const arena_mark mark = arena_here(scratch);
  radial_basis_args basis = {.basis = *b,
                             .n = n,
                             .n_edge = edges->n_edge,
                             .r = edges->r,
                             .r_sum = edges->r_sum,
                             .orders = orders,
                             .side = side,
                             .stride = in};
  EQS_TRY(arena_take_zero(scratch, rows * (size_t)in, sizeof(double), &basis.x));
  EQS_TRY(arena_take(scratch, rows, sizeof *basis.cut, &basis.cut));
  a->exact->radial_basis(&basis);
  EQS_TRY(dense_evaluate(a->network, n, edges->n_edge, orders, edges->source, edges->target,
                         basis.x, out, a->width, scratch));
  if (!b->cutoff_on_basis) {
    scale_jet_args s = {.n = n, .orders = orders, .width = a->width, .factor = basis.cut, .x = out};
    a->exact->scale_jet(&s);
  }
  if (a->density) EQS_TRY(evaluate_density(a, edges, orders, basis.x, basis.cut, scratch, out));
  arena_release(scratch, mark);
  return EQS_OK;
}

static eqs_status build(radial *a, const dense_network *net, const dense_network *density,
                        const int *channels) {
  static const int one = 1;
  if (a->basis.n < 1 || a->basis.n > BASIS_MAX || net->layer[0].in != a->basis.n ||
      (density && density->layer[0].in != a->basis.n))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial basis of %d functions, network for %d (at most %d)",
             a->basis.n, net->layer[0].in, BASIS_MAX);
  EQS_TRY(dense_create(net, a->exact, a->n_path, channels, &a->network));
  if (density) EQS_TRY(dense_create(density, a->exact, 1, &one, &a->density));
  a->ordered = dense_species(a->network) > 0;
  a->width = dense_out_width(a->network) + (density ? KERNEL_ROW_PAD : 0);
  EQS_TRY(alloc_array(&a->offset, (size_t)a->n_path, sizeof *a->offset, "paths"));
  for (int p = 1; p < a->n_path; p++)
    a->offset[p] = a->offset[p - 1] + kernel_padded(channels[p - 1]);
  return EQS_OK;
}

eqs_status radial_create(const radial_basis *basis, const kernel_ops *k, const dense_network *net,
                         const dense_network *density, int n_path, const int *channels,
                         radial **out) {
  radial *a = calloc(1, sizeof *a);
  if (!a) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: radial network");
  a->basis = *basis;
  a->k = k;
  a->exact = k->real_size == sizeof(double) ? k : kernels_host(1);
  a->n_path = n_path;
  pthread_mutex_init(&a->lock, NULL);
  eqs_status status = build(a, net, density, channels);
  if (status != EQS_OK) radial_free(&a);
  *out = a;
  return status;
}

void radial_free(radial **p) {
  radial *a = *p;
  if (!a) return;
  dense_free(&a->network);
  dense_free(&a->density);
  for (int i = 0; i < a->n_species * a->n_species; i++) radial_table_free(a->k, a->table + i);
  free(a->table);
  device_give(a->k->device, &a->device_table);
  free(a->offset);
  pthread_mutex_destroy(&a->lock);
  free(a);
  *p = NULL;
}

int radial_offset(const radial *a, int path) { return a->offset[path]; }
int radial_width(const radial *a) { return a->width; }
int radial_density_column(const radial *a) { return a->density ? dense_out_width(a->network) : -1; }
int64_t radial_parameters(const radial *a) {
  return dense_parameters(a->network) + (a->density ? dense_parameters(a->density) : 0);
}
