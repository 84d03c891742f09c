/* device_run.h -- one evaluation on a device other than the host: the list, the potential and its
 * sums, queued together, with one wait at the end.
 *
 * A batch of another shape (atoms of its systems, cutoff) is counted first, so that its edges have
 * room; the room stays until it overflows, whereupon the evaluation is discarded, the room is made
 * larger, and it is repeated. The same work on the same shape is recorded as a graph at its third
 * evaluation, when nothing is allocated any more, and queued as a whole from then on.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DEVICE_RUN_H
#define EQS_DEVICE_RUN_H

#include "core/device_list.h"
#include "potentials/dispersion_device.h"
#include "potentials/potential.h"

/* Atoms of a device's block, at most: enough to fill a large GPU several times over, few enough
 * that a block's scratch (18 KiB per atom for 128x0e) stays below what is kept of 10^5 atoms. */
enum { DEVICE_BLOCK_ATOMS = 12288 };

/* Nearly equal blocks, of whole tiles of the scan that counts their edges. */
static inline int device_block_atoms(int n) {
  int blocks = n / DEVICE_BLOCK_ATOMS + (n % DEVICE_BLOCK_ATOMS != 0);
  int tiles = n / SCAN_TILE + (n % SCAN_TILE != 0);
  return blocks ? (tiles + blocks - 1) / blocks * SCAN_TILE : SCAN_TILE;
}

/* Where results go; NULL = not wanted. */
typedef struct device_results {
  double *energy, *energies; /* [n_system], [n] */
  double *forces;            /* [n][3] */
  double *virial;            /* [n_system][3][3] */
  int stress;                /* instead of the virial */
  int on_device;             /* the arrays above are in its memory */
  double *committee;         /* [members][n] as batch.committee, on the host */
} device_results;

/* What a context keeps from one evaluation to the next. */
typedef struct device_run {
  /* The last evaluation: its shape, the rest of what it did, ... */
  int n_system, *first;
  double cutoff;
  int *species; /* on the host */
  const eqs_model *model;
  double model_loaded;
  int want;
  size_t first_room, species_room;
  /* ... and where its arrays are. */
  device_list list;
  neighbors neighbors;
  device_blocks blocks;
  batch batch;
  dispersion_device dispersion; /* of a model that adds some */
  int *order;                   /* of atoms, for it */
  double *factor;               /* [n_system] of the stress */
  double *energy, *energies, (*forces)[3], (*virial)[9], (*total)[9], (*gradient)[3], *committee;
  int edges, block_edges; /* capacities */
  int known;              /* 0: nothing above is of use */
  int settled;            /* it allocated nothing */
  device_graph *graph;    /* NULL = none yet */
  search_status status;
} device_run;

/* The batch's species and which of the model's elements are present lie on the host, as do all
 * arrays of *s but, if `memory` says so, the positions. Errors as eqs_compute. */
eqs_status device_run_evaluate(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                               const int *species, const unsigned char *present,
                               const device_results *out) EQS_CHECK;
/* Before anybody else uses the memory of the context's device: the next evaluation begins anew. */
void device_run_forget(eqs_context *c);
void device_run_free(eqs_context *c);

#endif
