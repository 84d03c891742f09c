/* zbl.c -- V(r) = 14.3996 Z1 Z2 / r * sum_i c_i exp(-b_i r / a) * f(r; R1 + R2), shared equally by
 * the two atoms; f is the polynomial cutoff at the sum of the covalent radii.
 * Ziegler, Biersack, Littmark, "The Stopping and Range of Ions in Matter" (1985).
 * SPDX-License-Identifier: MIT */
#include "potentials/zbl.h"

#include <math.h>

typedef struct zbl_task {
  const zbl_parameters *z;
  double scale;
  const batch *b;
  double *energies, (*gradient)[3];
} zbl_task;

/* Half the pair energy and its derivative by r. */
static double half_pair(const zbl_parameters *z, int s1, int s2, double r, double *slope) {
  static const double b[4] = {3.2, 0.9423, 0.4028, 0.2016};
  double r_max = z->radius[s1] + z->radius[s2], z1 = z->charge[s1], z2 = z->charge[s2], p = z->p;
  *slope = 0;
  if (r >= r_max) return 0;
  double a = z->a_prefactor * 0.529 / (pow(z1, z->a_exp) + pow(z2, z->a_exp));
  double phi = 0, d_phi = 0;
  for (int i = 0; i < 4; i++) {
    double term = z->c[i] * exp(-b[i] * r / a);
    phi += term;
    d_phi -= b[i] / a * term;
  }
  double u = r / r_max, up = pow(u, p);
  double f = 1 - (p + 1) * (p + 2) / 2 * up + p * (p + 2) * up * u - p * (p + 1) / 2 * up * u * u;
  double d_f = -p * (p + 1) * (p + 2) / 2 * up / u * (1 - u) * (1 - u) / r_max;
  double q = 0.5 * 14.3996 * z1 * z2 / r;
  *slope = q * (d_phi * f + phi * d_f - phi * f / r);
  return q * phi * f;
}

static eqs_status zbl_block(void *argument, int block, arena *scratch) {
  (void)scratch;
  const zbl_task *t = argument;
  const neighbors *nb = t->b->nb;
  int rows = batch_count(t->b, 0), first = batch_begin(t->b);
  for (int i = first + block_begin(block, rows); i < first + block_end(block, rows); i++)
    for (int e = nb->first[i]; e < nb->first[i + 1]; e++) {
      const double *v = nb->vector[e];
      double r = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), slope;
      double energy = half_pair(t->z, t->b->species[i], t->b->species[nb->neighbor[e]], r, &slope);
      t->energies[i] += t->scale * energy;
      if (t->gradient)
        for (int c = 0; c < 3; c++) t->gradient[e][c] += t->scale * slope * v[c] / r;
    }
  return EQS_OK;
}

eqs_status zbl_evaluate(const zbl_parameters *z, double scale, workspace *w, const batch *b,
                        double *energies, double (*gradient)[3]) {
  zbl_task t = {z, scale, b, energies, gradient};
  return workspace_run(w, block_count(batch_count(b, 0)), zbl_block, &t);
}
