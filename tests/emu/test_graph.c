/* Evaluations that follow each other on the emulated device: they are recorded once and replayed,
 * wait once and allocate nothing; what changes in between shows in the results as it would in a
 * fresh context; device memory and streams of the caller.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "core/equisorb.h"
#include "tests/emu/device.h"

enum { ATOMS = 5, SYSTEMS = 2, STEPS = 6 };

/* Under the sanitizers one of each kind has to do. */
static const int thorough = EQS_TEST_SANITIZER[0] == 'n';

/* The thread sanitizer, which takes ten times as long, is there for races alone: it sees the
 * smallest model, and what launches kernels in no new order not at all. */
static const int for_races = EQS_TEST_SANITIZER[0] == 't';

static void skip_under_thread_sanitizer(void) {
  if (for_races) cr_skip_test("without the thread sanitizer only");
}

typedef struct batch_in {
  int first[SYSTEMS + 1], number[ATOMS], pbc[3 * SYSTEMS];
  double position[3 * ATOMS], cell[9 * SYSTEMS];
  eqs_systems s;
} batch_in;

typedef struct answer {
  double energy[SYSTEMS], energies[ATOMS], forces[3 * ATOMS], stress[9 * SYSTEMS];
} answer;

/* Step 0, 1, ... of a trajectory in cells of `scale` times their size. */
static void move(batch_in *b, int step, double scale) {
  static const batch_in start = {
      .first = {0, 3, ATOMS},
      .number = {8, 1, 6, 8, 1},
      .pbc = {1, 1, 1, 1, 1, 0},
      .position = {0.1, 0.2, 0.3, 1.0, 0.4, 0.2, -0.5, 1.3, 0.9, 0.2, 0.1, 0.0, 1.1, 1.6, 0.4},
      .cell = {4.1, 0, 0, 0.7, 3.9, 0, -0.4, 0.6, 4.4, 3.6, 0.2, 0, 0, 3.1, 0, 0.1, 0, 3.3}};
  *b = start;
  for (int i = 0; i < 3 * ATOMS; i++) b->position[i] = scale * start.position[i];
  for (int i = 0; i < 3 * ATOMS; i++) b->position[i] += 0.02 * sin(1 + 2.3 * i + 0.4 * step) * step;
  for (int i = 0; i < 9 * SYSTEMS; i++) b->cell[i] = scale * start.cell[i];
  b->s = (eqs_systems){.size = sizeof b->s,
                       .n_system = SYSTEMS,
                       .first = b->first,
                       .number = b->number,
                       .position = b->position,
                       .cell = b->cell,
                       .pbc = b->pbc};
}

static eqs_result into(answer *a) {
  memset(a, 0, sizeof *a);
  return (eqs_result){.size = sizeof(eqs_result),
                      .energy = a->energy,
                      .energies = a->energies,
                      .forces = a->forces,
                      .stress = a->stress};
}

typedef struct engine {
  eqs_context *c;
  eqs_model *m;
} engine;

/* model: a file, or "file+dispersion". */
static eqs_status open_engine(const char *device, const char *model, eqs_precision precision,
                              engine *e) {
  char path[4096];
  size_t length = strcspn(model, "+");
  eqs_model_options o = {.size = sizeof o, .precision = precision};
  if (model[length]) o.dispersion = model + length + 1;
  *e = (engine){NULL, NULL};
  snprintf(path, sizeof path, "%s/tests/data/models/%.*s.model", EQS_SOURCE_DIR, (int)length,
           model);
  eqs_status status = eqs_context_open(device, &e->c);
  if (status == EQS_OK) status = eqs_context_set_threads(e->c, 1);
  if (status == EQS_OK) status = eqs_model_load(e->c, path, &o, &e->m);
  return status;
}

static void close_engine(engine *e) {
  eqs_model_free(&e->m);
  eqs_context_free(&e->c);
}

static engine opened(const char *device, const char *model) {
  engine e;
  cr_assert_eq(open_engine(device, model, EQS_SINGLE, &e), EQS_OK, "%s", eqs_error());
  return e;
}

static void nothing_left(void) {
  eqs_fake_usage left = eqs_fake_alive(), none = {0};
  cr_assert(!memcmp(&left, &none, sizeof left), "%d things are alive", eqs_fake_report());
}

static void compute(engine *e, const eqs_systems *s, answer *a) {
  eqs_result r = into(a);
  cr_assert_eq(eqs_compute(e->c, e->m, s, &r), EQS_OK, "%s", eqs_error());
}

/* The same evaluation in a context that has seen no other. */
static void expect_fresh(const char *model, const eqs_systems *s, const answer *got,
                         const char *what) {
  if (for_races) return;
  engine e = opened("emu", model);
  answer want;
  compute(&e, s, &want);
  const double *x = got->energy, *y = want.energy;
  for (size_t i = 0; i < sizeof want / sizeof *y; i++)
    cr_assert(x[i] == y[i], "%s: number %zu is %.17g, not %.17g", what, i, x[i], y[i]);
  close_engine(&e);
}

static void expect_host(const char *model, const eqs_systems *s, const answer *got) {
  engine e = opened("host", model);
  answer want;
  compute(&e, s, &want);
  const double *x = got->energy, *y = want.energy;
  for (size_t i = 0; i < sizeof want / sizeof *y; i++)
    cr_assert(fabs(x[i] - y[i]) <= 2e-5 * (1 + fabs(y[i])), "number %zu is %.12g, not %.12g", i,
              x[i], y[i]);
  close_engine(&e);
}

/* From the third evaluation on one graph; a steady one is a launch, a wait and no allocation. */
static void trajectory(const char *model, int eager) {
  engine e = opened("emu", model);
  batch_in b;
  answer a;
  eqs_fake_set_eager(eager);
  for (int step = 0; step < (for_races ? 4 : STEPS); step++) {
    eqs_fake_reset_counts();
    move(&b, step, 1);
    compute(&e, &b.s, &a);
    eqs_fake_counts n = eqs_fake_count();
    cr_assert_eq(n.captures, step == 2, "step %d: %ld captures", step, n.captures);
    cr_assert_eq(n.instantiations, step == 2);
    cr_assert_eq(n.graph_launches, step >= 2, "step %d: %ld launches", step, n.graph_launches);
    if (step >= 2) cr_assert_eq(n.allocations, 0, "step %d: %ld allocations", step, n.allocations);
    if (step >= 1) cr_assert_eq(n.synchronizations, 1, "step %d waits", step);
    if (step >= 3) cr_assert_eq(n.launches + n.gemms + n.memsets, n.nodes, "work beside the graph");
    if (step >= 3) cr_assert_leq(n.copies, strchr(model, '+') ? 9 : 8, "%ld copies", n.copies);
    if (step == 1 || ((eager || !thorough) && step != 3)) continue;
    expect_fresh(model, &b.s, &a, "a later step");
    expect_host(model, &b.s, &a);
  }
  close_engine(&e);
  nothing_left();
}
Test(graph, is_recorded_once) {
  trajectory(for_races ? "tiny_L0+d3bj:pbe" : "tiny_L1+d3bj:pbe", 0);
  if (!for_races) trajectory("tiny_L1_dens_agnesi_zbl", 0);
}
Test(graph, is_recorded_once_when_everything_runs_at_once) {
  if (!thorough) cr_skip_test("without sanitizers only");
  trajectory("tiny_L1_dens_agnesi_zbl", 1);
}

/* The cells shrink under a graph: more edges than it has room for. */
Test(graph, overflow_makes_more_room) {
  static const char *const models[] = {"tiny_L1+d3bj:pbe", "tiny_L1_att"};
  skip_under_thread_sanitizer();
  for (int k = 0; k < (thorough ? 2 : 1); k++) {
    engine e = opened("emu", models[k]);
    batch_in b;
    answer a;
    long captures;
    for (int step = 0; step < 4; step++) {
      move(&b, step, 3);
      compute(&e, &b.s, &a);
    }
    eqs_fake_reset_counts();
    for (int step = 4; step < 8; step++) {
      move(&b, step, 0.62);
      compute(&e, &b.s, &a);
      if (step == 7 || (thorough && step != 5))
        expect_fresh(models[k], &b.s, &a, "after an overflow");
      captures = eqs_fake_count().captures;
    }
    cr_assert_eq(captures, 1, "%ld captures after the overflow", captures);
    close_engine(&e);
    nothing_left();
  }
}

/* Each change alone, with a graph at hand. */
Test(graph, belongs_to_one_batch_and_model) {
  skip_under_thread_sanitizer();
  static const char *const models[] = {"tiny_L1", "tiny_L0"};
  engine e = opened("emu", models[0]), other = opened("emu", models[1]);
  batch_in b;
  answer a;
  for (int change = thorough ? 0 : 3; change < 5; change++) {
    for (int step = 0; step < 4; step++) {
      move(&b, step, 1);
      compute(&e, &b.s, &a);
    }
    int which = change == 4;
    if (change == 0) b.number[0] = 6;
    if (change == 1) b.first[1] = 2;
    if (change == 2) b.s.n_system = 1;
    if (change == 3) b.pbc[0] = 0;
    eqs_result r = into(&a);
    cr_assert_eq(eqs_compute(e.c, which ? other.m : e.m, &b.s, &r), EQS_OK, "%s", eqs_error());
    expect_fresh(models[which], &b.s, &a, "a change");
  }
  move(&b, 3, 1);
  answer part;
  compute(&e, &b.s, &a);
  for (int step = 0; step < 4; step++) {
    eqs_result r = into(&part);
    r.forces = r.stress = NULL;
    cr_assert_eq(eqs_compute(e.c, e.m, &b.s, &r), EQS_OK, "%s", eqs_error());
    cr_assert(!memcmp(part.energies, a.energies, sizeof a.energies));
    r = into(&part);
    r.forces = r.energies = r.energy = NULL;
    cr_assert_eq(eqs_compute(e.c, e.m, &b.s, &r), EQS_OK, "%s", eqs_error());
    cr_assert(!memcmp(part.stress, a.stress, sizeof a.stress));
  }
  close_engine(&other);
  close_engine(&e);
  nothing_left();
}

/* No systems, no atoms, or a system without any. */
Test(graph, may_be_of_nothing) {
  skip_under_thread_sanitizer();
  engine e = opened("emu", "tiny_L0");
  batch_in b;
  answer a;
  for (int k = 0; k < 3; k++)
    for (int step = 0; step < 4; step++) {
      move(&b, step, 1);
      if (k < 2) b.s.n_system = k;
      b.first[1] = 0;
      compute(&e, &b.s, &a);
      if (step == 3) expect_host("tiny_L0", &b.s, &a);
    }
  close_engine(&e);
  nothing_left();
}

/* A model that is loaded where another one was. */
Test(graph, does_not_outlive_its_model) {
  skip_under_thread_sanitizer();
  engine e = opened("emu", "tiny_L1");
  batch_in b;
  answer a;
  move(&b, 1, 1);
  for (int load = 0; load < (thorough ? 3 : 2); load++) {
    const char *name = load % 2 ? "tiny_L0" : "tiny_L1";
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/data/models/%s.model", EQS_SOURCE_DIR, name);
    eqs_model_free(&e.m);
    cr_assert_eq(eqs_model_load(e.c, path, NULL, &e.m), EQS_OK, "%s", eqs_error());
    for (int step = 0; step < 4; step++) compute(&e, &b.s, &a);
    expect_fresh(name, &b.s, &a, "another model");
  }
  close_engine(&e);
  nothing_left();
}

static void poison(batch_in *b, int k) {
  if (k == 0) b->position[4] = NAN;
  if (k == 1) b->position[3 * 3] = -3e9;
  if (k == 2) memcpy(b->position + 12, b->position + 9, 3 * sizeof(double));
  if (k == 3) b->number[4] = 93;
  if (k == 4) memset(b->cell + 9, 0, 3 * sizeof(double));
  if (k == 5) b->position[0] = 9e8, b->cell[0] = 1e-2;
}

/* The host's own words, from a replay too, after which all goes on. */
Test(graph, refusals_are_the_hosts) {
  skip_under_thread_sanitizer();
  static const char model[] = "tiny_L0+d3bj:pbe";
  engine e = opened("emu", model), host = opened("host", model);
  batch_in b;
  answer a;
  for (int k = 0; k < 6; k++)
    for (int replay = thorough ? 0 : k != 2; replay < 2; replay++) {
      char said[1024];
      for (int step = 0; replay && step < 4; step++) {
        move(&b, step, 1);
        compute(&e, &b.s, &a);
      }
      move(&b, 2, 1);
      poison(&b, k);
      eqs_result r = into(&a);
      cr_assert_eq(eqs_compute(e.c, e.m, &b.s, &r), EQS_ERR_ARGUMENT, "case %d", k);
      snprintf(said, sizeof said, "%s", eqs_error());
      cr_assert_eq(eqs_compute(host.c, host.m, &b.s, &r), EQS_ERR_ARGUMENT);
      cr_assert_str_eq(said, eqs_error());
    }
  move(&b, 2, 1);
  compute(&e, &b.s, &a);
  expect_fresh(model, &b.s, &a, "after refusals");
  close_engine(&e);
  close_engine(&host);
  nothing_left();
}

static eqs_status evaluate_five_times(answer *a) {
  engine e;
  batch_in b;
  eqs_status status = open_engine("emu", "tiny_L0", EQS_SINGLE, &e);
  for (int step = 0; step < 5 && status == EQS_OK; step++) {
    eqs_result r = into(a);
    move(&b, step, step < 4 ? 3 : 0.62);
    status = eqs_compute(e.c, e.m, &b.s, &r);
  }
  close_engine(&e);
  return status;
}

/* Recording, replaying and overflowing. */
Test(graph, every_failure_is_an_error) {
  skip_under_thread_sanitizer();
  long n = 1, step = thorough ? 23 : 211, errors = 0;
  answer right, a;
  cr_assert_eq(evaluate_five_times(&right), EQS_OK, "%s", eqs_error());
  for (;; n += step) {
    memset(&a, 0xff, sizeof a);
    eqs_fake_fail_call(n);
    eqs_status status = evaluate_five_times(&a);
    if (!eqs_fake_failed()) {
      eqs_fake_fail_call(0);
      break;
    }
    cr_assert(status != EQS_OK || !memcmp(&a, &right, sizeof a), "call %ld: nobody noticed", n);
    nothing_left();
    errors += status != EQS_OK;
  }
  cr_assert_gt(errors, thorough ? 10 : 1);
}

/* Positions that the caller's stream is still to bring, results that stay on the device. */
static void on_callers_memory(int eager, int stream_kind) {
  const char *model = for_races ? "tiny_L0" : "tiny_L1+d3bj:pbe";
  engine e = opened("emu", model);
  cudaStream_t stream = NULL;
  batch_in b;
  answer a, *there = device_room(sizeof a);
  double *x = device_room(sizeof b.position);
  eqs_fake_set_eager(eager);
  if (stream_kind == 1) CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  if (stream_kind == 2) stream = cudaStreamLegacy;
  cr_assert_eq(eqs_context_set_stream(e.c, stream), EQS_OK, "%s", eqs_error());
  for (int step = 0; step < (for_races ? 4 : 5); step++) {
    move(&b, step, 1);
    eqs_result r = {.size = sizeof r,
                    .energy = there->energy,
                    .energies = there->energies,
                    .forces = there->forces,
                    .stress = there->stress,
                    .memory = EQS_MEMORY_DEVICE};
    CUDA(cudaMemcpyAsync(x, b.position, sizeof b.position, cudaMemcpyHostToDevice, stream));
    if (!stream) CUDA(cudaDeviceSynchronize());
    eqs_systems s = b.s;
    s.position = x;
    s.memory = EQS_MEMORY_DEVICE;
    eqs_fake_reset_counts();
    cr_assert_eq(eqs_compute(e.c, e.m, &s, &r), EQS_OK, "%s", eqs_error());
    if (step) cr_assert_eq(eqs_fake_count().synchronizations, 1);
    CUDA(cudaMemcpy(&a, there, sizeof a, cudaMemcpyDeviceToHost));
    if (step == 4 || (thorough && step == 2)) expect_fresh(model, &b.s, &a, "device memory");
  }
  b.position[1] = NAN;
  CUDA(cudaMemcpy(x, b.position, sizeof b.position, cudaMemcpyHostToDevice));
  eqs_systems s = b.s;
  s.position = x;
  s.memory = EQS_MEMORY_DEVICE;
  eqs_result r = into(&a);
  cr_assert_eq(eqs_compute(e.c, e.m, &s, &r), EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "system 1, atom 1"), "%s", eqs_error());
  close_engine(&e);
  CUDA(cudaFree(x));
  CUDA(cudaFree(there));
  if (stream_kind == 1) CUDA(cudaStreamDestroy(stream));
  nothing_left();
}
Test(graph, works_on_the_callers_memory) {
  for (int k = thorough ? 0 : 2; k < 3; k++) on_callers_memory(0, k);
}
Test(graph, works_on_the_callers_memory_at_once) {
  if (!thorough) cr_skip_test("without sanitizers only");
  on_callers_memory(1, 1);
}

Test(graph, memory_is_where_it_is_said_to_be) {
  engine e = opened("emu", "tiny_L0"), host = opened("host", "tiny_L0");
  batch_in b;
  answer a;
  double *there = device_room(sizeof a);
  move(&b, 0, 1);
  eqs_systems s = b.s;
  eqs_result r = into(&a),
             away = {.size = sizeof away, .forces = there, .memory = EQS_MEMORY_DEVICE};
  s.memory = EQS_MEMORY_DEVICE;
  cr_assert_eq(eqs_compute(e.c, e.m, &s, &r), EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "position"), "%s", eqs_error());
  cr_assert_eq(eqs_compute(host.c, host.m, &s, &r), EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "the host's"), "%s", eqs_error());
  cr_assert_eq(eqs_compute(host.c, host.m, &b.s, &away), EQS_ERR_ARGUMENT);
  away.forces = a.forces;
  cr_assert_eq(eqs_compute(e.c, e.m, &b.s, &away), EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "forces"), "%s", eqs_error());
  engine triples = opened("emu", "tiny_L0+d3bj-atm:pbe");
  cr_assert_eq(eqs_compute(triples.c, triples.m, &b.s, &r), EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_compute(triples.c, triples.m, &b.s, &away), EQS_ERR_UNSUPPORTED);
  close_engine(&triples);
  cr_assert_eq(eqs_extxyz_write("/dev/null", 0, &s, NULL), EQS_ERR_ARGUMENT);
  cr_assert_eq(eqs_context_set_stream(host.c, cudaStreamLegacy), EQS_ERR_ARGUMENT);
  CUDA(cudaFree(there));
  close_engine(&e);
  close_engine(&host);
  nothing_left();
}
