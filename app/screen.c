/* screen.c -- `equisorb screen`: from a folder of frameworks to a ranked table of gas uptake.
 *
 * Names on the command line become a list of files (a folder stands for its structures, sorted),
 * the library does the work, and the table goes to standard output. Nothing is written there
 * before.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"
#include "app/ranks.h"
#include "app/shard.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char name[] = "screen";

static const char help_text[] =
    "usage: equisorb screen DIR|FILE... --gas G --temperature K --output RESULTS.db [--model M]\n"
    "\n"
    "A funnel over many frameworks, rigid gas, rigid frameworks. Each stage takes those that the\n"
    "one before lets through:\n"
    "  pores      diameters, channels, pockets, helium void fraction\n"
    "  classical  Henry coefficient and heat of adsorption by Lennard-Jones and charges\n"
    "  model      the same by the force field\n"
    "  isotherm   uptake at some pressures by grand canonical Monte Carlo, of the best\n"
    "DIR stands for its *.cif, *.xyz and *.extxyz files, sorted. The ranked table goes to "
    "standard\n"
    "output; it says of each framework how far it got, and why no further.\n"
    "\n"
    "  --model FILE         MACE .model or SevenNet .pth; for the stages model and isotherm\n"
    "  --gas NAME           CO2, N2, H2O, CH4, Ar or He\n"
    "  --temperature K      kelvin\n"
    "  --output FILE        SQLite file of results; one that exists is continued: what is in it\n"
    "                       (same content, same settings) is not computed again\n"
    "  --stage STAGE        the last one (default model)\n"
    "  --min-diameter A     frameworks whose free sphere Df is smaller (angstrom) end after "
    "pores;\n"
    "                       default 3/4 of the gas's kinetic diameter, 0 lets all through\n"
    "  --min-henry K        those with less by the classical estimate (mol/kg/Pa) end there\n"
    "  --best N             only the N best by the classical estimate go to the model\n"
    "  --error P            of the model's K_H: 95 % interval, relative, 5% or 0.05 (default 5%)\n"
    "  --max-energies N     of the model for that, per framework (default 20000)\n"
    "  --insertions N       instead: N uniform draws per framework, overlapping ones included\n"
    "  --isotherms N        of the N best by K_H (default 5; asks for the stage isotherm)\n"
    "  --pressures PA,...   of isotherms (default 1e3,1e4,1e5; asks for the stage isotherm)\n"
    "  --cycles N           of equilibration and of production, per pressure (default 2000)\n"
    "  --energy E           model (default); classical: Lennard-Jones and charges in isotherms "
    "too,\n"
    "                       no model needed; sum: classical + S times the model\n"
    "  --scale S            of the model in a sum (default 1)\n"
    "  --pockets block|keep whether places that the gas cannot get to stay empty (default block;\n"
    "                       the results have K_H with and without)\n"
    "  --overlap-energy E   eV (default 5): of the wall of two elements where atoms overlap\n"
    "  --csv FILE           the rows of this run with every column\n"
    "  --seed S             of the random numbers (default 1)\n"
    "  --pressure PA        for the uptake column, K_H times this (default 40 Pa: CO2 in air)\n"
    "  --replicate RULE     shell (default): no first-shell atom shared by a guest and its image,\n"
    "                       width >= 2 r_max + length; strict: no message path between them at "
    "all\n"
    "  --shard I/N          the frameworks of the I-th of N parts, balanced by the files' sizes, "
    "with a\n"
    "                       store each; then equisorb merge, and the command without --shard, "
    "which\n"
    "                       does what ranks all of them (--best, isotherms)\n"
    "  --retry-failed       try again the frameworks whose failure is in the results\n"
    "  --head H, --modal P, --precision single|double, --dispersion none|d3bj[:FUNCTIONAL],\n"
    "  --wall auto|on|off, --threads N, --disorder refuse|major\n"
    "                       as for evaluate, but --wall and --dispersion auto by default\n"
    "\n";

static const char help_end[] =
    "A framework that fails is a row with its reason. Overlaps, and wells of the model that are\n"
    "too deep to be real, have weight 0 and are counted. Errors are 95 % intervals. Ctrl-C stops\n"
    "cleanly; the same command continues. Flags in the table are explained below it.\n"
    "Processes that mpirun or srun start take frameworks as they are done with others; one of "
    "them\n"
    "writes the results, which are those of one process.\n"
    "\n"
    "exit codes: 0 all frameworks done; 1 an error, or some frameworks failed (see the table);\n"
    "2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM\n"
    "\n"
    "example:\n"
    "  equisorb screen cifs/ --model sevennet_0.pth --gas CO2 --temperature 298 --best 50 \\\n"
    "      --isotherms 5 --pressures 40,1e4,1e5 --output co2.db --csv co2.csv\n"
    "  mpirun -n 16 equisorb screen cifs/ --model sevennet_0.pth --gas CO2 --temperature 298 \\\n"
    "      --threads 1 --output co2.db\n"
    "  equisorb screen cifs/ --model sevennet_0.pth --gas CO2 --temperature 298 --shard 2/8 \\\n"
    "      --output co2-2.db\n";

enum { PRESSURES = 256 };
enum {
  OPTION_GAS = OPTION_OWN,
  OPTION_TEMPERATURE,
  OPTION_CSV,
  OPTION_INSERTIONS,
  OPTION_SEED,
  OPTION_PRESSURE,
  OPTION_REPLICATE,
  OPTION_RETRY,
  OPTION_STAGE,
  OPTION_MIN_DIAMETER,
  OPTION_MIN_HENRY,
  OPTION_BEST,
  OPTION_ERROR,
  OPTION_MAX_ENERGIES,
  OPTION_ISOTHERMS,
  OPTION_PRESSURES,
  OPTION_CYCLES,
  OPTION_ENERGY,
  OPTION_SCALE,
  OPTION_POCKETS,
  OPTION_OVERLAP,
  OPTION_SHARD
};

typedef struct arguments {
  model_arguments model;
  eqs_screen_options screen;
  double pressures[PRESSURES]; /* of isotherms */
  const char *output, *csv;
  double pressure;
  shard_argument shard;
  int help;
} arguments;

typedef struct file_list {
  char **path;
  int n, capacity;
} file_list;

static int option_stage(const char *text, arguments *a) {
  static const char *const stages[] = {"pores", "classical", "model", "isotherm"};
  a->screen.stage = text;
  for (size_t k = 0; k < sizeof stages / sizeof *stages; k++)
    if (strcmp(text, stages[k]) == 0) return EXIT_OK;
  return app_usage(name, "--stage is pores, classical, model or isotherm, not '%s'", text);
}

/* 0 is no limit; to the library that is a negative number. */
static int option_diameter(const char *text, double *out) {
  if (option_double(name, "--min-diameter", text, 0, 100, out)) return EXIT_USAGE;
  if (*out == 0) *out = -1;
  return EXIT_OK;
}

static int option_funnel(int option, const char *text, arguments *a) {
  eqs_screen_options *s = &a->screen;
  switch (option) {
  case OPTION_STAGE: return option_stage(text, a);
  case OPTION_MIN_DIAMETER: return option_diameter(text, &s->min_diameter);
  case OPTION_MIN_HENRY: return option_double(name, "--min-henry", text, 0, 1e9, &s->min_henry);
  case OPTION_BEST: return option_count(name, "--best", text, 1, &s->best);
  case OPTION_ERROR: return option_share(name, "--error", text, &s->error);
  case OPTION_MAX_ENERGIES:
    return option_count(name, "--max-energies", text, 100, &s->max_energies);
  case OPTION_INSERTIONS: return option_count(name, "--insertions", text, 100, &s->insertions);
  case OPTION_ISOTHERMS: return option_count(name, "--isotherms", text, 1, &s->isotherms);
  case OPTION_PRESSURES:
    s->pressure = a->pressures;
    return option_list(name, "--pressures", text, 1e-30, 1e12, PRESSURES, a->pressures,
                       &s->n_pressure);
  case OPTION_CYCLES: return option_count(name, "--cycles", text, 1, &s->cycles);
  case OPTION_ENERGY: return option_energy(name, text, &s->energy);
  case OPTION_SCALE: return option_double(name, "--scale", text, -1e6, 1e6, &s->scale);
  case OPTION_OVERLAP: return option_overlap(name, text, &s->overlap_energy);
  case OPTION_POCKETS: return option_pockets(name, text, &s->keep_pockets);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

static int option_own(int option, const char *text, arguments *a) {
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_OUTPUT: a->output = text; return EXIT_OK;
  case OPTION_CSV: a->csv = text; return EXIT_OK;
  case OPTION_GAS: a->screen.gas = text; return EXIT_OK;
  case OPTION_TEMPERATURE:
    return option_double(name, "--temperature", text, 1, 10000, &a->screen.temperature);
  case OPTION_PRESSURE: return option_double(name, "--pressure", text, 1e-30, 1e12, &a->pressure);
  case OPTION_RETRY: a->screen.retry_failed = 1; return EXIT_OK;
  case OPTION_SHARD: return shard_option(name, text, &a->shard);
  case OPTION_SEED: return option_uint64(name, "--seed", text, &a->screen.seed);
  case OPTION_REPLICATE: return option_replicate(name, text, &a->screen.replicate_strict);
  default: return option_funnel(option, text, a);
  }
}

/* What belongs to a stage that is not reached, or to the other way to sample, would do nothing. */
static int check_unused(const arguments *a) {
  const eqs_screen_options *s = &a->screen;
  int classical = s->energy == EQS_ENERGY_CLASSICAL, isotherm = strcmp(s->stage, "isotherm") == 0;
  int model = !classical && (isotherm || strcmp(s->stage, "model") == 0);
  if (!isotherm && (s->isotherms || s->pressure || s->cycles))
    return app_usage(name, "--isotherms, --pressures and --cycles are of --stage isotherm");
  if (!model && (s->error > 0 || s->max_energies || s->insertions || s->best))
    return app_usage(name,
                     "--best, --error, --max-energies and --insertions are of the stage model");
  if (strcmp(s->stage, "pores") == 0 && s->min_diameter != 0)
    return app_usage(name, "--min-diameter decides what goes on after the pores");
  if (!model && !isotherm && s->min_henry > 0)
    return app_usage(name, "--min-henry decides what goes on after the stage classical");
  if (s->insertions && (s->error > 0 || s->max_energies))
    return app_usage(name, "--insertions is instead of --error and --max-energies");
  if (model && !a->model.model)
    return app_usage(name, "--model FILE is missing (--stage classical and --energy classical need "
                           "none)");
  if (!model && a->model.model)
    return app_usage(name, "--model does nothing with --stage %s%s", s->stage,
                     classical ? " --energy classical" : "");
  return EXIT_OK;
}

static int complete(arguments *a) {
  eqs_screen_options *s = &a->screen;
  if (!s->gas) return app_usage(name, "--gas NAME is missing");
  if (!(s->temperature > 0)) return app_usage(name, "--temperature K is missing");
  if (!a->output) return app_usage(name, "--output RESULTS.db is missing");
  if (!s->stage)
    s->stage = s->isotherms || s->pressure         ? "isotherm"
               : s->energy == EQS_ENERGY_CLASSICAL ? "classical"
                                                   : "model";
  if (s->energy == EQS_ENERGY_CLASSICAL && strcmp(s->stage, "model") == 0)
    return app_usage(name, "--energy classical knows no --stage model");
  s->disorder_major = a->model.disorder_major;
  s->part = shard_is_part(&a->shard);
  return check_unused(a);
}

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {
      MODEL_OPTIONS,
      {"output", required_argument, NULL, OPTION_OUTPUT},
      {"gas", required_argument, NULL, OPTION_GAS},
      {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
      {"csv", required_argument, NULL, OPTION_CSV},
      {"insertions", required_argument, NULL, OPTION_INSERTIONS},
      {"seed", required_argument, NULL, OPTION_SEED},
      {"pressure", required_argument, NULL, OPTION_PRESSURE},
      {"replicate", required_argument, NULL, OPTION_REPLICATE},
      {"retry-failed", no_argument, NULL, OPTION_RETRY},
      {"stage", required_argument, NULL, OPTION_STAGE},
      {"min-diameter", required_argument, NULL, OPTION_MIN_DIAMETER},
      {"min-henry", required_argument, NULL, OPTION_MIN_HENRY},
      {"best", required_argument, NULL, OPTION_BEST},
      {"error", required_argument, NULL, OPTION_ERROR},
      {"max-energies", required_argument, NULL, OPTION_MAX_ENERGIES},
      {"isotherms", required_argument, NULL, OPTION_ISOTHERMS},
      {"pressures", required_argument, NULL, OPTION_PRESSURES},
      {"cycles", required_argument, NULL, OPTION_CYCLES},
      {"energy", required_argument, NULL, OPTION_ENERGY},
      {"scale", required_argument, NULL, OPTION_SCALE},
      {"pockets", required_argument, NULL, OPTION_POCKETS},
      {"overlap-energy", required_argument, NULL, OPTION_OVERLAP},
      {"shard", required_argument, NULL, OPTION_SHARD},
      {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    int code = option_model(name, option, optarg, &a->model);
    if (code == -1) code = option_own(option, optarg, a);
    if (code != EXIT_OK || a->help) return code;
  }
  if (optind >= argc) return app_usage(name, "no frameworks were named");
  return complete(a);
}

static int add_file(file_list *list, const char *folder, const char *entry) {
  if (list->n == list->capacity) {
    int capacity = list->capacity ? 2 * list->capacity : 64;
    char **path = realloc(list->path, (size_t)capacity * sizeof *path);
    if (!path) return app_fail(name, "out of memory for the list of files");
    list->path = path;
    list->capacity = capacity;
  }
  size_t size = strlen(folder) + strlen(entry) + 2;
  char *path = malloc(size);
  if (!path) return app_fail(name, "out of memory for the list of files");
  size_t end = strlen(folder);
  const char *slash = *folder && folder[end - 1] != '/' ? "/" : "";
  snprintf(path, size, "%s%s%s", folder, slash, entry);
  list->path[list->n++] = path;
  return EXIT_OK;
}

static int is_structure(const char *entry) {
  const char *dot = strrchr(entry, '.');
  return entry[0] != '.' && dot &&
         (!strcasecmp(dot, ".cif") || !strcasecmp(dot, ".xyz") || !strcasecmp(dot, ".extxyz"));
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_folder(file_list *list, const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return app_fail(name, "cannot open folder %s: %s", folder, strerror(errno));
  int before = list->n, code = EXIT_OK;
  for (struct dirent *entry; code == EXIT_OK && (entry = readdir(dir));)
    if (is_structure(entry->d_name)) code = add_file(list, folder, entry->d_name);
  closedir(dir);
  if (code == EXIT_OK && list->n == before)
    return app_fail(name, "there is no .cif, .xyz or .extxyz file in %s", folder);
  if (list->n > before)
    qsort(list->path + before, (size_t)(list->n - before), sizeof *list->path, by_name);
  return code;
}

/* Leaves the files of the shard. */
static int keep_shard(const shard_argument *shard, file_list *list) {
  size_t n = (size_t)(list->n > 0 ? list->n : 1);
  double *size = calloc(n, sizeof *size);
  char *mine = calloc(n, 1);
  int code = size && mine ? EXIT_OK : app_fail(name, "out of memory for the list of files");
  for (int k = 0; code == EXIT_OK && k < list->n; k++) {
    struct stat info;
    size[k] = stat(list->path[k], &info) ? 0 : (double)info.st_size;
  }
  if (code == EXIT_OK) code = shard_pick(name, shard, size, list->n, mine);
  for (int k = 0, all = list->n; code == EXIT_OK && k < all; k++) {
    if (k == 0) list->n = 0;
    if (mine[k]) list->path[list->n++] = list->path[k];
    else free(list->path[k]);
  }
  free(size);
  free(mine);
  return code;
}

static int list_files(int argc, char **argv, file_list *list) {
  int code = EXIT_OK;
  for (int i = 0; i < argc && code == EXIT_OK; i++) {
    struct stat info;
    int folder = stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode);
    code = folder ? add_folder(list, argv[i]) : add_file(list, "", argv[i]);
  }
  return code;
}

static int watch(const eqs_screen_progress *p, void *user) {
  char left[48];
  seconds_left_text(p->seconds_left, left, sizeof left);
  progress_show(user, "framework %d of %d: %.32s, %s %lld of %lld%s", p->framework, p->n_framework,
                p->name, p->phase, (long long)p->done, (long long)p->of, left);
  return app_stopped() != 0;
}

static int show(const eqs_screen_result *result, const arguments *a) {
  char *text = NULL;
  if (eqs_screen_table(result, a->pressure, &text)) return app_fail(name, "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  if (a->csv && eqs_screen_csv(result, a->pressure, a->csv))
    return app_fail(name, "%s", eqs_error());
  return EXIT_OK;
}

static int run(const arguments *a, const file_list *files, eqs_comm *ranks, eqs_context *context,
               eqs_model *model) {
  eqs_screen_result *result = NULL;
  eqs_screen_counts counts = {.size = sizeof counts};
  int works = eqs_comm_rank(ranks) > 0, code = EXIT_OK;
  if (!works) app_catch_signals();
  progress line = progress_start();
  eqs_status status = eqs_screen_ranks(ranks, context, model, (const char *const *)files->path,
                                       files->n, &a->screen, a->output, watch, &line, &result);
  progress_clear(&line);
  if (works) return status == EQS_OK ? EXIT_OK : EXIT_FAILED;
  if (status != EQS_OK && status != EQS_ERR_INTERRUPTED) return app_fail(name, "%s", eqs_error());
  if (eqs_screen_counts_get(result, &counts)) code = app_fail(name, "%s", eqs_error());
  if (status == EQS_ERR_INTERRUPTED) {
    app_fail(name, "stopped; %d of %d frameworks are done in %s, the same command continues",
             counts.n_ok + counts.n_failed, files->n, a->output);
    code = app_stop_code();
  } else if (code == EXIT_OK) {
    code = show(result, a);
    if (code == EXIT_OK && counts.n_failed) code = EXIT_FAILED;
  }
  eqs_screen_result_free(&result);
  return code;
}

static int on_rank(int argc, char **argv, eqs_comm *ranks) {
  arguments a = {.model = {.simulates = 1, .optional = 1},
                 .screen = {.size = sizeof a.screen, .seed = 1, .scale = 1},
                 .pressure = 40};
  file_list files = {0};
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  const int first = eqs_comm_rank(ranks) == 0;
  int code = parse(argc, argv, &a);
  if (a.help) {
    if (first) printf("%s%s", help_text, help_end);
    return EXIT_OK;
  }
  if (code == EXIT_OK && first) {
    code = list_files(argc - optind, argv + optind, &files);
    if (code == EXIT_OK) code = keep_shard(&a.shard, &files);
  }
  if (code == EXIT_OK) code = model_open(name, &a.model, &context, &model);
  code = ranks_agree(ranks, code);
  if (code == EXIT_OK) code = run(&a, &files, ranks, context, model);
  eqs_model_free(&model);
  eqs_context_free(&context);
  for (int i = 0; i < files.n; i++) free(files.path[i]);
  free(files.path);
  return code;
}

int screen_main(int argc, char **argv) { return ranks_main(name, argc, argv, on_rank); }
