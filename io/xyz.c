/* xyz.c -- extended XYZ, read as ASE reads it and written so that ASE reads it.
 *
 * The comment line is key=value pairs; values may stand in "", '', {} or [], a backslash takes the
 * next character as it is, a key alone means T. Lattice="ax ay az bx by bz cx cy cz" without pbc
 * means periodic in all directions.
 * SPDX-License-Identifier: MIT */
#include "io/xyz.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/neighbors.h"
#include "core/units.h"
#include "io/elements.h"

enum { MAX_LINE = 1 << 20, MAX_COLUMNS = 500, MAX_FRAMES = 10000000 };

typedef struct reader {
  FILE *file;
  char *line;
  size_t capacity;
  long number; /* of the line, from 1 */
  int end;
  xyz_values *values; /* what else is wanted of a frame; NULL = nothing */
} reader;

/* Next line without its end; r->end at the end of the file. */
static eqs_status next_line(reader *r) {
  size_t n = 0;
  r->end = 0;
  r->number++;
  for (;;) {
    if (r->capacity - n < 256) {
      size_t capacity = r->capacity ? 2 * r->capacity : 1024;
      if (capacity > MAX_LINE) EQS_FAIL(EQS_ERR_FORMAT, "longer than %d bytes", (int)MAX_LINE);
      char *grown = realloc(r->line, capacity);
      if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: a line of %zu bytes", capacity);
      r->line = grown;
      r->capacity = capacity;
    }
    if (!fgets(r->line + n, (int)(r->capacity - n), r->file)) {
      if (ferror(r->file)) EQS_FAIL(EQS_ERR_FILE, "cannot be read: %s", strerror(errno));
      r->end = n == 0;
      break;
    }
    n += strlen(r->line + n);
    if (n > 0 && r->line[n - 1] == '\n') break;
  }
  while (n > 0 && isspace((unsigned char)r->line[n - 1])) n--;
  r->line[n] = 0;
  return EQS_OK;
}

/* Where things stand in an atom's line; -1 for what is not there. */
typedef struct layout {
  int species, z, position, charge, momenta, velocity, n;
  double time; /* ps; NAN if the frame does not say */
} layout;

static int equal(const char *s, const char *name) { return strcmp(s, name) == 0; }

/* "species:S:1:pos:R:3:..." */
static eqs_status parse_properties(char *text, layout *out) {
  *out = (layout){-1, -1, -1, -1, -1, -1, 0, out->time};
  char *rest = text, *name, *type, *count;
  while ((name = strsep(&rest, ":")) != NULL) {
    type = strsep(&rest, ":");
    count = strsep(&rest, ":");
    int n = count ? atoi(count) : 0;
    if (!type || n < 1 || n > MAX_COLUMNS || out->n + n > MAX_COLUMNS)
      EQS_FAIL(EQS_ERR_FORMAT, "Properties is malformed at '%.40s'", name);
    if ((equal(name, "species") || equal(name, "symbols")) && n == 1) out->species = out->n;
    if ((equal(name, "Z") || equal(name, "numbers")) && n == 1) out->z = out->n;
    if ((equal(name, "pos") || equal(name, "positions")) && n == 3) out->position = out->n;
    if ((equal(name, "charge") || equal(name, "charges") || equal(name, "initial_charges")) &&
        n == 1)
      out->charge = out->n;
    if (equal(name, "momenta") && n == 3) out->momenta = out->n;
    if ((equal(name, "velo") || equal(name, "vel")) && n == 3) out->velocity = out->n;
    out->n += n;
  }
  if (out->position < 0 || (out->species < 0 && out->z < 0))
    EQS_FAIL(EQS_ERR_FORMAT, "Properties names no 'species:S:1' or no 'pos:R:3'");
  return EQS_OK;
}

/* A finite number that ends at white space; moves *text behind it. */
static int parse_real(char **text, double *out) {
  char *end;
  *out = strtod(*text, &end);
  if (end == *text || (*end && !isspace((unsigned char)*end)) || !isfinite(*out)) return 0;
  *text = end;
  return 1;
}

static eqs_status parse_lattice(char *text, double cell[9]) {
  for (char *p = text; *p; p++)
    if (*p == ',') *p = ' ';
  for (int k = 0; k < 9; k++)
    if (!parse_real(&text, &cell[k]))
      EQS_FAIL(EQS_ERR_FORMAT, "Lattice is not nine finite numbers");
  if (text[strspn(text, " \t")]) EQS_FAIL(EQS_ERR_FORMAT, "Lattice is not nine finite numbers");
  return EQS_OK;
}

static eqs_status parse_pbc(const char *text, int pbc[3]) {
  int n = 0;
  for (const char *p = text; *p;) {
    size_t length = strcspn(p, " \t,");
    if (length > 0) {
      int yes = (length == 1 && strchr("T1", *p)) || (length == 4 && !strncasecmp(p, "true", 4));
      int no = (length == 1 && strchr("F0", *p)) || (length == 5 && !strncasecmp(p, "false", 5));
      if ((!yes && !no) || n == 3) EQS_FAIL(EQS_ERR_FORMAT, "pbc is '%.40s', not \"T T T\"", text);
      pbc[n++] = yes;
    }
    p += length + (p[length] != 0);
  }
  if (n == 1) pbc[1] = pbc[2] = pbc[0];
  else if (n != 3) EQS_FAIL(EQS_ERR_FORMAT, "pbc is '%.40s', not \"T T T\"", text);
  return EQS_OK;
}

static char *skip_space(char *p) {
  while (isspace((unsigned char)*p)) p++;
  return p;
}

/* One word of the comment line, unquoted in place; stops at white space, of a key also at "=". */
static char *cut_word(char *in, int is_key, char **word, int *stop) {
  static const char opening[] = "\"'{[", closing[] = "\"'}]";
  char *out = *word = in, close = 0;
  for (; *in && (close || !isspace((unsigned char)*in)); in++) {
    const char *quote = close ? NULL : strchr(opening, *in);
    if (*in == '\\' && in[1]) *out++ = *++in;
    else if (close && *in == close) close = 0;
    else if (quote) close = closing[quote - opening];
    else if (is_key && !close && *in == '=') break;
    else *out++ = *in;
  }
  *stop = *in;
  if (*in) in++;
  *out = 0;
  return in;
}

/* Cuts the next key and value out of *text, in place; value NULL if there is only a key. */
static int next_pair(char **text, char **key, char **value) {
  int stop;
  char *in = skip_space(*text);
  if (!*in) return 0;
  in = cut_word(in, 1, key, &stop);
  *value = NULL;
  if (stop != '=' && *skip_space(in) == '=') {
    in = skip_space(in) + 1;
    stop = '=';
  }
  if (stop == '=') in = cut_word(skip_space(in), 0, value, &stop);
  *text = in;
  return 1;
}

static eqs_status parse_comment(char *line, structure *s, layout *columns) {
  *columns = (layout){0, -1, 1, -1, -1, -1, 4, NAN}; /* plain XYZ: symbol x y z, more is ignored */
  int lattice = 0, pbc = 0;
  char *key, *value;
  while (next_pair(&line, &key, &value)) {
    if (!value) continue;
    if (strcasecmp(key, "Lattice") == 0 && !lattice++) EQS_TRY(parse_lattice(value, s->cell));
    else if (strcasecmp(key, "pbc") == 0 && !pbc++) EQS_TRY(parse_pbc(value, s->pbc));
    else if (strcasecmp(key, "Properties") == 0) EQS_TRY(parse_properties(value, columns));
    else if (strcmp(key, "time") == 0 && (!parse_real(&value, &columns->time) || *value))
      columns->time = NAN;
  }
  if (lattice && !pbc) s->pbc[0] = s->pbc[1] = s->pbc[2] = 1;
  if (structure_is_periodic(s) && !lattice) EQS_FAIL(EQS_ERR_FORMAT, "pbc without a Lattice");
  if (s->pbc[0] && s->pbc[1] && s->pbc[2] && !(fabs(cell_volume(s->cell)) > 1e-6))
    EQS_FAIL(EQS_ERR_FORMAT, "Lattice encloses no volume");
  return EQS_OK;
}

static eqs_status parse_species(const char *text, int numeric, int *number) {
  char *end;
  long z = strtol(text, &end, 10);
  int is_number = end != text && *end == 0;
  if (numeric || is_number) {
    if (!is_number || z < 1 || z > ELEMENT_MAX)
      EQS_FAIL(EQS_ERR_FORMAT, "'%.30s' is not an atomic number", text);
    *number = (int)z;
    return EQS_OK;
  }
  *number = element_find(text, strlen(text));
  if (!*number) *number = element_from_label(text, NULL);
  if (!*number) EQS_FAIL(EQS_ERR_FORMAT, "'%.30s' is not an element", text);
  return EQS_OK;
}

/* momenta in ASE's unit, sqrt(u eV); velo and vel in angstrom/fs. */
static eqs_status parse_velocity(char **field, const layout *columns, int number, structure *s) {
  double velocity[3];
  int at = columns->momenta >= 0 ? columns->momenta : columns->velocity;
  for (int k = 0; k < 3; k++) {
    char *text = field[at + k];
    if (!parse_real(&text, &velocity[k]) || *text)
      EQS_FAIL(EQS_ERR_FORMAT, "velocity '%.30s' is not a finite number", field[at + k]);
    if (columns->momenta >= 0) velocity[k] /= element_mass(number) * sqrt(KINETIC_EV);
  }
  return structure_set_velocity(s, velocity);
}

static eqs_status parse_atom(char *line, const layout *columns, int moving, structure *s) {
  char *field[MAX_COLUMNS], *rest = line;
  double position[3], charge = 0.0;
  int n = 0, number;
  while (n < columns->n) {
    rest += strspn(rest, " \t\v\f\r");
    if (!*rest) EQS_FAIL(EQS_ERR_FORMAT, "%d columns, %d expected", n, columns->n);
    field[n++] = rest;
    rest += strcspn(rest, " \t\v\f\r");
    if (*rest) *rest++ = 0;
  }
  int z = columns->z >= 0;
  EQS_TRY(parse_species(field[z ? columns->z : columns->species], z, &number));
  for (int k = 0; k < 3; k++) {
    char *text = field[columns->position + k];
    if (!parse_real(&text, &position[k]) || *text)
      EQS_FAIL(EQS_ERR_FORMAT, "coordinate '%.30s' is not a finite number",
               field[columns->position + k]);
  }
  if (columns->charge >= 0) {
    char *text = field[columns->charge];
    if (!parse_real(&text, &charge) || *text)
      EQS_FAIL(EQS_ERR_FORMAT, "charge '%.30s' is not a finite number", field[columns->charge]);
  }
  EQS_TRY(structure_append(s, number, position, charge));
  if (!moving || (columns->momenta < 0 && columns->velocity < 0)) return EQS_OK;
  return parse_velocity(field, columns, number, s);
}

static eqs_status read_frame(reader *r, structure *s) {
  char *end;
  layout columns;
  long n = strtol(r->line, &end, 10);
  if (end == r->line || end[strspn(end, " \t")])
    EQS_FAIL(EQS_ERR_FORMAT, "'%.40s' is not a number of atoms", r->line);
  if (n < 1 || n > STRUCTURE_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_FORMAT, "%ld atoms: not between 1 and %d", n, (int)STRUCTURE_MAX_ATOMS);
  EQS_TRY(next_line(r));
  if (r->end) EQS_FAIL(EQS_ERR_FORMAT, "the file ends before the comment line");
  EQS_TRY(parse_comment(r->line, s, &columns));
  for (long i = 0; i < n; i++) {
    EQS_TRY(next_line(r));
    if (r->end) EQS_FAIL(EQS_ERR_FORMAT, "the file ends after %ld of %ld atoms", i, n);
    EQS_TRY(parse_atom(r->line, &columns, !r->values, s));
  }
  if (columns.charge < 0) structure_drop_charges(s);
  if (r->values) r->values->time = columns.time;
  return EQS_OK;
}

/* A frame that the file ends in, after whole ones: a run was killed while it wrote. */
static int is_cut(const reader *r, eqs_status status) {
  return status == EQS_ERR_FORMAT && feof(r->file);
}

static eqs_status leave_out_last(structure_list *list) {
  structure_free(&list->frame[--list->n]);
  return structure_warn(&list->frame[list->n - 1],
                        "the file ends within the next frame, which is left out");
}

static eqs_status read_frames(reader *r, structure_list *out) {
  int begin = out->n;
  for (;;) {
    structure *s;
    EQS_TRY(next_line(r));
    if (r->end) return EQS_OK;
    if (!r->line[strspn(r->line, " \t")]) continue;
    if (out->n >= MAX_FRAMES) EQS_FAIL(EQS_ERR_FORMAT, "more than %d frames", (int)MAX_FRAMES);
    EQS_TRY(structure_list_add(out, &s));
    eqs_status status = read_frame(r, s);
    if (is_cut(r, status) && out->n - begin > 1) return leave_out_last(out);
    EQS_TRY(status);
  }
}

static eqs_status name_frames(const char *path, structure_list *list, int begin) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  int length = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
  for (int i = begin; i < list->n; i++) {
    char name[300];
    if (list->n - begin > 1) snprintf(name, sizeof name, "%.*s#%d", length, base, i - begin + 1);
    else snprintf(name, sizeof name, "%.*s", length, base);
    EQS_TRY(structure_set_name(&list->frame[i], name));
  }
  return EQS_OK;
}

/* Reads `file` and closes it. */
static eqs_status read_stream(FILE *file, const char *path, structure_list *out) {
  reader r = {.file = file};
  int begin = out->n;
  eqs_status status = read_frames(&r, out);
  if (status != EQS_OK) status = status_prefix(status, "%s: line %ld", path, r.number);
  else if (out->n == begin) status = status_fail(EQS_ERR_FORMAT, "%s: holds no frame", path);
  else status = name_frames(path, out, begin);
  free(r.line);
  fclose(file);
  return status;
}

struct xyz_stream {
  reader r;
  char *path;
  int64_t bytes;
};

eqs_status xyz_open(const char *path, xyz_stream **out) {
  struct stat about = {0};
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(out, 1, sizeof **out, "a trajectory"));
  xyz_stream *s = *out;
  s->path = strdup(path);
  s->r.file = fopen(path, "rb");
  if (!s->path) status = status_fail(EQS_ERR_MEMORY, "out of memory: a file name");
  else if (!s->r.file || fstat(fileno(s->r.file), &about))
    status = status_fail(EQS_ERR_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  else if (!S_ISREG(about.st_mode))
    status = status_fail(EQS_ERR_FILE, "%s: a trajectory is a file, neither folder nor pipe", path);
  if (status != EQS_OK) xyz_close(out);
  else s->bytes = about.st_size;
  return status;
}

eqs_status xyz_next(xyz_stream *s, structure *frame, xyz_values *values, int *found) {
  eqs_status status;
  *found = 0;
  *values = (xyz_values){.time = NAN};
  s->r.values = values;
  frame->n = 0;
  memset(frame->cell, 0, sizeof frame->cell);
  memset(frame->pbc, 0, sizeof frame->pbc);
  do {
    status = next_line(&s->r);
    if (status == EQS_OK && s->r.end) return EQS_OK;
  } while (status == EQS_OK && !s->r.line[strspn(s->r.line, " \t")]);
  if (status == EQS_OK) status = read_frame(&s->r, frame);
  values->cut = is_cut(&s->r, status);
  if (values->cut) return EQS_OK;
  if (status != EQS_OK) return status_prefix(status, "%s: line %ld", s->path, s->r.number);
  off_t at = ftello(s->r.file);
  values->share = s->bytes > 0 ? fmin(1, (double)at / (double)s->bytes) : 1;
  *found = 1;
  return EQS_OK;
}

void xyz_close(xyz_stream **s) {
  if (!s || !*s) return;
  if ((*s)->r.file) fclose((*s)->r.file);
  free((*s)->r.line);
  free((*s)->path);
  free(*s);
  *s = NULL;
}

eqs_status xyz_read(const char *path, structure_list *out) {
  FILE *file = fopen(path, "rb");
  if (!file) EQS_FAIL(EQS_ERR_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  return read_stream(file, path, out);
}

eqs_status xyz_read_memory(const char *text, size_t n, const char *name, structure_list *out) {
  char nothing = 0; /* a stream must have a buffer */
  FILE *file = fmemopen(n ? (void *)(uintptr_t)text : &nothing, n, "rb");
  if (!file) EQS_FAIL(EQS_ERR_MEMORY, "%s: %s", name, strerror(errno));
  return read_stream(file, name, out);
}
