/* json.h -- reads JSON (RFC 8259) into a tree of values, strictly.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_JSON_H
#define EQS_JSON_H

#include "io/pickle.h"

enum { JSON_DEPTH_MAX = 64 };

/* The one value in s[n]; whitespace may surround it. Values live in `arena`, whose limit the caller
 * has set: JSON_COST bytes for each byte of text are always enough. Integers that fit 64 bits
 * become INT, other numbers FLOAT. EQS_ERR_FORMAT names the byte: syntax, a number that is not
 * finite, text that is not UTF-8 or holds a zero, a key twice in one object, more than
 * JSON_DEPTH_MAX levels. */
enum { JSON_COST = 128 };
eqs_status json_decode(const char *s, size_t n, pickle_arena *arena, torch_value **out) EQS_CHECK;

#endif
