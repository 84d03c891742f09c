/* henry.c -- eqs_widom: one framework, one gas, Henry coefficients to an asked error.
 *
 * The model's energies are trial insertions into the empty framework (guest_energy: only what the
 * guest reaches is computed); the surrogate is the classical potential on a grid, corrected by what
 * the pilots show. The stream of random numbers is the start of the file's hash, as in screening.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/henry.h"

#include "core/adsorption/contact.h"
#include "core/adsorption/energy_sum.h"
#include "core/adsorption/model_energy.h"
#include "core/adsorption/pockets.h"
#include "core/adsorption/subject.h"
#include "core/clock.h"
#include "core/engine.h"
#include "core/locale_c.h"
#include "io/elements.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64 };
#define POCKET_SHARE  1e-3 /* of the weight, in pockets: worth a flag */
#define ERROR         0.05
#define CONTACT_REACH 5.0 /* angstrom: beyond it a hole's contact is of no interest */

typedef struct job {
  eqs_context *context;
  const eqs_model *model;
  eqs_model_info info;
  eqs_widom_options options;
  int plain;
  gas molecule;
  uint32_t stream;
  screen_record *base; /* what all rows share */
  framework host;
  contacts contacts; /* to the host's cell */
  double site_radius[GAS_MAX_ATOMS];
  guest_energy *target, *classical;
  energy_grid *grid;
  surrogate_fit *fit;
  pores *pores;
  eqs_widom_watch watch;
  void *user;
} job;

/* ---- callbacks: the context is the job */

static eqs_status expensive(void *context, int n, const pose *poses, double *u) {
  const job *j = context;
  guest_change change[BATCH];
  for (int done = 0; done < n;) {
    int m = n - done < BATCH ? n - done : BATCH;
    for (int i = 0; i < m; i++)
      change[i] = (guest_change){.remove = -1, .insert = 0, .pose = poses[done + i]};
    EQS_TRY(j->target->ops->trial(j->target, m, change, u + done));
    done += m;
  }
  return EQS_OK;
}

static eqs_status cheap(void *context, int n, const pose *poses, double *u) {
  return energy_grid_poses(((job *)context)->grid, n, poses, u);
}

static int overlap(void *context, const pose *p) {
  const job *j = context;
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &j->molecule, x);
  return contacts_overlap(&j->contacts, j->molecule.n, (const double(*)[3])x, j->site_radius,
                          SETUP_OVERLAP_SHARE);
}

static double contact(void *context, const pose *p) {
  const job *j = context;
  double x[GAS_MAX_ATOMS][3];
  pose_place(p, &j->molecule, x);
  return contacts_shortest(&j->contacts, j->molecule.n, (const double(*)[3])x, CONTACT_REACH);
}

static int blocked(void *context, const pose *p) {
  return pores_blocked(((job *)context)->pores, p->position);
}

static int progress(void *context, const importance_progress *p) {
  static const char *const names[] = {"classical energies", "pilot", "sampling", "check"};
  const job *j = context;
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
  const job *j = context;
  eqs_widom_progress q = {
      .size = sizeof q, .phase = "energy grid", .done = done, .of = of, .error = NAN};
  return j->watch ? j->watch(&q, j->user) : 0;
}

/* ---- what a run needs */

static eqs_status open_contacts(job *j) {
  const structure *cell = &j->host.cell;
  for (int i = 0; i < j->molecule.n; i++) j->site_radius[i] = element_radius(j->molecule.number[i]);
  return contacts_of_elements(&j->contacts, cell->n, cell->position[0], cell->number, cell->cell);
}

static int pores_progress(void *context, double share) {
  const job *j = context;
  eqs_widom_progress q = {.size = sizeof q,
                          .phase = "pockets",
                          .done = (int64_t)(100 * share),
                          .of = 100,
                          .error = NAN};
  return j->watch ? j->watch(&q, j->user) : 0;
}

static eqs_status open_surrogate(job *j, eqs_widom_result *r) {
  const structure *cell = &j->host.cell;
  classical_settings settings = {.set = j->options.surrogate};
  classical_description what;
  energy_grid_description grid;
  eqs_status status =
      classical_energy_open(&j->host, 1, &j->molecule, &settings, &j->context->work, &j->classical);
  if (status == EQS_ERR_UNSUPPORTED)
    return status_prefix(status, "the surrogate (method \"plain\" needs none)");
  EQS_TRY(status);
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

/* The model, or classical + scale * model. */
static eqs_status open_target(job *j) {
  classical_settings settings = {.set = j->options.surrogate};
  guest_energy *classical = NULL, *sum = NULL;
  EQS_TRY(model_energy_open(j->context, j->model, &j->host, 1, &j->molecule, SETUP_OVERLAP_SHARE,
                            &j->target));
  if (j->options.energy == EQS_ENERGY_MODEL) return EQS_OK;
  EQS_TRY(
      classical_energy_open(&j->host, 1, &j->molecule, &settings, &j->context->work, &classical));
  eqs_status status = energy_sum_open(classical, j->target, j->options.scale, &sum);
  if (status == EQS_OK) j->target = sum;
  else classical->ops->free(classical);
  return status;
}

static void close_job(job *j) {
  pores_free(&j->pores);
  surrogate_fit_free(&j->fit);
  energy_grid_free(&j->grid);
  if (j->classical) j->classical->ops->free(j->classical);
  if (j->target) j->target->ops->free(j->target);
  contacts_free(&j->contacts);
  framework_free(&j->host);
  free(j->base);
}

static eqs_status open_framework(job *j, const char *path) {
  eqs_structures *frames = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = j->options.disorder_major};
  char head[9] = {0};
  record_name(j->base, path);
  EQS_TRY(file_sha256(path, j->base->file_sha256));
  memcpy(head, j->base->file_sha256, 8);
  j->stream = (uint32_t)strtoul(head, NULL, 16);
  EQS_TRY(eqs_structures_read(path, &options, &frames));
  eqs_status status = EQS_OK;
  const structure *s = structures_frame(frames, 0);
  if (eqs_structures_count(frames) != 1)
    EQS_TRY_DONE(status_fail(EQS_ERR_FORMAT, "it holds %d frames; give a file with one",
                             eqs_structures_count(frames)));
  EQS_TRY_DONE(model_knows(&j->info, s->n, s->number));
  record_warnings(j->base, s);
  if (j->base->warnings[0]) record_flag(j->base, "warnings");
  EQS_TRY_DONE(framework_prepare(s, j->base->width_needed, &j->host));
  EQS_TRY_DONE(record_framework(j->base, &j->host));
done:
  eqs_structures_free(&frames);
  return status == EQS_OK ? status : status_prefix(status, "%s", path);
}

static void fill_condition(job *j) {
  LOCALE_C();
  screen_record *r = j->base;
  snprintf(r->condition, sizeof r->condition,
           "gas=%s geometry=%.30s file=%s model=%s head=%.60s precision=%s dispersion=%s "
           "disorder=%s replicate=%s energy=%d scale=%.17g",
           r->gas, r->gas_geometry, r->file_sha256, r->model_sha256, r->head, r->precision,
           r->dispersion, j->options.disorder_major ? "major" : "refuse",
           j->options.replicate_strict ? "strict" : "shell", (int)j->options.energy,
           j->options.scale);
}

/* ---- the result */

static void fill_row(screen_record *r, const importance_result *s, int t) {
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
  if (p->w_unblocked > (1 + POCKET_SHARE) * p->w) record_flag(r, "pockets");
}

static eqs_status sample(job *j, eqs_widom_result *r) {
  const eqs_widom_options *o = &j->options;
  importance_settings s = {.seed = o->seed,
                           .stream = j->stream,
                           .cell = j->host.cell.cell,
                           .n_temperature = o->n_temperature,
                           .temperature = o->temperature,
                           .error = o->error,
                           .max_energy = o->max_energies,
                           .table = o->table,
                           .batch = BATCH,
                           .context = j,
                           .expensive = expensive,
                           .cheap = j->plain ? NULL : cheap,
                           .overlap = overlap,
                           .blocked = j->pores ? blocked : NULL,
                           .contact = contact,
                           .fit = j->fit,
                           .progress = progress,
                           .state = o->state,
                           .condition = j->base->condition};
  return widom_importance_run(&s, &r->sampling);
}

static eqs_status fill_result(job *j, double start, eqs_widom_result *r) {
  EQS_TRY(alloc_array(&r->row, (size_t)j->options.n_temperature, sizeof *r->row, "results"));
  r->n = j->options.n_temperature;
  r->error = j->options.error;
  snprintf(r->method, sizeof r->method, "%s", j->plain ? "plain" : "importance");
  screen_record *b = j->base;
  snprintf(b->status, sizeof b->status, "ok");
  b->n_frame = 1;
  b->seed = (int64_t)j->options.seed;
  b->seconds = clock_seconds() - start;
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc)) strftime(b->finished, sizeof b->finished, "%Y-%m-%dT%H:%M:%SZ", &utc);
  for (int t = 0; t < r->n; t++) {
    r->row[t] = *b;
    fill_row(&r->row[t], &r->sampling, t);
    r->row[t].molecules_per_cell = r->row[t].henry * j->host.primitive_mass / 1000;
  }
  return EQS_OK;
}

static eqs_status check_options(const eqs_widom_options *given, eqs_widom_options *out,
                                int *plain) {
  *out = (eqs_widom_options){0};
  if (!given || given->size == 0 || given->size > sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "options->size is not set, or from a newer library");
  memcpy(out, given, given->size);
  if (out->error == 0) out->error = ERROR;
  if (!(out->error > 0 && out->error < 1))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the relative error must lie between 0 and 1, not %g", out->error);
  if (out->seed > INT64_MAX) EQS_FAIL(EQS_ERR_ARGUMENT, "the seed must be below 2^63");
  if (out->energy != EQS_ENERGY_MODEL && out->energy != EQS_ENERGY_SUM)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the energy is the model's, or a sum with it");
  *plain = out->method && strcmp(out->method, "plain") == 0;
  if (out->method && !*plain && strcmp(out->method, "importance") != 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the method is importance or plain, not '%.40s'", out->method);
  return EQS_OK;
}

static eqs_status run(job *j, const char *path, eqs_widom_result *r) {
  double start = clock_seconds();
  EQS_TRY(alloc_array(&j->base, 1, sizeof *j->base, "a result"));
  record_blank(j->base);
  record_subject(j->base, &j->info, &j->molecule, j->options.replicate_strict);
  EQS_TRY(open_framework(j, path));
  EQS_TRY(record_gas(j->base, j->context, j->model, &j->info, &j->molecule));
  fill_condition(j);
  EQS_TRY(open_contacts(j));
  if (!j->options.keep_pockets) {
    EQS_TRY(
        pockets_find(&j->host.cell, &j->molecule, &j->context->work, pores_progress, j, &j->pores));
    r->probe = pockets_probe(&j->molecule);
  }
  if (!j->plain) EQS_TRY(open_surrogate(j, r));
  EQS_TRY(open_target(j));
  EQS_TRY(sample(j, r));
  return fill_result(j, start, r);
}

eqs_status eqs_widom(eqs_context *c, const eqs_model *m, const char *path,
                     const eqs_widom_options *options, eqs_widom_watch watch, void *user,
                     eqs_widom_result **out) {
  *out = NULL;
  if (!c || !m || !path)
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertion needs a context, a model and a framework");
  job j = {.context = c, .model = m, .info = {.size = sizeof j.info}, .watch = watch, .user = user};
  eqs_widom_result *r = NULL;
  EQS_TRY(check_options(options, &j.options, &j.plain));
  EQS_TRY(gas_find(j.options.gas, &j.molecule));
  EQS_TRY(eqs_model_info_get(m, &j.info));
  EQS_TRY(alloc_array(&r, 1, sizeof *r, "a result"));
  eqs_status status = run(&j, path, r);
  close_job(&j);
  if (status == EQS_OK) *out = r;
  else eqs_widom_result_free(&r);
  return status;
}

eqs_status eqs_widom_point_get(const eqs_widom_result *r, int i, eqs_widom_point *out) {
  if (!r || !out || out->size < sizeof *out || i < 0 || i >= r->n)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no temperature %d, or point->size is not set", i);
  const screen_record *p = &r->row[i];
  *out = (eqs_widom_point){.size = sizeof *out,
                           .temperature = p->temperature,
                           .henry = p->henry,
                           .henry_95 = p->henry_95,
                           .qst = p->qst,
                           .qst_95 = p->qst_95,
                           .energy = p->u_b,
                           .energy_95 = p->qst_95,
                           .ess = p->ess,
                           .max_share = p->max_share,
                           .discarded_share = p->discarded_share,
                           .n_energy = r->sampling.n_energy,
                           .flags = p->flags};
  return EQS_OK;
}

void eqs_widom_result_free(eqs_widom_result **r) {
  if (!r || !*r) return;
  free((*r)->row);
  free(*r);
  *r = NULL;
}
