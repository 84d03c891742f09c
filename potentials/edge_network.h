/* edge_network.h -- convolution weights that depend on features of both atoms of an edge.
 *
 * The attention-residual blocks of MACE feed [basis(r), down(h_j), down(h_i)] to the radial
 * network: nothing to tabulate. The first layer is linear, so each atom's part of its sums is made
 * once per atom (a row for the atom as neighbour, one as centre), and an edge adds two rows.
 * Evaluated per edge in the precision of the kernels, forward and reverse.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EDGE_NETWORK_H
#define EQS_EDGE_NETWORK_H

#include "potentials/radial.h"

typedef struct edge_network edge_network;

/* net: without norms and species; layer[0].in is the basis alone. Columns as in radial_create.
 * EQS_ERR_UNSUPPORTED: fewer than two layers. */
eqs_status edge_network_create(const radial_basis *basis, const kernel_ops *k,
                               const dense_network *net, int n_path, const int *channels,
                               edge_network **out) EQS_CHECK;
void edge_network_free(edge_network **a);
int edge_network_features(const edge_network *a); /* padded width of an atom's rows */
int edge_network_width(const edge_network *a);    /* padded width of the weights */

/* What the reverse pass reads of n edges. Everything lies in the scratch of the forward pass. */
typedef struct edge_tape {
  int n;
  const int *n_edge;
  void *weight;                  /* [n][width] what the convolution takes */
  void *sum[NETWORK_LAYERS_MAX]; /* [n][width of layer i] before the activation */
  void *basis_slope;             /* [n][basis] reals */
  double *cut;                   /* [n][2] cutoff and its slope */
} edge_tape;

/* Rows source_row[e], target_row[e] of `source` and `target` belong to
 * the neighbour and the centre of edge e. */
eqs_status edge_network_forward(const edge_network *a, const radial_edges *edges,
                                const int *source_row, const void *source, const int *target_row,
                                const void *target, arena *scratch, edge_tape *t) EQS_CHECK;
/* From the adjoint of the weights (overwritten): adds dE/dr to r_bar[n], and puts the adjoint of
 * the first layer's sums, which is that of both atoms' rows, into sum_bar[n][features]. */
eqs_status edge_network_reverse(const edge_network *a, const edge_tape *t, void *weight_bar,
                                double *r_bar, void *sum_bar, arena *scratch) EQS_CHECK;

#endif
