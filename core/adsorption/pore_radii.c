/* pore_radii.c -- the tables of atomic sizes.
 *
 * UFF: A. K. Rappe et al., J. Am. Chem. Soc. 114, 10024 (1992), table 1: distance of the minimum x
 * (angstrom) and depth D (kcal/mol); sigma = x / 2^(1/6). Van der Waals radii: A. Bondi, J. Phys.
 * Chem. 68, 441 (1964), hydrogen 1.09 from R. S. Rowland and R. Taylor, J. Phys. Chem. 100, 7384
 * (1996), and 2.00 for elements without a value, as CCDC and Zeo++ have it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/pore_radii.h"

#include <math.h>
#include <string.h>

#include "io/elements.h"

enum { KNOWN = 103 };
#define KCAL_MOL_KELVIN 503.2195 /* 4184 J / (8.314462618 J/K) */

typedef struct size {
  double x, d, vdw;
} size;

/* clang-format off */
static const size table[KNOWN + 1] = {
    {0, 0, 0},
    /* H */ {2.886, 0.044, 1.09}, /* He */ {2.362, 0.056, 1.40}, /* Li */ {2.451, 0.025, 1.82},
    /* Be */ {2.745, 0.085, 2.00}, /* B */ {4.083, 0.18, 2.00}, /* C */ {3.851, 0.105, 1.70},
    /* N */ {3.66, 0.069, 1.55}, /* O */ {3.5, 0.06, 1.52}, /* F */ {3.364, 0.05, 1.47},
    /* Ne */ {3.243, 0.042, 1.54}, /* Na */ {2.983, 0.03, 2.27}, /* Mg */ {3.021, 0.111, 1.73},
    /* Al */ {4.499, 0.505, 2.00}, /* Si */ {4.295, 0.402, 2.10}, /* P */ {4.147, 0.305, 1.80},
    /* S */ {4.035, 0.274, 1.80}, /* Cl */ {3.947, 0.227, 1.75}, /* Ar */ {3.868, 0.185, 1.88},
    /* K */ {3.812, 0.035, 2.75}, /* Ca */ {3.399, 0.238, 2.00}, /* Sc */ {3.295, 0.019, 2.00},
    /* Ti */ {3.175, 0.017, 2.00}, /* V */ {3.144, 0.016, 2.00}, /* Cr */ {3.023, 0.015, 2.00},
    /* Mn */ {2.961, 0.013, 2.00}, /* Fe */ {2.912, 0.013, 2.00}, /* Co */ {2.872, 0.014, 2.00},
    /* Ni */ {2.834, 0.015, 1.63}, /* Cu */ {3.495, 0.005, 1.40}, /* Zn */ {2.763, 0.124, 1.39},
    /* Ga */ {4.383, 0.415, 1.87}, /* Ge */ {4.28, 0.379, 2.00}, /* As */ {4.23, 0.309, 1.85},
    /* Se */ {4.205, 0.291, 1.90}, /* Br */ {4.189, 0.251, 1.85}, /* Kr */ {4.141, 0.22, 2.02},
    /* Rb */ {4.114, 0.04, 2.00}, /* Sr */ {3.641, 0.235, 2.00}, /* Y */ {3.345, 0.072, 2.00},
    /* Zr */ {3.124, 0.069, 2.00}, /* Nb */ {3.165, 0.059, 2.00}, /* Mo */ {3.052, 0.056, 2.00},
    /* Tc */ {2.998, 0.048, 2.00}, /* Ru */ {2.963, 0.056, 2.00}, /* Rh */ {2.929, 0.053, 2.00},
    /* Pd */ {2.899, 0.048, 1.63}, /* Ag */ {3.148, 0.036, 1.72}, /* Cd */ {2.848, 0.228, 1.58},
    /* In */ {4.463, 0.599, 1.93}, /* Sn */ {4.392, 0.567, 2.17}, /* Sb */ {4.42, 0.449, 2.00},
    /* Te */ {4.47, 0.398, 2.06}, /* I */ {4.5, 0.339, 1.98}, /* Xe */ {4.404, 0.332, 2.16},
    /* Cs */ {4.517, 0.045, 2.00}, /* Ba */ {3.703, 0.364, 2.00}, /* La */ {3.522, 0.017, 2.00},
    /* Ce */ {3.556, 0.013, 2.00}, /* Pr */ {3.606, 0.01, 2.00}, /* Nd */ {3.575, 0.01, 2.00},
    /* Pm */ {3.547, 0.009, 2.00}, /* Sm */ {3.52, 0.008, 2.00}, /* Eu */ {3.493, 0.008, 2.00},
    /* Gd */ {3.368, 0.009, 2.00}, /* Tb */ {3.451, 0.007, 2.00}, /* Dy */ {3.428, 0.007, 2.00},
    /* Ho */ {3.409, 0.007, 2.00}, /* Er */ {3.391, 0.007, 2.00}, /* Tm */ {3.374, 0.006, 2.00},
    /* Yb */ {3.355, 0.228, 2.00}, /* Lu */ {3.64, 0.041, 2.00}, /* Hf */ {3.141, 0.072, 2.00},
    /* Ta */ {3.17, 0.081, 2.00}, /* W */ {3.069, 0.067, 2.00}, /* Re */ {2.954, 0.066, 2.00},
    /* Os */ {3.12, 0.037, 2.00}, /* Ir */ {2.84, 0.073, 2.00}, /* Pt */ {2.754, 0.08, 1.72},
    /* Au */ {3.293, 0.039, 1.66}, /* Hg */ {2.705, 0.385, 1.55}, /* Tl */ {4.347, 0.68, 1.96},
    /* Pb */ {4.297, 0.663, 2.02}, /* Bi */ {4.37, 0.518, 2.00}, /* Po */ {4.709, 0.325, 2.00},
    /* At */ {4.75, 0.284, 2.00}, /* Rn */ {4.765, 0.248, 2.00}, /* Fr */ {4.9, 0.05, 2.00},
    /* Ra */ {3.677, 0.404, 2.00}, /* Ac */ {3.478, 0.033, 2.00}, /* Th */ {3.396, 0.026, 2.00},
    /* Pa */ {3.424, 0.022, 2.00}, /* U */ {3.395, 0.022, 1.86}, /* Np */ {3.424, 0.019, 2.00},
    /* Pu */ {3.424, 0.016, 2.00}, /* Am */ {3.381, 0.014, 2.00}, /* Cm */ {3.326, 0.013, 2.00},
    /* Bk */ {3.339, 0.013, 2.00}, /* Cf */ {3.313, 0.013, 2.00}, /* Es */ {3.299, 0.012, 2.00},
    /* Fm */ {3.286, 0.012, 2.00}, /* Md */ {3.274, 0.011, 2.00}, /* No */ {3.248, 0.011, 2.00},
    /* Lr */ {3.236, 0.011, 2.00},
};
/* clang-format on */

eqs_status pore_radii_find(const char *name, pore_radii *out) {
  if (!strcmp(name, "uff")) *out = PORE_RADII_UFF;
  else if (!strcmp(name, "vdw")) *out = PORE_RADII_VDW;
  else EQS_FAIL(EQS_ERR_ARGUMENT, "there are no radii '%s'; there are: uff, vdw", name);
  return EQS_OK;
}

eqs_status pore_radii_fill(pore_radii kind, int n, const int *number, double *radius) {
  for (int i = 0; i < n; i++) {
    double sigma, epsilon;
    if (number[i] < 1 || number[i] > KNOWN)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "atom %d: there is no radius of element %d (%s)", i + 1,
               number[i], element_symbol(number[i]));
    pore_uff(number[i], &sigma, &epsilon);
    radius[i] = kind == PORE_RADII_UFF ? sigma / 2 : table[number[i]].vdw;
  }
  return EQS_OK;
}

void pore_uff(int number, double *sigma, double *epsilon) {
  const size *s = &table[number >= 1 && number <= KNOWN ? number : 0];
  *sigma = s->x / cbrt(sqrt(2));
  *epsilon = s->d * KCAL_MOL_KELVIN;
}
