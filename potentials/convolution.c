/* convolution.c -- A_i = sum over edges of R(r) (h_j x Y)_l3, and its reverse over the transpose.
 *
 * A block's edges get lengths, harmonics and couplings Q_p[m1][m3] once; the channels then only see
 * scalars (kernels/convolution.h). The reverse computes, per neighbour j, the adjoint of h_j and
 * per edge dE/dQ and dE/dr, which the geometry turns into dE/d(vector). Where h is a row per
 * element only the latter are wanted, and it walks the edges by centre.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/convolution.h"

#include <math.h>
#include <stdlib.h>

#include "core/device.h"
#include "potentials/wigner.h"

int convolution_paths(const layout *in, int lmax, int l_out, int natural_parity, l_path *out) {
  int n = 0;
  for (int l1 = 0; l1 < N_L; l1++) {
    if (!in->mul[l1]) continue;
    for (int l2 = 0; l2 <= lmax; l2++)
      for (int l3 = abs(l1 - l2); l3 <= l1 + l2 && l3 <= l_out; l3++) {
        if (natural_parity && (l1 + l2 + l3) % 2) continue;
        if (n < PATHS_MAX) out[n] = (l_path){l1, l2, l3};
        n++;
      }
  }
  return n < PATHS_MAX ? n : PATHS_MAX;
}

/* Slots side by side in the rows of their l3, in path order. */
static void lay_out_slots(convolution *c, const l_path *paths) {
  int width[N_L] = {0}, mul[N_L] = {0};
  for (int l = 0; l < N_L; l++)
    for (int p = 0; p < c->n_path; p++) {
      if (paths[p].l3 != l) continue;
      int channels = c->in.mul[paths[p].l1];
      c->slots.block[c->slots.n++] = (struct irrep_block){channels, l, width[l]};
      c->path[p].out = width[l]; /* column; the block's offset is added below */
      width[l] += kernel_padded(channels);
      mul[l] += channels;
    }
  for (int l = 0; l < N_L; l++) {
    c->out.mul[l] = mul[l];
    c->out.pitch[l] = width[l];
    c->out.offset[l] = c->out.size;
    c->out.size += (2 * l + 1) * width[l];
  }
  c->out.size = kernel_row(c->out.size, width[0]);
}

eqs_status convolution_build(convolution *c, const kernel_ops *k, const layout *in, int lmax,
                             int normalize, int n_path, const l_path *paths, int direction,
                             const double *const *coefficients, radial *r) {
  *c = (convolution){.k = k, .in = *in, .lmax = lmax, .normalize = normalize, .n_path = n_path};
  c->radial = r;
  lay_out_slots(c, paths);
  coupling_term *term;
  EQS_TRY(alloc_array(&term, (size_t)n_path * WIGNER_MAX, sizeof *term, "couplings"));
  for (int p = 0, column = 0; p < n_path; column += c->path[p++].channels) {
    int l1 = paths[p].l1, l2 = paths[p].l2, l3 = paths[p].l3;
    int n1 = 2 * l1 + 1, n2 = 2 * l2 + 1, n3 = 2 * l3 + 1;
    double own[WIGNER_MAX];
    wigner_3j(l1, l2, l3, own);
    const double *w = coefficients && coefficients[p] ? coefficients[p] : own;
    double scale = sqrt(n3) * (direction < 0 && l2 % 2 ? -1 : 1);
    for (int m1 = 0; m1 < n1; m1++)
      for (int m3 = 0; m3 < n3; m3++)
        for (int m2 = 0; m2 < n2; m2++) {
          double v = w[(m1 * n2 + m2) * n3 + m3];
          if (v != 0)
            term[c->n_term++] = (coupling_term){c->n_q + m1 * n3 + m3, l2 * l2 + m2, scale * v};
        }
    c->path[p] = (conv_path){.l1 = l1,
                             .l2 = l2,
                             .l3 = l3,
                             .channels = kernel_padded(in->mul[l1]),
                             .in = in->offset[l1],
                             .in_pitch = in->pitch[l1],
                             .out = c->out.offset[l3] + c->path[p].out,
                             .out_pitch = c->out.pitch[l3],
                             .radial = column,
                             .q = c->n_q};
    c->n_q += n1 * n3;
  }
  eqs_status status =
      device_copy(k->device, term, (size_t)c->n_term, sizeof *term, "couplings", &c->term);
  free(term);
  return status;
}

void convolution_free(convolution *c) {
  if (c->k) device_give(c->k->device, &c->term);
  radial_free(&c->radial);
  edge_network_free(&c->network);
}

/* The edges of one block of owners, with everything the kernels want to know of them. */
typedef struct edge_block {
  int n_owner;
  int *first, *edge, *other;
  radial_edges edges;
  void *u, *y, *q;
  radial_rows radial;
  edge_tape tape; /* where features make the weights */
} edge_block;

/* other_row: of the atoms that the edges lead to, or NULL. */
static eqs_status gather_edges(const convolution *c, const batch *b, int begin, int end,
                               int reverse, const int *other_row, arena *scratch, edge_block *s) {
  const neighbors *nb = b->nb;
  const int *first = (reverse ? nb->transpose_first : nb->first) + begin;
  int n = b->blocks ? b->blocks->edges : first[end - begin] - first[0];
  edge_gather_args g = {.n_owner = end - begin,
                        .first = first,
                        .list = reverse ? nb->transpose : NULL,
                        .center = nb->center,
                        .neighbor = nb->neighbor,
                        .other_of = reverse ? nb->center : nb->neighbor,
                        .other_row = other_row,
                        .species = b->species,
                        .radius = c->radius};
  EQS_TRY(arena_take(scratch, (size_t)g.n_owner + 1, sizeof(int), &g.local));
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof(int), &g.edge));
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof(int), &g.other));
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof(int), &g.source));
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof(int), &g.target));
  if (c->radius) EQS_TRY(arena_take(scratch, (size_t)n, sizeof *g.r_sum, &g.r_sum));
  c->k->edge_gather(&g);
  *s = (edge_block){.n_owner = g.n_owner, .first = g.local, .edge = g.edge, .other = g.other};
  s->edges = (radial_edges){.n = n,
                            .n_edge = g.local + g.n_owner,
                            .source = g.source,
                            .target = g.target,
                            .r_sum = g.r_sum};
  return EQS_OK;
}

static eqs_status pick(const convolution *c, const edge_block *s, const int *of, arena *scratch,
                       int **out) {
  edge_pick_args p = {.n = s->edges.n, .n_edge = s->edges.n_edge, .edge = s->edge, .of = of};
  EQS_TRY(arena_take(scratch, (size_t)p.n, sizeof *p.out, &p.out));
  c->k->edge_pick(&p);
  *out = p.out;
  return EQS_OK;
}

/* Weights from an edge network, as rows of values. The reverse pass gets dE/dr through the network,
 * not through the rows: the value stands in for their slope, and dt/dr is 0. */
static eqs_status apply_network(const convolution *c, const batch *b, const edge_features *f,
                                int reverse, arena *scratch, edge_block *s) {
  int *source, *target;
  EQS_TRY(pick(c, s, b->nb->neighbor, scratch, &source));
  EQS_TRY(pick(c, s, b->nb->center, scratch, &target));
  EQS_TRY(edge_network_forward(c->network, &s->edges, source, f->source, target, f->target, scratch,
                               &s->tape));
  EQS_TRY(radial_point_to(c->k, &s->edges, s->tape.weight, (size_t)edge_network_width(c->network),
                          0, scratch, &s->radial));
  s->radial.orders = reverse ? RADIAL_SLOPE : RADIAL_VALUE;
  s->radial.order_stride = 0;
  return EQS_OK;
}

static eqs_status measure_edges(const convolution *c, const batch *b, int reverse,
                                const edge_features *f, arena *scratch, edge_block *s) {
  const kernel_ops *k = c->k;
  size_t n = (size_t)s->edges.n, tiled = kernel_tiles(n) * KERNEL_EDGE_TILE;
  int n_y = (c->lmax + 1) * (c->lmax + 1);
  double *r;
  EQS_TRY(arena_take(scratch, n, sizeof *r, &r));
  EQS_TRY(arena_take(scratch, tiled * 3, k->real_size, &s->u));
  EQS_TRY(arena_take(scratch, tiled * (size_t)n_y, k->real_size, &s->y));
  EQS_TRY(arena_take(scratch, tiled * (size_t)c->n_q, k->real_size, &s->q));
  edge_geometry_args g = {.n = s->edges.n,
                          .n_edge = s->edges.n_edge,
                          .edge = s->edge,
                          .vector = (const double(*)[3])b->nb->vector,
                          .lmax = c->lmax,
                          .normalize = c->normalize,
                          .r = r,
                          .u = s->u,
                          .y = s->y};
  k->edge_geometry(&g);
  s->edges.r = r;
  coupling_args q = {.n = s->edges.n,
                     .n_edge = s->edges.n_edge,
                     .n_y = n_y,
                     .n_q = c->n_q,
                     .n_term = c->n_term,
                     .term = c->term,
                     .y = s->y,
                     .q = s->q};
  k->coupling_forward(&q);
  if (f) return apply_network(c, b, f, reverse, scratch, s);
  return radial_locate(c->radial, &s->edges, reverse, scratch, &s->radial);
}

static conv_args conv_arguments(const convolution *c, const edge_block *s) {
  return (conv_args){.n_owner = s->n_owner,
                     .first = s->first,
                     .other = s->other,
                     .row = s->radial.row,
                     .t = s->radial.t,
                     .slope = s->radial.slope,
                     .orders = s->radial.orders,
                     .order_stride = s->radial.order_stride,
                     .n_path = c->n_path,
                     .n_q = c->n_q,
                     .path = c->path,
                     .q = s->q,
                     .h_stride = c->in.size,
                     .a_stride = c->out.size};
}

static density_args density_arguments(const convolution *c, const edge_block *s) {
  return (density_args){.n_owner = s->n_owner,
                        .first = s->first,
                        .other = s->other,
                        .row = s->radial.row,
                        .t = s->radial.t,
                        .slope = s->radial.slope,
                        .orders = s->radial.orders,
                        .order_stride = s->radial.order_stride,
                        .column = radial_density_column(c->radial)};
}

static eqs_status forward(const convolution *c, const batch *b, int begin, int end, const void *h,
                          const int *h_row, const edge_features *f, void *a, const density_use *use,
                          arena *scratch) {
  const arena_mark mark = arena_here(scratch);
  edge_block s;
  EQS_TRY(gather_edges(c, b, begin, end, 0, h_row, scratch, &s));
  EQS_TRY(measure_edges(c, b, 0, f, scratch, &s));
  conv_args v = conv_arguments(c, &s);
  v.h = h;
  v.a = a;
  c->k->conv_forward(&v);
  if (use) {
    density_args d = density_arguments(c, &s);
    d.gain = use->gain;
    d.offset = use->offset;
    d.scale = use->scale;
    c->k->density_forward(&d);
  }
  arena_release(scratch, mark);
  return EQS_OK;
}

eqs_status convolution_forward(const convolution *c, const batch *b, int begin, int end,
                               const void *h, const int *h_row, void *a, const density_use *density,
                               arena *scratch) {
  return forward(c, b, begin, end, h, h_row, NULL, a, density, scratch);
}

eqs_status convolution_forward_features(const convolution *c, const batch *b, int begin, int end,
                                        const void *h, const edge_features *f, void *a,
                                        arena *scratch) {
  return forward(c, b, begin, end, h, NULL, f, a, NULL, scratch);
}

/* Through the edge network: v->r_bar, and the adjoint of the rows that the atoms gave. */
static eqs_status reverse_network(const convolution *c, const edge_block *s, const edge_features *f,
                                  conv_args *v, arena *scratch) {
  const kernel_ops *k = c->k;
  int width = edge_network_features(c->network);
  void *sum_bar;
  v->w_stride = edge_network_width(c->network);
  EQS_TRY(arena_take(scratch, mul_size((size_t)s->edges.n, (size_t)v->w_stride), k->real_size,
                     &v->w_bar));
  EQS_TRY(arena_take(scratch, mul_size((size_t)s->edges.n, (size_t)width), k->real_size, &sum_bar));
  k->conv_weight_reverse(v);
  EQS_TRY(edge_network_reverse(c->network, &s->tape, v->w_bar, v->r_bar, sum_bar, scratch));
  row_args copy = {.n = s->edges.n,
                   .n_row = s->edges.n_edge,
                   .width = width,
                   .to = s->edge,
                   .x = sum_bar,
                   .x_stride = width,
                   .y = f->edge_bar,
                   .y_stride = width};
  k->row_copy(&copy);
  row_sum_args sum = {
      .n = s->n_owner, .width = width, .first = s->first, .x = sum_bar, .y = f->source_bar};
  k->row_sum(&sum);
  return EQS_OK;
}

static eqs_status reverse(const convolution *c, const batch *b, int begin, int end, const void *h,
                          const int *h_row, const edge_features *f, const void *a_bar,
                          const double *density_bar, void *h_bar, double (*gradient)[3],
                          arena *scratch) {
  const kernel_ops *k = c->k;
  const arena_mark mark = arena_here(scratch);
  edge_block s;
  /* Where the adjoint of h is not wanted (rows of elements), the centres own the edges, so that the
   * adjoint aggregate is read once per atom. */
  int by_center = !h_bar && !f && convolution_by_center(c);
  EQS_TRY(gather_edges(c, b, begin, end, !by_center, by_center ? h_row : NULL, scratch, &s));
  EQS_TRY(measure_edges(c, b, 1, f, scratch, &s));
  size_t n = (size_t)s.edges.n, tiled = kernel_tiles(n) * KERNEL_EDGE_TILE;
  int n_y = (c->lmax + 1) * (c->lmax + 1);
  conv_args v = conv_arguments(c, &s);
  EQS_TRY(arena_take_zero(scratch, tiled * (size_t)c->n_q, k->real_size, &v.q_bar));
  EQS_TRY(arena_take_zero(scratch, n, sizeof *v.r_bar, &v.r_bar));
  EQS_TRY(arena_take(scratch, k->conv_scratch(c->n_q), 1, &v.scratch));
  v.by_center = by_center;
  v.h = h;
  v.a = (char *)(uintptr_t)a_bar;
  if (by_center) {
    v.a = (char *)v.a + (size_t)begin * (size_t)c->out.size * k->real_size;
  } else if (h_row) {
    v.h_row = h_row + begin;
  } else {
    v.h = (const char *)h + (size_t)begin * (size_t)c->in.size * k->real_size;
  }
  v.h_bar = h_bar;
  k->conv_reverse(&v);
  if (f) EQS_TRY(reverse_network(c, &s, f, &v, scratch));
  if (density_bar) {
    density_args d = density_arguments(c, &s);
    d.by_center = by_center;
    d.density_bar = density_bar + (by_center ? begin : 0);
    d.r_bar = v.r_bar;
    k->density_reverse(&d);
  }
  coupling_args q = {.n = s.edges.n,
                     .n_edge = s.edges.n_edge,
                     .n_y = n_y,
                     .n_q = c->n_q,
                     .n_term = c->n_term,
                     .term = c->term,
                     .y = s.y,
                     .q = v.q_bar};
  k->coupling_reverse(&q);
  edge_gradient_args g = {.n = s.edges.n,
                          .n_edge = s.edges.n_edge,
                          .edge = s.edge,
                          .lmax = c->lmax,
                          .normalize = c->normalize,
                          .r = s.edges.r,
                          .u = s.u,
                          .y_bar = s.y,
                          .r_bar = v.r_bar,
                          .gradient = gradient};
  k->edge_gradient(&g);
  arena_release(scratch, mark);
  return EQS_OK;
}

eqs_status convolution_reverse(const convolution *c, const batch *b, int begin, int end,
                               const void *h, const int *h_row, const void *a_bar,
                               const double *density_bar, void *h_bar, double (*gradient)[3],
                               arena *scratch) {
  return reverse(c, b, begin, end, h, h_row, NULL, a_bar, density_bar, h_bar, gradient, scratch);
}

eqs_status convolution_reverse_features(const convolution *c, const batch *b, int begin, int end,
                                        const void *h, const edge_features *f, const void *a_bar,
                                        void *h_bar, double (*gradient)[3], arena *scratch) {
  return reverse(c, b, begin, end, h, NULL, f, a_bar, NULL, h_bar, gradient, scratch);
}
