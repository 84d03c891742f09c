/* shard.h -- systems of a context shared out over ranks.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHARD_H
#define EQS_SHARD_H

#include "core/comm.h"
#include "core/domain.h"

typedef struct shard shard;

/* Rank 0: a batch that has been checked, one system after the other. */
eqs_status shard_compute(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                         const eqs_result *out) EQS_CHECK;

/* The ranks of a context; NULL = none. */
comm *shard_ranks(const eqs_context *c);
/* Rank 0: the others leave eqs_context_serve for md_ranks_follow. The system is checked before. */
eqs_status shard_call(eqs_context *c, const eqs_model *m, const eqs_systems *s) EQS_CHECK;
/* All ranks: equal parts of rank 0's one system (NULL elsewhere) of `total` atoms in their order;
 * atoms[n] are valid until the next evaluation. */
eqs_status shard_deal(eqs_context *c, const eqs_systems *one, int total, int *n,
                      domain_atom **atoms) EQS_CHECK;

/* The atoms of a system that a rank holds, whatever its share of the work. */
typedef struct shard_part {
  int n, total;
  const int *id, *number; /* [n] id: of `total`, each on one rank */
  const double (*x)[3];
  const double *cell; /* NULL, or the same on all ranks */
  const int *pbc;
} shard_part;

/* All ranks: energy and stress of the system, and forces of the atoms that each holds. */
eqs_status shard_compute_part(eqs_context *c, const eqs_model *m, const shard_part *p,
                              double *energy, double (*force)[3], double stress[9]) EQS_CHECK;

/* Rank 0 lets the others go. NULL is fine. */
void shard_free(shard *s);

#endif
