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

#include "core/device.h"
#include "kernels/selected.h"

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

/* What is left to write of one output, and the pairs A_x A_y that its cubic monomials share. The
 * nesting is free, so it is chosen for few and long innermost loops: again and again the pair that
 * the most cubic monomials contain, then again and again the factor that the most pairs contain. */
typedef struct nesting {
  unsigned char cubic[A_MAX * A_MAX * A_MAX]; /* sorted dense index: still to be written */
  int n_pair;
  struct nested_pair {
    int x, y, n; /* x <= y; n third factors */
    int third[A_MAX];
    int written;
  } pair[A_MAX * (A_MAX + 1) / 2];
} nesting;

static int sorted_triple(int x, int y, int z, int d) {
  int m[CORRELATION_MAX] = {x, y, z};
  return sorted_index(m, 3, d);
}

static int count_thirds(const nesting *n, int x, int y, int d) {
  int count = 0;
  for (int z = 0; z < d; z++) count += n->cubic[sorted_triple(x, y, z, d)];
  return count;
}

static void take_pair(nesting *n, int x, int y, int d) {
  struct nested_pair *p = &n->pair[n->n_pair++];
  *p = (struct nested_pair){.x = x, .y = y};
  for (int z = 0; z < d; z++) {
    unsigned char *left = &n->cubic[sorted_triple(x, y, z, d)];
    if (*left) p->third[p->n++] = z;
    *left = 0;
  }
}

/* Pairs come in falling order of n: loops of one length follow each other, which the processor's
 * prediction of branches likes. */
static void choose_pairs(nesting *n, const folded f[CORRELATION_MAX], int d) {
  unsigned char taken[A_MAX * A_MAX] = {0};
  n->n_pair = 0;
  for (int i = 0; i < d * d * d; i++) n->cubic[i] = !is_zero(&f[2], i);
  for (;;) {
    int most = 0, best_x = 0, best_y = 0;
    for (int x = 0; x < d; x++)
      for (int y = x; y < d; y++) {
        /* twice the count; of equals one whose own quadratic monomial is wanted */
        int count = 2 * count_thirds(n, x, y, d);
        if (count && !is_zero(&f[1], x * d + y)) count++;
        if (count > most) most = count, best_x = x, best_y = y;
      }
    if (!most) break;
    take_pair(n, best_x, best_y, d);
    taken[best_x * d + best_y] = 1;
  }
  for (int x = 0; x < d; x++)
    for (int y = x; y < d; y++)
      if (!taken[x * d + y] && !is_zero(&f[1], x * d + y)) take_pair(n, x, y, d);
}

static eqs_status write_pair(writer *w, const folded f[CORRELATION_MAX], int l, int a,
                             const struct nested_pair *p) {
  int d = w->c->dimension;
  EQS_TRY(put_code(w, p->x == a ? p->y : p->x, NULL));
  EQS_TRY(put_code(w, p->n, NULL));
  EQS_TRY(put_monomial(w, &f[1], l, 2, p->x * d + p->y));
  for (int i = 0; i < p->n; i++) {
    EQS_TRY(put_code(w, p->third[i], NULL));
    EQS_TRY(put_monomial(w, &f[2], l, 3, sorted_triple(p->x, p->y, p->third[i], d)));
  }
  return EQS_OK;
}

/* The factor that the most unwritten pairs contain; -1 = none is left. */
static int next_factor(const nesting *n, int d) {
  int best = -1, most = 0;
  for (int a = 0; a < d; a++) {
    int count = 0;
    for (int i = 0; i < n->n_pair; i++) {
      const struct nested_pair *p = &n->pair[i];
      count += !p->written && (p->x == a || p->y == a);
    }
    if (count > most) most = count, best = a;
  }
  return best;
}

static eqs_status write_factor(writer *w, const folded f[CORRELATION_MAX], int l, int a,
                               nesting *n) {
  int where, n_b = 0;
  EQS_TRY(put_code(w, a, NULL));
  EQS_TRY(put_code(w, 0, &where));
  EQS_TRY(put_monomial(w, &f[0], l, 1, a));
  for (int i = 0; i < n->n_pair; i++) {
    struct nested_pair *p = &n->pair[i];
    if (p->written || (p->x != a && p->y != a)) continue;
    EQS_TRY(write_pair(w, f, l, a, p));
    p->written = 1;
    n_b++;
  }
  w->c->program[where] = n_b;
  return EQS_OK;
}

static eqs_status write_output(writer *w, const folded f[CORRELATION_MAX], int l, int row,
                               nesting *n) {
  int d = w->c->dimension, n_a = 0, where, a;
  unsigned char written[A_MAX] = {0};
  choose_pairs(n, f, d);
  EQS_TRY(put_code(w, w->c->out.offset[l] + row * w->c->out.pitch[l], NULL));
  EQS_TRY(put_code(w, 0, &where));
  while ((a = next_factor(n, d)) >= 0) {
    EQS_TRY(write_factor(w, f, l, a, n));
    written[a] = 1;
    n_a++;
  }
  for (a = 0; a < d; a++) {
    if (written[a] || is_zero(&f[0], a)) continue;
    EQS_TRY(write_factor(w, f, l, a, n));
    n_a++;
  }
  w->c->program[where] = n_a;
  return EQS_OK;
}

/* All monomials that symmetry allows, in their natural nesting, which a GPU unrolls. */
static eqs_status write_selected(writer *w, const folded f[CORRELATION_MAX], int l, int row) {
  int out = l * l + row, n_b;
  EQS_TRY(put_code(w, w->c->out.offset[l] + row * w->c->out.pitch[l], NULL));
  EQS_TRY(put_code(w, A_MAX, NULL));
  for (int a = 0; a < A_MAX; a++) {
    int where = 0;
    EQS_TRY(put_code(w, a, NULL));
    EQS_TRY(put_code(w, n_b = 0, &where));
    EQS_TRY(put_monomial(w, &f[0], l, 1, a));
    for (int b = a; b < A_MAX; b++) {
      struct nested_pair p = {.x = a, .y = b};
      for (int c = b; c < A_MAX; c++)
        if (selected_monomial(out, a, b, c)) p.third[p.n++] = c;
      if (!p.n && !selected_monomial(out, a, b, -1)) continue;
      EQS_TRY(write_pair(w, f, l, a, &p));
      n_b++;
    }
    w->c->program[where] = n_b;
  }
  return EQS_OK;
}

/* Whether no term of U is larger than rounding where symmetry forbids it. */
static int is_selected(const contraction_tensor *t, int l, int nu) {
  size_t dense = 1, paths = (size_t)t->n_path, rows = (size_t)(2 * l + 1);
  double most = 0;
  for (int i = 0; i < nu; i++) dense *= A_MAX;
  for (size_t i = 0; i < rows * dense * paths; i++) most = fmax(most, fabs(t->u[i]));
  for (size_t i = 0; i < rows * dense; i++) {
    int f[CORRELATION_MAX] = {-1, -1, -1};
    size_t rest = i % dense;
    for (int j = 0; j < nu; j++, rest /= A_MAX) f[j] = (int)(rest % A_MAX);
    if (selected_monomial(l * l + (int)(i / dense), f[0], f[1], f[2])) continue;
    for (size_t p = 0; p < paths; p++)
      if (fabs(t->u[i * paths + p]) > 1e-12 * most) return 0;
  }
  return 1;
}

static int can_be_selected(const contraction *c, int l_out,
                           contraction_tensor tensor[N_L][CORRELATION_MAX]) {
  int channels = c->k->selected_contractions;
  if (!channels || c->channels % channels || c->dimension != A_MAX) return 0;
  if ((l_out + 1) * (l_out + 1) > SELECTED_OUTPUTS) return 0;
  for (int l = 0; l <= l_out; l++)
    for (int nu = 1; nu <= CORRELATION_MAX; nu++)
      if (!is_selected(&tensor[l][nu - 1], l, nu)) return 0;
  return 1;
}

eqs_status contraction_build(contraction *c, const kernel_ops *k, int dimension, int mul, int l_out,
                             contraction_tensor tensor[N_L][CORRELATION_MAX]) {
  int muls[N_L] = {0};
  for (int l = 0; l <= l_out; l++) muls[l] = mul;
  *c = (contraction){.k = k, .dimension = dimension, .channels = kernel_padded(mul)};
  c->out = layout_make(muls);
  if (dimension > A_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "a contraction of %d components; at most %d are supported",
             dimension, A_MAX);
  writer w = {.c = c};
  nesting *n;
  c->selected = can_be_selected(c, l_out, tensor);
  EQS_TRY(alloc_array(&n, 1, sizeof *n, "contraction"));
  for (int l = 0; l <= l_out; l++)
    for (int row = 0; row < 2 * l + 1; row++) {
      folded f[CORRELATION_MAX] = {{0, NULL}};
      eqs_status status = EQS_OK;
      for (int nu = 1; nu <= CORRELATION_MAX && status == EQS_OK; nu++)
        status = fold(&tensor[l][nu - 1], row, nu, dimension, &f[nu - 1]);
      if (status == EQS_OK)
        status = c->selected ? write_selected(&w, f, l, row) : write_output(&w, f, l, row, n);
      for (int nu = 0; nu < CORRELATION_MAX; nu++) free(f[nu].value);
      if (status != EQS_OK) {
        free(n);
        return status;
      }
      c->n_output++;
    }
  free(n);
  return device_copy(k->device, c->program, (size_t)c->n_code, sizeof *c->program, "contraction",
                     &c->device_program);
}

void contraction_free(contraction *c) {
  if (c->k) device_give(c->k->device, &c->device_program);
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
  contraction_args p = {.n_atom = n_atom,
                        .atom = atom,
                        .channels = c->channels,
                        .n_a = c->dimension,
                        .n_output = c->n_output,
                        .n_monomial = c->n_monomial,
                        .selected = c->selected,
                        .program = c->device_program,
                        .coefficient = coefficient,
                        .a = a,
                        .a_stride = c->dimension * c->channels,
                        .b_stride = c->out.size};
  for (int i = 0; i < SELECTED_OUTPUTS && c->selected; i++) {
    int l = selected_l(i);
    p.row[i] = c->out.offset[l] + (i - l * l) * c->out.pitch[l];
  }
  return p;
}

void contraction_forward(const contraction *c, int n_atom, const int *atom, const void *coefficient,
                         const void *a, void *b) {
  contraction_args p = arguments(c, n_atom, atom, coefficient, a);
  p.b = b;
  c->k->contraction_forward(&p);
}

void contraction_reverse(const contraction *c, int n_atom, const int *atom, const void *coefficient,
                         const void *a, const void *b_bar, void *a_bar) {
  contraction_args p = arguments(c, n_atom, atom, coefficient, a);
  p.b = (void *)(uintptr_t)b_bar;
  p.a_bar = a_bar;
  c->k->contraction_reverse(&p);
}
