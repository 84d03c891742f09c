/* lattice_sum.h -- sums over all periodic images within tens of angstrom, without a list of pairs.
 *
 * Atoms are wrapped into the cell and sorted by bisection of space into groups of a few slots;
 * consecutive groups are tiles. Two boxes (of groups, of tiles) know the lattice translations that
 * bring them within a cutoff. Lengths are in the caller's unit; everything depends on the system
 * and the width of a group alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LATTICE_SUM_H
#define EQS_LATTICE_SUM_H

#include "core/arena.h"
#include "kernels/kernels.h"

typedef struct lattice {
  int n;                     /* atoms */
  int width;                 /* slots of a group; the last group may have free slots, at its end */
  int n_group, n_tile, tile; /* groups, tiles, groups of a tile */
  int pbc[3];
  double basis[9]; /* lattice vectors; unit vectors normal to them where nothing is periodic */
  double inverse[9], spacing[3];
  int *atom;             /* [slots] atom of each slot, counted within the system; -1 = free */
  double *x[3];          /* [slots] wrapped; 1e25 in a free slot */
  double (*box)[6];      /* [n_group] centre and half widths */
  double (*tile_box)[6]; /* [n_tile] */
} lattice;

/* The lattice alone of system `s` of the batch, its cell multiplied by `scale`. `reach` is the
 * largest cutoff that will be asked for. EQS_ERR_ARGUMENT: a singular cell. EQS_ERR_UNSUPPORTED: a
 * cell so thin that an atom would see more than 2e7 images. */
eqs_status lattice_frame(const eqs_systems *in, int s, double scale, double reach,
                         lattice *out) EQS_CHECK;

/* The same with its atoms, in groups; positions are scaled, too; arrays from `a`. */
eqs_status lattice_build(const eqs_systems *in, int s, double scale, double reach, int width,
                         arena *a, lattice *out) EQS_CHECK;

static inline int lattice_tile_end(const lattice *l, int tile) {
  int end = (tile + 1) * l->tile;
  return end < l->n_group ? end : l->n_group;
}

#define LATTICE_NOWHERE 1e25 /* in a free slot */

/* Moves x by lattice vectors into the cell; to the image that is near `to` in units of them. */
void lattice_wrap(const lattice *l, double x[3]);
void lattice_near(const lattice *l, const double to[3], double x[3]);

/* The box around n points x[.][i]. */
void lattice_bound(const double *const x[3], int n, double box[6]);

/* Translations as the kernels read them; zero up to a multiple of 8. */
typedef struct lattice_shifts {
  _Alignas(64) double x[3][DISPERSION_SHIFTS];
  int n;
} lattice_shifts;
typedef void lattice_visit(void *argument, const lattice_shifts *t);

/* Calls visit until every translation t for which points of the two boxes come within `cutoff`,
 * |to + t - from|, has been in one call. */
void lattice_translations(const lattice *l, const double from[6], const double to[6], double cutoff,
                          lattice_visit *visit, void *argument);

#endif
