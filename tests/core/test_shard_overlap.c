/* test_shard_overlap.c -- exchanges between ranks while atoms that need not wait are computed: the
 * same bits as without; the rows of ghosts spoilt from the beginning of an exchange to its end;
 * which blocks need not wait, by hand.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/halo.h"
#include "tests/core/shard_sample.h"

/* Of the emulator, if it is there. */
__attribute__((weak)) void eqs_fake_set_seed(uint64_t seed);

/* ---- over ranks */

static void run(const job *j, int ranks, const char *overlap, answer *out) {
  job now = *j;
  cr_assert_eq(setenv("EQS_OVERLAP", overlap, 1), 0);
  cr_assert_eq(comm_threads_run(ranks, take_part, &now), EQS_OK, "%s", eqs_error());
  *out = now.a;
  cr_expect_eq(largest(now.a.forces, now.again.forces, 3 * j->s->n), 0.0, "%d ranks", ranks);
}

/* Chains of which each rank has a part with an inside. */
static void compare(const eqs_model *m, const sample *s, int least, int most, const char *name) {
  static answer want, with, without;
  int there = getenv("EQS_TEST_DEVICE") != NULL;
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  cr_assert_eq(compute(c, m, s, &want), EQS_OK, "%s", eqs_error());
  for (int ranks = least; ranks <= most; ranks++) {
    job j = {.m = m, .act = twice, .s = s, .block = there ? 6 : 0};
    run(&j, ranks, "0", &without);
    for (uint64_t seed = 1; seed <= (there ? 3 : 1); seed++) {
      if (there && eqs_fake_set_seed) eqs_fake_set_seed(seed);
      run(&j, ranks, "1", &with);
      cr_expect_eq(largest(with.forces, without.forces, 3 * s->n), 0.0, "%s, %d ranks", name,
                   ranks);
      cr_expect_eq(largest(with.energies, without.energies, s->n), 0.0, "%s", name);
      cr_expect_eq(largest(with.stress, without.stress, 9), 0.0, "%s", name);
    }
    cr_expect_leq(largest(with.forces, want.forces, 3 * s->n), 1e-10, "%s: %g", name,
                  largest(with.forces, want.forces, 3 * s->n));
    cr_expect_leq(largest(with.stress, want.stress, 9), 1e-11, "%s", name);
  }
  eqs_context_free(&c);
}

static void compare_models(int n, const char *const *name, int length, int most) {
  static sample s;
  eqs_context *c = NULL;
  add(&s, 1, 1, length, 1);
  s.pbc[0] = s.pbc[1] = 0;
  cr_assert_eq(eqs_context_open(device_name(), &c), EQS_OK);
  for (int k = 0; k < n; k++) {
    eqs_model *m = open_model(c, name[k], NULL);
    compare(m, &s, 2, most, name[k]);
    eqs_model_free(&m);
  }
  eqs_context_free(&c);
}

Test(shard_overlap, changes_no_bit) {
  static const char *const names[] = {"tiny_L1", "tiny_att_3layer", "tiny_L1_resfirst_3layer",
                                      "tiny_nonlinear_3layer"};
  if (getenv("EQS_TEST_DEVICE")) compare_models(1, names, 8, 2);
  else compare_models(4, names, 18, 3);
}

Test(shard_overlap, changes_no_bit_of_sevennet) {
  char path[REFERENCE_PATH];
  static sample s;
  if (getenv("EQS_TEST_DEVICE")) reference_skip("a device: its sizes are not its own");
  if (!reference_in("EQS_SEVENNET_DIR", "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth", path))
    reference_skip("SevenNet-0 (EQS_SEVENNET_DIR names its folder)");
  add(&s, 1, 1, 10, 1);
  s.pbc[0] = s.pbc[1] = 0;
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open("host", &c), EQS_OK);
  eqs_model *m = reference_model(c, path, NULL, NULL, EQS_DOUBLE);
  compare(m, &s, 2, 2, "SevenNet-0");
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* ---- one domain, a chain whose ends see each other's images */

typedef struct spoilt {
  int n_owned, n_ghost;
  const int *owner;         /* [n_ghost] */
  char *rows;               /* of ghosts, while an exchange is under way */
  int begun, ended, worked; /* worked: owned rows changed meanwhile, reverse */
  double sum;
} spoilt;

static double sum_rows(const eqs_rows *r, int n) {
  double sum = 0, *x = r->rows;
  for (size_t k = 0; k < (size_t)n * (r->row_bytes / sizeof *x); k++) sum += fabs(x[k]);
  return sum;
}

static int spoil(const eqs_rows *r, void *user) {
  spoilt *s = user;
  double *x = r->rows;
  size_t row = r->row_bytes / sizeof *x, owned = row * (size_t)s->n_owned;
  s->rows = malloc(r->row_bytes * (size_t)s->n_ghost);
  if (!s->rows) return 1;
  for (int g = 0; g < s->n_ghost; g++) {
    const double *from = r->reverse ? x + owned + row * (size_t)g : x + row * (size_t)s->owner[g];
    memcpy(s->rows + r->row_bytes * (size_t)g, from, r->row_bytes);
  }
  for (size_t k = 0; k < row * (size_t)s->n_ghost; k++) x[owned + k] = NAN;
  s->sum = sum_rows(r, s->n_owned);
  s->begun++;
  return 0;
}

static int restore(const eqs_rows *r, void *user) {
  spoilt *s = user;
  double *x = r->rows, *kept;
  size_t row = r->row_bytes / sizeof *x, owned = row * (size_t)s->n_owned;
  if (!s->rows) return 1;
  s->worked += r->reverse && sum_rows(r, s->n_owned) != s->sum;
  for (int g = 0; g < s->n_ghost; g++) {
    kept = (double *)(void *)s->rows + row * (size_t)g;
    for (size_t k = 0; k < row; k++)
      if (r->reverse) x[row * (size_t)s->owner[g] + k] += kept[k];
      else x[owned + row * (size_t)g + k] = kept[k];
  }
  free(s->rows);
  s->rows = NULL;
  s->ended++;
  return 0;
}

/* The chain's atoms, of[n], with those near its ends last, and the images of these. */
static int lay_out(const sample *s, int *of, int *number, double (*x)[3], int *owner) {
  int n = 0, at = 0;
  for (int late = 0; late < 2; late++)
    for (int i = 0; i < s->n; i++) {
      int copy = i / 5, ends = copy < 2 || copy >= s->n / 5 - 2;
      if (ends != late) continue;
      of[n] = i;
      number[n] = s->number[i];
      memcpy(x[n++], s->position + 3 * i, sizeof *x);
      at += !late;
    }
  for (int image = -1; image < 2; image += 2)
    for (int i = at; i < s->n; i++) {
      owner[n - s->n] = i;
      number[n] = number[i];
      for (int k = 0; k < 3; k++) x[n][k] = x[i][k] + image * s->cell[6 + k];
      n++;
    }
  return n;
}

static void check_domain(eqs_context *c, const char *name) {
  static sample s;
  static answer want;
  static double x[MOST][3], energies[MOST], forces[MOST][3];
  int of[MOST], number[MOST], owner[MOST];
  double energy = 0;
  s = (sample){0};
  add(&s, 1, 1, 20, 1);
  s.pbc[0] = s.pbc[1] = 0;
  eqs_model *m = open_model(c, name, NULL);
  cr_assert_eq(compute(c, m, &s, &want), EQS_OK, "%s", eqs_error());
  int n = lay_out(&s, of, number, x, owner);
  spoilt user = {.n_owned = s.n, .n_ghost = n - s.n, .owner = owner};
  const eqs_domain d = {.size = sizeof d,
                        .n_owned = s.n,
                        .n_ghost = n - s.n,
                        .number = number,
                        .position = x[0],
                        .exchange = restore,
                        .user = &user};
  const eqs_domain_result out = {
      .size = sizeof out, .energy = &energy, .energies = energies, .forces = forces[0]};
  cr_assert_eq(engine_compute_domain(c, m, &d, &out, spoil), EQS_OK, "%s: %s", name, eqs_error());
  cr_expect_lt(fabs(energy - want.energy[0]), 1e-9, "%s: %g", name, energy - want.energy[0]);
  for (int i = s.n; i < n; i++)
    for (int k = 0; k < 3; k++) forces[owner[i - s.n]][k] += forces[i][k];
  for (int i = 0; i < s.n; i++)
    cr_expect_leq(largest(forces[i], want.forces + 3 * of[i], 3), 1e-10, "%s, atom %d", name, i);
  eqs_model_info info = {.size = sizeof info};
  cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
  cr_expect_eq(user.begun, 2 * (info.n_layer - 1), "%s: %d begun", name, user.begun);
  cr_expect_eq(user.ended, user.begun);
  cr_expect_eq(user.worked, info.n_layer - 1, "%s: nothing done meanwhile", name);
  eqs_model_free(&m);
}

Test(shard_overlap, rows_under_way_are_not_touched) {
  static const char *const names[] = {"tiny_L1", "tiny_att_3layer", "tiny_L1_resfirst_3layer",
                                      "tiny_nonlinear_3layer"};
  if (getenv("EQS_TEST_DEVICE")) reference_skip("rows of the host");
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open("host", &c), EQS_OK);
  cr_assert_eq(eqs_context_set_threads(c, 1), EQS_OK);
  for (int k = 0; k < 4; k++) check_domain(c, names[k]);
  eqs_context_free(&c);
}

/* ---- blocks */

static int some_exchange(const eqs_rows *r, void *user) {
  (void)r, (void)user;
  return 0;
}

Test(shard_overlap, blocks_that_need_not_wait) {
  neighbors list = {.n = 70};
  device_blocks of_ten = {.atoms = 10};
  halo h = {.exchange = some_exchange, .n_interior = 39};
  batch b = {.n = 52, .nb = &list, .blocks = &of_ten};
  cr_expect_eq(halo_inner_blocks(&b), 0);
  b.halo = &h;
  cr_expect_eq(halo_inner_blocks(&b), 0, "there is no beginning");
  cr_expect_eq(halo_own_blocks(&b, 70), 0);
  h.begin = some_exchange;
  cr_expect_eq(halo_inner_blocks(&b), 3);
  cr_expect_eq(halo_own_blocks(&b, 70), 5);
  h.n_interior = 52;
  cr_expect_eq(halo_inner_blocks(&b), 6);
  h.n_interior = 0;
  cr_expect_eq(halo_inner_blocks(&b), 0);
  b.blocks = NULL; /* eight blocks of 6 or 7 atoms: they end at 6, 13, 19, 26, 32, 39, 45, 52 */
  h.n_interior = 38;
  cr_expect_eq(halo_inner_blocks(&b), 5);
  h.n_interior = 39;
  cr_expect_eq(halo_inner_blocks(&b), 6);
}
