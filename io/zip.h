/* zip.h -- the members of a ZIP file in memory, found through its central directory.
 *
 * Only what torch.save writes is accepted: stored members (method 0), one disk, no encryption;
 * ZIP64 fields and data descriptors are understood. Members point into the caller's bytes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ZIP_H
#define EQS_ZIP_H

#include "core/status.h"

typedef struct zip_member {
  const char *name; /* [name_length], not terminated */
  size_t name_length;
  size_t header, data, size; /* offsets of local header and content in the file, bytes of content */
  uint32_t crc;              /* CRC-32 that the directory states */
} zip_member;

typedef struct zip_archive {
  const unsigned char *bytes;
  size_t n;
  zip_member *member; /* [n_member], ascending by name */
  size_t n_member;
  uint32_t crc_table[8][256];
} zip_archive;

/* Reads the directory and checks every member against its local header and against the others.
 * `bytes` must outlive the archive. EQS_ERR_FORMAT says what is wrong; *z then needs no free. */
eqs_status zip_open(const void *bytes, size_t n, zip_archive *z) EQS_CHECK;
void zip_free(zip_archive *z);
/* The member of that name, or NULL. */
const zip_member *zip_find(const zip_archive *z, const char *name, size_t length);
/* CRC-32 (polynomial 0xEDB88320) of n bytes. */
uint32_t zip_crc32(const zip_archive *z, const void *bytes, size_t n);
/* EQS_ERR_FORMAT if the member's content has not the stated CRC-32. */
eqs_status zip_verify(const zip_archive *z, const zip_member *m) EQS_CHECK;

#endif
