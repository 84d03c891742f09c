/* test_committee.c -- uncertainties: what a committee's members give, against the scalars that
 * mace-torch finds in each layer times the members' weights (tests/data/make_committee.py), in both
 * precisions and in a batch; files whose committee is not one.
 * SPDX-License-Identifier: MIT */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/engine.h"
#include "io/sha256.h"
#include "tests/reference.h"

enum { MEMBERS = 5, ELEMENTS = 6, CASES = 16, ATOMS = 64 };

/* All cases of the reference as one batch, and what comes out. */
typedef struct sample {
  int n_system, n, first[CASES + 1], number[ATOMS], pbc[3 * CASES];
  double position[3 * ATOMS], cell[9 * CASES];
  double want[ATOMS][MEMBERS], limit[ELEMENTS];
} sample;

typedef struct answer {
  double energy[CASES], forces[3 * ATOMS];
  double uncertainty[CASES], committee[CASES][MEMBERS], novelty[ATOMS];
} answer;

static void committee_path(char path[REFERENCE_PATH]) {
  cr_assert(reference_data("models/tiny_committee.safetensors", path));
}

static char *read_bytes(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  cr_assert(f, "cannot open %s", path);
  char *bytes = calloc(1, 1 << 20);
  cr_assert(bytes);
  *n = fread(bytes, 1, (1 << 20) - 1, f);
  fclose(f);
  return bytes;
}

static double number_at(const cJSON *j, int i) { return cJSON_GetArrayItem(j, i)->valuedouble; }

static void read_members(sample *s) {
  char path[REFERENCE_PATH];
  size_t n;
  int atom = 0;
  cr_assert(reference_data("reference/tiny_committee.json", path));
  char *text = read_bytes(path, &n);
  cJSON *json = cJSON_Parse(text);
  cr_assert(json);
  for (int z = 0; z < ELEMENTS; z++) s->limit[z] = number_at(cJSON_GetObjectItem(json, "limit"), z);
  const cJSON *one;
  cJSON_ArrayForEach(one, cJSON_GetObjectItem(json, "cases")) {
    const cJSON *rows = cJSON_GetObjectItem(one, "committee");
    for (int i = 0; i < cJSON_GetArraySize(rows); i++, atom++)
      for (int m = 0; m < MEMBERS; m++)
        s->want[atom][m] = number_at(cJSON_GetArrayItem(rows, i), m);
  }
  cr_assert_eq(atom, s->n);
  cJSON_Delete(json);
  free(text);
}

static sample *read_sample(void) {
  char path[REFERENCE_PATH];
  sample *s = calloc(1, sizeof *s);
  cr_assert(s);
  cr_assert(reference_data("reference/tiny_committee.json", path));
  reference r = reference_load_mace(path);
  cr_assert(r.n > 4 && r.n <= CASES);
  for (int k = 0; k < r.n; k++) {
    const reference_case *c = r.cases + k;
    cr_assert_leq(s->n + c->n, ATOMS);
    memcpy(s->number + s->n, c->number, (size_t)c->n * sizeof(int));
    memcpy(s->position + 3 * s->n, c->position, 3 * (size_t)c->n * sizeof(double));
    memcpy(s->cell + 9 * k, c->cell, sizeof c->cell);
    memcpy(s->pbc + 3 * k, c->pbc, sizeof c->pbc);
    s->n += c->n;
    s->first[k + 1] = s->n;
  }
  s->n_system = r.n;
  reference_free(&r);
  read_members(s);
  return s;
}

static eqs_status compute(eqs_context *c, const eqs_model *m, const sample *s, int reverse,
                          int wanted, answer *a) {
  const eqs_systems in = {.size = sizeof in,
                          .n_system = s->n_system,
                          .first = s->first,
                          .number = s->number,
                          .position = s->position,
                          .cell = s->cell,
                          .pbc = s->pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = a->energy,
                    .forces = reverse ? a->forces : NULL,
                    .uncertainty = wanted ? a->uncertainty : NULL,
                    .committee = wanted ? a->committee[0] : NULL,
                    .novelty = wanted ? a->novelty : NULL};
  return eqs_compute(c, m, &in, &out);
}

/* Place of an element among those of the model. */
static int element_place(int z) {
  static const int element[ELEMENTS] = {1, 6, 7, 8, 12, 30};
  int i = 0;
  while (element[i] != z) i++;
  return i;
}

static double root_mean_square(const double *x) {
  double sum = 0;
  for (int m = 0; m < MEMBERS; m++) sum += x[m] * x[m];
  return sqrt(sum / MEMBERS);
}

static void expect_members(const sample *s, const answer *a, double tolerance, const char *label) {
  for (int k = 0; k < s->n_system; k++) {
    double sum[MEMBERS] = {0};
    for (int i = s->first[k]; i < s->first[k + 1]; i++) {
      for (int m = 0; m < MEMBERS; m++) sum[m] += s->want[i][m];
      double novelty = root_mean_square(s->want[i]) / s->limit[element_place(s->number[i])];
      cr_expect_float_eq(a->novelty[i], novelty, 10 * tolerance, "%s: novelty of atom %d: %g, %g",
                         label, i, a->novelty[i], novelty);
    }
    for (int m = 0; m < MEMBERS; m++)
      cr_expect_float_eq(a->committee[k][m], sum[m], tolerance, "%s: system %d, member %d: %g, %g",
                         label, k, m, a->committee[k][m], sum[m]);
    cr_expect_float_eq(a->uncertainty[k], root_mean_square(sum), tolerance, "%s: system %d", label,
                       k);
  }
}

static void check(eqs_precision precision, double tolerance, const char *label) {
  char path[REFERENCE_PATH];
  eqs_context *c = reference_context();
  sample *s = read_sample();
  static answer a, b;
  committee_path(path);
  eqs_model *m = reference_model(c, path, NULL, NULL, precision);
  eqs_model_info info = {.size = sizeof info};
  cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
  cr_assert_eq(info.n_member, MEMBERS);
  for (int reverse = 0; reverse < 2; reverse++)
    for (int again = 0; again < 4; again++) { /* a device records the third and replays it */
      memset(&a, 0, sizeof a);
      cr_assert_eq(compute(c, m, s, reverse, 1, &a), EQS_OK, "%s", eqs_error());
      expect_members(s, &a, tolerance, label);
      cr_assert_eq(compute(c, m, s, reverse, 0, &b), EQS_OK, "%s", eqs_error());
      cr_expect(!memcmp(a.energy, b.energy, sizeof a.energy), "%s: energies change", label);
      cr_expect(!memcmp(a.forces, b.forces, sizeof a.forces), "%s: forces change", label);
    }
  eqs_model_free(&m);
  eqs_context_free(&c);
  free(s);
}

Test(committee, double_precision) { check(EQS_DOUBLE, 1e-12, "double"); }
Test(committee, single_precision) { check(EQS_SINGLE, 1e-6, "single"); }

/* The committee survives being written, and the wall around a model. */
Test(committee, written_and_walled) {
  char path[REFERENCE_PATH], copy[64];
  eqs_context *c = reference_context();
  sample *s = read_sample();
  static answer a, b;
  eqs_model_options walled = {.size = sizeof walled, .precision = EQS_DOUBLE, .wall = "on"};
  committee_path(path);
  snprintf(copy, sizeof copy, "/tmp/eqs-committee-%ld", (long)getpid());
  eqs_model *m = reference_model(c, path, NULL, NULL, EQS_DOUBLE), *n = NULL;
  cr_assert_eq(eqs_model_write(m, copy, &(eqs_model_write_options){.overwrite = 1}), EQS_OK, "%s",
               eqs_error());
  cr_assert_eq(eqs_model_load(c, copy, &walled, &n), EQS_OK, "%s", eqs_error());
  s->n_system = 2; /* molecules at rest, which the wall leaves alone */
  s->n = s->first[2];
  cr_assert_eq(compute(c, m, s, 0, 1, &a), EQS_OK, "%s", eqs_error());
  cr_assert_eq(compute(c, n, s, 0, 1, &b), EQS_OK, "%s", eqs_error());
  cr_expect(!memcmp(&a, &b, sizeof a));
  cr_expect_gt(a.uncertainty[0], 0);
  eqs_model_free(&m);
  eqs_model_free(&n);
  eqs_context_free(&c);
  unlink(copy);
  free(s);
}

static void expect_refusal(eqs_context *c, const eqs_model *m, const sample *s, const char *text) {
  answer a;
  cr_expect_eq(compute(c, m, s, 0, 1, &a), EQS_ERR_UNSUPPORTED);
  cr_expect(strstr(eqs_error(), text), "%s", eqs_error());
}

Test(committee, refusals) {
  char path[REFERENCE_PATH];
  eqs_context *c = reference_context();
  sample *s = read_sample();
  s->n_system = 1;
  s->n = s->first[1];
  cr_assert(reference_data("models/tiny_one_layer.model", path));
  eqs_model *m = reference_model(c, path, NULL, NULL, EQS_DOUBLE);
  expect_refusal(c, m, s, "no committee");
  eqs_model_free(&m);
  committee_path(path);
  m = reference_model(c, path, NULL, NULL, EQS_DOUBLE);
  c->shard = (struct shard *)&path; /* only whether there is one counts */
  expect_refusal(c, m, s, "over ranks");
  c->shard = NULL;
  int first[2] = {0, 0};
  double novelty;
  eqs_systems none = {.size = sizeof none, .n_system = 1, .first = first};
  eqs_result there = {.size = sizeof there, .memory = EQS_MEMORY_DEVICE, .novelty = &novelty};
  cr_expect_eq(eqs_compute(c, m, &none, &there), EQS_ERR_UNSUPPORTED);
  cr_expect(strstr(eqs_error(), "host memory"), "%s", eqs_error());
  eqs_model_free(&m);
  eqs_context_free(&c);
  free(s);
}

/* ---- hostile files */

/* Puts the checksum of the tensors where the metadata have it. */
static void renew_sum(char *bytes, size_t n) {
  char sum[65];
  uint64_t header;
  memcpy(&header, bytes, 8);
  char *at = strstr(bytes + 8, "\"sha256\": \"");
  sha256_hex(bytes + 8 + header, n - 8 - header, sum);
  cr_assert(at);
  memcpy(at + 11, sum, 64);
}

static void expect_format(const char *bytes, size_t n, const char *text) {
  char path[64];
  eqs_context *c = reference_context();
  eqs_model *m = NULL;
  snprintf(path, sizeof path, "/tmp/eqs-committee-bad-%ld", (long)getpid());
  FILE *f = fopen(path, "wb");
  cr_assert(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
  cr_expect_eq(eqs_model_load(c, path, NULL, &m), EQS_ERR_FORMAT);
  cr_expect(strstr(eqs_error(), text), "%s", eqs_error());
  eqs_model_free(&m);
  eqs_context_free(&c);
  unlink(path);
}

/* Other text of the same length in the header. */
static void expect_header(const char *from, const char *to, const char *text) {
  char path[REFERENCE_PATH];
  size_t n;
  committee_path(path);
  char *bytes = read_bytes(path, &n), *at = strstr(bytes + 8, from);
  cr_assert(at && strlen(from) == strlen(to));
  memcpy(at, to, strlen(to));
  expect_format(bytes, n, text);
  free(bytes);
}

/* Other numbers at the offset of a tensor in the data. */
static void expect_numbers(const char *name, double x, const char *text) {
  char path[REFERENCE_PATH];
  size_t n;
  uint64_t header;
  committee_path(path);
  char *bytes = read_bytes(path, &n), *at = strstr(bytes + 8, name);
  cr_assert(at);
  memcpy(&header, bytes, 8);
  at = strstr(at, "data_offsets\": [") + 16;
  memcpy(bytes + 8 + header + strtoul(at, NULL, 10) + sizeof x, &x, sizeof x);
  renew_sum(bytes, n);
  expect_format(bytes, n, text);
  free(bytes);
}

Test(committee, hostile_files) {
  expect_header("[5, 20]", "[4, 25]", "25 columns, but the readouts read 20 scalars");
  expect_header("[5, 20]", "[100  ]", "no tensor of two dimensions");
  expect_header("committee.limit", "committee.lemit", "committee.weight without committee.limit");
  expect_header("committee.weight", "committee.weighs", "committee.limit without committee.weight");
  expect_numbers("committee.weight", NAN, "committee.weight': element 1 is not finite");
  expect_numbers("committee.limit", -1, "committee.limit: element 1 is negative");
}
