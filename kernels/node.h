/* node.h -- bodies over the channels of one node: gate, radial network's activation and norm,
 * scaling, sums of rows, readout. Each forward stands beside its reverse.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_NODE_H
#define EQS_KERNEL_NODE_H

#include "kernels/kernels.h"
#include "kernels/lane.h"

/* A gate and its derivative: c s sigmoid(s), or c sigmoid(s). */
FN void gate_factor(lane s, real c, int sigmoid, lane *g, lane *slope) {
  lane f = lane_sigmoid(s);
  if (sigmoid) {
    *g = c * f;
    *slope = c * f * (R(1.0) - f);
  } else {
    *g = c * s * f;
    *slope = c * f * (R(1.0) + s * (R(1.0) - f));
  }
}

FN void gate_forward_body(const gate_args *a, int i) {
  const real *x = (const real *)a->x + (size_t)i * (size_t)a->in.size;
  real *y = (real *)a->y + (size_t)i * (size_t)a->out.size;
  lane g, slope;
  FOR_CHANNELS(k, a->out.pitch[0]) {
    gate_factor(lane_load(x + k), (real)a->constant, 0, &g, &slope);
    lane_store(y + k, g);
  }
  for (int l = 1; l < N_L; l++) {
    if (!a->out.mul[l]) continue;
    FOR_CHANNELS(k, a->out.pitch[l]) {
      gate_factor(lane_load(x + a->gate_offset[l] + k), (real)a->gate_constant, a->sigmoid_gates,
                  &g, &slope);
      for (int m = 0; m < 2 * l + 1; m++)
        lane_store(y + a->out.offset[l] + m * a->out.pitch[l] + k,
                   g * lane_load(x + a->in.offset[l] + m * a->in.pitch[l] + k));
    }
  }
}

FN void gate_reverse_body(const gate_args *a, int i) {
  const real *x = (const real *)a->x + (size_t)i * (size_t)a->in.size;
  const real *y_bar = (const real *)a->y + (size_t)i * (size_t)a->out.size;
  real *x_bar = (real *)a->x_bar + (size_t)i * (size_t)a->in.size;
  lane g, slope;
  FOR_CHANNELS(k, a->out.pitch[0]) {
    gate_factor(lane_load(x + k), (real)a->constant, 0, &g, &slope);
    lane_store(x_bar + k, slope * lane_load(y_bar + k));
  }
  for (int l = 1; l < N_L; l++) {
    if (!a->out.mul[l]) continue;
    FOR_CHANNELS(k, a->out.pitch[l]) {
      lane g_bar = lane_set(0);
      gate_factor(lane_load(x + a->gate_offset[l] + k), (real)a->gate_constant, a->sigmoid_gates,
                  &g, &slope);
      for (int m = 0; m < 2 * l + 1; m++) {
        int at = a->in.offset[l] + m * a->in.pitch[l] + k;
        lane b = lane_load(y_bar + a->out.offset[l] + m * a->out.pitch[l] + k);
        g_bar += b * lane_load(x + at);
        lane_store(x_bar + at, g * b);
      }
      lane_store(x_bar + a->gate_offset[l] + k, slope * g_bar);
    }
  }
}

/* With f = sigmoid(x): silu' = f (1 + x (1 - f)), silu'' = f (1 - f) (2 + x (1 - 2 f)). */
FN void silu_jet_body(const silu_jet_args *a, int i) {
  real *x = (real *)a->x + (size_t)i * (size_t)a->orders * (size_t)a->width;
  real c = (real)a->constant;
  FOR_CHANNELS(k, a->width) {
    lane v = lane_load(x + k), f = lane_sigmoid(v);
    lane_store(x + k, c * v * f);
    if (a->orders < 2) continue;
    lane d1 = c * f * (R(1.0) + v * (R(1.0) - f)), v1 = lane_load(x + a->width + k);
    lane_store(x + a->width + k, d1 * v1);
    if (a->orders < 3) continue;
    lane d2 = c * f * (R(1.0) - f) * (R(2.0) + v * (R(1.0) - R(2.0) * f));
    lane_store(x + 2 * a->width + k, d1 * lane_load(x + 2 * a->width + k) + d2 * v1 * v1);
  }
}

/* With c = x - mean and V = <c c> + epsilon: y = gain c V^(-1/2) + shift, by the product rule. */
FN void norm_jet_body(const norm_jet_args *a, int i) {
  const real *inside = (const real *)a->affine, *gain = inside + a->width, *shift = gain + a->width;
  real *x = (real *)a->x + (size_t)i * (size_t)a->orders * (size_t)a->width;
  real each = R(1.0) / (real)a->channels, mean[3] = {0, 0, 0};
  lane v[3];
  for (int d = 0; d < a->orders; d++) {
    v[d] = lane_set(0);
    FOR_CHANNELS(k, a->width) v[d] += lane_load(x + d * a->width + k);
    mean[d] = each * channel_total(v[d]);
  }
  for (int d = 0; d < 3; d++) v[d] = lane_set(0);
  FOR_CHANNELS(k, a->width) {
    lane c[3], one = lane_load(inside + k);
    for (int d = 0; d < 3; d++) c[d] = lane_set(0);
    for (int d = 0; d < a->orders; d++) {
      c[d] = one * (lane_load(x + d * a->width + k) - mean[d]);
      lane_store(x + d * a->width + k, c[d]);
    }
    v[0] += c[0] * c[0];
    v[1] += c[0] * c[1];
    v[2] += c[1] * c[1] + c[0] * c[2];
  }
  double V = (double)(each * channel_total(v[0])) + a->epsilon, f0 = 1 / sqrt(V);
  double V1 = 2 * (double)(each * channel_total(v[1]));
  double V2 = 2 * (double)(each * channel_total(v[2]));
  real f = (real)f0, f1 = (real)(-0.5 * f0 / V * V1);
  real f2 = (real)(f0 / V * (0.75 / V * V1 * V1 - 0.5 * V2));
  FOR_CHANNELS(k, a->width) {
    lane g = lane_load(gain + k), c = lane_load(x + k);
    lane_store(x + k, f * c * g + lane_load(shift + k));
    if (a->orders < 2) continue;
    lane c1 = lane_load(x + a->width + k);
    lane_store(x + a->width + k, g * (f * c1 + f1 * c));
    if (a->orders < 3) continue;
    lane c2 = lane_load(x + 2 * a->width + k);
    lane_store(x + 2 * a->width + k, g * (f * c2 + R(2.0) * f1 * c1 + f2 * c));
  }
}

FN void scale_jet_body(const scale_jet_args *a, int i) {
  real *x = (real *)a->x + (size_t)i * (size_t)a->orders * (size_t)a->width;
  const double *f = a->factor + (size_t)i * (size_t)a->orders;
  FOR_CHANNELS(k, a->width) {
    lane v = lane_load(x + k);
    lane_store(x + k, (real)f[0] * v);
    if (a->orders < 2) continue;
    lane d = lane_load(x + a->width + k);
    lane_store(x + a->width + k, (real)f[0] * d + (real)f[1] * v);
    if (a->orders < 3) continue;
    lane dd = lane_load(x + 2 * a->width + k);
    lane_store(x + 2 * a->width + k, (real)f[0] * dd + (real)(2 * f[1]) * d + (real)f[2] * v);
  }
}

/* c[6] in t on [0, 1] from values, t-slopes and t-curvatures at both ends. */
FN void quintic_coefficients(const lane *a, const lane *b, lane *c) {
  lane d = b[0] - a[0] - a[1] - R(0.5) * a[2], e = b[1] - a[1] - a[2], f = b[2] - a[2];
  c[0] = a[0];
  c[1] = a[1];
  c[2] = R(0.5) * a[2];
  c[3] = R(10.0) * d - R(4.0) * e + R(0.5) * f;
  c[4] = R(7.0) * e - R(15.0) * d - f;
  c[5] = R(6.0) * d - R(3.0) * e + R(0.5) * f;
}

FN void raise(real *worst, lane v) { lane_store(worst, lane_max(lane_load(worst), lane_abs(v))); }

FN void quintic_body(const quintic_args *q, int i) {
  const size_t w = (size_t)q->width;
  const real *knot = (const real *)q->knot + (size_t)i * 3 * w;
  const real *probe = (const real *)q->probe + (size_t)i * 4 * w;
  real *piece = (real *)q->piece + (size_t)i * 6 * w, *worst = (real *)q->worst, h = (real)q->h;
  FOR_CHANNELS(k, q->width) {
    lane a[3], b[3], c[6];
    real power = R(1.0);
    for (int d = 0; d < 3; d++, power *= h) {
      a[d] = power * lane_load(knot + (size_t)d * w + k);
      b[d] = power * lane_load(knot + (size_t)(d + 3) * w + k);
    }
    quintic_coefficients(a, b, c);
    for (int d = 0; d < 6; d++) lane_store(piece + (size_t)d * w + k, c[d]);
    for (int s = 0; s < 2; s++) {
      real t = s ? R(0.6) : R(0.25);
      lane v = c[5], slope = lane_set(0);
      for (int d = 4; d >= 0; d--) {
        slope = slope * t + v;
        v = v * t + c[d];
      }
      raise(worst + k, v - lane_load(probe + (size_t)(2 * s) * w + k));
      raise(worst + w + k, R(1.0) / h * slope - lane_load(probe + (size_t)(2 * s + 1) * w + k));
    }
    raise(worst + 2 * w + k, a[0]);
    raise(worst + 3 * w + k, lane_load(knot + w + k));
  }
}

FN int row_count(const row_args *a) { return a->n_row ? *a->n_row : a->n; }

FN void row_body(const row_args *a, int i, int add) {
  const real *x =
      a->x ? (const real *)a->x + (size_t)(a->from ? a->from[i] : i) * (size_t)a->x_stride : NULL;
  real *y = (real *)a->y + (size_t)(a->to ? a->to[i] : i) * (size_t)a->y_stride;
  FOR_CHANNELS(k, a->width) {
    if (!a->x) lane_store(y + k, lane_set(0));
    else if (add) lane_store(y + k, lane_load(y + k) + lane_load(x + k));
    else lane_store(y + k, lane_load(x + k));
  }
}

FN void row_sum_body(const row_sum_args *a, int i) {
  const real *x = (const real *)a->x;
  real *y = (real *)a->y + (size_t)i * (size_t)a->width;
  FOR_CHANNELS(k, a->width) {
    lane sum = lane_set(0);
    for (int e = a->first[i]; e < a->first[i + 1]; e++)
      sum += lane_load(x + (size_t)(a->row ? a->row[e] : e) * (size_t)a->width + k);
    lane_store(y + k, sum);
  }
}

FN double scale_factor(const scale_args *a, int i) {
  return a->factor[a->factor_stride ? (size_t)i * (size_t)a->factor_stride : (size_t)i];
}

FN size_t scale_row(const scale_args *a, int i) {
  return (size_t)i * (size_t)(a->stride ? a->stride : a->width);
}

FN void scale_forward_body(const scale_args *a, int i) {
  const real *x = (const real *)a->x + scale_row(a, i);
  real *y = (real *)a->y + scale_row(a, i), f = (real)scale_factor(a, i);
  FOR_CHANNELS(k, a->width) lane_store(y + k, f * lane_load(x + k));
}

FN void scale_reverse_body(const scale_args *a, int i) {
  const real *x = (const real *)a->x + scale_row(a, i);
  real *y = (real *)a->y + scale_row(a, i), f = (real)scale_factor(a, i);
  lane sum[LW];
  sum[0] = lane_set(0);
  FOR_CHANNELS(k, a->width) {
    lane g = lane_load(y + k);
    sum[0] += g * lane_load(x + k);
    lane_store(y + k, f * g);
  }
  real total = 0;
  channel_sum(sum, 1, &total, 1);
  if (LANE_LEADER)
    a->factor_bar[i] =
        (a->chain == 0 ? 1 : a->chain * scale_factor(a, i) * scale_factor(a, i)) * (double)total;
}

FN void dot_forward_body(const dot_args *a, int i) {
  const real *x = (const real *)a->x + (size_t)i * (size_t)a->stride;
  lane sum[LW];
  sum[0] = lane_set(0);
  FOR_CHANNELS(k, a->width) sum[0] += lane_load(x + k) * lane_load((const real *)a->w + k);
  real total = 0;
  channel_sum(sum, 1, &total, 1);
  if (LANE_LEADER) a->energy[i] += (double)total;
}

FN void dot_reverse_body(const dot_args *a, int i) {
  real *x = (real *)a->x_bar + (size_t)i * (size_t)a->stride;
  FOR_CHANNELS(k, a->width)
  lane_store(x + k, lane_load(x + k) + lane_load((const real *)a->w + k));
}

#endif
