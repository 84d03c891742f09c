/* atom.c -- the self-consistent field of an atom.
 *
 * What is iterated is r times the potential of the electrons, mixed after D. G. Anderson, J. ACM
 * 12, 547 (1965). The energy is sum f e - int n V_in + the energies of the new density, so that its
 * error is of second order.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/atom.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "io/elements.h"
#include "potentials/atom_orbital.h"
#include "potentials/atom_potential.h"

#define PI 3.14159265358979323846
enum { ROUNDS = 200, PATIENT = 60, HISTORY = 7 };
static const double converged = 2e-9; /* hartree: root mean square of V_out - V_in per electron */
/* A GGA's potential is noise that no orbital feels below this density (bohr^-3) far out, and closer
 * to the nucleus than a thousandth of 1 / Z. */
static const double thin = 1e-7;

typedef struct field {
  const atom_options *options;
  atom *a;
  int n, m;         /* grid points; m = spins * n */
  double *in, *out; /* [m] r times the electrons' potential */
  double *past_in[HISTORY], *past_out[HISTORY];
  double *shell, *scratch;  /* [n], [4 n] */
  double *charge[2], *well; /* [n] electrons per bohr; the whole potential */
  double *weight;           /* [m] of the mixing's scalar product */
  double bands, distance;   /* sum f e; |V_out - V_in| */
} field;

static eqs_status field_make(const atom_options *options, atom *a, field *f) {
  size_t n = (size_t)a->grid.n, m = n * (size_t)a->spins;
  *f = (field){.options = options, .a = a, .n = (int)n, .m = (int)m};
  double **big[] = {&f->in, &f->out, &f->weight};
  double **small[] = {&f->shell, &f->charge[0], &f->charge[1], &f->well};
  for (size_t i = 0; i < sizeof big / sizeof *big; i++)
    EQS_TRY(alloc_array(big[i], m, sizeof(double), "an atom"));
  for (size_t i = 0; i < sizeof small / sizeof *small; i++)
    EQS_TRY(alloc_array(small[i], n, sizeof(double), "an atom"));
  for (int k = 0; k < HISTORY; k++) {
    EQS_TRY(alloc_array(&f->past_in[k], m, sizeof(double), "an atom"));
    EQS_TRY(alloc_array(&f->past_out[k], m, sizeof(double), "an atom"));
  }
  return alloc_array(&f->scratch, 4 * n, sizeof(double), "an atom");
}

static void field_free(field *f) {
  double *all[] = {f->in,        f->out,       f->weight, f->shell,
                   f->charge[0], f->charge[1], f->well,   f->scratch};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  for (int k = 0; k < HISTORY; k++) {
    free(f->past_in[k]);
    free(f->past_out[k]);
  }
}

/* The screened charge of Green, Sellin and Zachor, Phys. Rev. 184, 1 (1969), roughly. */
static void first_guess(field *f) {
  const atom_grid *g = &f->a->grid;
  double z = f->a->z, d = 0.75, h = d * pow(z - 1, 0.4);
  for (int i = 0; i < f->n; i++) {
    double r = g->r[i], screened = 1 + (z - 1) / (1 + h * expm1(fmin(r / d, 200)));
    for (int s = 0; s < f->a->spins; s++) f->in[s * f->n + i] = z - screened;
  }
  for (int k = 0; k < f->a->n_orbital; k++) {
    double n = f->a->orbital[k].n;
    f->a->orbital[k].energy[0] = f->a->orbital[k].energy[1] = -z * z / (20 * n * n * n);
  }
}

/* Orbitals in the potential `in`, and their densities. */
static eqs_status fill_orbitals(field *f) {
  atom *a = f->a;
  const atom_grid *g = &a->grid;
  f->bands = 0;
  for (int s = 0; s < a->spins; s++) {
    for (int i = 0; i < f->n; i++) {
      f->well[i] = (f->in[s * f->n + i] - a->z) / g->r[i];
      f->charge[s][i] = 0;
    }
    atom_well w = {
        .grid = g, .v = f->well, .z = a->z, .c = f->options->light, .small = f->options->small};
    for (int k = 0; k < a->n_orbital; k++) {
      atom_orbital *o = &a->orbital[k];
      if (!(o->occupation[s] > 0)) continue;
      eqs_status status = atom_orbital_solve(&w, o->n, o->l, &o->energy[s], f->shell, f->scratch);
      if (status != EQS_OK)
        return status_prefix(status, "the %s atom (%s)", element_symbol(a->z),
                             functional_name(f->options->functional));
      f->bands += o->occupation[s] * o->energy[s];
      for (int i = 0; i < f->n; i++) f->charge[s][i] += o->occupation[s] * f->shell[i];
    }
    for (int i = 0; i < f->n; i++) {
      a->density[s][i] = f->charge[s][i] / (4 * PI * g->r[i] * g->r[i]);
      a->potential[s][i] = f->well[i];
    }
  }
  return EQS_OK;
}

/* The potential of the new density, the energies, and how far in and out are apart. */
static eqs_status new_potential(field *f) {
  atom *a = f->a;
  const atom_grid *g = &a->grid;
  double *xc[2] = {f->out, f->out + f->n}, *integrand = f->shell, *sum = f->well;
  EQS_TRY(atom_xc(g, f->options->functional, a->spins, a->density, xc, &a->xc));
  for (int i = 0; i < f->n; i++) sum[i] = f->charge[0][i] + (a->spins == 2 ? f->charge[1][i] : 0);
  a->hartree = atom_hartree(g, sum, f->scratch, f->scratch + f->n);
  for (int i = 0; i < f->n; i++) integrand[i] = -a->z * sum[i];
  a->nuclear = atom_grid_integral(g, integrand);
  double own = 0, distance = 0;
  for (int s = 0; s < a->spins; s++) {
    for (int i = 0; i < f->n; i++) integrand[i] = f->charge[s][i] * (f->in[s * f->n + i] - a->z);
    own += atom_grid_integral(g, integrand);
    for (int i = 0; i < f->n; i++) {
      int at = s * f->n + i;
      f->out[at] = f->out[at] * g->r[i] + f->scratch[i];
      double d = (f->out[at] - f->in[at]) / g->r[i];
      double n = a->density[s][i], r2 = pow(g->r[i] * a->z * 1e3, 2);
      double weight = f->charge[s][i] * n / (n + thin) * r2 / (1 + r2);
      integrand[i] = weight * g->r[i] * d * d;
      f->weight[at] =
          g->half[i / ATOM_ORDER] * g->from_left[ATOM_ORDER - 1][i % ATOM_ORDER] * weight / g->r[i];
    }
    distance += atom_grid_integral(g, integrand);
  }
  a->kinetic = f->bands - own;
  a->total = a->kinetic + a->nuclear + a->hartree + a->xc;
  f->distance = sqrt(distance / a->z);
  return EQS_OK;
}

/* Of a - b and c - d; d = NULL stands for zeros. */
static double product(const field *f, const double *a, const double *b, const double *c,
                      const double *d) {
  double sum = 0;
  for (int i = 0; i < f->m; i++) sum += f->weight[i] * (a[i] - b[i]) * (c[i] - (d ? d[i] : 0));
  return sum;
}

/* Solves the n x n equations by elimination; 0 if they are singular. */
static int solve(int n, double a[HISTORY][HISTORY], double *y) {
  for (int k = 0; k < n; k++) {
    if (!(a[k][k] > 1e-300)) return 0;
    for (int i = k + 1; i < n; i++) {
      double factor = a[i][k] / a[k][k];
      for (int j = k; j < n; j++) a[i][j] -= factor * a[k][j];
      y[i] -= factor * y[k];
    }
  }
  for (int k = n; k-- > 0;) {
    for (int j = k + 1; j < n; j++) y[k] -= a[k][j] * y[j];
    y[k] /= a[k][k];
  }
  return 1;
}

/* in becomes the next potential, from this round's residual and those of the rounds before. */
static void mix(field *f, int round) {
  double mixing = 0.4, a[HISTORY][HISTORY], share[HISTORY];
  int now = round % HISTORY, n = 0, past[HISTORY];
  memcpy(f->past_in[now], f->in, (size_t)f->m * sizeof *f->in);
  for (int i = 0; i < f->m; i++) f->past_out[now][i] = f->out[i] - f->in[i];
  const double *residual = f->past_out[now];
  for (int k = round - 1; k >= 0 && k > round - HISTORY; k--) past[n++] = k % HISTORY;
  for (int i = 0; i < n; i++) {
    const double *ri = f->past_out[past[i]];
    for (int j = 0; j < n; j++) a[i][j] = product(f, residual, ri, residual, f->past_out[past[j]]);
    a[i][i] *= 1 + 1e-12;
    share[i] = product(f, residual, ri, residual, NULL);
  }
  if (!solve(n, a, share)) n = 0;
  for (int i = 0; i < f->m; i++) {
    double x = f->past_in[now][i], y = residual[i];
    for (int k = 0; k < n; k++) {
      x -= share[k] * (f->past_in[now][i] - f->past_in[past[k]][i]);
      y -= share[k] * (residual[i] - f->past_out[past[k]][i]);
    }
    f->in[i] = x + mixing * y;
  }
}

static eqs_status iterate(field *f) {
  atom *a = f->a;
  first_guess(f);
  for (int round = 0; round < ROUNDS; round++) {
    EQS_TRY(fill_orbitals(f));
    EQS_TRY(new_potential(f));
    a->iterations = round + 1;
    if (f->distance < (round < PATIENT ? converged : 20 * converged)) return EQS_OK;
    if (!isfinite(f->distance)) break;
    mix(f, round);
  }
  EQS_FAIL(EQS_ERR_DIVERGED,
           "the %s atom (%s) does not converge: after %d rounds potentials differ by %.1e hartree",
           element_symbol(a->z), functional_name(f->options->functional), a->iterations,
           f->distance);
}

eqs_status atom_solve(int z, const atom_options *options, atom *out) {
  memset(out, 0, sizeof *out);
  if (z < 1 || z > ATOM_LAST)
    EQS_FAIL(EQS_ERR_ARGUMENT, "atoms are computed for Z = 1 to %d, not %d", ATOM_LAST, z);
  out->z = z;
  out->spins = options->polarised ? 2 : 1;
  out->n_orbital = atom_configuration(z, options->polarised, out->orbital);
  EQS_TRY(atom_grid_make(z, options->finer > 1 ? options->finer : 1, &out->grid));
  eqs_status status = EQS_OK;
  for (int s = 0; s < out->spins && status == EQS_OK; s++) {
    size_t n = (size_t)out->grid.n;
    status = alloc_array(&out->density[s], n, sizeof(double), "an atom's density");
    if (status == EQS_OK)
      status = alloc_array(&out->potential[s], n, sizeof(double), "an atom's potential");
  }
  field f = {0};
  if (status == EQS_OK) status = field_make(options, out, &f);
  if (status == EQS_OK) status = iterate(&f);
  field_free(&f);
  if (status != EQS_OK) atom_free(out);
  return status;
}

void atom_free(atom *a) {
  for (int s = 0; s < 2; s++) {
    free(a->density[s]);
    free(a->potential[s]);
  }
  atom_grid_free(&a->grid);
  memset(a, 0, sizeof *a);
}
