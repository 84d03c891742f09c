/* test_edges.c -- kernels over edges: lengths and harmonics, couplings, the convolution and the
 * coordination density, each with its reverse.
 * SPDX-License-Identifier: MIT */
#include "tests/kernels/kernel_case.h"

enum { TILE = KERNEL_EDGE_TILE };

static double at(const kernel_ops *k, const void *p, int n_q, int e, int q) {
  return real_at(k, p, ((size_t)(e / TILE) * (size_t)n_q + (size_t)q) * TILE + (size_t)(e % TILE));
}

static size_t tile_index(int n_q, int e, int q) {
  return ((size_t)(e / TILE) * (size_t)n_q + (size_t)q) * TILE + (size_t)(e % TILE);
}

/* --------------------------------------------------------------------------------- geometry */

/* Real spherical harmonics of e3nn, l <= 3, from their textbook forms: y is the polar axis, and the
 * squares of one l sum to 2 l + 1 on the unit sphere. */
static void harmonics_reference(const double v[3], double *y) {
  double x = v[0], p = v[1], z = v[2], r2 = x * x + p * p + z * z;
  y[0] = 1;
  y[1] = sqrt(3) * x, y[2] = sqrt(3) * p, y[3] = sqrt(3) * z;
  y[4] = sqrt(15) * x * z, y[5] = sqrt(15) * x * p, y[6] = sqrt(5) / 2 * (3 * p * p - r2);
  y[7] = sqrt(15) * p * z, y[8] = sqrt(15) / 2 * (z * z - x * x);
  y[9] = sqrt(35.0 / 8) * x * (3 * z * z - x * x), y[10] = sqrt(105) * x * p * z;
  y[11] = sqrt(21.0 / 8) * x * (5 * p * p - r2), y[12] = sqrt(7) / 2 * p * (5 * p * p - 3 * r2);
  y[13] = sqrt(21.0 / 8) * z * (5 * p * p - r2), y[14] = sqrt(105) / 2 * p * (z * z - x * x);
  y[15] = sqrt(35.0 / 8) * z * (z * z - 3 * x * x);
}

typedef struct edge_case {
  int n, lmax, normalize, n_y;
  int *edge;
  double (*vector)[3];
} edge_case;

static edge_case make_edges(int n, int lmax, int normalize, uint64_t *seed) {
  edge_case c = {.n = n, .lmax = lmax, .normalize = normalize, .n_y = (lmax + 1) * (lmax + 1)};
  c.edge = room((size_t)n, sizeof *c.edge);
  c.vector = room((size_t)n, sizeof *c.vector);
  for (int e = 0; e < n; e++) {
    c.edge[e] = n - 1 - e;
    for (int d = 0; d < 3; d++) c.vector[e][d] = 3 * uniform(seed);
    c.vector[e][0] += 0.5;
  }
  return c;
}

static void free_edges(edge_case *c) {
  free(c->edge);
  free(c->vector);
}

static void measure(const kernel_ops *k, const edge_case *c, double *r, void *u, void *y) {
  edge_geometry_args a = {.n = c->n,
                          .n_edge = &c->n,
                          .edge = c->edge,
                          .vector = (const double(*)[3])c->vector,
                          .lmax = c->lmax,
                          .normalize = c->normalize,
                          .r = r,
                          .u = u,
                          .y = y};
  k->edge_geometry(&a);
}

Test(edges, harmonics_follow_their_definition) {
  uint64_t seed = 11;
  FOR_TABLES(k, 0)
  for (int i = 0; i < 8; i++) {
    edge_case c = make_edges(i < 4 ? 37 : 1, i % 4, i < 4, &seed);
    size_t tiles = kernel_tiles((size_t)c.n) * TILE;
    double *r = doubles((size_t)c.n);
    void *u = room(tiles * 3, k->real_size), *y = room(tiles * (size_t)c.n_y, k->real_size);
    measure(k, &c, r, u, y);
    for (int e = 0; e < c.n; e++) {
      double *v = c.vector[c.edge[e]], length = sqrt(dot(v, v, 3)), want[16], s[3];
      for (int d = 0; d < 3; d++) s[d] = c.normalize ? v[d] / length : v[d];
      harmonics_reference(s, want);
      cr_assert(fabs(r[e] - length) < 1e-14 * length);
      double size = c.normalize ? 1 : 1 + length * length * length;
      for (int m = 0; m < c.n_y; m++)
        cr_assert(fabs(at(k, y, c.n_y, e, m) - want[m]) < 20 * tolerance(k) * size,
                  "%s: lmax %d, harmonic %d: %g, not %g", k->name, c.lmax, m, at(k, y, c.n_y, e, m),
                  want[m]);
    }
    free_edges(&c);
    free(r), free(u), free(y);
  }
}

static double edge_loss(const kernel_ops *k, const edge_case *c, const double *y_bar,
                        const double *r_bar) {
  size_t tiles = kernel_tiles((size_t)c->n) * TILE;
  double *r = doubles((size_t)c->n), *u = doubles(tiles * 3), *y = doubles(tiles * (size_t)c->n_y);
  measure(k, c, r, u, y);
  double loss = dot(r, r_bar, (size_t)c->n);
  for (int e = 0; e < c->n; e++)
    for (int m = 0; m < c->n_y; m++)
      loss += y[tile_index(c->n_y, e, m)] * y_bar[tile_index(c->n_y, e, m)];
  free(r), free(u), free(y);
  return loss;
}

Test(edges, gradient_is_the_derivative_of_lengths_and_harmonics) {
  uint64_t seed = 12;
  const double h = 1e-5;
  FOR_TABLES(k, 1)
  for (int i = 0; i < 8; i++) {
    edge_case c = make_edges(21, i % 4, i < 4, &seed);
    size_t tiles = kernel_tiles(21) * TILE;
    double *y_bar = randoms(tiles * (size_t)c.n_y, &seed), *r_bar = randoms(21, &seed);
    double *r = doubles(21), *u = doubles(tiles * 3), *y = doubles(tiles * (size_t)c.n_y);
    double *gradient = doubles(63), *d = randoms(63, &seed);
    measure(k, &c, r, u, y);
    edge_gradient_args a = {.n = c.n,
                            .n_edge = &c.n,
                            .edge = c.edge,
                            .lmax = c.lmax,
                            .normalize = c.normalize,
                            .r = r,
                            .u = u,
                            .y_bar = y_bar,
                            .r_bar = r_bar,
                            .gradient = (double(*)[3])gradient};
    k->edge_gradient(&a);
    double(*x)[3] = c.vector;
    c.vector = (double(*)[3])shifted(&x[0][0], d, h, 63);
    double plus = edge_loss(k, &c, y_bar, r_bar);
    free(c.vector);
    c.vector = (double(*)[3])shifted(&x[0][0], d, -h, 63);
    double minus = edge_loss(k, &c, y_bar, r_bar);
    expect_slope(k->name, "geometry", dot(gradient, d, 63), plus, minus, h);
    free_edges(&c);
    free(x), free(y_bar), free(r_bar), free(r), free(u), free(y), free(gradient), free(d);
  }
}

/* -------------------------------------------------------------------------------- couplings */

Test(edges, couplings_and_their_transpose) {
  uint64_t seed = 13;
  enum { N = 21, N_Y = 9, N_Q = 23, N_TERM = 60 };
  FOR_TABLES(k, 0) {
    size_t tiles = kernel_tiles(N) * TILE;
    coupling_term term[N_TERM];
    for (int t = 0; t < N_TERM; t++)
      term[t] =
          (coupling_term){t * N_Q / N_TERM, (int)(4.5 * (1 + uniform(&seed))), uniform(&seed)};
    double *y = randoms(tiles * N_Y, &seed), *q = doubles(tiles * N_Q),
           *back = doubles(tiles * N_Y);
    double *q_bar = randoms(tiles * N_Q, &seed);
    void *yr = reals(k, y, tiles * N_Y), *qr = room(tiles * N_Q, k->real_size);
    void *q_bar_r = reals(k, q_bar, tiles * N_Q);
    for (size_t e = 0; e < tiles; e++)
      for (int t = 0; t < N_TERM; t++) {
        size_t iq = tile_index(N_Q, (int)e, term[t].q), iy = tile_index(N_Y, (int)e, term[t].m);
        q[iq] += term[t].c * y[iy];
        back[iy] += term[t].c * q_bar[iq];
      }
    const int n_edge = N;
    coupling_args a = {.n = N,
                       .n_edge = &n_edge,
                       .n_y = N_Y,
                       .n_q = N_Q,
                       .n_term = N_TERM,
                       .term = term,
                       .y = yr,
                       .q = qr};
    k->coupling_forward(&a);
    expect_close(k, qr, q, tiles * N_Q, 10, "couplings");
    a.q = q_bar_r;
    k->coupling_reverse(&a);
    expect_close(k, yr, back, tiles * N_Y, 20, "couplings, reverse");
    free(y), free(q), free(back), free(q_bar), free(yr), free(qr), free(q_bar_r);
  }
}

/* ------------------------------------------------------------------------------ convolution */

enum { ATOMS = 5, EDGES = 59 };
/* Edges by centre; the same edges by neighbour in `transpose`. One atom has none either way, one
 * has more than the host stages at a time. */
#define EIGHTEEN_4 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4
static const int center[EDGES] = {0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2,          2,         2,
                                  2, 2, 2, 2, 4, 4, 4, 4, 4, 4, EIGHTEEN_4, EIGHTEEN_4};
static const int neighbor[EDGES] = {0, 1, 2, 4, 4, 0, 2, 2, 0, 0, 1,          1,         2,
                                    2, 2, 4, 4, 0, 1, 2, 4, 4, 4, EIGHTEEN_4, EIGHTEEN_4};

typedef struct graph {
  int first[ATOMS + 1], back[ATOMS + 1], transpose[EDGES];
} graph;

static graph make_graph(void) {
  graph g = {{0}, {0}, {0}};
  int n = 0;
  for (int i = 0; i < ATOMS; i++) {
    g.first[i + 1] = g.first[i];
    for (int e = 0; e < EDGES; e++) g.first[i + 1] += center[e] == i;
    for (int e = 0; e < EDGES; e++)
      if (neighbor[e] == i) g.transpose[n++] = e;
    g.back[i + 1] = n;
  }
  return g;
}

/* All pairs (l1, l3) as paths; channels differ by l1. */
typedef struct conv_case {
  layout in, out;
  conv_path path[N_L * N_L];
  int mul[N_L], n_q, width, orders;
  size_t n_h, n_a, n_piece, n_tile;
  double *h, *q, *piece, t[EDGES], slope[EDGES]; /* piece: [EDGES][orders][width] */
} conv_case;

static conv_case make_conv(int orders, const int mul[N_L], uint64_t *seed) {
  conv_case c = {.orders = orders};
  memcpy(c.mul, mul, sizeof c.mul);
  for (int l = 0; l < N_L; l++) {
    c.in.pitch[l] = kernel_padded(mul[l]);
    c.in.offset[l] = c.in.size;
    c.in.size += (2 * l + 1) * c.in.pitch[l];
    for (int l1 = 0; l1 < N_L; l1++) c.out.pitch[l] += kernel_padded(mul[l1]);
    c.out.offset[l] = c.out.size;
    c.out.size += (2 * l + 1) * c.out.pitch[l];
  }
  int n = 0, column[N_L] = {0};
  for (int l1 = 0; l1 < N_L; l1++)
    for (int l3 = 0; l3 < N_L; l3++) {
      c.path[n++] = (conv_path){.l1 = l1,
                                .l3 = l3,
                                .channels = c.in.pitch[l1],
                                .in = c.in.offset[l1],
                                .in_pitch = c.in.pitch[l1],
                                .out = c.out.offset[l3] + column[l3],
                                .out_pitch = c.out.pitch[l3],
                                .radial = c.width,
                                .q = c.n_q};
      c.width += c.in.pitch[l1];
      column[l3] += c.in.pitch[l1];
      c.n_q += (2 * l1 + 1) * (2 * l3 + 1);
    }
  c.n_h = (size_t)(ATOMS * c.in.size);
  c.n_a = (size_t)(ATOMS * c.out.size);
  c.n_tile = kernel_tiles(EDGES) * TILE * (size_t)c.n_q;
  c.n_piece = (size_t)(EDGES * orders * c.width);
  c.h = doubles(c.n_h);
  c.piece = doubles(c.n_piece);
  for (int i = 0; i < ATOMS; i++)
    for (int l = 0; l < N_L; l++)
      for (int m = 0; m < 2 * l + 1; m++)
        for (int j = 0; j < mul[l]; j++)
          c.h[i * c.in.size + c.in.offset[l] + m * c.in.pitch[l] + j] = uniform(seed);
  for (int e = 0; e < EDGES * orders; e++)
    for (int p = 0; p < n; p++)
      for (int j = 0; j < mul[c.path[p].l1]; j++)
        c.piece[e * c.width + c.path[p].radial + j] = uniform(seed);
  c.q = randoms(c.n_tile, seed);
  for (int e = 0; e < EDGES; e++) {
    c.t[e] = orders == RADIAL_QUINTIC ? 0.5 + 0.49 * uniform(seed) : 0;
    c.slope[e] = 1 + uniform(seed) / 2;
  }
  return c;
}

static void free_conv(conv_case *c) {
  free(c->h);
  free(c->q);
  free(c->piece);
}

/* Value of one radial function of edge e, or of its derivative by t. */
static double radial(const conv_case *c, int e, int column, int derivative) {
  double v = 0, t = 1;
  for (int d = derivative; d < c->orders; d++, t *= c->t[e])
    v += (derivative ? d : 1) * t * c->piece[(e * c->orders + d) * c->width + column];
  return v;
}

/* The reference: plain sums over edges, paths, components and channels; a_bar != NULL gives the
 * adjoints instead. */
static void conv_reference(const conv_case *c, const double *a_bar, double *a, double *h_bar,
                           double *q_bar, double *r_bar) {
  for (int e = 0; e < EDGES; e++)
    for (const conv_path *p = c->path; p < c->path + N_L * N_L; p++)
      for (int j = 0; j < p->channels; j++) {
        double w = radial(c, e, p->radial + j, 0), w1 = radial(c, e, p->radial + j, 1);
        for (int m1 = 0; m1 < 2 * p->l1 + 1; m1++)
          for (int m3 = 0; m3 < 2 * p->l3 + 1; m3++) {
            size_t ih = (size_t)(neighbor[e] * c->in.size + p->in + m1 * p->in_pitch + j);
            size_t ia = (size_t)(center[e] * c->out.size + p->out + m3 * p->out_pitch + j);
            size_t iq = tile_index(c->n_q, e, p->q + m1 * (2 * p->l3 + 1) + m3);
            if (!a_bar) {
              a[ia] += w * c->h[ih] * c->q[iq];
              continue;
            }
            h_bar[ih] += w * c->q[iq] * a_bar[ia];
            q_bar[iq] += w * c->h[ih] * a_bar[ia];
            r_bar[e] += w1 * c->slope[e] * c->h[ih] * c->q[iq] * a_bar[ia];
          }
      }
}

/* Arguments for edges in the order of the graph's centres or, reversed, of its neighbours. */
typedef struct conv_arrays {
  void *h, *q, *t, *piece;
  const void *row[EDGES];
  int other[EDGES];
  double slope[EDGES];
  conv_args a;
} conv_arrays;

static void prepare_conv(const kernel_ops *k, conv_case *c, const graph *g, int reverse,
                         conv_arrays *s) {
  double *q = doubles(c->n_tile), t[EDGES];
  size_t step = (size_t)(c->orders * c->width) * k->real_size;
  s->h = reals(k, c->h, c->n_h);
  s->piece = reals(k, c->piece, c->n_piece);
  free(reals(k, c->q, c->n_tile));
  for (int i = 0; i < EDGES; i++) {
    int e = reverse ? g->transpose[i] : i;
    s->row[i] = (char *)s->piece + (size_t)e * step;
    s->other[i] = reverse ? center[e] : neighbor[e];
    s->slope[i] = c->slope[e];
    t[i] = c->t[e];
    for (int m = 0; m < c->n_q; m++) q[tile_index(c->n_q, i, m)] = c->q[tile_index(c->n_q, e, m)];
  }
  s->q = reals(k, q, c->n_tile);
  s->t = reals(k, t, EDGES);
  for (int i = 0; i < EDGES; i++) c->t[reverse ? g->transpose[i] : i] = t[i];
  s->a = (conv_args){.n_owner = ATOMS,
                     .first = reverse ? g->back : g->first,
                     .other = s->other,
                     .row = s->row,
                     .t = s->t,
                     .slope = s->slope,
                     .orders = c->orders,
                     .order_stride = c->width,
                     .n_path = N_L * N_L,
                     .n_q = c->n_q,
                     .path = c->path,
                     .q = s->q,
                     .h = s->h,
                     .h_stride = c->in.size,
                     .a_stride = c->out.size};
  free(q);
}

static void free_arrays(conv_arrays *s) { free(s->h), free(s->q), free(s->t), free(s->piece); }

static const int conv_muls[][N_L] = {{10, 16, 10, 10}, {32, 10, 96, 16}, {170, 32, 16, 10}};

Test(edges, convolution_is_the_sum_over_edges) {
  uint64_t seed = 14;
  graph g = make_graph();
  FOR_TABLES(k, 0)
  for (int i = 0; i < 6; i++) {
    conv_case c = make_conv(i < 3 ? RADIAL_VALUE : RADIAL_QUINTIC, conv_muls[i % 3], &seed);
    conv_arrays s;
    prepare_conv(k, &c, &g, 0, &s);
    double *want = doubles(c.n_a);
    conv_reference(&c, NULL, want, NULL, NULL, NULL);
    s.a.a = room(c.n_a, k->real_size);
    k->conv_forward(&s.a);
    expect_close(k, s.a.a, want, c.n_a, 30, "convolution"); /* absent edges and padding give 0 */
    free(s.a.a), free(want);
    free_arrays(&s);
    free_conv(&c);
  }
}

/* Of `s`, ready for conv_reverse. */
static void check_weight_reverse(const kernel_ops *k, const conv_case *c, const graph *g,
                                 const double *a_bar, conv_arrays *s) {
  size_t w = (size_t)c->width;
  double *w_bar = doubles(EDGES * w), *want = doubles(EDGES * w);
  for (int e = 0; e < EDGES; e++)
    for (const conv_path *p = c->path; p < c->path + N_L * N_L; p++)
      for (int j = 0; j < p->channels * (2 * p->l1 + 1) * (2 * p->l3 + 1); j++) {
        int channel = j % p->channels, m = j / p->channels, n3 = 2 * p->l3 + 1;
        int ih = neighbor[e] * c->in.size + p->in + m / n3 * p->in_pitch + channel;
        int ia = center[e] * c->out.size + p->out + m % n3 * p->out_pitch + channel;
        w_bar[(size_t)e * w + (size_t)(p->radial + channel)] +=
            c->h[ih] * c->q[tile_index(c->n_q, e, p->q + m)] * a_bar[ia];
      }
  for (size_t i = 0; i < EDGES; i++)
    memcpy(want + i * w, w_bar + (size_t)g->transpose[i] * w, w * sizeof *want);
  s->a.w_bar = room(EDGES * w, k->real_size);
  s->a.w_stride = c->width;
  k->conv_weight_reverse(&s->a);
  expect_close(k, s->a.w_bar, want, EDGES * w, 100, "convolution, weights' adjoint");
  free(w_bar), free(want), free(s->a.w_bar);
}

static void check_conv_reverse(const kernel_ops *k, conv_case *c, const graph *g, int want_h,
                               uint64_t *seed) {
  conv_arrays s;
  prepare_conv(k, c, g, 1, &s);
  int own[ATOMS] = {0, 1, 2, 3, 4};
  double *a_bar = randoms(c->n_a, seed), *h_bar = doubles(c->n_h), *q_bar = doubles(c->n_tile);
  double *r_bar = doubles(EDGES), *got_r = doubles(EDGES);
  void *h_got = room(c->n_h, k->real_size), *q_got = room(c->n_tile, k->real_size);
  s.a.a = reals(k, a_bar, c->n_a);
  s.a.h_row = own;
  s.a.h_bar = want_h ? h_got : NULL;
  s.a.q_bar = q_got;
  s.a.r_bar = got_r;
  s.a.scratch = room(k->conv_scratch(c->n_q), 1);
  k->conv_reverse(&s.a);
  conv_reference(c, a_bar, NULL, h_bar, q_bar, r_bar);
  if (want_h) expect_close(k, h_got, h_bar, c->n_h, 100, "convolution, features' adjoint");
  check_weight_reverse(k, c, g, a_bar, &s);
  for (int i = 0; i < EDGES; i++) {
    int e = g->transpose[i];
    cr_assert(fabs(got_r[i] - r_bar[e]) < 500 * tolerance(k) * (1 + fabs(r_bar[e])),
              "%s: dE/dr %g, not %g", k->name, got_r[i], r_bar[e]);
    for (int m = 0; m < c->n_q; m++) {
      double want = q_bar[tile_index(c->n_q, e, m)];
      cr_assert(fabs(at(k, q_got, c->n_q, i, m) - want) < 100 * tolerance(k) * (1 + fabs(want)),
                "%s: dE/dQ %g, not %g", k->name, at(k, q_got, c->n_q, i, m), want);
    }
  }
  free(a_bar), free(h_bar), free(q_bar), free(r_bar), free(got_r), free(h_got), free(q_got);
  free(s.a.a), free(s.a.scratch);
  free_arrays(&s);
}

Test(edges, convolution_reverse_is_the_adjoint_sum) {
  uint64_t seed = 15;
  graph g = make_graph();
  FOR_TABLES(k, 0)
  for (int i = 0; i < 6; i++) {
    conv_case c = make_conv(i < 3 ? RADIAL_SLOPE : RADIAL_QUINTIC, conv_muls[i % 3], &seed);
    check_conv_reverse(k, &c, &g, i % 3 < 2, &seed);
    free_conv(&c);
  }
}

/* Scalar features of which no adjoint is wanted: the centres own the edges. */
Test(edges, convolution_reverse_by_center_is_the_adjoint_sum) {
  static const int muls[2][N_L] = {{10}, {170}};
  uint64_t seed = 18;
  graph g = make_graph();
  FOR_TABLES(k, 0)
  for (int i = 0; i < 4; i++) {
    conv_case c = make_conv(i < 2 ? RADIAL_SLOPE : RADIAL_QUINTIC, muls[i % 2], &seed);
    conv_arrays s;
    prepare_conv(k, &c, &g, 0, &s);
    double *a_bar = randoms(c.n_a, &seed), *h_bar = doubles(c.n_h), *q_bar = doubles(c.n_tile);
    double *r_bar = doubles(EDGES), *got_r = doubles(EDGES);
    conv_reference(&c, a_bar, NULL, h_bar, q_bar, r_bar);
    s.a.by_center = 1;
    s.a.n_path = N_L; /* the others have no channels */
    s.a.a = reals(k, a_bar, c.n_a);
    s.a.q_bar = room(c.n_tile, k->real_size);
    s.a.r_bar = got_r;
    s.a.scratch = room(k->conv_scratch(c.n_q), 1);
    k->conv_reverse(&s.a);
    for (int e = 0; e < EDGES; e++) {
      cr_assert(fabs(got_r[e] - r_bar[e]) < 500 * tolerance(k) * (1 + fabs(r_bar[e])),
                "%s: dE/dr %g, not %g", k->name, got_r[e], r_bar[e]);
      for (int m = 0; m < N_L * N_L; m++) {
        double want = q_bar[tile_index(c.n_q, e, m)], got = at(k, s.a.q_bar, c.n_q, e, m);
        cr_assert(fabs(got - want) < 100 * tolerance(k) * (1 + fabs(want)), "%s: dE/dQ %g, not %g",
                  k->name, got, want);
      }
    }
    free(a_bar), free(h_bar), free(q_bar), free(r_bar), free(got_r);
    free(s.a.a), free(s.a.q_bar), free(s.a.scratch);
    free_arrays(&s);
    free_conv(&c);
  }
}

/* The loss <a_bar, A> of the forward kernel with everything moved by h along a direction. */
static double conv_loss(const kernel_ops *k, const conv_case *at_0, const graph *g,
                        const double *d_h, const double *d_q, const double *d_t, double h,
                        const double *a_bar) {
  conv_case c = *at_0;
  conv_arrays s;
  c.h = shifted(at_0->h, d_h, h, c.n_h);
  c.q = shifted(at_0->q, d_q, h, c.n_tile);
  for (int e = 0; e < EDGES; e++) c.t[e] += h * d_t[e] * c.slope[e];
  prepare_conv(k, &c, g, 0, &s);
  double *a = doubles(c.n_a);
  s.a.a = a;
  k->conv_forward(&s.a);
  double loss = dot(a, a_bar, c.n_a);
  free(a), free(c.h), free(c.q);
  free_arrays(&s);
  return loss;
}

Test(edges, convolution_reverse_is_its_derivative) {
  uint64_t seed = 16;
  const double h = 1e-5;
  graph g = make_graph();
  FOR_TABLES(k, 1)
  for (int i = 0; i < 3; i++) {
    conv_case c = make_conv(RADIAL_QUINTIC, conv_muls[i], &seed);
    double *a_bar = randoms(c.n_a, &seed), *d_h = randoms(c.n_h, &seed);
    double *d_q = randoms(c.n_tile, &seed), *d_t = randoms(EDGES, &seed);
    double *h_bar = doubles(c.n_h), *q_bar = doubles(c.n_tile), r_bar[EDGES] = {0};
    int own[ATOMS] = {0, 1, 2, 3, 4};
    conv_arrays s;
    prepare_conv(k, &c, &g, 1, &s);
    s.a.a = a_bar;
    s.a.h_row = own;
    s.a.h_bar = h_bar;
    s.a.q_bar = q_bar;
    s.a.r_bar = r_bar;
    s.a.scratch = room(k->conv_scratch(c.n_q), 1);
    k->conv_reverse(&s.a);
    double slope = dot(h_bar, d_h, c.n_h);
    for (int e = 0; e < EDGES; e++) {
      slope += r_bar[e] * d_t[g.transpose[e]];
      for (int m = 0; m < c.n_q; m++)
        slope += q_bar[tile_index(c.n_q, e, m)] * d_q[tile_index(c.n_q, g.transpose[e], m)];
    }
    expect_slope(k->name, "convolution", slope, conv_loss(k, &c, &g, d_h, d_q, d_t, h, a_bar),
                 conv_loss(k, &c, &g, d_h, d_q, d_t, -h, a_bar), h);
    free(a_bar), free(d_h), free(d_q), free(d_t), free(h_bar), free(q_bar), free(s.a.scratch);
    free_arrays(&s);
    free_conv(&c);
  }
}

/* ---------------------------------------------------------------------------------- density */

Test(edges, density_and_its_reverse) {
  uint64_t seed = 17;
  graph g = make_graph();
  FOR_TABLES(k, 0)
  for (int i = 0; i < 2; i++) {
    conv_case c = make_conv(i ? RADIAL_QUINTIC : RADIAL_SLOPE, conv_muls[0], &seed);
    conv_arrays s;
    double scale[ATOMS], want[ATOMS] = {0}, d_bar[ATOMS], r_bar[EDGES] = {0};
    prepare_conv(k, &c, &g, 0, &s);
    density_args a = {.n_owner = ATOMS,
                      .first = g.first,
                      .other = s.other,
                      .row = s.row,
                      .t = s.t,
                      .slope = s.slope,
                      .orders = c.orders,
                      .order_stride = c.width,
                      .column = 3,
                      .gain = 0.7,
                      .offset = 9,
                      .scale = scale,
                      .density_bar = d_bar,
                      .r_bar = r_bar};
    for (int e = 0; e < EDGES; e++) want[center[e]] += radial(&c, e, 3, 0);
    for (int j = 0; j < ATOMS; j++) d_bar[j] = uniform(&seed);
    k->density_forward(&a);
    k->density_reverse(&a);
    for (int j = 0; j < ATOMS; j++)
      cr_assert(fabs(scale[j] - 1 / (0.7 * want[j] + 9)) < 1e-12, "%s: %g, density %g", k->name,
                scale[j], want[j]);
    for (int e = 0; e < EDGES; e++) {
      double r = d_bar[neighbor[e]] * radial(&c, e, 3, 1) * c.slope[e];
      cr_assert(fabs(r_bar[e] - r) < 1e-12, "%s: dE/dr %g, not %g", k->name, r_bar[e], r);
      r_bar[e] = 0;
    }
    a.by_center = 1;
    k->density_reverse(&a);
    for (int e = 0; e < EDGES; e++) {
      double r = d_bar[center[e]] * radial(&c, e, 3, 1) * c.slope[e];
      cr_assert(fabs(r_bar[e] - r) < 1e-12, "%s: by centre %g, not %g", k->name, r_bar[e], r);
    }
    free_arrays(&s);
    free_conv(&c);
  }
}
