/* domain.c -- migration of atoms to their owners, and the plan of ghosts.
 * SPDX-License-Identifier: MIT */
#include "core/domain.h"

#include <math.h>
#include <string.h>

#include "core/domain_split.h"
#include "core/neighbors.h"
#include "kernels/kernels.h"

enum { MOST_GHOSTS = 1000000000 };

/* Fractional coordinates around a rank's atoms; low > high where it has none. */
typedef struct bounds {
  double low[3], high[3];
} bounds;

/* Images of one rank's atoms that may be another's ghosts: shifts from first to last, all
 * combinations. */
typedef struct shifts {
  int first[3], last[3];
} shifts;

typedef struct placing {
  domain *d;
  comm *c;
  int n;
  domain_atom *atom; /* [n] wrapped; those of this rank as they came, then as it owns them */
  double (*f)[3];    /* [n] their fractional coordinates */
  bounds *box;       /* [size] */
  int distinct;      /* atoms of other ranks, each once, not their images */
  const unsigned char *upward; /* [n] 1: for higher ranks alone; NULL: all for all */
} placing;

/* ---- the cell */

static eqs_status set_reach(domain *d, double cutoff) {
  double width[3];
  cell_widths(d->basis, width);
  d->cutoff = cutoff;
  for (int k = 0; k < 3; k++) {
    /* a little more than the cutoff: no pair is lost to rounding */
    d->reach[k] = cutoff / width[k] * (1 + 1e-9) + 1e-12;
    if (d->pbc[k] && !(d->reach[k] < 1e4))
      EQS_FAIL(EQS_ERR_ARGUMENT, "the cell is %.3g angstrom thin, too thin for a cutoff of %g",
               width[k], cutoff);
  }
  return EQS_OK;
}

static eqs_status set_cell(domain *d, const double *cell, const int *pbc, double cutoff) {
  static const int first[2] = {0, 0};
  const eqs_systems s = {.size = sizeof s, .n_system = 1, .first = first, .cell = cell, .pbc = pbc};
  search_box box;
  EQS_TRY(neighbors_check(&s, cutoff));
  EQS_TRY(neighbors_boxes(&s, cutoff, &box));
  memcpy(d->pbc, box.pbc, sizeof d->pbc);
  memcpy(d->basis, box.basis, sizeof d->basis);
  memcpy(d->inverse, box.inverse, sizeof d->inverse);
  return set_reach(d, cutoff);
}

static void fraction(const domain *d, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++)
    f[k] = x[0] * d->inverse[k] + x[1] * d->inverse[3 + k] + x[2] * d->inverse[6 + k];
}

/* Adds a lattice translation in the reduced basis. */
static void translate(const domain *d, const double whole[3], double x[3]) {
  for (int k = 0; k < 3; k++)
    for (int a = 0; a < 3 && whole[k] != 0; a++) x[a] += whole[k] * d->basis[3 * k + a];
}

/* Into the cell along the periodic directions. */
static eqs_status wrap(const domain *d, domain_atom *atom) {
  double f[3], back[3];
  fraction(d, atom->x, f);
  for (int k = 0; k < 3; k++) {
    if (!(fabs(f[k]) < 1e9) || !(fabs(atom->x[k]) < 1e9))
      EQS_FAIL(EQS_ERR_ARGUMENT,
               "atom %lld: the position is not finite, or beyond 1e9 angstrom or cells",
               (long long)atom->id + 1);
    back[k] = d->pbc[k] ? -floor(f[k]) : 0;
  }
  translate(d, back, atom->x);
  return EQS_OK;
}

static eqs_status take(placing *p, int n, const domain_atom *atoms) {
  arena *m = &p->d->memory;
  p->n = n;
  EQS_TRY(arena_take(m, (size_t)n, sizeof *p->atom, &p->atom));
  EQS_TRY(arena_take(m, (size_t)n, sizeof *p->f, &p->f));
  for (int i = 0; i < n; i++) {
    p->atom[i] = atoms[i];
    EQS_TRY(wrap(p->d, p->atom + i));
    fraction(p->d, p->atom[i].x, p->f[i]);
  }
  return EQS_OK;
}

/* ---- migration */

/* One number to each of these ranks, and one from each. */
static eqs_status swap_counts(placing *p, int n, const int *rank, int *out, int *in) {
  comm_message *m;
  int k = 0;
  EQS_TRY(arena_take(&p->d->memory, 2 * (size_t)n, sizeof *m, &m));
  for (int i = 0; i < n; i++) {
    in[i] = out[i];
    if (rank[i] == p->c->rank) continue;
    m[k] = (comm_message){rank[i], out + i, sizeof *out};
    m[n + k++] = (comm_message){rank[i], in + i, sizeof *in};
  }
  return comm_swap(p->c, k, m, k, m + n);
}

/* first[n + 1] from counts[n]. EQS_ERR_ARGUMENT: more than an int holds. */
static eqs_status add_up(int n, const int *count, int *first) {
  int64_t sum = 0;
  for (int k = 0; k <= n; k++) {
    if (sum > MOST_GHOSTS)
      EQS_FAIL(EQS_ERR_ARGUMENT, "more than 1e9 atoms or images on one rank; use more ranks");
    first[k] = (int)sum;
    if (k < n) sum += count[k];
  }
  return EQS_OK;
}

/* Groups the atoms by owner. */
static eqs_status group(placing *p, const int *owner, domain_atom **out) {
  int size = p->c->size, *at, *to = p->d->given_first;
  arena *m = &p->d->memory;
  EQS_TRY(arena_take_zero(m, (size_t)size, sizeof *at, &at));
  EQS_TRY(arena_take(m, (size_t)p->n, sizeof **out, out));
  EQS_TRY(arena_take(m, (size_t)p->n, sizeof *p->d->given, &p->d->given));
  for (int i = 0; i < p->n; i++) at[owner[i]]++;
  EQS_TRY(add_up(size, at, to));
  for (int r = 0; r < size; r++) at[r] = to[r];
  for (int i = 0; i < p->n; i++) {
    int place = at[owner[i]]++;
    (*out)[place] = p->atom[i];
    p->d->given[place] = i;
  }
  return EQS_OK;
}

static eqs_status migrate(placing *p, const int *owner) {
  int size = p->c->size, me = p->c->rank, *to, *from, *count;
  arena *memory = &p->d->memory;
  comm_message *m;
  domain_atom *out, *in;
  EQS_TRY(arena_take(memory, (size_t)size + 1, sizeof *to, &to));
  EQS_TRY(arena_take(memory, (size_t)size + 1, sizeof *from, &from));
  p->d->given_first = to;
  p->d->came_first = from;
  EQS_TRY(arena_take(memory, 2 * (size_t)size, sizeof *count, &count));
  EQS_TRY(arena_take(memory, 2 * (size_t)size, sizeof *m, &m));
  EQS_TRY(group(p, owner, &out));
  for (int r = 0; r < size; r++) count[r] = to[r + 1] - to[r];
  EQS_TRY(comm_all_to_all(p->c, count, count + size));
  EQS_TRY(add_up(size, count + size, from));
  EQS_TRY(arena_take(memory, (size_t)from[size], sizeof *in, &in));
  int k = 0;
  for (int r = 0; r < size; r++) {
    if (r == me) continue;
    m[k] = (comm_message){r, out + to[r], (size_t)count[r] * sizeof *out};
    m[size + k++] = (comm_message){r, in + from[r], (size_t)count[size + r] * sizeof *in};
  }
  EQS_TRY(comm_swap(p->c, k, m, k, m + size));
  memcpy(in + from[me], out + to[me], (size_t)count[me] * sizeof *in);
  for (int i = 0; i < from[size]; i++) in[i].came = i;
  p->atom = in;
  p->n = from[size];
  return EQS_OK;
}

/* Atoms from `at` on whose ids ascend end here. */
static int run_end(const domain_atom *a, int at, int n) {
  while (at < n && (at + 1 == n || a[at].id <= a[at + 1].id)) at++;
  return at < n ? at + 1 : n;
}

/* a[0 .. mid) and a[mid .. end), both in order. */
static void merge(const domain_atom *a, int mid, int end, domain_atom *out) {
  int i = 0, j = mid;
  for (int k = 0; k < end; k++)
    out[k] = j >= end || (i < mid && a[i].id <= a[j].id) ? a[i++] : a[j++];
}

/* By id: runs that ascend are merged two by two, since what comes from one rank mostly does. */
static eqs_status sort_atoms(placing *p) {
  domain_atom *from = p->atom, *to = NULL, *last;
  int n = p->n;
  while (run_end(from, 0, n) < n) {
    if (!to) EQS_TRY(arena_take(&p->d->memory, (size_t)n, sizeof *to, &to));
    for (int at = 0; at < n;) {
      int mid = run_end(from, at, n), end = run_end(from, mid, n);
      merge(from + at, mid - at, end - at, to + at);
      at = end;
    }
    last = from, from = to, to = last;
  }
  p->atom = from;
  return EQS_OK;
}

/* Owned atoms in the order of their ids, and the box around them. */
static eqs_status settle(placing *p, bounds *mine) {
  EQS_TRY(sort_atoms(p));
  EQS_TRY(arena_take(&p->d->memory, (size_t)p->n, sizeof *p->f, &p->f));
  for (int k = 0; k < 3; k++) mine->low[k] = INFINITY, mine->high[k] = -INFINITY;
  for (int i = 0; i < p->n; i++) {
    if (i && p->atom[i].id == p->atom[i - 1].id)
      EQS_FAIL(EQS_ERR_ARGUMENT, "two atoms have the id %lld", (long long)p->atom[i].id);
    fraction(p->d, p->atom[i].x, p->f[i]);
    for (int k = 0; k < 3; k++) {
      mine->low[k] = fmin(mine->low[k], p->f[i][k]);
      mine->high[k] = fmax(mine->high[k], p->f[i][k]);
    }
  }
  return EQS_OK;
}

/* ---- ghosts */

/* Which images of the atoms in `from` come near `to`; 0 if none do. Both ranks of a pair ask this
 * of the same numbers, so that they agree on whether there is a message. */
static int near(const domain *d, const bounds *from, const bounds *to, int own, shifts *s) {
  for (int k = 0; k < 3; k++) {
    if (from->low[k] > from->high[k] || to->low[k] > to->high[k]) return 0;
    double low = to->low[k] - d->reach[k] - from->high[k];
    double high = to->high[k] + d->reach[k] - from->low[k];
    if (!d->pbc[k] && (low > 0 || high < 0)) return 0;
    s->first[k] = d->pbc[k] ? (int)ceil(low) : 0;
    s->last[k] = d->pbc[k] ? (int)floor(high) : 0;
    if (s->first[k] > s->last[k]) return 0;
  }
  if (!own) return 1;
  for (int k = 0; k < 3; k++)
    if (s->first[k] < 0 || s->last[k] > 0) return 1;
  return 0; /* the atoms themselves are no ghosts */
}

static int within(const domain *d, const bounds *to, const double f[3], const double shift[3]) {
  for (int k = 0; k < 3; k++) {
    double g = f[k] + shift[k];
    if (g < to->low[k] - d->reach[k] || g > to->high[k] + d->reach[k]) return 0;
  }
  return 1;
}

/* Whether some image of a position is near. */
static int any_within(const domain *d, const shifts *s, const bounds *to, const double f[3]) {
  for (int k = 0; k < 3; k++) {
    double low = to->low[k] - d->reach[k] - f[k], high = to->high[k] + d->reach[k] - f[k];
    if (fmax(ceil(low), s->first[k]) > fmin(floor(high), s->last[k])) return 0;
  }
  return 1;
}

static int itself(const placing *p, const shifts *s, int r, int i, int room, int *send,
                  domain_atom *out) {
  if (p->upward && p->upward[i] && r < p->c->rank) return 0;
  if (!any_within(p->d, s, p->box + r, p->f[i])) return 0;
  if (room) {
    *send = i;
    *out = p->atom[i];
  }
  return 1;
}

/* Images of owned atom i that rank r wants; the first `room` are put down. Returns how many. */
static int images(const placing *p, const shifts *s, int r, int i, int room, int *send,
                  domain_atom *out) {
  int n = 0, own = r == p->c->rank;
  if (p->distinct) return itself(p, s, r, i, room, send, out);
  for (int a = s->first[0]; a <= s->last[0]; a++)
    for (int b = s->first[1]; b <= s->last[1]; b++)
      for (int c = s->first[2]; c <= s->last[2]; c++) {
        double shift[3] = {a, b, c};
        if ((own && !a && !b && !c) || !within(p->d, p->box + r, p->f[i], shift)) continue;
        if (n < room) {
          send[n] = i;
          out[n] = p->atom[i];
          translate(p->d, shift, out[n].x);
        }
        n++;
      }
  return n;
}

/* Ranks that this one has ghosts from or that have ghosts from it. */
static eqs_status find_peers(placing *p, shifts **out) {
  comm_plan *plan = &p->d->plan;
  arena *m = &p->d->memory;
  size_t size = (size_t)p->c->size;
  const bounds *mine = p->box + p->c->rank;
  plan->n_peer = 0;
  EQS_TRY(arena_take(m, size, sizeof *plan->peer, &plan->peer));
  EQS_TRY(arena_take(m, size, sizeof **out, out));
  for (int r = 0; r < p->c->size; r++) {
    shifts to, from, none = {{1, 1, 1}, {0, 0, 0}};
    int own = r == p->c->rank, given = near(p->d, mine, p->box + r, own, &to);
    if (own && p->distinct) continue;
    if (!given && !near(p->d, p->box + r, mine, own, &from)) continue;
    (*out)[plan->n_peer] = given ? to : none;
    plan->peer[plan->n_peer++] = r;
  }
  return EQS_OK;
}

static eqs_status take_plan(comm_plan *plan, arena *m) {
  size_t n = (size_t)plan->n_peer + 1;
  EQS_TRY(arena_take(m, n, sizeof *plan->send_first, &plan->send_first));
  EQS_TRY(arena_take(m, n, sizeof *plan->from_first, &plan->from_first));
  return arena_take(m, 2 * n, sizeof *plan->message, &plan->message);
}

static eqs_status select_images(placing *p, const shifts *s, domain_atom **out) {
  comm_plan *plan = &p->d->plan;
  arena *m = &p->d->memory;
  int *count;
  EQS_TRY(arena_take_zero(m, (size_t)plan->n_peer + 1, sizeof *count, &count));
  for (int k = 0; k < plan->n_peer; k++)
    for (int i = 0; i < p->n; i++) {
      count[k] += images(p, s + k, plan->peer[k], i, 0, NULL, NULL);
      if (count[k] > MOST_GHOSTS / 2)
        EQS_FAIL(EQS_ERR_ARGUMENT, "the cell is too small for the cutoff of %g angstrom",
                 p->d->cutoff);
    }
  EQS_TRY(add_up(plan->n_peer, count, plan->send_first));
  size_t total = (size_t)plan->send_first[plan->n_peer];
  EQS_TRY(arena_take(m, total, sizeof *plan->send, &plan->send));
  EQS_TRY(arena_take(m, total, sizeof **out, out));
  for (int k = 0; k < plan->n_peer; k++) {
    int at = plan->send_first[k], end = plan->send_first[k + 1];
    for (int i = 0; i < p->n; i++)
      at += images(p, s + k, plan->peer[k], i, end - at, plan->send + at, *out + at);
  }
  return EQS_OK;
}

/* The images that this rank gives out become other ranks' ghosts, and theirs its own. */
static eqs_status swap_images(placing *p, const domain_atom *out, domain_atom **in) {
  comm_plan *plan = &p->d->plan;
  arena *m = &p->d->memory;
  int *count, n = 0, n_peer = plan->n_peer;
  EQS_TRY(arena_take(m, 2 * (size_t)n_peer + 1, sizeof *count, &count));
  for (int k = 0; k < n_peer; k++) count[k] = plan->send_first[k + 1] - plan->send_first[k];
  EQS_TRY(swap_counts(p, n_peer, plan->peer, count, count + n_peer));
  EQS_TRY(add_up(n_peer, count + n_peer, plan->from_first));
  EQS_TRY(arena_take(m, (size_t)plan->from_first[n_peer], sizeof **in, in));
  for (int k = 0; k < n_peer; k++) {
    domain_atom *to = *in + plan->from_first[k];
    const domain_atom *from = out + plan->send_first[k];
    if (plan->peer[k] == p->c->rank) {
      memcpy(to, from, (size_t)count[k] * sizeof *to);
      continue;
    }
    plan->message[n] = (comm_message){plan->peer[k], (void *)from, (size_t)count[k] * sizeof *from};
    plan->message[n_peer + n++] =
        (comm_message){plan->peer[k], to, (size_t)count[n_peer + k] * sizeof *to};
  }
  return comm_swap(p->c, n, plan->message, n, plan->message + n_peer);
}

static eqs_status fill(placing *p, const domain_atom *ghost) {
  domain *d = p->d;
  d->n_owned = d->plan.n_owned = p->n;
  d->n_ghost = d->plan.n_ghost = d->plan.from_first[d->plan.n_peer];
  size_t n = (size_t)d->n_owned + (size_t)d->n_ghost;
  EQS_TRY(arena_take(&d->memory, n, sizeof *d->id, &d->id));
  EQS_TRY(arena_take(&d->memory, n, sizeof *d->number, &d->number));
  EQS_TRY(arena_take(&d->memory, n, sizeof *d->x, &d->x));
  EQS_TRY(arena_take(&d->memory, (size_t)p->n, sizeof *d->came, &d->came));
  for (int i = 0; i < p->n; i++) d->came[i] = p->atom[i].came;
  for (size_t i = 0; i < n; i++) {
    const domain_atom *from = i < (size_t)p->n ? p->atom + i : ghost + (i - (size_t)p->n);
    d->id[i] = from->id;
    d->number[i] = from->number;
    memcpy(d->x[i], from->x, sizeof d->x[i]);
  }
  return EQS_OK;
}

static eqs_status find_ghosts(placing *p, const bounds *mine) {
  shifts *s;
  domain_atom *out, *in;
  EQS_TRY(arena_take(&p->d->memory, (size_t)p->c->size, sizeof *p->box, &p->box));
  EQS_TRY(comm_gather_all(p->c, mine, sizeof *mine, p->box));
  EQS_TRY(find_peers(p, &s));
  EQS_TRY(take_plan(&p->d->plan, &p->d->memory));
  EQS_TRY(select_images(p, s, &out));
  EQS_TRY(swap_images(p, out, &in));
  return fill(p, in);
}

static eqs_status place(placing *p, const double *cell, const int *pbc, double cutoff, int n,
                        const domain_atom *atoms) {
  bounds mine;
  int *owner;
  arena_reset(&p->d->memory);
  EQS_TRY(set_cell(p->d, cell, pbc, cutoff));
  EQS_TRY(take(p, n, atoms));
  EQS_TRY(arena_take(&p->d->memory, (size_t)n, sizeof *owner, &owner));
  double width[3];
  cell_widths(p->d->basis, width);
  EQS_TRY(domain_split(p->c, width, n, (const double(*)[3])p->f, owner, &p->d->memory));
  EQS_TRY(migrate(p, owner));
  EQS_TRY(settle(p, &mine));
  return find_ghosts(p, &mine);
}

eqs_status domain_place(domain *d, comm *c, const double *cell, const int *pbc, double cutoff,
                        int n, const domain_atom *atoms) {
  placing p = {.d = d, .c = c};
  return comm_fail(c, place(&p, cell, pbc, cutoff, n, atoms));
}

/* `out` and `in` hold what goes and comes, in the order of the atoms' way here. */
static eqs_status send_back(domain *d, comm *c, size_t bytes, const char *out, char *in) {
  comm_message *m;
  int k = 0, me = c->rank;
  EQS_TRY(arena_take(&d->memory, 2 * (size_t)c->size, sizeof *m, &m));
  for (int r = 0; r < c->size; r++) {
    size_t to = (size_t)d->came_first[r], from = (size_t)d->given_first[r];
    if (r == me) continue;
    m[k] =
        (comm_message){r, (void *)(out + to * bytes), ((size_t)d->came_first[r + 1] - to) * bytes};
    m[c->size + k++] =
        (comm_message){r, in + from * bytes, ((size_t)d->given_first[r + 1] - from) * bytes};
  }
  EQS_TRY(comm_swap(c, k, m, k, m + c->size));
  size_t own = (size_t)(d->given_first[me + 1] - d->given_first[me]);
  memcpy(in + (size_t)d->given_first[me] * bytes, out + (size_t)d->came_first[me] * bytes,
         own * bytes);
  return EQS_OK;
}

eqs_status domain_return(domain *d, comm *c, const void *rows, size_t row_bytes, void *home) {
  size_t n = (size_t)d->n_owned, given = (size_t)d->given_first[c->size];
  arena_mark mark = arena_here(&d->memory);
  char *out, *in;
  EQS_TRY(arena_take(&d->memory, n, row_bytes, &out));
  EQS_TRY(arena_take(&d->memory, given, row_bytes, &in));
  for (size_t i = 0; i < n; i++)
    memcpy(out + (size_t)d->came[i] * row_bytes, (const char *)rows + i * row_bytes, row_bytes);
  EQS_TRY(send_back(d, c, row_bytes, out, in));
  for (size_t k = 0; k < given; k++)
    memcpy((char *)home + (size_t)d->given[k] * row_bytes, in + k * row_bytes, row_bytes);
  arena_release(&d->memory, mark);
  return EQS_OK;
}

static eqs_status place_near(placing *p, const domain *from, double cutoff) {
  bounds mine;
  domain *d = p->d;
  arena_reset(&d->memory);
  memcpy(d->pbc, from->pbc, sizeof d->pbc);
  memcpy(d->basis, from->basis, sizeof d->basis);
  memcpy(d->inverse, from->inverse, sizeof d->inverse);
  EQS_TRY(set_reach(d, cutoff));
  p->n = from->n_owned;
  EQS_TRY(arena_take(&d->memory, (size_t)p->n, sizeof *p->atom, &p->atom));
  for (int i = 0; i < p->n; i++) {
    p->atom[i] = (domain_atom){.id = from->id[i], .number = from->number[i]};
    memcpy(p->atom[i].x, from->x[i], sizeof p->atom[i].x);
  }
  EQS_TRY(settle(p, &mine));
  return find_ghosts(p, &mine);
}

eqs_status domain_place_near(domain *d, comm *c, const domain *from, double cutoff,
                             const unsigned char *upward) {
  placing p = {.d = d, .c = c, .distinct = 1, .upward = upward};
  return comm_fail(c, place_near(&p, from, cutoff));
}

void domain_free(domain *d) {
  comm_plan_free(&d->plan);
  arena_free(&d->memory);
  *d = (domain){0};
}
