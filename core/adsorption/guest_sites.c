/* guest_sites.c -- the sites of all guests in a box, and what one more molecule feels of them.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/guest_sites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 };
#define ROUNDING 6755399441055744.0 /* 1.5 2^52: what is added to a double loses its fraction */

void guest_sites_start(guest_sites *s, int width) { *s = (guest_sites){.width = width}; }

void guest_sites_free(guest_sites *s) {
  for (int k = 0; k < 3; k++) free(s->f[k]);
  free(s->type);
  *s = (guest_sites){0};
}

eqs_status guest_sites_reserve(guest_sites *s, int n) {
  double *f[3] = {NULL, NULL, NULL};
  int *type = NULL, capacity = n + n / 2 + 16;
  size_t slots = mul_size((size_t)capacity, (size_t)s->width);
  size_t used = (size_t)s->capacity * (size_t)s->width;
  eqs_status status = EQS_OK;
  if (n <= s->capacity) return EQS_OK;
  for (int k = 0; k < 3; k++) EQS_TRY_DONE(alloc_array(&f[k], slots, sizeof *f[k], "guest sites"));
  EQS_TRY_DONE(alloc_array(&type, slots, sizeof *type, "guest sites"));
  for (int k = 0; k < 3 && used; k++) memcpy(f[k], s->f[k], used * sizeof *f[k]);
  if (used) memcpy(type, s->type, used * sizeof *type);
  guest_sites old = *s;
  for (int k = 0; k < 3; k++) {
    s->f[k] = f[k];
    f[k] = old.f[k];
  }
  s->type = type;
  type = old.type;
  s->capacity = capacity;
done:
  for (int k = 0; k < 3; k++) free(f[k]);
  free(type);
  return status;
}

static void fractions(const guest_pairs *p, const double x[3], double f[3]) {
  for (int k = 0; k < 3; k++)
    f[k] = x[0] * p->inverse[k] + x[1] * p->inverse[3 + k] + x[2] * p->inverse[6 + k];
}

void guest_sites_set(guest_sites *s, int i, const guest_pairs *p, int m, const int *type,
                     const double (*x)[3]) {
  for (int a = 0; a < s->width; a++) {
    size_t slot = (size_t)i * (size_t)s->width + (size_t)a;
    double f[3] = {NAN, NAN, NAN};
    if (a < m) fractions(p, x[a], f);
    for (int k = 0; k < 3; k++) s->f[k][slot] = f[k];
    s->type[slot] = a < m ? type[a] : 0;
  }
}

void guest_sites_copy(guest_sites *s, int from, int to) {
  size_t w = (size_t)s->width, a = (size_t)from * w, b = (size_t)to * w;
  for (int k = 0; k < 3; k++) memmove(s->f[k] + b, s->f[k] + a, w * sizeof *s->f[k]);
  memmove(s->type + b, s->type + a, w * sizeof *s->type);
}

/* Squared distances of n <= CHUNK slots to the site at fraction f, images by m lattice vectors. */
static void distances(const guest_sites *s, const guest_pairs *p, size_t slot, int n,
                      const double f[3], const int m[3], double *restrict r2) {
  const double *u = s->f[0] + slot, *v = s->f[1] + slot, *w = s->f[2] + slot, *b = p->box;
  for (int i = 0; i < n; i++) {
    double x = u[i] - f[0], y = v[i] - f[1], z = w[i] - f[2];
    x -= (x + ROUNDING) - ROUNDING - m[0];
    y -= (y + ROUNDING) - ROUNDING - m[1];
    z -= (z + ROUNDING) - ROUNDING - m[2];
    double d = x * b[0] + y * b[3] + z * b[6], e = x * b[1] + y * b[4] + z * b[7];
    double g = x * b[2] + y * b[5] + z * b[8];
    r2[i] = d * d + e * e + g * g;
  }
}

/* One site with the slots; no more than one image of each. */
static double chunk_energy(const guest_sites *s, const guest_pairs *p, size_t slot, int n, int type,
                           const double f[3], const int m[3]) {
  const classical_pair *pair = p->pair + (size_t)type * (size_t)p->n_type;
  double r2[CHUNK], near[CHUNK] = {0}, q = EWALD_COULOMB * p->site[type].charge, u = 0;
  double limit = p->cutoff * p->cutoff;
  int of[CHUNK] = {0}, k = 0;
  distances(s, p, slot, n, f, m, r2);
  for (int i = 0; i < n; i++) { /* without a branch that cannot be predicted */
    near[k] = r2[i];
    of[k] = s->type[slot + (size_t)i];
    k += r2[i] < limit;
  }
  for (int i = 0; i < k; i++) {
    if (near[i] < CLASSICAL_CONTACT * CLASSICAL_CONTACT) return INFINITY;
    const classical_pair *c = pair + of[i];
    double i6 = 1 / (near[i] * near[i] * near[i]), qq = p->ewald ? q * p->site[of[i]].charge : 0;
    u += (c->c12 * i6 - c->c6) * i6 - c->shift;
    if (p->ewald && qq != 0) u += qq * ewald_real(p->ewald, near[i]);
  }
  return u;
}

static double site_energy(const guest_sites *s, const guest_pairs *p, size_t begin, size_t end,
                          int type, const double f[3]) {
  double u = 0;
  int m[3];
  for (m[0] = -p->range[0]; m[0] <= p->range[0]; m[0]++)
    for (m[1] = -p->range[1]; m[1] <= p->range[1]; m[1]++)
      for (m[2] = -p->range[2]; m[2] <= p->range[2]; m[2]++)
        for (size_t at = begin; at < end && u < INFINITY; at += CHUNK)
          u += chunk_energy(s, p, at, end - at < CHUNK ? (int)(end - at) : CHUNK, type, f, m);
  return u;
}

double guest_sites_energy(const guest_sites *s, const guest_pairs *p, int skip, int m,
                          const int *type, const double (*x)[3]) {
  size_t w = (size_t)s->width, end = (size_t)s->n * w;
  size_t gap = skip < 0 ? end : (size_t)skip * w, after = skip < 0 ? end : gap + w;
  double u = 0;
  for (int a = 0; a < m && u < INFINITY; a++) {
    double f[3];
    fractions(p, x[a], f);
    u += site_energy(s, p, 0, gap, type[a], f) + site_energy(s, p, after, end, type[a], f);
  }
  return u;
}
