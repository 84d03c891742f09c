/* mace_prepare.c -- what depends on the elements of a system: radial tables of element pairs, skip
 * connections, contraction coefficients. Built when an element first occurs; a model of 89 elements
 * would otherwise cost 80 MB and most of the time to the first energy.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/upload.h"
#include "potentials/mace_parts.h"

/* A layer's maps for the elements that lack them; weights are read when the first is missing. */
typedef struct skip_reader {
  const mace *m;
  const mace_layer *l;
  char what[64];
  double *skip, *mix, *row;
  size_t n_skip, n_mix;
} skip_reader;

static eqs_status open_weights(skip_reader *r) {
  if (r->skip) return EQS_OK;
  r->n_skip = torch_tensor_count(r->l->skip_weight);
  EQS_TRY(alloc_array(&r->skip, r->n_skip, sizeof *r->skip, r->what));
  EQS_TRY(torch_tensor_read(r->l->skip_weight, r->what, r->skip, r->n_skip));
  if (r->l->residual) return EQS_OK;
  r->n_mix = torch_tensor_count(r->l->mix_weight);
  EQS_TRY(alloc_array(&r->mix, r->n_mix, sizeof *r->mix, "linear.weight"));
  return torch_tensor_read(r->l->mix_weight, "linear.weight", r->mix, r->n_mix);
}

/* Residual: skip_tp of element z, from the features that the layer reads to those it makes. */
static eqs_status build_self_connection(skip_reader *r, int t, int z, linear_map *map) {
  const mace *m = r->m;
  const layout *in = t ? &m->layer[t - 1].product.out : &m->embedding;
  irreps from = irreps_of(in);
  return linear_map_build(map, m->base.k, &from, in, &r->l->product.out, r->skip, r->n_skip,
                          m->n_element, z, 0, 1, r->what);
}

/* Not residual: linear times skip_tp of element z, written as the flat weights of a Linear, which
 * are one matrix [slots of l][channels] for every l after the other. */
static eqs_status build_message_map(skip_reader *r, int z, linear_map *map) {
  const mace *m = r->m;
  const mace_layer *l = r->l;
  size_t mul = (size_t)l->message.mul[0], n_z = (size_t)m->n_element, at = 0;
  double *w = NULL, scale = 1 / sqrt((double)(mul * n_z));
  if (r->n_skip != (size_t)(l->conv.lmax + 1) * mul * n_z * mul)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has %zu weights", r->what, r->n_skip);
  EQS_TRY(alloc_array(&w, r->n_mix, sizeof *w, r->what));
  for (size_t order = 0; order <= (size_t)l->conv.lmax; order++)
    for (int slot = 0; slot < l->conv.out.mul[order]; slot++, at += mul)
      for (size_t u = 0; u < mul; u++) {
        const double *s = r->skip + ((order * mul + u) * n_z + (size_t)z) * mul;
        double x = scale * r->mix[at + u];
        for (size_t v = 0; v < mul; v++) w[at + v] += x * s[v];
      }
  eqs_status status = linear_map_build(map, m->base.k, &l->conv.slots, &l->conv.out, &l->message, w,
                                       r->n_mix, 1, 0, 0, l->mix_factor, r->what);
  free(w);
  return status;
}

/* First layer: the self-connection of the element's embedding is one row. */
static eqs_status embed_element(skip_reader *r, int z, const linear_map *map) {
  const mace *m = r->m;
  const kernel_ops *k = m->base.k;
  size_t size = (size_t)m->embedding.size, mul = (size_t)m->embedding.mul[0];
  if (!r->row) EQS_TRY(alloc_array(&r->row, size, sizeof *r->row, r->what));
  for (size_t c = 0; c < mul; c++) r->row[c] = m->embedding_weight[(size_t)z * mul + c];
  void *x;
  EQS_TRY(upload_reals(k, r->row, size, r->what, &x));
  size_t to = (size_t)z * (size_t)map->out.size * k->real_size;
  linear_map_forward(map, 1, NULL, x, NULL, (char *)r->l->skip_rows + to, 0);
  device_give(k->device, &x);
  return EQS_OK;
}

static eqs_status prepare_elements(mace *m, int t, const unsigned char *present) {
  mace_layer *l = m->layer + t;
  skip_reader r = {.m = m, .l = l};
  eqs_status status = EQS_OK;
  if (l->residual && (!l->use_sc || l->skip.k)) return EQS_OK;
  snprintf(r.what, sizeof r.what, "interactions.%d.skip_tp.weight", t);
  for (int z = 0; z < m->n_element && status == EQS_OK; z++) {
    linear_map fresh = {.k = NULL};
    if (!present[z] || l->by_element[z].k) continue;
    status = open_weights(&r);
    if (status == EQS_OK)
      status =
          l->residual ? build_self_connection(&r, t, z, &fresh) : build_message_map(&r, z, &fresh);
    if (status == EQS_OK && l->skip_rows) status = embed_element(&r, z, &fresh);
    if (status == EQS_OK) l->by_element[z] = fresh;
    else linear_map_free(&fresh);
  }
  free(r.skip);
  free(r.mix);
  free(r.row);
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
    eqs_status status = contraction_coefficients(&l->contraction, mul, weight, &c);
    if (status == EQS_OK)
      status = upload_monomials(k, c, l->contraction.n_monomial, l->contraction.channels,
                                "contraction weights", &l->coefficient[z]);
    free(c);
    EQS_TRY(status);
  }
  return EQS_OK;
}

static eqs_status prepare_layers(mace *m, const unsigned char *present) {
  for (int t = 0; t < m->n_layer; t++) {
    EQS_TRY(prepare_elements(m, t, present));
    EQS_TRY(prepare_coefficients(m, t, present));
    if (!m->layer[t].conv.network)
      EQS_TRY(radial_prepare(m->layer[t].conv.radial, m->n_element, present, m->radius));
  }
  return EQS_OK;
}

eqs_status mace_prepare(potential *p, const unsigned char *present) {
  mace *m = (mace *)p;
  device *d = p->k->device;
  pthread_mutex_lock(&m->lock);
  eqs_status status = d->ops->enter(d);
  if (status == EQS_OK) status = prepare_layers(m, present);
  if (status == EQS_OK) status = d->ops->finish(d);
  pthread_mutex_unlock(&m->lock);
  return status;
}
