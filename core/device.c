/* device.c -- the host as a device, and what all devices share.
 * SPDX-License-Identifier: MIT */
#include "core/device.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

static eqs_status host_take(device *d, size_t bytes, void **out) {
  (void)d;
  *out = bytes > SIZE_MAX - LINE ? NULL : aligned_alloc(LINE, (bytes + LINE) / LINE * LINE);
  if (!*out) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu bytes", bytes);
  return EQS_OK;
}

static void host_give(device *d, void *p) {
  (void)d;
  free(p);
}

static eqs_status host_copy(device *d, void *to, const void *from, size_t bytes) {
  (void)d;
  if (bytes) memcpy(to, from, bytes);
  return EQS_OK;
}

static void host_zero(device *d, void *p, size_t bytes) {
  (void)d;
  memset(p, 0, bytes);
}

static eqs_status host_ready(device *d) {
  (void)d;
  return EQS_OK;
}

static void host_close(device *d) { (void)d; }

static const device_ops host_ops = {.name = "host",
                                    .take = host_take,
                                    .give = host_give,
                                    .put = host_copy,
                                    .get = host_copy,
                                    .zero = host_zero,
                                    .enter = host_ready,
                                    .finish = host_ready,
                                    .close = host_close};
device device_host = {&host_ops};

eqs_status device_take(device *d, size_t n, size_t size, const char *what, void *out) {
  size_t bytes = mul_size(n, size);
  void *p = NULL;
  if (bytes > SIZE_MAX / 4) EQS_FAIL(EQS_ERR_MEMORY, "%s: %zu x %zu bytes", what, n, size);
  eqs_status status = d->ops->take(d, bytes, &p);
  memcpy(out, &p, sizeof p);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "%s", what);
}

eqs_status device_copy(device *d, const void *from, size_t n, size_t size, const char *what,
                       void *out) {
  void *p = NULL;
  eqs_status status = device_take(d, n, size, what, &p);
  if (status == EQS_OK) status = d->ops->put(d, p, from, n * size);
  if (status != EQS_OK) {
    d->ops->give(d, p);
    p = NULL;
  }
  memcpy(out, &p, sizeof p);
  return status;
}

void device_give(device *d, void *p) {
  void *old;
  memcpy(&old, p, sizeof old);
  if (!old) return;
  d->ops->give(d, old);
  old = NULL;
  memcpy(p, &old, sizeof old);
}
