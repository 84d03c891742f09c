/* chain.h -- the Markov chain of grand canonical Monte Carlo: proposals, energies, acceptance.
 *
 * Move m is a pure function of (seed, stream, m) and of the state before it. Hence several moves
 * can be proposed on one state and evaluated in one call; they are then gone through in order, up
 * to the first that is accepted (`lookahead`): the chain is the same, only the calls are fewer.
 *
 * Holes of a model (NAN, or a guest bound more strongly than hole_limit) are overlaps. So that
 * detailed balance holds, every move that would lead into one is refused, and so is every move
 * that would lead back.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CHAIN_H
#define EQS_CHAIN_H

#include "core/adsorption/checkpoint.h"
#include "core/adsorption/energy_sum.h"
#include "core/adsorption/statistics.h"

enum { CHAIN_COMPONENTS = 8, CHAIN_TRIALS_MAX = 4096, CHAIN_LOOKAHEAD_MAX = 1024 };

typedef enum chain_kind {
  CHAIN_INSERT,
  CHAIN_DELETE,
  CHAIN_TRANSLATE,
  CHAIN_ROTATE,
  CHAIN_REINSERT,
  CHAIN_IDENTITY, /* a guest becomes one of another component, at the same place */
  CHAIN_HYBRID, /* a trajectory of the framework's atoms and all guests (core/dynamics/hybrid.h) */
  CHAIN_KINDS
} chain_kind;

extern const char *const chain_kind_name[CHAIN_KINDS];

typedef struct chain_settings {
  const double *cell; /* [9] angstrom, of the box that the energies know */
  double temperature; /* K */
  int n_component;
  double fugacity[CHAIN_COMPONENTS]; /* Pa */
  int point[CHAIN_COMPONENTS];       /* 1: one atom, nothing to rotate */
  /* Shares of the moves; insertion and deletion must be equal. */
  double weight[CHAIN_KINDS];
  int trials;          /* poses per insertion and deletion */
  int reinsert_trials; /* poses per reinsertion */
  int lookahead;       /* moves per energy call, at most */
  double hybrid_step;  /* fs */
  int hybrid_steps;    /* of a trajectory; its random numbers take stream + 2^31 */
  int max_guests;
  int wall;           /* 1: insertions beyond max_guests are rejected; 0: an error */
  double hole_limit;  /* eV per guest */
  double drift_limit; /* eV: see chain_check */
  uint64_t seed;
  uint32_t stream;
  guest_energy *target, *surrogate; /* without guests at the start; surrogate NULL = none */
  const guest *initial;             /* [n_initial] guests to start with */
  int n_initial;
  const char *condition; /* what the energies depend on, as text, for checkpoints; may be NULL */
} chain_settings;

/* Swaps of 8 trials half of the time, translations, rotations and reinsertions; 8 and 1 trials. All
 * the rest is left zero. */
void chain_defaults(chain_settings *s);

typedef struct chain_count {
  int64_t tried;
  int64_t passed; /* the surrogate's stage; = tried without one */
  int64_t accepted;
  int64_t energies; /* of the target (or its costly part), those not used in the end included */
} chain_count;

typedef struct chain_holes {
  int64_t n_overlap, n_hole; /* among the energies of the target */
  int64_t n_not_a_number;    /* of the holes */
  /* Lowest energy of a hole, eV: of an insertion, or relative to where the moved guest was; NAN:
   * none was finite. */
  double lowest;
  /* of inserted poses: what was kept, and what the holes would have weighed. With a surrogate, of
   * exp(-(U - U_surrogate)/kT) on the poses that it chose. */
  log_sum kept, discarded;
} chain_holes;

/* What a move did; given to the observer after it, with the new state in the chain. */
typedef struct chain_event {
  chain_kind kind;
  int component;
  int n_before; /* guests, of all components */
  int accepted;
  double acceptance; /* insertions and deletions: min(1, ratio) without bias; see `collect` */
} chain_event;

typedef eqs_status (*chain_observer)(void *context, const chain_event *e);

typedef struct chain {
  const chain_settings *s;
  energy_pair energy;
  double beta, volume, inverse[9], ln_z[CHAIN_COMPONENTS]; /* ln_z = ln(beta f V) */
  guest *guests;                                           /* [n] */
  int n, capacity, count[CHAIN_COMPONENTS];
  double u;                                              /* running U of the target, eV */
  uint64_t move;                                         /* index of the next */
  double step[CHAIN_COMPONENTS], turn[CHAIN_COMPONENTS]; /* angstrom, radian: half ranges */
  int64_t recent[CHAIN_COMPONENTS][4]; /* translations tried, accepted, rotations the same */
  chain_count counts[CHAIN_KINDS];
  chain_holes holes;
  int64_t surrogate_energies, since_check;
  double largest_drift;
  /* Flat-histogram sampling: the acceptance of N -> M gets the factor exp(bias[M] - bias[N]). With
   * `collect` the event's acceptance is that of the chain without bias; with a surrogate it is
   * 1[u < min(1, r1)] min(1, r2): its mean over u is the acceptance. */
  const double *bias; /* [max_guests + 1] or NULL */
  int collect;
  struct proposal *proposals; /* [lookahead] */
  guest_change *changes;      /* of all proposals */
  double *du;
  guest_change *passed; /* [lookahead] those that the surrogate let through */
  double *du_passed;
  double *uniform; /* random numbers of one move */
} chain;

/* EQS_ERR_ARGUMENT: settings out of range. */
eqs_status chain_check_settings(const chain_settings *s) EQS_CHECK;
/* Puts in a guest from outside, checking that it overlaps nothing. */
eqs_status chain_put_in(chain *c, const guest *g) EQS_CHECK;
/* Keeps `s`. EQS_ERR_ARGUMENT: settings that make no sense, initial guests that overlap.
 * EQS_ERR_UNSUPPORTED: hybrid moves with a surrogate, or of energies that only know rigid
 * frameworks.
 */
eqs_status chain_open(chain *c, const chain_settings *s) EQS_CHECK;
void chain_close(chain *c);
/* Makes n moves. EQS_ERR_DIVERGED: more than max_guests without a wall. */
eqs_status chain_advance(chain *c, int64_t n, chain_observer observer, void *context) EQS_CHECK;
/* Moves the step sizes towards 45 % acceptance; for equilibration only. */
void chain_adapt(chain *c);
/* Computes U afresh and goes on with that. EQS_ERR_DIVERGED: the running value was off by more than
 * drift_limit sqrt(1 + moves accepted since the last check). */
eqs_status chain_check(chain *c) EQS_CHECK;
/* Takes all guests out of the energies and puts them in again, in order: what an energy keeps by
 * the order of past moves (places of atoms, hence the last bits) is then that of a fresh start. */
eqs_status chain_rebuild(chain *c) EQS_CHECK;
/* Binding energies of all guests, U - U(without it): the lowest, and how many are holes. */
eqs_status chain_bindings(chain *c, double *lowest, int *n_hole) EQS_CHECK;
/* Share of the weight that holes would have had; 1 if one of them was not a number. */
double chain_discarded(const chain *c);

/* Writes or reads the state. A chain that reads must be fresh; its guests are put in anew and U is
 * computed afresh, as chain_rebuild and chain_check do in a chain that writes. */
eqs_status chain_archive(chain *c, archive *a) EQS_CHECK;
/* The settings that the chain depends on. */
void chain_archive_settings(const chain_settings *s, archive *a);

#endif
