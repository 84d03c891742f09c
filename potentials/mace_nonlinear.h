/* mace_nonlinear.h -- the non-linear residual interaction block of MACE (MH-1, OMOL): what stands
 * between the sum over neighbours and the symmetric contraction.
 *
 *   x = linear_1(M) / (beta D + alpha) + linear_res(up(h)),   A = linear_2(gate(x))
 *
 * Row l = 0 of x holds the scalars and then the gates of l = 1, 2, ..., each group padded; gates
 * are sigmoids.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_MACE_NONLINEAR_H
#define EQS_MACE_NONLINEAR_H

#include "core/arena.h"
#include "potentials/linear_map.h"

typedef struct mace_nonlinear {
  layout x;
  int gate_offset[N_L];
  double act, gate_act; /* constants of silu and sigmoid */
  linear_map residual;  /* up(h) -> x */
  linear_map out;       /* gate(x) -> message */
} mace_nonlinear;

/* The layout of x for messages of `message`: y->x and y->gate_offset. */
void mace_nonlinear_lay_out(const layout *message, mace_nonlinear *y);
void mace_nonlinear_free(mace_nonlinear *y);

/* Rows of n atoms: x, in place, from the scaled linear_1(M) to what the gate sees; a is the
 * message. Atom i's up(h) is row up_row[i] of `up` (NULL = 0, 1, 2, ...). */
eqs_status mace_nonlinear_forward(const mace_nonlinear *y, int n, const int *up_row, const void *up,
                                  void *x, void *a, arena *scratch) EQS_CHECK;
/* x_bar, which is also the adjoint of the scaled linear_1(M), and (unless NULL) up_bar, both
 * overwritten. */
eqs_status mace_nonlinear_reverse(const mace_nonlinear *y, int n, const void *x, const void *a_bar,
                                  void *x_bar, void *up_bar, arena *scratch) EQS_CHECK;

#endif
