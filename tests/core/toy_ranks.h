/* toy_ranks.h -- a potential of two layers, over domains and by itself.
 *
 *   rho_i = sum_j w(r_ij),  h_i = q_i sqrt(1 + rho_i),  E = sum_i (h_i + sum_j w(r_ij) h_j)
 *
 * with w(r) = (1 - (r/R)^2)^3. The second layer needs h of ghosts, and its adjoint back at the
 * owner: what a message-passing model asks of ranks.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TOY_RANKS_H
#define EQS_TOY_RANKS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/domain.h"

/* w and w'/r; 0 beyond the cutoff. */
static inline double toy_weight(double r2, double cutoff, double *slope) {
  double s = 1 - r2 / (cutoff * cutoff);
  *slope = s > 0 ? -6 * s * s / (cutoff * cutoff) : 0;
  return s > 0 ? s * s * s : 0;
}

static inline double toy_charge(int number) { return 0.3 + 0.1 * (number % 7); }

static inline double toy_distance2(const double a[3], const double b[3], double v[3]) {
  double r2 = 0;
  for (int k = 0; k < 3; k++) {
    v[k] = b[k] - a[k];
    r2 += v[k] * v[k];
  }
  return r2;
}

/* What a rank's part of a cell gives; arrays [n_owned + n_ghost], of which the owned part counts.
 */
typedef struct toy_part {
  double *energy, (*force)[3];
  double virial[9];
} toy_part;

static inline eqs_status toy_domain(domain *d, comm *c, toy_part *out) {
  size_t n = (size_t)(d->n_owned + d->n_ghost);
  double *h, *h_bar, v[3], slope, cutoff = d->cutoff;
  EQS_TRY(alloc_array(&h, n, sizeof *h, "h"));
  EQS_TRY(alloc_array(&h_bar, n, sizeof *h_bar, "h_bar"));
  EQS_TRY(alloc_array(&out->energy, n, sizeof *out->energy, "energies"));
  EQS_TRY(alloc_array(&out->force, n, sizeof *out->force, "forces"));
  memset(out->virial, 0, sizeof out->virial);
  for (size_t i = 0; i < (size_t)d->n_owned; i++) {
    double rho = 0;
    for (size_t j = 0; j < n; j++)
      if (j != i) rho += toy_weight(toy_distance2(d->x[i], d->x[j], v), cutoff, &slope);
    h[i] = toy_charge(d->number[i]) * sqrt(1 + rho);
  }
  EQS_TRY(comm_plan_forward(c, &d->plan, h, sizeof *h));
  for (size_t i = 0; i < (size_t)d->n_owned; i++) {
    out->energy[i] = h[i];
    h_bar[i] += 1;
    for (size_t j = 0; j < n; j++) {
      if (j == i) continue;
      double w = toy_weight(toy_distance2(d->x[i], d->x[j], v), cutoff, &slope);
      out->energy[i] += w * h[j];
      h_bar[j] += w;
    }
  }
  EQS_TRY(comm_plan_reverse(c, &d->plan, h_bar, sizeof *h_bar, sizeof *h_bar));
  for (size_t i = 0; i < (size_t)d->n_owned; i++) {
    double q = toy_charge(d->number[i]), rho_bar = h_bar[i] * q * q / (2 * h[i]);
    for (size_t j = 0; j < n; j++) {
      if (j == i) continue;
      toy_weight(toy_distance2(d->x[i], d->x[j], v), cutoff, &slope);
      double g = (rho_bar + h[j]) * slope;
      for (int a = 0; a < 3; a++) {
        out->force[i][a] += g * v[a];
        out->force[j][a] -= g * v[a];
        for (int b = 0; b < 3; b++) out->virial[3 * a + b] += g * v[a] * v[b];
      }
    }
  }
  free(h);
  free(h_bar);
  return comm_plan_reverse(c, &d->plan, out->force, sizeof *out->force, sizeof(double));
}

/* The same of all atoms at once, by sums over images -most .. most of the cell. */
static inline void toy_whole(int n, const int *number, const double (*x)[3], const double cell[9],
                             const int pbc[3], double cutoff, int most, double *energy,
                             double (*force)[3], double virial[9]) {
  double *h = calloc(3 * (size_t)n, sizeof *h), *h_bar = h + n, *rho = h + 2 * n, v[3], slope;
  *energy = 0;
  memset(force, 0, (size_t)n * sizeof *force);
  memset(virial, 0, 9 * sizeof *virial);
  for (int pass = 0; pass < 3; pass++) {
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++)
        for (int s = 0; s < (2 * most + 1) * (2 * most + 1) * (2 * most + 1); s++) {
          int t[3] = {s % (2 * most + 1) - most, s / (2 * most + 1) % (2 * most + 1) - most,
                      s / (2 * most + 1) / (2 * most + 1) - most};
          if ((t[0] && !pbc[0]) || (t[1] && !pbc[1]) || (t[2] && !pbc[2])) continue;
          if (i == j && !t[0] && !t[1] && !t[2]) continue;
          double y[3];
          for (int a = 0; a < 3; a++)
            y[a] = x[j][a] + t[0] * cell[a] + t[1] * cell[3 + a] + t[2] * cell[6 + a];
          double w = toy_weight(toy_distance2(x[i], y, v), cutoff, &slope);
          if (w == 0) continue;
          if (pass == 0) rho[i] += w;
          if (pass == 1) *energy += w * h[j], h_bar[j] += w;
          double q = toy_charge(number[i]);
          double g = pass == 2 ? (h_bar[i] * q * q / (2 * h[i]) + h[j]) * slope : 0;
          for (int a = 0; a < 3; a++) {
            force[i][a] += g * v[a];
            force[j][a] -= g * v[a];
            for (int b = 0; b < 3; b++) virial[3 * a + b] += g * v[a] * v[b];
          }
        }
    for (int i = 0; pass == 0 && i < n; i++) {
      h[i] = toy_charge(number[i]) * sqrt(1 + rho[i]);
      *energy += h[i];
      h_bar[i] = 1;
    }
  }
  free(h);
}

#endif
