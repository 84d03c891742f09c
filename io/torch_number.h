/* torch_number.h -- the stored numbers of tensors, decoded.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TORCH_NUMBER_H
#define EQS_TORCH_NUMBER_H

#include "io/pickle.h"

typedef struct torch_number {
  int is_int;
  int64_t i; /* exact, if is_int */
  double x;
} torch_number;

/* One element, stored little-endian at p; not of a complex type. */
torch_number number_decode(torch_dtype type, const unsigned char *p);
/* Checks the storage's bytes, the first time it is asked. */
eqs_status tensor_verify(const torch_tensor *t) EQS_CHECK;
/* All t->count elements in row-major order; not of a complex type. */
void tensor_widen(const torch_tensor *t, double *out);
/* The same bytes as they are stored: t->count elements of dtype_size. */
void tensor_pack(const torch_tensor *t, unsigned char *out);

#endif
