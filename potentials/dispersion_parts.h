/* dispersion_parts.h -- what whole evaluations and local updates of D3 share: the species present,
 * weights of the references, the rows that the pair kernels read. Atomic units.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISPERSION_PARTS_H
#define EQS_DISPERSION_PARTS_H

#include "kernels/kernels.h"
#include "potentials/dispersion.h"
#include "potentials/dispersion_table.h"

#define BOHR    0.529177210903  /* angstrom, CODATA 2018 */
#define HARTREE 27.211386245988 /* eV, CODATA 2018 */

typedef double reference_weights[2][DISPERSION_WEIGHTS]; /* g, dg/dCN */

typedef struct dispersion_species {
  int n;
  int element[DISPERSION_Z_MAX + 1]; /* [n] atomic numbers */
  int of[DISPERSION_Z_MAX + 1];      /* of every atomic number; -1 = absent */
  int n_reference[DISPERSION_Z_MAX + 1], first_row[DISPERSION_Z_MAX + 1]; /* [n] */
  int n_row;                                                              /* of all species */
} dispersion_species;

void dispersion_species_init(dispersion_species *s);
/* EQS_ERR_UNSUPPORTED: no element of D3; the caller's words say where. */
eqs_status dispersion_species_add(dispersion_species *s, int z) EQS_CHECK;

/* Those of system s of a batch. EQS_ERR_UNSUPPORTED names the atom. */
eqs_status dispersion_species_of(dispersion_species *s, const eqs_systems *in,
                                 int system) EQS_CHECK;

/* The largest cutoff, bohr. */
double dispersion_reach(const dispersion *d);
/* Where the short formulas of the kernels hold, bohr. */
#define DISPERSION_FAR 60.0
double dispersion_count_far(const dispersion_species *s);

/* Coordination numbers of an element's references. */
void dispersion_references(int z, double reference[DISPERSION_WEIGHTS]);
/* kernels/dispersion_weights.h: weigh_body of an element. */
void dispersion_weigh(int z, double cn, reference_weights out);

/* C6 between references a, b of two elements. */
double dispersion_reference_c6(int za, int a, int zb, int b);

/* What pairs of elements z (the centre) and y have: rows that do not depend on coordination, and C6
 * of their references (set where there are some). */
void dispersion_of_pair(const dispersion *d, int z, int y, double fixed[DISPERSION_ROW_C6],
                        double c6[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS]);

/* Writes the rows of dispersion_args.pair for slots begin .. end-1. */
void dispersion_rows(const dispersion *d, const dispersion_species *s, const int *species,
                     const reference_weights *weight, int begin, int end, size_t stride,
                     double *pair);

#endif
