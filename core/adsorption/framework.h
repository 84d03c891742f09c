/* framework.h -- from a structure to the box that insertions are evaluated in.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FRAMEWORK_H
#define EQS_FRAMEWORK_H

#include "io/structure.h"

typedef struct framework {
  structure cell; /* poses are drawn in this one */
  structure box;  /* its replicas; what the model sees */
  int primitive;  /* cell is the primitive one, not the file's */
  int replica[3];
  double width[3];       /* of the box, angstrom: distance between opposite faces */
  double primitive_mass; /* u */
} framework;

/* Chooses between the file's cell and the primitive one, whichever needs fewer atoms so that every
 * width of the box is at least `needed` angstrom: n_k = ceil(needed / w_k).
 * EQS_ERR_ARGUMENT: not periodic in three directions. EQS_ERR_UNSUPPORTED: the box has too many
 * atoms. */
eqs_status framework_prepare(const structure *s, double needed, framework *out) EQS_CHECK;
/* The same with the atoms as given, whatever their symmetry: equal cells give equal boxes. */
eqs_status framework_prepare_snapshot(const structure *s, double needed, framework *out) EQS_CHECK;
void framework_free(framework *f);

#endif
