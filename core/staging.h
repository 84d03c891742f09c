/* staging.h -- a batch where the potential's kernels read it.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_STAGING_H
#define EQS_STAGING_H

#include "core/engine.h"

typedef struct staged_batch {
  batch batch;
  neighbors list; /* of the device, if that is not the host */
  device_blocks blocks;
} staged_batch;

/* From the context's neighbour list and the species of its atoms (on the host). On the host nothing
 * is copied. Otherwise the device is entered, and its shared scratch starts afresh. */
eqs_status stage_batch(eqs_context *c, const int *species, staged_batch *out) EQS_CHECK;

#endif
