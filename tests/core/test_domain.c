/* test_domain.c -- a periodic system cut into domains gives what the whole gives.
 *
 * A world of ranks inside this process, a thread and a context each: atoms are dealt out, ghosts
 * are found by brute force, rows are exchanged through pointers between barriers. Who owns what is
 * up to the caller, so the cuts here are spatial or plain dealing, and some ranks own nothing. The
 * whole is evaluated by eqs_compute. With EQS_TEST_DEVICE ranks take turns (the emulator has one
 * thread) and rows are copied.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "tests/reference.h"

enum { ATOMS = 40, RANKS = 8, GHOSTS = 4000, LIST = 60000 };

typedef struct sample {
  int n, number[ATOMS], pbc[3];
  double position[3 * ATOMS], cell[9];
} sample;

typedef struct answer {
  double energy, energies[ATOMS], forces[3 * ATOMS], virial[9];
} answer;

/* An ordinary skew cell, smaller than any cutoff: most ghosts are images of own atoms. */
static const sample small = {.n = 5,
                             .number = {30, 8, 6, 1, 8},
                             .pbc = {1, 1, 1},
                             .position = {0.11, 0.07, -0.13, 1.93, 0.24, 0.31, 2.61, 2.23, 1.87,
                                          3.42, 2.91, 2.41, 0.36, 2.12, 2.87},
                             .cell = {4.61, 0.12, -0.23, 0.74, 4.92, 0.31, -0.42, 0.83, 5.13}};

/* Copies along the three directions, each atom a little displaced. */
static sample copies(int a, int b, int c) {
  sample s = small;
  const int times[3] = {a, b, c};
  s.n = 0;
  for (int p = 0; p < a * b * c; p++)
    for (int i = 0; i < small.n; i++, s.n++) {
      const int at[3] = {p / c / b, p / c % b, p % c};
      s.number[s.n] = small.number[i];
      for (int k = 0; k < 3; k++) {
        double x = small.position[3 * i + k] + 0.1 * sin(1.7 * s.n + 2.9 * k);
        for (int d = 0; d < 3; d++) x += at[d] * small.cell[3 * d + k];
        s.position[3 * s.n + k] = x;
      }
    }
  for (int k = 0; k < 9; k++) s.cell[k] *= times[k / 3];
  return s;
}

/* ---- the world */

typedef struct world world;

typedef struct rank {
  world *w;
  int id, n_owned, n_ghost;
  int atom[ATOMS]; /* of the sample, of every owned atom */
  int ghost_rank[GHOSTS], ghost_row[GHOSTS], ghost_atom[GHOSTS];
  int number[ATOMS + GHOSTS];
  double position[3 * (ATOMS + GHOSTS)], forces[3 * (ATOMS + GHOSTS)];
  double energy, energies[ATOMS], virial[9], virials[9 * ATOMS];
  int64_t first[ATOMS + 1];
  int neighbor[LIST];
  int own_list, calls[2];
  size_t row_bytes; /* of all exchanges so far */
  eqs_context *c;
  const eqs_rows *rows; /* of the exchange in hand */
  char *bytes;          /* its rows: themselves, or a copy */
  eqs_status status;
  char message[400];
} rank;

struct world {
  int n_rank, energy_only, fail_at; /* fail_at: rank 0's exchange fails at this call; 0 = never */
  int layers;                       /* of the model */
  int in_turn;                      /* the lock is held by the rank that computes */
  eqs_precision precision;
  const eqs_model *m;
  pthread_mutex_t lock;
  pthread_cond_t news;
  int waiting, round, lost;
  rank *rank;
};

/* All ranks, or 1 if one of them is lost. */
static int meet(world *w) {
  if (!w->in_turn) pthread_mutex_lock(&w->lock);
  int round = w->round;
  if (++w->waiting == w->n_rank) {
    w->waiting = 0;
    w->round++;
    pthread_cond_broadcast(&w->news);
  }
  while (w->round == round && !w->lost) pthread_cond_wait(&w->news, &w->lock);
  int lost = w->lost;
  if (!w->in_turn) pthread_mutex_unlock(&w->lock);
  return lost;
}

static void leave(world *w) {
  if (!w->in_turn) pthread_mutex_lock(&w->lock);
  w->lost = 1;
  pthread_cond_broadcast(&w->news);
  if (!w->in_turn) pthread_mutex_unlock(&w->lock);
}

static char *row_of(const rank *r, int row) { return r->bytes + (size_t)row * r->rows->row_bytes; }

/* Rows of a device to the host and back, in its stream; the host's stay where they are. */
static int take_rows(rank *r) {
  device *d = r->c->device;
  size_t bytes = (size_t)(r->n_owned + r->n_ghost) * r->rows->row_bytes;
  r->bytes = r->rows->rows;
  if (!r->rows->on_device) return device_is_host(d) && !r->rows->stream;
  r->bytes = malloc(bytes + 1);
  return r->bytes && r->rows->stream == d->ops->stream(d) &&
         d->ops->get(d, r->bytes, r->rows->rows, bytes) == EQS_OK && d->ops->finish(d) == EQS_OK;
}

static int give_rows(rank *r) {
  device *d = r->c->device;
  size_t bytes = (size_t)(r->n_owned + r->n_ghost) * r->rows->row_bytes;
  if (!r->rows->on_device) return 1;
  int fine = d->ops->put(d, r->rows->rows, r->bytes, bytes) == EQS_OK;
  free(r->bytes);
  return fine;
}

static void fetch(rank *r) {
  for (int g = 0; g < r->n_ghost; g++) {
    const rank *owner = r->w->rank + r->ghost_rank[g];
    memcpy(row_of(r, r->n_owned + g), row_of(owner, r->ghost_row[g]), r->rows->row_bytes);
  }
}

/* Rank by rank, ghost by ghost. */
static void collect(rank *r) {
  size_t reals = r->rows->row_bytes / (size_t)r->rows->real_size;
  for (int k = 0; k < r->w->n_rank; k++) {
    const rank *other = r->w->rank + k;
    for (int g = 0; g < other->n_ghost; g++) {
      if (other->ghost_rank[g] != r->id) continue;
      char *to = row_of(r, other->ghost_row[g]), *from = row_of(other, other->n_owned + g);
      for (size_t i = 0; i < reals; i++) {
        if (r->rows->real_size == 8) ((double *)to)[i] += ((double *)from)[i];
        else ((float *)to)[i] += ((float *)from)[i];
      }
    }
  }
}

static int exchange(const eqs_rows *rows, void *user) {
  rank *r = user;
  world *w = r->w;
  int call = ++r->calls[rows->reverse];
  if (w->fail_at && r->id == 0 && call == w->fail_at) return 1;
  r->rows = rows;
  r->row_bytes += rows->row_bytes;
  int fine = take_rows(r) && !meet(w);
  if (fine && rows->reverse) collect(r);
  else if (fine) fetch(r);
  fine = fine && !meet(w);
  return !(give_rows(r) && fine);
}

static eqs_domain domain_of(rank *r) {
  return (eqs_domain){.size = sizeof(eqs_domain),
                      .n_owned = r->n_owned,
                      .n_ghost = r->n_ghost,
                      .number = r->number,
                      .position = r->position,
                      .first = r->own_list ? r->first : NULL,
                      .neighbor = r->own_list ? r->neighbor : NULL,
                      .exchange = r->w->layers > 1 ? exchange : NULL,
                      .user = r};
}

static void *live(void *argument) {
  rank *r = argument;
  world *w = r->w;
  if (w->in_turn) pthread_mutex_lock(&w->lock);
  eqs_domain d = domain_of(r);
  eqs_domain_result out = {.size = sizeof out, .energy = &r->energy, .energies = r->energies};
  if (!w->energy_only) {
    out.forces = r->forces;
    out.virial = r->virial;
    out.virials = r->virials;
  }
  r->status = eqs_compute_domain(r->c, w->m, &d, &out);
  if (r->status != EQS_OK) {
    snprintf(r->message, sizeof r->message, "%s", eqs_error());
    leave(w);
  }
  if (w->in_turn) pthread_mutex_unlock(&w->lock);
  return NULL;
}

static void run(world *w) {
  pthread_t thread[RANKS];
  w->waiting = w->round = w->lost = 0;
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->news, NULL);
  for (int k = 0; k < w->n_rank; k++) {
    memset(w->rank[k].calls, 0, sizeof w->rank[k].calls);
    w->rank[k].row_bytes = 0;
    cr_assert_eq(pthread_create(thread + k, NULL, live, w->rank + k), 0);
  }
  for (int k = 0; k < w->n_rank; k++) pthread_join(thread[k], NULL);
  pthread_mutex_destroy(&w->lock);
  pthread_cond_destroy(&w->news);
}

/* ---- cutting */

static double distance2(const double *a, const double *b) {
  double sum = 0;
  for (int k = 0; k < 3; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

static void image_of(const sample *s, int i, const int at[3], double x[3]) {
  for (int k = 0; k < 3; k++) {
    x[k] = s->position[3 * i + k];
    for (int d = 0; d < 3; d++) x[k] += at[d] * s->cell[3 * d + k];
  }
}

static void add_ghost(rank *r, const sample *s, const int *owner, const int *row, int atom,
                      const double x[3]) {
  cr_assert_lt(r->n_ghost, GHOSTS);
  int g = r->n_ghost++;
  r->ghost_rank[g] = owner[atom];
  r->ghost_row[g] = row[atom];
  r->ghost_atom[g] = atom;
  r->number[r->n_owned + g] = s->number[atom];
  memcpy(r->position + 3 * (r->n_owned + g), x, 3 * sizeof *x);
}

/* All images within the cutoff of an owned atom. */
static void find_ghosts(rank *r, const sample *s, const int *owner, const int *row, double cutoff) {
  const int most = 3;
  for (int c = 0; c < (2 * most + 1) * (2 * most + 1) * (2 * most + 1); c++) {
    int at[3] = {c / (2 * most + 1) / (2 * most + 1) - most,
                 c / (2 * most + 1) % (2 * most + 1) - most, c % (2 * most + 1) - most};
    int home = !at[0] && !at[1] && !at[2], inside = 1;
    for (int d = 0; d < 3; d++) inside &= s->pbc[d] || !at[d];
    for (int j = 0; inside && j < s->n; j++) {
      double x[3];
      int near = 0;
      if (home && owner[j] == r->id) continue;
      image_of(s, j, at, x);
      for (int i = 0; i < r->n_owned && !near; i++)
        near = distance2(r->position + 3 * i, x) < cutoff * cutoff;
      if (near) add_ghost(r, s, owner, row, j, x);
    }
  }
}

/* The caller's list with a margin and in an order of its own. */
static void list_all(rank *r, double reach) {
  int n = r->n_owned + r->n_ghost, at = 0;
  for (int i = 0; i < r->n_owned; i++) {
    r->first[i] = at;
    for (int k = n - 1; k >= 0; k--) {
      int j = (k + i) % n;
      if (j == i || distance2(r->position + 3 * i, r->position + 3 * j) > reach * reach) continue;
      cr_assert_lt(at, LIST);
      r->neighbor[at++] = j;
    }
  }
  r->first[r->n_owned] = at;
}

static void cut(world *w, const sample *s, const int *owner, double cutoff) {
  int row[ATOMS], count[RANKS] = {0};
  for (int i = 0; i < s->n; i++) row[i] = count[owner[i]]++;
  for (int k = 0; k < w->n_rank; k++) {
    rank *r = w->rank + k;
    r->w = w;
    r->id = k;
    r->n_owned = count[k];
    r->n_ghost = 0;
    for (int i = 0; i < s->n; i++) {
      if (owner[i] != k) continue;
      r->atom[row[i]] = i;
      r->number[row[i]] = s->number[i];
      memcpy(r->position + 3 * row[i], s->position + 3 * i, 3 * sizeof(double));
    }
    find_ghosts(r, s, owner, row, cutoff);
    list_all(r, cutoff + 0.7);
  }
}

typedef enum { SLABS, DEALT } cut_kind;

/* Slabs along the first lattice vector, or atom by atom; the last of eight ranks gets nothing. */
static void deal(const sample *s, cut_kind kind, int n_rank, int *owner) {
  int working = n_rank == RANKS ? n_rank - 1 : n_rank;
  double length = 0;
  for (int k = 0; k < 3; k++) length += s->cell[k] * s->cell[k];
  for (int i = 0; i < s->n; i++) {
    double along = 0;
    for (int k = 0; k < 3; k++) along += s->position[3 * i + k] * s->cell[k];
    along = length > 0 ? along / length : 0;
    along -= floor(along);
    owner[i] = kind == SLABS ? (int)(along * working) % working : (3 * i + 1) % working;
  }
}

/* ---- comparing */

static double volume_of(const double h[9]) {
  return fabs(h[0] * (h[4] * h[8] - h[5] * h[7]) - h[1] * (h[3] * h[8] - h[5] * h[6]) +
              h[2] * (h[3] * h[7] - h[4] * h[6]));
}

static answer whole(eqs_context *c, const eqs_model *m, const sample *s) {
  answer a = {0};
  double stress[9], volume = volume_of(s->cell);
  int first[2] = {0, s->n};
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = s->number,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = s->pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = &a.energy,
                    .energies = a.energies,
                    .forces = a.forces,
                    .stress = stress};
  cr_assert_eq(eqs_compute(c, m, &in, &out), EQS_OK, "%s", eqs_error());
  for (int k = 0; k < 9; k++) a.virial[k] = stress[k] * volume;
  return a;
}

/* What the ranks have, put together; the virial from both outputs, which must agree. */
static answer gather(const world *w, const char *name) {
  answer a = {0};
  double virial[9] = {0}, atoms[9] = {0};
  for (int k = 0; k < w->n_rank; k++) {
    const rank *r = w->rank + k;
    cr_assert_eq(r->status, EQS_OK, "%s, rank %d of %d: %s", name, k, w->n_rank, r->message);
    a.energy += r->energy;
    for (int i = 0; i < r->n_owned; i++) {
      a.energies[r->atom[i]] = r->energies[i];
      for (int q = 0; q < 9; q++) atoms[q] += r->virials[9 * i + q];
    }
    for (int q = 0; q < 9; q++) virial[q] += r->virial[q];
    for (int i = 0; i < r->n_owned + r->n_ghost; i++) {
      int atom = i < r->n_owned ? r->atom[i] : r->ghost_atom[i - r->n_owned];
      for (int q = 0; q < 3; q++) a.forces[3 * atom + q] += r->forces[3 * i + q];
    }
  }
  for (int q = 0; q < 9; q++) {
    int t = 3 * (q % 3) + q / 3;
    cr_expect(fabs(virial[q] - atoms[q]) <= 1e-10 * (1 + fabs(virial[q])),
              "%s: the virial is not the sum of atoms'", name);
    a.virial[q] = (virial[q] + virial[t]) / 2;
  }
  return a;
}

static void expect_close(const double *got, const double *want, int n, double tolerance,
                         const char *name, int ranks, const char *what) {
  double most = 0, scale = 1;
  for (int k = 0; k < n; k++) {
    scale = fmax(scale, fabs(want[k]));
    most = fmax(most, isnan(got[k]) ? INFINITY : fabs(got[k] - want[k]));
  }
  cr_expect(most <= tolerance * scale, "%s on %d ranks: %s differ by %.1e", name, ranks, what,
            most);
}

static void expect_same(const answer *got, const answer *want, int n, const world *w,
                        const char *name) {
  double e = w->precision == EQS_DOUBLE ? 1e-10 : 1e-5;
  expect_close(&got->energy, &want->energy, 1, e, name, w->n_rank, "energies");
  expect_close(got->energies, want->energies, n, e, name, w->n_rank, "atoms' energies");
  expect_close(got->forces, want->forces, 3 * n, e, name, w->n_rank, "forces");
  expect_close(got->virial, want->virial, 9, 10 * e, name, w->n_rank, "virials");
}

/* ---- models */

static const char *const models[] = {"tiny_L0",
                                     "tiny_L1_agnesi",
                                     "tiny_L1_att",
                                     "tiny_L1_mh1like",
                                     "tiny_L1_dens_agnesi_zbl",
                                     "tiny_nonlinear_3layer",
                                     "tiny_att_3layer",
                                     "tiny_L1_resfirst_3layer",
                                     "tiny_L0_MACEcls_cheb_f32",
                                     "tiny_L1",
                                     "tiny_L1_multihead",
                                     "tiny_L1_nocutapply_dens",
                                     "tiny_nonlinear_narrow",
                                     "tiny_L1_soft_gauss",
                                     "tiny_nonlinear_l0",
                                     "tiny_one_layer"};
enum { N_MACE = sizeof models / sizeof *models };
/* 20x0e + 20x1o features, 6x0e + 6x1o on edges: 128 and 64 reals, in rows of 16. */
enum { NARROW = 12, NARROW_REALS = 64 };

static eqs_model *open_model(eqs_context *c, int k, eqs_precision precision) {
  char path[REFERENCE_PATH], relative[2 * REFERENCE_NAME];
  static const char file[] = "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth";
  if (k < N_MACE) {
    snprintf(relative, sizeof relative, "models/%s.model", models[k]);
    cr_assert(reference_data(relative, path), "%s is missing", relative);
    const char *head = strcmp(models[k], "tiny_L1_mh1like") ? NULL : "omat_pbe";
    return reference_model(c, path, head, NULL, precision);
  }
  snprintf(relative, sizeof relative, "../../data/pretrained_potentials/%s", file);
  if (!reference_in("EQS_SEVENNET_DIR", file, path) && !reference_data(relative, path)) {
    fprintf(stderr, "skipped: SevenNet-0 (EQS_SEVENNET_DIR names its folder)\n");
    return NULL;
  }
  return reference_model(c, path, NULL, NULL, precision);
}

static eqs_model_info info_of(const eqs_model *m) {
  eqs_model_info info = {.size = sizeof info};
  cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
  return info;
}

static world *new_world(const eqs_model *m, eqs_precision precision) {
  world *w = calloc(1, sizeof *w);
  cr_assert(w);
  w->rank = calloc(RANKS, sizeof *w->rank);
  cr_assert(w->rank);
  w->m = m;
  w->layers = info_of(m).n_layer;
  w->precision = precision;
  for (int k = 0; k < RANKS; k++) {
    w->rank[k].c = reference_context();
    w->in_turn = !device_is_host(w->rank[k].c->device);
  }
  return w;
}

static void free_world(world *w) {
  for (int k = 0; k < RANKS; k++) eqs_context_free(&w->rank[k].c);
  free(w->rank);
  free(w);
}

static void make_cut(world *w, const sample *s, cut_kind kind, int n_rank) {
  int owner[ATOMS];
  w->n_rank = n_rank;
  deal(s, kind, n_rank, owner);
  cut(w, s, owner, info_of(w->m).cutoff);
}

static void expect_calls(const world *w, int forward, int reverse, const char *name) {
  for (int k = 0; k < w->n_rank; k++) {
    const rank *r = w->rank + k;
    cr_expect(r->calls[0] == forward && r->calls[1] == reverse,
              "%s: %d exchanges forward and %d in reverse, not %d and %d", name, r->calls[0],
              r->calls[1], forward, reverse);
    cr_expect_eq(r->row_bytes, w->rank[0].row_bytes, "%s: ranks exchange unlike rows", name);
  }
}

static void check_cut(world *w, const sample *s, const answer *want, cut_kind kind, int n_rank,
                      const char *name) {
  int layers = w->layers;
  make_cut(w, s, kind, n_rank);
  run(w);
  answer got = gather(w, name);
  expect_same(&got, want, s->n, w, name);
  expect_calls(w, layers - 1, layers - 1, name);
  size_t sum = 0, bytes = 0;
  for (int k = 2; k <= layers; k++)
    for (int reverse = 0; reverse < 2; reverse++, sum += bytes)
      cr_assert_eq(eqs_domain_row_bytes(w->m, k, reverse, &bytes), EQS_OK, "%s", eqs_error());
  cr_expect_eq(w->rank[0].row_bytes, sum, "%s: not the rows that were told", name);
  if (strcmp(name, models[NARROW])) return;
  size_t real = w->precision == EQS_DOUBLE ? 8 : 4;
  cr_expect_eq(w->rank[0].row_bytes, 2 * NARROW_REALS * real, "the wider of two rows travels");
}

static void check_model(eqs_context *c, int k, eqs_precision precision) {
  eqs_model *m = open_model(c, k, precision);
  const char *name = k < N_MACE ? models[k] : "SevenNet-0";
  if (!m) return;
  world *w = new_world(m, precision);
  sample large = copies(2, 2, 1);
  answer of_small = whole(c, m, &small), of_large = whole(c, m, &large);
  check_cut(w, &small, &of_small, DEALT, 1, name);
  check_cut(w, &small, &of_small, SLABS, 2, name);
  if (w->in_turn) {
    check_cut(w, &small, &of_small, DEALT, 8, name);
  } else {
    check_cut(w, &large, &of_large, DEALT, 3, name);
    check_cut(w, &large, &of_large, SLABS, 4, name);
    check_cut(w, &large, &of_large, DEALT, 8, name);
  }
  free_world(w);
  eqs_model_free(&m);
}

static void check_models(eqs_precision precision) {
  eqs_context *c = reference_context();
  const char *where = getenv("EQS_TEST_DEVICE");
  int step = where && !strcmp(where, "emu") ? 3 : 1; /* it is slow */
  for (int k = 0; k <= N_MACE; k += step) check_model(c, k, precision);
  eqs_context_free(&c);
}

Test(domain, cut_is_whole_double) { check_models(EQS_DOUBLE); }
Test(domain, cut_is_whole_single) { check_models(EQS_SINGLE); }

/* A slab, a wire, a molecule; and twice in the same contexts. */
Test(domain, other_periodicities) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 1, EQS_DOUBLE);
  world *w = new_world(m, EQS_DOUBLE);
  for (int k = 0; k < 3; k++) {
    sample s = copies(1, 2, 1);
    for (int d = 0; d < 3; d++) s.pbc[d] = d < 2 - k;
    answer want = whole(c, m, &s);
    make_cut(w, &s, SLABS, 3);
    for (int times = 0; times < 2; times++) {
      run(w);
      answer got = gather(w, "no three periods");
      /* eqs_compute divides by the volume of the whole cell, periodic or not */
      expect_same(&got, &want, s.n, w, "no three periods");
    }
  }
  free_world(w);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* Ghosts further off than the cutoff are never read. */
Test(domain, more_ghosts_do_no_harm) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 3, EQS_DOUBLE);
  world *w = new_world(m, EQS_DOUBLE);
  int owner[ATOMS], before;
  answer want = whole(c, m, &small);
  w->n_rank = 2;
  deal(&small, DEALT, 2, owner);
  cut(w, &small, owner, info_of(m).cutoff);
  before = w->rank[0].n_ghost;
  cut(w, &small, owner, info_of(m).cutoff + 1.5);
  cr_assert_gt(w->rank[0].n_ghost, before);
  run(w);
  answer got = gather(w, "more ghosts");
  expect_same(&got, &want, small.n, w, "more ghosts");
  free_world(w);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* The caller's list, in any order and too long, gives the bits of the engine's own; two runs give
 * the same bits. */
Test(domain, lists_and_runs_give_the_same_bits) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 2, EQS_SINGLE);
  world *w = new_world(m, EQS_SINGLE);
  static rank before[RANKS];
  make_cut(w, &small, DEALT, 3);
  run(w);
  (void)gather(w, "own search");
  memcpy(before, w->rank, sizeof before);
  for (int own_list = 0; own_list < 2; own_list++) {
    for (int k = 0; k < 3; k++) w->rank[k].own_list = own_list;
    run(w);
    (void)gather(w, "the caller's list");
    for (int k = 0; k < 3; k++) {
      const rank *r = w->rank + k, *b = before + k;
      size_t rows = (size_t)(r->n_owned + r->n_ghost);
      cr_expect_eq(r->energy, b->energy);
      cr_expect_eq(memcmp(r->forces, b->forces, 3 * rows * sizeof *r->forces), 0, "forces");
      cr_expect_eq(memcmp(r->virials, b->virials, 9 * (size_t)r->n_owned * sizeof(double)), 0);
    }
  }
  free_world(w);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* Whole systems and domains in turn in one context, whose memory and (on a device) recorded work
 * they share: each has the bits of its first time. */
Test(domain, wholes_and_domains_in_turn) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 9, EQS_SINGLE);
  world *w = new_world(m, EQS_SINGLE);
  eqs_context *shared = w->rank[0].c;
  answer first = whole(shared, m, &small);
  double energy = NAN;
  make_cut(w, &small, DEALT, 1);
  for (int k = 0; k < 6; k++) {
    if (k > 3) run(w);
    if (k > 3 && isnan(energy)) energy = gather(w, "in turn").energy;
    if (k > 3) cr_expect_eq(gather(w, "in turn").energy, energy);
    answer a = whole(shared, m, &small);
    cr_expect_eq(a.energy, first.energy, "evaluation %d", k);
    for (int i = 0; i < 3 * small.n; i++) cr_expect_eq(a.forces[i], first.forces[i]);
  }
  free_world(w);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

Test(domain, energies_alone_need_no_way_back) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 5, EQS_DOUBLE);
  world *w = new_world(m, EQS_DOUBLE);
  answer want = whole(c, m, &small);
  double energy = 0;
  make_cut(w, &small, DEALT, 2);
  w->energy_only = 1;
  run(w);
  for (int k = 0; k < 2; k++) energy += w->rank[k].energy;
  expect_close(&energy, &want.energy, 1, 1e-10, "energy alone", 2, "energies");
  expect_calls(w, w->layers - 1, 0, "energy alone");
  free_world(w);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

/* ---- failures */

static void expect_status(const world *w, int k, eqs_status status, const char *words) {
  const rank *r = w->rank + k;
  cr_expect_eq(r->status, status, "rank %d: status %d: %s", k, r->status, r->message);
  cr_expect(strstr(r->message, words), "rank %d says '%s', not %s", k, r->message, words);
}

/* A failure in one rank ends the others' evaluations, and then all can go on. */
Test(domain, a_lost_rank_ends_all_and_contexts_live) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 6, EQS_DOUBLE);
  world *w = new_world(m, EQS_DOUBLE);
  answer want = whole(c, m, &small);
  make_cut(w, &small, DEALT, 3);
  for (w->fail_at = 1; w->fail_at <= 2; w->fail_at++) {
    run(w);
    for (int k = 0; k < 3; k++) expect_status(w, k, EQS_ERR_INTERRUPTED, "exchange");
  }
  w->fail_at = 0;
  int z = w->rank[1].number[0];
  w->rank[1].number[0] = 84;
  run(w);
  expect_status(w, 0, EQS_ERR_INTERRUPTED, "exchange");
  expect_status(w, 1, EQS_ERR_ARGUMENT, "atom 1: the model does not know element Z = 84");
  cr_expect_eq(w->rank[1].calls[0], 0, "an exchange before the check");
  w->rank[1].number[0] = z;
  run(w);
  answer got = gather(w, "after failures");
  expect_same(&got, &want, small.n, w, "after failures");
  free_world(w);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

static int nothing(const eqs_rows *rows, void *user) {
  (void)rows;
  ++*(int *)user;
  return 0;
}

/* Two owned atoms and a ghost. */
typedef struct trio {
  int number[3], neighbor[4], calls;
  double position[9];
  int64_t first[3];
  eqs_domain d;
} trio;

static void set_trio(trio *t, int with_list) {
  *t = (trio){.number = {8, 1, 6},
              .neighbor = {1, 2, 2, 0},
              .position = {0, 0, 0, 1.1, 0, 0, 0, 1.3, 0.2},
              .first = {0, 2, 4}};
  t->d = (eqs_domain){.size = sizeof t->d,
                      .n_owned = 2,
                      .n_ghost = 1,
                      .number = t->number,
                      .position = t->position,
                      .first = with_list ? t->first : NULL,
                      .neighbor = with_list ? t->neighbor : NULL,
                      .exchange = nothing,
                      .user = &t->calls};
}

static void refuse(eqs_context *c, const eqs_model *m, const trio *t, eqs_status status,
                   const char *words) {
  double energy;
  eqs_domain_result out = {.size = sizeof out, .energy = &energy};
  cr_expect_eq(eqs_compute_domain(c, m, &t->d, &out), status, "not refused: %s", words);
  cr_expect(strstr(eqs_error(), words), "'%s' does not say %s", eqs_error(), words);
  cr_expect_eq(t->calls, 0, "an exchange before the error about %s", words);
}

static void refuse_atoms(eqs_context *c, const eqs_model *m, int with_list) {
  trio t;
  set_trio(&t, with_list);
  t.number[2] = 0;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 3 (a ghost)");
  set_trio(&t, with_list);
  t.number[1] = -1;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 2: the model does not know");
  set_trio(&t, with_list);
  t.position[8] = NAN;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 3 (a ghost)");
  set_trio(&t, with_list);
  t.position[3] = -INFINITY;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 2: the position");
  set_trio(&t, with_list);
  memcpy(t.position + 6, t.position, 3 * sizeof(double));
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atoms 1 and 3 are on one place");
  set_trio(&t, with_list);
  t.d.n_owned = -1;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "-1 atoms");
  set_trio(&t, with_list);
  t.d.n_ghost = INT32_MAX;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "ghosts");
  set_trio(&t, with_list);
  t.d.position = NULL;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "without numbers or positions");
  set_trio(&t, with_list);
  t.d.exchange = NULL;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "without an exchange");
}

static void refuse_lists(eqs_context *c, const eqs_model *m) {
  const int wrong[] = {3, -1, INT32_MAX, INT32_MIN};
  trio t;
  for (int k = 0; k < 4; k++) {
    set_trio(&t, 1);
    t.neighbor[2] = wrong[k];
    refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 2: its neighbour");
  }
  set_trio(&t, 1);
  t.neighbor[3] = 1;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 2 is a neighbour of itself");
  set_trio(&t, 1);
  t.neighbor[0] = 2;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 1: its neighbour 3 is given twice");
  set_trio(&t, 1);
  t.first[1] = 5;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "atom 2: its neighbours end before they begin");
  set_trio(&t, 1);
  t.first[0] = 1;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "does not begin at 0");
  set_trio(&t, 1);
  t.d.neighbor = NULL;
  refuse(c, m, &t, EQS_ERR_ARGUMENT, "without the neighbours");
}

Test(domain, refusals) {
  eqs_context *c = reference_context();
  eqs_model *m = open_model(c, 0, EQS_DOUBLE), *more = NULL;
  char path[REFERENCE_PATH];
  trio t;
  double energy, want;
  eqs_domain_result out = {.size = sizeof out, .energy = &want};
  refuse_atoms(c, m, 0);
  refuse_atoms(c, m, 1);
  refuse_lists(c, m);
  set_trio(&t, 0); /* and the context still works, with structs of an older caller */
  t.d.n_ghost = 0;
  cr_assert_eq(eqs_compute_domain(c, m, &t.d, &out), EQS_OK, "%s", eqs_error());
  out = (eqs_domain_result){.size = offsetof(eqs_domain_result, energies), .energy = &energy};
  out.forces = (double *)1;
  cr_assert_eq(eqs_compute_domain(c, m, &t.d, &out), EQS_OK, "%s", eqs_error());
  cr_expect_eq(energy, want);
  cr_assert(reference_data("models/tiny_L0.model", path));
  eqs_model_options options = {.size = sizeof options, .dispersion = "d3bj:pbe"};
  cr_assert_eq(eqs_model_load(c, path, &options, &more), EQS_OK, "%s", eqs_error());
  set_trio(&t, 0);
  refuse(c, more, &t, EQS_ERR_UNSUPPORTED, "load the model without it");
  cr_expect_eq(eqs_compute_domain(c, m, NULL, &out), EQS_ERR_ARGUMENT);
  size_t bytes;
  cr_expect_eq(eqs_domain_row_bytes(m, 1, 0, &bytes), EQS_ERR_ARGUMENT);
  cr_expect_eq(eqs_domain_row_bytes(m, info_of(m).n_layer + 1, 1, &bytes), EQS_ERR_ARGUMENT);
  eqs_model_free(&more);
  eqs_model_free(&m);
  eqs_context_free(&c);
}
