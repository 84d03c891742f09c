/* bench_gpu.c -- whole evaluations of energy and forces on a GPU by size and number of neighbours,
 * and each kernel's share of them.
 *
 * usage: bench_gpu [--device cuda:N] [--precision single|double] [--atoms N]... [--edges E]...
 *                  [--seconds S] [--kernels] [--memory] MODEL...
 *
 * Prints CSV: model, precision, atoms, edges per atom, kernel ("all" = a whole evaluation, wall
 * time, neighbour list included; "launches" = from the first launch to the last), launches,
 * microseconds per atom. --kernels adds a row per kernel, from CUDA events between launches. The
 * structure is a simple cubic lattice with every atom moved a little, of up to four of the model's
 * elements. --memory prints instead what model and evaluations took of the device's memory, beyond
 * an open context's: bytes, and KiB per atom. Without a GPU it says so and exits with 0 (with 77 if
 * EQS_SKIP is set, for CTest).
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/equisorb.h"
#ifdef EQS_GPU
#include "core/engine.h"
#include "kernels/cuda/cuda.h"
#endif

enum { LIST_MAX = 16, NAMES_MAX = 128 };

typedef struct arguments {
  const char *device, *model[LIST_MAX];
  eqs_precision precision;
  int n_model, n_atoms, n_edges, atoms[LIST_MAX], edges[LIST_MAX], kernels, memory;
  double seconds;
} arguments;

static void fail(const char *what) {
  fprintf(stderr, "bench_gpu: %s\n", what);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct crystal {
  int n, *number;
  double *position, cell[9];
} crystal;

/* About n atoms with `edges` neighbours each within r_max. */
static crystal make_crystal(int n, int edges, const eqs_model_info *model) {
  static const int wanted[] = {1, 6, 8, 30};
  const double volume = 4.0 / 3 * 3.14159265358979 * pow(model->cutoff, 3) / (edges + 1);
  const double a = cbrt(volume);
  int element[4], n_element = 0, side = (int)lround(cbrt(n));
  unsigned state = 1;
  crystal c = {.cell = {0}};
  for (int i = 0; i < model->n_element; i++)
    for (int j = 0; j < 4; j++)
      if (model->elements[i] == wanted[j]) element[n_element++] = wanted[j];
  if (!n_element) element[n_element++] = model->elements[0];
  if (side < 1) side = 1;
  c.number = calloc((size_t)side * (size_t)side * (size_t)side, sizeof *c.number);
  c.position = calloc(3 * (size_t)side * (size_t)side * (size_t)side, sizeof *c.position);
  if (!c.number || !c.position) fail("out of memory");
  for (; c.n < side * side * side; c.n++) {
    int at[3] = {c.n / side / side, c.n / side % side, c.n % side};
    for (int k = 0; k < 3; k++) {
      state = state * 1664525u + 1013904223u;
      c.position[3 * c.n + k] = a * (at[k] + 0.2 * ((double)state / 4294967296.0 - 0.5));
    }
    c.number[c.n] = element[(state >> 16) % (unsigned)n_element];
  }
  for (int k = 0; k < 3; k++) c.cell[4 * k] = a * side;
  return c;
}

/* Sums of launches by kernel, in order of appearance. */
static void print_kernels(const char *start, int n) {
#ifdef EQS_GPU
  struct {
    const char *name;
    int launches;
    double us;
  } sum[NAMES_MAX];
  int n_sum = 0, launches = 0;
  double total = 0;
  const char *name;
  float ms;
  for (int i = 0; cuda_profiled(i, &name, &ms); i++, launches++) {
    int j = 0;
    while (j < n_sum && strcmp(sum[j].name, name)) j++;
    if (j == NAMES_MAX) break;
    if (j == n_sum) {
      sum[n_sum].name = name, sum[n_sum].launches = 0, sum[n_sum].us = 0;
      n_sum++;
    }
    sum[j].launches++;
    sum[j].us += 1e3 * (double)ms;
    total += 1e3 * (double)ms;
  }
  for (int j = 0; j < n_sum; j++)
    printf("%s,\"%s\",%d,%.5f\n", start, sum[j].name, sum[j].launches, sum[j].us / n);
  printf("%s,launches,%d,%.5f\n", start, launches, total / n);
#else
  (void)start, (void)n;
#endif
}

static void profile(eqs_context *c, int on) {
#ifdef EQS_GPU
  if (on && c->device->ops->enter(c->device) != EQS_OK) fail(eqs_error());
  cuda_profile(on);
  if (on) cuda_mark("start");
#else
  (void)c, (void)on;
#endif
}

static size_t memory_in_use(eqs_context *c) {
#ifdef EQS_GPU
  if (c->device->ops->enter(c->device) != EQS_OK) fail(eqs_error());
  return cuda_memory_in_use();
#else
  (void)c;
  return 0;
#endif
}

/* Nothing is given back within an evaluation, so that what is in use after it is its most. The
 * third and later ones take nothing. */
static void measure_memory(eqs_context *c, const eqs_model *m, const eqs_systems *s, eqs_result *r,
                           const char *start, size_t before) {
  size_t most = 0;
  for (int i = 0; i < 3; i++) {
    if (eqs_compute(c, m, s, r) != EQS_OK) fail(eqs_error());
    size_t now_used = memory_in_use(c) - before;
    if (now_used > most) most = now_used;
  }
  printf("%s,%zu,%.2f\n", start, most, (double)most / 1024 / s->first[1]);
}

static void measure_time(eqs_context *c, const eqs_model *m, const eqs_systems *s, eqs_result *r,
                         const char *start, const arguments *a) {
  int n = s->first[1];
  double best = INFINITY;
  if (eqs_compute(c, m, s, r) != EQS_OK) fail(eqs_error());
  /* The second evaluation of a context queues its kernels one by one; later ones replay a graph. */
  profile(c, a->kernels);
  if (eqs_compute(c, m, s, r) != EQS_OK) fail(eqs_error());
  if (a->kernels) print_kernels(start, n);
  profile(c, 0);
  double begin = now(), last = begin;
  for (int i = 0; i < 4 || last - begin < a->seconds; i++) {
    if (eqs_compute(c, m, s, r) != EQS_OK) fail(eqs_error());
    double end = now();
    if (end - last < best) best = end - last;
    last = end;
  }
  printf("%s,all,,%.5f\n", start, 1e6 * best / n);
}

static void measure(eqs_context *c, eqs_model *m, const char *path, const arguments *a, int atoms,
                    int edges, size_t before) {
  eqs_model_info info = {.size = sizeof info};
  if (eqs_model_info_get(m, &info) != EQS_OK) fail(eqs_error());
  crystal x = make_crystal(atoms, edges, &info);
  const int first[2] = {0, x.n}, pbc[3] = {1, 1, 1};
  double energy, *forces = calloc(3 * (size_t)x.n, sizeof *forces);
  if (!forces) fail("out of memory");
  eqs_systems s = {.size = sizeof s,
                   .n_system = 1,
                   .first = first,
                   .number = x.number,
                   .position = x.position,
                   .cell = x.cell,
                   .pbc = pbc};
  eqs_result r = {.size = sizeof r, .energy = &energy, .forces = forces};
  char start[512];
  const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  snprintf(start, sizeof start, "%s,%s,%d,%d", name,
           a->precision == EQS_SINGLE ? "single" : "double", x.n, edges);
  if (a->memory) measure_memory(c, m, &s, &r, start, before);
  else measure_time(c, m, &s, &r, start, a);
  free(x.number), free(x.position), free(forces);
}

static void measure_in_context(const arguments *a, int model, int atoms, int edges) {
  eqs_context *c = NULL;
  eqs_model *m = NULL;
  eqs_model_options options = {.size = sizeof options, .precision = a->precision};
  if (eqs_context_open(a->device, &c) != EQS_OK) fail(eqs_error());
  size_t before = memory_in_use(c);
  if (eqs_model_load(c, a->model[model], &options, &m) != EQS_OK) fail(eqs_error());
  measure(c, m, a->model[model], a, atoms, edges, before);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

static arguments parse(int argc, char **argv) {
  arguments a = {.device = "cuda:0", .seconds = 5};
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (name[0] != '-') {
      if (a.n_model == LIST_MAX) fail("too many models");
      a.model[a.n_model++] = name;
      continue;
    }
    if (!strcmp(name, "--kernels") || !strcmp(name, "--memory")) {
      *(name[2] == 'k' ? &a.kernels : &a.memory) = 1;
      continue;
    }
    if (!value) fail("an option lacks its value, or is unknown");
    i++;
    if (!strcmp(name, "--device")) a.device = value;
    else if (!strcmp(name, "--seconds")) a.seconds = atof(value);
    else if (!strcmp(name, "--precision"))
      a.precision = strcmp(value, "double") ? EQS_SINGLE : EQS_DOUBLE;
    else if (!strcmp(name, "--atoms") && a.n_atoms < LIST_MAX) a.atoms[a.n_atoms++] = atoi(value);
    else if (!strcmp(name, "--edges") && a.n_edges < LIST_MAX) a.edges[a.n_edges++] = atoi(value);
    else fail("unknown option");
  }
  if (!a.n_atoms) a.atoms[a.n_atoms++] = 10000;
  if (!a.n_edges) a.edges[0] = 28, a.edges[1] = 80, a.n_edges = 2;
  for (int i = 0; i < a.n_atoms; i++)
    if (a.atoms[i] < 1 || a.atoms[i] > 10000000) fail("--atoms: from 1 to 10,000,000");
  for (int i = 0; i < a.n_edges; i++)
    if (a.edges[i] < 1 || a.edges[i] > 500) fail("--edges: from 1 to 500");
  return a;
}

int main(int argc, char **argv) {
  arguments a = parse(argc, argv);
  eqs_context *c = NULL;
  if (eqs_context_open(a.device, &c) != EQS_OK) {
    fprintf(stderr, "bench_gpu: SKIPPED, nothing measured: %s\n", eqs_error());
    return getenv("EQS_SKIP") ? 77 : 0;
  }
  eqs_context_free(&c);
  printf("model,precision,atoms,edges_per_atom,%s\n",
         a.memory ? "device_bytes,kib_per_atom" : "kernel,launches,us_per_atom");
  for (int i = 0; i < a.n_model; i++)
    for (int j = 0; j < a.n_atoms; j++)
      for (int k = 0; k < a.n_edges; k++) measure_in_context(&a, i, a.atoms[j], a.edges[k]);
  return 0;
}
