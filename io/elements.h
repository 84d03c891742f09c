/* elements.h -- symbols, standard atomic masses and covalent radii of Z = 1 .. 118.
 *
 * Masses: IUPAC 2016 (mass number of the longest-lived isotope where there is no standard weight).
 * Radii: Cordero et al., Dalton Trans. 2832 (2008); 0.20 where that table has none (Z > 96).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ELEMENTS_H
#define EQS_ELEMENTS_H

#include <stddef.h>

enum { ELEMENT_MAX = 118 };

/* "" for a number outside 1 .. 118. */
const char *element_symbol(int number);
double element_mass(int number);   /* u; 0 outside the range */
double element_radius(int number); /* angstrom; 0.20 outside the range */

/* Atomic number of the n letters at `s`, case ignored; 0 if they are no symbol. */
int element_find(const char *s, size_t n);
/* Longest valid symbol at the start of a site label or type ("Zn2+", "C12", "Oa", "O1W"), case
 * ignored, D and T are hydrogen; 0 if there is none. *ambiguous, if not NULL: letters were left
 * over or another reading is as good ("CA1", "Ho3"). */
int element_from_label(const char *label, int *ambiguous);

#endif
