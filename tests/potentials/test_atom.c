/* test_atom.c -- atoms against exact hydrogen-like levels, the NIST tables and exact relations.
 *
 * NIST: S. Kotochigova, Z. H. Levine, E. L. Shirley, M. D. Stiles, C. W. Clark, Phys. Rev. A 55,
 * 191 (1997), SRD 141: LDA, LSD and ScRLDA of Slater's exchange and Vosko, Wilk and Nusair's
 * correlation, six decimals; ScRLDA with MacDonald and Vosko's exchange and c = 137.0359895.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/atom.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "potentials/atom_orbital.h"
#include "potentials/atom_potential.h"

#define PI         3.14159265358979323846
#define NIST_LIGHT 137.0359895

static functional *open_functional(const char *name) {
  functional *f;
  eqs_status status = functional_open(name, 0, &f);
  if (status == EQS_ERR_UNSUPPORTED) cr_skip_test("built without libxc");
  cr_assert(status == EQS_OK, "%s", eqs_error());
  return f;
}

static atom solved(int z, const functional *f, double light, int polarised, double finer) {
  atom a;
  atom_options o = {.functional = f, .light = light, .polarised = polarised, .finer = finer};
  cr_assert(atom_solve(z, &o, &a) == EQS_OK, "%s", eqs_error());
  return a;
}

/* ---- one electron: exact levels */

typedef struct bare {
  atom_grid grid;
  double *v, *shell, *scratch;
} bare;

static bare bare_nucleus(double z) {
  bare b;
  cr_assert(atom_grid_make(z, 1, &b.grid) == EQS_OK);
  size_t n = (size_t)b.grid.n;
  b.v = calloc(n, sizeof(double));
  b.shell = calloc(n, sizeof(double));
  b.scratch = calloc(2 * n, sizeof(double));
  for (int i = 0; i < b.grid.n; i++) b.v[i] = -z / b.grid.r[i];
  return b;
}

static void bare_free(bare *b) {
  atom_grid_free(&b->grid);
  free(b->v);
  free(b->shell);
  free(b->scratch);
}

static double level(bare *b, double z, double c, int n, int l, int small) {
  atom_well w = {.grid = &b->grid, .v = b->v, .z = z, .c = c, .small = small};
  double e = -z * z / (3.0 * n);
  cr_assert(atom_orbital_solve(&w, n, l, &e, b->shell, b->scratch) == EQS_OK, "%s", eqs_error());
  for (int i = 0; i < b->grid.n; i++) b->scratch[i] = b->shell[i] * b->grid.r[i];
  cr_assert_float_eq(atom_grid_integral(&b->grid, b->scratch), 1, 1e-12);
  return e;
}

Test(orbital, hydrogen_like_levels_are_exact) {
  const double charges[] = {1, 26, 92};
  for (int k = 0; k < 3; k++) {
    double z = charges[k];
    bare b = bare_nucleus(z);
    for (int n = 1; n <= (k ? 7 : 2); n++)
      for (int l = 0; l < n && l <= 3; l++) {
        double exact = -z * z / (2.0 * n * n);
        cr_assert_float_eq(level(&b, z, 0, n, l, 0) / exact, 1, 2e-12, "z %g n %d l %d", z, n, l);
        /* <r> = (3 n^2 - l (l + 1)) / 2 z */
        for (int i = 0; i < b.grid.n; i++) b.scratch[i] = b.shell[i] * pow(b.grid.r[i], 2);
        cr_assert_float_eq(
            atom_grid_integral(&b.grid, b.scratch) * 2 * z / (3 * n * n - l * (l + 1)), 1, 1e-10);
      }
    bare_free(&b);
  }
}

static double dirac(double z, double c, int n, int kappa) {
  double gamma = sqrt(kappa * kappa - z * z / (c * c));
  double s = z / c / (n - abs(kappa) + gamma);
  return c * c * (1 / sqrt(1 + s * s) - 1);
}

/* For s states the term that Koelling and Harmon leave out is zero: Dirac's levels exactly. Others
 * are the mean over j to the order of the splitting squared. */
Test(orbital, scalar_relativistic_levels_are_diracs) {
  bare b = bare_nucleus(92);
  for (int n = 1; n <= 7; n++)
    cr_assert_float_eq(level(&b, 92, NIST_LIGHT, n, 0, n % 2) / dirac(92, NIST_LIGHT, n, -1), 1,
                       2e-11, "%ds", n);
  bare_free(&b);
  b = bare_nucleus(20);
  for (int n = 2; n <= 4; n++)
    for (int l = 1; l < n; l++) {
      double low = dirac(20, NIST_LIGHT, n, l), high = dirac(20, NIST_LIGHT, n, -l - 1);
      double mean = (l * low + (l + 1) * high) / (2 * l + 1);
      cr_assert_float_eq(level(&b, 20, NIST_LIGHT, n, l, 0), mean, 0.02 * (high - low), "%d %d", n,
                         l);
    }
  bare_free(&b);
}

Test(orbital, missing_state_is_an_error) {
  bare b = bare_nucleus(1);
  for (int i = 0; i < b.grid.n; i++) b.v[i] = 1e4;
  atom_well w = {.grid = &b.grid, .v = b.v, .z = 1};
  double e = -0.5;
  cr_assert(atom_orbital_solve(&w, 1, 0, &e, b.shell, b.scratch) == EQS_ERR_DIVERGED);
  bare_free(&b);
}

/* ---- the published tables */

typedef struct known {
  int z;
  double energy;
} known;

Test(atom, lda_energies_are_nists) {
  static const known table[] = {{1, -0.445671},     {6, -37.425749},    {18, -525.946195},
                                {24, -1042.030238}, {29, -1637.785861}, {58, -8563.360285},
                                {78, -17326.576377}};
  functional *f = open_functional("LDA");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    atom a = solved(table[i].z, f, 0, 0, 0);
    cr_assert_float_eq(a.total, table[i].energy, 1e-6, "Z = %d: %.7f", table[i].z, a.total);
    atom_free(&a);
  }
  functional_free(&f);
}

/* Uranium to the last digit that is known: the finite elements of Certik et al., Comput. Phys.
 * Commun. 297, 109051 (2024). */
Test(atom, uranium_is_that_of_finite_elements) {
  static const double levels[] = {
      -3689.3551398369, -639.7787280866, -619.1085501807, -161.1180732100, -150.9789801633,
      -131.9773582831,  -40.5280842452,  -35.8533208325,  -27.1232122996,  -8.8240894015,
      -7.0180922045,    -15.0274600691,  -3.8661751349,   -1.3259763180,   -0.8225379709,
      -0.3665433531,    -0.1431901813,   -0.1309478622};
  functional *f = open_functional("LDA");
  atom a = solved(92, f, 0, 0, 0);
  cr_assert_float_eq(a.total, -25658.4178888534, 1e-8, "%.10f", a.total);
  for (int k = 0; k < a.n_orbital; k++)
    cr_assert_float_eq(a.orbital[k].energy[0], levels[k], 1e-8, "%d %d: %.10f", a.orbital[k].n,
                       a.orbital[k].l, a.orbital[k].energy[0]);
  atom_free(&a);
  functional_free(&f);
}

Test(atom, lsd_energies_are_nists) {
  static const known table[] = {
      {3, -7.343957}, {6, -37.470031}, {8, -74.527410}, {13, -241.321156}, {17, -458.671463}};
  functional *f = open_functional("lda_x+lda_c_vwn");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    atom a = solved(table[i].z, f, 0, 1, 0);
    cr_assert_float_eq(a.total, table[i].energy, 1e-6, "Z = %d: %.7f", table[i].z, a.total);
    if (table[i].z == 6) {
      const double levels[][2] = {{-9.940546, -9.905802}, {-0.531276, -0.435066}, {-0.227557, 0}};
      for (int k = 0; k < 3; k++)
        for (int s = 0; s < (k < 2 ? 2 : 1); s++)
          cr_assert_float_eq(a.orbital[k].energy[s], levels[k][s], 1e-6);
    }
    atom_free(&a);
  }
  functional_free(&f);
}

/* libxc's relativistic exchange has another speed of light than NIST's. It is n^(4/3) times a
 * function of n^(1/3) / c, so the one with c' is (c' / c)^4 times that of the density n (c / c')^3;
 * the change of the total energy is, to first order, that of the exchange energy. */
static double exchange_at_nists_light(const atom *a) {
  const double ratio = NIST_LIGHT / 137.0359996287515;
  functional *f = open_functional("lda_x_rel");
  size_t n = (size_t)a->grid.n;
  double *density[2] = {malloc(n * sizeof(double)), NULL};
  double *potential[2] = {malloc(n * sizeof(double)), NULL}, own, scaled;
  for (size_t i = 0; i < n; i++) density[0][i] = a->density[0][i] / pow(ratio, 3);
  cr_assert(atom_xc(&a->grid, f, 1, a->density, potential, &own) == EQS_OK);
  cr_assert(atom_xc(&a->grid, f, 1, density, potential, &scaled) == EQS_OK);
  free(density[0]);
  free(potential[0]);
  functional_free(&f);
  return pow(ratio, 4) * scaled - own;
}

Test(atom, scalar_relativistic_energies_are_nists) {
  static const known table[] = {
      {10, -128.336369}, {18, -527.516861}, {54, -7430.574788}, {92, -27899.641656}};
  static const double uranium[] = {-4234.557545, -792.373880, -659.140870, -200.210831, -163.188263,
                                   -131.090673,  -51.001789,  -38.892032,  -26.705640,  -11.350493,
                                   -7.590528,    -13.729240,  -3.638317,   -1.757867,   -0.856604,
                                   -0.133390,    -0.091405,   -0.160828};
  functional *f = open_functional("lda_x_rel+lda_c_vwn");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    atom a = solved(table[i].z, f, NIST_LIGHT, 0, 0);
    double total = a.total + exchange_at_nists_light(&a);
    cr_assert_float_eq(total, table[i].energy, 1e-6, "Z = %d: %.7f", table[i].z, total);
    for (int k = 0; k < a.n_orbital && table[i].z == 92; k++) {
      int n = a.orbital[k].n, l = a.orbital[k].l;
      double e = a.orbital[k].energy[0];
      cr_assert_float_eq(e, uranium[k], 1e-6 + 1e-9 * fabs(e), "U %d %d: %.7f", n, l, e);
    }
    atom_free(&a);
  }
  functional_free(&f);
}

/* ---- gradient corrections */

/* Basis-set limits: Kurth, Perdew and Blaha, Int. J. Quantum Chem. 75, 889 (1999), three decimals
 * of non-relativistic PBE. */
Test(atom, pbe_energies_are_the_published) {
  static const known table[] = {{2, -2.8929}, {10, -128.8664}, {18, -527.3461}};
  functional *f = open_functional("PBE");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    atom a = solved(table[i].z, f, 0, 0, 0);
    cr_assert_float_eq(a.total, table[i].energy, 6e-5, "Z = %d: %.6f", table[i].z, a.total);
    atom_free(&a);
  }
  functional_free(&f);
}

/* The virial theorem of Kohn and Sham: 2 T = sum int n_s r dV_s/dr. It holds only if potential and
 * density belong together, on any functional and spin. */
static double virial(const atom *a) {
  double sum = 0, *f = malloc((size_t)a->grid.n * sizeof *f),
         *slope = malloc((size_t)a->grid.n * sizeof *f);
  for (int s = 0; s < a->spins; s++) {
    atom_grid_slope(&a->grid, a->potential[s], slope);
    for (int i = 0; i < a->grid.n; i++)
      f[i] = 4 * PI * pow(a->grid.r[i], 3) * a->density[s][i] * slope[i];
    sum += atom_grid_integral(&a->grid, f);
  }
  free(f);
  free(slope);
  return sum / a->kinetic;
}

Test(atom, kinetic_energy_obeys_the_virial_theorem) {
  const char *names[] = {"LDA", "PBE", "BLYP"};
  const int z[] = {3, 8, 26};
  for (int i = 0; i < 3; i++) {
    functional *f = open_functional(names[i]);
    for (int spin = 0; spin < 2; spin++) {
      atom a = solved(z[i], f, 0, spin, 0);
      cr_assert_float_eq(virial(&a), 2, 1e-9, "%s %d: %.12f", names[i], z[i], virial(&a));
      atom_free(&a);
    }
    functional_free(&f);
  }
}

/* The potential is the derivative of the energy: dE for a change of the density that keeps the
 * number of electrons, by central differences. */
Test(atom, potential_is_the_derivative_of_the_energy) {
  const char *names[] = {"LDA", "PBE", "gga_x_b88+gga_c_p86"};
  for (int k = 0; k < 3; k++) {
    functional *f = open_functional(names[k]);
    atom a = solved(12, f, 0, 1, 0);
    size_t n = (size_t)a.grid.n;
    double *changed[2], *v[2], e[2], linear, *product = malloc(n * sizeof *product);
    for (int s = 0; s < 2; s++)
      changed[s] = malloc(n * sizeof(double)), v[s] = malloc(n * sizeof(double));
    for (int side = 0; side < 2; side++) {
      for (size_t i = 0; i < n; i++) {
        double r = a.grid.r[i], factor = 1 + (side ? 1e-4 : -1e-4) * exp(-r) * sin(3 * r);
        changed[0][i] = a.density[0][i] * factor;
        changed[1][i] = a.density[1][i];
      }
      cr_assert(atom_xc(&a.grid, f, 2, changed, v, &e[side]) == EQS_OK);
    }
    double same;
    cr_assert(atom_xc(&a.grid, f, 2, a.density, v, &same) == EQS_OK);
    for (size_t i = 0; i < n; i++) {
      double r = a.grid.r[i];
      product[i] = 4 * PI * r * r * r * a.density[0][i] * exp(-r) * sin(3 * r) * v[0][i];
    }
    linear = atom_grid_integral(&a.grid, product);
    cr_assert_float_eq((e[1] - e[0]) / 2e-4 / linear, 1, 1e-7, "%s", names[k]);
    for (int s = 0; s < 2; s++) free(changed[s]), free(v[s]);
    free(product);
    atom_free(&a);
    functional_free(&f);
  }
}

/* A finer grid changes nothing. */
Test(atom, energies_do_not_depend_on_the_grid) {
  functional *f = open_functional("PBE");
  const int z[] = {7, 47};
  for (int i = 0; i < 2; i++) {
    atom a = solved(z[i], f, i ? ATOM_LIGHT : 0, 1 - i, 1),
         b = solved(z[i], f, i ? ATOM_LIGHT : 0, 1 - i, 1.6);
    cr_assert_float_eq(a.total, b.total, 1e-10 * fabs(a.total) + 1e-8, "%d: %.9f %.9f", z[i],
                       a.total, b.total);
    int last = a.n_orbital - 1;
    cr_assert_float_eq(a.orbital[last].energy[0], b.orbital[last].energy[0], 1e-8);
    atom_free(&a);
    atom_free(&b);
  }
  functional_free(&f);
}

/* ---- what is refused */

Test(atom, configurations_hold_all_electrons) {
  for (int z = 1; z <= ATOM_LAST; z++)
    for (int spin = 0; spin < 2; spin++) {
      atom_orbital o[ATOM_ORBITALS];
      int n = atom_configuration(z, spin, o);
      double sum = 0;
      for (int k = 0; k < n; k++) {
        sum += o[k].occupation[0] + o[k].occupation[1];
        cr_assert(o[k].l < o[k].n && o[k].occupation[0] <= (spin ? 1 : 2) * (2 * o[k].l + 1));
        for (int j = 0; j < k; j++) cr_assert(o[j].n != o[k].n || o[j].l != o[k].l);
      }
      cr_assert_float_eq(sum, z, 0);
    }
}

Test(functional, names_are_those_of_libxc) {
  functional *f = open_functional("pbe"), *g;
  const char *same[] = {"PBE", "gga_x_pbe+gga_c_pbe", "XC_GGA_X_PBE + XC_GGA_C_PBE", "101+130"};
  for (int i = 0; i < 4; i++) {
    cr_assert(functional_open(same[i], 0, &g) == EQS_OK, "%s", eqs_error());
    cr_assert_str_eq(functional_name(g), functional_name(f));
    functional_free(&g);
  }
  functional_free(&f);
  const char *wrong[] = {"",
                         "nonsense",
                         "b3lyp",
                         "scan",
                         "lda_k_tf",
                         "lda_x+",
                         "0",
                         "-1",
                         "999999999999999999999",
                         "lda_x_2d",
                         "lda_x+lda_x+lda_x+lda_x+lda_x"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    cr_assert(functional_open(wrong[i], 0, &g) == EQS_ERR_ARGUMENT, "%s", wrong[i]);
    cr_assert_null(g);
  }
  cr_assert(functional_open("lda_k_tf", 1, &g) == EQS_OK);
  functional_free(&g);
  cr_assert(functional_open("pbe", 1, &g) == EQS_ERR_ARGUMENT);
}

Test(atom, unknown_elements_are_refused) {
  functional *f = open_functional("lda");
  atom a;
  atom_options o = {.functional = f};
  cr_assert(atom_solve(0, &o, &a) == EQS_ERR_ARGUMENT);
  cr_assert(atom_solve(ATOM_LAST + 1, &o, &a) == EQS_ERR_ARGUMENT);
  functional_free(&f);
}
