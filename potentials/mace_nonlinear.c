/* mace_nonlinear.c -- see mace_nonlinear.h.
 * SPDX-License-Identifier: MIT */
#include "potentials/mace_nonlinear.h"

#include <string.h>

void mace_nonlinear_lay_out(const layout *message, mace_nonlinear *y) {
  int mul[N_L];
  memcpy(mul, message->mul, sizeof mul);
  mul[0] = message->pitch[0];
  for (int l = 1; l < N_L; l++) {
    y->gate_offset[l] = mul[0];
    mul[0] += message->pitch[l];
  }
  y->x = layout_make(mul);
}

void mace_nonlinear_free(mace_nonlinear *y) {
  linear_map_free(&y->residual);
  linear_map_free(&y->out);
}

static gate_args gate_of(const mace_nonlinear *y, int n, const void *x) {
  gate_args a = {.n = n,
                 .constant = y->act,
                 .gate_constant = y->gate_act,
                 .sigmoid_gates = 1,
                 .in = y->x,
                 .out = y->out.in,
                 .x = x};
  memcpy(a.gate_offset, y->gate_offset, sizeof a.gate_offset);
  return a;
}

static eqs_status take_gated(const mace_nonlinear *y, int n, arena *scratch, void *out) {
  return arena_take(scratch, (size_t)n * (size_t)y->out.in.size, y->out.k->real_size, out);
}

eqs_status mace_nonlinear_forward(const mace_nonlinear *y, int n, const int *up_row, const void *up,
                                  void *x, void *a, arena *scratch) {
  const arena_mark mark = arena_here(scratch);
  gate_args g = gate_of(y, n, x);
  EQS_TRY(take_gated(y, n, scratch, &g.y));
  linear_map_forward(&y->residual, n, up_row, up, NULL, x, 1);
  y->out.k->gate_forward(&g);
  linear_map_forward(&y->out, n, NULL, g.y, NULL, a, 0);
  arena_release(scratch, mark);
  return EQS_OK;
}

eqs_status mace_nonlinear_reverse(const mace_nonlinear *y, int n, const void *x, const void *a_bar,
                                  void *x_bar, void *up_bar, arena *scratch) {
  const arena_mark mark = arena_here(scratch);
  gate_args g = gate_of(y, n, x);
  g.x_bar = x_bar;
  EQS_TRY(take_gated(y, n, scratch, &g.y));
  linear_map_reverse(&y->out, n, NULL, a_bar, NULL, g.y, 0);
  y->out.k->gate_reverse(&g);
  arena_release(scratch, mark);
  if (up_bar) linear_map_reverse(&y->residual, n, NULL, x_bar, NULL, up_bar, 0);
  return EQS_OK;
}
