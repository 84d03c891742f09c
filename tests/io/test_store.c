/* test_store.c -- the results file: round trips, refusals, kills; CSV and table made from it.
 *
 * A child process writes rows and is killed with SIGKILL at random moments; afterwards the file
 * must open, hold every row the child had reported as written, and take new ones.
 *
 * SPDX-License-Identifier: MIT */
#include "io/report.h"
#include "io/store.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], path[128];

static void enter(void) {
  snprintf(folder, sizeof folder,
           "/tmp/eqs_store_XX"
           "XX"
           "XX");
  cr_assert(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/r.db", folder);
}

static void leave(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  cr_assert(system(command) == 0);
}

TestSuite(store, .init = enter, .fini = leave);

/* Every column gets a value of its own. */
static void fill(screen_record *r, int k) {
  *r = (screen_record){0};
  for (size_t i = 0; i < store_n_column; i++) {
    const store_column *c = &store_columns[i];
    char *field = (char *)r + c->offset;
    int64_t integer = 1000 * k + (int64_t)i;
    double real = 1.0 / (1000 * k + (int)i + 1);
    if (c->kind == STORE_TEXT) snprintf(field, c->size, "t%d.%zu", k, i);
    if (c->kind == STORE_INTEGER) memcpy(field, &integer, sizeof integer);
    if (c->kind == STORE_REAL) memcpy(field, &real, sizeof real);
  }
  r->error = 0;
}

Test(store, round_trip_of_every_column) {
  store *s;
  screen_record in, out;
  int found;
  cr_assert(store_open(path, &s) == EQS_OK, "%s", eqs_error());
  fill(&in, 1);
  in.qst_sigma = NAN;
  in.seed = INT64_MAX;
  snprintf(in.name, sizeof in.name, "a, \"quoted\" \xc3\xa9'; DROP TABLE result; --");
  cr_assert(store_put(s, &in) == EQS_OK, "%s", eqs_error());
  store_close(&s);
  cr_assert(s == NULL);
  cr_assert(store_open(path, &s) == EQS_OK);
  cr_assert(store_find(s, in.file_sha256, in.frame, in.condition, &out, &found) == EQS_OK && found);
  cr_assert(isnan(out.qst_sigma));
  in.qst_sigma = out.qst_sigma = 0;
  cr_assert(in.id == out.id);
  for (size_t i = 0; i < store_n_column; i++) {
    const store_column *c = &store_columns[i];
    const char *a = (const char *)&in + c->offset, *b = (const char *)&out + c->offset;
    cr_assert(c->kind == STORE_TEXT ? !strcmp(a, b) : !memcmp(a, b, c->size), "%s", c->name);
  }
  cr_assert(store_get(s, in.id, &out) == EQS_OK && out.seed == INT64_MAX);
  cr_assert(store_find(s, in.file_sha256, in.frame + 1, in.condition, &out, &found) == EQS_OK);
  cr_assert(!found);
  cr_assert(store_find(s, in.file_sha256, in.frame, "other", &out, &found) == EQS_OK && !found);
  cr_assert(store_get(s, in.id + 1, &out) == EQS_ERR_ARGUMENT);
  store_close(&s);
}

Test(store, same_key_replaces) {
  store *s;
  screen_record a, out;
  int found;
  cr_assert(store_open(path, &s) == EQS_OK);
  fill(&a, 1);
  cr_assert(store_put(s, &a) == EQS_OK);
  const int64_t id = a.id;
  fill(&out, 2);
  cr_assert(store_put(s, &out) == EQS_OK && out.id != id);
  a.henry = 7;
  cr_assert(store_put(s, &a) == EQS_OK && a.id == id);
  cr_assert(store_find(s, a.file_sha256, a.frame, a.condition, &out, &found) == EQS_OK && found);
  cr_assert(out.henry == 7 && out.id == a.id);
  store_close(&s);
}

static void write_bytes(const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  cr_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void run_sql(const char *sql) {
  sqlite3 *db;
  cr_assert(sqlite3_open(path, &db) == SQLITE_OK);
  cr_assert(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
  sqlite3_close(db);
}

static void refused(eqs_status code, const char *word) {
  store *s = NULL;
  eqs_status got = store_open(path, &s);
  cr_assert(got == code && s == NULL, "status %d", got);
  cr_assert(strstr(eqs_error(), path) && strstr(eqs_error(), word), "message: %s", eqs_error());
}

Test(store, other_files_are_refused) {
  char text[4096];
  memset(text, 'x', sizeof text);
  write_bytes(text, sizeof text);
  refused(EQS_ERR_FORMAT, "not an SQLite file");
  remove(path);
  run_sql("CREATE TABLE mine (x)");
  refused(EQS_ERR_FORMAT, "another program");
  snprintf(path, sizeof path, "%s/no/such/r.db", folder);
  refused(EQS_ERR_FILE, "open");
  snprintf(path, sizeof path, "%s", folder);
  refused(EQS_ERR_FILE, "open");
}

Test(store, newer_schema_is_refused) {
  store *s;
  cr_assert(store_open(path, &s) == EQS_OK);
  store_close(&s);
  run_sql("PRAGMA user_version = 99");
  refused(EQS_ERR_FORMAT, "schema 99");
}

/* The file as a version had it that knew the columns before this one. */
static void drop_from(const char *first, int version) {
  char sql[128];
  int dropped = 0;
  for (size_t i = 0; i < store_n_column; i++) {
    dropped |= strcmp(store_columns[i].name, first) == 0;
    snprintf(sql, sizeof sql, "ALTER TABLE result DROP COLUMN %s", store_columns[i].name);
    if (dropped) run_sql(sql);
  }
  cr_assert(dropped);
  snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version);
  run_sql(sql);
}

/* A file of the first version, which knew no stages: its rows stay, new ones go in. */
Test(store, first_schema_is_extended) {
  store *s;
  screen_record in, out;
  int found;
  cr_assert(store_open(path, &s) == EQS_OK);
  fill(&in, 1);
  cr_assert(store_put(s, &in) == EQS_OK);
  store_close(&s);
  drop_from("stage", 1);
  cr_assert(store_open(path, &s) == EQS_OK, "%s", eqs_error());
  cr_assert(store_find(s, in.file_sha256, in.frame, in.condition, &out, &found) == EQS_OK && found);
  cr_assert(out.henry == in.henry && !strcmp(out.finished, in.finished));
  cr_assert(out.stage[0] == 0 && out.n_energy == 0 && isnan(out.df));
  fill(&in, 2);
  cr_assert(store_put(s, &in) == EQS_OK, "%s", eqs_error());
  cr_assert(store_get(s, in.id, &out) == EQS_OK);
  cr_assert(out.df == in.df && !strcmp(out.stage, in.stage) && out.n_pocket == in.n_pocket);
  store_close(&s);
  cr_assert(store_open(path, &s) == EQS_OK, "it is of this version now: %s", eqs_error());
  store_close(&s);
}

/* One of the version before overlaps were named by an energy, one of that before uncertainties. */
static void expect_extended(const char *first, int version) {
  store *s;
  screen_record in, out;
  int found;
  cr_assert(store_open(path, &s) == EQS_OK);
  fill(&in, 1);
  cr_assert(store_put(s, &in) == EQS_OK);
  store_close(&s);
  drop_from(first, version);
  cr_assert(store_open(path, &s) == EQS_OK, "%s", eqs_error());
  cr_assert(store_find(s, in.file_sha256, in.frame, in.condition, &out, &found) == EQS_OK && found);
  cr_assert(version == 3 ? out.overlap_energy == in.overlap_energy : isnan(out.overlap_energy));
  cr_assert(isnan(out.henry_factor) && !out.chemistry[0]);
  cr_assert(out.isotherm_independent == in.isotherm_independent);
  store_close(&s);
}

Test(store, second_schema_is_extended) { expect_extended("overlap_energy", 2); }
Test(store, third_schema_is_extended) { expect_extended("henry_factor", 3); }

Test(store, empty_file_is_new) {
  store *s;
  write_bytes("", 0);
  cr_assert(store_open(path, &s) == EQS_OK, "%s", eqs_error());
  store_close(&s);
}

Test(store, damage_is_an_error_not_a_crash) {
  store *s;
  cr_assert(store_open(path, &s) == EQS_OK);
  for (int k = 0; k < 50; k++) {
    screen_record r;
    fill(&r, k);
    cr_assert(store_put(s, &r) == EQS_OK);
  }
  store_close(&s);
  FILE *f = fopen(path, "rb");
  static unsigned char whole[1 << 20], bad[1 << 20];
  size_t n = fread(whole, 1, sizeof whole, f);
  fclose(f);
  int n_refused = 0;
  for (size_t trial = 0; trial < 60; trial++) {
    memcpy(bad, whole, n);
    if (trial < 10) {
      write_bytes(bad, n * (trial + 1) / 12); /* cut off */
    } else {
      for (size_t k = 0; k < 200; k++) bad[100 + (trial * 7919 + k * 104729) % (n - 100)] ^= 0x5A;
      write_bytes(bad, n);
    }
    eqs_status status = store_open(path, &s);
    n_refused += status != EQS_OK;
    if (status == EQS_OK) {
      screen_record r;
      for (int64_t id = 1; id <= 50; id++) status = store_get(s, id, &r);
    }
    store_close(&s);
  }
  cr_assert(n_refused >= 40, "%d of 60", n_refused);
}

Test(store, kill_loses_nothing_that_was_committed) {
  int64_t total = 0;
  for (int round = 0; round < 12; round++) {
    int pipe_ends[2];
    cr_assert(pipe(pipe_ends) == 0);
    pid_t child = fork();
    if (child == 0) {
      store *s;
      if (store_open(path, &s) != EQS_OK) _exit(3);
      for (int k = 0;; k++) {
        screen_record r;
        fill(&r, 1000 * round + k);
        if (store_put(s, &r) != EQS_OK) _exit(4);
        if (write(pipe_ends[1], "+", 1) != 1) _exit(5);
      }
    }
    close(pipe_ends[1]);
    usleep((useconds_t)(20000 + 7000 * round));
    kill(child, SIGKILL);
    int how;
    waitpid(child, &how, 0);
    cr_assert(WIFSIGNALED(how), "the child ended by itself: %d", WEXITSTATUS(how));
    char byte;
    int64_t told = 0;
    while (read(pipe_ends[0], &byte, 1) == 1) told++;
    close(pipe_ends[0]);
    store *s;
    cr_assert(store_open(path, &s) == EQS_OK, "%s", eqs_error());
    screen_record want, got;
    int found = 1;
    int64_t there = 0;
    for (int k = 0; found; k++) {
      fill(&want, 1000 * round + k);
      cr_assert(store_find(s, want.file_sha256, want.frame, want.condition, &got, &found) ==
                EQS_OK);
      there += found;
    }
    cr_assert(there == told || there == told + 1, "%lld told, %lld there", (long long)told,
              (long long)there);
    total += there;
    store_close(&s);
  }
  cr_assert(total > 0, "no round got as far as a commit");
}

/* ---- reports */

static screen_record rows[4];

static eqs_status row_of(const void *context, size_t i, screen_record *out) {
  (void)context;
  *out = rows[i];
  return EQS_OK;
}

static void make_rows(void) {
  for (int k = 0; k < 4; k++) {
    fill(&rows[k], k);
    snprintf(rows[k].name, sizeof rows[k].name, "frame-%d", k);
    rows[k].flags[0] = rows[k].warnings[0] = 0;
    snprintf(rows[k].stage, sizeof rows[k].stage, "model");
    rows[k].henry = k == 1 ? 3e-5 : k == 2 ? 8e-5 : 1e-6;
    rows[k].molecules_per_cell = 1e-5;
  }
  rows[3].error = EQS_ERR_FORMAT;
  rows[3].henry = NAN;
  snprintf(rows[3].reason, sizeof rows[3].reason, "broken\x1b[31m, \"badly\"\nline two");
  snprintf(rows[2].flags, sizeof rows[2].flags, "gas-energy not-converged");
  for (int k = 0; k < 4; k++) {
    rows[k].gas_check_ev = -22.66;
    rows[k].gas_reference_ev = -22.974;
  }
}

Test(report, table_is_ranked_and_warns) {
  char *text = NULL;
  make_rows();
  cr_assert(report_table(4, row_of, NULL, 40, &text) == EQS_OK);
  const char *first = strstr(text, "frame-2"), *second = strstr(text, "frame-1"),
             *third = strstr(text, "frame-0"), *failed = strstr(text, "frame-3");
  cr_assert(first && first < second && second < third && third < failed);
  cr_assert(strstr(failed, "failed at the stage model: broken?[31m") && !strchr(text, 27),
            "no control characters");
  cr_assert(strstr(first, "gas-energy not-converged") != NULL);
  cr_assert(strstr(first, "3.200e-03") != NULL, "uptake is K_H p");
  cr_assert(strstr(text, "1 of 4 frameworks failed") != NULL);
  free(text);
  snprintf(rows[1].flags, sizeof rows[1].flags, "gas-energy");
  cr_assert(report_table(3, row_of, NULL, 40, &text) == EQS_OK);
  const char *warning = strstr(text, "WARNING");
  cr_assert(warning && warning < strstr(text, "rank"), "the warning stands above the table");
  free(text);
}

/* Those that got further stand first; the uptake is that of the stage a row got to; points of
 * isotherms have a table of their own and are no frameworks; why a row ended is said. */
Test(report, stages_are_ranked_apart) {
  char *text = NULL;
  make_rows();
  snprintf(rows[0].stage, sizeof rows[0].stage, "isotherm");
  rows[0].isotherm_pressure = 12500;
  rows[0].isotherm_uptake = 3.25;
  snprintf(rows[0].flags, sizeof rows[0].flags, "few-samples");
  snprintf(rows[1].stage, sizeof rows[1].stage, "pores");
  rows[1].henry = rows[1].classical_henry = rows[1].molecules_per_cell = NAN;
  snprintf(rows[1].stopped, sizeof rows[1].stopped, "Df 2.5 angstrom");
  snprintf(rows[1].flags, sizeof rows[1].flags, "narrow");
  snprintf(rows[2].stage, sizeof rows[2].stage, "classical");
  rows[2].henry = NAN;
  rows[2].classical_henry = 5e-3;
  cr_assert(report_table(4, row_of, NULL, 40, &text) == EQS_OK);
  const char *classical = strstr(text, "frame-2"), *pores = strstr(text, "frame-1"),
             *failed = strstr(text, "frame-3"), *points = strstr(text, "isotherms"),
             *point = strstr(text, "frame-0"), *stop = strstr(text, "went no further");
  cr_assert(classical && classical < pores && pores < failed && failed < points, "%s", text);
  cr_assert(points < point && point < stop && strstr(stop, "Df 2.5 angstrom"), "%s", text);
  cr_assert(strstr(classical, "2.000e-01") != NULL, "uptake is the classical K_H times p");
  cr_assert(strstr(point, "1.250e+04") && strstr(point, "3.25") && strstr(point, "few-samples"));
  cr_assert(strstr(pores, "narrow") && !strstr(text, "nonlinear"), "%s", text);
  cr_assert(strstr(text, "1 of 3 frameworks failed") != NULL, "%s", text);
  free(text);
}

Test(report, beyond_henry) {
  char *text = NULL;
  make_rows();
  cr_assert(report_linear(&rows[0], 9999) && !report_linear(&rows[0], 10001));
  cr_assert(report_table(1, row_of, NULL, 1e5, &text) == EQS_OK);
  cr_assert(strstr(text, "nonlinear") != NULL);
  free(text);
}

Test(report, csv_has_one_line_per_row_and_quotes) {
  char name[] = "/tmp/eqs_csv_XX"
                "XX"
                "XX",
       line[65536];
  int fd = mkstemp(name);
  cr_assert(fd >= 0);
  close(fd);
  make_rows();
  snprintf(rows[3].reason, sizeof rows[3].reason, "a, \"b\"");
  cr_assert(report_csv(4, row_of, NULL, 40, name) == EQS_OK);
  FILE *f = fopen(name, "r");
  int n = 0, quoted = 0;
  size_t commas = 0;
  while (fgets(line, sizeof line, f)) {
    size_t c = 0;
    int inside = 0;
    for (const char *s = line; *s; s++) {
      if (*s == '"') inside = !inside;
      c += *s == ',' && !inside;
    }
    if (n++ == 0) commas = c;
    cr_assert(c == commas, "line %d", n);
    quoted += strstr(line, "\"a, \"\"b\"\"\"") != NULL;
  }
  fclose(f);
  remove(name);
  cr_assert(n == 5 && quoted == 1 && commas == store_n_column + 3);
  cr_assert(report_csv(4, row_of, NULL, 40, "/no/such/folder/x.csv") == EQS_ERR_FILE);
}
