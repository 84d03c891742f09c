/* functional_names.h -- what functionals are usually called, and libxc's identifiers of them.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FUNCTIONAL_NAMES_H
#define EQS_FUNCTIONAL_NAMES_H

#include "core/equisorb.h"

enum { FUNCTIONAL_NAME = 128 };

/* Of "PBE", "gga_x_pbe+gga_c_pbe", "XC_GGA_C_PBE+XC_GGA_X_PBE" or "101+130" it is "pbe"; anything
 * else as it is, in lower case without spaces. Needs no libxc. */
void functional_usual_name(const char *name, char out[FUNCTIONAL_NAME]);
/* libxc's identifiers of a usual name, joined by "+"; NULL if it has none. */
const char *functional_identifiers(const char *usual);

#endif
