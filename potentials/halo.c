/* halo.c -- see halo.h.
 * SPDX-License-Identifier: MIT */
#include "potentials/halo.h"

#include "core/device.h"

static eqs_status call(const batch *b, eqs_exchange exchange, const kernel_ops *k, int layer,
                       void *rows, int size, int reverse) {
  device *d = b->halo->device;
  eqs_rows r = {.size = sizeof r,
                .rows = rows,
                .row_bytes = (size_t)size * k->real_size,
                .real_size = (int)k->real_size,
                .reverse = reverse,
                .on_device = d != NULL,
                .stream = d ? d->ops->stream(d) : NULL};
  int failed = exchange(&r, b->halo->user);
  if (d) EQS_TRY(d->ops->enter(d)); /* the caller may have used another */
  if (failed)
    EQS_FAIL(EQS_ERR_INTERRUPTED, "the exchange of %s layer %d with other domains failed",
             reverse ? "the adjoint features of" : "features for", layer + 1);
  return EQS_OK;
}

eqs_status halo_exchange(const batch *b, const kernel_ops *k, int layer, void *rows, int size,
                         int reverse) {
  return b->halo ? call(b, b->halo->exchange, k, layer, rows, size, reverse) : EQS_OK;
}

eqs_status halo_begin(const batch *b, const kernel_ops *k, int layer, void *rows, int size,
                      int reverse) {
  if (!b->halo || !b->halo->begin) return EQS_OK;
  return call(b, b->halo->begin, k, layer, rows, size, reverse);
}

/* Blocks over `rows` rows that lie among the first n. */
static int blocks_within(const batch *b, int rows, int n) {
  int blocks = 0, all = batch_blocks(b, rows);
  if (!b->halo || !b->halo->begin) return 0;
  while (blocks < all && batch_block_end(b, blocks, rows) <= n) blocks++;
  return blocks;
}

int halo_inner_blocks(const batch *b) {
  return b->halo ? blocks_within(b, b->n, b->halo->n_interior) : 0;
}

int halo_own_blocks(const batch *b, int rows) { return blocks_within(b, rows, b->n); }

void halo_zero(const batch *b, const kernel_ops *k, void *rows, int size) {
  size_t row = (size_t)size * k->real_size;
  k->device->ops->zero(k->device, (char *)rows + (size_t)b->n * row,
                       (size_t)(batch_rows(b) - b->n) * row);
}
