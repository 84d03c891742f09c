/* wall_make.c -- from the energies of pairs of atoms to the table of walls (docs/walls.md).
 *
 * Knots lie at equal steps of sqrt(r), the last where V has fallen to `outer`.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/wall_make.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "core/status.h"
#include "io/elements.h"
#include "io/sha256.h"
#include "potentials/electron_gas.h"
#include "potentials/wall.h"

#define BOHR    0.529177210903  /* angstrom */
#define HARTREE 27.211386245988 /* eV */
enum { BLOCK = 64 };
static const double outer = 0.2 / HARTREE; /* hartree */

typedef struct maker {
  const wall_settings *settings;
  functional *kinetic, *xc;
  int last, n;
  gas_atom *atom; /* [last + 1] */
  double (*c)[WALL_KNOTS + 4];
  double *reach; /* [pairs] bohr */
} maker;

typedef struct pair_job {
  const maker *m;
  const gas_atom *a, *b;
  gas_quadrature *q;
} pair_job;

static eqs_status energy_at(const pair_job *j, double r, double *out) {
  gas_energy e;
  EQS_TRY(gas_pair(j->a, j->b, j->m->kinetic, j->m->xc, r, j->q, &e));
  *out = e.total;
  return EQS_OK;
}

/* The largest distance where V is `outer`: steps from outside in, then regula falsi with the
 * Illinois rule. */
static eqs_status find_reach(const pair_job *j, double *out) {
  double far = 14, near = far, f = -1, g = -1;
  while (f < 0 && near > 0.5) {
    far = near;
    g = f;
    near *= 0.8;
    EQS_TRY(energy_at(j, near, &f));
    f -= outer;
  }
  if (f < 0) EQS_FAIL(EQS_ERR_DIVERGED, "no repulsion outside 0.5 bohr");
  for (int i = 0; i < 40 && far - near > 1e-6; i++) {
    double middle = i < 2 ? (near + far) / 2 : near + (far - near) * f / (f - g), e;
    EQS_TRY(energy_at(j, middle, &e));
    e -= outer;
    if (e > 0) {
      near = middle;
      f = e;
      g /= 2;
    } else {
      far = middle;
      g = e;
      f /= 2;
    }
    if (fabs(e) < 1e-4 * outer) {
      near = middle;
      break;
    }
  }
  *out = near;
  return EQS_OK;
}

/* c_1 .. c_{n+1} of the spline with y_0 = y'_0 = 0, y_1 .. y_n and y'_n; all of arrays from 0. */
static void fit_spline(int n, const double *y, double slope, double *c) {
  double d[WALL_KNOTS + 2] = {0}, right[WALL_KNOTS + 2] = {0};
  for (int i = 1; i <= n; i++) {
    d[i] = i == 1 ? 3.5 : 4;
    right[i] = 6 * y[i] - (i == n ? 2 * slope : 0);
    if (i > 1) {
      double under = (i == n ? 2 : 1) / d[i - 1];
      d[i] -= under;
      right[i] -= under * right[i - 1];
    }
  }
  c[n] = right[n] / d[n];
  for (int i = n - 1; i >= 1; i--) c[i] = (right[i] - c[i + 1]) / d[i];
  c[n + 1] = c[n - 1] + 2 * slope;
}

static eqs_status make_pair(const pair_job *j, double *c, double *reach) {
  int n = j->m->n;
  double y[WALL_KNOTS + 1], w, charge = j->a->z * j->b->z, logs[2];
  EQS_TRY(find_reach(j, reach));
  *reach = round(*reach * BOHR * 1e5) / 1e5 / BOHR; /* as the file has it */
  for (int k = 1; k <= n; k++) {
    double r = *reach * k * k / ((double)n * n);
    EQS_TRY(energy_at(j, r, &w));
    if (!(w > 0)) EQS_FAIL(EQS_ERR_DIVERGED, "no repulsion at %.3f bohr", r);
    y[k] = log(w * r / charge);
  }
  const double h = 0.02; /* of a knot */
  for (int side = 0; side < 2; side++) {
    double t = n + (side ? h : -h), r = *reach * t * t / ((double)n * n);
    EQS_TRY(energy_at(j, r, &w));
    logs[side] = log(w * r / charge);
  }
  fit_spline(n, y, (logs[1] - logs[0]) / (2 * h), c);
  return EQS_OK;
}

static eqs_status make_atom(const maker *m, int z) {
  atom_options options = {.functional = m->xc, .light = m->settings->relativistic ? ATOM_LIGHT : 0};
  atom a;
  EQS_TRY(atom_solve(z, &options, &a));
  eqs_status status = gas_atom_make(&a, &m->atom[z]);
  atom_free(&a);
  return status;
}

static eqs_status make_one(const maker *m, int job) {
  if (job < m->last) return make_atom(m, m->last - job); /* heavy ones first */
  int index = job - m->last, z2 = 1;
  while (z2 * (z2 + 1) / 2 <= index) z2++;
  int z1 = index - z2 * (z2 - 1) / 2 + 1;
  gas_quadrature q;
  eqs_status status = gas_quadrature_make(m->settings->points ? m->settings->points : 48, &q);
  pair_job p = {.m = m, .a = &m->atom[z1], .b = &m->atom[z2], .q = &q};
  if (status == EQS_OK) status = make_pair(&p, m->c[index], &m->reach[index]);
  gas_quadrature_free(&q);
  if (status != EQS_OK)
    status_prefix(status, "the pair %s-%s", element_symbol(z1), element_symbol(z2));
  return status;
}

/* Jobs begin .. end - 1 on all threads; the message of a failure comes to this one. */
static eqs_status run(const maker *m, int begin, int end) {
  enum { MESSAGE = 512 };
  int threads = m->settings->threads > 0 ? m->settings->threads : omp_get_max_threads();
  eqs_status status = EQS_OK;
  char message[MESSAGE] = "";
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int i = begin; i < end; i++) {
    eqs_status own = make_one(m, i);
    if (own == EQS_OK) continue;
#pragma omp critical(equisorb_walls)
    {
      status = own;
      snprintf(message, MESSAGE, "%s", eqs_error());
    }
  }
  if (status != EQS_OK) EQS_FAIL(status, "%s", message);
  return EQS_OK;
}

static eqs_status run_all(const maker *m, wall_watch watch, void *user) {
  int pairs = m->last * (m->last + 1) / 2, all = m->last + pairs;
  for (int begin = 0; begin < all;) {
    int end = begin < m->last ? m->last : begin + BLOCK;
    if (end > all) end = all;
    EQS_TRY(run(m, begin, end));
    begin = end;
    if (watch && watch(begin, all, user)) EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped");
  }
  return EQS_OK;
}

static void put_pair(FILE *f, const maker *m, int z1, int z2) {
  int index = z2 * (z2 - 1) / 2 + z1 - 1;
  const double *c = m->c[index];
  fprintf(f, "%d %d %.5f", z1, z2, m->reach[index] * BOHR);
  long before = 0, difference = 0;
  for (int i = 1; i <= m->n + 1; i++) {
    long now = lround(1e6 * c[i]);
    fprintf(f, " %ld", now - before - difference);
    difference = now - before;
    before = now;
  }
  fputc('\n', f);
}

static eqs_status put_table(const maker *m, char **text, size_t *size) {
  LOCALE_C();
  FILE *f = open_memstream(text, size);
  if (!f) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the table of walls");
  fprintf(f, "equisorb-wall 1\n"
             "# Repulsion of two atoms; docs/walls.md has the format. Made by equisorb walls.\n");
  fprintf(f, "functional %s\nkinetic %s\nrelativity %s\nouter %g\nknots %d\nelements %d\n",
          functional_name(m->xc), functional_name(m->kinetic),
          m->settings->relativistic ? "scalar" : "none", outer * HARTREE, m->n, m->last);
  for (int z2 = 1; z2 <= m->last; z2++)
    for (int z1 = 1; z1 <= z2; z1++) put_pair(f, m, z1, z2);
  char sum[65];
  if (fflush(f)) goto failed;
  sha256_hex(*text, *size, sum);
  fprintf(f, "sha256 %s\n", sum);
  if (fclose(f) == 0) return EQS_OK;
  f = NULL;
failed:
  if (f) fclose(f);
  free(*text);
  *text = NULL;
  EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the table of walls");
}

static eqs_status maker_make(maker *m) {
  const wall_settings *s = m->settings;
  if (m->n < 4 || m->n > WALL_KNOTS || m->last < 1 || m->last > ATOM_LAST)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a table of walls has 4 to %d knots and elements up to %d",
             WALL_KNOTS, ATOM_LAST);
  size_t pairs = (size_t)(m->last * (m->last + 1) / 2);
  EQS_TRY(functional_open(s->functional ? s->functional : "PBE", 0, &m->xc));
  EQS_TRY(functional_open(s->kinetic ? s->kinetic : "lda_k_tf", 1, &m->kinetic));
  EQS_TRY(alloc_array(&m->atom, (size_t)m->last + 1, sizeof *m->atom, "atoms"));
  EQS_TRY(alloc_array(&m->c, pairs, sizeof *m->c, "walls"));
  return alloc_array(&m->reach, pairs, sizeof *m->reach, "walls");
}

eqs_status wall_make(const wall_settings *s, wall_watch watch, void *user, char **text,
                     size_t *size) {
  maker m = {.settings = s, .last = s->last ? s->last : ATOM_LAST, .n = s->knots ? s->knots : 20};
  *text = NULL;
  *size = 0;
  eqs_status status = maker_make(&m);
  if (status == EQS_OK) status = run_all(&m, watch, user);
  if (status == EQS_OK) status = put_table(&m, text, size);
  for (int z = 1; m.atom && z <= m.last; z++) gas_atom_free(&m.atom[z]);
  free(m.atom);
  free(m.c);
  free(m.reach);
  functional_free(&m.xc);
  functional_free(&m.kinetic);
  return status;
}
