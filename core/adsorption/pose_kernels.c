/* pose_kernels.c -- a density of poses around given ones, to draw from and to evaluate.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pose_kernels.h"

#include "core/adsorption/random.h"
#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEARN_ROUNDS = 50 };
#define TWO_PI      6.283185307179586476925287
#define REACH       6.0 /* standard deviations: beyond, a kernel is 1e-8 of its height */
#define FLOOR_SHARE 0.1 /* of all draws, spread over all parts whatever was learnt */
#define WIDER_SHARE 0.4 /* goes to the next wider part: what was learnt from misses the tails */

static const double widths[KERNEL_WIDTHS] = {0.1, 0.2, 0.4, 0.8};    /* angstrom */
static const double spreads[KERNEL_SPREADS] = {0.07, 0.18, 0.45, 1}; /* s */

/* ---- orientations */

static pose_turn turn_of(const gas *g, double axis[3]) {
  if (!g) return TURN_BODY;
  if (g->n < 2) return TURN_NONE;
  double length = 0;
  for (int k = 0; k < 3; k++) {
    axis[k] = g->position[1][k] - g->position[0][k];
    length += axis[k] * axis[k];
  }
  length = sqrt(length);
  for (int k = 0; k < 3; k++) axis[k] /= length;
  for (int i = 2; i < g->n; i++) {
    double d[3], along = 0, square = 0;
    for (int k = 0; k < 3; k++) {
      d[k] = g->position[i][k] - g->position[0][k];
      along += d[k] * axis[k];
      square += d[k] * d[k];
    }
    if (square - along * along > 1e-6) return TURN_BODY;
  }
  return TURN_AXIS;
}

static void toward_of(const pose_kernels *k, const pose *p, double out[4]) {
  double r[3][3];
  if (k->turn != TURN_AXIS) {
    memcpy(out, p->quaternion, sizeof p->quaternion);
    return;
  }
  pose_rotation(p->quaternion, r);
  for (int i = 0; i < 3; i++)
    out[i] = r[i][0] * k->axis[0] + r[i][1] * k->axis[1] + r[i][2] * k->axis[2];
  out[3] = 0;
}

/* A rotation that takes the molecule's axis to `to`. */
static void turn_axis(const double axis[3], const double to[3], double q[4]) {
  double w = 1 + axis[0] * to[0] + axis[1] * to[1] + axis[2] * to[2];
  int least = 0;
  for (int k = 0; k < 3; k++) {
    q[k] = axis[(k + 1) % 3] * to[(k + 2) % 3] - axis[(k + 2) % 3] * to[(k + 1) % 3];
    if (fabs(axis[k]) < fabs(axis[least])) least = k;
  }
  q[3] = w;
  if (w < 1e-8) { /* half a turn about any axis across */
    double across[3] = {0, 0, 0};
    across[least] = 1;
    for (int k = 0; k < 3; k++) q[k] = across[k] - axis[least] * axis[k];
    q[3] = 0;
  }
  double length = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  for (int k = 0; k < 4; k++) q[k] /= length;
}

/* ---- making one */

eqs_status pose_kernels_open(pose_kernels *k, const double cell[9], const gas *molecule,
                             int capacity) {
  memcpy(k->cell, cell, sizeof k->cell);
  k->volume = fabs(cell_volume(cell));
  if (capacity < 1 || !cell_inverse(cell, k->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "poses are drawn around at least one, in a cell with a volume");
  cell_widths(cell, k->width);
  for (int a = 0; a < KERNEL_WIDTHS; a++)
    k->height[a] = k->volume / pow(sqrt(TWO_PI) * widths[a], 3);
  k->turn = turn_of(molecule, k->axis);
  k->capacity = capacity;
  EQS_TRY(alloc_array(&k->center, (size_t)capacity, sizeof *k->center, "kernels"));
  EQS_TRY(alloc_array(&k->toward, (size_t)capacity, sizeof *k->toward, "kernels"));
  EQS_TRY(alloc_array(&k->weight, (size_t)capacity, sizeof *k->weight, "kernels"));
  for (int j = 0; j < KERNEL_PARTS; j++) k->share[j] = 1.0 / KERNEL_PARTS;
  return EQS_OK;
}

void pose_kernels_free(pose_kernels *k) {
  free(k->center);
  free(k->toward);
  free(k->weight);
  *k = (pose_kernels){0};
}

static void fractional_of(const pose_kernels *k, const double x[3], double f[3]) {
  for (int j = 0; j < 3; j++)
    f[j] = x[0] * k->inverse[j] + x[1] * k->inverse[3 + j] + x[2] * k->inverse[6 + j];
}

/* floor of a small number; without SSE4.1 that of the library is a call. */
static double down(double x) {
  double whole = (double)(int)x;
  return whole > x ? whole - 1 : whole;
}

static double cosine_square(const double a[4], const double b[4]) {
  double c = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  return fmin(c * c, 1);
}

/* Whether a centre is less than `near` away: angstrom, and the sine of the angle between
 * orientations. Planes of the lattice are a width apart: most centres need one coordinate. */
static int is_near(const pose_kernels *k, int i, const double f[3], const double toward[4],
                   double near) {
  double g[3], r2 = 0;
  for (int j = 0; j < 3; j++) {
    g[j] = f[j] - k->center[i][j];
    g[j] -= down(g[j] + 0.5);
    if (fabs(g[j]) * k->width[j] > near * (1 + 1e-9)) return 0;
  }
  for (int j = 0; j < 3; j++) {
    double x = g[0] * k->cell[j] + g[1] * k->cell[3 + j] + g[2] * k->cell[6 + j];
    r2 += x * x;
  }
  if (k->turn != TURN_NONE) r2 += 1 - cosine_square(toward, k->toward[i]);
  return r2 < near * near;
}

int pose_kernels_near(const pose_kernels *k, const pose *p, double near) {
  double f[3], toward[4];
  fractional_of(k, p->position, f);
  toward_of(k, p, toward);
  for (int i = 0; i < k->n; i++)
    if (is_near(k, i, f, toward, near)) return i;
  return -1;
}

int pose_kernels_add(pose_kernels *k, const pose *p, double weight, double near) {
  if (k->n == k->capacity || pose_kernels_near(k, p, near) >= 0) return 0;
  fractional_of(k, p->position, k->center[k->n]);
  toward_of(k, p, k->toward[k->n]);
  k->weight[k->n++] = weight;
  return 1;
}

void pose_kernels_close(pose_kernels *k) {
  double sum = 0;
  for (int i = 0; i < k->n; i++) sum += k->weight[i];
  for (int i = 0; i < k->n; i++) k->weight[i] /= sum;
}

/* ---- drawing */

/* A direction in p dimensions: s g + (1 - s)(g.c) c, normalised. */
static void draw_toward(int p, double s, const double *c, double *g) {
  double along = 0, square = 0;
  for (int k = 0; k < p; k++) along += g[k] * c[k];
  for (int k = 0; k < p; k++) {
    g[k] = s * g[k] + (1 - s) * along * c[k];
    square += g[k] * g[k];
  }
  if (!(square > 0)) { /* all random numbers were zero */
    memcpy(g, c, (size_t)p * sizeof *g);
    return;
  }
  for (int k = 0; k < p; k++) g[k] /= sqrt(square);
}

static int pick(int n, const double *share, double u) {
  int i = 0;
  for (; i < n - 1 && u >= share[i]; i++) u -= share[i];
  return i;
}

void pose_kernels_draw(const pose_kernels *k, const double *u, pose *out) {
  int i = pick(k->n, k->weight, u[0]), part = pick(KERNEL_PARTS, k->share, u[1]);
  double h = widths[part / KERNEL_SPREADS], g[4], f[3];
  memcpy(g, u + 2, sizeof g);
  random_make_normal(g, 4);
  for (int j = 0; j < 3; j++) {
    f[j] = k->center[i][j] +
           h * (g[0] * k->inverse[j] + g[1] * k->inverse[3 + j] + g[2] * k->inverse[6 + j]);
    f[j] -= floor(f[j]);
  }
  for (int j = 0; j < 3; j++)
    out->position[j] = f[0] * k->cell[j] + f[1] * k->cell[3 + j] + f[2] * k->cell[6 + j];
  memcpy(g, u + 6, sizeof g);
  random_make_normal(g, 4);
  draw_toward(k->turn == TURN_AXIS ? 3 : 4, spreads[part % KERNEL_SPREADS], k->toward[i], g);
  if (k->turn == TURN_AXIS) turn_axis(k->axis, g, out->quaternion);
  else memcpy(out->quaternion, g, sizeof out->quaternion);
}

/* ---- the density */

/* P_a at the fractional difference f from a kernel's centre, over all images within reach. */
static int position_parts(const pose_kernels *k, const double difference[3], double *out) {
  const double reach = REACH * widths[KERNEL_WIDTHS - 1];
  double f[3];
  int low[3], high[3], any = 0;
  for (int j = 0; j < 3; j++) {
    f[j] = difference[j] - down(difference[j]);
    low[j] = -(int)down(reach / k->width[j] + f[j]);
    high[j] = (int)down(reach / k->width[j] - f[j]);
    if (low[j] > high[j]) return 0;
  }
  for (int a = 0; a < KERNEL_WIDTHS; a++) out[a] = 0;
  for (int x = low[0]; x <= high[0]; x++)
    for (int y = low[1]; y <= high[1]; y++)
      for (int z = low[2]; z <= high[2]; z++) {
        double g[3] = {f[0] + x, f[1] + y, f[2] + z}, r2 = 0;
        for (int j = 0; j < 3; j++) {
          double d = g[0] * k->cell[j] + g[1] * k->cell[3 + j] + g[2] * k->cell[6 + j];
          r2 += d * d;
        }
        if (r2 > reach * reach) continue;
        any = 1;
        for (int a = 0; a < KERNEL_WIDTHS; a++)
          if (r2 < REACH * REACH * widths[a] * widths[a])
            out[a] += exp(-0.5 * r2 / (widths[a] * widths[a]));
      }
  for (int a = 0; a < KERNEL_WIDTHS; a++) out[a] *= k->height[a];
  return any;
}

static void turn_parts(const pose_kernels *k, const double a[4], const double b[4], double *out) {
  double c2 = cosine_square(a, b);
  for (int s = 0; s < KERNEL_SPREADS; s++) {
    double s2 = spreads[s] * spreads[s], x = c2 + (1 - c2) / s2;
    if (k->turn == TURN_NONE) out[s] = 1;
    else if (k->turn == TURN_AXIS) out[s] = 1 / (s2 * x * sqrt(x));
    else out[s] = 1 / (s2 * spreads[s] * x * x);
  }
}

void pose_kernels_parts(const pose_kernels *k, const pose *p, double part[KERNEL_PARTS]) {
  double f[3], toward[4], near[KERNEL_WIDTHS], turned[KERNEL_SPREADS];
  fractional_of(k, p->position, f);
  toward_of(k, p, toward);
  for (int j = 0; j < KERNEL_PARTS; j++) part[j] = 0;
  for (int i = 0; i < k->n; i++) {
    const double *c = k->center[i];
    if (!position_parts(k, (const double[3]){f[0] - c[0], f[1] - c[1], f[2] - c[2]}, near))
      continue;
    turn_parts(k, toward, k->toward[i], turned);
    for (int j = 0; j < KERNEL_PARTS; j++)
      part[j] += k->weight[i] * near[j / KERNEL_SPREADS] * turned[j % KERNEL_SPREADS];
  }
}

static double sum_of(const double share[KERNEL_PARTS], const double part[KERNEL_PARTS]) {
  double m = 0;
  for (int j = 0; j < KERNEL_PARTS; j++) m += share[j] * part[j];
  return m;
}

double pose_kernels_density(const pose_kernels *k, const pose *p) {
  double part[KERNEL_PARTS];
  pose_kernels_parts(k, p, part);
  return sum_of(k->share, part);
}

void pose_kernels_learn(pose_kernels *k, int n, const double (*part)[KERNEL_PARTS],
                        const double *weight) {
  double share[KERNEL_PARTS];
  memcpy(share, k->share, sizeof share);
  for (int round = 0; round < LEARN_ROUNDS; round++) {
    double next[KERNEL_PARTS] = {0}, total = 0;
    for (int i = 0; i < n; i++) {
      double m = sum_of(share, part[i]);
      if (!(m > 0 && weight[i] > 0)) continue;
      total += weight[i];
      for (int j = 0; j < KERNEL_PARTS; j++) next[j] += weight[i] * share[j] * part[i][j] / m;
    }
    if (!(total > 0)) return;
    for (int j = 0; j < KERNEL_PARTS; j++) share[j] = next[j] / total;
  }
  for (int j = 0; j < KERNEL_PARTS; j++) k->share[j] = FLOOR_SHARE / KERNEL_PARTS;
  for (int j = 0; j < KERNEL_PARTS; j++) {
    int a = j / KERNEL_SPREADS, b = j % KERNEL_SPREADS;
    int wide = (a + 1 < KERNEL_WIDTHS ? a + 1 : a) * KERNEL_SPREADS;
    wide += b + 1 < KERNEL_SPREADS ? b + 1 : b;
    k->share[j] += (1 - FLOOR_SHARE - WIDER_SHARE) * share[j];
    k->share[wide] += WIDER_SHARE * share[j];
  }
}
