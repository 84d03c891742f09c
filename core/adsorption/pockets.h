/* pockets.h -- the pockets of a framework as one gas sees them.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_POCKETS_H
#define EQS_POCKETS_H

#include "core/adsorption/pores.h"
#include "core/gas.h"
#include "io/structure.h"

/* Radius of the probe: half of the gas's kinetic diameter (D. W. Breck, Zeolite Molecular Sieves,
 * 1974), angstrom. */
double pockets_probe(const gas *g);

/* The pores of `cell`, with half of UFF's sigma for its atoms and the gas as the probe; where it
 * could sit but not get to, pores_blocked says 1. Errors as of pores_open; EQS_ERR_UNSUPPORTED: an
 * element without radius. */
eqs_status pockets_find(const structure *cell, const gas *g, workspace *w, pores_watch watch,
                        void *user, pores **out) EQS_CHECK;

#endif
