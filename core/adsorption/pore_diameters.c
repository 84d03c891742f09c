/* pore_diameters.c -- largest included and largest free sphere.
 *
 * Cages are joined over their passes from the highest down; the height at which a piece first
 * meets its own image is Df / 2. The grid gives it too low by at most `half`, so passes higher than
 * that need no refinement; of the others, the one with the highest bound is refined until the next
 * to be joined is a refined one.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/pore_union.h"
#include "core/adsorption/pores_parts.h"

/* ---- a heap of passes by their bounds */

typedef struct heap {
  pore_pass *pass;
  size_t n;
  double slack; /* of a pass that is not refined */
} heap;

static double bound(const heap *h, const pore_pass *p) {
  return p->refined ? p->height : p->height + h->slack;
}

/* Ties go to the pass with the lower node: the same for any order of the calls. */
static int before(const heap *h, size_t i, size_t j) {
  const pore_pass *a = &h->pass[i], *b = &h->pass[j];
  double x = bound(h, a), y = bound(h, b);
  if (x != y) return x > y;
  return a->node != b->node ? a->node < b->node : a->axis < b->axis;
}

static void swap(heap *h, size_t i, size_t j) {
  pore_pass p = h->pass[i];
  h->pass[i] = h->pass[j];
  h->pass[j] = p;
}

static void sink(heap *h, size_t i) {
  for (;;) {
    size_t best = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
      if (before(h, child, best)) best = child;
    if (best == i) return;
    swap(h, i, best);
    i = best;
  }
}

/* ---- percolation */

/* Joins passes from the top; the first that closes an endless piece, or n_pass. */
static int first_endless(const pore_basins *b, pore_union *u) {
  for (int i = 0; i < b->n_pass; i++) {
    const pore_pass *p = &b->pass[i];
    int root = pore_union_join(u, p->a, p->b, p->shift);
    if (u->span[root].rank) return i;
  }
  return b->n_pass;
}

/* The heap's passes in the order of their true heights, until a piece is endless: its root. */
static eqs_status percolate(const pores *p, heap *h, pore_union *u, double *height, int *root) {
  *root = -1;
  while (h->n) {
    pore_pass *top = &h->pass[0];
    int known = pore_union_joined(u, top->a, top->b, top->shift);
    if (!known && !top->refined) {
      EQS_TRY(pore_pass_refine(&p->basins, &p->grid, INFINITY, p->work->thread, top));
      sink(h, 0);
      continue;
    }
    if (!known) {
      int joined = pore_union_join(u, top->a, top->b, top->shift);
      *height = top->height;
      if (u->span[joined].rank) {
        *root = joined;
        return EQS_OK;
      }
    }
    h->pass[0] = h->pass[--h->n];
    sink(h, 0);
  }
  return EQS_OK;
}

static eqs_status free_sphere(const pores *p, pores_diameters *out) {
  const pore_basins *b = &p->basins;
  pore_union u = {0};
  heap h = {.slack = p->grid.half};
  int root = -1, first;
  double height = 0;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(pore_union_open(&u, b->n));
  first = first_endless(b, &u);
  if (first == b->n_pass) goto done;
  const double grid_height = b->pass[first].height;
  pore_union_free(&u);
  EQS_TRY_DONE(pore_union_open(&u, b->n));
  int i = 0;
  for (; i < b->n_pass && b->pass[i].height >= grid_height + h.slack; i++)
    pore_union_join(&u, b->pass[i].a, b->pass[i].b, b->pass[i].shift);
  int end = i;
  while (end < b->n_pass && b->pass[end].height >= grid_height - h.slack) end++;
  EQS_TRY_DONE(alloc_array(&h.pass, (size_t)(end - i), sizeof *h.pass, "passes between pores"));
  for (; i < end; i++) h.pass[h.n++] = b->pass[i]; /* falling, hence a heap */
  EQS_TRY_DONE(percolate(p, &h, &u, &height, &root));
  if (root < 0 || height <= 0) goto done;
  out->df = 2 * height;
  for (int k = 0; k < b->n; k++)
    if (pore_union_root(&u, k, NULL) == root) out->dif = fmax(out->dif, 2 * b->cage[k].height);
done:
  pore_union_free(&u);
  free(h.pass);
  return status;
}

eqs_status pores_find_diameters(pores *p, pores_diameters *out) {
  const pore_basins *b = &p->basins;
  *out = (pores_diameters){0};
  for (int i = 0; i < b->n; i++) {
    if (!(2 * b->cage[i].height > out->di)) continue;
    out->di = 2 * b->cage[i].height;
    memcpy(out->at, b->cage[i].x, sizeof out->at);
  }
  return free_sphere(p, out);
}
