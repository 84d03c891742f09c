/* rigid.c -- rigid bodies: principal axes by Jacobi rotations, free rotation by exact splitting.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/rigid.h"

#include <math.h>
#include <string.h>

void rigid_diagonalise(double a[3][3], double axes[3][3]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) axes[i][j] = i == j;
  for (int sweep = 0; sweep < 50; sweep++)
    for (int p = 0; p < 2; p++)
      for (int q = p + 1; q < 3; q++) {
        if (a[p][q] == 0) continue;
        double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
        double c = 1 / sqrt(t * t + 1), s = t * c;
        for (int k = 0; k < 3; k++) { /* a <- a G */
          double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y;
          a[k][q] = s * x + c * y;
        }
        for (int k = 0; k < 3; k++) { /* a <- G^T a, and the axes */
          double x = a[p][k], y = a[q][k], u = axes[p][k], v = axes[q][k];
          a[p][k] = c * x - s * y;
          a[q][k] = s * x + c * y;
          axes[p][k] = c * u - s * v;
          axes[q][k] = s * u + c * v;
        }
        a[p][q] = a[q][p] = 0;
      }
}

void rigid_shape_make(int n, const double *mass, const double (*position)[3], rigid_shape *out) {
  double tensor[3][3] = {{0}}, largest = 0;
  *out = (rigid_shape){.n = n};
  for (int i = 0; i < n; i++) out->mass += mass[i];
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) out->center[k] += mass[i] * position[i][k] / out->mass;
  for (int i = 0; i < n; i++) {
    double x[3], r2 = 0;
    for (int k = 0; k < 3; k++) {
      x[k] = position[i][k] - out->center[k];
      r2 += x[k] * x[k];
    }
    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++) tensor[a][b] += mass[i] * ((a == b ? r2 : 0) - x[a] * x[b]);
  }
  rigid_diagonalise(tensor, out->axes);
  for (int k = 0; k < 3; k++) largest = fmax(largest, tensor[k][k]);
  for (int k = 0; k < 3; k++) out->inertia[k] = tensor[k][k] > 1e-9 * largest ? tensor[k][k] : 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++)
      for (int a = 0; a < 3; a++)
        out->site[i][k] += out->axes[k][a] * (position[i][a] - out->center[a]);
}

/* S. W. Shepperd, J. Guidance Control 1, 223 (1978): divides by the largest component. */
static void quaternion_of(const double r[3][3], double q[4]) {
  double trace = r[0][0] + r[1][1] + r[2][2], most = trace;
  int at = 3;
  for (int k = 0; k < 3; k++)
    if (r[k][k] > most) most = r[at = k][k];
  if (at == 3) {
    q[3] = 1 + trace;
    for (int k = 0; k < 3; k++) q[k] = r[(k + 2) % 3][(k + 1) % 3] - r[(k + 1) % 3][(k + 2) % 3];
  } else {
    int j = (at + 1) % 3, k = (at + 2) % 3;
    q[at] = 1 + 2 * most - trace;
    q[j] = r[j][at] + r[at][j];
    q[k] = r[k][at] + r[at][k];
    q[3] = r[k][j] - r[j][k];
  }
  double length = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  for (int k = 0; k < 4; k++) q[k] /= length;
}

void rigid_from_pose(const rigid_shape *s, const pose *p, rigid_body *b) {
  double r[3][3];
  pose_rotation(p->quaternion, r);
  *b = (rigid_body){.center = {p->position[0], p->position[1], p->position[2]}};
  for (int i = 0; i < 3; i++)
    for (int a = 0; a < 3; a++) {
      b->center[i] += r[i][a] * s->center[a];
      for (int k = 0; k < 3; k++) b->turn[i][k] += r[i][a] * s->axes[k][a];
    }
}

void rigid_to_pose(const rigid_shape *s, const rigid_body *b, pose *p) {
  double r[3][3] = {{0}};
  for (int i = 0; i < 3; i++)
    for (int a = 0; a < 3; a++)
      for (int k = 0; k < 3; k++) r[i][a] += b->turn[i][k] * s->axes[k][a];
  quaternion_of((const double(*)[3])r, p->quaternion);
  pose_rotation(p->quaternion, r); /* what the quaternion says, so that both agree */
  for (int i = 0; i < 3; i++) {
    p->position[i] = b->center[i];
    for (int a = 0; a < 3; a++) p->position[i] -= r[i][a] * s->center[a];
  }
}

/* Turns the body about its own axis k by `angle`; the spin in space stays. */
static void turn_about(rigid_body *b, int k, double angle) {
  int p = (k + 1) % 3, q = (k + 2) % 3;
  double c = cos(angle), s = sin(angle), x = b->spin[p], y = b->spin[q];
  b->spin[p] = c * x + s * y;
  b->spin[q] = c * y - s * x;
  for (int a = 0; a < 3; a++) {
    double u = b->turn[a][p], v = b->turn[a][q];
    b->turn[a][p] = c * u + s * v;
    b->turn[a][q] = c * v - s * u;
  }
}

void rigid_rotate(const rigid_shape *s, rigid_body *b, double dt) {
  static const int order[5] = {0, 1, 2, 1, 0};
  for (int i = 0; i < 5; i++) {
    int k = order[i];
    if (s->inertia[k] > 0) turn_about(b, k, (i == 2 ? dt : dt / 2) * b->spin[k] / s->inertia[k]);
  }
}

void rigid_kick(const rigid_shape *s, rigid_body *b, const double (*force)[3], double unit,
                double dt) {
  double sum[3] = {0, 0, 0};
  for (int i = 0; i < s->n; i++) {
    double f[3] = {0, 0, 0}; /* along the principal axes */
    const double *x = s->site[i];
    for (int a = 0; a < 3; a++) {
      sum[a] += force[i][a];
      for (int k = 0; k < 3; k++) f[k] += b->turn[a][k] * force[i][a];
    }
    for (int k = 0; k < 3; k++) {
      int p = (k + 1) % 3, q = (k + 2) % 3;
      if (s->inertia[k] > 0) b->spin[k] += dt * unit * (x[p] * f[q] - x[q] * f[p]);
    }
  }
  for (int a = 0; a < 3; a++) b->velocity[a] += dt * unit * sum[a] / s->mass;
}

void rigid_sites(const rigid_shape *s, const rigid_body *b, double (*x)[3]) {
  for (int i = 0; i < s->n; i++)
    for (int a = 0; a < 3; a++) {
      x[i][a] = b->center[a];
      for (int k = 0; k < 3; k++) x[i][a] += b->turn[a][k] * s->site[i][k];
    }
}

double rigid_kinetic(const rigid_shape *s, const rigid_body *b) {
  double sum = 0;
  for (int k = 0; k < 3; k++) {
    sum += s->mass * b->velocity[k] * b->velocity[k] / 2;
    if (s->inertia[k] > 0) sum += b->spin[k] * b->spin[k] / s->inertia[k] / 2;
  }
  return sum;
}
