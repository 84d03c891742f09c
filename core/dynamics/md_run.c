/* md_run.c -- a run of molecular dynamics with a model: options, start, what is done after a step.
 *
 * The state after a step is checked before it counts: the last one that passed is kept beside the
 * one that moves, and is what is left when a run explodes.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/md_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"
#include "io/elements.h"
#include "io/structure.h"

/* ---- options */

static eqs_status choose(const char *what, const char *name, const char *const *names, int n,
                         int *out) {
  for (*out = 0; *out < n; ++*out)
    if (!strcmp(name ? name : "none", names[*out])) return EQS_OK;
  EQS_FAIL(EQS_ERR_ARGUMENT, "there is no %s '%s'", what, name);
}

static void fill_in(eqs_md_options *o) {
  struct {
    double *value, otherwise;
  } real[] = {{&o->timestep, 0.5},
              {&o->thermostat_time, 100},
              {&o->barostat_time, 1000},
              {&o->compressibility, 1e-10},
              {&o->limit_force, 500},
              {&o->limit_energy, 1},
              {&o->limit_temperature, fmax(10000, 10 * o->temperature)}};
  struct {
    int64_t *value, otherwise;
  } whole[] = {{&o->log_every, 10}, {&o->trajectory_every, 100}, {&o->checkpoint_every, 1000}};
  for (size_t k = 0; k < sizeof real / sizeof *real; k++)
    if (*real[k].value == 0) *real[k].value = real[k].otherwise;
  for (size_t k = 0; k < sizeof whole / sizeof *whole; k++)
    if (*whole[k].value == 0) *whole[k].value = whole[k].otherwise;
}

static eqs_status settings_of(const md_run *r, dynamics_settings *s) {
  static const char *const thermostats[] = {"none", "langevin", "csvr", "nose-hoover"};
  static const char *const barostats[] = {"none", "isotropic", "full"};
  const eqs_md_options *o = &r->o;
  int thermostat, barostat;
  EQS_TRY(choose("thermostat", o->thermostat, thermostats, 4, &thermostat));
  EQS_TRY(choose("barostat", o->barostat, barostats, 3, &barostat));
  if (o->steps < 0 || o->log_every < 1 || o->trajectory_every < 1 || o->checkpoint_every < 1 ||
      o->seed >> 63)
    EQS_FAIL(EQS_ERR_ARGUMENT, "steps and intervals are positive, a seed is below 2^63");
  if (!(o->limit_temperature > 0) || !(o->limit_force > 0) || !(o->limit_energy > 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "limits are above 0");
  *s = (dynamics_settings){.thermostat = (thermostat_kind)thermostat,
                           .barostat = (barostat_kind)barostat,
                           .step = o->timestep,
                           .temperature = o->temperature,
                           .thermostat_time = o->thermostat_time,
                           .pressure = o->pressure * PASCAL_EV,
                           .barostat_time = o->barostat_time,
                           .compressibility = o->compressibility / PASCAL_EV,
                           .seed = o->seed,
                           .force = model_force_evaluate};
  return EQS_OK;
}

/* NULL: they are drawn. */
static eqs_status velocities_of(const md_run *r, const structure *s, const double (**velocity)[3]) {
  static const char *const kinds[] = {"draw", "file"};
  int kind;
  *velocity = NULL;
  EQS_TRY(
      choose("source of velocities", r->o.velocities ? r->o.velocities : "draw", kinds, 2, &kind));
  if (kind == 0) return EQS_OK;
  if (!s || !s->velocity)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the structure has no momenta, velo or vel; draw the velocities");
  *velocity = (const double(*)[3])s->velocity;
  return EQS_OK;
}

static eqs_status make_bodies(md_run *r, const structure *s) {
  selections groups = {.n = 0};
  if (!r->o.rigid) return EQS_OK;
  if (!s) EQS_FAIL(EQS_ERR_ARGUMENT, "one structure is needed");
  eqs_status status = selections_add(&groups, s, r->o.rigid);
  if (status == EQS_OK) status = body_set_make(&groups, r->mass, &r->bodies);
  selections_free(&groups);
  return status;
}

/* Of everything that decides where the atoms go. */
static eqs_status fingerprint(md_run *r, const double *mass, const double (*velocity)[3]) {
  const eqs_systems *s = &r->force.systems;
  eqs_md_options *o = &r->o;
  eqs_model_info m = {.size = sizeof m};
  archive a = {0};
  int n = s->first[1], precision;
  double number[] = {o->timestep, o->temperature,   o->thermostat_time,
                     o->pressure, o->barostat_time, o->compressibility};
  EQS_TRY(eqs_model_info_get(r->force.m, &m));
  precision = (int)m.precision;
  const char *text[] = {m.sha256, m.head, m.dispersion, o->thermostat ? o->thermostat : "none",
                        o->barostat ? o->barostat : "none"};
  for (size_t k = 0; k < sizeof text / sizeof *text; k++) archive_text(&a, text[k]);
  archive_int(&a, &precision);
  archive_u64(&a, &o->seed);
  archive_f64(&a, number, sizeof number / sizeof *number);
  for (int i = 0; i < n; i++) {
    int z = s->number[i];
    double x[4] = {mass[i], s->position[3 * i], s->position[3 * i + 1], s->position[3 * i + 2]};
    archive_int(&a, &z);
    archive_f64(&a, x, 4);
  }
  for (int k = 0; k < 9; k++) archive_f64(&a, &(double){s->cell ? s->cell[k] : 0}, 1);
  for (int k = 0; k < 3; k++) archive_int(&a, &(int){s->pbc ? s->pbc[k] : 0});
  for (int i = 0; velocity && i < n; i++)
    archive_f64(&a, (double[]){velocity[i][0], velocity[i][1], velocity[i][2]}, 3);
  for (int b = 0; b < r->bodies.n; b++) {
    archive_int(&a, &r->bodies.first[b + 1]);
    for (int j = r->bodies.first[b]; j < r->bodies.first[b + 1]; j++)
      archive_int(&a, &r->bodies.member[j]);
  }
  eqs_status status = archive_finish(&a);
  if (status == EQS_OK) archive_fingerprint(&a, r->files.fingerprint);
  archive_free(&a);
  return status;
}

/* ---- the loop */

static void add(md_run *r, const dynamics_figures *v) {
  md_sums *s = &r->sums;
  double t = 1e-3 * r->o.timestep * (double)r->now.at, e = v->conserved - r->first;
  s->n++;
  s->temperature += v->temperature;
  s->temperature2 += v->temperature * v->temperature;
  s->pressure += v->pressure / PASCAL_EV;
  s->volume += v->volume;
  s->e += e, s->te += t * e, s->t += t, s->t2 += t * t;
}

/* Whether the new state is one to go on from. */
static eqs_status inspect(md_run *r, const dynamics_figures *v) {
  const dynamics *d = &r->now;
  const eqs_md_options *o = &r->o;
  double square, worst, off = fabs(v->conserved - r->first) / d->total;
  int at;
  EQS_TRY(md_ranks_largest(d, &square));
  worst = sqrt(square);
  if (worst <= o->limit_force && v->temperature <= o->limit_temperature && off <= o->limit_energy)
    return EQS_OK;
  EQS_TRY(md_ranks_where(&r->ranks, d, square, &at));
  const char *symbol = element_symbol(r->force.systems.number[at]);
  if (!(worst <= o->limit_force))
    EQS_FAIL(EQS_ERR_DIVERGED,
             "the force on atom %d (%s) is %.4g eV/angstrom, beyond the limit of %g", at + 1,
             symbol, worst, o->limit_force);
  if (!(v->temperature <= o->limit_temperature))
    EQS_FAIL(EQS_ERR_DIVERGED,
             "the temperature is %.4g K, beyond the limit of %g; atom %d (%s) feels the largest "
             "force, %.4g eV/angstrom",
             v->temperature, o->limit_temperature, at + 1, symbol, worst);
  EQS_FAIL(EQS_ERR_DIVERGED,
           "the conserved energy is off by %.4g eV per atom, beyond the limit of %g; atom %d "
           "(%s) feels the largest force, %.4g eV/angstrom",
           off, o->limit_energy, at + 1, symbol, worst);
}

/* ---- files */

/* The state `d` of this run with all its atoms: itself, or gathered; files of one step share that.
 */
static eqs_status whole(md_run *r, dynamics *d, dynamics **out) {
  *out = d;
  if (d->n == d->total) return EQS_OK;
  *out = &r->room;
  if (r->room.n && r->room.at == d->at) return EQS_OK;
  return md_ranks_gather(&r->ranks, d, d == &r->good, r->mass, &r->room);
}

eqs_status md_run_checkpoint(md_run *r) {
  dynamics *d;
  if (!r->o.checkpoint) return EQS_OK;
  EQS_TRY(whole(r, &r->now, &d));
  return md_files_checkpoint(&r->files, d, &r->sums, &r->first);
}

static eqs_status write_final(md_run *r, dynamics *state) {
  dynamics *d;
  if (!r->o.final_state) return EQS_OK;
  EQS_TRY(whole(r, state, &d));
  return md_files_final(&r->files, d);
}

static eqs_status write_frame(md_run *r, const dynamics_figures *v) {
  dynamics *d;
  if (!r->o.trajectory) return EQS_OK;
  EQS_TRY(whole(r, &r->now, &d));
  return md_files_frame(&r->files, d, v);
}

/* The last good state goes to its file; the message says where everything is. */
static eqs_status exploded(md_run *r, eqs_status status) {
  char why[512], loss[512];
  snprintf(why, sizeof why, "%s", eqs_error());
  const char *final = r->o.final_state, *file = r->o.checkpoint;
  int lost = write_final(r, &r->good) != EQS_OK;
  snprintf(loss, sizeof loss, "%s", eqs_error());
  if (lost) final = loss;
  EQS_FAIL(status == EQS_ERR_ARGUMENT ? EQS_ERR_DIVERGED : status, "step %" PRId64 ": %s%s%s%s%s",
           r->now.at, why,
           lost    ? "; the state before that step is lost: "
           : final ? "; the state before that step is in "
                   : "",
           final ? final : "", file ? "; the last checkpoint is " : "", file ? file : "");
}

eqs_status md_run_advance(md_run *r) {
  dynamics_free(&r->room);
  return r->shared ? md_ranks_advance(&r->ranks, &r->now) : dynamics_advance(&r->now);
}

eqs_status md_run_step(md_run *r, eqs_status forces) {
  const eqs_md_options *o = &r->o;
  dynamics *d = &r->now;
  eqs_status status = forces == EQS_OK ? dynamics_complete(d) : forces;
  if (status == EQS_OK) status = dynamics_measure(d, &r->v);
  if (status == EQS_OK) status = inspect(r, &r->v);
  if (status == EQS_ERR_DIVERGED || status == EQS_ERR_ARGUMENT) return exploded(r, status);
  EQS_TRY(status);
  EQS_TRY(dynamics_copy(d, &r->good));
  add(r, &r->v);
  if (d->at % o->log_every == 0) EQS_TRY(md_files_log(&r->files, d, &r->v));
  if (d->at % o->trajectory_every == 0) EQS_TRY(write_frame(r, &r->v));
  if (d->at < o->steps) return d->at % o->checkpoint_every == 0 ? md_run_checkpoint(r) : EQS_OK;
  return EQS_OK;
}

eqs_status md_run_finish(md_run *r) {
  EQS_TRY(md_run_checkpoint(r));
  return write_final(r, &r->now);
}

eqs_status md_run_stop(md_run *r) {
  EQS_TRY(md_run_checkpoint(r));
  EQS_TRY(write_final(r, &r->now));
  EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %" PRId64 " of %" PRId64 " steps%s%s", r->now.at,
           r->o.steps, r->o.checkpoint ? "; continue with the checkpoint " : "",
           r->o.checkpoint ? r->o.checkpoint : "");
}

void md_run_summarise(const md_run *r, eqs_md_summary *out) {
  const md_sums *s = &r->sums;
  size_t size = out->size < sizeof *out ? out->size : sizeof *out;
  eqs_md_summary full = {.size = out->size, .step = r->now.at, .pressure = NAN};
  if (s->n > 0) {
    full.temperature = s->temperature / s->n;
    full.temperature_spread =
        sqrt(fmax(s->temperature2 / s->n - full.temperature * full.temperature, 0));
    full.pressure = s->pressure / s->n;
    full.volume = s->volume / s->n;
  }
  double spread = s->n * s->t2 - s->t * s->t;
  if (s->n > 1 && spread > 0) full.drift = (s->n * s->te - s->t * s->e) / spread / r->now.total;
  memcpy(out, &full, size);
}

/* The state of the start; of all atoms, *all. */
static eqs_status open_state(md_run *r, dynamics_settings *s, const double (*velocity)[3],
                             dynamics **all, dynamics_figures *v) {
  const eqs_systems *y = &r->force.systems;
  *all = &r->now;
  if (!r->shared) {
    EQS_TRY(dynamics_open(&r->now, s, y->first[1], r->mass, (const double(*)[3])y->position,
                          velocity, y->cell, y->pbc));
    return dynamics_measure(&r->now, v);
  }
  r->ranks.c = r->force.c, r->ranks.m = r->force.m;
  EQS_TRY(md_ranks_open(&r->ranks, s, y, r->mass, velocity, r->o.final_state != NULL, &r->room,
                        &r->now, v));
  r->room.at = -1; /* of the structure as it was read */
  return whole(r, &r->now, all);
}

eqs_status md_run_open(md_run *r, const eqs_structures *frames, int i) {
  dynamics_settings s;
  dynamics_figures v;
  const double(*velocity)[3];
  dynamics *all;
  int found;
  const eqs_systems *y = &r->force.systems;
  fill_in(&r->o);
  EQS_TRY(settings_of(r, &s));
  s.context = &r->force;
  EQS_TRY(model_force_open(&r->force, r->force.c, r->force.m, frames, i, &r->mass));
  r->files.o = &r->o;
  r->files.number = y->number;
  EQS_TRY(velocities_of(r, structures_frame(frames, i), &velocity));
  EQS_TRY(make_bodies(r, structures_frame(frames, i)));
  if (r->bodies.n) s.bodies = &r->bodies;
  EQS_TRY(fingerprint(r, r->mass, velocity));
  EQS_TRY(open_state(r, &s, velocity, &all, &v));
  r->first = v.conserved;
  EQS_TRY(md_files_open(&r->files, all, &r->sums, &r->first, &found));
  if (found && all != &r->now) EQS_TRY(md_ranks_load(&r->ranks, all, &r->now));
  EQS_TRY(dynamics_copy(&r->now, &r->good));
  r->from = r->now.at;
  if (!found) {
    EQS_TRY(md_files_log(&r->files, &r->now, &v));
    EQS_TRY(write_frame(r, &v));
  }
  /* a path that cannot be written is known before the first step, not after the last */
  EQS_TRY(write_final(r, &r->now));
  return found ? EQS_OK : md_run_checkpoint(r);
}

eqs_status md_run_close(md_run *r, eqs_status status) {
  char why[MD_MESSAGE];
  snprintf(why, sizeof why, "%s", eqs_error());
  if (r->shared) md_ranks_close(&r->ranks);
  dynamics_free(&r->room);
  dynamics_free(&r->now);
  dynamics_free(&r->good);
  body_set_free(&r->bodies);
  free(r->mass);
  r->mass = NULL;
  eqs_status closed = md_files_close(&r->files);
  if (status == EQS_OK) return closed;
  return closed == EQS_OK ? status : status_fail(status, "%s", why);
}
