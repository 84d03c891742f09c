/* safetensors_write.c -- writes the container, deterministically: the same tensors and metadata
 * give the same bytes. Wide types come first and the header is padded with spaces to a multiple of
 * 8, so that every tensor is aligned to its type in a mapped file. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/fields.h"
#include "io/safetensors.h"
#include "io/torch_number.h"
#include "io/whole_file.h"

static size_t element_size(const safetensors_item *i) {
  return dtype_size(i->tensor->u.tensor->dtype);
}

static size_t byte_count(const safetensors_item *i) {
  return torch_tensor_count(i->tensor) * element_size(i);
}

static int compare(const void *a, const void *b) {
  const safetensors_item *x = a, *y = b;
  size_t m = element_size(x), n = element_size(y);
  return m != n ? (m > n ? -1 : 1) : strcmp(x->name, y->name);
}

eqs_status safetensors_pack(safetensors_item *item, size_t n, unsigned char **data,
                            size_t *n_data) {
  size_t at = 0;
  *data = NULL;
  *n_data = 0;
  for (size_t i = 0; i < n; i++) {
    if (!safetensors_dtype(item[i].tensor))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "tensor '%.100s' of %s cannot be written", item[i].name,
               torch_tensor_dtype(item[i].tensor));
    if (byte_count(item + i) > SIZE_MAX / 4 - *n_data)
      EQS_FAIL(EQS_ERR_MEMORY, "more tensors than memory can hold");
    *n_data += byte_count(item + i);
  }
  qsort(item, n, sizeof *item, compare);
  for (size_t i = 1; i < n; i++)
    if (!strcmp(item[i - 1].name, item[i].name))
      EQS_FAIL(EQS_ERR_FORMAT, "two tensors are called '%.100s'", item[i].name);
  EQS_TRY(alloc_array(data, *n_data, 1, "tensors"));
  for (size_t i = 0; i < n; i++) {
    eqs_status status = tensor_verify(item[i].tensor->u.tensor);
    if (status != EQS_OK) {
      free(*data);
      *data = NULL;
      return status;
    }
    tensor_pack(item[i].tensor->u.tensor, *data + at);
    at += byte_count(item + i);
  }
  return EQS_OK;
}

/* The header with its length and padding. */
static void write_header(FILE *f, const char *metadata, const safetensors_item *item, size_t n) {
  size_t at = 0;
  fprintf(f, "{\"__metadata__\":%s", metadata);
  for (size_t i = 0; i < n; i++) {
    const int64_t *shape = torch_tensor_shape(item[i].tensor);
    size_t end = at + byte_count(item + i);
    fputc(',', f);
    json_text(f, item[i].name);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_dtype(item[i].tensor));
    for (int k = 0; k < torch_tensor_rank(item[i].tensor); k++)
      fprintf(f, "%s%" PRId64, k ? "," : "", shape[k]);
    fprintf(f, "],\"data_offsets\":[%zu,%zu]}", at, end);
    at = end;
  }
  fputc('}', f);
}

static eqs_status make_header(const char *metadata, const safetensors_item *item, size_t n,
                              char **out, size_t *size) {
  *out = NULL;
  FILE *f = open_memstream(out, size);
  if (!f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: header");
  write_header(f, metadata, item, n);
  for (long at = ftell(f); at > 0 && at % 8; at++) fputc(' ', f);
  int bad = ferror(f) != 0;
  if (fclose(f) || bad) {
    free(*out);
    *out = NULL;
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory: header");
  }
  if (*size <= SAFETENSORS_HEADER_MAX) return EQS_OK;
  free(*out);
  *out = NULL;
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "a header of %zu bytes would not be read again (at most %d)", *size,
           SAFETENSORS_HEADER_MAX);
}

eqs_status safetensors_write(const char *path, int overwrite, const char *metadata,
                             const safetensors_item *item, size_t n, const unsigned char *data,
                             size_t n_data) {
  char *header = NULL;
  size_t size = 0;
  unsigned char length[8];
  struct stat there;
  whole_file out;
  if (!overwrite && lstat(path, &there) == 0)
    EQS_FAIL(EQS_ERR_FILE, "%s exists already; nothing was written", path);
  EQS_TRY(make_header(metadata, item, n, &header, &size));
  for (int k = 0; k < 8; k++) length[k] = (unsigned char)((uint64_t)size >> 8 * k);
  eqs_status status = whole_file_open(&out, path);
  if (status == EQS_OK) {
    fwrite(length, 1, sizeof length, out.file);
    fwrite(header, 1, size, out.file);
    fwrite(data, 1, n_data, out.file);
    status = whole_file_close(&out, EQS_OK); /* sees a failure of any of them */
  }
  free(header);
  return status;
}
