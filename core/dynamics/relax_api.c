/* relax_api.c -- eqs_relax: a minimiser with a model behind it.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/model_force.h"
#include "core/dynamics/relax.h"
#include "core/units.h"

struct eqs_relaxed {
  int n, first[2], pbc[3];
  int *number;
  double (*x)[3], (*force)[3], cell[9], stress[9];
  relax_outcome outcome;
  int64_t max_steps;
};

typedef struct listener {
  eqs_relax_watch watch;
  void *user;
  int64_t max_steps;
} listener;

static int tell(void *user, int64_t step, double energy, double force, double stress) {
  const listener *l = user;
  const eqs_relax_progress p = {.size = sizeof p,
                                .step = step,
                                .max_steps = l->max_steps,
                                .energy = energy,
                                .force = force,
                                .stress = stress / PASCAL_EV};
  return l->watch ? l->watch(&p, l->user) : 0;
}

static eqs_status settings_of(const eqs_relax_options *o, relax_settings *s) {
  static const char *const cells[] = {"fixed", "isotropic", "full"};
  const char *method = o->method ? o->method : "lbfgs", *cell = o->cell ? o->cell : "fixed";
  int kind = 0, fire = !strcmp(method, "fire");
  if (!fire && strcmp(method, "lbfgs"))
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no method '%s'; there are lbfgs and fire", method);
  while (kind < 3 && strcmp(cell, cells[kind])) kind++;
  if (kind == 3) EQS_FAIL(EQS_ERR_ARGUMENT, "a cell is fixed, isotropic or full, not '%s'", cell);
  *s = (relax_settings){.method = fire ? RELAX_FIRE : RELAX_LBFGS,
                        .cell = (relax_cell)kind,
                        .force = o->force == 0 ? 0.01 : o->force,
                        .stress = (o->stress == 0 ? 1e7 : o->stress) * PASCAL_EV,
                        .pressure = o->pressure * PASCAL_EV,
                        .steps = o->max_steps == 0 ? 1000 : o->max_steps,
                        .evaluate = model_force_evaluate,
                        .watch = tell};
  return EQS_OK;
}

static eqs_status copy_system(const eqs_systems *y, eqs_relaxed *r) {
  size_t n = (size_t)y->first[1];
  r->n = r->first[1] = y->first[1];
  EQS_TRY(alloc_array(&r->number, n, sizeof *r->number, "atoms"));
  EQS_TRY(alloc_array(&r->x, n, sizeof *r->x, "positions"));
  EQS_TRY(alloc_array(&r->force, n, sizeof *r->force, "forces"));
  memcpy(r->number, y->number, n * sizeof *r->number);
  memcpy(r->x, y->position, n * sizeof *r->x);
  if (y->cell) memcpy(r->cell, y->cell, sizeof r->cell);
  if (y->pbc) memcpy(r->pbc, y->pbc, sizeof r->pbc);
  return EQS_OK;
}

eqs_status eqs_relax(eqs_context *c, const eqs_model *m, const eqs_structures *frames, int i,
                     const eqs_relax_options *options, eqs_relax_watch watch, void *user,
                     eqs_relaxed **out) {
  eqs_relax_options o = {.size = sizeof o};
  relax_settings s;
  model_force force;
  double *mass = NULL;
  *out = NULL;
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  EQS_TRY(settings_of(&o, &s));
  listener l = {.watch = watch, .user = user, .max_steps = s.steps};
  s.context = &force, s.user = &l;
  eqs_relaxed *r = calloc(1, sizeof *r);
  if (!r) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: relaxation");
  r->max_steps = s.steps;
  eqs_status status = model_force_open(&force, c, m, frames, i, &mass);
  if (status == EQS_OK) status = copy_system(&force.systems, r);
  if (status == EQS_OK)
    for (int k = 0; k < 3 && s.cell != RELAX_FIXED; k++)
      if (!r->pbc[k])
        status = status_fail(EQS_ERR_ARGUMENT,
                             "a cell is relaxed only where it is periodic in three directions");
  if (status == EQS_OK)
    status = relax_run(&s, r->n, r->x, r->cell, r->force, r->stress, &r->outcome);
  free(mass);
  *out = r;
  if (status != EQS_OK && status != EQS_ERR_INTERRUPTED) eqs_relaxed_free(out);
  return status;
}

int eqs_relaxed_view(const eqs_relaxed *r, eqs_systems *systems, eqs_result *result,
                     eqs_relax_progress *last) {
  *systems = (eqs_systems){.size = sizeof *systems,
                           .n_system = 1,
                           .first = r->first,
                           .number = r->number,
                           .position = r->x[0],
                           .cell = r->cell,
                           .pbc = r->pbc};
  *result = (eqs_result){.size = sizeof *result,
                         .energy = (double *)&r->outcome.energy,
                         .forces = r->force[0],
                         .stress = (double *)r->stress};
  if (last)
    *last = (eqs_relax_progress){.size = last->size,
                                 .step = r->outcome.steps,
                                 .max_steps = r->max_steps,
                                 .energy = r->outcome.energy,
                                 .force = r->outcome.force,
                                 .stress = r->outcome.stress / PASCAL_EV};
  return r->outcome.done;
}

void eqs_relaxed_free(eqs_relaxed **r) {
  if (!r || !*r) return;
  free((*r)->number);
  free((*r)->x);
  free((*r)->force);
  free(*r);
  *r = NULL;
}
