/* test_gcmc_report.c -- results as text: read back by a JSON parser, field by field in CSV.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/gcmc.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[2] = {"CO2", "N2"};

static gcmc_result result(void) {
  gcmc_result r = {.n_component = 2,
                   .temperature = 298.15,
                   .framework_mass = 6159.25,
                   .cells = 2,
                   .moves = 80000,
                   .energies = 1234567890123,
                   .lowest_binding = NAN,
                   .few_samples = 1,
                   .holes_flagged = 1};
  for (int i = 0; i < 2; i++) {
    r.fugacity[i] = 15000 * (i + 1);
    r.uptake[i] = (series_value){0.75 + i, 0.01, 0.021};
    r.excess[i] = r.heat[i] = (series_value){NAN, NAN, NAN};
    r.molecules[i] = (series_value){4.5, 0.06, 0.125};
  }
  r.counts[CHAIN_ROTATE] = (chain_count){10, 9, 8, 7};
  return r;
}

static double number(const cJSON *o, const char *key) {
  const cJSON *x = cJSON_GetObjectItem(o, key);
  cr_assert(x && cJSON_IsNumber(x), "%s", key);
  return x->valuedouble;
}

Test(gcmc_report, json) {
  gcmc_result r = result();
  char *text;
  setlocale(LC_ALL, "de_DE.UTF-8"); /* whether it exists or not */
  cr_assert(gcmc_json(&r, "a \"quoted\"\n\xff name", names, &text) == EQS_OK);
  cJSON *o = cJSON_Parse(text);
  cr_assert(o, "%s", text);
  cr_assert_str_eq(cJSON_GetObjectItem(o, "label")->valuestring, "a \"quoted\"\n? name");
  cr_assert(number(o, "temperature_K") == 298.15 && number(o, "energies") == 1234567890123);
  cr_assert(cJSON_IsNull(cJSON_GetObjectItem(o, "lowest_binding_eV")));
  cr_assert_str_eq(cJSON_GetObjectItem(o, "flags")->valuestring, "few-samples holes");
  const cJSON *c = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "components"), 1);
  cr_assert_str_eq(cJSON_GetObjectItem(c, "name")->valuestring, "N2");
  cr_assert(number(cJSON_GetObjectItem(c, "uptake_mol_kg"), "mean") == 1.75);
  cr_assert(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(c, "qst_kJ_mol"), "ci95")));
  const cJSON *moves = cJSON_GetObjectItem(o, "moves");
  cr_assert(cJSON_GetArraySize(moves) == CHAIN_KINDS);
  cr_assert(number(cJSON_GetObjectItem(moves, "rotation"), "accepted") == 8);
  cJSON_Delete(o);
  free(text);
}

Test(gcmc_report, csv) {
  gcmc_result r = result();
  char *text, *line[4] = {0};
  int n = 0, commas[3] = {0};
  cr_assert(gcmc_csv(&r, "x,\"y\"", names, 1, &text) == EQS_OK);
  for (char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) line[n++] = p;
  cr_assert(n == 3, "a heading and two components");
  cr_assert(strncmp(line[1], "\"x,\"\"y\"\"\",CO2,298.15,15000,0.75,0.021,,,4.5,0.125,,,", 50) == 0,
            "%s", line[1]);
  for (int k = 0; k < 3; k++)
    for (const char *p = line[k] + (k ? 9 : 0); *p != '\n'; p++) commas[k] += *p == ',';
  cr_assert(commas[0] == 22 && commas[1] == 22 && commas[2] == 22, "%d %d", commas[0], commas[1]);
  free(text);
  cr_assert(gcmc_csv(&r, "x", names, 0, &text) == EQS_OK);
  cr_assert(strncmp(text, "x,CO2,", 6) == 0);
  free(text);
}
