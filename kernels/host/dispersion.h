/* dispersion.h -- the host's order of loops for the D3 sums: each pair of atoms once, and atoms
 * from outside against a lattice.
 *
 * Atoms come in groups of PAIR_WIDTH slots with a bounding box. A launch takes the groups of one
 * tile as centres, those of another as partners, and the lattice translations that bring the two
 * together; each pair of groups looks for its own among them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_HOST_DISPERSION_H
#define EQS_KERNEL_HOST_DISPERSION_H

#include "kernels/dispersion.h"

enum { PAIR_WIDTH = WIDE > 4 ? WIDE : 4 };

FN double wide_sum(wide x) {
  double s = 0;
  UNROLL(8)
  for (int i = 0; i < WIDE; i++) s += x[i];
  return s;
}

/* Sorts the launch's translations for two boxes; 0 = none brings them within the cutoff. */
FN int find_shifts(pair_frame *f, const double *from, const double *to) {
  const dispersion_args *a = f->a;
  int near = 0, far = 0;
  for (int t = 0; t < a->n_shift; t += WIDE) {
    wide shift[3];
    UNROLL(3)
    for (int c = 0; c < 3; c++) shift[c] = wide_load(a->shift[c] + t);
    wide r2 = box_distance2(from, to, shift);
    for (int k = 0; k < WIDE; k++) {
      int inside = (r2[k] < a->cutoff2) & (t + k < a->n_shift), beyond = r2[k] > a->far2;
      f->list[0][near] = f->list[1][far] = t + k;
      near += inside & !beyond;
      far += inside & beyond;
    }
  }
  f->n[0] = near;
  f->n[1] = far;
  return near + far;
}

FN void field_body(const pair_frame *f, int op) {
  const dispersion_args *a = f->a;
  int center = f->center - a->center_begin * PAIR_WIDTH;
  double *out = a->field + (size_t)center * a->stride + f->slot;
  if (op == FIELD_COUNT) {
    wide_add(out, count_sum(f, 1));
    return;
  }
  wide pair[3];
  pair_rows(f, pair);
  wide_add(out, attract_list(f, pair, pair[0], op, 0, 1, NULL, NULL));
  wide_add(out, attract_list(f, pair, pair[0], op, 1, 1, NULL, NULL));
}

/* All centres of group i with all partners of group j. */
FN void pair_groups(pair_frame *f, int op, int itself, int i, int j, wide (*sum)[SUMS],
                    wide *virial) {
  const dispersion_atoms *center = f->a->center, *partner = f->a->partner;
  for (int k = 0; k < PAIR_WIDTH && center->species[i * PAIR_WIDTH + k] >= 0; k++)
    for (int v = 0; v < PAIR_WIDTH; v += WIDE) {
      f->center = i * PAIR_WIDTH + k;
      f->slot = j * PAIR_WIDTH + v;
      UNROLL(3)
      for (int c = 0; c < 3; c++)
        f->d[c] = wide_load(partner->x[c] + f->slot) - center->x[c][f->center];
      if (op == FIELD_COUNT || op == FIELD_ENERGY) field_body(f, op);
      else pair_body(f, op, itself, sum[k], virial);
    }
}

FN void keep_sums(const dispersion_args *a, int op, int group, wide (*sum)[SUMS]) {
  int attracts = op == PAIR_ENERGY || op == PAIR_FORCE || op == PAIR_VIRIAL;
  int pulls = op == PULL_FORCE || op == PULL_VIRIAL;
  double *count = op == PAIR_COUNT ? a->count : a->count_bar;
  for (int k = 0; k < PAIR_WIDTH; k++) {
    int slot = group * PAIR_WIDTH + k;
    if (attracts) a->energy[slot] += wide_sum(sum[k][SUM_ENERGY]);
    if (op == PAIR_COUNT || (attracts && op != PAIR_ENERGY))
      count[slot] += wide_sum(sum[k][SUM_COUNT]);
    if (pulls || (attracts && op != PAIR_ENERGY))
      for (int c = 0; c < 3; c++) a->force[c][slot] += wide_sum(sum[k][SUM_FORCE + c]);
  }
}

FN void pair_walk(const dispersion_args *a, int op) {
  pair_frame f;
  wide virial[6] = {wide_set(0), wide_set(0), wide_set(0), wide_set(0), wide_set(0), wide_set(0)};
  f.a = a;
  for (int i = a->center_begin; i < a->center_end; i++) {
    wide sum[PAIR_WIDTH][SUMS];
    for (int k = 0; k < PAIR_WIDTH; k++)
      for (int q = 0; q < SUMS; q++) sum[k][q] = wide_set(0);
    for (int j = a->half ? i : a->begin; j < a->end; j++) {
      if (!find_shifts(&f, a->center->box[i], a->partner->box[j])) continue;
      if (a->center == a->partner && i == j) pair_groups(&f, op, 1, i, j, sum, virial);
      else pair_groups(&f, op, 0, i, j, sum, virial);
    }
    keep_sums(a, op, i, sum);
  }
  for (int c = 0; c < 6 && (op == PAIR_VIRIAL || op == PULL_VIRIAL); c++)
    a->virial[c] += wide_sum(virial[c]);
}

#endif
