/* pose.c -- uniform insertion poses.
 *
 * Position: fractional coordinates uniform in [0,1)^3. Orientation (K. Shoemake, Graphics Gems III,
 * 1992): q = (sqrt(1-a) sin 2 pi b, sqrt(1-a) cos 2 pi b, sqrt(a) sin 2 pi c, sqrt(a) cos 2 pi c)
 * for uniform a, b, c is uniform on the unit 3-sphere, hence on SO(3).
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pose.h"

#include "core/adsorption/random.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.283185307179586476925287

void pose_from_uniform(const double u[6], const double cell[9], pose *out) {
  for (int k = 0; k < 3; k++)
    out->position[k] = u[0] * cell[k] + u[1] * cell[3 + k] + u[2] * cell[6 + k];
  double s = sqrt(1 - u[3]), t = sqrt(u[3]);
  out->quaternion[0] = s * sin(TWO_PI * u[4]);
  out->quaternion[1] = s * cos(TWO_PI * u[4]);
  out->quaternion[2] = t * sin(TWO_PI * u[5]);
  out->quaternion[3] = t * cos(TWO_PI * u[5]);
}

void pose_draw(uint64_t seed, uint32_t stream, uint64_t index, const double cell[9], pose *out) {
  double u[6];
  random_uniform(seed, stream, index, 6, u);
  pose_from_uniform(u, cell, out);
}

void pose_rotation(const double quaternion[4], double out[3][3]) {
  double a = quaternion[0], b = quaternion[1], c = quaternion[2], d = quaternion[3];
  const double rotation[3][3] = {
      {1 - 2 * (b * b + c * c), 2 * (a * b - c * d), 2 * (a * c + b * d)},
      {2 * (a * b + c * d), 1 - 2 * (a * a + c * c), 2 * (b * c - a * d)},
      {2 * (a * c - b * d), 2 * (b * c + a * d), 1 - 2 * (a * a + b * b)},
  };
  memcpy(out, rotation, sizeof rotation);
}

void pose_place(const pose *p, const gas *g, double (*x)[3]) {
  double rotation[3][3];
  pose_rotation(p->quaternion, rotation);
  for (int i = 0; i < g->n; i++)
    for (int k = 0; k < 3; k++) {
      const double *r = g->position[i];
      x[i][k] =
          p->position[k] + rotation[k][0] * r[0] + rotation[k][1] * r[1] + rotation[k][2] * r[2];
    }
}
