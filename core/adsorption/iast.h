/* iast.h -- ideal adsorbed solution theory: mixtures from pure isotherms.
 *
 * A. L. Myers and J. M. Prausnitz, AIChE J. 11, 121 (1965). All components have the spreading
 * pressure of the mixture, P y_i = P_i0(psi) x_i, sum x_i = 1, 1/n_t = sum x_i / n_i(P_i0). It
 * fails for water and for strong open sites: then mixtures must be simulated.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_IAST_H
#define EQS_IAST_H

#include "core/adsorption/isotherm.h"

/* Loadings n_i (mol/kg) at these partial pressures (Pa); zero is allowed, not for all.
 * EQS_ERR_ARGUMENT: a component without capacity, values that are not finite.
 * EQS_ERR_DIVERGED: no solution to 1e-9. */
eqs_status iast_solve(int n, const isotherm *const *model, double temperature,
                      const double *pressure, double *loading) EQS_CHECK;

#endif
