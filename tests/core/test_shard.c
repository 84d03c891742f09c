/* test_shard.c -- models over ranks (threads of this process) against the same model on one:
 * skew cells, cells thinner than two cutoffs, clusters, more ranks than atoms, batches; a hundred
 * steps of dynamics; what fails on one rank and is told by rank 0.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/dynamics.h"
#include "core/dynamics/model_force.h"
#include "tests/core/shard_sample.h"

enum { STEPS = 100 };

Test(shard, forces_do_not_depend_on_ranks) {
  static const char *const names[] = {"tiny_L1", "tiny_att_3layer", "tiny_L1_resfirst_3layer"};
  static sample s[3];
  static answer want;
  add(s, 3, 3, 2, 1);
  add(s + 1, 1, 1, 1, 1);
  add(s + 2, 2, 2, 1, 0);
  add(s + 2, 1, 2, 1, 1);
  add(s + 2, 1, 1, 1, 0);
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  int few = getenv("EQS_TEST_DEVICE") != NULL;
  for (int k = few; k < 3 - few; k++) {
    eqs_model *m = open_model(c, names[k], NULL);
    for (int i = few; i < 3; i++) {
      cr_assert_eq(compute(c, m, s + i, &want), EQS_OK, "%s", eqs_error());
      check_sample(m, s + i, &want, names[k]);
    }
    eqs_model_free(&m);
  }
  eqs_context_free(&c);
}

Test(shard, sevennet) {
  char path[REFERENCE_PATH];
  static sample s;
  static answer want;
  add(&s, 2, 2, 1, 1);
  if (getenv("EQS_TEST_DEVICE")) reference_skip("a device: its sizes are not its own");
  if (!reference_in("EQS_SEVENNET_DIR", "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth", path))
    reference_skip("SevenNet-0 (EQS_SEVENNET_DIR names its folder)");
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  eqs_model *m = reference_model(c, path, NULL, NULL, EQS_DOUBLE);
  cr_assert_eq(compute(c, m, &s, &want), EQS_OK, "%s", eqs_error());
  job j = {.m = m, .act = twice, .s = &s};
  cr_assert_eq(comm_threads_run(3, take_part, &j), EQS_OK, "%s", eqs_error());
  cr_expect_leq(largest(j.a.forces, want.forces, 3 * s.n), 1e-10);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* ---- dynamics */

static eqs_status run_dynamics(eqs_context *c, job *j) {
  model_force f = {.c = c, .m = j->m, .systems = {.size = sizeof f.systems, .n_system = 1}};
  dynamics d;
  double mass[MOST];
  dynamics_settings s = {
      .step = 0.5, .temperature = 900, .seed = 8, .context = &f, .force = model_force_evaluate};
  f.systems.first = j->s->first;
  f.systems.number = j->s->number;
  f.systems.cell = j->s->cell;
  f.systems.pbc = j->s->pbc;
  for (int i = 0; i < j->s->n; i++) mass[i] = 10;
  eqs_status status = dynamics_open(&d, &s, j->s->n, mass, (const double(*)[3])j->s->position, NULL,
                                    j->s->cell, j->s->pbc);
  for (int k = 0; k < STEPS && status == EQS_OK; k++) status = dynamics_step(&d);
  for (int i = 0; i < d.n && status == EQS_OK; i++) {
    dynamics_unwrapped(&d, i, j->x[i]);
    memcpy(j->force[i], d.force[i], sizeof j->force[i]);
  }
  dynamics_free(&d);
  return status;
}

Test(shard, a_hundred_steps) {
  if (getenv("EQS_TEST_DEVICE")) reference_skip("a device: the steps are the host's");
  static sample s;
  static job one, j;
  add(&s, 2, 2, 2, 1);
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  eqs_model *m = open_model(c, "tiny_L1", NULL);
  one = (job){.m = m, .s = &s};
  cr_assert_eq(run_dynamics(c, &one), EQS_OK, "%s", eqs_error());
  for (int size = 3; size <= 8; size += 5) {
    j = (job){.m = m, .act = run_dynamics, .s = &s};
    cr_assert_eq(comm_threads_run(size, take_part, &j), EQS_OK, "%s", eqs_error());
    cr_expect_leq(largest(j.force[0], one.force[0], 3 * s.n), 1e-10, "%d ranks: %g", size,
                  largest(j.force[0], one.force[0], 3 * s.n));
    cr_expect_gt(largest(j.x[0], s.position, 3 * s.n), 0.3);
  }
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* ---- faults */

static eqs_status refused_then_fine(eqs_context *c, job *j) {
  sample bad = *j->s;
  bad.number[7] = 92;
  eqs_status status = compute(c, j->m, &bad, &j->a);
  snprintf(j->message, sizeof j->message, "%s", eqs_error());
  if (status != EQS_ERR_ARGUMENT) EQS_FAIL(EQS_ERR_DIVERGED, "uranium is known");
  bad = *j->s;
  bad.position[10] = NAN;
  if (compute(c, j->m, &bad, &j->a) != EQS_ERR_ARGUMENT) EQS_FAIL(EQS_ERR_DIVERGED, "NAN is fine");
  if (eqs_context_serve(c, j->m) != EQS_ERR_ARGUMENT) EQS_FAIL(EQS_ERR_DIVERGED, "rank 0 serves");
  return twice(c, j);
}

/* The rank that fails is one of those that own or have as a ghost one of two atoms on one place. */
static eqs_status touching(eqs_context *c, job *j) {
  eqs_status status = compute(c, j->m, j->s, &j->a), later;
  snprintf(j->message, sizeof j->message, "%s", eqs_error());
  later = compute(c, j->m, j->s, &j->a);
  return later == status ? status : EQS_OK;
}

Test(shard, failures_are_told) {
  static sample s;
  static job j;
  add(&s, 2, 2, 1, 1);
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  eqs_model *m = open_model(c, "tiny_L1", NULL), *other = open_model(c, "tiny_L0", NULL);
  j = (job){.m = m, .act = refused_then_fine, .s = &s};
  cr_expect_eq(comm_threads_run(3, take_part, &j), EQS_OK, "%s", eqs_error());
  cr_expect(strstr(j.message, "atom 8") != NULL, "%s", j.message);
  j = (job){.m = m, .other = other, .act = touching, .s = &s};
  cr_expect_eq(comm_threads_run(3, take_part, &j), EQS_ERR_ARGUMENT);
  cr_expect(strstr(j.message, "rank 2: ") && strstr(j.message, "not the one"), "%s", j.message);
  for (int k = 0; k < 3; k++) s.position[3 * 17 + k] = s.position[3 * 4 + k];
  j = (job){.m = m, .act = touching, .s = &s};
  cr_expect_eq(comm_threads_run(4, take_part, &j), EQS_ERR_ARGUMENT);
  cr_expect(strstr(j.message, "is 18 of the system") || strstr(j.message, "is 5 of the system"),
            "%s", j.message);
  eqs_model_free(&m);
  eqs_model_free(&other);
  eqs_context_free(&c);
}

/* Calls of a device's runtime that fail, one after the other: all ranks end, whatever they wait
 * for, and the next ones have nothing of it left. */
__attribute__((weak)) void eqs_fake_fail_call(long n); /* of the emulator, if it is there */

static eqs_status once(eqs_context *c, job *j) { return compute(c, j->m, j->s, &j->a); }

Test(shard, calls_of_a_device_that_fail) {
  const char *name = getenv("EQS_TEST_DEVICE");
  static sample s;
  static job j;
  int failed = 0;
  if (!name || !eqs_fake_fail_call) {
    reference_skip("calls fail on the emulated device only");
    return;
  }
  add(&s, 1, 1, 1, 0);
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(name, &c), EQS_OK);
  eqs_model *m = open_model(c, "tiny_L0", NULL);
  for (int call = 1; call < 400; call += 23) {
    j = (job){.m = m, .act = once, .s = &s};
    eqs_fake_fail_call(call);
    failed += comm_threads_run(2, take_part, &j) != EQS_OK;
    eqs_fake_fail_call(0);
  }
  cr_expect_gt(failed, 3);
  j = (job){.m = m, .act = once, .s = &s};
  cr_expect_eq(comm_threads_run(2, take_part, &j), EQS_OK, "%s", eqs_error());
  eqs_model_free(&m);
  eqs_context_free(&c);
}
