/* device_domain.h -- a part of a system (eqs_compute_domain) on a device other than the host.
 *
 * The list is made on the host and sent, 36 bytes per edge, with the positions' place taken by the
 * edges' vectors; its transpose is its own, because edges to ghosts have no opposite. Nothing is
 * recorded: the exchange stands in the middle of the work.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DEVICE_DOMAIN_H
#define EQS_DEVICE_DOMAIN_H

#include "potentials/potential.h"

/* On the host; NULL = not wanted. */
typedef struct device_domain_results {
  double *energies;                  /* [n] */
  double (*forces)[3], (*virial)[9]; /* [rows] */
} device_domain_results;

/* Energies and derivatives of `from`, a batch on the host with ghosts and perhaps a halo, for which
 * the potential is prepared. Errors as eqs_compute_domain. */
eqs_status device_domain_evaluate(eqs_context *c, const eqs_model *m, const batch *from,
                                  const device_domain_results *out) EQS_CHECK;

#endif
