/* walls.c -- `equisorb walls`: makes a table of the repulsion of all pairs of atoms.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <getopt.h>
#include <string.h>

static const char name[] = "walls";

static const char help_text[] =
    "usage: equisorb walls --output FILE [--functional PBE] [--kinetic lda_k_tf]\n"
    "                      [--relativity scalar|none] [--elements N] [--threads N]\n"
    "\n"
    "Computes the repulsion of two atoms at short range for all pairs of elements, in the "
    "electron-\n"
    "gas picture of Gordon and Kim, and writes it as a table. A table for PBE is part of the\n"
    "program; another one is wanted for a model trained with another functional. Takes minutes.\n"
    "\n"
    "  --output FILE     where the table goes: whole, or not at all\n"
    "  --functional F    exchange and correlation, any LDA or GGA (default PBE)\n"
    "  --kinetic F       a kinetic-energy functional of libxc (default lda_k_tf, Thomas and "
    "Fermi's)\n"
    "  --relativity R    of the atoms: scalar, the default, or none\n"
    "  --elements N      pairs of Z = 1 to N (default 94)\n"
    "  --knots N         of the spline of a pair, 4 to 64 (default 20)\n"
    "  --threads N       0, the default, uses all cores; the table does not depend on it\n"
    "\n"
    "example: equisorb walls --functional RPBE --output walls_rpbe.txt\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM";

enum { OPTION_FUNCTIONAL = OPTION_OWN, OPTION_KINETIC, OPTION_RELATIVITY };
enum { OPTION_ELEMENTS = OPTION_RELATIVITY + 1, OPTION_KNOTS };

typedef struct job {
  eqs_walls_options options;
  const char *output;
  progress line;
  double start;
} job;

static int watch(int done, int all, void *user) {
  job *j = user;
  char left[64];
  double spent = app_seconds() - j->start;
  seconds_left_text(done ? spent * (all - done) / done : 0, left, sizeof left);
  progress_show(&j->line, "%d of %d%s", done, all, left);
  return app_stopped() != 0;
}

static int option_one(job *j, int option, const char *text) {
  switch (option) {
  case OPTION_OUTPUT: j->output = text; return EXIT_OK;
  case OPTION_FUNCTIONAL: j->options.functional = text; return EXIT_OK;
  case OPTION_KINETIC: j->options.kinetic = text; return EXIT_OK;
  case OPTION_RELATIVITY:
    if (strcmp(text, "none") != 0 && strcmp(text, "scalar") != 0)
      return app_usage(name, "--relativity is scalar or none, not '%.40s'", text);
    j->options.nonrelativistic = *text == 'n';
    return EXIT_OK;
  case OPTION_ELEMENTS: return option_int(name, "--elements", text, 1, 94, &j->options.elements);
  case OPTION_KNOTS: return option_int(name, "--knots", text, 4, 64, &j->options.knots);
  default: return option_int(name, "--threads", text, 0, 1024, &j->options.threads);
  }
}

int walls_main(int argc, char **argv) {
  static const struct option table[] = {{"help", no_argument, NULL, OPTION_HELP},
                                        {"output", required_argument, NULL, OPTION_OUTPUT},
                                        {"functional", required_argument, NULL, OPTION_FUNCTIONAL},
                                        {"kinetic", required_argument, NULL, OPTION_KINETIC},
                                        {"relativity", required_argument, NULL, OPTION_RELATIVITY},
                                        {"elements", required_argument, NULL, OPTION_ELEMENTS},
                                        {"knots", required_argument, NULL, OPTION_KNOTS},
                                        {"threads", required_argument, NULL, OPTION_THREADS},
                                        {NULL, 0, NULL, 0}};
  job j = {.options = {.size = sizeof j.options}};
  int option, code;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    if (option == OPTION_HELP) {
      puts(help_text);
      return EXIT_OK;
    }
    if (option == ':') return app_usage(name, "%s wants a value", argv[optind - 1]);
    if (option == '?') return app_usage(name, "unknown option %s", argv[optind - 1]);
    if ((code = option_one(&j, option, optarg))) return code;
  }
  if (optind < argc) return app_usage(name, "what is '%s'?", argv[optind]);
  if (!j.output) return app_usage(name, "where shall the table go? --output FILE");
  app_catch_signals();
  j.line = progress_start();
  j.start = app_seconds();
  eqs_status status = eqs_walls_write(&j.options, j.output, watch, &j);
  progress_clear(&j.line);
  if (status == EQS_ERR_INTERRUPTED) return app_stop_code();
  return status == EQS_OK ? EXIT_OK : app_fail(name, "%s", eqs_error());
}
