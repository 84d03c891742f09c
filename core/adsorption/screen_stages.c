/* screen_stages.c -- pores, classical energies and the force field, for one framework.
 *
 * The cheap stages know nothing of the model, their box is the classical potential's; so their rows
 * serve any model. A framework without a channel for the gas is flagged `narrow`.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/screen_stages.h"

#include "core/adsorption/pockets.h"
#include "core/adsorption/statistics.h"
#include "core/adsorption/subject.h"
#include "core/locale_c.h"
#include "io/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSICAL_DRAWS = 500000, CLASSICAL_BATCH = 4096 };
enum { ISOTHERMS = 5, PRESSURES_MAX = 256, CYCLES = 2000, CYCLES_MAX = 2000000000 };
#define INSERTIONS_MAX 1000000000000
#define ERROR          0.05
#define MAX_ENERGIES   20000
#define CLASSICAL_SET  "uff+trappe"
#define WINDOW_SHARE   0.75 /* of the kinetic diameter: windows give way, UFF's radii are large */
#define U_HIGH         1e3  /* eV: deep inside an atom, of no weight */

static const char *const names[N_STAGE] = {"pores", "classical", "model", "isotherm"};

const char *screen_stage_name(int stage) { return names[stage]; }

/* ---- settings */

static eqs_status find_stage(const eqs_screen_options *o, int *out) {
  int classical = o->energy == EQS_ENERGY_CLASSICAL;
  *out = classical ? STAGE_CLASSICAL : STAGE_MODEL;
  if (!o->stage) return EQS_OK;
  for (*out = 0; *out < N_STAGE; ++*out)
    if (strcmp(o->stage, names[*out]) == 0) break;
  if (*out == N_STAGE)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the stage is pores, classical, model or isotherm, not '%.40s'",
             o->stage);
  if (classical && *out == STAGE_MODEL)
    EQS_FAIL(EQS_ERR_ARGUMENT, "with classical energies there is no stage \"model\"");
  return EQS_OK;
}

static eqs_status check_sampling(eqs_screen_options *o) {
  if (o->insertions && (o->insertions < WIDOM_MIN || o->insertions > INSERTIONS_MAX))
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertions must be %d to %lld, not %lld", WIDOM_MIN,
             (long long)INSERTIONS_MAX, (long long)o->insertions);
  if (o->error == 0) o->error = ERROR;
  if (!(o->error > 0 && o->error < 1))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the relative error must lie between 0 and 1, not %g", o->error);
  if (o->max_energies == 0) o->max_energies = MAX_ENERGIES;
  if (o->max_energies < WIDOM_MIN)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%lld energies at most; give at least %d",
             (long long)o->max_energies, WIDOM_MIN);
  if (o->energy < EQS_ENERGY_MODEL || o->energy > EQS_ENERGY_SUM || !isfinite(o->scale))
    EQS_FAIL(EQS_ERR_ARGUMENT, "no such energy: %d, with the model times %g", (int)o->energy,
             o->scale);
  return EQS_OK;
}

static eqs_status check_funnel(eqs_screen_options *o, const gas *g) {
  static const double pressure[] = {1e3, 1e4, 1e5};
  if (!isfinite(o->min_diameter) || !(o->min_henry >= 0 && isfinite(o->min_henry)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a least diameter of %g angstrom, a least K_H of %g mol/kg/Pa",
             o->min_diameter, o->min_henry);
  if (o->min_diameter == 0) o->min_diameter = WINDOW_SHARE * 2 * pockets_probe(g);
  if (o->best < 0 || o->isotherms < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "best and isotherms must not be negative");
  if (o->isotherms == 0) o->isotherms = ISOTHERMS;
  if (o->cycles == 0) o->cycles = CYCLES;
  if (o->cycles < 1 || o->cycles > CYCLES_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%lld cycles; give 1 to %d", (long long)o->cycles, CYCLES_MAX);
  if (!o->pressure) {
    o->pressure = pressure;
    o->n_pressure = (int)(sizeof pressure / sizeof *pressure);
  }
  if (o->n_pressure < 1 || o->n_pressure > PRESSURES_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d pressures; give 1 to %d", o->n_pressure, PRESSURES_MAX);
  for (int k = 0; k < o->n_pressure; k++)
    if (!(o->pressure[k] > 0 && isfinite(o->pressure[k])))
      EQS_FAIL(EQS_ERR_ARGUMENT, "pressure %d must be positive, not %g Pa", k + 1, o->pressure[k]);
  return EQS_OK;
}

static eqs_status check_options(const eqs_screen_options *given, screen_stages *s) {
  eqs_screen_options *o = &s->options;
  *o = (eqs_screen_options){0};
  if (!given || given->size == 0 || given->size > sizeof *o)
    EQS_FAIL(EQS_ERR_ARGUMENT, "options->size is not set, or from a newer library");
  memcpy(o, given, given->size);
  EQS_TRY(gas_find(o->gas, &s->molecule));
  EQS_TRY(check_sampling(o));
  EQS_TRY(find_stage(o, &s->last));
  EQS_TRY(check_funnel(o, &s->molecule));
  s->plain = o->insertions > 0;
  s->skips_classical = s->plain && s->last >= STAGE_MODEL && o->energy != EQS_ENERGY_CLASSICAL &&
                       o->best == 0 && o->min_henry == 0;
  s->first =
      s->skips_classical && o->min_diameter < 0 && o->keep_pockets ? STAGE_MODEL : STAGE_PORES;
  if (!(o->temperature >= 1 && o->temperature <= 10000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the temperature must be 1 to 10000 K, not %g", o->temperature);
  if (o->seed > INT64_MAX) EQS_FAIL(EQS_ERR_ARGUMENT, "the seed must be below 2^63");
  return EQS_OK;
}

/* Everything that a row depends on besides the file's content. */
static void fill_conditions(screen_stages *s) {
  LOCALE_C();
  const eqs_screen_options *o = &s->options;
  const screen_record *r = &s->full;
  const size_t size = sizeof s->condition[0];
  const char *disorder = o->disorder_major ? "major" : "refuse",
             *pockets = o->keep_pockets ? "kept" : "blocked";
  char how[96], energy[64] = "classical";
  snprintf(s->condition[STAGE_PORES], size, "stage=pores gas=%s disorder=%s", s->molecule.name,
           disorder);
  snprintf(s->condition[STAGE_CLASSICAL], size,
           "stage=classical gas=%s T=%.17g seed=%lld set=%s n=%d pockets=%s disorder=%s",
           s->molecule.name, o->temperature, (long long)o->seed, CLASSICAL_SET, CLASSICAL_DRAWS,
           pockets, disorder);
  if (s->plain)
    snprintf(how, sizeof how, "method=plain n=%lld after=%s", (long long)o->insertions,
             s->first == STAGE_MODEL ? "nothing" : names[!s->skips_classical]);
  else
    snprintf(how, sizeof how, "method=importance error=%.17g most=%lld", o->error,
             (long long)o->max_energies);
  if (o->energy == EQS_ENERGY_SUM)
    snprintf(energy, sizeof energy, "classical+%.17g*model", o->scale);
  snprintf(s->condition[STAGE_MODEL], size,
           "stage=model gas=%s T=%.17g %s seed=%lld energy=%s model=%s head=%s precision=%s "
           "dispersion=%s pockets=%s disorder=%s replicate=%s overlap=%.17g wall=%s",
           s->molecule.name, o->temperature, how, (long long)o->seed,
           o->energy == EQS_ENERGY_SUM ? energy : "model", r->model_sha256, r->head, r->precision,
           r->dispersion, pockets, disorder, o->replicate_strict ? "strict" : "shell",
           r->overlap_energy, s->info.wall ? s->info.wall : "none");
}

void screen_stage_condition(const screen_stages *s, int stage, int k, char out[SCREEN_CONDITION]) {
  LOCALE_C();
  const eqs_screen_options *o = &s->options;
  if (stage != STAGE_ISOTHERM) {
    memcpy(out, s->condition[stage], SCREEN_CONDITION);
    return;
  }
  int before = o->energy == EQS_ENERGY_CLASSICAL ? STAGE_CLASSICAL : STAGE_MODEL;
  snprintf(out, SCREEN_CONDITION, "stage=isotherm p=%.17g cycles=%lld after %.640s", o->pressure[k],
           (long long)o->cycles, s->condition[before]);
}

eqs_status screen_stages_open(screen_stages *s, eqs_context *c, const eqs_model *m,
                              const eqs_screen_options *options) {
  *s = (screen_stages){.context = c, .info = {.size = sizeof s->info}};
  EQS_TRY(check_options(options, s));
  record_blank(&s->cheap);
  record_molecule(&s->cheap, &s->molecule);
  s->cheap.temperature = s->options.temperature;
  s->cheap.seed = (int64_t)s->options.seed;
  s->cheap.width_needed = 2 * CLASSICAL_CUTOFF;
  snprintf(s->cheap.replica_rule, sizeof s->cheap.replica_rule, "width >= 2 classical cutoffs");
  record_blank(&s->full);
  if (s->last >= STAGE_MODEL && s->options.energy != EQS_ENERGY_CLASSICAL) {
    if (!m) EQS_FAIL(EQS_ERR_ARGUMENT, "the stage \"%s\" needs a model", names[s->last]);
    s->model = m;
    EQS_TRY(eqs_model_info_get(m, &s->info));
    record_subject(&s->full, &s->info, &s->molecule, s->options.replicate_strict,
                   s->options.overlap_energy);
    EQS_TRY(record_gas(&s->full, c, m, &s->info, &s->molecule));
  }
  fill_conditions(s);
  return EQS_OK;
}

int screen_pockets_kept(const screen_stages *s, const screen_record *r) {
  return s->options.keep_pockets || report_has_flag(r, "narrow");
}

static const structure *frame_of(const screen_frame *f) {
  return structures_frame(f->frames, f->i);
}

/* ---- the cheap stages */

static henry_job new_job(const screen_stages *s, const screen_frame *f, screen_record *r) {
  const eqs_screen_options *o = &s->options;
  return (henry_job){.context = s->context,
                     .model = s->model,
                     .info = s->info,
                     .options = {.size = sizeof(eqs_widom_options),
                                 .gas = s->molecule.name,
                                 .n_temperature = 1,
                                 .temperature = &s->options.temperature,
                                 .error = o->error,
                                 .max_energies = o->max_energies,
                                 .surrogate = CLASSICAL_SET,
                                 .seed = o->seed,
                                 .disorder_major = o->disorder_major,
                                 .replicate_strict = o->replicate_strict,
                                 .overlap_energy = o->overlap_energy,
                                 .energy = o->energy,
                                 .scale = o->scale},
                     .plain = s->plain,
                     .molecule = s->molecule,
                     .stream = f->stream,
                     .base = r,
                     .watch = s->watch,
                     .user = s->user};
}

static eqs_status open_cheap(const screen_stages *s, screen_frame *f, screen_record *r) {
  henry_job *j = &f->job;
  if (j->pores) {
    j->base = r;
    return EQS_OK;
  }
  *j = new_job(s, f, r);
  j->options.no_fit = 1;
  EQS_TRY(framework_prepare(frame_of(f), r->width_needed, &j->host));
  return henry_job_pockets(j);
}

static void take_warnings(screen_record *r, const structure *frame) {
  record_warnings(r, frame);
  if (r->warnings[0]) record_flag(r, "warnings");
}

static eqs_status run_pores(const henry_job *j, const structure *frame, screen_record *r) {
  pores_diameters d;
  pores_volumes v;
  const pores_space *space;
  take_warnings(r, frame);
  EQS_TRY(record_framework(r, &j->host));
  r->pore_probe = pockets_probe(&j->molecule);
  EQS_TRY(pores_find_diameters(j->pores, &d));
  pores_find_volumes(j->pores, &v);
  EQS_TRY(pores_find_helium(j->pores, j->host.cell.number, &r->helium_void_fraction));
  int n = pores_spaces(j->pores, &space);
  for (int i = 0; i < n; i++) {
    r->n_channel += space[i].kind == PORES_CHANNEL;
    r->n_pocket += space[i].kind == PORES_POCKET;
  }
  r->di = d.di;
  r->df = d.df;
  r->void_fraction = v.empty;
  r->channel_fraction = v.channel;
  r->pocket_fraction = v.pocket;
  r->channel_volume = v.channel / (r->density / 1000);
  if (r->n_channel == 0) record_flag(r, "narrow");
  return EQS_OK;
}

static eqs_status energy_of_grid(void *context, int n, const pose *poses, double *u) {
  EQS_TRY(energy_grid_poses(((henry_job *)context)->grid, n, poses, u));
  for (int i = 0; i < n; i++)
    if (u[i] > U_HIGH) u[i] = U_HIGH;
  return EQS_OK;
}

static int watch_classical(void *context, int64_t done) {
  return henry_job_look(context, "classical energies", done, CLASSICAL_DRAWS);
}

/* No parameters or no charges: said, and no failure. */
static int has_none(eqs_status status) {
  return status == EQS_ERR_UNSUPPORTED || status == EQS_ERR_DIVERGED;
}

static eqs_status run_classical(const screen_stages *s, henry_job *j, screen_record *r) {
  eqs_widom_result named = {0};
  widom_result w;
  eqs_status status = henry_job_surrogate(j, &named);
  if (has_none(status)) {
    record_flag(r, "no-classical");
    snprintf(r->classical_missing, sizeof r->classical_missing, "%.250s", eqs_error());
    return EQS_OK;
  }
  EQS_TRY(status);
  const double t = s->options.temperature, t95 = statistics_t95(STATISTICS_BLOCKS - 1);
  widom_settings settings = {.n = CLASSICAL_DRAWS,
                             .seed = j->options.seed,
                             .stream = j->stream,
                             .cell = j->host.cell.cell,
                             .temperature = t,
                             .batch = CLASSICAL_BATCH,
                             .context = j,
                             .energy = energy_of_grid,
                             .blocked = screen_pockets_kept(s, r) ? NULL : henry_job_blocked,
                             .progress = watch_classical};
  EQS_TRY(widom_run(&settings, &w));
  snprintf(r->surrogate, sizeof r->surrogate, "%s", named.surrogate);
  snprintf(r->surrogate_charges, sizeof r->surrogate_charges, "%s", named.charges);
  r->classical_n = w.n_proposed;
  r->classical_henry = widom_henry(w.w, t, r->density);
  r->classical_henry_95 = t95 * widom_henry(w.w_sigma, t, r->density);
  r->classical_qst = GAS_CONSTANT * t / 1000 - w.u * EV_KJ_MOL;
  r->classical_qst_95 = t95 * w.u_sigma * EV_KJ_MOL;
  r->classical_ess = w.ess;
  r->classical_henry_with_pockets = widom_henry(w.w_unblocked, t, r->density);
  r->molecules_per_cell = r->classical_henry * j->host.primitive_mass / 1000;
  if (w.not_converged || w.holes_flagged) record_flag(r, "classical-rough");
  return EQS_OK;
}

/* ---- the model */

static int watch_plain(void *context, int64_t done) {
  const henry_job *j = context;
  return henry_job_look(j, "insertions", done, j->base->insertions);
}

static eqs_status sample_plain(const screen_stages *s, henry_job *j, screen_record *r) {
  const double t = s->options.temperature;
  widom_result w;
  r->insertions = s->options.insertions;
  widom_settings settings = {.n = s->options.insertions,
                             .seed = s->options.seed,
                             .stream = j->stream,
                             .cell = j->host.cell.cell,
                             .temperature = t,
                             .batch = HENRY_BATCH,
                             .context = j,
                             .energy = henry_job_energy,
                             .overlap = henry_job_overlap,
                             .blocked = j->pores ? henry_job_blocked : NULL,
                             .contact = henry_job_contact,
                             .progress = watch_plain,
                             .sample = j->sample};
  EQS_TRY(henry_job_target(j));
  EQS_TRY(widom_run(&settings, &w));
  record_widom(r, &w, t);
  r->n_energy = w.n_evaluated;
  r->n_blocked = w.n_blocked;
  r->henry_with_pockets = widom_henry(w.w_unblocked, t, r->density);
  r->henry_with_pockets_95 =
      statistics_t95(STATISTICS_BLOCKS - 1) * widom_henry(w.w_unblocked_sigma, t, r->density);
  r->qst_with_pockets = GAS_CONSTANT * t / 1000 - EV_KJ_MOL * w.u_unblocked;
  henry_job_flag_pockets(r, w.w, w.w_unblocked);
  return EQS_OK;
}

static eqs_status sample_importance(henry_job *j, screen_record *r) {
  eqs_widom_result out = {0};
  eqs_status status =
      report_has_flag(r, "no-classical") ? EQS_ERR_UNSUPPORTED : henry_job_surrogate(j, &out);
  if (has_none(status)) j->plain = 1; /* poses are uniform then */
  else EQS_TRY(status);
  EQS_TRY(henry_job_target(j));
  EQS_TRY(henry_job_sample(j, &out));
  const widom_point *p = &out.sampling.point[0];
  const double t = p->temperature, per_w = widom_henry(1, t, r->density);
  henry_job_row(r, &out.sampling, 0);
  r->error_asked = j->options.error;
  r->n_energy = out.sampling.n_energy;
  r->n_blocked = out.sampling.n_blocked;
  r->henry_with_pockets = per_w * p->w_unblocked;
  r->henry_with_pockets_95 = per_w * statistics_t95(STATISTICS_BLOCKS - 1) * p->w_unblocked_sigma;
  r->qst_with_pockets = GAS_CONSTANT * t / 1000 - EV_KJ_MOL * p->u_unblocked;
  r->outside_share = out.sampling.outside_share;
  r->surrogate_rms = EV_KJ_MOL * out.sampling.rms;
  return EQS_OK;
}

static eqs_status run_model(const screen_stages *s, const screen_frame *f, const char *state,
                            screen_record *r) {
  henry_job j = new_job(s, f, r);
  const structure *frame = frame_of(f);
  reservoir sample;
  j.options.state = state;
  reservoir_start(&sample, s->options.seed, f->stream);
  if (s->info.n_member) j.sample = &sample;
  if (s->first == STAGE_MODEL) take_warnings(r, frame);
  record_subject(r, &s->info, &s->molecule, s->options.replicate_strict, s->options.overlap_energy);
  r->gas_energy_ev = s->full.gas_energy_ev;
  r->gas_check_ev = s->full.gas_check_ev;
  r->gas_reference_ev = s->full.gas_reference_ev;
  if (s->full.flags[0]) record_flag(r, s->full.flags);
  snprintf(r->method, sizeof r->method, "%s", s->plain ? "plain" : "importance");
  r->molecules_per_cell = NAN; /* the classical one's until here */
  EQS_TRY(model_knows(&s->info, frame->n, frame->number));
  EQS_TRY(framework_prepare(frame, r->width_needed, &j.host));
  eqs_status status = record_framework(r, &j.host);
  if (status == EQS_OK && !screen_pockets_kept(s, r) && r->n_pocket) status = henry_job_pockets(&j);
  if (status == EQS_OK) status = s->plain ? sample_plain(s, &j, r) : sample_importance(&j, r);
  if (status == EQS_OK) r->molecules_per_cell = r->henry * j.host.primitive_mass / 1000;
  if (status == EQS_OK && j.sample) status = screen_uncertainty(&j, s->options.temperature, r);
  henry_job_close(&j);
  return status;
}

eqs_status screen_stage_run(const screen_stages *s, int stage, int k, screen_frame *f,
                            const char *state, screen_record *r) {
  if (stage == STAGE_ISOTHERM) return screen_isotherm(s, k, f, state, r);
  if (stage == STAGE_MODEL) return run_model(s, f, state, r);
  EQS_TRY(open_cheap(s, f, r));
  return stage == STAGE_PORES ? run_pores(&f->job, frame_of(f), r) : run_classical(s, &f->job, r);
}
