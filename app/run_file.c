/* run_file.c -- run files by libyaml's events, so that every complaint has its line.
 * SPDX-License-Identifier: MIT */
#include "app/run_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MOST_KEYS = 256, LONGEST_NUMBER = 64 };

/* ---- units */

const unit unit_time[] = {{"fs", 1}, {"ps", 1e3}, {"ns", 1e6}, {NULL, 0}};
const unit unit_temperature[] = {{"K", 1}, {NULL, 0}};
const unit unit_pressure[] = {{"Pa", 1},    {"kPa", 1e3},  {"MPa", 1e6},    {"GPa", 1e9},
                              {"bar", 1e5}, {"kbar", 1e8}, {"atm", 101325}, {NULL, 0}};
const unit unit_compressibility[] = {{"1/Pa", 1},     {"1/MPa", 1e-6},         {"1/GPa", 1e-9},
                                     {"1/bar", 1e-5}, {"1/atm", 1 / 101325.0}, {NULL, 0}};
const unit unit_force[] = {{"eV/angstrom", 1}, {"eV/A", 1}, {"meV/angstrom", 1e-3}, {NULL, 0}};
const unit unit_energy[] = {{"eV", 1}, {"meV", 1e-3}, {NULL, 0}};

static int wrong_unit(const char *command, const char *name, const char *text, const unit *units) {
  char list[128] = "";
  for (size_t n = 0; units->name && n < sizeof list; units++)
    n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", units->name);
  return app_usage(command, "%s has no unit '%s'; it takes %s", name, text, list);
}

int option_quantity(const char *command, const char *name, const char *text, const unit *units,
                    double least, double most, double *out) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || !isfinite(value))
    return app_usage(command, "%s wants a number in %s, not '%s'", name, units->name, text);
  while (*end == ' ') end++;
  const unit *u = units;
  while (*end && u->name && strcmp(u->name, end)) u++;
  if (!u->name) return wrong_unit(command, name, end, units);
  value *= u->factor;
  if (!(value >= least && value <= most))
    return app_usage(command, "%s wants %g to %g %s, not '%s'", name, least, most, units->name,
                     text);
  *out = value;
  return EXIT_OK;
}

/* ---- the file */

typedef struct reader {
  const char *command, *path;
  const struct option *table;
  const char *given, *many;
  run_file_take take;
  void *user;
  run_file *out;
  yaml_parser_t parser;
  char seen[MOST_KEYS];
} reader;

static int complain(const reader *r, size_t line, const char *format, const char *a,
                    const char *b) {
  char text[512];
  snprintf(text, sizeof text, format, a, b);
  return app_usage(r->command, "%s, line %zu: %s", r->path, line + 1, text);
}

static int unknown_key(const reader *r, size_t line, const char *key) {
  const char *best = NULL;
  for (const struct option *o = r->table; o->name; o++)
    if (!best || app_distance(key, o->name) < app_distance(key, best)) best = o->name;
  if (best && app_distance(key, best) <= 4)
    return complain(r, line, "there is no key '%s'; did you mean '%s'?", key, best);
  return complain(r, line, "there is no key '%s'; %s", key, "--help lists them");
}

/* A copy that outlives the parser; NULL if out of memory or the text holds a zero. */
static const char *keep(reader *r, const yaml_event_t *e) {
  run_file *f = r->out;
  if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length) return NULL;
  char **grown = realloc(f->text, ((size_t)f->n + 1) * sizeof *grown);
  if (!grown) return NULL;
  f->text = grown;
  f->text[f->n] = strdup((const char *)e->data.scalar.value);
  return f->text[f->n] ? f->text[f->n++] : NULL;
}

static int one_of(const char *text, const char *a, const char *b, const char *c) {
  return !strcmp(text, a) || !strcmp(text, b) || !strcmp(text, c);
}

static int take_value(reader *r, size_t line, int k, const char *text) {
  const struct option *o = r->table + k;
  int off = one_of(text, "false", "no", "off");
  if (o->has_arg == no_argument && !off && !one_of(text, "true", "yes", "on"))
    return complain(r, line, "'%s' is true or false, not '%s'", o->name, text);
  if (!*text) return complain(r, line, "the key '%s' has no value%s", o->name, "");
  if (r->given[k] || (o->has_arg == no_argument && off)) return EXIT_OK;
  int code = r->take(r->user, o->val, o->has_arg == no_argument ? NULL : text);
  if (code != EXIT_OK) complain(r, line, "so says the key '%s'%s", o->name, "");
  return code;
}

static int syntax(const reader *r) {
  const yaml_parser_t *p = &r->parser;
  int inside = p->error == YAML_SCANNER_ERROR && p->context; /* a quote that is never closed */
  return complain(r, inside ? p->context_mark.line : p->problem_mark.line, "not YAML: %s%s",
                  p->problem ? p->problem : "unreadable", "");
}

static int read_scalar(reader *r, int k, const char *name, const yaml_event_t *value) {
  size_t line = value->start_mark.line;
  const char *text = value->type == YAML_SCALAR_EVENT ? keep(r, value) : NULL;
  if (text) return take_value(r, line, k, text);
  return complain(r, line, "the key '%s' wants one value%s", name,
                  r->many[k] ? ", or a list of values" : "");
}

/* The value of key k, or each of a list; `value` is the first event, and is deleted. */
static int read_value(reader *r, int k, const char *name, yaml_event_t *value) {
  int n = 0, code = EXIT_OK;
  size_t line = value->start_mark.line;
  if (value->type != YAML_SEQUENCE_START_EVENT || !r->many[k]) {
    code = read_scalar(r, k, name, value);
    yaml_event_delete(value);
    return code;
  }
  for (; code == EXIT_OK; n++) {
    yaml_event_delete(value);
    if (!yaml_parser_parse(&r->parser, value)) return syntax(r);
    if (value->type == YAML_SEQUENCE_END_EVENT) break;
    code = read_scalar(r, k, name, value);
  }
  yaml_event_delete(value);
  return code == EXIT_OK && n == 0 ? complain(r, line, "the list '%s' is empty%s", name, "") : code;
}

/* A key and its value. *more = 0 at the end of the mapping. */
static int read_pair(reader *r, int *more) {
  yaml_event_t key, value;
  int k = 0, code = EXIT_OK;
  if (!yaml_parser_parse(&r->parser, &key)) return syntax(r);
  size_t line = key.start_mark.line;
  *more = key.type != YAML_MAPPING_END_EVENT;
  if (!*more) goto done;
  const char *name = key.type == YAML_SCALAR_EVENT ? keep(r, &key) : NULL;
  if (!name) {
    code = complain(r, line, "a key is a word%s%s", "", "");
    goto done;
  }
  while (r->table[k].name && strcmp(r->table[k].name, name)) k++;
  if (!r->table[k].name || r->table[k].val == OPTION_HELP) code = unknown_key(r, line, name);
  else if (k >= MOST_KEYS || r->seen[k]++)
    code = complain(r, line, "the key '%s' is there twice%s", name, "");
  if (code != EXIT_OK) goto done;
  if (!yaml_parser_parse(&r->parser, &value)) {
    code = syntax(r);
    goto done;
  }
  code = read_value(r, k, name, &value);
done:
  yaml_event_delete(&key);
  return code;
}

/* The next event must be of this type. */
static int expect(reader *r, yaml_event_type_t type, const char *what) {
  yaml_event_t e;
  if (!yaml_parser_parse(&r->parser, &e)) return syntax(r);
  int found = e.type == type;
  size_t line = e.start_mark.line;
  yaml_event_delete(&e);
  return found ? EXIT_OK : complain(r, line, "%s%s", what, "");
}

static int read_document(reader *r) {
  static const char shape[] = "a run file is one mapping, lines of 'key: value'";
  int more = 1, code = expect(r, YAML_STREAM_START_EVENT, shape);
  if (code == EXIT_OK) code = expect(r, YAML_DOCUMENT_START_EVENT, shape);
  if (code == EXIT_OK) code = expect(r, YAML_MAPPING_START_EVENT, shape);
  while (code == EXIT_OK && more) code = read_pair(r, &more);
  if (code == EXIT_OK) code = expect(r, YAML_DOCUMENT_END_EVENT, shape);
  if (code == EXIT_OK) code = expect(r, YAML_STREAM_END_EVENT, shape);
  return code;
}

int run_file_read(const char *command, const char *path, const struct option *table,
                  const char *given, const char *many, run_file_take take, void *user,
                  run_file *out) {
  reader r = {.command = command,
              .path = path,
              .table = table,
              .given = given,
              .many = many,
              .take = take,
              .user = user,
              .out = out};
  FILE *f = fopen(path, "rb");
  if (!f) return app_fail(command, "cannot open %s: %s", path, strerror(errno));
  if (!yaml_parser_initialize(&r.parser)) {
    fclose(f);
    return app_fail(command, "out of memory");
  }
  yaml_parser_set_input_file(&r.parser, f);
  int code = read_document(&r);
  yaml_parser_delete(&r.parser);
  fclose(f);
  return code;
}

void run_file_free(run_file *r) {
  for (int i = 0; i < r->n; i++) free(r->text[i]);
  free(r->text);
  *r = (run_file){0};
}
