/* guest_sites.h -- the sites of all guests in a box, and what one more molecule feels of them in
 * real space: Lennard-Jones and the short-ranged part of Ewald's sum.
 *
 * Sites lie in arrays by fractional coordinate, a fixed number of slots per guest, so that
 * distances to all of them are one loop without branches.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_GUEST_SITES_H
#define EQS_GUEST_SITES_H

#include "potentials/classical.h"

typedef struct guest_pairs {
  double box[9], inverse[9], cutoff;
  int range[3]; /* images of a wrapped difference that may lie within the cutoff */
  int n_type;
  const classical_pair *pair; /* [n_type][n_type] */
  const classical_site *site; /* [n_type] charges */
  const ewald *ewald;         /* NULL = no charges */
} guest_pairs;

typedef struct guest_sites {
  int n, capacity, width; /* guests, room for them, slots of each */
  double *f[3];           /* [slots] fractional coordinates; NAN = an empty slot */
  int *type;              /* [slots] */
} guest_sites;

/* width: sites of the largest guest. */
void guest_sites_start(guest_sites *s, int width);
void guest_sites_free(guest_sites *s);
/* Room for n guests. EQS_ERR_MEMORY: nothing has changed. */
eqs_status guest_sites_reserve(guest_sites *s, int n) EQS_CHECK;
/* Guest i < capacity has m sites; it exists if i < s->n, which is the caller's. */
void guest_sites_set(guest_sites *s, int i, const guest_pairs *p, int m, const int *type,
                     const double (*x)[3]);
void guest_sites_copy(guest_sites *s, int from, int to);

/* Energy of a molecule with guests 0 .. n-1 but `skip` and all images of theirs, eV; +INFINITY
 * closer than CLASSICAL_CONTACT. Depends on the list of guests alone, bit for bit. */
double guest_sites_energy(const guest_sites *s, const guest_pairs *p, int skip, int m,
                          const int *type, const double (*x)[3]);

#endif
