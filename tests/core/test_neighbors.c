/* test_neighbors.c -- the cell lists against brute force over images, on random cells of every kind
 * (oblique, tiny, flat, any periodicity, atoms outside), batches, ordering, pairing, and errors.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"

enum { MAX_ATOMS = 24 };

struct sample {
  int n;
  double position[3 * MAX_ATOMS];
  double cell[9];
  int pbc[3];
  double cutoff;
};

/* splitmix64 */
static uint64_t next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static double uniform(uint64_t *state, double low, double high) {
  return low + (high - low) * (double)(next(state) >> 11) * 0x1p-53;
}

static int below(uint64_t *state, int n) { return (int)(next(state) % (uint64_t)n); }

static double distance2(const double *a, const double *b) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) r2 += (a[k] - b[k]) * (a[k] - b[k]);
  return r2;
}

/* A cell of edge `size`, sheared by adding multiples of the other rows `oblique` times. */
static void random_cell(uint64_t *state, double size, int oblique, double cell[9]) {
  do {
    for (int k = 0; k < 9; k++)
      cell[k] = (k % 4 == 0 ? size : 0) + uniform(state, -0.4 * size, 0.4 * size);
  } while (fabs(cell_volume(cell)) < 0.2 * size * size * size);
  for (int k = 0; k < oblique; k++) {
    int row = below(state, 3), other = (row + 1 + below(state, 2)) % 3, m = below(state, 5) - 2;
    for (int a = 0; a < 3; a++) cell[3 * row + a] += m * cell[3 * other + a];
  }
}

static void random_sample(uint64_t seed, struct sample *s) {
  uint64_t state = seed;
  memset(s, 0, sizeof *s);
  int kind = (int)(seed % 5);
  double size = kind == 0 ? uniform(&state, 1.0, 2.0) : uniform(&state, 3, 14);
  double spread = kind == 3 ? 3 : 0;
  s->cutoff = kind == 0 ? uniform(&state, 2, 6) : uniform(&state, 2, 7);
  random_cell(&state, size, kind == 1 ? 3 : 0, s->cell);
  int mask = below(&state, 8);
  for (int k = 0; k < 3; k++) s->pbc[k] = kind == 4 || (mask >> k & 1);
  int want = kind == 0 ? 1 + below(&state, 3) : 1 + below(&state, MAX_ATOMS);
  for (int tries = 0; s->n < want && tries < 1000; tries++) {
    double *x = s->position + 3 * s->n, f[3];
    for (int k = 0; k < 3; k++) f[k] = uniform(&state, -spread, spread + 1);
    for (int a = 0; a < 3; a++) {
      x[a] = 0;
      for (int k = 0; k < 3; k++) x[a] += f[k] * s->cell[3 * k + a];
    }
    int apart = 1;
    for (int i = 0; i < s->n; i++) apart &= distance2(x, s->position + 3 * i) > 0.01;
    s->n += apart;
  }
  for (int k = 0; k < 3; k++)
    if (!s->pbc[k] && (seed & 8)) memset(s->cell + 3 * k, 0, 3 * sizeof(double));
}

static eqs_systems as_batch(const struct sample *s, int first[2]) {
  first[0] = 0;
  first[1] = s->n;
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .position = s->position,
                    .cell = s->cell,
                    .pbc = s->pbc};
  return in;
}

/* How many translations along k could matter: |f_k| <= |v| sqrt((G^-1)_kk), G the Gram matrix of
 * the periodic vectors, |v| at most the cutoff plus the structure's extent. */
static void image_range(const struct sample *s, int range[3]) {
  double gram[9], inverse[9], apart = 0;
  for (int k = 0; k < 9; k++) {
    const double *p = s->cell + 3 * (k / 3), *q = s->cell + 3 * (k % 3);
    int periodic = s->pbc[k / 3] && s->pbc[k % 3];
    gram[k] = periodic ? p[0] * q[0] + p[1] * q[1] + p[2] * q[2] : k % 4 == 0;
  }
  cr_assert(cell_inverse(gram, inverse));
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < s->n; j++)
      apart = fmax(apart, sqrt(distance2(s->position + 3 * i, s->position + 3 * j)));
  for (int k = 0; k < 3; k++)
    range[k] = s->pbc[k] ? (int)ceil((s->cutoff + apart) * sqrt(inverse[4 * k])) : 0;
}

/* Walks all images in the order that the list promises and compares edge by edge. */
static void compare_brute_force(const struct sample *s, const neighbors *nb) {
  int range[3], at = 0;
  image_range(s, range);
  for (int i = 0; i < s->n; i++) {
    cr_assert_eq(nb->first[i], at);
    for (int j = 0; j < s->n; j++)
      for (int p = -range[0]; p <= range[0]; p++)
        for (int q = -range[1]; q <= range[1]; q++)
          for (int r = -range[2]; r <= range[2]; r++) {
            double v[3];
            for (int a = 0; a < 3; a++) {
              v[a] = s->position[3 * j + a] - s->position[3 * i + a];
              if (s->pbc[0]) v[a] += p * s->cell[a];
              if (s->pbc[1]) v[a] += q * s->cell[3 + a];
              if (s->pbc[2]) v[a] += r * s->cell[6 + a];
            }
            double r2 = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
            if (r2 >= s->cutoff * s->cutoff || (i == j && !p && !q && !r)) continue;
            cr_assert_lt(at, nb->n_edge, "an edge is missing: %d %d (%d %d %d)", i, j, p, q, r);
            const int *t = nb->image[at];
            cr_assert(nb->center[at] == i && nb->neighbor[at] == j && t[0] == p && t[1] == q &&
                          t[2] == r,
                      "edge %d is %d %d (%d %d %d), want %d %d (%d %d %d)", at, nb->center[at],
                      nb->neighbor[at], t[0], t[1], t[2], i, j, p, q, r);
            for (int a = 0; a < 3; a++) cr_assert(fabs(nb->vector[at][a] - v[a]) < 1e-11);
            at++;
          }
  }
  cr_assert_eq(at, nb->n_edge, "%d edges, want %d", nb->n_edge, at);
  cr_assert_eq(nb->first[s->n], at);
}

/* The transpose is a permutation, grouped by neighbour, ascending; and every edge has its reverse
 * with exactly the opposite vector. */
static void check_transpose(const neighbors *nb) {
  for (int j = 0; j < nb->n; j++)
    for (int t = nb->transpose_first[j]; t < nb->transpose_first[j + 1]; t++) {
      cr_assert_eq(nb->neighbor[nb->transpose[t]], j);
      if (t > nb->transpose_first[j]) cr_assert_lt(nb->transpose[t - 1], nb->transpose[t]);
    }
  cr_assert_eq(nb->transpose_first[nb->n], nb->n_edge);
  for (int e = 0; e < nb->n_edge; e++) {
    int j = nb->neighbor[e], found = 0;
    for (int f = nb->first[j]; f < nb->first[j + 1] && !found; f++) {
      found = nb->neighbor[f] == nb->center[e];
      for (int a = 0; a < 3; a++)
        found =
            found && nb->image[f][a] == -nb->image[e][a] && nb->vector[f][a] == -nb->vector[e][a];
    }
    cr_assert(found, "edge %d has no exact opposite", e);
  }
}

Test(neighbors, brute_force) {
  neighbors nb = {0};
  int edges = 0, compared = 0;
  for (uint64_t seed = 1; seed <= 400; seed++) {
    struct sample s;
    int first[2], range[3];
    random_sample(seed, &s);
    image_range(&s, range);
    double work = s.n * s.n;
    for (int k = 0; k < 3; k++) work *= 2 * range[k] + 1;
    if (work > 3e6) continue;
    eqs_systems in = as_batch(&s, first);
    cr_assert_eq(neighbors_build(&nb, &in, s.cutoff), EQS_OK, "sample %d: %s", (int)seed,
                 eqs_error());
    compare_brute_force(&s, &nb);
    check_transpose(&nb);
    edges += nb.n_edge;
    compared++;
  }
  cr_assert_gt(compared, 350);
  cr_assert_gt(edges, 20000);
  neighbors_free(&nb);
  neighbors_free(&nb);
}

/* The same lattice by a basis sheared a thousand times over has the same distances. */
Test(neighbors, sheared_basis) {
  struct sample s = {.n = 3,
                     .cutoff = 5,
                     .pbc = {1, 1, 1},
                     .cell = {3.1, 0.2, 0, -0.4, 3.3, 0.1, 0.3, 0.2, 2.9},
                     .position = {0, 0, 0, 1.4, 1.2, 0.3, -7.0, 20.2, 11.1}};
  int first[2];
  neighbors a = {0}, b = {0};
  eqs_systems in = as_batch(&s, first);
  cr_assert_eq(neighbors_build(&a, &in, s.cutoff), EQS_OK);
  for (int k = 0; k < 3; k++) s.cell[k] += 1000 * s.cell[3 + k] - 700 * s.cell[6 + k];
  for (int k = 0; k < 3; k++) s.cell[6 + k] += 30 * s.cell[k];
  cr_assert_eq(neighbors_build(&b, &in, s.cutoff), EQS_OK, "%s", eqs_error());
  cr_assert_eq(a.n_edge, b.n_edge);
  double sum_a = 0, sum_b = 0;
  for (int e = 0; e < a.n_edge; e++) {
    sum_a += sqrt(distance2(a.vector[e], (double[3]){0, 0, 0}));
    sum_b += sqrt(distance2(b.vector[e], (double[3]){0, 0, 0}));
  }
  cr_assert(fabs(sum_a - sum_b) < 1e-6);
  check_transpose(&b);
  neighbors_free(&a);
  neighbors_free(&b);
}

Test(neighbors, batch_is_one_by_one) {
  enum { SYSTEMS = 12 };
  static struct sample s[SYSTEMS];
  static double position[3 * MAX_ATOMS * SYSTEMS], cell[9 * SYSTEMS];
  int first[SYSTEMS + 1] = {0}, pbc[3 * SYSTEMS], at = 0;
  for (int k = 0; k < SYSTEMS; k++) {
    random_sample((uint64_t)(k + 1000), &s[k]);
    if (k == 4) s[k].n = 0;
    memcpy(position + 3 * first[k], s[k].position, 3 * sizeof(double) * (size_t)s[k].n);
    memcpy(cell + 9 * k, s[k].cell, sizeof s[k].cell);
    memcpy(pbc + 3 * k, s[k].pbc, sizeof s[k].pbc);
    first[k + 1] = first[k] + s[k].n;
  }
  eqs_systems all = {.size = sizeof all,
                     .n_system = SYSTEMS,
                     .first = first,
                     .position = position,
                     .cell = cell,
                     .pbc = pbc};
  neighbors batch = {0}, one = {0};
  cr_assert_eq(neighbors_build(&batch, &all, 4.5), EQS_OK, "%s", eqs_error());
  check_transpose(&batch);
  for (int k = 0; k < SYSTEMS; k++) {
    int alone[2];
    eqs_systems in = as_batch(&s[k], alone);
    cr_assert_eq(neighbors_build(&one, &in, 4.5), EQS_OK);
    for (int e = 0; e < one.n_edge; e++, at++) {
      cr_assert_eq(batch.center[at], one.center[e] + first[k]);
      cr_assert_eq(batch.neighbor[at], one.neighbor[e] + first[k]);
      cr_assert_eq(memcmp(batch.image[at], one.image[e], sizeof one.image[e]), 0);
      cr_assert_eq(memcmp(batch.vector[at], one.vector[e], sizeof one.vector[e]), 0);
    }
  }
  cr_assert_eq(at, batch.n_edge);
  neighbors_free(&batch);
  neighbors_free(&one);
}

Test(neighbors, empty) {
  neighbors nb = {0};
  int none[1] = {0}, one[2] = {0, 1}, empty[3] = {0, 0, 0};
  double x[3] = {1e5, -3, 2};
  eqs_systems in = {.size = sizeof in, .n_system = 0, .first = none};
  cr_assert_eq(neighbors_build(&nb, &in, 5), EQS_OK);
  cr_assert(nb.n == 0 && nb.n_edge == 0 && nb.first[0] == 0 && nb.transpose_first[0] == 0);
  in.n_system = 2;
  in.first = empty;
  cr_assert_eq(neighbors_build(&nb, &in, 5), EQS_OK);
  cr_assert(nb.n == 0 && nb.n_edge == 0);
  in.n_system = 1;
  in.first = one;
  in.position = x;
  cr_assert_eq(neighbors_build(&nb, &in, 5), EQS_OK);
  cr_assert(nb.n == 1 && nb.n_edge == 0 && nb.first[1] == 0);
  neighbors_free(&nb);
}

/* |v| < cutoff is strict: a simple cubic lattice of constant 2 has 6 neighbours nearer than
 * sqrt(8), 18 nearer than sqrt(12), and none at exactly 2. */
Test(neighbors, strict_cutoff) {
  struct sample s = {.n = 1, .pbc = {1, 1, 1}, .cell = {2, 0, 0, 0, 2, 0, 0, 0, 2}};
  double cutoff[] = {2.0, 2.0000001, 2.82, 2.83, 3.46, 3.47};
  int want[] = {0, 6, 6, 18, 18, 26}, first[2];
  neighbors nb = {0};
  eqs_systems in = as_batch(&s, first);
  for (int k = 0; k < 6; k++) {
    cr_assert_eq(neighbors_build(&nb, &in, cutoff[k]), EQS_OK);
    cr_assert_eq(nb.n_edge, want[k], "%d edges within %g", nb.n_edge, cutoff[k]);
  }
  neighbors_free(&nb);
}

/* Enough atoms for many bins: the count of pairs against an O(n^2) minimum-image count, and a
 * cluster far from one lost atom. */
Test(neighbors, many_atoms) {
  enum { N = 3000 };
  static double x[3 * N];
  uint64_t state = 7;
  double size = 40, cutoff = 6, cell[9] = {size, 0, 0, 0, size, 0, 0, 0, size};
  int first[2] = {0, N}, pbc[3] = {1, 1, 1}, pairs = 0;
  for (int k = 0; k < 3 * N; k++) x[k] = uniform(&state, -size, 2 * size);
  eqs_systems in = {
      .size = sizeof in, .n_system = 1, .first = first, .position = x, .cell = cell, .pbc = pbc};
  neighbors nb = {0};
  cr_assert_eq(neighbors_build(&nb, &in, cutoff), EQS_OK, "%s", eqs_error());
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double r2 = 0;
      for (int a = 0; a < 3; a++) r2 += pow(remainder(x[3 * i + a] - x[3 * j + a], size), 2);
      pairs += i != j && r2 < cutoff * cutoff;
    }
  cr_assert_eq(nb.n_edge, pairs);
  x[0] = x[1] = x[2] = 1e8;
  in.pbc = NULL;
  cr_assert_eq(neighbors_build(&nb, &in, cutoff), EQS_OK, "%s", eqs_error());
  cr_assert_eq(nb.first[1], 0);
  neighbors_free(&nb);
}

static void refuse(const eqs_systems *in, double cutoff, const char *word) {
  neighbors nb = {0};
  cr_assert_eq(neighbors_build(&nb, in, cutoff), EQS_ERR_ARGUMENT, "not refused: %s", word);
  cr_assert(strstr(eqs_error(), word), "message '%s' lacks '%s'", eqs_error(), word);
  neighbors_free(&nb);
}

Test(neighbors, bad_structures) {
  struct sample s = {.n = 2,
                     .pbc = {1, 1, 1},
                     .cell = {4, 0, 0, 0, 4, 0, 0, 0, 4},
                     .position = {0, 0, 0, 2, 2, 2}},
                t = s;
  int first[2];
  eqs_systems in = as_batch(&t, first);
  t = s, t.position[4] = NAN;
  refuse(&in, 5, "system 1, atom 2");
  t = s, t.position[0] = INFINITY;
  refuse(&in, 5, "system 1, atom 1");
  t = s, t.position[3] = t.position[4] = t.position[5] = 4.0001;
  refuse(&in, 5, "atoms 1 and 2");
  t = s, t.cell[8] = 0;
  refuse(&in, 5, "singular");
  t = s, memcpy(t.cell + 3, t.cell, 3 * sizeof(double));
  refuse(&in, 5, "singular");
  t = s, t.cell[6] = 4, t.cell[7] = 8, t.cell[8] = 0;
  refuse(&in, 5, "singular");
  t = s, t.cell[4] = NAN;
  refuse(&in, 5, "lattice vector 2");
  t = s, t.cell[0] = t.cell[4] = t.cell[8] = 0.01;
  refuse(&in, 50, "pairs");
  t = s, t.pbc[1] = t.pbc[2] = 0, t.cell[0] = 1e-6;
  refuse(&in, 5, "singular");
  t = s, t.cell[0] = 1e-2, t.position[0] = 1e9;
  refuse(&in, 5, "wrap");
  t = s, t.cell[0] = 1e-2, t.position[0] = t.position[3] = 1e9;
  refuse(&in, 5, "wrap");
  t = s, t.cell[0] = 1, t.cell[3] = 1e8, t.cell[4] = 1;
  refuse(&in, 5, "wrap");
  t = s, t.pbc[2] = 0, t.cell[6] = t.cell[7] = t.cell[8] = NAN;
  neighbors nb = {0};
  cr_assert_eq(neighbors_build(&nb, &in, 5), EQS_OK);
  neighbors_free(&nb);
}

Test(neighbors, bad_arguments) {
  struct sample s = {.n = 2,
                     .pbc = {1, 1, 1},
                     .cell = {4, 0, 0, 0, 4, 0, 0, 0, 4},
                     .position = {0, 0, 0, 2, 2, 2}};
  int first[2], down[3] = {0, 2, 1}, start[2] = {1, 2};
  eqs_systems good = as_batch(&s, first), in = good;
  refuse(&in, 0, "cutoff");
  refuse(&in, -1, "cutoff");
  refuse(&in, NAN, "cutoff");
  refuse(&in, INFINITY, "cutoff");
  refuse(NULL, 5, "batch");
  refuse(&in, 1e6, "pairs");
  in.cell = NULL;
  refuse(&in, 5, "no cell");
  in = good, in.position = NULL;
  refuse(&in, 5, "positions");
  in = good, in.n_system = 2, in.first = down, in.pbc = NULL;
  refuse(&in, 5, "decrease");
  in = good, in.first = start;
  refuse(&in, 5, "offsets");
  in = good, in.n_system = -1;
  refuse(&in, 5, "n_system");
}

Test(cell, algebra) {
  double cell[9] = {3, 0.5, 0, -1, 4, 0.2, 0.3, -0.7, 5}, inverse[9], width[3];
  cr_assert(cell_inverse(cell, inverse));
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 3; c++) {
      double sum = 0;
      for (int k = 0; k < 3; k++) sum += cell[3 * r + k] * inverse[3 * k + c];
      cr_assert(fabs(sum - (r == c)) < 1e-14);
    }
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) { /* the width is one over the length of the reciprocal vector */
    double g = sqrt(pow(inverse[k], 2) + pow(inverse[3 + k], 2) + pow(inverse[6 + k], 2));
    cr_assert(fabs(width[k] * g - 1) < 1e-14);
  }
  double swapped[9] = {-1, 4, 0.2, 3, 0.5, 0, 0.3, -0.7, 5};
  cr_assert(fabs(cell_volume(cell) + cell_volume(swapped)) < 1e-12);
  double flat[9] = {1, 0, 0, 0, 1, 0, 1, 1, 0}, bad[9] = {NAN};
  cr_assert_not(cell_inverse(flat, inverse));
  cr_assert_not(cell_inverse(bad, inverse));
}
