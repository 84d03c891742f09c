/* zip.c -- ZIP central directory, after PKWARE's APPNOTE.TXT 6.3.10 sections 4.3 and 4.5.3.
 *
 * Everything is taken from the central directory, because torch.save leaves the sizes in the local
 * headers to data descriptors. A local header is read only to find where the content begins and to
 * see that it is the same member. Contents may not overlap each other nor the directory.
 *
 * SPDX-License-Identifier: MIT */
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
  END_SIZE = 22,
  LOCATOR_SIZE = 20,
  END64_SIZE = 56,
  CENTRAL_SIZE = 46,
  LOCAL_SIZE = 30,
  COMMENT_MAX = 65535
};
static const uint32_t END_MARK = 0x06054b50u, LOCATOR_MARK = 0x07064b50u, END64_MARK = 0x06064b50u,
                      CENTRAL_MARK = 0x02014b50u, LOCAL_MARK = 0x04034b50u;

typedef struct directory {
  uint64_t offset, size, count;
  size_t limit; /* the directory ends at or before this byte */
} directory;

static uint16_t get16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }

static uint32_t get32(const unsigned char *p) {
  return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p) {
  return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void fill_crc_table(zip_archive *z) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1u ? c >> 1 ^ 0xEDB88320u : c >> 1;
    z->crc_table[0][i] = c;
  }
  for (size_t t = 1; t < 8; t++)
    for (size_t i = 0; i < 256; i++) {
      uint32_t c = z->crc_table[t - 1][i];
      z->crc_table[t][i] = c >> 8 ^ z->crc_table[0][c & 255u];
    }
}

/* Eight bytes a step ("slicing by 8", Kounavis and Berry 2005). */
uint32_t zip_crc32(const zip_archive *z, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  const uint32_t(*t)[256] = z->crc_table;
  uint32_t c = 0xFFFFFFFFu;
  for (; n >= 8; n -= 8, p += 8) {
    c ^= get32(p);
    c = t[7][c & 255u] ^ t[6][c >> 8 & 255u] ^ t[5][c >> 16 & 255u] ^ t[4][c >> 24] ^ t[3][p[4]] ^
        t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
  }
  for (; n; n--, p++) c = c >> 8 ^ t[0][(c ^ *p) & 255u];
  return ~c;
}

eqs_status zip_verify(const zip_archive *z, const zip_member *m) {
  if (zip_crc32(z, z->bytes + m->data, m->size) != m->crc)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%.*s' is damaged (its CRC-32 differs): fetch the file again",
             (int)(m->name_length < 200 ? m->name_length : 200), m->name);
  return EQS_OK;
}

/* The end record is the last one whose comment reaches exactly to the end of the file. */
static eqs_status find_end(const zip_archive *z, size_t *out) {
  if (z->n >= END_SIZE) {
    size_t lowest = z->n - END_SIZE > COMMENT_MAX ? z->n - END_SIZE - COMMENT_MAX : 0;
    for (size_t at = z->n - END_SIZE + 1; at-- > lowest;)
      if (get32(z->bytes + at) == END_MARK && at + END_SIZE + get16(z->bytes + at + 20) == z->n) {
        *out = at;
        return EQS_OK;
      }
  }
  EQS_FAIL(EQS_ERR_FORMAT, "no ZIP directory at the end: truncated, or not written by torch.save");
}

/* ZIP64: a locator before the end record, which names a wider end record. */
static eqs_status read_end64(const zip_archive *z, size_t end, directory *d) {
  const unsigned char *locator = z->bytes + end - LOCATOR_SIZE;
  uint64_t at = get64(locator + 8);
  size_t before = end - LOCATOR_SIZE;
  if (before < END64_SIZE || at > before - END64_SIZE || get32(z->bytes + at) != END64_MARK)
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP64 end record is damaged");
  const unsigned char *p = z->bytes + at;
  if (get32(locator + 4) != 0 || get32(locator + 16) > 1 || get32(p + 16) != 0 ||
      get32(p + 20) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP file is split over several disks");
  if (get64(p + 24) != get64(p + 32))
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP64 end record states two member counts");
  const directory wide = {get64(p + 48), get64(p + 40), get64(p + 32), (size_t)at};
  if ((d->count != 0xFFFF && d->count != wide.count) ||
      (d->size != 0xFFFFFFFF && d->size != wide.size) ||
      (d->offset != 0xFFFFFFFF && d->offset != wide.offset))
    EQS_FAIL(EQS_ERR_FORMAT, "the two ZIP end records contradict each other");
  *d = wide;
  return EQS_OK;
}

static eqs_status read_end(const zip_archive *z, directory *d) {
  size_t end = 0;
  EQS_TRY(find_end(z, &end));
  const unsigned char *p = z->bytes + end;
  *d = (directory){get32(p + 16), get32(p + 12), get16(p + 10), end};
  if (end >= LOCATOR_SIZE && get32(p - LOCATOR_SIZE) == LOCATOR_MARK)
    EQS_TRY(read_end64(z, end, d));
  else if (get16(p + 4) != 0 || get16(p + 6) != 0 || get16(p + 8) != get16(p + 10))
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP file is split over several disks");
  if (d->offset > d->limit || d->size > d->limit - d->offset)
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP directory lies outside the file: truncated or damaged");
  if (d->count > d->size / CENTRAL_SIZE)
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP directory states %llu members but has no room for them",
             (unsigned long long)d->count);
  return EQS_OK;
}

/* The ZIP64 extra field holds, in this order, those of the values that are saturated. */
static eqs_status widen(const unsigned char *extra, size_t n, uint64_t *value[3]) {
  static const uint64_t saturated = 0xFFFFFFFFu;
  if (*value[0] != saturated && *value[1] != saturated && *value[2] != saturated) return EQS_OK;
  while (n >= 4) {
    size_t length = get16(extra + 2);
    if (length > n - 4) break;
    if (get16(extra) == 1) {
      size_t used = 4;
      for (int k = 0; k < 3; k++)
        if (*value[k] == saturated) {
          if (used + 8 > length + 4) EQS_FAIL(EQS_ERR_FORMAT, "a ZIP64 field is too short");
          *value[k] = get64(extra + used);
          used += 8;
        }
      return EQS_OK;
    }
    extra += length + 4;
    n -= length + 4;
  }
  EQS_FAIL(EQS_ERR_FORMAT, "a member's ZIP64 field is missing");
}

static eqs_status read_local(const zip_archive *z, const directory *d, zip_member *m,
                             const char *shown) {
  if (m->header > d->offset || d->offset - m->header < LOCAL_SIZE ||
      get32(z->bytes + m->header) != LOCAL_MARK)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' has no local header", shown);
  const unsigned char *p = z->bytes + m->header;
  size_t name_length = get16(p + 26), before = LOCAL_SIZE + name_length + get16(p + 28);
  if (d->offset - m->header < before || m->size > d->offset - m->header - before)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' states %zu bytes and does not fit into the file", shown,
             m->size);
  if (name_length != m->name_length || memcmp(p + LOCAL_SIZE, m->name, name_length) != 0 ||
      get16(p + 8) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' is called or stored otherwise in its local header",
             shown);
  uint32_t local_size = get32(p + 22);
  if (!(get16(p + 6) & 8) && local_size != 0xFFFFFFFFu && local_size != m->size)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' has two different sizes", shown);
  m->data = m->header + before;
  return EQS_OK;
}

/* One record of the directory at *at; steps *at behind it. */
static eqs_status read_member(const zip_archive *z, const directory *d, size_t *at, zip_member *m) {
  size_t end = (size_t)(d->offset + d->size);
  const unsigned char *p = z->bytes + *at;
  if (end - *at < CENTRAL_SIZE || get32(p) != CENTRAL_MARK)
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP directory is damaged at byte %zu", *at);
  size_t n_name = get16(p + 28), n_extra = get16(p + 30), n_comment = get16(p + 32);
  if (n_name + n_extra + n_comment > end - *at - CENTRAL_SIZE)
    EQS_FAIL(EQS_ERR_FORMAT, "the ZIP directory is damaged at byte %zu", *at);
  *at += CENTRAL_SIZE + n_name + n_extra + n_comment;
  char shown[80];
  size_t n_shown = n_name < sizeof shown - 1 ? n_name : sizeof shown - 1;
  memcpy(shown, p + CENTRAL_SIZE, n_shown);
  shown[n_shown] = 0;
  if (memchr(p + CENTRAL_SIZE, 0, n_name) || n_name == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "a member's name is empty or holds a zero byte");
  if (get16(p + 8) & (1u | 1u << 6 | 1u << 13))
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' is encrypted", shown);
  if (get16(p + 10) != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' is compressed (method %u); torch.save stores: zip -0",
             shown, (unsigned)get16(p + 10));
  if (get16(p + 34) != 0 && get16(p + 34) != 0xFFFF)
    EQS_FAIL(EQS_ERR_FORMAT, "member '%s' is on another disk", shown);
  uint64_t size = get32(p + 24), packed = get32(p + 20), header = get32(p + 42);
  EQS_TRY(widen(p + CENTRAL_SIZE + n_name, n_extra, (uint64_t *[3]){&size, &packed, &header}));
  if (size != packed) EQS_FAIL(EQS_ERR_FORMAT, "member '%s' has two different sizes", shown);
  *m = (zip_member){
      (const char *)p + CENTRAL_SIZE, n_name, (size_t)header, 0, (size_t)size, get32(p + 16)};
  return read_local(z, d, m, shown);
}

static int by_place(const void *a, const void *b) {
  const zip_member *x = a, *y = b;
  return (x->header > y->header) - (x->header < y->header);
}

static int compare_names(const char *a, size_t n_a, const char *b, size_t n_b) {
  int c = memcmp(a, b, n_a < n_b ? n_a : n_b);
  return c ? c : (n_a > n_b) - (n_a < n_b);
}

static int by_name(const void *a, const void *b) {
  const zip_member *x = a, *y = b;
  return compare_names(x->name, x->name_length, y->name, y->name_length);
}

static eqs_status check_members(zip_archive *z) {
  qsort(z->member, z->n_member, sizeof *z->member, by_place);
  for (size_t i = 1; i < z->n_member; i++)
    if (z->member[i].header < z->member[i - 1].data + z->member[i - 1].size)
      EQS_FAIL(EQS_ERR_FORMAT, "two members overlap at byte %zu", z->member[i].header);
  qsort(z->member, z->n_member, sizeof *z->member, by_name);
  for (size_t i = 1; i < z->n_member; i++)
    if (by_name(&z->member[i - 1], &z->member[i]) == 0)
      EQS_FAIL(EQS_ERR_FORMAT, "member '%.*s' is there twice",
               (int)(z->member[i].name_length < 200 ? z->member[i].name_length : 200),
               z->member[i].name);
  return EQS_OK;
}

eqs_status zip_open(const void *bytes, size_t n, zip_archive *z) {
  eqs_status status = EQS_OK;
  directory d;
  *z = (zip_archive){.bytes = bytes, .n = n};
  EQS_TRY(read_end(z, &d));
  EQS_TRY(alloc_array(&z->member, (size_t)d.count, sizeof *z->member, "the ZIP directory"));
  size_t at = (size_t)d.offset;
  for (size_t i = 0; i < d.count; i++) EQS_TRY_DONE(read_member(z, &d, &at, &z->member[i]));
  z->n_member = (size_t)d.count;
  EQS_TRY_DONE(check_members(z));
  fill_crc_table(z);
done:
  if (status != EQS_OK) zip_free(z);
  return status;
}

void zip_free(zip_archive *z) {
  free(z->member);
  z->member = NULL;
  z->n_member = 0;
}

const zip_member *zip_find(const zip_archive *z, const char *name, size_t length) {
  size_t low = 0, high = z->n_member;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const zip_member *m = &z->member[middle];
    int c = compare_names(name, length, m->name, m->name_length);
    if (c == 0) return m;
    if (c < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}
