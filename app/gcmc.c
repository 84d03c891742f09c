/* gcmc.c -- `equisorb gcmc`: uptake of one gas or a mixture in one framework, at one pressure or
 * several.
 *
 * SPDX-License-Identifier: MIT */
#include "app/sampling.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "gcmc";

/* clang-format off */
static const char help_text[] =
    "usage: equisorb gcmc FRAMEWORK --gas G --temperature K --pressure PA[,PA...]\n"
    "                     [--model M] [--energy model|classical|sum]\n"
    "\n"
    "Grand canonical Monte Carlo of rigid gases in a framework: uptake, molecules per cell, heat\n"
    "of adsorption. One run per pressure. The gas outside is described by Peng and Robinson's\n"
    "equation.\n"
    "\n"
    "  --gas G              CO2, N2, H2O, CH4, Ar or He; a mixture with its mole fractions:\n"
    "                       CO2:0.15,N2:0.85\n"
    "  --temperature K      kelvin\n"
    "  --pressure PA,...    pascal, of the gas outside\n"
    SAMPLING_HELP_ENERGY
    "  --flexible           moves the framework's atoms too: trajectories of the model as moves\n"
    "                       of hybrid Monte Carlo. Needs --energy model, takes no --checkpoint,\n"
    "                       asks no surrogate\n"
    "  --timestep FS, --md-steps N\n"
    "                       of such a trajectory (default 0.5 fs, 20 steps)\n"
    "  --cycles N           of production (default 2000), as many as --equilibration N before\n"
    SAMPLING_HELP_MOVES
    "  --checkpoint FILE    state of the run, written every 100 cycles; one that exists is\n"
    "                       continued. With several pressures FILE.1, FILE.2, ...\n"
    "  --csv FILE           one line per pressure and gas with every column\n"
    "  --json               one line of JSON per pressure on standard output instead of the table\n"
    SAMPLING_HELP_MODEL
    "Errors are 95 % intervals. Flags: not-settled, the beginning still shows; few-samples, fewer\n"
    "than five independent ones per block: run longer; holes, the model has wells that are too\n"
    "deep to be real, they were left out.\n"
    "\n"
    "exit codes: 0 done; 1 an error; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM: the\n"
    "same command continues from the checkpoint\n"
    "\n"
    "example:\n"
    "  equisorb gcmc IRMOF-1.cif --gas CO2 --temperature 298 --pressure 1e4,1e5,1e6 \\\n"
    "      --energy classical --csv co2.csv\n";
/* clang-format on */

enum { PATH_SIZE = 4096 };
enum { OPTION_FLEXIBLE = SAMPLING_OWN, OPTION_TIMESTEP, OPTION_MD_STEPS };

/* ---- the command line */

static int option_own(int option, const char *text, sampling *a) {
  eqs_gcmc_options *o = &a->run;
  switch (option) {
  case OPTION_FLEXIBLE: o->flexible = 1; return EXIT_OK;
  case OPTION_TIMESTEP: return option_double(name, "--timestep", text, 1e-6, 100, &o->timestep);
  case OPTION_MD_STEPS: return option_int(name, "--md-steps", text, 1, 1000000, &o->md_steps);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

static int complete(int argc, char **argv, sampling *a) {
  eqs_gcmc_options *o = &a->run;
  int code = sampling_complete(name, argc, argv, a);
  if (code != EXIT_OK) return code;
  if (a->n_temperature > 1)
    return app_usage(name, "one --temperature at a time; tmmc gives isotherms at several");
  if (o->production && !o->equilibration) o->equilibration = o->production;
  if (!o->flexible && (o->timestep > 0 || o->md_steps))
    return app_usage(name, "--timestep and --md-steps are of --flexible");
  if (o->flexible && o->energy != EQS_ENERGY_MODEL)
    return app_usage(name, "--flexible needs --energy model: the classical potential does not know "
                           "what deforming the framework costs");
  if (o->flexible && a->checkpoint)
    return app_usage(name, "--flexible takes no --checkpoint: such a run cannot be continued");
  return EXIT_OK;
}

static int parse(int argc, char **argv, sampling *a) {
  static const struct option table[] = {SAMPLING_OPTIONS,
                                        {"flexible", no_argument, NULL, OPTION_FLEXIBLE},
                                        {"timestep", required_argument, NULL, OPTION_TIMESTEP},
                                        {"md-steps", required_argument, NULL, OPTION_MD_STEPS},
                                        {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    int code = sampling_option(name, option, optarg, a);
    if (code == -1) code = option_own(option, optarg, a);
    if (code != EXIT_OK || a->help) return code;
  }
  return complete(argc - optind, argv + optind, a);
}

/* ---- the runs */

typedef struct point {
  progress line;
  int k, n;
} point;

static int watch(const eqs_gcmc_progress *p, void *user) {
  point *at = user;
  char what[48];
  snprintf(what, sizeof what, "pressure %d of %d: ", at->k, at->n);
  return sampling_show(&at->line, what, p);
}

static int print_text(const eqs_gcmc_result *r, double pressure) {
  eqs_gcmc_summary s = {.size = sizeof s};
  if (eqs_gcmc_summary_get(r, &s)) return app_fail(name, "%s", eqs_error());
  for (int k = 0; k < s.n_gas; k++) {
    eqs_gcmc_value v = {.size = sizeof v};
    if (eqs_gcmc_value_get(r, k, &v)) return app_fail(name, "%s", eqs_error());
    printf("%10.4g %10.4g  %-4s", pressure, v.fugacity, v.gas);
    sampling_print(10, v.uptake, v.uptake_error);
    if (isfinite(v.excess)) printf(" %10.4g", v.excess);
    else printf(" %10s", "-");
    sampling_print(10, v.molecules, v.molecules_error);
    sampling_print(7, v.heat, v.heat_error);
    printf(" %s%s%s\n", s.not_settled ? "not-settled " : "", s.few_samples ? "few-samples " : "",
           s.holes_flagged ? "holes" : "");
  }
  sampling_print_spent(name, s.moves, s.energies, s.surrogate_energies, s.n_pocket, s.note);
  fprintf(stderr, "equisorb gcmc: %.0f independent samples\n", s.independent);
  return EXIT_OK;
}

static int print_result(const sampling *a, const eqs_gcmc_result *r, int k, FILE *csv) {
  char *text = NULL;
  int code = EXIT_OK;
  if (csv) {
    if (eqs_gcmc_csv(r, k == 0, &text)) return app_fail(name, "%s", eqs_error());
    code = sampling_write(name, a, text, csv);
    eqs_string_free(&text);
  }
  if (code != EXIT_OK || !a->json) return code == EXIT_OK ? print_text(r, a->pressure[k]) : code;
  if (eqs_gcmc_json(r, &text)) return app_fail(name, "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  return EXIT_OK;
}

static int run_point(const sampling *a, eqs_context *c, const eqs_model *m,
                     const eqs_structures *frames, int k, FILE *csv) {
  char path[PATH_SIZE];
  eqs_gcmc_options options = a->run;
  eqs_gcmc_result *result = NULL;
  point at = {.k = k + 1, .n = a->n_pressure, .line = progress_start()};
  options.pressure = a->pressure[k];
  if (a->checkpoint) {
    int n = a->n_pressure > 1 ? snprintf(path, sizeof path, "%s.%d", a->checkpoint, k + 1)
                              : snprintf(path, sizeof path, "%s", a->checkpoint);
    if (n >= PATH_SIZE) return app_usage(name, "--checkpoint: the path is too long");
    options.checkpoint = path;
  }
  eqs_status status = eqs_gcmc(c, m, frames, 0, &options, watch, &at, &result);
  progress_clear(&at.line);
  if (status == EQS_ERR_INTERRUPTED) {
    app_fail(name, "stopped at pressure %d of %d; %s", k + 1, a->n_pressure,
             a->checkpoint ? "the same command continues" : "there is no --checkpoint to continue");
    return app_stop_code();
  }
  if (status != EQS_OK) return app_fail(name, "%s: %s", a->framework, eqs_error());
  int code = print_result(a, result, k, csv);
  eqs_gcmc_result_free(&result);
  return code;
}

static int run(const sampling *a, eqs_context *c, const eqs_model *m, const eqs_structures *frames,
               FILE *csv) {
  int code = EXIT_OK;
  if (!a->json)
    printf("%10s %10s  %-4s %10s    %-8s %10s %10s    %-8s %7s    %-8s flags\n", "p / Pa", "f / Pa",
           "gas", "mol/kg", "", "excess", "per cell", "", "kJ/mol", "");
  for (int k = 0; k < a->n_pressure && code == EXIT_OK; k++) {
    code = run_point(a, c, m, frames, k, csv);
    fflush(stdout);
  }
  return code;
}

int gcmc_main(int argc, char **argv) {
  sampling a;
  sampling_start(&a);
  int code = parse(argc, argv, &a);
  if (a.help) {
    fputs(help_text, stdout);
    return EXIT_OK;
  }
  return code == EXIT_OK ? sampling_main(name, &a, run) : code;
}
