/* convolution.h -- one equivariant convolution over the edges of blocks of atoms: paths, couplings
 * and radial functions put together for the kernels.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CONVOLUTION_H
#define EQS_CONVOLUTION_H

#include "potentials/edge_network.h"
#include "potentials/linear_map.h"
#include "potentials/potential.h"
#include "potentials/radial.h"

enum { PATHS_MAX = 64 };

/* One path in the file's order, which is the order of the radial network's outputs. */
typedef struct l_path {
  int l1, l2, l3;
} l_path;

typedef struct convolution {
  const kernel_ops *k;
  layout in, out;
  irreps slots; /* of `out`, in the order that a following Linear sees */
  int lmax, normalize;
  int n_path, n_q, n_term;
  conv_path path[PATHS_MAX];
  coupling_term *term;   /* on the device */
  radial *radial;        /* owned; or, where the weights depend on features, */
  edge_network *network; /* owned */
  /* [n_element] covalent radii for the distance transform, on the device, or NULL */
  const double *radius;
} convolution;

/* All (l1, l2, l3) with l1 in `in` (outer), l2 <= lmax, l3 <= l_out ascending; natural parity keeps
 * only even l1 + l2 + l3. Returns the number, at most PATHS_MAX. */
int convolution_paths(const layout *in, int lmax, int l_out, int natural_parity, l_path *out);

/* Slots of the aggregate: paths stably sorted by l3, each with the channels of its l1.
 * coefficients: NULL, or the 3j symbols to use instead of wigner_3j (SevenNet stores its own).
 * direction +1: harmonics of the vector centre -> neighbour; -1: of its opposite (MACE).
 * Takes over `r`, whose columns must be those of the paths in order; NULL: an edge network follows.
 */
eqs_status convolution_build(convolution *c, const kernel_ops *k, const layout *in, int lmax,
                             int normalize, int n_path, const l_path *paths, int direction,
                             const double *const *coefficients, radial *r) EQS_CHECK;
void convolution_free(convolution *c);

/* What is wanted of the density D of atoms begin .. end-1: scale = 1 / (gain D + offset). */
typedef struct density_use {
  double gain, offset;
  double *scale; /* out [end-begin] */
} density_use;

/* Aggregates of atoms begin .. end-1 into a[end-begin][out.size]. h: rows of in.size; h_row[atom]
 * is an atom's row (NULL = the atom). density: NULL = not wanted. */
eqs_status convolution_forward(const convolution *c, const batch *b, int begin, int end,
                               const void *h, const int *h_row, void *a, const density_use *density,
                               arena *scratch) EQS_CHECK;

/* Whether begin .. end-1 of convolution_reverse are centres instead where h_bar is NULL: features
 * are scalars of elements then. */
static inline int convolution_by_center(const convolution *c) {
  return c->in.size == c->in.pitch[0];
}

/* For neighbours begin .. end-1: adjoint of their features into h_bar[end-begin][in.size] (or NULL)
 * and dE/d(vector) of all edges that point to them, added to gradient. a_bar: [n][out.size] for all
 * atoms; density_bar: [n] or NULL. */
eqs_status convolution_reverse(const convolution *c, const batch *b, int begin, int end,
                               const void *h, const int *h_row, const void *a_bar,
                               const double *density_bar, void *h_bar, double (*gradient)[3],
                               arena *scratch) EQS_CHECK;

/* The same two where `network` makes the weights: rows of edge_network_features. */
typedef struct edge_features {
  const void *source, *target; /* [n] of the atom as neighbour, as centre */
  void *source_bar;            /* reverse: out [end-begin], adjoint of the neighbours' rows */
  /* reverse: out [n_edge]; summed over a centre's edges they are the adjoint of its target row */
  void *edge_bar;
} edge_features;
eqs_status convolution_forward_features(const convolution *c, const batch *b, int begin, int end,
                                        const void *h, const edge_features *f, void *a,
                                        arena *scratch) EQS_CHECK;
eqs_status convolution_reverse_features(const convolution *c, const batch *b, int begin, int end,
                                        const void *h, const edge_features *f, const void *a_bar,
                                        void *h_bar, double (*gradient)[3],
                                        arena *scratch) EQS_CHECK;

#endif
