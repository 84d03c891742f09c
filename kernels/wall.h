/* wall.h -- bodies of the repulsive prior: what a model is shown of two atoms that are closer than
 * in its training data, and how energies and gradients come back from there.
 *
 * Below `on` an edge v = r u is shown to the model as s(r) u. With x = (r - on + width) / width
 *   s = on - width / 2 + width (x^3 - x^4 / 2),  s' = x^2 (3 - 2 x),  x in [0, 1],
 * which meets s = r at `on` with two derivatives and stays at on - width / 2 for x < 0. A pair gets
 * V(r) - V(s(r)) besides, V = charge / r exp(y(n sqrt(r / reach))), y a cubic spline, shared
 * equally by its two edges. So the energy is a twice differentiable function of the positions,
 * unchanged where no pair is below `on`, and a pair's wall grows like 1 / r.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_WALL_H
#define EQS_KERNEL_WALL_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

/* The distance that is shown, and its derivative, for r < on. */
FN double wall_shown(const wall_shape *s, double r, double *slope) {
  double least = s->on - 0.5 * s->width, x = (r - s->on + s->width) / s->width;
  *slope = 0;
  if (x <= 0) return least;
  *slope = x * x * (3 - 2 * x);
  return least + s->width * x * x * x * (1 - 0.5 * x);
}

/* V and its derivative, for r <= reach. */
FN double wall_pair_energy(const wall_shape *s, const double (*piece)[4], double r, double *slope) {
  double t = s->n * sqrt(r / s->reach);
  int i = (int)t < s->n ? (int)t : s->n - 1;
  const double *c = piece[s->first + i];
  double u = t - i, y = c[0] + u * (c[1] + u * (c[2] + u * c[3]));
  double v = s->charge / r * exp(y);
  *slope = v / r * (0.5 * t * (c[1] + u * (2 * c[2] + 3 * u * c[3])) - 1);
  return v;
}

FN const wall_shape *wall_of_edge(const wall_args *a, int i, int e, double *r) {
  const double *v = a->vector[e];
  const wall_shape *s = a->shape + a->species[i] * a->n_species + a->species[a->neighbor[e]];
  *r = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  return s;
}

FN void wall_forward_body(const wall_args *a, int owner) {
  int i = a->begin + owner, near = 0;
  for (int e = a->first[i]; e < a->first[i + 1]; e++) {
    double r, slope, scale = 1;
    const wall_shape *s = wall_of_edge(a, i, e, &r);
    if (r < s->on) {
      near = 1;
      scale = wall_shown(s, r, &slope) / r;
    }
    if (a->shown)
      for (int c = 0; c < 3; c++) a->shown[e][c] = scale * a->vector[e][c];
  }
  if (a->near && near) *a->near = 1;
}

FN void wall_reverse_body(const wall_args *a, int owner) {
  int i = a->begin + owner;
  double sum = 0;
  for (int e = a->first[i]; e < a->first[i + 1]; e++) {
    double r, shown_slope, slope, inner_slope;
    const wall_shape *s = wall_of_edge(a, i, e, &r);
    if (!(r < s->on)) continue;
    double shown = wall_shown(s, r, &shown_slope);
    sum += 0.5 * (wall_pair_energy(s, a->piece, r, &slope) -
                  wall_pair_energy(s, a->piece, shown, &inner_slope));
    if (!a->gradient) continue;
    double *g = a->gradient[e], along = 0, u[3];
    for (int c = 0; c < 3; c++) {
      u[c] = a->vector[e][c] / r;
      along += g[c] * u[c];
    }
    double radial = shown_slope * along + 0.5 * (slope - inner_slope * shown_slope);
    for (int c = 0; c < 3; c++) g[c] = shown / r * (g[c] - along * u[c]) + radial * u[c];
  }
  a->energy[i] += sum;
}

#endif
