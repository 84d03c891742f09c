/* dispersion_local.c -- the kept state of a system, and what a change of atoms does to its energy.
 *
 * With R taken out, G put in, K staying, g' the weights after the change and U_ij the attraction
 * for C6 = 1, summed over images (e(i, j) = -C6_ij U_ij):
 *   dE = sum_K (g' - g) dE/dg + 1/2 sum_KK (g' - g) C6ref (g' - g) (-U)
 *        + E_GK(g') + E_GG - E_RK(g') - E_RR,
 * exactly: taking R from the field of K turns E_RK(g) into E_RK(g'). Left out: second order in
 * changes of CN below CN_LEAST, and the double sum between weights that change little and,
 * if none changes much, between atoms farther apart than CROSS_CUTOFF.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/dispersion_local.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/dispersion_parts.h"
#include "potentials/lattice_sum.h"

enum { FIRST_C6 = DISPERSION_ROW_C6 };
#define CN_LEAST     3e-5
#define CROSS_LEAST  1e-3 /* of a weight, and less where another changes more: */
#define CROSS_SHARE  3e-5 /* of their product */
#define CROSS_CUTOFF 40.0 /* bohr */
#define CROSS_LARGE  0.1  /* of a weight: then without CROSS_CUTOFF */

/* Atoms in groups, with their weights and rows. */
typedef struct atom_set {
  int n, slots, groups;
  double *x[3], *radius;
  int *species;
  double (*box)[6], whole[6]; /* of each group, of all */
  reference_weights *weight;
  double *pair;
  dispersion_atoms atoms;
} atom_set;

struct dispersion_local {
  dispersion d;
  const kernel_ops *k;
  arena kept, rows; /* the state; the rows of its pairs, made again when an element is new */
  dispersion_species species;
  int n_row; /* that `rows` has */
  lattice l;
  atom_set set;                        /* the state's, in the order of its slots */
  int *slot;                           /* [n] of every atom */
  double (*field)[DISPERSION_WEIGHTS]; /* [slots] dE/dg */
  double *count, *count_bar;           /* [slots] CN, dE/dCN */
  double *energies;                    /* [n] eV */
};

/* ---- sums over pairs of two sets */

typedef struct launch {
  void (*op)(const dispersion_args *);
  dispersion_args args;
} launch;

static void run_shifts(void *argument, const lattice_shifts *t) {
  launch *c = argument;
  c->args.n_shift = t->n;
  for (int k = 0; k < 3; k++) c->args.shift[k] = t->x[k];
  c->op(&c->args);
}

/* The sum over images for each slot of the centres' group `i` with each of the partners. */
static void sum_images(const dispersion_local *l, void (*op)(const dispersion_args *),
                       double cutoff, double far, const atom_set *center, int i,
                       const atom_set *partner, double *out) {
  const lattice *base = &l->l;
  int tiles = partner == &l->set ? base->n_tile : 1;
  launch c = {.op = op,
              .args = {.center = &center->atoms,
                       .partner = &partner->atoms,
                       .center_begin = i,
                       .center_end = i + 1,
                       .end = partner->groups,
                       .cutoff2 = cutoff * cutoff,
                       .far2 = far * far,
                       .stride = (size_t)partner->slots,
                       .pair = partner->pair,
                       .first_row = l->species.first_row,
                       .n_reference = l->species.n_reference,
                       .field = out}};
  for (int b = 0; b < tiles; b++) {
    if (partner == &l->set) {
      c.args.begin = b * base->tile;
      c.args.end = lattice_tile_end(base, b);
    }
    const double *box = partner == &l->set ? base->tile_box[b] : partner->whole;
    lattice_translations(base, center->box[i], box, cutoff, run_shifts, &c);
  }
}

static void count_images(const dispersion_local *l, const atom_set *center, int i,
                         const atom_set *partner, double *out) {
  sum_images(l, l->k->field_count, l->d.cn_cutoff, dispersion_count_far(&l->species), center, i,
             partner, out);
}

static void attract_images(const dispersion_local *l, double cutoff, const atom_set *center, int i,
                           const atom_set *partner, double *out) {
  sum_images(l, l->k->field_energy, fmin(cutoff, l->d.pair_cutoff), DISPERSION_FAR, center, i,
             partner, out);
}

/* C6 rows of reference a of a species with every slot. */
static const double *c6_row(const dispersion_local *l, const atom_set *s, int species, int a) {
  return s->pair + (size_t)(l->species.first_row[species] + FIRST_C6 + a) * (size_t)s->slots;
}

/* field_a = -sum over slots of C6(a, slot) u[slot]. */
static void field_of(const dispersion_local *l, const atom_set *s, int species, const double *u,
                     double field[DISPERSION_WEIGHTS]) {
  for (int a = 0; a < DISPERSION_WEIGHTS; a++) field[a] = 0;
  for (int a = 0; a < l->species.n_reference[species]; a++) {
    const double *c6 = c6_row(l, s, species, a);
    double part[4] = {0};
    for (int k = 0; k < s->slots; k += 4) /* groups have four slots or eight */
      for (int q = 0; q < 4; q++) part[q] += c6[k + q] * u[k + q];
    field[a] = -((part[0] + part[1]) + (part[2] + part[3]));
  }
}

static double dot(const double a[DISPERSION_WEIGHTS], const double b[DISPERSION_WEIGHTS]) {
  double sum = 0;
  for (int k = 0; k < DISPERSION_WEIGHTS; k++) sum += a[k] * b[k];
  return sum;
}

/* ---- sets of atoms */

static eqs_status take_set(const dispersion_local *l, int n, arena *a, atom_set *s) {
  int width = l->k->partners;
  *s = (atom_set){.n = n, .groups = n / width + (n % width != 0)};
  s->slots = s->groups * width;
  size_t slots = (size_t)s->slots;
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take(a, slots, sizeof(double), &s->x[c]));
  EQS_TRY(arena_take(a, slots, sizeof *s->radius, &s->radius));
  EQS_TRY(arena_take(a, slots, sizeof *s->species, &s->species));
  EQS_TRY(arena_take(a, (size_t)s->groups, sizeof *s->box, &s->box));
  EQS_TRY(arena_take(a, slots, sizeof *s->weight, &s->weight));
  return arena_take(a, mul_size((size_t)l->species.n_row, slots), sizeof *s->pair, &s->pair);
}

static void put_atom(const dispersion_local *l, atom_set *s, int i, const double x[3],
                     int species) {
  for (int c = 0; c < 3; c++) s->x[c][i] = species < 0 ? LATTICE_NOWHERE : x[c];
  s->species[i] = species;
  s->radius[i] = species < 0 ? 0 : dispersion_radius[l->species.element[species]];
}

/* After all atoms are there: brings them near the first, and bounds the groups. */
static void finish_set(const dispersion_local *l, atom_set *s) {
  int width = l->k->partners;
  double first[3], x[3];
  for (int i = 0; i < s->n; i++) {
    for (int c = 0; c < 3; c++) x[c] = s->x[c][i];
    if (i == 0) {
      lattice_wrap(&l->l, x);
      memcpy(first, x, sizeof first);
    } else {
      lattice_near(&l->l, first, x);
    }
    for (int c = 0; c < 3; c++) s->x[c][i] = x[c];
  }
  for (int i = s->n; i < s->slots; i++) put_atom(l, s, i, NULL, -1);
  for (int g = 0; g < s->groups; g++) {
    const double *const at[3] = {s->x[0] + g * width, s->x[1] + g * width, s->x[2] + g * width};
    int n = s->n - g * width;
    lattice_bound(at, n < width ? n : width, s->box[g]);
  }
  const double *const at[3] = {s->x[0], s->x[1], s->x[2]};
  if (s->n) lattice_bound(at, s->n, s->whole);
  s->atoms = (dispersion_atoms){.x = {s->x[0], s->x[1], s->x[2]},
                                .species = s->species,
                                .radius = s->radius,
                                .box = (const double(*)[6])s->box};
}

static void fill_rows(const dispersion_local *l, atom_set *s, int begin, int end) {
  dispersion_rows(&l->d, &l->species, s->species, (const reference_weights *)s->weight, begin, end,
                  (size_t)s->slots, s->pair);
}

/* 1/2 sum over the set's pairs, itself included, of -C6 U with its weights. */
static eqs_status self_energy(const dispersion_local *l, atom_set *s, double cutoff, arena *a,
                              double *energy) {
  double *u, field[DISPERSION_WEIGHTS];
  size_t n = (size_t)s->slots;
  *energy = 0;
  EQS_TRY(arena_take_zero(a, mul_size(n, n), sizeof *u, &u));
  fill_rows(l, s, 0, s->slots);
  for (int g = 0; g < s->groups; g++)
    attract_images(l, cutoff, s, g, s, u + (size_t)(g * l->k->partners) * n);
  for (int i = 0; i < s->n; i++) {
    field_of(l, s, s->species[i], u + (size_t)i * n, field);
    *energy += dot(s->weight[i][0], field) / 2;
  }
  return EQS_OK;
}

/* ---- the state */

static eqs_status fill_state(void *argument, int block, arena *scratch) {
  dispersion_local *l = argument;
  (void)scratch;
  fill_rows(l, &l->set, block_begin(block, l->set.slots), block_end(block, l->set.slots));
  return EQS_OK;
}

static eqs_status make_rows(dispersion_local *l, workspace *w) {
  size_t rows = mul_size((size_t)l->species.n_row, (size_t)l->set.slots);
  l->n_row = 0;
  arena_reset(&l->rows);
  EQS_TRY(arena_take(&l->rows, rows, sizeof *l->set.pair, &l->set.pair));
  EQS_TRY(workspace_run(w, block_count(l->set.slots), fill_state, l));
  l->n_row = l->species.n_row;
  return EQS_OK;
}

static eqs_status count_group(void *argument, int g, arena *scratch) {
  dispersion_local *l = argument;
  size_t stride = (size_t)l->set.slots;
  int width = l->k->partners;
  double *h;
  EQS_TRY(arena_take_zero(scratch, (size_t)width * stride, sizeof *h, &h));
  count_images(l, &l->set, g, &l->set, h);
  for (int i = 0; i < width; i++) {
    int slot = g * width + i, species = l->set.species[slot];
    l->count[slot] = 0;
    for (size_t k = 0; k < stride; k++) l->count[slot] += h[(size_t)i * stride + k];
    if (species >= 0)
      dispersion_weigh(l->species.element[species], l->count[slot], l->set.weight[slot]);
  }
  return EQS_OK;
}

static eqs_status field_group(void *argument, int g, arena *scratch) {
  dispersion_local *l = argument;
  size_t stride = (size_t)l->set.slots;
  int width = l->k->partners;
  double *u;
  EQS_TRY(arena_take_zero(scratch, (size_t)width * stride, sizeof *u, &u));
  attract_images(l, l->d.pair_cutoff, &l->set, g, &l->set, u);
  for (int i = 0; i < width; i++) {
    int slot = g * width + i, species = l->set.species[slot];
    if (species < 0) continue;
    field_of(l, &l->set, species, u + (size_t)i * stride, l->field[slot]);
    l->energies[l->l.atom[slot]] = HARTREE / 2 * dot(l->set.weight[slot][0], l->field[slot]);
    l->count_bar[slot] = dot(l->set.weight[slot][1], l->field[slot]);
  }
  return EQS_OK;
}

static eqs_status take_state(dispersion_local *l, const eqs_systems *in) {
  double reach = fmax(l->d.pair_cutoff, l->d.cn_cutoff);
  arena *a = &l->kept;
  EQS_TRY(lattice_build(in, 0, 1 / BOHR, reach, l->k->partners, a, &l->l));
  EQS_TRY(take_set(l, l->l.n, a, &l->set));
  for (int i = 0; i < l->set.slots; i++) {
    int atom = l->l.atom[i];
    double x[3] = {l->l.x[0][i], l->l.x[1][i], l->l.x[2][i]};
    put_atom(l, &l->set, i, x, atom < 0 ? -1 : l->species.of[in->number[atom]]);
  }
  l->set.atoms = (dispersion_atoms){.x = {l->l.x[0], l->l.x[1], l->l.x[2]},
                                    .species = l->set.species,
                                    .radius = l->set.radius,
                                    .box = (const double(*)[6])l->l.box};
  l->set.box = l->l.box;
  size_t slots = (size_t)l->set.slots, n = (size_t)l->l.n;
  EQS_TRY(arena_take(a, n, sizeof *l->slot, &l->slot));
  EQS_TRY(arena_take(a, n, sizeof *l->energies, &l->energies));
  EQS_TRY(arena_take(a, slots, sizeof *l->field, &l->field));
  EQS_TRY(arena_take(a, slots, sizeof *l->count, &l->count));
  EQS_TRY(arena_take_zero(a, slots, sizeof *l->count_bar, &l->count_bar));
  for (int i = 0; i < l->l.n; i++) l->slot[l->l.atom[i]] = i;
  return EQS_OK;
}

eqs_status dispersion_local_set(dispersion_local *l, workspace *w, const eqs_systems *in,
                                double *energy) {
  if (in->n_system != 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "local dispersion of one system, not of %d", in->n_system);
  arena_reset(&l->kept);
  l->l.n = l->set.n = l->set.slots = l->set.groups = 0;
  for (int i = 0; i < in->first[1]; i++) {
    eqs_status status = dispersion_species_add(&l->species, in->number[i]);
    if (status != EQS_OK) return status_prefix(status, "atom %d", i + 1), status;
  }
  EQS_TRY(take_state(l, in));
  EQS_TRY(workspace_run(w, l->set.groups, count_group, l));
  EQS_TRY(make_rows(l, w));
  EQS_TRY(workspace_run(w, l->set.groups, field_group, l));
  if (energy) *energy = 0;
  for (int i = 0; energy && i < l->l.n; i++) *energy += l->energies[i];
  return EQS_OK;
}

const double *dispersion_local_energies(const dispersion_local *l) { return l->energies; }

eqs_status dispersion_local_open(const dispersion *d, dispersion_local **out) {
  dispersion_local *l;
  if (d->s9 != 0)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "energies of local changes know no three-body dispersion (%s): use d3bj without -atm",
             d->name);
  EQS_TRY(alloc_array(&l, 1, sizeof *l, "local dispersion"));
  l->d = *d;
  l->k = kernels_host(1);
  dispersion_species_init(&l->species);
  *out = l;
  return EQS_OK;
}

void dispersion_local_free(dispersion_local **l) {
  if (!l || !*l) return;
  arena_free(&(*l)->kept);
  arena_free(&(*l)->rows);
  free(*l);
  *l = NULL;
}

/* ---- a change */

typedef struct trial {
  const dispersion_local *l;
  const eqs_change *change;
  arena *a;
  atom_set out, in;                   /* taken out, put in */
  double *h_out, *h_in;               /* [slots of the set][slots of the state] */
  double *shift;                      /* [slots] change of CN */
  unsigned char *gone;                /* [slots] */
  int n_answer, *answer;              /* slots that stay and whose CN changes noticeably */
  double (*step)[DISPERSION_WEIGHTS]; /* [n_answer] g' - g */
  double energy;                      /* hartree */
} trial;

static eqs_status gather(trial *t) {
  const dispersion_local *l = t->l;
  const eqs_change *c = t->change;
  EQS_TRY(take_set(l, c->n_remove, t->a, &t->out));
  EQS_TRY(take_set(l, c->n_insert, t->a, &t->in));
  EQS_TRY(arena_take_zero(t->a, (size_t)l->set.slots, 1, &t->gone));
  for (int i = 0; i < c->n_remove; i++) {
    int slot = l->slot[c->remove[i]];
    double x[3] = {l->l.x[0][slot], l->l.x[1][slot], l->l.x[2][slot]};
    t->gone[slot] = 1;
    put_atom(l, &t->out, i, x, l->set.species[slot]);
    memcpy(t->out.weight[i], l->set.weight[slot], sizeof t->out.weight[i]);
  }
  for (int i = 0; i < c->n_insert; i++) {
    double x[3];
    for (int k = 0; k < 3; k++) x[k] = c->position[3 * (size_t)i + (size_t)k] / BOHR;
    put_atom(l, &t->in, i, x, l->species.of[c->number[i]]);
  }
  finish_set(l, &t->out);
  finish_set(l, &t->in);
  return EQS_OK;
}

static eqs_status over_state(const trial *t, const atom_set *s, int attract, double **out) {
  const dispersion_local *l = t->l;
  EQS_TRY(
      arena_take_zero(t->a, mul_size((size_t)s->slots, (size_t)l->set.slots), sizeof **out, out));
  for (int g = 0; g < s->groups; g++) {
    double *rows = *out + (size_t)(g * l->k->partners) * (size_t)l->set.slots;
    if (attract) attract_images(l, l->d.pair_cutoff, s, g, &l->set, rows);
    else count_images(l, s, g, &l->set, rows);
  }
  return EQS_OK;
}

/* CN of the atoms put in, and how that of the others changes. */
static eqs_status coordinate(trial *t) {
  const dispersion_local *l = t->l;
  size_t slots = (size_t)l->set.slots, own = (size_t)t->in.slots;
  double *h;
  EQS_TRY(over_state(t, &t->out, 0, &t->h_out));
  EQS_TRY(over_state(t, &t->in, 0, &t->h_in));
  EQS_TRY(arena_take_zero(t->a, slots, sizeof *t->shift, &t->shift));
  for (int i = 0; i < t->out.n; i++)
    for (size_t k = 0; k < slots; k++) t->shift[k] -= t->h_out[(size_t)i * slots + k];
  EQS_TRY(arena_take_zero(t->a, own * own, sizeof *h, &h));
  for (int g = 0; g < t->in.groups; g++)
    count_images(l, &t->in, g, &t->in, h + (size_t)(g * l->k->partners) * own);
  for (int i = 0; i < t->in.n; i++) {
    double cn = 0;
    for (size_t k = 0; k < slots; k++) {
      double part = t->gone[k] ? 0 : t->h_in[(size_t)i * slots + k];
      t->shift[k] += part;
      cn += part;
    }
    for (size_t k = 0; k < own; k++) cn += h[(size_t)i * own + k];
    dispersion_weigh(l->species.element[t->in.species[i]], cn, t->in.weight[i]);
  }
  return EQS_OK;
}

/* The answer of the atoms that stay, to first order in their weights. */
static eqs_status respond(trial *t) {
  const dispersion_local *l = t->l;
  int n = 0;
  for (int k = 0; k < l->set.slots; k++) {
    if (t->gone[k] || l->set.species[k] < 0) t->shift[k] = 0;
    n += fabs(t->shift[k]) > CN_LEAST;
  }
  EQS_TRY(arena_take(t->a, (size_t)n, sizeof *t->answer, &t->answer));
  EQS_TRY(arena_take(t->a, (size_t)n, sizeof *t->step, &t->step));
  for (int k = 0; k < l->set.slots; k++) {
    reference_weights weight;
    if (!(fabs(t->shift[k]) > CN_LEAST)) {
      t->energy += l->count_bar[k] * t->shift[k];
      continue;
    }
    dispersion_weigh(l->species.element[l->set.species[k]], l->count[k] + t->shift[k], weight);
    for (int a = 0; a < DISPERSION_WEIGHTS; a++)
      t->step[t->n_answer][a] = weight[0][a] - l->set.weight[k][0][a];
    t->energy += dot(t->step[t->n_answer], l->field[k]);
    t->answer[t->n_answer++] = k;
  }
  return EQS_OK;
}

/* What the answers of two atoms make together. */
static eqs_status respond_together(trial *t) {
  const dispersion_local *l = t->l;
  atom_set s;
  int n = 0, *strong;
  double energy, *most, largest = 0;
  EQS_TRY(arena_take(t->a, (size_t)t->n_answer, sizeof *strong, &strong));
  EQS_TRY(arena_take(t->a, (size_t)t->n_answer, sizeof *most, &most));
  for (int i = 0; i < t->n_answer; i++) {
    most[i] = 0;
    for (int a = 0; a < DISPERSION_WEIGHTS; a++) most[i] = fmax(most[i], fabs(t->step[i][a]));
    largest = fmax(largest, most[i]);
  }
  for (int i = 0; i < t->n_answer; i++)
    if (most[i] > fmin(CROSS_LEAST, CROSS_SHARE / largest)) strong[n++] = i;
  EQS_TRY(take_set(l, n, t->a, &s));
  for (int i = 0; i < n; i++) {
    int slot = t->answer[strong[i]];
    double x[3] = {l->l.x[0][slot], l->l.x[1][slot], l->l.x[2][slot]};
    put_atom(l, &s, i, x, l->set.species[slot]);
    memset(s.weight[i], 0, sizeof s.weight[i]);
    memcpy(s.weight[i][0], t->step[strong[i]], sizeof s.weight[i][0]);
  }
  finish_set(l, &s);
  EQS_TRY(
      self_energy(l, &s, largest > CROSS_LARGE ? l->d.pair_cutoff : CROSS_CUTOFF, t->a, &energy));
  t->energy += energy;
  return EQS_OK;
}

/* Pairs of a set with the atoms of the state, those that stay with their new weights; `all`: with
 * those taken out as well. */
static eqs_status attract_state(const trial *t, const atom_set *s, int all, double *energy) {
  const dispersion_local *l = t->l;
  size_t slots = (size_t)l->set.slots;
  double *u, field[DISPERSION_WEIGHTS];
  *energy = 0;
  EQS_TRY(over_state(t, s, 1, &u));
  for (int i = 0; i < s->n; i++) {
    double *row = u + (size_t)i * slots;
    int z = l->species.element[s->species[i]], m = l->species.n_reference[s->species[i]];
    for (int k = 0; k < t->out.n && !all; k++) row[l->slot[t->change->remove[k]]] = 0;
    field_of(l, &l->set, s->species[i], row, field);
    for (int k = 0; k < t->n_answer; k++) {
      int slot = t->answer[k], y = l->species.element[l->set.species[slot]];
      for (int a = 0; a < m; a++)
        for (int b = 0; b < l->species.n_reference[l->set.species[slot]]; b++)
          field[a] -= l->d.s6 * dispersion_reference_c6(z, a, y, b) * t->step[k][b] * row[slot];
    }
    *energy += dot(s->weight[i][0], field);
  }
  return EQS_OK;
}

static eqs_status try_change(trial *t) {
  double put = 0, among_put = 0, taken = 0, among_taken = 0, full = t->l->d.pair_cutoff;
  EQS_TRY(gather(t));
  EQS_TRY(coordinate(t));
  EQS_TRY(respond(t));
  EQS_TRY(respond_together(t));
  EQS_TRY(attract_state(t, &t->in, 0, &put));
  EQS_TRY(self_energy(t->l, &t->in, full, t->a, &among_put));
  EQS_TRY(attract_state(t, &t->out, 1, &taken));
  EQS_TRY(self_energy(t->l, &t->out, full, t->a, &among_taken));
  t->energy += put + among_put - (taken - among_taken);
  return EQS_OK;
}

typedef struct trials {
  const dispersion_local *l;
  const eqs_change *changes;
  double *de;
} trials;

static eqs_status run_trial(void *argument, int i, arena *scratch) {
  const trials *all = argument;
  trial t = {.l = all->l, .change = all->changes + i, .a = scratch};
  EQS_TRY(try_change(&t));
  all->de[i] = HARTREE * t.energy;
  return EQS_OK;
}

static eqs_status check_change(dispersion_local *l, int i, const eqs_change *c) {
  if (c->n_remove < 0 || c->n_insert < 0 || (c->n_remove && !c->remove) ||
      (c->n_insert && (!c->number || !c->position)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "change %d: its counts or arrays make no sense", i + 1);
  for (int r = 0; r < c->n_remove; r++) {
    if (c->remove[r] < 0 || c->remove[r] >= l->l.n)
      EQS_FAIL(EQS_ERR_ARGUMENT, "change %d takes out atom %d of %d", i + 1, c->remove[r] + 1,
               l->l.n);
    for (int q = 0; q < r; q++)
      if (c->remove[q] == c->remove[r])
        EQS_FAIL(EQS_ERR_ARGUMENT, "change %d takes out atom %d twice", i + 1, c->remove[r] + 1);
  }
  for (int k = 0; k < c->n_insert; k++) {
    for (int q = 0; q < 3; q++)
      if (!(fabs(c->position[3 * (size_t)k + (size_t)q]) <= 1e6))
        EQS_FAIL(EQS_ERR_ARGUMENT,
                 "change %d: the position of atom %d is not finite, or beyond 1e6 angstrom", i + 1,
                 k + 1);
    eqs_status status = dispersion_species_add(&l->species, c->number[k]);
    if (status != EQS_OK) return status_prefix(status, "change %d", i + 1), status;
  }
  return EQS_OK;
}

eqs_status dispersion_local_try(dispersion_local *l, workspace *w, int n, const eqs_change *changes,
                                double *de) {
  trials all = {.l = l, .changes = changes, .de = de};
  eqs_status status = EQS_OK;
  for (int i = 0; i < n && status == EQS_OK; i++) status = check_change(l, i, changes + i);
  if (status != EQS_OK) return status;
  if (l->species.n_row != l->n_row) EQS_TRY(make_rows(l, w));
  return workspace_run(w, n, run_trial, &all);
}
