/* test_isotherm_csv.c -- the reader of isotherms: spellings, units, hostile input.
 * SPDX-License-Identifier: MIT */
#include "io/isotherm_csv.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static eqs_status read_bytes(const char *bytes, size_t n, double temperature, isotherm_table *t) {
  char path[] = "/tmp/isotherm_??????";
  memset(strchr(path, '?'), 'X', 6);
  int fd = mkstemp(path);
  cr_assert(fd >= 0);
  FILE *f = fdopen(fd, "w");
  cr_assert(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
  eqs_status status = isotherm_csv_read(path, temperature, t);
  unlink(path);
  return status;
}

static eqs_status read_text(const char *text, double temperature, isotherm_table *t) {
  return read_bytes(text, strlen(text), temperature, t);
}

Test(isotherm_csv, spellings) {
  static const char *const texts[] = {
      "pressure,loading\n100,0.5\n1000,1.25\n",
      "\xEF\xBB\xBF# made by hand\r\n\r\nLoading (mmol/g),\"Pressure (kPa)\"\r\n0.5,0.1\r\n1.25, 1 "
      "\r\n",
      "pressure_mbar;loading_mol_kg;sigma;temperature;gas\n1;0.5;;298;CO2\n10;1.25;0.1;298;CO2",
      "Gas\tTemperature [K]\tpressure_bar\tloading\nCO2\t298\t1e-3\t0.5\n\n# "
      "more\nCO2\t298\t0.01\t1.25\n",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    isotherm_table t;
    cr_assert(read_text(texts[i], 298, &t) == EQS_OK, "%zu: %s", i, eqs_error());
    cr_assert_eq(t.n, 1);
    cr_assert_eq(t.series[0].n, 2);
    cr_expect_str_eq(t.series[0].gas, "CO2");
    const isotherm_point *p = t.series[0].point;
    cr_expect_float_eq(p[0].pressure, 100, 1e-9);
    cr_expect_float_eq(p[1].pressure, 1000, 1e-9);
    cr_expect(p[0].loading == 0.5 && p[1].loading == 1.25 && p[1].temperature == 298);
    cr_expect(p[0].sigma == 0 && p[1].sigma == (i == 2 ? 0.1 : 0));
    isotherm_table_free(&t);
  }
}

Test(isotherm_csv, gases) {
  isotherm_table t;
  cr_assert(read_text("gas,pressure_atm,loading,temperature\nCO2,1,2,298\nN2,1,0.1,298\n"
                      "CO2,2,3,313.15\n",
                      0, &t) == EQS_OK);
  cr_assert_eq(t.n, 2);
  cr_expect(t.series[0].n == 2 && t.series[1].n == 1);
  cr_expect_str_eq(t.series[1].gas, "N2");
  cr_expect(t.series[0].point[1].pressure == 202650 && t.series[0].point[1].temperature == 313.15);
  isotherm_table_free(&t);
}

Test(isotherm_csv, refusals_name_the_line) {
  static const struct {
    const char *text, *message;
  } bad[] = {
      {"", "no header"},
      {"# nothing\n\n", "no header"},
      {"pressure,loading\n", "no points"},
      {"1,2\n3,4\n", ":1: column 1 is called '1'"},
      {"pressure,uptake\n1,2\n", ":1: column 2 is called 'uptake'"},
      {"pressure,pressure_bar,loading\n1,2,3\n", ":1: column 2 is a second"},
      {"pressure,temperature\n1,298\n", "needs the columns"},
      {"pressure,loading\n1,2\n3\n", ":3: 1 cells where the header has 2"},
      {"pressure,loading\n1,5,2\n", "decimals need a point"},
      {"pressure;loading\n1,5;2\n", ":2: the pressure '1,5'"},
      {"pressure,loading\n-1,2\n", ":2: the pressure '-1'"},
      {"pressure,loading\n1,-2\n", ":2: the loading"},
      {"pressure,loading\nnan,2\n", ":2: the pressure"},
      {"pressure,loading\n1,inf\n", ":2: the loading"},
      {"pressure,loading\n1,2x\n", ":2: the loading '2x'"},
      {"pressure,loading\n1,\n", ":2: the loading ''"},
      {"pressure,loading\n1e300,2\n", ":2: the pressure"},
      {"pressure,loading,sigma\n1,2,-1\n", ":2: the sigma"},
      {"pressure,loading,temperature\n1,2,25 C\n", ":2: the temperature '25 C'"},
      {"pressure,loading,gas\n1,2,\n", ":2: '' is no name"},
      {"pressure,loading,gas\n1,2,a b\n", "is no name"},
      {"pressure,loading,gas\n1,2,averyveryverylongname\n", "is no name"},
      {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r\n", "more than 16 columns"},
      {"pressure,loading,gas\n1,1,a\n1,1,b\n1,1,c\n1,1,d\n1,1,e\n1,1,f\n1,1,g\n1,1,h\n1,1,i\n",
       ":10: more than 8 gases"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    isotherm_table t;
    cr_expect(read_text(bad[i].text, 298, &t) == EQS_ERR_FORMAT, "%s", bad[i].text);
    cr_expect(strstr(eqs_error(), bad[i].message) != NULL, "'%s' says %s", bad[i].text,
              eqs_error());
    cr_expect(strstr(eqs_error(), "/tmp/isotherm_") != NULL);
    cr_expect_eq(t.n, 0);
  }
  isotherm_table t;
  cr_expect(read_text("pressure,loading\n1,2\n", 0, &t) == EQS_ERR_FORMAT);
  cr_expect(strstr(eqs_error(), "--temperature") != NULL);
  cr_expect(read_bytes("pressure,loading\n1,\0002\n", 21, 298, &t) == EQS_ERR_FORMAT);
  cr_expect(isotherm_csv_read("/no/such/file.csv", 298, &t) == EQS_ERR_FILE);
  cr_expect(isotherm_csv_read("/tmp", 298, &t) == EQS_ERR_FILE);
  char *long_line = malloc(10001);
  cr_assert(long_line);
  memset(long_line, '1', 10000);
  long_line[10000] = 0;
  cr_expect(read_text(long_line, 298, &t) == EQS_ERR_FORMAT);
  cr_expect(strstr(eqs_error(), ":1: longer than") != NULL);
  free(long_line);
}

/* Thousands of damaged files: points, or a refusal. */
Test(isotherm_csv, damaged_files) {
  static const char good[] =
      "# data\npressure_bar,loading,sigma,temperature,gas\n0.1,0.5,0.01,298,CO2\n"
      "1.0,1.5,,298,CO2\n\"2\",2.5,0.1,313,N2\n1e-3,0,0,313,N2\n";
  static const char odd[] = ",;\t\n\r\"#-+.eE0919naifx\xff\x01 ";
  uint64_t state = 99;
  int read = 0, refused = 0;
  for (int run = 0; run < 3000; run++) {
    char bytes[sizeof good];
    size_t n = sizeof good - 1;
    memcpy(bytes, good, n);
    int edits = 1 + run % 5;
    for (int e = 0; e < edits; e++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      size_t at = (size_t)(state >> 33) % n;
      if ((state >> 20) % 7 == 0) n = at + 1;
      else bytes[at] = odd[(state >> 24) % (sizeof odd - 1)];
    }
    isotherm_table t;
    eqs_status status = read_bytes(bytes, n, run % 2 ? 298 : 0, &t);
    cr_assert(status == EQS_OK || status == EQS_ERR_FORMAT);
    if (status == EQS_OK) {
      for (int i = 0; i < t.n; i++)
        for (int k = 0; k < t.series[i].n; k++) {
          const isotherm_point *p = &t.series[i].point[k];
          cr_assert(p->pressure >= 0 && p->pressure <= 1e11 && p->loading >= 0 &&
                    p->loading <= 1e5 && p->sigma >= 0 && p->temperature >= 1);
        }
      isotherm_table_free(&t);
      read++;
    } else {
      refused++;
    }
  }
  cr_expect(read > 100 && refused > 500, "%d read, %d refused", read, refused);
}
