/* test_random.c -- Philox against the published vectors, and the moments of poses drawn from it.
 *
 * Vectors: Random123 (Salmon et al., SC11 2011), file kat_vectors, lines "philox4x32 10".
 * Moments: for a rotation uniform on SO(3), <R_ij> = 0, <R_ij R_kl> = delta_ik delta_jl / 3,
 * <R_33^4> = 1/5; |cos(angle/2)| of the quaternion has <q_i^2> = 1/4, <q_i^4> = 1/8.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pose.h"
#include "core/adsorption/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(random, philox_known_answers) {
  static const struct {
    uint32_t counter[4], key[2], want[4];
  } cases[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t got[4];
    philox4x32(cases[i].counter, cases[i].key, got);
    cr_assert(memcmp(got, cases[i].want, sizeof got) == 0, "vector %zu", i);
  }
}

Test(random, draws_are_functions_of_their_index) {
  double a[6], b[6], c[6];
  random_uniform(7, 3, 123456789012345, 6, a);
  random_uniform(7, 3, 5, 6, b);
  random_uniform(7, 3, 123456789012345, 6, c);
  cr_assert(memcmp(a, c, sizeof a) == 0);
  cr_assert(memcmp(a, b, sizeof a) != 0);
  random_uniform(8, 3, 123456789012345, 6, b);
  cr_assert(memcmp(a, b, sizeof a) != 0, "another seed");
  random_uniform(7, 4, 123456789012345, 6, b);
  cr_assert(memcmp(a, b, sizeof a) != 0, "another stream");
  random_uniform(7, 3, 123456789012345, 3, b);
  cr_assert(memcmp(a, b, 3 * sizeof *a) == 0, "a shorter request is a prefix");
  random_uniform_from(7, 3, 123456789012345, 2, 4, b);
  cr_assert(memcmp(a + 2, b, 4 * sizeof *a) == 0, "a later one is the rest");
}

Test(random, uniform_moments) {
  enum { N = 200000 };
  double sum = 0, square = 0, cross = 0, lowest = 1, highest = 0;
  for (uint64_t i = 0; i < N; i++) {
    double u[2];
    random_uniform(1, 0, i, 2, u);
    sum += u[0];
    square += u[0] * u[0];
    cross += (u[0] - 0.5) * (u[1] - 0.5);
    lowest = fmin(lowest, u[0]);
    highest = fmax(highest, u[0]);
  }
  /* five standard errors each */
  cr_assert(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
  cr_assert(fabs(square / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
  cr_assert(fabs(cross / N) < 5 * sqrt(1.0 / 144 / N));
  cr_assert(lowest >= 0 && lowest < 1e-4 && highest < 1 && highest > 1 - 1e-4);
}

/* A "molecule" whose atoms are the unit vectors: its placed atoms are the columns of R. */
static const gas axes = {.name = "axes", .n = 3, .position = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

Test(pose, rotations_are_orthogonal_and_uniform) {
  enum { N = 100000 };
  const double cell[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  double first[9] = {0}, second[9][9] = {{0}}, fourth = 0, q2[4] = {0}, q4[4] = {0};
  for (uint64_t i = 0; i < N; i++) {
    pose p;
    double x[GAS_MAX_ATOMS][3], r[9];
    pose_draw(11, 0, i, cell, &p);
    pose_place(&p, &axes, x);
    for (int a = 0; a < 3; a++)
      for (int k = 0; k < 3; k++) r[3 * k + a] = x[a][k] - p.position[k];
    double det = r[0] * (r[4] * r[8] - r[5] * r[7]) - r[1] * (r[3] * r[8] - r[5] * r[6]) +
                 r[2] * (r[3] * r[7] - r[4] * r[6]);
    cr_assert(fabs(det - 1) < 1e-12, "a proper rotation");
    for (int a = 0; a < 9; a++) {
      first[a] += r[a];
      for (int b = 0; b < 9; b++) second[a][b] += r[a] * r[b];
    }
    fourth += r[8] * r[8] * r[8] * r[8];
    for (int k = 0; k < 4; k++) {
      q2[k] += p.quaternion[k] * p.quaternion[k];
      q4[k] += pow(p.quaternion[k], 4);
    }
  }
  double tol = 5 / sqrt((double)N); /* every quantity has a variance below 1 */
  for (int a = 0; a < 9; a++) {
    cr_assert(fabs(first[a] / N) < tol);
    for (int b = 0; b < 9; b++)
      cr_assert(fabs(second[a][b] / N - (a == b ? 1.0 / 3 : 0)) < tol * 0.4, "R%d R%d", a, b);
  }
  cr_assert(fabs(fourth / N - 0.2) < tol * 0.3);
  for (int k = 0; k < 4; k++) {
    cr_assert(fabs(q2[k] / N - 0.25) < tol * 0.3);
    cr_assert(fabs(q4[k] / N - 0.125) < tol * 0.2);
  }
}

Test(pose, positions_are_uniform_in_an_oblique_cell) {
  enum { N = 100000 };
  const double cell[9] = {4, 0, 0, 1, 5, 0, -2, 1, 3};
  double mean[3] = {0};
  for (uint64_t i = 0; i < N; i++) {
    pose p;
    pose_draw(5, 9, i, cell, &p);
    for (int k = 0; k < 3; k++) mean[k] += p.position[k] / N;
  }
  for (int k = 0; k < 3; k++) {
    double want = (cell[k] + cell[3 + k] + cell[6 + k]) / 2;
    double sigma =
        sqrt((cell[k] * cell[k] + cell[3 + k] * cell[3 + k] + cell[6 + k] * cell[6 + k]) / 12 / N);
    cr_assert(fabs(mean[k] - want) < 5 * sigma);
  }
}
