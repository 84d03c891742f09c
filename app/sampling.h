/* sampling.h -- what `gcmc` and `tmmc` share on the command line and while they run.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SAMPLING_H
#define EQS_SAMPLING_H

#include "app/options.h"

enum { SAMPLING_GASES = 8, SAMPLING_VALUES = 256, SAMPLING_NAME = 16 };

typedef struct sampling {
  model_arguments model;
  eqs_gcmc_options run;
  char gas[SAMPLING_GASES][SAMPLING_NAME];
  const char *gases[SAMPLING_GASES];
  double fraction[SAMPLING_GASES], pressure[SAMPLING_VALUES], temperature[SAMPLING_VALUES];
  int n_pressure, n_temperature, json, help;
  const char *framework, *checkpoint, *csv;
} sampling;

enum {
  SAMPLING_GAS = OPTION_OWN,
  SAMPLING_TEMPERATURE,
  SAMPLING_PRESSURE,
  SAMPLING_ENERGY,
  SAMPLING_SCALE,
  SAMPLING_FIELD,
  SAMPLING_NO_SURROGATE,
  SAMPLING_CYCLES,
  SAMPLING_EQUILIBRATION,
  SAMPLING_MOVES,
  SAMPLING_TRIALS,
  SAMPLING_SEED,
  SAMPLING_CHECKPOINT,
  SAMPLING_CSV,
  SAMPLING_REPLICATE,
  SAMPLING_POCKETS,
  SAMPLING_OVERLAP,
  SAMPLING_OWN /* of one of the two commands from here */
};
/* For a getopt_long table. */
/* clang-format off */
#define SAMPLING_OPTIONS                                                                           \
  MODEL_OPTIONS, {"gas", required_argument, NULL, SAMPLING_GAS},                                   \
      {"temperature", required_argument, NULL, SAMPLING_TEMPERATURE},                              \
      {"pressure", required_argument, NULL, SAMPLING_PRESSURE},                                    \
      {"energy", required_argument, NULL, SAMPLING_ENERGY},                                        \
      {"scale", required_argument, NULL, SAMPLING_SCALE},                                          \
      {"field", required_argument, NULL, SAMPLING_FIELD},                                          \
      {"no-surrogate", no_argument, NULL, SAMPLING_NO_SURROGATE},                                  \
      {"cycles", required_argument, NULL, SAMPLING_CYCLES},                                        \
      {"equilibration", required_argument, NULL, SAMPLING_EQUILIBRATION},                          \
      {"moves", required_argument, NULL, SAMPLING_MOVES},                                          \
      {"trials", required_argument, NULL, SAMPLING_TRIALS},                                        \
      {"seed", required_argument, NULL, SAMPLING_SEED},                                            \
      {"checkpoint", required_argument, NULL, SAMPLING_CHECKPOINT},                                \
      {"csv", required_argument, NULL, SAMPLING_CSV},                                              \
      {"json", no_argument, NULL, OPTION_JSON},                                                    \
      {"replicate", required_argument, NULL, SAMPLING_REPLICATE},                                  \
      {"pockets", required_argument, NULL, SAMPLING_POCKETS},                                      \
      {"overlap-energy", required_argument, NULL, SAMPLING_OVERLAP}
/* clang-format on */

/* Of their help texts. */
/* clang-format off */
#define SAMPLING_HELP_ENERGY \
  "  --energy E           model (default): the force field; classical: Lennard-Jones and\n" \
  "                       charges of the file (or equilibrated ones), no model needed; sum:\n" \
  "                       classical + S times the model\n" \
  "  --scale S            of the model in a sum (default 1)\n" \
  "  --field F            classical parameters: uff+trappe (default) or dreiding+trappe\n" \
  "  --no-surrogate       do not try moves with the classical energy first; the averages are\n" \
  "                       the same, the model is asked more often\n" \
  "  --pockets block|keep whether places that a gas cannot get to stay empty (default block)\n" \
  "  --overlap-energy E   eV (default 5): of the wall of two elements where atoms overlap\n"
#define SAMPLING_HELP_MOVES \
  "  --moves N            per cycle (default 20)\n" \
  "  --trials N           poses per insertion or deletion (default 8)\n" \
  "  --seed S             of the random numbers (default 1)\n"
#define SAMPLING_HELP_MODEL \
  "  --replicate RULE     shell or strict, as for screen\n" \
  "  --model M, --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F],\n" \
  "  --wall auto|on|off, --threads N, --disorder refuse|major\n" \
  "                       as for evaluate, but --wall auto by default\n" \
  "\n"
/* clang-format on */

/* Defaults that are not zero. */
void sampling_start(sampling *a);
/* Takes one option. EXIT_OK, or EXIT_USAGE after a message; -1: not one of the shared ones. */
int sampling_option(const char *command, int option, const char *text, sampling *a);
/* After the last option: the framework, and what is missing or does not go together. */
int sampling_complete(const char *command, int argc, char **argv, sampling *a);

/* One cycle on the progress line after `what`; non-zero: it is to stop. */
int sampling_show(progress *line, const char *what, const eqs_gcmc_progress *p);
/* "VALUE +- ERROR" in two columns, or "-". */
void sampling_print(int width, double value, double error);
/* What a run spent and found, on standard error. */
void sampling_print_spent(const char *command, int64_t moves, int64_t energies, int64_t surrogate,
                          int n_pocket, const char *note);

/* Opens the model, reads the framework, opens the CSV file (NULL without --csv), calls `run`, and
 * closes everything. */
int sampling_main(const char *command, const sampling *a,
                  int (*run)(const sampling *a, eqs_context *c, const eqs_model *m,
                             const eqs_structures *frames, FILE *csv));
int sampling_write(const char *command, const sampling *a, const char *text, FILE *csv);

#endif
