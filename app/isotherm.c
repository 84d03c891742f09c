/* isotherm.c -- `equisorb isotherm`: fits, selectivities and working capacities from loadings.
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char name[] = "isotherm";

static const char help_text[] =
    "usage: equisorb isotherm DATA.csv [--temperature K] [--sites 1|2] [--henry GAS=K,...]\n"
    "                         [--heat GAS=Q,...] [--json] [--csv FILE]\n"
    "\n"
    "Fits Langmuir isotherms with one or two kinds of sites and says what they are worth: Henry\n"
    "coefficients, CO2/N2 and CO2/H2O selectivity, working capacity and regeneration heat of\n"
    "\n"
    "  VSA   flue gas, 0.15 bar CO2 in 0.85 bar N2 at 298.15 K, to 0.05 bar CO2\n"
    "  TSA   the same feed, to 393.15 K and 1 bar CO2\n"
    "  DAC   air, 40 Pa CO2 in 0.79 bar N2 at 298.15 K and half the saturation of water, to\n"
    "        373.15 K and 0.1 bar CO2\n"
    "\n"
    "DATA.csv has a header and one row per point: pressure (Pa), loading (mol/kg), and if wanted\n"
    "sigma (of the loading), temperature (K), gas (CO2 without that column; CO2, N2 and H2O enter\n"
    "the processes). Other units by name: pressure_kpa, _mbar, _bar, _atm, loading_mmol_g.\n"
    "\n"
    "  --temperature K   of a file without that column\n"
    "  --sites N         1 or 2; without it two if Akaike's criterion gains 2 or more by it\n"
    "  --henry GAS=K,... hold sum q b at this Henry coefficient (mol/kg/Pa), of Widom insertion "
    "say\n"
    "  --heat GAS=Q,...  heat of adsorption (kJ/mol) of gases measured at one temperature; "
    "without\n"
    "                    it other temperatures are out of reach\n"
    "  --heat-capacity C of the sorbent, J/kg/K (default 1000)\n"
    "  --json            JSON instead of text\n"
    "  --csv FILE        the same numbers, a row each\n"
    "\n"
    "example: equisorb isotherm mof.csv --temperature 298 --heat CO2=38,N2=16 --json\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 wrong usage";

enum {
  OPTION_TEMPERATURE = OPTION_OWN,
  OPTION_SITES,
  OPTION_HENRY,
  OPTION_HEAT,
  OPTION_CAPACITY,
  OPTION_CSV
};

typedef struct arguments {
  eqs_isotherm_options options;
  eqs_format format;
  const char *csv;
} arguments;

static int option_one(arguments *a, int option, const char *text) {
  eqs_isotherm_options *o = &a->options;
  switch (option) {
  case OPTION_TEMPERATURE:
    return option_double(name, "--temperature", text, 1, 10000, &o->temperature);
  case OPTION_SITES: return option_int(name, "--sites", text, 1, 2, &o->sites);
  case OPTION_HENRY: o->henry = text; return EXIT_OK;
  case OPTION_HEAT: o->heat = text; return EXIT_OK;
  case OPTION_CAPACITY:
    return option_double(name, "--heat-capacity", text, 1, 1e5, &o->heat_capacity);
  case OPTION_CSV: a->csv = text; return EXIT_OK;
  default: a->format = EQS_FORMAT_JSON; return EXIT_OK;
  }
}

static int write_csv(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  if (!f) return app_fail(name, "cannot write %s: %s", path, strerror(errno));
  int bad = fputs(text, f) < 0;
  if (fclose(f) || bad) return app_fail(name, "cannot write %s: %s", path, strerror(errno));
  return EXIT_OK;
}

int isotherm_main(int argc, char **argv) {
  static const struct option table[] = {
      {"help", no_argument, NULL, OPTION_HELP},
      {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
      {"sites", required_argument, NULL, OPTION_SITES},
      {"henry", required_argument, NULL, OPTION_HENRY},
      {"heat", required_argument, NULL, OPTION_HEAT},
      {"heat-capacity", required_argument, NULL, OPTION_CAPACITY},
      {"json", no_argument, NULL, OPTION_JSON},
      {"csv", required_argument, NULL, OPTION_CSV},
      {NULL, 0, NULL, 0}};
  arguments a = {.options = {.size = sizeof a.options}};
  int option, code = EXIT_OK;
  char *text = NULL;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    if (option == OPTION_HELP) {
      puts(help_text);
      return EXIT_OK;
    }
    if (option == ':') return app_usage(name, "%s wants a value", argv[optind - 1]);
    if (option == '?') return app_usage(name, "unknown option %s", argv[optind - 1]);
    if ((code = option_one(&a, option, optarg))) return code;
  }
  if (argc - optind != 1)
    return app_usage(name, argc > optind ? "one file at a time" : "which file?");
  const char *path = argv[optind];
  if (eqs_isotherm_report(path, &a.options, a.format, &text))
    return app_fail(name, "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  if (!a.csv) return EXIT_OK;
  if (eqs_isotherm_report(path, &a.options, EQS_FORMAT_CSV, &text))
    return app_fail(name, "%s", eqs_error());
  code = write_csv(a.csv, text);
  eqs_string_free(&text);
  return code;
}
