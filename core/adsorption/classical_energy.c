/* classical_energy.c -- trials, commits and totals of the classical model.
 *
 * Reciprocal part: sum_k w_k |S(k)|^2 over guests; a guest T put into S adds
 * sum_k w_k (2 Re conj(S) T + |T|^2). S is kept as the root of a binary tree over guests (leaves of
 * four), so that a commit costs a few passes over k and S depends on the list of guests alone:
 * the tree's growth only adds zeros. The framework's structure factor is added to S where the
 * energy of a molecule is asked for: one pass then gives its reciprocal energy with everything. A
 * change that takes out guest r and puts in another is U(new | others) - U(r | others), both from S
 * without r. The total goes another way: the framework's own sum for every site, pairs one by one.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/classical_energy.h"

#include "core/adsorption/guest_sites.h"
#include "core/neighbors.h"
#include "potentials/charges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAF = 4, POSES = 32 /* of a block */ };
/* Work of a block of changes, in pairs of sites or terms of a structure factor: less is not worth
 * waking a thread for. */
#define BLOCK_WORK 100000.0

#define TOLERANCE      1e-6
#define NEUTRAL        1e-6 /* e */
#define TWO_BY_SQRT_PI 1.12837916709551257390

typedef struct component {
  gas sites;                     /* number[] unused */
  int type[CLASSICAL_MAX_SITES]; /* into the crystal's guest sites */
  double charge[CLASSICAL_MAX_SITES];
  double alone;  /* eV: Ewald's self energy, and the sites of one molecule, which do not interact */
  double length; /* angstrom */
} component;

typedef struct sites {
  double x[CLASSICAL_MAX_SITES][3];
} sites;

typedef struct classical_energy {
  guest_energy head;
  workspace *work;
  classical_host host;
  classical_description description;
  int n_component;
  component *component;
  classical_pair *pair; /* [n_type][n_type] of guest sites */
  double box[9], inverse[9];
  guest_pairs pairs;
  guest_sites slots; /* of the guests, for pairs */
  int range[3];      /* images of a wrapped difference that may lie within the cutoff */
  int own_images;    /* a guest reaches its own */
  int charged;       /* a guest has charges */
  ewald ewald;       /* of the box */
  int n, capacity;   /* guests */
  guest *guest;
  sites *x;
  int leaves;          /* a power of two, or 0 */
  double *tree;        /* [2 leaves][2 ewald.n]; node 1 is the root, leaves from node `leaves` on */
  double *field, *all; /* [2 ewald.n] structure factors: of the framework, with the guests */
  double near_atoms;   /* of the framework around a site, on average */
} classical_energy;

/* ---- structure factor of the guests */

static double *node(const classical_energy *e, int i) {
  return e->tree + (size_t)i * 2 * (size_t)e->ewald.n;
}

/* Adds sign * q e^{ikx} of a molecule to s = re[n], im[n]. */
static void add_molecule(const classical_energy *e, const component *c, const sites *x, double sign,
                         double *phase, double *s) {
  for (int a = 0; a < c->sites.n; a++) {
    double q = sign * c->charge[a];
    if (q == 0) continue;
    ewald_phases(&e->ewald, x->x[a], phase);
    ewald_add(&e->ewald, 1, &q, phase, s, s + e->ewald.n);
  }
}

static void renew_leaf(classical_energy *e, int leaf, double *phase) {
  double *s = node(e, e->leaves + leaf);
  memset(s, 0, 2 * (size_t)e->ewald.n * sizeof *s);
  for (int i = LEAF * leaf; i < LEAF * (leaf + 1) && i < e->n; i++)
    add_molecule(e, e->component + e->guest[i].component, &e->x[i], 1, phase, s);
}

static void renew_parents(classical_energy *e, int leaf) {
  for (int i = (e->leaves + leaf) / 2; i >= 1; i /= 2) {
    const double *a = node(e, 2 * i), *b = node(e, 2 * i + 1);
    double *s = node(e, i);
    for (int k = 0; k < 2 * e->ewald.n; k++) s[k] = a[k] + b[k];
  }
}

/* The framework and all guests. */
static void renew_all(classical_energy *e) {
  const double *root = node(e, 1);
  for (int k = 0; k < 2 * e->ewald.n; k++) e->all[k] = e->field[k] + root[k];
}

/* Room for n guests; the tree is built again when it grows. */
static eqs_status reserve(classical_energy *e, int n) {
  int leaves = e->leaves ? e->leaves : 2, capacity;
  if (n <= e->capacity) return EQS_OK;
  while ((int64_t)leaves * LEAF < n) leaves *= 2;
  capacity = leaves * LEAF;
  guest *more = realloc(e->guest, mul_size((size_t)capacity, sizeof *more));
  if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %d guests", capacity);
  e->guest = more;
  sites *x = realloc(e->x, mul_size((size_t)capacity, sizeof *x));
  if (!x) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %d guests", capacity);
  e->x = x;
  EQS_TRY(guest_sites_reserve(&e->slots, capacity));
  if (e->charged) {
    double *tree, *phase;
    size_t size = mul_size(2 * (size_t)leaves, 2 * (size_t)e->ewald.n);
    EQS_TRY(alloc_array(&phase, ewald_phase_size(&e->ewald), sizeof *phase, "phases"));
    eqs_status status = alloc_array(&tree, size, sizeof *tree, "structure factors of guests");
    if (status == EQS_OK) {
      free(e->tree);
      e->tree = tree;
      e->leaves = leaves;
      for (int i = 0; LEAF * i < e->n; i++) renew_leaf(e, i, phase);
      for (int i = 0; LEAF * i < e->n; i++) renew_parents(e, i);
    }
    free(phase);
    EQS_TRY(status);
  }
  e->leaves = leaves;
  e->capacity = capacity;
  return EQS_OK;
}

/* ---- energies */

/* Pairs of one site with the images of another, eV; with `own`, without the site itself. */
static double site_pair(const classical_energy *e, int type_a, int type_b, const double a[3],
                        const double b[3], int own) {
  const classical_pair *p = e->pair + type_a * e->host.n_site + type_b;
  double qq = EWALD_COULOMB * e->host.site[type_a].charge * e->host.site[type_b].charge;
  double limit = e->host.cutoff * e->host.cutoff, d[3], f[3], u = 0;
  for (int k = 0; k < 3; k++) d[k] = a[k] - b[k];
  for (int k = 0; k < 3; k++) {
    double w = d[0] * e->inverse[k] + d[1] * e->inverse[3 + k] + d[2] * e->inverse[6 + k];
    f[k] = own ? w : w - rint(w);
  }
  int m[3];
  for (m[0] = -e->range[0]; m[0] <= e->range[0]; m[0]++)
    for (m[1] = -e->range[1]; m[1] <= e->range[1]; m[1]++)
      for (m[2] = -e->range[2]; m[2] <= e->range[2]; m[2]++) {
        double r2 = 0;
        if (own && !m[0] && !m[1] && !m[2]) continue;
        for (int k = 0; k < 3; k++) {
          double v = (f[0] + m[0]) * e->box[k] + (f[1] + m[1]) * e->box[3 + k] +
                     (f[2] + m[2]) * e->box[6 + k];
          r2 += v * v;
        }
        if (r2 >= limit) continue;
        if (r2 < CLASSICAL_CONTACT * CLASSICAL_CONTACT) return INFINITY;
        double i6 = 1 / (r2 * r2 * r2);
        u += (p->c12 * i6 - p->c6) * i6 - p->shift;
        if (qq != 0) u += qq * ewald_real(&e->ewald, r2);
      }
  return u;
}

static double molecule_pair(const classical_energy *e, const component *a, const component *b,
                            const sites *xa, const sites *xb, int own) {
  double u = 0;
  for (int i = 0; i < a->sites.n; i++)
    for (int j = 0; j < b->sites.n; j++)
      u += site_pair(e, a->type[i], b->type[j], xa->x[i], xb->x[j], own);
  return own ? u / 2 : u;
}

/* With the framework, and with its own images in real space. */
static double single(const classical_energy *e, const component *c, const sites *x,
                     double *scratch) {
  double u = c->alone;
  for (int a = 0; a < c->sites.n; a++) {
    double v = classical_host_energy(&e->host, c->type[a], x->x[a], scratch);
    if (!isfinite(v)) return INFINITY;
    u += v;
  }
  if (e->own_images) u += molecule_pair(e, c, c, x, x, 1);
  return u;
}

static size_t scratch_size(const classical_energy *e) {
  size_t host = classical_host_scratch(&e->host);
  size_t box = e->charged ? CLASSICAL_MAX_SITES * ewald_phase_size(&e->ewald) : 0;
  return host > box ? host : box;
}

/* Energy of one more molecule beside the first n guests but `skip`: all, or none; s: the structure
 * factor of the framework and these guests. */
static double insertion(const classical_energy *e, const component *c, const sites *x, int n,
                        int skip, const double *s, double *scratch) {
  double u = c->alone;
  size_t size = e->charged ? ewald_phase_size(&e->ewald) : 0;
  for (int a = 0; a < c->sites.n; a++) u += classical_host_near(&e->host, c->type[a], x->x[a]);
  if (isfinite(u) && e->own_images) u += molecule_pair(e, c, c, x, x, 1);
  if (isfinite(u) && n)
    u += guest_sites_energy(&e->slots, &e->pairs, skip, c->sites.n, c->type, x->x);
  if (!isfinite(u)) return INFINITY;
  if (!e->charged) return u;
  for (int a = 0; a < c->sites.n; a++) ewald_phases(&e->ewald, x->x[a], scratch + (size_t)a * size);
  return u + ewald_added(&e->ewald, c->sites.n, c->charge, scratch, s, s + e->ewald.n);
}

/* ---- trials: groups of changes that take out the same guest */

typedef struct trials {
  const classical_energy *e;
  const guest_change *change;
  double *du;
  int n_group, n;
  const int *group; /* [n_group + 1] */
  int skip;         /* if there is one */
  double removed;
  const double *s;
  int block; /* groups, or changes of the only one, that one thread takes at a time */
} trials;

/* S without guest `skip`, and the energy of `skip` beside the others. */
static eqs_status take_out(const classical_energy *e, int skip, arena *scratch, const double **s,
                           double *removed) {
  double *work, *without;
  *s = e->all;
  *removed = 0;
  if (skip < 0) return EQS_OK;
  const component *c = e->component + e->guest[skip].component;
  EQS_TRY(arena_take(scratch, scratch_size(e), sizeof *work, &work));
  if (e->charged) {
    size_t n = 2 * (size_t)e->ewald.n;
    EQS_TRY(arena_take(scratch, n, sizeof *without, &without));
    memcpy(without, e->all, n * sizeof *without);
    add_molecule(e, c, &e->x[skip], -1, work, without);
    *s = without;
  }
  *removed = insertion(e, c, &e->x[skip], e->n, skip, *s, work);
  return EQS_OK;
}

static void try_one(const trials *t, int i, double removed, const double *s, double *scratch) {
  const classical_energy *e = t->e;
  const guest_change *g = t->change + i;
  sites x;
  t->du[i] = -removed;
  if (g->insert < 0) return;
  const component *c = e->component + g->insert;
  pose_place(&g->pose, &c->sites, x.x);
  t->du[i] += insertion(e, c, &x, e->n, g->remove, s, scratch);
}

static eqs_status run_group(const trials *t, int group, arena *scratch) {
  const double *s;
  double removed, *work;
  EQS_TRY(take_out(t->e, t->change[t->group[group]].remove, scratch, &s, &removed));
  EQS_TRY(arena_take(scratch, scratch_size(t->e), sizeof *work, &work));
  for (int i = t->group[group]; i < t->group[group + 1]; i++) try_one(t, i, removed, s, work);
  return EQS_OK;
}

static eqs_status run_groups(void *argument, int block, arena *scratch) {
  const trials *t = argument;
  for (int i = block * t->block; i < (block + 1) * t->block && i < t->n_group; i++) {
    arena_reset(scratch);
    EQS_TRY(run_group(t, i, scratch));
  }
  return EQS_OK;
}

static eqs_status run_changes(void *argument, int block, arena *scratch) {
  const trials *t = argument;
  double *work;
  EQS_TRY(arena_take(scratch, scratch_size(t->e), sizeof *work, &work));
  for (int i = block * t->block; i < (block + 1) * t->block && i < t->n; i++)
    try_one(t, i, t->removed, t->s, work);
  return EQS_OK;
}

/* Changes that are worth a thread, by what they cost alone: the same for any number of threads. */
static int block_size(const classical_energy *e) {
  double width = e->slots.width, images = 1;
  for (int k = 0; k < 3; k++) images *= 2 * e->range[k] + 1;
  double work = width * (e->near_atoms + images * width * e->n + (e->charged ? e->ewald.n : 0));
  return work < BLOCK_WORK ? (int)(BLOCK_WORK / fmax(work, 1)) : 1;
}

static int blocks(int n, int size) { return n / size + (n % size != 0); }

static eqs_status check_pose(const pose *p) {
  double norm = 0;
  for (int k = 0; k < 3; k++)
    if (!isfinite(p->position[k]) || fabs(p->position[k]) > 1e9)
      EQS_FAIL(EQS_ERR_ARGUMENT, "a pose has the coordinate %g angstrom", p->position[k]);
  for (int k = 0; k < 4; k++) norm += p->quaternion[k] * p->quaternion[k];
  if (!(fabs(norm - 1) < 1e-6))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the quaternion of a pose has the square %g, not 1", norm);
  return EQS_OK;
}

static eqs_status check_change(const classical_energy *e, const guest_change *c) {
  if (c->remove < -1 || c->remove >= e->n)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no guest %d to remove; there are %d", c->remove, e->n);
  if (c->insert < -1 || c->insert >= e->n_component)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no component %d; there are %d", c->insert, e->n_component);
  return c->insert < 0 ? EQS_OK : check_pose(&c->pose);
}

static eqs_status trial(guest_energy *head, int n, const guest_change *change, double *du) {
  classical_energy *e = (classical_energy *)head;
  trials t = {.e = e, .change = change, .du = du, .n = n};
  arena *shared = &e->work->shared;
  int *group;
  if (n <= 0) return EQS_OK;
  for (int i = 0; i < n; i++) EQS_TRY(check_change(e, change + i));
  arena_reset(shared);
  EQS_TRY(arena_take(shared, (size_t)n + 1, sizeof *group, &group));
  for (int i = 0; i < n; i++)
    if (!i || change[i].remove != change[i - 1].remove) group[t.n_group++] = i;
  group[t.n_group] = n;
  t.group = group;
  t.block = block_size(e);
  if (t.n_group > 1) {
    t.block = (int)((int64_t)t.block * t.n_group / (n + t.n_group)) + 1; /* the removed count too */
    return workspace_run(e->work, blocks(t.n_group, t.block), run_groups, &t);
  }
  EQS_TRY(take_out(e, change[0].remove, shared, &t.s, &t.removed));
  return workspace_run(e->work, blocks(n, t.block), run_changes, &t);
}

/* ---- commit and total */

static void renew(classical_energy *e, int guest_index, double *phase) {
  renew_leaf(e, guest_index / LEAF, phase);
  renew_parents(e, guest_index / LEAF);
}

static eqs_status commit(guest_energy *head, const guest_change *change) {
  classical_energy *e = (classical_energy *)head;
  double *phase = NULL;
  int changed = change->remove, moved = -1;
  EQS_TRY(check_change(e, change));
  if (change->remove < 0 && change->insert < 0) return EQS_OK;
  if (changed < 0) {
    EQS_TRY(reserve(e, e->n + 1));
    changed = e->n;
  }
  if (e->charged) {
    arena_reset(&e->work->shared);
    EQS_TRY(arena_take(&e->work->shared, ewald_phase_size(&e->ewald), sizeof *phase, &phase));
  }
  if (change->insert >= 0) {
    e->guest[changed] = (guest){change->insert, change->pose};
    const component *c = &e->component[change->insert];
    pose_place(&change->pose, &c->sites, e->x[changed].x);
    guest_sites_set(&e->slots, changed, &e->pairs, c->sites.n, c->type,
                    (const double(*)[3])e->x[changed].x);
    e->n += change->remove < 0;
  } else {
    moved = --e->n;
    e->guest[changed] = e->guest[moved];
    e->x[changed] = e->x[moved];
    guest_sites_copy(&e->slots, moved, changed);
  }
  e->slots.n = e->n;
  if (e->charged) {
    renew(e, changed, phase);
    if (moved >= 0 && moved / LEAF != changed / LEAF) renew(e, moved, phase);
    renew_all(e);
  }
  return EQS_OK;
}

/* Nothing that trials keep is used: the structure factor is summed anew, pairs are counted once. */
static eqs_status total(guest_energy *head, double *u) {
  classical_energy *e = (classical_energy *)head;
  arena *shared = &e->work->shared;
  double *scratch, *s = NULL, sum = 0;
  arena_reset(shared);
  EQS_TRY(arena_take(shared, scratch_size(e), sizeof *scratch, &scratch));
  if (e->charged) EQS_TRY(arena_take_zero(shared, 2 * (size_t)e->ewald.n, sizeof *s, &s));
  for (int i = 0; i < e->n; i++) {
    const component *c = e->component + e->guest[i].component;
    sum += single(e, c, &e->x[i], scratch);
    for (int j = 0; j < i; j++)
      sum += molecule_pair(e, c, e->component + e->guest[j].component, &e->x[i], &e->x[j], 0);
    if (e->charged) add_molecule(e, c, &e->x[i], 1, scratch, s);
  }
  for (int k = 0; e->charged && k < e->ewald.n; k++)
    sum += e->ewald.weight[k] * (s[k] * s[k] + s[k + e->ewald.n] * s[k + e->ewald.n]);
  *u = sum;
  return EQS_OK;
}

static void free_energy(guest_energy *head) {
  classical_energy *e = (classical_energy *)head;
  if (!e) return;
  classical_host_free(&e->host);
  ewald_free(&e->ewald);
  free(e->component);
  free(e->pair);
  free(e->guest);
  free(e->x);
  free(e->tree);
  free(e->field);
  free(e->all);
  guest_sites_free(&e->slots);
  free(e);
}

/* ---- one guest in the empty framework */

typedef struct pose_batch {
  const classical_energy *e;
  const component *c;
  int n;
  const pose *poses;
  double *u;
} pose_batch;

static eqs_status run_poses(void *argument, int block, arena *scratch) {
  const pose_batch *b = argument;
  double *work;
  EQS_TRY(arena_take(scratch, scratch_size(b->e), sizeof *work, &work));
  for (int i = POSES * block; i < POSES * (block + 1) && i < b->n; i++) {
    sites x;
    pose_place(b->poses + i, &b->c->sites, x.x);
    b->u[i] = insertion(b->e, b->c, &x, 0, -1, b->e->field, work);
  }
  return EQS_OK;
}

eqs_status classical_energy_poses(const guest_energy *head, int index, int n, const pose *poses,
                                  double *u) {
  const classical_energy *e = (const classical_energy *)head;
  if (index < 0 || index >= e->n_component)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no component %d; there are %d", index, e->n_component);
  for (int i = 0; i < n; i++) EQS_TRY(check_pose(poses + i));
  pose_batch b = {e, e->component + index, n, poses, u};
  if (n <= 0) return EQS_OK;
  return workspace_run(e->work, (n - 1) / POSES + 1, run_poses, &b);
}

void classical_energy_describe(const guest_energy *e, classical_description *out) {
  *out = ((const classical_energy *)e)->description;
}

const classical_host *classical_energy_host(const guest_energy *e) {
  return &((const classical_energy *)e)->host;
}

workspace *classical_energy_workspace(const guest_energy *e) {
  return ((const classical_energy *)e)->work;
}

eqs_status classical_energy_sites(const guest_energy *head, int index, gas *out,
                                  int type[CLASSICAL_MAX_SITES]) {
  const classical_energy *e = (const classical_energy *)head;
  if (index < 0 || index >= e->n_component)
    EQS_FAIL(EQS_ERR_ARGUMENT, "there is no component %d; there are %d", index, e->n_component);
  *out = e->component[index].sites;
  memcpy(type, e->component[index].type, sizeof e->component[index].type);
  return EQS_OK;
}

/* ---- opening */

static int same_site(const classical_site *a, const classical_site *b) {
  return a->epsilon == b->epsilon && a->sigma == b->sigma && a->charge == b->charge;
}

static eqs_status add_component(classical_energy *e, const gas *g,
                                const classical_settings *settings, int index, classical_site *type,
                                int *n_type) {
  component *c = e->component + index;
  classical_molecule m;
  double net = 0, reach = 0;
  if (settings->guest) m = settings->guest[index];
  else EQS_TRY(classical_find_guest(g->name, settings->water, &m));
  if (m.n < 1 || m.n > CLASSICAL_MAX_SITES)
    EQS_FAIL(EQS_ERR_ARGUMENT, "guest %d has %d sites; 1 .. %d are possible", index + 1, m.n,
             CLASSICAL_MAX_SITES);
  c->sites.name = g->name;
  c->sites.n = m.n;
  for (int a = 0; a < m.n; a++) {
    const classical_site *s = m.site + a;
    int t = 0;
    while (t < *n_type && !same_site(type + t, s)) t++;
    if (t == *n_type) type[(*n_type)++] = *s;
    c->type[a] = t;
    c->charge[a] = s->charge;
    net += s->charge;
    e->charged |= s->charge != 0;
    for (int k = 0; k < 3; k++) {
      if (!(fabs(m.position[a][k]) < 100))
        EQS_FAIL(EQS_ERR_ARGUMENT, "site %d of guest %d is %g angstrom away", a + 1, index + 1,
                 m.position[a][k]);
      c->sites.position[a][k] = m.position[a][k];
    }
    reach = fmax(reach, hypot(hypot(m.position[a][0], m.position[a][1]), m.position[a][2]));
  }
  c->length = 2 * reach;
  if (!(fabs(net) < NEUTRAL))
    EQS_FAIL(EQS_ERR_ARGUMENT, "guest %d has a net charge of %g e; it must be neutral", index + 1,
             net);
  return EQS_OK;
}

static int has_charges(const structure *s) {
  for (int i = 0; s->charge && i < s->n; i++)
    if (s->charge[i] != 0) return 1;
  return 0;
}

/* Parameters and charges of the framework's cell. */
static eqs_status describe_atoms(const framework *f, const classical_settings *settings,
                                 classical_energy *e, classical_site *atom) {
  const structure *s = &f->cell;
  double *charge = NULL;
  classical_description *d = &e->description;
  eqs_status status = EQS_OK;
  d->charges = "none";
  for (int i = 0; i < s->n; i++) {
    if (settings->atom) atom[i] = settings->atom[i];
    else EQS_TRY(classical_find_atom(settings->set, s->number[i], atom + i));
  }
  if (settings->atom) {
    d->charges = "given";
  } else if (e->charged && !settings->no_charges && has_charges(s)) {
    d->charges = "file";
    for (int i = 0; i < s->n; i++) atom[i].charge = s->charge[i];
  } else if (e->charged && !settings->no_charges) {
    d->charges = "EQeq";
    EQS_TRY(alloc_array(&charge, (size_t)s->n, sizeof *charge, "charges"));
    EQS_TRY_DONE(charges_equilibrate(s->n, s->number, (const double(*)[3])s->position, s->cell, 0,
                                     e->work, charge));
    for (int i = 0; i < s->n; i++) atom[i].charge = charge[i];
  }
  for (int i = 0; i < s->n; i++) {
    if (settings->no_charges) atom[i].charge = 0;
    d->net_charge += atom[i].charge;
    if (!i || atom[i].charge < d->range[0]) d->range[0] = atom[i].charge;
    if (!i || atom[i].charge > d->range[1]) d->range[1] = atom[i].charge;
  }
done:
  free(charge);
  return status;
}

/* The box: images, reciprocal vectors, pairs of guest sites. */
static eqs_status prepare_box(const framework *f, const classical_settings *settings,
                              double tolerance, classical_energy *e) {
  double width[3], longest = 0;
  const classical_host *h = &e->host;
  for (int k = 0; k < 9; k++) e->box[k] = f->box.cell[k];
  if (!cell_inverse(e->box, e->inverse)) EQS_FAIL(EQS_ERR_ARGUMENT, "the box is singular");
  cell_widths(e->box, width);
  for (int i = 0; i < e->n_component; i++) longest = fmax(longest, e->component[i].length);
  for (int k = 0; k < 3; k++) {
    if (width[k] < h->cutoff + longest) e->own_images = 1;
    e->range[k] = (int)fmin(floor(h->cutoff / width[k] + 0.5), 1000);
  }
  for (int k = 0; e->own_images && k < 3; k++)
    e->range[k] = (int)fmin(ceil((h->cutoff + longest) / width[k]), 1000);
  size_t types = (size_t)h->n_site;
  EQS_TRY(alloc_array(&e->pair, mul_size(types, types), sizeof *e->pair, "pairs of guest sites"));
  for (int a = 0; a < h->n_site; a++)
    for (int b = 0; b < h->n_site; b++)
      e->pair[a * h->n_site + b] =
          classical_mix(h->site + a, h->site + b, h->cutoff, settings->truncated);
  e->pairs = (guest_pairs){
      .cutoff = h->cutoff, .n_type = h->n_site, .pair = e->pair, .site = h->site, .ewald = NULL};
  memcpy(e->pairs.box, e->box, sizeof e->box);
  memcpy(e->pairs.inverse, e->inverse, sizeof e->inverse);
  memcpy(e->pairs.range, e->range, sizeof e->range);
  e->near_atoms = f->cell.n * 4.19 * pow(h->cutoff, 3) / fabs(cell_volume(h->cell));
  if (!e->charged) return EQS_OK;
  EQS_TRY(ewald_prepare(e->box, h->cutoff, tolerance, &e->ewald));
  e->pairs.ewald = &e->ewald;
  EQS_TRY(alloc_array(&e->field, 2 * (size_t)e->ewald.n, sizeof *e->field, "structure factors"));
  EQS_TRY(alloc_array(&e->all, 2 * (size_t)e->ewald.n, sizeof *e->all, "structure factors"));
  EQS_TRY(classical_host_spread(h, &e->ewald, e->field, e->field + e->ewald.n));
  memcpy(e->all, e->field, 2 * (size_t)e->ewald.n * sizeof *e->all);
  for (int i = 0; i < e->n_component; i++) {
    component *c = e->component + i;
    double alpha = e->ewald.alpha, sum = 0;
    for (int a = 0; a < c->sites.n; a++) {
      sum -= alpha * TWO_BY_SQRT_PI / 2 * c->charge[a] * c->charge[a];
      for (int b = 0; b < a; b++) {
        const double *x = c->sites.position[a], *y = c->sites.position[b];
        double r = hypot(hypot(x[0] - y[0], x[1] - y[1]), x[2] - y[2]);
        sum -= c->charge[a] * c->charge[b] * (r > 0 ? erf(alpha * r) / r : alpha * TWO_BY_SQRT_PI);
      }
    }
    c->alone = EWALD_COULOMB * sum;
  }
  return EQS_OK;
}

static const guest_energy_ops operations = {
    .trial = trial, .commit = commit, .total = total, .free = free_energy};

eqs_status classical_energy_open(const framework *f, int n_component, const gas *gases,
                                 const classical_settings *settings, workspace *work,
                                 guest_energy **out) {
  static const classical_settings defaults = {0};
  classical_energy *e = NULL;
  classical_site *type = NULL, *atom = NULL;
  int n_type = 0;
  eqs_status status = EQS_OK;
  *out = NULL;
  if (!settings) settings = &defaults;
  if (n_component < 1 || n_component > 64)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d gases; 1 .. 64 are possible", n_component);
  double cutoff = settings->cutoff != 0 ? settings->cutoff : CLASSICAL_CUTOFF;
  double tolerance = settings->tolerance != 0 ? settings->tolerance : TOLERANCE;
  EQS_TRY_DONE(alloc_array(&e, 1, sizeof *e, "classical energy"));
  e->head.ops = &operations;
  e->work = work;
  e->n_component = n_component;
  EQS_TRY_DONE(alloc_array(&e->component, (size_t)n_component, sizeof *e->component, "gases"));
  EQS_TRY_DONE(
      alloc_array(&type, (size_t)(n_component * CLASSICAL_MAX_SITES), sizeof *type, "guest sites"));
  EQS_TRY_DONE(alloc_array(&atom, (size_t)f->cell.n, sizeof *atom, "framework atoms"));
  int width = 1;
  for (int i = 0; i < n_component; i++) {
    EQS_TRY_DONE(add_component(e, gases + i, settings, i, type, &n_type));
    if (e->component[i].sites.n > width) width = e->component[i].sites.n;
  }
  guest_sites_start(&e->slots, width);
  EQS_TRY_DONE(describe_atoms(f, settings, e, atom));
  const classical_crystal crystal = {f->cell.n, (const double(*)[3])f->cell.position, atom,
                                     f->cell.cell};
  EQS_TRY_DONE(classical_host_prepare(&crystal, n_type, type, cutoff, settings->truncated,
                                      tolerance, &e->host));
  EQS_TRY_DONE(prepare_box(f, settings, tolerance, e));
  *out = &e->head;
  e = NULL;
done:
  free(type);
  free(atom);
  if (e) free_energy(&e->head);
  return status;
}
