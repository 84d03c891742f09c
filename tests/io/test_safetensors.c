/* test_safetensors.c -- the container: what its specification demands, damaged files, and that what
 * is written is read. Files of the reference library are read by tests/python/test_safetensors.py.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/safetensors.h"

typedef struct file {
  unsigned char *bytes;
  size_t n;
} file;

/* A file with that header; `data` bytes 0, 1, 2, ... behind it. */
static file make(const char *header, size_t data) {
  size_t n = strlen(header);
  file f = {malloc(8 + n + data), 8 + n + data};
  cr_assert_not_null(f.bytes);
  for (int k = 0; k < 8; k++) f.bytes[k] = (unsigned char)((uint64_t)n >> 8 * k);
  memcpy(f.bytes + 8, header, n);
  for (size_t i = 0; i < data; i++) f.bytes[8 + n + i] = (unsigned char)i;
  return f;
}

static eqs_status decode(file f, pickle_tree *t, safetensors *out) {
  *t = (pickle_tree){.root = NULL};
  return safetensors_decode(f.bytes, f.n, &t->arena, out);
}

Test(safetensors, reads) {
  file f = make("{\"b\":{\"dtype\":\"I16\",\"shape\":[3],\"data_offsets\":[8,14]},"
                "\"__metadata__\":{\"k\":\"v\",\"\":\"\"},"
                "\"a\":{\"shape\":[2,2],\"data_offsets\":[0,8],\"dtype\":\"I16\"},"
                "\"none\":{\"dtype\":\"F64\",\"shape\":[0,5],\"data_offsets\":[14,14]},"
                "\"one\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[14,15]}}  ",
                15);
  pickle_tree t;
  safetensors s;
  double x[4] = {0};
  cr_assert_eq(decode(f, &t, &s), EQS_OK, "%s", eqs_error());
  cr_expect_eq(torch_length(s.tensors), 4);
  const char *v = "";
  cr_assert_eq(torch_to_string(torch_get(s.metadata, "k"), "k", &v), EQS_OK);
  cr_expect_str_eq(v, "v");
  const torch_value *a = torch_get(s.tensors, "a"), *b = torch_get(s.tensors, "b");
  cr_expect_eq(torch_tensor_rank(a), 2);
  cr_expect_eq(torch_tensor_shape(a)[1], 2);
  cr_assert_eq(torch_tensor_read(a, "a", x, 4), EQS_OK);
  for (int i = 0; i < 4; i++) cr_expect_eq(x[i], 2 * i + 256 * (2 * i + 1));
  cr_assert_eq(torch_tensor_read(b, "b", x, 3), EQS_OK);
  cr_expect_eq(x[2], 12 + 256 * 13);
  cr_expect_eq(torch_tensor_count(torch_get(s.tensors, "none")), 0);
  cr_assert_eq(torch_tensor_read(torch_get(s.tensors, "one"), "one", x, 1), EQS_OK);
  cr_expect_eq(x[0], 14);
  cr_expect_eq(s.n_data, 15);
  pickle_free(&t);
  free(f.bytes);
}

static void expect_bad(file f, eqs_status want, const char *says) {
  pickle_tree t;
  safetensors s;
  eqs_status status = decode(f, &t, &s);
  cr_expect_eq(status, want, "%.*s: status %d, %s", (int)(f.n > 8 ? f.n - 8 : 0),
               (const char *)f.bytes + 8, (int)status, eqs_error());
  cr_expect(strstr(eqs_error(), says), "'%s' does not say '%s'", eqs_error(), says);
  pickle_free(&t);
  free(f.bytes);
}

#define ONE(shape, offsets)                                                                        \
  "{\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(first, second)                                                                         \
  "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first                                 \
  "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

Test(safetensors, refuses) {
  static const struct {
    const char *header;
    size_t data;
    eqs_status status;
    const char *says;
  } bad[] = {
      {ONE("[2]", "[0,8]"), 7, EQS_ERR_FORMAT, "cut short"},
      {ONE("[2]", "[0,8]"), 9, EQS_ERR_FORMAT, "fill 8 of 9"},
      {ONE("[2]", "[0,4]"), 4, EQS_ERR_FORMAT, "8 bytes in a place of 4"},
      {ONE("[3]", "[0,8]"), 8, EQS_ERR_FORMAT, "'a'"},
      {ONE("[2]", "[8,0]"), 8, EQS_ERR_FORMAT, "data_offsets"},
      {ONE("[2]", "[-8,0]"), 8, EQS_ERR_FORMAT, "data_offsets"},
      {ONE("[2]", "[0,8.0]"), 8, EQS_ERR_FORMAT, "data_offsets"},
      {ONE("[2]", "[0]"), 8, EQS_ERR_FORMAT, "data_offsets"},
      {ONE("[2]", "[0,18446744073709551615]"), 8, EQS_ERR_FORMAT, "data_offsets"},
      {ONE("[2]", "[0,9223372036854775807]"), 8, EQS_ERR_FORMAT, "cut short"},
      {ONE("[-2]", "[0,8]"), 8, EQS_ERR_FORMAT, "shape"},
      {ONE("2", "[0,8]"), 8, EQS_ERR_FORMAT, "shape"},
      {ONE("[\"2\"]", "[0,8]"), 8, EQS_ERR_FORMAT, "shape"},
      {ONE("[4611686018427387904,4]", "[0,0]"), 0, EQS_ERR_FORMAT, "counted"},
      {ONE("[4611686018427387904]", "[0,0]"), 0, EQS_ERR_FORMAT, "counted"},
      {ONE("[4611686018427387904,16,0]", "[0,0]"), 0, EQS_ERR_FORMAT, "counted"},
      {ONE("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, EQS_ERR_FORMAT, "shape"},
      {TWO("[0,4]", "[3,7]"), 7, EQS_ERR_FORMAT, "overlap"},
      {TWO("[0,4]", "[0,4]"), 4, EQS_ERR_FORMAT, "overlap"},
      {TWO("[0,4]", "[5,9]"), 9, EQS_ERR_FORMAT, "hole"},
      {TWO("[1,5]", "[5,9]"), 9, EQS_ERR_FORMAT, "hole"},
      {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
       EQS_ERR_UNSUPPORTED, "F8_E4M3"},
      {"{\"a\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,4]}}", 4, EQS_ERR_FORMAT, "dtype"},
      {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,4],\"more\":1}}", 4, EQS_ERR_FORMAT, "dtype"},
      {"{\"a\":[]}", 0, EQS_ERR_FORMAT, "'a'"},
      {"{\"__metadata__\":{\"k\":1}}", 0, EQS_ERR_FORMAT, "'k' is no string"},
      {"{\"__metadata__\":[]}", 0, EQS_ERR_FORMAT, "__metadata__"},
      {"{\"a\":1,\"a\":2}", 0, EQS_ERR_FORMAT, "twice"},
      {"{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0, EQS_ERR_FORMAT, "twice"},
      {"{", 0, EQS_ERR_FORMAT, "header"},
      {"{}x", 0, EQS_ERR_FORMAT, "header"},
      {"[]", 0, EQS_ERR_FORMAT, "no safetensors"}};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    expect_bad(make(bad[k].header, bad[k].data), bad[k].status, bad[k].says);
}

Test(safetensors, header_lengths) {
  file f = make("{}", 8); /* the length says more than there is */
  f.bytes[0] = 200;
  expect_bad(f, EQS_ERR_FORMAT, "cut short");
  f = make("{}", 8);
  f.bytes[3] = 1; /* 16 MB */
  expect_bad(f, EQS_ERR_FORMAT, "cut short");
  f = make("{}", 2 * SAFETENSORS_HEADER_MAX);
  f.bytes[0] = 0, f.bytes[2] = 0x18; /* 1.5 MiB, which are there */
  expect_bad(f, EQS_ERR_UNSUPPORTED, "at most");
  f = make("{}", 0);
  memset(f.bytes, 0xFF, 8);
  expect_bad(f, EQS_ERR_FORMAT, "no safetensors");
  cr_expect_eq(safetensors_is("\2\0\0\0\0\0\0\0", 8), 0);
  for (size_t n = 0; n < 8; n++) cr_expect_eq(safetensors_is("\2\0\0\0\0\0\0", n), 0);
}

/* ---- writing */

/* A 3 x 4 matrix of that type in a storage of its own, transposed if asked. */
static torch_value matrix(torch_dtype type, unsigned char *bytes, int transposed, torch_storage *s,
                          torch_tensor *t, int64_t shape[2], int64_t stride[2]) {
  *s = (torch_storage){.data = bytes, .n = 12 * dtype_size(type)};
  shape[0] = transposed ? 4 : 3;
  shape[1] = transposed ? 3 : 4;
  stride[0] = transposed ? 1 : 4;
  stride[1] = transposed ? 4 : 1;
  *t = (torch_tensor){
      .storage = s, .dtype = type, .rank = 2, .count = 12, .shape = shape, .stride = stride};
  torch_value v = {.kind = TORCH_TENSOR};
  v.u.tensor = t;
  return v;
}

static file read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f, "%s", path);
  fseek(f, 0, SEEK_END);
  file out = {NULL, (size_t)ftell(f)};
  rewind(f);
  out.bytes = malloc(out.n);
  cr_assert_not_null(out.bytes);
  cr_assert_eq(fread(out.bytes, 1, out.n, f), out.n);
  fclose(f);
  return out;
}

Test(safetensors, written_is_read) {
  enum { TYPES = DTYPE_BOOL + 1 };
  char path[64], name[TYPES][8];
  static unsigned char bytes[12 * 8];
  torch_storage storage[TYPES];
  torch_tensor tensor[TYPES];
  torch_value value[TYPES];
  int64_t shape[TYPES][2], stride[TYPES][2];
  safetensors_item item[TYPES];
  unsigned char *data;
  size_t n_data;
  snprintf(path, sizeof path, "/tmp/eqs-safetensors-%ld", (long)getpid());
  FILE *taken = fopen(path, "w");
  cr_assert(taken && !fclose(taken));
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i & 1);
  for (int k = 0; k < TYPES; k++) {
    value[k] = matrix((torch_dtype)k, bytes, k % 2, storage + k, tensor + k, shape[k], stride[k]);
    snprintf(name[k], sizeof name[k], "t%d", k);
    item[k] = (safetensors_item){name[k], value + k};
  }
  cr_assert_eq(safetensors_pack(item, TYPES, &data, &n_data), EQS_OK, "%s", eqs_error());
  cr_expect_eq(safetensors_write(path, 0, "{}", item, TYPES, data, n_data), EQS_ERR_FILE);
  cr_expect(strstr(eqs_error(), "exists"), "%s", eqs_error());
  cr_assert_eq(safetensors_write(path, 1, "{\"k\":\"v\"}", item, TYPES, data, n_data), EQS_OK, "%s",
               eqs_error());
  free(data);
  file f = read_file(path);
  pickle_tree t;
  safetensors s;
  cr_assert_eq(decode(f, &t, &s), EQS_OK, "%s", eqs_error());
  for (int k = 0; k < TYPES; k++) {
    const torch_value *v = torch_get(s.tensors, name[k]);
    double want[12], found[12];
    cr_assert_eq(torch_tensor_read(value + k, "t", want, 12), EQS_OK);
    cr_assert_eq(torch_tensor_read(v, "t", found, 12), EQS_OK);
    cr_assert_arr_eq(found, want, sizeof want);
    cr_expect_str_eq(torch_tensor_dtype(v), torch_tensor_dtype(value + k));
    cr_expect_eq(torch_tensor_shape(v)[0], shape[k][0]);
    /* Aligned to its type where the file is mapped. */
    size_t at = (size_t)(v->u.tensor->storage->data - f.bytes);
    cr_expect_eq(at % dtype_size((torch_dtype)k), 0);
  }
  pickle_free(&t);
  free(f.bytes);
  unlink(path);
}

Test(safetensors, not_written) {
  unsigned char bytes[96] = {0}, *data;
  torch_storage storage;
  torch_tensor tensor;
  int64_t shape[2], stride[2];
  size_t n_data;
  torch_value complex = matrix(DTYPE_COMPLEX64, bytes, 0, &storage, &tensor, shape, stride);
  safetensors_item item[2] = {{"a", &complex}, {"a", &complex}};
  cr_expect_eq(safetensors_pack(item, 1, &data, &n_data), EQS_ERR_UNSUPPORTED);
  tensor.dtype = DTYPE_FLOAT32;
  cr_expect_eq(safetensors_pack(item, 2, &data, &n_data), EQS_ERR_FORMAT);
  cr_expect(strstr(eqs_error(), "two tensors"), "%s", eqs_error());
  cr_assert_eq(safetensors_pack(item, 1, &data, &n_data), EQS_OK);
  cr_expect_eq(safetensors_write("/nonexistent/x", 0, "{}", item, 1, data, n_data), EQS_ERR_FILE);
  cr_expect_eq(safetensors_write("/nonexistent/x", 1, "{}", item, 1, data, n_data), EQS_ERR_FILE);
  free(data);
}
