/* md_files.c -- the files of a run of molecular dynamics.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/md_files.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/locale_c.h"
#include "core/units.h"
#include "io/whole_file.h"
#include "io/xyz.h"

static const char kind[] = "EQSMD001";

static const char heading[] =
    "step,time_ps,temperature_K,kinetic_eV,potential_eV,conserved_eV,volume_A3,pressure_GPa,"
    "p_xx_GPa,p_yy_GPa,p_zz_GPa,p_yz_GPa,p_xz_GPa,p_xy_GPa,a_A,b_A,c_A,alpha_deg,beta_deg,"
    "gamma_deg\n";

/* ---- writing */

static eqs_status flushed(FILE *f, const char *path) {
  if (fflush(f) || ferror(f))
    EQS_FAIL(EQS_ERR_FILE, "%s: writing failed: %s", path, strerror(errno));
  return EQS_OK;
}

eqs_status md_files_log(md_files *f, const dynamics *d, const dynamics_figures *v) {
  if (!f->log) return EQS_OK;
  LOCALE_C();
  double cell[6], time = 1e-3 * d->s.step * (double)d->at, gpa = 1e-9 / PASCAL_EV;
  static const int order[6] = {0, 4, 8, 5, 2, 1};
  structure_cell_parameters(d->cell, cell);
  fprintf(f->log, "%" PRId64 ",%.10g,%.15g,%.15g,%.15g,%.15g", d->at, time, v->temperature,
          v->kinetic, v->potential, v->conserved);
  if (v->volume > 0) {
    fprintf(f->log, ",%.15g,%.15g", v->volume, v->pressure * gpa);
    for (int k = 0; k < 6; k++) fprintf(f->log, ",%.15g", v->tensor[order[k]] * gpa);
    for (int k = 0; k < 6; k++) fprintf(f->log, ",%.15g", cell[k]);
  } else {
    fputs(",,,,,,,,,,,,,,", f->log);
  }
  fputc('\n', f->log);
  return flushed(f->log, f->o->log);
}

static void write_frame(md_files *f, const dynamics *d, FILE *file, int unwrapped) {
  int first[2] = {0, d->n};
  char info[96];
  double *at = f->row, *momenta = f->row + 3 * (size_t)d->n;
  for (int i = 0; i < d->n; i++)
    for (int k = 0; k < 3; k++) {
      if (unwrapped && k == 0) dynamics_unwrapped(d, i, at + 3 * (size_t)i);
      if (!unwrapped) at[3 * i + k] = d->x[i][k];
      momenta[3 * i + k] = d->mass[i] * d->v[i][k] * sqrt(KINETIC_EV);
    }
  eqs_systems systems = {.size = sizeof systems,
                         .n_system = 1,
                         .first = first,
                         .number = f->number,
                         .position = at,
                         .cell = d->cell,
                         .pbc = d->pbc};
  double energy = d->energy, stress[9];
  memcpy(stress, d->stress, sizeof stress);
  eqs_result result = {.size = sizeof result, .energy = &energy, .stress = stress};
  snprintf(info, sizeof info, "step=%" PRId64 " time=%.10g", d->at,
           1e-3 * d->s.step * (double)d->at);
  xyz_write_frames(file, &systems, &result, &(xyz_extra){.info = info, .momenta = momenta});
}

static int is_h5md(const char *path) {
  const char *end = path ? strrchr(path, '.') : NULL;
  return end && (!strcmp(end, ".h5") || !strcmp(end, ".h5md"));
}

static eqs_status append_h5md(md_files *f, const dynamics *d, const dynamics_figures *v) {
  h5md_frame frame = {.step = d->at,
                      .time = 1e-3 * d->s.step * (double)d->at,
                      .potential = v->potential,
                      .kinetic = v->kinetic,
                      .x = d->x,
                      .image = d->image,
                      .v = d->v};
  memcpy(frame.cell, d->cell, sizeof frame.cell);
  return h5md_append(f->h5, &frame);
}

eqs_status md_files_frame(md_files *f, const dynamics *d, const dynamics_figures *v) {
  if (f->h5) return append_h5md(f, d, v);
  if (!f->trajectory) return EQS_OK;
  LOCALE_C();
  write_frame(f, d, f->trajectory, f->o->unwrapped);
  return flushed(f->trajectory, f->o->trajectory);
}

eqs_status md_files_final(md_files *f, const dynamics *d) {
  const char *path = f->o->final_state;
  if (!path) return EQS_OK;
  LOCALE_C();
  whole_file w;
  EQS_TRY(whole_file_open(&w, path));
  write_frame(f, d, w.file, f->o->unwrapped);
  return whole_file_close(&w, EQS_OK);
}

/* ---- the checkpoint */

static void archive_sums(archive *a, md_sums *s) {
  double *field[] = {&s->n,        &s->temperature, &s->temperature2,
                     &s->pressure, &s->volume,      &s->e,
                     &s->te,       &s->t,           &s->t2};
  for (size_t k = 0; k < sizeof field / sizeof *field; k++) archive_f64(a, field[k], 1);
}

/* Bytes that are on the disk; -1 without the file. */
static eqs_status length(FILE *file, const char *path, int64_t *n) {
  *n = -1;
  if (!file) return EQS_OK;
  EQS_TRY(flushed(file, path));
  *n = ftello(file);
  if (*n < 0 || (fsync(fileno(file)) && errno != EINVAL))
    EQS_FAIL(EQS_ERR_FILE, "%s: writing failed: %s", path, strerror(errno));
  return EQS_OK;
}

eqs_status md_files_checkpoint(md_files *f, dynamics *d, md_sums *sums, double *first) {
  if (!f->o->checkpoint) return EQS_OK;
  archive a = {0};
  int64_t log = -1, trajectory = -1;
  eqs_status status = length(f->log, f->o->log, &log);
  if (status == EQS_OK) status = length(f->trajectory, f->o->trajectory, &trajectory);
  if (f->h5) trajectory = h5md_frames(f->h5);
  archive_i64(&a, &log);
  archive_i64(&a, &trajectory);
  archive_f64(&a, first, 1);
  archive_sums(&a, sums);
  dynamics_archive(d, &a);
  if (status == EQS_OK) status = checkpoint_write(f->o->checkpoint, kind, f->fingerprint, &a);
  archive_free(&a);
  return status;
}

/* ---- opening */

/* Up to so many bytes a frame goes out in one piece, which a kill leaves whole or out. */
enum { PIECE = 1 << 20 };

static FILE *open_buffered(const char *path, const char *mode) {
  FILE *f = fopen(path, mode);
  if (f) setvbuf(f, NULL, _IOFBF, PIECE);
  return f;
}

/* A new file with its heading, or the old one cut back to where the checkpoint was written. */
static eqs_status open_file(const char *path, int64_t at, const char *head, FILE **out) {
  *out = NULL;
  if (!path) return EQS_OK;
  FILE *f = at >= 0 ? open_buffered(path, "r+b") : NULL;
  if (at >= 0 && !f && errno != ENOENT)
    EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
  if (f) {
    if (fseeko(f, 0, SEEK_END) || ftello(f) < at) {
      fclose(f);
      EQS_FAIL(EQS_ERR_FORMAT,
               "%s is shorter than when the checkpoint was written; move it away, and the run goes "
               "on with a new one",
               path);
    }
    if (ftruncate(fileno(f), at) || fseeko(f, at, SEEK_SET)) {
      fclose(f);
      EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
    }
  } else {
    f = open_buffered(path, "wb");
    if (!f) EQS_FAIL(EQS_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
    fputs(head, f);
  }
  *out = f;
  return flushed(f, path);
}

/* at: frames when the checkpoint was written, -1 without one. */
static eqs_status open_h5md(md_files *f, const dynamics *d, int64_t at) {
  const char *path = f->o->trajectory;
  if (at >= 0 && !access(path, F_OK))
    return h5md_continue(path, d->n, f->number, d->mass, d->pbc, at, &f->h5);
  return h5md_create(path, d->n, f->number, d->mass, d->pbc, &f->h5);
}

static eqs_status read_state(archive *a, dynamics *d, md_sums *sums, double *first, int64_t *log,
                             int64_t *trajectory) {
  archive_i64(a, log);
  archive_i64(a, trajectory);
  archive_f64(a, first, 1);
  archive_sums(a, sums);
  dynamics_archive(d, a);
  EQS_TRY(archive_finish(a));
  if (d->at < 0 || *log < -1 || *trajectory < -1 || !isfinite(d->energy))
    EQS_FAIL(EQS_ERR_FORMAT, "its state makes no sense; remove it to start anew");
  return EQS_OK;
}

eqs_status md_files_open(md_files *f, dynamics *d, md_sums *sums, double *first, int *found) {
  const eqs_md_options *o = f->o;
  archive a = {0};
  int64_t log = -1, trajectory = -1;
  size_t n = (size_t)d->n;
  *found = 0;
  EQS_TRY(alloc_array(&f->row, 6 * n, sizeof *f->row, "a frame"));
  if (o->checkpoint) {
    EQS_TRY(checkpoint_read(o->checkpoint, kind, f->fingerprint, 200 * n + 4096, &a, found));
    eqs_status status = EQS_OK;
    if (*found && !o->go_on)
      status =
          status_fail(EQS_ERR_ARGUMENT, "%s exists: continue that run, or remove it to start anew",
                      o->checkpoint);
    else if (*found) {
      status = read_state(&a, d, sums, first, &log, &trajectory);
      if (status != EQS_OK) status_prefix(status, "%s", o->checkpoint);
    }
    archive_free(&a);
    EQS_TRY(status);
  }
  EQS_TRY(open_file(o->log, log, heading, &f->log));
  if (is_h5md(o->trajectory)) return open_h5md(f, d, trajectory);
  return open_file(o->trajectory, trajectory, "", &f->trajectory);
}

eqs_status md_files_close(md_files *f) {
  int bad = (f->log && fclose(f->log)) || 0;
  bad |= f->trajectory && fclose(f->trajectory);
  h5md_free(&f->h5);
  free(f->row);
  f->log = f->trajectory = NULL;
  f->row = NULL;
  if (bad) EQS_FAIL(EQS_ERR_FILE, "log or trajectory: writing failed: %s", strerror(errno));
  return EQS_OK;
}
