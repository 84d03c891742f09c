/* test_dynamics_ranks.c -- trajectories of several ranks (threads of this process) against those of
 * one: the integrator alone with an analytic crystal, whole runs with a model; what a run leaves
 * when it explodes on any rank; checkpoints that go on with other ranks.
 *
 * SPDX-License-Identifier: MIT */
#include "toy_forces.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/reference.h"

enum { MOST_RANKS = 31 };

static const thermostat_kind L = THERMOSTAT_LANGEVIN, C = THERMOSTAT_CSVR;

/* ---- the integrator: ranks have every size-th atom, or all but the last have none */

typedef struct crystal {
  toy_springs springs;
  dynamics_settings s;
  int steps, last; /* last: all atoms are with the last rank */
  double x[TOY_ATOMS][3], v[TOY_ATOMS][3];
  dynamics_figures f[MOST_RANKS];
  double exchanged;
  int drawn[MOST_RANKS]; /* velocities were drawn, and are there */
} crystal;

typedef struct held {
  comm *c;
  const toy_springs *springs;
  int n, id[TOY_ATOMS];
} held;

/* All positions on all ranks, and of the forces those of the atoms here. */
static eqs_status force_of_held(void *context, int n, const double (*x)[3], const double cell[9],
                                double *energy, double (*force)[3], double stress[9]) {
  const held *h = context;
  double all[TOY_ATOMS][3] = {{0}}, forces[TOY_ATOMS][3];
  for (int i = 0; i < n; i++) memcpy(all[h->id[i]], x[i], sizeof *x);
  EQS_TRY(comm_sum(h->c, all[0], 3 * TOY_ATOMS));
  EQS_TRY(toy_springs_force((void *)h->springs, TOY_ATOMS, (const double(*)[3])all, cell, energy,
                            forces, stress));
  for (int i = 0; i < n; i++) memcpy(force[i], forces[h->id[i]], sizeof *force);
  return EQS_OK;
}

/* A skew cell, off the springs' rest. */
static void place(double cell[9], double (*x)[3]) {
  static const double shear[9] = {1.02, 0.03, -0.02, 0.04, 0.97, 0.05, -0.03, 0.01, 1.01};
  double straight[9], at[TOY_ATOMS][3];
  toy_lattice(3, straight, at);
  for (int i = 0; i < 3 + TOY_ATOMS; i++) {
    const double *from = i < 3 ? straight + 3 * i : at[i - 3];
    double *to = i < 3 ? cell + 3 * i : x[i - 3];
    for (int a = 0; a < 3; a++)
      to[a] = from[0] * shear[a] + from[1] * shear[3 + a] + from[2] * shear[6 + a];
  }
}

static eqs_status integrate(comm *c, void *user) {
  crystal *k = user;
  static const int pbc[3] = {1, 1, 1};
  double cell[9], x[TOY_ATOMS][3], mass[TOY_ATOMS];
  held h = {.c = c, .springs = &k->springs};
  dynamics d;
  dynamics_settings s = k->s;
  place(cell, x);
  for (int i = 0; i < TOY_ATOMS; i++) {
    if ((k->last ? c->size - 1 : i * 7 % c->size) != c->rank) continue;
    memmove(x[h.n], x[i], sizeof *x);
    mass[h.n] = toy_mass[i];
    h.id[h.n++] = i;
  }
  s.ranks = c, s.total = TOY_ATOMS, s.id = h.id, s.context = &h, s.force = force_of_held;
  eqs_status status = dynamics_open(&d, &s, h.n, mass, (const double(*)[3])x, NULL, cell, pbc);
  for (int step = 0; step < k->steps && status == EQS_OK; step++) status = dynamics_step(&d);
  if (status == EQS_OK) status = dynamics_measure(&d, &k->f[c->rank]);
  for (int i = 0; i < d.n && status == EQS_OK; i++) {
    dynamics_unwrapped(&d, i, k->x[h.id[i]]);
    memcpy(k->v[h.id[i]], d.v[i], sizeof *d.v);
  }
  if (c->rank == 0) k->exchanged = d.exchanged;
  dynamics_free(&d);
  return status;
}

/* Without any ranks. */
static void integrate_alone(crystal *k) {
  static const int pbc[3] = {1, 1, 1};
  double cell[9], x[TOY_ATOMS][3];
  dynamics d;
  dynamics_settings s = k->s;
  place(cell, x);
  s.context = &k->springs, s.force = toy_springs_force;
  cr_assert_eq(dynamics_open(&d, &s, TOY_ATOMS, toy_mass, (const double(*)[3])x, NULL, cell, pbc),
               EQS_OK);
  for (int step = 0; step < k->steps; step++) cr_assert_eq(dynamics_step(&d), EQS_OK);
  cr_assert_eq(dynamics_measure(&d, &k->f[0]), EQS_OK);
  for (int i = 0; i < d.n; i++) {
    dynamics_unwrapped(&d, i, k->x[i]);
    memcpy(k->v[i], d.v[i], sizeof *d.v);
  }
  k->exchanged = d.exchanged;
  dynamics_free(&d);
}

static double farthest(const double (*a)[3], const double (*b)[3]) {
  double off = 0;
  for (int i = 0; i < TOY_ATOMS; i++)
    for (int k = 0; k < 3; k++)
      off = isfinite(a[i][k]) ? fmax(off, fabs(a[i][k] - b[i][k])) : INFINITY;
  return off;
}

static void compare(const crystal *one, const crystal *many, int size, int kind) {
  double x = farthest((const double(*)[3])many->x, (const double(*)[3])one->x);
  double v = farthest((const double(*)[3])many->v, (const double(*)[3])one->v);
  cr_expect_leq(x, 1e-11, "%d: positions of %d ranks are off by %g", kind, size, x);
  cr_expect_leq(v, 1e-12, "%d: velocities of %d ranks are off by %g", kind, size, v);
  cr_expect_float_eq(many->exchanged, one->exchanged, 1e-11, "%d: %d", kind, size);
  for (int r = 0; r < size; r++) {
    const dynamics_figures *f = &many->f[r], *g = &one->f[0];
    cr_expect_float_eq(f->conserved, g->conserved, 1e-10, "%d: %d", kind, size);
    cr_expect_float_eq(f->temperature, g->temperature, 1e-8, "%d: %d", kind, size);
    cr_expect_float_eq(f->volume, g->volume, 1e-9, "%d: %d", kind, size);
    for (int k = 0; k < 9; k++)
      cr_expect_float_eq(f->tensor[k], g->tensor[k], 1e-12, "%d: %d", kind, size);
    /* the same bits on all ranks */
    cr_expect_eq(f->conserved, many->f[0].conserved);
    cr_expect_eq(f->pressure, many->f[0].pressure);
  }
}

Test(dynamics_ranks, every_ensemble) {
  static const int sizes[] = {1, 2, 3, 5, MOST_RANKS}; /* the last: more than there are atoms */
  static const struct {
    thermostat_kind thermostat;
    barostat_kind barostat;
  } kinds[] = {{THERMOSTAT_NONE, BAROSTAT_NONE},        {L, BAROSTAT_NONE},      {C, BAROSTAT_NONE},
               {THERMOSTAT_NOSE_HOOVER, BAROSTAT_NONE}, {C, BAROSTAT_ISOTROPIC}, {L, BAROSTAT_FULL},
               {THERMOSTAT_NOSE_HOOVER, BAROSTAT_FULL}};
  static crystal one, many;
  double cell[9], x[TOY_ATOMS][3];
  place(cell, x);
  for (int k = 0; k < (int)(sizeof kinds / sizeof *kinds); k++) {
    one = (crystal){.springs = {.k = 3, .length = 3, .power = 4}, .steps = 50};
    one.s = (dynamics_settings){.thermostat = kinds[k].thermostat,
                                .barostat = kinds[k].barostat,
                                .step = 1,
                                .temperature = 300,
                                .thermostat_time = 20,
                                .barostat_time = 100,
                                .compressibility = 1,
                                .pressure = 0.01,
                                .seed = 12};
    integrate_alone(&one);
    cr_assert_gt(farthest((const double(*)[3])one.x, (const double(*)[3])x), 0.1);
    for (int n = 0; n < 6; n++) {
      int size = n < 5 ? sizes[n] : 3;
      many = (crystal){.springs = one.springs, .s = one.s, .steps = one.steps, .last = n == 5};
      cr_assert_eq(comm_threads_run(size, integrate, &many), EQS_OK, "%s", eqs_error());
      compare(&one, &many, size, k);
    }
  }
}

/* ---- runs with a model */

static char name[4][64]; /* files of this test: log, trajectory, checkpoint, last state */
static const char *const ending[4] = {"csv", "extxyz", "state", "final"};

static void begin(void) {
  for (int k = 0; k < 4; k++)
    snprintf(name[k], sizeof name[k], "test_dynamics_ranks.%ld.%s", (long)getpid(), ending[k]);
}

static void end(void) {
  for (int k = 0; k < 4; k++) remove(name[k]);
}

TestSuite(dynamics_ranks, .init = begin, .fini = end);

typedef struct run {
  const eqs_model *m;
  const eqs_structures *frames;
  eqs_md_options o;
  eqs_status status;
  char message[600];
} run;

static eqs_status take_part(comm *c, void *user) {
  run *r = user;
  eqs_context *context = NULL;
  eqs_status status = eqs_context_open("host", &context);
  if (status == EQS_OK) status = eqs_context_set_threads(context, 1);
  if (status == EQS_OK) status = eqs_context_set_comm(context, c);
  if (status == EQS_OK && c->rank) status = eqs_context_serve(context, r->m);
  else if (status == EQS_OK) {
    status = r->status = eqs_md(context, r->m, r->frames, 0, &r->o, NULL, NULL, NULL);
    snprintf(r->message, sizeof r->message, "%s", eqs_error());
  }
  eqs_context_free(&context);
  return status;
}

static const run *go(run *r, int size) {
  for (int k = 0; k < 4 && !r->o.go_on; k++) remove(name[k]);
  r->status = EQS_OK;
  (void)!comm_threads_run(size, take_part, r);
  return r;
}

/* Five atoms in a skew cell, copied along each axis; `far`: that atom (from 0) leaves. */
static eqs_structures *structure_of(int copies, int periodic, int away) {
  static const char *const symbol[5] = {"Zn", "O", "C", "H", "O"};
  static const double at[5][3] = {{0.11, 0.07, -0.13},
                                  {1.93, 0.24, 0.31},
                                  {2.61, 2.23, 1.87},
                                  {3.42, 2.91, 2.41},
                                  {0.36, 2.12, 2.87}};
  static const double cell[9] = {4.61, 0.12, -0.23, 0.74, 4.92, 0.31, -0.42, 0.83, 5.13};
  eqs_structures *s = NULL;
  FILE *f = fopen(name[1], "w");
  cr_assert(f != NULL);
  fprintf(f, "%d\nLattice=\"", 5 * copies * copies * copies);
  for (int k = 0; k < 9; k++) fprintf(f, "%s%.17g", k ? " " : "", copies * cell[k]);
  fprintf(f, "\" Properties=species:S:1:pos:R:3:vel:R:3 pbc=\"%s\"\n",
          periodic ? "T T T" : "F F F");
  for (int p = 0, n = 0; p < copies * copies * copies; p++)
    for (int i = 0; i < 5; i++, n++) {
      const int c[3] = {p / copies / copies, p / copies % copies, p % copies};
      fputs(symbol[i], f);
      for (int k = 0; k < 3; k++) {
        double x = at[i][k] + 0.05 * sin(1.7 * n + 2.9 * k);
        for (int d = 0; d < 3; d++) x += c[d] * cell[3 * d + k];
        fprintf(f, " %.17g", x);
      }
      double speed = n == away ? 4e9 : 0;
      fprintf(f, " %.17g %.17g %.17g\n", 0.002 * sin(3.1 * n) + speed, 0.002 * cos(n), 0.001);
    }
  fclose(f);
  cr_assert_eq(eqs_structures_read(name[1], NULL, &s), EQS_OK, "%s", eqs_error());
  return s;
}

/* The numbers of a file; words in between are left out. */
static int numbers_of(const char *path, double *out, int most) {
  FILE *f = fopen(path, "r");
  char word[256];
  int n = 0;
  cr_assert(f != NULL, "%s", path);
  while (fscanf(f, "%255[^ ,=\"\n]", word) == 1 || fgetc(f) != EOF) {
    char *stop;
    double x = strtod(word, &stop);
    if (*word && !*stop && n < most) out[n++] = x;
    *word = 0;
  }
  fclose(f);
  return n;
}

enum { NUMBERS = 20000 };

typedef struct files {
  double number[2][NUMBERS]; /* log, last state */
  int n[2];
} files;

static void read_files(files *f) {
  for (int k = 0; k < 2; k++) f->n[k] = numbers_of(name[k ? 3 : 0], f->number[k], NUMBERS);
}

/* The largest difference, relative above 1. */
static double apart(const files *a, const files *b) {
  double off = 0;
  for (int k = 0; k < 2; k++) {
    if (a->n[k] != b->n[k] || a->n[k] < 40) return INFINITY;
    for (int i = 0; i < a->n[k]; i++)
      off = fmax(off, fabs(a->number[k][i] - b->number[k][i]) / fmax(1, fabs(b->number[k][i])));
  }
  return off;
}

static run prepare(eqs_context **c, eqs_model **m, eqs_structures *frames) {
  char path[REFERENCE_PATH];
  cr_assert(reference_data("models/tiny_L1.model", path));
  cr_assert_eq(eqs_context_open("host", c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(*c, 1), EQS_OK);
  *m = reference_model(*c, path, NULL, NULL, EQS_DOUBLE);
  run r = {.m = *m, .frames = frames};
  r.o = (eqs_md_options){.size = sizeof r.o,
                         .steps = 50,
                         .temperature = 300,
                         .log = name[0],
                         .log_every = 5,
                         .checkpoint = name[2],
                         .final_state = name[3]};
  return r;
}

static void finish(eqs_context **c, eqs_model **m, eqs_structures **frames) {
  eqs_structures_free(frames);
  eqs_model_free(m);
  eqs_context_free(c);
}

Test(dynamics_ranks, runs_do_not_depend_on_ranks) {
  static const struct {
    const char *thermostat, *barostat, *rigid;
    int copies, periodic;
  } kinds[] = {{NULL, NULL, NULL, 2, 1},          {"langevin", "full", NULL, 2, 1},
               {"csvr", "isotropic", NULL, 2, 1}, {"nose-hoover", NULL, NULL, 1, 1},
               {"langevin", NULL, NULL, 1, 0},    {"csvr", NULL, "2-4:3", 2, 1}};
  static const int sizes[] = {1, 2, 3, 5, 8};
  static files one, many;
  eqs_context *c;
  eqs_model *m;
  for (int k = 0; k < 6; k++) {
    eqs_structures *frames = structure_of(kinds[k].copies, kinds[k].periodic, -1);
    run r = prepare(&c, &m, frames);
    r.o.thermostat = kinds[k].thermostat;
    r.o.barostat = kinds[k].barostat;
    r.o.rigid = kinds[k].rigid;
    for (int n = 0; n < 5; n++) {
      if (n > 1 && n < 4 && n != 1 + (k + 1) % 3) continue; /* some of them each */
      cr_assert_eq(go(&r, sizes[n])->status, EQS_OK, "%d: %s", k, r.message);
      read_files(n ? &many : &one);
      if (n == 0) continue;
      double off = apart(&many, &one);
      cr_expect_leq(off, 1e-10, "%d: %d ranks are off by %g", k, sizes[n], off);
    }
    finish(&c, &m, &frames);
  }
}

/* Stopped after 20 of 50 steps; the same number of ranks, and another. */
Test(dynamics_ranks, checkpoints) {
  static files whole, part;
  eqs_context *c;
  eqs_model *m;
  eqs_structures *frames = structure_of(2, 1, -1);
  run r = prepare(&c, &m, frames);
  r.o.thermostat = "langevin", r.o.barostat = "full";
  cr_assert_eq(go(&r, 3)->status, EQS_OK, "%s", r.message);
  read_files(&whole);
  for (int size = 1; size < 4; size++) {
    r.o.steps = 20, r.o.go_on = 0;
    cr_assert_eq(go(&r, 3)->status, EQS_OK, "%s", r.message);
    r.o.steps = 50, r.o.go_on = 1;
    cr_assert_eq(go(&r, size)->status, EQS_OK, "%s", r.message);
    read_files(&part);
    double off = apart(&part, &whole);
    cr_expect_leq(off, size == 3 ? 0 : 1e-10, "continued by %d ranks: off by %g", size, off);
  }
  r.o.go_on = 0;
  (void)!comm_threads_run(2, take_part, &r);
  cr_expect_eq(r.status, EQS_ERR_ARGUMENT);
  cr_expect(strstr(r.message, "exists") != NULL, "%s", r.message);
  finish(&c, &m, &frames);
}

/* An atom leaves for infinity in the third step, which its rank alone notices; the temperature
 * passes its limit, which rank 0 decides and one rank says likewise. Positions and velocities of
 * the state before are left. */
Test(dynamics_ranks, the_last_good_state) {
  static files left, good;
  eqs_context *c;
  eqs_model *m;
  for (int away = -1; away < 40; away += 13) {
    char who[600];
    eqs_structures *frames = structure_of(2, 1, away);
    run r = prepare(&c, &m, frames);
    r.o.velocities = "file", r.o.log_every = 1;
    r.o.limit_force = r.o.limit_energy = r.o.limit_temperature = 1e300;
    if (away < 0) {
      r.o.limit_temperature = 600, r.o.thermostat = "langevin", r.o.temperature = 3000;
      go(&r, 1);
      snprintf(who, sizeof who, "%s", r.message);
    } else {
      snprintf(who, sizeof who, "atom %d has left for infinity", away + 1);
    }
    cr_expect_eq(go(&r, 3)->status, EQS_ERR_DIVERGED, "%s", r.message);
    read_files(&left);
    cr_expect(strstr(r.message, who) != NULL, "%s, not %s", r.message, who);
    const char *at = strstr(r.message, "step ");
    int step = 0;
    cr_assert(at && sscanf(at, "step %d", &step) == 1 && step > 1, "%s", r.message);
    r.o.steps = step - 1;
    cr_assert_eq(go(&r, 3)->status, EQS_OK, "%s", r.message);
    read_files(&good);
    cr_expect_eq(apart(&left, &good), 0.0, "%g, step %d: %s", apart(&left, &good), step, r.message);
    finish(&c, &m, &frames);
  }
}
