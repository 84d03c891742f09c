/* test_torch_built.c -- small torch files built byte by byte: every kind of tensor, and every
 * fault. SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/torch_archive.h"
#include "tests/io/zip_build.h"

#define BYTES(text) text, sizeof(text) - 1

/* A file that holds one tensor of shape and strides as given; numbers below 256. */
typedef struct tensor_file {
  const char *storage; /* "FloatStorage" */
  int numel, offset, rank, shape[4], stride[4];
  const void *data;
  size_t n; /* bytes */
} tensor_file;

static size_t put_tuple(char *to, int rank, const int *x) {
  size_t n = 0;
  to[n++] = '(';
  for (int k = 0; k < rank; k++) {
    to[n++] = 'J';
    build_put((unsigned char *)to + n, (uint64_t)(int64_t)x[k], 4);
    n += 4;
  }
  to[n++] = 't';
  return n;
}

static size_t write_pickle(char *to, const tensor_file *f) {
  size_t n = (size_t)sprintf(to,
                             "%sctorch._utils\n_rebuild_tensor_v2\n((U\007storagectorch\n%s\n"
                             "U\0010U\003cpuJ",
                             "\x80\002", f->storage);
  build_put((unsigned char *)to + n, (uint64_t)(int64_t)f->numel, 4);
  n += 4;
  n += (size_t)sprintf(to + n, "tQJ");
  build_put((unsigned char *)to + n, (uint64_t)(int64_t)f->offset, 4);
  n += 4;
  n += put_tuple(to + n, f->rank, f->shape);
  n += put_tuple(to + n, f->rank, f->stride);
  n += (size_t)sprintf(to + n, "\x89"
                               "ccollections\nOrderedDict\n)RtR.");
  return n;
}

static zip_build pickle_file(const char *pickle, size_t n, const void *data, size_t n_data) {
  zip_build b = {.descriptors = 1};
  build_member(&b, "archive/data.pkl", pickle, n);
  build_member(&b, "archive/byteorder", "little", 6);
  if (data) build_member(&b, "archive/data/0", data, n_data);
  build_member(&b, "archive/version", "3\n", 2);
  build_finish(&b);
  return b;
}

/* Opens it and copies the tensor out; the count, or -1 if it is refused. */
static int read_tensor(const tensor_file *f, double *out, size_t room) {
  char pickle[512];
  torch_archive *a;
  zip_build b = pickle_file(pickle, write_pickle(pickle, f), f->data, f->n);
  int count = -1;
  eqs_status status = torch_archive_open_memory(b.bytes, b.n, "small.pt", &a);
  if (status == EQS_OK) {
    const torch_value *v = torch_archive_root(a);
    size_t n = torch_tensor_count(v);
    cr_assert_leq(n, room);
    cr_assert_eq(torch_tensor_rank(v), f->rank);
    status = torch_tensor_read(v, "tensor", out, n);
    count = (int)n;
  }
  if (status != EQS_OK) {
    cr_assert_eq(status, EQS_ERR_FORMAT);
    if (count < 0) cr_assert_not_null(strstr(eqs_error(), "small.pt"), "%s", eqs_error());
    count = -1;
  }
  torch_archive_free(&a);
  build_free(&b);
  return count;
}

Test(torch_built, views_follow_their_strides) {
  static const float x[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  double got[64];
  tensor_file f = {"FloatStorage", 12, 0, 2, {3, 4}, {4, 1}, x, sizeof x};
  cr_assert_eq(read_tensor(&f, got, 64), 12);
  for (int i = 0; i < 12; i++) cr_assert_eq(got[i], i);
  f = (tensor_file){"FloatStorage", 12, 0, 2, {4, 3}, {1, 4}, x, sizeof x}; /* its transpose */
  cr_assert_eq(read_tensor(&f, got, 64), 12);
  for (int i = 0; i < 12; i++) cr_assert_eq(got[i], i % 3 * 4 + i / 3);
  f = (tensor_file){"FloatStorage", 12, 1, 3, {2, 1, 3}, {6, 99999, 2}, x, sizeof x};
  cr_assert_eq(read_tensor(&f, got, 64), 6);
  for (int i = 0; i < 6; i++) cr_assert_eq(got[i], 1 + i / 3 * 6 + i % 3 * 2);
  f = (tensor_file){"FloatStorage", 12, 5, 2, {3, 2}, {0, 1}, x, sizeof x}; /* expanded */
  cr_assert_eq(read_tensor(&f, got, 64), 6);
  for (int i = 0; i < 6; i++) cr_assert_eq(got[i], 5 + i % 2);
  f = (tensor_file){"FloatStorage", 12, 11, 0, {0}, {0}, x, sizeof x}; /* a scalar */
  cr_assert_eq(read_tensor(&f, got, 64), 1);
  cr_assert_eq(got[0], 11);
  f = (tensor_file){"FloatStorage", 12, 12, 2, {0, 5}, {5, 1}, x, sizeof x}; /* nothing */
  cr_assert_eq(read_tensor(&f, got, 64), 0);
}

/* Half-precision patterns after IEEE 754-2008, table 3.5: 1, -2, the largest, the least subnormal,
 * infinity. bfloat16 is the upper half of a float. */
Test(torch_built, every_type_of_number) {
  static const uint16_t half[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x7C00, 0x3555, 0x8000, 0x7E00};
  static const uint16_t brain[] = {0x3F80, 0xC000, 0x4049, 0x7F80};
  static const int16_t small[] = {-32768, 7};
  static const int8_t tiny[] = {-128, 127};
  static const uint8_t byte[] = {200, 0};
  static const int64_t wide[] = {-3, INT64_C(1) << 40};
  double got[8];
  tensor_file f = {"HalfStorage", 8, 0, 1, {8}, {1}, half, sizeof half};
  cr_assert_eq(read_tensor(&f, got, 8), 8);
  cr_assert(got[0] == 1 && got[1] == -2 && got[2] == 65504 && got[3] == ldexp(1, -24));
  cr_assert(isinf(got[4]) && got[6] == 0 && signbit(got[6]) && isnan(got[7]));
  cr_assert_float_eq(got[5], 0.333251953125, 1e-15);
  f = (tensor_file){"BFloat16Storage", 4, 0, 1, {4}, {1}, brain, sizeof brain};
  cr_assert_eq(read_tensor(&f, got, 8), 4);
  cr_assert(got[0] == 1 && got[1] == -2 && got[2] == 3.140625 && isinf(got[3]));
  f = (tensor_file){"ShortStorage", 2, 0, 1, {2}, {1}, small, sizeof small};
  cr_assert(read_tensor(&f, got, 8) == 2 && got[0] == -32768 && got[1] == 7);
  f = (tensor_file){"CharStorage", 2, 0, 1, {2}, {1}, tiny, sizeof tiny};
  cr_assert(read_tensor(&f, got, 8) == 2 && got[0] == -128 && got[1] == 127);
  f = (tensor_file){"ByteStorage", 2, 0, 1, {2}, {1}, byte, sizeof byte};
  cr_assert(read_tensor(&f, got, 8) == 2 && got[0] == 200 && got[1] == 0);
  f = (tensor_file){"BoolStorage", 2, 0, 1, {2}, {1}, byte, sizeof byte};
  cr_assert(read_tensor(&f, got, 8) == 2 && got[0] == 1 && got[1] == 0);
  f = (tensor_file){"LongStorage", 2, 0, 1, {2}, {1}, wide, sizeof wide};
  cr_assert(read_tensor(&f, got, 8) == 2 && got[0] == -3 && got[1] == 1099511627776.0);
  f = (tensor_file){"ComplexFloatStorage", 2, 0, 1, {2}, {1}, wide, sizeof wide};
  cr_assert_eq(read_tensor(&f, got, 8), -1);
}

static void tensor_refused(tensor_file f, const char *reason) {
  double got[64];
  cr_assert_eq(read_tensor(&f, got, 64), -1, "accepted: %s", reason);
  cr_assert_not_null(strstr(eqs_error(), reason), "'%s' lacks '%s'", eqs_error(), reason);
}

Test(torch_built, views_outside_their_storage_are_refused) {
  static const float x[12];
  const tensor_file good = {"FloatStorage", 12, 0, 2, {3, 4}, {4, 1}, x, sizeof x};
  tensor_file f = good;
  f.offset = 1;
  tensor_refused(f, "beyond its storage");
  f.offset = -1;
  tensor_refused(f, "not made of");
  f = good, f.stride[0] = 5;
  tensor_refused(f, "beyond its storage");
  f = good, f.stride[0] = -4;
  tensor_refused(f, "no tuple of sizes");
  f = good, f.shape[0] = -3;
  tensor_refused(f, "no tuple of sizes");
  f = good, f.shape[0] = 2000000000, f.stride[0] = 0;
  tensor_refused(f, "far more elements");
  f = (tensor_file){"FloatStorage",
                    12,
                    0,
                    4,
                    {2000000000, 2000000000, 2000000000, 0},
                    {2000000000, 2000000000, 2000000000, 2000000000},
                    x,
                    sizeof x};
  tensor_refused(f, "far more elements");
  f = good, f.numel = 13;
  tensor_refused(f, "states 13 elements");
  f = good, f.numel = -1;
  tensor_refused(f, "states -1 elements");
  f = good, f.n = 44;
  tensor_refused(f, "states 12 elements");
  f = good, f.data = NULL;
  tensor_refused(f, "missing");
  f = good, f.storage = "QuantumStorage";
  tensor_refused(f, "torch.QuantumStorage");
}

static void file_refused(zip_build b, const char *reason) {
  torch_archive *a;
  cr_assert_eq(torch_archive_open_memory(b.bytes, b.n, "bad.model", &a), EQS_ERR_FORMAT,
               "accepted: %s", reason);
  cr_assert_null(a);
  cr_assert_not_null(strstr(eqs_error(), reason), "'%s' lacks '%s'", eqs_error(), reason);
  cr_assert_not_null(strstr(eqs_error(), "bad.model"), "%s", eqs_error());
  build_free(&b);
}

Test(torch_built, a_payload_is_refused_by_name) {
  file_refused(pickle_file(BYTES("\x80\x02"
                                 "cposix\nsystem\nq\x00X\x0a\x00\x00\x00"
                                 "echo pwnedq\x01\x85q\x02Rq\x03."),
                           NULL, 0),
               "posix.system");
}

Test(torch_built, files_of_other_kinds_are_refused) {
  zip_build b = pickle_file(BYTES("\x80\x02N."), NULL, 0);
  b.bytes[b.data[0]] ^= 1;
  file_refused(b, "CRC-32");
  b = pickle_file(BYTES("\x80\x02\x99."), NULL, 0);
  file_refused(b, "opcode 0x99 at byte 2");
  b = (zip_build){0};
  build_member(&b, "archive/data", "x", 1);
  build_finish(&b);
  file_refused(b, "without data.pkl");
  b = (zip_build){0};
  build_member(&b, "a/data.pkl", "\x80\x02N.", 4);
  build_member(&b, "b/data.pkl", "\x80\x02N.", 4);
  build_finish(&b);
  file_refused(b, "two members");
  b = (zip_build){0};
  build_member(&b, "a/data.pkl", "\x80\x02N.", 4);
  build_member(&b, "a/byteorder", "big", 3);
  build_finish(&b);
  file_refused(b, "big-endian");
  b = (zip_build){0};
  build_member(&b, "a/data.pkl", "\x80\x02N.", 4);
  build_member(&b, "a/constants.pkl", "\x80\x02N.", 4);
  build_finish(&b);
  file_refused(b, "TorchScript");
  b = (zip_build){0};
  build_bytes(&b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);
  file_refused(b, "older than 1.6");
  b = (zip_build){0};
  build_bytes(&b, "<html>not found</html>", 22);
  file_refused(b, "not written by torch.save");
}

/* Keys of storages that are as long as any, climb out of the folder, or hold a zero byte. */
Test(torch_built, odd_keys_of_storages_are_missing) {
  static const char before[] = "\x80\x02(U\007storagectorch\nFloatStorage\nT";
  static const char after[] = "U\003cpuK\x01tQ.";
  static const size_t lengths[] = {0, 1, 246, 247, 248, 249, 255, 256, 400};
  for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
    char pickle[600];
    size_t n = sizeof before - 1;
    memcpy(pickle, before, n);
    build_put((unsigned char *)pickle + n, lengths[k], 4);
    memset(pickle + n + 4, k % 2 ? '.' : 0, lengths[k]);
    n += 4 + lengths[k];
    memcpy(pickle + n, after, sizeof after - 1);
    file_refused(pickle_file(pickle, n + sizeof after - 1, "1234", 4), "missing");
  }
}

Test(torch_built, what_cannot_be_opened) {
  torch_archive *a;
  cr_assert_eq(torch_archive_open("/nonexistent/x.model", &a), EQS_ERR_FILE);
  cr_assert_null(a);
  cr_assert_not_null(strstr(eqs_error(), "/nonexistent/x.model"));
  cr_assert_eq(torch_archive_open(EQS_SOURCE_DIR, &a), EQS_ERR_FILE);
  cr_assert_eq(torch_archive_open("/dev/null", &a), EQS_ERR_FILE);
  torch_archive_free(&a);
  torch_archive_free(NULL);
}

Test(torch_built, a_damaged_tensor_is_noticed_when_read) {
  static const float x[] = {1, 2, 3, 4};
  char pickle[512];
  torch_archive *a;
  double got[4];
  const tensor_file f = {"FloatStorage", 4, 0, 1, {4}, {1}, x, sizeof x};
  zip_build b = pickle_file(pickle, write_pickle(pickle, &f), x, sizeof x);
  b.bytes[b.data[2] + 5] ^= 2;
  cr_assert_eq(torch_archive_open_memory(b.bytes, b.n, "flip.pt", &a), EQS_OK);
  for (int k = 0; k < 2; k++)
    cr_assert_eq(torch_tensor_read(torch_archive_root(a), "x", got, 4), EQS_ERR_FORMAT);
  cr_assert_not_null(strstr(eqs_error(), "flip.pt"));
  cr_assert_not_null(strstr(eqs_error(), "archive/data/0"));
  torch_archive_free(&a);
  build_free(&b);
}
