/* contraction.c -- folds the file's U tensors to sorted monomials and writes the kernels' program.
 *
 * U is not symmetric in its indices, but only its symmetric part matters: all orderings of
 * (m1, m2, m3) are added into the sorted monomial. Whatever basis the file was built with
 * (reduced or not), the result is the same polynomial.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/contraction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Folded tensor of one order: value[sorted index][path], sorted index = dense index of the sorted
 * tuple, and the largest |value|. */
typedef struct folded {
  int n_path;
  double *value;
} folded;

static int sorted_index(const int *m, int nu, int d) {
  int s[CORRELATION_MAX] = {0};
  for (int i = 0; i < nu; i++) s[i] = m[i];
  for (int i = 1; i < nu; i++)
    for (int j = i; j > 0 && s[j - 1] > s[j]; j--) {
      int swap = s[j];
      s[j] = s[j - 1];
      s[j - 1] = swap;
    }
  int at = 0;
  for (int i = 0; i < nu; i++) at = at * d + s[i];
  return at;
}

static eqs_status fold(const contraction_tensor *t, int row, int nu, int d, folded *f) {
  size_t dense = 1, paths = (size_t)t->n_path;
  for (int i = 0; i < nu; i++) dense *= (size_t)d;
  f->n_path = t->n_path;
  EQS_TRY(alloc_array(&f->value, dense * (paths ? paths : 1), sizeof *f->value, "contraction"));
  double most = 0;
  for (size_t i = 0; i < dense && paths; i++) {
    int m[CORRELATION_MAX];
    size_t rest = i;
    for (int j = nu - 1; j >= 0; j--) {
      m[j] = (int)(rest % (size_t)d);
      rest /= (size_t)d;
    }
    double *to = f->value + (size_t)sorted_index(m, nu, d) * paths;
    const double *from = t->u + ((size_t)row * dense + i) * paths;
    for (size_t p = 0; p < paths; p++) {
      to[p] += from[p];
      most = fmax(most, fabs(from[p]));
    }
  }
  for (size_t i = 0; i < dense * paths; i++) /* what cancels in the sum over orderings */
    if (fabs(f->value[i]) < 1e-13 * most) f->value[i] = 0;
  return EQS_OK;
}

static int is_zero(const folded *f, int at) {
  for (int p = 0; p < f->n_path; p++)
    if (f->value[(size_t)at * (size_t)f->n_path + (size_t)p] != 0) return 0;
  return 1;
}

/* Growing lists of the program and of the monomials' terms. */
typedef struct writer {
  contraction *c;
  size_t code_capacity, monomial_capacity, term_capacity, n_term;
} writer;

static eqs_status grow(void *list, size_t *capacity, size_t need, size_t size) {
  if (need <= *capacity) return EQS_OK;
  size_t more = 2 * need + 256;
  void *old, *p;
  memcpy(&old, list, sizeof old);
  p = realloc(old, mul_size(more, size));
  if (!p) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: contraction program");
  memcpy(list, &p, sizeof p);
  *capacity = more;
  return EQS_OK;
}

static eqs_status put_code(writer *w, int value, int *where) {
  contraction *c = w->c;
  EQS_TRY(grow(&c->program, &w->code_capacity, (size_t)c->n_code + 1, sizeof *c->program));
  if (where) *where = c->n_code;
  c->program[c->n_code++] = value;
  return EQS_OK;
}

static eqs_status put_monomial(writer *w, const folded *f, int l, int nu, int at) {
  contraction *c = w->c;
  EQS_TRY(grow(&c->first, &w->monomial_capacity, (size_t)c->n_monomial + 2, sizeof *c->first));
  c->first[c->n_monomial] = (int)w->n_term;
  for (int p = 0; p < f->n_path; p++) {
    double v = f->value[(size_t)at * (size_t)f->n_path + (size_t)p];
    if (v == 0) continue;
    EQS_TRY(grow(&c->term, &w->term_capacity, w->n_term + 1, sizeof *c->term));
    c->term[w->n_term++] = (struct contraction_term){l, nu - 1, p, v};
  }
  c->first[++c->n_monomial] = (int)w->n_term;
  return EQS_OK;
}

/* Everything below A_a A_b; *wanted = 0 if it is all zero and nothing was written. */
static eqs_status write_pair(writer *w, const folded f[CORRELATION_MAX], int l, int a, int b,
                             int *wanted) {
  int d = w->c->dimension, ab = a * d + b, count = 0, where;
  for (int e = b; e < d; e++) count += !is_zero(&f[2], ab * d + e);
  *wanted = count || !is_zero(&f[1], ab);
  if (!*wanted) return EQS_OK;
  EQS_TRY(put_code(w, b, NULL));
  EQS_TRY(put_code(w, count, &where));
  EQS_TRY(put_monomial(w, &f[1], l, 2, ab));
  for (int e = b; e < d; e++) {
    if (is_zero(&f[2], ab * d + e)) continue;
    EQS_TRY(put_code(w, e, NULL));
    EQS_TRY(put_monomial(w, &f[2], l, 3, ab * d + e));
  }
  return EQS_OK;
}

static eqs_status write_output(writer *w, const folded f[CORRELATION_MAX], int l, int row) {
  int d = w->c->dimension, n_a = 0, where;
  EQS_TRY(put_code(w, w->c->out.offset[l] + row * w->c->out.pitch[l], NULL));
  EQS_TRY(put_code(w, 0, &where));
  for (int a = 0; a < d; a++) {
    int code = w->c->n_code, monomial = w->c->n_monomial, n_b = 0, where_b;
    size_t n_term = w->n_term;
    EQS_TRY(put_code(w, a, NULL));
    EQS_TRY(put_code(w, 0, &where_b));
    EQS_TRY(put_monomial(w, &f[0], l, 1, a));
    for (int b = a; b < d; b++) {
      int wanted;
      EQS_TRY(write_pair(w, f, l, a, b, &wanted));
      n_b += wanted;
    }
    if (!n_b && is_zero(&f[0], a)) { /* nothing begins with A_a: take it back */
      w->c->n_code = code;
      w->c->n_monomial = monomial;
      w->n_term = n_term;
      continue;
    }
    w->c->program[where_b] = n_b;
    n_a++;
  }
  w->c->program[where] = n_a;
  return EQS_OK;
}

eqs_status contraction_build(contraction *c, int dimension, int mul, int l_out,
                             contraction_tensor tensor[N_L][CORRELATION_MAX]) {
  int muls[N_L] = {0};
  for (int l = 0; l <= l_out; l++) muls[l] = mul;
  *c = (contraction){.dimension = dimension, .channels = kernel_padded(mul)};
  c->out = layout_make(muls);
  writer w = {.c = c};
  for (int l = 0; l <= l_out; l++)
    for (int row = 0; row < 2 * l + 1; row++) {
      folded f[CORRELATION_MAX] = {{0, NULL}};
      eqs_status status = EQS_OK;
      for (int nu = 1; nu <= CORRELATION_MAX && status == EQS_OK; nu++)
        status = fold(&tensor[l][nu - 1], row, nu, dimension, &f[nu - 1]);
      if (status == EQS_OK) status = write_output(&w, f, l, row);
      for (int nu = 0; nu < CORRELATION_MAX; nu++) free(f[nu].value);
      EQS_TRY(status);
      c->n_output++;
    }
  return EQS_OK;
}

void contraction_free(contraction *c) {
  free(c->program);
  free(c->first);
  free(c->term);
  *c = (contraction){.dimension = 0};
}

eqs_status contraction_coefficients(const contraction *c, int mul,
                                    const double *weight[N_L][CORRELATION_MAX], double **out) {
  size_t columns = (size_t)c->channels;
  EQS_TRY(alloc_array(out, (size_t)c->n_monomial * columns, sizeof **out, "contraction weights"));
  for (int i = 0; i < c->n_monomial; i++)
    for (int t = c->first[i]; t < c->first[i + 1]; t++) {
      const struct contraction_term *term = c->term + t;
      const double *w = weight[term->l][term->nu] + (size_t)term->path * (size_t)mul;
      double *to = *out + (size_t)i * columns;
      for (size_t u = 0; u < (size_t)mul; u++) to[u] += term->value * w[u]; /* load time */
    }
  return EQS_OK;
}

static contraction_args arguments(const contraction *c, int n_atom, const int *atom,
                                  const void *coefficient, const void *a) {
  return (contraction_args){.n_atom = n_atom,
                            .atom = atom,
                            .channels = c->channels,
                            .n_a = c->dimension,
                            .n_output = c->n_output,
                            .program = c->program,
                            .coefficient = coefficient,
                            .a = a,
                            .a_stride = c->dimension * c->channels,
                            .b_stride = c->out.size};
}

void contraction_forward(const contraction *c, const kernel_ops *k, int n_atom, const int *atom,
                         const void *coefficient, const void *a, void *b) {
  contraction_args p = arguments(c, n_atom, atom, coefficient, a);
  p.b = b;
  k->contraction_forward(&p);
}

void contraction_reverse(const contraction *c, const kernel_ops *k, int n_atom, const int *atom,
                         const void *coefficient, const void *a, const void *b_bar, void *a_bar) {
  contraction_args p = arguments(c, n_atom, atom, coefficient, a);
  p.b = (void *)(uintptr_t)b_bar;
  p.a_bar = a_bar;
  k->contraction_reverse(&p);
}
