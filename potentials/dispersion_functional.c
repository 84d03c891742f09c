/* dispersion_functional.c -- which parameters of D3(BJ) belong to which functional.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "potentials/dispersion.h"
#include "potentials/functional_names.h"

/* The parameters' sources: the table of D3(BJ), J. Comput. Chem. 32, 1456 (2011) and the list kept
 * with the D3 program (as in torch-dftd); SCAN: Phys. Rev. B 94, 115144 (2016); r2SCAN: J. Chem.
 * Phys. 154, 061101 (2021). s6 = 1. */
static const struct {
  const char *name;
  double a1, s8, a2;
} functionals[] = {
    {"pbe", 0.4289, 0.7875, 4.4407},
    {"revpbe", 0.5238, 2.3550, 3.5016},
    {"rpbe", 0.1820, 0.8318, 4.0094},
    {"pbesol", 0.4466, 2.9491, 6.1742},
    {"blyp", 0.4298, 2.6996, 4.2359},
    {"bp86", 0.3946, 3.2822, 4.8516},
    {"tpss", 0.4535, 1.9435, 4.4752},
    {"scan", 0.538, 0, 5.420},
    {"r2scan", 0.49484001, 0.78981345, 5.73083694},
    {"b3lyp", 0.3981, 1.9889, 4.4211},
    {"pbe0", 0.4145, 1.2177, 4.8593},
    {"hse06", 0.383, 2.310, 5.685},
};
enum { FUNCTIONALS = sizeof functionals / sizeof *functionals };

/* Lower case letters and digits up to a "+U": "PBE+U" is "pbe", "B3-LYP" is "b3lyp"; libxc's
 * identifiers are names too: "gga_x_pbe+gga_c_pbe" is "pbe". */
static void plain_name(const char *given, char out[DISPERSION_NAME]) {
  char usual[FUNCTIONAL_NAME];
  const char *from = usual;
  size_t n = 0;
  functional_usual_name(given, usual);
  for (; *from && *from != '+' && n + 1 < DISPERSION_NAME; from++)
    if (isalnum((unsigned char)*from)) out[n++] = (char)tolower((unsigned char)*from);
  out[n] = 0;
}

static int has_dispersion(const char *functional) {
  static const char *const marks[] = {"D2", "D3", "D4", "VV10", "MBD", "rVV", "vdW"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (strstr(functional, marks[i])) return 1;
  return 0;
}

static eqs_status find_functional(const char *given, int triples, dispersion *out) {
  char name[DISPERSION_NAME], known[256] = "";
  plain_name(given, name);
  for (int i = 0; i < FUNCTIONALS; i++) {
    size_t end = strlen(known);
    snprintf(known + end, sizeof known - end, "%s%s", i ? ", " : "", functionals[i].name);
    if (strcmp(name, functionals[i].name) != 0) continue;
    *out = (dispersion){.s6 = 1,
                        .s8 = functionals[i].s8,
                        .a1 = functionals[i].a1,
                        .a2 = functionals[i].a2,
                        .s9 = triples,
                        .pair_cutoff = sqrt(9000.0),
                        .cn_cutoff = 40,
                        .triple_cutoff = 40};
    snprintf(out->name, sizeof out->name, "%s:%s", triples ? "d3bj-atm" : "d3bj",
             functionals[i].name);
    return EQS_OK;
  }
  EQS_FAIL(EQS_ERR_ARGUMENT, "no D3(BJ) parameters for the functional '%.40s'; there are: %s",
           given, known);
}

eqs_status dispersion_parse(const char *text, const char *functional, dispersion *out) {
  int triples = strncmp(text, "d3bj-atm", 8) == 0;
  const char *end = text + (triples ? 8 : 4);
  if (strncmp(text, "d3bj", 4) != 0 || (*end && *end != ':'))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "dispersion is none, d3bj or d3bj:FUNCTIONAL, with the three-body term d3bj-atm or "
             "d3bj-atm:FUNCTIONAL, not '%.60s'",
             text);
  if (functional && has_dispersion(functional))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "the model's labels (%.60s) hold dispersion already: do not add it again", functional);
  if (*end) return find_functional(end + 1, triples, out);
  if (!functional)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "the functional of the model's labels is not known: name it, as in %s:pbe", text);
  return find_functional(functional, triples, out);
}
