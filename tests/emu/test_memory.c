/* What an evaluation takes of a device's memory, against what docs/design.md promises: rows of
 * features, one adjoint aggregate and one message per atom, 60 bytes per edge, and a block's
 * scratch. Nothing but the count of edges runs (EQS_EMU_TRACE), so that the systems can be large.
 * The same bound for 128x0e, whose rows are eight times as wide as those of the models here, is 16
 * KiB. SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/engine.h"
#include "kernels/emu/fake.h"
#include "potentials/mace_parts.h"

/* kernels/, core/ and potentials/ in numbers; see docs/gpu.md. */
enum {
  BLOCK = 12288,    /* atoms of a block, at most */
  KEEP = 128 << 20, /* bytes of messages, and per atom: */
  KEEP_PER_ATOM = 1536,
  LIST = 60,        /* per edge: centre, neighbour, vector, transpose, gradient */
  EDGE = 104,       /* per edge of a block, but for harmonics and couplings */
  ATOM = 256,       /* positions, bins, results */
  SLACK = 40 << 20, /* arenas' spare room, cuBLAS' workspace */
};
static const double spare = 17.0 / 16; /* of edges */

/* Numbers that the bounds are made of: bytes of rows of one atom, and of one edge. */
typedef struct shape {
  double aggregate, mixed, features, harmonics, couplings;
} shape;

static double per_atom(shape s, double n, double edges) {
  double most = fmax(KEEP, n * KEEP_PER_ATOM);
  return s.aggregate + fmin(s.mixed, most / n) + 2 * s.features + spare * edges * LIST + ATOM;
}

/* Two messages and a few features while atoms are in hand; else one aggregate and the edges. */
static double per_block_atom(shape s, double edges) {
  double nodes = 2 * s.mixed + 4 * s.features;
  double edge = EDGE + s.harmonics + s.couplings;
  double forward = s.aggregate + spare * edges * edge;
  double reverse = s.features + spare * edges * (edge + s.couplings);
  return fmax(nodes, fmax(forward, reverse)) + ATOM;
}

static shape shape_of(const mace *m) {
  shape s = {0};
  double real = (double)m->base.k->real_size;
  for (int t = 0; t < m->n_layer; t++) {
    const mace_layer *l = m->layer + t;
    double y = (l->conv.lmax + 1) * (l->conv.lmax + 1);
    s.aggregate = fmax(s.aggregate, real * l->conv.out.size);
    s.mixed = fmax(s.mixed, real * l->mixed.size);
    s.features = fmax(s.features, real * l->product.out.size);
    s.harmonics = fmax(s.harmonics, real * y);
    s.couplings = fmax(s.couplings, real * l->conv.n_q);
  }
  return s;
}

/* A simple cubic lattice of side^3 atoms with six neighbours each. */
static void evaluate(eqs_context *c, const eqs_model *m, int side, double cutoff) {
  static const int element[] = {1, 6, 8, 30};
  int n = side * side * side, *number = malloc((size_t)n * sizeof *number);
  double a = cutoff / 1.2, *x = malloc(6 * (size_t)n * sizeof *x), energy;
  cr_assert(number && x);
  for (int i = 0; i < n; i++) {
    number[i] = element[i % 4];
    x[3 * i] = a * (i % side), x[3 * i + 1] = a * (i / side % side);
    x[3 * i + 2] = a * (i / side / side);
  }
  const double cell[9] = {a * side, 0, 0, 0, a * side, 0, 0, 0, a * side};
  const int first[2] = {0, n}, pbc[3] = {1, 1, 1};
  eqs_systems s = {.size = sizeof s,
                   .n_system = 1,
                   .first = first,
                   .number = number,
                   .position = x,
                   .cell = cell,
                   .pbc = pbc};
  eqs_result r = {.size = sizeof r, .energy = &energy, .forces = x + 3 * (size_t)n};
  for (int i = 0; i < 3; i++) cr_assert_eq(eqs_compute(c, m, &s, &r), EQS_OK, "%s", eqs_error());
  free(number);
  free(x);
}

static void check(const char *file, int side) {
  eqs_context *c = NULL;
  eqs_model *m = NULL;
  eqs_model_options o = {.size = sizeof o, .wall = "off"};
  char path[4096];
  double n = side * side * side, block = fmin(n, BLOCK);
  snprintf(path, sizeof path, "%s/tests/data/models/%s.model", EQS_SOURCE_DIR, file);
  cr_assert_eq(eqs_context_open("emu", &c), EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_model_load(c, path, &o, &m), EQS_OK, "%s", eqs_error());
  double cutoff = m->potential->info.cutoff;
  evaluate(c, m, 4, cutoff); /* with all tables */
  double model = (double)eqs_fake_alive().device_bytes;
  evaluate(c, m, side, cutoff);
  shape s = shape_of((const mace *)m->potential);
  double shared = (double)c->device_work.shared.peak / n, all = per_atom(s, n, 6);
  double scratch = (double)c->device_work.thread[0].peak / block, most = per_block_atom(s, 6);
  cr_assert(fabs((double)c->run.status.edges / n - 6) < 1e-9, "%g edges per atom",
            (double)c->run.status.edges / n);
  cr_assert(shared <= all, "%s: %.0f bytes per atom, not %.0f", file, shared, all);
  cr_assert(scratch <= most, "%s: %.0f bytes per atom of a block, not %.0f", file, scratch, most);
  double bytes = (double)eqs_fake_alive().device_bytes, room = n * all + block * most;
  cr_assert(bytes <= model + room + SLACK, "%s: %.0f bytes in all, not %.0f", file, bytes,
            model + room + SLACK);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

static void look_only(void) {
  cr_assert_eq(setenv("EQS_EMU_TRACE", "/dev/null", 1), 0);
  eqs_fake_set_memory((size_t)32 << 30);
}

Test(memory, is_what_the_shape_of_the_model_asks_for, .init = look_only) {
  if (EQS_TEST_SANITIZER[0] == 't') cr_skip_test("memory is counted without the sanitizer");
  int thorough = EQS_TEST_SANITIZER[0] == 'n';
  check("tiny_L0", thorough ? 53 : 16); /* 150,000 atoms: not all messages are kept */
  check("tiny_L1_dens_agnesi_zbl", thorough ? 38 : 16);
}

/* 128x0e to l = 3 in single precision; 60 MB are weights and the tables of ten pairs of elements.
 */
Test(memory, of_128x0e_is_16_kib_per_atom) {
  const shape s = {.aggregate = 16 * 128 * 4,
                   .mixed = 16 * 128 * 4,
                   .features = 128 * 4,
                   .harmonics = 16 * 4,
                   .couplings = 16 * 4};
  const double n = 1e5, edges = 28;
  double bytes = n * per_atom(s, n, edges) + BLOCK * per_block_atom(s, edges) + SLACK + 60e6;
  cr_assert_leq(bytes / n, 16 * 1024, "%.0f bytes per atom", bytes / n);
}
