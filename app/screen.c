/* screen.c -- `equisorb screen`: from a folder of frameworks to a ranked table of gas uptake.
 *
 * Names on the command line become a list of files (a folder stands for its structures, sorted),
 * the library does the work, and the table goes to standard output. Nothing is written there
 * before.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char help_text[] =
    "usage: equisorb screen DIR|FILE... --model M --gas G --temperature K --output RESULTS.db\n"
    "\n"
    "Henry coefficient and heat of adsorption of a rigid gas at zero loading in rigid frameworks, "
    "by\n"
    "Widom insertion: W = <exp(-U/kT)> over all draws, K_H = W/(R T rho), Qst = R T - <U>. DIR "
    "stands\n"
    "for its *.cif, *.xyz and *.extxyz files, sorted. The ranked table goes to standard output.\n"
    "\n"
    "  --model FILE         MACE .model or SevenNet .pth\n"
    "  --gas NAME           CO2, N2, H2O, CH4, Ar or He\n"
    "  --temperature K      kelvin\n"
    "  --output FILE        SQLite file of results; one that exists is continued: frameworks that\n"
    "                       are in it (same content, same settings) are not computed again\n"
    "  --csv FILE           the rows of this run with every column\n"
    "  --insertions N       draws per framework, overlapping ones included (default 10000)\n"
    "  --seed S             of the random numbers (default 1)\n"
    "  --pressure PA        for the uptake column, K_H times this (default 40 Pa: CO2 in air)\n"
    "  --replicate RULE     shell (default): no first-shell atom shared by a guest and its image,\n"
    "                       width >= 2 r_max + length; strict: no message path between them at "
    "all\n"
    "  --retry-failed       try again the frameworks whose failure is in the results\n"
    "  --head H, --modal P, --precision single|double, --dispersion none|d3bj[:FUNCTIONAL],\n"
    "  --threads N, --disorder refuse|major\n"
    "                       as for evaluate\n"
    "\n"
    "A framework that fails is a row with its reason. Draws closer than 0.8 of the sum of "
    "covalent\n"
    "radii, and wells below -200 kJ/mol (faults of the model), have weight 0 and are counted. "
    "Errors\n"
    "are 95 % intervals from a jackknife over 20 blocks. Pockets that the gas could not reach are "
    "not\n"
    "blocked. Ctrl-C stops cleanly; the same command continues. Flags in the table are explained\n"
    "below it.\n"
    "\n"
    "exit codes: 0 all frameworks done; 1 an error, or some frameworks failed (see the table);\n"
    "2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM\n"
    "\n"
    "example:\n"
    "  equisorb screen cifs/ --model sevennet_0.pth --gas CO2 --temperature 298 \\\n"
    "      --output co2.db --csv co2.csv --insertions 20000\n";

enum {
  OPTION_GAS = OPTION_OWN,
  OPTION_TEMPERATURE,
  OPTION_CSV,
  OPTION_INSERTIONS,
  OPTION_SEED,
  OPTION_PRESSURE,
  OPTION_REPLICATE,
  OPTION_RETRY
};

typedef struct arguments {
  model_arguments model;
  eqs_screen_options screen;
  const char *output, *csv;
  double pressure;
  int help;
} arguments;

typedef struct file_list {
  char **path;
  int n, capacity;
} file_list;

static int option_own(int option, const char *text, arguments *a) {
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_OUTPUT: a->output = text; return EXIT_OK;
  case OPTION_CSV: a->csv = text; return EXIT_OK;
  case OPTION_GAS: a->screen.gas = text; return EXIT_OK;
  case OPTION_TEMPERATURE:
    return option_double("screen", "--temperature", text, 1, 10000, &a->screen.temperature);
  case OPTION_PRESSURE:
    return option_double("screen", "--pressure", text, 1e-30, 1e12, &a->pressure);
  case OPTION_RETRY: a->screen.retry_failed = 1; return EXIT_OK;
  case OPTION_SEED: return option_uint64("screen", "--seed", text, &a->screen.seed);
  case OPTION_INSERTIONS:
    return option_count("screen", "--insertions", text, 100, &a->screen.insertions);
  case OPTION_REPLICATE: return option_replicate("screen", text, &a->screen.replicate_strict);
  default: return app_usage("screen", "that option is not known, or its value is missing");
  }
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
      {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    int code = option_model("screen", option, optarg, &a->model);
    if (code == -1) code = option_own(option, optarg, a);
    if (code != EXIT_OK || a->help) return code;
  }
  if (optind >= argc) return app_usage("screen", "no frameworks were named");
  if (!a->model.model) return app_usage("screen", "--model FILE is missing");
  if (!a->screen.gas) return app_usage("screen", "--gas NAME is missing");
  if (!(a->screen.temperature > 0)) return app_usage("screen", "--temperature K is missing");
  if (!a->output) return app_usage("screen", "--output RESULTS.db is missing");
  a->screen.disorder_major = a->model.disorder_major;
  return EXIT_OK;
}

static int add_file(file_list *list, const char *folder, const char *name) {
  if (list->n == list->capacity) {
    int capacity = list->capacity ? 2 * list->capacity : 64;
    char **path = realloc(list->path, (size_t)capacity * sizeof *path);
    if (!path) return app_fail("screen", "out of memory for the list of files");
    list->path = path;
    list->capacity = capacity;
  }
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (!path) return app_fail("screen", "out of memory for the list of files");
  size_t end = strlen(folder);
  const char *slash = *folder && folder[end - 1] != '/' ? "/" : "";
  snprintf(path, size, "%s%s%s", folder, slash, name);
  list->path[list->n++] = path;
  return EXIT_OK;
}

static int is_structure(const char *name) {
  const char *dot = strrchr(name, '.');
  return name[0] != '.' && dot &&
         (!strcasecmp(dot, ".cif") || !strcasecmp(dot, ".xyz") || !strcasecmp(dot, ".extxyz"));
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_folder(file_list *list, const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return app_fail("screen", "cannot open folder %s: %s", folder, strerror(errno));
  int before = list->n, code = EXIT_OK;
  for (struct dirent *entry; code == EXIT_OK && (entry = readdir(dir));)
    if (is_structure(entry->d_name)) code = add_file(list, folder, entry->d_name);
  closedir(dir);
  if (code == EXIT_OK && list->n == before)
    return app_fail("screen", "there is no .cif, .xyz or .extxyz file in %s", folder);
  if (list->n > before)
    qsort(list->path + before, (size_t)(list->n - before), sizeof *list->path, by_name);
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
  progress_show(user, "framework %d of %d: %.32s, %lld of %lld insertions%s", p->framework,
                p->n_framework, p->name, (long long)p->insertion, (long long)p->n_insertion, left);
  return app_stopped() != 0;
}

static int show(const eqs_screen_result *result, const arguments *a) {
  char *text = NULL;
  if (eqs_screen_table(result, a->pressure, &text)) return app_fail("screen", "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  if (a->csv && eqs_screen_csv(result, a->pressure, a->csv))
    return app_fail("screen", "%s", eqs_error());
  return EXIT_OK;
}

static int run(const arguments *a, const file_list *files, eqs_context *context, eqs_model *model) {
  eqs_screen_result *result = NULL;
  eqs_screen_counts counts = {.size = sizeof counts};
  app_catch_signals();
  progress line = progress_start();
  eqs_status status = eqs_screen(context, model, (const char *const *)files->path, files->n,
                                 &a->screen, a->output, watch, &line, &result);
  progress_clear(&line);
  int code = EXIT_OK;
  if (status != EQS_OK && status != EQS_ERR_INTERRUPTED)
    return app_fail("screen", "%s", eqs_error());
  if (eqs_screen_counts_get(result, &counts)) code = app_fail("screen", "%s", eqs_error());
  if (status == EQS_ERR_INTERRUPTED) {
    app_fail("screen", "stopped; %d of %d frameworks are in %s, the same command continues",
             counts.n_ok + counts.n_failed, files->n, a->output);
    code = app_stop_code();
  } else if (code == EXIT_OK) {
    code = show(result, a);
    if (code == EXIT_OK && counts.n_failed) code = EXIT_FAILED;
  }
  eqs_screen_result_free(&result);
  return code;
}

int screen_main(int argc, char **argv) {
  arguments a = {.screen = {.size = sizeof a.screen, .seed = 1}, .pressure = 40};
  file_list files = {0};
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  int code = parse(argc, argv, &a);
  if (a.help) {
    fputs(help_text, stdout);
    return EXIT_OK;
  }
  if (code != EXIT_OK) return code;
  code = list_files(argc - optind, argv + optind, &files);
  if (code == EXIT_OK) code = model_open("screen", &a.model, &context, &model);
  if (code == EXIT_OK) code = run(&a, &files, context, model);
  eqs_model_free(&model);
  eqs_context_free(&context);
  for (int i = 0; i < files.n; i++) free(files.path[i]);
  free(files.path);
  return code;
}
