/* dispersion_triple.h -- the three-body term of D3, after B. M. Axilrod and E. Teller, J. Chem.
 * Phys. 11, 299 (1943), damped as in J. Chem. Phys. 132, 154104 (2010).
 *
 * Every atom lists its neighbours within the cutoff and meets all pairs of them: a triple is seen
 * three times, and each time gives to the atom in hand alone. So nothing is kept but one list a
 * thread (about 130 bytes a neighbour), and the time of an atom goes with the square of their
 * number: with s-dftd3's 40 bohr and 1200 neighbours (an open framework) 17 ms an atom and core,
 * about 100 instructions a pair of them; dense solids have 4000.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISPERSION_TRIPLE_H
#define EQS_DISPERSION_TRIPLE_H

#include "potentials/dispersion_parts.h"
#include "potentials/lattice_sum.h"

/* One system; arrays of its slots, atomic units. */
typedef struct dispersion_triples {
  const dispersion *d;
  const dispersion_species *species;
  const lattice *l;
  int n_center; /* of its atoms that many, the first, are given results */
  const int *of_slot;
  const reference_weights *weight;
  double *energy;           /* added to, as the next two; NULL there = energies only */
  double *count_bar;        /* dE/dCN */
  double *force[3];         /* without what follows from dE/dCN */
  double *virial;           /* [6] xx yy zz yz xz xy, added to; or NULL */
  double (*atom_virial)[6]; /* scratch of the call */
} dispersion_triples;

/* Adds the term on the workspace's threads, the same bits for any number of them.
 * EQS_ERR_UNSUPPORTED: more neighbours than fit the memory that a list may take. */
eqs_status dispersion_triples_add(dispersion_triples *t, workspace *w) EQS_CHECK;

enum { DISPERSION_TRIPLE_SUMS = 5 };

/* The same for a rank's atoms of one system; arrays of these, in their order. */
typedef struct dispersion_triple_share {
  const dispersion *d;
  const kernel_ops *k;
  dispersion_species *species; /* those of others' atoms join it */
  const eqs_systems *in;
  const dispersion_share *share;
  int forces;                            /* wanted; otherwise energies alone */
  double *count;                         /* coordination numbers */
  double (*sum)[DISPERSION_TRIPLE_SUMS]; /* out: energy, dE/dCN, force */
  double *virial;                        /* [6], added to; or NULL */
} dispersion_triple_share;

/* Errors as dispersion_triples_add's, and the share's. */
eqs_status dispersion_triples_share(const dispersion_triple_share *s, workspace *w) EQS_CHECK;

#endif
