/* dispersion.h -- bodies of the D3 sums over pairs: coordination numbers, attraction, the gradient
 * of the coordination numbers, and atoms from outside against a lattice.
 *
 * Atoms come in groups of PAIR_WIDTH slots with a bounding box. A launch takes the groups of one
 * tile as centres, those of another as partners, and the lattice translations that bring the two
 * together; each pair of groups looks for its own among them. A lane (`wide`) is a partner here,
 * and everything is double in both tables: a pair on the wrong side of the sharp cutoff costs more
 * than the rounding of the whole sum.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_DISPERSION_H
#define EQS_KERNEL_DISPERSION_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/lane.h"

typedef double wide __attribute__((vector_size(LANE_BYTES)));
typedef int64_t wide_mask __attribute__((vector_size(LANE_BYTES)));
enum { WIDE = LANE_BYTES / 8, PAIR_WIDTH = WIDE > 4 ? WIDE : 4 };
enum {
  PAIR_COUNT,
  PAIR_ENERGY,
  PAIR_FORCE,
  PAIR_VIRIAL,
  PULL_FORCE,
  PULL_VIRIAL,
  FIELD_COUNT,
  FIELD_ENERGY
};

FN wide wide_load(const double *p) { return *(const wide *)p; }
FN void wide_add(double *p, wide v) { *(wide *)p += v; }
FN wide wide_set(double x) {
  wide zero = {0};
  return x - zero;
}
FN wide wide_keep(wide_mask m, wide x) { return (wide)(m & (wide_mask)x); }
/* 1 / sqrt(x) in single precision, and one step of Newton's; x >= 1e-30. */
FN wide wide_rsqrt(wide x) {
  wide y;
  UNROLL(8)
  for (int i = 0; i < WIDE; i++) y[i] = (double)(1.0f / sqrtf((float)x[i]));
  return y * (1.5 - 0.5 * x * (y * y));
}
FN double wide_sum(wide x) {
  double s = 0;
  UNROLL(8)
  for (int i = 0; i < WIDE; i++) s += x[i];
  return s;
}

/* exp for |x| < 700, as lane_exp, by a polynomial of the degree given. */
FN wide wide_exp(wide x, int degree) {
  static const double inverse_factorial[14] = {1.0,
                                               1.0,
                                               0.5,
                                               0.16666666666666667,
                                               0.041666666666666667,
                                               0.0083333333333333333,
                                               0.0013888888888888889,
                                               1.9841269841269841e-4,
                                               2.4801587301587302e-5,
                                               2.7557319223985891e-6,
                                               2.7557319223985888e-7,
                                               2.5052108385441719e-8,
                                               2.0876756987868099e-9,
                                               1.6059043836821615e-10};
  wide t = x * 1.4426950408889634 + 6755399441055744.0, n = t - 6755399441055744.0;
  wide y = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  wide p = wide_set(inverse_factorial[degree]);
  UNROLL(13)
  for (int i = degree - 1; i >= 0; i--) p = p * y + inverse_factorial[i];
  return (wide)((wide_mask)p + ((wide_mask)t << 52));
}

/* One centre and WIDE partners over the translations of their groups: indices into the launch's,
 * and how many. Far ones bring no two atoms nearer than a->far. */
typedef struct pair_frame {
  const dispersion_args *a;
  int list[2][DISPERSION_SHIFTS + WIDE], n[2]; /* near, far */
  int center, slot;                            /* of the centre, of the first partner */
  wide d[3];                                   /* partners minus centre, before translation */
} pair_frame;

/* Sorts the launch's translations for two boxes; 0 = none brings them within the cutoff. */
FN int find_shifts(pair_frame *f, const double *from, const double *to) {
  const dispersion_args *a = f->a;
  int near = 0, far = 0;
  for (int t = 0; t < a->n_shift; t += WIDE) {
    wide r2 = wide_set(0);
    UNROLL(3)
    for (int c = 0; c < 3; c++) {
      wide d = wide_load(a->shift[c] + t) + (to[c] - from[c]);
      wide gap = (wide)((wide_mask)d & INT64_MAX) - (from[3 + c] + to[3 + c]);
      gap = wide_keep(gap > 0, gap);
      r2 += gap * gap;
    }
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

/* What a centre keeps in lanes until all its partners have been seen. */
enum { SUM_ENERGY, SUM_COUNT, SUM_FORCE, SUMS = SUM_FORCE + 3 };

FN wide squared(const pair_frame *f, int far, int k, wide d[3]) {
  int t = f->list[far][k];
  UNROLL(3)
  for (int c = 0; c < 3; c++) d[c] = f->d[c] + f->a->shift[c][t];
  return d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
}

/* An atom is no neighbour of itself; `itself`: it may be among the partners, give or take the
 * rounding of a lattice vector. */
FN wide_mask within(const pair_frame *f, wide r2, int itself) {
  wide_mask inside = r2 < f->a->cutoff2;
  return itself ? inside & (r2 > 1e-20) : inside;
}

/* w = exp(16 - 16 R / r) of the counting function h = 1 / (1 + w); finite rubbish at r = 0. Far, 1
 * / w is less than 1e-3 and its powers do instead of the division: returns h, and w h^2 = -dh/dw w.
 */
FN wide counting(wide radius16, wide r2, int far, wide *inverse_r, wide *slope) {
  *inverse_r = wide_rsqrt(r2 + 1e-30);
  wide x = 616 - radius16 * *inverse_r;
  if (far) {
    wide w = wide_exp(600 - x, 8);
    *slope = w * (1 - w * (2 - 3 * w));
    return w * (1 - w * (1 - w));
  }
  wide w = wide_exp(wide_keep(x > 0, x) - 600, 13), h = 1 / (1 + w);
  *slope = w * h * h;
  return h;
}

FN wide radius16(const pair_frame *f) {
  return 16 * (f->a->center->radius[f->center] + wide_load(f->a->partner->radius + f->slot));
}

FN wide count_list(const pair_frame *f, wide radius, int far, int itself) {
  wide sum = wide_set(0), d[3], inverse, slope;
  for (int k = 0; k < f->n[far]; k++) {
    wide r2 = squared(f, far, k, d);
    sum += wide_keep(within(f, r2, itself), counting(radius, r2, far, &inverse, &slope));
  }
  return sum;
}

FN wide count_sum(const pair_frame *f, int itself) {
  wide radius = radius16(f);
  return count_list(f, radius, 0, itself) + count_list(f, radius, 1, itself);
}

FN void count_body(const pair_frame *f, int itself, wide *sum) {
  wide h = count_sum(f, itself) * (itself ? 0.5 : 1.0);
  sum[SUM_COUNT] += h;
  wide_add(f->a->count + f->slot, h);
}

/* v (x) d of one translation, and what its sums become for both atoms. */
FN void add_force(wide v, const wide d[3], int virial, wide force[3], wide *w) {
  wide vd[3];
  UNROLL(3)
  for (int c = 0; c < 3; c++) {
    vd[c] = v * d[c];
    force[c] += vd[c];
  }
  if (!virial) return;
  w[0] += vd[0] * d[0];
  w[1] += vd[1] * d[1];
  w[2] += vd[2] * d[2];
  w[3] += vd[1] * d[2];
  w[4] += vd[0] * d[2];
  w[5] += vd[0] * d[1];
}

FN void keep_force(const pair_frame *f, const wide force[3], wide *sum) {
  UNROLL(3)
  for (int c = 0; c < 3; c++) {
    sum[SUM_FORCE + c] += force[c];
    wide_add(f->a->force[c] + f->slot, -force[c]);
  }
}

FN void pull_list(const pair_frame *f, wide bar, wide radius, int op, int far, int itself,
                  wide force[3], wide *w) {
  wide d[3], inverse, slope;
  for (int k = 0; k < f->n[far]; k++) {
    wide r2 = squared(f, far, k, d);
    counting(radius, r2, far, &inverse, &slope);
    wide v = bar * (inverse * inverse * inverse) * slope;
    add_force(wide_keep(within(f, r2, itself), v), d, op == PULL_VIRIAL, force, w);
  }
}

FN void pull_body(const pair_frame *f, int op, int itself, wide *sum, wide *w) {
  const dispersion_args *a = f->a;
  wide radius = radius16(f), force[3] = {wide_set(0), wide_set(0), wide_set(0)};
  wide bar = a->count_bar[f->center] + wide_load(a->count_bar + f->slot);
  bar *= radius * (itself ? -0.5 : -1.0);
  pull_list(f, bar, radius, op, 0, itself, force, w);
  pull_list(f, bar, radius, op, 1, itself, force, w);
  keep_force(f, force, sum);
}

/* Coefficients of the pairs: C6 and its derivatives by the two coordination numbers. */
FN void mix(const pair_frame *f, const double *row, int derivatives, wide c6[3]) {
  const dispersion_args *a = f->a;
  const double *g = a->weight[f->center][0], *slope = a->weight[f->center][1];
  int n = a->n_reference[a->center->species[f->center]];
  c6[0] = c6[1] = c6[2] = wide_set(0);
  for (int r = 0; r < n; r++) {
    wide b = wide_load(row + (size_t)r * a->stride);
    c6[0] += g[r] * b;
    if (!derivatives) continue;
    c6[1] += slope[r] * b;
    c6[2] += g[r] * wide_load(row + (size_t)(n + r) * a->stride);
  }
}

/* u = 1 / (r^6 + f6) + q / (r^8 + f8); *v = -(du/dr) / (6 r). Far, the first powers of f6 / r^6 do:
 * beyond 60 bohr the next are below 1e-10 of u (1e-8 between the heaviest elements). */
FN wide attraction(const wide pair[3], wide r2, int far, wide_mask inside, wide *v) {
  if (far) {
    wide t = wide_keep(inside, 1 / r2), t2 = t * t, t3 = t2 * t, f = pair[1] * t3;
    *v = t2 * t2 * (1 + (pair[0] * 1.3333333333333333) * t - 2 * f);
    return t3 * (1 + pair[0] * t - f);
  }
  wide r4 = r2 * r2, d6 = r4 * r2 + pair[1], d8 = r4 * r4 + pair[2];
  wide both = wide_keep(inside, 1 / (d6 * d8)), t6 = both * d8, t8 = both * d6;
  *v = r4 * (t6 * t6 + (pair[0] * 1.3333333333333333) * (t8 * t8 * r2));
  return t6 + pair[0] * t8;
}

FN const double *pair_rows(const pair_frame *f, wide pair[3]) {
  const dispersion_args *a = f->a;
  const double *row =
      a->pair + (size_t)a->first_row[a->center->species[f->center]] * a->stride + f->slot;
  UNROLL(3)
  for (int c = 0; c < 3; c++) pair[c] = wide_load(row + (size_t)c * a->stride);
  return row + DISPERSION_ROW_C6 * a->stride;
}

FN wide attract_list(const pair_frame *f, const wide pair[3], wide strength, int op, int far,
                     int itself, wide force[3], wide *w) {
  wide u = wide_set(0), v, d[3];
  for (int k = 0; k < f->n[far]; k++) {
    wide r2 = squared(f, far, k, d);
    u += attraction(pair, r2, far, within(f, r2, itself), &v);
    if (op == PAIR_FORCE || op == PAIR_VIRIAL)
      add_force(v * strength, d, op == PAIR_VIRIAL, force, w);
  }
  return u;
}

FN void attract_body(const pair_frame *f, int op, int itself, wide *sum, wide *w) {
  const dispersion_args *a = f->a;
  wide pair[3], c6[3], force[3] = {wide_set(0), wide_set(0), wide_set(0)};
  mix(f, pair_rows(f, pair), op != PAIR_ENERGY, c6);
  if (itself)
    for (int c = 0; c < 3; c++) c6[c] *= 0.5;
  wide u = attract_list(f, pair, 6 * c6[0], op, 0, itself, force, w);
  u += attract_list(f, pair, 6 * c6[0], op, 1, itself, force, w);
  wide e = 0.5 * c6[0] * u;
  sum[SUM_ENERGY] -= e;
  wide_add(a->energy + f->slot, -e);
  if (op == PAIR_ENERGY) return;
  sum[SUM_COUNT] -= c6[1] * u;
  wide_add(a->count_bar + f->slot, -(c6[2] * u));
  keep_force(f, force, sum);
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

FN void pair_body(const pair_frame *f, int op, int itself, wide *sum, wide *virial) {
  if (op == PAIR_COUNT) count_body(f, itself, sum);
  else if (op == PULL_FORCE || op == PULL_VIRIAL) pull_body(f, op, itself, sum, virial);
  else if (op == FIELD_COUNT || op == FIELD_ENERGY) field_body(f, op);
  else attract_body(f, op, itself, sum, virial);
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
      pair_body(f, op, itself, sum[k], virial);
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
