/* mace_prepare.c -- what depends on the elements of a system: radial tables of element pairs, skip
 * connections, contraction coefficients. Built when an element first occurs; a model of 89 elements
 * would otherwise cost 80 MB and most of the time to the first energy.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "potentials/mace_parts.h"

/* The skip connections of one layer for the elements that lack them. */
static eqs_status prepare_skip(mace *m, int t, const unsigned char *present) {
  mace_layer *l = m->layer + t;
  const kernel_ops *k = m->base.k;
  if (l->residual && !l->use_sc) return EQS_OK;
  const layout *in = l->residual ? (t ? &m->layer[t - 1].product.out : &m->embedding) : &l->mix.out;
  const layout *out = l->residual ? &l->product.out : &l->mix.out;
  irreps from = irreps_of(in);
  double *w = NULL, *row = NULL;
  void *row_real = NULL;
  eqs_status status = EQS_OK;
  char what[64];
  snprintf(what, sizeof what, "interactions.%d.skip_tp.weight", t);
  size_t n = torch_tensor_count(l->skip_weight);
  for (int z = 0; z < m->n_element; z++) {
    linear_map *map = l->skip + z;
    if (!present[z] || map->k) continue;
    if (!w) {
      EQS_TRY_DONE(alloc_array(&w, n, sizeof *w, what));
      EQS_TRY_DONE(torch_tensor_read(l->skip_weight, what, w, n));
    }
    linear_map fresh;
    status = linear_map_build(&fresh, k, &from, in, out, w, n, m->n_element, z, 0, 1, what);
    if (status != EQS_OK) {
      linear_map_free(&fresh);
      goto done;
    }
    if (l->skip_rows) { /* of the embedding: one row per element */
      if (!row) {
        EQS_TRY_DONE(alloc_array(&row, (size_t)in->size, sizeof *row, what));
        EQS_TRY_DONE(alloc_array(&row_real, (size_t)in->size, k->real_size, what));
      }
      for (int c = 0; c < in->mul[0]; c++) row[c] = m->embedding_weight[z * in->mul[0] + c];
      k->convert(row, (size_t)in->size, row_real);
      linear_map_forward(&fresh, 1, NULL, row_real, &z, l->skip_rows, 0);
    }
    *map = fresh;
  }
done:
  free(w);
  free(row);
  free(row_real);
  return status;
}

static eqs_status prepare_coefficients(mace *m, int t, const unsigned char *present) {
  mace_layer *l = m->layer + t;
  const kernel_ops *k = m->base.k;
  int mul = l->product.in.mul[0];
  for (int z = 0; z < l->n_weight_element; z++) {
    if (l->coefficient[z] || (l->n_weight_element > 1 && !present[z])) continue;
    const double *weight[N_L][CORRELATION_MAX] = {{NULL}};
    for (int L = 0; L < N_L; L++)
      for (int nu = 0; nu < CORRELATION_MAX; nu++)
        if (l->weight[L][nu])
          weight[L][nu] =
              l->weight[L][nu] + (size_t)z * (size_t)l->n_weight_path[L][nu] * (size_t)mul;
    double *c = NULL;
    void *real = NULL;
    size_t n = (size_t)l->contraction.n_monomial * (size_t)l->contraction.channels;
    eqs_status status = contraction_coefficients(&l->contraction, mul, weight, &c);
    if (status == EQS_OK) status = alloc_array(&real, n, k->real_size, "contraction weights");
    if (status == EQS_OK) k->convert(c, n, real);
    free(c);
    EQS_TRY(status);
    l->coefficient[z] = real;
  }
  return EQS_OK;
}

static eqs_status prepare_layers(mace *m, const unsigned char *present) {
  for (int t = 0; t < m->n_layer; t++) {
    EQS_TRY(prepare_skip(m, t, present));
    EQS_TRY(prepare_coefficients(m, t, present));
    EQS_TRY(radial_prepare(m->layer[t].conv.radial, m->n_element, present, m->radius));
  }
  return EQS_OK;
}

eqs_status mace_prepare(potential *p, const unsigned char *present) {
  mace *m = (mace *)p;
  pthread_mutex_lock(&m->lock);
  eqs_status status = prepare_layers(m, present);
  pthread_mutex_unlock(&m->lock);
  return status;
}
