/* chain_state.c -- what happens to a chain between its moves: step sizes, checks, checkpoints.
 *
 * A checkpoint is written right after chain_rebuild and chain_check, which put the guests in anew,
 * in order, and compute the energy afresh. A chain that goes on from it does the same: both are
 * then in the same state.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/chain.h"
#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI         3.14159265358979323846
#define ACCEPTANCE 0.45
#define STEP_MIN   0.01 /* angstrom */
#define TURN_MIN   0.01 /* radian */
#define ROUNDING   1e-9 /* of U: sums in another order */

enum { ADAPT_LEAST = 20 };

static double adapted(double size, const int64_t recent[2], double least, double most) {
  if (recent[0] < ADAPT_LEAST) return size;
  double factor = (double)recent[1] / (double)recent[0] / ACCEPTANCE;
  return fmin(most, fmax(least, size * fmin(1.5, fmax(0.5, factor))));
}

void chain_adapt(chain *c) {
  double width[3];
  cell_widths(c->s->cell, width);
  double most = fmin(width[0], fmin(width[1], width[2])) / 2;
  for (int i = 0; i < c->s->n_component; i++) {
    int64_t *r = c->recent[i];
    c->step[i] = adapted(c->step[i], r, fmin(STEP_MIN, most), most);
    c->turn[i] = adapted(c->turn[i], r + 2, TURN_MIN, PI);
    for (int k = 0; k < 4; k += 2)
      if (r[k] >= ADAPT_LEAST) r[k] = r[k + 1] = 0;
  }
}

eqs_status chain_check(chain *c) {
  double u, limit = c->s->drift_limit * sqrt(1 + (double)c->since_check);
  EQS_TRY(energy_pair_total(&c->energy, &u));
  double drift = fabs(u - c->u);
  if (!(drift <= limit + ROUNDING * fabs(u)))
    EQS_FAIL(
        EQS_ERR_DIVERGED,
        "the running energy is %.10g eV, computed afresh %.10g eV, after %lld moves: more than "
        "the allowed %.3g eV; the energies of single moves do not add up",
        c->u, u, (long long)c->since_check, limit);
  if (drift > c->largest_drift) c->largest_drift = drift;
  c->u = u;
  c->since_check = 0;
  return EQS_OK;
}

eqs_status chain_rebuild(chain *c) {
  for (int i = c->n - 1; i >= 0; i--) {
    const guest_change out = {i, -1, c->guests[i].pose};
    EQS_TRY(energy_pair_commit(&c->energy, &out));
  }
  for (int i = 0; i < c->n; i++) {
    const guest_change in = {-1, c->guests[i].component, c->guests[i].pose};
    EQS_TRY(energy_pair_commit(&c->energy, &in));
  }
  return EQS_OK;
}

eqs_status chain_bindings(chain *c, double *lowest, int *n_hole) {
  guest_change *x = NULL;
  double *du = NULL, *cheap = NULL;
  eqs_status status = EQS_OK;
  size_t n = (size_t)c->n;
  *lowest = NAN;
  *n_hole = 0;
  if (n == 0) return EQS_OK;
  EQS_TRY_DONE(alloc_array(&x, n, sizeof *x, "binding energies"));
  EQS_TRY_DONE(alloc_array(&du, n, sizeof *du, "binding energies"));
  EQS_TRY_DONE(alloc_array(&cheap, n, sizeof *cheap, "binding energies"));
  for (int i = 0; i < c->n; i++) x[i] = (guest_change){i, -1, c->guests[i].pose};
  EQS_TRY_DONE(c->energy.costly->ops->trial(c->energy.costly, c->n, x, du));
  if (c->energy.cheap_share != 0)
    EQS_TRY_DONE(c->energy.cheap->ops->trial(c->energy.cheap, c->n, x, cheap));
  for (int i = 0; i < c->n; i++) {
    double bound = -(c->energy.costly_share * du[i] + c->energy.cheap_share * cheap[i]);
    if (!(bound >= -c->s->hole_limit)) ++*n_hole;
    if (!(bound >= *lowest)) *lowest = bound;
  }
done:
  free(x);
  free(du);
  free(cheap);
  return status;
}

double chain_discarded(const chain *c) {
  double lost = log_sum_value(&c->holes.discarded);
  if (c->holes.n_not_a_number) return 1;
  if (lost == -INFINITY) return 0;
  return 1 / (1 + exp(log_sum_value(&c->holes.kept) - lost));
}

static void archive_guest(archive *a, guest *g) {
  archive_int(a, &g->component);
  archive_f64(a, g->pose.position, 3);
  archive_f64(a, g->pose.quaternion, 4);
}

void chain_archive_settings(const chain_settings *s, archive *a) {
  chain_settings x = *s;
  double cell[9];
  memcpy(cell, s->cell, sizeof cell);
  archive_f64(a, cell, 9);
  archive_f64(a, &x.temperature, 1);
  archive_int(a, &x.n_component);
  archive_f64(a, x.fugacity, CHAIN_COMPONENTS);
  for (int i = 0; i < CHAIN_COMPONENTS; i++) archive_int(a, &x.point[i]);
  archive_f64(a, x.weight, CHAIN_KINDS);
  archive_int(a, &x.trials);
  archive_int(a, &x.reinsert_trials);
  archive_int(a, &x.lookahead);
  archive_f64(a, &x.hybrid_step, 1);
  archive_int(a, &x.hybrid_steps);
  archive_int(a, &x.max_guests);
  archive_int(a, &x.wall);
  archive_f64(a, &x.hole_limit, 1);
  archive_u64(a, &x.seed);
  int64_t stream = x.stream, surrogate = x.surrogate != NULL;
  archive_i64(a, &stream);
  archive_i64(a, &surrogate);
  archive_int(a, &x.n_initial);
  for (int i = 0; i < s->n_initial; i++) {
    guest g = s->initial[i];
    archive_guest(a, &g);
  }
  archive_text(a, x.condition);
}

static void archive_log_sum(archive *a, log_sum *s) {
  archive_f64(a, &s->scale, 1);
  archive_f64(a, &s->sum, 1);
}

static void archive_counters(chain *c, archive *a) {
  archive_u64(a, &c->move);
  archive_f64(a, c->step, CHAIN_COMPONENTS);
  archive_f64(a, c->turn, CHAIN_COMPONENTS);
  for (int i = 0; i < CHAIN_COMPONENTS; i++)
    for (int k = 0; k < 4; k++) archive_i64(a, &c->recent[i][k]);
  for (int i = 0; i < CHAIN_KINDS; i++) {
    archive_i64(a, &c->counts[i].tried);
    archive_i64(a, &c->counts[i].passed);
    archive_i64(a, &c->counts[i].accepted);
    archive_i64(a, &c->counts[i].energies);
  }
  archive_i64(a, &c->holes.n_overlap);
  archive_i64(a, &c->holes.n_hole);
  archive_i64(a, &c->holes.n_not_a_number);
  archive_f64(a, &c->holes.lowest, 1);
  archive_log_sum(a, &c->holes.kept);
  archive_log_sum(a, &c->holes.discarded);
  archive_i64(a, &c->surrogate_energies);
  archive_f64(a, &c->largest_drift, 1);
  archive_f64(a, &c->u, 1);
}

static eqs_status read_guests(chain *c, archive *a, int n) {
  for (int i = 0; i < n; i++) {
    guest g = {0};
    archive_guest(a, &g);
    if (a->failed) return archive_finish(a);
    eqs_status status = chain_put_in(c, &g);
    if (status != EQS_OK) return status_prefix(status, "in the checkpoint");
  }
  return EQS_OK;
}

static int counter(int64_t n) { return n >= 0 && n < (int64_t)1 << 60; }

static int sane(const chain *c) {
  for (int i = 0; i < CHAIN_KINDS; i++)
    if (!counter(c->counts[i].tried) || !counter(c->counts[i].passed) ||
        !counter(c->counts[i].accepted) || !counter(c->counts[i].energies))
      return 0;
  for (int i = 0; i < 4 * CHAIN_COMPONENTS; i++)
    if (!counter(c->recent[i / 4][i % 4])) return 0;
  if (!counter(c->holes.n_overlap) || !counter(c->holes.n_hole) ||
      !counter(c->holes.n_not_a_number) || !counter(c->surrogate_energies))
    return 0;
  for (int i = 0; i < CHAIN_COMPONENTS; i++)
    if (!(c->step[i] >= 0 && c->step[i] < 1e6) || !(c->turn[i] >= 0 && c->turn[i] <= PI)) return 0;
  return isfinite(c->u) && c->move < UINT64_MAX / 2;
}

eqs_status chain_archive(chain *c, archive *a) {
  int n = c->n;
  archive_counters(c, a);
  archive_int(a, &n);
  if (!a->reading) {
    for (int i = 0; i < n; i++) archive_guest(a, &c->guests[i]);
    return EQS_OK;
  }
  if (a->failed) return archive_finish(a);
  if (n < 0 || n > c->s->max_guests || c->n != 0 || !sane(c))
    EQS_FAIL(EQS_ERR_FORMAT, "the checkpoint's state makes no sense; remove it to start anew");
  double u, stored = c->u, limit = c->s->drift_limit;
  EQS_TRY(read_guests(c, a, n));
  EQS_TRY(energy_pair_total(&c->energy, &u));
  if (!(fabs(u - stored) <= limit + ROUNDING * fabs(u)))
    EQS_FAIL(EQS_ERR_FORMAT,
             "the checkpoint's guests have %.10g eV, here %.10g eV: it belongs to other energies",
             stored, u);
  c->u = u;
  c->since_check = 0;
  return EQS_OK;
}
