/* staging.c -- copies lists and species to the device and cuts the batch into its blocks.
 * SPDX-License-Identifier: MIT */
#include "core/staging.h"

#include <string.h>

#include "potentials/species_groups.h"

/* Atoms of a device's block: enough to fill a large GPU several times over, few enough that the
 * aggregates of a block (8 KiB per atom for 128x0e) stay far below the features of all atoms. */
enum { DEVICE_BLOCK_ATOMS = 16384 };

static eqs_status send(eqs_context *c, const void *from, size_t n, size_t size, void *out) {
  device *d = c->device;
  void *p;
  EQS_TRY(arena_take(&c->device_work.shared, n, size, &p));
  EQS_TRY(d->ops->put(d, p, from, n * size));
  memcpy(out, &p, sizeof p);
  return EQS_OK;
}

static eqs_status send_list(eqs_context *c, neighbors *to) {
  const neighbors *nb = &c->list;
  size_t n = (size_t)nb->n, n_edge = (size_t)nb->n_edge;
  *to = (neighbors){.n = nb->n, .n_edge = nb->n_edge};
  EQS_TRY(send(c, nb->first, n + 1, sizeof *nb->first, &to->first));
  EQS_TRY(send(c, nb->center, n_edge, sizeof *nb->center, &to->center));
  EQS_TRY(send(c, nb->neighbor, n_edge, sizeof *nb->neighbor, &to->neighbor));
  EQS_TRY(send(c, nb->vector, n_edge, sizeof *nb->vector, &to->vector));
  EQS_TRY(send(c, nb->transpose_first, n + 1, sizeof *nb->first, &to->transpose_first));
  return send(c, nb->transpose, n_edge, sizeof *nb->transpose, &to->transpose);
}

static int most_edges(const int *first, int n, int atoms) {
  int most = 0;
  for (int begin = 0; begin < n; begin += atoms) {
    int end = n - begin < atoms ? n : begin + atoms;
    if (first[end] - first[begin] > most) most = first[end] - first[begin];
  }
  return most;
}

static eqs_status cut_blocks(eqs_context *c, const int *species, device_blocks *b) {
  const neighbors *nb = &c->list;
  int n = nb->n, atoms = DEVICE_BLOCK_ATOMS, *local, *global;
  int forward = most_edges(nb->first, n, atoms), back = most_edges(nb->transpose_first, n, atoms);
  species_groups g;
  EQS_TRY(arena_take(&c->work.shared, (size_t)n, sizeof *local, &local));
  EQS_TRY(arena_take(&c->work.shared, (size_t)n, sizeof *global, &global));
  for (int begin = 0; begin < n; begin += atoms)
    sort_species(species, begin, n - begin < atoms ? n : begin + atoms, &g, local + begin,
                 global + begin);
  *b =
      (device_blocks){.atoms = atoms, .edges = forward > back ? forward : back, .species = species};
  EQS_TRY(send(c, local, (size_t)n, sizeof *local, &b->local));
  return send(c, global, (size_t)n, sizeof *global, &b->global);
}

eqs_status stage_batch(eqs_context *c, const int *species, staged_batch *out) {
  size_t n = (size_t)c->list.n;
  out->batch = (batch){.n = c->list.n, .species = species, .nb = &c->list};
  if (device_is_host(c->device)) return EQS_OK;
  EQS_TRY(c->device->ops->enter(c->device));
  arena_reset(&c->device_work.shared);
  EQS_TRY(send_list(c, &out->list));
  EQS_TRY(cut_blocks(c, species, &out->blocks));
  EQS_TRY(send(c, species, n, sizeof *species, &out->batch.species));
  out->batch.nb = &out->list;
  out->batch.blocks = &out->blocks;
  return EQS_OK;
}
