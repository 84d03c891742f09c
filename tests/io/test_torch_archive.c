/* test_torch_archive.c -- models that mace-torch and SevenNet wrote, whole and damaged.
 *
 * The numbers expected of the models were taken from them with Python's zipfile, pickle and struct.
 * EQS_SEVENNET_DIR names the folder `pretrained_potentials` of the sevenn package, if it is there.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/torch_archive.h"

#define MODELS EQS_SOURCE_DIR "/tests/data/models/"

static double number(const torch_value *root, const char *path) {
  double x = NAN;
  cr_assert_eq(torch_to_double(torch_get(root, path), path, &x), EQS_OK, "%s", eqs_error());
  return x;
}

static const struct expected {
  const char *file, *family, *block[2];
  double r_max, e0_last, weight; /* weight: the first of interactions.0.linear_up */
  int heads, apply_cutoff, n_layer;
  const char *dtype;
} models[] = {
    {"tiny_L0",
     "ScaleShiftMACE",
     {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     4.5,
     -5.7582152579100265,
     -0.800775127315468,
     1,
     1,
     2,
     "float64"},
    {"tiny_L0_MACEcls_cheb_f32",
     "MACE",
     {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     4.5,
     -5.618526935577393,
     -1.3514683246612549,
     1,
     1,
     2,
     "float32"},
    {"tiny_L1",
     "ScaleShiftMACE",
     {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     4.0,
     -5.462382861474353,
     -0.3946896981743198,
     1,
     1,
     2,
     "float64"},
    {"tiny_L1_agnesi",
     "ScaleShiftMACE",
     {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     4.0,
     -5.412965981012147,
     0.18492393312555708,
     1,
     1,
     2,
     "float64"},
    {"tiny_L1_dens_agnesi_zbl",
     "ScaleShiftMACE",
     {"RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock"},
     4.0,
     -6.332201580732598,
     0.2133560941526881,
     1,
     1,
     2,
     "float64"},
    {"tiny_L1_mh1like",
     "ScaleShiftMACE",
     {"RealAgnosticResidualNonLinearInteractionBlock",
      "RealAgnosticResidualNonLinearInteractionBlock"},
     4.0,
     -5.421960381438297,
     1.0085770233680236,
     2,
     0,
     2,
     "float64"},
    {"tiny_L1_multihead",
     "ScaleShiftMACE",
     {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     4.0,
     -5.479252225789035,
     0.7312631417684479,
     3,
     1,
     2,
     "float64"},
    {"tiny_L1_nocutapply_dens",
     "ScaleShiftMACE",
     {"RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock"},
     4.0,
     -5.574353239297053,
     -1.4207107417976639,
     1,
     0,
     2,
     "float64"},
    {"tiny_L1_resfirst_3layer",
     "ScaleShiftMACE",
     {"RealAgnosticResidualInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     3.5,
     -5.914318260926663,
     -0.6371484501618678,
     1,
     1,
     3,
     "float64"},
    {"tiny_L1_soft_gauss",
     "ScaleShiftMACE",
     {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"},
     4.0,
     -5.151513302035907,
     0.6413633542503931,
     1,
     1,
     2,
     "float64"},
};

static void check_model(const torch_value *root, const struct expected *e) {
  cr_assert(torch_is_class(root, e->family), "%s: %s", e->file, torch_class(root));
  cr_assert_eq(number(root, "r_max"), e->r_max);
  static const double elements[] = {1, 6, 7, 8, 12, 30};
  double got[18], weight[64];
  cr_assert_eq(torch_tensor_read(torch_get(root, "atomic_numbers"), "z", got, 6), EQS_OK);
  for (int i = 0; i < 6; i++) cr_assert_eq(got[i], elements[i]);
  cr_assert_str_eq(torch_tensor_dtype(torch_get(root, "atomic_numbers")), "int64");
  cr_assert_eq(torch_length(torch_get(root, "heads")), (size_t)e->heads);
  int apply = -1;
  cr_assert_eq(torch_to_bool(torch_get(root, "apply_cutoff"), "apply_cutoff", &apply), EQS_OK);
  cr_assert_eq(apply, e->apply_cutoff);
  const torch_value *blocks = torch_get(root, "interactions");
  cr_assert(torch_is_class(blocks, "ModuleList"));
  cr_assert_eq(torch_length(torch_get(blocks, "_modules")), (size_t)e->n_layer);
  cr_assert(torch_is_class(torch_get(blocks, "0"), e->block[0]));
  cr_assert(torch_is_class(torch_get(blocks, "1"), e->block[1]));
  cr_assert_eq(number(root, "interactions.1.avg_num_neighbors"), 12.0);
  const torch_value *e0 = torch_get(root, "atomic_energies_fn.atomic_energies");
  size_t n = 6 * (size_t)e->heads;
  cr_assert_eq(torch_tensor_read(e0, "E0", got, n), EQS_OK, "%s", eqs_error());
  cr_assert_eq(got[n - 1], e->e0_last);
  const torch_value *w = torch_get(root, "interactions.0.linear_up.weight");
  cr_assert_str_eq(torch_tensor_dtype(w), e->dtype);
  cr_assert_eq(torch_tensor_read(w, "linear_up", weight, 64), EQS_OK, "%s", eqs_error());
  cr_assert_eq(weight[0], e->weight);
  cr_assert_eq(torch_tensor_read(w, "linear_up", weight, 63), EQS_ERR_FORMAT);
  const torch_value *ir = torch_get(root, "products.0.linear.irreps_out");
  cr_assert(torch_is_class(ir, "Irreps"));
  int64_t mul = 0;
  cr_assert_eq(torch_to_int(torch_item(torch_item(ir, 0), 0), "mul", &mul), EQS_OK);
  cr_assert_eq(mul, 8);
}

Test(torch_archive, models_of_mace) {
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    char path[512];
    torch_archive *a;
    snprintf(path, sizeof path, MODELS "%s.model", models[i].file);
    cr_assert_eq(torch_archive_open(path, &a), EQS_OK, "%s", eqs_error());
    check_model(torch_archive_root(a), &models[i]);
    torch_archive_free(&a);
    cr_assert_null(a);
  }
}

/* Sums over a whole tensor: the contraction coefficients of three-body order of tiny_L0. */
Test(torch_archive, a_large_tensor) {
  torch_archive *a;
  cr_assert_eq(torch_archive_open(MODELS "tiny_L0.model", &a), EQS_OK, "%s", eqs_error());
  const torch_value *u = torch_get(torch_archive_root(a),
                                   "products.0.symmetric_contractions.contractions.0.U_matrix_3");
  static const int64_t shape[] = {16, 16, 16, 23};
  cr_assert_eq(torch_tensor_rank(u), 4);
  for (int k = 0; k < 4; k++) cr_assert_eq(torch_tensor_shape(u)[k], shape[k]);
  size_t n = torch_tensor_count(u);
  cr_assert_eq(n, 16 * 16 * 16 * 23);
  double *x = calloc(n, sizeof *x), sum = 0, weighted = 0;
  cr_assert_eq(torch_tensor_read(u, "U", x, n), EQS_OK, "%s", eqs_error());
  for (size_t i = 0; i < n; i++) sum += x[i], weighted += (double)i * x[i];
  cr_assert_float_eq(sum, 42.41124138653102, 1e-9);
  cr_assert_float_eq(weighted, 1424950.7551889517, 1e-4);
  free(x);
  torch_archive_free(&a);
}

/* The digest that sha256sum prints. */
Test(torch_archive, sha256_of_a_file) {
  torch_archive *a;
  cr_assert_eq(torch_archive_open(MODELS "tiny_L1_soft_gauss.model", &a), EQS_OK);
  for (int k = 0; k < 2; k++)
    cr_assert_str_eq(torch_archive_sha256(a),
                     "63342853ba8c48651753a646ffa99a5f06317ce39abf3f94554a077b92a46a23");
  torch_archive_free(&a);
}

/* The stored Wigner symbols have strides (5, 15, 1) in two of the files; C(1,1,2)[1][1][2] is
 * +0.36514837 and C(1,1,2)[0][0][2] half of it and negative, in e3nn's convention. */
Test(torch_archive, checkpoints_of_sevennet) {
  static const struct {
    const char *file, *version, *layer, *shift;
    double lmax, first_shift, last_shift;
    size_t n_shift;
  } files[] = {
      {"SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth", "0.9.1", "1_convolution",
       "rescale_atomic_energy.shift", 2, -5.062768459320068, -11.846826553344727, 89},
      {"SevenNet_0__22May2024/checkpoint_sevennet_0.pth", "0.9.1", "1 convolution",
       "rescale atomic energy.shift", 2, -5.593876361846924, -11.690712928771973, 89},
      {"SevenNet_MF_0/checkpoint_sevennet_mf_0.pth", "0.9.4", "1_convolution",
       "rescale_atomic_energy.shift", 2, -69.8252182006836, -11.846826553344727, 178},
      {"SevenNet_l3i5/checkpoint_l3i5.pth", "0.9.2", "1_convolution", "rescale_atomic_energy.shift",
       3, -5.062768459320068, -11.846826553344727, 89},
  };
  const char *folder = getenv("EQS_SEVENNET_DIR");
  if (!folder) {
    fprintf(stderr,
            "skipped: EQS_SEVENNET_DIR is not set, the SevenNet checkpoints are not here\n");
    cr_skip_test("EQS_SEVENNET_DIR is not set");
  }
  for (int i = 0; i < 4; i++) {
    char path[1024], name[200];
    torch_archive *a;
    double c[45], shift[178];
    const char *version = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, files[i].file);
    cr_assert_eq(torch_archive_open(path, &a), EQS_OK, "%s", eqs_error());
    const torch_value *root = torch_archive_root(a), *state = torch_get(root, "model_state_dict");
    cr_assert_eq(number(root, "config.cutoff"), 5.0);
    cr_assert_eq(number(root, "config.lmax"), files[i].lmax);
    cr_assert_eq(number(root, "config._type_map.6"), 11.0);
    cr_assert_eq(torch_to_string(torch_get(root, "config.version"), "version", &version), EQS_OK);
    cr_assert_str_eq(version, files[i].version);
    const torch_value *w = torch_get(state, "onehot_to_feature_x.linear.weight");
    cr_assert_eq(torch_tensor_count(w), 11392);
    cr_assert_str_eq(torch_tensor_dtype(w), "float32");
    snprintf(name, sizeof name, "%s.convolution._compiled_main_left_right._w3j_1_1_2",
             files[i].layer);
    cr_assert_eq(torch_tensor_read(torch_get(state, name), name, c, 45), EQS_OK, "%s", eqs_error());
    cr_assert_float_eq(c[(1 * 3 + 1) * 5 + 2], 0.3651483654975891, 1e-16);
    cr_assert_float_eq(c[2], -0.18257418274879456, 1e-16);
    double weighted = 0;
    for (int k = 0; k < 45; k++) weighted += k * c[k];
    cr_assert_float_eq(weighted, 53.126264333724976, 1e-12);
    const torch_value *v = torch_get(state, files[i].shift);
    cr_assert_eq(torch_tensor_read(v, "shift", shift, files[i].n_shift), EQS_OK);
    cr_assert_eq(shift[0], files[i].first_shift);
    cr_assert_eq(shift[files[i].n_shift - 1], files[i].last_shift);
    torch_archive_free(&a);
  }
}

static unsigned char *read_whole(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f, "%s", path);
  fseek(f, 0, SEEK_END);
  *n = (size_t)ftell(f);
  rewind(f);
  unsigned char *bytes = malloc(*n + 1);
  cr_assert_eq(fread(bytes, 1, *n, f), *n);
  fclose(f);
  return bytes;
}

/* Copies of the shortest length that holds them, so that a sanitizer sees a read beyond the end. */
Test(torch_archive, truncated_models_are_refused) {
  size_t n, step = 1009;
  unsigned char *bytes = read_whole(MODELS "tiny_L1_soft_gauss.model", &n);
  for (size_t length = 0; length < n; length += length + 300 < n ? step : 1) {
    torch_archive *a;
    unsigned char *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    cr_assert_eq(torch_archive_open_memory(copy, length, "cut.model", &a), EQS_ERR_FORMAT);
    cr_assert_not_null(strstr(eqs_error(), "cut.model"));
    free(copy);
  }
  free(bytes);
}

/* Reads every tensor that a model's state names; what is damaged is refused, not crashed upon. */
static eqs_status read_all_tensors(const torch_value *root) {
  static const char *const paths[] = {"atomic_numbers",
                                      "r_max",
                                      "atomic_energies_fn.atomic_energies",
                                      "interactions.0.linear_up.weight",
                                      "interactions.1.conv_tp_weights.layer0.weight",
                                      "products.1.symmetric_contractions.contractions.0.U_matrix_2",
                                      "scale_shift.scale"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    const torch_value *v = torch_get(root, paths[i]);
    size_t n = torch_tensor_count(v);
    double *x = calloc(n + 1, sizeof *x);
    eqs_status status = torch_tensor_read(v, paths[i], x, n);
    free(x);
    if (status != EQS_OK) return status;
  }
  return EQS_OK;
}

Test(torch_archive, no_changed_byte_of_a_model_does_harm) {
  size_t n, pickle_refused = 0, seen = 0;
  unsigned char *bytes = read_whole(MODELS "tiny_L1_soft_gauss.model", &n);
  uint64_t random = 12345;
  for (size_t trial = 0; trial < 600; trial++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    size_t at = trial < 300 ? n - 1 - (random >> 33) % 9000 : (random >> 33) % n;
    unsigned char old = bytes[at];
    torch_archive *a;
    bytes[at] = (unsigned char)(old ^ 1u << (random >> 20 & 7));
    eqs_status status = torch_archive_open_memory(bytes, n, "flipped.model", &a);
    cr_assert(status == EQS_OK || status == EQS_ERR_FORMAT);
    if (status == EQS_OK) status = read_all_tensors(torch_archive_root(a));
    cr_assert(status == EQS_OK || status == EQS_ERR_FORMAT);
    if (status != EQS_OK) cr_assert_not_null(strstr(eqs_error(), "flipped.model"));
    if (trial >= 300 && at > 100 && at < 220000) { /* well inside data.pkl */
      seen++;
      pickle_refused += status == EQS_ERR_FORMAT;
    }
    torch_archive_free(&a);
    bytes[at] = old;
  }
  cr_assert(seen > 100 && pickle_refused == seen, "%zu of %zu", pickle_refused, seen);
  free(bytes);
}
