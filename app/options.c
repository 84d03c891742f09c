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

#define COUNT_MOST 1000000000000

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

int option_count(const char *command, const char *name, const char *text, int64_t least,
                 int64_t *out) {
  uint64_t value = 0;
  if (option_uint64(command, name, text, &value)) return EXIT_USAGE;
  if (value < (uint64_t)least || value > COUNT_MOST)
    return app_usage(command, "%s wants %lld to 10^12, not '%s'", name, (long long)least, text);
  *out = (int64_t)value;
  return EXIT_OK;
}

int option_share(const char *command, const char *name, const char *text, double *out) {
  char number[32];
  size_t n = strlen(text);
  int percent = n > 0 && text[n - 1] == '%';
  n -= (size_t)percent;
  if (n >= sizeof number) return app_usage(command, "%s wants 5%% or 0.05, not '%s'", name, text);
  memcpy(number, text, n);
  number[n] = 0;
  if (option_double(command, name, number, percent ? 0.01 : 1e-4, percent ? 99 : 0.99, out))
    return EXIT_USAGE;
  if (percent) *out /= 100;
  return EXIT_OK;
}

int option_list(const char *command, const char *name, const char *text, double least,
                double greatest, int most, double *out, int *n) {
  *n = 0;
  for (const char *at = text;; at++) {
    char one[32];
    size_t length = strcspn(at, ",");
    if (length >= sizeof one || *n == most)
      return app_usage(command, "%s wants up to %d numbers with commas, not '%s'", name, most,
                       text);
    memcpy(one, at, length);
    one[length] = 0;
    if (option_double(command, name, one, least, greatest, out + (*n)++)) return EXIT_USAGE;
    at += length;
    if (!*at) return EXIT_OK;
  }
}

/* One of two words: *out = 1 for the second. */
static int option_second(const char *command, const char *name, const char *text, const char *first,
                         const char *second, int *out) {
  *out = strcmp(text, second) == 0;
  if (*out || strcmp(text, first) == 0) return EXIT_OK;
  return app_usage(command, "%s is %s or %s, not '%s'", name, first, second, text);
}

int option_replicate(const char *command, const char *text, int *strict) {
  return option_second(command, "--replicate", text, "shell", "strict", strict);
}

int option_pockets(const char *command, const char *text, int *keep) {
  return option_second(command, "--pockets", text, "block", "keep", keep);
}

int option_overlap(const char *command, const char *text, double *energy) {
  return option_double(command, "--overlap-energy", text, 1e-3, 1000, energy);
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
  case OPTION_WALL:
    if (strcmp(text, "auto") != 0 && strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
      return app_usage(command, "--wall is auto, on or off, not '%s'", text);
    a->wall = text;
    return EXIT_OK;
  case OPTION_DEVICE: a->device = text; return EXIT_OK;
  case OPTION_THREADS: return option_int(command, "--threads", text, 0, 4096, &a->threads);
  case OPTION_PRECISION: {
    int is_double;
    if (option_second(command, "--precision", text, "single", "double", &is_double))
      return EXIT_USAGE;
    a->precision = is_double ? EQS_DOUBLE : EQS_SINGLE;
    return EXIT_OK;
  }
  case OPTION_DISORDER:
    return option_second(command, "--disorder", text, "refuse", "major", &a->disorder_major);
  default: return -1;
  }
}

int model_open(const char *command, const model_arguments *a, eqs_context **context,
               eqs_model **model) {
  *context = NULL, *model = NULL;
  if (!a->model && !a->optional) return app_usage(command, "--model FILE is missing");
  const char *device = a->device ? a->device : "auto";
  const char *unless_given = a->simulates ? "auto" : NULL;
  if (!a->on_device && strcmp(device, "auto") == 0) device = "host";
  if (eqs_context_open(device, context) || eqs_context_set_threads(*context, a->threads))
    return app_fail(command, "%s", eqs_error());
  if (!a->model) return EXIT_OK;
  eqs_model_options options = {.size = sizeof options,
                               .head = a->head,
                               .modal = a->modal,
                               .precision = a->precision,
                               .dispersion = a->dispersion ? a->dispersion : unless_given,
                               .wall = a->wall ? a->wall : unless_given};
  if (eqs_model_load(*context, a->model, &options, model))
    return app_fail(command, "%s", eqs_error());
  return EXIT_OK;
}

void seconds_left_text(double s, char *out, size_t size) {
  out[0] = 0;
  if (!(s >= 0) || isinf(s)) return;
  if (s < 100) snprintf(out, size, ", about %.0f s left", s);
  else if (s < 6000) snprintf(out, size, ", about %.0f min left", s / 60);
  else if (s < 360000) snprintf(out, size, ", about %.1f h left", s / 3600);
  else snprintf(out, size, ", about %.1f days left", s / 86400);
}
