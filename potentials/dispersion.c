/* dispersion.c -- D3(BJ) energies, forces and virials as sums over all images.
 *
 *   E = -1/2 sum_ij C6_ij (s6 / (r^6 + f^6) + s8 3 Q_i Q_j / (r^8 + f^8)),
 *   f = a1 sqrt(3 Q_i Q_j) + a2,  C6_ij = sum_ab g_ia g_jb C6ref_ab,
 *   g_ia ~ exp(-4 (CN_i - CNref_a)^2), normalised,
 *   CN_i = sum_j 1 / (1 + exp(-16 (R_ij / r - 1))).
 * Three passes, each gathering at its own atom: CN and g; pairs, with dE/dCN; the gradient of CN.
 * Atomic units inside.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/dispersion.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "potentials/dispersion_table.h"
#include "potentials/lattice_sum.h"

#define BOHR    0.529177210903  /* angstrom, CODATA 2018 */
#define HARTREE 27.211386245988 /* eV, CODATA 2018 */
enum { REFERENCES = DISPERSION_REFERENCES };

/* ---- functionals */

/* The parameters' sources: the table of D3(BJ), J. Comput. Chem. 32, 1456 (2011) and the list kept
 * with the D3 program (as in torch-dftd); SCAN: Phys. Rev. B 94, 115144 (2016); r2SCAN: J. Chem.
 * Phys. 154, 061101 (2021). s6 = 1. */
static const struct {
  const char *name;
  double a1, s8, a2;
} functionals[] = {
    {"pbe", 0.4289, 0.7875, 4.4407},
    {"revpbe", 0.5238, 2.3550, 3.5016},
    {"rpbe", 0.1820, 0.8318, 4.0094},
    {"pbesol", 0.4466, 2.9491, 6.1742},
    {"blyp", 0.4298, 2.6996, 4.2359},
    {"bp86", 0.3946, 3.2822, 4.8516},
    {"tpss", 0.4535, 1.9435, 4.4752},
    {"scan", 0.538, 0, 5.420},
    {"r2scan", 0.49484001, 0.78981345, 5.73083694},
    {"b3lyp", 0.3981, 1.9889, 4.4211},
    {"pbe0", 0.4145, 1.2177, 4.8593},
    {"hse06", 0.383, 2.310, 5.685},
};
enum { FUNCTIONALS = sizeof functionals / sizeof *functionals };

/* Lower case letters and digits up to a "+U": "PBE+U" is "pbe", "B3-LYP" is "b3lyp". */
static void plain_name(const char *from, char out[DISPERSION_NAME]) {
  size_t n = 0;
  for (; *from && *from != '+' && n + 1 < DISPERSION_NAME; from++)
    if (isalnum((unsigned char)*from)) out[n++] = (char)tolower((unsigned char)*from);
  out[n] = 0;
}

static int has_dispersion(const char *functional) {
  static const char *const marks[] = {"D2", "D3", "D4", "VV10", "MBD", "rVV", "vdW"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (strstr(functional, marks[i])) return 1;
  return 0;
}

static eqs_status find_functional(const char *given, dispersion *out) {
  char name[DISPERSION_NAME], known[256] = "";
  plain_name(given, name);
  for (int i = 0; i < FUNCTIONALS; i++) {
    size_t end = strlen(known);
    snprintf(known + end, sizeof known - end, "%s%s", i ? ", " : "", functionals[i].name);
    if (strcmp(name, functionals[i].name) != 0) continue;
    *out = (dispersion){.s6 = 1,
                        .s8 = functionals[i].s8,
                        .a1 = functionals[i].a1,
                        .a2 = functionals[i].a2,
                        .pair_cutoff = sqrt(9000.0),
                        .cn_cutoff = 40};
    snprintf(out->name, sizeof out->name, "d3bj:%s", functionals[i].name);
    return EQS_OK;
  }
  EQS_FAIL(EQS_ERR_ARGUMENT, "no D3(BJ) parameters for the functional '%.40s'; there are: %s",
           given, known);
}

eqs_status dispersion_parse(const char *text, const char *functional, dispersion *out) {
  if (strncmp(text, "d3bj", 4) != 0 || (text[4] && text[4] != ':'))
    EQS_FAIL(EQS_ERR_ARGUMENT, "dispersion is none, d3bj or d3bj:FUNCTIONAL, not '%.60s'", text);
  if (functional && has_dispersion(functional))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "the model's labels (%.60s) hold dispersion already: do not add it again", functional);
  if (text[4]) return find_functional(text + 5, out);
  if (!functional)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "the functional of the model's labels is not known: name it, as in d3bj:pbe");
  return find_functional(functional, out);
}

/* ---- one evaluation; slots are the atoms of the batch in the order of the bins */

typedef struct pass {
  const dispersion *d;
  const lattice_bins *bins; /* [n_system] */
  const int *first;         /* [n_system + 1] */
  int n, n_species;
  int element[DISPERSION_Z_MAX + 1]; /* atomic number of each species present */
  int *system, *species;             /* [n] */
  double *cn, *cn_bar;               /* [n]; cn_bar = dE/dCN */
  double (*g)[REFERENCES];           /* [n] */
  double (*slope)[REFERENCES];       /* [n] dg/dCN */
  double *energy;                    /* [n] hartree */
  double (*force)[3];                /* [n] or NULL */
  double (*virial)[6];               /* [n]: xx yy zz yz xz xy */
} pass;

/* The atom in hand. */
typedef struct center {
  const pass *p;
  int first; /* slot of the system's first atom */
  int species;
  double cutoff2, cn, cn_bar, energy, force[3], virial[6];
  /* C6 against every species and reference, and its derivative: sum over the atom's own. */
  double (*c6)[REFERENCES], (*d_c6)[REFERENCES];
} center;

static center center_of(const pass *p, int slot, double cutoff) {
  return (center){.p = p,
                  .first = p->first[p->system[slot]],
                  .species = p->species[slot],
                  .cutoff2 = cutoff * cutoff,
                  .cn_bar = p->cn_bar ? p->cn_bar[slot] : 0};
}

static void walk_around(const pass *p, int slot, double cutoff, lattice_visit *visit, center *c) {
  const lattice_bins *b = p->bins + p->system[slot];
  lattice_walk(b, slot - c->first, cutoff, visit, c);
}

static void count_neighbors(void *argument, const lattice_chunk *chunk) {
  center *c = argument;
  const pass *p = c->p;
  const lattice_bins *b = p->bins + p->system[c->first];
  double own = dispersion_radius[p->element[c->species]];
  for (int j = chunk->begin; j < chunk->end; j++) {
    double radius = own + dispersion_radius[p->element[p->species[c->first + j]]];
    for (int k = 0; k < chunk->n; k++) {
      double x = b->x[0][j] + chunk->shift[0][k], y = b->x[1][j] + chunk->shift[1][k],
             z = b->x[2][j] + chunk->shift[2][k], r2 = x * x + y * y + z * z;
      if (r2 < c->cutoff2 && r2 > 0) c->cn += 1 / (1 + exp(-16 * (radius / sqrt(r2) - 1)));
    }
  }
}

/* Relative to the nearest reference, so that nothing underflows far from all of them. */
static void weigh_references(int z, double cn, double g[REFERENCES], double slope[REFERENCES]) {
  int first = dispersion_first[z], n = dispersion_first[z + 1] - first;
  double least = INFINITY, sum = 0, mean = 0, off[REFERENCES];
  for (int a = 0; a < n; a++) {
    off[a] = cn - 1e-4 * dispersion_cn[first + a];
    least = fmin(least, off[a] * off[a]);
  }
  for (int a = 0; a < REFERENCES; a++) g[a] = a < n ? exp(-4 * (off[a] * off[a] - least)) : 0;
  for (int a = 0; a < n; a++) sum += g[a];
  for (int a = 0; a < n; a++) {
    g[a] /= sum;
    mean += g[a] * off[a];
  }
  for (int a = 0; a < REFERENCES; a++) slope[a] = a < n ? -8 * g[a] * (off[a] - mean) : 0;
}

static eqs_status coordinate(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  (void)scratch;
  for (int i = block_begin(block, p->n); i < block_end(block, p->n); i++) {
    center c = center_of(p, i, p->d->cn_cutoff);
    walk_around(p, i, p->d->cn_cutoff, count_neighbors, &c);
    p->cn[i] = c.cn;
    weigh_references(p->element[c.species], c.cn, p->g[i], p->slope[i]);
  }
  return EQS_OK;
}

/* Four partners side by side; the compiler splits them where registers are shorter. */
enum { LANES = 4, GROUPS = 16 };
typedef double lanes __attribute__((vector_size(8 * LANES)));
typedef int64_t lane_mask __attribute__((vector_size(8 * LANES)));

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define ALSO_FOR_AVX2 __attribute__((target_clones("arch=haswell", "default")))
#else
#define ALSO_FOR_AVX2
#endif

/* Partners of the atom in hand: what does not depend on the image. */
typedef struct partners {
  lanes x, y, z;
  lanes c6, d_c6; /* C6_ij and its derivative by CN_i; 0 in lanes that are not used */
  lanes s8;       /* s8 3 Q_i Q_j */
  lanes f6, f8;
} partners;

static void prepare_partners(const center *c, const lattice_bins *b, int begin, int end,
                             partners *out) {
  const pass *p = c->p;
  double own = 3 * dispersion_ratio[p->element[c->species]];
  for (int j = begin; j < end; j++) {
    int slot = c->first + j, s = p->species[slot], k = (j - begin) % LANES;
    partners *q = out + (j - begin) / LANES;
    double c6 = 0, d_c6 = 0, ratio = own * dispersion_ratio[p->element[s]];
    for (int a = 0; a < REFERENCES; a++) {
      c6 += p->g[slot][a] * c->c6[s][a];
      d_c6 += p->g[slot][a] * c->d_c6[s][a];
    }
    double f = p->d->a1 * sqrt(ratio) + p->d->a2, f2 = f * f;
    if (k == 0) *q = (partners){.f6 = {1, 1, 1, 1}, .f8 = {1, 1, 1, 1}};
    q->x[k] = b->x[0][j];
    q->y[k] = b->x[1][j];
    q->z[k] = b->x[2][j];
    q->c6[k] = c6;
    q->d_c6[k] = d_c6;
    q->s8[k] = p->d->s8 * ratio;
    q->f6[k] = f2 * f2 * f2;
    q->f8[k] = f2 * f2 * f2 * f2;
  }
}

static double sum_of(const lanes *x) { return ((*x)[0] + (*x)[1]) + ((*x)[2] + (*x)[3]); }

/* All images of n groups of partners; `derivatives` is a constant at both calls. */
static inline __attribute__((always_inline)) void
add_pairs(center *c, const partners *group, int n, const lattice_chunk *chunk, int derivatives) {
  const lanes zero = {0}, s6 = zero + c->p->d->s6, cutoff2 = zero + c->cutoff2;
  lanes e = zero, cn = zero, fx = zero, fy = zero, fz = zero;
  lanes xx = zero, yy = zero, zz = zero, yz = zero, xz = zero, xy = zero;
  for (const partners *q = group; q < group + n; q++)
    for (int k = 0; k < chunk->n; k++) {
      lanes x = q->x + chunk->shift[0][k], y = q->y + chunk->shift[1][k],
            z = q->z + chunk->shift[2][k], r2 = x * x + y * y + z * z;
      lanes r4 = r2 * r2, r6 = r4 * r2, d6 = r6 + q->f6, d8 = r4 * r4 + q->f8;
      lane_mask inside = (lane_mask)(r2 < cutoff2) & (lane_mask)(r2 > zero);
      lanes both = (lanes)((lane_mask)(1 / (d6 * d8)) & inside);
      lanes t6 = both * d8, t8 = both * d6, u = s6 * t6 + q->s8 * t8;
      e += q->c6 * u;
      if (!derivatives) continue;
      lanes v = q->c6 * (6 * s6 * t6 * t6 * r4 + 8 * q->s8 * t8 * t8 * r6);
      cn += q->d_c6 * u;
      lanes vx = v * x, vy = v * y, vz = v * z;
      fx += vx, fy += vy, fz += vz;
      xx += vx * x, yy += vy * y, zz += vz * z;
      yz += vy * z, xz += vx * z, xy += vx * y;
    }
  c->energy -= sum_of(&e) / 2;
  if (!derivatives) return;
  c->cn_bar -= sum_of(&cn);
  double f[3] = {sum_of(&fx), sum_of(&fy), sum_of(&fz)};
  double w[6] = {sum_of(&xx), sum_of(&yy), sum_of(&zz), sum_of(&yz), sum_of(&xz), sum_of(&xy)};
  for (int a = 0; a < 3; a++) c->force[a] += f[a];
  for (int a = 0; a < 6; a++) c->virial[a] += w[a] / 2;
}

static ALSO_FOR_AVX2 void sum_pairs(void *argument, const lattice_chunk *chunk) {
  enum { ATOMS = LANES * GROUPS };
  center *c = argument;
  partners group[GROUPS];
  const lattice_bins *b = c->p->bins + c->p->system[c->first];
  for (int begin = chunk->begin; begin < chunk->end; begin += ATOMS) {
    int end = chunk->end - begin < ATOMS ? chunk->end : begin + ATOMS;
    int n = (end - begin + LANES - 1) / LANES;
    prepare_partners(c, b, begin, end, group);
    if (c->p->force) add_pairs(c, group, n, chunk, 1);
    else add_pairs(c, group, n, chunk, 0);
  }
}

static double reference_c6(int a, int b) {
  return 1e-4 * (a >= b ? dispersion_c6[a * (a + 1) / 2 + b] : dispersion_c6[b * (b + 1) / 2 + a]);
}

/* C6 of the atom in hand with every reference of every species. */
static void mix_references(center *c, int slot) {
  const pass *p = c->p;
  int z = p->element[c->species], own = dispersion_first[z], n = dispersion_first[z + 1] - own;
  for (int s = 0; s < p->n_species; s++) {
    int other = dispersion_first[p->element[s]], m = dispersion_first[p->element[s] + 1] - other;
    for (int b = 0; b < REFERENCES; b++) {
      c->c6[s][b] = c->d_c6[s][b] = 0;
      for (int a = 0; a < n && b < m; a++) {
        double c6 = reference_c6(own + a, other + b);
        c->c6[s][b] += p->g[slot][a] * c6;
        c->d_c6[s][b] += p->slope[slot][a] * c6;
      }
    }
  }
}

static void keep(const pass *p, int slot, const center *c) {
  for (int a = 0; a < 3; a++) p->force[slot][a] += c->force[a];
  for (int a = 0; a < 6; a++) p->virial[slot][a] += c->virial[a];
}

static eqs_status attract(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  double(*c6)[REFERENCES], (*d_c6)[REFERENCES];
  EQS_TRY(arena_take(scratch, (size_t)p->n_species, sizeof *c6, &c6));
  EQS_TRY(arena_take(scratch, (size_t)p->n_species, sizeof *d_c6, &d_c6));
  for (int i = block_begin(block, p->n); i < block_end(block, p->n); i++) {
    center c = center_of(p, i, p->d->pair_cutoff);
    c.c6 = c6;
    c.d_c6 = d_c6;
    mix_references(&c, i);
    walk_around(p, i, p->d->pair_cutoff, sum_pairs, &c);
    p->energy[i] = c.energy;
    if (!p->force) continue;
    p->cn_bar[i] = c.cn_bar;
    keep(p, i, &c);
  }
  return EQS_OK;
}

/* dE/dr = (cn_bar_i + cn_bar_j) dh/dr of each neighbour, h = 1 / (1 + exp(-16 (R / r - 1))). */
static void pull_neighbors(void *argument, const lattice_chunk *chunk) {
  center *c = argument;
  const pass *p = c->p;
  const lattice_bins *b = p->bins + p->system[c->first];
  double own = dispersion_radius[p->element[c->species]];
  for (int j = chunk->begin; j < chunk->end; j++) {
    int slot = c->first + j;
    double radius = own + dispersion_radius[p->element[p->species[slot]]];
    double bar = c->cn_bar + p->cn_bar[slot];
    for (int k = 0; k < chunk->n; k++) {
      double x = b->x[0][j] + chunk->shift[0][k], y = b->x[1][j] + chunk->shift[1][k],
             z = b->x[2][j] + chunk->shift[2][k], r2 = x * x + y * y + z * z;
      if (!(r2 < c->cutoff2 && r2 > 0)) continue;
      double r = sqrt(r2), h = 1 / (1 + exp(-16 * (radius / r - 1)));
      double v = bar * -16 * radius / (r2 * r) * h * (1 - h);
      double f[3] = {v * x, v * y, v * z};
      for (int a = 0; a < 3; a++) c->force[a] += f[a];
      double w[6] = {f[0] * x, f[1] * y, f[2] * z, f[1] * z, f[0] * z, f[0] * y};
      for (int a = 0; a < 6; a++) c->virial[a] += w[a] / 2;
    }
  }
}

static eqs_status follow_coordination(void *argument, int block, arena *scratch) {
  const pass *p = argument;
  (void)scratch;
  for (int i = block_begin(block, p->n); i < block_end(block, p->n); i++) {
    center c = center_of(p, i, p->d->cn_cutoff);
    walk_around(p, i, p->d->cn_cutoff, pull_neighbors, &c);
    keep(p, i, &c);
  }
  return EQS_OK;
}

/* ---- around the passes */

static eqs_status sort_systems(pass *p, const eqs_systems *in, arena *a) {
  lattice_bins *bins;
  int species_of[DISPERSION_Z_MAX + 1];
  double reach = fmax(p->d->pair_cutoff, p->d->cn_cutoff);
  memset(species_of, -1, sizeof species_of);
  EQS_TRY(arena_take(a, (size_t)in->n_system, sizeof *bins, &bins));
  EQS_TRY(arena_take(a, (size_t)p->n, sizeof *p->system, &p->system));
  EQS_TRY(arena_take(a, (size_t)p->n, sizeof *p->species, &p->species));
  for (int s = 0; s < in->n_system; s++) {
    EQS_TRY(lattice_bins_build(in, s, 1 / BOHR, reach, a, bins + s));
    for (int k = 0; k < bins[s].n; k++) {
      int atom = bins[s].atom[k], z = in->number[in->first[s] + atom];
      if (z < 1 || z > DISPERSION_Z_MAX)
        EQS_FAIL(EQS_ERR_UNSUPPORTED, "system %d, atom %d: D3 has no parameters for Z = %d", s + 1,
                 atom + 1, z);
      if (species_of[z] < 0) {
        p->element[p->n_species] = z;
        species_of[z] = p->n_species++;
      }
      p->system[in->first[s] + k] = s;
      p->species[in->first[s] + k] = species_of[z];
    }
  }
  p->bins = bins;
  return EQS_OK;
}

static eqs_status take_arrays(pass *p, int derivatives, arena *a) {
  size_t n = (size_t)p->n;
  EQS_TRY(arena_take(a, n, sizeof *p->cn, &p->cn));
  EQS_TRY(arena_take(a, n, sizeof *p->g, &p->g));
  EQS_TRY(arena_take(a, n, sizeof *p->slope, &p->slope));
  EQS_TRY(arena_take(a, n, sizeof *p->energy, &p->energy));
  if (!derivatives) return EQS_OK;
  EQS_TRY(arena_take_zero(a, n, sizeof *p->cn_bar, &p->cn_bar));
  EQS_TRY(arena_take_zero(a, n, sizeof *p->force, &p->force));
  return arena_take_zero(a, n, sizeof *p->virial, &p->virial);
}

static void add_results(const pass *p, double *energies, double *forces, double *virial) {
  static const int voigt[9] = {0, 5, 4, 5, 1, 3, 4, 3, 2};
  for (int i = 0; i < p->n; i++) {
    int s = p->system[i], atom = p->first[s] + p->bins[s].atom[i - p->first[s]];
    energies[atom] += HARTREE * p->energy[i];
    if (!p->force) continue;
    for (int c = 0; c < 3; c++) forces[3 * atom + c] += HARTREE / BOHR * p->force[i][c];
    for (int c = 0; c < 9; c++) virial[9 * s + c] += HARTREE * p->virial[i][voigt[c]];
  }
}

eqs_status dispersion_evaluate(const dispersion *d, workspace *w, const eqs_systems *in,
                               double *energies, double *forces, double *virial) {
  pass p = {.d = d, .first = in->first, .n = in->first[in->n_system]};
  int blocks = block_count(p.n);
  EQS_TRY(sort_systems(&p, in, &w->shared));
  EQS_TRY(take_arrays(&p, forces != NULL, &w->shared));
  EQS_TRY(workspace_run(w, blocks, coordinate, &p));
  EQS_TRY(workspace_run(w, blocks, attract, &p));
  if (p.force) EQS_TRY(workspace_run(w, blocks, follow_coordination, &p));
  add_results(&p, energies, forces, virial);
  return EQS_OK;
}
