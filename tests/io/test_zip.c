/* test_zip.c -- the ZIP directory reader: what torch.save writes, and what is wrong on purpose.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "io/zip.h"
#include "tests/io/zip_build.h"

static zip_build two_members(int descriptors, int wide, int wide_sizes) {
  zip_build b = {.descriptors = descriptors, .wide = wide, .wide_sizes = wide_sizes};
  build_member(&b, "root/data.pkl", "hello", 5);
  build_member(&b, "root/data/0", "0123456789abcdefghi", 19);
  build_finish(&b);
  return b;
}

/* The check value of this CRC in the catalogues. */
Test(zip, crc_check_value) {
  zip_build b = two_members(0, 0, 0);
  zip_archive z;
  cr_assert_eq(zip_open(b.bytes, b.n, &z), EQS_OK);
  cr_assert_eq(zip_crc32(&z, "123456789", 9), 0xCBF43926u);
  cr_assert_eq(zip_crc32(&z, "", 0), 0u);
  char text[300];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 37);
  for (size_t n = 0; n < sizeof text; n++) cr_assert_eq(zip_crc32(&z, text, n), build_crc(text, n));
  zip_free(&z);
  build_free(&b);
}

Test(zip, finds_members_in_every_layout) {
  for (int layout = 0; layout < 8; layout++) {
    zip_build b = two_members(layout & 1, layout >> 1 & 1, layout >> 2 & 1);
    zip_archive z;
    cr_assert_eq(zip_open(b.bytes, b.n, &z), EQS_OK, "layout %d: %s", layout, eqs_error());
    cr_assert_eq(z.n_member, 2);
    const zip_member *m = zip_find(&z, "root/data/0", 11);
    cr_assert_not_null(m);
    cr_assert_eq(m->size, 19);
    cr_assert_arr_eq(b.bytes + m->data, "0123456789abcdefghi", 19);
    cr_assert_eq(zip_verify(&z, m), EQS_OK);
    cr_assert_null(zip_find(&z, "root/data/1", 11));
    cr_assert_null(zip_find(&z, "root/data", 9));
    zip_free(&z);
    build_free(&b);
  }
}

Test(zip, a_comment_at_the_end_is_skipped) {
  zip_build b = two_members(1, 0, 0);
  build_put(b.bytes + b.end + 20, 9, 2);
  build_bytes(&b, "PK\5\6 note", 9);
  zip_archive z;
  cr_assert_eq(zip_open(b.bytes, b.n, &z), EQS_OK, "%s", eqs_error());
  zip_free(&z);
  build_free(&b);
}

static void refused(zip_build *b, const char *reason) {
  zip_archive z;
  cr_assert_eq(zip_open(b->bytes, b->n, &z), EQS_ERR_FORMAT, "accepted: %s", reason);
  cr_assert_not_null(strstr(eqs_error(), reason), "'%s' lacks '%s'", eqs_error(), reason);
  build_free(b);
}

Test(zip, compressed_encrypted_and_split_files_are_refused) {
  zip_build b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[1] + 10, 8, 2);
  refused(&b, "compressed");
  b = two_members(0, 0, 0);
  b.bytes[b.central[0] + 8] |= 1;
  refused(&b, "encrypted");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[0] + 34, 1, 2);
  refused(&b, "disk");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.end + 4, 1, 2);
  refused(&b, "disks");
  b = two_members(0, 1, 0);
  build_put(b.bytes + b.end - 20 + 16, 2, 4);
  refused(&b, "disks");
}

Test(zip, wrong_places_and_sizes_are_refused) {
  zip_build b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[1] + 42, b.local[0], 4);
  refused(&b, "otherwise in its local header");
  b = two_members(1, 0, 0);
  build_put(b.bytes + b.central[0] + 20, 60, 4);
  build_put(b.bytes + b.central[0] + 24, 60, 4);
  refused(&b, "overlap");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[0] + 20, 4, 4);
  build_put(b.bytes + b.central[0] + 24, 4, 4);
  refused(&b, "two different sizes");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[0] + 20, 4, 4);
  refused(&b, "two different sizes");
  b = two_members(1, 0, 0);
  build_put(b.bytes + b.central[1] + 20, 0x7FFFFFFF, 4);
  build_put(b.bytes + b.central[1] + 24, 0x7FFFFFFF, 4);
  refused(&b, "does not fit");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[1] + 42, b.n, 4);
  refused(&b, "no local header");
  b = two_members(0, 0, 0);
  memcpy(b.bytes + b.central[1] + 46, "root/data/1", 11);
  refused(&b, "otherwise in its local header");
}

Test(zip, a_damaged_directory_is_refused) {
  zip_build b = two_members(0, 0, 0);
  build_put(b.bytes + b.end + 8, 60000, 2);
  build_put(b.bytes + b.end + 10, 60000, 2);
  refused(&b, "60000 members");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.end + 16, b.n, 4);
  refused(&b, "outside the file");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.end + 12, 0xFFFFFF00u, 4);
  refused(&b, "outside the file");
  b = two_members(0, 0, 0);
  b.bytes[b.central[1]] ^= 1;
  refused(&b, "directory is damaged");
  b = two_members(0, 0, 0);
  build_put(b.bytes + b.central[1] + 28, 0xFFFF, 2);
  refused(&b, "directory is damaged");
  b = two_members(0, 0, 0);
  b.bytes[b.central[0] + 46] = 0;
  refused(&b, "zero byte");
  b = (zip_build){0};
  build_member(&b, "same", "a", 1);
  build_member(&b, "same", "b", 1);
  build_finish(&b);
  refused(&b, "twice");
}

Test(zip, damaged_zip64_records_are_refused) {
  zip_build b = two_members(0, 1, 1);
  build_put(b.bytes + b.end - 20 + 8, UINT64_MAX - 3, 8);
  refused(&b, "ZIP64 end record");
  b = two_members(0, 1, 1);
  build_put(b.bytes + b.end - 20 - 56 + 24, UINT64_MAX / 2, 8);
  build_put(b.bytes + b.end - 20 - 56 + 32, UINT64_MAX / 2, 8);
  refused(&b, "no room");
  b = two_members(0, 1, 1);
  build_put(b.bytes + b.end - 20 - 56 + 48, UINT64_MAX - 5, 8);
  refused(&b, "outside the file");
  b = two_members(0, 1, 1);
  build_put(b.bytes + b.end + 10, 1, 2);
  refused(&b, "contradict");
  b = two_members(0, 0, 1);
  build_put(b.bytes + b.central[1] + 46 + 11, 2, 2);
  refused(&b, "ZIP64 field is missing");
  b = two_members(0, 0, 1);
  build_put(b.bytes + b.central[1] + 46 + 11 + 2, 16, 2);
  refused(&b, "ZIP64 field is too short");
  b = two_members(1, 0, 1);
  build_put(b.bytes + b.central[1] + 46 + 11 + 4, UINT64_MAX, 8);
  build_put(b.bytes + b.central[1] + 46 + 11 + 12, UINT64_MAX, 8);
  refused(&b, "does not fit");
  b = two_members(1, 0, 1);
  build_put(b.bytes + b.central[1] + 46 + 11 + 20, UINT64_MAX, 8);
  refused(&b, "no local header");
}

Test(zip, damaged_content_is_noticed) {
  zip_build b = two_members(1, 0, 0);
  zip_archive z;
  b.bytes[b.data[1] + 3] ^= 0x10;
  cr_assert_eq(zip_open(b.bytes, b.n, &z), EQS_OK);
  cr_assert_eq(zip_verify(&z, zip_find(&z, "root/data/0", 11)), EQS_ERR_FORMAT);
  cr_assert_not_null(strstr(eqs_error(), "root/data/0"));
  zip_free(&z);
  build_free(&b);
}

/* The copy is exactly as long as the file, so that a sanitizer sees a read beyond it. */
Test(zip, any_truncation_is_refused) {
  for (int layout = 0; layout < 8; layout++) {
    zip_build b = two_members(layout & 1, layout >> 1 & 1, layout >> 2 & 1);
    for (size_t n = 0; n < b.n; n++) {
      unsigned char *copy = malloc(n + 1);
      zip_archive z;
      memcpy(copy, b.bytes, n);
      cr_assert_eq(zip_open(copy, n, &z), EQS_ERR_FORMAT, "length %zu", n);
      free(copy);
    }
    build_free(&b);
  }
}

Test(zip, any_changed_byte_leaves_members_within_the_file) {
  for (int layout = 0; layout < 8; layout++) {
    zip_build b = two_members(layout & 1, layout >> 1 & 1, layout >> 2 & 1);
    unsigned char *copy = malloc(b.n);
    for (size_t at = 0; at < b.n; at++)
      for (int bit = 0; bit < 9; bit++) {
        zip_archive z;
        memcpy(copy, b.bytes, b.n);
        copy[at] = (unsigned char)(bit < 8 ? copy[at] ^ 1 << bit : 0xFF);
        if (zip_open(copy, b.n, &z) != EQS_OK) continue;
        for (size_t i = 0; i < z.n_member; i++)
          cr_assert(z.member[i].data <= b.n && z.member[i].size <= b.n - z.member[i].data);
        zip_free(&z);
      }
    free(copy);
    build_free(&b);
  }
}
