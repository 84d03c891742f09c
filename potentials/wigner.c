/* wigner.c -- real 3j symbols from first principles.
 *
 * C = Re( sum Q1[., m1] Q2[., m2] conj(Q3)[., m3] <l1 . l2 . | l3 .> ), normalised, where <|> are
 * the SU(2) Clebsch-Gordan coefficients (Racah's formula, Condon-Shortley phases) and Q takes real
 * harmonics (order m = -l .. l, y polar) to complex ones, including a phase (-i)^l.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/wigner.h"

#include <complex.h>
#include <math.h>
#include <string.h>

static double factorial(int n) {
  double f = 1;
  for (int i = 2; i <= n; i++) f *= i;
  return f;
}

/* <l1 m1 l2 m2 | l3 m1+m2> */
static double clebsch_gordan(int l1, int m1, int l2, int m2, int l3) {
  int m3 = m1 + m2;
  if (m3 < -l3 || m3 > l3) return 0;
  double norm = (2 * l3 + 1) * factorial(l3 + l1 - l2) * factorial(l3 - l1 + l2) *
                factorial(l1 + l2 - l3) / factorial(l1 + l2 + l3 + 1);
  norm *= factorial(l3 + m3) * factorial(l3 - m3) * factorial(l1 - m1) * factorial(l1 + m1) *
          factorial(l2 - m2) * factorial(l2 + m2);
  double sum = 0;
  for (int k = 0; k <= l1 + l2 - l3; k++) {
    int a = l1 - m1 - k, b = l2 + m2 - k, c = l3 - l2 + m1 + k, d = l3 - l1 - m2 + k;
    if (a < 0 || b < 0 || c < 0 || d < 0) continue;
    double term = factorial(k) * factorial(l1 + l2 - l3 - k) * factorial(a) * factorial(b) *
                  factorial(c) * factorial(d);
    sum += (k % 2 ? -1 : 1) / term;
  }
  return sqrt(norm) * sum;
}

/* q[complex m][real m], both from -l. */
static void real_to_complex(int l, double complex q[7][7]) {
  memset(q, 0, 49 * sizeof(double complex));
  double h = 1 / sqrt(2);
  for (int m = 1; m <= l; m++) {
    double sign = m % 2 ? -1 : 1;
    q[l - m][l + m] = h;
    q[l - m][l - m] = -I * h;
    q[l + m][l + m] = sign * h;
    q[l + m][l - m] = I * sign * h;
  }
  q[l][l] = 1;
  double complex phase = 1;
  for (int i = 0; i < l; i++) phase *= -I;
  for (int a = 0; a < 2 * l + 1; a++)
    for (int b = 0; b < 2 * l + 1; b++) q[a][b] *= phase;
}

void wigner_3j(int l1, int l2, int l3, double *c) {
  double complex q1[7][7], q2[7][7], q3[7][7];
  real_to_complex(l1, q1);
  real_to_complex(l2, q2);
  real_to_complex(l3, q3);
  int n1 = 2 * l1 + 1, n2 = 2 * l2 + 1, n3 = 2 * l3 + 1;
  double square = 0;
  for (int a = 0; a < n1; a++)
    for (int b = 0; b < n2; b++)
      for (int e = 0; e < n3; e++) {
        double complex sum = 0;
        for (int m1 = -l1; m1 <= l1; m1++)
          for (int m2 = -l2; m2 <= l2; m2++) {
            int m3 = m1 + m2;
            if (m3 < -l3 || m3 > l3) continue;
            sum += q1[l1 + m1][a] * q2[l2 + m2][b] * conj(q3[l3 + m3][e]) *
                   clebsch_gordan(l1, m1, l2, m2, l3);
          }
        double v = creal(sum);
        if (fabs(v) < 1e-12) v = 0;
        c[(a * n2 + b) * n3 + e] = v;
        square += v * v;
      }
  for (int i = 0; i < n1 * n2 * n3; i++) c[i] /= sqrt(square);
}
