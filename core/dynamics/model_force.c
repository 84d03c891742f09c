/* model_force.c -- a model as the force behind dynamics and minimisers.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/model_force.h"

#include "core/status.h"
#include "io/elements.h"

eqs_status model_force_evaluate(void *context, int n, const double (*x)[3], const double cell[9],
                                double *energy, double (*force)[3], double stress[9]) {
  model_force *f = context;
  eqs_systems s = f->systems;
  eqs_result r = {.size = sizeof r, .energy = energy, .forces = force[0], .stress = stress};
  (void)n;
  s.position = x[0];
  s.cell = s.cell ? cell : NULL;
  return eqs_compute(f->c, f->m, &s, &r);
}

eqs_status model_force_open(model_force *f, eqs_context *c, const eqs_model *m,
                            const eqs_structures *frames, int i, double **mass) {
  *f = (model_force){.c = c, .m = m, .systems = {.size = sizeof f->systems}};
  *mass = NULL;
  if (!c || !m || !frames) EQS_FAIL(EQS_ERR_ARGUMENT, "a context, a model and a structure are due");
  EQS_TRY(eqs_structures_view(frames, i, &f->systems));
  if (f->systems.n_system != 1 || f->systems.first[1] < 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "one structure with atoms is needed");
  size_t n = (size_t)f->systems.first[1];
  EQS_TRY(alloc_array(mass, n, sizeof **mass, "masses"));
  for (size_t k = 0; k < n; k++) (*mass)[k] = element_mass(f->systems.number[k]);
  return EQS_OK;
}
