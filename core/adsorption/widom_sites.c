/* widom_sites.c -- insertion around places that chains with the model have found.
 *
 * Where the surrogate misses the wells, its draws hit them by luck alone. Then Metropolis chains
 * with the model's own energy go downhill from the lowest pose of each place known so far, one in
 * each, so that none is lost to a deeper one. Draws are made around all poses met, by their weight
 * exp(-U/kT); of those close to each other the lowest alone counts, so that equal wells weigh the
 * same however often each was met. A few rounds of such draws join what is known (population Monte
 * Carlo: O. Cappe et al., J. Comput. Graph. Stat. 13, 907 (2004)); then all is frozen. The density
 * is a mixture of kernels (pose_kernels.h) and a uniform share, known in closed form: W =
 * <exp(-U/kT)/q> is as exact as before, with independent draws and without a table. Chains are
 * never averaged over. The surrogate is only asked where it is closed.
 *
 * Energies are kept by a hash of the pose, so that they stay true whatever led there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/random.h"
#include "core/adsorption/widom_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNIFORMS = 1 + 6 + KERNEL_UNIFORMS, MOVE_UNIFORMS = 10 };
enum {
  CHAINS_MIN = 16,
  CHAINS_MAX = 160,
  STAGES = 3,
  ALL_SWEEPS = 90,
  MOVES_PER_CHAIN = 45,
  ADAPTIONS = 6,
  HOT_ADAPTIONS = 2,
  CENTERS = 1024,
  PLACES = 4096
};
#define SEARCH_SHARE  0.35 /* of what is left of the budget */
#define UNIFORM_SHARE 0.2  /* of the energies */
#define PLACE         1.5  /* angstrom, between places */
#define HOT           2.0  /* times the temperature, at the start of the chains */
#define HOT_PLACES    6.0  /* the same between places, while they get known */
#define STEP          1.0  /* angstrom, of the largest moves */
#define ANGLE         0.75 /* of a quaternion's change in the largest moves */
#define SIZES         4.0  /* factors of two down to the smallest ones */
#define NEAR          0.25 /* angstrom, between poses to draw around */
#define NOTHING       1e-5 /* of the largest weight: not drawn around */
#define TWO_PI        6.283185307179586476925287
#define KEY_MOVE      0x4D4F564500000000u
#define KEY_ADAPT     0x4144415054000000u

typedef struct answer {
  double u, base; /* eV */
  int kind, blocked;
} answer;

/* ---- energies of poses that have no number */

/* Above every index of a table; two of 10^6 poses meet with a chance of 10^-7. */
static int64_t key_of(const pose *p) {
  uint64_t hash = 0, word[7];
  memcpy(word, p->position, sizeof p->position);
  memcpy(word + 3, p->quaternion, sizeof p->quaternion);
  for (int k = 0; k < 7; k++) {
    hash = (hash ^ word[k]) + 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBu;
    hash ^= hash >> 31;
  }
  return (int64_t)(hash >> 2 | (uint64_t)1 << 62);
}

/* Those that are stored not yet. */
static eqs_status compute(importance_run *r, int n, const pose *p, const answer *a) {
  int m = 0;
  for (int i = 0; i < n; i++) {
    int64_t key = key_of(&p[i]);
    if (a[i].kind != DRAW_KEPT || energy_store_find(&r->energies, key)) continue;
    int waiting = 0;
    for (int k = 0; k < m; k++) waiting |= r->wanted[k] == key;
    if (waiting) continue;
    r->wanted[m] = key;
    r->poses[m++] = p[i];
  }
  if (!m) return EQS_OK;
  EQS_TRY(r->s.expensive(r->s.context, m, r->poses, r->u));
  for (int k = 0; k < m; k++) EQS_TRY(energy_store_add(&r->energies, r->wanted[k], r->u[k]));
  return EQS_OK;
}

/* At most a batch. */
static eqs_status ask(importance_run *r, int n, const pose *p, answer *a) {
  EQS_TRY(r->s.cheap(r->s.context, n, p, r->u));
  for (int i = 0; i < n; i++) {
    a[i] = (answer){.u = INFINITY, .base = r->u[i], .kind = DRAW_OVERLAP};
    /* false for NAN: closed, as in the table */
    if (!(a[i].base <= r->table.limit && a[i].base >= -HOLE_KJ_MOL / EV_KJ_MOL)) continue;
    if (r->s.overlap && r->s.overlap(r->s.context, &p[i])) continue;
    a[i].blocked = r->s.blocked && r->s.blocked(r->s.context, &p[i]);
    a[i].kind = DRAW_KEPT;
  }
  EQS_TRY(compute(r, n, p, a));
  for (int i = 0; i < n; i++) {
    if (a[i].kind != DRAW_KEPT) continue;
    int64_t key = key_of(&p[i]);
    importance_use(r, key);
    a[i].u = energy_store_find(&r->energies, key)->u;
    if (a[i].u == INFINITY) a[i].kind = DRAW_OVERLAP;
    else if (importance_hole(r, a[i].u, a[i].base)) a[i].kind = DRAW_HOLE;
  }
  return EQS_OK;
}

/* ---- draws */

static eqs_status remember(importance_run *r, const pose *p, double base, int64_t *index) {
  if (r->n_asked == r->asked_capacity) {
    int64_t more = r->asked_capacity ? 2 * r->asked_capacity : 1024;
    pose *poses = realloc(r->asked, mul_size((size_t)more, sizeof *poses));
    if (poses) r->asked = poses;
    double *bases = realloc(r->asked_base, mul_size((size_t)more, sizeof *bases));
    if (bases) r->asked_base = bases;
    if (!poses || !bases) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %lld poses", (long long)more);
    r->asked_capacity = more;
  }
  r->asked[r->n_asked] = *p;
  r->asked_base[r->n_asked] = base;
  *index = r->n_asked++;
  return EQS_OK;
}

static eqs_status add(importance_run *r, widom_draws *d, const pose *p, const answer *a) {
  widom_draw draw = {.index = -1,
                     .u = a->u,
                     .ln_defensive = log(r->uniform),
                     .kind = a->kind,
                     .blocked = a->blocked};
  if (a->kind != DRAW_OVERLAP) {
    draw.ln_q = log(r->uniform + (1 - r->uniform) * pose_kernels_density(&r->kernels, p));
    EQS_TRY(remember(r, p, a->base, &draw.index));
  }
  return widom_draws_add(d, &draw);
}

eqs_status importance_site_round(importance_run *r, widom_draws *d, uint64_t key, int64_t n) {
  pose *p = NULL;
  answer *a = NULL;
  double u[UNIFORMS];
  size_t batch = (size_t)r->s.batch;
  int64_t from = d->n;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&p, batch, sizeof *p, "poses"));
  EQS_TRY_DONE(alloc_array(&a, batch, sizeof *a, "poses"));
  while (d->n < from + n) {
    int m = from + n - d->n < r->s.batch ? (int)(from + n - d->n) : r->s.batch;
    for (int i = 0; i < m; i++) {
      random_uniform(r->s.seed ^ key, r->s.stream, (uint64_t)(d->n + i), UNIFORMS, u);
      if (u[0] < r->uniform) pose_from_uniform(u + 1, r->s.cell, &p[i]);
      else pose_kernels_draw(&r->kernels, u + 7, &p[i]);
    }
    EQS_TRY_DONE(ask(r, m, p, a));
    for (int i = 0; i < m; i++) EQS_TRY_DONE(add(r, d, &p[i], &a[i]));
    if (r->at.phase == IMPORTANCE_PRODUCTION) r->at.done = r->at.n_energy;
    EQS_TRY_DONE(importance_look(r));
  }
  EQS_TRY_DONE(importance_save(r, 0));
done:
  free(p);
  free(a);
  return status;
}

void importance_sites_free(importance_run *r) {
  pose_kernels_free(&r->kernels);
  free(r->asked);
  free(r->asked_base);
  free(r->known);
}

/* ---- the search */

static eqs_status know(importance_run *r, const pose *p, double u) {
  if (r->n_known == r->known_capacity) {
    int64_t more = r->known_capacity ? 2 * r->known_capacity : 1024;
    known_pose *known = realloc(r->known, mul_size((size_t)more, sizeof *known));
    if (!known) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %lld poses", (long long)more);
    r->known = known;
    r->known_capacity = more;
  }
  r->known[r->n_known++] = (known_pose){*p, u};
  return EQS_OK;
}

static eqs_status know_draws(importance_run *r, const widom_draws *d) {
  for (int64_t i = 0; i < d->n; i++) {
    const widom_draw *w = &d->draw[i];
    pose p;
    if (w->kind != DRAW_KEPT || w->blocked) continue;
    if (r->kernels.n) p = r->asked[w->index];
    else pose_table_pose(&r->table, w->index, &p);
    EQS_TRY(know(r, &p, w->u));
  }
  return EQS_OK;
}

static int by_energy(const void *a, const void *b) {
  double x = ((const known_pose *)a)->u, y = ((const known_pose *)b)->u;
  return (x > y) - (x < y);
}

/* ---- chains: from the lowest pose of each place downhill */

typedef struct chains {
  int n, sweep; /* sweeps done */
  pose *at, *to;
  double *u;
  answer *answer;
} chains;

/* A symmetric proposal of a size drawn over a factor of 16: a normal step, and a quaternion with
 * normal noise added. u[9]. */
static void propose(const double *u, const pose *from, pose *to) {
  double size = exp2(-SIZES * u[0]), g[8], square = 0;
  for (int k = 0; k < 4; k++) {
    double radius = sqrt(-2 * log1p(-u[1 + 2 * k]));
    g[2 * k] = radius * cos(TWO_PI * u[2 + 2 * k]);
    g[2 * k + 1] = radius * sin(TWO_PI * u[2 + 2 * k]);
  }
  for (int k = 0; k < 3; k++) to->position[k] = from->position[k] + STEP * size * g[k];
  for (int k = 0; k < 4; k++) {
    to->quaternion[k] = from->quaternion[k] + ANGLE * size * g[4 + k];
    square += to->quaternion[k] * to->quaternion[k];
  }
  for (int k = 0; k < 4; k++) to->quaternion[k] /= sqrt(square);
}

/* One move of every chain; all that was asked for is known from then on. */
static eqs_status sweep(importance_run *r, chains *c, double kt) {
  double u[MOVE_UNIFORMS];
  uint64_t first = (uint64_t)c->sweep++ * CHAINS_MAX;
  for (int k = 0; k < c->n; k++) {
    random_uniform(r->s.seed ^ KEY_MOVE, r->s.stream, first + (uint64_t)k, MOVE_UNIFORMS, u);
    propose(u, &c->at[k], &c->to[k]);
  }
  for (int done = 0; done < c->n; done += r->s.batch) {
    int m = c->n - done < r->s.batch ? c->n - done : r->s.batch;
    EQS_TRY(ask(r, m, c->to + done, c->answer + done));
  }
  for (int k = 0; k < c->n; k++) {
    const answer *a = &c->answer[k];
    if (a->kind != DRAW_KEPT || a->blocked) continue;
    EQS_TRY(know(r, &c->to[k], a->u));
    random_uniform(r->s.seed ^ KEY_MOVE, r->s.stream, first + (uint64_t)k, MOVE_UNIFORMS, u);
    if (!(u[MOVE_UNIFORMS - 1] < exp((c->u[k] - a->u) / kt))) continue;
    c->at[k] = c->to[k];
    c->u[k] = a->u;
  }
  EQS_TRY(importance_save(r, 0));
  return importance_look(r);
}

/* At most c->n chains, one in each of the places whose lowest pose is lowest. */
static eqs_status start_chains(importance_run *r, chains *c) {
  static const gas point = {.n = 1};
  pose_kernels places = {0};
  int most = c->n;
  c->n = 0;
  qsort(r->known, (size_t)r->n_known, sizeof *r->known, by_energy);
  eqs_status status = pose_kernels_open(&places, r->s.cell, &point, most);
  for (int64_t i = 0; status == EQS_OK && i < r->n_known; i++) {
    if (!pose_kernels_add(&places, &r->known[i].pose, 1, PLACE)) continue;
    c->at[c->n] = r->known[i].pose;
    c->u[c->n++] = r->known[i].u;
  }
  pose_kernels_free(&places);
  return status;
}

/* Fewer and fewer chains, started anew from what the others have found: two in one place become
 * one.
 */
static eqs_status run_chains(importance_run *r, int n) {
  static const int sweeps[STAGES] = {20, 30, 40};
  chains c = {.n = n};
  size_t size = (size_t)n;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&c.at, size, sizeof *c.at, "chains"));
  EQS_TRY_DONE(alloc_array(&c.to, size, sizeof *c.to, "chains"));
  EQS_TRY_DONE(alloc_array(&c.u, size, sizeof *c.u, "chains"));
  EQS_TRY_DONE(alloc_array(&c.answer, size, sizeof *c.answer, "chains"));
  for (int stage = 0, done = 0; stage < STAGES; stage++) {
    c.n = n >> stage;
    EQS_TRY_DONE(start_chains(r, &c));
    for (int i = 0; i < sweeps[stage]; i++, done++) {
      double hot = 1 - (double)done / ALL_SWEEPS;
      r->at = (importance_progress){IMPORTANCE_CHAINS, done, ALL_SWEEPS, r->at.n_energy, NAN};
      EQS_TRY_DONE(sweep(r, &c, r->kt[0] * pow(HOT, hot)));
    }
  }
done:
  free(c.at);
  free(c.to);
  free(c.u);
  free(c.answer);
  return status;
}

/* ---- kernels around what is known */

/* Temperatures (eV) between the bottoms of places, and between poses of a place. */
typedef struct climate {
  double places, within;
} climate;

/* weight[i] += exp(-U/kT), normalised, of the known poses, which are sorted; kT is `places` for the
 * lowest pose of a place and `within` from there up. */
static eqs_status weigh(const importance_run *r, climate c, double *weight) {
  static const gas point = {.n = 1};
  pose_kernels places = {0};
  double *x = NULL, lowest = r->known[0].u, total = 0;
  size_t n = (size_t)r->n_known;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&x, n, sizeof *x, "kernels"));
  EQS_TRY_DONE(pose_kernels_open(&places, r->s.cell, &point, PLACES));
  for (size_t i = 0; i < n; i++) {
    const known_pose *p = &r->known[i];
    int at = pose_kernels_near(&places, &p->pose, PLACE);
    double bottom = at < 0 ? p->u : places.weight[at];
    if (at < 0) pose_kernels_add(&places, &p->pose, p->u, PLACE);
    x[i] = exp((lowest - bottom) / c.places + (bottom - p->u) / c.within);
    total += x[i];
  }
  for (size_t i = 0; i < n; i++) weight[i] += x[i] / total;
done:
  pose_kernels_free(&places);
  free(x);
  return status;
}

/* Around the known poses of most weight, the mean over n climates. */
static eqs_status set_centers(importance_run *r, int n, const climate *c) {
  pose_kernels next = {0};
  double *weight = NULL, most = 0;
  size_t known = (size_t)r->n_known;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&weight, known, sizeof *weight, "kernels"));
  EQS_TRY_DONE(pose_kernels_open(&next, r->s.cell, r->s.molecule, CENTERS));
  qsort(r->known, known, sizeof *r->known, by_energy);
  for (int t = 0; t < n; t++) EQS_TRY_DONE(weigh(r, c[t], weight));
  for (size_t i = 0; i < known; i++) most = fmax(most, weight[i]);
  for (size_t i = 0; i < known; i++)
    if (weight[i] >= NOTHING * most) pose_kernels_add(&next, &r->known[i].pose, weight[i], NEAR);
  if (r->kernels.n) memcpy(next.share, r->kernels.share, sizeof next.share);
  pose_kernels_close(&next);
done:
  free(weight);
  pose_kernels_free(&r->kernels);
  r->kernels = next;
  return status;
}

/* The kernels' widths from a round's draws, of which none is a centre yet. */
static eqs_status learn_widths(importance_run *r, const widom_draws *d, double kt) {
  double(*part)[KERNEL_PARTS] = NULL, *weight = NULL, lowest = INFINITY;
  int n = 0;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&part, (size_t)d->n, sizeof *part, "kernels"));
  EQS_TRY_DONE(alloc_array(&weight, (size_t)d->n, sizeof *weight, "kernels"));
  for (int64_t i = 0; i < d->n; i++)
    if (d->draw[i].kind == DRAW_KEPT) lowest = fmin(lowest, d->draw[i].u + kt * d->draw[i].ln_q);
  for (int64_t i = 0; i < d->n; i++) {
    const widom_draw *w = &d->draw[i];
    if (w->kind != DRAW_KEPT || w->blocked) continue;
    pose_kernels_parts(&r->kernels, &r->asked[w->index], part[n]);
    weight[n++] = exp((lowest - w->u) / kt - w->ln_q);
  }
  pose_kernels_learn(&r->kernels, n, (const double(*)[KERNEL_PARTS])part, weight);
done:
  free(part);
  free(weight);
  return status;
}

/* Draws around what is known, which join it. */
static eqs_status adapt(importance_run *r, int round, int n, const climate *c) {
  widom_draws d = {0};
  double open = pose_table_share(&r->table), per_draw = r->uniform * open + 1 - r->uniform;
  eqs_status status = EQS_OK;
  r->n_asked = 0;
  EQS_TRY_DONE(set_centers(r, n, c));
  EQS_TRY_DONE(importance_site_round(r, &d, KEY_ADAPT + ((uint64_t)round << 8),
                                     (int64_t)(r->s.pilot / per_draw) + 1));
  EQS_TRY_DONE(learn_widths(r, &d, r->kt[0]));
  EQS_TRY_DONE(know_draws(r, &d));
done:
  widom_draws_free(&d);
  return status;
}

static eqs_status search(importance_run *r, int n_chain) {
  double open = pose_table_share(&r->table), low = r->kt[0], high = r->kt[r->n_kt - 1];
  /* the first for places that are deeper than is known, and for the tails of all */
  const climate c[] = {{HOT_PLACES * high, high}, {low, low}, {high, high}};
  r->uniform = UNIFORM_SHARE / (UNIFORM_SHARE + (1 - UNIFORM_SHARE) * open);
  EQS_TRY(run_chains(r, n_chain));
  for (int i = 0; i < ADAPTIONS; i++) {
    r->at = (importance_progress){IMPORTANCE_PILOT, 0, r->s.pilot, r->at.n_energy, NAN};
    EQS_TRY(adapt(r, i, i < HOT_ADAPTIONS ? 1 : 3, c));
  }
  return set_centers(r, 3, c);
}

eqs_status importance_search(importance_run *r) {
  importance_result *out = r->out;
  int64_t left = r->s.max_energy - r->reserve - r->at.n_energy, before = r->at.n_energy;
  int n_chain = (int)((SEARCH_SHARE * (double)left - ADAPTIONS * r->s.pilot) / MOVES_PER_CHAIN);
  out->searched = 1;
  if (n_chain < CHAINS_MIN) return EQS_OK; /* nothing could be made of what they find */
  if (n_chain > CHAINS_MAX) n_chain = CHAINS_MAX;
  EQS_TRY(know_draws(r, &r->pilot));
  EQS_TRY(know_draws(r, &r->draws));
  if (!r->n_known) return EQS_OK;
  EQS_TRY(search(r, n_chain));
  r->draws.n = r->draws.n_table = 0;
  r->n_asked = 0;
  out->n_site = r->kernels.n;
  out->n_search = r->at.n_energy - before;
  out->n_pilot = r->at.n_energy;
  out->eps = r->uniform;
  return EQS_OK;
}
