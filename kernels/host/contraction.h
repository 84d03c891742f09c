/* contraction.h -- the host's walk through the program of a symmetric contraction.
 *
 * The polynomials are those of kernels/contraction.h. The reverse pass is the same walk: the
 * derivatives are polynomials too, with the outputs' adjoints as further factors. Written out they
 * take as many multiply-adds as adjoints summed up on the way, but no stores, and the loads and
 * stores are what limits both.
 *
 * A pair A_a A_b has few third factors, so that a loop over them costs more in addresses and
 * counting than in arithmetic: sums of up to three are unrolled, pairs come in runs of one kind,
 * and a pair's factors are the bytes of one number. A fence keeps the sums over `a` in memory, or
 * the compiler spills those over `b`. Factors are fetched a cache line of channels at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_HOST_CONTRACTION_H
#define EQS_KERNEL_HOST_CONTRACTION_H

#include "kernels/contraction.h"

enum {
  LINE_LANES = 64 / sizeof(lane), /* blocks of channels of a cache line */
  PAIR_ATOMS = 4                  /* sums over third factors that the registers hold */
};

/* Factors of one block of channels, [factor][atom]: A, behind them the outputs' adjoints, and last
 * the sums of an output. */
enum { SUM_FACTOR = 2 * A_MAX };
typedef lane contraction_factors[(SUM_FACTOR + 1) * CONTRACTION_ATOMS];

/* Rows of `a` or of `b` as the walk writes or reads them. */
typedef struct contraction_rows {
  const int *atom;
  real *row;
  size_t stride;
} contraction_rows;

FN contraction_rows rows_of(const int *atom, const void *row, int stride) {
  return (contraction_rows){atom, (real *)(uintptr_t)row, (size_t)stride};
}

FN size_t factor_place(unsigned m) { return (size_t)m * CONTRACTION_ATOMS; }

/* Factor m: the channels from k on of these rows. */
FN void factor_load(const contraction_rows *r, int atoms, size_t k, int m, contraction_factors *a) {
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    const real *from = r->row + (size_t)r->atom[s] * r->stride + k;
    UNROLL(4)
    for (int h = 0; h < (int)LINE_LANES; h++)
      a[h][factor_place((unsigned)m) + (size_t)s] = lane_load(from + h * LW);
  }
}

/* Where a walk stands in the program and in the stream of coefficients. */
typedef struct contraction_walk {
  const int *code;
  const real *c;
} contraction_walk;

FN const lane *pair_factor(unsigned pair, int j, const lane *a) {
  return a + factor_place(pair >> 8 * j & 255);
}

/* A run of n pairs, each with n_c third factors and c2 or without (constants): adds
 * A_b (c2 + sum_c c3 A_c) to b1. */
FN void walk_pairs(contraction_walk *w, int n, int n_c, int quadratic, int atoms, const lane *a,
                   lane *b1) {
  const int *code = w->code;
  const real *c = w->c;
  for (int i = 0; i < n; i++) {
    const unsigned pair = (unsigned)*code++;
    UNROLL(2)
    for (int from = 0; from < atoms; from += PAIR_ATOMS) {
      const int count = atoms - from < PAIR_ATOMS ? atoms - from : PAIR_ATOMS;
      const lane *x = pair_factor(pair, 0, a) + from, *y = pair_factor(pair, 1, a) + from;
      const lane c0 = lane_load(c);
      lane b2[PAIR_ATOMS];
      UNROLL(4)
      for (int s = 0; s < count; s++) b2[s] = quadratic ? c0 : c0 * y[s];
      UNROLL(4)
      for (int j = 1 - quadratic; j < n_c; j++) {
        const lane c3 = lane_load(c + (j + quadratic) * LW);
        y = pair_factor(pair, 1 + j, a) + from;
        UNROLL(4)
        for (int s = 0; s < count; s++) b2[s] += c3 * y[s];
      }
      UNROLL(4)
      for (int s = 0; s < count; s++) b1[from + s] += b2[s] * x[s];
    }
    c += (n_c + quadratic) * LW;
  }
  w->code = code;
  w->c = c;
}

/* The run that comes next, if it is of this kind. */
FN void walk_run(contraction_walk *w, int kind, int atoms, const lane *a, lane *b1) {
  if (w->code[0] != kind) return;
  const int n = w->code[1];
  w->code += 2;
  walk_pairs(w, n, kind / 2, kind & 1, atoms, a, b1);
}

/* b1 = c1 + the pairs of one factor. Its runs come with their kind falling, and a 0 behind them:
 * one `if` after the other leaves b1 in registers, where a loop over runs would not. */
FN void walk_factor(contraction_walk *w, int atoms, const lane *a, lane *b1) {
  UNROLL(8)
  for (int s = 0; s < atoms; s++) b1[s] = lane_load(w->c);
  w->c += LW;
  walk_run(w, 7, atoms, a, b1);
  walk_run(w, 6, atoms, a, b1);
  walk_run(w, 5, atoms, a, b1);
  walk_run(w, 4, atoms, a, b1);
  walk_run(w, 3, atoms, a, b1);
  walk_run(w, 2, atoms, a, b1);
  walk_run(w, 1, atoms, a, b1);
  w->code++;
}

/* `n` outputs of a program, into rows of `to` from channel k on; b0: room for sums. */
FN void walk_outputs(contraction_walk w, int n, int atoms, size_t k, const lane *a, lane *b0,
                     const contraction_rows *to) {
  for (int out = 0; out < n; out++) {
    const int row = w.code[0], n_a = w.code[1];
    w.code += 2;
    for (int ia = 0; ia < n_a; ia++) {
      const lane *x = a + factor_place((unsigned)*w.code++);
      lane b1[CONTRACTION_ATOMS];
      walk_factor(&w, atoms, a, b1);
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b1[s] = ia ? b0[s] + b1[s] * x[s] : b1[s] * x[s];
      if (ia + 1 == n_a) {
        UNROLL(8)
        for (int s = 0; s < atoms; s++)
          lane_store(to->row + (size_t)to->atom[s] * to->stride + (size_t)row + k, b1[s]);
      } else {
        UNROLL(8)
        for (int s = 0; s < atoms; s++) b0[s] = b1[s];
        LANE_FENCE();
      }
    }
  }
}

/* A cache line of channels of some atoms. */
FN void contraction_forward_line(const contraction_args *p, const int *atom, int atoms, int k,
                                 contraction_factors *a) {
  const contraction_rows in = rows_of(atom, p->a, p->a_stride),
                         out = rows_of(atom, p->b, p->b_stride);
  for (int m = 0; m < p->n_a; m++)
    factor_load(&in, atoms, (size_t)m * (size_t)p->channels + (size_t)k, m, a);
  for (int h = 0; h < (int)LINE_LANES; h++) {
    const int at = k + h * LW;
    const contraction_walk w = {p->program, contraction_stream(p, at)};
    walk_outputs(w, p->n_output, atoms, (size_t)at, a[h], a[h] + factor_place(SUM_FACTOR), &out);
  }
}

FN void contraction_reverse_line(const contraction_args *p, const int *atom, int atoms, int k,
                                 contraction_factors *a) {
  const contraction_rows in = rows_of(atom, p->a, p->a_stride),
                         seed = rows_of(atom, p->b, p->b_stride),
                         out = rows_of(atom, p->a_bar, p->a_stride);
  for (int m = 0; m < p->n_a; m++)
    factor_load(&in, atoms, (size_t)m * (size_t)p->channels + (size_t)k, m, a);
  for (int i = 0; i < p->n_output; i++)
    factor_load(&seed, atoms, (size_t)(p->reverse[i] + k), p->n_a + i, a);
  for (int h = 0; h < (int)LINE_LANES; h++) {
    const int at = k + h * LW;
    const contraction_walk w = {p->reverse + p->n_output,
                                contraction_stream(p, at) + (size_t)p->n_forward * LW};
    walk_outputs(w, p->n_a, atoms, (size_t)at, a[h], a[h] + factor_place(SUM_FACTOR), &out);
  }
}

/* All atoms, as many at a time as the registers hold sums for. */
#define OVER_ATOMS(op)                                                                             \
  static void op##_host(const contraction_args *p) {                                               \
    contraction_factors a[LINE_LANES];                                                             \
    for (int k = 0; k < p->channels; k += LINE_LANES * LW) {                                       \
      int i = 0;                                                                                   \
      for (; i + CONTRACTION_ATOMS <= p->n_atom; i += CONTRACTION_ATOMS)                           \
        op##_line(p, p->atom + i, CONTRACTION_ATOMS, k, a);                                        \
      for (; i + 4 <= p->n_atom; i += 4) op##_line(p, p->atom + i, 4, k, a);                       \
      for (; i + 2 <= p->n_atom; i += 2) op##_line(p, p->atom + i, 2, k, a);                       \
      for (; i < p->n_atom; i++) op##_line(p, p->atom + i, 1, k, a);                               \
    }                                                                                              \
  }
OVER_ATOMS(contraction_forward)
OVER_ATOMS(contraction_reverse)
#undef OVER_ATOMS

#endif
