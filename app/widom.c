/* widom.c -- `equisorb widom`: Henry coefficient and heat of adsorption of one framework, over a
 * range of temperatures, to an asked error.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "usage: equisorb widom FRAMEWORK --model M --gas G --temperature K[,K...]\n"
    "       equisorb widom --snapshots FILE --model M --gas G --temperature K\n"
    "\n"
    "Henry coefficient K_H and heat of adsorption Qst of a rigid gas at zero loading in one rigid\n"
    "framework, by Widom insertion, at all temperatures from one run that stops when K_H is known\n"
    "to the asked error at each of them. Poses are drawn from a classical potential, corrected by\n"
    "the model's energies in pilot rounds; the average is the model's, whatever that potential.\n"
    "\n"
    "  --model FILE         MACE .model or SevenNet .pth\n"
    "  --gas NAME           CO2, N2, H2O, CH4, Ar or He\n"
    "  --temperature K,...  kelvin, up to 64 values\n"
    "  --snapshots FILE     a framework that moves: the frames of FILE (extended XYZ) are "
    "snapshots\n"
    "                       of it, empty, at that temperature and in one cell; at least 20\n"
    "  --error P            95 % interval of K_H, relative: 5% or 0.05 (default 5%)\n"
    "  --max-energies N     of the model; the run stops there in any case (default 20000)\n"
    "  --method NAME        importance (default); plain: uniform poses, no classical potential\n"
    "  --surrogate NAME     uff+trappe (default) or dreiding+trappe\n"
    "  --pockets RULE       block (default) or keep\n"
    "  --overlap-energy E   eV (default 5): of the wall of two elements where atoms overlap\n"
    "  --energy E           model (default), or sum: classical + S times the model, --scale S\n"
    "  --no-fit             use the classical potential as it is\n"
    "  --table N            classical poses to begin with (default 1000000)\n"
    "  --seed S             of the random numbers (default 1)\n"
    "  --state FILE         keeps the model's energies; a stopped run goes on from there, and "
    "ends\n"
    "                       with the same result\n"
    "  --json, --csv FILE   the whole record: JSON in place of the table; CSV to a file\n"
    "  --replicate RULE     shell (default): no first-shell atom shared by a guest and its image,\n"
    "                       width >= 2 r_max + D; strict: no message path, 2 L r_max + D\n"
    "  --disorder RULE      refuse (default) or major: of disordered sites keep the majority\n"
    "  --head, --modal, --precision single|double, --dispersion d3bj[:FUNCTIONAL], --wall W,\n"
    "  --threads N          as in 'equisorb evaluate', but --wall and --dispersion auto\n"
    "                       by default\n"
    "\n"
    "Intervals are 95 %, from a jackknife over 20 blocks and the error of the classical poses.\n"
    "Flags are explained below the table. Pockets that the gas cannot reach are blocked; JSON and\n"
    "CSV hold K_H with them too.\n"
    "\n"
    "exit codes: 0 done (flags may stand in the table); 1 an error; 2 wrong usage;\n"
    "130 stopped by Ctrl-C, 143 by SIGTERM\n"
    "\n"
    "example:\n"
    "  equisorb widom IRMOF-1.cif --model sevennet_0.pth --gas CO2 \\\n"
    "      --temperature 298.15,313,353 --error 5% --state irmof-1.state\n";

enum {
  OPTION_GAS = OPTION_OWN,
  OPTION_TEMPERATURE,
  OPTION_ERROR,
  OPTION_MAX_ENERGIES,
  OPTION_METHOD,
  OPTION_SURROGATE,
  OPTION_NO_FIT,
  OPTION_TABLE,
  OPTION_SEED,
  OPTION_STATE,
  OPTION_CSV,
  OPTION_REPLICATE,
  OPTION_ENERGY,
  OPTION_SCALE,
  OPTION_POCKETS,
  OPTION_OVERLAP,
  OPTION_SNAPSHOTS
};

enum { TEMPERATURES = 64 };

typedef struct arguments {
  model_arguments model;
  eqs_widom_options widom;
  double temperature[TEMPERATURES];
  const char *framework, *csv;
  int json, help;
} arguments;

static int option_own(int option, const char *text, arguments *a) {
  eqs_widom_options *w = &a->widom;
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_JSON: a->json = 1; return EXIT_OK;
  case OPTION_CSV: a->csv = text; return EXIT_OK;
  case OPTION_GAS: w->gas = text; return EXIT_OK;
  case OPTION_TEMPERATURE:
    w->temperature = a->temperature;
    return option_list("widom", "--temperature", text, 1, 10000, TEMPERATURES, a->temperature,
                       &w->n_temperature);
  case OPTION_ERROR: return option_share("widom", "--error", text, &w->error);
  case OPTION_MAX_ENERGIES:
    return option_count("widom", "--max-energies", text, 100, &w->max_energies);
  case OPTION_TABLE: return option_count("widom", "--table", text, 100, &w->table);
  case OPTION_METHOD:
    if (strcmp(text, "plain") != 0 && strcmp(text, "importance") != 0)
      return app_usage("widom", "--method is importance or plain, not '%s'", text);
    w->method = text;
    return EXIT_OK;
  case OPTION_SURROGATE: w->surrogate = text; return EXIT_OK;
  case OPTION_NO_FIT: w->no_fit = 1; return EXIT_OK;
  case OPTION_ENERGY: return option_energy("widom", text, &w->energy);
  case OPTION_SCALE: return option_double("widom", "--scale", text, -1e6, 1e6, &w->scale);
  case OPTION_SNAPSHOTS:
    a->framework = text;
    w->snapshots = 1;
    return EXIT_OK;
  case OPTION_SEED: return option_uint64("widom", "--seed", text, &w->seed);
  case OPTION_STATE: w->state = text; return EXIT_OK;
  case OPTION_REPLICATE: return option_replicate("widom", text, &w->replicate_strict);
  case OPTION_OVERLAP: return option_overlap("widom", text, &w->overlap_energy);
  case OPTION_POCKETS: return option_pockets("widom", text, &w->keep_pockets);
  default: return app_usage("widom", "that option is not known, or its value is missing");
  }
}

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {
      MODEL_OPTIONS,
      {"gas", required_argument, NULL, OPTION_GAS},
      {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
      {"error", required_argument, NULL, OPTION_ERROR},
      {"max-energies", required_argument, NULL, OPTION_MAX_ENERGIES},
      {"method", required_argument, NULL, OPTION_METHOD},
      {"surrogate", required_argument, NULL, OPTION_SURROGATE},
      {"no-fit", no_argument, NULL, OPTION_NO_FIT},
      {"table", required_argument, NULL, OPTION_TABLE},
      {"seed", required_argument, NULL, OPTION_SEED},
      {"state", required_argument, NULL, OPTION_STATE},
      {"json", no_argument, NULL, OPTION_JSON},
      {"csv", required_argument, NULL, OPTION_CSV},
      {"replicate", required_argument, NULL, OPTION_REPLICATE},
      {"pockets", required_argument, NULL, OPTION_POCKETS},
      {"overlap-energy", required_argument, NULL, OPTION_OVERLAP},
      {"energy", required_argument, NULL, OPTION_ENERGY},
      {"scale", required_argument, NULL, OPTION_SCALE},
      {"snapshots", required_argument, NULL, OPTION_SNAPSHOTS},
      {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    int code = option_model("widom", option, optarg, &a->model);
    if (code == -1) code = option_own(option, optarg, a);
    if (code != EXIT_OK || a->help) return code;
  }
  int named = argc - optind + a->widom.snapshots;
  if (named < 1) return app_usage("widom", "no framework was named");
  if (named > 1) return app_usage("widom", "one framework at a time; see equisorb screen");
  if (!a->widom.snapshots) a->framework = argv[optind];
  if (!a->model.model) return app_usage("widom", "--model FILE is missing");
  if (!a->widom.gas) return app_usage("widom", "--gas NAME is missing");
  if (!a->widom.n_temperature) return app_usage("widom", "--temperature K is missing");
  a->widom.disorder_major = a->model.disorder_major;
  return EXIT_OK;
}

static int watch(const eqs_widom_progress *p, void *user) {
  char error[48] = "";
  if (p->error >= 0 && p->error < 10)
    snprintf(error, sizeof error, ", error %.1f %%", 100 * p->error);
  progress_show(user, "%s: %lld of %lld; %lld energies of the model%s", p->phase,
                (long long)p->done, (long long)p->of, (long long)p->n_energy, error);
  return app_stopped() != 0;
}

static int write_csv(const eqs_widom_result *result, const char *path) {
  char *text = NULL;
  if (eqs_widom_text(result, "csv", &text)) return app_fail("widom", "%s", eqs_error());
  FILE *f = fopen(path, "w");
  int bad = !f || fputs(text, f) == EOF;
  if (f && fclose(f)) bad = 1;
  eqs_string_free(&text);
  if (bad) return app_fail("widom", "cannot write %s: %s", path, strerror(errno));
  return EXIT_OK;
}

static int show(const eqs_widom_result *result, const arguments *a) {
  char *text = NULL;
  if (eqs_widom_text(result, a->json ? "json" : "table", &text))
    return app_fail("widom", "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  return a->csv ? write_csv(result, a->csv) : EXIT_OK;
}

static int run(const arguments *a, eqs_context *context, eqs_model *model) {
  eqs_widom_result *result = NULL;
  app_catch_signals();
  progress line = progress_start();
  eqs_status status = eqs_widom(context, model, a->framework, &a->widom, watch, &line, &result);
  progress_clear(&line);
  int code = EXIT_OK;
  if (status == EQS_ERR_INTERRUPTED && app_stopped()) {
    app_fail("widom", "%s%s%s", eqs_error(),
             a->widom.state ? "; the same command goes on from " : "",
             a->widom.state ? a->widom.state : "");
    code = app_stop_code();
  } else if (status != EQS_OK) {
    code = app_fail("widom", "%s", eqs_error());
  } else {
    code = show(result, a);
  }
  eqs_widom_result_free(&result);
  return code;
}

int widom_main(int argc, char **argv) {
  arguments a = {.model = {.simulates = 1},
                 .widom = {.size = sizeof a.widom, .seed = 1, .scale = 1}};
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  int code = parse(argc, argv, &a);
  if (a.help) {
    fputs(help_text, stdout);
    return EXIT_OK;
  }
  if (code != EXIT_OK) return code;
  code = model_open("widom", &a.model, &context, &model);
  if (code == EXIT_OK) code = run(&a, context, model);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}
