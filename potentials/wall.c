/* wall.c -- a pair's wall at a distance: spline inside, polynomial tail outside.
 * SPDX-License-Identifier: MIT */
#include "potentials/wall.h"

#include <math.h>
#include <stdlib.h>

void wall_free(wall_table **w) {
  if (!w || !*w) return;
  free((*w)->pair);
  free((*w)->pieces);
  free(*w);
  *w = NULL;
}

const wall_pair *wall_find(const wall_table *w, int z1, int z2) {
  int low = z1 < z2 ? z1 : z2, high = z1 < z2 ? z2 : z1;
  if (low < 1 || high > w->last) return NULL;
  const wall_pair *p = w->pair + (high * (high - 1) / 2 + low - 1);
  return p->charge > 0 ? p : NULL;
}

static void tail_value(const wall_pair *p, double r, double v[3]) {
  double length = p->end - p->reach, s = (r - p->reach) / length, q = 1 - s, a = p->a, b = p->b;
  double f = 1 + s * (a + s * b), f1 = a + 2 * b * s, f2 = 2 * b;
  v[0] = p->tail * q * q * q * f;
  v[1] = p->tail / length * q * q * (q * f1 - 3 * f);
  v[2] = p->tail / (length * length) * q * (6 * f + q * (q * f2 - 6 * f1));
}

void wall_value(const wall_pair *p, double r, double v[3]) {
  if (r >= p->reach) {
    if (r < p->end) tail_value(p, r, v);
    else v[0] = v[1] = v[2] = 0;
    return;
  }
  double t = p->n * sqrt(r / p->reach);
  int i = (int)t < p->n ? (int)t : p->n - 1;
  const double *c = p->y[i];
  double u = t - i, y = c[0] + u * (c[1] + u * (c[2] + u * c[3]));
  double y1 = c[1] + u * (2 * c[2] + 3 * u * c[3]), y2 = 2 * c[2] + 6 * u * c[3];
  /* First and second derivative of ln V. */
  double l1 = (y1 * t / 2 - 1) / r, l2 = (1 + t / 4 * (y2 * t - y1)) / (r * r);
  v[0] = p->charge / r * exp(y);
  v[1] = v[0] * l1;
  v[2] = v[0] * (l2 + l1 * l1);
}

/* V falls everywhere: bisection of ln r, from well within k Z1 Z2 / r to the end. */
double wall_radius(const wall_pair *p, double energy) {
  if (!(energy > 0)) return p->end;
  double low = fmin(p->reach, p->charge / energy) * 1e-9, high = p->end;
  for (int i = 0; i < 100 && high > low * (1 + 1e-14); i++) {
    double middle = sqrt(low * high), v[3];
    wall_value(p, middle, v);
    if (v[0] > energy) low = middle;
    else high = middle;
  }
  return high;
}
