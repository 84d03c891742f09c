/* lattice_sum.h -- sums over all periodic images within tens of angstrom, without a list of pairs.
 *
 * Atoms are wrapped into the cell and sorted into bins. For one centre, a walk gives bin after bin
 * with all lattice translations that bring it within reach, so work that depends on the two atoms
 * alone is done once for all their images. Lengths are in the caller's unit. The order of a walk
 * depends on the system alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LATTICE_SUM_H
#define EQS_LATTICE_SUM_H

#include "core/arena.h"

typedef struct lattice_bins {
  int n;           /* atoms */
  int pbc[3];      /* */
  double basis[9]; /* lattice vectors; unit vectors normal to them where nothing is periodic */
  double inverse[9], width[3];
  double low[3], span[3]; /* range of fractional coordinates that the bins cover */
  int bins[3];
  double radius; /* of the sphere around a bin */
  int *first;    /* [bins + 1] slots of a bin: first[b] .. first[b+1]-1 */
  int *atom;     /* [n] atom of each slot, counted within the system */
  double *x[3];  /* [n] wrapped coordinates of each slot */
} lattice_bins;

/* Bins system `s` of the batch; positions and cell are multiplied by `scale`; arrays from `a`.
 * `reach` is the largest cutoff that will be walked. EQS_ERR_ARGUMENT: a singular cell.
 * EQS_ERR_UNSUPPORTED: a cell so thin that a centre would see more than 2e7 images. */
eqs_status lattice_bins_build(const eqs_systems *in, int s, double scale, double reach, arena *a,
                              lattice_bins *out) EQS_CHECK;

/* Slots begin .. end-1 with n translations: coordinates relative to the centre are
 * x[.][slot] + shift[.][k], exactly zero for the centre itself. */
typedef struct lattice_chunk {
  int begin, end, n;
  const double *shift[3];
} lattice_chunk;
typedef void lattice_visit(void *argument, const lattice_chunk *c);

/* Calls visit until every image within `cutoff` of the slot has been in one chunk; chunks hold
 * images farther away too. */
void lattice_walk(const lattice_bins *b, int slot, double cutoff, lattice_visit *visit,
                  void *argument);

#endif
