/* atom_potential.c -- Poisson's equation and libxc on the radial grid. A GGA's potential is
 * de/dn - div h, h = 2 de/dsigma_ss grad n_s + de/dsigma_st grad n_t.
 * SPDX-License-Identifier: MIT */
#include "potentials/atom_potential.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

#define PI 3.14159265358979323846
enum { P = ATOM_ORDER };
/* Below it the gradient's part of the potential is left out, panel by panel: functionals of libxc
 * are cut to zero between 1e-12 and 1e-16, and that step must not be differentiated. */
static const double thinnest = 1e-13;
/* Below this density potentials are held within 2 / r: those of some functionals (g96, rpa, lm)
 * diverge far out, where nothing is. */
static const double tail = 1e-8;

double atom_hartree(const atom_grid *g, const double *charge, double *out, double *scratch) {
  double *f = scratch, *inside = scratch + g->n, *outside = scratch + 2 * g->n;
  for (int i = 0; i < g->n; i++) f[i] = charge[i] * g->r[i];
  atom_grid_outward(g, f, inside);
  atom_grid_inward(g, charge, outside);
  for (int i = 0; i < g->n; i++) {
    out[i] = inside[i] + g->r[i] * outside[i];
    f[i] = charge[i] * out[i] / 2;
  }
  return atom_grid_integral(g, f);
}

void atom_gradient(const atom_grid *g, const double *density, double *out, double *scratch) {
  for (int i = 0; i < g->n; i++) scratch[i] = density[i] > 1e-200 ? log(density[i]) : -1e3;
  atom_grid_slope(g, scratch, out);
  for (int p = 0; p < g->panels; p++) {
    int thin = 0;
    for (int i = p * P; i < p * P + P; i++) thin |= !(density[i] > 1e-200);
    for (int i = p * P; i < p * P + P; i++) out[i] = thin ? 0 : out[i] * density[i] / g->r[i];
  }
}

typedef struct fields {
  int spins, n;
  double *density, *sigma, *energy, *of_density, *of_sigma; /* as libxc has them */
  double *gradient[2], *h;
} fields;

static eqs_status fields_make(int spins, int n, fields *out) {
  size_t m = (size_t)n;
  *out = (fields){.spins = spins, .n = n};
  double **array[] = {&out->density,  &out->sigma,       &out->energy,      &out->of_density,
                      &out->of_sigma, &out->gradient[0], &out->gradient[1], &out->h};
  for (size_t i = 0; i < sizeof array / sizeof *array; i++)
    EQS_TRY(alloc_array(array[i], 3 * m, sizeof(double), "densities of an atom"));
  return EQS_OK;
}

static void fields_free(fields *f) {
  double *array[] = {f->density,  f->sigma,       f->energy,      f->of_density,
                     f->of_sigma, f->gradient[0], f->gradient[1], f->h};
  for (size_t i = 0; i < sizeof array / sizeof *array; i++) free(array[i]);
}

static void fill(const atom_grid *g, double *const density[2], fields *f) {
  for (int s = 0; s < f->spins; s++) {
    atom_gradient(g, density[s], f->gradient[s], f->h);
    for (int i = 0; i < f->n; i++) f->density[f->spins * i + s] = density[s][i];
  }
  for (int i = 0; i < f->n; i++) {
    double up = f->gradient[0][i], down = f->gradient[1][i];
    if (f->spins == 1) {
      f->sigma[i] = up * up;
    } else {
      f->sigma[3 * i] = up * up;
      f->sigma[3 * i + 1] = up * down;
      f->sigma[3 * i + 2] = down * down;
    }
  }
}

/* Takes div h of spin s from its potential. */
static void take_divergence(const atom_grid *g, const fields *f, int s, const double *density,
                            double *slope, double *potential) {
  double *h = f->h;
  for (int i = 0; i < f->n; i++) {
    if (f->spins == 1) h[i] = 2 * f->of_sigma[i] * f->gradient[0][i];
    else
      h[i] = 2 * f->of_sigma[3 * i + 2 * s] * f->gradient[s][i] +
             f->of_sigma[3 * i + 1] * f->gradient[1 - s][i];
  }
  for (int p = 0; p < g->panels; p++) {
    double least = density[p * P];
    for (int i = p * P; i < p * P + P; i++) least = fmin(least, density[i]);
    if (least < thinnest) memset(h + p * P, 0, P * sizeof *h);
  }
  atom_grid_slope(g, h, slope);
  for (int i = 0; i < f->n; i++) potential[i] -= (slope[i] + 2 * h[i]) / g->r[i];
}

static void hold_tail(const atom_grid *g, int spins, double *const density[2],
                      double *const potential[2]) {
  for (int i = 0; i < g->n; i++) {
    double total = density[0][i] + (spins == 2 ? density[1][i] : 0), most = 2 / g->r[i];
    for (int s = 0; total < tail && s < spins; s++)
      potential[s][i] = fmax(-most, fmin(most, potential[s][i]));
  }
}

eqs_status atom_xc(const atom_grid *g, const functional *xc, int spins, double *const density[2],
                   double *const potential[2], double *energy) {
  fields f;
  eqs_status status = fields_make(spins, g->n, &f);
  if (status == EQS_OK) {
    fill(g, density, &f);
    status = functional_evaluate(xc, spins, g->n, f.density, f.sigma, f.energy, f.of_density,
                                 f.of_sigma);
  }
  if (status == EQS_OK) {
    for (int s = 0; s < spins; s++) {
      for (int i = 0; i < g->n; i++) potential[s][i] = f.of_density[spins * i + s];
      if (functional_has_gradient(xc))
        take_divergence(g, &f, s, density[s], f.density, potential[s]);
    }
    hold_tail(g, spins, density, potential);
    for (int i = 0; i < g->n; i++) f.energy[i] *= 4 * PI * pow(g->r[i], 3);
    *energy = atom_grid_integral(g, f.energy);
  }
  fields_free(&f);
  return status;
}
