/* bench_evaluate.c -- how long one evaluation of energy and forces takes, and what it needs.
 *
 * usage: bench_evaluate MODEL STRUCTURE.xyz [--threads N] [--precision single|double] [--head H]
 *                       [--modal P] [--seconds S | --evaluations N] [--replicate AxBxC]
 *                       [--stress] [--forces FILE] [--json]
 *
 * Repeats for about S seconds (5), at least three times after the first; or evaluates N times in
 * all. The structure is XYZ with Lattice="..." in its second line, repeated A, B and C times along
 * its vectors. Neighbour lists are part of every evaluation. Peak memory is VmHWM; bytes per atom
 * are what it grew by during the evaluations, tables of the model included.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/equisorb.h"

enum { MOST_REPEATS = 10000, LINE = 4096 };

static const char symbols[] =
    "H  He Li Be B  C  N  O  F  Ne Na Mg Al Si P  S  Cl Ar K  Ca Sc Ti V  Cr Mn Fe Co Ni Cu Zn Ga "
    "Ge As Se Br Kr Rb Sr Y  Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I  Xe Cs Ba La Ce Pr Nd Pm Sm "
    "Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W  Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U  ";

typedef struct arguments {
  const char *model, *structure, *head, *modal, *forces;
  int threads, json, stress, evaluations, replicate[3];
  eqs_precision precision;
  double seconds;
} arguments;

typedef struct structure {
  int n, *number, pbc[3];
  double *position, cell[9];
} structure;

typedef struct timing {
  double load, first, fastest, median; /* seconds; load and first from the start of main */
  int repeats;
  double energy, *forces, stress[9], bytes_per_atom;
} timing;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what, const char *name) {
  fprintf(stderr, "bench_evaluate: %s: %s\n", name, what);
  exit(1);
}

static int atomic_number(const char *symbol) {
  size_t length = strlen(symbol);
  for (size_t z = 1; length && length < 3 && 3 * z < sizeof symbols; z++) {
    const char *s = symbols + 3 * (z - 1);
    if (!strncmp(s, symbol, length) && s[length] == ' ') return (int)z;
  }
  return 0;
}

static structure read_xyz(const char *path) {
  char line[LINE];
  structure s = {0};
  FILE *f = fopen(path, "r");
  if (!f) fail("cannot open", path);
  if (!fgets(line, LINE, f) || sscanf(line, "%d", &s.n) != 1 || s.n < 1 || s.n > 10000000)
    fail("no atom count in line 1", path);
  if (!fgets(line, LINE, f)) fail("no line 2", path);
  const char *lattice = strstr(line, "Lattice=\"");
  char *at = lattice ? line + (lattice - line) + 9 : NULL;
  for (int k = 0; at && k < 9; k++) s.cell[k] = strtod(at, &at);
  for (int k = 0; k < 3; k++) s.pbc[k] = lattice != NULL;
  s.number = calloc((size_t)s.n, sizeof *s.number);
  s.position = calloc(3 * (size_t)s.n, sizeof *s.position);
  if (!s.number || !s.position) fail("out of memory", path);
  for (int i = 0; i < s.n; i++) {
    char symbol[8];
    double *x = s.position + 3 * (size_t)i;
    if (!fgets(line, LINE, f) ||
        sscanf(line, "%7s %lf %lf %lf", symbol, &x[0], &x[1], &x[2]) != 4 ||
        !(s.number[i] = atomic_number(symbol)))
      fail("an atom line is not `symbol x y z`", path);
  }
  fclose(f);
  return s;
}

/* The structure a times, b times and c times along its vectors. */
static structure replicate(structure s, const int times[3]) {
  long count = (long)times[0] * times[1] * times[2];
  structure big = s;
  if (count == 1) return s;
  if (count < 1 || count > 10000000 / s.n) fail("too many copies", "--replicate");
  big.n = 0;
  big.number = calloc((size_t)(s.n * count), sizeof *big.number);
  big.position = calloc(3 * (size_t)(s.n * count), sizeof *big.position);
  if (!big.number || !big.position) fail("out of memory", "--replicate");
  for (long copy = 0; copy < count; copy++) {
    long at[3] = {copy / times[2] / times[1], copy / times[2] % times[1], copy % times[2]};
    for (int i = 0; i < s.n; i++, big.n++) {
      big.number[big.n] = s.number[i];
      for (int a = 0; a < 3; a++) {
        double *x = big.position + 3 * (size_t)big.n + a;
        *x = s.position[3 * (size_t)i + (size_t)a];
        for (int k = 0; k < 3; k++) *x += (double)at[k] * s.cell[3 * k + a];
      }
    }
  }
  for (int k = 0; k < 9; k++) big.cell[k] *= times[k / 3];
  free(s.number);
  free(s.position);
  return big;
}

/* A line of the system's account of this process in MB; 0 where there is none. */
static double memory(const char *name) {
  char line[LINE];
  double kb = 0;
  size_t length = strlen(name);
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, LINE, f))
    if (!strncmp(line, name, length)) kb = atof(line + length);
  if (f) fclose(f);
  return kb / 1024;
}

static void check(eqs_status status) {
  if (status != EQS_OK) fail(eqs_error(), "equisorb");
}

static int compare(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static timing measure(const arguments *a, const structure *s, double start) {
  static double seconds[MOST_REPEATS];
  timing t = {0};
  eqs_context *c = NULL;
  eqs_model *m = NULL;
  eqs_model_options options = {
      .size = sizeof options, .head = a->head, .modal = a->modal, .precision = a->precision};
  check(eqs_context_open("auto", &c));
  check(eqs_context_set_threads(c, a->threads));
  check(eqs_model_load(c, a->model, &options, &m));
  t.load = now() - start;
  t.forces = calloc(3 * (size_t)s->n, sizeof *t.forces);
  if (!t.forces) fail("out of memory", a->structure);
  int first[2] = {0, s->n};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s->number,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = s->pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = &t.energy,
                    .forces = t.forces,
                    .stress = a->stress ? t.stress : NULL};
  double before = memory("VmRSS:"), begin = now(), end = 0;
  for (int k = 0; k < MOST_REPEATS && (a->evaluations ? k < a->evaluations : k < 4 || now() < end);
       k++) {
    if (k) begin = now();
    check(eqs_compute(c, m, &in, &out));
    if (!k) t.first = now() - start;
    if (k || a->evaluations == 1) seconds[t.repeats++] = now() - begin;
    if (!k) end = now() + a->seconds;
  }
  t.bytes_per_atom = (memory("VmHWM:") - before) * 1048576 / s->n;
  qsort(seconds, (size_t)t.repeats, sizeof *seconds, compare);
  t.fastest = seconds[0];
  t.median = seconds[t.repeats / 2];
  eqs_model_free(&m);
  eqs_context_free(&c);
  return t;
}

static arguments parse(int argc, char **argv) {
  arguments a = {.threads = 1, .seconds = 5, .replicate = {1, 1, 1}};
  for (int k = 1; k < argc; k++) {
    const char *o = argv[k], *value = k + 1 < argc ? argv[k + 1] : "";
    int takes = 1;
    if (!strcmp(o, "--threads")) a.threads = atoi(value);
    else if (!strcmp(o, "--precision") && !strcmp(value, "double")) a.precision = EQS_DOUBLE;
    else if (!strcmp(o, "--precision") && !strcmp(value, "single")) a.precision = EQS_SINGLE;
    else if (!strcmp(o, "--head")) a.head = value;
    else if (!strcmp(o, "--modal")) a.modal = value;
    else if (!strcmp(o, "--seconds")) a.seconds = atof(value);
    else if (!strcmp(o, "--evaluations")) a.evaluations = atoi(value);
    else if (!strcmp(o, "--forces")) a.forces = value;
    else if (!strcmp(o, "--replicate") &&
             sscanf(value, "%dx%dx%d", &a.replicate[0], &a.replicate[1], &a.replicate[2]) == 3) {
    } else {
      takes = 0;
      if (!strcmp(o, "--json")) a.json = 1;
      else if (!strcmp(o, "--stress")) a.stress = 1;
      else if (o[0] == '-') fail("unknown option", o);
      else if (!a.model) a.model = o;
      else a.structure = o;
    }
    k += takes;
  }
  if (!a.model || !a.structure) fail("usage: bench_evaluate MODEL STRUCTURE.xyz [OPTIONS]", "call");
  return a;
}

static void print_json(const arguments *a, const structure *s, const timing *t) {
  printf("{\"atoms\": %d, \"precision\": \"%s\", \"threads\": %d, \"load_s\": %.4f, "
         "\"first_energy_s\": %.4f, \"repeats\": %d, \"min_ms\": %.4f, \"median_ms\": %.4f, "
         "\"us_per_atom\": %.3f, \"peak_mb\": %.1f, \"bytes_per_atom\": %.0f, "
         "\"energy\": %.17g, \"compiler\": \"%s\"}\n",
         s->n, a->precision == EQS_DOUBLE ? "double" : "single", a->threads, t->load, t->first,
         t->repeats, 1e3 * t->fastest, 1e3 * t->median, 1e6 * t->fastest / s->n, memory("VmHWM:"),
         t->bytes_per_atom, t->energy, __VERSION__);
}

static void print_text(const arguments *a, const structure *s, const timing *t) {
  printf("atoms %d, %s precision, %d threads\n"
         "  load the model          %10.1f ms\n  start to first energy   %10.1f ms\n"
         "  energy and forces, min  %10.2f ms   (%.2f us per atom, %d repeats)\n"
         "  energy and forces, med. %10.2f ms\n"
         "  peak memory             %10.1f MB   (evaluations: %.0f bytes per atom)\n"
         "  energy                  %.9f eV\n",
         s->n, a->precision == EQS_DOUBLE ? "double" : "single", a->threads, 1e3 * t->load,
         1e3 * t->first, 1e3 * t->fastest, 1e6 * t->fastest / s->n, t->repeats, 1e3 * t->median,
         memory("VmHWM:"), t->bytes_per_atom, t->energy);
}

int main(int argc, char **argv) {
  double start = now();
  arguments a = parse(argc, argv);
  structure s = replicate(read_xyz(a.structure), a.replicate);
  timing t = measure(&a, &s, start);
  if (a.json) print_json(&a, &s, &t);
  else print_text(&a, &s, &t);
  FILE *f = a.forces ? fopen(a.forces, "w") : NULL;
  if (a.forces && !f) fail("cannot write", a.forces);
  for (int i = 0; f && i < s.n; i++)
    fprintf(f, "%.17g %.17g %.17g\n", t.forces[3 * i], t.forces[3 * i + 1], t.forces[3 * i + 2]);
  if (f) fclose(f);
  free(t.forces);
  free(s.position);
  free(s.number);
  return 0;
}
