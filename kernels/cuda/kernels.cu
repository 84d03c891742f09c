// kernels.cu -- the kernel bodies as CUDA kernels, and their launchers: the same source as the
// host, one thread a lane. Compiled once per precision; each makes one table.
//
// Geometry: a thread per edge. Atoms: a thread each, or a warp that walks the channels or edges.
// Convolution: forward a thread per channel and a block per centre; reverse a warp per neighbour,
// which keeps the adjoint of its features to itself, so that its sums over channels need no
// barrier. Grids depend on the numbers of atoms and on capacities, never on the number of edges.
//
// SPDX-License-Identifier: MIT
#include "kernels/emu/cuemu.h"
#include "kernels/lane.h"

#include "kernels/contraction.h"
#include "kernels/convolution.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/linear.h"
#include "kernels/dispersion.h"
#include "kernels/dispersion_weights.h"
#include "kernels/edges.h"
#include "kernels/geometry.h"
#include "kernels/node.h"
#include "kernels/radial.h"
#include "kernels/search.h"

#include <climits>
#include <cstring>

namespace {

enum { BLOCK = 128, WARPS = BLOCK / 32 };

cudaStream_t stream() { return static_cast<cudaStream_t>(cuda_entered_stream()); }
// Launches unless an earlier launch was refused.
#define LAUNCH(kernel, grid, block, ...)                                                           \
  do {                                                                                             \
    if (!cuda_may_launch()) break;                                                                 \
    CU_LAUNCH(kernel, grid, block, 0, stream(), __VA_ARGS__);                                      \
    cuda_launched();                                                                               \
  } while (0)

unsigned blocks(int n, int per_block) { return (unsigned)((n + per_block - 1) / per_block); }

// Body `call` in kernel op##_kernel, launched for `n` items with `per_block` to a block.
#define KERNEL(op, args, guard, call)                                                              \
  __global__ void __launch_bounds__(BLOCK, 4) op##_kernel(const args a) {                          \
    const int thread = (int)(blockIdx.x * blockDim.x + threadIdx.x), warp = thread / 32;           \
    (void)warp;                                                                                    \
    if (guard) call;                                                                               \
  }
#define LAUNCHER(op, args, count, per_block)                                                       \
  void op##_cuda(const args *a) {                                                                  \
    if (a->count > 0) LAUNCH(op##_kernel, blocks(a->count, per_block), BLOCK, *a);                 \
  }

// A thread per place of a tile of edges.
#define OVER_TILES(op, args)                                                                       \
  KERNEL(op, args, thread / EDGE_TILE * EDGE_TILE < *a.n_edge,                                     \
         op##_body(&a, thread / EDGE_TILE, thread % EDGE_TILE))                                    \
  void op##_cuda(const args *a) {                                                                  \
    int places = (a->n + EDGE_TILE - 1) / EDGE_TILE * EDGE_TILE;                                   \
    if (places > 0) LAUNCH(op##_kernel, blocks(places, BLOCK), BLOCK, *a);                         \
  }
OVER_TILES(edge_geometry, edge_geometry_args)
OVER_TILES(edge_gradient, edge_gradient_args)
OVER_TILES(coupling_forward, coupling_args)
OVER_TILES(coupling_reverse, coupling_args)

// A thread per edge.
#define OVER_EDGES(op)                                                                             \
  KERNEL(op, op##_args, thread < *a.n_edge, op##_body(&a, thread))                                 \
  LAUNCHER(op, op##_args, n, BLOCK)
OVER_EDGES(edge_pick)
OVER_EDGES(edge_add)
OVER_EDGES(radial_basis)
OVER_EDGES(radial_density)
OVER_EDGES(radial_locate)

// A thread per atom.
#define OVER_ATOMS(op, args, count)                                                                \
  KERNEL(op, args, thread < a.count, op##_body(&a, thread))                                        \
  LAUNCHER(op, args, count, BLOCK)
OVER_ATOMS(species_energy, species_energy_args, n)
OVER_ATOMS(edge_force, edge_force_args, n)
OVER_ATOMS(edge_virial, edge_virial_args, n)
OVER_ATOMS(zbl, zbl_args, n)
OVER_ATOMS(density_forward, density_args, n_owner)
OVER_ATOMS(density_reverse, density_args, n_owner)

// A warp per row or atom.
#define OVER_ROWS(op, args, count)                                                                 \
  KERNEL(op, args, warp < a.count, op##_body(&a, warp))                                            \
  LAUNCHER(op, args, count, WARPS)
OVER_ROWS(edge_gather, edge_gather_args, n_owner)
OVER_ROWS(gate_forward, gate_args, n)
OVER_ROWS(gate_reverse, gate_args, n)
OVER_ROWS(silu_jet, silu_jet_args, n)
OVER_ROWS(norm_jet, norm_jet_args, n)
OVER_ROWS(scale_jet, scale_jet_args, n)
OVER_ROWS(row_sum, row_sum_args, n)
OVER_ROWS(scale_forward, scale_args, n)
OVER_ROWS(scale_reverse, scale_args, n)
OVER_ROWS(dot_forward, dot_args, n)
OVER_ROWS(dot_reverse, dot_args, n)
KERNEL(row_copy, row_args, warp < row_count(&a), row_body(&a, warp, 0))
LAUNCHER(row_copy, row_args, n, WARPS)
KERNEL(row_add, row_args, warp < row_count(&a), row_body(&a, warp, 1))
LAUNCHER(row_add, row_args, n, WARPS)

#include "kernels/cuda/search.h"

// -------------------------------------------------------------------------------- convolution

// Calls run<l1, l3> of a path.
#define L_PAIRS(X)                                                                                 \
  X(0, 0)                                                                                          \
  X(0, 1)                                                                                          \
  X(0, 2)                                                                                          \
  X(0, 3)                                                                                          \
  X(1, 0) X(1, 1) X(1, 2) X(1, 3) X(2, 0) X(2, 1) X(2, 2) X(2, 3) X(3, 0) X(3, 1) X(3, 2) X(3, 3)

template <int l1, int l3, int orders>
__global__ void __launch_bounds__(BLOCK, 4)
    conv_forward_kernel(const conv_args a, const conv_path p) {
  const int i = (int)blockIdx.x;
  for (int k = (int)threadIdx.x; k < p.channels; k += (int)blockDim.x)
    conv_forward_body(&a, &p, l1, l3, orders, 1, i, a.first[i], a.first[i + 1], 1, k, NULL);
}

template <int l1, int l3, int orders>
__global__ void __launch_bounds__(BLOCK, l1 == 3 && l3 == 3 ? 3 : 4)
    conv_reverse_kernel(const conv_args a, const conv_path p) {
  const int i = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32);
  const int n = (2 * l1 + 1) * (2 * l3 + 1);
  if (i >= a.n_owner) return;
  for (int e = a.first[i]; e < a.first[i + 1]; e++) {
    lane s[n], s_r = lane_set(0);
    conv_reverse_body(&a, &p, l1, l3, orders, i, e, s, &s_r);
    real *q_bar = (real *)a.q_bar + (size_t)(e / EDGE_TILE) * (size_t)a.n_q * EDGE_TILE;
    channel_sum(s, n, q_bar + p.q * EDGE_TILE + e % EDGE_TILE, EDGE_TILE);
    real r_bar = 0;
    channel_sum(&s_r, 1, &r_bar, 1);
    if (LANE_LEADER) a.r_bar[e] += (double)r_bar * a.slope[e];
  }
}

template <int l1, int l3>
__global__ void __launch_bounds__(BLOCK, 4)
    conv_weight_reverse_kernel(const conv_args a, const conv_path p) {
  const int i = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32);
  if (i >= a.n_owner) return;
  for (int e = a.first[i]; e < a.first[i + 1]; e++) conv_weight_reverse_body(&a, &p, l1, l3, i, e);
}

typedef void conv_launch(const conv_args *, const conv_path *);

template <int l1, int l3, int orders> void launch_forward(const conv_args *a, const conv_path *p) {
  int threads = p->channels < BLOCK ? (p->channels + 31) / 32 * 32 : BLOCK;
  LAUNCH((conv_forward_kernel<l1, l3, orders>), (unsigned)a->n_owner, (unsigned)threads, *a, *p);
}
template <int l1, int l3, int orders> void launch_reverse(const conv_args *a, const conv_path *p) {
  LAUNCH((conv_reverse_kernel<l1, l3, orders>), blocks(a->n_owner, WARPS), BLOCK, *a, *p);
}
template <int l1, int l3, int unused>
void launch_weight_reverse(const conv_args *a, const conv_path *p) {
  LAUNCH((conv_weight_reverse_kernel<l1, l3>), blocks(a->n_owner, WARPS), BLOCK, *a, *p);
}

void over_paths(conv_launch *const *table, const conv_args *a) {
  if (a->n_owner < 1) return;
  for (const conv_path *p = a->path; p < a->path + a->n_path; p++) table[p->l1 * N_L + p->l3](a, p);
}

void conv_forward_cuda(const conv_args *a) {
#define VALUE(l1, l3)   launch_forward<l1, l3, RADIAL_VALUE>,
#define QUINTIC(l1, l3) launch_forward<l1, l3, RADIAL_QUINTIC>,
  static conv_launch *const value[] = {L_PAIRS(VALUE)}, *const quintic[] = {L_PAIRS(QUINTIC)};
#undef VALUE
#undef QUINTIC
  over_paths(a->orders == RADIAL_VALUE ? value : quintic, a);
}

void conv_reverse_cuda(const conv_args *a) {
#define SLOPE(l1, l3)   launch_reverse<l1, l3, RADIAL_SLOPE>,
#define QUINTIC(l1, l3) launch_reverse<l1, l3, RADIAL_QUINTIC>,
  static conv_launch *const slope[] = {L_PAIRS(SLOPE)}, *const quintic[] = {L_PAIRS(QUINTIC)};
#undef SLOPE
#undef QUINTIC
  if (a->h_bar) {
    row_args zeros;
    memset(&zeros, 0, sizeof zeros);
    zeros.n = a->n_owner;
    zeros.width = zeros.y_stride = a->h_stride;
    zeros.y = a->h_bar;
    row_copy_cuda(&zeros);
  }
  over_paths(a->orders == RADIAL_SLOPE ? slope : quintic, a);
}

void conv_weight_reverse_cuda(const conv_args *a) {
#define WEIGHT(l1, l3) launch_weight_reverse<l1, l3, 0>,
  static conv_launch *const table[] = {L_PAIRS(WEIGHT)};
#undef WEIGHT
  over_paths(table, a);
}

size_t conv_scratch_cuda(int) { return 0; }

// -------------------------------------------------------------------------------- contraction

// Atoms that share a stream of coefficients, so that a block's factors fill 32 KiB of shared
// memory.
enum { FORWARD_ATOMS = 16 / sizeof(real), REVERSE_ATOMS = 8 / sizeof(real) };

// The block's atoms; the last block computes its last atom more than once.
template <int atoms> __device__ void block_atoms(const contraction_args &a, int *atom) {
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    int i = (int)blockIdx.x * atoms + s;
    atom[s] = a.atom[i < a.n_atom ? i : a.n_atom - 1];
  }
}

__global__ void __launch_bounds__(BLOCK, 4) contraction_forward_kernel(const contraction_args a) {
  CU_SHARED(lane, factor, [A_MAX * FORWARD_ATOMS * BLOCK]);
  int atom[FORWARD_ATOMS];
  block_atoms<FORWARD_ATOMS>(a, atom);
  for (int k = (int)threadIdx.x; k < a.channels; k += (int)blockDim.x)
    contraction_forward_body(&a, atom, FORWARD_ATOMS, k, factor + threadIdx.x);
}

__global__ void __launch_bounds__(BLOCK, 4) contraction_reverse_kernel(const contraction_args a) {
  CU_SHARED(lane, factor, [A_MAX * REVERSE_ATOMS * BLOCK]);
  CU_SHARED(lane, adjoint, [A_MAX * REVERSE_ATOMS * BLOCK]);
  int atom[REVERSE_ATOMS];
  block_atoms<REVERSE_ATOMS>(a, atom);
  for (int k = (int)threadIdx.x; k < a.channels; k += (int)blockDim.x)
    contraction_reverse_body(&a, atom, REVERSE_ATOMS, k, factor + threadIdx.x,
                             adjoint + threadIdx.x);
}
LAUNCHER(contraction_forward, contraction_args, n_atom, FORWARD_ATOMS)
LAUNCHER(contraction_reverse, contraction_args, n_atom, REVERSE_ATOMS)

// -------------------------------------------------------------------------------- linear maps

void linear_cuda(const linear_args *a) {
  int n_row = a->n_atom * a->n_m;
  if (n_row < 1) return;
  if (a->in_atom || a->out_atom) {
    dim3 grid(blocks(n_row, LINEAR_TILE), blocks(a->n, LINEAR_TILE));
    LAUNCH(linear_listed_kernel, grid, LINEAR_THREADS, *a);
  } else {
#if EQS_KERNEL_DOUBLE
    cuda_linear_f64(a);
#else
    cuda_linear_f32(a);
#endif
  }
}

// --------------------------------------------------------------------------------- dispersion
#include "kernels/cuda/dispersion.h"

// -------------------------------------------------------------------------------------- table

// These prepare host memory.
void convert_cuda(const double *x, size_t n, void *out) {
  for (size_t i = 0; i < n; i++) ((real *)out)[i] = (real)x[i];
}
void linear_pack_cuda(const double *w, int k, int n, void *out) {
  convert_cuda(w, (size_t)k * (size_t)n, out);
}
void contraction_pack_cuda(const double *c, int n_monomial, int channels, void *out) {
  convert_cuda(c, (size_t)n_monomial * (size_t)channels, out);
}

kernel_ops make_table() {
  kernel_ops t;
  memset(&t, 0, sizeof t);
  t.name = EQS_KERNEL_DOUBLE ? "cuda double" : "cuda single";
  t.real_size = sizeof(real);
#define ENTRY(op, args) t.op = op##_cuda;
  KERNELS(ENTRY)
  DEVICE_KERNELS(ENTRY)
#undef ENTRY
  t.convert = convert_cuda;
  t.linear_pack = linear_pack_cuda;
  t.contraction_pack = contraction_pack_cuda;
  t.conv_scratch = conv_scratch_cuda;
  return t;
}

} // namespace

#if EQS_KERNEL_DOUBLE
extern "C" const kernel_ops kernels_cuda_f64 = make_table();
#else
extern "C" const kernel_ops kernels_cuda_f32 = make_table();
#endif
