/* henry.c -- eqs_widom: one framework, one gas, Henry coefficients to an asked error.
 *
 * The numbers are those of the model's stage of a screening with the same file and seed.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/henry_job.h"

#include "core/adsorption/pockets.h"
#include "core/adsorption/subject.h"
#include "core/clock.h"
#include "core/locale_c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR 0.05

/* ---- what a run needs */

/* All frames are of one framework, in one cell. */
static eqs_status check_frames(const eqs_structures *frames) {
  const structure *a = structures_frame(frames, 0);
  for (int f = 1; f < eqs_structures_count(frames); f++) {
    const structure *b = structures_frame(frames, f);
    double off = 0;
    int same =
        a->n == b->n && a->pbc[0] == b->pbc[0] && a->pbc[1] == b->pbc[1] && a->pbc[2] == b->pbc[2];
    for (int i = 0; same && i < a->n; i++) same = a->number[i] == b->number[i];
    if (!same)
      EQS_FAIL(EQS_ERR_FORMAT, "frame %d does not have the atoms of the first, in their order",
               f + 1);
    for (int k = 0; k < 9; k++) off = fmax(off, fabs(a->cell[k] - b->cell[k]));
    if (!(off < 1e-6))
      EQS_FAIL(EQS_ERR_FORMAT,
               "frame %d has another cell than the first; snapshots must be of one cell (NVT)",
               f + 1);
  }
  return EQS_OK;
}

static eqs_status open_framework(henry_job *j, const char *path) {
  eqs_structures *frames = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = j->options.disorder_major};
  record_name(j->base, path);
  EQS_TRY(file_sha256(path, j->base->file_sha256));
  j->stream = stream_of(j->base->file_sha256);
  EQS_TRY(eqs_structures_read(path, &options, &frames));
  eqs_status status = EQS_OK;
  const structure *s = structures_frame(frames, 0);
  if (j->options.snapshots) EQS_TRY_DONE(check_frames(frames));
  else if (eqs_structures_count(frames) != 1)
    EQS_TRY_DONE(status_fail(
        EQS_ERR_FORMAT, "it holds %d frames; give a file with one, or say that they are snapshots",
        eqs_structures_count(frames)));
  EQS_TRY_DONE(model_knows(&j->info, s->n, s->number));
  record_warnings(j->base, s);
  if (j->base->warnings[0]) record_flag(j->base, "warnings");
  EQS_TRY_DONE((j->options.snapshots ? framework_prepare_snapshot
                                     : framework_prepare)(s, j->base->width_needed, &j->host));
  EQS_TRY_DONE(record_framework(j->base, &j->host));
done:
  if (j->options.snapshots) j->frames = frames; /* they are needed to the end */
  else eqs_structures_free(&frames);
  return status == EQS_OK ? status : status_prefix(status, "%s", path);
}

static void fill_condition(henry_job *j) {
  LOCALE_C();
  screen_record *r = j->base;
  snprintf(r->condition, sizeof r->condition,
           "gas=%s geometry=%.30s file=%s model=%s head=%.60s precision=%s dispersion=%s "
           "disorder=%s replicate=%s energy=%d scale=%.17g overlap=%.17g wall=%s",
           r->gas, r->gas_geometry, r->file_sha256, r->model_sha256, r->head, r->precision,
           r->dispersion, j->options.disorder_major ? "major" : "refuse",
           j->options.replicate_strict ? "strict" : "shell", (int)j->options.energy,
           j->options.scale, r->overlap_energy, j->info.wall ? j->info.wall : "none");
}

/* ---- the result */

static eqs_status fill_result(henry_job *j, double start, eqs_widom_result *r) {
  EQS_TRY(alloc_array(&r->row, (size_t)j->options.n_temperature, sizeof *r->row, "results"));
  r->n = j->options.n_temperature;
  r->error = j->options.error;
  snprintf(r->method, sizeof r->method, "%s", j->plain ? "plain" : "importance");
  screen_record *b = j->base;
  snprintf(b->status, sizeof b->status, "ok");
  b->n_frame = r->n_frame ? r->n_frame : 1;
  b->seed = (int64_t)j->options.seed;
  b->seconds = clock_seconds() - start;
  record_time(b);
  for (int t = 0; t < r->n; t++) {
    r->row[t] = *b;
    henry_job_row(&r->row[t], &r->sampling, t);
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
  if (out->snapshots && out->energy != EQS_ENERGY_MODEL)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the energy of a framework that moves is the model's, not a sum");
  if (out->seed > INT64_MAX) EQS_FAIL(EQS_ERR_ARGUMENT, "the seed must be below 2^63");
  if (out->energy != EQS_ENERGY_MODEL && out->energy != EQS_ENERGY_SUM)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the energy is the model's, or a sum with it");
  *plain = out->method && strcmp(out->method, "plain") == 0;
  if (out->method && !*plain && strcmp(out->method, "importance") != 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the method is importance or plain, not '%.40s'", out->method);
  return EQS_OK;
}

static eqs_status run(henry_job *j, const char *path, eqs_widom_result *r) {
  double start = clock_seconds();
  EQS_TRY(alloc_array(&j->base, 1, sizeof *j->base, "a result"));
  record_blank(j->base);
  record_subject(j->base, &j->info, &j->molecule, j->options.replicate_strict,
                 j->options.overlap_energy);
  EQS_TRY(open_framework(j, path));
  EQS_TRY(record_gas(j->base, j->context, j->model, &j->info, &j->molecule));
  fill_condition(j);
  if (!j->options.keep_pockets) {
    EQS_TRY(henry_job_pockets(j));
    r->probe = pockets_probe(&j->molecule);
  }
  eqs_status status = j->plain ? EQS_OK : henry_job_surrogate(j, r);
  if (status == EQS_ERR_UNSUPPORTED)
    return status_prefix(status, "the surrogate (method \"plain\" needs none)");
  EQS_TRY(status);
  EQS_TRY(henry_job_target(j));
  EQS_TRY(henry_job_sample(j, r));
  return fill_result(j, start, r);
}

eqs_status eqs_widom(eqs_context *c, const eqs_model *m, const char *path,
                     const eqs_widom_options *options, eqs_widom_watch watch, void *user,
                     eqs_widom_result **out) {
  *out = NULL;
  if (!c || !m || !path)
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertion needs a context, a model and a framework");
  henry_job j = {
      .context = c, .model = m, .info = {.size = sizeof j.info}, .watch = watch, .user = user};
  eqs_widom_result *r = NULL;
  EQS_TRY(check_options(options, &j.options, &j.plain));
  EQS_TRY(gas_find(j.options.gas, &j.molecule));
  EQS_TRY(eqs_model_info_get(m, &j.info));
  EQS_TRY(alloc_array(&r, 1, sizeof *r, "a result"));
  eqs_status status = run(&j, path, r);
  henry_job_close(&j);
  free(j.base);
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
