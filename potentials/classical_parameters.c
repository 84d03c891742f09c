/* classical_parameters.c -- Lennard-Jones parameters of framework atoms, models of the guests.
 *
 * UFF: A. K. Rappe et al., J. Am. Chem. Soc. 114, 10024 (1992), table I: distance x (angstrom) and
 * depth D (kcal/mol) of the minimum; sigma = x / 2^(1/6). DREIDING: S. L. Mayo, B. D. Olafson,
 * W. A. Goddard, J. Phys. Chem. 94, 8897 (1990), table II, for the elements that are not metals
 * (and Al), UFF for all others: the choice of RASPA's GenericMOFs. Guests: TraPPE CO2 and N2 (J. J.
 * Potoff, J. I. Siepmann, AIChE J. 47, 1676 (2001)), CH4 (M. G. Martin, J. I. Siepmann, J. Phys.
 * Chem. B 102, 2569 (1998)); TIP4P/2005 (J. L. F. Abascal, C. Vega, J. Chem. Phys. 123, 234505
 * (2005)), SPC/E (H. J. C. Berendsen, J. R. Grigera, T. P. Straatsma, J. Phys. Chem. 91, 6269
 * (1987)), TIP3P (W. L. Jorgensen et al., J. Chem. Phys. 79, 926 (1983)); Ar and He of GenericMOFs
 * (J. O. Hirschfelder, C. F. Curtiss, R. B. Bird, Molecular Theory of Gases and Liquids, 1954).
 *
 * SPDX-License-Identifier: MIT */
#include "potentials/classical.h"

#include "io/elements.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define KCAL_MOL 503.2195 /* K: 4184 J/mol / R */

typedef struct minimum {
  double x, depth; /* angstrom, kcal/mol */
} minimum;

enum { UFF_MAX = 103 };

/* clang-format off */
static const minimum uff[UFF_MAX + 1] = {
    {0, 0},
    {2.886, 0.044}, {2.362, 0.056}, {2.451, 0.025}, {2.745, 0.085}, {4.083, 0.180}, {3.851, 0.105},
    {3.660, 0.069}, {3.500, 0.060}, {3.364, 0.050}, {3.243, 0.042}, {2.983, 0.030}, {3.021, 0.111},
    {4.499, 0.505}, {4.295, 0.402}, {4.147, 0.305}, {4.035, 0.274}, {3.947, 0.227}, {3.868, 0.185},
    {3.812, 0.035}, {3.399, 0.238}, {3.295, 0.019}, {3.175, 0.017}, {3.144, 0.016}, {3.023, 0.015},
    {2.961, 0.013}, {2.912, 0.013}, {2.872, 0.014}, {2.834, 0.015}, {3.495, 0.005}, {2.763, 0.124},
    {4.383, 0.415}, {4.280, 0.379}, {4.230, 0.309}, {4.205, 0.291}, {4.189, 0.251}, {4.141, 0.220},
    {4.114, 0.040}, {3.641, 0.235}, {3.345, 0.072}, {3.124, 0.069}, {3.165, 0.059}, {3.052, 0.056},
    {2.998, 0.048}, {2.963, 0.056}, {2.929, 0.053}, {2.899, 0.048}, {3.148, 0.036}, {2.848, 0.228},
    {4.463, 0.599}, {4.392, 0.567}, {4.420, 0.449}, {4.470, 0.398}, {4.500, 0.339}, {4.404, 0.332},
    {4.517, 0.045}, {3.703, 0.364}, {3.522, 0.017}, {3.556, 0.013}, {3.606, 0.010}, {3.575, 0.010},
    {3.547, 0.009}, {3.520, 0.008}, {3.493, 0.008}, {3.368, 0.009}, {3.451, 0.007}, {3.428, 0.007},
    {3.409, 0.007}, {3.391, 0.007}, {3.374, 0.006}, {3.355, 0.228}, {3.640, 0.041}, {3.141, 0.072},
    {3.170, 0.081}, {3.069, 0.067}, {2.954, 0.066}, {3.120, 0.037}, {2.840, 0.073}, {2.754, 0.080},
    {3.293, 0.039}, {2.705, 0.385}, {4.347, 0.680}, {4.297, 0.663}, {4.370, 0.518}, {4.709, 0.325},
    {4.750, 0.284}, {4.765, 0.248}, {4.900, 0.050}, {3.677, 0.404}, {3.478, 0.033}, {3.396, 0.026},
    {3.424, 0.022}, {3.395, 0.022}, {3.424, 0.019}, {3.424, 0.016}, {3.381, 0.014}, {3.326, 0.013},
    {3.339, 0.013}, {3.313, 0.013}, {3.299, 0.012}, {3.286, 0.012}, {3.274, 0.011}, {3.248, 0.011},
    {3.236, 0.011},
};

static const struct { int number; minimum m; } dreiding[] = {
    {1, {3.1950, 0.0152}}, {5, {4.0200, 0.0950}},  {6, {3.8983, 0.0951}},  {7, {3.6621, 0.0774}},
    {8, {3.4046, 0.0957}}, {9, {3.4720, 0.0725}},  {13, {4.3900, 0.3100}}, {14, {4.2700, 0.3100}},
    {15, {4.1500, 0.3200}}, {16, {4.0300, 0.3440}}, {17, {3.9503, 0.2833}}, {35, {3.9500, 0.3700}},
    {53, {4.1500, 0.5100}},
};
/* clang-format on */

static int same_name(const char *a, const char *b) {
  while (*a && toupper((unsigned char)*a) == toupper((unsigned char)*b)) a++, b++;
  return *a == 0 && *b == 0;
}

eqs_status classical_find_atom(const char *set, int number, classical_site *out) {
  int is_dreiding = set && same_name(set, "dreiding+trappe");
  if (set && !is_dreiding && !same_name(set, "uff+trappe"))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "unknown classical potential '%.40s'; known are uff+trappe, dreiding+trappe", set);
  if (number < 1 || number > UFF_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "element %d (%s) has no classical parameters", number,
             element_symbol(number));
  minimum m = uff[number];
  for (size_t i = 0; is_dreiding && i < sizeof dreiding / sizeof dreiding[0]; i++)
    if (dreiding[i].number == number) m = dreiding[i].m;
  *out = (classical_site){m.depth * KCAL_MOL, m.x / pow(2, 1.0 / 6), 0};
  return EQS_OK;
}

/* ---- guests */

typedef struct named_guest {
  const char *gas, *model;
  classical_molecule molecule;
} named_guest;

/* Water: centre of mass at the origin, hydrogens in the xz plane, oxygen up, as in core/gas.c.
 * TIP4P/2005 and TIP3P have the same O-H 0.9572 and 104.52 degrees; M lies 0.1546 from O. SPC/E has
 * 1.0 and 109.47 degrees. */
static const named_guest guests[] = {
    {"CO2",
     NULL,
     {3,
      {{0, 0, 0}, {0, 0, 1.16}, {0, 0, -1.16}},
      {{27.0, 2.80, 0.70}, {79.0, 3.05, -0.35}, {79.0, 3.05, -0.35}}}},
    {"N2",
     NULL,
     {3,
      {{0, 0, 0.55}, {0, 0, -0.55}, {0, 0, 0}},
      {{36.0, 3.31, -0.482}, {36.0, 3.31, -0.482}, {0, 0, 0.964}}}},
    {"CH4", NULL, {1, {{0, 0, 0}}, {{148.0, 3.73, 0}}}},
    {"Ar", NULL, {1, {{0, 0, 0}}, {{124.07, 3.38, 0}}}},
    {"He", NULL, {1, {{0, 0, 0}}, {{10.9, 2.64, 0}}}},
    {"H2O",
     "TIP4P/2005",
     {4,
      {{0, 0, 0.065564178},
       {0.756950327, 0, -0.520318098},
       {-0.756950327, 0, -0.520318098},
       {0, 0, -0.089035822}},
      {{93.2, 3.1589, 0}, {0, 0, 0.5564}, {0, 0, 0.5564}, {0, 0, -1.1128}}}},
    {"H2O",
     "SPC/E",
     {3,
      {{0, 0, 0.064610362}, {0.816490431, 0, -0.512748604}, {-0.816490431, 0, -0.512748604}},
      {{78.177, 3.166, -0.8476}, {0, 0, 0.4238}, {0, 0, 0.4238}}}},
    {"H2O",
     "TIP3P",
     {3,
      {{0, 0, 0.065564178}, {0.756950327, 0, -0.520318098}, {-0.756950327, 0, -0.520318098}},
      {{76.54, 3.15061, -0.834}, {0, 0, 0.417}, {0, 0, 0.417}}}},
};

eqs_status classical_find_guest(const char *gas, const char *water, classical_molecule *out) {
  int seen = 0;
  if (!water) water = "TIP4P/2005";
  for (size_t i = 0; gas && i < sizeof guests / sizeof guests[0]; i++) {
    if (!same_name(gas, guests[i].gas)) continue;
    seen = 1;
    if (guests[i].model && !same_name(water, guests[i].model)) continue;
    *out = guests[i].molecule;
    return EQS_OK;
  }
  if (seen)
    EQS_FAIL(EQS_ERR_ARGUMENT, "unknown water model '%.40s'; known are TIP4P/2005, SPC/E, TIP3P",
             water);
  EQS_FAIL(EQS_ERR_ARGUMENT,
           "there is no classical model of the gas '%.40s'; known are CO2, N2, CH4, H2O, Ar, He",
           gas ? gas : "");
}
