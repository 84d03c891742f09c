/* pores.c -- what a probe of a given size finds: channels, pockets, volumes, blocked places.
 *
 * Cages joined over passes of at least the probe's radius are one space; its winding vectors say
 * how many dimensions it is endless in. Cages that the probe does not fit into are then given to
 * the space that their highest pass leads to, spaces staying apart.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/pore_union.h"
#include "core/adsorption/pores_parts.h"

enum { NONE = -1 };
#define PROBE_MAX  20.0 /* angstrom */
#define GRID_SHARE 0.8  /* of the work */

typedef struct part {
  pores_watch watch;
  void *user;
} part;

static int watch_grid(void *user, double share) {
  const part *p = user;
  return p->watch ? p->watch(p->user, share * GRID_SHARE) : 0;
}

eqs_status pores_open(int n, const double *position, const double *radius, const double cell[9],
                      double spacing, workspace *w, pores_watch watch, void *user, pores **out) {
  part share = {watch, user};
  pores *p = NULL;
  *out = NULL;
  EQS_TRY(alloc_array(&p, 1, sizeof *p, "pores"));
  p->work = w;
  p->probe = -1;
  eqs_status status = pore_grid_open(&p->grid, n, position, radius, cell, spacing);
  if (status == EQS_OK) status = pore_grid_fill(&p->grid, w, watch_grid, &share);
  if (status == EQS_OK && watch_grid(&share, 1))
    status = status_fail(EQS_ERR_INTERRUPTED, "stopped before the pores were told apart");
  if (status == EQS_OK) status = pore_basins_find(&p->basins, &p->grid, w);
  if (status == EQS_OK) *out = p;
  else pores_free(&p);
  return status;
}

void pores_free(pores **p) {
  if (!p || !*p) return;
  pore_grid_free(&(*p)->grid);
  pore_basins_free(&(*p)->basins);
  free((*p)->space);
  free((*p)->spaces);
  free(*p);
  *p = NULL;
}

/* ---- which cages belong together */

/* Joins everything the probe can pass; passes that the grid leaves in doubt are refined. */
static eqs_status join_passable(const pores *p, double probe, pore_union *u) {
  const pore_basins *b = &p->basins;
  for (int i = 0; i < b->n_pass && b->pass[i].height >= probe - p->grid.half; i++) {
    pore_pass pass = b->pass[i];
    if (pore_union_joined(u, pass.a, pass.b, pass.shift)) continue;
    if (pass.height < probe) EQS_TRY(pore_pass_refine(b, &p->grid, probe, p->work->thread, &pass));
    if (pass.height >= probe) pore_union_join(u, pass.a, pass.b, pass.shift);
  }
  return EQS_OK;
}

typedef struct ranked {
  pores_space space;
  int slot, root;
} ranked;

static int channels_first(const void *pa, const void *pb) {
  const ranked *a = pa, *b = pb;
  if (a->space.kind != b->space.kind) return a->space.kind - b->space.kind;
  if (a->space.volume != b->space.volume) return a->space.volume > b->space.volume ? -1 : 1;
  return a->root - b->root;
}

/* One entry per piece that holds a node where the probe fits. slot[root]: which one. */
static int list_spaces(const pores *p, double probe, pore_union *u, ranked *list, int *slot) {
  const pore_grid *g = &p->grid;
  const pore_basins *b = &p->basins;
  int n = 0;
  double voxel = g->volume / (double)g->n_node;
  for (int i = 0; i < b->n; i++) {
    int root = pore_union_root(u, i, NULL);
    const pore_cage *cage = &b->cage[i];
    if (cage->height < probe) continue;
    if (slot[root] == NONE) {
      slot[root] = n;
      list[n] = (ranked){.slot = n, .root = root};
      n++;
    }
    ranked *r = &list[slot[root]];
    if (2 * cage->height <= r->space.diameter) continue;
    r->space.diameter = 2 * cage->height;
    memcpy(r->space.at, cage->x, sizeof cage->x);
  }
  for (size_t node = 0; node < g->n_node; node++)
    if (b->of[node] != NONE && g->d[node] >= probe)
      list[slot[pore_union_root(u, b->of[node], NULL)]].space.volume += voxel;
  for (int i = 0; i < n; i++) {
    list[i].space.dimension = u->span[list[i].root].rank;
    list[i].space.kind = list[i].space.dimension ? PORES_CHANNEL : PORES_POCKET;
  }
  return n;
}

/* Gives the tight cages to the spaces, over the highest passes first; slot[root] is the space. A
 * tight piece that is endless by itself is nobody's. */
static void flood_tight(const pore_basins *b, pore_union *u, int *slot) {
  for (int i = 0; i < b->n_pass; i++) {
    const pore_pass *p = &b->pass[i];
    int from = pore_union_root(u, p->a, NULL), to = pore_union_root(u, p->b, NULL);
    int tight = slot[from] == NONE ? from : to, other = slot[from] == NONE ? to : from;
    if (slot[tight] != NONE || (slot[other] != NONE && u->span[tight].rank)) continue;
    int space = slot[other];
    slot[pore_union_join(u, p->a, p->b, p->shift)] = space;
  }
}

eqs_status pores_set_probe(pores *p, double radius) {
  const pore_basins *b = &p->basins;
  if (!(radius >= 0 && radius <= PROBE_MAX))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the probe's radius must be 0 to %g angstrom, not %g", PROBE_MAX,
             radius);
  pore_union u = {0};
  ranked *list = NULL;
  int *slot = NULL, *place = NULL, n = 0;
  size_t m = (size_t)b->n;
  eqs_status status = EQS_OK;
  p->probe = -1;
  free(p->space), free(p->spaces);
  p->space = NULL, p->spaces = NULL, p->n_space = 0;
  EQS_TRY_DONE(pore_union_open(&u, b->n));
  EQS_TRY_DONE(alloc_array(&list, m, sizeof *list, "pores"));
  EQS_TRY_DONE(alloc_array(&slot, m, sizeof *slot, "pores"));
  EQS_TRY_DONE(alloc_array(&p->space, m, sizeof *p->space, "pores"));
  for (size_t i = 0; i < m; i++) slot[i] = NONE;
  EQS_TRY_DONE(join_passable(p, radius, &u));
  n = list_spaces(p, radius, &u, list, slot);
  flood_tight(b, &u, slot);
  for (int i = 0; i < b->n; i++) p->space[i] = slot[pore_union_root(&u, i, NULL)];
  EQS_TRY_DONE(alloc_array(&place, (size_t)n, sizeof *place, "pores"));
  EQS_TRY_DONE(alloc_array(&p->spaces, (size_t)n, sizeof *p->spaces, "pores"));
  if (n) qsort(list, (size_t)n, sizeof *list, channels_first);
  for (int i = 0; i < n; i++) {
    place[list[i].slot] = i;
    p->spaces[i] = list[i].space;
  }
  for (int i = 0; i < b->n; i++)
    if (p->space[i] != NONE) p->space[i] = place[p->space[i]];
  p->n_space = n;
  p->probe = radius;
done:
  pore_union_free(&u);
  free(list);
  free(slot);
  free(place);
  return status;
}

/* ---- questions about the probe chosen */

int pores_spaces(const pores *p, const pores_space **out) {
  *out = p->spaces;
  return p->n_space;
}

static int kind_of_node(const pores *p, size_t node) {
  int basin = p->basins.of[node];
  if (basin == NONE || p->space[basin] == NONE) return 0;
  return p->spaces[p->space[basin]].kind;
}

int pores_kind_at(const pores *p, const double x[3]) {
  int cell[3];
  if (p->probe < 0 || !isfinite(x[0] + x[1] + x[2])) return 0;
  return kind_of_node(p, pore_grid_node(&p->grid, x, cell));
}

int pores_blocked(const pores *p, const double x[3]) { return pores_kind_at(p, x) == PORES_POCKET; }

void pores_find_volumes(const pores *p, pores_volumes *out) {
  const pore_grid *g = &p->grid;
  size_t n[3] = {0}, empty = 0;
  for (size_t node = 0; node < g->n_node; node++) {
    empty += g->d[node] >= 0;
    if (p->probe >= 0 && g->d[node] >= p->probe) n[kind_of_node(p, node)]++;
  }
  out->empty = (double)empty / (double)g->n_node;
  out->channel = (double)n[PORES_CHANNEL] / (double)g->n_node;
  out->pocket = (double)n[PORES_POCKET] / (double)g->n_node;
}
