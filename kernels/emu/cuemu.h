/* cuemu.h -- run CUDA kernels on the CPU, exactly, for tests.
 *
 * The same .cu file builds by nvcc, with real launches, and as C++ with EQS_EMULATOR, where every
 * CUDA thread is a fiber that runs until it meets a barrier or a warp collective, so both are
 * exact; blocks run one after another. The first fault (barrier divergence, deadlock, a shuffle
 * from a lane outside the mask, too much shared memory) says where each thread stood and aborts.
 * EQS_EMU_ORDER=forward|reverse|SEED is the order in which threads of a block run. Compiled with
 * -fsanitize=thread data races are reported (between threads, warps, blocks and streams), with
 * -fsanitize=address accesses out of bounds.
 *
 * SPDX-License-Identifier: MIT
 *
 *   CU_SHARED(float, part, [32]);        __shared__ float part[32]
 *   CU_DYN_SHARED(float, smem);          the launch's dynamic shared memory as float *smem
 *   CU_LAUNCH(k, grid, block, shmem, stream, arguments...);    commas in k need parentheses */
#ifndef EQS_EMU_CUEMU_H
#define EQS_EMU_CUEMU_H

#include <cuda_runtime.h>

#ifdef __CUDACC__ /* --------------------------------------------------------------------- nvcc */
#define CU_SHARED(type, name, dims) __shared__ type name dims
#define CU_DYN_SHARED(type, name)                                                                  \
  extern __shared__ __align__(16) unsigned char cu_dynamic_shared[];                               \
  type *name = reinterpret_cast<type *>(cu_dynamic_shared)
#define CU_LAUNCH(kernel, grid, block, shmem, stream, ...)                                         \
  kernel<<<(grid), (block), (shmem), (stream)>>>(__VA_ARGS__)

#else /* ---------------------------------------------------------------------------- emulator */
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <math.h>
#include <tuple>

/* NVIDIA's header makes these empty for a C++ compiler: a shared array would be a local one. */
#undef __shared__
#define __shared__ use_CU_SHARED_instead_of_the_bare_qualifier
#undef __launch_bounds__
#define __launch_bounds__(...)

namespace cuemu {
struct context { /* what a kernel can see; one per CUDA thread */
  uint3 thread, block;
  dim3 block_dim, grid_dim;
};
extern context *current;

struct place {
  const char *file;
  int line;
};
enum collective_kind : int { SHUFFLE, VOTE, SYNC_WARP };

void *dynamic_shared();
void *static_shared(const void *key, size_t size, size_t align);
/* Waits for all threads of the block; the number of threads that came with `vote`. */
int barrier(bool vote, place at);
/* Publishes n <= 16 bytes of v and waits for every lane of the mask; then peer() reads theirs. */
void collective(collective_kind kind, unsigned mask, const void *v, size_t n, place at);
const void *peer(unsigned lane, place at);
unsigned peers(); /* who took part in my last collective */
unsigned lane();
unsigned live_mask();
[[noreturn]] void trap(place at);

struct launch_config {
  const char *kernel;
  const void *function;
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
  place at;
};
/* Runs all blocks now. */
void run(const launch_config &launch, const std::function<void()> &body);
/* Checks the launch and puts it into its stream, as the runtime does (kernels/emu/fake_*). */
void enqueue(const launch_config &launch, size_t argument_bytes, std::function<void()> body);

/* Arguments are converted and copied at the launch, by the kernel's own parameter types. */
template <class... P> struct launcher {
  void (*kernel)(P...);
  launch_config config;
  void operator()(P... argument) const {
    std::tuple<std::decay_t<P>...> copy(argument...);
    auto *function = kernel;
    enqueue(config, (sizeof(P) + ... + 0), [function, copy] { std::apply(function, copy); });
  }
};
template <class... P>
launcher<P...> prepare(void (*kernel)(P...), const char *name, dim3 grid, dim3 block, size_t shared,
                       cudaStream_t stream, place at) {
  return {kernel, {name, reinterpret_cast<const void *>(kernel), grid, block, shared, stream, at}};
}
} // namespace cuemu

#define threadIdx (cuemu::current->thread)
#define blockIdx  (cuemu::current->block)
#define blockDim  (cuemu::current->block_dim)
#define gridDim   (cuemu::current->grid_dim)
#define warpSize  32

#define CU_SHARED(type, name, dims)                                                                \
  static const char name##_key_ = 0;                                                               \
  auto &name = *static_cast<type(*) dims>(                                                         \
      cuemu::static_shared(&name##_key_, sizeof(type dims), alignof(type)))
#define CU_DYN_SHARED(type, name) type *name = static_cast<type *>(cuemu::dynamic_shared())
#define CU_LAUNCH(kernel, grid, block, shmem, stream, ...)                                         \
  cuemu::prepare((kernel), #kernel, (grid), (block), (shmem), (stream),                            \
                 cuemu::place{__FILE__, __LINE__})(__VA_ARGS__)

#include "kernels/emu/cuemu_device.h"
#endif /* __CUDACC__ */
#endif
