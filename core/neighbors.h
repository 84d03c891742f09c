/* neighbors.h -- all pairs within a cutoff, for a batch of systems, any cell, any periodicity.
 *
 * A directed edge e runs from its centre i to a neighbour j (an image of an atom, possibly of i
 * itself): v = x[j] + image . cell - x[i], |v| < cutoff. Both directions of a pair are present.
 * Edges are sorted by centre, within a centre by (neighbour, image); the transpose groups the same
 * edges by neighbour, in ascending edge order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_NEIGHBORS_H
#define EQS_NEIGHBORS_H

#include "core/workspace.h"

struct search_box; /* kernels/kernels.h */

typedef struct neighbors {
  int n; /* atoms */
  int n_edge;
  int *first;           /* [n + 1] edges of centre i are first[i] .. first[i+1]-1 */
  int *center;          /* [n_edge] */
  int *neighbor;        /* [n_edge] */
  int (*image)[3];      /* [n_edge] lattice translations of the neighbour */
  double (*vector)[3];  /* [n_edge] angstrom, centre to neighbour */
  int *transpose_first; /* [n + 1] edges whose neighbour is j: transpose[transpose_first[j] ..] */
  int *transpose;       /* [n_edge] edge indices */
  size_t atom_capacity, edge_capacity;
  arena scratch;   /* cell lists; nothing is allocated while capacities suffice */
  workspace *work; /* whose threads build; NULL = the calling thread alone. Never owned */
} neighbors;

/* Builds the list, reusing the struct's memory (start from a zeroed struct). Cell lists in
 * fractional space, O(n); systems in a batch never see each other. A lattice vector along a
 * direction that is not periodic may be zero. Cells smaller than the cutoff are fine.
 * EQS_ERR_ARGUMENT: singular cell along periodic directions, positions not finite, two atoms closer
 * than 1e-3 angstrom (names system and atoms, counted from 1), more than 2^31-1 edges or a cell so
 * small or a cutoff so large that more than 1e8 edges would be built for one system.
 * EQS_ERR_MEMORY. The list is unusable after an error. Same bits for any number of threads; `work`
 * must not be in use by anybody else meanwhile. */
eqs_status neighbors_build(neighbors *nb, const eqs_systems *s, double cutoff) EQS_CHECK;
/* The same of one system with edges for its atoms 0 .. n_owned - 1 alone; the others are neighbours
 * only. Not every edge has an opposite then. */
eqs_status neighbors_build_owned(neighbors *nb, const eqs_systems *s, int n_owned,
                                 double cutoff) EQS_CHECK;
/* That list of a system without periods, the neighbours of owned atom i among neighbor[first[i]] ..
 * neighbor[first[i + 1] - 1]: the same bits. EQS_ERR_ARGUMENT also for offsets that decrease, a
 * neighbour that does not exist, is the atom itself or comes twice. */
eqs_status neighbors_take(neighbors *nb, const eqs_systems *s, int n_owned, const int64_t *first,
                          const int *neighbor, double cutoff) EQS_CHECK;
void neighbors_free(neighbors *nb);

/* For a search elsewhere: whether the batch makes sense, positions apart (they are not read); and
 * box[n_system], all that follows from its cells. Errors as above. */
eqs_status neighbors_check(const eqs_systems *s, double cutoff) EQS_CHECK;
eqs_status neighbors_boxes(const eqs_systems *s, double cutoff, struct search_box *box) EQS_CHECK;

/* Cell algebra shared by everybody: rows a, b, c. Returns the signed volume. */
double cell_volume(const double cell[9]);
/* inverse[9] such that fractional = x . inverse (row vectors). 0 if singular, else 1. */
int cell_inverse(const double cell[9], double inverse[9]);
/* Perpendicular widths w_k = V / |area of the face spanned by the other two|. */
void cell_widths(const double cell[9], double width[3]);

#endif
