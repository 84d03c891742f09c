/* kernels.c -- the host backend: launchers only. Compiled once per instruction set and precision
 * (EQS_KERNEL_ISA, EQS_KERNEL_DOUBLE); each makes one table.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "kernels/lane.h"

#include "kernels/contraction.h"
#include "kernels/convolution.h"
#include "kernels/dispersion.h"
#include "kernels/geometry.h"
#include "kernels/host/linear.h"
#include "kernels/node.h"

#define OVER_EDGES(op)                                                                             \
  static void op##_host(const op##_launch *a) {                                                    \
    for (int tile = 0; tile * EDGE_TILE < a->n; tile++)                                            \
      for (int j = 0; j < EDGE_TILE; j += LW) op##_body(a, tile, j);                               \
  }
typedef edge_geometry_args edge_geometry_launch;
typedef edge_gradient_args edge_gradient_launch;
typedef coupling_args coupling_forward_launch, coupling_reverse_launch;
OVER_EDGES(edge_geometry)
OVER_EDGES(edge_gradient)
OVER_EDGES(coupling_forward)
OVER_EDGES(coupling_reverse)

#define OVER_NODES(op, count)                                                                      \
  static void op##_host(const op##_launch *a) {                                                    \
    for (int i = 0; i < a->count; i++) op##_body(a, i);                                            \
  }
typedef density_args density_forward_launch, density_reverse_launch;
typedef gate_args gate_forward_launch, gate_reverse_launch;
typedef silu_jet_args silu_jet_launch;
typedef norm_jet_args norm_jet_launch;
typedef scale_jet_args scale_jet_launch;
typedef row_sum_args row_sum_launch;
typedef quintic_args quintic_launch;
typedef scale_args scale_forward_launch, scale_reverse_launch;
typedef dot_args dot_forward_launch, dot_reverse_launch;
OVER_NODES(density_forward, n_owner)
OVER_NODES(density_reverse, n_owner)
OVER_NODES(gate_forward, n)
OVER_NODES(gate_reverse, n)
OVER_NODES(silu_jet, n)
OVER_NODES(norm_jet, n)
OVER_NODES(scale_jet, n)
OVER_NODES(row_sum, n)
OVER_NODES(quintic, n)
OVER_NODES(scale_forward, n)
OVER_NODES(scale_reverse, n)
OVER_NODES(dot_forward, n)
OVER_NODES(dot_reverse, n)

static void row_copy_host(const row_args *a) {
  for (int i = 0; i < a->n; i++) row_body(a, i, 0);
}
static void row_add_host(const row_args *a) {
  for (int i = 0; i < a->n; i++) row_body(a, i, 1);
}

/* ------------------------------------------------------------------------------- convolution */

FN void conv_forward_path(const conv_args *a, const conv_path *p, int l1, int l3, int orders) {
  for (int i = 0; i < a->n_owner; i++) {
    int k = 0;
    for (; k + 2 * LW <= p->channels; k += 2 * LW) conv_forward_body(a, p, l1, l3, orders, 2, i, k);
    for (; k < p->channels; k += LW) conv_forward_body(a, p, l1, l3, orders, 1, i, k);
  }
}

#define L_PAIRS(X, orders)                                                                         \
  X(0, 0, orders)                                                                                  \
  X(0, 1, orders)                                                                                  \
  X(0, 2, orders)                                                                                  \
  X(0, 3, orders)                                                                                  \
  X(1, 0, orders)                                                                                  \
  X(1, 1, orders)                                                                                  \
  X(1, 2, orders)                                                                                  \
  X(1, 3, orders)                                                                                  \
  X(2, 0, orders)                                                                                  \
  X(2, 1, orders)                                                                                  \
  X(2, 2, orders)                                                                                  \
  X(2, 3, orders)                                                                                  \
  X(3, 0, orders)                                                                                  \
  X(3, 1, orders)                                                                                  \
  X(3, 2, orders)                                                                                  \
  X(3, 3, orders)

static void conv_forward_host(const conv_args *a) {
  for (const conv_path *p = a->path; p < a->path + a->n_path; p++) {
#define FORWARD(l1, l3, orders)                                                                    \
  case l1 *N_L + l3: conv_forward_path(a, p, l1, l3, orders); break;
    if (a->orders == RADIAL_VALUE) switch (p->l1 * N_L + p->l3) {
        L_PAIRS(FORWARD, RADIAL_VALUE)
      default: break;
      }
    else switch (p->l1 * N_L + p->l3) {
        L_PAIRS(FORWARD, RADIAL_QUINTIC)
      default: break;
      }
#undef FORWARD
  }
}

#define REVERSE(l1, l3, orders)                                                                    \
  static void conv_reverse_##l1##l3##orders(const conv_args *a, const conv_path *p, int i, int e,  \
                                            lane *s, lane *s_r) {                                  \
    conv_reverse_body(a, p, l1, l3, orders, i, e, s, s_r);                                         \
  }
L_PAIRS(REVERSE, 2)
L_PAIRS(REVERSE, 6)
#undef REVERSE
typedef void reverse_edge(const conv_args *, const conv_path *, int, int, lane *, lane *);

static reverse_edge *reverse_for(int l1, int l3, int orders) {
#define REVERSE_NAME(l1, l3, orders) conv_reverse_##l1##l3##orders,
  static reverse_edge *const slope[] = {L_PAIRS(REVERSE_NAME, 2)};
  static reverse_edge *const quintic[] = {L_PAIRS(REVERSE_NAME, 6)};
#undef REVERSE_NAME
  return (orders == RADIAL_SLOPE ? slope : quintic)[l1 * N_L + l3];
}

static size_t conv_scratch_host(int n_q) {
  return ((size_t)n_q + M_MAX * M_MAX + LW) * sizeof(lane);
}

static void conv_reverse_host(const conv_args *a) {
  lane *s = (lane *)a->scratch;
  for (int i = 0; i < a->n_owner; i++) {
    if (a->h_bar) {
      real *h_bar = (real *)a->h_bar + (size_t)i * (size_t)a->h_stride;
      FOR_CHANNELS(k, a->h_stride) lane_store(h_bar + k, lane_set(0));
    }
    for (int e = a->first[i]; e < a->first[i + 1]; e++) {
      lane s_r[LW];
      real r_bar;
      s_r[0] = lane_set(0);
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        reverse_for(p->l1, p->l3, a->orders)(a, p, i, e, s + p->q, s_r);
      channel_sum(s, a->n_q,
                  (real *)a->q_bar + (size_t)(e / EDGE_TILE) * (size_t)a->n_q * EDGE_TILE +
                      e % EDGE_TILE,
                  EDGE_TILE);
      channel_sum(s_r, 1, &r_bar, 1);
      a->r_bar[e] += (double)r_bar * a->slope[e];
    }
  }
}

#define WEIGHT_REVERSE(l1, l3, unused)                                                             \
  static void conv_weight_reverse_##l1##l3(const conv_args *a, const conv_path *p, int i, int e) { \
    conv_weight_reverse_body(a, p, l1, l3, i, e);                                                  \
  }
L_PAIRS(WEIGHT_REVERSE, 0)
#undef WEIGHT_REVERSE
typedef void weight_reverse_edge(const conv_args *, const conv_path *, int, int);

static void conv_weight_reverse_host(const conv_args *a) {
#define WEIGHT_REVERSE_NAME(l1, l3, unused) conv_weight_reverse_##l1##l3,
  static weight_reverse_edge *const body[] = {L_PAIRS(WEIGHT_REVERSE_NAME, 0)};
#undef WEIGHT_REVERSE_NAME
  for (int i = 0; i < a->n_owner; i++)
    for (int e = a->first[i]; e < a->first[i + 1]; e++)
      for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
        body[p->l1 * N_L + p->l3](a, p, i, e);
}

/* -------------------------------------------------------------------------------- contraction */

#define OVER_ATOMS(op)                                                                             \
  static void op##_host(const contraction_args *a) {                                               \
    for (int k = 0; k < a->channels; k += LW) {                                                    \
      int i = 0;                                                                                   \
      for (; i + 4 <= a->n_atom; i += 4) op##_body(a, a->atom + i, 4, k);                          \
      for (; i + 2 <= a->n_atom; i += 2) op##_body(a, a->atom + i, 2, k);                          \
      for (; i < a->n_atom; i++) op##_body(a, a->atom + i, 1, k);                                  \
    }                                                                                              \
  }
OVER_ATOMS(contraction_forward)
OVER_ATOMS(contraction_reverse)

/* --------------------------------------------------------------------------------- dispersion */

static void pair_count_host(const dispersion_args *a) { pair_walk(a, PAIR_COUNT); }
static void pair_energy_host(const dispersion_args *a) { pair_walk(a, PAIR_ENERGY); }
static void pair_force_host(const dispersion_args *a) { pair_walk(a, PAIR_FORCE); }
static void pair_virial_host(const dispersion_args *a) { pair_walk(a, PAIR_VIRIAL); }
static void pull_force_host(const dispersion_args *a) { pair_walk(a, PULL_FORCE); }
static void pull_virial_host(const dispersion_args *a) { pair_walk(a, PULL_VIRIAL); }
static void field_count_host(const dispersion_args *a) { pair_walk(a, FIELD_COUNT); }
static void field_energy_host(const dispersion_args *a) { pair_walk(a, FIELD_ENERGY); }

/* -------------------------------------------------------------------------------------- table */

static void convert_host(const double *x, size_t n, void *out) {
  for (size_t i = 0; i < n; i++) ((real *)out)[i] = (real)x[i];
}

#define STRING_(x)     #x
#define STRING(x)      STRING_(x)
#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c)  JOIN_(a, b, c)
#if EQS_KERNEL_DOUBLE
#define TABLE      JOIN(kernels_host_, EQS_KERNEL_ISA, _f64)
#define TABLE_NAME STRING(EQS_KERNEL_ISA) " double"
#else
#define TABLE      JOIN(kernels_host_, EQS_KERNEL_ISA, _f32)
#define TABLE_NAME STRING(EQS_KERNEL_ISA) " single"
#endif

extern const kernel_ops TABLE;
const kernel_ops TABLE = {
    .name = TABLE_NAME,
    .real_size = sizeof(real),
#define ENTRY(op, args) .op = op##_host,
    KERNELS(ENTRY)
#undef ENTRY
        .convert = convert_host,
    .linear_pack = linear_pack_host,
    .conv_scratch = conv_scratch_host,
    .partners = PAIR_WIDTH,
};
