/* dispersion_local.h -- D3 energies of changed copies of one system, without summing over pairs
 * that do not change: for Monte Carlo moves of molecules in a framework.
 *
 * With weights g of the reference states the energy is a quadratic form, E = 1/2 sum g_i A_ij g_j.
 * Of the state are kept g and the field dE/dg_i = sum_j A_ij g_j. A change costs the pairs of the
 * atoms put in and taken out; the atoms that stay answer to their new coordination numbers by the
 * field, and by A_ij between those that answer noticeably and lie near each other. What is left out
 * is below 1e-6 eV for molecules that keep contact distances (tests/potentials measures it).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISPERSION_LOCAL_H
#define EQS_DISPERSION_LOCAL_H

#include "potentials/dispersion.h"

typedef struct dispersion_local dispersion_local;

/* A state without atoms; it is set before anything else. EQS_ERR_UNSUPPORTED: the three-body term,
 * which is no quadratic form. */
eqs_status dispersion_local_open(const dispersion *d, dispersion_local **out) EQS_CHECK;
/* Makes the batch's only system the state, evaluated in full: after every accepted change. Costs
 * about two energies. Errors as dispersion_evaluate; the state is then to be set again. */
eqs_status dispersion_local_set(dispersion_local *l, workspace *w, const eqs_systems *in,
                                double *energy /* eV, or NULL */) EQS_CHECK;
/* Energies per atom of the state, eV; they belong to l, until the next set. */
const double *dispersion_local_energies(const dispersion_local *l);
/* de[i] = E(with change i) - E, eV, each change on its own; on the workspace's threads, the same
 * bits for any number of them. EQS_ERR_ARGUMENT: an index or a position (names the change).
 * EQS_ERR_UNSUPPORTED: an element beyond Z = 94. */
eqs_status dispersion_local_try(dispersion_local *l, workspace *w, int n, const eqs_change *changes,
                                double *de) EQS_CHECK;
void dispersion_local_free(dispersion_local **l);

#endif
