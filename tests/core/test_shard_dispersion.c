/* test_shard_dispersion.c -- D3(BJ) over ranks (threads of this process), with a model, against the
 * same on one rank: skew and thin cells, slabs, chains longer than twice its reach, clusters; with
 * and without triples. That others' atoms are found is compared with a count by brute force.
 *
 * SPDX-License-Identifier: MIT */
#include "core/domain.h"
#include "core/engine.h"
#include "tests/core/shard_sample.h"

/* Triples reach 40 bohr, which takes a minute. */
static eqs_model *with_dispersion(eqs_context *c, const char *name, const char *d3) {
  eqs_model *m = open_model(c, name, d3);
  m->dispersion.triple_cutoff = 13;
  return m;
}

static eqs_context *one_thread(void) {
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  return c;
}

static void along(sample *s, int a, int b, int c) {
  const int pbc[3] = {a, b, c};
  memcpy(s->pbc + 3 * (s->n_system - 1), pbc, sizeof pbc);
}

static void compare(const char *d3, const sample *s, const char *name) {
  static answer want, plain;
  eqs_context *c = one_thread();
  eqs_model *m = with_dispersion(c, "tiny_L1", d3), *bare = open_model(c, "tiny_L1", NULL);
  cr_assert_eq(compute(c, m, s, &want), EQS_OK, "%s", eqs_error());
  cr_assert_eq(compute(c, bare, s, &plain), EQS_OK, "%s", eqs_error());
  cr_expect_lt(want.energy[0], plain.energy[0] - 0.1, "%s: hardly any dispersion", name);
  cr_expect_gt(largest(want.forces, plain.forces, 3 * s->n), 1e-3, "%s", name);
  check_sample(m, s, &want, name);
  eqs_model_free(&m);
  eqs_model_free(&bare);
  eqs_context_free(&c);
}

Test(shard_dispersion, skew_thin_and_finite) {
  static sample s;
  int few = getenv("EQS_TEST_DEVICE") != NULL; /* an emulated device is slow */
  if (!few) add(&s, 3, 2, 2, 1);
  if (!few) add(&s, 1, 1, 1, 1);
  add(&s, 2, few ? 1 : 2, few ? 1 : 2, 0);
  compare("d3bj:pbe", &s, "cells");
}

Test(shard_dispersion, slab_and_chain) {
  static sample s;
  if (getenv("EQS_TEST_DEVICE")) reference_skip("many images");
  add(&s, 2, 3, 1, 1);
  along(&s, 1, 1, 0);
  add(&s, 1, 1, 45, 1); /* 230 angstrom: not all ranks of eight are near each other */
  along(&s, 0, 0, 1);
  compare("d3bj:pbe", &s, "slab and chain");
}

Test(shard_dispersion, triples) {
  static sample s;
  if (getenv("EQS_TEST_DEVICE")) reference_skip("triples are the host's");
  add(&s, 2, 2, 1, 1);
  add(&s, 1, 1, 6, 1);
  along(&s, 0, 0, 1);
  add(&s, 2, 1, 1, 0);
  compare("d3bj-atm:pbe", &s, "triples");
}

/* Energies alone, and threads, which change no bit. */
static eqs_status alone(eqs_context *c, job *j) {
  const eqs_systems in = {.size = sizeof in,
                          .n_system = 1,
                          .first = j->s->first,
                          .number = j->s->number,
                          .position = j->s->position,
                          .cell = j->s->cell,
                          .pbc = j->s->pbc};
  eqs_result out = {.size = sizeof out, .energy = j->again.energy, .energies = j->again.energies};
  EQS_TRY(eqs_compute(c, j->m, &in, &out));
  return compute(c, j->m, j->s, &j->a);
}

Test(shard_dispersion, energies_alone_and_threads) {
  static sample s;
  static job one, two;
  if (getenv("EQS_TEST_DEVICE")) reference_skip("threads are the host's");
  add(&s, 3, 3, 2, 1);
  eqs_context *c = one_thread();
  eqs_model *m = with_dispersion(c, "tiny_L0", "d3bj:pbe");
  one = (job){.m = m, .act = alone, .s = &s};
  two = (job){.m = m, .act = alone, .s = &s, .threads = 2};
  cr_assert_eq(comm_threads_run(3, take_part, &one), EQS_OK, "%s", eqs_error());
  cr_assert_eq(comm_threads_run(3, take_part, &two), EQS_OK, "%s", eqs_error());
  cr_expect_leq(largest(one.a.energies, one.again.energies, s.n), 1e-12);
  cr_expect_eq(largest(one.a.forces, two.a.forces, 3 * s.n), 0.0);
  cr_expect_eq(largest(one.a.energies, two.a.energies, s.n), 0.0);
  cr_expect_eq(largest(one.a.stress, two.a.stress, 9), 0.0);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* ---- atoms of others */

typedef struct near_job {
  const sample *s;
  double cutoff;
  int upward;
  int wrong, found, ranks_apart; /* over all ranks, on rank 0 */
} near_job;

/* The distance between an atom's images and any owned one, in fractions along one direction, taken
 * apart for every direction: what the box around owned atoms asks for. */
static int inside_box(const domain *d, const double low[3], const double high[3],
                      const double x[3]) {
  for (int k = 0; k < 3; k++) {
    double f = x[0] * d->inverse[k] + x[1] * d->inverse[3 + k] + x[2] * d->inverse[6 + k];
    int hit = 0;
    for (int t = -40; t <= 40; t++)
      if (d->pbc[k] || !t)
        hit |= f + t >= low[k] - d->reach[k] - 1e-9 && f + t <= high[k] + d->reach[k] + 1e-9;
    if (!hit) return 0;
  }
  return 1;
}

typedef struct every_rank {
  int owner[MOST];
  double x[MOST][3];
} every_rank;

static eqs_status look(comm *c, near_job *j, const domain *all, const domain *near,
                       const every_rank *e) {
  double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
  int seen[MOST] = {0};
  double sum[3] = {0};
  for (int i = 0; i < all->n_owned; i++)
    for (int k = 0; k < 3; k++) {
      const double *x = all->x[i];
      double f = x[0] * all->inverse[k] + x[1] * all->inverse[3 + k] + x[2] * all->inverse[6 + k];
      low[k] = fmin(low[k], f);
      high[k] = fmax(high[k], f);
    }
  sum[0] += near->n_owned != all->n_owned;
  for (int g = near->n_owned; g < near->n_owned + near->n_ghost; g++) {
    int64_t id = near->id[g];
    seen[id]++;
    for (int k = 0; k < 3; k++) sum[0] += near->x[g][k] != e->x[id][k];
    sum[0] += near->number[g] != j->s->number[id];
    sum[1]++;
  }
  for (int i = 0; i < j->s->n; i++) {
    int other = e->owner[i] - 1, want = other != c->rank && all->n_owned;
    if (want && j->upward && i % 2 && other > c->rank) want = 0;
    if (want && !inside_box(near, low, high, e->x[i])) want = 0, sum[2]++;
    sum[0] += seen[i] != want;
  }
  EQS_TRY(comm_sum(c, sum, 3));
  if (c->rank) return EQS_OK;
  j->wrong += (int)sum[0];
  j->found += (int)sum[1];
  j->ranks_apart += (int)sum[2];
  return EQS_OK;
}

static eqs_status place(comm *c, near_job *j, domain *all, domain *near) {
  const sample *s = j->s;
  domain_atom atom[MOST];
  unsigned char odd[MOST];
  double where[4 * MOST] = {0};
  every_rank e = {0};
  int n = 0;
  for (int i = c->rank; i < s->n; i += c->size, n++) {
    atom[n] = (domain_atom){.id = i, .number = s->number[i]};
    memcpy(atom[n].x, s->position + 3 * i, sizeof atom[n].x);
  }
  EQS_TRY(domain_place(all, c, s->cell, s->pbc, 5, n, atom));
  for (int i = 0; i < all->n_owned; i++) {
    odd[i] = (unsigned char)(all->id[i] & 1);
    where[4 * all->id[i]] = c->rank + 1;
    memcpy(where + 4 * all->id[i] + 1, all->x[i], sizeof all->x[i]);
  }
  EQS_TRY(comm_sum(c, where, 4 * s->n));
  for (int i = 0; i < s->n; i++) {
    e.owner[i] = (int)where[4 * i];
    memcpy(e.x[i], where + 4 * i + 1, sizeof e.x[i]);
  }
  EQS_TRY(domain_place_near(near, c, all, j->cutoff, j->upward ? odd : NULL));
  return look(c, j, all, near, &e);
}

static eqs_status count_near(comm *c, void *user) {
  domain all = {0}, near = {0};
  eqs_status status = comm_fail(c, place(c, user, &all, &near));
  domain_free(&near);
  domain_free(&all);
  return status;
}

Test(shard_dispersion, others_atoms_are_found) {
  static sample s[3];
  static const double cutoff[3] = {7, 50, 11};
  if (getenv("EQS_TEST_DEVICE")) reference_skip("nothing of it is on a device");
  add(s, 2, 2, 4, 1);
  add(s + 1, 1, 1, 1, 1);
  add(s + 2, 1, 1, 30, 1);
  along(s + 2, 0, 0, 1);
  for (int k = 0; k < 3; k++)
    for (int upward = 0; upward < 2; upward++)
      for (int size = 2; size <= 8; size += 3) {
        near_job j = {.s = s + k, .cutoff = cutoff[k], .upward = upward};
        cr_assert_eq(comm_threads_run(size, count_near, &j), EQS_OK, "%s", eqs_error());
        cr_expect_eq(j.wrong, 0, "system %d, %d ranks: %d atoms wrong", k, size, j.wrong);
        cr_expect_gt(j.found, 0);
        if (k == 2 && size > 2) cr_expect_gt(j.ranks_apart, 0);
      }
}

/* ---- faults */

static eqs_status thin_then_fine(eqs_context *c, job *j) {
  sample bad = *j->s;
  for (int k = 0; k < 9; k++) bad.cell[k] = k % 4 ? 0 : 0.2;
  eqs_status status = compute(c, j->m, &bad, &j->a);
  snprintf(j->message, sizeof j->message, "%s", eqs_error());
  if (status != EQS_ERR_UNSUPPORTED) EQS_FAIL(EQS_ERR_DIVERGED, "a cell of 0.2 angstrom is fine");
  return twice(c, j);
}

Test(shard_dispersion, failures_are_told) {
  static sample s;
  static job j;
  if (getenv("EQS_TEST_DEVICE")) reference_skip("the host's");
  add(&s, 1, 1, 1, 1);
  eqs_context *c = one_thread();
  eqs_model *m = with_dispersion(c, "tiny_L0", "d3bj:pbe"), *none = open_model(c, "tiny_L0", NULL);
  j = (job){.m = m, .act = thin_then_fine, .s = &s};
  cr_expect_eq(comm_threads_run(3, take_part, &j), EQS_OK, "%s", eqs_error());
  cr_expect(strstr(j.message, "too thin for dispersion") != NULL, "%s", j.message);
  j = (job){.m = m, .other = none, .act = twice, .s = &s};
  cr_expect_eq(comm_threads_run(3, take_part, &j), EQS_ERR_ARGUMENT);
  cr_expect(strstr(eqs_error(), "not the one") != NULL, "%s", eqs_error());
  eqs_model_free(&m);
  eqs_model_free(&none);
  eqs_context_free(&c);
}
