/* mace_reader.c -- see mace_reader.h. Names and normalisations are e3nn 0.4's.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "potentials/mace_reader.h"

const torch_value *mace_find(const torch_value *from, const char *format, ...) {
  char name[NAME];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  return torch_get(from, name);
}

const torch_value *mace_modules(const torch_value *root, const char *name) {
  const torch_value *v = torch_get(root, name);
  return torch_value_kind(v) == TORCH_LIST ? v : torch_get(v, "_modules");
}

/* A tensor as a new array of double; n = its number of elements. */
eqs_status mace_read_array(const torch_value *v, const char *what, double **out, size_t *n) {
  *out = NULL;
  *n = torch_tensor_count(v);
  if (torch_tensor_rank(v) < 0) EQS_FAIL(EQS_ERR_FORMAT, "%s is missing", what);
  EQS_TRY(alloc_array(out, *n, sizeof **out, what));
  return torch_tensor_read(v, what, *out, *n);
}

eqs_status mace_read_number(const torch_value *from, const char *name, double *out) {
  return torch_to_double(torch_get(from, name), name, out);
}

int mace_flag(const torch_value *from, const char *name, int otherwise) {
  int out = otherwise;
  const torch_value *v = torch_get(from, name);
  if (torch_value_kind(v) == TORCH_NONE || torch_to_bool(v, name, &out) != EQS_OK) return otherwise;
  return out;
}

static eqs_status add_irrep(const char *what, int64_t mul, int64_t l, int64_t parity, irreps *to) {
  if (to->n == IRREPS_MAX) EQS_FAIL(EQS_ERR_FORMAT, "%s: more than %d irreps", what, IRREPS_MAX);
  if (mul < 1 || mul > 4096 || l < 0 || l > L_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: irrep %lldx%lld (l up to %d, up to 4096 channels)", what,
             (long long)mul, (long long)l, L_MAX);
  if (parity != (l % 2 ? -1 : 1))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: irreps of unnatural parity", what);
  to->block[to->n++] = (struct irrep_block){(int)mul, (int)l, 0};
  return EQS_OK;
}

/* "128x0e+128x1o", as a configuration in JSON has them. */
static eqs_status read_irreps_text(const torch_value *v, const char *what, irreps *out) {
  const char *at;
  int mul, l;
  char parity;
  EQS_TRY(torch_to_string(v, what, &at));
  while (*at) {
    if (!irreps_term(&at, &mul, &l, &parity) || (parity != 'e' && parity != 'o'))
      EQS_FAIL(EQS_ERR_FORMAT, "%s: '%.60s' are no irreps", what, at);
    EQS_TRY(add_irrep(what, mul, l, parity == 'o' ? -1 : 1, out));
  }
  return EQS_OK;
}

/* e3nn Irreps ((mul, (l, parity)), ...), natural parity, at most L_MAX. */
eqs_status mace_read_irreps(const torch_value *v, const char *what, irreps *out) {
  size_t n = torch_length(v);
  out->n = 0;
  if (torch_value_kind(v) == TORCH_STRING) return read_irreps_text(v, what, out);
  if (torch_value_kind(v) != TORCH_OBJECT || !torch_is_class(v, "Irreps"))
    EQS_FAIL(EQS_ERR_FORMAT, "%s: no irreps", what);
  for (size_t i = 0; i < n; i++) {
    const torch_value *term = torch_item(v, i), *ir = torch_item(term, 1);
    int64_t mul, l, parity;
    EQS_TRY(torch_to_int(torch_item(term, 0), what, &mul));
    EQS_TRY(torch_to_int(torch_item(ir, 0), what, &l));
    EQS_TRY(torch_to_int(torch_item(ir, 1), what, &parity));
    EQS_TRY(add_irrep(what, mul, l, parity, out));
  }
  return EQS_OK;
}

/* Irreps with one block per l. */
eqs_status mace_read_layout(const torch_value *v, const char *what, layout *out) {
  irreps ir;
  int mul[N_L] = {0};
  EQS_TRY(mace_read_irreps(v, what, &ir));
  for (int i = 0; i < ir.n; i++) {
    if (mul[ir.block[i].l] || (i && ir.block[i].l < ir.block[i - 1].l))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: irreps that are not one block per l in order", what);
    mul[ir.block[i].l] = ir.block[i].mul;
  }
  *out = layout_make(mul);
  return EQS_OK;
}

eqs_status mace_read_flat(const torch_value *v, const char *what, double **out, size_t *n) {
  *out = NULL;
  if (torch_value_kind(v) == TORCH_NONE) EQS_FAIL(EQS_ERR_FORMAT, "%s is missing", what);
  if (strncmp(torch_class(v), "e3nn.", 5))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "%s is a '%s'; only e3nn's layout is supported (convert models "
             "made for cuEquivariance back to e3nn)",
             what, torch_class(v));
  if (torch_tensor_count(torch_get(v, "bias")))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s has a bias", what);
  if (torch_tensor_rank(torch_get(v, "weight")) < 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s.weight is missing", what);
  return mace_read_array(torch_get(v, "weight"), what, out, n);
}

eqs_status mace_read_linear(const mace_reader *r, const torch_value *v, const char *what,
                            const irreps *from, const layout *in, const layout *out, double factor,
                            linear_map *map) {
  double *w;
  size_t n;
  eqs_status status = mace_read_flat(v, what, &w, &n);
  if (status == EQS_OK)
    status = linear_map_build(map, r->k, from, in, out, w, n, 1, 0, 0, factor, what);
  free(w);
  return status;
}

eqs_status mace_check_function(const torch_value *f, const char *wanted, const char *what) {
  const char *name = torch_class(f), *last = strrchr(name, '.');
  if (strcasecmp(last ? last + 1 : name, wanted) != 0)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: activation '%s' (only %s)", what, name, wanted);
  return EQS_OK;
}

eqs_status mace_read_activation(const torch_value *act, const char *wanted, const char *what,
                                double *out) {
  EQS_TRY(mace_check_function(torch_get(act, "f"), wanted, what));
  *out = 1;
  if (mace_flag(act, "_is_id", 0)) return EQS_OK;
  return torch_to_double(torch_get(act, "cst"), what, out);
}
