/* convert.c -- `equisorb convert`: a model as one safetensors file of this program's own format.
 *
 * The file is read back before success is reported.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char name[] = "convert";
enum { SETTINGS = 64, TEXT = 65536 };

static void help(void) {
  puts("usage: equisorb convert MODEL OUT.safetensors [--licence TEXT] [--set KEY=VALUE]...\n"
       "                        [--modal NAME] [--force]\n\n"
       "Writes a model (MACE .model, SevenNet .pth, or a file of this kind) as one safetensors\n"
       "file: what describes the network and every tensor with its bits, for all heads or\n"
       "channels. Energies and forces are the same as before. OUT must not exist.\n\n"
       "  --licence TEXT    the model's licence; the same as --set licence=TEXT\n"
       "  --set KEY=VALUE   metadata, shown by `equisorb info`; an empty VALUE takes them away.\n"
       "                    functional=PBE: of the training labels; dispersion=d3bj:pbe: what is\n"
       "                    to be added (--dispersion auto does), or none; wall=on, off: what\n"
       "                    --wall auto does; name, attribution, training_data and any other key:\n"
       "                    as they stand. KEY=@FILE takes the value from a text file\n"
       "  --modal NAME      a SevenNet multi-fidelity model without a default of its own is\n"
       "                    opened by one of its channels; all are written\n"
       "  --force           replace OUT\n\n"
       "example: equisorb convert small.model small.safetensors --licence MIT \\\n"
       "           --set functional=PBE --set dispersion=d3bj:pbe\n\n"
       "exit codes: 0 done, 1 failed, the reason is on standard error, 2 wrong usage");
}

typedef struct arguments {
  model_arguments model;
  const char *out;
  eqs_model_write_options write;
  const char *key[SETTINGS], *value[SETTINGS];
  char *owned[2 * SETTINGS]; /* keys, and texts of files */
  int n_owned;
} arguments;

static char *keep(arguments *a, char *s) {
  if (s) a->owned[a->n_owned++] = s;
  return s;
}

static int read_text(const char *path, char **out) {
  char *text = malloc(TEXT + 1);
  FILE *f = text ? fopen(path, "rb") : NULL;
  size_t n = f ? fread(text, 1, TEXT + 1, f) : 0;
  int bad = !f || ferror(f);
  if (f) fclose(f);
  *out = text;
  if (bad) return app_fail(name, "%s: cannot be read", path);
  if (n > TEXT || memchr(text, 0, n)) return app_fail(name, "%s: no text of up to 64 KiB", path);
  while (n && (text[n - 1] == '\n' || text[n - 1] == '\r')) n--;
  text[n] = 0;
  return EXIT_OK;
}

static int take_setting(arguments *a, const char *key, size_t n, const char *value) {
  if (a->write.n == SETTINGS) return app_usage(name, "more than %d --set", SETTINGS);
  char *own = keep(a, strndup(key, n)), *text = NULL;
  if (!own) return app_fail(name, "out of memory");
  if (*value == '@') {
    int code = read_text(value + 1, &text);
    value = keep(a, text);
    if (code != EXIT_OK) return code;
  }
  a->key[a->write.n] = own;
  a->value[a->write.n++] = value;
  return EXIT_OK;
}

static int take_options(int argc, char **argv, arguments *a, int *helped) {
  enum { OPTION_LICENCE = OPTION_OWN, OPTION_SET, OPTION_FORCE };
  static const struct option table[] = {{"help", no_argument, NULL, OPTION_HELP},
                                        {"licence", required_argument, NULL, OPTION_LICENCE},
                                        {"license", required_argument, NULL, OPTION_LICENCE},
                                        {"set", required_argument, NULL, OPTION_SET},
                                        {"modal", required_argument, NULL, OPTION_MODAL},
                                        {"force", no_argument, NULL, OPTION_FORCE},
                                        {NULL, 0, NULL, 0}};
  int option, code = EXIT_OK;
  const char *equals;
  opterr = 0;
  while (code == EXIT_OK && (option = getopt_long(argc, argv, ":h", table, NULL)) != -1)
    switch (option) {
    case OPTION_HELP:
      help();
      *helped = 1;
      return EXIT_OK;
    case OPTION_LICENCE: code = take_setting(a, "licence", 7, optarg); break;
    case OPTION_SET:
      equals = strchr(optarg, '=');
      if (!equals) return app_usage(name, "--set wants KEY=VALUE, not '%s'", optarg);
      code = take_setting(a, optarg, (size_t)(equals - optarg), equals + 1);
      break;
    case OPTION_MODAL: a->model.modal = optarg; break;
    case OPTION_FORCE: a->write.overwrite = 1; break;
    case ':': return app_usage(name, "%s wants a value", argv[optind - 1]);
    default: return app_usage(name, "unknown option %s", argv[optind - 1]);
    }
  if (code != EXIT_OK) return code;
  if (argc - optind != 2) return app_usage(name, "which model, and into which file?");
  a->model.model = argv[optind];
  a->out = argv[optind + 1];
  return EXIT_OK;
}

/* What was written, from the file itself. */
static int read_back(arguments *a) {
  eqs_context *context;
  eqs_model *model;
  eqs_model_info info = {.size = sizeof info};
  struct stat file;
  a->model.model = a->out;
  int code = model_open(name, &a->model, &context, &model);
  if (code == EXIT_OK && (eqs_model_info_get(model, &info) || stat(a->out, &file)))
    code = app_fail(name, "%s was written, but cannot be read back", a->out);
  if (code == EXIT_OK)
    printf("%s: %s, %d elements, %lld parameters, %.2f MB, sha256 %s\n", a->out, info.family,
           info.n_element, (long long)info.n_parameter, 1e-6 * (double)file.st_size, info.sha256);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}

static int convert(arguments *a) {
  eqs_context *context;
  eqs_model *model;
  if (!strchr(a->out, '/') && !strchr(a->out, '.'))
    return app_usage(name, "'%s' has no ending: OUT.safetensors is wanted", a->out);
  int code = model_open(name, &a->model, &context, &model);
  if (code == EXIT_OK && eqs_model_write(model, a->out, &a->write)) {
    struct stat there;
    code = app_fail(name, "%s%s", eqs_error(),
                    !a->write.overwrite && !lstat(a->out, &there) ? " (--force replaces it)" : "");
  }
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code == EXIT_OK ? read_back(a) : code;
}

int convert_main(int argc, char **argv) {
  arguments a = {.write = {.size = sizeof a.write}};
  int helped = 0;
  a.write.keys = a.key;
  a.write.values = a.value;
  int code = take_options(argc, argv, &a, &helped);
  if (code == EXIT_OK && !helped) code = convert(&a);
  for (int i = 0; i < a.n_owned; i++) free(a.owned[i]);
  return code;
}
