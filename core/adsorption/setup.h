/* setup.h -- from a structure, gases and a choice of energies to what the samplers need.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SETUP_H
#define EQS_SETUP_H

#include "core/adsorption/classical_energy.h"
#include "core/adsorption/energy_sum.h"
#include "core/adsorption/pockets.h"

enum { SETUP_GASES = 8 };

typedef struct setup_options {
  eqs_context *context;
  const eqs_model *model; /* NULL with EQS_ENERGY_CLASSICAL */
  eqs_energy energy;
  double scale;     /* of the model in a sum */
  int no_surrogate; /* 1: the target alone */
  int strict;       /* 1: no message-passing path between a guest and its image */
  int n_gas;
  const char *const *gases;
  classical_settings classical;
  int keep_pockets;      /* 1: guests may sit in pockets that their gas cannot get to */
  int pore_volume;       /* 1: `helium` is wanted */
  double overlap_energy; /* eV, of overlap.h; 0 = its own */
  pores_watch watch;     /* while pores are looked for; may be NULL */
  void *user;
} setup_options;

typedef struct setup {
  framework host;
  int n_gas;
  gas gases[SETUP_GASES];
  guest_energy *target;
  guest_energy *surrogate;   /* of the target (then a part of it) or apart; NULL = none */
  int surrogate_apart;       /* 1: not a part of the target */
  char why_none[256];        /* why a surrogate that was wanted is not there; "" */
  double length;             /* of the longest gas, angstrom */
  pores *pores[SETUP_GASES]; /* as each gas sees them; NULL = nothing is blocked */
  int n_pocket;              /* that are blocked, of all gases, per cell */
  double helium;             /* void fraction; 0 = not known */
  char why_no_room[256];     /* of a gas to which all is pocket; "" */
} setup;

/* The longest distance between two atoms, angstrom. */
double setup_length(const gas *g);
/* Chooses cell and box: every width at least 2 r_max + length (2 L r_max + length if strict) where
 * the model is asked, at least twice the classical cutoff where that is the target. Without
 * parameters for an element there is no surrogate, but an error if they are the target's. The
 * energies keep `out`: it must stay where it is. EQS_ERR_ARGUMENT, EQS_ERR_UNSUPPORTED; errors of
 * the energies. */
eqs_status setup_open(const setup_options *o, const structure *s, setup *out) EQS_CHECK;
void setup_close(setup *s);

#endif
