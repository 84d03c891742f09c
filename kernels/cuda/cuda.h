/* cuda.h -- what the host code of the CUDA backend (device.c) and its launchers (kernels.cu) know
 * of each other, and how the backend is opened. Free of CUDA's headers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CUDA_H
#define EQS_CUDA_H

#include "core/device.h"
#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* GPU `index` with a stream of its own; `name` is what messages call it and must outlive it. */
eqs_status cuda_open(int index, const char *name, device **out) EQS_CHECK;
int cuda_index(const device *d);
/* Links between GPUs (struct link_ops); NULL where the build has no NCCL. */
const struct link_ops *cuda_link(void);
/* While `finish` waits it asks `lost`, which may end what is waited for. NULL = nobody. */
void cuda_watch(device *d, int (*lost)(void *user), void *user);
const kernel_ops *cuda_kernels(const device *d, int double_precision);

/* Tables of the launchers, without a device. */
extern const kernel_ops kernels_cuda_f32, kernels_cuda_f64;

/* A cudaStream_t: of the device that this thread has entered; and whether all its launches so far
 * were taken. After one that was not, nothing may be launched: it would read what is not there. */
void *cuda_entered_stream(void);
int cuda_may_launch(void);
void cuda_launched(void); /* asks the runtime about the last launch */

/* Times of launches, for benchmarks: after cuda_profile(1) each launch of this thread leaves an
 * event behind; cuda_profile(0) forgets them. cuda_profiled waits for the stream and gives launch
 * `i` (its kernel's name, milliseconds since the one before); 0 = there is none. */
void cuda_profile(int on);
int cuda_profiled(int i, const char **kernel, float *milliseconds);
void cuda_mark(const char *kernel);
/* Bytes in use on the GPU that this thread has entered, whoever took them; 0 = unknown. */
size_t cuda_memory_in_use(void);
/* linear without lists of atoms, on that stream, by cuBLAS. */
void cuda_linear_f32(const linear_args *a);
void cuda_linear_f64(const linear_args *a);

#ifdef __cplusplus
}
#endif
#endif
