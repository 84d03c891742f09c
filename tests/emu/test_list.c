/* The neighbour list that a device makes, on the emulator, against the host's: the same in every
 * integer and every bit, on random cells of every kind and batches of them; capacities that are too
 * small, structures that are refused, prefix sums.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/device_list.h"
#include "kernels/backend.h"
#include "kernels/emu/fake.h"

enum { MAX_ATOMS = 24, MAX_SYSTEMS = 6, BLOCK = SCAN_TILE };

static const int thorough = EQS_TEST_SANITIZER[0] == 'n';

typedef struct sample {
  int first[MAX_SYSTEMS + 1], pbc[3 * MAX_SYSTEMS];
  double position[3 * MAX_ATOMS * MAX_SYSTEMS], cell[9 * MAX_SYSTEMS];
  eqs_systems in;
} sample;

/* Uniform, the same everywhere. */
static double between(uint64_t *state, double low, double high) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return low + (high - low) * ((double)(*state >> 11) * 0x1p-53);
}

static int apart(const double *x, const double *of, int n) {
  for (int i = 0; i < n; i++) {
    double r2 = 0;
    for (int a = 0; a < 3; a++) r2 += (x[a] - of[3 * i + a]) * (x[a] - of[3 * i + a]);
    if (r2 < 0.01) return 0;
  }
  return 1;
}

/* Cells of 1 to 12 angstrom, some oblique, of any periodicity; atoms in them or far outside, or
 * none, or one. */
static void random_system(sample *s, int k, uint64_t *state) {
  int kind = (int)(between(state, 0, 5.999)), n = s->first[k], want = kind == 5 ? 0 : MAX_ATOMS;
  double size = kind == 0 ? between(state, 1, 2) : between(state, 4, 12), *cell = s->cell + 9 * k;
  double spread = kind == 3 ? 2 : 0;
  do {
    for (int c = 0; c < 9; c++)
      cell[c] = (c % 4 == 0 ? size : 0) + between(state, -0.4, 0.4) * size;
  } while (fabs(cell_volume(cell)) < 0.2 * size * size * size);
  for (int a = 0; kind == 1 && a < 3; a++) cell[a] += 2 * cell[3 + a] - cell[6 + a];
  for (int d = 0; d < 3; d++) s->pbc[3 * k + d] = kind == 4 || between(state, 0, 1) < 0.5;
  if (kind < 5) want = kind == 0 ? 2 : 1 + (int)between(state, 0, MAX_ATOMS - 1);
  for (int tries = 0; n < s->first[k] + want && tries < 500; tries++) {
    double f[3], *x = s->position + 3 * n;
    for (int c = 0; c < 3; c++) f[c] = between(state, -spread, spread + 1);
    for (int a = 0; a < 3; a++) x[a] = f[0] * cell[a] + f[1] * cell[3 + a] + f[2] * cell[6 + a];
    n += apart(x, s->position + 3 * s->first[k], n - s->first[k]);
  }
  s->first[k + 1] = n;
}

static void random_sample(sample *s, int systems, uint64_t seed) {
  uint64_t state = 77 * seed + 5;
  memset(s, 0, sizeof *s);
  for (int k = 0; k < systems; k++) random_system(s, k, &state);
  s->in = (eqs_systems){.size = sizeof s->in,
                        .n_system = systems,
                        .first = s->first,
                        .position = s->position,
                        .cell = s->cell,
                        .pbc = s->pbc};
}

typedef struct search {
  device *device;
  const kernel_ops *k;
  arena memory;
  device_list list;
  neighbors out;
  search_status status;
} search;

static search open_search(void) {
  search a = {.device = NULL};
  cr_assert_eq(backend_open("emu", &a.device), EQS_OK, "%s", eqs_error());
  cr_assert_eq(a.device->ops->enter(a.device), EQS_OK);
  a.k = backend_kernels(a.device, 0);
  a.memory.device = a.device;
  return a;
}

static void close_search(search *a) {
  arena_free(&a->memory);
  a->device->ops->close(a->device);
  eqs_fake_usage left = eqs_fake_alive(), none = {0};
  cr_assert(!memcmp(&left, &none, sizeof left), "%d things are alive", eqs_fake_report());
}

/* The search of one batch with so much room. */
static void run(search *a, const eqs_systems *in, double cutoff, int edges, int block_edges) {
  int n = in->first[in->n_system];
  void *scratch;
  search_box *box = calloc((size_t)in->n_system + 1, sizeof *box);
  device_list *l = &a->list;
  const device_ops *d = a->device->ops;
  cr_assert(box);
  arena_reset(&a->memory);
  cr_assert_eq(device_list_open(l, a->k, n, in->n_system, BLOCK, &a->memory), EQS_OK);
  cr_assert_eq(neighbors_boxes(in, cutoff, box), EQS_OK, "%s", eqs_error());
  cr_assert_eq(device_list_put_boxes(l, box), EQS_OK);
  void *x = (void *)(uintptr_t)l->search.cells.x;
  cr_assert_eq(d->put(a->device, x, in->position, (size_t)n * 24), EQS_OK);
  cr_assert_eq(arena_take(&a->memory, (size_t)edges, 24, &scratch), EQS_OK);
  cr_assert_eq(device_list_reserve(l, edges, block_edges, scratch, &a->memory, &a->out), EQS_OK);
  device_list_count(l);
  device_list_fill(l);
  cr_assert_eq(d->get(a->device, &a->status, l->search.status, sizeof a->status), EQS_OK);
  cr_assert_eq(d->finish(a->device), EQS_OK, "%s", eqs_error());
  free(box);
}

static int *fetch(search *a, const int *from, size_t n) {
  int *to = malloc((n + 1) * sizeof *to);
  cr_assert(to);
  cr_assert_eq(a->device->ops->get(a->device, to, from, n * sizeof *to), EQS_OK);
  cr_assert_eq(a->device->ops->finish(a->device), EQS_OK);
  return to;
}

static void same_ints(search *a, const int *got, const int *want, int n, const char *what) {
  int *x = fetch(a, got, (size_t)n);
  for (int i = 0; i < n; i++)
    cr_assert_eq(x[i], want[i], "%s: number %d is %d, not %d", what, i, x[i], want[i]);
  free(x);
}

static void same_list(search *a, const neighbors *want) {
  int n = want->n_edge;
  cr_assert_eq(a->status.edges, n, "%d edges, not %d", (int)a->status.edges, n);
  same_ints(a, a->out.first, want->first, want->n + 1, "first");
  same_ints(a, a->out.center, want->center, n, "center");
  same_ints(a, a->out.neighbor, want->neighbor, n, "neighbor");
  same_ints(a, a->out.transpose_first, want->transpose_first, want->n + 1, "transpose_first");
  same_ints(a, a->out.transpose, want->transpose, n, "transpose");
  same_ints(a, (const int *)a->out.vector, (const int *)want->vector, 6 * n, "bits of vectors");
}

Test(list, is_the_hosts) {
  static sample s;
  search a = open_search();
  neighbors host = {.n = 0};
  long edges = 0;
  int samples = thorough ? 150 : 12;
  for (int seed = 0; seed < samples; seed++) {
    random_sample(&s, 1 + seed % MAX_SYSTEMS, (uint64_t)seed);
    double cutoff = 2.5 + 0.4 * (seed % 5);
    cr_assert_eq(neighbors_build(&host, &s.in, cutoff), EQS_OK, "%s", eqs_error());
    run(&a, &s.in, cutoff, host.n_edge, host.n_edge);
    cr_assert(!a.status.refused && !a.status.crowded, "sample %d is refused", seed);
    same_list(&a, &host);
    edges += host.n_edge;
  }
  cr_assert_gt(edges, 50 * samples);
  neighbors_free(&host);
  close_search(&a);
}

/* The order in which threads come to a bin or find an edge leaves no trace. */
Test(list, does_not_depend_on_the_order_of_threads) {
  static const char *const orders[] = {"forward", "reverse", "3"};
  static sample s;
  random_sample(&s, 3, 21);
  neighbors host = {.n = 0};
  cr_assert_eq(neighbors_build(&host, &s.in, 4), EQS_OK, "%s", eqs_error());
  for (int o = 0; o < 3; o++) {
    setenv("EQS_EMU_ORDER", orders[o], 1);
    search a = open_search();
    run(&a, &s.in, 4, host.n_edge + 100, host.n_edge + 100);
    same_list(&a, &host);
    close_search(&a);
  }
  neighbors_free(&host);
}

Test(list, too_little_room_leaves_it_empty) {
  static sample s;
  search a = open_search();
  neighbors host = {.n = 0};
  random_sample(&s, 4, 6);
  cr_assert_eq(neighbors_build(&host, &s.in, 6), EQS_OK, "%s", eqs_error());
  int n = host.n_edge;
  cr_assert_gt(n, 60);
  for (int k = 0; k < 3; k++) {
    run(&a, &s.in, 6, k == 0 ? n - 1 : n, k == 1 ? n - 1 : n);
    cr_assert_eq(a.status.edges, n);
    cr_assert_eq(a.status.block_edges, n);
    int *first = fetch(&a, a.out.first, (size_t)host.n + 1);
    for (int i = 0; i <= host.n; i++) cr_assert_eq(first[i], k == 2 ? host.first[i] : 0);
    free(first);
  }
  neighbors_free(&host);
  close_search(&a);
}

/* More atoms than a tile and than a block: a chain of them in two systems, in no order. */
Test(list, spans_blocks) {
  enum { N = BLOCK + 300 };
  static double x[3 * N];
  int first[3] = {0, 700, N}, cut = BLOCK, here = 0;
  for (int i = 0; i < N; i++) {
    x[3 * i] = 1.5 * (int)((unsigned)i * 577u % N);
    x[3 * i + 1] = 0.3 * (i % 3);
  }
  eqs_systems in = {.size = sizeof in, .n_system = 2, .first = first, .position = x};
  neighbors host = {.n = 0};
  cr_assert_eq(neighbors_build(&host, &in, 3.1), EQS_OK, "%s", eqs_error());
  search a = open_search();
  here = host.first[cut] > host.n_edge - host.first[cut] ? host.first[cut]
                                                         : host.n_edge - host.first[cut];
  run(&a, &in, 3.1, host.n_edge, here);
  cr_assert_eq(a.status.block_edges, here, "%d edges in a block, not %d", a.status.block_edges,
               here);
  same_list(&a, &host);
  neighbors_free(&host);
  close_search(&a);
}

Test(list, refuses_what_the_host_refuses) {
  static const double good[9] = {0, 0, 0, 2, 2, 2, 1, 3, 1.5};
  double x[9], cell[9] = {4, 0, 0, 0, 4, 0, 0, 0, 4};
  int first[2] = {0, 3}, pbc[3] = {1, 1, 1};
  eqs_systems in = {
      .size = sizeof in, .n_system = 1, .first = first, .position = x, .cell = cell, .pbc = pbc};
  search a = open_search();
  neighbors host = {.n = 0};
  for (int k = 0; k < 6; k++) {
    memcpy(x, good, sizeof x);
    cell[0] = k == 5 ? 1e-2 : 4;
    if (k == 1) x[4] = NAN;
    if (k == 2) x[0] = -INFINITY;
    if (k == 3) x[5] = 2e9;
    if (k == 4) x[3] = x[4] = x[5] = 4.0001; /* the image of atom 1 */
    if (k == 5) x[0] = 1e9;
    eqs_status want = neighbors_build(&host, &in, 5);
    cr_assert_eq(want, k ? EQS_ERR_ARGUMENT : EQS_OK);
    run(&a, &in, 5, 4000, 4000);
    cr_assert_eq(a.status.refused || a.status.crowded, k != 0, "case %d", k);
    if (!k) continue;
    int *all = fetch(&a, a.out.first, 4);
    cr_assert_eq(all[3], 0, "case %d: the list is not empty", k);
    free(all);
  }
  neighbors_free(&host);
  close_search(&a);
}

/* Sums across tiles, of more than an int holds as well. */
Test(list, prefix_sums) {
  enum { N = 3 * SCAN_TILE + 17 };
  static int count[N];
  uint64_t state = 5;
  search a = open_search();
  const device_ops *d = a.device->ops;
  for (int huge = 0; huge < 2; huge++) {
    scan_args s = {.n = N, .group = 2, .group_most = INT_MAX, .most = INT_MAX};
    int *on_device;
    int64_t total = 0;
    search_status status;
    for (int i = 0; i < N; i++) {
      count[i] = (int)between(&state, 0, huge ? 9e7 : 50);
      total += count[i];
    }
    arena_reset(&a.memory);
    cr_assert(!arena_take(&a.memory, N, sizeof(int), &on_device) &&
              !arena_take(&a.memory, N + 1, sizeof(int), &s.first) &&
              !arena_take(&a.memory, 4, sizeof *s.sum, &s.sum) &&
              !arena_take_zero(&a.memory, 1, sizeof *s.status, &s.status));
    cr_assert_eq(d->put(a.device, on_device, count, sizeof count), EQS_OK);
    s.count = on_device;
    a.k->scan(&s);
    cr_assert_eq(d->get(a.device, &status, s.status, sizeof status), EQS_OK);
    int *first = fetch(&a, s.first, N + 1), sum = 0;
    cr_assert_eq(status.edges, total);
    for (int i = 0; i <= N; i++) {
      cr_assert_eq(first[i], huge ? 0 : sum, "%d: %d, not %d", i, first[i], sum);
      sum += i < N && !huge ? count[i] : 0;
    }
    free(first);
  }
  close_search(&a);
}
