/* potential.h -- what the engine asks of a model family, and the batch it gives.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_POTENTIAL_H
#define EQS_POTENTIAL_H

#include "core/neighbors.h"
#include "core/workspace.h"
#include "kernels/kernels.h"

/* One pass over concatenated atoms. */
typedef struct batch {
  int n;
  const int *species; /* [n] index into the potential's elements */
  const neighbors *nb;
} batch;

typedef struct potential potential;

typedef struct potential_ops {
  /* Builds what the species need; called before every evaluation, cheap when nothing is new.
   * Safe against evaluations in other threads. */
  eqs_status (*prepare)(potential *p, const unsigned char *present /* [n_element] */);
  /* energies[n] in eV; gradient[n_edge] = dE/d(edge vector) in eV/angstrom, overwritten; NULL = no
   * reverse pass. */
  eqs_status (*evaluate)(const potential *p, workspace *w, const batch *b, double *energies,
                         double (*gradient)[3]);
  void (*free)(potential *p);
} potential_ops;

enum { REFUSAL = 640 };

/* The head of every family's struct. `info` points into the potential. */
struct potential {
  const potential_ops *ops;
  const kernel_ops *k;
  eqs_model_info info;
  char refusal[REFUSAL]; /* why it can be described but not evaluated (no head chosen); "" = it can
                          */
  const int *element;    /* [info.n_element] atomic numbers in the order of `species` */
};

#endif
