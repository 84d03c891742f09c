/* isotherm.c -- what a Langmuir isotherm says: loading, spreading pressure, heat.
 *
 * With u = ln b + ln P: loading q / (1 + e^-u), spreading q ln(1 + e^u), both safe for any u.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/isotherm.h"

#include <math.h>

enum { ROUNDS = 200 };

static double log_b(const isotherm *m, int s, double temperature) {
  return log(m->b[s]) + m->e[s] / ISOTHERM_R * (1 / temperature - 1 / m->reference);
}

static double coverage(double u) { return u > 0 ? 1 / (1 + exp(-u)) : exp(u) / (1 + exp(u)); }
static double softplus(double u) { return u > 0 ? u + log1p(exp(-u)) : log1p(exp(u)); }

static double loading_at(const isotherm *m, double temperature, double ln_pressure) {
  double n = 0;
  for (int s = 0; s < m->sites; s++)
    n += m->q[s] * coverage(log_b(m, s, temperature) + ln_pressure);
  return n;
}

double isotherm_loading(const isotherm *m, double temperature, double pressure) {
  return pressure > 0 ? loading_at(m, temperature, log(pressure)) : 0;
}

double isotherm_henry(const isotherm *m, double temperature) {
  double k = 0;
  for (int s = 0; s < m->sites; s++) k += m->q[s] * exp(log_b(m, s, temperature));
  return k;
}

double isotherm_spreading(const isotherm *m, double temperature, double ln_pressure) {
  double psi = 0;
  for (int s = 0; s < m->sites; s++)
    psi += m->q[s] * softplus(log_b(m, s, temperature) + ln_pressure);
  return psi;
}

/* psi <= K P gives a lower bound of ln P; Newton in ln P, in which psi is convex, in a bracket. */
double isotherm_ln_pressure(const isotherm *m, double temperature, double psi, double *loading) {
  double low = log(psi / isotherm_henry(m, temperature)), step = 1, x = low;
  double high = low;
  while (isotherm_spreading(m, temperature, high) < psi && step < 1e9) {
    low = high;
    high += step;
    step *= 2;
  }
  for (int i = 0; i < ROUNDS && high - low > 1e-14 * (1 + fabs(low)); i++) {
    double f = isotherm_spreading(m, temperature, x) - psi, slope = loading_at(m, temperature, x);
    if (fabs(f) <= 4e-16 * psi) break;
    if (f > 0) high = x;
    else low = x;
    double next = x - f / slope;
    x = next > low && next < high ? next : 0.5 * (low + high);
  }
  *loading = loading_at(m, temperature, x);
  return x;
}

double isotherm_heat(const isotherm *m, double temperature, double pressure) {
  double sum = 0, weight = 0;
  for (int s = 0; s < m->sites; s++) {
    double b = exp(log_b(m, s, temperature)), w = m->q[s] * b / pow(1 + b * pressure, 2);
    sum += w * m->e[s];
    weight += w;
  }
  return weight > 0 ? sum / weight : 0;
}
