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
 * the compiler spills those over `b`. Factors are fetched a cache line of channels at a time, two
 * with AVX-512, whose registers carry the sums of two blocks of channels through one walk.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_HOST_CONTRACTION_H
#define EQS_KERNEL_HOST_CONTRACTION_H

#include "kernels/contraction.h"

enum {
  FETCH_BLOCKS = LANE_BYTES == 64 ? 2 : 64 / LANE_BYTES, /* blocks of channels side by side */
  WALK_SUMS = LANE_BYTES == 64 ? 16 : 8, /* sums over pairs that the registers hold, beside these */
  PAIR_SUMS = LANE_BYTES == 64 ? 8 : 4   /* over third factors */
};

/* Factors of one block of channels, [factor][atom]: A, behind them the outputs' adjoints, and last
 * the sums of an output. */
enum { SUM_FACTOR = 2 * A_MAX, BLOCK_FACTORS = (SUM_FACTOR + 1) * CONTRACTION_ATOMS };
typedef lane contraction_factors[FETCH_BLOCKS * BLOCK_FACTORS];

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

/* Factor m: `blocks` blocks of channels of these rows, from channel k on. */
FN void factor_load(const contraction_rows *r, int blocks, int atoms, size_t k, int m, lane *a) {
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    const real *from = r->row + (size_t)r->atom[s] * r->stride + k;
    UNROLL(4)
    for (int h = 0; h < blocks; h++)
      a[(size_t)h * BLOCK_FACTORS + factor_place((unsigned)m) + (size_t)s] =
          lane_load(from + h * LW);
  }
}

/* Where a walk stands in the program and in the stream of coefficients; the streams of the blocks
 * of channels that walk together are `stride` apart. */
typedef struct contraction_walk {
  const int *code;
  const real *c;
  size_t stride;
} contraction_walk;

FN const lane *pair_factor(unsigned pair, int j, const lane *a) {
  return a + factor_place(pair >> 8 * j & 255);
}

/* One pair on one block of channels, with n_c third factors and c2 or without (constants): adds
 * A_b (c2 + sum_c c3 A_c) to b1. */
FN void walk_pair(unsigned pair, const real *c, int n_c, int quadratic, int atoms, const lane *a,
                  lane *b1) {
  UNROLL(2)
  for (int from = 0; from < atoms; from += PAIR_SUMS) {
    const int count = atoms - from < PAIR_SUMS ? atoms - from : PAIR_SUMS;
    const lane *x = pair_factor(pair, 0, a) + from, *y = pair_factor(pair, 1, a) + from;
    const lane c0 = lane_load(c);
    lane b2[PAIR_SUMS];
    UNROLL(8)
    for (int s = 0; s < count; s++) b2[s] = quadratic ? c0 : c0 * y[s];
    UNROLL(4)
    for (int j = 1 - quadratic; j < n_c; j++) {
      const lane c3 = lane_load(c + (j + quadratic) * LW);
      y = pair_factor(pair, 1 + j, a) + from;
      UNROLL(8)
      for (int s = 0; s < count; s++) b2[s] += c3 * y[s];
    }
    UNROLL(8)
    for (int s = 0; s < count; s++) b1[from + s] += b2[s] * x[s];
  }
}

/* A run of n pairs of one kind. */
FN void walk_pairs(contraction_walk *w, int n, int n_c, int quadratic, int blocks, int atoms,
                   const lane *a, lane *b1) {
  const int *code = w->code;
  const real *c = w->c;
  for (int i = 0; i < n; i++) {
    const unsigned pair = (unsigned)*code++;
    UNROLL(4)
    for (int h = 0; h < blocks; h++)
      walk_pair(pair, c + (size_t)h * w->stride, n_c, quadratic, atoms, a + h * BLOCK_FACTORS,
                b1 + h * atoms);
    c += (n_c + quadratic) * LW;
  }
  w->code = code;
  w->c = c;
}

/* The run that comes next, if it is of this kind. */
FN void walk_run(contraction_walk *w, int kind, int blocks, int atoms, const lane *a, lane *b1) {
  if (w->code[0] != kind) return;
  const int n = w->code[1];
  w->code += 2;
  walk_pairs(w, n, kind / 2, kind & 1, blocks, atoms, a, b1);
}

/* b1 = c1 + the pairs of one factor. Its runs come with their kind falling, and a 0 behind them:
 * one `if` after the other leaves b1 in registers, where a loop over runs would not. */
FN void walk_factor(contraction_walk *w, int blocks, int atoms, const lane *a, lane *b1) {
  UNROLL(16)
  for (int i = 0; i < blocks * atoms; i++)
    b1[i] = lane_load(w->c + (size_t)(i / atoms) * w->stride);
  w->c += LW;
  walk_run(w, 7, blocks, atoms, a, b1);
  walk_run(w, 6, blocks, atoms, a, b1);
  walk_run(w, 5, blocks, atoms, a, b1);
  walk_run(w, 4, blocks, atoms, a, b1);
  walk_run(w, 3, blocks, atoms, a, b1);
  walk_run(w, 2, blocks, atoms, a, b1);
  walk_run(w, 1, blocks, atoms, a, b1);
  w->code++;
}

/* `n` outputs of a program on `blocks` blocks of channels, into rows of `to` from channel k on. */
FN void walk_outputs(contraction_walk w, int n, int blocks, int atoms, size_t k, lane *a,
                     const contraction_rows *to) {
  lane *b0 = a + factor_place(SUM_FACTOR);
  for (int out = 0; out < n; out++) {
    const int row = w.code[0], n_a = w.code[1];
    w.code += 2;
    for (int ia = 0; ia < n_a; ia++) {
      const lane *x = a + factor_place((unsigned)*w.code++);
      lane b1[WALK_SUMS];
      walk_factor(&w, blocks, atoms, a, b1);
      UNROLL(16)
      for (int i = 0; i < blocks * atoms; i++) {
        const int at = i / atoms * BLOCK_FACTORS + i % atoms;
        b1[i] = ia ? b0[at] + b1[i] * x[at] : b1[i] * x[at];
      }
      if (ia + 1 == n_a) {
        UNROLL(16)
        for (int i = 0; i < blocks * atoms; i++)
          lane_store(to->row + (size_t)to->atom[i % atoms] * to->stride + (size_t)row + k +
                         i / atoms * LW,
                     b1[i]);
      } else {
        UNROLL(16)
        for (int i = 0; i < blocks * atoms; i++) b0[i / atoms * BLOCK_FACTORS + i % atoms] = b1[i];
        LANE_FENCE();
      }
    }
  }
}

/* As many of the fetched blocks as the registers hold sums for. */
FN int walk_blocks(int fetched, int atoms) {
  return fetched < WALK_SUMS / atoms ? fetched : WALK_SUMS / atoms;
}

/* Blocks of channels from k on of some atoms. */
FN void contraction_forward_blocks(const contraction_args *p, const int *atom, int fetched,
                                   int atoms, int k, lane *a) {
  const contraction_rows in = rows_of(atom, p->a, p->a_stride),
                         out = rows_of(atom, p->b, p->b_stride);
  const int blocks = walk_blocks(fetched, atoms);
  for (int m = 0; m < p->n_a; m++)
    factor_load(&in, fetched, atoms, (size_t)m * (size_t)p->channels + (size_t)k, m, a);
  for (int h = 0; h < fetched; h += blocks) {
    const int at = k + h * LW;
    const contraction_walk w = {p->program, contraction_stream(p, at), (size_t)p->n_monomial * LW};
    walk_outputs(w, p->n_output, blocks, atoms, (size_t)at, a + h * BLOCK_FACTORS, &out);
  }
}

FN void contraction_reverse_blocks(const contraction_args *p, const int *atom, int fetched,
                                   int atoms, int k, lane *a) {
  const contraction_rows in = rows_of(atom, p->a, p->a_stride),
                         seed = rows_of(atom, p->b, p->b_stride),
                         out = rows_of(atom, p->a_bar, p->a_stride);
  const int blocks = walk_blocks(fetched, atoms);
  for (int m = 0; m < p->n_a; m++)
    factor_load(&in, fetched, atoms, (size_t)m * (size_t)p->channels + (size_t)k, m, a);
  for (int i = 0; i < p->n_output; i++)
    factor_load(&seed, fetched, atoms, (size_t)(p->reverse[i] + k), p->n_a + i, a);
  for (int h = 0; h < fetched; h += blocks) {
    const int at = k + h * LW;
    const contraction_walk w = {p->reverse + p->n_output,
                                contraction_stream(p, at) + (size_t)p->n_forward * LW,
                                (size_t)p->n_monomial * LW};
    walk_outputs(w, p->n_a, blocks, atoms, (size_t)at, a + h * BLOCK_FACTORS, &out);
  }
}

/* Blocks of channels from k on of all atoms, as many at a time as the registers hold sums for. */
#define OVER_ATOMS(op, name, fetched)                                                              \
  static void op##_##name(const contraction_args *p, int k) {                                      \
    contraction_factors a;                                                                         \
    int i = 0;                                                                                     \
    for (; i + CONTRACTION_ATOMS <= p->n_atom; i += CONTRACTION_ATOMS)                             \
      op##_blocks(p, p->atom + i, fetched, CONTRACTION_ATOMS, k, a);                               \
    for (; i + 4 <= p->n_atom; i += 4) op##_blocks(p, p->atom + i, fetched, 4, k, a);              \
    for (; i + 2 <= p->n_atom; i += 2) op##_blocks(p, p->atom + i, fetched, 2, k, a);              \
    for (; i < p->n_atom; i++) op##_blocks(p, p->atom + i, fetched, 1, k, a);                      \
  }

/* Rows are padded to ROW_PAD channels, which are whole fetches but for the widest lanes. */
#define OVER_CHANNELS(op)                                                                          \
  OVER_ATOMS(op, all, FETCH_BLOCKS)                                                                \
  OVER_ATOMS(op, one, 1)                                                                           \
  static void op##_host(const contraction_args *p) {                                               \
    const int step = FETCH_BLOCKS * LW;                                                            \
    int k = 0;                                                                                     \
    for (; k + step <= p->channels; k += step) op##_all(p, k);                                     \
    if (step > ROW_PAD && k < p->channels) op##_one(p, k);                                         \
  }
OVER_CHANNELS(contraction_forward)
OVER_CHANNELS(contraction_reverse)
#undef OVER_CHANNELS
#undef OVER_ATOMS

#endif
