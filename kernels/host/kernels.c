/* kernels.c -- the host backend: launchers only. Compiled once per instruction set and precision
 * (EQS_KERNEL_ISA, EQS_KERNEL_DOUBLE); each makes one table.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "core/device.h"
#include "kernels/lane.h"

#include "kernels/convolution.h"
#include "kernels/edges.h"
#include "kernels/geometry.h"
#include "kernels/host/contraction.h"
#include "kernels/host/convolution.h"
#include "kernels/host/dispersion.h"
#include "kernels/host/linear.h"
#include "kernels/node.h"
#include "kernels/radial.h"
#include "kernels/wall.h"

/* Lanes over the edges of a tile. */
#define OVER_TILES(op)                                                                             \
  static void op##_host(const op##_launch *a) {                                                    \
    for (int tile = 0; tile * EDGE_TILE < *a->n_edge; tile++)                                      \
      for (int j = 0; j < EDGE_TILE; j += LW) op##_body(a, tile, j);                               \
  }
typedef edge_geometry_args edge_geometry_launch;
typedef edge_gradient_args edge_gradient_launch;
typedef coupling_args coupling_forward_launch, coupling_reverse_launch;
OVER_TILES(edge_geometry)
OVER_TILES(edge_gradient)
FN void coupling_reverse_body(const coupling_args *a, int tile, int j) {
  lane sum[A_MAX];
  coupling_reverse_sums(a, tile, j, sum, 1);
}
OVER_TILES(coupling_forward)
OVER_TILES(coupling_reverse)

#define OVER_EDGES(op)                                                                             \
  static void op##_host(const op##_args *a) {                                                      \
    for (int e = 0; e < *a->n_edge; e++) op##_body(a, e);                                          \
  }
OVER_EDGES(edge_pick)
OVER_EDGES(edge_add)
OVER_EDGES(radial_basis)
OVER_EDGES(radial_density)
OVER_EDGES(radial_locate)

#define OVER_NODES(op, count)                                                                      \
  static void op##_host(const op##_launch *a) {                                                    \
    for (int i = 0; i < a->count; i++) op##_body(a, i);                                            \
  }
typedef edge_gather_args edge_gather_launch;
typedef species_energy_args species_energy_launch;
typedef edge_force_args edge_force_launch;
typedef edge_virial_args edge_virial_launch;
typedef zbl_args zbl_launch;
typedef wall_args wall_forward_launch, wall_reverse_launch;
typedef density_args density_forward_launch, density_reverse_launch;
typedef gate_args gate_forward_launch, gate_reverse_launch;
typedef silu_jet_args silu_jet_launch;
typedef norm_jet_args norm_jet_launch;
typedef scale_jet_args scale_jet_launch;
typedef row_sum_args row_sum_launch;
typedef quintic_args quintic_launch;
typedef scale_args scale_forward_launch, scale_reverse_launch;
typedef dot_args dot_forward_launch, dot_reverse_launch;
OVER_NODES(edge_gather, n_owner)
OVER_NODES(species_energy, n)
OVER_NODES(edge_force, n)
OVER_NODES(edge_virial, n)
OVER_NODES(zbl, n)
OVER_NODES(wall_forward, n)
OVER_NODES(wall_reverse, n)
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
  for (int i = 0, n = row_count(a); i < n; i++) row_body(a, i, 0);
}
static void row_add_host(const row_args *a) {
  for (int i = 0, n = row_count(a); i < n; i++) row_body(a, i, 1);
}

/* -------------------------------------------------------------------------------- contraction */

static void contraction_pack_host(const double *c, int n_monomial, int channels, void *out) {
  real *to = (real *)out;
  for (int k = 0; k < channels; k += LW)
    for (int i = 0; i < n_monomial; i++)
      for (int j = 0; j < LW; j++) *to++ = (real)c[(size_t)i * (size_t)channels + (size_t)(k + j)];
}

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
    .device = &device_host,
#define ENTRY(op, args) .op = op##_host,
    KERNELS(ENTRY) HOST_KERNELS(ENTRY)
#undef ENTRY
        .convert = convert_host,
    .linear_pack = linear_pack_host,
    .contraction_pack = contraction_pack_host,
    .conv_scratch = conv_scratch_host,
    .partners = PAIR_WIDTH,
};
