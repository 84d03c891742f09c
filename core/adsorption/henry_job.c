/* henry_job.c -- what insertion into one framework is made of: pockets, surrogate, model.
 *
 * The model's energies are trial insertions into the empty framework (guest_energy: only what the
 * guest reaches is computed); the surrogate is the classical potential on a grid, corrected by what
 * the pilots show.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/henry_job.h"

#include "core/adsorption/energy_sum.h"
#include "core/adsorption/model_energy.h"
#include "core/adsorption/pockets.h"
#include "core/adsorption/subject.h"
#include "core/engine.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define POCKET_SHARE  1e-3 /* of the weight, in pockets: worth a flag */
#define CONTACT_REACH 5.0  /* angstrom: beyond it a hole's contact is of no interest */

/* ---- callbacks: the context is the henry_job */

eqs_status henry_job_energy(void *context, int n, const pose *poses, double *u) {
  const henry_job *j = context;
  guest_change change[HENRY_BATCH];
  for (int done = 0; done < n;) {
    int m = n - done < HENRY_BATCH ? n - done : HENRY_BATCH;
    for (int i = 0; i < m; i++)
      change[i] = (guest_change){.remove = -1, .insert = 0, .pose = poses[done + i]};
    EQS_TRY(j->target->ops->trial(j->target, m, change, u + done));
    done += m;
  }
  return EQS_OK;
}

int henry_job_overlap(void *context, const pose *p) {
  const henry_job *j = context;
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &j->molecule, x);
  return contacts_overlap(&j->contacts, j->molecule.n, (const double(*)[3])x, j->molecule.number,
                          j->rule);
}

double henry_job_contact(void *context, const pose *p) {
  const henry_job *j = context;
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &j->molecule, x);
  return contacts_shortest(&j->contacts, j->molecule.n, (const double(*)[3])x, CONTACT_REACH);
}

int henry_job_blocked(void *context, const pose *p) {
  return pores_blocked(((henry_job *)context)->pores, p->position);
}

int henry_job_look(const henry_job *j, const char *phase, int64_t done, int64_t of) {
  eqs_widom_progress p = {.size = sizeof p, .phase = phase, .done = done, .of = of, .error = NAN};
  return j->watch ? j->watch(&p, j->user) : 0;
}

static eqs_status cheap(void *context, int n, const pose *poses, double *u) {
  return energy_grid_poses(((henry_job *)context)->grid, n, poses, u);
}

static int progress(void *context, const importance_progress *p) {
  static const char *const names[] = {"classical energies", "pilot", "sampling", "check", "chains"};
  const henry_job *j = context;
  if (!j->watch) return 0;
  eqs_widom_progress q = {.size = sizeof q,
                          .phase = names[p->phase],
                          .done = p->done,
                          .of = p->of,
                          .n_energy = p->n_energy,
                          .error = p->error};
  return j->watch(&q, j->user);
}

static int grid_progress(void *context, int64_t done, int64_t of) {
  return henry_job_look(context, "energy grid", done, of);
}

static int pores_progress(void *context, double share) {
  return henry_job_look(context, "pockets", (int64_t)(100 * share), 100);
}

/* ---- the parts */

eqs_status henry_job_pockets(henry_job *j) {
  return pockets_find(&j->host.cell, &j->molecule, &j->context->work, pores_progress, j, &j->pores);
}

eqs_status henry_job_surrogate(henry_job *j, eqs_widom_result *r) {
  const structure *cell = &j->host.cell;
  classical_settings settings = {.set = j->options.surrogate};
  classical_description what;
  energy_grid_description grid;
  EQS_TRY(classical_energy_open(&j->host, 1, &j->molecule, &settings, &j->context->work,
                                &j->classical));
  EQS_TRY(energy_grid_build(j->classical, 0, 0, grid_progress, j, &j->grid));
  if (!j->options.no_fit)
    EQS_TRY(surrogate_fit_open(cell->n, cell->number, (const double(*)[3])cell->position,
                               cell->cell, &j->molecule, j->context->work.threads, &j->fit));
  classical_energy_describe(j->classical, &what);
  energy_grid_describe(j->grid, &grid);
  snprintf(r->surrogate, sizeof r->surrogate, "%s", settings.set ? settings.set : "uff+trappe");
  snprintf(r->charges, sizeof r->charges, "%s", what.charges);
  r->grid_spacing = grid.spacing;
  r->grid_rms = grid.rms * EV_KJ_MOL;
  return EQS_OK;
}

static eqs_status open_contacts(henry_job *j) {
  const structure *cell = &j->host.cell;
  if (!j->rule) EQS_TRY(overlap_open(j->options.overlap_energy, &j->rule));
  EQS_TRY(overlap_add(j->rule, cell->n, cell->number, j->molecule.n, j->molecule.number));
  return contacts_build(&j->contacts, cell->n, cell->position[0], cell->number, cell->cell);
}

eqs_status henry_job_target(henry_job *j) {
  classical_settings settings = {.set = j->options.surrogate};
  guest_energy *classical = NULL, *sum = NULL;
  EQS_TRY(open_contacts(j));
  EQS_TRY(model_energy_open(j->context, j->model, &j->host, 1, &j->molecule,
                            j->options.overlap_energy, &j->target));
  if (j->options.energy == EQS_ENERGY_MODEL) return EQS_OK;
  EQS_TRY(
      classical_energy_open(&j->host, 1, &j->molecule, &settings, &j->context->work, &classical));
  eqs_status status = energy_sum_open(classical, j->target, j->options.scale, &sum);
  if (status == EQS_OK) j->target = sum;
  else classical->ops->free(classical);
  return status;
}

void henry_job_close(henry_job *j) {
  pores_free(&j->pores);
  surrogate_fit_free(&j->fit);
  energy_grid_free(&j->grid);
  if (j->classical) j->classical->ops->free(j->classical);
  if (j->target) j->target->ops->free(j->target);
  contacts_free(&j->contacts);
  free(j->rule);
  framework_free(&j->host);
  eqs_structures_free(&j->frames);
}

/* ---- snapshots: the framework becomes each of them in turn */

/* Energy of the empty framework, per cell of the snapshot. */
static eqs_status host_energy(const henry_job *j, double *energy) {
  int first[2];
  const int *replica = j->host.replica;
  eqs_systems s = structure_view(&j->host.box, first);
  eqs_result out = {.size = sizeof out, .energy = energy};
  EQS_TRY(eqs_compute(j->context, j->model, &s, &out));
  *energy /= (double)replica[0] * replica[1] * replica[2];
  return EQS_OK;
}

static eqs_status place_frame(void *context, int frame, double *host) {
  henry_job *j = context;
  if (frame > 0) {
    framework_free(&j->host);
    contacts_free(&j->contacts);
    j->target->ops->free(j->target);
    j->target = NULL;
    EQS_TRY(framework_prepare_snapshot(structures_frame(j->frames, frame), j->base->width_needed,
                                       &j->host));
    EQS_TRY(henry_job_target(j));
  }
  return host_energy(j, host);
}

/* ---- sampling */

eqs_status henry_job_sample(henry_job *j, eqs_widom_result *r) {
  const eqs_widom_options *o = &j->options;
  importance_settings s = {.seed = o->seed,
                           .stream = j->stream,
                           .cell = j->host.cell.cell,
                           .n_temperature = o->n_temperature,
                           .temperature = o->temperature,
                           .error = o->error,
                           .max_energy = o->max_energies,
                           .table = o->table,
                           .batch = HENRY_BATCH,
                           .context = j,
                           .expensive = henry_job_energy,
                           .cheap = j->plain ? NULL : cheap,
                           .overlap = henry_job_overlap,
                           .blocked = j->pores ? henry_job_blocked : NULL,
                           .contact = henry_job_contact,
                           .molecule = &j->molecule,
                           .fit = j->fit,
                           .progress = progress,
                           .state = o->state,
                           .condition = j->base->condition,
                           .sample = j->sample};
  if (!j->frames) return widom_importance_run(&s, &r->sampling);
  frames_settings f = {.n = eqs_structures_count(j->frames), .place = place_frame, .context = j};
  r->n_frame = f.n;
  return widom_frames_run(&f, &s, &r->frames, &r->sampling);
}

void henry_job_flag_pockets(screen_record *r, double w, double w_unblocked) {
  if (w_unblocked > (1 + POCKET_SHARE) * w) record_flag(r, "pockets");
}

void henry_job_row(screen_record *r, const importance_result *s, int t) {
  const widom_point *p = &s->point[t];
  widom_result w = {.n_proposed = s->n_draw,
                    .n_overlap = s->n_overlap,
                    .n_evaluated = s->n_draw - s->n_overlap,
                    .n_hole = s->n_hole,
                    .ln_w = p->ln_w,
                    .w = p->w,
                    .w_sigma = p->w_sigma,
                    .u = p->u,
                    .u_sigma = p->u_sigma,
                    .ess = p->ess,
                    .max_share = p->max_share,
                    .discarded_share = p->discarded_share,
                    .hole_energy = s->hole_energy,
                    .hole_contact = s->hole_contact,
                    .not_converged = p->not_converged,
                    .holes_flagged = p->holes_flagged};
  r->temperature = p->temperature;
  r->insertions = s->n_draw;
  record_widom(r, &w, p->temperature);
  if (s->target_missed) record_flag(r, "error-not-reached");
  if (s->table_limited) record_flag(r, "table-too-small");
  if (s->surrogate_poor) record_flag(r, "poor-surrogate");
  if (s->outside_flagged) record_flag(r, "weight-outside");
  if (s->none_open) record_flag(r, "none-open");
  henry_job_flag_pockets(r, p->w, p->w_unblocked);
}
