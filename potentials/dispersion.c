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
 * Over ranks each pair is taken once, too. A rank's tiles are even or odd; of two ranks the lower
 * takes the pairs with even tiles of the higher, which takes those of its odd tiles. What a pair
 * gives to a copy of another rank's atom is returned behind each pass.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "potentials/dispersion_parts.h"
#include "potentials/dispersion_triple.h"
#include "potentials/lattice_sum.h"

/* Blocks of a system, at most: a round has half as many tasks. */
enum { BLOCKS_SMALL = 64, BLOCKS_LARGE = 128, ATOMS_LARGE = 50000 };
enum { VIRIAL_ROW = 8, ROW = 4 };

typedef struct part {
  lattice l;
  const int *number;     /* [l.n] */
  int group, slot, atom; /* of all, its first */
  int n_block;           /* runs of tiles */
  int first_self;        /* task of a round within blocks; its row of virials */
  int first_pair;        /* task of a round between blocks */
} part;

typedef struct pass {
  const dispersion *d;
  const kernel_ops *k;
  const eqs_systems *in;
  dispersion_species species;
  part *part; /* [n_system], and one more that holds the ends */
  /* One system of which a rank has a share: copies of lower ranks' atoms, of higher ones'. They are
   * centres of pairs, never partners. share NULL: whole systems. */
  const dispersion_share *share;
  part copies[2];
  int n_atom, n_group, n_slot, n_round;          /* with copies */
  int n_partner;                                 /* slots without copies, which come last */
  double *x[3], (*box)[6];                       /* [n_slot], [n_group] */
  int *of_slot;                                  /* species, -1 in a free slot */
  double *radius;                                /* [n_slot] */
  dispersion_atoms atoms;                        /* all of these */
  reference_weights *weight;                     /* [n_slot] */
  double *pair;                                  /* [rows][n_partner] */
  double *rows;                                  /* [n_atom][ROW] on their way to other ranks */
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

static dispersion_args args_of(const pass *p, int row) {
  dispersion_args a = {.center = &p->atoms,
                       .partner = &p->atoms,
                       .cutoff2 = p->cutoff * p->cutoff,
                       .far2 = p->far * p->far,
                       .stride = (size_t)p->n_partner,
                       .pair = p->pair,
                       .first_row = p->species.first_row,
                       .n_reference = p->species.n_reference,
                       .weight = (const double(*)[2][DISPERSION_WEIGHTS])p->weight,
                       .count = p->count,
                       .energy = p->energy};
  if (!p->force[0]) return a;
  a.count_bar = p->count_bar;
  for (int c = 0; c < 3; c++) a.force[c] = p->force[c];
  a.virial = p->virial[row];
  return a;
}

/* Blocks of two parts, or of one; odd: of the partners' tiles those alone. */
typedef struct meeting {
  const part *center, *partner;
  int i, j, odd;
} meeting;

/* All pairs between the tiles of two blocks, or within one. */
static void between_blocks(const pass *p, const meeting *m, int row) {
  launch c = {.p = p, .args = args_of(p, row)};
  const lattice *l = &m->center->l, *to = &m->partner->l;
  int itself = m->center == m->partner && m->i == m->j;
  int begin = to->n_tile * m->j / m->partner->n_block;
  int end = to->n_tile * (m->j + 1) / m->partner->n_block;
  int last = l->n_tile * (m->i + 1) / m->center->n_block;
  for (int a = l->n_tile * m->i / m->center->n_block; a < last; a++)
    for (int b = itself ? a : begin; b < end; b++) {
      if (m->odd && b % 2 == 0) continue;
      c.args.center_begin = m->center->group + a * l->tile;
      c.args.center_end = m->center->group + lattice_tile_end(l, a);
      c.args.begin = m->partner->group + b * to->tile;
      c.args.end = m->partner->group + lattice_tile_end(to, b);
      c.args.half = itself && a == b;
      lattice_translations(l, l->tile_box[a], to->tile_box[b], p->cutoff, run_shifts, &c);
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
  meeting m = {.center = s, .partner = s, .i = task - s->first_self, .j = task - s->first_self};
  if (p->round < 0) {
    between_blocks(p, &m, task);
    return EQS_OK;
  }
  int k = task - s->first_pair, last = s->n_block + s->n_block % 2 - 1;
  if (p->round >= last) return EQS_OK;
  int i = k ? (p->round + k) % last : last, j = k ? (p->round - k + last) % last : p->round;
  m.i = i < j ? i : j;
  m.j = i < j ? j : i;
  if (m.j < s->n_block) between_blocks(p, &m, s->first_self + m.i);
  return EQS_OK;
}

/* Rounds in which every own block meets every block of copies. */
static int copy_rounds(const pass *p) {
  int a = p->copies[0].n_block, b = p->copies[1].n_block, most = a > b ? a : b;
  return most && p->part->n_block > most ? p->part->n_block : most;
}

static eqs_status meet_copies(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  int rounds = copy_rounds(p);
  (void)scratch;
  if (rounds == 0 || p->part->n_block == 0) return EQS_OK;
  int i = (block + p->round) % rounds;
  for (int high = 0; high < 2; high++) {
    meeting m = {.center = p->copies + high, .partner = p->part, .i = i, .j = block, .odd = !high};
    if (i < m.center->n_block) between_blocks(p, &m, block);
  }
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
  int rounds = copy_rounds(p);
  for (p->round = 0; p->round < rounds; p->round++)
    EQS_TRY(workspace_run(w, p->part->n_block, meet_copies, p));
  return EQS_OK;
}

/* ---- around the passes */

static eqs_status group_atoms(pass *p, const eqs_systems *in, int system, arena *a, part *t) {
  EQS_TRY(dispersion_species_of(&p->species, in, system));
  EQS_TRY(lattice_build(in, system, 1 / BOHR, dispersion_reach(p->d), p->k->partners, a, &t->l));
  int most = t->l.n > ATOMS_LARGE ? BLOCKS_LARGE : BLOCKS_SMALL;
  t->n_block = t->l.n_tile < most ? t->l.n_tile : most;
  t->number = in->number + in->first[system];
  t->group = p->n_group;
  t->slot = p->n_slot;
  t->atom = p->n_atom;
  p->n_group += t->l.n_group;
  p->n_slot += t->l.n_group * t->l.width;
  p->n_atom += t->l.n;
  return EQS_OK;
}

static eqs_status group_systems(pass *p, arena *a) {
  const eqs_systems *in = p->in;
  int self = 0, between = 0;
  EQS_TRY(arena_take_zero(a, (size_t)in->n_system + 1, sizeof *p->part, &p->part));
  for (int s = 0; s < in->n_system; s++) {
    part *t = p->part + s;
    EQS_TRY(group_atoms(p, in, s, a, t));
    t->first_self = self;
    t->first_pair = between;
    self += t->n_block;
    between += (t->n_block + 1) / 2;
    int rounds = t->n_block + t->n_block % 2 - 1;
    if (t->n_block > 1 && rounds > p->n_round) p->n_round = rounds;
  }
  p->n_partner = p->n_slot;
  p->part[in->n_system] = (part){.slot = p->n_slot, .first_self = self, .first_pair = between};
  return EQS_OK;
}

/* The batch that one system's atoms are, in its cell. */
static eqs_systems alone(const pass *p, const int first[2], const int *number,
                         const double (*position)[3]) {
  return (eqs_systems){.size = sizeof(eqs_systems),
                       .n_system = 1,
                       .first = first,
                       .number = number,
                       .position = position[0],
                       .cell = p->in->cell,
                       .pbc = p->in->pbc};
}

static eqs_status group_copies(pass *p, arena *a) {
  const lattice *l = &p->part->l;
  dispersion_copies there;
  unsigned char *odd;
  EQS_TRY(arena_take(a, (size_t)l->n, 1, &odd));
  for (int i = 0; i < l->n; i++) odd[l->atom[i]] = (i / (l->tile * l->width)) & 1;
  EQS_TRY(
      p->share->find(p->share->user, DISPERSION_PAIRS, BOHR * dispersion_reach(p->d), odd, &there));
  for (int high = 0; high < 2; high++) {
    int at = high ? there.n_low : 0;
    const int first[2] = {0, high ? there.n - there.n_low : there.n_low};
    const eqs_systems in = alone(p, first, there.number + at, there.position + at);
    EQS_TRY(group_atoms(p, &in, 0, a, p->copies + high));
  }
  return EQS_OK;
}

static eqs_status take_arrays(pass *p, int forces, arena *a) {
  size_t n = (size_t)p->n_slot, blocks = (size_t)p->part[p->in->n_system].first_self;
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take(a, n, sizeof(double), &p->x[c]));
  EQS_TRY(arena_take(a, (size_t)p->n_group, sizeof *p->box, &p->box));
  EQS_TRY(arena_take(a, n, sizeof *p->of_slot, &p->of_slot));
  EQS_TRY(arena_take(a, n, sizeof *p->radius, &p->radius));
  EQS_TRY(arena_take(a, n, sizeof *p->weight, &p->weight));
  EQS_TRY(arena_take(a, mul_size((size_t)p->species.n_row, (size_t)p->n_partner), sizeof *p->pair,
                     &p->pair));
  EQS_TRY(arena_take_zero(a, n, sizeof *p->count, &p->count));
  EQS_TRY(arena_take_zero(a, n, sizeof *p->energy, &p->energy));
  if (p->share) EQS_TRY(arena_take(a, mul_size((size_t)p->n_atom, ROW), sizeof *p->rows, &p->rows));
  if (!forces) return EQS_OK;
  EQS_TRY(arena_take_zero(a, n, sizeof *p->count_bar, &p->count_bar));
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take_zero(a, n, sizeof(double), &p->force[c]));
  return arena_take_zero(a, blocks, sizeof *p->virial, &p->virial);
}

static void fill_slots(pass *p, const part *t) {
  const lattice *l = &t->l;
  for (int i = 0; i < l->n_group * l->width; i++) {
    int slot = t->slot + i, z = l->atom[i] < 0 ? 0 : t->number[l->atom[i]];
    p->of_slot[slot] = z ? p->species.of[z] : -1;
    p->radius[slot] = dispersion_radius[z];
    for (int c = 0; c < 3; c++) p->x[c][slot] = l->x[c][i];
  }
  for (int g = 0; g < l->n_group; g++) memcpy(p->box[t->group + g], l->box[g], sizeof *p->box);
}

static void fill_all(pass *p) {
  for (int s = 0; s < p->in->n_system; s++) fill_slots(p, p->part + s);
  for (int s = 0; s < 2 && p->share; s++) fill_slots(p, p->copies + s);
  p->atoms = (dispersion_atoms){.x = {p->x[0], p->x[1], p->x[2]},
                                .species = p->of_slot,
                                .radius = p->radius,
                                .box = (const double(*)[6])p->box};
}

/* ---- between ranks */

/* One part's values in slots, `width` of each, to its atoms' rows or back. */
static void move_rows(const pass *p, const part *t, double *const *x, int width, int back) {
  for (int i = 0; i < t->l.n; i++) {
    double *row = p->rows + (size_t)width * (size_t)(t->atom + t->l.atom[i]);
    for (int c = 0; c < width; c++)
      if (back) x[c][t->slot + i] = row[c];
      else row[c] = x[c][t->slot + i];
  }
}

/* x[width][n_slot]: copies' values become their atoms', or (reverse) are added to those. */
static eqs_status exchange(const pass *p, double *const *x, int width, int reverse) {
  const part *of[3] = {p->part, p->copies, p->copies + 1};
  if (!p->share) return EQS_OK;
  for (int k = 0; k < 3; k++) move_rows(p, of[k], x, width, 0);
  EQS_TRY(p->share->exchange(p->share->user, DISPERSION_PAIRS, p->rows, width, reverse));
  for (int k = !reverse; k < (reverse ? 1 : 3); k++) move_rows(p, of[k], x, width, 1);
  return EQS_OK;
}

/* A sum over pairs is completed where its atom is, and told to the copies. */
static eqs_status complete(const pass *p, double *x) {
  EQS_TRY(exchange(p, &x, 1, 1));
  return exchange(p, &x, 1, 0);
}

/* ---- around the passes */

static eqs_status weigh(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  int begin = block_begin(block, p->n_slot), end = block_end(block, p->n_slot);
  (void)scratch;
  for (int i = begin; i < end; i++)
    if (p->of_slot[i] >= 0)
      dispersion_weigh(p->species.element[p->of_slot[i]], p->count[i], p->weight[i]);
  if (end > p->n_partner) end = p->n_partner;
  dispersion_rows(p->d, &p->species, p->of_slot, (const reference_weights *)p->weight, begin, end,
                  (size_t)p->n_partner, p->pair);
  return EQS_OK;
}

static eqs_status add_shared_triples(pass *p, workspace *w) {
  const part *own = p->part;
  size_t n = (size_t)own->l.n;
  dispersion_triple_share t = {.d = p->d,
                               .k = p->k,
                               .species = &p->species,
                               .in = p->in,
                               .share = p->share,
                               .forces = p->force[0] != NULL};
  double *to[DISPERSION_TRIPLE_SUMS] = {p->energy, p->count_bar, p->force[0], p->force[1],
                                        p->force[2]};
  if (own->n_block && t.forces) t.virial = p->virial[0];
  EQS_TRY(arena_take(&w->shared, n, sizeof *t.count, &t.count));
  EQS_TRY(arena_take_zero(&w->shared, n, sizeof *t.sum, &t.sum));
  for (int i = 0; i < own->l.n; i++) t.count[own->l.atom[i]] = p->count[own->slot + i];
  EQS_TRY(dispersion_triples_share(&t, w));
  for (int i = 0; i < own->l.n; i++)
    for (int c = 0; c < DISPERSION_TRIPLE_SUMS && to[c]; c++)
      to[c][own->slot + i] += t.sum[own->l.atom[i]][c];
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
                            .n_center = t->l.n,
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

static eqs_status run(pass *p, workspace *w, double *energies, double *forces, double *virial) {
  const dispersion *d = p->d;
  const kernel_ops *k = p->k;
  dispersion_species_init(&p->species);
  EQS_TRY(group_systems(p, &w->shared));
  if (p->share) EQS_TRY(group_copies(p, &w->shared));
  EQS_TRY(take_arrays(p, forces != NULL, &w->shared));
  fill_all(p);
  double far = dispersion_count_far(&p->species);
  double *result[ROW] = {p->energy, p->force[0], p->force[1], p->force[2]};
  EQS_TRY(over_pairs(p, w, k->pair_count, d->cn_cutoff, far));
  EQS_TRY(complete(p, p->count));
  EQS_TRY(workspace_run(w, block_count(p->n_slot), weigh, p));
  EQS_TRY(over_pairs(p, w,
                     !forces  ? k->pair_energy
                     : virial ? k->pair_virial
                              : k->pair_force,
                     d->pair_cutoff, DISPERSION_FAR));
  if (d->s9 != 0) EQS_TRY(p->share ? add_shared_triples(p, w) : add_triples(p, virial != NULL, w));
  if (forces) {
    EQS_TRY(complete(p, p->count_bar));
    EQS_TRY(over_pairs(p, w, virial ? k->pull_virial : k->pull_force, d->cn_cutoff, far));
  }
  EQS_TRY(exchange(p, result, forces ? ROW : 1, 1));
  add_results(p, energies, forces, virial);
  return EQS_OK;
}

eqs_status dispersion_evaluate(const dispersion *d, workspace *w, const eqs_systems *in,
                               double *energies, double *forces, double *virial) {
  pass p = {.d = d, .k = kernels_host(1), .in = in};
  return run(&p, w, energies, forces, virial);
}

eqs_status dispersion_evaluate_share(const dispersion *d, workspace *w, const eqs_systems *in,
                                     const dispersion_share *share, double *energies,
                                     double *forces, double *virial) {
  pass p = {.d = d, .k = kernels_host(1), .in = in, .share = share};
  if (in->n_system != 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a share of the atoms of %d systems", in->n_system);
  return run(&p, w, energies, forces, virial);
}

eqs_status dispersion_check(const dispersion *d, const eqs_systems *in) {
  dispersion_species species;
  lattice frame;
  dispersion_species_init(&species);
  for (int s = 0; s < in->n_system; s++) {
    EQS_TRY(dispersion_species_of(&species, in, s));
    EQS_TRY(lattice_frame(in, s, 1 / BOHR, dispersion_reach(d), &frame));
  }
  return EQS_OK;
}
