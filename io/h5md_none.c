/* h5md_none.c -- what stands in for h5md.c where the library is built without HDF5.
 * SPDX-License-Identifier: MIT */
#include "io/h5md.h"

static eqs_status refuse(void) {
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "H5MD: built without HDF5; write extended XYZ (FILE.extxyz), or "
                                "install libhdf5-dev and build again");
}

int h5md_supported(void) { return 0; }

eqs_status h5md_create(const char *path, int n, const int *number, const double *mass,
                       const int pbc[3], h5md **out) {
  (void)path, (void)n, (void)number, (void)mass, (void)pbc;
  *out = NULL;
  return refuse();
}

eqs_status h5md_continue(const char *path, int n, const int *number, const double *mass,
                         const int pbc[3], int64_t frames, h5md **out) {
  (void)path, (void)n, (void)number, (void)mass, (void)pbc, (void)frames;
  *out = NULL;
  return refuse();
}

int64_t h5md_frames(const h5md *h) {
  (void)h;
  return 0;
}

eqs_status h5md_append(h5md *h, const h5md_frame *f) {
  (void)h, (void)f;
  return refuse();
}

eqs_status h5md_open(const char *path, int *n, h5md **out) {
  (void)path, (void)n;
  *out = NULL;
  return refuse();
}

eqs_status h5md_read(h5md *h, int64_t i, h5md_frame *f) {
  (void)h, (void)i, (void)f;
  return refuse();
}

eqs_status h5md_fixed(h5md *h, int *number, int pbc[3]) {
  (void)h, (void)number, (void)pbc;
  return refuse();
}

void h5md_free(h5md **h) { (void)h; }
