/* isotherm_csv.c -- reads isotherms; every cell is checked, nothing is guessed.
 * SPDX-License-Identifier: MIT */
#include "io/isotherm_csv.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"

enum { LINE = 4096, COLUMNS = 16 };
#define BYTES_MAX ((size_t)1 << 24)

typedef enum kind { PRESSURE, LOADING, SIGMA, TEMPERATURE, GAS, KINDS } kind;

static const struct column_name {
  const char *name;
  kind kind;
  double unit;
} names[] = {
    {"pressure", PRESSURE, 1},
    {"pressure_pa", PRESSURE, 1},
    {"pressure_kpa", PRESSURE, 1e3},
    {"pressure_mbar", PRESSURE, 100},
    {"pressure_bar", PRESSURE, 1e5},
    {"pressure_atm", PRESSURE, 101325},
    {"loading", LOADING, 1},
    {"loading_mol_kg", LOADING, 1},
    {"loading_mmol_g", LOADING, 1},
    {"sigma", SIGMA, 1},
    {"sigma_mol_kg", SIGMA, 1},
    {"sigma_mmol_g", SIGMA, 1},
    {"temperature", TEMPERATURE, 1},
    {"temperature_k", TEMPERATURE, 1},
    {"gas", GAS, 1},
};

typedef struct reader {
  const char *path;
  int line;
  double temperature; /* of rows without one */
  char separator;
  int n_column, column[KINDS]; /* -1 = there is none */
  double unit[KINDS];
} reader;

/* Takes blanks and one pair of quotes off a cell, in place. */
static char *trim(char *s) {
  while (isspace((unsigned char)*s)) s++;
  size_t n = strlen(s);
  while (n && isspace((unsigned char)s[n - 1])) s[--n] = 0;
  if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
    s[n - 1] = 0;
    return s + 1;
  }
  return s;
}

static eqs_status split(const reader *r, char *line, char *cell[COLUMNS], int *n) {
  *n = 0;
  for (char *s = line;; s++) {
    if (*n == COLUMNS)
      EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: more than %d columns", r->path, r->line, (int)COLUMNS);
    char *end = strchr(s, r->separator);
    if (end) *end = 0;
    cell[(*n)++] = trim(s);
    if (!end) return EQS_OK;
    s = end;
  }
}

/* "Pressure (bar)" becomes "pressure_bar". */
static void plain_name(const char *in, char *out, size_t size) {
  size_t n = 0;
  for (; *in && n + 1 < size; in++) {
    unsigned char c = (unsigned char)*in;
    if (isalnum(c)) out[n++] = (char)tolower(c);
    else if (n && out[n - 1] != '_') out[n++] = '_';
  }
  while (n && out[n - 1] == '_') n--;
  out[n] = 0;
}

static eqs_status read_header(reader *r, char *line) {
  char *cell[COLUMNS], name[32];
  r->separator = strchr(line, ',')    ? ','
                 : strchr(line, ';')  ? ';'
                 : strchr(line, '\t') ? '\t'
                                      : ',';
  EQS_TRY(split(r, line, cell, &r->n_column));
  for (int k = 0; k < KINDS; k++) r->column[k] = -1;
  for (int c = 0; c < r->n_column; c++) {
    size_t i = 0, n = sizeof names / sizeof *names;
    plain_name(cell[c], name, sizeof name);
    while (i < n && strcmp(name, names[i].name)) i++;
    if (i == n)
      EQS_FAIL(EQS_ERR_FORMAT,
               "%s:%d: column %d is called '%.40s'; known are pressure[_pa|_kpa|_mbar|_bar|_atm], "
               "loading[_mol_kg|_mmol_g], sigma, temperature, gas",
               r->path, r->line, c + 1, cell[c]);
    if (r->column[names[i].kind] >= 0)
      EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: column %d is a second '%s'", r->path, r->line, c + 1, name);
    r->column[names[i].kind] = c;
    r->unit[names[i].kind] = names[i].unit;
  }
  if (r->column[PRESSURE] < 0 || r->column[LOADING] < 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: the header needs the columns pressure and loading", r->path,
             r->line);
  if (r->column[TEMPERATURE] < 0 && !(r->temperature > 0))
    EQS_FAIL(EQS_ERR_FORMAT, "%s: there is no column temperature; say it with --temperature K",
             r->path);
  return EQS_OK;
}

static eqs_status number(const reader *r, char *const *cell, kind k, const char *what, double least,
                         double most, double *out) {
  const char *text = cell[r->column[k]];
  char *end;
  double x = strtod(text, &end) * r->unit[k];
  if (end == text || *end || !(x >= least && x <= most))
    EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: the %s '%.40s' is no number from %g to %g", r->path, r->line,
             what, text, least / r->unit[k], most / r->unit[k]);
  *out = x;
  return EQS_OK;
}

static eqs_status find_series(const reader *r, const char *gas, isotherm_table *t,
                              isotherm_series **out) {
  size_t n = strlen(gas);
  int good = n > 0 && n < ISOTHERM_NAME;
  for (size_t i = 0; i < n && good; i++) good = isalnum((unsigned char)gas[i]) || gas[i] == '-';
  if (!good)
    EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: '%.40s' is no name of a gas (letters and digits, %d at most)",
             r->path, r->line, gas, ISOTHERM_NAME - 1);
  for (int i = 0; i < t->n; i++)
    if (!strcmp(t->series[i].gas, gas)) {
      *out = &t->series[i];
      return EQS_OK;
    }
  if (t->n == ISOTHERM_GASES)
    EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: more than %d gases", r->path, r->line, (int)ISOTHERM_GASES);
  *out = &t->series[t->n++];
  memcpy((*out)->gas, gas, n + 1);
  return EQS_OK;
}

static eqs_status append(isotherm_series *s, const isotherm_point *p) {
  if (s->n == s->capacity) {
    int capacity = s->capacity ? 2 * s->capacity : 64;
    isotherm_point *more = realloc(s->point, (size_t)capacity * sizeof *more);
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: points of an isotherm");
    s->point = more;
    s->capacity = capacity;
  }
  s->point[s->n++] = *p;
  return EQS_OK;
}

static eqs_status read_row(const reader *r, char *line, isotherm_table *t) {
  char *cell[COLUMNS];
  int n;
  isotherm_point p = {.temperature = r->temperature};
  isotherm_series *s;
  EQS_TRY(split(r, line, cell, &n));
  if (n != r->n_column)
    EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: %d cells where the header has %d (decimals need a point)",
             r->path, r->line, n, r->n_column);
  EQS_TRY(number(r, cell, PRESSURE, "pressure", 0, 1e11, &p.pressure));
  EQS_TRY(number(r, cell, LOADING, "loading", 0, 1e5, &p.loading));
  if (r->column[SIGMA] >= 0 && *cell[r->column[SIGMA]])
    EQS_TRY(number(r, cell, SIGMA, "sigma", 0, 1e5, &p.sigma));
  if (r->column[TEMPERATURE] >= 0)
    EQS_TRY(number(r, cell, TEMPERATURE, "temperature", 1, 1e4, &p.temperature));
  EQS_TRY(find_series(r, r->column[GAS] >= 0 ? cell[r->column[GAS]] : "CO2", t, &s));
  if (s->n >= ISOTHERM_POINTS)
    EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: more than %d points", r->path, r->line, (int)ISOTHERM_POINTS);
  return append(s, &p);
}

/* The next line without its end; *more = 0 after the last. */
static eqs_status next_line(reader *r, FILE *f, size_t *total, char line[LINE], int *more) {
  size_t n = 0;
  int c;
  r->line++;
  while ((c = fgetc(f)) != EOF && c != '\n') {
    if (c == 0) EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: not a text file", r->path, r->line);
    if (n == LINE - 1)
      EQS_FAIL(EQS_ERR_FORMAT, "%s:%d: longer than %d characters", r->path, r->line, LINE - 1);
    line[n++] = (char)c;
  }
  line[n] = 0;
  *total += n + 1;
  if (*total > BYTES_MAX) EQS_FAIL(EQS_ERR_FORMAT, "%s: longer than 16 MB", r->path);
  if (ferror(f)) EQS_FAIL(EQS_ERR_FILE, "cannot read %s: %s", r->path, strerror(errno));
  *more = n > 0 || c != EOF;
  return EQS_OK;
}

static eqs_status read_lines(reader *r, FILE *f, isotherm_table *out) {
  char line[LINE] = {0};
  size_t total = 0;
  int more, header = 0;
  for (;;) {
    EQS_TRY(next_line(r, f, &total, line, &more));
    if (!more) break;
    char *text = line;
    if (r->line == 1 && !strncmp(text, "\xEF\xBB\xBF", 3)) text += 3;
    const char *first = text + strspn(text, " \t\r");
    if (!*first || *first == '#') continue;
    if (header) EQS_TRY(read_row(r, text, out));
    else EQS_TRY(read_header(r, text));
    header = 1;
  }
  if (!header) EQS_FAIL(EQS_ERR_FORMAT, "%s: there is no header line", r->path);
  if (!out->n) EQS_FAIL(EQS_ERR_FORMAT, "%s: there are no points below the header", r->path);
  return EQS_OK;
}

eqs_status isotherm_csv_read(const char *path, double temperature, isotherm_table *out) {
  LOCALE_C();
  reader r = {.path = path, .temperature = temperature};
  *out = (isotherm_table){0};
  FILE *f = fopen(path, "r");
  if (!f) EQS_FAIL(EQS_ERR_FILE, "cannot open %s: %s", path, strerror(errno));
  eqs_status status = read_lines(&r, f, out);
  fclose(f);
  if (status != EQS_OK) isotherm_table_free(out);
  return status;
}

void isotherm_table_free(isotherm_table *t) {
  for (int i = 0; i < t->n; i++) free(t->series[i].point);
  *t = (isotherm_table){0};
}
