/* local_graph.h -- which atoms a change of a system reaches, layer by layer, and their edges.
 *
 * S_1 are the atoms put in and all atoms with an edge to an atom taken out or put in; S_(l+1) are
 * S_l and its neighbours. What layer l makes differs from before the change on S_l only. Every atom
 * of S_L is a row of an evaluation; rows of many changes of one system make one list, by level,
 * then by species.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LOCAL_GRAPH_H
#define EQS_LOCAL_GRAPH_H

#include "core/neighbors.h"

/* An atom's place: given = (fraction + wrap) . cell, fraction in [0, 1); without periods both 0. */
typedef struct local_place {
  double given[3], fraction[3];
  int wrap[3];
} local_place;

/* The system before the change: periodic in all three directions, or in none. */
typedef struct local_base {
  int n, periodic;
  double cell[9], inverse[9];
  double reach[3]; /* cutoff in units of the cell's widths */
  int images[3];   /* translations to try to both sides */
  double cutoff;   /* angstrom */
  local_place *place;
  const int *species;
  const neighbors *list;
} local_base;

/* EQS_ERR_ARGUMENT: a singular cell. */
eqs_status local_base_cell(local_base *b, int periodic, const double *cell,
                           double cutoff) EQS_CHECK;
void local_base_place(const local_base *b, const double x[3], local_place *out);

/* An atom of the system (node < n), or the atom node - n of those that its change puts in. */
typedef struct local_row {
  int node, level, species, degree;
  int rank; /* its place in the sorted list */
} local_row;

/* An edge of an atom put in, as seen from it. */
typedef struct local_edge {
  int from, to; /* among the atoms put in; a node */
  double vector[3];
} local_edge;

typedef struct local_graph {
  const local_base *base;
  int n_layer, n_species;
  int n_change, n_row, n_edge;
  int *first_row;    /* [n_change + 1] rows in order of collection */
  int *first_extra;  /* [n_change + 1] */
  local_row *row;    /* [n_row] */
  local_edge *extra; /* edges of atoms put in */
  int *level;        /* [nodes] of the change in hand; 0 = out of reach, -1 = taken out */
  int *row_of;       /* [nodes] */
  int *end;          /* [n_layer] rows with level <= t + 1 */
  int *bucket;       /* [n_layer][n_species] of the sort */
  size_t change_capacity, row_capacity, extra_capacity, node_capacity;
} local_graph;

eqs_status local_graph_open(local_graph *g, const local_base *b, int n_layer,
                            int n_species) EQS_CHECK;
void local_graph_start(local_graph *g); /* forgets all changes */
/* Adds a change whose indices and numbers are checked; `species` of the atoms put in. If two atoms
 * coincide (closer than 1e-3 angstrom), *coincide is 1 and the change has no rows. */
eqs_status local_graph_add(local_graph *g, const eqs_change *c, const int *species,
                           int *coincide) EQS_CHECK;
/* Gives every row its rank and fills end[]. */
void local_graph_sort(local_graph *g);
/* The edges of row `begin` + rank for all rows: first[] from begin on, center, neighbor, vector.
 * A neighbour that is no row of the same change is the system's own atom. `changes` as added. */
void local_graph_edges(local_graph *g, const eqs_change *changes, int begin, neighbors *out);
void local_graph_free(local_graph *g);

#endif
