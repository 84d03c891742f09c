/* mace.c -- energies and forces of MACE.
 *
 * Layer t (Batatia et al. 2022, eq. 8-13):
 *   M_i   = sum over neighbours j of R(r_ij) up(h_j) Y(r_ij)    convolution
 *   A_i   = mix(M_i) / number of neighbours, or / (density + 1)  one matrix, or one per element
 *   B_i   = symmetric contraction of A_i, weights of z_i
 *   h_i'  = product(B_i) [+ skip_z(h_i)]                         (residual blocks)
 *   E_i  += readout(h_i')
 * Aggregates live only in the block in hand. The last layer is reversed in the same pass; of
 * earlier layers the messages are kept if they are small, else computed again. What crosses blocks
 * is h, up(h), their adjoints, and the adjoint aggregate of one layer, gathered per neighbour.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "potentials/mace_parts.h"

/* Messages of a layer are kept for the reverse pass up to this size (16,000 atoms of 128x0e, lmax
 * 3, in single precision); beyond it memory counts for more than the fifth of the time they save.
 */
enum { KEEP_BYTES = 128 << 20 };

/* One evaluation. Arrays over all atoms; [t] belongs to the features that layer t makes, `up[t]` to
 * those that layer t reads. */
typedef struct pass {
  const mace *m;
  const batch *b;
  const kernel_ops *k;
  double *energies, (*gradient)[3];
  int layer;
  void *up[LAYERS_MAX], *h[LAYERS_MAX], *h_bar[LAYERS_MAX];
  void *kept[LAYERS_MAX]; /* messages before the density scales them, or NULL */
  double *kept_scale[LAYERS_MAX];
  void *a_bar;
  double *density_bar;
} pass;

/* The atoms of a block, sorted by species. */
typedef struct species_groups {
  int n;
  int species[BLOCK_ATOMS], first[BLOCK_ATOMS + 1];
  int local[BLOCK_ATOMS], global[BLOCK_ATOMS];
} species_groups;

static void group_species(const batch *b, int begin, int end, species_groups *g) {
  int seen[BLOCK_ATOMS] = {0}, at = 0;
  g->n = 0;
  for (int i = begin; i < end; i++) {
    if (seen[i - begin]) continue;
    g->species[g->n] = b->species[i];
    g->first[g->n++] = at;
    for (int j = i; j < end; j++) {
      if (b->species[j] != b->species[i]) continue;
      seen[j - begin] = 1;
      g->local[at] = j - begin;
      g->global[at++] = j;
    }
  }
  g->first[g->n] = at;
}

static void *row_at(const kernel_ops *k, const void *p, int row, int stride) {
  return (char *)(uintptr_t)p + (size_t)row * (size_t)stride * k->real_size;
}

static eqs_status take_rows(arena *s, const kernel_ops *k, int n, const layout *a, void *out) {
  return arena_take(s, (size_t)n * (size_t)a->size, k->real_size, out);
}

/* Everything that a block of one layer holds between forward and reverse. */
typedef struct node_block {
  int begin, n;
  species_groups groups;
  void *x; /* message before the density scales it */
  void *a, *b, *h;
  double *scale; /* 1 / (D + 1) */
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
  void *sum;
  EQS_TRY(take_rows(scratch, k, s->n, &l->conv.out, &sum));
  EQS_TRY(convolution_forward(&l->conv, p->b, s->begin, s->begin + s->n, p->up[p->layer],
                              p->layer ? NULL : p->b->species, sum, s->scale, scratch));
  if (l->residual) linear_map_forward(&l->mix, s->n, NULL, sum, NULL, s->x, 0);
  else by_element_forward(l, &s->groups, s->groups.local, sum, s->x, 0);
  for (int i = 0; s->scale && i < s->n; i++) s->scale[i] = 1 / (s->scale[i] + 1);
  return EQS_OK;
}

/* s->x, s->scale and s->a: computed, or (`known`) taken from what the forward pass kept. */
static eqs_status make_message(const pass *p, node_block *s, int known, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  void *kept = p->kept[p->layer];
  s->scale = NULL;
  if (kept) {
    s->x = row_at(k, kept, s->begin, l->message.size);
    if (l->density) s->scale = p->kept_scale[p->layer] + s->begin;
  } else {
    EQS_TRY(take_rows(scratch, k, s->n, &l->message, &s->x));
    if (l->density) EQS_TRY(arena_take(scratch, (size_t)s->n, sizeof *s->scale, &s->scale));
  }
  if (!kept || !known) EQS_TRY(aggregate(p, s, scratch));
  s->a = s->x;
  if (s->scale) {
    EQS_TRY(take_rows(scratch, k, s->n, &l->message, &s->a));
    scale_args f = {.n = s->n, .width = l->message.size, .factor = s->scale, .x = s->x, .y = s->a};
    k->scale_forward(&f);
  }
  return EQS_OK;
}

static const void *coefficients(const mace_layer *l, int species) {
  return l->coefficient[l->n_weight_element == 1 ? 0 : species];
}

static eqs_status make_features(const pass *p, node_block *s, arena *scratch) {
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  const species_groups *g = &s->groups;
  EQS_TRY(take_rows(scratch, k, s->n, &l->contraction.out, &s->b));
  EQS_TRY(take_rows(scratch, k, s->n, &l->product.out, &s->h));
  for (int i = 0; i < g->n; i++)
    contraction_forward(&l->contraction, k, g->first[i + 1] - g->first[i], g->local + g->first[i],
                        coefficients(l, g->species[i]), s->a, s->b);
  linear_map_forward(&l->product, s->n, NULL, s->b, NULL, s->h, 0);
  if (!l->use_sc) return EQS_OK;
  if (p->layer) {
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
  void *x, *y, *x_bar;
  EQS_TRY(take_rows(scratch, k, s->n, hidden, &x));
  EQS_TRY(arena_take_zero(scratch, (size_t)s->n * (size_t)hidden->size, k->real_size, &y));
  linear_map_forward(&r->hidden, s->n, NULL, s->h, NULL, x, 0);
  dot_args d = {.n = s->n,
                .width = hidden->pitch[0],
                .x = y,
                .stride = hidden->size,
                .w = r->w,
                .energy = energies,
                .x_bar = y};
  if (energies) {
    gate_args g = readout_gate(r, s->n, x, y, NULL);
    k->gate_forward(&g);
    k->dot_forward(&d);
  }
  if (h_bar) {
    EQS_TRY(take_rows(scratch, k, s->n, hidden, &x_bar));
    memset(y, 0, (size_t)s->n * (size_t)hidden->size * k->real_size);
    k->dot_reverse(&d);
    gate_args g = readout_gate(r, s->n, x, y, x_bar);
    k->gate_reverse(&g);
    linear_map_reverse(&r->hidden, s->n, NULL, x_bar, NULL, h_bar, 1);
  }
  return EQS_OK;
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
  if (p->layer) {
    const layout *before = &p->m->layer[p->layer - 1].product.out;
    if (l->use_sc) by_element_reverse(l, g, g->global, h_bar, p->h_bar[p->layer - 1]);
    else
      memset(row_at(k, p->h_bar[p->layer - 1], s->begin, before->size), 0,
             (size_t)s->n * (size_t)before->size * k->real_size);
  }
  linear_map_reverse(&l->product, s->n, NULL, h_bar, NULL, b_bar, 0);
  for (int i = 0; i < g->n; i++)
    contraction_reverse(&l->contraction, k, g->first[i + 1] - g->first[i], g->local + g->first[i],
                        coefficients(l, g->species[i]), s->a, b_bar, a_bar);
  if (s->scale) {
    double *factor_bar = p->density_bar + s->begin;
    scale_args f = {.n = s->n,
                    .width = l->message.size,
                    .factor = s->scale,
                    .x = s->x,
                    .y = a_bar,
                    .factor_bar = factor_bar};
    k->scale_reverse(&f);
    for (int i = 0; i < s->n; i++) factor_bar[i] *= -s->scale[i] * s->scale[i];
  }
  if (l->residual) linear_map_reverse(&l->mix, s->n, NULL, a_bar, NULL, aggregate_bar, 0);
  else by_element_reverse(l, g, g->local, a_bar, aggregate_bar);
  return EQS_OK;
}

static node_block begin_block(const pass *p, int block) {
  int rows = batch_count(p->b, p->layer), begin = block_begin(block, rows);
  node_block s = {.begin = batch_begin(p->b) + begin, .n = block_end(block, rows) - begin};
  group_species(p->b, s.begin, s.begin + s.n, &s.groups);
  return s;
}

static eqs_status forward_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  node_block s = begin_block(p, block);
  EQS_TRY(make_message(p, &s, 0, scratch));
  EQS_TRY(make_features(p, &s, scratch));
  if (p->layer + 1 < p->m->n_layer) {
    const mace_layer *next = l + 1;
    EQS_TRY(read_out(p, &s, p->energies + s.begin, NULL, scratch));
    linear_map_forward(&next->up, s.n, NULL, s.h, NULL,
                       row_at(k, p->up[p->layer + 1], s.begin, next->up.out.size), 0);
    memcpy(row_at(k, p->h[p->layer], s.begin, l->product.out.size), s.h,
           (size_t)s.n * (size_t)l->product.out.size * k->real_size);
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
  node_block s = begin_block(p, block);
  void *h_bar = row_at(p->k, p->h_bar[p->layer], s.begin, l->product.out.size);
  EQS_TRY(make_message(p, &s, 1, scratch));
  s.h = row_at(p->k, p->h[p->layer], s.begin, l->product.out.size);
  EQS_TRY(read_out(p, &s, NULL, h_bar, scratch));
  return reverse_block(p, &s, h_bar, scratch);
}

/* The edges that point to a block of neighbours. */
static eqs_status edge_task(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  const mace_layer *l = p->m->layer + p->layer;
  const kernel_ops *k = p->k;
  int begin = block_begin(block, p->b->n), end = block_end(block, p->b->n);
  void *up_bar = NULL;
  if (p->layer) EQS_TRY(take_rows(scratch, k, end - begin, &l->up.out, &up_bar));
  EQS_TRY(convolution_reverse(&l->conv, p->b, begin, end, p->up[p->layer],
                              p->layer ? NULL : p->b->species, p->a_bar,
                              l->density ? p->density_bar : NULL, up_bar, p->gradient, scratch));
  if (p->layer)
    linear_map_reverse(&l->up, end - begin, NULL, up_bar, NULL,
                       row_at(k, p->h_bar[p->layer - 1], begin, l->up.in.size), 1);
  return EQS_OK;
}

int mace_features(const potential *base, feature out[FEATURES_MAX]) {
  const mace *m = (const mace *)base;
  int n = 0;
  for (int t = 0; t + 1 < m->n_layer; t++) {
    out[n++] = (feature){m->layer[t].product.out.size, t};
    out[n++] = (feature){m->layer[t + 1].up.out.size, t};
  }
  return n;
}

static eqs_status take_arrays(pass *p, arena *shared) {
  const mace *m = p->m;
  int n = p->b->n, widest = 0;
  p->up[0] = m->layer[0].up_rows;
  for (int t = 0; p->b->rows && t + 1 < m->n_layer; t++) {
    p->h[t] = p->b->rows->feature[2 * t];
    p->up[t + 1] = p->b->rows->feature[2 * t + 1];
  }
  if (p->b->rows) return EQS_OK;
  for (int t = 0; t < m->n_layer; t++) {
    const mace_layer *l = m->layer + t;
    if (l->conv.out.size > widest) widest = l->conv.out.size;
    if (t) EQS_TRY(take_rows(shared, p->k, n, &l->up.out, &p->up[t]));
    if (t + 1 == m->n_layer) continue;
    EQS_TRY(take_rows(shared, p->k, n, &l->product.out, &p->h[t]));
    if (!p->gradient) continue;
    EQS_TRY(take_rows(shared, p->k, n, &l->product.out, &p->h_bar[t]));
    if ((size_t)n * (size_t)l->message.size * p->k->real_size > KEEP_BYTES) continue;
    EQS_TRY(take_rows(shared, p->k, n, &l->message, &p->kept[t]));
    EQS_TRY(arena_take(shared, (size_t)n, sizeof(double), &p->kept_scale[t]));
  }
  if (!p->gradient) return EQS_OK;
  EQS_TRY(arena_take(shared, (size_t)n, sizeof *p->density_bar, &p->density_bar));
  return arena_take(shared, mul_size((size_t)n, (size_t)widest), p->k->real_size, &p->a_bar);
}

eqs_status mace_evaluate(const potential *base, workspace *w, const batch *b, double *energies,
                         double (*gradient)[3]) {
  const mace *m = (const mace *)base;
  pass p = {.m = m, .b = b, .k = base->k, .energies = energies, .gradient = gradient};
  int blocks = block_count(b->n), begin = batch_begin(b), end = begin + batch_count(b, 0);
  EQS_TRY(take_arrays(&p, &w->shared));
  for (int i = begin; i < end; i++) energies[i] = m->e0[b->species[i]];
  if (gradient) memset(gradient, 0, (size_t)b->nb->n_edge * sizeof *gradient);
  if (m->has_zbl) EQS_TRY(zbl_evaluate(&m->zbl, m->scale, w, b, energies, gradient));
  for (p.layer = 0; p.layer < m->n_layer; p.layer++)
    EQS_TRY(workspace_run(w, block_count(batch_count(b, p.layer)), forward_task, &p));
  if (!gradient) return EQS_OK;
  for (p.layer = m->n_layer - 1; p.layer >= 0; p.layer--) {
    if (p.layer + 1 < m->n_layer) EQS_TRY(workspace_run(w, blocks, reverse_task, &p));
    EQS_TRY(workspace_run(w, blocks, edge_task, &p));
  }
  return EQS_OK;
}
