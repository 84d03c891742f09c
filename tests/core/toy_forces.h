/* toy_forces.h -- analytic systems for molecular dynamics and minimisers.
 *
 * A crystal of 3 x 3 x 3 atoms whose bonds to the next atoms along the axes are vector springs,
 * U = k/p |r - R|^p: homogeneous of degree p in the 3 n - 3 displacements, so that at any
 * temperature U follows the gamma distribution of shape (3 n - 3)/p and scale kT. Lennard-Jones
 * atoms, smooth at the cutoff. Atoms that do not interact.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TOY_FORCES_H
#define EQS_TOY_FORCES_H

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "core/dynamics/dynamics.h"
#include "core/neighbors.h"

typedef struct toy_springs {
  double k, length; /* eV/angstrom^power, angstrom */
  int power;        /* 2, 4 */
} toy_springs;

enum { TOY_SIDE = 3, TOY_ATOMS = TOY_SIDE * TOY_SIDE * TOY_SIDE };

/* x[j] - x[i] nearest to `near`. */
static inline void toy_nearest(const double cell[9], const double inverse[9], const double *xi,
                               const double *xj, const double near[3], double out[3]) {
  double d[3], whole[3];
  for (int a = 0; a < 3; a++) d[a] = xj[a] - xi[a] - near[a];
  for (int k = 0; k < 3; k++)
    whole[k] = round(d[0] * inverse[k] + d[1] * inverse[3 + k] + d[2] * inverse[6 + k]);
  for (int a = 0; a < 3; a++)
    out[a] = d[a] + near[a] - whole[0] * cell[a] - whole[1] * cell[3 + a] - whole[2] * cell[6 + a];
}

static inline eqs_status toy_springs_force(void *context, int n, const double (*x)[3],
                                           const double cell[9], double *energy, double (*force)[3],
                                           double stress[9]) {
  const toy_springs *s = context;
  double inverse[9], volume = fabs(cell_volume(cell));
  if (!cell_inverse(cell, inverse)) return status_fail(EQS_ERR_ARGUMENT, "singular");
  *energy = 0;
  memset(force, 0, (size_t)n * sizeof *force);
  memset(stress, 0, 9 * sizeof *stress);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      int at[3] = {i % TOY_SIDE, i / TOY_SIDE % TOY_SIDE, i / TOY_SIDE / TOY_SIDE};
      double near[3], r[3], d[3], d2 = 0;
      at[k] = (at[k] + 1) % TOY_SIDE;
      int j = at[0] + TOY_SIDE * (at[1] + TOY_SIDE * at[2]);
      for (int a = 0; a < 3; a++) near[a] = cell[3 * k + a] / TOY_SIDE;
      toy_nearest(cell, inverse, x[i], x[j], near, r);
      for (int a = 0; a < 3; a++) {
        d[a] = r[a] - (a == k ? s->length : 0);
        d2 += d[a] * d[a];
      }
      double pull = s->k * (s->power == 4 ? d2 : 1);
      *energy += pull * d2 / s->power;
      for (int a = 0; a < 3; a++) {
        force[i][a] += pull * d[a];
        force[j][a] -= pull * d[a];
        for (int b = 0; b < 3; b++)
          stress[3 * a + b] += pull * (d[a] * r[b] + d[b] * r[a]) / 2 / volume;
      }
    }
  return EQS_OK;
}

static inline void toy_lattice(double length, double cell[9], double (*x)[3]) {
  for (int k = 0; k < 9; k++) cell[k] = k % 4 ? 0 : TOY_SIDE * length;
  for (int i = 0; i < TOY_ATOMS; i++) {
    x[i][0] = length * (i % TOY_SIDE + 0.5);
    x[i][1] = length * (i / TOY_SIDE % TOY_SIDE + 0.5);
    x[i][2] = length * (i / TOY_SIDE / TOY_SIDE + 0.5);
  }
}

static inline eqs_status toy_free_force(void *context, int n, const double (*x)[3],
                                        const double cell[9], double *energy, double (*force)[3],
                                        double stress[9]) {
  (void)context;
  (void)x;
  (void)cell;
  *energy = 0;
  memset(force, 0, (size_t)n * sizeof *force);
  memset(stress, 0, 9 * sizeof *stress);
  return EQS_OK;
}

/* Pairs of nearest images only: half of the narrowest width is the least cutoff that is right. */
typedef struct toy_lj {
  double epsilon, sigma, cutoff; /* eV, angstrom, angstrom */
} toy_lj;

/* 4 e ((s/r)^12 - (s/r)^6) times (1 - (r/c)^8)^3; its derivative over r. */
static inline double toy_lj_pair(const toy_lj *p, double r2, double *slope) {
  double c2 = p->cutoff * p->cutoff, u = p->sigma * p->sigma / r2, q = r2 / c2;
  double t = 1 - q * q * q * q;
  double u6 = u * u * u, v = 4 * p->epsilon * (u6 * u6 - u6);
  double dv = -24 * p->epsilon * (2 * u6 * u6 - u6) / r2;
  *slope = dv * t * t * t - v * 24 * t * t * q * q * q / c2;
  return v * t * t * t;
}

static inline eqs_status toy_lj_force(void *context, int n, const double (*x)[3],
                                      const double cell[9], double *energy, double (*force)[3],
                                      double stress[9]) {
  const toy_lj *p = context;
  static const double near[3] = {0, 0, 0};
  double inverse[9], volume = fabs(cell_volume(cell));
  if (!cell_inverse(cell, inverse)) return status_fail(EQS_ERR_ARGUMENT, "singular");
  *energy = 0;
  memset(force, 0, (size_t)n * sizeof *force);
  memset(stress, 0, 9 * sizeof *stress);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) {
      double r[3], slope;
      toy_nearest(cell, inverse, x[i], x[j], near, r);
      double r2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
      if (r2 >= p->cutoff * p->cutoff) continue;
      if (r2 < 1e-6) return status_fail(EQS_ERR_DIVERGED, "atoms on one place");
      *energy += toy_lj_pair(p, r2, &slope);
      for (int a = 0; a < 3; a++) {
        force[i][a] += slope * r[a];
        force[j][a] -= slope * r[a];
        for (int b = 0; b < 3; b++) stress[3 * a + b] += slope * r[a] * r[b] / volume;
      }
    }
  return EQS_OK;
}

/* Face-centred cubic, side^3 cubes of four atoms. */
static inline void toy_fcc(int side, double length, double cell[9], double (*x)[3]) {
  static const double basis[4][3] = {{0, 0, 0}, {0, 0.5, 0.5}, {0.5, 0, 0.5}, {0.5, 0.5, 0}};
  for (int k = 0; k < 9; k++) cell[k] = k % 4 ? 0 : side * length;
  for (int i = 0; i < 4 * side * side * side; i++) {
    int c[3] = {i / 4 % side, i / 4 / side % side, i / 4 / side / side};
    for (int k = 0; k < 3; k++) x[i][k] = length * (c[k] + basis[i % 4][k] + 0.1);
  }
}

static const double toy_mass[TOY_ATOMS] = {12, 16, 1.5, 12, 65, 16, 12, 20, 30, 12, 16, 14, 12, 16,
                                           12, 14, 20,  65, 12, 16, 12, 14, 12, 16, 12, 30, 20};

static inline void toy_open_springs(dynamics *d, toy_springs *p, dynamics_settings s) {
  double cell[9], x[TOY_ATOMS][3];
  static const int pbc[3] = {1, 1, 1};
  toy_lattice(p->length, cell, x);
  s.context = p;
  s.force = toy_springs_force;
  cr_assert_eq(dynamics_open(d, &s, TOY_ATOMS, toy_mass, (const double(*)[3])x, NULL, cell, pbc),
               EQS_OK, "%s", eqs_error());
}

/* A mean of correlated values with its error, by blocks. */
enum { BLOCKS = 40 };
typedef struct mean {
  double sum[BLOCKS];
  int64_t n[BLOCKS];
} mean;

static inline void mean_add(mean *m, int64_t i, int64_t of, double x) {
  int64_t b = i * BLOCKS / of;
  m->sum[b] += x;
  m->n[b]++;
}

/* Within four standard errors of `want`, and these below `share` of it. */
static inline void mean_is(const mean *m, double want, double share, const char *what) {
  double sum = 0, square = 0;
  for (int b = 0; b < BLOCKS; b++) {
    double x = m->sum[b] / (double)m->n[b];
    sum += x / BLOCKS;
    square += x * x / BLOCKS;
  }
  double error = sqrt(fmax(square - sum * sum, 0) / (BLOCKS - 1));
  cr_expect(fabs(sum - want) < 4 * error, "%s: %.6g +- %.2g, not %.6g", what, sum, error, want);
  cr_expect(error < share * fabs(want), "%s: the error is %.2g of %.6g", what, error, want);
}

#endif
