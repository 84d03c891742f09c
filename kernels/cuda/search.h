// search.h -- kernels of the neighbour search on a device, of prefix sums, and of sums over
// systems. Included by kernels.cu, whose macros it uses; all of it is in double or integers.
//
// A thread bins, places, counts and fills an atom; a warp sorts an atom's edges. Atoms of a bin and
// edges of an atom are written in any order: the sort makes the list unique. A structure that the
// host would refuse raises status->refused or crowded, after which the kernels do nothing.
//
// SPDX-License-Identifier: MIT
#ifndef EQS_CUDA_SEARCH_H
#define EQS_CUDA_SEARCH_H

// Of a block that walks all atoms of a system.
enum { WIDE = 512 };

// The lowest or highest (sign = -1) value of a block's warps, on the first thread.
__device__ __forceinline__ double block_lowest(double x, double sign, double *shared) {
  x *= sign;
  for (int d = 16; d; d >>= 1) x = fmin(x, __shfl_xor_sync(0xffffffffu, x, d));
  if (!(threadIdx.x & 31)) shared[threadIdx.x / 32] = x;
  __syncthreads();
  for (int i = 0; i < (int)blockDim.x / 32; i++) x = fmin(x, shared[i]);
  __syncthreads();
  return x * sign;
}

// A block per system.
__global__ void __launch_bounds__(WIDE) search_range_kernel(const search_args a) {
  CU_SHARED(double, shared, [WIDE / 32]);
  search_box *b = a.box + blockIdx.x;
  double low[3], high[3], farthest = 0;
  int fine = 1;
  for (int k = 0; k < 3; k++) low[k] = INFINITY, high[k] = -INFINITY;
  for (int i = (int)threadIdx.x; i < b->n; i += WIDE)
    fine &= search_extend(b, a.cells.x[b->first + i], low, high, &farthest);
  fine = __syncthreads_and(fine);
  for (int k = 0; k < 3; k++) {
    low[k] = block_lowest(low[k], 1, shared);
    high[k] = block_lowest(high[k], -1, shared);
  }
  farthest = block_lowest(farthest, -1, shared);
  if (threadIdx.x || !b->n) return;
  if (fine && search_set_range(b, low, high, farthest) == SEARCH_FINE) search_set_bins(b);
  else atomicOr(&a.status->refused, 1);
}
void search_range_cuda(const search_args *a) {
  if (a->n_system > 0) LAUNCH(search_range_kernel, (unsigned)a->n_system, WIDE, *a);
}

__device__ __forceinline__ search_box *box_of(const search_args &a, int i) {
  return a.box + search_system(a.box, a.n_system, i);
}

__device__ __forceinline__ void search_bin_body(const search_args *a, int i) {
  const search_box *b = box_of(*a, i);
  if (a->status->refused) return;
  int bin = search_bin(b, a->cells.x[i], a->cells.wrap[i]);
  a->cells.bin[i] = bin;
  atomicAdd(a->count + search_first_bin(b) + bin, 1);
}

__device__ __forceinline__ void search_place_body(const search_args *a, int i) {
  const search_box *b = box_of(*a, i);
  if (a->status->refused) return;
  size_t bin = search_first_bin(b) + (size_t)a->cells.bin[i];
  search_place(&a->cells, b, i, a->cells.first[bin] + atomicSub(a->count + bin, 1) - 1);
}

__device__ __forceinline__ void search_count_body(const search_args *a, int i) {
  search_box *b = box_of(*a, i);
  search_contact contact;
  a->edges[i] = 0;
  if (a->status->refused) return;
  int found = search_atom(&a->cells, b, NULL, i, 0, &contact);
  if (found >= 0) {
    unsigned long long pairs = (unsigned long long)found;
    a->edges[i] = found;
    pairs += atomicAdd(reinterpret_cast<unsigned long long *>(&b->pairs), pairs);
    if (pairs <= SEARCH_PAIRS) return;
  }
  atomicOr(&a->status->crowded, 1);
}

__device__ __forceinline__ void search_fill_body(const search_args *a, int i) {
  search_contact contact;
  if (a->first[i] < a->first[i + 1])
    search_atom(&a->cells, box_of(*a, i), &a->found, i, a->first[i], &contact);
}

__device__ __forceinline__ void search_transpose_body(const search_args *a, int t) {
  a->transpose[t] = search_opposite(a->first, a->center, a->neighbor, t);
}

__device__ __forceinline__ void search_order_body(const search_order_args *a, int i) {
  const search_cells *w = &a->search.cells;
  if (a->search.status->refused) {
    a->order[i] = -1;
    return;
  }
  const int *first = w->first + search_first_bin(box_of(a->search, i)) + w->bin[i];
  int at = first[0];
  for (int k = first[0]; k < first[1]; k++) at += w->order[k] < i;
  a->order[at] = i;
}

OVER_ATOMS(search_bin, search_args, n)
OVER_ATOMS(search_place, search_args, n)
OVER_ATOMS(search_count, search_args, n)
OVER_ATOMS(search_fill, search_args, n)
OVER_ATOMS(search_order, search_order_args, search.n)
KERNEL(search_transpose, search_args, thread < a.first[a.n], search_transpose_body(&a, thread))
LAUNCHER(search_transpose, search_args, capacity, BLOCK)

// Where edge `mine`, at place e of sorted runs of `run` of n, goes when the runs are merged in
// pairs.
__device__ __forceinline__ int merged_place(const search_list &l, const int *from, int n, int run,
                                            int e, int mine) {
  const int start = e / (2 * run) * (2 * run), middle = min(start + run, n);
  const int other = e < middle ? middle : start, end = e < middle ? min(middle + run, n) : middle;
  int low = other, high = end;
  while (low < high) {
    int m = (low + high) / 2, f = from[m];
    if (search_before(l.neighbor[f], l.image[f], l.neighbor[mine], l.image[mine])) low = m + 1;
    else high = m;
  }
  return start + (e < middle ? e - start : e - middle) + (low - other);
}

// A warp per atom: a merge sort of indices; no two edges are equal.
__device__ __forceinline__ void search_sort_body(const search_args *a, int i) {
  const int begin = a->first[i], n = a->first[i + 1] - begin, lane_index = (int)(threadIdx.x & 31);
  int *from = a->index[0] + begin, *to = a->index[1] + begin;
  for (int e = lane_index; e < n; e += 32) from[e] = begin + e;
  __syncwarp();
  for (int run = 1; run < n; run *= 2) {
    for (int e = lane_index; e < n; e += 32) {
      int mine = from[e];
      to[merged_place(a->found, from, n, run, e, mine)] = mine;
    }
    __syncwarp();
    int *swap = from;
    from = to;
    to = swap;
  }
  const search_box *b = box_of(*a, i);
  for (int e = lane_index; e < n; e += 32) {
    int edge = from[e], j = a->found.neighbor[edge];
    double v[3];
    search_vector(b, a->cells.x[i], a->cells.x[j], a->found.image[edge], v);
    a->center[begin + e] = i;
    a->neighbor[begin + e] = j;
    for (int c = 0; c < 3; c++) a->vector[begin + e][c] = v[c];
  }
}
OVER_ROWS(search_sort, search_args, n)

// -------------------------------------------------------------------------------- prefix sums

enum { SCAN_EACH = SCAN_TILE / BLOCK };

// The sum over a block, on all its threads, and (*before) over the threads before this one.
__device__ __forceinline__ long long block_sum(long long x, long long *before, long long *shared) {
  long long sum = x, total = 0, warps = 0;
  const int warp = (int)threadIdx.x / 32, lane_index = (int)threadIdx.x & 31;
  for (int d = 1; d < 32; d *= 2) {
    long long y = __shfl_up_sync(0xffffffffu, sum, (unsigned)d);
    if (lane_index >= d) sum += y;
  }
  if (lane_index == 31) shared[warp] = sum;
  __syncthreads();
  for (int i = 0; i < WARPS; i++) {
    if (i < warp) warps += shared[i];
    total += shared[i];
  }
  __syncthreads();
  *before = warps + sum - x;
  return total;
}

__global__ void __launch_bounds__(BLOCK) scan_sum_kernel(const scan_args a) {
  CU_SHARED(long long, shared, [WARPS]);
  long long sum = 0, before;
  for (int k = 0; k < SCAN_EACH; k++) {
    int i = (int)blockIdx.x * SCAN_TILE + k * BLOCK + (int)threadIdx.x;
    if (i < a.n) sum += a.count[i];
  }
  sum = block_sum(sum, &before, shared);
  if (!threadIdx.x) a.sum[blockIdx.x] = sum;
}

// Whether the limits hold: sums of tiles, groups of tiles and all.
__device__ __forceinline__ int within_limits(const scan_args &a, long long total, int largest) {
  if (a.most < 0) return 1;
  if (!threadIdx.x && !blockIdx.x) {
    a.status->edges = total;
    a.status->block_edges = largest;
  }
  return !a.status->refused && !a.status->crowded && total <= a.most && largest <= a.group_most;
}

// Each block adds up the tiles before its own; a thread takes groups of tiles.
__global__ void __launch_bounds__(BLOCK) scan_place_kernel(const scan_args a, const int n_tile) {
  CU_SHARED(long long, shared, [WARPS]);
  long long mine = 0, all = 0, largest = 0, before, place;
  const int tile = (int)blockIdx.x;
  for (int group = (int)threadIdx.x * a.group; group < n_tile; group += BLOCK * a.group) {
    long long sum = 0;
    for (int t = group; t < group + a.group && t < n_tile; t++) {
      if (t < tile) mine += a.sum[t];
      sum += a.sum[t];
    }
    all += sum;
    if (sum > largest) largest = sum;
  }
  for (int d = 16; d; d >>= 1) {
    long long other = __shfl_xor_sync(0xffffffffu, largest, d);
    if (other > largest) largest = other;
  }
  if (!(threadIdx.x & 31)) shared[threadIdx.x / 32] = largest;
  __syncthreads();
  for (int i = 0; i < WARPS; i++)
    if (shared[i] > largest) largest = shared[i];
  __syncthreads();
  mine = block_sum(mine, &before, shared);
  all = block_sum(all, &before, shared);
  const int block_most = largest < INT_MAX ? (int)largest : INT_MAX;
  const int fine = within_limits(a, all, block_most);
  const int begin = tile * SCAN_TILE + (int)threadIdx.x * SCAN_EACH;
  long long sum = 0;
  for (int k = 0; k < SCAN_EACH; k++)
    if (begin + k < a.n) sum += a.count[begin + k];
  block_sum(sum, &before, shared);
  place = mine + before;
  for (int k = 0; k < SCAN_EACH && begin + k < a.n; k++) {
    a.first[begin + k] = fine ? (int)place : 0;
    place += a.count[begin + k];
    if (begin + k + 1 == a.n) a.first[a.n] = fine ? (int)place : 0;
  }
}

void scan_cuda(const scan_args *a) {
  if (a->n < 1) return;
  unsigned tiles = blocks(a->n, SCAN_TILE);
  LAUNCH(scan_sum_kernel, tiles, BLOCK, *a);
  LAUNCH(scan_place_kernel, tiles, BLOCK, *a, (int)tiles);
}

// ------------------------------------------------------------------------------ sums over systems

// Sums of a block's threads, on the first: always in the same order.
__device__ __forceinline__ double block_total(double x, double *shared) {
  for (int d = 16; d; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
  if (!(threadIdx.x & 31)) shared[threadIdx.x / 32] = x;
  __syncthreads();
  x = 0;
  for (int i = 0; i < (int)blockDim.x / 32; i++) x += shared[i];
  __syncthreads();
  return x;
}

__global__ void __launch_bounds__(WIDE) system_sum_kernel(const system_sum_args a) {
  CU_SHARED(double, shared, [WIDE / 32]);
  const search_box *b = a.box + blockIdx.x;
  double energy = 0, w[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
  int bad = b->n;
  for (int k = b->n - 1 - (int)threadIdx.x; k >= 0; k -= WIDE) {
    int i = b->first + k, finite = isfinite(a.energies[i]);
    for (int c = 0; a.forces && c < 3; c++) finite &= isfinite(a.forces[i][c]) != 0;
    if (!finite) bad = k;
    energy += a.energies[i];
    UNROLL(9)
    for (int c = 0; c < 9; c++)
      if (a.virial) w[c] += a.virial[i][c];
  }
  if (bad < b->n) atomicMax(&a.status->diverged, INT_MAX - (b->first + bad));
  energy = block_total(energy, shared);
  UNROLL(9)
  for (int c = 0; c < 9; c++) w[c] = block_total(w[c], shared);
  if (threadIdx.x) return;
  if (a.energy) a.energy[blockIdx.x] = energy;
  if (!a.total) return;
  double factor = a.factor ? a.factor[blockIdx.x] : 1;
  UNROLL(9)
  for (int c = 0; c < 9; c++) {
    const double turned = w[c % 3 * 3 + c / 3];
    a.total[blockIdx.x][c] = a.factor ? (w[c] + turned) / 2 * factor : w[c];
  }
}
void system_sum_cuda(const system_sum_args *a) {
  if (a->n_system > 0) LAUNCH(system_sum_kernel, (unsigned)a->n_system, WIDE, *a);
}

#endif
