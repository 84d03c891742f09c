/* device_domain.c -- see device_domain.h.
 * SPDX-License-Identifier: MIT */
#include "core/device_domain.h"

#include <string.h>

#include "core/engine.h"
#include "potentials/species_groups.h"

static eqs_status send(eqs_context *c, const void *from, size_t n, size_t size, size_t room,
                       void *out) {
  device *d = c->device;
  void *p;
  EQS_TRY(arena_take(&c->device_work.shared, room > n ? room : n, size, &p));
  EQS_TRY(d->ops->put(d, p, from, n * size));
  memcpy(out, &p, sizeof p);
  return EQS_OK;
}

/* Arrays of edges have the room that the host's have, so that they need not grow with every edge.
 */
static eqs_status send_list(eqs_context *c, const neighbors *nb, neighbors *to) {
  size_t atoms = (size_t)nb->n + 1, edges = (size_t)nb->n_edge, room = nb->edge_capacity;
  *to = (neighbors){.n = nb->n, .n_edge = nb->n_edge};
  EQS_TRY(send(c, nb->first, atoms, sizeof *nb->first, 0, &to->first));
  EQS_TRY(send(c, nb->transpose_first, atoms, sizeof *nb->first, 0, &to->transpose_first));
  EQS_TRY(send(c, nb->center, edges, sizeof *nb->center, room, &to->center));
  EQS_TRY(send(c, nb->neighbor, edges, sizeof *nb->neighbor, room, &to->neighbor));
  EQS_TRY(send(c, nb->vector, edges, sizeof *nb->vector, room, &to->vector));
  return send(c, nb->transpose, edges, sizeof *nb->transpose, room, &to->transpose);
}

/* As many blocks as a batch has, of equal size: a single one has all owned rows and no ghost. */
static int block_atoms(int n) {
  int atoms = device_block_atoms(n), blocks = (n + atoms - 1) / atoms;
  return blocks ? (n + blocks - 1) / blocks : atoms;
}

/* The most edges of a block of `atoms` among n. */
static int most_edges(const int *first, int n, int atoms) {
  int most = 0;
  for (int begin = 0; begin < n; begin += atoms) {
    int end = n - begin < atoms ? n : begin + atoms;
    if (first[end] - first[begin] > most) most = first[end] - first[begin];
  }
  return most;
}

static eqs_status send_species(eqs_context *c, const batch *from, batch *to,
                               device_blocks *blocks) {
  arena *host = &c->work.shared;
  int n = from->n, atoms = c->domain_block ? c->domain_block : block_atoms(n);
  int *local, *global;
  species_groups g;
  EQS_TRY(arena_take(host, (size_t)n, sizeof *local, &local));
  EQS_TRY(arena_take(host, (size_t)n, sizeof *global, &global));
  for (int begin = 0; begin < n; begin += atoms)
    sort_species(from->species, begin, n - begin < atoms ? n : begin + atoms, &g, local + begin,
                 global + begin);
  *blocks = (device_blocks){.atoms = atoms, .species = from->species};
  int by_center = most_edges(from->nb->first, n, atoms);
  int by_neighbor = most_edges(from->nb->transpose_first, batch_rows(from), atoms);
  blocks->edges = by_center > by_neighbor ? by_center : by_neighbor;
  EQS_TRY(send(c, from->species, (size_t)batch_rows(from), sizeof(int), 0, &to->species));
  EQS_TRY(send(c, local, (size_t)n, sizeof *local, 0, &blocks->local));
  return send(c, global, (size_t)n, sizeof *global, 0, &blocks->global);
}

/* Queues everything, with the exchanges in between. */
static eqs_status queue_all(eqs_context *c, const eqs_model *m, const batch *b, size_t room,
                            const device_domain_results *out) {
  device *d = c->device;
  arena *a = &c->device_work.shared;
  const potential *p = m->potential;
  device_domain_results on = {0};
  double(*gradient)[3] = NULL;
  size_t n = (size_t)b->n, rows = (size_t)batch_rows(b);
  EQS_TRY(arena_take(a, n, sizeof *on.energies, &on.energies));
  if (out->forces) {
    EQS_TRY(arena_take(a, rows, sizeof *on.forces, &on.forces));
    EQS_TRY(arena_take(a, room, sizeof *gradient, &gradient));
  }
  if (out->virial) EQS_TRY(arena_take(a, rows, sizeof *on.virial, &on.virial));
  EQS_TRY(p->ops->evaluate(p, &c->device_work, b, on.energies, gradient));
  if (gradient)
    EQS_TRY(engine_sum_edges(p->k, &c->device_work, b, (const double(*)[3])gradient, on.forces,
                             on.virial));
  EQS_TRY(d->ops->get(d, out->energies, on.energies, n * sizeof *on.energies));
  if (on.forces) EQS_TRY(d->ops->get(d, out->forces, on.forces, rows * sizeof *on.forces));
  if (on.virial) EQS_TRY(d->ops->get(d, out->virial, on.virial, rows * sizeof *on.virial));
  return EQS_OK;
}

eqs_status device_domain_evaluate(eqs_context *c, const eqs_model *m, const batch *from,
                                  const device_domain_results *out) {
  device *d = c->device;
  neighbors list;
  device_blocks blocks;
  halo ghosts;
  batch b = {.n = from->n, .nb = &list, .blocks = &blocks};
  device_run_forget(c); /* its arrays are in the same arena */
  EQS_TRY(d->ops->enter(d));
  EQS_TRY(d->ops->use_stream(d, c->stream));
  arena_reset(&c->device_work.shared);
  workspace_level(&c->device_work);
  eqs_status status = send_list(c, from->nb, &list);
  if (status == EQS_OK) status = send_species(c, from, &b, &blocks);
  if (from->halo) {
    ghosts = *from->halo;
    ghosts.device = d;
    b.halo = &ghosts;
  }
  if (status == EQS_OK) status = queue_all(c, m, &b, from->nb->edge_capacity, out);
  if (status == EQS_OK) return d->ops->finish(d);
  (void)d->ops->finish(d); /* nothing is to be written from now on */
  return status;
}
