/* dispersion.h -- bodies of the D3 sums over pairs: coordination numbers, attraction, the gradient
 * of the coordination numbers, as one centre sees a few partners under a list of translations.
 *
 * A lane (`wide`) is a partner here: a vector of them on the host, a thread's on a GPU. Everything
 * is double in both tables: a pair on the wrong side of the sharp cutoff costs more than the
 * rounding of the whole sum. The two orders of loops are the backends' (kernels/host/dispersion.h
 * and kernels/cuda/dispersion.h): the host takes a pair once and gives results to both atoms, a GPU
 * takes it twice and lets every centre gather its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_DISPERSION_H
#define EQS_KERNEL_DISPERSION_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/lane.h"

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

/* One centre and the partners of a group over translations, sorted into near and far. Far ones
 * bring no two atoms nearer than a->far. A list holds indices into the launch's translations on the
 * host; on a GPU it is the warp's, and `begin`, `step` say which of it are the thread's. */
#if defined(__CUDACC__) || defined(EQS_EMULATOR)
/* ------------------------------------------------------------------------ one thread, a partner */
enum { GATHER = 1, IMAGE_LIST = 64 };
typedef double wide;
typedef int wide_mask;
typedef double image_list[3][IMAGE_LIST];
typedef struct pair_frame {
  const dispersion_args *a;
  image_list *image; /* [2] near, far */
  int n[2], begin, step;
  int center, slot; /* of the centre, of the thread's partner */
  wide d[3];        /* partner minus centre, before translation */
} pair_frame;

FN wide wide_load(const double *p) { return *p; }
FN void wide_add(double *p, wide v) { *p += v; }
FN wide wide_set(double x) { return x; }
FN wide wide_keep(wide_mask m, wide x) { return m ? x : 0.0; }
FN wide wide_abs(wide x) { return fabs(x); }
FN wide wide_guess(wide x) { return (double)rsqrtf((float)x); }
/* p times 2^n, n in the low bits of t. */
FN wide wide_power(wide p, wide t) {
  unsigned long long n = (unsigned long long)__double_as_longlong(t) << 52;
  return __longlong_as_double((long long)((unsigned long long)__double_as_longlong(p) + n));
}
FN double image_of(const pair_frame *f, int far, int k, int c) { return f->image[far][c][k]; }
#define FOR_IMAGES(f, far, k) for (int k = (f)->begin; k < (f)->n[far]; k += (f)->step)

#else
/* ------------------------------------------------------------------- one register of partners */
typedef double wide __attribute__((vector_size(LANE_BYTES)));
typedef int64_t wide_mask __attribute__((vector_size(LANE_BYTES)));
enum { GATHER = 0, WIDE = LANE_BYTES / 8 };
typedef struct pair_frame {
  const dispersion_args *a;
  int list[2][DISPERSION_SHIFTS + WIDE], n[2]; /* near, far */
  int center, slot;                            /* of the centre, of the first partner */
  wide d[3];                                   /* partners minus centre, before translation */
} pair_frame;

FN wide wide_load(const double *p) { return *(const wide *)p; }
FN void wide_add(double *p, wide v) { *(wide *)p += v; }
FN wide wide_set(double x) {
  wide zero = {0};
  return x - zero;
}
FN wide wide_keep(wide_mask m, wide x) { return (wide)(m & (wide_mask)x); }
FN wide wide_abs(wide x) { return (wide)((wide_mask)x & INT64_MAX); }
FN wide wide_guess(wide x) {
  wide y;
  UNROLL(8)
  for (int i = 0; i < WIDE; i++) y[i] = (double)(1.0f / sqrtf((float)x[i]));
  return y;
}
FN wide wide_power(wide p, wide t) { return (wide)((wide_mask)p + ((wide_mask)t << 52)); }
FN double image_of(const pair_frame *f, int far, int k, int c) {
  return f->a->shift[c][f->list[far][k]];
}
#define FOR_IMAGES(f, far, k) for (int k = 0; k < (f)->n[far]; k++)
#endif

/* To the partner's result: a GPU meets the pair again with the two exchanged. */
FN void give(double *p, int slot, wide v) {
  if (!GATHER) wide_add(p + slot, v);
}
/* The share of a pair in a group's pairs with itself, which come twice on the host. */
FN double share_of(int itself) { return itself && !GATHER ? 0.5 : 1.0; }

/* 1 / sqrt(x) in single precision, and one step of Newton's; x >= 1e-30. */
FN wide wide_rsqrt(wide x) {
  wide y = wide_guess(x);
  return y * (1.5 - 0.5 * x * (y * y));
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
  return wide_power(p, t);
}

/* The square of the distance between two boxes (centre, half widths), the second one moved. */
FN wide box_distance2(const double *from, const double *to, const wide shift[3]) {
  wide r2 = wide_set(0);
  UNROLL(3)
  for (int c = 0; c < 3; c++) {
    wide d = shift[c] + (to[c] - from[c]);
    wide gap = wide_abs(d) - (from[3 + c] + to[3 + c]);
    gap = wide_keep(gap > 0, gap);
    r2 += gap * gap;
  }
  return r2;
}

/* What a centre keeps in lanes until all its partners have been seen. */
enum { SUM_ENERGY, SUM_COUNT, SUM_FORCE, SUMS = SUM_FORCE + 3 };

FN wide squared(const pair_frame *f, int far, int k, wide d[3]) {
  UNROLL(3)
  for (int c = 0; c < 3; c++) d[c] = f->d[c] + image_of(f, far, k, c);
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
  FOR_IMAGES(f, far, k) {
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
  wide h = count_sum(f, itself) * share_of(itself);
  sum[SUM_COUNT] += h;
  give(f->a->count, f->slot, h);
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
    give(f->a->force[c], f->slot, -force[c]);
  }
}

FN void pull_list(const pair_frame *f, wide bar, wide radius, int op, int far, int itself,
                  wide force[3], wide *w) {
  wide d[3], inverse, slope;
  FOR_IMAGES(f, far, k) {
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
  bar *= radius * -share_of(itself);
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
  FOR_IMAGES(f, far, k) {
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
  if (itself && !GATHER)
    for (int c = 0; c < 3; c++) c6[c] *= 0.5;
  wide u = attract_list(f, pair, 6 * c6[0], op, 0, itself, force, w);
  u += attract_list(f, pair, 6 * c6[0], op, 1, itself, force, w);
  wide e = 0.5 * c6[0] * u;
  sum[SUM_ENERGY] -= e;
  give(a->energy, f->slot, -e);
  if (op == PAIR_ENERGY) return;
  sum[SUM_COUNT] -= c6[1] * u;
  give(a->count_bar, f->slot, -(c6[2] * u));
  keep_force(f, force, sum);
}

FN void pair_body(const pair_frame *f, int op, int itself, wide *sum, wide *virial) {
  if (op == PAIR_COUNT) count_body(f, itself, sum);
  else if (op == PULL_FORCE || op == PULL_VIRIAL) pull_body(f, op, itself, sum, virial);
  else attract_body(f, op, itself, sum, virial);
}

#endif
