/* gas.h -- rigid guest molecules: geometry, masses and reference energies.
 *
 * Geometries are experimental (r_0/r_e as cited in gas.c), the reference point is the centre of
 * mass. Reference energies are total energies of the isolated molecule for a functional, used to
 * see whether a model describes the molecule at all.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_GAS_H
#define EQS_GAS_H

#include "core/status.h"

enum { GAS_MAX_ATOMS = 8 };

typedef struct gas {
  const char *name;                  /* "CO2" */
  int n;                             /* atoms */
  int number[GAS_MAX_ATOMS];         /* atomic numbers */
  double position[GAS_MAX_ATOMS][3]; /* angstrom, about the centre of mass */
  /* eV, PBE total energy in the convention of VASP and MPtrj; NAN if unknown */
  double reference;
  double reference_position[GAS_MAX_ATOMS][3]; /* the geometry it belongs to, PBE's minimum */
} gas;

/* Names: CO2, N2, H2O, CH4, Ar, He (case ignored). EQS_ERR_ARGUMENT lists the known ones. */
eqs_status gas_find(const char *name, gas *out) EQS_CHECK;

#endif
