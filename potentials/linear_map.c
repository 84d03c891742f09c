/* linear_map.c -- unpacks e3nn's flat weight vectors into one padded matrix per l (and its
 * transpose for the reverse pass), and applies them.
 * SPDX-License-Identifier: MIT */
#include "potentials/linear_map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/upload.h"

layout layout_make(const int mul[N_L]) {
  layout a = {.size = 0};
  for (int l = 0; l < N_L; l++) {
    a.mul[l] = mul[l];
    a.pitch[l] = kernel_padded(mul[l]);
    a.offset[l] = a.size;
    a.size += (2 * l + 1) * a.pitch[l];
  }
  a.size = kernel_row(a.size, a.pitch[0]);
  return a;
}

int layout_columns(const layout *a) {
  int n = 0;
  for (int l = 0; l < N_L; l++) n += (2 * l + 1) * a->pitch[l];
  return n;
}

int irreps_term(const char **at, int *mul, int *l, char *parity) {
  int n = 0;
  if (sscanf(*at, " %7dx%1d%c%n", mul, l, parity, &n) != 3 || !n) return 0;
  const char *s = *at + n + strspn(*at + n, " ");
  if (*s == '+') {
    s += 1 + strspn(s + 1, " ");
    if (!*s) return 0;
  } else if (*s) {
    return 0;
  }
  *at = s;
  return 1;
}

irreps irreps_of(const layout *a) {
  irreps r = {.n = 0};
  for (int l = 0; l < N_L; l++)
    if (a->mul[l]) r.block[r.n++] = (struct irrep_block){a->mul[l], l, 0};
  return r;
}

/* The padded matrix of one l, [in.pitch][out.pitch]; *at walks the flat weights of this l. */
static void fill_matrix(double *w, const irreps *from, const layout *out, int l,
                        const double *weight, int n_species, int species, double scale) {
  size_t columns = (size_t)out->pitch[l], at = 0;
  for (int b = 0; b < from->n; b++) {
    size_t mul_in = (size_t)from->block[b].mul;
    size_t mul_out = (size_t)out->mul[from->block[b].l];
    if (from->block[b].l == l)
      for (size_t u = 0; u < mul_in; u++) {
        const double *row = weight + at + (u * (size_t)n_species + (size_t)species) * mul_out;
        double *to = w + ((size_t)from->block[b].column + u) * columns;
        for (size_t v = 0; v < mul_out; v++) to[v] = scale * row[v];
      }
    at += mul_in * (size_t)n_species * mul_out;
  }
}

eqs_status linear_map_build(linear_map *map, const kernel_ops *k, const irreps *from,
                            const layout *in, const layout *out, const double *weight, size_t n,
                            int n_species, int species, int extra_fan, double factor,
                            const char *what) {
  *map = (linear_map){.k = k, .in = *in, .out = *out};
  size_t expected = 0;
  int fan[N_L] = {extra_fan, 0, 0, 0};
  for (int b = 0; b < from->n; b++) {
    int l = from->block[b].l;
    expected += (size_t)from->block[b].mul * (size_t)n_species * (size_t)out->mul[l];
    fan[l] += from->block[b].mul;
    if (from->block[b].column + from->block[b].mul > in->pitch[l])
      EQS_FAIL(EQS_ERR_FORMAT, "%s: input irreps do not fit the features", what);
  }
  if (n != expected)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: %zu weights, expected %zu from the irreps", what, n, expected);
  for (int l = 0; l < N_L; l++) {
    if (!in->mul[l] || !out->mul[l] || fan[l] == (l ? 0 : extra_fan)) continue;
    size_t rows = (size_t)in->pitch[l], columns = (size_t)out->pitch[l];
    double *w = NULL, *wt = NULL;
    eqs_status status = alloc_array(&w, rows * columns, sizeof *w, what);
    if (status == EQS_OK) status = alloc_array(&wt, rows * columns, sizeof *wt, what);
    if (status == EQS_OK) {
      double scale = factor / sqrt((double)fan[l] * n_species);
      fill_matrix(w, from, out, l, weight, n_species, species, scale);
      for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) wt[j * rows + i] = w[i * columns + j];
      status = upload_matrix(k, w, (int)rows, (int)columns, what, &map->forward[l]);
    }
    if (status == EQS_OK)
      status = upload_matrix(k, wt, (int)columns, (int)rows, what, &map->reverse[l]);
    free(w);
    free(wt);
    EQS_TRY(status);
  }
  return EQS_OK;
}

void linear_map_free(linear_map *map) {
  for (int l = 0; l < N_L && map->k; l++) {
    device_give(map->k->device, &map->forward[l]);
    device_give(map->k->device, &map->reverse[l]);
  }
}

static void *at(const kernel_ops *k, const void *p, size_t offset) {
  return (char *)(uintptr_t)p + offset * k->real_size;
}

static void zero_block(const kernel_ops *k, const layout *a, int l, int n, const int *row,
                       void *y) {
  row_args r = {.n = n,
                .width = (2 * l + 1) * a->pitch[l],
                .to = row,
                .y = at(k, y, (size_t)a->offset[l]),
                .y_stride = a->size};
  k->row_copy(&r);
}

static void apply(const kernel_ops *k, void *const *weight, const layout *in, const layout *out,
                  int n, const int *from, const void *x, const int *to, void *y, int accumulate) {
  for (int l = 0; l < N_L; l++) {
    if (!weight[l]) {
      if (out->mul[l] && !accumulate) zero_block(k, out, l, n, to, y);
      continue;
    }
    linear_args a = {.n_atom = n,
                     .in_atom = from,
                     .out_atom = to,
                     .n_m = 2 * l + 1,
                     .k = in->pitch[l],
                     .n = out->pitch[l],
                     .in = at(k, x, (size_t)in->offset[l]),
                     .out = at(k, y, (size_t)out->offset[l]),
                     .in_stride = in->size,
                     .in_pitch = in->pitch[l],
                     .out_stride = out->size,
                     .out_pitch = out->pitch[l],
                     .weight = weight[l],
                     .accumulate = accumulate};
    k->linear(&a);
  }
}

void linear_map_forward(const linear_map *map, int n, const int *from, const void *x, const int *to,
                        void *y, int accumulate) {
  apply(map->k, map->forward, &map->in, &map->out, n, from, x, to, y, accumulate);
}

void linear_map_reverse(const linear_map *map, int n, const int *to, const void *y_bar,
                        const int *from, void *x_bar, int accumulate) {
  apply(map->k, map->reverse, &map->out, &map->in, n, to, y_bar, from, x_bar, accumulate);
}
