/* options.h -- strict conversion of option values, and the options that sub-commands share.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_OPTIONS_H
#define EQS_OPTIONS_H

#include "app/app.h"

/* Conversions of a whole option value, range included. They print what is wrong and return
 * EXIT_USAGE, or return EXIT_OK. `name` is the option as the user writes it. */
int option_int(const char *command, const char *name, const char *text, int least, int most,
               int *out);
int option_double(const char *command, const char *name, const char *text, double least,
                  double most, double *out);
int option_uint64(const char *command, const char *name, const char *text, uint64_t *out);
/* From `least` to 10^12. */
int option_count(const char *command, const char *name, const char *text, int64_t least,
                 int64_t *out);
/* "5%" or "0.05", from 0.0001 to 0.99. */
int option_share(const char *command, const char *name, const char *text, double *out);
/* "1e3,1e4": up to `most` numbers, each within the range. */
int option_list(const char *command, const char *name, const char *text, double least,
                double greatest, int most, double *out, int *n);
int option_energy(const char *command, const char *text, eqs_energy *out);
int option_replicate(const char *command, const char *text, int *strict);  /* shell, strict */
int option_overlap(const char *command, const char *text, double *energy); /* eV */
int option_pockets(const char *command, const char *text, int *keep);      /* block, keep */

/* --model --head --modal --precision --dispersion --wall --threads --disorder: the same everywhere.
 */
typedef struct model_arguments {
  const char *model;
  const char *head;
  const char *modal;
  const char *dispersion;
  const char *wall;
  eqs_precision precision;
  const char *device; /* NULL = "auto" */
  int on_device;      /* 1: the command computes whole systems; 0: local changes, "auto" = host */
  int threads;        /* 0 = all cores */
  int disorder_major;
  int optional;  /* 1: the command can do without a model */
  int simulates; /* 1: --wall and --dispersion are auto unless they are given */
} model_arguments;

enum {
  OPTION_HELP = 'h',
  OPTION_MODEL = 1000,
  OPTION_HEAD,
  OPTION_MODAL,
  OPTION_PRECISION,
  OPTION_DISPERSION,
  OPTION_WALL,
  OPTION_DEVICE,
  OPTION_THREADS,
  OPTION_DISORDER,
  OPTION_JSON,
  OPTION_OUTPUT,
  OPTION_OWN = 2000 /* a sub-command numbers its own from here */
};
/* For a getopt_long table. */
/* clang-format off */
#define MODEL_OPTIONS                                                                              \
  {"help", no_argument, NULL, OPTION_HELP}, {"model", required_argument, NULL, OPTION_MODEL},      \
      {"head", required_argument, NULL, OPTION_HEAD},                                              \
      {"modal", required_argument, NULL, OPTION_MODAL},                                            \
      {"precision", required_argument, NULL, OPTION_PRECISION},                                    \
      {"dispersion", required_argument, NULL, OPTION_DISPERSION},                                  \
      {"wall", required_argument, NULL, OPTION_WALL},                                              \
      {"device", required_argument, NULL, OPTION_DEVICE},                                          \
      {"threads", required_argument, NULL, OPTION_THREADS},                                        \
      {"disorder", required_argument, NULL, OPTION_DISORDER}
/* clang-format on */

/* Takes one of the shared options. EXIT_OK, or EXIT_USAGE after a message; -1: not one of them. */
int option_model(const char *command, int option, const char *text, model_arguments *a);
/* Opens a context with the threads asked for and loads the model; prints the reason of a failure.
 * The caller frees both, whatever is returned. */
int model_open(const char *command, const model_arguments *a, eqs_context **context,
               eqs_model **model);

/* ", about 5 min left"; "" while that is not known. */
void seconds_left_text(double s, char *out, size_t size);

#endif
