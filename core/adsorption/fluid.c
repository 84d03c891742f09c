/* fluid.c -- Peng-Robinson: D.-Y. Peng, D. B. Robinson, Ind. Eng. Chem. Fundam. 15, 59 (1976).
 *
 * Z^3 - (1-B) Z^2 + (A - 3B^2 - 2B) Z - (AB - B^2 - B^3) = 0, A = a P/(RT)^2, B = b P/(RT), with
 * a = sum y_i y_j sqrt(a_i a_j) (1 - k_ij), b = sum y_i b_i. Of several roots Z > B the stable
 * phase is the one of lowest sum y_i ln phi_i. Constants: CO2 Span, Wagner (1996); N2 Span et al.
 * (2000); CH4 Setzmann, Wagner (1991); H2O Wagner, Pruss (2002); Ar Tegeler, Span, Wagner (1999);
 * He McCarty, Arp (1990): the reference equations of NIST. The equation is poor for He, whose
 * fugacity coefficient at 298 K and 1 bar comes out 3e-4 too small.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/fluid.h"

#include "core/adsorption/widom.h"

#include <math.h>
#include <strings.h>

#define ROOT2 1.41421356237309504880

static const fluid known[] = {
    {"CO2", 304.1282, 7.3773e6, 0.22394}, {"N2", 126.192, 3.3958e6, 0.0372},
    {"CH4", 190.564, 4.5992e6, 0.01142},  {"H2O", 647.096, 22.064e6, 0.3443},
    {"Ar", 150.687, 4.863e6, -0.00219},   {"He", 5.1953, 0.22746e6, -0.385},
};

/* Of a mixture at one temperature; SI. */
typedef struct mixture {
  int n;
  double y[FLUID_MAX], b_pure[FLUID_MAX];
  double pull[FLUID_MAX]; /* sum_j y_j a_ij */
  double a, b;
} mixture;

eqs_status fluid_find(const char *name, fluid *out) {
  size_t n = sizeof known / sizeof known[0];
  for (size_t i = 0; name && i < n; i++)
    if (strcasecmp(known[i].name, name) == 0) {
      *out = known[i];
      return EQS_OK;
    }
  EQS_FAIL(EQS_ERR_ARGUMENT,
           "no critical constants of '%.40s'; known are CO2, N2, CH4, H2O, Ar, He: give the "
           "fugacity itself",
           name ? name : "");
}

static eqs_status check(int n, const fluid *part, const double *y, const double *k, double t) {
  double sum = 0;
  if (n < 1 || n > FLUID_MAX || !part || !y)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a fluid of %d components; 1 to %d can be mixed", n, FLUID_MAX);
  if (!(t > 0 && t <= 1e5)) EQS_FAIL(EQS_ERR_ARGUMENT, "temperature %g K of a fluid", t);
  for (int i = 0; i < n; i++) {
    const fluid *g = &part[i];
    if (!(g->critical_temperature > 0 && g->critical_pressure > 0 && fabs(g->acentric) <= 2) ||
        !isfinite(g->critical_temperature) || !isfinite(g->critical_pressure))
      EQS_FAIL(EQS_ERR_ARGUMENT, "critical constants of component %d make no sense", i + 1);
    if (!(y[i] >= 0 && y[i] <= 1 + 1e-6))
      EQS_FAIL(EQS_ERR_ARGUMENT, "mole fraction %g of component %d; give 0 to 1", y[i], i + 1);
    sum += y[i];
    for (int j = 0; k && j < n; j++)
      if (!(fabs(k[i * n + j]) < 1) || k[i * n + j] != k[j * n + i] || k[i * n + i] != 0)
        EQS_FAIL(EQS_ERR_ARGUMENT,
                 "binary parameters must be symmetric, below 1, and 0 on the diagonal; see "
                 "components %d and %d",
                 i + 1, j + 1);
  }
  if (!(fabs(sum - 1) <= 1e-6))
    EQS_FAIL(EQS_ERR_ARGUMENT, "mole fractions add up to %.8g, not 1", sum);
  return EQS_OK;
}

static double attraction(const fluid *g, double t) {
  double w = g->acentric, kappa = 0.37464 + 1.54226 * w - 0.26992 * w * w;
  double root = 1 + kappa * (1 - sqrt(t / g->critical_temperature));
  double rt = GAS_CONSTANT * g->critical_temperature;
  return 0.45723553 * rt * rt / g->critical_pressure * root * root;
}

static void mix(int n, const fluid *part, const double *y, const double *k, double t, mixture *m) {
  double pure[FLUID_MAX], sum = 0;
  *m = (mixture){.n = n};
  for (int i = 0; i < n; i++) sum += y[i];
  for (int i = 0; i < n; i++) {
    m->y[i] = y[i] / sum;
    pure[i] = sqrt(attraction(&part[i], t));
    m->b_pure[i] =
        0.07779607 * GAS_CONSTANT * part[i].critical_temperature / part[i].critical_pressure;
    m->b += m->y[i] * m->b_pure[i];
  }
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++)
      m->pull[i] += m->y[j] * pure[i] * pure[j] * (1 - (k ? k[i * n + j] : 0));
    m->a += m->y[i] * m->pull[i];
  }
}

/* Newton steps onto the root next to z. */
static double polish(const double c[3], double z) {
  for (int i = 0; i < 8; i++) {
    double slope = (3 * z + 2 * c[2]) * z + c[1];
    if (slope == 0) break;
    double step = (((z + c[2]) * z + c[1]) * z + c[0]) / slope;
    z -= step;
    if (fabs(step) <= 1e-16 * fabs(z)) break;
  }
  return z;
}

/* Real roots of z^3 + c[2] z^2 + c[1] z + c[0], by Cardano and the trigonometric form. */
static int cubic_roots(const double c[3], double z[3]) {
  double q = (c[2] * c[2] - 3 * c[1]) / 9;
  double r = ((2 * c[2] * c[2] - 9 * c[1]) * c[2] + 27 * c[0]) / 54;
  double shift = c[2] / 3, q3 = q * q * q;
  if (q3 > 0 && r * r < q3) {
    double angle = acos(r / sqrt(q3)), size = -2 * sqrt(q);
    for (int i = 0; i < 3; i++)
      z[i] = polish(c, size * cos((angle + 2 * 3.14159265358979323846 * (i - 1)) / 3) - shift);
    return 3;
  }
  double e = -copysign(cbrt(fabs(r) + sqrt(r * r - q3)), r);
  z[0] = polish(c, e + (e != 0 ? q / e : 0) - shift);
  return 1;
}

static void coefficients(const mixture *m, double z, double A, double B, double ln_phi[]) {
  double bracket = log1p(2 * ROOT2 * B / (z + (1 - ROOT2) * B));
  for (int i = 0; i < m->n; i++) {
    double b = m->b_pure[i] / m->b;
    ln_phi[i] =
        b * (z - 1) - log(z - B) - A / (2 * ROOT2 * B) * (2 * m->pull[i] / m->a - b) * bracket;
  }
}

eqs_status fluid_solve(int n, const fluid *part, const double *y, const double *k,
                       double temperature, double pressure, fluid_state *out) {
  mixture m;
  EQS_TRY(check(n, part, y, k, temperature));
  if (!(pressure > 0 && pressure <= 1e10))
    EQS_FAIL(EQS_ERR_ARGUMENT, "pressure %g Pa of a fluid; give up to 1e10 Pa", pressure);
  mix(n, part, y, k, temperature, &m);
  double rt = GAS_CONSTANT * temperature;
  double A = m.a * pressure / (rt * rt), B = m.b * pressure / rt;
  const double c[3] = {-(A * B - B * B - B * B * B), A - 3 * B * B - 2 * B, -(1 - B)};
  double root[3], lowest = INFINITY;
  int n_root = cubic_roots(c, root);
  *out = (fluid_state){.z = NAN};
  for (int r = 0; r < n_root; r++) {
    double ln_phi[FLUID_MAX], energy = 0;
    if (!(root[r] > B)) continue;
    coefficients(&m, root[r], A, B, ln_phi);
    for (int i = 0; i < n; i++) energy += m.y[i] * ln_phi[i];
    out->roots++;
    if (!(energy < lowest)) continue;
    lowest = energy;
    out->z = root[r];
    for (int i = 0; i < n; i++) {
      out->phi[i] = exp(ln_phi[i]);
      out->fugacity[i] = out->phi[i] * m.y[i] * pressure;
    }
  }
  if (!isfinite(lowest))
    EQS_FAIL(EQS_ERR_DIVERGED, "Peng-Robinson has no finite answer at %g K and %g Pa", temperature,
             pressure);
  out->density = pressure / (out->z * rt);
  return EQS_OK;
}

eqs_status fluid_second_virial(int n, const fluid *part, const double *y, const double *k,
                               double temperature, double *out) {
  mixture m;
  EQS_TRY(check(n, part, y, k, temperature));
  mix(n, part, y, k, temperature, &m);
  *out = m.b - m.a / (GAS_CONSTANT * temperature);
  return EQS_OK;
}
