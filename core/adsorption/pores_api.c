/* pores_api.c -- eqs_pores: everything about the pores of one frame.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/pore_radii.h"
#include "core/adsorption/pores.h"
#include "core/engine.h"
#include "io/structure.h"

#define PROBE      1.82 /* angstrom */
#define SPACING    0.15 /* angstrom */
#define GRID_SHARE 0.7  /* of the work */
enum { SURFACE_POINTS = 1000 };

struct eqs_pores_result {
  pores *pores;
  eqs_pores_summary summary;
  pores_sphere *sphere;
  double inverse[9]; /* of the given cell */
};

typedef struct session {
  eqs_pores_options options;
  eqs_pores_watch watch;
  void *user;
} session;

static int watch_grid(void *user, double share) {
  const session *s = user;
  return s->watch ? s->watch(GRID_SHARE * share, s->user) : 0;
}

static eqs_status look(const session *s, double share) {
  if (s->watch && s->watch(share, s->user))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped while pores were measured");
  return EQS_OK;
}

static eqs_status check_options(const eqs_pores_options *given, eqs_pores_options *out) {
  *out = (eqs_pores_options){.size = sizeof *out};
  if (given) {
    if (given->size == 0 || given->size > sizeof *out)
      EQS_FAIL(EQS_ERR_ARGUMENT, "options->size is not set, or from a newer library");
    memcpy(out, given, given->size);
  }
  if (out->probe == 0) out->probe = PROBE;
  if (out->spacing == 0) out->spacing = SPACING;
  if (!out->radii) out->radii = "uff";
  if (out->surface_points == 0) out->surface_points = SURFACE_POINTS;
  return EQS_OK;
}

static eqs_status measure(session *s, const structure *frame, eqs_pores_result *r) {
  eqs_pores_summary *sum = &r->summary;
  const pores_space *space;
  pores_diameters d;
  pores_volumes v;
  EQS_TRY(pores_find_diameters(r->pores, &d));
  sum->di = d.di, sum->df = d.df, sum->dif = d.dif;
  EQS_TRY(look(s, 0.8));
  EQS_TRY(pores_set_probe(r->pores, s->options.probe));
  pores_find_volumes(r->pores, &v);
  sum->void_fraction = v.empty;
  sum->channel_fraction = v.channel, sum->pocket_fraction = v.pocket;
  int n = pores_spaces(r->pores, &space);
  for (int i = 0; i < n; i++) {
    sum->n_channel += space[i].kind == PORES_CHANNEL;
    sum->n_pocket += space[i].kind == PORES_POCKET;
  }
  EQS_TRY(look(s, 0.85));
  EQS_TRY(pores_find_surface(r->pores, s->options.surface_points, &sum->channel_area,
                             &sum->pocket_area));
  EQS_TRY(look(s, 0.9));
  EQS_TRY(pores_find_spheres(r->pores, &r->sphere, &sum->n_sphere));
  EQS_TRY(look(s, 0.95));
  return pores_find_helium(r->pores, frame->number, &sum->helium_void_fraction);
}

static eqs_status find(session *s, workspace *w, const structure *frame, eqs_pores_result *r) {
  eqs_pores_summary *sum = &r->summary;
  pore_radii kind;
  double *radius = NULL;
  if (!(frame->pbc[0] && frame->pbc[1] && frame->pbc[2]))
    EQS_FAIL(EQS_ERR_ARGUMENT, "pores need a cell that is periodic in three directions");
  EQS_TRY(pore_radii_find(s->options.radii, &kind));
  EQS_TRY(alloc_array(&radius, (size_t)frame->n, sizeof *radius, "radii"));
  eqs_status status = pore_radii_fill(kind, frame->n, frame->number, radius);
  if (status == EQS_OK)
    status = pores_open(frame->n, (const double *)frame->position, radius, frame->cell,
                        s->options.spacing, w, watch_grid, s, &r->pores);
  free(radius);
  if (status != EQS_OK) return status;
  sum->volume = fabs(cell_volume(frame->cell));
  sum->mass = structure_mass(frame);
  sum->density = structure_density(frame);
  cell_inverse(frame->cell, r->inverse);
  return measure(s, frame, r);
}

eqs_status eqs_pores(eqs_context *c, const eqs_structures *structures, int i,
                     const eqs_pores_options *options, eqs_pores_watch watch, void *user,
                     eqs_pores_result **out) {
  session s = {.watch = watch, .user = user};
  if (!out) EQS_FAIL(EQS_ERR_ARGUMENT, "no place for the result");
  *out = NULL;
  const structure *frame = structures ? structures_frame(structures, i) : NULL;
  if (!c || !frame) EQS_FAIL(EQS_ERR_ARGUMENT, "no context, or no frame %d", i + 1);
  EQS_TRY(check_options(options, &s.options));
  eqs_pores_result *r = NULL;
  EQS_TRY(alloc_array(&r, 1, sizeof *r, "pores"));
  eqs_status status = find(&s, &c->work, frame, r);
  if (status == EQS_OK) *out = r;
  else eqs_pores_result_free(&r);
  return status;
}

eqs_status eqs_pores_summary_get(const eqs_pores_result *r, eqs_pores_summary *out) {
  if (!r || !out || out->size < sizeof out->size || out->size > sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "summary->size is not set, or there is no result");
  size_t size = out->size;
  memcpy(out, &r->summary, size);
  out->size = size;
  return EQS_OK;
}

eqs_status eqs_pores_space_get(const eqs_pores_result *r, int k, eqs_pores_space *out) {
  const pores_space *list;
  if (!r || !out || out->size < sizeof *out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "space->size is not set, or there is no result");
  int n = pores_spaces(r->pores, &list);
  if (k < 0 || k >= n) EQS_FAIL(EQS_ERR_ARGUMENT, "there is no space %d, there are %d", k, n);
  out->dimension = list[k].dimension;
  out->volume = list[k].volume;
  out->diameter = list[k].diameter;
  memcpy(out->center, list[k].at, sizeof out->center);
  return EQS_OK;
}

eqs_status eqs_pores_sphere_get(const eqs_pores_result *r, int k, double fraction[3],
                                double *radius) {
  if (!r || !fraction || !radius || k < 0 || k >= r->summary.n_sphere)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no blocking sphere %d", k);
  const double *x = r->sphere[k].x, *m = r->inverse;
  for (int c = 0; c < 3; c++) {
    double f = x[0] * m[c] + x[1] * m[3 + c] + x[2] * m[6 + c];
    fraction[c] = f - floor(f);
  }
  *radius = r->sphere[k].radius;
  return EQS_OK;
}

int eqs_pores_blocked(const eqs_pores_result *r, const double x[3]) {
  return r && x ? pores_blocked(r->pores, x) : 0;
}

void eqs_pores_result_free(eqs_pores_result **r) {
  if (!r || !*r) return;
  pores_free(&(*r)->pores);
  free((*r)->sphere);
  free(*r);
  *r = NULL;
}
