/* proposal.h -- one proposed move of a chain: what is to be evaluated, and its acceptance.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PROPOSAL_H
#define EQS_PROPOSAL_H

#include "core/adsorption/chain.h"

typedef struct proposal {
  chain_kind kind;
  int component, other; /* other: what an identity move makes of it */
  int n_trial;          /* 0: the move is impossible here, which is a rejection */
  int blocked;          /* an insertion into a full chain without a wall */
  guest_change *change; /* [n_trial], in the chain's array */
  double *du;           /* [n_trial] energies of the first stage, eV */
  double ln_factor;     /* logarithm of the acceptance ratio without energies */
  double u_choice, u_first, u_second;
  /* after proposal_resolve */
  int chosen;      /* index of the change to make; -1: none has any weight */
  double ln_ratio; /* of the first stage's acceptance; -INFINITY with chosen = -1 */
} proposal;

/* Changes that a move of these settings needs at most. */
int proposal_size(const chain_settings *s);
/* Random numbers that a move needs at most. */
size_t proposal_uniforms(const chain_settings *s);
/* Move `move` on the chain's state; p->change and p->du point at room for proposal_size. */
void proposal_make(const chain *c, uint64_t move, proposal *p);
/* Chooses among the trials by their energies p->du. limit: holes are deeper than this, eV; INFINITY
 * for a surrogate, which may be as deep as it likes. */
void proposal_resolve(const chain *c, proposal *p, double limit);
/* 1: the change leads into a hole or out of one, or has no finite energy. */
int proposal_refused(chain_kind kind, double du, double limit);

#endif
