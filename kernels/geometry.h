/* geometry.h -- bodies over edges: lengths, spherical harmonics, couplings, and their reverses.
 *
 * Real spherical harmonics in e3nn's convention (y is the polar axis, component normalisation:
 * the squares of one l sum to 2l+1 on the unit sphere), as homogeneous polynomials of the vector,
 * so that the same code serves unit vectors and, for the oldest SevenNet file, raw ones.
 * Here a lane is LW neighbouring edges of one tile.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_GEOMETRY_H
#define EQS_KERNEL_GEOMETRY_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

FN void harmonics(lane x, lane y, lane z, int lmax, real *out) {
  const real s3 = R(1.7320508075688772), s5 = R(2.2360679774997898), s15 = R(3.8729833462074170);
  const real s70 = R(2.0916500663351889), s105 = R(10.246950765959598);
  const real s42 = R(1.6201851746019651), s7 = R(1.3228756555322954);
  lane_store(out, lane_set(1));
  if (lmax < 1) return;
  lane_store(out + 1 * EDGE_TILE, s3 * x);
  lane_store(out + 2 * EDGE_TILE, s3 * y);
  lane_store(out + 3 * EDGE_TILE, s3 * z);
  if (lmax < 2) return;
  lane x2 = x * x, y2 = y * y, z2 = z * z;
  lane_store(out + 4 * EDGE_TILE, s15 * x * z);
  lane_store(out + 5 * EDGE_TILE, s15 * x * y);
  lane_store(out + 6 * EDGE_TILE, s5 * (y2 - R(0.5) * (x2 + z2)));
  lane_store(out + 7 * EDGE_TILE, s15 * y * z);
  lane_store(out + 8 * EDGE_TILE, (R(0.5) * s15) * (z2 - x2));
  if (lmax < 3) return;
  lane_store(out + 9 * EDGE_TILE, s70 * x * (R(3.0) * z2 - x2));
  lane_store(out + 10 * EDGE_TILE, s105 * x * y * z);
  lane_store(out + 11 * EDGE_TILE, s42 * x * (R(4.0) * y2 - x2 - z2));
  lane_store(out + 12 * EDGE_TILE, s7 * y * (R(2.0) * y2 - R(3.0) * (x2 + z2)));
  lane_store(out + 13 * EDGE_TILE, s42 * z * (R(4.0) * y2 - x2 - z2));
  lane_store(out + 14 * EDGE_TILE, (R(0.5) * s105) * y * (z2 - x2));
  lane_store(out + 15 * EDGE_TILE, s70 * z * (z2 - R(3.0) * x2));
}

/* d[c] = sum_m g[m] dY_m / d(x, y, z)_c . */
FN void harmonics_gradient(lane x, lane y, lane z, int lmax, const real *g, lane *d) {
  const real s3 = R(1.7320508075688772), s5 = R(2.2360679774997898), s15 = R(3.8729833462074170);
  const real s70 = R(2.0916500663351889), s105 = R(10.246950765959598);
  const real s42 = R(1.6201851746019651), s7 = R(1.3228756555322954);
  d[0] = d[1] = d[2] = lane_set(0);
  if (lmax < 1) return;
  d[0] = s3 * lane_load(g + 1 * EDGE_TILE);
  d[1] = s3 * lane_load(g + 2 * EDGE_TILE);
  d[2] = s3 * lane_load(g + 3 * EDGE_TILE);
  if (lmax < 2) return;
  lane a = s15 * lane_load(g + 4 * EDGE_TILE), b = s15 * lane_load(g + 5 * EDGE_TILE);
  lane c = s5 * lane_load(g + 6 * EDGE_TILE), e = s15 * lane_load(g + 7 * EDGE_TILE);
  lane f = s15 * lane_load(g + 8 * EDGE_TILE);
  d[0] += a * z + b * y - c * x - f * x;
  d[1] += b * x + R(2.0) * c * y + e * z;
  d[2] += a * x - c * z + e * y + f * z;
  if (lmax < 3) return;
  lane x2 = x * x, y2 = y * y, z2 = z * z, xy = x * y, xz = x * z, yz = y * z;
  a = s70 * lane_load(g + 9 * EDGE_TILE);
  d[0] += a * R(3.0) * (z2 - x2);
  d[2] += a * R(6.0) * xz;
  b = s105 * lane_load(g + 10 * EDGE_TILE);
  d[0] += b * yz;
  d[1] += b * xz;
  d[2] += b * xy;
  c = s42 * lane_load(g + 11 * EDGE_TILE);
  d[0] += c * (R(4.0) * y2 - R(3.0) * x2 - z2);
  d[1] += c * R(8.0) * xy;
  d[2] -= c * R(2.0) * xz;
  e = s7 * lane_load(g + 12 * EDGE_TILE);
  d[0] -= e * R(6.0) * xy;
  d[1] += e * (R(6.0) * y2 - R(3.0) * (x2 + z2));
  d[2] -= e * R(6.0) * yz;
  f = s42 * lane_load(g + 13 * EDGE_TILE);
  d[0] -= f * R(2.0) * xz;
  d[1] += f * R(8.0) * yz;
  d[2] += f * (R(4.0) * y2 - x2 - R(3.0) * z2);
  a = R(0.5) * s105 * lane_load(g + 14 * EDGE_TILE);
  d[0] -= a * R(2.0) * xy;
  d[1] += a * (z2 - x2);
  d[2] += a * R(2.0) * yz;
  b = s70 * lane_load(g + 15 * EDGE_TILE);
  d[0] -= b * R(6.0) * xz;
  d[2] += b * R(3.0) * (z2 - x2);
}

/* Edges tile * EDGE_TILE + j .. + LW-1; places beyond the last edge hold a zero vector. */
FN void edge_geometry_body(const edge_geometry_args *a, int tile, int j) {
  real *u = (real *)a->u + (size_t)tile * 3 * EDGE_TILE + j;
  for (int i = 0; i < LW; i++) {
    int e = tile * EDGE_TILE + j + i;
    double v[3] = {0, 0, 0}, scale = 1;
    if (e < *a->n_edge) {
      const double *p = a->vector[a->edge[e]];
      double r = sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
      a->r[e] = r;
      if (a->normalize) scale = 1 / r;
      v[0] = p[0], v[1] = p[1], v[2] = p[2];
    }
    for (int c = 0; c < 3; c++) u[c * EDGE_TILE + i] = (real)(v[c] * scale);
  }
  int n_y = (a->lmax + 1) * (a->lmax + 1);
  harmonics(lane_load(u), lane_load(u + EDGE_TILE), lane_load(u + 2 * EDGE_TILE), a->lmax,
            (real *)a->y + (size_t)tile * (size_t)n_y * EDGE_TILE + j);
}

FN void edge_gradient_body(const edge_gradient_args *a, int tile, int j) {
  int n_y = (a->lmax + 1) * (a->lmax + 1);
  const real *u = (const real *)a->u + (size_t)tile * 3 * EDGE_TILE + j;
  const real *g = (const real *)a->y_bar + (size_t)tile * (size_t)n_y * EDGE_TILE + j;
  lane x = lane_load(u), y = lane_load(u + EDGE_TILE), z = lane_load(u + 2 * EDGE_TILE), d[3];
  harmonics_gradient(x, y, z, a->lmax, g, d);
  real out[3][EDGE_TILE] __attribute__((aligned(64)));
  for (int c = 0; c < 3; c++) lane_store(out[c], d[c]);
  for (int i = 0; i < LW; i++) {
    int e = tile * EDGE_TILE + j + i;
    if (e >= *a->n_edge) break;
    double r = a->r[e], unit = a->normalize ? 1 : 1 / r, along = 0, v[3];
    for (int c = 0; c < 3; c++) {
      v[c] = (double)u[c * EDGE_TILE + i] * unit;
      along += v[c] * (double)out[c][i];
    }
    double *f = a->gradient[a->edge[e]];
    for (int c = 0; c < 3; c++) {
      double across = a->normalize ? ((double)out[c][i] - along * v[c]) / r : (double)out[c][i];
      f[c] += a->r_bar[e] * v[c] + across;
    }
  }
}

/* q = C y and its adjoint, for LW edges of a tile. */
FN void coupling_forward_body(const coupling_args *a, int tile, int j) {
  const real *y = (const real *)a->y + (size_t)tile * (size_t)a->n_y * EDGE_TILE + j;
  real *q = (real *)a->q + (size_t)tile * (size_t)a->n_q * EDGE_TILE + j;
  int t = 0;
  for (int i = 0; i < a->n_q; i++) {
    lane sum = lane_set(0);
    for (; t < a->n_term && a->term[t].q == i; t++)
      sum += (real)a->term[t].c * lane_load(y + a->term[t].m * EDGE_TILE);
    lane_store(q + i * EDGE_TILE, sum);
  }
}

/* sum: room for n_y lanes, `pitch` apart, in memory that can be indexed: on a GPU a column per
 * thread of shared memory. */
FN void coupling_reverse_sums(const coupling_args *a, int tile, int j, lane *sum, int pitch) {
  real *y = (real *)a->y + (size_t)tile * (size_t)a->n_y * EDGE_TILE + j;
  const real *q = (const real *)a->q + (size_t)tile * (size_t)a->n_q * EDGE_TILE + j;
  for (int m = 0; m < a->n_y; m++) sum[m * pitch] = lane_set(0);
  for (int t = 0; t < a->n_term; t++)
    sum[a->term[t].m * pitch] += (real)a->term[t].c * lane_load(q + a->term[t].q * EDGE_TILE);
  for (int m = 0; m < a->n_y; m++) lane_store(y + m * EDGE_TILE, sum[m * pitch]);
}

/* What divides an owner's message in MACE's density blocks, from a scalar per edge. */
FN void density_forward_body(const density_args *a, int i) {
  double sum = 0;
  FOR_EDGES(e, a->first[i], a->first[i + 1]) {
    const real *c = (const real *)a->row[e] + a->column;
    double t = (double)((const real *)a->t)[e], v = (double)c[(a->orders - 1) * a->order_stride];
    for (int d = a->orders - 2; d >= 0; d--) v = v * t + (double)c[d * a->order_stride];
    sum += v;
  }
  sum = edge_total(sum);
  if (LANE_LEADER) a->scale[i] = 1 / (a->gain * sum + a->offset);
}

FN void density_reverse_body(const density_args *a, int i) {
  FOR_EDGES(e, a->first[i], a->first[i + 1]) {
    const real *c = (const real *)a->row[e] + a->column;
    double t = (double)((const real *)a->t)[e], s = 0;
    for (int d = a->orders - 1; d > 0; d--) s = s * t + d * (double)c[d * a->order_stride];
    a->r_bar[e] += a->density_bar[a->by_center ? i : a->other[e]] * s * a->slope[e];
  }
}

#endif
