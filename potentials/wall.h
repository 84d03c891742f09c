/* wall.h -- the repulsion of two atoms at short range, for every pair of elements: a table made
 * from first principles (potentials/electron_gas.h), read from a small text file.
 *
 * V(r) = k Z1 Z2 / r exp(y(t)), t = n sqrt(r / reach), y a cubic spline with knots at t = 0 .. n:
 * V, V' and V'' are continuous, V -> k Z1 Z2 / r at r = 0, and V > 0, V' < 0 up to the last knot at
 * `reach`. From there a polynomial takes V to zero, with its first and second derivative, at `end`.
 * docs/walls.md has the physics and the format of the file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WALL_H
#define EQS_WALL_H

#include "core/equisorb.h"

/* k, e^2 / (4 pi epsilon_0) in eV angstrom; CODATA 2018. */
#define WALL_COULOMB 14.399645478425668

enum { WALL_ELEMENTS = 118, WALL_KNOTS = 64 /* at most, without the one at r = 0 */ };

typedef struct wall_pair {
  double charge;        /* k Z1 Z2, eV angstrom; 0: not in the table */
  double reach;         /* last knot, angstrom */
  double end;           /* V = 0 from here, angstrom */
  double tail;          /* V(reach), eV; beyond it V is tail (1 - s)^3 (1 + a s + b s^2), */
  double a, b;          /* s = (r - reach) / (end - reach) */
  int n;                /* pieces; that of t in [i, i + 1] is */
  const double (*y)[4]; /* y = y[i][0] + u (y[i][1] + u (y[i][2] + u y[i][3])), u = t - i */
} wall_pair;

typedef struct wall_table {
  char functional[128]; /* libxc's names, as in gga_x_pbe+gga_c_pbe */
  char kinetic[128];    /* of the kinetic functional */
  char relativity[16];  /* none, scalar */
  double outer;         /* eV: V(reach) */
  int n_pair;
  int last;        /* the largest atomic number */
  wall_pair *pair; /* [n_pair], of (z1 <= z2): z2 (z2 - 1) / 2 + z1 - 1 */
  double (*pieces)[4];
} wall_table;

/* The table of a file; NULL is the one that is built into the library. EQS_ERR_FILE, _FORMAT names
 * file and line. */
eqs_status wall_read(const char *path, wall_table **out) EQS_CHECK;
/* The same from n bytes in memory; `name` stands for the file in messages. */
eqs_status wall_parse(const char *text, size_t n, const char *name, wall_table **out) EQS_CHECK;
void wall_free(wall_table **w);

/* NULL if the table has no such pair. The order of the elements is free. */
const wall_pair *wall_find(const wall_table *w, int z1, int z2);
/* V (eV), V' (eV/angstrom), V'' (eV/angstrom^2) at r > 0 (angstrom). */
void wall_value(const wall_pair *p, double r, double v[3]);
/* The distance (angstrom) within which V exceeds `energy` > 0 (eV). */
double wall_radius(const wall_pair *p, double energy);

#endif
