/* version.c -- the version, from the build system's one definition of it.
 * SPDX-License-Identifier: MIT */
#include "core/equisorb.h"

const char *eqs_version(void) { return EQS_VERSION; }
