// kernels.cu -- correct kernels that use what CUDA offers, for the tests of the emulator.
// SPDX-License-Identifier: MIT
#include "kernels/emu/cuemu.h"
#include "tests/emu/kernels.h"

__device__ __forceinline__ float warp_sum(float v) {
  for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
  return v;
}

/* Shuffles within warps, shared memory between them, shuffles again in the first. */
__global__ void reduce(int n, const float *__restrict__ x, float *out) {
  CU_SHARED(float, part, [32]);
  float v = 0.0f;
  for (int i = (int)(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += gridDim.x * blockDim.x)
    v += x[i];
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x < 32) {
    v = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0.0f;
    v = warp_sum(v);
    if (threadIdx.x == 0) out[blockIdx.x] = v;
  }
}

__global__ void scatter(int n, const int *__restrict__ to, const float *__restrict__ x,
                        float *out) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) atomicAdd(&out[to[i]], x[i]);
}

template <int T, class real>
__global__ void matmul(int m, int n, int k, const real *__restrict__ a, const real *__restrict__ b,
                       real *c) {
  CU_DYN_SHARED(real, shared);
  real *as = shared, *bs = shared + T * T;
  const int x = (int)threadIdx.x, y = (int)threadIdx.y;
  const int row = (int)blockIdx.y * T + y, column = (int)blockIdx.x * T + x;
  real sum = 0;
  for (int p = 0; p < k; p += T) {
    as[y * T + x] = row < m && p + x < k ? a[row * k + p + x] : real(0);
    bs[y * T + x] = column < n && p + y < k ? b[(p + y) * n + column] : real(0);
    __syncthreads();
#pragma unroll
    for (int q = 0; q < T; q++) sum += as[y * T + q] * bs[q * T + x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

__global__ void fill(float *x, int n, float v) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] = v;
}
__global__ void add(float *y, const float *x, int n) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) y[i] += x[i];
}
__global__ void scale(float *x, int n, float a) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] *= a;
}

__global__ void warp(int *out) {
  const unsigned all = 0xffffffffu, odd = 0xaaaaaaaau, even = 0x55555555u;
  const int t = (int)threadIdx.x, l = t & 31;
  const unsigned mine = l & 1 ? odd : even;
  int *o = out + t;
  if (l < 20) o[15 * 64] = __popc(__activemask()); /* before any can have left */
  o[0 * 64] = __shfl_sync(all, t, 5);
  o[1 * 64] = __shfl_sync(all, t, l + 3, 8);
  o[2 * 64] = __shfl_xor_sync(all, t, 9);
  o[3 * 64] = __shfl_xor_sync(all, t, 12, 8);
  o[4 * 64] = __shfl_up_sync(all, t, 3);
  o[5 * 64] = __shfl_up_sync(all, t, 3, 16);
  o[6 * 64] = __shfl_down_sync(all, t, 7);
  o[7 * 64] = __shfl_down_sync(all, t, 2, 4);
  o[8 * 64] = (int)__ballot_sync(all, l % 3 == 0);
  o[9 * 64] = (int)__ballot_sync(mine, l % 3 == 0); /* two halves, each with its own mask */
  o[10 * 64] = __any_sync(mine, l == 8);
  o[11 * 64] = __all_sync(mine, l != 8);
  o[12 * 64] = (int)__reduce_add_sync(all, (unsigned)t);
  o[13 * 64] = __reduce_max_sync(mine, -t);
  o[14 * 64] = (int)__match_any_sync(all, l / 10);
}

__global__ void place(int *out) {
  const unsigned bx = blockDim.x, by = blockDim.y, bz = blockDim.z;
  const unsigned t = (threadIdx.z * by + threadIdx.y) * bx + threadIdx.x;
  const unsigned b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned i = b * bx * by * bz + t;
  atomicAdd(&out[i], (int)i);
}

__global__ void atomics(int *out) {
  const int t = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  atomicMin(&out[0], (t * 37) % 200 - 50);
  atomicMax(&out[1], (t * 37) % 200 - 50);
  atomicOr(&out[2], 1 << (t % 31));
  atomicAdd(&out[3], atomicExch(&out[6], t + 1)); /* each value is seen once, but the last */
  int seen = 0, old;                              /* a sum by compare-and-swap */
  while ((old = atomicCAS(&out[4], seen, seen + t)) != seen) seen = old;
  atomicInc((unsigned *)&out[5], 6);
}

__global__ void votes(int *out) {
  const int t = (int)threadIdx.x;
  int count = __syncthreads_count(t % 3 == 0);
  int any = __syncthreads_or(t == 77), none = __syncthreads_or(t == 100);
  int every = __syncthreads_and(t < 96), not_every = __syncthreads_and(t < 95);
  if (t == 40) out[0] = count, out[1] = any, out[2] = none, out[3] = every, out[4] = not_every;
}

__global__ void nothing(int) {}

static int per(int n, int each) { return (n + each - 1) / each; }

void launch_reduce(int n, const float *x, int blocks, float *out, cudaStream_t s) {
  CU_LAUNCH(reduce, blocks, 256, 0, s, n, x, out);
}
void launch_scatter(int n, const int *to, const float *x, float *out, cudaStream_t s) {
  CU_LAUNCH(scatter, per(n, 128), 128, 0, s, n, to, x, out);
}
void launch_matmul(int m, int n, int k, const float *a, const float *b, float *c, cudaStream_t s) {
  enum { T = 16 };
  CU_LAUNCH((matmul<T, float>), dim3(per(n, T), per(m, T)), dim3(T, T), 2 * T * T * sizeof(float),
            s, m, n, k, a, b, c);
}
void launch_fill(float *x, int n, float v, cudaStream_t s) {
  CU_LAUNCH(fill, per(n, 64), 64, 0, s, x, n, v);
}
void launch_add(float *y, const float *x, int n, cudaStream_t s) {
  CU_LAUNCH(add, per(n, 64), 64, 0, s, y, x, n);
}
void launch_scale(float *x, int n, float a, cudaStream_t s) {
  CU_LAUNCH(scale, per(n, 64), 64, 0, s, x, n, a);
}
void launch_warp(int *out, cudaStream_t s) { CU_LAUNCH(warp, 1, WARP_THREADS, 0, s, out); }
void launch_place(int *out, cudaStream_t s) {
  CU_LAUNCH(place, dim3(3, 2, 4), dim3(5, 3, 2), 0, s, out);
}
void launch_atomics(int *out, cudaStream_t s) { CU_LAUNCH(atomics, 4, 50, 0, s, out); }
void launch_votes(int *out, cudaStream_t s) { CU_LAUNCH(votes, 1, 96, 0, s, out); }
void launch_nothing(dim3 grid, dim3 block, size_t shared, cudaStream_t s) {
  CU_LAUNCH(nothing, grid, block, shared, s, 0);
}
const void *nothing_function(void) { return reinterpret_cast<const void *>(nothing); }
