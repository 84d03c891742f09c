/* zip_build.h -- writes small ZIP files for tests, byte by byte, the way torch.save lays them out.
 *
 * The CRC-32 here is the bitwise definition, independent of the reader's tables.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TEST_ZIP_BUILD_H
#define EQS_TEST_ZIP_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_MEMBERS = 16, BUILD_ROOM = 1 << 20 };

typedef struct zip_build {
  unsigned char *bytes;
  size_t n, n_member;
  size_t local[BUILD_MEMBERS], data[BUILD_MEMBERS], size[BUILD_MEMBERS];
  size_t central[BUILD_MEMBERS], directory, end; /* where the records are, for tests to damage */
  const char *name[BUILD_MEMBERS];
  int descriptors; /* sizes after the data, as torch writes them */
  int wide;        /* ZIP64 end record */
  int wide_sizes;  /* ZIP64 fields in each directory record */
} zip_build;

static inline void build_bytes(zip_build *b, const void *p, size_t n) {
  if (!b->bytes) b->bytes = calloc(1, BUILD_ROOM);
  if (!b->bytes || n > BUILD_ROOM - b->n) abort();
  if (n) memcpy(b->bytes + b->n, p, n);
  b->n += n;
}

static inline void build_put(unsigned char *at, uint64_t x, size_t width) {
  for (size_t i = 0; i < width; i++) at[i] = (unsigned char)(x >> (8 * i));
}

static inline void build_number(zip_build *b, uint64_t x, size_t width) {
  unsigned char raw[8];
  build_put(raw, x, 8);
  build_bytes(b, raw, width);
}

static inline uint32_t build_crc(const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  uint32_t c = 0xFFFFFFFFu;
  for (size_t i = 0; i < n; i++) {
    c ^= p[i];
    for (int k = 0; k < 8; k++) c = (c >> 1) ^ (c & 1u ? 0xEDB88320u : 0u);
  }
  return ~c;
}

static inline void build_member(zip_build *b, const char *name, const void *data, size_t n) {
  size_t k = b->n_member++;
  uint32_t crc = build_crc(data, n);
  b->name[k] = name;
  b->local[k] = b->n;
  build_number(b, 0x04034b50, 4);
  build_number(b, 20, 2);
  build_number(b, b->descriptors ? 8 : 0, 2);
  build_number(b, 0, 6); /* method, time, date */
  build_number(b, b->descriptors ? 0 : crc, 4);
  build_number(b, b->descriptors ? 0 : n, 4);
  build_number(b, b->descriptors ? 0 : n, 4);
  build_number(b, strlen(name), 2);
  build_number(b, 5, 2); /* padding as an extra field, as torch aligns its data */
  build_bytes(b, name, strlen(name));
  build_bytes(b, "FB\1\0Z", 5);
  b->data[k] = b->n;
  b->size[k] = n;
  build_bytes(b, data, n);
  if (!b->descriptors) return;
  build_number(b, 0x08074b50, 4);
  build_number(b, crc, 4);
  build_number(b, n, 4);
  build_number(b, n, 4);
}

static inline void build_central(zip_build *b, size_t k) {
  b->central[k] = b->n;
  build_number(b, 0x02014b50, 4);
  build_number(b, 0, 2);
  build_number(b, 20, 2);
  build_number(b, b->descriptors ? 8 : 0, 2);
  build_number(b, 0, 6);
  build_number(b, build_crc(b->bytes + b->data[k], b->size[k]), 4);
  build_number(b, b->wide_sizes ? 0xFFFFFFFFu : b->size[k], 4);
  build_number(b, b->wide_sizes ? 0xFFFFFFFFu : b->size[k], 4);
  build_number(b, strlen(b->name[k]), 2);
  build_number(b, b->wide_sizes ? 28 : 0, 2);
  build_number(b, 0, 2);
  build_number(b, 0, 2);
  build_number(b, 0, 6);
  build_number(b, b->wide_sizes ? 0xFFFFFFFFu : b->local[k], 4);
  build_bytes(b, b->name[k], strlen(b->name[k]));
  if (!b->wide_sizes) return;
  build_number(b, 1, 2);
  build_number(b, 24, 2);
  build_number(b, b->size[k], 8);
  build_number(b, b->size[k], 8);
  build_number(b, b->local[k], 8);
}

static inline void build_finish(zip_build *b) {
  b->directory = b->n;
  for (size_t k = 0; k < b->n_member; k++) build_central(b, k);
  size_t size = b->n - b->directory, wide_end = b->n;
  if (b->wide) {
    build_number(b, 0x06064b50, 4);
    build_number(b, 44, 8);
    build_number(b, 45, 2);
    build_number(b, 45, 2);
    build_number(b, 0, 8); /* disks */
    build_number(b, b->n_member, 8);
    build_number(b, b->n_member, 8);
    build_number(b, size, 8);
    build_number(b, b->directory, 8);
    build_number(b, 0x07064b50, 4);
    build_number(b, 0, 4);
    build_number(b, wide_end, 8);
    build_number(b, 1, 4);
  }
  b->end = b->n;
  build_number(b, 0x06054b50, 4);
  build_number(b, 0, 4);
  build_number(b, b->wide ? 0xFFFF : b->n_member, 2);
  build_number(b, b->wide ? 0xFFFF : b->n_member, 2);
  build_number(b, b->wide ? 0xFFFFFFFFu : size, 4);
  build_number(b, b->wide ? 0xFFFFFFFFu : b->directory, 4);
  build_number(b, 0, 2);
}

static inline void build_free(zip_build *b) {
  free(b->bytes);
  b->bytes = NULL;
}

#endif
