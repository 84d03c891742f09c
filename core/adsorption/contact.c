/* contact.c -- contact distances under periodic boundaries, any triclinic cell.
 *
 * With fractional differences wrapped to [-1/2, 1/2], an image within R of a site has every wrapped
 * component shifted by s with |f + s| <= R / w (w: perpendicular width), so |s| <= R/w + 1/2; where
 * R < w/2 the wrapped one is the only candidate. Exact, no matter how oblique the cell.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/contact.h"

#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void to_fraction(const contacts *c, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++) {
    f[k] = x[0] * c->inverse[k] + x[1] * c->inverse[3 + k] + x[2] * c->inverse[6 + k];
    f[k] -= floor(f[k]);
  }
}

eqs_status contacts_build(contacts *c, int n, const double *position, const int *number,
                          const double cell[9]) {
  *c = (contacts){.n = n};
  memcpy(c->cell, cell, sizeof c->cell);
  if (!cell_inverse(cell, c->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the framework's cell is singular");
  cell_widths(cell, c->width);
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&c->fraction, (size_t)n, sizeof *c->fraction, "framework positions"));
  EQS_TRY_DONE(alloc_array(&c->number, (size_t)n, sizeof *c->number, "framework elements"));
  for (int i = 0; i < n; i++) to_fraction(c, position + 3 * (size_t)i, c->fraction[i]);
  if (n) memcpy(c->number, number, (size_t)n * sizeof *number);
done:
  if (status != EQS_OK) contacts_free(c);
  return status;
}

void contacts_free(contacts *c) {
  free(c->fraction);
  free(c->number);
  *c = (contacts){0};
}

/* Squared distance to the nearest image, exact where it is below reach^2; else at least reach^2. */
static double nearest(const contacts *c, const double a[3], const double b[3], double reach) {
  double d[3];
  int m[3];
  for (int k = 0; k < 3; k++) {
    d[k] = a[k] - b[k];
    d[k] -= rint(d[k]);
    m[k] = (int)floor(reach / c->width[k] + 0.5);
  }
  double best = reach * reach;
  for (int p = -m[0]; p <= m[0]; p++)
    for (int q = -m[1]; q <= m[1]; q++)
      for (int r = -m[2]; r <= m[2]; r++) {
        double f[3] = {d[0] + p, d[1] + q, d[2] + r}, sum = 0;
        for (int k = 0; k < 3; k++) {
          double v = f[0] * c->cell[k] + f[1] * c->cell[3 + k] + f[2] * c->cell[6 + k];
          sum += v * v;
        }
        if (sum < best) best = sum;
      }
  return best;
}

int contacts_overlap(const contacts *c, int m, const double (*x)[3], const int *number,
                     const overlap_rule *rule) {
  for (int j = 0; j < m; j++) {
    double f[3];
    to_fraction(c, x[j], f);
    for (int i = 0; i < c->n; i++) {
      double reach = rule->reach[number[j]][c->number[i]];
      if (nearest(c, f, c->fraction[i], reach) < reach * reach) return 1;
    }
  }
  return 0;
}

int contacts_within(const contacts *c, const double a[3], const double b[3], double reach) {
  double f[3], g[3];
  to_fraction(c, a, f);
  to_fraction(c, b, g);
  return nearest(c, f, g, reach) < reach * reach;
}

double contacts_shortest(const contacts *c, int m, const double (*x)[3], double reach) {
  double best = reach;
  for (int j = 0; j < m; j++) {
    double f[3];
    to_fraction(c, x[j], f);
    for (int i = 0; i < c->n; i++) {
      double square = nearest(c, f, c->fraction[i], best);
      if (square < best * best) best = sqrt(square);
    }
  }
  return best;
}
