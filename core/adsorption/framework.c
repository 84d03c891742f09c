/* framework.c -- primitive cell and replicas by the image rule.
 *
 * A guest must share no first-shell atom with its own image: the distance between opposite faces,
 * w_k = V / |face|, has to be at least 2 r_max + D (D: the molecule's length). The strict rule,
 * 2 L r_max + D for L layers, forbids every message path between images. A lattice has many bases;
 * the one that needs the fewest replicas is taken.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/framework.h"

#include "core/neighbors.h"
#include "core/symmetry.h"

#include <math.h>

enum { BOX_MAX = 100000 };      /* atoms */
#define SYMMETRY_TOLERANCE 0.01 /* angstrom */
#define ROUNDING           1e-9 /* of a replica: a width that meets the rule exactly is enough */

/* Replicas along each direction; returns how many cells that is, INFINITY if absurd. */
static double replicate(const double cell[9], double needed, int replica[3]) {
  double width[3], n = 1;
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) {
    double r = ceil(needed / width[k] - ROUNDING);
    if (!(r <= 1000)) return INFINITY;
    replica[k] = r < 1 ? 1 : (int)r;
    n *= replica[k];
  }
  return n;
}

static int determinant(const int m[9]) {
  return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
         m[2] * (m[3] * m[7] - m[4] * m[6]);
}

/* The same lattice in the basis that needs the fewest replicas, among all whose vectors are sums of
 * the given ones with coefficients -1, 0, 1; the given basis if none is better. Returns the cells.
 */
static double best_basis(double cell[9], double needed, int replica[3]) {
  enum { MATRICES = 19683 /* 3^9 */ };
  double given[9], best = replicate(cell, needed, replica);
  for (int k = 0; k < 9; k++) given[k] = cell[k];
  for (int code = 0; code < MATRICES; code++) {
    int m[9], trial_replica[3] = {0}, rest = code;
    double trial[9];
    for (int k = 0; k < 9; k++, rest /= 3) m[k] = rest % 3 - 1;
    if (determinant(m) != 1) continue;
    for (int i = 0; i < 3; i++)
      for (int k = 0; k < 3; k++)
        trial[3 * i + k] =
            m[3 * i] * given[k] + m[3 * i + 1] * given[3 + k] + m[3 * i + 2] * given[6 + k];
    double n = replicate(trial, needed, trial_replica);
    if (n >= best) continue;
    best = n;
    for (int k = 0; k < 9; k++) cell[k] = trial[k];
    for (int k = 0; k < 3; k++) replica[k] = trial_replica[k];
  }
  return best;
}

static eqs_status prepare(const structure *s, double needed, int given, framework *out) {
  *out = (framework){0};
  if (!(s->pbc[0] && s->pbc[1] && s->pbc[2]) || !(fabs(cell_volume(s->cell)) > 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "screening needs a cell that is periodic in three directions");
  if (s->n < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "the structure has no atoms");
  structure primitive = {0};
  int replica[3];
  eqs_status status = EQS_OK;
  EQS_TRY(structure_copy(s, &out->cell));
  double n = s->n * best_basis(out->cell.cell, needed, out->replica);
  out->primitive_mass = structure_mass(s);
  /* spglib refuses some cells; the file's own is always right */
  if (!given && structure_primitive(s, SYMMETRY_TOLERANCE, &primitive) == EQS_OK &&
      primitive.n < s->n) {
    out->primitive_mass = structure_mass(&primitive);
    double m = primitive.n * best_basis(primitive.cell, needed, replica);
    out->primitive = m < n;
    if (out->primitive) {
      structure_free(&out->cell);
      out->cell = primitive;
      primitive = (structure){0};
      n = m;
      for (int k = 0; k < 3; k++) out->replica[k] = replica[k];
    }
  }
  if (!(n <= BOX_MAX)) {
    status = status_fail(EQS_ERR_UNSUPPORTED,
                         "the box would need more than %d atoms to keep a guest %.1f angstrom from "
                         "its image",
                         BOX_MAX, needed);
    goto done;
  }
  EQS_TRY_DONE(structure_supercell(&out->cell, out->replica, &out->box));
  cell_widths(out->box.cell, out->width);
done:
  structure_free(&primitive);
  if (status != EQS_OK) framework_free(out);
  return status;
}

eqs_status framework_prepare(const structure *s, double needed, framework *out) {
  return prepare(s, needed, 0, out);
}

eqs_status framework_prepare_snapshot(const structure *s, double needed, framework *out) {
  return prepare(s, needed, 1, out);
}

void framework_free(framework *f) {
  structure_free(&f->cell);
  structure_free(&f->box);
  *f = (framework){0};
}
