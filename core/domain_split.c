/* domain_split.c -- recursive bisection: every level of the tree cuts all its groups of ranks at
 * once, each at the plane that a histogram over all ranks finds, refined four times.
 * SPDX-License-Identifier: MIT */
#include "core/domain_split.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 64, ROUNDS = 4 };
#define MUCH_LONGER 1.05

/* Ranks lo .. hi-1, and where they are cut. */
typedef struct group {
  int lo, hi, axis;
  double plane;
  double from, step;    /* of the bins: the first one's edge and their width */
  double below, target; /* atoms below the bins, and to be below the plane */
  int child[2];         /* groups; -1 = a single rank */
} group;

typedef struct splitting {
  comm *c;
  int n, *at; /* group of each atom */
  const double (*f)[3];
  group *g;
  int begin, end; /* groups of the level in hand */
  double *count;  /* [end - begin][BINS] */
} splitting;

static int middle(const group *g) { return g->lo + (g->hi - g->lo) / 2; }

/* Along the longer side of the box around a group's atoms. Of sides that are nearly as long, the
 * first: or the cuts of a cube would turn with every motion, and all its atoms change hands. */
static eqs_status choose_axes(splitting *s, const double width[3], double *extent) {
  int m = s->end - s->begin;
  for (int k = 0; k < 6 * m; k++) extent[k] = -INFINITY;
  for (int i = 0; i < s->n; i++) {
    if (s->at[i] < s->begin) continue;
    double *e = extent + 6 * (size_t)(s->at[i] - s->begin);
    for (int k = 0; k < 3; k++) {
      e[k] = fmax(e[k], s->f[i][k]);
      e[3 + k] = fmax(e[3 + k], -s->f[i][k]);
    }
  }
  EQS_TRY(comm_max(s->c, extent, 6 * m));
  for (int j = 0; j < m; j++) {
    group *g = s->g + s->begin + j;
    const double *e = extent + 6 * (size_t)j;
    double longest = -1;
    g->axis = 0, g->from = 0, g->step = 1;
    for (int k = 0; k < 3; k++) {
      double side = (e[k] + e[3 + k]) * width[k];
      if (!(side > longest * MUCH_LONGER)) continue;
      longest = side;
      g->axis = k;
      g->from = -e[3 + k];
      g->step = ((e[k] + e[3 + k]) * (1 + 1e-9) + 1e-300) / BINS;
    }
  }
  return EQS_OK;
}

/* Counts the atoms in the bins, and makes the bin that holds the target the next range. */
static eqs_status refine(splitting *s, int round) {
  int m = s->end - s->begin;
  for (int k = 0; k < m * BINS; k++) s->count[k] = 0;
  for (int i = 0; i < s->n; i++) {
    if (s->at[i] < s->begin) continue;
    const group *g = s->g + s->at[i];
    double t = (s->f[i][g->axis] - g->from) / g->step;
    if (t >= 0 && t < BINS) s->count[(size_t)(s->at[i] - s->begin) * BINS + (size_t)t]++;
  }
  EQS_TRY(comm_sum(s->c, s->count, m * BINS));
  for (int j = 0; j < m; j++) {
    group *g = s->g + s->begin + j;
    const double *count = s->count + (size_t)j * BINS;
    double total = 0;
    int b = 0;
    for (int k = 0; k < BINS; k++) total += count[k];
    if (round == 0) g->target = total * (middle(g) - g->lo) / (g->hi - g->lo);
    for (; b < BINS - 1 && g->below + count[b] <= g->target; b++) g->below += count[b];
    double edge = g->from + b * g->step;
    int upper = g->below + count[b] - g->target < g->target - g->below;
    g->plane = upper ? edge + g->step : edge;
    g->from = edge;
    g->step /= BINS;
  }
  return EQS_OK;
}

/* The groups of the next level; atoms go down to them, or to their owner. */
static void descend(splitting *s, int *owner) {
  int next = s->end;
  for (int j = s->begin; j < s->end; j++) {
    group *g = s->g + j;
    int ends[3] = {g->lo, middle(g), g->hi};
    for (int side = 0; side < 2; side++) {
      g->child[side] = -1;
      if (ends[side + 1] - ends[side] < 2) continue;
      s->g[next] = (group){.lo = ends[side], .hi = ends[side + 1]};
      g->child[side] = next++;
    }
  }
  for (int i = 0; i < s->n; i++) {
    if (s->at[i] < s->begin) continue;
    const group *g = s->g + s->at[i];
    int side = s->f[i][g->axis] >= g->plane;
    if (g->child[side] < 0) owner[i] = side ? middle(g) : g->lo;
    s->at[i] = g->child[side];
  }
  s->begin = s->end;
  s->end = next;
}

eqs_status domain_split(comm *c, const double width[3], int n, const double (*f)[3], int *owner,
                        arena *memory) {
  splitting s = {.c = c, .n = n, .f = f, .end = 1};
  size_t size = (size_t)c->size;
  double *extent;
  for (int i = 0; i < n; i++) owner[i] = 0;
  if (c->size == 1) return EQS_OK;
  EQS_TRY(arena_take_zero(memory, (size_t)n, sizeof *s.at, &s.at));
  EQS_TRY(arena_take(memory, size, sizeof *s.g, &s.g));
  EQS_TRY(arena_take(memory, 6 * size, sizeof *extent, &extent));
  EQS_TRY(arena_take(memory, (size / 2 + 1) * BINS, sizeof *s.count, &s.count));
  s.g[0] = (group){.hi = c->size};
  while (s.begin < s.end) {
    EQS_TRY(choose_axes(&s, width, extent));
    for (int round = 0; round < ROUNDS; round++) EQS_TRY(refine(&s, round));
    descend(&s, owner);
  }
  return EQS_OK;
}
