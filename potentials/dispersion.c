/* dispersion.c -- D3(BJ) energies, forces and virials as sums over all images.
 *
 *   E = -1/2 sum_ij C6_ij (s6 / (r^6 + f^6) + s8 3 Q_i Q_j / (r^8 + f^8)),
 *   f = a1 sqrt(3 Q_i Q_j) + a2,  C6_ij = sum_ab g_ia g_jb C6ref_ab,
 *   g_ia ~ exp(-4 (CN_i - CNref_a)^2), normalised,
 *   CN_i = sum_j 1 / (1 + exp(-16 (R_ij / r - 1))).
 * Three passes over pairs, each pair once: CN; energy, forces and dE/dCN (then triples, which have
 * their own file, if they are wanted); the gradient of CN. A
 * pair writes to both of its atoms, so work is given out in rounds: no block of atoms occurs twice
 * in a round, and a round ends before the next begins. Atomic units inside.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "potentials/dispersion_parts.h"
#include "potentials/dispersion_triple.h"
#include "potentials/lattice_sum.h"

/* Blocks of a system, at most: a round has half as many tasks. */
enum { BLOCKS_SMALL = 64, BLOCKS_LARGE = 128, ATOMS_LARGE = 50000 };
enum { VIRIAL_ROW = 8 };

typedef struct part {
  lattice l;
  dispersion_atoms atoms;
  int slot;       /* of all, its first */
  int n_block;    /* runs of tiles */
  int first_self; /* task of a round within blocks; its row of virials */
  int first_pair; /* task of a round between blocks */
} part;

typedef struct pass {
  const dispersion *d;
  const kernel_ops *k;
  const eqs_systems *in;
  dispersion_species species;
  part *part; /* [n_system], and one more that holds the ends */
  int n_slot, n_round;
  int *of_slot;                                  /* species, -1 in a free slot */
  double *radius;                                /* [n_slot] */
  reference_weights *weight;                     /* [n_slot] */
  double *pair;                                  /* [rows][n_slot] */
  double *count, *count_bar, *energy, *force[3]; /* [n_slot]; force NULL = not wanted */
  double (*virial)[VIRIAL_ROW];                  /* [first_self of the end] or NULL */
  /* the pass in hand */
  void (*op)(const dispersion_args *);
  double cutoff, far;
  int round; /* -1: within blocks */
} pass;

/* ---- rounds */

typedef struct launch {
  const pass *p;
  dispersion_args args;
} launch;

static void run_shifts(void *argument, const lattice_shifts *t) {
  launch *l = argument;
  l->args.n_shift = t->n;
  for (int c = 0; c < 3; c++) l->args.shift[c] = t->x[c];
  l->p->op(&l->args);
}

static dispersion_args args_of(const pass *p, const part *s, int row) {
  dispersion_args a = {.center = &s->atoms,
                       .partner = &s->atoms,
                       .cutoff2 = p->cutoff * p->cutoff,
                       .far2 = p->far * p->far,
                       .stride = (size_t)p->n_slot,
                       .pair = p->pair + s->slot,
                       .first_row = p->species.first_row,
                       .n_reference = p->species.n_reference,
                       .weight = (const double(*)[2][DISPERSION_WEIGHTS])(p->weight + s->slot),
                       .count = p->count + s->slot,
                       .energy = p->energy + s->slot};
  if (!p->force[0]) return a;
  a.count_bar = p->count_bar + s->slot;
  for (int c = 0; c < 3; c++) a.force[c] = p->force[c] + s->slot;
  a.virial = p->virial[row];
  return a;
}

/* All pairs between the tiles of two blocks, or within one. */
static void between_blocks(const pass *p, const part *s, int i, int j) {
  launch c = {.p = p, .args = args_of(p, s, s->first_self + i)};
  const lattice *l = &s->l;
  int n = l->n_tile, begin = n * j / s->n_block, end = n * (j + 1) / s->n_block;
  for (int a = n * i / s->n_block; a < n * (i + 1) / s->n_block; a++)
    for (int b = i == j ? a : begin; b < end; b++) {
      c.args.center_begin = a * l->tile;
      c.args.center_end = lattice_tile_end(l, a);
      c.args.begin = b * l->tile;
      c.args.end = lattice_tile_end(l, b);
      c.args.half = a == b;
      lattice_translations(l, l->tile_box[a], l->tile_box[b], p->cutoff, run_shifts, &c);
    }
}

/* The part whose tasks of this kind of round hold the task. */
static const part *part_of(const pass *p, int task) {
  int low = 0, high = p->in->n_system;
  while (high - low > 1) {
    int middle = low + (high - low) / 2;
    const part *s = p->part + middle;
    if ((p->round < 0 ? s->first_self : s->first_pair) <= task) low = middle;
    else high = middle;
  }
  return p->part + low;
}

/* A tournament: with an even number m of blocks (one may be missing), round r pairs m-1 with r, and
 * r + k with r - k modulo m-1. */
static eqs_status play(void *argument, int task, arena *scratch) {
  const pass *p = argument;
  const part *s = part_of(p, task);
  (void)scratch;
  if (p->round < 0) {
    between_blocks(p, s, task - s->first_self, task - s->first_self);
    return EQS_OK;
  }
  int k = task - s->first_pair, last = s->n_block + s->n_block % 2 - 1;
  if (p->round >= last) return EQS_OK;
  int i = k ? (p->round + k) % last : last, j = k ? (p->round - k + last) % last : p->round;
  if (i < s->n_block && j < s->n_block) between_blocks(p, s, i < j ? i : j, i < j ? j : i);
  return EQS_OK;
}

static eqs_status over_pairs(pass *p, workspace *w, void (*op)(const dispersion_args *),
                             double cutoff, double far) {
  const part *end = p->part + p->in->n_system;
  p->op = op;
  p->cutoff = cutoff;
  p->far = far;
  for (p->round = -1; p->round < p->n_round; p->round++)
    EQS_TRY(workspace_run(w, p->round < 0 ? end->first_self : end->first_pair, play, p));
  return EQS_OK;
}

/* ---- around the passes */

static eqs_status group_systems(pass *p, arena *a) {
  const eqs_systems *in = p->in;
  int self = 0, between = 0;
  EQS_TRY(arena_take_zero(a, (size_t)in->n_system + 1, sizeof *p->part, &p->part));
  for (int s = 0; s < in->n_system; s++) {
    part *t = p->part + s;
    EQS_TRY(dispersion_species_of(&p->species, in, s));
    EQS_TRY(lattice_build(in, s, 1 / BOHR, dispersion_reach(p->d), p->k->partners, a, &t->l));
    int most = t->l.n > ATOMS_LARGE ? BLOCKS_LARGE : BLOCKS_SMALL;
    t->n_block = t->l.n_tile < most ? t->l.n_tile : most;
    t->slot = p->n_slot;
    t->first_self = self;
    t->first_pair = between;
    p->n_slot += t->l.n_group * t->l.width;
    self += t->n_block;
    between += (t->n_block + 1) / 2;
    int rounds = t->n_block + t->n_block % 2 - 1;
    if (t->n_block > 1 && rounds > p->n_round) p->n_round = rounds;
  }
  p->part[in->n_system] = (part){.slot = p->n_slot, .first_self = self, .first_pair = between};
  return EQS_OK;
}

static eqs_status take_arrays(pass *p, int forces, arena *a) {
  size_t n = (size_t)p->n_slot, blocks = (size_t)p->part[p->in->n_system].first_self;
  EQS_TRY(arena_take(a, n, sizeof *p->of_slot, &p->of_slot));
  EQS_TRY(arena_take(a, n, sizeof *p->radius, &p->radius));
  EQS_TRY(arena_take(a, n, sizeof *p->weight, &p->weight));
  EQS_TRY(arena_take(a, mul_size((size_t)p->species.n_row, n), sizeof *p->pair, &p->pair));
  EQS_TRY(arena_take_zero(a, n, sizeof *p->count, &p->count));
  EQS_TRY(arena_take_zero(a, n, sizeof *p->energy, &p->energy));
  if (!forces) return EQS_OK;
  EQS_TRY(arena_take_zero(a, n, sizeof *p->count_bar, &p->count_bar));
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take_zero(a, n, sizeof(double), &p->force[c]));
  return arena_take_zero(a, blocks, sizeof *p->virial, &p->virial);
}

static void name_slots(pass *p) {
  for (int s = 0; s < p->in->n_system; s++) {
    part *t = p->part + s;
    const int *number = p->in->number + p->in->first[s];
    for (int i = 0; i < t->l.n_group * t->l.width; i++) {
      int atom = t->l.atom[i], z = atom < 0 ? 0 : number[atom];
      p->of_slot[t->slot + i] = z ? p->species.of[z] : -1;
      p->radius[t->slot + i] = dispersion_radius[z];
    }
    t->atoms = (dispersion_atoms){.x = {t->l.x[0], t->l.x[1], t->l.x[2]},
                                  .species = p->of_slot + t->slot,
                                  .radius = p->radius + t->slot,
                                  .box = (const double(*)[6])t->l.box};
  }
}

static eqs_status weigh(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  int begin = block_begin(block, p->n_slot), end = block_end(block, p->n_slot);
  (void)scratch;
  for (int i = begin; i < end; i++)
    if (p->of_slot[i] >= 0)
      dispersion_weigh(p->species.element[p->of_slot[i]], p->count[i], p->weight[i]);
  dispersion_rows(p->d, &p->species, p->of_slot, (const reference_weights *)p->weight, begin, end,
                  (size_t)p->n_slot, p->pair);
  return EQS_OK;
}

/* Their virials join the first row of their system. */
static eqs_status add_triples(pass *p, int virial, workspace *w) {
  for (int s = 0; s < p->in->n_system; s++) {
    const part *t = p->part + s;
    if (t->l.n == 0) continue;
    dispersion_triples a = {.d = p->d,
                            .species = &p->species,
                            .l = &t->l,
                            .of_slot = p->of_slot + t->slot,
                            .weight = (const reference_weights *)(p->weight + t->slot),
                            .energy = p->energy + t->slot};
    if (p->force[0]) {
      a.count_bar = p->count_bar + t->slot;
      for (int c = 0; c < 3; c++) a.force[c] = p->force[c] + t->slot;
    }
    if (virial) a.virial = p->virial[t->first_self];
    eqs_status status = dispersion_triples_add(&a, w);
    if (status != EQS_OK) return status_prefix(status, "system %d", s + 1), status;
  }
  return EQS_OK;
}

static void add_results(const pass *p, double *energies, double *forces, double *virial) {
  static const int voigt[9] = {0, 5, 4, 5, 1, 3, 4, 3, 2};
  for (int s = 0; s < p->in->n_system; s++) {
    const part *t = p->part + s;
    for (int i = 0; i < t->l.n; i++) {
      int slot = t->slot + i, atom = p->in->first[s] + t->l.atom[i];
      energies[atom] += HARTREE * p->energy[slot];
      for (int c = 0; c < 3 && forces; c++)
        forces[3 * atom + c] += HARTREE / BOHR * p->force[c][slot];
    }
    for (int b = t->first_self; virial && b < t[1].first_self; b++)
      for (int c = 0; c < 9; c++) virial[9 * s + c] += HARTREE * p->virial[b][voigt[c]];
  }
}

eqs_status dispersion_evaluate(const dispersion *d, workspace *w, const eqs_systems *in,
                               double *energies, double *forces, double *virial) {
  pass p = {.d = d, .k = kernels_host(1), .in = in};
  const kernel_ops *k = p.k;
  dispersion_species_init(&p.species);
  EQS_TRY(group_systems(&p, &w->shared));
  EQS_TRY(take_arrays(&p, forces != NULL, &w->shared));
  name_slots(&p);
  double far = dispersion_count_far(&p.species);
  EQS_TRY(over_pairs(&p, w, k->pair_count, d->cn_cutoff, far));
  EQS_TRY(workspace_run(w, block_count(p.n_slot), weigh, &p));
  EQS_TRY(over_pairs(&p, w,
                     !forces  ? k->pair_energy
                     : virial ? k->pair_virial
                              : k->pair_force,
                     d->pair_cutoff, DISPERSION_FAR));
  if (d->s9 != 0) EQS_TRY(add_triples(&p, virial != NULL, w));
  if (forces)
    EQS_TRY(over_pairs(&p, w, virial ? k->pull_virial : k->pull_force, d->cn_cutoff, far));
  add_results(&p, energies, forces, virial);
  return EQS_OK;
}
