/* operations.h -- launchers of operations.cu; arrays are device memory.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TEST_EMU_OPERATIONS_H
#define EQS_TEST_EMU_OPERATIONS_H

#include <cuda_runtime_api.h>

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif
void launch_edge_geometry(const edge_geometry_args *a, cudaStream_t s);
void launch_row_copy(const row_args *a, cudaStream_t s);
void launch_row_add(const row_args *a, cudaStream_t s);
void launch_row_sum(const row_sum_args *a, cudaStream_t s);
void launch_scale_forward(const scale_args *a, cudaStream_t s);
void launch_scale_reverse(const scale_args *a, cudaStream_t s);
void launch_gate_forward(const gate_args *a, cudaStream_t s);
void launch_gate_reverse(const gate_args *a, cudaStream_t s);
void launch_norm_jet(const norm_jet_args *a, cudaStream_t s);
#ifdef __cplusplus
}
#endif
#endif
