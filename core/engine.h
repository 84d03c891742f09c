/* engine.h -- what the rest of the library may ask of the engine beyond the public interface.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ENGINE_H
#define EQS_ENGINE_H

#include "core/device_run.h"
#include "core/neighbors.h"
#include "core/workspace.h"
#include "potentials/dispersion_device.h"
#include "potentials/potential.h"

struct eqs_context {
  device *device;
  workspace work; /* host memory and threads */
  neighbors list;
  /* Of a device that is not the host: */
  workspace device_work; /* its memory */
  device_run run;
  void *stream;        /* the caller's; NULL = its own */
  int domain_block;    /* atoms of a block of a domain on it, for tests; 0 = as of a batch */
  struct shard *shard; /* the ranks that systems are shared out to; NULL = none */
};

struct eqs_model {
  device *device;
  struct torch_archive *archive; /* the potential reads from it as elements occur */
  potential *potential;
  double loaded;    /* when: with its address, who it is */
  int species[120]; /* of every atomic number; -1 = unknown */
  int has_dispersion;
  dispersion dispersion;
};

/* EQS_ERR_ARGUMENT: first[] is no list of offsets, or arrays are missing. */
eqs_status engine_check_systems(const eqs_systems *s) EQS_CHECK;
/* species[n] of all atoms, and present[n_element] raised where an element occurs.
 * EQS_ERR_ARGUMENT names the first atom that the model does not know. */
eqs_status engine_species(const eqs_model *m, const eqs_systems *s, int *species,
                          unsigned char *present) EQS_CHECK;
/* Forces of all atoms and, unless that is NULL, their virials (ghosts' are zero), from dE/d(edge
 * vector). */
eqs_status engine_sum_edges(const kernel_ops *k, workspace *w, const batch *b,
                            const double (*gradient)[3], double (*forces)[3],
                            double (*virial)[9]) EQS_CHECK;
/* stress[n_system][9]: (1/V) sum of v (x) dE/dv, symmetrised; 0 without a volume. */
void engine_set_stress(const eqs_systems *s, const double (*virial)[9], double *stress);
/* EQS_ERR_DIVERGED: results of atom i of the batch are not finite. */
eqs_status engine_diverged(const eqs_systems *s, int i) EQS_CHECK;
/* eqs_compute_domain without added dispersion, whether the model has some or not. begin: as in
 * struct halo; NULL = an exchange cannot be begun. The more of the first owned atoms have no ghosts
 * as neighbours, the more can be done meanwhile. */
eqs_status engine_compute_domain(eqs_context *c, const eqs_model *m, const eqs_domain *domain,
                                 const eqs_domain_result *out, eqs_exchange begin) EQS_CHECK;
/* What a device adds to the potential by itself. */
static inline int engine_device_dispersion(const eqs_model *m) {
  return m->has_dispersion && dispersion_fits_device(&m->dispersion);
}
/* The dispersion part alone of energies[n], eV; zeros if the model has none. */
eqs_status engine_dispersion(eqs_context *c, const eqs_model *m, const eqs_systems *in,
                             double *energies) EQS_CHECK;

#endif
