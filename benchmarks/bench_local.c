/* bench_local.c -- what a trial insertion by local update costs, against evaluating the whole cell.
 *
 * usage: bench_local MODEL STRUCTURE [--replicate AxBxC] [--batch N] [--threads N] [--seconds S]
 *                    [--precision single|double] [--json]
 *
 * Trials put CO2 at random places with no site closer than 2.2 angstrom to an atom, N (64) in one
 * call; the peer is eqs_compute of the empty cell, energy only, in the same run, alternating. The
 * worst disagreement of four trials with whole evaluations is printed as well.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/equisorb.h"

enum { MOST_BATCH = 1024, SITES = 3, CHECKED = 4 };

typedef struct arguments {
  const char *model, *structure;
  int threads, batch, json, replicate[3];
  eqs_precision precision;
  double seconds;
} arguments;

typedef struct cell {
  int n, *number;
  double *position, cell[9];
} cell;

typedef struct trials {
  double position[MOST_BATCH][SITES][3];
  eqs_change change[MOST_BATCH];
  double de[MOST_BATCH];
} trials;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what, const char *name) {
  fprintf(stderr, "bench_local: %s: %s\n", name, what);
  exit(1);
}

static void check(eqs_status status) {
  if (status != EQS_OK) fail(eqs_error(), "equisorb");
}

/* The structure's first frame, repeated along its vectors. */
static cell read_cell(const arguments *a) {
  eqs_structures *frames = NULL;
  eqs_systems s = {.size = sizeof s};
  eqs_read_options options = {.size = sizeof options, .disorder_major = 1};
  check(eqs_structures_read(a->structure, &options, &frames));
  check(eqs_structures_view(frames, 0, &s));
  const int *t = a->replicate;
  long copies = (long)t[0] * t[1] * t[2], n = s.first[1];
  if (copies < 1 || copies > 10000000 / n) fail("too many copies", "--replicate");
  cell c = {.number = calloc((size_t)(n * copies), sizeof(int)),
            .position = calloc((size_t)(n * copies), 3 * sizeof(double))};
  if (!c.number || !c.position) fail("out of memory", a->structure);
  for (long copy = 0; copy < copies; copy++) {
    long at[3] = {copy / t[2] / t[1], copy / t[2] % t[1], copy % t[2]};
    for (long i = 0; i < n; i++, c.n++) {
      c.number[c.n] = s.number[i];
      for (int k = 0; k < 3; k++) {
        double *x = c.position + 3 * (size_t)c.n + k;
        *x = s.position[3 * i + k];
        for (int d = 0; d < 3; d++) *x += (double)at[d] * s.cell[3 * d + k];
      }
    }
  }
  for (int k = 0; k < 9; k++) c.cell[k] = s.cell[k] * t[k / 3];
  eqs_structures_free(&frames);
  return c;
}

static double uniform(void) { return rand() / (RAND_MAX + 1.0); }

/* Shortest distance to an atom, images of the neighbouring cells included. */
static int is_free(const cell *c, const double x[3], double apart) {
  for (int i = 0; i < c->n; i++)
    for (int k = 0; k < 27; k++) {
      double s[3] = {k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1}, r2 = 0;
      for (int d = 0; d < 3; d++) {
        double v = c->position[3 * i + d] - x[d];
        for (int l = 0; l < 3; l++) v += s[l] * c->cell[3 * l + d];
        r2 += v * v;
      }
      if (r2 < apart * apart) return 0;
    }
  return 1;
}

static void draw_trials(const cell *c, int n, trials *t) {
  static const int number[SITES] = {6, 8, 8};
  static const double at[SITES] = {0, 1.16, -1.16};
  for (int i = 0; i < n;) {
    double f[3] = {uniform(), uniform(), uniform()}, z = 2 * uniform() - 1,
           phi = 6.283185307179586 * uniform();
    double axis[3] = {sqrt(1 - z * z) * cos(phi), sqrt(1 - z * z) * sin(phi), z};
    int open = 1;
    for (int s = 0; s < SITES; s++)
      for (int k = 0; k < 3; k++) {
        double *x = &t->position[i][s][k];
        *x = at[s] * axis[k];
        for (int l = 0; l < 3; l++) *x += f[l] * c->cell[3 * l + k];
      }
    for (int s = 0; s < SITES; s++) open = open && is_free(c, t->position[i][s], 2.2);
    if (!open) continue;
    t->change[i] = (eqs_change){.n_insert = SITES, .number = number, .position = t->position[i][0]};
    i++;
  }
}

static double total(eqs_context *c, const eqs_model *m, const cell *s, double *energies) {
  const int first[2] = {0, s->n}, pbc[3] = {1, 1, 1};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s->number,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = pbc};
  eqs_result out = {.size = sizeof out, .energies = energies};
  check(eqs_compute(c, m, &in, &out));
  double sum = 0;
  for (int i = 0; i < s->n; i++) sum += energies[i];
  return sum;
}

/* Worst |local - whole| of a few trials, eV. */
static double disagreement(eqs_context *c, const eqs_model *m, const cell *s, const trials *t) {
  cell with = {.n = s->n + SITES,
               .number = calloc((size_t)s->n + SITES, sizeof(int)),
               .position = calloc((size_t)s->n + SITES, 3 * sizeof(double))};
  double *before = calloc((size_t)s->n, sizeof *before);
  double *after = calloc((size_t)with.n, sizeof *after), worst = 0;
  if (!with.number || !with.position || !before || !after) fail("out of memory", "check");
  memcpy(with.cell, s->cell, sizeof with.cell);
  memcpy(with.number, s->number, (size_t)s->n * sizeof(int));
  memcpy(with.position, s->position, (size_t)s->n * 3 * sizeof(double));
  memcpy(with.number + s->n, t->change[0].number, SITES * sizeof(int));
  total(c, m, s, before);
  for (int k = 0; k < CHECKED; k++) {
    double de = 0;
    memcpy(with.position + 3 * (size_t)s->n, t->position[k], sizeof t->position[k]);
    total(c, m, &with, after);
    for (int i = 0; i < with.n; i++) de += after[i] - (i < s->n ? before[i] : 0);
    worst = fabs(de - t->de[k]) <= worst ? worst : fabs(de - t->de[k]);
  }
  free(with.number);
  free(with.position);
  free(before);
  free(after);
  return worst;
}

static arguments parse(int argc, char **argv) {
  arguments a = {.threads = 1, .batch = 64, .seconds = 5, .replicate = {1, 1, 1}};
  for (int k = 1; k < argc; k++) {
    const char *o = argv[k], *value = k + 1 < argc ? argv[k + 1] : "";
    int takes = 1;
    if (!strcmp(o, "--threads")) a.threads = atoi(value);
    else if (!strcmp(o, "--batch")) a.batch = atoi(value);
    else if (!strcmp(o, "--seconds")) a.seconds = atof(value);
    else if (!strcmp(o, "--precision"))
      a.precision = strcmp(value, "double") ? EQS_SINGLE : EQS_DOUBLE;
    else if (!strcmp(o, "--replicate") &&
             sscanf(value, "%dx%dx%d", &a.replicate[0], &a.replicate[1], &a.replicate[2]) == 3) {
    } else {
      takes = 0;
      if (!strcmp(o, "--json")) a.json = 1;
      else if (o[0] == '-') fail("unknown option", o);
      else if (!a.model) a.model = o;
      else a.structure = o;
    }
    k += takes;
  }
  if (!a.model || !a.structure || a.batch < CHECKED || a.batch > MOST_BATCH)
    fail("usage: bench_local MODEL STRUCTURE [OPTIONS]", "call");
  return a;
}

int main(int argc, char **argv) {
  static trials t;
  arguments a = parse(argc, argv);
  cell s = read_cell(&a);
  eqs_context *c = NULL;
  eqs_model *m = NULL;
  eqs_local *l = NULL;
  eqs_model_options options = {.size = sizeof options, .precision = a.precision};
  const int first[2] = {0, s.n}, pbc[3] = {1, 1, 1};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s.number,
                    .position = s.position,
                    .cell = s.cell,
                    .pbc = pbc};
  check(eqs_context_open("auto", &c));
  check(eqs_context_set_threads(c, a.threads));
  check(eqs_model_load(c, a.model, &options, &m));
  check(eqs_local_open(c, m, &in, &l));
  double *energies = calloc((size_t)s.n, sizeof *energies), whole = INFINITY, trial = INFINITY;
  if (!energies) fail("out of memory", "energies");
  double end = now() + a.seconds;
  for (int k = 0; k < 3 || now() < end; k++) {
    draw_trials(&s, a.batch, &t);
    double begin = now();
    check(eqs_local_try(l, a.batch, t.change, t.de));
    trial = fmin(trial, (now() - begin) / a.batch);
    begin = now();
    total(c, m, &s, energies);
    whole = fmin(whole, now() - begin);
  }
  double worst = disagreement(c, m, &s, &t);
  if (a.json)
    printf(
        "{\"atoms\": %d, \"batch\": %d, \"threads\": %d, \"whole_ms\": %.4f, \"trial_ms\": %.4f, "
        "\"ratio\": %.2f, \"worst_ev\": %.3g}\n",
        s.n, a.batch, a.threads, 1e3 * whole, 1e3 * trial, whole / trial, worst);
  else
    printf("atoms %d, batches of %d, %d threads\n"
           "  energy of the whole cell %10.3f ms\n  a trial insertion        %10.3f ms   (1/%.1f)\n"
           "  worst disagreement       %10.3g eV\n",
           s.n, a.batch, a.threads, 1e3 * whole, 1e3 * trial, whole / trial, worst);
  eqs_local_free(&l);
  eqs_model_free(&m);
  eqs_context_free(&c);
  free(energies);
  free(s.number);
  free(s.position);
  return 0;
}
