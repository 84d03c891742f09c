/* contraction.c -- folds the file's U tensors to sorted monomials and writes the kernels' programs.
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

/* `times`: of a derivative, how often the monomial contains the factor. */
static eqs_status put_monomial(writer *w, const folded *f, int l, int nu, int at, int times) {
  contraction *c = w->c;
  EQS_TRY(grow(&c->first, &w->monomial_capacity, (size_t)c->n_monomial + 2, sizeof *c->first));
  c->first[c->n_monomial] = (int)w->n_term;
  for (int p = 0; p < f->n_path; p++) {
    double v = f->value[(size_t)at * (size_t)f->n_path + (size_t)p];
    if (v == 0) continue;
    EQS_TRY(grow(&c->term, &w->term_capacity, w->n_term + 1, sizeof *c->term));
    c->term[w->n_term++] = (struct contraction_term){l, nu - 1, p, v * times};
  }
  c->first[++c->n_monomial] = (int)w->n_term;
  return EQS_OK;
}

/* A pair of factors and the third ones: in an output A_x A_y sum_z A_z, in the derivative by A_x
 * A_y sum_z A_z. */
typedef struct nested_pair {
  int x, y, n;
  int third[A_MAX];
  int written;
} nested_pair;

/* What is left to write of one output, and the pairs that its cubic monomials share. The nesting is
 * free, so it is chosen for few and long innermost loops: again and again the pair that the most
 * cubic monomials contain, then again and again the factor that the most pairs contain. */
typedef struct nesting {
  unsigned char cubic[A_MAX * A_MAX * A_MAX]; /* sorted dense index: still to be written */
  int n_pair;
  nested_pair pair[A_MAX * (A_MAX + 1) / 2];
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
  nested_pair *p = &n->pair[n->n_pair++];
  *p = (nested_pair){.x = x, .y = y};
  for (int z = 0; z < d; z++) {
    unsigned char *left = &n->cubic[sorted_triple(x, y, z, d)];
    if (*left) p->third[p->n++] = z;
    *left = 0;
  }
}

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

/* How often a derivative by A_x takes the monomial; once in an output. */
static int times(const nested_pair *p, int derivative, int third) {
  return derivative ? 1 + (p->x == p->y) + (p->x == third) : 1;
}

static int quadratic_index(const nested_pair *p, int d) {
  const int pair[2] = {p->x, p->y};
  return sorted_index(pair, 2, d);
}

static eqs_status put_quadratic(writer *w, const folded f[CORRELATION_MAX], int l,
                                const nested_pair *p, int derivative) {
  return put_monomial(w, &f[1], l, 2, quadratic_index(p, w->c->dimension),
                      times(p, derivative, -1));
}

static eqs_status put_cubic(writer *w, const folded f[CORRELATION_MAX], int l, const nested_pair *p,
                            int derivative, int i) {
  return put_monomial(w, &f[2], l, 3, sorted_triple(p->x, p->y, p->third[i], w->c->dimension),
                      times(p, derivative, p->third[i]));
}

/* In a device's program; b is the factor that no loop outside has. */
static eqs_status write_pair(writer *w, const folded f[CORRELATION_MAX], int l, int b,
                             const nested_pair *p) {
  EQS_TRY(put_code(w, b, NULL));
  EQS_TRY(put_code(w, p->n, NULL));
  EQS_TRY(put_quadratic(w, f, l, p, 0));
  for (int i = 0; i < p->n; i++) {
    EQS_TRY(put_code(w, p->third[i], NULL));
    EQS_TRY(put_cubic(w, f, l, p, 0, i));
  }
  return EQS_OK;
}

static int has_quadratic(const folded f[CORRELATION_MAX], const nested_pair *p, int d) {
  return !is_zero(&f[1], quadratic_index(p, d));
}

static int beside(const nested_pair *p, int a) { return p->x == a ? p->y : p->x; }

enum { RUN_THIRDS = 3, RUN_KIND_MAX = 2 * RUN_THIRDS + 1, RUN_PAIRS = A_MAX * A_MAX };

/* A pair's part in a run of the host's: third factors from `first` on, RUN_THIRDS at most. */
typedef struct pair_part {
  const nested_pair *pair;
  int first, n, quadratic;
} pair_part;

/* See contraction_args. */
static int run_kind(const pair_part *p) { return 2 * p->n + p->quadratic; }

static int split_pairs(const folded f[CORRELATION_MAX], int d, const nested_pair *const *pair,
                       int n, pair_part *out) {
  int n_part = 0;
  for (int i = 0; i < n; i++) {
    int first = 0;
    do {
      int left = pair[i]->n - first, some = left < RUN_THIRDS ? left : RUN_THIRDS;
      out[n_part++] = (pair_part){pair[i], first, some, !first && has_quadratic(f, pair[i], d)};
      first += some;
    } while (first < pair[i]->n);
  }
  return n_part;
}

static eqs_status write_part(writer *w, const folded f[CORRELATION_MAX], int l, int a,
                             const pair_part *p, int derivative) {
  unsigned packed = (unsigned)beside(p->pair, a);
  if (p->quadratic) EQS_TRY(put_quadratic(w, f, l, p->pair, derivative));
  for (int i = 0; i < p->n; i++) {
    packed |= (unsigned)p->pair->third[p->first + i] << 8 * (i + 1);
    EQS_TRY(put_cubic(w, f, l, p->pair, derivative, p->first + i));
  }
  return put_code(w, (int)packed, NULL);
}

/* The pairs of factor a, or of the derivative by A_a. */
static eqs_status write_pairs(writer *w, const folded f[CORRELATION_MAX], int l, int a,
                              const nested_pair *const *pair, int n, int derivative) {
  pair_part part[RUN_PAIRS];
  if (!device_is_host(w->c->k->device)) {
    EQS_TRY(put_code(w, n, NULL));
    for (int i = 0; i < n; i++) EQS_TRY(write_pair(w, f, l, beside(pair[i], a), pair[i]));
    return EQS_OK;
  }
  n = split_pairs(f, w->c->dimension, pair, n, part);
  for (int kind = RUN_KIND_MAX; kind > 0; kind--) {
    int n_same = 0;
    for (int i = 0; i < n; i++) n_same += run_kind(part + i) == kind;
    if (!n_same) continue;
    EQS_TRY(put_code(w, kind, NULL));
    EQS_TRY(put_code(w, n_same, NULL));
    for (int i = 0; i < n; i++)
      if (run_kind(part + i) == kind) EQS_TRY(write_part(w, f, l, a, part + i, derivative));
  }
  return put_code(w, 0, NULL);
}

/* The factor that the most unwritten pairs contain; -1 = none is left. */
static int next_factor(const nesting *n, int d) {
  int best = -1, most = 0;
  for (int a = 0; a < d; a++) {
    int count = 0;
    for (int i = 0; i < n->n_pair; i++) {
      const nested_pair *p = &n->pair[i];
      count += !p->written && (p->x == a || p->y == a);
    }
    if (count > most) most = count, best = a;
  }
  return best;
}

static eqs_status write_factor(writer *w, const folded f[CORRELATION_MAX], int l, int a,
                               nesting *n) {
  const nested_pair *mine[A_MAX];
  int n_mine = 0;
  EQS_TRY(put_code(w, a, NULL));
  EQS_TRY(put_monomial(w, &f[0], l, 1, a, 1));
  for (int i = 0; i < n->n_pair; i++) {
    nested_pair *p = &n->pair[i];
    if (p->written || (p->x != a && p->y != a)) continue;
    mine[n_mine++] = p;
    p->written = 1;
  }
  return write_pairs(w, f, l, a, mine, n_mine, 0);
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
  if (!n_a) EQS_TRY(write_factor(w, f, l, 0, n)); /* of no monomial: zero times a factor */
  w->c->program[where] = n_a ? n_a : 1;
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
    EQS_TRY(put_monomial(w, &f[0], l, 1, a, 1));
    for (int b = a; b < A_MAX; b++) {
      nested_pair p = {.x = a, .y = b};
      for (int c = b; c < A_MAX; c++)
        if (selected_monomial(out, a, b, c)) p.third[p.n++] = c;
      if (!p.n && !selected_monomial(out, a, b, -1)) continue;
      EQS_TRY(write_pair(w, f, l, b, &p));
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

/* ------------------------------------------------------------------------------- derivatives */

/* What is known of an output: its order, its row and its folded tensors. */
typedef struct output {
  int l, row;
  folded f[CORRELATION_MAX];
} output;

/* The derivative of an output by A_m, nested like the outputs: again and again the factor that the
 * most of the remaining monomials contain. */
static int derivative_pairs(const output *o, int d, int m, nested_pair *pair) {
  unsigned char left[A_MAX][A_MAX], quadratic[A_MAX];
  int n_pair = 0;
  for (int b = 0; b < d; b++) {
    quadratic[b] = (unsigned char)has_quadratic(o->f, &(nested_pair){.x = m, .y = b}, d);
    for (int c = 0; c <= b; c++)
      left[b][c] = left[c][b] = !is_zero(&o->f[2], sorted_triple(m, b, c, d));
  }
  for (;; n_pair++) {
    nested_pair *p = pair + n_pair;
    int most = 0;
    for (int b = 0; b < d; b++) {
      int count = quadratic[b];
      for (int c = 0; c < d; c++) count += 2 * left[b][c];
      if (count > most) most = count, *p = (nested_pair){.x = m, .y = b};
    }
    if (!most) return n_pair;
    quadratic[p->y] = 0;
    for (int c = 0; c < d; c++) {
      if (left[p->y][c]) p->third[p->n++] = c;
      left[p->y][c] = left[c][p->y] = 0;
    }
  }
}

static eqs_status write_reverse(writer *w, const output *o) {
  contraction *c = w->c;
  c->reverse = c->n_code;
  for (int i = 0; i < c->n_output; i++)
    EQS_TRY(put_code(w, c->out.offset[o[i].l] + o[i].row * c->out.pitch[o[i].l], NULL));
  for (int m = 0; m < c->dimension; m++) {
    EQS_TRY(put_code(w, m * c->channels, NULL));
    EQS_TRY(put_code(w, c->n_output, NULL));
    for (int i = 0; i < c->n_output; i++) {
      nested_pair pair[A_MAX + 1];
      const nested_pair *all[A_MAX];
      const int n = derivative_pairs(o + i, c->dimension, m, pair);
      for (int k = 0; k < n; k++) all[k] = pair + k;
      EQS_TRY(put_code(w, c->dimension + i, NULL));
      EQS_TRY(put_monomial(w, &o[i].f[0], o[i].l, 1, m, 1));
      EQS_TRY(write_pairs(w, o[i].f, o[i].l, m, all, n, 1));
    }
  }
  return EQS_OK;
}

/* -------------------------------------------------------------------------------------- build */

static eqs_status write_programs(writer *w, const output *o) {
  contraction *c = w->c;
  eqs_status status = EQS_OK;
  nesting *n;
  EQS_TRY(alloc_array(&n, 1, sizeof *n, "contraction"));
  for (int i = 0; i < c->n_output && status == EQS_OK; i++)
    status = c->selected ? write_selected(w, o[i].f, o[i].l, o[i].row)
                         : write_output(w, o[i].f, o[i].l, o[i].row, n);
  free(n);
  c->n_forward = c->n_monomial;
  if (status == EQS_OK && device_is_host(c->k->device)) status = write_reverse(w, o);
  return status;
}

eqs_status contraction_build(contraction *c, const kernel_ops *k, int dimension, int mul, int l_out,
                             contraction_tensor tensor[N_L][CORRELATION_MAX]) {
  int muls[N_L] = {0};
  output o[A_MAX] = {{.l = 0}};
  eqs_status status = EQS_OK;
  for (int l = 0; l <= l_out; l++) muls[l] = mul;
  *c = (contraction){.k = k, .dimension = dimension, .channels = kernel_padded(mul)};
  c->out = layout_make(muls);
  if (dimension > A_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "a contraction of %d components; at most %d are supported",
             dimension, A_MAX);
  writer w = {.c = c};
  c->selected = can_be_selected(c, l_out, tensor);
  for (int l = 0; l <= l_out; l++)
    for (int row = 0; row < 2 * l + 1; row++, c->n_output++) {
      o[c->n_output].l = l, o[c->n_output].row = row;
      for (int nu = 1; nu <= CORRELATION_MAX && status == EQS_OK; nu++)
        status = fold(&tensor[l][nu - 1], row, nu, dimension, &o[c->n_output].f[nu - 1]);
    }
  if (status == EQS_OK) status = write_programs(&w, o);
  for (int i = 0; i < c->n_output; i++)
    for (int nu = 0; nu < CORRELATION_MAX; nu++) free(o[i].f[nu].value);
  EQS_TRY(status);
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
                        .n_forward = c->n_forward,
                        .selected = c->selected,
                        .program = c->device_program,
                        .reverse = c->device_program + c->reverse,
                        .coefficient = coefficient,
                        .a = a,
                        .a_stride = kernel_row(c->dimension * c->channels, c->channels),
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
