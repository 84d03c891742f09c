/* test_sevennet_options.c -- what a SevenNet checkpoint says of itself, and which options it takes.
 * The checkpoints are found as in test_sevennet_reference.c.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/reference.h"

static const char multi[] = "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth";
static const char plain[] = "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth";

static void find(const char *file, char path[REFERENCE_PATH]) {
  if (reference_in("EQS_SEVENNET_DIR", file, path)) return;
  char relative[REFERENCE_PATH];
  snprintf(relative, sizeof relative, "../../data/pretrained_potentials/%s", file);
  if (!reference_data(relative, path))
    reference_skip("no %s: set EQS_SEVENNET_DIR to pretrained_potentials of sevenn 0.13.0", file);
}

static eqs_model_info describe(eqs_context *c, const char *path, const char *modal, eqs_model **m) {
  eqs_model_info info = {.size = sizeof info};
  *m = reference_model(c, path, NULL, modal, EQS_DOUBLE);
  cr_assert_eq(eqs_model_info_get(*m, &info), EQS_OK, "%s", eqs_error());
  return info;
}

/* 842440 parameters: the number published for SevenNet-0. */
Test(sevennet_options, a_checkpoint_describes_itself) {
  char path[REFERENCE_PATH];
  find(plain, path);
  eqs_context *c = reference_context();
  eqs_model *m;
  eqs_model_info i = describe(c, path, NULL, &m);
  cr_assert_str_eq(i.family, "SevenNet");
  cr_assert_str_eq(i.functional, "PBE");
  cr_assert_str_eq(i.stored, "float32");
  cr_assert(i.n_parameter == 842440 && i.n_element == 89 && i.n_head == 0 && !i.head);
  cr_assert(i.n_layer == 5 && i.channels == 128 && i.lmax == 2 && i.l_hidden == 2);
  cr_assert(i.cutoff == 5.0 && i.elements[0] == 1 && i.elements[88] == 94);
  eqs_model_free(&m);
  eqs_context_free(&c);
}

Test(sevennet_options, the_modal_chooses_the_functional) {
  char path[REFERENCE_PATH];
  find(multi, path);
  eqs_context *c = reference_context();
  eqs_model *m;
  eqs_model_info i = describe(c, path, "R2SCAN", &m);
  cr_assert(i.n_head == 2);
  cr_assert_str_eq(i.head, "R2SCAN");
  cr_assert_str_eq(i.functional, "r2SCAN");
  eqs_model_free(&m);
  i = describe(c, path, NULL, &m); /* the file's own default */
  cr_assert_str_eq(i.head, "PBE");
  cr_assert_str_eq(i.functional, "PBE");
  eqs_model_free(&m);
  eqs_context_free(&c);
}

static void refuse(eqs_context *c, const char *path, const char *head, const char *modal,
                   const char *said) {
  eqs_model_options o = {.size = sizeof o, .head = head, .modal = modal};
  eqs_model *m = NULL;
  cr_assert_eq(eqs_model_load(c, path, &o, &m), EQS_ERR_ARGUMENT);
  cr_assert(!m && strstr(eqs_error(), said), "%s", eqs_error());
}

Test(sevennet_options, wrong_choices_are_refused_by_name) {
  char path[REFERENCE_PATH];
  find(multi, path);
  eqs_context *c = reference_context();
  refuse(c, path, NULL, "SCAN", "R2SCAN, PBE");
  refuse(c, path, "PBE", NULL, "modal");
  find(plain, path);
  refuse(c, path, NULL, "PBE", "no modal channels");
  eqs_context_free(&c);
}
