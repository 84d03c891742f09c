/* test_radial.c -- radial functions: the network against the formulas, its derivatives against
 * finite differences, and the tables of single precision against the network.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/radial.h"

enum { BASIS = 8, HIDDEN = 24, PATHS = 2, OUT = 26, SPECIES = 2, POINTS = 4001 };
static const double act = 1.6791767923989418, r_max = 5.0;
static const int channels[PATHS] = {10, 16}; /* the first one is padded */
static const double radius[SPECIES] = {0.76, 1.22};

/* SevenNet's two cutoffs; MACE's bases and transforms. */
static const struct setup {
  const char *name;
  radial_basis basis;
} setups[] = {
    {"Bessel, XPLOR",
     {.cutoff = CUTOFF_XPLOR,
      .r_on = 4.5,
      .kind = BASIS_BESSEL,
      .prefactor = 0.4,
      .cutoff_on_basis = 1}},
    {"Bessel, polynomial",
     {.cutoff_p = 6, .kind = BASIS_BESSEL, .prefactor = 0.4, .cutoff_on_basis = 1}},
    {"Bessel, cut weights", {.cutoff_p = 5, .kind = BASIS_BESSEL, .prefactor = 0.6}},
    {"Gaussian", {.cutoff_p = 5, .kind = BASIS_GAUSSIAN, .prefactor = -0.98, .cutoff_on_basis = 1}},
    {"Chebyshev, Agnesi",
     {.cutoff_p = 5,
      .kind = BASIS_CHEBYSHEV,
      .cutoff_on_basis = 1,
      .transform = TRANSFORM_AGNESI,
      .q = 0.9183,
      .p = 4.5791,
      .a = 1.0805}},
    {"Bessel, Agnesi, XPLOR",
     {.cutoff = CUTOFF_XPLOR,
      .r_on = 4.2,
      .kind = BASIS_BESSEL,
      .prefactor = 0.4,
      .cutoff_on_basis = 1,
      .transform = TRANSFORM_AGNESI,
      .q = 0.9183,
      .p = 4.5791,
      .a = 1.0805}},
    {"Bessel, Soft",
     {.cutoff_p = 6,
      .kind = BASIS_BESSEL,
      .prefactor = 0.4,
      .cutoff_on_basis = 1,
      .transform = TRANSFORM_SOFT,
      .alpha = 4}}};
enum { SETUPS = sizeof setups / sizeof *setups };

typedef struct network {
  radial_basis basis;
  double w0[BASIS * HIDDEN], w1[HIDDEN * HIDDEN], w2[HIDDEN * OUT], density[BASIS];
  radial *single, *twice; /* tables and network */
  int width;
} network;

static double uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 4503599627370496.0 - 1;
}

/* Zeroed; aligned as the kernels want it. */
static double *doubles(size_t n) {
  double *x;
  cr_assert(alloc_array(&x, n, sizeof *x, "test") == EQS_OK);
  return x;
}

static network *make_network(const struct setup *s, int with_density) {
  uint64_t seed = 31;
  network *f = calloc(1, sizeof *f);
  cr_assert(f);
  f->basis = s->basis;
  f->basis.r_max = r_max;
  f->basis.n = BASIS;
  for (int i = 0; i < BASIS; i++) {
    f->basis.weight[i] = s->basis.kind == BASIS_BESSEL     ? (i + 1) * 3.14159265358979 / r_max
                         : s->basis.kind == BASIS_GAUSSIAN ? i * r_max / (BASIS - 1)
                                                           : i + 1;
    f->density[i] = uniform(&seed);
  }
  if (s->basis.kind == BASIS_BESSEL) f->basis.weight[0] = 2.94e-4; /* as small as in one file */
  for (int i = 0; i < BASIS * HIDDEN; i++) f->w0[i] = 1.7 * uniform(&seed);
  for (int i = 0; i < HIDDEN * HIDDEN; i++) f->w1[i] = 1.7 * uniform(&seed);
  for (int i = 0; i < HIDDEN * OUT; i++) f->w2[i] = 1.7 * uniform(&seed);
  const dense_network net = {
      .n = 3,
      .layer = {{.in = BASIS, .out = HIDDEN, .scale = 1 / sqrt(BASIS), .weight = f->w0},
                {.in = HIDDEN, .out = HIDDEN, .scale = 1 / sqrt(HIDDEN), .weight = f->w1},
                {.in = HIDDEN, .out = OUT, .scale = 1 / sqrt(HIDDEN), .weight = f->w2}},
      .act = act};
  const dense_network density = {
      .n = 1, .layer = {{.in = BASIS, .out = 1, .scale = 1 / sqrt(BASIS), .weight = f->density}}};
  for (int d = 0; d < 2; d++)
    cr_assert(radial_create(&f->basis, kernels_host(d), &net, with_density ? &density : NULL, PATHS,
                            channels, d ? &f->twice : &f->single) == EQS_OK,
              "%s", eqs_error());
  f->width = radial_width(f->twice);
  static const unsigned char present[SPECIES] = {1, 1};
  cr_assert(radial_prepare(f->single, SPECIES, present, radius) == EQS_OK, "%s: %s", s->name,
            eqs_error());
  return f;
}

static void free_network(network *f) {
  radial_free(&f->single);
  radial_free(&f->twice);
  free(f);
}

/* [orders][width] at one length. */
static void evaluate(const network *f, double r, int orders, int side, double *out) {
  arena scratch = {0};
  double sum = radius[0] + radius[1];
  radial_edges edge = {.n = 1, .n_edge = &edge.n, .r = &r, .r_sum = &sum};
  cr_assert(radial_evaluate(f->twice, &edge, orders, side, &scratch, out) == EQS_OK);
  arena_free(&scratch);
}

/* ---------------------------------------------------------------------------------- network */

static double silu(double x) { return act * x / (1 + exp(-x)); }

/* SevenNet's radial functions, written down once more. */
static void formula(const network *f, double r, double *out) {
  double u = r / r_max, c2 = r_max * r_max, on2 = f->basis.r_on * f->basis.r_on, r2 = r * r;
  double cut = 1 - 28 * pow(u, 6) + 48 * pow(u, 7) - 21 * pow(u, 8), a[HIDDEN], b[HIDDEN];
  if (f->basis.cutoff == CUTOFF_XPLOR)
    cut =
        r < f->basis.r_on ? 1 : (c2 - r2) * (c2 - r2) * (c2 + 2 * r2 - 3 * on2) / pow(c2 - on2, 3);
  for (int j = 0; j < HIDDEN; j++) {
    a[j] = 0;
    for (int i = 0; i < BASIS; i++)
      a[j] +=
          2 / r_max * sin(f->basis.weight[i] * r) / r * cut * f->w0[i * HIDDEN + j] / sqrt(BASIS);
    a[j] = silu(a[j]);
  }
  for (int j = 0; j < HIDDEN; j++) {
    b[j] = 0;
    for (int i = 0; i < HIDDEN; i++) b[j] += a[i] * f->w1[i * HIDDEN + j] / sqrt(HIDDEN);
    b[j] = silu(b[j]);
  }
  for (int j = 0; j < OUT; j++) {
    out[j] = 0;
    for (int i = 0; i < HIDDEN; i++) out[j] += b[i] * f->w2[i * OUT + j] / sqrt(HIDDEN);
  }
}

Test(radial, network_follows_the_formula) {
  for (int s = 0; s < 2; s++) {
    network *f = make_network(&setups[s], 0);
    double *got = doubles((size_t)f->width), want[OUT];
    cr_assert(radial_offset(f->twice, 0) == 0 && radial_offset(f->twice, 1) == 16);
    for (double r = 0.05; r < r_max; r += 0.0495) {
      formula(f, r, want);
      evaluate(f, r, 1, 1, got);
      for (int j = 0; j < OUT; j++) {
        double v = got[j < channels[0] ? j : 16 + j - channels[0]];
        cr_assert(fabs(v - want[j]) < 1e-13, "%s: R_%d(%g) = %.15g, not %.15g", setups[s].name, j,
                  r, v, want[j]);
      }
      for (int j = channels[0]; j < 16; j++) cr_assert(got[j] == 0, "padding is not zero");
    }
    free(got);
    free_network(f);
  }
}

Test(radial, derivatives_of_the_network_are_finite_differences) {
  const double h = 1e-5;
  for (int s = 0; s < SETUPS; s++) {
    network *f = make_network(&setups[s], 1);
    size_t w = (size_t)f->width;
    double *x = doubles(3 * w), *plus = doubles(3 * w), *minus = doubles(3 * w);
    for (double r = 0.3; r < 4.99; r += 0.0713) {
      evaluate(f, r, 3, 1, x);
      evaluate(f, r + h, 3, 1, plus);
      evaluate(f, r - h, 3, 1, minus);
      for (size_t o = 0; o < 2; o++)
        for (size_t j = 0; j < w; j++) {
          double numeric = (plus[o * w + j] - minus[o * w + j]) / (2 * h), v = x[(o + 1) * w + j];
          cr_assert(fabs(v - numeric) < 2e-7 * (1 + fabs(v)),
                    "%s: derivative %zu of column %zu at %g is %.9g, by differences %.9g",
                    setups[s].name, o + 1, j, r, v, numeric);
        }
    }
    free(x), free(plus), free(minus);
    free_network(f);
  }
}

Test(radial, vanishes_with_its_slope_at_the_cutoff) {
  for (int s = 0; s < SETUPS; s++) {
    network *f = make_network(&setups[s], 1);
    size_t w = (size_t)f->width;
    double *x = doubles(2 * w);
    for (int side = -1; side <= 1; side += 2) {
      evaluate(f, r_max, 2, side, x);
      for (size_t j = 0; j < 2 * w; j++)
        cr_assert(fabs(x[j]) < 1e-12, "%s: %g at the cutoff", setups[s].name, x[j]);
    }
    free(x);
    free_network(f);
  }
}

/* ----------------------------------------------------------------------------------- tables */

typedef struct located {
  double value, slope; /* by r */
} located;

/* Column of the table of pair (0, 1) at n lengths: [n][width]. */
static void look_up(const network *f, int n, const double *r, located *out) {
  arena scratch = {0};
  radial_rows rows;
  int *s1 = calloc((size_t)n, sizeof *s1), *s2 = calloc((size_t)n, sizeof *s2);
  for (int e = 0; e < n; e++) s1[e] = e % 2, s2[e] = 1 - e % 2; /* the order must not matter */
  radial_edges edges = {.n = n, .n_edge = &n, .r = r, .source = s2, .target = s1};
  cr_assert(radial_locate(f->single, &edges, 1, &scratch, &rows) == EQS_OK);
  cr_assert(rows.orders == RADIAL_QUINTIC);
  for (int e = 0; e < n; e++)
    for (int j = 0; j < f->width; j++) {
      const float *c = (const float *)rows.row[e] + j;
      double t = (double)((const float *)rows.t)[e], v = 0, d = 0;
      for (int o = RADIAL_QUINTIC - 1; o >= 0; o--) {
        d = d * t + v;
        v = v * t + (double)c[o * rows.order_stride];
      }
      out[e * f->width + j] = (located){v, d * rows.slope[e]};
    }
  free(s1), free(s2);
  arena_free(&scratch);
}

/* The stated errors, and what is seen at lengths that were no knots or probes. */
Test(radial, tables_are_as_close_as_they_say) {
  for (int s = 0; s < SETUPS; s++) {
    network *f = make_network(&setups[s], 1);
    size_t w = (size_t)f->width;
    double value, slope, worst[2] = {0}, most[2] = {0}, *x = doubles(2 * w);
    double *r = calloc(POINTS, sizeof *r);
    located *table = calloc(POINTS * w, sizeof *table);
    radial_table_error(f->single, &value, &slope);
    cr_assert(value > 0 && value <= 1e-7 && slope <= 1e-6, "%s: %g, %g", setups[s].name, value,
              slope);
    for (int i = 0; i < POINTS; i++) r[i] = 0.01 + 4.9899 * i / (POINTS - 1.0);
    look_up(f, POINTS, r, table);
    for (size_t i = 0; i < POINTS; i++) {
      evaluate(f, r[i], 2, 1, x);
      for (size_t j = 0; j < w; j++) {
        most[0] = fmax(most[0], fabs(x[j]));
        most[1] = fmax(most[1], fabs(x[w + j]));
        worst[0] = fmax(worst[0], fabs(table[i * w + j].value - x[j]));
        worst[1] = fmax(worst[1], fabs(table[i * w + j].slope - x[w + j]));
      }
    }
    /* beyond the table's own error: the rounding of coefficients and positions to floats */
    cr_assert(worst[0] < 4e-7 * most[0] && worst[1] < 2e-6 * most[1],
              "%s: values off by %g of %g, slopes by %g of %g", setups[s].name, worst[0], most[0],
              worst[1], most[1]);
    free(x), free(r), free(table);
    free_network(f);
  }
}

Test(radial, slope_of_a_table_is_its_derivative) {
  const double h = 2e-3;
  enum { N = 400 };
  network *f = make_network(&setups[0], 0);
  size_t w = (size_t)f->width;
  double r[3 * N], most = 0;
  located *x = calloc(3 * N * w, sizeof *x);
  for (int i = 0; i < N; i++) {
    r[i] = 0.5 + 3.9 * i / N;
    r[N + i] = r[i] + h;
    r[2 * N + i] = r[i] - h;
  }
  look_up(f, 3 * N, r, x);
  for (size_t i = 0; i < N * w; i++) most = fmax(most, fabs(x[i].slope));
  for (size_t i = 0; i < N * w; i++) {
    double numeric = (x[N * w + i].value - x[2 * N * w + i].value) / (2 * h);
    cr_assert(fabs(x[i].slope - numeric) < 2e-4 * most, "%g, by differences %g", x[i].slope,
              numeric);
  }
  free(x);
  free_network(f);
}

/* XPLOR's second derivative jumps where it begins: a knot lies there, so that both sides keep their
 * own curvature, and value and slope go through. */
Test(radial, tables_have_a_knot_where_the_cutoff_begins) {
  network *f = make_network(&setups[0], 0);
  size_t w = (size_t)f->width;
  const double on = 4.5, d = 1e-4;
  double r[] = {on - 2 * d, on - d, on - 1e-9, on, on + d, on + 2 * d, r_max - 1e-9}, most = 0;
  located *x = calloc(7 * w, sizeof *x);
  double *left = doubles(3 * w), *right = doubles(3 * w);
  look_up(f, 7, r, x);
  evaluate(f, on, 3, -1, left);
  evaluate(f, on, 3, 1, right);
  for (size_t j = 0; j < w; j++) most = fmax(most, fabs(right[2 * w + j]));
  double jump = 0;
  for (size_t j = 0; j < w; j++) {
    double below = (x[w + j].slope - x[j].slope) / d;
    double above = (x[5 * w + j].slope - x[4 * w + j].slope) / d;
    cr_assert(fabs(x[2 * w + j].value - x[3 * w + j].value) < 1e-6);
    cr_assert(fabs(x[2 * w + j].slope - x[3 * w + j].slope) < 1e-5);
    cr_assert(fabs(below - left[2 * w + j]) < 0.02 * most, "%g, not %g", below, left[2 * w + j]);
    cr_assert(fabs(above - right[2 * w + j]) < 0.02 * most, "%g, not %g", above, right[2 * w + j]);
    cr_assert(fabs(x[6 * w + j].value) < 1e-6 && fabs(x[6 * w + j].slope) < 1e-4);
    jump = fmax(jump, fabs(right[2 * w + j] - left[2 * w + j]));
  }
  cr_assert(jump > 0.1 * most, "this case does not test the jump");
  free(x), free(left), free(right);
  free_network(f);
}
