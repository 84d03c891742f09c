/* test_contraction_program.c -- the program of all monomials that symmetry allows, which a GPU
 * unrolls, gives what the shortest program gives; and it is not taken for a tensor that breaks the
 * symmetry.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/selected.h"
#include "potentials/contraction.h"

/* So many channels that rows are padded. */
enum { MUL = 64, L_OUT = 1, PATHS = 2, ATOMS = 3, OUTPUT_ROWS = 4, ROW = A_MAX * MUL + 16 };

static double uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 4503599627370496.0 - 1;
}

typedef struct tensors {
  contraction_tensor t[N_L][CORRELATION_MAX];
  double *u[N_L][CORRELATION_MAX], *w[N_L][CORRELATION_MAX];
} tensors;

/* Random where symmetry allows it. */
static tensors make_tensors(uint64_t *seed) {
  tensors a = {.u = {{NULL}}};
  for (int l = 0; l <= L_OUT; l++)
    for (int nu = 1, dense = A_MAX; nu <= CORRELATION_MAX; nu++, dense *= A_MAX) {
      int n = (2 * l + 1) * dense;
      double *u = a.u[l][nu - 1] = calloc((size_t)(n * PATHS), sizeof *u);
      double *w = a.w[l][nu - 1] = calloc(PATHS * MUL, sizeof *w);
      cr_assert(u && w);
      for (int i = 0; i < n * PATHS; i++) {
        int f[3] = {-1, -1, -1}, rest = i / PATHS % dense;
        for (int j = 0; j < nu; j++, rest /= A_MAX) f[j] = rest % A_MAX;
        if (selected_monomial(l * l + i / PATHS / dense, f[0], f[1], f[2])) u[i] = uniform(seed);
      }
      for (int i = 0; i < PATHS * MUL; i++) w[i] = uniform(seed);
      a.t[l][nu - 1] = (contraction_tensor){PATHS, u};
    }
  return a;
}

static void free_tensors(tensors *a) {
  for (int l = 0; l <= L_OUT; l++)
    for (int nu = 0; nu < CORRELATION_MAX; nu++) free(a->u[l][nu]), free(a->w[l][nu]);
}

/* The polynomials that a device's program names, with the coefficients [monomial][MUL] in its
 * order. */
static void interpret(const contraction *c, const double *coefficient, const double *x, double *b) {
  const int *code = c->program;
  cr_assert_eq(kernel_row(A_MAX * MUL, MUL), ROW);
  for (int out = 0; out < c->n_output; out++) {
    const int row = *code++, n_a = *code++;
    for (int i = 0; i < ATOMS * MUL; i++) b[i / MUL * c->out.size + row + i % MUL] = 0;
    for (int ia = 0; ia < n_a; ia++) {
      int f[3] = {*code++, -1, -1}, n_b = *code++;
      for (int ib = -1; ib < n_b; ib++) {
        int n_c = 0;
        if (ib >= 0) f[1] = *code++, n_c = *code++;
        for (int ic = -1; ic < n_c; ic++, coefficient += MUL) {
          f[2] = ic < 0 ? -1 : *code++;
          for (int i = 0; i < ATOMS * MUL; i++) {
            double v = coefficient[i % MUL];
            for (int d = 0; d < 3 && f[d] >= 0; d++) v *= x[i / MUL * ROW + f[d] * MUL + i % MUL];
            b[i / MUL * c->out.size + row + i % MUL] += v;
          }
        }
      }
      f[1] = -1;
    }
  }
}

/* a_bar, unless NULL: the adjoint of x for b_bar. */
static void evaluate(const kernel_ops *k, tensors *a, int selected, const double *x, double *b,
                     const double *b_bar, double *a_bar) {
  static const int atom[ATOMS] = {2, 0, 1};
  contraction c;
  double *coefficient = NULL;
  const double *w[N_L][CORRELATION_MAX] = {{NULL}};
  for (int l = 0; l <= L_OUT; l++)
    for (int nu = 0; nu < CORRELATION_MAX; nu++) w[l][nu] = a->w[l][nu];
  cr_assert_eq(contraction_build(&c, k, A_MAX, MUL, L_OUT, a->t), EQS_OK, "%s", eqs_error());
  cr_assert_eq(c.selected, selected);
  cr_assert_eq(contraction_coefficients(&c, MUL, w, &coefficient), EQS_OK, "%s", eqs_error());
  double *packed = aligned_alloc(64, (size_t)(c.n_monomial * MUL) * sizeof *packed);
  cr_assert_not_null(packed);
  k->contraction_pack(coefficient, c.n_monomial, MUL, packed);
  if (selected) interpret(&c, coefficient, x, b);
  else contraction_forward(&c, ATOMS, atom, packed, x, b);
  if (a_bar) contraction_reverse(&c, ATOMS, atom, packed, x, b_bar, a_bar);
  free(packed), free(coefficient);
  contraction_free(&c);
}

Test(contraction_program, selected_is_the_shortest_in_another_order) {
  uint64_t seed = 31;
  kernel_ops plain = *kernels_host(1), wants = plain;
  wants.selected_contractions = MUL;
  tensors a = make_tensors(&seed);
  _Alignas(64) static double x[ATOMS * ROW];
  _Alignas(64) static double b[3][ATOMS * OUTPUT_ROWS * MUL];
  for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = uniform(&seed);
  evaluate(&plain, &a, 0, x, b[0], NULL, NULL);
  evaluate(&wants, &a, 1, x, b[1], NULL, NULL);
  /* Output 0e has no part in 1o: parity. */
  a.u[0][0][PATHS * 1] = 0.5;
  evaluate(&wants, &a, 0, x, b[2], NULL, NULL);
  for (size_t i = 0; i < sizeof b[0] / sizeof *b[0]; i++)
    cr_assert(fabs(b[1][i] - b[0][i]) < 1e-11 * (1 + fabs(b[0][i])), "%g, not %g", b[1][i],
              b[0][i]);
  cr_assert(fabs(b[2][0] - b[0][0]) > 1e-6);
  free_tensors(&a);
}

Test(contraction_program, reverse_is_its_derivative) {
  enum { X = ATOMS * ROW, B = ATOMS * OUTPUT_ROWS * MUL };
  const double h = 1e-6;
  uint64_t seed = 32;
  tensors a = make_tensors(&seed);
  _Alignas(64) static double x[X], d[X], a_bar[X], moved[X], b[B], b_bar[B];
  double slope = 0, difference = 0;
  for (int i = 0; i < X; i++)
    x[i] = uniform(&seed), d[i] = i % ROW < A_MAX * MUL ? uniform(&seed) : 0;
  for (int i = 0; i < B; i++) b_bar[i] = uniform(&seed);
  evaluate(kernels_host(1), &a, 0, x, b, b_bar, a_bar);
  for (int i = 0; i < X; i++)
    if (i % ROW < A_MAX * MUL) slope += a_bar[i] * d[i];
  for (int side = -1; side < 2; side += 2) {
    for (int i = 0; i < X; i++) moved[i] = x[i] + side * h * d[i];
    evaluate(kernels_host(1), &a, 0, moved, b, NULL, NULL);
    for (int i = 0; i < B; i++) difference += side * b[i] * b_bar[i] / (2 * h);
  }
  cr_assert(fabs(slope - difference) < 1e-6 * (1 + fabs(slope)), "%g, not %g", slope, difference);
  free_tensors(&a);
}
