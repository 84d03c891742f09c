/* sha256.h -- the SHA-256 digest of bytes in memory (FIPS 180-4).
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHA256_H
#define EQS_SHA256_H

#include <stddef.h>

/* Writes 64 lower-case hex digits and a zero. */
void sha256_hex(const void *bytes, size_t n, char out[65]);

#endif
