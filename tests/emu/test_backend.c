/* The CUDA backend on the emulator: whole models in cells of a few atoms against the host, in three
 * orders of the threads, one stream of work at another's pace, and with every call failing once.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "core/equisorb.h"
#include "tests/emu/device.h"

enum { ATOMS = 4 };
/* One of each kind of layer, and one with dispersion. */
typedef struct subject {
  const char *file, *dispersion, *head;
} subject;
static const subject models[] = {{"tiny_L1", NULL, NULL},
                                 {"tiny_L1_dens_agnesi_zbl", NULL, NULL},
                                 {"tiny_L1_att", NULL, NULL},
                                 {"tiny_nonlinear_l0", NULL, NULL},
                                 {"tiny_L1", "d3bj:pbe", NULL}};
/* The reference models that are not among them. */
static const subject others[] = {{"tiny_L0", NULL, NULL},
                                 {"tiny_L0_MACEcls_cheb_f32", NULL, NULL},
                                 {"tiny_L1_agnesi", NULL, NULL},
                                 {"tiny_L1_mh1like", NULL, "omat_pbe"},
                                 {"tiny_L1_mh1like", NULL, "omol"},
                                 {"tiny_L1_multihead", NULL, "pt_head"},
                                 {"tiny_L1_nocutapply_dens", NULL, NULL},
                                 {"tiny_L1_resfirst_3layer", NULL, NULL},
                                 {"tiny_L1_soft_gauss", NULL, NULL},
                                 {"tiny_att_3layer", NULL, NULL},
                                 {"tiny_nonlinear_3layer", NULL, NULL}};
enum { MODELS = sizeof models / sizeof *models, DISPERSION = MODELS - 1 };

static const char sanitizer[] = EQS_TEST_SANITIZER; /* none, address, thread */

static const int number[ATOMS] = {8, 1, 6, 8}, first[3] = {0, 3, ATOMS};
static const double position[ATOMS][3] = {
    {0.1, 0.2, 0.3}, {1.0, 0.4, 0.2}, {-0.5, 1.3, 0.9}, {0.2, 0.1, 0.0}};
static const double cell[2][9] = {{4.1, 0, 0, 0.7, 3.9, 0, -0.4, 0.6, 4.4},
                                  {3.6, 0.2, 0, 0, 3.1, 0, 0.1, 0, 3.3}};
static const int pbc[6] = {1, 1, 1, 1, 1, 1};

typedef struct answer {
  double energy[2], forces[ATOMS][3], stress[2][9];
} answer;

/* One evaluation from nothing to nothing; the first failure is returned. */
static eqs_status evaluate(const char *device, subject model, eqs_precision precision, int times,
                           answer *a) {
  eqs_context *c = NULL;
  eqs_model *m = NULL;
  char path[4096];
  snprintf(path, sizeof path, "%s/tests/data/models/%s.model", EQS_SOURCE_DIR, model.file);
  eqs_model_options options = {.size = sizeof options,
                               .precision = precision,
                               .head = model.head,
                               .dispersion = model.dispersion};
  eqs_systems s = {.size = sizeof s,
                   .n_system = 2,
                   .first = first,
                   .number = number,
                   .position = position[0],
                   .cell = cell[0],
                   .pbc = pbc};
  eqs_result r = {
      .size = sizeof r, .energy = a->energy, .forces = a->forces[0], .stress = a->stress[0]};
  eqs_status status = eqs_context_open(device, &c);
  if (status == EQS_OK) status = eqs_context_set_threads(c, 1);
  if (status == EQS_OK) status = eqs_model_load(c, path, &options, &m);
  for (int i = 0; i < times && status == EQS_OK; i++) status = eqs_compute(c, m, &s, &r);
  eqs_model_free(&m);
  eqs_context_free(&c);
  return status;
}

static void expect_near(const answer *got, const answer *want, double tolerance, const char *what) {
  const double *x = got->energy, *y = want->energy;
  for (size_t i = 0; i < sizeof *got / sizeof *x; i++)
    cr_assert(fabs(x[i] - y[i]) <= tolerance * (1 + fabs(y[i])),
              "%s: number %zu is %.12g, not %.12g", what, i, x[i], y[i]);
}

static void expect_nothing_left(const char *what, long n) {
  eqs_fake_usage left = eqs_fake_alive(), none = {0};
  cr_assert(!memcmp(&left, &none, sizeof left), "%s, call %ld: %d things alive after '%s'", what, n,
            eqs_fake_report(), eqs_error());
}

Test(backend, agrees_with_the_host_in_any_order_of_threads) {
  static const char *const orders[] = {"forward", "reverse", "7"};
  const int n_order = sanitizer[0] == 't' ? 1 : 3; /* races do not depend on it */
  for (int k = 0; k < MODELS; k++)
    for (int precision = 0; precision < 2; precision++) {
      eqs_precision p = precision ? EQS_DOUBLE : EQS_SINGLE;
      answer host, device[3];
      memset(device, 0, sizeof device);
      cr_assert_eq(evaluate("host", models[k], p, 1, &host), EQS_OK, "%s", eqs_error());
      for (int o = 0; o < n_order; o++) {
        setenv("EQS_EMU_ORDER", orders[o], 1);
        cr_assert_eq(evaluate("emu", models[k], p, 1, &device[o]), EQS_OK, "%s: %s", models[k].file,
                     eqs_error());
        cr_assert(!memcmp(&device[o], &device[0], sizeof device[0]),
                  "%s: the order of threads changes bits", models[k].file);
      }
      expect_near(&device[0], &host, precision ? 1e-12 : 2e-5, models[k].file);
      expect_nothing_left(models[k].file, 0);
    }
}

Test(backend, agrees_with_the_host_for_the_other_models) {
  if (sanitizer[0] != 'n') cr_skip_test("the models above have every kind of layer");
  for (size_t k = 0; k < 2 * (sizeof others / sizeof *others); k++) {
    eqs_precision p = k % 2 ? EQS_DOUBLE : EQS_SINGLE;
    answer host, device;
    cr_assert_eq(evaluate("host", others[k / 2], p, 1, &host), EQS_OK, "%s", eqs_error());
    cr_assert_eq(evaluate("emu", others[k / 2], p, 1, &device), EQS_OK, "%s", eqs_error());
    expect_near(&device, &host, k % 2 ? 1e-13 : 5e-6, others[k / 2].file);
  }
}

/* After the first evaluation nothing is allocated, and the host waits once. */
static void check_steady(subject model) {
  answer a;
  long calls[2], waits[2];
  for (int i = 0; i < 2; i++) {
    eqs_fake_reset_counts();
    cr_assert_eq(evaluate("emu", model, EQS_SINGLE, 3 + i, &a), EQS_OK, "%s", eqs_error());
    calls[i] = eqs_fake_count().allocations;
    waits[i] = eqs_fake_count().synchronizations;
  }
  cr_assert_eq(calls[1], calls[0], "%ld allocations in a fourth evaluation", calls[1] - calls[0]);
  cr_assert_leq(waits[1] - waits[0], 2, "a steady evaluation waits %ld times", waits[1] - waits[0]);
}

Test(backend, steady_evaluations_allocate_nothing) {
  check_steady(models[0]);
  check_steady(models[DISPERSION]);
}

/* Each call of the runtime and of cuBLAS fails once: an error, or (where a device was closed
 * already) the right answer; and nothing is left behind. */
Test(backend, every_failure_is_an_error) {
  long n = 1, step = sanitizer[0] == 'n' ? 1 : sanitizer[0] == 'a' ? 7 : 29, errors = 0;
  answer right, a;
  subject model = models[DISPERSION];
  cr_assert_eq(evaluate("emu", model, EQS_SINGLE, 1, &right), EQS_OK, "%s", eqs_error());
  for (;; n += step) {
    memset(&a, 0xff, sizeof a);
    eqs_fake_fail_call(n);
    eqs_status status = evaluate("emu", model, EQS_SINGLE, 1, &a);
    if (!eqs_fake_failed()) {
      eqs_fake_fail_call(0);
      cr_assert_eq(status, EQS_OK, "%s", eqs_error());
      break;
    }
    cr_assert(status != EQS_OK || !memcmp(&a, &right, sizeof a),
              "call %ld failed and nobody noticed", n);
    expect_nothing_left("a failing call", n);
    errors += status != EQS_OK;
  }
  cr_assert_gt(errors, 10);
}

Test(backend, says_what_devices_there_are) {
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open("emu:3", &c), EQS_ERR_DEVICE);
  cr_assert(strstr(eqs_error(), "GPUs 0 to 0"), "%s", eqs_error());
  cr_assert_eq(eqs_context_open("emu:x", &c), EQS_ERR_UNSUPPORTED);
  cr_assert_eq(eqs_context_open("cuda:0", &c), EQS_ERR_UNSUPPORTED);
  eqs_fake_set_devices(0);
  cr_assert_eq(eqs_context_open("emu", &c), EQS_ERR_DEVICE);
  cr_assert_eq(eqs_context_open("auto", &c), EQS_OK, "%s", eqs_error());
  eqs_context_free(&c);
  eqs_fake_set_devices(1);
}
