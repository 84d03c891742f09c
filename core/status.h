/* status.h -- how every fallible function inside the library reports failure.
 *
 * The origin of a failure calls EQS_FAIL once, with a message for the user; everybody above passes
 * the code up with EQS_TRY. The message lives in a thread-local buffer (eqs_error()).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_STATUS_H
#define EQS_STATUS_H

#include "core/equisorb.h"

/* Records the message (printf style) and returns `code`. */
eqs_status status_fail(eqs_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the recorded message: the layer that knows the file name calls this. */
eqs_status status_prefix(eqs_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define EQS_FAIL(code, ...) return (status_fail(code, __VA_ARGS__), code)
#define EQS_TRY(call)                                                                              \
  do {                                                                                             \
    eqs_status try_status_ = (call);                                                               \
    if (try_status_ != EQS_OK) return try_status_;                                                 \
  } while (0)
/* The same in a function that frees at a label `done:`, with `eqs_status status` in scope. */
#define EQS_TRY_DONE(call)                                                                         \
  do {                                                                                             \
    status = (call);                                                                               \
    if (status != EQS_OK) goto done;                                                               \
  } while (0)

/* a * b as a size; SIZE_MAX on overflow, which every allocation then refuses. */
size_t mul_size(size_t a, size_t b);

/* calloc of n elements of `size` bytes, 64-byte aligned, zeroed, n = 0 gives a valid pointer.
 * EQS_ERR_MEMORY names `what`. Freed by free(). */
eqs_status alloc_array(void *out, size_t n, size_t size, const char *what) EQS_CHECK;

#endif
