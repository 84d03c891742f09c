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

#endif
