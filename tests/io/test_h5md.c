/* test_h5md.c -- H5MD trajectories: what is written is read, also after the writer was killed, and
 * a file that is continued has the frames asked for and no others.
 *
 * SPDX-License-Identifier: MIT */
#include "io/h5md.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 5 };

static const int number[N] = {8, 6, 1, 30, 8};
static const double mass[N] = {16, 12, 1, 65, 16};
static const int pbc[3] = {1, 1, 0};

typedef struct arrays {
  double x[N][3], v[N][3];
  int image[N][3];
} arrays;

static h5md_frame frame(int64_t i, arrays *a) {
  h5md_frame f = {.step = 7 * i,
                  .time = 0.5 * (double)i,
                  .potential = -3 - (double)i,
                  .kinetic = 1 / (1 + (double)i),
                  .x = a->x,
                  .image = a->image,
                  .v = a->v};
  for (int k = 0; k < 9; k++) f.cell[k] = (double)(100 * i + k);
  for (int j = 0; j < N; j++)
    for (int k = 0; k < 3; k++) {
      a->x[j][k] = (double)i + 0.001 * k + 0.1 * j;
      a->v[j][k] = (double)-i + 0.002 * k - 0.1 * j;
      a->image[j][k] = (int)i * 10 + 3 * j + k;
    }
  return f;
}

static void same(h5md *h, int64_t i) {
  arrays a, b;
  h5md_frame want = frame(i, &a), got = {.x = b.x, .image = b.image, .v = b.v};
  cr_assert_eq(h5md_read(h, i, &got), EQS_OK, "%s", eqs_error());
  cr_assert(got.step == want.step && got.time == want.time && got.potential == want.potential &&
            got.kinetic == want.kinetic);
  cr_assert_arr_eq(got.cell, want.cell, sizeof got.cell);
  cr_assert_arr_eq(a.x[0], b.x[0], sizeof a.x);
  cr_assert_arr_eq(a.v[0], b.v[0], sizeof a.v);
  cr_assert_arr_eq(a.image[0], b.image[0], sizeof a.image);
}

static void path_of(char path[64]) { snprintf(path, 64, "test_h5md_%d.h5", (int)getpid()); }

static void need_hdf5(void) {
  if (!h5md_supported()) cr_skip_test("built without HDF5");
}

Test(h5md, frames_come_back) {
  char path[64];
  h5md *h = NULL;
  arrays a;
  int n = 0;
  need_hdf5();
  path_of(path);
  cr_assert_eq(h5md_create(path, N, number, mass, pbc, &h), EQS_OK, "%s", eqs_error());
  for (int64_t i = 0; i < 12; i++) {
    h5md_frame f = frame(i, &a);
    cr_assert_eq(h5md_append(h, &f), EQS_OK, "%s", eqs_error());
  }
  h5md_free(&h);
  cr_assert_eq(h5md_open(path, &n, &h), EQS_OK, "%s", eqs_error());
  cr_assert(n == N && h5md_frames(h) == 12);
  for (int64_t i = 0; i < 12; i++) same(h, i);
  h5md_frame beyond = frame(0, &a);
  cr_assert_eq(h5md_read(h, 12, &beyond), EQS_ERR_ARGUMENT);
  h5md_free(&h);
  /* on from the first seven */
  cr_assert_eq(h5md_continue(path, N, number, mass, pbc, 13, &h), EQS_ERR_FORMAT);
  cr_assert_eq(h5md_continue(path, N + 1, number, mass, pbc, 3, &h), EQS_ERR_FORMAT);
  cr_assert_eq(h5md_continue(path, N, number, mass, pbc, 7, &h), EQS_OK, "%s", eqs_error());
  h5md_frame f = frame(40, &a);
  cr_assert_eq(h5md_append(h, &f), EQS_OK);
  h5md_free(&h);
  cr_assert_eq(h5md_open(path, &n, &h), EQS_OK);
  cr_assert_eq(h5md_frames(h), 8);
  same(h, 6);
  cr_assert_eq(h5md_read(h, 7, &f), EQS_OK);
  cr_assert_eq(f.step, 280);
  h5md_free(&h);
  remove(path);
}

/* A writer that never ends, killed; what is left is read, continued, killed again. */
Test(h5md, killed_at_any_moment) {
  char path[64];
  int64_t before = 0, most = 0;
  need_hdf5();
  path_of(path);
  for (int turn = 0; turn < 20; turn++) {
    pid_t child = fork();
    if (child == 0) {
      h5md *h = NULL;
      arrays a;
      eqs_status status = before ? h5md_continue(path, N, number, mass, pbc, before, &h)
                                 : h5md_create(path, N, number, mass, pbc, &h);
      for (int64_t i = before; status == EQS_OK; i++) {
        h5md_frame f = frame(i, &a);
        status = h5md_append(h, &f);
      }
      _exit(3);
    }
    usleep(20000 + 1700 * (unsigned)turn);
    kill(child, SIGKILL);
    int how, n;
    h5md *h = NULL;
    waitpid(child, &how, 0);
    cr_assert(WIFSIGNALED(how), "the writer failed");
    if (access(path, F_OK)) continue; /* it never began */
    if (h5md_open(path, &n, &h) != EQS_OK) {
      cr_assert_eq(before, 0, "%s", eqs_error()); /* else it was whole before */
      continue;
    }
    cr_assert_geq(h5md_frames(h), before);
    for (int64_t i = 0; i < h5md_frames(h); i++) same(h, i);
    if (h5md_frames(h) > most) most = h5md_frames(h);
    before = h5md_frames(h) / 2;
    h5md_free(&h);
  }
  cr_assert_gt(most, 10);
  remove(path);
}

Test(h5md, what_is_no_trajectory) {
  char path[64];
  h5md *h = NULL;
  int n;
  need_hdf5();
  path_of(path);
  FILE *f = fopen(path, "w");
  fputs("not HDF5 at all", f);
  fclose(f);
  cr_assert_eq(h5md_open(path, &n, &h), EQS_ERR_FORMAT);
  cr_assert_eq(h5md_continue(path, N, number, mass, pbc, 1, &h), EQS_ERR_FORMAT);
  remove(path);
  cr_assert_eq(h5md_open(path, &n, &h), EQS_ERR_FORMAT);
  cr_assert_neq(h5md_create("no/such/folder/x.h5", N, number, mass, pbc, &h), EQS_OK);
  cr_assert_null(h);
}
