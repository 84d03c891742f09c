/* symmetry.c -- primitive cells by spglib, and supercells.
 * SPDX-License-Identifier: MIT */
#include "core/symmetry.h"

#include <math.h>
#include <spglib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"

static const double charge_tolerance = 0.01; /* e */

/* fractional = x . inverse, all rows. */
static void to_fractional(const double x[3], const double inverse[9], double out[3]) {
  for (int k = 0; k < 3; k++)
    out[k] = x[0] * inverse[k] + x[1] * inverse[3 + k] + x[2] * inverse[6 + k];
}

static void to_cartesian(const double f[3], const double cell[9], double out[3]) {
  for (int k = 0; k < 3; k++) out[k] = f[0] * cell[k] + f[1] * cell[3 + k] + f[2] * cell[6 + k];
}

static eqs_status find_symmetry(const structure *s, double tolerance, SpglibDataset **out) {
  double lattice[3][3], inverse[9], (*x)[3];
  if (!cell_inverse(s->cell, inverse)) EQS_FAIL(EQS_ERR_ARGUMENT, "the cell has no volume");
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) lattice[k][i] = s->cell[3 * i + k]; /* spglib: columns */
  EQS_TRY(alloc_array(&x, (size_t)s->n, sizeof *x, "symmetry search"));
  for (int i = 0; i < s->n; i++) to_fractional(s->position[i], inverse, x[i]);
  *out = spg_get_dataset(lattice, x, s->number, s->n, tolerance);
  free(x);
  return EQS_OK;
}

/* Adds to atom p the position and charge of atom i, by its image nearest to the first one. */
typedef struct mean {
  int count, number;
  double first[3], sum[3]; /* fractional in the primitive cell */
  double charge, low, high;
} mean;

static void collect(mean *m, const structure *s, int i, const double inverse[9]) {
  double f[3], charge = s->charge ? s->charge[i] : 0.0;
  to_fractional(s->position[i], inverse, f);
  if (m->count++ == 0) {
    memcpy(m->first, f, sizeof f);
    m->number = s->number[i];
    m->low = m->high = charge;
  }
  for (int k = 0; k < 3; k++) {
    double d = f[k] - m->first[k];
    m->sum[k] += d - round(d);
  }
  m->charge += charge;
  m->low = fmin(m->low, charge);
  m->high = fmax(m->high, charge);
}

/* Fills out from the classes of equivalent atoms; *whole = 0 if they do not make a whole cell. */
static eqs_status gather(const structure *s, const int *map, int n_primitive, structure *out,
                         int *whole) {
  mean *atom;
  double inverse[9];
  int per_cell = s->n / n_primitive, agree = 1;
  eqs_status status = EQS_OK;
  *whole = cell_inverse(out->cell, inverse);
  EQS_TRY(alloc_array(&atom, (size_t)n_primitive, sizeof *atom, "primitive cell"));
  for (int i = 0; i < s->n && *whole; i++) collect(&atom[map[i]], s, i, inverse);
  for (int p = 0; p < n_primitive && *whole; p++) {
    double f[3], x[3];
    if (atom[p].count != per_cell) *whole = 0;
    for (int k = 0; k < 3; k++) {
      f[k] = atom[p].first[k] + atom[p].sum[k] / per_cell;
      f[k] -= floor(f[k]);
    }
    to_cartesian(f, out->cell, x);
    agree = agree && atom[p].high - atom[p].low <= charge_tolerance;
    EQS_TRY_DONE(structure_append(out, atom[p].number, x, atom[p].charge / per_cell));
  }
  if (s->charge && !agree && *whole)
    EQS_TRY_DONE(structure_warn(out, "equivalent atoms have unequal charges: left out"));
  if (!s->charge || !agree) structure_drop_charges(out);
done:
  free(atom);
  return status;
}

static int count_classes(const int *map, int n) {
  int largest = -1;
  for (int i = 0; i < n; i++) {
    if (map[i] < 0 || map[i] >= n) return 0;
    if (map[i] > largest) largest = map[i];
  }
  return largest + 1;
}

/* Niggli's cell, whose perpendicular widths serve the image rule best, as rows of out->cell with a
 * positive volume; 0 if it is not n / n_primitive times smaller than the cell of s. */
static int set_cell(const structure *s, double lattice[3][3], double tolerance, int n_primitive,
                    structure *out) {
  if (!spg_niggli_reduce(lattice, tolerance)) return 0;
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) out->cell[3 * i + k] = lattice[k][i];
  double volume = cell_volume(out->cell);
  if (volume < 0.0)
    for (int k = 0; k < 9; k++) out->cell[k] = -out->cell[k];
  double ratio = fabs(cell_volume(s->cell) / volume) * n_primitive / s->n;
  return fabs(ratio - 1.0) < 1e-3;
}

static eqs_status copy_header(const structure *s, structure *out) {
  *out = (structure){0};
  memcpy(out->cell, s->cell, sizeof out->cell);
  memcpy(out->pbc, s->pbc, sizeof out->pbc);
  if (s->name) EQS_TRY(structure_set_name(out, s->name));
  for (int i = 0; i < s->n_warning; i++) EQS_TRY(structure_warn(out, "%s", s->warning[i]));
  return EQS_OK;
}

eqs_status structure_primitive(const structure *s, double tolerance, structure *out) {
  *out = (structure){0};
  SpglibDataset *dataset = NULL;
  eqs_status status = EQS_OK;
  int whole = 0;
  if (!(tolerance > 0.0 && tolerance < 1.0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "symmetry tolerance %g is not between 0 and 1 angstrom", tolerance);
  if (!s->pbc[0] || !s->pbc[1] || !s->pbc[2] || s->n < 2 || s->n > SYMMETRY_MAX_ATOMS)
    return structure_copy(s, out);
  EQS_TRY(find_symmetry(s, tolerance, &dataset));
  int n_primitive = dataset ? count_classes(dataset->mapping_to_primitive, s->n) : 0;
  if (n_primitive > 0 && n_primitive < s->n && s->n % n_primitive == 0) {
    EQS_TRY_DONE(copy_header(s, out));
    if (set_cell(s, dataset->primitive_lattice, tolerance, n_primitive, out))
      EQS_TRY_DONE(gather(s, dataset->mapping_to_primitive, n_primitive, out, &whole));
  }
  if (!whole) {
    structure_free(out);
    EQS_TRY_DONE(structure_copy(s, out));
  }
done:
  if (dataset) spg_free_dataset(dataset);
  if (status != EQS_OK) structure_free(out);
  return status;
}

/* R = L W L^-1 with lattice vectors as the columns of L. */
static void rotation_of(int w[3][3], const double cell[9], const double inverse[9], double out[9]) {
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < 3; b++) {
      out[3 * a + b] = 0;
      for (int k = 0; k < 3; k++)
        for (int l = 0; l < 3; l++)
          out[3 * a + b] += cell[3 * k + a] * w[k][l] * inverse[3 * b + l];
    }
}

eqs_status structure_point_group(const structure *s, double tolerance, int *n,
                                 double (**rotation)[9], char symbol[8]) {
  static const double identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  SpglibDataset *dataset = NULL;
  double inverse[9];
  *rotation = NULL;
  if (!cell_inverse(s->cell, inverse)) EQS_FAIL(EQS_ERR_ARGUMENT, "the cell has no volume");
  if (s->n <= SYMMETRY_MAX_ATOMS) EQS_TRY(find_symmetry(s, tolerance, &dataset));
  *n = dataset ? dataset->n_operations : 1;
  snprintf(symbol, 8, "%s", dataset ? dataset->pointgroup_symbol : "1");
  eqs_status status = alloc_array(rotation, (size_t)*n, sizeof **rotation, "rotations");
  for (int k = 0; k < *n && status == EQS_OK; k++) {
    if (dataset) rotation_of(dataset->rotations[k], s->cell, inverse, (*rotation)[k]);
    else memcpy((*rotation)[k], identity, sizeof identity);
  }
  if (dataset) spg_free_dataset(dataset);
  return status;
}

static eqs_status append_cell(const structure *s, const double shift[3], structure *out) {
  for (int i = 0; i < s->n; i++) {
    double x[3];
    for (int k = 0; k < 3; k++) x[k] = s->position[i][k] + shift[k];
    EQS_TRY(structure_append(out, s->number[i], x, s->charge ? s->charge[i] : 0.0));
  }
  return EQS_OK;
}

eqs_status structure_supercell(const structure *s, const int rep[3], structure *out) {
  *out = (structure){0};
  size_t cells = 1;
  eqs_status status = EQS_OK;
  for (int k = 0; k < 3; k++) {
    if (rep[k] < 1 || (rep[k] > 1 && !s->pbc[k]))
      EQS_FAIL(EQS_ERR_ARGUMENT, "%d cells along %c%s", rep[k], 'a' + k,
               rep[k] < 1 ? "" : ", which is not periodic");
    cells = mul_size(cells, (size_t)rep[k]);
  }
  if (mul_size(cells, (size_t)s->n) > STRUCTURE_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_FORMAT, "%d x %d x %d cells of %d atoms are more than %d atoms", rep[0],
             rep[1], rep[2], s->n, (int)STRUCTURE_MAX_ATOMS);
  EQS_TRY_DONE(copy_header(s, out));
  for (int a = 0; a < rep[0]; a++)
    for (int b = 0; b < rep[1]; b++)
      for (int c = 0; c < rep[2]; c++) {
        const double f[3] = {a, b, c};
        double shift[3];
        to_cartesian(f, s->cell, shift);
        EQS_TRY_DONE(append_cell(s, shift, out));
      }
  for (int k = 0; k < 9; k++) out->cell[k] *= rep[k / 3];
  if (!s->charge) structure_drop_charges(out);
done:
  if (status != EQS_OK) structure_free(out);
  return status;
}
