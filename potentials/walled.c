/* walled.c -- the prior around another potential: edges are shortened no further than the model
 * knows, it is evaluated, and energies and gradients come back with the wall's share
 * (kernels/wall.h). Everything else is the inner potential's, so that whole systems, local changes,
 * domains and devices see the same function.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/walled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "io/elements.h"

typedef struct walled {
  potential head;
  potential *inner;
  char functional[64]; /* of the table */
  wall_shape *shape;   /* [n_element][n_element], on the device */
  double (*piece)[4];
} walled;

double walled_distance(const wall_table *walls, int z1, int z2) {
  const wall_pair *p = wall_find(walls, z1, z2);
  if (!p) return 0;
  double on = WALLED_BOND * (element_radius(z1) + element_radius(z2));
  return fmin(fmin(on, wall_radius(p, WALLED_ENERGY)), p->reach);
}

/* ---- evaluation */

typedef struct wall_task {
  const kernel_ops *k;
  const batch *b;
  int rows; /* of the last layer: those that get an energy */
  int *near;
  void (*kernel)(const wall_args *);
  wall_args args;
} wall_task;

static eqs_status run_block(void *argument, int block, arena *scratch) {
  const wall_task *t = argument;
  wall_args a = t->args;
  int begin = batch_block_begin(t->b, block, t->rows);
  (void)scratch;
  a.begin = batch_begin(t->b) + begin;
  a.n = batch_block_end(t->b, block, t->rows) - begin;
  a.near = t->near ? t->near + block : NULL;
  t->kernel(&a);
  return EQS_OK;
}

/* Whether a pair is close enough, on the host. */
static eqs_status look(const wall_task *task, workspace *w, int *near) {
  wall_task t = *task;
  int blocks = batch_blocks(t.b, t.rows);
  t.args.shown = NULL;
  t.args.gradient = NULL;
  EQS_TRY(arena_take_zero(&w->shared, (size_t)blocks, sizeof *t.near, &t.near));
  EQS_TRY(workspace_run(w, blocks, run_block, &t));
  *near = 0;
  for (int k = 0; k < blocks; k++) *near |= t.near[k];
  return EQS_OK;
}

static eqs_status walled_evaluate(const potential *base, workspace *w, const batch *b,
                                  double *energies, double (*gradient)[3]) {
  const walled *p = (const walled *)base;
  const potential *inner = p->inner;
  const kernel_ops *k = base->k;
  neighbors list = *b->nb;
  batch shown = *b;
  int near = 1, rows = batch_count(b, base->info.n_layer - 1), blocks = batch_blocks(b, rows);
  wall_task t = {.k = k,
                 .b = b,
                 .rows = rows,
                 .kernel = k->wall_forward,
                 .args = {.first = b->nb->first,
                          .neighbor = b->nb->neighbor,
                          .species = b->species,
                          .n_species = base->info.n_element,
                          .shape = p->shape,
                          .piece = (const double(*)[4])p->piece,
                          .vector = (const double(*)[3])b->nb->vector,
                          .energy = energies,
                          .gradient = gradient}};
  if (device_is_host(k->device)) EQS_TRY(look(&t, w, &near));
  if (!near) return inner->ops->evaluate(inner, w, b, energies, gradient);
  EQS_TRY(arena_take(&w->shared, (size_t)list.n_edge, sizeof *list.vector, &list.vector));
  t.args.shown = list.vector;
  EQS_TRY(workspace_run(w, blocks, run_block, &t));
  shown.nb = &list;
  EQS_TRY(inner->ops->evaluate(inner, w, &shown, energies, gradient));
  t.kernel = k->wall_reverse;
  return workspace_run(w, blocks, run_block, &t);
}

/* ---- the rest is the inner potential's */

static eqs_status walled_prepare(potential *base, const unsigned char *present) {
  potential *inner = ((walled *)base)->inner;
  return inner->ops->prepare(inner, present);
}

static int walled_features(const potential *base, feature out[FEATURES_MAX]) {
  const potential *inner = ((const walled *)base)->inner;
  return inner->ops->features(inner, out);
}

static int walled_exchanged(const potential *base, int layer, int reverse) {
  const potential *inner = ((const walled *)base)->inner;
  return inner->ops->exchanged(inner, layer, reverse);
}

static void walled_free(potential *base) {
  walled *p = (walled *)base;
  if (p->inner) p->inner->ops->free(p->inner);
  device_give(base->k->device, &p->shape);
  device_give(base->k->device, &p->piece);
  free(p);
}

static const potential_ops walled_ops = {.prepare = walled_prepare,
                                         .evaluate = walled_evaluate,
                                         .features = walled_features,
                                         .exchanged = walled_exchanged,
                                         .free = walled_free};

/* ---- opening */

static eqs_status set_shapes(const wall_table *walls, walled *p) {
  int n = p->head.info.n_element, n_piece = 0;
  wall_shape *shape = NULL;
  double(*piece)[4] = NULL;
  eqs_status status = EQS_OK;
  size_t pairs = mul_size((size_t)n, (size_t)n), most = mul_size(pairs, WALL_KNOTS);
  EQS_TRY_DONE(alloc_array(&shape, pairs, sizeof *shape, "walls"));
  EQS_TRY_DONE(alloc_array(&piece, most, sizeof *piece, "walls"));
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      const wall_pair *q = wall_find(walls, p->head.element[i], p->head.element[j]);
      double on = walled_distance(walls, p->head.element[i], p->head.element[j]);
      wall_shape *s = shape + i * n + j;
      if (!q || !(on > 0)) continue;
      *s = (wall_shape){.on = on,
                        .width = WALLED_WIDTH * on,
                        .charge = q->charge,
                        .reach = q->reach,
                        .n = q->n,
                        .first = n_piece};
      memcpy(piece + n_piece, q->y, (size_t)q->n * sizeof *piece);
      n_piece += q->n;
      shape[j * n + i] = *s;
    }
  device *d = p->head.k->device;
  EQS_TRY_DONE(device_copy(d, shape, pairs, sizeof *shape, "walls", &p->shape));
  EQS_TRY_DONE(device_copy(d, piece, (size_t)n_piece, sizeof *piece, "walls", &p->piece));
done:
  free(shape);
  free(piece);
  return status;
}

eqs_status walled_open(const wall_table *walls, potential **p) {
  walled *w = NULL;
  EQS_TRY(alloc_array(&w, 1, sizeof *w, "walls"));
  w->head = **p;
  w->head.ops = &walled_ops;
  memcpy(w->functional, walls->functional, sizeof w->functional);
  w->head.info.wall = w->functional;
  eqs_status status = set_shapes(walls, w);
  if (status == EQS_OK) {
    w->inner = *p;
    *p = &w->head;
  } else {
    walled_free(&w->head);
  }
  return status;
}
