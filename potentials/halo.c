/* halo.c -- see halo.h.
 * SPDX-License-Identifier: MIT */
#include "potentials/halo.h"

#include "core/device.h"

eqs_status halo_exchange(const batch *b, const kernel_ops *k, int layer, void *rows, int size,
                         int reverse) {
  if (!b->halo) return EQS_OK;
  device *d = b->halo->device;
  eqs_rows r = {.size = sizeof r,
                .rows = rows,
                .row_bytes = (size_t)size * k->real_size,
                .real_size = (int)k->real_size,
                .reverse = reverse,
                .on_device = d != NULL,
                .stream = d ? d->ops->stream(d) : NULL};
  int failed = b->halo->exchange(&r, b->halo->user);
  if (d) EQS_TRY(d->ops->enter(d)); /* the caller may have used another */
  if (failed)
    EQS_FAIL(EQS_ERR_INTERRUPTED, "the exchange of %s layer %d with other domains failed",
             reverse ? "the adjoint features of" : "features for", layer + 1);
  return EQS_OK;
}

void halo_zero(const batch *b, const kernel_ops *k, void *rows, int size) {
  size_t row = (size_t)size * k->real_size;
  k->device->ops->zero(k->device, (char *)rows + (size_t)b->n * row,
                       (size_t)(batch_rows(b) - b->n) * row);
}
