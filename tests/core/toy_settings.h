/* toy_settings.h -- settings of a short grand canonical run in the box of a toy energy.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TOY_SETTINGS_H
#define EQS_TOY_SETTINGS_H

#include "core/adsorption/gcmc.h"
#include "tests/core/toy_energy.h"

#include <string.h>

#define TOY_T  300.0
#define TOY_KT (BOLTZMANN_EV * TOY_T)

/* One component without orientation at beta f = density, per angstrom^3; cell has room for nine. */
static inline gcmc_settings toy_settings(toy *t, double *cell, double density) {
  gcmc_settings s;
  gcmc_defaults(&s);
  memset(cell, 0, 9 * sizeof *cell);
  for (int k = 0; k < 3; k++) cell[4 * k] = t->box[k];
  s.chain.cell = cell;
  s.chain.temperature = TOY_T;
  s.chain.n_component = 1;
  s.chain.fugacity[0] = toy_fugacity(density, TOY_T);
  s.chain.point[0] = 1;
  s.chain.seed = 7;
  s.chain.target = &t->base;
  s.framework_mass = 1000; /* mol/kg = molecules */
  s.cycles.equilibration = 200;
  s.cycles.production = 5000;
  return s;
}

static inline gcmc_result toy_run(const gcmc_settings *s) {
  gcmc_result r;
  cr_assert(gcmc_run(s, &r) == EQS_OK, "%s", eqs_error());
  return r;
}

/* Four standard errors. */
static inline void toy_near(series_value v, double want, const char *what) {
  cr_assert(v.sigma > 0 && fabs(v.mean - want) < 4 * v.sigma, "%s: %g +- %g, exact %g", what,
            v.mean, v.sigma, want);
}

static inline void toy_close(toy *t) { t->base.ops->free(&t->base); }

#endif
