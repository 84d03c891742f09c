/* lattice_sum.c -- groups of neighbouring atoms, and the translations between two boxes.
 *
 * Bisection: the longest side of what is left is cut at the median, at a whole number of tiles
 * while there are several, then of groups, so that groups and tiles are compact. Translations: per
 * line along the third lattice vector, the range where it meets a sphere around both boxes.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/lattice_sum.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/neighbors.h"

enum { TILE_GROUPS = 16, TILES_LEAST = 16 };
#define SLACK 1e-6 /* for rounding, in units of length and of lattice vectors */

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
static void complete_basis(lattice *b) {
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

static void fractional(const lattice *b, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++)
    f[k] = x[0] * b->inverse[k] + x[1] * b->inverse[3 + k] + x[2] * b->inverse[6 + k];
}

void lattice_wrap(const lattice *l, double x[3]) {
  double f[3];
  fractional(l, x, f);
  for (int k = 0; k < 3; k++)
    for (int c = 0; c < 3 && l->pbc[k]; c++) x[c] -= floor(f[k]) * l->basis[3 * k + c];
}

void lattice_near(const lattice *l, const double to[3], double x[3]) {
  double d[3] = {x[0] - to[0], x[1] - to[1], x[2] - to[2]}, f[3];
  fractional(l, d, f);
  for (int k = 0; k < 3; k++)
    for (int c = 0; c < 3 && l->pbc[k]; c++) x[c] -= round(f[k]) * l->basis[3 * k + c];
}

/* ---- bisection */

typedef struct sorter {
  const double (*x)[3];
  int *atom;
  int width, tile; /* atoms of a group, of a tile */
} sorter;

static int before(const sorter *s, int axis, int a, int b) {
  return s->x[a][axis] < s->x[b][axis] || (s->x[a][axis] == s->x[b][axis] && a < b);
}

/* Rearranges atom[n] so that the first m are those lowest along the axis (quickselect, the median
 * of three as pivot). */
static void select_lowest(const sorter *s, int *atom, int n, int m, int axis) {
  int low = 0, high = n - 1;
  while (low < high) {
    int a = atom[low], b = atom[low + (high - low) / 2], c = atom[high];
    int ab = before(s, axis, a, b), bc = before(s, axis, b, c), ac = before(s, axis, a, c);
    int pivot = ab == bc ? b : ab == ac ? c : a;
    int i = low, j = high;
    while (i <= j) {
      while (before(s, axis, atom[i], pivot)) i++;
      while (before(s, axis, pivot, atom[j])) j--;
      if (i > j) break;
      int t = atom[i];
      atom[i++] = atom[j];
      atom[j--] = t;
    }
    if (m <= j) high = j;
    else if (m >= i) low = i;
    else return;
  }
}

static void bisect(const sorter *s, int *atom, int n) {
  double low[3], high[3];
  int axis = 0, unit = n > s->tile ? s->tile : s->width;
  if (n <= s->width) return;
  for (int c = 0; c < 3; c++) low[c] = high[c] = s->x[atom[0]][c];
  for (int i = 1; i < n; i++)
    for (int c = 0; c < 3; c++) {
      low[c] = fmin(low[c], s->x[atom[i]][c]);
      high[c] = fmax(high[c], s->x[atom[i]][c]);
    }
  for (int c = 1; c < 3; c++)
    if (high[c] - low[c] > high[axis] - low[axis]) axis = c;
  int m = (n / unit + (n % unit != 0) + 1) / 2 * unit;
  select_lowest(s, atom, n, m, axis);
  bisect(s, atom, m);
  bisect(s, atom + m, n - m);
}

void lattice_bound(const double *const x[3], int n, double box[6]) {
  for (int c = 0; c < 3; c++) {
    double low = x[c][0], high = x[c][0];
    for (int i = 1; i < n; i++) {
      low = fmin(low, x[c][i]);
      high = fmax(high, x[c][i]);
    }
    box[c] = (low + high) / 2;
    box[3 + c] = (high - low) / 2 + SLACK;
  }
}

static int smaller(int a, int b) { return a < b ? a : b; }

static void bound_runs(const lattice *l, int slots, int n, double (*box)[6]) {
  for (int k = 0; k < n; k++) {
    int begin = k * slots;
    const double *const at[3] = {l->x[0] + begin, l->x[1] + begin, l->x[2] + begin};
    lattice_bound(at, smaller(slots, l->n - begin), box[k]);
  }
}

static eqs_status sort_atoms(lattice *l, const double (*x)[3], arena *a) {
  size_t slots = (size_t)l->n_group * (size_t)l->width;
  EQS_TRY(arena_take(a, slots, sizeof *l->atom, &l->atom));
  EQS_TRY(arena_take(a, (size_t)l->n_group, sizeof *l->box, &l->box));
  EQS_TRY(arena_take(a, (size_t)l->n_tile, sizeof *l->tile_box, &l->tile_box));
  for (int c = 0; c < 3; c++) EQS_TRY(arena_take(a, slots, sizeof *l->x[c], &l->x[c]));
  for (int i = 0; i < (int)slots; i++) l->atom[i] = i < l->n ? i : -1;
  sorter s = {.x = x, .atom = l->atom, .width = l->width, .tile = l->width * l->tile};
  bisect(&s, l->atom, l->n);
  for (size_t i = 0; i < slots; i++)
    for (int c = 0; c < 3; c++) l->x[c][i] = l->atom[i] < 0 ? LATTICE_NOWHERE : x[l->atom[i]][c];
  bound_runs(l, l->width, l->n_group, l->box);
  bound_runs(l, l->width * l->tile, l->n_tile, l->tile_box);
  return EQS_OK;
}

eqs_status lattice_frame(const eqs_systems *in, int s, double scale, double reach, lattice *out) {
  lattice *l = out;
  double images = 1;
  *l = (lattice){.n = in->first[s + 1] - in->first[s]};
  for (int k = 0; k < 3; k++) l->pbc[k] = in->pbc && in->cell && in->pbc[3 * s + k];
  for (int k = 0; k < 9; k++) l->basis[k] = in->cell ? scale * in->cell[9 * s + k] : 0;
  complete_basis(l);
  if (!cell_inverse(l->basis, l->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: its cell is singular along a periodic direction", s + 1);
  cell_widths(l->basis, l->spacing);
  for (int k = 0; k < 3; k++)
    if (l->pbc[k]) images *= 2 * reach / l->spacing[k] + 2;
  if (!(images <= 2e7))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "system %d: its cell is too thin for dispersion, an atom would see %.1e images; use a "
             "larger or less oblique cell",
             s + 1, images);
  return EQS_OK;
}

eqs_status lattice_build(const eqs_systems *in, int s, double scale, double reach, int width,
                         arena *a, lattice *out) {
  lattice *l = out;
  double(*x)[3];
  EQS_TRY(lattice_frame(in, s, scale, reach, l));
  l->width = width;
  l->n_group = l->n / width + (l->n % width != 0);
  l->tile = l->n_group / TILES_LEAST;
  l->tile = l->tile < 1 ? 1 : smaller(l->tile, TILE_GROUPS);
  l->n_tile = l->n_group / l->tile + (l->n_group % l->tile != 0);
  EQS_TRY(arena_take(a, (size_t)l->n, sizeof *x, &x));
  for (int i = 0; i < l->n; i++) {
    for (int c = 0; c < 3; c++) x[i][c] = scale * in->position[3 * (in->first[s] + i) + c];
    lattice_wrap(l, x[i]);
  }
  return sort_atoms(l, (const double(*)[3])x, a);
}

/* ---- translations */

static void place(const lattice *l, const double m[3], double x[3]) {
  for (int c = 0; c < 3; c++)
    x[c] = m[0] * l->basis[c] + m[1] * l->basis[3 + c] + m[2] * l->basis[6 + c];
}

/* Narrows the range of m[2] to where the point x + m[2] c is within the radius of the origin. */
static int line_range(const double c[3], const double x[3], double radius, int range[2]) {
  double aa = 0, ab = 0, bb = -radius * radius;
  for (int k = 0; k < 3; k++) {
    aa += c[k] * c[k];
    ab += c[k] * x[k];
    bb += x[k] * x[k];
  }
  double root = ab * ab - aa * bb;
  if (root < 0) return 0;
  root = sqrt(root);
  range[0] = (int)fmax(ceil((-ab - root) / aa), range[0]);
  range[1] = (int)fmin(floor((-ab + root) / aa), range[1]);
  return 1;
}

/* Whether the boxes are within the cutoff when their centres are d apart; half: of both. */
static int boxes_meet(const double half[3], const double d[3], double cutoff2) {
  double r2 = 0;
  for (int c = 0; c < 3; c++) {
    double gap = fabs(d[c]) - half[c];
    if (gap > 0) r2 += gap * gap;
  }
  return r2 <= cutoff2;
}

static void send(lattice_shifts *t, lattice_visit *visit, void *argument) {
  for (int k = t->n; k % 8; k++) t->x[0][k] = t->x[1][k] = t->x[2][k] = 0;
  if (t->n) visit(argument, t);
  t->n = 0;
}

void lattice_translations(const lattice *l, const double from[6], const double to[6], double cutoff,
                          lattice_visit *visit, void *argument) {
  lattice_shifts out;
  double d[3], f[3], half[3];
  int low[3], high[3], m[3];
  for (int c = 0; c < 3; c++) {
    d[c] = to[c] - from[c];
    half[c] = to[3 + c] + from[3 + c];
  }
  double radius = cutoff + norm(half) + SLACK;
  fractional(l, d, f);
  for (int k = 0; k < 3; k++) {
    double reach = radius / l->spacing[k] + SLACK;
    low[k] = l->pbc[k] ? (int)ceil(-f[k] - reach) : 0;
    high[k] = l->pbc[k] ? (int)floor(-f[k] + reach) : 0;
  }
  out.n = 0;
  for (m[0] = low[0]; m[0] <= high[0]; m[0]++)
    for (m[1] = low[1]; m[1] <= high[1]; m[1]++) {
      int range[2] = {low[2], high[2]};
      double t[3], at[3], line[3] = {m[0], m[1], 0};
      place(l, line, t);
      for (int c = 0; c < 3; c++) at[c] = d[c] + t[c];
      if (l->pbc[2] && !line_range(l->basis + 6, at, radius, range)) continue;
      for (m[2] = range[0]; m[2] <= range[1]; m[2]++) {
        double x[3], apart[3];
        for (int c = 0; c < 3; c++) {
          x[c] = t[c] + m[2] * l->basis[6 + c];
          apart[c] = d[c] + x[c];
        }
        if (!boxes_meet(half, apart, cutoff * cutoff)) continue;
        for (int c = 0; c < 3; c++) out.x[c][out.n] = x[c];
        if (++out.n == DISPERSION_SHIFTS) send(&out, visit, argument);
      }
    }
  send(&out, visit, argument);
}
