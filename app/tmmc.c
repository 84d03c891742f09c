/* tmmc.c -- `equisorb tmmc`: isotherms of one gas in one framework from one run.
 *
 * SPDX-License-Identifier: MIT */
#include "app/sampling.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "tmmc";

/* clang-format off */
static const char help_text[] =
    "usage: equisorb tmmc FRAMEWORK --gas G --temperature K[,K...] --pressure PA[,PA...]\n"
    "                     [--model M] [--energy model|classical|sum]\n"
    "\n"
    "Transition-matrix Monte Carlo of a rigid gas in a framework: one run gives the distribution\n"
    "of the number of guests, hence uptake and heat of adsorption at every pressure, and by\n"
    "reweighting at other temperatures. The gas outside is described by Peng and Robinson's\n"
    "equation.\n"
    "\n"
    "  --gas G              CO2, N2, H2O, CH4, Ar or He\n"
    "  --temperature K,...  kelvin; the run is at the first, the others are reweighted from it\n"
    "  --pressure PA,...    pascal, of the gas outside; more of them cost nothing\n"
    "  --max-guests N       of the box. Without it a grand canonical run at the highest pressure\n"
    "                       and the lowest temperature, as long as the equilibration, tells\n"
    SAMPLING_HELP_ENERGY
    "  --cycles N           of production (default 10000), after --equilibration N (default 2000)\n"
    SAMPLING_HELP_MOVES
    "  --checkpoint FILE    state of the run, written every 100 cycles; one that exists is\n"
    "                       continued. That of the run before it is FILE.pilot\n"
    "  --csv FILE           the isotherms, a line per temperature and pressure, with every column\n"
    "  --json               all of it, the distribution too, as JSON instead of the table\n"
    SAMPLING_HELP_MODEL
    "Errors are 95 % intervals. Flags: n-max, more guests than --max-guests would matter here;\n"
    "reach, too far from the run's temperature; few-trips, the number of guests went through its\n"
    "range fewer times than there are blocks, so that errors may be too small: run longer, or\n"
    "lower --max-guests; holes, the model has wells that are too deep to be real, they were left\n"
    "out.\n"
    "\n"
    "exit codes: 0 done; 1 an error; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM: the\n"
    "same command continues from the checkpoint\n"
    "\n"
    "example:\n"
    "  equisorb tmmc IRMOF-1.cif --gas CO2 --temperature 298,313 --pressure 1e4,1e5,5e5,1e6 \\\n"
    "      --energy classical --checkpoint irmof-1.state --csv co2.csv\n";
/* clang-format on */

enum { OPTION_MAX_GUESTS = SAMPLING_OWN, MOST_GUESTS = 20000 };

typedef struct arguments {
  sampling common; /* first: what the run is given */
  int max_guests;
} arguments;

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {SAMPLING_OPTIONS,
                                        {"max-guests", required_argument, NULL, OPTION_MAX_GUESTS},
                                        {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    int code = sampling_option(name, option, optarg, &a->common);
    if (code == -1 && option == OPTION_MAX_GUESTS)
      code = option_int(name, "--max-guests", optarg, 1, MOST_GUESTS, &a->max_guests);
    if (code == -1) code = app_usage(name, "that option is not known, or its value is missing");
    if (code != EXIT_OK || a->common.help) return code;
  }
  int code = sampling_complete(name, argc - optind, argv + optind, &a->common);
  if (code == EXIT_OK && a->common.run.n_gas > 1)
    return app_usage(name, "one gas at a time; gcmc takes mixtures");
  return code;
}

static int watch(const eqs_gcmc_progress *p, void *user) {
  return sampling_show(user, p->pilot ? "how many guests: " : "", p);
}

static int print_text(const eqs_tmmc_result *r) {
  eqs_tmmc_summary s = {.size = sizeof s};
  if (eqs_tmmc_summary_get(r, &s)) return app_fail(name, "%s", eqs_error());
  printf("%7s %10s %10s %10s    %-8s %10s %10s    %-8s %7s    %-8s flags\n", "K", "p / Pa",
         "f / Pa", "mol/kg", "", "excess", "per cell", "", "kJ/mol", "");
  for (int k = 0; k < s.n_value; k++) {
    eqs_tmmc_value v = {.size = sizeof v};
    if (eqs_tmmc_value_get(r, k, &v)) return app_fail(name, "%s", eqs_error());
    printf("%7.5g %10.4g %10.4g", v.temperature, v.pressure, v.fugacity);
    sampling_print(10, v.uptake, v.uptake_error);
    if (isfinite(v.excess)) printf(" %10.4g", v.excess);
    else printf(" %10s", "-");
    sampling_print(10, v.molecules, v.molecules_error);
    sampling_print(7, v.heat, v.heat_error);
    printf(" %s%s%s%s\n", v.tail_flagged ? "n-max " : "", v.reach_flagged ? "reach " : "",
           s.few_trips ? "few-trips " : "", s.holes_flagged ? "holes" : "");
  }
  printf("Henry coefficient at %.5g K: %.4g +- %.2g mol/kg/Pa\n", s.temperature, s.henry,
         s.henry_error);
  if (s.transition)
    printf("two phases of %.4g and %.4g molecules per cell at a fugacity of %.4g +- %.2g Pa\n",
           s.low, s.high, s.transition_fugacity, s.transition_error);
  sampling_print_spent(name, s.moves, s.energies, s.surrogate_energies, s.n_pocket, s.note);
  fprintf(stderr, "equisorb tmmc: 0 to %d guests in the box, %d seen, %lld round trips\n",
          s.max_guests, s.highest, (long long)s.round_trips);
  return EXIT_OK;
}

static int print_result(const sampling *a, const eqs_tmmc_result *r, FILE *csv) {
  char *text = NULL;
  int code = EXIT_OK;
  if (csv) {
    if (eqs_tmmc_csv(r, &text)) return app_fail(name, "%s", eqs_error());
    code = sampling_write(name, a, text, csv);
    eqs_string_free(&text);
  }
  if (code != EXIT_OK || !a->json) return code == EXIT_OK ? print_text(r) : code;
  if (eqs_tmmc_json(r, &text)) return app_fail(name, "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  return EXIT_OK;
}

static int run(const sampling *a, eqs_context *c, const eqs_model *m, const eqs_structures *frames,
               FILE *csv) {
  progress line = progress_start();
  eqs_tmmc_result *result = NULL;
  eqs_gcmc_options options = a->run;
  const eqs_tmmc_conditions at = {.size = sizeof at,
                                  .n_pressure = a->n_pressure,
                                  .pressure = a->pressure,
                                  .n_temperature = a->n_temperature,
                                  .temperature = a->temperature,
                                  .max_guests = ((const arguments *)a)->max_guests};
  options.checkpoint = a->checkpoint;
  eqs_status status = eqs_tmmc(c, m, frames, 0, &options, &at, watch, &line, &result);
  progress_clear(&line);
  if (status == EQS_ERR_INTERRUPTED) {
    app_fail(name, "stopped; %s",
             a->checkpoint ? "the same command continues" : "there is no --checkpoint to continue");
    return app_stop_code();
  }
  if (status != EQS_OK) return app_fail(name, "%s: %s", a->framework, eqs_error());
  int code = print_result(a, result, csv);
  eqs_tmmc_result_free(&result);
  return code;
}

int tmmc_main(int argc, char **argv) {
  arguments a = {.max_guests = 0};
  sampling_start(&a.common);
  int code = parse(argc, argv, &a);
  if (a.common.help) {
    fputs(help_text, stdout);
    return EXIT_OK;
  }
  return code == EXIT_OK ? sampling_main(name, &a.common, run) : code;
}
