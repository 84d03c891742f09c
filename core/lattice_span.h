/* lattice_span.h -- the rank of a set of lattice translations, vector by vector.
 *
 * A connected thing that meets its own image displaced by T is endless along T; the rank of all
 * such T is its dimension: 1 chain or tube, 2 layer, 3 framework.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LATTICE_SPAN_H
#define EQS_LATTICE_SPAN_H

#include <string.h>

/* Independent translations found so far; rank <= 3. A zeroed struct spans nothing. */
typedef struct lattice_span {
  int rank;
  double v[3][3], normal[3];
} lattice_span;

static inline void lattice_cross(const double a[3], const double b[3], double out[3]) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

/* The vectors are integers, so every product is exact. */
static inline void lattice_span_add(lattice_span *span, const double w[3]) {
  double c[3];
  if (span->rank == 3 || (w[0] == 0.0 && w[1] == 0.0 && w[2] == 0.0)) return;
  if (span->rank == 1) {
    lattice_cross(span->v[0], w, c);
    if (c[0] == 0.0 && c[1] == 0.0 && c[2] == 0.0) return;
    memcpy(span->normal, c, sizeof c);
  } else if (span->rank == 2) {
    const double *m = span->normal;
    if (m[0] * w[0] + m[1] * w[1] + m[2] * w[2] == 0.0) return;
  }
  memcpy(span->v[span->rank++], w, 3 * sizeof *w);
}

#endif
