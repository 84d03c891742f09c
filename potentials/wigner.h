/* wigner.h -- Wigner 3j symbols for real spherical harmonics in e3nn's basis and signs.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_WIGNER_H
#define EQS_WIGNER_H

enum { WIGNER_MAX = 7 * 7 * 7 };

/* C[m1][m2][m3] of shape (2 l1 + 1)(2 l2 + 1)(2 l3 + 1), Frobenius norm 1; l <= 3, |l1 - l2| <= l3
 * <= l1 + l2. Made from the SU(2) Clebsch-Gordan coefficients and the change from complex to real
 * harmonics; the sign is e3nn 0.5's. */
void wigner_3j(int l1, int l2, int l3, double *c);

#endif
