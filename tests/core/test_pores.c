/* test_pores.c -- pores of made-up frameworks against exact formulas and against a flood fill.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pore_grid.h"
#include "core/adsorption/pore_radii.h"
#include "core/adsorption/pore_union.h"
#include "core/adsorption/pores.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 4000 };
static const double pi = 3.14159265358979323846;

typedef struct world {
  workspace work;
  double x[MANY][3], radius[MANY], cell[9];
  int n;
  pores *pores;
} world;

static void add(world *w, double x, double y, double z, double radius) {
  cr_assert_lt(w->n, MANY);
  const double at[3] = {x, y, z};
  memcpy(w->x[w->n], at, sizeof at);
  w->radius[w->n++] = radius;
}

static world *new_world(double a, double b, double c) {
  world *w = calloc(1, sizeof *w);
  cr_assert(w);
  cr_assert(workspace_set_threads(&w->work, 2) == EQS_OK);
  w->cell[0] = a, w->cell[4] = b, w->cell[8] = c;
  return w;
}

static void look(world *w, double spacing) {
  pores_free(&w->pores);
  cr_assert(pores_open(w->n, w->x[0], w->radius, w->cell, spacing, &w->work, NULL, NULL,
                       &w->pores) == EQS_OK,
            "%s", eqs_error());
}

static pores_diameters diameters(world *w) {
  pores_diameters d;
  cr_assert(pores_find_diameters(w->pores, &d) == EQS_OK, "%s", eqs_error());
  return d;
}

static void probe(world *w, double radius) {
  cr_assert(pores_set_probe(w->pores, radius) == EQS_OK, "%s", eqs_error());
}

static void close_world(world *w) {
  pores_free(&w->pores);
  workspace_free(&w->work);
  free(w);
}

/* Another basis of the same lattice, and everything turned about an odd axis. */
static void shear_and_turn(world *w) {
  static const int m[9] = {1, 0, 0, 2, 1, 0, -3, 2, 1};
  const double c = cos(0.7), s = sin(0.7), d = cos(1.9), t = sin(1.9);
  const double turn[9] = {c, s * d, s * t, -s, c * d, c * t, 0, -t, d};
  double cell[9];
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      cell[3 * i + k] =
          m[3 * i] * w->cell[k] + m[3 * i + 1] * w->cell[3 + k] + m[3 * i + 2] * w->cell[6 + k];
  for (int i = 0; i < w->n + 3; i++) {
    double *v = i < w->n ? w->x[i] : cell + 3 * (i - w->n), u[3];
    for (int k = 0; k < 3; k++) u[k] = v[0] * turn[k] + v[1] * turn[3 + k] + v[2] * turn[6 + k];
    memcpy(v, u, sizeof u);
  }
  memcpy(w->cell, cell, sizeof cell);
}

static void check_diameters(world *w, double di, double df, double dif) {
  pores_diameters d = diameters(w);
  cr_expect_float_eq(d.di, di, 2e-3, "Di %.5f, not %.5f", d.di, di);
  cr_expect_float_eq(d.df, df, 0.01, "Df %.5f, not %.5f", d.df, df);
  cr_expect_float_eq(d.dif, dif, 2e-3, "Dif %.5f, not %.5f", d.dif, dif);
}

Test(pores, simple_cubic) {
  const double a = 10, r = 2;
  for (int turned = 0; turned < 2; turned++)
    for (double spacing = 0.13; spacing < 0.6; spacing += 0.2) {
      world *w = new_world(a, a, a);
      add(w, 0.3, -21.2, 4.4, r);
      if (turned) shear_and_turn(w);
      look(w, spacing);
      check_diameters(w, sqrt(3) * a - 2 * r, sqrt(2) * a - 2 * r, sqrt(3) * a - 2 * r);
      close_world(w);
    }
}

Test(pores, body_centered) {
  const double a = 9, r = 1.3;
  for (int turned = 0; turned < 2; turned++) {
    world *w = new_world(a, a, a);
    add(w, 0, 0, 0, r);
    add(w, a / 2, a / 2, a / 2, r);
    if (turned) shear_and_turn(w);
    look(w, 0.17);
    double di = sqrt(5) / 2 * a - 2 * r, df = 3 * sqrt(2) / 4 * a - 2 * r;
    check_diameters(w, di, df, di);
    close_world(w);
  }
}

/* Two sizes of spheres: a big one at the corner, small ones at the face centres (Cu3Au), so the
 * windows are triangles of unlike atoms. The hole in the middle is an octahedron of small ones. */
Test(pores, unlike_radii) {
  const double a = 8, big = 2.2, small = 1;
  world *w = new_world(a, a, a);
  add(w, 0, 0, 0, big);
  add(w, 0, a / 2, a / 2, small);
  add(w, a / 2, 0, a / 2, small);
  add(w, a / 2, a / 2, 0, small);
  look(w, 0.15);
  pores_diameters d = diameters(w);
  cr_expect_float_eq(d.di, a - 2 * small, 2e-3);
  /* From the middle the way leads along (1, 1, 1): through a triangle of small spheres, at a /
   * sqrt(6) from them, into a tetrahedron, and out of that through triangles with a big one. */
  double high = 0, low = a / sqrt(6) - small; /* best height on a triangle with a big sphere */
  for (int i = 0; i <= 400; i++)
    for (int k = 0; k <= 400; k++) {
      /* the plane through (0,0,0), (0,a/2,a/2), (a/2,0,a/2) */
      double s = i / 400.0, t = k / 400.0, x[3] = {t * a / 2, s * a / 2, (s + t) * a / 2};
      if (s + t > 1) continue;
      double p = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) - big;
      double q =
          sqrt(x[0] * x[0] + (x[1] - a / 2) * (x[1] - a / 2) + (x[2] - a / 2) * (x[2] - a / 2)) -
          small;
      double r =
          sqrt((x[0] - a / 2) * (x[0] - a / 2) + x[1] * x[1] + (x[2] - a / 2) * (x[2] - a / 2)) -
          small;
      high = fmax(high, fmin(p, fmin(q, r)));
    }
  cr_expect_float_eq(d.df, 2 * fmin(high, low), 0.02, "Df %.4f; %.4f %.4f", d.df, 2 * high,
                     2 * low);
  close_world(w);
}

Test(pores, volumes_and_surface) {
  const double a = 10, r = 2;
  world *w = new_world(a, a, a);
  add(w, 1, 2, 3, r);
  look(w, 0.1);
  probe(w, 1.5);
  pores_volumes v;
  pores_find_volumes(w->pores, &v);
  cr_expect_float_eq(v.empty, 1 - 4 * pi / 3 * r * r * r / (a * a * a), 2e-4);
  cr_expect_float_eq(v.channel, 1 - 4 * pi / 3 * pow(r + 1.5, 3) / (a * a * a), 5e-4);
  cr_expect_float_eq(v.pocket, 0, 0);
  double channel, pocket;
  cr_assert(pores_find_surface(w->pores, 2000, &channel, &pocket) == EQS_OK);
  cr_expect_float_eq(channel, 4 * pi * 3.5 * 3.5, 1e-9); /* no point is buried */
  cr_expect_float_eq(pocket, 0, 0);
  probe(w, 3.5); /* now six caps are: area 2 pi R h each */
  cr_assert(pores_find_surface(w->pores, 20000, &channel, &pocket) == EQS_OK);
  double area = 4 * pi * 5.5 * 5.5 - 6 * 2 * pi * 5.5 * 0.5;
  cr_expect_float_eq(channel, area, 2e-3 * area, "%.3f, not %.3f", channel, area);
  cr_expect_float_eq(pocket, 0, 0);
  probe(w, 5.5); /* through no window, but into the hole */
  const pores_space *s;
  cr_assert_eq(pores_spaces(w->pores, &s), 1);
  cr_expect(s[0].kind == PORES_POCKET && s[0].dimension == 0);
  cr_expect_float_eq(s[0].diameter, sqrt(3) * a - 2 * r, 2e-3);
  cr_assert(pores_find_surface(w->pores, 20000, &channel, &pocket) == EQS_OK);
  cr_expect_float_eq(channel, 0, 0);
  cr_expect_gt(pocket, 10);
  const double hole[3] = {1 + 5 - 30, 2 + 5, 3 + 5 + 20};
  cr_expect(pores_blocked(w->pores, hole));
  probe(w, 5.0);
  cr_expect_not(pores_blocked(w->pores, hole));
  probe(w, 7.0); /* fits nowhere */
  cr_assert_eq(pores_spaces(w->pores, &s), 0);
  cr_expect_not(pores_blocked(w->pores, hole));
  close_world(w);
}

/* A closed box of atoms, side 9, in a cell of side 20. */
static world *boxed(void) {
  world *w = new_world(20, 20, 20);
  for (int i = 0; i <= 6; i++)
    for (int j = 0; j <= 6; j++)
      for (int k = 0; k <= 6; k++)
        if (i == 0 || j == 0 || k == 0 || i == 6 || j == 6 || k == 6)
          add(w, 5.2 + 1.5 * i, 6.1 + 1.5 * j, -7 + 1.5 * k, 1.4);
  return w;
}

Test(pores, closed_box_is_a_pocket) {
  world *w = boxed();
  const double inside[3] = {5.2 + 4.5, 6.1 + 4.5 + 20, -7 + 4.5}, outside[3] = {0, 0, 8};
  for (int turned = 0; turned < 2; turned++) {
    look(w, 0.25);
    probe(w, 1.5);
    const pores_space *s;
    cr_assert_eq(pores_spaces(w->pores, &s), 2);
    cr_expect(s[0].kind == PORES_CHANNEL && s[0].dimension == 3);
    cr_expect(s[1].kind == PORES_POCKET && s[1].dimension == 0);
    cr_expect_float_eq(s[1].diameter, 2 * (4.5 - 1.4), 0.2);
    /* the probe's centre keeps 2.9 from the wall's atoms */
    cr_expect_float_eq(s[1].volume, pow(9 - 2 * 2.9, 3), 6);
    if (!turned) {
      cr_expect(pores_blocked(w->pores, inside));
      cr_expect_not(pores_blocked(w->pores, outside));
    }
    pores_volumes v;
    pores_find_volumes(w->pores, &v);
    cr_expect_float_eq(v.pocket, s[1].volume / 8000, 1e-6);
    shear_and_turn(w);
  }
  close_world(w);
}

Test(pores, spheres_cover_pockets_alone) {
  world *w = boxed();
  look(w, 0.25);
  probe(w, 1.5);
  pores_sphere *list;
  int n, covered = 0, seen = 0;
  cr_assert(pores_find_spheres(w->pores, &list, &n) == EQS_OK);
  cr_assert(n >= 1 && n < 200, "%d spheres", n);
  for (int i = 0; i < 20 * 20 * 20; i++) { /* places that no grid node is on */
    double x[3] = {i / 400 + 0.37, i / 20 % 20 + 0.41, i % 20 + 0.23};
    int in = 0, room = 1;
    for (int a = 0; a < w->n; a++) {
      double d2 = 0;
      for (int k = 0; k < 3; k++) {
        double d = x[k] - w->x[a][k];
        d -= 20 * rint(d / 20);
        d2 += d * d;
      }
      room &= d2 >= (w->radius[a] + 1.5 + 0.25) * (w->radius[a] + 1.5 + 0.25);
    }
    if (!room) continue;
    for (int s = 0; s < n; s++) {
      double d2 = 0;
      for (int k = 0; k < 3; k++) {
        double d = x[k] - list[s].x[k];
        d -= 20 * rint(d / 20);
        d2 += d * d;
      }
      in |= d2 <= list[s].radius * list[s].radius;
    }
    int pocket = pores_blocked(w->pores, x);
    cr_expect_eq(in, pocket, "%g %g %g: covered %d, pocket %d", x[0], x[1], x[2], in, pocket);
    covered += in;
    seen++;
  }
  cr_expect_gt(covered, 5);
  cr_expect_gt(seen - covered, 500);
  free(list);
  close_world(w);
}

/* Dense planes of atoms leave layers; a grid of dense walls leaves tubes. */
Test(pores, layers_and_tubes) {
  for (int tubes = 0; tubes < 2; tubes++)
    for (int turned = 0; turned < 2; turned++) {
      world *w = new_world(12, 12, 12);
      for (int i = 0; i < 12; i++)
        for (int j = 0; j < 12; j++) {
          add(w, i, j, 3, 1.2);
          if (tubes && j != 3) add(w, i, 5, j, 1.2);
        }
      if (turned) shear_and_turn(w);
      look(w, 0.2);
      probe(w, 1.4);
      const pores_space *s;
      cr_assert_eq(pores_spaces(w->pores, &s), 1);
      cr_expect(s[0].kind == PORES_CHANNEL);
      cr_expect_eq(s[0].dimension, tubes ? 1 : 2);
      close_world(w);
    }
}

/* ---- an independent answer: flood fill of a fine grid, by brute force */

typedef struct fine {
  int n;
  double *d;
  int (*offset)[3];
  char *seen;
  int *queue;
} fine;

static double brute_distance(const world *w, const double x[3]) {
  double best = 1e30;
  for (int i = 0; i < w->n; i++)
    for (int p = -2; p <= 2; p++)
      for (int q = -2; q <= 2; q++)
        for (int r = -2; r <= 2; r++) {
          double d2 = 0;
          for (int k = 0; k < 3; k++) {
            double d = x[k] - w->x[i][k] - p * w->cell[k] - q * w->cell[3 + k] - r * w->cell[6 + k];
            d2 += d * d;
          }
          best = fmin(best, sqrt(d2) - w->radius[i]);
        }
  return best;
}

/* 1 if the nodes at least t high hold a way from somewhere to its own image. */
static int endless(fine *f, double t) {
  int n = f->n, total = n * n * n;
  memset(f->seen, 0, (size_t)total);
  for (int start = 0; start < total; start++) {
    int head = 0, tail = 0;
    if (f->seen[start] || f->d[start] < t) continue;
    f->seen[start] = 1;
    memset(f->offset[start], 0, sizeof f->offset[start]);
    f->queue[tail++] = start;
    while (head < tail) {
      int at = f->queue[head++], c[3] = {at / (n * n), at / n % n, at % n};
      for (int m = 0; m < 6; m++) {
        int to[3] = {c[0], c[1], c[2]}, o[3];
        memcpy(o, f->offset[at], sizeof o);
        to[m / 2] += m % 2 ? 1 : -1;
        if (to[m / 2] < 0) to[m / 2] += n, o[m / 2]--;
        if (to[m / 2] >= n) to[m / 2] -= n, o[m / 2]++;
        int other = (to[0] * n + to[1]) * n + to[2];
        if (f->d[other] < t) continue;
        if (f->seen[other]) {
          if (memcmp(f->offset[other], o, sizeof o)) return 1;
          continue;
        }
        f->seen[other] = 1;
        memcpy(f->offset[other], o, sizeof o);
        f->queue[tail++] = other;
      }
    }
  }
  return 0;
}

static void fine_free(fine *f) {
  free(f->d);
  free(f->offset);
  free(f->seen);
  free(f->queue);
}

static fine fine_grid(const world *w, int n) {
  size_t total = (size_t)n * (size_t)n * (size_t)n;
  fine f = {n, calloc(total, sizeof(double)), calloc(total, 3 * sizeof(int)), calloc(total, 1),
            calloc(total, sizeof(int))};
  cr_assert(f.d && f.offset && f.seen && f.queue);
  for (size_t i = 0; i < total; i++) {
    double a = (double)(i / (size_t)(n * n)) / n, b = (double)(i / (size_t)n % (size_t)n) / n,
           c = (double)(i % (size_t)n) / n, x[3];
    for (int k = 0; k < 3; k++) x[k] = a * w->cell[k] + b * w->cell[3 + k] + c * w->cell[6 + k];
    f.d[i] = brute_distance(w, x);
  }
  return f;
}

static double uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 9007199254740992.0;
}

static world *random_world(uint64_t seed) {
  static const double cell[9] = {7.1, 0.4, -0.2, 2.3, 6.4, 0.3, -1.9, 1.7, 7.7};
  uint64_t state = seed;
  world *w = new_world(1, 1, 1);
  memcpy(w->cell, cell, sizeof cell);
  for (int i = 0; i < 9; i++) {
    double f[3], x[3];
    for (int k = 0; k < 3; k++) f[k] = uniform(&state);
    for (int k = 0; k < 3; k++) x[k] = f[0] * cell[k] + f[1] * cell[3 + k] + f[2] * cell[6 + k];
    add(w, x[0], x[1], x[2], 0.7 + 0.8 * uniform(&state));
  }
  return w;
}

Test(pores, random_atoms_like_a_flood_fill) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    world *w = random_world(seed);
    const int n = 40;
    fine f = fine_grid(w, n);
    double low = -1, high = 6, top = -1, diagonal = 0;
    for (int k = 0; k < n * n * n; k++) top = fmax(top, f.d[k]);
    for (int step = 0; step < 40; step++) {
      double t = 0.5 * (low + high);
      if (endless(&f, t)) low = t;
      else high = t;
    }
    for (int s = 0; s < 4; s++) {
      double v2 = 0;
      for (int k = 0; k < 3; k++) {
        double v =
            w->cell[k] + (s & 1 ? -1 : 1) * w->cell[3 + k] + (s & 2 ? -1 : 1) * w->cell[6 + k];
        v2 += v * v;
      }
      diagonal = fmax(diagonal, sqrt(v2) / n);
    }
    look(w, 0.15);
    pores_diameters d = diameters(w);
    /* the flood fill is too low by half a voxel's diagonal at most */
    cr_expect(d.di / 2 >= top - 1e-3 && d.di / 2 <= top + diagonal / 2 + 1e-3,
              "seed %d: Di/2 %.4f, %.4f on the grid", (int)seed, d.di / 2, top);
    cr_expect(d.df / 2 >= low - 0.01 && d.df / 2 <= low + diagonal / 2 + 0.01,
              "seed %d: Df/2 %.4f, %.4f on the grid", (int)seed, d.df / 2, low);
    cr_expect(d.dif <= d.di + 1e-9 && d.dif >= d.df);
    fine_free(&f);
    close_world(w);
  }
}

Test(pores, distance_is_exact_anywhere) {
  world *w = random_world(7);
  pore_grid g;
  uint64_t state = 5;
  cr_assert(pore_grid_open(&g, w->n, w->x[0], w->radius, w->cell, 0.3) == EQS_OK);
  cr_assert(pore_grid_fill(&g, &w->work, NULL, NULL) == EQS_OK);
  for (int i = 0; i < 300; i++) {
    double x[3], f[3];
    for (int k = 0; k < 3; k++) f[k] = uniform(&state);
    for (int k = 0; k < 3; k++)
      x[k] = f[0] * w->cell[k] + f[1] * w->cell[3 + k] + f[2] * w->cell[6 + k];
    double want = brute_distance(w, x);
    for (int k = 0; k < 3; k++) x[k] += 3 * w->cell[k] - 2 * w->cell[6 + k];
    cr_expect_float_eq(pore_grid_distance(&g, x), want, 1e-9);
    int cell[3];
    size_t node = pore_grid_node(&g, x, cell);
    cr_expect(fabs((double)g.d[node] - want) <= g.half + 1e-5); /* slope 1, and near enough */
    int at[3];
    double place[3], where[3];
    pore_grid_coordinates(&g, node, at);
    for (int k = 0; k < 3; k++) place[k] = at[k];
    pore_grid_position(&g, place, where);
    cr_expect_float_eq((double)g.d[node], pore_grid_distance(&g, where), 1e-5);
  }
  pore_grid_free(&g);
  close_world(w);
}

Test(pores, supercell_order_and_origin_do_not_matter) {
  world *w = random_world(3);
  look(w, 0.12);
  pores_diameters want = diameters(w);
  pores_volumes v, u;
  double area, pocket_area, area2, pocket2;
  probe(w, 0.7);
  pores_find_volumes(w->pores, &v);
  cr_assert(pores_find_surface(w->pores, 2000, &area, &pocket_area) == EQS_OK);
  const pores_space *s;
  int n = pores_spaces(w->pores, &s), n_atom = w->n;
  for (int i = 0; i < n_atom; i++) { /* doubled along b, backwards, moved */
    add(w, w->x[i][0] + w->cell[3] + 1, w->x[i][1] + w->cell[4] - 2, w->x[i][2] + w->cell[5] + 0.3,
        w->radius[i]);
    w->x[i][0] += 1, w->x[i][1] -= 2, w->x[i][2] += 0.3;
  }
  for (int i = 0; i < w->n / 2; i++) {
    double x[3], r = w->radius[i];
    int j = w->n - 1 - i;
    memcpy(x, w->x[i], sizeof x);
    memcpy(w->x[i], w->x[j], sizeof x);
    memcpy(w->x[j], x, sizeof x);
    w->radius[i] = w->radius[j];
    w->radius[j] = r;
  }
  for (int k = 0; k < 3; k++) w->cell[3 + k] *= 2;
  look(w, 0.12);
  pores_diameters got = diameters(w);
  cr_expect_float_eq(got.di, want.di, 2e-3);
  cr_expect_float_eq(got.df, want.df, 0.02);
  cr_expect_float_eq(got.dif, want.dif, 2e-3);
  probe(w, 0.7);
  pores_find_volumes(w->pores, &u);
  cr_expect_float_eq(u.empty, v.empty, 3e-3);
  cr_expect_float_eq(u.channel, v.channel, 3e-3);
  cr_expect_float_eq(u.pocket, v.pocket, 3e-3);
  cr_assert(pores_find_surface(w->pores, 2000, &area2, &pocket2) == EQS_OK);
  cr_expect_float_eq(area2 + pocket2, 2 * (area + pocket_area), 1e-6); /* the same points */
  cr_expect_geq(pores_spaces(w->pores, &s), n);
  close_world(w);
}

Test(pores, threads_do_not_change_a_bit) {
  pores_diameters d[3];
  pores_volumes v[3];
  double area[3][2], helium[3];
  int number[9] = {8, 6, 14, 30, 1, 7, 8, 8, 12};
  memset(v, 0, sizeof v);
  memset(d, 0, sizeof d);
  for (int t = 0; t < 3; t++) {
    world *w = random_world(11);
    cr_assert(workspace_set_threads(&w->work, t + 1) == EQS_OK);
    look(w, 0.1);
    d[t] = diameters(w);
    probe(w, 0.6);
    pores_find_volumes(w->pores, &v[t]);
    cr_assert(pores_find_surface(w->pores, 500, &area[t][0], &area[t][1]) == EQS_OK);
    cr_assert(pores_find_helium(w->pores, number, &helium[t]) == EQS_OK);
    close_world(w);
  }
  for (int t = 1; t < 3; t++) {
    cr_expect(!memcmp(&d[t], &d[0], sizeof d[0]));
    cr_expect(!memcmp(&v[t], &v[0], sizeof v[0]));
    cr_expect(!memcmp(area[t], area[0], sizeof area[0]));
    cr_expect(helium[t] == helium[0]);
  }
}

/* One atom in a large cell: the integral over r instead of a grid. */
Test(pores, helium_of_one_atom) {
  const double a = 26;
  world *w = new_world(a, a, a);
  const int number = 14;
  double sigma, epsilon, got, sum = 0, h = 1e-3;
  add(w, 3, 4, 5, 1.9);
  pore_uff(number, &sigma, &epsilon);
  sigma = 0.5 * (sigma + 2.64);
  epsilon = sqrt(epsilon * 10.9) / 298;
  for (double r = h / 2; r < 12; r += h) {
    double s = pow(sigma / r, 6);
    sum += 4 * pi * r * r * h * (exp(-fmin(4 * epsilon * (s * s - s), 700)) - 1);
  }
  look(w, 0.5);
  cr_assert(pores_find_helium(w->pores, &number, &got) == EQS_OK);
  cr_expect_float_eq(got, 1 + sum / (a * a * a), 2e-5, "%.6f, not %.6f", got,
                     1 + sum / (a * a * a));
  close_world(w);
}

Test(pores, uff_table) { /* sigma (angstrom) and epsilon/kB as published for simulations */
  static const struct {
    int number;
    double sigma, epsilon;
  } known[] = {{1, 2.57113, 22.1417},  {6, 3.43085, 52.8381},  {8, 3.11815, 30.1932},
               {14, 3.82641, 202.294}, {30, 2.46155, 62.3992}, {12, 2.69141, 55.8574},
               {13, 4.00815, 254.126}, {29, 3.11369, 2.5161},  {40, 2.78317, 34.7222}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    double sigma, epsilon;
    pore_uff(known[i].number, &sigma, &epsilon);
    cr_expect_float_eq(sigma, known[i].sigma, 2e-5);
    cr_expect_float_eq(epsilon, known[i].epsilon, 1e-4 * known[i].epsilon);
  }
  int unknown = 110;
  double radius;
  pore_radii kind;
  cr_assert(pore_radii_find("uff", &kind) == EQS_OK);
  cr_assert(pore_radii_fill(kind, 1, &unknown, &radius) == EQS_ERR_UNSUPPORTED);
  cr_assert(pore_radii_find("bondi", &kind) == EQS_ERR_ARGUMENT);
  cr_assert(pore_radii_find("vdw", &kind) == EQS_OK);
  cr_assert(pore_radii_fill(kind, 1, &known[1].number, &radius) == EQS_OK);
  cr_expect_float_eq(radius, 1.70, 0);
}

Test(pores, union_knows_dimensions) {
  pore_union u;
  const int zero[3] = {0, 0, 0}, x[3] = {1, 0, 0}, y[3] = {0, 2, 0}, xy[3] = {3, -2, 0},
            z[3] = {1, 1, 1};
  cr_assert(pore_union_open(&u, 6) == EQS_OK);
  pore_union_join(&u, 0, 1, zero);
  pore_union_join(&u, 2, 1, x);
  cr_expect_eq(u.span[pore_union_root(&u, 0, NULL)].rank, 0);
  const int back[3] = {-1, 0, 0};
  cr_expect(pore_union_joined(&u, 0, 2, back));
  cr_expect_not(pore_union_joined(&u, 0, 2, zero));
  pore_union_join(&u, 0, 2, zero); /* a second way, a cell apart */
  cr_expect_eq(u.span[pore_union_root(&u, 1, NULL)].rank, 1);
  pore_union_join(&u, 3, 4, y);
  pore_union_join(&u, 4, 3, y);
  cr_expect_eq(u.span[pore_union_root(&u, 3, NULL)].rank, 1);
  pore_union_join(&u, 5, 4, xy);
  pore_union_join(&u, 5, 0, xy);
  cr_expect_eq(u.span[pore_union_root(&u, 5, NULL)].rank, 2);
  pore_union_join(&u, 5, 5, xy);
  cr_expect_eq(u.span[pore_union_root(&u, 2, NULL)].rank, 2);
  pore_union_join(&u, 2, 2, z);
  cr_expect_eq(u.span[pore_union_root(&u, 2, NULL)].rank, 3);
  pore_union_free(&u);
}

static int stop_at_once(void *user, double share) {
  (void)share;
  return ++*(int *)user > 0;
}

Test(pores, refusals) {
  world *w = new_world(10, 10, 10);
  pores *p;
  int calls = 0;
#define OPEN(n, spacing)                                                                           \
  pores_open(n, w->x[0], w->radius, w->cell, spacing, &w->work, NULL, NULL, &p)
  cr_expect(OPEN(0, 0.2) == EQS_ERR_ARGUMENT);
  add(w, 1, 1, 1, 1);
  cr_expect(OPEN(1, 0) == EQS_ERR_ARGUMENT);
  cr_expect(OPEN(1, NAN) == EQS_ERR_ARGUMENT);
  cr_expect(OPEN(1, 0.011) == EQS_ERR_UNSUPPORTED); /* 7e8 nodes */
  cr_expect(strstr(eqs_error(), "ask for") != NULL);
  w->x[0][1] = NAN;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_ARGUMENT);
  w->x[0][1] = 1e300;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_ARGUMENT);
  w->x[0][1] = 1;
  w->radius[0] = NAN;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_ARGUMENT);
  w->radius[0] = -1;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_ARGUMENT);
  w->radius[0] = 1;
  w->cell[8] = 0;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_ARGUMENT);
  w->cell[8] = 0.01;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_UNSUPPORTED);
  w->cell[8] = INFINITY;
  cr_expect(OPEN(1, 0.2) == EQS_ERR_ARGUMENT);
  w->cell[8] = 10;
  cr_expect(pores_open(1, w->x[0], w->radius, w->cell, 0.2, &w->work, stop_at_once, &calls, &p) ==
            EQS_ERR_INTERRUPTED);
  cr_expect(p == NULL);
  cr_assert(OPEN(1, 0.5) == EQS_OK);
  cr_expect(pores_set_probe(p, -1) == EQS_ERR_ARGUMENT);
  cr_expect(pores_set_probe(p, NAN) == EQS_ERR_ARGUMENT);
  const double nowhere[3] = {NAN, 0, 0}, far[3] = {1e12, -1e12, 0};
  double area[2];
  pores_sphere *s;
  int n;
  cr_expect_not(pores_blocked(p, far)); /* no probe yet */
  cr_expect(pores_find_surface(p, 100, &area[0], &area[1]) == EQS_ERR_ARGUMENT);
  cr_expect(pores_find_spheres(p, &s, &n) == EQS_ERR_ARGUMENT);
  cr_assert(pores_set_probe(p, 1) == EQS_OK);
  cr_expect_not(pores_blocked(p, nowhere));
  cr_expect_not(pores_blocked(p, far));
  cr_expect(pores_find_surface(p, 0, &area[0], &area[1]) == EQS_ERR_ARGUMENT);
  pores_free(&p);
  close_world(w);
}

/* No empty space at all, and atoms on top of each other. */
Test(pores, crowded) {
  world *w = new_world(3, 3, 3);
  add(w, 0, 0, 0, 4);
  add(w, 0, 0, 0, 4);
  look(w, 0.2);
  pores_diameters d = diameters(w);
  cr_expect(d.di == 0 && d.df == 0 && d.dif == 0);
  probe(w, 0);
  pores_volumes v;
  pores_find_volumes(w->pores, &v);
  cr_expect(v.empty == 0 && v.channel == 0 && v.pocket == 0);
  close_world(w);
}
