/* kernels.h -- launchers of tests/emu/kernels.cu; arrays are device memory.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TEST_EMU_KERNELS_H
#define EQS_TEST_EMU_KERNELS_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif
/* out[block] = the sum of the elements that the block takes (256 threads). */
void launch_reduce(int n, const float *x, int blocks, float *out, cudaStream_t s);
/* out[to[i]] += x[i]. */
void launch_scatter(int n, const int *to, const float *x, float *out, cudaStream_t s);
/* c = a b, row major, 16 x 16 tiles in dynamic shared memory. */
void launch_matmul(int m, int n, int k, const float *a, const float *b, float *c, cudaStream_t s);
void launch_fill(float *x, int n, float v, cudaStream_t s);
void launch_add(float *y, const float *x, int n, cudaStream_t s); /* y += x */
void launch_scale(float *x, int n, float a, cudaStream_t s);
/* out[WARP_CASES][64]: one warp function each, from 64 threads (kernels.cu has the list). */
enum { WARP_CASES = 16, WARP_THREADS = 64 };
void launch_warp(int *out, cudaStream_t s);
/* out[i] += its own place in a 3-dimensional grid of 3-dimensional blocks. */
void launch_place(int *out, cudaStream_t s);
/* out[6]: atomics of 200 threads (min, max, or, exchange seen, compare-and-swap, wrapped count). */
void launch_atomics(int *out, cudaStream_t s);
/* Three barriers that count, or and and the threads' votes. */
void launch_votes(int *out, cudaStream_t s);
/* Nothing, in any configuration; for the checks of launches. */
void launch_nothing(dim3 grid, dim3 block, size_t shared, cudaStream_t s);
const void *nothing_function(void);
#ifdef __cplusplus
}
#endif
#endif
