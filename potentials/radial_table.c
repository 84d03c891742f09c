/* radial_table.c -- radial functions as piecewise quintics for single precision.
 *
 * Hermite quintics from value, slope and curvature at the knots: twice continuously differentiable,
 * error O(h^6); the force is the exact derivative of the same polynomial. The range is cut at every
 * break of the cutoff and at r_max / 2, / 4, / 8, / 16, because distance transforms bend the
 * functions at short range only; each segment gets as many pieces as it needs to differ from the
 * network, between the knots, by at most 2e-8 of max |R| and 1e-7 of max |R'|.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/radial_parts.h"

enum { FIRST_INTERVALS = 6, MOST_INTERVALS = 4096, CHUNK = 32 };
static const double value_tolerance = 2e-8, slope_tolerance = 1e-7;

/* What a segment's pieces miss, and how large the functions are there. */
typedef struct segment_fit {
  double value_error, slope_error, value, slope;
} segment_fit;

/* The pair that a table is for. */
typedef struct table_pair {
  double r_sum;
  int source, target;
} table_pair;

/* Pieces i0 .. i0+m-1 of a segment; `scratch` is reset here. worst: [4][width], see quintic_args.
 */
static eqs_status make_pieces(const radial *a, const table_pair *pair,
                              const struct radial_segment *s, int i0, int m, arena *scratch,
                              double *worst) {
  double h = (s->to - s->from) / s->n, r[3 * CHUNK + 1], sum[3 * CHUNK + 1], *knot, *probe, *out;
  int source[3 * CHUNK + 1], target[3 * CHUNK + 1];
  radial_pairs p = {sum, source, target};
  size_t w = (size_t)a->width, size = 6 * w;
  arena_reset(scratch);
  EQS_TRY(arena_take(scratch, (size_t)(m + 1) * 3 * w, sizeof *knot, &knot));
  EQS_TRY(arena_take(scratch, (size_t)m * 4 * w, sizeof *probe, &probe));
  EQS_TRY(arena_take(scratch, (size_t)m * size, sizeof *out, &out));
  for (int i = 0; i < 3 * m + 1; i++) {
    sum[i] = pair->r_sum;
    source[i] = pair->source;
    target[i] = pair->target;
  }
  for (int i = 0; i <= m; i++) r[i] = i0 + i == s->n ? s->to : s->from + (i0 + i) * h;
  /* the first knot takes its derivatives from above, the others from below: both sides of a break
   * are one segment's end and the next one's beginning */
  EQS_TRY(radial_evaluate(a, 1, r, &p, 3, 1, scratch, knot));
  EQS_TRY(radial_evaluate(a, m, r + 1, &p, 3, -1, scratch, knot + 3 * w));
  for (int i = 0; i < m; i++) {
    r[2 * i] = s->from + (i0 + i + 0.25) * h;
    r[2 * i + 1] = s->from + (i0 + i + 0.6) * h;
  }
  EQS_TRY(radial_evaluate(a, 2 * m, r, &p, 2, 1, scratch, probe));
  quintic_args q = {.n = m,
                    .width = a->width,
                    .h = h,
                    .knot = knot,
                    .probe = probe,
                    .piece = out,
                    .worst = worst};
  kernels_host(1)->quintic(&q);
  a->k->convert(out, (size_t)m * size, (char *)s->piece + (size_t)i0 * size * a->k->real_size);
  return EQS_OK;
}

static double largest(const double *v, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++)
    if (v[i] > most) most = v[i];
  return most;
}

static eqs_status make_segment(const radial *a, const table_pair *pair, int n,
                               struct radial_segment *s, arena *scratch, segment_fit *f) {
  size_t w = (size_t)a->width;
  double *worst = NULL;
  eqs_status status;
  free(s->piece);
  s->piece = NULL;
  s->n = n;
  s->inverse_width = n / (s->to - s->from);
  EQS_TRY_DONE(alloc_array(&worst, 4 * w, sizeof *worst, "radial table"));
  EQS_TRY_DONE(alloc_array(&s->piece, (size_t)n * 6 * w, a->k->real_size, "radial table"));
  for (int i = 0; i < n; i += CHUNK)
    EQS_TRY_DONE(make_pieces(a, pair, s, i, n - i < CHUNK ? n - i : CHUNK, scratch, worst));
  *f = (segment_fit){largest(worst, w), largest(worst + w, w), largest(worst + 2 * w, w),
                     largest(worst + 3 * w, w)};
done:
  free(worst);
  return status;
}

static void lay_out(const radial_basis *b, radial_table *t) {
  double from = 0, fraction = 1.0 / 16;
  t->n_segment = 0;
  while (from < b->r_max) {
    double to = fraction * b->r_max;
    if (b->cutoff == CUTOFF_XPLOR && b->r_on > from && b->r_on < to) to = b->r_on;
    else fraction *= 2;
    if (to > from) t->segment[t->n_segment++] = (struct radial_segment){.from = from, .to = to};
    from = to;
  }
}

/* The error falls as h^6 (h^5 in the slope), so that a failed trial tells the next. */
static eqs_status make_table(const radial *a, const table_pair *pair, radial_table *t,
                             arena *scratch) {
  segment_fit f[SEGMENTS_MAX];
  double value = 1e-300, slope = 1e-300;
  lay_out(&a->basis, t);
  for (int i = 0; i < t->n_segment; i++) {
    EQS_TRY(make_segment(a, pair, FIRST_INTERVALS, &t->segment[i], scratch, &f[i]));
    value = fmax(value, f[i].value);
    slope = fmax(slope, f[i].slope);
  }
  for (int i = 0; i < t->n_segment; i++)
    for (;;) {
      double excess = fmax(f[i].value_error / value / value_tolerance,
                           f[i].slope_error / slope / slope_tolerance);
      int n = t->segment[i].n;
      if (excess <= 1) {
        t->value_error = fmax(t->value_error, f[i].value_error / value);
        t->slope_error = fmax(t->slope_error, f[i].slope_error / slope);
        break;
      }
      if (n >= MOST_INTERVALS || !isfinite(excess))
        EQS_FAIL(EQS_ERR_DIVERGED,
                 "a radial function is too rough for %d pieces between %g and %g angstrom (error "
                 "%.1e of its largest value, %.1e of its largest slope); use double precision",
                 n, t->segment[i].from, t->segment[i].to, f[i].value_error / value,
                 f[i].slope_error / slope);
      double more = n * fmin(fmax(1.05 * pow(excess, 0.2), 1.1), 8);
      n = more < MOST_INTERVALS ? (int)more + 1 : MOST_INTERVALS;
      EQS_TRY(make_segment(a, pair, n, &t->segment[i], scratch, &f[i]));
    }
  return EQS_OK;
}

/* A table becomes visible only when it is complete. */
static eqs_status make_pair(radial *a, const table_pair *pair, radial_table *to) {
  arena scratch = {0};
  radial_table t = {.n_segment = 0};
  eqs_status status = make_table(a, pair, &t, &scratch);
  arena_free(&scratch);
  for (int i = 0; status != EQS_OK && i < SEGMENTS_MAX; i++) free(t.segment[i].piece);
  if (status == EQS_OK) *to = t;
  return status;
}

static eqs_status prepare_pairs(radial *a, int n_species, const unsigned char *present,
                                const double *radius) {
  int n = a->basis.transform == TRANSFORM_NONE && !a->ordered ? 1 : n_species;
  if (!a->table) {
    EQS_TRY(alloc_array(&a->table, (size_t)n * (size_t)n, sizeof *a->table, "radial tables"));
    a->n_species = n;
  }
  for (int i = 0; i < n; i++)
    for (int j = a->ordered ? 0 : i; j < n; j++) {
      radial_table *t = a->table + i * n + j;
      if (t->n_segment || (n > 1 && !(present[i] && present[j]))) continue;
      table_pair pair = {radius && n > 1 ? radius[i] + radius[j] : 1, j, i};
      EQS_TRY(make_pair(a, &pair, t));
    }
  return EQS_OK;
}

eqs_status radial_prepare(radial *a, int n_species, const unsigned char *present,
                          const double *radius) {
  if (a->k->real_size == sizeof(double)) return EQS_OK;
  pthread_mutex_lock(&a->lock);
  eqs_status status = prepare_pairs(a, n_species, present, radius);
  pthread_mutex_unlock(&a->lock);
  return status;
}

void radial_table_error(const radial *a, double *value, double *slope) {
  *value = *slope = 0;
  for (int i = 0; i < a->n_species * a->n_species; i++) {
    *value = fmax(*value, a->table[i].value_error);
    *slope = fmax(*slope, a->table[i].slope_error);
  }
}

static eqs_status locate_direct(const radial *a, int n, const double *r, const int *s1,
                                const int *s2, const double *radius, int orders, arena *scratch,
                                radial_rows *out) {
  double *rows, *sum = NULL;
  radial_pairs pairs = {.source = s2, .target = s1};
  size_t size = (size_t)orders * (size_t)a->width;
  EQS_TRY(arena_take(scratch, (size_t)n * size, sizeof *rows, &rows));
  if (radius) {
    EQS_TRY(arena_take(scratch, (size_t)n, sizeof *sum, &sum));
    for (int e = 0; e < n; e++) sum[e] = radius[s1[e]] + radius[s2[e]];
    pairs.r_sum = sum;
  }
  EQS_TRY(radial_evaluate(a, n, r, &pairs, orders, 1, scratch, rows));
  for (int e = 0; e < n; e++) {
    out->row[e] = rows + (size_t)e * size;
    out->slope[e] = 1;
  }
  out->orders = orders;
  return EQS_OK;
}

eqs_status radial_locate(const radial *a, int n, const double *r, const int *s1, const int *s2,
                         const double *radius, int want_slope, arena *scratch, radial_rows *out) {
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof *out->row, &out->row));
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof *out->slope, &out->slope));
  EQS_TRY(arena_take_zero(scratch, (size_t)n, a->k->real_size, &out->t));
  out->order_stride = a->width;
  if (a->k->real_size == sizeof(double))
    return locate_direct(a, n, r, s1, s2, radius, want_slope ? RADIAL_SLOPE : RADIAL_VALUE, scratch,
                         out);
  double *t;
  EQS_TRY(arena_take(scratch, (size_t)n, sizeof *t, &t));
  size_t size = 6 * (size_t)a->width * a->k->real_size;
  for (int e = 0; e < n; e++) {
    int i = 0, j = 0;
    if (a->n_species > 1) {
      int swap = !a->ordered && s1[e] > s2[e];
      i = swap ? s2[e] : s1[e];
      j = swap ? s1[e] : s2[e];
    }
    const radial_table *table = a->table + i * a->n_species + j;
    const struct radial_segment *s = table->segment;
    while (s < table->segment + table->n_segment - 1 && r[e] >= s->to) s++;
    double x = (r[e] - s->from) * s->inverse_width;
    int at = x < s->n - 1 ? (int)x : s->n - 1;
    out->row[e] = (const char *)s->piece + (size_t)at * size;
    out->slope[e] = s->inverse_width;
    t[e] = x - at;
  }
  a->k->convert(t, (size_t)n, out->t);
  out->orders = RADIAL_QUINTIC;
  return EQS_OK;
}
