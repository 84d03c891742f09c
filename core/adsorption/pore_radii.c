/* pore_radii.c -- the tables of atomic sizes.
 *
 * UFF's parameters are those of potentials/classical.h. Van der Waals radii: A. Bondi, J. Phys.
 * Chem. 68, 441 (1964), hydrogen 1.09 from R. S. Rowland and R. Taylor, J. Phys. Chem. 100, 7384
 * (1996), and 2.00 for elements without a value, as CCDC and Zeo++ have it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pore_radii.h"

#include <string.h>

#include "io/elements.h"
#include "potentials/classical.h"

#define RADIUS_ELSE 2.00 /* angstrom */

static const struct {
  int number;
  double radius;
} bondi[] = {
    {1, 1.09},  {2, 1.40},  {3, 1.82},  {6, 1.70},  {7, 1.55},  {8, 1.52},  {9, 1.47},  {10, 1.54},
    {11, 2.27}, {12, 1.73}, {14, 2.10}, {15, 1.80}, {16, 1.80}, {17, 1.75}, {18, 1.88}, {19, 2.75},
    {28, 1.63}, {29, 1.40}, {30, 1.39}, {31, 1.87}, {33, 1.85}, {34, 1.90}, {35, 1.85}, {36, 2.02},
    {46, 1.63}, {47, 1.72}, {48, 1.58}, {49, 1.93}, {50, 2.17}, {52, 2.06}, {53, 1.98}, {54, 2.16},
    {78, 1.72}, {79, 1.66}, {80, 1.55}, {81, 1.96}, {82, 2.02}, {92, 1.86},
};

static double vdw_radius(int number) {
  for (size_t i = 0; i < sizeof bondi / sizeof *bondi; i++)
    if (bondi[i].number == number) return bondi[i].radius;
  return RADIUS_ELSE;
}

eqs_status pore_radii_find(const char *name, pore_radii *out) {
  if (!strcmp(name, "uff")) *out = PORE_RADII_UFF;
  else if (!strcmp(name, "vdw")) *out = PORE_RADII_VDW;
  else EQS_FAIL(EQS_ERR_ARGUMENT, "there are no radii '%s'; there are: uff, vdw", name);
  return EQS_OK;
}

eqs_status pore_radii_fill(pore_radii kind, int n, const int *number, double *radius) {
  for (int i = 0; i < n; i++) {
    double sigma, epsilon;
    pore_uff(number[i], &sigma, &epsilon);
    if (!(sigma > 0))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "atom %d: there is no radius of element %d (%s)", i + 1,
               number[i], element_symbol(number[i]));
    radius[i] = kind == PORE_RADII_UFF ? sigma / 2 : vdw_radius(number[i]);
  }
  return EQS_OK;
}

void pore_uff(int number, double *sigma, double *epsilon) {
  classical_site site;
  *sigma = *epsilon = 0;
  if (classical_find_atom("uff+trappe", number, &site) != EQS_OK) return;
  *sigma = site.sigma;
  *epsilon = site.epsilon;
}
