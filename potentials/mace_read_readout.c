/* mace_read_readout.c -- readout blocks: linear, one hidden layer, or two with biases.
 *
 * With several heads the hidden layers hold [head][width] channels of which only those of the head
 * in use count; only these are read. A bias of the energy goes into E0.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "potentials/mace_reader.h"

/* The block of a [rows][columns] weight that begins at row r0, column c0; times `factor`. */
static eqs_status read_block(const torch_value *linear, const char *what, size_t rows,
                             size_t columns, size_t r0, size_t n_row, size_t c0, size_t n_column,
                             double factor, double **out) {
  double *w;
  size_t n;
  *out = NULL;
  eqs_status status = mace_read_array(torch_get(linear, "weight"), what, &w, &n);
  if (status == EQS_OK && n != rows * columns)
    status =
        status_fail(EQS_ERR_FORMAT, "%s: %zu weights, expected %zu x %zu", what, n, rows, columns);
  if (status == EQS_OK) status = alloc_array(out, n_row * n_column, sizeof **out, what);
  for (size_t i = 0; status == EQS_OK && i < n_row; i++)
    for (size_t j = 0; j < n_column; j++)
      (*out)[i * n_column + j] = factor * w[(r0 + i) * columns + c0 + j];
  free(w);
  return status;
}

/* n numbers as a padded row of reals. */
static eqs_status to_row(const mace_reader *r, const double *x, int n, int padded, void **out) {
  double *row;
  EQS_TRY(alloc_array(&row, (size_t)padded, sizeof *row, "readout"));
  for (int i = 0; i < n; i++) row[i] = x[i];
  eqs_status status = upload_reals(r->k, row, (size_t)padded, "readout", out);
  free(row);
  return status;
}

/* Element `at` and following of a Linear's bias; 0 where it has none (*out is NULL then). */
static eqs_status read_bias(const torch_value *linear, const char *what, size_t count, size_t at,
                            const double **out, double **all) {
  const torch_value *v = torch_get(linear, "bias");
  size_t n;
  *out = *all = NULL;
  if (!torch_tensor_count(v)) return EQS_OK;
  EQS_TRY(mace_read_array(v, what, all, &n));
  if (n != count) EQS_FAIL(EQS_ERR_FORMAT, "%s: %zu biases, expected %zu", what, n, count);
  *out = *all + at;
  return EQS_OK;
}

/* The last map, from rows r0 .. r0+n_row-1 of `rows` hidden channels to the head's energy; the
 * bias, in eV after the scale, goes to every E0. */
static eqs_status read_energy(mace_reader *r, const torch_value *linear, const char *what, int rows,
                              int r0, int n_row, int padded, mace_readout *o) {
  mace *m = r->m;
  double *w = NULL, *all = NULL;
  const double *bias;
  size_t heads = (size_t)r->n_head, head = (size_t)r->head;
  eqs_status status;
  EQS_TRY_DONE(read_block(linear, what, (size_t)rows, heads, (size_t)r0, (size_t)n_row, head, 1,
                          m->scale / sqrt(rows), &w));
  EQS_TRY_DONE(to_row(r, w, n_row, padded, &o->w));
  EQS_TRY_DONE(read_bias(linear, what, heads, head, &bias, &all));
  for (int z = 0; bias && z < m->n_element; z++) m->e0[z] += m->scale * *bias;
done:
  free(w);
  free(all);
  return status;
}

/* A map to the head's `width` hidden channels, out of `from`: all of h, or the head's own. */
static eqs_status read_hidden(const mace_reader *r, const torch_value *linear, const char *what,
                              const layout *in, int rows, int r0, int width, linear_map *map) {
  double *w = NULL;
  int mul[N_L] = {width, 0, 0, 0}, n_row = in->mul[0];
  layout out = layout_make(mul);
  irreps from = {.n = 1, .block = {{n_row, 0, 0}}};
  /* fan-in is that of the file: linear_map_build divides by the root of n_row */
  eqs_status status =
      read_block(linear, what, (size_t)rows, (size_t)(width * r->n_head), (size_t)r0, (size_t)n_row,
                 (size_t)(width * r->head), (size_t)width, sqrt((double)n_row / rows), &w);
  if (status == EQS_OK)
    status = linear_map_build(map, r->k, &from, in, &out, w, (size_t)n_row * (size_t)width, 1, 0, 0,
                              1, what);
  free(w);
  return status;
}

/* linear_mid with its bias, between the head's own channels. */
static eqs_status read_middle(const mace_reader *r, const torch_value *v, int width,
                              mace_readout *o) {
  const torch_value *linear = torch_get(v, "linear_mid");
  const char *what = "readout.linear_mid";
  int rows = width * r->n_head, r0 = width * r->head;
  double *all = NULL, none[1] = {0};
  const double *bias;
  EQS_TRY(read_hidden(r, linear, what, &o->hidden.out, rows, r0, width, &o->middle));
  eqs_status status = read_bias(linear, what, (size_t)rows, (size_t)r0, &bias, &all);
  if (status == EQS_OK)
    status = to_row(r, bias ? bias : none, bias ? width : 0, o->hidden.out.size, &o->bias);
  free(all);
  return status;
}

eqs_status mace_read_readout(mace_reader *r, const torch_value *v, mace_layer *l) {
  mace_readout *o = &l->readout;
  const layout *h = &l->product.out;
  int channels = h->mul[0];
  if (torch_is_class(v, "LinearReadoutBlock")) {
    o->kind = READOUT_LINEAR;
    return read_energy(r, torch_get(v, "linear"), "readout.linear", channels, 0, channels,
                       h->pitch[0], o);
  }
  int biased = torch_is_class(v, "NonLinearBiasReadoutBlock");
  if (!biased && !torch_is_class(v, "NonLinearReadoutBlock"))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "readout '%s' is not implemented", torch_class(v));
  if (torch_tensor_count(torch_get(v, "linear_1.bias")))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "readout.linear_1 has a bias");
  o->kind = READOUT_NONLINEAR;
  layout all;
  EQS_TRY(mace_read_layout(torch_get(v, "linear_1.irreps_out"), "readout.linear_1", &all));
  if (all.mul[0] % r->n_head || all.mul[0] == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "readout: %d hidden channels for %d heads", all.mul[0], r->n_head);
  int width = all.mul[0] / r->n_head;
  EQS_TRY(
      mace_read_activation(torch_get(v, "non_linearity.acts.0"), "silu", "readout", &o->constant));
  EQS_TRY(read_hidden(r, torch_get(v, "linear_1"), "readout.linear_1", h, channels, 0, width,
                      &o->hidden));
  if (biased) EQS_TRY(read_middle(r, v, width, o));
  return read_energy(r, torch_get(v, "linear_2"), "readout.linear_2", all.mul[0], width * r->head,
                     width, o->hidden.out.pitch[0], o);
}
