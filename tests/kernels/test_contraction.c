/* test_contraction.c -- the symmetric contraction's polynomial kernel against a plain sum over
 * monomials, and its reverse against finite differences; quintic pieces of radial tables.
 * SPDX-License-Identifier: MIT */
#include "kernels/selected.h"
#include "tests/kernels/kernel_case.h"

enum { ATOMS = 15, OUTPUTS = 3, CODE_MAX = 20000 }; /* 8 + 4 + 2 + 1 */
static const int atoms[ATOMS] = {3, 0, 9, 1, 8, 4, 6, 17, 12, 10, 11, 16, 14, 5, 13}; /* no order */
enum { ROWS = 18 };

/* All monomials a <= b <= c of n_a variables for every output, every third cubic one left out. */
typedef struct polynomial {
  int n_a, mul, channels, n_code, n_monomial, selected;
  int *code;       /* for a device */
  int (*index)[4]; /* [n_monomial] output, a, b, c; -1 = absent factor */
  double *coefficient;
  struct host_program { /* the host's, and that of its derivatives */
    int *code, *at;     /* at: monomial by output and factors + 1, or -1 */
    int n_code, reverse, n_monomial, n_forward;
    double *coefficient;
  } host;
  size_t n_x, n_b;
} polynomial;

static void add_monomial(polynomial *p, int output, int a, int b, int c) {
  int *i = p->index[p->n_monomial++];
  i[0] = output, i[1] = a, i[2] = b, i[3] = c;
}

static int *monomial_at(const polynomial *p, int output, int a, int b, int c) {
  int f[3] = {a, b, c};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2 - i; j++) {
      int low = f[j], high = f[j + 1]; /* ascending, absent ones last */
      if (high < 0 || (low >= 0 && low <= high)) continue;
      f[j] = high, f[j + 1] = low;
    }
  return p->host.at + ((output * (A_MAX + 1) + f[0] + 1) * (A_MAX + 1) + f[1] + 1) * (A_MAX + 1) +
         f[2] + 1;
}

static void host_code(polynomial *p, int code) {
  p->host.code[p->host.n_code++] = code;
  cr_assert(p->host.n_code < CODE_MAX);
}

/* The coefficient of monomial t (-1: zero) in the derivative by `m`, or in the output (-1). */
static void host_monomial(polynomial *p, int t, int m) {
  int times = 0;
  for (int d = 1; d < 4 && t >= 0; d++) times += m < 0 ? d == 1 : p->index[t][d] == m;
  for (int j = 0; j < p->channels; j++)
    p->host.coefficient[p->host.n_monomial * p->channels + j] =
        times ? times * p->coefficient[t * p->channels + j] : 0;
  cr_assert(++p->host.n_monomial < CODE_MAX);
}

/* Pairs of one kind: factor b beside `own` and three third factors at a time, c2 with the first. */
static int host_pairs(polynomial *p, int output, int own, int m, int kind, int write) {
  int n_pair = 0;
  for (int b = m < 0 ? own : 0; b < p->n_a; b++) {
    int quadratic = *monomial_at(p, output, own, b, -1), third[4], n = 0;
    for (int c = b; c <= p->n_a; c++) {
      if (c < p->n_a && *monomial_at(p, output, own, b, c) >= 0) third[n++] = c;
      if (n < 3 && c < p->n_a) continue;
      if (2 * n + (quadratic >= 0) == kind && n_pair++ >= 0 && write) {
        unsigned packed = (unsigned)b;
        if (quadratic >= 0) host_monomial(p, quadratic, m);
        for (int i = 0; i < n; i++) {
          packed |= (unsigned)third[i] << 8 * (i + 1);
          host_monomial(p, *monomial_at(p, output, own, b, third[i]), m);
        }
        host_code(p, (int)packed);
      }
      quadratic = -1, n = 0;
    }
  }
  return n_pair;
}

static void host_factor(polynomial *p, int output, int factor, int own, int m) {
  host_code(p, factor);
  host_monomial(p, *monomial_at(p, output, own, -1, -1), m);
  for (int kind = 7; kind > 0; kind--) {
    int n = host_pairs(p, output, own, m, kind, 0);
    if (!n) continue;
    host_code(p, kind), host_code(p, n);
    host_pairs(p, output, own, m, kind, 1);
  }
  host_code(p, 0);
}

static void make_host_program(polynomial *p) {
  size_t n_at = OUTPUTS * (A_MAX + 1) * (A_MAX + 1) * (A_MAX + 1);
  p->host.code = room(CODE_MAX, sizeof *p->host.code);
  p->host.at = room(n_at, sizeof *p->host.at);
  p->host.coefficient = doubles((size_t)(CODE_MAX * p->channels));
  for (size_t i = 0; i < n_at; i++) p->host.at[i] = -1;
  for (int t = 0; t < p->n_monomial; t++) {
    const int *f = p->index[t];
    *monomial_at(p, f[0], f[1], f[2], f[3]) = t;
  }
  for (int output = 0; output < OUTPUTS; output++) {
    host_code(p, output * p->channels), host_code(p, p->n_a);
    for (int a = 0; a < p->n_a; a++) host_factor(p, output, a, a, -1);
  }
  p->host.n_forward = p->host.n_monomial, p->host.reverse = p->host.n_code;
  for (int output = 0; output < OUTPUTS; output++) host_code(p, output * p->channels);
  for (int m = 0; m < p->n_a; m++) {
    host_code(p, m * p->channels), host_code(p, OUTPUTS);
    for (int output = 0; output < OUTPUTS; output++) host_factor(p, output, p->n_a + output, m, m);
  }
}

/* selected: those that symmetry allows, for the first outputs, in the program's fixed order. */
static polynomial make_polynomial(int n_a, int mul, int selected, uint64_t *seed) {
  polynomial p = {.n_a = n_a, .mul = mul, .channels = kernel_padded(mul), .selected = selected};
  p.code = room(CODE_MAX, sizeof *p.code);
  p.index = room(CODE_MAX, sizeof *p.index);
  for (int out = 0; out < OUTPUTS; out++) {
    p.code[p.n_code++] = out * p.channels;
    p.code[p.n_code++] = n_a;
    for (int a = 0; a < n_a; a++) {
      p.code[p.n_code++] = a;
      int *pairs = &p.code[p.n_code++];
      *pairs = 0;
      add_monomial(&p, out, a, -1, -1);
      for (int b = a; b < n_a; b++) {
        if (selected && !selected_monomial(out, a, b, -1) && !selected_thirds(out, a, b)) continue;
        ++*pairs;
        p.code[p.n_code++] = b;
        int *count = &p.code[p.n_code++];
        *count = 0;
        add_monomial(&p, out, a, b, -1);
        for (int c = b; c < n_a; c++) {
          if (selected ? !selected_monomial(out, a, b, c) : (a + b + c + out) % 3 == 0) continue;
          p.code[p.n_code++] = c;
          add_monomial(&p, out, a, b, c);
          ++*count;
        }
      }
    }
  }
  cr_assert(p.n_code < CODE_MAX);
  p.coefficient = padded((size_t)p.n_monomial, mul, p.channels, seed);
  for (int t = 0; t < p.n_monomial && selected; t++) {
    const int *f = p.index[t];
    for (int j = 0; j < p.channels && !selected_monomial(f[0], f[1], f[2], f[3]); j++)
      p.coefficient[t * p.channels + j] = 0;
  }
  make_host_program(&p);
  p.n_x = (size_t)(ROWS * n_a * p.channels);
  p.n_b = (size_t)(ROWS * OUTPUTS * p.channels);
  return p;
}

static void free_polynomial(polynomial *p) {
  free(p->code), free(p->index), free(p->coefficient);
  free(p->host.code), free(p->host.at), free(p->host.coefficient);
}

static contraction_args arguments(const kernel_ops *k, const polynomial *p, const void *coefficient,
                                  const void *a, void *b) {
  int host = device_is_host(k->device);
  return (contraction_args){.n_atom = ATOMS,
                            .atom = atoms,
                            .channels = p->channels,
                            .n_a = p->n_a,
                            .n_output = OUTPUTS,
                            .n_monomial = host ? p->host.n_monomial : p->n_monomial,
                            .n_forward = p->host.n_forward,
                            .selected = p->selected,
                            .row = {0, p->channels, 2 * p->channels},
                            .program = host ? p->host.code : p->code,
                            .reverse = p->host.code + p->host.reverse,
                            .coefficient = coefficient,
                            .a = a,
                            .a_stride = p->n_a * p->channels,
                            .b = b,
                            .b_stride = OUTPUTS * p->channels};
}

static void *packed(const kernel_ops *k, const polynomial *p) {
  int host = device_is_host(k->device), n = host ? p->host.n_monomial : p->n_monomial;
  void *c = room((size_t)(n * p->channels), k->real_size);
  k->contraction_pack(host ? p->host.coefficient : p->coefficient, n, p->channels, c);
  return c;
}

static const int sizes[][3] = {{1, 16}, {4, 10}, {9, 32}, {16, 16}, {4, 96}, {16, 50, 1}};
enum { N_SIZE = sizeof sizes / sizeof *sizes };

Test(contraction, polynomial_is_the_sum_of_its_monomials) {
  uint64_t seed = 21;
  FOR_TABLES(k, 0)
  for (int s = 0; s < N_SIZE; s++) {
    polynomial p = make_polynomial(sizes[s][0], sizes[s][1], sizes[s][2], &seed);
    double *x = padded(ROWS * (size_t)p.n_a, p.mul, p.channels, &seed), *want = doubles(p.n_b);
    void *c = packed(k, &p);
    void *xr = reals(k, x, p.n_x), *b = room(p.n_b, k->real_size);
    for (int i = 0; i < ATOMS; i++)
      for (int t = 0; t < p.n_monomial; t++)
        for (int j = 0; j < p.channels; j++) {
          const double *row = x + atoms[i] * p.n_a * p.channels + j;
          const int *f = p.index[t];
          double v = p.coefficient[t * p.channels + j];
          for (int d = 1; d < 4; d++) v *= f[d] < 0 ? 1 : row[f[d] * p.channels];
          want[(atoms[i] * OUTPUTS + f[0]) * p.channels + j] += v;
        }
    contraction_args a = arguments(k, &p, c, xr, b);
    k->contraction_forward(&a);
    expect_close(k, b, want, p.n_b, 50, "contraction");
    expect_padding(k, b, ROWS * OUTPUTS, p.mul, p.channels, "contraction");
    free(x), free(want), free(c), free(xr), free(b);
    free_polynomial(&p);
  }
}

/* In single as in double: the adjoint as a plain sum. */
Test(contraction, reverse_is_the_sum_of_its_monomials) {
  uint64_t seed = 23;
  FOR_TABLES(k, 0)
  for (int s = 0; s < N_SIZE; s++) {
    polynomial p = make_polynomial(sizes[s][0], sizes[s][1], sizes[s][2], &seed);
    double *x = padded(ROWS * (size_t)p.n_a, p.mul, p.channels, &seed), *want = doubles(p.n_x);
    double *b_bar = padded(ROWS * OUTPUTS, p.mul, p.channels, &seed);
    void *c = packed(k, &p), *xr = reals(k, x, p.n_x), *br = reals(k, b_bar, p.n_b);
    for (int i = 0; i < ATOMS; i++)
      for (int t = 0; t < p.n_monomial; t++)
        for (int j = 0; j < 3 * p.channels; j++) {
          const int *f = p.index[t], at = 1 + j / p.channels, k0 = j % p.channels;
          const double *row = x + atoms[i] * p.n_a * p.channels + k0;
          double v = p.coefficient[t * p.channels + k0];
          if (f[at] < 0) continue;
          for (int d = 1; d < 4; d++) v *= d == at || f[d] < 0 ? 1 : row[f[d] * p.channels];
          want[(atoms[i] * p.n_a + f[at]) * p.channels + k0] +=
              v * b_bar[(atoms[i] * OUTPUTS + f[0]) * p.channels + k0];
        }
    contraction_args a = arguments(k, &p, c, xr, br);
    a.a_bar = room(p.n_x, k->real_size);
    k->contraction_reverse(&a);
    expect_close(k, a.a_bar, want, p.n_x, 100, "contraction, reverse");
    free(x), free(want), free(b_bar), free(c), free(xr), free(br), free(a.a_bar);
    free_polynomial(&p);
  }
}

/* An atom's bits are the same alone and among others, whatever their number. */
Test(contraction, bits_do_not_depend_on_company) {
  uint64_t seed = 24;
  FOR_TABLES(k, 0)
  for (int s = 0; s < N_SIZE; s++) {
    polynomial p = make_polynomial(sizes[s][0], sizes[s][1], sizes[s][2], &seed);
    double *x = padded(ROWS * (size_t)p.n_a, p.mul, p.channels, &seed);
    double *b_bar = padded(ROWS * OUTPUTS, p.mul, p.channels, &seed);
    void *c = packed(k, &p), *xr = reals(k, x, p.n_x), *br = reals(k, b_bar, p.n_b);
    void *b[2], *a_bar[2];
    for (int alone = 0; alone < 2; alone++) {
      b[alone] = room(p.n_b, k->real_size);
      a_bar[alone] = room(p.n_x, k->real_size);
      for (int i = 0; i < (alone ? ATOMS : 1); i++) {
        contraction_args forward = arguments(k, &p, c, xr, b[alone]);
        contraction_args reverse = arguments(k, &p, c, xr, br);
        reverse.a_bar = a_bar[alone];
        forward.atom = reverse.atom = atoms + i;
        if (alone) forward.n_atom = reverse.n_atom = 1;
        k->contraction_forward(&forward);
        k->contraction_reverse(&reverse);
      }
    }
    cr_assert(!memcmp(b[0], b[1], p.n_b * k->real_size), "%s: forward", k->name);
    cr_assert(!memcmp(a_bar[0], a_bar[1], p.n_x * k->real_size), "%s: reverse", k->name);
    for (int i = 0; i < 2; i++) free(b[i]), free(a_bar[i]);
    free(x), free(b_bar), free(c), free(xr), free(br);
    free_polynomial(&p);
  }
}

static double loss(const kernel_ops *k, const polynomial *p, const double *x, const double *b_bar) {
  double *b = doubles(p->n_b), sum = 0;
  void *c = packed(k, p);
  contraction_args a = arguments(k, p, c, x, b);
  k->contraction_forward(&a);
  sum = dot(b, b_bar, p->n_b);
  free(b), free(c);
  return sum;
}

Test(contraction, reverse_is_its_derivative) {
  uint64_t seed = 22;
  const double h = 1e-5;
  FOR_TABLES(k, 1)
  for (int s = 0; s < N_SIZE; s++) {
    polynomial p = make_polynomial(sizes[s][0], sizes[s][1], sizes[s][2], &seed);
    size_t rows = ROWS * (size_t)p.n_a;
    double *x = padded(rows, p.mul, p.channels, &seed), *d = padded(rows, p.mul, p.channels, &seed);
    double *b_bar = padded(ROWS * OUTPUTS, p.mul, p.channels, &seed), *a_bar = doubles(p.n_x);
    void *c = packed(k, &p);
    contraction_args a = arguments(k, &p, c, x, b_bar);
    a.a_bar = a_bar;
    k->contraction_reverse(&a);
    double *plus = shifted(x, d, h, p.n_x), *minus = shifted(x, d, -h, p.n_x);
    expect_slope(k->name, "contraction", dot(a_bar, d, p.n_x), loss(k, &p, plus, b_bar),
                 loss(k, &p, minus, b_bar), h);
    expect_padding(k, a_bar, rows, p.mul, p.channels, "contraction, reverse");
    free(x), free(d), free(b_bar), free(a_bar), free(plus), free(minus), free(c);
    free_polynomial(&p);
  }
}

/* ----------------------------------------------------------------------------------- tables */

/* A quintic in r, and its first two derivatives. */
static double quintic(const double *c, double r, int derivative) {
  double v = 0;
  for (int d = 5; d >= derivative; d--) {
    double factor = 1;
    for (int i = 0; i < derivative; i++) factor *= d - i;
    v = v * r + factor * c[d];
  }
  return v;
}

/* Pieces of a function that is itself a quintic are exact; of sin they are off by h^6. */
Test(contraction, quintic_pieces_reproduce_quintics) {
  enum { N = 5, WIDTH = 16 };
  uint64_t seed = 23;
  FOR_TABLES(k, 1) {
    if (!k->quintic) continue; /* tables are made on the host */
    double *c = randoms(6 * WIDTH, &seed), *knot = doubles((N + 1) * 3 * WIDTH);
    double *probe = doubles(N * 4 * WIDTH), *piece = doubles(N * 6 * WIDTH), h = 0.3;
    double *worst = doubles(4 * WIDTH), inside[2] = {0.25, 0.6};
    for (int j = 0; j < WIDTH; j++) {
      for (int i = 0; i <= N; i++)
        for (int o = 0; o < 3; o++) knot[(i * 3 + o) * WIDTH + j] = quintic(c + 6 * j, i * h, o);
      for (int i = 0; i < 2 * N; i++)
        for (int o = 0; o < 2; o++)
          probe[(i * 2 + o) * WIDTH + j] = quintic(c + 6 * j, (i / 2 + inside[i % 2]) * h, o);
    }
    quintic_args a = {.n = N,
                      .width = WIDTH,
                      .h = h,
                      .knot = knot,
                      .probe = probe,
                      .piece = piece,
                      .worst = worst};
    k->quintic(&a);
    for (int i = 0; i < N; i++)
      for (int j = 0; j < WIDTH; j++)
        for (double t = 0; t <= 1; t += 0.125) {
          double v = 0, want = quintic(c + 6 * j, (i + t) * h, 0);
          for (int d = 5; d >= 0; d--) v = v * t + piece[(i * 6 + d) * WIDTH + j];
          cr_assert(fabs(v - want) < 1e-12 * (1 + fabs(want)), "%s: %g, not %g", k->name, v, want);
        }
    for (int j = 0; j < WIDTH; j++)
      cr_assert(worst[j] < 1e-12 && worst[WIDTH + j] < 1e-11, "%s: errors %g, %g", k->name,
                worst[j], worst[WIDTH + j]);
    free(c), free(knot), free(probe), free(piece), free(worst);
  }
}
