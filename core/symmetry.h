/* symmetry.h -- smaller and larger cells of the same crystal.
 *
 * The primitive cell is found by spglib (A. Togo, K. Shinohara, I. Tanaka, Sci. Technol. Adv.
 * Mater. Meth. 4, 2384822 (2024)); atoms keep their orientation in space.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SYMMETRY_H
#define EQS_SYMMETRY_H

#include "io/structure.h"

/* A reduced primitive cell of s, positions averaged over the equivalent atoms, which agree within
 * `tolerance` (angstrom). Charges are averaged where they agree within 0.01 e, else dropped with a
 * warning. A copy of s if it is primitive, not periodic in three directions, or so large that the
 * search would take too long (more than SYMMETRY_MAX_ATOMS). EQS_ERR_ARGUMENT: bad tolerance. */
enum { SYMMETRY_MAX_ATOMS = 5000 };
eqs_status structure_primitive(const structure *s, double tolerance, structure *out) EQS_CHECK;

/* Point group of s within `tolerance` (angstrom): n Cartesian rotations, [n][3][3] with x' = R x,
 * possibly each several times, freed by the caller; and its symbol. The identity alone where
 * nothing is found or s is larger than SYMMETRY_MAX_ATOMS. EQS_ERR_ARGUMENT: no volume. */
eqs_status structure_point_group(const structure *s, double tolerance, int *n,
                                 double (**rotation)[9], char symbol[8]) EQS_CHECK;

/* rep[0] x rep[1] x rep[2] cells, the last index fastest, each with all atoms in their order.
 * EQS_ERR_ARGUMENT: a count below 1, or above 1 where s is not periodic.
 * EQS_ERR_FORMAT: more than STRUCTURE_MAX_ATOMS. */
eqs_status structure_supercell(const structure *s, const int rep[3], structure *out) EQS_CHECK;

#endif
