/* bench_halo.c -- what ranks send, counted: ghosts, bytes and messages per step, for up to 64 ranks
 * (threads of this process) and cubic cells of randomly placed atoms, beside a formula.
 *
 *   usage: bench_halo [--density D] [--cutoff R] [--row BYTES] [--exchanges N] [--moved R]
 *                     [--most ATOMS]
 *
 * A box of sides a, b, c at density D has D ((a + 2 R)(b + 2 R)(c + 2 R) - a b c) ghosts. Along a
 * direction that is not cut they are images of the rank's own atoms, which are not sent. Sides
 * follow from halving the cell across its longest side. No model is evaluated: `row` is what a
 * model sends of an atom, `exchanges` how often per step (forward and reverse). A run of molecular
 * dynamics holds its atoms where they were at its start: here they have moved by up to `moved`
 * angstrom along each axis since.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/adsorption/random.h"
#include "core/domain.h"

enum { RANKS = 64 };

typedef struct setting {
  double density, cutoff, side, moved;
  size_t row;
  int exchanges, n;
} setting;

typedef struct counts {
  int owned, ghosts, sent; /* sent: rows that go to other ranks in one exchange */
  int64_t messages, bytes; /* of all exchanges of a step */
  int64_t place_messages, place_bytes;
  int64_t held_messages, held_bytes; /* the same for atoms held where they were before they moved,
                                        and their forces' way back */
  double seconds;                    /* of this rank's own work in domain_place */
} counts;

typedef struct world {
  setting s;
  counts rank[RANKS];
} world;

static double own_seconds(void) {
  struct rusage u;
  if (getrusage(RUSAGE_THREAD, &u)) return 0;
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static eqs_status exchange_rows(comm *c, domain *d, const setting *s, counts *out) {
  size_t n = (size_t)d->n_owned + (size_t)d->n_ghost;
  char *rows;
  int64_t messages = c->messages, bytes = c->bytes;
  EQS_TRY(alloc_array(&rows, n, s->row, "rows"));
  eqs_status status = comm_plan_forward(c, &d->plan, rows, s->row);
  if (status == EQS_OK) status = comm_plan_reverse(c, &d->plan, rows, s->row, 4);
  free(rows);
  out->messages = (c->messages - messages) * s->exchanges / 2;
  out->bytes = (c->bytes - bytes) * s->exchanges / 2;
  return status;
}

/* Atoms held by their owner, moved, to their owners of now and back. */
static eqs_status count_held(comm *c, const setting *s, const double *cell, domain *d,
                             counts *out) {
  static const int pbc[3] = {1, 1, 1};
  int n = d->n_owned;
  domain_atom *atom;
  double(*row)[3] = NULL, (*home)[3] = NULL;
  EQS_TRY(alloc_array(&atom, (size_t)n, sizeof *atom, "atoms"));
  for (int i = 0; i < n; i++) {
    atom[i].id = d->id[i];
    random_uniform(1, 2, (uint64_t)d->id[i], 3, atom[i].x);
    for (int k = 0; k < 3; k++) atom[i].x[k] = d->x[i][k] + s->moved * (2 * atom[i].x[k] - 1);
  }
  int64_t messages = c->messages, bytes = c->bytes;
  eqs_status status = domain_place(d, c, cell, pbc, s->cutoff, n, atom);
  size_t owned = (size_t)d->n_owned;
  if (status == EQS_OK) status = alloc_array(&row, owned, sizeof *row, "rows");
  if (status == EQS_OK) status = alloc_array(&home, (size_t)n, sizeof *home, "rows");
  if (status == EQS_OK) status = domain_return(d, c, row, sizeof *row, home);
  out->held_messages = c->messages - messages, out->held_bytes = c->bytes - bytes;
  free(row);
  free(home);
  free(atom);
  return status;
}

static eqs_status count(comm *c, void *user) {
  world *w = user;
  const setting *s = &w->s;
  counts *out = w->rank + c->rank;
  int begin = (int)((int64_t)s->n * c->rank / c->size);
  int n = (int)((int64_t)s->n * (c->rank + 1) / c->size) - begin;
  double cell[9] = {s->side, 0, 0, 0, s->side, 0, 0, 0, s->side};
  static const int pbc[3] = {1, 1, 1};
  domain_atom *atom;
  domain d = {0};
  EQS_TRY(alloc_array(&atom, (size_t)n, sizeof *atom, "atoms"));
  for (int i = 0; i < n; i++) {
    atom[i].id = begin + i;
    random_uniform(1, 1, (uint64_t)(begin + i), 3, atom[i].x);
    for (int k = 0; k < 3; k++) atom[i].x[k] *= s->side;
  }
  eqs_status status = domain_place(&d, c, cell, pbc, s->cutoff, n, atom);
  for (int pass = 0; pass < 2 && status == EQS_OK; pass++) { /* the second has its memory */
    int64_t messages = c->messages, bytes = c->bytes;
    double start = own_seconds();
    status = domain_place(&d, c, cell, pbc, s->cutoff, n, atom);
    out->seconds = own_seconds() - start;
    out->place_messages = c->messages - messages, out->place_bytes = c->bytes - bytes;
  }
  if (status == EQS_OK) status = exchange_rows(c, &d, s, out);
  out->owned = d.n_owned, out->ghosts = d.n_ghost;
  out->sent = (int)(out->bytes / (int64_t)s->row / s->exchanges);
  if (status == EQS_OK) status = count_held(c, s, cell, &d, out);
  domain_free(&d);
  free(atom);
  return status;
}

/* Ghosts, and those of other ranks, of one rank by the formula. */
static void predict(const setting *s, int ranks, double *ghosts, double *sent) {
  double a[3] = {s->side, s->side, s->side}, all = 1, own = 1, volume = 1;
  for (int left = ranks; left > 1; left /= 2) {
    int k = a[1] > a[0] ? 1 : 0;
    if (a[2] > a[k]) k = 2;
    a[k] /= 2;
  }
  for (int k = 0; k < 3; k++) {
    double wide = a[k] + 2 * s->cutoff;
    all *= wide;
    own *= a[k] < s->side ? a[k] : wide;
    volume *= a[k];
  }
  *ghosts = s->density * (all - volume);
  *sent = s->density * (all - own);
}

static int report(world *w, int ranks) {
  const setting *s = &w->s;
  counts sum = {0}, most = {0};
  double ghosts, sent, n = s->n;
  if (comm_threads_run(ranks, count, w)) {
    fprintf(stderr, "bench_halo: %s\n", eqs_error());
    return 1;
  }
  for (int r = 0; r < ranks; r++) {
    const counts *c = w->rank + r;
    sum.owned += c->owned, sum.ghosts += c->ghosts, sum.sent += c->sent;
    sum.messages += c->messages, sum.bytes += c->bytes;
    sum.place_messages += c->place_messages, sum.place_bytes += c->place_bytes;
    sum.held_messages += c->held_messages, sum.held_bytes += c->held_bytes;
    sum.seconds += c->seconds;
    most.owned = c->owned > most.owned ? c->owned : most.owned;
    most.ghosts = c->ghosts > most.ghosts ? c->ghosts : most.ghosts;
    most.messages = c->messages > most.messages ? c->messages : most.messages;
  }
  predict(s, ranks, &ghosts, &sent);
  printf("%d,%d,%.4f,%.4f,%.4f,%.4f,%.0f,%.0f,%lld,%.1f,%.1f,%.2f,%.1f,%.1f\n", ranks, s->n,
         most.owned * ranks / n, sum.ghosts / n, ghosts * ranks / n,
         (double)most.ghosts * ranks / n, (double)sum.bytes / n,
         ranks > 1 ? sent * ranks / n * (double)s->row * s->exchanges : 0.0,
         (long long)most.messages, (double)sum.place_messages / ranks, (double)sum.place_bytes / n,
         sum.seconds / n * 1e6, (double)sum.held_messages / ranks, (double)sum.held_bytes / n);
  fflush(stdout);
  return 0;
}

static int parse(int argc, char **argv, setting *s, int *most) {
  for (int i = 1; i + 1 < argc; i += 2) {
    double value = strtod(argv[i + 1], NULL);
    if (!(value > 0)) return 1;
    if (!strcmp(argv[i], "--density")) s->density = value;
    else if (!strcmp(argv[i], "--cutoff")) s->cutoff = value;
    else if (!strcmp(argv[i], "--row")) s->row = (size_t)value;
    else if (!strcmp(argv[i], "--exchanges")) s->exchanges = (int)value;
    else if (!strcmp(argv[i], "--moved")) s->moved = value;
    else if (!strcmp(argv[i], "--most")) *most = (int)value;
    else return 1;
  }
  return argc % 2 == 0 || s->row % 4 || s->exchanges % 2;
}

int main(int argc, char **argv) {
  static world w = {.s = {.density = 0.05, .cutoff = 5, .row = 512, .exchanges = 2, .moved = 1}};
  int most = 1000000;
  if (parse(argc, argv, &w.s, &most)) {
    fputs("usage: bench_halo [--density D] [--cutoff R] [--row BYTES] [--exchanges N] "
          "[--moved R] [--most ATOMS]\n",
          stderr);
    return 2;
  }
  puts("ranks,atoms,largest_share,ghosts_per_atom,predicted,largest_ghosts_per_atom,"
       "bytes_per_atom_and_step,predicted,messages_per_rank_and_step,place_messages_per_rank,"
       "place_bytes_per_atom,place_us_per_atom,held_messages_per_rank,held_bytes_per_atom");
  for (int n = 1000; n <= most; n *= 10)
    for (int ranks = 1; ranks <= RANKS; ranks *= 2) {
      w.s.n = n;
      w.s.side = cbrt(n / w.s.density);
      if (report(&w, ranks)) return 1;
    }
  return 0;
}
