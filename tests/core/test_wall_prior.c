/* test_wall_prior.c -- the repulsive prior: its forces and stress against finite differences across
 * the distance where it begins and far inside, its energy against the walls themselves, nothing
 * changed beyond it, and the same function in local changes, batches, domains and on a device.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/contact.h"
#include "potentials/walled.h"
#include "tests/reference.h"

enum { MOST = 12 };

static wall_table *walls;
static eqs_context *host;

static void open_all(void) {
  cr_assert(wall_read(NULL, &walls) == EQS_OK, "%s", eqs_error());
  cr_assert(eqs_context_open("host", &host) == EQS_OK);
}

static void close_all(void) {
  wall_free(&walls);
  eqs_context_free(&host);
}

TestSuite(prior, .init = open_all, .fini = close_all);

static eqs_model *load(eqs_context *c, const char *name, const char *wall, eqs_precision p) {
  char relative[2 * REFERENCE_NAME], path[REFERENCE_PATH];
  eqs_model *m;
  snprintf(relative, sizeof relative, "models/%s.model", name);
  cr_assert(reference_data(relative, path), "%s", relative);
  eqs_model_options o = {.size = sizeof o, .precision = p, .wall = wall};
  cr_assert(eqs_model_load(c, path, &o, &m) == EQS_OK, "%s", eqs_error());
  return m;
}

/* Some atoms, in a box or not. */
typedef struct sample {
  int n, number[MOST], pbc[3], first[2];
  double x[MOST][3], cell[9];
} sample;

static eqs_systems view(sample *s) {
  s->first[1] = s->n;
  return (eqs_systems){.size = sizeof(eqs_systems),
                       .n_system = 1,
                       .first = s->first,
                       .number = s->number,
                       .position = s->x[0],
                       .cell = s->cell,
                       .pbc = s->pbc};
}

typedef struct answer {
  double energy, energies[MOST], forces[MOST][3], stress[9];
} answer;

static answer compute(eqs_context *c, const eqs_model *m, sample *s) {
  answer a = {0};
  eqs_systems v = view(s);
  eqs_result out = {.size = sizeof out,
                    .energy = &a.energy,
                    .energies = a.energies,
                    .forces = a.forces[0],
                    .stress = a.stress};
  cr_assert(eqs_compute(c, m, &v, &out) == EQS_OK, "%s", eqs_error());
  return a;
}

/* C, O and two H in a box whose images are neighbours too; C and O `r` apart. */
static sample molecule(double r) {
  sample s = {.n = 5,
              .number = {6, 8, 1, 1, 8},
              .pbc = {1, 1, 1},
              .x = {{0.3, 0.1, 0.2}, {0}, {-0.6, 1.0, 0.4}, {-0.5, -0.7, 0.9}, {2.4, 1.3, -0.4}},
              .cell = {5.1, 0, 0, 0.4, 5.3, 0, -0.3, 0.6, 4.9}};
  const double u[3] = {0.48, 0.6, 0.64};
  for (int k = 0; k < 3; k++) s.x[1][k] = s.x[0][k] - r * u[k];
  return s;
}

static const char plain[] = "tiny_L1_agnesi";

Test(prior, forces_and_stress_are_derivatives) {
  eqs_model *m = load(host, plain, "on", EQS_DOUBLE);
  double on = walled_distance(walls, 6, 8);
  cr_assert(on > 0.7 && on < 1.0, "%g", on);
  /* beyond, at both ends of the change, within it, far inside */
  const double share[] = {1.05, 1, 1 - 1e-5, 0.95, 0.9, 1 - WALLED_WIDTH, 0.7, 0.3};
  for (size_t k = 0; k < sizeof share / sizeof *share; k++) {
    sample s = molecule(share[k] * on);
    answer a = compute(host, m, &s);
    const double h = 1e-5;
    for (int i = 0; i < 2; i++)
      for (int c = 0; c < 3; c++) {
        sample up = s, down = s;
        up.x[i][c] += h, down.x[i][c] -= h;
        double want = -(compute(host, m, &up).energy - compute(host, m, &down).energy) / (2 * h);
        cr_assert(fabs(a.forces[i][c] - want) < 2e-6 * (1 + fabs(want)), "%g: %.10g, not %.10g",
                  share[k], a.forces[i][c], want);
      }
    for (int p = 0; p < 9; p++) { /* a strain that is no rotation */
      double want = 0, volume = 5.1 * 5.3 * 4.9;
      for (int side = -1; side <= 1; side += 2) {
        sample t = s;
        double f[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
        f[p] += side * h / 2, f[3 * (p % 3) + p / 3] += side * h / 2;
        for (int i = 0; i < s.n; i++)
          for (int c = 0; c < 3; c++)
            t.x[i][c] = s.x[i][0] * f[c] + s.x[i][1] * f[3 + c] + s.x[i][2] * f[6 + c];
        for (int i = 0; i < 3; i++)
          for (int c = 0; c < 3; c++)
            t.cell[3 * i + c] =
                s.cell[3 * i] * f[c] + s.cell[3 * i + 1] * f[3 + c] + s.cell[3 * i + 2] * f[6 + c];
        want += side * compute(host, m, &t).energy / (2 * h * volume);
      }
      cr_assert(fabs(a.stress[p] - want) < 2e-6 * (1 + fabs(want)), "%g, %d: %.10g, not %.10g",
                share[k], p, a.stress[p], want);
    }
  }
  eqs_model_free(&m);
}

/* The force and its slope have no step where the prior begins, nor where it has taken over. */
Test(prior, second_derivative_is_continuous) {
  eqs_model *m = load(host, plain, "on", EQS_DOUBLE);
  double on = walled_distance(walls, 6, 8);
  const double end[] = {on, on * (1 - WALLED_WIDTH)};
  for (int k = 0; k < 2; k++) {
    double slope[2];
    for (int side = 0; side < 2; side++) {
      double h = side ? 1e-7 : -1e-7;
      sample a = molecule(end[k]), b = molecule(end[k] + h);
      double along = 0;
      answer p = compute(host, m, &a), q = compute(host, m, &b);
      const double u[3] = {0.48, 0.6, 0.64};
      for (int c = 0; c < 3; c++) along += u[c] * (q.forces[1][c] - p.forces[1][c]);
      slope[side] = along / h;
    }
    cr_assert(fabs(slope[0] - slope[1]) < 0.02 * fabs(slope[0]), "at %g: %g and %g", end[k],
              slope[0], slope[1]);
  }
  eqs_model_free(&m);
}

/* Far inside the model sees no change, and what changes is the wall itself. */
Test(prior, inside_it_is_the_wall) {
  eqs_model *m = load(host, plain, "on", EQS_DOUBLE);
  double on = walled_distance(walls, 6, 8), v[3], w[3], before = INFINITY;
  sample s = {.n = 2, .number = {6, 8}};
  wall_value(wall_find(walls, 6, 8), 0.2, w);
  s.x[1][0] = 0.2;
  double energy = compute(host, m, &s).energy;
  for (double r = 0.25; r < on * (1 - WALLED_WIDTH); r += 0.05) {
    s.x[1][0] = r;
    answer a = compute(host, m, &s);
    wall_value(wall_find(walls, 8, 6), r, v);
    cr_assert(fabs(a.energy - energy - (v[0] - w[0])) < 1e-9 * w[0], "%g: %g, not %g", r,
              a.energy - energy, v[0] - w[0]);
    cr_assert(fabs(a.forces[0][0] - v[1]) < 1e-9 * fabs(v[1]));
    cr_assert(a.energy < before);
    before = a.energy;
  }
  eqs_model_free(&m);
}

/* To the bit. */
static int same(const void *a, const void *b, size_t bytes) { return !memcmp(a, b, bytes); }

Test(prior, nothing_changes_at_ordinary_distances) {
  for (int p = 0; p < 2; p++) {
    eqs_model *with = load(host, plain, "on", (eqs_precision)p);
    eqs_model *without = load(host, plain, "off", (eqs_precision)p);
    sample s = molecule(1.16);
    answer a = compute(host, with, &s), b = compute(host, without, &s);
    cr_assert(a.energy == b.energy && same(a.energies, b.energies, sizeof a.energies));
    cr_assert(same(a.forces, b.forces, sizeof a.forces));
    cr_assert(same(a.stress, b.stress, sizeof a.stress));
    s = molecule(0.5); /* and there it does */
    cr_assert(compute(host, with, &s).energy > compute(host, without, &s).energy + 1);
    eqs_model_free(&with);
    eqs_model_free(&without);
  }
}

static int has_wall(const char *name, const char *wall) {
  eqs_model *m = load(host, name, wall, EQS_SINGLE);
  eqs_model_info info = {.size = sizeof info};
  cr_assert(eqs_model_info_get(m, &info) == EQS_OK);
  int has = info.wall != NULL;
  if (has) cr_assert_str_eq(info.wall, walls->functional);
  eqs_model_free(&m);
  return has;
}

Test(prior, is_added_where_there_is_no_other) {
  cr_assert(has_wall(plain, "auto") && has_wall(plain, "on"));
  cr_assert(!has_wall(plain, "off") && !has_wall(plain, NULL)); /* as published */
  cr_assert(!has_wall("tiny_L1_dens_agnesi_zbl", "auto"));
  cr_assert(has_wall("tiny_L1_dens_agnesi_zbl", "on"));
  char path[REFERENCE_PATH];
  eqs_model_options o = {.size = sizeof o, .wall = "sometimes"};
  eqs_model *m;
  cr_assert(reference_data("models/tiny_L0.model", path));
  cr_assert(eqs_model_load(host, path, &o, &m) == EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "sometimes") != NULL);
}

/* Atoms put in next to others: as the whole system afresh, and committed the same bits. */
Test(prior, local_changes_agree) {
  static const char *const models[] = {"tiny_L1_agnesi", "tiny_L1_resfirst_3layer"};
  for (int k = 0; k < 2; k++) {
    eqs_model *m = load(host, models[k], "on", EQS_DOUBLE);
    sample s = molecule(1.16), t = s;
    eqs_local *l;
    eqs_systems v = view(&s);
    cr_assert(eqs_local_open(host, m, &v, &l) == EQS_OK, "%s", eqs_error());
    t.n = 7;
    t.number[5] = 8, t.number[6] = 1;
    const double put[2][3] = {{0.5, 0.2, 0.6}, {2.5, 1.1, -0.1}}; /* 0.46 and 0.37 from C and O */
    memcpy(t.x[5], put, sizeof put);
    int number[2] = {8, 1};
    eqs_change change = {.n_insert = 2, .number = number, .position = put[0]};
    double de, made, total;
    answer before = compute(host, m, &s), after = compute(host, m, &t);
    cr_assert(after.energy - before.energy > 20);
    cr_assert(eqs_local_try(l, 1, &change, &de) == EQS_OK, "%s", eqs_error());
    cr_assert(fabs(de - (after.energy - before.energy)) < 1e-9, "%.12g, not %.12g", de,
              after.energy - before.energy);
    cr_assert(eqs_local_commit(l, &change, &made) == EQS_OK, "%s", eqs_error());
    cr_assert(made == de);
    cr_assert(eqs_local_refresh(l, &total) == EQS_OK);
    cr_assert(fabs(total - after.energy) < 1e-9);
    eqs_local_free(&l);
    eqs_model_free(&m);
  }
}

/* In any company the same to rounding, and with any threads the same bits. */
Test(prior, batches_and_threads_agree) {
  eqs_model *m = load(host, plain, "on", EQS_DOUBLE);
  const double r[3] = {1.16, 0.4, 0.75};
  int first[4] = {0}, number[3 * MOST], pbc[9];
  double x[3 * MOST][3], cell[27], energy[3], forces[3 * MOST][3], one_thread[3] = {0};
  for (int k = 0; k < 3; k++) {
    sample s = molecule(r[k]);
    first[k + 1] = first[k] + s.n;
    memcpy(number + first[k], s.number, (size_t)s.n * sizeof *number);
    memcpy(x[first[k]], s.x, (size_t)s.n * sizeof *x);
    memcpy(cell + 9 * k, s.cell, sizeof s.cell);
    memcpy(pbc + 3 * k, s.pbc, sizeof s.pbc);
  }
  for (int threads = 1; threads <= 3; threads += 2) {
    eqs_systems in = {.size = sizeof in,
                      .n_system = 3,
                      .first = first,
                      .number = number,
                      .position = x[0],
                      .cell = cell,
                      .pbc = pbc};
    eqs_result out = {.size = sizeof out, .energy = energy, .forces = forces[0]};
    cr_assert(eqs_context_set_threads(host, threads) == EQS_OK);
    cr_assert(eqs_compute(host, m, &in, &out) == EQS_OK, "%s", eqs_error());
    for (int k = 0; k < 3; k++) {
      sample s = molecule(r[k]);
      answer a = compute(host, m, &s);
      if (threads == 1) one_thread[k] = energy[k];
      cr_assert(energy[k] == one_thread[k], "%d: %.17g, not %.17g", k, energy[k], one_thread[k]);
      cr_assert(fabs(a.energy - energy[k]) < 1e-9, "%d: %.10g, not %.10g", k, energy[k], a.energy);
      for (int i = 0; i < s.n; i++)
        for (int c = 0; c < 3; c++) {
          double f = forces[first[k] + i][c];
          cr_assert(fabs(a.forces[i][c] - f) < 1e-9 * fmax(1, fabs(f)));
        }
    }
  }
  eqs_model_free(&m);
}

Test(prior, domains_agree) {
  eqs_model *m = load(host, plain, "on", EQS_DOUBLE);
  sample s = molecule(0.5);
  memset(s.pbc, 0, sizeof s.pbc);
  answer want = compute(host, m, &s);
  double energy, forces[MOST][3];
  eqs_domain d = {.size = sizeof d, .n_owned = s.n, .number = s.number, .position = s.x[0]};
  eqs_domain_result out = {.size = sizeof out, .energy = &energy, .forces = forces[0]};
  cr_assert(eqs_compute_domain(host, m, &d, &out) == EQS_OK, "%s", eqs_error());
  cr_assert(fabs(energy - want.energy) < 1e-10 * fabs(want.energy));
  for (int i = 0; i < s.n; i++)
    for (int c = 0; c < 3; c++)
      cr_assert(fabs(forces[i][c] - want.forces[i][c]) < 1e-9 * (1 + fabs(want.forces[i][c])));
  eqs_model_free(&m);
}

/* The same kernels under the emulator of CUDA, recorded work (the third evaluation) included. */
Test(prior, devices_agree) {
  eqs_context *emulated;
  if (eqs_context_open("emu", &emulated) != EQS_OK)
    reference_skip("no emulated device: %s", eqs_error());
  eqs_model *m = load(emulated, plain, "on", EQS_DOUBLE),
            *same = load(host, plain, "on", EQS_DOUBLE);
  const double r[5] = {1.16, 0.8, 0.5, 0.3, 1.16};
  for (int k = 0; k < 5; k++) {
    sample s = molecule(r[k]);
    answer a = compute(emulated, m, &s), b = compute(host, same, &s);
    cr_assert(fabs(a.energy - b.energy) < 1e-10 * fabs(b.energy), "%g: %.12g, not %.12g", r[k],
              a.energy, b.energy);
    for (int i = 0; i < s.n; i++)
      for (int c = 0; c < 3; c++)
        cr_assert(fabs(a.forces[i][c] - b.forces[i][c]) < 1e-9 * (1 + fabs(b.forces[i][c])));
    for (int p = 0; p < 9; p++) cr_assert(fabs(a.stress[p] - b.stress[p]) < 1e-10);
  }
  eqs_model_free(&m);
  eqs_model_free(&same);
  eqs_context_free(&emulated);
}

/* ---- the overlap rule */

Test(prior, overlaps_are_where_the_wall_says) {
  const int frame[2] = {12, 8}, guest[3] = {8, 6, 1};
  const double energies[] = {0, 0.3, 20}, x[6] = {0, 0, 0, 4, 4, 4};
  const double cell[9] = {9, 0, 0, 0, 9, 0, 0, 0, 9};
  for (int k = 0; k < 3; k++) {
    overlap_rule *rule;
    contacts list;
    double energy = energies[k] > 0 ? energies[k] : OVERLAP_ENERGY;
    cr_assert(overlap_open(energies[k], &rule) == EQS_OK);
    cr_assert(overlap_add(rule, 2, frame, 3, guest) == EQS_OK, "%s", eqs_error());
    cr_assert(contacts_build(&list, 2, x, frame, cell) == EQS_OK);
    for (int i = 0; i < 2; i++)
      for (int j = 0; j < 3; j++) {
        const wall_pair *p = wall_find(walls, frame[i], guest[j]);
        double radius = wall_radius(p, energy), v[3];
        wall_value(p, radius, v);
        cr_assert(fabs(v[0] - energy) < 1e-9 * energy);
        cr_assert(rule->reach[frame[i]][guest[j]] == radius);
        cr_assert(rule->reach[guest[j]][frame[i]] == radius);
        for (int side = -1; side <= 1; side += 2) { /* through the cell's face */
          double at[1][3] = {{x[3 * i] - 9, x[3 * i + 1], x[3 * i + 2] - radius + side * 1e-6}};
          cr_assert(contacts_overlap(&list, 1, (const double(*)[3])at, guest + j, rule) ==
                    (side > 0));
        }
      }
    contacts_free(&list);
    free(rule);
  }
  overlap_rule *none;
  cr_assert(overlap_open(-1, &none) == EQS_ERR_ARGUMENT);
  cr_assert(overlap_open(NAN, &none) == EQS_ERR_ARGUMENT);
}

/* ---- the report */

static eqs_holes_result *holes_of(const char *name, const char *wall, int n, const int *element) {
  eqs_holes_result *r;
  eqs_model *m = load(host, name, wall, EQS_DOUBLE);
  eqs_holes_options o = {.size = sizeof o, .n_element = n, .elements = element, .step = 0.02};
  cr_assert(eqs_holes(host, m, &o, NULL, NULL, &r) == EQS_OK, "%s", eqs_error());
  eqs_model_free(&m);
  return r;
}

/* What the report says of C and O, by the curve that eqs_compute gives. */
Test(prior, the_report_is_that_of_the_curve) {
  const int element[2] = {8, 6};
  eqs_holes_result *r = holes_of(plain, "off", 2, element);
  eqs_model *m = load(host, plain, "off", EQS_DOUBLE);
  eqs_hole h = {.size = sizeof h};
  cr_assert(eqs_holes_count(r) == 3);
  cr_assert(eqs_holes_get(r, 1, &h) == EQS_OK && h.z1 == 6 && h.z2 == 8);
  cr_assert(h.on == walled_distance(walls, 6, 8));
  cr_assert(fabs(h.wall - wall_radius(wall_find(walls, 6, 8), 1)) < 1e-12);
  sample s = {.n = 2, .number = {6, 8}};
  s.x[1][0] = 100;
  double apart = compute(host, m, &s).energy, from = 0, to = 0, v[3];
  for (int i = 0; 0.2 + 0.02 * i <= h.on; i++) {
    s.x[1][0] = 0.2 + 0.02 * i;
    wall_value(wall_find(walls, 6, 8), s.x[1][0], v);
    if (compute(host, m, &s).energy - apart >= v[0]) continue;
    if (!(to > 0)) to = s.x[1][0];
    from = s.x[1][0];
  }
  cr_assert(fabs(h.below_from - from) < 1e-9 && fabs(h.below_to - to) < 1e-9, "%g to %g", from, to);
  cr_assert(eqs_holes_get(r, 3, &h) == EQS_ERR_ARGUMENT);
  eqs_holes_result_free(&r);
  eqs_model_free(&m);
}

/* With the prior no pair falls inside of it, whatever the model does there. */
Test(prior, closes_holes) {
  const int element[4] = {1, 6, 8, 30};
  eqs_holes_result *r = holes_of(plain, "on", 4, element);
  for (int i = 0; i < eqs_holes_count(r); i++) {
    eqs_hole h = {.size = sizeof h};
    cr_assert(eqs_holes_get(r, i, &h) == EQS_OK);
    cr_assert(h.turn == 0 || h.turn > (1 - WALLED_WIDTH) * h.on, "%d-%d at %g", h.z1, h.z2, h.turn);
    if (h.turn > 0) cr_assert(h.deepest > -20 && h.deepest_at > 0.5 * h.on);
  }
  const char *const formats[] = {"table", "csv", "json", "svg"};
  const char *const words[] = {"pairs have a hole", "z1,z2,pair", "\"pairs\": [", "</svg>"};
  char *text;
  for (int k = 0; k < 4; k++) {
    cr_assert(eqs_holes_text(r, formats[k], &text) == EQS_OK);
    cr_assert(strstr(text, words[k]) != NULL);
    eqs_string_free(&text);
  }
  cr_assert(eqs_holes_text(r, "png", &text) == EQS_ERR_ARGUMENT);
  eqs_holes_result_free(&r);
}

/* Screened nuclear repulsion is a wall of its own: no hole where it acts. */
Test(prior, a_repulsive_model_has_none) {
  const int element[3] = {1, 6, 8};
  eqs_holes_result *r = holes_of("tiny_L1_dens_agnesi_zbl", "auto", 3, element);
  for (int i = 0; i < eqs_holes_count(r); i++) {
    eqs_hole h = {.size = sizeof h};
    cr_assert(eqs_holes_get(r, i, &h) == EQS_OK);
    cr_assert(h.turn == 0, "%d-%d at %g", h.z1, h.z2, h.turn);
  }
  eqs_holes_result_free(&r);
}

static int stop(int done, int of, void *user) {
  *(int *)user = of;
  return done == 2;
}

Test(prior, report_stops_and_refuses) {
  eqs_model *m = load(host, plain, "off", EQS_SINGLE);
  eqs_holes_result *r;
  const int element[2] = {6, 8}, unknown = 94;
  int of = 0;
  eqs_holes_options o = {.size = sizeof o, .n_element = 2, .elements = element};
  cr_assert(eqs_holes(host, m, &o, stop, &of, &r) == EQS_ERR_INTERRUPTED && !r && of == 3);
  o.n_element = 1, o.elements = &unknown;
  cr_assert(eqs_holes(host, m, &o, NULL, NULL, &r) == EQS_ERR_ARGUMENT);
  o.elements = element, o.step = NAN;
  cr_assert(eqs_holes(host, m, &o, NULL, NULL, &r) == EQS_ERR_ARGUMENT);
  o.step = -1;
  cr_assert(eqs_holes(host, m, &o, NULL, NULL, &r) == EQS_ERR_ARGUMENT);
  eqs_model_free(&m);
}
