/* test_insertion.c -- boxes, replicas and insertion energies of a real model, against whole-system
 * totals in double precision.
 *
 * The model has random weights, so its energies mean nothing; but U must equal E(host + guest) -
 * E(host) - E(guest) as totals give it, whatever the batch, and under the strict image rule must
 * not change when the box grows.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/model_energy.h"
#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_POSE = 6 };

typedef struct world {
  eqs_context *context;
  eqs_model *model;
  eqs_model_info info;
  gas molecule;
  double gas_energy;
  structure host;
} world;

static void add(structure *s, int number, double x, double y, double z) {
  const double position[3] = {x, y, z};
  cr_assert(structure_append(s, number, position, 0) == EQS_OK);
}

/* A sparse made-up host of low symmetry, oblique. */
static void open_world(world *w) {
  static const double cell[9] = {7, 0, 0, 1.5, 8, 0, -1, 0.5, 9};
  *w = (world){.info = {.size = sizeof w->info}};
  eqs_model_options options = {.size = sizeof options, .precision = EQS_DOUBLE};
  cr_assert(eqs_context_open("host", &w->context) == EQS_OK, "%s", eqs_error());
  cr_assert(eqs_model_load(w->context, EQS_SOURCE_DIR "/tests/data/models/tiny_L1.model", &options,
                           &w->model) == EQS_OK,
            "%s", eqs_error());
  cr_assert(eqs_model_info_get(w->model, &w->info) == EQS_OK);
  cr_assert(gas_find("CO2", &w->molecule) == EQS_OK);
  cr_assert(model_energy_of_gas(w->context, w->model, &w->molecule,
                                (const double(*)[3])w->molecule.position,
                                &w->gas_energy) == EQS_OK);
  add(&w->host, 8, 0.3, 0.2, 0.1);
  add(&w->host, 6, 1.5, 0.4, 0.1);
  add(&w->host, 1, 2.2, 1.2, 0.3);
  add(&w->host, 30, -0.4, 1.9, 1.0);
  memcpy(w->host.cell, cell, sizeof cell);
  for (int k = 0; k < 3; k++) w->host.pbc[k] = 1;
}

static void close_world(world *w) {
  structure_free(&w->host);
  eqs_model_free(&w->model);
  eqs_context_free(&w->context);
}

static guest_energy *new_energy(const world *w, const framework *f) {
  guest_energy *e;
  cr_assert(model_energy_open(w->context, w->model, f, 1, &w->molecule, 0, &e) == EQS_OK, "%s",
            eqs_error());
  return e;
}

static void insert(guest_energy *e, int n, const pose *poses, double *u) {
  guest_change change[N_POSE];
  for (int i = 0; i < n; i++) change[i] = (guest_change){.remove = -1, .pose = poses[i]};
  cr_assert(e->ops->trial(e, n, change, u) == EQS_OK, "%s", eqs_error());
}

/* The first poses that do not overlap. */
static void some_poses(guest_energy *e, const framework *f, pose *poses) {
  for (uint64_t i = 0, n = 0; n < N_POSE; i++) {
    double u;
    cr_assert(i < 1000);
    pose_draw(4, 4, i, f->cell.cell, &poses[n]);
    insert(e, 1, &poses[n], &u);
    n += u < INFINITY;
  }
}

static double total(const world *w, const structure *s) {
  int first[2];
  double energy;
  eqs_systems in = structure_view(s, first);
  eqs_result out = {.size = sizeof out, .energy = &energy};
  cr_assert(eqs_compute(w->context, w->model, &in, &out) == EQS_OK, "%s", eqs_error());
  return energy;
}

Test(insertion, is_the_difference_of_totals_in_any_batch) {
  world w;
  framework f;
  pose poses[N_POSE];
  double u[N_POSE], alone[N_POSE], largest = 0;
  open_world(&w);
  cr_assert(framework_prepare(&w.host, 2 * w.info.cutoff + 2.32, &f) == EQS_OK, "%s", eqs_error());
  guest_energy *e = new_energy(&w, &f);
  some_poses(e, &f, poses);
  insert(e, N_POSE, poses, u);
  for (int i = 0; i < N_POSE; i++) {
    insert(e, 1, &poses[i], &alone[i]);
    cr_assert(fabs(u[i] - alone[i]) < 1e-10);
    structure both = {0};
    double x[GAS_MAX_ATOMS][3];
    cr_assert(structure_copy(&f.box, &both) == EQS_OK);
    pose_place(&poses[i], &w.molecule, x);
    for (int j = 0; j < w.molecule.n; j++)
      add(&both, w.molecule.number[j], x[j][0], x[j][1], x[j][2]);
    double want = total(&w, &both) - total(&w, &f.box) - w.gas_energy;
    cr_assert(fabs(u[i] - want) < 1e-9, "pose %d: %.12g, totals %.12g", i, u[i], want);
    largest = fmax(largest, fabs(want));
    structure_free(&both);
  }
  cr_assert(largest > 1e-3, "the guest feels the host");
  e->ops->free(e);
  framework_free(&f);
  close_world(&w);
}

Test(insertion, strict_rule_shuts_out_the_images) {
  world w;
  framework f, larger;
  pose poses[N_POSE];
  double u[N_POSE], v[N_POSE];
  open_world(&w);
  double needed = 2 * w.info.n_layer * w.info.cutoff + 2.32;
  cr_assert(framework_prepare(&w.host, needed, &f) == EQS_OK);
  cr_assert(framework_prepare(&w.host, needed + 9, &larger) == EQS_OK);
  for (int k = 0; k < 3; k++) cr_assert(larger.replica[k] > f.replica[k]);
  guest_energy *a = new_energy(&w, &f), *b = new_energy(&w, &larger);
  some_poses(a, &f, poses);
  insert(a, N_POSE, poses, u);
  insert(b, N_POSE, poses, v);
  for (int i = 0; i < N_POSE; i++) cr_assert(fabs(u[i] - v[i]) < 1e-9, "%g %g", u[i], v[i]);
  a->ops->free(a);
  b->ops->free(b);
  framework_free(&f);
  framework_free(&larger);
  close_world(&w);
}

Test(framework, replicas_of_the_smaller_box) {
  /* Rock salt, a = 6 (made up): 8 atoms, or 2 in the primitive cell, whose widths are 6/sqrt(3) in
   * its rhombohedral setting. needed 13: 3^3 x 8 = 216 against 4^3 x 2 = 128. */
  static const double fcc[4][3] = {{0, 0, 0}, {0, 3, 3}, {3, 0, 3}, {3, 3, 0}};
  structure s = {0};
  for (int i = 0; i < 4; i++) {
    add(&s, 12, fcc[i][0], fcc[i][1], fcc[i][2]);
    add(&s, 8, fcc[i][0] + 3, fcc[i][1], fcc[i][2]);
  }
  for (int k = 0; k < 3; k++) {
    s.cell[4 * k] = 6;
    s.pbc[k] = 1;
  }
  framework f;
  cr_assert(framework_prepare(&s, 13, &f) == EQS_OK, "%s", eqs_error());
  cr_assert(f.primitive && f.cell.n == 2 && f.box.n == 128, "%d atoms", f.box.n);
  int atoms = 2;
  for (int k = 0; k < 3; k++) {
    cr_assert(f.width[k] >= 13 && f.width[k] * (f.replica[k] - 1) / f.replica[k] < 13);
    atoms *= f.replica[k];
  }
  cr_assert(f.box.n == atoms);
  cr_assert(fabs(f.primitive_mass - structure_mass(&s) / 4) < 1e-9);
  framework_free(&f);
  /* needed 6: one cell of 8 atoms; two primitive ones each way would be 16 */
  cr_assert(framework_prepare(&s, 6, &f) == EQS_OK);
  cr_assert(!f.primitive && f.box.n == 8 && f.replica[0] == 1, "a width that just fits is enough");
  framework_free(&f);
  cr_assert(framework_prepare(&s, 400, &f) == EQS_ERR_UNSUPPORTED);
  s.pbc[2] = 0;
  cr_assert(framework_prepare(&s, 13, &f) == EQS_ERR_ARGUMENT);
  structure_free(&s);
}

Test(gas, geometries) {
  static const struct {
    const char *name;
    int i, j;
    double distance;
  } bonds[] = {{"co2", 0, 1, 1.16},   {"CO2", 1, 2, 2.32},   {"N2", 0, 1, 1.09768},
               {"H2O", 0, 1, 0.9572}, {"H2O", 1, 2, 1.5139}, {"CH4", 0, 4, 1.0858},
               {"CH4", 1, 2, 1.7731}};
  for (size_t k = 0; k < sizeof bonds / sizeof bonds[0]; k++) {
    gas g;
    cr_assert(gas_find(bonds[k].name, &g) == EQS_OK);
    const double *a = g.position[bonds[k].i], *b = g.position[bonds[k].j];
    double d = sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
    cr_assert(fabs(d - bonds[k].distance) < 1e-4, "%s: %g", bonds[k].name, d);
  }
  gas g;
  cr_assert(gas_find("H2O", &g) == EQS_OK);
  for (int k = 0; k < 3; k++)
    cr_assert(fabs(15.999 * g.position[0][k] + 1.008 * (g.position[1][k] + g.position[2][k])) <
              1e-7);
  cr_assert(gas_find("Xe", &g) == EQS_ERR_ARGUMENT && strstr(eqs_error(), "CO2"));
  cr_assert(gas_find(NULL, &g) == EQS_ERR_ARGUMENT);
}
