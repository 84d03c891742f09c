/* diffusion.c -- displacements by levels of lags, the window where they grow as time, the line.
 * SPDX-License-Identifier: MIT */
#include "core/dynamics/diffusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adsorption/statistics.h"
#include "core/dynamics/rigid.h"

enum { POINTS = DIFFUSION_POINTS, HALF = POINTS / 2 };

typedef struct block {
  int64_t frames;
  int64_t count[DIFFUSION_LAGS];
  double sum[DIFFUSION_LAGS][6];
} block;

struct diffusion {
  int n, n_block, n_level;
  block **block;
  double (*level[DIFFUSION_LEVELS])[3]; /* [POINTS][n] the last samples, a ring */
};

/* ---- sums */

eqs_status diffusion_open(int n, diffusion **out) {
  *out = NULL;
  if (n < 1) EQS_FAIL(EQS_ERR_ARGUMENT, "there is nothing whose diffusion could be measured");
  EQS_TRY(alloc_array(out, 1, sizeof **out, "displacements"));
  (*out)->n = n;
  return EQS_OK;
}

void diffusion_free(diffusion **d) {
  if (!d || !*d) return;
  for (int b = 0; b < (*d)->n_block; b++) free((*d)->block[b]);
  for (int l = 0; l < DIFFUSION_LEVELS; l++) free((*d)->level[l]);
  free((*d)->block);
  free(*d);
  *d = NULL;
}

eqs_status diffusion_block(diffusion *d) {
  d->n_level = 0;
  if (d->n_block && d->block[d->n_block - 1]->frames < 2) { /* its place is taken again */
    memset(d->block[d->n_block - 1], 0, sizeof **d->block);
    return EQS_OK;
  }
  if (d->n_block == DIFFUSION_BLOCKS)
    EQS_FAIL(EQS_ERR_ARGUMENT, "more than %d blocks", DIFFUSION_BLOCKS);
  block **grown = realloc(d->block, ((size_t)d->n_block + 1) * sizeof *grown);
  if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: blocks");
  d->block = grown;
  EQS_TRY(alloc_array(&grown[d->n_block], 1, sizeof **grown, "a block"));
  d->n_block++;
  return EQS_OK;
}

static double (*sample(const diffusion *d, int level, int64_t s))[3] {
  return d->level[level] + (size_t)(s % POINTS) * (size_t)d->n;
}

/* Every second sample of the level below, of which the last POINTS are at hand. */
static eqs_status open_level(diffusion *d) {
  int l = d->n_level;
  size_t n = (size_t)d->n;
  if (!d->level[l])
    EQS_TRY(alloc_array(&d->level[l], mul_size(POINTS, n), sizeof *d->level[l], "positions"));
  for (int j = 0; l > 0 && j < HALF; j++)
    memcpy(sample(d, l, j), sample(d, l - 1, 2 * j), n * sizeof *d->level[l]);
  d->n_level++;
  return EQS_OK;
}

static int lag_index(int level, int k) {
  return level == 0 ? k - 1 : POINTS + (level - 1) * HALF + k - HALF - 1;
}

static double lag_frames(int index) {
  if (index < POINTS) return index + 1;
  return ldexp((index - POINTS) % HALF + HALF + 1, 1 + (index - POINTS) / HALF);
}

static void displacements(const diffusion *d, const double (*from)[3], const double (*to)[3],
                          double sum[6]) {
  double s[6] = {0, 0, 0, 0, 0, 0};
  for (int i = 0; i < d->n; i++) {
    double x = to[i][0] - from[i][0], y = to[i][1] - from[i][1], z = to[i][2] - from[i][2];
    s[0] += x * x, s[1] += y * y, s[2] += z * z;
    s[3] += y * z, s[4] += x * z, s[5] += x * y;
  }
  for (int k = 0; k < 6; k++) sum[k] += s[k];
}

eqs_status diffusion_add(diffusion *d, const double (*x)[3]) {
  if (d->n_block == 0) EQS_FAIL(EQS_ERR_ARGUMENT, "no block is open");
  block *b = d->block[d->n_block - 1];
  int64_t f = b->frames++;
  int top = d->n_level - 1;
  if (d->n_level == 0 || (d->n_level < DIFFUSION_LEVELS && f == (int64_t)POINTS << top))
    EQS_TRY(open_level(d));
  for (int l = 0; l < d->n_level && f % ((int64_t)1 << l) == 0; l++) {
    int64_t s = f >> l;
    for (int k = l ? HALF + 1 : 1; k <= POINTS && k <= s; k++) {
      int at = lag_index(l, k);
      displacements(d, (const double(*)[3])sample(d, l, s - k), x, b->sum[at]);
      b->count[at] += d->n;
    }
    memcpy(sample(d, l, s), x, (size_t)d->n * sizeof *x);
  }
  return EQS_OK;
}

/* ---- what they say */

static series_value value_of(int n, const double *x) {
  series_value v = {0, NAN, NAN};
  double square = 0;
  for (int i = 0; i < n; i++) v.mean += x[i] / n;
  for (int i = 0; i < n; i++) square += (x[i] - v.mean) * (x[i] - v.mean);
  if (n < 2) return v;
  v.sigma = sqrt(square / (n - 1) / n);
  v.ci95 = statistics_t95(n - 1) * v.sigma;
  return v;
}

static int blocks_of(const diffusion *d, int64_t *shortest) {
  int n = d->n_block;
  *shortest = INT64_MAX;
  if (n && d->block[n - 1]->frames < 2) n--;
  for (int b = 0; b < n; b++)
    if (d->block[b]->frames < *shortest) *shortest = d->block[b]->frames;
  return n;
}

/* Mean of component k at a lag in one block; k = 6: the trace. */
static double mean_of(const block *b, int lag, int k) {
  const double *s = b->sum[lag];
  return (k < 6 ? s[k] : s[0] + s[1] + s[2]) / (double)b->count[lag];
}

/* Slope of ln msd against ln lag over points first .. last. */
static double log_slope(const diffusion_point *p, int first, int last) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (int i = first; i <= last; i++) {
    double u = log(p[i].lag), v = log(p[i].msd);
    n++, x += u, y += v, xx += u * u, xy += u * v;
  }
  return n < 2 ? NAN : (n * xy - x * y) / (n * xx - x * x);
}

static void set_points(const diffusion *d, double interval, diffusion_result *out) {
  double each[DIFFUSION_BLOCKS];
  for (int i = 0; i < out->n_point; i++) {
    diffusion_point *p = &out->point[i];
    p->lag = lag_frames(i) * interval;
    for (int b = 0; b < out->n_block; b++) p->n += d->block[b]->count[i];
    for (int k = 0; k < 7; k++) {
      for (int b = 0; b < out->n_block; b++) each[b] = mean_of(d->block[b], i, k);
      series_value v = value_of(out->n_block, each);
      if (k < 6) p->tensor[k] = v.mean;
      else p->msd = v.mean, p->sigma = v.sigma;
    }
  }
  for (int i = 0, low = 0, high = 0; i < out->n_point; i++) {
    double lag = out->point[i].lag;
    while (out->point[low].lag < 0.499 * lag) low++;
    while (high + 1 < out->n_point && out->point[high + 1].lag < 2.001 * lag) high++;
    out->point[i].slope = log_slope(out->point, low, high);
  }
}

static int grows_as_time(const diffusion_point *p) { return fabs(p->slope - 1) <= DIFFUSION_SLOPE; }

static void find_window(diffusion_result *r) {
  double longest = 0;
  r->first = r->last = -1;
  for (int i = 0, j; i < r->n_point; i = j + 1) {
    for (j = i; j < r->n_point && grows_as_time(&r->point[j]); j++) {}
    if (j == i) continue;
    double span = r->point[j - 1].lag / r->point[i].lag;
    if (span > longest) longest = span, r->first = i, r->last = j - 1;
  }
  if (longest < DIFFUSION_WINDOW * (1 - 1e-9)) r->first = r->last = -1;
}

/* Slope of the weighted straight line through component k in a block. */
static double line(const diffusion_result *r, const block *b, int k) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (int i = r->first; i <= r->last; i++) {
    double t = r->point[i].lag / r->point[r->first].lag, w = 1 / (t * t * t);
    double v = mean_of(b, i, k);
    n += w, x += w * t, y += w * v, xx += w * t * t, xy += w * t * v;
  }
  return (n * xy - x * y) / (n * xx - x * x) / r->point[r->first].lag;
}

static void fit(const diffusion *d, diffusion_result *r) {
  double each[DIFFUSION_BLOCKS], t[3][3], axes[3][3];
  static const int at[3][3] = {{0, 5, 4}, {5, 1, 3}, {4, 3, 2}};
  for (int k = 0; k < 7; k++) {
    for (int b = 0; b < r->n_block; b++) each[b] = line(r, d->block[b], k) / (k < 6 ? 2 : 6);
    *(k < 6 ? &r->tensor[k] : &r->d) = value_of(r->n_block, each);
  }
  r->slope = log_slope(r->point, r->first, r->last);
  for (int a = 0; a < 9; a++) t[a / 3][a % 3] = r->tensor[at[a / 3][a % 3]].mean;
  rigid_diagonalise(t, axes);
  for (int a = 0; a < 3; a++) r->principal[a] = t[a][a];
  for (int pass = 0; pass < 2; pass++)
    for (int a = 0; a < 2; a++)
      if (r->principal[a] > r->principal[a + 1]) {
        double swap = r->principal[a];
        r->principal[a] = r->principal[a + 1], r->principal[a + 1] = swap;
      }
}

eqs_status diffusion_finish(const diffusion *d, double interval, double spacing,
                            diffusion_result *out) {
  static const series_value none = {NAN, NAN, NAN};
  int64_t shortest;
  *out = (diffusion_result){.first = -1, .last = -1, .slope = NAN, .d = none};
  for (int k = 0; k < 6; k++) out->tensor[k] = none;
  for (int k = 0; k < 3; k++) out->principal[k] = NAN;
  if (!(interval > 0) || !isfinite(interval))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the time between two frames is above 0");
  out->n_block = blocks_of(d, &shortest);
  while (out->n_block && out->n_point < DIFFUSION_LAGS &&
         2 * lag_frames(out->n_point) <= (double)(shortest - 1))
    out->n_point++;
  EQS_TRY(alloc_array(&out->point, (size_t)out->n_point, sizeof *out->point, "lags"));
  if (out->n_point < DIFFUSION_WINDOW) {
    out->fault = "too few frames in a block";
    return EQS_OK;
  }
  set_points(d, interval, out);
  find_window(out);
  int end = out->last < 0 ? out->n_point - 1 : out->last;
  out->displacement = sqrt(out->point[end].msd);
  if (out->last < 0) out->fault = "at no lags does the mean-square displacement grow as time";
  else if (!(out->displacement > spacing)) out->fault = "the way is shorter than the spacing";
  if (out->last >= 0) fit(d, out);
  return EQS_OK;
}

void diffusion_result_free(diffusion_result *r) {
  free(r->point);
  *r = (diffusion_result){0};
}
