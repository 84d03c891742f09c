/* shard.h -- systems of a context shared out over ranks.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHARD_H
#define EQS_SHARD_H

#include "core/equisorb.h"

typedef struct shard shard;

/* Rank 0: a batch that has been checked, one system after the other. */
eqs_status shard_compute(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                         const eqs_result *out) EQS_CHECK;
/* Rank 0 lets the others go. NULL is fine. */
void shard_free(shard *s);

#endif
