/* relax.c -- `equisorb relax`: atoms, and the cell if asked, to the nearest minimum.
 *
 * SPDX-License-Identifier: MIT */
#include "app/ranks.h"
#include "app/run_file.h"

#include <string.h>

static const char name[] = "relax";

static const char help_text[] =
    "usage: equisorb relax STRUCTURE --model M --output OUT.extxyz [--cell fixed|isotropic|full]\n"
    "\n"
    "Moves atoms, and the cell if asked, to where the energy plus pressure times volume is least.\n"
    "\n"
    "  --output FILE      the relaxed structure as extended XYZ, with energy, forces and stress\n"
    "  --cell C           fixed (default); isotropic: its volume; full: all of it\n"
    "  --method M         lbfgs (default) or fire\n"
    "  --force F          done when no atom feels more (default 0.01 eV/angstrom)\n"
    "  --stress P         and no component of the stress is further from the pressure (default\n"
    "                     10 MPa); Pa, or bar, MPa, GPa\n"
    "  --pressure P       from outside (default 0)\n"
    "  --max-steps N      default 1000\n"
    "  --frame N          of a file with several structures, from 1\n"
    "  --model M, --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F],\n"
    "  --wall W, --device auto|host|cuda:N, --threads N, --disorder refuse|major\n"
    "                     as for evaluate, but --wall and --dispersion auto by default\n"
    "\n"
    "exit codes: 0 done; 1 an error, or the steps did not suffice (the structure is written all "
    "the\n"
    "same); 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM: what was reached is written\n"
    "\n"
    "example: equisorb relax IRMOF-1.cif --model SevenNet-0.pth --cell full --output "
    "relaxed.extxyz\n";

typedef struct arguments {
  model_arguments model;
  eqs_relax_options run;
  const char *structure, *output;
  int frame, help;
} arguments;

enum {
  OPTION_CELL = OPTION_OWN,
  OPTION_METHOD,
  OPTION_FORCE,
  OPTION_STRESS,
  OPTION_PRESSURE,
  OPTION_STEPS,
  OPTION_FRAME
};

static int take(arguments *a, int option, const char *text) {
  eqs_relax_options *o = &a->run;
  int code = option_model(name, option, text, &a->model);
  if (code != -1) return code;
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_OUTPUT: a->output = text; return EXIT_OK;
  case OPTION_CELL: o->cell = text; return EXIT_OK;
  case OPTION_METHOD: o->method = text; return EXIT_OK;
  case OPTION_FORCE:
    return option_quantity(name, "--force", text, unit_force, 1e-9, 1e3, &o->force);
  case OPTION_STRESS:
    return option_quantity(name, "--stress", text, unit_pressure, 1, 1e13, &o->stress);
  case OPTION_PRESSURE:
    return option_quantity(name, "--pressure", text, unit_pressure, -1e13, 1e13, &o->pressure);
  case OPTION_STEPS: return option_count(name, "--max-steps", text, 1, &o->max_steps);
  case OPTION_FRAME: return option_int(name, "--frame", text, 1, 1000000000, &a->frame);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {MODEL_OPTIONS,
                                        {"output", required_argument, NULL, OPTION_OUTPUT},
                                        {"cell", required_argument, NULL, OPTION_CELL},
                                        {"method", required_argument, NULL, OPTION_METHOD},
                                        {"force", required_argument, NULL, OPTION_FORCE},
                                        {"stress", required_argument, NULL, OPTION_STRESS},
                                        {"pressure", required_argument, NULL, OPTION_PRESSURE},
                                        {"max-steps", required_argument, NULL, OPTION_STEPS},
                                        {"frame", required_argument, NULL, OPTION_FRAME},
                                        {NULL, 0, NULL, 0}};
  int option;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    if (option == ':') return app_usage(name, "%s wants a value", argv[optind - 1]);
    if (option == '?') return app_usage(name, "unknown option %s", argv[optind - 1]);
    int code = take(a, option, optarg);
    if (code != EXIT_OK || a->help) return code;
  }
  if (argc - optind != 1) return app_usage(name, "one structure is relaxed at a time");
  a->structure = argv[optind];
  if (!a->model.model) return app_usage(name, "--model FILE is missing");
  if (!a->output) return app_usage(name, "--output FILE is missing (- is standard output)");
  if (app_same_file(a->output, a->structure))
    return app_usage(name, "--output %s is the structure", a->output);
  return EXIT_OK;
}

static int watch(const eqs_relax_progress *p, void *user) {
  progress_show(user, "step %lld of at most %lld, %.4f eV, force %.4f eV/angstrom, stress %.4f GPa",
                (long long)p->step, (long long)p->max_steps, p->energy, p->force, p->stress * 1e-9);
  return app_stopped() != 0;
}

static int report(const arguments *a, const eqs_relaxed *r, int stopped) {
  eqs_systems systems;
  eqs_result result;
  eqs_relax_progress last = {.size = sizeof last};
  int done = eqs_relaxed_view(r, &systems, &result, &last);
  if (eqs_extxyz_write(a->output, 0, &systems, &result)) return app_fail(name, "%s", eqs_error());
  fprintf(stderr,
          "equisorb relax: %lld steps, energy %.6f eV, largest force %.3g eV/angstrom, largest "
          "stress %.3g GPa\n",
          (long long)last.step, last.energy, last.force, last.stress * 1e-9);
  if (stopped) return app_stop_code();
  if (done) return EXIT_OK;
  return app_fail(name, "%s: not relaxed after %lld steps; --max-steps allows more", a->structure,
                  (long long)last.step);
}

static int run(void *user, eqs_context *c, const eqs_model *m, const eqs_structures *const *files) {
  const arguments *a = user;
  progress line = progress_start();
  eqs_relaxed *r = NULL;
  app_catch_signals();
  eqs_status status = eqs_relax(c, m, files[0], a->frame - 1, &a->run, watch, &line, &r);
  progress_clear(&line);
  if (!r) return app_fail(name, "%s: %s", a->structure, eqs_error());
  int code = report(a, r, status == EQS_ERR_INTERRUPTED);
  eqs_relaxed_free(&r);
  return code;
}

static int on_rank(int argc, char **argv, eqs_comm *ranks) {
  arguments a = {.model = {.simulates = 1, .on_device = eqs_comm_size(ranks) == 1},
                 .run = {.size = sizeof a.run},
                 .frame = 1};
  int code = parse(argc, argv, &a);
  if (a.help) {
    if (eqs_comm_rank(ranks) == 0) fputs(help_text, stdout);
    return EXIT_OK;
  }
  const structures_task task = {
      .command = name, .path = &a.structure, .n = 1, .model = &a.model, .run = run, .user = &a};
  return ranks_structures(&task, ranks, code);
}

int relax_main(int argc, char **argv) { return ranks_main(name, argc, argv, on_rank); }
