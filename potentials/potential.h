/* potential.h -- what the engine asks of a model family, and the batch it gives.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_POTENTIAL_H
#define EQS_POTENTIAL_H

#include "core/neighbors.h"
#include "core/workspace.h"
#include "kernels/kernels.h"
#include "potentials/committee.h"

enum { FEATURES_MAX = 32 };

/* Something that a layer leaves for later ones, kept by the caller: `size` reals per row. */
typedef struct feature {
  int size;
  int layer; /* that makes it */
} feature;

/* Rows whose features outlive an evaluation, so that a later one computes some rows and reads the
 * rest (core/local.c). Only without a reverse pass. */
typedef struct feature_rows {
  int begin;                   /* rows before it are read, never written */
  const int *end;              /* [n_layer] layer t computes rows begin .. end[t] - 1, ascending */
  void *feature[FEATURES_MAX]; /* as ops->features lists them, [rows][size] */
  /* [n_layer - 1][rows] energies after layer t; rows that the next layer is the first to compute
   * start from what the caller put into `energies` */
  double *const *partial;
} feature_rows;

/* How a device other than the host cuts a batch: into blocks of many atoms, whose edges it has
 * counted. */
typedef struct device_blocks {
  int atoms;                 /* of a block, at most */
  int edges;                 /* of a block, by centre or by neighbour, at most */
  const int *species;        /* [n] on the host */
  const int *local, *global; /* [n] as sort_species gives them for each block */
} device_blocks;

/* Who computes the rows that are not computed here. */
typedef struct halo {
  eqs_exchange exchange;
  void *user;
  device *device; /* whose queue the work is in, if that is not the host's; else NULL */
  /* Begins what `exchange` will end, with the same rows. In between no row of a ghost is read
   * (forward) or any written (reverse). NULL = it cannot be begun. */
  eqs_exchange begin;
  int n_interior; /* of the computed rows, the first ones, which have no ghosts as neighbours */
} halo;

/* One pass over concatenated atoms. The arrays lie in the memory of the potential's device. */
typedef struct batch {
  int n;
  const int *species; /* [nb->n] index into the potential's elements */
  /* Of n atoms; or of more, those behind being ghosts: neighbours of others without any of their
   * own, whose features come from elsewhere and whose adjoints go there. */
  const neighbors *nb;
  const halo *halo;         /* NULL = there are no ghosts, or they are never asked for features */
  const feature_rows *rows; /* NULL = every row is computed and nothing kept. Host only */
  const device_blocks *blocks; /* NULL = the host's blocks */
  /* [members][n] out: what each of the committee's members adds to an atom's energy; NULL = not
   * wanted. Not with `rows`. */
  double *committee;
} batch;

/* The rows there are, ghosts included. */
static inline int batch_rows(const batch *b) { return b->nb->n; }

/* The rows that layer t computes. */
static inline int batch_begin(const batch *b) { return b->rows ? b->rows->begin : 0; }
static inline int batch_count(const batch *b, int layer) {
  return b->rows ? b->rows->end[layer] - b->rows->begin : b->n;
}

/* The blocks of `rows` rows. */
static inline int batch_blocks(const batch *b, int rows) {
  return b->blocks ? (rows + b->blocks->atoms - 1) / b->blocks->atoms : block_count(rows);
}
static inline int batch_block_begin(const batch *b, int block, int rows) {
  if (!b->blocks) return block_begin(block, rows);
  int64_t begin = (int64_t)block * b->blocks->atoms;
  return begin < rows ? (int)begin : rows;
}
static inline int batch_block_end(const batch *b, int block, int rows) {
  return batch_block_begin(b, block + 1, rows);
}

typedef struct potential potential;

typedef struct potential_ops {
  /* Builds what the species need; called before every evaluation, cheap when nothing is new.
   * Safe against evaluations in other threads. */
  eqs_status (*prepare)(potential *p, const unsigned char *present /* [n_element] */);
  /* energies[n] in eV; gradient[n_edge] = dE/d(edge vector) in eV/angstrom, overwritten; NULL = no
   * reverse pass. */
  eqs_status (*evaluate)(const potential *p, workspace *w, const batch *b, double *energies,
                         double (*gradient)[3]);
  /* What feature_rows has to hold for this potential; returns the number. */
  int (*features)(const potential *p, feature out[FEATURES_MAX]);
  /* Reals per row of the exchange before layer > 0 (reverse: behind its reverse). */
  int (*exchanged)(const potential *p, int layer, int reverse);
  void (*free)(potential *p);
} potential_ops;

enum { REFUSAL = 640 };

/* The head of every family's struct. `info` points into the potential. */
struct potential {
  const potential_ops *ops;
  const kernel_ops *k;
  eqs_model_info info;
  char refusal[REFUSAL]; /* why it can be described but not evaluated (no head chosen); "" = it can
                          */
  const int *element;    /* [info.n_element] atomic numbers in the order of `species` */
  int repulsive;         /* it has a screened nuclear repulsion of its own for all pairs */
  committee committee;
};

#endif
