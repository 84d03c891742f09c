/* status.c -- the thread-local message and checked allocation.
 * SPDX-License-Identifier: MIT */
#include "core/status.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"

enum { MESSAGE = 2048 };
static _Thread_local char message[MESSAGE];

const char *eqs_error(void) { return message; }

eqs_status status_fail(eqs_status code, const char *format, ...) {
  LOCALE_C();
  va_list args;
  va_start(args, format);
  vsnprintf(message, MESSAGE, format, args);
  va_end(args);
  return code;
}

eqs_status status_prefix(eqs_status code, const char *format, ...) {
  LOCALE_C();
  char old[MESSAGE];
  memcpy(old, message, MESSAGE);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(message, MESSAGE, format, args);
  va_end(args);
  if (n < 0 || n >= MESSAGE - 3) return code;
  size_t at = (size_t)n, rest = strlen(old), room = MESSAGE - at - 3;
  memcpy(message + at, ": ", 2);
  memcpy(message + at + 2, old, rest < room ? rest : room);
  message[at + 2 + (rest < room ? rest : room)] = 0;
  return code;
}

size_t mul_size(size_t a, size_t b) { return b && a > SIZE_MAX / b ? SIZE_MAX : a * b; }

eqs_status alloc_array(void *out, size_t n, size_t size, const char *what) {
  size_t bytes = mul_size(n, size);
  void *p = NULL;
  if (bytes <= SIZE_MAX - 128) {
    bytes = (bytes + 127) / 64 * 64; /* one line more than asked: lanes may read past the end */
    p = aligned_alloc(64, bytes);
  }
  if (!p) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu x %zu bytes for %s", n, size, what);
  memset(p, 0, bytes);
  memcpy(out, &p, sizeof p);
  return EQS_OK;
}
