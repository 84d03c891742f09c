/* ewald.h -- Ewald's sum for point charges under periodic boundaries, any triclinic cell.
 *
 * U = K { 1/2 sum q_i q_j erfc(a r)/r + (4 pi/V) sum'_{k>0} exp(-k^2/4a^2)/k^2 |S(k)|^2
 *         - a/sqrt(pi) sum q_i^2 },   S(k) = sum q_i e^{ikx_i},   K = e^2/(4 pi eps_0),
 * k over half of the reciprocal lattice, the surroundings conducting, a net charge neutralised by a
 * uniform background whose own energy, -K pi Q^2 / (2 V a^2), is not in here. Energies eV, lengths
 * angstrom, charges e. Vectors k are kept in rows of consecutive third indices, so that the phases
 * of a point cost one complex product each.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EWALD_H
#define EQS_EWALD_H

#include "core/status.h"

#define EWALD_COULOMB 14.399645478425668 /* eV angstrom / e^2: e / (4 pi eps_0), CODATA 2018 */

/* Pieces of the table of erfc(a r)/r: 64 per angstrom^2 in r^2 = 1 .. 4, 8 beyond. */
enum { EWALD_NEAR = 1, EWALD_MIDDLE = 4, EWALD_PER_NEAR = 64, EWALD_PER_FAR = 8 };
enum { EWALD_POINTS = 8 }; /* of ewald_added, at most */
enum { EWALD_N_NEAR = (EWALD_MIDDLE - EWALD_NEAR) * EWALD_PER_NEAR };

typedef struct ewald_row {
  /* vectors (n1, n2, low) .. (n1, n2, low + n - 1); n is even, a last one too many weighs nothing
   */
  int n1, n2, low, n;
  int first; /* index of the first */
} ewald_row;

typedef struct ewald {
  double cell[9], inverse[9], volume;
  double alpha, cutoff, k_cut; /* 1/angstrom, angstrom, 1/angstrom */
  int n, n_row, max[3];        /* vectors, rows, largest indices */
  ewald_row *row;              /* [n_row] */
  double *weight;              /* [n] eV/e^2: (4 pi K / V) exp(-k^2 / 4 a^2) / k^2 */
  int n_piece;                 /* of the table of erfc(a r)/r */
  double (*piece)[6];          /* [n_piece] polynomials in r^2 */
} ewald;

/* alpha = sqrt(-ln tolerance) / cutoff, and k up to 2 alpha sqrt(-ln tolerance): both sums break
 * off where their terms have fallen to about `tolerance`. EQS_ERR_ARGUMENT: singular cell, cutoff
 * not in 0 .. 1000, tolerance not in 1e-15 .. 0.1. EQS_ERR_UNSUPPORTED: more than 5e6 vectors. */
eqs_status ewald_prepare(const double cell[9], double cutoff, double tolerance,
                         ewald *out) EQS_CHECK;
void ewald_free(ewald *e);

/* erfc(alpha r) / r itself. */
double ewald_real_direct(const ewald *e, double r2);
/* The same by interpolation above 1 angstrom, error < 1e-11. */
static inline double ewald_real(const ewald *e, double r2) {
  if (r2 < EWALD_NEAR) return ewald_real_direct(e, r2);
  double t = r2 < EWALD_MIDDLE ? (r2 - EWALD_NEAR) * EWALD_PER_NEAR
                               : EWALD_N_NEAR + (r2 - EWALD_MIDDLE) * EWALD_PER_FAR;
  if (t >= e->n_piece) return ewald_real_direct(e, r2);
  const double *c = e->piece[(int)t];
  t -= (int)t;
  return c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))));
}

/* e^{i k x} along the three axes for one point: ewald_phase_size(e) doubles. */
size_t ewald_phase_size(const ewald *e);
void ewald_phases(const ewald *e, const double x[3], double *phase);

/* re[n], im[n] += sum over m points of q e^{ikx}; phases one after the other. */
void ewald_add(const ewald *e, int m, const double *q, const double *phase, double *re, double *im);
/* What m <= EWALD_POINTS charges T add to sum weight |S|^2: sum weight (2 Re conj(S) T + |T|^2).
 * re = im = NULL means S = 0. */
double ewald_added(const ewald *e, int m, const double *q, const double *phase, const double *re,
                   const double *im);
/* sum_k re cos kx + im sin kx at one point; re = im = 0 where a vector weighs nothing. */
double ewald_at(const ewald *e, const double *phase, const double *re, const double *im);
/* The same sum on a grid of the cell, one direction after the other: at the fractional coordinate
 * f[0] fold everything into a plane (ewald_plane_size(e) doubles), at f[1] the plane into a line
 * (ewald_line_size(e)), and read the line at f[2]. */
size_t ewald_plane_size(const ewald *e);
size_t ewald_line_size(const ewald *e);
void ewald_fold_plane(const ewald *e, const double *re, const double *im, double f, double *plane);
void ewald_fold_line(const ewald *e, const double *plane, double f, double *line);
double ewald_on_line(const ewald *e, const double *line, double f);

#endif
