/* contraction.h -- MACE's symmetric contraction as sparse polynomials (see kernels/contraction.h).
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CONTRACTION_H
#define EQS_CONTRACTION_H

#include "core/status.h"
#include "potentials/linear_map.h"

enum { CORRELATION_MAX = 3 };

/* The generalised Clebsch-Gordan tensor of one output order L and one correlation order nu:
 * u[2L+1][dimension]^nu[n_path] row-major in double, dimension = (lmax + 1)^2. */
typedef struct contraction_tensor {
  int n_path; /* 0: this order is absent */
  const double *u;
} contraction_tensor;

typedef struct contraction {
  int dimension, channels /* padded */;
  layout out;
  int n_output, n_monomial, n_code;
  int n_forward, reverse; /* of these monomials and codes those before the derivatives' */
  int selected;           /* see contraction_args */
  int *program;           /* on the host, until it is complete; then */
  int *device_program;    /* where k's kernels read it */
  const kernel_ops *k;
  /* monomial i = sum over terms first[i] .. first[i+1]-1 of value * weight[(l, nu)][path] */
  int *first;
  struct contraction_term {
    int l, nu, path; /* nu counts from 0 */
    double value;
  } * term;
} contraction;

/* tensor[L][nu - 1] for L = 0 .. l_out. */
eqs_status contraction_build(contraction *c, const kernel_ops *k, int dimension, int mul, int l_out,
                             contraction_tensor tensor[N_L][CORRELATION_MAX]) EQS_CHECK;
void contraction_free(contraction *c);

/* The coefficients of one element, [n_monomial][channels] in double: weight[L][nu-1][path][mul]. */
eqs_status contraction_coefficients(const contraction *c, int mul,
                                    const double *weight[N_L][CORRELATION_MAX],
                                    double **out) EQS_CHECK;

/* b[atom][out.size] from a[atom][dimension * channels], rows kernel_row() apart, for atoms of one
 * element; and its reverse, which reads b_bar and overwrites a_bar. */
void contraction_forward(const contraction *c, int n_atom, const int *atom, const void *coefficient,
                         const void *a, void *b);
void contraction_reverse(const contraction *c, int n_atom, const int *atom, const void *coefficient,
                         const void *a, const void *b_bar, void *a_bar);

#endif
