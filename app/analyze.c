/* analyze.c -- `equisorb analyze`: diffusion, radial distributions and density maps of
 * trajectories.
 *
 * SPDX-License-Identifier: MIT */
#include "app/run_file.h"

#include <string.h>

static const char name[] = "analyze";

static const char help_text[] =
    "usage: equisorb analyze TRAJECTORY... [--diffusion GROUPS] [--rdf PAIRS] [--density GROUP]\n"
    "\n"
    "Reads trajectories (extended XYZ or H5MD, as `equisorb md` writes them) once. Several are\n"
    "taken as independent runs of the same atoms.\n"
    "\n"
    "  --diffusion GROUPS  mean-square displacements and self-diffusion coefficients. Groups:\n"
    "                      Li (atoms of an element), CO2 (molecules of this formula, by bonds in "
    "the\n"
    "                      first frame), molecules (every formula), 425-460:3 (these atoms, from "
    "1, "
    "as\n"
    "                      molecules of three); several with commas\n"
    "  --rdf PAIRS         radial distribution functions: all, or Zn-O,O-O\n"
    "  --density GROUP     density map of a group's atoms in the cell, or with --centers of its\n"
    "                      centres of mass\n"
    "  --output PREFIX     writes PREFIX-diffusion.csv, PREFIX-msd.csv, PREFIX-rdf.csv and\n"
    "                      PREFIX-density.cube, each if it was asked for\n"
    "  --json              JSON instead of a table on standard output\n"
    "\n"
    "  --skip T            ps left out at the beginning of each trajectory\n"
    "  --blocks N          per trajectory, whose spread gives the errors (default: 5 in all)\n"
    "  --interval T        fs between frames, of a file that does not say its times\n"
    "  --unwrapped         positions in extended XYZ are continuous in time; else an atom goes "
    "the\n"
    "                      shorter way round the cell from frame to frame\n"
    "  --drift D           removed: host (default): the framework's, or that of all atoms where "
    "there\n"
    "                      is none; all; none\n"
    "  --spacing L         of cages: diffusion is further than this, on average (default 3 "
    "angstrom)\n"
    "  --rdf-distance R    default half the smallest width of the cell, at most 12 angstrom; "
    "images\n"
    "                      count beyond\n"
    "  --rdf-step R        default 0.05 angstrom\n"
    "  --density-step R    default 0.25 angstrom\n"
    "  --threads N         default all cores\n"
    "\n"
    "A diffusion coefficient is given only where the slope of log msd against log lag is within\n"
    "0.9 and 1.1 over a factor of four in lag.\n"
    "\n"
    "exit codes: 0 done; 1 an error; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM\n"
    "\n"
    "example: equisorb analyze run.h5 --diffusion CO2 --rdf Zn-O --density CO2 --output co2\n";

static const unit unit_ps[] = {{"ps", 1}, {"fs", 1e-3}, {"ns", 1e3}, {NULL, 0}};
static const unit unit_length[] = {{"angstrom", 1}, {"A", 1}, {"nm", 10}, {NULL, 0}};

typedef struct arguments {
  eqs_analysis_options run;
  const char *output;
  int json;
} arguments;

enum {
  OPTION_DIFFUSION = OPTION_OWN,
  OPTION_RDF,
  OPTION_DENSITY,
  OPTION_CENTERS,
  OPTION_SKIP,
  OPTION_BLOCKS,
  OPTION_INTERVAL,
  OPTION_UNWRAPPED,
  OPTION_DRIFT,
  OPTION_SPACING,
  OPTION_DISTANCE,
  OPTION_STEP,
  OPTION_VOXEL
};

static const struct option table[] = {{"help", no_argument, NULL, OPTION_HELP},
                                      {"threads", required_argument, NULL, OPTION_THREADS},
                                      {"json", no_argument, NULL, OPTION_JSON},
                                      {"output", required_argument, NULL, OPTION_OUTPUT},
                                      {"diffusion", required_argument, NULL, OPTION_DIFFUSION},
                                      {"rdf", required_argument, NULL, OPTION_RDF},
                                      {"density", required_argument, NULL, OPTION_DENSITY},
                                      {"centers", no_argument, NULL, OPTION_CENTERS},
                                      {"skip", required_argument, NULL, OPTION_SKIP},
                                      {"blocks", required_argument, NULL, OPTION_BLOCKS},
                                      {"interval", required_argument, NULL, OPTION_INTERVAL},
                                      {"unwrapped", no_argument, NULL, OPTION_UNWRAPPED},
                                      {"drift", required_argument, NULL, OPTION_DRIFT},
                                      {"spacing", required_argument, NULL, OPTION_SPACING},
                                      {"rdf-distance", required_argument, NULL, OPTION_DISTANCE},
                                      {"rdf-step", required_argument, NULL, OPTION_STEP},
                                      {"density-step", required_argument, NULL, OPTION_VOXEL},
                                      {NULL, 0, NULL, 0}};

static int take(arguments *a, int option, const char *text) {
  eqs_analysis_options *o = &a->run;
  switch (option) {
  case OPTION_JSON: a->json = 1; return EXIT_OK;
  case OPTION_OUTPUT: a->output = text; return EXIT_OK;
  case OPTION_DIFFUSION: o->diffusion = text; return EXIT_OK;
  case OPTION_RDF: o->rdf = text; return EXIT_OK;
  case OPTION_DENSITY: o->density = text; return EXIT_OK;
  case OPTION_CENTERS: o->density_centers = 1; return EXIT_OK;
  case OPTION_UNWRAPPED: o->unwrapped = 1; return EXIT_OK;
  case OPTION_DRIFT: o->drift = text; return EXIT_OK;
  case OPTION_THREADS: return option_int(name, "--threads", text, 0, 4096, &o->threads);
  case OPTION_BLOCKS: return option_int(name, "--blocks", text, 1, 100, &o->blocks);
  case OPTION_SKIP: return option_quantity(name, "--skip", text, unit_ps, 0, 1e12, &o->skip);
  case OPTION_INTERVAL:
    return option_quantity(name, "--interval", text, unit_time, 1e-6, 1e12, &o->interval);
  case OPTION_SPACING:
    return option_quantity(name, "--spacing", text, unit_length, 1e-6, 1e6, &o->spacing);
  case OPTION_DISTANCE:
    return option_quantity(name, "--rdf-distance", text, unit_length, 0.1, 1e3, &o->rdf_distance);
  case OPTION_STEP:
    return option_quantity(name, "--rdf-step", text, unit_length, 1e-4, 10, &o->rdf_step);
  case OPTION_VOXEL:
    return option_quantity(name, "--density-step", text, unit_length, 1e-2, 100, &o->density_step);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

/* Each file that was asked for, or the exit code of what went wrong. */
static int write_files(const arguments *a, const eqs_analysis *x) {
  const struct {
    const char *what;
    int wanted;
  } file[] = {{"diffusion.csv", a->run.diffusion != NULL},
              {"msd.csv", a->run.diffusion != NULL},
              {"rdf.csv", a->run.rdf != NULL},
              {"density.cube", a->run.density != NULL}};
  char path[4200];
  for (size_t k = 0; a->output && k < sizeof file / sizeof *file; k++) {
    if (!file[k].wanted) continue;
    snprintf(path, sizeof path, "%s-%s", a->output, file[k].what);
    if (eqs_analysis_write(x, file[k].what, path)) return app_fail(name, "%s", eqs_error());
    fprintf(stderr, "equisorb analyze: %s\n", path);
  }
  if (eqs_analysis_write(x, a->json ? "json" : "table", "-"))
    return app_fail(name, "%s", eqs_error());
  return EXIT_OK;
}

typedef struct telling {
  progress line;
  const char *path;
  double start;
} telling;

static int watch(double share, void *user) {
  telling *t = user;
  char left[48];
  double spent = app_seconds() - t->start;
  seconds_left_text(share > 0 ? spent / share * (1 - share) : -1, left, sizeof left);
  progress_show(&t->line, "%s: %.1f %%%s", t->path, 100 * share, left);
  return app_stopped() != 0;
}

static int run(const arguments *a, int n, char **paths) {
  eqs_analysis *x = NULL;
  if (eqs_analysis_open(&a->run, &x)) return app_usage(name, "%s", eqs_error());
  int code = EXIT_OK;
  app_catch_signals();
  for (int i = 0; i < n && code == EXIT_OK; i++) {
    telling t = {.line = progress_start(), .path = paths[i], .start = app_seconds()};
    eqs_status status = eqs_analysis_add(x, paths[i], watch, &t);
    progress_clear(&t.line);
    if (status != EQS_OK) code = app_fail(name, "%s", eqs_error());
    if (status == EQS_ERR_INTERRUPTED) code = app_stop_code();
  }
  if (code == EXIT_OK) code = write_files(a, x);
  eqs_analysis_free(&x);
  return code;
}

int analyze_main(int argc, char **argv) {
  arguments a = {.run = {.size = sizeof a.run}};
  int option;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    if (option == OPTION_HELP) {
      fputs(help_text, stdout);
      return EXIT_OK;
    }
    if (option == ':') return app_usage(name, "%s wants a value", argv[optind - 1]);
    if (option == '?') return app_usage(name, "unknown option %s", argv[optind - 1]);
    int code = take(&a, option, optarg);
    if (code != EXIT_OK) return code;
  }
  int n = argc - optind;
  if (n < 1) return app_usage(name, "which trajectory?");
  if (!a.run.diffusion && !a.run.rdf && !a.run.density)
    return app_usage(name, "nothing is asked for: --diffusion, --rdf or --density");
  if (!a.run.blocks) a.run.blocks = (5 + n - 1) / n;
  return run(&a, n, argv + optind);
}
