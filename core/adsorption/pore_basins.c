/* pore_basins.c -- watershed of the distance grid, cages, and the passes between them.
 *
 * Comparison is by (d, node), a strict order, so nodes of equal height cannot climb in circles.
 * Each node's step is its own affair (parallel); following the steps is one serial pass. The grid
 * has more maxima than d (a ridge that runs askew rises and falls from node to node), so each
 * climbs on without the grid, and those that end in one place are one cage.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pore_basins.h"

#include <stdlib.h>
#include <string.h>

#include "core/adsorption/pore_union.h"

enum { NONE = -1, IMAGE_MAX = 500, IMAGE_BASE = 1024, RUN_NODES = 4096 };

static int pack(const int s[3]) {
  return ((s[0] + IMAGE_BASE / 2) * IMAGE_BASE + s[1] + IMAGE_BASE / 2) * IMAGE_BASE + s[2] +
         IMAGE_BASE / 2;
}

static void unpack(int code, int s[3]) {
  s[0] = code / (IMAGE_BASE * IMAGE_BASE) - IMAGE_BASE / 2;
  s[1] = code / IMAGE_BASE % IMAGE_BASE - IMAGE_BASE / 2;
  s[2] = code % IMAGE_BASE - IMAGE_BASE / 2;
}

pore_owner pore_owner_of_node(const pore_basins *b, const pore_grid *g, const int at[3]) {
  int cell[3] = {0, 0, 0};
  size_t node = pore_grid_wrap(g, at, cell);
  pore_owner o = {.cage = b->of[node]};
  if (o.cage == NONE) return o;
  unpack(b->shift[node], o.image);
  for (int k = 0; k < 3; k++) o.image[k] += cell[k];
  return o;
}

static pore_owner owner_at(const pore_basins *b, const pore_grid *g, const double x[3]) {
  int cell[3], at[3];
  size_t node = pore_grid_node(g, x, cell);
  pore_grid_coordinates(g, node, at);
  for (int k = 0; k < 3; k++) at[k] += cell[k] * g->n[k];
  return pore_owner_of_node(b, g, at);
}

eqs_status pore_owner_of_point(const pore_basins *b, const pore_grid *g, const double x[3],
                               arena *scratch, pore_owner *out) {
  double top[3] = {x[0], x[1], x[2]}, height;
  EQS_TRY(pore_climb(g, top, scratch, &height));
  *out = owner_at(b, g, top);
  return EQS_OK;
}

/* ---- climbing */

typedef struct climb {
  const pore_grid *g;
  pore_basins *b;
  uint32_t *top;    /* [tops] the grid's maxima */
  pore_cage *cages; /* [tops] where each of them ends */
  int n;
} climb;

/* While climbing, of[node] = -2 - (the next node), -2 - node on a maximum. */
static void step_up(const climb *c, size_t node) {
  const pore_grid *g = c->g;
  int at[3], hop[3] = {0, 0, 0};
  size_t best = node;
  if (!(g->d[node] > -g->half)) {
    c->b->of[node] = NONE;
    return;
  }
  pore_grid_coordinates(g, node, at);
  for (int p = 0; p < 27; p++) {
    int to[3] = {at[0] + p / 9 - 1, at[1] + p / 3 % 3 - 1, at[2] + p % 3 - 1}, cell[3] = {0, 0, 0};
    size_t other = pore_grid_wrap(g, to, cell);
    if (g->d[other] < g->d[best] || (g->d[other] == g->d[best] && other >= best)) continue;
    best = other;
    memcpy(hop, cell, sizeof hop);
  }
  c->b->of[node] = -2 - (int)best;
  c->b->shift[node] = pack(hop);
}

static eqs_status climb_block(void *argument, int block, arena *scratch) {
  (void)scratch;
  const climb *c = argument;
  size_t first = (size_t)block * RUN_NODES, end = first + RUN_NODES;
  if (end > c->g->n_node) end = c->g->n_node;
  for (size_t node = first; node < end; node++) step_up(c, node);
  return EQS_OK;
}

/* Turns steps into maxima: walks up from every node, then writes down the way. */
static eqs_status settle(climb *c) {
  pore_basins *b = c->b;
  const size_t n_node = c->g->n_node;
  for (size_t start = 0; start < n_node; start++) {
    int total[3] = {0, 0, 0}, hop[3];
    size_t end = start;
    if (b->of[start] >= NONE) continue;
    while (b->of[end] < NONE && (size_t)(-2 - b->of[end]) != end) {
      unpack(b->shift[end], hop);
      for (int k = 0; k < 3; k++) total[k] += hop[k];
      end = (size_t)(-2 - b->of[end]);
    }
    if (b->of[end] < NONE) { /* a maximum that nobody has reached before */
      b->of[end] = c->n;
      c->top[c->n++] = (uint32_t)end;
    } else {
      unpack(b->shift[end], hop);
      for (int k = 0; k < 3; k++) total[k] += hop[k];
    }
    for (size_t node = start, next; node != end; node = next) {
      next = (size_t)(-2 - b->of[node]);
      unpack(b->shift[node], hop);
      for (int k = 0; k < 3; k++)
        if (abs(total[k]) > IMAGE_MAX)
          EQS_FAIL(EQS_ERR_UNSUPPORTED, "a pore winds over more than %d cells", IMAGE_MAX);
      b->of[node] = b->of[end];
      b->shift[node] = pack(total);
      for (int k = 0; k < 3; k++) total[k] -= hop[k];
    }
  }
  return EQS_OK;
}

static size_t count_tops(const pore_basins *b, size_t n_node) {
  size_t n = 0;
  for (size_t node = 0; node < n_node; node++)
    n += b->of[node] < NONE && (size_t)(-2 - b->of[node]) == node;
  return n;
}

/* ---- cages */

static eqs_status end_block(void *argument, int block, arena *scratch) {
  climb *c = argument;
  for (int i = block_begin(block, c->n); i < block_end(block, c->n); i++) {
    int at[3];
    pore_cage *cage = &c->cages[i];
    pore_grid_coordinates(c->g, c->top[i], at);
    const double place[3] = {at[0], at[1], at[2]};
    pore_grid_position(c->g, place, cage->x);
    EQS_TRY(pore_climb(c->g, cage->x, scratch, &cage->height));
  }
  return EQS_OK;
}

/* Numbers the pieces, with the highest maximum of each; piece[i] is that of maximum i. */
static void list_cages(climb *c, pore_union *u, int *piece) {
  pore_basins *b = c->b;
  for (int i = 0; i < c->n; i++) {
    int root = pore_union_root(u, i, NULL);
    if (piece[root] == NONE) {
      piece[root] = b->n;
      b->cage[b->n++] = c->cages[i];
    } else if (c->cages[i].height > b->cage[piece[root]].height) {
      b->cage[piece[root]] = c->cages[i];
    }
  }
}

static eqs_status take_cages(climb *c) {
  pore_basins *b = c->b;
  pore_union u = {0};
  int *piece = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(pore_union_open(&u, c->n));
  EQS_TRY_DONE(alloc_array(&piece, (size_t)c->n, sizeof *piece, "pore cages"));
  EQS_TRY_DONE(alloc_array(&b->cage, (size_t)c->n, sizeof *b->cage, "pore cages"));
  for (int i = 0; i < c->n; i++) {
    pore_owner o = owner_at(b, c->g, c->cages[i].x); /* `of` still holds maxima */
    piece[i] = NONE;
    if (o.cage != NONE && o.cage != i) pore_union_join(&u, i, o.cage, o.image);
  }
  list_cages(c, &u, piece);
  for (size_t node = 0; node < c->g->n_node; node++) {
    int image[3], offset[3];
    if (b->of[node] == NONE) continue;
    int root = pore_union_root(&u, b->of[node], offset);
    unpack(b->shift[node], image);
    for (int k = 0; k < 3; k++) image[k] += offset[k];
    b->of[node] = piece[root];
    b->shift[node] = pack(image);
  }
done:
  pore_union_free(&u);
  free(piece);
  return status;
}

/* ---- passes */

typedef struct table {
  int *slot; /* [size] index of a pass + 1 */
  size_t size;
  size_t capacity; /* of passes */
} table;

static size_t hash(const pore_pass *p) {
  uint64_t h = (uint64_t)(uint32_t)p->a * 0x9E3779B97F4A7C15u;
  h = (h ^ (uint64_t)(uint32_t)p->b) * 0xBF58476D1CE4E5B9u;
  for (int k = 0; k < 3; k++)
    h = (h ^ (h >> 29) ^ (uint64_t)(uint32_t)p->shift[k]) * 0x94D049BB133111EBu;
  return (size_t)(h ^ (h >> 32));
}

static int same(const pore_pass *p, const pore_pass *q) {
  return p->a == q->a && p->b == q->b && !memcmp(p->shift, q->shift, sizeof p->shift);
}

static eqs_status grow(pore_basins *b, table *t) {
  size_t capacity = t->capacity ? 2 * t->capacity : 4096;
  if (capacity > INT32_MAX / 4) EQS_FAIL(EQS_ERR_UNSUPPORTED, "too many passes between pores");
  pore_pass *more = realloc(b->pass, mul_size(capacity, sizeof *more));
  if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: passes between pores");
  b->pass = more;
  t->capacity = capacity;
  free(t->slot);
  t->slot = NULL;
  t->size = 2 * capacity;
  EQS_TRY(alloc_array(&t->slot, t->size, sizeof *t->slot, "passes between pores"));
  for (int i = 0; i < b->n_pass; i++) {
    size_t at = hash(&b->pass[i]) % t->size;
    while (t->slot[at]) at = (at + 1) % t->size;
    t->slot[at] = i + 1;
  }
  return EQS_OK;
}

static eqs_status note(pore_basins *b, table *t, const pore_pass *p) {
  if (!t->size || (size_t)b->n_pass == t->capacity) EQS_TRY(grow(b, t));
  size_t at = hash(p) % t->size;
  for (; t->slot[at]; at = (at + 1) % t->size) {
    pore_pass *known = &b->pass[t->slot[at] - 1];
    if (!same(known, p)) continue;
    if (p->height > known->height) *known = *p;
    return EQS_OK;
  }
  b->pass[b->n_pass++] = *p;
  t->slot[at] = b->n_pass;
  return EQS_OK;
}

/* The pass that this node and the next along `axis` make, if they climb to different maxima. */
static int pass_at(const pore_basins *b, const pore_grid *g, size_t node, const int at[3], int axis,
                   pore_pass *p) {
  int to[3] = {at[0], at[1], at[2]}, from_image[3], to_image[3], cell[3] = {0, 0, 0};
  to[axis]++;
  size_t other = pore_grid_wrap(g, to, cell);
  if (b->of[other] == NONE) return 0;
  if (b->of[other] == b->of[node] && b->shift[other] == b->shift[node] && !cell[axis]) return 0;
  *p = (pore_pass){.a = b->of[node], .b = b->of[other], .node = (uint32_t)node, .axis = axis};
  p->height = g->d[node] < g->d[other] ? g->d[node] : g->d[other];
  unpack(b->shift[node], from_image);
  unpack(b->shift[other], to_image);
  for (int k = 0; k < 3; k++) p->shift[k] = to_image[k] + cell[k] - from_image[k];
  if (p->a == p->b && !p->shift[0] && !p->shift[1] && !p->shift[2]) return 0;
  int turn = p->a > p->b;
  if (p->a == p->b) { /* of T and -T the one whose first component is positive */
    int first = p->shift[0] ? p->shift[0] : p->shift[1] ? p->shift[1] : p->shift[2];
    turn = first < 0;
  }
  if (!turn) return 1;
  int a = p->a;
  p->a = p->b;
  p->b = a;
  for (int k = 0; k < 3; k++) p->shift[k] = -p->shift[k];
  return 1;
}

static int higher_first(const void *pa, const void *pb) {
  const pore_pass *a = pa, *b = pb;
  if (a->height != b->height) return a->height > b->height ? -1 : 1;
  if (a->node != b->node) return a->node < b->node ? -1 : 1;
  return a->axis - b->axis;
}

static eqs_status find_passes(pore_basins *b, const pore_grid *g) {
  table t = {0};
  eqs_status status = EQS_OK;
  size_t node = 0;
  int at[3];
  for (at[0] = 0; at[0] < g->n[0]; at[0]++)
    for (at[1] = 0; at[1] < g->n[1]; at[1]++)
      for (at[2] = 0; at[2] < g->n[2]; at[2]++, node++)
        for (int axis = 0; axis < 3 && b->of[node] != NONE; axis++) {
          pore_pass p;
          if (pass_at(b, g, node, at, axis, &p)) EQS_TRY_DONE(note(b, &t, &p));
        }
  if (b->n_pass) qsort(b->pass, (size_t)b->n_pass, sizeof *b->pass, higher_first);
done:
  free(t.slot);
  return status;
}

eqs_status pore_basins_find(pore_basins *b, const pore_grid *g, workspace *w) {
  *b = (pore_basins){0};
  climb c = {.g = g, .b = b};
  size_t tops;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&b->of, g->n_node, sizeof *b->of, "pore cages"));
  EQS_TRY_DONE(alloc_array(&b->shift, g->n_node, sizeof *b->shift, "pore cages"));
  EQS_TRY_DONE(workspace_run(w, (int)((g->n_node + RUN_NODES - 1) / RUN_NODES), climb_block, &c));
  tops = count_tops(b, g->n_node);
  EQS_TRY_DONE(alloc_array(&c.top, tops, sizeof *c.top, "pore cages"));
  EQS_TRY_DONE(alloc_array(&c.cages, tops, sizeof *c.cages, "pore cages"));
  EQS_TRY_DONE(settle(&c));
  EQS_TRY_DONE(workspace_run(w, block_count(c.n), end_block, &c));
  EQS_TRY_DONE(take_cages(&c));
  EQS_TRY_DONE(find_passes(b, g));
done:
  free(c.top);
  free(c.cages);
  if (status != EQS_OK) pore_basins_free(b);
  return status;
}

void pore_basins_free(pore_basins *b) {
  free(b->cage);
  free(b->of);
  free(b->shift);
  free(b->pass);
  *b = (pore_basins){0};
}
