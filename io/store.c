/* store.c -- the SQLite file of screening results.
 *
 * One table, `result`. A rollback journal with full synchronisation rather than WAL: the results
 * stay in one file, it works on network file systems, and one commit per framework costs nothing
 * beside the energies. The application id marks the file as ours; the user version is the schema's.
 *
 * SPDX-License-Identifier: MIT */
#include "io/store.h"

#include <math.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPLICATION = 0x45515342 /* "EQSB" */, SCHEMA = 4, BUSY_MS = 10000 };

struct store {
  sqlite3 *db;
  char *path;
  sqlite3_stmt *insert, *find, *find_id, *get, *next, *condition;
};

#define TEXT(f)                                                                                    \
  { #f, STORE_TEXT, offsetof(screen_record, f), sizeof(((screen_record *)0)->f) }
#define INTEGER(f)                                                                                 \
  { #f, STORE_INTEGER, offsetof(screen_record, f), sizeof(int64_t) }
#define REAL(f)                                                                                    \
  { #f, STORE_REAL, offsetof(screen_record, f), sizeof(double) }

const store_column store_columns[] = {
    TEXT(name),
    TEXT(path),
    TEXT(file_sha256),
    INTEGER(frame),
    INTEGER(n_frame),
    TEXT(condition),
    TEXT(status),
    INTEGER(error),
    TEXT(reason),
    TEXT(gas),
    TEXT(gas_geometry),
    REAL(temperature),
    INTEGER(insertions),
    INTEGER(seed),
    TEXT(model_family),
    TEXT(model_sha256),
    TEXT(head),
    TEXT(functional),
    TEXT(precision),
    TEXT(dispersion),
    TEXT(device),
    TEXT(version),
    TEXT(formula),
    INTEGER(n_atom),
    REAL(a),
    REAL(b),
    REAL(c),
    REAL(alpha),
    REAL(beta),
    REAL(gamma),
    REAL(volume),
    REAL(density),
    TEXT(cell_kind),
    INTEGER(replica_a),
    INTEGER(replica_b),
    INTEGER(replica_c),
    INTEGER(n_atom_box),
    REAL(width_a),
    REAL(width_b),
    REAL(width_c),
    REAL(width_needed),
    TEXT(replica_rule),
    REAL(shortest_contact),
    REAL(overlap_share),
    REAL(hole_limit),
    INTEGER(n_proposed),
    INTEGER(n_overlap),
    INTEGER(n_evaluated),
    INTEGER(n_hole),
    REAL(w),
    REAL(w_sigma),
    REAL(ln_w),
    REAL(henry),
    REAL(henry_sigma),
    REAL(henry_95),
    REAL(u_b),
    REAL(u_b_sigma),
    REAL(qst),
    REAL(qst_sigma),
    REAL(qst_95),
    REAL(ess),
    REAL(max_share),
    REAL(discarded_share),
    REAL(hole_energy),
    REAL(hole_contact),
    REAL(molecules_per_cell),
    REAL(gas_energy_ev),
    REAL(gas_check_ev),
    REAL(gas_reference_ev),
    TEXT(flags),
    TEXT(warnings),
    REAL(seconds),
    TEXT(finished),
    TEXT(stage),
    REAL(cpu_seconds),
    REAL(pore_probe),
    REAL(di),
    REAL(df),
    INTEGER(n_channel),
    INTEGER(n_pocket),
    REAL(void_fraction),
    REAL(channel_fraction),
    REAL(pocket_fraction),
    REAL(channel_volume),
    REAL(helium_void_fraction),
    TEXT(surrogate),
    TEXT(surrogate_charges),
    TEXT(classical_missing),
    INTEGER(classical_n),
    REAL(classical_henry),
    REAL(classical_henry_95),
    REAL(classical_qst),
    REAL(classical_qst_95),
    REAL(classical_ess),
    REAL(classical_henry_with_pockets),
    TEXT(method),
    REAL(error_asked),
    INTEGER(n_energy),
    INTEGER(n_blocked),
    REAL(henry_with_pockets),
    REAL(henry_with_pockets_95),
    REAL(qst_with_pockets),
    REAL(outside_share),
    REAL(surrogate_rms),
    REAL(isotherm_pressure),
    REAL(isotherm_fugacity),
    REAL(isotherm_uptake),
    REAL(isotherm_uptake_95),
    REAL(isotherm_excess),
    REAL(isotherm_excess_95),
    REAL(isotherm_molecules),
    REAL(isotherm_qst),
    REAL(isotherm_qst_95),
    INTEGER(isotherm_moves),
    INTEGER(isotherm_energies),
    INTEGER(isotherm_surrogate_energies),
    INTEGER(isotherm_overlaps),
    INTEGER(isotherm_holes),
    REAL(isotherm_discarded_share),
    REAL(isotherm_independent),
    REAL(overlap_energy),
    REAL(henry_factor),
    REAL(qst_uncertainty),
    INTEGER(uncertainty_poses),
    TEXT(chemistry),
    REAL(novelty),
    TEXT(novelty_element),
};
const size_t store_n_column = sizeof store_columns / sizeof store_columns[0];

static eqs_status fault(const store *s, const char *what) {
  int code = sqlite3_errcode(s->db);
  const char *reason = sqlite3_errmsg(s->db);
  if (code == SQLITE_NOTADB)
    return status_fail(EQS_ERR_FORMAT,
                       "%s is not an SQLite file; give another name for the results", s->path);
  if (code == SQLITE_CORRUPT)
    return status_fail(EQS_ERR_FORMAT, "%s is damaged (%s); restore a copy or give another name",
                       s->path, reason);
  if (code == SQLITE_NOMEM) return status_fail(EQS_ERR_MEMORY, "out of memory for %s", s->path);
  return status_fail(EQS_ERR_FILE, "%s: cannot %s: %s", s->path, what, reason);
}

static eqs_status run_sql(const store *s, const char *sql, const char *what) {
  return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? EQS_OK : fault(s, what);
}

static eqs_status prepare(const store *s, const char *sql, sqlite3_stmt **out) {
  if (sqlite3_prepare_v2(s->db, sql, -1, out, NULL) != SQLITE_OK)
    return fault(s, "read its tables");
  return EQS_OK;
}

/* First column of the first row of a query, as text; "" if there is none. */
static eqs_status ask(const store *s, const char *sql, char *out, size_t size) {
  sqlite3_stmt *q = NULL;
  EQS_TRY(prepare(s, sql, &q));
  eqs_status status = EQS_OK;
  int code = sqlite3_step(q);
  out[0] = 0;
  if (code == SQLITE_ROW) {
    const unsigned char *text = sqlite3_column_text(q, 0);
    snprintf(out, size, "%s", text ? (const char *)text : "");
  } else if (code != SQLITE_DONE) {
    status = fault(s, "read it");
  }
  sqlite3_finalize(q);
  return status;
}

static eqs_status create(const store *s) {
  char *sql = NULL;
  size_t size = 0;
  FILE *text = open_memstream(&sql, &size);
  if (!text) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %s", s->path);
  fputs("BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS result (id INTEGER PRIMARY KEY", text);
  static const char *kind[] = {"TEXT NOT NULL", "INTEGER NOT NULL", "REAL"};
  for (size_t i = 0; i < store_n_column; i++)
    fprintf(text, ", %s %s", store_columns[i].name, kind[store_columns[i].kind]);
  fprintf(text,
          ", UNIQUE (file_sha256, frame, condition)); PRAGMA application_id = %d; "
          "PRAGMA user_version = %d; COMMIT",
          APPLICATION, SCHEMA);
  eqs_status status = fclose(text) ? status_fail(EQS_ERR_MEMORY, "out of memory for %s", s->path)
                                   : run_sql(s, sql, "create its table");
  free(sql);
  return status;
}

/* Adds the columns from the one at `offset` on; rows stay. */
static eqs_status extend(const store *s, size_t offset) {
  char *sql = NULL;
  size_t size = 0, first = 0;
  FILE *text = open_memstream(&sql, &size);
  if (!text) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %s", s->path);
  while (store_columns[first].offset < offset) first++;
  static const char *kind[] = {"TEXT NOT NULL DEFAULT ''", "INTEGER NOT NULL DEFAULT 0", "REAL"};
  fputs("BEGIN IMMEDIATE; ", text);
  for (size_t i = first; i < store_n_column; i++)
    fprintf(text, "ALTER TABLE result ADD COLUMN %s %s; ", store_columns[i].name,
            kind[store_columns[i].kind]);
  fprintf(text, "PRAGMA user_version = %d; COMMIT", SCHEMA);
  eqs_status status = fclose(text) ? status_fail(EQS_ERR_MEMORY, "out of memory for %s", s->path)
                                   : run_sql(s, sql, "extend its table");
  free(sql);
  return status;
}

static eqs_status check_sound(const store *s, int *application, int *schema) {
  char text[256];
  EQS_TRY(ask(s, "PRAGMA quick_check(1)", text, sizeof text));
  if (strcmp(text, "ok") != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is damaged (%s); restore a copy or give another name", s->path,
             text);
  EQS_TRY(ask(s, "PRAGMA application_id", text, sizeof text));
  *application = (int)strtol(text, NULL, 10);
  EQS_TRY(ask(s, "PRAGMA user_version", text, sizeof text));
  *schema = (int)strtol(text, NULL, 10);
  return EQS_OK;
}

static eqs_status other_program(const store *s) {
  EQS_FAIL(EQS_ERR_FORMAT, "%s is an SQLite file of another program; give another name", s->path);
}

/* Ours, empty, or refused. */
static eqs_status check(const store *s) {
  char text[256];
  int application, schema;
  EQS_TRY(check_sound(s, &application, &schema));
  EQS_TRY(ask(s, "SELECT count(*) FROM sqlite_master", text, sizeof text));
  if (application == 0 && schema == 0 && strcmp(text, "0") == 0) return create(s);
  if (application != APPLICATION) return other_program(s);
  if (schema == 1) return extend(s, offsetof(screen_record, stage));
  if (schema == 2) return extend(s, offsetof(screen_record, overlap_energy));
  if (schema == 3) return extend(s, offsetof(screen_record, henry_factor));
  if (schema != SCHEMA)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has result schema %d, this program knows %d; give another name",
             s->path, schema, SCHEMA);
  /* a write that changes nothing: a file or folder that cannot be written fails now, not after the
   * first framework's hours */
  char sql[64];
  snprintf(sql, sizeof sql, "BEGIN IMMEDIATE; PRAGMA user_version = %d; COMMIT", SCHEMA);
  return run_sql(s, sql, "write to it");
}

/* The columns of a row, all or the first of them, in their order. */
static eqs_status check_columns(const store *s, sqlite3_stmt *q) {
  size_t n = (size_t)sqlite3_column_count(q);
  int same = n > 1 && n <= store_n_column + 1;
  for (size_t i = 0; same && i < n; i++)
    same = strcmp(sqlite3_column_name(q, (int)i), i ? store_columns[i - 1].name : "id") == 0;
  if (!same) EQS_FAIL(EQS_ERR_FORMAT, "%s: its table has other columns than results have", s->path);
  return EQS_OK;
}

static eqs_status prepare_all(store *s) {
  char *sql = NULL, select[64] = "SELECT * FROM result WHERE id = ?";
  size_t size = 0;
  FILE *text = open_memstream(&sql, &size);
  if (!text) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %s", s->path);
  fputs("INSERT INTO result (", text);
  for (size_t i = 0; i < store_n_column; i++)
    fprintf(text, "%s%s", i ? ", " : "", store_columns[i].name);
  fputs(") VALUES (?", text);
  for (size_t i = 1; i < store_n_column; i++) fputs(", ?", text);
  fputs(") ON CONFLICT (file_sha256, frame, condition) DO UPDATE SET ", text);
  for (size_t i = 0; i < store_n_column; i++)
    fprintf(text, "%s%s = excluded.%s", i ? ", " : "", store_columns[i].name,
            store_columns[i].name);
  eqs_status status = EQS_OK;
  if (fclose(text)) status = status_fail(EQS_ERR_MEMORY, "out of memory for %s", s->path);
  if (status == EQS_OK) status = prepare(s, sql, &s->insert);
  free(sql);
  EQS_TRY(status);
  EQS_TRY(prepare(s, "SELECT * FROM result WHERE file_sha256 = ? AND frame = ? AND condition = ?",
                  &s->find));
  EQS_TRY(check_columns(s, s->find));
  EQS_TRY(prepare(s, "SELECT id FROM result WHERE file_sha256 = ? AND frame = ? AND condition = ?",
                  &s->find_id));
  return prepare(s, select, &s->get);
}

/* *out is to be closed, whatever is returned. */
static eqs_status open_file(const char *path, int flags, store **out) {
  store *s = *out = calloc(1, sizeof *s);
  if (!s) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for %s", path);
  s->path = strdup(path);
  if (!s->path) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the results");
  if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
    return s->db ? fault(s, "open it") : status_fail(EQS_ERR_MEMORY, "out of memory for %s", path);
  sqlite3_busy_timeout(s->db, BUSY_MS);
  return run_sql(s, "PRAGMA trusted_schema = OFF", "open it");
}

eqs_status store_open(const char *path, store **out) {
  store *s = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY_DONE(open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s));
  EQS_TRY_DONE(run_sql(s, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL", "open it"));
  EQS_TRY_DONE(check(s));
  EQS_TRY_DONE(prepare_all(s));
  *out = s;
  return EQS_OK;
done:
  store_close(&s);
  return status;
}

/* Of this program, sound, and a table rather than what a query makes up. */
static eqs_status check_source(const store *s) {
  char text[256];
  int application, schema;
  EQS_TRY(check_sound(s, &application, &schema));
  EQS_TRY(ask(s, "SELECT count(*) FROM sqlite_master", text, sizeof text));
  if (application == 0 && strcmp(text, "0") == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s is empty: what was to write it was stopped before", s->path);
  if (application != APPLICATION) return other_program(s);
  if (schema < 1 || schema > SCHEMA)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has result schema %d, this program knows %d", s->path, schema,
             SCHEMA);
  EQS_TRY(ask(s,
              "SELECT count(*) FROM sqlite_master WHERE name = 'result' AND type = 'table' AND "
              "rootpage > 0",
              text, sizeof text));
  if (strcmp(text, "1") != 0) EQS_FAIL(EQS_ERR_FORMAT, "%s has no table of results", s->path);
  return EQS_OK;
}

eqs_status store_open_source(const char *path, store **out) {
  store *s = NULL;
  eqs_status status = EQS_OK;
  *out = NULL;
  EQS_TRY_DONE(open_file(path, SQLITE_OPEN_READWRITE, &s));
  EQS_TRY_DONE(check_source(s));
  EQS_TRY_DONE(prepare(s, "SELECT * FROM result ORDER BY id", &s->next));
  EQS_TRY_DONE(check_columns(s, s->next));
  EQS_TRY_DONE(
      prepare(s, "SELECT DISTINCT condition FROM result ORDER BY condition", &s->condition));
  *out = s;
  return EQS_OK;
done:
  store_close(&s);
  return status;
}

eqs_status store_begin(store *s) { return run_sql(s, "BEGIN IMMEDIATE", "write to it"); }
eqs_status store_commit(store *s) { return run_sql(s, "COMMIT", "write to it"); }
void store_rollback(store *s) { sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); }

void store_close(store **s) {
  if (!s || !*s) return;
  sqlite3_finalize((*s)->insert);
  sqlite3_finalize((*s)->find);
  sqlite3_finalize((*s)->find_id);
  sqlite3_finalize((*s)->get);
  sqlite3_finalize((*s)->next);
  sqlite3_finalize((*s)->condition);
  sqlite3_close((*s)->db);
  free((*s)->path);
  free(*s);
  *s = NULL;
}

static void bind_key(sqlite3_stmt *q, const char *file_sha256, int64_t frame,
                     const char *condition) {
  sqlite3_bind_text(q, 1, file_sha256, -1, SQLITE_STATIC);
  sqlite3_bind_int64(q, 2, frame);
  sqlite3_bind_text(q, 3, condition, -1, SQLITE_STATIC);
}

/* A row that takes the place of one with its key has the id of that one. */
static eqs_status find_id(store *s, screen_record *r) {
  bind_key(s->find_id, r->file_sha256, r->frame, r->condition);
  int code = sqlite3_step(s->find_id);
  eqs_status status = code == SQLITE_ROW ? EQS_OK : fault(s, "read a result");
  if (status == EQS_OK) r->id = sqlite3_column_int64(s->find_id, 0);
  sqlite3_reset(s->find_id);
  sqlite3_clear_bindings(s->find_id);
  return status;
}

eqs_status store_put(store *s, screen_record *r) {
  for (size_t i = 0; i < store_n_column; i++) {
    const store_column *c = &store_columns[i];
    const char *field = (const char *)r + c->offset;
    int at = (int)i + 1;
    int64_t integer;
    double real;
    switch (c->kind) {
    case STORE_TEXT: sqlite3_bind_text(s->insert, at, field, -1, SQLITE_STATIC); break;
    case STORE_INTEGER:
      memcpy(&integer, field, sizeof integer);
      sqlite3_bind_int64(s->insert, at, integer);
      break;
    case STORE_REAL:
      memcpy(&real, field, sizeof real);
      sqlite3_bind_double(s->insert, at, real); /* NAN becomes NULL */
      break;
    }
  }
  int code = sqlite3_step(s->insert);
  eqs_status status = code == SQLITE_DONE ? EQS_OK : fault(s, "write a result");
  sqlite3_reset(s->insert);
  sqlite3_clear_bindings(s->insert);
  return status == EQS_OK ? find_id(s, r) : status;
}

static void read_row(sqlite3_stmt *q, screen_record *out) {
  const double undefined = NAN;
  const size_t n = (size_t)sqlite3_column_count(q) - 1; /* fewer in an earlier version */
  *out = (screen_record){.id = sqlite3_column_int64(q, 0)};
  for (size_t i = n; i < store_n_column; i++)
    if (store_columns[i].kind == STORE_REAL)
      memcpy((char *)out + store_columns[i].offset, &undefined, sizeof undefined);
  for (size_t i = 0; i < n; i++) {
    const store_column *c = &store_columns[i];
    char *field = (char *)out + c->offset;
    int at = (int)i + 1;
    if (c->kind == STORE_TEXT) {
      const unsigned char *text = sqlite3_column_text(q, at);
      snprintf(field, c->size, "%s", text ? (const char *)text : "");
    } else if (c->kind == STORE_INTEGER) {
      int64_t integer = sqlite3_column_int64(q, at);
      memcpy(field, &integer, sizeof integer);
    } else {
      double real = sqlite3_column_type(q, at) == SQLITE_NULL ? NAN : sqlite3_column_double(q, at);
      memcpy(field, &real, sizeof real);
    }
  }
}

static eqs_status one_row(store *s, sqlite3_stmt *q, screen_record *out, int *found) {
  int code = sqlite3_step(q);
  eqs_status status = EQS_OK;
  *found = code == SQLITE_ROW;
  if (*found) read_row(q, out);
  else if (code != SQLITE_DONE) status = fault(s, "read a result");
  sqlite3_reset(q);
  sqlite3_clear_bindings(q);
  return status;
}

eqs_status store_find(store *s, const char *file_sha256, int64_t frame, const char *condition,
                      screen_record *out, int *found) {
  bind_key(s->find, file_sha256, frame, condition);
  return one_row(s, s->find, out, found);
}

eqs_status store_get(store *s, int64_t id, screen_record *out) {
  int found;
  sqlite3_bind_int64(s->get, 1, id);
  EQS_TRY(one_row(s, s->get, out, &found));
  if (!found) EQS_FAIL(EQS_ERR_ARGUMENT, "%s has no result %lld", s->path, (long long)id);
  return EQS_OK;
}

eqs_status store_next(store *s, screen_record *out, int *found) {
  int code = sqlite3_step(s->next);
  eqs_status status = EQS_OK;
  *found = code == SQLITE_ROW;
  if (*found) read_row(s->next, out);
  else if (code != SQLITE_DONE) status = fault(s, "read its results");
  if (!*found) sqlite3_reset(s->next);
  return status;
}

eqs_status store_next_condition(store *s, char *out, size_t size, int *found) {
  int code = sqlite3_step(s->condition);
  eqs_status status = EQS_OK;
  *found = code == SQLITE_ROW;
  if (*found) {
    const unsigned char *text = sqlite3_column_text(s->condition, 0);
    snprintf(out, size, "%s", text ? (const char *)text : "");
  } else if (code != SQLITE_DONE) {
    status = fault(s, "read its results");
  }
  if (!*found) sqlite3_reset(s->condition);
  return status;
}
