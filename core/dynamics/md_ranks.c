/* md_ranks.c -- orders of rank 0, and what the others do about them.
 *
 * An order carries what is the same on all ranks (cell, thermostat), as rank 0 has it. A state is
 * good once rank 0 has asked for the next step; until then it may ask for the one before.
 *
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/md_ranks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/share.h"
#include "core/engine.h"
#include "io/elements.h"

enum { ORDER_STEP, ORDER_GATHER, ORDER_GATHER_GOOD, ORDER_LOAD, ORDER_WHERE, ORDER_END };

typedef struct md_order {
  int64_t what, at;
  double cell[9], energy, stress[9], exchanged, chain_x[DYNAMICS_CHAIN], chain_v[DYNAMICS_CHAIN];
} md_order;

/* An atom of a state on its way. */
typedef struct md_row {
  double x[3], v[3], force[3];
  int image[3], id;
} md_row;

/* ---- orders */

static md_order order_of(int what, const dynamics *d) {
  md_order o = {.what = what, .at = d->at, .energy = d->energy, .exchanged = d->exchanged};
  memcpy(o.cell, d->cell, sizeof o.cell);
  memcpy(o.stress, d->stress, sizeof o.stress);
  memcpy(o.chain_x, d->chain_x, sizeof o.chain_x);
  memcpy(o.chain_v, d->chain_v, sizeof o.chain_v);
  return o;
}

static eqs_status give_order(md_ranks *k, int what, const dynamics *d) {
  md_order o = order_of(what, d);
  return comm_broadcast(k->ranks, &o, sizeof o);
}

static void take_order(const md_order *o, dynamics *d) {
  d->at = o->at;
  d->energy = o->energy;
  d->exchanged = o->exchanged;
  memcpy(d->cell, o->cell, sizeof d->cell);
  memcpy(d->stress, o->stress, sizeof d->stress);
  memcpy(d->chain_x, o->chain_x, sizeof d->chain_x);
  memcpy(d->chain_v, o->chain_v, sizeof d->chain_v);
}

/* ---- rows */

static void pack(const dynamics *d, int i, int id, md_row *row) {
  row->id = id;
  memcpy(row->x, d->x[i], sizeof row->x);
  memcpy(row->v, d->v[i], sizeof row->v);
  memcpy(row->force, d->force[i], sizeof row->force);
  memcpy(row->image, d->image[i], sizeof row->image);
}

static void unpack(const md_row *row, dynamics *d, int i) {
  memcpy(d->x[i], row->x, sizeof row->x);
  memcpy(d->v[i], row->v, sizeof row->v);
  memcpy(d->force[i], row->force, sizeof row->force);
  memcpy(d->image[i], row->image, sizeof row->image);
}

static eqs_status take_rows(int n, md_row **rows) {
  return alloc_array(rows, (size_t)n, sizeof **rows, "atoms on their way");
}

/* Room for the atoms of all ranks, if it is not there yet. */
static eqs_status make_room(int n, const double *mass, dynamics *room) {
  size_t size = (size_t)n;
  if (room->x && room->n == n) return EQS_OK;
  dynamics_free(room);
  room->n = room->total = n;
  EQS_TRY(alloc_array(&room->mass, size, sizeof *room->mass, "all masses"));
  EQS_TRY(alloc_array(&room->v, size, sizeof *room->v, "all velocities"));
  EQS_TRY(alloc_array(&room->image, size, sizeof *room->image, "all images"));
  EQS_TRY(alloc_array(&room->force, size, sizeof *room->force, "all forces"));
  EQS_TRY(alloc_array(&room->x, size, sizeof *room->x, "all positions"));
  memcpy(room->mass, mass, size * sizeof *mass);
  return EQS_OK;
}

/* ---- from rank 0 to where the atoms are held */

static eqs_status deal_to(md_ranks *k, const dynamics *all, int rank, int *id, md_row *rows) {
  int n = k->count[rank];
  const comm_message in = {rank, id, (size_t)n * sizeof *id};
  const comm_message out = {rank, rows, (size_t)n * sizeof *rows};
  EQS_TRY(comm_swap(k->ranks, 0, NULL, 1, &in));
  for (int i = 0; i < n; i++) {
    if (id[i] < 0 || id[i] >= all->n) EQS_FAIL(EQS_ERR_COMM, "rank %d holds no such atom", rank);
    pack(all, id[i], id[i], rows + i);
  }
  return comm_swap(k->ranks, 1, &out, 0, NULL);
}

/* mine[n]: rows of the atoms that this rank holds. all: rank 0's. */
static eqs_status deal(md_ranks *k, const dynamics *all, md_row *mine) {
  int most = 0, *id;
  md_row *rows;
  if (k->ranks->rank) {
    const comm_message out = {0, k->id, (size_t)k->n * sizeof *k->id};
    const comm_message in = {0, mine, (size_t)k->n * sizeof *mine};
    EQS_TRY(comm_swap(k->ranks, 1, &out, 0, NULL));
    return comm_swap(k->ranks, 0, NULL, 1, &in);
  }
  for (int i = 0; i < k->n; i++) pack(all, k->id[i], k->id[i], mine + i);
  for (int r = 1; r < k->ranks->size; r++) most = k->count[r] > most ? k->count[r] : most;
  EQS_TRY(take_rows(most, &rows));
  eqs_status status = alloc_array(&id, (size_t)most, sizeof *id, "atoms on their way");
  for (int r = 1; r < k->ranks->size && status == EQS_OK; r++)
    status = deal_to(k, all, r, id, rows);
  free(rows);
  free(id);
  return status;
}

static eqs_status load(md_ranks *k, const dynamics *all, dynamics *d) {
  md_row *rows;
  EQS_TRY(take_rows(k->n, &rows));
  eqs_status status = deal(k, all, rows);
  for (int i = 0; i < k->n && status == EQS_OK; i++) unpack(rows + i, d, i);
  free(rows);
  return status;
}

eqs_status md_ranks_load(md_ranks *k, const dynamics *all, dynamics *d) {
  const md_order o = order_of(ORDER_LOAD, all);
  take_order(&o, d);
  EQS_TRY(give_order(k, ORDER_LOAD, d));
  return comm_fail(k->ranks, load(k, all, d));
}

/* ---- from there to rank 0 */

/* The rows of one rank; after a failure of those, by the way that is left. */
static eqs_status receive(md_ranks *k, int rank, int64_t at, md_row *rows) {
  size_t bytes = (size_t)k->count[rank] * sizeof *rows;
  const comm_message in = {rank, rows, bytes};
  int64_t theirs;
  if (!k->ranks->broken) return comm_swap(k->ranks, 0, NULL, 1, &in);
  EQS_TRY(comm_collect(k->ranks, rank, &theirs, sizeof theirs));
  if (theirs != at)
    EQS_FAIL(EQS_ERR_COMM, "rank %d had step %" PRId64 ", rank 0 step %" PRId64, rank, theirs, at);
  return comm_collect(k->ranks, rank, rows, bytes);
}

static eqs_status receive_all(md_ranks *k, int64_t at, dynamics *room) {
  int most = 0;
  md_row *rows;
  eqs_status status = EQS_OK;
  for (int r = 1; r < k->ranks->size; r++) most = k->count[r] > most ? k->count[r] : most;
  EQS_TRY(take_rows(most, &rows));
  for (int r = 1; r < k->ranks->size && status == EQS_OK; r++) {
    status = receive(k, r, at, rows);
    for (int i = 0; i < k->count[r] && status == EQS_OK; i++)
      if (rows[i].id < 0 || rows[i].id >= room->n)
        status = status_fail(EQS_ERR_COMM, "rank %d holds no such atom", r);
      else unpack(rows + i, room, rows[i].id);
  }
  free(rows);
  return status;
}

static eqs_status gather(md_ranks *k, const dynamics *d, const double *mass, dynamics *room) {
  EQS_TRY(make_room(d->total, mass, room));
  dynamics all = *d;
  all.n = d->total, all.mass = room->mass, all.x = room->x, all.image = room->image;
  all.v = room->v, all.force = room->force, all.number = NULL, all.body = NULL;
  all.s.bodies = NULL, all.s.ranks = NULL, all.s.id = NULL;
  *room = all;
  for (int i = 0; i < d->n; i++) {
    md_row row;
    pack(d, i, k->id[i], &row);
    unpack(&row, room, row.id);
  }
  return receive_all(k, d->at, room);
}

eqs_status md_ranks_gather(md_ranks *k, const dynamics *d, int good, const double *mass,
                           dynamics *room) {
  if (k->ranks->broken && (!good || !k->joined || !k->start.keep)) return comm_broken(k->ranks);
  if (!k->ranks->broken) EQS_TRY(give_order(k, good ? ORDER_GATHER_GOOD : ORDER_GATHER, d));
  return comm_fail(k->ranks, gather(k, d, mass, room));
}

/* ---- the start */

/* Which atoms this rank holds. y: rank 0's. */
static eqs_status divide(md_ranks *k, const eqs_systems *y) {
  const md_start *o = &k->start;
  domain d = {0};
  domain_atom *atoms;
  int n = 0;
  eqs_status status = EQS_OK;
  if (!o->alone) {
    EQS_TRY(shard_deal(k->c, y, o->total, &n, &atoms));
    status = domain_place(&d, k->ranks, o->has_cell && o->has_pbc ? o->cell : NULL,
                          o->has_cell && o->has_pbc ? o->pbc : NULL, k->m->potential->info.cutoff,
                          n, atoms);
  }
  int whole = o->alone && k->ranks->rank == 0;
  k->n = whole ? o->total : d.n_owned;
  size_t size = (size_t)k->n;
  if (status == EQS_OK) status = alloc_array(&k->id, size, sizeof *k->id, "atoms of a rank");
  if (status == EQS_OK) status = alloc_array(&k->number, size, sizeof *k->number, "elements");
  if (status == EQS_OK) status = alloc_array(&k->mass, size, sizeof *k->mass, "masses");
  for (int i = 0; i < k->n && status == EQS_OK; i++) {
    k->id[i] = whole ? i : (int)d.id[i];
    k->number[i] = whole ? y->number[i] : d.number[i];
    k->mass[i] = element_mass(k->number[i]);
  }
  domain_free(&d);
  EQS_TRY(status);
  EQS_TRY(alloc_array(&k->count, (size_t)k->ranks->size, sizeof *k->count, "ranks"));
  return comm_gather_all(k->ranks, &k->n, sizeof k->n, k->count);
}

static eqs_status evaluate(void *context, int n, const double (*x)[3], const double cell[9],
                           double *energy, double (*force)[3], double stress[9]) {
  const md_ranks *k = context;
  const shard_part part = {.n = n,
                           .total = k->start.total,
                           .id = k->id,
                           .number = k->number,
                           .x = x,
                           .cell = k->start.has_cell ? cell : NULL,
                           .pbc = k->start.has_pbc ? k->start.pbc : NULL};
  return shard_compute_part(k->c, k->m, &part, energy, force, stress);
}

static eqs_status open_state(md_ranks *k, const md_row *rows, dynamics *d, dynamics_figures *v) {
  const md_start *o = &k->start;
  dynamics_settings s = o->s;
  double(*x)[3] = NULL, (*velocity)[3] = NULL;
  eqs_status status = alloc_array(&x, (size_t)k->n, sizeof *x, "positions");
  if (status == EQS_OK) status = alloc_array(&velocity, (size_t)k->n, sizeof *x, "velocities");
  for (int i = 0; i < k->n && status == EQS_OK; i++) {
    memcpy(x[i], rows[i].x, sizeof *x);
    memcpy(velocity[i], rows[i].v, sizeof *velocity);
  }
  s.ranks = k->ranks, s.total = o->total, s.id = k->id;
  s.context = k, s.force = evaluate;
  if (status == EQS_OK)
    status = dynamics_open(d, &s, k->n, k->mass, (const double(*)[3])x,
                           o->velocities ? (const double(*)[3])velocity : NULL,
                           o->has_cell ? o->cell : NULL, o->has_pbc ? o->pbc : NULL);
  free(x);
  free(velocity);
  EQS_TRY(status);
  return dynamics_measure(d, v);
}

/* Every rank, from the order to begin; y and all: rank 0's. */
static eqs_status join(md_ranks *k, const eqs_systems *y, const dynamics *all, dynamics *d,
                       dynamics_figures *v) {
  md_row *rows;
  EQS_TRY(divide(k, y));
  EQS_TRY(take_rows(k->n, &rows));
  eqs_status status = deal(k, all, rows);
  if (status == EQS_OK) status = open_state(k, rows, d, v);
  free(rows);
  return status;
}

/* All are there. Who comes here will hand in its state if the ranks fail later. */
static eqs_status meet(md_ranks *k) {
  double nothing = 0;
  return comm_sum(k->ranks, &nothing, 1);
}

eqs_status md_ranks_open(md_ranks *k, const dynamics_settings *s, const eqs_systems *y,
                         const double *mass, const double (*velocity)[3], int keep, dynamics *room,
                         dynamics *d, dynamics_figures *v) {
  md_start *o = &k->start;
  size_t n = (size_t)y->first[1];
  k->ranks = NULL;
  memset(o, 0, sizeof *o);
  o->s = *s;
  o->s.bodies = NULL, o->s.context = NULL, o->s.force = NULL;
  o->total = y->first[1], o->alone = s->bodies != NULL, o->velocities = velocity != NULL;
  o->keep = keep, o->has_cell = y->cell != NULL, o->has_pbc = y->pbc != NULL;
  if (o->has_cell) memcpy(o->cell, y->cell, sizeof o->cell);
  if (o->has_pbc) memcpy(o->pbc, y->pbc, sizeof o->pbc);
  EQS_TRY(shard_call(k->c, k->m, y));
  k->ranks = shard_ranks(k->c);
  EQS_TRY(comm_broadcast(k->ranks, o, sizeof *o));
  o->s.bodies = s->bodies;
  EQS_TRY(comm_fail(k->ranks, make_room(o->total, mass, room)));
  memcpy(room->x, y->position, n * sizeof *room->x);
  if (velocity) memcpy(room->v, velocity, n * sizeof *room->v);
  EQS_TRY(comm_fail(k->ranks, join(k, y, room, d, v)));
  EQS_TRY(meet(k));
  k->joined = 1;
  return EQS_OK;
}

void md_ranks_close(md_ranks *k) {
  const dynamics none = {0};
  if (k->joined && !k->ranks->broken && give_order(k, ORDER_END, &none) != EQS_OK) {
    /* they have failed, and know it */
  }
  free(k->id);
  free(k->number);
  free(k->mass);
  free(k->count);
  *k = (md_ranks){.c = NULL};
}

/* ---- a step */

eqs_status md_ranks_advance(md_ranks *k, dynamics *d) {
  EQS_TRY(give_order(k, ORDER_STEP, d));
  return dynamics_advance(d);
}

/* Of the atoms here; -1 without any. */
static double largest_here(const dynamics *d, int *at) {
  double worst = -1;
  *at = 0;
  for (int i = 0; i < d->n; i++) {
    const double *f = d->force[i];
    double f2 = f[0] * f[0] + f[1] * f[1] + f[2] * f[2];
    if (f2 > worst) worst = f2, *at = i;
  }
  return worst;
}

eqs_status md_ranks_largest(const dynamics *d, double *square) {
  int at;
  *square = largest_here(d, &at);
  return share_max(d, square, 1);
}

static eqs_status find(const dynamics *d, double square, int *atom) {
  int at;
  double found = largest_here(d, &at) >= square ? d->total - (share_atom(d, at) - 1) : 0;
  EQS_TRY(share_max(d, &found, 1));
  *atom = d->total - (int)found;
  return EQS_OK;
}

eqs_status md_ranks_where(md_ranks *k, const dynamics *d, double square, int *atom) {
  if (k->ranks) EQS_TRY(give_order(k, ORDER_WHERE, d));
  return find(d, square, atom);
}

/* ---- the other ranks */

typedef struct follower {
  md_ranks k;
  dynamics now, good;
  double square; /* of the largest force */
  int ready, within, done;
} follower;

static eqs_status send_rows(follower *f, const dynamics *d, int last) {
  int64_t at = d->at;
  md_row *rows;
  eqs_status status = EQS_OK;
  EQS_TRY(take_rows(f->k.n, &rows));
  for (int i = 0; i < d->n; i++) pack(d, i, f->k.id[i], rows + i);
  size_t bytes = (size_t)d->n * sizeof *rows;
  const comm_message out = {0, rows, bytes};
  if (!last) {
    status = comm_swap(f->k.ranks, 1, &out, 0, NULL);
  } else {
    status = comm_hand_in(f->k.ranks, &at, sizeof at);
    if (status == EQS_OK) status = comm_hand_in(f->k.ranks, rows, bytes);
  }
  free(rows);
  return status;
}

/* What fails, fails before the sums of dynamics_measure have come together from all ranks. Behind
 * them a failure is one of the next step, told to a rank that is not there yet. */
static eqs_status follow_step(follower *f) {
  dynamics_figures v;
  EQS_TRY(dynamics_copy(&f->now, &f->good));
  f->within = 1;
  EQS_TRY(dynamics_step(&f->now));
  EQS_TRY(dynamics_measure(&f->now, &v));
  f->within = 0;
  return md_ranks_largest(&f->now, &f->square);
}

static eqs_status obey(follower *f) {
  md_order o;
  int atom;
  EQS_TRY(comm_broadcast(f->k.ranks, &o, sizeof o));
  switch (o.what) {
  case ORDER_STEP: take_order(&o, &f->now); return follow_step(f);
  case ORDER_GATHER: return send_rows(f, &f->now, 0);
  case ORDER_GATHER_GOOD: return send_rows(f, &f->good, 0);
  case ORDER_LOAD: take_order(&o, &f->now); return load(&f->k, NULL, &f->now);
  case ORDER_WHERE: return find(&f->now, f->square, &atom);
  default: f->done = 1; return EQS_OK;
  }
}

static eqs_status begin(follower *f) {
  dynamics_figures v;
  EQS_TRY(comm_broadcast(f->k.ranks, &f->k.start, sizeof f->k.start));
  EQS_TRY(join(&f->k, NULL, NULL, &f->now, &v));
  EQS_TRY(dynamics_copy(&f->now, &f->good));
  f->ready = 1;
  return meet(&f->k);
}

/* The state that was good last: of a step that did not end, the one before. */
static void hand_in(follower *f, eqs_status status) {
  char why[COMM_WHY];
  snprintf(why, sizeof why, "%s", eqs_error());
  if (send_rows(f, f->within ? &f->good : &f->now, 1) != EQS_OK) {
    /* rank 0 does not ask for it, or says that it is lost */
  }
  status_fail(status, "%s", why);
}

eqs_status md_ranks_follow(eqs_context *c, const eqs_model *m) {
  follower f = {.k = {.c = c, .m = m, .ranks = shard_ranks(c)}};
  eqs_status status = comm_fail(f.k.ranks, begin(&f));
  while (status == EQS_OK && !f.done) status = comm_fail(f.k.ranks, obey(&f));
  if (status != EQS_OK && f.ready && f.k.start.keep) hand_in(&f, status);
  dynamics_free(&f.now);
  dynamics_free(&f.good);
  md_ranks_close(&f.k);
  return status;
}
