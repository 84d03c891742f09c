/* wall_make.h -- makes a table of walls: atoms, their pairs in the electron-gas picture, a spline
 * for each. SPDX-License-Identifier: MIT */
#ifndef EQS_WALL_MAKE_H
#define EQS_WALL_MAKE_H

#include "core/equisorb.h"

typedef struct wall_settings {
  const char *functional; /* of exchange and correlation, by name; NULL = "PBE" */
  const char *kinetic;    /* NULL = "lda_k_tf": Thomas and Fermi's */
  int relativistic;       /* 1: scalar-relativistic atoms */
  int last;               /* pairs of Z = 1 .. last; 0 = 94 */
  int knots;              /* 0 = 20 */
  int points;             /* of the quadrature, per coordinate; 0 = 48 */
  int threads;            /* 0 = all */
} wall_settings;

typedef int (*wall_watch)(int done, int all, void *user); /* not 0 stops */

/* *text, for free(), is the file. EQS_ERR_INTERRUPTED; failures name the atom or the pair. */
eqs_status wall_make(const wall_settings *s, wall_watch watch, void *user, char **text,
                     size_t *size) EQS_CHECK;

#endif
