/* md.c -- `equisorb md`: molecular dynamics from a run file, flags, or both.
 *
 * SPDX-License-Identifier: MIT */
#include "app/ranks.h"
#include "app/run_file.h"

#include <math.h>
#include <signal.h>
#include <string.h>

static const char name[] = "md";

static const char help_text[] =
    "usage: equisorb md [RUN.yaml] [--structure S] [--model M] [--steps N] [--OPTION VALUE]...\n"
    "\n"
    "Molecular dynamics of one structure. Every option may stand in the run file as `option:\n"
    "value`; the command line comes first. Numbers may have a unit: 0.5 fs, 10 ps, 300 K, 1 bar.\n"
    "\n"
    "  --structure S          CIF, XYZ or extended XYZ; --frame N picks one of several (from 1)\n"
    "  --steps N              of the whole run\n"
    "  --timestep T           fs (default 0.5)\n"
    "  --temperature T        K; of the thermostat, and of the velocities at the start\n"
    "  --thermostat H         none (default): constant energy; csvr: stochastic velocity "
    "rescaling;\n"
    "                         nose-hoover: chains; langevin: BAOAB, which damps diffusion\n"
    "  --thermostat-time T    fs (default 100); of langevin one over the friction\n"
    "  --barostat B           none (default); isotropic or full cell: stochastic cell rescaling\n"
    "  --pressure P           Pa, or bar, MPa, GPa (default 0)\n"
    "  --barostat-time T      fs (default 1000)\n"
    "  --compressibility C    1/Pa (default 1e-10); an estimate, averages do not depend on it\n"
    "  --velocities V         draw (default), or file: the momenta (ASE), velo or vel "
    "(angstrom/fs)\n"
    "                         of an extended XYZ file\n"
    "  --seed S               of the random numbers (default 1)\n"
    "  --log FILE             CSV of energies, temperature, pressure, cell, every --log-every N\n"
    "                         steps (default 10)\n"
    "  --trajectory FILE      extended XYZ with momenta, or H5MD if it is called FILE.h5, every\n"
    "                         --trajectory-every N steps (default 100);\n"
    "                         --unwrapped: positions continuous in time\n"
    "  --final FILE           the last good state as extended XYZ\n"
    "  --checkpoint FILE      every --checkpoint-every N steps (default 1000), at the end, and on\n"
    "                         SIGUSR1, Ctrl-C and SIGTERM; the latter two stop the run\n"
    "  --continue             go on from the checkpoint if it is there; log and trajectory are "
    "cut\n"
    "                         back to it, and end as if the run had never stopped\n"
    "  --limit-temperature K, --limit-force F, --limit-energy E\n"
    "                         where a run has exploded: hotter than this (default ten times the\n"
    "                         temperature, at least 10000), a force on an atom above F (default\n"
    "                         500 eV/angstrom), the conserved energy off by E (1 eV per atom)\n"
    "  --model M, --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F],\n"
    "  --device auto|host|cuda:N, --threads N, --disorder refuse|major\n"
    "                         as for evaluate\n"
    "\n"
    "exit codes: 0 done; 1 an error, or the run exploded; 2 wrong usage or run file; 130 stopped "
    "by\n"
    "Ctrl-C, 143 by SIGTERM: the same command with --continue goes on\n"
    "\n"
    "example:\n"
    "  equisorb md --structure IRMOF-1.cif --model SevenNet-0.pth --temperature 300 \\\n"
    "      --thermostat csvr --steps 20000 --log irmof.csv --trajectory irmof.extxyz \\\n"
    "      --checkpoint irmof.state --continue\n";

typedef struct arguments {
  model_arguments model;
  eqs_md_options run;
  const char *structure;
  int frame, help;
} arguments;

/* ---- keys: what the options mean */

typedef enum kind { TEXT, QUANTITY, COUNT, SEED, SWITCH, FRAME } kind;

typedef struct key {
  const char *name;
  kind kind;
  size_t at; /* in `arguments` */
  const unit *units;
  double least, most;
} key;

#define RUN(field) offsetof(arguments, run.field)
static const key keys[] = {
    {"structure", TEXT, offsetof(arguments, structure), NULL, 0, 0},
    {"frame", FRAME, offsetof(arguments, frame), NULL, 0, 0},
    {"steps", COUNT, RUN(steps), NULL, 1, 0},
    {"timestep", QUANTITY, RUN(timestep), unit_time, 1e-6, 100},
    {"temperature", QUANTITY, RUN(temperature), unit_temperature, 0, 1e6},
    {"thermostat", TEXT, RUN(thermostat), NULL, 0, 0},
    {"thermostat-time", QUANTITY, RUN(thermostat_time), unit_time, 1e-3, 1e9},
    {"barostat", TEXT, RUN(barostat), NULL, 0, 0},
    {"pressure", QUANTITY, RUN(pressure), unit_pressure, -1e13, 1e13},
    {"barostat-time", QUANTITY, RUN(barostat_time), unit_time, 1e-3, 1e9},
    {"compressibility", QUANTITY, RUN(compressibility), unit_compressibility, 1e-16, 1},
    {"velocities", TEXT, RUN(velocities), NULL, 0, 0},
    {"seed", SEED, RUN(seed), NULL, 0, 0},
    {"log", TEXT, RUN(log), NULL, 0, 0},
    {"log-every", COUNT, RUN(log_every), NULL, 1, 0},
    {"trajectory", TEXT, RUN(trajectory), NULL, 0, 0},
    {"trajectory-every", COUNT, RUN(trajectory_every), NULL, 1, 0},
    {"unwrapped", SWITCH, RUN(unwrapped), NULL, 0, 0},
    {"final", TEXT, RUN(final_state), NULL, 0, 0},
    {"checkpoint", TEXT, RUN(checkpoint), NULL, 0, 0},
    {"checkpoint-every", COUNT, RUN(checkpoint_every), NULL, 1, 0},
    {"continue", SWITCH, RUN(go_on), NULL, 0, 0},
    {"limit-temperature", QUANTITY, RUN(limit_temperature), unit_temperature, 1e-3, 1e9},
    {"limit-force", QUANTITY, RUN(limit_force), unit_force, 1e-6, 1e9},
    {"limit-energy", QUANTITY, RUN(limit_energy), unit_energy, 1e-9, 1e9},
};
enum { KEYS = sizeof keys / sizeof *keys, SHARED = 9, TABLE = KEYS + SHARED + 1 };

static int take(void *user, int option, const char *text) {
  arguments *a = user;
  int code = option_model(name, option, text, &a->model);
  if (code != -1) return code;
  if (option == OPTION_HELP) {
    a->help = 1;
    return EXIT_OK;
  }
  if (option < OPTION_OWN || option >= OPTION_OWN + KEYS)
    return app_usage(name, "that option is not known, or its value is missing");
  const key *k = keys + (option - OPTION_OWN);
  void *at = (char *)a + k->at;
  char label[32];
  snprintf(label, sizeof label, "--%s", k->name);
  switch (k->kind) {
  case TEXT: *(const char **)at = text; return EXIT_OK;
  case SWITCH: *(int *)at = 1; return EXIT_OK;
  case FRAME: return option_int(name, label, text, 1, 1000000000, at);
  case SEED: return option_uint64(name, label, text, at);
  case COUNT: return option_count(name, label, text, (int64_t)k->least, at);
  default: return option_quantity(name, label, text, k->units, k->least, k->most, at);
  }
}

static void fill_table(struct option table[TABLE]) {
  static const struct option shared[SHARED] = {MODEL_OPTIONS};
  memcpy(table, shared, sizeof shared);
  for (int k = 0; k < KEYS; k++)
    table[SHARED + k] =
        (struct option){keys[k].name, keys[k].kind == SWITCH ? no_argument : required_argument,
                        NULL, OPTION_OWN + k};
  table[TABLE - 1] = (struct option){NULL, 0, NULL, 0};
}

/* No file is written over an input or over another output. */
static int check_files(const arguments *a, const char *path) {
  const char *out[] = {a->run.log, a->run.trajectory, a->run.final_state, a->run.checkpoint};
  const char *in[] = {a->structure, a->model.model, path};
  for (int i = 0; i < 4; i++) {
    for (int j = 0; out[i] && j < 3; j++)
      if (in[j] && app_same_file(out[i], in[j]))
        return app_usage(name, "%s would be overwritten: it is one of the inputs", out[i]);
    for (int j = 0; out[i] && j < i; j++)
      if (out[j] && (!strcmp(out[i], out[j]) || app_same_file(out[i], out[j])))
        return app_usage(name, "%s is named for two outputs", out[i]);
  }
  return EXIT_OK;
}

static int complete(const arguments *a, const char *path) {
  const eqs_md_options *o = &a->run;
  if (!a->structure) return app_usage(name, "--structure FILE is missing");
  if (!a->model.model) return app_usage(name, "--model FILE is missing");
  if (!o->steps) return app_usage(name, "--steps N is missing");
  if (o->go_on && !o->checkpoint) return app_usage(name, "--continue needs a --checkpoint");
  return check_files(a, path);
}

static int parse(int argc, char **argv, arguments *a, run_file *file) {
  struct option table[TABLE];
  char given[TABLE] = {0};
  int option, at = 0;
  fill_table(table);
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, &at)) != -1) {
    if (option == ':') return app_usage(name, "%s wants a value", argv[optind - 1]);
    if (option == '?') return app_usage(name, "unknown option %s", argv[optind - 1]);
    int code = take(a, option, optarg);
    if (code != EXIT_OK || a->help) return code;
    given[at] = 1;
  }
  if (argc - optind > 1)
    return app_usage(name, "one run file at a time: what is %s?", argv[optind + 1]);
  const char *path = argc > optind ? argv[optind] : NULL;
  int code = path ? run_file_read(name, path, table, given, take, a, file) : EXIT_OK;
  return code == EXIT_OK ? complete(a, path) : code;
}

/* ---- the run */

static volatile sig_atomic_t wanted; /* a checkpoint; written by the signal handler and the watch */

static void on_usr1(int number) {
  (void)number;
  wanted = 1;
}

static void listen(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_usr1;
  sigaction(SIGUSR1, &action, NULL);
}

static int watch(const eqs_md_progress *p, void *user) {
  char left[48];
  seconds_left_text(p->seconds_left, left, sizeof left);
  progress_show(user, "step %lld of %lld, %.4g ps, %.0f K, %.3f eV, %.3g ns/day%s",
                (long long)p->step, (long long)p->steps, p->time, p->temperature, p->potential,
                p->ns_per_day, left);
  if (app_stopped()) return 1;
  if (!wanted) return 0;
  wanted = 0;
  return 2;
}

static void print_summary(const eqs_md_summary *s) {
  printf("steps        %lld\n", (long long)s->step);
  printf("temperature  %.5g K, standard deviation %.4g\n", s->temperature, s->temperature_spread);
  if (isfinite(s->pressure)) printf("pressure     %.5g GPa\n", s->pressure * 1e-9);
  if (s->volume > 0) printf("volume       %.8g angstrom^3\n", s->volume);
  printf("drift        %.3g eV per atom and ps, of the conserved energy\n", s->drift);
}

static int run(const arguments *a, eqs_context *c, const eqs_model *m, const eqs_structures *s) {
  progress line = progress_start();
  eqs_md_summary sums = {.size = sizeof sums};
  app_catch_signals();
  double start = app_seconds();
  eqs_status status = eqs_md(c, m, s, a->frame - 1, &a->run, watch, &line, &sums);
  progress_clear(&line);
  if (status == EQS_ERR_INTERRUPTED) {
    app_fail(name, "%s", eqs_error());
    return app_stop_code();
  }
  if (status != EQS_OK) return app_fail(name, "%s: %s", a->structure, eqs_error());
  print_summary(&sums);
  fprintf(stderr, "equisorb md: %.1f s\n", app_seconds() - start);
  return EXIT_OK;
}

static int on_rank(int argc, char **argv, eqs_comm *ranks) {
  arguments a = {.model = {.on_device = eqs_comm_size(ranks) == 1},
                 .run = {.size = sizeof a.run, .seed = 1},
                 .frame = 1};
  run_file file = {0};
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  eqs_structures *frames = NULL;
  int serves = eqs_comm_rank(ranks) > 0, code = parse(argc, argv, &a, &file);
  if (a.help) {
    if (!serves) fputs(help_text, stdout);
    run_file_free(&file);
    return EXIT_OK;
  }
  eqs_read_options options = {.size = sizeof options, .disorder_major = a.model.disorder_major};
  if (code == EXIT_OK && !serves && eqs_structures_read(a.structure, &options, &frames))
    code = app_fail(name, "%s", eqs_error());
  if (code == EXIT_OK) code = model_open(name, &a.model, &context, &model);
  code = ranks_join(name, ranks, context, code);
  if (code == EXIT_OK)
    code = serves ? ranks_serve(context, model) : run(&a, context, model, frames);
  eqs_structures_free(&frames);
  eqs_model_free(&model);
  eqs_context_free(&context);
  run_file_free(&file);
  return code;
}

int md_main(int argc, char **argv) {
  listen();
  return ranks_main(name, argc, argv, on_rank);
}
