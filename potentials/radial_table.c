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

#include "core/device.h"
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
static eqs_status make_pieces(const radial *a, const table_pair *pair, const radial_segment *s,
                              int i0, int m, arena *scratch, double *worst) {
  double h = (s->to - s->from) / s->n, r[3 * CHUNK + 1], sum[3 * CHUNK + 1], *knot, *probe, *out;
  int source[3 * CHUNK + 1], target[3 * CHUNK + 1];
  radial_edges first = {1, &first.n, r, source, target, sum};
  radial_edges knots = {m, &knots.n, r + 1, source, target, sum};
  radial_edges probes = {2 * m, &probes.n, r, source, target, sum};
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
  EQS_TRY(radial_evaluate(a, &first, 3, 1, scratch, knot));
  EQS_TRY(radial_evaluate(a, &knots, 3, -1, scratch, knot + 3 * w));
  for (int i = 0; i < m; i++) {
    r[2 * i] = s->from + (i0 + i + 0.25) * h;
    r[2 * i + 1] = s->from + (i0 + i + 0.6) * h;
  }
  EQS_TRY(radial_evaluate(a, &probes, 2, 1, scratch, probe));
  quintic_args q = {.n = m,
                    .width = a->width,
                    .h = h,
                    .knot = knot,
                    .probe = probe,
                    .piece = out,
                    .worst = worst};
  a->exact->quintic(&q);
  a->k->convert(out, (size_t)m * size, (char *)s->piece + (size_t)i0 * size * a->k->real_size);
  return EQS_OK;
}

static double largest(const double *v, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++)
    if (v[i] > most) most = v[i];
  return most;
}

static eqs_status make_segment(const radial *a, const table_pair *pair, int n, radial_segment *s,
                               arena *scratch, segment_fit *f) {
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
    if (to > from) t->segment[t->n_segment++] = (radial_segment){.from = from, .to = to};
    from = to;
  }
}

/* The error falls as h^6 (h^5 in the slope), so that a failed trial tells the next. */
static eqs_status make_table(radial *a, const table_pair *pair, radial_table *t, arena *scratch) {
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
        a->value_error = fmax(a->value_error, f[i].value_error / value);
        a->slope_error = fmax(a->slope_error, f[i].slope_error / slope);
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

/* The pieces go where the kernels read them. */
static eqs_status upload_table(const radial *a, radial_table *t) {
  device *d = a->k->device;
  if (device_is_host(d)) return EQS_OK;
  for (int i = 0; i < t->n_segment; i++) {
    radial_segment *s = t->segment + i;
    void *host = s->piece;
    size_t reals = mul_size((size_t)s->n * RADIAL_QUINTIC, (size_t)a->width);
    eqs_status status = device_copy(d, host, reals, a->k->real_size, "radial table", &s->piece);
    free(host);
    if (status == EQS_OK) continue;
    for (int j = i + 1; j < t->n_segment; j++) { /* still the host's */
      free(t->segment[j].piece);
      t->segment[j].piece = NULL;
    }
    return status;
  }
  return EQS_OK;
}

void radial_table_free(const kernel_ops *k, radial_table *t) {
  for (int i = 0; i < SEGMENTS_MAX; i++) device_give(k->device, &t->segment[i].piece);
}

/* A table becomes visible only when it is complete. */
static eqs_status make_pair(radial *a, const table_pair *pair, int at) {
  arena scratch = {0};
  device *d = a->k->device;
  radial_table t = {.n_segment = 0};
  eqs_status status = make_table(a, pair, &t, &scratch);
  arena_free(&scratch);
  for (int i = 0; status != EQS_OK && i < SEGMENTS_MAX; i++) {
    free(t.segment[i].piece);
    t.segment[i].piece = NULL;
  }
  if (status == EQS_OK) status = upload_table(a, &t);
  if (status == EQS_OK) status = d->ops->put(d, a->device_table + at, &t, sizeof t);
  if (status == EQS_OK) status = d->ops->finish(d);
  if (status == EQS_OK) a->table[at] = t;
  else radial_table_free(a->k, &t);
  return status;
}

static eqs_status prepare_pairs(radial *a, int n_species, const unsigned char *present,
                                const double *radius) {
  int n = a->basis.transform == TRANSFORM_NONE && !a->ordered ? 1 : n_species;
  if (!a->table) {
    size_t pairs = (size_t)n * (size_t)n;
    EQS_TRY(alloc_array(&a->table, pairs, sizeof *a->table, "radial tables"));
    a->n_species = n;
    EQS_TRY(device_take(a->k->device, pairs, sizeof *a->table, "radial tables", &a->device_table));
  }
  for (int i = 0; i < n; i++)
    for (int j = a->ordered ? 0 : i; j < n; j++) {
      int at = i * n + j;
      if (a->table[at].n_segment || (n > 1 && !(present[i] && present[j]))) continue;
      table_pair pair = {radius && n > 1 ? radius[i] + radius[j] : 1, j, i};
      EQS_TRY(make_pair(a, &pair, at));
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
  *value = a->value_error;
  *slope = a->slope_error;
}

static eqs_status locate(const kernel_ops *k, const radial_edges *edges, radial_locate_args *a,
                         arena *scratch, radial_rows *out) {
  size_t n = (size_t)edges->n;
  EQS_TRY(arena_take(scratch, n, sizeof *out->row, &out->row));
  EQS_TRY(arena_take(scratch, n, sizeof *out->slope, &out->slope));
  EQS_TRY(arena_take(scratch, n, k->real_size, &out->t));
  a->n = edges->n;
  a->n_edge = edges->n_edge;
  a->r = edges->r;
  a->source = edges->source;
  a->target = edges->target;
  a->row = out->row;
  a->slope = out->slope;
  a->t = out->t;
  k->radial_locate(a);
  return EQS_OK;
}

eqs_status radial_point_to(const kernel_ops *k, const radial_edges *edges, const void *rows,
                           size_t row_size, double slope, arena *scratch, radial_rows *out) {
  radial_locate_args a = {.rows = rows, .row_size = row_size, .slope_of_rows = slope};
  return locate(k, edges, &a, scratch, out);
}

eqs_status radial_locate(const radial *a, const radial_edges *edges, int want_slope, arena *scratch,
                         radial_rows *out) {
  out->order_stride = a->width;
  if (a->k == a->exact) {
    double *rows;
    out->orders = want_slope ? RADIAL_SLOPE : RADIAL_VALUE;
    size_t size = (size_t)out->orders * (size_t)a->width;
    EQS_TRY(arena_take(scratch, mul_size((size_t)edges->n, size), sizeof *rows, &rows));
    EQS_TRY(radial_evaluate(a, edges, out->orders, 1, scratch, rows));
    return radial_point_to(a->k, edges, rows, size, 1, scratch, out);
  }
  radial_locate_args l = {.n_species = a->n_species,
                          .ordered = a->ordered,
                          .width = a->width,
                          .table = a->device_table};
  out->orders = RADIAL_QUINTIC;
  return locate(a->k, edges, &l, scratch, out);
}
