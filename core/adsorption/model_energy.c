/* model_energy.c -- U = sum over framework atoms of (e_i - e_i of the empty framework) + sum over
 * guest atoms of e_i - sum E(gas alone).
 *
 * The atoms of the framework come first and never move; every guest knows where its atoms are,
 * which the rule of eqs_change moves about. SPDX-License-Identifier: MIT */
#include "core/adsorption/model_energy.h"

#include "core/adsorption/contact.h"
#include "io/elements.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct component {
  gas gas;
  double energy; /* eV, alone */
  rigid_shape shape;
} component;

typedef struct placed {
  int component;
  pose pose;
  int atom[GAS_MAX_ATOMS]; /* indices into the local state */
  double position[GAS_MAX_ATOMS][3];
} placed;

typedef struct owner {
  int guest, site;
} owner;

typedef double sites[GAS_MAX_ATOMS][3];

typedef struct model_energy {
  guest_energy base;
  eqs_context *context;
  const eqs_model *model;
  eqs_local *local;
  int n_component;
  component *components;
  overlap_rule *rule;
  contacts host, box; /* to the framework's atoms; between guests */
  int n_framework, n_guest;
  double *empty; /* [n_framework] eV per atom of the empty framework */
  placed *guests;
  owner *owners; /* of the atoms from n_framework on */
  size_t guest_capacity;
  /* of a call */
  sites *position;
  eqs_change *changes;
  int *index;
  double *de;
  size_t trial_capacity;
} model_energy;

static const guest_energy_ops model_energy_ops;

/* ---- opening */

eqs_status model_energy_of_gas(eqs_context *c, const eqs_model *m, const gas *g,
                               const double (*x)[3], double *energy) {
  const int first[2] = {0, g->n};
  eqs_systems in = {
      .size = sizeof in, .n_system = 1, .first = first, .number = g->number, .position = x[0]};
  eqs_result out = {.size = sizeof out, .energy = energy};
  return eqs_compute(c, m, &in, &out);
}

static eqs_status open_components(model_energy *e, eqs_context *c, const eqs_model *m, int n,
                                  const gas *gases) {
  EQS_TRY(alloc_array(&e->components, (size_t)n, sizeof *e->components, "gases"));
  e->n_component = n;
  for (int k = 0; k < n; k++) {
    component *g = e->components + k;
    g->gas = gases[k];
    eqs_status status = model_energy_of_gas(c, m, gases + k, gases[k].position, &g->energy);
    if (status != EQS_OK) return status_prefix(status, "the molecule %s", gases[k].name);
    double mass[GAS_MAX_ATOMS];
    for (int i = 0; i < g->gas.n; i++) mass[i] = element_mass(g->gas.number[i]);
    rigid_shape_make(g->gas.n, mass, (const double(*)[3])g->gas.position, &g->shape);
  }
  return EQS_OK;
}

static eqs_status open_contacts(model_energy *e, const framework *host, double energy) {
  const structure *cell = &host->cell;
  EQS_TRY(overlap_open(energy, &e->rule));
  for (int k = 0; k < e->n_component; k++) {
    const gas *g = &e->components[k].gas;
    EQS_TRY(overlap_add(e->rule, cell->n, cell->number, g->n, g->number));
    for (int q = 0; q <= k; q++)
      EQS_TRY(overlap_add(e->rule, e->components[q].gas.n, e->components[q].gas.number, g->n,
                          g->number));
  }
  EQS_TRY(contacts_build(&e->host, cell->n, cell->position[0], cell->number, cell->cell));
  return contacts_build(&e->box, 0, NULL, NULL, host->box.cell);
}

static eqs_status open_empty(model_energy *e, eqs_context *c, const eqs_model *m,
                             const framework *host) {
  int first[2];
  const double *energies;
  eqs_systems s = structure_view(&host->box, first);
  EQS_TRY(eqs_local_open(c, m, &s, &e->local));
  e->n_framework = host->box.n;
  EQS_TRY(alloc_array(&e->empty, (size_t)host->box.n, sizeof *e->empty, "energies"));
  EQS_TRY(eqs_local_view(e->local, &s, &energies));
  memcpy(e->empty, energies, (size_t)host->box.n * sizeof *e->empty);
  return EQS_OK;
}

static void close_energy(guest_energy *base) {
  model_energy *e = (model_energy *)base;
  if (!e) return;
  eqs_local_free(&e->local);
  contacts_free(&e->host);
  contacts_free(&e->box);
  free(e->rule);
  free(e->components);
  free(e->empty);
  free(e->guests);
  free(e->owners);
  free(e->position);
  free(e->changes);
  free(e->index);
  free(e->de);
  free(e);
}

eqs_status model_energy_open(eqs_context *c, const eqs_model *m, const framework *host,
                             int n_component, const gas *gases, double overlap_energy,
                             guest_energy **out) {
  model_energy *e = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY(alloc_array(&e, 1, sizeof *e, "guests"));
  e->base.ops = &model_energy_ops;
  e->context = c;
  e->model = m;
  EQS_TRY_DONE(open_components(e, c, m, n_component, gases));
  EQS_TRY_DONE(open_contacts(e, host, overlap_energy));
  EQS_TRY_DONE(open_empty(e, c, m, host));
  *out = &e->base;
done:
  if (status != EQS_OK) close_energy(&e->base);
  return status;
}

/* ---- trials */

static eqs_status renew(void *array, size_t n, size_t size) {
  void *p;
  memcpy(&p, array, sizeof p);
  p = realloc(p, mul_size(n, size));
  if (!p) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu guests", n);
  memcpy(array, &p, sizeof p);
  return EQS_OK;
}

static eqs_status reserve_trials(model_energy *e, size_t n) {
  if (n <= e->trial_capacity) return EQS_OK;
  EQS_TRY(renew(&e->position, n, sizeof *e->position));
  EQS_TRY(renew(&e->changes, n, sizeof *e->changes));
  EQS_TRY(renew(&e->index, n, sizeof *e->index));
  EQS_TRY(renew(&e->de, n, sizeof *e->de));
  e->trial_capacity = n;
  return EQS_OK;
}

static int overlaps(const model_energy *e, const component *g, const sites x, int except) {
  if (contacts_overlap(&e->host, g->gas.n, x, g->gas.number, e->rule)) return 1;
  for (int k = 0; k < e->n_guest; k++) {
    const placed *other = e->guests + k;
    const component *h = e->components + other->component;
    for (int i = 0; k != except && i < g->gas.n; i++)
      for (int j = 0; j < h->gas.n; j++)
        if (contacts_within(&e->box, x[i], other->position[j],
                            e->rule->reach[g->gas.number[i]][h->gas.number[j]]))
          return 1;
  }
  return 0;
}

static eqs_status check_change(const model_energy *e, const guest_change *c) {
  if (c->remove < -1 || c->remove >= e->n_guest || c->insert < -1 || c->insert >= e->n_component)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a change of guest %d to component %d: there are %d and %d",
             c->remove, c->insert, e->n_guest, e->n_component);
  return EQS_OK;
}

/* The change in atoms; x keeps the positions. */
static eqs_change in_atoms(const model_energy *e, const guest_change *c, sites x) {
  eqs_change a = {0};
  if (c->remove >= 0) {
    const placed *old = e->guests + c->remove;
    a.n_remove = e->components[old->component].gas.n;
    a.remove = old->atom;
  }
  if (c->insert >= 0) {
    const gas *g = &e->components[c->insert].gas;
    pose_place(&c->pose, g, x);
    a.n_insert = g->n;
    a.number = g->number;
    a.position = x[0];
  }
  return a;
}

/* What the molecules alone lose and gain. */
static double alone(const model_energy *e, const guest_change *c) {
  double sum = 0;
  if (c->remove >= 0) sum -= e->components[e->guests[c->remove].component].energy;
  if (c->insert >= 0) sum += e->components[c->insert].energy;
  return sum;
}

static eqs_status trial(guest_energy *base, int n, const guest_change *change, double *du) {
  model_energy *e = (model_energy *)base;
  int asked = 0;
  EQS_TRY(reserve_trials(e, n > 0 ? (size_t)n : 0));
  for (int i = 0; i < n; i++) {
    EQS_TRY(check_change(e, change + i));
    e->changes[asked] = in_atoms(e, change + i, e->position[asked]);
    du[i] = INFINITY;
    if (change[i].insert >= 0 && overlaps(e, e->components + change[i].insert,
                                          (const double(*)[3])e->position[asked], change[i].remove))
      continue;
    e->index[asked++] = i;
  }
  EQS_TRY(eqs_local_try(e->local, asked, e->changes, e->de));
  for (int k = 0; k < asked; k++) du[e->index[k]] = e->de[k] - alone(e, change + e->index[k]);
  return EQS_OK;
}

/* ---- making a change */

static eqs_status reserve_guests(model_energy *e, size_t n) {
  if (n <= e->guest_capacity) return EQS_OK;
  size_t more = 2 * n + 16;
  EQS_TRY(renew(&e->guests, more, sizeof *e->guests));
  EQS_TRY(renew(&e->owners, more * GAS_MAX_ATOMS, sizeof *e->owners));
  e->guest_capacity = more;
  return EQS_OK;
}

static void set_atom(model_energy *e, int k, int site, int atom) {
  e->guests[k].atom[site] = atom;
  e->owners[atom - e->n_framework] = (owner){k, site};
}

/* Atoms of the guest taken out that no new atom replaced: the last atoms move into the gaps, from
 * the highest gap down. */
static void close_gaps(model_energy *e, const eqs_change *a, int *n_atom) {
  int gap[GAS_MAX_ATOMS], n = 0;
  for (int r = a->n_insert; r < a->n_remove; r++) {
    int at = n++;
    for (; at > 0 && gap[at - 1] < a->remove[r]; at--) gap[at] = gap[at - 1];
    gap[at] = a->remove[r];
  }
  for (int k = 0; k < n; k++) {
    int last = --*n_atom;
    owner o = e->owners[last - e->n_framework];
    if (last != gap[k]) set_atom(e, o.guest, o.site, gap[k]);
  }
}

static eqs_status commit(guest_energy *base, const guest_change *c) {
  model_energy *e = (model_energy *)base;
  eqs_systems now;
  EQS_TRY(check_change(e, c));
  EQS_TRY(reserve_trials(e, 1));
  EQS_TRY(reserve_guests(e, (size_t)e->n_guest + 1));
  placed added = {.component = c->insert, .pose = c->pose};
  eqs_change a = in_atoms(e, c, added.position);
  EQS_TRY(eqs_local_view(e->local, &now, NULL));
  int n_atom = now.first[1], remove[GAS_MAX_ATOMS];
  for (int r = 0; r < a.n_remove; r++) remove[r] = a.remove[r];
  a.remove = remove;
  EQS_TRY(eqs_local_commit(e->local, &a, NULL));
  int to = c->remove >= 0 ? c->remove : e->n_guest;
  if (c->insert >= 0) {
    e->guests[to] = added;
    if (c->remove < 0) e->n_guest++;
    for (int k = 0; k < a.n_insert; k++) set_atom(e, to, k, k < a.n_remove ? remove[k] : n_atom++);
  }
  close_gaps(e, &a, &n_atom);
  if (c->insert >= 0 || c->remove < 0) return EQS_OK;
  int last = --e->n_guest;
  if (last == to) return EQS_OK;
  e->guests[to] = e->guests[last];
  for (int k = 0; k < e->components[e->guests[to].component].gas.n; k++)
    set_atom(e, to, k, e->guests[to].atom[k]);
  return EQS_OK;
}

static eqs_status total(guest_energy *base, double *u) {
  model_energy *e = (model_energy *)base;
  eqs_systems now;
  const double *energies;
  EQS_TRY(eqs_local_refresh(e->local, NULL));
  EQS_TRY(eqs_local_view(e->local, &now, &energies));
  *u = 0;
  for (int i = 0; i < e->n_framework; i++) *u += energies[i] - e->empty[i];
  for (int k = 0; k < e->n_guest; k++) {
    const component *g = e->components + e->guests[k].component;
    for (int i = 0; i < g->gas.n; i++) *u += energies[e->guests[k].atom[i]];
    *u -= g->energy;
  }
  return EQS_OK;
}

/* ---- hybrid moves: framework first, then the guests in order */

typedef struct moving {
  const model_energy *e;
  int *number; /* [atoms] */
  double cell[9];
  int first[2];
} moving;

static eqs_status force_of(void *context, int n, const double (*x)[3], double *energy,
                           double (*force)[3]) {
  static const int pbc[3] = {1, 1, 1};
  const moving *m = context;
  (void)n;
  eqs_systems s = {.size = sizeof s,
                   .n_system = 1,
                   .first = m->first,
                   .number = m->number,
                   .position = x[0],
                   .cell = m->cell,
                   .pbc = pbc};
  eqs_result out = {.size = sizeof out, .energy = energy, .forces = force[0]};
  eqs_status status = eqs_compute(m->e->context, m->e->model, &s, &out);
  return status == EQS_ERR_ARGUMENT ? EQS_ERR_DIVERGED : status; /* atoms that have met or fled */
}

/* The new positions become those of the local state, whose guest atoms have an order of their own.
 */
static eqs_status take_positions(model_energy *e, const hybrid_system *y, const moving *m,
                                 guest *guests) {
  double(*x)[3] = NULL;
  int n = m->first[1];
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(&x, (size_t)n, sizeof *x, "positions"));
  memcpy(x, y->free_at, (size_t)e->n_framework * sizeof *x);
  for (int k = 0; k < e->n_guest; k++) {
    placed *g = e->guests + k;
    const component *c = e->components + g->component;
    rigid_to_pose(&c->shape, y->body + k, &g->pose);
    pose_place(&g->pose, &c->gas, g->position);
    guests[k].pose = g->pose;
    for (int i = 0; i < c->gas.n; i++) memcpy(x[g->atom[i]], g->position[i], sizeof *x);
  }
  contacts_free(&e->host);
  EQS_TRY_DONE(contacts_build(&e->host, e->n_framework, x[0], m->number, m->cell));
  EQS_TRY_DONE(eqs_local_place(e->local, x[0]));
done:
  free(x);
  return status;
}

static double at_rest(const model_energy *e) {
  double sum = 0;
  for (int i = 0; i < e->n_framework; i++) sum += e->empty[i];
  for (int k = 0; k < e->n_guest; k++) sum += e->components[e->guests[k].component].energy;
  return sum;
}

static eqs_status move_all(model_energy *e, const hybrid_settings *given, hybrid_system *y,
                           moving *m, guest *guests, hybrid_outcome *out) {
  eqs_systems now;
  hybrid_settings s = *given;
  EQS_TRY(eqs_local_view(e->local, &now, NULL));
  m->first[1] = now.first[1];
  memcpy(m->cell, now.cell, sizeof m->cell);
  EQS_TRY(alloc_array(&m->number, (size_t)now.first[1], sizeof *m->number, "atoms"));
  memcpy(m->number, now.number, (size_t)e->n_framework * sizeof *m->number);
  int at = e->n_framework;
  for (int k = 0; k < e->n_guest; k++) {
    const component *c = e->components + e->guests[k].component;
    y->shape[k] = &c->shape;
    rigid_from_pose(&c->shape, &e->guests[k].pose, y->body + k);
    for (int i = 0; i < c->gas.n; i++) m->number[at++] = c->gas.number[i];
  }
  memcpy(y->free_at, now.position, (size_t)e->n_framework * sizeof *y->free_at);
  for (int i = 0; i < e->n_framework; i++) y->mass[i] = element_mass(m->number[i]);
  s.context = m;
  s.force = force_of;
  EQS_TRY(hybrid_move(&s, y, out));
  out->energy -= at_rest(e);
  return out->accepted ? take_positions(e, y, m, guests) : EQS_OK;
}

static eqs_status hybrid(guest_energy *base, const hybrid_settings *s, guest *guests,
                         hybrid_outcome *out) {
  model_energy *e = (model_energy *)base;
  hybrid_system y = {.n_free = e->n_framework, .n_body = e->n_guest};
  moving m = {.e = e};
  eqs_status status = EQS_OK;
  size_t n = (size_t)e->n_framework, bodies = (size_t)e->n_guest;
  EQS_TRY_DONE(alloc_array(&y.mass, n, sizeof *y.mass, "masses"));
  EQS_TRY_DONE(alloc_array(&y.free_at, n, sizeof *y.free_at, "positions"));
  EQS_TRY_DONE(alloc_array(&y.shape, bodies, sizeof *y.shape, "molecules"));
  EQS_TRY_DONE(alloc_array(&y.body, bodies, sizeof *y.body, "molecules"));
  EQS_TRY_DONE(move_all(e, s, &y, &m, guests, out));
done:
  free(y.mass);
  free(y.free_at);
  free(y.shape);
  free(y.body);
  free(m.number);
  return status;
}

static const guest_energy_ops model_energy_ops = {
    .trial = trial, .commit = commit, .total = total, .free = close_energy, .hybrid = hybrid};
