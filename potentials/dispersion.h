/* dispersion.h -- D3 with Becke-Johnson damping: S. Grimme, S. Ehrlich, L. Goerigk, J. Comput.
 * Chem. 32, 1456 (2011); two-body terms in r^-6 and r^-8, on demand the three-body term.
 *
 * An addition to a potential whose training labels lack dispersion. Double precision throughout.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISPERSION_H
#define EQS_DISPERSION_H

#include "core/workspace.h"

enum { DISPERSION_NAME = 32 };

typedef struct dispersion {
  char name[DISPERSION_NAME]; /* "d3bj:pbe", "d3bj-atm:pbe" */
  double s6, s8, a1, a2;      /* of the functional; a2 in bohr */
  double s9;                  /* 1 = with the three-body term, 0 = without */
  double pair_cutoff;         /* bohr; all cutoffs are sharp */
  double cn_cutoff;           /* of coordination numbers, bohr */
  double triple_cutoff;       /* of all three distances of a triple, bohr */
} dispersion;

/* From "d3bj" or "d3bj:FUNCTIONAL", with the three-body term "d3bj-atm" or "d3bj-atm:FUNCTIONAL";
 * without one it takes the functional of the model's labels (NULL = unknown). Cutoffs are those of
 * SevenNet and VASP, sqrt(9000) and 40 bohr, and s-dftd3's 40 bohr of triples, whose cost grows
 * with its sixth power (dispersion_triple.h). EQS_ERR_ARGUMENT: not such a text, a functional
 * without parameters (lists the known ones), none named or known, or labels that hold dispersion
 * already. */
eqs_status dispersion_parse(const char *text, const char *functional, dispersion *out) EQS_CHECK;

/* Adds, for a checked batch: energies[n] in eV per atom, forces[n][3] in eV/angstrom, and
 * virial[n_system][9] = sum v (x) dE/dv in eV (volume times stress). forces may be NULL, virial too
 * (it is if forces are). The arrays of the work are taken from w->shared. EQS_ERR_UNSUPPORTED: an
 * element beyond Z = 94, too thin or (with triples) too dense a system. */
eqs_status dispersion_evaluate(const dispersion *d, workspace *w, const eqs_systems *in,
                               double *energies, double *forces, double *virial) EQS_CHECK;

/* What dispersion_evaluate refuses of a batch before it computes anything. */
eqs_status dispersion_check(const dispersion *d, const eqs_systems *in) EQS_CHECK;

/* ---- one system shared out over ranks */

/* Atoms of other ranks, each once, whatever images of it are near; they lie in memory of whoever
 * found them. */
typedef struct dispersion_copies {
  int n, n_low; /* the first n_low are those of lower ranks */
  const int *number;
  const double (*position)[3]; /* angstrom, any image */
} dispersion_copies;

enum { DISPERSION_PAIRS, DISPERSION_TRIPLES, DISPERSION_SETS };

/* How a rank knows of the others' atoms; all ranks make the same calls. */
typedef struct dispersion_share {
  void *user;
  /* The others' atoms with an image within `reach` angstrom of an own atom: without those that are
   * odd[own atoms] on a higher rank, unless odd is NULL. */
  eqs_status (*find)(void *user, int set, double reach, const unsigned char *odd,
                     dispersion_copies *out);
  /* rows[own atoms, copies][width] of a set that was found: copies' become those of their atoms, or
   * (reverse) are added to theirs. */
  eqs_status (*exchange)(void *user, int set, double *rows, int width, int reverse);
} dispersion_share;

/* As dispersion_evaluate for the atoms in hand of a batch of one system: energies and forces are
 * complete for these, virials of all ranks add up to the system's. */
eqs_status dispersion_evaluate_share(const dispersion *d, workspace *w, const eqs_systems *in,
                                     const dispersion_share *share, double *energies,
                                     double *forces, double *virial) EQS_CHECK;

#endif
