/* shard_sample.h -- systems, and ranks (threads of this process) that evaluate them with a model.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHARD_SAMPLE_H
#define EQS_SHARD_SAMPLE_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/comm.h"
#include "core/engine.h"
#include "core/equisorb.h"
#include "tests/reference.h"

enum { MOST = 300, SYSTEMS = 3 };

typedef struct sample {
  int n_system, n, first[SYSTEMS + 1], number[MOST], pbc[3 * SYSTEMS];
  double position[3 * MOST], cell[9 * SYSTEMS];
} sample;

typedef struct answer {
  double energy[SYSTEMS], energies[MOST], forces[3 * MOST], stress[9 * SYSTEMS];
} answer;

/* Adds a skew cell of five atoms, copied, each a little displaced. */
static inline void add(sample *s, int a, int b, int c, int periodic) {
  static const int number[5] = {30, 8, 6, 1, 8};
  static const double at[15] = {0.11, 0.07, -0.13, 1.93, 0.24, 0.31, 2.61, 2.23,
                                1.87, 3.42, 2.91,  2.41, 0.36, 2.12, 2.87};
  static const double cell[9] = {4.61, 0.12, -0.23, 0.74, 4.92, 0.31, -0.42, 0.83, 5.13};
  const int times[3] = {a, b, c};
  for (int p = 0; p < a * b * c; p++)
    for (int i = 0; i < 5; i++, s->n++) {
      const int copy[3] = {p / c / b, p / c % b, p % c};
      s->number[s->n] = number[i];
      for (int k = 0; k < 3; k++) {
        double x = at[3 * i + k] + 0.1 * sin(1.7 * s->n + 2.9 * k);
        for (int d = 0; d < 3; d++) x += copy[d] * cell[3 * d + k];
        s->position[3 * s->n + k] = x;
      }
    }
  for (int k = 0; k < 9; k++) s->cell[9 * s->n_system + k] = times[k / 3] * cell[k];
  for (int k = 0; k < 3; k++) s->pbc[3 * s->n_system + k] = periodic;
  s->first[++s->n_system] = s->n;
}

static inline eqs_status compute(eqs_context *c, const eqs_model *m, const sample *s, answer *a) {
  const eqs_systems in = {.size = sizeof in,
                          .n_system = s->n_system,
                          .first = s->first,
                          .number = s->number,
                          .position = s->position,
                          .cell = s->cell,
                          .pbc = s->pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = a->energy,
                    .energies = a->energies,
                    .forces = a->forces,
                    .stress = a->stress};
  return eqs_compute(c, m, &in, &out);
}

/* What rank 0 does, and what the ranks are given. */
typedef struct job {
  const eqs_model *m, *other; /* other: the last rank's; NULL = the same */
  eqs_status (*act)(eqs_context *c, struct job *j);
  const sample *s;
  int threads; /* of every rank; 0 = 1 */
  int block;   /* eqs_context.domain_block */
  answer a, again;
  double x[MOST][3], force[MOST][3];
  char message[600];
} job;

static inline const char *device_name(void) {
  const char *name = getenv("EQS_TEST_DEVICE");
  return name ? name : "host";
}

static inline eqs_status take_part(comm *c, void *user) {
  job *j = user;
  eqs_context *context = NULL;
  const eqs_model *m = j->other && c->rank == c->size - 1 ? j->other : j->m;
  eqs_status status = eqs_context_open(device_name(), &context);
  if (status == EQS_OK) status = eqs_context_set_threads(context, j->threads ? j->threads : 1);
  if (status == EQS_OK) context->domain_block = j->block;
  if (status == EQS_OK) status = eqs_context_set_comm(context, c);
  if (status == EQS_OK) status = c->rank ? eqs_context_serve(context, m) : j->act(context, j);
  eqs_context_free(&context);
  return status;
}

static inline eqs_status twice(eqs_context *c, job *j) {
  EQS_TRY(compute(c, j->m, j->s, &j->again));
  return compute(c, j->m, j->s, &j->a);
}

static inline double largest(const double *a, const double *b, int n) {
  double off = 0;
  for (int k = 0; k < n; k++) off = isfinite(a[k]) ? fmax(off, fabs(a[k] - b[k])) : INFINITY;
  return off;
}

/* d3: of eqs_model_options.dispersion; NULL = none */
static inline eqs_model *open_model(eqs_context *c, const char *name, const char *d3) {
  char path[REFERENCE_PATH], relative[2 * REFERENCE_NAME];
  const eqs_model_options options = {
      .size = sizeof options, .precision = EQS_DOUBLE, .wall = "off", .dispersion = d3};
  eqs_model *m = NULL;
  snprintf(relative, sizeof relative, "models/%s.model", name);
  cr_assert(reference_data(relative, path), "%s is missing", relative);
  cr_assert_eq(eqs_model_load(c, path, &options, &m), EQS_OK, "%s", eqs_error());
  return m;
}

/* On several numbers of ranks, twice each: the answer of one, and the same bits. */
static inline void check_sample(const eqs_model *m, const sample *s, const answer *want,
                                const char *name) {
  static const int sizes[] = {1, 2, 3, 4, 8};
  int few = getenv("EQS_TEST_DEVICE") != NULL; /* an emulated device is slow */
  for (int k = few; k < 5 - 2 * few; k++) {
    job j = {.m = m, .act = twice, .s = s};
    cr_assert_eq(comm_threads_run(sizes[k], take_part, &j), EQS_OK, "%s on %d: %s", name, sizes[k],
                 eqs_error());
    double force = largest(j.a.forces, want->forces, 3 * s->n);
    cr_expect_leq(force, 1e-10, "%s on %d ranks: forces differ by %g", name, sizes[k], force);
    cr_expect_leq(largest(j.a.energies, want->energies, s->n), 1e-10, "%s", name);
    cr_expect_leq(largest(j.a.energy, want->energy, s->n_system), 1e-9, "%s", name);
    cr_expect_leq(largest(j.a.stress, want->stress, 9 * s->n_system), 1e-11, "%s", name);
    cr_expect_eq(largest(j.a.forces, j.again.forces, 3 * s->n), 0.0, "%s: other bits", name);
  }
}

#endif
