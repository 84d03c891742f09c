/* structure.h -- one atomic structure in memory, and what can be said of it without a model.
 *
 * Angstrom and elementary charges. A zeroed struct is an empty structure; everything it points to
 * is its own. Readers append atoms one by one; warnings travel with the structure.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_STRUCTURE_H
#define EQS_STRUCTURE_H

#include "core/status.h"

enum { STRUCTURE_MAX_ATOMS = 200000, STRUCTURE_MAX_WARNINGS = 100 };

typedef struct structure {
  char *name; /* file name without folder and suffix, or the frame's own name */
  int n;
  int *number;           /* [n] atomic numbers */
  double (*position)[3]; /* [n] */
  double *charge;        /* [n], or NULL where the file gives none */
  double (*velocity)[3]; /* [n] angstrom/fs, or NULL where the file gives none */
  double cell[9];        /* rows a, b, c; zero where there is none */
  int pbc[3];
  char **warning; /* [n_warning] one sentence each */
  int n_warning;
  int capacity, n_velocity; /* atoms that there is room for */
} structure;

void structure_free(structure *s);
/* EQS_ERR_MEMORY, EQS_ERR_FORMAT beyond STRUCTURE_MAX_ATOMS. Without charges pass 0 for all, and
 * drop them after the last atom. */
eqs_status structure_append(structure *s, int number, const double position[3],
                            double charge) EQS_CHECK;
void structure_drop_charges(structure *s);
/* Of the atom appended last; all atoms have one or none. */
eqs_status structure_set_velocity(structure *s, const double velocity[3]) EQS_CHECK;
eqs_status structure_set_name(structure *s, const char *name) EQS_CHECK;
/* Adds a sentence (printf style). Beyond STRUCTURE_MAX_WARNINGS they are dropped. */
eqs_status structure_warn(structure *s, const char *format, ...)
    __attribute__((format(printf, 2, 3))) EQS_CHECK;
eqs_status structure_copy(const structure *s, structure *out) EQS_CHECK;
/* System i of a batch. EQS_ERR_ARGUMENT: no such system. */
eqs_status structure_from_systems(const eqs_systems *systems, int i, structure *out) EQS_CHECK;
/* The structure as a batch of one; `first` is the caller's, [2]. */
eqs_systems structure_view(const structure *s, int first[2]);

int structure_is_periodic(const structure *s); /* along any direction */
double structure_mass(const structure *s);     /* u */
double structure_net_charge(const structure *s);
double structure_density(const structure *s); /* g/cm3; 0 unless periodic in three directions */
/* a b c (angstrom) alpha beta gamma (degrees). */
void structure_cell_parameters(const double cell[9], double out[6]);
/* Rows from lengths and angles: a along x, b in the xy plane. EQS_ERR_FORMAT: no such cell. */
eqs_status structure_cell_from_parameters(const double parameters[6], double cell[9]) EQS_CHECK;

/* Hill order ("C2H6O", "O2Si"); of the n atoms listed, or of all if the list is NULL. Writes at
 * most `size` bytes. */
void structure_formula(const structure *s, const int *atoms, int n, char *out, size_t size);

typedef struct structure_contact {
  int i, j;        /* atoms; i == j: an atom and its own image */
  double distance; /* angstrom; 0 if there is no pair */
  double ratio;    /* distance / sum of covalent radii */
} structure_contact;

/* Shortest distance, and the pair closest in units of its covalent radii. Either may be NULL.
 * EQS_ERR_FORMAT: atoms so dense that no neighbour list can be made, or on top of each other. */
eqs_status structure_contacts(const structure *s, structure_contact *shortest,
                              structure_contact *tightest) EQS_CHECK;
eqs_status structure_shortest_contact(const structure *s, double *distance) EQS_CHECK;

typedef struct structure_components_list {
  int n;
  int *component; /* [atoms] which one; 0 is the largest */
  int *atoms;     /* [n] */
  int *dimension; /* [n] 0 molecule, 1 chain, 2 layer, 3 framework */
  int *first;  /* [n + 1] the atoms of component c are member[first[c]] .. member[first[c+1]-1] */
  int *member; /* [atoms] ascending within a component */
} structure_components_list;

/* Connected pieces of the graph of bonds, d < 1.25 (R_i + R_j) with Cordero's radii; the dimension
 * is the rank of the lattice translations by which a piece meets its own images. */
eqs_status structure_components(const structure *s, structure_components_list *out) EQS_CHECK;
void structure_components_free(structure_components_list *c);

/* Frames of a file, in order. */
typedef struct structure_list {
  structure *frame;
  int n, capacity;
} structure_list;

/* A new empty frame at the end; valid until the next call. */
eqs_status structure_list_add(structure_list *list, structure **out) EQS_CHECK;
void structure_list_free(structure_list *list);
/* Frame i of a file read with eqs_structures_read; NULL if there is none. Owned by s. */
const structure *structures_frame(const eqs_structures *s, int i);

#endif
