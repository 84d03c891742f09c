/* contraction.h -- body of the symmetric contraction of MACE (Batatia et al. 2022, eq. 10-11) and
 * its reverse, as one sparse polynomial per element and channel.
 *
 * The generalised Clebsch-Gordan tensors U of the file are folded with the element's weights into
 * coefficients of sorted monomials A_a A_b A_c (a <= b <= c), nested by common factors:
 *   B = sum_a A_a (c1 + sum_b A_b (c2 + sum_c c3 A_c)) ,
 * one multiply-add per monomial forward and two in reverse. `atoms` atoms of one element (a
 * constant, at most CONTRACTION_ATOMS) share the stream of coefficients, which lies in the order of
 * reading: on the host [channels / LW][monomial][LW], on a GPU likewise by 32 channels. The factors
 * A and their adjoints are indexed by the program, so they lie in memory: on a GPU shared memory, a
 * column per thread. The host's walk is kernels/host/contraction.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_CONTRACTION_H
#define EQS_KERNEL_CONTRACTION_H

#include "kernels/kernels.h"
#include "kernels/lane.h"
#include "kernels/selected.h"

enum { CONTRACTION_ATOMS = 8 };

#if defined(__CUDACC__) || defined(EQS_EMULATOR)
/* Channels side by side in the stream of coefficients. */
#define CONTRACTION_STEP(channels) ((channels) % 32 ? 16 : 32)
#define FACTOR(base, m, s, atoms)  (base)[((m) * (atoms) + (s)) * (int)blockDim.x]
FN int contraction_step(const contraction_args *p) { return CONTRACTION_STEP(p->channels); }
FN const real *contraction_stream(const contraction_args *p, int k) {
  const int step = contraction_step(p);
  return (const real *)p->coefficient + (size_t)(k / step) * (size_t)(p->n_monomial * step) +
         k % step;
}
#else
FN const real *contraction_stream(const contraction_args *p, int k) {
  return (const real *)p->coefficient + (size_t)(k / LW) * (size_t)p->n_monomial * LW;
}
#endif

FN const real *contraction_row(const contraction_args *p, int atom, int k) {
  return (const real *)p->a + (size_t)atom * (size_t)p->a_stride + k;
}

#if defined(__CUDACC__) || defined(EQS_EMULATOR)
FN void contraction_forward_body(const contraction_args *p, const int *atom, int atoms, int k,
                                 lane *a) {
  const int step = contraction_step(p);
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    const real *from = contraction_row(p, atom[s], k);
    for (int m = 0; m < p->n_a; m++) FACTOR(a, m, s, atoms) = lane_load(from + m * p->channels);
  }
  const int *code = p->program;
  const real *c = contraction_stream(p, k);
  for (int out = 0; out < p->n_output; out++) {
    int row = *code++, n_a = *code++;
    lane b0[CONTRACTION_ATOMS];
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b0[s] = lane_set(0);
    for (int ia = 0; ia < n_a; ia++) {
      int ma = *code++, n_b = *code++;
      lane b1[CONTRACTION_ATOMS];
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b1[s] = lane_load(c);
      c += step;
      for (int ib = 0; ib < n_b; ib++) {
        int mb = *code++, n_c = *code++;
        lane b2[CONTRACTION_ATOMS];
        UNROLL(8)
        for (int s = 0; s < atoms; s++) b2[s] = lane_load(c);
        c += step;
        for (int ic = 0; ic < n_c; ic++, c += step) {
          const lane *x = &FACTOR(a, *code++, 0, atoms);
          lane c3 = lane_load(c);
          UNROLL(8)
          for (int s = 0; s < atoms; s++) b2[s] += c3 * FACTOR(x, 0, s, atoms);
        }
        UNROLL(8)
        for (int s = 0; s < atoms; s++) b1[s] += b2[s] * FACTOR(a, mb, s, atoms);
      }
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b0[s] += b1[s] * FACTOR(a, ma, s, atoms);
    }
    UNROLL(8)
    for (int s = 0; s < atoms; s++)
      lane_store((real *)p->b + (size_t)atom[s] * (size_t)p->b_stride + row + k, b0[s]);
  }
}

/* One factor A_b under A_a, with its own factors A_c: t1 = adjoint of the sum over b, b1 that sum.
 */
FN void contraction_reverse_pair(const int **code, const real **coefficient, int step, int atoms,
                                 const lane *a, lane *g, const lane *t1, lane *b1) {
  const real *c = *coefficient;
  int mb = (*code)[0], n_c = (*code)[1];
  lane b2[CONTRACTION_ATOMS], t2[CONTRACTION_ATOMS];
  *code += 2;
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    b2[s] = lane_load(c);
    t2[s] = t1[s] * FACTOR(a, mb, s, atoms);
  }
  c += step;
  for (int ic = 0; ic < n_c; ic++, c += step) {
    int mc = *(*code)++;
    const lane *x = &FACTOR(a, mc, 0, atoms);
    lane c3 = lane_load(c), *y = &FACTOR(g, mc, 0, atoms);
    UNROLL(8)
    for (int s = 0; s < atoms; s++) {
      b2[s] += c3 * FACTOR(x, 0, s, atoms);
      FACTOR(y, 0, s, atoms) += c3 * t2[s];
    }
  }
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    FACTOR(g, mb, s, atoms) += t1[s] * b2[s];
    b1[s] += b2[s] * FACTOR(a, mb, s, atoms);
  }
  *coefficient = c;
}

FN void contraction_reverse_body(const contraction_args *p, const int *atom, int atoms, int k,
                                 lane *a, lane *g) {
  const int step = contraction_step(p);
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    const real *from = contraction_row(p, atom[s], k);
    for (int m = 0; m < p->n_a; m++) {
      FACTOR(a, m, s, atoms) = lane_load(from + m * p->channels);
      FACTOR(g, m, s, atoms) = lane_set(0);
    }
  }
  const int *code = p->program;
  const real *c = contraction_stream(p, k);
  for (int out = 0; out < p->n_output; out++) {
    int row = *code++, n_a = *code++;
    lane seed[CONTRACTION_ATOMS];
    UNROLL(8)
    for (int s = 0; s < atoms; s++)
      seed[s] = lane_load((const real *)p->b + (size_t)atom[s] * (size_t)p->b_stride + row + k);
    for (int ia = 0; ia < n_a; ia++) {
      int ma = *code++, n_b = *code++;
      lane b1[CONTRACTION_ATOMS], t1[CONTRACTION_ATOMS];
      UNROLL(8)
      for (int s = 0; s < atoms; s++) {
        b1[s] = lane_load(c);
        t1[s] = seed[s] * FACTOR(a, ma, s, atoms);
      }
      c += step;
      for (int ib = 0; ib < n_b; ib++)
        contraction_reverse_pair(&code, &c, step, atoms, a, g, t1, b1);
      UNROLL(8)
      for (int s = 0; s < atoms; s++) FACTOR(g, ma, s, atoms) += seed[s] * b1[s];
    }
  }
  UNROLL(8)
  for (int s = 0; s < atoms; s++) {
    real *to = (real *)p->a_bar + (size_t)atom[s] * (size_t)p->a_stride + k;
    for (int m = 0; m < p->n_a; m++) lane_store(to + m * p->channels, FACTOR(g, m, s, atoms));
  }
}

/* -------------------------------------------------------------------------- selected programs
 * Where the program is known when this is compiled, factors, adjoints and sums of a few atoms stay
 * in a thread's registers: a load per monomial, shared by the atoms, and else multiply-adds. The
 * order of the stream: c1 of each a; behind it, of each b >= a that has a monomial, c2 and its
 * c3. */
enum { SELECTED_STEP = 32 }; /* CONTRACTION_STEP of the channels that it is for */

KERNEL_CONSTANT int selected_pair(int out, int a, int b) {
  return selected_monomial(out, a, b, -1) || selected_thirds(out, a, b);
}
/* Coefficients of one b, of one a, of one output. */
KERNEL_CONSTANT int selected_of_pair(int out, int a, int b) {
  int n = selected_pair(out, a, b);
  for (int c = b; c < A_MAX; c++) n += selected_monomial(out, a, b, c);
  return n;
}
KERNEL_CONSTANT int selected_of_factor(int out, int a) {
  int n = 1;
  for (int b = a; b < A_MAX; b++) n += selected_of_pair(out, a, b);
  return n;
}
KERNEL_CONSTANT int selected_of_output(int out) {
  int n = 0;
  for (int a = 0; a < A_MAX; a++) n += selected_of_factor(out, a);
  return n;
}

template <int out, int ma, int mb, int atoms>
FN void selected_forward_pairs(const real *c, const lane (*a)[atoms], lane *b1) {
  enum {
    thirds = selected_thirds(out, ma, mb),
    second = selected_monomial(out, ma, mb, -1),
    step = selected_of_pair(out, ma, mb) * SELECTED_STEP
  };
  if constexpr (step != 0) {
    const real *at = c + SELECTED_STEP;
    lane b2[atoms];
    const lane c2 = second ? lane_load(c) : lane_set(0);
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b2[s] = c2;
    UNROLL(16)
    for (int mc = mb; mc < A_MAX; mc++) {
      if (!(thirds >> mc & 1)) continue;
      const lane c3 = lane_load(at);
      at += SELECTED_STEP;
      UNROLL(8)
      for (int s = 0; s < atoms; s++) b2[s] += c3 * a[mc][s];
    }
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b1[s] += b2[s] * a[mb][s];
  }
  if constexpr (mb + 1 < A_MAX) selected_forward_pairs<out, ma, mb + 1, atoms>(c + step, a, b1);
}

template <int out, int ma, int atoms>
FN void selected_forward(const real *c, const lane (*a)[atoms], lane *b0) {
  enum {
    first = selected_monomial(out, ma, -1, -1),
    step = selected_of_factor(out, ma) * SELECTED_STEP
  };
  if constexpr (first || (int)step > (int)SELECTED_STEP) {
    const lane c1 = first ? lane_load(c) : lane_set(0);
    lane b1[atoms];
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b1[s] = c1;
    selected_forward_pairs<out, ma, ma, atoms>(c + SELECTED_STEP, a, b1);
    UNROLL(8)
    for (int s = 0; s < atoms; s++) b0[s] += b1[s] * a[ma][s];
  }
  if constexpr (ma + 1 < A_MAX) selected_forward<out, ma + 1, atoms>(c + step, a, b0);
}

template <int out, int ma, int mb, int atoms>
FN void selected_reverse_pairs(const real *c, const lane (*a)[atoms], const lane *t1, lane *b1,
                               lane (*g)[atoms]) {
  enum {
    thirds = selected_thirds(out, ma, mb),
    second = selected_monomial(out, ma, mb, -1),
    step = selected_of_pair(out, ma, mb) * SELECTED_STEP
  };
  if constexpr (step != 0) {
    const real *at = c + SELECTED_STEP;
    lane b2[atoms], t2[atoms];
    const lane c2 = second ? lane_load(c) : lane_set(0);
    UNROLL(8)
    for (int s = 0; s < atoms; s++) {
      b2[s] = c2;
      t2[s] = t1[s] * a[mb][s];
    }
    UNROLL(16)
    for (int mc = mb; mc < A_MAX; mc++) {
      if (!(thirds >> mc & 1)) continue;
      const lane c3 = lane_load(at);
      at += SELECTED_STEP;
      UNROLL(8)
      for (int s = 0; s < atoms; s++) {
        b2[s] += c3 * a[mc][s];
        g[mc][s] += c3 * t2[s];
      }
    }
    UNROLL(8)
    for (int s = 0; s < atoms; s++) {
      g[mb][s] += t1[s] * b2[s];
      b1[s] += b2[s] * a[mb][s];
    }
  }
  if constexpr (mb + 1 < A_MAX)
    selected_reverse_pairs<out, ma, mb + 1, atoms>(c + step, a, t1, b1, g);
}

template <int out, int ma, int atoms>
FN void selected_reverse(const real *c, const lane (*a)[atoms], const lane *seed,
                         lane (*g)[atoms]) {
  enum {
    first = selected_monomial(out, ma, -1, -1),
    step = selected_of_factor(out, ma) * SELECTED_STEP
  };
  if constexpr (first || (int)step > (int)SELECTED_STEP) {
    const lane c1 = first ? lane_load(c) : lane_set(0);
    lane b1[atoms], t1[atoms];
    UNROLL(8)
    for (int s = 0; s < atoms; s++) {
      b1[s] = c1;
      t1[s] = seed[s] * a[ma][s];
    }
    selected_reverse_pairs<out, ma, ma, atoms>(c + SELECTED_STEP, a, t1, b1, g);
    UNROLL(8)
    for (int s = 0; s < atoms; s++) g[ma][s] += seed[s] * b1[s];
  }
  if constexpr (ma + 1 < A_MAX) selected_reverse<out, ma + 1, atoms>(c + step, a, seed, g);
}
#endif

#endif
