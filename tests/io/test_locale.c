/* test_locale.c -- a program that has set a locale with a decimal comma reads and writes the same.
 * The locale is made by localedef, of Debian's package `locales`, beside the test.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "io/report.h"

static const char *const name = "de_DE.UTF-8";

/* Tests run side by side: whoever is first puts the finished folder in its place. */
static void make_locale(void) {
  char command[400];
  snprintf(command, sizeof command,
           "mkdir locale_%d && localedef --no-archive -i de_DE -f UTF-8 locale_%d/%s "
           "> locale.log 2>&1 && mv -T locale_%d locale_test 2>> locale.log; rm -rf locale_%d",
           (int)getpid(), (int)getpid(), name, (int)getpid(), (int)getpid());
  if (system(command)) cr_skip_test("no shell to run localedef");
}

/* Sets a locale in which 1.5 is written 1,5, or skips the test. */
static void with_comma(void) {
  if (!setlocale(LC_ALL, name)) {
    setenv("LOCPATH", "locale_test", 1);
    if (access("locale_test", R_OK)) make_locale();
    if (!setlocale(LC_ALL, name))
      cr_skip_test("no locale with a decimal comma: install the package locales");
  }
  char text[16];
  snprintf(text, sizeof text, "%.1f", 1.5);
  cr_assert_str_eq(text, "1,5");
}

static char *read_all(const char *path) {
  static char text[8192];
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f, "%s", path);
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  fclose(f);
  return text;
}

static void write_all(const char *path, const char *text) {
  FILE *f = fopen(path, "wb");
  cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

Test(locale, extended_xyz_there_and_back) {
  with_comma();
  write_all("locale_in.xyz", "1\nLattice=\"4.5 0 0 0 4.5 0 0 0 4.5\"\nNa 0.25 1.75e0 -2.5\n");
  eqs_structures *s;
  eqs_systems v = {.size = sizeof v};
  double energy = -1.5;
  eqs_result r = {.size = sizeof r, .energy = &energy};
  cr_assert_eq(eqs_structures_read("locale_in.xyz", NULL, &s), EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_structures_view(s, 0, &v), EQS_OK);
  cr_assert(v.cell[4] == 4.5 && v.position[0] == 0.25 && v.position[1] == 1.75 &&
            v.position[2] == -2.5);
  cr_assert_eq(eqs_extxyz_write("locale_out.xyz", 0, &v, &r), EQS_OK, "%s", eqs_error());
  const char *text = read_all("locale_out.xyz");
  cr_assert(strstr(text, "energy=-1.5 ") && strstr(text, "0.25 1.75 -2.5"), "%s", text);
  eqs_structures_free(&s);
  remove("locale_in.xyz");
  remove("locale_out.xyz");
}

Test(locale, cif_and_json) {
  with_comma();
  eqs_structures *s;
  eqs_systems v = {.size = sizeof v};
  char *json;
  cr_assert_eq(eqs_structures_read(EQS_SOURCE_DIR "/tests/data/cif/quartz.cif", NULL, &s), EQS_OK,
               "%s", eqs_error());
  cr_assert_eq(eqs_structures_view(s, 0, &v), EQS_OK);
  cr_assert_eq(v.n_system, 1);
  cr_assert_float_eq(v.cell[0], 4.916, 0.01);
  cr_assert_eq(eqs_structures_describe(s, 0, &json), EQS_OK, "%s", eqs_error());
  cr_assert_not_null(strstr(json, "\"cell\": [4.91"), "%s", json);
  eqs_string_free(&json);
  eqs_structures_free(&s);
}

static eqs_status one_row(const void *context, size_t i, screen_record *out) {
  (void)i;
  memcpy(out, context, sizeof *out);
  return EQS_OK;
}

Test(locale, csv_and_table) {
  with_comma();
  screen_record r = {
      .name = "frame", .status = "ok", .stage = "model", .henry = 0.5, .temperature = 298.5};
  char *table;
  cr_assert_eq(report_csv(1, one_row, &r, 40.5, "locale.csv"), EQS_OK, "%s", eqs_error());
  const char *text = read_all("locale.csv");
  cr_assert(strstr(text, ",298.5,") && strstr(text, ",0.5,") && strstr(text, ",40.5,20.25,"), "%s",
            text);
  remove("locale.csv");
  cr_assert_eq(report_table(1, one_row, &r, 40.5, &table), EQS_OK, "%s", eqs_error());
  cr_assert_not_null(strstr(table, " 5.000e-01 "), "%s", table);
  free(table);
}

Test(locale, messages_and_the_callers_locale) {
  with_comma();
  cr_assert_eq(status_fail(EQS_ERR_FORMAT, "%g", 2.5), EQS_ERR_FORMAT);
  cr_assert_str_eq(eqs_error(), "2.5");
  char text[16];
  snprintf(text, sizeof text, "%.1f", 1.5);
  cr_assert_str_eq(text, "1,5", "the caller's locale is back");
}
