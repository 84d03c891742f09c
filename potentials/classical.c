/* classical.c -- a guest site in a crystal: image atoms in bins, and the crystal's own Ewald sum.
 *
 * What a guest feels of a crystal has the period of the crystal's cell, however large the box of
 * the simulation is, so one cell is enough. Around it all images within the cutoff are kept; a bin
 * of the cell lists those that any of its points can reach.
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/classical.h"

#include "core/neighbors.h"

#include <math.h>
#include <stdlib.h>

enum { BINS_MAX = 2000, IMAGES_MAX = 4000000, LIST_MAX = 40000000, CHUNK = 128 };
#define BIN_WIDTH 2.5 /* angstrom */

classical_pair classical_mix(const classical_site *a, const classical_site *b, double cutoff,
                             int truncated) {
  double epsilon = CLASSICAL_KELVIN * sqrt(a->epsilon * b->epsilon);
  double sigma = (a->sigma + b->sigma) / 2, s6 = pow(sigma, 6), r6 = pow(cutoff, -6);
  classical_pair p = {4 * epsilon * s6 * s6, 4 * epsilon * s6, 0};
  if (!truncated) p.shift = (p.c12 * r6 - p.c6) * r6;
  return p;
}

/* By i6 = r^-6. */
static double pair_energy(const classical_pair *p, double i6) {
  return (p->c12 * i6 - p->c6) * i6 - p->shift;
}

static void to_fraction(const classical_host *h, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++) {
    f[k] = x[0] * h->inverse[k] + x[1] * h->inverse[3 + k] + x[2] * h->inverse[6 + k];
    f[k] -= floor(f[k]);
    if (!(f[k] < 1)) f[k] = 0;
  }
}

static void from_fraction(const classical_host *h, const double f[3], double x[3]) {
  for (int k = 0; k < 3; k++)
    x[k] = f[0] * h->cell[k] + f[1] * h->cell[3 + k] + f[2] * h->cell[6 + k];
}

/* ---- preparation */

static int valid(const classical_site *s) {
  return s->epsilon >= 0 && s->epsilon < 1e6 && s->sigma >= 0 && s->sigma < 20 &&
         fabs(s->charge) < 100;
}

/* Distinct Lennard-Jones parameters of the crystal, and the table of pairs. */
static eqs_status mix_species(const classical_crystal *c, int truncated, classical_host *h,
                              int *species) {
  int *example;
  EQS_TRY(alloc_array(&example, (size_t)c->n, sizeof *example, "species of the framework"));
  for (int i = 0; i < c->n; i++) {
    const classical_site *s = c->site + i;
    int k = 0;
    while (k < h->n_species &&
           !(c->site[example[k]].epsilon == s->epsilon && c->site[example[k]].sigma == s->sigma))
      k++;
    if (k == h->n_species) example[h->n_species++] = i;
    species[i] = k;
  }
  size_t pairs = mul_size((size_t)h->n_site, (size_t)h->n_species);
  eqs_status status = alloc_array(&h->pair, pairs, sizeof *h->pair, "pairs of species");
  for (int a = 0; status == EQS_OK && a < h->n_site; a++)
    for (int b = 0; b < h->n_species; b++)
      h->pair[(size_t)a * (size_t)h->n_species + (size_t)b] =
          classical_mix(h->site + a, c->site + example[b], h->cutoff, truncated);
  free(example);
  return status;
}

typedef struct image {
  double x[3], charge;
  int species;
} image;

/* All images within the cutoff of the cell's faces, counted, or stored if there is room for them.
 */
static int collect_images(const classical_crystal *c, const int *species, const classical_host *h,
                          image *images) {
  double width[3], reach[3];
  int range[3], n = 0, m[3];
  cell_widths(h->cell, width);
  for (int k = 0; k < 3; k++) {
    reach[k] = h->cutoff / width[k];
    range[k] = (int)ceil(fmin(reach[k], 1e6)) + 1;
  }
  for (int i = 0; i < c->n; i++) {
    double f[3];
    to_fraction(h, c->position[i], f);
    for (m[0] = -range[0]; m[0] <= range[0]; m[0]++)
      for (m[1] = -range[1]; m[1] <= range[1]; m[1]++)
        for (m[2] = -range[2]; m[2] <= range[2]; m[2]++) {
          double g[3];
          int out = 0;
          for (int k = 0; k < 3; k++) {
            g[k] = f[k] + m[k];
            out |= g[k] < -reach[k] || g[k] > 1 + reach[k];
          }
          if (out) continue;
          if (n >= IMAGES_MAX) return -1;
          if (images) {
            from_fraction(h, g, images[n].x);
            images[n].charge = c->site[i].charge;
            images[n].species = species[i];
          }
          n++;
        }
  }
  return n;
}

typedef struct ranked {
  double distance;
  int image;
} ranked;

static int by_distance(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return (x->image > y->image) - (x->image < y->image);
}

/* Half the longest diagonal of a bin. */
static double bin_radius(const classical_host *h) {
  double most = 0;
  for (int sign = 0; sign < 4; sign++) {
    double square = 0;
    for (int c = 0; c < 3; c++) {
      double d = h->cell[c] / h->bins[0] + h->cell[3 + c] / h->bins[1] * (sign & 1 ? -1 : 1) +
                 h->cell[6 + c] / h->bins[2] * (sign & 2 ? -1 : 1);
      square += d * d;
    }
    most = fmax(most, sqrt(square) / 2);
  }
  return most * (1 + 1e-9) + 1e-9;
}

typedef struct image_list {
  int n;
  image *images;
  ranked *rank; /* [n] */
  int capacity; /* of the host's lists */
} image_list;

/* Images that bin (i, j, k) can reach, nearest to its centre first. */
static int reachable(const classical_host *h, int i, int j, int k, double radius, image_list *l) {
  const double f[3] = {(i + 0.5) / h->bins[0], (j + 0.5) / h->bins[1], (k + 0.5) / h->bins[2]};
  double center[3], limit = (h->cutoff + radius) * (h->cutoff + radius);
  int n = 0;
  from_fraction(h, f, center);
  for (int a = 0; a < l->n; a++) {
    double d2 = 0;
    for (int c = 0; c < 3; c++)
      d2 += (l->images[a].x[c] - center[c]) * (l->images[a].x[c] - center[c]);
    if (d2 <= limit) l->rank[n++] = (ranked){d2, a};
  }
  qsort(l->rank, (size_t)n, sizeof *l->rank, by_distance);
  return n;
}

static eqs_status grow(double **array, size_t n) {
  double *more = realloc(*array, mul_size(n, sizeof *more));
  if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu neighbours of bins", n);
  *array = more;
  return EQS_OK;
}

/* The n images of l->rank as the list of `bin`. */
static eqs_status append(classical_host *h, image_list *l, int bin, int n) {
  int begin = h->first[bin];
  if (n > LIST_MAX - begin)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "the framework is too dense or too large for a cutoff of %g angstrom", h->cutoff);
  if (begin + n > l->capacity) {
    size_t capacity = (size_t)(begin + n) + (size_t)(begin + n) / 2;
    EQS_TRY(grow(&h->x, capacity));
    EQS_TRY(grow(&h->y, capacity));
    EQS_TRY(grow(&h->z, capacity));
    EQS_TRY(grow(&h->q, capacity));
    int *more = realloc(h->species, mul_size(capacity, sizeof *more));
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu neighbours of bins", capacity);
    h->species = more;
    l->capacity = (int)capacity;
  }
  for (int a = 0; a < n; a++) {
    const image *m = l->images + l->rank[a].image;
    h->x[begin + a] = m->x[0];
    h->y[begin + a] = m->x[1];
    h->z[begin + a] = m->x[2];
    h->q[begin + a] = m->charge;
    h->species[begin + a] = m->species;
  }
  h->first[bin + 1] = begin + n;
  return EQS_OK;
}

static eqs_status fill_bins(classical_host *h, image_list *l) {
  double width[3], edge = fmax(BIN_WIDTH, cbrt(fabs(cell_volume(h->cell)) / BINS_MAX));
  int bins = 1, bin = 0;
  cell_widths(h->cell, width);
  for (int k = 0; k < 3; k++) {
    h->bins[k] = (int)fmin(fmax(width[k] / edge, 1), BINS_MAX);
    bins *= h->bins[k];
  }
  double radius = bin_radius(h);
  EQS_TRY(alloc_array(&h->first, (size_t)bins + 1, sizeof *h->first, "bins"));
  for (int i = 0; i < h->bins[0]; i++)
    for (int j = 0; j < h->bins[1]; j++)
      for (int k = 0; k < h->bins[2]; k++)
        EQS_TRY(append(h, l, bin++, reachable(h, i, j, k, radius, l)));
  return EQS_OK;
}

/* 2 weight S(k) of the crystal: the potential's coefficients. */
static eqs_status prepare_ewald(const classical_crystal *c, double tolerance, classical_host *h) {
  double *phase = NULL;
  EQS_TRY(ewald_prepare(c->cell, h->cutoff, tolerance, &h->ewald));
  size_t n = (size_t)h->ewald.n;
  EQS_TRY(alloc_array(&h->re, n, sizeof *h->re, "structure factor"));
  EQS_TRY(alloc_array(&h->im, n, sizeof *h->im, "structure factor"));
  EQS_TRY(alloc_array(&phase, ewald_phase_size(&h->ewald), sizeof *phase, "phases"));
  for (int i = 0; i < c->n; i++) {
    ewald_phases(&h->ewald, c->position[i], phase);
    ewald_add(&h->ewald, 1, &c->site[i].charge, phase, h->re, h->im);
  }
  for (size_t k = 0; k < n; k++) {
    h->re[k] *= 2 * h->ewald.weight[k];
    h->im[k] *= 2 * h->ewald.weight[k];
  }
  free(phase);
  return EQS_OK;
}

static eqs_status check_input(const classical_crystal *c, int n_site, const classical_site *site,
                              double cutoff) {
  if (!(cutoff >= 1 && cutoff <= 100))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the classical cutoff is %g angstrom; it must lie in 1 .. 100",
             cutoff);
  for (int i = 0; i < c->n; i++) {
    for (int k = 0; k < 3; k++)
      if (!isfinite(c->position[i][k]))
        EQS_FAIL(EQS_ERR_ARGUMENT, "the position of atom %d is not finite", i + 1);
    if (!valid(c->site + i))
      EQS_FAIL(EQS_ERR_ARGUMENT,
               "classical parameters of atom %d: epsilon %g K, sigma %g angstrom, "
               "charge %g e make no sense",
               i + 1, c->site[i].epsilon, c->site[i].sigma, c->site[i].charge);
  }
  for (int i = 0; i < n_site; i++)
    if (!valid(site + i))
      EQS_FAIL(EQS_ERR_ARGUMENT,
               "classical parameters of guest site %d: epsilon %g K, sigma %g "
               "angstrom, charge %g e make no sense",
               i + 1, site[i].epsilon, site[i].sigma, site[i].charge);
  return EQS_OK;
}

static eqs_status store_images(const classical_crystal *c, int truncated, classical_host *h) {
  int *species = NULL;
  image_list l = {0};
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(&species, (size_t)c->n, sizeof *species, "species of the framework"));
  EQS_TRY_DONE(mix_species(c, truncated, h, species));
  l.n = collect_images(c, species, h, NULL);
  if (l.n < 0) {
    status = status_fail(EQS_ERR_UNSUPPORTED,
                         "the framework has more than %d atoms and images within a cutoff of %g "
                         "angstrom",
                         IMAGES_MAX, h->cutoff);
    goto done;
  }
  EQS_TRY_DONE(alloc_array(&l.images, (size_t)l.n, sizeof *l.images, "images"));
  EQS_TRY_DONE(alloc_array(&l.rank, (size_t)l.n, sizeof *l.rank, "images"));
  collect_images(c, species, h, l.images);
  status = fill_bins(h, &l);
done:
  free(species);
  free(l.images);
  free(l.rank);
  return status;
}

eqs_status classical_host_prepare(const classical_crystal *c, int n_site,
                                  const classical_site *site, double cutoff, int truncated,
                                  double tolerance, classical_host *out) {
  classical_host *h = out;
  eqs_status status = EQS_OK;
  int host_charge = 0, guest_charge = 0;
  *h = (classical_host){.cutoff = cutoff, .n_site = n_site};
  EQS_TRY(check_input(c, n_site, site, cutoff));
  for (int k = 0; k < 9; k++) h->cell[k] = c->cell[k];
  if (!cell_inverse(h->cell, h->inverse))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the framework's cell is singular");
  EQS_TRY_DONE(alloc_array(&h->site, (size_t)n_site, sizeof *h->site, "guest sites"));
  for (int i = 0; i < n_site; i++) {
    h->site[i] = site[i];
    guest_charge |= site[i].charge != 0;
  }
  for (int i = 0; i < c->n; i++) host_charge |= c->site[i].charge != 0;
  h->charged = host_charge && guest_charge;
  EQS_TRY_DONE(store_images(c, truncated, h));
  if (h->charged) EQS_TRY_DONE(prepare_ewald(c, tolerance, h));
done:
  if (status != EQS_OK) classical_host_free(h);
  return status;
}

void classical_host_free(classical_host *h) {
  free(h->site);
  free(h->pair);
  free(h->first);
  free(h->x);
  free(h->y);
  free(h->z);
  free(h->q);
  free(h->species);
  free(h->re);
  free(h->im);
  ewald_free(&h->ewald);
  *h = (classical_host){0};
}

/* ---- evaluation */

size_t classical_host_scratch(const classical_host *h) {
  return h->charged ? ewald_phase_size(&h->ewald) : 0;
}

/* Moves x into the cell; its bin. */
static int locate(const classical_host *h, const double x[3], double p[3]) {
  double f[3];
  int bin = 0;
  to_fraction(h, x, f);
  from_fraction(h, f, p);
  for (int k = 0; k < 3; k++) {
    int b = (int)(f[k] * h->bins[k]);
    bin = bin * h->bins[k] + (b < h->bins[k] ? b : h->bins[k] - 1);
  }
  return bin;
}

/* Images begin .. begin + n - 1 (n <= CHUNK) that are within the cutoff of p: their squared
 * distances and numbers. */
static int within(const classical_host *h, int begin, int n, const double p[3], double *r2,
                  int *which) {
  const double *x = h->x + begin, *y = h->y + begin, *z = h->z + begin;
  double limit = h->cutoff * h->cutoff, all[CHUNK];
  int m = 0;
  for (int i = 0; i < n; i++) {
    double a = x[i] - p[0], b = y[i] - p[1], c = z[i] - p[2];
    all[i] = a * a + b * b + c * c;
  }
  for (int i = 0; i < n; i++) { /* without a branch that cannot be predicted */
    r2[m] = all[i];
    which[m] = begin + i;
    m += all[i] < limit;
  }
  return m;
}

static void sixth_powers(int n, const double *r2, double *i6) {
  for (int a = 0; a < n; a++) i6[a] = 1 / (r2[a] * r2[a] * r2[a]);
}

double classical_host_near(const classical_host *h, int site, const double x[3]) {
  const classical_pair *pair = h->pair + (size_t)site * (size_t)h->n_species;
  const double contact = CLASSICAL_CONTACT * CLASSICAL_CONTACT;
  double p[3], r2[CHUNK], i6[CHUNK], lj = 0, v = 0, q = h->site[site].charge;
  int which[CHUNK], bin = locate(h, x, p), charged = h->charged && q != 0;
  for (int begin = h->first[bin], end = h->first[bin + 1]; begin < end; begin += CHUNK) {
    int m = within(h, begin, end - begin < CHUNK ? end - begin : CHUNK, p, r2, which);
    sixth_powers(m, r2, i6);
    for (int a = 0; a < m; a++) {
      if (r2[a] < contact) return INFINITY;
      lj += pair_energy(pair + h->species[which[a]], i6[a]);
    }
    for (int a = 0; charged && a < m; a++) v += h->q[which[a]] * ewald_real(&h->ewald, r2[a]);
  }
  return lj + q * EWALD_COULOMB * v;
}

double classical_host_energy(const classical_host *h, int site, const double x[3],
                             double *scratch) {
  double p[3], q = h->site[site].charge, u = classical_host_near(h, site, x);
  if (!h->charged || q == 0 || !isfinite(u)) return u;
  locate(h, x, p);
  ewald_phases(&h->ewald, p, scratch);
  return u + q * ewald_at(&h->ewald, scratch, h->re, h->im);
}

/* The row (n1, n2) of e; NULL if there is none. Rows are sorted. */
static const ewald_row *find_row(const ewald *e, int n1, int n2) {
  int low = 0, high = e->n_row;
  while (low < high) {
    int middle = low + (high - low) / 2;
    const ewald_row *r = e->row + middle;
    if (r->n1 < n1 || (r->n1 == n1 && r->n2 < n2)) low = middle + 1;
    else high = middle;
  }
  const ewald_row *r = e->row + low;
  return low < e->n_row && r->n1 == n1 && r->n2 == n2 ? r : NULL;
}

/* Index of the vector (n1, n2, n3) or, with *sign = -1, of its opposite; -1: beyond the cutoff. */
static int find_vector(const ewald *e, const int64_t m[3], int *sign) {
  int n[3];
  for (int k = 0; k < 3; k++) {
    if (m[k] < -e->max[k] || m[k] > e->max[k]) return -1;
    n[k] = (int)m[k];
  }
  int opposite = n[0] != 0 ? n[0] < 0 : n[1] != 0 ? n[1] < 0 : n[2] < 0;
  *sign = opposite ? -1 : 1;
  const ewald_row *r = find_row(e, *sign * n[0], *sign * n[1]);
  int at = r ? *sign * n[2] - r->low : -1;
  return at < 0 || at >= r->n || e->weight[r->first + at] == 0 ? -1 : r->first + at;
}

eqs_status classical_host_spread(const classical_host *h, const ewald *box, double *re,
                                 double *im) {
  int64_t cells[3][3]; /* the box's vectors in those of the crystal */
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < 3; b++) {
      const double *x = box->cell + 3 * a;
      double m = x[0] * h->inverse[b] + x[1] * h->inverse[3 + b] + x[2] * h->inverse[6 + b];
      if (!(fabs(m - rint(m)) < 1e-4) || fabs(m) > 1e6)
        EQS_FAIL(EQS_ERR_ARGUMENT, "the box is not made of whole cells of the framework");
      cells[a][b] = (int64_t)rint(m);
    }
  for (int k = 0; k < box->n; k++) re[k] = im[k] = 0;
  for (const ewald_row *r = h->ewald.row; h->charged && r < h->ewald.row + h->ewald.n_row; r++)
    for (int i = 0; i < r->n; i++) {
      int sign, from = r->first + i;
      int64_t n[3];
      for (int a = 0; a < 3; a++)
        n[a] = cells[a][0] * r->n1 + cells[a][1] * r->n2 + cells[a][2] * (r->low + i);
      int to = h->ewald.weight[from] == 0 ? -1 : find_vector(box, n, &sign);
      if (to < 0) continue;
      re[to] = h->re[from] / (2 * box->weight[to]);
      im[to] = sign * h->im[from] / (2 * box->weight[to]);
    }
  return EQS_OK;
}

void classical_host_probe(const classical_host *h, const double x[3], double *lj, double *potential,
                          double *nearest) {
  const double contact = CLASSICAL_CONTACT * CLASSICAL_CONTACT;
  double p[3], r2[CHUNK] = {0}, i6[CHUNK], v = 0, least = INFINITY;
  int which[CHUNK] = {0}, bin = locate(h, x, p);
  for (int s = 0; s < h->n_site; s++) lj[s] = 0;
  for (int begin = h->first[bin], end = h->first[bin + 1]; begin < end; begin += CHUNK) {
    int m = within(h, begin, end - begin < CHUNK ? end - begin : CHUNK, p, r2, which);
    for (int a = 0; a < m; a++) {
      least = r2[a] < least ? r2[a] : least;
      r2[a] = r2[a] > contact ? r2[a] : contact;
    }
    sixth_powers(m, r2, i6);
    for (int s = 0; s < h->n_site; s++) {
      const classical_pair *pair = h->pair + (size_t)s * (size_t)h->n_species;
      double sum = 0;
      for (int a = 0; a < m; a++) sum += pair_energy(pair + h->species[which[a]], i6[a]);
      lj[s] += sum;
    }
    for (int a = 0; h->charged && a < m; a++) v += h->q[which[a]] * ewald_real(&h->ewald, r2[a]);
  }
  *nearest = least;
  *potential = EWALD_COULOMB * v;
}
