/* gcmc.c -- `equisorb gcmc`: uptake of one gas or a mixture in one framework, at one pressure or
 * several.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <ctype.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "gcmc";

static const char help_text[] =
    "usage: equisorb gcmc FRAMEWORK --gas G --temperature K --pressure PA[,PA...]\n"
    "                     [--model M] [--energy model|classical|sum]\n"
    "\n"
    "Grand canonical Monte Carlo of rigid gases in a framework: uptake, molecules per cell, heat\n"
    "of adsorption. One run per pressure. The gas outside is described by Peng and Robinson's "
    "equation.\n"
    "\n"
    "  --gas G              CO2, N2, H2O, CH4, Ar or He; a mixture with its mole fractions:\n"
    "                       CO2:0.15,N2:0.85\n"
    "  --temperature K      kelvin\n"
    "  --pressure PA,...    pascal, of the gas outside\n"
    "  --energy E           model (default): the force field; classical: Lennard-Jones and "
    "charges\n"
    "                       of the file (or equilibrated ones), no model needed; sum: classical +\n"
    "                       S times the model\n"
    "  --scale S            of the model in a sum (default 1)\n"
    "  --field F            classical parameters: uff+trappe (default) or dreiding+trappe\n"
    "  --no-surrogate       do not try moves with the classical energy first; the averages are "
    "the\n"
    "                       same, the model is asked more often\n"
    "  --pockets block|keep whether places that a gas cannot get to stay empty (default block)\n"
    "  --flexible           moves the framework's atoms too: trajectories of the model as moves "
    "of\n"
    "                       hybrid Monte Carlo. Needs --energy model, takes no --checkpoint, asks "
    "no\n"
    "                       surrogate\n"
    "  --timestep FS, --md-steps N\n"
    "                       of such a trajectory (default 0.5 fs, 20 steps)\n"
    "  --cycles N           of production (default 2000), as many as --equilibration N before\n"
    "  --moves N            per cycle (default 20)\n"
    "  --trials N           poses per insertion or deletion (default 8)\n"
    "  --seed S             of the random numbers (default 1)\n"
    "  --checkpoint FILE    state of the run, written every 100 cycles; one that exists is "
    "continued.\n"
    "                       With several pressures FILE.1, FILE.2, ...\n"
    "  --csv FILE           one line per pressure and gas with every column\n"
    "  --json               one line of JSON per pressure on standard output instead of the table\n"
    "  --replicate RULE     shell or strict, as for screen\n"
    "  --model M, --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F],\n"
    "  --threads N, --disorder refuse|major\n"
    "                       as for evaluate\n"
    "\n"
    "Errors are 95 % intervals. Flags: not-settled, the beginning still shows; few-samples, fewer "
    "than\n"
    "five independent ones per block: run longer; holes, the model has wells that are too deep to "
    "be\n"
    "real, they were left out.\n"
    "\n"
    "exit codes: 0 done; 1 an error; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM: the "
    "same\n"
    "command continues from the checkpoint\n"
    "\n"
    "example:\n"
    "  equisorb gcmc IRMOF-1.cif --gas CO2 --temperature 298 --pressure 1e4,1e5,1e6 \\\n"
    "      --energy classical --csv co2.csv\n";

enum { MOST_GASES = 8, MOST_PRESSURES = 256, GAS_NAME = 16, PATH_SIZE = 4096 };
enum {
  OPTION_GAS = OPTION_OWN,
  OPTION_TEMPERATURE,
  OPTION_PRESSURE,
  OPTION_ENERGY,
  OPTION_SCALE,
  OPTION_FIELD,
  OPTION_NO_SURROGATE,
  OPTION_CYCLES,
  OPTION_EQUILIBRATION,
  OPTION_MOVES,
  OPTION_TRIALS,
  OPTION_SEED,
  OPTION_CHECKPOINT,
  OPTION_CSV,
  OPTION_REPLICATE,
  OPTION_POCKETS,
  OPTION_FLEXIBLE,
  OPTION_TIMESTEP,
  OPTION_MD_STEPS
};

typedef struct arguments {
  model_arguments model;
  eqs_gcmc_options gcmc;
  char gas[MOST_GASES][GAS_NAME];
  const char *gases[MOST_GASES];
  double fraction[MOST_GASES], pressure[MOST_PRESSURES];
  int n_pressure, json, help;
  const char *framework, *checkpoint, *csv;
} arguments;

/* ---- the command line */

/* One part of a list: up to the comma. Returns what follows, or NULL at the end. */
static const char *next_part(const char *text, char *part, size_t size) {
  size_t n = strcspn(text, ",");
  size_t kept = n < size ? n : size - 1;
  memcpy(part, text, kept);
  part[kept] = 0;
  return text[n] ? text + n + 1 : NULL;
}

static int option_gases(const char *text, arguments *a) {
  int with_fraction = 0;
  char part[64];
  for (a->gcmc.n_gas = 0; text; a->gcmc.n_gas++) {
    int k = a->gcmc.n_gas;
    if (k == MOST_GASES) return app_usage(name, "--gas names more than %d gases", MOST_GASES);
    text = next_part(text, part, sizeof part);
    char *colon = strchr(part, ':');
    if (colon) *colon = 0;
    if (!*part || strlen(part) >= GAS_NAME)
      return app_usage(name, "--gas: '%s' is no name of a gas", part);
    snprintf(a->gas[k], GAS_NAME, "%s", part);
    a->gases[k] = a->gas[k];
    a->fraction[k] = 1;
    with_fraction += colon != NULL;
    if (colon && option_double(name, "--gas", colon + 1, 0, 1, a->fraction + k)) return EXIT_USAGE;
  }
  if (a->gcmc.n_gas > 1 && with_fraction < a->gcmc.n_gas)
    return app_usage(name, "a mixture needs mole fractions, as in --gas CO2:0.15,N2:0.85");
  return EXIT_OK;
}

static int option_own(int option, const char *text, arguments *a) {
  eqs_gcmc_options *o = &a->gcmc;
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_GAS: return option_gases(text, a);
  case OPTION_PRESSURE:
    return option_list(name, "--pressure", text, 1e-30, 1e12, MOST_PRESSURES, a->pressure,
                       &a->n_pressure);
  case OPTION_TEMPERATURE:
    return option_double(name, "--temperature", text, 1, 10000, &o->temperature);
  case OPTION_ENERGY: return option_energy(name, text, &o->energy);
  case OPTION_SCALE: return option_double(name, "--scale", text, -1e6, 1e6, &o->scale);
  case OPTION_FIELD: o->force_field = text; return EXIT_OK;
  case OPTION_NO_SURROGATE: o->no_surrogate = 1; return EXIT_OK;
  case OPTION_CYCLES: return option_count(name, "--cycles", text, 1, &o->production);
  case OPTION_EQUILIBRATION:
    return option_count(name, "--equilibration", text, 1, &o->equilibration);
  case OPTION_MOVES: return option_int(name, "--moves", text, 1, 1000000, &o->cycle_moves);
  case OPTION_TRIALS: return option_int(name, "--trials", text, 1, 4096, &o->trials);
  case OPTION_SEED: return option_uint64(name, "--seed", text, &o->seed);
  case OPTION_CHECKPOINT: a->checkpoint = text; return EXIT_OK;
  case OPTION_CSV: a->csv = text; return EXIT_OK;
  case OPTION_JSON: a->json = 1; return EXIT_OK;
  case OPTION_REPLICATE: return option_replicate(name, text, &o->replicate_strict);
  case OPTION_POCKETS: return option_pockets(name, text, &o->keep_pockets);
  case OPTION_FLEXIBLE: o->flexible = 1; return EXIT_OK;
  case OPTION_TIMESTEP: return option_double(name, "--timestep", text, 1e-6, 100, &o->timestep);
  case OPTION_MD_STEPS: return option_int(name, "--md-steps", text, 1, 1000000, &o->md_steps);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

static int complete_flexible(const arguments *a) {
  const eqs_gcmc_options *o = &a->gcmc;
  if (!o->flexible && (o->timestep > 0 || o->md_steps))
    return app_usage(name, "--timestep and --md-steps are of --flexible");
  if (o->flexible && o->energy != EQS_ENERGY_MODEL)
    return app_usage(name, "--flexible needs --energy model: the classical potential does not know "
                           "what deforming the framework costs");
  if (o->flexible && a->checkpoint)
    return app_usage(name, "--flexible takes no --checkpoint: such a run cannot be continued");
  return EXIT_OK;
}

static int complete(arguments *a) {
  if (!a->framework) return app_usage(name, "no framework was named");
  if (!a->gcmc.n_gas) return app_usage(name, "--gas G is missing");
  if (!a->n_pressure) return app_usage(name, "--pressure PA is missing");
  if (!(a->gcmc.temperature > 0)) return app_usage(name, "--temperature K is missing");
  if (a->gcmc.energy != EQS_ENERGY_CLASSICAL && !a->model.model)
    return app_usage(name, "--model FILE is missing (--energy classical does without)");
  if (a->gcmc.energy == EQS_ENERGY_CLASSICAL && a->model.model)
    return app_usage(name, "--energy classical does not use a --model");
  if (a->gcmc.production && !a->gcmc.equilibration) a->gcmc.equilibration = a->gcmc.production;
  a->model.optional = a->gcmc.energy == EQS_ENERGY_CLASSICAL;
  a->gcmc.gases = a->gases;
  a->gcmc.fraction = a->gcmc.n_gas > 1 ? a->fraction : NULL;
  return complete_flexible(a);
}

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {
      MODEL_OPTIONS,
      {"gas", required_argument, NULL, OPTION_GAS},
      {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
      {"pressure", required_argument, NULL, OPTION_PRESSURE},
      {"energy", required_argument, NULL, OPTION_ENERGY},
      {"scale", required_argument, NULL, OPTION_SCALE},
      {"field", required_argument, NULL, OPTION_FIELD},
      {"no-surrogate", no_argument, NULL, OPTION_NO_SURROGATE},
      {"cycles", required_argument, NULL, OPTION_CYCLES},
      {"equilibration", required_argument, NULL, OPTION_EQUILIBRATION},
      {"moves", required_argument, NULL, OPTION_MOVES},
      {"trials", required_argument, NULL, OPTION_TRIALS},
      {"seed", required_argument, NULL, OPTION_SEED},
      {"checkpoint", required_argument, NULL, OPTION_CHECKPOINT},
      {"csv", required_argument, NULL, OPTION_CSV},
      {"json", no_argument, NULL, OPTION_JSON},
      {"replicate", required_argument, NULL, OPTION_REPLICATE},
      {"pockets", required_argument, NULL, OPTION_POCKETS},
      {"flexible", no_argument, NULL, OPTION_FLEXIBLE},
      {"timestep", required_argument, NULL, OPTION_TIMESTEP},
      {"md-steps", required_argument, NULL, OPTION_MD_STEPS},
      {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    int code = option_model(name, option, optarg, &a->model);
    if (code == -1) code = option_own(option, optarg, a);
    if (code != EXIT_OK || a->help) return code;
  }
  if (optind + 1 < argc)
    return app_usage(name, "one framework at a time: what is %s?", argv[optind + 1]);
  a->framework = argv[optind];
  return complete(a);
}

/* ---- the runs */

typedef struct point {
  progress line;
  int k, n;
} point;

static int watch(const eqs_gcmc_progress *p, void *user) {
  point *at = user;
  char left[48];
  if (p->n_cycle == 0) {
    progress_show(&at->line, "pressure %d of %d: pores", at->k, at->n);
    return app_stopped() != 0;
  }
  seconds_left_text(p->seconds_left, left, sizeof left);
  progress_show(
      &at->line, "pressure %d of %d: %s cycle %lld of %lld, %d guests, %.3f eV, %lld energies%s",
      at->k, at->n, p->equilibrating ? "equilibration," : "production,", (long long)p->cycle,
      (long long)p->n_cycle, p->n_guest, p->energy, (long long)p->energies, left);
  return app_stopped() != 0;
}

static int print_text(const eqs_gcmc_result *r, double pressure) {
  eqs_gcmc_summary s = {.size = sizeof s};
  if (eqs_gcmc_summary_get(r, &s)) return app_fail(name, "%s", eqs_error());
  for (int k = 0; k < s.n_gas; k++) {
    eqs_gcmc_value v = {.size = sizeof v};
    if (eqs_gcmc_value_get(r, k, &v)) return app_fail(name, "%s", eqs_error());
    printf("%10.4g %10.4g  %-4s %10.4g +- %-8.2g", pressure, v.fugacity, v.gas, v.uptake,
           v.uptake_error);
    if (isfinite(v.excess)) printf(" %10.4g", v.excess);
    else printf(" %10s", "-");
    printf(" %10.4g +- %-8.2g", v.molecules, v.molecules_error);
    if (isfinite(v.heat)) printf(" %7.2f +- %-6.2g", v.heat, v.heat_error);
    else printf(" %7s    %-6s", "-", "");
    printf(" %s%s%s\n", s.not_settled ? "not-settled " : "", s.few_samples ? "few-samples " : "",
           s.holes_flagged ? "holes" : "");
  }
  fprintf(stderr,
          "equisorb gcmc: %lld moves, %lld energies of the %s, %lld of the surrogate, %.0f "
          "independent samples\n",
          (long long)s.moves, (long long)s.energies, "target", (long long)s.surrogate_energies,
          s.independent);
  if (s.n_pocket)
    fprintf(stderr, "equisorb gcmc: %d pocket%s per cell blocked\n", s.n_pocket,
            s.n_pocket == 1 ? "" : "s");
  if (*s.note) fprintf(stderr, "equisorb gcmc: %s\n", s.note);
  return EXIT_OK;
}

static int print_result(const arguments *a, const eqs_gcmc_result *r, int k, FILE *csv) {
  char *text = NULL;
  int code = EXIT_OK;
  if (csv) {
    if (eqs_gcmc_csv(r, k == 0, &text)) return app_fail(name, "%s", eqs_error());
    if (fputs(text, csv) < 0 || fflush(csv)) code = app_fail(name, "cannot write %s", a->csv);
    eqs_string_free(&text);
  }
  if (code != EXIT_OK || !a->json) return code == EXIT_OK ? print_text(r, a->pressure[k]) : code;
  if (eqs_gcmc_json(r, &text)) return app_fail(name, "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  return EXIT_OK;
}

static int run_point(const arguments *a, eqs_context *c, const eqs_model *m,
                     const eqs_structures *frames, int k, FILE *csv) {
  char path[PATH_SIZE];
  eqs_gcmc_options options = a->gcmc;
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

static int run(const arguments *a, eqs_context *c, const eqs_model *m) {
  eqs_structures *frames = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = a->model.disorder_major};
  if (eqs_structures_read(a->framework, &options, &frames))
    return app_fail(name, "%s", eqs_error());
  FILE *csv = a->csv ? fopen(a->csv, "w") : NULL;
  int code = EXIT_OK;
  if (a->csv && !csv) code = app_fail(name, "cannot write %s", a->csv);
  app_catch_signals();
  if (code == EXIT_OK && !a->json)
    printf("%10s %10s  %-4s %10s    %-8s %10s %10s    %-8s %7s    %-6s flags\n", "p / Pa", "f / Pa",
           "gas", "mol/kg", "", "excess", "per cell", "", "kJ/mol", "");
  for (int k = 0; k < a->n_pressure && code == EXIT_OK; k++) {
    code = run_point(a, c, m, frames, k, csv);
    fflush(stdout);
  }
  if (csv && fclose(csv) && code == EXIT_OK) code = app_fail(name, "cannot write %s", a->csv);
  eqs_structures_free(&frames);
  return code;
}

int gcmc_main(int argc, char **argv) {
  arguments a = {.gcmc = {.size = sizeof a.gcmc, .seed = 1, .scale = 1}};
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  int code = parse(argc, argv, &a);
  if (a.help) {
    fputs(help_text, stdout);
    return EXIT_OK;
  }
  if (code == EXIT_OK) code = model_open(name, &a.model, &context, &model);
  if (code == EXIT_OK) code = run(&a, context, model);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}
