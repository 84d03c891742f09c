/* md.c -- `equisorb md`: molecular dynamics from a run file, flags, or both.
 *
 * SPDX-License-Identifier: MIT */
#include "app/md_jobs.h"
#include "app/ranks.h"
#include "app/run_file.h"
#include "app/shard.h"

#include <math.h>
#include <signal.h>
#include <string.h>

static const char name[] = "md";

static const char help_text[] =
    "usage: equisorb md [RUN.yaml] [--structure S] [--model M] [--steps N] [--OPTION VALUE]...\n"
    "\n"
    "Molecular dynamics of a structure, or of several, at one temperature or several, side by "
    "side:\n"
    "small systems are evaluated together. Every option may stand in the run file as `option:\n"
    "value`; the command line comes first. Numbers may have a unit: 0.5 fs, 10 ps, 300 K, 1 bar.\n"
    "\n"
    "  --structure S          CIF, XYZ or extended XYZ; --frame N picks one of several (from 1), "
    "all\n"
    "                         takes each. Of several structures each is a run; a list in a run "
    "file\n"
    "  --steps N              of the whole run\n"
    "  --timestep T           fs (default 0.5)\n"
    "  --temperature T        K; of the thermostat, and of the velocities at the start; several "
    "as\n"
    "                         for structures, each for all of these\n"
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
    "  --rigid GROUPS         molecules that move as rigid bodies, up to 8 atoms each: CO2 (by "
    "its\n"
    "                         bonds), 425-460:3 (these atoms, in molecules of three), molecules\n"
    "  --seed S               of the random numbers (default 1)\n"
    "  Names of files may hold {structure}, {frame}, {temperature} and {job}, the run's number; "
    "of\n"
    "  several runs they must tell them apart\n"
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
    "  --wall W, --device auto|host|cuda:N, --threads N, --disorder refuse|major\n"
    "                         as for evaluate, but --wall and --dispersion auto by default\n"
    "\n"
    "  --shard I/N            of several runs the I-th of N parts, for the jobs of an array; "
    "{job}\n"
    "                         counts all of them\n"
    "\n"
    "Processes that mpirun or srun start share each step of one run; of several, each takes whole\n"
    "runs. Each process is to have its own cores.\n"
    "\n"
    "exit codes: 0 done; 1 an error, or a run exploded (others go on); 2 wrong usage or run file; "
    "130 stopped "
    "by\n"
    "Ctrl-C, 143 by SIGTERM: the same command with --continue goes on\n"
    "\n"
    "example:\n"
    "  equisorb md --structure IRMOF-1.cif --model SevenNet-0.pth --temperature 300 \\\n"
    "      --thermostat csvr --steps 20000 --log irmof.csv --trajectory irmof.extxyz \\\n"
    "      --checkpoint irmof.state --continue\n"
    "  mpirun -n 8 equisorb md RUN.yaml --threads 1\n";

typedef struct arguments {
  model_arguments model;
  md_request request;
  const char *path; /* of the run file; NULL = none */
  md_jobs jobs;
  shard_argument shard;
  eqs_comm *ranks;
  int help;
} arguments;

/* ---- keys: what the options mean */

typedef enum kind {
  TEXT,
  QUANTITY,
  COUNT,
  SEED,
  SWITCH,
  FRAME,
  STRUCTURES,
  TEMPERATURES,
  SHARD
} kind;

typedef struct key {
  const char *name;
  kind kind;
  size_t at; /* in `arguments` */
  const unit *units;
  double least, most;
} key;

#define RUN(field) offsetof(arguments, request.run.field)
static const key keys[] = {
    {"structure", STRUCTURES, 0, NULL, 0, 0},
    {"frame", FRAME, offsetof(arguments, request.frame), NULL, 0, 0},
    {"steps", COUNT, RUN(steps), NULL, 1, 0},
    {"timestep", QUANTITY, RUN(timestep), unit_time, 1e-6, 100},
    {"temperature", TEMPERATURES, 0, unit_temperature, 0, 1e6},
    {"thermostat", TEXT, RUN(thermostat), NULL, 0, 0},
    {"thermostat-time", QUANTITY, RUN(thermostat_time), unit_time, 1e-3, 1e9},
    {"barostat", TEXT, RUN(barostat), NULL, 0, 0},
    {"pressure", QUANTITY, RUN(pressure), unit_pressure, -1e13, 1e13},
    {"barostat-time", QUANTITY, RUN(barostat_time), unit_time, 1e-3, 1e9},
    {"compressibility", QUANTITY, RUN(compressibility), unit_compressibility, 1e-16, 1},
    {"velocities", TEXT, RUN(velocities), NULL, 0, 0},
    {"rigid", TEXT, RUN(rigid), NULL, 0, 0},
    {"shard", SHARD, offsetof(arguments, shard), NULL, 0, 0},
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
enum { KEYS = sizeof keys / sizeof *keys, SHARED = 10, TABLE = KEYS + SHARED + 1 };

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
  case FRAME:
    if (!strcmp(text, "all")) return *(int *)at = 0, EXIT_OK;
    return option_int(name, label, text, 1, 1000000000, at);
  case STRUCTURES: return md_request_structure(name, &a->request, text);
  case TEMPERATURES: {
    double kelvin;
    int bad = option_quantity(name, label, text, k->units, k->least, k->most, &kelvin);
    return bad ? bad : md_request_temperature(name, &a->request, kelvin);
  }
  case SHARD: return shard_option(name, text, at);
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

static int complete(const arguments *a) {
  const eqs_md_options *o = &a->request.run;
  if (!a->request.n_structure) return app_usage(name, "--structure FILE is missing");
  if (!a->model.model) return app_usage(name, "--model FILE is missing");
  if (!o->steps) return app_usage(name, "--steps N is missing");
  if (o->go_on && !o->checkpoint) return app_usage(name, "--continue needs a --checkpoint");
  return EXIT_OK;
}

static int parse(int argc, char **argv, arguments *a, run_file *file) {
  struct option table[TABLE];
  char given[TABLE] = {0}, many[TABLE] = {0};
  int option, at = 0;
  fill_table(table);
  for (int k = 0; k < KEYS; k++)
    many[SHARED + k] = keys[k].kind == STRUCTURES || keys[k].kind == TEMPERATURES;
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
  a->path = argc > optind ? argv[optind] : NULL;
  int code = a->path ? run_file_read(name, a->path, table, given, many, take, a, file) : EXIT_OK;
  return code == EXIT_OK ? complete(a) : code;
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

/* A line per run. */
static void print_table(const arguments *a) {
  const md_jobs *j = &a->jobs;
  printf("%5s %8s %10s %8s %12s %12s %11s  %s\n", "run", "steps", "K", "+-", "GPa", "angstrom^3",
         "drift", "structure");
  for (int i = 0; i < j->n; i++) {
    const eqs_md_summary *s = &j->job[i].summary;
    printf("%5d %8lld %10.5g %8.4g ", md_jobs_number(j, i), (long long)s->step, s->temperature,
           s->temperature_spread);
    if (isfinite(s->pressure)) printf("%12.5g %12.8g", s->pressure * 1e-9, s->volume);
    else printf("%12s %12s", "-", "-");
    printf(" %11.3g  %s%s\n", s->drift, eqs_structures_name(j->job[i].frames, j->job[i].frame),
           j->job[i].status == EQS_OK ? "" : ": not at its end");
  }
}

static int plan(void *user, const eqs_structures *const *files) {
  arguments *a = user;
  const char *others[3] = {a->model.model, a->path, NULL};
  int code = md_jobs_make(name, &a->request, files, others, &a->jobs);
  return code == EXIT_OK ? md_jobs_keep(name, &a->shard, &a->jobs) : code;
}

/* Of several runs every rank takes whole ones. */
static int whole_runs(const void *user) { return ((const arguments *)user)->jobs.n != 1; }

static int asks_for_several(const md_request *r) {
  return r->n_structure > 1 || r->n_temperature > 1 || r->frame == 0;
}

static void say_idle(const arguments *a) {
  int size = eqs_comm_size(a->ranks);
  if (a->jobs.n > 1 && size > a->jobs.n)
    fprintf(stderr, "equisorb md: %d of %d processes have nothing to do: there are %d runs\n",
            size - a->jobs.n, size, a->jobs.n);
}

static int report(const arguments *a, double seconds) {
  const md_jobs *j = &a->jobs;
  int bad = 0;
  if (j->n > 1) print_table(a);
  for (int i = 0; i < j->n; i++) {
    const eqs_md_job *job = &j->job[i];
    const char *path = a->request.structure[j->structure[i]];
    bad += job->status != EQS_OK;
    if (job->status == EQS_ERR_INTERRUPTED && j->n == 1) app_fail(name, "%s", job->message);
    else if (job->status != EQS_OK && j->n == 1) app_fail(name, "%s: %s", path, job->message);
    else if (job->status != EQS_OK)
      app_fail(name, "run %d, %s: %s", md_jobs_number(j, i), path, job->message);
    else if (j->n == 1) print_summary(&job->summary);
  }
  if (!bad || j->n > 1) fprintf(stderr, "equisorb md: %.1f s\n", seconds);
  return bad ? EXIT_FAILED : EXIT_OK;
}

/* What has failed is no run. */
static int none_failed(const md_jobs *j) {
  for (int i = 0; i < j->n; i++)
    if (j->job[i].status != EQS_OK) return 0;
  return 1;
}

static int run(void *user, eqs_context *c, const eqs_model *m, const eqs_structures *const *files) {
  arguments *a = user;
  progress line = progress_start();
  eqs_comm *ranks = whole_runs(a) ? a->ranks : NULL;
  (void)files;
  if (a->jobs.n == 0) return EXIT_OK; /* a shard of fewer runs than there are shards */
  if (eqs_comm_rank(ranks)) {
    eqs_status served = eqs_md_batch_ranks(ranks, c, m, a->jobs.n, a->jobs.job, NULL, NULL);
    return served == EQS_OK ? EXIT_OK : EXIT_FAILED;
  }
  app_catch_signals();
  say_idle(a);
  double start = app_seconds();
  eqs_status status = eqs_md_batch_ranks(ranks, c, m, a->jobs.n, a->jobs.job, watch, &line);
  progress_clear(&line);
  if (status != EQS_OK && none_failed(&a->jobs)) return app_fail(name, "%s", eqs_error());
  int code = report(a, app_seconds() - start);
  return status == EQS_ERR_INTERRUPTED ? app_stop_code() : code;
}

static int on_rank(int argc, char **argv, eqs_comm *ranks) {
  arguments a = {.model = {.simulates = 1, .on_device = eqs_comm_size(ranks) == 1},
                 .request = {.run = {.size = sizeof a.request.run, .seed = 1}, .frame = 1},
                 .ranks = ranks};
  run_file file = {0};
  int code = parse(argc, argv, &a, &file);
  if (a.help) {
    code = EXIT_OK;
    if (eqs_comm_rank(ranks) == 0) fputs(help_text, stdout);
  } else {
    const structures_task task = {.command = name,
                                  .path = a.request.structure,
                                  .n = a.request.n_structure,
                                  .model = &a.model,
                                  .plan = plan,
                                  .whole = asks_for_several(&a.request) ? whole_runs : NULL,
                                  .run = run,
                                  .user = &a};
    code = ranks_structures(&task, ranks, code);
  }
  md_jobs_free(&a.jobs);
  md_request_free(&a.request);
  run_file_free(&file);
  return code;
}

int md_main(int argc, char **argv) {
  listen();
  return ranks_main(name, argc, argv, on_rank);
}
