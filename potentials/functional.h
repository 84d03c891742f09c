/* functional.h -- local and gradient-corrected density functionals of libxc by name.
 *
 * Lehtola, Steigemann, Oliveira and Marques, SoftwareX 7, 1 (2018). Hartree atomic units.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FUNCTIONAL_H
#define EQS_FUNCTIONAL_H

#include "potentials/functional_names.h"

typedef struct functional functional;

/* `name` is a usual one (PBE, revPBE, BLYP, LDA, ...), or identifiers of libxc joined by "+":
 * gga_x_pbe+gga_c_pbe, XC_LDA_X+XC_LDA_C_VWN, or their numbers, 101+130. kinetic: kinetic-energy
 * functionals, else exchange and correlation. EQS_ERR_ARGUMENT: not known, of another kind, or
 * neither LDA nor GGA; EQS_ERR_UNSUPPORTED: built without libxc. */
eqs_status functional_open(const char *name, int kinetic, functional **out) EQS_CHECK;
void functional_free(functional **f);

const char *functional_name(const functional *f); /* libxc's, lower case, joined by "+" */
int functional_has_gradient(const functional *f);

/* n points. One spin: density[n], sigma[n] = |grad n|^2. Two: density[n][2], sigma[n][3] (up up, up
 * down, down down). sigma may be NULL for an LDA. Outputs: energy[n] per volume, and its
 * derivatives by density and sigma (both NULL = not wanted; of_sigma is zero for an LDA). */
eqs_status functional_evaluate(const functional *f, int spins, int n, const double *density,
                               const double *sigma, double *energy, double *of_density,
                               double *of_sigma) EQS_CHECK;

#endif
