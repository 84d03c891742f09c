/* contraction.h -- body of the symmetric contraction of MACE (Batatia et al. 2022, eq. 10-11) and
 * its reverse, as one sparse polynomial per element and channel.
 *
 * The generalised Clebsch-Gordan tensors U of the file are folded with the element's weights into
 * coefficients of sorted monomials A_a A_b A_c (a <= b <= c), nested by common factors:
 *   B = sum_a A_a (c1 + sum_b A_b (c2 + sum_c c3 A_c)) ,
 * one multiply-add per monomial forward and two in reverse. `atoms` atoms of one element (a
 * constant, at most CONTRACTION_ATOMS) share the stream of coefficients, which lies in the order of
 * reading: on the host [channels / LW][monomial][LW], where between 8 and 16 of 16 registers hold
 * the sums; on a GPU [monomial][channel]. The factors A and their adjoints are indexed by the
 * program, so they lie in memory that the launcher gives: on a GPU shared memory, a column per
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_CONTRACTION_H
#define EQS_KERNEL_CONTRACTION_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { A_MAX = (L_MAX + 1) * (L_MAX + 1), CONTRACTION_ATOMS = 8 };

#if defined(__CUDACC__) || defined(EQS_EMULATOR)
#define FACTOR(base, m, s, atoms) (base)[((m) * (atoms) + (s)) * (int)blockDim.x]
FN const real *contraction_stream(const contraction_args *p, int k) {
  return (const real *)p->coefficient + k;
}
FN int contraction_step(const contraction_args *p) { return p->channels; }
#else
#define FACTOR(base, m, s, atoms) (base)[(m)*CONTRACTION_ATOMS + (s)]
FN const real *contraction_stream(const contraction_args *p, int k) {
  return (const real *)p->coefficient + (size_t)(k / LW) * (size_t)p->n_monomial * LW;
}
FN int contraction_step(const contraction_args *p) {
  (void)p;
  return LW;
}
#endif

FN const real *contraction_row(const contraction_args *p, int atom, int k) {
  return (const real *)p->a + (size_t)atom * (size_t)p->a_stride + k;
}

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

#endif
