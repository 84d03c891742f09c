/* analysis.c -- trajectories in one pass: frames to centres, blocks, and what sums them.
 *
 * A block is a share of the file's bytes (of its frames for H5MD), so that blocks of one length are
 * known before the end is.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/analysis.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "core/neighbors.h"
#include "io/elements.h"
#include "io/trajectory.h"

enum { BLOCKS_MOST = 100 };
#define FAR    0.4  /* cells from frame to frame: the shorter way may be the wrong one */
#define UNEVEN 1e-3 /* of the interval that times may be off */

/* ---- options */

static eqs_status copy_text(eqs_analysis *a, int k, const char **text) {
  if (!*text) return EQS_OK;
  a->text[k] = strdup(*text);
  *text = a->text[k];
  if (!*text) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: options");
  return EQS_OK;
}

static eqs_status check(const eqs_analysis_options *o) {
  const double positive[] = {o->skip,         o->interval, o->spacing,
                             o->rdf_distance, o->rdf_step, o->density_step};
  if (!o->diffusion && !o->rdf && !o->density)
    EQS_FAIL(EQS_ERR_ARGUMENT, "nothing is asked for: diffusion, rdf or density");
  if (o->blocks < 0 || o->blocks > BLOCKS_MOST)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there are 1 to %d blocks", BLOCKS_MOST);
  for (size_t k = 0; k < sizeof positive / sizeof *positive; k++)
    if (!(positive[k] >= 0) || !isfinite(positive[k]))
      EQS_FAIL(EQS_ERR_ARGUMENT, "times and lengths are not negative");
  return EQS_OK;
}

eqs_status eqs_analysis_open(const eqs_analysis_options *options, eqs_analysis **out) {
  *out = NULL;
  if (!options) EQS_FAIL(EQS_ERR_ARGUMENT, "no options");
  EQS_TRY(alloc_array(out, 1, sizeof **out, "an analysis"));
  eqs_analysis *a = *out;
  eqs_analysis_options *o = &a->o;
  memcpy(o, options, options->size < sizeof *o ? options->size : sizeof *o);
  const char **text[4] = {&o->diffusion, &o->rdf, &o->density, &o->drift};
  eqs_status status = EQS_OK;
  for (int k = 0; k < 4 && status == EQS_OK; k++) status = copy_text(a, k, text[k]);
  if (status == EQS_OK) status = check(o);
  if (!o->blocks) o->blocks = 5;
  if (o->spacing == 0) o->spacing = 3;
  if (!o->drift) o->drift = "host";
  if (status != EQS_OK) eqs_analysis_free(out);
  return status;
}

static void warn(eqs_analysis *a, const char *format, ...) {
  char text[400];
  va_list args;
  if (a->n_warning == ANALYSIS_WARNINGS) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  a->warning[a->n_warning] = strdup(text);
  a->n_warning += a->warning[a->n_warning] != NULL;
}

/* ---- the first frame of all */

static eqs_status begin(eqs_analysis *a, const structure *s) {
  const eqs_analysis_options *o = &a->o;
  EQS_TRY(structure_copy(s, &a->first));
  s = &a->first;
  if (o->diffusion) EQS_TRY(selections_add(&a->groups, s, o->diffusion));
  EQS_TRY(selections_host(&a->groups, s, o->diffusion || o->density ? o->drift : "none"));
  size_t n = (size_t)a->groups.n;
  EQS_TRY(alloc_array(&a->moving, n, sizeof *a->moving, "groups"));
  for (size_t g = 0; g < n; g++) EQS_TRY(diffusion_open(a->groups.group[g].n, &a->moving[g]));
  if (o->rdf)
    EQS_TRY(distribution_open(s, o->rdf, o->rdf_distance, o->rdf_step, o->threads, &a->pairs));
  if (!o->density) return EQS_OK;
  EQS_TRY(selections_add(&a->mapped, s, o->density));
  if (a->mapped.n != 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a density map is of one group, not of %d", a->mapped.n);
  return density_map_open(s, o->density_step, &a->map);
}

static eqs_status compare(const eqs_analysis *a, const structure *s) {
  if (s->n != a->first.n || memcmp(s->number, a->first.number, (size_t)s->n * sizeof *s->number))
    EQS_FAIL(EQS_ERR_ARGUMENT, "other atoms than in the first trajectory");
  return EQS_OK;
}

/* ---- one pass */

typedef struct pass {
  eqs_analysis *a;
  const char *path;
  trajectory_frame f;
  double (*way)[3]; /* [n] displacement since the first frame */
  double (*at)[3];  /* [n] room for centres */
  double drift[3];
  double time, begun, last; /* ps: of the first frame; used; the one before */
  double share;             /* read when the first frame was used */
  int64_t read, used;
  int block;
  double longest;
} pass;

/* The frames' clock: how far they are apart, and whether they all are. */
static eqs_status check_time(pass *p) {
  eqs_analysis *a = p->a;
  double apart = p->f.time - p->last, given = a->o.interval * 1e-3;
  if (p->read == 0) p->time = given > 0 ? 0 : p->f.time;
  p->last = p->f.time;
  if (given > 0) {
    a->interval = given;
    return EQS_OK;
  }
  if (isnan(p->f.time)) {
    if (a->o.diffusion || a->o.skip > 0)
      EQS_FAIL(EQS_ERR_FORMAT,
               "the frame does not say its time; give the interval between the frames");
    return EQS_OK;
  }
  if (p->read == 0) return EQS_OK;
  if (a->interval == 0) a->interval = apart;
  if (!(apart > 0) || (a->o.diffusion && !(fabs(apart - a->interval) <= UNEVEN * a->interval)))
    EQS_FAIL(EQS_ERR_FORMAT,
             "%g ps after the frame before, where %g ps are due: times must grow evenly", apart,
             a->interval);
  return EQS_OK;
}

static double now(const pass *p) {
  return p->a->o.interval > 0 ? (double)p->read * p->a->interval : p->f.time - p->time;
}

static eqs_status open_blocks(pass *p) {
  eqs_analysis *a = p->a;
  for (int g = 0; g < a->groups.n; g++) EQS_TRY(diffusion_block(a->moving[g]));
  return a->pairs ? distribution_block(a->pairs) : EQS_OK;
}

/* Displacements grow; the host's is the drift. */
static void follow(pass *p) {
  const selections *l = &p->a->groups;
  const structure *s = p->f.atoms;
  double mass = 0, sum[3] = {0, 0, 0};
  for (int i = 0; i < s->n; i++)
    for (int k = 0; k < 3; k++) p->way[i][k] += p->f.step[i][k];
  for (int j = 0; j < l->n_host; j++) {
    double m = element_mass(s->number[l->host[j]]);
    mass += m;
    for (int k = 0; k < 3; k++) sum[k] += m * p->way[l->host[j]][k];
  }
  for (int k = 0; k < 3; k++) p->drift[k] = mass > 0 ? sum[k] / mass : 0;
}

static void centres_of(const pass *p, const selection *g) {
  for (int c = 0; c < g->n; c++) {
    double mass = 0, sum[3] = {0, 0, 0};
    for (int j = g->first[c]; j < g->first[c + 1]; j++) {
      mass += g->mass[j];
      for (int k = 0; k < 3; k++) sum[k] += g->mass[j] * p->way[g->member[j]][k];
    }
    for (int k = 0; k < 3; k++) p->at[c][k] = sum[k] / mass - p->drift[k];
  }
}

/* Places of a group's atoms, or of its centres: each molecule put together about its first atom. */
static int places_of(const pass *p, const selection *g, const double inverse[9]) {
  const structure *s = p->f.atoms;
  int n = 0, centres = p->a->o.density_centers;
  for (int c = 0; c < g->n; c++) {
    const double *from = s->position[g->member[g->first[c]]];
    double mass = 0, sum[3] = {0, 0, 0};
    for (int j = g->first[c]; j < g->first[c + 1]; j++) {
      double d[3], whole[3];
      for (int k = 0; k < 3; k++) d[k] = s->position[g->member[j]][k] - from[k];
      for (int k = 0; k < 3; k++)
        whole[k] = round(d[0] * inverse[k] + d[1] * inverse[3 + k] + d[2] * inverse[6 + k]);
      mass += g->mass[j];
      for (int a = 0; a < 3; a++) {
        for (int k = 0; k < 3; k++) d[a] -= whole[k] * s->cell[3 * k + a];
        sum[a] += g->mass[j] * d[a];
        if (!centres) p->at[n][a] = from[a] + d[a] - p->drift[a];
      }
      n += !centres;
    }
    for (int a = 0; a < 3 && centres; a++) p->at[n][a] = from[a] + sum[a] / mass - p->drift[a];
    n += centres;
  }
  return n;
}

static eqs_status use(pass *p) {
  eqs_analysis *a = p->a;
  double inverse[9];
  if (p->used == 0) p->share = p->read ? p->share : 0;
  double done = p->share < 1 ? (p->f.share - p->share) / (1 - p->share) : 1;
  int block = (int)fmax(0, fmin(a->o.blocks * done - 1e-9, a->o.blocks - 1));
  if (p->used == 0 || block > p->block) EQS_TRY(open_blocks(p));
  p->block = p->used == 0 || block > p->block ? block : p->block;
  for (int g = 0; g < a->groups.n; g++) {
    centres_of(p, &a->groups.group[g]);
    EQS_TRY(diffusion_add(a->moving[g], (const double(*)[3])p->at));
  }
  if (a->pairs) EQS_TRY(distribution_add(a->pairs, p->f.atoms));
  if (a->o.density) {
    if (!cell_inverse(p->f.atoms->cell, inverse)) EQS_FAIL(EQS_ERR_FORMAT, "no volume");
    int n = places_of(p, a->mapped.group, inverse);
    EQS_TRY(density_map_add(&a->map, p->f.atoms->cell, n, (const double(*)[3])p->at));
  }
  p->used++;
  return EQS_OK;
}

static eqs_status take_frame(pass *p) {
  eqs_analysis *a = p->a;
  if (p->read == 0) {
    size_t n = (size_t)p->f.atoms->n;
    EQS_TRY(a->n_trajectory ? compare(a, p->f.atoms) : begin(a, p->f.atoms));
    EQS_TRY(alloc_array(&p->way, n, sizeof *p->way, "displacements"));
    EQS_TRY(alloc_array(&p->at, n, sizeof *p->at, "centres"));
  }
  EQS_TRY(check_time(p));
  follow(p);
  p->longest = fmax(p->longest, p->f.longest);
  if (a->o.skip > 0 && now(p) < a->o.skip * (1 - 1e-9)) p->share = p->f.share;
  else EQS_TRY(use(p));
  p->read++;
  return EQS_OK;
}

static eqs_status loop(pass *p, trajectory *t, eqs_analysis_watch watch, void *user) {
  for (;;) {
    int found = 0;
    EQS_TRY(trajectory_next(t, &p->f, &found));
    if (!found) break;
    eqs_status status = take_frame(p);
    if (status != EQS_OK)
      return status_prefix(status, "%s: frame %lld", p->path, (long long)p->read + 1);
    if (watch && watch(p->f.share, user))
      EQS_FAIL(EQS_ERR_INTERRUPTED, "%s: stopped after frame %lld", p->path, (long long)p->read);
  }
  if (p->read == 0) EQS_FAIL(EQS_ERR_FORMAT, "%s: holds no frame", p->path);
  if (p->used == 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%s: all %lld frames are skipped: %g ps are asked for, %g are there",
             p->path, (long long)p->read, p->a->o.skip, now(p));
  return EQS_OK;
}

eqs_status eqs_analysis_add(eqs_analysis *a, const char *path, eqs_analysis_watch watch,
                            void *user) {
  LOCALE_C();
  pass p = {.a = a, .path = path};
  trajectory *t = NULL;
  if (!a || !path) EQS_FAIL(EQS_ERR_ARGUMENT, "an analysis and a path are due");
  if (a->open) EQS_FAIL(EQS_ERR_ARGUMENT, "the analysis ended with an error before");
  a->open = 1;
  eqs_status status = trajectory_open(path, a->o.unwrapped, &t);
  if (status == EQS_OK) status = loop(&p, t, watch, user);
  if (status == EQS_OK) {
    if (trajectory_cut(t)) warn(a, "%s ends within a frame, which is left out", path);
    if (p.longest > FAR && a->o.diffusion)
      warn(a,
           "%s: an atom moves by %.2f cells from frame to frame; where positions are wrapped its "
           "way is a guess: write frames more often, or unwrapped positions or H5MD",
           path, p.longest);
    a->n_trajectory++;
    a->frames += p.used;
    a->open = 0;
  }
  trajectory_close(&t);
  free(p.way);
  free(p.at);
  return status;
}

void eqs_analysis_free(eqs_analysis **a) {
  if (!a || !*a) return;
  for (int g = 0; (*a)->moving && g < (*a)->groups.n; g++) diffusion_free(&(*a)->moving[g]);
  for (int k = 0; k < 4; k++) free((*a)->text[k]);
  for (int k = 0; k < (*a)->n_warning; k++) free((*a)->warning[k]);
  free((*a)->moving);
  selections_free(&(*a)->groups);
  selections_free(&(*a)->mapped);
  distribution_free(&(*a)->pairs);
  density_map_free(&(*a)->map);
  structure_free(&(*a)->first);
  free(*a);
  *a = NULL;
}
