/* elastic_api.c -- eqs_elastic: elastic constants with a model behind them.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/elastic.h"
#include "core/dynamics/model_force.h"
#include "core/symmetry.h"
#include "core/units.h"

typedef struct listener {
  eqs_elastic_watch watch;
  void *user;
} listener;

static int tell(void *user, int done, int total) {
  const listener *l = user;
  return l->watch ? l->watch(done, total, l->user) : 0;
}

static void set_modulus(eqs_modulus *out, double value, double sigma, double unit) {
  *out = (eqs_modulus){.value = value / unit, .sigma = sigma / unit};
}

/* Matrices, and how far they were from symmetric. */
static void set_matrices(const elastic_matrix *raw, const elastic_matrix *c,
                         eqs_elastic_result *out) {
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++) {
      double even = (raw->c[i][j] + raw->c[j][i]) / 2;
      set_modulus(&out->measured[i][j], raw->c[i][j], raw->sigma[i][j], PASCAL_EV);
      set_modulus(&out->c[i][j], c->c[i][j], c->sigma[i][j], PASCAL_EV);
      out->asymmetry = fmax(out->asymmetry, fabs(raw->c[i][j] - raw->c[j][i]) / PASCAL_EV);
      out->defect = fmax(out->defect, fabs(c->c[i][j] - even) / PASCAL_EV);
    }
}

static void set_moduli(const elastic_matrix *c, eqs_elastic_result *out) {
  elastic_moduli value, sigma;
  elastic_average((const double(*)[6])c->c, &value);
  elastic_average_errors(c, &sigma);
  for (int k = 0; k < 3; k++) {
    set_modulus(&out->bulk[k], value.bulk[k], sigma.bulk[k], PASCAL_EV);
    set_modulus(&out->shear[k], value.shear[k], sigma.shear[k], PASCAL_EV);
  }
  set_modulus(&out->young, value.young, sigma.young, PASCAL_EV);
  set_modulus(&out->poisson, value.poisson, sigma.poisson, 1);
  out->stability = elastic_stability((const double(*)[6])c->c) / PASCAL_EV;
}

static eqs_status find_group(const eqs_systems *y, double tolerance, eqs_elastic_result *out,
                             double (**rotation)[9]) {
  structure s;
  EQS_TRY(structure_from_systems(y, 0, &s));
  eqs_status status =
      structure_point_group(&s, tolerance, &out->n_rotation, rotation, out->point_group);
  structure_free(&s);
  return status;
}

eqs_status eqs_elastic(eqs_context *c, const eqs_model *m, const eqs_relaxed *reference,
                       const eqs_elastic_options *options, eqs_elastic_watch watch, void *user,
                       eqs_elastic_result *out) {
  static const int order[6] = {0, 4, 8, 5, 2, 1};
  eqs_elastic_options o = {.size = sizeof o};
  eqs_elastic_result full = {.size = sizeof full};
  model_force force = {.c = c, .m = m};
  listener l = {watch, user};
  eqs_result r;
  elastic_matrix raw, even;
  double(*rotation)[9] = NULL;
  if (!c || !m || !reference || !out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a context, a model and a relaxed structure are due");
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  (void)eqs_relaxed_view(reference, &force.systems, &r, NULL);
  const eqs_systems *y = &force.systems;
  if (!y->pbc[0] || !y->pbc[1] || !y->pbc[2])
    EQS_FAIL(EQS_ERR_ARGUMENT, "elastic constants need a crystal: periodic in three directions");
  for (int k = 0; k < 6; k++) full.residual[k] = r.stress[order[k]] / PASCAL_EV;
  const elastic_settings s = {.strain = o.strain == 0 ? 0.005 : o.strain,
                              .points = o.points ? o.points : 4,
                              .force = o.force == 0 ? 1e-3 : o.force,
                              .steps = o.max_steps ? o.max_steps : 1000,
                              .context = &force,
                              .evaluate = model_force_evaluate,
                              .watch = tell,
                              .user = &l};
  double tolerance = o.tolerance == 0 ? 0.01 : o.tolerance;
  if (!(tolerance > 0 && tolerance < 1))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a tolerance is above 0 and below 1 angstrom");
  EQS_TRY(elastic_measure(&s, y->first[1], (const double(*)[3])y->position, y->cell, &raw,
                          &full.evaluations));
  EQS_TRY(find_group(y, tolerance, &full, &rotation));
  elastic_symmetrise(&raw, full.n_rotation, (const double(*)[9])rotation, &even);
  free(rotation);
  set_matrices(&raw, &even, &full);
  set_moduli(&even, &full);
  size_t size = out->size < sizeof full ? out->size : sizeof full;
  full.size = out->size;
  memcpy(out, &full, size);
  return EQS_OK;
}
