// kernels.cu -- the kernel bodies as CUDA kernels, and their launchers: the same source as the
// host, one thread a lane. Compiled once per precision; each makes one table.
//
// Geometry: a thread per edge. Atoms: a thread each, or a warp that walks the channels or edges.
// Convolution: kernels/cuda/convolution.h. Grids depend on the numbers of atoms and on capacities,
// never on the number of edges.
//
// SPDX-License-Identifier: MIT
#include "kernels/emu/cuemu.h"
#include "kernels/lane.h"

#include "kernels/contraction.h"
#include "kernels/convolution.h"
#include "kernels/cuda/convolution.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/linear.h"
#include "kernels/dispersion.h"
#include "kernels/dispersion_weights.h"
#include "kernels/edges.h"
#include "kernels/geometry.h"
#include "kernels/node.h"
#include "kernels/radial.h"
#include "kernels/search.h"
#include "kernels/wall.h"

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
    cuda_mark(#kernel);                                                                            \
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

__global__ void __launch_bounds__(BLOCK, 4) coupling_reverse_kernel(const coupling_args a) {
  CU_SHARED(lane, sum, [A_MAX][BLOCK]);
  const int thread = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (thread / EDGE_TILE * EDGE_TILE < *a.n_edge)
    coupling_reverse_sums(&a, thread / EDGE_TILE, thread % EDGE_TILE, &sum[0][threadIdx.x], BLOCK);
}
LAUNCHER(coupling_reverse, coupling_args, n, BLOCK)

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
OVER_ATOMS(wall_forward, wall_args, n)
OVER_ATOMS(wall_reverse, wall_args, n)

// A warp per row or atom.
#define OVER_ROWS(op, args, count)                                                                 \
  KERNEL(op, args, warp < a.count, op##_body(&a, warp))                                            \
  LAUNCHER(op, args, count, WARPS)
OVER_ROWS(edge_gather, edge_gather_args, n_owner)
OVER_ROWS(density_forward, density_args, n_owner)
OVER_ROWS(density_reverse, density_args, n_owner)
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

#define L_PAIRS(X)                                                                                 \
  X(0, 0)                                                                                          \
  X(0, 1)                                                                                          \
  X(0, 2)                                                                                          \
  X(0, 3)                                                                                          \
  X(1, 0) X(1, 1) X(1, 2) X(1, 3) X(2, 0) X(2, 1) X(2, 2) X(2, 3) X(3, 0) X(3, 1) X(3, 2) X(3, 3)

// The paths of each l1 together.
template <class run> void over_features(const conv_args *a, run launch) {
  for (int l1 = 0; l1 < N_L && a->n_owner > 0; l1++) {
    conv_paths paths;
    memset(&paths, 0, sizeof paths);
    for (const conv_path *p = a->path; p < a->path + a->n_path; p++)
      if (p->l1 == l1) paths.path[paths.n++] = *p;
    if (paths.n) launch(l1, paths);
  }
}

// Warps of a block so that they make the same number of paths, nearly.
unsigned forward_threads(int n_path) {
  int rounds = (n_path + CONV_WARPS - 1) / CONV_WARPS;
  return (unsigned)(32 * ((n_path + rounds - 1) / rounds));
}

template <int orders> void forward(const conv_args *a) {
  over_features(a, [a](int l1, const conv_paths &p) {
    const unsigned grid = (unsigned)a->n_owner, block = forward_threads(p.n);
    if (l1 == 0) LAUNCH((conv_forward_kernel<0, orders>), grid, block, *a, p);
    else if (l1 == 1) LAUNCH((conv_forward_kernel<1, orders>), grid, block, *a, p);
    else if (l1 == 2) LAUNCH((conv_forward_kernel<2, orders>), grid, block, *a, p);
    else LAUNCH((conv_forward_kernel<3, orders>), grid, block, *a, p);
  });
}

template <int orders> void reverse(const conv_args *a) {
  over_features(a, [a](int l1, const conv_paths &p) {
    const unsigned grid = blocks(a->n_owner, REVERSE_WARPS), block = 32 * REVERSE_WARPS;
    if (a->by_center) LAUNCH((conv_reverse_kernel<0, orders, 1>), grid, block, *a, p);
    else if (l1 == 0) LAUNCH((conv_reverse_kernel<0, orders, 0>), grid, block, *a, p);
    else if (l1 == 1) LAUNCH((conv_reverse_kernel<1, orders, 0>), grid, block, *a, p);
    else if (l1 == 2) LAUNCH((conv_reverse_kernel<2, orders, 0>), grid, block, *a, p);
    else LAUNCH((conv_reverse_kernel<3, orders, 0>), grid, block, *a, p);
  });
}

void conv_forward_cuda(const conv_args *a) {
  if (a->orders == RADIAL_VALUE) forward<RADIAL_VALUE>(a);
  else forward<RADIAL_QUINTIC>(a);
}

void conv_reverse_cuda(const conv_args *a) {
  if (a->h_bar) {
    row_args zeros;
    memset(&zeros, 0, sizeof zeros);
    zeros.n = a->n_owner;
    zeros.width = zeros.y_stride = a->h_stride;
    zeros.y = a->h_bar;
    row_copy_cuda(&zeros);
  }
  if (a->orders == RADIAL_SLOPE) reverse<RADIAL_SLOPE>(a);
  else reverse<RADIAL_QUINTIC>(a);
}

typedef void conv_launch(const conv_args *, const conv_path *);
template <int l1, int l3> void launch_weight_reverse(const conv_args *a, const conv_path *p) {
  LAUNCH((conv_weight_reverse_kernel<l1, l3>), blocks(a->n_owner, WARPS), BLOCK, *a, *p);
}
void conv_weight_reverse_cuda(const conv_args *a) {
#define WEIGHT(l1, l3) launch_weight_reverse<l1, l3>,
  static conv_launch *const table[] = {L_PAIRS(WEIGHT)};
#undef WEIGHT
  if (a->n_owner < 1) return;
  for (const conv_path *p = a->path; p < a->path + a->n_path; p++) table[p->l1 * N_L + p->l3](a, p);
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

#if !EQS_KERNEL_DOUBLE // in double the factors would not fit the registers
// Selected programs: a thread per channel and few atoms, all in registers; the warps of a block
// share the stream of coefficients in the first level of cache.
enum { SELECTED_WARPS = 4, SELECTED_FORWARD = 4, SELECTED_REVERSE = 2 };

// A warp's atoms (the last one again where there are none left); false = there is not even a first.
template <int atoms> __device__ bool warp_atoms(const contraction_args &p, int *atom) {
  const int first = ((int)blockIdx.x * SELECTED_WARPS + (int)(threadIdx.x / 32)) * atoms;
  UNROLL(8)
  for (int s = 0; s < atoms; s++) atom[s] = p.atom[first + s < p.n_atom ? first + s : p.n_atom - 1];
  return first < p.n_atom;
}
template <int atoms>
__device__ void load_factors(const contraction_args &p, const int *atom, int k, lane (*a)[atoms]) {
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    const real *from = contraction_row(&p, atom[s], k);
    UNROLL(16)
    for (int m = 0; m < A_MAX; m++) a[m][s] = lane_load(from + m * p.channels);
  }
}

// Outputs `out` and on; c: the coefficients of the first.
template <int out, int atoms>
__device__ __forceinline__ void outputs_forward(const contraction_args &p, const int *atom, int k,
                                                const real *c, const lane (*a)[atoms]) {
  lane b[atoms];
  if (out >= p.n_output) return;
  UNROLL(8)
  for (int s = 0; s < atoms; s++) b[s] = lane_set(0);
  selected_forward<out, 0, atoms>(c, a, b);
  UNROLL(8)
  for (int s = 0; s < atoms; s++)
    lane_store((real *)p.b + (size_t)atom[s] * (size_t)p.b_stride + p.row[out] + k, b[s]);
  if constexpr (out + 1 < SELECTED_OUTPUTS)
    outputs_forward<out + 1, atoms>(p, atom, k, c + selected_of_output(out) * SELECTED_STEP, a);
}
template <int out, int atoms>
__device__ __forceinline__ void outputs_reverse(const contraction_args &p, const int *atom, int k,
                                                const real *c, const lane (*a)[atoms],
                                                lane (*g)[atoms]) {
  lane seed[atoms];
  if (out >= p.n_output) return;
  UNROLL(8)
  for (int s = 0; s < atoms; s++)
    seed[s] = lane_load((const real *)p.b + (size_t)atom[s] * (size_t)p.b_stride + p.row[out] + k);
  selected_reverse<out, 0, atoms>(c, a, seed, g);
  if constexpr (out + 1 < SELECTED_OUTPUTS)
    outputs_reverse<out + 1, atoms>(p, atom, k, c + selected_of_output(out) * SELECTED_STEP, a, g);
}

__global__ void __launch_bounds__(32 * SELECTED_WARPS, 3)
    contraction_selected_forward_kernel(const contraction_args p) {
  const int k = 32 * (int)blockIdx.y + (int)(threadIdx.x & 31);
  int atom[SELECTED_FORWARD];
  lane a[A_MAX][SELECTED_FORWARD];
  if (!warp_atoms<SELECTED_FORWARD>(p, atom)) return;
  load_factors<SELECTED_FORWARD>(p, atom, k, a);
  outputs_forward<0, SELECTED_FORWARD>(p, atom, k, contraction_stream(&p, k), a);
}

__global__ void __launch_bounds__(32 * SELECTED_WARPS, 3)
    contraction_selected_reverse_kernel(const contraction_args p) {
  const int k = 32 * (int)blockIdx.y + (int)(threadIdx.x & 31);
  int atom[SELECTED_REVERSE];
  lane a[A_MAX][SELECTED_REVERSE], g[A_MAX][SELECTED_REVERSE];
  if (!warp_atoms<SELECTED_REVERSE>(p, atom)) return;
  load_factors<SELECTED_REVERSE>(p, atom, k, a);
  UNROLL(16)
  for (int m = 0; m < A_MAX; m++) UNROLL(8)
  for (int s = 0; s < SELECTED_REVERSE; s++) g[m][s] = lane_set(0);
  outputs_reverse<0, SELECTED_REVERSE>(p, atom, k, contraction_stream(&p, k), a, g);
  UNROLL(8)
  for (int s = 0; s < SELECTED_REVERSE; s++) {
    real *to = (real *)p.a_bar + (size_t)atom[s] * (size_t)p.a_stride + k;
    UNROLL(16)
    for (int m = 0; m < A_MAX; m++) lane_store(to + m * p.channels, g[m][s]);
  }
}

dim3 selected_grid(const contraction_args *a, int atoms) {
  return dim3(blocks(a->n_atom, SELECTED_WARPS * atoms), (unsigned)a->channels / 32);
}
#endif

void contraction_forward_cuda(const contraction_args *a) {
  if (a->n_atom < 1) return;
#if !EQS_KERNEL_DOUBLE
  if (a->selected) {
    LAUNCH(contraction_selected_forward_kernel, selected_grid(a, SELECTED_FORWARD),
           32 * SELECTED_WARPS, *a);
    return;
  }
#endif
  LAUNCH(contraction_forward_kernel, blocks(a->n_atom, FORWARD_ATOMS), BLOCK, *a);
}

void contraction_reverse_cuda(const contraction_args *a) {
  if (a->n_atom < 1) return;
#if !EQS_KERNEL_DOUBLE
  if (a->selected) {
    LAUNCH(contraction_selected_reverse_kernel, selected_grid(a, SELECTED_REVERSE),
           32 * SELECTED_WARPS, *a);
    return;
  }
#endif
  LAUNCH(contraction_reverse_kernel, blocks(a->n_atom, REVERSE_ATOMS), BLOCK, *a);
}

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
    cuda_mark("gemm");
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
  const int step = CONTRACTION_STEP(channels);
  real *to = (real *)out;
  for (int k = 0; k < channels; k += step)
    for (int i = 0; i < n_monomial; i++)
      for (int j = 0; j < step; j++)
        *to++ = (real)c[(size_t)i * (size_t)channels + (size_t)(k + j)];
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
  t.selected_contractions = EQS_KERNEL_DOUBLE ? 0 : SELECTED_STEP;
  return t;
}

} // namespace

#if EQS_KERNEL_DOUBLE
extern "C" const kernel_ops kernels_cuda_f64 = make_table();
#else
extern "C" const kernel_ops kernels_cuda_f32 = make_table();
#endif
