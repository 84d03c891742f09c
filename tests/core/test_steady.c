/* test_steady.c -- once a context has seen a few steps of a trajectory, further steps allocate
 * nothing; and results have the same bits for any number of threads.
 *
 * The allocation functions below stand in front of the C library's, count, and pass the call on.
 * With EQS_TEST_DEVICE the steps are that device's, in a smaller cell; on the emulator its own
 * allocations are counted, because the fake runtime itself allocates on the host all the time.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "kernels/emu/fake.h"

/* Of the emulator, where there is one. */
__attribute__((weak)) eqs_fake_counts eqs_fake_count(void);

/* A sanitizer has allocation functions of its own, and LLVM's OpenMP allocates in every parallel
 * region: there the library's allocations cannot be told apart. */
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
#define COUNTING 0
#else
#define COUNTING 1
#endif

static atomic_long calls; /* since it was last set to 0 */

#if COUNTING
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

#define EXPORT __attribute__((visibility("default")))
EXPORT void *malloc(size_t n) {
  calls++;
  return __libc_malloc(n);
}
EXPORT void *calloc(size_t n, size_t size) {
  calls++;
  return __libc_calloc(n, size);
}
EXPORT void *realloc(void *p, size_t n) {
  calls++;
  return __libc_realloc(p, n);
}
EXPORT void *aligned_alloc(size_t align, size_t n) {
  calls++;
  return __libc_memalign(align, n);
}
EXPORT int posix_memalign(void **p, size_t align, size_t n) {
  calls++;
  *p = __libc_memalign(align, n);
  return *p ? 0 : 12;
}
#endif

enum { SIDE = 5, ATOMS = SIDE * SIDE * SIDE, STEPS = 6, WARM = 2 };

/* Of this many atoms along each side steps are run. */
static int side_of_cell = SIDE;

typedef struct trajectory {
  int first[2], number[ATOMS], pbc[3];
  double position[3 * ATOMS], cell[9];
  eqs_systems in;
} trajectory;

/* H and O near a cubic lattice of 2.2 angstrom: atoms swing, a few pairs enter and leave. */
static void move(trajectory *t, int step) {
  const double a = 2.2;
  const int side = side_of_cell, n = side * side * side;
  for (int i = 0; i < n; i++) {
    int at[3] = {i / side / side, i / side % side, i % side};
    t->number[i] = i % 3 ? 1 : 8;
    for (int d = 0; d < 3; d++)
      t->position[3 * i + d] = a * (at[d] + 0.08 * sin(i * (d + 1) + 0.05 * step));
  }
  for (int k = 0; k < 9; k++) t->cell[k] = k % 4 ? 0 : a * side;
  for (int d = 0; d < 3; d++) t->pbc[d] = 1;
  t->first[0] = 0;
  t->first[1] = n;
  t->in = (eqs_systems){.size = sizeof t->in,
                        .n_system = 1,
                        .first = t->first,
                        .number = t->number,
                        .position = t->position,
                        .cell = t->cell,
                        .pbc = t->pbc};
}

static eqs_model *load(eqs_context *c, const char *name, eqs_precision precision) {
  char path[4096];
  eqs_model *m = NULL;
  eqs_model_options o = {.size = sizeof o, .precision = precision};
  snprintf(path, sizeof path, "%s/tests/data/models/%s", EQS_SOURCE_DIR, name);
  cr_assert_eq(eqs_model_load(c, path, &o, &m), EQS_OK, "%s", eqs_error());
  return m;
}

static const char *const models[] = {"tiny_L0.model", "tiny_L1_dens_agnesi_zbl.model"};

/* Of the device under test; a real GPU's cannot be counted. */
static long allocations(const char *where) {
  if (!strcmp(where, "host")) return calls;
  return eqs_fake_count ? eqs_fake_count().allocations : 0;
}

/* The last fifth as ghosts, whose features are zero. */
typedef struct fifth {
  eqs_context *c;
  int n_owned, n_ghost;
} fifth;

static int exchange(const eqs_rows *rows, void *user) {
  const fifth *h = user;
  char *ghosts = (char *)rows->rows + (size_t)h->n_owned * rows->row_bytes;
  h->c->device->ops->zero(h->c->device, ghosts, (size_t)h->n_ghost * rows->row_bytes);
  return 0;
}

static eqs_status compute_part(eqs_context *c, const eqs_model *m, const trajectory *t,
                               double *energy, double *forces, double *virial) {
  int n = t->first[1];
  fifth h = {c, n - n / 5, n / 5};
  eqs_domain d = {.size = sizeof d,
                  .n_owned = h.n_owned,
                  .n_ghost = h.n_ghost,
                  .number = t->number,
                  .position = t->position,
                  .exchange = exchange,
                  .user = &h};
  eqs_domain_result out = {
      .size = sizeof out, .energy = energy, .forces = forces, .virial = virial};
  return eqs_compute_domain(c, m, &d, &out);
}

static void run_steps(const char *where, const char *name, eqs_precision precision, int threads,
                      int part) {
  static double forces[3 * ATOMS];
  double energy, stress[9];
  trajectory t;
  eqs_context *c = NULL;
  cr_assert_eq(eqs_context_open(where, &c), EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_context_set_threads(c, threads), EQS_OK);
  eqs_model *m = load(c, name, precision);
  eqs_result out = {.size = sizeof out, .energy = &energy, .forces = forces, .stress = stress};
  for (int step = 0; step < STEPS; step++) {
    move(&t, step);
    long before = allocations(where);
    eqs_status status =
        part ? compute_part(c, m, &t, &energy, forces, stress) : eqs_compute(c, m, &t.in, &out);
    cr_assert_eq(status, EQS_OK, "%s", eqs_error());
    long n = allocations(where) - before;
    if (step == 0 && (eqs_fake_count || !strcmp(where, "host")))
      cr_assert(n > 0, "the counter counts nothing");
    if (step >= WARM)
      cr_assert_eq(n, 0, "%s, %d threads, step %d: %ld allocations", name, threads, step + 1, n);
  }
  eqs_model_free(&m);
  eqs_context_free(&c);
}

Test(steady, a_step_like_the_one_before_allocates_nothing) {
  if (!COUNTING) {
    fputs("skipped: allocations are counted with gcc only, without sanitizers\n", stderr);
    cr_skip_test("allocations are counted with gcc only, without sanitizers");
  }
  const char *where = getenv("EQS_TEST_DEVICE");
  if (where) side_of_cell = 2;
  for (int k = 0; k < 2; k++)
    for (int threads = 1; threads <= (where ? 1 : 3); threads++) {
      for (int part = 0; part < 2; part++) {
        run_steps(where ? where : "host", models[k], EQS_SINGLE, threads, part);
        run_steps(where ? where : "host", models[k], EQS_DOUBLE, threads, part);
      }
    }
}

Test(steady, any_number_of_threads_gives_the_same_bits) {
  static double one[3 * ATOMS], many[3 * ATOMS];
  trajectory t;
  move(&t, 0);
  for (int k = 0; k < 4; k++) {
    double energy[2], stress[2][9];
    eqs_context *c = NULL;
    cr_assert_eq(eqs_context_open("host", &c), EQS_OK);
    eqs_model *m = load(c, models[k / 2], k % 2 ? EQS_DOUBLE : EQS_SINGLE);
    for (int threads = 1; threads <= 5; threads++) {
      int first = threads == 1;
      eqs_result out = {.size = sizeof out,
                        .energy = &energy[!first],
                        .forces = first ? one : many,
                        .stress = stress[!first]};
      cr_assert_eq(eqs_context_set_threads(c, threads), EQS_OK);
      cr_assert_eq(eqs_compute(c, m, &t.in, &out), EQS_OK, "%s", eqs_error());
      if (first) continue;
      cr_assert(!memcmp(&energy[0], &energy[1], sizeof energy[0]));
      cr_assert(!memcmp(one, many, sizeof one));
      cr_assert(!memcmp(stress[0], stress[1], sizeof stress[0]));
    }
    eqs_model_free(&m);
    eqs_context_free(&c);
  }
}

/* Several systems in one batch, of very different sizes, one of them empty. */
Test(steady, neighbour_lists_are_the_same_for_any_number_of_threads) {
  enum { SYSTEMS = 5 };
  static trajectory t;
  int first[SYSTEMS + 1] = {0, 1, 1, 40, 43, ATOMS}, pbc[3 * SYSTEMS];
  double cell[9 * SYSTEMS];
  move(&t, 3);
  for (int k = 0; k < SYSTEMS; k++) {
    memcpy(cell + 9 * k, t.cell, sizeof t.cell);
    for (int d = 0; d < 3; d++) pbc[3 * k + d] = (k + d) % 2;
  }
  t.in.n_system = SYSTEMS;
  t.in.first = first;
  t.in.cell = cell;
  t.in.pbc = pbc;
  neighbors alone, shared;
  memset(&alone, 0, sizeof alone);
  memset(&shared, 0, sizeof shared);
  cr_assert_eq(neighbors_build(&alone, &t.in, 5), EQS_OK, "%s", eqs_error());
  workspace w = {0};
  shared.work = &w;
  for (int threads = 1; threads <= 4; threads++) {
    cr_assert_eq(workspace_set_threads(&w, threads), EQS_OK);
    cr_assert_eq(neighbors_build(&shared, &t.in, 5), EQS_OK, "%s", eqs_error());
    size_t n = (size_t)alone.n_edge;
    cr_assert(n > 1000 && shared.n_edge == alone.n_edge);
    cr_assert(!memcmp(alone.first, shared.first, (ATOMS + 1) * sizeof *alone.first));
    cr_assert(!memcmp(alone.center, shared.center, n * sizeof *alone.center));
    cr_assert(!memcmp(alone.neighbor, shared.neighbor, n * sizeof *alone.neighbor));
    cr_assert(!memcmp(alone.image, shared.image, n * sizeof *alone.image));
    cr_assert(!memcmp(alone.vector, shared.vector, n * sizeof *alone.vector));
    cr_assert(!memcmp(alone.transpose, shared.transpose, n * sizeof *alone.transpose));
  }
  workspace_free(&w);
  neighbors_free(&alone);
  neighbors_free(&shared);
}
