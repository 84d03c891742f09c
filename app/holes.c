/* holes.c -- `equisorb holes`: where a model has no short-range repulsion.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char name[] = "holes";

static const char help_text[] =
    "usage: equisorb holes MODEL [--elements H,C,O] [--csv FILE] [--svg FILE] [--json]\n"
    "\n"
    "The energy of two atoms alone for all pairs of elements, from 0.2 angstrom to 0.7 of the sum\n"
    "of the covalent radii, where no bond has its minimum. A pair has a hole where, going\n"
    "inwards, its curve stops to rise and falls by 0.5 eV or more, or passes -12 eV, deeper than\n"
    "any bond. Columns of the table, which lists the pairs with a hole:\n"
    "\n"
    "  wall 1 eV         distance (angstrom) where the wall computed for the two elements is 1 eV\n"
    "  on                distance below which --wall on takes over from the model\n"
    "  hole from         the outermost such distance, and the barrier to it\n"
    "  deepest, at       the lowest energy inside\n"
    "  below the wall    where, inside of `on`, the model is below the computed wall\n"
    "\n"
    "  --elements E,...  symbols (default all elements of the model)\n"
    "  --csv FILE        all pairs; --json: all pairs on standard output, instead of the table\n"
    "  --svg FILE        a drawing: the matrix of all pairs, with the numbers as tooltips\n"
    "  --closest R       where curves begin, angstrom (default 0.2); --step D (default 0.02)\n"
    "  --wall off|on     off (default): the model itself; on: with the wall that would be added\n"
    "  --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F], --device D,\n"
    "  --threads N       as for evaluate\n"
    "\n"
    "example: equisorb holes SevenNet-0.pth --elements H,C,N,O,Mg,Zn --svg holes.svg\n"
    "\n"
    "exit codes: 0 done, with holes or without; 1 failed; 2 wrong usage; 130 stopped by Ctrl-C,\n"
    "143 by SIGTERM";

enum { OPTION_ELEMENTS = OPTION_OWN, OPTION_CSV, OPTION_SVG, OPTION_CLOSEST, OPTION_STEP };
enum { ELEMENTS = 118 };

typedef struct arguments {
  model_arguments model;
  eqs_holes_options holes;
  int element[ELEMENTS], json, help;
  const char *csv, *svg;
} arguments;

static int take_elements(const char *text, arguments *a) {
  a->holes.n_element = 0;
  for (const char *at = text;; at++) {
    size_t n = strcspn(at, ",");
    int z = 1;
    while (z <= ELEMENTS &&
           (strlen(eqs_element_symbol(z)) != n || strncmp(eqs_element_symbol(z), at, n) != 0))
      z++;
    if (z > ELEMENTS || a->holes.n_element == ELEMENTS)
      return app_usage(name, "--elements wants symbols with commas (H,C,O), not '%s'", text);
    a->element[a->holes.n_element++] = z;
    at += n;
    if (!*at) break;
  }
  a->holes.elements = a->element;
  return EXIT_OK;
}

static int take(int option, const char *text, arguments *a) {
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_JSON: a->json = 1; return EXIT_OK;
  case OPTION_ELEMENTS: return take_elements(text, a);
  case OPTION_CSV: a->csv = text; return EXIT_OK;
  case OPTION_SVG: a->svg = text; return EXIT_OK;
  case OPTION_CLOSEST: return option_double(name, "--closest", text, 0.01, 1, &a->holes.closest);
  case OPTION_STEP: return option_double(name, "--step", text, 1e-3, 0.2, &a->holes.step);
  case ':':
  case '?': return app_usage(name, "that option is not known, or its value is missing");
  default: return option_model(name, option, text, &a->model);
  }
}

static int watch(int done, int of, void *user) {
  progress_show(user, "%d of %d pairs", done, of);
  return app_stopped() != 0;
}

static int write_file(const eqs_holes_result *r, const char *format, const char *path) {
  char *text;
  if (!path) return EXIT_OK;
  if (eqs_holes_text(r, format, &text)) return app_fail(name, "%s", eqs_error());
  FILE *f = fopen(path, "w");
  int bad = !f || fputs(text, f) == EOF, reason = errno;
  if (f && fclose(f)) bad = 1;
  eqs_string_free(&text);
  return bad ? app_fail(name, "cannot write %s: %s", path, strerror(reason)) : EXIT_OK;
}

static int report(const arguments *a, const eqs_holes_result *r) {
  char *text;
  if (eqs_holes_text(r, a->json ? "json" : "table", &text))
    return app_fail(name, "%s", eqs_error());
  fputs(text, stdout);
  eqs_string_free(&text);
  int code = write_file(r, "csv", a->csv);
  return code == EXIT_OK ? write_file(r, "svg", a->svg) : code;
}

static int run(const arguments *a) {
  eqs_context *context;
  eqs_model *model;
  eqs_holes_result *result = NULL;
  int code = model_open(name, &a->model, &context, &model);
  if (code == EXIT_OK) {
    app_catch_signals();
    progress line = progress_start();
    eqs_status status = eqs_holes(context, model, &a->holes, watch, &line, &result);
    progress_clear(&line);
    if (status != EQS_OK) code = app_fail(name, "%s", eqs_error());
    if (status == EQS_ERR_INTERRUPTED) code = app_stop_code();
  }
  if (code == EXIT_OK) code = report(a, result);
  eqs_holes_result_free(&result);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}

int holes_main(int argc, char **argv) {
  static const struct option table[] = {MODEL_OPTIONS,
                                        {"elements", required_argument, NULL, OPTION_ELEMENTS},
                                        {"csv", required_argument, NULL, OPTION_CSV},
                                        {"svg", required_argument, NULL, OPTION_SVG},
                                        {"closest", required_argument, NULL, OPTION_CLOSEST},
                                        {"step", required_argument, NULL, OPTION_STEP},
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {NULL, 0, NULL, 0}};
  arguments a = {.model = {.on_device = 1, .wall = "off"}, .holes = {.size = sizeof a.holes}};
  int option;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    int code = take(option, optarg, &a);
    if (code != EXIT_OK) return code;
    if (a.help) {
      puts(help_text);
      return EXIT_OK;
    }
  }
  if (argc - optind > 1) return app_usage(name, "one model at a time");
  if (argc - optind == 1) a.model.model = argv[optind];
  if (!a.model.model) return app_usage(name, "which model?");
  return run(&a);
}
