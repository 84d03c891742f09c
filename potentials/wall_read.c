/* wall_read.c -- the table of walls from its text (docs/walls.md has the format).
 *
 * A line per pair: Z1 Z2 reach (angstrom), then the spline's coefficients c_1 .. c_{n+1}, in
 * millionths, as second differences: c_0 = -c_1 / 2 and c_-1 = c_1, so that y(0) = y'(0) = 0. The
 * last line is the SHA-256 of all lines before it.
 *
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "core/status.h"
#include "io/sha256.h"
#include "potentials/wall.h"

enum { FILE_LIMIT = 16 << 20 };

typedef struct reader {
  const char *name, *at, *end; /* of the text that is left */
  int line;
  wall_table *table;
  int knots, elements;
} reader;

#define BAD(r, ...)                                                                                \
  do {                                                                                             \
    status_fail(EQS_ERR_FORMAT, __VA_ARGS__);                                                      \
    return status_prefix(EQS_ERR_FORMAT, "%s, line %d", (r)->name, (r)->line);                     \
  } while (0)

/* The next line that is no comment, as a string in out. */
static eqs_status next_line(reader *r, char *out, size_t size) {
  for (;;) {
    const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
    r->line++;
    if (!stop) BAD(r, "the file ends here, before its checksum");
    size_t n = (size_t)(stop - r->at);
    if (n >= size || memchr(r->at, 0, n)) BAD(r, "no line of a table of walls");
    memcpy(out, r->at, n);
    out[n] = 0;
    r->at = stop + 1;
    if (*out != '#') return EQS_OK;
  }
}

static eqs_status read_word(reader *r, const char *key, char *out, size_t size) {
  char line[256];
  size_t n = strlen(key);
  EQS_TRY(next_line(r, line, sizeof line));
  if (strncmp(line, key, n) != 0 || line[n] != ' ' || !line[n + 1])
    BAD(r, "'%s' and its value should stand here", key);
  if (strlen(line + n + 1) >= size) BAD(r, "the value of '%s' is too long", key);
  strcpy(out, line + n + 1);
  return EQS_OK;
}

static eqs_status read_number(reader *r, const char *key, double least, double most, double *out) {
  char word[64], *end;
  EQS_TRY(read_word(r, key, word, sizeof word));
  *out = strtod(word, &end);
  if (end == word || *end || !(*out >= least && *out <= most))
    BAD(r, "%s is a number from %g to %g, not '%s'", key, least, most, word);
  return EQS_OK;
}

static eqs_status read_header(reader *r) {
  wall_table *w = r->table;
  char version[64];
  double knots, elements;
  if (read_word(r, "equisorb-wall", version, sizeof version) || strcmp(version, "1") != 0)
    BAD(r, "this is no table of walls (equisorb-wall 1)");
  EQS_TRY(read_word(r, "functional", w->functional, sizeof w->functional));
  EQS_TRY(read_word(r, "kinetic", w->kinetic, sizeof w->kinetic));
  EQS_TRY(read_word(r, "relativity", w->relativity, sizeof w->relativity));
  EQS_TRY(read_number(r, "outer", 1e-6, 100, &w->outer));
  EQS_TRY(read_number(r, "knots", 4, WALL_KNOTS, &knots));
  EQS_TRY(read_number(r, "elements", 1, WALL_ELEMENTS, &elements));
  r->knots = (int)knots;
  w->last = r->elements = (int)elements;
  w->n_pair = w->last * (w->last + 1) / 2;
  EQS_TRY(alloc_array(&w->pair, (size_t)w->n_pair, sizeof *w->pair, "walls"));
  return alloc_array(&w->pieces, (size_t)w->n_pair * (size_t)r->knots, sizeof *w->pieces, "walls");
}

/* B-spline coefficients c[-1 .. n + 1] (c points to c_0) to the pieces' polynomials. */
static void spline_pieces(const double *c, int n, double (*y)[4]) {
  for (int i = 0; i < n; i++) {
    double p = c[i - 1], q = c[i], s = c[i + 1], t = c[i + 2];
    y[i][0] = (p + 4 * q + s) / 6;
    y[i][1] = (s - p) / 2;
    y[i][2] = (p - 2 * q + s) / 2;
    y[i][3] = (t - p + 3 * (q - s)) / 6;
  }
}

/* V' < 0 where y' t < 2: at the knots and between them. */
static int falls(const wall_pair *p) {
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k <= 4; k++) {
      double u = k / 4.0, slope = p->y[i][1] + u * (2 * p->y[i][2] + 3 * u * p->y[i][3]);
      if (!(slope * (i + u) < 2)) return 0;
    }
  return 1;
}

/* The polynomial beyond the last knot takes over V, V' and V''. Its length is (2 + q) V / |V'|, q =
 * V V'' / V'^2: 0 where V heads straight for zero, 1 where it decays exponentially. */
static int set_tail(wall_pair *p) {
  double v[3];
  wall_value(p, p->reach * (1 - 1e-15), v);
  double q = v[0] * v[2] / (v[1] * v[1]), c = 2 + q, length = -c * v[0] / v[1];
  if (!(v[0] > 1e-12 && q > -1 && q < 2 && length < p->reach)) return 0;
  p->tail = v[0];
  p->end = p->reach + length;
  p->a = 3 - c;
  p->b = (q * c * c - 6 * c + 12) / 2;
  double before = v[0];
  for (int i = 1; i < 64; i++) {
    wall_value(p, p->reach + length * i / 64, v);
    if (!(v[0] > 0 && v[0] < before && v[1] < 0)) return 0;
    before = v[0];
  }
  return 1;
}

static eqs_status read_pair(reader *r, char *line) {
  wall_table *w = r->table;
  char *next = line, *end;
  long z1 = strtol(next, &end, 10), z2 = strtol(end, &next, 10);
  if (z1 < 1 || z1 > z2 || z2 > r->elements) BAD(r, "a line starts with Z1 <= Z2 <= %d", w->last);
  int index = (int)(z2 * (z2 - 1) / 2 + z1 - 1);
  wall_pair *p = w->pair + index;
  if (p->charge > 0) BAD(r, "the pair %ld %ld is there already", z1, z2);
  p->reach = strtod(next, &end);
  if (end == next || !(p->reach > 0.01 && p->reach < 20)) BAD(r, "reach is 0.01 to 20 angstrom");
  double c[WALL_KNOTS + 3], difference = 0;
  c[1] = 0;
  for (int i = 1; i <= r->knots + 1; i++) {
    next = end;
    errno = 0;
    long step = strtol(next, &end, 10);
    if (end == next || errno || labs(step) > 100000000)
      BAD(r, "%d whole numbers stand after the reach", r->knots + 1);
    difference += 1e-6 * (double)step;
    c[i + 1] = (i > 1 ? c[i] : 0) + difference;
  }
  if (*end) BAD(r, "more than %d numbers stand after the reach", r->knots + 1);
  c[0] = c[2];
  c[1] = -c[2] / 2;
  double(*y)[4] = w->pieces + (size_t)index * (size_t)r->knots;
  spline_pieces(c + 1, r->knots, y);
  p->n = r->knots;
  p->y = (const double(*)[4])y;
  p->charge = WALL_COULOMB * (double)(z1 * z2);
  if (!falls(p) || !set_tail(p)) BAD(r, "the wall of %ld and %ld is no falling function", z1, z2);
  return EQS_OK;
}

static eqs_status check_sum(const reader *r, const char *text, const char *given) {
  char sum[65];
  sha256_hex(text, (size_t)(r->at - text) - strlen(given) - strlen("sha256 \n"), sum);
  if (strcmp(sum, given) != 0) BAD(r, "the checksum does not fit: the file is damaged");
  if (r->at != r->end) BAD(r, "nothing may follow the checksum");
  return EQS_OK;
}

static eqs_status read_table(reader *r, const char *text) {
  enum { LINE = 1024 };
  char line[LINE];
  LOCALE_C();
  EQS_TRY(read_header(r));
  for (;;) {
    EQS_TRY(next_line(r, line, LINE));
    if (!strncmp(line, "sha256 ", 7)) return check_sum(r, text, line + 7);
    EQS_TRY(read_pair(r, line));
  }
}

eqs_status wall_parse(const char *text, size_t n, const char *name, wall_table **out) {
  reader r = {.name = name, .at = text, .end = text + n};
  *out = NULL;
  EQS_TRY(alloc_array(&r.table, 1, sizeof *r.table, "walls"));
  eqs_status status = read_table(&r, text);
  if (status == EQS_OK) *out = r.table;
  else wall_free(&r.table);
  return status;
}

/* potentials/wall_pbe.txt, put into the library by the assembler: one binary that works anywhere.
 */
__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "eqs_wall_text_begin:\n"
        ".incbin \"" EQS_WALL_TABLE "\"\n"
        "eqs_wall_text_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char eqs_wall_text_begin[] __attribute__((visibility("hidden")));
extern const char eqs_wall_text_end[] __attribute__((visibility("hidden")));

static eqs_status read_file(const char *path, char **text, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) EQS_FAIL(EQS_ERR_FILE, "cannot read %s: %s", path, strerror(errno));
  eqs_status status = alloc_array(text, FILE_LIMIT + 1, 1, path);
  if (status == EQS_OK) {
    *n = fread(*text, 1, FILE_LIMIT + 1, f);
    if (ferror(f)) status = status_fail(EQS_ERR_FILE, "cannot read %s: %s", path, strerror(errno));
    else if (*n > FILE_LIMIT)
      status = status_fail(EQS_ERR_FORMAT, "%s: too large for a table of walls", path);
  }
  fclose(f);
  return status;
}

eqs_status wall_read(const char *path, wall_table **out) {
  *out = NULL;
  if (!path)
    return wall_parse(eqs_wall_text_begin, (size_t)(eqs_wall_text_end - eqs_wall_text_begin),
                      "the built-in walls", out);
  char *text = NULL;
  size_t n = 0;
  eqs_status status = read_file(path, &text, &n);
  if (status == EQS_OK) status = wall_parse(text, n, path, out);
  free(text);
  return status;
}
