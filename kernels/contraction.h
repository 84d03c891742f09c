/* contraction.h -- body of the symmetric contraction of MACE (Batatia et al. 2022, eq. 10-11) and
 * its reverse, as one sparse polynomial per element and channel.
 *
 * The generalised Clebsch-Gordan tensors U of the file are folded with the element's weights into
 * coefficients of sorted monomials A_a A_b A_c (a <= b <= c), nested by common factors:
 *   B = sum_a A_a (c1 + sum_b A_b (c2 + sum_c c3 A_c)) ,
 * one multiply-add per monomial forward and two in reverse. ATOMS atoms of one element share the
 * stream of coefficients.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_CONTRACTION_H
#define EQS_KERNEL_CONTRACTION_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

enum { A_MAX = (L_MAX + 1) * (L_MAX + 1) };

FN void contraction_forward_body(const contraction_args *p, const int *atom, int atoms, int k) {
  lane a[4][A_MAX];
  for (int s = 0; s < atoms; s++)
    for (int m = 0; m < p->n_a; m++)
      a[s][m] = lane_load((const real *)p->a + (size_t)atom[s] * (size_t)p->a_stride +
                          (size_t)m * (size_t)p->channels + k);
  const int *code = p->program;
  const real *c = (const real *)p->coefficient + k;
  for (int out = 0; out < p->n_output; out++) {
    int row = *code++, n_a = *code++;
    lane b0[4];
    for (int s = 0; s < atoms; s++) b0[s] = lane_set(0);
    for (int ia = 0; ia < n_a; ia++) {
      int ma = *code++, n_b = *code++;
      lane b1[4];
      for (int s = 0; s < atoms; s++) b1[s] = lane_load(c);
      c += p->channels;
      for (int ib = 0; ib < n_b; ib++) {
        int mb = *code++, n_c = *code++;
        lane b2[4];
        for (int s = 0; s < atoms; s++) b2[s] = lane_load(c);
        c += p->channels;
        for (int ic = 0; ic < n_c; ic++) {
          int mc = *code++;
          lane c3 = lane_load(c);
          c += p->channels;
          for (int s = 0; s < atoms; s++) b2[s] += c3 * a[s][mc];
        }
        for (int s = 0; s < atoms; s++) b1[s] += b2[s] * a[s][mb];
      }
      for (int s = 0; s < atoms; s++) b0[s] += b1[s] * a[s][ma];
    }
    for (int s = 0; s < atoms; s++)
      lane_store((real *)p->b + (size_t)atom[s] * (size_t)p->b_stride + row + k, b0[s]);
  }
}

FN void contraction_reverse_body(const contraction_args *p, const int *atom, int atoms, int k) {
  lane a[4][A_MAX], g[4][A_MAX];
  for (int s = 0; s < atoms; s++)
    for (int m = 0; m < p->n_a; m++) {
      a[s][m] = lane_load((const real *)p->a + (size_t)atom[s] * (size_t)p->a_stride +
                          (size_t)m * (size_t)p->channels + k);
      g[s][m] = lane_set(0);
    }
  const int *code = p->program;
  const real *c = (const real *)p->coefficient + k;
  for (int out = 0; out < p->n_output; out++) {
    int row = *code++, n_a = *code++;
    lane seed[4];
    for (int s = 0; s < atoms; s++)
      seed[s] = lane_load((const real *)p->b + (size_t)atom[s] * (size_t)p->b_stride + row + k);
    for (int ia = 0; ia < n_a; ia++) {
      int ma = *code++, n_b = *code++;
      lane b1[4], t1[4];
      for (int s = 0; s < atoms; s++) {
        b1[s] = lane_load(c);
        t1[s] = seed[s] * a[s][ma];
      }
      c += p->channels;
      for (int ib = 0; ib < n_b; ib++) {
        int mb = *code++, n_c = *code++;
        lane b2[4], t2[4];
        for (int s = 0; s < atoms; s++) {
          b2[s] = lane_load(c);
          t2[s] = t1[s] * a[s][mb];
        }
        c += p->channels;
        for (int ic = 0; ic < n_c; ic++) {
          int mc = *code++;
          lane c3 = lane_load(c);
          c += p->channels;
          for (int s = 0; s < atoms; s++) {
            b2[s] += c3 * a[s][mc];
            g[s][mc] += c3 * t2[s];
          }
        }
        for (int s = 0; s < atoms; s++) {
          g[s][mb] += t1[s] * b2[s];
          b1[s] += b2[s] * a[s][mb];
        }
      }
      for (int s = 0; s < atoms; s++) g[s][ma] += seed[s] * b1[s];
    }
  }
  for (int s = 0; s < atoms; s++)
    for (int m = 0; m < p->n_a; m++)
      lane_store((real *)p->a_bar + (size_t)atom[s] * (size_t)p->a_stride +
                     (size_t)m * (size_t)p->channels + k,
                 g[s][m]);
}

#endif
