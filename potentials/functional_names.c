/* functional_names.c -- usual names of functionals and what libxc calls them.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "potentials/functional_names.h"

/* The first of several with the same identifiers is the usual name. */
static const struct {
  const char *usual, *identifiers, *numbers;
} names[] = {
    {"lda", "lda_x+lda_c_vwn", "1+7"},
    {"svwn", "lda_x+lda_c_vwn", "1+7"},
    {"pz", "lda_x+lda_c_pz", "1+9"},
    {"pw92", "lda_x+lda_c_pw", "1+12"},
    {"pbe", "gga_x_pbe+gga_c_pbe", "101+130"},
    {"revpbe", "gga_x_pbe_r+gga_c_pbe", "102+130"},
    {"rpbe", "gga_x_rpbe+gga_c_pbe", "117+130"},
    {"pbesol", "gga_x_pbe_sol+gga_c_pbe_sol", "116+133"},
    {"blyp", "gga_x_b88+gga_c_lyp", "106+131"},
    {"bp86", "gga_x_b88+gga_c_p86", "106+132"},
    {"pw91", "gga_x_pw91+gga_c_pw91", "109+134"},
    {"tpss", "mgga_x_tpss+mgga_c_tpss", "202+231"},
    {"scan", "mgga_x_scan+mgga_c_scan", "263+267"},
    {"r2scan", "mgga_x_r2scan+mgga_c_r2scan", "497+498"},
    {"b3lyp", "hyb_gga_xc_b3lyp", "402"},
    {"pbe0", "hyb_gga_xc_pbeh", "406"},
    {"hse06", "hyb_gga_xc_hse06", "428"},
};
enum { NAMES = sizeof names / sizeof *names };

/* "a+b" is "b+a". */
static int same(const char *given, const char *known) {
  if (!strcmp(given, known)) return 1;
  const char *plus = strchr(known, '+');
  char turned[FUNCTIONAL_NAME];
  if (!plus) return 0;
  snprintf(turned, sizeof turned, "%s+%.*s", plus + 1, (int)(plus - known), known);
  return !strcmp(given, turned);
}

void functional_usual_name(const char *name, char out[FUNCTIONAL_NAME]) {
  size_t n = 0;
  for (const char *s = name; *s && n + 1 < FUNCTIONAL_NAME; s++) {
    if ((s == name || s[-1] == '+') && !strncasecmp(s, "xc_", 3)) {
      s += 2;
      continue;
    }
    if (!isspace((unsigned char)*s)) out[n++] = (char)tolower((unsigned char)*s);
  }
  out[n] = 0;
  for (int i = 0; i < NAMES; i++)
    if (same(out, names[i].identifiers) || same(out, names[i].numbers)) {
      strcpy(out, names[i].usual);
      return;
    }
}

const char *functional_identifiers(const char *usual) {
  for (int i = 0; i < NAMES; i++)
    if (!strcasecmp(usual, names[i].usual)) return names[i].identifiers;
  return NULL;
}
