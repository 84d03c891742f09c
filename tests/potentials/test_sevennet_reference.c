/* test_sevennet_reference.c -- energies, forces and stresses against sevenn 0.13.0 in float64.
 *
 * The checkpoints are not part of the project: EQS_SEVENNET_DIR names their folder (by default
 * data/pretrained_potentials in the source folder). The small structures are in tests/data; the
 * others run where the folder EQS_SHARED is present.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/reference.h"

enum { STRUCTURES = 64 };

static const struct {
  const char *tag, *file, *modal;
} models[] = {
    {"sevennet-0_11jul2024", "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth", NULL},
    {"sevennet-0_22may2024", "SevenNet_0__22May2024/checkpoint_sevennet_0.pth", NULL},
    {"sevennet-mf-0_PBE", "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth", "PBE"},
    {"sevennet-mf-0_R2SCAN", "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth", "R2SCAN"},
    {"sevennet-l3i5", "SevenNet_l3i5/checkpoint_l3i5.pth", NULL},
};

static int find_checkpoint(const char *file, char path[REFERENCE_PATH]) {
  if (reference_in("EQS_SEVENNET_DIR", file, path)) return 1;
  char relative[REFERENCE_PATH];
  snprintf(relative, sizeof relative, "../../data/pretrained_potentials/%s", file);
  return reference_data(relative, path);
}

/* All structures of `folder` with one model; how many there were. */
static int check_folder(eqs_context *c, const eqs_model *m, const char *tag, const char *folder,
                        eqs_precision precision) {
  char names[STRUCTURES][REFERENCE_NAME], path[2 * REFERENCE_PATH];
  int n = reference_list(folder, ".json", names, STRUCTURES), checked = 0;
  for (int k = 0; k < n; k++) {
    snprintf(path, sizeof path, "%s/%s.json", folder, names[k]);
    reference r = reference_load_sevennet(path);
    for (int l = 0; l < r.n; l++)
      if (!strcmp(r.cases[l].head, tag)) {
        reference_check(c, m, &r.cases[l], precision, tag);
        checked++;
      }
    reference_free(&r);
  }
  return checked;
}

static void check(int model, eqs_precision precision) {
  char path[REFERENCE_PATH], folder[REFERENCE_PATH];
  if (!find_checkpoint(models[model].file, path))
    reference_skip("no %s: set EQS_SEVENNET_DIR to pretrained_potentials of sevenn 0.13.0",
                   models[model].file);
  eqs_context *c = reference_context();
  eqs_model *m = reference_model(c, path, NULL, models[model].modal, precision);
  cr_assert(reference_data("reference/sevennet", folder));
  cr_expect_gt(check_folder(c, m, models[model].tag, folder, precision), 3);
  if (reference_shared("reference/sevennet", folder))
    check_folder(c, m, models[model].tag, folder, precision);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

Test(sevennet_reference, july_double) { check(0, EQS_DOUBLE); }
Test(sevennet_reference, july_single) { check(0, EQS_SINGLE); }
Test(sevennet_reference, may_double) { check(1, EQS_DOUBLE); }
Test(sevennet_reference, may_single) { check(1, EQS_SINGLE); }
Test(sevennet_reference, mf_pbe_double) { check(2, EQS_DOUBLE); }
Test(sevennet_reference, mf_pbe_single) { check(2, EQS_SINGLE); }
Test(sevennet_reference, mf_r2scan_double) { check(3, EQS_DOUBLE); }
Test(sevennet_reference, mf_r2scan_single) { check(3, EQS_SINGLE); }
Test(sevennet_reference, l3i5_double) { check(4, EQS_DOUBLE); }
Test(sevennet_reference, l3i5_single) { check(4, EQS_SINGLE); }

Test(sevennet_reference, modal_channels) {
  char path[REFERENCE_PATH];
  if (!find_checkpoint(models[2].file, path)) reference_skip("%s is not here", models[2].file);
  eqs_context *c = reference_context();
  eqs_model *m = NULL;
  eqs_model_options options = {.size = sizeof options, .modal = "LDA"};
  cr_assert_eq(eqs_model_load(c, path, &options, &m), EQS_ERR_ARGUMENT);
  cr_assert(strstr(eqs_error(), "R2SCAN"), "'%s' does not list the channels", eqs_error());
  options.modal = NULL; /* the checkpoint names a default */
  cr_assert_eq(eqs_model_load(c, path, &options, &m), EQS_OK, "%s", eqs_error());
  eqs_model_info info = {.size = sizeof info};
  cr_assert_eq(eqs_model_info_get(m, &info), EQS_OK);
  cr_assert_eq(info.n_head, 2);
  cr_assert_str_eq(info.head, "PBE");
  eqs_model_free(&m);
  eqs_context_free(&c);
}
