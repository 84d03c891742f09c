/* info.c -- `equisorb info`: what a model file or a structure file holds.
 *
 * The first bytes decide: a ZIP archive, a pickle or a safetensors file is a model, everything else
 * a structure; a name that is no file is a model's. The text is made from the same values as the
 * JSON.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static const char name[] = "info";
enum { SHOWN = 72 }; /* characters of a value of the metadata */

static void help(void) {
  puts("usage: equisorb info FILE [--json] [--head NAME] [--modal NAME] [--dispersion D]\n"
       "                     [--disorder refuse|major] [--frame N]\n\n"
       "Says what a file holds: a model (MACE .model, SevenNet .pth, .safetensors) or a structure\n"
       "(CIF, XYZ, extended XYZ). A file that cannot be used is refused with the reason on "
       "standard error.\n\n"
       "  --json            JSON on standard output\n"
       "  --head NAME       MACE models with several heads: the one in question\n"
       "  --modal NAME      SevenNet multi-fidelity models: the channel, for instance PBE\n"
       "  --dispersion D    whether D3 can be added, and with which functional: d3bj, d3bj:pbe\n"
       "  --disorder HOW    refuse disordered structures (default), or keep the major group\n"
       "  --frame N         frame of a file with several, from 1 (default 1)\n\n"
       "example: equisorb info SIFSIX-3-Zn.cif --json\n\n"
       "exit codes: 0 done, 1 the file was refused, 2 wrong usage");
}

/* 1 a model, or no file at all, so that it can only be a model's name; 0 a structure; -1
 * unreadable. */
static int is_model(const char *path) {
  unsigned char head[9] = {0};
  static const unsigned char zeros[4] = {0};
  FILE *f = fopen(path, "rb");
  if (!f) return errno == ENOENT ? 1 : -1;
  size_t n = fread(head, 1, sizeof head, f);
  int broken = ferror(f);
  fclose(f);
  if (broken) return -1;
  if (n == 9 && !memcmp(head + 4, zeros, 4) && head[8] == '{') return 1; /* a header's length */
  return n >= 4 && (!memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4) || head[0] == 0x80);
}

/* The file's metadata from *i on; unless all are wanted without the configuration and what the text
 * says elsewhere. 0 at the end. */
static int next_metadata(const eqs_model *model, int all, int *i, const char **key,
                         const char **value) {
  static const char *const elsewhere[] = {"family",     "elements", "functional",
                                          "parameters", "config",   "format"};
  for (;; ++*i) {
    int known = 0;
    if (eqs_model_metadata(model, *i, key, value) || !*key) return 0;
    for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere; k++)
      known |= !strcmp(*key, elsewhere[k]);
    if (all || !known) return 1;
  }
}

static void model_json(const char *path, const eqs_model *model, const eqs_model_info *m) {
  printf("{\"kind\": \"model\", \"file\": ");
  json_string(stdout, path);
  printf(", \"family\": ");
  json_string(stdout, m->family);
  printf(", \"architecture\": ");
  json_string(stdout, m->architecture);
  printf(", \"elements\": [");
  for (int i = 0; i < m->n_element; i++) printf("%s%d", i ? ", " : "", m->elements[i]);
  printf("], \"cutoff\": %.17g, \"layers\": %d, \"channels\": %d, \"lmax\": %d, \"l_hidden\": %d, "
         "\"precision\": ",
         m->cutoff, m->n_layer, m->channels, m->lmax, m->l_hidden);
  json_string(stdout, m->stored);
  printf(", \"heads\": [");
  for (int i = 0; i < m->n_head; i++) {
    if (i) printf(", ");
    json_string(stdout, m->heads[i]);
  }
  printf("], \"head\": ");
  json_string(stdout, m->head);
  printf(", \"parameters\": %" PRId64 ", \"functional\": ", m->n_parameter);
  json_string(stdout, m->functional);
  printf(", \"dispersion\": ");
  json_string(stdout, m->dispersion);
  printf(", \"members\": %d, \"sha256\": ", m->n_member);
  json_string(stdout, m->sha256);
  printf(", \"metadata\": {");
  const char *key, *value;
  for (int i = 0, count = 0; next_metadata(model, 1, &i, &key, &value); i++) {
    if (count++) printf(", ");
    json_string(stdout, key);
    printf(": ");
    json_string(stdout, value);
  }
  printf("}}\n");
}

static void model_text(const char *path, const eqs_model *model, const eqs_model_info *m) {
  printf("file          %s\nfamily        %s\narchitecture  %s\nelements      ", path, m->family,
         m->architecture);
  /* Runs of neighbours in the periodic table: "H-Bi, Ac-Pu". */
  for (int i = 0; i < m->n_element; i++) {
    int last = i;
    while (last + 1 < m->n_element && m->elements[last + 1] == m->elements[last] + 1) last++;
    printf("%s%s", i ? ", " : "", eqs_element_symbol(m->elements[i]));
    if (last > i) printf("-%s", eqs_element_symbol(m->elements[last]));
    i = last;
  }
  printf(" (%d)\ncutoff        %g angstrom\nlayers        %d\n"
         "channels      %d (hidden l <= %d, edges l <= %d)\nprecision     %s\n",
         m->n_element, m->cutoff, m->n_layer, m->channels, m->l_hidden, m->lmax,
         m->stored ? m->stored : "unknown");
  if (m->n_head) {
    printf("heads         ");
    for (int i = 0; i < m->n_head; i++) printf("%s%s", i ? ", " : "", m->heads[i]);
    if (m->head) printf(" (in use: %s)", m->head);
    else printf(" (--head chooses one)");
    putchar('\n');
  }
  printf("parameters    %" PRId64 "\nfunctional    %s\ndispersion    %s\nsha256        %s\n",
         m->n_parameter, m->functional ? m->functional : "unknown",
         m->dispersion ? m->dispersion : "none", m->sha256 ? m->sha256 : "unknown");
  if (m->n_member) printf("committee     %d members\n", m->n_member);
  const char *key, *value;
  for (int i = 0, count = 0; next_metadata(model, 0, &i, &key, &value); i++) {
    if (!count++) printf("metadata of the file (--json has them in full)\n");
    int length = (int)strcspn(value, "\r\n");
    printf("  %-16s%.*s%s\n", key, length < SHOWN ? length : SHOWN, value,
           length > SHOWN || value[length] ? " ..." : "");
  }
}

static int model_info(const model_arguments *arguments, int json) {
  eqs_context *context;
  eqs_model *model;
  eqs_model_info info = {.size = sizeof info};
  int code = model_open(name, arguments, &context, &model);
  if (code == EXIT_OK && eqs_model_info_get(model, &info)) code = app_fail(name, "%s", eqs_error());
  if (code == EXIT_OK) (json ? model_json : model_text)(arguments->model, model, &info);
  eqs_model_free(&model);
  eqs_context_free(&context);
  return code;
}

/* One line per key of a JSON object, quotes and outer brackets left out. */
static void json_text(const char *json) {
  int depth = 0, quoted = 0, key = 1, column = 0;
  for (const char *s = json; *s; s++) {
    if (quoted) {
      if (*s == '\\' && s[1]) s++;
      else if (*s == '"') {
        quoted = 0;
        continue;
      }
    } else if (*s == '"') {
      quoted = 1;
      continue;
    } else if (!strncmp(s, "[]", 2)) {
      printf("none");
      s++;
      continue;
    } else if (*s == '{' || *s == '[') {
      if (depth++ < 1 + !key) continue;
    } else if (*s == '}' || *s == ']') {
      if (--depth < 1 + !key) continue;
    } else if (depth == 1 && *s == ':' && key) {
      printf("%*s", column < 18 ? 18 - column : 1, "");
      key = 0;
      while (s[1] == ' ') s++;
      continue;
    } else if (depth == 1 && *s == ',') {
      putchar('\n');
      key = 1, column = 0;
      while (s[1] == ' ' || s[1] == '\n') s++;
      continue;
    } else if (*s == '\n') {
      continue;
    }
    putchar(*s);
    column++;
  }
  putchar('\n');
}

static int structure_info(const model_arguments *arguments, const char *path, int frame, int json) {
  eqs_structures *structures = NULL;
  char *text = NULL;
  eqs_read_options options = {.size = sizeof options, .disorder_major = arguments->disorder_major};
  int code = EXIT_OK;
  if (eqs_structures_read(path, &options, &structures)) {
    code = app_fail(name, "%s", eqs_error());
  } else if (frame > eqs_structures_count(structures)) {
    code = app_fail(name, "%s: there is no frame %d, the file has %d", path, frame,
                    eqs_structures_count(structures));
  } else if (eqs_structures_describe(structures, frame - 1, &text)) {
    code = app_fail(name, "%s", eqs_error());
  } else if (json) {
    puts(text);
  } else {
    printf("file              %s\n", path);
    if (eqs_structures_count(structures) > 1)
      printf("frame             %d of %d\n", frame, eqs_structures_count(structures));
    json_text(text);
  }
  eqs_string_free(&text);
  eqs_structures_free(&structures);
  return code;
}

int info_main(int argc, char **argv) {
  enum { OPTION_FRAME = OPTION_OWN };
  static const struct option table[] = {MODEL_OPTIONS,
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"frame", required_argument, NULL, OPTION_FRAME},
                                        {NULL, 0, NULL, 0}};
  model_arguments arguments = {.precision = EQS_SINGLE};
  int json = 0, frame = 1, option, code;
  opterr = 0;
  while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
    switch (option) {
    case OPTION_HELP: help(); return EXIT_OK;
    case OPTION_JSON: json = 1; break;
    case OPTION_FRAME:
      if ((code = option_int(name, "--frame", optarg, 1, 1 << 30, &frame))) return code;
      break;
    case ':': return app_usage(name, "%s wants a value", argv[optind - 1]);
    case '?': return app_usage(name, "unknown option %s", argv[optind - 1]);
    default:
      if ((code = option_model(name, option, optarg, &arguments))) return code;
    }
  }
  if (argc - optind != 1)
    return app_usage(name, argc > optind ? "one file at a time" : "which file?");
  const char *path = argv[optind];
  int kind = is_model(path);
  if (kind < 0) return app_fail(name, "%s: cannot be read", path);
  if (!kind) return structure_info(&arguments, path, frame, json);
  arguments.model = path;
  return model_info(&arguments, json);
}
