/* test_decomposition.c -- a cell over 1, 2, 3, 4, 5 and 8 ranks against a plain sum over images:
 * skew cells, cells thinner than two cutoffs, slabs, chains and clusters, fewer atoms than ranks; a
 * hundred steps of dynamics with atoms that change ranks; balance; failures.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>

#include "core/adsorption/random.h"
#include "core/dynamics/dynamics.h"
#include "toy_ranks.h"

enum { MOST = 512 };

typedef struct setting {
  const char *name;
  int n, pbc[3];
  double cell[9], cutoff;
  int images;     /* that the plain sum needs */
  double squeeze; /* positions take up this part of the cell */
} setting;

typedef struct problem {
  const char *name;
  int n, pbc[3];
  double cell[9], cutoff, squeeze;
  int images, deal; /* deal: how atoms lie on ranks at first */
  int number[MOST];
  double x[MOST][3], inside[MOST][3]; /* given, and the same within the cell */
  /* Results, by id: */
  double energy[MOST], force[MOST][3], virial[MOST][9]; /* virial [rank] */
  int owner[MOST], owned[MOST], ghosts[MOST];           /* owned and ghosts [rank] */
  int back[MOST];                                       /* rows that came home, by id */
} problem;

static void scatter(problem *p, uint64_t seed) {
  double u[3 * MOST];
  random_uniform(seed, 1, 0, 3 * (size_t)p->n, u);
  for (int i = 0; i < p->n; i++) {
    p->number[i] = 1 + i % 5;
    for (int a = 0; a < 3; a++) {
      p->inside[i][a] = 0;
      for (int k = 0; k < 3; k++) p->inside[i][a] += p->squeeze * u[3 * i + k] * p->cell[3 * k + a];
      p->x[i][a] = p->inside[i][a];
      for (int k = 0; k < 3; k++) /* a third of them is given outside */
        p->x[i][a] += i % 3 == 2 && p->pbc[k] ? (k - 2) * p->cell[3 * k + a] : 0;
    }
  }
}

/* Whether rank r starts with atom i. */
static int starts_with(const problem *p, const comm *c, int i) {
  if (p->deal == 0) return i * c->size / p->n == c->rank;
  if (p->deal == 1) return (i * 7 + 3) % c->size == c->rank;
  return c->rank == c->size - 1;
}

/* Every owner sends home what tells atom and owner, twice. */
static eqs_status send_home(domain *d, comm *c, int n, const domain_atom *mine, problem *p) {
  int64_t row[MOST][2], home[MOST][2];
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < d->n_owned; i++) row[i][0] = d->id[i] + pass, row[i][1] = c->rank;
    EQS_TRY(domain_return(d, c, row, sizeof *row, home));
    for (int k = 0; k < n; k++)
      p->back[mine[k].id] += home[k][0] == mine[k].id + pass && home[k][1] == p->owner[mine[k].id];
  }
  return EQS_OK;
}

static eqs_status evaluate(comm *c, void *user) {
  problem *p = user;
  domain_atom mine[MOST];
  domain d = {0};
  toy_part part;
  int n = 0;
  for (int k = p->n - 1; k >= 0; k--) {
    int i = p->deal ? k : p->n - 1 - k;
    if (!starts_with(p, c, i)) continue;
    mine[n] = (domain_atom){.id = i, .number = p->number[i]};
    memcpy(mine[n++].x, p->x[i], sizeof mine->x);
  }
  eqs_status status = domain_place(&d, c, p->cell, p->pbc, p->cutoff, n, mine);
  if (status != EQS_OK) {
    domain_free(&d);
    return status;
  }
  EQS_TRY(toy_domain(&d, c, &part));
  p->owned[c->rank] = d.n_owned;
  p->ghosts[c->rank] = d.n_ghost;
  memcpy(p->virial[c->rank], part.virial, sizeof part.virial);
  for (int i = 0; i < d.n_owned; i++) {
    p->owner[d.id[i]] = c->rank;
    p->energy[d.id[i]] = part.energy[i];
    memcpy(p->force[d.id[i]], part.force[i], sizeof *part.force);
  }
  free(part.energy);
  free(part.force);
  double nothing = 0; /* until all have noted what they own */
  status = comm_sum(c, &nothing, 1);
  if (status == EQS_OK) status = send_home(&d, c, n, mine, p);
  domain_free(&d);
  return status;
}

static const setting settings[] = {
    {"a skew cell", 150, {1, 1, 1}, {15, 1, 0, -6, 16, 2, 3, 5, 17}, 3.5, 1, 1},
    {"a cell that should be another", 60, {1, 1, 1}, {9, 0, 0, 20, 10, 0, -11, 14, 12}, 3, 5, 1},
    {"thinner than two cutoffs", 20, {1, 1, 1}, {4, 0.5, 0, 1, 5, 0, -1, 0.5, 7}, 4.2, 3, 1},
    {"several images", 3, {1, 1, 1}, {2, 0.5, 0, 0.3, 2.5, 0, 0, 0.1, 2.2}, 5, 5, 1},
    {"a slab", 120, {1, 1, 0}, {14, 2, 0, -3, 13, 0, 0, 0, 9}, 4, 1, 1},
    {"a chain", 40, {0, 1, 0}, {6, 0, 0, 3, 9, 1, 0, 0, 6}, 4, 1, 1},
    {"a cluster", 100, {0, 0, 0}, {14, 0, 0, 0, 14, 0, 0, 0, 14}, 3, 0, 1},
    {"a cluster in a corner of a cell", 60, {1, 1, 1}, {30, 0, 0, 0, 31, 0, 0, 0, 29}, 4, 1, 0.3},
    {"fewer atoms than ranks", 2, {1, 1, 1}, {5, 0, 0, 0, 6, 0, 0, 0, 7}, 4, 1, 1},
    {"one atom", 1, {1, 1, 1}, {3, 0, 0, 1, 3, 0, 0, 1, 3}, 4, 3, 1},
};
enum { SETTINGS = sizeof settings / sizeof *settings };
static const int sizes[] = {1, 2, 3, 4, 5, 8};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void start(problem *p, int k, uint64_t seed) {
  const setting *s = settings + k;
  *p = (problem){.name = s->name, .n = s->n, .cutoff = s->cutoff, .images = s->images};
  p->squeeze = s->squeeze;
  memcpy(p->pbc, s->pbc, sizeof p->pbc);
  memcpy(p->cell, s->cell, sizeof p->cell);
  scatter(p, seed);
}

static void compare(problem *p, int size) {
  static double force[MOST][3];
  double energy, virial[9], sum = 0, sums[9] = {0}, off = 0, largest = 0;
  toy_whole(p->n, p->number, (const double(*)[3])p->inside, p->cell, p->pbc, p->cutoff, p->images,
            &energy, force, virial);
  cr_assert_eq(comm_threads_run(size, evaluate, p), EQS_OK, "%s: %s", p->name, eqs_error());
  int owned = 0;
  for (int r = 0; r < size; r++) {
    owned += p->owned[r];
    for (int k = 0; k < 9; k++) sums[k] += p->virial[r][k];
  }
  cr_assert_eq(owned, p->n);
  for (int i = 0; i < p->n; i++) {
    sum += p->energy[i];
    for (int a = 0; a < 3; a++) {
      off = fmax(off, fabs(p->force[i][a] - force[i][a]));
      largest = fmax(largest, fabs(force[i][a]));
    }
  }
  for (int k = 0; k < 9; k++) cr_expect_float_eq(sums[k], virial[k], 1e-9, "%s", p->name);
  cr_expect_float_eq(sum, energy, 1e-10 * p->n);
  cr_expect_leq(off, 1e-10, "%s on %d ranks: %g of %g", p->name, size, off, largest);
  cr_expect(largest > 0.01 || p->n == 1, "%s: there are no forces", p->name);
}

Test(decomposition, forces_do_not_depend_on_ranks) {
  static problem p;
  for (int k = 0; k < SETTINGS; k++)
    for (int s = 0; s < SIZES; s++) {
      start(&p, k, (uint64_t)k);
      compare(&p, sizes[s]);
    }
}

Test(decomposition, same_bits_wherever_atoms_were) {
  static problem p, q;
  for (int k = 0; k < SETTINGS; k++)
    for (int deal = 1; deal < 3; deal++) {
      start(&p, k, (uint64_t)k);
      q = p;
      q.deal = deal;
      cr_assert_eq(comm_threads_run(4, evaluate, &p), EQS_OK);
      cr_assert_eq(comm_threads_run(4, evaluate, &q), EQS_OK);
      for (int i = 0; i < p.n; i++) {
        cr_expect_eq(p.owner[i], q.owner[i]);
        cr_expect_eq(p.energy[i], q.energy[i], "%s", p.name);
        for (int a = 0; a < 3; a++) cr_expect_eq(p.force[i][a], q.force[i][a], "%s", p.name);
      }
    }
}

Test(decomposition, rows_come_home) {
  static problem p;
  for (int k = 0; k < SETTINGS; k++)
    for (int deal = 0; deal < 3; deal++) {
      start(&p, k, 3);
      p.deal = deal;
      cr_assert_eq(comm_threads_run(deal ? 5 : 3, evaluate, &p), EQS_OK);
      for (int i = 0; i < p.n; i++) cr_expect_eq(p.back[i], 2, "%s: atom %d", p.name, i);
    }
}

/* ---- dynamics */

typedef struct sharded {
  problem p;
  int size, moved, steps, before[MOST];
} sharded;

static eqs_status force_of(void *context, int n, const double (*x)[3], const double cell[9],
                           double *energy, double (*force)[3], double stress[9]) {
  sharded *s = context;
  problem *p = &s->p;
  memcpy(p->x, x, (size_t)n * sizeof *x);
  memcpy(p->cell, cell, sizeof p->cell);
  EQS_TRY(comm_threads_run(s->size, evaluate, p));
  memcpy(force, p->force, (size_t)n * sizeof *force);
  *energy = 0;
  for (int i = 0; i < n; i++) *energy += p->energy[i];
  memset(stress, 0, 9 * sizeof *stress);
  for (int i = 0; i < n && s->steps; i++) s->moved += p->owner[i] != s->before[i];
  memcpy(s->before, p->owner, sizeof s->before);
  s->steps++;
  return EQS_OK;
}

Test(decomposition, a_hundred_steps_with_migration) {
  static sharded alone, many;
  static const int counts[] = {2, 3, 8};
  double mass[MOST];
  dynamics one = {0}, d = {0};
  dynamics_settings s = {.step = 1, .temperature = 600, .seed = 4, .force = force_of};
  for (int i = 0; i < MOST; i++) mass[i] = 12;
  for (int k = 0; k < 4; k++) {
    sharded *at = k ? &many : &alone;
    dynamics *to = k ? &d : &one;
    *at = (sharded){.size = k ? counts[k - 1] : 1};
    start(&at->p, 0, 9);
    s.context = at;
    cr_assert_eq(dynamics_open(to, &s, at->p.n, mass, (const double(*)[3])at->p.x, NULL, at->p.cell,
                               at->p.pbc),
                 EQS_OK);
    for (int step = 0; step < 100; step++) cr_assert_eq(dynamics_step(to), EQS_OK);
    if (!k) continue;
    double off = 0, way = 0;
    for (int i = 0; i < d.n; i++)
      for (int a = 0; a < 3; a++) {
        off = fmax(off, fabs(d.force[i][a] - one.force[i][a]));
        way = fmax(way, fabs(d.v[i][a]) * 100);
      }
    cr_expect_leq(off, 1e-10, "%d ranks", at->size);
    cr_expect_gt(at->moved, 10);
    cr_expect_gt(way, 1);
    dynamics_free(&d);
  }
  dynamics_free(&one);
}

/* ---- balance, and what must not be */

Test(decomposition, shares_are_equal) {
  static problem p;
  start(&p, 0, 1);
  p.n = MOST;
  scatter(&p, 3);
  for (int s = 1; s < SIZES; s++) {
    int least = MOST, most = 0;
    cr_assert_eq(comm_threads_run(sizes[s], evaluate, &p), EQS_OK);
    for (int r = 0; r < sizes[s]; r++) {
      least = p.owned[r] < least ? p.owned[r] : least;
      most = p.owned[r] > most ? p.owned[r] : most;
    }
    cr_expect_leq(most - least, 2, "%d ranks: %d to %d", sizes[s], least, most);
  }
}

/* The ghosts of every rank counted by brute force: images within reach of the box of its atoms. */
Test(decomposition, ghosts_lie_within_one_cutoff) {
  static problem p;
  start(&p, 0, 1);
  p.n = 400;
  memcpy(p.cell, (double[9]){40, 0, 0, 0, 30, 0, 0, 0, 25}, sizeof p.cell);
  p.cutoff = 4;
  scatter(&p, 5);
  cr_assert_eq(comm_threads_run(4, evaluate, &p), EQS_OK);
  for (int r = 0; r < 4; r++) {
    double low[3] = {1e9, 1e9, 1e9}, high[3] = {-1e9, -1e9, -1e9};
    int want = 0;
    for (int pass = 0; pass < 2; pass++)
      for (int i = 0; i < p.n; i++) {
        double y[3];
        for (int k = 0; k < 3; k++) {
          double side = p.cell[4 * k];
          y[k] = p.x[i][k] - side * floor(p.x[i][k] / side);
          if (pass == 0 && p.owner[i] == r) {
            low[k] = fmin(low[k], y[k]);
            high[k] = fmax(high[k], y[k]);
          }
        }
        for (int s = 0; pass == 1 && s < 27; s++) {
          int t[3] = {s % 3 - 1, s / 3 % 3 - 1, s / 9 - 1}, inside = 1;
          for (int k = 0; k < 3; k++) {
            double z = y[k] + t[k] * p.cell[4 * k];
            inside &= z > low[k] - 4 && z < high[k] + 4;
          }
          want += inside && !(p.owner[i] == r && s == 13);
        }
      }
    cr_expect_eq(p.ghosts[r], want);
    cr_expect_gt(want, 50);
  }
}

Test(decomposition, faults) {
  static problem p;
  start(&p, 0, 1);
  p.x[77][1] = NAN;
  cr_expect_eq(comm_threads_run(3, evaluate, &p), EQS_ERR_ARGUMENT);
  cr_expect(strstr(eqs_error(), "atom 78") != NULL, "%s", eqs_error());
  scatter(&p, 1);
  memset(p.cell + 3, 0, 3 * sizeof *p.cell);
  cr_expect_eq(comm_threads_run(3, evaluate, &p), EQS_ERR_ARGUMENT);
  start(&p, 0, 1);
  p.cutoff = 0;
  cr_expect_eq(comm_threads_run(2, evaluate, &p), EQS_ERR_ARGUMENT);
  p.cutoff = 1e6;
  cr_expect_eq(comm_threads_run(2, evaluate, &p), EQS_ERR_ARGUMENT);
}
