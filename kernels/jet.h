/* jet.h -- a value with its first and second derivative by the edge length, and the functions that
 * radial bases, cutoffs and distance transforms are made of.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNEL_JET_H
#define EQS_KERNEL_JET_H

#include <math.h>

#include "kernels/lane.h"

typedef struct jet {
  double v, d, dd;
} jet;

FN jet jet_of(double v, double d, double dd) {
  jet a;
  a.v = v, a.d = d, a.dd = dd;
  return a;
}
FN jet jet_variable(double x) { return jet_of(x, 1, 0); }
FN jet jet_constant(double c) { return jet_of(c, 0, 0); }
FN jet jet_add(jet a, jet b) { return jet_of(a.v + b.v, a.d + b.d, a.dd + b.dd); }
FN jet jet_scale(double c, jet a) { return jet_of(c * a.v, c * a.d, c * a.dd); }
FN jet jet_mul(jet a, jet b) {
  return jet_of(a.v * b.v, a.d * b.v + a.v * b.d, a.dd * b.v + 2 * a.d * b.d + a.v * b.dd);
}
/* f(a) from f, f', f'' at a.v. */
FN jet jet_chain(jet a, double f, double f1, double f2) {
  return jet_of(f, f1 * a.d, f1 * a.dd + f2 * a.d * a.d);
}
FN jet jet_inverse(jet a) {
  double i = 1 / a.v;
  return jet_chain(a, i, -i * i, 2 * i * i * i);
}
/* a^p for a >= 0; at a = 0 the derivatives that would be infinite do not occur here (p > 2). */
FN jet jet_power(jet a, double p) {
  if (a.v == 0) return jet_chain(a, p == 0, p == 1, p == 2 ? 2 : 0);
  double f = pow(a.v, p);
  return jet_chain(a, f, p * f / a.v, p * (p - 1) * f / (a.v * a.v));
}
FN jet jet_exp(jet a) {
  double e = exp(a.v);
  return jet_chain(a, e, e, e);
}
FN jet jet_tanh(jet a) {
  double t = tanh(a.v), s = 1 - t * t;
  return jet_chain(a, t, s, -2 * t * s);
}
/* sin(k a) / a, also at and near a = 0. */
FN jet jet_sine_over(double k, jet a) {
  double y = k * a.v;
  if (fabs(y) < 0.2) {
    double y2 = y * y, k3 = k * k * k;
    double f = k * (1 - y2 / 6 * (1 - y2 / 20 * (1 - y2 / 42 * (1 - y2 / 72))));
    double f1 = -k3 * a.v / 3 * (1 - y2 / 10 * (1 - y2 / 28 * (1 - y2 / 54 * (1 - y2 / 88))));
    double f2 = -k3 / 3 * (1 - y2 * 3 / 10 * (1 - y2 * 5 / 84 * (1 - y2 * 7 / 270)));
    return jet_chain(a, f, f1, f2);
  }
  double s = sin(y), c = cos(y), i = 1 / a.v;
  return jet_chain(a, s * i, (k * c - s * i) * i, (-k * k * s - 2 * (k * c - s * i) * i) * i);
}

#endif
