/* test_nodes.c -- kernels over the channels of one node: linear maps, gate, activation and product
 * of jets, rows, scaling, readout; the exponential inside the activation.
 * SPDX-License-Identifier: MIT */
#include "tests/kernels/kernel_case.h"

static const int channel_counts[] = {10, 32, 96, 128};

/* ----------------------------------------------------------------------------------- linear */

static void check_linear(const kernel_ops *k, int k_mul, int n_mul, int n_atom, int n_m,
                         int accumulate, uint64_t *seed) {
  int kp = kernel_padded(k_mul), np = kernel_padded(n_mul);
  size_t in = (size_t)(n_m * kp), out = (size_t)(n_m * np);
  double *w = doubles((size_t)(kp * np)), *x = padded((size_t)(n_atom * n_m), k_mul, kp, seed);
  double *want = padded((size_t)(n_atom * n_m), n_mul, np, seed);
  for (int i = 0; i < k_mul; i++)
    for (int j = 0; j < n_mul; j++) w[i * np + j] = uniform(seed);
  free(reals(k, w, (size_t)(kp * np)));
  void *packed = room((size_t)(kp * np), k->real_size);
  k->linear_pack(w, kp, np, packed);
  void *xr = reals(k, x, (size_t)n_atom * in), *y = reals(k, want, (size_t)n_atom * out);
  int *from = room((size_t)n_atom, sizeof *from), *to = room((size_t)n_atom, sizeof *to);
  for (int i = 0; i < n_atom; i++) { /* 7 i mod n is a permutation for the n used here */
    from[i] = 7 * i % n_atom;
    to[i] = n_atom - 1 - i;
  }
  for (int i = 0; i < n_atom; i++)
    for (int m = 0; m < n_m; m++)
      for (int j = 0; j < np; j++) {
        double *y0 = want + (size_t)to[i] * out + (size_t)(m * np + j), sum = accumulate ? *y0 : 0;
        for (int u = 0; u < kp; u++)
          sum += x[(size_t)from[i] * in + (size_t)(m * kp + u)] * w[u * np + j];
        *y0 = sum;
      }
  linear_args a = {.n_atom = n_atom,
                   .in_atom = from,
                   .out_atom = to,
                   .n_m = n_m,
                   .k = kp,
                   .n = np,
                   .in = xr,
                   .out = y,
                   .in_stride = (int)in,
                   .in_pitch = kp,
                   .out_stride = (int)out,
                   .out_pitch = np,
                   .weight = packed,
                   .accumulate = accumulate};
  k->linear(&a);
  expect_close(k, y, want, (size_t)n_atom * out, 20, "linear");
  expect_padding(k, y, (size_t)(n_atom * n_m), n_mul, np, "linear");
  free(w), free(x), free(want), free(packed), free(xr), free(y), free(from), free(to);
}

Test(nodes, linear_is_a_matrix_product) {
  uint64_t seed = 1;
  FOR_TABLES(k, 0) {
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < 4; j++)
        check_linear(k, channel_counts[i], channel_counts[j], 1 + 3 * i + j, 1 + 2 * (j % 3), i % 2,
                     &seed);
    check_linear(k, 64, 208, 20, 1, 0, &seed);
    check_linear(k, 8, 960, 13, 1, 0, &seed);
    check_linear(k, 352, 32, 16, 5, 1, &seed);
  }
}

/* ------------------------------------------------------------------------------------- gate */

typedef struct gate_case {
  gate_args a;
  size_t n_x, n_y;
} gate_case;

static layout blocks(const int mul[N_L]) {
  layout a = {.size = 0};
  for (int l = 0; l < N_L; l++) {
    a.mul[l] = mul[l];
    a.pitch[l] = kernel_padded(mul[l]);
    a.offset[l] = a.size;
    a.size += (2 * l + 1) * a.pitch[l];
  }
  return a;
}

static gate_case make_gate(int n, int scalars, const int gated[N_L], int sigmoid) {
  gate_case c = {.a = {.n = n,
                       .constant = 1.6791767923989418,
                       .gate_constant = sigmoid ? 1.8467055342154763 : 1.6791767923989418,
                       .sigmoid_gates = sigmoid}};
  int out[N_L] = {scalars, gated[1], gated[2], gated[3]}, in[N_L];
  memcpy(in, out, sizeof in);
  for (int l = 1; l < N_L; l++) {
    c.a.gate_offset[l] = in[0];
    in[0] += out[l];
  }
  c.a.in = blocks(in);
  c.a.out = blocks(out);
  c.n_x = (size_t)(n * c.a.in.size);
  c.n_y = (size_t)(n * c.a.out.size);
  return c;
}

static double silu(double x) { return x / (1 + exp(-x)); }

static double gate_value(const gate_args *a, double x) {
  return a->gate_constant * (a->sigmoid_gates ? 1 / (1 + exp(-x)) : silu(x));
}

static void gate_reference(const gate_args *a, const double *x, double *y) {
  for (int i = 0; i < a->n; i++, x += a->in.size, y += a->out.size) {
    for (int j = 0; j < a->out.mul[0]; j++) y[j] = a->constant * silu(x[j]);
    for (int l = 1; l < N_L; l++)
      for (int m = 0; m < 2 * l + 1; m++)
        for (int j = 0; j < a->out.mul[l]; j++)
          y[a->out.offset[l] + m * a->out.pitch[l] + j] =
              gate_value(a, x[a->gate_offset[l] + j]) * x[a->in.offset[l] + m * a->in.pitch[l] + j];
  }
}

static const int gate_cases[][N_L] = {
    {10, 0, 0, 0}, {32, 16, 0, 0}, {128, 64, 32, 0}, {96, 0, 32, 0}, {128, 64, 32, 32}};
enum { N_GATE = sizeof gate_cases / sizeof *gate_cases };

Test(nodes, gate_is_its_factor_times_features) {
  uint64_t seed = 2;
  FOR_TABLES(k, 0)
  for (int i = 0; i < 2 * N_GATE; i++) {
    int g = i % N_GATE;
    gate_case c = make_gate(5, gate_cases[g][0], gate_cases[g], i >= N_GATE);
    double *x = randoms(c.n_x, &seed), *y = doubles(c.n_y);
    for (int row = 0; row < c.a.n && gate_cases[g][0] % 16; row++)
      for (int j = gate_cases[g][0]; j < c.a.in.pitch[0]; j++) x[row * c.a.in.size + j] = 0;
    void *xr = reals(k, x, c.n_x), *yr = room(c.n_y, k->real_size);
    gate_reference(&c.a, x, y);
    c.a.x = xr;
    c.a.y = yr;
    k->gate_forward(&c.a);
    expect_close(k, yr, y, c.n_y, 1, "gate");
    free(x), free(y), free(xr), free(yr);
  }
}

static double gate_loss(const kernel_ops *k, gate_case *c, double *x, const double *y_bar) {
  double *y = doubles(c->n_y);
  c->a.x = x;
  c->a.y = y;
  k->gate_forward(&c->a);
  double e = dot(y, y_bar, c->n_y);
  free(y);
  return e;
}

Test(nodes, gate_reverse_is_its_derivative) {
  uint64_t seed = 3;
  const double h = 1e-5;
  FOR_TABLES(k, 1)
  for (int i = 0; i < 2 * N_GATE; i++) {
    int g = i % N_GATE;
    gate_case c = make_gate(3, gate_cases[g][0], gate_cases[g], i >= N_GATE);
    double *x = randoms(c.n_x, &seed), *d = randoms(c.n_x, &seed);
    double *y_bar = randoms(c.n_y, &seed), *x_bar = doubles(c.n_x);
    for (size_t j = 0; j < c.n_x; j++) x[j] *= 4;
    c.a.x = x;
    c.a.y = y_bar;
    c.a.x_bar = x_bar;
    k->gate_reverse(&c.a);
    double *plus = shifted(x, d, h, c.n_x), *minus = shifted(x, d, -h, c.n_x);
    expect_slope(k->name, "gate", dot(x_bar, d, c.n_x), gate_loss(k, &c, plus, y_bar),
                 gate_loss(k, &c, minus, y_bar), h);
    free(x), free(d), free(y_bar), free(x_bar), free(plus), free(minus);
  }
}

Test(nodes, gate_keeps_padding_zero_both_ways) {
  uint64_t seed = 4;
  const int mul[N_L] = {10, 0, 0, 0};
  FOR_TABLES(k, 0) {
    gate_case c = make_gate(4, 10, mul, 0);
    double *x = padded(4, 10, 16, &seed), *g = padded(4, 10, 16, &seed);
    void *xr = reals(k, x, 64), *gr = reals(k, g, 64), *y = room(64, k->real_size);
    void *x_bar = room(64, k->real_size);
    c.a.x = xr;
    c.a.y = y;
    k->gate_forward(&c.a);
    expect_padding(k, y, 4, 10, 16, "gate");
    c.a.y = gr;
    c.a.x_bar = x_bar;
    k->gate_reverse(&c.a);
    expect_padding(k, x_bar, 4, 10, 16, "gate, reverse");
    free(x), free(g), free(xr), free(gr), free(y), free(x_bar);
  }
}

/* For s far below 0 the activation is s exp(s): its relative error is that of the exponential. */
Test(nodes, exponential_is_accurate_and_saturates) {
  const int mul[N_L] = {128, 0, 0, 0};
  FOR_TABLES(k, 0) {
    gate_case c = make_gate(100, 128, mul, 0);
    double *x = doubles(c.n_x), low = k->real_size == 8 ? -700 : -85;
    c.a.constant = 1;
    for (size_t i = 0; i < c.n_x; i++) x[i] = low + (30 - low) * (double)i / (double)c.n_x;
    void *xr = reals(k, x, c.n_x), *y = room(c.n_y, k->real_size);
    c.a.x = xr;
    c.a.y = y;
    k->gate_forward(&c.a);
    double epsilon = k->real_size == 8 ? 2.3e-16 : 1.2e-7;
    for (size_t i = 0; i < c.n_x; i++) {
      double want = silu(x[i]), got = real_at(k, y, i);
      cr_assert(fabs(got - want) <= 6 * epsilon * fabs(want), "%s: silu(%.9g) = %.17g, not %.17g",
                k->name, x[i], got, want);
    }
    for (size_t i = 0; i < c.n_x; i++) x[i] = i % 2 ? -1e4 : 1e4;
    k->convert(x, c.n_x, xr);
    k->gate_forward(&c.a);
    for (size_t i = 0; i < c.n_x; i++) {
      double got = real_at(k, y, i);
      cr_assert(i % 2 ? fabs(got) < 1e-30 : got == 1e4, "%s: silu(%g) = %g", k->name, x[i], got);
    }
    free(x), free(xr), free(y);
  }
}

/* ------------------------------------------------------------------------------------- jets */

Test(nodes, silu_jet_follows_the_chain_rule) {
  uint64_t seed = 5;
  const double c = 1.7;
  FOR_TABLES(k, 0)
  for (int orders = 1; orders <= 3; orders++) {
    int n = 6, width = 48;
    size_t size = (size_t)(n * orders * width);
    double *x = randoms(size, &seed), *want = doubles(size);
    for (size_t i = 0; i < size; i++) x[i] *= 3;
    void *y = reals(k, x, size);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < width; j++) {
        double *p = x + i * orders * width + j, *w = want + i * orders * width + j;
        double f = 1 / (1 + exp(-p[0])), f1 = f * (1 - f), f2 = f1 * (1 - 2 * f);
        w[0] = c * p[0] * f;
        if (orders > 1) w[width] = c * (f + p[0] * f1) * p[width];
        if (orders > 2)
          w[2 * width] =
              c * ((f + p[0] * f1) * p[2 * width] + (2 * f1 + p[0] * f2) * p[width] * p[width]);
      }
    silu_jet_args a = {.n = n, .orders = orders, .width = width, .constant = c, .x = y};
    k->silu_jet(&a);
    expect_close(k, y, want, size, 10, "silu_jet");
    free(x), free(want), free(y);
  }
}

Test(nodes, scale_jet_follows_the_product_rule) {
  uint64_t seed = 6;
  FOR_TABLES(k, 0)
  for (int orders = 1; orders <= 3; orders++) {
    int n = 5, width = 32;
    size_t size = (size_t)(n * orders * width);
    double *x = randoms(size, &seed), *f = randoms((size_t)(n * orders), &seed);
    double *want = doubles(size);
    void *y = reals(k, x, size);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < width; j++) {
        const double *p = x + i * orders * width + j, *g = f + i * orders;
        double *w = want + i * orders * width + j;
        w[0] = g[0] * p[0];
        if (orders > 1) w[width] = g[1] * p[0] + g[0] * p[width];
        if (orders > 2) w[2 * width] = g[2] * p[0] + 2 * g[1] * p[width] + g[0] * p[2 * width];
      }
    scale_jet_args a = {.n = n, .orders = orders, .width = width, .factor = f, .x = y};
    k->scale_jet(&a);
    expect_close(k, y, want, size, 10, "scale_jet");
    free(x), free(f), free(want), free(y);
  }
}

/* --------------------------------------------------------------------- rows, scaling, readout */

Test(nodes, rows_are_copied_and_added_by_index) {
  uint64_t seed = 7;
  static const int from[] = {2, 0, 0, 3}, to[] = {4, 1, 0, 2};
  FOR_TABLES(k, 0) {
    int width = 96, x_stride = 128, y_stride = 112;
    double *x = randoms(4 * 128, &seed), *y = randoms(5 * 112, &seed);
    void *xr = reals(k, x, 4 * 128), *yr = reals(k, y, 5 * 112);
    row_args a = {.n = 4,
                  .width = width,
                  .from = from,
                  .to = to,
                  .x = xr,
                  .x_stride = x_stride,
                  .y = yr,
                  .y_stride = y_stride};
    k->row_copy(&a);
    k->row_add(&a);
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < width; j++) y[to[i] * y_stride + j] = 2 * x[from[i] * x_stride + j];
    expect_close(k, yr, y, 5 * 112, 0, "rows");
    /* Zeros, of the first three rows only. */
    const int three = 3;
    a.x = NULL;
    a.n_row = &three;
    k->row_copy(&a);
    for (int i = 0; i < 3; i++)
      for (int j = 0; j < width; j++) y[to[i] * y_stride + j] = 0;
    expect_close(k, yr, y, 5 * 112, 0, "rows of zeros");
    free(x), free(y), free(xr), free(yr);
  }
}

Test(nodes, scaling_leaves_what_lies_between_rows) {
  enum { N = 3, WIDTH = 32, STRIDE = 48, SIZE = N * STRIDE };
  uint64_t seed = 18;
  FOR_TABLES(k, 0) {
    double *x = randoms(SIZE, &seed), *g = randoms(SIZE, &seed), *want = doubles(SIZE);
    double *f = randoms(N, &seed), f_bar[N];
    void *xr = reals(k, x, SIZE), *gr = reals(k, g, SIZE);
    scale_args a = {.n = N,
                    .width = WIDTH,
                    .stride = STRIDE,
                    .factor = f,
                    .x = xr,
                    .y = gr,
                    .factor_bar = f_bar};
    for (int i = 0; i < SIZE; i++) want[i] = i % STRIDE < WIDTH ? f[i / STRIDE] * g[i] : g[i];
    k->scale_reverse(&a);
    expect_close(k, gr, want, SIZE, 1, "scale, reverse");
    for (int i = 0; i < N; i++) {
      double sum = dot(x + i * STRIDE, g + i * STRIDE, WIDTH);
      cr_assert(fabs(f_bar[i] - sum) <= 20 * tolerance(k) * (1 + fabs(sum)), "%s", k->name);
    }
    for (int i = 0; i < SIZE; i++) want[i] = i % STRIDE < WIDTH ? f[i / STRIDE] * x[i] : want[i];
    k->scale_forward(&a);
    expect_close(k, gr, want, SIZE, 1, "scale");
    free(x), free(g), free(want), free(f), free(xr), free(gr);
  }
}

Test(nodes, scaling_and_its_reverse) {
  uint64_t seed = 8;
  FOR_TABLES(k, 0)
  for (int c = 0; c < 4; c++) {
    int n = 7, width = kernel_padded(channel_counts[c]);
    size_t size = (size_t)(n * width);
    double *x = padded(7, channel_counts[c], width, &seed);
    double *g = padded(7, channel_counts[c], width, &seed), *want = doubles(size);
    double *f = randoms(7, &seed), f_bar[7], sums[7], f_pair[14] = {0};
    void *xr = reals(k, x, size), *y = room(size, k->real_size), *gr = reals(k, g, size);
    scale_args a = {.n = n, .width = width, .factor = f, .x = xr, .y = y, .factor_bar = f_bar};
    for (size_t i = 0; i < size; i++) want[i] = f[i / (size_t)width] * x[i];
    k->scale_forward(&a);
    expect_close(k, y, want, size, 1, "scale");
    expect_padding(k, y, 7, channel_counts[c], width, "scale");
    for (size_t i = 0; i < size; i++) want[i] = f[i / (size_t)width] * g[i];
    a.y = gr;
    k->scale_reverse(&a);
    expect_close(k, gr, want, size, 1, "scale, reverse");
    expect_padding(k, gr, 7, channel_counts[c], width, "scale, reverse");
    for (int i = 0; i < n; i++) {
      double sum = dot(x + i * width, g + i * width, (size_t)width);
      cr_assert(fabs(f_bar[i] - sum) <= 20 * tolerance(k) * (1 + fabs(sum)), "%s: %g, not %g",
                k->name, f_bar[i], sum);
      f_pair[2 * i] = f[i];
      sums[i] = f_bar[i];
    }
    /* Factors of a column that are 1 / (offset - chain D): the adjoint of D. */
    a.y = reals(k, g, size);
    a.factor = f_pair;
    a.factor_stride = 2;
    a.chain = -1.5;
    k->scale_reverse(&a);
    expect_close(k, a.y, want, size, 1, "scale of a column, reverse");
    for (int i = 0; i < n; i++)
      cr_assert(fabs(f_bar[i] + 1.5 * f[i] * f[i] * sums[i]) <= 1e-12 * (1 + fabs(sums[i])), "%s",
                k->name);
    free(a.y);
    free(x), free(g), free(want), free(f), free(xr), free(y), free(gr);
  }
}

Test(nodes, dot_and_its_reverse) {
  uint64_t seed = 9;
  FOR_TABLES(k, 0)
  for (int c = 0; c < 4; c++) {
    int n = 5, width = kernel_padded(channel_counts[c]), stride = width + 48;
    double *x = randoms((size_t)(n * stride), &seed),
           *w = padded(1, channel_counts[c], width, &seed);
    double *g = randoms((size_t)(n * stride), &seed), energy[5] = {1, 2, 3, 4, 5};
    void *xr = reals(k, x, (size_t)(n * stride)), *wr = reals(k, w, (size_t)width);
    void *gr = reals(k, g, (size_t)(n * stride));
    dot_args a = {
        .n = n, .width = width, .x = xr, .stride = stride, .w = wr, .energy = energy, .x_bar = gr};
    k->dot_forward(&a);
    k->dot_reverse(&a);
    for (int i = 0; i < n; i++) {
      double want = i + 1 + dot(x + i * stride, w, (size_t)width);
      cr_assert(fabs(energy[i] - want) <= 20 * tolerance(k) * fabs(1 + want), "%s", k->name);
      for (int j = 0; j < width; j++) g[i * stride + j] += w[j];
    }
    expect_close(k, gr, g, (size_t)(n * stride), 1, "dot, reverse");
    free(x), free(w), free(g), free(xr), free(wr), free(gr);
  }
}
