/* reference.c -- reads the reference files (JSON, by cJSON) and compares evaluations with them.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/reference.h"
#include "core/neighbors.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files */

static int join(char path[REFERENCE_PATH], const char *folder, const char *relative) {
  int n = snprintf(path, REFERENCE_PATH, "%s/%s", folder, relative);
  return n > 0 && n < REFERENCE_PATH && access(path, R_OK) == 0;
}

int reference_data(const char *relative, char path[REFERENCE_PATH]) {
  return join(path, EQS_SOURCE_DIR "/tests/data", relative);
}

int reference_shared(const char *relative, char path[REFERENCE_PATH]) {
  const char *folder = getenv("EQS_SHARED");
  return join(path, folder ? folder : EQS_SOURCE_DIR "/../shared", relative);
}

int reference_in(const char *variable, const char *relative, char path[REFERENCE_PATH]) {
  const char *folder = getenv(variable);
  return folder && join(path, folder, relative);
}

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

int reference_list(const char *folder, const char *ending, char (*names)[REFERENCE_NAME],
                   int most) {
  DIR *dir = opendir(folder);
  int n = 0;
  for (struct dirent *d; dir && n < most && (d = readdir(dir));) {
    size_t length = strlen(d->d_name), tail = strlen(ending);
    if (length <= tail || length - tail >= REFERENCE_NAME) continue;
    if (strcmp(d->d_name + length - tail, ending)) continue;
    memset(names[n], 0, REFERENCE_NAME);
    memcpy(names[n++], d->d_name, length - tail);
  }
  if (dir) closedir(dir);
  qsort(names, (size_t)n, sizeof *names, compare_names);
  return n;
}

void reference_skip(const char *format, ...) {
  char reason[512];
  va_list args;
  va_start(args, format);
  vsnprintf(reason, sizeof reason, format, args);
  va_end(args);
  fprintf(stderr, "skipped: %s\n", reason);
  cr_skip_test("%s", reason);
}

static cJSON *read_json(const char *path) {
  FILE *f = fopen(path, "rb");
  cr_assert(f, "cannot open %s", path);
  cr_assert_eq(fseek(f, 0, SEEK_END), 0);
  int size = (int)ftell(f);
  cr_assert_gt(size, 0, "%s is empty", path);
  rewind(f);
  char *text = calloc((size_t)size + 1, 1);
  cr_assert(text);
  cr_assert_eq(fread(text, 1, (size_t)size, f), (size_t)size, "cannot read %s", path);
  fclose(f);
  cJSON *json = cJSON_Parse(text);
  free(text);
  cr_assert(json, "%s is not JSON", path);
  return json;
}

/* ---- arrays */

static int flatten(const cJSON *j, double *out, int at, int n) {
  if (cJSON_IsArray(j)) {
    const cJSON *item;
    cJSON_ArrayForEach(item, j) at = flatten(item, out, at, n);
    return at;
  }
  cr_assert(cJSON_IsNumber(j) || cJSON_IsBool(j), "a number is missing");
  cr_assert_lt(at, n, "an array is too long");
  out[at] = cJSON_IsBool(j) ? cJSON_IsTrue(j) : j->valuedouble;
  return at + 1;
}

/* Reads a nested array of exactly n numbers. */
static void read_numbers(const cJSON *object, const char *key, double *out, int n) {
  const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, key);
  cr_assert(j, "key %s is missing", key);
  cr_assert_eq(flatten(j, out, 0, n), n, "array %s is too short", key);
}

static double *new_numbers(const cJSON *object, const char *key, int n) {
  double *out = calloc((size_t)n + 1, sizeof *out);
  cr_assert(out);
  read_numbers(object, key, out, n);
  return out;
}

static void copy_name(char out[REFERENCE_NAME], const char *from) {
  snprintf(out, REFERENCE_NAME, "%s", from ? from : "");
}

static void read_structure(const cJSON *j, reference_case *r) {
  const cJSON *numbers = cJSON_GetObjectItemCaseSensitive(j, "numbers");
  r->n = cJSON_GetArraySize(numbers);
  copy_name(r->name, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j, "name")));
  double *z = new_numbers(j, "numbers", r->n), pbc[3];
  r->number = calloc((size_t)r->n + 1, sizeof *r->number);
  cr_assert(r->number);
  for (int i = 0; i < r->n; i++) r->number[i] = (int)z[i];
  free(z);
  r->position = new_numbers(j, "positions", 3 * r->n);
  read_numbers(j, "cell", r->cell, 9);
  read_numbers(j, "pbc", pbc, 3);
  for (int k = 0; k < 3; k++) r->pbc[k] = pbc[k] != 0;
}

static reference new_reference(int n) {
  reference r = {n, calloc((size_t)n + 1, sizeof *r.cases)};
  cr_assert(r.cases);
  return r;
}

/* A slab's stress from its virial (minus dE/dstrain), if its cell has a volume. */
static void read_virial(const cJSON *j, reference_case *c) {
  double volume = fabs(cell_volume(c->cell));
  if (!cJSON_HasObjectItem(j, "virials") || !(volume > 0)) return;
  read_numbers(j, "virials", c->stress, 9);
  for (int k = 0; k < 9; k++) c->stress[k] = -c->stress[k] / volume;
  c->has_stress = 1;
}

reference reference_load_mace(const char *path) {
  cJSON *json = read_json(path);
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "cases"), *j;
  const char *energies = "energies";
  if (!list) {
    list = cJSON_GetObjectItemCaseSensitive(json, "structures");
    energies = "node_energy";
  }
  reference r = new_reference(cJSON_GetArraySize(list));
  cr_assert_gt(r.n, 0, "%s holds no cases", path);
  reference_case *c = r.cases;
  cJSON_ArrayForEach(j, list) {
    read_structure(j, c);
    copy_name(c->head, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j, "head")));
    read_numbers(j, "energy", &c->energy, 1);
    c->energies = new_numbers(j, energies, c->n);
    c->forces = new_numbers(j, "forces", 3 * c->n);
    c->has_forces = 1;
    c->has_stress = cJSON_HasObjectItem(j, "stress");
    if (c->has_stress) read_numbers(j, "stress", c->stress, 9);
    else read_virial(j, c);
    c++;
  }
  cJSON_Delete(json);
  return r;
}

reference reference_load_sevennet(const char *path) {
  cJSON *json = read_json(path);
  const cJSON *models = cJSON_GetObjectItemCaseSensitive(json, "models"), *tag;
  reference r = new_reference(cJSON_GetArraySize(models));
  reference_case *c = r.cases;
  cJSON_ArrayForEach(tag, models) {
    static const int voigt[9] = {0, 5, 4, 5, 1, 3, 4, 3, 2};
    const cJSON *j = cJSON_GetObjectItemCaseSensitive(tag, "float64");
    double stress[6];
    if (!j) j = tag;
    read_structure(json, c);
    copy_name(c->head, tag->string);
    read_numbers(j, "energy", &c->energy, 1);
    c->energies = new_numbers(j, "energies", c->n);
    c->forces = new_numbers(j, "forces", 3 * c->n);
    c->has_forces = 1;
    read_numbers(j, "stress", stress, 6);
    for (int k = 0; k < 9; k++) c->stress[k] = stress[voigt[k]];
    c->has_stress = c->pbc[0] && c->pbc[1] && c->pbc[2];
    c++;
  }
  cJSON_Delete(json);
  return r;
}

void reference_free(reference *r) {
  for (int k = 0; k < r->n; k++) {
    free(r->cases[k].number);
    free(r->cases[k].position);
    free(r->cases[k].energies);
    free(r->cases[k].forces);
  }
  free(r->cases);
  r->cases = NULL;
  r->n = 0;
}

/* ---- evaluation */

eqs_context *reference_context(void) {
  eqs_context *c = NULL;
  const char *name = getenv("EQS_TEST_DEVICE");
  eqs_status status = eqs_context_open(name ? name : "host", &c);
  if (status == EQS_ERR_DEVICE) reference_skip("%s", eqs_error());
  cr_assert_eq(status, EQS_OK, "%s", eqs_error());
  cr_assert_eq(eqs_context_set_threads(c, 2), EQS_OK, "%s", eqs_error());
  return c;
}

eqs_model *reference_model(eqs_context *c, const char *path, const char *head, const char *modal,
                           eqs_precision precision) {
  eqs_model *m = NULL;
  eqs_model_options options = {
      .size = sizeof options, .head = head, .modal = modal, .precision = precision, .wall = "off"};
  cr_assert_eq(eqs_model_load(c, path, &options, &m), EQS_OK, "%s", eqs_error());
  return m;
}

eqs_systems reference_systems(const reference_case *r, int first[2]) {
  first[0] = 0;
  first[1] = r->n;
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = r->number,
                    .position = r->position,
                    .cell = r->cell,
                    .pbc = r->pbc};
  return in;
}

static double largest_difference(const double *got, const double *want, int n) {
  double most = 0;
  for (int k = 0; k < n; k++) {
    double d = fabs(got[k] - want[k]);
    if (!(d <= most)) most = d; /* a NaN sticks */
    if (isnan(most)) return INFINITY;
  }
  return most;
}

void reference_check(eqs_context *c, const eqs_model *m, const reference_case *r,
                     eqs_precision precision, const char *label) {
  double tolerance[4] = {1e-9, 1e-9, 1e-8, 1e-9}, loose[4] = {1e-5, 2e-5, 1e-4, 1e-6};
  if (precision == EQS_SINGLE) memcpy(tolerance, loose, sizeof loose);
  if (precision == EQS_SINGLE && r->energy_slack > 1)
    tolerance[0] *= r->energy_slack, tolerance[1] *= r->energy_slack;
  if (precision == EQS_SINGLE && r->stress_slack > 1) tolerance[3] *= r->stress_slack;
  double energy = NAN, stress[9], scale = 1;
  double *energies = calloc((size_t)r->n, sizeof *energies);
  double *forces = calloc(3 * (size_t)r->n, sizeof *forces);
  int first[2];
  eqs_systems in = reference_systems(r, first);
  eqs_result out = {.size = sizeof out,
                    .energy = &energy,
                    .energies = energies,
                    .forces = forces,
                    .stress = stress};
  cr_assert_eq(eqs_compute(c, m, &in, &out), EQS_OK, "%s %s %s: %s", label, r->name, r->head,
               eqs_error());
  for (int k = 0; k < 3 * r->n; k++) scale = fmax(scale, fabs(r->forces[k]));
  double d_energy = fabs(energy - r->energy) / r->n;
  double d_energies = largest_difference(energies, r->energies, r->n);
  double d_forces = r->has_forces ? largest_difference(forces, r->forces, 3 * r->n) / scale : 0;
  double d_stress = r->has_stress ? largest_difference(stress, r->stress, 9) : 0;
  if (getenv("EQS_TEST_VERBOSE"))
    fprintf(stderr, "%s %s %s: energy %.1e atom %.1e forces %.1e stress %.1e\n", label, r->name,
            r->head, d_energy, d_energies, d_forces, d_stress);
  cr_expect(d_energy <= tolerance[0], "%s %s %s: energy %.12f, want %.12f (%.1e eV per atom off)",
            label, r->name, r->head, energy, r->energy, d_energy);
  cr_expect(d_energies <= tolerance[1], "%s %s %s: per-atom energies differ by %.1e eV", label,
            r->name, r->head, d_energies);
  cr_expect(d_forces <= tolerance[2], "%s %s %s: forces differ by %.1e (largest %.3g)", label,
            r->name, r->head, d_forces, scale);
  cr_expect(d_stress <= tolerance[3], "%s %s %s: stress differs by %.1e eV/angstrom^3", label,
            r->name, r->head, d_stress);
  free(energies);
  free(forces);
}
