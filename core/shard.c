/* shard.c -- one system over ranks: the ranks give their atoms to the owners, find ghosts, evaluate
 * what they own. Atoms come from rank 0, which deals them out in equal parts, whatever they are,
 * and gathers the results (40 bytes per atom each way); or from the ranks that hold them, to which
 * forces go back (40 and 24 bytes for each atom whose owner is another rank).
 *
 * Nothing is kept between evaluations, so results are a function of the positions, of who held
 * which atom and of the number of ranks: a run that is continued has the bits of one that never
 * stopped.
 *
 * SPDX-License-Identifier: MIT */
#include "core/shard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dynamics/md_ranks.h"
#include "core/engine.h"
#include "core/shard_dispersion.h"
#include "core/shard_link.h"

struct shard {
  comm *c;
  device *device;
  domain d;
  arena memory; /* of one evaluation */
  shard_link link;
  int overlap, begun; /* exchanges may be begun; one is under way */
  comm_plan plan;     /* the domain's, of rows in the order of the evaluation */
  shard_dispersion dispersion;
  char *staged; /* rows of a device on their way through the host, where there is no link */
  size_t staged_size;
};

enum { ORDER_END, ORDER_EVALUATE, ORDER_DYNAMICS };

/* What rank 0 tells the others, as bytes. */
typedef struct order {
  int what, n;
  int periodic, pbc[3]; /* periodic: there are a cell and pbc */
  int forces, virial;   /* wanted */
  int precision;
  double cell[9];
  char model[68], head[68 + DISPERSION_NAME]; /* head: and the name of the dispersion */
} order;

typedef struct row {
  int64_t id;
  double energy, force[3];
} row;

typedef struct part_head {
  int n, unused;
  double virial[9];
} part_head;

static eqs_status set_model(const eqs_model *m, order *o) {
  eqs_model_info info = {.size = sizeof info};
  EQS_TRY(eqs_model_info_get(m, &info));
  o->precision = (int)info.precision;
  snprintf(o->model, sizeof o->model, "%s", info.sha256);
  snprintf(o->head, sizeof o->head, "%.67s %s", info.head ? info.head : "",
           info.dispersion ? info.dispersion : "");
  return EQS_OK;
}

static int part_begin(int n, int rank, int size) { return (int)((int64_t)n * rank / size); }

/* ---- what every rank does */

static eqs_status begin_host(shard *s, const eqs_rows *r, void *rows) {
  return comm_plan_begin(s->c, &s->plan, rows, r->row_bytes, r->reverse);
}

static eqs_status end_host(shard *s, const eqs_rows *r, void *rows) {
  return comm_plan_end(s->c, &s->plan, rows, r->row_bytes, r->real_size, r->reverse);
}

/* What is read goes to the host, and what has changed comes back, behind the work that is queued.
 */
static eqs_status exchange_device(shard *s, const eqs_rows *r) {
  device *d = s->device;
  size_t owned = (size_t)s->d.n_owned * r->row_bytes, ghosts = (size_t)s->d.n_ghost * r->row_bytes;
  if (owned + ghosts > s->staged_size) {
    free(s->staged);
    s->staged_size = 0;
    EQS_TRY(alloc_array(&s->staged, owned + ghosts, 1, "rows of a device"));
    s->staged_size = owned + ghosts;
  }
  size_t read = r->reverse ? owned + ghosts : owned, at = r->reverse ? 0 : owned;
  size_t changed = r->reverse ? owned : ghosts;
  if (read) EQS_TRY(d->ops->get(d, s->staged, r->rows, read));
  EQS_TRY(d->ops->finish(d));
  EQS_TRY(begin_host(s, r, s->staged));
  EQS_TRY(end_host(s, r, s->staged));
  return changed ? d->ops->put(d, (char *)r->rows + at, s->staged + at, changed) : EQS_OK;
}

/* Rows of a device without a link cannot be begun: they go through the host at once. */
static int begin(const eqs_rows *r, void *user) {
  shard *s = user;
  eqs_status status = EQS_OK;
  int staged = r->on_device && !s->link.ops;
  if (staged) return 0;
  if (r->on_device) status = shard_link_begin(&s->link, &s->plan, r);
  else status = begin_host(s, r, r->rows);
  s->begun = status == EQS_OK;
  return comm_fail(s->c, status) != EQS_OK;
}

static int exchange(const eqs_rows *r, void *user) {
  shard *s = user;
  eqs_status status;
  if (r->on_device && !s->link.ops) return comm_fail(s->c, exchange_device(s, r)) != EQS_OK;
  if (!s->begun && begin(r, user)) return 1;
  s->begun = 0;
  if (r->on_device) status = shard_link_end(&s->link, &s->plan, r);
  else status = end_host(s, r, r->rows);
  return comm_fail(s->c, status) != EQS_OK;
}

/* A part as it is evaluated: owned atoms that are nobody's ghosts come first. None of them has a
 * ghost as a neighbour, so that they need not wait for an exchange. */
typedef struct part {
  int n;     /* with ghosts */
  int *atom; /* [n_owned] of the domain, in this order */
  int *number;
  double (*x)[3], *energies, (*forces)[3]; /* [n]; forces: NULL = not wanted */
} part;

static eqs_status order_rows(const domain *d, arena *a, int *atom, int **place) {
  size_t n = (size_t)d->n_owned;
  int at = 0;
  unsigned char *given;
  EQS_TRY(arena_take_zero(a, n, 1, &given));
  EQS_TRY(arena_take(a, n, sizeof **place, place));
  for (int e = 0; e < d->plan.send_first[d->plan.n_peer]; e++) given[d->plan.send[e]] = 1;
  for (int late = 0; late < 2; late++)
    for (int i = 0; i < d->n_owned; i++) {
      if (given[i] != late) continue;
      (*place)[i] = at;
      atom[at++] = i;
    }
  return EQS_OK;
}

static eqs_status take_part(shard *s, int forces, part *p) {
  const domain *d = &s->d;
  arena *a = &s->memory;
  size_t n = (size_t)d->n_owned + (size_t)d->n_ghost;
  int *place, sent = d->plan.send_first[d->plan.n_peer];
  comm_plan before = s->plan;
  *p = (part){.n = (int)n};
  EQS_TRY(arena_take(a, (size_t)d->n_owned, sizeof *p->atom, &p->atom));
  EQS_TRY(arena_take(a, n, sizeof *p->number, &p->number));
  EQS_TRY(arena_take(a, n, sizeof *p->x, &p->x));
  EQS_TRY(arena_take(a, n, sizeof *p->energies, &p->energies));
  if (forces) EQS_TRY(arena_take(a, n, sizeof *p->forces, &p->forces));
  EQS_TRY(order_rows(d, a, p->atom, &place));
  s->plan = d->plan;
  s->plan.buffer = before.buffer;
  s->plan.buffer_size = before.buffer_size;
  EQS_TRY(arena_take(a, (size_t)sent, sizeof *s->plan.send, &s->plan.send));
  for (int e = 0; e < sent; e++) s->plan.send[e] = place[d->plan.send[e]];
  for (int i = 0; i < p->n; i++) {
    int from = i < d->n_owned ? p->atom[i] : i;
    p->number[i] = d->number[from];
    memcpy(p->x[i], d->x[from], sizeof p->x[i]);
  }
  return EQS_OK;
}

/* Messages of a part count its own atoms; the user's are told as well. */
static eqs_status explain(const shard *s, const part *p, eqs_status status) {
  char why[512];
  int atom;
  snprintf(why, sizeof why, "%s", eqs_error());
  const char *at = strstr(why, "atom");
  if (!at || sscanf(at + 4 + (at[4] == 's'), "%d", &atom) != 1 || atom < 1 || atom > p->n)
    return status;
  int64_t id = s->d.id[atom > s->d.n_owned ? atom - 1 : p->atom[atom - 1]];
  return status_fail(status, "%s; in the part of this rank, where atom %d is %lld of the system",
                     why, atom, (long long)id + 1);
}

/* What is under way is waited for, or given up with the ranks. */
static eqs_status give_up(shard *s, eqs_status status) {
  if (!s->begun) return status;
  s->begun = 0;
  (void)comm_fail(s->c, status);
  if (s->link.ops && shard_link_abandon(&s->link) != EQS_OK) {
    /* the first failure is the one to tell */
  }
  return comm_broken(s->c);
}

static eqs_status evaluate_part(shard *s, eqs_context *c, const eqs_model *m, part *p,
                                double *virial) {
  const domain *d = &s->d;
  eqs_domain in = {.size = sizeof in,
                   .n_owned = d->n_owned,
                   .n_ghost = d->n_ghost,
                   .number = p->number,
                   .position = p->x[0],
                   .exchange = exchange,
                   .user = s};
  eqs_domain_result out = {.size = sizeof out, .energies = p->energies, .virial = virial};
  if (p->forces) out.forces = p->forces[0];
  s->begun = 0;
  eqs_status status = engine_compute_domain(c, m, &in, &out, s->overlap ? begin : NULL);
  if (status != EQS_OK) return give_up(s, s->c->broken ? comm_broken(s->c) : explain(s, p, status));
  if (!p->forces) return EQS_OK;
  return comm_plan_reverse(s->c, &s->plan, p->forces, sizeof *p->forces, sizeof **p->forces);
}

static eqs_status evaluate(shard *s, eqs_context *c, const eqs_model *m, const order *o,
                           part_head *head, row **rows) {
  const domain *d = &s->d;
  size_t n = (size_t)d->n_owned;
  double *energies, (*forces)[3], *virial = o->virial ? head->virial : NULL;
  part p;
  EQS_TRY(take_part(s, o->forces, &p));
  EQS_TRY(arena_take(&s->memory, n, sizeof *energies, &energies));
  EQS_TRY(arena_take_zero(&s->memory, n, sizeof *forces, &forces));
  EQS_TRY(arena_take_zero(&s->memory, n, sizeof **rows, rows));
  EQS_TRY(evaluate_part(s, c, m, &p, virial));
  for (int i = 0; i < d->n_owned; i++) {
    energies[p.atom[i]] = p.energies[i];
    if (p.forces) memcpy(forces[p.atom[i]], p.forces[i], sizeof *forces);
  }
  if (m->has_dispersion) {
    arena_reset(&c->work.shared);
    EQS_TRY(shard_dispersion_add(&s->dispersion, s->c, &m->dispersion, &c->work, d,
                                 o->periodic ? o->cell : NULL, o->periodic ? o->pbc : NULL,
                                 energies, o->forces ? forces[0] : NULL, virial));
  }
  head->n = d->n_owned;
  for (int i = 0; i < d->n_owned; i++) {
    (*rows)[i].id = d->id[i];
    (*rows)[i].energy = energies[i];
    memcpy((*rows)[i].force, forces[i], sizeof *forces);
  }
  return EQS_OK;
}

/* From atoms[n] of this rank to its rows of results. */
static eqs_status work(shard *s, eqs_context *c, const eqs_model *m, const order *o, int n,
                       const domain_atom *atoms, part_head *head, row **rows) {
  EQS_TRY(domain_place(&s->d, s->c, o->periodic ? o->cell : NULL, o->periodic ? o->pbc : NULL,
                       m->potential->info.cutoff, n, atoms));
  shard_link_forget(&s->link);
  return evaluate(s, c, m, o, head, rows);
}

/* ---- atoms that ranks hold */

comm *shard_ranks(const eqs_context *c) { return c->shard ? c->shard->c : NULL; }

static eqs_status take_atoms(shard *s, const shard_part *p, domain_atom **atoms) {
  domain_atom *atom;
  EQS_TRY(arena_take_zero(&s->memory, (size_t)p->n, sizeof *atom, atoms));
  atom = *atoms;
  for (int i = 0; i < p->n; i++) {
    atom[i].id = p->id[i];
    atom[i].number = p->number[i];
    memcpy(atom[i].x, p->x[i], sizeof atom[i].x);
  }
  return EQS_OK;
}

eqs_status shard_compute_part(eqs_context *c, const eqs_model *m, const shard_part *p,
                              double *energy, double (*force)[3], double stress[9]) {
  shard *s = c->shard;
  order o = {.n = p->total, .forces = 1, .virial = 1, .periodic = p->cell && p->pbc};
  part_head head = {0};
  domain_atom *atoms;
  row *rows;
  double sum[10] = {0}, virial[1][9], (*own)[3];
  for (int k = 0; k < 3 && o.periodic; k++) o.pbc[k] = p->pbc[k] != 0;
  if (o.periodic) memcpy(o.cell, p->cell, sizeof o.cell);
  arena_reset(&s->memory);
  EQS_TRY(take_atoms(s, p, &atoms));
  EQS_TRY(work(s, c, m, &o, p->n, atoms, &head, &rows));
  EQS_TRY(arena_take(&s->memory, (size_t)head.n, sizeof *own, &own));
  for (int i = 0; i < head.n; i++) {
    sum[9] += rows[i].energy;
    memcpy(own[i], rows[i].force, sizeof *own);
  }
  memcpy(sum, head.virial, sizeof head.virial);
  EQS_TRY(domain_return(&s->d, s->c, own, sizeof *own, force));
  EQS_TRY(comm_sum(s->c, sum, 10));
  memcpy(virial[0], sum, sizeof virial[0]);
  const eqs_systems one = {.size = sizeof one, .n_system = 1, .cell = p->cell, .pbc = p->pbc};
  engine_set_stress(&one, (const double(*)[9])virial, stress);
  *energy = sum[9];
  return EQS_OK;
}

/* ---- rank 0 */

static eqs_status deal(shard *s, const eqs_systems *one, domain_atom **mine) {
  int n = one->first[1], size = s->c->size;
  domain_atom *atom;
  comm_message *m;
  EQS_TRY(arena_take_zero(&s->memory, (size_t)n, sizeof *atom, &atom));
  EQS_TRY(arena_take(&s->memory, (size_t)size, sizeof *m, &m));
  for (int i = 0; i < n; i++) {
    atom[i].id = i;
    atom[i].number = one->number[i];
    memcpy(atom[i].x, one->position + 3 * (size_t)i, sizeof atom[i].x);
  }
  for (int r = 1; r < size; r++) {
    int begin = part_begin(n, r, size), end = part_begin(n, r + 1, size);
    m[r - 1] = (comm_message){r, atom + begin, (size_t)(end - begin) * sizeof *atom};
  }
  *mine = atom;
  return comm_swap(s->c, size - 1, m, 0, NULL);
}

static eqs_status take_share(shard *s, int n, domain_atom **mine) {
  EQS_TRY(arena_take(&s->memory, (size_t)n, sizeof **mine, mine));
  const comm_message in = {0, *mine, (size_t)n * sizeof **mine};
  return comm_swap(s->c, 0, NULL, 1, &in);
}

static int share_of(const shard *s, int n) {
  return part_begin(n, s->c->rank + 1, s->c->size) - part_begin(n, s->c->rank, s->c->size);
}

eqs_status shard_deal(eqs_context *c, const eqs_systems *one, int total, int *n,
                      domain_atom **atoms) {
  shard *s = c->shard;
  arena_reset(&s->memory);
  *n = share_of(s, total);
  return one ? deal(s, one, atoms) : take_share(s, *n, atoms);
}

/* All ranks' heads, and rows one rank behind the other. */
static eqs_status gather(shard *s, int n, const part_head *head, const row *rows, part_head **heads,
                         row **all) {
  int size = s->c->size;
  int64_t sum = head->n;
  comm_message *m;
  EQS_TRY(arena_take(&s->memory, (size_t)size, sizeof *m, &m));
  EQS_TRY(arena_take(&s->memory, (size_t)size, sizeof **heads, heads));
  EQS_TRY(arena_take(&s->memory, (size_t)n, sizeof **all, all));
  for (int r = 1; r < size; r++) m[r - 1] = (comm_message){r, *heads + r, sizeof **heads};
  EQS_TRY(comm_swap(s->c, 0, NULL, size - 1, m));
  (*heads)[0] = *head;
  for (int r = 1; r < size; r++) {
    int count = (*heads)[r].n;
    if (count < 0 || sum + count > n) EQS_FAIL(EQS_ERR_COMM, "ranks own more atoms than there are");
    m[r - 1] = (comm_message){r, *all + sum, (size_t)count * sizeof **all};
    sum += count;
  }
  if (sum != n) EQS_FAIL(EQS_ERR_COMM, "ranks own fewer atoms than there are");
  if (head->n) memcpy(*all, rows, (size_t)head->n * sizeof *rows);
  return comm_swap(s->c, 0, NULL, size - 1, m);
}

/* The energy is summed in the order of the atoms, as on one rank. */
static eqs_status give(shard *s, const eqs_systems *one, const part_head *heads, const row *all,
                       const eqs_result *out) {
  int n = one->first[1];
  double *energies, virial[1][9] = {{0}};
  EQS_TRY(arena_take_zero(&s->memory, (size_t)n, sizeof *energies, &energies));
  for (int i = 0; i < n; i++) {
    if (all[i].id < 0 || all[i].id >= n) EQS_FAIL(EQS_ERR_COMM, "an atom that is none");
    energies[all[i].id] = all[i].energy;
    for (int a = 0; out->forces && a < 3; a++)
      out->forces[3 * (size_t)all[i].id + (size_t)a] = all[i].force[a];
  }
  for (int r = 0; r < s->c->size; r++)
    for (int k = 0; k < 9; k++) virial[0][k] += heads[r].virial[k];
  if (out->energy) *out->energy = 0;
  for (int i = 0; out->energy && i < n; i++) *out->energy += energies[i];
  if (out->energies) memcpy(out->energies, energies, (size_t)n * sizeof *energies);
  if (out->stress) engine_set_stress(one, (const double(*)[9])virial, out->stress);
  return EQS_OK;
}

static eqs_status compute_one(eqs_context *c, const eqs_model *m, const eqs_systems *one,
                              const eqs_result *out) {
  shard *s = c->shard;
  order o = {.what = ORDER_EVALUATE, .n = one->first[1]};
  part_head head = {0}, *heads;
  domain_atom *mine;
  row *rows, *all;
  o.forces = out->forces || out->stress;
  o.virial = out->stress != NULL;
  o.periodic = one->cell && one->pbc;
  for (int k = 0; k < 3 && o.periodic; k++) o.pbc[k] = one->pbc[k] != 0;
  if (o.periodic) memcpy(o.cell, one->cell, sizeof o.cell);
  EQS_TRY(set_model(m, &o));
  arena_reset(&s->memory);
  EQS_TRY(comm_broadcast(s->c, &o, sizeof o));
  EQS_TRY(deal(s, one, &mine));
  EQS_TRY(work(s, c, m, &o, share_of(s, o.n), mine, &head, &rows));
  EQS_TRY(gather(s, o.n, &head, rows, &heads, &all));
  return give(s, one, heads, all, out);
}

/* What can be refused without the other ranks. */
static eqs_status check(eqs_context *c, const eqs_model *m, const eqs_systems *s) {
  int *species;
  unsigned char *present;
  arena *memory = &c->shard->memory;
  size_t n = (size_t)s->first[s->n_system];
  if (c->shard->c->rank)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "rank %d evaluates its share: call eqs_context_serve, and this on "
             "rank 0",
             c->shard->c->rank);
  if (m->has_dispersion) EQS_TRY(dispersion_check(&m->dispersion, s));
  EQS_TRY(neighbors_check(s, m->potential->info.cutoff));
  arena_reset(memory);
  EQS_TRY(arena_take(memory, n, sizeof *species, &species));
  EQS_TRY(arena_take_zero(memory, (size_t)m->potential->info.n_element, 1, &present));
  EQS_TRY(engine_species(m, s, species, present));
  for (int k = 0; k < s->n_system; k++)
    for (int i = s->first[k]; i < s->first[k + 1]; i++)
      for (int a = 0; a < 3; a++)
        if (!isfinite(s->position[3 * (size_t)i + (size_t)a]))
          EQS_FAIL(EQS_ERR_ARGUMENT, "system %d, atom %d: the position is not finite", k + 1,
                   i - s->first[k] + 1);
  return EQS_OK;
}

eqs_status shard_call(eqs_context *c, const eqs_model *m, const eqs_systems *s) {
  order o = {.what = ORDER_DYNAMICS};
  EQS_TRY(check(c, m, s));
  EQS_TRY(set_model(m, &o));
  return comm_broadcast(c->shard->c, &o, sizeof o);
}

eqs_status shard_compute(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                         const eqs_result *out) {
  EQS_TRY(check(c, m, s));
  for (int k = 0; k < s->n_system; k++) {
    size_t begin = (size_t)s->first[k], at = (size_t)k;
    int first[2] = {0, s->first[k + 1] - s->first[k]};
    const eqs_systems one = {.size = sizeof one,
                             .n_system = 1,
                             .first = first,
                             .number = s->number + begin,
                             .position = s->position + 3 * begin,
                             .cell = s->cell ? s->cell + 9 * at : NULL,
                             .pbc = s->pbc ? s->pbc + 3 * at : NULL};
    const eqs_result to = {.size = sizeof to,
                           .energy = out->energy ? out->energy + at : NULL,
                           .energies = out->energies ? out->energies + begin : NULL,
                           .forces = out->forces ? out->forces + 3 * begin : NULL,
                           .stress = out->stress ? out->stress + 9 * at : NULL};
    EQS_TRY(comm_fail(c->shard->c, compute_one(c, m, &one, &to)));
  }
  return EQS_OK;
}

/* ---- the other ranks */

static eqs_status check_model(const eqs_model *m, const order *o) {
  order own = {0};
  EQS_TRY(set_model(m, &own));
  if (strcmp(own.model, o->model) || strcmp(own.head, o->head) || own.precision != o->precision)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the model is not the one that rank 0 has loaded");
  return EQS_OK;
}

static eqs_status serve_one(eqs_context *c, const eqs_model *m, const order *o) {
  shard *s = c->shard;
  part_head head = {0};
  domain_atom *atoms;
  row *rows;
  EQS_TRY(check_model(m, o));
  if (o->what == ORDER_DYNAMICS) return md_ranks_follow(c, m);
  int n = share_of(s, o->n);
  arena_reset(&s->memory);
  EQS_TRY(take_share(s, n, &atoms));
  EQS_TRY(work(s, c, m, o, n, atoms, &head, &rows));
  const comm_message out[2] = {{0, &head, sizeof head}, {0, rows, (size_t)head.n * sizeof *rows}};
  return comm_swap(s->c, 2, out, 0, NULL);
}

eqs_status eqs_context_serve(eqs_context *c, const eqs_model *m) {
  if (!c || !m) EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_context_serve: an argument is NULL");
  if (!c->shard || !c->shard->c->rank)
    EQS_FAIL(EQS_ERR_ARGUMENT, "rank 0, or a context without ranks, has nobody to serve");
  for (;;) {
    order o;
    EQS_TRY(comm_broadcast(c->shard->c, &o, sizeof o));
    if (o.what == ORDER_END) return EQS_OK;
    EQS_TRY(comm_fail(c->shard->c, serve_one(c, m, &o)));
  }
}

/* ---- the context */

eqs_status eqs_context_set_comm(eqs_context *c, eqs_comm *ranks) {
  if (!c) EQS_FAIL(EQS_ERR_ARGUMENT, "no context");
  shard_free(c->shard);
  c->shard = NULL;
  if (!ranks || ranks->size < 2) return EQS_OK;
  EQS_TRY(alloc_array(&c->shard, 1, sizeof *c->shard, "ranks"));
  c->shard->c = ranks;
  c->shard->device = c->device;
  const char *wish = getenv("EQS_OVERLAP");
  c->shard->overlap = !wish || strcmp(wish, "0") != 0;
  return comm_fail(ranks, shard_link_open(&c->shard->link, c->device, ranks));
}

void shard_free(shard *s) {
  if (!s) return;
  order end = {.what = ORDER_END};
  if (!s->c->rank && !s->c->broken && comm_broadcast(s->c, &end, sizeof end) != EQS_OK) {
    /* they have failed, and know it */
  }
  shard_link_close(&s->link);
  shard_dispersion_free(&s->dispersion);
  comm_plan_free(&s->plan);
  domain_free(&s->d);
  arena_free(&s->memory);
  free(s->staged);
  free(s);
}
