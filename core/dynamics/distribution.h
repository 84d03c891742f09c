/* distribution.h -- radial distribution functions per pair of elements, in any cell.
 *
 * g_ab(r) = V n_ab(r) / (N_a N_b 4 pi r^2 dr): n_ab counts all images of atoms b about atoms a,
 * also those beyond half the width of the cell and the images of an atom about itself, so that
 * the coordination number is right in any cell. N like atoms without interaction give 1 - 1/N.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISTRIBUTION_H
#define EQS_DISTRIBUTION_H

#include "io/structure.h"

typedef struct distribution distribution;

typedef struct distribution_bin {
  double r;            /* angstrom, the middle */
  double g, sigma;     /* mean over the blocks; one standard error, NAN with one block */
  double coordination; /* atoms b about an atom a, up to the end of the bin */
} distribution_bin;

/* pairs: "all", or "Zn-O,O-O". most: the longest distance, 0 = half the smallest width of the first
 * frame, at most 12 angstrom; step: the width of a bin, 0 = 0.05.
 * threads: 0 = all cores. EQS_ERR_ARGUMENT: a pair or a
 * length that makes no sense, a cell that is not periodic in three directions. */
eqs_status distribution_open(const structure *first, const char *pairs, double most, double step,
                             int threads, distribution **out) EQS_CHECK;
/* Begins a block, due before the first frame as well. */
eqs_status distribution_block(distribution *d) EQS_CHECK;
/* The same atoms in another frame. EQS_ERR_FORMAT: no volume, or denser than any matter. */
eqs_status distribution_add(distribution *d, const structure *frame) EQS_CHECK;
int distribution_pairs(const distribution *d, int *bins);
/* Elements a and b of pair p. */
void distribution_pair(const distribution *d, int p, int element[2]);
/* Bins of pair p, [bins]. */
void distribution_view(const distribution *d, int p, distribution_bin *out);
/* Half the smallest width seen, angstrom: beyond it there are images. */
double distribution_half(const distribution *d);
void distribution_free(distribution **d);

#endif
