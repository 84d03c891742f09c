/* domain.h -- one cell divided over ranks: every rank owns the atoms of a region, and has as ghosts
 * the atoms and periodic images within one cutoff of them.
 *
 * Regions come from recursive bisection along reduced lattice vectors (M. Berger, S. Bokhari, IEEE
 * Trans. Comput. C-36, 570 (1987)): each cut goes through the longer side and leaves atoms to both
 * sides in proportion to their ranks. Ghosts are those images that lie within the cutoff, measured
 * across the faces of the lattice, of the box around the owned atoms: whatever rank they are from,
 * and however thin cell and regions are.
 *
 * All follows from the positions alone: nothing is carried from step to step, and it does not
 * matter which rank had which atoms before.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DOMAIN_H
#define EQS_DOMAIN_H

#include "core/arena.h"
#include "core/comm_plan.h"

typedef struct domain {
  int n_owned, n_ghost;
  int64_t *id; /* [n_owned + n_ghost]; owned atoms ascend, ghosts by (owner, id, image) */
  int *number;
  double (*x)[3]; /* angstrom; owned ones inside the reduced cell */
  comm_plan plan; /* which ghosts are copies of what */
  /* Its own: */
  int pbc[3];
  double cutoff, basis[9], inverse[9], reach[3]; /* reach: of the cutoff, in fractions of a width */
  /* How the atoms came: those given, by where they went, and those owned, by whence. */
  int *given_first, *given; /* [size + 1], and which of atoms[n] */
  int *came_first, *came;   /* [size + 1], and [n_owned]: which of what came */
  arena memory;
} domain;

/* An atom on its way from rank to rank. */
typedef struct domain_atom {
  int64_t id; /* unique over all ranks */
  double x[3];
  int number;
  int came; /* the domain's */
} domain_atom;

/* Gives all atoms to their owners and finds the ghosts, from atoms[n] of this rank, which are any
 * part of all. Called by all ranks with the same cell (rows a, b, c; NULL if nothing is periodic),
 * pbc and cutoff. Start from a zeroed struct; its memory is used again. On failure the other ranks
 * are told. EQS_ERR_ARGUMENT: a singular cell, a position that is not finite, two atoms with one
 * id, too many images. */
eqs_status domain_place(domain *d, comm *c, const double *cell, const int *pbc, double cutoff,
                        int n, const domain_atom *atoms) EQS_CHECK;
/* rows[n_owned][row_bytes] go back to the ranks that gave the atoms away, and lie there in the
 * order of the atoms[n] that were given: home[n][row_bytes]. */
eqs_status domain_return(domain *d, comm *c, const void *rows, size_t row_bytes,
                         void *home) EQS_CHECK;
/* The same owned atoms, and as ghosts the atoms of other ranks of which an image is within this
 * cutoff, each once and where its owner has it: for sums that find images by themselves. Atoms with
 * upward[n_owned] set are ghosts of higher ranks alone; NULL: of all. Called by all ranks. */
eqs_status domain_place_near(domain *d, comm *c, const domain *from, double cutoff,
                             const unsigned char *upward) EQS_CHECK;
void domain_free(domain *d);

#endif
