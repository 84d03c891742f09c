/* charges.c -- the matrix of EQeq by Ewald's sum, and its solution.
 *
 * A_ii = J_i + C_ii(0), A_ij = C_ij, A q + X = mu for all atoms, the sum of q given. With
 * B = A + t 1 1^T, which differs on nothing that conserves charge, q = -B^-1 X + nu B^-1 1. B is
 * positive if and only if E has a minimum (t large): where a pivot is not, there are no charges.
 *
 * Ionisation energies and electron affinities (eV) as distributed with the published program (NIST
 * and CRC Handbook values); for hydrogen its electron affinity is the method's parameter, -2.0.
 * Where that table stops (fourth energies of the lanthanides, third of Ba, fifth of Hf): CRC
 * Handbook of Chemistry and Physics, "Ionization Energies of Atoms and Atomic Ions". Expansion
 * charges: Mg, Co, Ni, Cu, Zn 2, V, Zr 4 are the published ones, other metals are expanded about a
 * common ion, all else about 0 except Si: about 0 silica has no minimum, about 2 it has charges
 * (Si 1.4) like TraPPE-zeo's (1.5; P. Bai, M. Tsapatsis, J. I. Siepmann, J. Phys. Chem. C 117,
 * 24375 (2013)).
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/charges.h"

#include "core/neighbors.h"
#include "io/elements.h"
#include "potentials/ewald.h"

#include <math.h>
#include <stdlib.h>

#define LAMBDA         1.2
#define TOLERANCE      1e-10 /* of the lattice sums, relative */
#define RIGID          30.0  /* t over the largest hardness */
#define SOUND          8.0   /* e; larger charges are nonsense */
#define TWO_BY_SQRT_PI 1.12837916709551257390

/* clang-format off */
static const struct { int number, center; double low, high; } ions[] = {
    {1, 0, -2.0, 13.598}, {2, 0, 0, 24.587}, {3, 1, 5.392, 75.638}, {4, 2, 18.211, 153.893},
    {5, 0, 0.27972, 8.298}, {6, 0, 1.26212, 11.26}, {7, 0, -0.07, 14.534}, {8, 0, 1.46111, 13.618},
    {9, 0, 3.40119, 17.422}, {10, 0, 0, 21.564}, {11, 1, 5.139, 47.286}, {12, 2, 15.035, 80.143},
    {13, 3, 28.447, 119.99}, {14, 2, 16.345, 33.492}, {15, 0, 0.7465, 10.458},
    {16, 0, 2.0771, 10.36}, {17, 0, 3.61272, 12.967}, {18, 0, 0, 15.759}, {19, 1, 4.341, 31.625},
    {20, 2, 11.871, 50.908}, {21, 3, 24.76, 73.47}, {22, 4, 43.266, 99.22}, {23, 4, 46.707, 65.23},
    {24, 3, 30.96, 49.1}, {25, 2, 15.64, 33.667}, {26, 2, 16.18, 30.651}, {27, 2, 17.06, 33.5},
    {28, 2, 18.168, 35.17}, {29, 2, 20.292, 36.83}, {30, 2, 17.964, 39.722}, {31, 3, 30.71, 64.0},
    {32, 0, 1.23271, 7.899}, {33, 0, 0.814, 9.81}, {34, 0, 2.0207, 9.752}, {35, 0, 3.36359, 11.814},
    {36, 0, 0, 13.999}, {37, 1, 4.177, 27.28}, {38, 2, 11.03, 43.6}, {39, 3, 20.52, 61.8},
    {40, 4, 34.34, 81.5}, {41, 5, 50.55, 102.6}, {42, 6, 68.0, 126.8}, {43, 0, 0.55, 7.28},
    {44, 2, 16.76, 28.47}, {45, 2, 18.08, 31.06}, {46, 2, 19.43, 32.93}, {47, 1, 7.576, 21.49},
    {48, 2, 16.908, 37.48}, {49, 3, 28.03, 54.0}, {50, 4, 40.734, 72.28}, {51, 0, 1.0474, 8.641},
    {52, 0, 1.97088, 9.009}, {53, 0, 3.05904, 10.451}, {54, 0, 0, 12.13}, {55, 1, 3.894, 25.1},
    {56, 2, 10.004, 35.84}, {57, 3, 19.175, 49.95}, {58, 3, 20.2, 36.72}, {59, 3, 21.62, 38.95},
    {60, 3, 22.1, 40.4}, {61, 3, 22.3, 41.1}, {62, 3, 23.4, 41.4}, {63, 3, 24.92, 42.7},
    {64, 3, 20.63, 44.0}, {65, 3, 21.91, 39.79}, {66, 3, 22.8, 41.47}, {67, 3, 22.84, 42.5},
    {68, 3, 22.74, 42.7}, {69, 3, 23.71, 42.7}, {70, 3, 25.2, 43.56}, {71, 3, 20.96, 45.25},
    {72, 4, 33.3, 68.37}, {73, 0, 0.322, 7.89}, {74, 0, 0.815, 7.98}, {75, 0, 0.015, 7.88},
    {76, 0, 1.0778, 8.7}, {77, 0, 1.56436, 9.1}, {78, 0, 2.1251, 9.0}, {79, 1, 9.225, 20.5},
    {80, 2, 18.756, 34.2}, {81, 1, 6.108, 20.428}, {82, 2, 15.032, 31.937}, {83, 3, 25.56, 45.3},
    {84, 0, 1.9, 8.42},
};
/* clang-format on */

eqs_status charges_find_atom(int number, charges_atom *out) {
  for (size_t i = 0; i < sizeof ions / sizeof ions[0]; i++) {
    if (ions[i].number != number) continue;
    double hardness = ions[i].high - ions[i].low;
    *out = (charges_atom){hardness, (ions[i].high + ions[i].low) / 2 - ions[i].center * hardness,
                          ions[i].center};
    return EQS_OK;
  }
  EQS_FAIL(EQS_ERR_UNSUPPORTED,
           "charge equilibration has no ionisation energies of element %d (%s); give charges in "
           "the file (_atom_site_charge)",
           number, element_symbol(number));
}

typedef struct lattice {
  int n;
  const double (*position)[3];
  const charges_atom *atom;
  double cell[9], inverse[9];
  int range[3];
  ewald ewald;
  double rigid;         /* t */
  double *twice, *zero; /* [ewald.n] 2 weight, 0 */
  double *matrix;       /* [n][n + 2] upper triangle of B, two right-hand sides: -X, 1 */
} lattice;

/* K/r by Ewald's real part and the overlap of the orbitals at distance r, eV/e^2. */
static double short_ranged(const lattice *l, double a, double r2) {
  double r = sqrt(r2);
  return EWALD_COULOMB *
         (ewald_real_direct(&l->ewald, r2) + exp(-a * a * r2) * (2 * a - a * a * r - 1 / r));
}

/* C_ij over all images; without the atom itself if i = j. */
static double interaction(const lattice *l, int i, int j, double *phase) {
  double d[3], f[3], sum = 0, limit = l->ewald.cutoff * l->ewald.cutoff;
  double a = sqrt(l->atom[i].hardness * l->atom[j].hardness) / EWALD_COULOMB;
  int m[3];
  for (int k = 0; k < 3; k++) d[k] = l->position[i][k] - l->position[j][k];
  for (int k = 0; k < 3; k++) {
    f[k] = d[0] * l->inverse[k] + d[1] * l->inverse[3 + k] + d[2] * l->inverse[6 + k];
    f[k] -= rint(f[k]);
  }
  for (m[0] = -l->range[0]; m[0] <= l->range[0]; m[0]++)
    for (m[1] = -l->range[1]; m[1] <= l->range[1]; m[1]++)
      for (m[2] = -l->range[2]; m[2] <= l->range[2]; m[2]++) {
        double r2 = 0;
        if (i == j && !m[0] && !m[1] && !m[2]) continue;
        for (int k = 0; k < 3; k++) {
          double v = (f[0] + m[0]) * l->cell[k] + (f[1] + m[1]) * l->cell[3 + k] +
                     (f[2] + m[2]) * l->cell[6 + k];
          r2 += v * v;
        }
        if (r2 < limit) sum += short_ranged(l, a, r2);
      }
  ewald_phases(&l->ewald, d, phase);
  sum += ewald_at(&l->ewald, phase, l->twice, l->zero);
  if (i == j) sum -= EWALD_COULOMB * l->ewald.alpha * TWO_BY_SQRT_PI;
  return LAMBDA / 2 * sum;
}

static double *row(const lattice *l, int i) { return l->matrix + (size_t)i * ((size_t)l->n + 2); }

static eqs_status fill_row(void *argument, int i, arena *scratch) {
  lattice *l = argument;
  double *phase;
  EQS_TRY(arena_take(scratch, ewald_phase_size(&l->ewald), sizeof *phase, &phase));
  for (int j = i; j < l->n; j++) row(l, i)[j] = interaction(l, i, j, phase);
  row(l, i)[i] += l->atom[i].hardness;
  for (int j = i; j < l->n; j++) row(l, i)[j] += l->rigid;
  row(l, i)[l->n] = -l->atom[i].electronegativity;
  row(l, i)[l->n + 1] = 1;
  return EQS_OK;
}

/* Symmetric elimination; the solutions end in the last columns. -1, or the row whose pivot is not
 * positive. */
static int solve(const lattice *l) {
  int n = l->n;
  for (int k = 0; k < n; k++) {
    const double *p = row(l, k);
    if (!(p[k] > 1e-6)) return k;
    for (int i = k + 1; i < n; i++) {
      double *q = row(l, i), factor = p[i] / p[k];
      for (int j = i; j < n + 2; j++) q[j] -= factor * p[j];
    }
  }
  for (int k = n - 1; k >= 0; k--) {
    double *p = row(l, k), a = p[n], b = p[n + 1];
    for (int j = k + 1; j < n; j++) {
      a -= p[j] * row(l, j)[n];
      b -= p[j] * row(l, j)[n + 1];
    }
    p[n] = a / p[k];
    p[n + 1] = b / p[k];
  }
  return -1;
}

/* The two solutions as charges; the number of an atom if they make no sense, else -1. */
static int combine(const lattice *l, double total, double *charge) {
  double a = 0, b = 0;
  for (int i = 0; i < l->n; i++) {
    a += row(l, i)[l->n];
    b += row(l, i)[l->n + 1];
  }
  for (int i = 0; i < l->n; i++) {
    charge[i] = row(l, i)[l->n] + (total - a) / b * row(l, i)[l->n + 1];
    if (!(fabs(charge[i]) < SOUND)) return i;
  }
  return -1;
}

/* A cutoff that the orbitals do not reach, and that balances both parts of Ewald's sum. */
static eqs_status prepare(lattice *l, charges_atom *atom, const int *number, const double cell[9]) {
  double softest = INFINITY, hardest = 0, width[3], edge = cbrt(fabs(cell_volume(cell)));
  for (int i = 0; i < l->n; i++) {
    EQS_TRY(charges_find_atom(number[i], atom + i));
    softest = fmin(softest, atom[i].hardness);
    hardest = fmax(hardest, atom[i].hardness);
    for (int k = 0; k < 3; k++)
      if (!isfinite(l->position[i][k]))
        EQS_FAIL(EQS_ERR_ARGUMENT, "the position of atom %d is not finite", i + 1);
  }
  l->atom = atom;
  l->rigid = RIGID * hardest;
  for (int k = 0; k < 9; k++) l->cell[k] = cell[k];
  if (!cell_inverse(cell, l->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "charge equilibration: the cell is singular");
  double cutoff = fmax(sqrt(-log(TOLERANCE)) * EWALD_COULOMB / softest, 0.6 * edge);
  EQS_TRY(ewald_prepare(cell, fmin(cutoff, 100), TOLERANCE, &l->ewald));
  cell_widths(cell, width);
  double images = 1;
  for (int k = 0; k < 3; k++) {
    double most = floor(l->ewald.cutoff / width[k] + 0.5);
    images *= 2 * most + 1;
    l->range[k] = (int)fmin(most, 1e6);
  }
  if (!(images <= 1e5))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "charge equilibration: the cell is too thin or too oblique");
  size_t n = (size_t)l->ewald.n;
  EQS_TRY(alloc_array(&l->twice, n, sizeof *l->twice, "reciprocal vectors"));
  EQS_TRY(alloc_array(&l->zero, n, sizeof *l->zero, "reciprocal vectors"));
  for (size_t k = 0; k < n; k++) l->twice[k] = 2 * l->ewald.weight[k];
  return EQS_OK;
}

static eqs_status fill(lattice *l, workspace *work) {
  workspace own = {0};
  size_t n = (size_t)l->n;
  EQS_TRY(alloc_array(&l->matrix, mul_size(n, n + 2), sizeof *l->matrix, "charges"));
  if (!work) {
    EQS_TRY(workspace_set_threads(&own, 1));
    work = &own;
  }
  eqs_status status = workspace_run(work, l->n, fill_row, l);
  workspace_free(&own);
  return status;
}

eqs_status charges_equilibrate(int n, const int *number, const double (*position)[3],
                               const double cell[9], double total, workspace *work,
                               double *charge) {
  lattice l = {.n = n, .position = position};
  charges_atom *atom = NULL;
  eqs_status status = EQS_OK;
  if (n < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "charge equilibration: there are no atoms");
  if (n > CHARGES_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "charge equilibration: %d atoms are more than %d; give charges in the file "
             "(_atom_site_charge)",
             n, CHARGES_MAX_ATOMS);
  EQS_TRY_DONE(alloc_array(&atom, (size_t)n, sizeof *atom, "charges"));
  EQS_TRY_DONE(prepare(&l, atom, number, cell));
  EQS_TRY_DONE(fill(&l, work));
  int worst = solve(&l);
  if (worst < 0) worst = combine(&l, total, charge);
  if (worst >= 0)
    status = status_fail(EQS_ERR_UNSUPPORTED,
                         "charge equilibration has no sound solution (atom %d, %s); are atoms on "
                         "top of each other or missing? Charges can be given in the file "
                         "(_atom_site_charge)",
                         worst + 1, element_symbol(number[worst]));
done:
  free(atom);
  free(l.twice);
  free(l.zero);
  free(l.matrix);
  ewald_free(&l.ewald);
  return status;
}
