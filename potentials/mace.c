/* mace.c -- energies and forces of MACE.
 *
 * Layer t (Batatia et al. 2022, eq. 8-13):
 *   M_i   = sum over neighbours j of R(r_ij) up(h_j) Y(r_ij)    convolution
 *   A_i   = mix(M_i) / number of neighbours, or / (density + 1)  one matrix, or one per element
 *           non-linear blocks: then + residual(up(h_i)), a gate, one more matrix
 *   B_i   = symmetric contraction of A_i, weights of z_i
 *   h_i'  = product(B_i) [+ skip_z(h_i)]                         (residual blocks)
 *   E_i  += readout(h_i')
 * Attention blocks: R depends on h_i and h_j as well, through one row of each atom
 * (edge_network.h). Aggregates live only in the block in hand. The last layer is reversed in the
 * same pass; of earlier layers the messages are kept if they are small, else computed again. What
 * crosses blocks is h, up(h), the rows of attention, their adjoints, and the adjoint aggregate of
 * one layer, gathered per neighbour.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/device.h"
#include "potentials/halo.h"
#include "potentials/mace_parts.h"
#include "potentials/species_groups.h"

/* Messages of a layer are kept for the reverse pass up to the first size (16,000 atoms of 128x0e,
 * lmax 3, in single precision), of larger systems those of as many atoms as the others allow; the
 * rest are computed again, where memory counts for more than the fifth of the time they save. A
 * device needs some of it for its larger blocks. */
enum { KEEP_BYTES = 128 << 20, KEEP_BYTES_PER_ATOM = 3072, DEVICE_KEEP_BYTES_PER_ATOM = 1536 };

/* One evaluation. Arrays over all atoms; [t] belongs to the features that layer t makes, `up[t]` to
 * those that layer t reads. */
typedef struct pass {
  const mace *m;
  const batch *b;
  const kernel_ops *k;
  double *energies, (*gradient)[3];
  int layer, from; /* from: blocks before it are not in hand */
  void *up[LAYERS_MAX], *h[LAYERS_MAX], *h_bar[LAYERS_MAX];
  void *attend_from[LAYERS_MAX], *attend_to[LAYERS_MAX];
  void *kept[LAYERS_MAX]; /* messages before the density scales them */
  int n_kept[LAYERS_MAX]; /* of atoms 0 .. n_kept - 1 */
  double *kept_scale[LAYERS_MAX];
  void *a_bar;
  void *up_bar; /* where it travels: see sends_up */
  double *density_bar;
  void *edge_bar; /* attention: [n_edge][row] of one layer */
} pass;

/* Ghosts: what crosses domains is up(h), which is all that a layer reads of neighbours, or h, where
 * their rows of attention are made of it as well. Back comes the adjoint of h, which asks for
 * nothing more at its owner, unless that of up(h) is smaller. */
static int sends_up(const mace_layer *l) { return !l->conv.network; }
static int returns_up(const mace_layer *l) {
  return !l->conv.network && l->up.out.size < l->up.in.size;
}

static int row_size(const mace_layer *l, int reverse) {
  return (reverse ? returns_up(l) : sends_up(l)) ? l->up.out.size : l->up.in.size;
}

int mace_exchanged(const potential *base, int layer, int reverse) {
  return row_size(((const mace *)base)->layer + layer, reverse);
}

static device *device_of(const pass *p) { return p->k->device; }

static void *row_at(const kernel_ops *k, const void *p, int row, int stride) {
  return (char *)(uintptr_t)p + (size_t)row * (size_t)stride * k->real_size;
}

static void zero_rows(const pass *p, int n, const layout *a, void *x) {
  device_of(p)->ops->zero(device_of(p), x, (size_t)n * (size_t)a->size * p->k->real_size);
}

static eqs_status take_rows(arena *s, const kernel_ops *k, int n, const layout *a, void *out) {
  return arena_take(s, (size_t)n * (size_t)a->size, k->real_size, out);
}

/* Everything that a block of one layer holds between forward and reverse. */
typedef struct node_block {
  int begin, n;
  species_groups groups;
  void *x;     /* mixed aggregate before the density scales it */
  void *gated; /* non-linear: what the gate sees */
  void *a, *h;
  double *scale; /* 1 / (slope D + offset) */
} node_block;

/* The element's map on the rows of a block, per species. */
static void by_element_forward(const mace_layer *l, const species_groups *g, const int *row,
                               const void *x, void *y, int accumulate) {
  for (int s = 0; s < g->n; s++) {
    int first = g->first[s], n = g->first[s + 1] - first;
    linear_map_forward(&l->by_element[g->species[s]], n, row + first, x, g->local + first, y,
                       accumulate);
  }
}

static void by_element_reverse(const mace_layer *l, const species_groups *g, const int *row,
                               const void *y_bar, void *x_bar) {
  for (int s = 0; s < g->n; s++) {
    int first = g->first[s], n = g->first[s + 1] - first;
    linear_map_reverse(&l->by_element[g->species[s]], n, g->local + first, y_bar, row + first,
                       x_bar, 0);
  }
}

static eqs_status aggregate(const pass *p, node_block *s, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  const arena_mark mark = arena_here(scratch);
  void *sum;
  EQS_TRY(take_rows(scratch, k, s->n, &l->conv.out, &sum));
  if (l->conv.network) {
    edge_features f = {.source = p->attend_from[p->layer], .target = p->attend_to[p->layer]};
    EQS_TRY(convolution_forward_features(&l->conv, p->b, s->begin, s->begin + s->n, p->up[p->layer],
                                         &f, sum, scratch));
  } else {
    density_use use = {l->density_slope, l->density_offset, s->scale};
    EQS_TRY(convolution_forward(&l->conv, p->b, s->begin, s->begin + s->n, p->up[p->layer],
                                p->layer ? NULL : p->b->species, sum, s->scale ? &use : NULL,
                                scratch));
  }
  if (l->residual) linear_map_forward(&l->mix, s->n, NULL, sum, NULL, s->x, 0);
  else by_element_forward(l, &s->groups, s->groups.local, sum, s->x, 0);
  arena_release(scratch, mark);
  return EQS_OK;
}

/* s->x: the rows where these atoms' adjoint aggregate will be, which is written last, if there are
 * such and they are wide enough. */
static eqs_status take_mixed(const pass *p, node_block *s, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  if (!p->a_bar || l->mixed.size > l->conv.out.size)
    return take_rows(scratch, p->k, s->n, &l->mixed, &s->x);
  s->x = row_at(p->k, p->a_bar, s->begin, l->conv.out.size);
  return EQS_OK;
}

/* s->x, s->scale and s->a: computed, or (`known`) taken from what the forward pass kept. */
static eqs_status make_message(const pass *p, node_block *s, int known, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  int kept = s->begin + s->n <= p->n_kept[p->layer];
  s->scale = NULL;
  if (kept) {
    s->x = row_at(k, p->kept[p->layer], s->begin, l->mixed.size);
    if (l->density) s->scale = p->kept_scale[p->layer] + s->begin;
  } else {
    EQS_TRY(take_mixed(p, s, scratch));
    if (l->density) EQS_TRY(arena_take(scratch, (size_t)s->n, sizeof *s->scale, &s->scale));
  }
  if (!kept || !known) EQS_TRY(aggregate(p, s, scratch));
  s->a = s->x;
  if (s->scale) {
    EQS_TRY(take_rows(scratch, k, s->n, &l->mixed, &s->a));
    scale_args f = {.n = s->n,
                    .width = layout_columns(&l->mixed),
                    .stride = l->mixed.size,
                    .factor = s->scale,
                    .x = s->x,
                    .y = s->a};
    k->scale_forward(&f);
  }
  if (!l->non_linear) return EQS_OK;
  s->gated = s->a;
  EQS_TRY(take_rows(scratch, k, s->n, &l->message, &s->a));
  const void *up = p->up[p->layer];
  const int *row = p->b->species + s->begin;
  if (p->layer) up = row_at(k, up, s->begin, l->up.out.size), row = NULL;
  return mace_nonlinear_forward(l->non_linear, s->n, row, up, s->gated, s->a, scratch);
}

static const void *coefficients(const mace_layer *l, int species) {
  return l->coefficient[l->n_weight_element == 1 ? 0 : species];
}

static eqs_status make_features(const pass *p, node_block *s, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  const species_groups *g = &s->groups;
  void *b;
  EQS_TRY(take_rows(scratch, k, s->n, &l->product.out, &s->h));
  const arena_mark mark = arena_here(scratch);
  EQS_TRY(take_rows(scratch, k, s->n, &l->contraction.out, &b));
  for (int i = 0; i < g->n; i++)
    contraction_forward(&l->contraction, g->first[i + 1] - g->first[i], g->local + g->first[i],
                        coefficients(l, g->species[i]), s->a, b);
  linear_map_forward(&l->product, s->n, NULL, b, NULL, s->h, 0);
  arena_release(scratch, mark);
  if (!l->use_sc) return EQS_OK;
  if (p->layer && l->skip.k) {
    linear_map_forward(&l->skip, s->n, NULL,
                       row_at(k, p->h[p->layer - 1], s->begin, l->skip.in.size), NULL, s->h, 1);
  } else if (p->layer) {
    by_element_forward(l, g, g->global, p->h[p->layer - 1], s->h, 1);
  } else {
    row_args r = {.n = s->n,
                  .width = l->product.out.size,
                  .from = p->b->species + s->begin,
                  .x = l->skip_rows,
                  .x_stride = l->product.out.size,
                  .y = s->h,
                  .y_stride = l->product.out.size};
    k->row_add(&r);
  }
  return EQS_OK;
}

static gate_args readout_gate(const mace_readout *r, int n, const void *x, void *y, void *x_bar) {
  return (gate_args){.n = n,
                     .constant = r->constant,
                     .in = r->hidden.out,
                     .out = r->hidden.out,
                     .x = x,
                     .y = y,
                     .x_bar = x_bar};
}

/* What the second activation of a readout with a middle layer sees; y is overwritten. */
static eqs_status make_middle(const mace_readout *r, int n, const void *x, void *y, void **middle,
                              arena *scratch) {
  const kernel_ops *k = r->middle.k;
  const layout *a = &r->middle.out;
  EQS_TRY(take_rows(scratch, k, n, a, middle));
  gate_args g = readout_gate(r, n, x, y, NULL);
  k->gate_forward(&g);
  linear_map_forward(&r->middle, n, NULL, y, NULL, *middle, 0);
  row_args bias = {.n = n, .width = a->size, .x = r->bias, .y = *middle, .y_stride = a->size};
  k->row_add(&bias);
  return EQS_OK;
}

/* Adds the readout's energies; with h_bar, its derivative by h as well. */
static eqs_status read_out(const pass *p, const node_block *s, double *energies, void *h_bar,
                           arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const mace_readout *r = &l->readout;
  const kernel_ops *k = p->k;
  const layout *h = &l->product.out, *hidden = &r->hidden.out;
  if (r->kind == READOUT_NONE) return EQS_OK;
  if (r->kind == READOUT_LINEAR) {
    dot_args d = {.n = s->n,
                  .width = h->pitch[0],
                  .x = s->h,
                  .stride = h->size,
                  .w = r->w,
                  .energy = energies,
                  .x_bar = h_bar};
    if (energies) k->dot_forward(&d);
    if (h_bar) k->dot_reverse(&d);
    return EQS_OK;
  }
  const arena_mark mark = arena_here(scratch);
  void *x, *y, *x_bar, *middle = NULL;
  EQS_TRY(take_rows(scratch, k, s->n, hidden, &x));
  EQS_TRY(arena_take_zero(scratch, (size_t)s->n * (size_t)hidden->size, k->real_size, &y));
  linear_map_forward(&r->hidden, s->n, NULL, s->h, NULL, x, 0);
  if (r->middle.k) EQS_TRY(make_middle(r, s->n, x, y, &middle, scratch));
  void *top = middle ? middle : x;
  dot_args d = {.n = s->n,
                .width = hidden->pitch[0],
                .x = y,
                .stride = hidden->size,
                .w = r->w,
                .energy = energies,
                .x_bar = y};
  if (energies) {
    gate_args g = readout_gate(r, s->n, top, y, NULL);
    k->gate_forward(&g);
    k->dot_forward(&d);
  }
  if (h_bar) {
    EQS_TRY(take_rows(scratch, k, s->n, hidden, &x_bar));
    zero_rows(p, s->n, hidden, y);
    k->dot_reverse(&d);
    gate_args g = readout_gate(r, s->n, top, y, x_bar);
    k->gate_reverse(&g);
    if (middle) {
      linear_map_reverse(&r->middle, s->n, NULL, x_bar, NULL, y, 0);
      g.x = x;
      k->gate_reverse(&g);
    }
    linear_map_reverse(&r->hidden, s->n, NULL, x_bar, NULL, h_bar, 1);
  }
  arena_release(scratch, mark);
  return EQS_OK;
}

/* From a_bar to the adjoint of the gate's input, of which the residual's share goes to h_bar. */
static eqs_status reverse_gate(const pass *p, const node_block *s, void **a_bar, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  void *x_bar, *up_bar = NULL;
  EQS_TRY(take_rows(scratch, k, s->n, &l->mixed, &x_bar));
  if (p->layer) EQS_TRY(take_rows(scratch, k, s->n, &l->up.out, &up_bar));
  EQS_TRY(mace_nonlinear_reverse(l->non_linear, s->n, s->gated, *a_bar, x_bar, up_bar, scratch));
  if (up_bar)
    linear_map_reverse(&l->up, s->n, NULL, up_bar, NULL,
                       row_at(k, p->h_bar[p->layer - 1], s->begin, l->up.in.size), 1);
  *a_bar = x_bar;
  return EQS_OK;
}

/* The previous features' adjoint begins with what the self-connection gives. */
static void reverse_skip(const pass *p, const node_block *s, const void *h_bar) {
  const mace_layer *l = p->m->layer + p->layer;
  const layout *before = &p->m->layer[p->layer - 1].product.out;
  void *to = row_at(p->k, p->h_bar[p->layer - 1], s->begin, before->size);
  if (l->use_sc && l->skip.k) linear_map_reverse(&l->skip, s->n, NULL, h_bar, NULL, to, 0);
  else if (l->use_sc)
    by_element_reverse(l, &s->groups, s->groups.global, h_bar, p->h_bar[p->layer - 1]);
  else zero_rows(p, s->n, before, to);
}

/* From the adjoint of the block's new features to that of its aggregates (global array), of the
 * density, and of the previous features through the self-connection. */
static eqs_status reverse_block(const pass *p, node_block *s, const void *h_bar, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  const species_groups *g = &s->groups;
  void *b_bar, *a_bar, *aggregate_bar = row_at(k, p->a_bar, s->begin, l->conv.out.size);
  EQS_TRY(take_rows(scratch, k, s->n, &l->contraction.out, &b_bar));
  EQS_TRY(take_rows(scratch, k, s->n, &l->message, &a_bar));
  if (p->layer) reverse_skip(p, s, h_bar);
  linear_map_reverse(&l->product, s->n, NULL, h_bar, NULL, b_bar, 0);
  for (int i = 0; i < g->n; i++)
    contraction_reverse(&l->contraction, g->first[i + 1] - g->first[i], g->local + g->first[i],
                        coefficients(l, g->species[i]), s->a, b_bar, a_bar);
  if (l->non_linear) EQS_TRY(reverse_gate(p, s, &a_bar, scratch));
  if (s->scale) {
    scale_args f = {.n = s->n,
                    .width = layout_columns(&l->mixed),
                    .stride = l->mixed.size,
                    .chain = -l->density_slope,
                    .factor = s->scale,
                    .x = s->x,
                    .y = a_bar,
                    .factor_bar = p->density_bar + s->begin};
    k->scale_reverse(&f);
  }
  if (l->residual) linear_map_reverse(&l->mix, s->n, NULL, a_bar, NULL, aggregate_bar, 0);
  else by_element_reverse(l, g, g->local, a_bar, aggregate_bar);
  return EQS_OK;
}

static void begin_block(const pass *p, int block, node_block *s) {
  int rows = batch_count(p->b, p->layer), begin = batch_block_begin(p->b, p->from + block, rows);
  *s = (node_block){.begin = batch_begin(p->b) + begin,
                    .n = batch_block_end(p->b, p->from + block, rows) - begin};
  group_species(p->b, s->begin, s->begin + s->n, &s->groups);
}

/* A map of the block's new features into an array over all atoms. */
static void map_rows(const linear_map *map, const node_block *s, void *to) {
  linear_map_forward(map, s->n, NULL, s->h, NULL, row_at(map->k, to, s->begin, map->out.size), 0);
}

static eqs_status forward_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  node_block s;
  begin_block(p, block, &s);
  EQS_TRY(make_message(p, &s, 0, scratch));
  EQS_TRY(make_features(p, &s, scratch));
  committee_add(&p->m->base.committee, k, p->layer, &l->product.out, s.begin, s.n, s.h, p->b->n,
                p->b->committee);
  if (p->layer + 1 < p->m->n_layer) {
    const mace_layer *next = l + 1;
    EQS_TRY(read_out(p, &s, p->energies + s.begin, NULL, scratch));
    map_rows(&next->up, &s, p->up[p->layer + 1]);
    if (next->conv.network) {
      map_rows(&next->attend_from, &s, p->attend_from[p->layer + 1]);
      map_rows(&next->attend_to, &s, p->attend_to[p->layer + 1]);
    }
    row_args keep = {.n = s.n,
                     .width = l->product.out.size,
                     .x = s.h,
                     .x_stride = l->product.out.size,
                     .y = row_at(k, p->h[p->layer], s.begin, l->product.out.size),
                     .y_stride = l->product.out.size};
    k->row_copy(&keep);
    if (p->b->rows)
      memcpy(p->b->rows->partial[p->layer] + s.begin, p->energies + s.begin,
             (size_t)s.n * sizeof *p->energies);
    return EQS_OK;
  }
  void *h_bar = NULL;
  if (p->gradient)
    EQS_TRY(
        arena_take_zero(scratch, (size_t)s.n * (size_t)l->product.out.size, k->real_size, &h_bar));
  EQS_TRY(read_out(p, &s, p->energies + s.begin, h_bar, scratch));
  return p->gradient ? reverse_block(p, &s, h_bar, scratch) : EQS_OK;
}

/* A layer before the last: its adjoint features are complete but for its own readout. */
static eqs_status reverse_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const mace_layer *l = p->m->layer + p->layer;
  node_block s;
  begin_block(p, block, &s);
  void *h_bar = row_at(p->k, p->h_bar[p->layer], s.begin, l->product.out.size);
  EQS_TRY(make_message(p, &s, 1, scratch));
  s.h = row_at(p->k, p->h[p->layer], s.begin, l->product.out.size);
  EQS_TRY(read_out(p, &s, NULL, h_bar, scratch));
  return reverse_block(p, &s, h_bar, scratch);
}

/* The adjoint of a map of features of rows begin, ..., added to that of the features. */
static void add_reverse(const pass *p, const linear_map *map, int begin, int n, const void *y_bar) {
  linear_map_reverse(map, n, NULL, y_bar, NULL,
                     row_at(p->k, p->h_bar[p->layer - 1], begin, map->in.size), 1);
}

/* The first layer's edges are walked by centre, the others by neighbour, ghosts included. */
static int edge_rows(const pass *p) {
  int by_center = !p->layer && convolution_by_center(&p->m->layer[0].conv);
  return by_center ? p->b->n : batch_rows(p->b);
}

/* The edges that point to a block of neighbours, or start there. */
static eqs_status edge_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  int rows = edge_rows(p), begin = batch_block_begin(p->b, p->from + block, rows);
  int end = batch_block_end(p->b, p->from + block, rows),
      travels = p->layer && p->up_bar && returns_up(l);
  void *up_bar = travels ? row_at(k, p->up_bar, begin, l->up.out.size) : NULL;
  if (p->layer && !travels) EQS_TRY(take_rows(scratch, k, end - begin, &l->up.out, &up_bar));
  if (l->conv.network) {
    edge_features f = {.source = p->attend_from[p->layer],
                       .target = p->attend_to[p->layer],
                       .edge_bar = p->edge_bar};
    EQS_TRY(take_rows(scratch, k, end - begin, &l->attend_from.out, &f.source_bar));
    EQS_TRY(convolution_reverse_features(&l->conv, p->b, begin, end, p->up[p->layer], &f, p->a_bar,
                                         up_bar, p->gradient, scratch));
    add_reverse(p, &l->attend_from, begin, end - begin, f.source_bar);
  } else {
    EQS_TRY(convolution_reverse(&l->conv, p->b, begin, end, p->up[p->layer],
                                p->layer ? NULL : p->b->species, p->a_bar,
                                l->density ? p->density_bar : NULL, up_bar, p->gradient, scratch));
  }
  if (p->layer && !travels) add_reverse(p, &l->up, begin, end - begin, up_bar);
  return EQS_OK;
}

/* The adjoint of up(h) that came home. */
static eqs_status up_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const linear_map *up = &p->m->layer[p->layer].up;
  int begin = batch_block_begin(p->b, block, p->b->n);
  int end = batch_block_end(p->b, block, p->b->n);
  (void)scratch;
  add_reverse(p, up, begin, end - begin, row_at(p->k, p->up_bar, begin, up->out.size));
  return EQS_OK;
}

/* What the layer reads of ghosts, from their features. */
static eqs_status ghost_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const mace_layer *l = p->m->layer + p->layer;
  const layout *h = &l[-1].product.out;
  int ghosts = batch_rows(p->b) - p->b->n, begin = batch_block_begin(p->b, block, ghosts);
  node_block s = {.begin = p->b->n + begin, .n = batch_block_end(p->b, block, ghosts) - begin};
  (void)scratch;
  s.h = row_at(p->k, p->h[p->layer - 1], s.begin, h->size);
  map_rows(&l->up, &s, p->up[p->layer]);
  map_rows(&l->attend_from, &s, p->attend_from[p->layer]);
  return EQS_OK;
}

/* What layer t > 0 reads of ghosts is on its way, or there. */
static eqs_status send_for(const pass *p, int t) {
  const mace_layer *l = p->m->layer + t;
  return halo_begin(p->b, p->k, t, sends_up(l) ? p->up[t] : p->h[t - 1], row_size(l, 0), 0);
}

static eqs_status fetch_ghosts(pass *p, workspace *w) {
  const mace_layer *l = p->m->layer + p->layer;
  int t = p->layer;
  void *rows = sends_up(l) ? p->up[t] : p->h[t - 1];
  EQS_TRY(halo_exchange(p->b, p->k, t, rows, row_size(l, 0), 0));
  if (sends_up(l)) return EQS_OK;
  return workspace_run(w, batch_blocks(p->b, batch_rows(p->b) - p->b->n), ghost_task, p);
}

static eqs_status forward_layer(pass *p, workspace *w) {
  int blocks = batch_blocks(p->b, batch_count(p->b, p->layer)), inner = 0;
  if (p->layer && p->b->halo) {
    inner = halo_inner_blocks(p->b);
    EQS_TRY(workspace_run(w, inner, forward_task, p));
    EQS_TRY(fetch_ghosts(p, w));
  }
  p->from = inner;
  EQS_TRY(workspace_run(w, blocks - inner, forward_task, p));
  p->from = 0;
  return p->layer + 1 < p->m->n_layer ? send_for(p, p->layer + 1) : EQS_OK;
}

static void *returned_rows(const pass *p) {
  return returns_up(p->m->layer + p->layer) ? p->up_bar : p->h_bar[p->layer - 1];
}

/* Ghosts' rows first: they travel while the others are made. */
static eqs_status reverse_edges(pass *p, workspace *w) {
  const mace_layer *l = p->m->layer + p->layer;
  int blocks = batch_blocks(p->b, edge_rows(p));
  int own = p->layer ? halo_own_blocks(p->b, edge_rows(p)) : 0;
  p->from = own;
  EQS_TRY(workspace_run(w, blocks - own, edge_task, p));
  p->from = 0;
  if (!own) return EQS_OK;
  EQS_TRY(halo_begin(p->b, p->k, p->layer, returned_rows(p), row_size(l, 1), 1));
  return workspace_run(w, own, edge_task, p);
}

/* Behind the reverse of layer t > 0. */
static eqs_status return_ghosts(pass *p, workspace *w) {
  const mace_layer *l = p->m->layer + p->layer;
  if (!p->b->halo) return EQS_OK;
  EQS_TRY(halo_exchange(p->b, p->k, p->layer, returned_rows(p), row_size(l, 1), 1));
  if (!returns_up(l)) return EQS_OK;
  return workspace_run(w, batch_blocks(p->b, p->b->n), up_task, p);
}

/* Attention: what the edges of a block's centres left for the centres. */
static eqs_status attend_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const linear_map *map = &p->m->layer[p->layer].attend_to;
  int begin = batch_block_begin(p->b, block, p->b->n);
  int end = batch_block_end(p->b, block, p->b->n);
  row_sum_args sum = {
      .n = end - begin, .width = map->out.size, .first = p->b->nb->first + begin, .x = p->edge_bar};
  EQS_TRY(take_rows(scratch, p->k, end - begin, &map->out, &sum.y));
  p->k->row_sum(&sum);
  add_reverse(p, map, begin, end - begin, sum.y);
  return EQS_OK;
}

int mace_features(const potential *base, feature out[FEATURES_MAX]) {
  const mace *m = (const mace *)base;
  int n = 0;
  for (int t = 0; t + 1 < m->n_layer; t++) {
    const mace_layer *next = m->layer + t + 1;
    out[n++] = (feature){m->layer[t].product.out.size, t};
    out[n++] = (feature){next->up.out.size, t};
    if (!next->conv.network) continue;
    out[n++] = (feature){next->attend_from.out.size, t};
    out[n++] = (feature){next->attend_to.out.size, t};
  }
  return n;
}

/* The caller's rows, in the order of mace_features. */
static void use_kept_rows(pass *p) {
  void *const *row = p->b->rows->feature;
  for (int t = 0; t + 1 < p->m->n_layer; t++) {
    p->h[t] = *row++;
    p->up[t + 1] = *row++;
    if (!p->m->layer[t + 1].conv.network) continue;
    p->attend_from[t + 1] = *row++;
    p->attend_to[t + 1] = *row++;
  }
}

static int atoms_kept(const kernel_ops *k, int n, size_t row_bytes) {
  int host = device_is_host(k->device);
  size_t most = (size_t)n * (host ? KEEP_BYTES_PER_ATOM : DEVICE_KEEP_BYTES_PER_ATOM);
  if (most < KEEP_BYTES) most = KEEP_BYTES;
  return most / row_bytes < (size_t)n ? (int)(most / row_bytes) : n;
}

static eqs_status take_arrays(pass *p, arena *shared) {
  const mace *m = p->m;
  int n = p->b->n, rows = batch_rows(p->b), widest = 0, widest_row = 0, widest_up = 0;
  p->up[0] = m->layer[0].up_rows;
  if (p->b->rows) {
    use_kept_rows(p);
    return EQS_OK;
  }
  for (int t = 0; t < m->n_layer; t++) {
    const mace_layer *l = m->layer + t;
    if (l->conv.out.size > widest) widest = l->conv.out.size;
    if (t) EQS_TRY(take_rows(shared, p->k, rows, &l->up.out, &p->up[t]));
    if (t && returns_up(l) && l->up.out.size > widest_up) widest_up = l->up.out.size;
    if (l->conv.network) {
      const layout *row = &l->attend_from.out;
      if (row->size > widest_row) widest_row = row->size;
      EQS_TRY(take_rows(shared, p->k, rows, row, &p->attend_from[t]));
      EQS_TRY(take_rows(shared, p->k, n, row, &p->attend_to[t]));
    }
    if (t + 1 == m->n_layer) continue;
    EQS_TRY(take_rows(shared, p->k, rows, &l->product.out, &p->h[t]));
    if (!p->gradient) continue;
    /* Only a non-linear readout reads h once the adjoint of the same atoms' h is begun. */
    p->h_bar[t] = p->h[t];
    if (l->readout.kind == READOUT_NONLINEAR)
      EQS_TRY(take_rows(shared, p->k, rows, &l->product.out, &p->h_bar[t]));
    p->n_kept[t] = atoms_kept(p->k, n, (size_t)l->mixed.size * p->k->real_size);
    EQS_TRY(take_rows(shared, p->k, p->n_kept[t], &l->mixed, &p->kept[t]));
    EQS_TRY(arena_take(shared, (size_t)p->n_kept[t], sizeof(double), &p->kept_scale[t]));
  }
  if (!p->gradient) return EQS_OK;
  if (p->b->halo && widest_up)
    EQS_TRY(
        arena_take(shared, mul_size((size_t)rows, (size_t)widest_up), p->k->real_size, &p->up_bar));
  EQS_TRY(arena_take(shared, (size_t)n, sizeof *p->density_bar, &p->density_bar));
  EQS_TRY(arena_take(shared, mul_size((size_t)p->b->nb->n_edge, (size_t)widest_row),
                     p->k->real_size, &p->edge_bar));
  return arena_take(shared, mul_size((size_t)n, (size_t)widest), p->k->real_size, &p->a_bar);
}

eqs_status mace_evaluate(const potential *base, workspace *w, const batch *b, double *energies,
                         double (*gradient)[3]) {
  const mace *m = (const mace *)base;
  pass p = {.m = m, .b = b, .k = base->k, .energies = energies, .gradient = gradient};
  int blocks = batch_blocks(b, b->n), begin = batch_begin(b), last = m->n_layer - 1;
  species_energy_args start = {.n = batch_count(b, 0),
                               .species = b->species + begin,
                               .shift = m->device_e0,
                               .energy = energies + begin};
  EQS_TRY(take_arrays(&p, &w->shared));
  p.k->species_energy(&start);
  committee_begin(&base->committee, base->k, b->n, b->committee);
  if (gradient)
    device_of(&p)->ops->zero(device_of(&p), gradient, (size_t)b->nb->n_edge * sizeof *gradient);
  if (m->has_zbl) EQS_TRY(zbl_evaluate(&m->zbl, p.k, m->scale, w, b, energies, gradient));
  for (p.layer = 0; p.layer <= last; p.layer++) EQS_TRY(forward_layer(&p, w));
  if (!gradient) return EQS_OK;
  for (p.layer = last; p.layer >= 0; p.layer--) {
    if (p.layer < last) EQS_TRY(workspace_run(w, blocks, reverse_task, &p));
    if (p.layer) halo_zero(b, p.k, p.h_bar[p.layer - 1], m->layer[p.layer - 1].product.out.size);
    EQS_TRY(reverse_edges(&p, w));
    if (m->layer[p.layer].conv.network) EQS_TRY(workspace_run(w, blocks, attend_task, &p));
    if (p.layer) EQS_TRY(return_ghosts(&p, w));
  }
  return EQS_OK;
}
