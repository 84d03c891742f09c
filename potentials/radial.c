/* radial.c -- the radial functions of a convolution: basis, cutoff, network, density, put together
 * with their derivatives by the length.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "potentials/jet.h"
#include "potentials/radial_parts.h"

/* tanh(g^2), times the cutoff where the basis has none; g[3] and out[3] are value, slope, curvature
 * of which `orders` count. */
static void density_of(const double *g, const double *cut, int orders, double *out) {
  jet x = {g[0], orders > 1 ? g[1] : 0, orders > 2 ? g[2] : 0};
  jet y = jet_tanh(jet_mul(x, x));
  if (cut) y = jet_mul(y, (jet){cut[0], orders > 1 ? cut[1] : 0, orders > 2 ? cut[2] : 0});
  const double jets[3] = {y.v, y.d, y.dd};
  memcpy(out, jets, (size_t)orders * sizeof *out);
}

/* The density in the first of the columns behind the paths. */
static eqs_status evaluate_density(const radial *a, int n, const radial_pairs *pairs, int orders,
                                   const double *x, const double *cut, arena *scratch,
                                   double *out) {
  int width = dense_out_width(a->density);
  double *g, jets[3], *tail = out + dense_out_width(a->network);
  EQS_TRY(arena_take(scratch, (size_t)(n * orders) * (size_t)width, sizeof *g, &g));
  EQS_TRY(
      dense_evaluate(a->density, n, orders, pairs->source, pairs->target, x, g, width, scratch));
  for (int e = 0; e < n; e++, cut += orders) {
    for (int d = 0; d < orders; d++) jets[d] = g[(e * orders + d) * width];
    density_of(jets, a->basis.cutoff_on_basis ? NULL : cut, orders, jets);
    for (int d = 0; d < orders; d++, tail += a->width) {
      memset(tail, 0, KERNEL_ROW_PAD * sizeof *tail);
      tail[0] = jets[d];
    }
  }
  return EQS_OK;
}

eqs_status radial_evaluate(const radial *a, int n, const double *r, const radial_pairs *pairs,
                           int orders, int side, arena *scratch, double *out) {
  const radial_basis *b = &a->basis;
  size_t rows = (size_t)n * (size_t)orders;
  int in = dense_in_width(a->network);
  double *x, *cut;
  EQS_TRY(arena_take_zero(scratch, rows * (size_t)in, sizeof *x, &x));
  EQS_TRY(arena_take(scratch, rows, sizeof *cut, &cut));
  radial_basis_rows(b, n, r, pairs->r_sum, orders, side, in, x, cut);
  EQS_TRY(dense_evaluate(a->network, n, orders, pairs->source, pairs->target, x, out, a->width,
                         scratch));
  if (!b->cutoff_on_basis) {
    scale_jet_args s = {.n = n, .orders = orders, .width = a->width, .factor = cut, .x = out};
    kernels_host(1)->scale_jet(&s);
  }
  return a->density ? evaluate_density(a, n, pairs, orders, x, cut, scratch, out) : EQS_OK;
}

static eqs_status build(radial *a, const dense_network *net, const dense_network *density,
                        const int *channels) {
  static const int one = 1;
  if (a->basis.n < 1 || a->basis.n > BASIS_MAX || net->layer[0].in != a->basis.n ||
      (density && density->layer[0].in != a->basis.n))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial basis of %d functions, network for %d (at most %d)",
             a->basis.n, net->layer[0].in, BASIS_MAX);
  EQS_TRY(dense_create(net, a->n_path, channels, &a->network));
  if (density) EQS_TRY(dense_create(density, 1, &one, &a->density));
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
  for (int i = 0; i < a->n_species * a->n_species; i++)
    for (int j = 0; j < SEGMENTS_MAX; j++) free(a->table[i].segment[j].piece);
  free(a->table);
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
