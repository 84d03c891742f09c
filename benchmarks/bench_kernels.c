/* bench_kernels.c -- time, rate and share of the machine's roof of every kernel that matters.
 *
 * usage: bench_kernels MODEL.model [--isa NAME] [--edges N] [--csv] [--cycles]
 *
 * The kernels run, one thread, on the shapes, couplings and tables of a MACE model and one block of
 * atoms with N edges each (28). Operations and bytes come from formulas over the shapes: what must
 * be computed and moved, every array once per use. The roof is min(FMA peak, bandwidth x
 * operations / bytes), peak and second-level cache bandwidth measured in the same run. The last
 * line counts what a whole evaluation of energy and forces must compute per atom, by the same
 * formulas: convolution, contraction and linear maps, forward and reverse; bench_evaluate times it.
 * With --cycles a second is 10^9 cycles of the program's own, so that other processes disturb less.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/roof.h"
#include "potentials/mace_parts.h"

enum { ATOMS = 16, EDGES_MAX = 512, TRIALS = 300 };

typedef struct bench {
  const kernel_ops *k;
  const mace *m;
  const mace_layer *l;
  arena scratch;
  roof roof;
  int csv, layer, n_edge, per_atom;
  double flops; /* of a whole evaluation, per atom */
  double (*vector)[3];
  int first[ATOMS + 1], *edge, *other, *species, row[ATOMS];
} bench;

typedef void work(void *argument);

static void check(eqs_status status) {
  if (status == EQS_OK) return;
  fprintf(stderr, "bench_kernels: %s\n", eqs_error());
  exit(1);
}

static double uniform(void) {
  static uint64_t state = 7;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) / 4503599627370496.0 - 1;
}

static void *reals(bench *b, size_t n) {
  double *x;
  void *out;
  check(alloc_array(&x, n, sizeof *x, "numbers"));
  for (size_t i = 0; i < n; i++) x[i] = uniform();
  check(arena_take(&b->scratch, n, b->k->real_size, &out));
  b->k->convert(x, n, out);
  free(x);
  return out;
}

/* Shortest of short batches: the least chance of being disturbed. */
static double time_of(work *run, void *argument) {
  double best = 1e9;
  int n = 1;
  run(argument);
  for (int trial = 0; trial < TRIALS; trial++) {
    double begin = roof_clock(), took;
    for (int i = 0; i < n; i++) run(argument);
    took = roof_clock() - begin;
    if (took / n < best) best = took / n;
    if (took < 2e-4 && n < 10000) n = took < 4e-6 ? n * 100 : (int)(n * 8e-4 / took) + 1;
  }
  return best;
}

static void report(const bench *b, const char *name, work *run, void *argument, double flops,
                   double bytes) {
  double seconds = time_of(run, argument), peak = b->roof.fma, memory = b->roof.bandwidth;
  double limit = memory * flops / bytes < peak ? memory * flops / bytes : peak;
  printf(b->csv
             ? "%s,%d,%s,%.4g,%.4g,%.4g,%.4g,%.4g\n"
             : "%-22s layer %d  %-14s %9.2f us  %8.2f GFLOP/s  %9.0f FLOP  %9.0f bytes  %4.0f %%\n",
         name, b->layer, b->k->name, 1e6 * seconds, 1e-9 * flops / seconds, flops, bytes,
         100 * flops / seconds / limit);
}

#define RUN(op, args)                                                                              \
  typedef struct op##_case {                                                                       \
    const kernel_ops *k;                                                                           \
    args a;                                                                                        \
  } op##_case;                                                                                     \
  static void run_##op(void *p) {                                                                  \
    op##_case *c = p;                                                                              \
    c->k->op(&c->a);                                                                               \
  }
RUN(edge_geometry, edge_geometry_args)
RUN(edge_gradient, edge_gradient_args)
RUN(coupling_forward, coupling_args)
RUN(coupling_reverse, coupling_args)
RUN(conv_forward, conv_args)
RUN(conv_reverse, conv_args)
RUN(contraction_forward, contraction_args)
RUN(contraction_reverse, contraction_args)
RUN(linear, linear_args)

/* ------------------------------------------------------------------------------------- edges */

static void make_edges(bench *b, double r_max) {
  int n = b->n_edge = ATOMS * b->per_atom;
  check(alloc_array(&b->vector, (size_t)n, sizeof *b->vector, "edges"));
  check(alloc_array(&b->edge, (size_t)n, sizeof *b->edge, "edges"));
  check(alloc_array(&b->other, (size_t)n, sizeof *b->other, "edges"));
  check(alloc_array(&b->species, (size_t)n, sizeof *b->species, "edges"));
  for (int i = 0; i <= ATOMS; i++) b->first[i] = i * b->per_atom;
  for (int i = 0; i < ATOMS; i++) b->row[i] = i;
  for (int e = 0; e < n; e++) {
    double r2 = 0;
    b->edge[e] = e;
    b->other[e] = (e * 7) % ATOMS;
    while (!(r2 > 1 && r2 < r_max * r_max)) {
      r2 = 0;
      for (int d = 0; d < 3; d++) b->vector[e][d] = r_max * uniform();
      for (int d = 0; d < 3; d++) r2 += b->vector[e][d] * b->vector[e][d];
    }
  }
}

typedef struct locate_case {
  const convolution *c;
  const bench *b;
  const double *r;
  arena scratch;
  radial_rows rows;
} locate_case;

static void run_locate(void *p) {
  locate_case *c = p;
  radial_edges edges = {.n = c->b->n_edge,
                        .n_edge = &c->b->n_edge,
                        .r = c->r,
                        .source = c->b->species,
                        .target = c->b->species};
  arena_reset(&c->scratch);
  check(radial_locate(c->c->radial, &edges, 1, &c->scratch, &c->rows));
}

/* A path's share of operations on one edge and channel. */
static double path_flops(const conv_path *p, int orders, int reverse) {
  int n1 = 2 * p->l1 + 1, n3 = 2 * p->l3 + 1;
  double piece = 2.0 * (orders - 1);
  if (!reverse) return piece + n1 + 2.0 * n1 * n3;
  return 2 * piece + n1 * (6 + 4.0 * n3); /* value and slope; w x, slope, h_bar; back and sums */
}

static void bench_convolution(bench *b, const convolution *c, const radial_rows *rows, void *q) {
  const kernel_ops *k = b->k;
  double n = b->n_edge, real = (double)k->real_size, flops[2] = {0, 0};
  size_t tiled = kernel_tiles((size_t)b->n_edge) * KERNEL_EDGE_TILE;
  conv_args a = {.n_owner = ATOMS,
                 .first = b->first,
                 .other = b->other,
                 .row = rows->row,
                 .t = rows->t,
                 .slope = rows->slope,
                 .orders = rows->orders,
                 .order_stride = rows->order_stride,
                 .n_path = c->n_path,
                 .n_q = c->n_q,
                 .path = c->path,
                 .q = q,
                 .h = reals(b, (size_t)(ATOMS * c->in.size)),
                 .h_stride = c->in.size,
                 .h_row = b->row,
                 .a = reals(b, (size_t)(ATOMS * c->out.size)),
                 .a_stride = c->out.size};
  for (int p = 0; p < c->n_path; p++)
    for (int d = 0; d < 2; d++)
      flops[d] += n * c->path[p].channels * path_flops(c->path + p, a.orders, d);
  b->flops += (flops[0] + flops[1]) / ATOMS;
  double edge = (double)a.orders * a.order_stride + c->n_q;
  conv_forward_case f = {k, a};
  report(b, "convolution", run_conv_forward, &f, flops[0],
         real * (n * (edge + c->in.size) + (double)ATOMS * c->out.size));
  a.h_bar = b->layer ? reals(b, (size_t)(ATOMS * c->in.size)) : NULL;
  a.q_bar = reals(b, tiled * (size_t)c->n_q);
  check(arena_take_zero(&b->scratch, (size_t)b->n_edge, sizeof *a.r_bar, &a.r_bar));
  check(arena_take(&b->scratch, k->conv_scratch(c->n_q), 1, &a.scratch));
  conv_reverse_case r = {k, a};
  report(b, "convolution, reverse", run_conv_reverse, &r, flops[1],
         real * (n * (edge + c->n_q + c->out.size) + 3.0 * ATOMS * c->in.size));
}

static void bench_edges(bench *b, const convolution *c) {
  const kernel_ops *k = b->k;
  double n = b->n_edge, real = (double)k->real_size;
  size_t tiled = kernel_tiles((size_t)b->n_edge) * KERNEL_EDGE_TILE;
  int n_y = (c->lmax + 1) * (c->lmax + 1);
  edge_geometry_case g = {k,
                          {.n = b->n_edge,
                           .n_edge = &b->n_edge,
                           .edge = b->edge,
                           .vector = (const double(*)[3])b->vector,
                           .lmax = c->lmax,
                           .normalize = c->normalize,
                           .u = reals(b, 3 * tiled),
                           .y = reals(b, tiled * (size_t)n_y)}};
  check(arena_take(&b->scratch, (size_t)b->n_edge, sizeof(double), &g.a.r));
  /* About ten operations for length and direction, three per harmonic; five in reverse. */
  report(b, "geometry", run_edge_geometry, &g, n * (10 + 3 * n_y), n * (32 + real * (3 + n_y)));
  edge_gradient_case d = {k,
                          {.n = b->n_edge,
                           .n_edge = &b->n_edge,
                           .edge = b->edge,
                           .lmax = c->lmax,
                           .normalize = c->normalize,
                           .r = g.a.r,
                           .u = g.a.u,
                           .y_bar = g.a.y,
                           .r_bar = g.a.r,
                           .gradient = NULL}};
  check(arena_take_zero(&b->scratch, (size_t)b->n_edge, sizeof *d.a.gradient, &d.a.gradient));
  report(b, "geometry, reverse", run_edge_gradient, &d, n * (15 + 5 * n_y),
         n * (64 + real * (3 + n_y)));
  coupling_args q = {.n = b->n_edge,
                     .n_edge = &b->n_edge,
                     .n_y = n_y,
                     .n_q = c->n_q,
                     .n_term = c->n_term,
                     .term = c->term,
                     .y = g.a.y,
                     .q = reals(b, tiled * (size_t)c->n_q)};
  coupling_forward_case qf = {k, q};
  coupling_reverse_case qr = {k, q};
  report(b, "coupling", run_coupling_forward, &qf, 2 * n * c->n_term, n * real * (n_y + c->n_q));
  report(b, "coupling, reverse", run_coupling_reverse, &qr, 2 * n * c->n_term,
         n * real * (n_y + c->n_q));
  run_edge_geometry(&g);
  locate_case t = {.c = c, .b = b, .r = g.a.r};
  report(b, "radial pieces", run_locate, &t, 4 * n, n * (32 + real));
  bench_convolution(b, c, &t.rows, q.q);
  arena_free(&t.scratch);
}

/* ------------------------------------------------------------------------------------- nodes */

/* Operations per channel: a product and a sum for every factor; in reverse its derivative too. */
static double contraction_flops(const contraction *c, int reverse) {
  const int *code = c->program;
  double a = 0, b = 0, d = 0;
  for (int out = 0; out < c->n_output; out++) {
    int n_a = code[1];
    code += 2;
    for (int ia = 0; ia < n_a; ia++) {
      for (code++, a++; *code;) {
        int n_c = code[0] / 2, n_b = code[1];
        code += 2 + n_b;
        b += n_b;
        d += n_b * n_c;
      }
      code++;
    }
  }
  return reverse ? 3 * a + 5 * b + 4 * d : 2 * (a + b + d);
}

static void bench_contraction(bench *b, const contraction *c, const void *coefficient) {
  double real = (double)b->k->real_size, channels = c->channels;
  int a_row = kernel_row(c->dimension * c->channels, c->channels);
  contraction_args a = {.n_atom = ATOMS,
                        .atom = b->row,
                        .channels = c->channels,
                        .n_a = c->dimension,
                        .n_output = c->n_output,
                        .n_monomial = c->n_monomial,
                        .n_forward = c->n_forward,
                        .program = c->program,
                        .reverse = c->program + c->reverse,
                        .coefficient = coefficient,
                        .a = reals(b, (size_t)(ATOMS * a_row)),
                        .a_stride = a_row,
                        .b = reals(b, (size_t)(ATOMS * c->out.size)),
                        .b_stride = c->out.size};
  double bytes = real * (c->n_forward * channels + ATOMS * (c->dimension * channels + c->out.size));
  b->flops += channels * (contraction_flops(c, 0) + contraction_flops(c, 1));
  contraction_forward_case f = {b->k, a};
  report(b, "contraction", run_contraction_forward, &f, ATOMS * channels * contraction_flops(c, 0),
         bytes);
  a.a_bar = reals(b, (size_t)(ATOMS * a_row));
  contraction_reverse_case r = {b->k, a};
  report(b, "contraction, reverse", run_contraction_reverse, &r,
         ATOMS * channels * contraction_flops(c, 1),
         bytes + real * ATOMS * c->dimension * channels);
}

/* Operations of a map on one atom, in one direction. */
static double map_flops(const linear_map *map) {
  double flops = 0;
  for (int l = 0; map->k && l < N_L; l++)
    if (map->forward[l]) flops += 2.0 * (2 * l + 1) * map->in.pitch[l] * map->out.pitch[l];
  return flops;
}

/* Those of a layer which every atom needs, forward and reverse. The first layer's input depends on
 * the element alone. */
static double layer_flops(const bench *b, const mace_layer *l) {
  double mix = map_flops(l->residual ? &l->mix : l->by_element);
  double skip = !l->use_sc ? 0 : l->skip.k ? map_flops(&l->skip) : map_flops(l->by_element);
  return 2 * (mix + map_flops(&l->product) + (b->layer ? map_flops(&l->up) + skip : 0));
}

static void bench_linear(bench *b, const linear_map *map) {
  double real = (double)b->k->real_size;
  for (int l = 0; l < N_L; l++) {
    char name[32];
    int k = map->in.pitch[l], n = map->out.pitch[l], rows = ATOMS * (2 * l + 1);
    if (!map->forward[l]) continue;
    linear_case c = {b->k,
                     {.n_atom = ATOMS,
                      .n_m = 2 * l + 1,
                      .k = k,
                      .n = n,
                      .in = reals(b, (size_t)(ATOMS * map->in.size)),
                      .out = reals(b, (size_t)(ATOMS * map->out.size)),
                      .in_stride = map->in.size,
                      .in_pitch = k,
                      .out_stride = map->out.size,
                      .out_pitch = n,
                      .weight = map->forward[l]}};
    snprintf(name, sizeof name, "linear %dx%d l=%d", k, n, l);
    report(b, name, run_linear, &c, 2.0 * rows * k * n,
           real * ((double)k * n + (double)rows * (k + n)));
  }
}

static void bench_model(bench *b, potential *p) {
  const mace *m = b->m = (const mace *)p;
  unsigned char *present;
  check(alloc_array(&present, (size_t)m->n_element, 1, "elements"));
  present[0] = 1;
  check(p->ops->prepare(p, present));
  make_edges(b, p->info.cutoff);
  printf(b->csv ? "kernel,layer,table,us,gflops,flop,bytes,percent_of_roof\n"
                : "%s: FMA peak %.1f GFLOP/s, cache bandwidth %.1f GB/s\n",
         b->k->name, 1e-9 * b->roof.fma, 1e-9 * b->roof.bandwidth);
  for (b->layer = 0; b->layer < m->n_layer; b->layer++) {
    const mace_layer *l = m->layer + b->layer;
    arena_reset(&b->scratch);
    bench_edges(b, &l->conv);
    bench_linear(b, &l->mix);
    bench_contraction(b, &l->contraction, l->coefficient[0]);
    b->flops += layer_flops(b, l);
  }
  printf(b->csv ? "evaluation of an atom,,%s,%.4g,%.4g,%.4g,,100\n"
                : "evaluation of an atom           %-14s %9.2f us at %.2f GFLOP/s, %.0f FLOP\n",
         b->k->name, 1e6 * b->flops / b->roof.fma, 1e-9 * b->roof.fma, b->flops);
  free(present);
}

int main(int argc, char **argv) {
  bench b = {.per_atom = 28, .k = kernels_host(0)};
  const char *path = NULL;
  torch_archive *archive;
  potential *p;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--csv")) b.csv = 1;
    else if (!strcmp(argv[i], "--cycles") && roof_count_cycles()) {
      fprintf(stderr, "bench_kernels: this system counts no cycles for us\n");
      return 1;
    } else if (!strcmp(argv[i], "--cycles")) continue;
    else if (!strcmp(argv[i], "--isa") && i + 1 < argc) b.k = kernels_host_named(argv[++i], 0);
    else if (!strcmp(argv[i], "--edges") && i + 1 < argc) b.per_atom = atoi(argv[++i]);
    else path = argv[i];
  }
  if (!path || !b.k || b.per_atom < 1 || b.per_atom > EDGES_MAX) {
    fprintf(stderr,
            "usage: bench_kernels MODEL.model [--isa NAME] [--edges N] [--csv] [--cycles]\n");
    return 2;
  }
  eqs_model_options options = {.size = sizeof options};
  check(torch_archive_open(path, &archive));
  if (!mace_is(torch_archive_root(archive))) {
    fprintf(stderr, "bench_kernels: %s is no MACE model\n", path);
    return 1;
  }
  check(mace_load(archive, &options, b.k, &p));
  b.roof = roof_measure(b.k->name);
  bench_model(&b, p);
  p->ops->free(p);
  torch_archive_free(&archive);
  arena_free(&b.scratch);
  free(b.vector), free(b.edge), free(b.other), free(b.species);
  return 0;
}
