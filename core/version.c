/* version.c -- the version and what was built in, from the build system's one definition of them.
 * SPDX-License-Identifier: MIT */
#include "core/equisorb.h"

#include <string.h>

const char *eqs_version(void) { return EQS_VERSION; }

int eqs_has(const char *feature) {
  static const struct {
    const char *name;
    int there;
  } features[] = {{"cuda", EQS_WITH_CUDA},
                  {"hdf5", EQS_WITH_HDF5},
                  {"libxc", EQS_WITH_LIBXC},
                  {"mpi", EQS_WITH_MPI}};
  for (size_t i = 0; feature && i < sizeof features / sizeof *features; i++)
    if (strcmp(feature, features[i].name) == 0) return features[i].there;
  return 0;
}
