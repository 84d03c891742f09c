/* classical_energy.h -- rigid guests in a rigid framework by Lennard-Jones and point charges.
 *
 * A guest_energy. U counts the guests with the framework, with each other and with the images of
 * all of them (Ewald's sum over the box, as RASPA does); nothing within a molecule. Trials cost the
 * moved sites' neighbours and one pass over the box's reciprocal vectors: the guests' structure
 * factor is kept, the framework's (of its smallest cell) never changes. Every energy is a function
 * of the list of guests, bit for bit, not of the moves that led to it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_CLASSICAL_ENERGY_H
#define EQS_CLASSICAL_ENERGY_H

#include "core/adsorption/energy.h"
#include "core/adsorption/framework.h"
#include "core/workspace.h"
#include "potentials/classical.h"

#define CLASSICAL_CUTOFF 12.0 /* angstrom, unless given */

/* A zeroed struct (or NULL) is the default: uff+trappe, 12 angstrom, shifted, charges of the file
 * or, if it has none, equilibrated (potentials/charges.h). */
typedef struct classical_settings {
  const char *set;   /* "uff+trappe" (also NULL), "dreiding+trappe" */
  const char *water; /* "TIP4P/2005" (also NULL), "SPC/E", "TIP3P" */
  double cutoff;     /* angstrom, of Lennard-Jones and of Ewald's real part; 0 = 12 */
  int truncated;     /* Lennard-Jones is cut off, not shifted to 0 at the cutoff */
  double tolerance;  /* of Ewald's sums; 0 = 1e-6 */
  int no_charges;    /* of the framework: Lennard-Jones alone between it and the guests */
  /* Instead of the tables, if not NULL: [f->cell.n], charges included, and [n_component]. */
  const classical_site *atom;
  const classical_molecule *guest;
} classical_settings;

typedef struct classical_description {
  const char *charges; /* where they come from: "none", "file", "EQeq", "given" */
  double net_charge;   /* e, of the framework's cell; its background does nothing to guests */
  double range[2];     /* smallest and largest charge */
} classical_description;

/* Poses live in f->box; f and the gases are not needed afterwards, `work` is. All components must
 * be neutral. EQS_ERR_ARGUMENT, EQS_ERR_UNSUPPORTED (an element or gas without parameters),
 * EQS_ERR_MEMORY. Freed by (*out)->ops->free(*out). */
eqs_status classical_energy_open(const framework *f, int n_component, const gas *gases,
                                 const classical_settings *settings, workspace *work,
                                 guest_energy **out) EQS_CHECK;

/* The following take what classical_energy_open gave. */

/* u[i] = energy of one guest of `component` at pose i in the EMPTY framework, eV, exact: what a
 * trial insertion costs while there are no guests. +INFINITY: an overlap. */
eqs_status classical_energy_poses(const guest_energy *e, int component, int n, const pose *poses,
                                  double *u) EQS_CHECK;
void classical_energy_describe(const guest_energy *e, classical_description *out);

/* For grids: the crystal, and a component's sites as a gas and as indices into the crystal's. */
const classical_host *classical_energy_host(const guest_energy *e);
eqs_status classical_energy_sites(const guest_energy *e, int component, gas *sites,
                                  int type[CLASSICAL_MAX_SITES]) EQS_CHECK;
workspace *classical_energy_workspace(const guest_energy *e);

#endif
