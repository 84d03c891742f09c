/* proposal.c -- the moves of grand canonical Monte Carlo and their acceptance ratios.
 *
 * z = beta f, V the box. Insertion: k uniform poses with U_j = U(with j) - U, one chosen with
 * probability w_j / sum w, w_j = exp(-beta U_j), W = (1/k) sum w; ratio z V/(N+1) W. Deletion of m:
 * W from m itself and k-1 poses in its absence; ratio N/(z V W). Both are exact for any k.
 * Reinsertion: W(new)/W(old) in the same way. Identity A -> B: f_B N_A / (f_A (N_B + 1)) times
 * exp(-beta dU), orientation drawn anew. Translation: uniform in a cube; rotation: uniform axis,
 * uniform angle.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/proposal.h"

#include "core/adsorption/random.h"

#include <math.h>

enum { FIXED = 16, PER_POSE = 6 }; /* uniform numbers of a move: fixed ones, then poses */
enum { U_KIND, U_COMPONENT, U_OTHER, U_GUEST, U_CHOICE, U_FIRST, U_SECOND, U_SHIFT };
#define PI 3.14159265358979323846

int proposal_size(const chain_settings *s) {
  int reinsert = 2 * s->reinsert_trials - 1;
  return s->trials > reinsert ? s->trials : reinsert;
}

size_t proposal_uniforms(const chain_settings *s) {
  return FIXED + (size_t)PER_POSE * (size_t)proposal_size(s);
}

/* floor(u n), safe against rounding up. */
static int pick(double u, int n) {
  int i = (int)(u * n);
  return i < n ? i : n - 1;
}

static int nth_of_component(const chain *c, int component, int nth) {
  for (int i = 0; i < c->n; i++)
    if (c->guests[i].component == component && nth-- == 0) return i;
  return -1;
}

static pose trial_pose(const chain *c, int j) {
  pose p;
  pose_from_uniform(c->uniform + FIXED + PER_POSE * j, c->s->cell, &p);
  return p;
}

static void wrap(const chain *c, double x[3]) {
  double f[3];
  for (int k = 0; k < 3; k++) {
    f[k] = x[0] * c->inverse[k] + x[1] * c->inverse[3 + k] + x[2] * c->inverse[6 + k];
    f[k] -= floor(f[k]);
  }
  for (int k = 0; k < 3; k++)
    x[k] = f[0] * c->s->cell[k] + f[1] * c->s->cell[3 + k] + f[2] * c->s->cell[6 + k];
}

/* q <- r q for the rotation r by `angle` about `axis`. */
static void turn(double q[4], const double axis[3], double angle) {
  double s = sin(angle / 2), w = cos(angle / 2);
  double x = s * axis[0], y = s * axis[1], z = s * axis[2], norm = 0;
  const double out[4] = {
      w * q[0] + x * q[3] + y * q[2] - z * q[1], w * q[1] - x * q[2] + y * q[3] + z * q[0],
      w * q[2] + x * q[1] - y * q[0] + z * q[3], w * q[3] - x * q[0] - y * q[1] - z * q[2]};
  for (int k = 0; k < 4; k++) norm += out[k] * out[k];
  for (int k = 0; k < 4; k++) q[k] = out[k] / sqrt(norm);
}

static void make_insert(const chain *c, proposal *p) {
  int full = c->n >= c->s->max_guests;
  p->blocked = full && !c->s->wall;
  if (full) return;
  p->n_trial = c->s->trials;
  for (int j = 0; j < p->n_trial; j++)
    p->change[j] = (guest_change){-1, p->component, trial_pose(c, j)};
  p->ln_factor = c->ln_z[p->component] - log(c->count[p->component] + 1.0);
}

static void make_delete(const chain *c, proposal *p) {
  int n = c->count[p->component];
  if (n == 0) return;
  int m = nth_of_component(c, p->component, pick(c->uniform[U_GUEST], n));
  p->n_trial = c->s->trials;
  p->change[0] = (guest_change){m, -1, c->guests[m].pose};
  for (int j = 1; j < p->n_trial; j++)
    p->change[j] = (guest_change){m, p->component, trial_pose(c, j)};
  p->ln_factor = log((double)n) - c->ln_z[p->component];
}

static void make_shift(const chain *c, proposal *p) {
  const double *u = c->uniform + U_SHIFT;
  if (c->n == 0) return;
  int m = pick(c->uniform[U_GUEST], c->n);
  guest g = c->guests[m];
  p->component = g.component;
  if (p->kind == CHAIN_ROTATE && c->s->point[g.component]) p->kind = CHAIN_TRANSLATE;
  if (p->kind == CHAIN_TRANSLATE) {
    for (int k = 0; k < 3; k++) g.pose.position[k] += (2 * u[k] - 1) * c->step[g.component];
    wrap(c, g.pose.position);
  } else {
    double z = 2 * u[0] - 1, r = sqrt(1 - z * z), phi = 2 * PI * u[1];
    const double axis[3] = {r * cos(phi), r * sin(phi), z};
    turn(g.pose.quaternion, axis, (2 * u[2] - 1) * c->turn[g.component]);
  }
  p->n_trial = 1;
  p->change[0] = (guest_change){m, g.component, g.pose};
}

static void make_reinsert(const chain *c, proposal *p) {
  if (c->n == 0) return;
  int m = pick(c->uniform[U_GUEST], c->n);
  p->component = c->guests[m].component;
  p->n_trial = 2 * c->s->reinsert_trials - 1;
  for (int j = 0; j < p->n_trial; j++)
    p->change[j] = (guest_change){m, p->component, trial_pose(c, j)};
}

static void make_identity(const chain *c, proposal *p) {
  int a = p->component, n = c->count[a], others = c->s->n_component - 1;
  if (n == 0 || others == 0) return;
  int b = (a + 1 + pick(c->uniform[U_OTHER], others)) % c->s->n_component;
  int m = nth_of_component(c, a, pick(c->uniform[U_GUEST], n));
  guest g = {b, trial_pose(c, 0)};
  for (int k = 0; k < 3; k++) g.pose.position[k] = c->guests[m].pose.position[k];
  p->other = b;
  p->n_trial = 1;
  p->change[0] = (guest_change){m, b, g.pose};
  p->ln_factor = c->ln_z[b] - c->ln_z[a] + log((double)n) - log(c->count[b] + 1.0);
}

static int poses_of(const chain *c, chain_kind kind) {
  switch (kind) {
  case CHAIN_INSERT:
  case CHAIN_DELETE: return c->s->trials;
  case CHAIN_REINSERT: return 2 * c->s->reinsert_trials - 1;
  case CHAIN_IDENTITY: return 1;
  default: return 0;
  }
}

static chain_kind draw_kind(const chain_settings *s, double u) {
  double sum = 0, at = 0;
  int last = CHAIN_INSERT;
  for (int k = 0; k < CHAIN_KINDS; k++) sum += s->weight[k];
  for (int k = 0; k < CHAIN_KINDS; k++) {
    if (s->weight[k] == 0) continue;
    at += s->weight[k];
    last = k;
    if (u * sum < at) break;
  }
  return (chain_kind)last;
}

void proposal_make(const chain *c, uint64_t move, proposal *p) {
  const chain_settings *s = c->s;
  double *u = c->uniform;
  random_uniform(s->seed, s->stream, move, FIXED, u);
  p->kind = draw_kind(s, u[U_KIND]);
  size_t n = FIXED + (size_t)PER_POSE * (size_t)poses_of(c, p->kind);
  if (n > FIXED) random_uniform(s->seed, s->stream, move, n, u); /* the first ones are the same */
  p->component = pick(u[U_COMPONENT], s->n_component);
  p->other = -1;
  p->n_trial = p->blocked = 0;
  p->ln_factor = 0;
  p->u_choice = u[U_CHOICE];
  p->u_first = u[U_FIRST];
  p->u_second = u[U_SECOND];
  p->chosen = -1;
  p->ln_ratio = -INFINITY;
  switch (p->kind) {
  case CHAIN_INSERT: make_insert(c, p); break;
  case CHAIN_DELETE: make_delete(c, p); break;
  case CHAIN_REINSERT: make_reinsert(c, p); break;
  case CHAIN_IDENTITY: make_identity(c, p); break;
  case CHAIN_HYBRID: break; /* the energy itself moves everything */
  default: make_shift(c, p); break;
  }
}

/* A guest put in is bound by -du, one taken out by du. One that is moved is known only relative to
 * where it is: much deeper must be a hole, and as far up is the way out of it. */
int proposal_refused(chain_kind kind, double du, double limit) {
  if (!isfinite(du)) return 1;
  if (kind == CHAIN_INSERT) return du < -limit;
  return kind == CHAIN_DELETE ? du > limit : fabs(du) > limit;
}

/* ln weight of a pose with energy u; holes and overlaps have none. */
static double ln_weight(const chain *c, double u, double limit) {
  return isfinite(u) && u >= -limit ? -c->beta * u : -INFINITY;
}

/* Chooses among n with weights exp(-beta u); -1 if all are zero. *ln_sum: of the weights. */
static int choose(const chain *c, int n, const double *u, double limit, double uniform,
                  double *ln_sum) {
  log_sum sum;
  int last = -1;
  double at = 0;
  log_sum_start(&sum);
  for (int j = 0; j < n; j++) log_sum_add(&sum, ln_weight(c, u[j], limit));
  *ln_sum = log_sum_value(&sum);
  for (int j = 0; j < n; j++) {
    double x = ln_weight(c, u[j], limit);
    if (x == -INFINITY) continue;
    at += exp(x - *ln_sum);
    last = j;
    if (uniform < at) break;
  }
  return last;
}

static void resolve_delete(const chain *c, proposal *p, double limit) {
  double removal = p->du[0];
  log_sum sum;
  if (proposal_refused(CHAIN_DELETE, removal, limit)) return;
  log_sum_start(&sum);
  log_sum_add(&sum, c->beta * removal);
  for (int j = 1; j < p->n_trial; j++) log_sum_add(&sum, ln_weight(c, p->du[j] - removal, limit));
  p->chosen = 0;
  p->ln_ratio = p->ln_factor - log_sum_value(&sum) + log(p->n_trial);
}

static void resolve_reinsert(const chain *c, proposal *p, double limit) {
  int k = (p->n_trial + 1) / 2;
  double ln_new;
  log_sum old;
  p->chosen = choose(c, k, p->du, INFINITY, p->u_choice, &ln_new);
  if (p->chosen < 0) return;
  if (proposal_refused(p->kind, p->du[p->chosen], limit)) {
    p->chosen = -1;
    return;
  }
  log_sum_start(&old);
  log_sum_add(&old, 0);
  for (int j = k; j < p->n_trial; j++) log_sum_add(&old, ln_weight(c, p->du[j], INFINITY));
  p->ln_ratio = ln_new - log_sum_value(&old);
}

void proposal_resolve(const chain *c, proposal *p, double limit) {
  double ln_sum;
  p->chosen = -1;
  p->ln_ratio = -INFINITY;
  if (p->n_trial == 0) return;
  switch (p->kind) {
  case CHAIN_INSERT:
    p->chosen = choose(c, p->n_trial, p->du, limit, p->u_choice, &ln_sum);
    if (p->chosen >= 0) p->ln_ratio = p->ln_factor + ln_sum - log(p->n_trial);
    break;
  case CHAIN_DELETE: resolve_delete(c, p, limit); break;
  case CHAIN_REINSERT: resolve_reinsert(c, p, limit); break;
  default:
    if (proposal_refused(p->kind, p->du[0], limit)) return;
    p->chosen = 0;
    p->ln_ratio = p->ln_factor - c->beta * p->du[0];
  }
}
