/* distribution.c -- pairs by linked cells in fractional space, none of them kept.
 *
 * A cell may be smaller than the distance looked at: boxes are then met several times, each time
 * with another translation. Counts are whole numbers, so the order of threads does not matter.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/distribution.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbors.h"
#include "io/elements.h"

enum { BLOCKS_MOST = 1000, BINS_MOST = 100000, SIDE_MOST = 64 };
#define DISTANCE 12.0 /* angstrom, unless asked for more */
#define STEP     0.05
#define WORK     4e9 /* pairs in a frame */

typedef struct block {
  int64_t frames;
  double *density; /* [pair][bin] sums of count times volume */
  double *count;   /* [pair][bin] */
} block;

struct distribution {
  int n, n_element, n_pair, n_bin, n_block, threads;
  int *type; /* [n] which of the elements */
  int element[ELEMENT_MAX], atoms[ELEMENT_MAX];
  int (*pair)[2]; /* [n_pair] types a <= b */
  int *slot;      /* [n_element][n_element] pair of an ordered pair of types; -1 = not wanted */
  double most, step, half;
  block block[BLOCKS_MOST];
  int64_t *count; /* [pair][bin] of the frame */
  int *head, *next;
};

/* ---- which pairs */

static int type_of(const distribution *d, int number) {
  for (int t = 0; t < d->n_element; t++)
    if (d->element[t] == number) return t;
  return -1;
}

static void want(distribution *d, int a, int b) {
  int *slot = &d->slot[a * d->n_element + b];
  if (*slot >= 0 || d->slot[b * d->n_element + a] >= 0) return;
  *slot = d->n_pair;
  d->pair[d->n_pair][0] = a, d->pair[d->n_pair][1] = b;
  d->n_pair++;
}

/* "Zn-O,O-O" */
static eqs_status parse_pairs(distribution *d, const char *text) {
  for (const char *at = text;;) {
    size_t whole = strcspn(at, ","), n = strcspn(at, "-,");
    int a = element_find(at, n), b = n < whole ? element_find(at + n + 1, whole - n - 1) : 0;
    if (!a || !b)
      EQS_FAIL(EQS_ERR_ARGUMENT, "'%.*s' is no pair of elements; write Zn-O,O-O or all",
               (int)(whole < 40 ? whole : 40), at);
    int t = type_of(d, a), u = type_of(d, b);
    if (t < 0 || u < 0)
      EQS_FAIL(EQS_ERR_ARGUMENT, "there is no %s in the trajectory", element_symbol(t < 0 ? a : b));
    want(d, t, u);
    if (!at[whole]) return EQS_OK;
    at += whole + 1;
  }
}

static eqs_status set_types(distribution *d, const structure *s) {
  EQS_TRY(alloc_array(&d->type, (size_t)s->n, sizeof *d->type, "elements"));
  for (int z = 1; z <= ELEMENT_MAX; z++) {
    int seen = 0;
    for (int i = 0; i < s->n; i++)
      if (s->number[i] == z) d->type[i] = d->n_element, seen++;
    if (seen) d->element[d->n_element] = z, d->atoms[d->n_element++] = seen;
  }
  size_t square = (size_t)d->n_element * (size_t)d->n_element;
  EQS_TRY(alloc_array(&d->slot, square, sizeof *d->slot, "pairs"));
  for (size_t k = 0; k < square; k++) d->slot[k] = -1;
  return alloc_array(&d->pair, square, sizeof *d->pair, "pairs");
}

static eqs_status check_cell(const structure *s) {
  double volume = fabs(cell_volume(s->cell));
  if (!s->pbc[0] || !s->pbc[1] || !s->pbc[2])
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "a radial distribution needs a density: a cell periodic in three directions");
  if (!(volume > 0) || s->n > volume)
    EQS_FAIL(EQS_ERR_FORMAT, "%d atoms in %g angstrom^3: check the cell", s->n, volume);
  return EQS_OK;
}

eqs_status distribution_open(const structure *first, const char *pairs, double most, double step,
                             int threads, distribution **out) {
  double width[3];
  *out = NULL;
  EQS_TRY(check_cell(first));
  cell_widths(first->cell, width);
  double half = fmin(width[0], fmin(width[1], width[2])) / 2;
  if (step == 0) step = STEP;
  if (most == 0) most = fmin(half, DISTANCE);
  if (!(step > 0) || !(most > step) || !(most / step < BINS_MOST))
    EQS_FAIL(EQS_ERR_ARGUMENT, "a bin is above 0, and up to %g angstrom there are 1 to %d", most,
             BINS_MOST);
  EQS_TRY(alloc_array(out, 1, sizeof **out, "a radial distribution"));
  distribution *d = *out;
  d->threads = threads > 0 ? threads : omp_get_max_threads();
  d->n = first->n, d->step = step, d->half = half;
  d->n_bin = (int)(most / step + 1e-9);
  d->most = d->n_bin * step;
  eqs_status status = set_types(d, first);
  if (status == EQS_OK && strcmp(pairs, "all")) status = parse_pairs(d, pairs);
  else if (status == EQS_OK)
    for (int a = 0; a < d->n_element; a++)
      for (int b = a; b < d->n_element; b++) want(d, a, b);
  size_t size = mul_size((size_t)d->n_pair, (size_t)d->n_bin);
  if (status == EQS_OK) status = alloc_array(&d->count, size, sizeof *d->count, "bins");
  if (status == EQS_OK) status = alloc_array(&d->next, (size_t)d->n, sizeof *d->next, "boxes");
  if (status == EQS_OK)
    status = alloc_array(&d->head, SIDE_MOST * SIDE_MOST * SIDE_MOST, sizeof *d->head, "boxes");
  if (status != EQS_OK) distribution_free(out);
  return status;
}

/* ---- one frame */

typedef struct boxes {
  const distribution *d;
  const structure *s;
  int side[3], reach[3];
  double (*x)[3]; /* [n] in the cell */
  int (*at)[3];   /* [n] box */
} boxes;

static int box_index(const boxes *b, const int at[3]) {
  return (at[0] * b->side[1] + at[1]) * b->side[2] + at[2];
}

static eqs_status fill_boxes(distribution *d, boxes *b) {
  double inverse[9], width[3];
  const structure *s = b->s;
  cell_widths(s->cell, width);
  if (!cell_inverse(s->cell, inverse)) EQS_FAIL(EQS_ERR_FORMAT, "a cell without a volume");
  for (int k = 0; k < 3; k++) {
    d->half = fmin(d->half, width[k] / 2);
    b->side[k] = (int)fmax(1, fmin(SIDE_MOST, floor(2 * width[k] / d->most)));
    b->reach[k] = (int)ceil(d->most * b->side[k] / width[k] * (1 + 1e-12));
  }
  for (int i = 0; i < b->side[0] * b->side[1] * b->side[2]; i++) d->head[i] = -1;
  for (int i = 0; i < d->n; i++) {
    const double *x = s->position[i];
    for (int a = 0; a < 3; a++) b->x[i][a] = x[a];
    for (int k = 0; k < 3; k++) {
      double f = x[0] * inverse[k] + x[1] * inverse[3 + k] + x[2] * inverse[6 + k];
      for (int a = 0; a < 3; a++) b->x[i][a] -= floor(f) * s->cell[3 * k + a];
      int box = (int)((f - floor(f)) * b->side[k]);
      b->at[i][k] = box < b->side[k] ? box : b->side[k] - 1;
    }
    int *head = &d->head[box_index(b, b->at[i])];
    d->next[i] = *head, *head = i;
  }
  return EQS_OK;
}

/* Atoms of the box at `to`, seen from atom i across `shift`. */
static void count_box(const boxes *b, int i, const int to[3], const double shift[3],
                      int64_t *count) {
  const distribution *d = b->d;
  const int *slot = d->slot + d->type[i] * d->n_element;
  double from[3], most2 = d->most * d->most, scale = 1 / d->step;
  for (int a = 0; a < 3; a++) from[a] = b->x[i][a] - shift[a];
  for (int j = d->head[box_index(b, to)]; j >= 0; j = d->next[j]) {
    int pair = slot[d->type[j]];
    if (pair < 0) continue;
    double x = b->x[j][0] - from[0], y = b->x[j][1] - from[1], z = b->x[j][2] - from[2];
    double r2 = x * x + y * y + z * z;
    if (r2 >= most2 || r2 == 0) continue;
    int bin = (int)(sqrt(r2) * scale);
    if (bin < d->n_bin) count[(size_t)pair * (size_t)d->n_bin + (size_t)bin]++;
  }
}

static void count_atom(const boxes *b, int i, int64_t *count) {
  int o[3], to[3];
  for (o[0] = -b->reach[0]; o[0] <= b->reach[0]; o[0]++)
    for (o[1] = -b->reach[1]; o[1] <= b->reach[1]; o[1]++)
      for (o[2] = -b->reach[2]; o[2] <= b->reach[2]; o[2]++) {
        double shift[3] = {0, 0, 0};
        for (int k = 0; k < 3; k++) {
          int at = b->at[i][k] + o[k], side = b->side[k];
          int image = at >= 0 ? at / side : -((side - 1 - at) / side);
          to[k] = at - image * side;
          for (int a = 0; a < 3; a++) shift[a] += image * b->s->cell[3 * k + a];
        }
        count_box(b, i, to, shift, count);
      }
}

static eqs_status count_frame(distribution *d, const boxes *b) {
  size_t size = (size_t)d->n_pair * (size_t)d->n_bin;
  int failed = 0;
  memset(d->count, 0, size * sizeof *d->count);
#pragma omp parallel num_threads(d->threads)
  {
    int64_t *own = calloc(size ? size : 1, sizeof *own);
#pragma omp for schedule(static)
    for (int i = 0; i < d->n; i++)
      if (own) count_atom(b, i, own);
#pragma omp critical(distribution_sum)
    {
      failed |= !own;
      for (size_t k = 0; own && k < size; k++) d->count[k] += own[k];
    }
    free(own);
  }
  if (failed) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: bins of a thread");
  return EQS_OK;
}

eqs_status distribution_add(distribution *d, const structure *frame) {
  boxes b = {.d = d, .s = frame};
  eqs_status status = EQS_OK;
  EQS_TRY(check_cell(frame));
  double volume = fabs(cell_volume(frame->cell)), most = d->most;
  if (frame->n != d->n || d->n_block == 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%d atoms where %d were expected", frame->n, d->n);
  if (4.2 * most * most * most / volume * d->n * d->n > WORK)
    EQS_FAIL(EQS_ERR_ARGUMENT, "more than %g pairs up to %g angstrom: a shorter distance is needed",
             WORK, most);
  EQS_TRY_DONE(alloc_array(&b.x, (size_t)d->n, sizeof *b.x, "positions"));
  EQS_TRY_DONE(alloc_array(&b.at, (size_t)d->n, sizeof *b.at, "boxes"));
  EQS_TRY_DONE(fill_boxes(d, &b));
  EQS_TRY_DONE(count_frame(d, &b));
  block *to = &d->block[d->n_block - 1];
  to->frames++;
  for (size_t k = 0; k < (size_t)d->n_pair * (size_t)d->n_bin; k++) {
    to->count[k] += (double)d->count[k];
    to->density[k] += (double)d->count[k] * volume;
  }
done:
  free(b.x);
  free(b.at);
  return status;
}

/* ---- what they say */

eqs_status distribution_block(distribution *d) {
  size_t size = (size_t)d->n_pair * (size_t)d->n_bin;
  if (d->n_block && d->block[d->n_block - 1].frames == 0) return EQS_OK;
  if (d->n_block == BLOCKS_MOST) EQS_FAIL(EQS_ERR_ARGUMENT, "more than %d blocks", BLOCKS_MOST);
  block *b = &d->block[d->n_block++];
  EQS_TRY(alloc_array(&b->count, size, sizeof *b->count, "bins"));
  return alloc_array(&b->density, size, sizeof *b->density, "bins");
}

int distribution_pairs(const distribution *d, int *bins) {
  if (bins) *bins = d->n_bin;
  return d->n_pair;
}

void distribution_pair(const distribution *d, int p, int element[2]) {
  for (int k = 0; k < 2; k++) element[k] = d->element[d->pair[p][k]];
}

double distribution_half(const distribution *d) { return d->half; }

void distribution_view(const distribution *d, int p, distribution_bin *out) {
  double a = d->atoms[d->pair[p][0]], b = d->atoms[d->pair[p][1]], near = 0;
  for (int i = 0; i < d->n_bin; i++) {
    size_t at = (size_t)p * (size_t)d->n_bin + (size_t)i;
    double low = i * d->step, high = low + d->step, n = 0, sum = 0, square = 0, frames = 0,
           count = 0;
    double shell = 4.18879020478639098 * (high * high * high - low * low * low);
    for (int k = 0; k < d->n_block; k++) {
      const block *x = &d->block[k];
      if (x->frames == 0) continue;
      double g = x->density[at] / ((double)x->frames * a * b * shell);
      n++, sum += g, square += g * g;
      frames += (double)x->frames, count += x->count[at];
    }
    double mean = n > 0 ? sum / n : NAN;
    near += frames > 0 ? count / frames / a : 0;
    out[i] = (distribution_bin){.r = (low + high) / 2, .g = mean, .coordination = near};
    out[i].sigma = n > 1 ? sqrt(fmax(0, square / n - mean * mean) / (n - 1)) : NAN;
  }
}

void distribution_free(distribution **d) {
  if (!d || !*d) return;
  for (int k = 0; k < (*d)->n_block; k++) {
    free((*d)->block[k].count);
    free((*d)->block[k].density);
  }
  free((*d)->type), free((*d)->pair), free((*d)->slot);
  free((*d)->count), free((*d)->head), free((*d)->next);
  free(*d);
  *d = NULL;
}
