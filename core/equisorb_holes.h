/* equisorb_holes.h -- the public interface to where a model has no short-range repulsion: the
 * energies of all its pairs of atoms against walls from first principles. A part of equisorb.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_HOLES_H
#define EQUISORB_HOLES_H

typedef struct eqs_holes_options {
  size_t size;
  int n_element;       /* 0 = all elements of the model */
  const int *elements; /* [n_element] atomic numbers */
  double closest;      /* angstrom, where the curves begin; 0 = 0.2 */
  double step;         /* angstrom; 0 = 0.02 */
} eqs_holes_options;

/* Two atoms, alone. Energies (eV) are relative to the same atoms out of each other's reach. Looked
 * at are distances below 0.7 of the sum of the covalent radii, where no bond has its minimum. */
typedef struct eqs_hole {
  size_t size;
  int z1, z2;
  double wall; /* angstrom, where the wall is 1 eV; NAN: no wall for this pair */
  double on;   /* angstrom, below which an added wall takes over (eqs_model_options) */
  /* Going inwards, where the curve stops to rise and falls by 0.5 eV or more, or where it passes
   * -12 eV, deeper than any bond of two atoms; 0 = it never does. */
  double turn;
  double barrier; /* eV, on the way to it */
  /* Below `on`, the outermost and the innermost distance where the curve is below the wall; 0 =
   * nowhere. */
  double below_from, below_to;
  double deepest, deepest_at; /* eV, angstrom: the lowest point inside of `turn`; NAN without one */
} eqs_hole;

typedef struct eqs_holes_result eqs_holes_result;

/* After each pair; non-zero stops: EQS_ERR_INTERRUPTED. */
typedef int (*eqs_holes_watch)(int done, int of, void *user);

/* The curves of a model as it was loaded, with the wall that was added unless that is off. options
 * and watch may be NULL. EQS_ERR_ARGUMENT: an element that the model does not know, distances that
 * make no sense. */
EQS_API eqs_status eqs_holes(eqs_context *c, const eqs_model *m, const eqs_holes_options *options,
                             eqs_holes_watch watch, void *user, eqs_holes_result **out) EQS_CHECK;
EQS_API int eqs_holes_count(const eqs_holes_result *r); /* pairs */
EQS_API eqs_status eqs_holes_get(const eqs_holes_result *r, int i, eqs_hole *out) EQS_CHECK;
/* format: "table", "csv", "json", or "svg", a drawing of all pairs as a matrix. */
EQS_API eqs_status eqs_holes_text(const eqs_holes_result *r, const char *format,
                                  char **text) EQS_CHECK;
EQS_API void eqs_holes_result_free(eqs_holes_result **r);

#endif
