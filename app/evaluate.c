/* evaluate.c -- `equisorb evaluate`: energies, forces and stress of structures, as extended XYZ.
 *
 * All structures are read first, so that a bad file is reported before work starts. Frames are
 * evaluated in batches and written in the order of the arguments; after Ctrl-C the frames that are
 * done are in the file, whole.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"
#include "app/ranks.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "evaluate";
enum { BATCH_ATOMS = 2000 }; /* a batch ends with the frame that reaches this many atoms */
enum { OPTION_UNCERTAINTY = OPTION_OWN };

/* Frames with atoms whose novelty is above 1, and the highest novelty of all. */
typedef struct strangers {
  int frames, frame, atom, number; /* frame and atom from 1 */
  double novelty;
} strangers;

typedef struct job {
  eqs_structures **file; /* [n_file] */
  int n_file, n_frame;
  size_t n_atom;
  const char *output;
  int json, uncertainty;
  strangers worst;
} job;

/* A batch: the frames' arrays one behind the other, and the results. */
typedef struct batch {
  int n_system, n_atom;
  int *first, *number, *pbc;
  double *position, *cell, *energy, *energies, *forces, *stress, *uncertainty, *novelty;
} batch;

typedef struct timing {
  double load, read, first, evaluate;
} timing;

static void help(void) {
  puts(
      "usage: equisorb evaluate --model M [--head H] [--modal P] [--precision single|double]\n"
      "                         [--dispersion none|auto|d3bj[:FUNCTIONAL]] [--threads N]\n"
      "                         [--wall auto|on|off]\n"
      "                         [--device auto|host|cuda:N]\n"
      "                         [--disorder refuse|major] [--uncertainty] [--json]\n"
      "                         STRUCTURE... --output OUT.extxyz\n\n"
      "Evaluates structures (CIF, XYZ, extended XYZ; every frame) and writes extended XYZ: energy\n"
      "(eV) and stress (eV/angstrom^3) in the comment line, forces (eV/angstrom) and energies (eV\n"
      "per atom) as columns, one frame per structure in order.\n\n"
      "  --model M         MACE .model or SevenNet .pth file\n"
      "  --head H          MACE models with several heads: the head\n"
      "  --modal P         SevenNet multi-fidelity models: the channel, for instance PBE\n"
      "  --precision P     single (default) or double, the reference mode\n"
      "  --dispersion D    add D3(BJ) to a model whose labels lack dispersion: d3bj, or d3bj:pbe\n"
      "                    where the model does not say its functional; auto: what the model's\n"
      "                    file says is to be added; none is the default\n"
      "  --wall W          repulsion below the distances that a model was trained on: off, the\n"
      "                    default: as published; auto: where it has none of its own (ZBL); on\n"
      "  --device D        host, cuda:N (the N-th GPU), or auto, the default: the first GPU that\n"
      "                    works, else the host\n"
      "  --threads N       threads; 0, the default, uses all cores; results do not depend on it\n"
      "  --disorder HOW    refuse disordered structures (default), or keep the major group\n"
      "  --uncertainty     how sure the model is, of models with a committee: the standard error "
      "of\n"
      "                    each energy (eV) in the comment line, and a column novelty: above 1 an\n"
      "                    atom's surroundings are unlike any that the model was trained on; how\n"
      "                    many frames have such atoms is said on standard error\n"
      "  --output FILE     where to write; - is standard output\n"
      "  --json            timing and memory as one line of JSON on standard error\n\n"
      "example: equisorb evaluate --model mace-mp-0.model IRMOF-1.cif --output irmof-1.extxyz\n\n"
      "exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM");
}

static int read_all(job *j, char **paths, int disorder_major) {
  eqs_read_options options = {.size = sizeof options, .disorder_major = disorder_major};
  for (int i = 0; i < j->n_file; i++) {
    if (app_stopped()) return app_stop_code();
    if (eqs_structures_read(paths[i], &options, &j->file[i]))
      return app_fail(name, "%s", eqs_error());
    eqs_systems all = {.size = sizeof all};
    if (eqs_structures_view(j->file[i], -1, &all)) return app_fail(name, "%s", eqs_error());
    j->n_frame += eqs_structures_count(j->file[i]);
    j->n_atom += (size_t)all.first[all.n_system];
  }
  return EXIT_OK;
}

/* Refuses to overwrite one of the inputs. */
static int check_output(const char *output, char **paths, int n) {
  if (!strcmp(output, "-")) return EXIT_OK;
  for (int i = 0; i < n; i++)
    if (app_same_file(output, paths[i]))
      return app_usage(name, "--output %s is one of the structures", output);
  return EXIT_OK;
}

static void batch_free(batch *b) {
  void *all[] = {b->first,    b->number, b->pbc,    b->position,    b->cell,   b->energy,
                 b->energies, b->forces, b->stress, b->uncertainty, b->novelty};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  memset(b, 0, sizeof *b);
}

/* Makes room for `systems` frames and `atoms` atoms. */
static int batch_reserve(batch *b, size_t systems, size_t atoms) {
  batch_free(b);
  b->first = calloc(systems + 1, sizeof *b->first);
  b->number = calloc(atoms + 1, sizeof *b->number);
  b->pbc = calloc(systems, 3 * sizeof *b->pbc);
  b->position = calloc(atoms + 1, 3 * sizeof *b->position);
  b->cell = calloc(systems, 9 * sizeof *b->cell);
  b->energy = calloc(systems, sizeof *b->energy);
  b->energies = calloc(atoms + 1, sizeof *b->energies);
  b->forces = calloc(atoms + 1, 3 * sizeof *b->forces);
  b->stress = calloc(systems, 9 * sizeof *b->stress);
  b->uncertainty = calloc(systems, sizeof *b->uncertainty);
  b->novelty = calloc(atoms + 1, sizeof *b->novelty);
  return b->uncertainty && b->novelty && b->first && b->number && b->pbc && b->position &&
         b->cell && b->energy && b->energies && b->forces && b->stress;
}

static void batch_append(batch *b, const eqs_systems *frame) {
  size_t n = (size_t)frame->first[1], s = (size_t)b->n_system, a = (size_t)b->n_atom;
  memcpy(b->number + a, frame->number, n * sizeof *b->number);
  memcpy(b->position + 3 * a, frame->position, 3 * n * sizeof *b->position);
  if (frame->cell) memcpy(b->cell + 9 * s, frame->cell, 9 * sizeof *b->cell);
  if (frame->pbc) memcpy(b->pbc + 3 * s, frame->pbc, 3 * sizeof *b->pbc);
  b->n_system++;
  b->n_atom += (int)n;
  b->first[b->n_system] = b->n_atom;
}

/* Where the next batch begins; advanced by fill. */
typedef struct cursor {
  int file, frame, done;
} cursor;

/* Walks from *at until the batch is full; counts, and copies if b has room. */
static int walk(const job *j, cursor *at, batch *b, size_t *systems, size_t *atoms) {
  *systems = 0, *atoms = 0;
  while (at->file < j->n_file && *atoms < BATCH_ATOMS) {
    eqs_systems frame = {.size = sizeof frame};
    if (eqs_structures_view(j->file[at->file], at->frame, &frame))
      return app_fail(name, "%s", eqs_error());
    if (b) batch_append(b, &frame);
    *systems += 1;
    *atoms += (size_t)frame.first[1];
    at->done++;
    if (++at->frame == eqs_structures_count(j->file[at->file])) at->file++, at->frame = 0;
  }
  return EXIT_OK;
}

static int fill(const job *j, cursor *at, batch *b) {
  size_t systems, atoms;
  cursor ahead = *at;
  int code = walk(j, &ahead, NULL, &systems, &atoms);
  if (code) return code;
  if (atoms > INT32_MAX || !batch_reserve(b, systems, atoms))
    return app_fail(name, "out of memory for %zu atoms", atoms);
  return walk(j, at, b, &systems, &atoms);
}

/* done: frames of earlier batches. */
static void note_strangers(const batch *b, int done, strangers *s) {
  for (int f = 0; f < b->n_system; f++) {
    int strange = 0;
    for (int i = b->first[f]; i < b->first[f + 1]; i++) {
      strange |= b->novelty[i] > 1;
      if (b->novelty[i] <= s->novelty) continue;
      s->novelty = b->novelty[i];
      s->frame = done + f + 1;
      s->atom = i - b->first[f] + 1;
      s->number = b->number[i];
    }
    s->frames += strange;
  }
}

static void tell_strangers(const job *j) {
  const strangers *s = &j->worst;
  if (!s->frames) return;
  fprintf(stderr,
          "equisorb evaluate: %d of %d frames hold atoms unlike any that the model was trained on; "
          "the worst is atom %d (%s) of frame %d, novelty %.3g\n",
          s->frames, j->n_frame, s->atom, eqs_element_symbol(s->number), s->frame, s->novelty);
}

static void tell_timing(const job *j, const timing *t, double total) {
  fprintf(stderr,
          "{\"frames\": %d, \"atoms\": %zu, \"read_seconds\": %.6f, \"load_seconds\": %.6f, "
          "\"first_seconds\": %.6f, \"evaluate_seconds\": %.6f, \"total_seconds\": %.6f, "
          "\"peak_memory_mb\": %.1f",
          j->n_frame, j->n_atom, t->read, t->load, t->first, t->evaluate, total,
          app_peak_megabytes());
  if (j->uncertainty) {
    fprintf(stderr, ", \"unknown_frames\": %d, \"novelty_max\": ", j->worst.frames);
    if (isfinite(j->worst.novelty)) fprintf(stderr, "%.6g", j->worst.novelty);
    else fputs("null", stderr); /* an element that training never saw */
  }
  fprintf(stderr, "}\n");
}

static int run_batch(const job *j, eqs_context *context, const eqs_model *model, batch *b,
                     int append) {
  eqs_systems systems = {.size = sizeof systems,
                         .n_system = b->n_system,
                         .first = b->first,
                         .number = b->number,
                         .position = b->position,
                         .cell = b->cell,
                         .pbc = b->pbc};
  eqs_result result = {.size = sizeof result,
                       .energy = b->energy,
                       .energies = b->energies,
                       .forces = b->forces,
                       .stress = b->stress,
                       .uncertainty = j->uncertainty ? b->uncertainty : NULL,
                       .novelty = j->uncertainty ? b->novelty : NULL};
  if (eqs_compute(context, model, &systems, &result) ||
      eqs_extxyz_write(j->output, append, &systems, &result))
    return app_fail(name, "%s", eqs_error());
  return EXIT_OK;
}

static int run_all(job *j, eqs_context *context, const eqs_model *model, double start, timing *t) {
  batch b = {0};
  cursor at = {0};
  progress line = progress_start();
  int code = EXIT_OK;
  double begin = app_seconds();
  while (at.file < j->n_file && code == EXIT_OK) {
    if (app_stopped()) {
      progress_clear(&line);
      fprintf(stderr, "equisorb evaluate: stopped; the first %d of %d frames are in %s\n", at.done,
              j->n_frame, j->output);
      code = app_stop_code();
      break;
    }
    double spent = app_seconds() - begin;
    progress_show(&line, "frame %d of %d, about %.0f s to go", at.done, j->n_frame,
                  at.done ? spent * (j->n_frame - at.done) / at.done : 0);
    int append = at.done > 0, done = at.done;
    code = fill(j, &at, &b);
    if (code == EXIT_OK) code = run_batch(j, context, model, &b, append);
    if (code == EXIT_OK && j->uncertainty) note_strangers(&b, done, &j->worst);
    if (!append) t->first = app_seconds() - start;
  }
  progress_clear(&line);
  t->evaluate = app_seconds() - begin;
  batch_free(&b);
  return code;
}

static int evaluate(job *j, char **paths, const model_arguments *arguments, eqs_comm *ranks) {
  timing t = {0};
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  double start = app_seconds();
  int serves = eqs_comm_rank(ranks) > 0, code = EXIT_OK;
  j->file = calloc((size_t)j->n_file, sizeof *j->file);
  if (!j->file) return ranks_join(name, ranks, NULL, app_fail(name, "out of memory"));
  if (!serves) code = read_all(j, paths, arguments->disorder_major);
  t.read = app_seconds() - start;
  if (code == EXIT_OK) code = model_open(name, arguments, &context, &model);
  t.load = app_seconds() - start - t.read;
  code = ranks_join(name, ranks, context, code);
  if (code == EXIT_OK)
    code = serves ? ranks_serve(context, model) : run_all(j, context, model, start, &t);
  if (code == EXIT_OK && j->json && !serves) tell_timing(j, &t, app_seconds() - start);
  else if (code == EXIT_OK && !serves) tell_strangers(j);
  eqs_model_free(&model);
  eqs_context_free(&context);
  for (int i = 0; i < j->n_file; i++) eqs_structures_free(&j->file[i]);
  free(j->file);
  return code;
}

/* EXIT_OK with `done`: there is nothing else to do. */
static int parse(int argc, char **argv, job *j, model_arguments *arguments, int *done) {
  static const struct option table[] = {MODEL_OPTIONS,
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"output", required_argument, NULL, OPTION_OUTPUT},
                                        {"uncertainty", no_argument, NULL, OPTION_UNCERTAINTY},
                                        {NULL, 0, NULL, 0}};
  int option, code;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    switch (option) {
    case OPTION_HELP: *done = 1; return EXIT_OK;
    case OPTION_JSON: j->json = 1; break;
    case OPTION_UNCERTAINTY: j->uncertainty = 1; break;
    case OPTION_OUTPUT: j->output = optarg; break;
    case ':': return app_usage(name, "%s wants a value", argv[optind - 1]);
    case '?': return app_usage(name, "unknown option %s", argv[optind - 1]);
    default:
      if ((code = option_model(name, option, optarg, arguments))) return code;
    }
  }
  j->n_file = argc - optind;
  if (!arguments->model) return app_usage(name, "--model FILE is missing");
  if (!j->output) return app_usage(name, "--output FILE is missing (- is standard output)");
  if (j->n_file < 1) return app_usage(name, "no structure given");
  return check_output(j->output, argv + optind, j->n_file);
}

static int on_rank(int argc, char **argv, eqs_comm *ranks) {
  model_arguments arguments = {.precision = EQS_SINGLE, .on_device = eqs_comm_size(ranks) == 1};
  job j = {0};
  int done = 0, serves = eqs_comm_rank(ranks) > 0;
  int code = parse(argc, argv, &j, &arguments, &done);
  if (done && !serves) help();
  if (done) return EXIT_OK;
  if (code != EXIT_OK) return ranks_join(name, ranks, NULL, code);
  if (!serves) app_catch_signals();
  return evaluate(&j, argv + optind, &arguments, ranks);
}

int evaluate_main(int argc, char **argv) { return ranks_main(name, argc, argv, on_rank); }
