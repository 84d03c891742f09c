/* committee.c -- see committee.h. A member is one more linear readout of every block of features,
 * by the kernel that makes energies of features; sums over atoms are the engine's, in double.
 * SPDX-License-Identifier: MIT */
#include "potentials/committee.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/upload.h"

static const char weights[] = "committee.weight", limits[] = "committee.limit";

/* The shape of committee.weight, which fits the blocks. */
static eqs_status check_shape(const torch_value *v, int n_block, const layout *const *block,
                              int *n) {
  int64_t features = 0;
  const int64_t *shape = torch_tensor_shape(v);
  for (int b = 0; b < n_block; b++) features += block[b]->mul[0];
  if (torch_tensor_rank(v) != 2)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is no tensor of two dimensions [members][features]", weights);
  if (shape[0] < 1 || shape[0] > COMMITTEE_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has %lld members (1 to %d)", weights, (long long)shape[0],
             COMMITTEE_MAX);
  if (shape[1] != features)
    EQS_FAIL(EQS_ERR_FORMAT,
             "%s has %lld columns, but the readouts read %lld scalars: it belongs to another model",
             weights, (long long)shape[1], (long long)features);
  *n = (int)shape[0];
  return EQS_OK;
}

static eqs_status read_finite(const torch_value *v, const char *what, size_t n, double **out) {
  EQS_TRY(alloc_array(out, n, sizeof **out, what));
  eqs_status status = torch_tensor_read(v, what, *out, n);
  for (size_t i = 0; i < n && status == EQS_OK; i++)
    if (!isfinite((*out)[i]))
      status = status_fail(EQS_ERR_FORMAT, "%s: element %zu is not finite", what, i);
  return status;
}

/* Columns from .. of all members as padded rows. */
static eqs_status upload_block(const kernel_ops *k, const double *w, int n, size_t features,
                               size_t from, const layout *a, void **out) {
  double *rows;
  size_t pitch = (size_t)a->pitch[0], mul = (size_t)a->mul[0];
  EQS_TRY(alloc_array(&rows, mul_size((size_t)n, pitch), sizeof *rows, weights));
  for (size_t m = 0; m < (size_t)n; m++)
    for (size_t j = 0; j < mul; j++) /* load time */
      rows[m * pitch + j] = w[m * features + from + j];
  eqs_status status = upload_reals(k, rows, (size_t)n * pitch, weights, out);
  free(rows);
  return status;
}

/* From the order of atomic numbers to that of species. */
static eqs_status read_limits(const torch_value *v, int n, const int *element, double **out) {
  double *sorted = NULL;
  eqs_status status;
  EQS_TRY_DONE(read_finite(v, limits, (size_t)n, &sorted));
  EQS_TRY_DONE(alloc_array(out, (size_t)n, sizeof **out, limits));
  for (int s = 0; s < n; s++) {
    int place = 0;
    for (int i = 0; i < n; i++) place += element[i] < element[s];
    (*out)[s] = sorted[place];
    if (sorted[place] < 0)
      EQS_TRY_DONE(status_fail(EQS_ERR_FORMAT, "%s: element %d is negative", limits, place));
  }
done:
  free(sorted);
  return status;
}

eqs_status committee_read(const torch_value *from, const kernel_ops *k, int n_block,
                          const layout *const *block, int n_element, const int *element,
                          committee *out) {
  const torch_value *v = torch_get(from, weights), *limit = torch_get(from, limits);
  double *w = NULL;
  size_t features = 0, at = 0;
  int n;
  eqs_status status;
  if (!v && !limit) return EQS_OK;
  if (!v || !limit)
    EQS_FAIL(EQS_ERR_FORMAT, "%s without %s: a committee has both", v ? weights : limits,
             v ? limits : weights);
  if (n_block > COMMITTEE_BLOCKS)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "a committee of %d layers (at most %d)", n_block,
             COMMITTEE_BLOCKS);
  EQS_TRY(check_shape(v, n_block, block, &n));
  for (int b = 0; b < n_block; b++) features += (size_t)block[b]->mul[0];
  EQS_TRY_DONE(read_finite(v, weights, mul_size((size_t)n, features), &w));
  EQS_TRY_DONE(read_limits(limit, n_element, element, &out->limit));
  for (int b = 0; b < n_block; b++) {
    out->width[b] = block[b]->pitch[0];
    EQS_TRY_DONE(upload_block(k, w, n, features, at, block[b], &out->weight[b]));
    at += (size_t)block[b]->mul[0];
  }
  out->n = n;
done:
  free(w);
  return status;
}

void committee_free(committee *c, const kernel_ops *k) {
  for (int b = 0; b < COMMITTEE_BLOCKS; b++) device_give(k->device, &c->weight[b]);
  free(c->limit);
  c->limit = NULL;
}

void committee_begin(const committee *c, const kernel_ops *k, int n_atom, double *de) {
  if (!de) return;
  k->device->ops->zero(k->device, de, (size_t)c->n * (size_t)n_atom * sizeof *de);
}

void committee_add(const committee *c, const kernel_ops *k, int block, const layout *a, int begin,
                   int n, const void *x, int n_atom, double *de) {
  size_t row = (size_t)c->width[block] * k->real_size;
  for (int m = 0; de && m < c->n; m++) {
    dot_args d = {.n = n,
                  .width = c->width[block],
                  .x = x,
                  .stride = a->size,
                  .w = (const char *)c->weight[block] + (size_t)m * row,
                  .energy = de + (size_t)m * (size_t)n_atom + begin};
    k->dot_forward(&d);
  }
}

double committee_spread(const committee *c, const double *de, int n_atom, int i) {
  double sum = 0;
  for (int m = 0; m < c->n; m++) {
    double x = de[(size_t)m * (size_t)n_atom + (size_t)i];
    sum += x * x;
  }
  return sqrt(sum / c->n);
}
