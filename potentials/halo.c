/* halo.c -- see halo.h.
 * SPDX-License-Identifier: MIT */
#include "potentials/halo.h"

#include "core/device.h"

eqs_status halo_exchange(const batch *b, const kernel_ops *k, int layer, void *rows, int size,
                         int reverse) {
  if (!b->halo) return EQS_OK;
  eqs_rows r = {.size = sizeof r,
                .rows = rows,
                .row_bytes = (size_t)size * k->real_size,
                .real_size = (int)k->real_size,
                .reverse = reverse,
                .on_device = !device_is_host(k->device),
                .stream = b->halo->stream};
  if (b->halo->exchange(&r, b->halo->user))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "the exchange of %s layer %d with other domains failed",
             reverse ? "the adjoint features of" : "features for", layer + 1);
  return EQS_OK;
}

void halo_zero(const batch *b, const kernel_ops *k, void *rows, int size) {
  size_t row = (size_t)size * k->real_size;
  k->device->ops->zero(k->device, (char *)rows + (size_t)b->n * row,
                       (size_t)(batch_rows(b) - b->n) * row);
}
