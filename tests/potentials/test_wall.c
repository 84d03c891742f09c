/* test_wall.c -- the table of walls that is built in: continuity, limits, hostile files.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/wall.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "io/sha256.h"

enum { LAST = 94 };

static wall_table *table;

static void open_table(void) { cr_assert(wall_read(NULL, &table) == EQS_OK, "%s", eqs_error()); }
static void close_table(void) { wall_free(&table); }

TestSuite(wall, .init = open_table, .fini = close_table);

Test(wall, holds_every_pair) {
  for (int a = 1; a <= LAST; a++)
    for (int b = 1; b <= LAST; b++) {
      const wall_pair *p = wall_find(table, a, b);
      cr_assert_not_null(p);
      cr_assert(p == wall_find(table, b, a));
    }
  cr_assert_null(wall_find(table, 0, 1));
  cr_assert_null(wall_find(table, 1, LAST + 1));
  cr_assert_str_eq(table->functional, "gga_x_pbe+gga_c_pbe");
}

/* V > 0 and V' < 0 up to the end, where V, V', V'' vanish; slopes against finite differences, also
 * across the last knot. */
Test(wall, falls_smoothly_to_zero) {
  for (int a = 1; a <= LAST; a += 3)
    for (int b = a; b <= LAST; b += 4) {
      const wall_pair *p = wall_find(table, a, b);
      double v[3], up[3], down[3], before = INFINITY;
      for (int i = 1; i < 400; i++) {
        double r = p->end * i / 400, h = 1e-5 * r;
        wall_value(p, r, v);
        cr_assert(v[0] > 0 && v[0] < before && v[1] < 0, "%d %d at %g: %g %g", a, b, r, v[0], v[1]);
        before = v[0];
        wall_value(p, r + h, up);
        wall_value(p, r - h, down);
        cr_assert_float_eq(v[1], (up[0] - down[0]) / (2 * h), 1e-5 * fabs(v[1]) + 1e-9);
        /* V'' is continuous, its slope not: across a knot the difference is one-sided. */
        cr_assert_float_eq(v[2], (up[1] - down[1]) / (2 * h), 1e-3 * fabs(v[2]) + 1e-4);
      }
      wall_value(p, p->reach * (1 - 1e-12), down);
      wall_value(p, p->reach * (1 + 1e-12), up);
      for (int k = 0; k < 3; k++) cr_assert_float_eq(up[k], down[k], 1e-8 * (fabs(up[k]) + 1));
      wall_value(p, p->end * (1 - 1e-9), v);
      for (int k = 0; k < 3; k++) cr_assert_float_eq(v[k], 0, 1e-6);
      wall_value(p, p->end, v);
      cr_assert(v[0] == 0 && v[1] == 0 && v[2] == 0);
      wall_value(p, 50, v);
      cr_assert(v[0] == 0 && v[1] == 0 && v[2] == 0);
    }
}

/* Two nuclei close together feel nothing else: V r -> k Z1 Z2. */
Test(wall, ends_in_two_bare_nuclei) {
  for (int a = 1; a <= LAST; a++) {
    const wall_pair *p = wall_find(table, a, 95 - a);
    double v[3];
    wall_value(p, 1e-6, v);
    cr_assert_float_eq(v[0] * 1e-6 / (14.399645478425668 * a * (95 - a)), 1, 1e-3);
  }
}

/* The universal curve of Ziegler, Biersack and Littmark (1985), made from pairs like these by
 * another statistical model: their own pairs scatter by 18 % about it. */
Test(wall, agrees_with_the_universal_curve) {
  const double energies[] = {10, 100, 1e3, 1e4, 1e5};
  for (int k = 0; k < 5; k++) {
    double sum = 0, squares = 0;
    int n = 0;
    for (int b = 1; b <= LAST; b++)
      for (int a = 1; a <= b; a++) {
        const wall_pair *p = wall_find(table, a, b);
        double r = wall_radius(p, energies[k]);
        double x = r * (pow(a, 0.23) + pow(b, 0.23)) / (0.8854 * 0.529177210903);
        double phi = 0.18175 * exp(-3.1998 * x) + 0.50986 * exp(-0.94229 * x) +
                     0.28022 * exp(-0.4029 * x) + 0.028171 * exp(-0.20162 * x);
        double ratio = energies[k] * r / (14.399645478425668 * a * b * phi);
        if (energies[k] * r > 0.9 * p->charge) continue; /* closer than any electron */
        cr_assert(ratio > 0.7 && ratio < 1.45, "%d %d %g eV: %g", a, b, energies[k], ratio);
        sum += log(ratio);
        squares += pow(log(ratio), 2);
        n++;
      }
    cr_assert(n > 4000 && fabs(sum / n) < 0.1 && sqrt(squares / n) < 0.13);
  }
}

Test(wall, radius_is_where_the_energy_is) {
  const double energies[] = {1e-3, 0.05, 1, 30, 1e4};
  for (int a = 1; a <= LAST; a += 7)
    for (int k = 0; k < 5; k++) {
      const wall_pair *p = wall_find(table, a, 8);
      double v[3], r = wall_radius(p, energies[k]);
      wall_value(p, r, v);
      cr_assert_float_eq(v[0] / energies[k], 1, 1e-9, "%d %g %g", a, energies[k], v[0]);
    }
  const wall_pair *p = wall_find(table, 6, 8);
  cr_assert(wall_radius(p, 0) == p->end && wall_radius(p, NAN) == p->end);
}

/* ---- files */

static const char good[] =
    "equisorb-wall 1\n# a comment\nfunctional f\nkinetic k\nrelativity none\n"
    "outer 0.01\nknots 4\nelements 1\n";
static const char pair[] = "1 1 2.0 -500000 -500000 -500000 -500000 -500000\n";

static eqs_status parse(const char *text, size_t n, wall_table **out) {
  return wall_parse(text, n, "a.txt", out);
}

/* With its checksum. */
static size_t sealed(char *out, const char *a, const char *b, const char *c) {
  size_t n = (size_t)sprintf(out, "%s%s%s", a, b, c);
  char sum[65];
  sha256_hex(out, n, sum);
  return n + (size_t)sprintf(out + n, "sha256 %s\n", sum);
}

Test(wall_file, is_read_or_refused_with_its_line) {
  const struct {
    const char *head, *body, *rest, *word;
  } cases[] = {
      {good, pair, "", NULL},
      {good, "", "", NULL}, /* a table may lack pairs */
      {good, pair, pair, "line 10: the pair 1 1 is there already"},
      {good, "1 2 2.0 1 1 1 1 1\n", "", "line 9: a line starts with Z1 <= Z2 <= 1"},
      {good, "1 1 0 1 1 1 1 1\n", "", "line 9: reach is"},
      {good, "1 1 nan 1 1 1 1 1\n", "", "line 9: reach is"},
      {good, "1 1 2.0 -1 -1 -1 -1\n", "", "line 9: 5 whole numbers"},
      {good, "1 1 2.0 -1 -1 -1 -1 -1 -1\n", "", "line 9: more than 5"},
      {good, "1 1 2.0 -1 -1 -1 -1 -99999999999999999999\n", "", "line 9: 5 whole"},
      {good, "1 1 2.0 9000000 9000000 9000000 9000000 9000000\n", "", "no falling function"},
      {"equisorb-wall 2\n", "", "", "equisorb-wall 1"},
      {"", "", "", "equisorb-wall 1"},
      {"equisorb-wall 1\nfunctional f\nkinetic k\nrelativity none\nouter 0.01\nknots 400\n", "", "",
       "line 6: knots"},
      {"equisorb-wall 1\nfunctional f\nkinetic k\nrelativity none\nouter x\n", "", "", "outer"},
      {"equisorb-wall 1\nfunctional f\nkinetic k\nouter 1\n", "", "", "'relativity'"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[2048];
    wall_table *w;
    size_t n = sealed(text, cases[i].head, cases[i].body, cases[i].rest);
    eqs_status status = parse(text, n, &w);
    if (!cases[i].word) {
      cr_assert(status == EQS_OK, "%s", eqs_error());
      cr_assert((wall_find(w, 1, 1) != NULL) == (cases[i].body[0] != 0));
    } else {
      cr_assert(status == EQS_ERR_FORMAT && strstr(eqs_error(), cases[i].word), "%zu: %s", i,
                eqs_error());
      cr_assert_null(w);
    }
    wall_free(&w);
  }
}

Test(wall_file, cut_or_changed_is_refused) {
  char text[2048];
  wall_table *w;
  size_t n = sealed(text, good, pair, "");
  for (size_t cut = 0; cut < n; cut++) cr_assert(parse(text, cut, &w) == EQS_ERR_FORMAT);
  for (size_t i = 0; i < n; i++) {
    char before = text[i];
    text[i] ^= 1;
    cr_assert(parse(text, n, &w) == EQS_ERR_FORMAT, "byte %zu", i);
    text[i] = before;
  }
  cr_assert(parse(text, n, &w) == EQS_OK);
  wall_free(&w);
  strcat(text, "x\n");
  cr_assert(parse(text, n + 2, &w) == EQS_ERR_FORMAT);
  cr_assert(wall_read("/nonexistent/walls", &w) == EQS_ERR_FILE);
  cr_assert_not_null(strstr(eqs_error(), "/nonexistent/walls"));
}
