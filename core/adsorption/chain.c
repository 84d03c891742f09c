/* chain.c -- the Markov chain of grand canonical Monte Carlo.
 *
 * Metropolis with one energy: accept with min(1, r). Delayed acceptance with a surrogate (J. A.
 * Christen, C. Fox, J. Comput. Graph. Stat. 14, 795, 2005): with its ratio r1 first, and what
 * passes with min(1, r/r1), r/r1 = exp(-beta (dU - dU_s)); what does not pass is a rejection. The
 * surrogate is a fixed function of the state, so the target's distribution is exact.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/chain.h"

#include "core/adsorption/proposal.h"
#include "core/adsorption/widom.h"
#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOLTZMANN_SI   1.380649e-23
#define STEP_START     1.0
#define TURN_START     1.0
#define GUESTS_DEFAULT 100000
#define DRIFT_DEFAULT  1e-4 /* eV */

const char *const chain_kind_name[CHAIN_KINDS] = {
    "insertion", "deletion", "translation", "rotation", "reinsertion", "identity", "hybrid"};

void chain_defaults(chain_settings *s) {
  *s = (chain_settings){.temperature = 298.15,
                        .weight = {0.25, 0.25, 0.2, 0.2, 0.1, 0},
                        .trials = 8,
                        .reinsert_trials = 1,
                        .lookahead = 1,
                        .hybrid_step = 0.5,
                        .hybrid_steps = 20,
                        .max_guests = GUESTS_DEFAULT,
                        .hole_limit = HOLE_KJ_MOL / EV_KJ_MOL,
                        .drift_limit = DRIFT_DEFAULT};
}

static eqs_status check_moves(const chain_settings *s) {
  double sum = 0;
  for (int k = 0; k < CHAIN_KINDS; k++) {
    if (!(s->weight[k] >= 0 && s->weight[k] < 1e6))
      EQS_FAIL(EQS_ERR_ARGUMENT, "the weight of %s moves is %g", chain_kind_name[k], s->weight[k]);
    sum += s->weight[k];
  }
  if (!(sum > 0)) EQS_FAIL(EQS_ERR_ARGUMENT, "no kind of move has a weight");
  if (s->weight[CHAIN_INSERT] != s->weight[CHAIN_DELETE])
    EQS_FAIL(EQS_ERR_ARGUMENT, "insertions and deletions must be equally likely");
  if (s->weight[CHAIN_IDENTITY] > 0 && s->n_component < 2)
    EQS_FAIL(EQS_ERR_ARGUMENT, "identity moves need two components");
  if (s->trials < 1 || s->trials > CHAIN_TRIALS_MAX || s->reinsert_trials < 1 ||
      s->reinsert_trials > CHAIN_TRIALS_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d and %d trials per insertion and reinsertion; give 1 to %d",
             s->trials, s->reinsert_trials, CHAIN_TRIALS_MAX);
  if (s->lookahead < 1 || s->lookahead > CHAIN_LOOKAHEAD_MAX)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d moves per energy call; give 1 to %d", s->lookahead,
             CHAIN_LOOKAHEAD_MAX);
  if (s->weight[CHAIN_HYBRID] > 0 && (!(s->hybrid_step > 0) || s->hybrid_steps < 1))
    EQS_FAIL(EQS_ERR_ARGUMENT, "hybrid moves of %d steps of %g fs", s->hybrid_steps,
             s->hybrid_step);
  return EQS_OK;
}

eqs_status chain_check_settings(const chain_settings *s) {
  if (!s->cell) EQS_FAIL(EQS_ERR_ARGUMENT, "no box was given");
  if (!(s->temperature >= 1 && s->temperature <= 10000))
    EQS_FAIL(EQS_ERR_ARGUMENT, "temperature %g K; give 1 to 10000 K", s->temperature);
  if (s->n_component < 1 || s->n_component > CHAIN_COMPONENTS)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d components; give 1 to %d", s->n_component, CHAIN_COMPONENTS);
  for (int i = 0; i < s->n_component; i++)
    if (!(s->fugacity[i] > 1e-100 && s->fugacity[i] < 1e100))
      EQS_FAIL(EQS_ERR_ARGUMENT, "fugacity %g Pa of component %d; it must be positive",
               s->fugacity[i], i + 1);
  EQS_TRY(check_moves(s));
  if (s->max_guests < 1 || s->max_guests > 100000000)
    EQS_FAIL(EQS_ERR_ARGUMENT, "at most %d guests; give 1 to 1e8", s->max_guests);
  if (!(s->hole_limit > 0) || !(s->drift_limit > 0))
    EQS_FAIL(EQS_ERR_ARGUMENT, "limits of %g eV for holes and %g eV for drift: both are positive",
             s->hole_limit, s->drift_limit);
  if (s->n_initial < 0 || s->n_initial > s->max_guests || (s->n_initial && !s->initial))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d guests to start with; give 0 to %d", s->n_initial,
             s->max_guests);
  return EQS_OK;
}

static eqs_status reserve(chain *c, int n) {
  guest *grown;
  if (n <= c->capacity) return EQS_OK;
  int capacity = n + n / 2 + 64;
  EQS_TRY(alloc_array(&grown, (size_t)capacity, sizeof *grown, "guests"));
  if (c->n) memcpy(grown, c->guests, (size_t)c->n * sizeof *grown);
  free(c->guests);
  c->guests = grown;
  c->capacity = capacity;
  return EQS_OK;
}

/* The energies, then the list: see energy.h for which guest gets which index. */
static eqs_status commit(chain *c, const guest_change *x, double du) {
  if (x->remove < 0) EQS_TRY(reserve(c, c->n + 1));
  EQS_TRY(energy_pair_commit(&c->energy, x));
  if (x->remove >= 0) c->count[c->guests[x->remove].component]--;
  if (x->insert >= 0) {
    c->guests[x->remove >= 0 ? x->remove : c->n++] = (guest){x->insert, x->pose};
    c->count[x->insert]++;
  } else {
    c->guests[x->remove] = c->guests[--c->n];
  }
  c->u += du;
  c->since_check++;
  return EQS_OK;
}

eqs_status chain_put_in(chain *c, const guest *g) {
  int nth = c->n;
  double du[2] = {0, 0}, norm = 0;
  if (g->component < 0 || g->component >= c->s->n_component)
    EQS_FAIL(EQS_ERR_ARGUMENT, "guest %d is of component %d, which is not there", nth + 1,
             g->component + 1);
  for (int k = 0; k < 4; k++) norm += g->pose.quaternion[k] * g->pose.quaternion[k];
  for (int k = 0; k < 3; k++)
    if (!(fabs(g->pose.position[k]) < 1e6)) norm = NAN;
  if (!(fabs(norm - 1) < 1e-6))
    EQS_FAIL(EQS_ERR_ARGUMENT, "position or orientation of guest %d makes no sense", nth + 1);
  const guest_change x = {-1, g->component, g->pose};
  if (c->energy.cheap) EQS_TRY(c->energy.cheap->ops->trial(c->energy.cheap, 1, &x, &du[0]));
  if (isfinite(du[0])) EQS_TRY(c->energy.costly->ops->trial(c->energy.costly, 1, &x, &du[1]));
  if (!isfinite(du[0]) || !isfinite(du[1]))
    EQS_FAIL(EQS_ERR_ARGUMENT, "guest %d overlaps the framework or the guests before it", nth + 1);
  return commit(c, &x, 0);
}

static eqs_status allocate(chain *c) {
  const chain_settings *s = c->s;
  size_t window = (size_t)s->lookahead, size = (size_t)proposal_size(s);
  EQS_TRY(reserve(c, 1));
  EQS_TRY(alloc_array(&c->proposals, window, sizeof *c->proposals, "moves"));
  EQS_TRY(alloc_array(&c->changes, window * size, sizeof *c->changes, "moves"));
  EQS_TRY(alloc_array(&c->du, window * size, sizeof *c->du, "moves"));
  EQS_TRY(alloc_array(&c->passed, window, sizeof *c->passed, "moves"));
  EQS_TRY(alloc_array(&c->du_passed, window, sizeof *c->du_passed, "moves"));
  return alloc_array(&c->uniform, proposal_uniforms(s), sizeof *c->uniform, "random numbers");
}

eqs_status chain_open(chain *c, const chain_settings *s) {
  eqs_status status = EQS_OK;
  *c = (chain){.s = s, .beta = 1 / (BOLTZMANN_EV * s->temperature), .holes = {.lowest = NAN}};
  log_sum_start(&c->holes.kept);
  log_sum_start(&c->holes.discarded);
  EQS_TRY(chain_check_settings(s));
  c->volume = fabs(cell_volume(s->cell));
  if (!cell_inverse(s->cell, c->inverse) || !isfinite(c->volume))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the box has no volume");
  for (int i = 0; i < s->n_component; i++) {
    c->ln_z[i] = log(s->fugacity[i] / (BOLTZMANN_SI * s->temperature)) + log(c->volume * 1e-30);
    c->step[i] = STEP_START;
    c->turn[i] = TURN_START;
  }
  EQS_TRY(energy_pair_of(s->target, s->surrogate, &c->energy));
  if (s->weight[CHAIN_HYBRID] > 0 && (c->energy.cheap || !c->energy.costly->ops->hybrid))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "hybrid moves need an energy that knows the framework's atoms, and no surrogate");
  EQS_TRY_DONE(allocate(c));
  for (int i = 0; i < s->n_initial; i++) EQS_TRY_DONE(chain_put_in(c, &s->initial[i]));
  EQS_TRY_DONE(energy_pair_total(&c->energy, &c->u));
  if (!isfinite(c->u))
    status = status_fail(EQS_ERR_DIVERGED, "the energy of the first state is %g eV", c->u);
done:
  c->since_check = 0;
  if (status != EQS_OK) chain_close(c);
  return status;
}

void chain_close(chain *c) {
  free(c->guests);
  free(c->proposals);
  free(c->changes);
  free(c->du);
  free(c->passed);
  free(c->du_passed);
  free(c->uniform);
  *c = (chain){0};
}

/* ------------------------------------------------------------------------------- one window */

static int is_swap(const proposal *p) { return p->kind == CHAIN_INSERT || p->kind == CHAIN_DELETE; }

static double bias(const chain *c, const proposal *p) {
  if (!c->bias || !is_swap(p)) return 0;
  return c->bias[p->kind == CHAIN_INSERT ? c->n + 1 : c->n - 1] - c->bias[c->n];
}

/* Whether the first stage asks the costly energy: accepted with the bias, or without it where the
 * unbiased acceptance is collected. */
static int passes(const chain *c, const proposal *p) {
  if (p->chosen < 0) return 0;
  return p->u_first < exp(p->ln_ratio + bias(c, p)) ||
         (c->collect && is_swap(p) && p->u_first < exp(p->ln_ratio));
}

/* Proposes n moves on the state and asks for their energies; with a surrogate, the costly energies
 * of those that pass it: c->du_passed, in order. */
static eqs_status evaluate(chain *c, int n) {
  guest_energy *first = c->energy.cheap ? c->energy.cheap : c->energy.costly;
  size_t at = 0, m = 0;
  for (int i = 0; i < n; i++) {
    proposal *p = &c->proposals[i];
    p->change = c->changes + at;
    p->du = c->du + at;
    proposal_make(c, c->move + (uint64_t)i, p);
    at += (size_t)p->n_trial;
    if (!c->energy.cheap) c->counts[p->kind].energies += p->n_trial;
  }
  if (at) EQS_TRY(first->ops->trial(first, (int)at, c->changes, c->du));
  for (int i = 0; i < n; i++)
    proposal_resolve(c, &c->proposals[i], c->energy.cheap ? INFINITY : c->s->hole_limit);
  if (!c->energy.cheap) return EQS_OK;
  c->surrogate_energies += (int64_t)at;
  for (int i = 0; i < n; i++) {
    const proposal *p = &c->proposals[i];
    if (!passes(c, p)) continue;
    c->passed[m++] = p->change[p->chosen];
    c->counts[p->kind].energies++;
  }
  if (m) EQS_TRY(c->energy.costly->ops->trial(c->energy.costly, (int)m, c->passed, c->du_passed));
  return EQS_OK;
}

/* Counts an energy of the target, as the binding energy of the guest concerned. ln_weight: of an
 * inserted pose, else NAN. */
static void account(chain *c, double bound, double ln_weight) {
  chain_holes *h = &c->holes;
  if (bound == INFINITY) {
    h->n_overlap++;
  } else if (!isfinite(bound)) {
    h->n_hole++;
    h->n_not_a_number++;
  } else if (bound < -c->s->hole_limit) {
    h->n_hole++;
    if (!(bound >= h->lowest)) h->lowest = bound;
    if (isfinite(ln_weight)) log_sum_add(&h->discarded, ln_weight);
  } else if (isfinite(ln_weight)) {
    log_sum_add(&h->kept, ln_weight);
  }
}

static void account_all(chain *c, const proposal *p) {
  for (int j = 0; j < p->n_trial; j++) {
    double du = p->du[j];
    if (p->kind == CHAIN_DELETE) du = j ? du - p->du[0] : -du;
    account(c, du, p->kind == CHAIN_INSERT ? -c->beta * du : NAN);
  }
}

/* A state whose guests are all as deep as holes on average is none to go to. Not where U holds the
 * framework's own energy: nothing is known of its zero. */
static int too_deep(const chain *c, const proposal *p, double du) {
  if (c->s->weight[CHAIN_HYBRID] > 0) return 0;
  int n = c->n + (p->kind == CHAIN_INSERT) - (p->kind == CHAIN_DELETE);
  return n > 0 && c->u + du < -c->s->hole_limit * n;
}

/* The target's dU of the chosen change in the second stage. */
static double second_stage(chain *c, const proposal *p, double costly) {
  double cheap = p->du[p->chosen];
  double du = costly == INFINITY ? INFINITY
                                 : c->energy.cheap_share * cheap + c->energy.costly_share * costly;
  account(c, p->kind == CHAIN_DELETE ? -du : du,
          p->kind == CHAIN_INSERT ? -c->beta * (du - cheap) : NAN);
  return du;
}

/* Decides over a move. *du: of the target; *passed: it asked the costly energy. */
static int decide(chain *c, proposal *p, const double *costly, int *passed, double *du,
                  double *acceptance) {
  int accepted;
  *acceptance = 0;
  *du = p->chosen >= 0 ? p->du[p->chosen] : NAN;
  if (!c->energy.cheap) {
    account_all(c, p);
    *passed = 1;
    if (p->chosen < 0 || too_deep(c, p, *du)) return 0;
    *acceptance = fmin(1, exp(p->ln_ratio));
    return p->u_first < exp(p->ln_ratio + bias(c, p));
  }
  *passed = passes(c, p);
  if (!*passed) return 0;
  *du = second_stage(c, p, *costly);
  if (proposal_refused(p->kind, *du, c->s->hole_limit) || too_deep(c, p, *du)) return 0;
  double ln_second = -c->beta * (*du - p->du[p->chosen]);
  if (p->u_first < exp(p->ln_ratio)) *acceptance = fmin(1, exp(ln_second));
  accepted = p->u_first < exp(p->ln_ratio + bias(c, p));
  return accepted && p->u_second < exp(ln_second);
}

static void note_recent(chain *c, const proposal *p, int accepted) {
  if (p->n_trial == 0 || (p->kind != CHAIN_TRANSLATE && p->kind != CHAIN_ROTATE)) return;
  int64_t *r = c->recent[p->component] + (p->kind == CHAIN_ROTATE ? 2 : 0);
  r[0]++;
  r[1] += accepted;
}

/* A trajectory: framework and guests move, the guests keep their places in the list. */
static eqs_status run_hybrid(chain *c, int *accepted) {
  guest_energy *e = c->energy.costly;
  const hybrid_settings s = {.temperature = c->s->temperature,
                             .step = c->s->hybrid_step,
                             .steps = c->s->hybrid_steps,
                             .seed = c->s->seed,
                             .stream = c->s->stream + 0x80000000u,
                             .index = c->move};
  hybrid_outcome out;
  EQS_TRY(e->ops->hybrid(e, &s, c->guests, &out));
  c->counts[CHAIN_HYBRID].energies += c->s->hybrid_steps + 1;
  *accepted = out.accepted;
  if (!out.accepted) return EQS_OK;
  c->u = out.energy;
  c->since_check++;
  return EQS_OK;
}

/* Goes through up to n moves; *done: how many. */
static eqs_status window(chain *c, int n, chain_observer observer, void *context, int *done) {
  const double *costly = c->du_passed;
  EQS_TRY(evaluate(c, n));
  int accepted = 0;
  for (*done = 0; *done < n && !accepted; ++*done) {
    proposal *p = &c->proposals[*done];
    int passed;
    double du = 0, acceptance = 0;
    if (p->blocked)
      EQS_FAIL(EQS_ERR_DIVERGED,
               "more than %d guests: the model may have no repulsion, or the pressure is too high",
               c->s->max_guests);
    if (p->kind == CHAIN_HYBRID) {
      passed = 1;
      EQS_TRY(run_hybrid(c, &accepted));
    } else {
      accepted = decide(c, p, costly, &passed, &du, &acceptance);
    }
    if (c->energy.cheap && passed) costly++;
    const chain_event e = {p->kind, p->component, c->n, accepted, acceptance};
    c->counts[p->kind].tried++;
    c->counts[p->kind].passed += passed;
    c->counts[p->kind].accepted += accepted;
    note_recent(c, p, accepted);
    c->move++;
    if (accepted && p->kind != CHAIN_HYBRID) EQS_TRY(commit(c, &p->change[p->chosen], du));
    if (observer) EQS_TRY(observer(context, &e));
  }
  return EQS_OK;
}

eqs_status chain_advance(chain *c, int64_t n, chain_observer observer, void *context) {
  while (n > 0) {
    int done, most = c->s->lookahead;
    EQS_TRY(window(c, n < most ? (int)n : most, observer, context, &done));
    n -= done;
  }
  return EQS_OK;
}
