/* radial.h -- the weights of a convolution as functions of the edge length: basis, cutoff and
 * network evaluated in double, and tabulated for single precision.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RADIAL_H
#define EQS_RADIAL_H

#include "core/arena.h"
#include "kernels/kernels.h"
#include "potentials/dense.h"

enum { BASIS_MAX = 16 };

typedef enum { CUTOFF_POLYNOMIAL, CUTOFF_XPLOR } cutoff_kind;
typedef enum { BASIS_BESSEL, BASIS_GAUSSIAN, BASIS_CHEBYSHEV } basis_kind;
typedef enum {
  TRANSFORM_NONE,
  TRANSFORM_AGNESI,
  TRANSFORM_SOFT,    /* alpha (mace-torch from 0.3.10) */
  TRANSFORM_SOFT_OLD /* a, b (before) */
} transform_kind;

/* What all layers of a model share. */
typedef struct radial_basis {
  double r_max;
  cutoff_kind cutoff;
  double cutoff_p, r_on; /* polynomial: p; XPLOR: where it begins */
  basis_kind kind;
  int n;                    /* functions */
  double weight[BASIS_MAX]; /* Bessel: wave numbers; Gaussian: centres; Chebyshev: orders */
  double prefactor;         /* Bessel: prefactor; Gaussian: the exponent's coefficient */
  int cutoff_on_basis;      /* 1: the basis is cut; 0: the weights (and density) are */
  transform_kind transform;
  double a, b, q, p, alpha; /* of the transform */
} radial_basis;

typedef struct radial radial; /* network and tables of one layer */

/* Basis functions (times the cutoff if it is on the basis) at n lengths: x[n][orders][stride], the
 * rest of x is left alone; cut[n][orders] is the cutoff. r_sum: covalent radii of the pairs (NULL
 * without a transform). `side` < 0 takes the limit from below at a break, > 0 from above. */
void radial_basis_rows(const radial_basis *b, int n, const double *r, const double *r_sum,
                       int orders, int side, int stride, double *x, double *cut);

/* Channel c of path p (`channels[p]` each, in the order of the network's outputs) goes to column
 * offset[p] + c of a row. density: NULL, or the network g of the density tanh(g^2).
 * k is the table of the precision asked; in single precision the functions are tabulated. */
eqs_status radial_create(const radial_basis *basis, const kernel_ops *k, const dense_network *net,
                         const dense_network *density, int n_path, const int *channels,
                         radial **out) EQS_CHECK;
void radial_free(radial **a);
int radial_offset(const radial *a, int path); /* of a path's channels in a row */
int radial_width(const radial *a);            /* reals between orders of a row */
int radial_density_column(const radial *a);   /* -1 if there is none */
int64_t radial_parameters(const radial *a);

/* Makes the tables for all pairs of the species present, ordered pairs if the network depends on
 * the elements; radius[s] are the covalent radii that the transform uses (NULL without one).
 * Thread-safe against radial_locate of earlier pairs.
 * EQS_ERR_DIVERGED: a function that no table of reasonable size follows (cure: double precision).
 */
eqs_status radial_prepare(radial *a, int n_species, const unsigned char *present,
                          const double *radius) EQS_CHECK;
/* The largest error of the tables so far against the network in double, over max |R|, max |R'|. */
void radial_table_error(const radial *a, double *value, double *slope);

/* For n edges of lengths r, centre of species s1[e], neighbour s2[e]: the pieces, the positions in
 * them (reals), dt/dr, and how many orders a piece has. Everything lies in `scratch`. */
typedef struct radial_rows {
  const void **row;
  void *t;
  double *slope;
  int orders, order_stride;
} radial_rows;
eqs_status radial_locate(const radial *a, int n, const double *r, const int *s1, const int *s2,
                         const double *radius, int want_slope, arena *scratch,
                         radial_rows *out) EQS_CHECK;

/* What n edges are made of, for radial_evaluate; members that the functions do not need are NULL.
 */
typedef struct radial_pairs {
  const double *r_sum;        /* [n] covalent radii of the pair */
  const int *source, *target; /* [n] species of neighbour and centre */
} radial_pairs;
/* Values and derivatives straight from the network: out[n][orders][radial_width], orders 1 to 3.
 * `side` as for radial_basis_rows. For tests and tables. */
eqs_status radial_evaluate(const radial *a, int n, const double *r, const radial_pairs *pairs,
                           int orders, int side, arena *scratch, double *out) EQS_CHECK;

#endif
