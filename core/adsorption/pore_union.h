/* pore_union.h -- union-find over periodic pieces: every link knows its lattice translation.
 *
 * Element i stands for all its images. A link (i, j, T) joins image 0 of i with image T of j, and
 * hence all of them alike. A piece that is joined to its own image by T != 0 is endless along T.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PORE_UNION_H
#define EQS_PORE_UNION_H

#include "core/lattice_span.h"
#include "core/status.h"

typedef struct pore_union {
  int n;
  int *parent;        /* [n] */
  int (*offset)[3];   /* [n] image 0 of i belongs with image `offset` of its parent */
  lattice_span *span; /* [n] of the piece, at its root */
} pore_union;

eqs_status pore_union_open(pore_union *u, int n) EQS_CHECK;
void pore_union_free(pore_union *u);
/* The root of i's piece; offset[3], if not NULL: the image of the root that image 0 of i is with.
 */
int pore_union_root(pore_union *u, int i, int offset[3]);
/* 1 if the link tells nothing new. */
int pore_union_joined(pore_union *u, int i, int j, const int shift[3]);
/* Joins, and returns the root; its span's rank is the dimension of the piece. The root of the piece
 * of i stays the root. */
int pore_union_join(pore_union *u, int i, int j, const int shift[3]);

#endif
