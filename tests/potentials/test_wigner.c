/* test_wigner.c -- the 3j symbols: e3nn's signs and values, and the identities that define them.
 * SPDX-License-Identifier: MIT */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "potentials/wigner.h"
#include "tests/reference.h"

/* Single entries of e3nn 0.5's tensors, one per triple of orders, which fix its sign. */
static const struct anchor {
  int l1, l2, l3, m1, m2, m3;
  double value;
} anchors[] = {{1, 1, 1, 0, 1, 2, 0.40824829},  {1, 1, 2, 0, 0, 2, -0.18257419},
               {1, 1, 2, 1, 1, 2, 0.36514837},  {2, 2, 2, 0, 0, 2, -0.23904572},
               {1, 2, 2, 0, 0, 1, -0.18257419}, {2, 2, 1, 0, 1, 0, -0.18257419},
               {2, 1, 2, 0, 0, 1, 0.18257419},  {1, 3, 3, 0, 0, 1, -0.13363062},
               {3, 3, 1, 0, 1, 0, -0.13363062}, {3, 1, 3, 0, 0, 1, 0.13363062},
               {1, 2, 3, 0, 0, 4, -0.06900656}, {1, 3, 2, 0, 0, 4, 0.26726124},
               {2, 2, 3, 0, 1, 0, 0.18898224},  {2, 3, 3, 0, 0, 4, -0.10910895},
               {3, 3, 2, 0, 0, 2, -0.24397502}, {3, 3, 3, 0, 1, 2, 0.15430335}};

static double entry(const double *c, int l2, int l3, int m1, int m2, int m3) {
  return c[(m1 * (2 * l2 + 1) + m2) * (2 * l3 + 1) + m3];
}

Test(wigner, has_the_signs_of_e3nn) {
  for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
    const struct anchor *a = anchors + i;
    double c[WIGNER_MAX], v;
    wigner_3j(a->l1, a->l2, a->l3, c);
    v = entry(c, a->l2, a->l3, a->m1, a->m2, a->m3);
    cr_assert(fabs(v - a->value) < 6e-9, "C%d%d%d[%d,%d,%d] = %.9f, not %.9f", a->l1, a->l2, a->l3,
              a->m1, a->m2, a->m3, v, a->value);
  }
}

/* sum_{m1 m2} C[m1 m2 m3] C[m1 m2 n3] = delta / (2 l3 + 1), and the same for the other pairs. */
Test(wigner, is_orthogonal) {
  for (int l1 = 0; l1 <= 3; l1++)
    for (int l2 = 0; l2 <= 3; l2++)
      for (int l3 = abs(l1 - l2); l3 <= l1 + l2 && l3 <= 3; l3++) {
        double c[WIGNER_MAX];
        wigner_3j(l1, l2, l3, c);
        for (int a = 0; a <= 2 * l3; a++)
          for (int b = 0; b <= 2 * l3; b++) {
            double sum = 0;
            for (int m1 = 0; m1 <= 2 * l1; m1++)
              for (int m2 = 0; m2 <= 2 * l2; m2++)
                sum += entry(c, l2, l3, m1, m2, a) * entry(c, l2, l3, m1, m2, b);
            cr_assert(fabs(sum - (a == b) / (2.0 * l3 + 1)) < 1e-13, "%d %d %d", l1, l2, l3);
          }
      }
}

/* With one order 0 the symbol is the unit matrix over its root: what SevenNet's files leave out. */
Test(wigner, is_a_delta_where_one_order_is_zero) {
  for (int l = 0; l <= 3; l++)
    for (int zero = 0; zero < 3; zero++) {
      int o[3] = {l, l, l};
      double c[WIGNER_MAX];
      o[zero] = 0;
      wigner_3j(o[0], o[1], o[2], c);
      for (int a = 0; a <= 2 * l; a++)
        for (int b = 0; b <= 2 * l; b++) {
          int m[3] = {a, b, 0};
          double v = zero == 0   ? entry(c, o[1], o[2], 0, a, b)
                     : zero == 1 ? entry(c, o[1], o[2], a, 0, b)
                                 : entry(c, o[1], o[2], m[0], m[1], 0);
          cr_assert(fabs(v - (a == b) / sqrt(2 * l + 1)) < 1e-14, "%d %d %d", o[0], o[1], o[2]);
        }
    }
}

static void check_table(const cJSON *table) {
  int l1, l2, l3, n = 0;
  double c[WIGNER_MAX];
  cr_assert(sscanf(table->string, "%d,%d,%d", &l1, &l2, &l3) == 3);
  if (l1 > 3 || l2 > 3 || l3 > 3) return;
  wigner_3j(l1, l2, l3, c);
  const cJSON *a, *b, *x;
  double same = 0, opposite = 0;
  cJSON_ArrayForEach(a, table) cJSON_ArrayForEach(b, a) cJSON_ArrayForEach(x, b) {
    same = fmax(same, fabs(x->valuedouble - c[n]));
    opposite = fmax(opposite, fabs(x->valuedouble + c[n++]));
  }
  cr_assert(n == (2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1));
  if ((l1 + l2 + l3) % 2) same = fmin(same, opposite);
  cr_assert(same < 1e-12, "%d %d %d differ by %g (by %g with the other sign)", l1, l2, l3, same,
            opposite);
}

/* e3nn 0.4.4's tables (MACE's version). Of the triples of odd sum, which MACE does not use, some
 * had the other sign then: the old SevenNet files store those. */
Test(wigner, agrees_with_tables_of_e3nn) {
  char path[REFERENCE_PATH];
  if (!reference_shared("reference/mace/w3j_e3nn044.json", path)) {
    reference_skip("no tables of e3nn 0.4.4 here");
    return;
  }
  FILE *f = fopen(path, "rb");
  cr_assert(f);
  size_t room = 1 << 20;
  char *text = malloc(room);
  cr_assert(text);
  text[fread(text, 1, room - 1, f)] = 0;
  fclose(f);
  cJSON *root = cJSON_Parse(text);
  cr_assert(root);
  const cJSON *table;
  int n = 0;
  cJSON_ArrayForEach(table, root) {
    check_table(table);
    n++;
  }
  cr_assert(n > 20);
  cJSON_Delete(root);
  free(text);
}
