/* safetensors.h -- the container of that name: named arrays behind a JSON header.
 *
 * Layout: 8 bytes, little-endian, the length of the header; the header, a JSON object that gives
 * each tensor's dtype, shape and place and may hold strings under `__metadata__`; the data, which
 * the tensors fill without holes. Read from memory, every size checked; nothing is copied.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SAFETENSORS_H
#define EQS_SAFETENSORS_H

#include "io/pickle.h"

/* The reference library takes headers of 100 MB; those of models are below 0.1 MB, and a limit
 * bounds the memory that a hostile header can ask for (512 bytes for each of its own). */
enum { SAFETENSORS_HEADER_MAX = 1 << 20, SAFETENSORS_TENSORS_MAX = 10000 };

typedef struct safetensors {
  torch_value *tensors;        /* DICT of name -> TENSOR, in the header's order */
  const torch_value *metadata; /* DICT of string -> STRING, or NULL */
  const unsigned char *data;   /* of all tensors */
  size_t n_data;
} safetensors;

/* Whether the bytes look like such a file. */
int safetensors_is(const void *bytes, size_t n);

/* Everything lives in `arena` (its limit is set here) and views `bytes`. EQS_ERR_FORMAT names the
 * tensor: places that overlap, leave holes or end behind the file, a shape that does not fit them,
 * names that stand twice. EQS_ERR_UNSUPPORTED: a dtype that no model has. */
eqs_status safetensors_decode(const void *bytes, size_t n, pickle_arena *arena,
                              safetensors *out) EQS_CHECK;

/* "F32", ...; NULL if v is no tensor or of a type that the container does not have. */
const char *safetensors_dtype(const torch_value *tensor);

/* A tensor to be written; elements in any layout. */
typedef struct safetensors_item {
  const char *name; /* UTF-8, not empty */
  const torch_value *tensor;
} safetensors_item;

/* The tensors' bytes one after the other, as they will stand in the file: `item` is sorted for it,
 * wide types first, then by name. *data is freed by free(). */
eqs_status safetensors_pack(safetensors_item *item, size_t n, unsigned char **data,
                            size_t *n_data) EQS_CHECK;

/* Writes a whole file or none (io/whole_file.h). `metadata` is the JSON text of the object under
 * `__metadata__`. EQS_ERR_FILE: cannot be written, or there is a file and `overwrite` is 0. */
eqs_status safetensors_write(const char *path, int overwrite, const char *metadata,
                             const safetensors_item *item, size_t n, const unsigned char *data,
                             size_t n_data) EQS_CHECK;

#endif
