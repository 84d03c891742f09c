/* shard_dispersion.h -- added dispersion of one system over ranks.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SHARD_DISPERSION_H
#define EQS_SHARD_DISPERSION_H

#include "core/domain.h"
#include "potentials/dispersion.h"

/* Other ranks' atoms within the cutoffs of dispersion, kept for their memory. Zeroed at first. */
typedef struct shard_dispersion {
  domain near[DISPERSION_SETS];
} shard_dispersion;

/* Adds to the energies[n_owned], forces[n_owned][3] (or NULL) and virial[9] (or NULL) of the
 * domain's own atoms, as dispersion_evaluate does. Called by all ranks, with the system's cell
 * (NULL: nothing is periodic). On failure the other ranks are told. */
eqs_status shard_dispersion_add(shard_dispersion *s, comm *c, const dispersion *d, workspace *w,
                                const domain *own, const double *cell, const int *pbc,
                                double *energies, double *forces, double *virial) EQS_CHECK;
void shard_dispersion_free(shard_dispersion *s);

#endif
