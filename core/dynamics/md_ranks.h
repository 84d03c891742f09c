/* md_ranks.h -- a run of molecular dynamics whose atoms are shared out over the ranks of a context:
 * rank 0 gives orders, the others follow.
 *
 * A rank holds the atoms that it would own in the structure as it was read (core/domain.h), for the
 * whole run, so that most of those it evaluates are its own; with rigid bodies rank 0 holds all.
 * What a rank holds follows from structure and number of ranks alone, and so do all bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MD_RANKS_H
#define EQS_MD_RANKS_H

#include "core/dynamics/dynamics.h"
#include "core/shard.h"

/* What all ranks are told at the start; pointers in the settings are each rank's own. */
typedef struct md_start {
  dynamics_settings s;
  int total, alone; /* alone: rank 0 holds all atoms */
  int has_cell, has_pbc, pbc[3];
  int velocities; /* they are given, not drawn */
  int keep;       /* the last good state is wanted after a failure */
  double cell[9];
} md_start;

typedef struct md_ranks {
  eqs_context *c;
  const eqs_model *m;
  comm *ranks; /* NULL = there are none */
  md_start start;
  int n, *id, *number; /* [n] of the atoms that this rank holds */
  double *mass;        /* [n] u */
  int *count;          /* [size] atoms of every rank */
  int joined;          /* all ranks are at work */
} md_ranks;

/* What follows is rank 0's. */

/* Shares out a system and opens its state. `room` is for the state of all atoms. s->bodies, mass
 * [n] and velocity (NULL = drawn) are of all. keep: the last good state can be gathered after a
 * failure. Whatever is returned, md_ranks_close is due. */
eqs_status md_ranks_open(md_ranks *k, const dynamics_settings *s, const eqs_systems *y,
                         const double *mass, const double (*velocity)[3], int keep, dynamics *room,
                         dynamics *d, dynamics_figures *v) EQS_CHECK;
/* The first part of a step; evaluation and completion follow as for any state, then
 * dynamics_measure and md_ranks_largest. d was good: it is what is kept on all ranks. */
eqs_status md_ranks_advance(md_ranks *k, dynamics *d) EQS_CHECK;
/* The square of the largest force, (eV/angstrom)^2. Every rank calls it, also without ranks. */
eqs_status md_ranks_largest(const dynamics *d, double *square) EQS_CHECK;
/* The first atom that feels it, from 0. */
eqs_status md_ranks_where(md_ranks *k, const dynamics *d, double square, int *atom) EQS_CHECK;
/* All atoms of d, the state as it is or (good) the one kept, into `room`; mass [total] is theirs.
 * After a failure the one kept alone can be had, if `keep` was set. */
eqs_status md_ranks_gather(md_ranks *k, const dynamics *d, int good, const double *mass,
                           dynamics *room) EQS_CHECK;
/* The other way: the ranks go on from the state of all atoms. */
eqs_status md_ranks_load(md_ranks *k, const dynamics *all, dynamics *d) EQS_CHECK;
void md_ranks_close(md_ranks *k);

/* The other ranks, from rank 0's shard_call to its md_ranks_close. */
eqs_status md_ranks_follow(eqs_context *c, const eqs_model *m) EQS_CHECK;

#endif
