/* test_model_write.c -- models written as files of the program's own format: the same bits of
 * energies, forces and stresses as the original's, for every model of tests/data and the SevenNet
 * checkpoints (where EQS_SEVENNET_DIR names their folder); metadata; damaged files; lookup by name.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/sha256.h"
#include "tests/reference.h"

enum { MODELS = 64, ATOMS = 8, HEADS = 8 };

/* One of each element that the small models know, and two more; a skewed cell. */
static const int numbers[ATOMS] = {1, 6, 7, 8, 12, 30, 8, 6};
static const double positions[3 * ATOMS] = {0.1, 0.2, 0.3, 1.2, 0.1, 0.0, 2.3, 0.6,
                                            0.2, 3.3, 1.3, 0.1, 0.4, 2.4, 1.1, 2.2,
                                            2.7, 1.9, 1.1, 1.4, 2.6, 3.5, 3.2, 2.3};
static const double cell[9] = {4.6, 0.1, 0.0, 0.3, 4.9, -0.2, 0.2, 0.4, 4.4};
static const int pbc[3] = {1, 1, 1};

typedef struct numbers_of {
  double energy, energies[ATOMS], forces[3 * ATOMS], stress[9];
} results;

static results evaluate(eqs_context *c, const char *path, const eqs_model_options *o) {
  static const int first[2] = {0, ATOMS};
  eqs_model *m = NULL;
  results r;
  memset(&r, 0, sizeof r);
  cr_assert_eq(eqs_model_load(c, path, o, &m), EQS_OK, "%s", eqs_error());
  eqs_systems s = {.size = sizeof s,
                   .n_system = 1,
                   .first = first,
                   .number = numbers,
                   .position = positions,
                   .cell = cell,
                   .pbc = pbc};
  eqs_result out = {.size = sizeof out,
                    .energy = &r.energy,
                    .energies = r.energies,
                    .forces = r.forces,
                    .stress = r.stress};
  cr_assert_eq(eqs_compute(c, m, &s, &out), EQS_OK, "%s: %s", path, eqs_error());
  cr_assert(isfinite(r.energy) && r.forces[0] != 0);
  eqs_model_free(&m);
  return r;
}

/* A file that is not there yet. */
static void fresh(char path[64]) {
  static int count;
  snprintf(path, 64, "/tmp/eqs-model-%ld-%d", (long)getpid(), count++);
  unlink(path);
}

static eqs_model *load(eqs_context *c, const char *path, const char *modal) {
  eqs_model *m = NULL;
  eqs_model_options o = {.size = sizeof o, .modal = modal};
  cr_assert_eq(eqs_model_load(c, path, &o, &m), EQS_OK, "%s", eqs_error());
  return m;
}

static void write_model(eqs_context *c, const char *from, const char *modal, const char *to,
                        const eqs_model_write_options *o) {
  eqs_model *m = load(c, from, modal);
  cr_assert_eq(eqs_model_write(m, to, o), EQS_OK, "%s", eqs_error());
  eqs_model_free(&m);
}

static void expect_same_info(const eqs_model_info *a, const eqs_model_info *b) {
  cr_expect_str_eq(a->family, b->family);
  cr_expect_str_eq(a->architecture, b->architecture);
  cr_expect_str_eq(a->stored, b->stored);
  cr_expect_eq(a->cutoff, b->cutoff);
  cr_expect_eq(a->n_parameter, b->n_parameter);
  cr_expect_eq(a->n_element, b->n_element);
  cr_expect_eq(a->n_head, b->n_head);
  cr_expect(!a->functional == !b->functional &&
            (!a->functional || !strcmp(a->functional, b->functional)));
}

/* Both files for every head or channel, in both precisions. */
static int compare(eqs_context *c, const char *path, int is_sevennet) {
  char made[64], heads[HEADS][64];
  fresh(made);
  write_model(c, path, NULL, made, NULL);
  eqs_model *a = load(c, path, NULL), *b = load(c, made, NULL);
  eqs_model_info before = {.size = sizeof before}, after = {.size = sizeof after};
  cr_assert_eq(eqs_model_info_get(a, &before), EQS_OK);
  cr_assert_eq(eqs_model_info_get(b, &after), EQS_OK);
  expect_same_info(&before, &after);
  int n = before.n_head;
  cr_assert_leq(n, HEADS);
  for (int k = 0; k < n; k++) snprintf(heads[k], sizeof heads[k], "%s", before.heads[k]);
  eqs_model_free(&a);
  eqs_model_free(&b);
  for (int k = 0; k < (n ? n : 1); k++)
    for (int precision = 0; precision < 2; precision++) {
      const char *head = n ? heads[k] : NULL;
      eqs_model_options o = {.size = sizeof o,
                             .precision = precision ? EQS_DOUBLE : EQS_SINGLE,
                             .head = is_sevennet ? NULL : head,
                             .modal = is_sevennet ? head : NULL};
      results want = evaluate(c, path, &o), found = evaluate(c, made, &o);
      cr_expect(!memcmp(&want, &found, sizeof want), "%s, head %s: %.17g becomes %.17g", path,
                head ? head : "", want.energy, found.energy);
    }
  unlink(made);
  return n ? n : 1;
}

Test(model_write, mace_bits) {
  char names[MODELS][REFERENCE_NAME], folder[REFERENCE_PATH], path[REFERENCE_PATH],
      relative[2 * REFERENCE_NAME];
  eqs_context *c = reference_context();
  cr_assert(reference_data("models", folder));
  int n = reference_list(folder, ".model", names, MODELS), heads = 0;
  for (int k = 0; k < n; k++) {
    snprintf(relative, sizeof relative, "models/%.63s.model", names[k]);
    cr_assert(reference_data(relative, path));
    heads += compare(c, path, 0);
  }
  cr_expect_geq(n, 16);
  cr_expect_gt(heads, n + 2);
  eqs_context_free(&c);
}

static void compare_sevennet(const char *file) {
  char path[REFERENCE_PATH];
  if (!reference_in("EQS_SEVENNET_DIR", file, path))
    reference_skip("no %s: set EQS_SEVENNET_DIR to pretrained_potentials of sevenn 0.13.0", file);
  eqs_context *c = reference_context();
  compare(c, path, 1);
  eqs_context_free(&c);
}

Test(model_write, sevennet_july) {
  compare_sevennet("SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth");
}
Test(model_write, sevennet_may) {
  compare_sevennet("SevenNet_0__22May2024/checkpoint_sevennet_0.pth");
}
Test(model_write, sevennet_mf) { compare_sevennet("SevenNet_MF_0/checkpoint_sevennet_mf_0.pth"); }
Test(model_write, sevennet_l3i5) { compare_sevennet("SevenNet_l3i5/checkpoint_l3i5.pth"); }

/* ---- metadata */

static const char *metadata(const eqs_model *m, const char *key) {
  const char *k, *value;
  for (int i = 0;; i++) {
    cr_assert_eq(eqs_model_metadata(m, i, &k, &value), EQS_OK);
    if (!k || !strcmp(k, key)) return value;
  }
}

static void small_model(char path[REFERENCE_PATH]) {
  cr_assert(reference_data("models/tiny_one_layer.model", path));
}

static eqs_status set(const eqs_model *m, const char *path, const char *key, const char *value) {
  eqs_model_write_options o = {
      .size = sizeof o, .overwrite = 1, .n = 1, .keys = &key, .values = &value};
  return eqs_model_write(m, path, &o);
}

Test(model_write, metadata) {
  char path[REFERENCE_PATH], made[64], again[64];
  static const char *const keys[] = {"licence", "functional", "training_data"};
  static const char *const values[] = {"MIT", "GGA_X_PBE+GGA_C_PBE", "\"two\\lines\"\n\xc3\xa5"};
  eqs_model_write_options o = {.size = sizeof o, .n = 3, .keys = keys, .values = values};
  eqs_context *c = reference_context();
  small_model(path);
  fresh(made);
  fresh(again);
  write_model(c, path, NULL, made, &o);
  eqs_model *m = load(c, made, NULL);
  for (int k = 0; k < 3; k++) cr_expect_str_eq(metadata(m, keys[k]), values[k]);
  cr_expect_str_eq(metadata(m, "format_version"), "1");
  cr_expect_str_eq(metadata(m, "family"), "mace");
  cr_expect_str_eq(metadata(m, "elements"), "H C N O Mg Zn");
  cr_expect_str_eq(metadata(m, "libxc"), "gga_x_pbe+gga_c_pbe");
  cr_expect_str_eq(metadata(m, "repulsion"), "none");
  cr_expect_eq(strlen(metadata(m, "source_sha256")), 64);
  cr_expect_null(metadata(m, "name"));
  /* Kept, changed and taken away by writing it once more. */
  cr_assert_eq(set(m, again, "licence", ""), EQS_OK, "%s", eqs_error());
  eqs_model *n = load(c, again, NULL);
  cr_expect_null(metadata(n, "licence"));
  cr_expect_str_eq(metadata(n, "training_data"), values[2]);
  cr_expect_str_eq(metadata(n, "sha256"), metadata(m, "sha256"));
  cr_expect_str_eq(metadata(n, "source_sha256"), metadata(m, "source_sha256"));
  const char *k, *v;
  cr_expect_eq(eqs_model_metadata(m, -1, &k, &v), EQS_OK);
  cr_expect_null(k);
  cr_expect_eq(eqs_model_metadata(NULL, 0, &k, &v), EQS_ERR_ARGUMENT);
  eqs_model_free(&m);
  eqs_model_free(&n);
  m = load(c, path, NULL);
  cr_assert_eq(eqs_model_metadata(m, 0, &k, &v), EQS_OK);
  cr_expect_null(k); /* of a pickle */
  eqs_model_free(&m);
  unlink(made);
  unlink(again);
  eqs_context_free(&c);
}

/* The functional and the dispersion that a file names are those that are used. */
Test(model_write, dispersion) {
  char path[REFERENCE_PATH], made[64];
  static const char *const keys[] = {"functional", "dispersion"};
  static const char *const values[] = {"PBE", "d3bj"};
  eqs_model_write_options w = {.size = sizeof w, .n = 2, .keys = keys, .values = values};
  eqs_model_options o = {.size = sizeof o, .dispersion = "d3bj:pbe"};
  eqs_context *c = reference_context();
  small_model(path);
  fresh(made);
  write_model(c, path, NULL, made, &w);
  results want = evaluate(c, path, &o), found;
  o.dispersion = "auto";
  found = evaluate(c, made, &o);
  cr_expect(!memcmp(&want, &found, sizeof want), "%.17g, %.17g", want.energy, found.energy);
  o.dispersion = "d3bj";
  found = evaluate(c, made, &o);
  cr_expect(!memcmp(&want, &found, sizeof want), "%.17g, %.17g", want.energy, found.energy);
  o.dispersion = NULL;
  found = evaluate(c, made, &o);
  cr_expect_neq(want.energy, found.energy);
  o.dispersion = "auto"; /* a file that names none */
  want = evaluate(c, path, &o);
  cr_expect(!memcmp(&want, &found, sizeof want), "%.17g, %.17g", want.energy, found.energy);
  unlink(made);
  eqs_context_free(&c);
}

/* What `--wall auto` does is the file's to say, else it depends on ZBL. */
Test(model_write, wall) {
  static const char *const models[] = {"models/tiny_L1.model",
                                       "models/tiny_L1_dens_agnesi_zbl.model"};
  static const char *const said[] = {NULL, "on", "off"};
  static const int want[2][3] = {{1, 1, 0}, {0, 1, 0}};
  char path[REFERENCE_PATH], made[64];
  eqs_model_options o = {.size = sizeof o, .wall = "auto"};
  eqs_context *c = reference_context();
  for (int k = 0; k < 2; k++) {
    cr_assert(reference_data(models[k], path));
    for (int s = 0; s < 3; s++) {
      eqs_model_info info = {.size = sizeof info};
      fresh(made);
      eqs_model *m = load(c, path, NULL);
      cr_assert_eq(said[s] ? set(m, made, "wall", said[s]) : eqs_model_write(m, made, NULL), EQS_OK,
                   "%s", eqs_error());
      eqs_model_free(&m);
      cr_assert_eq(eqs_model_load(c, made, &o, &m), EQS_OK, "%s", eqs_error());
      cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
      cr_expect_eq(info.wall != NULL, want[k][s], "%s, %s", models[k], said[s] ? said[s] : "-");
      eqs_model_free(&m);
      unlink(made);
    }
  }
  eqs_context_free(&c);
}

Test(model_write, arguments) {
  char path[REFERENCE_PATH], made[64];
  static const char *const bad[][3] = {{"sha256", "x", "written by the program"},
                                       {"config", "{}", "written by the program"},
                                       {"Licence", "x", "a key has"},
                                       {"", "x", "a key has"},
                                       {"9a", "x", "a key has"},
                                       {"a b", "x", "a key has"},
                                       {"dispersion", "d4", "d3bj"},
                                       {"dispersion", "d3bj", "functional"},
                                       {"dispersion", "d3bj:nothing", "nothing"},
                                       {"wall", "perhaps", "on or off"},
                                       {"name", "\xff", "UTF-8"}};
  eqs_context *c = reference_context();
  small_model(path);
  fresh(made);
  eqs_model *m = load(c, path, NULL);
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    cr_expect_neq(set(m, made, bad[k][0], bad[k][1]), EQS_OK);
    cr_expect(strstr(eqs_error(), bad[k][2]), "'%s' does not say '%s'", eqs_error(), bad[k][2]);
    cr_expect_neq(access(made, F_OK), 0);
  }
  cr_expect_eq(eqs_model_write(m, "", NULL), EQS_ERR_ARGUMENT);
  cr_expect_eq(eqs_model_write(NULL, made, NULL), EQS_ERR_ARGUMENT);
  cr_expect_eq(eqs_model_write(m, "/nonexistent/x.safetensors", NULL), EQS_ERR_FILE);
  cr_assert_eq(eqs_model_write(m, made, NULL), EQS_OK);
  cr_expect_eq(eqs_model_write(m, made, NULL), EQS_ERR_FILE);
  cr_expect(strstr(eqs_error(), "exists"), "%s", eqs_error());
  eqs_model_free(&m);
  cr_assert(reference_data("models/tiny_L1_multihead.model", path));
  m = load(c, path, NULL);
  cr_expect_eq(set(m, made, "functional", "PBE"), EQS_ERR_ARGUMENT);
  eqs_model_free(&m);
  unlink(made);
  eqs_context_free(&c);
}

/* ---- damaged files */

typedef struct bytes {
  unsigned char *b;
  size_t n, header; /* header's length */
} bytes;

static bytes read_bytes(const char *path) {
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f, "%s", path);
  fseek(f, 0, SEEK_END);
  bytes out = {.n = (size_t)ftell(f)};
  rewind(f);
  out.b = malloc(out.n + 1);
  cr_assert_not_null(out.b);
  cr_assert_eq(fread(out.b, 1, out.n, f), out.n);
  fclose(f);
  for (int k = 7; k >= 0; k--) out.header = out.header << 8 | out.b[k];
  return out;
}

/* Another text of the same length in the header. */
static void replace(bytes *f, const char *from, const char *to) {
  size_t n = strlen(from), at = 8;
  cr_assert_eq(n, strlen(to), "%s, %s", from, to);
  while (at + n <= 8 + f->header && memcmp(f->b + at, from, n) != 0) at++;
  cr_assert_leq(at + n, 8 + f->header, "no %s", from);
  memcpy(f->b + at, to, n);
}

/* The right checksum for the tensors as they are. */
static void sign(bytes *f) {
  static const char key[] = "\"sha256\":\"";
  char sum[65];
  size_t at = 8;
  sha256_hex(f->b + 8 + f->header, f->n - 8 - f->header, sum);
  while (memcmp(f->b + at, key, sizeof key - 1) != 0) at++;
  memcpy(f->b + at + sizeof key - 1, sum, 64);
}

static void expect_refused(const bytes *f, eqs_status status, const char *says) {
  char path[64];
  eqs_context *c = reference_context();
  eqs_model *m = NULL;
  fresh(path);
  FILE *out = fopen(path, "wb");
  cr_assert(out && fwrite(f->b, 1, f->n, out) == f->n && !fclose(out));
  cr_expect_eq(eqs_model_load(c, path, NULL, &m), status, "%s", eqs_error());
  cr_expect_null(m);
  cr_expect(strstr(eqs_error(), says), "'%s' does not say '%s'", eqs_error(), says);
  cr_expect(strstr(eqs_error(), path), "'%s' does not name the file", eqs_error());
  unlink(path);
  eqs_context_free(&c);
}

static bytes small_file(void) {
  char path[REFERENCE_PATH], made[64];
  eqs_context *c = reference_context();
  small_model(path);
  fresh(made);
  write_model(c, path, NULL, made, NULL);
  bytes f = read_bytes(made);
  unlink(made);
  eqs_context_free(&c);
  return f;
}

Test(model_write, damaged_headers) {
  static const struct {
    const char *from, *to, *says;
    eqs_status status;
  } cases[] = {
      {"\"format_version\":\"1\"", "\"format_version\":\"2\"", "take a newer one",
       EQS_ERR_UNSUPPORTED},
      {"\"format_version\":\"1\"", "\"format_version\":\"x\"", "not a number", EQS_ERR_FORMAT},
      {"\"format\":\"equisorb\"", "\"format\":\"pytorch!\"", "equisorb convert", EQS_ERR_FORMAT},
      {"\"family\":\"mace\"", "\"family\":\"maze\"", "'maze'", EQS_ERR_UNSUPPORTED},
      {"\"family\":\"mace\"", "\"famili\":\"mace\"", "'family'", EQS_ERR_FORMAT},
      {"H C N O Mg Zn", "H C N O Mg Cu", "Mg Cu", EQS_ERR_FORMAT},
      {"\"parameters\":\"1", "\"parameters\":\"x", "parameters", EQS_ERR_FORMAT},
      {"avg_num_neighbors", "avg_num_neighbots", "'interactions.0.avg_num_neighbots' is not known",
       EQS_ERR_UNSUPPORTED},
      {"\\\"heads\\\"", "\\\"haeds\\\"", "'haeds' is not known", EQS_ERR_UNSUPPORTED},
      {"interactions.0.linear_up.weight", "interactions.0.linear_up.wieght",
       "interactions.0: linear_up.weight is missing", EQS_ERR_FORMAT},
      {"interactions.0.linear_up.weight", "interactions.7.linear_up.weight",
       "'interactions.7.linear_up.weight' has no place", EQS_ERR_FORMAT},
      {"\"interactions.0.linear_up.weight", "\"interactions.0.class.xxx.xxxxxx", "has no place",
       EQS_ERR_FORMAT},
      {"\"scale_shift.scale\"", "\"scale_shift.skale\"", "scale_shift.scale", EQS_ERR_FORMAT},
      {"ScaleShiftMACE", "ScaleShiftMAZE", "ScaleShiftMAZE", EQS_ERR_UNSUPPORTED},
      {"mace.modules.models.Sc", "maze.modules.models.Sc", "not one of mace", EQS_ERR_FORMAT}};
  bytes f = small_file();
  unsigned char *copy = malloc(f.n);
  cr_assert_not_null(copy);
  memcpy(copy, f.b, f.n);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    memcpy(f.b, copy, f.n);
    replace(&f, cases[k].from, cases[k].to);
    expect_refused(&f, cases[k].status, cases[k].says);
  }
  free(copy);
  free(f.b);
}

/* Two tensors of different sizes change their names. */
static void exchange(const char *a, const char *b, const char *unused, const char *says) {
  bytes f = small_file();
  replace(&f, a, unused);
  replace(&f, b, a);
  replace(&f, unused, b);
  expect_refused(&f, EQS_ERR_FORMAT, says);
  free(f.b);
}

Test(model_write, wrong_shape) {
  exchange("conv_tp_weights.layer0.weight", "conv_tp_weights.layer1.weight",
           "conv_tp_weights.layer9.weight", "interactions.0: conv_tp_weights: layer 0");
  exchange("readouts.0.linear.weight", "products.0.linear.weight", "products.9.linear.weight",
           "products.linear: 8 weights");
}

Test(model_write, damaged_tensors) {
  bytes f = small_file();
  unsigned char *last = f.b + f.n - 1, before = *last;
  *last ^= 1;
  expect_refused(&f, EQS_ERR_FORMAT, "SHA-256");
  *last = before;
  f.n--;
  expect_refused(&f, EQS_ERR_FORMAT, "cut short");
  f.n = 100;
  expect_refused(&f, EQS_ERR_FORMAT, "cut short");
  free(f.b);
  f = small_file(); /* the first tensors are of float64 */
  memset(f.b + 8 + f.header + 6, 0xFF, 2);
  sign(&f);
  expect_refused(&f, EQS_ERR_FORMAT, "element 0 is not finite");
  free(f.b);
}

/* ---- by name */

Test(model_write, by_name) {
  char path[REFERENCE_PATH], folder[64], made[128], list[256];
  eqs_context *c = reference_context();
  eqs_model *m = NULL;
  fresh(folder);
  cr_assert_eq(mkdir(folder, 0700), 0);
  small_model(path);
  snprintf(made, sizeof made, "%s/a-name_1.safetensors", folder);
  write_model(c, path, NULL, made, NULL);
  snprintf(list, sizeof list, "/nonexistent::%s", folder);
  unsetenv("EQUISORB_MODELS");
  cr_expect_eq(eqs_model_load(c, "a-name_1", NULL, &m), EQS_ERR_FILE);
  cr_expect(strstr(eqs_error(), "EQUISORB_MODELS"), "%s", eqs_error());
  setenv("EQUISORB_MODELS", list, 1);
  cr_expect_eq(eqs_model_load(c, "a-name_1", NULL, &m), EQS_OK, "%s", eqs_error());
  eqs_model_free(&m);
  cr_expect_eq(eqs_model_load(c, "a-name_2", NULL, &m), EQS_ERR_FILE);
  cr_expect(strstr(eqs_error(), folder), "%s", eqs_error());
  /* What is a path, or has an ending, is never a name. */
  cr_expect_eq(eqs_model_load(c, "./a-name_1", NULL, &m), EQS_ERR_FILE);
  cr_expect(!strstr(eqs_error(), "EQUISORB_MODELS"), "%s", eqs_error());
  cr_expect_eq(eqs_model_load(c, "a-name_1.safetensors", NULL, &m), EQS_ERR_FILE);
  cr_expect(!strstr(eqs_error(), "EQUISORB_MODELS"), "%s", eqs_error());
  unlink(made);
  rmdir(folder);
  eqs_context_free(&c);
}
