/* sevennet.c -- energies and gradients of SevenNet.
 *
 *   h = W1 x,   A_i = sum_j R(r_ij) (h_j x Y(r_ij)),   g = W2 A / n + Ws x,   x' = gate(g),
 *   E_i = scale (w . x_last) + shift .
 * g and h of every layer are kept for the reverse pass, which therefore computes nothing twice:
 * per layer g_bar = gate'(x'_bar), A_bar = W2^T g_bar, x_bar = Ws^T g_bar over atoms, then over the
 * neighbours' own edges h_bar and dE/dr, and x_bar += W1^T h_bar.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/sevennet.h"

#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "potentials/halo.h"

/* One evaluation. Arrays are [n] rows of the layer's layouts. */
typedef struct pass {
  const sevennet *s;
  const batch *b;
  int layer, from; /* from: blocks before it are not in hand */
  void *h[SEVENNET_LAYERS_MAX], *g[SEVENNET_LAYERS_MAX];
  void *a_bar;                /* of the layer in hand */
  void *x_bar, *x_bar_before; /* of the layer's output and of its input */
  double *energies;
  double (*gradient)[3];
} pass;

static void *row(const kernel_ops *k, void *x, int i, int size) {
  return (char *)x + (size_t)i * (size_t)size * k->real_size;
}

static const int *species_of(const pass *p, int begin) { return p->b->species + begin; }

/* Adds one row (NULL = none) to the first `width` reals of n rows. */
static void add_bias(const kernel_ops *k, int n, const void *bias, int width, void *y, int stride) {
  row_args r = {.n = n, .width = width, .x = bias, .y = y, .y_stride = stride};
  if (bias) k->row_add(&r);
}

static void copy_species_rows(const pass *p, int begin, int end, const void *table, int size,
                              void *y) {
  row_args r = {.n = end - begin,
                .width = size,
                .from = species_of(p, begin),
                .x = table,
                .x_stride = size,
                .y = y,
                .y_stride = size};
  p->s->head.k->row_copy(&r);
}

static void read_out(const pass *p, int begin, int end, const void *x) {
  const sevennet *s = p->s;
  const kernel_ops *k = s->head.k;
  const layout *last = &s->layer[p->layer].next;
  double *e = p->energies + begin;
  int n = end - begin;
  k->device->ops->zero(k->device, e, (size_t)n * sizeof *e);
  dot_args d = {
      .n = n, .width = last->pitch[0], .x = x, .stride = last->size, .w = s->readout, .energy = e};
  k->dot_forward(&d);
  species_energy_args scale = {.n = n,
                               .species = species_of(p, begin),
                               .scale = s->device_scale,
                               .shift = s->device_shift,
                               .energy = e};
  k->species_energy(&scale);
}

static gate_args gate_arguments(const pass *p, int n) {
  const sevennet_layer *c = p->s->layer + p->layer;
  gate_args a = {
      .n = n, .constant = p->s->act, .gate_constant = p->s->act, .in = c->gate, .out = c->next};
  memcpy(a.gate_offset, c->gate_offset, sizeof a.gate_offset);
  return a;
}

/* Where the block's input of the gate is summed: in the array over all atoms if a reverse pass or
 * nobody will read that, in scratch if it has to keep the share of the self connection alone. */
static eqs_status gate_rows(const pass *p, int begin, int n, arena *scratch, void **g) {
  const kernel_ops *k = p->s->head.k;
  int size = p->s->layer[p->layer].gate.size;
  void *kept = p->layer || !p->b->rows ? row(k, p->g[p->layer], begin, size) : NULL;
  *g = kept;
  if (!p->b->rows) return EQS_OK;
  size_t bytes = (size_t)n * (size_t)size * k->real_size;
  EQS_TRY(arena_take(scratch, bytes, 1, g));
  if (kept) memcpy(*g, kept, bytes);
  return EQS_OK;
}

static eqs_status forward_block(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const sevennet *s = p->s;
  const kernel_ops *k = s->head.k;
  const sevennet_layer *c = s->layer + p->layer, *d = c + 1;
  int rows = batch_count(p->b, p->layer), from = batch_block_begin(p->b, p->from + block, rows);
  int n = batch_block_end(p->b, p->from + block, rows) - from, begin = batch_begin(p->b) + from;
  int end = begin + n;
  int first = p->layer == 0, last = p->layer == s->n_layer - 1;
  void *a, *x, *g;
  EQS_TRY(gate_rows(p, begin, n, scratch, &g));
  const arena_mark mark = arena_here(scratch);
  EQS_TRY(arena_take(scratch, (size_t)n * (size_t)c->conv.out.size, k->real_size, &a));
  EQS_TRY(convolution_forward(&c->conv, p->b, begin, end, p->h[p->layer],
                              first ? p->b->species : NULL, a, NULL, scratch));
  if (first) copy_species_rows(p, begin, end, s->self_first, c->gate.size, g);
  linear_map_forward(&c->linear_2, n, NULL, a, NULL, g, 1);
  arena_release(scratch, mark);
  EQS_TRY(arena_take(scratch, (size_t)n * (size_t)c->next.size, k->real_size, &x));
  gate_args gate = gate_arguments(p, n);
  gate.x = g;
  gate.y = x;
  k->gate_forward(&gate);
  if (last) {
    read_out(p, begin, end, x);
    committee_add(&s->head.committee, k, 0, &c->next, begin, n, x, p->b->n, p->b->committee);
    return EQS_OK;
  }
  void *h_next = row(k, p->h[p->layer + 1], begin, d->x.size);
  void *g_next = row(k, p->g[p->layer + 1], begin, d->gate.size);
  linear_map_forward(&d->linear_1, n, NULL, x, NULL, h_next, 0);
  add_bias(k, n, d->bias_1, d->x.pitch[0], h_next, d->x.size);
  linear_map_forward(&d->self, n, NULL, x, NULL, g_next, 0);
  add_bias(k, n, d->bias_self, d->gate.pitch[0], g_next, d->gate.size);
  return EQS_OK;
}

/* x_bar of the layer's output -> A_bar, and the self connection's share of x_bar of its input. */
static eqs_status reverse_atoms(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const sevennet *s = p->s;
  const kernel_ops *k = s->head.k;
  const sevennet_layer *c = s->layer + p->layer;
  int begin = batch_block_begin(p->b, block, p->b->n);
  int end = batch_block_end(p->b, block, p->b->n), n = end - begin;
  void *x_bar = row(k, p->x_bar, begin, c->next.size), *g_bar;
  if (p->layer == s->n_layer - 1)
    copy_species_rows(p, begin, end, s->readout_scaled, c->next.size, x_bar);
  EQS_TRY(arena_take(scratch, (size_t)n * (size_t)c->gate.size, k->real_size, &g_bar));
  gate_args gate = gate_arguments(p, n);
  gate.x = row(k, p->g[p->layer], begin, c->gate.size);
  gate.y = x_bar;
  gate.x_bar = g_bar;
  k->gate_reverse(&gate);
  void *a_bar = row(k, p->a_bar, begin, c->conv.out.size);
  linear_map_reverse(&c->linear_2, n, NULL, g_bar, NULL, a_bar, 0);
  if (p->layer > 0) {
    void *before = row(k, p->x_bar_before, begin, c->x.size);
    linear_map_reverse(&c->self, n, NULL, g_bar, NULL, before, 0);
  }
  return EQS_OK;
}

/* The first layer's edges are walked by centre, the others by neighbour, ghosts included. */
static int edge_rows(const pass *p) {
  int by_center = p->layer == 0 && convolution_by_center(&p->s->layer[0].conv);
  return by_center ? p->b->n : batch_rows(p->b);
}

/* A_bar of the centres -> gradient of the edges that point to the block's atoms, and x_bar. */
static eqs_status reverse_edges(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const sevennet *s = p->s;
  const kernel_ops *k = s->head.k;
  const sevennet_layer *c = s->layer + p->layer;
  int rows = edge_rows(p), begin = batch_block_begin(p->b, p->from + block, rows);
  int end = batch_block_end(p->b, p->from + block, rows), n = end - begin;
  int first = p->layer == 0;
  void *h_bar = NULL;
  if (!first) EQS_TRY(arena_take(scratch, (size_t)n * (size_t)c->x.size, k->real_size, &h_bar));
  EQS_TRY(convolution_reverse(&c->conv, p->b, begin, end, p->h[p->layer],
                              first ? p->b->species : NULL, p->a_bar, NULL, h_bar, p->gradient,
                              scratch));
  if (!first)
    linear_map_reverse(&c->linear_1, n, NULL, h_bar, NULL,
                       row(k, p->x_bar_before, begin, c->x.size), 1);
  return EQS_OK;
}

static int features(const potential *head, feature out[FEATURES_MAX]) {
  const sevennet *s = (const sevennet *)head;
  int n = 0;
  for (int i = 1; i < s->n_layer; i++) {
    out[n++] = (feature){s->layer[i].x.size, i - 1};
    out[n++] = (feature){s->layer[i].gate.size, i - 1};
  }
  return n;
}

static int exchanged(const potential *head, int layer, int reverse) {
  (void)reverse; /* linear_1 keeps the layout */
  return ((const sevennet *)head)->layer[layer].x.size;
}

static void use_kept_rows(pass *p) {
  for (int i = 1; i < p->s->n_layer; i++) {
    p->h[i] = p->b->rows->feature[2 * i - 2];
    p->g[i] = p->b->rows->feature[2 * i - 1];
  }
}

/* Without a reverse pass the arrays of the layer in hand and the next are enough. */
static eqs_status take_arrays(pass *p, arena *shared) {
  const sevennet *s = p->s;
  size_t n = (size_t)p->b->n, rows = (size_t)batch_rows(p->b);
  size_t real = s->head.k->real_size, h = 0, g = 0, a = 0;
  for (int i = 0; i < s->n_layer; i++) {
    const sevennet_layer *c = s->layer + i;
    if ((size_t)c->x.size > h) h = (size_t)c->x.size;
    if ((size_t)c->next.size > h) h = (size_t)c->next.size;
    if ((size_t)c->gate.size > g) g = (size_t)c->gate.size;
    if ((size_t)c->conv.out.size > a) a = (size_t)c->conv.out.size;
  }
  p->h[0] = s->h_first;
  if (p->b->rows) {
    use_kept_rows(p);
    return EQS_OK;
  }
  for (int i = 0; i < s->n_layer; i++) {
    if (!p->gradient && i >= 3) {
      p->h[i] = p->h[i - 2];
      p->g[i] = p->g[i - 2];
      continue;
    }
    if (i) EQS_TRY(arena_take(shared, mul_size(rows, h), real, &p->h[i]));
    EQS_TRY(arena_take(shared, mul_size(n, g), real, &p->g[i]));
  }
  if (!p->gradient) return EQS_OK;
  EQS_TRY(arena_take(shared, mul_size(n, a), real, &p->a_bar));
  EQS_TRY(arena_take(shared, mul_size(rows, h), real, &p->x_bar));
  return arena_take(shared, mul_size(rows, h), real, &p->x_bar_before);
}

/* One layer of the forward pass, its inner blocks while ghosts' rows are on their way. */
static eqs_status forward_layer(pass *p, workspace *w) {
  const sevennet *s = p->s;
  const kernel_ops *k = s->head.k;
  int t = p->layer, blocks = batch_blocks(p->b, batch_count(p->b, t)), inner = 0;
  if (t && p->b->halo) {
    inner = halo_inner_blocks(p->b);
    EQS_TRY(workspace_run(w, inner, forward_block, p));
    EQS_TRY(halo_exchange(p->b, k, t, p->h[t], s->layer[t].x.size, 0));
  }
  p->from = inner;
  EQS_TRY(workspace_run(w, blocks - inner, forward_block, p));
  p->from = 0;
  if (t + 1 == s->n_layer) return EQS_OK;
  return halo_begin(p->b, k, t + 1, p->h[t + 1], s->layer[t + 1].x.size, 0);
}

/* One layer of the reverse pass. Ghosts' x_bar, of which they have nothing but what their edges
 * give, goes to their atoms: it is made first, and travels while the rest is. */
static eqs_status reverse_layer(pass *p, workspace *w) {
  const kernel_ops *k = p->s->head.k;
  int size = p->s->layer[p->layer].x.size;
  EQS_TRY(workspace_run(w, batch_blocks(p->b, p->b->n), reverse_atoms, p));
  if (p->layer) halo_zero(p->b, k, p->x_bar_before, size);
  int own = p->layer ? halo_own_blocks(p->b, edge_rows(p)) : 0;
  p->from = own;
  EQS_TRY(workspace_run(w, batch_blocks(p->b, edge_rows(p)) - own, reverse_edges, p));
  p->from = 0;
  if (own) EQS_TRY(halo_begin(p->b, k, p->layer, p->x_bar_before, size, 1));
  EQS_TRY(workspace_run(w, own, reverse_edges, p));
  if (p->layer) EQS_TRY(halo_exchange(p->b, k, p->layer, p->x_bar_before, size, 1));
  void *swap = p->x_bar;
  p->x_bar = p->x_bar_before;
  p->x_bar_before = swap;
  return EQS_OK;
}

static eqs_status evaluate(const potential *head, workspace *w, const batch *b, double *energies,
                           double (*gradient)[3]) {
  const sevennet *s = (const sevennet *)head;
  pass p = {.s = s, .b = b, .energies = energies, .gradient = gradient};
  device *d = s->head.k->device;
  EQS_TRY(take_arrays(&p, &w->shared));
  committee_begin(&head->committee, head->k, b->n, b->committee);
  for (p.layer = 0; p.layer < s->n_layer; p.layer++) EQS_TRY(forward_layer(&p, w));
  if (!gradient) return EQS_OK;
  d->ops->zero(d, gradient, (size_t)b->nb->n_edge * sizeof *gradient);
  for (p.layer = s->n_layer - 1; p.layer >= 0; p.layer--) EQS_TRY(reverse_layer(&p, w));
  return EQS_OK;
}

static eqs_status prepare(potential *head, const unsigned char *present) {
  sevennet *s = (sevennet *)head;
  device *d = head->k->device;
  EQS_TRY(d->ops->enter(d));
  for (int i = 0; i < s->n_layer; i++)
    EQS_TRY(radial_prepare(s->layer[i].conv.radial, s->n_element, present, NULL));
  return d->ops->finish(d);
}

static void free_model(potential *head) {
  sevennet *s = (sevennet *)head;
  if (!s) return;
  device *d = head->k->device;
  for (int i = 0; i < SEVENNET_LAYERS_MAX; i++) {
    sevennet_layer *c = s->layer + i;
    linear_map_free(&c->linear_1);
    linear_map_free(&c->linear_2);
    linear_map_free(&c->self);
    device_give(d, &c->bias_1);
    device_give(d, &c->bias_self);
    convolution_free(&c->conv);
  }
  committee_free(&s->head.committee, head->k);
  device_give(d, &s->h_first);
  device_give(d, &s->self_first);
  device_give(d, &s->readout);
  device_give(d, &s->readout_scaled);
  device_give(d, &s->device_scale);
  device_give(d, &s->device_shift);
  free(s->scale);
  free(s->shift);
  free(s->elements);
  free(s->text);
  free(s->modals);
  free(s);
}

const potential_ops sevennet_ops = {.prepare = prepare,
                                    .evaluate = evaluate,
                                    .features = features,
                                    .exchanged = exchanged,
                                    .free = free_model};
