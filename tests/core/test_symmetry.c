/* test_symmetry.c -- primitive cells and supercells: known counts and volumes, the same crystal
 * before and after (shells of neighbours by brute force), components of known dimension.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"
#include "core/symmetry.h"
#include "io/cif.h"

#define OWN EQS_SOURCE_DIR "/tests/data/cif/"

static structure load(const char *path) {
  structure_list list = {0};
  cr_assert_eq(cif_read(path, NULL, &list), EQS_OK, "%s", eqs_error());
  cr_assert_eq(list.n, 1);
  structure s = list.frame[0];
  free(list.frame);
  return s;
}

static structure cubic(double a, int n, const int *number, const double *fractional) {
  structure s = {.cell = {a, 0, 0, 0, a, 0, 0, 0, a}, .pbc = {1, 1, 1}};
  for (int i = 0; i < n; i++) {
    double x[3];
    for (int k = 0; k < 3; k++) x[k] = a * fractional[3 * i + k];
    cr_assert_eq(structure_append(&s, number[i], x, 0.0), EQS_OK);
  }
  structure_drop_charges(&s);
  return s;
}

/* Sum over ordered pairs closer than `cutoff` of Z_i Z_j exp(-r), per volume: the same for every
 * description of one crystal. By brute force over images. */
static double fingerprint(const structure *s, double cutoff) {
  double sum = 0.0, width[3];
  int m[3];
  cell_widths(s->cell, width);
  for (int k = 0; k < 3; k++) m[k] = (int)ceil(cutoff / width[k]) + 1;
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < s->n; j++)
      for (int a = -m[0]; a <= m[0]; a++)
        for (int b = -m[1]; b <= m[1]; b++)
          for (int c = -m[2]; c <= m[2]; c++) {
            double r2 = 0.0;
            for (int k = 0; k < 3; k++) {
              double v = s->position[j][k] - s->position[i][k] + a * s->cell[k] +
                         b * s->cell[3 + k] + c * s->cell[6 + k];
              r2 += v * v;
            }
            if (r2 > 1e-6 && r2 < cutoff * cutoff)
              sum += s->number[i] * s->number[j] * exp(-sqrt(r2));
          }
  return sum / fabs(cell_volume(s->cell));
}

static const struct crystal {
  const char *file;
  int atoms, primitive;
  double charge_of_first; /* e */
} crystals[] = {{"halite_p1.cif", 8, 2, 1.0},
                {"periclase.cif", 8, 2, 2.0},
                {"calcite.cif", 30, 10, 0.0},
                {"sodalite.cif", 46, 46, 1.0},
                {"quartz.cif", 9, 9, 2.4}};

Test(symmetry, primitive_cells) {
  for (size_t i = 0; i < sizeof crystals / sizeof *crystals; i++) {
    const struct crystal *c = &crystals[i];
    char path[512];
    structure p;
    snprintf(path, sizeof path, "%s%s", OWN, c->file);
    structure s = load(path);
    cr_assert_eq(s.n, c->atoms);
    cr_assert_eq(structure_primitive(&s, 1e-3, &p), EQS_OK, "%s", eqs_error());
    cr_assert_eq(p.n, c->primitive, "%s: %d", c->file, p.n);
    cr_assert_gt(cell_volume(p.cell), 0.0);
    cr_assert_float_eq(cell_volume(p.cell) * s.n / p.n, cell_volume(s.cell), 1e-6);
    cr_assert_str_eq(p.name, s.name);
    cr_assert_float_eq(fingerprint(&p, 6.3), fingerprint(&s, 6.3), 1e-6, "%s", c->file);
    if (c->charge_of_first > 0.0) {
      cr_assert_float_eq(p.charge[0], c->charge_of_first, 1e-9);
      cr_assert_float_eq(structure_net_charge(&p), 0.0, 1e-9);
    }
    structure_free(&s);
    structure_free(&p);
  }
}

Test(symmetry, fcc_primitive_cell_is_the_compact_one) {
  structure s = load(OWN "halite_p1.cif"), p;
  double parameters[6], width[3];
  cr_assert_eq(structure_primitive(&s, 1e-3, &p), EQS_OK);
  structure_cell_parameters(p.cell, parameters);
  cell_widths(p.cell, width);
  for (int k = 0; k < 3; k++) {
    cr_assert_float_eq(parameters[k], 5.64056 / sqrt(2.0), 1e-6);
    cr_assert_float_eq(parameters[3 + k], 60.0, 1e-6);
    cr_assert_float_eq(width[k], 5.64056 / sqrt(3.0), 1e-6);
  }
  structure_free(&s);
  structure_free(&p);
}

Test(symmetry, supercell_and_back) {
  structure s = load(OWN "calcite.cif"), big, p;
  const int rep[3] = {2, 1, 3};
  cr_assert_eq(structure_supercell(&s, rep, &big), EQS_OK, "%s", eqs_error());
  cr_assert_eq(big.n, 180);
  cr_assert_float_eq(cell_volume(big.cell), 6.0 * cell_volume(s.cell), 1e-8);
  cr_assert_float_eq(fingerprint(&big, 4.1), fingerprint(&s, 4.1), 1e-9);
  for (int k = 0; k < 3; k++) /* the last index is the fastest: the second cell is along c */
    cr_assert_float_eq(big.position[30][k] - big.position[0][k], s.cell[6 + k], 1e-12);
  cr_assert_eq(structure_primitive(&big, 1e-3, &p), EQS_OK);
  cr_assert_eq(p.n, 10);
  structure_free(&p);
  structure_free(&big);
  structure_free(&s);
}

Test(symmetry, unequal_charges_are_dropped_and_noise_is_averaged) {
  structure s = load(OWN "halite_p1.cif"), p;
  s.charge[0] += 0.004;
  s.charge[1] -= 0.004;
  cr_assert_eq(structure_primitive(&s, 1e-3, &p), EQS_OK);
  cr_assert(p.n == 2 && p.charge && fabs(p.charge[0] - 1.0) < 1e-12);
  structure_free(&p);
  s.charge[0] += 0.5;
  cr_assert_eq(structure_primitive(&s, 1e-3, &p), EQS_OK);
  cr_assert(p.n == 2 && !p.charge && p.n_warning > 0);
  structure_free(&p);
  structure_free(&s);
}

Test(symmetry, what_cannot_be_reduced_is_copied) {
  structure s = load(OWN "halite_p1.cif"), p;
  s.position[0][0] += 0.05;
  cr_assert_eq(structure_primitive(&s, 1e-3, &p), EQS_OK);
  cr_assert_eq(p.n, 8);
  cr_assert_arr_eq(p.cell, s.cell, sizeof s.cell);
  cr_assert_arr_eq(p.position, s.position, 8 * sizeof *s.position);
  structure_free(&p);
  s.pbc[2] = 0;
  cr_assert_eq(structure_primitive(&s, 1e-3, &p), EQS_OK);
  cr_assert_eq(p.n, 8);
  structure_free(&p);
  cr_assert_eq(structure_primitive(&s, 0.0, &p), EQS_ERR_ARGUMENT);
  cr_assert_eq(structure_primitive(&s, NAN, &p), EQS_ERR_ARGUMENT);
  const int rep[4][3] = {{1, 1, 2}, {0, 1, 1}, {1, -3, 1}, {200, 200, 1}};
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(structure_supercell(&s, rep[i], &p), i < 3 ? EQS_ERR_ARGUMENT : EQS_ERR_FORMAT);
    structure_free(&p);
  }
  const int huge[3] = {2147483647, 2147483647, 1};
  cr_assert_eq(structure_supercell(&s, huge, &p), EQS_ERR_FORMAT);
  structure_free(&s);
}

/* Dimension of components whose answer is known by construction. */
Test(symmetry, components_have_their_dimension) {
  const int carbon[8] = {6, 6, 6, 6, 6, 6, 6, 6};
  const double grid[24] = {0,  0, 0, 0,  0, .5, 0,  .5, 0, 0,  .5, .5,
                           .5, 0, 0, .5, 0, .5, .5, .5, 0, .5, .5, .5};
  structure s = cubic(3.0, 8, carbon, grid); /* simple cubic, 1.5 angstrom */
  structure_components_list c;
  for (int dimension = 3; dimension >= 0; dimension--) {
    /* axes beyond `dimension` stretched to 6 and the atoms left together: bonds across are cut */
    for (int k = dimension; k < 3; k++) s.cell[4 * k] = 6.0;
    cr_assert_eq(structure_components(&s, &c), EQS_OK, "%s", eqs_error());
    cr_assert(c.n == 1 && c.atoms[0] == 8 && c.dimension[0] == dimension, "%d: %d of %d", dimension,
              c.dimension[0], c.n);
    structure_components_free(&c);
  }
  structure_free(&s);
}

/* A chain that only closes after two turns, and one along a diagonal: rank 1 both. */
Test(symmetry, windings_count_by_rank) {
  const int carbon[4] = {6, 6, 6, 6};
  const double diagonal[12] = {0, 0, 0, .25, .25, .25, .5, .5, .5, .75, .75, .75};
  structure s = cubic(1.5 * 4.0 / sqrt(3.0), 4, carbon, diagonal);
  structure_components_list c;
  cr_assert_eq(structure_components(&s, &c), EQS_OK, "%s", eqs_error());
  cr_assert(c.n == 1 && c.dimension[0] == 1);
  structure_components_free(&c);
  s.pbc[0] = 0; /* the diagonal now leaves the crystal */
  cr_assert_eq(structure_components(&s, &c), EQS_OK, "%s", eqs_error());
  cr_assert(c.n == 1 && c.dimension[0] == 0);
  structure_components_free(&c);
  structure_free(&s);
}

Test(symmetry, framework_with_guests_and_contacts) {
  const int number[5] = {14, 14, 10, 18, 18};
  const double x[15] = {0, 0, 0, 0, 0, .5, .5, 0, .25, .5, .5, .6, .5, .5, .8};
  structure s = cubic(4.6, 5, number, x); /* a chain of Si along c, and noble gas beside it */
  structure_components_list c;
  structure_contact shortest, tightest;
  cr_assert_eq(structure_components(&s, &c), EQS_OK, "%s", eqs_error());
  cr_assert(c.dimension[0] == 1 && c.atoms[0] == 2, "the extended part comes first");
  cr_assert(c.n == 3 && c.component[0] == 0 && c.component[3] == 1 && c.component[2] == 2);
  cr_assert_eq(structure_contacts(&s, &shortest, &tightest), EQS_OK);
  cr_assert_float_eq(shortest.distance, 0.92, 1e-12);
  cr_assert(shortest.i == 3 && shortest.j == 4);
  cr_assert_float_eq(tightest.ratio, 0.92 / 2.12, 1e-9);
  structure_components_free(&c);
  structure_free(&s);
}

Test(symmetry, cell_parameters_round_trip) {
  const double cells[4][6] = {{5, 6, 7, 90, 90, 120},
                              {5, 6, 7, 81.3, 97.7, 104.1},
                              {18.3, 18.3, 18.3, 60, 60, 60},
                              {6.9, 15.2, 15.2, 117.8, 98.7, 98.7}};
  for (int i = 0; i < 4; i++) {
    double cell[9], back[6];
    const double *p = cells[i];
    cr_assert_eq(structure_cell_from_parameters(p, cell), EQS_OK);
    structure_cell_parameters(cell, back);
    for (int k = 0; k < 6; k++) cr_assert_float_eq(back[k], p[k], 1e-9);
    double ca = cos(p[3] * M_PI / 180), cb = cos(p[4] * M_PI / 180), cg = cos(p[5] * M_PI / 180);
    double volume = p[0] * p[1] * p[2] * sqrt(1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg);
    cr_assert_float_eq(cell_volume(cell), volume, 1e-9 * volume);
  }
}
