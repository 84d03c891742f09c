/* dispersion_device.h -- D3 on a device other than the host, as kernels queued behind those of the
 * potential, whose results it adds to. What is copied when is the caller's choice: what a batch has
 * at all (`open`), cells (`put`), and what is queued on every evaluation, which depends on neither.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DISPERSION_DEVICE_H
#define EQS_DISPERSION_DEVICE_H

#include "kernels/kernels.h"
#include "potentials/dispersion.h"

/* Of one batch, in memory of the device's arena. */
typedef struct dispersion_device {
  const dispersion *d;
  const kernel_ops *k;
  double far;             /* of counts, bohr */
  gather_system *systems; /* [n_system], on the device */
  gather_args pairs;
  gather_place_args place;
  pair_weigh_args weigh;
} dispersion_device;

/* Without the three-body term, whose lists of neighbours have no bound known beforehand. */
static inline int dispersion_fits_device(const dispersion *d) { return d->s9 == 0; }

/* For batches with these systems, atoms and elements. `d` and `k` are kept, nothing of `in` and of
 * `host`. EQS_ERR_UNSUPPORTED: an
 * element beyond Z = 94; a term that does not fit. */
eqs_status dispersion_device_open(const dispersion *d, const kernel_ops *k, const eqs_systems *in,
                                  arena *host, arena *there, dispersion_device *out) EQS_CHECK;
/* Cells and periodicity of such a batch. Errors as dispersion_evaluate's. */
eqs_status dispersion_device_put(const dispersion_device *x, const eqs_systems *in,
                                 arena *host) EQS_CHECK;
/* Adds to energies[n] eV, forces[n][3] eV/angstrom and virial[n][9] eV per atom (the latter may be
 * NULL; virial is if forces are); position[n][3] is in angstrom, order[n] has the atoms, system
 * after system, such that neighbours in it are neighbours in space: it is for speed alone. All are
 * the device's. Launches nothing but kernels; where a cell is too thin for the spread of atoms
 * along it, energies are NaN. */
void dispersion_device_queue(const dispersion_device *x, const double (*position)[3],
                             const int *order, double *energies, double (*forces)[3],
                             double (*virial)[9]);

#endif
