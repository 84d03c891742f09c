/* pose_table.c -- a table of uniform poses with their cheap energies, and drawing from it.
 *
 * Exponentials are taken relative to W_k, so no weight exceeds n and nothing overflows, however
 * deep the surrogate's wells are. Drawing is by bisection of the running sum: no state, so draw j
 * is a pure function of its random number.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pose_table.h"

#include "core/adsorption/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void pose_table_open(pose_table *t, uint64_t seed, uint32_t stream, const double cell[9],
                     double limit) {
  *t = (pose_table){.seed = seed, .stream = stream, .limit = limit};
  memcpy(t->cell, cell, sizeof t->cell);
}

void pose_table_free(pose_table *t) {
  free(t->base);
  free(t->us);
  free(t->upto);
  *t = (pose_table){0};
}

void pose_table_pose(const pose_table *t, int64_t i, pose *out) {
  pose_draw(t->seed, t->stream, (uint64_t)i, t->cell, out);
}

static eqs_status lengthen(double **a, int64_t n) {
  double *b = realloc(*a, mul_size((size_t)n, sizeof *b));
  if (!b)
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory for a table of %lld poses; ask for fewer",
             (long long)n);
  *a = b;
  return EQS_OK;
}

eqs_status pose_table_grow(pose_table *t, int64_t n, widom_energy cheap, void *context, int batch,
                           int (*look)(void *user, int64_t done), void *user) {
  if (n > POSE_TABLE_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a table of %lld poses; at most %d", (long long)n, POSE_TABLE_MAX);
  if (n <= t->n) return EQS_OK;
  EQS_TRY(lengthen(&t->base, n));
  EQS_TRY(lengthen(&t->us, n));
  EQS_TRY(lengthen(&t->upto, n));
  pose *poses = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&poses, (size_t)batch, sizeof *poses, "poses"));
  while (t->n < n) {
    int m = n - t->n < batch ? (int)(n - t->n) : batch;
    for (int i = 0; i < m; i++) pose_table_pose(t, t->n + i, &poses[i]);
    EQS_TRY_DONE(cheap(context, m, poses, t->base + t->n));
    for (int64_t i = t->n; i < t->n + m; i++) {
      /* false for NAN; a well that deep is the surrogate's own hole, and would take all draws */
      if (!(t->base[i] >= -HOLE_KJ_MOL / EV_KJ_MOL)) t->base[i] = INFINITY;
      t->us[i] = t->base[i];
      t->upto[i] = 0;
      t->n_accessible += pose_table_accessible(t, i);
    }
    t->n += m;
    if (look && look(user, t->n))
      EQS_TRY_DONE(status_fail(EQS_ERR_INTERRUPTED, "stopped after %lld of %lld cheap energies",
                               (long long)t->n, (long long)n));
  }
done:
  free(poses);
  return status;
}

void pose_table_density(pose_table *t, double eps, int n_kt, const double *kt) {
  t->eps = eps;
  t->n_kt = n_kt;
  for (int k = 0; k < n_kt; k++) {
    log_sum sum;
    log_sum_start(&sum);
    for (int64_t i = 0; i < t->n; i++)
      if (pose_table_accessible(t, i)) log_sum_add(&sum, -t->us[i] / kt[k]);
    t->kt[k] = kt[k];
    t->ln_w[k] = log_sum_value(&sum) - log((double)t->n);
  }
  double sum = 0;
  for (int64_t i = 0; i < t->n; i++) {
    sum += exp(pose_table_ln_q(t, i));
    t->upto[i] = sum;
  }
}

double pose_table_ln_q(const pose_table *t, int64_t i) {
  if (!pose_table_accessible(t, i)) return -INFINITY;
  double q = t->eps / pose_table_share(t);
  for (int k = 0; k < t->n_kt; k++)
    q += (1 - t->eps) / t->n_kt * exp(-t->us[i] / t->kt[k] - t->ln_w[k]);
  return log(q);
}

double pose_table_ln_defensive(const pose_table *t) { return log(t->eps / pose_table_share(t)); }

int64_t pose_table_pick(const pose_table *t, double u) {
  double want = u * t->upto[t->n - 1];
  int64_t low = 0, high = t->n - 1; /* the first i with upto[i] > want */
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (t->upto[middle] > want) high = middle;
    else low = middle + 1;
  }
  while (low > 0 && !pose_table_accessible(t, low)) low--; /* u rounded up to the very end */
  return low;
}

double pose_table_share(const pose_table *t) { return (double)t->n_accessible / (double)t->n; }

double pose_table_share_sigma(const pose_table *t) {
  double f = pose_table_share(t);
  return sqrt(f * (1 - f) / (double)t->n);
}

double pose_table_w_sigma(const pose_table *t, int k) {
  double square = 0, n = (double)t->n;
  for (int64_t i = 0; i < t->n; i++)
    if (pose_table_accessible(t, i)) square += exp(2 * (-t->us[i] / t->kt[k] - t->ln_w[k]));
  return sqrt(fmax(square / n - 1, 0) / n);
}
