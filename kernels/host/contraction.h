/* contraction.h -- the host's walk through the program of a symmetric contraction.
 *
 * The polynomials are those of kernels/contraction.h. A pair A_a A_b has few third factors, so that
 * a loop over them costs more in addresses and counting than in arithmetic: sums of up to three are
 * unrolled. Pairs of one length follow each other, so the processor foresees which. Factors are
 * fetched a cache line of channels at a time, since the rows of atoms lie 4 KiB and more apart and
 * throw each other out of the first level of cache.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_HOST_CONTRACTION_H
#define EQS_KERNEL_HOST_CONTRACTION_H

#include "kernels/contraction.h"

/* As many atoms at a time as the registers hold sums for: forward one each, in reverse two, and
 * half the room of a factor is for its adjoint. */
enum {
  FORWARD_ATOMS = CONTRACTION_ATOMS,
  REVERSE_ATOMS = CONTRACTION_ATOMS / 2,
  LINE_LANES = 64 / sizeof(lane) /* blocks of channels of a cache line */
};

/* Factors of one block of channels: [factor][atom], in reverse [factor][A, adjoint][atom]. */
typedef lane contraction_factors[A_MAX * CONTRACTION_ATOMS];

/* Where a walk stands in the program and in the stream of coefficients. */
typedef struct contraction_walk {
  const int *code;
  const real *c;
} contraction_walk;

FN size_t factor_place(int m) { return (size_t)(unsigned)m * CONTRACTION_ATOMS; }

FN void factors_load(const contraction_args *p, const int *atom, int atoms, int k,
                     contraction_factors *a) {
  const real *from[CONTRACTION_ATOMS];
  UNROLL(8)
  for (int s = 0; s < atoms; s++) from[s] = contraction_row(p, atom[s], k);
  for (int m = 0; m < p->n_a; m++) {
    const size_t at = (size_t)m * (size_t)p->channels;
    UNROLL(8)
    for (int s = 0; s < atoms; s++) {
      UNROLL(4)
      for (int h = 0; h < (int)LINE_LANES; h++)
        a[h][factor_place(m) + (size_t)s] = lane_load(from[s] + at + h * LW);
    }
  }
}

FN void adjoints_clear(const contraction_args *p, int atoms, contraction_factors *a) {
  for (int h = 0; h < (int)LINE_LANES; h++)
    for (int m = 0; m < p->n_a; m++) {
      UNROLL(4)
      for (int s = 0; s < atoms; s++)
        a[h][factor_place(m) + REVERSE_ATOMS + (size_t)s] = lane_set(0);
    }
}

FN void adjoints_store(const contraction_args *p, const int *atom, int atoms, int k,
                       contraction_factors *a) {
  real *to[REVERSE_ATOMS];
  UNROLL(4)
  for (int s = 0; s < atoms; s++)
    to[s] = (real *)p->a_bar + (size_t)atom[s] * (size_t)p->a_stride + k;
  for (int m = 0; m < p->n_a; m++) {
    const size_t at = (size_t)m * (size_t)p->channels;
    UNROLL(4)
    for (int s = 0; s < atoms; s++) {
      UNROLL(4)
      for (int h = 0; h < (int)LINE_LANES; h++)
        lane_store(to[s] + at + h * LW, a[h][factor_place(m) + REVERSE_ATOMS + (size_t)s]);
    }
  }
}

/* The pairs from here on, n at most, that have n_c third factors (a constant, or n is 1): adds
 * A_b (c2 + sum_c c3 A_c) to b1. Returns how many. */
FN int pairs_forward(contraction_walk *w, int n, int n_c, int atoms, const lane *a, lane *b1) {
  const int *code = w->code;
  const real *c = w->c;
  int i = 0;
  do {
    const lane *x = a + factor_place(code[0]);
    lane b2[FORWARD_ATOMS];
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b2[s] = lane_load(c);
    UNROLL(4)
    for (int j = 0; j < n_c; j++) {
      const lane *y = a + factor_place(code[2 + j]), c3 = lane_load(c + (1 + j) * LW);
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b2[s] += c3 * y[s];
    }
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b1[s] += b2[s] * x[s];
    code += 2 + n_c;
    c += (1 + n_c) * LW;
    i++;
  } while (i < n && code[1] == n_c);
  w->code = code;
  w->c = c;
  return i;
}

FN void contraction_forward_walk(const contraction_args *p, const int *atom, int atoms, int k,
                                 const lane *a) {
  contraction_walk w = {p->program, contraction_stream(p, k)};
  for (int out = 0; out < p->n_output; out++) {
    const int row = w.code[0], n_a = w.code[1];
    lane b0[FORWARD_ATOMS];
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b0[s] = lane_set(0);
    w.code += 2;
    for (int ia = 0; ia < n_a; ia++) {
      const lane *x = a + factor_place(w.code[0]);
      const int n_b = w.code[1];
      lane b1[FORWARD_ATOMS];
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b1[s] = lane_load(w.c);
      w.code += 2;
      w.c += LW;
      for (int ib = 0; ib < n_b;) {
        const int n_c = w.code[1];
        if (n_c == 3) ib += pairs_forward(&w, n_b - ib, 3, atoms, a, b1);
        else if (n_c == 2) ib += pairs_forward(&w, n_b - ib, 2, atoms, a, b1);
        else if (n_c == 1) ib += pairs_forward(&w, n_b - ib, 1, atoms, a, b1);
        else ib += pairs_forward(&w, 1, n_c, atoms, a, b1);
      }
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b0[s] += b1[s] * x[s];
    }
    UNROLL(8)
    for (int s = 0; s < atoms; s++)
      lane_store((real *)p->b + (size_t)atom[s] * (size_t)p->b_stride + row + k, b0[s]);
  }
}

/* The same pairs in reverse: t1 = adjoint of the sum over b, b1 that sum. */
FN int pairs_reverse(contraction_walk *w, int n, int n_c, int atoms, lane *a, const lane *t1,
                     lane *b1) {
  const int *code = w->code;
  const real *c = w->c;
  int i = 0;
  do {
    lane *x = a + factor_place(code[0]), b2[REVERSE_ATOMS], t2[REVERSE_ATOMS];
    UNROLL(4)
    for (int s = 0; s < atoms; s++) {
      b2[s] = lane_load(c);
      t2[s] = t1[s] * x[s];
    }
    UNROLL(4)
    for (int j = 0; j < n_c; j++) {
      lane *y = a + factor_place(code[2 + j]), c3 = lane_load(c + (1 + j) * LW);
      UNROLL(4)
      for (int s = 0; s < atoms; s++) {
        b2[s] += c3 * y[s];
        y[REVERSE_ATOMS + s] += c3 * t2[s];
      }
    }
    UNROLL(4)
    for (int s = 0; s < atoms; s++) {
      x[REVERSE_ATOMS + s] += t1[s] * b2[s];
      b1[s] += b2[s] * x[s];
    }
    code += 2 + n_c;
    c += (1 + n_c) * LW;
    i++;
  } while (i < n && code[1] == n_c);
  w->code = code;
  w->c = c;
  return i;
}

FN void contraction_reverse_walk(const contraction_args *p, const int *atom, int atoms, int k,
                                 lane *a) {
  contraction_walk w = {p->program, contraction_stream(p, k)};
  for (int out = 0; out < p->n_output; out++) {
    const int row = w.code[0], n_a = w.code[1];
    lane seed[REVERSE_ATOMS];
    UNROLL(4)
    for (int s = 0; s < atoms; s++)
      seed[s] = lane_load((const real *)p->b + (size_t)atom[s] * (size_t)p->b_stride + row + k);
    w.code += 2;
    for (int ia = 0; ia < n_a; ia++) {
      lane *x = a + factor_place(w.code[0]), b1[REVERSE_ATOMS], t1[REVERSE_ATOMS];
      const int n_b = w.code[1];
      UNROLL(4)
      for (int s = 0; s < atoms; s++) {
        b1[s] = lane_load(w.c);
        t1[s] = seed[s] * x[s];
      }
      w.code += 2;
      w.c += LW;
      for (int ib = 0; ib < n_b;) {
        const int n_c = w.code[1];
        if (n_c == 3) ib += pairs_reverse(&w, n_b - ib, 3, atoms, a, t1, b1);
        else if (n_c == 2) ib += pairs_reverse(&w, n_b - ib, 2, atoms, a, t1, b1);
        else if (n_c == 1) ib += pairs_reverse(&w, n_b - ib, 1, atoms, a, t1, b1);
        else ib += pairs_reverse(&w, 1, n_c, atoms, a, t1, b1);
      }
      UNROLL(4)
      for (int s = 0; s < atoms; s++) x[REVERSE_ATOMS + s] += seed[s] * b1[s];
    }
  }
}

/* ------------------------------------------------------------------------------- all the atoms */

FN void contraction_forward_line(const contraction_args *p, const int *atom, int atoms, int k,
                                 contraction_factors *a) {
  factors_load(p, atom, atoms, k, a);
  for (int h = 0; h < (int)LINE_LANES; h++)
    contraction_forward_walk(p, atom, atoms, k + h * LW, a[h]);
}

FN void contraction_reverse_line(const contraction_args *p, const int *atom, int atoms, int k,
                                 contraction_factors *a) {
  factors_load(p, atom, atoms, k, a);
  adjoints_clear(p, atoms, a);
  for (int h = 0; h < (int)LINE_LANES; h++)
    contraction_reverse_walk(p, atom, atoms, k + h * LW, a[h]);
  adjoints_store(p, atom, atoms, k, a);
}

#define OVER_ATOMS(op, most)                                                                       \
  static void op##_host(const contraction_args *p) {                                               \
    contraction_factors a[LINE_LANES];                                                             \
    for (int k = 0; k < p->channels; k += LINE_LANES * LW) {                                       \
      int i = 0;                                                                                   \
      for (; i + most <= p->n_atom; i += most) op##_line(p, p->atom + i, most, k, a);              \
      for (; most > 4 && i + 4 <= p->n_atom; i += 4) op##_line(p, p->atom + i, 4, k, a);           \
      for (; i + 2 <= p->n_atom; i += 2) op##_line(p, p->atom + i, 2, k, a);                       \
      for (; i < p->n_atom; i++) op##_line(p, p->atom + i, 1, k, a);                               \
    }                                                                                              \
  }
OVER_ATOMS(contraction_forward, FORWARD_ATOMS)
OVER_ATOMS(contraction_reverse, REVERSE_ATOMS)
#undef OVER_ATOMS

#endif
