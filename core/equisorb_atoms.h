/* equisorb_atoms.h -- the public interface to isolated atoms and to the walls of their pairs.
 *
 * A part of equisorb.h, which says what holds for all of it and is the header to include. Energies
 * in eV. All of it needs a library built with libxc, else EQS_ERR_UNSUPPORTED.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_ATOMS_H
#define EQUISORB_ATOMS_H

#ifndef EQUISORB_H
#error "include equisorb.h"
#endif

/* ------------------------------------------------------------------------------------- atoms */

typedef struct eqs_atom_options {
  size_t size;
  const char *functional; /* NULL = "PBE"; any LDA or GGA: a usual name, or libxc's identifiers
                             joined by "+", as in gga_x_pbe+gga_c_pbe */
  int relativistic;       /* 1: scalar-relativistic (Koelling and Harmon) */
  int polarised;          /* 1: two spins, open shells parallel */
} eqs_atom_options;

enum { EQS_ATOM_ORBITALS = 24 };

/* Of a neutral atom in its ground configuration, the electrons of open shells spread over m. */
typedef struct eqs_atom {
  size_t size;
  char functional[128];                        /* libxc's identifiers */
  int number, spins, iterations;               /* rounds of the self-consistent field */
  double total, kinetic, hartree, nuclear, xc; /* eV */
  int n_orbital;
  struct {
    int n, l;
    double occupation[2]; /* of the spins; one spin: all in the first */
    double energy[2];     /* eV */
  } orbital[EQS_ATOM_ORBITALS];
} eqs_atom;

/* EQS_ERR_ARGUMENT: the number is not 1 .. 94, or the functional not known; EQS_ERR_DIVERGED names
 * the atom. Takes a tenth of a second. */
EQS_API eqs_status eqs_atom_compute(const eqs_atom_options *options, int number,
                                    eqs_atom *out) EQS_CHECK;

/* ------------------------------------------------------------------------------------- walls */

typedef struct eqs_walls_options {
  size_t size;
  const char *functional; /* as above */
  const char *kinetic;    /* NULL = "lda_k_tf"; a kinetic-energy functional of libxc */
  int nonrelativistic;    /* 0: scalar-relativistic atoms */
  int elements;           /* pairs of Z = 1 .. elements; 0 = 94 */
  int knots;              /* of a pair's spline, 4 .. 64; 0 = 20 */
  int threads;            /* 0 = all cores */
} eqs_walls_options;

/* Not 0 stops. */
typedef int (*eqs_walls_watch)(int done, int all, void *user);

/* Makes the table of the walls of all pairs and writes it, whole or not at all: minutes.
 * EQS_ERR_FILE; EQS_ERR_INTERRUPTED; failures name the atom or the pair. */
EQS_API eqs_status eqs_walls_write(const eqs_walls_options *options, const char *path,
                                   eqs_walls_watch watch, void *user) EQS_CHECK;

#endif
