/* energy.h -- the energy of rigid guests in a rigid framework, as the samplers see it.
 *
 * A state is a list of guests. U = E(framework + guests) - E(framework) - sum E(gas alone), eV, so
 * U = 0 without guests. A sampler asks what changes of the current state would cost, many at once,
 * and makes one of them; it never sees atoms. A force field, a classical model, a sum of both and
 * analytic potentials (tests) all stand behind the same four calls.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ENERGY_H
#define EQS_ENERGY_H

#include "core/dynamics/hybrid.h"

/* One guest of the current state; `component` indexes the gases that the state was opened with. */
typedef struct guest {
  int component;
  pose pose;
} guest;

/* A change of the state: taking out guest `remove`, putting in one of component `insert`, or both
 * at once (a move, a swap of identity: the new guest takes the index of the old one). Putting in
 * alone appends; taking out alone moves the last guest into the gap. */
typedef struct guest_change {
  int remove; /* index of a guest; -1 = none */
  int insert; /* component; -1 = none */
  pose pose;  /* of the guest put in */
} guest_change;

typedef struct guest_energy guest_energy;

typedef struct guest_energy_ops {
  /* du[i] = U(state after change i) - U(state), eV, each change on its own. +INFINITY: an overlap,
   * the weight of that state is zero. NAN: no finite answer (a hole of the model). The state stays
   * as it is, bit for bit. */
  eqs_status (*trial)(guest_energy *e, int n, const guest_change *change, double *du);
  /* Makes the change. Its du was finite. */
  eqs_status (*commit)(guest_energy *e, const guest_change *change);
  /* U of the current state, computed afresh: against drift, and to check `trial`. */
  eqs_status (*total)(guest_energy *e, double *u);
  void (*free)(guest_energy *e);
  /* One hybrid Monte Carlo move of the framework's atoms and all guests (`force` and `context` of
   * the settings are not used); guests[] gets their poses, out->energy is U, which now holds what
   * deforming the framework costs. NULL where only rigid frameworks are described. */
  eqs_status (*hybrid)(guest_energy *e, const hybrid_settings *s, guest *guests,
                       hybrid_outcome *out);
} guest_energy_ops;

/* The head of every implementation's struct. */
struct guest_energy {
  const guest_energy_ops *ops;
};

#endif
