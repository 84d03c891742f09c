/* cycles.h -- a run of a chain: equilibration, production, checks, checkpoints, interruption.
 *
 * Cycles have a fixed number of moves, so that the state at their ends is a fair sample. Step sizes
 * adapt in equilibration only. Every `check_cycles` cycles the energy is computed afresh and, if a
 * file is named, a checkpoint written: there alone, so that a run which is stopped and continued
 * has the bits of one that never was.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CYCLES_H
#define EQS_CYCLES_H

#include "core/adsorption/chain.h"

typedef struct cycle_progress {
  int64_t cycle, n_cycle; /* done, of all */
  int equilibrating;
  double energy;    /* running U, eV */
  int64_t energies; /* of the target */
  int n_guest;
  const guest *guests; /* [n_guest] */
} cycle_progress;

/* After every cycle; non-zero stops the run with EQS_ERR_INTERRUPTED. */
typedef int (*cycle_watch)(void *context, const cycle_progress *p);

typedef struct cycle_settings {
  int64_t equilibration, production; /* cycles */
  int cycle_moves;
  int check_cycles;
  const char *checkpoint; /* file; NULL = none */
  cycle_watch watch;      /* may be NULL */
  void *context;
} cycle_settings;

/* What a kind of run adds to a chain. */
typedef struct cycle_client {
  const char *kind; /* of checkpoint file, 8 characters */
  chain_observer observe;
  void (*after)(void *context);                      /* every cycle; may be NULL */
  void (*settings)(const void *context, archive *a); /* the state depends on; may be NULL */
  void (*archive)(void *context, archive *a);        /* its own state */
  int (*sane)(const void *context);                  /* of a state that was read */
  size_t size;                                       /* bytes of its state, at most */
} cycle_client;

typedef struct cycle_run {
  const cycle_settings *s;
  const cycle_client *client;
  void *context; /* of the client */
  chain chain;
  chain_settings chain_settings;
  int64_t cycle; /* done */
  char fingerprint[65];
} cycle_run;

/* 2000 + 2000 cycles of 20 moves, checked every 100 cycles. */
void cycles_defaults(cycle_settings *s);
/* EQS_ERR_ARGUMENT: settings out of range. */
eqs_status cycles_check(const cycle_settings *s) EQS_CHECK;
/* EQS_ERR_ARGUMENT: settings. Opens the chain, and continues a checkpoint if there is one. */
eqs_status cycles_open(cycle_run *r, const cycle_settings *s, const chain_settings *moves,
                       const cycle_client *client, void *context) EQS_CHECK;
eqs_status cycles_go(cycle_run *r) EQS_CHECK;
void cycles_close(cycle_run *r);
/* Energies of the target over all moves. */
int64_t cycles_energies(const cycle_run *r);

#endif
