/* radial.h -- the weights of a convolution as functions of the edge length: basis, cutoff and
 * network evaluated in double, and tabulated for single precision.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_RADIAL_H
#define EQS_RADIAL_H

#include "core/arena.h"
#include "kernels/kernels.h"
#include "potentials/dense.h"

typedef struct radial radial; /* network and tables of one layer */

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
 * the elements; radius[s] (on the host) are the covalent radii that the transform uses (NULL
 * without one). Thread-safe against radial_locate of earlier pairs. EQS_ERR_DIVERGED: a function
 * that no table of reasonable size follows (cure: double precision).
 */
eqs_status radial_prepare(radial *a, int n_species, const unsigned char *present,
                          const double *radius) EQS_CHECK;
/* The largest error of the tables so far against the network in double, over max |R|, max |R'|. */
void radial_table_error(const radial *a, double *value, double *slope);

/* Edges of a block, as edge_gather and edge_geometry leave them. */
typedef struct radial_edges {
  int n;
  const int *n_edge;
  const double *r;
  const int *source, *target; /* species of neighbour and centre */
  const double *r_sum;        /* of the covalent radii; NULL without a transform */
} radial_edges;

/* The pieces of the edges, the positions in them (reals), dt/dr, and how many orders a piece has.
 * Everything lies in `scratch`. */
typedef struct radial_rows {
  const void **row;
  void *t;
  double *slope;
  int orders, order_stride;
} radial_rows;
eqs_status radial_locate(const radial *a, const radial_edges *edges, int want_slope, arena *scratch,
                         radial_rows *out) EQS_CHECK;
/* The same of rows [n][orders][row_size / orders] at `rows`: t = 0, dt/dr = slope. */
eqs_status radial_point_to(const kernel_ops *k, const radial_edges *edges, const void *rows,
                           size_t row_size, double slope, arena *scratch,
                           radial_rows *out) EQS_CHECK;

/* Values and derivatives straight from the network: out[n][orders][radial_width], orders 1 to 3, in
 * the memory of the networks' table, which is the host's where the functions are tabulated. `side`
 * as for the basis. */
eqs_status radial_evaluate(const radial *a, const radial_edges *edges, int orders, int side,
                           arena *scratch, double *out) EQS_CHECK;

#endif
