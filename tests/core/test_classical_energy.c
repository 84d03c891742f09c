/* test_classical_energy.c -- the classical model against brute force and against itself.
 *
 * Brute force: every pair of sites and images one by one, Ewald's sum of ALL charges with another
 * splitting, less the framework alone, less what is inside molecules.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/classical_energy.h"

#include "core/adsorption/random.h"
#include "core/neighbors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
enum { ATOMS = 7, COMPONENTS = 4, MOST = 40 };

static const char *const names[COMPONENTS] = {"CO2", "H2O", "CH4", "N2"};

/* A skewed toy crystal, 1 x 2 x 1 cells; its charges add up to 0. */
static framework toy(void) {
  static const double cell[9] = {9.3, 0, 0, -1.7, 7.2, 0, 1.1, 2.1, 11.4};
  static const int number[ATOMS] = {30, 8, 8, 6, 6, 1, 12};
  static const double charge[ATOMS] = {1.1, -0.7, -0.5, 0.3, -0.6, 0.2, 0.2};
  static const int replica[3] = {1, 2, 1};
  framework f = {0};
  for (int i = 0; i < ATOMS; i++) {
    double u[3], x[3];
    random_uniform(5, 0, (uint64_t)i, 3, u);
    for (int k = 0; k < 3; k++)
      x[k] = 0.3 * (u[0] * cell[k] + u[1] * cell[3 + k] + u[2] * cell[6 + k]) - 2;
    cr_assert(structure_append(&f.cell, number[i], x, charge[i]) == EQS_OK);
  }
  for (int k = 0; k < 3; k++) {
    f.cell.pbc[k] = f.box.pbc[k] = 1;
    f.replica[k] = replica[k];
  }
  for (int k = 0; k < 9; k++) {
    f.cell.cell[k] = cell[k];
    f.box.cell[k] = cell[k] * replica[k / 3];
  }
  return f;
}

static workspace threads(int n) {
  workspace w = {0};
  cr_assert(workspace_set_threads(&w, n) == EQS_OK);
  return w;
}

static guest_energy *opened(const framework *f, const classical_settings *s, workspace *w) {
  gas gases[COMPONENTS];
  guest_energy *e;
  for (int i = 0; i < COMPONENTS; i++) cr_assert(gas_find(names[i], gases + i) == EQS_OK);
  cr_assert(classical_energy_open(f, COMPONENTS, gases, s, w, &e) == EQS_OK, "%s", eqs_error());
  return e;
}

static pose drawn(const framework *f, uint64_t index) {
  pose p;
  pose_draw(11, 0, index, f->box.cell, &p);
  return p;
}

/* ---- brute force */

typedef struct charge_at {
  double x[3], q;
} charge_at;

static double coulomb(const double cell[9], int n, const charge_at *c) {
  ewald e;
  double sum = 0, width[3];
  int m[3], most[3];
  cr_assert(ewald_prepare(cell, 7.7, 1e-13, &e) == EQS_OK);
  double *phase = calloc(ewald_phase_size(&e), sizeof *phase);
  double *s = calloc(2 * (size_t)e.n, sizeof *s);
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) most[k] = (int)ceil(e.cutoff / width[k]) + 3;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++)
      for (m[0] = -most[0]; m[0] <= most[0]; m[0]++)
        for (m[1] = -most[1]; m[1] <= most[1]; m[1]++)
          for (m[2] = -most[2]; m[2] <= most[2]; m[2]++) {
            double r2 = 0;
            if (i == j && !m[0] && !m[1] && !m[2]) continue;
            for (int k = 0; k < 3; k++) {
              double d =
                  c[i].x[k] - c[j].x[k] + m[0] * cell[k] + m[1] * cell[3 + k] + m[2] * cell[6 + k];
              r2 += d * d;
            }
            if (r2 < e.cutoff * e.cutoff)
              sum += EWALD_COULOMB / 2 * c[i].q * c[j].q * erfc(e.alpha * sqrt(r2)) / sqrt(r2);
          }
    sum -= EWALD_COULOMB * e.alpha / sqrt(PI) * c[i].q * c[i].q;
    ewald_phases(&e, c[i].x, phase);
    ewald_add(&e, 1, &c[i].q, phase, s, s + e.n);
  }
  for (int k = 0; k < e.n; k++) sum += e.weight[k] * (s[k] * s[k] + s[k + e.n] * s[k + e.n]);
  free(phase);
  free(s);
  ewald_free(&e);
  return sum;
}

/* All images of site b around site a, without the nearest of them if they are one and the same. */
static double lennard_jones(const double cell[9], const double a[3], const double b[3],
                            const classical_site *s, const classical_site *t, int same,
                            const classical_settings *o) {
  double width[3], sum = 0, cutoff = o->cutoff;
  double epsilon = 8.617333262e-5 * sqrt(s->epsilon * t->epsilon);
  double sigma = (s->sigma + t->sigma) / 2, at = pow(sigma / cutoff, 6);
  int m[3], most[3];
  cell_widths(cell, width);
  for (int k = 0; k < 3; k++) most[k] = (int)ceil(cutoff / width[k]) + 3;
  for (m[0] = -most[0]; m[0] <= most[0]; m[0]++)
    for (m[1] = -most[1]; m[1] <= most[1]; m[1]++)
      for (m[2] = -most[2]; m[2] <= most[2]; m[2]++) {
        double r2 = 0;
        if (same && !m[0] && !m[1] && !m[2]) continue;
        for (int k = 0; k < 3; k++) {
          double d = a[k] - b[k] + m[0] * cell[k] + m[1] * cell[3 + k] + m[2] * cell[6 + k];
          r2 += d * d;
        }
        if (r2 >= cutoff * cutoff) continue;
        if (r2 < 0.25) return INFINITY;
        double p = pow(sigma * sigma / r2, 3);
        sum += 4 * epsilon * (p * p - p - (o->truncated ? 0 : at * at - at));
      }
  return sum;
}

static double brute_force(const framework *f, const classical_settings *o, int n, const guest *g) {
  charge_at c[2 * ATOMS + 4 * MOST];
  int n_charge = 0, n_site = 0;
  double sum = 0, x[MOST][CLASSICAL_MAX_SITES][3];
  classical_molecule model[COMPONENTS];
  for (int i = 0; i < COMPONENTS; i++)
    cr_assert(classical_find_guest(names[i], o->water, model + i) == EQS_OK);
  for (int r = 0; r < f->replica[1]; r++)
    for (int i = 0; i < f->cell.n; i++, n_charge++) {
      c[n_charge].q = f->cell.charge[i];
      for (int k = 0; k < 3; k++)
        c[n_charge].x[k] = f->cell.position[i][k] + r * f->cell.cell[3 + k];
    }
  sum -= coulomb(f->box.cell, n_charge, c);
  for (int i = 0; i < n; i++) {
    const classical_molecule *m = model + g[i].component;
    gas shape = {.n = m->n};
    memcpy(shape.position, m->position, sizeof m->position);
    pose_place(&g[i].pose, &shape, x[i]);
    for (int a = 0; a < m->n; a++) {
      for (int b = 0; b < a; b++) {
        double r2 = 0;
        for (int k = 0; k < 3; k++) r2 += pow(m->position[a][k] - m->position[b][k], 2);
        sum -= EWALD_COULOMB * m->site[a].charge * m->site[b].charge / sqrt(r2);
      }
      c[n_charge].q = m->site[a].charge;
      memcpy(c[n_charge++].x, x[i][a], sizeof x[i][a]);
      n_site++;
      for (int j = 0; j < f->cell.n; j++) {
        classical_site s;
        cr_assert(classical_find_atom(o->set, f->cell.number[j], &s) == EQS_OK);
        sum += lennard_jones(f->cell.cell, x[i][a], f->cell.position[j], m->site + a, &s, 0, o);
      }
      for (int j = 0; j <= i; j++) {
        const classical_molecule *other = model + g[j].component;
        for (int b = 0; b < other->n; b++)
          sum += lennard_jones(f->box.cell, x[i][a], x[j][b], m->site + a, other->site + b, i == j,
                               o) /
                 (i == j ? 2 : 1);
      }
    }
  }
  return sum + coulomb(f->box.cell, n_charge, c);
}

Test(classical_energy, equals_brute_force) {
  const classical_settings settings[3] = {
      {.cutoff = 6, .tolerance = 1e-13},
      {.cutoff = 9, .tolerance = 1e-13, .truncated = 1, .set = "dreiding+trappe", .water = "SPC/E"},
      {.cutoff = 5, .tolerance = 1e-13, .water = "tip3p"},
  };
  framework f = toy();
  workspace w = threads(2);
  for (int s = 0; s < 3; s++) {
    guest_energy *e = opened(&f, settings + s, &w);
    guest g[6];
    double u = 0, du;
    int n = 0;
    for (uint64_t i = 0; n < 6; i++) {
      g[n] = (guest){(int)i % COMPONENTS, drawn(&f, i)};
      const guest_change put = {-1, g[n].component, g[n].pose};
      cr_assert(e->ops->trial(e, 1, &put, &du) == EQS_OK);
      double want = brute_force(&f, settings + s, n + 1, g);
      cr_assert(isfinite(du) == isfinite(want));
      if (!(du < 30)) continue; /* an overlap */
      cr_expect_float_eq(u + du, want, 1e-9 * fmax(1, fabs(want)), "%d guests: %.12g, not %.12g",
                         n + 1, u + du, want);
      cr_assert(e->ops->commit(e, &put) == EQS_OK);
      cr_assert(e->ops->total(e, &u) == EQS_OK);
      cr_expect_float_eq(u, want, 1e-9 * fmax(1, fabs(want)));
      n++;
    }
    e->ops->free(e);
  }
  workspace_free(&w);
  framework_free(&f);
}

/* A random walk through states, accepting what is not too high. */
static int next_change(const framework *f, uint64_t step, int n, guest_change *c) {
  double u[3];
  random_uniform(23, 1, step, 3, u);
  *c = (guest_change){.remove = -1, .insert = -1, .pose = drawn(f, 1000 + step)};
  int kind = (int)(3 * u[0]);
  if (kind != 0 && n) c->remove = (int)(u[1] * n);
  if (kind != 1 || !n) c->insert = (int)(u[2] * COMPONENTS);
  return c->insert >= 0 && c->remove < 0;
}

Test(classical_energy, increments_add_up_to_the_total) {
  const classical_settings settings = {.cutoff = 7};
  framework f = toy();
  workspace w = threads(2);
  guest_energy *e = opened(&f, &settings, &w);
  double u = 0, fresh, worst = 0, du;
  int n = 0, kinds[3] = {0}, most = 0;
  for (uint64_t step = 0; step < 3000; step++) {
    guest_change c;
    next_change(&f, step, n, &c);
    if (n >= 30 && c.remove < 0) continue;
    cr_assert(e->ops->trial(e, 1, &c, &du) == EQS_OK);
    if (!(du < 4)) continue;
    cr_assert(e->ops->commit(e, &c) == EQS_OK);
    u += du;
    n += (c.insert >= 0) - (c.remove >= 0);
    kinds[c.remove < 0 ? 0 : c.insert < 0 ? 1 : 2]++;
    most = n > most ? n : most;
    if (step % 10) continue;
    cr_assert(e->ops->total(e, &fresh) == EQS_OK);
    worst = fmax(worst, fabs(u - fresh));
  }
  cr_expect(worst < 1e-10, "%g eV", worst);
  cr_expect(kinds[0] > 30 && kinds[1] > 30 && kinds[2] > 30 && most > 8, "%d %d %d, %d guests",
            kinds[0], kinds[1], kinds[2], most);
  while (n--) {
    const guest_change out = {.remove = 0, .insert = -1};
    cr_assert(e->ops->commit(e, &out) == EQS_OK);
  }
  cr_assert(e->ops->total(e, &fresh) == EQS_OK && fresh == 0);
  e->ops->free(e);
  workspace_free(&w);
  framework_free(&f);
}

/* Puts n guests in; gives the poses that were taken. */
static void populate(const framework *f, guest_energy *e, int n, guest *g) {
  int have = 0;
  for (uint64_t i = 0; have < n && i < 5000; i++) {
    const guest_change put = {-1, (int)i % COMPONENTS, drawn(f, i)};
    double du;
    cr_assert(e->ops->trial(e, 1, &put, &du) == EQS_OK);
    if (!(du < 1)) continue;
    cr_assert(e->ops->commit(e, &put) == EQS_OK);
    g[have++] = (guest){put.insert, put.pose};
  }
  cr_assert(have == n, "%d of %d", have, n);
}

enum { TRIALS = 60 };
static void some_trials(const framework *f, guest_energy *e, int n, double du[TRIALS]) {
  guest_change c[TRIALS];
  for (int i = 0; i < TRIALS; i++) next_change(f, 9000 + (uint64_t)i, n, c + i);
  for (int i = 0; i < TRIALS / 3; i++) c[i].remove = -1, c[i].insert = i % COMPONENTS;
  cr_assert(e->ops->trial(e, TRIALS, c, du) == EQS_OK);
}

Test(classical_energy, same_bits_whatever_the_way) {
  const classical_settings settings = {.cutoff = 7};
  framework f = toy();
  workspace one = threads(1), three = threads(3);
  guest_energy *a = opened(&f, &settings, &one), *b = opened(&f, &settings, &three);
  enum { N = 11 };
  guest g[N];
  double da[TRIALS], db[TRIALS], single[TRIALS];
  populate(&f, a, N, g);
  /* b comes to the same list through a detour: more guests, removed again */
  for (int i = 0; i < N; i++) {
    const guest_change put = {-1, g[i].component, g[i].pose};
    cr_assert(b->ops->commit(b, &put) == EQS_OK);
  }
  for (int i = 0; i < 40; i++) {
    const guest_change put = {-1, i % COMPONENTS, drawn(&f, 70000 + (uint64_t)i)};
    cr_assert(b->ops->commit(b, &put) == EQS_OK);
  }
  const guest_change away = {3, -1, g[0].pose}, back = {3, g[3].component, g[3].pose};
  for (int i = 0; i < 40; i++) {
    const guest_change out = {N + 39 - i, -1, g[0].pose};
    cr_assert(b->ops->commit(b, &out) == EQS_OK);
  }
  cr_assert(b->ops->commit(b, &away) == EQS_OK); /* the last guest is number 3 now */
  const guest_change last = {-1, g[N - 1].component, g[N - 1].pose};
  cr_assert(b->ops->commit(b, &last) == EQS_OK && b->ops->commit(b, &back) == EQS_OK);
  some_trials(&f, a, N, da);
  some_trials(&f, b, N, db);
  cr_expect(!memcmp(da, db, sizeof da));
  for (int i = 0; i < TRIALS; i++) {
    guest_change c;
    next_change(&f, 9000 + (uint64_t)i, N, &c);
    if (i < TRIALS / 3) c.remove = -1, c.insert = i % COMPONENTS;
    cr_assert(a->ops->trial(a, 1, &c, single + i) == EQS_OK);
  }
  cr_expect(!memcmp(da, single, sizeof da), "each change is on its own");
  a->ops->free(a);
  b->ops->free(b);
  workspace_free(&one);
  workspace_free(&three);
  framework_free(&f);
}

Test(classical_energy, order_of_guests_and_atoms) {
  const classical_settings settings = {.cutoff = 7};
  framework f = toy(), r = toy();
  workspace w = threads(2);
  for (int i = 0; i < ATOMS; i++) { /* the same crystal, atoms reversed and in other cells */
    r.cell.number[i] = f.cell.number[ATOMS - 1 - i];
    r.cell.charge[i] = f.cell.charge[ATOMS - 1 - i];
    for (int k = 0; k < 3; k++)
      r.cell.position[i][k] = f.cell.position[ATOMS - 1 - i][k] + (i - 2) * f.cell.cell[3 + k];
  }
  guest_energy *a = opened(&f, &settings, &w), *b = opened(&r, &settings, &w);
  guest g[9];
  double ua, ub;
  populate(&f, a, 9, g);
  for (int i = 8; i >= 0; i--) {
    guest_change put = {-1, g[i].component, g[i].pose};
    for (int k = 0; k < 3; k++)
      put.pose.position[k] += 3 * f.box.cell[k] - (i - 4) * f.box.cell[6 + k];
    cr_assert(b->ops->commit(b, &put) == EQS_OK);
  }
  cr_assert(a->ops->total(a, &ua) == EQS_OK && b->ops->total(b, &ub) == EQS_OK);
  cr_expect_float_eq(ua, ub, 1e-10, "%.13g %.13g", ua, ub);
  a->ops->free(a);
  b->ops->free(b);
  workspace_free(&w);
  framework_free(&f);
  framework_free(&r);
}

/* Two cells of the crystal as one cell: another description of the same box. */
Test(classical_energy, primitive_and_double_cell) {
  const classical_settings settings = {.cutoff = 6, .tolerance = 1e-12};
  framework f = toy(), d = toy();
  static const int twice[3] = {1, 2, 1};
  workspace w = threads(1);
  structure_free(&d.cell);
  d.replica[1] = 1;
  for (int r = 0; r < twice[1]; r++)
    for (int i = 0; i < ATOMS; i++) {
      double x[3];
      for (int k = 0; k < 3; k++) x[k] = f.cell.position[i][k] + r * f.cell.cell[3 + k];
      cr_assert(structure_append(&d.cell, f.cell.number[i], x, f.cell.charge[i]) == EQS_OK);
    }
  for (int k = 0; k < 9; k++) d.cell.cell[k] = f.box.cell[k];
  guest_energy *a = opened(&f, &settings, &w), *b = opened(&d, &settings, &w);
  enum { N = 300 };
  static pose p[N];
  static double ua[N], ub[N];
  int finite = 0;
  for (int c = 0; c < COMPONENTS; c++) {
    for (int i = 0; i < N; i++) p[i] = drawn(&f, 5000 + (uint64_t)i);
    cr_assert(classical_energy_poses(a, c, N, p, ua) == EQS_OK);
    cr_assert(classical_energy_poses(b, c, N, p, ub) == EQS_OK);
    for (int i = 0; i < N; i++) {
      cr_assert(isfinite(ua[i]) == isfinite(ub[i]) && !isnan(ua[i]));
      if (!isfinite(ua[i])) continue;
      finite++;
      cr_assert(fabs(ua[i] - ub[i]) <= 1e-9 * fmax(1, fabs(ua[i])), "%g %g", ua[i], ub[i]);
    }
    for (int i = 0; i < 20; i++) { /* poses are trials without guests */
      const guest_change put = {-1, c, p[i]};
      double du;
      cr_assert(a->ops->trial(a, 1, &put, &du) == EQS_OK && du == ua[i]);
    }
  }
  cr_expect(finite > N, "%d finite", finite);
  a->ops->free(a);
  b->ops->free(b);
  workspace_free(&w);
  framework_free(&f);
  framework_free(&d);
}

Test(classical_energy, refuses_and_describes) {
  framework f = toy();
  workspace w = threads(1);
  classical_settings s = {0};
  classical_description d;
  guest_energy *e;
  gas g = {.name = "SO2", .n = 1};
  double u;
  cr_expect(classical_energy_open(&f, 1, &g, NULL, &w, &e) == EQS_ERR_ARGUMENT && !e);
  cr_expect(classical_energy_open(&f, 0, &g, NULL, &w, &e) == EQS_ERR_ARGUMENT);
  cr_assert(gas_find("H2O", &g) == EQS_OK);
  s.water = "TIP9P";
  cr_expect(classical_energy_open(&f, 1, &g, &s, &w, &e) == EQS_ERR_ARGUMENT);
  s = (classical_settings){.set = "amber"};
  cr_expect(classical_energy_open(&f, 1, &g, &s, &w, &e) == EQS_ERR_ARGUMENT);
  s = (classical_settings){.cutoff = NAN};
  cr_expect(classical_energy_open(&f, 1, &g, &s, &w, &e) == EQS_ERR_ARGUMENT);
  const classical_molecule ion = {1, {{0}}, {{10, 3, 1}}};
  s = (classical_settings){.guest = &ion};
  cr_expect(classical_energy_open(&f, 1, &g, &s, &w, &e) == EQS_ERR_ARGUMENT);
  cr_assert(classical_energy_open(&f, 1, &g, NULL, &w, &e) == EQS_OK);
  classical_energy_describe(e, &d);
  cr_expect(!strcmp(d.charges, "file") && fabs(d.net_charge) < 1e-12);
  cr_expect(d.range[0] == -0.7 && d.range[1] == 1.1);
  guest_change c = {0, -1, drawn(&f, 1)};
  cr_expect(e->ops->commit(e, &c) == EQS_ERR_ARGUMENT, "nobody to remove");
  c = (guest_change){-1, 1, drawn(&f, 1)};
  cr_expect(e->ops->trial(e, 1, &c, &u) == EQS_ERR_ARGUMENT, "no such component");
  c.insert = 0;
  c.pose.position[1] = NAN;
  cr_expect(e->ops->trial(e, 1, &c, &u) == EQS_ERR_ARGUMENT);
  c.pose = drawn(&f, 1);
  c.pose.quaternion[0] += 0.1;
  cr_expect(e->ops->commit(e, &c) == EQS_ERR_ARGUMENT);
  cr_expect(e->ops->total(e, &u) == EQS_OK && u == 0);
  e->ops->free(e);
  f.cell.number[2] = 112;
  cr_expect(classical_energy_open(&f, 1, &g, NULL, &w, &e) == EQS_ERR_UNSUPPORTED);
  workspace_free(&w);
  framework_free(&f);
}
