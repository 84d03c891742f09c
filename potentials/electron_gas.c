/* electron_gas.c -- electrostatics by one integral over one atom, the rest in elliptic coordinates.
 *
 * Two neutral spherical densities: E = Z_A U_B(R) - int 4 pi r^2 n_A(r) <U_B>(r) dr, U_B the
 * potential of atom B and <U_B> its mean over the sphere of radius r about A, which is
 * (K(|R - r|) - K(R + r)) / 2 r R with K(s) the integral of t U_B(t) dt from s.
 * r_A + r_B = R cosh mu, r_A - r_B = R cos nu: cusps at the nuclei are smooth in (mu, nu).
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/electron_gas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

#define PI 3.14159265358979323846
enum { P = ATOM_ORDER, KNOTS = 1536, CHUNK = 512 };

/* ---- a density that can be asked anywhere */

/* The panel's polynomial at t in [-1, 1], by barycentric weights. */
static double at_point(const double *f, double t) {
  double up = 0, down = 0;
  for (int j = 0; j < P; j++) {
    double x = sin(PI * (2 * j - P + 1) / (2 * P - 2)), d = t - x;
    if (fabs(d) < 1e-14) return f[j];
    double w = (j % 2 ? -1 : 1) * (j == 0 || j == P - 1 ? 0.5 : 1) / d;
    up += w * f[j];
    down += w;
  }
  return up / down;
}

/* f and its derivatives by x, at the knots, derivatives in units of the knots' step. */
static void sample(const atom_grid *g, const double *f, double *scratch, const gas_atom *a,
                   double (*out)[3]) {
  double *f1 = scratch, *f2 = scratch + g->n;
  atom_grid_slope(g, f, f1);
  atom_grid_slope(g, f1, f2);
  int panel = 0;
  for (int i = 0; i < a->n; i++) {
    double x = a->first + i * a->step;
    while (panel < g->panels - 1 && x > log(g->r[panel * P + P - 1])) panel++;
    int at = panel * P;
    double t = (x - log(g->r[at])) / g->half[panel] - 1;
    out[i][0] = at_point(f + at, t);
    out[i][1] = at_point(f1 + at, t) * a->step;
    out[i][2] = at_point(f2 + at, t) * a->step * a->step;
  }
}

/* Value and, unless NULL, slope by ln r of a quintic through two knots (Hermite). */
static double quintic(const gas_atom *a, const double (*f)[3], double x, double *slope) {
  double t = (x - a->first) / a->step;
  int i = (int)t;
  if (i < 0) i = 0;
  if (i > a->n - 2) i = a->n - 2;
  double u = t - i;
  const double *p = f[i], *q = f[i + 1];
  double d = q[0] - p[0] - p[1] - p[2] / 2, e = q[1] - p[1] - p[2], h = q[2] - p[2];
  double c3 = 10 * d - 4 * e + h / 2, c4 = -15 * d + 7 * e - h, c5 = 6 * d - 3 * e + h / 2;
  if (slope) *slope = (p[1] + u * (p[2] + u * (3 * c3 + u * (4 * c4 + u * 5 * c5)))) / a->step;
  return p[0] + u * (p[1] + u * (p[2] / 2 + u * (c3 + u * (c4 + u * c5))));
}

/* ln K from the density: r U = integral of charge (1 - r / s) ds from r. */
static void screened_tail(const atom_grid *g, const double *charge, double *scratch, double *out) {
  double *f = scratch, *a = scratch + g->n, *b = scratch + 2 * g->n;
  for (int i = 0; i < g->n; i++) f[i] = charge[i] * g->r[i];
  atom_grid_inward(g, f, a);
  atom_grid_inward(g, charge, b);
  for (int i = 0; i < g->n; i++) f[i] = (a[i] - g->r[i] * b[i]) * g->r[i];
  atom_grid_inward(g, f, out);
  for (int i = 0; i < g->n; i++) out[i] = log(fmax(out[i], 1e-300));
}

eqs_status gas_atom_make(const atom *a, gas_atom *out) {
  const atom_grid *g = &a->grid;
  size_t n = (size_t)g->n;
  double *work = NULL, *total, *charge, *tail, *scratch;
  *out = (gas_atom){.z = a->z, .n = KNOTS};
  eqs_status status = alloc_array(&work, 7 * n, sizeof *work, "an atom");
  if (status == EQS_OK) status = alloc_array(&out->density, KNOTS, sizeof *out->density, "an atom");
  if (status == EQS_OK)
    status = alloc_array(&out->screened, KNOTS, sizeof *out->screened, "an atom");
  if (status != EQS_OK) goto done;
  total = work, charge = work + n, tail = work + 2 * n, scratch = work + 3 * n;
  int end = 0;
  for (int i = 0; i < g->n; i++) {
    double density = a->density[0][i] + (a->spins == 2 ? a->density[1][i] : 0);
    total[i] = log(fmax(density, 1e-300));
    charge[i] = 4 * PI * g->r[i] * g->r[i] * density;
    if (density > 1e-9) out->reach = g->r[i];
    if (density > 1e-17) end = i;
  }
  out->first = log(1e-7 / a->z);
  out->last = log(g->r[end / P * P + P - 1]);
  out->step = (out->last - out->first) / (KNOTS - 1);
  screened_tail(g, charge, scratch, tail);
  sample(g, total, scratch, out, out->density);
  sample(g, tail, scratch, out, out->screened);
done:
  free(work);
  if (status != EQS_OK) gas_atom_free(out);
  return status;
}

void gas_atom_free(gas_atom *g) {
  free(g->density);
  free(g->screened);
  memset(g, 0, sizeof *g);
}

/* Density and its radial derivative; both 0 far out. */
static double density_at(const gas_atom *a, double r, double *slope) {
  double x = log(r), s;
  *slope = 0;
  if (x > a->last) return 0;
  if (x < a->first) x = a->first;
  double n = exp(quintic(a, (const double(*)[3])a->density, x, &s));
  *slope = n * s / r;
  return n;
}

/* K(r), and r U(r) = -dK/dr through *ru. */
static double screened_at(const gas_atom *a, double r, double *ru) {
  double x = log(r), s;
  if (ru) *ru = 0;
  if (x > a->last) return 0;
  /* K is flat towards the nucleus. */
  double k = exp(quintic(a, (const double(*)[3])a->screened, fmax(x, a->first), &s));
  if (ru) *ru = x < a->first ? a->z : -k * s / r;
  return k;
}

/* ---- electrostatics */

/* Double-exponential rule on [low, high]: its points crowd at both ends on every scale. */
static double between(const gas_atom *a, const gas_atom *b, double distance, double low,
                      double high) {
  enum { POINTS = 160 };
  const double range = 3.6, h = 2 * range / POINTS;
  double sum = 0;
  for (int i = 0; i <= POINTS; i++) {
    double t = -range + i * h, q = PI / 2 * sinh(t), c = cosh(q);
    double weight = h * PI / 2 * cosh(t) / (c * c) * (high - low) / 2;
    double near = (high - low) / (1 + exp(2 * fabs(q))); /* to the closer end, exactly */
    double r = t < 0 ? low + near : high - near, slope;
    double apart = fabs(distance - r);
    if (t > 0 && high == distance) apart = near;
    if (t < 0 && low == distance) apart = near;
    double mean = screened_at(b, apart, NULL) - screened_at(b, distance + r, NULL);
    sum += weight * 4 * PI * r * density_at(a, r, &slope) * mean / (2 * distance);
  }
  return sum;
}

static double coulomb(const gas_atom *a, const gas_atom *b, double distance) {
  double ru, last = exp(a->last), sum = 0;
  screened_at(b, distance, &ru);
  sum += between(a, b, distance, 0, fmin(distance, last));
  if (last > distance) sum += between(a, b, distance, distance, last);
  return a->z * ru / distance - sum;
}

/* ---- quadrature */

eqs_status gas_quadrature_make(int n, gas_quadrature *out) {
  if (n == 0) n = 64;
  *out = (gas_quadrature){.n = n, .room = CHUNK};
  EQS_TRY(alloc_array(&out->x, (size_t)n, sizeof *out->x, "quadrature"));
  EQS_TRY(alloc_array(&out->w, (size_t)n, sizeof *out->w, "quadrature"));
  EQS_TRY(alloc_array(&out->point, 9 * CHUNK, sizeof *out->point, "quadrature"));
  for (int i = 0; i < n; i++) {
    double x = cos(PI * (i + 0.75) / (n + 0.5)), slope = 1;
    for (int round = 0; round < 50; round++) {
      double p = 1, q = 0;
      for (int k = 1; k <= n; k++) {
        double next = ((2 * k - 1) * x * p - (k - 1) * q) / k;
        q = p;
        p = next;
      }
      slope = n * (x * p - q) / (x * x - 1);
      x -= p / slope;
      if (fabs(p / slope) < 1e-15) break;
    }
    out->x[i] = x;
    out->w[i] = 2 / ((1 - x * x) * slope * slope);
  }
  return EQS_OK;
}

void gas_quadrature_free(gas_quadrature *q) {
  free(q->x);
  free(q->w);
  free(q->point);
  memset(q, 0, sizeof *q);
}

typedef struct batch_of_points {
  const functional *kinetic, *xc;
  int n;
  double *density, *sigma, *energy; /* [3][CHUNK]: sum, atom A, atom B */
  double weight[CHUNK];
  gas_energy *sum;
} batch_of_points;

static eqs_status evaluate(batch_of_points *b) {
  for (int part = 0; part < 3; part++) {
    double sign = part ? -1 : 1, *density = b->density + part * CHUNK;
    double *sigma = b->sigma + part * CHUNK;
    EQS_TRY(functional_evaluate(b->kinetic, 1, b->n, density, sigma, b->energy, NULL, NULL));
    for (int i = 0; i < b->n; i++) b->sum->kinetic += sign * b->weight[i] * b->energy[i];
    EQS_TRY(functional_evaluate(b->xc, 1, b->n, density, sigma, b->energy, NULL, NULL));
    for (int i = 0; i < b->n; i++) b->sum->xc += sign * b->weight[i] * b->energy[i];
  }
  b->n = 0;
  return EQS_OK;
}

static void add_point(batch_of_points *b, const gas_atom *atom_a, const gas_atom *atom_b,
                      double distance, double ra, double rb, double weight) {
  double sa, sb, a = density_at(atom_a, ra, &sa), c = density_at(atom_b, rb, &sb);
  double least = fmin(a, c), most = fmax(a, c);
  if (weight * least * (1 + cbrt(most * most)) < 1e-10) return;
  double angle = (ra * ra + rb * rb - distance * distance) / (2 * ra * rb);
  int i = b->n++;
  b->weight[i] = weight;
  b->density[i] = a + c;
  b->density[CHUNK + i] = a;
  b->density[2 * CHUNK + i] = c;
  b->sigma[i] = fmax(0, sa * sa + sb * sb + 2 * sa * sb * fmax(-1, fmin(1, angle)));
  b->sigma[CHUNK + i] = sa * sa;
  b->sigma[2 * CHUNK + i] = sb * sb;
}

eqs_status gas_pair(const gas_atom *a, const gas_atom *b, const functional *kinetic,
                    const functional *xc, double r, gas_quadrature *q, gas_energy *out) {
  *out = (gas_energy){.coulomb = coulomb(a, b, r)};
  batch_of_points points = {.kinetic = kinetic,
                            .xc = xc,
                            .density = q->point,
                            .sigma = q->point + 3 * CHUNK,
                            .energy = q->point + 6 * CHUNK,
                            .sum = out};
  double far = acosh(1 + 2 * fmax(a->reach, b->reach) / r);
  for (int i = 0; i < q->n; i++) {
    double mu = far / 2 * (1 + q->x[i]), sm = sinh(mu), half = sinh(mu / 2);
    for (int j = 0; j < q->n; j++) {
      double nu = PI / 2 * (1 + q->x[j]), sn = sin(nu), s = sin(nu / 2), c = cos(nu / 2);
      /* (cosh mu -+ cos nu) / 2, without cancellation */
      double ra = r * (half * half + c * c), rb = r * (half * half + s * s);
      double weight = q->w[i] * q->w[j] * far / 2 * PI / 2 * 2 * PI * r * ra * rb * sm * sn / 2;
      add_point(&points, a, b, r, ra, rb, weight);
      if (points.n == CHUNK) EQS_TRY(evaluate(&points));
    }
  }
  if (points.n) EQS_TRY(evaluate(&points));
  out->total = out->coulomb + out->kinetic + out->xc;
  return EQS_OK;
}
