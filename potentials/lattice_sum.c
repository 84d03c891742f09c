/* lattice_sum.c -- bins in fractional coordinates, and the walk over their images.
 *
 * A bin index that runs beyond the cell names an image: g = b + m bins. Within the parallelepiped
 * that holds the cutoff sphere the images are kept whose bounding sphere touches it.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/lattice_sum.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/neighbors.h"

enum { CHUNK = 256, BINS_MAX = 512 };
#define BIN_WIDTH 12.0 /* about, in units of length (bohr) */
#define SLACK     1e-6 /* for rounding, in bins and units of length */

static void cross(const double a[3], const double b[3], double out[3]) {
  for (int k = 0; k < 3; k++)
    out[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
}

static double norm(const double a[3]) { return hypot(hypot(a[0], a[1]), a[2]); }

static void normalize(double a[3]) {
  double length = norm(a);
  for (int k = 0; k < 3; k++) a[k] /= length;
}

/* Puts unit vectors normal to the others in the rows that are not periodic. */
static void complete_basis(lattice_bins *b) {
  int n = b->pbc[0] + b->pbc[1] + b->pbc[2];
  double(*row)[3] = (double(*)[3])b->basis;
  for (int k = 0; k < 3; k++)
    if (!b->pbc[k]) memset(row[k], 0, sizeof row[k]);
  if (n == 0)
    for (int k = 0; k < 3; k++) row[k][k] = 1;
  if (n == 1) {
    int k = b->pbc[0] ? 0 : b->pbc[1] ? 1 : 2, least = 0;
    double axis[3] = {0};
    for (int a = 1; a < 3; a++)
      if (fabs(row[k][a]) < fabs(row[k][least])) least = a;
    axis[least] = 1;
    cross(row[k], axis, row[(k + 1) % 3]);
    normalize(row[(k + 1) % 3]);
    cross(row[k], row[(k + 1) % 3], row[(k + 2) % 3]);
    normalize(row[(k + 2) % 3]);
  }
  if (n == 2) {
    int k = !b->pbc[0] ? 0 : !b->pbc[1] ? 1 : 2;
    cross(row[(k + 1) % 3], row[(k + 2) % 3], row[k]);
    normalize(row[k]);
  }
}

static void fractional(const lattice_bins *b, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++)
    f[k] = x[0] * b->inverse[k] + x[1] * b->inverse[3 + k] + x[2] * b->inverse[6 + k];
}

/* Number of bins per direction, at most about one for each atom. */
static void choose_bins(lattice_bins *b) {
  double share[3], diagonal = 0;
  for (int k = 0; k < 3; k++) {
    share[k] = b->width[k] * b->span[k] / BIN_WIDTH;
    b->bins[k] = share[k] < 1 ? 1 : share[k] > BINS_MAX ? BINS_MAX : (int)round(share[k]);
  }
  while ((double)b->bins[0] * b->bins[1] * b->bins[2] > b->n) {
    int most = b->bins[1] > b->bins[0];
    if (b->bins[2] > b->bins[most]) most = 2;
    b->bins[most] = (b->bins[most] + 1) / 2;
    if (b->bins[most] == 1 && b->bins[0] * b->bins[1] * b->bins[2] == 1) break;
  }
  for (int sign = 0; sign < 4; sign++) { /* the longest diagonal of a bin */
    double d[3] = {0};
    for (int k = 0; k < 3; k++) {
      double step = b->span[k] / b->bins[k] * (k && (sign >> (k - 1) & 1) ? -1 : 1);
      for (int c = 0; c < 3; c++) d[c] += step * b->basis[3 * k + c];
    }
    diagonal = fmax(diagonal, norm(d));
  }
  b->radius = diagonal / 2 * (1 + SLACK) + SLACK;
}

static int bin_of(const lattice_bins *b, const double f[3]) {
  int g[3];
  for (int k = 0; k < 3; k++) {
    double at = (f[k] - b->low[k]) / b->span[k] * b->bins[k];
    g[k] = at < 0 ? 0 : at >= b->bins[k] ? b->bins[k] - 1 : (int)at;
  }
  return (g[0] * b->bins[1] + g[1]) * b->bins[2] + g[2];
}

/* Wraps x[n] in place, gives the fractional coordinates, and the range they cover. */
static void wrap(lattice_bins *b, double (*x)[3], double (*f)[3]) {
  double high[3] = {1, 1, 1};
  for (int k = 0; k < 3; k++) b->low[k] = 0;
  for (int i = 0; i < b->n; i++) {
    fractional(b, x[i], f[i]);
    for (int k = 0; k < 3; k++) {
      if (b->pbc[k]) {
        double whole = floor(f[i][k]);
        f[i][k] -= whole;
        for (int c = 0; c < 3; c++) x[i][c] -= whole * b->basis[3 * k + c];
        continue;
      }
      if (i == 0 || f[i][k] < b->low[k]) b->low[k] = f[i][k];
      if (i == 0 || f[i][k] > high[k]) high[k] = f[i][k];
    }
  }
  for (int k = 0; k < 3; k++)
    b->span[k] = b->pbc[k] ? 1 : fmax(high[k] - b->low[k], 1) * (1 + SLACK);
}

static eqs_status sort_atoms(lattice_bins *b, double (*x)[3], double (*f)[3], arena *a) {
  int *bin, *next;
  size_t n = (size_t)b->n, cells = (size_t)b->bins[0] * (size_t)b->bins[1] * (size_t)b->bins[2];
  EQS_TRY(arena_take(a, n, sizeof *bin, &bin));
  EQS_TRY(arena_take_zero(a, cells + 1, sizeof *b->first, &b->first));
  EQS_TRY(arena_take(a, cells, sizeof *next, &next));
  EQS_TRY(arena_take(a, n, sizeof *b->atom, &b->atom));
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take(a, n, sizeof *b->x[c], &b->x[c]));
  for (int i = 0; i < b->n; i++) b->first[(bin[i] = bin_of(b, f[i])) + 1]++;
  for (size_t k = 0; k < cells; k++) {
    b->first[k + 1] += b->first[k];
    next[k] = b->first[k];
  }
  for (int i = 0; i < b->n; i++) {
    int slot = next[bin[i]]++;
    b->atom[slot] = i;
    for (int c = 0; c < 3; c++) b->x[c][slot] = x[i][c];
  }
  return EQS_OK;
}

eqs_status lattice_bins_build(const eqs_systems *in, int s, double scale, double reach, arena *a,
                              lattice_bins *out) {
  lattice_bins *b = out;
  double(*x)[3], (*f)[3], images = 1;
  *b = (lattice_bins){.n = in->first[s + 1] - in->first[s]};
  for (int k = 0; k < 3; k++) b->pbc[k] = in->pbc && in->cell && in->pbc[3 * s + k];
  for (int k = 0; k < 9; k++) b->basis[k] = in->cell ? scale * in->cell[9 * s + k] : 0;
  complete_basis(b);
  if (!cell_inverse(b->basis, b->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: its cell is singular along a periodic direction", s + 1);
  cell_widths(b->basis, b->width);
  EQS_TRY(arena_take(a, (size_t)b->n, sizeof *x, &x));
  EQS_TRY(arena_take(a, (size_t)b->n, sizeof *f, &f));
  for (int i = 0; i < b->n; i++)
    for (int c = 0; c < 3; c++) x[i][c] = scale * in->position[3 * (in->first[s] + i) + c];
  wrap(b, x, f);
  choose_bins(b);
  for (int k = 0; k < 3; k++)
    if (b->pbc[k]) images *= 2 * reach / b->width[k] + 2;
  if (!(images <= 2e7))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "system %d: its cell is too thin for dispersion, an atom would see %.1e images; use a "
             "larger or less oblique cell",
             s + 1, images);
  return sort_atoms(b, x, f, a);
}

/* ---- the walk */

typedef struct walk {
  const lattice_bins *b;
  double center[3], limit; /* square of cutoff + radius */
  double fraction[3];      /* of the centre */
  int low[3], high[3];     /* bins within reach, unbounded along periodic directions */
  int n;
  double shift[3][CHUNK];
} walk;

static void place(const lattice_bins *b, const double f[3], double x[3]) {
  for (int c = 0; c < 3; c++)
    x[c] = f[0] * b->basis[c] + f[1] * b->basis[3 + c] + f[2] * b->basis[6 + c];
}

/* Range of m[2] for which the image of a bin by m is within reach: where a line meets a sphere. */
static int line_range(const walk *w, const int bin[3], const int m[3], int range[2]) {
  const lattice_bins *b = w->b;
  const double *c = b->basis + 6;
  double f[3], x[3], aa = 0, ab = 0, bb = -w->limit;
  for (int k = 0; k < 3; k++)
    f[k] = b->low[k] + (bin[k] + 0.5) / b->bins[k] * b->span[k] - w->fraction[k];
  f[0] += m[0];
  f[1] += m[1];
  place(b, f, x);
  for (int k = 0; k < 3; k++) {
    aa += c[k] * c[k];
    ab += c[k] * x[k];
    bb += x[k] * x[k];
  }
  double root = ab * ab - aa * bb;
  if (root < 0) return 0;
  root = sqrt(root);
  double low = ceil((-ab - root) / aa), high = floor((-ab + root) / aa);
  if (low > range[0]) range[0] = (int)fmin(low, INT_MAX);
  if (high < range[1]) range[1] = (int)fmax(high, INT_MIN);
  return 1;
}

static void visit_bin(walk *w, const int bin[3], lattice_visit *visit, void *argument) {
  const lattice_bins *b = w->b;
  int index = (bin[0] * b->bins[1] + bin[1]) * b->bins[2] + bin[2];
  lattice_chunk c = {
      b->first[index], b->first[index + 1], 0, {w->shift[0], w->shift[1], w->shift[2]}};
  int from[3], to[3], m[3];
  if (c.begin == c.end) return;
  for (int k = 0; k < 3; k++) {
    from[k] = (int)ceil((double)(w->low[k] - bin[k]) / b->bins[k]);
    to[k] = (int)floor((double)(w->high[k] - bin[k]) / b->bins[k]);
  }
  w->n = 0;
  for (m[0] = from[0]; m[0] <= to[0]; m[0]++)
    for (m[1] = from[1]; m[1] <= to[1]; m[1]++) {
      int range[2] = {from[2], to[2]};
      if (!line_range(w, bin, m, range)) continue;
      for (m[2] = range[0]; m[2] <= range[1]; m[2]++) {
        for (int k = 0; k < 3; k++)
          w->shift[k][w->n] =
              m[0] * b->basis[k] + m[1] * b->basis[3 + k] + m[2] * b->basis[6 + k] - w->center[k];
        if (++w->n < CHUNK) continue;
        c.n = w->n;
        visit(argument, &c);
        w->n = 0;
      }
    }
  c.n = w->n;
  if (c.n) visit(argument, &c);
}

void lattice_walk(const lattice_bins *b, int slot, double cutoff, lattice_visit *visit,
                  void *argument) {
  walk w = {.b = b, .limit = (cutoff + b->radius) * (cutoff + b->radius)};
  int count[3], k[3], bin[3];
  for (int c = 0; c < 3; c++) w.center[c] = b->x[c][slot];
  fractional(b, w.center, w.fraction);
  for (int c = 0; c < 3; c++) {
    double at = (w.fraction[c] - b->low[c]) / b->span[c] * b->bins[c];
    double reach = cutoff / (b->width[c] * b->span[c]) * b->bins[c] + SLACK;
    double low = floor(at - reach), high = floor(at + reach), last = b->bins[c] - 1;
    if (!b->pbc[c]) low = fmax(low, 0), high = fmin(high, last);
    w.low[c] = (int)low;
    w.high[c] = (int)high;
    count[c] = w.high[c] - w.low[c] + 1;
    if (count[c] > b->bins[c]) count[c] = b->bins[c];
  }
  for (k[0] = 0; k[0] < count[0]; k[0]++)
    for (k[1] = 0; k[1] < count[1]; k[1]++)
      for (k[2] = 0; k[2] < count[2]; k[2]++) {
        for (int c = 0; c < 3; c++) {
          int n = b->bins[c], g = (w.low[c] + k[c]) % n;
          bin[c] = g < 0 ? g + n : g;
        }
        visit_bin(&w, bin, visit, argument);
      }
}
