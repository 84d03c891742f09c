/* reference_gas.h -- CO2 in a framework with the parameters of a published or recomputed case.
 *
 * The cases (structure, force field, cutoff, temperature) lie outside the project, in the folder
 * EQS_SHARED; without it the test that asks is skipped.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_REFERENCE_GAS_H
#define EQS_REFERENCE_GAS_H

#include "core/adsorption/classical_energy.h"
#include "io/elements.h"
#include "tests/reference.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct reference_gas {
  framework f;
  classical_site *atom; /* [f.cell.n] */
  classical_molecule co2;
  classical_settings settings;
  double temperature;
  workspace work;
  guest_energy *energy;
} reference_gas;

static inline cJSON *read_json(const char *path) {
  FILE *file = fopen(path, "rb");
  cr_assert(file);
  char *text = calloc(1, 1 << 16);
  size_t n = fread(text, 1, (1 << 16) - 1, file);
  fclose(file);
  cr_assert(n > 0);
  cJSON *json = cJSON_Parse(text);
  cr_assert(json);
  free(text);
  return json;
}

static inline double number(const cJSON *o, const char *key) {
  const cJSON *v = cJSON_GetObjectItem(o, key);
  cr_assert(cJSON_IsNumber(v), "%s", key);
  return v->valuedouble;
}

static inline classical_site site_of(const cJSON *type) {
  return (classical_site){number(type, "eps"), number(type, "sig"), number(type, "charge")};
}

/* Atoms of element z within `reach` of atom i, images included. */
static inline int bonded(const structure *s, int i, int z, double reach) {
  int n = 0;
  for (int j = 0; j < s->n; j++)
    for (int image = 0; image < 27; image++) {
      const int m[3] = {image % 3 - 1, image / 3 % 3 - 1, image / 9 - 1};
      double r2 = 0;
      if (s->number[j] != z || (i == j && image == 13)) continue;
      for (int k = 0; k < 3; k++)
        r2 += pow(s->position[i][k] - s->position[j][k] + m[0] * s->cell[k] +
                      m[1] * s->cell[3 + k] + m[2] * s->cell[6 + k],
                  2);
      n += r2 < reach * reach;
    }
  return n;
}

/* The label of IRMOF-1's atoms, by their bonds; elsewhere the element. */
static inline const char *label_of(const cJSON *types, const structure *s, int i) {
  const char *symbol = element_symbol(s->number[i]);
  if (cJSON_GetObjectItem(types, symbol)) return symbol;
  switch (s->number[i]) {
  case 30: return "Zn1";
  case 8: return bonded(s, i, 30, 2.2) == 4 ? "O1" : "O2";
  case 6: return bonded(s, i, 8, 1.5) == 2 ? "C1" : bonded(s, i, 1, 1.2) ? "C3" : "C2";
  default: return "H1";
  }
}

static inline void read_gas(const cJSON *json, classical_molecule *m) {
  const cJSON *types = cJSON_GetObjectItem(json, "types"), *entry;
  const cJSON *sites = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "gas"), "sites");
  *m = (classical_molecule){0};
  cJSON_ArrayForEach(entry, sites) {
    const cJSON *name = cJSON_GetArrayItem(entry, 0), *x = cJSON_GetArrayItem(entry, 1);
    m->site[m->n] = site_of(cJSON_GetObjectItem(types, name->valuestring));
    for (int k = 0; k < 3; k++) m->position[m->n][k] = cJSON_GetArrayItem(x, k)->valuedouble;
    m->n++;
  }
}

static inline void reference_gas_open(const char *name, reference_gas *r) {
  *r = (reference_gas){0};
  char path[REFERENCE_PATH], relative[256];
  snprintf(relative, sizeof relative, "reference/adsorption/%s", name);
  if (!reference_shared(relative, path)) reference_skip("no %s in EQS_SHARED", relative);
  cJSON *json = read_json(path);
  const cJSON *types = cJSON_GetObjectItem(json, "types");
  snprintf(relative, sizeof relative, "reference/adsorption/%s",
           cJSON_GetObjectItem(json, "cif")->valuestring);
  cr_assert(reference_shared(relative, path));
  eqs_structures *read;
  cr_assert(eqs_structures_read(path, NULL, &read) == EQS_OK, "%s", eqs_error());
  r->settings.cutoff = number(json, "rcut");
  r->settings.truncated = !cJSON_IsTrue(cJSON_GetObjectItem(json, "shifted"));
  r->temperature = number(json, "T");
  cr_assert(framework_prepare(structures_frame(read, 0), 2 * r->settings.cutoff, &r->f) == EQS_OK);
  eqs_structures_free(&read);
  r->atom = calloc((size_t)r->f.cell.n, sizeof *r->atom);
  int from_file = cJSON_IsTrue(cJSON_GetObjectItem(json, "charges_from_cif"));
  for (int i = 0; i < r->f.cell.n; i++) {
    const cJSON *type = cJSON_GetObjectItem(types, label_of(types, &r->f.cell, i));
    cr_assert(type, "atom %d", i + 1);
    r->atom[i] = site_of(type);
    if (from_file) r->atom[i].charge = r->f.cell.charge[i];
  }
  read_gas(json, &r->co2);
  cJSON_Delete(json);
  r->settings.atom = r->atom;
  r->settings.guest = &r->co2;
  cr_assert(workspace_set_threads(&r->work, 1) == EQS_OK);
  gas g;
  cr_assert(gas_find("CO2", &g) == EQS_OK);
  cr_assert(classical_energy_open(&r->f, 1, &g, &r->settings, &r->work, &r->energy) == EQS_OK, "%s",
            eqs_error());
}

static inline void reference_gas_close(reference_gas *r) {
  r->energy->ops->free(r->energy);
  framework_free(&r->f);
  free(r->atom);
  workspace_free(&r->work);
}

#endif
