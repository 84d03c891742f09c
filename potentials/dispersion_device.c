/* dispersion_device.c -- D3(BJ) on a device: a kernel for each pass over pairs (dispersion.c has
 * the formulas) in the order of kernels/cuda/dispersion.h, where every atom gathers its own
 * results.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/dispersion_device.h"

#include <math.h>
#include <string.h>

#include "potentials/dispersion_parts.h"
#include "potentials/lattice_sum.h"

enum { LINE = 64, WIDTH_LEAST = 8, WIDTH_MOST = 32, ATOMS_SMALL = 64, ATOMS_MIDDLE = 512 };

/* Where translations are many a warp takes several at once for a small group; where they are few a
 * group fills the warp. */
static int width_of(int n) {
  if (n <= ATOMS_SMALL) return WIDTH_LEAST;
  return n <= ATOMS_MIDDLE ? 2 * WIDTH_LEAST : WIDTH_MOST;
}

/* ---- what a batch has at all, in one copy */

typedef struct image {
  int *system; /* [n_slot] */
  int *kind;   /* [n] */
  int *n_reference, *first_row;
  double *radius, (*reference)[DISPERSION_WEIGHTS];
  double (*c6)[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS], (*fixed)[DISPERSION_ROW_C6];
} image;

/* The next n elements of a piece of memory of which `used` bytes are taken; NULL: only counts. */
static void *carve(unsigned char *base, size_t *used, size_t n, size_t size) {
  size_t at = *used;
  *used += (n * size + LINE - 1) / LINE * LINE;
  return base ? base + at : NULL;
}

static size_t lay_out(int n_slot, int n, int n_kind, unsigned char *base, image *out) {
  size_t kinds = (size_t)n_kind, used = 0;
  out->system = carve(base, &used, (size_t)n_slot, sizeof *out->system);
  out->kind = carve(base, &used, (size_t)n, sizeof *out->kind);
  out->n_reference = carve(base, &used, kinds, sizeof *out->n_reference);
  out->first_row = carve(base, &used, kinds, sizeof *out->first_row);
  out->radius = carve(base, &used, kinds, sizeof *out->radius);
  out->reference = carve(base, &used, kinds, sizeof *out->reference);
  out->c6 = carve(base, &used, kinds * kinds, sizeof *out->c6);
  out->fixed = carve(base, &used, kinds * kinds, sizeof *out->fixed);
  return used;
}

static void fill_species(const dispersion *d, const dispersion_species *s, const image *h) {
  for (int a = 0; a < s->n; a++) {
    h->n_reference[a] = s->n_reference[a];
    h->first_row[a] = s->first_row[a];
    h->radius[a] = dispersion_radius[s->element[a]];
    dispersion_references(s->element[a], h->reference[a]);
    for (int b = 0; b < s->n; b++) {
      int pair = a * s->n + b;
      dispersion_of_pair(d, s->element[a], s->element[b], h->fixed[pair], h->c6[pair]);
    }
  }
}

static int slots_of(const eqs_systems *in, int s, int *group) {
  int n = in->first[s + 1] - in->first[s], width = width_of(n);
  *group = n / width + (n % width != 0);
  return *group * width;
}

static void fill_atoms(const dispersion_species *s, const eqs_systems *in, const image *h) {
  for (int i = 0, slot = 0, group; i < in->n_system; i++) {
    int end = slot + slots_of(in, i, &group);
    while (slot < end) h->system[slot++] = i;
    for (int a = in->first[i]; a < in->first[i + 1]; a++) h->kind[a] = s->of[in->number[a]];
  }
}

static eqs_status send(const dispersion_device *x, const dispersion_species *s,
                       const eqs_systems *in, arena *host, arena *there, image *out) {
  int n_slot = x->place.n_slot, n = in->first[in->n_system];
  image h;
  size_t bytes = lay_out(n_slot, n, s->n, NULL, &h);
  unsigned char *from, *to;
  EQS_TRY(arena_take(host, bytes, 1, &from));
  EQS_TRY(arena_take(there, bytes, 1, &to));
  memset(from, 0, bytes);
  lay_out(n_slot, n, s->n, from, &h);
  lay_out(n_slot, n, s->n, to, out);
  fill_species(x->d, s, &h);
  fill_atoms(s, in, &h);
  return x->k->device->ops->put(x->k->device, to, from, bytes);
}

/* ---- arguments */

static eqs_status take_slots(dispersion_device *x, const eqs_systems *in, arena *there) {
  gather_place_args *p = &x->place;
  int groups = 0, group;
  for (int s = 0; s < in->n_system; s++) {
    p->n_slot += slots_of(in, s, &group);
    groups += group;
  }
  size_t n = (size_t)p->n_slot;
  EQS_TRY(arena_take(there, (size_t)in->n_system, sizeof *x->systems, &x->systems));
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take(there, n, sizeof(double), &p->x[c]));
  EQS_TRY(arena_take(there, n, sizeof *p->radius, &p->radius));
  EQS_TRY(arena_take(there, n, sizeof *p->species, &p->species));
  EQS_TRY(arena_take(there, n, sizeof *p->atom, &p->atom));
  EQS_TRY(arena_take(there, (size_t)groups, sizeof *p->span, &p->span));
  return arena_take(there, (size_t)groups, sizeof *p->box, &p->box);
}

static eqs_status take_sums(dispersion_device *x, int n_row, arena *there) {
  size_t n = (size_t)x->place.n_slot;
  double *count;
  pair_weigh_args *w = &x->weigh;
  EQS_TRY(arena_take(there, n, sizeof *count, &count));
  EQS_TRY(arena_take(there, n, sizeof *count, &x->pairs.pairs.count_bar));
  EQS_TRY(arena_take(there, n, sizeof *w->weight, &w->weight));
  EQS_TRY(arena_take(there, mul_size((size_t)n_row, n), sizeof *w->pair, &w->pair));
  x->pairs.pairs.count = count;
  w->count = count;
  return EQS_OK;
}

/* What kernels read of what others wrote. */
static void join(dispersion_device *x, const image *t, int n_kind) {
  gather_place_args *p = &x->place;
  pair_weigh_args *w = &x->weigh;
  gather_args *g = &x->pairs;
  p->systems = g->systems = x->systems;
  p->system = g->system = t->system;
  p->kind = t->kind;
  p->kind_radius = t->radius;
  p->unit = 1 / BOHR;
  w->n = g->n_slot = p->n_slot;
  w->n_species = n_kind;
  w->stride = g->pairs.stride = (size_t)p->n_slot;
  w->species = g->atoms.species = p->species;
  w->n_reference = g->pairs.n_reference = t->n_reference;
  w->first_row = g->pairs.first_row = t->first_row;
  w->reference = (const double(*)[DISPERSION_WEIGHTS])t->reference;
  w->c6 = (const double(*)[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS])t->c6;
  w->fixed = (const double(*)[DISPERSION_ROW_C6])t->fixed;
  w->s6 = x->d->s6;
  g->pairs.pair = w->pair;
  g->pairs.weight = (const double(*)[2][DISPERSION_WEIGHTS])w->weight;
  for (int c = 0; c < 3; c++) g->atoms.x[c] = p->x[c];
  g->atoms.radius = p->radius;
  g->atoms.box = (const double(*)[6])p->box;
  g->atom = p->atom;
  g->span = (const double(*)[6])p->span;
  g->energy_unit = HARTREE;
  g->force_unit = HARTREE / BOHR;
}

eqs_status dispersion_device_open(const dispersion *d, const kernel_ops *k, const eqs_systems *in,
                                  arena *host, arena *there, dispersion_device *out) {
  dispersion_species species;
  image t;
  if (!dispersion_fits_device(d))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%s: triples of atoms are summed on the host only", d->name);
  *out = (dispersion_device){.d = d, .k = k};
  dispersion_species_init(&species);
  for (int s = 0; s < in->n_system; s++) EQS_TRY(dispersion_species_of(&species, in, s));
  out->far = dispersion_count_far(&species);
  EQS_TRY(take_slots(out, in, there));
  EQS_TRY(take_sums(out, species.n_row, there));
  EQS_TRY(send(out, &species, in, host, there, &t));
  join(out, &t, species.n);
  return EQS_OK;
}

/* ---- every evaluation */

eqs_status dispersion_device_put(const dispersion_device *x, const eqs_systems *in, arena *host) {
  device *v = x->k->device;
  size_t systems = (size_t)in->n_system;
  gather_system *all;
  int slot = 0, group = 0;
  EQS_TRY(arena_take_zero(host, systems, sizeof *all, &all));
  for (int s = 0; s < in->n_system; s++) {
    gather_system *g = &all[s];
    lattice l;
    EQS_TRY(lattice_frame(in, s, 1 / BOHR, dispersion_reach(x->d), &l));
    g->first = in->first[s];
    g->n = l.n;
    g->first_slot = slot;
    g->first_group = group;
    slot += slots_of(in, s, &g->n_group);
    group += g->n_group;
    g->width = width_of(l.n);
    memcpy(g->pbc, l.pbc, sizeof g->pbc);
    memcpy(g->basis, l.basis, sizeof g->basis);
    memcpy(g->inverse, l.inverse, sizeof g->inverse);
    memcpy(g->spacing, l.spacing, sizeof g->spacing);
  }
  return v->ops->put(v, x->systems, all, systems * sizeof *all);
}

static void over_pairs(gather_args *g, void (*op)(const gather_args *), double cutoff, double far) {
  g->pairs.cutoff2 = cutoff * cutoff;
  g->pairs.far2 = far * far;
  op(g);
}

void dispersion_device_queue(const dispersion_device *x, const double (*position)[3],
                             const int *order, double *energies, double (*forces)[3],
                             double (*virial)[9]) {
  const kernel_ops *k = x->k;
  const dispersion *d = x->d;
  gather_place_args place = x->place;
  gather_args g = x->pairs;
  int virials = forces && virial;
  place.position = position;
  place.order = order;
  g.energies = energies;
  g.forces = forces;
  g.virial = virial;
  k->gather_place(&place);
  over_pairs(&g, k->gather_count, d->cn_cutoff, x->far);
  k->pair_weigh(&x->weigh);
  over_pairs(&g,
             !forces   ? k->gather_energy
             : virials ? k->gather_virial
                       : k->gather_force,
             d->pair_cutoff, DISPERSION_FAR);
  if (forces)
    over_pairs(&g, virials ? k->gather_pull_virial : k->gather_pull_force, d->cn_cutoff, x->far);
}
