/* mace_read_nonlinear.c -- the gate of a non-linear residual block and the maps around it.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/mace_reader.h"

/* A Linear that ends in what the gate sees: the file's scalars and gates lie side by side, ours in
 * padded groups. */
static eqs_status read_to_gate(const mace_reader *r, const torch_value *v, const char *what,
                               const irreps *from, const layout *in, const layout *message,
                               const mace_nonlinear *y, linear_map *map) {
  layout file;
  double *w = NULL, *wide = NULL;
  size_t n, scalars = 0, at = 0, count = 0;
  eqs_status status;
  for (int l = 0; l < N_L; l++) scalars += (size_t)message->mul[l];
  EQS_TRY(mace_read_layout(torch_get(v, "irreps_out"), what, &file));
  if ((size_t)file.mul[0] != scalars || memcmp(file.mul + 1, message->mul + 1, 3 * sizeof(int)))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s does not end in one gate per channel of l > 0", what);
  EQS_TRY_DONE(mace_read_flat(v, what, &w, &n));
  for (int b = 0; b < from->n; b++) {
    size_t mul = (size_t)from->block[b].mul;
    at += mul * (size_t)file.mul[from->block[b].l];
    count += mul * (size_t)y->x.mul[from->block[b].l];
  }
  if (n != at) {
    status =
        status_fail(EQS_ERR_FORMAT, "%s: %zu weights, expected %zu from the irreps", what, n, at);
    goto done;
  }
  EQS_TRY_DONE(alloc_array(&wide, count, sizeof *wide, what));
  double *to = wide;
  const double *read = w;
  for (int b = 0; b < from->n; b++)
    for (int u = 0; u < from->block[b].mul; u++) {
      int l0 = from->block[b].l;
      for (int l = l0 ? l0 : 0; l < (l0 ? l0 + 1 : N_L); l++) {
        memcpy(to, read, (size_t)message->mul[l] * sizeof *to);
        read += message->mul[l];
        to += l0 ? message->mul[l] : message->pitch[l];
      }
    }
  status = linear_map_build(map, r->k, from, in, &y->x, wide, count, 1, 0, 0, 1, what);
done:
  free(w);
  free(wide);
  return status;
}

/* Constant of one activation: mace-torch's own gate since 0.3.16, or e3nn's Gate before. */
static eqs_status read_constant(const torch_value *gate, const char *function, const char *constant,
                                const char *old, const char *wanted, double *out) {
  const torch_value *f = torch_get(gate, function);
  if (torch_value_kind(f) == TORCH_NONE)
    return mace_read_activation(torch_get(gate, old), wanted, "equivariant_nonlin", out);
  EQS_TRY(mace_check_function(f, wanted, "equivariant_nonlin"));
  return mace_read_number(gate, constant, out);
}

eqs_status mace_read_nonlinear(mace_reader *r, int t) {
  mace_layer *l = r->m->layer + t;
  const torch_value *block = mace_find(r->root, "interactions.%d", t),
                    *gate = torch_get(block, "equivariant_nonlin");
  irreps up = irreps_of(&l->up.out);
  mace_nonlinear *y = calloc(1, sizeof *y);
  layout in;
  if (!y) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: interactions.%d", t);
  l->non_linear = y;
  l->mix_factor = 1;
  EQS_TRY(mace_read_layout(torch_get(block, "linear_2.irreps_out"), "linear_2", &l->message));
  EQS_TRY(mace_read_layout(torch_get(block, "linear_2.irreps_in"), "linear_2", &in));
  if (memcmp(&in, &l->message, sizeof in) != 0)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "linear_2 between different irreps");
  mace_nonlinear_lay_out(&l->message, y);
  l->mixed = y->x;
  EQS_TRY(read_to_gate(r, torch_get(block, "linear_1"), "linear_1", &l->conv.slots, &l->conv.out,
                       &l->message, y, &l->mix));
  EQS_TRY(read_to_gate(r, torch_get(block, "linear_res"), "linear_res", &up, &l->up.out,
                       &l->message, y, &y->residual));
  irreps from = irreps_of(&l->message);
  EQS_TRY(mace_read_linear(r, torch_get(block, "linear_2"), "linear_2", &from, &l->message,
                           &l->message, 1, &y->out));
  if (mace_flag(gate, "_layout_is_ir_mul", 0))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "a gate in cuEquivariance's layout");
  EQS_TRY(read_constant(gate, "_act_scalar", "_scalar_cst", "act_scalars.acts.0", "silu", &y->act));
  y->gate_act = 1;
  if (l->conv.lmax > 0)
    EQS_TRY(
        read_constant(gate, "_act_gate", "_gate_cst", "act_gates.acts.0", "sigmoid", &y->gate_act));
  EQS_TRY(mace_read_number(block, "alpha", &l->density_offset));
  EQS_TRY(mace_read_number(block, "beta", &l->density_slope));
  if (!isfinite(l->density_slope) || !isfinite(l->density_offset) || l->density_offset == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "alpha = %g, beta = %g", l->density_offset, l->density_slope);
  return EQS_OK;
}
