/* elastic.c -- `equisorb elastic`: elastic constants and moduli of a crystal.
 *
 * SPDX-License-Identifier: MIT */
#include "app/ranks.h"
#include "app/run_file.h"

#include <math.h>
#include <string.h>

static const char name[] = "elastic";

static const char help_text[] =
    "usage: equisorb elastic STRUCTURE --model M [--cell full|isotropic|fixed] [--json]\n"
    "\n"
    "Relaxes atoms and cell, strains the cell by each of six components with the atoms relaxed\n"
    "again, and fits the stress. Prints the matrix of elastic constants with the errors of the "
    "fits,\n"
    "symmetric and as the crystal's point group asks, bulk, shear and Young's moduli (Voigt, "
    "Reuss,\n"
    "Hill) and whether the crystal is stable (Born). GPa.\n"
    "\n"
    "  --cell C           before it is strained: full (default), isotropic, fixed\n"
    "  --strain E         the largest (default 0.005)\n"
    "  --points N         strains per component, both signs (default 4, even)\n"
    "  --force F          atoms are relaxed to this (default 0.001 eV/angstrom)\n"
    "  --stress P         and the cell to this (default 1 MPa)\n"
    "  --pressure P       from outside (default 0)\n"
    "  --max-steps N      of each relaxation (default 1000)\n"
    "  --tolerance T      of the search for symmetry (default 0.01 angstrom)\n"
    "  --output FILE      the relaxed structure as extended XYZ\n"
    "  --frame N          of a file with several structures, from 1\n"
    "  --json             JSON, with the matrix as it was measured\n"
    "  --model M, --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F],\n"
    "  --wall W, --device auto|host|cuda:N, --threads N, --disorder refuse|major\n"
    "                     as for evaluate; double is worth its time here\n"
    "\n"
    "exit codes: 0 done; 1 an error, or a relaxation did not end; 2 wrong usage; 130 stopped by\n"
    "Ctrl-C, 143 by SIGTERM\n"
    "\n"
    "example: equisorb elastic MgO.cif --model SevenNet-0.pth --precision double\n";

static const unit unit_length[] = {{"angstrom", 1}, {"A", 1}, {NULL, 0}};

typedef struct arguments {
  model_arguments model;
  eqs_relax_options relax;
  eqs_elastic_options run;
  const char *structure, *output;
  int frame, help, json;
} arguments;

enum {
  OPTION_CELL = OPTION_OWN,
  OPTION_STRAIN,
  OPTION_POINTS,
  OPTION_FORCE,
  OPTION_STRESS,
  OPTION_PRESSURE,
  OPTION_STEPS,
  OPTION_TOLERANCE,
  OPTION_FRAME
};

static int take(arguments *a, int option, const char *text) {
  int code = option_model(name, option, text, &a->model);
  if (code != -1) return code;
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case OPTION_OUTPUT: a->output = text; return EXIT_OK;
  case OPTION_JSON: a->json = 1; return EXIT_OK;
  case OPTION_CELL: a->relax.cell = text; return EXIT_OK;
  case OPTION_STRAIN: return option_double(name, "--strain", text, 1e-6, 0.1, &a->run.strain);
  case OPTION_POINTS: return option_int(name, "--points", text, 4, 40, &a->run.points);
  case OPTION_FORCE:
    return option_quantity(name, "--force", text, unit_force, 1e-9, 1e3, &a->relax.force);
  case OPTION_STRESS:
    return option_quantity(name, "--stress", text, unit_pressure, 1, 1e13, &a->relax.stress);
  case OPTION_PRESSURE:
    return option_quantity(name, "--pressure", text, unit_pressure, -1e13, 1e13,
                           &a->relax.pressure);
  case OPTION_STEPS: return option_count(name, "--max-steps", text, 1, &a->relax.max_steps);
  case OPTION_TOLERANCE:
    return option_quantity(name, "--tolerance", text, unit_length, 1e-8, 0.9, &a->run.tolerance);
  case OPTION_FRAME: return option_int(name, "--frame", text, 1, 1000000000, &a->frame);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {MODEL_OPTIONS,
                                        {"output", required_argument, NULL, OPTION_OUTPUT},
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"cell", required_argument, NULL, OPTION_CELL},
                                        {"strain", required_argument, NULL, OPTION_STRAIN},
                                        {"points", required_argument, NULL, OPTION_POINTS},
                                        {"force", required_argument, NULL, OPTION_FORCE},
                                        {"stress", required_argument, NULL, OPTION_STRESS},
                                        {"pressure", required_argument, NULL, OPTION_PRESSURE},
                                        {"max-steps", required_argument, NULL, OPTION_STEPS},
                                        {"tolerance", required_argument, NULL, OPTION_TOLERANCE},
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
  if (argc - optind != 1) return app_usage(name, "one structure at a time");
  a->structure = argv[optind];
  if (a->run.points % 2) return app_usage(name, "--points is even: both signs of each strain");
  if (a->output && app_same_file(a->output, a->structure))
    return app_usage(name, "--output %s is the structure", a->output);
  a->run.force = a->relax.force;
  a->run.max_steps = a->relax.max_steps;
  return EXIT_OK;
}

/* ---- results */

static void print_matrix(const eqs_elastic_result *r) {
  static const char *const label[6] = {"xx", "yy", "zz", "yz", "xz", "xy"};
  printf("elastic constants, GPa (stress by strain; +- one standard error of the fits)\n     ");
  for (int j = 0; j < 6; j++) printf("%18s", label[j]);
  puts("");
  for (int i = 0; i < 6; i++) {
    printf("  %s ", label[i]);
    for (int j = 0; j < 6; j++)
      printf("%11.4f +-%5.2g", r->c[i][j].value * 1e-9, r->c[i][j].sigma * 1e-9);
    puts("");
  }
}

static void print_text(const eqs_elastic_result *r) {
  static const char *const kind[3] = {"Voigt", "Reuss", "Hill"};
  print_matrix(r);
  printf("point group      %s; symmetrising moved them by %.2g GPa, transposing by %.2g GPa\n",
         r->point_group, r->defect * 1e-9, r->asymmetry * 1e-9);
  for (int k = 0; k < 3; k++)
    printf("%-5s            bulk %.4f +- %.2g GPa, shear %.4f +- %.2g GPa\n", kind[k],
           r->bulk[k].value * 1e-9, r->bulk[k].sigma * 1e-9, r->shear[k].value * 1e-9,
           r->shear[k].sigma * 1e-9);
  printf("Young's modulus  %.4f +- %.2g GPa\n", r->young.value * 1e-9, r->young.sigma * 1e-9);
  printf("Poisson's ratio  %.4f +- %.2g\n", r->poisson.value, r->poisson.sigma);
  printf("%-16s smallest eigenvalue %.4f GPa\n", r->stability > 0 ? "stable" : "NOT STABLE",
         r->stability * 1e-9);
}

static void json_modulus(const char *before, const char *key, const eqs_modulus *m, double in) {
  printf("%s\"%s\": {\"value\": ", before, key);
  if (isfinite(m->value)) printf("%.10g, \"sigma\": %.4g}", m->value * in, m->sigma * in);
  else printf("null, \"sigma\": null}");
}

static void json_matrix(const char *key, eqs_modulus (*c)[6], int sigma) {
  printf(",\n \"%s\": [", key);
  for (int i = 0; i < 6; i++) {
    printf("%s[", i ? ",\n   " : "");
    for (int j = 0; j < 6; j++)
      printf("%s%.10g", j ? ", " : "", 1e-9 * (sigma ? c[i][j].sigma : c[i][j].value));
    printf("]");
  }
  printf("]");
}

static void print_json(eqs_elastic_result *r) {
  printf("{\"unit\": \"GPa\", \"order\": [\"xx\", \"yy\", \"zz\", \"yz\", \"xz\", \"xy\"], ");
  printf("\"point_group\": \"%s\"", r->point_group);
  json_matrix("c", r->c, 0);
  json_matrix("c_sigma", r->c, 1);
  json_matrix("measured", r->measured, 0);
  json_matrix("measured_sigma", r->measured, 1);
  json_modulus(",\n ", "bulk_voigt", &r->bulk[0], 1e-9);
  json_modulus(", ", "bulk_reuss", &r->bulk[1], 1e-9);
  json_modulus(", ", "bulk_hill", &r->bulk[2], 1e-9);
  json_modulus(",\n ", "shear_voigt", &r->shear[0], 1e-9);
  json_modulus(", ", "shear_reuss", &r->shear[1], 1e-9);
  json_modulus(", ", "shear_hill", &r->shear[2], 1e-9);
  json_modulus(",\n ", "young", &r->young, 1e-9);
  json_modulus(", ", "poisson", &r->poisson, 1);
  printf(",\n \"stable\": %s, \"smallest_eigenvalue\": %.10g, \"asymmetry\": %.4g, ",
         r->stability > 0 ? "true" : "false", r->stability * 1e-9, r->asymmetry * 1e-9);
  printf("\"symmetry_defect\": %.4g, \"evaluations\": %lld}\n", r->defect * 1e-9,
         (long long)r->evaluations);
}

/* ---- the run */

static int watch_relax(const eqs_relax_progress *p, void *user) {
  progress_show(user, "relaxing: step %lld, force %.4f eV/angstrom, stress %.4f GPa",
                (long long)p->step, p->force, p->stress * 1e-9);
  return app_stopped() != 0;
}

static int watch(int done, int total, void *user) {
  progress_show(user, "strained states: %d of %d", done, total);
  return app_stopped() != 0;
}

static int refused(const arguments *a, eqs_status status) {
  int code = app_fail(name, "%s: %s", a->structure, eqs_error());
  return status == EQS_ERR_INTERRUPTED ? app_stop_code() : code;
}

static int run(void *user, eqs_context *c, const eqs_model *m, const eqs_structures *const *files) {
  const arguments *a = user;
  progress line = progress_start();
  eqs_relaxed *r = NULL;
  eqs_elastic_result sums = {.size = sizeof sums};
  eqs_systems systems;
  eqs_result result;
  int code = EXIT_OK;
  app_catch_signals();
  eqs_status status = eqs_relax(c, m, files[0], a->frame - 1, &a->relax, watch_relax, &line, &r);
  int relaxed = r && eqs_relaxed_view(r, &systems, &result, NULL);
  if (status == EQS_OK && relaxed) status = eqs_elastic(c, m, r, &a->run, watch, &line, &sums);
  progress_clear(&line);
  if (status != EQS_OK) code = refused(a, status);
  else if (!relaxed)
    code = app_fail(name, "%s: not relaxed; --max-steps allows more", a->structure);
  else if (a->output && eqs_extxyz_write(a->output, 0, &systems, &result))
    code = app_fail(name, "%s", eqs_error());
  if (code == EXIT_OK) (a->json ? print_json(&sums) : print_text(&sums));
  eqs_relaxed_free(&r);
  return code;
}

static int on_rank(int argc, char **argv, eqs_comm *ranks) {
  arguments a = {.model = {.on_device = eqs_comm_size(ranks) == 1},
                 .relax = {.size = sizeof a.relax, .cell = "full", .force = 1e-3, .stress = 1e6},
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

int elastic_main(int argc, char **argv) { return ranks_main(name, argc, argv, on_rank); }
