/* classical.h -- Lennard-Jones and point charges of rigid guests in a rigid crystal.
 *
 * u(r) = 4 eps [(sigma/r)^12 - (sigma/r)^6] within the cutoff, less its value there if shifted;
 * between unlike sites eps = sqrt(eps_i eps_j), sigma = (sigma_i + sigma_j)/2 (Lorentz-Berthelot).
 * Charges by Ewald's sum (potentials/ewald.h). No tail correction. Angstrom, e, eV; parameters in
 * kelvin as they are published.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CLASSICAL_H
#define EQS_CLASSICAL_H

#include "potentials/ewald.h"

#define CLASSICAL_KELVIN  8.617333262e-5 /* eV */
#define CLASSICAL_CONTACT 0.5            /* angstrom; closer sites overlap: U = +INFINITY */

enum { CLASSICAL_MAX_SITES = 8 };

typedef struct classical_site {
  double epsilon, sigma; /* K, angstrom; epsilon = 0: no Lennard-Jones */
  double charge;         /* e */
} classical_site;

/* A rigid guest: sites about the point and in the axes of core/gas.h. */
typedef struct classical_molecule {
  int n;
  double position[CLASSICAL_MAX_SITES][3]; /* angstrom */
  classical_site site[CLASSICAL_MAX_SITES];
} classical_molecule;

/* ---- tables (classical_parameters.c) */

/* Framework atoms of the set "uff+trappe" (NULL means it) or "dreiding+trappe"; the charge is left
 * at 0. EQS_ERR_ARGUMENT: unknown set. EQS_ERR_UNSUPPORTED: an element without parameters. */
eqs_status classical_find_atom(const char *set, int number, classical_site *out) EQS_CHECK;
/* Guests CO2, N2, CH4, H2O, Ar, He (case ignored); water by the model "TIP4P/2005" (NULL means it),
 * "SPC/E" or "TIP3P". EQS_ERR_ARGUMENT lists the known ones. */
eqs_status classical_find_guest(const char *gas, const char *water,
                                classical_molecule *out) EQS_CHECK;

/* ---- pairs */

typedef struct classical_pair {
  double c12, c6, shift; /* u = (c12 / r^6 - c6) / r^6 - shift, eV */
} classical_pair;

classical_pair classical_mix(const classical_site *a, const classical_site *b, double cutoff,
                             int truncated);

/* ---- a crystal, as guests feel it */

typedef struct classical_crystal {
  int n;                       /* atoms of the cell */
  const double (*position)[3]; /* [n] */
  const classical_site *site;  /* [n] */
  const double *cell;          /* [9] */
} classical_crystal;

typedef struct classical_host {
  double cell[9], inverse[9];
  double cutoff;
  int n_site, n_species; /* of the guests, of the crystal */
  classical_site *site;  /* [n_site] */
  classical_pair *pair;  /* [n_site][n_species] */
  int bins[3];           /* of the cell, along its vectors */
  int *first;            /* [bins + 1] images within the cutoff of some point of a bin ... */
  double *x, *y, *z, *q; /* [first[bins]] ... their positions and charges, nearest first */
  int *species;          /* [first[bins]] */
  int charged;           /* both sides have charges: */
  ewald ewald;           /* of the crystal */
  double *re, *im;       /* [ewald.n] 2 weight S(k) */
} classical_host;

/* Everything is copied. EQS_ERR_ARGUMENT: a singular cell, a cutoff outside 1 .. 100 angstrom, a
 * parameter that is not finite. EQS_ERR_UNSUPPORTED: too many images. EQS_ERR_MEMORY. */
eqs_status classical_host_prepare(const classical_crystal *c, int n_site,
                                  const classical_site *site, double cutoff, int truncated,
                                  double tolerance, classical_host *out) EQS_CHECK;
void classical_host_free(classical_host *h);

size_t classical_host_scratch(const classical_host *h); /* doubles */
/* Energy of guest site `site` at x, eV: exact, +INFINITY closer than CLASSICAL_CONTACT to an atom,
 * else finite. */
double classical_host_energy(const classical_host *h, int site, const double x[3], double *scratch);
/* The same without the sum over reciprocal vectors, which is sum_k weight 2 Re conj(S) T with S
 * from the next function, for all charges T of a molecule in one pass. */
double classical_host_near(const classical_host *h, int site, const double x[3]);
/* The crystal's structure factor re, im [box->n] in a box of whole cells, whose Ewald sum has the
 * same cutoff and tolerance; zero without charges. EQS_ERR_ARGUMENT: another box. */
eqs_status classical_host_spread(const classical_host *h, const ewald *box, double *re,
                                 double *im) EQS_CHECK;
/* All at once for a grid: Lennard-Jones energies of the n_site sites (eV), the real-space part of
 * the potential (V), squared distance to the next atom (INFINITY beyond the cutoff). Finite even on
 * top of an atom, at the price of being wrong closer than CLASSICAL_CONTACT. */
void classical_host_probe(const classical_host *h, const double x[3], double *lj, double *potential,
                          double *nearest);

#endif
