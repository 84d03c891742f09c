/* functional_none.c -- in place of functional.c where the library is built without libxc.
 * SPDX-License-Identifier: MIT */
#include "core/status.h"
#include "potentials/functional.h"

#define WITHOUT                                                                                    \
  EQS_FAIL(EQS_ERR_UNSUPPORTED, "built without libxc: functionals of the density are not there "   \
                                "(build with EQS_LIBXC and libxc-dev)")

eqs_status functional_open(const char *name, int kinetic, functional **out) {
  (void)name;
  (void)kinetic;
  *out = NULL;
  WITHOUT;
}
void functional_free(functional **f) { (void)f; }
const char *functional_name(const functional *f) {
  (void)f;
  return "";
}
int functional_has_gradient(const functional *f) {
  (void)f;
  return 0;
}
eqs_status functional_evaluate(const functional *f, int spins, int n, const double *density,
                               const double *sigma, double *energy, double *of_density,
                               double *of_sigma) {
  (void)f, (void)spins, (void)n, (void)density, (void)sigma;
  (void)energy, (void)of_density, (void)of_sigma;
  WITHOUT;
}
