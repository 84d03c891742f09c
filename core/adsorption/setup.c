/* setup.c -- framework, gases, target and surrogate of a simulation.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/setup.h"

#include "core/adsorption/blocked_energy.h"
#include "core/adsorption/model_energy.h"
#include "core/engine.h"

#include <math.h>
#include <stdio.h>

double setup_length(const gas *g) {
  double most = 0;
  for (int i = 0; i < g->n; i++)
    for (int j = 0; j < i; j++) {
      const double *a = g->position[i], *b = g->position[j];
      most = fmax(most, hypot(hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]));
    }
  return most;
}

static eqs_status find_gases(const setup_options *o, setup *out) {
  if (o->n_gas < 1 || o->n_gas > SETUP_GASES || !o->gases)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d gases; name 1 to %d", o->n_gas, SETUP_GASES);
  out->n_gas = o->n_gas;
  for (int k = 0; k < o->n_gas; k++) {
    EQS_TRY(gas_find(o->gases[k], out->gases + k));
    out->length = fmax(out->length, setup_length(out->gases + k));
  }
  return EQS_OK;
}

static double needed_width(const setup_options *o, const setup *s) {
  double width = 0, cutoff = o->classical.cutoff > 0 ? o->classical.cutoff : CLASSICAL_CUTOFF;
  if (o->energy != EQS_ENERGY_CLASSICAL) {
    const eqs_model_info *info = &o->model->potential->info;
    width = (o->strict ? 2 * info->n_layer : 2) * info->cutoff + s->length;
  }
  if (o->energy != EQS_ENERGY_MODEL) width = fmax(width, 2 * cutoff);
  return width;
}

/* ---- pockets */

static int in_pocket(const void *context, int component, const double x[3]) {
  const setup *s = context;
  return s->pores[component] && pores_blocked(s->pores[component], x);
}

static void count_pockets(setup *s, int k) {
  const pores_space *space;
  int n = pores_spaces(s->pores[k], &space), pockets = 0;
  for (int i = 0; i < n; i++) pockets += space[i].kind == PORES_POCKET;
  s->n_pocket += pockets;
  if (pockets == n)
    snprintf(s->why_no_room, sizeof s->why_no_room,
             "%s finds no channel in the framework (a probe of %.2f angstrom)", s->gases[k].name,
             pockets_probe(s->gases + k));
}

/* Without parameters of an element the volume is not known; nothing else needs it. */
static eqs_status find_helium(setup *s, pores *p) {
  eqs_status status = pores_find_helium(p, s->host.cell.number, &s->helium);
  if (status == EQS_ERR_UNSUPPORTED) s->helium = 0;
  return status == EQS_ERR_UNSUPPORTED ? EQS_OK : status;
}

static eqs_status find_pores(const setup_options *o, setup *s) {
  workspace *w = &o->context->work;
  pores *alone = NULL;
  for (int k = 0; k < s->n_gas && !o->keep_pockets; k++) {
    eqs_status status =
        pockets_find(&s->host.cell, s->gases + k, w, o->watch, o->user, s->pores + k);
    if (status == EQS_ERR_UNSUPPORTED)
      return status_prefix(status, "pockets cannot be found, keep them");
    EQS_TRY(status);
    count_pockets(s, k);
  }
  if (!o->pore_volume) return EQS_OK;
  if (!o->keep_pockets) return find_helium(s, s->pores[0]);
  eqs_status status = pockets_find(&s->host.cell, s->gases, w, o->watch, o->user, &alone);
  if (status == EQS_ERR_UNSUPPORTED) return EQS_OK;
  if (status == EQS_OK) status = find_helium(s, alone);
  pores_free(&alone);
  return status;
}

/* ---- energies; pockets are walls of each part, so that a surrogate and its target agree */

static eqs_status wall_off(const setup *s, eqs_status status, guest_energy **e) {
  guest_energy *inner = *e;
  if (status != EQS_OK || !s->pores[0]) return status;
  status = blocked_energy_open(inner, in_pocket, s, e);
  if (status != EQS_OK) inner->ops->free(inner);
  return status;
}

static eqs_status open_classical(const setup_options *o, const setup *s, guest_energy **out) {
  return wall_off(
      s, classical_energy_open(&s->host, s->n_gas, s->gases, &o->classical, &o->context->work, out),
      out);
}

static eqs_status open_model(const setup_options *o, const setup *s, guest_energy **out) {
  return wall_off(
      s,
      model_energy_open(o->context, o->model, &s->host, s->n_gas, s->gases, o->overlap_energy, out),
      out);
}

/* A surrogate is welcome, not needed. */
static eqs_status open_surrogate(const setup_options *o, setup *s) {
  if (o->no_surrogate) return EQS_OK;
  eqs_status status = open_classical(o, s, &s->surrogate);
  s->surrogate_apart = status == EQS_OK;
  if (status != EQS_ERR_UNSUPPORTED) return status;
  snprintf(s->why_none, sizeof s->why_none, "no surrogate: %.220s", eqs_error());
  return EQS_OK;
}

static eqs_status open_energies(const setup_options *o, setup *s) {
  guest_energy *classical = NULL, *model = NULL;
  if (o->energy == EQS_ENERGY_CLASSICAL) return open_classical(o, s, &s->target);
  if (o->energy == EQS_ENERGY_MODEL) {
    EQS_TRY(open_model(o, s, &s->target));
    return open_surrogate(o, s);
  }
  eqs_status status = open_classical(o, s, &classical);
  if (status == EQS_OK) status = open_model(o, s, &model);
  if (status == EQS_OK) status = energy_sum_open(classical, model, o->scale, &s->target);
  if (status == EQS_OK) {
    s->surrogate = o->no_surrogate ? NULL : classical;
    return EQS_OK;
  }
  if (classical) classical->ops->free(classical);
  if (model) model->ops->free(model);
  return status;
}

eqs_status setup_open(const setup_options *o, const structure *s, setup *out) {
  *out = (setup){0};
  if (o->energy < EQS_ENERGY_MODEL || o->energy > EQS_ENERGY_SUM)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no such energy: %d", (int)o->energy);
  if (o->energy != EQS_ENERGY_CLASSICAL && !o->model)
    EQS_FAIL(EQS_ERR_ARGUMENT, "this energy needs a model");
  EQS_TRY(find_gases(o, out));
  EQS_TRY(framework_prepare(s, needed_width(o, out), &out->host));
  eqs_status status = find_pores(o, out);
  if (status == EQS_OK) status = open_energies(o, out);
  if (status != EQS_OK) setup_close(out);
  return status;
}

void setup_close(setup *s) {
  if (s->target) s->target->ops->free(s->target);
  if (s->surrogate_apart) s->surrogate->ops->free(s->surrogate);
  for (int k = 0; k < s->n_gas; k++) pores_free(s->pores + k);
  framework_free(&s->host);
  *s = (setup){0};
}
