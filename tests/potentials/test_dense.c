/* test_dense.c -- networks with biases, norms and embeddings of both elements, against the formula
 * written down once more, finite differences, and their tables for ordered pairs of elements.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/radial.h"

enum { BASIS = 5, WIDTH = 20, OUT = 22, PATHS = 2, SPECIES = 3, LAYERS = 3 };
static const int channels[PATHS] = {12, 10};
static const double act = 1.3, epsilon = 1e-5, r_max = 4.0;
static const int width[LAYERS + 1] = {BASIS, WIDTH, WIDTH, OUT};

/* Two networks of the same form: the weights, and a density with one output. */
typedef struct networks {
  double weight[2][LAYERS][WIDTH * OUT], bias[2][LAYERS][OUT], gain[2][LAYERS][WIDTH],
      shift[2][LAYERS][WIDTH], source[2][SPECIES * WIDTH], target[2][SPECIES * WIDTH];
  dense_network net[2];
} networks;

static double uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 4503599627370496.0 - 1;
}

static void fill(double *x, size_t n, double middle, uint64_t *seed) {
  for (size_t i = 0; i < n; i++) x[i] = middle + 0.7 * uniform(seed);
}

static networks *make_networks(void) {
  uint64_t seed = 5;
  networks *f = calloc(1, sizeof *f);
  cr_assert(f);
  for (int d = 0; d < 2; d++) {
    fill(f->source[d], SPECIES * WIDTH, 0, &seed);
    fill(f->target[d], SPECIES * WIDTH, 0, &seed);
    f->net[d] = (dense_network){.n = LAYERS,
                                .act = act,
                                .epsilon = epsilon,
                                .n_species = SPECIES,
                                .source = f->source[d],
                                .target = f->target[d]};
    for (int i = 0; i < LAYERS; i++) {
      fill(f->weight[d][i], WIDTH * OUT, 0, &seed);
      fill(f->bias[d][i], OUT, 0, &seed);
      fill(f->gain[d][i], WIDTH, 1, &seed);
      fill(f->shift[d][i], WIDTH, 0, &seed);
      int last = i == LAYERS - 1;
      f->net[d].layer[i] = (dense_layer){.in = width[i],
                                         .out = last && d ? 1 : width[i + 1],
                                         .scale = 0.9,
                                         .weight = f->weight[d][i],
                                         .bias = f->bias[d][i],
                                         .gain = last ? NULL : f->gain[d][i],
                                         .shift = last ? NULL : f->shift[d][i]};
    }
  }
  return f;
}

static radial_basis make_basis(int cutoff_on_basis) {
  radial_basis b = {.r_max = r_max,
                    .cutoff_p = 5,
                    .kind = BASIS_GAUSSIAN,
                    .n = BASIS,
                    .prefactor = -1.1,
                    .cutoff_on_basis = cutoff_on_basis};
  for (int i = 0; i < BASIS; i++) b.weight[i] = r_max * i / (BASIS - 1);
  return b;
}

static void network_formula(const networks *f, int d, const double *basis, int source, int target,
                            double *y) {
  double x[OUT] = {0};
  memcpy(x, basis, BASIS * sizeof *x);
  for (int i = 0; i < LAYERS; i++) {
    const dense_layer *l = f->net[d].layer + i;
    double mean = 0, variance = 0;
    for (int j = 0; j < l->out; j++) {
      y[j] = l->bias[j];
      for (int u = 0; u < l->in; u++) y[j] += l->scale * x[u] * l->weight[u * l->out + j];
      if (!i) y[j] += f->source[d][source * WIDTH + j] + f->target[d][target * WIDTH + j];
      mean += y[j] / l->out;
    }
    if (i == LAYERS - 1) return;
    for (int j = 0; j < l->out; j++) variance += (y[j] - mean) * (y[j] - mean) / l->out;
    for (int j = 0; j < l->out; j++) {
      double z = l->gain[j] * (y[j] - mean) / sqrt(variance + epsilon) + l->shift[j];
      x[j] = act * z / (1 + exp(-z));
    }
  }
}

/* All outputs and, as the last one, the density. */
static void formula(const networks *f, int on_basis, double r, int source, int target,
                    double out[OUT + 1]) {
  double u = r / r_max, cut = 1 - 21 * pow(u, 5) + 35 * pow(u, 6) - 15 * pow(u, 7);
  double basis[BASIS], g[OUT];
  for (int i = 0; i < BASIS; i++)
    basis[i] = exp(-1.1 * pow(r - r_max * i / (BASIS - 1), 2)) * (on_basis ? cut : 1);
  network_formula(f, 0, basis, source, target, out);
  network_formula(f, 1, basis, source, target, g);
  out[OUT] = tanh(g[0] * g[0]);
  for (int j = 0; j <= OUT && !on_basis; j++) out[j] *= cut;
}

static int column(int j) { return j < channels[0] ? j : j < OUT ? 16 + j - channels[0] : 32; }

static radial *make_radial(const networks *f, int on_basis, int twice) {
  radial_basis b = make_basis(on_basis);
  radial *a;
  cr_assert(radial_create(&b, kernels_host(twice), &f->net[0], &f->net[1], PATHS, channels, &a) ==
                EQS_OK,
            "%s", eqs_error());
  cr_assert(radial_width(a) == 48 && radial_density_column(a) == 32 && radial_offset(a, 1) == 16);
  return a;
}

/* [orders][48] of one pair. */
static void evaluate(const radial *a, double r, int source, int target, int orders, double *out) {
  arena scratch = {0};
  double *aligned; /* as the kernels want it */
  radial_edges edge = {.n = 1, .n_edge = &edge.n, .r = &r, .source = &source, .target = &target};
  cr_assert(arena_take(&scratch, 3 * 48, sizeof *aligned, &aligned) == EQS_OK);
  cr_assert(radial_evaluate(a, &edge, orders, 1, &scratch, aligned) == EQS_OK);
  memcpy(out, aligned, (size_t)(48 * orders) * sizeof *out);
  arena_free(&scratch);
}

Test(dense, follows_the_formula) {
  networks *f = make_networks();
  for (int on_basis = 0; on_basis < 2; on_basis++) {
    radial *a = make_radial(f, on_basis, 1);
    double got[48], want[OUT + 1];
    for (int e = 0; e < 60; e++) {
      double r = 0.1 + 0.063 * e;
      formula(f, on_basis, r, e % SPECIES, e / SPECIES % SPECIES, want);
      evaluate(a, r, e % SPECIES, e / SPECIES % SPECIES, 1, got);
      for (int j = 0; j <= OUT; j++)
        cr_assert(fabs(got[column(j)] - want[j]) < 1e-12, "R_%d(%g) = %.15g, not %.15g", j, r,
                  got[column(j)], want[j]);
    }
    radial_free(&a);
  }
  free(f);
}

Test(dense, derivatives_are_finite_differences) {
  const double h = 1e-5;
  networks *f = make_networks();
  for (int on_basis = 0; on_basis < 2; on_basis++) {
    radial *a = make_radial(f, on_basis, 1);
    double x[144], plus[144], minus[144];
    for (double r = 0.2; r < 3.9; r += 0.0917) {
      evaluate(a, r, 1, 2, 3, x);
      evaluate(a, r + h, 1, 2, 3, plus);
      evaluate(a, r - h, 1, 2, 3, minus);
      for (int i = 0; i < 96; i++) {
        double numeric = (plus[i] - minus[i]) / (2 * h), v = x[48 + i];
        cr_assert(fabs(v - numeric) < 1e-6 * (1 + fabs(v)), "%d at %g: %.9g, by differences %.9g",
                  i, r, v, numeric);
      }
    }
    radial_free(&a);
  }
  free(f);
}

/* Tables of single precision belong to ordered pairs: (0, 2) is not (2, 0). */
Test(dense, tables_of_ordered_pairs) {
  static const unsigned char present[SPECIES] = {1, 0, 1};
  networks *f = make_networks();
  radial *single = make_radial(f, 0, 0), *twice = make_radial(f, 0, 1);
  cr_assert(radial_prepare(single, SPECIES, present, NULL) == EQS_OK, "%s", eqs_error());
  double value, slope, x[96], apart = 0, before[48] = {0};
  radial_table_error(single, &value, &slope);
  cr_assert(value > 0 && value <= 1e-7 && slope <= 1e-6, "%g, %g", value, slope);
  for (int e = 0; e < 400; e++) {
    arena scratch = {0};
    radial_rows rows;
    int centre = e % 2 ? 2 : 0, neighbour = e / 2 % 2 ? 2 : 0;
    double r = 0.05 + 0.00985 * e;
    radial_edges edge = {
        .n = 1, .n_edge = &edge.n, .r = &r, .source = &neighbour, .target = &centre};
    cr_assert(radial_locate(single, &edge, 1, &scratch, &rows) == EQS_OK);
    evaluate(twice, r, neighbour, centre, 2, x);
    for (int j = 0; j < 48; j++) {
      const float *c = (const float *)rows.row[0] + j;
      double t = (double)*(const float *)rows.t, v = 0, d = 0;
      for (int o = RADIAL_QUINTIC - 1; o >= 0; o--) {
        d = d * t + v;
        v = v * t + (double)c[o * rows.order_stride];
      }
      cr_assert(fabs(v - x[j]) < 4e-6, "%d: R(%g) %g, not %g", j, r, v, x[j]);
      cr_assert(fabs(d * rows.slope[0] - x[48 + j]) < 4e-5, "%d: R'(%g) %g, not %g", j, r,
                d * rows.slope[0], x[48 + j]);
    }
    evaluate(twice, r, centre, neighbour, 1, before);
    apart = fmax(apart, fabs(before[0] - x[0]));
    arena_free(&scratch);
  }
  cr_assert(apart > 0.1, "this case does not tell the order of a pair");
  radial_free(&single);
  radial_free(&twice);
  free(f);
}

Test(dense, layers_that_do_not_fit_are_refused) {
  networks *f = make_networks();
  radial_basis b = make_basis(1);
  radial *a;
  dense_network wrong = f->net[0];
  wrong.layer[1].in = WIDTH + 1;
  cr_assert_eq(radial_create(&b, kernels_host(1), &wrong, NULL, PATHS, channels, &a),
               EQS_ERR_FORMAT);
  wrong = f->net[0];
  wrong.layer[2].out = OUT - 1;
  cr_assert_eq(radial_create(&b, kernels_host(1), &wrong, NULL, PATHS, channels, &a),
               EQS_ERR_FORMAT);
  wrong = f->net[0];
  wrong.n = 0;
  cr_assert_eq(radial_create(&b, kernels_host(1), &wrong, NULL, PATHS, channels, &a),
               EQS_ERR_UNSUPPORTED);
  cr_assert_null(a);
  free(f);
}
