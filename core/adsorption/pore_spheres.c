/* pore_spheres.c -- spheres that block the pockets, for programs that know no grids.
 *
 * Greedy: the place of the probe in a pocket that is farthest from the atoms and not covered yet
 * becomes the centre of a sphere of radius d + rp, cut back where that would reach the probe's
 * places in a channel.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/pores_parts.h"

typedef struct place {
  float height;
  uint32_t node;
} place;

typedef struct cover {
  const pores *p;
  unsigned char *kind; /* [nodes] of the probe's places; 0 = none, or covered */
} cover;

static int farthest_first(const void *pa, const void *pb) {
  const place *a = pa, *b = pb;
  if (a->height != b->height) return a->height > b->height ? -1 : 1;
  return (a->node > b->node) - (a->node < b->node);
}

/* Distance^2 from the centre to the nearest place in a channel within radius, or radius^2; with
 * mark, covers the pocket's places inside instead. */
static double scan(const cover *c, size_t center, double radius, int mark) {
  const pore_grid *g = &c->p->grid;
  int at[3], reach[3];
  double best = radius * radius;
  pore_grid_coordinates(g, center, at);
  for (int k = 0; k < 3; k++) reach[k] = (int)(radius / g->width[k] * g->n[k]) + 1;
  for (int i = -reach[0]; i <= reach[0]; i++)
    for (int j = -reach[1]; j <= reach[1]; j++)
      for (int k = -reach[2]; k <= reach[2]; k++) {
        const double v[3] = {i, j, k};
        const int to[3] = {at[0] + i, at[1] + j, at[2] + k};
        int cell[3] = {0, 0, 0};
        double x[3];
        pore_grid_position(g, v, x);
        double square = x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
        if (square > best) continue;
        size_t node = pore_grid_wrap(g, to, cell);
        if (!mark && c->kind[node] == PORES_CHANNEL) best = square;
        if (mark && c->kind[node] == PORES_POCKET) c->kind[node] = 0;
      }
  return best;
}

static eqs_status add(pores_sphere **list, int *n, const double x[3], double radius) {
  if (*n % 64 == 0) {
    pores_sphere *more = realloc(*list, (size_t)(*n + 64) * sizeof *more);
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: blocking spheres");
    *list = more;
  }
  pores_sphere s = {{x[0], x[1], x[2]}, radius};
  (*list)[(*n)++] = s;
  return EQS_OK;
}

static eqs_status cover_pockets(const cover *c, const place *list, size_t n_place,
                                pores_sphere **out, int *n) {
  const pore_grid *g = &c->p->grid;
  for (size_t i = 0; i < n_place; i++) {
    if (c->kind[list[i].node] != PORES_POCKET) continue;
    int at[3];
    double x[3], radius = list[i].height + c->p->probe;
    double near = sqrt(scan(c, list[i].node, radius, 0));
    if (near < radius) radius = near * (1 - 1e-6); /* the channel's place stays outside */
    scan(c, list[i].node, radius, 1);
    c->kind[list[i].node] = 0;
    pore_grid_coordinates(g, list[i].node, at);
    const double place_at[3] = {at[0], at[1], at[2]};
    pore_grid_position(g, place_at, x);
    EQS_TRY(add(out, n, x, radius));
  }
  return EQS_OK;
}

eqs_status pores_find_spheres(const pores *p, pores_sphere **out, int *n) {
  const pore_grid *g = &p->grid;
  cover c = {.p = p};
  place *list = NULL;
  size_t count = 0, filled = 0;
  eqs_status status = EQS_OK;
  *out = NULL, *n = 0;
  if (p->probe < 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no probe was set before its pockets were asked for");
  EQS_TRY_DONE(alloc_array(&c.kind, g->n_node, 1, "blocking spheres"));
  for (size_t node = 0; node < g->n_node; node++) {
    int basin = p->basins.of[node];
    if (g->d[node] < p->probe || basin < 0 || p->space[basin] < 0) continue;
    c.kind[node] = (unsigned char)p->spaces[p->space[basin]].kind;
    count += c.kind[node] == PORES_POCKET;
  }
  EQS_TRY_DONE(alloc_array(&list, count, sizeof *list, "blocking spheres"));
  for (size_t node = 0; node < g->n_node; node++)
    if (c.kind[node] == PORES_POCKET) list[filled++] = (place){g->d[node], (uint32_t)node};
  if (count) qsort(list, count, sizeof *list, farthest_first);
  EQS_TRY_DONE(cover_pockets(&c, list, count, out, n));
done:
  free(c.kind);
  free(list);
  if (status != EQS_OK) {
    free(*out);
    *out = NULL, *n = 0;
  }
  return status;
}
