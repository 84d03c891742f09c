/* options.c -- strict conversion of option values, and the options that sub-commands share.
 *
 * A number must be the whole value ("3x" is refused, so is "nan") and lie within its range.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int option_int(const char *command, const char *name, const char *text, int least, int most,
               int *out) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno || value < least || value > most)
    return app_usage(command, "%s wants a whole number from %d to %d, not '%s'", name, least, most,
                     text);
  *out = (int)value;
  return EXIT_OK;
}

int option_uint64(const char *command, const char *name, const char *text, uint64_t *out) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (end == text || *end || errno || strchr(text, '-'))
    return app_usage(command, "%s wants a whole number from 0 to 2^64 - 1, not '%s'", name, text);
  *out = value;
  return EXIT_OK;
}

int option_double(const char *command, const char *name, const char *text, double least,
                  double most, double *out) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !isfinite(value) || value < least || value > most)
    return app_usage(command, "%s wants a number from %g to %g, not '%s'", name, least, most, text);
  *out = value;
  return EXIT_OK;
}

int option_energy(const char *command, const char *text, eqs_energy *out) {
  static const char *const kinds[] = {"model", "classical", "sum"};
  for (int k = 0; k < 3; k++)
    if (!strcmp(text, kinds[k])) {
      *out = (eqs_energy)k;
      return EXIT_OK;
    }
  return app_usage(command, "--energy is model, classical or sum, not '%s'", text);
}

int option_model(const char *command, int option, const char *text, model_arguments *a) {
  switch (option) {
  case OPTION_MODEL: a->model = text; return EXIT_OK;
  case OPTION_HEAD: a->head = text; return EXIT_OK;
  case OPTION_MODAL: a->modal = text; return EXIT_OK;
  case OPTION_DISPERSION:
    if (a->dispersion) return app_usage(command, "--dispersion is given twice");
    a->dispersion = text;
    return EXIT_OK;
  case OPTION_THREADS: return option_int(command, "--threads", text, 0, 4096, &a->threads);
  case OPTION_PRECISION:
    if (!strcmp(text, "single") || !strcmp(text, "double")) {
      a->precision = *text == 'd' ? EQS_DOUBLE : EQS_SINGLE;
      return EXIT_OK;
    }
    return app_usage(command, "--precision is single or double, not '%s'", text);
  case OPTION_DISORDER:
    if (!strcmp(text, "refuse") || !strcmp(text, "major")) {
      a->disorder_major = *text == 'm';
      return EXIT_OK;
    }
    return app_usage(command, "--disorder is refuse or major, not '%s'", text);
  default: return -1;
  }
}

int model_open(const char *command, const model_arguments *a, eqs_context **context,
               eqs_model **model) {
  *context = NULL, *model = NULL;
  if (!a->model && !a->optional) return app_usage(command, "--model FILE is missing");
  if (eqs_context_open("auto", context) || eqs_context_set_threads(*context, a->threads))
    return app_fail(command, "%s", eqs_error());
  if (!a->model) return EXIT_OK;
  eqs_model_options options = {.size = sizeof options,
                               .head = a->head,
                               .modal = a->modal,
                               .precision = a->precision,
                               .dispersion = a->dispersion};
  if (eqs_model_load(*context, a->model, &options, model))
    return app_fail(command, "%s", eqs_error());
  return EXIT_OK;
}
