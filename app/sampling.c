/* sampling.c -- what `gcmc` and `tmmc` share: options, the progress line, the frame of a run.
 *
 * SPDX-License-Identifier: MIT */
#include "app/sampling.h"

#include <math.h>
#include <string.h>

/* ---- the command line */

/* One part of a list: up to the comma. Returns what follows, or NULL at the end. */
static const char *next_part(const char *text, char *part, size_t size) {
  size_t n = strcspn(text, ",");
  size_t kept = n < size ? n : size - 1;
  memcpy(part, text, kept);
  part[kept] = 0;
  return text[n] ? text + n + 1 : NULL;
}

static int option_gases(const char *command, const char *text, sampling *a) {
  int with_fraction = 0;
  char part[64];
  for (a->run.n_gas = 0; text; a->run.n_gas++) {
    int k = a->run.n_gas;
    if (k == SAMPLING_GASES)
      return app_usage(command, "--gas names more than %d gases", SAMPLING_GASES);
    text = next_part(text, part, sizeof part);
    char *colon = strchr(part, ':');
    if (colon) *colon = 0;
    if (!*part || strlen(part) >= SAMPLING_NAME)
      return app_usage(command, "--gas: '%s' is no name of a gas", part);
    snprintf(a->gas[k], SAMPLING_NAME, "%s", part);
    a->gases[k] = a->gas[k];
    a->fraction[k] = 1;
    with_fraction += colon != NULL;
    if (colon && option_double(command, "--gas", colon + 1, 0, 1, a->fraction + k))
      return EXIT_USAGE;
  }
  if (a->run.n_gas > 1 && with_fraction < a->run.n_gas)
    return app_usage(command, "a mixture needs mole fractions, as in --gas CO2:0.15,N2:0.85");
  return EXIT_OK;
}

void sampling_start(sampling *a) {
  *a = (sampling){.model = {.simulates = 1}, .run = {.size = sizeof a->run, .seed = 1, .scale = 1}};
}

int sampling_option(const char *command, int option, const char *text, sampling *a) {
  eqs_gcmc_options *o = &a->run;
  int code = option_model(command, option, text, &a->model);
  if (code != -1) return code;
  switch (option) {
  case OPTION_HELP: a->help = 1; return EXIT_OK;
  case SAMPLING_GAS: return option_gases(command, text, a);
  case SAMPLING_PRESSURE:
    return option_list(command, "--pressure", text, 1e-30, 1e12, SAMPLING_VALUES, a->pressure,
                       &a->n_pressure);
  case SAMPLING_TEMPERATURE:
    return option_list(command, "--temperature", text, 1, 10000, SAMPLING_VALUES, a->temperature,
                       &a->n_temperature);
  case SAMPLING_ENERGY: return option_energy(command, text, &o->energy);
  case SAMPLING_SCALE: return option_double(command, "--scale", text, -1e6, 1e6, &o->scale);
  case SAMPLING_FIELD: o->force_field = text; return EXIT_OK;
  case SAMPLING_NO_SURROGATE: o->no_surrogate = 1; return EXIT_OK;
  case SAMPLING_CYCLES: return option_count(command, "--cycles", text, 1, &o->production);
  case SAMPLING_EQUILIBRATION:
    return option_count(command, "--equilibration", text, 1, &o->equilibration);
  case SAMPLING_MOVES: return option_int(command, "--moves", text, 1, 1000000, &o->cycle_moves);
  case SAMPLING_TRIALS: return option_int(command, "--trials", text, 1, 4096, &o->trials);
  case SAMPLING_SEED: return option_uint64(command, "--seed", text, &o->seed);
  case SAMPLING_CHECKPOINT: a->checkpoint = text; return EXIT_OK;
  case SAMPLING_CSV: a->csv = text; return EXIT_OK;
  case OPTION_JSON: a->json = 1; return EXIT_OK;
  case SAMPLING_REPLICATE: return option_replicate(command, text, &o->replicate_strict);
  case SAMPLING_OVERLAP: return option_overlap(command, text, &o->overlap_energy);
  case SAMPLING_POCKETS: return option_pockets(command, text, &o->keep_pockets);
  default: return -1;
  }
}

int sampling_complete(const char *command, int argc, char **argv, sampling *a) {
  eqs_gcmc_options *o = &a->run;
  if (argc > 1) return app_usage(command, "one framework at a time: what is %s?", argv[1]);
  a->framework = argc ? argv[0] : NULL;
  if (!a->framework) return app_usage(command, "no framework was named");
  if (!o->n_gas) return app_usage(command, "--gas G is missing");
  if (!a->n_pressure) return app_usage(command, "--pressure PA is missing");
  if (!a->n_temperature) return app_usage(command, "--temperature K is missing");
  if (o->energy != EQS_ENERGY_CLASSICAL && !a->model.model)
    return app_usage(command, "--model FILE is missing (--energy classical does without)");
  if (o->energy == EQS_ENERGY_CLASSICAL && a->model.model)
    return app_usage(command, "--energy classical does not use a --model");
  a->model.optional = o->energy == EQS_ENERGY_CLASSICAL;
  o->temperature = a->temperature[0];
  o->gases = a->gases;
  o->fraction = o->n_gas > 1 ? a->fraction : NULL;
  return EXIT_OK;
}

/* ---- while it runs */

int sampling_show(progress *line, const char *what, const eqs_gcmc_progress *p) {
  char left[48];
  if (p->n_cycle == 0) {
    progress_show(line, "%spores", what);
    return app_stopped() != 0;
  }
  seconds_left_text(p->seconds_left, left, sizeof left);
  progress_show(line, "%s%s cycle %lld of %lld, %d guests, %.3f eV, %lld energies%s", what,
                p->equilibrating ? "equilibration," : "production,", (long long)p->cycle,
                (long long)p->n_cycle, p->n_guest, p->energy, (long long)p->energies, left);
  return app_stopped() != 0;
}

void sampling_print(int width, double value, double error) {
  if (isfinite(value)) printf(" %*.4g +- %-8.2g", width, value, error);
  else printf(" %*s    %-8s", width, "-", "");
}

void sampling_print_spent(const char *command, int64_t moves, int64_t energies, int64_t surrogate,
                          int n_pocket, const char *note) {
  fprintf(stderr, "equisorb %s: %lld moves, %lld energies of the target, %lld of the surrogate\n",
          command, (long long)moves, (long long)energies, (long long)surrogate);
  if (n_pocket)
    fprintf(stderr, "equisorb %s: %d pocket%s per cell blocked\n", command, n_pocket,
            n_pocket == 1 ? "" : "s");
  if (*note) fprintf(stderr, "equisorb %s: %s\n", command, note);
}

/* ---- the frame of a run */

int sampling_write(const char *command, const sampling *a, const char *text, FILE *csv) {
  if (fputs(text, csv) >= 0 && fflush(csv) == 0) return EXIT_OK;
  return app_fail(command, "cannot write %s", a->csv);
}

static int with_framework(const char *command, const sampling *a, eqs_context *c,
                          const eqs_model *m,
                          int (*run)(const sampling *, eqs_context *, const eqs_model *,
                                     const eqs_structures *, FILE *)) {
  eqs_structures *frames = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = a->model.disorder_major};
  if (eqs_structures_read(a->framework, &options, &frames))
    return app_fail(command, "%s", eqs_error());
  FILE *csv = a->csv ? fopen(a->csv, "w") : NULL;
  int code = EXIT_OK;
  if (a->csv && !csv) code = app_fail(command, "cannot write %s", a->csv);
  app_catch_signals();
  if (code == EXIT_OK) code = run(a, c, m, frames, csv);
  if (csv && fclose(csv) && code == EXIT_OK) code = app_fail(command, "cannot write %s", a->csv);
  eqs_structures_free(&frames);
  return code;
}

int sampling_main(const char *command, const sampling *a,
                  int (*run)(const sampling *a, eqs_context *c, const eqs_model *m,
                             const eqs_structures *frames, FILE *csv)) {
  eqs_context *context = NULL;
  eqs_model *model = NULL;
  int code = model_open(command, &a->model, &context, &model);
  if (code == EXIT_OK) code = with_framework(command, a, context, model, run);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}
