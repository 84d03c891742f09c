/* device_run.c -- see device_run.h.
 * SPDX-License-Identifier: MIT */
#include "core/device_run.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "kernels/backend.h"
#include "kernels/search.h"
#include "potentials/species_groups.h"

enum { MOST_EDGES = INT_MAX - SEARCH_PAIRS };
enum { WANT_REVERSE = 1, WANT_VIRIAL = 2, WANT_STRESS = 4, WANT_COMMITTEE = 8 };

/* One evaluation. */
typedef struct task {
  eqs_context *c;
  const eqs_model *m;
  const eqs_systems *s;
  const int *species;
  const unsigned char *present;
  const device_results *out;
  int n, want;
} task;

/* ------------------------------------------------------------------------------ what is known */

static void forget_graph(eqs_context *c) {
  device_run *r = &c->run;
  if (r->graph) c->device->ops->graph_free(c->device, r->graph);
  r->graph = NULL;
  r->settled = 0;
}

void device_run_forget(eqs_context *c) {
  forget_graph(c);
  c->run.known = 0;
}

void device_run_free(eqs_context *c) {
  if (c->device) device_run_forget(c);
  free(c->run.first);
  free(c->run.species);
}

static int same_shape(const task *t) {
  const device_run *r = &t->c->run;
  size_t systems = (size_t)t->s->n_system;
  return r->known && r->n_system == t->s->n_system && r->cutoff == t->m->potential->info.cutoff &&
         !memcmp(r->first, t->s->first, (systems + 1) * sizeof *r->first);
}

static int same_work(const task *t) {
  const device_run *r = &t->c->run;
  return same_shape(t) && r->model == t->m && r->model_loaded == t->m->loaded &&
         r->want == t->want && !memcmp(r->species, t->species, (size_t)t->n * sizeof *r->species);
}

static eqs_status copy_ints(const int *from, size_t n, int **to, size_t *room) {
  if (!*to || n > *room) {
    free(*to);
    *room = 0;
    EQS_TRY(alloc_array(to, n, sizeof **to, "a batch"));
    *room = n;
  }
  memcpy(*to, from, n * sizeof **to);
  return EQS_OK;
}

static eqs_status remember(const task *t) {
  device_run *r = &t->c->run;
  size_t systems = (size_t)t->s->n_system;
  r->known = 0;
  EQS_TRY(copy_ints(t->s->first, systems + 1, &r->first, &r->first_room));
  EQS_TRY(copy_ints(t->species, (size_t)t->n, &r->species, &r->species_room));
  r->n_system = t->s->n_system;
  r->cutoff = t->m->potential->info.cutoff;
  r->model = t->m;
  r->model_loaded = t->m->loaded;
  r->want = t->want;
  r->known = 1;
  return EQS_OK;
}

/* ------------------------------------------------------------------------------------- input */

static eqs_status put_input(const task *t) {
  device_run *r = &t->c->run;
  device *d = t->c->device;
  arena *host = &t->c->work.shared;
  search_box *box;
  double *factor, *x = (double *)(uintptr_t)r->list.search.cells.x;
  size_t systems = (size_t)t->s->n_system, bytes = 3 * (size_t)t->n * sizeof *x;
  EQS_TRY(arena_take(host, systems, sizeof *box, &box));
  EQS_TRY(arena_take(host, systems, sizeof *factor, &factor));
  EQS_TRY(neighbors_boxes(t->s, t->m->potential->info.cutoff, box));
  for (size_t i = 0; i < systems; i++) {
    double volume = t->s->cell ? fabs(cell_volume(t->s->cell + 9 * i)) : 0;
    factor[i] = volume > 0 ? 1 / volume : 0;
  }
  EQS_TRY(device_list_put_boxes(&r->list, box));
  EQS_TRY(d->ops->put(d, r->factor, factor, systems * sizeof *factor));
  if (engine_device_dispersion(t->m)) EQS_TRY(dispersion_device_put(&r->dispersion, t->s, host));
  if (t->s->memory == EQS_MEMORY_DEVICE) return d->ops->move(d, x, t->s->position, bytes);
  return d->ops->put(d, x, t->s->position, bytes);
}

static eqs_status send(device *d, arena *a, const int *from, size_t n, const int **out) {
  int *p;
  EQS_TRY(arena_take(a, n, sizeof *p, &p));
  EQS_TRY(d->ops->put(d, p, from, n * sizeof *p));
  *out = p;
  return EQS_OK;
}

/* Species, and the batch's blocks sorted by them. */
static eqs_status put_species(const task *t) {
  device_run *r = &t->c->run;
  device *d = t->c->device;
  arena *host = &t->c->work.shared, *shared = &t->c->device_work.shared;
  int n = t->n, atoms = device_block_atoms(n), *local, *global;
  species_groups g;
  EQS_TRY(arena_take(host, (size_t)n, sizeof *local, &local));
  EQS_TRY(arena_take(host, (size_t)n, sizeof *global, &global));
  for (int begin = 0; begin < n; begin += atoms)
    sort_species(t->species, begin, n - begin < atoms ? n : begin + atoms, &g, local + begin,
                 global + begin);
  r->blocks = (device_blocks){.atoms = atoms, .species = r->species};
  r->batch = (batch){.n = n, .nb = &r->neighbors, .blocks = &r->blocks};
  EQS_TRY(send(d, shared, t->species, (size_t)n, &r->batch.species));
  EQS_TRY(send(d, shared, local, (size_t)n, &r->blocks.local));
  return send(d, shared, global, (size_t)n, &r->blocks.global);
}

/* ------------------------------------------------------------------------------------ capacity */

/* A sixteenth more than needed: as atoms move, the number of edges varies. */
static int room_for(int64_t edges, int most) {
  int64_t room = edges + edges / 16 + 64;
  return room < most ? (int)room : most;
}

static eqs_status set_capacity(device_run *r) {
  if (r->status.edges > MOST_EDGES)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the batch has too many pairs; split it");
  r->edges = room_for(r->status.edges, MOST_EDGES);
  r->block_edges = room_for(r->status.block_edges, r->edges);
  return EQS_OK;
}

static int overflowed(const device_run *r) {
  return r->status.edges > r->edges || r->status.block_edges > r->block_edges;
}

/* The host's search says what is wrong with a structure. */
static eqs_status refuse(const task *t) {
  eqs_systems s = *t->s;
  device *d = t->c->device;
  double *x;
  if (s.memory == EQS_MEMORY_DEVICE) {
    size_t bytes = 3 * (size_t)t->n * sizeof *x;
    EQS_TRY(arena_take(&t->c->work.shared, bytes, 1, &x));
    EQS_TRY(d->ops->get(d, x, t->c->run.list.search.cells.x, bytes));
    EQS_TRY(d->ops->finish(d));
    s.position = x;
  }
  EQS_TRY(neighbors_build(&t->c->list, &s, t->m->potential->info.cutoff));
  EQS_FAIL(EQS_ERR_DEVICE, "%s: the neighbour search refused a structure that the host's accepts",
           d->ops->name);
}

static eqs_status read_status(const task *t) {
  device_run *r = &t->c->run;
  device *d = t->c->device;
  return d->ops->get(d, &r->status, r->list.search.status, sizeof r->status);
}

static eqs_status count_edges(const task *t) {
  device_run *r = &t->c->run;
  device *d = t->c->device;
  device_list_count(&r->list);
  EQS_TRY(read_status(t));
  EQS_TRY(d->ops->finish(d));
  if (r->status.refused || r->status.crowded) return refuse(t);
  return set_capacity(r);
}

/* --------------------------------------------------------------------------------------- work */

static size_t committee_size(const task *t) {
  return mul_size((size_t)t->m->potential->committee.n, (size_t)t->n);
}

static eqs_status take_results(const task *t) {
  device_run *r = &t->c->run;
  arena *a = &t->c->device_work.shared;
  size_t n = (size_t)t->n, systems = (size_t)t->s->n_system;
  r->forces = NULL;
  r->virial = r->total = NULL;
  r->committee = NULL;
  if (t->want & WANT_COMMITTEE)
    EQS_TRY(arena_take(a, committee_size(t), sizeof *r->committee, &r->committee));
  r->batch.committee = r->committee;
  EQS_TRY(arena_take(a, n, sizeof *r->energies, &r->energies));
  EQS_TRY(arena_take(a, systems, sizeof *r->energy, &r->energy));
  if (t->want & WANT_REVERSE) EQS_TRY(arena_take(a, n, sizeof *r->forces, &r->forces));
  if (!(t->want & WANT_VIRIAL)) return EQS_OK;
  EQS_TRY(arena_take(a, n, sizeof *r->virial, &r->virial));
  return arena_take(a, systems, sizeof *r->total, &r->total);
}

static eqs_status open_dispersion(const task *t) {
  device_run *r = &t->c->run;
  arena *a = &t->c->device_work.shared;
  if (!engine_device_dispersion(t->m)) return EQS_OK;
  EQS_TRY(arena_take(a, (size_t)t->n, sizeof *r->order, &r->order));
  return dispersion_device_open(&t->m->dispersion, t->m->potential->k, t->s, &t->c->work.shared, a,
                                &r->dispersion);
}

/* Arrays and input of a batch; counted: the capacities are set. */
static eqs_status lay_out(const task *t, int counted) {
  device_run *r = &t->c->run;
  int precision = t->m->potential->k->real_size == sizeof(double);
  const kernel_ops *k = backend_kernels(t->c->device, precision);
  arena *a = &t->c->device_work.shared;
  arena_reset(a);
  workspace_level(&t->c->device_work);
  EQS_TRY(device_list_open(&r->list, k, t->n, t->s->n_system, device_block_atoms(t->n), a));
  EQS_TRY(arena_take(a, (size_t)t->s->n_system, sizeof *r->factor, &r->factor));
  EQS_TRY(open_dispersion(t));
  EQS_TRY(put_input(t));
  EQS_TRY(put_species(t));
  if (!counted) EQS_TRY(count_edges(t));
  EQS_TRY(arena_take(a, (size_t)r->edges, sizeof *r->gradient, &r->gradient));
  EQS_TRY(device_list_reserve(&r->list, r->edges, r->block_edges, r->gradient, a, &r->neighbors));
  r->blocks.edges = r->block_edges;
  return take_results(t);
}

static eqs_status queue_work(const task *t) {
  device_run *r = &t->c->run;
  workspace *w = &t->c->device_work;
  const potential *p = t->m->potential;
  device_list_count(&r->list);
  device_list_fill(&r->list);
  EQS_TRY(p->ops->evaluate(p, w, &r->batch, r->energies, r->forces ? r->gradient : NULL));
  if (r->forces)
    EQS_TRY(engine_sum_edges(p->k, w, &r->batch, (const double(*)[3])r->gradient, r->forces,
                             r->virial));
  if (engine_device_dispersion(t->m)) {
    device_list_order(&r->list, r->order);
    dispersion_device_queue(&r->dispersion, r->list.search.cells.x, r->order, r->energies,
                            r->forces, r->virial);
  }
  system_sum_args sum = {.n_system = t->s->n_system,
                         .box = r->list.search.box,
                         .energies = r->energies,
                         .forces = (const double(*)[3])r->forces,
                         .virial = (const double(*)[9])r->virial,
                         .factor = t->want & WANT_STRESS ? r->factor : NULL,
                         .energy = r->energy,
                         .total = r->total,
                         .status = r->list.search.status};
  p->k->system_sum(&sum);
  return EQS_OK;
}

static eqs_status record_work(const task *t) {
  device *d = t->c->device;
  device_graph *g;
  EQS_TRY(d->ops->graph_begin(d));
  eqs_status status = queue_work(t);
  EQS_TRY(d->ops->graph_end(d, &g));
  t->c->run.graph = g;
  return status;
}

static long growth(const eqs_context *c) {
  return c->device_work.shared.grown + c->device_work.thread[0].grown;
}

/* Queues everything but the results' way back. */
static eqs_status start(const task *t) {
  device_run *r = &t->c->run;
  device *d = t->c->device;
  potential *p = t->m->potential;
  int shape = same_shape(t), same = same_work(t);
  if (!same || !r->graph) {
    int settled = same && r->settled;
    forget_graph(t->c);
    if (!same) {
      EQS_TRY(p->ops->prepare(p, t->present));
      EQS_TRY(remember(t));
    }
    EQS_TRY(d->ops->enter(d));
    EQS_TRY(d->ops->use_stream(d, t->c->stream));
    EQS_TRY(lay_out(t, shape));
    if (!settled) {
      long before = growth(t->c);
      EQS_TRY(queue_work(t));
      r->settled = growth(t->c) == before;
      return EQS_OK;
    }
    EQS_TRY(record_work(t));
    r->settled = 1;
  } else {
    EQS_TRY(d->ops->enter(d));
    EQS_TRY(d->ops->use_stream(d, t->c->stream));
    EQS_TRY(put_input(t));
  }
  return d->ops->graph_launch(d, r->graph);
}

static eqs_status bring(const task *t, double *to, const void *from, size_t n) {
  device *d = t->c->device;
  if (!to) return EQS_OK;
  if (t->out->on_device) return d->ops->move(d, to, from, n * sizeof *to);
  return d->ops->get(d, to, from, n * sizeof *to);
}

/* *done = 0: there was no room for the edges, and now there is. */
static eqs_status evaluate_once(const task *t, int *done) {
  device_run *r = &t->c->run;
  device *d = t->c->device;
  size_t n = (size_t)t->n, systems = (size_t)t->s->n_system;
  EQS_TRY(start(t));
  EQS_TRY(read_status(t));
  EQS_TRY(bring(t, t->out->energy, r->energy, systems));
  EQS_TRY(bring(t, t->out->energies, r->energies, n));
  EQS_TRY(bring(t, t->out->forces, r->forces, 3 * n));
  EQS_TRY(bring(t, t->out->virial, r->total, 9 * systems));
  if (t->out->committee)
    EQS_TRY(d->ops->get(d, t->out->committee, r->committee, committee_size(t) * sizeof(double)));
  EQS_TRY(d->ops->finish(d));
  if (r->status.refused || r->status.crowded) return refuse(t);
  *done = !overflowed(r);
  if (!*done) {
    forget_graph(t->c);
    return set_capacity(r);
  }
  return r->status.diverged ? engine_diverged(t->s, INT_MAX - r->status.diverged) : EQS_OK;
}

eqs_status device_run_evaluate(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                               const int *species, const unsigned char *present,
                               const device_results *out) {
  task t = {.c = c, .m = m, .s = s, .species = species, .present = present, .out = out};
  eqs_status status = neighbors_check(s, m->potential->info.cutoff);
  int done = 0;
  t.n = s->n_system ? s->first[s->n_system] : 0;
  t.want = (out->forces || out->virial ? WANT_REVERSE : 0) | (out->virial ? WANT_VIRIAL : 0) |
           (out->virial && out->stress ? WANT_STRESS : 0) | (out->committee ? WANT_COMMITTEE : 0);
  for (int i = 0; i < 4 && !done && status == EQS_OK; i++) status = evaluate_once(&t, &done);
  if (status == EQS_OK && done) return EQS_OK;
  if (status == EQS_OK)
    status = status_fail(EQS_ERR_ARGUMENT, "the positions change while they are evaluated");
  device_run_forget(c);
  (void)c->device->ops->finish(c->device); /* nothing is to be written from now on */
  return status;
}
