/* h5md.h -- trajectories as H5MD 1.1: HDF5, chunked by frame, readable after a kill at any moment.
 *
 * P. de Buyl, P. Colberg, F. Hoefling, Comput. Phys. Commun. 185, 1546 (2014). The file is written
 * in HDF5's single-writer mode: every frame is flushed in an order that leaves a reader a whole
 * file. Opened after a kill it needs that mode for reading (h5py: swmr=True), or `h5clear -s`
 * first. HDF5 as Debian builds it is not safe for several threads: one call at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_H5MD_H
#define EQS_H5MD_H

#include "core/status.h"

typedef struct h5md h5md;

/* One frame; arrays are the caller's. */
typedef struct h5md_frame {
  int64_t step;
  double time;               /* ps */
  double potential, kinetic; /* eV */
  double cell[9];            /* angstrom, rows */
  double (*x)[3];            /* [n] angstrom */
  int (*image)[3];           /* [n] cells crossed: x + image . cell is continuous */
  double (*v)[3];            /* [n] angstrom/fs */
} h5md_frame;

/* 1 if the library was built with HDF5. */
int h5md_supported(void);
/* A new file. EQS_ERR_UNSUPPORTED: built without HDF5. EQS_ERR_FILE. */
eqs_status h5md_create(const char *path, int n, const int *number, const double *mass,
                       const int pbc[3], h5md **out) EQS_CHECK;
/* The file with its first `frames` frames alone, to go on from: a new one that takes its place.
 * EQS_ERR_FORMAT: it has fewer, or is no such file. */
eqs_status h5md_continue(const char *path, int n, const int *number, const double *mass,
                         const int pbc[3], int64_t frames, h5md **out) EQS_CHECK;
int64_t h5md_frames(const h5md *h);
/* On the disk when it returns, but for what the operating system keeps back. */
eqs_status h5md_append(h5md *h, const h5md_frame *f) EQS_CHECK;
/* Opens for reading, also what a writer that was killed has left. */
eqs_status h5md_open(const char *path, int *n, h5md **out) EQS_CHECK;
eqs_status h5md_read(h5md *h, int64_t i, h5md_frame *f) EQS_CHECK;
/* What does not change: atomic numbers [n] and periodic directions. */
eqs_status h5md_fixed(h5md *h, int *number, int pbc[3]) EQS_CHECK;
void h5md_free(h5md **h);

#endif
