/* local_graph.c -- the reach of a change, by walking the neighbour list outwards from it.
 *
 * Edges of the atoms put in are searched among all atoms; everything else is in the system's list.
 * SPDX-License-Identifier: MIT */
#include "core/local_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double closest = 1e-3; /* angstrom: nearer atoms are one atom given twice */

eqs_status local_base_cell(local_base *b, int periodic, const double *cell, double cutoff) {
  double width[3];
  b->periodic = periodic;
  b->cutoff = cutoff;
  if (!periodic) return EQS_OK;
  memcpy(b->cell, cell, sizeof b->cell);
  if (!cell_inverse(cell, b->inverse)) EQS_FAIL(EQS_ERR_ARGUMENT, "the cell is singular");
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) {
    b->reach[k] = cutoff / width[k] * (1 + 1e-12) + 1e-12;
    if (!(b->reach[k] < 1000))
      EQS_FAIL(EQS_ERR_ARGUMENT, "the cell is too thin (%g angstrom) for the cutoff of %g angstrom",
               width[k], cutoff);
    b->images[k] = (int)floor(b->reach[k]) + 1;
  }
  return EQS_OK;
}

void local_base_place(const local_base *b, const double x[3], local_place *out) {
  *out = (local_place){.given = {x[0], x[1], x[2]}};
  for (int k = 0; b->periodic && k < 3; k++) {
    double f = x[0] * b->inverse[k] + x[1] * b->inverse[3 + k] + x[2] * b->inverse[6 + k];
    double whole = floor(f);
    out->wrap[k] = (int)whole;
    out->fraction[k] = f - whole;
  }
}

static eqs_status grow(void *array, size_t *capacity, size_t need, size_t size) {
  void *old;
  memcpy(&old, array, sizeof old);
  if (need <= *capacity) return EQS_OK;
  size_t more = *capacity + *capacity / 2 > need ? *capacity + *capacity / 2 : need;
  void *p = realloc(old, mul_size(more, size) < SIZE_MAX ? more * size : SIZE_MAX);
  if (!p) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu rows of a local evaluation", more);
  memcpy(array, &p, sizeof p);
  *capacity = more;
  return EQS_OK;
}

eqs_status local_graph_open(local_graph *g, const local_base *b, int n_layer, int n_species) {
  size_t buckets = (size_t)n_layer * (size_t)n_species;
  *g = (local_graph){.base = b, .n_layer = n_layer, .n_species = n_species};
  EQS_TRY(alloc_array(&g->end, (size_t)n_layer, sizeof *g->end, "layers"));
  EQS_TRY(alloc_array(&g->bucket, buckets, sizeof *g->bucket, "layers"));
  return EQS_OK;
}

void local_graph_start(local_graph *g) { g->n_change = g->n_row = g->n_edge = 0; }

/* Levels and rows of n + n_insert nodes; the levels of new memory are 0. */
static eqs_status reserve_nodes(local_graph *g, size_t n) {
  size_t before = g->node_capacity, capacity = before;
  EQS_TRY(grow(&g->row_of, &capacity, n, sizeof *g->row_of));
  EQS_TRY(grow(&g->level, &g->node_capacity, n, sizeof *g->level));
  if (g->node_capacity > before)
    memset(g->level + before, 0, (g->node_capacity - before) * sizeof *g->level);
  return EQS_OK;
}

static eqs_status reserve_change(local_graph *g) {
  size_t n = (size_t)g->n_change + 2, capacity = g->change_capacity;
  EQS_TRY(grow(&g->first_row, &capacity, n, sizeof(int)));
  return grow(&g->first_extra, &g->change_capacity, n, sizeof(int));
}

static eqs_status add_row(local_graph *g, int node, int level, int species) {
  EQS_TRY(grow(&g->row, &g->row_capacity, (size_t)g->n_row + 1, sizeof *g->row));
  g->level[node] = level;
  g->row_of[node] = g->n_row;
  g->row[g->n_row++] = (local_row){.node = node, .level = level, .species = species};
  return EQS_OK;
}

/* Edges from p, the atom `from` of those put in, to all images of q. */
static eqs_status add_pairs(local_graph *g, int from, const local_place *p, int to,
                            const local_place *q, int *n_extra, int *coincide) {
  const local_base *b = g->base;
  int lo[3], hi[3], self = to == b->n + from;
  for (int k = 0; k < 3; k++) { /* the range of s with |q + s - p| within reach */
    double d = q->fraction[k] - p->fraction[k];
    lo[k] = hi[k] = 0;
    if (!b->periodic) continue;
    for (lo[k] = -b->images[k]; lo[k] <= b->images[k] && d + lo[k] < -b->reach[k];) lo[k]++;
    for (hi[k] = b->images[k]; hi[k] >= lo[k] && d + hi[k] > b->reach[k];) hi[k]--;
    if (hi[k] < lo[k]) return EQS_OK;
  }
  for (int i = lo[0]; i <= hi[0]; i++)
    for (int j = lo[1]; j <= hi[1]; j++)
      for (int k = lo[2]; k <= hi[2]; k++) {
        double s[3] = {i - q->wrap[0] + p->wrap[0], j - q->wrap[1] + p->wrap[1],
                       k - q->wrap[2] + p->wrap[2]};
        local_edge e = {.from = from, .to = to};
        double r2 = 0;
        for (int c = 0; c < 3; c++) {
          e.vector[c] = q->given[c] - p->given[c];
          if (b->periodic)
            e.vector[c] += s[0] * b->cell[c] + s[1] * b->cell[3 + c] + s[2] * b->cell[6 + c];
          r2 += e.vector[c] * e.vector[c];
        }
        if (!(r2 < b->cutoff * b->cutoff)) continue;
        if (self && s[0] == 0 && s[1] == 0 && s[2] == 0) continue;
        if (r2 < closest * closest) *coincide = 1;
        EQS_TRY(grow(&g->extra, &g->extra_capacity, (size_t)*n_extra + 1, sizeof e));
        g->extra[(*n_extra)++] = e;
      }
  return EQS_OK;
}

static eqs_status search_inserted(local_graph *g, const eqs_change *c, int *n_extra,
                                  int *coincide) {
  const local_base *b = g->base;
  for (int a = 0; a < c->n_insert; a++) {
    local_place p, q;
    local_base_place(b, c->position + 3 * (size_t)a, &p);
    for (int j = 0; j < b->n; j++)
      if (g->level[j] >= 0) EQS_TRY(add_pairs(g, a, &p, j, b->place + j, n_extra, coincide));
    for (int j = 0; j < c->n_insert; j++) {
      local_base_place(b, c->position + 3 * (size_t)j, &q);
      EQS_TRY(add_pairs(g, a, &p, b->n + j, &q, n_extra, coincide));
    }
  }
  return EQS_OK;
}

/* Level 1: atoms put in, and those with an edge to an atom put in or taken out. */
static eqs_status first_level(local_graph *g, const eqs_change *c, const int *species,
                              int n_extra) {
  const local_base *b = g->base;
  for (int a = 0; a < c->n_insert; a++) EQS_TRY(add_row(g, b->n + a, 1, species[a]));
  for (int e = g->first_extra[g->n_change]; e < n_extra; e++) {
    int j = g->extra[e].to;
    if (g->level[j] == 0) EQS_TRY(add_row(g, j, 1, b->species[j]));
  }
  for (int r = 0; r < c->n_remove; r++)
    for (int e = b->list->first[c->remove[r]]; e < b->list->first[c->remove[r] + 1]; e++) {
      int j = b->list->neighbor[e];
      if (g->level[j] == 0) EQS_TRY(add_row(g, j, 1, b->species[j]));
    }
  return EQS_OK;
}

/* Levels 2 to n_layer, and how many edges every row has. */
static eqs_status spread(local_graph *g, int n_extra) {
  const local_base *b = g->base;
  const neighbors *nb = b->list;
  for (int k = g->first_row[g->n_change]; k < g->n_row; k++) {
    local_row r = g->row[k];
    if (r.node >= b->n) continue; /* its neighbours are of level 1 */
    for (int e = nb->first[r.node]; e < nb->first[r.node + 1]; e++) {
      int j = nb->neighbor[e];
      g->row[k].degree += g->level[j] >= 0;
      if (g->level[j] == 0 && r.level < g->n_layer)
        EQS_TRY(add_row(g, j, r.level + 1, b->species[j]));
    }
  }
  for (int e = g->first_extra[g->n_change]; e < n_extra; e++) {
    const local_edge *x = g->extra + e;
    g->row[g->row_of[b->n + x->from]].degree++;
    if (x->to < b->n) g->row[g->row_of[x->to]].degree++;
  }
  return EQS_OK;
}

eqs_status local_graph_add(local_graph *g, const eqs_change *c, const int *species, int *coincide) {
  const local_base *b = g->base;
  EQS_TRY(reserve_nodes(g, (size_t)b->n + (size_t)c->n_insert));
  EQS_TRY(reserve_change(g));
  if (g->n_change == 0) g->first_row[0] = g->first_extra[0] = 0;
  int first = g->first_row[g->n_change], n_extra = g->first_extra[g->n_change];
  *coincide = 0;
  for (int r = 0; r < c->n_remove; r++) g->level[c->remove[r]] = -1;
  eqs_status status = search_inserted(g, c, &n_extra, coincide);
  if (*coincide) n_extra = g->first_extra[g->n_change];
  if (status == EQS_OK && !*coincide) status = first_level(g, c, species, n_extra);
  if (status == EQS_OK && !*coincide) status = spread(g, n_extra);
  for (int r = 0; r < c->n_remove; r++) g->level[c->remove[r]] = 0;
  int64_t edges = g->n_edge;
  for (int k = first; k < g->n_row; k++) {
    g->level[g->row[k].node] = 0;
    edges += g->row[k].degree;
  }
  EQS_TRY(status);
  if (edges > INT32_MAX) EQS_FAIL(EQS_ERR_MEMORY, "a local evaluation of more than 2^31 edges");
  g->n_edge = (int)edges;
  g->first_row[++g->n_change] = g->n_row;
  g->first_extra[g->n_change] = n_extra;
  return EQS_OK;
}

/* Counting sort by level, then species, stable. */
void local_graph_sort(local_graph *g) {
  int n = g->n_layer * g->n_species, *bucket = g->bucket, at = 0;
  memset(bucket, 0, (size_t)n * sizeof *bucket);
  for (int k = 0; k < g->n_row; k++)
    bucket[(g->row[k].level - 1) * g->n_species + g->row[k].species]++;
  for (int i = 0; i < n; i++) {
    int count = bucket[i];
    bucket[i] = at;
    at += count;
    g->end[i / g->n_species] = at;
  }
  for (int k = 0; k < g->n_row; k++)
    g->row[k].rank = bucket[(g->row[k].level - 1) * g->n_species + g->row[k].species]++;
}

/* The edges of one change's rows; `next` counts those written per rank. */
static void fill_change(local_graph *g, int change, const eqs_change *c, int begin, int *next,
                        neighbors *out) {
  const local_base *b = g->base;
  const neighbors *nb = b->list;
  for (int k = g->first_row[change]; k < g->first_row[change + 1]; k++) {
    g->level[g->row[k].node] = g->row[k].level;
    g->row_of[g->row[k].node] = begin + g->row[k].rank;
  }
  for (int r = 0; r < c->n_remove; r++) g->level[c->remove[r]] = -1;
  for (int k = g->first_row[change]; k < g->first_row[change + 1]; k++) {
    const local_row *r = g->row + k;
    if (r->node >= b->n) continue;
    for (int e = nb->first[r->node]; e < nb->first[r->node + 1]; e++) {
      int j = nb->neighbor[e];
      if (g->level[j] < 0) continue;
      int at = next[r->rank]++;
      out->neighbor[at] = g->level[j] ? g->row_of[j] : j;
      memcpy(out->vector[at], nb->vector[e], sizeof *out->vector);
    }
  }
  for (int e = g->first_extra[change]; e < g->first_extra[change + 1]; e++) {
    const local_edge *x = g->extra + e;
    int from = g->row_of[b->n + x->from], to = g->row_of[x->to], at = next[from - begin]++;
    out->neighbor[at] = to;
    memcpy(out->vector[at], x->vector, sizeof *out->vector);
    if (x->to >= b->n) continue; /* found from the other side as well */
    at = next[to - begin]++;
    out->neighbor[at] = from;
    for (int i = 0; i < 3; i++) out->vector[at][i] = -x->vector[i];
  }
  for (int r = 0; r < c->n_remove; r++) g->level[c->remove[r]] = 0;
  for (int k = g->first_row[change]; k < g->first_row[change + 1]; k++)
    g->level[g->row[k].node] = 0;
}

void local_graph_edges(local_graph *g, const eqs_change *changes, int begin, neighbors *out) {
  int *first = out->first + begin, *next = first + 1; /* next[rank] ends as first of rank + 1 */
  for (int k = 0; k < g->n_row; k++) next[g->row[k].rank] = g->row[k].degree;
  int sum = 0;
  first[0] = 0;
  for (int k = 0; k < g->n_row; k++) {
    int degree = next[k];
    next[k] = sum;
    sum += degree;
  }
  for (int k = 0; k < g->n_change; k++) fill_change(g, k, changes + k, begin, next, out);
  for (int k = 0; k < g->n_row; k++)
    for (int e = first[k]; e < first[k + 1]; e++) out->center[e] = begin + k;
  out->n_edge = sum;
}

void local_graph_free(local_graph *g) {
  free(g->first_row);
  free(g->first_extra);
  free(g->row);
  free(g->extra);
  free(g->level);
  free(g->row_of);
  free(g->end);
  free(g->bucket);
  *g = (local_graph){0};
}
